"""What a sold SKU is made of: kits of several SKUs, packs of one, and other names for one.

Stock is kept of base SKUs only. A kit or a pack has none of its own: what can be sold of it follows
from what there is of its parts, and an order of it is demand on them. Pure functions of what is
configured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from syncline.inventory.availability import Demand, Drawn
from syncline.model.copying import replace

DEPTH_MAX = 8  # kits in kits: so many below one another, a pack or another name counted as one
CHAIN_MAX = 200  # looked at one below another: a longer circle is told as too deep
UNITS_MAX = 1_000_000  # of one base SKU in one kit


class Recipes:
    """Every SKU that is not stocked itself, down to the base SKUs that are.

    Args:
        made_of: sold SKU to the units of each SKU that one unit of it takes; those may be made of
            others in turn, ``DEPTH_MAX`` deep.

    Raises:
        ValueError: a SKU is made of nothing, of less than one unit, of more than ``UNITS_MAX``, of itself, or of kits in
            kits too deep.
    """

    def __init__(self, made_of: Mapping[str, Mapping[str, int]] | None = None) -> None:
        self._parts: dict[str, dict[str, int]] = {}
        self._users: dict[str, list[str]] = {}
        made_of = made_of or {}
        deep: dict[str, int] = {}
        for sku in made_of:
            self._flatten(made_of, sku, (), deep)
        for sku, parts in self._parts.items():
            for part in parts:
                self._users.setdefault(part, []).append(sku)

    def _flatten(
        self,
        made_of: Mapping[str, Mapping[str, int]],
        sku: str,
        above: tuple[str, ...],
        deep: dict[str, int],
    ) -> int:
        """Find the base SKUs of one that is made of others, each of them once; how deep it is."""
        if sku in above:
            raise ValueError(f"{above[0]} is made of itself: {' of '.join((*above, sku))}")
        if sku in deep:
            return deep[sku]
        if sku not in made_of:
            return 0
        if not made_of[sku]:
            raise ValueError(f"{sku} is made of nothing")
        at = (*above, sku)
        below = 0
        parts: dict[str, int] = {}
        for part, count in made_of[sku].items():
            if count < 1:
                raise ValueError(f"{sku} takes {count} of {part}: it must be one unit at least")
            if len(at) > CHAIN_MAX:
                raise ValueError(f"{at[0]} is made of kits in kits, more than {DEPTH_MAX} deep")
            below = max(below, self._flatten(made_of, part, at, deep))
            for base, units in self.parts(part).items():
                parts[base] = parts.get(base, 0) + units * count
                if parts[base] > UNITS_MAX:
                    raise ValueError(f"{sku} takes {parts[base]} of {base}: the most is {UNITS_MAX}")
        if below >= DEPTH_MAX:
            raise ValueError(f"{sku} is made of kits in kits, {below + 1} deep: the most is {DEPTH_MAX}")
        self._parts[sku] = parts
        deep[sku] = below + 1
        return below + 1

    def __bool__(self) -> bool:
        """Whether there is any SKU that is not stocked itself."""
        return bool(self._parts)

    def __contains__(self, sku: str) -> bool:
        """Whether a SKU is made of others."""
        return sku in self._parts

    @property
    def all(self) -> Mapping[str, Mapping[str, int]]:
        """Every SKU that is made of others, with its parts."""
        return self._parts

    def parts(self, sku: str) -> Mapping[str, int]:
        """The base SKUs that one unit of a sold SKU takes, with how many of each."""
        return self._parts.get(sku) or {sku: 1}

    def bases(self, skus: Iterable[str]) -> list[str]:
        """All base SKUs of some sold SKUs."""
        return list(dict.fromkeys(part for sku in skus for part in self.parts(sku)))

    def users(self, skus: Iterable[str]) -> list[str]:
        """All SKUs that are sold out of some base SKUs, themselves included."""
        return list(dict.fromkeys(user for sku in skus for user in (sku, *self._users.get(sku, ()))))

    def related(self, sku: str) -> list[str]:
        """All SKUs whose number hangs on a part of this one, itself included."""
        return [sku] if not self else self.users([sku, *self.parts(sku)])

    def stocked_as(self, sku: str) -> tuple[str, int] | None:
        """The one base SKU of a pack or of another name, and its units in one; ``None`` for a kit."""
        parts = self.parts(sku)
        return next(iter(parts.items())) if len(parts) == 1 else None


def demand_on(part: str, count: int, line: Demand) -> Demand:
    """What an order line of a kit or a pack asks of one of its parts."""
    if part == line.sku and count == 1:
        return line
    return replace(
        line,
        sku=part,
        quantity=line.quantity * count,
        erp_before=line.erp_before * count,
        erp_quantity=line.erp_quantity * count,
    )


class Promised(NamedTuple):
    """Units of one part that the ERP holds for an order line of kits, since a moment of its clock.

    It may hold more of a part than the whole kits take that it holds: they wait for another part.
    """

    quantity: int
    since_ms: int


Line = tuple[str, str, str, str]  # of demand: channel, order, line and location
Parted = Mapping[Line, Mapping[str, Promised]]


def demand_of_part(part: str, count: int, line: Demand, promised: Promised | None) -> list[Demand]:
    """What an order line of kits asks of one part, of which the ERP holds so much by itself.

    Two lines where that is known since later than of whole kits: a figure in between contains the first only.
    """
    whole = demand_on(part, count, line)
    if promised is None or line.erp_stamp_ms is None:
        return [whole]
    held = min(promised.quantity, whole.quantity)
    if held < whole.erp_quantity:
        return [whole]
    if promised.since_ms <= line.erp_stamp_ms:
        return [replace(whole, erp_quantity=held, erp_stamp_ms=promised.since_ms)]
    more = held - whole.erp_quantity
    return [
        replace(whole, quantity=whole.quantity - more),
        replace(
            whole,
            quantity=more,
            erp_before=0,
            erp_quantity=more,
            erp_stamp_ms=promised.since_ms,
            our_stamp_ms=None,
        ),
    ]


def assemble(parts: Sequence[tuple[int, Drawn, int]]) -> Drawn:
    """What can be drawn of a kit or pack, in its own units: whole ones only.

    ``parts`` are: how many one takes, what there is of them, and how many of those are kept for other
    channels. All parts of one unit must lie at the same location, and the scarcest decides.
    """
    rooms = [(count, drawn.room) for count, drawn, _ in parts]
    places = list(parts[0][1].supply)
    supply = {at: min(room[n] // count for count, room in rooms) for n, at in enumerate(places)}
    backorder = min(drawn.backorder // count for count, drawn, _ in parts)
    pool = min(max(0, drawn.pool - kept) // count for count, drawn, kept in parts)
    nothing = dict.fromkeys(places, 0)
    return Drawn(
        supply=supply,
        demand=nothing,
        unseen=nothing,
        anywhere=max(0, sum(supply.values()) + backorder - pool),
        backorder=backorder,
        disputed_parts=any(drawn.disputed for _, drawn, _ in parts),
    )


def by_base(
    recipes: Recipes, sold: dict[str, list[Demand]], parted: Parted | None = None
) -> dict[str, list[Demand]]:
    """Order lines by the base SKU that they take from, in units of it; ``parted``: what the ERP holds of single parts."""
    if not recipes:
        return sold
    parted = parted or {}
    found: dict[str, list[Demand]] = {}
    for sku, lines in sold.items():
        for part, count in recipes.parts(sku).items():
            at = found.setdefault(part, [])
            for line in lines:
                of = parted.get((line.channel, line.order_key, line.line_id, line.location), {})
                at += demand_of_part(part, count, line, of.get(part))
    return found
