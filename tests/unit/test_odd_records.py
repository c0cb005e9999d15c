"""Quantities that are negative, fractional or absurd, and SKUs that change their name, through a running engine."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from random import Random

from tests.unit.support import play

from syncline.engine.engine import Engine
from syncline.engine.inquiry import explain
from syncline.engine.operations import Operations
from syncline.engine.routes import Route, Routes
from syncline.inventory.recipes import Recipes
from syncline.model.change import Flow
from syncline.model.copying import replace
from syncline.model.delivery import Outcome, Result
from syncline.model.records import Allocation, Item, OrderLine, StockLevel
from syncline.simulate.lean import LOCATIONS, UNPAID, LeanChannel, LeanErp, Told, Wire, order_of
from syncline.stores.sqlite import SqliteStore

MAIN = LOCATIONS[0]
HOUR_MS = 3_600_000


class Erp(LeanErp):
    """An ERP that may tell what it likes, and knows its items by their present names only."""

    def say(self, sku: str, available: str) -> None:
        """Tell of a figure at the main location."""
        units = Decimal(available)
        self._event(levels=[StockLevel(sku, MAIN, units, units, Decimal(0), self.wire.clock.now_ms())])

    def _event(self, **told) -> None:
        self.source.visible.append(self.source.event(Told(**told), self.wire.clock.now_ms()))
        self.wire.tell(0.1, partial(self._tell, self.name, len(self.source.visible) - 1))

    def rename(self, old: str, new: str) -> None:
        """From here on ``old`` is called ``new``; if that is an item already, both become one."""
        there = self.available.get(new, [0] * len(LOCATIONS))
        self.available[new] = [a + b for a, b in zip(there, self.available.pop(old), strict=True)]
        self._event(items=[Item(new, new)])

    def book(self, order):
        if unknown := [item.sku for item in order.items if item.sku not in self.available]:
            return Outcome(Result.REJECTED, f"there is no item {unknown[0]}")
        return super().book(order)


class World:
    """Two channels that show what one ERP has, at its main location."""

    def __init__(self, clock, stock: dict[str, int], sold: dict[str, list[str]]) -> None:
        self.clock = clock
        self.store = SqliteStore.open(":memory:", now_ms=clock.now_ms())
        self.engine: Engine | None = None
        self.erp = Erp(
            "erp", Wire(clock, Random(1)), {sku: [n, 0, 0] for sku, n in stock.items()},
            rng=Random(2), tell=self.tell, tells=True,
        )  # fmt: skip
        self.channels = {
            name: LeanChannel(
                name, Wire(clock, Random(3)), {sku: [0, 0, 0] for sku in skus}, tell=self.tell, tells=True
            )
            for name, skus in sold.items()
        }
        self.orders = 0

    def tell(self, system: str, place: int) -> None:
        """Bring an event."""
        if self.engine is not None:
            asyncio.ensure_future(self.engine.ingress.accept(system, {}, str(place).encode()))  # noqa: RUF006

    @asynccontextmanager
    async def running(self, aliases: dict[str, str] | None = None):
        """The engine over these, until they agree."""
        places = {at: at for at in LOCATIONS}
        routes = [
            route
            for name in self.channels
            for route in (
                Route(Flow.INVENTORY, "erp", name, 5_000, locations=places, reconcile_interval_ms=HOUR_MS),
                Route(Flow.ORDERS, name, "erp", 10_000, poll_interval_ms=60_000, left_out=UNPAID),
            )
        ]
        recipes = Recipes({old: {new: 1} for old, new in (aliases or {}).items()})
        self.engine = Engine(
            store=self.store, clock=self.clock, rng=Random(4), owner="test", routes=Routes(routes, recipes),
            systems=[self.erp.system(), *(channel.system() for channel in self.channels.values())],
        )  # fmt: skip
        task = asyncio.ensure_future(self.engine.run())
        await self.clock.sleep(60)
        yield self.engine
        task.cancel()
        await asyncio.wait([task])
        await self.engine.stop()
        self.engine = None

    async def sell(self, channel: str, sku: str, quantity: str = "1") -> None:
        """A buyer takes units of what is shown there, and everything settles."""
        self.orders += 1
        taken = self.channels[channel].take(sku, -int(-Decimal(quantity) // 1))
        line = OrderLine(
            "l", sku, sku, Decimal(quantity), Decimal(10), taken=sum((at.quantity for at in taken), Decimal(0)),
            allocations=taken or (Allocation(MAIN, Decimal(quantity)),),
        )  # fmt: skip
        now_ms = self.clock.now_ms()
        total = line.unit_price * line.quantity
        made = replace(order_of(str(self.orders), now_ms, []), lines=(line,), total=total)
        self.channels[channel].report(made, after_s=0, event_s=0.1, lost=False)
        await self.clock.sleep(30)

    def shown(self) -> dict[str, dict[str, int]]:
        """What each channel shows of each SKU."""
        return {
            name: {sku: sum(at) for sku, at in one.numbers.items()} for name, one in self.channels.items()
        }


def test_figures_below_zero_of_parts_of_units_or_that_cannot_be_true():
    async def story(clock):
        world = World(clock, {"A": 10}, {"a": ["A"], "b": ["A"]})
        seen = []
        async with world.running() as engine:
            for told in ("-3", "2.9", "-0.5", "7", "NaN", "Infinity", "1e30", "6.999"):
                world.erp.say("A", told)
                await clock.sleep(30)
                seen.append((told, world.shown()["a"]["A"], world.shown()["b"]["A"]))
            parked = [
                (entry.reason, entry.detail.split(",")[0]) for entry in await Operations(engine).parked()
            ]
        return seen, parked

    seen, parked = play(story)
    assert seen == [
        ("-3", 0, 0), ("2.9", 2, 2), ("-0.5", 0, 0), ("7", 7, 7), ("NaN", 7, 7), ("Infinity", 7, 7), ("1e30", 7, 7),
        ("6.999", 6, 6),
    ]  # fmt: skip
    assert parked == [
        ("absurd_quantity", f"A at main: on hand is {told}") for told in ("NaN", "Infinity", "1E+30")
    ]


def test_an_order_of_parts_of_units_or_of_less_than_none_is_never_rounded_in_silence():
    async def story(clock):
        world = World(clock, {"A": 10}, {"a": ["A"], "b": ["A"]})
        seen = []
        async with world.running() as engine:
            for asked in ("1.5", "-4", "1e12"):
                await world.sell("a", "A", asked)
                seen.append(world.shown()["b"]["A"])
            parked = [(entry.reason, entry.detail) for entry in await Operations(engine).parked()]
            held = dict(world.erp.held)
        return seen, parked, held

    seen, parked, held = play(story)
    assert seen == [8, 8, 8]  # whoever wants one and a half takes two out of the shelf; nobody puts four back
    assert [reason for reason, _ in parked] == ["does_not_add_up", "does_not_add_up", "absurd_quantity"]
    assert "quantity 1.5 is no whole number of units" in parked[0][1]
    assert "quantity -4 is negative" in parked[1][1]
    assert held == {}


def test_a_sku_that_is_renamed_while_its_order_is_on_its_way():
    async def story(clock):
        world = World(clock, {"OLD": 10}, {"a": ["OLD"], "b": ["OLD"]})
        async with world.running() as engine:
            assert world.shown() == {"a": {"OLD": 10}, "b": {"OLD": 10}}
            world.erp.rename("OLD", "NEW")
            await world.sell("a", "OLD", "4")
            between = world.shown()
            parked = [(entry.id, entry.reason) for entry in await Operations(engine).parked()]
            (why,) = await explain(engine, "OLD", "b")
        async with world.running({"OLD": "NEW"}) as engine:
            await clock.sleep(HOUR_MS / 1000)  # the ERP's items and stock are read
            await Operations(engine).release(parked[0][0], by="Otto")
            await clock.sleep(HOUR_MS / 1000)
            after = world.shown()
            left = [(entry.reason, entry.key) for entry in await Operations(engine).parked()]
        return between, parked, why, after, left, world.erp.available, len(world.erp.held)

    between, parked, why, after, left, available, held = play(story)
    assert between == {"a": {"OLD": 6}, "b": {"OLD": 6}}
    assert [reason for _, reason in parked] == ["rejected"]
    assert any(step.label == "Ordered: 1" and step.value == "− 4" for step in why.steps)
    assert after == between  # of what is called NEW now, counted once
    assert (available, held) == ({"NEW": [6, 0, 0]}, 1)
    assert sorted(left) == [("sku_vanished", "items"), ("sku_vanished", "stock")]


def test_two_skus_that_become_one_while_an_order_of_each_is_on_its_way():
    async def story(clock):
        world = World(clock, {"OLD": 10, "NEW": 5}, {"a": ["OLD", "NEW"], "b": ["NEW"]})
        async with world.running() as engine:
            world.erp.rename("OLD", "NEW")
            await world.sell("a", "OLD", "4")
            await world.sell("b", "NEW", "1")
            parked = [entry.id for entry in await Operations(engine).parked() if entry.reason == "rejected"]
        async with world.running({"OLD": "NEW"}) as engine:
            await clock.sleep(HOUR_MS / 1000)
            before = world.shown()
            for number in parked:
                await Operations(engine).release(number, by="Otto")
            await clock.sleep(HOUR_MS / 1000)
        return before, world.shown(), world.erp.available

    before, after, available = play(story)
    assert available == {"NEW": [10, 0, 0]}
    # Before the ERP has the order of OLD, its figure of 14 less the four; after it, the ten that are there.
    assert before == after == {"a": {"OLD": 10, "NEW": 10}, "b": {"NEW": 10}}
