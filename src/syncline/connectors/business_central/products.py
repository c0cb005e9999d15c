"""The ``products`` stream: items that are not blocked, with their variants, and the names of their categories.

API v2.0 has one text of an item, no translations and no assortments, and pictures only as content that needs our own
credential (contract sheet section 5): so none of these is told. Everything is read each time, because a variant that was
deleted leaves nothing behind, and what is as it was when this process read it last is not told again.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable

import msgspec

from syncline.connectors.business_central import rows
from syncline.connectors.business_central.client import Client, Row
from syncline.connectors.business_central.manifest import PRODUCTS, STANDARD, BusinessCentralSettings
from syncline.model.change import Change, Cursor, Event, Kind, LoggedEvent, Via
from syncline.model.errors import Rejected, Retryable
from syncline.model.products import Product, ProductStatus, Variant
from syncline.ports import Clock, Page

TOPIC = "product.row"
PAGES_MAX = 10_000
REMEMBERED_MAX = 1_000_000


class ProductRow(msgspec.Struct, frozen=True):
    """A ``product.row``: an item as the product states it, and when it changed as far as is known."""

    key: str
    title: str
    category: str
    option: str
    variants: tuple[tuple[str, str, str], ...]  # SKU, barcode, what it is called
    erp_ms: int
    changed_ms: int


_ROW = msgspec.json.Decoder(ProductRow)


class ProductScan:
    """Reads all products of one company. A read that was cut short begins again."""

    def __init__(
        self,
        system: str,
        settings: BusinessCentralSettings,
        clock: Clock,
        client: Client,
        erp_ms: Callable[[], Awaitable[int]],
    ) -> None:
        self._system = system
        self._settings = settings
        self._clock = clock
        self._client = client
        self._erp_ms = erp_ms
        self._told: dict[str, bytes] = {}  # digests of what was told, by product

    async def read(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Categories, then items page by page."""
        began_ms = self._clock.now_ms()
        covers_ms = cursor.covers_ms if cursor else 0
        erp_ms = await self._erp_ms()
        seen: set[str] = set()
        names: dict[str, str] = {}
        async for found in self._pages("itemCategories", {"orderby": "code"}, "code"):
            names |= {rows.text(row, "code"): rows.text(row, "displayName") for row in found}
        query = {"filter": "blocked eq false", "orderby": "number", "expand": "itemVariants"}
        pages = self._pages("items", query, "number")
        waiting: list[Row] = await anext(pages, [])
        while True:
            following = await anext(pages, None)
            told = [self._product(row, names, erp_ms, covers_ms or began_ms) for row in waiting]
            digests = {row.key: _digest(row) for row in told}
            fresh = [row for row in told if self._told.get(row.key) != digests[row.key]]
            new = {row.key for row in fresh}
            last = following is None
            yield Page(
                tuple(_event(self._system, row) for row in fresh),
                Cursor(self._system, PRODUCTS.name, "", began_ms if last else covers_ms),
                last,
                tuple((Kind.PRODUCT, row.key) for row in told if row.key not in new),
            )
            self._told.update(digests)
            seen.update(digests)
            if following is None:
                break
            waiting = following
        # What this did not contain has to be told when it is there again.
        self._told = {key: value for key, value in self._told.items() if key in seen}
        if len(self._told) > REMEMBERED_MAX:
            self._told.clear()

    async def _pages(self, entity: str, query: dict[str, str], order: str) -> AsyncGenerator[list[Row], None]:
        """Pages as the server cuts them, in one order."""
        follow = self._client.url(entity, query, STANDARD)
        before = ""
        for _ in range(PAGES_MAX):
            found, follow = await self._client.page(follow)
            for row in found:
                if rows.text(row, order) < before:
                    raise Retryable(f"Business Central returned {entity} out of order.")
                before = rows.text(row, order)
            yield found
            if not follow:
                return
        raise Retryable(f"Business Central has more than {PAGES_MAX} pages of {entity}.")

    def _product(self, row: Row, names: dict[str, str], erp_ms: int, changed_ms: int) -> ProductRow:
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
        )


def _digest(row: ProductRow) -> bytes:
    content = (row.title, row.category, row.option, row.variants)
    return hashlib.blake2b(msgspec.json.encode(content), digest_size=12).digest()


def _event(system: str, row: ProductRow) -> Event:
    """One product. Its id contains the product's clock, for what goes back to what it was is no duplicate."""
    body = msgspec.json.encode(row)
    event_id = f"product:{hashlib.blake2b(body, digest_size=16).hexdigest()}"
    return Event(system, TOPIC, event_id, Via.SNAPSHOT, row.changed_ms, body)


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
        category=row.category,
    )
    return [Change(Kind.PRODUCT, row.key, row.erp_ms, 0, row.changed_ms, product)]
