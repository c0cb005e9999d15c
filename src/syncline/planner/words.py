"""What the planner decided, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from syncline.engine.words import HOUR_MS, duration, flow_title
from syncline.planner.plan import Capture, Pattern, SegmentPlan
from syncline.planner.question import AskedRoute, AskedSystem

FLOWS = {"reports": "Reports", "order_status": "Order status and shipments"}


def title_of(flow: str) -> str:
    """How a flow is called."""
    return FLOWS.get(flow) or flow_title(flow)


def pattern_words(capture: Capture) -> str:
    """A way of capture in words, such as ``events, lost ones found every 4 min``."""
    every = duration(capture.poll_ms)
    if capture.pattern is Pattern.EVENT:
        return f"events; a read every {every} finds lost ones"
    if capture.pattern is Pattern.POLL:
        return f"poll every {every}"
    if capture.pattern is Pattern.HOURLY and capture.poll_ms > 2 * HOUR_MS:
        return f"batch every {every}"
    return f"{capture.pattern}, every {every}"


def why_taken(
    route: AskedRoute, source: AskedSystem, capture: Capture, segments: Sequence[SegmentPlan]
) -> str:
    """Why a route is fed as it is."""
    if not all(one.kept and one.lost_kept for one in segments):
        return "Nothing that these systems offer within their limits keeps it; this comes nearest."
    reads = source.vendor.reads[route.flow]
    tightest = min(segments, key=lambda one: one.tolerance_ms)
    bound = f"its worst case of {duration(tightest.normal_ms)} keeps {duration(tightest.tolerance_ms)}"
    if capture.events:
        lost = duration(tightest.lost_ms)
        return f"The fewest calls of all ways that keep it: {bound}; if an event is lost it is {lost}."
    told = "" if reads.event_ms else f" {source.vendor.title} sends no event of it."
    if reads.event_ms and not source.events:
        told = " Its events cannot reach this installation."
    whole = "" if reads.delta else " Each read takes everything, for changes are not told."
    return f"The longest interval that keeps it: {bound}.{told}{whole}"


def why_refused(plan: SegmentPlan, route: AskedRoute, calls: float, taken: float) -> str:
    """Why a way was not taken."""
    part = f" for {plan.name}" if len(route.segments) > 1 else ""
    if not plan.kept:
        return f"worst case {duration(plan.normal_ms)}{part}, asked for {duration(plan.tolerance_ms)}"
    if not plan.lost_kept:
        asked_ms = max(route.lost_ms, plan.tolerance_ms)
        return f"a lost event would be known after {duration(plan.lost_ms)}{part}, asked for {duration(asked_ms)}"
    if calls >= taken:
        return f"{calls:,.0f} calls a day instead of {taken:,.0f}"
    return "together with the other flows it does not keep every tolerance and limit"
