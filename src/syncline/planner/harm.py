"""What lateness costs, from the user's own figures.

Of the values that are out of date for an hour a share ``h`` hurts somebody; of those out of date for ``u`` hours it is
``1 − (1 − h)^u``, each hour being a new chance. Where a flow stands for ``L`` hours, its changes are late by 0 to ``L``.
"""

from __future__ import annotations

import math
from decimal import Decimal

from syncline.planner.calls import distinct
from syncline.planner.question import AskedSegment, Harm
from syncline.planner.vendors import FACTS

CENT = Decimal("0.01")


def chance(hurt_share: float, hours: float) -> float:
    """That a value hurts which is out of date for so long."""
    return 1 - (1 - hurt_share) ** hours if hours > 0 else 0.0


def mean_chance(hurt_share: float, hours: float) -> float:
    """The same over values that are out of date for anything up to so long."""
    if hours <= 0 or hurt_share <= 0:
        return 0.0
    if hurt_share >= 1:
        return 1.0
    decay = -math.log1p(-hurt_share)
    return 1 - -math.expm1(-decay * hours) / (decay * hours)


def standstill(segment: AskedSegment, flow: str, hours: float) -> Decimal:
    """What it costs if a flow stands for so long."""
    harm = segment.harm
    changed = segment.changes_per_day * hours / 24
    wrong = distinct(changed, segment.records, facts=flow in FACTS)
    hurt = wrong * mean_chance(harm.hurt_share, hours)
    return _money(harm.cost_each * Decimal(hurt) + harm.cost_per_hour * Decimal(hours))


def a_day(harm: Harm, changes_per_day: float, mean_lag_h: float) -> Decimal:
    """What usual lateness costs in a day."""
    return _money(harm.cost_each * Decimal(changes_per_day * chance(harm.hurt_share, mean_lag_h)))


def _money(amount: Decimal) -> Decimal:
    return amount.quantize(CENT)
