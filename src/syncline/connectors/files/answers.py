"""What a channel that leaves orders is told of them: goods that left, and orders of which nothing will be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from syncline.connectors.files.orders import key_of
from syncline.model.payloads import CancelOrder, CreateShipment


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel for one order, which the partner calls ``order``; ``reference`` is what its file is named by."""

    reference: str
    order: str
    put: CreateShipment

    def rows(self) -> list[dict[str, Any]]:
        """A row for each SKU and location."""
        shipment = self.put.shipment
        head = {
            "reference": self.order,
            "shipment": shipment.key,
            "shipped_at": shipment.shipped_at_ms,
            "tracking": " ".join(shipment.tracking),
            "carrier": shipment.carrier,
        }
        return [
            {**head, "sku": sku, "location": location, "quantity": quantity}
            for sku, location, quantity in self.put.lines
        ]


@dataclass(frozen=True, slots=True)
class Cancellation:
    """An order of which the ERP will send nothing."""

    reference: str
    order: str

    def rows(self) -> list[dict[str, Any]]:
        """One row."""
        return [{"reference": self.order}]


def answer_of(payload: CreateShipment | CancelOrder, order: str) -> Parcel | Cancellation:
    """What a file is to tell of an order that its channel calls ``order``. The same parcel has the same reference, and no other's."""
    if isinstance(payload, CancelOrder):
        return Cancellation(payload.order_key, order)
    return Parcel(f"{payload.order_key}-{key_of(payload.shipment.key)}", order, payload)
