"""Canonical orders, payments and refunds as NetSuite's records, and the arithmetic that keeps totals equal.

Field names: REST API Browser 2026.1 (``salesOrder``, ``customer``, ``customerDeposit``,
``returnAuthorization``); contract sheet section 5.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from syncline.connectors.netsuite.manifest import NetSuiteSettings
from syncline.connectors.netsuite.zones import date_text
from syncline.model.errors import Rejected
from syncline.model.payloads import FieldValue, OrderItem, PutOrder, PutPayment, PutRefund
from syncline.model.records import ZERO, Address, Customer, Order, OrderLine

RATE = Decimal("0.000001")  # unit prices keep six decimals
REFERENCE_CHARS_MAX = 45  # otherRefNum
MEMO_CHARS_MAX = 999
NAME_CHARS_MAX = 83  # companyName
PART_CHARS_MAX = 32  # firstName, lastName
LINE_CHARS_MAX = 150
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LOCATION = re.compile(r"Invalid Field (?:Value|Reference Key) (\S+) for the following field: location\b")


@dataclass(frozen=True, slots=True)
class ErpRow:
    """One line as we want it. ``quantity`` is ``None`` on a discount."""

    item: str
    location: str
    quantity: int | None
    fields: dict[str, Any] = field(default_factory=dict)


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


def wanted_rows(put: PutOrder, settings: NetSuiteSettings) -> list[ErpRow]:
    """The lines that the ERP's order shall have.

    A given rate sticks only with the custom price level (RB26.1: ``price.id = -1``).

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
        wanted.append(_goods(item, rate, settings))
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


def _goods(item: OrderItem, rate: Decimal, settings: NetSuiteSettings) -> ErpRow:
    fields: dict[str, Any] = {"rate": rate}
    if settings.price_level:
        fields["price"] = {"id": settings.price_level}
    return ErpRow(item.item_id, item.location, item.quantity, fields)


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


