"""Credit that an ERP leaves: a row for each account, whose figures are all of one moment."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from syncline.connectors.files.dialect import shown
from syncline.connectors.files.stated import AtLine, Line, Stated, StatedRows
from syncline.model.credit import Credit
from syncline.model.errors import Rejected
from syncline.model.records import ZERO

AMOUNT_MAX = Decimal(10) ** 12
DAYS_MAX = 100_000


class CreditRows(StatedRows):
    """Makes the credit of accounts."""

    def key_of(self, values: Sequence[str]) -> str:
        """The account."""
        return self._key("account", values)

    def record(self, lines: Sequence[Line]) -> Stated[object]:
        """An account; of several rows the one with the latest stamp of its own.

        Whoever judges an order compares the moment of the figures with that at which the ERP confirmed it, by our clock. So
        they are as old as they may be: not newer than their file was listed, less the time that the export takes.
        """
        last = max(lines, key=lambda line: self.stamp(line.values))
        stamp_ms = self.stamp(last.values)
        for line in lines:
            if line is not last and self.stamp(line.values) == stamp_ms and line.values != last.values:
                raise AtLine(
                    line.number,
                    f"account {shown(self.key_of(line.values))} stands in line {last.number} as well",
                )
        read_ms = min(stamp_ms, self._taken.listed_ms) - self._read.lead_s * 1000
        try:
            credit = self._credit(last.values, read_ms)
        except Rejected as error:
            raise AtLine(last.number, str(error)) from error
        return Stated(credit.account, credit, read_ms, self._taken.seq, min(self._changed_ms, stamp_ms))

    def _credit(self, values: Sequence[str], read_ms: int) -> Credit:
        limit = self._get("limit", values)
        return Credit(
            self.key_of(values),
            self.currency(values),
            None if not limit or limit in self._read.unlimited else self._amount("limit", values),
            self._amount("balance", values),
            self._amount("open_orders", values, ZERO),
            self._get("status", values) in self._read.held,
            self._whole("days_past_due", values),
            self._amount("overdue", values) if self._get("overdue", values) else None,
            self._whole("open_invoices", values),
            self._get("terms", values),
            read_ms,
        )

    def _amount(self, field: str, values: Sequence[str], absent: Decimal | None = None) -> Decimal:
        amount = self._number(field, values, absent)
        if abs(amount) > AMOUNT_MAX:
            raise Rejected(f"field {field}: {shown(self._get(field, values))} is more than anybody owes")
        return amount

    def _whole(self, field: str, values: Sequence[str]) -> int | None:
        """A whole number, which is 0 where it is below; ``None`` where nothing is said."""
        if not self._get(field, values):
            return None
        number = self._number(field, values)
        if number % 1 or number > DAYS_MAX:
            raise Rejected(
                f"field {field}: {shown(self._get(field, values))} is no whole number that can be meant"
            )
        return max(0, int(number))
