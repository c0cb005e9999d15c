"""What a shop sends, as types: answers and events are checked against these before anything is read.

Vendor data is untrusted. The vendor's own specification marks fields as required that are left out, so what we can do
without has a default; amounts and quantities come as numbers or as text.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from syncline.model.errors import Rejected

Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Stamp = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\Z")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
EventId = Annotated[str, Meta(max_length=255, pattern=r"^[ -~]*\Z")]

ZERO = Decimal(0)
AMOUNT_MAX = Decimal(10) ** 12
PLACES_MAX = 8
_YEAR_FIRST, _YEAR_LAST = 2000, 2200
T = TypeVar("T")


def to_ms(stamp: str, field: str) -> int:
    """A stamp of the database, which is in UTC and says so nowhere, in milliseconds since the epoch.

    Raises:
        Rejected: it is no moment that can be meant.
    """
    try:
        moment = datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise Rejected(f"{field}: {stamp[:40]!r} is no moment") from None
    if not _YEAR_FIRST <= moment.year <= _YEAR_LAST:
        raise Rejected(f"{field}: the year {moment.year} cannot be meant; check the clock of the shop")
    return int(moment.timestamp()) * 1000


def to_stamp(ms: int) -> str:
    """A moment as the shop's searches compare it."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def amount(value: Decimal | None, field: str) -> Decimal:
    """An amount or a quantity of a bounded size; what is left out, or null, is zero.

    Raises:
        Rejected: it is none.
    """
    if value is None:
        return ZERO
    if not value.is_finite() or abs(value) > AMOUNT_MAX:
        raise Rejected(f"{field}: {str(value)[:40]} is no amount")
    if -int(value.as_tuple().exponent) > PLACES_MAX:
        raise Rejected(f"{field}: {str(value)[:40]} has more than {PLACES_MAX} decimals")
    return value


def units(value: Decimal | None, field: str) -> int:
    """A whole number of units.

    Raises:
        Rejected: it is none; goods that are sold by weight cannot be counted in units.
    """
    counted = amount(value, field)
    if counted != counted.to_integral_value():
        raise Rejected(f"{field}: {counted} is no whole number of units")
    return int(counted)


class Found(Struct, Generic[T], frozen=True):
    """One page of a search."""

    items: tuple[T, ...] = ()
    total_count: int = 0


class Address(Struct, frozen=True):
    firstname: str | None = None
    lastname: str | None = None
    company: str | None = None
    street: tuple[str, ...] = ()
    city: str | None = None
    region: str | None = None
    region_code: str | None = None
    postcode: str | None = None
    country_id: str | None = None
    telephone: str | None = None


class Shipping(Struct, frozen=True):
    address: Address | None = None


class Assignment(Struct, frozen=True):
    shipping: Shipping | None = None


class Redeemed(Struct, frozen=True):
    """What was paid with something that the shop itself had issued (Adobe Commerce only), in the base currency."""

    base_gift_cards_amount: Decimal | None = None
    base_customer_balance_amount: Decimal | None = None
    base_reward_currency_amount: Decimal | None = None


class OrderExtension(Redeemed, frozen=True):
    shipping_assignments: tuple[Assignment, ...] = ()


class OrderPayment(Struct, frozen=True):
    method: str = ""
    po_number: str | None = None


class FixedTax(Struct, frozen=True):
    """One fixed product tax (WEEE) of a line, for all of its units."""

    base_row_amount: Decimal | None = None
    base_row_amount_incl_tax: Decimal | None = None


class OrderItem(Struct, frozen=True):
    item_id: Id
    sku: str
    qty_ordered: Decimal
    base_price: Decimal
    base_row_total: Decimal
    product_type: str
    name: str = ""
    parent_item_id: Id | None = None
    qty_canceled: Decimal | None = None
    qty_invoiced: Decimal | None = None
    qty_refunded: Decimal | None = None
    qty_shipped: Decimal | None = None
    base_discount_amount: Decimal | None = None
    base_discount_tax_compensation_amount: Decimal | None = None
    base_tax_amount: Decimal | None = None
    base_weee_tax_applied_row_amnt: Decimal | None = None
    weee_tax_applied: str | tuple[FixedTax, ...] | None = None


class Order(Struct, frozen=True):
    """An order as the REST API and, field by field, an event states it.

    What was redeemed stands among the extension attributes of the API, and among the other fields of an event.
    """

    entity_id: Id
    increment_id: str
    state: str
    created_at: Stamp
    updated_at: Stamp
    base_currency_code: Currency
    base_grand_total: Decimal
    items: tuple[OrderItem, ...]
    base_shipping_amount: Decimal | None = None
    base_shipping_discount_amount: Decimal | None = None
    base_shipping_discount_tax_compensation_amnt: Decimal | None = None
    base_shipping_tax_amount: Decimal | None = None
    base_shipping_refunded: Decimal | None = None
    base_tax_amount: Decimal | None = None
    base_total_paid: Decimal | None = None
    base_total_refunded: Decimal | None = None
    customer_id: int | None = None
    customer_email: str | None = None
    customer_firstname: str | None = None
    customer_lastname: str | None = None
    customer_note: str | None = None
    billing_address: Address | None = None
    payment: OrderPayment | None = None
    extension_attributes: OrderExtension | None = None
    base_gift_cards_amount: Decimal | None = None
    base_customer_balance_amount: Decimal | None = None
    base_reward_currency_amount: Decimal | None = None


class OrderStamp(Struct, frozen=True):
    """What a poll reads of an order, and what ``order.notice`` events carry."""

    entity_id: Id
    updated_at: Stamp


