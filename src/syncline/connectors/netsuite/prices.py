"""The ``prices`` stream: what price levels and customers' own prices say of every item, page by page.

One record is everything that one list says of one SKU, so a page is cut where a record begins. A list is called
``level:<id>`` or ``customer:<id>``. Rows that are as they were when this process read them last are not told again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from decimal import Decimal, DecimalException
from functools import partial

import msgspec

from syncline.connectors.netsuite import queries
from syncline.connectors.netsuite.client import PAGE_MAX, Client, Row
from syncline.connectors.netsuite.erpclock import ErpClock
from syncline.connectors.netsuite.manifest import PRICES, NetSuiteSettings
from syncline.connectors.netsuite.units import ItemUnits, Unit, Units
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
SALE_UNIT = "sale_unit"
PLACES = Decimal("0.000001")  # unit prices keep six decimals
BASE = Unit("", ONE)
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
    sold_by: str = (
        ""  # a unit that is not the base unit, where nobody has said whether the price is that of one
    )

    @property
    def key(self) -> str:
        """Of the record."""
        return f"{self.sku}\x1f{self.price_list}"

    @property
    def said(self) -> tuple[object, ...]:
        """What is compared."""
        return self.entries, self.sold_by


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
        self._units = Units(client, clock)
        self._priced_by = settings.priced_by
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
            units = await self._units.of(str(number) for number in ids)
            records = [self._record(group, by_level, 0, units) for group in groups.values()]
            found += [_price(record) for record in records if record is not None and not record.sold_by]
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
        units = await self._units.of({str(row["item"]) for row in page})
        made = (self._record(rows, by_level, since_ms, units) for rows in groups.values())
        records = [record for record in made if record is not None]
        if full:
            first, second = list(groups)[-1]
            return records, Place(place.began, place.table, first, second)
        return records, Place(place.began, CUSTOMER) if by_level else None

    def _record(
        self, rows: Sequence[Row], by_level: bool, since_ms: int, units: Mapping[str, ItemUnits]
    ) -> PriceRow | None:
        known = units.get(str(rows[0]["item"]))
        sale = known.units[known.sale] if known else BASE
        # Whether the table states the price of a sale unit, as the item's page does, is not documented.
        rate = sale.rate if self._priced_by == SALE_UNIT else ONE
        entries = tuple(
            EntryRow(
                _of_base(price, rate),
                _times(row.get("quantity") or "0", rate),
                self._currency(row.get("currency")),
            )
            for row in rows
            # A customer's row names a price, or the level at which the customer buys; NULL columns are absent.
            if (price := row.get("price", row.get("levelprice"))) is not None
        )
        if not entries:
            return None
        head = rows[0]
        name = f"{LEVEL}:{head['level']}" if by_level else f"{CUSTOMER}:{head['customer']}"
        unsaid = sale.rate != ONE and not self._priced_by
        return PriceRow(
            str(head.get("sku", "")),
            name,
            entries,
            self._erp.stamp(head),
            since_ms,
            f"{sale.name} of {sale.rate:f}" if unsaid else "",
        )

    def _currency(self, number: object) -> str:
        """The ISO code; where the account has one currency "", and for one that is not configured its id."""
        return self._iso.get(str(number), f"#{number}") if self._iso else ""


def _of_base(price: object, rate: Decimal) -> str:
    """The price of a base unit, as a text; what is no number is left for ``stated`` to refuse."""
    if rate == ONE:
        return str(price)
    try:
        return f"{(Decimal(str(price)) / rate).quantize(PLACES):f}"
    except DecimalException:
        return str(price)


def _times(quantity: object, rate: Decimal) -> str:
    try:
        return str(quantity) if rate == ONE else f"{Decimal(str(quantity)) * rate:f}"
    except DecimalException:
        return str(quantity)


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
    if row.sold_by:
        raise Rejected(
            f"NetSuite sells {row.sku} by the {row.sold_by}, and prices here are those of a base unit: say in netsuite.priced_by "
            "of which unit the table of prices states them, sale_unit or base_unit."
        )
    entries = tuple(
        PriceEntry(
            stated(entry.price, "NetSuite states a price", AMOUNT_MAX),
            entry.currency,
            max(ONE, stated(entry.quantity, "NetSuite states a quantity", AMOUNT_MAX)),
        )
        for entry in row.entries
    )
    return Price(row.sku, row.price_list, KINDS[row.price_list.partition(":")[0]], entries)
