"""``[routing]``: what each location costs and can do, which rules hold, and where postcodes are."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from syncline.model.errors import Misconfigured
from syncline.routing.places import Places, Point, place_key
from syncline.routing.policy import Moves, Policy, Rule, Site
from syncline.routing.solver import LOCATIONS_MAX, PARCELS_MAX

PLACES_MAX = 3_000_000
RULES_MAX = 1_000
ZONES_MAX = 50
COST_MAX = Decimal(1_000_000)
COLUMNS = {
    "country": ("country", "country_code"),
    "postcode": ("postcode", "postal_code", "zip"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "lng"),
}

Orders = Annotated[int, msgspec.Meta(ge=0)]
Code = Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{3})?\Z")]


class ZoneConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a parcel over at most so many kilometres costs."""

    km: Decimal
    cost: Decimal


class SiteConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename=None):
    """``[routing.locations.ID]``: one ERP location. A cost that is left out is that of ``[routing]``."""

    latitude: float | UnsetType = UNSET
    longitude: float | UnsetType = UNSET
    country: str = ""
    postcode: str = ""
    cost_per_order: Decimal | UnsetType = UNSET
    cost_per_line: Decimal | UnsetType = UNSET
    cost_per_km: Decimal | UnsetType = UNSET
    zones: list[ZoneConfig] | UnsetType = UNSET
    orders_per_day: Orders | UnsetType = UNSET
    orders_per_hour: Orders | UnsetType = UNSET


class RoutingRuleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename=None):
    """``[[routing.rules]]``: which locations send nothing of some orders or SKUs, and which are preferred."""

    name: str = ""
    channels: list[str] = []
    countries: list[str] = []
    regions: list[str] = []
    postcodes: list[str] = []
    skus: list[str] = []
    exclude: list[str] = []
    prefer: list[str] = []
    worth: Decimal | UnsetType = UNSET


class RoutingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename=None):
    """``[routing]``: where orders are sent from. Without the section they are sent from where their channel says."""

    channels: list[str] | UnsetType = UNSET
    currency: Code = ""
    cost_per_parcel: Decimal = Decimal(0)
    cost_per_order: Decimal = Decimal(0)
    cost_per_line: Decimal = Decimal(0)
    cost_per_km: Decimal = Decimal(0)
    zones: list[ZoneConfig] = []
    orders_per_day: Orders | UnsetType = UNSET
    orders_per_hour: Orders | UnsetType = UNSET
    parcels_max: Annotated[int, msgspec.Meta(ge=1, le=PARCELS_MAX)] = 3
    ship_complete: bool = False
    split_lines: bool = True
    refusals_max: Annotated[int, msgspec.Meta(ge=0, le=20)] = 3
    moves: Moves = "park"
    places: str = ""
    locations: dict[str, SiteConfig] = {}
    rules: list[RoutingRuleConfig] = []

    def policy(self, folder: Path, channels: Iterable[str], places: Places | None = None) -> Policy:
        """The same for the engine. ``channels`` are those of which orders could be routed.

        Places are read below ``folder`` unless they are given.

        Raises:
            Misconfigured: a value makes no sense; names the field and the mend.
        """
        known = list(dict.fromkeys(channels))
        routed = known if self.channels is UNSET else self.channels
        for channel in routed:
            if channel not in known:
                raise Misconfigured(
                    f"routing.channels: {channel!r} has no orders route; {', '.join(known) or 'none'} would do"
                )
        if len(self.locations) > LOCATIONS_MAX:
            raise Misconfigured(f"routing.locations: more than {LOCATIONS_MAX}")
        if len(self.rules) > RULES_MAX:
            raise Misconfigured(f"routing.rules: more than {RULES_MAX}")
        if places is None:
            places = read_places(folder / self.places) if self.places else Places()
        otherwise = Site(
            None,
            _cost(self.cost_per_order, "routing.cost_per_order"),
            _cost(self.cost_per_line, "routing.cost_per_line"),
            _cost(self.cost_per_km, "routing.cost_per_km"),
            _zones(self.zones, "routing.zones"),
            None if self.orders_per_day is UNSET else self.orders_per_day,
            None if self.orders_per_hour is UNSET else self.orders_per_hour,
        )
        return Policy(
            sites={at: _site(at, site, otherwise, places) for at, site in self.locations.items()},
            otherwise=otherwise,
            rules=tuple(_rule(number, rule) for number, rule in enumerate(self.rules)),
            places=places,
            channels=frozenset(routed),
            currency=self.currency,
            cost_per_parcel=_cost(self.cost_per_parcel, "routing.cost_per_parcel"),
            parcels_max=self.parcels_max,
            ship_complete=self.ship_complete,
            split_lines=self.split_lines,
            refusals_max=self.refusals_max,
            moves=self.moves,
        )


def _cost(value: Decimal, field: str) -> Decimal:
    if not value.is_finite() or not 0 <= value <= COST_MAX:
        raise Misconfigured(f"{field}: {value} must lie between 0 and {COST_MAX}")
    return value


