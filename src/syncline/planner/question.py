"""What is asked of the planner: systems, volumes, and for each flow how old its data may become and whom that hurts.

Durations are milliseconds, volumes are of a usual day unless a name says otherwise, money is in one currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from syncline.planner.vendors import Limit, Vendor

DAY_S = 86_400
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000

REST = "rest"  # the records of a route that no segment names
LIMIT_SHARE = 0.8  # of every limit; the governors keep the other fifth for urgent calls
PEAK_SHARE = 0.12  # of a day's changes that fall into its busiest hour


@dataclass(frozen=True, slots=True)
class AskedSystem:
    """One account of a vendor. ``share`` is the part of its limits that may be used at all."""

    name: str
    vendor: Vendor
    licence: str
    limits: tuple[Limit, ...]
    share: float = LIMIT_SHARE
    events: bool = True  # whether the vendor's events can reach us
    price_per_1000_calls: Decimal = Decimal(0)
    price_per_month: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Harm:
    """What lateness costs: so many of the values that are wrong hurt somebody, each costs so much.

    ``hurt_share`` is the part of the values, out of date for an hour, that hurt; ``cost_per_hour`` is lost besides for
    every hour in which the whole flow stands.
    """

    words: str = ""
    hurt_share: float = 0.0
    cost_each: Decimal = Decimal(0)
    cost_per_hour: Decimal = Decimal(0)

    @property
    def known(self) -> bool:
        """Whether the user gave any figure."""
        return bool(self.cost_per_hour or (self.cost_each and self.hurt_share))


@dataclass(frozen=True, slots=True)
class AskedSegment:
    """A part of a route's records with a tolerance of its own; the whole route where there is only one."""

    name: str
    tolerance_ms: int
    records: int
    changes_per_day: float
    peak_per_hour: float
    harm: Harm = Harm()


@dataclass(frozen=True, slots=True)
class Drivers:
    """What makes a flow work to set up."""

    mapping_fields: int = 0
    custom_fields: int = 0
    both_ways: bool = False
    gate: bool = False


@dataclass(frozen=True, slots=True)
class AskedRoute:
    """One flow from one system to another. ``lost_ms`` is how late a change may be if its event is lost."""

    flow: str
    source: str
    sink: str
    segments: tuple[AskedSegment, ...]
    lost_ms: int
    via: str = ""  # a broker between the two
    drivers: Drivers = Drivers()

    @property
    def name(self) -> str:
        """As the engine calls it."""
        return f"{self.flow}:{self.source}->{self.sink}"

    @property
    def records(self) -> int:
        """All of its records."""
        return sum(one.records for one in self.segments)

    @property
    def changes_per_day(self) -> float:
        """All of its changes."""
        return sum(one.changes_per_day for one in self.segments)

    @property
    def peak_per_hour(self) -> float:
        """All of its changes in the busiest hour."""
        return sum(one.peak_per_hour for one in self.segments)

    @property
    def tolerance_ms(self) -> int:
        """The strictest of its tolerances."""
        return min(one.tolerance_ms for one in self.segments)


@dataclass(frozen=True, slots=True)
class EffortRates:
    """Days of work for each driver: assumptions, to be replaced by one's own."""

    per_flow: Decimal = Decimal("1.5")
    per_field: Decimal = Decimal("0.1")
    per_custom_field: Decimal = Decimal("0.4")
    second_way: Decimal = Decimal("0.6")  # of what the first way takes
    gate: Decimal = Decimal(3)
    tests_share: Decimal = Decimal("0.35")  # of all the above
    per_system: Decimal = Decimal(1)
    missing_connector: Decimal = Decimal(15)


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that a plan is made from."""

    title: str
    currency: str
    systems: Mapping[str, AskedSystem]
    routes: tuple[AskedRoute, ...]
    batch_ms: int = HOUR_MS  # of the design that the plan is compared with
    reconcile_ms: int = DAY_MS
    lines_per_order: float = 1.0
    host_per_month: Decimal = Decimal(0)
    effort: EffortRates = field(default_factory=EffortRates)
