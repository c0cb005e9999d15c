"""From what is stored to one number for each channel location: several channels on one stock."""

from __future__ import annotations

from contextlib import asynccontextmanager
from decimal import Decimal
from types import SimpleNamespace

import pytest
from tests.unit.support import START_MS

from syncline.engine.catalog import Catalog
from syncline.engine.codec import encode
from syncline.engine.derive.demand import DemandLearner
from syncline.engine.derive.stock import StockDeriver
from syncline.engine.routes import Route, Routes, stock_key
from syncline.inventory.recipes import Recipes
from syncline.inventory.rules import AUTO_BUFFER, Fence, Layer, Level, Rules
from syncline.model.capabilities import (
    AVAILABLE_OWN_ORDERS_SUBTRACTED,
    PLAIN,
    SOURCE_QUANTITY_ADD_BACK_OPEN_LINES,
    Capabilities,
)
from syncline.model.change import Flow, Kind
from syncline.model.records import Item, StockLevel
from syncline.ports import Write
from syncline.stores.sqlite import SqliteStore

CHANNELS = ("shop", "market", "tills")
LEASE = {"name": "apply", "owner": "me", "now_ms": START_MS, "ttl_ms": 60_000}


class Fixed:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.at_ms = START_MS
        self.timers: list[tuple[float, object]] = []

    def now_ms(self) -> int:
        return self.at_ms

    def after(self, seconds, call):
        self.timers.append((seconds, call))

    async def sleep(self, seconds: float) -> None:
        assert seconds == 0


class Bench:
    """A store with figures and orders, and the deriver that reads it."""

    def __init__(self, store: SqliteStore, routes: Routes, **capabilities: Capabilities) -> None:
        self.store = store
        self.routes = routes
        self.catalog = Catalog(store)
        systems = {
            name: SimpleNamespace(capabilities=capabilities.get(name, Capabilities()))
            for name in ("erp", *CHANNELS)
        }
        self.clock = Fixed()
        self.deriver = StockDeriver(store, self.clock, self.catalog, routes, systems, DemandLearner(store))

    def sells(self, channel: str, *skus: str) -> None:
        for sku in skus:
            self.catalog.put(channel, Item(sku, f"id-{sku}"))

    async def put(self, statement: str, **row) -> None:
        await self.store.write(Write(statement, [row]))

    async def record(self, system: str, kind: Kind, key: str, body: str, version: int = 1) -> None:
        await self.put(
            "record_put", system=system, kind=kind.value, key=key, version=version, tiebreak=0, changed_at_ms=START_MS,
            observed_at_ms=START_MS, offset=1, hash="h", body=body,
        )  # fmt: skip

    async def figure(self, sku: str, available: int, at: str = "1") -> None:
        level = StockLevel(sku, at, Decimal(available), Decimal(available), Decimal(0), 100, None)
        await self.record("erp", Kind.STOCK, stock_key(sku, at), encode(level))

    async def order(
        self,
        channel: str,
        key: str,
        sku: str,
        quantity: int,
        *,
        at: str = "1",
        taken: int = 0,
        ago_ms: int = 0,
    ) -> None:
        body = f'{{"number": "#{key}", "placed_at_ms": {START_MS - ago_ms}}}'
        await self.record(channel, Kind.ORDER, key, body)
        await self.put(
            "demand_want", channel=channel, order_key=key, line_id="l", location=at, sku=sku, quantity=quantity,
            taken=taken,
        )  # fmt: skip

    async def shown(self, channel: str, sku: str = "A") -> int:
        route = self.routes.of(Flow.INVENTORY, sink=channel)[0]
        return (await self.deriver.compute(route, [sku])).published[sku].total

    async def written(self, channel: str, sku: str = "A") -> list[int]:
        route = self.routes.of(Flow.INVENTORY, sink=channel)[0]
        return [target.quantity for target in (await self.deriver.compute(route, [sku])).targets]


def route(channel: str, *layers: Layer, locations: dict[str, str] | None = None) -> Route:
    return Route(
        Flow.INVENTORY,
        "erp",
        channel,
        5_000,
        locations=locations or {"1": f"{channel}-1"},
        rules=Rules(layers),
    )


def own(channel: str, **fields) -> Layer:
    return Layer(Level.CHANNEL, fields, channel)


@asynccontextmanager
async def bench(*routes: Route, **capabilities: Capabilities):
    store = SqliteStore.open(":memory:", now_ms=START_MS)
    found = Bench(store, Routes(routes), **capabilities)
    for channel in CHANNELS:
        found.sells(channel, "A")
    yield found
    await store.close()


