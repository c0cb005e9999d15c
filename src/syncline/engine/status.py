"""How things stand: every route, lane, read and webhook address, and one verdict over all of it.

Computed from the store and the running engine, for the screen, the API, the metrics and the
command line alike. Nothing in it is personal data or a secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncline.engine.delivery.lane import CALLS_MAX
from syncline.engine.endings import Ending, endings_of
from syncline.engine.engine import Engine
from syncline.engine.held import HeldAt, held_by_channel
from syncline.engine.modes import Mode
from syncline.engine.notices import Drift, Subscriptions
from syncline.engine.reconcile.history import (
    RouteProof,
    route_proofs,
    troubles,
)
from syncline.engine.routes import OPERATIONS_OF, Route
from syncline.engine.survey import RecoveredAt
from syncline.freshness.bounds import Detection, bounds_of, percentile
from syncline.model.capabilities import LimitKind
from syncline.model.change import Flow
from syncline.model.delivery import DeliveryState
from syncline.ports import Row

WINDOW_MS = 3_600_000  # what "the last hour" means
LAGS_MAX = 2_000  # newest lags read for percentiles and the strip; counts are always complete
SENDS_MAX = 2_000
SENDS_WINDOW_MS = 600_000
SEND_ASSUMED_MS = 1_000  # until a call was measured
UNSEEN_MAX = 200
UNSEEN_GRACE_MS = 60_000  # an order usually explains a fall within seconds
GRACE_MS = 5_000  # a read that is this late is not news yet
TEXT_MAX = 300
KEPT_SHARE_MIN = 0.99
KEPT_SAMPLE_MIN = 20  # fewer changes make no meaningful share

FOLLOWS_ORDER = ("put_payment", "put_refund")
FOLLOWERS_MAX = 5  # payments and refunds of one order


@dataclass(frozen=True, slots=True)
class Lags:
    """What was measured on the changes that landed in the last hour.

    ``apart`` came too late because they waited while the route was paused or in shadow. They are among those
    ``delivered``; neither the share nor the durations contain them.
    """

    delivered: int
    kept: int
    kept_share: float | None
    p50_ms: int
    p99_ms: int
    max_ms: int
    apart: int = 0


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """One route. ``age_ms`` of ``None``: its source was never read whole yet.

    ``blind``: its channel compares nothing, so that an order between a reading and the write is overwritten.
    ``window_ms`` is the mean of that time since the start, and ``exposed_unit_s`` the units offered in it, times
    seconds. ``modes`` are what a person declared for it or for its sink; ``late_apart`` counts what is past its
    deadline because of that, now or before, which ``late`` leaves out.
    """

    name: str
    flow: str
    source: str
    sink: str
    tolerance_ms: int
    age_ms: int | None
    age_limit_ms: int
    bound_ms: int | None
    bound_if_event_lost_ms: int | None
    detect_ms: int
    queue_ms: int
    send_ms: int
    send_measured: bool
    by_events: bool
    lags: Lags
    pending: int
    late: int
    parked: int
    oldest_deadline_ms: int | None
    oldest_changed_at_ms: int | None
    state: str  # ok, late, attention, starting, paused or shadow
    send_typical_ms: int = 0  # the median, where send_ms is the worst of a hundred
    late_behind_parked: int = 0  # of the late ones, those that follow an order which is parked
    blind: bool = False
    blind_writes: int = 0
    window_ms: int = 0
    window_ms_max: int = 0
    exposed_unit_s: float = 0.0
    late_apart: int = 0
    modes: tuple[Mode, ...] = ()


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """One system's lane: how much of its API limit is used, and whether it answers."""

    system: str
    connector: str
    state: str  # ok, outage, refused (the credential) or paused
    limit: float
    in_use: float
    used_share: float
    pending: int
    in_flight: int
    calls: int
    items: int
    throttled: int
    waited_s: float
    down_since_ms: int
    last_error: str
    failing_since_ms: int = 0  # nothing has worked since; 0: the last call did
    last_ok_ms: int = 0
    paused: Mode | None = None


@dataclass(frozen=True, slots=True)
class PollerStatus:
    """One stream that is read again and again."""

    system: str
    stream: str
    flows: tuple[str, ...]
    snapshot: bool
    interval_ms: int
    covers_ms: int
    age_ms: int | None
    read_ms: int
    reads: int
    failures: int
    events_found: int
    last_error: str
    trouble: str = ""  # failing, refused (the credential) or throttled
    failing_since_ms: int = 0
    last_ok_ms: int = 0


