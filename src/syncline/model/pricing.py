"""Prices: as a system of record states them, and as a channel shows them.

Amounts are for one unit, ``Decimal``, with up to six decimals. Instants are milliseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

ONE = Decimal(1)


class PriceKind(StrEnum):
    """For whom a price list is."""

    LIST = "list"  # everybody, or everybody who was given that list
    GROUP = "group"  # a group of customers
    CONTRACT = "contract"  # one customer
    PROMOTIONAL = "promotional"  # everybody, for a time


class PriceEntry(Struct, frozen=True):
    """What one unit costs in one currency, from a quantity on, for a time.

    ``currency`` is ISO 4217; "" is the only one of a source that has no other. ``unit`` is the unit of measure that is
    priced; "" is the SKU's own. It holds from ``starts_ms`` on and ends before ``ends_ms``; 0 leaves that side open.
    """

    amount: Decimal
    currency: str = ""
    minimum: Decimal = ONE
    unit: str = ""
    starts_ms: int = 0
    ends_ms: int = 0


class Price(Struct, frozen=True):
    """Everything that one price list of a source says of one SKU.

    It is one record, so that currencies and quantity breaks of it are never taken in by halves.
    """

    sku: str
    price_list: str
    kind: PriceKind
    entries: tuple[PriceEntry, ...]


class PriceBreak(Struct, frozen=True):
    """What one unit costs from a quantity on."""

    minimum: Decimal
    amount: Decimal


class PriceTag(Struct, frozen=True):
    """What a price list of a channel says of one SKU.

    ``breaks`` are in the order of their minimum, the first of which is 1; without any, the list says nothing of the
    SKU. ``compare_at`` is the higher price that is shown struck through.
    """

    currency: str
    breaks: tuple[PriceBreak, ...]
    compare_at: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PriceOrder:
    """Which of several prices counts.

    Of the first kind in ``kinds`` that has a price for the quantity, that one; ``lowest``: the lowest of all kinds. What
    is ``last``, lists by the names that the source gives them, counts only where no other list has a price.
    """

    kinds: tuple[PriceKind, ...] = (
        PriceKind.CONTRACT,
        PriceKind.PROMOTIONAL,
        PriceKind.GROUP,
        PriceKind.LIST,
    )
    lowest: bool = False
    last: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As it stands in the reference."""
        told = "the lowest" if self.lowest else ", then ".join(self.kinds)
        return f"{told}; last {', '.join(self.last)}" if self.last else told


USUAL_ORDER = PriceOrder()
