"""Stock on both sides: what the ERP has, what Syncline makes of it, and what the channel really shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from syncline.engine.catalog import Catalog
from syncline.engine.codec import stock_fingerprint
from syncline.engine.delivery.lane import Lane
from syncline.engine.derive.stock import Computed, StockDeriver, Target
from syncline.engine.reconcile.differences import Cause, Chunk, Difference, Reconciliation
from syncline.engine.routes import SEP, Route, Routes, split_key, stock_key
from syncline.inventory.availability import offered
from syncline.model.capabilities import StockBasis
from syncline.model.change import Event, Flow, Kind, LoggedEvent
from syncline.model.delivery import DeliveryState
from syncline.model.errors import Rejected
from syncline.model.readings import Shown
from syncline.model.records import StockLevel
from syncline.ports import Clock, Part, Row, Store, System, Write

REPAIR_MAX = 100  # SKUs whose figures are read at once to be captured again


@dataclass(frozen=True, slots=True)
class StockSeen:
    """What was read. ``doubles`` are variants whose SKU certainly belongs to another one as well."""

    shown: Sequence[Shown]
    levels: Mapping[tuple[str, str], StockLevel]
    doubles: frozenset[str] = frozenset()


class StockReconciliation:
    """Declares how stock is reconciled."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        catalog: Catalog,
        routes: Routes,
        systems: Mapping[str, System],
        deriver: StockDeriver,
        lanes: Mapping[str, Lane],
        *,
        captured: Callable[[], None],
        guard: Callable[[], Write],
        items_read_ms: Callable[[str], int],
    ) -> None:
        """``captured`` is called when events were appended, ``guard`` guards our writes.

        ``items_read_ms`` is when a system's items were last read whole.
        """
        self._store = store
        self._clock = clock
        self._catalog = catalog
        self._routes = routes
        self._systems = systems
        self._deriver = deriver
        self._lanes = lanes
        self._captured = captured
        self._guard = guard
        self._items_read_ms = items_read_ms

    def declared(self) -> Reconciliation:
        """The declaration."""
        return Reconciliation(
            Flow.INVENTORY, (self._walk,), self._again, self._compare, self._repair, self._possible
        )

    def _possible(self, route: Route) -> str:
        channel, erp = self._systems[route.sink], self._systems[route.source]
        if channel.rereads.shown is None or channel.rereads.shown_of is None:
            return f"{route.sink} does not offer to list what it shows"
        if erp.rereads.levels_of is None:
            return f"{route.source} does not offer to read figures of some SKUs"
        return ""

    # --- reading ------------------------------------------------------------------------------------

    async def _walk(self, route: Route, after: str) -> Chunk:
        rereads = self._systems[route.sink].rereads
        assert rereads.shown is not None
        assert rereads.shown_of is not None
        places = list(route.locations.values())
        part = await rereads.shown(places, after)
        costs = {route.sink: part.cost}
        suspected = [
            item
            for row in part.rows
            if (item := self._catalog.get(route.sink, row.sku)) is not None
            and row.external_id not in ("", item.external_id)
        ]
        doubles: frozenset[str] = frozenset()
        if suspected:  # the one that counts may be gone, and this one be its successor
            others = await rereads.shown_of(suspected, places)
            costs[route.sink] += others.cost
            there = {row.sku for row in others.rows}
            doubles = frozenset(
                row.external_id
                for row in part.rows
                if row.sku in there and row.sku in {item.sku for item in suspected}
            ) - {row.external_id for row in others.rows}
        levels = await self._levels(route, [row.sku for row in part.rows if row.sku], costs)
        rows = len(part.rows) * len(places)
        return Chunk(StockSeen(part.rows, levels, doubles), rows, part.after, costs)

    async def _again(self, route: Route, subjects: Sequence[str]) -> Chunk:
        rereads = self._systems[route.sink].rereads
        assert rereads.shown_of is not None
        items = [item for sku in subjects if (item := self._catalog.get(route.sink, sku)) is not None]
        part: Part[Shown] = Part((), self._clock.now_ms())
        if items:
            part = await rereads.shown_of(items, list(route.locations.values()))
        costs = {route.sink: part.cost}
        levels = await self._levels(route, [row.sku for row in part.rows], costs)
        return Chunk(StockSeen(part.rows, levels), 0, costs=costs)

    async def _levels(
        self, route: Route, skus: Sequence[str], costs: dict[str, float]
    ) -> dict[tuple[str, str], StockLevel]:
        events = await self._events(route, skus, costs)
        source = self._systems[route.source].source
        found: dict[tuple[str, str], StockLevel] = {}
        for event in events:
            try:
                changes = source.decode(LoggedEvent(0, self._clock.now_ms(), event))
            except Rejected:  # one figure that makes no sense; the ordinary read parks it
                continue
            for change in changes:
                if isinstance(change.value, StockLevel):
                    found[change.value.sku, change.value.location] = change.value
        return found

    async def _events(self, route: Route, skus: Sequence[str], costs: dict[str, float]) -> tuple[Event, ...]:
        levels_of = self._systems[route.source].rereads.levels_of
        assert levels_of is not None
        bases = self._routes.recipes.bases(dict.fromkeys(skus))
        items = [item for sku in bases if (item := self._catalog.get(route.source, sku)) is not None]
        if not items:
            return ()
        part = await levels_of(items, list(route.locations))
        costs[route.source] = costs.get(route.source, 0.0) + part.cost
        return part.rows

    # --- comparing ----------------------------------------------------------------------------------

    async def _compare(self, route: Route, content: Any) -> list[Difference]:
        seen: StockSeen = content
        found: list[Difference] = []
        plain: list[Shown] = []
        for row in seen.shown:
            one = self._unmatched(route, row, seen.doubles)
            if one is None:
                plain.append(row)
            elif one.key:
                found.append(one)
        found = await self._if_read_since(route, found)
        skus = [row.sku for row in plain]
        computed = await self._deriver.compute(route, skus)
        marked = {row[0] for row in await self._store.read("dirty_of", skus=self._related(skus))}
        targets = {target.key: target for target in computed.targets}
        suspects = [
            one
            for row in plain
            for erp_at, at in route.locations.items()
            if (one := self._at(route, row, erp_at, targets.get(stock_key(row.sku, at)), seen, computed))
        ]
        parked = await self._parked(route, [one.key for one in suspects])
        for one in suspects:
            found.append(self._named(route, one, parked, marked))
        return found

    async def _if_read_since(self, route: Route, found: list[Difference]) -> list[Difference]:
        """Nobody knows yet whether the ERP has an item for a variant that was made after its items were read."""
        skus = [one.subject for one in found if one.cause is Cause.UNMAPPED and one.subject]
        if not skus:
            return found
        rows = await self._store.read("records_get", system=route.sink, kind=Kind.ITEM.value, keys=skus)
        read_ms = self._items_read_ms(route.source)
        young = {row[0] for row in rows if row[6] >= read_ms}
        return [
            Difference(one.key, one.subject, Cause.IN_FLIGHT, one.detail)
            if one.cause is Cause.UNMAPPED and one.subject in young
            else one
            for one in found
        ]

    def _related(self, skus: Sequence[str]) -> list[str]:
        return list(dict.fromkeys(other for sku in skus for other in self._routes.recipes.related(sku)))

    def _unmatched(self, route: Route, row: Shown, doubles: frozenset[str]) -> Difference | None:
        """Why a variant takes no part in the comparison of numbers; ``None`` if it does, no key if it is no matter."""
        nothing = Difference("", "", Cause.UNMAPPED, "")
        numbers = sum(number or 0 for number in row.numbers.values())
        if not row.sku:
            if not row.counted or not numbers:
                return nothing
            detail = f"variant {row.external_id} has no SKU and shows {numbers}"
            return Difference(f"{SEP}{row.external_id}", "", Cause.UNMAPPED, detail, certain=True)
        item = self._catalog.get(route.sink, row.sku)
        if item is None:  # new since the items were read last: every hour
            return Difference(row.sku, row.sku, Cause.IN_FLIGHT, "the variant was not read as an item yet")
        if row.external_id in doubles:
            detail = f"variants {item.external_id} and {row.external_id} have the SKU {row.sku}; the first one is kept"
            return Difference(
                f"{row.sku}{SEP}#{row.external_id}", row.sku, Cause.DUPLICATE, detail, certain=True
            )
        if row.external_id not in ("", item.external_id):
            return Difference(
                row.sku, row.sku, Cause.IN_FLIGHT, "another variant has this SKU since a moment"
            )
        unknown = [
            part
            for part in self._routes.recipes.parts(row.sku)
            if self._catalog.get(route.source, part) is None
        ]
        if unknown:
            if not row.counted:
                return nothing
            detail = f"{route.source} has no item {', '.join(unknown)}; the channel shows {numbers}"
            return Difference(row.sku, row.sku, Cause.UNMAPPED, detail, certain=True)
        return None

    def _at(
        self,
        route: Route,
        row: Shown,
        erp_at: str,
        target: Target | None,
        seen: StockSeen,
        computed: Computed,
    ) -> Difference | None:
        """What differs of one SKU at one location, as far as figures tell."""
        at = route.locations[erp_at]
        key, number = stock_key(row.sku, at), row.numbers.get(at)
        basis = self._systems[route.source].capabilities.stock_read_basis
        rev = -1 if target is None else target.rev
        fraction = ""
        for part in self._routes.recipes.parts(row.sku):
            fresh, known = seen.levels.get((part, erp_at)), computed.levels.get(part, {}).get(erp_at)
            if fresh is None:
                continue
            if known is None or (
                fresh.erp_stamp_ms > known.erp_stamp_ms
                and stock_fingerprint(fresh) != stock_fingerprint(known)
            ):
                was = "nothing" if known is None else str(offered(known, basis))
                by = abs(offered(fresh, basis) - (0 if known is None else offered(known, basis)))
                witness = "" if known is None else str(known.erp_stamp_ms)
                detail = f"{route.source} has {offered(fresh, basis)} of {part} at {erp_at}, {was} was known"
                return Difference(key, row.sku, Cause.MISSED_EVENT, detail, max(1, by), f"erp {witness}")
            stated = _stated(fresh, basis)
            if stated != offered(fresh, basis):
                fraction = f"{route.source} has {stated.normalize():f} of {part} at {erp_at}: fractions are rounded down"
        if target is None:
            if number:
                detail = f"{route.source} has no figure of it at {erp_at}; the channel shows {number} at {at}"
                return Difference(key, row.sku, Cause.UNMAPPED, detail, number)
            return None
        if number is None:
            if target.quantity > 0 and row.counted:
                detail = f"{target.quantity} are to be shown at {at}, where the channel does not stock it"
                return Difference(key, row.sku, Cause.UNMAPPED, detail, target.quantity)
            return None
        by = abs(number - target.quantity)
        if target.held is None:
            return Difference(key, row.sku, Cause.IN_FLIGHT, "what the channel holds is being read")
        if target.undecided or target.unplaced:
            if number == target.held:
                return None  # nobody can know yet which of the two is right
            return Difference(key, row.sku, Cause.IN_FLIGHT, "an order that takes from it is under way")
        if number != target.held:
            detail = (
                f"the channel shows {number} at {at}, {target.held} was known; {target.quantity} is right"
            )
            return Difference(
                key, row.sku, Cause.CHANGED_AT_CHANNEL, detail, abs(number - target.held), f"rev {rev}"
            )
        if by:
            detail = f"the channel shows {number} at {at}, {target.quantity} is right"
            return Difference(key, row.sku, Cause.NOT_COMPUTED, detail, by, f"rev {rev} to {target.quantity}")
        if fraction:
            return Difference(key, row.sku, Cause.ROUNDING, fraction, certain=True)
        return None

    def _named(
        self, route: Route, one: Difference, parked: Mapping[str, str], marked: set[str]
    ) -> Difference:
        """A suspicion with what is known of its write."""
        if one.cause in (Cause.ROUNDING, Cause.IN_FLIGHT, Cause.UNMAPPED):
            return one
        if one.key in parked and one.cause is not Cause.MISSED_EVENT:
            detail = f"{one.detail}. {parked[one.key]}"
            return Difference(one.key, one.subject, Cause.REJECTED_WRITE, detail, one.units, one.witness)
        waits = bool(marked & set(self._routes.recipes.related(one.subject)))
        if waits or not self._lanes[route.sink].at_rest([one.key]):
            return Difference(one.key, one.subject, Cause.IN_FLIGHT, one.detail, one.units)
        return one

    async def _parked(self, route: Route, keys: Sequence[str]) -> dict[str, str]:
        if not keys:
            return {}
        rows: list[Row] = await self._store.read(
            "deliveries_get", system=route.sink, operation="set_stock", keys=list(dict.fromkeys(keys))
        )
        return {row[0]: row[8] for row in rows if row[2] == DeliveryState.PARKED}

    # --- repairing ----------------------------------------------------------------------------------

    async def _repair(self, route: Route, differences: Sequence[Difference]) -> None:
        """Missed figures are captured again; numbers are read, and written again by comparison with what was read."""
        missed = [one.subject for one in differences if one.cause is Cause.MISSED_EVENT]
        skus = list(dict.fromkeys(missed))
        for start in range(0, len(skus), REPAIR_MAX):
            events = await self._events(route, skus[start : start + REPAIR_MAX], {})
            await self._store.append(events, received_at_ms=self._clock.now_ms())
            self._captured()
        now_ms = self._clock.now_ms()
        reads = [
            {
                "system": route.sink,
                "operation": "read_stock",
                "key": one.key,
                "route": route.name,
                "changed_at_ms": now_ms,
                "deliver_by_ms": now_ms + route.tolerance_ms,
                "not_before_ms": now_ms,
                "now_ms": now_ms,
                "wanted": 1,
                "rev": 0,
            }
            for one in differences
            if one.cause in (Cause.CHANGED_AT_CHANNEL, Cause.NOT_COMPUTED) and split_key(one.key)[1]
        ]
        if reads:
            _, touched = await self._store.write(self._guard(), Write("delivery_touch", reads))
            for row in touched:
                self._lanes[route.sink].offer(row)


def _stated(level: StockLevel, basis: StockBasis) -> Decimal:
    """What a figure states for sale, before it is rounded."""
    return level.on_hand - level.committed if basis is StockBasis.ON_HAND else level.available
