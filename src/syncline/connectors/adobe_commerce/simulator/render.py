"""Records as the vendor's JSON shows them: numbers for amounts and quantities, stamps without an offset.

Field names from admin-schema-2.4.9.yaml (contract section 12). Display and base currency are the same here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from syncline.connectors.adobe_commerce.simulator.state import (
    Creditmemo,
    Invoice,
    Order,
    OrderItem,
    Product,
    Shipment,
    Source,
    SourceItem,
    Stock,
    Track,
    money,
    stamp,
)

# Columns in which an order or a line may have no value, so that they are left out.
ORDER_COLUMNS = frozenset(
    "coupon_code customer_id customer_note customer_taxvat edit_increment email_sent ext_customer_id ext_order_id hold_before_state "
    "hold_before_status original_increment_id quote_id relation_child_id relation_parent_id remote_ip shipping_description weight".split()
)
ITEM_COLUMNS = frozenset(
    "additional_data description ext_order_item_id parent_item_id quote_item_id weight".split()
)
# Of methods of payment, as the checkout shows them.
TITLES = {
    "banktransfer": "Bank Transfer Payment",
    "checkmo": "Check / Money order",
    "companycredit": "Payment on Account",
    "purchaseorder": "Purchase Order",
}
REDEEMED = ("base_gift_cards_amount", "base_customer_balance_amount")


def order(one: Order, currency: str, *, fixed_in_subtotal: bool = False) -> dict[str, Any]:
    """``sales-data-order-interface``. Fixed product taxes are in its total, and in its subtotal where the shop wants that."""
    goods = sum(line.row_minor for line in one.lines)
    if fixed_in_subtotal:
        goods += sum(item.fixed_row_minor for item in one.items)
    discount = sum(line.discount_minor for line in one.lines)
    tax = sum(line.tax_minor for line in one.lines) + sum(item.fixed_tax_minor for item in one.items)
    subtotal_refunded = sum(line.net_of(line.refunded) for line in one.lines)
    address = _address(one, "billing")
    body = {
        "entity_id": one.entity_id,
        "increment_id": one.increment_id,
        "state": one.state,
        "status": one.status,
        "created_at": stamp(one.created_ms),
        "updated_at": stamp(one.updated_ms),
        "base_currency_code": currency,
        "global_currency_code": currency,
        "order_currency_code": currency,
        "store_currency_code": currency,
        "store_id": 1,
        "customer_group_id": 0 if one.customer_id is None else 1,
        "customer_is_guest": int(one.customer_id is None),
        "customer_email": one.buyer.email,
        "customer_firstname": one.buyer.firstname,
        "customer_lastname": one.buyer.lastname,
        "base_grand_total": money(one.grand_minor),
        "base_subtotal": money(goods),
        "base_discount_amount": money(-discount - one.shipping_discount_minor),
        "base_discount_tax_compensation_amount": money(sum(line.compensation_minor for line in one.lines)),
        "base_shipping_amount": money(one.shipping_minor),
        "base_shipping_discount_amount": money(one.shipping_discount_minor),
        "base_shipping_discount_tax_compensation_amnt": money(0),
        "base_shipping_tax_amount": money(0),
        "base_tax_amount": money(tax),
        "base_shipping_refunded": money(sum(memo.shipping_minor for memo in one.creditmemos)),
        "base_tax_refunded": money(sum(line.tax_of(line.refunded) for line in one.lines)),
        "base_subtotal_refunded": money(subtotal_refunded),
        "base_total_paid": money(one.paid_minor),
        "base_total_refunded": money(one.refunded_minor),
        "base_total_due": money(one.grand_minor - one.paid_minor),
        "base_total_canceled": money(
            sum(line.net_of(line.canceled) + line.tax_of(line.canceled) for line in one.lines)
        ),
        "total_item_count": len(one.lines),
        "total_qty_ordered": sum(line.ordered for line in one.lines),
        "items": [order_item(item, one) for item in one.items],
        "billing_address": address,
        "payment": {
            "entity_id": one.entity_id,
            "parent_id": one.entity_id,
            "method": one.payment,
            "account_status": None,
            "additional_information": [TITLES.get(one.payment, one.payment)],
            "amount_ordered": money(one.grand_minor),
            "base_amount_ordered": money(one.grand_minor),
            "cc_last4": None,
            **({"po_number": one.po_number} if one.po_number else {}),
        },
        "status_histories": histories(one),
        "extension_attributes": {
            "shipping_assignments": [
                {
                    "shipping": {"address": _address(one, "shipping"), "method": "flatrate_flatrate"},
                    "items": [],
                }
            ],
            **_redeemed(one.redeemed),
        },
    }
    body |= _shown(body)
    # Fields without a value are left out, as the vendor's serialiser does.
    if one.customer_id is not None:
        body["customer_id"] = one.customer_id
    if one.ext_order_id:
        body["ext_order_id"] = one.ext_order_id
    return body


def as_saved(body: dict[str, Any]) -> dict[str, Any]:
    """An order as an event's raw data has it: what was never written is null there, where the API says 0 (assumption)."""
    never = (
        "base_shipping_refunded",
        "base_tax_refunded",
        "base_total_paid",
        "base_total_refunded",
        "base_total_canceled",
    )
    shown = [name.removeprefix("base_") for name in never]
    redeemed = {name: value for name, value in body["extension_attributes"].items() if name in REDEEMED}
    return body | redeemed | {name: body[name] or None for name in (*never, *shown)}


