"""Canonical records as text in the store, and fingerprints of what matters in them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from syncline.model.change import Kind
from syncline.model.credit import Credit
from syncline.model.customers import Company
from syncline.model.payloads import PAYLOADS, Payload, PutOrder
from syncline.model.pricing import Price
from syncline.model.products import Product
from syncline.model.records import ErpOrder, Item, Order, Receipt, Record, Return, Shipment, StockLevel

# Instead of what was sent: the order is there, and whatever it says there is no revision of ours. (Nothing at all
# stands for an order that was adopted, which is right as it is.)
FOUND = "found"
# The same while a revision is being sent that nobody has answered yet: it may hold that one, the one before or parts of
# both, so neither counts as held.
UNSURE = "unsure"

_TYPES: dict[Kind, Any] = {
    Kind.STOCK: StockLevel,
    Kind.ITEM: Item,
    Kind.ORDER: Order,
    Kind.ERP_ORDER: ErpOrder,
    Kind.SHIPMENT: Shipment,
    Kind.PRICE: Price,
    Kind.CREDIT: Credit,
    Kind.PRODUCT: Product,
    Kind.CUSTOMER: Company,
    Kind.RECEIPT: Receipt,
    Kind.RETURN: Return,
}
_decoders = {kind: msgspec.json.Decoder(type_) for kind, type_ in _TYPES.items()}
_payload_decoders = {name: msgspec.json.Decoder(dict[str, type_]) for name, type_ in PAYLOADS.items()}  # type: ignore[valid-type]
_encoder = msgspec.json.Encoder(decimal_format="string")


def encode(record: Any) -> str:
    """A record or payload as JSON text; decimals as strings, so that no digit is lost."""
    return _encoder.encode(record).decode()


def decode(kind: Kind, text: str) -> Any:
    """The record that ``encode`` wrote."""
    return _decoders[kind].decode(text)


def decode_payloads(operation: str, text: str) -> dict[str, Payload]:
    """The items of an intent: delivery key to payload."""
    payloads: dict[str, Payload] = _payload_decoders[operation].decode(text)
    return payloads


def fingerprint(*values: Any) -> str:
    """16 hex digits that change when any of the values does."""
    return hashlib.blake2b(_encoder.encode(values), digest_size=8).hexdigest()


def order_fingerprint(order: Order) -> str:
    """What of an order concerns the ERP; our own write-backs (fulfilments) leave it as it is."""
    return fingerprint(
        order.number,
        order.currency,
        order.cancelled_at_ms is not None,
        [
            (
                line.id,
                line.sku,
                line.quantity,
                line.unit_price,
                line.discount,
                line.tax,
                [(at.location, at.quantity) for at in line.allocations],
            )
            for line in order.lines
        ],
        order.shipping,
        order.tax,
        order.discount,
        order.total,
        order.customer,
        order.shipping_to,
        order.billing,
        order.po_number,
        order.note,
        *([order.charges] if order.charges else ()),  # without any, as it was before there were such
        *(["waits"] if order.waits else ()),
    )


def put_fingerprint(order: Order, routed: str) -> str:
    """What of an order the ERP was told: the order, and from where it is sent if that was decided here."""
    return order_fingerprint(order) + (f":{routed}" if routed else "")


def sent_fingerprints(payloads: Mapping[str, Payload]) -> dict[str, str]:
    """The same of each order among what was sent: bound without, it counts as adopted, and its next revision is lost."""
    puts = {key: put for key, put in payloads.items() if isinstance(put, PutOrder)}
    return {key: put_fingerprint(put.order, put.routed) for key, put in puts.items()}


def stock_fingerprint(level: StockLevel) -> str:
    """What of a stock figure numbers are made of: not its stamps, nor how many of its units are promised."""
    return fingerprint(level.available, level.on_hand - level.committed, *level.incoming)


def record_fingerprint(kind: Kind, value: Record) -> str:
    """The fingerprint under which a record of any kind is stored."""
    if isinstance(value, Order):
        return order_fingerprint(value) if value.complete else ""
    if isinstance(value, StockLevel):
        return stock_fingerprint(value)
    if isinstance(value, Credit):
        return fingerprint(msgspec.structs.replace(value, read_began_ms=0))
    return fingerprint(value)
