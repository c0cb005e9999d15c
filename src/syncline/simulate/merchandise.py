"""What people do to products in the ERP, and what the shop has to show of them.

Texts change, variants are added, new products come, others end and come back, and what some customers may see changes. The shop
has products of its own, which nobody may touch. What is right is said here from the simulators' books, by a rule of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from decimal import Decimal
from random import Random

from syncline.connectors.netsuite.simulator import NetSuiteSimulator
from syncline.connectors.shopify.simulator import ShopifySimulator
from syncline.model.products import EVERYTHING, ProductRules
from syncline.ports import Clock
from syncline.pricing.rules import OWN, ChannelList, PriceRules
from syncline.simulate.trade import Trade

CHANGE_S = 40.0  # between two changes, on the average
FOREIGN = "SHOP-OWN"
LANGUAGE = "de"
TRADE = "trade"
COLUMNS = {
    "option.Colour": "custitem_colour",
    "category": "custitem_category",
    "attribute.material": "custitem_material",
    "image.1": "custitem_image",
    "translation.de.title": "custitem_title_de",
    "assortments": "custitem_assortments",
}
COLOURS = ("red", "green", "blue", "black")


class Merchandise:
    """People with the right to change products, from the seed."""

    def __init__(
        self, *, clock: Clock, rng: Random, shop: ShopifySimulator, erp: NetSuiteSimulator, trade: Trade
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._shop = shop
        self._erp = erp
        self._trade = trade
        self.changes = 0
        self.made: list[str] = []  # SKUs that are new
        self._products: dict[str, list[str]] = {}  # and of which product; a matrix item has several
        self._parents: dict[str, int] = {}
        self._said: dict[str, list[str]] = {}  # every title that a product ever had

    def open(self) -> None:
        """Columns for what products are made of, two publications, and a product of the shop's own."""
        for column in COLUMNS.values():
            self._erp.define_item_column(column)
        self._shop.locales.add(LANGUAGE)
        self.online = self._shop.add_publication("Online")
        self.trade = self._shop.add_publication("Trade")
        place = next(iter(self._shop.locations))
        self._shop.add_product(FOREIGN, "Our own", Decimal("5.00"), {place: 3})
        for sku in self._trade.skus:
            self._products[sku] = [sku]
            self._said[sku] = [self._erp.item_title(sku)]

    def rules(self) -> ProductRules:
        """Everything is shown online; the trade sees its assortment."""
        shown = {str(self.online): (EVERYTHING,), str(self.trade): (TRADE,)}
        return ProductRules(locales={LANGUAGE: LANGUAGE}, assortments=shown)

    def prices(self) -> PriceRules:
        """The shop's own prices from the base level: a product without one is not shown."""
        return PriceRules((ChannelList(OWN, ("level:1",), self._shop.currency),), decimals=2)

    # --- what people do ---------------------------------------------------------------------------

    async def work(self, minutes: float) -> None:
        """Change something now and then."""
        until = self._clock.monotonic() + minutes * 60
        while self._clock.monotonic() < until:
            await self._clock.sleep(self._rng.expovariate(1 / CHANGE_S))
            self.changes += 1
            act = self._rng.choice(
                (
                    self._retitle,
                    self._retitle,
                    self._describe,
                    self._add,
                    self._add_matrix,
                    self._grow,
                    self._end,
                    self._group,
                )
            )
            act()

    def _retitle(self) -> None:
        name = self._rng.choice(list(self._products))
        title = f"{name} no. {len(self._said[name])}"
        self._said[name].append(title)
        self._erp.edit_item(name, title=title)
        self._erp.fill_item(name, custitem_title_de=f"{title} (de)")

    def _describe(self) -> None:
        name = self._rng.choice(list(self._products))
        number = self._rng.randrange(1000)
        self._erp.edit_item(name, salesDescription=f"Text {number}")
        self._erp.fill_item(
            name,
            custitem_category=f"Shelf {number % 5}",
            custitem_material=f"Stuff {number}",
            custitem_image=f"https://images.example/{name}/{number}.jpg",
        )

    def _add(self) -> None:
        sku = f"NEW-{len(self._products)}"
        self._erp.add_item(sku, sku, Decimal(self._rng.randrange(100, 5000)) / 100)
        self._products[sku], self._said[sku] = [sku], [sku]
        self._born(sku)

    def _add_matrix(self) -> None:
        name = f"SET-{len(self._products)}"
        skus = {f"{name}-{colour}": {"custitem_colour": colour} for colour in COLOURS[:2]}
        self._erp.make_matrix(name, skus)
        self._parents[name] = self._erp.account.item_by_sku[name].id
        self._products[name], self._said[name] = list(skus), [name]
        for sku in skus:
            self._born(sku)

    def _born(self, sku: str) -> None:
        """Goods of it come in."""
        self.made.append(sku)
        erp_at, _ = self._trade.locations[0]
        self._erp.receive(sku, erp_at, self._rng.randrange(5, 50))

    def _grow(self) -> None:
        small = [name for name in self._parents if len(self._products[name]) < len(COLOURS)]
        if small:
            name = self._rng.choice(small)
            colour = COLOURS[len(self._products[name])]
            sku = f"{name}-{colour}"
            self._erp.add_child(self._parents[name], sku, {"custitem_colour": colour})
            self._products[name].append(sku)
            self._born(sku)

    def _end(self) -> None:
        """Only what nobody ordered yet: the rest of the trade needs its goods."""
        mine = [name for name in self._products if name not in self._trade.skus]
        if mine:
            name = self._rng.choice(mine)
            self._erp.deactivate_item(name, inactive=self._erp.item_active(name))

    def _group(self) -> None:
        name = self._rng.choice(list(self._products))
        there = self._erp.item_columns(name).get("custitem_assortments") == TRADE
        self._erp.fill_item(name, custitem_assortments=None if there else TRADE)

    # --- what is right ----------------------------------------------------------------------------

    def problems(self, parked: Collection[str]) -> list[str]:
        """What does not agree yet; what waits for a person (by the keys of ``parked``) is no problem."""
        found = [
            problem
            for name, skus in self._products.items()
            if f"goods\x1f{name}" not in parked
            for problem in self._wrong(name, skus)
        ]
        return [f"{len(found)} things of products differ: {found[:4]}"] if found else []

    def _wrong(self, name: str, skus: list[str]) -> list[str]:
        variants = [self._shop.state.skus[sku] for sku in skus if sku in self._shop.state.skus]
        if not self._erp.item_active(name):
            live = [v for v in variants if self._shop.product_of(v.sku).status != "ARCHIVED"]
            return [f"{name} is still sold"] if live else []
        if len(variants) < len(skus):
            return [f"{name}: {len(skus) - len(variants)} variants are not there"]
        product = self._shop.product_of(skus[0])
        columns = self._erp.item_columns(name)
        texts = {(language, key): text for (language, key), (text, _) in product.translations.items()}
        image = columns.get("custitem_image")
        material = product.metafields.get(("custom", "material"), ("", None))[1]
        told = [
            ("status", product.status, "ACTIVE"),
            ("title", product.title, self._erp.item_title(name)),
            ("description", product.description, self._erp.item_description(name)),
            ("category", product.product_type, columns.get("custitem_category") or ""),
            ("material", material, columns.get("custitem_material")),
            ("image", image in product.images if image else True, True),
            ("translation", texts.get((LANGUAGE, "title")), columns.get("custitem_title_de")),
            ("online", self.online in product.publications, True),
            ("trade", self.trade in product.publications, columns.get("custitem_assortments") == TRADE),
            ("products", len({v.product_id for v in variants}), 1),
            ("prices", all(self._right_price(v.sku) for v in variants), True),
            ("stock", all(self._right_stock(v.sku) for v in variants if v.sku in self.made), True),
        ]
        return [
            f"{name}: {what} is {is_!r} and not {should!r}" for what, is_, should in told if is_ != should
        ]

    def _right_price(self, sku: str) -> bool:
        price = self._erp.price(sku)
        return price is not None and self._shop.state.skus[sku].price == price

    def _right_stock(self, sku: str) -> bool:
        """Nobody has ordered it yet."""
        erp_at, shop_at = self._trade.locations[0]
        return self._shop.available(sku, shop_at) == self._erp.available(sku, erp_at)

    def never(self) -> list[str]:
        """What must not have happened at any time."""
        shop = self._shop
        own = shop.product_of(FOREIGN)
        touched = sum(number == own.id for _, number, *_ in shop.state.product_log) + bool(own.publications)
        doubled = Counter(variant.sku for variant in shop.state.variants.values() if variant.sku)
        backward = free = 0
        at: dict[int, int] = {}
        said = {title: n for titles in self._said.values() for n, title in enumerate(titles)}
        for _, number, title, status, priced in shop.state.product_log:
            free += status == "ACTIVE" and not priced
            backward += said.get(title, 0) < at.get(number, 0)
            at[number] = max(at.get(number, 0), said.get(title, 0))
        return [
            f"{count} {what}"
            for count, what in (
                (touched, "times that the shop's own product was touched"),
                (shop.ledger.effects["variant_deleted"], "variants deleted"),
                (doubled.total() - len(doubled), "SKUs made twice"),
                (free, "products sold for nothing"),
                (backward, "titles that went back"),
            )
            if count
        ]
