"""What a played world asks of its simulated shop and its simulated ERP, whichever vendor's they are.

A side stands before one vendor's simulator: it sets the account up, does what buyers or staff do there, and reads the
truth from the simulator's own books. It knows nothing of Syncline but the vendor's settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from syncline.ports import Connector
from syncline.sdk.simulator import Simulator
from syncline.simulate.history import HistoryOrder

Place = Any  # a vendor's own id of a location, a number or a code; a side gets back only what it gave out

SHIPPING = Decimal("4.95")
TAX_RATE = Decimal("0.2")


class Asked(Protocol):
    """Units of one SKU in a cart."""

    @property
    def sku(self) -> str:
        """Which goods."""

    @property
    def quantity(self) -> int:
        """How many units."""


@dataclass(frozen=True, slots=True)
class Sale:
    """What came of a checkout; ``order_id`` is ``None`` if the shop sold nothing of it."""

    order_id: int | None
    accepted: Sequence[Asked]
    refused: Sequence[Asked]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Units that a shop's order still wants, or has had, and the shop's location that they are to leave from.

    ``price`` is what one unit costs after discount, to the cent.
    """

    sku: str
    at: Place
    quantity: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class BookedLine:
    """Goods in an order of the ERP; ``quantity`` is 0 where the line is closed, ``price`` as in ``Wanted``."""

    sku: str
    at: Place
    quantity: int
    price: Decimal
    shipped: int


@dataclass(frozen=True, slots=True)
class BookedOrder:
    """One order as the ERP has it."""

    id: Any
    lines: tuple[BookedLine, ...]
    total: Decimal


@dataclass(frozen=True, slots=True)
class Parcel:
    """Goods that left the ERP; ``reference`` is the order's, in lower case, and ``number`` is for tracking."""

    reference: str
    number: str | None
    units: int
    lines: int


class Side(Protocol):
    """What both have in common.

    Attributes:
        simulator: the vendor's app, with its faults and its truth ledger.
        connector: how Syncline opens it.
        licence: the tier that the account declares, as a sentence has it.
        unit: what the vendor limits.
        calls_max: calls that may be under way at once.
        subscribes: whether Syncline subscribes to its events; otherwise a person sets them up inside of the product.
        strict: whether its ledger counts nothing but what a well-behaved client never does, refused tokens apart.
        spared: troubles of the simulation that this vendor does not have.
    """

    simulator: Simulator
    connector: Connector
    licence: str
    unit: str
    calls_max: int
    subscribes: bool
    strict: bool
    spared: frozenset[str]

    def origins(self) -> Sequence[str]:
        """The vendor's own addresses, ``https://host``."""

    def serve_at(self, url: str) -> None:
        """The app is reached at a port of this machine from now on."""

    def settings(self, url: str = "") -> Any:
        """How Syncline is configured for it; ``url`` only where it differs from the vendor's own."""

    def listen(self, url: str) -> None:
        """What a person sets up inside of the product so that it tells of changes."""

    def quiet(self) -> bool:
        """Whether it has nothing to tell any more."""

    def digest(self) -> str:
        """A hash of everything that it holds; equal for equal seeds."""

    def check(self) -> list[str]:
        """The laws of its books that do not hold, in words."""

    def add_place(self, name: str) -> Place:
        """Open a location."""


class ShopSide(Side, Protocol):
    """A simulated shop: its goods, its buyers and what it was told.

    Attributes:
        names_place: whether it shows a number for each location, and an order says from where it is to be sent. Where it
            does not, the ERP gets every order for the first location, and staff bring goods there from the others.
        locations: how many are played, at most three.
        products_max: how many are played: each is written once at the beginning, which takes the longest of everything.
        role: what somebody who buys for a company may do there, in the shop's words.
    """

    names_place: bool
    locations: int
    products_max: int
    role: str

    def add_product(self, sku: str, title: str, price: Decimal, shown: Mapping[Place, int]) -> None:
        """Put goods on sale, with what each location shows."""

    def sell(self, order: HistoryOrder) -> Sale:
        """A buyer checks out what is there of an order, and pays."""

    def wanted(self, order_id: int) -> list[Wanted]:
        """What an order wants, units that left included; a cancelled one as it was before."""

    def cancelled(self, order_id: int) -> bool:
        """Whether an order is cancelled."""

    def sent(self, order_id: int) -> bool:
        """Whether anything of an order was told to be on its way."""

    def cancel(self, order_id: int, *, restock: bool) -> bool:
        """A buyer cancels; says whether the shop let him."""

    def cut(self, order_id: int) -> bool:
        """A buyer takes one unit less of the first line; says whether the shop let him."""

    def total(self, order_id: int) -> Decimal:
        """What an order costs now."""

    def payments(self, order_id: int) -> int:
        """How many payments came in for an order; what the ERP received is none of them."""

    def sell_on_terms(self, sku: str) -> int | None:
        """A buyer orders one unit and pays later; ``None`` if there is none left."""

    def told_paid(self, order_id: int) -> Decimal:
        """What the shop was told that the ERP received for an order."""

    def told_back(self, order_id: int) -> list[tuple[int, Decimal]]:
        """Units and money of every refund for goods that the ERP took back."""

    def facts(self, order_id: int) -> int:
        """Lines and payments of an order: facts that concern the ERP."""

    def parcels(self) -> list[tuple[str, int]]:
        """Tracking number and units of every parcel that the shop was told of."""

    def shown(self, sku: str, at: Place) -> int:
        """Units that buyers see of a location, or of all where the shop names none."""

    def price(self, sku: str) -> Decimal | None:
        """What one unit costs everybody; ``None``: nobody can buy it."""

    def title(self, sku: str) -> str:
        """What a product is called; "" if there is none."""

    def company(self, key: str) -> str:
        """What the company is called that stands for a customer of the ERP; "" if none does, or nobody may buy for it."""

    def credit(self, key: str) -> Decimal | None:
        """What that company may still buy on account, as the shop was told; ``None``: nothing was told."""

    def open_contract(self) -> str:
        """Make a price list for one customer; returns its name for a route of prices."""

    def listed(self, sku: str) -> Decimal | None:
        """What that list says of one unit; ``None``: nothing."""

    def lose_next(self) -> None:
        """The next event of an order gets lost."""

    def forget_subscriptions(self) -> None:
        """Drop what was subscribed to, as vendors do after failures."""


