"""What an adoption reads of an account: every item and location, and orders by what others wrote on them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

import msgspec

from syncline.connectors.netsuite import queries, rows, zones
from syncline.connectors.netsuite.client import PAGE_MAX, Client, Row
from syncline.connectors.netsuite.delta import Delta, Place
from syncline.connectors.netsuite.erpclock import ErpClock, Reading
from syncline.connectors.netsuite.kits import KitColumns
from syncline.connectors.netsuite.manifest import TRANSACTIONS, NetSuiteSettings
from syncline.model.census import FoundOrder, Listed, ListedCustomer, ListedItem, ListedPlace
from syncline.model.change import Cursor, Event
from syncline.model.errors import Misconfigured, Retryable
from syncline.ports import REFERENCE, CensusPage, Clock

PAGES_MAX = 10_000
ORDERS_MAX = (
    900  # values in one list; the database behind SuiteQL takes 1,000, and duplicates need room on the page
)
LINES_OF_MAX = 300  # orders whose lines are asked for at once
STAMP_MS = 1_000  # stamps have whole seconds
KEY_START = -(2**31)
_FIELD = re.compile(r"externalid|otherrefnum|memo|tranid|custbody[a-z0-9_]{1,80}")
_CUSTOMER_FIELD = re.compile(r"externalid|entityid|custentity[a-z0-9_]{1,80}")
_ITEM_FIELD = re.compile(r"externalid|upccode|displayname|description|custitem[a-z0-9_]{1,80}")


class NetSuiteCensus:
    """One account, listed. Census and OrderBook; reading has no effect."""

    def __init__(
        self,
        name: str,
        settings: NetSuiteSettings,
        clock: Clock,
        client: Client,
        erp_clock: ErpClock,
        delta: Delta,
    ) -> None:
        self._delta = delta
        self._name = name
        self._settings = settings
        self._clock = clock
        self._client = client
        self._erp = erp_clock
        self._kits = KitColumns()
        self.orders_max = ORDERS_MAX

    # -- lists --------------------------------------------------------------------------------

    async def read(
        self, what: str, position: str, *, fields: Sequence[str] = (), places: Sequence[str] = ()
    ) -> AsyncGenerator[CensusPage, None]:
        if what == "places":
            found = await self._client.query(queries.LOCATIONS)
            listed = tuple(ListedPlace(str(row["id"]), str(row.get("name", ""))) for row in found)
            yield CensusPage(listed, "", last=True)
            return
        at = [int(place) for place in places]
        make: Callable[[Row, Sequence[str]], Listed]
        if what == "items":
            _check(fields, _ITEM_FIELD, "an item: use externalid, upccode", "custitem")
            sql, make = queries.listed_items(fields, len(at)), _item
        elif what == "customers":
            _check(fields, _CUSTOMER_FIELD, "a customer: use externalid, entityid", "custentity")
            sql, make, at = queries.listed_customers(fields), _customer, []
        else:
            raise ValueError(f"NetSuite lists no {what!r}.")
        after = int(position) if position else KEY_START
        for _ in range(PAGES_MAX):
            page = await self._client.query(sql, [*at, after])
            last = len(page) < PAGE_MAX
            after = int(page[-1]["id"]) if page else after
            yield CensusPage(tuple(make(row, fields) for row in page), str(after), last)
            if last:
                return
        raise Retryable(f"NetSuite has more than {PAGES_MAX} pages of {what}.")

    async def begin(self) -> tuple[Cursor, ...]:
        """The stream of transactions goes on from the account's clock as it is now."""
        began_ms = self._clock.now_ms()
        reading = await self._erp.read()
        position = msgspec.json.encode(Place(reading.utc_ms)).decode()
        return (Cursor(self._name, TRANSACTIONS.name, position, began_ms),)

    # -- orders -------------------------------------------------------------------------------

    def check_fields(self, fields: Sequence[str]) -> None:
        for field in fields:
            if not _FIELD.fullmatch(field):
                raise Misconfigured(
                    f"{field!r} is no field by which orders are found: use externalid, otherrefnum, memo, tranid or "
                    "the id of a custom field, which begins with custbody"
                )

    async def find_orders(self, wanted: Mapping[str, Sequence[str]]) -> list[FoundOrder]:
        fields = [field for field, values in wanted.items() if values]
        if not fields:
            return []
        columns = ["externalid" if field == REFERENCE else field for field in fields]
        self.check_fields(columns)
        sql = queries.orders_with(
            [(column, len(wanted[field])) for column, field in zip(columns, fields, strict=True)]
        )
        values = [value for field in fields for value in wanted[field]]
        found: list[FoundOrder] = []
        after = KEY_START
        for _ in range(PAGES_MAX):
            page = await self._client.query(sql, [*values, after], urgent=True)
            found += [self._found(row, fields) for row in page]
            if len(page) < PAGE_MAX:
                return found
            after = int(page[-1]["id"])
        raise Retryable(f"NetSuite has more than {PAGES_MAX} pages of orders.")

    def _found(self, row: Row, fields: Sequence[str]) -> FoundOrder:
        name = rows.order_name(row, self._settings) or str(row["id"])
        return FoundOrder(
            str(row["id"]),
            name,
            _amount(row.get("total")),
            queries.letter(row.get("status")),
            followed=bool(rows.order_name(row, self._settings)),
            values={field: str(row[f"f{n}"]) for n, field in enumerate(fields) if f"f{n}" in row},
            gone=queries.letter(row.get("status")) in ("C", "H"),
            open=queries.letter(row.get("status")) in ("A", "B", "D", "E"),
        )

    async def order_events(self, orders: Mapping[str, str]) -> list[Event]:
        began_ms = self._clock.now_ms()
        reading = await self._erp.read()  # also learns which expression for its clock the account accepts
        wanted = [int(order) for order in orders]
        lines: defaultdict[str, list[Row]] = defaultdict(list)
        for start in range(0, len(wanted), LINES_OF_MAX):
            chunk = wanted[start : start + LINES_OF_MAX]
            for row in await self._kits.read(partial(self._lines, chunk)):
                lines[str(row["txn"])].append(row)
        told = [
            rows.order_event(
                self._name,
                lines[order],
                self._settings,
                erp_ms=self._since_ms(lines[order], reading),
                changed_ms=began_ms,
                key=reference,
            )
            for order, reference in orders.items()
            if lines[order]
        ]
        return told + await self._delta.shipments_of(orders)

    async def _lines(self, orders: Sequence[int], kits: str) -> list[Row]:
        sql = queries.lines_of(len(orders), self._erp.expression, kits=kits)
        found: list[Row] = []
        at = (KEY_START, KEY_START)
        for _ in range(PAGES_MAX):
            page = await self._client.query(sql, [*orders, at[0], at[0], at[1]], urgent=True)
            found += page
            if len(page) < PAGE_MAX:
                break
            at = (int(page[-1]["txn"]), int(page[-1]["line"]))
        return found

    def _since_ms(self, lines: Sequence[Row], reading: Reading) -> int:
        """Since when the account's figures contain an order: its last edit, or at the latest its reading.

        Levels that were read between the two contain it, and nothing else would have them read again.
        """
        read_ms = min(self._erp.stamp(line) for line in lines)
        stamp = lines[0].get("lm")
        if self._erp.zone is None or not reading.proven or not stamp:
            return read_ms
        edited_ms = zones.parse_local(stamp, self._erp.zone, reading.utc_ms)
        return min(read_ms, edited_ms + STAMP_MS)


