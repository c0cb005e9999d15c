"""Canonical records: what every connector translates to and from.

Quantities and amounts are ``Decimal``; instants are milliseconds since the Unix epoch, UTC; keys and
ids are strings. A record says nothing about any vendor.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from syncline.model.credit import Credit
from syncline.model.customers import Company
from syncline.model.pricing import Price
from syncline.model.privacy import PrivacyRequest
from syncline.model.products import Product

ZERO = Decimal(0)


class Incoming(Struct, frozen=True):
    """Units on their way to a location, and when the system of record expects them."""

    quantity: Decimal
    expected_ms: int


class StockLevel(Struct, frozen=True):
    """What a system of record says about one SKU at one location.

    ``erp_stamp_ms`` is the source's own clock when the row was true; ``read_began_ms`` is ours when
    the page that carried it began to be read (``None`` for a pushed row). Two stamps are only ever
    compared with stamps of the same clock. ``incoming`` is empty where the source tells none. Where a
    source states what is physically there, ``committed`` is what orders will take that no channel placed.
    """

    sku: str
    location: str
    on_hand: Decimal
    available: Decimal
    committed: Decimal
    erp_stamp_ms: int
    read_began_ms: int | None = None
    incoming: tuple[Incoming, ...] = ()


class Item(Struct, frozen=True):
    """One SKU and its id in a system (and, where a channel keeps stock apart, its stock id).

    ``category`` is the system's own word for goods of its kind, ``price`` what one unit is offered for there.
    ``parent_id`` is what it is a variant of, where the system writes variants through their product.
    """

    sku: str
    external_id: str
    stock_id: str = ""
    title: str = ""
    category: str = ""
    price: Decimal | None = None
    currency: str = ""
    parent_id: str = ""


class Address(Struct, frozen=True):
    """A postal address as the channel holds it; ``country`` is ISO 3166-1 alpha-2."""

    name: str = ""
    company: str = ""
    line1: str = ""
    line2: str = ""
    city: str = ""
    region: str = ""
    postcode: str = ""
    country: str = ""
    phone: str = ""


class Customer(Struct, frozen=True):
    """Who bought. ``key`` is the channel's id, the basis of the external id in the ERP."""

    key: str
    name: str = ""
    email: str = ""
    phone: str = ""


class Allocation(Struct, frozen=True):
    """Where the channel expects some units of a line to be fulfilled from.

    ``fixed``: they cannot come from elsewhere, because the buyer fetches them there, or that place delivers them itself.
    """

    location: str
    quantity: Decimal
    remaining: Decimal = ZERO
    fulfillment_order: str = ""
    fulfillment_line: str = ""
    fixed: bool = False


class OrderLine(Struct, frozen=True):
    """One line of an order.

    ``quantity`` is what the buyer still wants after edits and removals; ``taken`` is what the channel
    has subtracted from its own stock for this line and not put back. ``discount`` and ``tax`` are
    totals for the line as it stands. ``allocations`` is empty until the channel has told them.
    """

    id: str
    sku: str
    title: str
    quantity: Decimal
    unit_price: Decimal
    discount: Decimal = ZERO
    tax: Decimal = ZERO
    taken: Decimal = ZERO
    allocations: tuple[Allocation, ...] = ()


class Payment(Struct, frozen=True):
    """Money that the channel has confirmed as received; what it knows from an ERP through us is left out."""

    id: str
    amount: Decimal
    currency: str
    received_at_ms: int
    gateway: str = ""


class RefundLine(Struct, frozen=True):
    """Units of a line that a refund takes back.

    ``restocked`` says whether stock was returned, ``shipped`` whether the goods had left before;
    units that never left only make the order smaller.
    """

    line_id: str
    quantity: Decimal
    restocked: bool
    shipped: bool = True
    location: str = ""


class Refund(Struct, frozen=True):
    """One refund, with the units it takes back (possibly none) and its money; none that was made for an ERP's return."""

    id: str
    amount: Decimal
    created_at_ms: int
    lines: tuple[RefundLine, ...] = ()


