"""What is special to Adobe Commerce: its credentials, its words, its batches, its pages, its documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import oauthlib.oauth1
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connectors.adobe_world import HOOK, ORIGIN, World, run

from syncline.connectors.adobe_commerce import CONNECTOR, AdobeCommerceSettings
from syncline.connectors.adobe_commerce.auth import sign
from syncline.connectors.adobe_commerce.client import Problem, words_of
from syncline.connectors.adobe_commerce.manifest import EVENT_FIELDS
from syncline.connectors.adobe_commerce.simulator import Buyer, CartLine, make_keys, public_pem
from syncline.model.change import Change, Cursor, Event, Kind, LoggedEvent, Via
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import AuthExpired, Misconfigured, Rejected, Retryable, Throttled
from syncline.model.payloads import CreateShipment, ReadOrder, ReadStock, SetStock
from syncline.model.readings import Shown
from syncline.model.records import Item as SoldItem
from syncline.model.records import Notice, Order, Shipment, ShipmentLine
from syncline.ports import Opening, Request, Response, System
from syncline.testing.bench import Wire

OAUTH = {
    "consumer_key": "ck-simulated-0123456789abcdef0123",
    "consumer_secret": "cs-simulated-0123456789abcdef0123",
    "access_token": "at-simulated-0123456789abcdef0123",
    "access_token_secret": "as-simulated-0123456789abcdef0123",
}
ADMIN = {"auth": "admin", "admin_user": "simulated", "admin_password": "simulated-Password-1"}
SINCE = "2026-01-01T00:00:00Z"


def settings(**more: Any) -> AdobeCommerceSettings:
    given: dict[str, Any] = {"base_url": ORIGIN, "orders_since": SINCE} | OAUTH | more
    return AdobeCommerceSettings(**given)


def opened(world: World, **more: Any) -> tuple[System, Wire]:
    wire = Wire(world.transport)
    return CONNECTOR.open(Opening("shop", settings(**more), world.clock, world.shop.rng, wire)), wire


def put(sku: str, quantity: int, source: str = "default", expected: int = 0) -> Item:
    return Item(f"{sku} {source}", SetStock(sku, sku, source, quantity, expected))


async def order_of(world: World, system: System, key: int) -> Order:
    await world.clock.sleep(3)
    (outcome,) = await system.sink.deliver("read_order", [Item(str(key), ReadOrder(str(key)))], "k")
    assert outcome.result is Result.DONE, outcome
    (change,) = system.source.decode(LoggedEvent(1, 0, outcome.facts["event"]))
    assert isinstance(change.value, Order)
    return change.value


def adds_up(order: Order) -> bool:
    goods = sum(line.unit_price * line.quantity - line.discount for line in order.lines)
    return goods + order.shipping + order.tax == order.total


# --- settings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"base_url": "shop.example.com"}, "base_url"),
        ({"base_url": "http://shop.example.com"}, "base_url"),
        ({"base_url": "https://shop.example.com/rest"}, "base_url"),
        ({"base_url": "https://a:b@shop.example.com"}, "base_url"),
        ({"consumer_secret": ""}, "consumer_secret"),
        ({"auth": "admin"}, "admin_user"),
        ({"auth": "bearer", "access_token": ""}, "access_token"),
        ({"store": "all/V1"}, "store"),
        ({"stock_items_max": 0}, "stock_items_max"),
        ({"page_size": 301}, "page_size"),
        ({"orders_since": "2026-01-01"}, "orders_since"),
        ({"carrier_code": "Federal Express"}, "carrier_code"),
        ({"event_client_id": "x"}, "event_public_keys"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(more, field):
    with pytest.raises(Misconfigured, match=field):
        settings(**more)


def test_a_key_that_is_none_is_refused_at_the_start():
    async def story(world: World) -> None:
        with pytest.raises(Misconfigured, match="event_public_keys"):
            opened(world, event_public_keys=("no key",), event_client_id="x")

    run(story)


def test_settings_show_no_secret():
    shown = repr(settings(**{**ADMIN, "auth": "oauth"}))
    assert "***" in shown and ORIGIN in shown
    assert not [secret for secret in (*OAUTH.values(), ADMIN["admin_password"]) if secret in shown]


# --- credentials -------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=8)), max_size=5),
    st.sampled_from(["GET", "POST"]),
)
def test_we_sign_as_oauthlib_does(pairs, method):
    from urllib.parse import quote

    query = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in pairs if k.isprintable())
    url = f"{ORIGIN}/rest/all/V1/orders"
    ours = sign(settings(), method, url, query, stamp_s=1_782_896_400, nonce="abc")
    client = oauthlib.oauth1.Client(
        OAUTH["consumer_key"],
        client_secret=OAUTH["consumer_secret"],
        resource_owner_key=OAUTH["access_token"],
        resource_owner_secret=OAUTH["access_token_secret"],
        signature_method=oauthlib.oauth1.SIGNATURE_HMAC_SHA256,
        timestamp="1782896400",
        nonce="abc",
    )
    theirs = client.sign(f"{url}?{query}" if query else url, http_method=method)[1]["Authorization"]

    def parts(header: str) -> set[str]:
        return set(header.removeprefix("OAuth ").split(", "))

    assert parts(ours) == parts(theirs)


def test_every_call_has_a_nonce_of_its_own():
    async def story(world: World) -> None:
        system, wire = opened(world)
        for _ in range(5):
            assert (await system.sink.deliver("set_stock", [put("A", 3)], "k"))[0].result is Result.DONE
        assert len({request.headers["authorization"] for request in wire.sent}) == 5
        assert not world.shop.ledger.breaches

    run(story)


def test_an_administrators_token_is_renewed_when_it_ends_and_when_it_is_refused():
    async def story(world: World) -> None:
        system, _ = opened(world, **ADMIN)

        async def set_to(quantity: int) -> Outcome:
            return (await system.sink.deliver("set_stock", [put("A", quantity)], "k"))[0]

        def tokens() -> int:
            return world.shop.ledger.calls_by_operation["POST integration/admin/token"]

        assert (await set_to(3)).result is Result.DONE
        assert (await set_to(4)).result is Result.DONE and tokens() == 1
        await world.clock.sleep(4 * 3600)
        assert (await set_to(5)).result is Result.DONE and tokens() == 2
        assert not world.shop.ledger.breaches, "a token was used after its end"
        world.shop.credentials.forget_tokens()
        assert (await set_to(6)).result is Result.DONE and tokens() == 3
        world.shop.credentials.admins.clear()
        world.shop.credentials.forget_tokens()
        with pytest.raises(AuthExpired, match="admin_user"):
            await set_to(7)
        assert world.shop.quantity("A", "default") == 6

    run(story)


def test_a_missing_permission_is_named():
    async def story(world: World) -> None:
        system, _ = opened(world, access_token="another")
        with pytest.raises(AuthExpired, match="Magento_Sales::sales"):
            await system.sink.deliver("set_stock", [put("A", 3)], "k")

    run(story)


# --- words -------------------------------------------------------------------------------------------------


def test_placeholders_are_filled_by_name_and_by_number():
    assert words_of(Problem("Invalid %1 of %2", ["a", 7])) == "Invalid a of 7"
    assert words_of(Problem("%10 and %1", [*"abcdefghi", "j"])) == "j and a"
    inside = ({"message": '"%field" can not be empty.', "parameters": {"field": "sku"}},)
    assert (
        words_of(Problem("Validation Failed", None, inside)) == 'Validation Failed; "sku" can not be empty.'
    )
    assert words_of(Problem("No %fieldName", {"fieldName": "x\n\x00y"})) == "No x y"


@pytest.mark.parametrize(
    ("answer", "reading", "writing"),
    [
        (Response(500, {}, b'{"message":"Internal Error."}'), Result.NOT_SENT, Result.UNKNOWN),
        (Response(503, {}, b"<h1>503 Backend fetch failed</h1>"), Result.NOT_SENT, Result.UNKNOWN),
        (Response(200, {}, b"<html>Maintenance</html>"), Result.NOT_SENT, Result.UNKNOWN),
        (Response(400, {}, b"<html>Blocked</html>"), Result.NOT_SENT, Result.UNKNOWN),
        (Response(400, {}, b'{"message":"No."}'), Result.REJECTED, Result.REJECTED),
        (
            Response(404, {}, b'{"message":"Request does not match any route."}'),
            Result.NOT_SENT,
            Result.NOT_SENT,
        ),
        (Response(302, {"location": "https://x"}, b""), Result.NOT_SENT, Result.NOT_SENT),
        (Response(429, {}, b"slow"), Result.THROTTLED, Result.THROTTLED),
    ],
)
def test_answers_are_sorted_by_what_happens_next(answer, reading, writing):
    async def story(world: World) -> None:
        system, wire = opened(world)

        async def between(request: Request, send: Any) -> Response:
            return answer

        wire.between = between
        read = Item("A", ReadStock("A", "A", "default"))
        assert (await system.sink.deliver("read_stock", [read], "k"))[0].result is reading
        await world.clock.sleep(10)
        assert (await system.sink.deliver("set_stock", [put("A", 3)], "k"))[0].result is writing

    run(story)


# --- stock -------------------------------------------------------------------------------------------------


def test_the_one_bad_row_of_a_batch_is_found_by_halving():
    async def story(world: World) -> None:
        system, _ = opened(world)
        for n in range(17):
            world.shop.add_product(f"N{n}", "N", Decimal(1), {"default": 1})
        items = [put(f"N{n}", 9, "mars" if n == 11 else "default") for n in range(17)]
        outcomes = await system.sink.deliver("set_stock", items, "k")
        assert [n for n, outcome in enumerate(outcomes) if outcome.result is not Result.DONE] == [11]
        assert outcomes[11].result is Result.REJECTED and "Could not save" in outcomes[11].message
        assert [world.shop.quantity(f"N{n}", "default") for n in range(17)] == [9] * 11 + [1] + [9] * 5
        assert sum(call.status == 400 for call in world.shop.ledger.calls) <= 5, "log2 of the batch"

    run(story)


def test_a_shop_with_limits_teaches_how_many_rows_it_takes():
    async def story(world: World) -> None:
        system, _ = opened(world, stock_items_max=64)
        items = [put("A", n, expected=0) for n in range(64)]
        assert {o.result for o in await system.sink.deliver("set_stock", items, "k")} == {Result.DONE}
        refused = sum(call.status == 400 for call in world.shop.ledger.calls)
        assert refused
        assert {o.result for o in await system.sink.deliver("set_stock", items, "k")} == {Result.DONE}
        assert sum(call.status == 400 for call in world.shop.ledger.calls) == refused, "nothing was learned"
        assert world.shop.quantity("A", "default") == 63, "the rows are written in their order"

    run(story, input_limits=True)


def test_the_flag_goes_with_the_number():
    async def story(world: World) -> None:
        system, _ = opened(world)
        await system.sink.deliver("set_stock", [put("B", 0)], "k")
        assert world.shop.state.source_items["B", "default"].status == 0
        await system.sink.deliver("set_stock", [put("B", 7)], "k")
        assert world.shop.state.source_items["B", "default"].status == 1 and world.shop.salable("B") == 7

    run(story)


def test_a_product_that_is_not_assigned_to_a_source_says_how_to_mend_it():
    async def story(world: World) -> None:
        system, _ = opened(world)
        world.shop.add_product("LONE", "Lone", Decimal(1), {"leeds": 3})
        wanted = [("LONE", "default"), ("LONE", "leeds"), ("A", "leeds"), ("", "leeds"), ("A", "le eds")]
        items = [Item(f"{sku} {at}", ReadStock(sku, sku, at)) for sku, at in wanted]
        told = await system.sink.deliver("read_stock", items, "k")
        assert [outcome.result.value for outcome in told] == [
            "rejected",
            "done",
            "done",
            "rejected",
            "rejected",
        ]
        assert "Assign Sources" in told[0].message
        assert (told[1].facts["held"], told[2].facts["held"]) == (3, 20)

    run(story)


def test_a_reading_never_asks_for_more_than_an_address_can_carry():
    async def story(world: World) -> None:
        system, _ = opened(world, stock_items_max=200)
        skus = [f"{'long ' * 12}{n}{', red' * (n % 2)}" for n in range(200)]
        for n, sku in enumerate(skus):
            world.shop.add_product(sku, sku, Decimal(1), {"default": n})
        items = [Item(sku, ReadStock(sku, sku, "default")) for sku in skus]
        told = await system.sink.deliver("read_stock", items, "k")
        assert [outcome.facts["held"] for outcome in told] == list(range(200))
        assert not world.shop.ledger.breaches
        assert world.shop.ledger.calls_by_operation["GET inventory/source-items"] > 3

    run(story)


def test_what_became_of_a_queued_number_is_asked_of_the_queue():
    async def story(world: World) -> None:
        system, _ = opened(world, stock_writes="bulk")
        assert system.capabilities.applies_after_ms == 120_000
        good, bad = put("A", 3), put("B", 3, "mars")
        outcomes = await system.sink.deliver("set_stock", [good, bad], "k")
        assert [outcome.result for outcome in outcomes] == [Result.ACCEPTED] * 2
        assert await system.sink.look_up("set_stock", good) is None, "it waits in the queue"
        await world.clock.sleep(60)
        done, refused = [await system.sink.look_up("set_stock", item) for item in (good, bad)]
        assert done is not None and done.result is Result.DONE
        assert refused is not None and refused.result is Result.REJECTED
        assert "Could not save Source Item" in refused.message
        other, _ = opened(world, stock_writes="bulk")
        assert await other.sink.look_up("set_stock", good) is None, "another process knows of no call"

    run(story)


def test_a_deadlock_in_the_queue_is_tried_again():
    async def story(world: World) -> None:
        system, _ = opened(world, stock_writes="bulk")
        world.shop.bulk.deadlock_rate = 1.0
        await system.sink.deliver("set_stock", [put("A", 3)], "k")
        await world.clock.sleep(60)
        told = await system.sink.look_up("set_stock", put("A", 3))
        assert told is not None and told.result is Result.RETRY

    run(story)


def test_a_bulk_call_that_is_refused_may_have_been_taken_in_part():
    async def story(world: World) -> None:
        system, wire = opened(world, stock_writes="bulk")

        async def spoil(request: Request, send: Any) -> Response:
            body = json.loads(request.body)
            body[1]["sourceItems"][0]["colour"] = "red"
            return await send(
                Request(request.method, request.url, request.headers, json.dumps(body).encode())
            )

        wire.between = spoil
        outcomes = await system.sink.deliver("set_stock", [put("A", 3), put("B", 3)], "k")
        assert [outcome.result for outcome in outcomes] == [Result.UNKNOWN] * 2
        await world.clock.sleep(60)
        assert (world.shop.quantity("A", "default"), world.shop.quantity("B", "default")) == (3, 50)

    run(story)


# --- shipments ---------------------------------------------------------------------------------------------


def parcel(key: int, *lines: tuple[str, str, int], tracking: tuple[str, ...] = ("1Z",)) -> Item:
    shipment = Shipment(f"if-{key}", f"shop-{key}", 0, (ShipmentLine("A", "1", Decimal(1)),), tracking, "UPS")
    return Item(str(key), CreateShipment(str(key), shipment, lines))


def test_a_parcel_lowers_the_source_that_it_left_from_and_tells_its_number():
    async def story(world: World) -> None:
        system, _ = opened(world, carrier_code="ups")
        key = world.buy(("A", 7), ("B", 2))
        item = parcel(key, ("A", "leeds", 5), ("A", "default", 2), ("B", "default", 2))
        (outcome,) = await system.sink.deliver("create_shipment", [item], "k")
        assert outcome.result is Result.DONE and outcome.facts["external_id"] == "1,2"
        assert world.shop.quantity("A", "leeds") == 15 and world.shop.quantity("A", "default") == 3
        assert world.shop.quantity("B", "default") == 48
        shipments = await world.search("shipments", order_id=key)
        tracks = [(t["track_number"], t["title"], t["carrier_code"]) for s in shipments for t in s["tracks"]]
        assert tracks == [("1Z", "UPS", "ups")] * 2
        (again,) = await system.sink.deliver("create_shipment", [item], "another")
        assert again.facts == outcome.facts and len(world.shop.orders[key].shipments) == 2

    run(story)


def test_what_is_missing_of_a_parcel_is_made_and_nothing_twice():
    async def story(world: World) -> None:
        system, wire = opened(world)
        key = world.buy(("A", 7))
        item = parcel(key, ("A", "leeds", 5), ("A", "default", 2), tracking=())
        posts = 0

        async def second_fails(request: Request, send: Any) -> Response:
            nonlocal posts
            posts += request.method == "POST"
            fails = request.method == "POST" and posts == 2
            return Response(500, {}, b'{"message":"x"}') if fails else await send(request)

        wire.between = second_fails
        (outcome,) = await system.sink.deliver("create_shipment", [item], "k")
        assert outcome.result is Result.UNKNOWN
        assert await system.sink.look_up("create_shipment", item) is None
        (outcome,) = await system.sink.deliver("create_shipment", [item], "k2")
        assert outcome.result is Result.DONE
        assert [s.source for s in world.shop.orders[key].shipments] == ["leeds", "default"]

    run(story)


@pytest.mark.parametrize(
    ("act", "lines", "result", "words"),
    [
        (lambda w, o: w.shop.sales.cancel(o), [("A", "leeds", 2)], Result.REJECTED, "0 of 2 units of A"),
        (lambda w, o: None, [("A", "leeds", 8)], Result.REJECTED, "7 of 8 units of A"),
        (lambda w, o: None, [("C", "leeds", 1)], Result.REJECTED, "0 of 1 units of C"),
        (lambda w, o: None, [("A", "", 1)], Result.REJECTED, "has no source"),
        (
            lambda w, o: w.shop.sales.hold(o),
            [("A", "leeds", 1)],
            Result.REJECTED,
            "does not allow a shipment",
        ),
        (
            lambda w, o: w.shop.set_quantity("A", "leeds", 1),
            [("A", "leeds", 2)],
            Result.NOT_SENT,
            "too few units",
        ),
    ],
)
def test_a_parcel_that_cannot_be_told_says_why(act, lines, result, words):
    async def story(world: World) -> None:
        system, _ = opened(world)
        key = world.buy(("A", 7))
        act(world, world.shop.orders[key])
        (outcome,) = await system.sink.deliver("create_shipment", [parcel(key, *lines)], "k")
        assert outcome.result is result and words in outcome.message, outcome
        assert not world.shop.orders[key].shipments

    run(story)


def test_a_parcel_for_an_order_that_is_not_there_is_refused():
    async def story(world: World) -> None:
        system, _ = opened(world)
        for key in ("99", "1 or 1", ""):
            item = Item(key, CreateShipment(key, parcel(1).payload.shipment, (("A", "leeds", 1),)))
            (outcome,) = await system.sink.deliver("create_shipment", [item], "k")
            assert outcome.result is Result.REJECTED, outcome

    run(story)


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


async def read(system: System, cursor: Cursor | None = None) -> tuple[list[str], Cursor]:
    keys: list[str] = []
    async for page in system.source.poll("orders", cursor):
        keys += [event.event_id.partition("@")[0] for event in page.events]
        cursor = page.cursor
    assert cursor is not None
    return keys, cursor


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


def test_children_that_cannot_be_told_from_parents_are_not_counted():
    def act(world: World) -> None:
        world.shop.add_product("SHIRT", "Shirt", Decimal(0), {}, kind="configurable")
        world.shop.checkout([CartLine("A", 2, configurable="SHIRT")])

    (blind,) = told(act, tuple(name for name in EVENT_FIELDS if "parent" not in name))
    assert isinstance(blind.value, Notice)
    (seen,) = told(act, EVENT_FIELDS)
    assert isinstance(seen.value, Order) and len(seen.value.lines) == 1


def test_the_check_says_what_is_missing():
    async def story(world: World) -> None:
        system, _ = opened(world)
        assert system.check is not None
        found = {what: (ok, mend) for what, ok, mend in await system.check()}
        assert [what for what, (ok, _) in found.items() if not ok] == []
        assert "events: none configured, so orders are polled" in found
        assert "sources: default, leeds" in found
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
