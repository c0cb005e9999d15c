"""The whole pipeline under faults, from one seed.

Three phases. First orders, shipments, withdrawals and receipts happen while everything goes wrong:
webhooks are lost, doubled and overtaken, answers are lost, vendors are down, and Syncline is killed
and started again on the same store: at random moments, at failpoints, and while it recovers. Then the
faults stop, and within a bounded time everything must agree. At last Syncline may be restarted with
nothing to do, which must have no effect at all. Checkers look only at the simulators' ledgers, and at
the log for what was acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from urllib.parse import urlsplit

from syncline.engine import failpoints
from syncline.engine.engine import Engine
from syncline.engine.states import STATE_OPERATIONS
from syncline.engine.status import status
from syncline.engine.subscriptions import keep
from syncline.model.errors import OutcomeUnknown, SynclineError
from syncline.ports import Request, Response, Store
from syncline.simulate.clock import SkewedClock, VirtualClock, VirtualLoop
from syncline.simulate.disagree import Disagreement, explained, prove, untold
from syncline.simulate.history import HistoryOrder, generate_history, stock_case
from syncline.simulate.hooks import HooksApp
from syncline.simulate.merchandise import COLUMNS, Merchandise
from syncline.simulate.network import FaultyTransport, NetworkFaults
from syncline.simulate.pricing import Pricing
from syncline.simulate.severable import Killed, SeverableStore, SeverableTransport, Switch
from syncline.simulate.sides.netsuite import NetSuiteSide
from syncline.simulate.staff import Staff
from syncline.simulate.switching import Switching
from syncline.simulate.trade import Truth
from syncline.simulate.transport import AsgiTransport
from syncline.simulate.troubles import Trouble, troubles_of
from syncline.simulate.world import ERP, SHOP, USUAL_ERP, USUAL_SHOP, Pace, World
from syncline.stores.sqlite import SqliteStore

START_MS = 1_772_438_400_000  # 2026-03-02T08:00:00Z
HOOKS = "https://syncline.simulated"
CONVERGE_MS_MAX = 3 * 3_600_000
STEP_S = 20.0
QUIET_S = 900.0
ALARM_STEP_S = 30.0
SKEW_MS_MAX = 120_000
STAFF = 0x57AFF
PRICING = 0x9A1CE
MERCHANDISE = 0x900D5
FAILPOINT_WAIT_S = 120.0  # a failpoint that nobody passes for so long: then the moment is random after all
# Business Central's notifications have none: they only say that something changed.
EVENT_IDS = ("X-Shopify-Webhook-Id", "X-Syncline-Event-Id", "x-adobe-event-id")

# Where a process may be killed besides at a random moment. Every one is passed within seconds.
FAILPOINTS = (
    "lane.after_intent",
    "lane.after_call",
    "lane.before_result",
    "lane.after_result",
    "ingress.after_append",
    "poller.after_page",
    "applier.before_write",
    "applier.after_write",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much happens in one simulation."""

    orders: int = 53
    skus: int = 40
    minutes: int = 29
    kills: int = 2  # each is followed by another one during recovery, every third time
    faults: bool = True
    troubles: tuple[str, ...] = ()  # only these; empty: all of them
    asides: int = 8  # drafts that reserve, and numbers edited by hand
    second_thoughts: bool = True  # buyers cancel and cut orders, sometimes too late for the warehouse
    reconciles: bool = False  # in the end differences are planted, and both sides are proved
    restarts: int = 0  # in the end, with nothing to do: they must have no effect
    prices: bool = False  # prices travel as well, and people change them
    products: bool = False  # products do, and people change them
    leaves_open: bool = False  # in the end some orders are still to be sent
    switches: bool = False  # all begins in shadow and goes live, and somebody pauses and resumes


