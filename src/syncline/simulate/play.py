"""A case played under one setting, and what it comes to.

The truth is counted here, where every line of every channel passes: what was sold, sold twice, or refused although it was
there. Syncline's books are never asked.

What keeps the channels' numbers is a design (``syncline.simulate.designs``).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, TextIO

from syncline.engine.derive.buffers import Checkout
from syncline.engine.derive.demand import DemandLearner, Sold
from syncline.engine.engine import Engine
from syncline.engine.routes import Route, Routes, reference_of
from syncline.freshness.demand import Sale
from syncline.inventory.rules import NO_BUFFER, Layer, Level, Rules
from syncline.model.change import Flow
from syncline.planner.plan import fed
from syncline.simulate.case import HOUR_MS, Case, Placing, Setting, perfect
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.history import DAY_MS
from syncline.simulate.lean import (
    ERP_CALL_S,
    LOCATIONS,
    UNPAID,
    LeanChannel,
    LeanErp,
    Wire,
)
from syncline.simulate.ledger import Ledger, Timeline, Truth
from syncline.simulate.plain import SetOnEvent
from syncline.simulate.predicted import Pace, light_pace, predicted
from syncline.simulate.promises import Promises
from syncline.simulate.shape import NOBODYS, Shape
from syncline.simulate.stage import Channel, Erp
from syncline.simulate.trace import Trace
from syncline.stores.sqlite import SqliteStore

OPENING_MS = 1_800_000  # before the first day: the first reads, and the numbers that follow from them
CLOSING_MS = 1_800_000  # after the last order
# Nobody adds goods here, and a store in memory has one owner.
ITEMS_MS = 7 * DAY_MS
LEASE_MS = 3 * HOUR_MS
DETAILS_KEPT_MS = 2 * DAY_MS  # nobody looks at them, and a commit takes longer the larger the store is
PROGRESS_STEPS = 200  # how often a play says how far it is


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run came to. ``calls`` and ``writes`` are by system; ``reads`` are those of the calls that only read."""

    setting: Setting
    truth: Truth
    sellable: int  # units that instant perfect knowledge sells
    calls: dict[str, int]
    reads: dict[str, int]
    writes: dict[str, int]
    parked: int
    differ: int  # numbers that are not what the rule makes of the truth, once everything is quiet
    lags: dict[str, dict[str, float | int]] = field(repr=False, default_factory=dict)  # by flow; see ``Lags``
    throttled_s: dict[str, float] = field(repr=False, default_factory=dict)
    operations: dict[str, dict[str, int]] = field(repr=False, default_factory=dict)
    spread: dict[str, list[int]] = field(repr=False, default_factory=dict)  # lags by ``EDGES_MS``
    hours: dict[str, dict[int, int]] = field(
        repr=False, default_factory=dict
    )  # calls by hour since the epoch
    timeline: Timeline | None = field(repr=False, default=None)

    @property
    def bound_kept(self) -> float | None:
        """The share of changes that kept the normal bound, but for those that an outage struck or whose event was lost; ``None`` of none."""
        judged = sum(one["changes"] - one["apart"] - one["event_lost"] for one in self.lags.values())
        return sum(one["kept"] for one in self.lags.values()) / judged if judged else None

    def json(self) -> dict[str, Any]:
        """As it stands in a report; keys in a fixed order."""
        kept = self.bound_kept
        return {
            **self.setting.json(),
            "units_sold": self.truth.sold,
            "units_oversold": self.truth.oversold,
            "orders_oversold": self.truth.orders_oversold,
            "units_hidden": self.truth.hidden,
            "units_sellable": self.sellable,
            "share_of_sellable": round(self.truth.sold / max(1, self.sellable), 6),
            "calls": self.calls,
            "reads": self.reads,
            "writes": self.writes,
            "throttled_s": self.throttled_s,
            "lag_ms": self.lags,
            "bound_kept": None if kept is None else round(kept, 6),
            "parked": self.parked,
            "numbers_differ": self.differ,
        }


