"""What a connector can do, as data with four readers: planner, tests, docs and dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from syncline.model.customers import CustomerField
from syncline.model.pricing import USUAL_ORDER, PriceOrder


class StockBasis(StrEnum):
    """Which quantity a stock figure states."""

    AVAILABLE = "available"
    ON_HAND = "on_hand"


class OwnOrders(StrEnum):
    """What a system does with its own orders to the number that we wrote."""

    NOT_SUBTRACTED = "not subtracted"
    LOWER_THE_NUMBER = "lower the number when placed"
    SUBTRACTED_WHILE_OPEN = "subtracted while open"  # the number falls when they are shipped


@dataclass(frozen=True, slots=True)
class StockContract:
    """What the number means that we write: its basis, and which demand the system subtracts from it."""

    basis: StockBasis
    own_orders: OwnOrders

    def __str__(self) -> str:
        """As it stands in the reference."""
        return f"{self.basis}; own orders {self.own_orders}"


PLAIN = StockContract(StockBasis.AVAILABLE, OwnOrders.NOT_SUBTRACTED)
AVAILABLE_OWN_ORDERS_SUBTRACTED = StockContract(StockBasis.AVAILABLE, OwnOrders.LOWER_THE_NUMBER)
SOURCE_QUANTITY_ADD_BACK_OPEN_LINES = StockContract(StockBasis.ON_HAND, OwnOrders.SUBTRACTED_WHILE_OPEN)


class LimitKind(StrEnum):
    """How a vendor limits its callers."""

    LEAKY_BUCKET = "leaky_bucket"
    QUERY_COST = "query_cost"
    CONCURRENCY = "concurrency"
    NONE = "none"


class BeforeOrder(StrEnum):
    """What a channel shows of units that somebody has taken before an order tells of them."""

    EVENTS = "its number, by event"
    READINGS = "its number, when it is read"
    RESERVED = "units set aside, when its number is read"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one kind of system offers. No field is ``None``: absent means ``False``, 0 or empty.

    ``webhook_handshake`` is the query parameter whose value the address has to give back before events are sent to
    it. ``webhooks_announce``: they only say that something changed, with a shared secret inside and no signature, so
    they state no value and lead to a read. ``without_events``: flows of which no event tells although others are told. Without ``compare_and_set`` a number is read just before it is written, and the time between is the
    route's exposure. ``applies_after_ms``: a write that the vendor accepted may take so long to show; it
    counts once it was read back. 0: at once. ``before_order``: how it becomes known that units are gone for
    which there is no order yet, such as drafts; what is not, a buffer has to cover. ``ships_where_allocated``: a shipment is
    taken only for the location from which the channel itself expects it. ``moves_orders``: it can be made to expect an order's
    goods from another location. ``open_units_at``: the location
    from which units of open orders are taken to leave, where the channel tells none before a parcel does; a route of stock has
    to map it, or those units would be in nobody's pool. ``order_fields``: a pattern of the fields of the
    account's own that can be written in an order. ``order_stamp_ms``: for so
    long an order may change again under the same stamp, so it is read after that. ``price_lists``: prices beside the
    one of the item itself can be written; ``compares_prices``: a higher price can be shown struck through. ``price_decimals`` are kept of a price that is written; ``price_order`` is
    which price a system of record takes if several hold, unless a route says otherwise. ``list_names``: what a system of record calls its lists,
    whole, or up to the colon behind which a name stands; none: anything. ``lists_by_number``: the list of what
    was agreed with a customer is named by the customer's number, not by the id.
    ``customer_fields`` are what the channel can hold of a customer.
    """

    webhooks: bool = False
    webhook_signature: str = ""
    webhook_handshake: str = ""
    webhooks_announce: bool = False
    without_events: tuple[str, ...] = ()
    delta_poll: tuple[str, ...] = ()
    deletes_seen: bool = False
    compare_and_set: bool = False
    applies_after_ms: int = 0
    idempotency_keys: bool = False
    external_reference: bool = False
    batch_items_max: int = 1
    partial_batch: bool = False
    multi_location: bool = False
    stock_read_basis: StockBasis = StockBasis.AVAILABLE
    stock_contract: StockContract = PLAIN
    before_order: tuple[BeforeOrder, ...] = ()
    exposes_reserved: bool = False
    ships_where_allocated: bool = False
    moves_orders: bool = False
    open_units_at: str = ""
    order_fields: str = ""
    checkout_ms: int = (
        0  # from a buyer's commitment until the order exists, where nothing is known of the shop
    )
    limit: LimitKind = LimitKind.NONE
    event_delay_ms: int = 0
    order_stamp_ms: int = 0
    price_lists: bool = False
    compares_prices: bool = True
    price_decimals: int = 6
    price_order: PriceOrder = USUAL_ORDER
    list_names: tuple[str, ...] = ()
    lists_by_number: bool = False
    customer_fields: tuple[CustomerField, ...] = ()
    replica_lag_ms: int = 0

    def has_list(self, name: str) -> bool:
        """Whether a price list may be called so."""
        return not self.list_names or any(
            name.startswith(one) and name != one if one.endswith(":") else name == one
            for one in self.list_names
        )

    @property
    def list_names_told(self) -> str:
        """What its price lists are called, for a person."""
        return ", ".join(f"{one}…" if one.endswith(":") else one for one in self.list_names)

    def event_ms(self, flow: str) -> int:
        """The delay of the events that tell of a flow; 0: none does."""
        return self.event_delay_ms if self.webhooks and flow not in self.without_events else 0
