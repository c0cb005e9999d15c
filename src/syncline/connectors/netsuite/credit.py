"""The ``credit`` stream: what every active customer that has a limit or a hold may buy for, and owes.

Balances have no change stamp, and leave that of the customer as it is (contract sheet section 5), so all rows are read each
time; what is as it was when this process read it last is not told again. A row is of one moment. ``balance`` contains open
invoices, ``unbilledorders`` the orders that are not invoiced yet. How many invoices are open, and for how many days the oldest
is overdue, is read just after, and of no consequence for the sum.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation

import msgspec

from syncline.connectors.netsuite import queries
from syncline.connectors.netsuite.client import PAGE_MAX, Client, Row
from syncline.connectors.netsuite.manifest import CREDIT, NetSuiteSettings
from syncline.model.change import Change, Cursor, Event, Kind, LoggedEvent, Via
from syncline.model.credit import NOTHING, Credit
from syncline.model.errors import Rejected, Retryable
from syncline.ports import Clock, Page

TOPIC = "credit.rows"
PAGES_MAX = 10_000  # ten million customers
KEY_START = -(2**31)
PER_EVENT = 25  # records; an event costs as much as ten of them
REMEMBERED_MAX = 1_000_000
AMOUNT_MAX = Decimal(10) ** 12
NONE = ("0", "0")  # open invoices, and days overdue


class Place(msgspec.Struct, frozen=True):
    """Where an unfinished scan stands: behind which customer; ``began`` is 0 between scans."""

    began: int = 0
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


_ROWS = msgspec.json.Decoder(list[CreditRow])


class CreditScan:
    """Reads the credit of one account's customers."""

    def __init__(self, system: str, settings: NetSuiteSettings, clock: Clock, client: Client) -> None:
        self._system = system
        self._clock = clock
        self._client = client
        self._iso = {number: code for code, number in settings.currencies.items()}
        self._told: dict[str, bytes] = {}  # digests of what was told, by account

    async def read(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """All of them, by id."""
        place = _resume(cursor, self._clock.now_ms())
        whole = place == Place(place.began)  # not the rest of one that was cut short
        covers_ms = cursor.covers_ms if cursor else 0
        since_ms = covers_ms or place.began  # rows have no stamp: they changed since the read before began
        began_ms = place.began
        seen: set[str] = set()
        for _ in range(PAGES_MAX):
            page_ms = self._clock.now_ms()
            found = await self._client.query(queries.CREDIT, [place.after])
            invoices = await self._invoices(place.after, int(found[-1]["id"])) if found else {}
            rows = [self._row(row, invoices.get(str(row["id"]), NONE), page_ms, since_ms) for row in found]
            digests = {row.account: _digest(row) for row in rows}
            fresh = [row for row in rows if self._told.get(row.account) != digests[row.account]]
            told = {row.account for row in fresh}
            last = len(found) < PAGE_MAX
            after = Place() if last else Place(place.began, int(found[-1]["id"]))
            yield Page(
                tuple(_events(self._system, fresh)),
                Cursor(
                    self._system,
                    CREDIT.name,
                    msgspec.json.encode(after).decode(),
                    began_ms if last else covers_ms,
                ),
                last,
                tuple((Kind.CREDIT, row.account) for row in rows if row.account not in told),
            )
            if len(self._told) > REMEMBERED_MAX:
                self._told.clear()
            self._told.update(digests)
            seen.update(digests)
            if last:
                if whole:  # what this did not contain has to be told when it is there again
                    self._told = {key: value for key, value in self._told.items() if key in seen}
                return
            place = after
        raise Retryable(f"NetSuite has more than {PAGES_MAX} pages of customers with a credit.")

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


def _resume(cursor: Cursor | None, now_ms: int) -> Place:
    if cursor and cursor.position:
        place = msgspec.json.decode(cursor.position, type=Place)
        if place.began:
            return place
    return Place(now_ms)


def _digest(row: CreditRow) -> bytes:
    said = msgspec.structs.replace(row, began_ms=0, changed_ms=0)
    return hashlib.blake2b(msgspec.json.encode(said), digest_size=12).digest()


def _events(system: str, records: Sequence[CreditRow]) -> Iterable[Event]:
    """Records, a few dozen in an event; one that cannot be understood is alone in its own, and parked alone."""
    sound: list[CreditRow] = []
    for record in records:
        try:
            _credit(record)
        except Rejected:
            yield _event(system, [record])
        else:
            sound.append(record)
    for start in range(0, len(sound), PER_EVENT):
        yield _event(system, sound[start : start + PER_EVENT])


def _event(system: str, records: Sequence[CreditRow]) -> Event:
    body = msgspec.json.encode(records)
    event_id = f"credit:{hashlib.blake2b(body, digest_size=16).hexdigest()}"
    return Event(system, TOPIC, event_id, Via.SNAPSHOT, min(one.changed_ms for one in records), body)


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
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise Rejected(f"NetSuite states a {what} of {text[:40]!r}.") from error
    if not number.is_finite() or abs(number) > AMOUNT_MAX:
        raise Rejected(f"NetSuite states a {what} of {text[:40]!r}.")
    return number
