"""What customers owe, added up from their documents: two figures of a customer's record that nobody enters.

``balance`` is accounts receivable: open invoices less what was settled of them. Deposits are a liability until they are
applied and "do not affect the customer's accounts receivable balance"; ``unbilledOrders`` is "the total amount of orders that
have been entered but not yet billed" (help texts of both fields, Schema Browser 2022.1). That orders pending approval are
not among them, and that closed lines are not, are assumptions. What was owed before the story is given with the customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncline.connectors.netsuite.simulator.state import Account, Txn

ZERO = Decimal(0)
OWING = frozenset({"salesOrder", "invoice"})
UNCOUNTED = frozenset({"A", "C", "H"})  # of sales orders: pending approval, cancelled, closed


@dataclass(frozen=True, slots=True)
class Owed:
    """What a customer owes, or what one document adds to it."""

    balance: Decimal = ZERO
    unbilled: Decimal = ZERO


NOTHING = Owed()


class Balances:
    """Sums by customer. A document is added up again only if it was touched since somebody looked."""

    def __init__(self) -> None:
        self._touched: dict[int, None] = {}
        self._parts: dict[int, tuple[int | None, Owed]] = {}  # by document: whose, and how much
        self._of: dict[int | None, Owed] = {}

    def note(self, txn: Txn) -> None:
        """A document was saved or deleted."""
        if txn.record in OWING:
            self._touched[txn.id] = None

    def of(self, customer_id: int) -> Owed:
        """What the documents counted so far say of a customer."""
        return self._of.get(customer_id, NOTHING)

    def count(self, account: Account) -> list[int]:
        """Add up what was touched.

        Returns:
            The customers whose figures are others now.
        """
        was: dict[int | None, Owed] = {}
        for number in self._touched:
            whose, part = self._parts.pop(number, (None, NOTHING))
            self._add(whose, -part.balance, -part.unbilled, was)
            txn = account.txns.get(number)
            if txn is not None:
                part = _owed(account, txn)
                self._parts[number] = (txn.entity, part)
                self._add(txn.entity, part.balance, part.unbilled, was)
        self._touched.clear()
        return [whose for whose, owed in was.items() if whose is not None and self._of[whose] != owed]

    def _add(
        self, whose: int | None, balance: Decimal, unbilled: Decimal, was: dict[int | None, Owed]
    ) -> None:
        owed = self._of.get(whose, NOTHING)
        was.setdefault(whose, owed)
        self._of[whose] = Owed(owed.balance + balance, owed.unbilled + unbilled)


def _owed(account: Account, txn: Txn) -> Owed:
    if txn.record == "invoice":
        return Owed(balance=txn.total - txn.settled)
    if txn.status in UNCOUNTED:
        return NOTHING
    billed = any(account.txns[at].record == "invoice" for at in account.children.get(txn.id, ()))
    # What is not goods comes with the first invoice, as in ``Documents.bill``.
    base = ZERO if billed else txn.discount + txn.shipping
    for line in txn.lines:
        if not account.items[line.item].sent:
            base += ZERO if billed or line.closed else line.amount
        elif line.quantity:
            left = (line.done if line.closed else line.quantity) - line.billed
            base += (line.amount * left / line.quantity).quantize(account.cent, ROUND_HALF_UP)
    if account.tax_rate is None:
        return Owed(unbilled=base)
    return Owed(unbilled=base + (base * account.tax_rate).quantize(account.cent, ROUND_HALF_UP))