@dataclass(slots=True)
class Report:
    """What one seed did and found."""

    seed: int
    truth: Truth
    changes: int  # order lines, payments, edits, cancellations, shipped lines, movements of stock
    faults: Counter[str] = field(default_factory=Counter)  # troubles begun, by kind
    hits: Counter[str] = field(default_factory=Counter)  # single requests hurt by the network's troubles
    kills: Counter[str] = field(default_factory=Counter)  # by where they struck
    skew_ms: int = 0  # how far the vendors' clocks are ahead of ours
    calls: int = 0
    acknowledged: int = 0  # events answered with 2xx
    breaches: Counter[str] = field(default_factory=Counter)
    parked: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)  # of a run without faults
    converged_after_s: float = 0.0
    virtual_s: float = 0.0
    digest: str = ""
    violations: list[str] = field(default_factory=list)
    differences: int = 0  # listed at once by routes in shadow
    stops: int = 0  # pauses, and times that a route went back to shadow

    def text(self) -> str:
        """Everything, one fact a line; equal runs print equal text."""
        lines = [
            (
                f"seed {self.seed}: {self.changes} changes in {self.virtual_s:.1f} virtual seconds, {self.calls} calls, "
                f"{self.acknowledged} events acknowledged"
            ),
            (
                f"faults: {self.faults.total()} of {len(self.faults)} kinds; requests hurt: {self.hits.total()}; "
                f"the vendors' clocks are {self.skew_ms} ms ahead"
            ),
            *(f"  {count:>4}  {kind}" for kind, count in sorted((self.faults + self.hits).items())),
            f"kills: {self.kills.total()}",
            *(f"  {count:>4}  {where}" for where, count in sorted(self.kills.items())),
            f"agreed after {self.converged_after_s:.1f} s; digest {self.digest}",
            *([f"stops: {self.stops}, differences in shadow: {self.differences}"] if self.stops else ()),
            f"truth: {self.truth}",
            f"breaches: {dict(sorted(self.breaches.items()))}",
            f"parked: {self.parked}",
            f"alarms: {self.alarms}",
            f"violations: {self.violations}",
        ]
        return "\n".join(lines)


class _Inbound(FaultyTransport):
    """The way of webhooks: here a lost answer makes the vendor send again.

    Remembers what was acknowledged, whether or not the vendor heard of it.
    """

    acknowledged: set[tuple[str, str]]

    async def send(self, request: Request) -> Response:
        try:
            answer = await self.inner.send(request)
        except Killed:
            raise OutcomeUnknown("the process died before it answered") from None
        if 200 <= answer.status < 300:
            system = urlsplit(request.url).path.rsplit("/", 1)[-1]
            self.acknowledged |= {
                (system, request.headers[name]) for name in EVENT_IDS if name in request.headers
            }
        if self._chance(self.faults.lose_answer_rate, "webhook answer lost"):
            raise OutcomeUnknown("the acknowledgement was lost (injected)")
        return answer


