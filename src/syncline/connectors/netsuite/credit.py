"""The ``credit`` stream: what every active customer that has a limit or a hold may buy for, and owes.

Balances have no change stamp, and leave that of the customer as it is (contract sheet section 5), so all rows are read each
time; what is as it was when this process read it last is not told again. A row is of one moment. ``balance`` contains open
invoices, ``unbilledorders`` the orders that are not invoiced yet. How many invoices are open, and for how many days the oldest
is overdue, is read just after, and of no consequence for the sum.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import date
from decimal import Decimal
from functools import partial

import msgspec

from syncline.connectors.netsuite import queries
from syncline.connectors.netsuite.client import PAGE_MAX, Client, Row
from syncline.connectors.netsuite.manifest import CREDIT, NetSuiteSettings
from syncline.model.change import Change, Cursor, Event, Kind, LoggedEvent
from syncline.model.credit import NOTHING, Credit
from syncline.model.errors import Rejected
from syncline.ports import Clock, Page
from syncline.sdk import scan
from syncline.sdk.money import stated
from syncline.sdk.scan import Scan, events

TOPIC = "credit.rows"
PAGES_MAX = 10_000  # ten million customers
KEY_START = -(2**31)
AMOUNT_MAX = Decimal(10) ** 12
NONE = ("0", "0")  # open invoices, and days overdue


class Place(scan.Place, frozen=True):
    """Where an unfinished scan stands: behind which customer."""

    after: int = KEY_START


class CreditRow(msgspec.Struct, frozen=True):
    """One of ``credit.rows``: texts as NetSuite states them, the currency as its ISO code; "" is what it does not state."""

    account: str
    currency: str
    limit: str
    balance: str
    unbilled: str
    overdue: str
    held: str
    terms: str
    began_ms: int
    changed_ms: int
    invoices: str = ""
    days: str = ""

    @property
    def key(self) -> str:
        """Of the record."""
        return self.account

    @property
    def said(self) -> CreditRow:
        """What is compared."""
        return msgspec.structs.replace(self, began_ms=0, changed_ms=0)


_ROWS = msgspec.json.Decoder(list[CreditRow])


class CreditScan:
    """Reads the credit of one account's customers."""

    def __init__(self, system: str, settings: NetSuiteSettings, clock: Clock, client: Client) -> None:
        self._clock = clock
        self._client = client
        self._iso = {number: code for code, number in settings.currencies.items()}
        self._scan = Scan[CreditRow](system, CREDIT.name, Kind.CREDIT, partial(_events, system))

    def read(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """All of them, by id."""
        return self._scan.pages_from(cursor, Place(self._clock.now_ms()), self._page, PAGES_MAX)

    async def _page(self, place: Place, since_ms: int) -> tuple[list[CreditRow], Place | None]:
        """Some customers, and where the rest begins; ``None`` after the last."""
        page_ms = self._clock.now_ms()
        found = await self._client.query(queries.CREDIT, [place.after])
        invoices = await self._invoices(place.after, int(found[-1]["id"])) if found else {}
        after = Place(place.began, int(found[-1]["id"])) if len(found) == PAGE_MAX else None
        rows = [self._row(row, invoices.get(str(row["id"]), NONE), page_ms, since_ms) for row in found]
        return rows, after

    async def _invoices(self, after: int, last: int) -> dict[str, tuple[str, str]]:
        """How many invoices are open, and for how many days the oldest is overdue, by customer."""
        found: dict[str, tuple[str, str]] = {}
        while after < last:
            rows = await self._client.query(queries.OPEN_INVOICES, [after, last])
            for row in rows:
                due, today = (str(row.get(name, "")) for name in ("due", "today"))
                found[str(row["customer"])] = str(row["invoices"]), _days(due, today) if due else "0"
            after = int(rows[-1]["customer"]) if len(rows) == PAGE_MAX else last
        return found

    def _row(self, row: Row, open_invoices: tuple[str, str], began_ms: int, since_ms: int) -> CreditRow:
        number = str(row.get("currency", ""))
        return CreditRow(
            str(row["id"]),
            self._iso.get(number, f"#{number}") if self._iso else "",
            str(row.get("creditlimit", "")),
            str(row.get("balance", "")),
            str(row.get("unbilled", "")),
            str(row.get("overdue", "")),
            str(row.get("held", "")),
            str(row.get("terms", "")),
            began_ms,
            since_ms,
            *open_invoices,
        )


def _events(system: str, records: Sequence[CreditRow]) -> Iterable[Event]:
    return events(system, TOPIC, records, _credit)


def decode(logged: LoggedEvent) -> list[Change]:
    """The figures that an event states. Their version is when they were read, by our clock: they have no other.

    Raises:
        Rejected: the content cannot be understood.
    """
    try:
        rows = _ROWS.decode(logged.event.body)
    except msgspec.MsgspecError as error:
        raise Rejected(f"A credit of NetSuite cannot be read: {error}") from error
    return [Change(Kind.CREDIT, row.account, row.began_ms, 0, row.changed_ms, _credit(row)) for row in rows]


def _credit(row: CreditRow) -> Credit:
    return Credit(
        row.account,
        row.currency,
        _number(row.limit, "credit limit") if row.limit else None,
        _number(row.balance, "balance") if row.balance else NOTHING,
        _number(row.unbilled, "amount of unbilled orders") if row.unbilled else NOTHING,
        row.held == "ON",
        days_past_due=int(row.days) if row.days else None,
        overdue=_number(row.overdue, "overdue balance") if row.overdue else None,
        open_invoices=int(row.invoices) if row.invoices else None,
        terms=row.terms,
        read_began_ms=row.began_ms,
    )


def _days(due: str, today: str) -> str:
    """For how many days something is overdue, as a text; "" where one of both dates cannot be read."""
    try:
        return str(max(0, (date.fromisoformat(today) - date.fromisoformat(due)).days))
    except ValueError:
        return ""


def _number(text: str, what: str) -> Decimal:
    return stated(text, f"NetSuite states a {what}", AMOUNT_MAX)
