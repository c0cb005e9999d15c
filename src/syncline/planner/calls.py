"""How many calls a way of working takes: on a usual day, and in its busiest hour.

The arithmetic and its assumptions are explained in ``docs/explanation/how-the-planner-decides.md``. Rates are records an
hour, spans are hours, unless a name says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from syncline.planner.plan import Capture
from syncline.planner.question import HOUR_MS, AskedRoute, AskedSegment, AskedSystem
from syncline.planner.vendors import FACTS, Limit, Reads, Way, Writes

HOURS = 24
PROOF_ITEMS = 100  # records of a call where a vendor's sheet names no read of a flow
PROVED = frozenset(  # what the comparison of both sides re-reads: the flows that ``Reconciler`` knows
    {"inventory", "orders", "prices", "catalog", "customers", "credit"}
)


@dataclass(frozen=True, slots=True)
class Work:
    """Calls of one kind to one system; ``points`` are those of each."""

    system: str
    flow: str
    way: Way
    calls_per_day: float
    calls_peak_hour: float
    points: float = 1.0


@dataclass(frozen=True, slots=True)
class Sending:
    """How the changes of one segment reach the sink. ``wait_h``: how long one waits for others to share its call."""

    segment: AskedSegment
    wait_h: float
    gathered_h: float  # changes of so long arrive together


def distinct(count: float, records: int, *, facts: bool) -> float:
    """How many different records so many changes are of, if all records are alike (Poisson)."""
    if facts or records <= 0:
        return count
    return records * -math.expm1(-count / records)


def off_peak(segment: AskedSegment) -> float:
    """The rate of the hours besides the busiest."""
    return max(0.0, segment.changes_per_day - segment.peak_per_hour) / (HOURS - 1)


def over_a_day(peak: float, other: float) -> float:
    """One busy hour and the others."""
    return peak + (HOURS - 1) * other


# --- reading -----------------------------------------------------------------------------------------------


def read_whole(flow: str, reads: Reads) -> bool:
    """Whether a flow is ever read whole: facts are only read as they come, where the source can tell them so."""
    return flow not in FACTS or not reads.delta


def read_ms(route: AskedRoute, reads: Reads, capture: Capture, call_ms: int) -> int:
    """How long the longest read takes, the full one included, as the engine measures it."""
    calls = math.ceil(route.records / reads.items) if read_whole(route.flow, reads) else 1
    if reads.delta:
        changed = burst(route.peak_per_hour * capture.poll_ms / HOUR_MS)
        calls = max(calls, math.ceil(changed / reads.items) + reads.calls - 1 + reads.more)
    return calls * call_ms


def reading(routes: Sequence[AskedRoute], system: AskedSystem, reads: Reads, capture: Capture) -> Work:
    """The reads of one flow of a source, which all of its routes share."""
    flow = routes[0].flow
    records = max(route.records for route in routes)
    fastest = max(routes, key=lambda route: route.changes_per_day)
    peak = max(route.peak_per_hour for route in routes)
    other = sum(off_peak(one) for one in fastest.segments)
    full = math.ceil(records / reads.items) if read_whole(flow, reads) else 0

    def hourly(rate: float) -> float:
        polls = HOUR_MS / capture.poll_ms
        calls = polls * (max(1.0, rate / polls / reads.items) if reads.delta else full)
        if reads.delta:
            calls += polls * (reads.calls - 1 - reads.more * math.expm1(-rate / polls))
        if reads.whole:
            calls += whole_calls(rate, 0.0 if capture.events else polls, reads.whole)
        elif capture.events and reads.thin:  # each names a record that is then read; one read at a time
            calls += min(rate, HOUR_MS / system.vendor.call_ms)
        return calls

    proof = full * HOUR_MS * HOURS / capture.reconcile_ms if reads.delta else 0.0  # a day
    # The full read may fall into the busiest hour.
    return Work(
        system.name,
        flow,
        "read",
        over_a_day(hourly(peak), hourly(other)) + proof,
        hourly(peak) + (full if reads.delta else 0.0),
        reads.points,
    )


def whole_calls(rate: float, polls: float, items: int) -> float:
    """Calls that read changed records one by one, ``items`` in each: those of an event alone, those of one read together."""
    if not polls:
        return rate
    any_ = -math.expm1(-rate / polls)  # of the reads that find one at all
    # The last call of a read is half full, in the mean.
    return polls * max(any_, rate / polls / items + any_ * (items - 1) / (2 * items))


def proving(route: AskedRoute, sink: AskedSystem) -> Work | None:
    """The daily comparison of both sides, at the sink; within its budget it never fills an hour."""
    if route.flow not in PROVED:
        return None
    known = sink.vendor.reads.get(route.flow)
    calls = math.ceil(route.records / (known.items if known else PROOF_ITEMS))
    return Work(sink.name, route.flow, "read", calls, calls / HOURS, known.points if known else 1.0)


# --- writing -----------------------------------------------------------------------------------------------


def sendings(route: AskedRoute, capture: Capture, *, wait_of: dict[str, int]) -> list[Sending]:
    """How each segment's changes gather: by the wait of its tolerance, and by the interval of reads."""
    gathered_h = 0.0 if capture.events else capture.poll_ms / HOUR_MS
    return sorted(
        (Sending(segment, wait_of[segment.name] / HOUR_MS, gathered_h) for segment in route.segments),
        key=lambda one: max(one.wait_h, one.gathered_h),
    )


