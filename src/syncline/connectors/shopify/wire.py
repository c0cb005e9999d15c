"""What Shopify sends, as types: answers and webhooks are checked against these before anything is read.

Vendor data is untrusted. Amounts are decimal strings of a bounded length (so no 1e400 and no NaN),
quantities and ids bounded integers, moments carry their offset. Fields that we do not read are ignored.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from syncline.model.errors import Rejected

Amount = Annotated[str, Meta(pattern=r"^[0-9]{1,13}(\.[0-9]{1,8})?\Z")]
SignedAmount = Annotated[str, Meta(pattern=r"^-?[0-9]{1,13}(\.[0-9]{1,8})?\Z")]
Figure = Annotated[float, Meta(ge=-1e13, le=1e13)]
Units = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Level = Annotated[int, Meta(ge=-1_000_000_000, le=1_000_000_000)]
Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Gid = Annotated[str, Meta(pattern=r"^gid://shopify/[A-Za-z]{1,60}/[0-9]{1,20}(\?[ -~]{0,200})?\Z")]
Moment = Annotated[datetime, Meta(tz=True)]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_YEAR_FIRST, _YEAR_LAST = 2000, 2200
T = TypeVar("T")


def to_ms(moment: datetime, field: str) -> int:
    """Milliseconds since the epoch.

    Raises:
        Rejected: the year cannot be meant.
    """
    if not _YEAR_FIRST <= moment.year <= _YEAR_LAST:
        raise Rejected(f"{field}: the year {moment.year} cannot be meant; check the clock of the sender")
    return (moment - _EPOCH) // _MILLISECOND


def number(gid: str) -> str:
    """The numeric part of a global id: ``gid://shopify/Order/1`` -> ``1``."""
    return gid.rpartition("/")[2].partition("?")[0]


# --- GraphQL ---------------------------------------------------------------------------------------------


class Money(Struct, frozen=True, rename="camel"):
    amount: SignedAmount
    currency_code: Currency


class MoneyBag(Struct, frozen=True, rename="camel"):
    shop_money: Money


class PageInfo(Struct, frozen=True, rename="camel"):
    has_next_page: bool = False
    end_cursor: str | None = None


class Connection(Struct, Generic[T], frozen=True, rename="camel"):
    nodes: tuple[T, ...]
    page_info: PageInfo = PageInfo()


class Ref(Struct, frozen=True):
    id: Gid


class Allocated(Struct, frozen=True, rename="camel"):
    allocated_amount_set: MoneyBag


class TaxLine(Struct, frozen=True, rename="camel"):
    price_set: MoneyBag


class Line(Struct, frozen=True, rename="camel"):
    id: Gid
    quantity: Units
    current_quantity: Units
    original_unit_price_set: MoneyBag
    sku: str | None = None
    title: str = ""
    discount_allocations: tuple[Allocated, ...] = ()
    tax_lines: tuple[TaxLine, ...] = ()


class FulfillmentOrderLine(Struct, frozen=True, rename="camel"):
    id: Gid
    total_quantity: Units
    remaining_quantity: Units
    line_item: Ref
    sku: str | None = None


class AssignedLocation(Struct, frozen=True, rename="camel"):
    location: Ref | None = None


class DeliveryMethod(Struct, frozen=True, rename="camel"):
    method_type: str


class FulfillmentOrder(Struct, frozen=True, rename="camel"):
    id: Gid
    status: str
    assigned_location: AssignedLocation
    line_items: Connection[FulfillmentOrderLine]
    updated_at: Moment | None = None
    delivery_method: DeliveryMethod | None = None
    request_status: str = ""


class Transaction(Struct, frozen=True, rename="camel"):
    id: Gid
    kind: str
    status: str
    created_at: Moment
    amount_set: MoneyBag
    gateway: str | None = None
    formatted_gateway: str | None = None
    processed_at: Moment | None = None


