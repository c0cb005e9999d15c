"""Builds what a channel is told of its orders' money and goods by an ERP, from what is true at the moment of the call."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from syncline.engine.adoption import Adopted, Adoption, State
from syncline.engine.codec import decode
from syncline.engine.delivery.outcomes import Built, Refuse, Send, Skip
from syncline.engine.routes import Route, Routes, reference_of, split_key
from syncline.inventory.availability import units
from syncline.model.change import Kind
from syncline.model.copying import replace
from syncline.model.payloads import CancelOrder, CreateRefund, RecordPayment
from syncline.model.records import ZERO, Order, Receipt, Return
from syncline.ports import Row, Store

LEFT = "its order was placed before the start moment, and left alone"
GONE = "its route is not configured any more"
TOLD = "payment"  # the kind of the bindings that remember how much of an ERP's money a channel holds


class Answers:
    """Builds the deliveries of one channel."""

    def __init__(self, store: Store, routes: Routes, adoption: Adoption, system: str) -> None:
        self._store = store
        self._routes = routes
        self._adoption = adoption
        self._system = system

    async def _order(self, key: str) -> Order | None:
        rows = await self._store.read("records_get", system=self._system, kind=Kind.ORDER.value, keys=[key])
        return decode(Kind.ORDER, rows[0][4]) if rows else None

    async def _record(self, route: Route, kind: Kind, key: str) -> Row | None:
        rows = await self._store.read("records_get", system=route.source, kind=kind.value, keys=[key])
        return rows[0] if rows else None

    async def _was(self, route: Route, key: str) -> Adopted | None:
        """How an order of others was taken over; ``None`` for one of ours."""
        reference = reference_of(route.sink, key)
        was = (await self._adoption.adopted(route.source, [reference])).get(reference)
        return None if was is None or was.state is State.EXPORT else was

    # --- payments ---------------------------------------------------------------------------------

    async def record_payment(self, deliveries: Mapping[str, Route | None]) -> dict[str, Built]:
        """So much was received, in all."""
        return {
            key: await self._payment(key, route) if route is not None else Skip(GONE)
            for key, route in deliveries.items()
        }

    async def _payment(self, key: str, route: Route) -> Built:
        row = await self._record(route, Kind.RECEIPT, reference_of(route.sink, key))
        if row is None:
            return Skip("the ERP does not know this order any more")
        receipt: Receipt = decode(Kind.RECEIPT, row[4])
        if receipt.received <= 0:
            return Skip("nothing was received yet")
        was = await self._was(route, key)
        if was is not None and was.state is State.LEFT:
            return Skip(LEFT)
        if was is not None:
            # Deposits and payments of the connector before carry no name of ours: all that the channel holds counts.
            receipt = replace(receipt, of_channel=True)
        order = await self._order(key)
        if order is None:
            return Send(RecordPayment(key, receipt))
        if order.cancelled_at_ms is not None:
            return Skip("the order was cancelled at its channel")
        if receipt.currency and receipt.currency != order.currency:
            return Refuse(
                "currency_differs",
                f"order {order.number}: {receipt.received} {receipt.currency} were received, but the order is in "
                f"{order.currency}; enter the payment at the channel by hand, then discard this",
            )
        known = await self._told(key)
        if receipt.of_channel:
            known += sum((payment.amount for payment in order.payments), ZERO)
        if receipt.received <= known:
            return Skip("the channel was told of this money")
        return Send(RecordPayment(key, receipt))

    async def _told(self, key: str) -> Decimal:
        """What the channel held of the ERP's money when it was last told."""
        rows = await self._store.read("bindings_get", system=self._system, kind=TOLD, keys=[key])
        try:
            return Decimal(rows[0][3]) if rows else ZERO
        except InvalidOperation:
            return ZERO

    # --- returns ----------------------------------------------------------------------------------

    async def create_refund(self, deliveries: Mapping[str, Route | None]) -> dict[str, Built]:
        """Goods came back to the ERP."""
        return {
            key: await self._refund(key, route) if route is not None else Skip(GONE)
            for key, route in deliveries.items()
        }

    async def _refund(self, key: str, route: Route) -> Built:
        order_key, return_key = split_key(key)
        row = await self._record(route, Kind.RETURN, return_key)
        if row is None:
            return Skip("the ERP does not know this return any more")
        back: Return = decode(Kind.RETURN, row[4])
        was = await self._was(route, order_key)
        if was is not None and was.state is State.LEFT:
            return Skip(LEFT)
        if was is not None and back.returned_at_ms <= was.erp_ms:
            return Refuse(
                "returned_before",
                f"the goods of the ERP's return {back.key} came back before their order was adopted, so nobody can say "
                "whether the channel was told: look there, then discard this, or give them back there by hand",
            )
        order = await self._order(order_key)
        lines: dict[tuple[str, str], int] = {}
        for line in back.lines:
            at = line.sku, self._routes.channel_location(route.sink, line.location)
            lines[at] = lines.get(at, 0) + units(line.quantity)
        sold = self.as_sold(lines, order) if order is not None and self._routes.recipes else lines
        if not sold:
            return Skip("nothing whole of what was sold came back")
        told = tuple((sku, at, quantity) for (sku, at), quantity in sold.items())
        return Send(
            CreateRefund(
                order_key,
                f"{route.source} return {back.key}",
                back,
                told,
                restock=route.restock and back.restocked,
                money=route.money and back.credited,
            )
        )

    def as_sold(self, lines: Mapping[tuple[str, str], int], order: Order) -> dict[tuple[str, str], int]:
        """What moved at the ERP, in the packs and under the names that the order has; whole packs only."""
        sold = {line.sku: units(line.quantity) for line in order.lines}
        found: dict[tuple[str, str], int] = {}
        for (sku, at), shipped in lines.items():
            left = shipped
            packs = {
                name: stocked[1]
                for name in sold
                if (stocked := self._routes.recipes.stocked_as(name)) and stocked[0] == sku
            }
            # What was sold singly first: the rest must be packs.
            for name, in_pack in sorted(packs.items(), key=lambda pack: pack[1]):
                quantity = min(sold[name], left // in_pack)
                if quantity:
                    found[name, at] = found.get((name, at), 0) + quantity
                    sold[name] -= quantity
                    left -= quantity * in_pack
            if left and not packs:
                found[sku, at] = found.get((sku, at), 0) + left
        return found

    # --- cancellations ----------------------------------------------------------------------------

    async def cancel_order(self, deliveries: Mapping[str, Route | None]) -> dict[str, Built]:
        """The ERP called an order off."""
        return {
            key: await self._cancellation(key, route) if route is not None else Skip(GONE)
            for key, route in deliveries.items()
        }

    async def _cancellation(self, key: str, route: Route) -> Built:
        order = await self._order(key)
        if order is not None and order.cancelled_at_ms is not None:
            return Skip("it is cancelled at its channel already")
        if order is not None and order.complete and not any(line.quantity for line in order.lines):
            # An ERP closes what we take all lines off; the rest of it, such as shipping, is the channel's to decide.
            return Skip("nothing of it is wanted at its channel any more")
        was = await self._was(route, key)
        if was is not None and was.state is State.LEFT:
            return Skip(LEFT)
        reference = reference_of(route.sink, key)
        # Some ERPs hold references in capitals.
        row = await self._record(route, Kind.ERP_ORDER, reference)
        row = row or await self._record(route, Kind.ERP_ORDER, reference.upper())
        if row is None or not decode(Kind.ERP_ORDER, row[4]).cancelled:
            return Skip("the ERP does not call it off any more")
        return Send(CancelOrder(key, restock=route.restock, money=route.money))
