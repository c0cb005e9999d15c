"""What an adoption reads of a shop: every variant, location and order, whatever is wrong with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from msgspec import Struct

from syncline.connectors.shopify import documents, wire
from syncline.connectors.shopify.client import Client
from syncline.connectors.shopify.manifest import ShopifySettings
from syncline.connectors.shopify.source import OrdersPosition
from syncline.connectors.shopify.wire import number, to_ms
from syncline.model.census import ListedCustomer, ListedItem, ListedOrder, ListedPlace
from syncline.model.change import Cursor
from syncline.model.errors import Misconfigured, Retryable
from syncline.ports import CensusPage, Clock

# Shopify refuses to page deeper than 25,000 objects (https://shopify.dev/docs/api/usage/limits).
PAGES_PER_QUERY = 90
PAGES_MAX = 20_000
SHIPPED = frozenset({"FULFILLED", "RESTOCKED"})  # nothing is to be sent any more


class _Variant(Struct, frozen=True, rename="camel"):
    id: wire.Gid
    sku: str | None = None
    display_name: str = ""
    barcode: str | None = None
    inventory_quantity: int | None = None


class _Variants(Struct, frozen=True, rename="camel"):
    product_variants: wire.Connection[_Variant]


class _Customers(Struct, frozen=True):
    customers: wire.Connection[wire.GqlCustomer]


class _Place(Struct, frozen=True):
    id: wire.Gid
    name: str


class _Places(Struct, frozen=True):
    locations: wire.Connection[_Place]


class _Order(Struct, frozen=True, rename="camel"):
    id: wire.Gid
    name: str
    created_at: wire.Moment
    updated_at: wire.Moment
    current_total_price_set: wire.MoneyBag
    processed_at: wire.Moment | None = None
    cancelled_at: wire.Moment | None = None
    display_fulfillment_status: str = ""


class _Orders(Struct, frozen=True):
    orders: wire.Connection[_Order]


class _Stamps(Struct, frozen=True):
    orders: wire.Connection[wire.OrderStamp]


class ShopifyCensus:
    """One shop, listed. Reading has no effect."""

    def __init__(self, name: str, settings: ShopifySettings, *, client: Client, clock: Clock) -> None:
        self._name = name
        self._settings = settings
        self._client = client
        self._clock = clock

    async def read(
        self, what: str, position: str, *, fields: Sequence[str] = (), places: Sequence[str] = ()
    ) -> AsyncIterator[CensusPage]:
        if fields:
            raise Misconfigured(f"Shopify lists no field {fields[0]!r} of a variant; sku and barcode it does")
        reader = {
            "items": self._items,
            "places": self._places,
            "orders": self._orders,
            "customers": self._customers,
        }[what]
        async for page in reader(position):
            yield page

    async def _places(self, position: str) -> AsyncIterator[CensusPage]:
        answer = await self._client.call(documents.LOCATIONS, {}, _Places)
        listed = tuple(ListedPlace(number(node.id), node.name) for node in answer.locations.nodes)
        yield CensusPage(listed, "", last=True)

    async def _items(self, position: str) -> AsyncIterator[CensusPage]:
        """By id, from the position on. A page cursor ends with the process; the id does not."""
        after: str | None = None
        query = f"id:>{position}" if position else None
        for page_number in range(1, PAGES_MAX + 1):
            answer = await self._client.call(
                documents.LISTED_ITEMS, {"query": query, "after": after}, _Variants
            )
            nodes, info = answer.product_variants.nodes, answer.product_variants.page_info
            last = not info.has_next_page
            position = number(nodes[-1].id) if nodes else position
            yield CensusPage(tuple(_item(node) for node in nodes), position, last)
            if last:
                return
            after = info.end_cursor
            if page_number % PAGES_PER_QUERY == 0 or after is None:
                query, after = f"id:>{position}", None
        raise Retryable(f"reading variants did not end after {PAGES_MAX} pages")

    async def _customers(self, position: str) -> AsyncIterator[CensusPage]:
        """By id, as variants are."""
        after: str | None = None
        query = f"id:>{position}" if position else None
        for page_number in range(1, PAGES_MAX + 1):
            variables = {"query": query, "after": after}
            answer = await self._client.call(documents.LISTED_CUSTOMERS, variables, _Customers)
            nodes, info = answer.customers.nodes, answer.customers.page_info
            last = not info.has_next_page
            position = number(nodes[-1].id) if nodes else position
            yield CensusPage(tuple(_customer(node) for node in nodes), position, last)
            if last:
                return
            after = info.end_cursor
            if page_number % PAGES_PER_QUERY == 0 or after is None:
                query, after = f"id:>{position}", None
        raise Retryable(f"reading customers did not end after {PAGES_MAX} pages")

    async def _orders(self, position: str) -> AsyncIterator[CensusPage]:
        """By their last change. The search index lags, so a reading begins a while before its position."""
        seen_ms = int(position or 0)
        start_ms = seen_ms - self._settings.order_overlap_s * 1000
        query = _since(start_ms) if position else None
        after: str | None = None
        for page_number in range(1, PAGES_MAX + 1):
            answer = await self._client.call(
                documents.LISTED_ORDERS, {"query": query, "after": after}, _Orders
            )
            nodes, info = answer.orders.nodes, answer.orders.page_info
            last = not info.has_next_page
            orders = tuple(_order(node) for node in nodes)
            seen_ms = max((seen_ms, *(order.updated_at_ms for order in orders)))
            yield CensusPage(orders, str(seen_ms), last)
            if last:
                return
            after = info.end_cursor
            if page_number % PAGES_PER_QUERY == 0 or after is None:
                if query == _since(seen_ms):
                    raise Retryable("too many orders were changed in one second to be paged through")
                query, after = _since(seen_ms), None
        raise Retryable(f"reading orders did not end after {PAGES_MAX} pages")

    async def begin(self) -> tuple[Cursor, ...]:
        """The stream of orders goes on from the newest change, less what the search index may lag behind."""
        began_ms = self._clock.now_ms()
        newest = await self._client.call(documents.ORDERS_NEWEST, {}, _Stamps, urgent=True)
        seen_ms = max((to_ms(node.updated_at, "updatedAt") for node in newest.orders.nodes), default=0)
        floor_ms = max(0, seen_ms - self._settings.order_overlap_s * 1000)
        position = msgspec.json.encode(OrdersPosition(floor_ms, floor_ms)).decode()
        return (Cursor(self._name, "orders", position, began_ms),)


def _since(at_ms: int) -> str:
    return (
        f"updated_at:>='{datetime.fromtimestamp(max(0, at_ms) // 1000, UTC).strftime('%Y-%m-%dT%H:%M:%SZ')}'"
    )


def _item(node: _Variant) -> ListedItem:
    return ListedItem(
        number(node.id),
        node.sku or "",
        node.display_name,
        node.barcode or "",
        Decimal(node.inventory_quantity or 0),
    )


def _customer(node: wire.GqlCustomer) -> ListedCustomer:
    address = node.default_email_address
    return ListedCustomer(number(node.id), node.display_name, address.email_address if address else "")


def _order(node: _Order) -> ListedOrder:
    money = node.current_total_price_set.shop_money
    cancelled = node.cancelled_at is not None
    return ListedOrder(
        key=number(node.id),
        number=node.name,
        placed_at_ms=to_ms(node.processed_at or node.created_at, "processedAt"),
        updated_at_ms=to_ms(node.updated_at, "updatedAt"),
        total=Decimal(money.amount),
        currency=money.currency_code,
        open=not cancelled and node.display_fulfillment_status not in SHIPPED,
        cancelled=cancelled,
    )