@pytest.mark.parametrize(
    ("stock", "parts"), [(10, (5, 3, 2)), (11, (6, 3, 2)), (5, (3, 1, 1)), (1, (1, 0, 0))]
)
async def test_shares_of_one_pool_add_up_to_it(stock, parts):
    shares = (Decimal("0.5"), Decimal("0.3"), Decimal("0.2"))
    routes = [route(c, own(c, share=share)) for c, share in zip(CHANNELS, shares, strict=True)]
    async with bench(*routes) as b:
        await b.figure("A", stock)
        assert tuple([await b.shown(channel) for channel in CHANNELS]) == parts
        assert sum(parts) == stock


async def test_who_does_not_sell_it_or_draws_on_other_places_takes_no_part_in_a_split():
    half = Decimal("0.5")
    routes = [
        route("shop", own("shop", share=half)),
        route("market", own("market", share=half)),
        route("tills", own("tills", share=half), locations={"1": "t1", "2": "t2"}),
    ]
    async with bench(*routes) as b:
        await b.figure("A", 5)
        assert [await b.shown(channel) for channel in CHANNELS] == [3, 2, 2]
        b.sells("shop", "B")
        await b.figure("B", 5)
        assert await b.shown("shop", "B") == 2


async def test_what_a_channel_has_for_itself_is_kept_from_the_others_until_it_is_sold():
    since = START_MS - 60_000
    async with bench(route("shop"), route("market", own("market", fence=Fence(8, since)))) as b:
        await b.figure("A", 20)
        assert [await b.shown("shop"), await b.shown("market")] == [12, 20]
        await b.order("market", "1", "A", 3, ago_ms=30_000)
        await b.order("market", "2", "A", 2, ago_ms=90_000)  # before there was a fence
        # 15 left, of which 5 are still the market's own.
        assert [await b.shown("shop"), await b.shown("market")] == [10, 15]


async def test_a_fence_on_other_shelves_keeps_nothing_from_here():
    there = route("market", own("market", fence=Fence(8)), locations={"2": "m2"})
    async with bench(route("shop"), there) as b:
        await b.figure("A", 20)
        assert await b.shown("shop") == 20


async def test_an_auto_buffer_is_asked_for():
    async with bench(route("shop", own("shop", buffer=AUTO_BUFFER)), route("market")) as b:

        async def units(route: Route, skus: list[str]) -> dict[str, int]:
            return {sku: len(route.sink) if sku == "A" else 0 for sku in skus}

        b.deriver.buffers(units)
        await b.figure("A", 20)
        assert [await b.shown("shop"), await b.shown("market")] == [16, 20]


@pytest.mark.parametrize(("sent_ago_ms", "undecided"), [(0, True), (-1, False), (None, False)])
async def test_a_figure_from_before_an_order_was_sent_leaves_no_doubt(sent_ago_ms, undecided):
    since_ms = None if sent_ago_ms is None else START_MS - sent_ago_ms
    async with bench(route("shop"), route("market")) as b:
        b.deriver.watch(lambda system, order_key: since_ms, lambda system, key: True, lambda: None)
        await b.figure("A", 10)  # received at START_MS
        await b.order("market", "1", "A", 2)
        await b.put(
            "held_seen",
            system="shop",
            key=stock_key("A", "shop-1"),
            held=10,
            rev=None,
            exact=True,
            now_ms=START_MS,
        )
        (target,) = (await b.deriver.compute(b.routes.of(Flow.INVENTORY, sink="shop")[0], ["A"])).targets
        assert (target.quantity, target.undecided) == (8, undecided)


async def test_a_channel_that_subtracts_its_open_orders_is_given_them_back():
    magento = Capabilities(stock_contract=SOURCE_QUANTITY_ADD_BACK_OPEN_LINES)
    async with bench(route("shop", locations={"1": "s1", "2": "s2"}), market=magento, shop=magento) as b:
        await b.figure("A", 10, "1")
        await b.figure("A", 5, "2")
        await b.order("shop", "1", "A", 4, at="2", taken=1)
        await b.order("shop", "2", "A", 2, at="")
        await b.order("market", "3", "A", 1)
        route_ = b.routes.of(Flow.INVENTORY, sink="shop")[0]
        computed = await b.deriver.compute(route_, ["A"])
        assert sum(computed.published["A"].by_location.values()) == 15 - 4 - 2 - 1
        assert [target.added_back for target in computed.targets] == [2, 3]
        assert sum(await b.written("shop")) == 8 + 5


@pytest.mark.parametrize("contract", [PLAIN, AVAILABLE_OWN_ORDERS_SUBTRACTED])
async def test_other_channels_are_written_what_they_may_show(contract):
    async with bench(route("shop"), shop=Capabilities(stock_contract=contract)) as b:
        await b.figure("A", 10)
        await b.order("shop", "1", "A", 4)
        assert await b.written("shop") == [6]


