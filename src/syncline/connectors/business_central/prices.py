"""The ``prices`` stream: unit prices of item cards, and the active lines of sales price lists.

A list is called by whom it is for, as the product looks prices up: ``item`` (the item card), ``all``, ``group:<code>``,
``customer:<number>``, ``campaign:<number>``. One record is everything that one of them says of one SKU; lines without a
variant are for all variants. Lines come from our extension, ordered by item; one without a price (it gives a discount
only) is left out. Everything is read each time, because a line that was deleted leaves nothing behind, and what is as
it was when this process read it last is not told again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from syncline.connectors.business_central import rows
from syncline.connectors.business_central.client import Row
from syncline.connectors.business_central.manifest import EXTENSION, PRICES
from syncline.connectors.business_central.reading import Reading
from syncline.model.change import Change, Cursor, Kind, LoggedEvent
from syncline.model.errors import Rejected, Retryable
from syncline.model.pricing import ONE, Price, PriceEntry, PriceKind
from syncline.ports import Page
from syncline.sdk.money import stated
from syncline.sdk.scan import Scan, events

TOPIC = "price.rows"
PAGES_MAX = 100_000
REMEMBERED_MAX = 2_000_000
AMOUNT_MAX = Decimal(10) ** 12
ITEM = "item"
# The kinds of source that a line is for, as the API writes them, and what we call its list.
SOURCES = {
    "All_x0020_Customers": "all",
    "Customer": "customer:",
    "Customer_x0020_Price_x0020_Group": "group:",
    "Campaign": "campaign:",
}
KINDS = {
    "item": PriceKind.LIST,
    "all": PriceKind.LIST,
    "customer": PriceKind.CONTRACT,
    "group": PriceKind.GROUP,
    "campaign": PriceKind.PROMOTIONAL,
}


class EntryRow(msgspec.Struct, frozen=True):
    """One price: texts as the product states them, moments in milliseconds."""

    price: str
    quantity: str
    currency: str
    unit: str
    starts_ms: int
    ends_ms: int


class PriceRow(msgspec.Struct, frozen=True):
    """One of ``price.rows``: what a list says of a SKU, and when it changed as far as is known."""

    sku: str
    price_list: str
    entries: tuple[EntryRow, ...]
    erp_ms: int
    changed_ms: int

    @property
    def key(self) -> str:
        """Of the record."""
        return f"{self.sku}\x1f{self.price_list}"

    @property
    def said(self) -> tuple[EntryRow, ...]:
        """What is compared."""
        return self.entries


class _Card(msgspec.Struct, frozen=True):
    """What is needed of an item to understand its lines: its unit, and its SKUs by variant."""

    unit: str
    skus: dict[str, str]


_ROWS = msgspec.json.Decoder(list[PriceRow])


class PriceScan:
    """Reads all sales prices of one company. A read that was cut short begins again."""

    def __init__(self, reading: Reading) -> None:
        system, self._settings, self._clock, self._client, self._erp_ms = reading
        self._zone = ZoneInfo(self._settings.timezone)
        self._scan = Scan[PriceRow](
            system,
            PRICES.name,
            Kind.PRICE,
            partial(events, system, TOPIC, check=_price),
            remembered_max=REMEMBERED_MAX,
        )

    def read(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Item cards, then lines."""
        began_ms = self._clock.now_ms()
        changed_ms = (cursor.covers_ms if cursor else 0) or began_ms
        return self._scan.pages(self._records(changed_ms), cursor, began_ms)

    async def _records(self, changed_ms: int) -> AsyncGenerator[tuple[list[PriceRow], str | None], None]:
        erp_ms = await self._erp_ms()
        cards: dict[str, _Card] = {}

        def record(sku: str, price_list: str, entries: Iterable[EntryRow]) -> PriceRow:
            return PriceRow(sku, price_list, tuple(entries), erp_ms, changed_ms)

        query = {"filter": "blocked eq false", "orderby": "number", "expand": "itemVariants"}
        async for found, _ in self._client.pages("items", query, most=PAGES_MAX, order="number"):
            told = []
            for row in found:
                card = cards[rows.text(row, "number")] = self._card(row)
                entry = EntryRow(rows.text(row, "unitPrice") or "0", "1", self._settings.currency, "", 0, 0)
                if _priced(entry):
                    told += [record(sku, ITEM, (entry,)) for sku in card.skus.values()]
            yield told, ""
        waiting: list[Row] = []  # lines of an item that may go on on the next page
        query = {"filter": "status eq 'Active'", "orderby": "itemNumber,id"}
        async for found, _ in self._client.pages(
            "priceListLines", query, most=PAGES_MAX, api=EXTENSION, order="itemNumber"
        ):
            waiting += found
            last = rows.text(waiting[-1], "itemNumber") if waiting else ""
            whole = [row for row in waiting if rows.text(row, "itemNumber") != last]
            waiting = waiting[len(whole) :]
            yield [record(*one) for one in self._lists(whole, cards)], ""
        yield [record(*one) for one in self._lists(waiting, cards)], None

    def _card(self, row: Row) -> _Card:
        number, separator = rows.text(row, "number"), self._settings.variant_separator
        variants = [rows.text(each, "code") for each in row.get("itemVariants") or ()] or [""]
        unit = rows.text(row, "baseUnitOfMeasureCode")
        return _Card(unit, {code: rows.sku_of(number, code, separator) for code in variants})

    def _lists(
        self, lines: Sequence[Row], cards: dict[str, _Card]
    ) -> Iterable[tuple[str, str, list[EntryRow]]]:
        """SKU, list and entries of some items' lines; of what is not sold, nothing."""
        found: dict[tuple[str, str], list[EntryRow]] = {}
        for row in lines:
            card = cards.get(rows.text(row, "itemNumber"))
            name = SOURCES.get(rows.text(row, "sourceType"))
            if card is None or name is None:
                continue
            entry = self._entry(row, card)
            if not _priced(entry):
                continue
            price_list = name + rows.text(row, "sourceNumber") if name.endswith(":") else name
            wanted = rows.text(row, "variantCode")
            for variant, sku in card.skus.items():
                if wanted in ("", variant):
                    found.setdefault((sku, price_list), []).append(entry)
        # In an order of their own: the product's ids have none.
        return [
            (sku, price_list, sorted(entries, key=msgspec.structs.astuple))
            for (sku, price_list), entries in found.items()
        ]

    def _entry(self, row: Row, card: _Card) -> EntryRow:
        unit = rows.text(row, "unitOfMeasureCode")
        return EntryRow(
            rows.text(row, "unitPrice") or "0",
            rows.text(row, "minimumQuantity") or "0",
            rows.text(row, "currencyCode") or self._settings.currency,
            "" if unit == card.unit else unit,
            self._midnight(row.get("startingDate"), 0),
            self._midnight(row.get("endingDate"), 1),  # the last day counts
        )

    def _midnight(self, value: Any, days: int) -> int:
        """When a day begins in the company's zone; 0 for no date (the product writes 0001-01-01)."""
        try:
            day = date.fromisoformat(str(value or "0001-01-01"))
        except ValueError as error:
            raise Retryable(f"Business Central states {str(value)[:40]!r} where a date belongs.") from error
        if day.year <= 1:
            return 0
        moment = datetime.combine(day + timedelta(days=days), time(), self._zone)
        return round(moment.timestamp() * 1000)


