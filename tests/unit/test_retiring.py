"""Which orders are over, what goes with them, and what becomes of news that comes afterwards."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace

import pytest
from tests.unit.support import change, logged, order
from tests.unit.support import line as line_of

from syncline.engine import retention
from syncline.engine.apply.batch import Batch
from syncline.engine.apply.retired import LateNews
from syncline.engine.catalog import Catalog
from syncline.engine.codec import encode
from syncline.engine.retention import Janitor
from syncline.engine.retiring import DAY_MS, LOOKS, ORDERS_KEPT_MS, Retirement
from syncline.engine.routes import Route, Routes
from syncline.inventory.recipes import Recipes
from syncline.inventory.rules import Fence, Layer, Level, Rules
from syncline.model.capabilities import PLAIN, SOURCE_QUANTITY_ADD_BACK_OPEN_LINES, Capabilities
from syncline.model.change import Flow, Kind
from syncline.model.copying import replace
from syncline.model.errors import Retryable
from syncline.model.records import (
    Allocation,
    ErpOrder,
    Notice,
    Payment,
    Receipt,
    Refund,
    Return,
    Shipment,
    ShipmentLine,
    StockLevel,
)
from syncline.ports import Write
from syncline.stores.sqlite import SqliteStore

NOW = 2_000 * DAY_MS
OLD = NOW - ORDERS_KEPT_MS - 1
REFERENCE = "shop-7001"


def line(id: str, sku: str, quantity: int, *, allocations=()):
    """An order line that is sent from where ``allocations`` say."""
    return replace(line_of(id, sku, quantity), allocations=allocations)


SENT = (Allocation("L", Decimal(2), Decimal(0)),)
TO_SEND = (Allocation("L", Decimal(2), Decimal(1)),)
WHOLE = order(line("1", "A", 2, allocations=SENT), complete=True)
LINE = {"channel": "shop", "order_key": "7001", "line_id": "1", "location": "1"}


class Fixed:
    at_ms = NOW

    def now_ms(self) -> int:
        return self.at_ms


class Place:
    """A store with an order that is over, as seen from a shop and an ERP."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.routes = Routes(
            [
                Route(Flow.INVENTORY, "erp", "shop", 5_000, locations={"1": "L"}),
                Route(Flow.ORDERS, "shop", "erp", 5_000),
                Route(Flow.ORDER_STATUS, "erp", "shop", 5_000),
                Route(Flow.PAYMENTS, "erp", "shop", 5_000),
                Route(Flow.RETURNS, "erp", "shop", 5_000),
            ]
        )
        self.contract = PLAIN
        self.kept_ms = ORDERS_KEPT_MS

    async def put(self, statement, **row):
        return (await self.store.write(Write(statement, [row])))[0]

    async def record(self, kind, key, value, system="erp", at_ms=OLD, version=1):
        stamps = {"version": version, "tiebreak": 0, "changed_at_ms": at_ms, "observed_at_ms": at_ms}
        row = {
            "system": system,
            "kind": kind.value,
            "key": key,
            "offset": 1,
            "hash": "h",
            "body": encode(value),
        }
        await self.put("record_put", **row, **stamps)

    async def order(self, value=WHOLE, at_ms=OLD, *, bound="9"):
        await self.record(Kind.ORDER, value.key, value, "shop", at_ms, value.updated_at_ms)
        if bound:
            await self.bind("order", REFERENCE, bound)

    async def bind(self, kind, key, external_id="", hash_="h", system="erp"):
        row = {
            "system": system,
            "kind": kind,
            "key": key,
            "external_id": external_id,
            "version": 1,
            "hash": hash_,
        }
        await self.put("binding_put", **row, now_ms=OLD)

    async def want(self, *, settled=True, quantity=2, sku="A"):
        await self.put("demand_want", **LINE, sku=sku, quantity=quantity, taken=0)
        if settled:
            await self.put("demand_settle", **LINE, quantity=quantity, erp_quantity=0)

    async def stock(self, sku="A"):
        level = StockLevel(sku, "1", Decimal(5), Decimal(5), Decimal(0), 1)
        await self.record(Kind.STOCK, f"{sku}\x1f1", level)

    async def round(self) -> int:
        return await self.retirement(Fixed()).round()

    def retirement(self, clock) -> Retirement:
        async def between(work):
            return await self.store.write(*await work())

        able = SimpleNamespace(stock_contract=self.contract)
        systems = {"shop": able, "erp": SimpleNamespace(stock_contract=PLAIN)}
        return Retirement(self.store, clock, self.routes, systems, between, kept_ms=self.kept_ms)

    async def past(self):
        return await self.store.read("retired_get", references=[REFERENCE])

    async def kinds(self):
        return {(system, kind) for system, kind, _ in await self.store.read("record_count")}

    async def hear(self, system, *changes):
        """What becomes of news: what is left to be applied, parked reasons, and orders to be read."""
        able = {name: Capabilities() for name in ("shop", "erp")}
        batch = Batch(self.routes, able, Catalog(self.store), NOW)
        event = logged(1, system=system)
        late = LateNews(self.store, self.routes, ["shop", "erp"])
        left, writes = await late.taken(batch, [(event, list(changes))])
        await self.store.write(*writes, *batch.writes("apply", 1))
        return [one for _, rest in left for one in rest], [row["detail"] for row in batch.parked], batch


