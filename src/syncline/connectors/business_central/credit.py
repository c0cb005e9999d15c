"""The ``credit`` stream: limit, balance, open orders and block of every customer, by the customer's id.

Balances are worked out when a row is read and stamp nothing (contract sheet section 6), so everything is read each time; what
is as it was when this process read it last is not told again. It takes three readings: open orders first, then open invoices,
which tell how long the oldest is overdue and add nothing, and then customers with their balances. So an order that is invoiced between them counts twice, and never not at all. The next read has it right.

``balance`` is that of ``customerFinancialDetails``, in the company's own currency, as the limit is. A limit of 0 is none
(Microsoft, "Credit Limit (LCY) Field, Customer Table"). An order in another currency is not converted: then the account's
currency is unknown, and whoever asks is told so.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial

import msgspec

from syncline.connectors.business_central import rows
from syncline.connectors.business_central.client import Row
from syncline.connectors.business_central.manifest import CREDIT
from syncline.connectors.business_central.reading import Reading
from syncline.model.change import Change, Cursor, Event, Kind, LoggedEvent
from syncline.model.credit import NOTHING, Credit
from syncline.model.errors import Rejected
from syncline.ports import Page
from syncline.sdk.money import stated
from syncline.sdk.scan import Scan, events

TOPIC = "credit.rows"
PAGES_MAX = 10_000
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
    """Reads the credit of one company's customers. A read that was cut short begins again."""

    def __init__(self, reading: Reading) -> None:
        system, self._settings, self._clock, self._client, _ = reading
        self._scan = Scan[CreditRow](system, CREDIT.name, Kind.CREDIT, partial(_events, system))

    def read(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Open orders, then customers."""
        began_ms = self._clock.now_ms()
        changed_ms = (cursor.covers_ms if cursor else 0) or began_ms
        return self._scan.pages(self._found(began_ms, changed_ms), cursor, began_ms)

    async def _found(
        self, began_ms: int, changed_ms: int
    ) -> AsyncGenerator[tuple[list[CreditRow], str | None], None]:
        orders, mixed = await self._orders()
        invoices = await self._invoices(began_ms)
        balances = {
            rows.text(row, "id"): row
            async for row in self._all("customerFinancialDetails", {"select": DETAIL_FIELDS})
        }
        found = [
            msgspec.structs.replace(
                self._row(row, orders, mixed, balances[rows.text(row, "id")], began_ms, changed_ms),
                **invoices.get(rows.text(row, "id"), NONE),
            )
            async for row in self._all("customers", {"select": CUSTOMER_FIELDS})
            if rows.text(row, "id") in balances  # one that is just being made is read next time
        ]
        yield found, None

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
        async for found, _ in self._client.pages(entity, query, most=PAGES_MAX):
            for row in found:
                yield row

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


def _events(system: str, records: Sequence[CreditRow]) -> Iterable[Event]:
    return events(system, TOPIC, records, _credit)


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
    return stated(text, f"Business Central states a {what}", AMOUNT_MAX)
