"""A plan as plain values: the JSON that is written, and what the pages are made from."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from syncline.engine.words import duration
from syncline.planner.designs import ALL_REAL_TIME, Design, designs
from syncline.planner.drawing import ANY, mermaid
from syncline.planner.effort import assumptions as effort_assumptions
from syncline.planner.effort import efforts
from syncline.planner.harm import standstill
from syncline.planner.plan import Capture, Plan, RoutePlan
from syncline.planner.question import AskedRoute
from syncline.planner.words import pattern_words, title_of

VERSION = 1
STANDSTILLS_H = (1, 4, 24)

Document = dict[str, Any]


def document(plan: Plan, assumed: Sequence[str] = ()) -> Document:
    """All five parts of a scoping document. ``assumed``: what was taken for granted when the question was asked."""
    question = plan.question
    compared = designs(plan)
    return {
        "version": VERSION,
        "title": question.title,
        "currency": question.currency,
        "kept": plan.kept,
        "proven": plan.proven,
        "systems": [_system(plan, name) for name in question.systems],
        "routes": [_route(one, asked) for one, asked in zip(plan.routes, question.routes, strict=True)],
        "limits": [
            {
                "system": one.system,
                "limit": one.limit,
                "used_share": round(one.share, 4),
                "may_use_share": one.may_use,
                "kept": one.kept,
                "nearest": one.nearest,
            }
            for one in plan.limits
        ],
        "designs": [_design(one, compared) for one in compared],
        "effort": [
            {
                "name": one.name,
                "days": one.days,
                "share": round(one.share, 4),
                "parts": [{"what": what, "days": days} for what, days in one.parts],
            }
            for one in efforts(question)
        ],
        "effort_days": sum((one.days for one in efforts(question)), Decimal(0)),
        "assumptions": [
            *assumed,
            *(
                f"A call of {one.vendor.title} takes {duration(one.vendor.call_ms)} at most, usually."
                for one in question.systems.values()
                if one.vendor.part != "broker"
            ),
            *(
                f"{one.vendor.title}: {limit.words()}."
                for one in question.systems.values()
                for limit in one.limits
                if limit.assumed
            ),
            *effort_assumptions(question.effort),
        ],
        "sources": [
            f"{one.vendor.title}: {source}"
            for one in question.systems.values()
            for source in one.vendor.sources
        ],
        "mermaid": mermaid(plan),
    }


def _system(plan: Plan, name: str) -> Document:
    asked = plan.question.systems[name]
    return {
        "name": name,
        "vendor": asked.vendor.title,
        "part": asked.vendor.part,
        "licence": "" if asked.licence == ANY else asked.licence,
        "connector": asked.vendor.connector,
        "limits": [one.words() for one in asked.limits],
        "calls_per_day": _count(plan.calls_per_day[name]),
        "calls_peak_hour": _count(plan.calls_peak_hour[name]),
    }


def _route(one: RoutePlan, asked: AskedRoute) -> Document:
    return {
        "name": one.name,
        "flow": one.flow,
        "title": title_of(one.flow),
        "from": one.source,
        "to": one.sink,
        "owner": one.source,
        "via": asked.via,
        "consequence": asked.segments[0].harm.words,
        "if_event_lost_ms": asked.lost_ms,
        "kept": one.kept,
        "possible": one.capture is not None,
        "capture": _capture(one.capture) if one.capture is not None else None,
        "why": one.why,
        "segments": [_segment(one, asked, n) for n in range(len(asked.segments))],
        "refused": [
            {
                "pattern": pattern_words(refused.capture),
                "normal_ms": refused.normal_ms,
                "calls_per_day": _count(refused.calls_per_day),
                "why": refused.why,
            }
            for refused in one.refused
        ],
        "reads_per_day": _count(one.reads_per_day),
        "writes_per_day": _count(one.writes_per_day),
        "notes": list(one.notes),
    }


def _segment(one: RoutePlan, asked: AskedRoute, n: int) -> Document:
    segment = asked.segments[n]
    found: Document = {
        "name": segment.name,
        "tolerance_ms": segment.tolerance_ms,
        "records": segment.records,
        "changes_per_day": _count(segment.changes_per_day),
        "peak_per_hour": _count(segment.peak_per_hour),
        "standstill": {
            f"{hours}h": standstill(segment, asked.flow, hours) if segment.harm.known else None
            for hours in STANDSTILLS_H
        },
    }
    if one.segments:
        plan = one.segments[n]
        found |= {
            "normal_ms": plan.normal_ms,
            "if_event_lost_ms": plan.lost_ms,
            "detect_ms": plan.detect_ms,
            "queue_ms": plan.queue_ms,
            "send_ms": plan.send_ms,
            "kept": plan.kept and plan.lost_kept,
            "nearest_ms": plan.nearest_ms,
            "nearest_if_event_lost_ms": plan.nearest_lost_ms,
        }
    return found


def _capture(capture: Capture) -> Document:
    return {
        "pattern": capture.pattern.value,
        "words": pattern_words(capture),
        "events": capture.events,
        "poll_ms": capture.poll_ms,
        "reconcile_ms": capture.reconcile_ms,
    }


def _design(one: Design, compared: Sequence[Design]) -> Document:
    quick = next(each for each in compared if each.name == ALL_REAL_TIME)
    return {
        "name": one.name,
        "calls_per_day": {at: _count(calls) for at, calls in one.calls_per_day.items()},
        "calls_peak_hour": {at: _count(calls) for at, calls in one.calls_peak_hour.items()},
        "calls": _count(one.calls),
        "share_of_real_time": round(one.calls / quick.calls, 4) if quick.calls else None,
        "tolerances": one.segments,
        "tolerances_kept": one.kept,
        "limits_kept": one.limits_kept,
        "call_cost": one.call_cost,
        "fixed_cost": one.fixed_cost,
        "lateness_cost": one.lateness_cost,
        "cost": one.cost,
    }


def _count(value: float) -> float:
    return round(value) if value >= 10 else round(value, 1)
