"""What the built-in connectors read again for comparison, against their strict simulators."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from unittest import mock

import pytest
from tests.connectors.netsuite_world import World, line, order, run

from syncline.connectors.netsuite import rereads as netsuite
from syncline.connectors.shopify import CONNECTOR, ShopifySettings, documents
from syncline.connectors.shopify import rereads as shopify
from syncline.connectors.shopify.simulator import CartLine, ShopifySimulator
from syncline.model.change import Cursor, LoggedEvent, Via
from syncline.model.errors import Retryable
from syncline.model.payloads import OrderItem, PutOrder
from syncline.model.readings import Placed, Shown
from syncline.model.records import Item
from syncline.ports import Opening
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.transport import AsgiTransport

START_MS = 1_790_000_000_000
SHOP = "again.myshopify.com"


class Shop:
    """A simulated shop with our connector on it."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.clock = VirtualClock(loop)
        transport = AsgiTransport({})
        self.sim = ShopifySimulator(
            clock=self.clock,
            rng=Random(1),
            transport=transport,
            shop=SHOP,
            plan="plus",
            access_token="shpat_again",
            client_secrets=("a-secret-of-at-least-24-bytes",),
        )
        transport.register(f"https://{SHOP}", self.sim)
        self.places = [self.sim.add_location(name) for name in ("London", "Leeds")]
        self.at = [str(place) for place in self.places]
        settings = ShopifySettings(
            shop=SHOP, access_token="shpat_again", orders_since="2026-09-01T00:00:00Z", plan="plus"
        )
        self.system = CONNECTOR.open(Opening("shop", settings, self.clock, Random(2), transport))
        self.reads = self.system.rereads

    async def walk(self, after: str = "") -> list[list[Shown]]:
        pages = []
        while True:
            part = await self.reads.shown(self.at, after)
            pages.append(list(part.rows))
            after = part.after
            if not after:
                return pages

    async def orders(self, since_ms: int = 0, cursor: Cursor | None = None) -> list[Placed]:
        rows: list[Placed] = []
        after = ""
        while True:
            part = await self.reads.placed(since_ms, cursor, after)
            rows += part.rows
            after = part.after
            if not after:
                return rows


def shop(story) -> None:
    loop = VirtualLoop(START_MS)
    try:
        one = Shop(loop)
        loop.run_until_complete(story(one))
        assert one.sim.ledger.breaches.total() == 0
    finally:
        loop.close()


@pytest.mark.parametrize("deep", [shopify.OBJECTS_PER_QUERY, 4])
def test_every_variant_is_walked_once_with_what_it_shows(deep):
    async def story(one: Shop) -> None:
        for n in range(11):
            one.sim.add_product(f"SKU-{n:02}", "x", Decimal(1), {one.places[0]: n})
        one.sim.set_available("SKU-03", one.places[1], -2)
        one.sim.state.skus["SKU-04"].sku = "SKU-05"  # two with one SKU
        with (
            mock.patch.object(documents, "shown_page", return_value=3),
            mock.patch.object(shopify, "OBJECTS_PER_QUERY", deep),
        ):
            documents.shown.cache_clear()
            pages = await one.walk()
        documents.shown.cache_clear()
        rows = [row for page in pages for row in page]
        assert len(pages) >= 4
        assert [row.sku for row in rows][:7] == [f"SKU-{n:02}" for n in (0, 1, 2, 3, 5, 5, 6)]
        assert len(rows) == len({row.external_id for row in rows}) == 11
        assert rows[3].numbers == {one.at[0]: 3, one.at[1]: -2}
        assert rows[2].numbers == {one.at[0]: 2, one.at[1]: None}
        assert all(row.counted for row in rows)

    shop(story)


