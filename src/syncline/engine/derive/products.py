"""Products: what a channel shows of each, in which languages, and to whom.

One product of the source has several contents at a channel: the goods themselves, one for each language, and one for each
assortment of the channel. Goods come first: what else there is waits until the channel has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import asdict

from syncline.engine.catalog import Catalog
from syncline.engine.codec import fingerprint
from syncline.engine.routes import SEP, Route, Routes, split_key
from syncline.engine.states import Wanted
from syncline.engine.words import plural
from syncline.model.change import Flow, Kind
from syncline.model.copying import replace
from syncline.model.payloads import SetListing, SetProduct, SetWording
from syncline.model.products import (
    ELSE_NONE,
    Goods,
    Listing,
    Product,
    ProductStatus,
    Shelf,
    Variant,
    Wording,
    image_mark,
    plain_name,
)
from syncline.model.records import Item

GOODS = "goods"  # the groups of contents: this, and two that are followed by a name
LOCALE = "locale:"
ASSORTMENT = "assortment:"
NEVER_THERE = "it is not for sale, and the channel does not have it"
STAYS = "the source does not have it any more; whether it is sold is the channel's own"
NOT_CREATED = "the channel does not have it, and products are not made there"
NEVER_SHOWN = "it was never shown there, and is not to be"
UNTRANSLATED = "the source has no translation of it; what is shown stays"


class ProductFlow:
    """The declaration of products. ``catalog`` says by which ids a channel knows their variants."""

    flow = Flow.CATALOG
    kind = Kind.PRODUCT
    bound = Kind.PRODUCT
    content: Any = Shelf

    def __init__(self, catalog: Catalog, routes: Routes) -> None:
        self._catalog = catalog
        self._routes = routes

    def fingerprint(self, route: Route) -> str:
        """Owned fields, languages and assortments."""
        rules = route.products
        assortments = sorted((name, list(sources)) for name, sources in rules.assortments.items())
        return fingerprint(sorted(rules.fields), sorted(rules.locales.items()), assortments, rules.creates)

    def operation(self, key: str) -> str:
        """By the group of the key."""
        group, _ = split_key(key)
        if group == GOODS:
            return "set_product"
        return "set_wording" if group.startswith(LOCALE) else "set_listing"

    def operations(self, route: Route) -> set[str]:
        """Languages and assortments only where there are any."""
        return {self.operation(f"{group}{SEP}") for group in _groups(route)}

    def of_record(self, route: Route, record: str) -> Iterable[str]:
        """All contents of a product."""
        return (f"{group}{SEP}{record}" for group in _groups(route))

    def of_sku(self, route: Route, sku: str) -> Iterable[str]:
        """None: a product is made from the source's record alone, whatever the channel has."""
        del route, sku
        return ()

    def needs(self, route: Route, key: str) -> Sequence[str]:
        """The product."""
        del route
        return [split_key(key)[1]]

    def sku_of(self, key: str) -> str:
        """How the source calls the product."""
        return split_key(key)[1]

    def group_of(self, key: str) -> str:
        """What of the product: itself, a language, or an assortment."""
        return split_key(key)[0]

    def wanted(
        self,
        route: Route,
        key: str,
        records: Mapping[str, Product],
        item: Item,
        before: Shelf | None,
        now_ms: int,
    ) -> Wanted:
        """What the source says, in the fields that it owns. What it has no more is archived, and nothing else."""
        del now_ms
        group, name = split_key(key)
        product = records.get(name)
        if group == GOODS:
            return self._goods(route, product, before if isinstance(before, Goods) else None)
        if product is None:
            return Wanted(None, "the source does not have it any more")
        details = {"product_id": self._product_id(route, product.variants) or item.external_id}
        if group.startswith(LOCALE):
            language = route.products.locales.get(group.removeprefix(LOCALE), "")
            wording = product.translations.get(language)
            return Wanted(wording, "" if wording is not None else UNTRANSLATED, details=details)
        shown = route.products.shown_in(group.removeprefix(ASSORTMENT), product)
        if before is None and not shown:
            return Wanted(None, NEVER_SHOWN)
        return Wanted(Listing(shown), details=details)

    def _goods(self, route: Route, product: Product | None, before: Goods | None) -> Wanted:
        rules = route.products
        if product is None:
            if before is None or "status" not in rules.fields:
                return Wanted(None, NEVER_THERE if before is None else STAYS)
            goods = replace(before, status=ProductStatus.ARCHIVED)
        else:
            told = {
                name: getattr(product, name)
                for name in ("title", "description", "category", "attributes", "images")
            }
            owned = {name: value for name, value in told.items() if name in rules.fields}
            goods = Goods(
                product.variants,
                product.options,
                product.status if "status" in rules.fields else None,
                **owned,
            )
        ids = {
            one.sku: (found.external_id, found.parent_id)
            for one in goods.variants
            if (found := self._catalog.get(route.sink, one.sku)) is not None
        }
        sold = product is not None and product.status is ProductStatus.ACTIVE
        # What was told and is not listed yet ends all the same: a channel may take a day to say what it lists.
        if not ids and (not rules.creates if sold else before is None):
            return Wanted(None, NOT_CREATED if sold else NEVER_THERE)
        doubt = _doubt(product) if product is not None else None
        return Wanted(goods, doubt=doubt, details={"ids": ids, "places": self._places(route)})

    def _product_id(self, route: Route, variants: Sequence[Variant]) -> str:
        found = (self._catalog.get(route.sink, one.sku) for one in variants)
        return next((one.parent_id for one in found if one is not None and one.parent_id), "")

    def _places(self, route: Route) -> tuple[str, ...]:
        """Where the channel keeps stock that we write: a new variant is stocked there, with nothing."""
        stock = self._routes.of(Flow.INVENTORY, sink=route.sink)
        return tuple(dict.fromkeys(place for each in stock for place in each.locations.values()))

    def nothing(self, route: Route, key: str) -> Shelf | None:
        """A channel that does not list a product does not show it; what it has of goods and texts is nobody's guess."""
        del route
        return Listing(shown=False) if split_key(key)[0].startswith(ASSORTMENT) else None

    def seen(self, shown: Shelf, ours: Shelf) -> Shelf:
        """What we own of it: not the variants that the channel added, nor what cannot be read there."""
        if isinstance(shown, Wording) and isinstance(ours, Wording):
            return Wording({name: shown.texts[name] for name in ours.texts if name in shown.texts})
        if not isinstance(shown, Goods) or not isinstance(ours, Goods):
            return shown
        sold = ProductStatus.ACTIVE
        if ours.status not in (None, sold) and shown.status is not sold:
            shown = replace(shown, status=ours.status)  # some channels have one word for what is not sold
        there = {one.sku: one for one in shown.variants}
        variants = tuple(
            replace(found, barcode=(found.barcode or one.barcode) if one.barcode else "")
            for one in ours.variants
            if (found := there.get(one.sku)) is not None
        )
        scalars = {
            name: getattr(shown, name)
            for name in ("status", "title", "description")
            if getattr(ours, name) is not None and getattr(shown, name) is not None
        }
        more = {"category": _category(shown, ours), "attributes": _attributes(shown, ours)}
        return replace(ours, variants=variants, images=_images(shown, ours), **more, **scalars)

    def described(self, content: Shelf) -> str:
        """In a few words."""
        if isinstance(content, Listing):
            return "shown" if content.shown else "not shown"
        if isinstance(content, Wording):
            return plural(len(content.texts), "text")
        return f"{content.title or 'the product'}, {content.status or 'as it is'}, {plural(len(content.variants), 'variant')}"

    def contrasted(self, shown: Shelf, ours: Shelf) -> str:
        """The fields that differ."""
        if isinstance(shown, Listing) or isinstance(ours, Listing):
            return f"the channel has it {self.described(shown)}, {self.described(ours)}"
        there = self.seen(shown, ours)
        texts = there.texts if isinstance(there, Wording) else asdict(there)
        right = ours.texts if isinstance(ours, Wording) else asdict(ours)
        names = [name for name in right if texts.get(name) != right[name]]
        return f"the channel shows another {', '.join(names) or 'content'}, ours"

    def payload(
        self, key: str, content: Shelf, item: Item, before: Shelf | None
    ) -> SetProduct | SetWording | SetListing:
        """The ids of the channel are details of what is wanted."""
        del item
        group, name = split_key(key)
        if isinstance(content, Goods):
            return SetProduct(name, content, {}, had=before if isinstance(before, Goods) else None)
        if isinstance(content, Wording):
            had = tuple(before.texts) if isinstance(before, Wording) else ()
            return SetWording(name, group.removeprefix(LOCALE), content, had)
        return SetListing(name, group.removeprefix(ASSORTMENT), content)


