"""What a simulated shop holds: goods, sources, reservations, orders and their documents.

Amounts are whole minor units of the base currency, quantities whole units, moments milliseconds. The rules of
multi-source inventory are those of magento/inventory (contract section 5): a source item is what is physically
there, an order appends a reservation and leaves it alone, and a shipment lowers it and compensates the reservation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from syncline.connectors.adobe_commerce.simulator.catalogstate import Select, first_catalogs, first_categories
from syncline.connectors.adobe_commerce.simulator.companycredits import CompanyCredit
from syncline.ports import Clock

if TYPE_CHECKING:
    from syncline.connectors.adobe_commerce.simulator.specialprices import Special

STATES_DONE = frozenset({"complete", "closed", "canceled"})


@dataclass(slots=True, eq=False)
class Product:
    """One product; all are simple ones except the configurables that only hold others together."""

    entity_id: int
    sku: str
    name: str
    price_minor: int
    created_ms: int
    updated_ms: int
    type_id: str = "simple"
    status: int = 1
    visibility: int = 4
    attributes: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, dict[str, Any]] = field(default_factory=dict)  # of store views, in place of the others
    choices: list[dict[str, Any]] = field(default_factory=list)  # attributes that its variants differ in
    links: list[int] = field(default_factory=list)  # its variants
    categories: dict[int, int] = field(default_factory=dict)  # with its position in each
    media: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Source:
    """A place that goods lie in."""

    code: str
    name: str
    enabled: bool = True


@dataclass(slots=True, eq=False)
class Stock:
    """What a website sells from: sources in the order of their priority."""

    id: int
    name: str
    website: str
    sources: list[str]


@dataclass(slots=True, eq=False)
class SourceItem:
    """What is physically there of a product in a source."""

    sku: str
    source: str
    quantity: int
    status: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """One appended row; rows are never changed."""

    id: int
    stock_id: int
    sku: str
    quantity: int
    event: str
    order_id: int


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who buys. Without an e-mail address the vendor takes no order."""

    email: str
    firstname: str = ""
    lastname: str = ""
    company: str = ""


@dataclass(slots=True, eq=False)
class Customer:
    """A registered buyer."""

    id: int
    buyer: Buyer
    created_ms: int
    company_id: int = 0
    company_status: int = 1
    group_id: int = 1
    job_title: str = ""
    telephone: str = ""
    addresses: list[Any] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class OrderItem:
    """One line. A configurable line has a child without a price; both carry the simple product's SKU."""

    item_id: int
    product: Product
    sku: str
    ordered: int
    price_minor: int
    discount_minor: int
    tax_rate: Decimal
    product_type: str = "simple"
    parent: OrderItem | None = None
    invoiced: int = 0
    shipped: int = 0
    refunded: int = 0
    canceled: int = 0
    refunded_unshipped: int = 0
    compensation_minor: int = 0  # the tax inside a discount that was given on a price with tax
    fixed_minor: int = 0  # the fixed product tax of one unit; of a variant it is on the child
    fixed_tax_rate: Decimal = Decimal(0)  # of the tax on that

    @property
    def row_minor(self) -> int:
        """Price times quantity, before discount and tax."""
        return self.price_minor * self.ordered

    @property
    def tax_minor(self) -> int:
        """Tax on the row after its discount."""
        return to_int(self.tax_rate * self.net_minor)

    @property
    def net_minor(self) -> int:
        """The row after its discount, without tax: of a discount with tax, the tax is not taken from the net row."""
        return self.row_minor - self.discount_minor + self.compensation_minor

    def net_of(self, units: int) -> int:
        """What some of the units cost, after discount and before tax."""
        return to_int(Decimal(self.net_minor) * units / self.ordered)

    def tax_of(self, units: int) -> int:
        """The tax on some of the units."""
        return to_int(Decimal(self.tax_minor) * units / self.ordered)

    @property
    def fixed_row_minor(self) -> int:
        """Fixed product taxes of the row, without the tax on them."""
        return self.fixed_minor * self.ordered

    @property
    def fixed_tax_minor(self) -> int:
        """The tax on those; it is in the order's tax and not in the row's (Tax/Model/Sales/Total/Quote/CommonTaxCollector)."""
        return to_int(self.fixed_tax_rate * self.fixed_row_minor)

    def fixed_of(self, units: int) -> int:
        """Fixed product taxes of some of the units, with the tax on them."""
        fixed = Decimal(self.fixed_row_minor) * units / self.ordered
        return to_int(fixed) + to_int(Decimal(self.fixed_tax_minor) * units / self.ordered)

    def due_of(self, units: int) -> int:
        """What a document takes for some of the units."""
        return self.net_of(units) + self.tax_of(units) + self.fixed_of(units)

    @property
    def to_ship(self) -> int:
        """Units that still have to leave."""
        return self.ordered - self.shipped - self.canceled - self.refunded_unshipped

    @property
    def to_invoice(self) -> int:
        """Units that may still be invoiced."""
        return self.ordered - self.invoiced - self.canceled

    @property
    def to_refund(self) -> int:
        """Units that were paid and not given back."""
        return self.invoiced - self.refunded