def played(story):
    async def whole():
        store = SqliteStore.open(":memory:", now_ms=OLD)
        try:
            return await story(Place(store))
        finally:
            await store.close()

    return asyncio.run(whole())


def shipment(quantity=2, sku="A", key="p1"):
    return Shipment(key, REFERENCE, OLD, (ShipmentLine(sku, "1", Decimal(quantity)),))


def test_an_order_that_is_over_leaves_its_binding_and_one_row():
    async def story(place):
        paid = replace(
            WHOLE,
            payments=(Payment("m1", Decimal(1), "GBP", OLD),),
            refunds=(Refund("r1", Decimal(1), OLD),),
        )
        await place.order(paid)
        await place.want()
        await place.record(Kind.ERP_ORDER, REFERENCE.upper(), ErpOrder(REFERENCE, "9", "", True, (), 1))
        await place.record(Kind.SHIPMENT, "p1", shipment())
        await place.record(Kind.RETURN, "b1", Return("b1", REFERENCE, OLD, ()))
        await place.record(Kind.RECEIPT, REFERENCE, Receipt(REFERENCE, Decimal(7), "GBP", OLD))
        for kind, key, system in (
            ("payment", f"{REFERENCE}-pay-m1", "erp"), ("refund", f"{REFERENCE}-ref-r1", "erp"), ("shipment", "p1", "shop"),
            ("refund", "erp return b1", "shop"), ("payment", "7001", "shop"), ("adopted", REFERENCE, "erp"),
        ):  # fmt: skip
            await place.bind(kind, key, "x", "open@0", system)
        await place.put(
            "routing_put", channel="shop", order_key="7001", id="1", now_ms=OLD, said="decided", body="{}"
        )
        assert await place.round() == 1
        assert await place.kinds() == set()
        ((reference, version, _, _, facts, at_ms),) = await place.past()
        assert (reference, version, at_ms) == (REFERENCE, WHOLE.updated_at_ms, NOW)
        assert facts.count("erp:") == 3
        bound = [
            (system, kind)
            for system in ("erp", "shop")
            for kind in ("order", "payment", "refund", "shipment", "adopted")
            if await place.store.read("bindings_after", system=system, kind=kind, after="", limit=9)
        ]
        assert bound == [("erp", "order"), ("erp", "adopted")]
        assert await place.store.read("routings", channel="shop", orders=["7001"]) == []
        assert await place.store.read("demand_of_orders", channel="shop", orders=["7001"]) == []

    played(story)


CANCELLED = replace(WHOLE, cancelled_at_ms=OLD)
NOWHERE = order(line("1", "A", 2, allocations=()), complete=True)
LEFT_TO_SEND = order(line("1", "A", 2, allocations=TO_SEND), complete=True)


@pytest.mark.parametrize(
    ("value", "parcels", "over"),
    [
        (WHOLE, [], True),
        (CANCELLED, [], True),
        (replace(LEFT_TO_SEND, cancelled_at_ms=OLD), [], True),
        (order(line("1", "A", 0, allocations=()), complete=True), [], True),  # all of it was given back
        (LEFT_TO_SEND, [], False),
        (LEFT_TO_SEND, [shipment(1)], False),
        (LEFT_TO_SEND, [shipment(1, key="p1"), shipment(1, key="p2")], True),
        (LEFT_TO_SEND, [shipment(2, "B")], False),
        (NOWHERE, [], False),  # nobody said from where
        (NOWHERE, [shipment(2)], True),
        (order(line("1", "", 2, allocations=()), complete=True), [shipment(2)], False),
        (replace(WHOLE, complete=False), [shipment(2)], False),
    ],
)
def test_an_order_is_over_when_nothing_of_it_is_to_be_sent(value, parcels, over):
    async def story(place):
        await place.order(value)
        for parcel in parcels:
            await place.record(Kind.SHIPMENT, parcel.key, parcel)
        assert await place.round() == over
        assert (("shop", "order") in await place.kinds()) is not over

    played(story)


