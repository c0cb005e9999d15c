"""What merchants and buyers do, outside of the API: it takes effect at once.

Stock follows Shopify's states (contract section 5): an order lowers ``available`` and raises
``committed``; a parcel lowers ``committed``, and with it ``on_hand``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import cache, partial

from syncline.connectors.shopify.simulator import payloads
from syncline.connectors.shopify.simulator.records import (
    Buyer,
    CartLine,
    Checkout,
    Customer,
    Fulfillment,
    FulfillmentLine,
    FulfillmentOrder,
    FulfillmentOrderLine,
    Level,
    Location,
    OrderLine,
    OrderRecord,
    Refund,
    RefundLine,
    Tracking,
    Transaction,
    Variant,
    to_minor,
)
from syncline.connectors.shopify.simulator.state import ShopState
from syncline.connectors.shopify.simulator.webhooks import Webhooks
from syncline.ports import Clock

ZERO, CENT = Decimal(0), Decimal("0.01")


class Commerce:
    """The shop's life; the API's mutations use the same methods."""

    clock: Clock
    state: ShopState
    hooks: Webhooks
    currency: str
    presentment_currency: str
    presentment_rate: Decimal
    shop: str

    # -- merchant

    def sell_in(self, currency: str, rate: Decimal) -> None:
        """From now on buyers see, pay and get back this currency: ``rate`` of it for one of the shop's."""
        self.presentment_currency, self.presentment_rate = currency, rate
        self.state.lines_told.clear()

    def in_own(self, amount: Decimal) -> int:
        """An amount of the buyers' currency in minor units of the shop's: half up."""
        return to_minor((amount / self.presentment_rate).quantize(CENT, ROUND_HALF_UP))

    def presented(self, minor: int) -> int:
        """An amount of the shop's currency in that of the buyers, both in minor units: half up."""
        return int((self.presentment_rate * minor).to_integral_value(ROUND_HALF_UP))

    def add_location(self, name: str) -> int:
        """Open a location and return its id; earlier ones have priority for orders."""
        return self.state.add_location(name).id

    def add_product(
        self,
        sku: str,
        title: str,
        price: Decimal,
        quantities: Mapping[int, int],
        *,
        product_type: str = "",
        barcode: str = "",
        careless: bool = False,
    ) -> Variant:
        """Create a product with one tracked variant, stocked where ``quantities`` names a location.

        A ``careless`` merchant may leave the SKU empty, or give one that exists.
        """
        return self.state.add_variant(
            sku, title, price, quantities, product_type=product_type, barcode=barcode, careless=careless
        )

    def set_available(self, sku: str, location_id: int, quantity: int) -> None:
        """A merchant's edit by hand in the admin; stocks the item there if it was not."""
        variant, location = self.state.skus[sku], self.state.locations[location_id]
        level = variant.levels.get(location_id) or self.state.activate(variant, location)
        level.available = quantity
        self.state.movements["merchant_edit"] += 1
        self._levels_changed([level], self.hooks.new_event())

    # -- buyers

    def checkout(
        self,
        lines: Sequence[CartLine],
        *,
        customer: Buyer | None = None,
        shipping: Decimal = ZERO,
        tax_rate: Decimal = ZERO,
        po_number: str | None = None,
        paid: bool = True,
        source_reference: str = "",
        note: str | None = None,
    ) -> Checkout:
        """Place an order for the lines that the shop shows as available, one by one.

        A line is accepted if the sum of ``available`` over all locations covers it. It goes to the
        first location that can send it whole, else it is split in priority order.
        """
        accepted: list[CartLine] = []
        refused: list[CartLine] = []
        order: OrderRecord | None = None
        changed: dict[tuple[int, int], Level] = {}
        for cart in lines:
            variant = self.state.skus.get(cart.sku)
            parts = self._assign(variant, cart.quantity) if variant and cart.quantity > 0 else None
            if variant is None or parts is None:
                refused.append(cart)
                continue
            if order is None:
                order = self._open_order(
                    customer, shipping, tax_rate, po_number, source_reference, note, paid
                )
            line = OrderLine(
                id=self.state.new_id(),
                order=order,
                variant=variant,
                quantity=cart.quantity,
                current_quantity=cart.quantity,
                open_quantity=0,
                fulfilled_quantity=0,
                unit_minor=variant.price_minor if cart.unit_price is None else to_minor(cart.unit_price),
                discount_minor=to_minor(cart.discount),
            )
            order.lines.append(line)
            for level, quantity in parts:
                self._commit(line, level, quantity)
                changed[variant.variant_id, level.location.id] = level
            accepted.append(cart)
        if order is None:
            return Checkout(None, accepted, refused)
        order.original_total_minor = order.total_minor()
        if paid:
            self._transact(order, "SALE", order.original_total_minor)
        event = self.hooks.new_event()
        self._order_changed(order, event, "ORDERS_CREATE", *(("ORDERS_PAID",) if paid else ()))
        self._levels_changed(changed.values(), event)
        return Checkout(order.id, accepted, refused)

    def _assign(self, variant: Variant, quantity: int) -> list[tuple[Level, int]] | None:
        levels = [variant.levels[key] for key in self.state.locations if key in variant.levels]
        if sum(level.available for level in levels) < quantity:
            return None
        for level in levels:
            if level.available >= quantity:
                return [(level, quantity)]
        parts: list[tuple[Level, int]] = []
        for level in levels:
            taken = min(quantity, level.available)
            if taken > 0:
                parts.append((level, taken))
                quantity -= taken
            if not quantity:
                break
        return parts

    def _open_order(
        self,
        buyer: Buyer | None,
        shipping: Decimal,
        tax_rate: Decimal,
        po_number: str | None,
        source_reference: str,
        note: str | None,
        paid: bool,
    ) -> OrderRecord:
        now = self.clock.now_ms()
        order = OrderRecord(
            id=self.state.new_id(),
            number=self.state.new_order_number(),
            created_ms=now,
            updated_ms=now,
            customer=self._customer(buyer) if buyer else None,
            shipping_minor=to_minor(shipping),
            tax_rate=tax_rate,
            po_number=po_number,
            source_reference=source_reference,
            note=note,
            gateway="shopify_payments" if paid else "manual",
        )
        self.state.orders[order.id] = order
        return order

    def _customer(self, buyer: Buyer) -> Customer:
        """One customer per e-mail address, as at Shopify; a guest without one is always new."""
        known = self.state.customer_ids.get(buyer.email.casefold()) if buyer.email else None
        if known is not None and self.state.customers[known].buyer == buyer:
            return self.state.customers[known]
        customer = Customer(known or self.state.new_id(), buyer, self.clock.now_ms())
        self.state.customers[customer.id] = customer
        if buyer.email:
            self.state.customer_ids[buyer.email.casefold()] = customer.id
        return customer

    def _commit(self, line: OrderLine, level: Level, quantity: int) -> None:
        order, now = line.order, self.clock.now_ms()
        level.available -= quantity
        level.committed += quantity
        self.state.movements["committed"] += quantity
        for fulfillment_order in order.fulfillment_orders:
            if fulfillment_order.location is level.location and fulfillment_order.status == "OPEN":
                break
        else:
            fulfillment_order = FulfillmentOrder(
                self.state.new_id(), order, level.location, "OPEN", "UNSUBMITTED", now, now, []
            )
            order.fulfillment_orders.append(fulfillment_order)
            self.state.fulfillment_orders[fulfillment_order.id] = fulfillment_order
        known = line.open_quantity > 0
        line.open_quantity += quantity
        for part in fulfillment_order.lines if known else ():
            if part.line is line:
                part.total += quantity
                part.remaining += quantity
                return
        fulfillment_order.lines.append(FulfillmentOrderLine(self.state.new_id(), line, quantity, quantity))

    def _release(self, line: OrderLine, quantity: int, *, restock: bool) -> list[tuple[Level, int]]:
        """Take unsent units back, last location first; without restocking they leave the shop."""
        taken: list[tuple[Level, int]] = []
        now = self.clock.now_ms()
        for fulfillment_order in reversed(line.order.fulfillment_orders):
            for part in fulfillment_order.lines:
                units = min(quantity, part.remaining) if part.line is line else 0
                if not units:
                    continue
                level = line.variant.levels[fulfillment_order.location.id]
                part.remaining -= units
                part.total -= units
                line.open_quantity -= units
                level.committed -= units
                level.updated_ms = now
                if restock:
                    level.available += units
                self.state.movements["released"] += units
                taken.append((level, units))
                quantity -= units
            if fulfillment_order.status != "CLOSED" and not any(p.remaining for p in fulfillment_order.lines):
                # A cancelled order's fulfilment orders answer "unfulfillable status= closed"
                # (live answer of 2026-04, contract section 8).
                fulfillment_order.status = "CLOSED"
                fulfillment_order.updated_ms = now
        return taken

    # -- changes to orders

    def mark_paid(self, order_id: int) -> None:
        """The merchant notes that the outstanding amount arrived."""
        order = self.state.orders[order_id]
        amount = order.outstanding_minor()
        if not amount or order.cancelled:
            raise ValueError("Order cannot be marked as paid.")
        order.gateway = "manual"
        self._transact(order, "SALE", amount)
        self._order_changed(order, self.hooks.new_event(), "ORDERS_PAID", "ORDERS_UPDATED")

    def pay(self, order_id: int, amount_minor: int, gateway: str) -> None:
        """Staff note that a part of what is outstanding arrived."""
        order = self.state.orders[order_id]
        self._transact(order, "SALE", amount_minor, gateway)
        topics = ("ORDERS_UPDATED",) if order.outstanding_minor() else ("ORDERS_PAID", "ORDERS_UPDATED")
        self._order_changed(order, self.hooks.new_event(), *topics)

    def pay_cash(self, order_id: int, tendered: Decimal) -> None:
        """A till takes cash for all that is outstanding, and gives change."""
        order = self.state.orders[order_id]
        change = to_minor(tendered) - order.outstanding_minor()
        if change < 0:
            raise ValueError("The cash does not cover what is outstanding")
        self._transact(order, "SALE", to_minor(tendered), "cash")
        if change:
            self._transact(order, "CHANGE", change, "cash")
        self._order_changed(order, self.hooks.new_event(), "ORDERS_PAID", "ORDERS_UPDATED")

    def cancel_order(
        self, order_id: int, restock: bool, reason: str = "OTHER", *, refund: bool = True
    ) -> None:
        """Cancel an order of which nothing was sent; ``refund``: whatever was paid goes back."""
        order, now = self.state.orders[order_id], self.clock.now_ms()
        if order.cancelled:
            raise ValueError("Cannot cancel an order that has already been canceled")
        if order.fulfillments:
            raise ValueError("Cannot cancel an order that has outstanding fulfillments")
        event = self.hooks.new_event()
        lines: list[RefundLine] = []
        levels: list[Level] = []
        for line in order.lines:
            levels += self._take_back(line, line.current_quantity, lines, restock=restock)
        order.cancelled_ms = order.closed_ms = now
        order.cancel_reason = reason
        made = Refund(self.state.new_id(), order, None, now, lines, [])
        paid = order.received_minor() - order.refunded_minor()
        if paid > 0 and refund:
            made.transactions.append(self._transact(order, "REFUND", paid))
        if lines or made.transactions:
            self._record_refund(made, event)
        self._order_changed(order, event, "ORDERS_CANCELLED", "ORDERS_UPDATED")
        if restock:
            self._levels_changed(levels, event)

    def edit_order(self, order_id: int, line: int | str, new_quantity: int, *, restock: bool = True) -> None:
        """Set the current quantity of a line, named by its id or SKU.

        More units are committed at the line's first open location even if it has too few, as the
        admin only warns. Fewer units are taken from what has not been sent.
        """
        order = self.state.orders[order_id]
        target = next(x for x in order.lines if line in {x.id, x.sku})
        delta = new_quantity - target.current_quantity
        if order.cancelled or new_quantity < target.fulfilled_quantity:
            raise ValueError("The order was cancelled, or fewer units are wanted than were sent")
        event = self.hooks.new_event()
        levels: list[Level] = []
        if delta > 0:
            parts = self._assign(target.variant, delta)
            if parts is None:
                home = next((f.location for f in order.fulfillment_orders if f.status == "OPEN"), None)
                levels_at = target.variant.levels
                level = levels_at.get(home.id) if home else None
                parts = [(level or next(iter(levels_at.values())), delta)]
            target.quantity += delta
            target.current_quantity += delta
            for level, units in parts:
                self._commit(target, level, units)
                levels.append(level)
        elif delta < 0:
            target.current_quantity += delta
            taken = self._release(target, -delta, restock=restock)
            levels = [level for level, _ in taken] if restock else []
        order.edited = True
        self._order_changed(order, event, "ORDERS_EDITED", "ORDERS_UPDATED")
        self._levels_changed(levels, event)

    def refund(
        self,
        order_id: int,
        quantities: Mapping[int, int],
        restock: bool,
        amount: Decimal | None = None,
        note: str | None = None,
    ) -> int:
        """Take units back (unsent ones first) and return money; gives the refund's id.

        ``amount=None`` returns the units' price and tax, at most what was received.
        """
        order, now = self.state.orders[order_id], self.clock.now_ms()
        by_id = {line.id: line for line in order.lines}
        for line_id, quantity in quantities.items():
            if not 0 < quantity <= by_id[line_id].current_quantity:
                raise ValueError(f"Line {line_id} has {by_id[line_id].current_quantity} units to refund")
        event = self.hooks.new_event()
        lines: list[RefundLine] = []
        levels: list[Level] = []
        for line_id, quantity in quantities.items():
            levels += self._take_back(by_id[line_id], quantity, lines, restock=restock)
        refund = Refund(self.state.new_id(), order, note, now, lines, [])
        worth = sum(x.subtotal_minor + x.tax_minor for x in lines) if amount is None else to_minor(amount)
        worth = min(worth, order.received_minor() - order.refunded_minor())
        if worth > 0:
            refund.transactions.append(self._transact(order, "REFUND", worth))
        self._record_refund(refund, event)
        self._order_changed(order, event, "ORDERS_UPDATED")
        if restock:
            self._levels_changed(levels, event)
        return refund.id

    def _take_back(
        self, line: OrderLine, quantity: int, into: list[RefundLine], *, restock: bool
    ) -> list[Level]:
        """Lower a line's current quantity; unsent units are cancelled, sent ones returned."""
        if not quantity:
            return []
        parts: list[tuple[Location | None, int, str]] = []
        levels: list[Level] = []
        unsent = self._release(line, min(quantity, line.current_quantity), restock=restock)
        for level, units in unsent:
            levels.append(level)
            parts.append((level.location if restock else None, units, "CANCEL" if restock else "NO_RESTOCK"))
        sent = quantity - sum(units for _, units in unsent)
        if sent and restock:
            parcel = next(f for f in line.order.fulfillments if any(x.line is line for x in f.lines))
            level = line.variant.levels[parcel.location.id]
            level.available += sent
            self.state.movements["returned"] += sent
            levels.append(level)
            parts.append((parcel.location, sent, "RETURN"))
        elif sent:
            parts.append((None, sent, "NO_RESTOCK"))
        for location, units, kind in parts:
            before, after = line.current_quantity, line.current_quantity - units
            subtotal = line.net_for(before) - line.net_for(after)
            tax = line.tax_for(before) - line.tax_for(after)
            line.current_quantity = after
            into.append(RefundLine(self.state.new_id(), line, units, kind, location, subtotal, tax))
        return levels

    def _record_refund(self, refund: Refund, event: int) -> None:
        refund.order.refunds.append(refund)
        self.state.refunds[refund.id] = refund
        self.hooks.emit("REFUNDS_CREATE", event, lambda: payloads.refund(self, refund))

    def _transact(self, order: OrderRecord, kind: str, amount_minor: int, gateway: str = "") -> Transaction:
        now, by = self.clock.now_ms(), gateway or order.gateway
        transaction = Transaction(self.state.new_id(), kind, "SUCCESS", by, amount_minor, now)
        order.transactions.append(transaction)
        return transaction

    # -- parcels

    def send_parcel(
        self,
        order: OrderRecord,
        parts: Sequence[tuple[FulfillmentOrder, FulfillmentOrderLine, int]],
        tracking: tuple[Tracking, ...],
    ) -> Fulfillment:
        """Send units of one order from one location; the caller has checked that they are there."""
        now, location = self.clock.now_ms(), parts[0][0].location
        fulfillment = Fulfillment(
            id=self.state.new_id(),
            order=order,
            name=f"{order.name}.{len(order.fulfillments) + 1}",
            location=location,
            status="SUCCESS",
            tracking=tracking,
            created_ms=now,
            updated_ms=now,
            lines=[],
            fulfillment_orders=[],
        )
        for fulfillment_order, part, quantity in parts:
            part.remaining -= quantity
            part.line.open_quantity -= quantity
            part.line.fulfilled_quantity += quantity
            level = part.line.variant.levels[location.id]
            level.committed -= quantity
            level.updated_ms = now
            self.state.movements["fulfilled"] += quantity
            fulfillment.lines.append(FulfillmentLine(self.state.new_id(), part.line, quantity))
            if fulfillment_order not in fulfillment.fulfillment_orders:
                fulfillment.fulfillment_orders.append(fulfillment_order)
        for fulfillment_order in fulfillment.fulfillment_orders:
            left = any(part.remaining for part in fulfillment_order.lines)
            fulfillment_order.status = "IN_PROGRESS" if left else "CLOSED"
            fulfillment_order.updated_ms = now
        order.fulfillments.append(fulfillment)
        self.state.fulfillments[fulfillment.id] = fulfillment
        event = self.hooks.new_event()
        self.hooks.emit("FULFILLMENTS_CREATE", event, lambda: payloads.fulfillment(self, fulfillment))
        whole = order.fulfillment_status() == "FULFILLED"
        topic = "ORDERS_FULFILLED" if whole else "ORDERS_PARTIALLY_FULFILLED"
        self._order_changed(order, event, topic, "ORDERS_UPDATED")
        return fulfillment

    # -- news

    def _order_changed(self, order: OrderRecord, event: int, *topics: str) -> None:
        self.state.touch(order)
        render = cache(partial(payloads.order, self, order))  # all topics of one event tell the same order
        for topic in topics:
            self.hooks.emit(topic, event, render, order.updated_ms)

    def _levels_changed(self, levels: Iterable[Level], event: int) -> None:
        now = self.clock.now_ms()
        for level in levels:
            level.updated_ms = now
            self.hooks.emit("INVENTORY_LEVELS_UPDATE", event, partial(payloads.level, self, level))