@dataclass(frozen=True, slots=True)
class IngressStatus:
    """What arrived at one system's webhook address since the start."""

    system: str
    accepts_events: bool
    accepted: int
    duplicates: int
    forged: int
    refused: int
    last_at_ms: int
    news: int = 0  # however it came
    told: int = 0  # news that events brought
    missed: int = 0  # news that a read had to find although events tell of such


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """The log, how far it has been applied, and what is known of each system's catalog.

    ``told`` counts the numbers that a system told by itself, by what they turned out to be.
    """

    kind: str
    log_end: int
    applied_to: int
    backlog: int
    applied: int
    unchanged: int
    skus: dict[str, int]
    told: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Unseen:
    """Stock that fell at a channel although nobody told us of an order."""

    system: str
    sku: str
    location: str
    units: int
    since_ms: int


@dataclass(frozen=True, slots=True)
class ParkedGroup:
    """Parked work of one kind at one system."""

    system: str
    operation: str
    reason: str
    count: int
    oldest_at_ms: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in plain words, and what to do about it. ``declared``: a person wants it so."""

    severity: str  # late or attention
    text: str
    mend: str
    where: str = ""
    declared: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """How often a channel's questions for credit were decided so, since the start."""

    channel: str
    decision: str
    reason: str
    times: int


@dataclass(frozen=True, slots=True)
class Status:
    """Everything at one moment.

    ``classes`` counts SKUs by velocity, ``recovered`` says by route what ``auto`` buffers give back; both as
    the latest hourly survey found them. ``endings`` are the credentials whose end is known, soonest first.
    """

    now_ms: int
    verdict: str  # ok, late, attention or starting
    reason: str
    mend: str
    problems: tuple[Problem, ...]
    routes: tuple[RouteStatus, ...]
    lanes: tuple[LaneStatus, ...]
    pollers: tuple[PollerStatus, ...]
    ingress: tuple[IngressStatus, ...]
    store: StoreStatus
    parked: int
    parked_groups: tuple[ParkedGroup, ...]
    drift: tuple[Drift, ...]
    subscriptions: tuple[Subscriptions, ...]
    unseen: tuple[Unseen, ...]
    holds: tuple[HeldAt, ...]
    classes: dict[str, int]
    recovered: dict[str, RecoveredAt]
    proofs: tuple[RouteProof, ...]
    decisions: tuple[Decided, ...] = ()
    endings: tuple[Ending, ...] = ()


def missed_often(lags: Lags) -> bool:
    """Whether more of the last hour's changes came too late than may pass without a word."""
    counted = lags.delivered - lags.apart
    return lags.kept_share is not None and counted >= KEPT_SAMPLE_MIN and lags.kept_share < KEPT_SHARE_MIN


def clean(text: str) -> str:
    """A vendor's words, short and without control characters."""
    return "".join(c if c.isprintable() else " " for c in text)[:TEXT_MAX]


