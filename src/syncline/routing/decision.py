"""What was decided about one order, and what came of it: kept with the order, and followed by whatever comes later."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from syncline.model.copying import replace
from syncline.model.records import Order
from syncline.routing.plan import Sent

Place = tuple[str, str]  # an order line's id, and an ERP location
Leaves = tuple[str, str, int]  # a line's id, the channel's name of a location, and units
Want = tuple[
    str, int, int, str
]  # SKU, units wanted there, units that the channel took there, its name for the location


class Decision(Struct, frozen=True):
    """Where the ERP's order is sent from. ``cause``: ``accepted``, ``edited`` or ``refused``, what it answers."""

    cause: str
    sent: tuple[Sent, ...]
    cost: Decimal
    currency: str
    exact: bool
    reasons: tuple[str, ...]

    @property
    def mark(self) -> str:
        """Changes when any unit is sent from elsewhere."""
        places = sorted((one.line, one.location, one.units) for one in self.sent)
        return hashlib.blake2b(repr(places).encode(), digest_size=8).hexdigest()

    @property
    def locations(self) -> tuple[str, ...]:
        """Every location that sends something."""
        return tuple(sorted({one.location for one in self.sent if one.units and one.location}))


class Refusal(Struct, frozen=True):
    """A location that will not send something of an order; ``sku`` of "": nothing of it."""

    location: str
    sku: str = ""
    why: str = ""
    by: str = ""


def shares(sent: Iterable[Sent], line: str, units: int) -> list[tuple[str, int]]:
    """From where so many units of a line are sent: what was decided, cut to what is still wanted."""
    found = []
    for one in sent:
        take = min(units, one.units) if one.line == line else 0
        if take > 0:
            found.append((one.location, take))
            units -= take
    return found


def told_of(order: Order, sent: Sequence[Sent]) -> Order:
    """An order without what its channel expects of lines that were decided here: there it only follows."""
    lines = []
    for line in order.lines:
        decided = sum(take for _, take in shares(sent, line.id, int(line.quantity)))
        lines.append(replace(line, allocations=()) if decided and decided >= line.quantity else line)
    return replace(order, lines=tuple(lines))


def leaves(order: Order, sent: Sequence[Sent], place_of: Callable[[str], str]) -> tuple[Leaves, ...]:
    """What of an order is sent from where, as its channel names lines and places; what was not decided is left out.

    ``place_of`` gives the channel's name of an ERP location; "" where it has none.
    """
    return tuple(
        (line.id, place, take)
        for line in order.lines
        for at, take in shares(sent, line.id, int(line.quantity))
        if (place := place_of(at))
    )


def expected_elsewhere(order: Order, wanted: Sequence[Leaves]) -> bool:
    """Whether the channel expects anything that is still to be sent from elsewhere than ``wanted`` says."""
    at: dict[tuple[str, str], Decimal] = {}
    left: dict[str, Decimal] = {}
    for line in order.lines:
        for one in line.allocations:
            at[line.id, one.location] = at.get((line.id, one.location), Decimal(0)) + one.quantity
            left[line.id] = left.get(line.id, Decimal(0)) + one.remaining
    asked: dict[tuple[str, str], int] = {}
    for line_id, place, units in wanted:
        asked[line_id, place] = asked.get((line_id, place), 0) + units
    return any(
        units > at.get((line_id, place), 0) and left.get(line_id, 0) > 0
        for (line_id, place), units in asked.items()
    )


def placed(wanted: Mapping[Place, Want], sent: Sequence[Sent]) -> dict[Place, Want]:
    """What an order wants of stock, at the locations that were decided.

    The units that the channel took stay where it took them: that is its own number. What nobody has decided about yet
    stays where the channel expects it.
    """
    moved = dict(wanted)
    for line in dict.fromkeys(one.line for one in sent):
        its = {place: want for place, want in wanted.items() if place[0] == line}
        total = sum(units for _, units, _, _ in its.values())
        sku = next((sku for sku, _, _, _ in its.values()), "")
        decided = dict[str, int]()
        for location, units in shares(sent, line, total):
            decided[location] = decided.get(location, 0) + units
        left = total - sum(decided.values())
        for place, (its_sku, units, taken, shop) in its.items():
            stays = min(left, units)
            left -= stays
            moved[place] = (its_sku, stays + decided.pop(place[1], 0), taken, shop)
        for location, units in decided.items():
            moved[line, location] = (sku, units, 0, "")
    return moved