# --- kits, packs and other names -----------------------------------------------------------------------------

RECIPES = Recipes({"SET": {"A": 2, "B": 1}, "CASE": {"A": 12}, "OLD": {"A": 1}})


class Kits(Bench):
    """The same with a kit, a pack and an old name."""

    @classmethod
    def of(cls, store: SqliteStore, *routes: Route) -> Kits:
        found = cls(store, Routes(routes, RECIPES))
        for channel in CHANNELS:
            found.sells(channel, "A", "B", "SET", "CASE", "OLD")
        return found

    async def numbers(self, channel: str = "shop") -> dict[str, int]:
        skus = ("A", "B", "SET", "CASE", "OLD")
        return {sku: await self.shown(channel, sku) for sku in skus}


@asynccontextmanager
async def kits(*routes: Route):
    store = SqliteStore.open(":memory:", now_ms=START_MS)
    yield Kits.of(store, *(routes or (route("shop"), route("market"))))
    await store.close()


async def test_the_scarcest_part_decides_and_packs_are_whole():
    async with kits() as b:
        await b.figure("A", 25)
        await b.figure("B", 7)
        assert await b.numbers() == {"A": 25, "B": 7, "SET": 7, "CASE": 2, "OLD": 25}


async def test_an_order_of_a_kit_is_demand_on_its_parts_everywhere():
    async with kits() as b:
        await b.figure("A", 25)
        await b.figure("B", 7)
        await b.order("market", "1", "SET", 2)
        await b.order("market", "2", "CASE", 1)
        await b.order("market", "3", "OLD", 1)
        assert await b.numbers() == {"A": 8, "B": 5, "SET": 4, "CASE": 0, "OLD": 8}


async def test_a_kit_has_no_number_before_every_part_has_a_figure():
    async with kits() as b:
        await b.figure("A", 25)
        route_ = b.routes.of(Flow.INVENTORY, sink="shop")[0]
        computed = await b.deriver.compute(route_, ["SET", "CASE"])
        assert {target.sku: target.quantity for target in computed.targets} == {"CASE": 2}


async def test_parts_keep_their_own_rules_and_kits_have_theirs():
    rules = (
        Layer(Level.SKU, {"safety_stock": 5}, "A"),
        Layer(Level.SKU, {"cap": 3}, "SET"),
        Layer(Level.SKU, {"excluded": ("2",)}, "CASE"),
    )
    async with kits(route("shop", *rules, locations={"1": "s1", "2": "s2"})) as b:
        for at in ("1", "2"):
            await b.figure("A", 25, at)
            await b.figure("B", 7, at)
        assert await b.numbers() == {"A": 40, "B": 14, "SET": 3, "CASE": 1, "OLD": 40}


async def test_what_is_fenced_of_a_part_makes_no_kits_elsewhere():
    fence = Layer(Level.SKU, {"fence": Fence(20)}, "A")
    async with kits(route("shop"), route("market", fence)) as b:
        await b.figure("A", 25)
        await b.figure("B", 7)
        assert (await b.shown("shop", "SET"), await b.shown("market", "SET")) == (2, 7)


async def test_a_change_of_a_part_writes_everything_that_hangs_on_it():
    async with kits() as b:
        await b.figure("A", 25)
        await b.figure("B", 7)
        await b.put("dirty_mark", sku="B", changed_at_ms=START_MS - 5)
        await b.put("dirty_mark", sku="CASE", changed_at_ms=START_MS - 9)
        lease = await b.store.write(Write("lease_take", [LEASE]))
        guard = Write("lease_check", [{"name": "apply", "owner": "me", "fence": lease[0][0][0]}], guard=True)
        marked, touched = await b.deriver.step(guard)
        assert marked == 2
        keys = {row[2].partition("\x1f")[0] for row in touched if row[0] == "shop"}
        assert keys == {"A", "B", "SET", "CASE", "OLD"}


async def guard_of(b: Bench) -> Write:
    lease = await b.store.write(Write("lease_take", [LEASE]))
    return Write("lease_check", [{"name": "apply", "owner": "me", "fence": lease[0][0][0]}], guard=True)


