"""Prices that nobody may have meant are not written before somebody has said so."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from syncline.model.pricing import ONE, PriceTag
from syncline.pricing.rules import PriceRules
from syncline.pricing.tags import Reckoned

FIRST_FACTOR = 10  # so far may the first price of a list lie from the item's own


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a price waits for a person: a reason for programs, and a sentence."""

    reason: str
    detail: str


def doubt(
    what: str,
    reckoned: Reckoned,
    before: PriceTag | None,
    rules: PriceRules,
    *,
    shown_in: str = "",
    beside: PriceTag | None = None,
) -> Doubt | None:
    """Whether a price is to wait.

    Args:
        what: the SKU and the list, as a person calls them.
        reckoned: what would be written.
        before: what is shown there as far as is known.
        rules: the limits.
        shown_in: the currency that the channel shows there; "" where it is not known.
        beside: what the channel shows elsewhere, by which a first price is judged; ``None``: nobody knows.
    """
    tag = reckoned.tag
    if reckoned.foreign:
        return Doubt(
            "price_currency",
            f"{what}: there is a price in {reckoned.foreign}, and none in {tag.currency}; what is shown stays",
        )
    if reckoned.partial:
        return Doubt(
            "price_incomplete",
            f"{what}: there is a price for larger quantities, and none for a single unit; what is shown stays",
        )
    if not tag.breaks:
        return None
    if shown_in and shown_in != tag.currency:
        return Doubt(
            "price_currency",
            f"{what}: the price is in {tag.currency}, and is shown in {shown_in}; correct the route",
        )
    low = min(one.amount for one in tag.breaks)
    if low <= 0:
        return Doubt("price_zero", f"{what}: the price would be {low} {tag.currency}")
    if before is None or before.currency != tag.currency or not before.breaks:
        return _far_off(what, tag, beside)
    for one in tag.breaks:
        was = amount_at(before, one.minimum)
        if was > 0 and abs(one.amount - was) > rules.jump_share * was:
            many = "" if one.minimum == ONE else f" from {one.minimum.normalize():f} on"
            return Doubt(
                "price_jump",
                f"{what}: the price{many} would go from {was} to {one.amount} {tag.currency}, by more than "
                f"{(100 * rules.jump_share).normalize():f} %",
            )
    return None


def _far_off(what: str, tag: PriceTag, beside: PriceTag | None) -> Doubt | None:
    """Whether a first price has nothing to do with the item's own, as when a point is missing."""
    if beside is None or beside.currency != tag.currency or not beside.breaks:
        return None
    own = beside.breaks[0].amount
    for one in tag.breaks:
        if own > 0 and not own / FIRST_FACTOR <= one.amount <= own * FIRST_FACTOR:
            return Doubt(
                "price_jump",
                f"{what}: the first price would be {one.amount} {tag.currency}, and the item itself costs {own}",
            )
    return None


def amount_at(tag: PriceTag, quantity: Decimal) -> Decimal:
    """What a unit of so many costs by a tag that has a price."""
    return next(one.amount for one in reversed(tag.breaks) if one.minimum <= quantity or one is tag.breaks[0])