class RefundedLine(Struct, frozen=True, rename="camel"):
    quantity: Units
    restocked: bool
    restock_type: str
    line_item: Ref
    subtotal_set: MoneyBag
    total_tax_set: MoneyBag
    location: Ref | None = None


class GqlRefund(Struct, frozen=True, rename="camel"):
    id: Gid
    processed_at: Moment
    total_refunded_set: MoneyBag
    refund_line_items: Connection[RefundedLine]
    created_at: Moment | None = None
    note: str | None = None


class MailingAddress(Struct, frozen=True, rename="camel"):
    name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province: str | None = None
    province_code: str | None = None
    zip: str | None = None
    country_code_v2: str | None = msgspec.field(default=None, name="countryCodeV2")
    phone: str | None = None


class EmailAddress(Struct, frozen=True, rename="camel"):
    email_address: str = ""


class PhoneNumber(Struct, frozen=True, rename="camel"):
    phone_number: str = ""


class GqlCustomer(Struct, frozen=True, rename="camel"):
    id: Gid
    display_name: str = ""
    default_email_address: EmailAddress | None = None
    default_phone_number: PhoneNumber | None = None


class GqlOrder(Struct, frozen=True, rename="camel"):
    """A whole order, as ``order.read`` events carry it."""

    id: Gid
    name: str
    created_at: Moment
    updated_at: Moment
    currency_code: Currency
    taxes_included: bool
    current_total_price_set: MoneyBag
    current_total_tax_set: MoneyBag
    current_shipping_price_set: MoneyBag
    line_items: Connection[Line]
    fulfillment_orders: Connection[FulfillmentOrder]
    transactions: tuple[Transaction, ...]
    refunds: tuple[GqlRefund, ...]
    total_received_set: MoneyBag | None = None  # older readings do not have it
    processed_at: Moment | None = None
    cancelled_at: Moment | None = None
    po_number: str | None = None
    note: str | None = None
    email: str | None = None
    phone: str | None = None
    customer: GqlCustomer | None = None
    billing_address: MailingAddress | None = None
    shipping_address: MailingAddress | None = None


class OrderStamp(Struct, frozen=True, rename="camel"):
    """What a poll reads of an order, and what ``order.notice`` events carry."""

    id: Gid
    updated_at: Moment


class Product(Struct, frozen=True, rename="camel"):
    """What a variant's product says of all its variants."""

    id: str = ""
    product_type: str = ""


class Shop(Struct, frozen=True, rename="camel"):
    """The shop itself; all its prices are in its currency."""

    currency_code: str


class Variant(Struct, frozen=True, rename="camel"):
    """What a snapshot reads of a variant, and what ``item`` events carry."""

    id: Gid
    inventory_item: Ref
    updated_at: Moment
    sku: str | None = None
    display_name: str = ""
    price: str = ""
    currency_code: str = ""  # the shop's, put here by our own reading
    product: Product = Product()


# --- webhooks (REST-shaped) -------------------------------------------------------------------------------


class RestMoney(Struct, frozen=True):
    amount: SignedAmount
    currency_code: Currency


class RestBag(Struct, frozen=True):
    shop_money: RestMoney


class RestAllocation(Struct, frozen=True):
    amount: SignedAmount = "0"
    amount_set: RestBag | None = None


class RestTax(Struct, frozen=True):
    price: SignedAmount = "0"
    price_set: RestBag | None = None


class RestLine(Struct, frozen=True):
    id: Id
    quantity: Units
    price: Amount
    current_quantity: Units | None = None
    sku: str | None = None
    title: str | None = None
    price_set: RestBag | None = None
    discount_allocations: tuple[RestAllocation, ...] = ()
    tax_lines: tuple[RestTax, ...] = ()


class RestShipping(Struct, frozen=True):
    price: SignedAmount = "0"
    discounted_price: SignedAmount | None = None
    discounted_price_set: RestBag | None = None
    is_removed: bool = False


