"""The ways in which one flow of one source could be captured, each with its calls and what it foretells for every route."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from syncline.freshness.bounds import SEND_AT_ONCE_MS, Detection, bounds_of, waits_ms
from syncline.freshness.velocity import Velocity
from syncline.model.copying import replace
from syncline.planner.calls import (
    Work,
    bunch_calls,
    proving,
    read_ms,
    read_whole,
    reading,
    send_all_ms,
    usage,
    writing,
)
from syncline.planner.plan import Capture, SegmentPlan
from syncline.planner.question import (
    HOUR_MS,
    MINUTE_MS,
    REST,
    AskedRoute,
    AskedSegment,
    AskedSystem,
    Question,
)
from syncline.planner.stale import meeting_sales
from syncline.planner.vendors import Reads

SECOND_MS = 1_000
GROW_MAX = 24  # tries to find a tolerance that can be kept, each half as long again at least,
HALVE_MAX = 8  # and then to come nearer to what was asked for
# A little under the round figures that people promise: a read every hour cannot keep an hour, one every 55 minutes can.
LADDER_MS = (
    15 * SECOND_MS,
    30 * SECOND_MS,
    1 * MINUTE_MS,
    2 * MINUTE_MS,
    4 * MINUTE_MS,
    9 * MINUTE_MS,
    14 * MINUTE_MS,
    28 * MINUTE_MS,
    44 * MINUTE_MS,
    55 * MINUTE_MS,
    110 * MINUTE_MS,
    230 * MINUTE_MS,
    470 * MINUTE_MS,
    710 * MINUTE_MS,
    23 * HOUR_MS,
)
VELOCITIES = frozenset(one.value for one in Velocity)


LimitKey = tuple[str, int]  # the system, and which of its limits


@dataclass(frozen=True, slots=True)
class Queued:
    """What one segment puts into its sink's lane at one moment of the busiest hour."""

    route: str
    segment: str
    sink: str
    flow: str
    tolerance_ms: int
    calls: int
    points: float


