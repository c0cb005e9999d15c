"""From lines, stock and rules to a plan that says why it is as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal

from msgspec import Struct

from syncline.model.copying import replace
from syncline.routing.places import distance_km
from syncline.routing.policy import MATTERS, ZERO, Destination, Policy
from syncline.routing.solver import STEPS_MAX, Problem, Solution, solve

SCALE = 10_000  # MATTERS as a whole number
PASSED_OVER_MAX = 5
OTHERWISE_STEPS_MAX = 2_000  # the second-best plan is told, not proved


class Wanted(Struct, frozen=True):
    """Units of a line that are to be sent. ``needs`` are the base SKUs that one unit takes, with how many of each."""

    line: str
    sku: str
    units: int
    needs: Mapping[str, int]


class Sent(Struct, frozen=True):
    """Units of a line that one location sends."""

    line: str
    sku: str
    location: str
    units: int


class Missing(Struct, frozen=True):
    """Units of a line that nobody sends."""

    line: str
    sku: str
    units: int


class Parcel(Struct, frozen=True):
    """What one location sends and what that costs; ``km`` of ``None``: nobody knows how far it is."""

    location: str
    lines: int
    units: int
    km: float | None
    handling: Decimal
    distance: Decimal
    reason: str


class Plan(Struct, frozen=True):
    """Where an order is sent from. ``cost`` includes what each parcel but the first costs besides.

    ``exact``: no other plan that sends as much costs less; otherwise this one is dearer than the best by ``dearer_max`` at
    most.
    """

    sent: tuple[Sent, ...]
    missing: tuple[Missing, ...]
    parcels: tuple[Parcel, ...]
    cost: Decimal
    currency: str
    exact: bool
    dearer_max: Decimal
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stock:
    """What there is. ``rooms`` is by base SKU and location; ``pools`` what can be had of a base SKU altogether.

    A pool may be smaller than its rooms, where somebody may take units from any of them.
    """

    rooms: Mapping[str, Mapping[str, int]]
    pools: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Case:
    """One order to be routed. ``load`` is how many orders each location was given in the last day and hour.

    ``closed`` are locations that cannot be taken, with why; ``begun`` those that send a parcel of this order anyway.
    """

    channel: str
    to: Destination
    wanted: Sequence[Wanted]
    locations: Sequence[str]
    stock: Stock
    load: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    closed: Mapping[str, str] = field(default_factory=dict)
    begun: frozenset[str] = frozenset()


def plan(case: Case, policy: Policy, *, steps_max: int = STEPS_MAX) -> Plan:
    """Decide where an order is sent from. The same case and policy always give the same plan."""
    together: dict[str, Wanted] = {}
    for one in case.wanted:
        before = together.get(one.sku)
        together[one.sku] = one if before is None else replace(before, units=before.units + one.units)
    told = _Planner(replace(case, wanted=tuple(together.values())), policy).plan(steps_max)
    return told if len(together) == len(case.wanted) else _divided(told, case.wanted)


def priced(case: Case, policy: Policy, sent: Sequence[Sent]) -> tuple[int, Decimal, float]:
    """What a plan of anybody's comes to: parcels, cost, and the kilometres of which anybody knows."""
    planner = _Planner(case, policy)
    lines = Counter(at for _, at in {(one.line, one.location) for one in sent})
    cost = sum((sum(planner.costs_of(at, count), ZERO) for at, count in lines.items()), ZERO)
    km = sum(planner.km(at) or 0.0 for at in lines)
    return len(lines), cost + policy.cost_per_parcel * max(0, len(lines) - 1), km


def _divided(told: Plan, wanted: Sequence[Wanted]) -> Plan:
    """A plan of SKUs for lines of which some are of the same SKU: the earlier line gets its units first."""
    parts: dict[str, list[tuple[str, int]]] = {}
    for one in told.sent:
        parts.setdefault(one.sku, []).append((one.location, one.units))
    sent, missing = [], []
    for want in wanted:
        left, rest = want.units, []
        for location, units in parts.get(want.sku, ()):
            take = min(left, units)
            left -= take
            if take:
                sent.append(Sent(want.line, want.sku, location, take))
            if units > take:
                rest.append((location, units - take))
        parts[want.sku] = rest
        if left:
            missing.append(Missing(want.line, want.sku, left))
    return replace(told, sent=tuple(sent), missing=tuple(missing))


