"""State records on both sides: what a channel's contents should be, what it was told, and what it really shows.

The source is read whole so often anyway, and its reads are judged; what is proved here is the other side. Everything that
the channel sells is walked, in the order of our own catalog, and read again there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from syncline.engine.catalog import Catalog
from syncline.engine.codec import fingerprint
from syncline.engine.delivery.lane import Lane
from syncline.engine.derive.states import Held, StateDeriver
from syncline.engine.reconcile.differences import Cause, Chunk, Difference, Reconciliation
from syncline.engine.routes import Route
from syncline.engine.states import StateFlow
from syncline.model.change import Kind
from syncline.model.delivery import DeliveryState
from syncline.model.records import Item
from syncline.ports import Clock, Store, System, Write

ITEMS_PAGE = 100  # of which all contents are read at once


@dataclass(frozen=True, slots=True)
class ContentsSeen:
    """What was read: the contents of some items, by key; those that are not there are empty ones."""

    shown: Mapping[str, Struct]


class StateReconciliation:
    """Declares how one flow of state records is reconciled."""

    def __init__(
        self,
        flow: StateFlow,
        store: Store,
        clock: Clock,
        catalog: Catalog,
        systems: Mapping[str, System],
        contents: StateDeriver,
        lanes: Mapping[str, Lane],
        *,
        guard: Callable[[], Write],
        wake: Callable[[], None],
    ) -> None:
        """``wake`` is called when contents were marked, ``guard`` guards our writes."""
        self._flow = flow
        self._store = store
        self._clock = clock
        self._catalog = catalog
        self._systems = systems
        self._contents = contents
        self._lanes = lanes
        self._guard = guard
        self._wake = wake

    def declared(self) -> Reconciliation:
        """The declaration."""
        return Reconciliation(
            self._flow.flow, (self._walk,), self._again, self._compare, self._repair, self._possible
        )

    def _possible(self, route: Route) -> str:
        if self._flow.kind in self._systems[route.sink].rereads.contents:
            return ""
        return f"{route.sink} does not offer to read again what it shows"

    # --- reading ------------------------------------------------------------------------------------

    async def _walk(self, route: Route, after: str) -> Chunk:
        if self._flow.bound is None:
            system, kind = route.sink, Kind.ITEM
        else:
            system, kind = route.source, self._flow.kind
        rows = await self._store.read(
            "records_after", system=system, kind=kind.value, after=after, limit=ITEMS_PAGE
        )
        chunk = await self._read(route, [row[0] for row in rows])
        more = rows[-1][0] if len(rows) == ITEMS_PAGE else ""
        return Chunk(chunk.content, len(chunk.content.shown), more, chunk.costs)

    async def _again(self, route: Route, subjects: Sequence[str]) -> Chunk:
        return await self._read(route, list(dict.fromkeys(subjects)))

    async def _read(self, route: Route, skus: Sequence[str]) -> Chunk:
        items = await self._items(route, skus)
        contents = self._flow.of_sku if self._flow.bound is None else self._flow.of_record
        keys = {key: item for item in items for key in contents(route, item.sku)}
        groups = list(dict.fromkeys(self._flow.group_of(key) for key in keys))
        shown: dict[str, Struct] = {}
        costs: dict[str, float] = {}
        if keys:
            reading = self._systems[route.sink].rereads.contents[self._flow.kind]
            part = await reading(groups, items)
            there = {(row.group, row.external_id): row.content for row in part.rows}
            shown = {
                key: found
                for key, item in keys.items()
                if (
                    found := there.get(
                        (self._flow.group_of(key), item.external_id), self._flow.nothing(route, key)
                    )
                )
                is not None
            }
            costs[route.sink] = part.cost
        return Chunk(ContentsSeen(shown), 0, costs=costs)

    async def _items(self, route: Route, subjects: Sequence[str]) -> list[Item]:
        """What the channel has of some items, or of some records by their bindings."""
        if self._flow.bound is None:
            return [item for sku in subjects if (item := self._catalog.get(route.sink, sku)) is not None]
        named = await self._contents.named(route, self._flow.bound, subjects)
        return [item for item in named.values() if item.external_id]

    # --- comparing ----------------------------------------------------------------------------------

    async def _compare(self, route: Route, content: Any) -> list[Difference]:
        seen: ContentsSeen = content
        keys = list(seen.shown)
        held, wanted = await self._contents.judge(route, self._flow, keys)
        suspects: list[Difference] = []
        for key in keys:
            if (found := wanted.get(key)) is None:
                continue  # it is not sold any more
            one = self._differs(route, key, seen.shown[key], held.get(key), found.content)
            if one is not None:
                suspects.append(one)
        if not suspects:
            return []
        parked = await self._parked(route, [one.key for one in suspects])
        marked = {
            row[1]
            for row in await self._store.read(
                "state_marked",
                route=route.name,
                keys=[one.key for one in suspects],
                now_ms=self._clock.now_ms(),
            )
        }
        return [self._named(route, one, parked, marked) for one in suspects]

    def _differs(
        self, route: Route, key: str, shown: Struct, held: Held | None, wanted: Struct | None
    ) -> Difference | None:
        sku, what, contrasted = self._flow.sku_of(key), self._flow.described, self._flow.contrasted
        if held is None:
            if wanted is None:
                return None
            detail = f"{what(wanted)} was never written; the channel shows {what(shown)}"
            return Difference(key, sku, Cause.NOT_COMPUTED, detail, witness=f"none to {fingerprint(wanted)}")
        told, there = fingerprint(held.content), fingerprint(shown)
        right = wanted is not None and self._same(shown, wanted)
        if not held.hash:  # a call was refused, or nobody knows how it ended
            if wanted is None or right:
                return None
            detail = f"{contrasted(shown, wanted)} is right"
            return Difference(key, sku, Cause.IN_FLIGHT, detail, witness=f"to {fingerprint(wanted)}")
        if not self._same(shown, held.content) and not right:
            detail = f"{contrasted(shown, held.content)} was written"
            cause = Cause.CHANGED_AT_CHANNEL if route.put_back else Cause.LEFT_AT_CHANNEL
            return Difference(key, sku, cause, detail, witness=f"{told} {there}")
        if wanted is not None and not right:
            detail = f"{contrasted(shown, wanted)} is right"
            return Difference(
                key, sku, Cause.NOT_COMPUTED, detail, witness=f"{told} to {fingerprint(wanted)}"
            )
        return None

    def _same(self, shown: Struct, ours: Struct) -> bool:
        """Whether the channel shows what is ours, as far as the two can be compared."""
        return fingerprint(self._flow.seen(shown, ours)) == fingerprint(ours)

    def _named(
        self, route: Route, one: Difference, parked: Mapping[str, str], marked: set[str]
    ) -> Difference:
        """A suspicion with what is known of its write."""
        if one.key in parked:
            detail = f"{one.detail}. {parked[one.key]}"
            return Difference(one.key, one.subject, Cause.REJECTED_WRITE, detail, witness=one.witness)
        if one.cause is Cause.IN_FLIGHT:
            return one
        if one.key in marked or not self._lanes[route.sink].at_rest([one.key], self._flow.operation(one.key)):
            return Difference(one.key, one.subject, Cause.IN_FLIGHT, one.detail)
        return one

    async def _parked(self, route: Route, keys: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for operation in self._flow.operations(route):
            mine = [key for key in keys if self._flow.operation(key) == operation]
            rows = await self._store.read("deliveries_get", system=route.sink, operation=operation, keys=mine)
            found |= {row[0]: row[8] for row in rows if row[2] == DeliveryState.PARKED}
        return found

    # --- repairing ----------------------------------------------------------------------------------

    async def _repair(self, route: Route, differences: Sequence[Difference]) -> None:
        """Nobody knows any more what the channel holds of these; so they are computed and written again."""
        now_ms = self._clock.now_ms()
        keys = [one.key for one in differences if one.cause in (Cause.CHANGED_AT_CHANNEL, Cause.NOT_COMPUTED)]
        if not keys:
            return
        at = {"system": route.sink, "kind": self._flow.kind.value}
        bound = self._flow.bound
        await self._store.write(
            self._guard(),
            # What was deleted there is looked for, and made, as if it had never been there.
            *(
                [Write("binding_lost", [{**at, "kind": bound.value, "key": key} for key in gone])]
                if bound is not None and (gone := self._gone(route, differences))
                else []
            ),
            Write("content_unsure", [{**at, "key": key} for key in keys]),
            Write("state_mark", [{"route": route.name, "key": key, "changed_at_ms": now_ms} for key in keys]),
        )
        self._wake()

    def _gone(self, route: Route, differences: Sequence[Difference]) -> list[str]:
        """The subjects of those that the channel shows nothing of."""
        return [
            one.subject
            for one in differences
            if one.witness.endswith(f" {fingerprint(self._flow.nothing(route, one.key))}")
        ]