class ErpSide(Side, Protocol):
    """A simulated ERP: its goods, its staff and its books.

    Attributes:
        orders_per_s: new orders a second that the declared licence carries, reads besides.
        calls_refused: whether an outage is played by refused connections: where a write that was answered by 503
            counts as unknown for longer than a demo lasts.
        own_list: name of the list of everybody's prices, for a route of prices.
    """

    orders_per_s: float
    calls_refused: bool
    own_list: str

    def revoke(self) -> None:
        """End every token that was given out."""

    def spelt(self, sku: str) -> str:
        """A SKU as the product keeps it."""

    def add_item(self, sku: str, title: str, price: Decimal) -> None:
        """Add goods."""

    def open_with(self, sku: str, at: Place, quantity: int) -> None:
        """Put stock in place before the story begins."""

    def set_safety_stock(self, sku: str, at: Place, units: int) -> None:
        """Keep units back at a location."""

    def safety_stock(self, sku: str, at: Place) -> int:
        """Units that are kept back."""

    def available(self, sku: str, at: Place) -> int:
        """Units that nobody was promised; never below 0."""

    def backordered(self, sku: str, at: Place) -> int:
        """Units that orders wait for."""

    def add_company(self, name: str, limit: Decimal) -> str:
        """Add a company with a buyer, an address and a limit of credit; returns its key."""

    def owe(self, key: str, amount: Decimal) -> Decimal:
        """The company owes so much since before the story; returns what it owes, which is nothing where only documents tell."""

    def open_contract(self) -> str:
        """Add a customer who has prices of his own; returns the name of his list for a route of prices."""

    def agree(self, sku: str, price: Decimal) -> None:
        """Agree with that customer on a price, instead of the one before."""

    def agreed(self, sku: str) -> Decimal:
        """What was agreed on."""

    def receive(self, goods: Sequence[tuple[str, int]], at: Place) -> None:
        """Goods arrive."""

    def withdraw(self, sku: str, at: Place, units: int, by: str) -> int:
        """Somebody outside takes at most so many units above the safety stock; returns how many."""

    def transfer(self, sku: str, source: Place, target: Place, units: int) -> None:
        """Move goods from one location to another."""

    def find(self, reference: str) -> Any | None:
        """The id of the order with an external reference."""

    def order(self, order_id: Any) -> BookedOrder:
        """One order."""

    def orders(self) -> Mapping[str, Sequence[BookedOrder]]:
        """Every order by its reference in lower case; more than one entry would be a duplicate."""

    def ready(self, order_id: Any) -> bool:
        """Whether the warehouse has got to an order."""

    def ship(self, order_id: Any, tracking: str, carrier: str) -> int:
        """Send what can be sent, each location's goods under a number of its own; returns the parcels."""

    def paperwork(self) -> None:
        """What else staff do with orders that were sent."""

    def settle(self, order_id: Any) -> Decimal | None:
        """Invoice an order that left whole; a deposit settles it, or else money that comes. What the invoice was over.

        ``None``: it is not to be invoiced yet.
        """

    def take_back(self, order_id: Any) -> int:
        """One unit of a settled order comes back, and the warehouse receives it; returns the units, 0 where none can."""

    def shipments(self) -> list[Parcel]:
        """Every parcel, oldest first."""

    def payments(self) -> list[str]:
        """What marks every payment; twice the same would be a duplicate."""


__all__ = [
    "SHIPPING",
    "TAX_RATE",
    "Asked",
    "BookedLine",
    "BookedOrder",
    "ErpSide",
    "Parcel",
    "Place",
    "Sale",
    "ShopSide",
    "Side",
    "Wanted",
]
