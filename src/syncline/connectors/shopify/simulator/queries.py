"""The root fields that read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator import searches
from syncline.connectors.shopify.simulator.companies import COMPANY_SCOPES, company
from syncline.connectors.shopify.simulator.fields import number_of
from syncline.connectors.shopify.simulator.operation import FieldRefused, Page, Resolver
from syncline.connectors.shopify.simulator.records import BulkOperation, InventoryItem, OrderRecord, Product
from syncline.connectors.shopify.simulator.search import (
    Term,
    at_time,
    compare,
    fits,
    matches,
    paginate,
    understood,
)


def _of(kind: str, table: str) -> Resolver:
    """A lookup by global id: null where unknown, an error for another type's id (live answers)."""

    def resolve(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Any:
        text = arguments["id"]
        if not text.startswith(f"gid://shopify/{kind}/"):
            raise FieldRefused(f"Invalid id: {text}", "RESOURCE_NOT_FOUND")
        return getattr(shop.state, table).get(number_of(text, kind))

    return resolve


def _inventory_item(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> InventoryItem | None:
    variant = _of("InventoryItem", "items")(shop, None, arguments)
    return InventoryItem(variant) if variant else None


def _inventory_level(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Any:
    place, _, item = arguments["id"].partition("?inventory_item_id=")
    variant = shop.state.items.get(int(item)) if item.isdigit() else None
    return variant.levels.get(number_of(place, "InventoryLevel")) if variant else None


def _order(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> OrderRecord | None:
    order: OrderRecord | None = _of("Order", "orders")(shop, None, arguments)
    return order if order and searches.readable(shop, order) else None


_NODES = {
    "BulkOperation": "bulk",
    "Customer": "customers",
    "Fulfillment": "fulfillments",
    "FulfillmentOrder": "fulfillment_orders",
    "Location": "locations",
    "PriceList": "price_lists",
    "ProductVariant": "variants",
    "Refund": "refunds",
    "WebhookSubscription": "subscriptions",
}
_OF_COMPANIES = {
    "Company": "companies",
    "CompanyContact": "contacts",
    "CompanyLocation": "locations",
    "PaymentTermsTemplate": "terms",
}
# What belongs to an order and has an id of its own, but no table.
_OF_ORDERS: dict[str, Callable[[OrderRecord], Iterable[Any]]] = {
    "FulfillmentLineItem": lambda order: (line for one in order.fulfillments for line in one.lines),
    "FulfillmentOrderLineItem": lambda order: (
        line for one in order.fulfillment_orders for line in one.lines
    ),
    "LineItem": lambda order: order.lines,
    "OrderTransaction": lambda order: order.transactions,
}
_SPECIAL: dict[str, Resolver] = {}


def _find(shop: ShopifySimulator, text: str) -> Any:
    kind = text.removeprefix("gid://shopify/").partition("/")[0]
    if kind in _SPECIAL:
        return _SPECIAL[kind](shop, None, {"id": text})
    number = number_of(text, kind)
    if kind in _OF_COMPANIES:
        return getattr(shop.state.book, _OF_COMPANIES[kind]).get(number)
    if kind in _OF_ORDERS:
        parts = (part for order in shop.state.orders.values() for part in _OF_ORDERS[kind](order))
        return next((part for part in parts if part.id == number), None)
    table = _NODES.get(kind)
    return getattr(shop.state, table).get(number) if table else None


def _node(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Any:
    return _find(shop, arguments["id"])


def _nodes(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> list[Any]:
    return [_find(shop, text) for text in arguments["ids"]]


def _location(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Any:
    if arguments.get("id") is None:
        return next(iter(shop.state.locations.values()), None)
    return _of("Location", "locations")(shop, None, arguments)


def _locations(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Page:
    by_name = arguments.get("sortKey", "NAME") == "NAME"
    nodes = sorted(shop.state.locations.values(), key=lambda at: (at.name if by_name else at.id, at.id))
    return paginate(nodes, lambda at: (at.name if by_name else at.id, at.id), arguments)


# -- lists


def _variants(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Page:
    nodes = searches.variants(shop, arguments.get("query"))
    if arguments.get("sortKey") == "SKU":
        nodes.sort(key=lambda v: (v.sku, v.variant_id))
        return paginate(nodes, lambda v: (v.sku, v.variant_id), arguments)
    return paginate(nodes, lambda v: (v.variant_id, v.variant_id), arguments)


def _items(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Page:
    nodes = [InventoryItem(one) for one in searches.variants(shop, arguments.get("query"), items=True)]
    return paginate(nodes, _item_key, arguments)


def _item_key(item: InventoryItem) -> tuple[int, int]:
    return item.variant.inventory_item_id, item.variant.inventory_item_id


def _sort_key(arguments: dict[str, Any], default: str, known: Iterable[str]) -> str:
    sort_key: str = arguments.get("sortKey") or default
    if sort_key not in known:
        raise FieldRefused(f"sortKey {sort_key} is not simulated", "BAD_REQUEST")
    return sort_key


def _orders(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Page:
    sort_key = _sort_key(arguments, "PROCESSED_AT", searches.ORDER_KEYS)
    found, updated = searches.orders(shop, arguments.get("query"))

    def key_of(order: OrderRecord) -> tuple[Any, int]:
        return searches.order_key(sort_key, order, updated)

    found.sort(key=key_of)
    return paginate(found, key_of, arguments)


def _customers(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Page:
    _sort_key(arguments, "ID", ("ID", "RELEVANCE"))
    nodes = sorted(searches.customers(shop, arguments.get("query")), key=lambda one: one.id)
    return paginate(nodes, lambda one: (one.id, one.id), arguments)


def _companies(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Page:
    return paginate(searches.companies(shop, arguments.get("query")), lambda one: (one.id, one.id), arguments)


def _products(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Page:
    key = searches.PRODUCT_KEYS[_sort_key(arguments, "ID", searches.PRODUCT_KEYS)]

    def key_of(one: Product) -> tuple[Any, int]:
        return key(one, shop.state.products[one.id]), one.id

    return paginate(sorted(searches.products(shop, arguments.get("query")), key=key_of), key_of, arguments)


def _counted(count: int, limit: int | None) -> dict[str, Any]:
    exact = limit is None or count <= limit
    return {"count": count if exact else limit, "precision": "EXACT" if exact else "AT_LEAST"}


def _orders_count(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    found, _ = searches.orders(shop, arguments.get("query"))
    return _counted(len(found), arguments.get("limit"))


def _products_count(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    return _counted(len(searches.products(shop, arguments.get("query"))), arguments.get("limit"))


# -- products and bulk operations


def _product(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Product | None:
    number = number_of(arguments["id"], "Product")
    return shop.state.product(number) if _of("Product", "products")(shop, None, arguments) else None


def _product_by(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Product | None:
    given = arguments["identifier"]
    if given.get("handle") is not None:
        number = shop.state.handles.get(given["handle"], -1)
        return shop.state.product(number) if number in shop.state.products else None
    return _product(shop, None, given)


def _translatable(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Product | None:
    return _product(shop, None, {"id": arguments["resourceId"]})


def _bulk_operations(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Page:
    """Newest first unless ``reverse``."""
    known = ("created_at", "id", "operation_type", "status")
    groups = understood(shop, arguments.get("query") or "", known, known)
    now_ms = shop.clock.now_ms()

    def holds(term: Term, one: BulkOperation) -> bool:
        if term.field == "created_at":
            return at_time(term, one.created_ms, now_ms)
        if term.field == "id":
            return term.value.isdigit() and compare(term.op, one.id, int(term.value))
        return matches(one.kind if term.field == "operation_type" else one.status, term.value)

    nodes = [one for one in shop.state.bulk.values() if fits(groups, lambda t, one=one: holds(t, one))]  # type: ignore[misc]
    nodes.sort(key=lambda one: one.id)
    back = not arguments.get("reverse", False)
    return paginate(nodes, lambda one: (one.id, one.id), {**arguments, "reverse": back})


# -- webhook subscriptions


def _subscriptions(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Page:
    topics, uri = arguments.get("topics"), arguments.get("uri")
    nodes = [
        sub
        for sub in shop.state.subscriptions.values()
        if (not topics or sub.topic in topics) and (uri is None or sub.uri == uri)
    ]
    return paginate(nodes, lambda sub: (sub.id, sub.id), arguments)


QUERIES: dict[str, Resolver] = {
    "companies": _companies,
    "company": company,
    "customer": _of("Customer", "customers"),
    "customers": _customers,
    "currentAppInstallation": lambda shop, _n, _a: shop,
    "fulfillment": _of("Fulfillment", "fulfillments"),
    "fulfillmentOrder": _of("FulfillmentOrder", "fulfillment_orders"),
    "inventoryItem": _inventory_item,
    "inventoryItems": _items,
    "inventoryLevel": _inventory_level,
    "location": _location,
    "locations": _locations,
    "node": _node,
    "nodes": _nodes,
    "order": _order,
    "orders": _orders,
    "ordersCount": _orders_count,
    "priceList": _of("PriceList", "price_lists"),
    "bulkOperation": _of("BulkOperation", "bulk"),
    "bulkOperations": _bulk_operations,
    "product": _product,
    "productByIdentifier": _product_by,
    "products": _products,
    "productsCount": _products_count,
    "translatableResource": _translatable,
    "productVariant": _of("ProductVariant", "variants"),
    "productVariants": _variants,
    "shop": lambda shop, _n, _a: shop,
    "webhookSubscription": _of("WebhookSubscription", "subscriptions"),
    "webhookSubscriptions": _subscriptions,
}

_SPECIAL |= {
    "InventoryItem": _inventory_item,
    "InventoryLevel": _inventory_level,
    "Order": _order,
    "Product": _product,
    "Shop": lambda shop, _n, _a: shop,
}

# Which scope a field needs (shopify.dev "access-scopes"). A write scope includes its read scope.
SCOPES: dict[tuple[str, str], frozenset[str]] = {
    **COMPANY_SCOPES,
    ("QueryRoot", "customer"): frozenset({"read_customers"}),
    ("QueryRoot", "customers"): frozenset({"read_customers"}),
    ("QueryRoot", "inventoryItem"): frozenset({"read_inventory"}),
    ("QueryRoot", "inventoryItems"): frozenset({"read_inventory"}),
    ("QueryRoot", "inventoryLevel"): frozenset({"read_inventory"}),
    ("QueryRoot", "location"): frozenset({"read_locations"}),
    ("QueryRoot", "locations"): frozenset({"read_locations"}),
    ("QueryRoot", "order"): frozenset({"read_orders"}),
    ("QueryRoot", "orders"): frozenset({"read_orders"}),
    ("QueryRoot", "ordersCount"): frozenset({"read_orders"}),
    ("QueryRoot", "priceList"): frozenset({"read_products"}),
    ("QueryRoot", "product"): frozenset({"read_products"}),
    ("QueryRoot", "productByIdentifier"): frozenset({"read_products"}),
    ("QueryRoot", "products"): frozenset({"read_products"}),
    ("QueryRoot", "productsCount"): frozenset({"read_products"}),
    ("QueryRoot", "productVariant"): frozenset({"read_products"}),
    ("QueryRoot", "translatableResource"): frozenset({"read_translations"}),
    ("QueryRoot", "productVariants"): frozenset({"read_products"}),
    ("QueryRoot", "fulfillmentOrder"): frozenset({"read_merchant_managed_fulfillment_orders"}),
    ("Order", "fulfillmentOrders"): frozenset({"read_merchant_managed_fulfillment_orders"}),
    ("Order", "customer"): frozenset({"read_customers"}),
    ("Mutation", "inventorySetQuantities"): frozenset({"write_inventory"}),
    ("Mutation", "inventoryAdjustQuantities"): frozenset({"write_inventory"}),
    ("Mutation", "inventoryActivate"): frozenset({"write_inventory"}),
    ("Mutation", "fulfillmentCreate"): frozenset({"write_merchant_managed_fulfillment_orders"}),
    ("Mutation", "fulfillmentOrderMove"): frozenset({"write_merchant_managed_fulfillment_orders"}),
    ("Mutation", "fulfillmentTrackingInfoUpdate"): frozenset({"write_merchant_managed_fulfillment_orders"}),
    ("Mutation", "orderMarkAsPaid"): frozenset({"write_orders"}),
    ("Mutation", "orderCancel"): frozenset({"write_orders"}),
    ("Mutation", "orderCreateManualPayment"): frozenset({"write_orders"}),
    ("Mutation", "refundCreate"): frozenset({"write_orders"}),
    ("Mutation", "priceListFixedPricesUpdate"): frozenset({"write_products"}),
    ("Mutation", "productSet"): frozenset({"write_products"}),
    ("Mutation", "productUpdate"): frozenset({"write_products"}),
    ("Mutation", "productVariantsBulkCreate"): frozenset({"write_products"}),
    ("Mutation", "productVariantsBulkUpdate"): frozenset({"write_products"}),
    ("Mutation", "publishablePublish"): frozenset({"write_publications"}),
    ("Mutation", "publishableUnpublish"): frozenset({"write_publications"}),
    ("Mutation", "translationsRegister"): frozenset({"write_translations"}),
    ("Mutation", "translationsRemove"): frozenset({"write_translations"}),
    ("Mutation", "quantityPricingByVariantUpdate"): frozenset({"write_products"}),
    ("Mutation", "tagsAdd"): frozenset({"write_orders"}),
}
