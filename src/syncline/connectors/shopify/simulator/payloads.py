"""Webhook bodies: the REST-shaped resources, snake_case, numeric ids, amounts as strings.

Field names follow shopify.dev's REST Order, Refund, Fulfillment and InventoryLevel resources.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator.commerce import Commerce

from syncline.connectors.shopify.simulator.records import (
    Buyer,
    Customer,
    Fulfillment,
    Level,
    OrderLine,
    OrderRecord,
    Refund,
    Transaction,
)

TIME_ZONE = "Europe/London"
LINES_TOLD_MAX = 20_000  # lines kept as JSON: some 20 MB
_ZONE = ZoneInfo(TIME_ZONE)
_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=4096)
def _local(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).astimezone(_ZONE).isoformat()


def local_time(at_ms: int | None) -> str | None:
    """An instant in the shop's time zone, in whole seconds: ``2026-07-01T10:00:00+01:00``."""
    return None if at_ms is None else _local(at_ms // 1000)


def money(minor: int) -> str:
    """Minor units with two decimals, as REST writes them: ``12.50``."""
    sign, minor = ("-", -minor) if minor < 0 else ("", minor)
    return f"{sign}{minor // 100}.{minor % 100:02d}"


def _bag(minor: int, shop: Commerce) -> dict[str, Any]:
    amount = {"amount": money(minor), "currency_code": shop.currency}
    if shop.presentment_currency == shop.currency:
        return {"shop_money": amount, "presentment_money": amount}
    there = {"amount": money(shop.presented(minor)), "currency_code": shop.presentment_currency}
    return {"shop_money": amount, "presentment_money": there}


def level(shop: Commerce, at: Level) -> dict[str, Any]:
    """``inventory_levels/update``: only ``available`` is told."""
    item = at.variant.inventory_item_id
    return {
        "inventory_item_id": item,
        "location_id": at.location.id,
        "available": at.available,
        "updated_at": local_time(at.updated_ms),
        "admin_graphql_api_id": f"gid://shopify/InventoryLevel/{at.location.id}?inventory_item_id={item}",
    }


def _address(buyer: Buyer) -> dict[str, Any]:
    return {
        "first_name": buyer.first_name,
        "last_name": buyer.last_name,
        "name": f"{buyer.first_name} {buyer.last_name}".strip(),
        "company": buyer.company,
        "address1": buyer.address1,
        "address2": buyer.address2,
        "city": buyer.city,
        "province": buyer.province,
        "province_code": None,
        "zip": buyer.zip,
        "country": buyer.country,
        "country_code": buyer.country_code,
        "phone": buyer.phone,
        "latitude": None,
        "longitude": None,
    }


def _customer(customer: Customer, currency: str) -> dict[str, Any]:
    buyer = customer.buyer
    return {
        "id": customer.id,
        "admin_graphql_api_id": f"gid://shopify/Customer/{customer.id}",
        "email": buyer.email,
        "first_name": buyer.first_name,
        "last_name": buyer.last_name,
        "phone": buyer.phone,
        "state": "disabled",
        "verified_email": True,
        "tax_exempt": False,
        "currency": currency,
        "tags": "",
        "created_at": local_time(customer.created_ms),
        "updated_at": local_time(customer.created_ms),
    }


def _tax_lines(shop: Commerce, order: OrderRecord, minor: int) -> list[dict[str, Any]]:
    if not order.tax_rate:
        return []
    return [
        {
            "title": "VAT",
            "price": money(minor),
            "price_set": _bag(minor, shop),
            "rate": float(order.tax_rate),
            "channel_liable": False,
        },
    ]


def _line(shop: Commerce, line: OrderLine, quantity: int | None = None) -> msgspec.Raw:
    """A line as JSON; it is told many times, and seldom otherwise than the last time."""
    variant = line.variant
    state = (
        line.quantity if quantity is None else quantity,
        line.current_quantity,
        line.open_quantity,
        line.fulfilled_quantity,
        variant.sku,
        variant.title,
        variant.tracked,
    )
    told = shop.state.lines_told.get(line.id)
    if told is None or told[0] != state:
        if len(shop.state.lines_told) >= LINES_TOLD_MAX:
            shop.state.lines_told.clear()
        told = state, msgspec.Raw(_encode(_line_fields(shop, line) | {"quantity": state[0]}))
        shop.state.lines_told[line.id] = told
    return told[1]


def _line_fields(shop: Commerce, line: OrderLine) -> dict[str, Any]:
    variant = line.variant
    if not line.open_quantity:
        status = "fulfilled" if line.fulfilled_quantity else None
    else:
        status = "partial" if line.fulfilled_quantity else None
    discount = line.discount_minor
    allocations = []
    if discount:
        allocations = [
            {
                "amount": money(discount),
                "amount_set": _bag(discount, shop),
                "discount_application_index": 0,
            },
        ]
    return {
        "id": line.id,
        "admin_graphql_api_id": f"gid://shopify/LineItem/{line.id}",
        "current_quantity": line.current_quantity,
        "fulfillable_quantity": line.open_quantity,
        "fulfillment_service": "manual",
        "fulfillment_status": status,
        "gift_card": False,
        "grams": 0,
        "name": variant.title,
        "price": money(line.unit_minor),
        "price_set": _bag(line.unit_minor, shop),
        "product_exists": True,
        "product_id": variant.product_id,
        "properties": [],
        "quantity": line.quantity,
        "requires_shipping": True,
        "sku": variant.sku,
        "taxable": True,
        "title": variant.title,
        "total_discount": "0.00",
        "total_discount_set": _bag(0, shop),
        "variant_id": variant.variant_id,
        "variant_inventory_management": "shopify" if variant.tracked else None,
        "variant_title": None,
        "vendor": None,
        "tax_lines": _tax_lines(shop, line.order, line.tax_for(line.quantity)),
        "duties": [],
        "discount_allocations": allocations,
    }


def _financial_status(order: OrderRecord) -> str:
    return order.financial_status().lower()


def _fulfillment_status(order: OrderRecord) -> str | None:
    return {"FULFILLED": "fulfilled", "PARTIALLY_FULFILLED": "partial"}.get(order.fulfillment_status())


def order(shop: Commerce, of: OrderRecord) -> dict[str, Any]:
    """The Order resource."""
    currency = shop.currency
    buyer = of.customer.buyer if of.customer else None
    subtotal, tax, discounts = of.subtotal_minor(), of.tax_minor(), of.discounts_minor()
    total = subtotal + tax + of.shipping_minor
    current_subtotal, current_tax, current_discounts = subtotal, tax, discounts
    if any(line.current_quantity != line.quantity for line in of.lines):
        current_subtotal, current_tax = of.current_subtotal_minor(), of.current_tax_minor()
        current_discounts = of.current_discounts_minor()
    current_total = current_subtotal + current_tax + of.current_shipping_minor()
    gross = subtotal + discounts
    address = _address(buyer) if buyer else None
    return {
        "id": of.id,
        "admin_graphql_api_id": f"gid://shopify/Order/{of.id}",
        "app_id": None,
        "buyer_accepts_marketing": False,
        "cancel_reason": of.cancel_reason.lower() if of.cancel_reason else None,
        "cancelled_at": local_time(of.cancelled_ms),
        "closed_at": local_time(of.closed_ms),
        "confirmed": True,
        "contact_email": buyer.email if buyer else None,
        "created_at": local_time(of.created_ms),
        "currency": currency,
        "current_subtotal_price": money(current_subtotal),
        "current_subtotal_price_set": _bag(current_subtotal, shop),
        "current_total_discounts": money(current_discounts),
        "current_total_discounts_set": _bag(current_discounts, shop),
        "current_total_price": money(current_total),
        "current_total_price_set": _bag(current_total, shop),
        "current_total_tax": money(current_tax),
        "current_total_tax_set": _bag(current_tax, shop),
        "discount_codes": [],
        "email": (buyer.email if buyer else None) or "",
        "estimated_taxes": False,
        "financial_status": _financial_status(of),
        "fulfillment_status": _fulfillment_status(of),
        "name": of.name,
        "note": of.note,
        "note_attributes": [],
        "number": of.number - 1000,
        "order_number": of.number,
        "payment_gateway_names": [of.gateway],
        "phone": buyer.phone if buyer else None,
        "po_number": of.po_number,
        "presentment_currency": shop.presentment_currency,
        "processed_at": local_time(of.created_ms),
        "source_identifier": of.source_reference or None,
        "source_name": "web",
        "subtotal_price": money(subtotal),
        "subtotal_price_set": _bag(subtotal, shop),
        "tags": ", ".join(of.tags),
        "tax_exempt": False,
        "tax_lines": _tax_lines(shop, of, tax),
        "taxes_included": False,
        "test": False,
        "total_discounts": money(discounts),
        "total_discounts_set": _bag(discounts, shop),
        "total_line_items_price": money(gross),
        "total_line_items_price_set": _bag(gross, shop),
        "total_outstanding": money(of.outstanding_minor()),
        "total_price": money(total),
        "total_price_set": _bag(total, shop),
        "total_shipping_price_set": _bag(of.shipping_minor, shop),
        "total_tax": money(tax),
        "total_tax_set": _bag(tax, shop),
        "total_tip_received": "0.00",
        "total_weight": 0,
        "updated_at": local_time(of.updated_ms),
        "billing_address": address,
        "customer": _customer(of.customer, currency) if of.customer else None,
        "discount_applications": _discount_applications(of),
        "fulfillments": [fulfillment(shop, f) for f in of.fulfillments],
        "line_items": [_line(shop, line) for line in of.lines],
        "refunds": [refund(shop, r) for r in of.refunds],
        "shipping_address": address,
        "shipping_lines": _shipping_lines(shop, of),
    }


def _discount_applications(of: OrderRecord) -> list[dict[str, Any]]:
    if not of.discounts_minor():
        return []
    return [
        {
            "target_type": "line_item",
            "type": "manual",
            "value": money(of.discounts_minor()),
            "value_type": "fixed_amount",
            "allocation_method": "across",
            "target_selection": "all",
            "title": "Discount",
        },
    ]


def _shipping_lines(shop: Commerce, of: OrderRecord) -> list[dict[str, Any]]:
    if not of.shipping_minor:
        return []
    price = of.shipping_minor
    return [
        {
            "id": of.id,
            "carrier_identifier": None,
            "code": "Standard",
            "discounted_price": money(price),
            "discounted_price_set": _bag(price, shop),
            "is_removed": False,
            "phone": None,
            "price": money(price),
            "price_set": _bag(price, shop),
            "source": "shopify",
            "title": "Standard",
            "tax_lines": [],
            "discount_allocations": [],
        },
    ]


def _transaction(shop: Commerce, of: OrderRecord, at: Transaction) -> dict[str, Any]:
    return {
        "id": at.id,
        "admin_graphql_api_id": f"gid://shopify/OrderTransaction/{at.id}",
        "amount": money(at.amount_minor),
        "created_at": local_time(at.processed_ms),
        "currency": shop.currency,
        "gateway": at.gateway,
        "kind": at.kind.lower(),
        "order_id": of.id,
        "parent_id": None,
        "processed_at": local_time(at.processed_ms),
        "status": at.status.lower(),
        "test": False,
    }


def refund(shop: Commerce, of: Refund) -> dict[str, Any]:
    """The Refund resource."""
    return {
        "id": of.id,
        "admin_graphql_api_id": f"gid://shopify/Refund/{of.id}",
        "created_at": local_time(of.created_ms),
        "note": of.note,
        "order_id": of.order.id,
        "processed_at": local_time(of.created_ms),
        "restock": any(line.location for line in of.lines),
        "order_adjustments": [],
        "transactions": [_transaction(shop, of.order, t) for t in of.transactions],
        "refund_line_items": [
            {
                "id": line.id,
                "line_item_id": line.line.id,
                "location_id": line.location.id if line.location else None,
                "quantity": line.quantity,
                "restock_type": line.restock_type.lower(),
                "subtotal": float(money(line.subtotal_minor)),
                "subtotal_set": _bag(line.subtotal_minor, shop),
                "total_tax": float(money(line.tax_minor)),
                "total_tax_set": _bag(line.tax_minor, shop),
                "line_item": _line(shop, line.line),
            }
            for line in of.lines
        ],
    }


def fulfillment(shop: Commerce, of: Fulfillment) -> dict[str, Any]:
    """The Fulfillment resource; a line's ``quantity`` is what this parcel holds."""
    first = of.tracking[0] if of.tracking else None
    return {
        "id": of.id,
        "admin_graphql_api_id": f"gid://shopify/Fulfillment/{of.id}",
        "created_at": local_time(of.created_ms),
        "location_id": of.location.id,
        "name": of.name,
        "order_id": of.order.id,
        "service": "manual",
        "shipment_status": None,
        "status": of.status.lower(),
        "tracking_company": first.company if first else None,
        "tracking_number": first.number if first else None,
        "tracking_numbers": [t.number for t in of.tracking if t.number],
        "tracking_url": first.url if first else None,
        "tracking_urls": [t.url for t in of.tracking if t.url],
        "updated_at": local_time(of.updated_ms),
        "line_items": [_line(shop, x.line, x.quantity) for x in of.lines],
    }
