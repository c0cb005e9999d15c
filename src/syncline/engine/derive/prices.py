"""Prices as a flow of state records: what each price list of a channel says of each SKU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from syncline.engine.codec import fingerprint
from syncline.engine.routes import SEP, Route, split_key
from syncline.engine.states import Wanted
from syncline.model.change import Flow, Kind
from syncline.model.payloads import SetPrice
from syncline.model.pricing import ONE, Price, PriceBreak, PriceTag
from syncline.model.records import Item
from syncline.pricing.guards import doubt
from syncline.pricing.rules import OWN, ChannelList
from syncline.pricing.tags import Reckoned, reckon, rounded

NO_PRICE = "the source has no price of it any more; what is shown stays"


def price_key(sku: str, price_list: str) -> str:
    """The record key of what a list of a source says of a SKU."""
    return f"{sku}{SEP}{price_list}"


def tag_key(price_list: str, sku: str) -> str:
    """The key of what a list of a channel says of a SKU."""
    return f"{price_list}{SEP}{sku}"


class PriceFlow:
    """The declaration of prices."""

    flow = Flow.PRICES
    kind = Kind.PRICE
    bound = None
    content = PriceTag

    def fingerprint(self, route: Route) -> str:
        """Lists, precedence, limits and rounding."""
        rules = route.prices
        lists = [(x.name, x.sources, x.currency, x.unit, x.compare_at) for x in rules.lists]
        kinds = sorted((name, kind.value) for name, kind in rules.kinds.items())
        order = [kind.value for kind in rules.order.kinds], rules.order.lowest, rules.order.last
        return fingerprint(lists, kinds, order, rules.decimals, rules.jump_share)

    def operation(self, key: str) -> str:
        """The item's own price is written by another call than a price list."""
        return "set_price" if split_key(key)[0] == OWN else "set_list_price"

    def operations(self, route: Route) -> set[str]:
        """Those of its lists."""
        return {self.operation(tag_key(at.name, "")) for at in route.prices.lists}

    def of_record(self, route: Route, record: str) -> Iterable[str]:
        """Every list of the channel that is made from this one."""
        sku, source_list = split_key(record)
        return (tag_key(at.name, sku) for at in route.prices.made_from(source_list))

    def of_sku(self, route: Route, sku: str) -> Iterable[str]:
        """All lists of the channel."""
        return (tag_key(at.name, sku) for at in route.prices.lists)

    def needs(self, route: Route, key: str) -> Sequence[str]:
        """What the source's lists say of the SKU."""
        name, sku = split_key(key)
        at = route.prices.named(name)
        return [price_key(sku, source_list) for source_list in at.needs()] if at is not None else []

    def sku_of(self, key: str) -> str:
        """The second part."""
        return split_key(key)[1]

    def group_of(self, key: str) -> str:
        """The price list."""
        return split_key(key)[0]

    def wanted(
        self,
        route: Route,
        key: str,
        records: Mapping[str, Price],
        item: Item,
        before: PriceTag | None,
        now_ms: int,
    ) -> Wanted:
        """The tag of now, whether somebody has to look at it, and when it changes by itself."""
        name, sku = split_key(key)
        at = route.prices.named(name)
        if at is None:
            return Wanted(None, "its price list is not configured any more")
        reckoned = reckon(at, route.prices, list(records.values()), now_ms)
        own = name == OWN
        shown = before if before is not None else _shown(item) if own else None
        odd = doubt(
            sku if own else f"{sku} in {name}",
            reckoned,
            shown,
            route.prices,
            shown_in=item.currency if own else "",
            beside=_shown(item),
        )
        tag: PriceTag | None = single(reckoned, at) if own else reckoned.tag
        if not reckoned.tag.breaks and (own or before is None):
            tag = None
        return Wanted(
            tag,
            "" if tag is not None else NO_PRICE,
            reckoned.turned_ms,
            reckoned.next_ms,
            None if odd is None else (odd.reason, odd.detail),
            soon=own and shown is None,
        )

    def nothing(self, route: Route, key: str) -> PriceTag | None:
        """An item always has a price of its own; a list without one has none."""
        name, _ = split_key(key)
        at = route.prices.named(name)
        return None if at is None or name == OWN else PriceTag(at.currency, ())

    def seen(self, shown: PriceTag, ours: PriceTag) -> PriceTag:
        """All of it."""
        del ours
        return shown

    def described(self, content: PriceTag) -> str:
        """Prices with their minimum."""
        return tag_text(content)

    def contrasted(self, shown: PriceTag, ours: PriceTag) -> str:
        """Both prices."""
        return f"the channel shows {tag_text(shown)}, {tag_text(ours)}"

    def payload(self, key: str, content: PriceTag, item: Item, before: PriceTag | None) -> SetPrice:
        """By the channel's own ids."""
        name, sku = split_key(key)
        had = None if before is None else tuple(one.minimum for one in before.breaks)
        price_list = "" if name == OWN else name
        return SetPrice(sku, item.external_id, item.parent_id, price_list, content, had)


def tag_text(tag: PriceTag) -> str:
    """A tag in words, such as "10 GBP, 9 from 12 on"."""
    if not tag.breaks:
        return "no price"
    first, *rest = tag.breaks
    more = "".join(f", {one.amount:f} from {one.minimum.normalize():f} on" for one in rest)
    compared = "" if tag.compare_at is None else f" instead of {tag.compare_at:f}"
    return f"{first.amount:f} {tag.currency}{compared}{more}"


def single(reckoned: Reckoned, at: ChannelList) -> PriceTag:
    """The tag of an item's own price, which has no breaks."""
    tag = reckoned.tag
    return PriceTag(at.currency, tag.breaks[:1], tag.compare_at)


def _shown(item: Item) -> PriceTag | None:
    """What the channel shows of an item for which nothing was written yet, as its catalog was read."""
    if item.price is None or item.price <= Decimal(0):
        return None
    return PriceTag(item.currency, (PriceBreak(ONE, rounded(item.price, 6)),))
