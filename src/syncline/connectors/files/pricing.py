"""Prices that an ERP leaves: a row for each, of which all that one list says of one SKU are one record.

A list is called by whom it is for: ``list:<name>``, ``group:<name>``, ``customer:<key>``, ``promotion:<name>``, and ``base`` for
a row that names nobody. A row without an amount says that there is no price.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from syncline.connectors.files.declared import Read
from syncline.connectors.files.dialect import Reader, shown
from syncline.connectors.files.kinds import AUDIENCES, BASE
from syncline.connectors.files.mapping import KEY_CHARS_MAX, SEP
from syncline.connectors.files.spool import Taken
from syncline.connectors.files.stated import AtLine, Line, Stated, StatedRows
from syncline.model.errors import Rejected
from syncline.model.pricing import ONE, Price, PriceEntry, PriceKind
from syncline.model.records import ZERO

AMOUNT_MAX = Decimal(10) ** 12
PLACES = Decimal("0.000001")  # of the price of one unit
KINDS = {
    BASE: PriceKind.LIST,
    "list": PriceKind.LIST,
    "group": PriceKind.GROUP,
    "customer": PriceKind.CONTRACT,
    "promotion": PriceKind.PROMOTIONAL,
}
NEVER = re.compile(r"[0\W]*")  # 0000-00-00, 00.00.0000
OPEN_YEARS = (1, 9999)  # what ERPs write where a side is open


class PriceRows(StatedRows):
    """Makes prices."""

    def __init__(
        self, read: Read, reader: Reader, taken: Taken, changed_ms: int, *, physical: bool = False
    ) -> None:
        super().__init__(read, reader, taken, changed_ms, physical=physical)
        self._audiences = tuple((name, self._at[name]) for name in AUDIENCES if name in self._at)

    def key_of(self, values: Sequence[str]) -> str:
        """SKU and list."""
        return f"{self._key('sku', values)}{SEP}{self._list(values)}"

    def record(self, lines: Sequence[Line]) -> Stated[object]:
        """Everything that the list says of the SKU."""
        entries: dict[PriceEntry, tuple[int, PriceEntry]] = {}
        for number, values in lines:
            try:
                entry = self._entry(values)
            except Rejected as error:
                raise AtLine(number, str(error)) from error
            if entry is None:
                continue
            at = PriceEntry(ZERO, entry.currency, entry.minimum, entry.unit, entry.starts_ms, entry.ends_ms)
            first, known = entries.setdefault(at, (number, entry))
            if known.amount != entry.amount:
                raise AtLine(number, f"{entry.amount} here, and {known.amount} in line {first} for the same")
        key = self.key_of(lines[0].values)
        sku, _, price_list = key.partition(SEP)
        told = sorted(
            (entry for _, entry in entries.values()),
            key=lambda x: (x.currency, x.unit, x.minimum, x.starts_ms, x.ends_ms),
        )
        kind = KINDS[price_list.partition(":")[0]]
        return self.stated(key, Price(sku, price_list, kind, tuple(told)), lines)

    def _list(self, values: Sequence[str]) -> str:
        """For whom a row is."""
        named = [(name, text) for name, at in self._audiences if (text := values[at])]
        if word := self._get("for", values):
            if (whom := self._read.whom.get(word)) is None:
                raise Rejected(f"field for: {shown(word)} is none of those that whom names")
            named.append((whom, "" if whom == BASE else self._get("code", values)))
        if not named:
            return BASE
        if len(named) > 1:
            raise Rejected(
                f"the row is for {' and for '.join(f'{name} {shown(text)}' for name, text in named)}"
            )
        ((name, text),) = named
        if name == BASE:
            return BASE
        if not text or len(text) > KEY_CHARS_MAX:
            raise Rejected(f"field {'code' if word else name}: {shown(text)} is no key")
        return f"{name}:{text}"

    def _entry(self, values: Sequence[str]) -> PriceEntry | None:
        """One price; ``None``: there is none."""
        if not self._get("price", values):
            return None
        amount, per = self._number("price", values), self._number("per", values, ONE)
        if amount < 0 or amount > AMOUNT_MAX:
            raise Rejected(f"field price: {shown(self._get('price', values))} is no price")
        if per <= 0:
            raise Rejected(f"field per: {shown(self._get('per', values))} is no number of units")
        if per != ONE:
            amount /= per
            if amount > AMOUNT_MAX:
                raise Rejected(
                    f"field per: {shown(self._get('per', values))} is no number of units for such a price"
                )
            amount = amount.quantize(PLACES)
        minimum = self._number("minimum", values, ONE)
        if minimum < 0:
            raise Rejected(f"field minimum: {shown(self._get('minimum', values))} is below zero")
        unit = self._get("unit", values)
        currency = self.currency(values) or self.iso(self._get("own_currency", values))
        if not currency and "currency" in self._at:  # it would be everybody's price, in whatever currency
            raise Rejected("field currency: none is said, and no own_currency says which is meant then")
        starts_ms, ends_ms = self._day("starts", values, 0), self._day("ends", values, 1)
        if ends_ms and ends_ms <= starts_ms:
            raise Rejected(f"field ends: {shown(self._get('ends', values))} lies before its beginning")
        return PriceEntry(
            amount,
            currency,
            max(ONE, minimum),
            "" if unit == self._get("own_unit", values) else unit,
            starts_ms,
            ends_ms,
        )

    def _day(self, field: str, values: Sequence[str], days: int) -> int:
        """When a day begins that lies so many days after what is stated; 0: that side is open."""
        text = self._get(field, values)
        if NEVER.fullmatch(text):
            return 0
        try:
            found = datetime.strptime(text, self._read.day_format)  # noqa: DTZ007 (its zone is the dialect's)
        except ValueError as error:
            raise Rejected(
                f"field {field}: {shown(text)} is no day written as {self._read.day_format}"
            ) from error
        if found.year in OPEN_YEARS:
            return 0
        day = found.date() + timedelta(days=days)
        moment_ms = round(datetime.combine(day, time(), ZoneInfo(self._read.timezone)).timestamp() * 1000)
        return max(days, moment_ms)  # 0 would be open: what ended before 1970 has ended
