"""Canonical orders, payments and refunds as Business Central's records, and the arithmetic that keeps totals equal.

Field names: the source of the API pages ``APIV2 - Sales Orders``, ``- Sales Order Lines``, ``- Customers``,
``- Customer Payments``, ``- Sales Credit Memos``; contract sheet section 5.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from syncline.connectors.business_central.client import Row
from syncline.connectors.business_central.manifest import MAPPED, BusinessCentralSettings
from syncline.connectors.business_central.rows import NO_GUID, text
from syncline.model.errors import Rejected
from syncline.model.payloads import FieldValue, OrderItem, PutOrder, PutPayment, PutRefund
from syncline.model.records import ZERO, Address, Customer, Order

UNIT_PRICE = Decimal("0.00001")  # what the general ledger setup keeps by default
CENT = Decimal("0.01")
REFERENCE_CHARS_MAX = 35  # externalDocumentNumber
NUMBER_CHARS_MAX = 20  # of a customer
CODE_CHARS_MAX = 20
NAME_CHARS_MAX = 100
DIGEST_CHARS = 12
SHIP_TO = ("shipToAddressLine1", "shipToAddressLine2", "shipToCity", "shipToState", "shipToPostCode")
_NUMBER = re.compile(r"[A-Z0-9_-]+")


def reference_of(put: PutOrder) -> str:
    """The external document number of an order: our reference, in the upper case in which it is held.

    Raises:
        Rejected: it does not fit, and cut short it could not be told from another.
    """
    if len(put.reference) > REFERENCE_CHARS_MAX:
        raise Rejected(
            f"The reference {put.reference!r} is longer than the {REFERENCE_CHARS_MAX} characters of an external "
            "document number: give the channel a shorter name."
        )
    return put.reference.upper()


def short_reference(reference: str) -> str:
    """An external document number for what is only looked up by us: cut short with a digest where it is too long."""
    return _short(reference, REFERENCE_CHARS_MAX)


def refunds(number: str, order: str) -> bool:
    """Whether an external document number is that of a refund of ours, of an order by its reference."""
    begins = f"{order}-ref-".upper()
    kept = _plain(begins)[: REFERENCE_CHARS_MAX - DIGEST_CHARS - 1]
    cut = rf"{re.escape(kept)}.*-[0-9A-F]{{{DIGEST_CHARS}}}"
    return number.startswith(begins) or re.fullmatch(cut, number) is not None


def customer_number(key: str, settings: BusinessCentralSettings) -> str:
    """The number of a customer that we create: the same for the same buyer, so that it exists once."""
    return settings.customer_prefix.upper() + _short(key, NUMBER_CHARS_MAX - len(settings.customer_prefix))


def _short(name: str, most: int) -> str:
    upper = name.upper()
    if len(upper) <= most and _NUMBER.fullmatch(upper):
        return upper
    # Two names that differ only in what is cut off or replaced must stay two.
    digest = hashlib.sha256(upper.encode()).hexdigest()[:DIGEST_CHARS].upper()
    kept = _plain(upper)[: max(0, most - DIGEST_CHARS - 1)]
    return f"{kept}-{digest}"[-most:]


def _plain(name: str) -> str:
    return re.sub(r"[^A-Z0-9_-]", "_", name)


def day(at_ms: int) -> str:
    """The date of an instant; online services keep UTC."""
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%d}"


# -- customers and addresses ------------------------------------------------------------------------


def customer_body(customer: Customer, order: Order, number: str) -> dict[str, Any]:
    """A customer as the channel knows it: a company where the billing address names one."""
    billing = order.billing
    company = billing.company.strip() if billing else ""
    name = company or customer.name or (billing.name if billing else "") or customer.email or customer.key
    body = {
        "number": number,
        "displayName": name.strip()[:NAME_CHARS_MAX],
        "type": "Company" if company else "Person",
        "email": customer.email[:80],
        "phoneNumber": customer.phone[:30],
    }
    if billing is not None:
        body |= _address("", billing)
    return {key: value for key, value in body.items() if value}


def _address(prefix: str, address: Address) -> dict[str, str]:
    def name(rest: str) -> str:
        return f"{prefix}{rest}" if prefix else rest[0].lower() + rest[1:]

    fields = {
        name("AddressLine1"): address.line1[:100],
        name("AddressLine2"): address.line2[:50],
        name("City"): address.city[:30],
        name("State"): address.region[:30],
        name("PostCode" if prefix else "PostalCode"): address.postcode[:20],
        name("Country"): address.country,
    }
    return {key: value for key, value in fields.items() if value}


# -- lines ------------------------------------------------------------------------------------------

LineKey = tuple[str, str, str]  # item or account, variant, location
AMOUNTS = ("quantity", "unitPrice", "discountAmount")
# Values are taken one after another, and each may move those before it: the item begins the line anew, a unit, a variant or
# a quantity has the price looked up, a tax code reckons a price that includes tax again, a price the discount's amount.
IN_ORDER = ("unitOfMeasureCode", "taxCode", *AMOUNTS)


@dataclass(frozen=True, slots=True)
class WantedLine:
    """One line as we want it. ``fields`` may be changed later; what makes it another line is in ``key``.

    ``returned`` units of it left and came back, and are wanted no more.
    """

    kind: str
    key: LineKey
    fields: dict[str, Any] = field(default_factory=dict)
    returned: Decimal = ZERO

    @property
    def size(self) -> Decimal:
        """Units that it stood for before any came back."""
        return Decimal(self.fields["quantity"]) + self.returned

    def body(self) -> dict[str, Any]:
        """A new line, in an order in which nothing takes the place of what was given before."""
        name, variant, location = self.key
        what = {"itemId": name} if self.kind == "Item" else {"lineObjectNumber": name}
        body: dict[str, Any] = {"lineType": self.kind, **what}
        if variant:
            body["itemVariantId"] = variant
        if location:
            body["locationId"] = location
        return body | _in_order(self.fields)


def _in_order(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fields[name] for name in IN_ORDER if name in fields}


def shipping_net(order: Order) -> Decimal:
    """Shipping without tax: what is left of the tax after the lines is in it."""
    if not order.taxes_included:
        return order.shipping
    return order.shipping - (order.tax - sum((line.tax for line in order.lines), ZERO))


def wanted_lines(
    put: PutOrder,
    locations: Mapping[str, str],
    units: Mapping[str, str],
    settings: BusinessCentralSettings,
) -> list[WantedLine]:
    """The lines that the ERP's order shall have; ``locations`` are ids by code, ``units`` base units by item.

    Raises:
        Rejected: the order cannot be expressed with these settings; says which one is missing.
    """
    order = put.order
    lines = {line.id: line for line in order.lines}
    keep = settings.tax == "keep"
    left = {line.id: line.discount for line in order.lines}
    rest = {line.id: line.quantity for line in order.lines}
    back = _came_back(order)
    wanted = []
    for item in put.items:
        line = lines.get(item.line_id)
        if line is None or line.quantity <= 0:
            raise Rejected(f"Line {item.line_id} of order {order.number} is not part of the order.")
        sold = Decimal(item.quantity) / item.in_pack
        net = line.unit_price * line.quantity - (line.tax if keep and order.taxes_included else ZERO)
        # A line that several locations share has its discount shared too, to the cent.
        rest[line.id] -= sold
        share = left[line.id] if rest[line.id] <= 0 else (line.discount * sold / line.quantity).quantize(CENT)
        left[line.id] -= share
        fields = {
            **_unit(item, units),
            "quantity": item.quantity,
            "unitPrice": (net / line.quantity / item.in_pack).quantize(UNIT_PRICE),
            "discountAmount": share,
            **_tax(settings),
        }
        returned = back.pop(line.id, ZERO) * item.in_pack
        wanted.append(WantedLine("Item", item_key(item, locations), fields, returned))
    tax = order.tax if settings.charge_account else order.tax + order.charges
    if keep and tax:
        wanted.append(_charge(settings.tax_account, tax, settings))
    if order.charges and not (keep or settings.charge_account):
        raise Rejected(
            f"Order {order.number} carries charges of {order.charges}, such as fixed product taxes: set "
            "business_central.charge_account to the G/L account that shall carry them."
        )
    if order.charges and settings.charge_account:
        wanted.append(_charge(settings.charge_account, order.charges, settings))
    shipping = shipping_net(order) if keep else order.shipping
    if shipping:
        if not settings.shipping_account:
            raise Rejected(
                f"Order {order.number} carries shipping of {shipping}: set business_central.shipping_account to the "
                "G/L account that shall carry it."
            )
        wanted.append(_charge(settings.shipping_account, shipping, settings))
    return wanted


def item_key(item: OrderItem, locations: Mapping[str, str]) -> LineKey:
    """Item, variant and location of a line, as ids."""
    number, _, variant = item.item_id.partition(":")
    return number, variant, locations.get(item.location, "") if item.location else ""


def _unit(item: OrderItem, units: Mapping[str, str]) -> dict[str, str]:
    """The unit in which units are counted; an item need not have one, and then has no other."""
    code = units.get(item.item_id.partition(":")[0], "")
    return {"unitOfMeasureCode": code} if code else {}


def _tax(settings: BusinessCentralSettings) -> dict[str, str]:
    return {"taxCode": settings.zero_tax_code.upper()} if settings.tax == "keep" else {}


def _charge(account: str, amount: Decimal, settings: BusinessCentralSettings) -> WantedLine:
    fields = {"quantity": 1, "unitPrice": amount.quantize(UNIT_PRICE), **_tax(settings)}
    return WantedLine("Account", (account.upper(), "", ""), fields)


# -- orders -----------------------------------------------------------------------------------------


def header(put: PutOrder, settings: BusinessCentralSettings) -> dict[str, Any]:
    """What of an order's head may change later."""
    order = put.order
    body: dict[str, Any] = {}
    to = order.shipping_to
    if to is not None and to != Address():
        body["shipToName"] = (to.company or to.name)[:NAME_CHARS_MAX]
        body["shipToContact"] = (to.name if to.company else "")[:NAME_CHARS_MAX]
    if order.customer is not None:
        body |= {"email": order.customer.email[:80], "phoneNumber": order.customer.phone[:30]}
    body = {key: value for key, value in body.items() if value}
    if to is not None and to != Address():
        # What the buyer's address lacks is said to be empty: the customer's card would fill it with its own.
        body |= dict.fromkeys(SHIP_TO, "") | _address("shipTo", to)
    return body | {x.name: mapped(x) for x in put.fields}