class RestRefundLine(Struct, frozen=True):
    line_item_id: Id
    quantity: Units
    restock_type: str | None = None
    location_id: Id | None = None
    subtotal: SignedAmount | Figure | None = None
    subtotal_set: RestBag | None = None
    total_tax: SignedAmount | Figure | None = None
    total_tax_set: RestBag | None = None


class RestAdjustment(Struct, frozen=True):
    amount: SignedAmount = "0"
    kind: str | None = None


class RestTransaction(Struct, frozen=True):
    amount: SignedAmount = "0"
    kind: str = ""
    status: str = ""


class RestRefund(Struct, frozen=True):
    id: Id
    created_at: Moment
    note: str | None = None
    refund_line_items: tuple[RestRefundLine, ...] = ()
    transactions: tuple[RestTransaction, ...] = ()
    order_adjustments: tuple[RestAdjustment, ...] = ()


class RestCustomer(Struct, frozen=True):
    id: Id
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None


class RestAddress(Struct, frozen=True):
    name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province: str | None = None
    province_code: str | None = None
    zip: str | None = None
    country_code: str | None = None
    phone: str | None = None


class RestOrder(Struct, frozen=True):
    """The body of ``orders/*`` webhooks."""

    id: Id
    created_at: Moment
    updated_at: Moment
    currency: Currency
    current_total_price: Amount
    line_items: tuple[RestLine, ...]
    name: str = ""
    processed_at: Moment | None = None
    cancelled_at: Moment | None = None
    taxes_included: bool = False
    current_total_price_set: RestBag | None = None
    current_total_tax: Amount = "0"
    current_total_tax_set: RestBag | None = None
    current_shipping_price_set: RestBag | None = None
    shipping_lines: tuple[RestShipping, ...] = ()
    refunds: tuple[RestRefund, ...] = ()
    customer: RestCustomer | None = None
    email: str | None = None
    phone: str | None = None
    billing_address: RestAddress | None = None
    shipping_address: RestAddress | None = None
    po_number: str | None = None
    note: str | None = None


class RestStamp(Struct, frozen=True):
    """Which order, and when: what says that a body came whole. The rest is judged when it is applied."""

    id: Id
    updated_at: Moment


class RestPart(Struct, frozen=True):
    """What we need of ``refunds/*`` and ``fulfillments/*``: which order, and when."""

    id: Id
    order_id: Id
    created_at: Moment
    updated_at: Moment | None = None


class RestEdit(Struct, frozen=True):
    order_id: Id
    created_at: Moment  # when the editing began
    committed_at: Moment | None = None  # when it took effect; since 2024-07


class RestEdited(Struct, frozen=True):
    """The body of ``orders/edited``: what was edited. An order is taken too: it names itself."""

    order_edit: RestEdit | None = None
    id: Id | None = None
    updated_at: Moment | None = None


class RestLevel(Struct, frozen=True):
    """The body of ``inventory_levels/update``; ``available`` is null where Shopify does not track the item."""

    inventory_item_id: Id
    location_id: Id
    updated_at: Moment
    available: Level | None = None


class AnyObject(Struct, frozen=True):
    """Any JSON object; for topics that we only pass on."""


KEPT_BYTES_MAX = 65_536  # of a body that is kept decoded
_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}


def decode(body: bytes, kind: type[T], what: str) -> T:
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
            f"{what}: {error}. Nothing was taken over; if Shopify means this value, "
            "the connector needs to learn it: report the field and the API version",
        ) from None
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
        raise Rejected(
            f"{what}: the body is no valid JSON ({error}). It was cut or altered on its way; "
            "Shopify sends the original again",
        ) from None
    return decoded


def rest_order(body: bytes, topic: str) -> RestOrder:
    """The order of a webhook. One that was just verified is usually applied next, so the last few are kept.

    Raises:
        Rejected: as ``decode`` does.
    """
    return _rest_order(body, topic) if len(body) <= KEPT_BYTES_MAX else decode(body, RestOrder, topic)


@lru_cache(maxsize=16)
def _rest_order(body: bytes, topic: str) -> RestOrder:
    return decode(body, RestOrder, topic)
