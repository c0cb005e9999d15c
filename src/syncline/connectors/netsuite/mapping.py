"""Canonical orders, payments and refunds as NetSuite's records, and the arithmetic that keeps totals equal.

Field names: REST API Browser 2026.1 (``salesOrder``, ``customer``, ``customerDeposit``,
``returnAuthorization``); contract sheet section 5.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from syncline.connectors.netsuite.manifest import NetSuiteSettings
from syncline.connectors.netsuite.units import ItemUnits
from syncline.connectors.netsuite.zones import date_text
from syncline.model.errors import Rejected
from syncline.model.payloads import FieldValue, OrderItem, PutOrder, PutPayment
from syncline.model.records import ZERO, Address, Customer, Order, OrderLine

RATE = Decimal("0.000001")  # unit prices keep six decimals
REFERENCE_CHARS_MAX = 45  # otherRefNum
MEMO_CHARS_MAX = 999
NAME_CHARS_MAX = 83  # companyName
PART_CHARS_MAX = 32  # firstName, lastName
LINE_CHARS_MAX = 150
# Of a transaction that does not come from the user interface, which takes 500 (section_N550610, of SOAP and CSV; that REST is
# as they are is an assumption).
LINES_MAX = 5_000
NO_UNITS: Mapping[str, ItemUnits] = MappingProxyType({})
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LOCATION = re.compile(r"Invalid Field (?:Value|Reference Key) (\S+) for the following field: location\b")


@dataclass(frozen=True, slots=True)
class ErpRow:
    """One line as we want it. ``quantity`` is in base units, and ``None`` on a discount; ``line_id`` is the order's line."""

    item: str
    location: str
    quantity: int | None
    fields: dict[str, Any] = field(default_factory=dict)
    line_id: str = ""


def otherrefnum(number: str) -> str:
    """The number under which a buyer knows an order, as the field holds it."""
    return number[:REFERENCE_CHARS_MAX]


def external_id(text: str) -> str:
    """An external id that fits a URL: letters, digits, ``_`` and ``-`` (contract sheet section 3)."""
    if _EXTERNAL_ID.fullmatch(text):
        return text
    # Two ids that differ only in what is replaced must stay two.
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', text)[:60]}_{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def reference(value: str) -> dict[str, str]:
    """A reference by internal id where it is a number, else by external id."""
    return {"id": value} if value.isdigit() else {"externalId": value}


# -- customers --------------------------------------------------------------------------------------


def customer_body(customer: Customer, order: Order, settings: NetSuiteSettings) -> dict[str, Any]:
    """A customer as the channel knows it: a company where the billing address names one."""
    company = order.billing.company.strip() if order.billing else ""
    fallback = (order.billing.name if order.billing else "") or customer.email or customer.key
    name = (customer.name or fallback).strip()
    if company:
        body: dict[str, Any] = {"isPerson": False, "companyName": company[:NAME_CHARS_MAX]}
    else:
        first, _, last = name.rpartition(" ")
        body = {"isPerson": True, "lastName": last[:PART_CHARS_MAX]}
        if first:
            body["firstName"] = first[:PART_CHARS_MAX]
    if customer.email:
        body["email"] = customer.email
    if customer.phone:
        body["phone"] = customer.phone
    if settings.subsidiary:
        body["subsidiary"] = {"id": settings.subsidiary}
    return body


def address_body(address: Address) -> dict[str, Any]:
    """A one-off address on an order."""
    fields = {
        "attention": address.name if address.company else "",
        "addressee": address.company or address.name,
        "addr1": address.line1,
        "addr2": address.line2,
        "city": address.city,
        "state": address.region,
        "zip": address.postcode,
        "addrPhone": address.phone,
    }
    body: dict[str, Any] = {name: value[:LINE_CHARS_MAX] for name, value in fields.items() if value}
    if address.country:
        body["country"] = {"id": address.country}
    return body


# -- orders -----------------------------------------------------------------------------------------


