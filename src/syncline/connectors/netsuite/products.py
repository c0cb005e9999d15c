"""The ``products`` stream: every item that can be sold, a matrix item with its children as one product.

Beside the columns that every account has, a product is made of columns that the account's owner names
(``catalog_fields``), because options, images and translations of items are fields of the account's own.
Everything is read each time, in the order of the products, and what is as it was is not told again.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

import msgspec

from syncline.connectors.netsuite import queries
from syncline.connectors.netsuite.client import PAGE_MAX, Client, Row
from syncline.connectors.netsuite.erpclock import ErpClock
from syncline.connectors.netsuite.manifest import PRODUCTS, NetSuiteSettings
from syncline.model.change import Change, Cursor, Event, Kind, LoggedEvent
from syncline.model.errors import Rejected, Retryable
from syncline.model.products import Product, ProductStatus, Variant, Wording, fetchable
from syncline.ports import Clock, Page
from syncline.sdk import scan
from syncline.sdk.scan import Scan, event

TOPIC = "product.rows"
PAGES_MAX = 10_000  # ten million items
KEY_START = -(2**31)
TEXT_CHARS_MAX = 100_000
CHILD = "CHILD"  # ``matrixtype`` of a variant; its parent is no item that could be sold
STATUSES = {
    "T": ProductStatus.ACTIVE,
    "F": ProductStatus.ARCHIVED,
    **{status.value: status for status in ProductStatus},
}
_NAMES = re.compile(r"[,;\x05\n]")  # between several values of one field


class Place(scan.Place, frozen=True):
    """Where an unfinished scan stands: behind which product."""

    root: int = KEY_START


class ProductRow(msgspec.Struct, frozen=True):
    """One of ``product.rows``: a product as the columns have it, and when it changed as far as is known.

    ``fields`` are the values of ``catalog_fields``; those of a variant are its options only.
    """

    key: str
    title: str
    description: str
    variants: tuple[tuple[str, str, tuple[str, ...]], ...]  # SKU, barcode, options
    fields: dict[str, str]
    erp_ms: int
    changed_ms: int

    @property
    def said(self) -> tuple[object, ...]:
        """What is compared."""
        return self.title, self.description, self.variants, sorted(self.fields.items())


class ProductBody(msgspec.Struct, frozen=True):
    """An event: products, and the names of the fields that were read for them."""

    named: tuple[str, ...]
    rows: tuple[ProductRow, ...]


_BODY = msgspec.json.Decoder(ProductBody)


class ProductScan:
    """Reads all products of one account."""

    def __init__(
        self, system: str, settings: NetSuiteSettings, clock: Clock, client: Client, erp_clock: ErpClock
    ) -> None:
        self._system = system
        self._clock = clock
        self._client = client
        self._erp = erp_clock
        self._named = tuple(settings.catalog_fields)
        self._columns = tuple(settings.catalog_fields.values())
        self._money = settings.amount_items
        self._scan = Scan[ProductRow](system, PRODUCTS.name, Kind.PRODUCT, self._events)

    async def read(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """All products, in the order of their ids."""
        first = Place(self._clock.now_ms())
        await self._erp.read()  # learns which expression for its clock the account accepts
        async for page in self._scan.pages_from(cursor, first, self._page, PAGES_MAX):
            yield page

    def _events(self, rows: Sequence[ProductRow]) -> Iterable[Event]:
        """One a product. Its id contains the ERP's clock, for what goes back to what it was is no duplicate."""
        for row in rows:
            yield event(self._system, TOPIC, ProductBody(self._named, (row,)), row.changed_ms)

    async def _page(self, place: Place, since_ms: int) -> tuple[list[ProductRow], Place | None]:
        """Some whole products, and where the rest begins; ``None`` after the last."""
        sql = queries.all_products(self._columns, self._erp.expression)
        page = await self._client.query(sql, [place.root])
        groups: dict[int, list[Row]] = {}
        for row in page:
            if str(row["id"]) not in self._money:
                groups.setdefault(int(row["root"]), []).append(row)
        full = len(page) == PAGE_MAX
        last = int(page[-1]["root"]) if page else 0
        if full:
            groups.pop(last, None)  # perhaps the next page has more of it
            before = [int(row["root"]) for row in page if int(row["root"]) != last]
            if not before:
                raise Retryable(
                    f"NetSuite has {PAGE_MAX} or more variants of one item; so many are not read."
                )
            last = before[-1]
        found = [one for members in groups.values() if (one := self._product(members, since_ms))]
        return found, Place(place.began, last) if full else None

    def _product(self, members: Sequence[Row], since_ms: int) -> ProductRow | None:
        """``None`` for children without a parent that is sold, and for a parent of which no child is."""
        head = next((row for row in members if row.get("matrixtype") != CHILD), None)
        children = [row for row in members if row.get("matrixtype") == CHILD]
        if head is None or (head.get("matrixtype") and not children):
            return None
        options = [n for n, name in enumerate(self._named) if name.startswith("option.")] if children else []
        variants = tuple(
            (_text(row, "sku"), _text(row, "barcode"), tuple(_text(row, f"f{n}") for n in options))
            for row in children or [head]
        )
        fields = {name: text for n, name in enumerate(self._named) if (text := _text(head, f"f{n}"))}
        return ProductRow(
            _text(head, "sku"),
            _text(head, "title") or _text(head, "sku"),
            _text(head, "description"),
            variants,
            fields,
            max(self._erp.stamp(row) for row in members),
            since_ms,
        )