def words(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _whole(amount: Decimal) -> int:
    """An amount as a whole number of its smallest part."""
    return int((amount * SCALE).to_integral_value(ROUND_HALF_EVEN))


def _money(amount: Decimal) -> str:
    return f"{amount.quantize(Decimal('0.01'), ROUND_HALF_EVEN):f}"


class _Planner:
    """One case under one policy."""

    def __init__(self, case: Case, policy: Policy) -> None:
        self._case = case
        self._policy = policy
        self._places = list(case.locations)
        self._km = {at: self._distance(at) for at in self._places}
        self._closed = dict(case.closed)
        self._no_sku: dict[tuple[str, str], str] = {}  # location and SKU to the rule that says so
        self._worth: dict[str, Decimal] = {}
        self._full: dict[str, str] = {}
        self._alone = True  # no two lines take the same base SKU
        self._most: list[int] = []  # of each line that can be had altogether
        self._rules()
        self._capacities()

    def _distance(self, location: str) -> float | None:
        here, there = self._policy.site(location).point, self._case.to.point
        return None if here is None or there is None else distance_km(here, there)

    def _rules(self) -> None:
        for rule in self._policy.concerning(self._case.channel, self._case.to):
            for at in rule.exclude:
                if rule.skus:
                    for sku in rule.skus:
                        self._no_sku.setdefault((at, sku), rule.name)
                else:
                    self._closed.setdefault(at, f"excluded by {rule.name}")
            if not rule.skus or any(one.sku in rule.skus for one in self._case.wanted):
                for at in rule.prefer:
                    self._worth[at] = max(rule.worth, self._worth.get(at, ZERO))

    def _capacities(self) -> None:
        for at in self._places:
            site = self._policy.site(at)
            day, hour = self._case.load.get(at, (0, 0))
            for limit, given, window in (
                (site.orders_per_day, day, "24 hours"),
                (site.orders_per_hour, hour, "hour"),
            ):
                if limit is not None and given >= limit and at not in self._case.begun:
                    self._full.setdefault(at, f"full: {given} of {limit} orders in the last {window}")

    def km(self, location: str) -> float | None:
        """How far a location is from the destination, if anybody knows."""
        return self._km[location]

    # --- the problem --------------------------------------------------------------------------------

    def _available(self) -> list[list[int]]:
        """What each location can send of each line. Lines that take the same base SKU get it one after the other."""
        rooms = {sku: dict(at) for sku, at in self._case.stock.rooms.items()}
        pools = dict(self._case.stock.pools)
        bases = [base for one in self._case.wanted for base in one.needs]
        self._alone = len(set(bases)) == len(bases)
        found = []
        for one in self._case.wanted:
            needs = [(rooms.get(base, {}), n) for base, n in one.needs.items()]
            row = []
            for at in self._places:
                units = one.units
                for room, n in needs:
                    units = min(units, room.get(at, 0) // n)
                least = 1 if self._policy.split_lines else one.units
                if units < least or at in self._closed or (at, one.sku) in self._no_sku:
                    units = 0
                row.append(units)
                if units and not self._alone:
                    for room, n in needs:
                        room[at] -= units * n
            most = min((pools.get(base, 0) // n for base, n in one.needs.items()), default=0)
            most = min(max(0, most), one.units)
            self._most.append(most if self._policy.split_lines or most == one.units else 0)
            for base, n in one.needs.items():
                pools[base] = pools.get(base, 0) - most * n
            found.append(row)
        return found

    def _problem(self, available: Sequence[Sequence[int]], without: str = "") -> Problem:
        """The case in whole numbers. A full location costs more than any plan: it is asked only where nobody else has it."""
        begun, split = self._case.begun, _whole(self._policy.cost_per_parcel)
        costs, lines = [], []
        for at in self._places:
            site = self._policy.site(at)
            parcel = ZERO if at in begun else site.cost_per_order + site.distance_cost(self._km[at])
            parcel = max(ZERO, parcel - self._worth.get(at, ZERO))
            # Where parcels are sent already, none of these is the first.
            costs.append(_whole(parcel) + (split if begun and at not in begun else 0))
            lines.append(_whole(site.cost_per_line))
        parcels_max = max(1, self._policy.parcels_max - len(begun))
        beyond = 1 + (max(costs, default=0) + split + len(available) * max(lines, default=0)) * parcels_max
        return Problem(
            self._most,
            [
                [0 if at == without else units for units, at in zip(row, self._places, strict=True)]
                for row in available
            ],
            [
                cost + (beyond if at in self._full else 0)
                for cost, at in zip(costs, self._places, strict=True)
            ],
            lines,
            0 if begun else split,
            parcels_max,
        )

    # --- the plan -----------------------------------------------------------------------------------

    def plan(self, steps_max: int) -> Plan:
        available = self._available()
        solution = solve(self._problem(available), steps_max=steps_max)
        missing = self._missing(solution)
        if self._policy.ship_complete and missing:
            return self._nothing(solution, missing)
        told = self._told(solution, available, missing)
        if not solution.locations:
            return told
        main = max(told.parcels, key=lambda parcel: parcel.units).location
        other = solve(self._problem(available, without=main), steps_max=OTHERWISE_STEPS_MAX)
        return replace(told, reasons=(*told.reasons, self._otherwise(main, told, solution, other)))

    def _nothing(self, solution: Solution, missing: Sequence[Missing]) -> Plan:
        reason = f"Nothing is sent, because orders go complete and {_lack(missing)}."
        everything = tuple(Missing(one.line, one.sku, one.units) for one in self._case.wanted)
        return Plan((), everything, (), ZERO, self._policy.currency, solution.exact, ZERO, (reason,))

    def _missing(self, solution: Solution) -> tuple[Missing, ...]:
        found = []
        for one, parts in zip(self._case.wanted, solution.sent, strict=True):
            units = one.units - sum(units for _, units in parts)
            if units:
                found.append(Missing(one.line, one.sku, units))
        return tuple(found)

    def _cost(self, solution: Solution) -> Decimal:
        """What a plan really costs, whatever is preferred or full."""
        sites = {self._places[at]: 0 for at in solution.locations}
        for parts in solution.sent:
            for at, _ in parts:
                sites[self._places[at]] += 1
        cost = sum((sum(self.costs_of(at, lines), ZERO) for at, lines in sites.items()), ZERO)
        new = len(sites.keys() - self._case.begun)
        further = new if self._case.begun else max(0, new - 1)
        return cost + self._policy.cost_per_parcel * further

    def costs_of(self, location: str, lines: int) -> tuple[Decimal, Decimal]:
        """Handling and distance of the parcel from a location."""
        site = self._policy.site(location)
        if location in self._case.begun:
            return site.cost_per_line * lines, ZERO
        return site.cost_per_order + site.cost_per_line * lines, site.distance_cost(self._km[location])

    def _told(
        self, solution: Solution, available: Sequence[Sequence[int]], missing: tuple[Missing, ...]
    ) -> Plan:
        sent = tuple(
            Sent(one.line, one.sku, self._places[at], units)
            for one, parts in zip(self._case.wanted, solution.sent, strict=True)
            for at, units in parts
        )
        parcels = [self._parcel(self._places[at], sent) for at in solution.locations]
        parcels.sort(key=lambda parcel: (-parcel.units, parcel.location))
        cost = self._cost(solution)
        exact = solution.exact and self._alone
        dearer = min(cost, Decimal(solution.cost - solution.bound) / SCALE)
        return Plan(
            sent,
            missing,
            tuple(parcels),
            cost,
            self._policy.currency,
            exact,
            dearer.quantize(MATTERS),
            tuple(self._reasons(parcels, missing, cost, available, exact=exact, dearer=dearer)),
        )

    def _parcel(self, location: str, sent: Sequence[Sent]) -> Parcel:
        its = [one for one in sent if one.location == location]
        km, begun = self._km[location], location in self._case.begun
        handling, distance = self.costs_of(location, len(its))
        parts = [f"it has {self._share(its)}"]
        if km is not None:
            parts.append(f"{km:.0f} km away")
        if begun:
            parts.append("sends a parcel of this order anyway")
        if location in self._worth:
            parts.append(f"preferred, which counts {_money(self._worth[location])}")
        if location in self._full:
            parts.append(f"{self._full[location]}, but nobody else has them")
        parts.append(f"{_money(handling)} handling, {_money(distance)} distance")
        units = sum(one.units for one in its)
        return Parcel(
            location,
            len(its),
            units,
            None if km is None else round(km, 1),
            handling,
            distance,
            f"From {location}: {'; '.join(parts)}.",
        )

    def _share(self, its: Sequence[Sent]) -> str:
        lines = len(self._case.wanted)
        whole = len(its) == lines and sum(one.units for one in its) == sum(
            one.units for one in self._case.wanted
        )
        units = words(sum(one.units for one in its), "unit")
        return f"all {words(lines, 'line')}" if whole else f"{units} of {len(its)} of {words(lines, 'line')}"

    def _reasons(
        self,
        parcels: Sequence[Parcel],
        missing: Sequence[Missing],
        cost: Decimal,
        available: Sequence[Sequence[int]],
        *,
        exact: bool,
        dearer: Decimal,
    ) -> list[str]:
        found = []
        if parcels:
            count = words(len(parcels), "parcel")
            proof = (
                "no plan that sends as much costs less"
                if exact
                else f"the best of those looked at, at most {_money(dearer)} dearer than the best"
                if self._alone
                else "the best of those looked at"
            )
            found.append(f"{count} for {_money(cost)} {self._policy.currency}".rstrip() + f": {proof}.")
        found += [parcel.reason for parcel in parcels]
        if missing:
            found.append("Not sent: " + _lack(missing) + ".")
        if self._case.to.point is None:
            where = str(self._case.to) or "the destination"
            found.append(f"Nobody knows where {where} is, so distance does not count.")
        found += self._passed_over(parcels, available)
        return found

    def _passed_over(self, parcels: Sequence[Parcel], available: Sequence[Sequence[int]]) -> list[str]:
        """Why the locations that would have been cheaper or nearer were not taken, the cheapest first."""
        taken = {parcel.location for parcel in parcels}
        dearest = max((parcel.distance for parcel in parcels), default=None)
        odd = []
        for index, at in enumerate(self._places):
            way = self._policy.site(at).distance_cost(self._km[at])
            if at in taken or (dearest is not None and way > dearest and at not in self._worth):
                continue
            has = sum(
                1 for row, one in zip(available, self._case.wanted, strict=True) if row[index] >= one.units
            )
            banned = sorted({rule for (where, _), rule in self._no_sku.items() if where == at})
            if at in self._closed:
                why = self._closed[at]
            elif at in self._full:
                why = self._full[at]
            elif has < len(self._case.wanted):
                why = f"it has {has} of {words(len(self._case.wanted), 'line')} in full"
                why += f"; {', '.join(banned)} excludes some" if banned else ""
            else:
                why = "it costs more or as much"
            km = self._km[at]
            odd.append((way, at, f"Not from {at}{'' if km is None else f' ({km:.0f} km)'}: {why}."))
        odd.sort(key=lambda one: one[:2])
        told = [sentence for _, _, sentence in odd[:PASSED_OVER_MAX]]
        if len(odd) > PASSED_OVER_MAX:
            told.append(
                f"Nor from {words(len(odd) - PASSED_OVER_MAX, 'other location')}, for the like reasons."
            )
        return told

    def _otherwise(self, main: str, told: Plan, solution: Solution, other: Solution) -> str:
        """What the best plan without the main location would have been."""
        more = sum(other.missing) - sum(solution.missing)
        if more > 0:
            return f"Without {main}, {words(more, 'unit')} more could not be sent."
        by = self._cost(other) - told.cost
        others = ", ".join(self._places[at] for at in other.locations)
        return f"Without {main} it would be sent from {others}, for {_money(by)} more."


def _lack(missing: Sequence[Missing]) -> str:
    return "nobody has " + ", ".join(f"{one.units} of {one.sku}" for one in missing)
