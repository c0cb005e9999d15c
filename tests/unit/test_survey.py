"""Every hour every SKU: classes with hysteresis, buffers that follow the hour, stock given back."""

from __future__ import annotations

from contextlib import asynccontextmanager
from decimal import Decimal
from types import SimpleNamespace

import pytest
from tests.unit.support import START_MS

from syncline.engine import survey as module
from syncline.engine.catalog import Catalog
from syncline.engine.codec import encode
from syncline.engine.derive.buffers import AutoBuffers, Checkout
from syncline.engine.derive.demand import DemandLearner, Sold
from syncline.engine.routes import Route, Routes, stock_key
from syncline.engine.survey import Found, RecoveredAt, Survey
from syncline.freshness.demand import HOUR_MS, Sale
from syncline.freshness.velocity import Thresholds, Velocity
from syncline.inventory.recipes import Recipes
from syncline.inventory.rules import AUTO_BUFFER, Layer, Level, Rules
from syncline.model.capabilities import AVAILABLE_OWN_ORDERS_SUBTRACTED, Capabilities
from syncline.model.change import Flow, Kind
from syncline.model.errors import Retryable
from syncline.model.records import Item, StockLevel
from syncline.ports import Write
from syncline.stores.sqlite import SqliteStore

HOUR = START_MS // HOUR_MS
NETWORK = Layer(Level.NETWORK, {"buffer": AUTO_BUFFER})
DAY_H = 24


def route(channel, *layers, segments=None, locations=("1",)):
    return Route(
        Flow.INVENTORY,
        "erp",
        channel,
        5_000,
        locations={at: f"{channel}-{at}" for at in locations},
        rules=Rules(layers or [NETWORK]),
        segments=segments or {},
    )


class Shops:
    """Two channels on one stock, and the survey that looks at them."""

    def __init__(self, store, routes, recipes=None):
        self.store = store
        self.now_ms = HOUR * HOUR_MS
        self.woken = 0
        self.catalog = Catalog(store)
        self.routes = Routes(routes, recipes)
        self.learner = DemandLearner(store, category_of=self.catalog.category)
        self.slept = []
        self.spent_s = 0.0
        self.work_s = 0.0
        clock = SimpleNamespace(now_ms=lambda: self.now_ms, sleep=self.sleep, monotonic=self.monotonic)
        systems = {
            name: SimpleNamespace(capabilities=Capabilities(stock_contract=AVAILABLE_OWN_ORDERS_SUBTRACTED))
            for name in ("erp", "shop", "market")
        }
        self.buffers = AutoBuffers(
            clock,
            self.catalog,
            self.routes,
            systems,
            self.learner,
            detection_ms=lambda _: 5_000,
            checkouts={"market": Checkout(20 * 60_000)},
        )
        self.survey = Survey(
            store,
            clock,
            self.catalog,
            self.routes,
            systems,
            self.learner,
            self.buffers,
            thresholds=Thresholds(),
            guard=lambda: Write("lease_check", [{"name": "apply", "owner": "me", "fence": 1}], guard=True),
            wake=self.wake,
        )

    def monotonic(self):
        self.spent_s += self.work_s
        return self.spent_s

    async def sleep(self, seconds):
        self.slept.append(seconds)
        if len(self.slept) > 2:
            raise Enough
        self.now_ms += int(seconds * 1000)

    def wake(self):
        self.woken += 1

    async def sold(self, channel, sku, *sales):
        await self.store.write(await self.learner.learn([Sold(channel, sku, sale) for sale in sales]))

    async def there(self, sku, units, at="1"):
        level = StockLevel(sku, at, Decimal(units), Decimal(units), Decimal(0), 100, None)
        row = {
            "system": "erp", "kind": Kind.STOCK.value, "key": stock_key(sku, at), "version": 1, "tiebreak": 0,
            "changed_at_ms": START_MS, "observed_at_ms": START_MS, "offset": 1, "hash": "h", "body": encode(level),
        }  # fmt: skip
        await self.store.write(Write("record_put", [row]))

    async def to_give_back(self, *skus):
        """What there is of each SKU with an auto buffer, by route."""
        routes = self.routes.all
        return await self.survey._there(routes, [self.survey._offers(route, skus) for route in routes])

    async def dirty(self):
        rows = await self.store.read("dirty", now_ms=self.now_ms, limit=99)
        await self.store.write(Write("dirty_done", [{"sku": sku, "seq": seq} for sku, seq, _ in rows]))
        return sorted(sku for sku, _, _ in rows)

    async def standing(self, sku="A"):
        rows = await self.store.read("standing_get", skus=[sku])
        return rows[0][1:] if rows else None


class Enough(Exception):
    """The clock has been asked often enough."""