class Order(Struct, frozen=True):
    """An order as the channel holds it now.

    ``complete`` says whether allocations are known (a full read), or only what an event carried.
    The parts add up: ``sum(unit_price x quantity - discount) + shipping + charges + tax = total`` for orders
    whose prices exclude tax; where ``taxes_included``, tax is inside the prices already. ``charges`` are what the buyer
    pays besides, on no line and without tax: fixed product taxes, such as what recycling costs. ``waits`` says why an ERP that
    does not know the order is not to hear of it yet, such as a payment that is under way; its units are wanted all the same.
    """

    key: str
    number: str
    placed_at_ms: int
    updated_at_ms: int
    currency: str
    lines: tuple[OrderLine, ...]
    shipping: Decimal
    tax: Decimal
    total: Decimal
    discount: Decimal = ZERO
    taxes_included: bool = False
    customer: Customer | None = None
    billing: Address | None = None
    shipping_to: Address | None = None
    po_number: str = ""
    note: str = ""
    cancelled_at_ms: int | None = None
    payments: tuple[Payment, ...] = ()
    refunds: tuple[Refund, ...] = ()
    complete: bool = False
    charges: Decimal = ZERO
    waits: str = ""


class ErpPart(Struct, frozen=True):
    """Units of one part of the kits of an order line that the ERP's stock figures account for.

    ``since_ms``: by the ERP's clock, since when it is known to be so many; 0: since the order was told.
    """

    sku: str
    quantity: Decimal
    since_ms: int = 0


class ErpLine(Struct, frozen=True):
    """What the ERP holds of one order line: the units that its stock figures account for.

    A figure of what is available accounts for a line once it is committed, a physical one for the units
    whose shipment is posted. ``ordered`` is what the line asks for, where that is more. ``parts`` says it part by part
    where the line is of a kit and the ERP promises each part by itself: of one there may be more than whole kits need.
    """

    sku: str
    location: str
    quantity: Decimal
    ordered: Decimal | None = None
    parts: tuple[ErpPart, ...] = ()


class ErpOrder(Struct, frozen=True):
    """The ERP's side of an order: proof that its stock figures account for it since a moment.

    ``cancelled``: the ERP says that nothing of it will ever be sent. ``account``: the ERP's key of the customer who is to pay
    for it; "" where it does not tell.
    """

    key: str
    external_id: str
    status: str
    commits_stock: bool
    lines: tuple[ErpLine, ...]
    erp_stamp_ms: int
    cancelled: bool = False
    account: str = ""


class ShipmentLine(Struct, frozen=True):
    """Units of one SKU that left one location."""

    sku: str
    location: str
    quantity: Decimal


class Shipment(Struct, frozen=True):
    """Goods that left, for one order, from one or several locations."""

    key: str
    order_key: str
    shipped_at_ms: int
    lines: tuple[ShipmentLine, ...]
    tracking: tuple[str, ...] = ()
    carrier: str = ""


class Receipt(Struct, frozen=True):
    """What an ERP has received for one order in all, other than what its channel told of.

    ``of_channel``: that included, because the ERP does not tell which is which. It is the least that is certain where it
    does not tell either whether a deposit settled an invoice or other money did. ``currency`` is ISO 4217; "" is the
    order's own.
    """

    key: str
    received: Decimal
    currency: str
    received_at_ms: int
    of_channel: bool = False


class Return(Struct, frozen=True, omit_defaults=True):
    """Goods that came back to an ERP for one order, other than those that its channel told of.

    ``restocked``: they are for sale again. ``credited``: their buyer is to have their money back. Where an ERP tells neither,
    both are so, and the route says what the channel makes of it.
    """

    key: str
    order_key: str
    returned_at_ms: int
    lines: tuple[ShipmentLine, ...]
    restocked: bool = True
    credited: bool = True


class Notice(Struct, frozen=True):
    """Something changed at the source, but what it is now must be read there."""

    key: str


class ChannelLevel(Struct, frozen=True):
    """What a channel tells of its own number at one of its locations, whoever changed it.

    It is compared with what the channel is known to hold, and not kept: the number is the channel's, but what it
    should be is not. The change's version is the channel's own stamp of the number.
    """

    stock_id: str
    location: str
    number: int


Record = (
    StockLevel
    | Item
    | Order
    | ErpOrder
    | Shipment
    | Receipt
    | Return
    | Notice
    | ChannelLevel
    | Price
    | Product
    | Company
    | Credit
    | PrivacyRequest
)
