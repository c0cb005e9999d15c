"""The ``prices`` stream: what price levels and customers' own prices say of every item, page by page.

One record is everything that one list says of one SKU, so a page is cut where a record begins. A list is called
``level:<id>`` or ``customer:<id>``. Rows that are as they were when this process read them last are not told again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from decimal import Decimal
from functools import partial

import msgspec

from syncline.connectors.netsuite import queries
from syncline.connectors.netsuite.client import PAGE_MAX, Client, Row
from syncline.connectors.netsuite.erpclock import ErpClock
from syncline.connectors.netsuite.manifest import PRICES, NetSuiteSettings
from syncline.model.change import Change, Cursor, Kind, LoggedEvent
from syncline.model.errors import Rejected, Retryable
from syncline.model.pricing import ONE, Price, PriceEntry, PriceKind
from syncline.model.records import Item
from syncline.ports import Clock, Page
from syncline.sdk import scan
from syncline.sdk.money import stated
from syncline.sdk.scan import Scan, events

TOPIC = "price.rows"
PAGES_MAX = 100_000  # a hundred million rows
KEY_START = -(2**31)
REMEMBERED_MAX = 2_000_000
AMOUNT_MAX = Decimal(10) ** 12
LEVEL, CUSTOMER = "level", "customer"
KINDS = {LEVEL: PriceKind.LIST, CUSTOMER: PriceKind.CONTRACT}


class Place(scan.Place, frozen=True):
    """Where an unfinished scan stands: in which table, and behind which record."""

    table: str = LEVEL
    first: int = KEY_START
    second: int = KEY_START


class EntryRow(msgspec.Struct, frozen=True):
    """One price: texts as NetSuite states them, the currency as its ISO code."""

    price: str
    quantity: str
    currency: str


class PriceRow(msgspec.Struct, frozen=True):
    """One of ``price.rows``: what a list says of an item, and when it changed as far as is known."""

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


_ROWS = msgspec.json.Decoder(list[PriceRow])


class PriceScan:
    """Reads all prices of one account."""

    def __init__(
        self, system: str, settings: NetSuiteSettings, clock: Clock, client: Client, erp_clock: ErpClock
    ) -> None:
        self._clock = clock
        self._client = client
        self._erp = erp_clock
        self._iso = {number: code for code, number in settings.currencies.items()}
        self._scan = Scan[PriceRow](
            system,
            PRICES.name,
            Kind.PRICE,
            partial(events, system, TOPIC, check=_price),
            remembered_max=REMEMBERED_MAX,
        )

    async def read(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Both tables, one after the other."""
        first = Place(self._clock.now_ms())
        await self._erp.read()  # learns which expression for its clock the account accepts
        async for page in self._scan.pages_from(cursor, first, self._page, PAGES_MAX):
            yield page

    async def ask(self, items: Sequence[Item], lists: Sequence[str]) -> list[Price]:
        """What some lists say of some items at this moment."""
        ids = [int(item.external_id) for item in items if item.external_id.isdigit()]
        await self._erp.read()
        found: list[Price] = []
        for kind in (LEVEL, CUSTOMER):
            names = [name.partition(":")[2] for name in lists if name.startswith(f"{kind}:")]
            numbers = [int(name) for name in names if name.isdigit()]
            if not ids or not numbers:
                continue
            by_level = kind == LEVEL
            make = queries.prices_of if by_level else queries.customer_prices_of
            rows = await self._asked(make, ids, numbers)
            groups: dict[tuple[int, int], list[Row]] = {}
            for row in rows:
                groups.setdefault(
                    (int(row["item"]), int(row["level" if by_level else "customer"])), []
                ).append(row)
            records = [self._record(group, by_level, 0) for group in groups.values()]
            found += [_price(record) for record in records if record is not None]
        return found

    async def _asked(
        self, make: Callable[[int, int, str], str], ids: Sequence[int], numbers: Sequence[int]
    ) -> list[Row]:
        """All rows of some items in some lists. A full page may lack the last breaks, and with them the lower prices."""
        sql = make(len(ids), len(numbers), self._erp.expression)
        rows = await self._client.query(sql, [*ids, *numbers])
        if len(rows) < PAGE_MAX:
            return rows
        if len(ids) == 1:
            raise Retryable(f"NetSuite has {PAGE_MAX} or more prices for one item in {len(numbers)} lists.")
        half = len(ids) // 2
        return [
            *await self._asked(make, ids[:half], numbers),
            *await self._asked(make, ids[half:], numbers),
        ]

    async def _page(self, place: Place, since_ms: int) -> tuple[list[PriceRow], Place | None]:
        """Some whole records, and where the rest begins; ``None`` after the last."""
        by_level = place.table == LEVEL
        sql = (queries.all_prices if by_level else queries.all_customer_prices)(self._erp.expression)
        columns = ("item", "level") if by_level else ("customer", "item")
        page = await self._client.query(sql, [place.first, place.first, place.second])
        groups: dict[tuple[int, int], list[Row]] = {}
        for row in page:
            groups.setdefault((int(row[columns[0]]), int(row[columns[1]])), []).append(row)
        full = len(page) == PAGE_MAX
        if full:
            if len(groups) == 1:
                raise Retryable(f"NetSuite has {PAGE_MAX} or more prices for one item in one list.")
            groups.popitem()  # perhaps the next page has more of it
        records = [record for rows in groups.values() if (record := self._record(rows, by_level, since_ms))]
        if full:
            first, second = list(groups)[-1]
            return records, Place(place.began, place.table, first, second)
        return records, Place(place.began, CUSTOMER) if by_level else None

    def _record(self, rows: Sequence[Row], by_level: bool, since_ms: int) -> PriceRow | None:
        entries = tuple(
            EntryRow(str(price), str(row.get("quantity") or "0"), self._currency(row.get("currency")))
            for row in rows
            # A customer's row names a price, or the level at which the customer buys; NULL columns are absent.
            if (price := row.get("price", row.get("levelprice"))) is not None
        )
        if not entries:
            return None
        head = rows[0]
        name = f"{LEVEL}:{head['level']}" if by_level else f"{CUSTOMER}:{head['customer']}"
        return PriceRow(str(head.get("sku", "")), name, entries, self._erp.stamp(head), since_ms)

    def _currency(self, number: object) -> str:
        """The ISO code; where the account has one currency "", and for one that is not configured its id."""
        return self._iso.get(str(number), f"#{number}") if self._iso else ""


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
    except (msgspec.MsgspecError, ValueError) as error:
        raise Rejected(f"A price of NetSuite cannot be read: {error}") from error


def _price(row: PriceRow) -> Price:
    if not row.sku.strip() or not row.sku.isprintable():
        raise Rejected("An item without a usable name (itemid) has a price: give it one in NetSuite.")
    entries = tuple(
        PriceEntry(
            stated(entry.price, "NetSuite states a price", AMOUNT_MAX),
            entry.currency,
            max(ONE, stated(entry.quantity, "NetSuite states a quantity", AMOUNT_MAX)),
        )
        for entry in row.entries
    )
    return Price(row.sku, row.price_list, KINDS[row.price_list.partition(":")[0]], entries)
