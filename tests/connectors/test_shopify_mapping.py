"""Orders, stock and shipments between our connector and the simulated shop, which knows nothing of our code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.connectors.shopify import CONNECTOR, ShopifySettings, mapping
from syncline.connectors.shopify.reckoning import Sold, TakenBack, reckon
from syncline.connectors.shopify.simulator import ShopifySimulator
from syncline.connectors.shopify.simulator.records import Buyer, CartLine
from syncline.model.change import Change, Cursor, Event, LoggedEvent
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import Rejected
from syncline.model.payloads import CreateShipment, ReadOrder, ReadStock, SetStock
from syncline.model.records import ZERO, Notice, Order, Shipment
from syncline.ports import Opening, Request, Response, System, WebhookRequest
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.transport import AsgiTransport

START_MS = 1_790_000_000_000
SECRET = "a-client-secret-of-32-bytes-here"
SHOP = "north.myshopify.com"
HOOK = "https://syncline.example/hooks/north"
BUYER = Buyer(
    "Ada",
    "Byron",
    "ada@example.com",
    "+44 1",
    "Engines Ltd",
    "1 High St",
    "",
    "London",
    "",
    "N1",
    "United Kingdom",
    "GB",
)


@dataclass
class World:
    """A shop, our connector, and what the shop's webhooks brought."""

    shop: ShopifySimulator
    system: System
    clock: VirtualClock
    received: list[Event] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    keys: int = 0

    async def deliver(self, operation: str, *payloads: Any) -> list[Outcome]:
        self.keys += 1
        items = [Item(f"k{i}", payload) for i, payload in enumerate(payloads)]
        return await self.system.sink.deliver(operation, items, f"key-{self.keys}")

    async def read(self, order_id: int) -> Order:
        await self.clock.sleep(2)
        (outcome,) = await self.deliver("read_order", ReadOrder(str(order_id)))
        assert outcome.result == Result.DONE, outcome
        return self.order(outcome.facts["event"])

    def order(self, event: Event) -> Order:
        (change,) = self.changes(event)
        assert isinstance(change.value, Order)
        return change.value

    def changes(self, event: Event) -> list[Change]:
        return self.system.source.decode(LoggedEvent(1, self.clock.now_ms(), event))

    async def webhooks(self) -> list[Event]:
        await self.clock.sleep(5)
        got, self.received[:] = list(self.received), []
        return got

    async def pages(self, stream: str, cursor: Cursor | None = None) -> list[Any]:
        return [page async for page in self.system.source.poll(stream, cursor)]