def _shown(body: dict[str, Any]) -> dict[str, Any]:
    """The amounts in the currency that buyers see, which is the shop's own here."""
    return {
        name.removeprefix("base_"): value
        for name, value in body.items()
        if name.startswith("base_") and not name.endswith(("_code", "_amnt"))
    }


def histories(one: Order) -> list[dict[str, Any]]:
    """``sales-data-order-status-history-interface``, of every comment."""
    return [
        {
            "comment": text,
            "created_at": stamp(at),
            "entity_id": number,
            "entity_name": "order",
            "is_customer_notified": None,
            "is_visible_on_front": 0,
            "parent_id": one.entity_id,
            "status": one.status,
        }
        for number, (at, text) in enumerate(one.comments, 1)
    ]


def _redeemed(amounts: tuple[int, int]) -> dict[str, Any]:
    """Gift cards and store credit; where there are none, nothing is told."""
    return {name: money(minor) for name, minor in zip(REDEEMED, amounts, strict=True) if minor}


def _address(one: Order, kind: str) -> dict[str, Any]:
    company = {"company": one.buyer.company} if one.buyer.company else {}
    return {
        "address_type": kind,
        "firstname": one.buyer.firstname,
        "lastname": one.buyer.lastname,
        "street": ["1 High Street"],
        "city": "Reading",
        "postcode": "RG1 1AA",
        "country_id": "GB",
        "telephone": "0118",
        "email": one.buyer.email,
        "parent_id": one.entity_id,
        **company,
    }


def order_item(item: OrderItem, one: Order) -> dict[str, Any]:
    """``sales-data-order-item-interface``."""
    holder = item.parent or item
    body = {
        "item_id": item.item_id,
        "order_id": one.entity_id,
        "product_id": item.product.entity_id,
        "sku": item.sku,
        "name": item.product.name,
        "product_type": item.product_type,
        "qty_ordered": item.ordered,
        "qty_invoiced": holder.invoiced,
        "qty_shipped": holder.shipped,
        "qty_refunded": holder.refunded,
        "qty_canceled": holder.canceled,
        "base_price": money(item.price_minor),
        "base_row_total": money(item.row_minor),
        "base_discount_amount": money(item.discount_minor),
        "base_discount_tax_compensation_amount": money(item.compensation_minor),
        "base_tax_amount": money(item.tax_minor),
        "store_id": 1,
        "created_at": stamp(one.created_ms),
        "updated_at": stamp(one.updated_ms),
    }
    body |= _shown(body)
    if item.parent is not None:
        body["parent_item_id"] = item.parent.item_id
    child = next((x for x in one.items if x.parent is item), item)
    if child.fixed_minor:
        body |= _fixed_taxes(item, child)
    return body