def _text(row: Row, name: str) -> str:
    return str(row.get(name) or "")


def decode(logged: LoggedEvent) -> list[Change]:
    """The products that an event states.

    Raises:
        Rejected: the content cannot be understood.
    """
    try:
        body = _BODY.decode(logged.event.body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Rejected(f"A product of NetSuite cannot be read: {error}") from error
    return [
        Change(Kind.PRODUCT, row.key, row.erp_ms, 0, row.changed_ms, product_of(row, body.named))
        for row in body.rows
    ]


def product_of(row: ProductRow, named: Sequence[str]) -> Product:
    """A product from its columns. What no column was named for is not told.

    Raises:
        Rejected: a SKU, a status or an address cannot be one.
    """
    for sku, _, _ in row.variants:
        if not sku.strip() or not sku.isprintable():
            raise Rejected(
                f"Product {row.key!r}: an item without a usable name (itemid): give it one in NetSuite."
            )
    if long := next((name for name, text in row.fields.items() if len(text) > TEXT_CHARS_MAX), ""):
        raise Rejected(f"Product {row.key}: {long} is longer than {TEXT_CHARS_MAX} characters.")
    options = tuple(_parts(named, "option.")) if row.variants[0][2] else ()
    told = set(named)
    status = row.fields.get("status", "T" if "status" not in told else "F")
    if status not in STATUSES:
        raise Rejected(
            f"Product {row.key}: {status[:40]!r} is no status; use T, F, or {', '.join(ProductStatus)}."
        )
    return Product(
        row.key,
        row.fields.get("title") or row.title,
        tuple(Variant(sku, values, barcode) for sku, barcode, values in row.variants),
        options,
        STATUSES[status],
        row.fields.get("description", row.description),
        row.fields.get("category", "") if "category" in told else None,
        _some(row.fields, named, "attribute."),
        _images(row) if any(name.startswith("image.") for name in named) else None,
        _translations(row.fields),
        tuple(filter(None, map(str.strip, _NAMES.split(row.fields.get("assortments", "")))))
        if "assortments" in told
        else None,
    )


def _parts(named: Iterable[str], prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in named if name.startswith(prefix)]


def _some(fields: Mapping[str, str], named: Iterable[str], prefix: str) -> dict[str, str] | None:
    """Those with a prefix; one that is empty in NetSuite is told as empty. ``None`` where none is configured."""
    names = _parts(named, prefix)
    return {name: fields.get(prefix + name, "") for name in names} if names else None


def _images(row: ProductRow) -> tuple[str, ...]:
    found = [
        address for name, text in row.fields.items() if name.startswith("image.") for address in text.split()
    ]
    for address in found:
        if not fetchable(address):
            raise Rejected(
                f"Product {row.key}: {address[:200]!r} is no address of an image; it must begin with https://"
            )
    return tuple(dict.fromkeys(found))


def _translations(fields: Mapping[str, str]) -> dict[str, Wording]:
    texts: dict[str, dict[str, str]] = {}
    for name, text in fields.items():
        if name.startswith("translation."):
            _, language, field = name.split(".", 2)
            texts.setdefault(language, {})[field] = text
    return {language: Wording(some) for language, some in texts.items()}