def mapped(field: FieldValue) -> str | bool:
    """The value of a field that a mapping gave, as API v2.0 takes it.

    Raises:
        Rejected: it is of another type than the field, or too long for it; names the field.
    """
    wanted = MAPPED.get(field.name, "string")
    if field.type != wanted:
        raise Rejected(
            f"{field.name} takes a {wanted}, and the mapping gives a {field.type}: change the mapping"
        )
    if wanted == "boolean":
        return field.text == "true"
    if field.name == "salesperson" and len(field.text) > CODE_CHARS_MAX:
        raise Rejected(
            f"salesperson takes a code of up to {CODE_CHARS_MAX} characters, not {field.text[:60]!a}: change the mapping"
        )
    return field.text.upper() if field.name == "salesperson" else field.text  # codes are kept in capitals


def create_body(
    put: PutOrder, customer: Mapping[str, str], lines: Sequence[WantedLine], settings: BusinessCentralSettings
) -> dict[str, Any]:
    """A new sales order with its lines; the customer comes first, because it decides the currency."""
    order = put.order
    bodies = [line.body() for line in lines]
    if order.cancelled_at_ms is not None:
        bodies = [{**body, "quantity": 0, "discountAmount": 0} for body in bodies]
    return {
        **customer,
        "externalDocumentNumber": reference_of(put),
        "orderDate": day(order.placed_at_ms),
        "currencyCode": order.currency,
        "pricesIncludeTax": settings.tax == "erp" and order.taxes_included,
        **header(put, settings),
        "salesOrderLines": bodies,
    }