def test_packs_are_sent_as_what_they_are_made_of():
    async def story(place):
        place.routes.recipes = Recipes({"PACK": {"A": 3}})
        await place.order(order(line("1", "PACK", 2, allocations=()), complete=True))
        await place.record(Kind.SHIPMENT, "p1", shipment(5))
        assert await place.round() == 0
        await place.record(Kind.SHIPMENT, "p2", shipment(1, key="p2"))
        assert await place.round() == 1

    played(story)


@pytest.mark.parametrize(("at_ms", "over"), [(OLD, True), (OLD + 1, False), (NOW, False)])
@pytest.mark.parametrize("which", ["order", "erp_order", "shipment", "receipt"])
def test_an_order_is_kept_for_so_long_after_the_last_that_either_side_told(which, at_ms, over):
    async def story(place):
        await place.order(WHOLE, at_ms if which == "order" else OLD)
        told = {
            "erp_order": (Kind.ERP_ORDER, REFERENCE, ErpOrder(REFERENCE, "9", "", True, (), 1)),
            "shipment": (Kind.SHIPMENT, "p1", shipment()),
            "receipt": (Kind.RECEIPT, REFERENCE, Receipt(REFERENCE, Decimal(7), "GBP", OLD)),
        }
        if which in told:
            await place.record(*told[which], at_ms=at_ms)
        assert await place.round() == over

    played(story)


@pytest.mark.parametrize(
    ("bindings", "over"),
    [
        ([], False),
        ([("order", "9", "h")], True),
        ([("order", "", "h")], False),
        ([("discarded", "", "discarded")], True),
        ([("discarded", "", "")], False),  # the decision was taken back
    ],
)
def test_an_order_stays_until_its_erp_has_it_or_never_will(bindings, over):
    async def story(place):
        await place.order(bound="")
        for kind, external_id, hash_ in bindings:
            await place.bind(kind, REFERENCE, external_id, hash_)
        assert await place.round() == over

    played(story)


def test_settled_demand_goes_and_open_demand_keeps_the_order():
    async def story(place, *, stocked, settled):
        await place.order()
        await place.want(settled=settled)
        if stocked:
            await place.stock()
        return await place.round()

    assert played(lambda place: story(place, stocked=True, settled=True)) == 1
    assert played(lambda place: story(place, stocked=True, settled=False)) == 0
    # No figure of it is kept anywhere, so none has to contain it: a gift card, or a shop whose stock is not kept here.
    assert played(lambda place: story(place, stocked=False, settled=False)) == 1


def test_what_counts_against_units_set_apart_is_kept():
    async def story(place, since_ms):
        fence = Layer(Level.CHANNEL, {"fence": Fence(5, since_ms)})
        route = replace(place.routes.all[0], rules=Rules((fence,)))
        place.routes = Routes([route, *place.routes.all[1:]])
        await place.order()
        await place.want()
        return await place.round()

    assert played(lambda place: story(place, WHOLE.placed_at_ms)) == 0
    assert played(lambda place: story(place, WHOLE.placed_at_ms + 1)) == 1


@pytest.mark.parametrize(("contract", "over"), [(PLAIN, 1), (SOURCE_QUANTITY_ADD_BACK_OPEN_LINES, 0)])
def test_what_a_channel_has_not_taken_yet_is_kept_where_that_counts(contract, over):
    async def story(place):
        place.contract = contract
        await place.order()
        await place.want()  # two, of which the channel took none
        return await place.round()

    assert played(story) == over


def test_kept_for_ever_and_many_orders():
    async def story(place):
        for number in range(250):
            key = f"{7001 + number}"
            await place.order(replace(WHOLE, key=key), bound="")
            await place.bind("order", f"shop-{key}", "9")
        place.kept_ms = 0
        assert await place.round() == 0
        place.kept_ms = ORDERS_KEPT_MS
        return await place.round()

    assert played(story) == 250


