"""What routing is told: what each location costs and can do, and which rules hold for an order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from syncline.model.records import Order
from syncline.routing.places import Places, Point

Moves = Literal["park", "tolerate", "off"]

ZERO = Decimal(0)
MATTERS = Decimal("0.0001")  # costs are computed to this much of a unit of the currency


@dataclass(frozen=True, slots=True)
class Site:
    """One location: what a parcel from there costs, and how many orders it can take.

    ``zones`` are distances in kilometres and what a parcel over at most so many costs, nearest first; beyond the last
    it costs what that says. Where there are none, ``cost_per_km`` counts. ``orders_per_day`` and ``orders_per_hour`` of
    ``None``: as many as there are.
    """

    point: Point | None = None
    cost_per_order: Decimal = ZERO
    cost_per_line: Decimal = ZERO
    cost_per_km: Decimal = ZERO
    zones: tuple[tuple[Decimal, Decimal], ...] = ()
    orders_per_day: int | None = None
    orders_per_hour: int | None = None

    def distance_cost(self, km: float | None) -> Decimal:
        """What the way of one parcel costs; nothing where it is not known how far it is."""
        if km is None:
            return ZERO
        for limit, cost in self.zones:
            if km <= limit:
                return cost
        if self.zones:
            return self.zones[-1][1]
        return (self.cost_per_km * Decimal(round(km, 1))).quantize(MATTERS)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an order goes. ``point`` is where that is, if anybody knows."""

    country: str = ""
    region: str = ""
    postcode: str = ""
    point: Point | None = None

    def __str__(self) -> str:
        """The address as far as it matters here."""
        return " ".join(part for part in (self.postcode, self.region, self.country) if part)


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for some orders or lines: every condition that is set must be met.

    ``exclude`` are locations that send nothing of it. ``prefer`` are locations that count as cheaper by ``worth`` for each parcel
    when plans are compared; the cost that is told is the real one.
    """

    name: str
    channels: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    postcodes: tuple[str, ...] = ()  # the beginning of one
    skus: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    prefer: tuple[str, ...] = ()
    worth: Decimal = ZERO

    def concerns(self, channel: str, to: Destination) -> bool:
        """Whether it holds for an order of this channel that goes there."""
        return (
            (not self.channels or channel in self.channels)
            and (not self.countries or to.country.upper() in self.countries)
            and (not self.regions or to.region.upper() in self.regions)
            and (not self.postcodes or to.postcode.strip().upper().startswith(self.postcodes))
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole of ``[routing]``.

    ``channels`` are those whose accepted orders are routed; of all others, and of all if it is empty, only quotes are
    given. ``refusals_max``: after so many refusals of one order a person decides. ``moves``: whether a channel that can is made to
    expect an order from where it is sent, and whether a person has to look at what it refuses of that.
    """

    sites: Mapping[str, Site] = field(default_factory=dict)
    otherwise: Site = field(default_factory=Site)
    rules: Sequence[Rule] = ()
    places: Places = field(default_factory=Places)
    channels: frozenset[str] = frozenset()
    currency: str = ""
    cost_per_parcel: Decimal = ZERO
    parcels_max: int = 3
    ship_complete: bool = False
    split_lines: bool = True
    refusals_max: int = 3
    moves: Moves = "park"

    def site(self, location: str) -> Site:
        """What is known of a location."""
        return self.sites.get(location, self.otherwise)

    @property
    def limited(self) -> bool:
        """Whether any location can take only so many orders."""
        sites = (*self.sites.values(), self.otherwise)
        return any(site.orders_per_day is not None or site.orders_per_hour is not None for site in sites)

    def concerning(self, channel: str, to: Destination) -> Iterator[Rule]:
        """The rules that hold for an order."""
        return (rule for rule in self.rules if rule.concerns(channel, to))

    def destination(self, order: Order) -> Destination:
        """Where an order goes, and where that is."""
        address = order.shipping_to
        if address is None:
            return Destination()
        point = self.places.find(address.country, address.postcode)
        return Destination(address.country, address.region, address.postcode, point)
