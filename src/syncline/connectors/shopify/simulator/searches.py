"""What a search finds: orders, products, variants, customers and companies, by the fields that the vendor's lists have.

Names of fields from what the 2026-07 schema says of each list's ``query``. One that the vendor has and that is not simulated is
refused; one that the vendor does not have is ignored with its warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator.fields import variant_title
from syncline.connectors.shopify.simulator.records import Customer, OrderRecord, Product, Variant
from syncline.connectors.shopify.simulator.search import (
    Term,
    at_time,
    compare,
    fits,
    instant_ms,
    matches,
    understood,
)

ORDERS_WINDOW_MS = 60 * 86_400_000  # without read_all_orders (contract section 1)


def _names(text: str) -> frozenset[str]:
    return frozenset(["", *text.split()])


_ORDERS = _names(
    "created_at current_total_price customer_id email financial_status fulfillment_location_id fulfillment_status gateway id name "
    "po_number processed_at sku source_identifier source_name status tag tag_not test updated_at"
)
_ALL_ORDERS = _ORDERS | _names(
    "cart_token channel channel_id chargeback_status checkout_token confirmation_number credit_card_last4 delivery_method "
    "discount_code fraud_protection_level location_id payment_id payment_provider_id reference_location_id return_status risk_level "
    "sales_channel subtotal_line_items_quantity total_weight"
)
_PRODUCTS = _names(
    "barcode created_at handle has_only_default_variant id inventory_total out_of_stock_somewhere price product_type sku status title "
    "tracks_inventory updated_at variant_id variant_title"
)
_ALL_PRODUCTS = _PRODUCTS | _names(
    "bundles category_id collection_id combined_listing_role delivery_profile_id error_feedback gift_card has_only_composites "
    "has_variant_with_components is_price_reduced product_configuration_owner product_publication_status publication_ids "
    "publishable_status published_at published_status tag tag_not vendor"
)
_VARIANTS = _names(
    "barcode id inventory_quantity location_id managed option1 option2 option3 product_id product_ids product_status product_type sku "
    "title updated_at"
)
_ALL_VARIANTS = _VARIANTS | _names(
    "collection delivery_profile_id exclude_composite exclude_variants_with_components gift_card managed_by product_publication_status "
    "publishable_status published_status requires_components tag tag_not taxable vendor"
)
_ITEMS = frozenset("created_at id sku updated_at".split())
_CUSTOMERS = _names("email first_name id last_name phone")
_ALL_CUSTOMERS = _CUSTOMERS | _names(
    "accepts_marketing country customer_date last_abandoned_order_date order_date orders_count state tag tag_not total_spent updated_at"
)
_COMPANIES = _names("created_at external_id id name updated_at") - {""}
_ALL_COMPANIES = _COMPANIES | _names("active_customers_count ordering_status since_date")


def _id(term: Term, number: int) -> bool:
    given = term.value.rpartition("/")[2]
    return given.isdigit() and compare(term.op, number, int(given))


def _amount(term: Term, minor: int) -> bool:
    try:
        return compare(term.op, minor, round(float(term.value) * 100))
    except ValueError:
        return False


def _count(term: Term, number: int) -> bool:
    return term.value.lstrip("-").isdigit() and compare(term.op, number, int(term.value))


def _flag(term: Term, *, held: bool) -> bool:
    return term.value.lower() == ("true" if held else "false")


# -- orders


def readable(shop: ShopifySimulator, order: OrderRecord) -> bool:
    """Whether an app may see an order: without ``read_all_orders`` only those of the last sixty days."""
    all_orders = "read_all_orders" in shop.scopes
    return all_orders or order.created_ms >= shop.clock.now_ms() - ORDERS_WINDOW_MS


def orders(shop: ShopifySimulator, query: str | None) -> tuple[list[OrderRecord], dict[int, int]]:
    """The orders that a search finds, and when each was changed as far as the index knows."""
    if not query:
        found = [order for order in shop.state.orders.values() if readable(shop, order)]
        return found, {order.id: order.updated_ms for order in found}
    updated = shop.state.indexed(shop.faults.read_lag_ms)
    groups = understood(shop, query, _ORDERS, _ALL_ORDERS) or [[]]
    now_ms, known = shop.clock.now_ms(), shop.state.orders
    chosen: dict[int, OrderRecord] = {}
    for group in groups:
        since = min(
            (
                instant_ms(t.value, now_ms)
                for t in group
                if t.field == "updated_at" and ">" in t.op and not t.negated
            ),
            default=None,
        )
        for order_id in reversed(updated):
            if since is not None and updated[order_id] < since:
                break  # the index is in the order of updates
            order, at_ms = known[order_id], updated[order_id]
            if all(_order_fits(order, at_ms, term, now_ms) is not term.negated for term in group):
                chosen[order_id] = order
    return [order for order in chosen.values() if readable(shop, order)], updated


_FULFILLMENT_WORDS = {
    "FULFILLED": {"shipped", "fulfilled"},
    "PARTIALLY_FULFILLED": {"partial"},
    "UNFULFILLED": {"unshipped", "unfulfilled"},
}
_SORTED_BY: dict[str, Callable[[OrderRecord], Any]] = {
    "ID": lambda order: order.id,
    "ORDER_NUMBER": lambda order: order.number,
    "RELEVANCE": lambda order: order.id,
    "CURRENT_TOTAL_PRICE": lambda order: order.current_total_minor(),
    "TOTAL_PRICE": lambda order: order.total_minor(),
    "CUSTOMER_NAME": lambda order: _name_of(order.customer),
    "FINANCIAL_STATUS": lambda order: order.financial_status(),
    "FULFILLMENT_STATUS": lambda order: order.fulfillment_status(),
    "PO_NUMBER": lambda order: order.po_number or "",
    "TOTAL_ITEMS_QUANTITY": lambda order: sum(line.quantity for line in order.lines),
    "CREATED_AT": lambda order: order.created_ms // 1000 * 1000,
    "PROCESSED_AT": lambda order: order.created_ms // 1000 * 1000,
}
ORDER_KEYS = frozenset({*_SORTED_BY, "UPDATED_AT"})


def order_key(sort_key: str, order: OrderRecord, updated: dict[int, int]) -> tuple[Any, int]:
    """By what orders are sorted; the index knows whole seconds."""
    if sort_key == "UPDATED_AT":
        return updated[order.id] // 1000 * 1000, order.id
    return _SORTED_BY[sort_key](order), order.id


def _name_of(customer: Customer | None) -> str:
    return f"{customer.buyer.last_name}, {customer.buyer.first_name}" if customer else ""


def _order_fits(order: OrderRecord, updated_ms: int, term: Term, now_ms: int) -> bool:
    field, value = term.field, term.value
    if field == "updated_at":
        return at_time(term, updated_ms, now_ms)
    if field in {"created_at", "processed_at"}:
        return at_time(term, order.created_ms, now_ms)
    if field == "id":
        return _id(term, order.id)
    if field in {"", "name"}:
        return matches(order.name, value) or matches(order.name[1:], value)
    if field == "status":
        return _status_fits(order, value)
    if field == "financial_status":
        return value == "any" or order.financial_status().lower() == value.lower()
    if field == "fulfillment_status":
        return value == "any" or value.lower() in _FULFILLMENT_WORDS[order.fulfillment_status()]
    if field == "current_total_price":
        return _amount(term, order.current_total_minor())
    if field == "customer_id":
        return order.customer is not None and _id(term, order.customer.id)
    if field == "fulfillment_location_id":
        return any(_id(term, one.location.id) for one in order.fulfillments)
    if field == "test":
        return _flag(term, held=False)
    return any(matches(text, value) for text in _order_texts(order, field)) is not (field == "tag_not")


def _order_texts(order: OrderRecord, field: str) -> Iterable[str]:
    if field in {"tag", "tag_not"}:
        return order.tags
    if field == "sku":
        return (line.variant.sku for line in order.lines)
    email = (order.customer.buyer.email if order.customer else None) or ""
    return [
        {
            "email": email,
            "gateway": order.gateway,
            "po_number": order.po_number or "",
            "source_identifier": order.source_reference,
            "source_name": "web",
        }[field]
    ]


def _status_fits(order: OrderRecord, value: str) -> bool:
    return {
        "any": True,
        "open": order.closed_ms is None and not order.cancelled,
        "closed": order.closed_ms is not None,
        "cancelled": order.cancelled,
        "not_closed": order.closed_ms is None,
    }.get(value.lower(), False)


# -- goods


def variants(shop: ShopifySimulator, query: str | None, *, items: bool = False) -> list[Variant]:
    """The variants that a search finds, by id; ``items``: by the fields of inventory items."""
    if not query:
        return list(shop.state.variants.values())
    groups = understood(shop, query, _ITEMS if items else _VARIANTS, _ITEMS if items else _ALL_VARIANTS)
    now_ms = shop.clock.now_ms()
    chosen: dict[int, Variant] = {}
    for group in groups or [[]]:
        pool: Iterable[Variant] = shop.state.variants.values()
        for term in group:
            exact = not term.negated and not term.op and term.field == "sku" and not term.value.endswith("*")
            if exact and term.value in shop.state.skus:
                pool = [shop.state.skus[term.value]]
                break
        for one in pool:
            if all(_variant_fits(shop, one, t, now_ms, items=items) is not t.negated for t in group):
                chosen[one.variant_id] = one
    return [chosen[key] for key in sorted(chosen)]


def _variant_fits(shop: ShopifySimulator, one: Variant, term: Term, now_ms: int, *, items: bool) -> bool:
    field, value = term.field, term.value
    if field == "sku":
        return matches(one.sku, value)
    if field in {"", "title"}:
        return any(matches(text, value) for text in (one.title, one.sku, variant_title(one)))
    if field == "id":
        return _id(term, one.inventory_item_id if items else one.variant_id)
    if field in {"updated_at", "created_at"}:
        return at_time(term, one.updated_ms if field == "updated_at" else one.created_ms, now_ms)
    if field in {"product_id", "product_ids"}:
        return _id(term, one.product_id)
    if field == "inventory_quantity":
        return _count(term, sum(level.available for level in one.levels.values()))
    if field == "location_id":
        return any(_id(term, number) for number in one.levels)
    if field == "managed":
        return _flag(term, held=one.tracked)
    if field.startswith("option"):
        at = int(field[-1]) - 1
        return at < len(one.values) and matches(one.values[at], value)
    product = shop.state.product(one.product_id)
    return matches(
        {"barcode": one.barcode, "product_status": product.status, "product_type": product.product_type}[
            field
        ],
        value,
    )


def products(shop: ShopifySimulator, query: str | None) -> list[Product]:
    """The products that a search finds, by id."""
    found = [shop.state.product(number) for number in sorted(shop.state.products)]
    if not query:
        return found
    groups = understood(shop, query, _PRODUCTS, _ALL_PRODUCTS)
    now_ms = shop.clock.now_ms()
    return [one for one in found if fits(groups, lambda t, one=one: _product_fits(shop, one, t, now_ms))]  # type: ignore[misc]


PRODUCT_KEYS: dict[str, Callable[[Product, list[Variant]], Any]] = {
    "ID": lambda one, _held: one.id,
    "RELEVANCE": lambda one, _held: one.id,
    "CREATED_AT": lambda one, _held: one.created_ms // 1000 * 1000,
    "UPDATED_AT": lambda one, _held: one.updated_ms // 1000 * 1000,
    "TITLE": lambda one, _held: one.title,
    "PRODUCT_TYPE": lambda one, _held: one.product_type,
    "INVENTORY_TOTAL": lambda _one, held: sum(level.available for v in held for level in v.levels.values()),
}


def _product_fits(shop: ShopifySimulator, one: Product, term: Term, now_ms: int) -> bool:
    field, value, held = term.field, term.value, shop.state.products[one.id]
    if field in {"", "title"}:
        return matches(one.title, value) or any(matches(word, value) for word in one.title.split())
    if field in {"handle", "status", "product_type"}:
        return matches(getattr(one, field), value)
    if field == "id":
        return _id(term, one.id)
    if field in {"created_at", "updated_at"}:
        return at_time(term, one.created_ms if field == "created_at" else one.updated_ms, now_ms)
    if field == "inventory_total":
        return _count(term, sum(level.available for v in held for level in v.levels.values()))
    if field == "out_of_stock_somewhere":
        return _flag(term, held=any(level.available <= 0 for v in held for level in v.levels.values()))
    if field == "has_only_default_variant":
        return _flag(term, held=not one.options)
    if field == "tracks_inventory":
        return _flag(term, held=any(v.tracked for v in held))
    if field == "price":
        return any(_amount(term, v.price_minor) for v in held)
    if field == "variant_id":
        return any(_id(term, v.variant_id) for v in held)
    texts = {"sku": lambda v: v.sku, "barcode": lambda v: v.barcode, "variant_title": variant_title}[field]
    return any(matches(texts(v), value) for v in held)


# -- people


def customers(shop: ShopifySimulator, query: str | None) -> list[Customer]:
    """The customers that a search finds."""
    groups = understood(shop, query, _CUSTOMERS, _ALL_CUSTOMERS) if query else []
    return [one for one in shop.state.customers.values() if fits(groups, lambda t, one=one: _customer_fits(one, t))]  # type: ignore[misc]  # fmt: skip


def _customer_fits(one: Customer, term: Term) -> bool:
    if term.field == "id":
        return _id(term, one.id)
    told = {name: getattr(one.buyer, name) or "" for name in ("email", "first_name", "last_name", "phone")}
    texts = told.values() if not term.field else [told[term.field]]
    return any(matches(text, term.value) for text in texts)


def companies(shop: ShopifySimulator, query: str | None) -> list[Any]:
    """The companies that a search finds, by id. It does not know yet what is too new."""
    found = sorted(shop.state.book.companies.values(), key=lambda one: one.id)
    if not query:
        return found
    groups = understood(shop, query, _COMPANIES, _ALL_COMPANIES)
    now_ms = shop.clock.now_ms()
    until_ms = now_ms - shop.faults.read_lag_ms
    return [
        one
        for one in found
        if one.created_ms <= until_ms and fits(groups, lambda t, one=one: _company_fits(one, t, now_ms))  # type: ignore[misc]
    ]


def _company_fits(one: Any, term: Term, now_ms: int) -> bool:
    if term.field == "external_id":
        return matches(one.external_id or "", term.value)
    if term.field == "name":
        return matches(one.name, term.value)
    if term.field == "id":
        return _id(term, one.id)
    return at_time(term, one.created_ms if term.field == "created_at" else one.updated_ms, now_ms)
