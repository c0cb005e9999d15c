"""The ``products`` stream: items that are not blocked, with their variants, and the names of their categories.

API v2.0 has one text of an item and no translations, attributes or assortments: these come by our extension where the
configuration says so (``texts``). Everything is read each time, because a variant that was
deleted leaves nothing behind, and what is as it was when this process read it last is not told again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from functools import partial

import msgspec

from syncline.connectors.business_central import rows
from syncline.connectors.business_central.client import Row
from syncline.connectors.business_central.manifest import PRODUCTS
from syncline.connectors.business_central.reading import Reading
from syncline.connectors.business_central.texts import NO_TEXTS, ItemTexts, TextReader
from syncline.model.change import Change, Cursor, Event, Kind, LoggedEvent
from syncline.model.errors import Rejected
from syncline.model.products import Product, ProductStatus, Variant, Wording
from syncline.ports import Page
from syncline.sdk.scan import Scan, event

TOPIC = "product.row"
PAGES_MAX = 10_000


class ProductRow(msgspec.Struct, frozen=True):
    """A ``product.row``: an item as the product states it, and when it changed as far as is known."""

    key: str
    title: str
    category: str
    option: str
    variants: tuple[tuple[str, str, str], ...]  # SKU, barcode, what it is called
    erp_ms: int
    changed_ms: int
    texts: ItemTexts = NO_TEXTS

    @property
    def said(self) -> tuple[object, ...]:
        """What is compared."""
        return self.title, self.category, self.option, self.variants, self.texts


_ROW = msgspec.json.Decoder(ProductRow)


class ProductScan:
    """Reads all products of one company. A read that was cut short begins again."""

    def __init__(self, reading: Reading) -> None:
        system, self._settings, self._clock, self._client, self._erp_ms = reading
        self._texts = TextReader(self._settings, self._client)
        self._scan = Scan[ProductRow](system, PRODUCTS.name, Kind.PRODUCT, partial(_events, system))

    def read(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Categories, then items page by page."""
        began_ms = self._clock.now_ms()
        changed_ms = (cursor.covers_ms if cursor else 0) or began_ms
        return self._scan.pages(self._found(changed_ms), cursor, began_ms)

    async def _found(self, changed_ms: int) -> AsyncGenerator[tuple[list[ProductRow], str | None], None]:
        erp_ms = await self._erp_ms()
        names: dict[str, str] = {}
        query = {"orderby": "code"}
        async for found, _ in self._client.pages("itemCategories", query, most=PAGES_MAX, order="code"):
            names |= {rows.text(row, "code"): rows.text(row, "displayName") for row in found}
        query = {"filter": "blocked eq false", "orderby": "number", "expand": "itemVariants"}
        async for found, last in self._client.pages("items", query, most=PAGES_MAX, order="number"):
            texts = await self._texts.of([rows.text(row, "number") for row in found])
            told = [self._product(row, names, texts, erp_ms, changed_ms) for row in found]
            yield told, None if last else ""

    def _product(
        self, row: Row, names: dict[str, str], texts: Mapping[str, ItemTexts], erp_ms: int, changed_ms: int
    ) -> ProductRow:
        number, gtin = rows.text(row, "number"), rows.text(row, "gtin")
        parts = [
            (code := rows.text(each, "code"), rows.text(each, "description").strip() or code)
            for each in row.get("itemVariants") or ()
        ]
        if len({called for _, called in parts}) < len(parts):  # texts need not differ, codes do
            parts = [(code, code) for code, _ in parts]
        category = rows.text(row, "itemCategoryCode")
        variants = tuple(
            (rows.sku_of(number, code, self._settings.variant_separator), "", called)
            for code, called in parts
        )
        return ProductRow(
            number,
            rows.text(row, "displayName").strip() or number,
            names.get(category) or category,
            self._settings.variant_option if parts else "",
            variants or ((number, gtin, ""),),
            erp_ms,
            changed_ms,
            texts.get(number, NO_TEXTS),
        )


def _events(system: str, records: Sequence[ProductRow]) -> Iterable[Event]:
    """One a product. Its id contains the product's clock, for what goes back to what it was is no duplicate."""
    return [event(system, TOPIC, row, row.changed_ms) for row in records]


def decode(logged: LoggedEvent) -> list[Change]:
    """The product that an event states.

    Raises:
        Rejected: the content cannot be understood.
    """
    try:
        row = _ROW.decode(logged.event.body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Rejected(f"A product of Business Central cannot be read: {error}") from error
    for sku, _, _ in row.variants:
        if not sku.strip() or not sku.isprintable():
            raise Rejected("An item without a usable number: give it one in Business Central.")
    product = Product(
        row.key,
        row.title,
        tuple(
            Variant(sku, (called,) if row.option else (), barcode) for sku, barcode, called in row.variants
        ),
        (row.option,) if row.option else (),
        ProductStatus.ACTIVE,
        row.texts.description,
        row.category,
        row.texts.attributes,
        row.texts.images,
        {language: Wording(fields) for language, fields in row.texts.translations.items()},
        row.texts.assortments,
    )
    return [Change(Kind.PRODUCT, row.key, row.erp_ms, 0, row.changed_ms, product)]