class Lanes:
    """What stands in every lane at one moment of the busiest hour, by what is due when."""

    def __init__(self, queued: Iterable[Queued]) -> None:
        by_sink: dict[str, list[Queued]] = {}
        for one in queued:
            by_sink.setdefault(one.sink, []).append(one)
        self._due: dict[str, list[int]] = {}
        self._sums: dict[str, list[tuple[int, float]]] = {}
        for sink, found in by_sink.items():
            found.sort(key=lambda one: one.tolerance_ms)
            self._due[sink] = [one.tolerance_ms for one in found]
            self._sums[sink] = list(
                accumulate(
                    ((one.calls, one.calls * one.points) for one in found),
                    lambda sums, one: (sums[0] + one[0], sums[1] + one[1]),
                )
            )

    def before(self, sink: str, tolerance_ms: int) -> tuple[int, float]:
        """Calls that are due no later, and the points of each on average."""
        n = bisect_right(self._due.get(sink, ()), tolerance_ms)
        if n == 0:
            return 0, 0.0
        calls, points = self._sums[sink][n - 1]
        return calls, points / calls


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way of capture for a group, with all that follows from it alone."""

    capture: Capture
    work: tuple[Work, ...]
    queued: tuple[Queued, ...]
    detections: Mapping[str, Detection]  # by route
    calls_per_day: float  # over all systems; what the planner keeps small
    at_once: bool = False  # nothing waits on purpose
    uses: Mapping[LimitKey, float] = field(default_factory=dict)  # of each limit that it touches

    @property
    def alone(self) -> Lanes:
        """The lanes as if nothing else used them."""
        return Lanes(self.queued)


@dataclass(frozen=True, slots=True)
class Group:
    """The routes of one flow from one source: they share its reads, so they share the way of capture."""

    source: str
    flow: str
    routes: tuple[AskedRoute, ...]


def groups_of(question: Question) -> list[Group]:
    """The routes by what they share, in the order in which they were asked for."""
    found: dict[tuple[str, str], list[AskedRoute]] = {}
    for route in question.routes:
        found.setdefault((route.source, route.flow), []).append(route)
    return [Group(source, flow, tuple(routes)) for (source, flow), routes in found.items()]


def impossible(group: Group, question: Question) -> dict[str, str]:
    """The routes that the vendors cannot carry at all, each with the reason."""
    source = question.systems[group.source]
    found = {}
    for route in group.routes:
        sink = question.systems[route.sink]
        if route.flow not in source.vendor.reads:
            found[route.name] = f"{source.vendor.title} tells nothing of {route.flow.replace('_', ' ')}."
        elif route.flow not in sink.vendor.writes:
            found[route.name] = f"{sink.vendor.title} takes no {route.flow.replace('_', ' ')}."
    return found


def candidates(group: Group, question: Question) -> list[Candidate]:
    """Every way of capture that the source offers, the cheapest first; of equals the quicker."""
    source = question.systems[group.source]
    reads = source.vendor.reads[group.flow]
    ways = [events for events in (True, False) if not events or (reads.event_ms and source.events)]
    found = [
        candidate(group, question, events=events, poll_ms=poll_ms) for events in ways for poll_ms in LADDER_MS
    ]
    return sorted(found, key=lambda one: (one.calls_per_day, not one.capture.events, one.capture.poll_ms))


def candidate(
    group: Group, question: Question, *, events: bool, poll_ms: int, at_once: bool = False
) -> Candidate:
    """One of them. ``at_once``: nothing waits for others to share its call, whatever its tolerance."""
    source = question.systems[group.source]
    reads = source.vendor.reads[group.flow]
    tolerance_ms = min(route.tolerance_ms for route in group.routes)
    capture = Capture(events, poll_ms, question.reconcile_ms if reads.delta else poll_ms, tolerance_ms)
    work = [reading(group.routes, source, reads, capture)]
    queued: list[Queued] = []
    for route in group.routes:
        sink = question.systems[route.sink]
        writes = sink.vendor.writes[route.flow]
        waits = {one.name: 0 if at_once else waits_ms(one.tolerance_ms) for one in route.segments}
        work.append(writing(route, sink, writes, capture, waits))
        proof = proving(route, sink)
        if proof is not None:
            work.append(proof)
        for segment in route.segments:
            calls = bunch_calls(route, segment, writes, capture, waits[segment.name], sink.vendor.call_ms)
            queued.append(
                Queued(
                    route.name,
                    segment.name,
                    route.sink,
                    route.flow,
                    segment.tolerance_ms,
                    calls,
                    writes.points,
                )
            )
    if (
        group.flow == "orders" and not at_once
    ):  # what sets numbers at once, or after reading all, expects nothing
        stock = [one for one in question.routes if one.flow == "inventory" and one.sink == group.source]
        if stock and "inventory" in source.vendor.writes:
            fastest = max(group.routes, key=lambda one: one.changes_per_day)
            work += meeting_sales(fastest, stock, source, capture, question.lines_per_order)
    detections = {route.name: detection(route, source, reads, capture) for route in group.routes}
    per_day = sum(one.calls_per_day for one in work)
    return Candidate(capture, tuple(work), tuple(queued), detections, per_day, at_once, _uses(work, question))


def _uses(work: Sequence[Work], question: Question) -> dict[LimitKey, float]:
    found = {}
    for name in {one.system for one in work}:
        mine = [one for one in work if one.system == name]
        system = question.systems[name]
        for n, limit in enumerate(system.limits):
            found[name, n] = usage(limit, mine, system.vendor.call_ms)[1]
    return found


def may_use(question: Question) -> dict[LimitKey, float]:
    """How much of each limit may be used."""
    return {
        (name, n): usage(limit, (), system.vendor.call_ms)[0] * system.share
        for name, system in question.systems.items()
        for n, limit in enumerate(system.limits)
    }


def detection(route: AskedRoute, source: AskedSystem, reads: Reads, capture: Capture) -> Detection:
    """How a route learns of changes, as the engine would measure it."""
    call_ms = source.vendor.call_ms
    took_ms = read_ms(route, reads, capture, call_ms)
    # Where an event does not tell all of a record, its delay is declared until the record is known.
    event_ms = reads.event_ms + (call_ms if reads.thin else 0) if capture.events else 0
    return Detection(
        event_delay_ms=event_ms,
        poll_interval_ms=capture.poll_ms if reads.delta else 0,
        reconcile_interval_ms=capture.reconcile_ms if read_whole(route.flow, reads) else 0,
        read_ms=took_ms + (call_ms if reads.whole else 0),
    )


def foretold(
    route: AskedRoute, segment: AskedSegment, chosen: Candidate, lanes: Lanes, question: Question
) -> SegmentPlan:
    """Both bounds of a segment, with what stands before it in the lane of its sink: all that is due no later."""
    sink = question.systems[route.sink]
    writes = sink.vendor.writes[route.flow]
    backlog_ms = 0
    calls, points = lanes.before(route.sink, segment.tolerance_ms)
    if calls:
        backlog_ms = send_all_ms(sink.limits, sink.share, calls, points, sink.vendor.call_ms, route.flow)
    worst, lost_ms = bounds_of(
        0 if chosen.at_once else segment.tolerance_ms,  # from which the wait follows
        chosen.detections[route.name],
        backlog_ms=backlog_ms,
        send_ms=writes.send_ms(sink.vendor.call_ms),
    )
    kept = worst.normal_ms is not None and worst.normal_ms <= segment.tolerance_ms
    lost_kept = lost_ms is not None and lost_ms <= max(route.lost_ms, segment.tolerance_ms)
    return SegmentPlan(
        name=segment.name,
        tolerance_ms=segment.tolerance_ms,
        normal_ms=worst.normal_ms,
        lost_ms=lost_ms,
        detect_ms=worst.detect_ms,
        queue_ms=worst.queue_ms,
        backlog_ms=backlog_ms,
        send_ms=worst.send_ms,
        kept=kept,
        lost_kept=lost_kept,
    )


def nearest(
    group: Group,
    route: AskedRoute,
    plan: SegmentPlan,
    taken: Candidate,
    lane: Sequence[Queued],
    question: Question,
) -> SegmentPlan:
    """With what the taken way could keep, where it does not keep what was asked for."""
    if plan.normal_ms is None or plan.lost_ms is None or (plan.kept and plan.lost_kept):
        return plan
    if plan.kept:
        return replace(plan, nearest_lost_ms=_rounded(plan.lost_ms))
    beside = [queued for queued in lane if queued not in taken.queued]

    def eased(tolerance_ms: int) -> SegmentPlan:
        return _eased(group, route, plan.name, tolerance_ms, taken, beside, question)

    missed_ms = plan.tolerance_ms
    wanted_ms = _rounded(plan.detect_ms + plan.backlog_ms + plan.send_ms)
    found = eased(wanted_ms)
    for _ in range(GROW_MAX):
        if found.kept:
            break
        missed_ms = wanted_ms
        wanted_ms = _rounded(max(2 * (found.backlog_ms + found.send_ms), wanted_ms * 3 // 2))
        found = eased(wanted_ms)
    if not found.kept:
        return plan
    for _ in range(HALVE_MAX):
        between_ms = _rounded((missed_ms + wanted_ms) // 2)
        if between_ms in (missed_ms, wanted_ms):
            break
        tried = eased(between_ms)
        if tried.kept:
            wanted_ms, found = between_ms, tried
        else:
            missed_ms = between_ms
    lost_ms = None if found.lost_kept or found.lost_ms is None else _rounded(found.lost_ms)
    return replace(plan, nearest_ms=wanted_ms, nearest_lost_ms=lost_ms)


def _eased(
    group: Group,
    route: AskedRoute,
    name: str,
    tolerance_ms: int,
    taken: Candidate,
    beside: Sequence[Queued],
    question: Question,
) -> SegmentPlan:
    """What the taken way foretells of a segment with another tolerance, all else being as it is."""
    segments = [
        replace(one, tolerance_ms=tolerance_ms) if one.name == name else one for one in route.segments
    ]
    asked = replace(route, segments=tuple(segments))
    routes = tuple(asked if one.name == route.name else one for one in group.routes)
    capture = taken.capture
    one = candidate(replace(group, routes=routes), question, events=capture.events, poll_ms=capture.poll_ms)
    segment = next(each for each in segments if each.name == name)
    return foretold(asked, segment, one, Lanes([*beside, *one.queued]), question)


def _rounded(ms: int) -> int:
    unit = SECOND_MS if ms <= SEND_AT_ONCE_MS else MINUTE_MS
    return -(-ms // unit) * unit


def leading(route: AskedRoute) -> AskedSegment:
    """The segment whose tolerance is the route's own: of classes of velocity the medium, else the strictest."""
    if route.flow == "inventory":
        for name in (REST, Velocity.MEDIUM.value):
            found = [one for one in route.segments if one.name == name]
            if found:
                return found[0]
    return min(route.segments, key=lambda one: one.tolerance_ms)


def segments_of(route: AskedRoute) -> dict[Velocity, int]:
    """The tolerances of the other classes of velocity, where the segments are such."""
    if route.flow != "inventory":
        return {}
    return {
        Velocity(one.name): one.tolerance_ms
        for one in route.segments
        if one.name in VELOCITIES and one is not leading(route)
    }