def _fixed_taxes(item: OrderItem, of: OrderItem) -> dict[str, Any]:
    """A configurable line has its child's list and amounts of one unit, and nothing for the row (Weee/Model/Total/Quote/Weee)."""
    unit, row = of.fixed_minor / 100, of.fixed_row_minor / 100
    with_tax = (of.fixed_row_minor + of.fixed_tax_minor) / 100
    unit_with_tax = with_tax / of.ordered
    told = {
        "title": "eco",
        "base_amount": unit,
        "amount": unit,
        "row_amount": row,
        "base_row_amount": row,
        "base_amount_incl_tax": unit_with_tax,
        "amount_incl_tax": unit_with_tax,
        "row_amount_incl_tax": with_tax,
        "base_row_amount_incl_tax": with_tax,
    }
    of_row = money(item.fixed_row_minor)
    return {
        "weee_tax_applied": json.dumps([told]),
        "weee_tax_applied_amount": money(of.fixed_minor),
        "weee_tax_applied_row_amount": of_row,
        "base_weee_tax_applied_amount": money(of.fixed_minor),
        "base_weee_tax_applied_row_amnt": of_row,
    }


def invoice(one: Invoice) -> dict[str, Any]:
    """``sales-data-invoice-interface``; state 1 is open, 2 paid, 3 cancelled."""
    return {
        "entity_id": one.entity_id,
        "increment_id": one.increment_id,
        "order_id": one.order.entity_id,
        "state": 2 if one.paid else 1,
        "base_grand_total": money(one.total_minor),
        "base_shipping_amount": money(one.shipping_minor),
        "grand_total": money(one.total_minor),
        "shipping_amount": money(one.shipping_minor),
        "total_qty": sum(units for _, units in one.lines),
        "created_at": stamp(one.created_ms),
        "updated_at": stamp(one.created_ms),
        "items": [
            {"order_item_id": line.item_id, "sku": line.sku, "qty": units} for line, units in one.lines
        ],
        "comments": comments(one),
    }


def comments(of: Invoice | Creditmemo | Shipment) -> list[dict[str, Any]]:
    """What was written with a document."""
    if not of.comment:
        return []
    told = {"entity_id": of.entity_id, "parent_id": of.entity_id, "comment": of.comment}
    return [told | {"created_at": stamp(of.created_ms), "is_customer_notified": 0, "is_visible_on_front": 0}]


def creditmemo(one: Creditmemo) -> dict[str, Any]:
    """``sales-data-creditmemo-interface``; whether goods went back to a source, it does not tell."""
    return {
        "entity_id": one.entity_id,
        "increment_id": one.increment_id,
        "order_id": one.order.entity_id,
        "state": 2,
        "base_grand_total": money(one.total_minor),
        "base_adjustment": money(one.adjustments[0] - one.adjustments[1]),
        "base_adjustment_positive": money(one.adjustments[0]),
        "base_adjustment_negative": money(one.adjustments[1]),
        "base_shipping_amount": money(one.shipping_minor),
        "grand_total": money(one.total_minor),
        "shipping_amount": money(one.shipping_minor),
        "created_at": stamp(one.created_ms),
        "updated_at": stamp(one.created_ms),
        "items": [
            {
                "entity_id": line.item_id,
                "parent_id": one.entity_id,
                "order_item_id": line.item_id,
                "sku": line.sku,
                "qty": units,
                "base_cost": None,
                "base_price": money(line.price_minor),
            }
            for line, units in one.lines
        ],
        "comments": comments(one),
        "extension_attributes": _redeemed(one.redeemed),
    }