def _priced(entry: EntryRow) -> bool:
    """Whether a row states a price at all: without one the product has 0."""
    try:
        return Decimal(entry.price) != 0
    except InvalidOperation:
        return True  # it is said when the event is understood


def decode(logged: LoggedEvent) -> list[Change]:
    """The prices that an event states.

    Raises:
        Rejected: the content cannot be understood.
    """
    try:
        return [
            Change(Kind.PRICE, row.key, row.erp_ms, 0, row.changed_ms, _price(row))
            for row in _ROWS.decode(logged.event.body)
        ]
    except (msgspec.MsgspecError, ValueError, KeyError) as error:
        raise Rejected(f"A price of Business Central cannot be read: {error}") from error


def _price(row: PriceRow) -> Price:
    if not row.sku.strip() or not row.sku.isprintable():
        raise Rejected("An item without a usable number has a price: give it one in Business Central.")
    entries = tuple(
        PriceEntry(
            stated(entry.price, "Business Central states a price", AMOUNT_MAX),
            entry.currency,
            max(ONE, stated(entry.quantity, "Business Central states a quantity", AMOUNT_MAX)),
            entry.unit,
            entry.starts_ms,
            entry.ends_ms,
        )
        for entry in row.entries
    )
    return Price(row.sku, row.price_list, KINDS[row.price_list.partition(":")[0]], entries)
