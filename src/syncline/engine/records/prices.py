"""Why a price is what it is: for each list of a channel, what every list of the source says of a SKU, and which counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from syncline.engine.codec import decode
from syncline.engine.derive.prices import price_key
from syncline.engine.engine import Engine
from syncline.engine.records.standing import Standing
from syncline.engine.routes import Route, split_key
from syncline.model.change import Kind
from syncline.model.pricing import ONE, Price, PriceEntry, PriceKind
from syncline.pricing.rules import OWN, ChannelList
from syncline.pricing.tags import Chosen, choose, reckon

ENTRIES_MAX = 50  # of one list of the source that are told
OTHERS_MAX = 50  # lists of the source that no list of a channel is made from


@dataclass(frozen=True, slots=True)
class Entry:
    """What one unit costs by one line of a list of the source. ``says`` is whether that counts, in words."""

    amount: str
    minimum: str
    starts_ms: int
    ends_ms: int
    says: str
    counts: bool


@dataclass(frozen=True, slots=True)
class SourceList:
    """One list of the source that has a say in a list of the channel; without entries it says nothing of the SKU."""

    name: str
    kind: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class PriceList:
    """One price list of a channel for one SKU: how it stands, what made it so, and by which order of precedence."""

    name: str
    standing: Standing
    why: str
    order: str
    sources: tuple[SourceList, ...]


def list_title(name: str) -> str:
    """How a list of a channel is called on screens."""
    return "the item's own price" if name == OWN else f"list {name}"


async def price_lists(
    engine: Engine, route: Route, sku: str, found: Sequence[Standing]
) -> tuple[PriceList, ...]:
    """The lists of a route's channel for a SKU, in the order of the configuration. One indexed read."""
    names = dict.fromkeys(source for at in route.prices.lists for source in at.needs())
    rows = await engine.store.read(
        "states_get",
        system=route.source,
        kind=Kind.PRICE.value,
        keys=[price_key(sku, name) for name in names],
    )
    prices = {split_key(key)[1]: decode(Kind.PRICE, body) for key, body, gone, *_ in rows if not gone}
    now_ms = engine.clock.now_ms()
    return tuple(
        _list(route, at, one, prices, now_ms)
        for one in found
        if (at := route.prices.named(split_key(one.key)[0])) is not None
    )


async def other_lists(
    engine: Engine, system: str, sku: str, named: Collection[str]
) -> tuple[SourceList, ...]:
    """What lists of a source say of a SKU from which no list of a channel is made; at most ``OTHERS_MAX``.

    Checkouts that ask are answered from them, such as what was agreed with one customer.
    """
    begins = price_key(sku, "")
    rows = await engine.store.read(
        "records_after", system=system, kind=Kind.PRICE.value, after=begins, limit=OTHERS_MAX + len(named)
    )
    found = [decode(Kind.PRICE, row[4]) for row in rows if row[0].startswith(begins)]
    others: list[Price] = [one for one in found if one.price_list not in named][:OTHERS_MAX]
    now_ms = engine.clock.now_ms()
    return tuple(SourceList(one.price_list, one.kind.value, _asked(one, now_ms)) for one in others)


def _asked(price: Price, now_ms: int) -> tuple[Entry, ...]:
    return tuple(
        _told(entry, _over(entry, now_ms) or "is told to checkouts that ask", counts=False)
        for entry in price.entries[:ENTRIES_MAX]
    )


def _list(route: Route, at: ChannelList, one: Standing, prices: dict[str, Price], now_ms: int) -> PriceList:
    mine = [prices[name] for name in at.needs() if name in prices]
    reckoned = reckon(at, route.prices, mine, now_ms)
    base = reckoned.base
    rivals = [one for one in mine if one.price_list in at.sources]
    minimums = [ONE, *(each.minimum for each in reckoned.tag.breaks)]
    chosen = [choose(at, route.prices, rivals, minimum, now_ms) for minimum in minimums]
    wins = {id(one.entry) for one in chosen if one is not None}
    return PriceList(
        at.name,
        one,
        why(route, at, base, mine, now_ms),
        str(route.prices.order),
        tuple(
            SourceList(
                name,
                _kind(route, prices[name]).value if name in prices else "",
                tuple(
                    _entry(at, name, entry, wins, base, now_ms)
                    for entry in (prices[name].entries[:ENTRIES_MAX] if name in prices else ())
                ),
            )
            for name in at.needs()
        ),
    )


def _kind(route: Route, price: Price) -> PriceKind:
    return route.prices.kinds.get(price.price_list, price.kind)


def _entry(
    at: ChannelList, name: str, entry: PriceEntry, wins: Collection[int], base: Chosen | None, now_ms: int
) -> Entry:
    counts = id(entry) in wins
    if counts:
        says = "counts"
    elif over := _over(entry, now_ms):
        says = over
    elif entry.currency not in ("", at.currency):
        says = f"is in {entry.currency}, the list in {at.currency}"
    elif entry.unit != at.unit:
        says = f"is for the unit {entry.unit}" if entry.unit else "is for the SKU's own unit"
    elif name not in at.sources:
        says = "is the price to compare with"
    elif base is not None and base.price_list != name:
        says = f"{base.price_list} counts instead"
    else:
        says = "another line counts instead"
    return _told(entry, says, counts, at.currency)


def _over(entry: PriceEntry, now_ms: int) -> str:
    """Why a line does not hold now; "" if it does."""
    if 0 < entry.ends_ms <= now_ms:
        return "is over"
    return "begins later" if entry.starts_ms > now_ms else ""


def _told(entry: PriceEntry, says: str, counts: bool, currency: str = "") -> Entry:
    amount = f"{entry.amount.normalize():f} {entry.currency or currency}".rstrip()
    return Entry(amount, f"{entry.minimum.normalize():f}", entry.starts_ms, entry.ends_ms, says, counts)


def why(route: Route, at: ChannelList, base: Chosen | None, prices: Sequence[Price], now_ms: int) -> str:
    """Why this list of the source makes the price of a single unit, and no other does."""
    if base is None:
        return "No list of the source has a price of a single unit now."
    rules = route.prices
    rivals = [
        one
        for one in prices
        if one.price_list != base.price_list
        and one.price_list in at.sources
        and choose(at, rules, [one], ONE, now_ms) is not None
    ]
    if not rivals:
        return f"{base.price_list} is the only list that has a price now."
    others = ", ".join(sorted(one.price_list for one in rivals))
    if rules.order.lowest:
        return f"{base.price_list} has the lowest price; beside it {others}."
    if all(one.price_list in rules.order.last for one in rivals):
        return f"{base.price_list} counts before {others}, which counts only where no other list has a price."
    if any(_kind(route, one) is base.kind for one in rivals):
        return f"{base.price_list} counts first: of the {base.kind.value} lists the route names it before {others}."
    return f"{base.price_list} counts first: {base.kind.value} prices come before those of {others}."
