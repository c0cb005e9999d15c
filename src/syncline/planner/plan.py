"""What the planner answers, and the one function that asks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from syncline.engine.routes import Route
from syncline.freshness.velocity import Velocity
from syncline.model.copying import replace
from syncline.planner.question import Question

HOURLY_MS = 50 * 60_000  # a pattern that reads so seldom is called a batch,
DAILY_MS = 12 * 3_600_000  # and with this a daily one


class Pattern(StrEnum):
    """The ways in which a route learns of changes."""

    EVENT = "event"
    POLL = "poll"
    HOURLY = "hourly batch"
    DAILY = "daily batch"


@dataclass(frozen=True, slots=True)
class Capture:
    """How a route is fed.

    ``poll_ms`` is the time between two reads of changes, or of everything where the source tells no changes;
    ``reconcile_ms`` between two reads of everything. ``events``: the source's own events tell first, and the reads
    only find those that are lost. ``segments`` are tolerances of classes of velocity, as ``Route.segments``.
    """

    events: bool
    poll_ms: int
    reconcile_ms: int
    tolerance_ms: int
    segments: Mapping[Velocity, int] = field(default_factory=dict)

    @property
    def pattern(self) -> Pattern:
        """What it is called."""
        if self.events:
            return Pattern.EVENT
        if self.poll_ms >= DAILY_MS:
            return Pattern.DAILY
        return Pattern.HOURLY if self.poll_ms >= HOURLY_MS else Pattern.POLL


def fed(route: Route, capture: Capture) -> Route:
    """A route of the engine, fed as planned; its locations, rules and price lists stay."""
    return replace(
        route,
        tolerance_ms=capture.tolerance_ms,
        segments=capture.segments,
        poll_interval_ms=capture.poll_ms,
        reconcile_interval_ms=capture.reconcile_ms,
        events=capture.events,
    )


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """What is foretold of a segment. Bounds are those of ``freshness.bounds``; ``None``: there is none.

    ``backlog_ms`` is the part of the queue that is not waited on purpose. Where what was asked for cannot be kept,
    ``nearest_ms`` is a tolerance and ``nearest_lost_ms`` a time until a lost event is known that can.
    """

    name: str
    tolerance_ms: int
    normal_ms: int | None
    lost_ms: int | None
    detect_ms: int
    queue_ms: int
    backlog_ms: int
    send_ms: int
    kept: bool
    lost_kept: bool
    nearest_ms: int | None = None
    nearest_lost_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A way that was not taken, and why not."""

    capture: Capture
    normal_ms: int | None
    calls_per_day: float
    why: str


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """The pattern of one route. ``capture`` of ``None``: the vendors cannot do it at all, ``why`` says it."""

    name: str
    flow: str
    source: str
    sink: str
    capture: Capture | None
    why: str
    segments: tuple[SegmentPlan, ...]
    refused: tuple[Refused, ...]
    reads_per_day: float
    writes_per_day: float
    notes: tuple[str, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether every tolerance of it can be kept."""
        return self.capture is not None and all(one.kept and one.lost_kept for one in self.segments)


@dataclass(frozen=True, slots=True)
class LimitUse:
    """One limit of one system: what the plan uses of it in the busiest hour, or in the window if that is longer."""

    system: str
    limit: str
    allowed: float
    used: float
    share: float  # of what the vendor allows at most
    may_use: float  # the share that the plan may use
    kept: bool
    nearest: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer. ``proven``: no cheaper mix keeps what this one keeps; else the search had to stop."""

    question: Question
    routes: tuple[RoutePlan, ...]
    limits: tuple[LimitUse, ...]
    calls_per_day: Mapping[str, float]  # by system
    calls_peak_hour: Mapping[str, float]
    proven: bool

    def route(self, name: str) -> RoutePlan:
        """The route of that name."""
        return next(one for one in self.routes if one.name == name)

    @property
    def kept(self) -> bool:
        """Whether every tolerance and every limit can be kept."""
        return all(one.kept for one in self.routes) and all(one.kept for one in self.limits)

    def captures(self) -> dict[str, Capture]:
        """How each route is fed, by the route's name; for `syncline.toml` and for a design of the what-if."""
        return {one.name: one.capture for one in self.routes if one.capture is not None}