def _zones(zones: list[ZoneConfig], field: str) -> tuple[tuple[Decimal, Decimal], ...]:
    if len(zones) > ZONES_MAX:
        raise Misconfigured(f"{field}: more than {ZONES_MAX} zones")
    found = tuple((_cost(zone.km, f"{field}.km"), _cost(zone.cost, f"{field}.cost")) for zone in zones)
    if any(one[0] >= other[0] for one, other in pairwise(found)):
        raise Misconfigured(f"{field}: give them nearest first, each with a larger km than the one before")
    return found


def _site(at: str, site: SiteConfig, otherwise: Site, places: Places) -> Site:
    field = f"routing.locations.{at}"
    point: Point | None = None
    if (site.latitude is UNSET) != (site.longitude is UNSET):
        raise Misconfigured(f"{field}: give both latitude and longitude")
    if site.latitude is not UNSET and site.longitude is not UNSET:
        try:
            point = Point(site.latitude, site.longitude)
        except ValueError as error:
            raise Misconfigured(f"{field}: {error}") from error
    elif site.postcode:
        point = places.find(site.country, site.postcode)
        if point is None:
            raise Misconfigured(
                f"{field}.postcode: routing.places has no {site.country} {site.postcode}; give latitude and longitude"
            )
    return Site(
        point,
        otherwise.cost_per_order
        if site.cost_per_order is UNSET
        else _cost(site.cost_per_order, f"{field}.cost_per_order"),
        otherwise.cost_per_line
        if site.cost_per_line is UNSET
        else _cost(site.cost_per_line, f"{field}.cost_per_line"),
        otherwise.cost_per_km
        if site.cost_per_km is UNSET
        else _cost(site.cost_per_km, f"{field}.cost_per_km"),
        otherwise.zones if site.zones is UNSET else _zones(site.zones, f"{field}.zones"),
        otherwise.orders_per_day if site.orders_per_day is UNSET else site.orders_per_day,
        otherwise.orders_per_hour if site.orders_per_hour is UNSET else site.orders_per_hour,
    )


def _rule(number: int, rule: RoutingRuleConfig) -> Rule:
    field = f"routing.rules[{number}]"
    if not rule.exclude and not rule.prefer:
        raise Misconfigured(f"{field}: name locations under exclude or prefer, or leave the rule out")
    if bool(rule.prefer) != (rule.worth is not UNSET):
        raise Misconfigured(
            f"{field}: prefer and worth go together: worth is by how much such a parcel counts as cheaper"
        )
    return Rule(
        f"rule {rule.name!r}" if rule.name else f"rule {number + 1}",
        tuple(rule.channels),
        tuple(country.upper() for country in rule.countries),
        tuple(region.upper() for region in rule.regions),
        tuple(postcode.upper() for postcode in rule.postcodes),
        tuple(rule.skus),
        tuple(rule.exclude),
        tuple(rule.prefer),
        Decimal(0) if rule.worth is UNSET else _cost(rule.worth, f"{field}.worth"),
    )


def read_places(path: Path) -> Places:
    """A table of postcodes: CSV, or CSV compressed as ``.gz``, with a header.

    The columns are ``postcode`` (or ``zip``), ``latitude`` (``lat``), ``longitude`` (``lon``) and, if it is of several
    countries, ``country``.

    Raises:
        Misconfigured: it is missing, lacks a column, or a row makes no sense.
    """
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig", newline="")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig", newline="") as file
        ):
            return _read(csv.reader(file), path)
    except OSError as error:
        raise Misconfigured(f"routing.places: {path} cannot be read: {error}") from error
    except (UnicodeDecodeError, csv.Error, EOFError) as error:
        raise Misconfigured(f"routing.places: {path} is no UTF-8 CSV: {error}") from error


def _read(rows: Iterable[list[str]], path: Path) -> Places:
    lines = iter(rows)
    head = [name.strip().lower() for name in next(lines, [])]
    at = {
        column: next((head.index(name) for name in names if name in head), -1)
        for column, names in COLUMNS.items()
    }
    lacking = [column for column, index in at.items() if index < 0 and column != "country"]
    if lacking:
        raise Misconfigured(f"routing.places: {path} has no column {', '.join(lacking)}")
    known: dict[tuple[str, str], Point] = {}
    for number, row in enumerate(lines, 2):
        if not row:
            continue
        if number > PLACES_MAX:
            raise Misconfigured(f"routing.places: {path} has more than {PLACES_MAX} rows")
        try:
            if not row[at["latitude"]].strip():
                continue  # tables have postcodes of which nobody knows where they are
            country = row[at["country"]] if at["country"] >= 0 else ""
            point = Point(float(row[at["latitude"]]), float(row[at["longitude"]]))
            known.setdefault(place_key(country, row[at["postcode"]]), point)
        except (ValueError, IndexError) as error:
            raise Misconfigured(f"routing.places: {path}, line {number}: {error}") from error
    return Places(known)