def _category(shown: Goods, ours: Goods) -> str | None:
    """Ours, where it is among those that the product stands in."""
    if ours.category is None or shown.category is None or ours.category in shown.category.split("\n"):
        return ours.category
    return shown.category


def _attributes(shown: Goods, ours: Goods) -> dict[str, str] | None:
    """Ours by their names, with what was read of each; ours again where that was not read.

    An empty one is not compared: some channels have no empty values, and keep the one that was there.
    """
    if ours.attributes is None or shown.attributes is None:
        return ours.attributes
    read = {plain_name(name): text for name, text in shown.attributes.items() if name != ELSE_NONE}
    rest = shown.attributes.get(ELSE_NONE)
    return {
        name: read.get(plain_name(name), text if rest is None else rest) if text.strip() else text
        for name, text in ours.attributes.items()
    }


def _images(shown: Goods, ours: Goods) -> tuple[str, ...] | None:
    """Ours that are there."""
    if ours.images is None or shown.images is None:
        return ours.images
    return tuple(one for one in ours.images if image_mark(one) in shown.images)


def _groups(route: Route) -> list[str]:
    rules = route.products
    return [
        GOODS,
        *(f"{LOCALE}{name}" for name in rules.locales),
        *(f"{ASSORTMENT}{name}" for name in rules.assortments),
    ]


def _doubt(product: Product) -> tuple[str, str] | None:
    """Why a person has to look before a product is written."""
    if not product.title.strip():
        return "product_untitled", f"{product.key}: it has no title"
    skus = [one.sku for one in product.variants]
    if len(set(skus)) < len(skus):
        return "product_ambiguous", f"{product.key}: two of its variants have the same SKU"
    values = [one.values for one in product.variants]
    if len(set(values)) < len(values) or any(len(one) != len(product.options) for one in values):
        return (
            "product_ambiguous",
            f"{product.key}: its variants do not differ in {', '.join(product.options) or 'anything'}",
        )
    return None