@asynccontextmanager
async def shops(*routes, skus=("A", "B"), recipes=None):
    store = SqliteStore.open(":memory:", now_ms=START_MS)
    await store.write(
        Write("lease_take", [{"name": "apply", "owner": "me", "now_ms": START_MS, "ttl_ms": 60_000}])
    )
    found = Shops(store, routes or [route("shop"), route("market")], recipes)
    for n in range(400):  # most goods sell seldom
        await found.sold("market", f"Z{n}", Sale(HOUR * HOUR_MS - (400 - n) * HOUR_MS, 1))
    for channel in ("shop", "market"):
        for sku in skus:
            found.catalog.put(channel, Item(sku, f"id-{sku}"))
    yield found
    await store.close()


def rush(*, each_minute=2, hours=DAY_H, until_ms=HOUR * HOUR_MS, quantity=1):
    """Sales at an even pace."""
    count = each_minute * hours * 60
    return [Sale(until_ms - n * 60_000 // each_minute, quantity) for n in reversed(range(count))]


# --- classes -------------------------------------------------------------------------------------------


async def test_a_class_is_entered_at_once_stored_hourly_and_left_after_a_day_below():
    async with shops() as s:
        at = s.routes.all[0]
        assert (await s.survey.speeds(at, ["A"]))["A"].velocity is Velocity.LOW
        await s.sold("market", "A", *rush(each_minute=6, hours=3))
        speed = (await s.survey.speeds(at, ["A"]))["A"]
        assert (speed.velocity, speed.by_rule) == (Velocity.HIGH, False)
        assert speed.units_min > 1
        assert await s.standing() is None  # nobody has surveyed yet
        await s.survey.once()
        assert (await s.standing())[0] == "high"
        seen = []
        for _ in range(1000):  # as long as it takes without a sale
            s.now_ms += 12 * HOUR_MS
            await s.survey.once()
            seen.append((await s.survey.speeds(at, ["A"]))["A"].velocity)
            if seen[-1] is Velocity.LOW:
                break
        assert list(dict.fromkeys(seen)) == [Velocity.HIGH, Velocity.MEDIUM, Velocity.LOW]
        assert min(seen.count(Velocity.HIGH), seen.count(Velocity.MEDIUM)) >= 2


async def test_the_survey_counts_skus_by_class_and_a_rule_has_the_last_word():
    named = Layer(Level.SKU, {"velocity": "medium"}, "B")
    async with shops(route("shop", named), route("market", named), skus=("A", "B", "C")) as s:
        await s.sold("market", "A", *rush(each_minute=6))
        assert await s.survey.once() == 3
        assert s.survey.latest.classes == {"high": 1, "medium": 1, "low": 1}
        speed = (await s.survey.speeds(s.routes.all[0], ["B"]))["B"]
        assert (speed.velocity, speed.by_rule) == (Velocity.MEDIUM, True)
        assert (await s.standing("B")) is None  # what a rule says is not learned
        assert await s.store.read("surveys", subject="velocity", since=0, limit=9) == [
            (HOUR * HOUR_MS, '{"low":1,"medium":1,"high":1}')
        ]


async def test_a_segment_promises_its_class_another_tolerance():
    segments = {Velocity.HIGH: 1_000, Velocity.LOW: 86_400_000}
    medium = Layer(Level.SKU, {"velocity": "medium"}, "B")
    async with shops(route("shop", medium, segments=segments), route("market"), skus=("A", "B", "C")) as s:
        await s.sold("market", "A", *rush(each_minute=6))
        shop, market = s.routes.all
        assert await s.survey.tolerances(shop, ["A", "B", "C"]) == {"A": 1_000, "B": 5_000, "C": 86_400_000}
        assert await s.survey.tolerances(market, ["A", "B"]) == {"A": 5_000, "B": 5_000}


# --- buffers -------------------------------------------------------------------------------------------


async def test_what_holds_may_take_follows_a_buffer_that_changed():
    async def stale(s):
        return [(row[0], row[3]) for row in await s.store.read("shelves", skus=["A", "B"], now_ms=s.now_ms)]

    async with shops() as s:
        await s.sold("market", "A", *rush(until_ms=HOUR * HOUR_MS - 1))
        for sku in ("A", "B"):
            await s.store.write(
                Write("shelf_open", [{"sku": sku, "pool": "p"}]),
                Write("shelf_put", [{"sku": sku, "pool": "p", "free": 9, "as_of_ms": s.now_ms, "rev": 1}]),
            )
        assert await stale(s) == [("A", 0), ("B", 0)]
        await s.survey.once()
        assert await stale(s) == [("A", 1), ("B", 0)]


async def test_only_what_changed_with_the_hour_is_computed_again():
    async with shops() as s:
        await s.sold("market", "A", *rush(until_ms=HOUR * HOUR_MS - 1))
        await s.survey.once()
        assert await s.dirty() == ["A"]
        assert s.woken == 1
        _, _, buffers = await s.standing()
        size = await s.buffers.units(s.routes.all[0], ["A"])
        others = await s.buffers.units(
            s.routes.all[1], ["A"]
        )  # what the market itself sells needs none there
        assert buffers == f"{size['A']},{others['A'] or ''}".rstrip(",")
        await s.survey.once()
        assert (await s.dirty(), s.woken) == ([], 1)
        s.now_ms += 6 * HOUR_MS  # the rush is over
        await s.survey.once()
        s.now_ms += HOUR_MS
        await s.survey.once()
        assert await s.dirty() == ["A"]
        assert (await s.buffers.units(s.routes.all[0], ["A"]))["A"] < size["A"]


async def test_what_is_as_most_are_is_not_stored():
    async with shops() as s:
        await s.sold("market", "A", *rush(hours=1))
        await s.survey.once()
        assert await s.standing("A") is not None
        s.now_ms += 200 * DAY_H * HOUR_MS
        for _ in range(3):  # down a class in each
            s.now_ms += 2 * DAY_H * HOUR_MS
            await s.survey.once()
        assert await s.standing("A") is None


async def test_every_sku_is_looked_at_once_whoever_sells_it(monkeypatch):
    monkeypatch.setattr(module, "PAGE", 2)
    async with shops(skus=("A", "B", "C", "D", "E")) as s:
        s.catalog.put("market", Item("F", "id-F"))
        assert await s.survey.once() == 6


# --- stock given back ----------------------------------------------------------------------------------


async def test_stock_given_back_is_told_in_units_and_money_over_time():
    async with shops() as s:
        await s.sold("market", "A", *rush())
        await s.there("A", 1_000)
        await s.there("B", 40)
        s.catalog.put("shop", Item("B", "id-B", price=Decimal("2.50"), currency="GBP"))
        await s.survey.once()
        name = s.routes.all[0].name
        sizes = await s.buffers.units(s.routes.all[0], ["A", "B"])
        now = s.survey.latest.recovered[name]
        more = min(40, now.fixed) - min(40, sizes["B"])
        assert now == RecoveredAt(
            HOUR * HOUR_MS,
            2,
            sizes["A"],
            sizes["A"] + min(40, sizes["B"]),
            more,
            {"GBP": more * Decimal("2.50")},
            0,
        )
        assert more > 0
        s.now_ms += HOUR_MS
        await s.survey.once()
        history = await s.survey.history(name, 0)
        assert [one.at_ms for one in history] == [HOUR * HOUR_MS, (HOUR + 1) * HOUR_MS]
        assert history[0] == now
        assert len(await s.survey.history(name, (HOUR + 1) * HOUR_MS)) == 1


async def test_of_a_kit_is_there_what_its_scarcest_part_makes_at_each_location():
    own = Layer(Level.CHANNEL, {"buffer": AUTO_BUFFER, "safety_stock": 1}, "shop")
    recipes = Recipes({"SET": {"A": 2, "B": 1}, "CASE": {"B": 12}, "NONE": {"A": 1, "X": 1}})
    shop = route("shop", own, locations=("1", "2", "3"))
    async with shops(shop, skus=("A", "B", "SET", "CASE", "NONE"), recipes=recipes) as s:
        for sku, units, at in (("A", 8, "1"), ("B", 30, "1"), ("A", 21, "2"), ("B", 4, "2"), ("B", 50, "3")):
            await s.there(sku, units, at)
        # 7 and 29 make 3 sets; 20 and 3 make 3; of A there is nothing at the third.
        found = await s.to_give_back("A", "SET", "CASE", "NONE")
        assert found == [{"A": 7 + 20, "SET": 3 + 3, "CASE": 2 + 0 + 4}]


async def test_only_what_an_auto_route_may_show_is_given_back():
    fixed = Layer(
        Level.CHANNEL, {"buffer": AUTO_BUFFER, "safety_stock": 4, "excluded": ("2",), "cap": 30}, "shop"
    )
    async with shops(
        route("shop", fixed, locations=("1", "2")), route("market", Layer(Level.NETWORK, {}))
    ) as s:
        await s.there("A", 10, "1")
        await s.there("A", 10, "2")
        await s.there("B", 100, "1")
        assert await s.to_give_back("A", "B") == [{"A": 6, "B": 96}, {}]
        await s.survey.once()
        assert s.survey.latest.recovered.keys() == {s.routes.all[0].name}
        assert s.survey.latest.recovered[s.routes.all[0].name].skus == 2


async def test_without_auto_no_stock_is_read_and_nothing_is_given_back():
    plain = Layer(Level.NETWORK, {"buffer": AUTO_BUFFER})
    async with shops(route("shop", Layer(Level.NETWORK, {})), route("market", Layer(Level.NETWORK, {}))) as s:
        await s.sold("market", "A", *rush(hours=1))
        await s.there("A", 10)
        assert await s.to_give_back("A") == [{}, {}]
        await s.survey.once()
        assert s.survey.latest.recovered == {}
        assert await s.dirty() == []
    assert plain.fields["buffer"] is AUTO_BUFFER


# --- time ----------------------------------------------------------------------------------------------


async def test_it_runs_at_the_start_and_at_each_full_hour():
    async with shops() as s:
        s.now_ms += 600_000
        with pytest.raises(Enough):
            await s.survey.run()
        assert s.slept == [3_000, 3_600, 3_600]


async def test_without_a_rule_that_follows_the_hour_it_runs_daily():
    fixed = Layer(Level.NETWORK, {"safety_stock": 1})
    plain, hourly = route("shop", fixed), route("market", fixed, segments={Velocity.HIGH: 1_000})
    for routes, steps_s in (((plain,), 86_400), ((plain, hourly), 3_600)):
        async with shops(*routes) as s:
            s.now_ms += 600_000
            with pytest.raises(Enough):
                await s.survey.run()
            assert s.slept[1:] == [steps_s, steps_s]
            assert s.slept[0] <= steps_s - 600


async def test_it_rests_between_pages(monkeypatch):
    monkeypatch.setattr(module, "PAGE", 1)
    async with shops() as s:
        s.work_s = 0.25
        await s.survey.once()
        assert s.slept == [1.0, 1.0]


async def test_a_store_that_does_not_take_it_is_tried_again(monkeypatch):
    async with shops() as s:
        answers = [Retryable("full"), Retryable("full")]
        write = s.store.write

        async def fails(*writes):
            if answers:
                raise answers.pop()
            return await write(*writes)

        monkeypatch.setattr(s.store, "write", fails)
        with pytest.raises(Enough):
            await s.survey.run()
        assert s.slept == [60, 60, 3_480]
        assert s.survey.latest != Found(0, {}, {})


# --- when a buffer gets smaller --------------------------------------------------------------------------


async def test_a_buffer_that_shrinks_rides_along_or_waits_for_the_next_survey():
    async with shops() as s:
        await s.there("A", 500)
        await s.sold("market", "A", *rush(until_ms=HOUR * HOUR_MS - 1))
        await s.survey.once()
        assert await s.dirty() == ["A"]
        grown = (await s.standing())[2]
        s.now_ms += 6 * HOUR_MS
        await s.survey.once()
        assert await s.dirty() == []
        smaller = (await s.standing())[2]
        assert smaller.endswith("-") and smaller != grown
        s.now_ms += HOUR_MS
        await s.survey.once()
        assert await s.dirty() == ["A"]
        assert not (await s.standing())[2].endswith("-")


async def test_a_buffer_that_grew_back_is_computed_all_the_same():
    async with shops() as s:
        await s.there("A", 500)
        await s.sold("market", "A", *rush(until_ms=HOUR * HOUR_MS - 1))
        await s.survey.once()
        grown = (await s.standing())[2]
        await s.dirty()
        s.now_ms += 6 * HOUR_MS
        await s.survey.once()  # what is shown may follow the smaller one from here on
        await s.sold("market", "A", *rush(each_minute=4, until_ms=s.now_ms - 1))
        s.now_ms += HOUR_MS
        await s.survey.once()
        assert await s.dirty() == ["A"]
        assert (await s.standing())[2] != grown


async def test_a_number_that_comes_back_from_nothing_does_not_wait():
    async with shops() as s:
        await s.sold("market", "A", *rush(until_ms=HOUR * HOUR_MS - 1))
        await s.survey.once()
        await s.dirty()
        size = int((await s.standing())[2].split(",")[0])
        await s.there("A", size)  # the buffer keeps back all of it
        s.now_ms += 6 * HOUR_MS
        await s.survey.once()
        assert await s.dirty() == ["A"]
        assert not (await s.standing())[2].endswith("-")


async def test_the_last_of_a_buffer_is_given_up_in_two_surveys():
    async with shops() as s:
        await s.there("A", 500)
        await s.sold("market", "A", *rush(hours=1))
        await s.survey.once()
        await s.dirty()
        s.now_ms += 400 * DAY_H * HOUR_MS
        found = []
        for _ in range(4):
            await s.survey.once()
            found.append((await s.dirty(), (await s.standing() or ("", "", None))[2]))
            s.now_ms += HOUR_MS
        assert [marked for marked, _ in found] == [[], ["A"], [], []]
        assert found[0][1].endswith("-") and not (found[1][1] or "").endswith("-")