async def status(engine: Engine, now_ms: int) -> Status:
    """Look at everything once. Reads the store, changes nothing."""
    from syncline.engine.verdict import judge  # it judges what this module defines

    covers = {(system, stream): at for system, stream, at in await engine.store.read("cursors")}
    work = await engine.store.read("delivery_summary", now_ms=now_ms)
    sends = await _sends(engine, now_ms)
    pollers = tuple(_pollers(engine, covers, now_ms))
    lanes = tuple(_lanes(engine, work))
    routes = []
    for route in engine.routes.all:
        lags = await _lags(engine, route, now_ms)
        mine = [row for row in work if row[2] == route.name]
        late = sum(row[7] for row in mine if row[3] != DeliveryState.PARKED)
        apart = await _late_apart(engine, route, late, now_ms)
        routes.append(_route(engine, route, pollers, lags, mine, apart, sends, now_ms))
    groups = tuple(ParkedGroup(*row) for row in await engine.store.read("parked_groups"))
    parked = (await engine.store.read("parked_count"))[0][0]
    fallen = await engine.store.read("unseen", limit=UNSEEN_MAX)
    since = engine.notices.fallen(fallen)
    unseen = tuple(
        Unseen(system, key.partition("\x1f")[0], key.partition("\x1f")[2], units, since[system, key])
        for system, key, units, _ in fallen
        if now_ms - since[system, key] >= UNSEEN_GRACE_MS
    )
    ingress = tuple(
        IngressStatus(
            system=name,
            accepts_events=engine.systems[name].capabilities.webhooks,
            accepted=counts.accepted,
            duplicates=counts.duplicates,
            forged=counts.forged,
            refused=counts.refused,
            last_at_ms=counts.last_at_ms,
            news=engine.applier.news.all[name],
            told=engine.applier.news.told[name],
            missed=engine.applier.news.missed(name, now_ms),
        )
        for name, counts in engine.ingress.received.items()
    )
    store = await _store(engine)
    proofs = await route_proofs(engine)
    by_itself = engine.reconciler.settings.every_ms > 0
    problems = (
        *judge(routes, lanes, pollers, ingress, store, parked, unseen, now_ms),
        *(Problem("attention", *trouble) for trouble in troubles(proofs, by_itself=by_itself)),
    )
    starting = bool(routes) and any(route.state == "starting" for route in routes)
    if problems:
        verdict, reason, mend = problems[0].severity, problems[0].text, problems[0].mend
    elif not routes:
        verdict, reason = "attention", "No route is configured."
        mend = "Add [[routes]] to syncline.toml; syncline init writes an example."
    elif engine.rewind.catching_up:
        verdict, reason = (
            "starting",
            "The store was restored: what came after its backup is being read again.",
        )
        mend = "Nothing to do: numbers are sent once that has ended."
    elif starting:
        verdict, reason = "starting", "Syncline is reading its systems for the first time."
        mend = "Nothing to do: this ends by itself."
    else:
        verdict, reason, mend = "ok", "Everything is within its tolerance.", ""
    return Status(
        now_ms=now_ms,
        verdict=verdict,
        reason=reason,
        mend=mend,
        problems=problems,
        routes=tuple(routes),
        lanes=lanes,
        pollers=pollers,
        ingress=ingress,
        store=store,
        parked=parked,
        parked_groups=groups,
        drift=tuple(engine.notices.drifts.values()),
        subscriptions=tuple(engine.notices.audits.values()),
        unseen=unseen,
        holds=await held_by_channel(engine),
        classes=engine.survey.latest.classes,
        recovered=engine.survey.latest.recovered,
        proofs=proofs,
        decisions=tuple(Decided(*at, times) for at, times in sorted(engine.credit.decided.items())),
        endings=endings_of(engine.systems.values(), now_ms),
    )


async def lag_rows(engine: Engine, route: str, now_ms: int) -> list[Row]:
    """The newest lags of the last hour: (key, delivered_at_ms, lag_ms, kept), newest first."""
    return await engine.store.read("lags", route=route, since=now_ms - WINDOW_MS, limit=LAGS_MAX)


async def _lags(engine: Engine, route: Route, now_ms: int) -> Lags:
    totals = await engine.store.read("lag_totals", route=route.name, since=now_ms - WINDOW_MS)
    delivered, kept, longest = totals[0]
    if not delivered:
        return Lags(0, 0, None, 0, 0, 0)
    rows = await lag_rows(engine, route.name, now_ms)
    apart = 0
    if engine.modes.stopped_until(route.name):
        ((apart, longest),) = await engine.store.read(
            "lags_apart", route=route.name, sink=route.sink, since=now_ms - WINDOW_MS
        )
        rows = [
            row
            for row in rows
            if row[3] or not engine.modes.stopped_within(route.name, row[1] - row[2], row[1])
        ]
    values = sorted(row[2] for row in rows)
    return Lags(
        delivered=delivered,
        kept=kept,
        kept_share=kept / (delivered - apart) if delivered > apart else None,
        p50_ms=percentile(values, 0.5) if values else 0,
        p99_ms=percentile(values, 0.99) if values else 0,
        max_ms=longest,
        apart=apart,
    )


async def _late_apart(engine: Engine, route: Route, late: int, now_ms: int) -> int:
    """Of what is past its deadline: what waits, or waited, because a person declared it."""
    stopped_until_ms = engine.modes.stopped_until(route.name)
    if not late or not stopped_until_ms:
        return 0
    if engine.modes.stop_of(route.name):
        return late
    rows = await engine.store.read(
        "late_apart", system=route.sink, route=route.name, now_ms=now_ms, before=stopped_until_ms
    )
    return int(rows[0][0])


