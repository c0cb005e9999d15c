"""The plan beside two designs that are often taken instead: everything in batches, and everything at once.

All three are reckoned by the same functions, with the same batching: what waits at the same moment shares a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from syncline.freshness.bounds import Detection, bound, waits_ms
from syncline.model.copying import replace
from syncline.planner.calls import Work
from syncline.planner.candidates import (
    LADDER_MS,
    Candidate,
    Group,
    Lanes,
    candidate,
    foretold,
    groups_of,
    impossible,
    may_use,
)
from syncline.planner.choice import over_limits
from syncline.planner.harm import a_day
from syncline.planner.plan import Plan
from syncline.planner.question import HOUR_MS, MINUTE_MS, Question

DAYS_A_MONTH = Decimal("30.4")
WHOLE_MS = 15 * MINUTE_MS  # nobody reads everything every minute
CENT = Decimal("0.01")
ALL_BATCH, ALL_REAL_TIME, PLAN = "all batch", "all real time", "plan"


@dataclass(frozen=True, slots=True)
class Design:
    """What one design takes and keeps. Costs are of a month."""

    name: str
    calls_per_day: dict[str, float]
    calls_peak_hour: dict[str, float]
    segments: int
    kept: int
    limits_kept: bool
    call_cost: Decimal
    fixed_cost: Decimal
    lateness_cost: Decimal

    @property
    def calls(self) -> float:
        """Of all systems."""
        return sum(self.calls_per_day.values())

    @property
    def cost(self) -> Decimal:
        """Running cost and what lateness costs, where figures were given."""
        return self.call_cost + self.fixed_cost + self.lateness_cost


def designs(plan: Plan) -> list[Design]:
    """All-batch, all-real-time and the plan."""
    return [_design(name, fed_in(plan, name), plan.question) for name in (ALL_BATCH, ALL_REAL_TIME, PLAN)]


def fed_in(plan: Plan, name: str, *, batch_ms: int = 0) -> list[tuple[Group, Candidate]]:
    """How the routes that can be carried at all are fed in one of the three designs, with all calls that follow.

    ``batch_ms`` is the interval of all-batch, if it is not the question's.
    """
    question = plan.question
    captures = plan.captures()
    found = []
    for group in groups_of(question):
        refused = impossible(group, question)
        left = tuple(route for route in group.routes if route.name not in refused)
        if not left:
            continue
        one = replace(group, routes=left)
        if name == ALL_BATCH:
            poll_ms = batch_ms or question.batch_ms
            fed = candidate(one, question, events=False, poll_ms=poll_ms, at_once=True)
        elif name == ALL_REAL_TIME:
            fed = _at_once(one, question)
        else:
            planned = captures[left[0].name]
            fed = candidate(one, question, events=planned.events, poll_ms=planned.poll_ms)
        found.append((one, fed))
    return found


def _at_once(group: Group, question: Question) -> Candidate:
    """Events where there are any, with the reads that find lost ones; else a read every minute, or of everything every 15."""
    source = question.systems[group.source]
    events = bool(source.vendor.reads[group.flow].event_ms and source.events)
    if not events:
        poll_ms = MINUTE_MS if source.vendor.reads[group.flow].delta else WHOLE_MS
        return candidate(group, question, events=False, poll_ms=poll_ms, at_once=True)
    ways = [candidate(group, question, events=True, poll_ms=ms, at_once=True) for ms in reversed(LADDER_MS)]
    keeping = [
        one
        for one in ways
        if all(
            foretold(route, segment, one, one.alone, question).lost_kept
            for route in group.routes
            for segment in route.segments
        )
    ]
    return (keeping or ways[-1:])[0]


def _design(name: str, fed: Sequence[tuple[Group, Candidate]], question: Question) -> Design:
    at_once = name != PLAN
    taken = [one for _, one in fed]
    work = [one for each in taken for one in each.work]
    lanes = Lanes(one for each in taken for one in each.queued)
    kept = 0
    lateness = Decimal(0)
    for group, one in fed:
        for route in group.routes:
            for segment in route.segments:
                told = foretold(route, segment, one, lanes, question)
                kept += told.kept and told.lost_kept
                lag_h = (
                    mean_lag_ms(
                        one.detections[route.name],
                        0 if at_once else waits_ms(segment.tolerance_ms),
                        told.send_ms,
                    )
                    / HOUR_MS
                )
                lateness += a_day(segment.harm, segment.changes_per_day, lag_h)
    calls = {at: _calls(work, at) for at in question.systems}
    per_call = sum(
        (Decimal(calls[at]) / 1000 * system.price_per_1000_calls for at, system in question.systems.items()),
        Decimal(0),
    )
    fixed = question.host_per_month + sum(
        (system.price_per_month for system in question.systems.values()), Decimal(0)
    )
    return Design(
        name=name,
        calls_per_day=calls,
        calls_peak_hour={
            at: sum(one.calls_peak_hour for one in work if one.system == at) for at in question.systems
        },
        segments=sum(len(route.segments) for route in question.routes),
        kept=kept,
        limits_kept=not over_limits(taken, may_use(question)),
        call_cost=(per_call * DAYS_A_MONTH).quantize(CENT),
        fixed_cost=fixed.quantize(CENT),
        lateness_cost=(lateness * DAYS_A_MONTH).quantize(CENT),
    )


def _calls(work: Sequence[Work], system: str) -> float:
    return sum(one.calls_per_day for one in work if one.system == system)


def mean_lag_ms(detection: Detection, wait_ms: int, send_ms: int) -> int:
    """The lag of a usual change: half an interval of reads, or the events' delay; half of what is waited; the call."""
    reads = replace(detection, event_delay_ms=0)
    detect = bound(reads, queue_ms=0, send_ms=0).detect_ms // 2
    if detection.event_delay_ms:
        detect = min(detect, detection.event_delay_ms) if detect else detection.event_delay_ms
    return max(detect, wait_ms // 2) + send_ms
