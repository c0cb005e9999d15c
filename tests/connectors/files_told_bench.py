"""The test bench of files that tell a channel of prices, customers, credit and products."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace
from tests.connectors.files_bench import ITEMS, columns
from tests.connectors.files_market_bench import PLACED, MarketBench

from syncline.connectors.files import FilesSettings
from syncline.connectors.files.declared import Write
from syncline.model.copying import replace as changed
from syncline.model.credit import CreditTag
from syncline.model.customers import Contact, CustomerCard, Site
from syncline.model.delivery import Item
from syncline.model.payloads import (
    PutCustomer,
    SetCredit,
    SetListing,
    SetPrice,
    SetProduct,
    SetWording,
    StatePayload,
)
from syncline.model.pricing import PriceBreak, PriceTag
from syncline.model.products import Goods, Listing, ProductStatus, Variant, Wording
from syncline.testing.bench import Refusal

TOLD = tuple(
    Write(kind=kind, path=kind, archive="done", encoding="latin-1", columns=columns(*fields.split()))
    for kind, fields in {
        "prices": "sku list currency minimum price",
        "customers": "company record name active contact contact_email contact_role site site_line1",
        "credit": "account currency available",
        "products": "product sku title status option_value.1",
        "translations": "product language title",
        "listings": "product assortment shown",
    }.items()
)
KIND_OF = {
    "set_price": "prices",
    "set_list_price": "prices",
    "put_customer": "customers",
    "set_credit": "credit",
    "set_product": "products",
    "set_wording": "translations",
    "set_listing": "listings",
}


class ToldBench(MarketBench):
    """A web shop of an agency: it is told of everything, and loads files in the order of their names."""

    facts = changed(MarketBench.facts, crowded="set_price")

    def settings(self) -> FilesSettings:
        return replace(super().settings(), reads=(PLACED, ITEMS), writes=TOLD)

    async def items(self, operation: str, count: int, system) -> list[Item]:
        found = []
        for _ in range(count):
            self._made += 1
            found.append(Item(f"{self._made}", self._content(operation, f"{self._made}")))
        return found

    def _content(self, operation: str, key: str) -> StatePayload:
        if operation in ("set_price", "set_list_price"):
            breaks = (PriceBreak(Decimal(1), Decimal("10.50")),)
            to = "trade" if operation == "set_list_price" else ""
            return SetPrice(f"SKU-{key}", key, "", to, PriceTag("GBP", breaks))
        if operation == "put_customer":
            people = (Contact("p", "A", "Buyer", f"{key}@shop.example", role="orders"),)
            card = CustomerCard(
                f"Company {key}", active=True, contacts=people, sites=(Site("s", line1="1 Road"),)
            )
            return PutCustomer(f"C-{key}", "", card)
        if operation == "set_credit":
            return SetCredit(key, f"C-{key}", CreditTag("GBP", Decimal(100), Decimal(75)))
        if operation == "set_product":
            variants = tuple(Variant(f"P-{key}-{at}", (at,)) for at in ("red", "blue"))
            return SetProduct(f"P-{key}", Goods(variants, ("Colour",), ProductStatus.ACTIVE, "Shirt"), {})
        if operation == "set_wording":
            return SetWording(f"P-{key}", "de", Wording({"title": "Hemd"}), product_id=f"P-{key}")
        return SetListing(f"P-{key}", "trade", Listing(shown=True), product_id=f"P-{key}")

    def loaded(self, kind: str) -> dict[tuple[str, ...], list[list[str]]]:
        """What the shop has of a kind, by what it is of: the rows of the last file that had any."""
        of = {"prices": 2, "translations": 2, "listings": 2}.get(kind, 1)
        found: dict[tuple[str, ...], list[list[str]]] = {}
        for key in self.simulator.keys(f"exchange/{kind}/"):
            mine: dict[tuple[str, ...], list[list[str]]] = {}
            for line in self.simulator.objects[key].body.decode("latin-1").splitlines()[1:]:
                cells = line.split(",")
                mine.setdefault(tuple(cells[:of]), []).append(cells)
            found |= mine
        return found

    def effects(self, operation: str, item: Item) -> int:
        """Whether all of it is there as it should be; once more is the same."""
        put, there = item.payload, self.loaded(KIND_OF[operation])
        if isinstance(put, SetPrice):
            at = (put.sku, put.price_list)
            return int(there.get(at) == [[*at, "GBP", "1", "10.50"]])
        if isinstance(put, PutCustomer):
            return int([row[1] for row in there.get((put.key,), ())] == ["company", "contact", "site"])
        if isinstance(put, SetCredit):
            return int(there.get((put.external_id,)) == [[put.external_id, "GBP", "75"]])
        if isinstance(put, SetProduct):
            return int([row[-1] for row in there.get((put.key,), ())] == ["red", "blue"])
        of = (put.key, put.locale if isinstance(put, SetWording) else put.assortment)
        return int(there.get(of) == [[*of, "Hemd" if isinstance(put, SetWording) else "1"]])

    async def refusal(self, system) -> Refusal:
        (good,) = await self.items("set_price", 1, system)
        bad = changed(good, payload=changed(good.payload, sku="SKU-\u4e00"))
        return Refusal("set_price", bad, "cannot be written as latin-1")
