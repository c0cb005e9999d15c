"""Orders teach what demand is, once each, and demand says by when a wrong number must be gone."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace

import pytest
from tests.unit.support import START_MS, change, line, logged, order
from tests.web.support import StillClock, make_engine

from syncline.engine.apply.batch import LEARN_WITHIN_MS, Batch
from syncline.engine.apply.known import Known
from syncline.engine.catalog import Catalog
from syncline.engine.codec import encode
from syncline.engine.derive.demand import URGENT_MS, DemandLearner, Sold, Wrong
from syncline.engine.derive.stock import StockDeriver
from syncline.engine.routes import Route, Routes, stock_key
from syncline.freshness.demand import HOUR_MS, Sale, Sales
from syncline.model.capabilities import AVAILABLE_OWN_ORDERS_SUBTRACTED, Capabilities
from syncline.model.change import Event, Flow, Kind, Via
from syncline.model.copying import replace
from syncline.model.records import Item, StockLevel
from syncline.ports import Write
from syncline.stores.sqlite import SqliteStore

HOUR_TOLERANCE_MS = 3_600_000


def story(tell):
    """Run a story on an empty store; nothing in it waits."""

    async def told():
        store = Watched.open(":memory:", now_ms=0)
        try:
            return await tell(store)
        finally:
            await store.close()

    return asyncio.run(told())


class Watched(SqliteStore):
    """A store that remembers what it was asked."""

    def __init__(self, connection):
        super().__init__(connection)
        self.asked = []

    async def read(self, statement, **parameters):
        self.asked.append(statement)
        return await super().read(statement, **parameters)


async def teach(store, sales, *, channel="shop", sku="A"):
    await store.write(await DemandLearner(store).learn([Sold(channel, sku, sale) for sale in sales]))


def hourly(hours, quantity=1):
    return [Sale(START_MS - n * HOUR_MS, quantity) for n in reversed(range(hours))]


# --- what is told --------------------------------------------------------------------------------------


class Told:
    """The sales that batches see, order after order."""

    def __init__(self):
        self.known = None
        self.offset = 0

    def apply(self, value, version):
        self.offset += 1
        batch = Batch(Routes([]), {"shop": Capabilities()}, Catalog(None), START_MS)
        if self.known is not None:
            batch.known(("shop", Kind.ORDER, value.key), Known(*self.known))
        event = logged(self.offset)
        batch.apply(event, change(Kind.ORDER, value.key, value, version=version))
        if batch.applied:
            stored = batch._known["shop", Kind.ORDER, value.key]
            self.known = (stored.version, stored.tiebreak, stored.hash, stored.value)
        return [(one.channel, one.sku, one.sale.quantity) for one in batch.sold]


def test_a_new_order_is_one_sale_of_each_sku():
    lines = line("1", "A", 2), line("2", "B", 5), line("3", "A", 3), line("4", "", 9), line("5", "C", 0)
    assert Told().apply(order(*lines), 1) == [("shop", "A", 5), ("shop", "B", 5)]


def test_each_line_counts_once_and_a_revision_counts_what_is_new():
    told = Told()
    first = order(line("1", "A", 2))
    assert told.apply(replace(first, complete=False), 1) == [("shop", "A", 2)]
    assert told.apply(first, 1) == []
    assert told.apply(order(line("1", "A", 7)), 2) == []
    assert told.apply(order(line("1", "A", 7), line("2", "A", 3)), 3) == [("shop", "A", 3)]
    assert told.apply(order(line("1", "A", 1)), 4) == []


def test_an_order_that_is_cancelled_when_it_is_first_heard_of_teaches_nothing():
    assert Told().apply(order(line("1", "A", 2), cancelled_at_ms=START_MS), 1) == []


def test_what_was_sold_long_before_we_heard_of_it_teaches_nothing():
    lines = line("1", "A", 2)
    assert Told().apply(order(lines, placed_at_ms=START_MS - LEARN_WITHIN_MS - 1), 1) == []
    assert Told().apply(order(lines, placed_at_ms=START_MS - LEARN_WITHIN_MS), 1) == [("shop", "A", 2)]


def test_nothing_is_sold_in_the_future():
    batch = Batch(Routes([]), {"shop": Capabilities()}, Catalog(None), START_MS)
    ahead = order(line("1", "A", 2), placed_at_ms=START_MS + 10**15)
    batch.apply(logged(1), change(Kind.ORDER, ahead.key, ahead))
    assert [one.sale for one in batch.sold] == [Sale(START_MS, 2)]


# --- what is learned -----------------------------------------------------------------------------------


def test_nothing_sold_costs_nothing():
    async def tell(store):
        assert (await DemandLearner(store).learn([])).rows == []
        assert await DemandLearner(store).deadlines([], {}, START_MS) == []
        assert store.asked == []

    story(tell)


def test_what_is_learned_is_read_once_and_written_whole():
    async def tell(store):
        sold = [Sold("shop", sku, Sale(START_MS, 1)) for sku in ("A", "B", "A")]
        write = await DemandLearner(store).learn(sold)
        assert [row["key"] for row in write.rows] == ["\x1f", "A", "B"]
        assert store.asked == ["velocity_get"]
        await store.write(write)
        known = await DemandLearner(store).known(["A", "B", "C"])
        assert (known.season("A").pairs, known.season("A").slow) == (2, 3)
        assert [known.sales(sku)["shop"].slow for sku in "AB"] == [2, 1]
        assert known.sales("C") == {}

    story(tell)


def test_channels_are_learned_apart():
    async def tell(store):
        await teach(store, hourly(3))
        await teach(store, hourly(5), channel="market")
        known = await DemandLearner(store).known(["A"])
        assert {channel: sum(sales.sizes) for channel, sales in known.sales("A").items()} == {
            "shop": 3,
            "market": 5,
        }
        assert known.season("A").pairs == 2

    story(tell)


DAY_MS = 24 * HOUR_MS


def test_what_has_not_sold_is_known_since_the_first_day_of_the_store_or_since_it_was_listed():
    async def tell(store):
        learner = DemandLearner(store)

        async def hear(*listed, sold=(), at_ms):
            await store.write(await learner.learn(sold, listed, at_ms))

        assert (await learner.known(["A"])).at("A", "shop") is None
        await hear(("shop", "A"), at_ms=START_MS)
        await hear(("shop", "B"), at_ms=START_MS + DAY_MS - 1)
        store.asked.clear()
        await hear(("shop", "C"), at_ms=START_MS + DAY_MS - 1)
        assert store.asked == []  # a catalog that is read for the first time costs nothing
        later_ms = START_MS + 9 * DAY_MS
        await hear(("shop", "NEW"), ("market", "A"), at_ms=later_ms)
        await hear(("shop", "NEW"), at_ms=later_ms + 1)
        again = await DemandLearner(store).known(["A", "B", "NEW"])
        assert [again.at(sku, "shop") for sku in ("A", "B", "NEW")] == [
            Sales(START_MS + DAY_MS),
            Sales(START_MS + DAY_MS),
            Sales(later_ms),
        ]
        assert again.at("A", "market") == Sales(later_ms)
        assert set(again.seasons) == {""}

    story(tell)


def test_the_first_sale_of_what_was_listed_counts_as_the_first():
    async def tell(store):
        learner = DemandLearner(store)
        await store.write(await learner.learn([], [("shop", "OLD")], START_MS - 9 * DAY_MS))
        await store.write(await learner.learn([], [("shop", "A")], START_MS - DAY_MS))
        await teach(store, hourly(3))
        await teach(store, hourly(3), sku="B")
        known = await learner.known(["A", "B"])
        assert known.seasons[""].pairs == 2
        assert known.at("A", "shop") == known.at("B", "shop")

    story(tell)


def test_the_longer_something_did_not_sell_the_later_its_number_is_due():
    async def tell(store):
        learner = DemandLearner(store)
        await store.write(await learner.learn([], [("shop", "OLD")], START_MS - 90 * DAY_MS))
        await store.write(await learner.learn([], [("shop", "NEW")], START_MS))
        await teach(store, hourly(200))
        wrong = [Wrong(sku, 1, START_MS + 9 * DAY_MS, too_high=True) for sku in ("OLD", "NEW")]
        old_ms, new_ms = await learner.deadlines(wrong, {"OLD": ["shop"], "NEW": ["shop"]}, START_MS)
        assert old_ms - START_MS > 2 * (new_ms - START_MS)

    story(tell)


def test_a_category_learns_beside_all_goods_and_speaks_when_it_has_sold_enough():
    of = {"A": "mugs", "B": "mugs", "C": ""}.__getitem__

    async def tell(store):
        learner = DemandLearner(store, category_of=of)

        async def sold(sku, count, hour):
            day_ms = START_MS // (24 * HOUR_MS) * 24 * HOUR_MS
            sales = [Sale(day_ms + hour * HOUR_MS + n, 1) for n in range(count)]
            await store.write(await learner.learn([Sold("shop", sku, sale) for sale in sales]))

        await sold("C", 60, 3)
        await sold("A", 50, 15)
        known = await learner.known(["B", "C"])
        assert known.season("B") is known.season("C") is known.seasons[""]
        assert known.seasons["mugs"].slow == 50
        assert (known.seasons[""].pairs, known.seasons["mugs"].pairs) == (2, 1)
        await sold("A", 70, 15)
        known = await learner.known(["B", "C"])
        assert known.season("B") is known.seasons["mugs"]
        assert known.season("C") is known.seasons[""]
        assert [round(sum(season.hours)) for season in (known.season("C"), known.season("B"))] == [180, 120]
        assert known.season("B").hours.count(0.0) == 167  # mugs are bought in the afternoon only
        alone = DemandLearner(store)  # a catalog that names no category any more
        assert (await alone.known(["A"])).season("A").slow == known.seasons[""].slow

    story(tell)


def test_a_deadline_follows_the_profile_of_its_category():
    async def tell(store):
        learner = DemandLearner(store, category_of={"A": "mugs", "B": "", "C": ""}.__getitem__)
        quiet = [Sale(START_MS - n * 24 * HOUR_MS, 1) for n in reversed(range(40))]
        await store.write(await learner.learn([Sold("shop", "C", sale) for sale in quiet]))
        await store.write(await learner.learn([Sold("shop", "A", sale) for sale in hourly(200)]))
        known = await learner.known(["A", "B"])
        asked = [Wrong(sku, 0, START_MS + HOUR_TOLERANCE_MS, too_high=True) for sku in ("A", "B")]
        found = await learner.deadlines(asked, {"A": ["market"], "B": ["market"]}, START_MS)
        # Nobody sold either at the market: of A it is what mugs sell, of B what all goods do.
        assert known.season("A").rate > known.season("B").rate
        assert found[0] < found[1]

    story(tell)


# --- by when -------------------------------------------------------------------------------------------


def asked(units, *, too_high=True, latest_ms=START_MS + HOUR_TOLERANCE_MS, sku="A"):
    return Wrong(sku, units, latest_ms, too_high)


@pytest.mark.parametrize(
    ("wrong", "sooner"),
    [
        (asked(10_000), False),
        (asked(0), True),
        (asked(3, sku="never sold"), True),
        (asked(3, too_high=False), True),
    ],
)
def test_a_deadline_comes_from_the_risk(wrong, sooner):
    async def tell(store):
        await teach(store, hourly(200))
        return await DemandLearner(store).deadlines([wrong], {wrong.sku: ["shop"]}, START_MS)

    (deadline_ms,) = story(tell)
    assert START_MS + URGENT_MS <= deadline_ms <= wrong.latest_ms
    assert (deadline_ms < wrong.latest_ms) is sooner


def test_a_deadline_is_never_after_the_tolerance_even_if_that_has_passed():
    async def tell(store):
        await teach(store, hourly(200))
        late = asked(0, latest_ms=START_MS - 1)
        return await DemandLearner(store).deadlines([late], {"A": ["shop"]}, START_MS)

    assert story(tell) == [START_MS - 1]


def test_before_anything_was_sold_the_tolerance_stays():
    async def tell(store):
        return await DemandLearner(store).deadlines([asked(0)], {"A": ["shop"]}, START_MS)

    assert story(tell) == [START_MS + HOUR_TOLERANCE_MS]


# --- in the derivation ---------------------------------------------------------------------------------


async def at_once(seconds: float) -> None:
    assert seconds == 0


async def derived(store, *, held, available, tolerance_ms=HOUR_TOLERANCE_MS, promised_ms=None):
    """The delivery that a derivation leaves for SKU A, of which the shop shows ``held``."""
    route = Route(Flow.INVENTORY, "erp", "shop", tolerance_ms, locations={"1": "70"})
    catalog = Catalog(store)
    catalog.put("shop", Item("A", "a"))
    capabilities = Capabilities(stock_contract=AVAILABLE_OWN_ORDERS_SUBTRACTED)
    systems = {name: SimpleNamespace(capabilities=capabilities) for name in ("erp", "shop")}
    clock = SimpleNamespace(now_ms=lambda: START_MS, sleep=at_once)
    deriver = StockDeriver(store, clock, catalog, Routes([route]), systems, DemandLearner(store))
    if promised_ms is not None:

        async def tolerances(route, skus):
            return dict.fromkeys(skus, promised_ms)

        deriver.tolerances(tolerances)
    level = StockLevel("A", "1", Decimal(available), Decimal(available), Decimal(0), START_MS)
    row = {
        "system": "erp", "kind": "stock", "key": stock_key("A", "1"), "version": 1, "tiebreak": 0,
        "changed_at_ms": START_MS, "observed_at_ms": START_MS, "offset": 1, "hash": "", "body": encode(level),
    }  # fmt: skip
    await store.write(
        Write("record_put", [row]), Write("dirty_mark", [{"sku": "A", "changed_at_ms": START_MS}])
    )
    if held is not None:
        seen = {
            "system": "shop",
            "key": stock_key("A", "70"),
            "held": held,
            "rev": None,
            "exact": True,
            "now_ms": START_MS,
        }
        await store.write(Write("held_seen", [seen]))
    store.asked.clear()
    _, ((_, _, _, _, _, deliver_by_ms, not_before_ms),) = await deriver.step(Write("progress_put", []))
    return deliver_by_ms - START_MS, not_before_ms - START_MS


@pytest.mark.parametrize(
    ("held", "available", "hurried"),
    [(4, 3, True), (10_001, 10_000, False), (2, 3, False), (0, 3, True), (None, 3, False)],
)
def test_only_what_is_dangerous_does_not_wait_for_its_tolerance(held, available, hurried):
    async def tell(store):
        await teach(store, hourly(200))
        found = await derived(store, held=held, available=available)
        assert store.asked.count("velocity_get") == (1 if hurried or held == 10_001 else 0)
        return found

    deliver_by_ms, not_before_ms = story(tell)
    if hurried:
        assert URGENT_MS <= deliver_by_ms < HOUR_TOLERANCE_MS * 3 / 4
        assert not_before_ms < deliver_by_ms
    else:
        assert (deliver_by_ms, not_before_ms) == (HOUR_TOLERANCE_MS, HOUR_TOLERANCE_MS // 2)


def test_a_promise_of_seconds_asks_nobody():
    async def tell(store):
        await teach(store, hourly(200))
        found = await derived(store, held=4, available=3, tolerance_ms=5_000)
        assert "velocity_get" not in store.asked
        return found

    assert story(tell) == (5_000, 0)


@pytest.mark.parametrize(("held", "urgent"), [(4, True), (2, False)])
def test_a_sku_with_a_tolerance_of_its_own_is_due_by_that(held, urgent):
    async def tell(store):
        await teach(store, hourly(200))
        fast = await derived(store, held=held, available=3, promised_ms=2_000)
        assert "velocity_get" not in store.asked  # a promise of seconds asks nobody
        return fast

    async def slow(store):
        await teach(store, hourly(200))
        return await derived(store, held=held, available=3, tolerance_ms=5_000, promised_ms=HOUR_TOLERANCE_MS)

    assert story(tell) == (2_000, 0)
    deliver_by_ms, _ = story(slow)
    assert (deliver_by_ms < HOUR_TOLERANCE_MS) is urgent


async def test_the_applier_tells_what_a_channel_begins_to_sell():
    engine = await make_engine(StillClock())

    async def hear(system, sku):
        def decode(logged):
            return [change(Kind.ITEM, sku, Item(sku, f"g-{sku}"), version=logged.offset)]

        engine.systems[system].source.decode = decode
        at_ms = engine.clock.now_ms()
        event = Event(system, "item", f"{sku}{at_ms}", Via.EVENT, at_ms, b"{}")
        await engine.store.append([event], received_at_ms=at_ms)
        engine.applier.wake()
        while await engine.applier.step():
            pass

    await engine.applier._lease.take()
    await hear("shop", "OLD")
    first_ms = engine.clock.now_ms()
    engine.clock.at_ms += 2 * DAY_MS
    for system, sku in (("shop", "NEW"), ("erp", "RAW"), ("shop", "OLD")):
        await hear(system, sku)
    rows = await engine.store.read("velocity_get", keys=["OLD", "NEW", "RAW"])
    assert [row[0] for row in rows] == ["NEW"]
    known = await engine.learner.known(["NEW", "OLD"])
    assert known.at("NEW", "shop").at_ms == first_ms + 2 * DAY_MS
    assert known.at("OLD", "shop").at_ms == first_ms + DAY_MS
    await engine.store.close()
