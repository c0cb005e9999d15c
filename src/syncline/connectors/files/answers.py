"""What a channel that leaves orders is told of them: goods that left or came back, money, and orders that were called off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from syncline.connectors.files.orders import key_of
from syncline.model.payloads import CancelOrder, CreateRefund, CreateShipment, RecordPayment

Answer = CreateShipment | CancelOrder | RecordPayment | CreateRefund


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
    put: CancelOrder

    def rows(self) -> list[dict[str, Any]]:
        """One row."""
        return [{"reference": self.order, "restock": self.put.restock, "money": self.put.money}]


@dataclass(frozen=True, slots=True)
class Received:
    """What the ERP has received for an order in all: a figure, of which the last counts."""

    reference: str
    order: str
    put: RecordPayment

    def rows(self) -> list[dict[str, Any]]:
        """One row."""
        receipt = self.put.receipt
        return [
            {
                "reference": self.order,
                "received": receipt.received,
                "of_channel": receipt.of_channel,
                "currency": receipt.currency,
                "received_at": receipt.received_at_ms,
            }
        ]


@dataclass(frozen=True, slots=True)
class ReturnedGoods:
    """Goods of an order that came back to the ERP: a fact, by the number that the ERP has for it."""

    reference: str
    order: str
    put: CreateRefund

    def rows(self) -> list[dict[str, Any]]:
        """A row for each SKU and location."""
        back = self.put.returned
        head = {
            "reference": self.order,
            "return": back.key,
            "returned_at": back.returned_at_ms,
            "restock": self.put.restock,
            "money": self.put.money,
        }
        return [
            {**head, "sku": sku, "location": location, "quantity": quantity}
            for sku, location, quantity in self.put.lines
        ]


Told = Parcel | Cancellation | Received | ReturnedGoods


def answer_of(payload: Answer, order: str) -> Told:
    """What a file is to tell of an order that its channel calls ``order``. The same fact has the same reference, and no other's."""
    key = payload.order_key
    if isinstance(payload, CancelOrder):
        return Cancellation(key, order, payload)
    if isinstance(payload, RecordPayment):
        return Received(key, order, payload)
    if isinstance(payload, CreateRefund):
        return ReturnedGoods(f"{key}-{key_of(payload.returned.key)}", order, payload)
    return Parcel(f"{payload.order_key}-{key_of(payload.shipment.key)}", order, payload)
