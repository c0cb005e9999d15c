"""The root fields that read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator.companies import COMPANY_QUERIES, COMPANY_SCOPES
from syncline.connectors.shopify.simulator.fields import number_of
from syncline.connectors.shopify.simulator.operation import FieldRefused, Page, Resolver
from syncline.connectors.shopify.simulator.records import InventoryItem, OrderRecord, Product, Variant
from syncline.connectors.shopify.simulator.search import (
    Term,
    compare,
    instant_ms,
    matches,
    paginate,
    parse_query,
)

ORDERS_WINDOW_MS = 60 * 86_400_000  # without read_all_orders (contract section 1)


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
    return order if order and _readable(shop, order) else None


def _readable(shop: ShopifySimulator, order: OrderRecord) -> bool:
    all_orders = "read_all_orders" in shop.scopes
    return all_orders or order.created_ms >= shop.clock.now_ms() - ORDERS_WINDOW_MS


_NODES = {
    "FulfillmentOrder": "fulfillment_orders",
    "Fulfillment": "fulfillments",
    "Location": "locations",
    "ProductVariant": "variants",
    "Refund": "refunds",
    "WebhookSubscription": "subscriptions",
    "Customer": "customers",
}

_OF_COMPANIES = {"Company": "companies", "CompanyLocation": "locations"}


def _find(shop: ShopifySimulator, text: str) -> Any:
    kind = text.removeprefix("gid://shopify/").partition("/")[0]
    if kind == "Order":
        return _order(shop, None, {"id": text})
    if kind == "InventoryItem":
        return _inventory_item(shop, None, {"id": text})
    if kind == "InventoryLevel":
        return _inventory_level(shop, None, {"id": text})
    if kind in _OF_COMPANIES:
        return getattr(shop.state.book, _OF_COMPANIES[kind]).get(number_of(text, kind))
    table = _NODES.get(kind)
    return getattr(shop.state, table).get(number_of(text, kind)) if table else None


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


# -- variants and items share one order and one set of filters


def _select_variants(shop: ShopifySimulator, query: str | None) -> Iterable[Variant]:
    if not query:
        return shop.state.variants.values()
    chosen: dict[int, Variant] = {}
    for group in parse_query(query):
        pool: Iterable[Variant] = shop.state.variants.values()
        for term in group:
            exact = not term.negated and not term.op and term.field == "sku" and not term.value.endswith("*")
            if exact and term.value in shop.state.skus:
                pool = [shop.state.skus[term.value]]
                break
        for variant in pool:
            if all(_variant_fits(shop, variant, term) for term in group):
                chosen[variant.variant_id] = variant
    return [chosen[key] for key in sorted(chosen)]


def _variant_fits(shop: ShopifySimulator, variant: Variant, term: Term) -> bool:
    if term.field == "sku":
        fits = matches(variant.sku, term.value)
    elif term.field in {"", "title"}:
        fits = matches(variant.title, term.value) or matches(variant.sku, term.value)
    elif term.field == "id":
        numbers = variant.variant_id, variant.inventory_item_id
        fits = any(compare(term.op, number, int(term.value)) for number in numbers)
    elif term.field in {"updated_at", "created_at"}:
        at_ms = variant.updated_ms if term.field == "updated_at" else variant.created_ms
        fits = compare(term.op, at_ms // 1000 * 1000, instant_ms(term.value))
    else:
        shop.ledger.breach("unknown_search_field")
        return True
    return fits is not term.negated


def _variants(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Page:
    nodes = list(_select_variants(shop, arguments.get("query")))
    if arguments.get("sortKey") == "SKU":
        nodes.sort(key=lambda v: (v.sku, v.variant_id))
        return paginate(nodes, lambda v: (v.sku, v.variant_id), arguments)
    return paginate(nodes, lambda v: (v.variant_id, v.variant_id), arguments)


def _items(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Page:
    nodes = [InventoryItem(variant) for variant in _select_variants(shop, arguments.get("query"))]
    return paginate(nodes, _item_key, arguments)


def _item_key(item: InventoryItem) -> tuple[int, int]:
    return item.variant.inventory_item_id, item.variant.inventory_item_id


# -- orders


def _orders(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Page:
    sort_key = arguments.get("sortKey", "PROCESSED_AT")
    by_update = sort_key == "UPDATED_AT"
    if sort_key not in {"UPDATED_AT", "CREATED_AT", "PROCESSED_AT", "ID", "ORDER_NUMBER", "RELEVANCE"}:
        raise FieldRefused(f"sortKey {sort_key} is not simulated", "BAD_REQUEST")
    query = arguments.get("query")
    if not query:
        found = [order for order in shop.state.orders.values() if _readable(shop, order)]
        updated = {order.id: order.updated_ms for order in found} if by_update else {}
    else:
        updated = shop.state.indexed(shop.faults.read_lag_ms)
        found = _search_orders(shop, query, updated)

    def key_of(order: OrderRecord) -> tuple[int, int]:
        if sort_key in {"ID", "ORDER_NUMBER", "RELEVANCE"}:
            return order.id, order.id
        at_ms = updated[order.id] if by_update else order.created_ms
        return at_ms // 1000 * 1000, order.id  # the index knows whole seconds

    found.sort(key=key_of)
    return paginate(found, key_of, arguments)


def _search_orders(shop: ShopifySimulator, query: str, updated: dict[int, int]) -> list[OrderRecord]:
    orders = shop.state.orders
    chosen: dict[int, OrderRecord] = {}
    for group in parse_query(query):
        since = min(
            (instant_ms(t.value) for t in group if t.field == "updated_at" and ">" in t.op and not t.negated),
            default=None,
        )
        for order_id in reversed(updated):
            if since is not None and updated[order_id] < since:
                break  # the index is in the order of updates
            order = orders[order_id]
            if all(_order_fits(shop, order, updated[order_id], term) for term in group):
                chosen[order_id] = order
    return [order for order in chosen.values() if _readable(shop, order)]


def _order_fits(shop: ShopifySimulator, order: OrderRecord, updated_ms: int, term: Term) -> bool:
    field, op, value = term.field, term.op, term.value
    if field == "updated_at":
        fits = compare(op, updated_ms // 1000 * 1000, instant_ms(value))
    elif field in {"created_at", "processed_at"}:
        fits = compare(op, order.created_ms // 1000 * 1000, instant_ms(value))
    elif field == "id":
        number = value.rpartition("/")[2]
        fits = number.isdigit() and compare(op, order.id, int(number))
    elif field in {"", "name"}:
        fits = matches(order.name, value) or matches(order.name[1:], value)
    elif field == "status":
        fits = _status_fits(order, value)
    elif field == "financial_status":
        fits = value == "any" or order.financial_status().lower() == value.lower()
    elif field == "fulfillment_status":
        fits = value == "any" or _FULFILLMENT_WORDS[order.fulfillment_status()] == value.lower()
    elif field == "po_number":
        fits = matches(order.po_number or "", value)
    elif field == "source_identifier":
        fits = matches(order.source_reference, value)
    elif field == "tag":
        fits = any(matches(tag, value) for tag in order.tags)
    else:
        shop.ledger.breach("unknown_search_field")
        return True
    return fits is not term.negated


_FULFILLMENT_WORDS = {"FULFILLED": "shipped", "PARTIALLY_FULFILLED": "partial", "UNFULFILLED": "unshipped"}


def _status_fits(order: OrderRecord, value: str) -> bool:
    return {
        "any": True,
        "open": order.closed_ms is None and not order.cancelled,
        "closed": order.closed_ms is not None,
        "cancelled": order.cancelled,
        "not_closed": order.closed_ms is None,
    }.get(value.lower(), False)


# -- customers


def _customers(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Page:
    """By id; of the filters only ``id``, the others are not simulated."""
    nodes = list(shop.state.customers.values())
    if arguments.get("sortKey", "ID") != "ID":
        raise FieldRefused(f"sortKey {arguments['sortKey']} is not simulated", "BAD_REQUEST")
    for group in parse_query(arguments.get("query") or ""):
        for term in group:
            if term.field != "id":
                shop.ledger.breach("unknown_search_field")
                continue
            nodes = [one for one in nodes if compare(term.op, one.id, int(term.value)) is not term.negated]
    nodes.sort(key=lambda one: one.id)
    return paginate(nodes, lambda one: (one.id, one.id), arguments)


# -- products and bulk operations


def _product(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Product | None:
    number = number_of(arguments["id"], "Product")
    return shop.state.product(number) if number in shop.state.products else None


def _product_by(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Product | None:
    given = arguments["identifier"]
    if given.get("handle") is not None:
        number = shop.state.handles.get(given["handle"], -1)
        return shop.state.product(number) if number in shop.state.products else None
    return _product(shop, None, given)


def _translatable(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Product | None:
    return _product(shop, None, {"id": arguments["resourceId"]})


def _bulk_operations(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Page:
    """Newest first unless ``reverse``; of the filters ``operation_type`` and ``created_at``."""
    nodes = list(shop.state.bulk.values())
    for group in parse_query(arguments.get("query") or ""):
        for term in group:
            if term.field == "created_at":
                nodes = [one for one in nodes if compare(term.op, one.created_ms, instant_ms(term.value))]
            elif term.field != "operation_type" or term.value != "mutation":
                shop.ledger.breach("unknown_search_field")
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
    **COMPANY_QUERIES,
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
    "priceList": _of("PriceList", "price_lists"),
    "bulkOperation": _of("BulkOperation", "bulk"),
    "bulkOperations": _bulk_operations,
    "product": _product,
    "productByIdentifier": _product_by,
    "translatableResource": _translatable,
    "productVariant": _of("ProductVariant", "variants"),
    "productVariants": _variants,
    "shop": lambda shop, _n, _a: shop,
    "webhookSubscription": _of("WebhookSubscription", "subscriptions"),
    "webhookSubscriptions": _subscriptions,
}

# Which scope a field needs (shopify.dev "access-scopes"). A write scope includes its read scope.
SCOPES: dict[tuple[str, str], frozenset[str]] = {
    **COMPANY_SCOPES,
    ("QueryRoot", "customers"): frozenset({"read_customers"}),
    ("QueryRoot", "inventoryItem"): frozenset({"read_inventory"}),
    ("QueryRoot", "inventoryItems"): frozenset({"read_inventory"}),
    ("QueryRoot", "inventoryLevel"): frozenset({"read_inventory"}),
    ("QueryRoot", "location"): frozenset({"read_locations"}),
    ("QueryRoot", "locations"): frozenset({"read_locations"}),
    ("QueryRoot", "order"): frozenset({"read_orders"}),
    ("QueryRoot", "orders"): frozenset({"read_orders"}),
    ("QueryRoot", "priceList"): frozenset({"read_products"}),
    ("QueryRoot", "product"): frozenset({"read_products"}),
    ("QueryRoot", "productByIdentifier"): frozenset({"read_products"}),
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
