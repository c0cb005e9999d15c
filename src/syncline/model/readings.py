"""What a system states when it is read again for comparison: less than a record, and never applied by itself."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct


class Shown(Struct, frozen=True):
    """One thing that a channel sells, with the number that it shows at each location asked for.

    ``None``: the channel keeps no stock of it there. ``sku`` is empty where the channel has none;
    ``external_id`` tells things apart that share one; it is empty where the channel goes by SKUs alone. ``counted`` says whether the channel counts it at all.
    """

    external_id: str
    sku: str
    numbers: Mapping[str, int | None]
    counted: bool = True


class Told(Struct, frozen=True):
    """What a channel says of one thing that it sells, as it would have been written: in which group (a price list) what."""

    group: str
    external_id: str
    content: Any


class Placed(Struct, frozen=True):
    """An order as its channel lists it: enough to know whether it is known as it is now."""

    key: str
    number: str
    placed_at_ms: int
    updated_at_ms: int
    cancelled: bool
    total: Decimal


class Booked(Struct, frozen=True):
    """An ERP's order that stands for one of a channel: it ``carries`` its reference, or was entered for it by hand.

    ``units`` are what it still takes or took of each of the ERP's SKUs, lines closed before their shipment left out;
    empty where lines were not read. ``number`` is what a person finds it by, where that is not its id.
    """

    reference: str
    external_id: str
    status: str
    total: Decimal
    units: Mapping[str, Decimal]
    carries: bool = True
    number: str = ""

    @property
    def called(self) -> str:
        """By what a person finds it."""
        return self.number or self.external_id