class OrderHead(Struct, frozen=True):
    """Enough of an order to know whether it is known."""

    entity_id: Id
    increment_id: str
    state: str
    created_at: Stamp
    updated_at: Stamp
    base_grand_total: Decimal
    base_currency_code: Currency


class Customer(Struct, frozen=True):
    id: Id
    email: str | None = None
    firstname: str | None = None
    lastname: str | None = None


class DocumentItem(Struct, frozen=True):
    order_item_id: Id
    qty: Decimal


class Track(Struct, frozen=True):
    track_number: str | None = None


class Comment(Struct, frozen=True):
    comment: str | None = None


class ShipmentExtension(Struct, frozen=True):
    source_code: str | None = None


class Shipment(Struct, frozen=True):
    entity_id: Id
    order_id: Id
    items: tuple[DocumentItem, ...] = ()
    tracks: tuple[Track, ...] = ()
    comments: tuple[Comment, ...] = ()
    extension_attributes: ShipmentExtension | None = None

    @property
    def source(self) -> str:
        """The source that was lowered; empty where the shop does not say."""
        return (self.extension_attributes.source_code if self.extension_attributes else None) or ""


class Invoice(Struct, frozen=True):
    entity_id: Id
    order_id: Id
    created_at: Stamp
    base_grand_total: Decimal
    state: int | None = None
    comments: tuple[Comment, ...] = ()


class Creditmemo(Struct, frozen=True):
    entity_id: Id
    order_id: Id
    created_at: Stamp
    base_grand_total: Decimal
    items: tuple[DocumentItem, ...] = ()
    comments: tuple[Comment, ...] = ()
    extension_attributes: Redeemed | None = None


class WholeOrder(Struct, frozen=True):
    """An order with its documents, as ``order.read`` events carry it."""

    order: Order
    invoices: tuple[Invoice, ...] = ()
    creditmemos: tuple[Creditmemo, ...] = ()
    shipments: tuple[Shipment, ...] = ()


class SourceItem(Struct, frozen=True):
    sku: str
    source_code: str
    quantity: Decimal = ZERO


class TierPrice(Struct, frozen=True):
    """A row as the shop tells it, and as it has to be told to delete it."""

    sku: str
    price: Decimal
    price_type: str
    website_id: int
    customer_group: str
    quantity: Decimal


class SpecialPrice(Struct, frozen=True):
    """A special price as the shop tells it, and as it has to be told to delete it."""

    sku: str
    price: Decimal
    store_id: int
    price_from: str | None = None
    price_to: str | None = None

    @property
    def dated(self) -> bool:
        """Whether it holds for a time only."""
        return bool(self.price_from or self.price_to)


class Product(Struct, frozen=True):
    """What a snapshot reads of a product, and what ``item`` events carry."""

    id: Id
    sku: str
    type_id: str
    updated_at: Stamp
    name: str = ""
    price: Decimal | None = None
    currency: str = ""  # the shop's base currency, put here by our own reading


class StoreConfig(Struct, frozen=True):
    code: str
    base_currency_code: Currency
    timezone: str = ""


class Source(Struct, frozen=True):
    source_code: str
    name: str = ""
    enabled: bool = True


class Operation(Struct, frozen=True):
    """What became of one entry of a bulk call."""

    id: int
    status: int
    result_message: str | None = None


class OperationId(Struct, frozen=True):
    """One queued operation, as a search shows it."""

    id: int


class BulkStatus(Struct, frozen=True):
    operations_list: tuple[Operation, ...] = ()


class RequestItem(Struct, frozen=True):
    id: int
    status: str
    error_message: str | None = None


class Accepted(Struct, frozen=True):
    """What a bulk call is answered with."""

    bulk_uuid: str
    request_items: tuple[RequestItem, ...] = ()


class EventData(Struct, frozen=True):
    value: msgspec.Raw


class EventBody(Struct, frozen=True):
    data: EventData


class IoEvent(Struct, frozen=True):
    """An event of Adobe I/O: a CloudEvent, which is how Commerce has its events delivered, or Adobe's older envelope around one.

    CloudEvents allow no underscores, so ``event_id`` and ``recipient_client_id`` became ``eventid`` and
    ``recipientclientid``; for a time both were sent (developer.adobe.com/events/docs/support/faq).
    """

    data: EventData | None = None
    event: EventBody | None = None
    type: str = ""
    id: EventId = ""
    eventid: EventId = ""
    event_id: EventId = ""
    recipientclientid: str = ""
    recipient_client_id: str = ""

    @property
    def name(self) -> str:
        """What tells it from others, by whatever way it comes; "" where it does not say."""
        return self.eventid or self.event_id or self.id

    @property
    def recipient(self) -> str:
        """The client id of the project that it is for; "" where it does not say."""
        return self.recipientclientid or self.recipient_client_id

    @property
    def value(self) -> bytes:
        """What happened.

        Raises:
            Rejected: it does not say.
        """
        data = self.data or (self.event.data if self.event else None)
        if data is None:
            raise Rejected("event: it has no data.value, so it is none of Adobe Commerce's")
        return bytes(data.value)


_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}


def decode(body: bytes | msgspec.Raw, kind: type[T], what: str) -> T:
    """Decode a body strictly.

    Raises:
        Rejected: it is no JSON of this shape; the message names the field and the mend.
    """
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    try:
        decoded: T = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Rejected(
            f"{what}: {error}. Nothing was taken over; if the shop means this value, the connector needs to learn it: "
            "report the field and the shop's version",
        ) from None
    except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError) as error:
        raise Rejected(
            f"{what}: the body is no valid JSON ({error}); it was cut or altered on its way"
        ) from None
    return decoded
