"""Theirs to ours: orders, documents and products to canonical records. Pure functions.

A shop states amounts in the order's and in the base currency; the base currency is meant everywhere. What was ordered never
changes there: cancelled and refunded units are counted beside it, so what is left is reckoned here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

from syncline.connectors.adobe_commerce import marks, wire
from syncline.connectors.adobe_commerce.wire import amount, to_ms, units
from syncline.model.errors import Rejected
from syncline.model.records import (
    ZERO,
    Address,
    Allocation,
    Customer,
    Item,
    Order,
    OrderLine,
    Payment,
    Refund,
    RefundLine,
)

_CENT = Decimal("0.01")
PAID = 2  # the state of an invoice whose money came
SOLD_KINDS = frozenset({"simple", "virtual", "downloadable"})  # products whose stock is kept


# Why an order waits, by the states in which a shop's own doubts or its buyer's payment hold it up.
_WAITS = {
    "new": "nothing was invoiced in the shop yet",
    "pending_payment": "its payment is under way",
    "payment_review": "its payment is being reviewed",
    "holded": "somebody stopped it in the shop",
}


def order_from_event(body: wire.Order, *, redeemed: bool = False, waiting: Collection[str] = ()) -> Order:
    """An order as an event tells it: no allocations, no payments, no refunds.

    Raises:
        Rejected: it cannot be understood.
    """
    whole = wire.WholeOrder(body)
    return _order(whole, source="", restocked=False, complete=False, redeemed=redeemed, waiting=waiting)


def order_from_read(
    body: wire.WholeOrder,
    *,
    source: str,
    restocked: bool,
    redeemed: bool = False,
    waiting: Collection[str] = (),
) -> Order:
    """An order as a full read tells it.

    ``source`` is where units are taken to leave from that have not left yet. ``restocked``: whether refunded goods are taken
    to lie in their source again. ``redeemed``: whether gift cards, store credit and reward points are payments of the order;
    else they are missing in its total, and it does not add up. ``waiting``: states of which the ERP does not hear yet.

    Raises:
        Rejected: it cannot be understood.
    """
    return _order(body, source=source, restocked=restocked, complete=True, redeemed=redeemed, waiting=waiting)


def _order(
    whole: wire.WholeOrder,
    *,
    source: str,
    restocked: bool,
    complete: bool,
    redeemed: bool,
    waiting: Collection[str],
) -> Order:
    order = whole.order
    updated_ms = to_ms(order.updated_at, "updated_at")
    sold = sellable(order.items)
    lines = tuple(_line(item, whole, source=source, restocked=restocked) for item in sold)
    shipping_tax = amount(order.base_shipping_tax_amount, "base_shipping_tax_amount")
    # What shipping costs before its discount; what was refunded is stated so as well.
    gross = amount(order.base_shipping_amount, "base_shipping_amount")
    gross_left = max(ZERO, gross - amount(order.base_shipping_refunded, "base_shipping_refunded"))
    shipping_was = (
        gross
        - amount(order.base_shipping_discount_amount, "base_shipping_discount_amount")
        + amount(
            order.base_shipping_discount_tax_compensation_amnt, "base_shipping_discount_tax_compensation_amnt"
        )
    )
    shipping = _part(shipping_was, gross_left, gross)
    tax_was = amount(order.base_tax_amount, "base_tax_amount")
    # Taxes that lie on no line (on shipping, on fees) stay, shipping's as far as shipping does.
    tax_gone = sum((i.base_tax_amount or ZERO for i in sold), ZERO) - sum((line.tax for line in lines), ZERO)
    tax_gone += shipping_tax - _part(shipping_tax, gross_left, gross)
    charges_were, charges, charges_tax_gone = _charges(order.items, sold, lines)
    tax = tax_was - tax_gone - charges_tax_gone
    goods_were = sum((_net(item) for item in sold), ZERO)
    goods = sum((line.unit_price * line.quantity - line.discount for line in lines), ZERO)
    # What was redeemed is taken off the total and is on no line: unless it is a payment, the parts do not add up.
    tenders = list(_redeemed(order)) if redeemed else []
    total = (
        amount(order.base_grand_total, "base_grand_total")
        + sum((tender.amount for tender in tenders), ZERO)
        - (goods_were - goods)
        - (tax_was - tax)
        - (shipping_was - shipping)
        - (charges_were - charges)
    )
    return Order(
        key=str(order.entity_id),
        number=order.increment_id,
        placed_at_ms=to_ms(order.created_at, "created_at"),
        updated_at_ms=updated_ms,
        currency=order.base_currency_code,
        lines=lines,
        shipping=shipping,
        tax=tax,
        total=total,
        customer=_customer(order),
        billing=_address(order.billing_address),
        shipping_to=_address(_shipping_address(order)),
        po_number=(order.payment.po_number if order.payment else None) or "",
        note=order.customer_note or "",
        # The shop calls off only what was neither invoiced nor shipped, and calls an order that was shipped cancelled as well.
        cancelled_at_ms=updated_ms
        if order.state == "canceled" and not any(line.quantity for line in lines)
        else None,
        payments=(*(tenders if complete else ()), *_payments(whole)),
        refunds=tuple(_refunds(whole, restocked=restocked, redeemed=redeemed)),
        complete=complete,
        charges=charges,
        waits=_WAITS.get(order.state, order.state) if order.state in waiting else "",
    )


def sellable(items: Sequence[wire.OrderItem]) -> list[wire.OrderItem]:
    """The lines that goods and money are on.

    A configurable line carries the price, and the SKU of what was chosen; its child repeats the SKU without a price. A
    bundle's children carry SKU and price, unless the bundle has a fixed one: then its money is on a line of its own.

    Raises:
        Rejected: a child whose parent is not there.
    """
    by_id = {item.item_id: item for item in items}
    chosen = []
    for item in items:
        parent = by_id.get(item.parent_item_id) if item.parent_item_id is not None else None
        if item.parent_item_id is not None and parent is None:
            raise Rejected(f"line {item.item_id}: its parent {item.parent_item_id} is not in the order")
        if parent is not None and parent.product_type != "bundle":
            continue
        if item.product_type == "bundle":
            if any(one.parent_item_id == item.item_id and one.base_row_total for one in items):
                continue  # its price is the sum of its parts
            raise Rejected(
                f"line {item.item_id} ({item.sku}): a bundle with a fixed price cannot be split into its parts; enter the "
                "order in the ERP by hand, then discard this entry"
            )
        chosen.append(item)
    return chosen


def _line(item: wire.OrderItem, whole: wire.WholeOrder, *, source: str, restocked: bool) -> OrderLine:
    what = f"line {item.item_id}"
    ordered = units(item.qty_ordered, f"{what}, qty_ordered")
    if ordered <= 0:
        raise Rejected(f"{what}: {ordered} units were ordered")
    canceled = units(item.qty_canceled, f"{what}, qty_canceled")
    refunded = units(item.qty_refunded, f"{what}, qty_refunded")
    shipped = units(item.qty_shipped, f"{what}, qty_shipped")
    wanted = max(0, ordered - canceled - refunded)
    price = amount(item.base_price, f"{what}, base_price")
    net = _net(item)
    tax = amount(item.base_tax_amount, f"{what}, base_tax_amount")
    # Prices are rounded, rows are not multiplied from them: the difference goes into the discount.
    net_left = net if wanted == ordered else _share(net, wanted, ordered)
    # A parcel lowers the source; units that came back and were put there again raise it.
    returned = _returned(ordered, canceled, refunded, shipped) if restocked else 0
    return OrderLine(
        id=str(item.item_id),
        sku=item.sku,
        title=item.name,
        quantity=Decimal(wanted),
        unit_price=price,
        discount=price * wanted - net_left,
        tax=tax if wanted == ordered else _share(tax, wanted, ordered),
        taken=Decimal(max(0, shipped - returned)),
        allocations=_allocations(item, whole.shipments, Decimal(wanted), source) if source else (),
    )


def _net(item: wire.OrderItem) -> Decimal:
    """What a line costs without tax.

    Where discounts are given on prices with tax, the discount is stated with the tax inside it, and that tax beside it.
    """
    what = f"line {item.item_id}"
    return (
        amount(item.base_row_total, f"{what}, base_row_total")
        - amount(item.base_discount_amount, f"{what}, base_discount_amount")
        + amount(item.base_discount_tax_compensation_amount, f"{what}, base_discount_tax_compensation_amount")
    )


def _charges(
    items: Sequence[wire.OrderItem], sold: Sequence[wire.OrderItem], lines: Sequence[OrderLine]
) -> tuple[Decimal, Decimal, Decimal]:
    """Fixed product taxes (WEEE): what they were, what is left of them, and how much of the tax on them is gone.

    They are in the order's total beside the rows, and what is taxed of them is in its tax and on no line (magento2:
    Weee/Model/Total/Quote, Tax/Model/Sales/Total/Quote/CommonTaxCollector). A configurable line's are on its child.
    """
    were = left = tax_gone = ZERO
    taxed: defaultdict[int | None, list[wire.OrderItem]] = defaultdict(list)
    for item in items:  # a child's list is told of its parent too, but no amount for the row
        if item.base_weee_tax_applied_row_amnt:
            taxed[item.item_id].append(item)
            taxed[item.parent_item_id].append(item)
    for item, line in zip(sold, lines, strict=True):
        row = tax = ZERO
        for one in taxed[item.item_id]:
            row += amount(one.base_weee_tax_applied_row_amnt, f"line {one.item_id}, fixed product taxes")
            tax += _tax_on_fixed(one)
        wanted, ordered = int(line.quantity), int(item.qty_ordered)
        were += row
        left += row if wanted == ordered else _share(row, wanted, ordered)
        tax_gone += ZERO if wanted == ordered else tax - _share(tax, wanted, ordered)
    return were, left, tax_gone


def _tax_on_fixed(item: wire.OrderItem) -> Decimal:
    """The tax on a line's fixed product taxes. They are floats of PHP's, written as JSON into a text."""
    told = item.weee_tax_applied or ()
    what = f"line {item.item_id}, weee_tax_applied"
    taxes = wire.decode(told.encode(), tuple[wire.FixedTax, ...], what) if isinstance(told, str) else told
    found = ZERO
    for one in taxes:
        with_tax, without = one.base_row_amount_incl_tax or ZERO, one.base_row_amount or ZERO
        for value in (with_tax, without):
            if not value.is_finite() or abs(value) > wire.AMOUNT_MAX:
                raise Rejected(f"{what}: {str(value)[:40]} is no amount")
        found += max(ZERO, with_tax - without).quantize(_CENT, ROUND_HALF_UP)
    return found


def tells_fixed_taxes(items: Iterable[wire.OrderItem]) -> bool:
    """Whether a line with fixed product taxes says what of the order's tax is on them."""
    return all(item.weee_tax_applied is not None for item in items if item.base_weee_tax_applied_row_amnt)


