"""What is to be kept in agreement with what, how fresh, and by which rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from syncline.credit.rules import NO_CREDIT, CreditRules
from syncline.freshness.velocity import Velocity
from syncline.inventory.recipes import Recipes
from syncline.inventory.rules import QuantityRule, Rules
from syncline.mapping.customers import NO_CUSTOMERS, CustomerRules
from syncline.model.change import Flow
from syncline.model.products import NO_PRODUCTS, ProductRules
from syncline.pricing.rules import NO_PRICES, PriceRules

# What a sink is asked to do for a flow; the first is what the flow is for. Of prices it depends on the route: see
# `StateFlow.operations`.
OPERATIONS_OF: Mapping[Flow, tuple[str, ...]] = {
    Flow.INVENTORY: ("set_stock",),
    Flow.ORDERS: ("put_order", "put_payment", "put_refund"),
    Flow.ORDER_STATUS: ("create_shipment", "cancel_order"),
    Flow.PAYMENTS: ("record_payment",),
    Flow.RETURNS: ("create_refund",),
    Flow.PRICES: ("set_price", "set_list_price"),
    Flow.CATALOG: ("set_product", "set_wording", "set_listing"),
    Flow.CUSTOMERS: ("put_customer",),
}
# What a route may leave out, in the words of the configuration.
LEFT_OUT: Mapping[str, str] = {
    "payments": "put_payment",
    "refunds": "put_refund",
    "cancellations": "cancel_order",
}
SEP = "\x1f"  # between the parts of a record key; no vendor allows it in a SKU or an id


def stock_key(sku: str, location: str) -> str:
    """The record key of a stock figure, or of what a channel holds."""
    return f"{sku}{SEP}{location}"


def split_key(key: str) -> tuple[str, str]:
    """The parts of a two-part record key; the second is empty where there is none."""
    first, _, second = key.partition(SEP)
    return first, second


@dataclass(frozen=True, slots=True)
class Route:
    """One flow from one system to another.

    ``locations`` maps ERP locations to channel locations, in order of priority; a location that is
    not mapped is never read from nor written to. ``segments`` promises SKUs of some classes of velocity
    another tolerance than ``tolerance_ms``. A full read of stock that would cut more than
    ``guard_cut_share`` of the SKUs waits for a person; 1 never does. A stock figure that a full read no longer
    contains goes on counting, unless ``hold_vanished``. Without ``events`` the source's are not counted on: a change
    counts as found when it is read. What somebody changed at the channel that the source owns is
    written back if ``put_back``, else only told. ``left_out`` are operations of the flow that are not asked for, as
    somebody decided. ``restock`` and ``money`` say what a channel does with goods and money of an order that the ERP takes
    back or cancels: whether it puts the goods on its own shelf, and whether it gives the money back. ``name`` is how
    it is called on screens, in metrics and in the lag table.
    """

    flow: Flow
    source: str
    sink: str
    tolerance_ms: int
    locations: Mapping[str, str] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)
    rounding_tolerance: Decimal = Decimal("0.02")
    poll_interval_ms: int = 0
    reconcile_interval_ms: int = 0
    guard_cut_share: Decimal = Decimal(1)
    hold_vanished: bool = False
    segments: Mapping[Velocity, int] = field(default_factory=dict)
    prices: PriceRules = NO_PRICES
    products: ProductRules = NO_PRODUCTS
    events: bool = True
    customers: CustomerRules = NO_CUSTOMERS
    put_back: bool = True
    left_out: frozenset[str] = frozenset()
    restock: bool = False
    money: bool = True
    credit: CreditRules = NO_CREDIT
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{self.flow}:{self.source}->{self.sink}")

    def rule_for(self, sku: str) -> QuantityRule:
        """The rule that holds for a SKU: each field as the nearest level sets it."""
        return self.rules.of(sku).rule


class Routes:
    """The configured routes, by the questions that the engine asks, and what the sold SKUs are made of."""

    def __init__(self, routes: Sequence[Route], recipes: Recipes | None = None) -> None:
        self.all = tuple(routes)
        self.recipes = recipes or Recipes()
        names = [route.name for route in routes]
        if len(set(names)) != len(names):
            raise ValueError("two routes carry the same flow between the same systems")
        self._by_name = {route.name: route for route in routes}
        self._back = {
            route.name: {channel: erp for erp, channel in route.locations.items()} for route in routes
        }

    def named(self, name: str) -> Route | None:
        """The route of that name."""
        return self._by_name.get(name)

    def of(self, flow: Flow, *, source: str | None = None, sink: str | None = None) -> list[Route]:
        """Routes of a flow, from or to a system."""
        return [
            route
            for route in self.all
            if route.flow is flow
            and (source is None or route.source == source)
            and (sink is None or route.sink == sink)
        ]

    def heir(self, source: str, customer: str) -> str:
        """Who a customer of a source was merged into, as the routes of customers say; the customer itself if nobody did."""
        for route in self.of(Flow.CUSTOMERS, source=source):
            customer = route.customers.heir(customer)
        return customer

    def holds_vanished(self, source: str) -> bool:
        """Whether stock counts as nothing that a system's full read no longer contains: if one of its routes says so."""
        return any(route.hold_vanished for route in self.of(Flow.INVENTORY, source=source))

    def erp_location(self, channel: str, location: str) -> str:
        """The ERP location behind a channel's location; "" if it is not mapped."""
        for route in self.of(Flow.INVENTORY, sink=channel):
            at = self._back[route.name].get(location)
            if at is not None:
                return at
        return ""

    def channel_location(self, channel: str, location: str) -> str:
        """The channel's location for an ERP location; "" if it is not mapped."""
        for route in self.of(Flow.INVENTORY, sink=channel):
            at = route.locations.get(location)
            if at is not None:
                return at
        return ""


def reference_of(channel: str, key: str) -> str:
    """The external id under which an ERP finds a channel's record again.

    Letters, digits, ``-`` and ``_`` only, as NetSuite requires; case must not matter.
    """
    return f"{channel}-{key}".lower()


def customer_reference(channel: str, key: str) -> str:
    """The external id of a channel's customer in the ERP: two shops may count from the same number."""
    return reference_of(channel, f"c-{key}")


def parse_reference(reference: str, channels: Sequence[str]) -> tuple[str, str] | None:
    """The channel and key behind a reference; ``None`` for somebody else's."""
    lowered = reference.lower()
    for channel in sorted(channels, key=len, reverse=True):
        prefix = f"{channel.lower()}-"
        if lowered.startswith(prefix) and len(lowered) > len(prefix):
            return channel, lowered[len(prefix) :]
    return None


Signal = Callable[[], None]