async def _sends(engine: Engine, now_ms: int) -> dict[tuple[str, str], list[int]]:
    """How long recent calls took from intent to result, in order of length."""
    # Intent ids begin with their moment (UUID version 7), so the primary key finds the recent ones.
    moment = f"{now_ms - SENDS_WINDOW_MS:012x}"
    after = f"{moment[:8]}-{moment[8:]}"
    rows = await engine.store.read("send_times", after=after, limit=SENDS_MAX)
    found: dict[tuple[str, str], list[int]] = {}
    for system, operation, started_at_ms, finished_at_ms in rows:
        found.setdefault((system, operation), []).append(max(0, finished_at_ms - started_at_ms))
    return {at: sorted(values) for at, values in found.items()}


def _pollers(engine: Engine, covers: Mapping[tuple[str, str], int], now_ms: int) -> list[PollerStatus]:
    found = []
    for poller in engine.pollers:
        at = max(poller.covers_ms, covers.get((poller.system.name, poller.stream.name), 0))
        found.append(
            PollerStatus(
                system=poller.system.name,
                stream=poller.stream.name,
                flows=tuple(flow.value for flow in (*poller.stream.flows, *poller.stream.records)),
                snapshot=poller.stream.snapshot and not poller.stream.arrives,  # by when it is read
                interval_ms=poller.interval_ms,
                covers_ms=at,
                age_ms=now_ms - at if at else None,
                read_ms=poller.read_ms,
                reads=poller.reads,
                failures=poller.failures,
                events_found=poller.events_found,
                last_error=clean(poller.last_error),
                trouble=poller.trouble,
                failing_since_ms=poller.failing_since_ms,
                last_ok_ms=poller.last_ok_ms,
            ),
        )
    return found


def _lanes(engine: Engine, work: Sequence[Row]) -> list[LaneStatus]:
    in_flight: dict[str, int] = {}
    waiting: dict[str, int] = {}
    for row in work:
        if row[3] == DeliveryState.RUNNING:
            in_flight[row[0]] = in_flight.get(row[0], 0) + row[4]
        if row[3] != DeliveryState.PARKED:
            waiting[row[0]] = waiting.get(row[0], 0) + row[4]
    found = []
    for name, lane in engine.lanes.items():
        usage = lane.system.governor.usage()
        engine.paces[name].look(
            engine.clock.monotonic(), usage.get("calls", lane.calls), usage.get("waited_s", 0.0)
        )
        limit = usage.get("limit", 0.0)
        in_use = max(0.0, usage.get("in_use", 0.0))
        paused = engine.modes.of_system(name)
        if lane.auth_failed:
            state = "refused"
        elif lane.in_outage:
            state = "outage"
        elif paused is not None:
            state = "paused"
        else:
            state = "ok"
        found.append(
            LaneStatus(
                system=name,
                connector=lane.system.connector,
                state=state,
                limit=limit,
                in_use=in_use,
                used_share=min(1.0, in_use / limit) if limit else 0.0,
                pending=waiting.get(name, 0),
                in_flight=in_flight.get(name, 0),
                calls=round(usage.get("calls", lane.calls)),
                items=lane.items,
                throttled=round(usage.get("throttled", 0)),
                waited_s=usage.get("waited_s", 0.0),
                down_since_ms=lane.down_since_ms,
                last_error=clean(lane.last_error)
                if state not in ("ok", "paused") or lane.failing_since_ms
                else "",
                failing_since_ms=lane.failing_since_ms,
                last_ok_ms=lane.last_ok_ms,
                paused=paused,
            ),
        )
    return found