def _item(row: Row, fields: Sequence[str]) -> ListedItem:
    return ListedItem(
        str(row["id"]),
        _text(row, "sku"),
        _text(row, "title"),
        _text(row, "barcode"),
        _amount(row.get("available")),
        {field: str(row[f"f{n}"]) for n, field in enumerate(fields) if f"f{n}" in row},
    )


def _customer(row: Row, fields: Sequence[str]) -> ListedCustomer:
    person = " ".join(part for part in (_text(row, "firstname"), _text(row, "lastname")) if part)
    return ListedCustomer(
        str(row["id"]),
        _text(row, "companyname") or person,
        _text(row, "email"),
        _text(row, "externalid"),
        {field: str(row[f"f{n}"]) for n, field in enumerate(fields) if f"f{n}" in row},
    )


def _check(fields: Sequence[str], allowed: re.Pattern[str], what: str, custom: str) -> None:
    for field in fields:
        if not allowed.fullmatch(field):
            raise Misconfigured(
                f"{field!r} is no field of {what} or the id of a custom field, which begins with {custom}"
            )


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value)


def _amount(value: object) -> Decimal:
    try:
        number = Decimal(str(value or 0))
    except InvalidOperation as error:
        raise Retryable(f"NetSuite states an amount of {str(value)[:40]!r}.") from error
    if not number.is_finite():
        raise Retryable(f"NetSuite states an amount of {number}.")
    return number
