"""What ``auto`` buffers give back against one fixed buffer of the same safety. A pure tally."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

THERE_MAX = 10_000  # of one SKU, more than so many units count as so many: a buffer is smaller


@dataclass(frozen=True, slots=True)
class Recovered:
    """Stock that one channel can show because its buffers follow demand.

    ``fixed`` is the buffer that all SKUs would need instead, ``kept`` what ``auto`` keeps back of the stock
    that is there, ``units`` how much more the fixed one would. ``money`` is the price of those units by
    currency, as far as the channel's items have one; ``units_without_price`` are left out of it.
    """

    skus: int
    fixed: int
    kept: int
    units: int
    money: Mapping[str, Decimal]
    units_without_price: int


@dataclass(slots=True)
class _Priced:
    """The SKUs of one currency: how many have so many units, with the sum of their prices."""

    count: dict[int, int] = field(default_factory=dict)
    price: dict[int, Decimal] = field(default_factory=dict)
    kept_units: int = 0
    kept_money: Decimal = Decimal(0)


class Tally:
    """Adds up SKU by SKU, in memory that does not grow with their number."""

    def __init__(self) -> None:
        self._skus = 0
        self._weight: dict[int, float] = {}
        self._by_currency: dict[str | None, _Priced] = {}  # None: no price is known

    def add(
        self, buffer: int, expected: float, there: int, price: Decimal | None = None, currency: str = ""
    ) -> None:
        """Count a SKU.

        Args:
            buffer: its ``auto`` buffer, in units.
            expected: how many sales the buffer stands against, on average; how much its safety matters.
            there: units that could be shown without a buffer.
            price: of a unit; ``None`` if it is not known.
            currency: of the price.
        """
        self._skus += 1
        size = min(buffer, THERE_MAX)
        self._weight[size] = self._weight.get(size, 0.0) + expected
        there = min(max(0, there), THERE_MAX)
        mine = self._by_currency.setdefault(None if price is None else currency, _Priced())
        kept = min(there, size)
        mine.count[there] = mine.count.get(there, 0) + 1
        mine.kept_units += kept
        if price is not None:
            mine.price[there] = mine.price.get(there, Decimal(0)) + price
            mine.kept_money += kept * price

    def result(self, epsilon: float) -> Recovered:
        """What was counted, against the fixed buffer of the same safety.

        That is the smallest one that suffices for all but ``epsilon`` of the sales: ``auto`` may go wrong in
        as many. The largest of all sizes would be safer than ``auto`` is and flatter it; a percentile of the
        SKUs would be set by those that hardly sell, for which none is needed.
        """
        left = sum(self._weight.values())
        allowed = left * epsilon
        fixed = 0
        for size in sorted(self._weight):
            if left <= allowed:
                break
            fixed = size
            left -= self._weight[size]
        units = unpriced = kept = 0
        money: dict[str, Decimal] = {}
        for currency, mine in self._by_currency.items():
            more = sum(min(there, fixed) * n for there, n in mine.count.items()) - mine.kept_units
            units += more
            kept += mine.kept_units
            if currency is not None:
                money[currency] = (
                    sum((min(there, fixed) * price for there, price in mine.price.items()), Decimal(0))
                    - mine.kept_money
                )
            else:
                unpriced += more
        return Recovered(self._skus, fixed, kept, units, money, unpriced)
