"""What people inside the ERP do; every act is a real document and runs the user-event script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from syncline.connectors.netsuite.simulator.customers import Customers
from syncline.connectors.netsuite.simulator.documents import Documents
from syncline.connectors.netsuite.simulator.items import Items
from syncline.connectors.netsuite.simulator.prices import Prices
from syncline.connectors.netsuite.simulator.saleslines import SalesLines
from syncline.connectors.netsuite.simulator.state import Account, Item, Line, Party, Place, Txn
from syncline.connectors.netsuite.simulator.stock import Stock

ROLES = {"Discount": "discount", "ShipItem": "shipping"}
WALK_IN = "walk-in"


class People(Customers, Items, Prices):
    """Acts at once and synchronously; mixed into the simulator."""

    account: Account
    documents: Documents
    stock: Stock

    # -- setting up ---------------------------------------------------------------------------

    def add_location(self, name: str) -> int:
        """Add a warehouse or store."""
        place = Place(self.account.take("location"), name, self.account.clock.now_ms())
        self.account.places[place.id] = place
        stamp = self.account.local(place.modified_ms)
        self.account.later("INSERT INTO location VALUES(?,?,?,'F',NULL,?)", place.id, name, name, stamp)
        return place.id

    def define_field(self, record: str, name: str, kind: str) -> None:
        """Define a custom body field: its id, and its kind as in the tables of fields (``str``, ``num``, ``bool``, ``date``)."""
        self.account.custom_fields.setdefault(record, {})[name] = kind

    def add_item(
        self,
        sku: str,
        title: str,
        base_price: Decimal | str | None,
        *,
        kind: str = "InvtPart",
        role: str | None = None,
        external_id: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> int:
        """Add an item.

        Args:
            sku: ``itemid``, unique.
            title: ``displayname``.
            base_price: ``None`` for items whose rate is always given (tax, discount, freight).
            kind: ``InvtPart`` has stock, ``Kit`` comes by ``add_kit``; ``NonInvtPart``, ``OthCharge``, ``Service``, ``Discount``.
            role: how the truth ledger adds its lines up: goods, tax, shipping or discount.
            external_id: of the item record.
            fields: more body fields (``upcCode``, ``salesDescription`` …).
        """
        if sku in self.account.item_by_sku:
            raise ValueError(f"The item {sku} exists.")
        now = self.account.clock.now_ms()
        price = None if base_price is None else Decimal(base_price)
        item = Item(
            self.account.take("item"),
            sku,
            title,
            price,
            kind,
            role or ROLES.get(kind, "goods"),
            now,
            now,
            external_id,
            dict(fields or {}),
        )
        self.account.items[item.id] = item
        self.account.item_by_sku[sku] = item
        if external_id is not None:
            for record in ("item", "inventoryItem"):
                self.account.external[record, external_id.casefold()] = item.id
        self.account.touch_item(item)
        if price is not None:
            self.set_price(sku, price)
        return item.id

    def edit_item(self, sku: str, **fields: Any) -> None:
        """Edit catalogue data; this does move ``lastmodifieddate``. ``title`` sets the display name."""
        item = self.account.item_by_sku[sku]
        item.title = fields.pop("title", item.title)
        item.fields.update(fields)
        item.modified_ms = self.account.clock.now_ms()
        self.account.touch_item(item)

    def add_customer(self, external_id: str | None, **fields: Any) -> int:
        """Add a customer with REST body fields (``companyName``, ``creditLimit`` …).

        ``balance`` and ``unbilledOrders`` are what was owed before; documents add to them.
        """
        now = self.account.clock.now_ms()
        party = Party(self.account.take("customer"), external_id, now, now, dict(fields))
        party.fields.setdefault("entityId", f"CUST{party.id}")
        party.fields.setdefault("companyName", party.fields["entityId"])
        self.account.customers[party.id] = party
        if external_id is not None:
            self.account.external["customer", external_id.casefold()] = party.id
        self.account.touch_customer(party)
        return party.id

    def edit_customer(self, customer_id: int, *, stamped: bool = True, **fields: Any) -> None:
        """Edit a customer. ``stamped=False`` for figures that do not reliably move the stamp."""
        party = self.account.customers[customer_id]
        party.fields.update(fields)
        if stamped:
            party.modified_ms = self.account.clock.now_ms()
        self.account.touch_customer(party)

    def opening_balance(self, sku: str, location_id: int, quantity: int) -> None:
        """Put stock in place before the story begins: no document, no push."""
        if self.account.item_by_sku[sku].members:
            raise ValueError(f"{sku} is a kit, of which nothing is kept.")
        self.stock.move(self._item(sku), self._place(location_id), quantity)
        self.stock.touched.clear()

    def set_safety_stock(self, sku: str, location_id: int, quantity: int) -> None:
        """Set the safety stock of an item in a location: configuration, no document, no push."""
        key = (self._item(sku), self._place(location_id))
        self.stock.level(key).safety = quantity
        self.account.touch_level(key)
        self.stock.touched.clear()

    # -- moving stock -------------------------------------------------------------------------

    def receive(
        self,
        sku: str | Iterable[tuple[str, int]],
        location_id: int,
        quantity: int | None = None,
    ) -> int:
        """Receive goods; waiting orders are served first. Takes one SKU, or ``(sku, quantity)`` lines."""
        lines = [(sku, quantity or 0)] if isinstance(sku, str) else list(sku)
        place = self._place(location_id)
        return self.documents.receive([(self._item(s), place, q) for s, q in lines]).id

    def adjust(self, sku: str, location_id: int, delta: int) -> int:
        """Correct a count."""
        return self.documents.adjust([(self._item(sku), self._place(location_id), delta)]).id

    def transfer(self, sku: str, source: int, target: int, quantity: int) -> int:
        """Move units between locations at once."""
        return self.documents.transfer(self._item(sku), self._place(source), self._place(target), quantity).id

    def withdraw(self, sku: str, location_id: int, quantity: int, by: str = "warehouse") -> int:
        """Sell outside our channels: an order of another channel, committed and shipped at once.

        Returns:
            How many units it took: at most what is available above the safety stock, 0 for nothing.
        """
        item, place = self._item(sku), self._place(location_id)
        level = self.stock.level((item, place))
        take = min(quantity, level.on_hand - level.committed - level.safety)
        if take <= 0:
            self.stock.touched.clear()
            return 0
        order = self.account.new_txn("salesOrder", entity=self._walk_in(), status="B", by=by)
        line = self.account.new_line(order, item, place, take)
        self.documents.price(line, None, None, custom=False)
        self.documents.settle_order(order, "create")
        self.documents.fulfil(order, [(line, line.committed)], by=by)
        return take

    def enter_order(
        self,
        lines: Iterable[tuple[str, int, int, Decimal]],
        *,
        external_id: str | None = None,
        customer_id: int | None = None,
        by: str = "another connector",
        **fields: str,
    ) -> int:
        """Enter a sales order as somebody else would: a person, or another connector.

        Args:
            lines: SKU, location, units and rate.
            external_id: under which it is entered; several orders may have none.
            customer_id: whose it is; ``None``: nobody's in particular.
            by: who; the truth ledger only.
            fields: REST body fields (``otherRefNum``, ``memo``).

        Returns:
            The order's id. It is pending fulfilment, so it commits stock.
        """
        order = self.account.new_txn(
            "salesOrder",
            entity=self._walk_in() if customer_id is None else customer_id,
            status="B",
            by=by,
            external_id=external_id,
            fields=dict(fields),
        )
        for sku, place, quantity, rate in lines:
            line = self.account.new_line(order, self._item(sku), self._place(place), quantity)
            self.documents.price(line, rate, None, custom=True)
        self.documents.settle_order(order, "create")
        return order.id

    # -- working orders -----------------------------------------------------------------------

    def approve(self, order_id: int) -> None:
        """Approve a pending order: it commits stock now."""
        self.documents.approve(self._order(order_id))

    def ship(
        self,
        order_id: int,
        *,
        tracking: str | None,
        carrier: str | None = None,
        lines: Mapping[int, int] | None = None,
    ) -> list[int]:
        """Ship committed units, one fulfillment for each location.

        Args:
            order_id: the sales order.
            tracking: package number of the (first) shipment; further ones get a suffix.
            carrier: its carrier.
            lines: units by line number; ``None`` ships everything that is committed.

        Returns:
            The ids of the fulfillments; empty if nothing is committed.
        """
        order = self._order(order_id)
        by_place: dict[int, list[tuple[Line, int]]] = {}
        for line in order.lines:
            ready = self.documents.ready(line)
            quantity = min(ready, ready if lines is None else lines.get(line.number, 0))
            if quantity > 0 and line.location is not None:
                by_place.setdefault(line.location, []).append((line, quantity))
        made = []
        for n, picks in enumerate(by_place.values(), 1):
            numbers = [] if tracking is None else [(tracking if n == 1 else f"{tracking}-{n}", carrier)]
            made.append(self.documents.fulfil(order, picks, tracking=numbers).id)
        return made

    def close_order(self, order_id: int) -> None:
        """Close every line of an order."""
        self.documents.close(self._order(order_id))

    def cancel(self, order_id: int) -> None:
        """Cancel an order that nothing was shipped from."""
        self.documents.cancel(self._order(order_id))

    def bill(self, order_id: int, due: str = "") -> int:
        """Invoice what was shipped and not billed yet; ``due``: the day by which it has to be paid, if not at once."""
        made = self.documents.bill(self._order(order_id), None)
        if due:
            made.fields["dueDate"] = due
            self.documents.save(made, "edit")
        return made.id

    def settle(self, invoice_id: int, amount: Decimal | str | None = None) -> None:
        """Money comes for an invoice, or a deposit is applied to it; ``None``: all that remains."""
        invoice = self.account.txns[invoice_id]
        self.documents.settle(invoice, invoice.total - invoice.settled if amount is None else Decimal(amount))

    def credit(self, invoice_id: int, amount: Decimal | str) -> int:
        """Let a customer off some of an invoice: a credit memo made from it, and applied to it at once."""
        invoice = self.account.txns[invoice_id]
        made = self.account.new_txn(
            "creditMemo", entity=invoice.entity, status="B", created_from=invoice.id, sign=1
        )
        made.total = -Decimal(amount).quantize(
            self.account.cent
        )  # negative in SuiteQL, as public queries have it
        self.documents.save(made, "create")
        self.documents.settle(invoice, -made.total)
        return made.id

    def deposit(self, order_id: int, amount: Decimal | str) -> int:
        """A customer pays for an order before it is billed, and somebody enters it."""
        order = self._order(order_id)
        made = self.account.new_txn("customerDeposit", entity=order.entity, status="A", created_from=order.id)
        made.total = Decimal(amount).quantize(self.account.cent)
        self.documents.save(made, "create")
        return made.id

    def take_back(
        self, order_id: int, units: Mapping[int, int] | None = None, *, received: bool = True
    ) -> int:
        """Goods come back without the channel knowing: a return authorization, and its receipt.

        Args:
            order_id: the sales order.
            units: by line number; ``None``: everything that was shipped.
            received: whether they have arrived; else there is only the authorization.

        Returns:
            The id of the return authorization.
        """
        order = self._order(order_id)
        picked = {x.number: x.done for x in order.lines if x.done} if units is None else units
        lines = [{"orderLine": number, "quantity": quantity} for number, quantity in picked.items()]
        lines_of = SalesLines(self.account, self.documents, lambda _kind: None)
        made = lines_of.return_from(order, {"orderStatus": {"id": "B"}, "item": lines}, None)
        if received:
            self.accept_return(made.id)
        return made.id

    def accept_return(self, return_id: int) -> int:
        """Receive everything that a return authorisation still expects; stock goes up."""
        source = self.account.txns[return_id]
        if source.status == "A":
            source.status = "B"
            self.documents.save(source, "approve")
        return self.documents.receive_return(source, [(x, x.open) for x in source.lines], None).id

    # -- helpers ------------------------------------------------------------------------------

    def _item(self, sku: str) -> int:
        return self.account.item_by_sku[sku].id

    def _place(self, location_id: int) -> int:
        return self.account.places[int(location_id)].id

    def _order(self, order_id: int) -> Txn:
        order = self.account.txns[int(order_id)]
        if order.record != "salesOrder":
            raise ValueError(f"{order_id} is not a sales order.")
        return order

    def _walk_in(self) -> int:
        known = self.account.find_external("customer", WALK_IN)
        return self.add_customer(WALK_IN, companyName="Other channels") if known is None else known
