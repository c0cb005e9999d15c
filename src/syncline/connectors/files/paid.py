"""Payments and refunds of a channel's orders that it leaves in files of their own.

Each counts once, by its order and its own id; told again with the same content it changes nothing, and with another it is
refused. One that comes before its order waits for it. What an order was last told as is kept in the spool for so long, so
that it can be told again with the money that has come since.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from syncline.connectors.files.dialect import shown
from syncline.connectors.files.orders import Group, OrderMaker, Row, key_of
from syncline.connectors.files.sold import Money
from syncline.connectors.files.spool import Taken
from syncline.model.copying import replace
from syncline.model.errors import Rejected
from syncline.model.records import Order, OrderLine, Payment, Refund, RefundLine

AHEAD_MS_MAX = 86_400_000  # further than any mistaken zone


class Back(msgspec.Struct, frozen=True):
    """Goods of one line that came back, by the number of the line or the SKU alone."""

    line: str
    sku: str
    quantity: Decimal
    restocked: bool
    location: str


class Paid(msgspec.Struct, frozen=True):
    """A payment, or a refund with the goods that came back; ``currency`` is the order's where it is ""."""

    id: str
    amount: Decimal
    currency: str
    at_ms: int
    gateway: str = ""
    back: tuple[Back, ...] = ()


_PAID = msgspec.json.Decoder(Paid)


class MoneyMaker(OrderMaker):
    """Makes payments and refunds of their lines, by one dialect."""

    def money(self, group: Group, kind: str, entry: Taken, at_ms: int) -> Money:
        """One payment or refund, which waits for its order.

        Raises:
            Rejected: it cannot be understood; names line and field.
        """
        rows = self._same(group)
        line, head = rows[0]
        try:
            amount = self._amount(head, "amount")
            if kind == "payments" and not amount:
                raise Rejected(f"field amount: {shown(head['amount'])} is no payment")
            name = "received_at" if kind == "payments" else "created_at"
            moment_ms = self._moment(head, name, entry.stamp_ms)
            if moment_ms - entry.stamp_ms > AHEAD_MS_MAX:
                raise Rejected(f"field {name}: {shown(head[name])} lies after its file")
        except Rejected as error:
            raise Rejected(f"line {line}: {error}") from error
        back = tuple(self._back(number, row) for number, row in rows if row.get("quantity"))
        paid = Paid(
            key_of(group.revision),
            amount,
            head.get("currency", ""),
            moment_ms,
            head.get("gateway", ""),
            tuple(each for each in back if each.quantity),
        )
        return Money(
            key_of(group.reference),
            kind,
            paid.id,
            self.said(group),
            msgspec.json.encode(paid),
            "waits",
            entry.seq,
            entry.name,
            group.line,
            at_ms,
        )

    def said(self, group: Group) -> str:
        """A short name for everything that is said of a payment or refund."""
        rows = sorted(sorted(row.items()) for _, row in group.rows)
        said = [group.reference, group.revision, rows]
        return hashlib.blake2b(msgspec.json.encode(said), digest_size=16).hexdigest()

    @staticmethod
    def _same(group: Group) -> list[tuple[int, Row]]:
        """Its lines, which say the same of all of it."""
        line, head = group.rows[0]
        for number, row in group.rows[1:]:
            for name in ("amount", "currency", "created_at"):
                if row.get(name) != head.get(name):
                    raise Rejected(
                        f"line {number}: field {name}: {shown(row.get(name, ''))} here, and {shown(head.get(name, ''))} in "
                        f"line {line} of the same"
                    )
        return group.rows

    def _back(self, number: int, row: Row) -> Back:
        try:
            quantity = self._number(row, "quantity")
            if quantity < 0 or quantity % 1:
                raise Rejected(f"field quantity: {shown(row['quantity'])} is no whole number of units")
            if quantity and not (row.get("line") or row.get("sku")):
                raise Rejected("goods come back, and neither line nor sku says which")
            return Back(
                row.get("line", ""),
                row.get("sku", ""),
                quantity,
                self._yes(row, "restocked"),
                row.get("location", ""),
            )
        except Rejected as error:
            raise Rejected(f"line {number}: {error}") from error


def with_money(order: Order, money: Iterable[Money]) -> tuple[Order, list[Money]]:
    """An order with what is known of its money, and which of that fits it, as told now."""
    payments, refunds, told = list(order.payments), list(order.refunds), []
    for each in sorted(money, key=lambda x: (x.kind, x.seq, x.line, x.id)):
        try:
            fact = fact_of(order, each)
        except Rejected:
            continue  # it waits, and a person hears of it
        if isinstance(fact, Payment):
            payments.append(fact)
        else:
            refunds.append(fact)
        told.append(dataclasses.replace(each, state="told"))
    return replace(order, payments=tuple(payments), refunds=tuple(refunds)), told


def fact_of(order: Order, money: Money) -> Payment | Refund:
    """A payment or refund of an order.

    Raises:
        Rejected: it is of another currency, or of goods that are not the order's.
    """
    paid = _PAID.decode(money.body)
    if paid.currency not in ("", order.currency):
        raise Rejected(f"it is in {shown(paid.currency)}, its order in {order.currency}")
    if money.kind == "payments":
        return Payment(paid.id, paid.amount, order.currency, paid.at_ms, paid.gateway)
    lines = tuple(
        RefundLine(_line_of(order.lines, each), each.quantity, each.restocked, location=each.location)
        for each in paid.back
    )
    return Refund(paid.id, paid.amount, paid.at_ms, lines)


def _line_of(lines: Sequence[OrderLine], back: Back) -> str:
    found = [
        line.id
        for line in lines
        if (not back.line or line.id == back.line) and (not back.sku or line.sku == back.sku)
    ]
    what = f"line {shown(back.line)}" if back.line else shown(back.sku)
    if not found:
        raise Rejected(
            f"its order has no {what}" + (f" of {shown(back.sku)}" if back.line and back.sku else "")
        )
    if len(found) > 1:
        raise Rejected(f"its order has {what} in several lines, and no field 'line' says which came back")
    return found[0]
