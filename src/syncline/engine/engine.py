"""The engine: every part of the way, put together and run as tasks of one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from random import Random

import structlog

from syncline.engine.adoption import Adoption, AdoptRules
from syncline.engine.apply.applier import Applier
from syncline.engine.apply.credit import CreditNews
from syncline.engine.apply.full_read import FullReads
from syncline.engine.apply.full_states import FullStateReads
from syncline.engine.audit import Audit
from syncline.engine.capture.ingress import Ingress
from syncline.engine.capture.poller import Poller
from syncline.engine.catalog import Catalog
from syncline.engine.credit import CreditGate
from syncline.engine.delivery.build import Builder
from syncline.engine.delivery.lane import Lane
from syncline.engine.delivery.pace import Pace
from syncline.engine.derive.anew import Anew
from syncline.engine.derive.buffers import AutoBuffers, Checkout
from syncline.engine.derive.credit import CreditFlow
from syncline.engine.derive.customers import CustomerFlow
from syncline.engine.derive.demand import DemandLearner
from syncline.engine.derive.prices import PriceFlow
from syncline.engine.derive.products import ProductFlow
from syncline.engine.derive.states import StateDeriver
from syncline.engine.derive.states_anew import StatesAnew
from syncline.engine.derive.stock import StockDeriver
from syncline.engine.holds import Holds
from syncline.engine.ids import Ids
from syncline.engine.leases import TTL_MS, Lease
from syncline.engine.mappings import Mappings
from syncline.engine.modes import INTERVAL_MS as MODES_INTERVAL_MS
from syncline.engine.modes import ModeWatch
from syncline.engine.notices import Notices
from syncline.engine.price_query import PriceQuery
from syncline.engine.privacy.eraser import Eraser
from syncline.engine.privacy.intake import Intake
from syncline.engine.reconcile.differences import Settings
from syncline.engine.reconcile.reconciler import Reconciler
from syncline.engine.reconcile.wiring import reconciler_of
from syncline.engine.retention import DETAILS_KEPT_MS, Janitor
from syncline.engine.retiring import ORDERS_KEPT_MS, Retirement
from syncline.engine.rewind import Rewind
from syncline.engine.routes import LEFT_OUT, OPERATIONS_OF, Route, Routes
from syncline.engine.routing import Router
from syncline.engine.shadow import ShadowReader
from syncline.engine.states import States
from syncline.engine.survey import Survey
from syncline.engine.words import operation_title
from syncline.freshness.bounds import Detection, bound
from syncline.freshness.risk import EPSILON
from syncline.freshness.velocity import Thresholds
from syncline.model.change import Flow, Kind
from syncline.model.errors import Misconfigured
from syncline.ports import Clock, Ledger, PollStream, Row, Store, System, Write
from syncline.routing.policy import Policy

POLL_INTERVAL_MS = 240_000  # a missed order is found within five minutes, its read included
RECONCILE_INTERVAL_MS = 86_400_000
ITEMS_INTERVAL_MS = 3_600_000
READS_PER_TOLERANCE = (
    4  # of what only full reads tell: the rest of the time is for riding along and for retries
)
ON_DEMAND = Settings(every_ms=0)

log = structlog.get_logger(__name__)


class Engine:
    """One running Syncline. Time, randomness, storage and systems are given to it."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        rng: Random,
        systems: Sequence[System],
        routes: Routes,
        owner: str = "",
        calls_max: Mapping[str, int] | None = None,
        items_interval_ms: int = ITEMS_INTERVAL_MS,
        lease_ttl_ms: int = TTL_MS,
        modes_interval_ms: int = MODES_INTERVAL_MS,
        epsilon: float = EPSILON,
        checkouts: Mapping[str, Checkout] | None = None,
        hears_events: bool = True,
        thresholds: Thresholds | None = None,
        adopt: Mapping[str, AdoptRules] | None = None,
        reconcile: Settings = ON_DEMAND,
        routing: Policy | None = None,
        ledger: Ledger | None = None,
        orders_kept_ms: int = ORDERS_KEPT_MS,
        details_kept_ms: int = DETAILS_KEPT_MS,
    ) -> None:
        self.store = store
        self.clock = clock
        self.systems = {system.name: system for system in systems}
        self.routes = routes
        for route in routes.all:
            for name in (route.source, route.sink):
                if name not in self.systems:
                    raise Misconfigured(f"route {route.name}: no [systems.{name}] is configured")
            _require(self.systems[route.source], self.systems[route.sink], route)
        self._items_interval_ms = items_interval_ms
        self._hears_events = hears_events
        self.ids = Ids(clock, rng)
        self.rewind = Rewind(store, clock, routes)
        self.notices = Notices(clock)
        self.audit = Audit(store, clock)
        self.paces = {system.name: Pace(clock.monotonic()) for system in systems}
        owner = owner or self.ids.new()
        self.catalog = Catalog(store)
        self.adoption = Adoption(store, routes, adopt or {})
        self.learner = DemandLearner(store, epsilon=epsilon, category_of=self.catalog.category)
        self.states = States(
            routes, (PriceFlow(), ProductFlow(self.catalog, routes), CustomerFlow(), CreditFlow())
        )
        if problem := self.states.impossible(self.systems):
            raise Misconfigured(problem)
        self.contents = StateDeriver(store, clock, self.catalog, self.states)
        self.deriver = StockDeriver(store, clock, self.catalog, routes, self.systems, self.learner)
        self._apply_lease = Lease(store, clock, "apply", owner, ttl_ms=lease_ttl_ms)
        self.mode_watch = ModeWatch(store, clock, routes, self._modes_changed, modes_interval_ms)
        self.modes = self.mode_watch.modes
        self.applier = Applier(
            store=store,
            clock=clock,
            systems=self.systems,
            routes=routes,
            catalog=self.catalog,
            deriver=self.deriver,
            learner=self.learner,
            lease=self._apply_lease,
            offer=self.offer,
            offer_open=self._offer_open,
            adoption=self.adoption,
            ours_since=self.modes.ours_since,
            states=self.states,
            contents=self.contents,
            routed=routing.channels if routing is not None else (),
            credit=CreditNews(store, routes),
            intake=(intake := Intake(store)),
        )
        self.eraser = Eraser(
            store=store,
            clock=clock,
            routes=routes,
            systems=self.systems,
            applier=self.applier,
            intake=intake,
            audit=self.audit,
            ledger=ledger,
        )
        self.full_states = FullStateReads(
            store, clock, self.systems, self.states, self.applier, self.contents.marked
        )
        self.router = (
            None
            if routing is None
            else Router(store, clock, self.catalog, routes, self.systems, self.deriver, routing)
        )
        self.mappings = Mappings(store, clock, routes, self.systems)
        self.full_reads = FullReads(store, clock, self.systems, routes, self.catalog, self.applier)
        self.ingress = Ingress(store, clock, self.systems, self.applier.hear, self._announced)
        self.lanes = {
            name: Lane(
                system=system,
                store=store,
                clock=clock,
                rng=rng,
                ids=self.ids,
                routes=routes,
                builder=Builder(
                    store,
                    self.catalog,
                    routes,
                    self.deriver,
                    name,
                    self.rewind,
                    self.adoption,
                    self.contents,
                    router=self.router,
                    mappings=self.mappings,
                    ships_where_allocated=system.capabilities.ships_where_allocated,
                    modes=self.modes,
                ),
                lease=Lease(store, clock, f"lane:{name}", owner, ttl_ms=lease_ttl_ms),
                on_stored=self.applier.wake,
                on_stale=self._on_stale,
                offer=self.offer,
                rewind=self.rewind,
                modes=self.modes,
                **({"calls_max": calls_max[name]} if calls_max and name in calls_max else {}),
            )
            for name, system in self.systems.items()
        }
        self.deriver.watch(
            lambda system, order_key: self.lanes[system].works_on(order_key),
            lambda system, keys: self.lanes[system].at_rest(keys),
            self.applier.wake,
        )
        self.contents.watch(
            lambda system, operation, keys: self.lanes[system].at_rest(keys, operation), self.applier.wake
        )
        self.pollers = [
            Poller(
                system=system,
                stream=stream,
                interval_ms=self._interval_ms(system, stream),
                store=store,
                clock=clock,
                rng=rng,
                on_stored=self.applier.wake,
                applied=self.applier.reached,
                judge=self._judge(system.name, stream),
            )
            for system in systems
            for stream in system.source.streams
            if self._interval_ms(system, stream)
        ]
        self.buffers = AutoBuffers(
            clock,
            self.catalog,
            routes,
            self.systems,
            self.learner,
            detection_ms=self._order_detection_ms,
            checkouts=checkouts or {},
        )
        self.deriver.buffers(self.buffers.units)
        self.survey = Survey(
            store,
            clock,
            self.catalog,
            routes,
            self.systems,
            self.learner,
            self.buffers,
            thresholds=thresholds or Thresholds(),
            guard=lambda: self._apply_lease.guard,
            wake=self.applier.wake,
        )
        self.deriver.tolerances(self.survey.tolerances)
        self.holds = Holds(store, clock, self.catalog, routes, self.systems, self.applier.wake, self.deriver)
        self.price_query = PriceQuery(
            store, clock, self.catalog, routes, self.systems, self._prices_read_ms, self._price_bound_ms
        )
        self.credit = CreditGate(
            store, clock, routes, self.systems, self.wake_contents, self._credit_bound_ms
        )
        self.contents.beside(Kind.CREDIT, self.credit.ours)
        self._anew = Anew(store, clock, routes, self.applier.wake)
        self.states_anew = StatesAnew(store, clock, self.states, self.wake_contents)
        self.shadow_reader = ShadowReader(self)
        self.reconciler: Reconciler = reconciler_of(self, reconcile, lambda: self._apply_lease.guard)
        self.retirement = Retirement(
            store,
            clock,
            routes,
            {name: system.capabilities for name, system in self.systems.items()},
            self.applier.between,
            kept_ms=orders_kept_ms,
        )
        self.janitor = Janitor(
            store, clock, lambda: self.applier.offset, self.retirement.round, details_kept_ms=details_kept_ms
        )

    def _judge(self, system: str, stream: PollStream) -> Callable[[], Awaitable[None]] | None:
        """What judges a stream's full reads; ``None`` for those that nothing is concluded from."""
        if stream.snapshot and self.full_states.concerns(system, stream):
            return partial(self.full_states.judge, system)
        judged = stream.snapshot and (Flow.INVENTORY in stream.flows or Flow.CATALOG in stream.flows)
        return partial(self.full_reads.judge, system) if judged and self.full_reads.concerns(system) else None

    def _interval_ms(self, system: System, stream: PollStream) -> int:
        """How often a stream is read: the shortest interval of the routes that it serves; 0: never."""
        if Flow.CATALOG in stream.flows:
            return (
                min(self._items_interval_ms, POLL_INTERVAL_MS) if stream.arrives else self._items_interval_ms
            )
        intervals = [
            self._route_interval_ms(system, route, snapshot=stream.snapshot and not stream.arrives)
            for route in self.routes.all
            if stream.tells(route.flow) and route.source == system.name
        ]
        return min(intervals, default=0)

    def _route_interval_ms(self, system: System, route: Route, *, snapshot: bool) -> int:
        """Full reads prove delta reads once in a while; where there are none they are all that tells of a change."""
        if not snapshot:
            return route.poll_interval_ms or POLL_INTERVAL_MS
        deltas = any(not one.snapshot and one.tells(route.flow) for one in system.source.streams)
        if deltas or self.states.flow_of(route.name) is None:
            return route.reconcile_interval_ms or RECONCILE_INTERVAL_MS
        return route.poll_interval_ms or max(POLL_INTERVAL_MS, route.tolerance_ms // READS_PER_TOLERANCE)

    def _price_reads(self, system: str) -> list[Poller]:
        return [p for p in self.pollers if p.system.name == system and Flow.PRICES in p.stream.flows]

    def _prices_read_ms(self, system: str) -> int:
        """When a system's prices were last confirmed whole."""
        return max((p.covers_ms for p in self._price_reads(system) if p.stream.snapshot), default=0)

    def _price_bound_ms(self, route: Route) -> int | None:
        """How long a change of a price may stay unknown here, where all goes well."""
        return _found_ms(self._price_reads(route.source))

    def _credit_bound_ms(self, route: Route) -> int | None:
        """The same of an account's figures, which are read whole each time."""
        reads = [p for p in self.pollers if p.system.name == route.source and Flow.CREDIT in p.stream.flows]
        return _found_ms(reads)

    def wake_contents(self) -> None:
        """Contents of state records were marked."""
        self.contents.marked()
        self.applier.wake()

    def _order_detection_ms(self, channel: str) -> int:
        """How long an order of a channel usually takes to be known; without any way to hear of it, until a full read."""
        capabilities = self.systems[channel].capabilities
        reads = [
            poller
            for poller in self.pollers
            if poller.system.name == channel and Flow.ORDERS in poller.stream.flows
        ]
        usual = bound(
            Detection(
                event_delay_ms=capabilities.event_delay_ms
                if capabilities.webhooks and self._hears_events and self.hears(channel)
                else 0,
                poll_interval_ms=min(
                    (one.interval_ms for one in reads if not one.stream.snapshot or one.stream.arrives),
                    default=0,
                ),
                reconcile_interval_ms=min(
                    (one.interval_ms for one in reads if one.stream.snapshot and not one.stream.arrives),
                    default=0,
                ),
            ),
            queue_ms=0,
            send_ms=0,
        )
        return RECONCILE_INTERVAL_MS if usual.normal_ms is None else usual.normal_ms

    def hears(self, system: str) -> bool:
        """Whether a system's events are wanted: unless every route from it does without."""
        wanted = [one.events for one in self.routes.all if one.source == system]
        return not wanted or any(wanted)

    @property
    def guard(self) -> Write:
        """Makes a transaction fail with ``Fenced`` once another worker applies the log of this store."""
        return self._apply_lease.guard

    def offer(self, rows: Sequence[Row]) -> None:
        """Deliveries were touched: tell the lanes that drive them."""
        for row in rows:
            lane = self.lanes.get(row[0])
            if lane is not None:
                lane.offer(row)

    async def _offer_open(self) -> None:
        """Tell the lanes of all that is open."""
        for lane in self.lanes.values():
            await lane.look_in_store()

    def _wake_lanes(self) -> None:
        for lane in self.lanes.values():
            lane.wake()

    def _modes_changed(self, routes: Collection[str]) -> None:
        for lane in self.lanes.values():
            lane.changed(routes)
        self.shadow_reader.wake()

    def _on_stale(self, channel: str) -> None:
        """The channel's number moved without us: perhaps an order that we have not heard of."""
        for poller in self.pollers:
            if poller.system.name == channel and Flow.ORDERS in poller.stream.flows:
                poller.nudge()

    def read_changes(self, system: str) -> None:
        """Read a system's changes now: events of the last while may not have reached us."""
        for poller in self.pollers:
            if poller.system.name == system and not poller.stream.snapshot:
                poller.nudge()

    def _announced(self, system: str, streams: Sequence[str]) -> None:
        for poller in self.pollers:
            if poller.system.name == system and poller.stream.name in streams:
                poller.announce()

    async def read_again(self, system: str) -> None:
        """Read all of a system's stock now, and believe it however much it takes away."""
        await self.applier.accept_cuts(system)
        for poller in self.pollers:
            if (
                poller.system.name == system
                and poller.stream.snapshot
                and Flow.INVENTORY in poller.stream.flows
            ):
                if poller.stream.arrives:
                    await poller.forget()  # nothing new need have come: what came last is told once more
                poller.nudge()

    async def run(self) -> None:
        """Run until cancelled.

        Raises:
            Misconfigured: an adoption was broken off in the middle of its writing.
            Busy: another worker drives a lane, or the log, of this store.
            Fenced: another worker took over.
        """
        await self._apply_lease.take()
        await self.adoption.load()
        await self.mode_watch.refresh()
        await self.catalog.load(self.systems)
        await self.rewind.load()
        await self.eraser.begin()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.applier.run(), name="apply")
            group.create_task(self._apply_lease.keep(), name="renew")
            group.create_task(self._anew.run(), name="anew")
            group.create_task(self.states_anew.run(), name="states anew")
            group.create_task(self.janitor.run(), name="janitor")
            group.create_task(self.eraser.run(), name="erase")
            group.create_task(self.holds.run(), name="holds")
            group.create_task(self.credit.run(), name="credit")
            group.create_task(self.survey.run(), name="survey")
            group.create_task(self.rewind.run(self.applier, self.pollers, self._wake_lanes), name="rewind")
            group.create_task(self.mode_watch.run(), name="modes")
            group.create_task(self.shadow_reader.run(), name="shadow")
            group.create_task(self.reconciler.run(), name="reconcile")
            for lane in self.lanes.values():
                group.create_task(lane.run(), name=f"lane {lane.system.name}")
            for name, system in self.systems.items():
                if system.listen is not None:
                    group.create_task(system.listen(partial(self._announced, name)), name=f"listen {name}")
            for poller in self.pollers:
                group.create_task(poller.run(), name=f"poll {poller.system.name}.{poller.stream.name}")
            log.info("running", action="engine_started", systems=list(self.systems))

    async def stop(self) -> None:
        """After ``run`` was cancelled: let calls in flight end, and let go of the leases."""
        await asyncio.gather(*(lane.stop() for lane in self.lanes.values()))
        await self._apply_lease.drop()

    def quiet(self) -> bool:
        """Nothing waits and nothing is under way in memory (what waits for its moment counts)."""
        return all(lane.pending() == 0 for lane in self.lanes.values())