class Simulation:
    """One seed. ``run`` returns a report; the same seed gives the same report, byte for byte.

    ``channel`` and ``erp``: whose simulators play. What staff do in the shop's admin (``asides``) needs a Shopify shop and is
    left out elsewhere; prices, switches and planted differences need a NetSuite account besides.
    """

    def __init__(
        self, seed: int, plan: Plan | None = None, *, channel: str = USUAL_SHOP, erp: str = USUAL_ERP
    ) -> None:
        self.seed = seed
        self.plan = plan or Plan()
        self._rng = Random(seed)
        self.loop = VirtualLoop(START_MS)
        self.clock = VirtualClock(self.loop)
        self._apps = AsgiTransport({})
        self._outbound = FaultyTransport(self._apps, self.clock, Random(self._rng.getrandbits(64)))
        self._inbound = _Inbound(self._apps, self.clock, Random(self._rng.getrandbits(64)))
        self._inbound.acknowledged = set()
        self.skew_ms = self._rng.randint(-SKEW_MS_MAX, SKEW_MS_MAX) if self.plan.faults else 0
        self.world = World(
            clock=SkewedClock(self.clock, self.skew_ms),
            rng=Random(self._rng.getrandbits(64)),
            transport=self._inbound,
            pace=Pace(),
            channel=channel,
            erp=erp,
        )
        self.world.clock = self.clock  # Syncline's; the vendors keep theirs
        self._hooks = HooksApp()
        self._store: Store = SqliteStore.open(":memory:", now_ms=START_MS)
        self._switch = Switch()
        self._transport: SeverableTransport | None = None
        self._left: list[SeverableTransport] = []  # of processes that died
        self._dead = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._preparing: asyncio.Task[None] | None = None
        self._watching: list[asyncio.Task[None]] = []
        self.engine: Engine | None = None
        self.faults: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        # By itself, so that what staff do in the shop leaves the rest of a seed's story as it is.
        self.staff = (
            Staff(clock=self.clock, rng=Random(seed ^ STAFF), trade=self.world.trade, shop=self.world.shop)
            if channel == USUAL_SHOP
            else None
        )
        self.pricing = (
            Pricing(
                clock=self.clock,
                rng=Random(seed ^ PRICING),
                shop=self.world.shop,
                erp=self.world.erp,
                trade=self.world.trade,
            )
            if self.plan.prices
            else None
        )
        self.merchandise = (
            Merchandise(
                clock=self.clock,
                rng=Random(seed ^ MERCHANDISE),
                shop=self.world.shop,
                erp=self.world.erp,
                trade=self.world.trade,
            )
            if self.plan.products
            else None
        )
        self.edits = 0
        self.received = 0
        self.alarms: dict[str, None] = {}

    def run(self) -> Report:
        """Play the seed to its end."""
        try:
            return self.loop.run_until_complete(self._play())
        finally:
            self.loop.run_until_complete(self._tidy())
            self.loop.close()

    async def _tidy(self) -> None:
        failpoints.disarm()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- Syncline's life --------------------------------------------------------------------------

    def _start(self) -> None:
        self._switch = Switch()
        self._dead = asyncio.Event()
        store = SeverableStore(self._store, self._switch)
        rng = Random(self._rng.getrandbits(64))
        self._transport = SeverableTransport(self._outbound, self._switch)
        systems = self.world.open_systems(self._transport, rng)
        self.engine = self.world.open_engine(store, systems, rng)
        self._running = self.loop.create_task(self.engine.run())
        self._watching = [
            self.loop.create_task(keep(self.engine, name, f"{HOOKS}/hooks/{name}", lambda _: None))
            for name, side in ((SHOP, self.world.shop_side), (ERP, self.world.erp_side))
            if side.subscribes
        ]
        self._hooks.engine = self.engine
        self._apps.register(HOOKS, self._hooks)

    async def _prepare(self) -> None:
        """Subscribe, as the service does at every start, until it worked."""
        while self.engine is not None:
            with contextlib.suppress(SynclineError):
                await self.world.connect(self.engine, lambda system: f"{HOOKS}/hooks/{system}")
                return
            await self.clock.sleep(30.0)

    def _prepare_soon(self) -> None:
        self._preparing = self.loop.create_task(self._prepare())

    async def _kill(self, where: str) -> None:
        """As ``kill -9``: from this moment on nothing that the process does counts."""
        failpoints.disarm()
        self._switch.cut = True
        self._hooks.engine = None
        self._apps.register(HOOKS, None)
        assert self._running is not None
        assert self.engine is not None
        tasks = [self._running, *(task for lane in self.engine.lanes.values() for task in lane._tasks)]  # noqa: SLF001
        tasks += [task for task in (self._preparing, *self._watching) if task is not None]
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            _only_death(result)
        self.engine = None
        self._left = [one for one in (*self._left, self._transport) if one is not None and one.abroad]
        self._preparing = None
        self.kills[where] += 1
        # Leases of the dead end by themselves; the new process is the same owner of the same store.
        await self.clock.sleep(self._rng.uniform(0.5, 8.0))

    async def _kill_at(self, name: str) -> None:
        """Die at one of the next passages of a failpoint."""
        left = self._rng.randrange(1, 4)

        def die() -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                self._switch.cut = True
                self._dead.set()
                raise Killed

        failpoints.arm(name, die)
        waiting = self.loop.create_task(self._dead.wait())
        limit = self.loop.create_task(self.clock.sleep(FAILPOINT_WAIT_S))
        await asyncio.wait((waiting, limit), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        limit.cancel()
        await self._kill(name if self._dead.is_set() else "random moment")

    async def _live_and_die(self) -> None:
        """The kills of the plan, spread over its time."""
        plan, rng = self.plan, self._rng
        moments = sorted(rng.uniform(0.1, 0.9) * plan.minutes * 60 for _ in range(plan.kills))
        began = self.clock.monotonic()
        for number, at in enumerate(moments):
            await self.clock.sleep(max(0.0, began + at - self.clock.monotonic()))
            if number % 2:
                await self._kill_at(rng.choice(FAILPOINTS))
            else:
                await self._kill("random moment")
            self._start()
            if rng.random() < 1 / 3:
                if rng.random() < 0.5:
                    await self.clock.sleep(rng.uniform(0.0, 2.0))
                    await self._kill("during recovery")
                else:
                    await self._kill_at(rng.choice(FAILPOINTS))
                self._start()
            self._prepare_soon()

    # --- the play ---------------------------------------------------------------------------------

    async def _play(self) -> Report:
        world, plan = self.world, self.plan
        history = generate_history(self._rng.getrandbits(32), orders=plan.orders * 3, skus=plan.skus)
        case = stock_case(history.orders)
        world.trade.stock(case, sorted(case.target))
        for side in (world.erp_side, world.shop_side):
            for origin in side.origins():
                self._apps.register(origin, side.simulator)
        world.run_people()
        staff = self.loop.create_task(
            self.staff.work(plan.asides, plan.minutes) if self.staff else self.clock.sleep(0)
        )
        pricing = self._open_pricing()
        merchandise = self._open_merchandise()
        switching = await self._switching() if plan.switches else None
        self._start()
        await self._prepare()
        # Most shops are open already while both sides are read for the first time.
        await self.clock.sleep(self._rng.choice((0.0, 3.0, 10.0, 120.0)))

        people = self.loop.create_task(self._people(history.orders[: plan.orders]))
        aside = self.loop.create_task(self._break_things() if plan.faults else self._watch())
        until_s = self.clock.monotonic() + plan.minutes * 60
        played = self.loop.create_task(switching.play(world.routes(), until_s)) if switching else None
        await self._live_and_die()
        await people
        await staff
        await pricing
        await merchandise
        if played is not None:
            await played
        if plan.faults:
            aside.cancel()
            await asyncio.gather(aside, return_exceptions=True)
            self._mend()
        problems, after_s = await self._converge()
        aside.cancel()
        if plan.reconciles:
            problems += await self._reconcile()
        report = await self._report([*problems, *await self._restart_idle()], after_s)
        if switching is not None:
            report.violations += switching.violations
            report.differences, report.stops = switching.differences, switching.stops
        return report

    def _open_pricing(self) -> asyncio.Task[None]:
        """Let people change prices, where that is played."""
        if self.pricing is None:
            return self.loop.create_task(self.clock.sleep(0))
        self.pricing.open()
        self.world.price_rules = self.pricing.rules()
        return self.loop.create_task(self.pricing.work(self.plan.minutes))

    def _open_merchandise(self) -> asyncio.Task[None]:
        """Let people change products, where that is played."""
        if self.merchandise is None:
            return self.loop.create_task(self.clock.sleep(0))
        self.merchandise.open()
        if isinstance(self.world.erp_side, NetSuiteSide):
            self.world.erp_side.catalog_fields = COLUMNS
        self.world.product_rules = self.merchandise.rules()
        self.world.price_rules = self.world.price_rules or self.merchandise.prices()
        return self.loop.create_task(self.merchandise.work(self.plan.minutes))

    async def _switching(self) -> Switching:
        switching = Switching(
            self.world,
            self.clock,
            Random(self._rng.getrandbits(64)),
            lambda: self.engine,
            lambda: any(transport.abroad for transport in self._left),
        )
        await switching.begin(self._store, self.world.routes())
        return switching

    async def _people(self, orders: list[HistoryOrder]) -> None:
        """Buyers and staff, spread over the minutes of the plan."""
        trade, rng = self.world.trade, self._rng
        gap_s = self.plan.minutes * 60 / max(1, len(orders))
        for order in orders:
            await self.clock.sleep(rng.expovariate(1 / gap_s))
            placed = trade.place(order)
            draw = rng.random()
            if placed is not None and draw < 0.08 and self.plan.second_thoughts:
                self.loop.create_task(self._change_of_mind(placed, rng.uniform(0, 400), rng.random()))
            if draw > 0.35:
                trade.withdraw()
            if rng.random() < 0.1:
                trade.receive(5)
                self.received += 1
            if rng.random() < 0.6:
                trade.ship(3)

    async def _change_of_mind(self, order_id: int, after_s: float, draw: float) -> None:
        await self.clock.sleep(after_s)
        shop = self.world.shop_side
        if shop.cancelled(order_id) or shop.sent(order_id):
            return
        self.edits += shop.cancel(order_id, restock=draw < 0.35) if draw < 0.5 else shop.cut(order_id)

    async def _watch(self) -> None:
        """Look for alarms all the time, as a person does; without faults there must be none.

        Whatever is late counts at once. The rest counts if it still stands at the next look: a number
        that moved before its order was heard of is explained within seconds.
        """
        before: set[str] = set()
        while True:
            await self.clock.sleep(ALARM_STEP_S)
            if self.engine is None:
                continue
            seen = await status(self.engine, self.clock.now_ms())
            for problem in seen.problems:
                if problem.severity == "late" or problem.where in before:
                    at_s = round(self.clock.monotonic())
                    self.alarms[f"after {at_s} s, {problem.severity}: {problem.text}"] = None
            before = {problem.where for problem in seen.problems}

    # --- what goes wrong ----------------------------------------------------------------------------

    async def _break_things(self) -> None:
        """One trouble after the other, several at once; each is counted when it begins."""
        rng = self._rng
        troubles = troubles_of(self.world, self._outbound.faults, self._inbound.faults, self.plan.troubles)

        async def happen(trouble: Trouble) -> None:
            trouble.begin()
            self.faults[trouble.name] += 1
            await self.clock.sleep(rng.uniform(5, 90))
            mending = trouble.end()
            if mending is not None:
                with contextlib.suppress(Killed):
                    await mending

        running: dict[str, asyncio.Task[None]] = {}
        while True:
            await self.clock.sleep(rng.expovariate(1 / 35))
            trouble = troubles[rng.randrange(len(troubles))]
            if trouble.name in running and not running[trouble.name].done():
                continue
            running[trouble.name] = self.loop.create_task(happen(trouble))

    def _mend(self) -> None:
        for side in self.world.sides():
            faults = side.simulator.faults
            fresh = type(faults)()
            for name in fresh.__slots__:
                setattr(faults, name, getattr(fresh, name))
        for transport in (self._outbound, self._inbound):
            calm = NetworkFaults()
            for name in calm.__slots__:
                setattr(transport.faults, name, getattr(calm, name))

    async def _converge(self) -> tuple[list[str], float]:
        """Everything must agree within a bounded time once nothing goes wrong any more."""
        began = self.clock.monotonic()
        problems = ["not looked yet"]
        while problems and (self.clock.monotonic() - began) * 1000 < CONVERGE_MS_MAX:
            await self.clock.sleep(STEP_S)
            if not self.plan.leaves_open:
                self.world.trade.ship(5)
            problems = await self.problems()
        return problems, self.clock.monotonic() - began

    def _effects(self) -> Counter[str]:
        """What the vendors did for us, calls that only log in left out."""
        shop, erp = (side.simulator.ledger.effects for side in self.world.sides())
        effects = Counter({f"shop {name}": count for name, count in shop.items()})
        effects.update({f"erp {name}": count for name, count in erp.items() if name != "token"})
        return effects

    async def _reconcile(self) -> list[str]:
        """A proof of what agrees names nothing; one of what was planted names just that, and mends it."""
        assert self.engine is not None
        assert self.staff is not None
        world, reconciler = self.world, self.engine.reconciler
        await self.clock.sleep(STEP_S)
        found, problem = await prove(reconciler, self._store, self.clock, dry_run=True)
        true = await untold(world, self.staff, reconciler.routes(), self._store)
        wrong = {one for one in found - true if not explained(world, one)}
        problems = [problem] if problem else []
        problems += [f"{len(wrong)} differences where there are none: {sorted(wrong)[:3]}"] if wrong else []
        await self.clock.sleep(
            QUIET_S
        )  # documents of a moment ago are read once more, and their figures with them
        disagreement = Disagreement(world, Random(self._rng.getrandbits(64)))
        planted = disagreement.plant()
        again, problem = await prove(reconciler, self._store, self.clock, dry_run=False)
        problems += [problem] if problem else []
        for text, odd in (("were not found", planted - again), ("were not planted", again - found - planted)):
            if odd:
                problems.append(f"{len(odd)} differences {text}: {sorted(odd)[:3]}")
        disagreement.undo()
        more, _ = await self._converge()
        return problems + more

    async def _restart_idle(self) -> list[str]:
        """Recovery is idempotent: restarts with nothing to do have no effect."""
        if not self.plan.restarts:
            return []
        await self.clock.sleep(STEP_S)
        await self._prepare()  # subscriptions that were removed last are nothing to do with a restart
        before = self._effects()
        for _ in range(self.plan.restarts):
            await self._kill("idle")
            self._start()
            await self.clock.sleep(self._rng.uniform(0.0, 20.0))
        await self.clock.sleep(3 * STEP_S)
        return [
            f"{count} {what} by restarts with nothing to do"
            for what, count in (self._effects() - before).items()
        ]

    def _changes(self) -> int:
        """Facts that came to be in one system and concern another, counted from the simulators."""
        world = self.world
        return (
            sum(world.shop_side.facts(order_id) for order_id in world.trade.placed)
            + self.edits
            + sum(parcel.lines for parcel in world.erp_side.shipments())
            + world.trade.withdrawals
            + 5 * self.received
        )

    async def _report(self, problems: list[str], after_s: float) -> Report:
        world = self.world
        rows = await self._store.read("parked_open", after=0, limit=100)
        shop, erp = (side.simulator.ledger for side in world.sides())
        breaches = shop.breaches + erp.breaches
        digests = f"{world.shop_side.digest()} {world.erp_side.digest()}"
        calls = (shop.calls_by_operation + erp.calls_by_operation).total()
        report = Report(
            seed=self.seed,
            truth=world.trade.truth(),
            changes=self._changes(),
            faults=self.faults,
            hits=self._outbound.met + self._inbound.met,
            kills=self.kills,
            skew_ms=self.skew_ms,
            calls=calls,
            acknowledged=len(self._inbound.acknowledged),
            breaches=Counter({k: v for k, v in breaches.items() if v}),
            parked=[f"{row[1]} {row[2]} {row[3]!r}: {row[4]} ({row[5]})" for row in rows],
            alarms=list(self.alarms),
            converged_after_s=after_s,
            virtual_s=self.clock.monotonic(),
            digest=hashlib.sha256(digests.encode()).hexdigest(),
        )
        report.violations = [*problems, *self._never(report), *await self._forgotten()]
        return report

    async def _forgotten(self) -> list[str]:
        """What was acknowledged is in the log, whatever happened afterwards."""
        logged = {(e.event.system, e.event.event_id) for e in await self._store.events(0, 1_000_000)}
        missing = sorted(self._inbound.acknowledged - logged)
        return [f"{len(missing)} acknowledged events are not in the log: {missing[:3]}"] if missing else []

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
                (
                    truth.fulfilments_shipped - truth.fulfilments_at_shop - explained,
                    "shipments not at the shop",
                ),
                (truth.payments_taken - truth.payments_in_erp, "payments not in the ERP"),
                (0 if self.plan.leaves_open else world.trade.to_ship(), "orders nobody shipped"),
            )
            if count > 0
        ]
        mismatches = world.trade.mismatches()
        if mismatches:
            found.append(f"{len(mismatches)} numbers differ: {mismatches[:3]}")
        if self.pricing is not None:
            found += self.pricing.problems({row[3] for row in parked if row[2] in STATE_OPERATIONS})
        if self.merchandise is not None:
            found += self.merchandise.problems({row[3] for row in parked if row[2] in STATE_OPERATIONS})
        if not world.quiet():
            found.append("webhooks under way")
        return found

    def _never(self, report: Report) -> list[str]:
        """What must not have happened at any time."""
        truth = report.truth
        payments = Counter(self.world.erp_side.payments())
        broken = [law for side in self.world.sides() for law in side.check()]
        return [
            f"{count} {what}"
            for count, what in (
                (truth.orders_duplicated, "orders doubled in the ERP"),
                (truth.fulfilments_doubled, "shipments doubled at the shop"),
                (payments.total() - len(payments), "payments doubled in the ERP"),
                (len(broken), f"laws of the vendors' books that do not hold: {broken[:3]}"),
                (report.breaches.get("concurrency", 0), "calls over the ERP's concurrency"),
                (report.breaches.get("throttled", 0), "calls over the shop's budget"),
                (report.breaches.get("unknown_field", 0), "unknown fields sent"),
                (report.breaches.get("doubled_lines", 0), "orders whose lines were doubled"),
                (report.breaches.get("stale_write_repeated", 0), "stale writes repeated unchanged"),
                (report.breaches.get("missing_idempotency", 0), "writes without a key"),
                *(
                    (count, f"breaches of {kind}")
                    for side in self.world.sides()
                    for kind, count in side.simulator.ledger.breaches.items()
                    if side.strict and kind not in ("auth", "unknown_field")
                ),
            )
            if count > 0
        ] + [
            problem
            for people in (self.pricing, self.merchandise)
            if people is not None
            for problem in people.never()
        ]


def _only_death(result: object) -> None:
    """A killed task may only end by having been killed."""
    if isinstance(result, BaseExceptionGroup):
        for inner in result.exceptions:
            _only_death(inner)
    elif isinstance(result, Exception) or (
        isinstance(result, BaseException) and not isinstance(result, Killed | asyncio.CancelledError)
    ):
        raise result
