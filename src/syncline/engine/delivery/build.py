"""Builds what a call carries, from what is true at the moment of the call.

A delivery stores no payload, only that something is to be made so. Therefore a retry, a replay and
a call after a restart all send the present truth, never a number from the past.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Protocol

from syncline.engine.adoption import Adoption, State, is_before
from syncline.engine.catalog import Catalog
from syncline.engine.codec import FOUND, decode, put_fingerprint
from syncline.engine.delivery.answers import Answers
from syncline.engine.delivery.discarded import WHY, discarded
from syncline.engine.delivery.outcomes import PAUSE_S, Built, Found, Refuse, Send, Skip, Wait
from syncline.engine.delivery.payer import Payer, Payers
from syncline.engine.derive.stock import UNPLACED_WAIT_MS, StockDeriver
from syncline.engine.mappings import Mappings
from syncline.engine.modes import Modes, Stop
from syncline.engine.rewind import Rewind
from syncline.engine.routes import SEP, Route, Routes, customer_reference, reference_of, split_key
from syncline.engine.routing import Router
from syncline.engine.states import STATE_OPERATIONS
from syncline.freshness.patience import Patience
from syncline.inventory.availability import units
from syncline.mapping.expressions import MappingError
from syncline.model.change import Flow, Kind
from syncline.model.copying import replace
from syncline.model.delivery import OPEN_STATES, DeliveryState
from syncline.model.payloads import (
    CreateShipment,
    MoveOrder,
    OrderItem,
    PutOrder,
    PutPayment,
    PutRefund,
    ReadOrder,
    ReadStock,
    SetStock,
)
from syncline.model.records import ZERO, Customer, Item, Order, Shipment
from syncline.ports import Row, Store
from syncline.routing.decision import Decision, expected_elsewhere, shares, told_of
from syncline.routing.plan import Sent

__all__ = ["Builder", "BuildsStates", "Built", "Due", "Found", "Refuse", "Send", "Skip", "Wait", "sum_fault"]

PAUSE_S_MAX = 10.0  # between two looks for what has to be there first
REVISIONS_MAX = 100  # of one order that are looked at
MOVES_SOON_MS = 60_000  # no attempt that failed is made again later than that
MOVES_LATE_MS = 3_600_000  # a parcel waits no longer for the move of its order, nor that for a reading
STOPPED_S = 90.0  # until a move is looked at again that is not made for now; parcels go on meanwhile
UNDECIDED_WAIT_MS = (
    3_000  # how long a number that may be right is left alone; then the cautious one is written
)


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery to be built: the route it belongs to, and since when it is wanted."""

    route: Route | None
    since_ms: int


class BuildsStates(Protocol):
    """Builds the deliveries of state records, whichever flow they are of."""

    async def build(self, operation: str, deliveries: Mapping[str, Due], now_ms: int) -> dict[str, Built]:
        """What is to be done with each delivery of a call, from what is true now."""
        ...


