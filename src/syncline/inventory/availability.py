"""How many units a channel may show: pure functions of stock, demand and rules.

::

    supply(sku, location)   = the ERP's available quantity + arrivals in sight - safety stock
    pool(sku, channel)      = max(0, sum of max(0, supply) over the channel's locations
                                      - demand and unseen falls that those figures cannot contain
                                      + what may still be sold below zero)
    published(sku, channel) = max(0, min(cap, share of what is not fenced off) - buffer);  0 below the floor

A demand line is subtracted until the ERP's figure for its location must account for it: the figure
carries a stamp that is not older than the moment since which the ERP is known to hold the line. Two
stamps are compared only if both are the ERP's clock or both are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import ceil, floor

from msgspec import Struct, field

from syncline.inventory.rules import ALONE, Allowed, QuantityRule, Terms, allow
from syncline.model.capabilities import StockBasis
from syncline.model.records import StockLevel

DAY_MS = 86_400_000


class Demand(Struct, frozen=True):
    """One order line at one location, as far as the ERP is known to hold it.

    ``quantity`` is what the buyer wants now. ``erp_quantity`` is what the ERP holds since
    ``erp_stamp_ms`` (its clock) or ``our_stamp_ms`` (ours); before that it held ``erp_before``.
    An empty ``location`` means that the channel has not yet said where it will be taken from.
    """

    channel: str
    order_key: str
    line_id: str
    location: str
    sku: str
    quantity: int
    erp_before: int = 0
    erp_quantity: int = 0
    erp_stamp_ms: int | None = None
    our_stamp_ms: int | None = None


def contains(level: StockLevel, demand: Demand, replica_lag_ms: int) -> bool:
    """Whether a stock figure must already account for what the ERP holds of a demand line."""
    if demand.erp_stamp_ms is not None and level.erp_stamp_ms >= demand.erp_stamp_ms:
        return True
    return (
        demand.our_stamp_ms is not None
        and level.read_began_ms is not None
        and level.read_began_ms - replica_lag_ms >= demand.our_stamp_ms
    )


def outstanding(demand: Demand, levels: Mapping[str, StockLevel], replica_lag_ms: int) -> int:
    """Units of a demand line that the figures cannot contain yet.

    A line without a location must be contained by every location that it could draw on. A location
    without any figure contains nothing.
    """
    known = demand.erp_quantity if contained(demand, levels, replica_lag_ms) else demand.erp_before
    return max(0, demand.quantity - known)


def contained(demand: Demand, levels: Mapping[str, StockLevel], replica_lag_ms: int) -> bool:
    """Whether every figure that a demand line could draw on must account for what the ERP holds of it."""
    if demand.location:
        level = levels.get(demand.location)
        return level is not None and contains(level, demand, replica_lag_ms)
    return bool(levels) and all(contains(level, demand, replica_lag_ms) for level in levels.values())


def settled(demand: Demand, levels: Mapping[str, StockLevel], replica_lag_ms: int) -> bool:
    """Whether a line needs no more watching: every figure contains it, now and ever after.

    Figures are only replaced by newer ones, so what they contain once they contain always.
    """
    if demand.quantity <= 0 and demand.erp_quantity <= 0:
        return True
    return demand.quantity <= demand.erp_quantity and contained(demand, levels, replica_lag_ms)


def largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Split ``total`` in proportion to ``weights``, in whole units that add up exactly.

    Ties go to the earlier weight. No part exceeds its weight while ``total <= sum(weights)``.
    """
    whole = sum(weights)
    if whole <= 0 or total <= 0:
        return [0] * len(weights)
    shares = [total * weight // whole for weight in weights]
    rest = total - sum(shares)
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in by_remainder[:rest]:
        shares[i] += 1
    return shares


class Drawn(Struct, frozen=True):
    """What a channel could draw on, location by location, in units of the SKU.

    ``demand`` and ``unseen`` are what ``supply`` cannot contain yet; demand without a location counts
    as ``anywhere``. ``owed`` is what locations have promised beyond their stock, where the others answer
    for it. ``backorder`` is what may still be sold below zero. For a kit, ``disputed_parts`` says
    whether a part of it is asked for already.
    """

    supply: dict[str, int]
    demand: dict[str, int]
    unseen: dict[str, int]
    anywhere: int = 0
    owed: int = 0
    backorder: int = 0
    disputed_parts: bool = False

    @property
    def pool(self) -> int:
        """All of it together; what is missing at one location is missing from the whole."""
        there = sum([units for units in self.supply.values() if units > 0])
        asked = sum(self.demand.values()) + sum(self.unseen.values()) + self.anywhere
        return max(0, there - asked - self.owed + self.backorder)

    @property
    def room(self) -> list[int]:
        """The most that each location can give, in the order of priority."""
        return [max(0, self.supply[at] - self.demand[at] - self.unseen[at]) for at in self.supply]

    @property
    def disputed(self) -> bool:
        """Whether anybody has asked for units that the figures do not account for yet."""
        own = self.anywhere or any(self.demand.values()) or any(self.unseen.values())
        return bool(own or self.disputed_parts)


class Published(Struct, frozen=True):
    """A number for each location, with everything that led to it; for a kit, what there is of its ``parts``."""

    by_location: dict[str, int]
    total: int
    pool: int
    supply: dict[str, int]
    demand: dict[str, int]
    unseen: dict[str, int]
    allowed: Allowed
    owed: int = 0
    backorder: int = 0
    parts: Mapping[str, Drawn] = field(default_factory=dict)


def units(quantity: Decimal) -> int:
    """Whole base units: fractions are rounded down, since half a unit cannot be promised."""
    return floor(quantity)


def needed(quantity: Decimal) -> int:
    """Whole base units that it takes to serve what somebody wants: fractions are rounded up."""
    return ceil(quantity)


def offered(level: StockLevel, basis: StockBasis) -> int:
    """Units that a figure leaves for sale, by what it states.

    A physical figure (``on_hand``) still contains what the ERP's own open orders will take, so those
    are subtracted; an ``available`` one has lost them already.
    """
    if basis is StockBasis.ON_HAND:
        return units(level.on_hand - level.committed)
    return units(level.available)


def arriving(level: StockLevel, days: int, now_ms: int) -> int:
    """Units expected within so many days. What is more than a day overdue is not believed."""
    if not days:
        return 0
    due = range(now_ms - DAY_MS, now_ms + days * DAY_MS + 1)
    return sum(max(0, units(each.quantity)) for each in level.incoming if each.expected_ms in due)


def draw(
    levels: Mapping[str, StockLevel],
    demands: Sequence[Demand],
    unseen: Mapping[str, int],
    rule: QuantityRule,
    locations: Sequence[str],
    *,
    replica_lag_ms: int = 0,
    basis: StockBasis = StockBasis.AVAILABLE,
    now_ms: int = 0,
) -> Drawn:
    """What one channel could draw on of one SKU, at each of its locations; ``publish`` names the arguments."""
    excluded = rule.excluded
    supply = dict.fromkeys(locations, 0)
    deficit = 0
    for at in locations:
        level = levels.get(at)
        if level is not None and at not in excluded:
            there = offered(level, basis)
            if there < 0:
                deficit -= there
            coming = arriving(level, rule.incoming_days_at(at), now_ms) if level.incoming else 0
            supply[at] = there + coming - rule.safety_at(at)
    demand = dict.fromkeys(locations, 0)
    anywhere = 0
    for line in demands:
        missing = outstanding(line, levels, replica_lag_ms)
        location = line.location
        if not missing or location in excluded:
            continue
        if location in demand:
            demand[location] += missing
        elif not location:
            anywhere += missing
    return Drawn(
        supply=supply,
        demand=demand,
        unseen={at: 0 if at in excluded else unseen.get(at, 0) for at in locations}
        if unseen
        else dict.fromkeys(locations, 0),
        anywhere=anywhere,
        owed=max(0, deficit - rule.backorder) if rule.share_deficits else 0,
        backorder=max(0, rule.backorder - deficit),  # what the ERP has oversold is part of the limit
    )


def show(drawn: Drawn, rule: QuantityRule, terms: Terms = ALONE) -> Published:
    """Apply a rule to what can be drawn on, and split the result over the locations.

    The parts add up to the total, and none exceeds what its own location can give; only what is sold
    below zero is asked of the first location.
    """
    pool = drawn.pool
    allowed = allow(rule, pool, terms)
    shown = 0 if rule.unique and drawn.disputed else allowed.shown
    room = drawn.room
    if rule.unique:
        parts = [0] * len(room)
        if shown and any(room):
            parts[next(i for i, there in enumerate(room) if there)] = 1
    else:
        whole = sum(room)
        parts = room if whole == shown else largest_remainder(min(shown, whole), room)
        beyond = shown - whole
        if beyond > 0 and (rule.backorder or rule.backorder_unlimited):
            open_at = next((i for i, at in enumerate(drawn.supply) if at not in rule.excluded), None)
            if open_at is not None:
                parts[open_at] += beyond
    return Published(
        by_location=dict(zip(drawn.supply, parts, strict=True)),
        total=sum(parts),
        pool=pool,
        supply=drawn.supply,
        demand=drawn.demand | ({"": drawn.anywhere} if drawn.anywhere else {}),
        unseen=drawn.unseen,
        allowed=allowed,
        owed=drawn.owed,
        backorder=drawn.backorder,
    )


def publish(
    levels: Mapping[str, StockLevel],
    demands: Sequence[Demand],
    unseen: Mapping[str, int],
    rule: QuantityRule,
    locations: Sequence[str],
    *,
    replica_lag_ms: int = 0,
    basis: StockBasis = StockBasis.AVAILABLE,
    now_ms: int = 0,
    terms: Terms = ALONE,
) -> Published:
    """Compute what one channel may show of one SKU, at each of its locations.

    Args:
        levels: the ERP's newest figure by location; locations without one count as empty.
        demands: every open demand line of the SKU, on any channel.
        unseen: units by location that a channel lost to something nobody has told us of yet.
        rule: the channel's quantity rule.
        locations: the ERP locations that this channel sells from, in order of priority.
        replica_lag_ms: how far behind the truth the ERP's reads may be.
        basis: which quantity the ERP's figures state.
        now_ms: now, by which arrivals are judged.
        terms: what the channel's part depends on besides.

    The parts add up to the total, and none exceeds what its own location can give.
    """
    drawn = draw(
        levels, demands, unseen, rule, locations, replica_lag_ms=replica_lag_ms, basis=basis, now_ms=now_ms
    )
    return show(drawn, rule, terms)
