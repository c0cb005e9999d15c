"""What is special to Adobe Commerce: its orders and their documents, its pages, its events, what it lists."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from tests.connectors.adobe_opened import adds_up, opened, order_of, parcel, read
from tests.connectors.adobe_world import HOOK, World, run

from syncline.connectors.adobe_commerce.manifest import EVENT_FIELDS
from syncline.connectors.adobe_commerce.simulator import Buyer, CartLine, make_keys, public_pem
from syncline.model.change import Change, Event, Kind, LoggedEvent, Via
from syncline.model.delivery import Result
from syncline.model.errors import Forged, Misconfigured, Rejected, Retryable, Throttled
from syncline.model.readings import Shown
from syncline.model.records import Item as SoldItem
from syncline.model.records import Notice, Order
from syncline.ports import Request, Response, System

# --- orders ------------------------------------------------------------------------------------------------


def test_an_order_adds_up_whatever_became_of_it():
    async def story(world: World) -> None:
        system, _ = opened(world)
        cart = [CartLine("A", 3, discount_minor=101), CartLine("B", 7, discount_minor=33), CartLine("C", 1)]
        key = world.shop.checkout(cart, shipping_minor=499, paid=True, po_number="PO 7").order_id
        assert key is not None
        order = world.shop.orders[key]
        first = await order_of(world, system, key)
        assert first.complete and adds_up(first) and first.po_number == "PO 7"
        assert first.total == Decimal(order.grand_minor) / 100 == first.payments[0].amount
        assert [(line.sku, line.quantity, line.taken) for line in first.lines] == [
            ("A", 3, 0),
            ("B", 7, 0),
            ("C", 1, 0),
        ]
        b = order.lines[1]
        world.shop.sales.ship(order, {b.item_id: 4}, [("T", "t", "custom")], "default")
        world.shop.sales.refund(order, {b.item_id: 2})
        second = await order_of(world, system, key)
        assert adds_up(second)
        line = second.lines[1]
        assert (line.quantity, line.taken) == (5, 4), "the two were not sent yet"
        assert [(at.location, at.quantity) for at in line.allocations] == [("default", 5)]
        (refund,) = second.refunds
        assert [(x.quantity, x.shipped) for x in refund.lines] == [(2, False)]
        assert second.total == first.total - refund.amount
        world.shop.sales.refund(order, {b.item_id: 3})
        third = await order_of(world, system, key)
        assert adds_up(third) and third.lines[1].quantity == 2
        assert [(x.quantity, x.shipped, x.restocked) for x in third.refunds[1].lines] == [
            (1, False, True),
            (2, True, False),
        ]
        assert third.lines[1].taken == 4, "what was sent and came back lies somewhere else"
        trusting, _ = opened(world, refunds_restock=True)
        assert (await order_of(world, trusting, key)).lines[1].taken == 2
        assert not world.shop.ledger.breaches

    run(story)


def test_an_order_adds_up_where_discounts_are_given_on_prices_with_tax_and_on_shipping():
    async def story(world: World) -> None:
        system, _ = opened(world)
        cart = [CartLine("A", 3, discount_minor=700), CartLine("B", 7, discount_minor=333)]
        key = world.shop.checkout(
            cart, shipping_minor=500, paid=True, discounts_include_tax=True, shipping_discount_minor=125
        ).order_id
        assert key is not None
        order = world.shop.orders[key]
        first = await order_of(world, system, key)
        # 30.00 with 20 % tax is 36.00, less 7.00 is 29.00: 24.17 without tax.
        assert first.lines[0].unit_price * 3 - first.lines[0].discount == Decimal("24.17")
        assert (first.shipping, adds_up(first)) == (Decimal("3.75"), True)
        assert first.total == Decimal(order.grand_minor) / 100 == first.payments[0].amount
        world.shop.sales.refund(order, {order.lines[1].item_id: 7}, shipping_minor=200)
        second = await order_of(world, system, key)
        assert (second.shipping, adds_up(second)) == (Decimal("2.25"), True)
        assert second.total == first.total - second.refunds[0].amount

    run(story)


def test_units_are_told_where_they_left_from_and_where_the_rest_will():
    async def story(world: World) -> None:
        system, _ = opened(world)
        key = world.buy(("A", 6))
        order = world.shop.orders[key]
        line = order.lines[0].item_id

        async def told() -> list[tuple[str, int, int]]:
            (one,) = (await order_of(world, system, key)).lines
            return [(at.location, int(at.quantity), int(at.remaining)) for at in one.allocations]

        assert await told() == [("default", 6, 6)]
        world.shop.sales.ship(order, {line: 2}, (), "default")
        assert await told() == [("default", 6, 4)], "a parcel from there changes nothing in the ERP's order"
        world.shop.sales.ship(order, {line: 1}, (), "leeds")
        assert await told() == [("leeds", 1, 0), ("default", 5, 3)]
        other = world.buy(("A", 2))
        world.shop.sales.ship(world.shop.orders[other], None, (), "leeds")
        (one,) = (await order_of(world, system, other)).lines
        assert [(at.location, at.quantity) for at in one.allocations] == [("leeds", 2)]

    run(story)


def test_a_cancelled_order_wants_nothing():
    async def story(world: World) -> None:
        system, _ = opened(world)
        key = world.buy(("A", 3))
        world.shop.sales.cancel(world.shop.orders[key])
        order = await order_of(world, system, key)
        assert order.cancelled_at_ms == order.updated_at_ms
        assert [line.quantity for line in order.lines] == [0] and adds_up(order)

    run(story)


def test_an_order_that_was_sent_and_then_cancelled_still_has_what_was_sent():
    async def story(world: World) -> None:
        system, _ = opened(world)
        key = world.buy(("A", 3))
        order = world.shop.orders[key]
        world.shop.sales.ship(order, {order.lines[0].item_id: 2}, (), "default")
        world.shop.sales.cancel(order)
        assert order.state == "canceled"
        read = await order_of(world, system, key)
        assert ([line.quantity for line in read.lines], read.cancelled_at_ms) == ([2], None)
        (placed,) = (await system.rereads.placed_of([str(key)])).rows
        assert placed.cancelled is False

    run(story)


def test_a_configurable_line_counts_once():
    async def story(world: World) -> None:
        system, _ = opened(world)
        world.shop.add_product("SHIRT", "Shirt", Decimal(0), {}, kind="configurable")
        key = world.shop.checkout([CartLine("A", 2, configurable="SHIRT")]).order_id
        assert key is not None
        order = await order_of(world, system, key)
        assert [(line.sku, line.quantity, line.unit_price) for line in order.lines] == [
            ("A", 2, Decimal("10.0"))
        ]
        (outcome,) = await system.sink.deliver("create_shipment", [parcel(key, ("A", "leeds", 2))], "k")
        assert outcome.result is Result.DONE

    run(story)


def bundle(price: str, *, parent: str = "0", total: str) -> dict[str, Any]:
    def one(number: int, kind: str, sku: str, amount: str, **more: Any) -> dict[str, Any]:
        told = {"item_id": number, "product_type": kind, "sku": sku, "qty_ordered": 2, "base_price": amount}
        return told | {"base_row_total": str(Decimal(amount) * 2)} | more

    return {
        "entity_id": 7,
        "increment_id": "7",
        "state": "new",
        "created_at": "2026-07-01 09:00:00",
        "updated_at": "2026-07-01 09:00:00",
        "base_currency_code": "GBP",
        "base_grand_total": total,
        "items": [
            one(1, "bundle", "KIT", parent),
            one(2, "simple", "A", price, parent_item_id=1),
            one(3, "simple", "B", price, parent_item_id=1),
        ],
    }


def changes(system: System, topic: str, body: Any) -> list[Change]:
    event = Event("shop", topic, "e", Via.READ, 0, json.dumps(body).encode())
    return system.source.decode(LoggedEvent(1, 0, event))


def test_the_parts_of_a_bundle_are_what_is_sold_unless_it_has_a_price_of_its_own():
    async def story(world: World) -> None:
        system, _ = opened(world)
        (change,) = changes(system, "order.read", {"order": bundle("3.50", total="14")})
        assert isinstance(change.value, Order) and adds_up(change.value)
        assert [line.sku for line in change.value.lines] == ["A", "B"]
        with pytest.raises(Rejected, match="fixed price"):
            changes(system, "order.read", {"order": bundle("0", parent="7", total="14")})

    run(story)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_grand_total", "NaN"),
        ("base_grand_total", 1e300),
        ("base_currency_code", "pounds"),
        ("updated_at", "2026-07-01T09:00:00Z"),
        ("updated_at", "2026-13-01 09:00:00"),
        ("created_at", "0000-00-00 00:00:00"),
        ("entity_id", -1),
    ],
)
def test_an_order_that_cannot_be_meant_is_parked(field, value):
    async def story(world: World) -> None:
        system, _ = opened(world)
        good = bundle("3.50", total="14")
        assert changes(system, "order.read", {"order": good})
        with pytest.raises(Rejected):
            changes(system, "order.read", {"order": good | {field: value}})

    run(story)


def test_store_credit_in_the_total_does_not_vanish():
    """It lies on no line: the parts do not add up, and the engine parks the order."""

    async def story(world: World) -> None:
        system, _ = opened(world)
        (change,) = changes(system, "order.read", {"order": bundle("3.50", total="4")})
        assert isinstance(change.value, Order) and not adds_up(change.value)

    run(story)


def test_weighed_goods_are_refused():
    async def story(world: World) -> None:
        system, _ = opened(world)
        body = bundle("3.50", total="14")
        body["items"][1]["qty_ordered"] = "1.5"
        with pytest.raises(Rejected, match="no whole number"):
            changes(system, "order.read", {"order": body})

    run(story)


# --- reads -------------------------------------------------------------------------------------------------


def test_without_a_beginning_only_what_changes_from_now_on_is_read():
    async def story(world: World) -> None:
        world.buy(("B", 1))
        await world.clock.sleep(5)
        system, _ = opened(world, orders_since="")
        keys, cursor = await read(system)
        assert keys == []
        await world.clock.sleep(5)
        new = world.buy(("B", 1))
        await world.clock.sleep(5)
        assert (await read(system, cursor))[0] == [str(new)]

    run(story)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_many_orders_of_one_second_are_paged_by_id(size):
    async def story(world: World) -> None:
        bought = [world.buy(("B", 1)) for _ in range(7)]
        await world.clock.sleep(5)
        bought += [world.buy(("B", 1)) for _ in range(2)]
        system, _ = opened(world, page_size=size)
        keys, _ = await read(system)
        assert keys == [str(key) for key in bought]

    run(story)


def test_a_shop_whose_pages_lead_in_circles_is_stopped():
    async def story(world: World) -> None:
        for _ in range(4):
            world.buy(("B", 1))
        system, wire = opened(world, page_size=2)

        async def same(request: Request, send: Any) -> Response:
            answer = await send(request)
            body = json.loads(answer.body)
            body["items"] = [{"entity_id": 1, "updated_at": "2026-07-01 09:00:00"}]
            return Response(200, answer.headers, json.dumps(body).encode())

        wire.between = same
        with pytest.raises(Retryable, match="circles"):
            await read(system)

    run(story)


def test_products_that_keep_no_stock_are_not_items():
    async def story(world: World) -> None:
        world.shop.add_product("SHIRT", "Shirt", Decimal(0), {}, kind="configurable")
        system, _ = opened(world, page_size=2)
        found = []
        async for page in system.source.poll("items", None):
            found += [c for e in page.events for c in system.source.decode(LoggedEvent(1, 0, e))]
        items = [change.value for change in found]
        assert [(i.sku, i.stock_id, i.price, i.currency) for i in items if isinstance(i, SoldItem)] == [
            ("A", "A", Decimal("10.0"), "GBP"),
            ("B", "B", Decimal("3.33"), "GBP"),
            ("C", "C", Decimal("7.0"), "GBP"),
        ]

    run(story)


def test_what_a_shop_shows_and_lists_is_read_again():
    async def story(world: World) -> None:
        system, _ = opened(world, page_size=2)
        reads = system.rereads
        assert reads.shown and reads.shown_of and reads.placed and reads.placed_of
        rows: list[Shown] = []
        after = ""
        for _ in range(5):
            part = await reads.shown(["default", "leeds", "mars"], after)
            rows += part.rows
            after = part.after
            if not after:
                break
        assert [(row.sku, dict(row.numbers)) for row in rows] == [
            ("A", {"default": 5, "leeds": 20, "mars": None}),
            ("B", {"default": 50, "leeds": 0, "mars": None}),
            ("C", {"default": 4, "leeds": 3, "mars": None}),
        ]
        some = await reads.shown_of([SoldItem("B", "2"), SoldItem("?", "99")], ["default"])
        assert [(row.external_id, dict(row.numbers)) for row in some.rows] == [("2", {"default": 50})]
        keys = [world.buy(("B", 1)) for _ in range(3)]
        world.shop.sales.cancel(world.shop.orders[keys[1]])
        listed = await reads.placed(0, None, "")
        more = await reads.placed(0, None, listed.after)
        placed = [*listed.rows, *more.rows]
        assert ([row.key for row in placed], more.after) == ([str(key) for key in keys], "")
        assert [row.cancelled for row in placed] == [False, True, False]
        assert placed[0].total == Decimal("9.00"), "3.33 and its tax of 0.67, and 5.00"
        assert [row.key for row in (await reads.placed_of(["2", "77", "x"])).rows] == ["2"]

    run(story)


async def listed(system: System, what: str, position: str = "", **more: Any) -> list[list[Any]]:
    assert system.census is not None
    return [list(page.rows) async for page in system.census.read(what, position, **more)]


def test_everything_that_a_shop_has_is_listed():
    async def story(world: World) -> None:
        system, _ = opened(world, page_size=2)
        world.shop.add_product("SHIRT", "Shirt", Decimal(0), {}, kind="configurable")
        assert [place.id for (place, *_) in [[p] for p in (await listed(system, "places"))[0]]] == [
            "default",
            "leeds",
        ]
        items = [row for page in await listed(system, "items") for row in page]
        assert [(row.sku, row.quantity) for row in items] == [("A", 25), ("B", 50), ("C", 7)]
        some = [row for page in await listed(system, "items", places=["leeds"]) for row in page]
        assert [row.quantity for row in some] == [20, 0, 3]
        for n in range(3):
            world.buy(("B", 1), buyer=Buyer(f"{n}@b.example", "Ada", f"{n}"), registered=True)
            await world.clock.sleep(60)
        world.shop.sales.cancel(world.shop.orders[1])
        customers = [row for page in await listed(system, "customers") for row in page]
        assert [(row.id, row.name, row.email) for row in customers][2] == ("3", "Ada 2", "2@b.example")
        orders = [row for page in await listed(system, "orders") for row in page]
        assert [(row.key, row.open, row.cancelled) for row in orders] == [
            ("2", True, False),
            ("3", True, False),
            ("1", False, True),
        ]
        with pytest.raises(Misconfigured, match="lists no field"):
            await listed(system, "items", fields=["colour"])

    run(story)


def test_a_list_goes_on_from_its_position_and_the_stream_from_before_it():
    async def story(world: World) -> None:
        system, _ = opened(world, page_size=2)
        census = system.census
        assert census is not None
        for _ in range(5):
            world.buy(("B", 1))
            await world.clock.sleep(300)
        for what in ("orders", "items"):
            pages = [page async for page in census.read(what, "")]
            rest = [row for page in await listed(system, what, pages[0].position) for row in page]
            again = list(pages[0].rows[-1:]) if what == "orders" else []  # it lies within the overlap
            assert rest == again + [row for page in pages[1:] for row in page.rows]
        pages = [page async for page in census.read("orders", "")]
        assert [row.key for (row,) in await listed(system, "orders", pages[-1].position)] == ["5"]
        (cursor,) = await census.begin()
        await world.clock.sleep(300)
        new = world.buy(("B", 1))
        await world.clock.sleep(5)
        keys, _ = await read(system, cursor)
        assert keys == ["5", str(new)], "what was last, and what came"

    run(story)


# --- events ------------------------------------------------------------------------------------------------


def told(act: Callable[[World], Any], fields: tuple[str, ...]) -> list[Change]:
    found: list[Change] = []

    async def story(world: World) -> None:
        import asyncio

        from syncline.ports import WebhookRequest

        keys = tuple(public_pem(key) for key in make_keys())
        system, _ = opened(world, event_public_keys=keys, event_client_id="us")
        world.shop.register_events(f"{HOOK}/in", "us", fields)
        runner = asyncio.get_running_loop().create_task(world.shop.run())
        act(world)
        await world.clock.sleep(5)
        runner.cancel()
        for at_ms, headers, body in world.receiver.got:
            event = system.source.verify(WebhookRequest(headers, body, at_ms)).event
            found.extend(system.source.decode(LoggedEvent(1, at_ms, event)))
            stranger, _ = opened(world, event_public_keys=keys, event_client_id="them")
            with pytest.raises(Rejected, match="somebody else"):
                stranger.source.verify(WebhookRequest(headers, body, at_ms))

    run(story)
    return found


def test_an_event_with_all_fields_is_an_order_and_one_with_few_is_a_notice():
    (whole,) = told(lambda world: world.buy(("A", 2)), EVENT_FIELDS)
    assert isinstance(whole.value, Order) and adds_up(whole.value) and not whole.value.complete
    assert whole.kind is Kind.ORDER and whole.tiebreak == 0
    (few,) = told(lambda world: world.buy(("A", 2)), ("entity_id", "updated_at"))
    assert few.value == Notice("1") and few.version == whole.version


def test_an_event_whose_parts_do_not_add_up_is_a_notice():
    def act(world: World) -> None:
        world.shop.checkout([CartLine("A", 2, discount_minor=300)], discounts_include_tax=True)

    (whole,) = told(act, EVENT_FIELDS)
    assert isinstance(whole.value, Order) and adds_up(whole.value)
    (short,) = told(act, tuple(name for name in EVENT_FIELDS if "compensation" not in name))
    assert isinstance(short.value, Notice)


def test_children_that_cannot_be_told_from_parents_are_not_counted():
    def act(world: World) -> None:
        world.shop.add_product("SHIRT", "Shirt", Decimal(0), {}, kind="configurable")
        world.shop.checkout([CartLine("A", 2, configurable="SHIRT")])

    (blind,) = told(act, tuple(name for name in EVENT_FIELDS if "parent" not in name))
    assert isinstance(blind.value, Notice)
    (seen,) = told(act, EVENT_FIELDS)
    assert isinstance(seen.value, Order) and len(seen.value.lines) == 1


def test_without_a_key_no_event_is_believed():
    async def story(world: World) -> None:
        from syncline.ports import WebhookRequest

        for more in ({}, {"event_client_id": "us"}):
            system, _ = opened(world, **more)
            with pytest.raises(Forged, match="event_public_keys"):
                system.source.verify(WebhookRequest({}, b"{}", 0))

    run(story)


def test_the_check_says_what_is_missing():
    async def story(world: World) -> None:
        system, _ = opened(world)
        assert system.check is not None
        found = {what: (ok, mend) for what, ok, mend in await system.check()}
        assert [what for what, (ok, _) in found.items() if not ok] == []
        assert "events: none configured, so orders are polled" in found
        assert "sources: default, leeds" in found
        assert not system.capabilities.webhooks, "no events are promised where none were asked for"
        half, _ = opened(world, event_client_id="us")
        assert half.check is not None and half.capabilities.webhooks
        assert [what for what, ok, _ in await half.check() if not ok] == ["event keys"]
        wrong, _ = opened(world, access_token="another")
        assert wrong.check is not None
        ((what, ok, mend),) = await wrong.check()
        assert (what, ok) == ("credential", False) and "API access" in mend

    run(story)


def test_a_throttled_read_is_raised_with_its_delay():
    async def story(world: World) -> None:
        system, _ = opened(world)
        world.shop.faults.throttle_rate = 1.0
        with pytest.raises(Throttled) as raised:
            await read(system)
        assert raised.value.retry_after_s == 1.0

    run(story)


@pytest.mark.parametrize(
    ("state", "more", "waits"),
    [
        ("new", {}, False),
        ("pending_payment", {}, True),
        ("payment_review", {}, True),
        ("holded", {}, True),
        ("processing", {}, False),
        ("pending_payment", {"wait_states": ()}, False),
        ("new", {"wait_states": ("new",)}, True),
    ],
)
def test_an_order_waits_in_some_states(state, more, waits):
    async def story(world: World) -> None:
        system, _ = opened(world, **more)
        (change,) = changes(system, "order.read", {"order": bundle("3.50", total="14") | {"state": state}})
        assert isinstance(change.value, Order) and bool(change.value.waits) == waits

    run(story)


def test_an_order_cannot_wait_in_a_state_that_it_never_leaves():
    async def story(world: World) -> None:
        with pytest.raises(Misconfigured, match="wait_states"):
            opened(world, wait_states=("complete",))

    run(story)
