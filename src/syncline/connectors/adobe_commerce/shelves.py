"""A product as the shop has it: what is read before it is written, and when it is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from syncline.connectors.adobe_commerce import wire
from syncline.connectors.adobe_commerce.client import Client, Search
from syncline.connectors.adobe_commerce.stock import parts

PRODUCTS = "products"
READ_MAX = 50  # products in one search
ENABLED, DISABLED = 1, 2
CONFIGURABLE = "configurable"
# Assumed: a search tells extension attributes as the reading of one product does.
FIELDS = (
    "id,sku,name,price,type_id,updated_at,status,custom_attributes,media_gallery_entries[id,file,types],"
    "extension_attributes[category_links,configurable_product_options,configurable_product_links]"
)


class Attribute(Struct, frozen=True):
    """The value of one attribute."""

    attribute_code: str
    value: Any = None


class Entry(Struct, frozen=True):
    """One image: where its file lies, and the places in which the shop shows it."""

    id: int
    file: str = ""
    types: tuple[str, ...] = ()


class Link(Struct, frozen=True):
    """A category that a product stands in."""

    category_id: str | int


class Choice(Struct, frozen=True):
    """What the variants of a product differ in."""

    attribute_id: str | int
    position: int | None = None


class Extension(Struct, frozen=True):
    """What modules of the shop add to a product."""

    category_links: tuple[Link, ...] = ()
    configurable_product_options: tuple[Choice, ...] = ()
    configurable_product_links: tuple[int, ...] = ()


class Seen(wire.Product, frozen=True):
    """A product as it is in the shop."""

    status: int = ENABLED
    custom_attributes: tuple[Attribute, ...] = ()
    media_gallery_entries: tuple[Entry, ...] = ()
    # Where none of the fields that were asked for is there, PHP writes an empty list.
    extension_attributes: Extension | tuple[()] = ()

    @property
    def extension(self) -> Extension:
        """What modules add to it."""
        return self.extension_attributes or Extension()

    def attribute(self, code: str) -> Any:
        """The value of an attribute; "" where it has none."""
        found = next((one.value for one in self.custom_attributes if one.attribute_code == code), None)
        return "" if found is None else found

    @property
    def choices(self) -> list[int]:
        """The numbers of the attributes that its variants differ in, in their order."""
        options = self.extension.configurable_product_options
        return [int(one.attribute_id) for one in sorted(options, key=lambda one: one.position or 0)]

    @property
    def categories(self) -> set[int]:
        """The numbers of the categories that it stands in."""
        return {int(one.category_id) for one in self.extension.category_links}


async def by_sku(client: Client, skus: Sequence[str], *, store: str = "") -> dict[str, Seen]:
    """Products of some SKUs, as one store view shows them if it is named; those that are not there are left out."""
    seen: dict[str, Seen] = {}
    asked = {sku.casefold(): sku for sku in skus}  # the shop's searches, and its SKUs, know no case
    for some in parts(list(dict.fromkeys(skus)), READ_MAX):
        search = Search(size=len(some), fields=FIELDS)
        listed = ",".join(sku for sku in some if "," not in sku)
        alone = [("sku", "eq", sku) for sku in some if "," in sku]
        search.where(*([("sku", "in", listed)] if listed else []), *alone)
        answer = await client.get(PRODUCTS, search.pairs(), wire.Found[Seen], store=store)
        seen |= {asked.get(row.sku.casefold(), row.sku): row for row in answer.items}
    return seen


async def by_id(client: Client, ids: Sequence[int]) -> dict[int, Seen]:
    """The same by their numbers."""
    seen: dict[int, Seen] = {}
    for some in parts([str(number) for number in dict.fromkeys(ids)], READ_MAX):
        search = Search(size=len(some), fields=FIELDS)
        search.where(("entity_id", "in", ",".join(some)))
        answer = await client.get(PRODUCTS, search.pairs(), wire.Found[Seen])
        seen |= {row.id: row for row in answer.items}
    return seen


async def variants_of(client: Client, seen: Mapping[str, Seen]) -> dict[str, list[Seen]]:
    """The variants of those products that hold some together."""
    families = {
        sku: row.extension.configurable_product_links
        for sku, row in seen.items()
        if row.type_id == CONFIGURABLE
    }
    there = await by_id(client, [number for numbers in families.values() for number in numbers])
    return {
        sku: [there[number] for number in numbers if number in there] for sku, numbers in families.items()
    }
