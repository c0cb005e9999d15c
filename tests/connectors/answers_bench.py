"""For the benches of channels: what an ERP received, took back or called off, and how often a shop's books show it."""

from __future__ import annotations

from decimal import Decimal

from syncline.connectors.adobe_commerce.simulator import AdobeCommerceSimulator
from syncline.connectors.adobe_commerce.simulator import CartLine as AdobeLine
from syncline.connectors.shopify.simulator import CartLine, ShopifySimulator
from syncline.model.delivery import Item
from syncline.model.payloads import CancelOrder, CreateRefund, RecordPayment
from syncline.model.records import Receipt, Return

ANSWERS = ("record_payment", "create_refund", "cancel_order")


def _item(operation: str, key: str, place: str, total: Decimal, now_ms: int) -> Item:
    if operation == "record_payment":
        return Item(key, RecordPayment(key, Receipt(f"shop-{key}", total, "GBP", now_ms)))
    if operation == "cancel_order":
        return Item(key, CancelOrder(key, restock=False, money=True))
    back = Return(f"r-{key}", f"shop-{key}", now_ms, ())
    told = CreateRefund(key, f"erp return r-{key}", back, (("POOL", place, 1),), restock=False, money=True)
    return Item(key, told)


def shopify_answer(shop: ShopifySimulator, operation: str, place: int, now_ms: int) -> Item:
    """An order in the state for it, and what is to be told of it. A refund is of goods that had left."""
    done = shop.checkout([CartLine("POOL", 2)], paid=operation != "record_payment")
    assert done.order_id is not None
    order = shop.orders[done.order_id]
    if operation == "create_refund":
        (part,) = order.fulfillment_orders
        shop.send_parcel(order, [(part, line, line.remaining) for line in part.lines], ())
    return _item(operation, str(order.id), str(place), order.total, now_ms)


def shopify_effects(shop: ShopifySimulator, operation: str, item: Item) -> int:
    """How often it is in the books."""
    order = shop.orders[int(item.payload.order_key)]
    if operation == "record_payment":
        return sum(t.kind == "SALE" for t in order.transactions)
    return len(order.refunds) if operation == "create_refund" else int(order.cancelled)


def adobe_answer(shop: AdobeCommerceSimulator, operation: str, place: str, now_ms: int) -> Item:
    """The same of Adobe Commerce."""
    done = shop.checkout([AdobeLine("POOL", 2)], paid=operation == "create_refund")
    assert done.order_id is not None
    order = shop.orders[done.order_id]
    if operation == "create_refund":
        shop.sales.ship(order, None, (), place)
    return _item(operation, str(done.order_id), place, Decimal(order.grand_minor) / 100, now_ms)


def adobe_effects(shop: AdobeCommerceSimulator, operation: str, item: Item) -> int:
    """How often it is in the books."""
    order = shop.orders[int(item.payload.order_key)]
    if operation == "record_payment":
        return len(order.invoices)
    return len(order.creditmemos) if operation == "create_refund" else int(order.state == "canceled")
