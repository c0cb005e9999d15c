"""The ``prices`` stream: unit prices of item cards, and the active lines of sales price lists.

A list is called by whom it is for, as the product looks prices up: ``item`` (the item card), ``all``, ``group:<code>``,
``customer:<number>``, ``campaign:<number>``. One record is everything that one of them says of one SKU; lines without a
variant are for all variants. Lines come from our extension, ordered by item; one without a price (it gives a discount
only) is left out. Everything is read each time, because a line that was deleted leaves nothing behind, and what is as
it was when this process read it last is not told again.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from syncline.connectors.business_central import rows
from syncline.connectors.business_central.client import Client, Row
from syncline.connectors.business_central.manifest import EXTENSION, PRICES, STANDARD, BusinessCentralSettings
from syncline.model.change import Change, Cursor, Event, Kind, LoggedEvent, Via
from syncline.model.errors import Rejected, Retryable
from syncline.model.pricing import ONE, Price, PriceEntry, PriceKind
from syncline.ports import Clock, Page

TOPIC = "price.rows"
PAGES_MAX = 100_000
PER_EVENT = 25  # records; an event costs as much as ten of them
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


class _Card(msgspec.Struct, frozen=True):
    """What is needed of an item to understand its lines: its unit, and its SKUs by variant."""

    unit: str
    skus: dict[str, str]


_ROWS = msgspec.json.Decoder(list[PriceRow])


class PriceScan:
    """Reads all sales prices of one company. A read that was cut short begins again."""

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
        self._zone = ZoneInfo(settings.timezone)
        self._told: dict[str, bytes] = {}  # digests of what was told, by record

    async def read(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Item cards, then lines."""
        began_ms = self._clock.now_ms()
        covers_ms = cursor.covers_ms if cursor else 0
        erp_ms = await self._erp_ms()
        seen: set[str] = set()
        cards: dict[str, _Card] = {}
        async for records, last in self._records(cards, erp_ms, covers_ms or began_ms):
            digests = {record.key: _digest(record) for record in records}
            fresh = [record for record in records if self._told.get(record.key) != digests[record.key]]
            told = {record.key for record in fresh}
            yield Page(
                tuple(_events(self._system, fresh)),
                Cursor(self._system, PRICES.name, "", began_ms if last else covers_ms),
                last,
                tuple((Kind.PRICE, record.key) for record in records if record.key not in told),
            )
            self._told.update(digests)
            seen.update(digests)
        # What this did not contain has to be told when it is there again.
        self._told = {key: value for key, value in self._told.items() if key in seen}
        if len(self._told) > REMEMBERED_MAX:
            self._told.clear()

    async def _records(
        self, cards: dict[str, _Card], erp_ms: int, changed_ms: int
    ) -> AsyncGenerator[tuple[list[PriceRow], bool], None]:
        def record(sku: str, price_list: str, entries: Iterable[EntryRow]) -> PriceRow:
            return PriceRow(sku, price_list, tuple(entries), erp_ms, changed_ms)

        query = {"filter": "blocked eq false", "orderby": "number", "expand": "itemVariants"}
        async for found in self._pages("items", query, "number", STANDARD):
            told = []
            for row in found:
                card = cards[rows.text(row, "number")] = self._card(row)
                entry = EntryRow(rows.text(row, "unitPrice") or "0", "1", self._settings.currency, "", 0, 0)
                if _priced(entry):
                    told += [record(sku, ITEM, (entry,)) for sku in card.skus.values()]
            yield told, False
        waiting: list[Row] = []  # lines of an item that may go on on the next page
        query = {"filter": "status eq 'Active'", "orderby": "itemNumber,id"}
        async for found in self._pages("priceListLines", query, "itemNumber", EXTENSION):
            waiting += found
            last = rows.text(waiting[-1], "itemNumber") if waiting else ""
            whole = [row for row in waiting if rows.text(row, "itemNumber") != last]
            waiting = waiting[len(whole) :]
            yield [record(*one) for one in self._lists(whole, cards)], False
        yield [record(*one) for one in self._lists(waiting, cards)], True

    async def _pages(
        self, entity: str, query: dict[str, str], order: str, api: str
    ) -> AsyncGenerator[list[Row], None]:
        """Pages as the server cuts them, in one order."""
        follow = self._client.url(entity, query, api)
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


def _digest(row: PriceRow) -> bytes:
    return hashlib.blake2b(msgspec.json.encode(row.entries), digest_size=12).digest()


def _events(system: str, records: Sequence[PriceRow]) -> Iterable[Event]:
    """Records, a few dozen in an event; one that cannot be understood is alone in its own, and parked alone."""
    sound: list[PriceRow] = []
    for record in records:
        try:
            _price(record)
        except Rejected:
            yield _event(system, [record])
        else:
            sound.append(record)
    for start in range(0, len(sound), PER_EVENT):
        yield _event(system, sound[start : start + PER_EVENT])


def _event(system: str, records: Sequence[PriceRow]) -> Event:
    body = msgspec.json.encode(records)
    event_id = f"price:{hashlib.blake2b(body, digest_size=16).hexdigest()}"
    return Event(system, TOPIC, event_id, Via.SNAPSHOT, min(one.changed_ms for one in records), body)


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
            _number(entry.price, "price"),
            entry.currency,
            max(ONE, _number(entry.quantity, "quantity")),
            entry.unit,
            entry.starts_ms,
            entry.ends_ms,
        )
        for entry in row.entries
    )
    return Price(row.sku, row.price_list, KINDS[row.price_list.partition(":")[0]], entries)


def _number(text: str, what: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise Rejected(f"Business Central states a {what} of {text[:40]!r}.") from error
    if not number.is_finite() or abs(number) > AMOUNT_MAX:
        raise Rejected(f"Business Central states a {what} of {text[:40]!r}.")
    return number
