"""The whole pipeline under faults, from one seed.

Two phases. First orders, shipments, withdrawals and receipts happen while everything goes wrong:
webhooks are lost, doubled and overtaken, answers are lost, vendors are down, and Syncline is killed
and started again on the same store. Then the faults stop, and within a bounded time everything must
agree. Checkers look only at the simulators' ledgers.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from syncline.engine.engine import Engine
from syncline.model.errors import OutcomeUnknown
from syncline.ports import Request, Response, Store
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.history import HistoryOrder, generate_history, stock_case
from syncline.simulate.hooks import HooksApp
from syncline.simulate.network import FaultyTransport, NetworkFaults
from syncline.simulate.severable import Killed, SeverableStore, SeverableTransport, Switch
from syncline.simulate.trade import Truth
from syncline.simulate.transport import AsgiTransport
from syncline.simulate.world import ERP, SHOP, Pace, World
from syncline.stores.sqlite import SqliteStore

START_MS = 1_772_438_400_000  # 2026-03-02T08:00:00Z
HOOKS = "https://syncline.simulated"
CONVERGE_MS_MAX = 3 * 3_600_000
STEP_S = 20.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much happens in one simulation."""

    orders: int = 60
    skus: int = 40
    minutes: int = 40
    kills: int = 2
    faults: bool = True


@dataclass(slots=True)
class Report:
    """What one seed did and found."""

    seed: int
    truth: Truth
    changes: int
    faults: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    calls: int = 0
    breaches: Counter[str] = field(default_factory=Counter)
    parked: list[str] = field(default_factory=list)
    converged_after_s: float = 0.0
    virtual_s: float = 0.0
    digest: str = ""
    violations: list[str] = field(default_factory=list)


class _AckLoss(FaultyTransport):
    """The way of webhooks: here a lost answer makes the vendor send again."""

    async def send(self, request: Request) -> Response:
        if self._chance(self.faults.lose_answer_rate, "webhook answer lost"):
            await self.inner.send(request)
            raise OutcomeUnknown("the acknowledgement was lost (injected)")
        return await self.inner.send(request)


