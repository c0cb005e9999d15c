"""What each field of each type gives: plain functions over the records."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator.metafields import metafield_of
from syncline.connectors.shopify.simulator.operation import FieldRefused, Page, Resolver
from syncline.connectors.shopify.simulator.payloads import TIME_ZONE
from syncline.connectors.shopify.simulator.records import (
    QUANTITY_NAMES,
    Customer,
    FulfillmentOrderLine,
    InventoryItem,
    Level,
    OrderLine,
    OrderRecord,
    Variant,
    share,
)
from syncline.connectors.shopify.simulator.search import fits, paginate, understood


@lru_cache(maxsize=4096)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_time(at_ms: int | None) -> str | None:
    """An instant as GraphQL writes it, whole seconds: ``2026-07-01T09:00:00Z``."""
    return None if at_ms is None else _second(at_ms // 1000)


@lru_cache(maxsize=65536)
def amount(minor: int) -> str:
    """A decimal without trailing zeros but with one decimal: ``12.5``, ``0.0`` (contract section 7)."""
    sign, minor = ("-", -minor) if minor < 0 else ("", minor)
    pence = f"{minor % 100:02d}"
    return f"{sign}{minor // 100}.{pence[0] if pence[1] == '0' else pence}"


class Presented(int):
    """Minor units of the buyers' currency; a plain number is of the shop's."""


def gid(kind: str, number: int) -> str:
    """A global id."""
    return f"gid://shopify/{kind}/{number}"


def level_gid(level: Level) -> str:
    """Levels are named by place and item, as live answers do."""
    item = level.variant.inventory_item_id
    return f"gid://shopify/InventoryLevel/{level.location.id}?inventory_item_id={item}"


def type_of(record: Any) -> str:
    """The GraphQL type of a record."""
    return str(record.gid_type)


def _get(name: str) -> Resolver:
    read = attrgetter(name)
    return lambda _shop, record, _arguments: read(record)


def _call(name: str) -> Resolver:
    return lambda _shop, record, _arguments: getattr(record, name)()


def _time(name: str) -> Resolver:
    read = attrgetter(name)
    return lambda _shop, record, _arguments: utc_time(read(record))


def _value(value: Any) -> Resolver:
    return lambda _shop, _record, _arguments: value


def _id(kind: str, name: str = "id") -> Resolver:
    read, prefix = attrgetter(name), f"gid://shopify/{kind}/"
    return lambda _shop, record, _arguments: prefix + str(read(record))


def _itself(_shop: Any, record: Any, _arguments: Any) -> Any:
    return record


def _list(name: str) -> Resolver:
    read = attrgetter(name)

    def resolve(_shop: Any, record: Any, arguments: dict[str, Any]) -> list[Any]:
        first = arguments.get("first")
        found: list[Any] = read(record)
        return found if first is None else found[:first]

    return resolve


def _by_id(record: Any) -> tuple[int, int]:
    return record.id, record.id


def _connection(name: str) -> Resolver:
    read = attrgetter(name)
    return lambda _shop, record, arguments: paginate(read(record), _by_id, arguments)


# -- pieces that need more than a name


def _quantities(_shop: Any, level: Level, arguments: dict[str, Any]) -> list[tuple[Level, str]]:
    return [(level, name) for name in arguments["names"] if name in QUANTITY_NAMES]


def _quantity_id(_shop: Any, at: tuple[Level, str], _arguments: Any) -> str:
    level, name = at
    number = level.location.id
    return f"gid://shopify/InventoryQuantity/{number}?inventory_item_id={level.variant.inventory_item_id}&name={name}"


def _item_level(_shop: Any, item: InventoryItem, arguments: dict[str, Any]) -> Level | None:
    return item.variant.levels.get(number_of(arguments["locationId"], "Location"))


def _location_level(shop: ShopifySimulator, location: Any, arguments: dict[str, Any]) -> Level | None:
    variant = shop.state.items.get(number_of(arguments["inventoryItemId"], "InventoryItem"))
    return variant.levels.get(location.id) if variant else None


def _item_levels(_shop: Any, item: InventoryItem, arguments: dict[str, Any]) -> Page:
    levels = sorted(item.variant.levels.values(), key=_level_key)
    return paginate(levels, _level_key, arguments)


def _level_key(level: Level) -> tuple[int, int]:
    return level.location.id, level.location.id


def number_of(text: str, kind: str) -> int:
    """The number in a global id of ``kind``; -1, which names nothing, for any other."""
    prefix = f"gid://shopify/{kind}/"
    if not text.startswith(prefix):
        return -1
    tail = text[len(prefix) :].partition("?")[0]
    return int(tail) if tail.isdigit() else -1


def _variant_quantity(_shop: Any, variant: Variant, _arguments: Any) -> int:
    return sum(level.available for level in variant.levels.values())


def _unit_after_discounts(_shop: Any, line: OrderLine, _arguments: Any) -> int:
    return line.unit_minor - share(line.discount_minor, 1, line.quantity)


def _allocations(_shop: Any, line: OrderLine, _arguments: Any) -> list[int]:
    return [line.discount_minor] if line.discount_minor else []


def _line_taxes(_shop: Any, line: OrderLine, _arguments: Any) -> list[tuple[OrderRecord, int]]:
    return [(line.order, line.tax_for(line.quantity))] if line.order.tax_rate else []


def _order_taxes(_shop: Any, order: OrderRecord, _arguments: Any) -> list[tuple[OrderRecord, int]]:
    return [(order, order.tax_minor())] if order.tax_rate else []


def _address(_shop: Any, order: OrderRecord, _arguments: Any) -> Customer | None:
    return order.customer


def _shipping(_shop: Any, order: OrderRecord, _arguments: Any) -> OrderRecord | None:
    return order if order.shipping_minor else None


def _shipping_page(_shop: Any, order: OrderRecord, arguments: dict[str, Any]) -> Page:
    return paginate([order] if order.shipping_minor else [], _by_id, arguments)


def _refund_total(_shop: Any, refund: Any, _arguments: Any) -> int:
    return sum(t.amount_minor for t in refund.transactions)


def _suggested(_shop: Any, order: OrderRecord, arguments: dict[str, Any]) -> Any:
    rows = arguments.get("refundLineItems") or []
    return order.suggest({number_of(row["lineItemId"], "LineItem"): row["quantity"] for row in rows})


def _full_name(_shop: Any, customer: Customer, _arguments: Any) -> str:
    return f"{customer.buyer.first_name} {customer.buyer.last_name}".strip() or (customer.buyer.email or "")


def _contact(name: str, field: str) -> Resolver:
    read = attrgetter(name)

    def resolve(_shop: Any, customer: Customer, _arguments: Any) -> dict[str, Any] | None:
        value = read(customer)
        return {field: value} if value else None

    return resolve


def _key(name: str) -> Resolver:
    return lambda _shop, record, _arguments: record.get(name)


def _fulfillment_total(_shop: Any, fulfillment: Any, _arguments: Any) -> int:
    return sum(line.quantity for line in fulfillment.lines)


def _fo_item(_shop: Any, part: FulfillmentOrderLine, _arguments: Any) -> str:
    return gid("InventoryItem", part.line.variant.inventory_item_id)


def variant_title(variant: Variant) -> str:
    """The values of its options."""
    return " / ".join(variant.values) or "Default Title"


def _selected_options(shop: ShopifySimulator, variant: Variant, _arguments: Any) -> list[tuple[str, str]]:
    if not variant.values:
        return [("Title", "Default Title")]
    return list(zip(shop.state.product(variant.product_id).options, variant.values, strict=True))


def _list_prices(shop: ShopifySimulator, prices: Any, arguments: dict[str, Any]) -> Page:
    """Fixed prices only; of the filters ``variant_id``, the others are not simulated."""
    if arguments.get("originType") != "FIXED":
        raise FieldRefused("only originType FIXED is simulated", "BAD_REQUEST")
    groups = understood(shop, arguments.get("query") or "", ("variant_id",), ("product_id", "variant_id"))

    def named(at: int) -> bool:
        return fits(groups, lambda term: not term.op and term.value == str(at))

    found = [at for at in sorted(prices.fixed) if named(at)]
    nodes = [(prices, shop.state.variants[at]) for at in found]
    return paginate(nodes, lambda at: (at[1].variant_id, at[1].variant_id), arguments)


def _price_breaks(_shop: Any, at: Any, arguments: dict[str, Any]) -> Page:
    prices, variant = at
    nodes = [(n, minor, variant) for n, minor in sorted(prices.breaks.get(variant.variant_id, {}).items())]
    return paginate(nodes, lambda one: (one[0], one[0]), arguments)


_USER_ERROR = {"field": _key("field"), "message": _key("message"), "code": _key("code")}
_PAGE_INFO: dict[str, Resolver] = {
    "hasNextPage": lambda _s, page, _a: page.has_next,
    "hasPreviousPage": lambda _s, page, _a: page.has_previous,
    "startCursor": lambda _s, page, _a: page.cursor(page.nodes[0]) if page.nodes else None,
    "endCursor": lambda _s, page, _a: page.cursor(page.nodes[-1]) if page.nodes else None,
}


def _payload(*names: str) -> dict[str, Resolver]:
    return {name: _key(name) for name in (*names, "userErrors")}


TYPES: dict[str, dict[str, Resolver]] = {
    "PageInfo": _PAGE_INFO,
    "UserError": _USER_ERROR,
    "InventorySetQuantitiesUserError": _USER_ERROR,
    "InventoryAdjustQuantitiesUserError": _USER_ERROR,
    "Shop": {
        "currencyCode": lambda shop, _r, _a: shop.currency,
        "email": lambda shop, _r, _a: f"owner@{shop.shop}",
        "ianaTimezone": _value(TIME_ZONE),
        "id": _value("gid://shopify/Shop/1"),
        "myshopifyDomain": lambda shop, _r, _a: shop.shop,
        "name": lambda shop, _r, _a: shop.shop.partition(".")[0],
        "plan": _itself,
        "url": lambda shop, _r, _a: f"https://{shop.shop}",
    },
    "ShopPlan": {
        "partnerDevelopment": _value(value=False),
        "publicDisplayName": lambda shop, _r, _a: (
            "Basic" if shop.plan == "standard" else shop.plan.capitalize()
        ),
        "shopifyPlus": lambda shop, _r, _a: shop.plan in {"plus", "enterprise"},
    },
    "AppInstallation": {
        "id": _value("gid://shopify/AppInstallation/1"),
        "accessScopes": lambda shop, _r, _a: sorted(shop.scopes),
    },
    "Count": {"count": _key("count"), "precision": _key("precision")},
    "AccessScope": {"handle": _itself, "description": _itself},
    "Location": {
        "createdAt": _time("created_ms"),
        "fulfillsOnlineOrders": _value(value=True),
        "hasActiveInventory": lambda shop, at, _a: any(
            at.id in v.levels for v in shop.state.variants.values()
        ),
        "id": _id("Location"),
        "inventoryLevel": _location_level,
        "isActive": _value(value=True),
        "legacyResourceId": lambda _s, at, _a: str(at.id),
        "name": _get("name"),
        "shipsInventory": _value(value=True),
    },
    "ProductVariant": {
        "barcode": lambda _s, v, _a: v.barcode or None,
        "compareAtPrice": lambda _s, v, _a: (
            None if v.compare_at_minor is None else amount(v.compare_at_minor)
        ),
        "createdAt": _time("created_ms"),
        "displayName": lambda _s, v, _a: f"{v.title} - {variant_title(v)}",
        "id": _id("ProductVariant", "variant_id"),
        "inventoryItem": lambda _s, v, _a: InventoryItem(v),
        "inventoryPolicy": _value("DENY"),
        "inventoryQuantity": _variant_quantity,
        "legacyResourceId": lambda _s, v, _a: str(v.variant_id),
        "price": lambda _s, v, _a: f"{v.price_minor // 100}.{v.price_minor % 100:02d}",
        "product": lambda shop, v, _a: shop.state.product(v.product_id),
        "selectedOptions": _selected_options,
        "sku": _get("sku"),
        "title": lambda _s, v, _a: variant_title(v),
        "updatedAt": _time("updated_ms"),
    },
    "InventoryItem": {
        "createdAt": _time("variant.created_ms"),
        "duplicateSkuCount": _value(0),
        "id": _id("InventoryItem", "variant.inventory_item_id"),
        "inventoryLevel": _item_level,
        "inventoryLevels": _item_levels,
        "legacyResourceId": lambda _s, item, _a: str(item.variant.inventory_item_id),
        "requiresShipping": _value(value=True),
        "sku": _get("variant.sku"),
        "tracked": _get("variant.tracked"),
        "updatedAt": _time("variant.updated_ms"),
        "variant": _get("variant"),
    },
    "InventoryLevel": {
        "createdAt": _time("created_ms"),
        "id": lambda _s, level, _a: level_gid(level),
        "isActive": _value(value=True),
        "item": lambda _s, level, _a: InventoryItem(level.variant),
        "location": _get("location"),
        "quantities": _quantities,
        "updatedAt": _time("updated_ms"),
    },
    "InventoryQuantity": {
        "id": _quantity_id,
        "name": lambda _s, at, _a: at[1],
        "quantity": lambda _s, at, _a: getattr(at[0], at[1]),
        "updatedAt": lambda _s, at, _a: utc_time(at[0].updated_ms),
    },
    "InventoryAdjustmentGroup": {
        "changes": lambda _s, group, a: _changes(group, a),
        "createdAt": _time("created_ms"),
        "id": _id("InventoryAdjustmentGroup"),
        "reason": _get("reason"),
        "referenceDocumentUri": _get("reference_document_uri"),
    },
    "InventoryChange": {
        "delta": _get("delta"),
        "item": lambda _s, change, _a: InventoryItem(change.variant),
        "ledgerDocumentUri": _get("ledger_document_uri"),
        "location": _get("location"),
        "name": _get("name"),
        # Null in every live answer of 2026-04 although the schema offers a number.
        "quantityAfterChange": _value(None),
    },
    "InventorySetQuantitiesPayload": _payload("inventoryAdjustmentGroup"),
    "InventoryAdjustQuantitiesPayload": _payload("inventoryAdjustmentGroup"),
    "InventoryActivatePayload": _payload("inventoryLevel"),
    "MoneyBag": {
        "presentmentMoney": lambda shop, minor, _a: Presented(shop.presented(minor)),
        "shopMoney": _itself,
    },
    "MoneyV2": {
        "amount": lambda _s, minor, _a: amount(minor),
        "currencyCode": lambda shop, minor, _a: (
            shop.presentment_currency if isinstance(minor, Presented) else shop.currency
        ),
    },
    "Order": {
        "billingAddress": _address,
        "cancelReason": _get("cancel_reason"),
        "cancelledAt": _time("cancelled_ms"),
        "closed": lambda _s, order, _a: order.closed_ms is not None,
        "closedAt": _time("closed_ms"),
        "confirmed": _value(value=True),
        "createdAt": _time("created_ms"),
        "currencyCode": lambda shop, _r, _a: shop.currency,
        "currentShippingPriceSet": _call("current_shipping_minor"),
        "currentSubtotalPriceSet": _call("current_subtotal_minor"),
        "currentTotalDiscountsSet": _call("current_discounts_minor"),
        "currentTotalPriceSet": _call("current_total_minor"),
        "currentTotalTaxSet": _call("current_tax_minor"),
        "customAttributes": _value(()),
        "customer": _get("customer"),
        "displayFinancialStatus": _call("financial_status"),
        "displayFulfillmentStatus": _call("fulfillment_status"),
        "edited": _get("edited"),
        "email": lambda _s, order, _a: order.customer.buyer.email if order.customer else None,
        "fulfillmentOrders": _connection("fulfillment_orders"),
        "fulfillments": _list("fulfillments"),
        "fullyPaid": lambda _s, order, _a: not order.outstanding_minor(),
        "id": _id("Order"),
        "legacyResourceId": lambda _s, order, _a: str(order.id),
        "lineItems": _connection("lines"),
        "name": _get("name"),
        "note": _get("note"),
        "number": _get("number"),
        "originalTotalPriceSet": _get("original_total_minor"),
        "paymentGatewayNames": lambda _s, order, _a: [order.gateway],
        "phone": lambda _s, order, _a: order.customer.buyer.phone if order.customer else None,
        "poNumber": _get("po_number"),
        "presentmentCurrencyCode": lambda shop, _r, _a: shop.presentment_currency,
        "processedAt": _time("created_ms"),
        "refunds": _list("refunds"),
        "shippingAddress": _address,
        "shippingLine": _shipping,
        "shippingLines": _shipping_page,
        "sourceIdentifier": lambda _s, order, _a: order.source_reference or None,
        "sourceName": _value("web"),
        "subtotalPriceSet": _call("subtotal_minor"),
        "suggestedRefund": _suggested,
        "tags": _get("tags"),
        "taxLines": _order_taxes,
        "taxesIncluded": _value(value=False),
        "test": _value(value=False),
        "totalDiscountsSet": _call("discounts_minor"),
        "totalOutstandingSet": _call("balance_minor"),
        "totalPriceSet": _call("total_minor"),
        "totalReceivedSet": _call("received_minor"),
        "totalRefundedSet": _call("refunded_minor"),
        "totalShippingPriceSet": _get("shipping_minor"),
        "totalTaxSet": _call("tax_minor"),
        "transactions": _list("transactions"),
        "unpaid": lambda _s, order, _a: order.outstanding_minor() > 0 and not order.received_minor(),
        "updatedAt": _time("updated_ms"),
    },
    "Attribute": {"key": _get("key"), "value": _get("value")},
    "Customer": {
        "defaultEmailAddress": _contact("buyer.email", "emailAddress"),
        "defaultPhoneNumber": _contact("buyer.phone", "phoneNumber"),
        "displayName": _full_name,
        "email": _get("buyer.email"),
        "firstName": _get("buyer.first_name"),
        "id": _id("Customer"),
        "lastName": _get("buyer.last_name"),
        "legacyResourceId": lambda _s, customer, _a: str(customer.id),
        "metafield": metafield_of,
        "phone": _get("buyer.phone"),
    },
    "CustomerEmailAddress": {"emailAddress": _key("emailAddress")},
    "CustomerPhoneNumber": {"phoneNumber": _key("phoneNumber")},
    "MailingAddress": {
        "address1": _get("buyer.address1"),
        "address2": _get("buyer.address2"),
        "city": _get("buyer.city"),
        "company": _get("buyer.company"),
        "country": _get("buyer.country"),
        "countryCode": _get("buyer.country_code"),
        "countryCodeV2": _get("buyer.country_code"),
        "firstName": _get("buyer.first_name"),
        "id": lambda _s, customer, _a: f"gid://shopify/MailingAddress/{customer.id}?model_name=Address",
        "lastName": _get("buyer.last_name"),
        "name": _full_name,
        "phone": _get("buyer.phone"),
        "province": _get("buyer.province"),
        "provinceCode": _value(None),
        "zip": _get("buyer.zip"),
    },
    "LineItem": {
        "currentQuantity": _get("current_quantity"),
        "customAttributes": _value(()),
        "discountAllocations": _allocations,
        "discountedTotalSet": lambda _s, line, _a: line.unit_minor * line.quantity,
        "discountedUnitPriceAfterAllDiscountsSet": _unit_after_discounts,
        "discountedUnitPriceSet": _get("unit_minor"),
        "id": _id("LineItem"),
        "name": _get("variant.title"),
        "nonFulfillableQuantity": lambda _s, line, _a: line.current_quantity - line.open_quantity,
        "originalTotalSet": lambda _s, line, _a: line.unit_minor * line.quantity,
        "originalUnitPriceSet": _get("unit_minor"),
        "product": lambda shop, line, _a: shop.state.product(line.variant.product_id),
        "quantity": _get("quantity"),
        "refundableQuantity": _get("current_quantity"),
        "requiresShipping": _value(value=True),
        "sku": _get("variant.sku"),
        "taxLines": _line_taxes,
        "taxable": _value(value=True),
        "title": _get("variant.title"),
        "totalDiscountSet": _value(0),
        "unfulfilledQuantity": _get("open_quantity"),
        "variant": _get("variant"),
    },
    "DiscountAllocation": {"allocatedAmountSet": _itself},
    "TaxLine": {
        "priceSet": lambda _s, tax, _a: tax[1],
        "rate": lambda _s, tax, _a: float(tax[0].tax_rate),
        "ratePercentage": lambda _s, tax, _a: float(tax[0].tax_rate * 100),
        "title": _value("VAT"),
    },
    "ShippingLine": {
        "code": _value("Standard"),
        "custom": _value(value=False),
        "discountedPriceSet": _get("shipping_minor"),
        "id": _id("ShippingLine"),
        "isRemoved": _value(value=False),
        "originalPriceSet": _get("shipping_minor"),
        "source": _value("shopify"),
        "taxLines": _value(()),
        "title": _value("Standard"),
    },
    "OrderTransaction": {
        "amountSet": _get("amount_minor"),
        "createdAt": _time("processed_ms"),
        "formattedGateway": _get("gateway"),
        "gateway": _get("gateway"),
        "id": _id("OrderTransaction"),
        "kind": _get("kind"),
        "processedAt": _time("processed_ms"),
        "status": _get("status"),
        "test": _value(value=False),
    },
    "Refund": {
        "createdAt": _time("created_ms"),
        "id": _id("Refund"),
        "legacyResourceId": lambda _s, refund, _a: str(refund.id),
        "note": _get("note"),
        "processedAt": _time("created_ms"),
        "refundLineItems": _connection("lines"),
        "totalRefundedSet": _refund_total,
        "transactions": _connection("transactions"),
        "updatedAt": _time("created_ms"),
    },
    "RefundLineItem": {
        "id": _id("RefundLineItem"),
        "lineItem": _get("line"),
        "location": _get("location"),
        "quantity": _get("quantity"),
        "restockType": _get("restock_type"),
        "restocked": lambda _s, line, _a: line.location is not None,
        "subtotalSet": _get("subtotal_minor"),
        "totalTaxSet": _get("tax_minor"),
    },
    "FulfillmentOrder": {
        "assignedLocation": _get("location"),
        "createdAt": _time("created_ms"),
        "deliveryMethod": _itself,
        "id": _id("FulfillmentOrder"),
        "lineItems": _connection("lines"),
        "order": _get("order"),
        "orderId": _id("Order", "order.id"),
        "orderName": _get("order.name"),
        "requestStatus": _get("request_status"),
        "status": _get("status"),
        "supportedActions": lambda _s, order, _a: [{"action": name} for name in order.actions()],
        "updatedAt": _time("updated_ms"),
    },
    "FulfillmentOrderSupportedAction": {"action": _key("action"), "externalUrl": _key("externalUrl")},
    "DeliveryMethod": {"id": _id("DeliveryMethod"), "methodType": _get("delivery")},
    "FulfillmentOrderAssignedLocation": {
        "countryCode": _value("GB"),
        "location": _itself,
        "name": _get("name"),
    },
    "FulfillmentOrderLineItem": {
        "id": _id("FulfillmentOrderLineItem"),
        "inventoryItemId": _fo_item,
        "lineItem": _get("line"),
        "productTitle": _get("line.variant.title"),
        "remainingQuantity": _get("remaining"),
        "requiresShipping": _value(value=True),
        "sku": _get("line.variant.sku"),
        "totalQuantity": _get("total"),
        "variant": _get("line.variant"),
    },
    "FulfillmentTrackingInfo": {"company": _get("company"), "number": _get("number"), "url": _get("url")},
    "Fulfillment": {
        "createdAt": _time("created_ms"),
        "fulfillmentLineItems": _connection("lines"),
        "fulfillmentOrders": _connection("fulfillment_orders"),
        "id": _id("Fulfillment"),
        "legacyResourceId": lambda _s, f, _a: str(f.id),
        "location": _get("location"),
        "name": _get("name"),
        "order": _get("order"),
        "status": _get("status"),
        "totalQuantity": _fulfillment_total,
        "trackingInfo": _list("tracking"),
        "updatedAt": _time("updated_ms"),
    },
    "FulfillmentLineItem": {
        "id": _id("FulfillmentLineItem"),
        "lineItem": _get("line"),
        "quantity": _get("quantity"),
    },
    "FulfillmentCreatePayload": _payload("fulfillment"),
    "PriceListFixedPricesUpdatePayload": _payload("deletedFixedPriceVariantIds"),
    "PriceListPriceUserError": _USER_ERROR,
    "PriceList": {
        "currency": _get("currency"),
        "fixedPricesCount": lambda _s, prices, _a: len(prices.fixed),
        "id": _id("PriceList"),
        "name": _get("name"),
        "prices": _list_prices,
    },
    # A price of a list is told as the list, the variant, and what it says of it.
    "PriceListPrice": {
        "compareAtPrice": lambda _s, at, _a: at[0].fixed[at[1].variant_id][1],
        "originType": _value("FIXED"),
        "price": lambda _s, at, _a: at[0].fixed[at[1].variant_id][0],
        "quantityPriceBreaks": _price_breaks,
        "variant": lambda _s, at, _a: at[1],
    },
    "QuantityPriceBreak": {
        "id": lambda _s, one, _a: gid("QuantityPriceBreak", one[2].variant_id * 10_000 + one[0]),
        "minimumQuantity": lambda _s, one, _a: one[0],
        "price": lambda _s, one, _a: one[1],
        "variant": lambda _s, one, _a: one[2],
    },
    "ProductVariantsBulkUpdatePayload": _payload("productVariants"),
    "ProductVariantsBulkUpdateUserError": _USER_ERROR,
    "QuantityPricingByVariantUpdatePayload": _payload("productVariants"),
    "QuantityPricingByVariantUserError": _USER_ERROR,
    "MetafieldsSetPayload": _payload(),
    "MetafieldsSetUserError": _USER_ERROR,
    "FulfillmentTrackingInfoUpdatePayload": _payload("fulfillment"),
    "OrderMarkAsPaidPayload": _payload("order"),
    "OrderCreateManualPaymentPayload": _payload("order"),
    "OrderCreateManualPaymentOrderCreateManualPaymentError": _USER_ERROR,
    "OrderCancelPayload": _payload("job", "orderCancelUserErrors"),
    "OrderCancelUserError": _USER_ERROR,
    "Job": {"done": _value(value=False), "id": _id("Job")},
    "RefundCreatePayload": _payload("order", "refund"),
    "SuggestedRefund": {"suggestedTransactions": _itself},
    "SuggestedOrderTransaction": {
        "amountSet": _get("amount_minor"),
        "gateway": _get("parent.gateway"),
        "parentTransaction": _get("parent"),
    },
    "TagsAddPayload": _payload("node"),
    "WebhookSubscription": {
        "apiVersion": _get("api_version"),
        "createdAt": _time("created_ms"),
        "filter": _get("filter"),
        "format": _get("format"),
        "id": _id("WebhookSubscription"),
        "includeFields": _get("include_fields"),
        "legacyResourceId": lambda _s, sub, _a: str(sub.id),
        "metafieldNamespaces": _get("metafield_namespaces"),
        "name": _get("name"),
        "topic": _get("topic"),
        "updatedAt": _time("updated_ms"),
        "uri": _get("uri"),
    },
    "ApiVersion": {"displayName": _itself, "handle": _itself, "supported": _value(value=True)},
    "WebhookSubscriptionCreatePayload": _payload("webhookSubscription"),
    "WebhookSubscriptionUpdatePayload": _payload("webhookSubscription"),
    "WebhookSubscriptionDeletePayload": _payload("deletedWebhookSubscriptionId"),
}


def _changes(group: Any, arguments: dict[str, Any]) -> list[Any]:
    names, items = arguments.get("quantityNames"), arguments.get("inventoryItemIds")
    places = arguments.get("locationIds")
    return [
        change
        for change in group.changes
        if (names is None or change.name in names)
        and (items is None or gid("InventoryItem", change.variant.inventory_item_id) in items)
        and (places is None or gid("Location", change.location.id) in places)
    ]


# The same helpers, for the tables of other modules.
USER_ERROR = _USER_ERROR
get, id_of, key_of, payload_of, time_of, value_of = _get, _id, _key, _payload, _time, _value
