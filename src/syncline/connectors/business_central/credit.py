"""The ``credit`` stream: limit, balance, open orders and block of every customer, by the customer's id.

Balances are worked out when a row is read and stamp nothing (contract sheet section 6), so everything is read each time; what
is as it was when this process read it last is not told again. It takes three readings: open orders first, then open invoices,
which tell how long the oldest is overdue and add nothing, and then customers with their balances. So an order that is invoiced between them counts twice, and never not at all. The next read has it right.

``balance`` is that of ``customerFinancialDetails``, in the company's own currency, as the limit is. A limit of 0 is none
(Microsoft, "Credit Limit (LCY) Field, Customer Table"). An order in another currency is not converted: then the account's
currency is unknown, and whoever asks is told so.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

import msgspec

from syncline.connectors.business_central import rows
from syncline.connectors.business_central.client import Client, Row
from syncline.connectors.business_central.manifest import CREDIT, BusinessCentralSettings
from syncline.model.change import Change, Cursor, Event, Kind, LoggedEvent, Via
from syncline.model.credit import NOTHING, Credit
from syncline.model.errors import Rejected, Retryable
from syncline.ports import Clock, Page

TOPIC = "credit.rows"
PAGES_MAX = 10_000
PER_EVENT = 25  # records; an event costs as much as ten of them
REMEMBERED_MAX = 1_000_000
AMOUNT_MAX = Decimal(10) ** 12
FREE = ("", " ", "_x0020_")  # what ``blocked`` says of a customer who is not
MIXED = "#mixed"  # instead of a currency
CUSTOMER_FIELDS = "id,creditLimit,blocked"
DETAIL_FIELDS = "id,balance,overdueAmount"
ORDER_FIELDS = "id,customerId,billToCustomerId,currencyCode"
INVOICE_FIELDS = "id,customerId,billToCustomerId,dueDate"
UNPAID = "status eq 'Open'"
NONE = {"invoices": "0", "days": "0"}
LINE_FIELDS = "$select=quantity,invoicedQuantity,amountIncludingTax"


class CreditRow(msgspec.Struct, frozen=True):
    """One of ``credit.rows``: amounts as text."""

    account: str
    currency: str
    limit: str
    balance: str
    orders: str
    overdue: str
    blocked: str
    began_ms: int
    changed_ms: int
    invoices: str = ""
    days: str = ""


_ROWS = msgspec.json.Decoder(list[CreditRow])


class CreditScan:
    """Reads the credit of one company's customers. A read that was cut short begins again."""

    def __init__(self, system: str, settings: BusinessCentralSettings, clock: Clock, client: Client) -> None:
        self._system = system
        self._settings = settings
        self._clock = clock
        self._client = client
        self._told: dict[str, bytes] = {}  # digests of what was told, by account

    async def read(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Open orders, then customers."""
        began_ms = self._clock.now_ms()
        covers_ms = cursor.covers_ms if cursor else 0
        orders, mixed = await self._orders()
        invoices = await self._invoices(began_ms)
        balances = {
            rows.text(row, "id"): row
            async for row in self._all("customerFinancialDetails", {"select": DETAIL_FIELDS})
        }
        found = [
            msgspec.structs.replace(
                self._row(
                    row, orders, mixed, balances[rows.text(row, "id")], began_ms, covers_ms or began_ms
                ),
                **invoices.get(rows.text(row, "id"), NONE),
            )
            async for row in self._all("customers", {"select": CUSTOMER_FIELDS})
            if rows.text(row, "id") in balances  # one that is just being made is read next time
        ]
        digests = {row.account: _digest(row) for row in found}
        fresh = [row for row in found if self._told.get(row.account) != digests[row.account]]
        told = {row.account for row in fresh}
        present = tuple((Kind.CREDIT, row.account) for row in found if row.account not in told)
        yield Page(
            tuple(_events(self._system, fresh)),
            Cursor(self._system, CREDIT.name, "", began_ms),
            last=True,
            present=present,
        )
        self._told = digests if len(digests) <= REMEMBERED_MAX else {}

    async def _orders(self) -> tuple[dict[str, Decimal], set[str]]:
        """What is not invoiced yet by customer, and customers with orders in another currency."""
        open_amounts: dict[str, Decimal] = {}
        mixed: set[str] = set()
        query = {"select": ORDER_FIELDS, "expand": f"salesOrderLines({LINE_FIELDS})"}
        async for order in self._all("salesOrders", query):
            account = rows.payer_of(order)
            rest = sum((_open(line) for line in order.get("salesOrderLines") or ()), NOTHING)
            if rest and rows.text(order, "currencyCode") not in ("", self._settings.currency):
                mixed.add(account)
            open_amounts[account] = open_amounts.get(account, NOTHING) + rest
        return open_amounts, mixed

    async def _invoices(self, now_ms: int) -> dict[str, dict[str, str]]:
        """How many posted invoices are not paid whole, and for how many days the oldest is overdue, by customer.

        The product's day is that of UTC (online). One without a due date is not overdue.
        """
        today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
        found: dict[str, tuple[int, int]] = {}
        async for invoice in self._all("salesInvoices", {"filter": UNPAID, "select": INVOICE_FIELDS}):
            account = rows.payer_of(invoice)
            count, days = found.get(account, (0, 0))
            found[account] = count + 1, max(days, (today - _due(rows.text(invoice, "dueDate"), today)).days)
        return {
            account: {"invoices": str(count), "days": str(days)} for account, (count, days) in found.items()
        }

    async def _all(self, entity: str, query: dict[str, str]) -> AsyncGenerator[Row, None]:
        follow = self._client.url(entity, query)
        for _ in range(PAGES_MAX):
            found, follow = await self._client.page(follow)
            for row in found:
                yield row
            if not follow:
                return
        raise Retryable(f"Business Central has more than {PAGES_MAX} pages of {entity}.")

    def _row(
        self,
        row: Row,
        orders: dict[str, Decimal],
        mixed: set[str],
        detail: Row,
        began_ms: int,
        changed_ms: int,
    ) -> CreditRow:
        account = rows.text(row, "id")
        return CreditRow(
            account,
            MIXED if account in mixed else self._settings.currency,
            rows.text(row, "creditLimit"),
            rows.text(detail, "balance"),
            f"{orders.get(account, NOTHING):f}",
            rows.text(detail, "overdueAmount"),
            rows.text(row, "blocked"),
            began_ms,
            changed_ms,
        )


def _open(line: Row) -> Decimal:
    """What of an order line is not invoiced yet."""
    ordered = _number(rows.text(line, "quantity") or "0", "quantity")
    invoiced = _number(rows.text(line, "invoicedQuantity") or "0", "quantity")
    total = _number(rows.text(line, "amountIncludingTax") or "0", "amount")
    if not ordered or not total:
        return total
    part = total * max(NOTHING, ordered - invoiced) / ordered
    return part.quantize(Decimal("0.0001"))


def _due(text: str, otherwise: date) -> date:
    """A due date; an empty one is the first day of the calendar, and one that cannot be read says nothing either."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return otherwise
    return otherwise if found == date.min else found


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
        found = _ROWS.decode(logged.event.body)
    except msgspec.MsgspecError as error:
        raise Rejected(f"A credit of Business Central cannot be read: {error}") from error
    return [Change(Kind.CREDIT, row.account, row.began_ms, 0, row.changed_ms, _credit(row)) for row in found]


def _credit(row: CreditRow) -> Credit:
    if not row.account.strip():
        raise Rejected("A customer of Business Central has no id.")
    limit = _number(row.limit or "0", "credit limit")
    return Credit(
        row.account,
        row.currency,
        limit or None,
        _number(row.balance or "0", "balance"),
        _number(row.orders, "amount of open orders"),
        row.blocked not in FREE,
        days_past_due=int(row.days) if row.days else None,
        overdue=_number(row.overdue, "overdue amount") if row.overdue else None,
        open_invoices=int(row.invoices) if row.invoices else None,
        read_began_ms=row.began_ms,
    )


def _number(text: str, what: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise Rejected(f"Business Central states a {what} of {text[:40]!r}.") from error
    if not number.is_finite() or abs(number) > AMOUNT_MAX:
        raise Rejected(f"Business Central states a {what} of {text[:40]!r}.")
    return number
