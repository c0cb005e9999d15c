"""What a saved document does: totals, statuses, commitment, and which push it causes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import ROUND_HALF_UP, Decimal

from syncline.connectors.netsuite.simulator import kits
from syncline.connectors.netsuite.simulator.errors import user_error
from syncline.connectors.netsuite.simulator.state import ZERO, Account, Line, Txn
from syncline.connectors.netsuite.simulator.stock import Key, Stock

Submit = Callable[[Txn, str, list[Key]], None]
LINKED = "This transaction cannot be deleted because it is linked to by one or more transactions."


class Documents:
    """The business rules behind both the REST API and the people in the user interface."""

    def __init__(self, account: Account, stock: Stock) -> None:
        self._account = account
        self._stock = stock
        self.submitted: Submit = lambda _txn, _event, _keys: None

    def save(self, txn: Txn, event: str) -> None:
        """Store a document and run the user-event script for it."""
        self._account.touch(txn)
        touched = list(self._stock.touched)
        self._stock.touched.clear()
        self.submitted(txn, event, touched)
        self._account.dropped.clear()

    # -- sales orders -------------------------------------------------------------------------

    def totals(self, order: Txn) -> None:
        """Add an order or return up."""
        cent = self._account.cent
        order.subtotal = sum((line.amount for line in order.lines), ZERO)
        order.tax = ZERO
        if self._account.tax_rate is not None:
            base = order.subtotal + order.discount + order.shipping
            order.tax = (base * self._account.tax_rate).quantize(cent, ROUND_HALF_UP)
        order.total = order.subtotal + order.discount + order.shipping + order.tax

    def price(self, line: Line, rate: Decimal | None, amount: Decimal | None, *, custom: bool) -> None:
        """Set a line's rate and amount.

        A given rate sticks only with the custom price level -1 (RB26.1; its meaning is unsure), or
        where the item has no price of its own.
        """
        item = self._account.items[line.item]
        if not custom and item.base_price is not None:
            # It is the price of one sale unit, whatever the line's is; that the product reckons so is an assumption.
            rate = item.base_price * self._account.rate_of(line.unit) / self._account.rate_of(item.sale_unit)
            amount = None
        line.price_level = "-1" if custom or item.base_price is None else "1"
        cent = self._account.cent
        if line.quantity is None:
            line.rate = rate
            line.amount = (amount if amount is not None else rate or ZERO).quantize(cent, ROUND_HALF_UP)
            return
        count = line.quantity / self._account.rate_of(line.unit)
        if amount is not None:
            line.amount = amount.quantize(cent, ROUND_HALF_UP)
            line.rate = rate if rate is not None else (amount / count if count else ZERO)
            return
        line.rate = rate if rate is not None else ZERO
        line.amount = self.worth(line, line.quantity)

    def worth(self, line: Line, quantity: int) -> Decimal:
        """What so many base units of a line cost at its rate."""
        count = quantity / self._account.rate_of(line.unit)
        return ((line.rate or ZERO) * count).quantize(self._account.cent, ROUND_HALF_UP)

    def refresh(self, order: Txn) -> None:
        """Derive a sales order's status from its lines (codes: contract sheet section 5)."""
        if order.status in ("A", "C"):
            return
        goods = [x for x in order.lines if self._account.items[x.item].sent]
        shipped = sum(x.done for x in goods)
        billed = sum(x.billed for x in goods)
        waiting = sum(x.open for x in goods)
        if order.lines and all(x.closed for x in order.lines) and not shipped:
            order.status = "H"
        elif shipped and not waiting:
            order.status = "G" if billed >= shipped else "F"
        elif shipped:
            order.status = "D" if billed >= shipped else "E"
        elif not goods and order.lines:
            order.status = "F"
        else:
            order.status = "B"

    def settle_order(self, order: Txn, event: str) -> None:
        """After any change of an order: commitment, totals, status, save."""
        kits.follow(self._account, order)
        if order.status in ("A", "C"):
            self._stock.release_order(order)
        else:
            for line in order.all_lines:
                if line.closed or line.committed + line.backordered > line.open:
                    self._stock.release(line)
            self._stock.commit_order(order)
        self.totals(order)
        self.refresh(order)
        self.save(order, event)

    def approve(self, order: Txn) -> None:
        """Pending approval becomes pending fulfilment."""
        if order.status != "A":
            raise user_error("Only an order that is pending approval can be approved.", "orderStatus")
        order.status = "B"
        self.settle_order(order, "approve")

    def cancel(self, order: Txn) -> None:
        """Cancel an order that nothing was shipped from."""
        if any(line.done for line in order.lines):
            raise user_error("You can not cancel an order with fulfilled lines.")
        self._stock.release_order(order)
        for line in order.all_lines:
            line.closed = True
        order.status = "C"
        self.save(order, "cancel")

    def close(self, order: Txn) -> None:
        """Close every line; what was promised becomes free."""
        for line in order.lines:
            line.closed = True
        self.settle_order(order, "edit")

    # -- shipping and receiving ---------------------------------------------------------------

    def ready(self, line: Line) -> int:
        """Units of an order's line that can leave: those that are committed, or all that wait where nothing is stocked."""
        item = self._account.items[line.item]
        if item.sent and line.members:
            return kits.promised(self._account, line)
        return line.committed if item.stocked or not item.sent else line.open

    def fulfil(
        self,
        order: Txn,
        picks: Iterable[tuple[Line, int]],
        *,
        ship_status: str = "C",
        external_id: str | None = None,
        by: str = "user",
        tracking: Iterable[tuple[str, str | None]] = (),
    ) -> Txn:
        """Make one item fulfillment; stock leaves when it is shipped (status C)."""
        picks = [(line, quantity) for line, quantity in picks if quantity > 0]
        if order.status not in ("B", "D", "E"):
            raise user_error("The sales order is not pending fulfillment.")
        if not picks:
            raise user_error("You must enter at least one line item for this transaction.", "item")
        for line, quantity in picks:
            if quantity > self.ready(line):
                raise user_error("The quantity exceeds what is committed to the line.", "item.items.quantity")
        shipment = self._account.new_txn(
            "itemFulfillment",
            entity=order.entity,
            status="A",
            created_from=order.id,
            external_id=external_id,
            by=by,
        )
        for line, quantity in picks:
            kits.answer(line, self._account.new_line(shipment, line.item, line.location, quantity))
        self.track(shipment, tracking)
        self._link(order, shipment, "ShipRcpt")
        self.set_ship_status(shipment, ship_status, "create")
        return shipment

    def set_ship_status(self, shipment: Txn, status: str, event: str) -> None:
        """A picked, B packed, C shipped; there is no way back from shipped."""
        assert shipment.created_from is not None
        if shipment.status == "C" and status != "C":
            raise user_error("A shipped fulfillment cannot be unshipped.", "shipStatus")
        was, shipment.status = shipment.status, status
        order = self._account.txns[shipment.created_from]
        if status == "C" and was != "C":
            for line in shipment.lines:
                source = order.line(line.order_line or 0)
                if source is None or self.ready(source) < (line.quantity or 0):
                    shipment.status = was
                    raise user_error(
                        "The quantity exceeds what is committed to the line.", "item.items.quantity"
                    )
            for line in shipment.lines:
                source = order.line(line.order_line or 0)
                assert source is not None
                assert line.quantity is not None
                self._stock.ship(source, line.quantity)
                for each in (line, *line.members):
                    each.done = each.quantity or 0
            self.refresh(order)
            # The order's own stamp moves because its status and quantities do.
            self._account.touch(order)
        self.save(shipment, event)

    def track(self, shipment: Txn, numbers: Iterable[tuple[str, str | None]]) -> None:
        """Attach package tracking numbers."""
        for number, carrier in numbers:
            if any(number == known for known, _ in shipment.tracking):
                continue
            shipment.tracking.append((number, carrier))
            row = self._account.take("tracking")
            self._account.later("INSERT INTO trackingnumber VALUES(?,?)", row, number)
            self._account.later("INSERT INTO trackingnumbermap VALUES(?,?)", shipment.id, row)

    def unfulfil(self, shipment: Txn) -> None:
        """Undo a fulfillment that is being deleted: units come back and are promised again."""
        assert shipment.created_from is not None
        order = self._account.txns[shipment.created_from]
        if shipment.status == "C":
            for line in shipment.lines:
                source = order.line(line.order_line or 0)
                assert source is not None
                assert line.quantity is not None
                for left, each in zip((source, *source.members), (line, *line.members), strict=True):
                    left.done -= each.quantity or 0
                    self._come(each)
            self._stock.commit_order(order)
            self.refresh(order)
            self._account.touch(order)

    def receive(
        self,
        lines: Iterable[tuple[int, int, int]],
        *,
        source: Txn | None = None,
        external_id: str | None = None,
        by: str = "user",
    ) -> Txn:
        """Make an item receipt from ``(item, location, quantity)``; waiting orders are served first."""
        receipt = self._account.new_txn(
            "itemReceipt",
            entity=None if source is None else source.entity,
            created_from=None if source is None else source.id,
            external_id=external_id,
            by=by,
            sign=1,
        )
        for item, location, quantity in lines:
            unit = self._account.items[item].purchase_unit
            line = self._account.new_line(receipt, item, location, quantity, unit=unit)
            for each in (line, *line.members):
                each.done = each.quantity or 0
                self._come(each)
        self.save(receipt, "create")
        return receipt

    def _come(self, line: Line) -> None:
        """Units of a line come into the building."""
        if self._account.items[line.item].stocked and line.quantity:
            assert line.location is not None
            self._stock.move(line.item, line.location, line.quantity)

    def receive_return(self, source: Txn, picks: Iterable[tuple[Line, int]], external_id: str | None) -> Txn:
        """Receive returned goods."""
        picks = [(line, quantity) for line, quantity in picks if quantity > 0]
        if source.status not in ("B", "D", "E"):
            raise user_error("The return authorization is not pending receipt.")
        if not picks:
            raise user_error("You must enter at least one line item for this transaction.", "item")
        for line, quantity in picks:
            if quantity > line.open or line.location is None:
                raise user_error("The quantity exceeds what is still to be received.", "item.items.quantity")
        for line, quantity in picks:
            for each in (line, *line.members):
                each.done += quantity * each.each
        rows = [(line.item, line.location or 0, quantity) for line, quantity in picks]
        # Account for the return before the receipt is saved, so that its push sees the new status.
        source.status = "F" if all(line.open == 0 for line in source.lines) else "E"
        self._account.touch(source)
        receipt = self.receive(rows, source=source, external_id=external_id)
        for made, (line, _) in zip(receipt.lines, picks, strict=True):
            kits.answer(line, made)
        self._link(source, receipt, "ShipRcpt")
        return receipt

    def adjust(
        self, lines: Iterable[tuple[int, int, int]], external_id: str | None = None, by: str = "user"
    ) -> Txn:
        """Make an inventory adjustment from ``(item, location, delta)``."""
        adjustment = self._account.new_txn("inventoryAdjustment", external_id=external_id, by=by, sign=1)
        for item, location, delta in lines:
            unit = self._account.items[item].stock_unit
            self._account.new_line(adjustment, item, location, delta, unit=unit)
            self._stock.move(item, location, delta)
        self.save(adjustment, "create")
        return adjustment

    def transfer(self, item: int, source: int, target: int, quantity: int) -> Txn:
        """Make an inventory transfer: both legs in one document, at once."""
        moved = self._account.new_txn("inventoryTransfer", sign=1)
        for place, delta in ((source, -quantity), (target, quantity)):
            self._account.new_line(moved, item, place, delta)
            self._stock.move(item, place, delta)
        self.save(moved, "create")
        return moved

    def bill(self, order: Txn, external_id: str | None) -> Txn:
        """Invoice what was shipped and not billed yet; with the first invoice everything that is not shipped.

        That tax, discount and freight come with the first is an assumption.
        """
        picks = [(line, line.done - line.billed) for line in order.lines if line.done > line.billed]
        if not picks:
            raise user_error("There is nothing to bill on the sales order.")
        first = not any(
            self._account.txns[at].record == "invoice" for at in self._account.children.get(order.id, ())
        )
        invoice = self._account.new_txn(
            "invoice",
            entity=order.entity,
            status="A",
            created_from=order.id,
            external_id=external_id,
            currency=order.currency,
        )
        for line, quantity in picks:
            made = self._account.new_line(invoice, line.item, line.location, quantity)
            kits.answer(line, made)
            made.rate, made.amount = line.rate, self.worth(line, quantity)
            line.billed += quantity
        for line in order.lines if first else ():
            if not self._account.items[line.item].sent and not line.closed:
                made = self._account.new_line(invoice, line.item, None, line.quantity, order_line=line.number)
                made.rate, made.amount = line.rate, line.amount
        if first:
            invoice.shipping, invoice.discount = order.shipping, order.discount
        self.totals(invoice)
        self._link(order, invoice, "OrdBill")
        self.refresh(order)
        self._account.touch(order)
        self.save(invoice, "create")
        return invoice

    def settle(self, invoice: Txn, amount: Decimal) -> None:
        """Take something off an invoice: money that came, a deposit that was applied, a credit.

        That it moves the invoice's stamp, as its status does, is an assumption.
        """
        if invoice.record != "invoice" or not ZERO < amount <= invoice.total - invoice.settled:
            raise user_error("The amount exceeds what remains of the invoice.", "payment")
        invoice.settled += amount
        invoice.status = "B" if invoice.settled == invoice.total else "A"
        self.save(invoice, "edit")

    def delete(self, txn: Txn) -> None:
        """Delete a document that nothing was made from."""
        if self._account.children.get(txn.id):
            raise user_error(LINKED)
        if txn.record not in ("salesOrder", "itemFulfillment", "customerDeposit", "returnAuthorization"):
            raise user_error("This record cannot be deleted.")
        if txn.record == "salesOrder":
            self._stock.release_order(txn)
        if txn.record == "itemFulfillment":
            self.unfulfil(txn)
        touched = list(self._stock.touched)
        self._stock.touched.clear()
        self.submitted(txn, "delete", touched)
        account = self._account
        del account.txns[txn.id]
        account.balances.note(txn)
        if txn.external_id is not None:
            account.external.pop((txn.record, txn.external_id.casefold()), None)
        if txn.created_from is not None:
            account.children[txn.created_from].remove(txn.id)
        account.later('DELETE FROM "transaction" WHERE id = ?', txn.id)
        account.later('DELETE FROM transactionline WHERE "transaction" = ?', txn.id)
        account.later("DELETE FROM previoustransactionlinelink WHERE nextdoc = ?", txn.id)
        account.later(
            "INSERT INTO deletedrecord VALUES(?,?,?,?,?,?,?)",
            account.local(account.clock.now_ms()),
            txn.record.lower(),
            txn.id,
            txn.tranid,
            None,
            "RESTWEBSERVICES",
            "F",
        )

    def release(self, line: Line) -> None:
        """Take back what is promised to a line that is about to change."""
        self._stock.release(line)

    def remove_line(self, order: Txn, line: Line) -> None:
        """Take a line off an order; what was shipped from it cannot be taken back."""
        if line.done:
            raise user_error("You can not delete this line: it has been fulfilled.", "item")
        self._stock.release(line)
        kits.drop(self._account, line)
        order.lines.remove(line)
        self._account.later(
            'DELETE FROM transactionline WHERE "transaction" = ? AND id = ?',
            order.id,
            line.number,
        )

    def _link(self, source: Txn, target: Txn, kind: str) -> None:
        for line in target.all_lines:
            self._account.later(
                "INSERT OR REPLACE INTO previoustransactionlinelink VALUES(?,?,?,?,?,?,?)",
                source.id,
                line.order_line,
                source.kind,
                target.id,
                line.number,
                target.kind,
                kind,
            )