def gone(put: PutOrder) -> bool:
    """Whether nothing of the order is wanted any more."""
    return put.order.cancelled_at_ms is not None or not put.items


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a document's lines: method, what it is sent to, and its body."""

    method: str
    line: str  # "" for a new one
    body: dict[str, Any] | None


def steps(
    held: Sequence[Row], wanted: Sequence[WantedLine], returned: Sequence[ReturnedLine] = ()
) -> list[Step]:
    """What turns the lines that are held into the ones wanted; nothing where they are the same.

    Units that were shipped cannot be taken off, so a quantity never falls below them, and a line that is no longer
    wanted keeps them.
    """
    found: list[Step] = []
    pairs, rest = _pairs(held, wanted, returned)
    for line, row in pairs:
        if row is None:
            found.append(Step("POST", "", line.body()))
            continue
        fields = _at_least(line.fields, _number(row, "shippedQuantity"))
        if fields["quantity"] != line.fields["quantity"] and _number(row, "quantity") == fields["quantity"]:
            continue  # all of it left, so it stands as it is; what comes back is a credit memo's
        found += _changed(row, fields)
    return found + [step for row in rest if (step := _off(row)) is not None]


ReturnedLine = tuple[str, str, Decimal]  # item and variant, and units that left and came back


def returned_lines(put: PutOrder) -> list[ReturnedLine]:
    """The lines of an order of which nothing is wanted any more because all that left came back, where others have the same item."""
    items = {item.line_id: item for item in put.items}
    same = {line.sku: items[line.id] for line in put.order.lines if line.id in items}
    back = _came_back(put.order)
    found = []
    for line in put.order.lines:
        if line.id in back and line.id not in items and line.sku in same:
            number, _, variant = same[line.sku].item_id.partition(":")
            found.append((number, variant, back[line.id] * same[line.sku].in_pack))
    return found


