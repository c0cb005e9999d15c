"""What the simulated shop knows: plain records, integers for ids and for money (minor units).

A year of trading is half a million order lines, so everything here has slots, shares its strings
and holds pence rather than ``Decimal``; the ``Decimal`` properties are for people and tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import ClassVar

# Shopify's own names of the states that add up to `on_hand`; `incoming` is outside of it
# (contract section 5; shopify.dev "inventory-management-apps").
ON_HAND_PARTS = ("available", "committed", "reserved", "damaged", "safety_stock", "quality_control")
QUANTITY_NAMES = (*ON_HAND_PARTS, "incoming", "on_hand")


def to_decimal(minor: int) -> Decimal:
    """Minor units as an exact amount with two decimals."""
    return Decimal(minor).scaleb(-2)


def to_minor(amount: Decimal) -> int:
    """An amount as minor units, rounded half up to two decimals."""
    return int(amount.scaleb(2).to_integral_value(ROUND_HALF_UP))


def share(total: int, part: int, whole: int) -> int:
    """``total * part / whole`` rounded half up, for amounts that are not negative."""
    return (2 * total * part + whole) // (2 * whole) if whole else 0


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who orders, and where it goes. Sharing one ``customer_key`` means the same customer."""

    first_name: str = ""
    last_name: str = ""
    email: str | None = None
    phone: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province: str | None = None
    zip: str | None = None
    country: str | None = "United Kingdom"
    country_code: str | None = "GB"


@dataclass(frozen=True, slots=True)
class CartLine:
    """One line a buyer puts into the cart. ``discount`` is the whole line's, not a unit's."""

    sku: str
    quantity: int
    unit_price: Decimal | None = None  # None: the variant's own price
    discount: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Checkout:
    """What became of a cart: the order, if any line was accepted, and both kinds of lines."""

    order_id: int | None
    accepted: list[CartLine]
    refused: list[CartLine]


@dataclass(slots=True)
class Location:
    """A place that holds stock. Priority for orders is the order of creation."""

    gid_type: ClassVar[str] = "Location"
    id: int
    name: str
    created_ms: int


@dataclass(slots=True)
class Level:
    """The stock of one item at one location. ``on_hand`` is a sum, so the identity cannot break."""

    gid_type: ClassVar[str] = "InventoryLevel"
    variant: Variant
    location: Location
    created_ms: int
    updated_ms: int
    available: int = 0
    committed: int = 0
    reserved: int = 0
    damaged: int = 0
    safety_stock: int = 0
    quality_control: int = 0
    incoming: int = 0

    @property
    def on_hand(self) -> int:
        return (
            self.available
            + self.committed
            + self.reserved
            + self.damaged
            + self.safety_stock
            + self.quality_control
        )


@dataclass(slots=True)
class Variant:
    """A product variant together with its inventory item (one to one in Shopify)."""

    gid_type: ClassVar[str] = "ProductVariant"
    variant_id: int
    inventory_item_id: int
    product_id: int
    sku: str
    title: str
    price_minor: int
    created_ms: int
    updated_ms: int
    tracked: bool = True
    product_type: str = ""
    barcode: str = ""
    compare_at_minor: int | None = None
    values: tuple[str, ...] = ()  # of its product's options; none: the only variant
    levels: dict[int, Level] = field(default_factory=dict)

    @property
    def price(self) -> Decimal:
        return to_decimal(self.price_minor)


@dataclass(slots=True)
class Product:
    """What variants have in common. Metafields by namespace and key, translations by locale and key."""

    gid_type: ClassVar[str] = "Product"
    id: int
    title: str
    handle: str
    created_ms: int
    updated_ms: int
    status: str = "ACTIVE"
    description: str = ""
    product_type: str = ""
    options: tuple[str, ...] = ()
    metafields: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)  # the addresses from which they were fetched
    publications: set[int] = field(default_factory=set)
    translations: dict[tuple[str, str], tuple[str, str]] = field(
        default_factory=dict
    )  # text, digest translated