def calls_an_hour(ways: Sequence[Sending], writes: Writes, rates: Sequence[float], *, facts: bool) -> float:
    """Calls that carry the changes of all segments of a route, the slow riding along with the quick.

    A call leaves when the first change that waits for it is due; a slower segment needs one of its own only if none of a
    quicker one left within its wait. What one read finds leaves together, of whatever segment. However few leave, all
    records have to fit into them.
    """
    calls = 0.0
    carried = 0.0
    found = 0.0  # changes an hour that leave with the read that finds them
    for way, rate in zip(ways, rates, strict=True):
        if rate <= 0:
            continue
        if way.gathered_h >= way.wait_h and way.gathered_h:
            cycles = with_reads(rate, way.gathered_h)
            calls += with_reads(found + rate, way.gathered_h) - with_reads(found, way.gathered_h)
            found += rate
        else:
            cycles = rate / (1 + rate * way.wait_h)
            calls += cycles * math.exp(-calls * way.wait_h)
        carried += cycles * distinct(rate / cycles, way.segment.records, facts=facts)
    return max(calls, carried / writes.items) * writes.calls


def with_reads(rate: float, gathered_h: float) -> float:
    """How many of the reads in an hour find a change."""
    return -math.expm1(-rate * gathered_h) / gathered_h


def writing(
    route: AskedRoute, sink: AskedSystem, writes: Writes, capture: Capture, wait_of: dict[str, int]
) -> Work:
    """The calls that carry a route's changes to its sink."""
    ways = sendings(route, capture, wait_of=wait_of)
    facts = route.flow in FACTS
    peak = calls_an_hour(ways, writes, [one.segment.peak_per_hour for one in ways], facts=facts)
    other = calls_an_hour(ways, writes, [off_peak(one.segment) for one in ways], facts=facts)
    return Work(sink.name, route.flow, "write", over_a_day(peak, other), peak, writes.points)


def burst(mean: float) -> float:
    """What a Poisson count of this mean hardly ever exceeds: three standard deviations, and one."""
    return mean + 3 * math.sqrt(mean) + 1


def bunch_calls(
    route: AskedRoute, segment: AskedSegment, writes: Writes, capture: Capture, wait_ms: int, call_ms: int
) -> int:
    """Calls that may have to leave at one moment of the busiest hour for a segment."""
    span_ms = max(call_ms, wait_ms, 0 if capture.events else capture.poll_ms)
    count = distinct(
        burst(segment.peak_per_hour * span_ms / HOUR_MS), segment.records, facts=route.flow in FACTS
    )
    return max(1, math.ceil(count / writes.items)) * max(writes.chain, math.ceil(writes.calls))


# --- limits ------------------------------------------------------------------------------------------------


def usage(limit: Limit, work: Sequence[Work], call_ms: int) -> tuple[float, float]:
    """What may be used of a limit in its window or an hour, whichever is longer, and what is used."""
    mine = [one for one in work if limit.concerns(one.flow, one.way)]
    peak = sum(one.calls_peak_hour for one in mine)
    if limit.at_once:
        return limit.at_once * 3600.0, peak * call_ms / 1000
    if limit.points_per_s:
        return limit.points_per_s * 3600, sum(one.calls_peak_hour * one.points for one in mine)
    if limit.window_s <= 3600:
        return limit.calls * 3600 / limit.window_s, peak
    a_day = sum(one.calls_per_day for one in mine)
    return float(limit.calls), a_day * limit.window_s / 86_400


def send_all_ms(
    limits: Sequence[Limit], share: float, calls: int, points: float, call_ms: int, flow: str
) -> int:
    """How long so many calls of a flow wait for one another under the limits, the last one's own time apart."""
    longest = 0.0
    for limit in limits:
        if not limit.concerns(flow, "write"):
            continue
        if limit.at_once:
            wait = float((calls - 1) // max(1, math.floor(limit.at_once * share)) * call_ms)
        elif limit.points_per_s:
            wait = max(0.0, calls * points - limit.burst * share) / (limit.points_per_s * share) * 1000
        else:
            allowed = max(1.0, limit.calls * share)
            wait = max(0.0, calls - allowed) / allowed * limit.window_s * 1000
        longest = max(longest, wait)
    return round(longest)
