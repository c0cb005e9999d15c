"""The account's records, in memory: the truth that the REST API and SuiteQL show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from syncline.connectors.netsuite.simulator.balances import Balances
from syncline.ports import Clock

# REST record type -> (transaction.type, document prefix, display name). The codes are the ones
# that ``SELECT DISTINCT type FROM transaction`` returns in the product.
TRANSACTION_KINDS: dict[str, tuple[str, str, str]] = {
    "salesOrder": ("SalesOrd", "SO", "Sales Order"),
    "itemFulfillment": ("ItemShip", "IF", "Item Fulfillment"),
    "itemReceipt": ("ItemRcpt", "IR", "Item Receipt"),
    "inventoryAdjustment": ("InvAdjst", "IA", "Inventory Adjustment"),
    "inventoryTransfer": ("InvTrnfr", "IT", "Inventory Transfer"),
    "customerDeposit": ("CustDep", "CD", "Customer Deposit"),
    "returnAuthorization": ("RtnAuth", "RA", "Return Authorization"),
    "invoice": ("CustInvc", "INV", "Invoice"),
    "creditMemo": ("CustCred", "CM", "Credit Memo"),
}

STATUS_NAMES: dict[str, dict[str, str]] = {
    "SalesOrd": {
        "A": "Pending Approval",
        "B": "Pending Fulfillment",
        "C": "Cancelled",
        "D": "Partially Fulfilled",
        "E": "Pending Billing/Partially Fulfilled",
        "F": "Pending Billing",
        "G": "Billed",
        "H": "Closed",
    },
    "ItemShip": {"A": "Picked", "B": "Packed", "C": "Shipped"},
    "CustDep": {"A": "Not Deposited", "B": "Deposited", "C": "Fully Applied"},
    "RtnAuth": {
        "A": "Pending Approval",
        "B": "Pending Receipt",
        "C": "Cancelled",
        "D": "Partially Received",
        "E": "Pending Refund/Partially Received",
        "F": "Pending Refund",
        "G": "Refunded",
        "H": "Closed",
    },
    "CustInvc": {"A": "Open", "B": "Paid In Full"},
    "CustCred": {"A": "Open", "B": "Fully Applied"},
}

ZERO = Decimal(0)
ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measure: of which type, and how many base units of it one is (NS:section_N2212143)."""

    id: int
    type: int
    name: str
    rate: Decimal
    base: bool


@dataclass(slots=True)
class Item:
    """Something that can stand on an order line."""

    id: int
    sku: str
    title: str
    base_price: Decimal | None
    kind: str  # SuiteQL ``itemtype``
    role: str  # how the truth ledger adds it up: goods, tax, shipping or discount
    created_ms: int
    modified_ms: int
    external_id: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    units_type: int | None = None  # of its units of measure; none: it is counted in pieces
    stock_unit: int | None = None
    purchase_unit: int | None = None
    sale_unit: int | None = None
    members: dict[int, int] = field(default_factory=dict)  # of a kit: what one takes of each item

    @property
    def stocked(self) -> bool:
        """Whether it has levels."""
        return self.kind == "InvtPart"

    @property
    def sent(self) -> bool:
        """Whether fulfillments name it: what is stocked, and what is not but *Can be Fulfilled/Received*."""
        return self.stocked or (
            self.kind in ("NonInvtPart", "Kit") and bool(self.fields.get("isFulfillable"))
        )


@dataclass(slots=True)
class Party:
    """A customer."""

    id: int
    external_id: str | None
    created_ms: int
    modified_ms: int
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Place:
    """A location."""

    id: int
    name: str
    modified_ms: int


@dataclass(slots=True)
class Level:
    """Stock of one item in one location. ``available`` is derived, never stored."""

    on_hand: int = 0
    committed: int = 0
    backordered: int = 0
    safety: int = 0


@dataclass(slots=True)
class Line:
    """One line of a transaction. Quantities are positive here, whatever the mirror shows.

    They are in base units, whatever unit the record shows them in; ``rate`` is the price of one such unit.
    """

    txn: int
    number: int
    unique_key: int
    item: int
    location: int | None
    quantity: int | None  # None on amount-only lines (discounts)
    rate: Decimal | None = None
    amount: Decimal = ZERO
    price_level: str = "1"
    closed: bool = False
    committed: int = 0
    backordered: int = 0
    done: int = 0  # shipped on a sales order, received on a return
    billed: int = 0
    order_line: int | None = None  # the line of ``created_from`` that this one answers
    memo: str | None = None
    unit: int | None = None  # in which the record shows it, where its item has units
    # Of a kit's line: a line for each member, which no sublist of the record shows (``kits``).
    members: list[Line] = field(default_factory=list)
    member_of: int | None = None  # of such a line: the number of the kit's
    each: int = 1  # and how many of it one kit takes

    @property
    def open(self) -> int:
        """Units that still wait to be shipped."""
        return 0 if self.closed or self.quantity is None else self.quantity - self.done