def _net(line: OrderLine, order: Order) -> Decimal:
    """What the line's goods cost before discount, without tax."""
    return line.unit_price * line.quantity - (line.tax if order.taxes_included else ZERO)


def shipping_net(order: Order) -> Decimal:
    """Shipping without tax: what is left of the tax after the lines is in it."""
    if not order.taxes_included:
        return order.shipping
    return order.shipping - (order.tax - sum((line.tax for line in order.lines), ZERO))


def wanted_rows(
    put: PutOrder, settings: NetSuiteSettings, units: Mapping[str, ItemUnits] = NO_UNITS
) -> list[ErpRow]:
    """The lines that the ERP's order shall have.

    A given rate sticks only with the custom price level (RB26.1: ``price.id = -1``). Where an item has units of measure the
    line names the base unit: without it the quantity would count sale units.

    Raises:
        Rejected: the order cannot be expressed with these settings; says which one is missing.
    """
    order = put.order
    lines = {line.id: line for line in order.lines}
    discount = sum((line.discount for line in order.lines), ZERO)
    spread = bool(discount) and not settings.discount_item
    wanted = []
    for item in put.items:
        line = lines.get(item.line_id)
        if line is None or line.quantity <= 0:
            raise Rejected(f"Line {item.line_id} of order {order.number} is not part of the order.")
        net = _net(line, order) - (line.discount if spread else ZERO)
        rate = (net / line.quantity / item.in_pack).quantize(RATE)
        wanted.append(_goods(item, rate, settings, units))
    if discount and not spread:
        amount = {"rate": -discount, "amount": -discount}
        wanted.append(ErpRow(settings.discount_item, "", None, amount))
    keep = settings.tax == "keep"
    tax = order.tax if settings.charge_item else order.tax + order.charges
    if keep and tax:
        if not settings.tax_item:
            raise Rejected(
                f"Order {order.number} carries tax of {tax}: set netsuite.tax_item to the item that shall "
                'carry it, or netsuite.tax to "erp".',
            )
        wanted.append(_charge(settings.tax_item, tax))
    if order.charges and not (keep or settings.charge_item):
        raise Rejected(
            f"Order {order.number} carries charges of {order.charges}, such as fixed product taxes: set netsuite.charge_item "
            "to the item that shall carry them."
        )
    if order.charges and settings.charge_item:
        wanted.append(_charge(settings.charge_item, order.charges))
    if settings.shipping_item and (shipping := shipping_net(order)):
        wanted.append(_charge(settings.shipping_item, shipping))
    return wanted


def _goods(
    item: OrderItem, rate: Decimal, settings: NetSuiteSettings, units: Mapping[str, ItemUnits]
) -> ErpRow:
    fields: dict[str, Any] = {"rate": rate}
    if item.item_id in units:
        fields["units"] = _base_unit(item, units[item.item_id])
    if settings.price_level:
        fields["price"] = {"id": settings.price_level}
    return ErpRow(item.item_id, item.location, item.quantity, fields, item.line_id)


def _base_unit(item: OrderItem, known: ItemUnits) -> str:
    sale = known.units[known.sale]
    if sale.rate < 1:
        many = (1 / sale.rate).quantize(Decimal("0.001")).normalize()
        raise Rejected(
            f"NetSuite sells {item.sku} by the {sale.name}, of which {many:f} make the base unit that its stock is counted "
            "in. Orders are counted as stock is, so this one would be for so many times as much: enter it by hand, and make "
            "the base unit the item's sale unit if that is what the shop sells."
        )
    return known.base


def _charge(item: str, amount: Decimal) -> ErpRow:
    return ErpRow(item, "", 1, {"rate": amount, "price": {"id": "-1"}})


def row_body(row: ErpRow) -> dict[str, Any]:
    """A new line."""
    body: dict[str, Any] = {"item": {"id": row.item}, **row.fields}
    if row.quantity is not None:
        body["quantity"] = row.quantity
    if row.location:
        body["location"] = {"id": row.location}
    return body