def _route(
    engine: Engine,
    route: Route,
    pollers: Sequence[PollerStatus],
    lags: Lags,
    mine: Sequence[Row],
    apart: int,
    sends: Mapping[tuple[str, str], list[int]],
    now_ms: int,
) -> RouteStatus:
    reads = [p for p in pollers if p.system == route.source and route.flow.value in p.flows]
    covers_ms = max((p.covers_ms for p in reads), default=0)
    source = engine.systems[route.source].capabilities
    detection = Detection(
        event_delay_ms=source.event_ms(route.flow) if route.events else 0,
        poll_interval_ms=min((p.interval_ms for p in reads if not p.snapshot), default=0),
        reconcile_interval_ms=min((p.interval_ms for p in reads if p.snapshot), default=0),
        read_ms=max((p.read_ms for p in reads), default=0),
    )
    waiting = [row for row in mine if row[3] != DeliveryState.PARKED]
    pending = sum(row[4] for row in waiting)
    late = sum(row[7] for row in waiting) - apart
    times = sorted(ms for op in OPERATIONS_OF.get(route.flow, ()) for ms in sends.get((route.sink, op), ()))
    sink = engine.systems[route.sink].capabilities
    send_ms = percentile(times, 0.99) if times else SEND_ASSUMED_MS + sink.applies_after_ms
    typical_ms = percentile(times, 0.5) if times else SEND_ASSUMED_MS
    going = 0 if engine.modes.stop_of(route.name) else pending  # what is held back delays nothing
    backlog_ms = _backlog_ms(engine, route, going, typical_ms)
    worst, lost_ms = bounds_of(route.tolerance_ms, detection, backlog_ms=backlog_ms, send_ms=send_ms)
    exposure = engine.lanes[route.sink].blind.exposure
    age_ms = now_ms - covers_ms if covers_ms else None
    limit_ms = max(route.tolerance_ms, lost_ms or 0) + GRACE_MS
    if late or (age_ms is not None and age_ms > limit_ms):
        state = "late"
    elif stop := engine.modes.stop_of(route.name):
        state = stop.value
    elif age_ms is None and reads:
        state = "starting"
    elif (
        any(row[3] == DeliveryState.PARKED for row in mine)
        or (worst.normal_ms or 0) > route.tolerance_ms
        or missed_often(lags)
    ):
        state = "attention"
    else:
        state = "ok"
    return RouteStatus(
        name=route.name,
        flow=route.flow.value,
        source=route.source,
        sink=route.sink,
        tolerance_ms=route.tolerance_ms,
        age_ms=age_ms,
        age_limit_ms=limit_ms,
        bound_ms=worst.normal_ms,
        bound_if_event_lost_ms=lost_ms,
        detect_ms=worst.detect_ms,
        queue_ms=worst.queue_ms,
        send_ms=send_ms,
        send_measured=bool(times),
        by_events=bool(detection.event_delay_ms),
        lags=lags,
        pending=pending,
        late=late,
        parked=sum(row[4] for row in mine if row[3] == DeliveryState.PARKED),
        oldest_deadline_ms=min((row[5] for row in waiting), default=None),
        oldest_changed_at_ms=min((row[6] for row in waiting), default=None),
        state=state,
        send_typical_ms=typical_ms,
        late_behind_parked=min(late, _behind_parked(mine)),
        blind=route.flow is Flow.INVENTORY and not sink.compare_and_set,
        blind_writes=exposure.writes,
        window_ms=round(1000 * exposure.seconds / max(1, exposure.writes)),
        window_ms_max=round(1000 * exposure.longest_s),
        exposed_unit_s=exposure.unit_seconds,
        late_apart=apart,
        modes=engine.modes.of_route(route.name),
    )


def _behind_parked(work: Sequence[Row]) -> int:
    """How many late deliveries there are of what follows an order, where orders are parked."""
    parked: int = sum(row[4] for row in work if row[3] == DeliveryState.PARKED and row[1] == "put_order")
    late: int = sum(row[7] for row in work if row[3] != DeliveryState.PARKED and row[1] in FOLLOWS_ORDER)
    return min(late, FOLLOWERS_MAX * parked)


def _backlog_ms(engine: Engine, route: Route, pending: int, call_ms: int) -> int:
    """How long what waits now would take, at the pace of the last minutes."""
    if not pending:
        return 0
    system = engine.systems[route.sink]
    operations = [system.sink.operations.get(name) for name in OPERATIONS_OF.get(route.flow, ())]
    batch = max((operation.batch_items_max for operation in operations if operation is not None), default=1)
    limit = system.governor.usage().get("limit", 1.0)
    slots = limit if system.capabilities.limit is LimitKind.CONCURRENCY else CALLS_MAX
    waited_ms = 1000 * engine.paces[route.sink].wait_s
    calls = -(-pending // batch)
    return round((calls - 1) * max(waited_ms, call_ms / max(1.0, min(slots, CALLS_MAX))))


async def _store(engine: Engine) -> StoreStatus:
    end = (await engine.store.read("log_end"))[0][0]
    rows = await engine.store.read("progress_get", consumer="apply")
    applied_to = max(engine.applier.offset, rows[0][0] if rows else 0)
    return StoreStatus(
        kind="PostgreSQL" if "ostgres" in type(engine.store).__name__ else "SQLite",
        log_end=end,
        applied_to=applied_to,
        backlog=max(0, end - applied_to),
        applied=engine.applier.applied,
        unchanged=engine.applier.unchanged,
        skus={name: engine.catalog.count(name) for name in engine.systems},
        told={
            name: {
                verdict.value: count for (at, verdict), count in engine.applier.levels.items() if at == name
            }
            for name in engine.systems
        },
    )