@dataclass(slots=True)
class BulkOperation:
    """A mutation that is made once for each line of an uploaded file, or a query of every page."""

    gid_type: ClassVar[str] = "BulkOperation"
    id: int
    query: str
    created_ms: int
    lines: list[bytes]
    status: str = "CREATED"
    completed_ms: int | None = None
    result: bytes | None = None  # JSON lines
    objects: int = 0  # so many lines were worked on, or found
    kind: str = "MUTATION"
    roots: int = 0  # so many of the lines found have no parent
    error: str | None = None


@dataclass(slots=True)
class PriceList:
    """Fixed prices and quantity breaks beside the variants' own prices, both by variant id, in minor units.

    ``fixed`` holds the price and the one that is compared with; ``breaks`` prices by minimum.
    """

    gid_type: ClassVar[str] = "PriceList"
    id: int
    name: str
    currency: str
    fixed: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    breaks: dict[int, dict[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InventoryItem:
    """The inventory side of a variant, as its own GraphQL type."""

    gid_type: ClassVar[str] = "InventoryItem"
    variant: Variant


@dataclass(slots=True)
class Customer:
    """A customer record; orders share it."""

    gid_type: ClassVar[str] = "Customer"
    id: int
    buyer: Buyer
    created_ms: int


@lru_cache(maxsize=65_536)
def tax_on(net_minor: int, rate: Decimal) -> int:
    """Tax on a net amount, both in minor units: half up."""
    return int((rate * net_minor).to_integral_value(ROUND_HALF_UP))


@dataclass(slots=True)
class OrderLine:
    """A line of an order. ``quantity`` never falls; edits and refunds lower ``current_quantity``."""

    gid_type: ClassVar[str] = "LineItem"
    id: int
    order: OrderRecord
    variant: Variant
    quantity: int
    current_quantity: int
    open_quantity: int  # waiting in fulfilment orders
    fulfilled_quantity: int
    unit_minor: int
    discount_minor: int  # for the whole `quantity`

    @property
    def sku(self) -> str:
        return self.variant.sku

    @property
    def unit_price(self) -> Decimal:
        return to_decimal(self.unit_minor)

    @property
    def discount(self) -> Decimal:
        return to_decimal(self.discount_minor)

    def discount_for(self, quantity: int) -> int:
        """The discount's share for ``quantity`` of this line's units, in minor units."""
        return share(self.discount_minor, quantity, self.quantity) if self.discount_minor else 0

    def net_for(self, quantity: int) -> int:
        """Price after discount for ``quantity`` units, before tax, in minor units."""
        return self.unit_minor * quantity - self.discount_for(quantity)

    def tax_for(self, quantity: int) -> int:
        """Tax on ``quantity`` units: rate times net, half up per line, in minor units."""
        rate = self.order.tax_rate
        return tax_on(self.net_for(quantity), rate) if rate else 0


@dataclass(slots=True)
class FulfillmentOrderLine:
    """The part of an order line that one location has to send."""

    gid_type: ClassVar[str] = "FulfillmentOrderLineItem"
    id: int
    line: OrderLine
    total: int
    remaining: int


@dataclass(slots=True)
class FulfillmentOrder:
    """What one location has to send for one order."""

    gid_type: ClassVar[str] = "FulfillmentOrder"
    id: int
    order: OrderRecord
    location: Location
    status: str
    request_status: str
    created_ms: int
    updated_ms: int
    lines: list[FulfillmentOrderLine]
    progress_reported: bool = False  # by hand: then it cannot be moved
    delivery: str = "SHIPPING"  # `DeliveryMethodType`

    def actions(self) -> list[str]:
        """What can be done with it now, in the order of live answers of 2026-04."""
        if self.status == "ON_HOLD":
            return ["RELEASE_HOLD", "HOLD", "MOVE"]
        if self.status not in {"OPEN", "IN_PROGRESS"}:
            return []
        if self.progress_reported:
            return ["CREATE_FULFILLMENT", "REPORT_PROGRESS", "HOLD", "MARK_AS_OPEN"]
        units = sum(part.remaining for part in self.lines)
        split = ["SPLIT"] if units > 1 else []
        return ["CREATE_FULFILLMENT", "REPORT_PROGRESS", "MOVE", "HOLD", *split]


@dataclass(slots=True)
class FulfillmentLine:
    """Units of one order line inside a parcel."""

    gid_type: ClassVar[str] = "FulfillmentLineItem"
    id: int
    line: OrderLine
    quantity: int


@dataclass(frozen=True, slots=True)
class Tracking:
    """How a parcel can be followed."""

    company: str | None
    number: str | None
    url: str | None


@dataclass(slots=True)
class Fulfillment:
    """A parcel that left."""

    gid_type: ClassVar[str] = "Fulfillment"
    id: int
    order: OrderRecord
    name: str
    location: Location
    status: str
    tracking: tuple[Tracking, ...]
    created_ms: int
    updated_ms: int
    lines: list[FulfillmentLine]
    fulfillment_orders: list[FulfillmentOrder]


@dataclass(slots=True)
class Transaction:
    """Money that moved, or failed to."""

    gid_type: ClassVar[str] = "OrderTransaction"
    id: int
    kind: str
    status: str
    gateway: str
    amount_minor: int
    processed_ms: int

    @property
    def amount(self) -> Decimal:
        return to_decimal(self.amount_minor)


@dataclass(frozen=True, slots=True)
class SuggestedTransaction:
    """Money that would go back to a payment."""

    parent: Transaction
    amount_minor: int


@dataclass(slots=True)
class RefundLine:
    """Units taken back from an order line; ``restock_type`` is cancel, return or no_restock."""

    id: int
    line: OrderLine
    quantity: int
    restock_type: str
    location: Location | None
    subtotal_minor: int
    tax_minor: int


@dataclass(slots=True)
class Refund:
    """A refund, with or without money and with or without goods."""

    gid_type: ClassVar[str] = "Refund"
    id: int
    order: OrderRecord
    note: str | None
    created_ms: int
    lines: list[RefundLine]
    transactions: list[Transaction]


@dataclass(slots=True)
class OrderRecord:
    """An order as the shop keeps it. Sums are computed, never stored, so they always add up."""

    gid_type: ClassVar[str] = "Order"
    id: int
    number: int
    created_ms: int
    updated_ms: int
    customer: Customer | None
    shipping_minor: int
    tax_rate: Decimal
    po_number: str | None
    source_reference: str
    note: str | None
    gateway: str
    original_total_minor: int = 0
    cancelled_ms: int | None = None
    cancel_reason: str | None = None
    closed_ms: int | None = None
    edited: bool = False
    tags: list[str] = field(default_factory=list)
    lines: list[OrderLine] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    fulfillment_orders: list[FulfillmentOrder] = field(default_factory=list)
    fulfillments: list[Fulfillment] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"#{self.number}"

    @property
    def cancelled(self) -> bool:
        return self.cancelled_ms is not None

    # -- sums of the order as placed, including units added by an edit
    def discounts_minor(self) -> int:
        return sum(line.discount_minor for line in self.lines)

    def subtotal_minor(self) -> int:
        return sum(line.net_for(line.quantity) for line in self.lines)

    def tax_minor(self) -> int:
        return sum(line.tax_for(line.quantity) for line in self.lines)

    def total_minor(self) -> int:
        return self.subtotal_minor() + self.tax_minor() + self.shipping_minor

    # -- sums of what is left after edits, refunds and cancellation
    def current_shipping_minor(self) -> int:
        return 0 if self.cancelled else self.shipping_minor

    def current_discounts_minor(self) -> int:
        return sum(line.discount_for(line.current_quantity) for line in self.lines)

    def current_subtotal_minor(self) -> int:
        return sum(line.net_for(line.current_quantity) for line in self.lines)

    def current_tax_minor(self) -> int:
        return sum(line.tax_for(line.current_quantity) for line in self.lines)

    def current_total_minor(self) -> int:
        return self.current_subtotal_minor() + self.current_tax_minor() + self.current_shipping_minor()

    # -- money
    def _sum_minor(self, kind: str) -> int:
        return sum(t.amount_minor for t in self.transactions if t.kind == kind and t.status == "SUCCESS")

    def received_minor(self) -> int:
        """What the buyer gave, less the change (2026-07 schema, ``OrderTransactionKind.CHANGE``)."""
        return self._sum_minor("SALE") - self._sum_minor("CHANGE")

    def refunded_minor(self) -> int:
        return self._sum_minor("REFUND")

    def balance_minor(self) -> int:
        """What was not transacted yet; below zero where the shop owes (2026-07 schema, ``totalOutstandingSet``)."""
        return self.current_total_minor() - self.received_minor() + self.refunded_minor()

    def outstanding_minor(self) -> int:
        """What the buyer still owes."""
        return max(0, self.balance_minor())

    def suggest(self, units: Mapping[int, int]) -> list[SuggestedTransaction]:
        """What some units cost, at most what was received, by the payments that it goes back to."""
        worth = 0
        for line in self.lines:
            before = line.current_quantity
            after = before - units.get(line.id, 0)
            worth += line.net_for(before) - line.net_for(after) + line.tax_for(before) - line.tax_for(after)
        gone = self.refunded_minor()
        worth = min(worth, self.received_minor() - gone)
        suggested = []
        for sale in self.transactions:
            if sale.kind == "SALE":
                spent = min(gone, sale.amount_minor)
                part = min(worth, sale.amount_minor - spent)
                gone, worth = gone - spent, worth - part
                suggested.append(SuggestedTransaction(sale, part))
        return suggested

    @property
    def total(self) -> Decimal:
        return to_decimal(self.total_minor())

    @property
    def current_total(self) -> Decimal:
        return to_decimal(self.current_total_minor())

    @property
    def subtotal(self) -> Decimal:
        return to_decimal(self.subtotal_minor())

    @property
    def tax(self) -> Decimal:
        return to_decimal(self.tax_minor())

    @property
    def shipping(self) -> Decimal:
        return to_decimal(self.shipping_minor)

    @property
    def received(self) -> Decimal:
        return to_decimal(self.received_minor())

    @property
    def refunded(self) -> Decimal:
        return to_decimal(self.refunded_minor())

    @property
    def outstanding(self) -> Decimal:
        return to_decimal(self.outstanding_minor())

    def financial_status(self) -> str:
        """``OrderDisplayFinancialStatus`` (contract section 8)."""
        received, refunded = self.received_minor(), self.refunded_minor()
        if refunded and refunded >= received:
            return "REFUNDED"
        if refunded:
            return "PARTIALLY_REFUNDED"
        if received and not self.outstanding_minor():
            return "PAID"
        if received:
            return "PARTIALLY_PAID"
        if self.cancelled:
            return "VOIDED"
        return "PENDING" if self.outstanding_minor() else "PAID"

    def fulfillment_status(self) -> str:
        """``OrderDisplayFulfillmentStatus``."""
        left = any(line.remaining for order in self.fulfillment_orders for line in order.lines)
        sent = bool(self.fulfillments)
        if sent:
            return "PARTIALLY_FULFILLED" if left else "FULFILLED"
        return "UNFULFILLED"


@dataclass(slots=True)
class Change:
    """One line of an adjustment group."""

    name: str
    delta: int
    variant: Variant
    location: Location
    ledger_document_uri: str | None = None


@dataclass(slots=True)
class AdjustmentGroup:
    """What one inventory mutation changed."""

    gid_type: ClassVar[str] = "InventoryAdjustmentGroup"
    id: int
    reason: str
    reference_document_uri: str | None
    created_ms: int
    changes: list[Change]


@dataclass(slots=True)
class Subscription:
    """A webhook subscription made through the Admin API."""

    gid_type: ClassVar[str] = "WebhookSubscription"
    id: int
    topic: str  # the enum name, ORDERS_CREATE
    uri: str
    created_ms: int
    updated_ms: int
    api_version: str
    include_fields: tuple[str, ...] = ()
    metafield_namespaces: tuple[str, ...] = ()
    filter: str | None = None
    name: str | None = None
    format: str = "JSON"
    last_success_ms: int = -1


# They have no name in the API's enum: apps subscribe to them in their configuration.
COMPLIANCE_TOPICS = ("customers/data_request", "customers/redact", "shop/redact")


def topic_path(topic: str) -> str:
    """``ORDERS_CREATE`` as the header spells it, ``orders/create``."""
    if topic in COMPLIANCE_TOPICS:
        return topic
    for prefix in ("INVENTORY_LEVELS", "INVENTORY_ITEMS", "ORDER_TRANSACTIONS"):
        if topic.startswith(prefix + "_"):
            return f"{prefix.lower()}/{topic[len(prefix) + 1 :].lower()}"
    head, _, tail = topic.partition("_")
    return f"{head.lower()}/{tail.lower()}"