@dataclass(slots=True, eq=False)
class Track:
    """One parcel's number."""

    entity_id: int
    track_number: str
    title: str
    carrier_code: str
    created_ms: int


@dataclass(slots=True, eq=False)
class Shipment:
    """Goods that left one source."""

    entity_id: int
    increment_id: str
    order: Order
    source: str
    lines: list[tuple[OrderItem, int]]
    tracks: list[Track]
    created_ms: int
    comment: str = ""


@dataclass(slots=True, eq=False)
class Invoice:
    """Money that was asked for; ``paid`` says whether it came."""

    entity_id: int
    increment_id: str
    order: Order
    lines: list[tuple[OrderItem, int]]
    total_minor: int
    shipping_minor: int
    paid: bool
    created_ms: int
    comment: str = ""
    redeemed: tuple[int, int] = (0, 0)  # of its total, taken by gift cards and store credit


@dataclass(slots=True, eq=False)
class Creditmemo:
    """Money that went back, and units with it."""

    entity_id: int
    increment_id: str
    order: Order
    lines: list[tuple[OrderItem, int]]
    total_minor: int
    shipping_minor: int
    created_ms: int
    comment: str = ""
    redeemed: tuple[int, int] = (0, 0)  # of its total, taken by gift cards and store credit
    adjustments: tuple[int, int] = (0, 0)


@dataclass(slots=True, eq=False)
class Order:
    """One order. What it was placed for never changes; the counts on its lines do."""

    entity_id: int
    increment_id: str
    stock_id: int
    buyer: Buyer
    customer_id: int | None
    items: list[OrderItem]
    shipping_minor: int
    payment: str
    po_number: str
    created_ms: int
    updated_ms: int
    state: str = "new"
    status: str = "pending"
    held_from: tuple[str, str] | None = None
    invoices: list[Invoice] = field(default_factory=list)
    shipments: list[Shipment] = field(default_factory=list)
    creditmemos: list[Creditmemo] = field(default_factory=list)
    comments: list[tuple[int, str]] = field(default_factory=list)
    ext_order_id: str = ""
    shipping_discount_minor: int = 0
    redeemed: tuple[int, int] = (0, 0)  # by gift cards and store credit (Adobe Commerce only)
    charged_minor: int = 0  # what was taken from the buyer by an invoice of the API
    saved: int = 0  # how often; a rendering holds until the next time

    @property
    def lines(self) -> list[OrderItem]:
        """The lines that carry a price."""
        return [item for item in self.items if item.parent is None]

    @property
    def grand_minor(self) -> int:
        """What the whole order costs, as it was placed."""
        goods = sum(x.net_minor + x.tax_minor for x in self.lines)
        fixed = sum(x.fixed_row_minor + x.fixed_tax_minor for x in self.items)
        return goods + fixed + self.shipping_minor - self.shipping_discount_minor - sum(self.redeemed)

    def redeemed_by(self, documents: Iterable[Invoice | Creditmemo]) -> tuple[int, int]:
        """What some documents had redeemed."""
        taken = [one.redeemed for one in documents]
        return sum(cards for cards, _ in taken), sum(account for _, account in taken)

    def shipping_after_discount(self, amount_minor: int) -> int:
        """What is left to pay of an amount of shipping."""
        if not self.shipping_minor:
            return 0
        share = Decimal(self.shipping_discount_minor) * amount_minor / self.shipping_minor
        return amount_minor - to_int(share)

    @property
    def paid_minor(self) -> int:
        """What came in."""
        return sum(invoice.total_minor for invoice in self.invoices if invoice.paid)

    @property
    def refunded_minor(self) -> int:
        """What went back."""
        return sum(memo.total_minor for memo in self.creditmemos)