def create_body(put: PutOrder, customer: Mapping[str, str], settings: NetSuiteSettings) -> dict[str, Any]:
    """A new sales order; ``orderStatus`` A is pending approval, B pending fulfilment."""
    order = put.order
    lines = [row_body(row) for row in wanted_rows(put, settings)]
    if order.cancelled_at_ms is not None:
        lines = [{**line, "isClosed": True} if "quantity" in line else line for line in lines]
    body: dict[str, Any] = {
        "entity": dict(customer),
        "tranDate": date_text(order.placed_at_ms, settings.zone),
        "orderStatus": {"id": "B" if settings.approve_orders else "A"},
        **_header(put, settings),
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


def _header(put: PutOrder, settings: NetSuiteSettings) -> dict[str, Any]:
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


# -- revisions --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HeldLine:
    """A line as the ERP's order holds it."""

    number: int
    item: str
    location: str
    quantity: Decimal | None
    shipped: Decimal
    closed: bool


def held_lines(record: Mapping[str, Any]) -> list[HeldLine]:
    """The lines of a record that was read with its sublists.

    Raises:
        Rejected: the record came without them.
    """
    sublist = record.get("item")
    rows = sublist.get("items") if isinstance(sublist, dict) else None
    if not isinstance(rows, list) or any("line" not in row for row in rows):
        raise Rejected("NetSuite returned the order without its lines.")
    return [
        HeldLine(
            int(row["line"]),
            str((row.get("item") or {}).get("id", "")),
            str((row.get("location") or {}).get("id", "")),
            None if row.get("quantity") is None else Decimal(str(row["quantity"])),
            Decimal(str(row.get("quantityFulfilled") or 0)),
            row.get("isClosed") is True,
        )
        for row in rows
    ]


def revision_body(put: PutOrder, held: Sequence[HeldLine], settings: NetSuiteSettings) -> dict[str, Any]:
    """What replaces the lines of an order: lines that stay keep their number, the others go.

    Units that were shipped cannot be taken off, so a quantity never falls below them.
    """
    pool = _pool(held)
    lines = []
    for row in wanted_rows(put, settings):
        body = row_body(row)
        if same := pool.get((row.item, row.location)):
            line = same.pop(0)
            body["line"] = line.number
            if row.quantity is not None:
                body["quantity"] = max(row.quantity, int(line.shipped))
        lines.append(body)
    lines += [
        {"line": line.number, "quantity": int(line.shipped)}
        for same in pool.values()
        for line in same
        if line.shipped
    ]
    return {**_header(put, settings), "item": {"items": lines}}


def cancel_body(held: Sequence[HeldLine], settings: NetSuiteSettings) -> dict[str, Any]:
    """Take everything off that has not left: lines are closed, or end at what was shipped of them.

    A line of which something was shipped stays open, for a closed one is not billed any more; and where there is such a line, what
    is charged besides the goods is left to the accounts.
    """
    left = any(line.shipped for line in held)
    rows: list[dict[str, Any]] = []
    for line in held:
        if line.quantity is None or line.closed or (left and line.item in settings.amount_items):
            continue
        if not line.shipped:
            rows.append({"line": line.number, "isClosed": True})
        elif line.quantity != line.shipped:
            rows.append({"line": line.number, "quantity": int(line.shipped)})
    return {"item": {"items": rows}}


def holds_revision(put: PutOrder, held: Sequence[HeldLine], settings: NetSuiteSettings) -> bool:
    """Whether the ERP's lines are what the revision asks for, so that it need not be sent again."""
    if gone(put):
        return not cancel_body(held, settings)["item"]["items"]
    pool = _pool(held)
    for row in wanted_rows(put, settings):
        same = pool.get((row.item, row.location))
        if not same:
            return False
        line = same.pop(0)
        if row.quantity is not None and line.quantity != max(row.quantity, line.shipped):
            return False
    return all(line.quantity == line.shipped for same in pool.values() for line in same)


def gone(put: PutOrder) -> bool:
    """Whether nothing of the order is wanted any more."""
    return put.order.cancelled_at_ms is not None or not put.items


def _pool(held: Iterable[HeldLine]) -> dict[tuple[str, str], list[HeldLine]]:
    pool: defaultdict[tuple[str, str], list[HeldLine]] = defaultdict(list)
    for line in held:
        # Some accounts put their default location on lines that carry no goods.
        pool[line.item, line.location if line.quantity is not None else ""].append(line)
    return pool


def refused_locations(put: PutOrder, words: str) -> list[str]:
    """The locations of an order that NetSuite's words say it will not take: closed, or not the subsidiary's.

    Nothing else of the order is refused, so it can be sent from elsewhere.
    """
    named = _LOCATION.findall(words)
    if not named or len(named) < words.count("for the following field:"):
        return []
    return sorted({item.location for item in put.items if item.location} & set(named))


# -- payments and refunds ---------------------------------------------------------------------------


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


def return_body(put: PutRefund, held: Sequence[HeldLine], settings: NetSuiteSettings) -> dict[str, Any]:
    """What a sales order is transformed with: the refunded units only, by the order's line numbers.

    Raises:
        Rejected: the order has no shipped line for the units.
    """
    left = {line.number: line.shipped for line in held}
    rows: dict[int, dict[str, Any]] = {}  # one for each line, though a refund may name it several times
    for item in put.items:
        need = Decimal(item.quantity)
        same = [line for line in held if line.item == item.item_id]
        # The location that shipped it first; a shop may take goods back elsewhere.
        for line in sorted(same, key=lambda x: x.location != item.location):
            take = min(need, left[line.number])
            if take > 0:
                row = rows.setdefault(line.number, {"orderLine": line.number, "quantity": 0})
                row["quantity"] += int(take)
                if item.location:
                    row.setdefault("location", {"id": item.location})
                left[line.number] -= take
                need -= take
        if need > 0:
            raise Rejected(
                f"{need} of {item.sku} are to come back, but NetSuite's order {put.order_external_id} has not "
                "shipped them: fulfil the order there first, or book the return by hand.",
            )
    return {
        "externalId": put.reference,
        "tranDate": date_text(put.refund.created_at_ms, settings.zone),
        "memo": f"refund {put.refund.id}: {put.refund.amount}"[:MEMO_CHARS_MAX],
        # Goods can only be received against an approved return.
        "orderStatus": {"id": "B" if put.restocked or settings.approve_orders else "A"},
        "item": {"items": list(rows.values())},
    }


def received_lines(put: PutRefund, held: Sequence[HeldLine]) -> dict[str, Any]:
    """What is received of a return, by its line numbers: the units that went back on the shelf, and none that did not.

    Nothing where all of them did: then a receipt takes all of the return.
    """
    left = _restocked(put)
    if sum(left.values()) == sum(item.quantity for item in put.items):
        return {}
    taken: defaultdict[int, int] = defaultdict(int)
    for anywhere in (False, True):  # where they were to come back to, then wherever the item comes back
        for item, location in left:
            for line in held:
                if line.item == item and (anywhere or line.location == location):
                    more = min(left[item, location], int(line.quantity or 0) - taken[line.number])
                    taken[line.number] += more
                    left[item, location] -= more
    rows = [
        {"orderLine": line.number, "quantity": taken[line.number]}
        if taken[line.number]
        else {"orderLine": line.number, "itemReceive": False}
        for line in held
    ]
    return {"item": {"items": rows}}


def _restocked(put: PutRefund) -> dict[tuple[str, str], int]:
    """Units that went back on the shelf, by item and location; all of them where the refund does not tell line by line."""
    back: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in put.refund.lines:
        back[line.line_id] += line.quantity if line.restocked and line.shipped else ZERO
    found: defaultdict[tuple[str, str], int] = defaultdict(int)
    for item in put.items:
        sold = item.quantity // item.in_pack
        some = min(sold, int(back[item.line_id])) if put.refund.lines else sold
        back[item.line_id] -= some
        found[item.item_id, item.location] += some * item.in_pack
    return dict(found)
