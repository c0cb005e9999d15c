"""What was captured, and where it stands in our history."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from syncline.model.records import Record


class Flow(StrEnum):
    """The kinds of data that a route carries."""

    CUSTOMERS = "customers"
    PRICES = "prices"
    INVENTORY = "inventory"
    CATALOG = "catalog"
    ORDERS = "orders"
    CREDIT = "credit"
    ORDER_STATUS = "order_status"
    PAYMENTS = "payments"
    RETURNS = "returns"


class Kind(StrEnum):
    """The kinds of canonical record, each with its own key space."""

    STOCK = "stock"  # "<sku>\x1f<location>"
    ITEM = "item"  # the SKU
    ORDER = "order"  # the channel's order id
    ERP_ORDER = "erp_order"  # the same key, on the ERP's side
    SHIPMENT = "shipment"  # the ERP's fulfilment id
    PRICE = "price"  # "<sku>\x1f<price list>"; of what a channel shows, "<its price list>\x1f<sku>"
    PRODUCT = "product"  # as its source calls it; of what a channel shows, "<what of it>\x1f<the product>"
    CUSTOMER = "customer"  # the source's id of it; bindings of channels' buyers have our reference of them
    RECEIPT = "receipt"  # the key of the ERP's order: what was received for it
    RETURN = "return"  # the id of the ERP's document with which goods came back
    LEVEL = "level"  # "<stock id>\x1f<location>", as the channel names them
    CREDIT = "credit"  # the account, by its key at the source; of what a channel is told, the same
    PRIVACY = "privacy"  # the id of a request about personal data; it is kept apart, and no record


class Via(StrEnum):
    """How a fact reached us."""

    EVENT = "event"
    POLL = "poll"
    SNAPSHOT = "snapshot"
    READ = "read"


class Event(Struct, frozen=True):
    """A raw fact, exactly as it came, before anybody interpreted it.

    ``event_id`` is unique within the system; the same id again is a duplicate and changes nothing.
    """

    system: str
    topic: str
    event_id: str
    via: Via
    occurred_at_ms: int
    body: bytes


class LoggedEvent(Struct, frozen=True):
    """An event with its place in the log and the moment we became answerable for it."""

    offset: int
    received_at_ms: int
    event: Event


class Change(Struct, frozen=True):
    """One canonical fact: this record, at this version of its source.

    ``version`` orders changes of one record by the source's own reckoning; that of an order is its
    ``updated_at_ms``, with which the revisions that were sent are compared. ``tiebreak`` orders changes of
    equal version by how much they know. The same (version, tiebreak) again, or an older one, changes nothing. Where a read found that the record changed several times, ``moments`` are these, oldest
    first, and ``changed_at_ms`` is the first: who was told of some of them can tell since when the rest was missing.
    """

    kind: Kind
    key: str
    version: int
    tiebreak: int
    changed_at_ms: int
    value: Record
    moments: tuple[int, ...] = ()


class Cursor(Struct, frozen=True):
    """A source's own bookmark for one stream, opaque to us.

    ``covers_ms`` is the moment up to which the whole scope of the stream is confirmed: the instant,
    on our clock, at which the last completed read began.
    """

    system: str
    stream: str
    position: str
    covers_ms: int