@dataclass(slots=True)
class Txn:
    """A transaction of any kind."""

    id: int
    record: str  # the REST record type
    tranid: str
    external_id: str | None
    status: str | None
    entity: int | None
    created_ms: int
    modified_ms: int
    created_from: int | None = None
    lines: list[Line] = field(default_factory=list)
    next_line: int = 1
    fields: dict[str, Any] = field(default_factory=dict)
    shipping: Decimal = ZERO
    discount: Decimal = ZERO
    tax: Decimal = ZERO
    subtotal: Decimal = ZERO
    total: Decimal = ZERO
    settled: Decimal = ZERO  # of an invoice: what deposits, payments and credits have taken off it
    tracking: list[tuple[str, str | None]] = field(default_factory=list)
    by: str = "user"  # who: user, rest; the truth ledger only
    sign: int = -1  # of the quantities that the mirror shows
    currency: int = 1  # its id; 1 is the account's own

    @property
    def kind(self) -> str:
        """``transaction.type``."""
        return TRANSACTION_KINDS[self.record][0]

    @property
    def all_lines(self) -> list[Line]:
        """Its lines, each kit's members behind it."""
        return [each for line in self.lines for each in (line, *line.members)]

    def line(self, number: int) -> Line | None:
        """The line with this id, which no member of a kit is."""
        for line in self.lines:
            if line.number == number:
                return line
        return None


@dataclass(slots=True)
class Dirty:
    """Ids of changed records, in the order of their first change, and other rows to write."""

    txns: dict[int, None] = field(default_factory=dict)
    levels: dict[tuple[int, int], None] = field(default_factory=dict)
    items: dict[int, None] = field(default_factory=dict)
    customers: dict[int, None] = field(default_factory=dict)
    writes: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.txns or self.levels or self.items or self.customers or self.writes)