class Builder:
    """Builds the payloads of one sink's deliveries."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        routes: Routes,
        deriver: StockDeriver,
        system: str,
        rewind: Rewind,
        adoption: Adoption | None = None,
        states: BuildsStates | None = None,
        *,
        router: Router | None = None,
        mappings: Mappings | None = None,
        ships_where_allocated: bool = False,
        modes: Modes | None = None,
    ) -> None:
        self._states = states
        self._patience = Patience(PAUSE_S, PAUSE_S_MAX)
        self._router = router
        self._mappings = mappings
        self._ships_where_allocated = ships_where_allocated
        self._modes = modes or Modes()
        self._rewind = rewind
        self._store = store
        self._catalog = catalog
        self._routes = routes
        self._deriver = deriver
        self._system = system
        self._adoption = adoption or Adoption(store, routes, {})
        self._payers = Payers(store, routes, self._adoption, system)
        self._answers = Answers(store, routes, self._adoption, system)

    async def build(self, operation: str, deliveries: dict[str, Due], now_ms: int) -> dict[str, Built]:
        """Build every key of a call: what is due, to what should happen with it."""
        if operation == "set_stock":
            return await self._set_stock(deliveries, now_ms)
        if operation in STATE_OPERATIONS:
            assert self._states is not None
            return await self._states.build(operation, deliveries, now_ms)
        routes = {key: due.route for key, due in deliveries.items()}
        if operation == "put_order":
            return self._paced(operation, await self._put_order(routes, now_ms))
        builds: dict[str, Callable[[dict[str, Route | None]], Awaitable[dict[str, Built]]]] = {
            "read_stock": self._read_stock,
            "read_order": self._read_order,
            "put_payment": self._put_payment,
            "put_refund": self._put_refund,
            "create_shipment": partial(self._create_shipment, now_ms=now_ms),
            "move_order": partial(
                self._move_order,
                late={key for key, due in deliveries.items() if due.since_ms < now_ms - MOVES_LATE_MS},
            ),
            "record_payment": self._answers.record_payment,
            "create_refund": self._answers.create_refund,
            "cancel_order": self._answers.cancel_order,
        }
        return self._paced(operation, await builds[operation](routes))

    def _paced(self, operation: str, built: dict[str, Built]) -> dict[str, Built]:
        """What waits for something that nobody tells us of is looked at less and less often: it may wait for a person."""
        for key, what in built.items():
            if not isinstance(what, Wait):
                self._patience.over(f"{operation} {key}")
            elif what.seconds is None:
                built[key] = replace(what, seconds=self._patience.pause_s(f"{operation} {key}"))
        return built

    # --- stock ------------------------------------------------------------------------------------

    async def _set_stock(self, deliveries: dict[str, Due], now_ms: int) -> dict[str, Built]:
        built: dict[str, Built] = {}
        by_route: dict[str, list[str]] = {}
        for key, due in deliveries.items():
            if due.route is None:
                built[key] = Skip("its route is not configured any more")
            else:
                by_route.setdefault(due.route.name, []).append(key)
        for name, keys in by_route.items():
            route = self._routes.named(name)
            assert route is not None
            skus = list(dict.fromkeys(split_key(key)[0] for key in keys))
            targets = {target.key: target for target in (await self._deriver.compute(route, skus)).targets}
            for key in keys:
                target = targets.get(key)
                item = self._catalog.get(self._system, split_key(key)[0])
                if target is None or item is None:
                    built[key] = Skip("the SKU or location is not sold there any more")
                elif target.unplaced and now_ms - deliveries[key].since_ms < UNPLACED_WAIT_MS:
                    built[key] = Wait("an order that takes from it is still being read", 1.0)
                elif target.held is None:
                    built[key] = Wait("what the channel holds is not known yet", 60.0, read_stock=True)
                elif target.undecided and now_ms - deliveries[key].since_ms < UNDECIDED_WAIT_MS:
                    built[key] = Wait("the ERP's figures may contain an order that is under way", 0.3)
                elif target.held == target.quantity:
                    built[key] = Skip("the channel shows this number already")
                else:
                    built[key] = Send(
                        SetStock(target.sku, item.stock_id, target.location, target.quantity, target.held),
                    )
        return built

    async def _read_stock(self, deliveries: dict[str, Route | None]) -> dict[str, Built]:
        built: dict[str, Built] = {}
        rows = await self._store.read(
            "bindings_get", system=self._system, kind=Kind.STOCK.value, keys=list(deliveries)
        )
        known = {row[0]: row for row in rows}
        for key in deliveries:
            sku, location = split_key(key)
            item = self._catalog.get(self._system, sku)
            if item is None:
                built[key] = Skip("the SKU is not sold there any more")
            else:
                rev = known[key][6] if key in known else 0
                built[key] = Send(ReadStock(sku, item.stock_id, location), note=str(rev))
        return built

    # --- orders -----------------------------------------------------------------------------------

    async def _read_order(self, deliveries: dict[str, Route | None]) -> dict[str, Built]:
        return {key: Send(ReadOrder(key)) for key in deliveries}

    async def _order_rows(self, channel: str, keys: Sequence[str]) -> list[Row]:
        return await self._store.read("records_get", system=channel, kind=Kind.ORDER.value, keys=list(keys))

    async def _orders(self, channel: str, keys: Sequence[str]) -> dict[str, Order]:
        return {row[0]: decode(Kind.ORDER, row[4]) for row in await self._order_rows(channel, keys)}

    async def _bound(self, keys: Sequence[str]) -> dict[str, tuple[str, int, str]]:
        rows = await self._store.read(
            "bindings_get", system=self._system, kind=Kind.ORDER.value, keys=list(keys)
        )
        return {key: (external_id, version, hash_) for key, external_id, version, hash_, *_ in rows}

    async def _put_order(self, deliveries: dict[str, Route | None], now_ms: int) -> dict[str, Built]:
        built: dict[str, Built] = {}
        given_up = await discarded(
            self._store,
            self._system,
            [reference_of(route.source, split_key(key)[0]) for key, route in deliveries.items() if route],
        )
        for key, route in deliveries.items():
            if route is None:
                built[key] = Skip("its route is not configured any more")
                continue
            order_key, revision = split_key(key)
            rows = await self._order_rows(route.source, [order_key])
            order: Order | None = decode(Kind.ORDER, rows[0][4]) if rows else None
            if order is None or not order.complete:
                built[key] = Wait("the order is still to be read whole")
                continue
            reference = reference_of(route.source, order_key)
            external_id, version, sent = (await self._bound([reference])).get(reference, ("", 0, ""))
            routed = None
            if self._router is not None:
                record = rows[0][1], rows[0][2]
                known = bool(external_id) and sent != FOUND
                routed = await self._router.decide(route, order, record, known=known)
            mark = routed.decision.mark if routed is not None else ""
            told = told_of(order, routed.decision.sent) if routed is not None else order
            fingerprint = put_fingerprint(told, mark)
            if external_id and (sent == fingerprint or version > int(revision)):
                built[key] = Skip("the ERP holds this revision, or a newer one")
                continue
            if external_id and not sent:
                # Adopted without its lines: as it is read first, so it is taken to be there.
                holds = (reference, external_id, order.updated_at_ms, fingerprint)
                built[key] = Skip("adopted as it is", holds)
                continue
            if not external_id and reference in given_up:
                built[key] = Skip(WHY)
                continue
            if order.cancelled_at_ms is not None and not external_id:
                # A store that was restored may have forgotten that it had told the ERP: that is looked up.
                built[key] = (
                    Send(PutOrder(reference, order, ()), note=fingerprint)
                    if self._rewind.looks_up(order.placed_at_ms)
                    else Skip("cancelled before the ERP heard of it")
                )
                continue
            if order.waits and not external_id:
                built[key] = Skip(f"the ERP is not told of it yet: {order.waits}")
                continue
            if not external_id and is_before(order, route, self._adoption):
                before = await self._before(order, reference)
                if before is not None:
                    built[key] = before
                    continue
            fault = sum_fault(order, route.rounding_tolerance)
            if fault:
                built[key] = Refuse("does_not_add_up", fault)
                continue
            if routed is not None and routed.stuck:
                built[key] = Refuse("no_location", f"order {order.number}: {routed.stuck}")
                continue
            items, unknown = self.order_items(
                route, order, routed.decision.sent if routed is not None else ()
            )
            if unknown:
                built[key] = Refuse(
                    "unknown_sku",
                    f"order {order.number}: no item in {self._system} has the SKU {', '.join(unknown)}; "
                    "create it there (or correct the SKU in the shop) and the order goes on by itself",
                )
                continue
            try:
                fields = (
                    await self._mappings.fields(self._system, order, route.source) if self._mappings else ()
                )
            except MappingError as error:
                built[key] = Refuse("mapping_failed", f"order {order.number}: {error}")
                continue
            if order.customer is not None:
                customer = replace(order.customer, key=_customer_reference(route, order.customer))
                order = replace(order, customer=customer)
            foreign = () if external_id else self._adoption.foreign(route.source, order)
            payer = Payer()
            if not external_id:
                payer = await self._payers.of(route.source, order, order.customer, now_ms)
            if payer.conflict:
                built[key] = Refuse("other_account", f"order {order.number}: {payer.conflict}")
                continue
            put = PutOrder(reference, order, items, external_id, foreign, payer.account, mark, fields)
            writes = payer.writes if routed is None else (*routed.writes, *payer.writes)
            built[key] = Send(put, note=fingerprint, writes=writes)
        return built

    async def _before(self, order: Order, reference: str) -> Built | None:
        """An order from before the start moment that the ERP does not hold, as far as is known; ``None``: export it."""
        was = (await self._adoption.adopted(self._system, [reference])).get(reference)
        if was is not None:
            left = was.state is State.LEFT
            return Skip("placed before the start moment; left alone") if left else None
        return Refuse(
            "before_the_start",
            f"order {order.number} was placed before the moment from which orders are taken over, and was not seen "
            "then; if it is to be exported, stop the service and run `syncline adopt --apply --orders-from` with an "
            "earlier moment, which looks for it in the ERP first",
        )

    async def _others_had(self, reference: str, at_ms: int) -> str:
        """Why money or goods of an order are none of our business; "" if they are."""
        was = (await self._adoption.adopted(self._system, [reference])).get(reference)
        if was is None or was.state is State.EXPORT:
            return ""
        if was.state is State.LEFT:
            return "its order was placed before the start moment, and left alone"
        return (
            "it was there when its order was adopted, so whoever wrote that has told it"
            if at_ms <= was.at_ms
            else ""
        )

    def order_items(
        self, route: Route, order: Order, sent: Sequence[Sent] = ()
    ) -> tuple[tuple[OrderItem, ...], list[str]]:
        """The lines that the ERP's order should have, and the SKUs that it has no item for.

        ``sent`` is from where the lines are sent, as far as that was decided; else it is where the channel expects them.
        """
        items: list[OrderItem] = []
        unknown: list[str] = []
        for line in order.lines:
            item, in_pack = self._stocked(line.sku)
            if item is None:
                if units(line.quantity) or not line.sku:
                    unknown.append(repr(line.sku or line.title))
                continue
            left = units(line.quantity)
            for location, quantity in shares(sent, line.id, left):
                left -= quantity
                items.append(
                    OrderItem(line.id, item.external_id, item.sku, location, quantity * in_pack, in_pack)
                )
            if not left:
                continue
            for index, at in enumerate(line.allocations):
                last = index == len(line.allocations) - 1
                quantity = left if last else min(left, units(at.quantity))
                left -= quantity
                if quantity:
                    location = self._routes.erp_location(route.source, at.location)
                    items.append(
                        OrderItem(line.id, item.external_id, item.sku, location, quantity * in_pack, in_pack)
                    )
            if left and not line.allocations:
                items.append(OrderItem(line.id, item.external_id, item.sku, "", left * in_pack, in_pack))
        return tuple(items), unknown

    def _stocked(self, sku: str) -> tuple[Item | None, int]:
        """The system's item for a sold SKU, and how many of it one is: its own, or what it is a pack of.

        One that the system does not list any more was renamed if the recipes have another name for it.
        """
        item = self._catalog.get(self._system, sku) if sku else None
        listed = item is not None and self._catalog.listed(self._system, sku)
        stocked = None if listed else self._routes.recipes.stocked_as(sku)
        if stocked is None:
            return item, 1
        return self._catalog.get(self._system, stocked[0]), stocked[1]

    async def _put_payment(self, deliveries: dict[str, Route | None]) -> dict[str, Built]:
        built: dict[str, Built] = {}
        for key, route in deliveries.items():
            if route is None:
                built[key] = Skip("its route is not configured any more")
                continue
            order_key, payment_id = split_key(key)
            reference = reference_of(route.source, order_key)
            external_id = (await self._bound([reference])).get(reference, ("", 0, ""))[0]
            order = (await self._orders(route.source, [order_key])).get(order_key)
            payment = next((p for p in order.payments if p.id == payment_id), None) if order else None
            if order is None or payment is None:
                built[key] = Skip("the channel does not know this payment any more")
            elif why := await self._others_had(reference, payment.received_at_ms):
                built[key] = Skip(why)
            elif not external_id:
                built[key] = await self._without_order(order, reference)
            else:
                customer = _customer_reference(route, order.customer) if order.customer else ""
                built[key] = Send(
                    PutPayment(f"{reference}-pay-{payment_id}".lower(), external_id, customer, payment),
                )
        return built

    async def _put_refund(self, deliveries: dict[str, Route | None]) -> dict[str, Built]:
        built: dict[str, Built] = {}
        for key, route in deliveries.items():
            if route is None:
                built[key] = Skip("its route is not configured any more")
                continue
            order_key, refund_id = split_key(key)
            reference = reference_of(route.source, order_key)
            external_id = (await self._bound([reference])).get(reference, ("", 0, ""))[0]
            order = (await self._orders(route.source, [order_key])).get(order_key)
            refund = next((r for r in order.refunds if r.id == refund_id), None) if order else None
            if order is None or refund is None:
                built[key] = Skip("the channel does not know this refund any more")
                continue
            if why := await self._others_had(reference, refund.created_at_ms):
                built[key] = Skip(why)
                continue
            if not external_id:
                built[key] = await self._without_order(order, reference)
                continue
            lines = {line.id: line for line in order.lines}
            sent = await self._sent_from(route, order_key)
            items: list[OrderItem] = []
            for taken_back in refund.lines:
                line = lines.get(taken_back.line_id)
                item, in_pack = self._stocked(line.sku if line is not None else "")
                if line is None or item is None or not taken_back.shipped:
                    continue
                came_from = shares(sent, line.id, units(line.quantity) or 1)
                at = taken_back.location or (line.allocations[0].location if line.allocations else "")
                location = self._routes.erp_location(route.source, at)
                if came_from and not taken_back.location:
                    location = came_from[0][0]
                items.append(
                    OrderItem(
                        line.id,
                        item.external_id,
                        item.sku,
                        location,
                        units(taken_back.quantity) * in_pack,
                        in_pack,
                    ),
                )
            if not items:
                built[key] = Skip("nothing that was shipped comes back; the order's revision says the rest")
                continue
            restocked = any(line.restocked for line in refund.lines)
            built[key] = Send(
                PutRefund(
                    f"{reference}-ref-{refund_id}".lower(), external_id, refund, tuple(items), restocked
                ),
            )
        return built

    async def _sent_from(self, route: Route, order_key: str) -> tuple[Sent, ...]:
        """From where an order is sent, as far as that was decided here."""
        if self._router is None or not self._router.concerns(route):
            return ()
        decision = (await self._router.past(route.source, order_key)).decision
        return decision.sent if decision is not None else ()

    async def _without_order(self, order: Order, reference: str) -> Built:
        if order.cancelled_at_ms is not None and not await self._looked_for(order):
            return Skip("the order was cancelled before the ERP heard of it")
        if await discarded(self._store, self._system, [reference]):
            return Skip(WHY)
        return Wait("the order is not in the ERP yet")

    async def _looked_for(self, order: Order) -> bool:
        """Whether a cancelled order may be in the ERP all the same, and is still being looked for there."""
        if not self._rewind.looks_up(order.placed_at_ms):
            return False
        rows = await self._store.read(
            "deliveries_range",
            system=self._system,
            operation="put_order",
            **{"from": order.key + SEP, "to": order.key + chr(ord(SEP) + 1)},
            limit=REVISIONS_MAX,
        )
        ended = (DeliveryState.COMPLETED, DeliveryState.SUPERSEDED, DeliveryState.CANCELLED)
        return any(row[4] not in ended for row in rows)

    # --- order status -----------------------------------------------------------------------------

    async def _create_shipment(self, deliveries: dict[str, Route | None], *, now_ms: int) -> dict[str, Built]:
        built: dict[str, Built] = {}
        for key, route in deliveries.items():
            if route is None:
                built[key] = Skip("its route is not configured any more")
                continue
            order_key, shipment_key = split_key(key)
            rows = await self._store.read(
                "records_get",
                system=route.source,
                kind=Kind.SHIPMENT.value,
                keys=[shipment_key],
            )
            if not rows:
                built[key] = Skip("the ERP does not know this shipment any more")
                continue
            shipment: Shipment = decode(Kind.SHIPMENT, rows[0][4])
            told = await self._others_shipped(route, order_key, shipment)
            if told is not None:
                built[key] = told
                continue
            lines: dict[tuple[str, str], int] = {}
            for line in shipment.lines:
                at = self._routes.channel_location(route.sink, line.location)
                lines[line.sku, at] = lines.get((line.sku, at), 0) + units(line.quantity)
            if self._routes.recipes:
                order = (await self._orders(route.sink, [order_key])).get(order_key)
                if order is not None:
                    lines = self._answers.as_sold(lines, order)
            # It may be expected from elsewhere than it was sent from: its move was refused, or is not allowed.
            anywhere = self._ships_where_allocated and await self._decision(route.sink, order_key) is not None
            if anywhere and await self._moves_soon(order_key, now_ms):
                built[key] = Wait("the order is moved first to where it is sent from")
                continue
            sent = tuple((sku, at, quantity) for (sku, at), quantity in lines.items())
            built[key] = Send(CreateShipment(order_key, shipment, sent, anywhere))
        return built

    async def _decision(self, channel: str, order_key: str) -> Decision | None:
        """What was decided about an order; ``None``: nothing."""
        return (await self._router.past(channel, order_key)).decision if self._router is not None else None

    async def _moves_soon(self, order_key: str, now_ms: int) -> bool:
        """Whether an order is about to be expected from where it is sent: then its parcels wait for that.

        They do not wait for a move that stands still, be it parked or because somebody put the order on hold, nor for long.
        """
        of = {"system": self._system, "operation": "move_order", "keys": [order_key]}
        return any(
            row[2] in (*OPEN_STATES, DeliveryState.RUNNING)
            and row[6] <= now_ms + MOVES_SOON_MS
            and row[4] >= now_ms - MOVES_LATE_MS
            for row in await self._store.read("deliveries_get", **of)
        )

    async def _move_order(
        self, deliveries: dict[str, Route | None], *, late: Collection[str]
    ) -> dict[str, Built]:
        return {key: await self._moved(route, key, late=key in late) for key, route in deliveries.items()}

    async def _moved(self, route: Route | None, order_key: str, *, late: bool) -> Built:
        """An order to be expected from where it is sent, once the ERP has taken it there."""
        moves = self._router.moves(self._system) if self._router is not None and route is not None else "off"
        order = (await self._orders(self._system, [order_key])).get(order_key)
        decision = await self._decision(self._system, order_key)
        if self._router is None or route is None or moves == "off" or order is None or decision is None:
            return Skip("it is not routed any more")
        if not order.complete:
            return Wait("the order is still to be read whole")
        lines = self._router.leaves(self._system, order, decision)
        if order.cancelled_at_ms is not None or not expected_elsewhere(order, lines):
            return Skip("it is expected from there already, or not at all")
        reference = reference_of(self._system, order_key)
        at = {"system": route.source, "kind": Kind.ORDER.value, "keys": [reference]}
        held = await self._store.read("bindings_get", **at)
        if not held or not held[0][1]:
            given_up = await discarded(self._store, route.source, [reference])
            return Skip(WHY) if given_up else Wait("the order is not in the ERP yet")
        unknown = await self._numbers_unknown(route, order, lines, late=late)
        return unknown or Send(MoveOrder(order_key, lines, tolerated=moves == "tolerate"))

    async def _numbers_unknown(
        self, route: Route, order: Order, lines: Sequence[tuple[str, str, int]], *, late: bool
    ) -> Wait | None:
        """A move changes the channel's numbers: it waits until they are ours, and what they are is known.

        A number that cannot be read makes it ``late``; then it is made all the same.
        """
        for inventory in self._routes.of(Flow.INVENTORY, source=route.source, sink=self._system):
            if self._modes.stop_of(inventory.name) is not Stop.NONE:
                return Wait(
                    "nothing changes the channel's numbers while they are paused or in shadow", STOPPED_S
                )
            since_ms = self._modes.ours_since(inventory.name)
            places = {place for _, place, _ in lines}
            places |= {at.location for line in order.lines for at in line.allocations}
            skus = sorted({line.sku for line in order.lines if line.sku})
            rows = await self._store.read("bindings_of_skus", system=self._system, skus=skus)
            unread = tuple(
                key
                for key, number, _, _, confirmed_at_ms in rows
                if split_key(key)[1] in places and (number is None or confirmed_at_ms < since_ms)
            )
            if unread and not late:
                return Wait("what the channel shows there is read first", stock=unread)
        return None

    async def _others_shipped(self, route: Route, order_key: str, shipment: Shipment) -> Built | None:
        """A shipment of which the connector before may have told the channel; ``None`` for one of ours."""
        reference = reference_of(route.sink, order_key)
        was = (await self._adoption.adopted(route.source, [reference])).get(reference)
        if was is None:
            return None
        order = (await self._orders(route.sink, [order_key])).get(order_key)
        left = (
            sum(at.remaining for line in order.lines for at in line.allocations) if order is not None else 0
        )
        if was.state is State.CLOSED and not left:
            return Skip("its order was adopted with nothing left to be sent")
        if shipment.shipped_at_ms <= was.erp_ms and not shipment.tracking:
            return Refuse(
                "shipped_before",
                f"the ERP's shipment {shipment.key} left before its order was adopted and has no tracking number, so "
                "nobody can say whether the channel was told: look there, then tell it by hand or discard this",
            )
        return None


def _customer_reference(route: Route, customer: Customer) -> str:
    return customer_reference(route.source, customer.key)


def sum_fault(order: Order, tolerance: Decimal) -> str:
    """Why an order's parts do not add up to its total; "" if they do, within ``tolerance``.

    Raises nothing: an absurd order gets a sentence, so that a person can see what is wrong.
    """
    for line in order.lines:
        if line.quantity < 0:
            return f"order {order.number}, line {line.id} ({line.sku}): quantity {line.quantity} is negative"
        if line.quantity % 1:
            return (
                f"order {order.number}, line {line.id} ({line.sku}): quantity {line.quantity} is no whole number of units; "
                "sell it by a smaller unit"
            )
        if line.unit_price < 0:
            return (
                f"order {order.number}, line {line.id} ({line.sku}): unit price {line.unit_price} is negative"
            )
    goods = sum((line.unit_price * line.quantity - line.discount for line in order.lines), ZERO)
    tax = ZERO if order.taxes_included else order.tax
    expected = goods + order.shipping + order.charges + tax
    if abs(expected - order.total) > tolerance:
        charges = f" + charges {order.charges}" if order.charges else ""
        return (
            f"order {order.number}: lines {goods} + shipping {order.shipping}{charges} + tax {tax} = {expected}, "
            f"but the total says {order.total} {order.currency}; correct it in the shop, or raise "
            "rounding_tolerance of the route if this is rounding"
        )
    return ""
