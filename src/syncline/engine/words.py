"""Durations, moments, flows and routes in the words that a person uses."""

from __future__ import annotations

from datetime import UTC, datetime

from syncline.engine.routes import SEP

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

FLOWS = {
    "customers": "Customers",
    "prices": "Prices",
    "inventory": "Stock",
    "catalog": "Catalog",
    "orders": "Orders",
    "credit": "Credit",
    "order_status": "Shipments",
    "payments": "Payments",
    "returns": "Returns",
}

OPERATIONS = {
    "set_stock": "show a stock number",
    "read_stock": "read a stock number",
    "read_order": "read an order whole",
    "put_order": "write an order",
    "put_payment": "record a payment",
    "put_refund": "record a refund",
    "create_shipment": "announce a shipment",
    "move_order": "have an order expected from where it is sent",
    "record_payment": "show a payment",
    "create_refund": "give goods and money back",
    "cancel_order": "cancel an order",
    "set_price": "show a price",
    "set_list_price": "show a price in a price list",
    "set_credit": "show what is left of a credit",
    "set_product": "show a product",
    "set_wording": "show a product in another language",
    "set_listing": "show a product in an assortment",
    "put_customer": "write a customer",
    "apply": "take in a message",
    "adopt": "take over an order",
    "compare_total": "compare an order's total",
    "confirm_hold": "confirm a hold",
    "await_order": "meet a hold's order",
    "tell_customer": "tell a customer what is held",
    "finished_order": "take in news of a finished order",
}

# What is parked only so that somebody knows: nothing is to be sent.
NOTES = frozenset(
    {
        "adopt",
        "compare_total",
        "confirm_hold",
        "await_order",
        "tell_customer",
        "vanished_items",
        "finished_order",
    }
)


def flow_title(flow: str) -> str:
    """How a flow is called on screens."""
    return FLOWS.get(flow, flow.replace("_", " ").capitalize())


def operation_title(operation: str) -> str:
    """What an operation does, as a verb phrase."""
    return OPERATIONS.get(operation, operation.replace("_", " "))


def duration(ms: float | None) -> str:
    """A duration in at most two units, such as ``1.4 s``, ``4 min 10 s`` or ``2 d 3 h``."""
    if ms is None:
        return "unknown"
    ms = round(ms)
    if ms < 0:
        return f"−{duration(-ms)}"
    if ms < SECOND_MS:
        return f"{ms} ms"
    if ms < 10 * SECOND_MS:
        text = f"{ms / SECOND_MS:.1f}".removesuffix(".0")
        return f"{text} s"
    if ms < MINUTE_MS:
        return f"{ms // SECOND_MS} s"
    for size, unit, small, small_unit in (
        (DAY_MS, "d", HOUR_MS, "h"),
        (HOUR_MS, "h", MINUTE_MS, "min"),
        (MINUTE_MS, "min", SECOND_MS, "s"),
    ):
        if ms >= size:
            rest = ms % size // small
            return f"{ms // size} {unit}" + (f" {rest} {small_unit}" if rest else "")
    raise AssertionError(ms)


def utc(ms: int) -> str:
    """A moment as ``2026-01-31 12:00:00 UTC``."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return "an impossible date"


def percent(share: float | None) -> str:
    """A share as a percentage that never rounds up to a perfect hundred."""
    if share is None:
        return "–"
    if share >= 1:
        return "100 %"
    return f"{int(share * 10_000) / 100:.2f}".rstrip("0").rstrip(".") + " %"


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def sentence(text: str) -> str:
    """A text with its full stop, whether or not it has one already."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def key_text(key: str) -> str:
    """A record key as shown: its parts with a dot between them."""
    return key.replace(SEP, " · ")