def create_body(
    put: PutOrder,
    customer: Mapping[str, str],
    settings: NetSuiteSettings,
    units: Mapping[str, ItemUnits] = NO_UNITS,
) -> dict[str, Any]:
    """A new sales order; ``orderStatus`` A is pending approval, B pending fulfilment.

    Raises:
        Rejected: it cannot be expressed with these settings, or has more lines than NetSuite takes.
    """
    order = put.order
    lines = [row_body(row) for row in wanted_rows(put, settings, units)]
    if len(lines) > LINES_MAX:
        raise Rejected(
            f"Order {order.number} would have {len(lines)} lines, and NetSuite takes {LINES_MAX} in a transaction: enter it "
            "there as several orders, then discard this."
        )
    if order.cancelled_at_ms is not None:
        lines = [{**line, "isClosed": True} if "quantity" in line else line for line in lines]
    body: dict[str, Any] = {
        "entity": dict(customer),
        "tranDate": date_text(order.placed_at_ms, settings.zone),
        "orderStatus": {"id": "B" if settings.approve_orders else "A"},
        **header(put, settings),
        "item": {"items": lines},
    }
    if settings.subsidiary:
        body["subsidiary"] = {"id": settings.subsidiary}
    if settings.ship_method:
        body["shipMethod"] = {"id": settings.ship_method}
    return body | _currency(f"Order {order.number}", order.currency, settings)


def _currency(what: str, code: str, settings: NetSuiteSettings) -> dict[str, Any]:
    """The currency of a transaction, in accounts that have several: without it NetSuite takes the customer's.

    Raises:
        Rejected: the account's id of the currency is not known.
    """
    if not settings.currencies:
        return {}
    if code not in settings.currencies:
        raise Rejected(f"{what} is in {code}: add it to netsuite.currencies.")
    return {"currency": {"id": settings.currencies[code]}}


def header(put: PutOrder, settings: NetSuiteSettings) -> dict[str, Any]:
    """What stands above the lines of an order, new or revised."""
    order = put.order
    memo = ": ".join(x for x in (order.number, order.note) if x)
    body: dict[str, Any] = {
        "otherRefNum": otherrefnum(order.po_number or order.number),
        "memo": memo[:MEMO_CHARS_MAX],
    }
    if not settings.shipping_item:
        body["shippingCost"] = shipping_net(order)
    body |= {field.name: field_value(field) for field in put.fields}
    for name, address in (("shippingAddress", order.shipping_to), ("billingAddress", order.billing)):
        if address is not None and address != Address():
            body[name] = address_body(address)
    return body


def field_value(field: FieldValue) -> Any:
    """A custom field's value as NetSuite's REST records take it (RB26.1): a date is its text."""
    if field.type == "decimal":
        return Decimal(field.text)
    return field.text == "true" if field.type == "boolean" else field.text


# -- what a payload says ------------------------------------------------------------------------------


def gone(put: PutOrder) -> bool:
    """Whether nothing of the order is wanted any more."""
    return put.order.cancelled_at_ms is not None or not put.items


def refused_locations(put: PutOrder, words: str) -> list[str]:
    """The locations of an order that NetSuite's words say it will not take: closed, or not the subsidiary's.

    Nothing else of the order is refused, so it can be sent from elsewhere.
    """
    named = _LOCATION.findall(words)
    if not named or len(named) < words.count("for the following field:"):
        return []
    return sorted({item.location for item in put.items if item.location} & set(named))


# -- payments ---------------------------------------------------------------------------


def deposit_body(put: PutPayment, customer: str, settings: NetSuiteSettings) -> dict[str, Any]:
    """A customer deposit against the order.

    Raises:
        Rejected: the account's id of the currency is not known.
    """
    payment = put.payment
    return {
        "customer": {"id": customer},
        "salesOrder": {"id": put.order_external_id},
        "payment": payment.amount,
        "tranDate": date_text(payment.received_at_ms, settings.zone),
        "memo": " ".join(x for x in (payment.gateway, payment.id) if x)[:MEMO_CHARS_MAX],
        **_currency(f"Payment {payment.id}", payment.currency, settings),
    }
