"""Payments that staff record, refunds and cancellations by the API.

Names and shapes: shopify.dev, pages of 2026-07 (``orderCreateManualPayment``, ``refundCreate``, ``orderCancel``,
``Order.suggestedRefund``). Amounts are in the currency in which the buyer paid: 2026-07 schema, ``RefundInput.currency`` and
the code ``CURRENCY_MISMATCH``. That a payment's gateway is the name given for it, that a refund without restocking takes units
first that were not sent, and all messages are assumptions.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator.fields import number_of
from syncline.connectors.shopify.simulator.inventory import Errors, idempotently
from syncline.connectors.shopify.simulator.operation import FieldRefused, Resolver
from syncline.connectors.shopify.simulator.records import OrderRecord, to_decimal
from syncline.connectors.shopify.simulator.search import instant_ms

STAFF_NOTE_MAX = 255  # 2026-07 schema, `orderCancel`
PARTIAL_PLANS = ("plus", "enterprise")  # a manual payment may have an amount only there
PARTIAL_NEEDS = (
    "`write_orders` access scope. Also: The user must have mark_orders_as_paid permission. "
    "The API client must be installed on a Shopify Plus store to use the amount field."
)
SYMBOLS = {"EUR": "€", "GBP": "£"}


def _refused(payload: str, message: str, *path: str, code: str | None = None) -> dict[str, Any]:
    return {payload: None, "userErrors": [{"field": list(path) or None, "message": message, "code": code}]}


def _order(shop: ShopifySimulator, gid: str) -> OrderRecord | None:
    return shop.state.orders.get(number_of(gid, "Order"))


def manual_payment(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """``orderCreateManualPayment``: a part or, without an amount, all that is left.

    The codes and what they say: 2026-07 schema, ``OrderCreateManualPaymentOrderCreateManualPaymentErrorCode``.
    """
    order = _order(shop, arguments["id"])
    if order is None:
        return _refused("order", "Order does not exist", "id", code="ORDER_NOT_FOUND")
    left = order.outstanding_minor()
    if not left or order.cancelled:
        return _refused("order", "The order is already fully paid or was cancelled.", "id")
    at = arguments.get("processedAt")
    if at is not None and instant_ms(at) > shop.clock.now_ms():
        return _refused("order", "Processed at is invalid.", "processedAt", code="PROCESSED_AT_INVALID")
    given = arguments.get("amount")
    if given is not None and shop.plan not in PARTIAL_PLANS:
        raise FieldRefused(  # live answer of 2026-04
            f"Access denied for orderCreateManualPayment field. Required access: {PARTIAL_NEEDS}",
            "ACCESS_DENIED",
            documentation="https://shopify.dev/api/usage/access-scopes",
            requiredAccess=PARTIAL_NEEDS,
        )
    if given is not None and given["currencyCode"] != shop.presentment_currency:
        message = "The currency of the amount doesn't match the presentment currency of the order."
        return _refused("order", message, "amount", code="CURRENCY_MISMATCH")
    amount = left if given is None else shop.in_own(given["amount"])
    if amount <= 0:
        return _refused("order", "Amount must be positive.", "amount", code="AMOUNT_NOT_POSITIVE")
    if amount > left:
        message = "Amount exceeds the remaining balance."
        return _refused("order", message, "amount", code="AMOUNT_EXCEEDS_BALANCE")
    shop.pay(order.id, amount, arguments.get("paymentMethodName") or "manual")
    shop.applied(1)
    return {"order": order, "userErrors": []}


def _wanted(order: OrderRecord, rows: list[dict[str, Any]]) -> dict[int, int] | int:
    """Units by line; or which row names more than are left, or a line of another order."""
    lines = {line.id: line for line in order.lines}
    units: dict[int, int] = {}
    for at, row in enumerate(rows):
        number = number_of(row["lineItemId"], "LineItem")
        units[number] = units.get(number, 0) + row["quantity"]
        if number not in lines or not 0 < units[number] <= lines[number].current_quantity:
            return at
    return units


def _said(shop: ShopifySimulator, amount: Decimal) -> str:
    return f"{SYMBOLS.get(shop.presentment_currency, '$')}{amount:,.2f}"


def refund_create(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """``refundCreate``: goods, and money back to the payments that it names.

    Messages and their fields are those of live answers of 2026-04, but for those about the currency.
    """
    given = arguments["input"]

    def refuse(errors: Errors, message: str, *path: str) -> None:
        errors.append({"field": list(path) or None, "message": message, "code": None})

    def act(errors: Errors) -> Any:
        order = _order(shop, given["orderId"])
        if order is None:
            return refuse(errors, "Order does not exist", "orderId")
        rows = given.get("refundLineItems") or []
        units = _wanted(order, rows)
        if isinstance(units, int):
            message = "Quantity cannot refund more items than were purchased"
            return refuse(errors, message, "refundLineItems", str(units), "quantity")
        restocks = {row.get("restockType") or "NO_RESTOCK" for row in rows}
        if "RETURN" in restocks and any(not row.get("locationId") for row in rows):
            return refuse(errors, "Location is required when restocking", "refundLineItems")
        currency = given.get("currency")
        if currency is None and shop.presentment_currency != shop.currency:
            return refuse(errors, "Currency is required for orders in another currency", "currency")
        if currency not in {None, shop.presentment_currency}:
            return refuse(errors, "Currency must be the presentment currency of the order", "currency")
        rows = given.get("transactions") or []
        for row in rows:
            if row["kind"] != "REFUND":
                return refuse(errors, f"Kind {row['kind'].lower()} is not a valid transaction")
        amount = sum((row["amount"] for row in rows), Decimal(0))
        sales = {f"gid://shopify/OrderTransaction/{t.id}" for t in order.transactions if t.kind == "SALE"}
        if any(row.get("parentId") not in sales for row in rows):
            return refuse(
                errors, "Transactions require a parent_id associated with the order", "transactions"
            )
        minor = shop.in_own(amount)
        left = order.received_minor() - order.refunded_minor()
        if minor > left:
            net = _said(shop, to_decimal(shop.presented(left)))
            return refuse(
                errors, f"Refund amount {_said(shop, amount)} is greater than net payment received {net}"
            )
        number = shop.refund(order.id, units, "RETURN" in restocks, to_decimal(minor), given.get("note"))
        shop.applied(1)
        return shop.state.refunds[number]

    answer = idempotently(shop, "refundCreate", arguments, "refund", act)
    return {**answer, "order": _order(shop, given["orderId"])}


def order_cancel(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """``orderCancel``: the job is done before anybody can ask for it."""
    order = _order(shop, arguments["orderId"])
    message = "Order does not exist" if order is None else ""
    if len(arguments.get("staffNote") or "") > STAFF_NOTE_MAX:
        message = f"Staff note is too long. Maximum length is {STAFF_NOTE_MAX} characters."
    if not message and order is not None:
        method = arguments.get("refundMethod") or {}
        try:
            shop.cancel_order(
                order.id,
                arguments["restock"],
                arguments["reason"],
                refund=bool(method.get("originalPaymentMethodsRefund")),
            )
        except ValueError as error:
            message = str(error)
    if message:
        code = "NOT_FOUND" if order is None else "INVALID"
        field = "staffNote" if message.startswith("Staff note") else "orderId"
        errors = [{"field": [field], "message": message, "code": code}]
        return {"job": None, "orderCancelUserErrors": errors, "userErrors": errors}
    shop.applied(1)
    return {"job": order, "orderCancelUserErrors": [], "userErrors": []}


MONEY_MUTATIONS: dict[str, Resolver] = {
    "orderCancel": order_cancel,
    "orderCreateManualPayment": manual_payment,
    "refundCreate": refund_create,
}
