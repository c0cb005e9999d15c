"""How fast a SKU sells: high, medium or low, without flapping between them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from syncline.freshness.demand import Pace, Sales, Season, mean_line

MINUTES = 60


class Velocity(StrEnum):
    """The class of a SKU, from which a segment takes its tolerance."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


ORDER = (Velocity.LOW, Velocity.MEDIUM, Velocity.HIGH)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where classes begin, in units a minute in the peak hour of the week.

    A class is entered above its threshold, and left after the speed was below ``leave_share`` of it for
    ``leave_after_ms`` without a break.
    """

    high: float = 1.0
    medium: float = 1 / MINUTES
    leave_share: float = 0.7
    leave_after_ms: int = 86_400_000

    def of(self, velocity: Velocity) -> float:
        """What has to be exceeded to enter a class."""
        return {Velocity.HIGH: self.high, Velocity.MEDIUM: self.medium, Velocity.LOW: 0.0}[velocity]


@dataclass(frozen=True, slots=True)
class Standing:
    """Which class a SKU is in, and since when it has been too slow for it (``None``: it is not)."""

    velocity: Velocity = Velocity.LOW
    slow_since_ms: int | None = None


def peak_units_min(pace: Pace, sales: Sales | None, season: Season) -> float:
    """Units a minute of one channel in the busiest hour of the week; 0 when nothing at all is known.

    That a sale is likelier just after another one does not count: a class describes days.
    """
    rate = pace.steady
    return rate * mean_line(sales, season) * season.busiest / MINUTES if rate > 0 else 0.0


def entered(units_min: float, thresholds: Thresholds) -> Velocity:
    """The highest class whose threshold a speed exceeds."""
    if units_min > thresholds.high:
        return Velocity.HIGH
    return Velocity.MEDIUM if units_min > thresholds.medium else Velocity.LOW


def classify(
    before: Standing,
    units_min: float,
    now_ms: int,
    thresholds: Thresholds = Thresholds(),
    *,
    override: Velocity | None = None,
) -> Standing:
    """The standing of a SKU that sells at this speed now.

    Up at once, down only after a while: showing a fast SKU as slow costs oversells, the other way round
    only calls. ``override`` is what the configuration says of the SKU; it always wins.
    """
    if override is not None:
        return Standing(override)
    reached = entered(units_min, thresholds)
    if ORDER.index(reached) >= ORDER.index(before.velocity):
        return Standing(reached)
    if units_min >= thresholds.leave_share * thresholds.of(before.velocity):
        return Standing(before.velocity)
    since_ms = now_ms if before.slow_since_ms is None else before.slow_since_ms
    if now_ms - since_ms < thresholds.leave_after_ms:
        return Standing(before.velocity, since_ms)
    # It was in every lower class as well, so it keeps the highest of them that it is not too slow for.
    lower = ORDER[: ORDER.index(before.velocity)]
    kept = [one for one in lower if units_min >= thresholds.leave_share * thresholds.of(one)]
    return Standing(kept[-1])
