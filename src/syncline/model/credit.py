"""Credit: what a system of record says of one of its customers, and what a channel is told of it.

Amounts are ``Decimal`` in the currency beside them. Instants are milliseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

NOTHING = Decimal(0)


class Credit(Struct, frozen=True):
    """The credit of one account, whole: it is read in one row, so its figures are of one moment.

    ``account`` is the customer's key at the source. ``limit`` of ``None``: none is set there. ``balance`` is what is owed by
    documents that were posted, invoices as a rule, less what was paid; ``unbilled`` are the source's orders that are not
    invoiced yet, and 0 where ``balance`` contains them. An order is in ``unbilled`` until its invoice is in ``balance``.
    ``on_hold``: nothing may be sold on credit. ``days_past_due`` is the age of the oldest open invoice after its due date, 0
    where none is overdue, ``None`` where the source tells no days. ``open_invoices`` and ``overdue`` are ``None`` where it
    does not tell them. ``terms`` are the source's own words.

    ``read_began_ms`` is when, on our clock, the page that carried it began to be read.
    """

    account: str
    currency: str
    limit: Decimal | None
    balance: Decimal
    unbilled: Decimal = NOTHING
    on_hold: bool = False
    days_past_due: int | None = None
    overdue: Decimal | None = None
    open_invoices: int | None = None
    terms: str = ""
    read_began_ms: int = 0


class CreditTag(Struct, frozen=True):
    """What a channel is told of an account: enough for it to judge an order of its own.

    ``available`` may be used up by one order, or several; ``None``: no limit is set. ``blocked``: nothing may be sold on
    credit, whatever is available, and ``reason`` says why in the words of a refusal.
    """

    currency: str
    limit: Decimal | None
    available: Decimal | None
    blocked: bool = False
    reason: str = ""
