"""What a price list of a channel says of a SKU at a moment, and until when.

For every quantity at which anything changes, each list of the source names the price that it has for that many. Which
of those counts is the order of precedence: the first kind that has one, or the lowest. Breaks that change nothing are
left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from syncline.model.pricing import ONE, Price, PriceBreak, PriceEntry, PriceKind, PriceTag
from syncline.pricing.rules import ChannelList, PriceRules


@dataclass(frozen=True, slots=True)
class Chosen:
    """The price of a unit at some quantity: from which list of which kind, and the entry itself."""

    amount: Decimal
    price_list: str
    kind: PriceKind
    entry: PriceEntry


@dataclass(frozen=True, slots=True)
class Reckoned:
    """A tag, and between which moments it holds.

    ``turned_ms`` is the last moment at which a price began or ended, ``next_ms`` the next; 0 where there is none. ``base``
    is what counts for a single unit; ``None``: nothing does. ``foreign`` names a currency in which there are prices now,
    where there is none in the list's own; ``partial``: there are prices for more units, and none for a single one.
    """

    tag: PriceTag
    turned_ms: int = 0
    next_ms: int = 0
    base: Chosen | None = None
    foreign: str = ""
    partial: bool = False


def reckon(at: ChannelList, rules: PriceRules, prices: Sequence[Price], now_ms: int) -> Reckoned:
    """What a channel's list says of a SKU now. ``prices`` are what the source's lists say of it, in any order."""
    mine = [price for price in prices if price.price_list in at.sources]
    compared = [price for price in prices if price.price_list == at.compare_at]
    moments = [
        moment
        for price in (*mine, *compared)
        for entry in price.entries
        if _fits(entry, at)
        for moment in (entry.starts_ms, entry.ends_ms)
        if moment
    ]
    minimums = sorted({max(ONE, entry.minimum) for price in mine for entry in _live(price, at, now_ms)})
    breaks: list[PriceBreak] = []
    for minimum in minimums:
        chosen = choose(at, rules, mine, minimum, now_ms)
        if chosen is not None and (not breaks or breaks[-1].amount != rounded(chosen.amount, rules.decimals)):
            breaks.append(PriceBreak(minimum, rounded(chosen.amount, rules.decimals)))
    base = choose(at, rules, mine, ONE, now_ms)
    partial = bool(breaks) and base is None
    tag = PriceTag(at.currency, () if partial else tuple(breaks))
    if tag.breaks and compared:
        before = choose(
            ChannelList(at.name, (at.compare_at,), at.currency, at.unit), rules, compared, ONE, now_ms
        )
        if before is not None and rounded(before.amount, rules.decimals) > tag.breaks[0].amount:
            tag = PriceTag(at.currency, tag.breaks, rounded(before.amount, rules.decimals))
    return Reckoned(
        tag,
        max((moment for moment in moments if moment <= now_ms), default=0),
        min((moment for moment in moments if moment > now_ms), default=0),
        base,
        "" if breaks else _foreign(mine, at, now_ms),
        partial,
    )


def choose(
    at: ChannelList, rules: PriceRules, prices: Sequence[Price], quantity: Decimal, now_ms: int
) -> Chosen | None:
    """The price of a unit if so many are bought, by the order of precedence; ``None``: no list has one."""
    found = [
        (_rank(at, rules, price), Chosen(entry.amount, price.price_list, _kind(rules, price), entry))
        for price in prices
        if (entry := _of(price, at, quantity, rules, now_ms)) is not None
    ]
    if not found:
        return None
    found = [one for one in found if one[1].price_list not in rules.order.last] or found
    if rules.order.lowest:
        return min(found, key=lambda one: (one[1].amount, one[0]))[1]
    return min(found, key=lambda one: one[0])[1]


def rounded(amount: Decimal, decimals: int) -> Decimal:
    """An amount as it is written, halves away from nothing."""
    return amount.quantize(ONE.scaleb(-decimals), ROUND_HALF_UP).normalize() + 0


def _kind(rules: PriceRules, price: Price) -> PriceKind:
    return rules.kinds.get(price.price_list, price.kind)


def _rank(at: ChannelList, rules: PriceRules, price: Price) -> tuple[int, int]:
    """Where a list stands in the order of precedence: by its kind, then as they are named."""
    kinds, kind = rules.order.kinds, _kind(rules, price)
    first = kinds.index(kind) if kind in kinds else len(kinds)
    return first, at.sources.index(price.price_list)


def _fits(entry: PriceEntry, at: ChannelList) -> bool:
    return entry.currency in ("", at.currency) and entry.unit == at.unit


def _holds(entry: PriceEntry, now_ms: int) -> bool:
    return entry.starts_ms <= now_ms and not 0 < entry.ends_ms <= now_ms


def _live(price: Price, at: ChannelList, now_ms: int) -> Iterator[PriceEntry]:
    return (entry for entry in price.entries if _fits(entry, at) and _holds(entry, now_ms))


def _of(
    price: Price, at: ChannelList, quantity: Decimal, rules: PriceRules, now_ms: int
) -> PriceEntry | None:
    """What a list asks for a unit of so many: of its highest minimum, and of several such the one that began last."""
    found = [entry for entry in _live(price, at, now_ms) if max(ONE, entry.minimum) <= quantity]
    if not found:
        return None
    if rules.order.lowest:
        return min(found, key=lambda entry: entry.amount)
    return max(found, key=lambda entry: (max(ONE, entry.minimum), entry.starts_ms, -entry.amount))


def _foreign(prices: Sequence[Price], at: ChannelList, now_ms: int) -> str:
    """A currency in which a SKU has a price now although it has none in the right one; "" without."""
    currencies = {
        entry.currency
        for price in prices
        for entry in price.entries
        if entry.unit == at.unit and _holds(entry, now_ms)
    }
    return min(currencies - {"", at.currency}, default="")
