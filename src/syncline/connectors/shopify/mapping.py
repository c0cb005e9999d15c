"""Theirs to ours: webhook bodies and GraphQL answers to canonical records. Pure functions.

Shopify states amounts in shop and presentment currency; the shop's is meant everywhere. An order's
``discount`` is always zero, because Shopify allocates every discount to lines or to shipping.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from syncline.connectors.shopify import marks, wire
from syncline.connectors.shopify.reckoning import Sold, TakenBack, minor_unit, net_total_of, reckon
from syncline.connectors.shopify.wire import number, to_ms
from syncline.model.copying import replace
from syncline.model.errors import Rejected
from syncline.model.records import (
    ZERO,
    Address,
    Allocation,
    Customer,
    Item,
    Order,
    Payment,
    Refund,
    RefundLine,
)

CATEGORY_MAX = 100  # characters of a product type, which is free text

# The buyer comes to the location, or it brings the goods itself: https://shopify.dev/docs/api/admin-graphql/2026-07/enums/DeliveryMethodType
_FIXED = frozenset({"PICK_UP", "LOCAL", "RETAIL"})
# A fulfilment service has been asked to send it: sent from elsewhere as well, it would be sent twice.
_AT_A_SERVICE = frozenset({"SUBMITTED", "ACCEPTED", "CANCELLATION_REQUESTED", "CANCELLATION_REJECTED"})
_RECEIVED = frozenset({"SALE", "CAPTURE"})


# --- webhooks ---------------------------------------------------------------------------------------------


def order_from_webhook(body: bytes, topic: str = "orders/updated") -> Order:
    """An order as a webhook tells it: no allocations, no payments.

    Raises:
        Rejected: the body is not an order that can be understood.
    """
    order = wire.rest_order(body, topic)
    total = _rest(order.current_total_price_set, order.current_total_price)
    tax = _rest(order.current_total_tax_set, order.current_total_tax)
    shipping = _rest_shipping(order)
    sold = tuple(_rest_line(line, order.refunds) for line in order.line_items)
    back = [_rest_back(line) for refund in order.refunds for line in refund.refund_line_items]
    _one_currency(
        order.currency,
        [
            order.current_total_price_set,
            order.current_total_tax_set,
            *(line.price_set for line in order.line_items),
        ],
    )
    lines = reckon(
        sold,
        back,
        net_total=net_total_of(total, shipping, tax, taxes_included=order.taxes_included),
        unit=minor_unit(order.currency),
    )
    if order.current_shipping_price_set is None:
        # The body does not say what is left of shipping; the total does, within what was charged.
        net = sum((line.unit_price * line.quantity - line.discount for line in lines), ZERO)
        rest = net_total_of(total, net, tax, taxes_included=order.taxes_included)
        if ZERO <= rest <= shipping:
            shipping = rest
    return Order(
        key=str(order.id),
        number=order.name or str(order.id),
        placed_at_ms=to_ms(order.processed_at or order.created_at, "processed_at"),
        updated_at_ms=to_ms(order.updated_at, "updated_at"),
        currency=order.currency,
        lines=lines,
        shipping=shipping,
        tax=tax,
        total=total,
        taxes_included=order.taxes_included,
        customer=_rest_customer(order),
        billing=_rest_address(order.billing_address),
        shipping_to=_rest_address(order.shipping_address),
        po_number=order.po_number or "",
        note=order.note or "",
        cancelled_at_ms=to_ms(order.cancelled_at, "cancelled_at") if order.cancelled_at else None,
        refunds=tuple(_rest_refund(refund) for refund in order.refunds if not marks.ours(refund.note)),
    )


def _rest(bag: wire.RestBag | None, plain: str) -> Decimal:
    return Decimal(bag.shop_money.amount if bag else plain)


def _one_currency(currency: str, bags: Iterable[wire.RestBag | None]) -> None:
    for bag in bags:
        if bag and bag.shop_money.currency_code != currency:
            raise Rejected(
                f"currency: the order is in {currency} but an amount in shop money is in "
                f"{bag.shop_money.currency_code}; it would be booked wrongly",
            )


def _rest_shipping(order: wire.RestOrder) -> Decimal:
    if order.current_shipping_price_set:
        return Decimal(order.current_shipping_price_set.shop_money.amount)
    paid = sum(
        (
            _rest(line.discounted_price_set, line.discounted_price or line.price)
            for line in order.shipping_lines
            if not line.is_removed
        ),
        ZERO,
    )
    # The adjustment is negative: what the shop gave back.
    back = sum(
        (
            abs(Decimal(adjustment.amount))
            for refund in order.refunds
            for adjustment in refund.order_adjustments
            if adjustment.kind == "shipping_refund"
        ),
        ZERO,
    )
    return max(ZERO, paid - back)


def _rest_line(line: wire.RestLine, refunds: Iterable[wire.RestRefund]) -> Sold:
    current = line.current_quantity
    if current is None:  # older payloads
        back = sum(
            entry.quantity for r in refunds for entry in r.refund_line_items if entry.line_item_id == line.id
        )
        current = max(0, line.quantity - back)
    return Sold(
        id=str(line.id),
        sku=line.sku or "",
        title=line.title or "",
        quantity=line.quantity,
        current=current,
        unit_price=_rest(line.price_set, line.price),
        discount=sum((_rest(entry.amount_set, entry.amount) for entry in line.discount_allocations), ZERO),
        tax=sum((_rest(entry.price_set, entry.price) for entry in line.tax_lines), ZERO),
    )


def _rest_back(line: wire.RestRefundLine) -> TakenBack:
    subtotal = line.subtotal_set.shop_money.amount if line.subtotal_set else line.subtotal
    tax = line.total_tax_set.shop_money.amount if line.total_tax_set else line.total_tax
    return TakenBack(
        line_id=str(line.line_item_id),
        quantity=line.quantity,
        restocked=(line.restock_type or "no_restock") != "no_restock",
        shipped=line.restock_type != "cancel",
        location=str(line.location_id or ""),
        subtotal=None if subtotal is None else Decimal(str(subtotal)),
        tax=None if tax is None else Decimal(str(tax)),
    )


def _rest_refund(refund: wire.RestRefund) -> Refund:
    amount = sum(
        (
            Decimal(transaction.amount)
            for transaction in refund.transactions
            if transaction.kind == "refund" and transaction.status == "success"
        ),
        ZERO,
    )
    back = [_rest_back(line) for line in refund.refund_line_items]
    return Refund(str(refund.id), amount, to_ms(refund.created_at, "refunds.created_at"), _refund_lines(back))


def _refund_lines(back: Iterable[TakenBack]) -> tuple[RefundLine, ...]:
    return tuple(
        RefundLine(
            entry.line_id,
            Decimal(entry.quantity),
            restocked=entry.restocked,
            shipped=entry.shipped,
            location=entry.location,
        )
        for entry in back
    )


def _rest_customer(order: wire.RestOrder) -> Customer | None:
    customer = order.customer
    if customer is None:
        return None
    return Customer(
        key=str(customer.id),
        name=" ".join(part for part in (customer.first_name, customer.last_name) if part),
        email=customer.email or order.email or "",
        phone=customer.phone or order.phone or "",
    )


def _rest_address(address: wire.RestAddress | None) -> Address | None:
    if address is None:
        return None
    return Address(
        name=address.name or "",
        company=address.company or "",
        line1=address.address1 or "",
        line2=address.address2 or "",
        city=address.city or "",
        region=address.province_code or address.province or "",
        postcode=address.zip or "",
        country=address.country_code or "",
        phone=address.phone or "",
    )


# --- GraphQL ----------------------------------------------------------------------------------------------


def places_ms(order: wire.GqlOrder) -> int:
    """When anything changed last about where an order is to be sent from; 0: that was not told.

    A fulfilment order that moves has a stamp of its own. That the order's own follows is stated nowhere.
    """
    stamps = (entry.updated_at for entry in order.fulfillment_orders.nodes)
    return max((to_ms(at, "fulfillmentOrders.updatedAt") for at in stamps if at is not None), default=0)


def order_from_read(order: wire.GqlOrder) -> Order:
    """An order as a full read tells it, with allocations and payments.

    Raises:
        Rejected: it is not an order that can be understood.
    """
    total = _gql(order.current_total_price_set, order.currency_code)
    tax = _gql(order.current_total_tax_set, order.currency_code)
    shipping = _gql(order.current_shipping_price_set, order.currency_code)
    sent = _sent_lines(order)
    back = {
        refund.id: [_gql_back(e, sent) for e in refund.refund_line_items.nodes] for refund in order.refunds
    }
    sold = tuple(_gql_line(line, order.currency_code) for line in order.line_items.nodes)
    allocations = _allocations(order)
    lines = reckon(
        sold,
        [entry for entries in back.values() for entry in entries],
        net_total=net_total_of(total, shipping, tax, taxes_included=order.taxes_included),
        unit=minor_unit(order.currency_code),
    )
    return Order(
        key=number(order.id),
        number=order.name,
        placed_at_ms=to_ms(order.processed_at or order.created_at, "processedAt"),
        updated_at_ms=to_ms(order.updated_at, "updatedAt"),
        currency=order.currency_code,
        lines=tuple(replace(line, allocations=tuple(allocations.get(line.id, ()))) for line in lines),
        shipping=shipping,
        tax=tax,
        total=total,
        taxes_included=order.taxes_included,
        customer=_gql_customer(order),
        billing=_gql_address(order.billing_address),
        shipping_to=_gql_address(order.shipping_address),
        po_number=order.po_number or "",
        note=order.note or "",
        cancelled_at_ms=to_ms(order.cancelled_at, "cancelledAt") if order.cancelled_at else None,
        payments=tuple(_payments(order)),
        refunds=tuple(
            Refund(
                number(refund.id),
                Decimal(refund.total_refunded_set.shop_money.amount),
                to_ms(refund.created_at or refund.processed_at, "refunds.createdAt"),
                _refund_lines(back[refund.id]),
            )
            for refund in order.refunds
            if not marks.ours(refund.note)
        ),
        complete=True,
    )


def _gql(bag: wire.MoneyBag, currency: str) -> Decimal:
    if bag.shop_money.currency_code != currency:
        raise Rejected(
            f"currencyCode: the order is in {currency} but an amount in shop money is in "
            f"{bag.shop_money.currency_code}; it would be booked wrongly",
        )
    return Decimal(bag.shop_money.amount)


def _gql_line(line: wire.Line, currency: str) -> Sold:
    return Sold(
        id=number(line.id),
        sku=line.sku or "",
        title=line.title,
        quantity=line.quantity,
        current=line.current_quantity,
        unit_price=_gql(line.original_unit_price_set, currency),
        discount=sum((_gql(e.allocated_amount_set, currency) for e in line.discount_allocations), ZERO),
        tax=sum((_gql(e.price_set, currency) for e in line.tax_lines), ZERO),
    )


def _sent_lines(order: wire.GqlOrder) -> set[str]:
    """Lines of which at least one unit has left."""
    return {
        number(entry.line_item.id)
        for fulfillment_order in order.fulfillment_orders.nodes
        if fulfillment_order.status != "CANCELLED"
        for entry in fulfillment_order.line_items.nodes
        if entry.total_quantity > entry.remaining_quantity
    }


def _gql_back(entry: wire.RefundedLine, sent: set[str]) -> TakenBack:
    # CANCEL: removed before it left. RETURN: came back. NO_RESTOCK says neither, so the parcels decide.
    line_id = number(entry.line_item.id)
    return TakenBack(
        shipped=entry.restock_type == "RETURN" or (entry.restock_type == "NO_RESTOCK" and line_id in sent),
        line_id=number(entry.line_item.id),
        quantity=entry.quantity,
        restocked=entry.restocked and entry.restock_type != "NO_RESTOCK",
        location=number(entry.location.id) if entry.location else "",
        subtotal=Decimal(entry.subtotal_set.shop_money.amount),
        tax=Decimal(entry.total_tax_set.shop_money.amount),
    )


def _allocations(order: wire.GqlOrder) -> dict[str, list[Allocation]]:
    """Where each line is to be fulfilled from. A cancelled fulfilment order allocates nothing."""
    found: defaultdict[str, list[Allocation]] = defaultdict(list)
    gone: defaultdict[str, set[str]] = defaultdict(set)
    for fulfillment_order in order.fulfillment_orders.nodes:
        location = fulfillment_order.assigned_location.location
        fixed = _fixed(fulfillment_order)
        for entry in fulfillment_order.line_items.nodes:
            if fulfillment_order.status == "CANCELLED" or not entry.total_quantity:
                gone[number(entry.line_item.id)].add(number(location.id) if location else "")
                continue
            found[number(entry.line_item.id)].append(
                Allocation(
                    location=number(location.id) if location else "",
                    quantity=Decimal(entry.total_quantity),
                    remaining=Decimal(entry.remaining_quantity),
                    fulfillment_order=fulfillment_order.id,
                    fulfillment_line=entry.id,
                    fixed=fixed,
                ),
            )
    for line_id, places in gone.items():
        # Nothing is to be sent any more, but units taken there and never put back are still missing there.
        if line_id not in found and len(places) == 1:
            found[line_id].append(Allocation(location=next(iter(places)), quantity=ZERO))
    return found


def _fixed(entry: wire.FulfillmentOrder) -> bool:
    """Whether it cannot be sent from elsewhere: as the buyer gets it, as a service has it, or as it is being packed."""
    lines = entry.line_items.nodes
    packed = entry.status == "IN_PROGRESS" and all(
        one.remaining_quantity == one.total_quantity for one in lines
    )
    method = entry.delivery_method
    return (
        packed
        or entry.request_status in _AT_A_SERVICE
        or (method is not None and method.method_type in _FIXED)
    )


def _payments(order: wire.GqlOrder) -> Iterable[Payment]:
    change = _change_given(order)
    for transaction in order.transactions:
        ours = marks.PAYMENT in (transaction.gateway, transaction.formatted_gateway)
        if transaction.kind in _RECEIVED and transaction.status == "SUCCESS" and not ours:
            amount = _gql(transaction.amount_set, order.currency_code)
            given = (
                change.pop(transaction.gateway, ZERO)
                if amount > change.get(transaction.gateway, ZERO)
                else ZERO
            )
            yield Payment(
                id=number(transaction.id),
                amount=amount - given,
                currency=order.currency_code,
                received_at_ms=to_ms(
                    transaction.processed_at or transaction.created_at, "transactions.processedAt"
                ),
                gateway=transaction.gateway or "",
            )


def _change_given(order: wire.GqlOrder) -> dict[str | None, Decimal]:
    """What a till gave back of the cash that it took, by gateway.

    The payment may be told as what was handed over, or as what was kept; what Shopify says it received decides.
    """
    counted = [entry for entry in order.transactions if entry.status == "SUCCESS"]
    given: dict[str | None, Decimal] = {}
    for entry in counted:
        if entry.kind == "CHANGE":
            amount = abs(_gql(entry.amount_set, order.currency_code))
            given[entry.gateway] = given.get(entry.gateway, ZERO) + amount
    if not given or order.total_received_set is None:
        return {}
    received = [entry for entry in counted if entry.kind in _RECEIVED]
    taken = sum((_gql(entry.amount_set, order.currency_code) for entry in received), ZERO)
    surplus = taken - _gql(order.total_received_set, order.currency_code)
    return given if surplus == sum(given.values()) else {}


def _gql_customer(order: wire.GqlOrder) -> Customer | None:
    customer = order.customer
    if customer is None:
        return None
    email, phone = customer.default_email_address, customer.default_phone_number
    return Customer(
        key=number(customer.id),
        name=customer.display_name,
        email=(email.email_address if email else "") or order.email or "",
        phone=(phone.phone_number if phone else "") or order.phone or "",
    )


def _gql_address(address: wire.MailingAddress | None) -> Address | None:
    if address is None:
        return None
    return Address(
        name=address.name or "",
        company=address.company or "",
        line1=address.address1 or "",
        line2=address.address2 or "",
        city=address.city or "",
        region=address.province_code or address.province or "",
        postcode=address.zip or "",
        country=address.country_code_v2 or "",
        phone=address.phone or "",
    )


def _price(text: str) -> Decimal | None:
    """An offered price; ``None`` where none was read."""
    if not text:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation as error:
        raise Rejected(f"item.price: {text!r} is no amount") from error
    if not price.is_finite() or price < 0:
        raise Rejected(f"item.price: {text!r} is no amount")
    return price


def item_from_read(body: bytes) -> tuple[Item, int]:
    """A variant as a snapshot read it, and when Shopify changed it last.

    Raises:
        Rejected: the body is not a variant that can be understood.
    """
    variant = wire.decode(body, wire.Variant, "item")
    item = Item(
        sku=variant.sku or "",
        external_id=variant.id,
        stock_id=variant.inventory_item.id,
        title=variant.display_name,
        category=variant.product.product_type.strip()[:CATEGORY_MAX],
        price=_price(variant.price),
        currency=variant.currency_code,
        parent_id=variant.product.id,
    )
    return item, to_ms(variant.updated_at, "updatedAt")
