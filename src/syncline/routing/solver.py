"""The cheapest way to send an order from few locations: branch and bound over sets of locations.

::

    cost of a plan = Σ over its locations (parcel cost)
                     + Σ over its lines and their locations (line cost)
                     + split cost for every parcel but the first
                     + missing cost for every unit that nobody sends

The missing cost is larger than anything else together, so first as many units as possible are sent and then
as cheaply as possible. This is the facility location problem with capacities and split deliveries; what makes
it easy here is that an order has few parcels.

A search for good plans comes first (greedy, then exchanges of one location); branch and bound then proves that
there is none better, or finds it. It takes the line that the fewest locations can still complete and tries each
of them, in order of cost; so every set of locations that can be the best is looked at or proved to be no
better. Where nobody can send everything, no few locations together add more than the sum of what each of them
would add alone (units sent are a submodular function of the locations: Nemhauser, Wolsey and Fisher, Mathematical
Programming 14, 1978, 265-294), which tells early who cannot belong to the best. Work is counted in steps and bounded by ``steps_max``, never by a clock, so the same problem always gives the
same plan. Where the steps run out, the best plan so far is given with the bound that was proved.

All costs are whole numbers of the smallest unit, so that nothing depends on the order of additions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import combinations

LOCATIONS_MAX = 1_000
LINES_MAX = 100
PARCELS_MAX = 6
STEPS_MAX = 10_000
SWAPS_MAX = 4  # rounds of exchanges
GAINS_A_STEP = 20  # locations whose gain takes as long to reckon as trying one of them


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wanted and what it would cost from where.

    ``available`` is by line, then by location: units that the location can send of the line, whatever it
    sends of the others. ``parcel_cost`` and ``line_cost`` are by location and not negative. At most ``parcels_max``
    locations may send anything.
    """

    wanted: Sequence[int]
    available: Sequence[Sequence[int]]
    parcel_cost: Sequence[int]
    line_cost: Sequence[int]
    split_cost: int = 0
    parcels_max: int = PARCELS_MAX

    def __post_init__(self) -> None:
        """Refuse what the search could not end for.

        Raises:
            ValueError: too many lines, locations or parcels, or a negative number.
        """
        if len(self.wanted) > LINES_MAX or len(self.parcel_cost) > LOCATIONS_MAX:
            raise ValueError(f"at most {LINES_MAX} lines and {LOCATIONS_MAX} locations")
        if not 1 <= self.parcels_max <= PARCELS_MAX:
            raise ValueError(f"parcels_max must lie between 1 and {PARCELS_MAX}")
        if min(0, self.split_cost, *self.wanted, *self.parcel_cost, *self.line_cost) < 0:
            raise ValueError("neither units nor costs may be negative")


@dataclass(frozen=True, slots=True)
class Solution:
    """The best plan found. ``sent`` is by line: location and units, most units first.

    ``cost`` is without what is missing. No plan that sends as many units costs less than ``bound``; ``exact``: nor
    less than ``cost``, and none sends more.
    """

    sent: tuple[tuple[tuple[int, int], ...], ...]
    missing: tuple[int, ...]
    cost: int
    bound: int
    exact: bool
    steps: int

    @property
    def locations(self) -> tuple[int, ...]:
        """Every location that sends something, in order."""
        return tuple(sorted({at for line in self.sent for at, _ in line}))


def solve(problem: Problem, *, steps_max: int = STEPS_MAX) -> Solution:
    """The cheapest plan, or the best one that ``steps_max`` steps find."""
    search = _Search(problem, steps_max)
    search.run()
    return search.solution()


@dataclass(slots=True)
class _Best:
    """The best set of locations so far, and its cost with what is missing."""

    places: tuple[int, ...]
    cost: int


