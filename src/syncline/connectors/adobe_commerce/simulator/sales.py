"""What happens to orders: buyers check out, people invoice, ship, refund and cancel.

Contract sections 5 and 8. The same acts are behind the REST services and behind the Admin's buttons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from syncline.connectors.adobe_commerce.simulator.errors import ApiError
from syncline.connectors.adobe_commerce.simulator.specialprices import selling_minor
from syncline.connectors.adobe_commerce.simulator.state import (
    STATES_DONE,
    Buyer,
    Creditmemo,
    Customer,
    Invoice,
    Order,
    OrderItem,
    Product,
    Shipment,
    ShopState,
    SourceItem,
    Track,
    to_int,
)

# Methods by which no provider is asked for money.
OFFLINE = frozenset({"checkmo", "banktransfer", "cashondelivery", "purchaseorder", "companycredit", "free"})
STOPPED = frozenset({"holded", "payment_review"})  # what neither goods nor money moves in
STATUS = {
    "new": "pending",
    "pending_payment": "pending_payment",
    "payment_review": "payment_review",
    "processing": "processing",
    "complete": "complete",
    "closed": "closed",
    "canceled": "canceled",
    "holded": "holded",
}


@dataclass(frozen=True, slots=True)
class CartLine:
    """What a buyer puts into the cart. ``configurable`` names the product that it was chosen through."""

    sku: str
    quantity: int
    discount_minor: int = 0
    configurable: str = ""


@dataclass(frozen=True, slots=True)
class Checkout:
    """What came of a checkout: an order, or why not."""

    order_id: int | None
    refusal: str = ""


class Sales:
    """The acts. ``changed`` is told of every order that was saved."""

    def __init__(self, state: ShopState, changed: Callable[[Order], None]) -> None:
        self._state = state
        self._changed = changed

    # --- buyers -----------------------------------------------------------------------------------

    def checkout(
        self,
        cart: Sequence[CartLine],
        *,
        buyer: Buyer,
        stock_id: int = 1,
        registered: bool = False,
        shipping_minor: int = 500,
        tax_rate: Decimal = Decimal("0.2"),
        payment: str = "checkmo",
        po_number: str = "",
        paid: bool = False,
        discounts_include_tax: bool = False,
        shipping_discount_minor: int = 0,
        redeemed: tuple[int, int] = (0, 0),
        begins: str = "new",
    ) -> Checkout:
        """Place an order if everything in the cart is salable; all of it or nothing.

        ``begins``: its state, ``pending_payment`` where the buyer is sent to a provider, ``payment_review`` where that one has doubts.
        ``redeemed``: what gift cards and store credit take of the total.
        ``discounts_include_tax``: as where prices are kept with tax, and discounts are given on them.
        """
        state = self._state
        wanted: dict[str, int] = {}
        for line in cart:
            wanted[line.sku] = wanted.get(line.sku, 0) + line.quantity
        for sku, quantity in wanted.items():
            if state.salable(sku, stock_id) < quantity:
                return Checkout(None, "Not all of your products are available in the requested quantity.")
        number, now = state.new_id("order"), state.clock.now_ms()
        order = Order(
            number,
            f"{number:09d}",
            stock_id,
            buyer,
            self._customer(buyer) if registered else None,
            [],
            shipping_minor,
            payment,
            po_number,
            now,
            now,
            shipping_discount_minor=shipping_discount_minor,
            redeemed=redeemed,
        )
        order.state, order.status = begins, STATUS[begins]
        for line in cart:
            order.items += self._lines(line, tax_rate, discounts_include_tax)
        state.orders[number] = order
        for one in order.lines:
            state.reserve(stock_id, one.sku, -one.ordered, "order_placed", number)
        if paid:
            self._book(order, [(one, one.ordered) for one in order.lines], paid=True)
        self._saved(order)
        return Checkout(number)

    def about_to_be(
        self,
        cart: Sequence[CartLine],
        *,
        buyer: Buyer,
        registered: bool = False,
        shipping_minor: int = 500,
        tax_rate: Decimal = Decimal("0.2"),
        payment: str = "checkmo",
        discounts_include_tax: bool = False,
        shipping_discount_minor: int = 0,
        redeemed: tuple[int, int] = (0, 0),
        **_more: object,
    ) -> dict[str, Any]:
        """What a hook is told before an order is placed: it has a number already, and no id."""
        rows: list[dict[str, Any]] = []
        total = Decimal(shipping_minor - shipping_discount_minor - sum(redeemed))
        for line in cart:
            net = selling_minor(self._state, line.sku) * line.quantity - line.discount_minor
            net += _tax_inside(line.discount_minor, tax_rate) if discounts_include_tax else 0
            total += net + (net * tax_rate).quantize(Decimal(1), ROUND_HALF_UP)
            fixed = self._state.fixed_taxes.get(line.sku, 0) * line.quantity
            total += fixed + to_int(fixed * self._fixed_rate(tax_rate))
            # As they will be saved, but without ids: a variant does not say yet whose it is.
            row = {"sku": line.sku, "qty_ordered": line.quantity, "product_type": "simple"}
            rows += [{**row, "product_type": "configurable"}] if line.configurable else []
            rows.append(row)
        known = self._customer(buyer) if registered else None
        return {
            "increment_id": f"{self._state.next_id('order'):09d}",
            "customer_id": known,
            "customer_email": buyer.email,
            "base_grand_total": total / 100,
            "payment": {"method": payment},
            "items": rows,
        }

    def _lines(self, line: CartLine, tax_rate: Decimal, discounts_include_tax: bool) -> list[OrderItem]:
        state = self._state
        simple, price_minor = state.products[line.sku], selling_minor(state, line.sku)
        compensation = _tax_inside(line.discount_minor, tax_rate) if discounts_include_tax else 0
        fixed = state.fixed_taxes.get(line.sku, 0), self._fixed_rate(tax_rate)
        if not line.configurable:
            item = OrderItem(
                state.new_id("order_item"),
                simple,
                line.sku,
                line.quantity,
                price_minor,
                line.discount_minor,
                tax_rate,
                compensation_minor=compensation,
            )
            item.fixed_minor, item.fixed_tax_rate = fixed
            return [item]
        parent = OrderItem(
            state.new_id("order_item"),
            state.products[line.configurable],
            line.sku,
            line.quantity,
            price_minor,
            line.discount_minor,
            tax_rate,
            "configurable",
            compensation_minor=compensation,
        )
        child = OrderItem(
            state.new_id("order_item"), simple, line.sku, line.quantity, 0, 0, Decimal(0), parent=parent
        )
        child.fixed_minor, child.fixed_tax_rate = fixed
        return [parent, child]

    def _fixed_rate(self, tax_rate: Decimal) -> Decimal:
        return tax_rate if self._state.fixed_taxes_taxed else Decimal(0)

    def _customer(self, buyer: Buyer) -> int:
        state = self._state
        for known in state.customers.values():
            if known.buyer.email.casefold() == buyer.email.casefold():
                return known.id
        customer = Customer(state.new_id("customer"), buyer, state.clock.now_ms())
        state.customers[customer.id] = customer
        return customer.id

    # --- documents --------------------------------------------------------------------------------

    def invoice(self, order: Order, units: Mapping[int, int] | None, *, capture: bool) -> Invoice:
        """Invoice units by order item id, or all that are left. It is paid either way (Sales/Model/Order/Invoice/PayOperation).

        ``capture``: where the payment method can, the money is taken from the buyer now; else it is taken to have come.

        Raises:
            ApiError: the order is not in a state for it.
        """
        errors = []
        if order.state in STATES_DONE | STOPPED:
            errors.append(f"An invoice cannot be created when an order has a status of {order.status}")
        lines = self._chosen(order, units, lambda line: line.to_invoice)
        if not lines:
            errors.append("The invoice can't be created without products. Add products and try again.")
        errors += [
            f'The quantity to invoice must not be greater than the uninvoiced quantity for product SKU "{line.sku}".'
            for line, quantity in lines
            if quantity > line.to_invoice
        ]
        if errors:
            raise ApiError(400, "Invoice Document Validation Error(s):\n" + "\n".join(errors))
        made = self._book(order, lines, paid=True)
        if capture and order.payment not in OFFLINE:
            order.charged_minor += made.total_minor
        self._saved(order)
        return made

    def _book(self, order: Order, lines: list[tuple[OrderItem, int]], *, paid: bool) -> Invoice:
        state = self._state
        shipping = 0 if order.invoices else order.shipping_minor
        total = order.shipping_after_discount(shipping)
        for line, quantity in lines:
            before, after = line.invoiced, line.invoiced + quantity
            total += line.due_of(after) - line.due_of(before)
            line.invoiced = after
        if not any(line.to_invoice for line in order.lines):
            total += self._of_variants(order)
        redeemed = _redeemed(total, order.redeemed, order.redeemed_by(order.invoices))
        total -= sum(redeemed)
        number = state.new_id("invoice")
        made = Invoice(number, f"{number:09d}", order, lines, total, shipping, paid, state.clock.now_ms())
        made.redeemed = redeemed
        order.invoices.append(made)
        state.invoices[number] = made
        self._move_on(order)
        return made

    def _of_variants(self, order: Order) -> int:
        """What an order's last invoice has of fixed product taxes on variants.

        A document takes them from the configurable line, which has none: they are missing there unless the shop counts them
        into the subtotal, of which the last invoice takes the rest, as it does of the tax (github.com/magento/magento2/issues/41266).
        """
        children = [item for item in order.items if item.parent is not None]
        in_subtotal = self._state.fixed_taxes_in_subtotal
        return sum(x.fixed_tax_minor + (x.fixed_row_minor if in_subtotal else 0) for x in children)

    def ship(
        self,
        order: Order,
        units: Mapping[int, int] | None,
        tracks: Sequence[tuple[str, str, str]],
        source: str,
    ) -> Shipment:
        """Ship units by order item id, or all that are left, from a source.

        Raises:
            ApiError: nothing is left, too much is asked for, or the source has too few.
        """
        state = self._state
        errors = []
        if order.state in STATES_DONE | STOPPED or not any(x.to_ship for x in order.lines):
            errors.append("The order does not allow a shipment to be created.")
        lines = self._chosen(order, units, lambda line: line.to_ship)
        if not lines:
            errors.append("You can't create a shipment without products.")
        errors += [
            f'The quantity to ship must not be greater than the unshipped quantity for product SKU "{line.sku}".'
            for line, quantity in lines
            if quantity > line.to_ship
        ]
        errors += ["Please enter a tracking number." for number, _, _ in tracks if not number]
        if errors:
            raise ApiError(400, "Shipment Document Validation Error(s):\n" + "\n".join(errors))
        asked: dict[str, int] = {}
        for line, quantity in lines:
            asked[line.sku] = asked.get(line.sku, 0) + quantity
        for sku, quantity in asked.items():
            item = state.item_at(sku, source)
            if item is None or item.quantity < quantity:
                # Sources are lowered while the shipment is saved, and of what goes wrong there nothing is told
                # (InventoryShipping/Observer/SourceDeductionProcessor, Sales/Model/ShipOrder).
                raise ApiError(400, "Could not save a shipment, see error log for details")
        now, number = state.clock.now_ms(), state.new_id("shipment")
        made = Shipment(number, f"{number:09d}", order, source, lines, [], now)
        for line, quantity in lines:
            line.shipped += quantity
            self._lower(line.sku, source, quantity)
            state.reserve(order.stock_id, line.sku, quantity, "shipment_created", order.entity_id)
        order.shipments.append(made)
        state.shipments[number] = made
        for track_number, title, carrier in tracks:
            made.tracks.append(Track(state.new_id("track"), track_number, title, carrier, now))
        self._move_on(order)
        self._saved(order)
        return made

    def _lower(self, sku: str, source: str, quantity: int) -> None:
        item = self._state.source_items[sku, source]
        item.quantity -= quantity
        if not item.quantity:
            item.status = 0  # MSI flags a source item that runs out

    def add_track(self, shipment: Shipment, number: str, title: str, carrier: str) -> Track:
        """One more number for a parcel."""
        track = Track(self._state.new_id("track"), number, title, carrier, self._state.clock.now_ms())
        shipment.tracks.append(track)
        return track

    def refund(
        self,
        order: Order,
        units: Mapping[int, int] | None,
        *,
        back_to_stock: Sequence[int] = (),
        shipping_minor: int | None = None,
        adjustments: tuple[int, int] = (0, 0),
    ) -> Creditmemo:
        """Give money back for units, unsent ones first; named lines go back to the stock that they left.

        ``adjustments``: what is paid besides, and what is kept of it (Sales/Model/Order/Creditmemo/Total/Grand).

        Raises:
            ApiError: nothing is left to refund.
        """
        state = self._state
        lines = self._chosen(order, units, lambda line: line.to_refund)
        errors = [
            f'The quantity to refund must not be greater than the unrefunded quantity for product SKU "{line.sku}".'
            for line, quantity in lines
            if quantity > line.to_refund
        ]
        left = sum(x.shipping_minor for x in order.invoices if x.paid) - sum(
            x.shipping_minor for x in order.creditmemos
        )
        shipping = min(left, left if shipping_minor is None and units is None else shipping_minor or 0)
        total = order.shipping_after_discount(shipping)
        for line, quantity in lines:
            before, after = line.refunded, line.refunded + quantity
            total += line.due_of(after) - line.due_of(before)
        total += adjustments[0] - adjustments[1]
        if total <= 0:
            errors.append("The credit memo's total must be positive.")
        # What was redeemed goes back first, to where it came from.
        redeemed = _redeemed(total, order.redeemed_by(order.invoices), order.redeemed_by(order.creditmemos))
        total -= sum(redeemed)
        if total > order.paid_minor - order.refunded_minor:
            errors.append("The most money available to refund is less than that.")
        if errors:
            raise ApiError(400, "Creditmemo Document Validation Error(s):\n" + "\n".join(errors))
        for line, quantity in lines:
            unsent = min(quantity, line.to_ship)
            line.refunded += quantity
            line.refunded_unshipped += unsent
            if unsent:
                state.reserve(order.stock_id, line.sku, unsent, "creditmemo_created", order.entity_id)
            if quantity > unsent and line.item_id in back_to_stock:
                source = next(s.source for s in order.shipments if any(x is line for x, _ in s.lines))
                state.source_items[line.sku, source].quantity += quantity - unsent
        number = state.new_id("creditmemo")
        made = Creditmemo(number, f"{number:09d}", order, lines, total, shipping, state.clock.now_ms())
        made.adjustments, made.redeemed = adjustments, redeemed
        order.creditmemos.append(made)
        state.creditmemos[number] = made
        self._move_on(order)
        self._saved(order)
        return made

    # --- states -----------------------------------------------------------------------------------

    def cancel(self, order: Order) -> bool:
        """Cancel what was neither invoiced nor shipped; says whether anything was left to invoice.

        An order that was shipped and not invoiced is cancelled too, and none of its units (Sales/Model/Order, canCancel and
        registerCancellation).
        """
        if order.state in STATES_DONE | STOPPED:
            return False
        if not any(line.to_invoice for line in order.lines):
            return False
        state = "canceled"
        for line in order.lines:
            units = min(line.to_invoice, line.to_ship)
            if state != "processing" and line.to_refund:
                state = "processing" if line.to_ship > units else "complete"
            if units:
                line.canceled += units
                self._state.reserve(order.stock_id, line.sku, units, "order_canceled", order.entity_id)
        order.state, order.status = state, STATUS[state]
        self._saved(order)
        return True

    def hold(self, order: Order) -> bool:
        """Stop an order."""
        if order.state in STATES_DONE | STOPPED:
            raise ApiError(400, "A hold action is not available.")
        order.held_from = order.state, order.status
        order.state = order.status = "holded"
        self._saved(order)
        return True

    def unhold(self, order: Order) -> bool:
        """Let it go on."""
        if order.held_from is None:
            raise ApiError(400, "You cannot remove the hold.")
        (order.state, order.status), order.held_from = order.held_from, None
        self._saved(order)
        return True

    def comment(self, order: Order, text: str, status: str) -> bool:
        """Write into the order's history; a status of its state may be given with it."""
        order.comments.append((self._state.clock.now_ms(), text))
        if status:
            order.status = status
        self._saved(order)
        return True

    def external(self, order: Order, number: str) -> None:
        """Note another system's number on an order."""
        order.ext_order_id = number
        self._saved(order)

    def _move_on(self, order: Order) -> None:
        """The state that follows from what was done."""
        if all(x.refunded + x.canceled >= x.ordered for x in order.lines) and order.creditmemos:
            order.state = "closed"
        elif all(not x.to_ship and not x.to_invoice for x in order.lines):
            order.state = "complete"
        elif order.invoices or order.shipments:
            order.state = "processing"
        order.status = STATUS[order.state]

    def _saved(self, order: Order) -> None:
        self._state.touch(order)
        self._changed(order)

    @staticmethod
    def _chosen(
        order: Order, units: Mapping[int, int] | None, left: Callable[[OrderItem], int]
    ) -> list[tuple[OrderItem, int]]:
        if units is None:
            return [(line, left(line)) for line in order.lines if left(line) > 0]
        by_id = {line.item_id: line for line in order.lines}
        # Ids of other orders, and of children, are left out without a word.
        return [(by_id[number], units[number]) for number in units if number in by_id and units[number] > 0]

    # --- goods ------------------------------------------------------------------------------------

    def add_product(self, sku: str, name: str, price_minor: int, at: Mapping[str, int], kind: str) -> Product:
        """A new product, assigned to sources with what lies there."""
        state, now = self._state, self._state.clock.now_ms()
        product = Product(state.new_id("product"), sku, name, price_minor, now, now, kind)
        state.products[sku] = product
        for source, quantity in at.items():
            state.source_items[sku, source] = SourceItem(sku, source, quantity, int(quantity > 0))
        return product


def _redeemed(total: int, there: tuple[int, int], gone: tuple[int, int]) -> tuple[int, int]:
    """How much of a document's total gift cards and store credit take, as far as there is something left of them."""
    cards = min(total, there[0] - gone[0])
    return cards, min(total - cards, there[1] - gone[1])


def _tax_inside(amount_minor: int, tax_rate: Decimal) -> int:
    """The tax inside an amount with tax."""
    return to_int(amount_minor * tax_rate / (1 + tax_rate))