class Account:
    """All records of one account."""

    def __init__(
        self,
        clock: Clock,
        timezone: str,
        currency: str,
        tax_rate: Decimal | None,
        *,
        units_on: bool = False,
        kits_tell: bool = True,
    ) -> None:
        self.clock = clock
        self.kits_tell = kits_tell  # whether a kit's own line says what is committed
        self.units_on = units_on  # the feature Multiple Units of Measure
        self.units_types: dict[int, str] = {}
        self.units: dict[int, Unit] = {}
        self.zone = ZoneInfo(timezone)
        self.currency = currency
        self.tax_rate = tax_rate
        self.cent = Decimal(1) if currency in ("JPY", "KRW") else Decimal("0.01")
        self.items: dict[int, Item] = {}
        self.item_by_sku: dict[str, Item] = {}
        self.item_columns: dict[int, dict[str, str | None]] = {}  # of the account's own, by item
        self.customers: dict[int, Party] = {}
        self.places: dict[int, Place] = {}
        self.custom_fields: dict[str, dict[str, str]] = {}  # record, then field and kind
        self.txns: dict[int, Txn] = {}
        self.levels: dict[tuple[int, int], Level] = {}
        # Lines that wait for stock, oldest first, by item and location.
        self.waiting: dict[tuple[int, int], dict[int, Line]] = {}
        # Lines that hold committed stock, oldest first, by item and location.
        self.holding: dict[tuple[int, int], dict[int, Line]] = {}
        self.external: dict[tuple[str, str], int] = {}
        self.children: dict[int, list[int]] = {}
        # Deterministic and far apart, as the product's ids are: one sequence for transactions, one
        # for entities, one for items.
        self.next_id = {"transaction": 5001, "customer": 101, "item": 1001, "location": 1, "tracking": 1}
        self.next_id |= {"contact": 20_001, "address": 30_001, "unit": 1}
        self.next_key = 1
        # By item, level, quantity and currency; by customer, item and currency: a level, or a price of its own.
        self.prices: dict[tuple[int, int, int, int], Decimal] = {}
        self.customer_prices: dict[tuple[int, int, int], tuple[int | None, Decimal | None]] = {}
        self.next_price_level = 2
        # Items and locations of kits' members that the current save takes off an order.
        self.dropped: set[tuple[int, int]] = set()
        # ``customers.Person`` and ``customers.Address`` by their ids.
        self.contacts: dict[int, Any] = {}
        self.addresses: dict[int, Any] = {}
        self.balances = Balances()
        self._numbers = dict.fromkeys(TRANSACTION_KINDS, 1000)
        # What changed since the SuiteQL mirror was last brought up to date.
        self.dirty = Dirty()
        self._stamp: tuple[int, str] = (-1, "")

    # -- time ---------------------------------------------------------------------------------

    def local(self, at_ms: int) -> str:
        """A date column's value: account-local time, whole seconds (contract sheet section 4)."""
        second = at_ms // 1000
        if second != self._stamp[0]:
            moment = datetime.fromtimestamp(second, UTC).astimezone(self.zone)
            self._stamp = (second, moment.strftime("%Y-%m-%d %H:%M:%S"))
        return self._stamp[1]

    # -- identity -----------------------------------------------------------------------------

    def take(self, sequence: str) -> int:
        """The next internal id."""
        value = self.next_id[sequence]
        self.next_id[sequence] = value + 1
        return value

    def take_key(self) -> int:
        """The next ``transactionline.uniquekey``."""
        self.next_key += 1
        return self.next_key

    def find_external(self, record: str, external_id: str) -> int | None:
        """Look an external id up, ignoring case as the product does."""
        return self.external.get((record, external_id.casefold()))

    def currency_of(self, customer: int | None, content: Mapping[str, Any]) -> int:
        """The id of a new transaction's currency: what it says, or the customer's."""
        its = self.customers[customer].fields if customer is not None else {}
        given = content.get("currency") or its.get("currency") or {"id": "1"}
        return int(given["id"]) if str(given.get("id", "")).isdigit() else 1

    def rate_of(self, unit: int | None) -> Decimal:
        """How many base units one of a line's units is."""
        return ONE if unit is None else self.units[unit].rate

    def base_unit(self, item: Item) -> int | None:
        """The base unit of an item's type, if it has one."""
        found = (u.id for u in self.units.values() if u.type == item.units_type and u.base)
        return next(found, None)

    def new_txn(self, record: str, **values: Any) -> Txn:
        """Number and register a transaction; the caller fills it and calls ``touch``."""
        now = self.clock.now_ms()
        number = self._numbers[record] = self._numbers[record] + 1
        txn = Txn(
            id=self.take("transaction"),
            record=record,
            tranid=f"{TRANSACTION_KINDS[record][1]}{number}",
            external_id=values.pop("external_id", None),
            status=values.pop("status", None),
            entity=values.pop("entity", None),
            created_ms=now,
            modified_ms=now,
            **values,
        )
        self.txns[txn.id] = txn
        if txn.external_id is not None:
            self.external[record, txn.external_id.casefold()] = txn.id
        if txn.created_from is not None:
            self.children.setdefault(txn.created_from, []).append(txn.id)
        return txn

    def new_line(
        self, txn: Txn, item: int, location: int | None, quantity: int | None, **values: Any
    ) -> Line:
        """Append a line, with its members if it is a kit's; ids of removed lines are never given again."""
        line = self._line(txn, item, location, quantity, **values)
        txn.lines.append(line)
        self.explode(txn, line)
        return line

    def explode(self, txn: Txn, line: Line) -> None:
        """Give a kit's line the lines of its members, at its location (public clients refuse any other)."""
        for item, each in self.items[line.item].members.items():
            quantity = None if line.quantity is None else line.quantity * each
            more = self._line(txn, item, line.location, quantity, member_of=line.number, each=each)
            line.members.append(more)

    def _line(self, txn: Txn, item: int, location: int | None, quantity: int | None, **values: Any) -> Line:
        line = Line(txn.id, txn.next_line, self.take_key(), item, location, quantity, **values)
        txn.next_line += 1
        return line

    # -- what changed -------------------------------------------------------------------------

    def touch(self, txn: Txn, *, modified: bool = True) -> None:
        """Note a save. Only an edit of the record itself moves its stamp."""
        if modified:
            txn.modified_ms = self.clock.now_ms()
        self.dirty.txns[txn.id] = None
        self.balances.note(txn)

    def add_up(self) -> None:
        """Bring what customers owe up to date; it moves no stamp (contract sheet section 5)."""
        self.dirty.customers.update(dict.fromkeys(self.balances.count(self)))

    def touch_level(self, key: tuple[int, int]) -> None:
        """Note changed stock; moves no stamp anywhere (contract sheet section 5)."""
        self.dirty.levels[key] = None

    def touch_item(self, item: Item) -> None:
        """Note a changed item."""
        self.dirty.items[item.id] = None

    def touch_customer(self, customer: Party) -> None:
        """Note a changed customer."""
        self.dirty.customers[customer.id] = None

    def later(self, sql: str, *values: Any) -> None:
        """Queue a write to the mirror."""
        self.dirty.writes.append((sql, values))