def _found_ms(reads: Sequence[Poller]) -> int | None:
    """How long a change may stay unknown until one of these reads tells of it; ``None``: nobody can say.

    Somebody else decides when there is something to read where it arrives.
    """
    if any(poller.stream.arrives for poller in reads):
        return None
    return max((poller.interval_ms + poller.read_ms for poller in reads), default=None)


def _require(source: System, sink: System, route: Route) -> None:
    """Refuse a route whose sink cannot do what it would be asked for; what prices and products need, ``States`` knows.

    What cannot be done would wait for ever, so somebody has to say that it is left out.
    """
    if route.flow in (Flow.PRICES, Flow.CATALOG):
        return
    for number, operation in enumerate(OPERATIONS_OF.get(route.flow, ())):
        if operation in sink.sink.operations or operation in route.left_out:
            continue
        word = next((word for word, one in LEFT_OUT.items() if one == operation), "")
        mend = (
            f'write leave_out = ["{word}"] in it if that is done otherwise'
            if number
            else "take the route out"
        )
        raise Misconfigured(
            f"route {route.name}: {sink.connector} has no way to {operation_title(operation)}; {mend}"
        )
    answers = route.flow in (Flow.PAYMENTS, Flow.RETURNS)
    if answers and not any(route.flow in stream.flows for stream in source.source.streams):
        raise Misconfigured(f"route {route.name}: {source.connector} tells nothing of {route.flow.value}")
