"""Numbers that a channel refuses because it has sold meanwhile, and the calls that follow from them.

A number is written over what the channel is expected to show. Where it has sold since its orders were last heard of, it shows less:
then its orders are read, the number is read, and it is written again. The rarer orders are read, the more often that is so; but each
refusal has them read, too. Rates are an hour, spans are hours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from syncline.freshness.bounds import waits_ms
from syncline.planner.calls import Sending, Work, calls_an_hour, off_peak, over_a_day
from syncline.planner.plan import Capture
from syncline.planner.question import HOUR_MS, AskedRoute, AskedSegment, AskedSystem
from syncline.planner.vendors import Writes

STEPS = 100  # of the time between two reads
AGAIN = 2  # calls besides the read of orders: the number is read, and written once more


@dataclass(frozen=True, slots=True)
class Known:
    """How a channel's orders become known. ``after_h``: an event's delay; ``every_h``: the time between two reads.

    One of the two is 0.
    """

    after_h: float
    every_h: float


def known(capture: Capture, event_ms: int) -> Known:
    """How a way of capture hears of orders."""
    if capture.events:
        return Known(event_ms / HOUR_MS, 0.0)
    return Known(0.0, capture.poll_ms / HOUR_MS)


def refused_at(writes: Sequence[tuple[float, float]], calls: float, age_h: float) -> float:
    """Calls an hour that are refused while what is known of the channel's orders is so old.

    ``writes``: of each kind of record, how many are written an hour, and how often the channel sells of each; ``calls`` carry
    them.
    """
    written = sum(rate for rate, _ in writes)
    if written <= 0 or calls <= 0:
        return 0.0
    stale = sum(rate * -math.expm1(-sold * age_h) for rate, sold in writes) / written
    return calls * (1 - math.pow(1 - stale, max(1.0, written / calls)))


def refusals(writes: Sequence[tuple[float, float]], calls: float, orders: Known) -> float:
    """Calls that are refused, wholly or in part.

    Where orders are read, each refusal has them read at once, and the next read comes an interval later. So the time between two
    reads ends with a refusal or with the interval, and what is known is as old as the time since its beginning.
    """
    if not orders.every_h:
        return refused_at(writes, calls, orders.after_h)
    step_h = orders.every_h / STEPS
    unrefused, lasts_h = (
        1.0,
        0.0,
    )  # the chance to get so far without a refusal, and how long it takes until one
    for n in range(STEPS):
        left = unrefused * math.exp(-refused_at(writes, calls, (n + 0.5) * step_h) * step_h)
        lasts_h += (unrefused + left) / 2 * step_h
        unrefused = left
    return (1 - unrefused) / lasts_h


def meeting_sales(
    orders: AskedRoute, stock: Sequence[AskedRoute], channel: AskedSystem, capture: Capture, lines: float
) -> list[Work]:
    """The calls to a channel that follow from its refusals.

    Args:
        orders: its orders, as they change.
        stock: the routes that write its numbers.
        channel: the channel.
        capture: how its orders become known.
        lines: of an order, on average.
    """
    reads = channel.vendor.reads[orders.flow]
    carries = channel.vendor.writes["inventory"]
    heard = known(capture, reads.event_ms)

    def an_hour(sold: float, rates: Sequence[Sequence[float]]) -> float:
        return sum(
            refusals(_kinds(route, each, sold), _calls(route, carries, each), heard)
            for route, each in zip(stock, rates, strict=True)
        )

    quiet = sum(off_peak(one) for one in orders.segments)
    peak = an_hour(orders.peak_per_hour * lines, [[one.peak_per_hour for one in x.segments] for x in stock])
    other = an_hour(quiet * lines, [[off_peak(one) for one in x.segments] for x in stock])
    refused = over_a_day(peak, other)
    return [
        Work(channel.name, orders.flow, "read", refused, peak, reads.points),
        Work(channel.name, "inventory", "write", AGAIN * refused, AGAIN * peak, carries.points),
    ]


def _kinds(route: AskedRoute, rates: Sequence[float], sold: float) -> list[tuple[float, float]]:
    """Of each segment: how many of its records are written, and how often each is sold: as often as it changes."""
    whole = sum(rates)
    if not whole:
        return []
    return [
        (rate, sold * rate / whole / max(1, one.records))
        for one, rate in zip(route.segments, rates, strict=True)
    ]


def _calls(route: AskedRoute, writes: Writes, rates: Sequence[float]) -> float:
    """Calls that carry a route's numbers, each waiting as long as its tolerance lets it."""

    def way(one: AskedSegment) -> Sending:
        return Sending(one, waits_ms(one.tolerance_ms) / HOUR_MS, 0.0)

    pairs = sorted(
        ((way(one), rate) for one, rate in zip(route.segments, rates, strict=True)),
        key=lambda pair: pair[0].wait_h,
    )
    return (
        calls_an_hour([one for one, _ in pairs], writes, [rate for _, rate in pairs], facts=False)
        / writes.calls
    )
