"""How many units a channel may show: pure functions of stock, demand and rules.

::

    supply(sku, location)   = the ERP's available quantity - safety stock
    pool(sku, channel)      = max(0, sum of max(0, supply) over the channel's locations
                                      - demand and unseen falls that those figures cannot contain)
    published(sku, channel) = max(0, min(cap, share of pool) - buffer);  0 below the floor

A demand line is subtracted until the ERP's figure for its location must account for it: the figure
carries a stamp that is not older than the moment since which the ERP is known to hold the line. Two
stamps are compared only if both are the ERP's clock or both are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import floor

from syncline.model.records import StockLevel


@dataclass(frozen=True, slots=True)
class QuantityRule:
    """What of a pool a channel may show. All quantities are units of the SKU.

    ``share`` is a part of the pool, 0..1. ``cap`` of ``None`` means no cap. A result below
    ``floor`` shows as 0. ``safety_stock`` is kept back at each location before anything is pooled;
    ``safety_by_location`` replaces it at the ERP locations that it names.
    """

    safety_stock: int = 0
    safety_by_location: Mapping[str, int] = field(default_factory=dict)
    buffer: int = 0
    share: Decimal = Decimal(1)
    cap: int | None = None
    floor: int = 0

    def safety_at(self, location: str) -> int:
        """The units kept back at one ERP location."""
        return self.safety_by_location.get(location, self.safety_stock)


@dataclass(frozen=True, slots=True)
class Demand:
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
    where = [demand.location] if demand.location else list(levels)
    known = demand.erp_before
    if where and all(at in levels and contains(levels[at], demand, replica_lag_ms) for at in where):
        known = demand.erp_quantity
    return max(0, demand.quantity - known)


def settled(demand: Demand, levels: Mapping[str, StockLevel], replica_lag_ms: int) -> bool:
    """Whether a line needs no more watching: every figure contains it, now and ever after.

    Figures are only replaced by newer ones, so what they contain once they contain always.
    """
    if demand.quantity <= 0 and demand.erp_quantity <= 0:
        return True
    where = [demand.location] if demand.location else list(levels)
    return (
        bool(where)
        and demand.quantity <= demand.erp_quantity
        and all(at in levels and contains(levels[at], demand, replica_lag_ms) for at in where)
    )


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


@dataclass(frozen=True, slots=True)
class Published:
    """A number for each location, with everything that led to it."""

    by_location: dict[str, int]
    total: int
    pool: int
    supply: dict[str, int]
    demand: dict[str, int]
    unseen: dict[str, int]


def units(quantity: Decimal) -> int:
    """Whole base units: fractions are rounded down, since half a unit cannot be promised."""
    return floor(quantity)


def publish(
    levels: Mapping[str, StockLevel],
    demands: Sequence[Demand],
    unseen: Mapping[str, int],
    rule: QuantityRule,
    locations: Sequence[str],
    *,
    replica_lag_ms: int = 0,
) -> Published:
    """Compute what one channel may show of one SKU, at each of its locations.

    Args:
        levels: the ERP's newest figure by location; locations without one count as empty.
        demands: every open demand line of the SKU, on any channel.
        unseen: units by location that a channel lost to something nobody has told us of yet.
        rule: the channel's quantity rule.
        locations: the ERP locations that this channel sells from, in order of priority.
        replica_lag_ms: how far behind the truth the ERP's reads may be.

    The parts add up to the total, and none exceeds what its own location can give.
    """
    supply = {at: units(levels[at].available) - rule.safety_at(at) if at in levels else 0 for at in locations}
    demand = dict.fromkeys(locations, 0)
    anywhere = 0
    for line in demands:
        missing = outstanding(line, levels, replica_lag_ms)
        if not missing:
            continue
        if line.location in demand:
            demand[line.location] += missing
        elif not line.location:
            anywhere += missing
    lost = {at: unseen.get(at, 0) for at in locations}
    pool = max(
        0, sum(max(0, s) for s in supply.values()) - sum(demand.values()) - sum(lost.values()) - anywhere
    )
    shown = units(pool * rule.share) if rule.share != 1 else pool
    if rule.cap is not None:
        shown = min(shown, rule.cap)
    shown = max(0, shown - rule.buffer)
    if shown < rule.floor:
        shown = 0
    room = [max(0, supply[at] - demand[at] - lost[at]) for at in locations]
    parts = room if sum(room) == shown else largest_remainder(min(shown, sum(room)), room)
    return Published(
        by_location=dict(zip(locations, parts, strict=True)),
        total=sum(parts),
        pool=pool,
        supply=supply,
        demand=demand | ({"": anywhere} if anywhere else {}),
        unseen=lost,
    )
