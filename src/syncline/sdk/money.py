"""What ERPs say of money and returned goods: numbers in text, and rows of what was received and what came back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation

import msgspec

from syncline.model.change import Change, Kind, LoggedEvent
from syncline.model.errors import Rejected, Retryable, SynclineError
from syncline.model.records import Receipt, Return, ShipmentLine

RECEIPT, RETURN = "receipt.row", "return.row"
TOPICS = (RECEIPT, RETURN)
AMOUNT_MAX = Decimal(10) ** 15


class Units(msgspec.Struct, frozen=True):
    """Units of one SKU at one location; ``quantity`` is a number."""

    sku: str
    location: str
    quantity: str


class ReceiptRow(msgspec.Struct, frozen=True):
    """``receipt.row``: what was received for one order, by its key; ``received`` is a number."""

    key: str
    received: str
    currency: str
    received_at_ms: int

    @property
    def version_ms(self) -> int:
        """Of the change."""
        return self.received_at_ms


class ReturnRow(msgspec.Struct, frozen=True):
    """``return.row``: one document with which goods came back."""

    id: str
    order_key: str
    returned_at_ms: int
    lines: tuple[Units, ...]

    @property
    def version_ms(self) -> int:
        """Of the change."""
        return self.returned_at_ms


def stated(
    text: str, what: str, most: Decimal = AMOUNT_MAX, error: type[SynclineError] = Rejected
) -> Decimal:
    """The number that a text is. ``what`` begins the words of the error: "NetSuite states a price".

    Raises:
        Rejected, or ``error``: it is none, or is beyond ``most`` on either side of 0.
    """
    try:
        number = Decimal(text)
    except InvalidOperation as odd:
        raise error(f"{what} of {text[:40]!r}.") from odd
    if not number.is_finite() or abs(number) > most:
        raise error(f"{what} of {text[:40]!r}.")
    return number


def amount(row: Mapping[str, object], name: str, who: str) -> Decimal:
    """A number of a row; what is absent is nothing.

    Raises:
        Retryable: it is none; nothing is told until it is.
    """
    return stated(str(row.get(name) or "0"), f"{who} states an amount", error=Retryable)


def decode(
    logged: LoggedEvent,
    receipt_of: Callable[[bytes], ReceiptRow],
    return_of: Callable[[bytes], ReturnRow],
    who: str,
    *,
    of_channel: bool = False,
) -> list[Change]:
    """The change that an event of ``TOPICS`` states. ``of_channel``: what the channel told of is in what was received.

    Raises:
        Rejected: the content cannot be understood; ``who`` begins the words that follow "A record of".
    """
    event = logged.event
    try:
        if event.topic == RECEIPT:
            row = receipt_of(event.body)
            receipt = Receipt(
                row.key, Decimal(row.received), row.currency, row.received_at_ms, of_channel=of_channel
            )
            return [Change(Kind.RECEIPT, row.key, row.version_ms, 0, event.occurred_at_ms, receipt)]
        back = return_of(event.body)
        lines = tuple(ShipmentLine(x.sku, x.location, Decimal(x.quantity)) for x in back.lines)
    except (msgspec.MsgspecError, InvalidOperation) as error:
        raise Rejected(f"A record of {who} cannot be read: {error}") from error
    value = Return(back.id, back.order_key, back.returned_at_ms, lines)
    return [Change(Kind.RETURN, back.id, back.version_ms, 0, event.occurred_at_ms, value)]


__all__ = [
    "AMOUNT_MAX", "RECEIPT", "RETURN", "TOPICS", "ReceiptRow", "ReturnRow", "Units", "amount", "decode", "stated"
]  # fmt: skip