class Simulation:
    """One seed. ``run`` returns a report; the same seed gives the same report, byte for byte."""

    def __init__(self, seed: int, plan: Plan | None = None) -> None:
        self.seed = seed
        self.plan = plan or Plan()
        self._rng = Random(seed)
        self.loop = VirtualLoop(START_MS)
        self.clock = VirtualClock(self.loop)
        self._apps = AsgiTransport({})
        self._outbound = FaultyTransport(self._apps, self.clock, Random(self._rng.getrandbits(64)))
        self._inbound = _AckLoss(self._apps, self.clock, Random(self._rng.getrandbits(64)))
        self.world = World(
            clock=self.clock, rng=Random(self._rng.getrandbits(64)), transport=self._inbound,
            pace=Pace(),
        )
        self._hooks = HooksApp()
        self._store: Store = SqliteStore.open(":memory:", now_ms=START_MS)
        self._switch = Switch()
        self._running: asyncio.Task[None] | None = None
        self.engine: Engine | None = None
        self.faults: Counter[str] = Counter()
        self.kills = 0
        self.changes = 0

    def run(self) -> Report:
        """Play the seed to its end."""
        try:
            return self.loop.run_until_complete(self._play())
        finally:
            self.loop.run_until_complete(self._tidy())
            self.loop.close()

    async def _tidy(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- Syncline's life --------------------------------------------------------------------------

    def _start(self) -> None:
        self._switch = Switch()
        store = SeverableStore(self._store, self._switch)
        rng = Random(self._rng.getrandbits(64))
        transport = SeverableTransport(self._outbound, self._switch)
        systems = self.world.open_systems(transport, rng)
        self.engine = self.world.open_engine(store, systems, rng)
        self._running = self.loop.create_task(self.engine.run())
        self._hooks.engine = self.engine
        self._apps.register(HOOKS, self._hooks)

    async def _kill(self) -> None:
        self._switch.cut = True
        self._hooks.engine = None
        self._apps.register(HOOKS, None)
        assert self._running is not None
        assert self.engine is not None
        tasks = [self._running, *(task for lane in self.engine.lanes.values() for task in lane._tasks)]  # noqa: SLF001
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            _only_death(result)
        self.engine = None
        self.kills += 1
        # Leases of the dead end by themselves; the new process is the same owner of the same store.
        await self.clock.sleep(self._rng.uniform(0.5, 8.0))

    # --- the play ---------------------------------------------------------------------------------

    async def _play(self) -> Report:
        world, plan = self.world, self.plan
        history = generate_history(self._rng.getrandbits(32), orders=plan.orders * 3, skus=plan.skus)
        case = stock_case(history.orders)
        world.trade.stock(case, sorted(case.target))
        self._apps.register(world.erp.origin, world.erp)
        self._apps.register(f"https://{world.shop.shop}", world.shop)
        world.run_people()
        self._start()
        assert self.engine is not None
        await world.connect(self.engine, lambda system: f"{HOOKS}/hooks/{system}")
        await self.clock.sleep(120)  # first reads

        kills = sorted(self._rng.uniform(0.1, 0.9) * plan.minutes * 60 for _ in range(plan.kills))
        people = self.loop.create_task(self._people(history.orders[: plan.orders]))
        breakage = self.loop.create_task(self._break_things()) if plan.faults else None
        began = self.clock.monotonic()
        for at in kills:
            await self.clock.sleep(max(0.0, began + at - self.clock.monotonic()))
            await self._kill()
            self._start()
        await people
        if breakage is not None:
            breakage.cancel()
            await asyncio.gather(breakage, return_exceptions=True)
        self._mend()
        return await self._converge()

    async def _people(self, orders: list[HistoryOrder]) -> None:
        """Buyers and staff, spread over the minutes of the plan."""
        trade, rng = self.world.trade, self._rng
        gap_s = self.plan.minutes * 60 / max(1, len(orders))
        for order in orders:
            await self.clock.sleep(rng.expovariate(1 / gap_s))
            placed = trade.place(order)
            self.changes += len(order.lines)
            draw = rng.random()
            if placed is not None and draw < 0.08:
                self.loop.create_task(self._change_of_mind(placed, rng.uniform(0, 400), rng.random()))
            if draw > 0.35:
                self.changes += bool(trade.withdraw())
            if rng.random() < 0.1:
                self.changes += 5
                trade.receive(5)
            if rng.random() < 0.6:
                self.changes += trade.ship(3) * 4

    async def _change_of_mind(self, order_id: int, after_s: float, draw: float) -> None:
        await self.clock.sleep(after_s)
        order = self.world.shop.orders[order_id]
        if order.cancelled_ms is not None or order.fulfillments:
            return
        if draw < 0.5:
            self.world.shop.cancel_order(order_id, restock=draw < 0.35)
        else:
            line = order.lines[0]
            if line.current_quantity > 1 and line.fulfilled_quantity == 0:
                self.world.shop.edit_order(order_id, line.id, line.current_quantity - 1)
        self.changes += 1

    async def _break_things(self) -> None:
        """One trouble after the other, several at once; each is counted when it begins."""
        shop, erp, rng = self.world.shop.faults, self.world.erp.faults, self._rng
        out, into = self._outbound.faults, self._inbound.faults
        troubles: list[tuple[str, Any, str, Any]] = [
            ("webhooks lost", shop, "webhook_lose_rate", 0.5),
            ("webhooks doubled", shop, "webhook_copies_max", 5),
            ("webhooks overtake", shop, "webhook_delay_ms_max", 60_000),
            ("pushes lost", erp, "webhook_lose_rate", 0.5),
            ("pushes doubled", erp, "webhook_copies_max", 4),
            ("pushes overtake", erp, "webhook_delay_ms_max", 30_000),
            ("shop down", shop, "down", True),
            ("erp down", erp, "down", True),
            ("shop throttles", shop, "throttle_rate", 0.4),
            ("shop fails before", shop, "error_before_rate", 0.3),
            ("shop fails after", shop, "error_after_rate", 0.3),
            ("erp fails before", erp, "error_before_rate", 0.3),
            ("erp fails after", erp, "error_after_rate", 0.3),
            ("erp throttles", erp, "throttle_rate", 0.4),
            ("shop refuses the token", shop, "reject_auth", True),
            ("erp refuses the token", erp, "reject_auth", True),
            ("search lags", shop, "read_lag_ms", 40_000),
            ("requests refused", out, "refuse_rate", 0.3),
            ("answers lost", out, "lose_answer_rate", 0.3),
            ("answers cut", out, "cut_answer_rate", 0.2),
            ("login pages", out, "login_page_rate", 0.2),
            ("acknowledgements lost", into, "lose_answer_rate", 0.4),
        ]

        async def trouble(name: str, target: Any, attribute: str, value: Any) -> None:
            calm = getattr(target, attribute)
            setattr(target, attribute, value)
            self.faults[name] += 1
            await self.clock.sleep(rng.uniform(5, 90))
            setattr(target, attribute, calm)

        running: dict[str, asyncio.Task[None]] = {}
        while True:
            await self.clock.sleep(rng.expovariate(1 / 35))
            name, target, attribute, value = troubles[rng.randrange(len(troubles))]
            if name in running and not running[name].done():
                continue
            running[name] = self.loop.create_task(trouble(name, target, attribute, value))

    def _mend(self) -> None:
        for simulator in (self.world.shop, self.world.erp):
            fresh = type(simulator.faults)()
            for name in fresh.__slots__:
                setattr(simulator.faults, name, getattr(fresh, name))
        for transport in (self._outbound, self._inbound):
            calm = NetworkFaults()
            for name in calm.__slots__:
                setattr(transport.faults, name, getattr(calm, name))

    async def _converge(self) -> Report:
        """Everything must agree within a bounded time once nothing goes wrong any more."""
        world = self.world
        began = self.clock.monotonic()
        problems = ["not looked yet"]
        while problems and (self.clock.monotonic() - began) * 1000 < CONVERGE_MS_MAX:
            await self.clock.sleep(STEP_S)
            world.trade.ship(5)
            problems = await self.problems()
        parked = []
        if self.engine is not None:
            rows = await self._store.read("parked_open", after=0, limit=100)
            parked = [f"{row[1]} {row[2]} {row[3]!r}: {row[4]} ({row[5]})" for row in rows]
        breaches = world.shop.ledger.breaches + world.erp.ledger.breaches
        digest = hashlib.sha256(f"{world.shop.state_digest()} {world.erp.state_digest()}".encode()).hexdigest()
        report = Report(
            seed=self.seed,
            truth=world.trade.truth(),
            changes=self.changes,
            faults=self.faults + self._outbound.met + self._inbound.met,
            kills=self.kills,
            calls=sum(world.shop.ledger.calls_by_operation.values()) + sum(world.erp.ledger.calls_by_operation.values()),
            breaches=Counter({k: v for k, v in breaches.items() if v}),
            parked=parked,
            converged_after_s=self.clock.monotonic() - began,
            virtual_s=self.clock.monotonic(),
            digest=digest,
        )
        report.violations = [*problems, *self._never(report)]
        return report

    async def problems(self) -> list[str]:
        """What does not agree yet."""
        world = self.world
        truth = world.trade.truth()
        # Goods that left for an order which the shop had cancelled or cut meanwhile wait for a person.
        parked = await self._store.read("parked_open", after=0, limit=1000)
        explained = sum(row[2] == "create_shipment" and "left to ship" in row[5] for row in parked)
        found = [
            f"{count} {what}"
            for count, what in (
                (truth.orders_lost, "orders not in the ERP"),
                (truth.order_lines_wrong, "orders with wrong lines"),
                (truth.order_totals_wrong, "orders with wrong totals"),
                (truth.fulfilments_shipped - truth.fulfilments_at_shop - explained, "shipments not at the shop"),
                (truth.payments_taken - truth.payments_in_erp, "payments not in the ERP"),
                (world.trade.to_ship(), "orders nobody shipped"),
            )
            if count > 0
        ]
        mismatches = world.trade.mismatches()
        if mismatches:
            found.append(f"{len(mismatches)} numbers differ: {mismatches[:3]}")
        if not world.quiet():
            found.append("webhooks under way")
        return found

    def _never(self, report: Report) -> list[str]:
        """What must not have happened at any time."""
        truth = report.truth
        return [
            f"{count} {what}"
            for count, what in (
                (truth.orders_duplicated, "orders doubled in the ERP"),
                (truth.fulfilments_doubled, "shipments doubled at the shop"),
                (report.breaches.get("concurrency", 0), "calls over the ERP's concurrency"),
                (report.breaches.get("throttled", 0), "calls over the shop's budget"),
                (report.breaches.get("unknown_field", 0), "unknown fields sent"),
                (report.breaches.get("doubled_lines", 0), "orders whose lines were doubled"),
                (report.breaches.get("stale_write_repeated", 0), "stale writes repeated unchanged"),
                (report.breaches.get("missing_idempotency", 0), "writes without a key"),
            )
            if count > 0
        ]


def _only_death(result: object) -> None:
    """A killed task may only end by having been killed."""
    if isinstance(result, BaseExceptionGroup):
        for inner in result.exceptions:
            _only_death(inner)
    elif isinstance(result, Exception):
        raise result
    elif isinstance(result, BaseException) and not isinstance(result, Killed | asyncio.CancelledError):
        raise result