def adds_up(order: Order) -> bool:
    """Whether the parts of an order make its total, to the cent for each line."""
    goods = sum((line.unit_price * line.quantity - line.discount for line in order.lines), ZERO)
    parts = goods + order.shipping + order.charges + order.tax
    return abs(parts - order.total) <= _CENT * len(order.lines)


def _share(value: Decimal, part: int, whole: int) -> Decimal:
    return (value * part / whole).quantize(_CENT, ROUND_HALF_UP)


def _part(value: Decimal, left: Decimal, whole: Decimal) -> Decimal:
    """What is left of an amount when so much is left of another."""
    return value if left == whole else (value * left / whole).quantize(_CENT, ROUND_HALF_UP)


def _returned(ordered: int, canceled: int, refunded: int, shipped: int) -> int:
    """Refunded units that had been shipped; those that had not are refunded first."""
    return max(0, refunded - max(0, ordered - canceled - shipped))


def _allocations(
    item: wire.OrderItem, shipments: Iterable[wire.Shipment], wanted: Decimal, source: str
) -> tuple[Allocation, ...]:
    """Where units left from, and where the rest is taken to leave from: the shop chooses a source when it ships.

    Units of one source are told as one, so that a parcel from where it was expected changes nothing in the ERP's order.
    """
    sent: defaultdict[str, Decimal] = defaultdict(Decimal)
    for shipment in shipments:
        for line in shipment.items:
            if line.order_item_id == item.item_id:
                sent[shipment.source or source] += line.qty
    rest = max(ZERO, wanted - sum(sent.values(), ZERO))
    elsewhere = [Allocation(at, quantity) for at, quantity in sorted(sent.items()) if at != source]
    if not rest and source not in sent and elsewhere:
        return tuple(elsewhere)
    return (*elsewhere, Allocation(source, sent[source] + rest, remaining=rest))