def _came_back(order: Order) -> dict[str, Decimal]:
    """Units that had left and came back, by line; the channel has taken them off what is wanted."""
    back: dict[str, Decimal] = {}
    for line in (line for refund in order.refunds for line in refund.lines if line.shipped):
        back[line.line_id] = back.get(line.line_id, ZERO) + line.quantity
    return back


def _pairs(
    held: Sequence[Row], wanted: Sequence[WantedLine], returned: Sequence[ReturnedLine]
) -> tuple[list[tuple[WantedLine, Row | None]], list[Row]]:
    """Which held line each wanted one becomes, and the lines that none of them becomes.

    What left cannot be taken off again. So lines of which something left are given out first, each to the wanted line that
    accounts for it best; and one whose goods all came back is none of those that are wanted.
    """

    def shipped(row: Row) -> Decimal:
        return _number(row, "shippedQuantity")

    pool = _by_key(held)
    rest: list[Row] = []
    for number, variant, units_back in returned:
        sent = [
            (abs(shipped(row) - units_back), n, key)
            for key, rows in pool.items()
            if key[0] == "Item" and key[1][:2] == (number, variant)
            for n, row in enumerate(rows)
            if shipped(row)
        ]
        if sent:
            _, n, key = min(sent)
            rest.append(pool[key].pop(n))
    becomes: dict[int, Row] = {}
    places: defaultdict[tuple[str, LineKey], list[int]] = defaultdict(list)
    for place, line in enumerate(wanted):
        places[line.kind, line.key].append(place)
    for key, free in places.items():
        for row in sorted(pool.pop(key, ()), key=shipped, reverse=True):
            if not free:
                rest.append(row)
                continue
            best = free[0]
            if shipped(row):
                # It accounts for all that left, for little else, and for what came back.
                best = min(free, key=lambda at: _misfit(wanted[at], shipped(row)))
            free.remove(best)
            becomes[best] = row
    rest += [row for rows in pool.values() for row in rows]
    return [(line, becomes.get(place)) for place, line in enumerate(wanted)], rest


def _misfit(line: WantedLine, shipped: Decimal) -> tuple[bool, Decimal, Decimal]:
    """How badly a line accounts for units that left."""
    return line.size < shipped, abs(line.size - shipped), -line.returned


def _by_key(held: Sequence[Row]) -> dict[tuple[str, LineKey], list[Row]]:
    pool: defaultdict[tuple[str, LineKey], list[Row]] = defaultdict(list)
    for row in held:
        pool[text(row, "lineType"), _key(row)].append(row)
    return pool


def _changed(row: Row, fields: Mapping[str, Any]) -> list[Step]:
    """The change that gives a line these fields, if it has others."""
    changed = {name for name, value in fields.items() if not _equal(row.get(name), value)}
    if changed:
        changed |= set(AMOUNTS)  # which the others move
    body = _in_order({name: value for name, value in fields.items() if name in changed})
    return [Step("PATCH", text(row, "id"), body)] if changed else []


def _at_least(fields: Mapping[str, Any], shipped: Decimal) -> dict[str, Any]:
    """A line's fields for no fewer units than were shipped, with the discount that so many have."""
    wanted = Decimal(fields["quantity"])
    if wanted >= shipped:
        return dict(fields)
    discount = Decimal(fields.get("discountAmount", ZERO))
    share = {"discountAmount": (discount * shipped / wanted).quantize(CENT)} if discount else {}
    return {**fields, "quantity": shipped, **share}


def _off(row: Row) -> Step | None:
    """Take a line off: deleted if nothing of it was shipped, or set to what was."""
    shipped = _number(row, "shippedQuantity")
    if row.get("lineType") not in ("Item", "Account"):
        return None  # comments are people's
    if not shipped:
        return Step("DELETE", text(row, "id"), None)
    if _number(row, "quantity") == shipped:
        return None
    return Step("PATCH", text(row, "id"), {"quantity": shipped})


