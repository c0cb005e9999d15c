"""Orders on both sides: the channel's since a moment, and the ERP's by the references that they carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from syncline.engine.adoption import Adopted, Adoption, State
from syncline.engine.apply.retired import retired_among
from syncline.engine.codec import decode, fingerprint
from syncline.engine.delivery.build import Builder
from syncline.engine.delivery.lane import Lane
from syncline.engine.reconcile.differences import Cause, Chunk, Difference, Reconciliation
from syncline.engine.routes import SEP, Route, parse_reference, reference_of
from syncline.model.change import Cursor, Flow, Kind
from syncline.model.delivery import DeliveryState
from syncline.model.readings import Booked, Placed
from syncline.model.records import Order
from syncline.ports import Clock, Row, Store, System, Write

REVISIONS_MAX = 100  # deliveries of one order that are looked at
UNDER_WAY = frozenset(
    {DeliveryState.AVAILABLE, DeliveryState.SCHEDULED, DeliveryState.RETRYABLE, DeliveryState.RUNNING}
)


@dataclass(frozen=True, slots=True)
class OrdersSeen:
    """What was read of some orders. ``gone`` are keys that the ERP refers to and the channel does not show.

    ``adopted``: how those came to us that somebody else wrote, by reference. The ERP's order carries another reference, so
    it is read by the id that it had then.
    """

    placed: Mapping[str, Placed]
    booked: Mapping[str, Sequence[Booked]]
    gone: frozenset[str] = frozenset()
    adopted: Mapping[str, Adopted] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Ours:
    """What Syncline holds of an order: its record, its place in the ERP, and the state of its writes."""

    order: Order | None
    bound: tuple[str, int]
    states: Mapping[str, str]  # state to reason, of every revision


class OrderReconciliation:
    """Declares how orders are reconciled."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        systems: Mapping[str, System],
        lanes: Mapping[str, Lane],
        builders: Mapping[str, Builder],
        adoption: Adoption,
        *,
        guard: Callable[[], Write],
        window_ms: int,
    ) -> None:
        """``guard`` guards our writes; orders that changed within ``window_ms`` are compared."""
        self._store = store
        self._clock = clock
        self._systems = systems
        self._lanes = lanes
        self._builders = builders
        self._adoption = adoption
        self._guard = guard
        self._window_ms = window_ms

    def declared(self) -> Reconciliation:
        """The declaration."""
        return Reconciliation(
            Flow.ORDERS,
            (self._walk_channel, self._walk_erp),
            self._again,
            self._compare,
            self._repair,
            self._possible,
        )

    def _possible(self, route: Route) -> str:
        channel, erp = self._systems[route.source].rereads, self._systems[route.sink].rereads
        if channel.placed is None or channel.placed_of is None:
            return f"{route.source} does not offer to list its orders"
        if erp.booked is None or erp.booked_of is None:
            return f"{route.sink} does not offer to find orders by their reference"
        return ""

    # --- reading ------------------------------------------------------------------------------------

    def _since_ms(self) -> int:
        return self._clock.now_ms() - self._window_ms

    async def _walk_channel(self, route: Route, after: str) -> Chunk:
        placed = self._systems[route.source].rereads.placed
        assert placed is not None
        part = await placed(self._since_ms(), await self._cursor(route.source), after)
        costs = {route.source: part.cost}
        found = {row.key: row for row in part.rows}
        adopted = await self._adopted(route, list(found))
        booked = await self._booked(route, list(found.values()), adopted, costs)
        return Chunk(OrdersSeen(found, booked, adopted=adopted), len(found), part.after, costs)

    async def _walk_erp(self, route: Route, after: str) -> Chunk:
        rereads = self._systems[route.sink].rereads
        assert rereads.booked is not None
        part = await rereads.booked(route.source, self._since_ms(), after)
        costs = {route.sink: part.cost}
        keys = [key for row in part.rows if (key := self._key(route, row.reference))]
        placed = await self._placed(route, list(dict.fromkeys(keys)), costs)
        booked: dict[str, list[Booked]] = {}
        for row in part.rows:
            booked.setdefault(row.reference, []).append(row)
        gone = frozenset(keys) - placed.keys()
        # What the channel shows was compared on the way through its own orders.
        return Chunk(OrdersSeen({}, booked, gone), len(part.rows), part.after, costs)

    async def _again(self, route: Route, subjects: Sequence[str]) -> Chunk:
        costs: dict[str, float] = {}
        placed = await self._placed(route, subjects, costs)
        references = {key: reference_of(route.source, key) for key in subjects}
        adopted = await self._adopted(route, subjects)
        booked = await self._booked(route, list(placed.values()), adopted, costs, list(references.values()))
        gone = frozenset(
            key for key, reference in references.items() if key not in placed and reference in booked
        )
        return Chunk(OrdersSeen(placed, booked, gone, adopted), 0, costs=costs)

    async def _cursor(self, channel: str) -> Cursor | None:
        """Where the channel's stream of orders stands: what it leaves out is not ours."""
        streams = self._systems[channel].source.streams
        name = next((one.name for one in streams if Flow.ORDERS in one.flows and not one.snapshot), "")
        rows = await self._store.read("cursor_get", system=channel, stream=name)
        return Cursor(channel, name, rows[0][0], rows[0][1]) if rows else None

    def _key(self, route: Route, reference: str) -> str:
        parsed = parse_reference(reference, list(self._systems))
        return parsed[1] if parsed is not None and parsed[0] == route.source else ""

    async def _placed(self, route: Route, keys: Sequence[str], costs: dict[str, float]) -> dict[str, Placed]:
        placed_of = self._systems[route.source].rereads.placed_of
        assert placed_of is not None
        if not keys:
            return {}
        part = await placed_of(keys)
        costs[route.source] = costs.get(route.source, 0.0) + part.cost
        return {row.key: row for row in part.rows}

    async def _adopted(self, route: Route, keys: Sequence[str]) -> dict[str, Adopted]:
        """Which of some orders others had written or left, by reference; those that are ours to export are as any other."""
        references = [reference_of(route.source, key) for key in keys]
        adopted = await self._adoption.adopted(route.sink, references)
        return {reference: was for reference, was in adopted.items() if was.state is not State.EXPORT}

    async def _booked(
        self,
        route: Route,
        placed: Sequence[Placed],
        adopted: Mapping[str, Adopted],
        costs: dict[str, float],
        references: Sequence[str] = (),
    ) -> dict[str, list[Booked]]:
        rereads = self._systems[route.sink].rereads
        assert rereads.booked_of is not None
        numbers = dict.fromkeys(references, "")
        numbers |= {reference_of(route.source, row.key): row.number for row in placed}
        if not numbers:
            return {}
        parts = [await rereads.booked_of(numbers)]
        ids = {was.external_id: reference for reference, was in adopted.items() if was.external_id}
        if ids and rereads.booked_as is not None:
            parts.append(await rereads.booked_as(ids))
        found: dict[str, list[Booked]] = {}
        for part in parts:
            costs[route.sink] = costs.get(route.sink, 0.0) + part.cost
            for row in part.rows:
                found.setdefault(row.reference, []).append(row)
        return found

    # --- comparing ----------------------------------------------------------------------------------

    async def _compare(self, route: Route, content: Any) -> list[Difference]:
        seen: OrdersSeen = content
        keys = [*seen.placed, *seen.gone]
        rows = await self._store.read("records_get", system=route.source, kind=Kind.ORDER.value, keys=keys)
        known: dict[str, Order] = {row[0]: decode(Kind.ORDER, row[4]) for row in rows}
        references = {reference_of(route.source, key): key for key in keys}
        bound_rows = await self._store.read(
            "bindings_get", system=route.sink, kind=Kind.ORDER.value, keys=list(references)
        )
        bound = {references[row[0]]: (row[1], row[2]) for row in bound_rows}
        past = await retired_among(self._store, list(references))
        found: list[Difference] = []
        for key, placed in seen.placed.items():
            reference = reference_of(route.source, key)
            if reference in past:
                continue  # it was finished long ago: what changed since waits for a person
            booked, order = seen.booked.get(reference, ()), known.get(key)
            if not self._compared(route, placed, booked, order, seen.adopted.get(reference)):
                continue
            one = self._differs(route, placed, booked, order, bound.get(key, ("", 0)))
            if one is not None:
                ours = await self._ours(route, key, order, bound.get(key, ("", 0)))
                named = self._named(route, one, ours)
                if named is not None:
                    found.append(named)
        since_ms = self._since_ms()
        for key in seen.gone:
            order = known.get(key)
            if reference_of(route.source, key) in past or (
                order is not None and order.placed_at_ms < since_ms
            ):
                continue  # the channel shows old orders to nobody
            booked = seen.booked[reference_of(route.source, key)]
            if any(not row.units or any(row.units.values()) for row in booked):
                ids = ", ".join(row.called for row in booked)
                detail = (
                    f"{route.sink} has {booked[0].reference} as {ids}; {route.source} shows no order {key}"
                )
                found.append(Difference(key, key, Cause.UNKNOWN_TO_SHOP, detail, witness=ids))
        return found

    def _compared(
        self,
        route: Route,
        placed: Placed,
        booked: Sequence[Booked],
        order: Order | None,
        was: Adopted | None,
    ) -> bool:
        """Whether an order of before is to be as any other. What was over, or left alone, when it was taken over is not."""
        if was is None:
            # Nobody has it, and it was not ours: it waits for a person, or was done with.
            early = placed.placed_at_ms < self._adoption.start_ms(route.source)
            return order is not None or bool(booked) or not early
        if placed.updated_at_ms > (was.at_ms if order is None else order.updated_at_ms):
            return True  # nobody told of what changed since
        if order is None or was.state is not State.OPEN:
            return False
        return bool(booked) or self._systems[route.sink].rereads.booked_as is not None

    def _differs(
        self,
        route: Route,
        placed: Placed,
        booked: Sequence[Booked],
        order: Order | None,
        bound: tuple[str, int],
    ) -> Difference | None:
        """What the two sides, and what was known of them, disagree about; nothing is known of writes yet."""
        key = placed.key
        if len({row.external_id for row in booked}) > 1:
            ids = ", ".join(sorted({row.called for row in booked}))
            detail = f"{route.sink} has order {placed.number} more than once: {ids}"
            return Difference(key, key, Cause.DUPLICATE, detail, witness=ids)
        if order is None and not any(row.carries for row in booked):
            if placed.cancelled:
                return None
            detail = f"order {placed.number} was never captured, and {route.sink} has none with its reference"
            if booked:
                detail += f", but {booked[0].called} names its number"
            return Difference(key, key, Cause.MISSING_IN_ERP, detail, asks=bool(booked))
        if order is None or _newer(placed, order):
            detail = f"order {placed.number} changed in {route.source}, and nobody told"
            witness = "" if order is None else str(order.updated_at_ms)
            return Difference(key, key, Cause.MISSED_EVENT, detail, witness=witness)
        if not order.complete:
            return Difference(key, key, Cause.IN_FLIGHT, f"order {placed.number} is still to be read whole")
        witness = f"{order.updated_at_ms} {bound[1]}"
        carrying = [row for row in booked if row.carries]
        if not carrying:
            if placed.cancelled or (order.waits and not bound[0]):
                return None
            detail = f"order {placed.number}: {route.sink} has none with its reference"
            if booked:
                detail += f", but {booked[0].called} names its number"
            if bound[0]:
                detail += f"; it was there as {bound[0]}, so somebody deleted it or took the reference off"
            return Difference(
                key, key, Cause.MISSING_IN_ERP, detail, witness=witness, asks=bool(bound[0] or booked)
            )
        return self._contents(route, placed, carrying[0], order, witness)

    def _contents(
        self, route: Route, placed: Placed, booked: Booked, order: Order, witness: str
    ) -> Difference | None:
        key = placed.key
        wanted: dict[str, Decimal] = {}
        if order.cancelled_at_ms is None:
            items, _ = self._builders[route.sink].order_items(route, order)
            for item in items:
                wanted[item.sku] = wanted.get(item.sku, Decimal(0)) + item.quantity
        there = {sku: units for sku, units in booked.units.items() if units}
        wanted = {sku: units for sku, units in wanted.items() if units}
        if there != wanted:
            odd = sorted(sku for sku in {*there, *wanted} if there.get(sku) != wanted.get(sku))
            units = sum(abs(there.get(sku, Decimal(0)) - wanted.get(sku, Decimal(0))) for sku in odd)
            told = ", ".join(
                f"{sku}: {there.get(sku, Decimal(0)).normalize():f} instead of {wanted.get(sku, Decimal(0)):f}"
                for sku in odd[:5]
            )
            detail = f"order {placed.number}, {route.sink} {booked.called}: {told}"
            witness = f"{witness} {fingerprint(sorted(there.items()))}"
            return Difference(key, key, Cause.WRONG_LINES, detail, max(1, int(units)), witness)
        by = booked.total - order.total
        if not by or not wanted:
            return None
        detail = (
            f"order {placed.number}, {route.sink} {booked.called}: {booked.total:f} instead of "
            f"{order.total:f} {order.currency}"
        )
        cause = Cause.ROUNDING if abs(by) <= route.rounding_tolerance else Cause.WRONG_TOTAL
        return Difference(key, key, cause, detail, witness=f"{witness} {by:f}")

    async def _ours(self, route: Route, key: str, order: Order | None, bound: tuple[str, int]) -> _Ours:
        rows: list[Row] = await self._store.read(
            "deliveries_range",
            system=route.sink,
            operation="put_order",
            **{"from": f"{key}{SEP}", "to": f"{key}{chr(ord(SEP) + 1)}"},
            limit=REVISIONS_MAX,
        )
        return _Ours(order, bound, {row[4]: row[10] for row in rows})

    def _named(self, route: Route, one: Difference, ours: _Ours) -> Difference | None:
        """A suspicion with what is known of the order's writes; ``None`` where a person has decided already."""
        if one.cause in (Cause.DUPLICATE, Cause.IN_FLIGHT, Cause.ROUNDING):
            return one
        reading = self._lanes[route.source].reading()
        if (
            UNDER_WAY & ours.states.keys()
            or one.key in reading
            or self._lanes[route.sink].works_on(one.key) is not None
        ):
            return Difference(one.key, one.subject, Cause.IN_FLIGHT, one.detail, one.units)
        if one.cause is Cause.MISSED_EVENT:
            return one
        if DeliveryState.PARKED in ours.states:
            detail = f"{one.detail}. {ours.states[DeliveryState.PARKED]}"
            return Difference(one.key, one.subject, Cause.REJECTED_WRITE, detail, one.units, one.witness)
        if one.cause is Cause.MISSING_IN_ERP and DeliveryState.CANCELLED in ours.states:
            return None
        return one

    # --- repairing ----------------------------------------------------------------------------------

    async def _repair(self, route: Route, differences: Sequence[Difference]) -> None:
        """Orders are read again at their channel; one that is known whole and was never sent is made due.

        What follows is the ordinary way: an order that the ERP has is adopted, and a second one never created.
        """
        now_ms = self._clock.now_ms()
        keys = [one.key for one in differences if one.cause in (Cause.MISSING_IN_ERP, Cause.MISSED_EVENT)]
        rows = await self._store.read("records_get", system=route.source, kind=Kind.ORDER.value, keys=keys)
        known: dict[str, tuple[int, Order]] = {row[0]: (row[1], decode(Kind.ORDER, row[4])) for row in rows}
        reads = [
            {
                "system": route.source,
                "operation": "read_order",
                "key": key,
                "route": "",
                "wanted": 1,
                "rev": 0,
                "changed_at_ms": now_ms,
                "deliver_by_ms": now_ms + route.tolerance_ms,
                "not_before_ms": now_ms,
                "now_ms": now_ms,
            }
            for key in keys
            if "read_order" in self._systems[route.source].sink.operations
        ]
        missing = [one.key for one in differences if one.cause is Cause.MISSING_IN_ERP]
        at = {"system": route.sink, "operation": "put_order"}
        facts = [
            {
                **at,
                "key": f"{key}{SEP}{known[key][0]}",
                "route": route.name,
                "changed_at_ms": now_ms,
                "deliver_by_ms": now_ms + route.tolerance_ms,
                "not_before_ms": now_ms,
                "now_ms": now_ms,
            }
            for key in missing
            if key in known and known[key][1].complete
        ]
        again = [{**at, "key": fact["key"], "now_ms": now_ms} for fact in facts]
        # A binding to what is not there any more would have the order skipped as known.
        lost = [
            {"system": route.sink, "kind": Kind.ORDER.value, "key": reference_of(route.source, key)}
            for key in missing
        ]
        results = await self._store.write(
            self._guard(),
            Write("binding_lost", lost),
            Write("delivery_touch", reads),
            Write("delivery_fact", facts),
            Write("delivery_release", again),
        )
        for row in [row for rows in results[2:] for row in rows]:
            self._lanes[row[0]].offer(row)


def _newer(placed: Placed, order: Order) -> bool:
    """Whether the channel's order is not the one that is known."""
    return (
        placed.updated_at_ms > order.updated_at_ms
        or placed.cancelled != (order.cancelled_at_ms is not None)
        or (order.complete and placed.total != order.total)
    )