def _payments(whole: wire.WholeOrder) -> Iterable[Payment]:
    for invoice in whole.invoices:
        # An order that costs nothing, or was redeemed whole, has an invoice of nothing: no money came.
        if invoice.state == PAID and invoice.base_grand_total and not marks.ours(invoice.comments):
            yield Payment(
                id=str(invoice.entity_id),
                amount=amount(invoice.base_grand_total, "invoice, base_grand_total"),
                currency=whole.order.base_currency_code,
                received_at_ms=to_ms(invoice.created_at, "invoice, created_at"),
                gateway=whole.order.payment.method if whole.order.payment else "",
            )


# What was redeemed: field, and method of payment as the shop calls it.
_TENDERS = (
    ("base_gift_cards_amount", "giftcardaccount"),
    ("base_customer_balance_amount", "customerbalance"),
    ("base_reward_currency_amount", "rewardpoints"),
)


def _redeemed(order: wire.Order) -> Iterable[Payment]:
    """Gift cards, store credit and reward points as payments, each once an order."""
    for field, method in _TENDERS:
        told = getattr(order.extension_attributes, field, None)
        value = amount(told if told is not None else getattr(order, field), field)
        if value:
            yield Payment(
                id=f"{order.entity_id}-{method}",
                amount=value,
                currency=order.base_currency_code,
                received_at_ms=to_ms(order.created_at, "created_at"),
                gateway=method,
            )


