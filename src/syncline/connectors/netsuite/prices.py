"""The ``prices`` stream: what price levels and customers' own prices say of every item, page by page.

One record is everything that one list says of one SKU, so a page is cut where a record begins. A list is called
``level:<id>`` or ``customer:<id>``. Rows that are as they were when this process read them last are not told again.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from decimal import Decimal, InvalidOperation

import msgspec

from syncline.connectors.netsuite import queries
from syncline.connectors.netsuite.client import PAGE_MAX, Client, Row
from syncline.connectors.netsuite.erpclock import ErpClock
from syncline.connectors.netsuite.manifest import PRICES, NetSuiteSettings
from syncline.model.change import Change, Cursor, Event, Kind, LoggedEvent, Via
from syncline.model.errors import Rejected, Retryable
from syncline.model.pricing import ONE, Price, PriceEntry, PriceKind
from syncline.model.records import Item
from syncline.ports import Clock, Page

TOPIC = "price.rows"
PAGES_MAX = 100_000  # a hundred million rows
KEY_START = -(2**31)
PER_EVENT = 25  # records; an event costs as much as ten of them
REMEMBERED_MAX = 2_000_000
AMOUNT_MAX = Decimal(10) ** 12
LEVEL, CUSTOMER = "level", "customer"
KINDS = {LEVEL: PriceKind.LIST, CUSTOMER: PriceKind.CONTRACT}


class Place(msgspec.Struct, frozen=True):
    """Where an unfinished scan stands: in which table, and behind which record; ``began`` is 0 between scans."""

    began: int = 0
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


_ROWS = msgspec.json.Decoder(list[PriceRow])


class PriceScan:
    """Reads all prices of one account."""

    def __init__(
        self, system: str, settings: NetSuiteSettings, clock: Clock, client: Client, erp_clock: ErpClock
    ) -> None:
        self._system = system
        self._clock = clock
        self._client = client
        self._erp = erp_clock
        self._iso = {number: code for code, number in settings.currencies.items()}
        self._told: dict[str, bytes] = {}  # digests of what was told, by record

    async def read(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Both tables, one after the other."""
        place = _resume(cursor, self._clock.now_ms())
        whole = place == Place(place.began)  # not the rest of one that was cut short
        covers_ms = cursor.covers_ms if cursor else 0
        since_ms = covers_ms or place.began  # rows have no stamp: they changed since the read before began
        began_ms = place.began
        seen: set[str] = set()
        await self._erp.read()  # learns which expression for its clock the account accepts
        for _ in range(PAGES_MAX):
            rows, after = await self._page(place, since_ms)
            digests = {row.key: _digest(row) for row in rows}
            fresh = [row for row in rows if self._told.get(row.key) != digests[row.key]]
            told = {row.key for row in fresh}
            position = msgspec.json.encode(after or Place()).decode()
            yield Page(
                tuple(_events(self._system, fresh)),
                Cursor(self._system, PRICES.name, position, covers_ms if after else began_ms),
                after is None,
                tuple((Kind.PRICE, row.key) for row in rows if row.key not in told),
            )
            if len(self._told) > REMEMBERED_MAX:
                self._told.clear()
            self._told.update(digests)
            seen.update(digests)
            if after is None:
                if whole:  # what this did not contain has to be told when it is there again
                    self._told = {key: value for key, value in self._told.items() if key in seen}
                return
            place = after
        raise Retryable(f"NetSuite has more than {PAGES_MAX} pages of prices.")

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
            rows = await self._client.query(
                make(len(ids), len(numbers), self._erp.expression), [*ids, *numbers]
            )
            groups: dict[tuple[int, int], list[Row]] = {}
            for row in rows:
                groups.setdefault(
                    (int(row["item"]), int(row["level" if by_level else "customer"])), []
                ).append(row)
            records = [self._record(group, by_level, 0) for group in groups.values()]
            found += [_price(record) for record in records if record is not None]
        return found

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


def _resume(cursor: Cursor | None, now_ms: int) -> Place:
    if cursor and cursor.position:
        place = msgspec.json.decode(cursor.position, type=Place)
        if place.began:
            return place
    return Place(now_ms)


def _digest(row: PriceRow) -> bytes:
    return hashlib.blake2b(msgspec.json.encode(row.entries), digest_size=12).digest()


def _events(system: str, records: Sequence[PriceRow]) -> Iterable[Event]:
    """Records, a few dozen in an event; one that cannot be understood is alone in its own, and parked alone.

    A price may go back to what it was, so no event is a duplicate of an older one: its id contains the ERP's clock.
    """
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
    except (msgspec.MsgspecError, ValueError) as error:
        raise Rejected(f"A price of NetSuite cannot be read: {error}") from error


def _price(row: PriceRow) -> Price:
    if not row.sku.strip() or not row.sku.isprintable():
        raise Rejected("An item without a usable name (itemid) has a price: give it one in NetSuite.")
    entries = tuple(
        PriceEntry(
            _number(entry.price, "price"), entry.currency, max(ONE, _number(entry.quantity, "quantity"))
        )
        for entry in row.entries
    )
    return Price(row.sku, row.price_list, KINDS[row.price_list.partition(":")[0]], entries)


def _number(text: str, what: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise Rejected(f"NetSuite states a {what} of {text[:40]!r}.") from error
    if not number.is_finite() or abs(number) > AMOUNT_MAX:
        raise Rejected(f"NetSuite states a {what} of {text[:40]!r}.")
    return number
