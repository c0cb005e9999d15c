"""The running service beside its plan: what was foretold of each route and system, and what is measured."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from syncline.engine.alerts.conditions import Condition, condition
from syncline.engine.status import LaneStatus, RouteStatus, Status
from syncline.engine.words import duration, plural

HOUR_S = 3_600.0
SAMPLE_S = 60.0
SAMPLES_MAX = 62  # an hour of them, and one before
DRIFT_SHARE = 1.25  # more than a quarter above what was foretold
DRIFT_MS = 1_000  # of a worst case, and
DRIFT_COUNT = 10  # of calls or changes an hour, that are no news


@dataclass(frozen=True, slots=True)
class PlannedRoute:
    """What was foretold of a route; ``changes_per_hour``: in the busiest one."""

    worst_ms: int
    lost_ms: int
    changes_per_hour: int


@dataclass(frozen=True, slots=True)
class Planned:
    """What ``[plan]`` says, by route and by system; calls are those of the busiest hour."""

    routes: Mapping[str, PlannedRoute] = field(default_factory=dict)
    calls_per_hour: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of the plan beside what is measured; ``None``: not known yet."""

    subject: str
    figure: str
    planned: float
    measured: float | None
    drift: bool
    planned_text: str
    measured_text: str


class Rates:
    """How many calls each system had in the last hour, from counts that only grow."""

    def __init__(self) -> None:
        self._samples: dict[str, deque[tuple[float, int]]] = {}

    def look(self, lanes: Sequence[LaneStatus], at_s: float) -> None:
        """Take the counts of this moment, once a minute. A count that fell began anew, so its past is forgotten."""
        for lane in lanes:
            kept = self._samples.setdefault(lane.system, deque(maxlen=SAMPLES_MAX))
            if kept and lane.calls < kept[-1][1]:
                kept.clear()
            if not kept or at_s - kept[-1][0] >= SAMPLE_S:
                kept.append((at_s, lane.calls))

    def last_hour(self, system: str) -> int | None:
        """Calls of the last hour; ``None`` until an hour was watched."""
        kept = self._samples.get(system)
        if not kept or kept[-1][0] - kept[0][0] < HOUR_S - SAMPLE_S:
            return None
        newest_s, newest = kept[-1]
        began = next(count for at_s, count in kept if newest_s - at_s <= HOUR_S)
        return newest - began


def compare(planned: Planned, status: Status, rates: Rates) -> list[Compared]:
    """Every figure of the plan beside what is measured now."""
    routes = {route.name: route for route in status.routes}
    found: list[Compared] = []
    for name, foretold in planned.routes.items():
        route = routes.get(name)
        worst_ms, lost_ms, changes = (
            (None, None, None)
            if route is None
            else (route.bound_ms, route.bound_if_event_lost_ms, route.lags.delivered)
        )
        found += [
            _bound(name, "worst case", foretold.worst_ms, worst_ms),
            _bound(name, "if an event is lost", foretold.lost_ms, lost_ms),
            _count(name, "changes an hour", foretold.changes_per_hour, changes),
        ]
    found += [
        _count(name, "calls an hour", calls, rates.last_hour(name))
        for name, calls in planned.calls_per_hour.items()
    ]
    return found


def unplanned(planned: Planned, status: Status) -> list[str]:
    """Where the plan and the configuration do not name the same."""
    running = {route.name for route in status.routes}
    return [
        *(f"{name} is planned and not configured." for name in planned.routes if name not in running),
        *(f"{name} is configured and not planned." for name in sorted(running) if name not in planned.routes),
    ]


def _bound(subject: str, figure: str, planned_ms: int, measured_ms: int | None) -> Compared:
    drift = measured_ms is not None and measured_ms > planned_ms * DRIFT_SHARE + DRIFT_MS
    text = duration(measured_ms)
    return Compared(subject, figure, planned_ms, measured_ms, drift, duration(planned_ms), text)


def _count(subject: str, figure: str, planned: int, measured: int | None) -> Compared:
    drift = measured is not None and measured > planned * DRIFT_SHARE + DRIFT_COUNT
    text = "unknown" if measured is None else f"{measured:,}"
    return Compared(subject, figure, planned, measured, drift, f"{planned:,}", text)


def drifts(planned: Planned, status: Status, rates: Rates) -> Iterator[Condition]:
    """One condition for each route or system that has left its plan, closed once all its figures are back."""
    by_subject: dict[str, list[Compared]] = {}
    for one in compare(planned, status, rates):
        if one.drift:
            by_subject.setdefault(one.subject, []).append(one)
    routes: dict[str, RouteStatus] = {route.name: route for route in status.routes}
    for subject, found in by_subject.items():
        route = routes.get(subject)
        systems = (route.source, route.sink) if route is not None else (subject,)
        causes = [f"{kind}/{name}" for name in systems for kind in ("system_down", "credential_refused")]
        causes += [f"{kind}/{name}" for name in systems for kind in ("budget", "behind", "stale")]
        yield condition(
            "plan_drift",
            subject,
            f"{subject} has left its plan in {plural(len(found), 'figure')}",
            " ".join(
                f"{one.figure.capitalize()}: {one.measured_text}, planned {one.planned_text}."
                for one in found
            ),
            causes=(*causes, f"promise/{subject}", "log_stuck/store", "store/store"),
        )