class ShopState:
    """Everything that the shop holds, and the sums over it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.groups = ["ALL GROUPS", "NOT LOGGED IN", "General", "Wholesale", "Retailer"]
        # By SKU, customer group and quantity, for all websites; and every price that was written, in its order.
        self.tier_prices: dict[tuple[str, str, float], float] = {}
        self.tier_discounts: set[tuple[str, str, float]] = set()  # of them, those that are percentages
        self.fixed_taxes: dict[str, int] = {}  # WEEE, of one unit of a SKU
        self.fixed_taxes_taxed = self.fixed_taxes_in_subtotal = (
            False  # two switches of the shop, off by default
        )
        self.specials: list[Special] = []  # one of a product unless they are scheduled
        self.staging = False  # whether the shop schedules them, as Adobe Commerce does
        self.catalogs = first_catalogs()
        self.shared_catalogs: dict[int, set[str]] = {key: set() for key in self.catalogs}  # of SKUs
        self.selects: dict[str, Select] = {}  # attributes with values to choose from, by code
        self.categories = first_categories()
        # Every product that was saved through the API: its SKU, name, status, whether it has a price.
        self.product_log: list[tuple[str, str, int, bool]] = []
        self.price_log: list[tuple[str, str, float, float]] = []
        self.products: dict[str, Product] = {}
        self.sources: dict[str, Source] = {"default": Source("default", "Default Source")}
        self.stocks: dict[int, Stock] = {1: Stock(1, "Default Stock", "base", ["default"])}
        self.source_items: dict[tuple[str, str], SourceItem] = {}
        self.reservations: list[Reservation] = []
        self.reserved: dict[tuple[int, str], int] = {}
        self.customers: dict[int, Customer] = {}
        self.companies: dict[int, Any] = {}  # ``companies.Company`` by id
        self.orders: dict[int, Order] = {}
        self.shipments: dict[int, Shipment] = {}
        self.invoices: dict[int, Invoice] = {}
        self.creditmemos: dict[int, Creditmemo] = {}
        self.company_credits: dict[int, CompanyCredit] = {}
        self._ids: dict[str, int] = {"shared_catalog": len(self.catalogs)}

    def new_id(self, kind: str) -> int:
        """The next id of a kind; each kind counts by itself, as tables do."""
        self._ids[kind] = self._ids.get(kind, 0) + 1
        return self._ids[kind]

    def next_id(self, kind: str) -> int:
        """The id that the next of a kind will have, if nobody is faster."""
        return self._ids.get(kind, 0) + 1

    def touch(self, order: Order) -> None:
        """Stamp an order as changed now."""
        order.saved += 1
        order.updated_ms = self.clock.now_ms()

    def group_named(self, name: str) -> str | None:
        """A customer group as it is called, whatever case it is asked for in."""
        return next((group for group in self.groups if group.casefold() == name.casefold()), None)

    def item_at(self, sku: str, source: str) -> SourceItem | None:
        """The source item, if the product is assigned to the source."""
        return self.source_items.get((sku, source))

    def on_hand(self, sku: str, stock_id: int) -> int:
        """What lies in the enabled sources of a stock and is flagged as in stock."""
        return sum(
            item.quantity
            for code in self.stocks[stock_id].sources
            if self.sources[code].enabled and (item := self.item_at(sku, code)) is not None and item.status
        )

    def salable(self, sku: str, stock_id: int) -> int:
        """Source items less what is reserved; the out-of-stock threshold is 0 here."""
        return self.on_hand(sku, stock_id) + self.reserved.get((stock_id, sku), 0)

    def reserve(self, stock_id: int, sku: str, quantity: int, event: str, order_id: int) -> None:
        """Append a reservation; negative for units that are wanted, positive to compensate."""
        number = self.new_id("reservation")
        self.reservations.append(Reservation(number, stock_id, sku, quantity, event, order_id))
        at = stock_id, sku
        self.reserved[at] = self.reserved.get(at, 0) + quantity

    def check(self) -> list[str]:
        """Broken laws of the books, in words."""
        wrong: list[str] = []
        open_units: dict[tuple[int, str], int] = {}
        for order in self.orders.values():
            for line in order.lines:
                if line.to_ship < 0 or line.refunded > line.invoiced or line.shipped > line.ordered:
                    wrong.append(f"order {order.increment_id}, line {line.item_id}: counts do not fit")
                at = order.stock_id, line.sku
                open_units[at] = open_units.get(at, 0) + line.to_ship
            if order.refunded_minor > order.paid_minor:
                wrong.append(f"order {order.increment_id}: more went back than came in")
            if order.state == "canceled" and any(line.to_ship for line in order.lines):
                wrong.append(f"order {order.increment_id} is cancelled and still has units to ship")
        wrong += [
            f"{sku} in stock {stock_id}: {-self.reserved.get((stock_id, sku), 0)} reserved, {units} open"
            for (stock_id, sku), units in open_units.items()
            if -self.reserved.get((stock_id, sku), 0) != units
        ]
        sums: dict[tuple[int, str], int] = {}
        for row in self.reservations:
            at = row.stock_id, row.sku
            sums[at] = sums.get(at, 0) + row.quantity
        if sums != self.reserved:
            wrong.append("the reservations do not add up")
        return wrong

    def digest(self, more: Iterable[str]) -> str:
        """SHA-256 over everything."""
        held = hashlib.sha256()
        tables = (
            self.products,
            self.sources,
            self.stocks,
            self.source_items,
            self.customers,
            self.companies,
            self.orders,
            self.shipments,
            self.invoices,
            self.creditmemos,
            self.company_credits,
            self.selects,
            self.categories,
            self.catalogs,
        )
        for table in tables:
            for key, row in table.items():
                held.update(f"{key}|{'|'.join(_told(row))}\n".encode())
        held.update(repr([repr(row) for row in self.reservations]).encode())
        held.update(repr(sorted(self.tier_prices.items())).encode())
        held.update(repr(sorted(self.tier_discounts)).encode())
        held.update(repr(self.specials).encode())
        held.update(repr([(at, sorted(skus)) for at, skus in self.shared_catalogs.items()]).encode())
        for text in more:
            held.update(text.encode())
        return held.hexdigest()


def _told(row: Any) -> Iterator[str]:
    """A record's plain values; what it points to is told by its id."""
    for one in fields(row):
        value = getattr(row, one.name)
        if isinstance(value, list) and not all(is_dataclass(x) for x in value):
            yield repr(value)
        elif isinstance(value, list):
            yield ",".join(
                "/".join(_told(x)) if is_dataclass(x) and "order" not in _names(x) else "" for x in value
            )
        elif is_dataclass(value) and not isinstance(value, Buyer):
            yield str(getattr(value, "entity_id", getattr(value, "item_id", "")))
        else:
            yield repr(value)


def _names(row: Any) -> set[str]:
    return {one.name for one in fields(row)}


def to_int(amount: Decimal) -> int:
    """Half up, as the vendor rounds prices."""
    return int(amount.to_integral_value(ROUND_HALF_UP))


def money(minor: int) -> Decimal:
    """Minor units as the vendor states them: a number with two places."""
    return Decimal(minor).scaleb(-2)


def stamp(ms: int) -> str:
    """``YYYY-MM-DD HH:MM:SS`` in UTC: whole seconds, without an offset (contract section 3)."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