@dataclass(slots=True)
class _Search:
    """One search. Inside, locations are numbered by cost, so that the lowest bit of a set is its cheapest."""

    problem: Problem
    steps_max: int
    steps: int = 0
    order: list[int] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)
    short: list[int] = field(default_factory=list)  # units that nobody has
    have: list[list[int]] = field(default_factory=list)  # line, then location
    havers: list[list[tuple[int, int]]] = field(default_factory=list)  # line: who has any, and how many
    parcel: list[int] = field(default_factory=list)
    per_line: list[int] = field(default_factory=list)
    by_place: list[tuple[int, ...]] = field(default_factory=list)  # location, then line
    most: list[list[int]] = field(
        default_factory=list
    )  # n, then line: what the n best locations have together
    least: int = 0  # cost of a line, wherever it is cheapest
    cheapest_lines: int = 0
    missing_cost: int = 0
    best: _Best = field(default_factory=lambda: _Best((), 0))
    enough: list[dict[int, int]] = field(default_factory=list)  # line: units to the set that has so many
    ended: bool = True

    def run(self) -> None:
        """Prepare, look for a good plan, prove it or find a better one."""
        self._prepare()
        self.best = _Best((), self._value(()))
        if not self.order:
            return
        self._greedy()
        self._exchange()
        everywhere = (1 << len(self.order)) - 1
        self.ended = self._branch((), list(self.wanted), 0, everywhere)

    # --- preparing ----------------------------------------------------------------------------------

    def _prepare(self) -> None:
        given = self.problem
        lines = range(len(given.wanted))
        self.wanted, self.short = [], []
        for line in lines:
            there = sum(given.available[line])
            self.wanted.append(min(given.wanted[line], there))
            self.short.append(given.wanted[line] - self.wanted[line])
        self.order = self._worth_a_look()
        self.have = [
            [min(given.available[line][at], self.wanted[line]) for at in self.order] for line in lines
        ]
        self.havers = [[(at, there) for at, there in enumerate(row) if there] for row in self.have]
        self.parcel = [given.parcel_cost[at] + given.split_cost for at in self.order]
        self.per_line = [given.line_cost[at] for at in self.order]
        best = [sorted(row, reverse=True)[: given.parcels_max] for row in self.have]
        self.most = [[sum(its[:slots]) for its in best] for slots in range(given.parcels_max + 1)]
        self.by_place = list(zip(*self.have, strict=True)) if self.have else []
        self.least = min(self.per_line, default=0)
        self.cheapest_lines = self.least * sum(1 for units in self.wanted if units)
        dearest = max(self.parcel, default=0) + len(self.wanted) * max(self.per_line, default=0)
        self.missing_cost = 1 + given.parcels_max * dearest
        self.enough = [{} for _ in lines]

    def _worth_a_look(self) -> list[int]:
        """Locations in order of cost, without those in whose place another one always does.

        That is one which costs no more and has all that is wanted of each line of which the other has any: in every plan it
        may stand for the other, alone or together with it.
        """
        given = self.problem
        kept: list[int] = []
        rivals: dict[int, int] = {}  # the lines that some location has in full, to its least cost of a line
        by_cost = sorted(
            range(len(given.parcel_cost)), key=lambda at: (given.parcel_cost[at], given.line_cost[at], at)
        )
        for at in by_cost:
            some = full = 0
            for line, units in enumerate(self.wanted):
                there = given.available[line][at]
                if units and there > 0:
                    some |= 1 << line
                    if there >= units:
                        full |= 1 << line
            its = given.line_cost[at]
            if not some or any(not some & ~mask and cost <= its for mask, cost in rivals.items()):
                continue
            kept.append(at)
            rivals[full] = min(its, rivals.get(full, its))
        return kept

    # --- what a set of locations costs --------------------------------------------------------------

    def _value(self, places: Sequence[int]) -> int:
        """The cost of the best plan that uses no other locations, with what it leaves missing."""
        cost = sum(self.parcel[at] for at in places)
        for line, units in enumerate(self.wanted):
            if units:
                parts, missing = self._parts(line, places)
                cost += sum(self.per_line[at] for at in parts) + missing * self.missing_cost
        return cost

    def _parts(self, line: int, places: Sequence[int]) -> tuple[tuple[int, ...], int]:
        """Which of some locations send a line at the least cost, and the units that they have not."""
        units, have, cost = self.wanted[line], self.have[line], self.per_line
        able, whole, cheapest = [], -1, -1
        for at in places:
            if have[at]:
                able.append(at)
                if cheapest < 0 or cost[at] < cost[cheapest]:
                    cheapest = at
                if have[at] >= units and (whole < 0 or cost[at] < cost[whole]):
                    whole = at
        if whole >= 0 and cost[whole] <= cost[cheapest]:
            return (whole,), 0
        there = min(units, sum(have[at] for at in able))
        found: tuple[int, tuple[int, ...]] | None = None
        for count in range(1, len(able) + 1):
            if found is not None and found[0] <= self.least * count:
                break
            for some in combinations(able, count):
                if sum(have[at] for at in some) >= there:
                    its = sum(cost[at] for at in some)
                    if found is None or its < found[0]:
                        found = its, some
        return found[1] if found else (), units - there

    # --- good plans ---------------------------------------------------------------------------------

    def _greedy(self) -> None:
        """Take again and again the location that lacks least, or that costs least for what it adds."""
        for by_price in (False, True):
            places: list[int] = []
            left = list(self.wanted)
            while any(left) and len(places) < self.problem.parcels_max:
                scored = []
                for at in range(len(self.order)):
                    adds = sum(min(units, self.have[line][at]) for line, units in enumerate(left) if units)
                    if adds and at not in places:
                        ends = sum(1 for line, units in enumerate(left) if units <= self.have[line][at])
                        price = self.parcel[at] / (1 + ends) if by_price else -adds
                        scored.append((price, self.parcel[at], -adds, at))
                self.steps += len(self.order)
                if not scored:
                    break
                at = min(scored)[-1]
                places.append(at)
                left = self._less(left, at)
            self._offer(places)

    def _exchange(self) -> None:
        """Drop one location, or put another in its place, as long as that helps."""
        for _ in range(SWAPS_MAX):
            before = self.best
            for index in range(len(before.places)):
                rest = before.places[:index] + before.places[index + 1 :]
                self._offer(rest)
                fixed, left = sum(self.parcel[at] for at in rest), list(self.wanted)
                for at in rest:
                    left = self._less(left, at)
                for at in range(len(self.order)):
                    if self.steps >= self.steps_max:
                        return
                    self.steps += 1
                    if fixed + self.parcel[at] + self.cheapest_lines >= self.best.cost:
                        break  # all that follow cost as much or more
                    if at not in before.places:
                        self._try((*rest, at), fixed + self.parcel[at], self._less(left, at))
            if self.best is before:
                return

    def _try(self, places: tuple[int, ...], fixed: int, left: Sequence[int]) -> None:
        """Offer some locations unless what they lack makes them dearer than the best. ``fixed`` is what their parcels cost."""
        if fixed + self._floor(left, 0) < self.best.cost:
            self._offer(places)

    def _offer(self, places: Sequence[int]) -> None:
        cost = self._value(places)
        if cost < self.best.cost:
            self.best = _Best(tuple(places), cost)

    def _less(self, left: Sequence[int], at: int) -> list[int]:
        return [
            units - there if units > there else 0
            for units, there in zip(left, self.by_place[at], strict=True)
        ]

    # --- the proof ----------------------------------------------------------------------------------

    def _branch(self, places: tuple[int, ...], left: list[int], fixed: int, allowed: int) -> bool:
        """Look at every set that contains ``places`` and else only ``allowed``; whether that came to an end.

        ``left`` are the units that ``places`` have not, by line.
        """
        self.steps += 1
        if self.steps > self.steps_max:
            return False
        slots = self.problem.parcels_max - len(places)
        if not slots or not allowed or fixed + self._floor(left, slots) >= self.best.cost:
            return True
        gains, others, most = self._gains(left, allowed, slots)
        units_left, lines_cost = sum(left), self.cheapest_lines - self.least * sum(map(bool, left))
        if gains and fixed + lines_cost + (units_left - most) * self.missing_cost >= self.best.cost:
            return True
        line = self._hardest(left, allowed)
        if line is None:
            candidates = allowed  # another parcel may still make lines cheaper
        elif slots > 1:
            candidates = self._having(line, 1) & allowed
        else:
            candidates = self._completing(left, allowed)
            if not candidates and self.best.cost >= self.missing_cost:
                candidates = allowed
        for at in _bits(candidates):
            allowed &= ~(1 << at)
            if gains:
                missing = max(0, units_left - others - gains[at]) * self.missing_cost
                if fixed + self.parcel[at] + lines_cost + missing >= self.best.cost:
                    continue
            after = self._less(left, at)
            if fixed + self.parcel[at] + self._floor(after, slots - 1) >= self.best.cost:
                if fixed + self.parcel[at] + self._floor(left, slots) >= self.best.cost:
                    break  # all that follow cost as much or more
                self.steps += 1
                continue
            chosen = (*places, at)
            self._try(chosen, fixed + self.parcel[at], after)
            if not self._branch(chosen, after, fixed + self.parcel[at], allowed):
                return False
        if line is None or slots == 1:
            return True
        # The line stays as short as it is; the others may still be completed.
        fixed += left[line] * self.missing_cost - (self.least if left[line] == self.wanted[line] else 0)
        without = [0 if one == line else units for one, units in enumerate(left)]
        return self._branch(places, without, fixed, allowed & ~self._having(line, 1))

    def _floor(self, left: Sequence[int], slots: int) -> int:
        """What any plan costs besides its parcels: each line once, or else what no further locations could have of it."""
        cost = self.cheapest_lines
        for units, most in zip(left, self.most[slots], strict=True):
            if units > most:
                cost += (units - most) * self.missing_cost - self.least
        return cost

    def _gains(self, left: Sequence[int], allowed: int, slots: int) -> tuple[Sequence[int], int, int]:
        """Units that each location would add alone, and the most that ``slots - 1`` and ``slots`` of them add together.

        Nothing is reckoned while a plan with nothing missing is known: there it seldom tells more than ``_floor``.
        """
        if self.best.cost < self.missing_cost:
            return (), 0, 0
        self.steps += len(self.order) // GAINS_A_STEP
        gains = [0] * len(self.order)
        for units, havers in zip(left, self.havers, strict=True):
            if units:
                for at, there in havers:
                    gains[at] += min(there, units)
        most = nlargest(slots, (gains[at] for at in _bits(allowed)))
        return gains, sum(most[: slots - 1]), sum(most)

    def _hardest(self, left: Sequence[int], allowed: int) -> int | None:
        """The line with units left that the fewest locations have any of; ``None``: nothing is left."""
        open_ = [line for line, units in enumerate(left) if units]
        return min(
            open_, key=lambda line: ((self._having(line, 1) & allowed).bit_count(), line), default=None
        )

    def _having(self, line: int, units: int) -> int:
        """The set of locations that have so many units of a line."""
        found = self.enough[line].get(units)
        if found is None:
            found = 0
            for at, there in enumerate(self.have[line]):
                if there >= units:
                    found |= 1 << at
            self.enough[line][units] = found
        return found

    def _completing(self, left: Sequence[int], allowed: int) -> int:
        """The set of locations that have all that is left."""
        for line, units in enumerate(left):
            if units:
                allowed &= self._having(line, units)
        return allowed

    # --- the answer ---------------------------------------------------------------------------------

    def solution(self) -> Solution:
        """The best plan found, by the locations' own numbers."""
        sent: list[tuple[tuple[int, int], ...]] = []
        missing = []
        used: set[int] = set()
        lines_cost = 0
        for line, units in enumerate(self.wanted):
            parts, short = self._parts(line, self.best.places) if units else ((), 0)
            left = units - short
            shares = []
            for at in sorted(parts, key=lambda at: (-self.have[line][at], at)):
                share = min(left, self.have[line][at])
                left -= share
                shares.append((self.order[at], share))
                used.add(at)
                lines_cost += self.per_line[at]
            sent.append(tuple(shares))
            missing.append(short + self.short[line])
        split = self.problem.split_cost if used else 0
        short_of_all = missing != self.short
        cost = sum(self.parcel[at] for at in used) + lines_cost - split
        return Solution(
            tuple(sent),
            tuple(missing),
            cost,
            cost if self.ended else min(cost, self._least_of_all(short=short_of_all) - split),
            self.ended,
            self.steps,
        )

    def _least_of_all(self, *, short: bool) -> int:
        """What every plan that sends as much costs at least.

        If all is sent: the cheapest location of the line that is dearest to get, or two parcels where nobody has all.
        """
        if short:
            return min(self.parcel) + self.least
        everywhere = (1 << len(self.order)) - 1
        asked = [line for line, units in enumerate(self.wanted) if units]
        dearest = max(self.parcel[next(_bits(self._having(line, 1)))] for line in asked)
        if not self._completing(self.wanted, everywhere):
            dearest = max(dearest, sum(sorted(self.parcel)[:2]))
        return dearest + self.cheapest_lines


def _bits(members: int) -> Iterator[int]:
    """The members of a set, from the lowest."""
    while members:
        low = members & -members
        yield low.bit_length() - 1
        members ^= low