def test_an_order_is_looked_at_when_its_time_is_over_and_then_every_so_often():
    async def story(place):
        await place.order(bound="")
        await place.order(replace(WHOLE, key="7002"), OLD + 1, bound="")
        await place.bind("order", "shop-7002", "9")
        clock = Fixed()
        retirement = place.retirement(clock)
        gone = [await retirement.round()]
        await place.bind("order", REFERENCE, "9")
        for later_ms in (1, ORDERS_KEPT_MS // LOOKS - 2, 1, 0):
            clock.at_ms += later_ms
            gone.append(await retirement.round())
        return gone

    assert played(story) == [0, 1, 0, 0, 1]


# --- news afterwards --------------------------------------------------------------------------------


async def retired(place):
    await place.order(replace(WHOLE, updated_at_ms=OLD))
    await place.record(Kind.SHIPMENT, "p1", shipment())
    await place.record(Kind.RECEIPT, REFERENCE, Receipt(REFERENCE, Decimal(7), "GBP", OLD))
    assert await place.round() == 1


@pytest.mark.parametrize(
    ("system", "news", "parked", "reads"),
    [
        ("shop", (Kind.ORDER, "7001", WHOLE, OLD), 0, 0),
        ("shop", (Kind.ORDER, "7001", WHOLE, OLD + 1), 0, 0),  # a touch
        ("shop", (Kind.ORDER, "7001", replace(WHOLE, complete=False), OLD + 1), 0, 1),
        ("shop", (Kind.ORDER, "7001", Notice("7001"), OLD + 1), 0, 1),
        ("shop", (Kind.ORDER, "7001", Notice("7001"), OLD), 0, 0),
        ("shop", (Kind.ORDER, "7001", replace(WHOLE, refunds=(Refund("r", Decimal(1), NOW),)), OLD + 1), 1, 0),
        ("shop", (Kind.ORDER, "7001", replace(WHOLE, cancelled_at_ms=NOW), OLD + 1), 1, 0),
        ("erp", (Kind.SHIPMENT, "p1", shipment(), NOW), 0, 0),
        ("erp", (Kind.SHIPMENT, "p2", shipment(key="p2"), NOW), 1, 0),
        ("erp", (Kind.RETURN, "b1", Return("b1", REFERENCE, NOW, ()), NOW), 1, 0),
        ("erp", (Kind.RECEIPT, REFERENCE, Receipt(REFERENCE, Decimal(7), "GBP", NOW), NOW), 0, 0),
        ("erp", (Kind.RECEIPT, REFERENCE, Receipt(REFERENCE, Decimal(8), "GBP", NOW), NOW), 1, 0),
        ("erp", (Kind.ERP_ORDER, REFERENCE.upper(), ErpOrder(REFERENCE, "9", "", True, (), 2), NOW), 0, 0),
        ("erp", (Kind.ERP_ORDER, REFERENCE, ErpOrder(REFERENCE, "9", "", True, (), 2, cancelled=True), NOW), 1, 0),
    ],
)  # fmt: skip
def test_news_of_a_forgotten_order_is_never_applied(system, news, parked, reads):
    async def story(place):
        await retired(place)
        kind, key, value, version = news
        one = change(kind, key, value, version=version)
        left, notes, batch = await place.hear(system, one)
        assert left == []
        assert len(notes) == parked
        assert len(batch._reads) == reads
        assert await place.kinds() == set()
        if not reads:  # the same again is told to nobody
            assert (await place.hear(system, one))[1] == []
        return notes

    for note in played(story):
        assert "7001" in note or WHOLE.number in note


def test_news_of_other_orders_is_left_to_be_applied():
    async def story(place):
        await retired(place)
        others = [
            change(Kind.ORDER, "7002", replace(WHOLE, key="7002")),
            change(Kind.ITEM, "7001", None),
        ]
        assert (await place.hear("shop", *others))[0] == others
        parcel = change(Kind.SHIPMENT, "p9", replace(shipment(), order_key="SO-1"))
        assert (await place.hear("erp", parcel))[0] == [parcel]

    played(story)


# --- the sweep --------------------------------------------------------------------------------------


def test_a_store_that_refuses_a_sweep_ends_nothing():
    class Refuses:
        sweeps = 0

        async def write(self, *_writes):
            self.sweeps += 1
            raise Retryable("a server restarts")

    class Ticks(Fixed):
        left = 3

        async def sleep(self, seconds):
            assert seconds == retention.EVERY_S
            if not self.left:
                raise asyncio.CancelledError
            self.left -= 1

    store = Refuses()
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(Janitor(store, Ticks(), lambda: 1).run())
    assert store.sweeps == 3


def test_a_sweep_retires_orders_as_well():
    class Empty:
        async def write(self, *_writes):
            return [[]]

    async def seven():
        return 7

    assert asyncio.run(Janitor(Empty(), Fixed(), lambda: 1, seven).sweep()) == 7