def shipment(one: Shipment) -> dict[str, Any]:
    """``sales-data-shipment-interface``, with the source that multi-source inventory adds."""
    return {
        "entity_id": one.entity_id,
        "increment_id": one.increment_id,
        "order_id": one.order.entity_id,
        "total_qty": sum(units for _, units in one.lines),
        "created_at": stamp(one.created_ms),
        "updated_at": stamp(one.created_ms),
        "items": [
            {"order_item_id": line.item_id, "sku": line.sku, "qty": units} for line, units in one.lines
        ],
        "tracks": [track(entry, one) for entry in one.tracks],
        "comments": comments(one),
        "extension_attributes": {"source_code": one.source},
    }


def track(entry: Track, of: Shipment) -> dict[str, Any]:
    """``sales-data-shipment-track-interface``."""
    return {
        "entity_id": entry.entity_id,
        "parent_id": of.entity_id,
        "order_id": of.order.entity_id,
        "track_number": entry.track_number,
        "title": entry.title,
        "carrier_code": entry.carrier_code,
        "description": None,
        "qty": None,
        "weight": None,
        "created_at": stamp(entry.created_ms),
    }


def product(one: Product, store: str = "all") -> dict[str, Any]:
    """``catalog-data-product-interface``, the part that matters here, as a store view shows it."""
    texts = one.texts.get(store, {})
    attributes = {**one.attributes, **{code: text for code, text in texts.items() if code != "name"}}
    return {
        "id": one.entity_id,
        "sku": one.sku,
        "name": texts.get("name", one.name),
        "attribute_set_id": 4,
        "custom_attributes": [{"attribute_code": code, "value": text} for code, text in attributes.items()],
        "price": money(one.price_minor),
        "status": one.status,
        "visibility": one.visibility,
        "type_id": one.type_id,
        "created_at": stamp(one.created_ms),
        "updated_at": stamp(one.updated_ms),
        "media_gallery_entries": [dict(entry) for entry in one.media],
        "extension_attributes": {
            "website_ids": [1],
            "category_links": [
                {"position": at, "category_id": str(number)} for number, at in one.categories.items()
            ],
            **(
                {
                    "configurable_product_options": choices(one),
                    "configurable_product_links": list(one.links),
                }
                if one.type_id == "configurable"
                else {}
            ),
        },
    }


def choices(one: Product) -> list[dict[str, Any]]:
    """``configurable-product-data-option-interface``, of each attribute that variants differ in."""
    return [
        {
            "id": choice["id"],
            "attribute_id": str(choice["attribute_id"]),
            "label": choice["label"],
            "position": choice["position"],
            "values": [{"value_index": value} for value in choice["values"]],
            "product_id": one.entity_id,
        }
        for choice in one.choices
    ]


def source(one: Source) -> dict[str, Any]:
    """``inventory-api-data-source-interface``."""
    return {"source_code": one.code, "name": one.name, "enabled": one.enabled}


def stock(one: Stock) -> dict[str, Any]:
    """``inventory-api-data-stock-interface``."""
    return {
        "stock_id": one.id,
        "name": one.name,
        "extension_attributes": {"sales_channels": [{"type": "website", "code": one.website}]},
    }


def groups(names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """``customer-data-group-interface``; all groups together are none."""
    for number, name in enumerate(name for name in names if name != "ALL GROUPS"):
        yield {"id": number, "code": name, "tax_class_id": 3, "tax_class_name": "Retail Customer"}


def store_view(number: int, code: str) -> dict[str, Any]:
    """``store-data-store-interface``."""
    at = min(number, 1)
    told = {"id": number, "code": code, "name": code.title(), "website_id": at}
    return told | {"store_group_id": at, "is_active": 1}


def source_item(one: SourceItem) -> dict[str, Any]:
    """``inventory-api-data-source-item-interface``."""
    return {"sku": one.sku, "source_code": one.source, "quantity": one.quantity, "status": one.status}
