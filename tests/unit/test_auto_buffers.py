"""An ``auto`` buffer covers what others sell before this channel is corrected, and no more."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from tests.unit.support import START_MS

from syncline.engine.catalog import Catalog
from syncline.engine.derive import buffers
from syncline.engine.derive.buffers import AutoBuffers, Checkout, exposed_h
from syncline.engine.derive.demand import DemandLearner, Sold
from syncline.engine.routes import Route, Routes
from syncline.freshness.demand import HOUR_MS, Sale, Season, demand_of, hour_of_week, together
from syncline.freshness.risk import exceeds
from syncline.inventory.recipes import Recipes
from syncline.model.capabilities import AVAILABLE_OWN_ORDERS_SUBTRACTED, PLAIN, Capabilities
from syncline.model.change import Flow
from syncline.model.records import Item
from syncline.stores.sqlite import SqliteStore

CHANNELS = ("shop", "market", "tills")
SUBTRACTS = Capabilities(stock_contract=AVAILABLE_OWN_ORDERS_SUBTRACTED)
MINUTE_MS = 60_000


class Shelf:
    """Some channels on the stock of one ERP, and what is known of their buyers."""

    def __init__(
        self, store, routes=None, *, recipes=None, epsilon=0.01, detection_ms=None, checkouts=None, **caps
    ):
        self.now_ms = START_MS
        self.asked = 0
        self.store = store
        self.catalog = Catalog(store)
        for channel in CHANNELS:
            for sku in ("A", "B", "SET"):
                self.catalog.put(channel, Item(sku, f"id-{sku}"))
        self.routes = Routes(routes or [route(channel) for channel in CHANNELS], recipes)
        self.learner = DemandLearner(self, epsilon=epsilon)
        self.auto = AutoBuffers(
            SimpleNamespace(now_ms=lambda: self.now_ms),
            self.catalog,
            self.routes,
            {name: SimpleNamespace(capabilities=caps.get(name, SUBTRACTS)) for name in CHANNELS},
            self.learner,
            detection_ms=lambda channel: (detection_ms or {}).get(channel, 5_000),
            checkouts=checkouts or {},
        )

    async def read(self, statement, **parameters):
        self.asked += 1
        return await self.store.read(statement, **parameters)

    async def sold(self, channel, sku, *sales):
        await self.store.write(await self.learner.learn([Sold(channel, sku, sale) for sale in sales]))

    async def size(self, channel, sku="A"):
        return (await self.auto.units(self.route(channel), [sku]))[sku]

    def route(self, channel):
        return self.routes.of(Flow.INVENTORY, sink=channel)[0]


def route(channel, *, tolerance_ms=5_000, locations=("1",)):
    return Route(
        Flow.INVENTORY, "erp", channel, tolerance_ms, locations={at: f"{channel}-{at}" for at in locations}
    )


def often(*, minutes=10, hours=24, quantity=1, until_ms=START_MS - HOUR_MS):
    """A sale every so many minutes for some hours, the last one ``until_ms``."""
    times = range(hours * 60 // minutes)
    return [Sale(until_ms - n * minutes * MINUTE_MS, quantity) for n in reversed(times)]


@asynccontextmanager
async def shelf(*args, **more):
    store = SqliteStore.open(":memory:", now_ms=START_MS)
    yield Shelf(store, *args, **more)
    await store.close()


async def test_the_buffer_is_the_smallest_that_the_others_exceed_with_epsilon():
    hidden = {"market": Checkout(10 * MINUTE_MS), "tills": Checkout(2 * MINUTE_MS)}
    async with shelf(checkouts=hidden, epsilon=0.02) as s:
        await s.sold("market", "A", *often(minutes=5))
        await s.sold("tills", "A", *often(minutes=20, quantity=3))
        await s.sold("shop", "A", *often(minutes=1))
        found = await s.size("shop")
        known = await s.learner.known(["A"])
        hour = START_MS // HOUR_MS
        demands = []
        for channel, ms in (("market", 10 * MINUTE_MS), ("tills", 2 * MINUTE_MS)):
            one = demand_of(known.sales("A")[channel], known.season("A"), hour * HOUR_MS)
            hours = exposed_h(known.season("A"), ms + 5_000 + 5_000, hour)
            demands.append(type(one)(one.rate * hours, one.shape, one.lines))
        both = together(demands)
        assert found > 3
        assert exceeds(both, found, 1.0) <= 0.02 < exceeds(both, found - 1, 1.0)


@pytest.mark.parametrize(("listed_days_ago", "kept"), [(None, True), (2, True), (90, False)])
async def test_what_has_not_sold_elsewhere_for_long_needs_no_buffer_against_it(listed_days_ago, kept):
    async with shelf(checkouts={"market": Checkout(2 * HOUR_MS)}, epsilon=0.02) as s:
        if listed_days_ago is not None:  # of the store's first day: it counts from the end of that
            at_ms = START_MS - listed_days_ago * 24 * HOUR_MS
            await s.store.write(await s.learner.learn([], [("market", "A")], at_ms))
        await s.sold("market", "B", *often(minutes=30))
        assert (await s.size("shop") > 0) is kept


async def test_nobody_else_nothing_learned_or_too_rare_keeps_nothing_back():
    async with shelf([route("shop")]) as s:
        await s.sold("shop", "A", *often())
        assert await s.size("shop") == 0
    async with shelf() as s:
        assert await s.size("shop") == 0
        await s.sold("market", "A", Sale(START_MS - 40 * 24 * HOUR_MS, 5))
        assert await s.size("shop") == 0
    async with shelf([route("shop"), route("market", locations=("2",))]) as s:
        await s.sold("market", "A", *often(minutes=1))
        assert await s.size("shop") == 0  # it sells from other shelves


async def test_who_does_not_sell_the_sku_takes_nothing():
    async with shelf([route("shop"), route("market")], checkouts={"market": Checkout(HOUR_MS)}) as s:
        await s.sold("market", "A", *often())
        await s.sold("market", "C", *often())
        s.catalog.put("shop", Item("C", "id-C"))
        assert await s.size("shop", "A") > 0
        assert await s.size("shop", "C") == 0


async def test_a_new_sku_is_as_its_category():
    async with shelf([route("shop"), route("market")], checkouts={"market": Checkout(HOUR_MS)}) as s:
        await s.sold("market", "A", *often())
        assert 0 < await s.size("shop", "B") < await s.size("shop", "A")


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"detection_ms": {"market": 5_000}}, {"detection_ms": {"market": 4 * MINUTE_MS}}),
        ({"checkouts": {"market": Checkout(MINUTE_MS)}}, {"checkouts": {"market": Checkout(HOUR_MS)}}),
        (
            {"checkouts": {"market": Checkout(HOUR_MS, reported=True)}},
            {"checkouts": {"market": Checkout(HOUR_MS)}},
        ),
        (
            {"market": Capabilities(checkout_ms=HOUR_MS, exposes_reserved=True)},
            {"market": Capabilities(checkout_ms=HOUR_MS)},
        ),
        (
            {"market": Capabilities(checkout_ms=HOUR_MS), "checkouts": {"market": Checkout(0)}},
            {
                "market": Capabilities(exposes_reserved=True),
                "checkouts": {"market": Checkout(HOUR_MS, False)},
            },
        ),
        ({"epsilon": 0.1}, {"epsilon": 0.0001}),
    ],
)
async def test_faster_and_better_seen_is_smaller(better, worse):
    sizes = []
    for terms in (better, worse):
        async with shelf([route("shop"), route("market")], **terms) as s:
            await s.sold("market", "A", *often(minutes=2))
            sizes.append(await s.size("shop"))
    assert sizes[0] < sizes[1]


async def test_a_long_tolerance_is_no_part_of_the_exposure():
    async with shelf([route("shop", tolerance_ms=86_400_000), route("market", tolerance_ms=1_000)]) as s:
        assert [one.correction_ms for one in s.auto.exposures(s.route("shop"))] == [5_000, 5_000]
        assert [one.correction_ms for one in s.auto.exposures(s.route("market"))] == [1_000, 1_000]


async def test_own_sales_count_only_where_they_do_not_lower_the_number():
    hidden = {"shop": Checkout(HOUR_MS)}
    async with shelf([route("shop")], checkouts=hidden, shop=Capabilities(stock_contract=PLAIN)) as s:
        await s.sold("shop", "A", *often())
        assert await s.size("shop") > 0


async def test_a_kit_takes_from_its_parts_on_every_channel():
    recipes = Recipes({"SET": {"A": 2, "B": 1}})
    async with shelf([route("shop")], recipes=recipes, checkouts={"shop": Checkout(HOUR_MS)}) as s:
        await s.sold("shop", "SET", *often())
        covered = (await s.auto.explain(s.route("shop"), "A")).covered
        assert [(one.channel, one.sku) for one in covered] == [("shop", "SET")]
        of_b = (await s.auto.explain(s.route("shop"), "B")).covered
        assert covered[0].expected == pytest.approx(2 * of_b[0].expected)
        assert await s.size("shop", "A") >= 2
        # And the parts, sold alone, take whole sets.
        await s.sold("shop", "A", *often())
        assert [one.sku for one in (await s.auto.explain(s.route("shop"), "SET")).covered] == ["A", "B"]


async def test_the_size_is_the_same_within_the_hour_and_after_a_restart():
    async with shelf(checkouts={"market": Checkout(20 * MINUTE_MS)}) as s:
        await s.sold("market", "A", *often(minutes=3, until_ms=START_MS))
        hour = START_MS // HOUR_MS
        first = await s.size("shop")
        s.now_ms = (hour + 1) * HOUR_MS - 1
        assert await s.size("shop") == first > 0
        again = Shelf(s.store, checkouts={"market": Checkout(20 * MINUTE_MS)})
        again.now_ms = s.now_ms
        assert await again.size("shop") == first
        s.now_ms = again.now_ms = (hour + 12) * HOUR_MS  # the rush is over
        assert await s.size("shop") == await again.size("shop") < first


async def test_a_sale_counts_at_once():
    async with shelf([route("shop"), route("market")], checkouts={"market": Checkout(20 * MINUTE_MS)}) as s:
        await s.sold("market", "A", *often(minutes=30))
        before = await s.size("shop")
        await s.sold("market", "A", *[Sale(START_MS, 4)] * 5)
        assert await s.size("shop") > before


async def test_sizes_are_remembered_while_nothing_changes_and_the_oldest_is_forgotten(monkeypatch):
    computed = []
    size = AutoBuffers._units
    monkeypatch.setattr(AutoBuffers, "_units", lambda self, *given: computed.append(1) or size(self, *given))
    monkeypatch.setattr(buffers, "CACHE_MAX", 2)
    async with shelf() as s:
        await s.sold("market", "A", *often())
        at = s.route("shop")
        for skus, more in (["A"], 1), (["A"], 0), (["A", "B"], 1), (["A", "B"], 0), (["SET"], 1), (["B"], 0):
            before = len(computed)
            await s.auto.units(at, skus)
            assert len(computed) - before == more, skus
        await s.auto.units(at, ["A"])
        assert len(computed) == 4  # it was the oldest


async def test_many_are_read_at_once():
    async with shelf() as s:
        await s.auto.units(s.route("shop"), ["A", "B", "SET"])
        assert s.asked == 1


def test_an_exposure_counts_the_busier_end_of_its_hour():
    nine = START_MS // HOUR_MS
    counts = [1.0] * 168
    counts[hour_of_week((nine + 1) * HOUR_MS)] = 5.0
    season = Season(began_ms=START_MS - 10**10, at_ms=START_MS, hours=tuple(counts))
    quiet, busy = (exposed_h(season, MINUTE_MS, nine + n) for n in (-1, 0))
    assert busy == exposed_h(season, MINUTE_MS, nine + 1) > 3 * quiet > 0