class Play:
    """One setting, played over a case.

    With ``draw`` the course of each number is kept, with ``trace_to`` every event is written to it as a row.
    ``say`` is told now and then which share has been played.
    """

    def __init__(
        self,
        case: Case,
        setting: Setting,
        *,
        draw: bool = False,
        trace_to: TextIO | None = None,
        say: Callable[[float], None] = lambda _share: None,
    ) -> None:
        self.case = case
        self.setting = setting
        self._say = say
        self.loop = VirtualLoop(case.begin_ms - OPENING_MS)
        self.clock = VirtualClock(self.loop)
        self.truth = Truth(dict(case.target))
        self._rng = Random(setting.seed)
        rest = [0] * (len(LOCATIONS) - setting.places)
        opening = {sku: case.stock.at(sku, setting.places) + rest for sku in case.target}
        names = case.channels
        self._trace = Trace(trace_to, setting.design, self.clock.now_ms) if trace_to is not None else None
        self.channels = self._open_channels(opening)
        self._promises = Promises(names)
        self._unlowered: tuple[Channel | None, Counter[str]] = (None, Counter())
        self._index = {name: index for index, name in enumerate(case.channels)}
        self.ledger = Ledger(
            [partial(self._shown, channel) for channel in self.channels.values()],
            self.truth.stock,
            now_ms=self.clock.now_ms,
            outage=setting.outage,
            # What a channel should show under a buffer is nobody's business but the engine's.
            lags=setting.buffer == NO_BUFFER,
            timeline=Timeline(case.begin_ms) if draw else None,
            names=names,
            erp=case.erp,
            trace=self._trace,
            promised=self._promises.of,
            felt_ms=max(setting.plan.of(name).stock.poll_ms for name in names) + 60_000,
        )
        self.erp = self._open_erp(opening)
        if self._trace is not None:
            for name, system in self._systems().items():
                system.wire.traced = partial(self._trace.called, name)
        self.engine: Engine | None = None
        self._store: SqliteStore | None = None
        self._plain: SetOnEvent | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._broken: BaseException | None = None

    def _open_channels(self, opening: Mapping[str, Sequence[int]]) -> Mapping[str, Channel]:
        """The channels, showing the opening stock of each location."""
        return {
            name: LeanChannel(
                name,
                self._wire(calls_per_s=self.setting.calls_per_s),
                opening,
                tell=self._tell,
                tells=self.setting.plan.of(name).orders.events,
                written=partial(self._wrote, index),
                shape=self._shape(name),
            )
            for index, name in enumerate(self.case.channels)
        }

    def _open_erp(self, opening: Mapping[str, Sequence[int]]) -> Erp:
        """The ERP, holding it."""
        return LeanErp(
            self.case.erp,
            self._wire(takes_s=ERP_CALL_S),
            opening,
            rng=Random(self._rng.getrandbits(64)),
            tell=self._tell,
            tells=self._erp_tells,
            lost=self.setting.lost,
            booked=self.ledger.booked,
            # Of sales the channels tell themselves, but to the integration that heeds nothing but the ERP.
            untold=partial(self.ledger.untold, sales=self.setting.plan.plain),
            shape=self._shape(self.case.erp),
        )

    def _shape(self, name: str) -> Shape:
        return self.setting.shapes.get(name, NOBODYS)

    @property
    def _erp_tells(self) -> bool:
        return any(self.setting.plan.of(name).stock.events for name in self.case.channels)

    def _wire(self, **more: Any) -> Wire:
        return Wire(self.clock, Random(self._rng.getrandbits(64)), outage=self.setting.outage, **more)

    def _wrote(self, channel: int, skus: Iterable[str]) -> None:
        self.ledger.wrote(channel, skus)

    def play(self) -> Figures:
        """Play all of it."""
        try:
            return self.loop.run_until_complete(self._play())
        finally:
            self.loop.run_until_complete(self._end())
            self.loop.close()

    async def _end(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._store is not None:
            await self._store.close()

    # --- who keeps the numbers --------------------------------------------------------------------

    def _spawn(self, work: Any) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._broken = self._broken or task.exception()

    def _tell(self, system: str, place: int) -> None:
        if self._plain is not None:
            self._plain.hear(system, place)
        elif self.engine is not None:
            self._spawn(self.engine.ingress.accept(system, {}, str(place).encode()))

    def routes(self) -> Routes:
        """What Syncline is configured to do: its defaults, the rule of the setting, and the pace of its design."""
        plan, erp = self.setting.plan, self.case.erp
        rules = Rules([Layer(Level.NETWORK, {"buffer": self.setting.buffer})])
        return Routes(
            [
                fed(
                    Route(Flow.INVENTORY, erp, name, 0, locations=self._places(name), rules=rules),
                    plan.of(name).stock,
                )
                for name in self.channels
            ]
            + [
                fed(Route(Flow.ORDERS, name, erp, 0, left_out=UNPAID), plan.of(name).orders)
                for name in self.channels
            ]
        )

    def _places(self, channel: str) -> Mapping[str, str]:
        """The channel's location for each of the ERP's."""
        return {at: at for at in LOCATIONS}

    async def _start_plain(self) -> None:
        """Let the integration work that the engine is compared with."""
        channels = {name: one for name, one in self.channels.items() if isinstance(one, LeanChannel)}
        assert isinstance(self.erp, LeanErp)
        self._plain = SetOnEvent(self.clock, channels, self.erp, poll_ms=self.setting.plan.interval_ms)
        self._spawn(self._plain.run())

    async def _start(self) -> None:
        plan = self.setting.plan
        if plan.plain:
            await self._start_plain()
            return
        self._store = SqliteStore.open(":memory:", now_ms=self.clock.now_ms())
        await self._learn(DemandLearner(self._store))
        self.engine = Engine(
            store=self._store,
            clock=self.clock,
            rng=Random(self._rng.getrandbits(64)),
            systems=[channel.system() for channel in self.channels.values()] + [self.erp.system()],
            routes=self.routes(),
            items_interval_ms=ITEMS_MS,
            lease_ttl_ms=LEASE_MS,
            modes_interval_ms=LEASE_MS,
            details_kept_ms=DETAILS_KEPT_MS,
            owner="case",
            epsilon=self.setting.epsilon,
            checkouts={
                name: Checkout(round(self.setting.unseen_s * 1000), reported=False) for name in self.channels
            },
        )
        if any(plan.of(name).stock.segments for name in self.channels):
            self.engine.deriver.tolerances(self._promises.heard(self.engine.survey.tolerances))
        self._spawn(self.engine.run())

    async def _learn(self, learner: DemandLearner) -> None:
        """What was ordered before the play begins is known already, as it would be on any later day."""
        assert self._store is not None
        for begin in range(0, len(self.case.before), 100):
            sold = [
                Sold(one.channel, line.sku, Sale(one.at_ms, line.quantity))
                for one in self.case.before[begin : begin + 100]
                for line in one.order.lines
            ]
            await self._store.write(await learner.learn(sold))

    # --- the play ---------------------------------------------------------------------------------

    async def _until(self, at_ms: int) -> None:
        await self.clock.sleep((at_ms - self.clock.now_ms()) / 1000)
        if self._broken is not None:
            raise self._broken

    async def _play(self) -> Figures:
        await self._start()
        await self._until(self.case.begin_ms)
        before = self._counted()
        if self._trace is not None:
            self._trace.counts_calls = True
        for system in self._systems().values():
            system.wire.counted.hours.clear()
        deliveries = self.case.deliveries()
        ordered: dict[str, int] = {}
        step = max(1, len(self.case.placings) // PROGRESS_STEPS)
        for number, one in enumerate(self.case.placings):
            if number % step == 0:
                self._say(number / len(self.case.placings))
            while deliveries and deliveries[0][0] <= one.at_ms:
                at_ms, arrives = deliveries.pop(0)
                await self._until(at_ms)
                if arrives:
                    self.truth.receive(ordered)
                    self.ledger.received(ordered)
                    self.erp.receive(ordered)
                    ordered = {}
                else:
                    ordered = self.truth.short(self.case.target)
            await self._until(one.at_ms)
            self._place(one)
        counted = {name: calls - before[name] for name, calls in self._counted().items()}
        hours = {name: dict(system.wire.counted.hours) for name, system in self._systems().items()}
        if self._trace is not None:
            self._trace.counts_calls = False
        await self._until(self.case.end_ms + CLOSING_MS + self.setting.settles_ms)
        self.ledger.close()
        return await self._figures(counted, hours)

    def _place(self, one: Placing) -> None:
        channel, index = self.channels[one.channel], self._index[one.channel]
        known_ms = one.at_ms + round(self.setting.unseen_s * 1000)
        accepted = []
        cart: Counter[str] = Counter()
        for line in one.order.lines:
            sku, quantity = line.sku, line.quantity
            before, hidden = self.truth.stock[sku], self.truth.hidden
            beyond = self.truth.ask(sku, quantity, channel.shows(sku) - cart[sku])
            if beyond is not None:
                cart[sku] += quantity
                accepted.append((line, before, beyond))
            elif self.truth.hidden > hidden:
                self.ledger.refused(index, sku, quantity)
                if self._trace is not None:
                    self._trace.refused(one.channel, one.order.id, sku, quantity)
        if not accepted:
            return
        lost_before = channel.orders_lost
        lines = [line for line, _, _ in accepted]
        key = channel.sell(one, lines, after_s=self.setting.unseen_s, lost_share=self.setting.lost)
        untold = channel.orders_lost > lost_before
        self._unlowered = (channel, cart)
        for line, before, beyond in accepted:
            cart[line.sku] -= line.quantity
            self.ledger.sold(index, line.sku, line.quantity, before, beyond, known_ms, untold=untold)
            if self._trace is not None:
                self._trace.sold(one.channel, one.order.id, line.sku, line.quantity, beyond)
        self.truth.orders += 1
        self.truth.orders_oversold += any(beyond for _, _, beyond in accepted)
        self.ledger.reported(index, reference_of(one.channel, key), known_ms, untold=untold)

    def _shown(self, channel: Channel, sku: str) -> int:
        """What a channel shows, as the ledger is to see it: an order's lines are told one after the other."""
        at, left = self._unlowered
        return channel.shows(sku) + (left[sku] if at is channel else 0)

    # --- what it came to --------------------------------------------------------------------------

    def _systems(self) -> dict[str, Channel | Erp]:
        return {**self.channels, self.case.erp: self.erp}

    def _counted(self) -> dict[str, Counter[str]]:
        return {
            name: Counter({f"calls {what}": n for what, n in system.wire.counted.calls.items()})
            + Counter({f"values {what}": n for what, n in system.wire.counted.values.items()})
            for name, system in self._systems().items()
        }

    def _pace(self, channel: str) -> Pace:
        """How quick a channel and the ERP are, as bounds have to reckon with it."""
        return light_pace(self._shape(channel), self._shape(self.case.erp))

    async def _figures(
        self, counted: Mapping[str, Counter[str]], hours: Mapping[str, dict[int, int]]
    ) -> Figures:
        def of(name: str, which: str, *, reads: bool) -> int:
            return sum(
                n
                for what, n in counted[name].items()
                if what.startswith(which) and (" read" in what) is reads
            )

        parked = [] if self._store is None else await self._store.read("parked_open", after=0, limit=10_000)
        reads = {name: of(name, "calls", reads=True) for name in counted}
        expected = partial(
            predicted,
            self.setting.plan,
            burst=len(self.case.target) * len(LOCATIONS),
            orders_a_day=max(Counter(one.at_ms // DAY_MS for one in self.case.placings).values()),
            unseen=self.setting.unseen_s > 0,
        )
        names, every = self.case.channels, [(index, 0) for index in range(len(self.case.channels))]
        return Figures(
            setting=self.setting,
            truth=self.truth,
            sellable=perfect(self.case).sold,
            calls={name: reads[name] + of(name, "calls", reads=False) for name in counted},
            reads=reads,
            writes={name: of(name, "values", reads=False) for name in counted},
            parked=len(parked),
            differ=self._differ(),
            lags={
                str(flow): lags.figures(
                    [
                        expected(names[at], promised_ms=ms, pace=self._pace(names[at]))[flow]
                        for at, ms in lags.kinds or every
                    ]
                )
                for flow, lags in self.ledger.lags.items()
                if flow is not Flow.INVENTORY or self.setting.buffer == NO_BUFFER
            },
            throttled_s={name: round(system.wire.throttled_s, 3) for name, system in self._systems().items()},
            operations={name: dict(sorted(one.items())) for name, one in counted.items()},
            spread={str(flow): lags.histogram() for flow, lags in self.ledger.lags.items()},
            hours={name: dict(one) for name, one in hours.items()},
            timeline=self.ledger.timeline,
        )

    def _differ(self) -> int:
        """Numbers that the ERP and the truth, or without a buffer a channel and the truth, do not share."""
        there = {sku: max(0, units) for sku, units in self.truth.stock.items()}
        differ = sum(self.erp.holds(sku) != units for sku, units in self.truth.stock.items())
        if self.setting.buffer == NO_BUFFER:
            differ += sum(
                channel.shows(sku) != units
                for channel in self.channels.values()
                for sku, units in there.items()
            )
        return differ