def test_no_reading_asks_for_more_points_than_a_call_may():
    for locations in (1, 2, 3, 10, 40, 100, 400):
        assert documents.requested_cost(documents.shown(locations).text) <= documents.COST_MAX
        step = max(1, shopify.POINTS_MAX // (2 + 2 * locations))
        assert documents.requested_cost(documents.shown_of(step, locations).text) <= documents.COST_MAX
    assert documents.requested_cost(documents.PLACED.text) <= documents.COST_MAX
    assert documents.requested_cost(documents.placed_of(shopify.ORDERS_MAX).text) <= documents.COST_MAX


def test_some_variants_are_read_by_their_ids_and_the_gone_left_out():
    async def story(one: Shop) -> None:
        for sku in ("A", "B"):
            one.sim.add_product(sku, sku, Decimal(1), {one.places[0]: 7})
        ids = {row.sku: row.external_id for page in await one.walk() for row in page}
        asked = [Item("B", ids["B"]), Item("C", "gid://shopify/ProductVariant/999999999")]
        part = await one.reads.shown_of(asked, one.at)
        assert part.rows == (Shown(ids["B"], "B", {one.at[0]: 7, one.at[1]: None}),)
        assert part.cost > 0

    shop(story)


def test_orders_are_listed_since_a_moment_and_never_those_before_us():
    async def story(one: Shop) -> None:
        one.sim.add_product("A", "A", Decimal("12.50"), {one.places[0]: 700})
        placed = []
        for _ in range(230):  # more than two pages
            placed.append(str(one.sim.checkout([CartLine("A", 2)]).order_id))
            await one.clock.sleep(2.0)
        one.sim.cancel_order(int(placed[3]), restock=True)
        await one.clock.sleep(60.0)
        rows = await one.orders()
        assert [row.key for row in rows] == placed
        assert [row.key for row in rows if row.cancelled] == [placed[3]]
        first = rows[0]
        assert (first.number, first.total) == ("#1001", Decimal("25.00"))
        assert (first.placed_at_ms, first.updated_at_ms) == (START_MS, START_MS)
        late = START_MS + 400_000
        # The cancelled one changed after that moment.
        assert [row.key for row in await one.orders(late)] == [placed[3], *placed[200:]]
        floor = Cursor("shop", "orders", f'{{"updated_ms": {late}, "floor_ms": {late}}}', 0)
        assert await one.orders(0, floor) == await one.orders(late)
        some = await one.reads.placed_of([placed[5], "999999", "not-a-number", placed[3]])
        assert {row.key for row in some.rows} == {placed[3], placed[5]}
        with pytest.raises(Retryable, match="cursor"):
            await one.orders(0, Cursor("shop", "orders", "?", 0))

    shop(story)


# --- NetSuite ------------------------------------------------------------------------------------------------


def put(w: World, quantity: int, number: str, **more) -> PutOrder:
    placed = order(line("a", "21730", quantity, "9.99"), number=number, **more)
    at = OrderItem("a", str(w.item), "21730", str(w.place), quantity)
    return PutOrder(f"shop-{number[1:]}", placed, (at,))


def test_levels_of_some_items_are_read_at_the_mapped_locations():
    async def story(w: World) -> None:
        for sku, place, units in (("21730", w.place, 4), ("21730", w.other, 5), ("84406B", w.place, 6)):
            w.sim.opening_balance(sku, place, units)
        items = [Item("21730", str(w.item)), Item("84406B", str(w.item2))]
        part = await w.system.rereads.levels_of(items, [str(w.place)])
        assert {event.via for event in part.rows} == {Via.READ}
        source = w.system.source
        levels = [change.value for event in part.rows for change in source.decode(LoggedEvent(1, 0, event))]
        assert {(one.sku, one.location, one.available) for one in levels} == {
            ("21730", str(w.place), Decimal(4)),
            ("84406B", str(w.place), Decimal(6)),
        }
        assert all(one.read_began_ms >= part.began_ms for one in levels)

    run(story)


def test_orders_are_found_by_their_reference_page_by_page():
    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 400)
        for n in range(7):
            await w.do("put_order", put(w, n + 1, f"#10{n}"))
        w.sim.cancel(w.sim.find_order("shop-102"))
        with mock.patch.object(netsuite, "REFERENCES_MAX", 3):
            part = await w.system.rereads.booked_of({f"shop-10{n}": "" for n in range(9)})
        found = {row.reference: row for row in part.rows}
        assert [*found] == [f"shop-10{n}" for n in range(7)]
        assert found["shop-103"].units == {"21730": Decimal(4)}
        assert found["shop-103"].total == Decimal("39.96")
        assert found["shop-103"].external_id == str(w.sim.find_order("shop-103"))
        assert found["shop-102"].units == {"21730": Decimal(0)}  # cancelled: nothing was shipped
        assert all(row.carries for row in part.rows)

        walked = await w.system.rereads.booked("shop", w.clock.now_ms() - 3_600_000, "")
        assert [row.reference for row in walked.rows] == [f"shop-10{n}" for n in (0, 1, 3, 4, 5, 6)]
        assert walked.after == ""
        assert (await w.system.rereads.booked("sho", 0, "")).rows == ()
        await w.clock.sleep(7 * 86_400)
        assert (await w.system.rereads.booked("shop", w.clock.now_ms() - 86_400_000, "")).rows == ()

    run(story)


def test_an_order_typed_in_by_hand_stands_for_the_one_that_it_names():
    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 400)
        await w.do("put_order", put(w, 2, "#101"))
        await w.do("put_order", put(w, 3, "#102"))
        await w.do("put_order", put(w, 2, "#103"))
        for reference, number in (("shop-103", "#101"), ("shop-102", "#102")):
            txn = w.sim.account.txns[w.sim.find_order(reference)]
            w.sim.account.external.pop(("salesOrder", reference))
            txn.external_id, txn.fields["otherRefNum"] = None, number
            w.sim.account.dirty.txns[txn.id] = None
        asked = {"shop-101": "#101", "shop-102": "#102"}
        rows = (await w.system.rereads.booked_of(asked)).rows
        assert [(row.reference, row.carries, row.total) for row in rows] == [
            ("shop-101", True, Decimal("19.98")),
            ("shop-102", False, Decimal("29.97")),
            ("shop-101", False, Decimal("19.98")),
        ]
        # Another amount is another order, whatever number somebody gave it.
        await w.do("put_order", put(w, 9, "#104"))
        other = w.sim.account.txns[w.sim.find_order("shop-104")]
        other.external_id, other.fields["otherRefNum"] = None, "#101"
        w.sim.account.dirty.txns[other.id] = None
        assert len((await w.system.rereads.booked_of({"shop-101": "#101"})).rows) == 2

    run(story)


def test_orders_of_others_are_read_by_their_ids_page_by_page():
    """They carry another reference, or none; what they are told under is given."""

    async def story(w: World) -> None:
        lines = [("21730", w.place, 2, Decimal("9.99"))]
        ids = [w.sim.enter_order(lines, external_id=f"OLD-{n}" if n % 2 else None) for n in range(5)]
        wanted = {str(number): f"shop-{n}" for n, number in enumerate(ids)}
        with mock.patch.object(netsuite, "REFERENCES_MAX", 2), mock.patch.object(netsuite, "PAGE_MAX", 2):
            part = await w.system.rereads.booked_as({**wanted, "999999": "shop-9", "": "shop-8"})
        assert {row.external_id: (row.reference, row.units, row.carries) for row in part.rows} == {
            number: (reference, {"21730": Decimal(2)}, True) for number, reference in wanted.items()
        }

    run(story)
