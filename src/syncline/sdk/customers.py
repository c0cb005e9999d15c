"""Customers of an ERP as rows of events, for a stream that is read whole (``syncline.sdk.scan``)."""

from __future__ import annotations

import msgspec

from syncline.model.change import Change, Kind, LoggedEvent
from syncline.model.customers import Company
from syncline.model.errors import Rejected

TOPIC = "customer.rows"


class CustomerRow(msgspec.Struct, frozen=True):
    """A customer as read, the ERP's clock then, and when it changed as far as is known."""

    company: Company
    erp_ms: int
    changed_ms: int

    @property
    def key(self) -> str:
        """Of the record."""
        return self.company.key

    @property
    def said(self) -> Company:
        """What is compared."""
        return self.company


_ROWS = msgspec.json.Decoder(list[CustomerRow])


def decode(logged: LoggedEvent, who: str) -> list[Change]:
    """The customers that an event of ``who`` states.

    Raises:
        Rejected: the content cannot be understood.
    """
    try:
        return [
            Change(Kind.CUSTOMER, row.key, row.erp_ms, 0, row.changed_ms, row.company)
            for row in _ROWS.decode(logged.event.body)
        ]
    except (msgspec.MsgspecError, ValueError) as error:
        raise Rejected(f"A customer of {who} cannot be read: {error}") from error


__all__ = ["TOPIC", "CustomerRow", "decode"]