def run(test: Callable[[World], Awaitable[None]], *, plan: str = "plus", **more: Any) -> None:
    loop = VirtualLoop(START_MS)
    clock = VirtualClock(loop)
    transport = AsgiTransport({})

    class Recording:
        async def send(self, request: Request) -> Response:
            world.sent.append(json.loads(request.body)["operationName"])
            return await transport.send(request)

    shop = ShopifySimulator(
        clock=clock, rng=Random(1), transport=transport, shop=SHOP, plan=plan, client_secrets=(SECRET,)
    )
    config = ShopifySettings(
        shop=SHOP, access_token="shpat_simulated", webhook_secrets=(SECRET,), plan=plan, **more
    )
    world = World(shop, CONNECTOR.open(Opening("north", config, clock, Random(2), Recording())), clock)

    async def receive(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        verified = world.system.source.verify(WebhookRequest(headers, body, clock.now_ms()))
        world.received.append(verified.event)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    transport.register(f"https://{SHOP}", shop)
    transport.register("https://syncline.example", receive)

    async def main() -> None:
        sender = asyncio.create_task(shop.run())
        try:
            await test(world)
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    assert not shop.ledger.breaches, shop.ledger.breaches


def stocked(world: World, *skus: str, units: int = 100) -> tuple[int, int]:
    first, second = world.shop.add_location("London"), world.shop.add_location("Leeds")
    for sku in skus or ("A", "B"):
        world.shop.add_product(sku, f"Thing {sku}", Decimal("12.50"), {first: units, second: units})
    return first, second


def adds_up(order: Order) -> bool:
    lines = sum((line.unit_price * line.quantity - line.discount for line in order.lines), ZERO)
    return lines + order.shipping + (ZERO if order.taxes_included else order.tax) == order.total


def test_prepare_subscribes_once_and_check_is_green():
    async def test(world: World) -> None:
        assert len(await world.system.prepare(HOOK)) == 9
        assert await world.system.prepare(HOOK) == []
        moved = await world.system.prepare(HOOK + "/new")
        assert len(moved) == 9
        assert all("moved" in line for line in moved)
        assert [line for line in await world.system.check() if not line[1]] == []

    run(test)


@pytest.mark.parametrize("at", [HOOK, HOOK + "/old"])
@pytest.mark.parametrize("narrow", [{"filter": "id:1"}, {"include_fields": ("id",)}])
def test_a_subscription_that_leaves_events_out_tells_all_again(at, narrow):
    async def test(world: World) -> None:
        await world.system.prepare(at)
        one = next(x for x in world.shop.state.subscriptions.values() if x.topic == "ORDERS_CREATE")
        for name, value in narrow.items():
            setattr(one, name, value)
        ((_, _, mend),) = [line for line in await world.system.check() if not line[1]]
        assert "ORDERS_CREATE are not sent to us, or not all of them" in mend
        done = await world.system.prepare(HOOK)
        assert len(done) == (1 if at == HOOK else 9)
        assert (one.uri, one.filter or "", one.include_fields) == (HOOK, "", ())
        assert await world.system.prepare(HOOK) == []
        assert [line for line in await world.system.check() if not line[1]] == []

    run(test)


def test_a_shop_that_is_to_tell_no_numbers_is_not_asked_to():
    async def test(world: World) -> None:
        done = await world.system.prepare(HOOK)
        assert len(done) == 8
        assert not [line for line in done if "INVENTORY" in line]
        assert [line for line in await world.system.check() if not line[1]] == []

    run(test, level_events=False)


def test_what_the_shop_tells_of_a_number_is_dated_as_our_write_and_our_reading_of_it():
    async def test(world: World) -> None:
        first, _ = stocked(world)
        await world.system.prepare(HOOK)
        await world.clock.sleep(3)
        stock_id = f"gid://shopify/InventoryItem/{world.shop.state.skus['A'].inventory_item_id}"
        (wrote,) = await world.deliver("set_stock", SetStock("A", stock_id, str(first), 90, 100))
        (read,) = await world.deliver("read_stock", ReadStock("A", stock_id, str(first)))
        ((echo,),) = [world.changes(event) for event in await world.webhooks()]
        assert (echo.value.stock_id, echo.value.location, echo.value.number) == (stock_id, str(first), 90)
        assert wrote.facts["stamp_ms"] == read.facts["stamp_ms"] == echo.version
        assert (read.facts["held"], read.facts["reserved"]) == (90, 0)

    run(test)


def test_check_names_what_is_missing():
    async def test(world: World) -> None:
        found = await world.system.check()
        assert [(what, ok) for what, ok, _ in found if not ok] == [("webhook subscriptions", False)]
        world.shop.faults.reject_auth = True
        ((what, ok, mend),) = await world.system.check()
        assert (what, ok) == ("access token", False)
        assert "token" in mend
        world.shop.ledger.breaches.clear()

    run(test)


def test_an_order_by_webhook_and_by_read_tell_the_same():
    async def test(world: World) -> None:
        first, second = stocked(world, units=6)
        await world.system.prepare(HOOK)
        lines = [CartLine("A", 3, discount=Decimal("1.00")), CartLine("B", 9)]
        placed = world.shop.checkout(
            lines,
            customer=BUYER,
            shipping=Decimal("4.99"),
            tax_rate=Decimal("0.2"),
            po_number="PO-1",
            note="gift",
        )
        events = await world.webhooks()
        assert {event.topic for event in events} >= {"orders/create", "orders/paid"}
        told = world.order(events[0])
        read = await world.read(placed.order_id)
        for order in (told, read):
            assert adds_up(order)
            assert [(li.sku, li.quantity, li.taken) for li in order.lines] == [("A", 3, 3), ("B", 9, 9)]
            assert order.shipping == Decimal("4.99")
            assert order.customer.name == "Ada Byron"
            assert order.customer.email == "ada@example.com"
            assert (order.shipping_to.city, order.shipping_to.country) == ("London", "GB")
            assert (order.po_number, order.note) == ("PO-1", "gift")
        assert (told.complete, read.complete) == (False, True)
        assert (told.key, told.updated_at_ms, told.total) == (read.key, read.updated_at_ms, read.total)
        assert [(a.location, a.quantity, a.remaining) for a in read.lines[1].allocations] == [
            (str(first), 6, 6),
            (str(second), 3, 3),
        ]
        assert [(p.amount, p.currency) for p in read.payments] == [(read.total, "GBP")]

    run(test)


@pytest.mark.parametrize(("restock", "taken"), [(True, 0), (False, 3)])
def test_a_cancelled_order_gives_back_what_was_restocked(restock, taken):
    async def test(world: World) -> None:
        stocked(world)
        await world.system.prepare(HOOK)
        placed = world.shop.checkout([CartLine("A", 3)], shipping=Decimal(5), tax_rate=Decimal("0.2"))
        await world.webhooks()
        world.shop.cancel_order(placed.order_id, restock=restock)
        events = await world.webhooks()
        topics = {"orders/cancelled", "orders/updated", "refunds/create"}
        assert {e.topic for e in events} == topics | ({"inventory_levels/update"} if restock else set())
        orders = [world.order(e) for e in events if e.topic.startswith("orders/")]
        orders.append(await world.read(placed.order_id))
        for order in orders:
            assert order.cancelled_at_ms is not None
            assert (order.lines[0].quantity, order.lines[0].taken) == (0, taken)
            assert adds_up(order)
        assert orders[-1].refunds[0].lines[0].restocked is restock
        (notice,) = [world.changes(e) for e in events if e.topic == "refunds/create"]
        assert notice[0].value == Notice(str(placed.order_id))

    run(test)


@pytest.mark.parametrize("restock", [True, False])
def test_refunds_before_and_after_shipping(restock):
    async def test(world: World) -> None:
        first, _ = stocked(world)
        placed = world.shop.checkout([CartLine("A", 7, discount=Decimal("0.99"))], tax_rate=Decimal("0.2"))
        order = await world.read(placed.order_id)
        line_id = int(order.lines[0].id)
        (outcome,) = await world.deliver("create_shipment", parcel(placed.order_id, first, ("A", 2)))
        assert outcome.result == Result.DONE, outcome
        world.shop.refund(placed.order_id, {line_id: 6}, restock=restock)
        order = await world.read(placed.order_id)
        assert adds_up(order)
        assert order.lines[0].quantity == 1
        assert order.lines[0].taken == (1 if restock else 7)
        level = world.shop.state.skus["A"].levels[first]
        assert 100 - level.available == order.lines[0].taken
        assert sum(x.quantity for x in order.refunds[0].lines) == 6
        assert order.refunds[0].amount > 0

    run(test)


@pytest.mark.parametrize(("units", "taken"), [(5, 5), (1, 1), (0, 0)])
def test_an_edited_order(units, taken):
    async def test(world: World) -> None:
        stocked(world)
        await world.system.prepare(HOOK)
        placed = world.shop.checkout([CartLine("A", 3), CartLine("B", 1)], tax_rate=Decimal("0.2"))
        await world.webhooks()
        world.shop.edit_order(placed.order_id, "A", units)
        events = await world.webhooks()
        (edited,) = [e for e in events if e.topic == "orders/edited"]
        assert world.changes(edited)
        order = await world.read(placed.order_id)
        assert (order.lines[0].quantity, order.lines[0].taken) == (units, taken)
        assert adds_up(order)
        assert sum(a.quantity for a in order.lines[0].allocations) == units

    run(test)


def parcel(
    order_id: int, location: int, *lines: tuple[str, int], tracking: tuple[str, ...] = ("1Z9",)
) -> CreateShipment:
    shipment = Shipment("if-1", str(order_id), START_MS, (), tracking, "UPS")
    return CreateShipment(str(order_id), shipment, tuple((sku, str(location), units) for sku, units in lines))


def test_a_shipment_from_two_locations_is_created_once():
    async def test(world: World) -> None:
        first, second = stocked(world, units=6)
        placed = world.shop.checkout([CartLine("A", 9)])
        both = CreateShipment(
            str(placed.order_id),
            Shipment("if-1", str(placed.order_id), START_MS, (), ("1Z9",), "UPS"),
            (("A", str(first), 6), ("A", str(second), 3)),
        )
        assert await world.system.sink.look_up("create_shipment", Item("k", both)) is None
        (done,) = await world.deliver("create_shipment", both)
        assert done.result == Result.DONE, done
        assert len(done.facts["external_id"].split(",")) == 2
        (again,) = await world.deliver("create_shipment", both)
        assert again == done
        found = await world.system.sink.look_up("create_shipment", Item("k", both))
        assert found == done
        assert world.sent.count("CreateFulfillment") == 2
        order = await world.read(placed.order_id)
        assert [a.remaining for a in order.lines[0].allocations] == [0, 0]
        (refused,) = await world.deliver(
            "create_shipment", parcel(placed.order_id, first, ("A", 1), tracking=("other",))
        )
        assert refused.result == Result.REJECTED
        assert "0 of 1 units of A" in refused.message

    run(test)


def test_stock_is_set_read_and_guarded():
    async def test(world: World) -> None:
        first, _ = stocked(world)
        items = {
            json.loads(e.body)["sku"]: world.changes(e)[0].value
            for p in await world.pages("items")
            for e in p.events
        }

        def level(sku: str, units: int, expected: int) -> SetStock:
            return SetStock(sku, items[sku].stock_id, str(first), units, expected)

        done = await world.deliver("set_stock", level("A", 40, 100), level("B", 41, 100))
        assert [o.result for o in done] == [Result.DONE, Result.DONE]
        mixed = await world.deliver("set_stock", level("A", 1, 100), level("B", 2, 41))
        assert [o.result for o in mixed] == [Result.STALE, Result.WAIT]
        held = await world.deliver(
            "read_stock",
            ReadStock("A", items["A"].stock_id, str(first)),
            ReadStock("B", items["B"].stock_id, str(first)),
            ReadStock("B", items["B"].stock_id, "1"),
        )
        assert [o.facts.get("held") for o in held[:2]] == [40, 41]
        assert held[2].result == Result.REJECTED

    run(test)


def test_an_item_has_its_category_and_its_price_in_the_shops_currency():
    async def test(world: World) -> None:
        first = world.shop.add_location("London")
        world.shop.add_product("A", "Thing", Decimal("12.50"), {first: 1}, product_type=" Mugs ")
        world.shop.add_product("B", "Thing", Decimal(0), {first: 1})
        events = [event for page in await world.pages("items") for event in page.events]
        a, b = (world.changes(event)[0].value for event in events)
        assert (a.category, a.price, a.currency) == ("Mugs", Decimal("12.50"), "GBP")
        assert (b.category, b.price) == ("", Decimal(0))
        body = json.loads(events[0].body)
        before = mapping.item_from_read(
            json.dumps({k: body[k] for k in ("id", "sku", "inventoryItem", "updatedAt")}).encode()
        )
        assert (before[0].category, before[0].price, before[0].currency) == (
            "",
            None,
            "",
        )  # read by an older version
        for wrong in ("much", "NaN", "-1"):
            with pytest.raises(Rejected, match=r"item\.price"):
                mapping.item_from_read(json.dumps({**body, "price": wrong}).encode())

    run(test)


def test_a_lost_answer_is_resolved_by_the_same_key_and_by_the_tracking_number():
    async def test(world: World) -> None:
        first, _ = stocked(world)
        pages = await world.pages("items")
        item = world.changes(pages[0].events[0])[0].value
        items = [Item("k", SetStock("A", item.stock_id, str(first), 40, 100))]
        sink, faults = world.system.sink, world.shop.faults
        faults.error_after_rate = 1.0
        (unknown,) = await sink.deliver("set_stock", items, "one-key")
        faults.error_after_rate = 0.0
        (again,) = await sink.deliver("set_stock", items, "one-key")
        assert (unknown.result, again.result) == (Result.UNKNOWN, Result.DONE)
        assert world.shop.available("A", first) == 40

        placed = world.shop.checkout([CartLine("A", 2)])
        send = parcel(placed.order_id, first, ("A", 2))
        real = world.system.sink._shipper._ship

        async def ship_and_lose(*args: Any) -> str:
            faults.error_after_rate = 1.0
            try:
                return await real(*args)
            finally:
                faults.error_after_rate = 0.0

        sink._shipper._ship = ship_and_lose
        (unknown,) = await world.deliver("create_shipment", send)
        assert unknown.result == Result.UNKNOWN
        found = await sink.look_up("create_shipment", Item("k", send))
        assert found.result == Result.DONE
        assert len(world.shop.fulfillments) == 1

    run(test)


def test_a_read_in_the_second_of_the_change_waits_for_its_end():
    async def test(world: World) -> None:
        stocked(world)
        placed = world.shop.checkout([CartLine("A", 1)])
        (outcome,) = await world.deliver("read_order", ReadOrder(str(placed.order_id)))
        assert outcome.result == Result.WAIT
        await world.clock.sleep(outcome.retry_after_s)
        (outcome,) = await world.deliver("read_order", ReadOrder(str(placed.order_id)))
        assert outcome.result == Result.DONE

    run(test)


def test_the_poll_finds_what_no_webhook_told():
    async def test(world: World) -> None:
        stocked(world)
        world.shop.checkout([CartLine("A", 1)])
        await world.clock.sleep(10)
        pages = await world.pages("orders")
        assert [e for p in pages for e in p.events] == []
        placed = [world.shop.checkout([CartLine("A", 1)]).order_id for _ in range(3)]
        await world.clock.sleep(10)
        pages = await world.pages("orders", pages[-1].cursor)
        seen = [world.changes(e)[0].value for p in pages for e in p.events]
        assert seen == [Notice(str(key)) for key in placed]
        again = await world.pages("orders", pages[-1].cursor)
        assert {e.event_id for p in again for e in p.events} == {e.event_id for p in pages for e in p.events}

    run(test)


def test_orders_of_many_lines_and_refunds_are_read_whole():
    async def test(world: World) -> None:
        first, _ = stocked(world, *[f"S{n}" for n in range(180)])
        placed = world.shop.checkout([CartLine(f"S{n}", 3) for n in range(180)], tax_rate=Decimal("0.2"))
        order = await world.read(placed.order_id)
        assert len(order.lines) == 180
        assert all(sum(a.quantity for a in line.allocations) == 3 for line in order.lines)
        ids = [int(line.id) for line in order.lines]
        world.shop.refund(placed.order_id, dict.fromkeys(ids[:100], 1), restock=True)
        for line_id in ids[100:104]:
            world.shop.refund(placed.order_id, {line_id: 1}, restock=False)
        order = await world.read(placed.order_id)
        assert [len(r.lines) for r in order.refunds] == [100, 1, 1, 1, 1]
        assert [int(li.taken) for li in order.lines] == [2] * 100 + [3] * 80
        assert adds_up(order)
        assert order.lines[0].allocations[0].location == str(first)

    run(test)


def test_a_busy_reader_never_exceeds_the_vendors_limit():
    async def test(world: World) -> None:
        stocked(world)
        placed = [world.shop.checkout([CartLine("A", 1)]).order_id for _ in range(30)]
        await world.clock.sleep(3)
        outcomes = await asyncio.gather(
            *(
                world.deliver("read_order", *(ReadOrder(str(k)) for k in placed[n : n + 3]))
                for n in range(0, 30, 3)
            ),
            *(world.pages("items") for _ in range(5)),
        )
        assert all(o.result == Result.DONE for batch in outcomes[:10] for o in batch)
        assert world.system.governor.usage()["throttled"] == 0

    run(test, plan="standard")


# --- reckoning ------------------------------------------------------------------------------------------------

CENT = Decimal("0.01")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 50),
            st.integers(0, 50),
            st.integers(0, 99_999),
            st.integers(0, 500),
            st.integers(0, 50),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_lines_add_up_to_the_vendors_total_however_units_went(rows):
    """The vendor splits a line's discount over its units to the cent; what is left must be what it says."""
    sold, back, total = [], [], ZERO
    for n, (quantity, wanted, price, discount, kept) in enumerate(rows):
        removed = min(wanted, quantity)
        price_each = Decimal(price) / 100
        cut = min(Decimal(discount) / 100, price_each * quantity)
        sold.append(Sold(str(n), "A", "", quantity, quantity - removed, price_each, cut, ZERO))
        gross_left = price_each * (quantity - removed)
        left = gross_left - (cut * (quantity - removed) / quantity).quantize(CENT)
        total += left
        if removed:
            first = min(kept, removed)
            worth = price_each * quantity - cut - left
            back.append(TakenBack(str(n), first, True, "9", worth, ZERO))
            if removed - first:
                back.append(TakenBack(str(n), removed - first, False, "", ZERO, ZERO))
    lines = reckon(sold, back, net_total=total, unit=CENT)
    assert sum((li.unit_price * li.quantity - li.discount for li in lines), ZERO) == total
    for line, of in zip(lines, sold, strict=True):
        lost = sum(b.quantity for b in back if b.line_id == of.id and not b.restocked)
        assert line.taken == of.current + lost


def test_a_currency_that_is_not_the_orders_is_refused():
    bag = {"shop_money": {"amount": "5.00", "currency_code": "USD"}}
    body = {
        "id": 1,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "currency": "GBP",
        "current_total_price": "5.00",
        "current_total_price_set": bag,
        "line_items": [],
    }
    with pytest.raises(Rejected, match="USD"):
        mapping.order_from_webhook(json.dumps(body).encode())