async def test_a_channels_own_number_waits_until_its_order_has_a_place():
    own_orders = Capabilities(stock_contract=AVAILABLE_OWN_ORDERS_SUBTRACTED)
    async with bench(route("shop"), route("market"), shop=own_orders, market=own_orders) as b:
        woken: list[int] = []
        b.deriver.watch(lambda *_: False, lambda *_: True, lambda: woken.append(b.clock.at_ms))
        guard = await guard_of(b)
        await b.figure("A", 9)
        for channel in ("shop", "market"):
            look = {
                "system": channel,
                "key": stock_key("A", f"{channel}-1"),
                "held": 9,
                "rev": None,
                "exact": True,
                "now_ms": START_MS,
            }
            await b.put("held_seen", **look)
        assert await b.deriver.step(guard) == (0, [])
        assert b.clock.timers == [], "nothing is deferred"

        await b.order("shop", "1", "A", 2, at="")
        await b.put("dirty_mark", sku="A", changed_at_ms=START_MS - 50)
        _, touched = await b.deriver.step(guard)
        assert [row[0] for row in touched] == ["market"], "others may not sell it again meanwhile"
        assert await b.store.read("dirty", now_ms=START_MS + 9_999, limit=9) == []
        ((seconds, due),) = b.clock.timers
        assert seconds == 10

        # Whatever else happens to the SKU meanwhile ends no wait, and begins none.
        b.clock.at_ms = START_MS + 6_000
        await b.put("dirty_mark", sku="A", changed_at_ms=START_MS + 5_000)
        _, touched = await b.deriver.step(guard)
        assert [row[0] for row in touched] == ["market"]
        assert await b.store.read("dirty_next") == [(START_MS + 10_000,)]

        b.clock.at_ms = START_MS + 10_000
        due()
        assert woken == [b.clock.at_ms]
        _, touched = await b.deriver.step(guard)
        assert sorted(row[0] for row in touched) == ["market", "shop"], "then it is written all the same"
        rows = await b.store.read(
            "deliveries_get", system="shop", operation="set_stock", keys=[touched[0][2], touched[1][2]]
        )
        assert [row[4] for row in rows] == [START_MS - 50], "and is as late as it is"
        assert await b.store.read("dirty", now_ms=START_MS + 99_999, limit=9) == []


async def test_what_a_former_process_deferred_is_not_forgotten():
    async with bench(route("shop")) as b:
        guard = await guard_of(b)
        await b.put("dirty_mark_later", sku="A", changed_at_ms=START_MS, not_before_ms=START_MS + 700)
        assert await b.deriver.step(guard) == (0, [])
        ((seconds, _),) = b.clock.timers
        assert seconds == 0.7


async def test_a_line_is_settled_by_the_routes_that_sell_from_its_place():
    routes = [route("shop"), route("market", locations={"2": "m2"})]
    async with bench(*routes) as b:
        for at in ("1", "2"):
            await b.figure("A", 10, at)
        await b.order("market", "1", "A", 2, at="2")
        await b.order("market", "2", "A", 1, at="")  # from anywhere: every figure has to contain it
        for key, at, stamp_ms in (("1", "2", 100), ("2", "", 101)):
            known = {"order_key": key, "location": at, "quantity": 2 if at else 1, "erp_stamp_ms": stamp_ms}
            await b.put("demand_known", channel="market", line_id="l", our_stamp_ms=None, **known)
        await b.put("dirty_mark", sku="A", changed_at_ms=START_MS)
        await b.deriver.step(await guard_of(b))
        assert [row[1] for row in await b.store.read("demand_open", skus=["A"])] == ["2"]
        assert (await b.shown("shop"), await b.shown("market")) == (9, 9)


async def test_a_line_of_a_kit_is_settled_once_the_figures_of_all_parts_contain_it():
    async with kits() as b:
        await b.figure("A", 23)
        await b.figure("B", 7)
        await b.order("shop", "1", "SET", 1)
        known = {"channel": "shop", "order_key": "1", "line_id": "l", "location": "1", "quantity": 1}
        await b.put("demand_known", **known, erp_stamp_ms=100, our_stamp_ms=None)
        route_ = b.routes.of(Flow.INVENTORY, sink="shop")[0]
        settled = (await b.deriver.compute(route_, ["SET", "A", "B"])).settled
        assert [(line.sku, line.quantity) for line in settled] == [("SET", 1)]
        old = StockLevel("B", "1", Decimal(7), Decimal(7), Decimal(0), 99, None)
        await b.store.write(Write("record_put", [{
            "system": "erp", "kind": "stock", "key": stock_key("B", "1"), "version": 2, "tiebreak": 0,
            "changed_at_ms": START_MS, "observed_at_ms": START_MS, "offset": 1, "hash": "h", "body": encode(old),
        }]))  # fmt: skip
        computed = await b.deriver.compute(route_, ["SET", "A", "B"])
        assert (computed.settled, [line.sku for line in computed.unsettled]) == ([], ["SET"])
        assert await b.numbers() == {"A": 23, "B": 6, "SET": 6, "CASE": 1, "OLD": 23}