def kept(held: Sequence[Row], wanted: Sequence[WantedLine], returned: Sequence[ReturnedLine] = ()) -> Decimal:
    """What units cost, tax included, that are no longer wanted and stay on the order because they were shipped.

    They come off by a credit memo, so the order's total is higher than the channel's by as much.
    """
    pairs, rest = _pairs(held, wanted, returned)
    worth = ZERO
    stays = [(row, Decimal(line.fields["quantity"])) for line, row in pairs if row is not None]
    for row, units in [*stays, *((row, ZERO) for row in rest)]:
        quantity = _number(row, "quantity")
        extra = quantity - units
        if extra > 0 and extra <= _number(row, "shippedQuantity"):
            worth += (_number(row, "netAmountIncludingTax") * extra / quantity).quantize(CENT)
    return worth


def cancel_steps(held: Iterable[Row]) -> list[Step]:
    """Set every line to what was shipped. Lines stay, so that the order is found by its reference for ever."""
    found = []
    for row in held:
        shipped = _number(row, "shippedQuantity")
        if row.get("lineType") in ("Item", "Account") and _number(row, "quantity") != shipped:
            fields = {"quantity": shipped, **({} if shipped else {"discountAmount": 0})}
            found.append(Step("PATCH", text(row, "id"), fields))
    return found


def _key(row: Row) -> LineKey:
    def guid(name: str) -> str:
        value = text(row, name)
        return "" if value == NO_GUID else value

    if row.get("lineType") == "Account":
        return text(row, "lineObjectNumber"), "", ""
    return guid("itemId"), guid("itemVariantId"), guid("locationId")


def _number(row: Row, name: str) -> Decimal:
    return Decimal(str(row.get(name) or 0))


def _equal(held: Any, wanted: Any) -> bool:
    if isinstance(wanted, int | Decimal) and isinstance(held, int | Decimal):
        return Decimal(held) == Decimal(wanted)
    return bool(held == wanted)


# -- payments and refunds ---------------------------------------------------------------------------


def payment_body(put: PutPayment, customer: str) -> dict[str, Any]:
    """A line of a payment journal. Money that comes in is a credit to the customer: negative.

    The whole reference is the description, which is what general ledger entries keep of it once it is posted.
    """
    payment = put.payment
    return {
        "customerId": customer,
        "postingDate": day(payment.received_at_ms),
        "externalDocumentNumber": short_reference(put.reference),
        "amount": -payment.amount,
        "description": description(put.reference),
        "comment": " ".join(x for x in (payment.gateway, payment.id) if x)[:250],
    }


def description(reference: str) -> str:
    """A reference as a description; it has to be found again whole."""
    return reference if len(reference) <= NAME_CHARS_MAX else short_reference(reference)


def memo_lines(
    put: PutRefund,
    locations: Mapping[str, str],
    units: Mapping[str, str],
    settings: BusinessCentralSettings,
) -> list[WantedLine]:
    """The units that come back, over the money that was refunded, tax included, to the cent."""
    whole, told, booked = sum(item.quantity for item in put.items), 0, ZERO
    lines = []
    for item in put.items:
        told += item.quantity
        share = (put.refund.amount * told / whole).quantize(CENT) - booked
        booked += share
        fields = {
            **_unit(item, units),
            "quantity": item.quantity,
            "unitPrice": (share / item.quantity).quantize(UNIT_PRICE),
            "discountAmount": ZERO,
            **_tax(settings),
        }
        lines.append(WantedLine("Item", item_key(item, locations), fields))
    return lines


def memo_body(
    put: PutRefund, customer: str, payer: str, currency: str, lines: Sequence[WantedLine]
) -> dict[str, Any]:
    """A credit memo in its order's currency, for who was to pay for the order, whose card decides after the customer's.

    Whether its prices include tax is a card's to say: read-only.
    """
    return {
        "customerId": customer,
        **({"billToCustomerId": payer} if payer not in ("", customer) else {}),
        "externalDocumentNumber": short_reference(put.reference),
        "creditMemoDate": day(put.refund.created_at_ms),
        **({"currencyCode": currency} if currency else {}),
        "salesCreditMemoLines": [line.body() for line in lines],
    }


def memo_steps(memo: Row, wanted: Sequence[WantedLine]) -> list[Step]:
    """What has the lines of a credit memo come to the money wanted, where its prices exclude the tax that they carry."""
    pool = _by_key(memo.get("salesCreditMemoLines") or ())
    inside = memo.get("pricesIncludeTax") is True
    found: list[Step] = []
    for line in wanted:
        same = pool.get((line.kind, line.key))
        if same:
            row = same.pop(0)
            rate = 1 if inside else 1 + _number(row, "taxPercent") / 100
            price = (line.fields["unitPrice"] / rate).quantize(UNIT_PRICE)
            found += _changed(row, {**line.fields, "unitPrice": price})
    return found