def redeemed_of(order: wire.Order) -> Decimal:
    """How much of an order was paid with gift cards, store credit and reward points."""
    return sum((tender.amount for tender in _redeemed(order)), ZERO)


def _refunds(whole: wire.WholeOrder, *, restocked: bool, redeemed: bool) -> Iterable[Refund]:
    items = {item.item_id: item for item in sellable(whole.order.items)}
    # How many units of each line were never sent: those were refunded first, oldest credit memo first.
    unsent = {
        number: max(ZERO, item.qty_ordered - (item.qty_canceled or ZERO) - (item.qty_shipped or ZERO))
        for number, item in items.items()
    }
    for memo in sorted(whole.creditmemos, key=lambda memo: memo.entity_id):
        lines = []
        for line in memo.items:
            if line.order_item_id not in items or line.qty <= 0:
                continue
            kept = min(line.qty, unsent[line.order_item_id])
            unsent[line.order_item_id] -= kept
            if kept:
                lines.append(RefundLine(str(line.order_item_id), kept, restocked=True, shipped=False))
            if line.qty > kept:
                lines.append(RefundLine(str(line.order_item_id), line.qty - kept, restocked=restocked))
        if marks.ours(memo.comments):
            continue
        given = amount(memo.base_grand_total, "credit memo, base_grand_total")
        for field, _ in _TENDERS if redeemed else ():
            given += amount(getattr(memo.extension_attributes, field, None), f"credit memo, {field}")
        yield Refund(
            str(memo.entity_id),
            given,
            to_ms(memo.created_at, "credit memo, created_at"),
            tuple(lines),
        )


def _customer(order: wire.Order) -> Customer | None:
    name = " ".join(part for part in (order.customer_firstname, order.customer_lastname) if part)
    if order.customer_id:
        key = str(order.customer_id)
    elif order.customer_email:
        key = f"guest-{order.entity_id}"  # two guests with one address need not be one buyer
    else:
        return None
    phone = order.billing_address.telephone if order.billing_address else None
    return Customer(key=key, name=name, email=order.customer_email or "", phone=phone or "")


def _shipping_address(order: wire.Order) -> wire.Address | None:
    for assignment in order.extension_attributes.shipping_assignments if order.extension_attributes else ():
        if assignment.shipping and assignment.shipping.address:
            return assignment.shipping.address
    return None


def _address(address: wire.Address | None) -> Address | None:
    if address is None:
        return None
    street = [line for line in address.street if line]
    return Address(
        name=" ".join(part for part in (address.firstname, address.lastname) if part),
        company=address.company or "",
        line1=street[0] if street else "",
        line2=", ".join(street[1:]),
        city=address.city or "",
        region=address.region_code or address.region or "",
        postcode=address.postcode or "",
        country=address.country_id or "",
        phone=address.telephone or "",
    )


def item_from_read(body: bytes) -> tuple[Item, int] | None:
    """A product as a snapshot read it, and when the shop changed it last; ``None`` for one that keeps no stock.

    A source item is found by SKU, so the SKU is its stock id too.

    Raises:
        Rejected: the body is no product that can be understood.
    """
    product = wire.decode(body, wire.Product, "item")
    if product.type_id not in SOLD_KINDS or not product.sku:
        return None
    price = None if product.price is None else amount(product.price, "item, price")
    item = Item(
        sku=product.sku,
        external_id=str(product.id),
        stock_id=product.sku,
        title=product.name,
        price=price,
        currency=product.currency,
    )
    return item, to_ms(product.updated_at, "item, updated_at")
