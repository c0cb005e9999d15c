"""A full read is judged when it has ended: what it takes away as a whole, and what it no longer contains.

What a source lists no more is neither taken for nothing nor believed for ever: its last figure goes on
counting (unless the route says ``vanished = "hold"``), its age grows, and a person is told once: of a location
that is missing whole, of single rows, of items. Whoever knows that nothing is there says so. A record that
is told of again is as before.

Nothing here keeps more than a page in memory, and each step may be done again: a read is judged until its
tally says that it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from syncline.engine.apply.applier import Applier
from syncline.engine.apply.doubt import SOME_MAX, some
from syncline.engine.apply.guards import cut, share_of, too_many
from syncline.engine.catalog import Catalog
from syncline.engine.codec import decode
from syncline.engine.derive.dirty import mark
from syncline.engine.routes import Routes, split_key
from syncline.engine.words import plural
from syncline.inventory.availability import offered
from syncline.model.change import Flow, Kind
from syncline.model.copying import replace
from syncline.ports import Clock, Row, Store, System, Write

LOOK_ROWS = 10_000  # figures that one look goes over; it returns a row for each location
PAGE_ROWS = 1_000  # figures that one transaction marks
PLACES_MAX = 1_000  # findings of vanished locations that are looked after
STOCK = "stock"  # the keys of the findings that are no location's
ITEMS = "items"
BY = "syncline"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Place:
    """A location: how many figures it has, how many the read told, and how many are known to be missing."""

    rows: int = 0
    told: int = 0
    known: int = 0

    @property
    def absent(self) -> int:
        """Figures that this read is the first to leave out."""
        return max(0, self.rows - self.told - self.known)


class FullReads:
    """Judges the full reads of the systems that stock comes from."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        systems: Mapping[str, System],
        routes: Routes,
        catalog: Catalog,
        applier: Applier,
    ) -> None:
        self._store = store
        self._clock = clock
        self._systems = systems
        self._routes = routes
        self._catalog = catalog
        self._applier = applier
        self._tallies = applier.tallies

    def concerns(self, system: str) -> bool:
        """Whether a system's full reads are judged."""
        return bool(self._routes.of(Flow.INVENTORY, source=system))

    async def judge(self, system: str) -> None:
        """Judge the last full reads of a system that have ended; nothing if they are judged.

        No other full read of the system may be under way. What was read is applied before this looks.
        """
        if self.concerns(system):
            await self._judge_stock(system)
            await self._judge_items(system)

    # --- stock ------------------------------------------------------------------------------------

    async def _judge_stock(self, system: str) -> None:
        began_ms = await self._ended(system, Flow.INVENTORY)
        if began_ms <= (await self._tallies.of(system)).judged_ms:
            return
        await self._all_applied()
        tally = await self._tallies.of(system)
        places = await self._places(system, began_ms) if tally.judged_ms else {}
        lost = {location for location, place in places.items() if not place.told}
        if len(lost) == len(places):
            lost = set()  # nothing was told at all, which says nothing about a location
        rest = sum(place.absent for location, place in places.items() if location not in lost)
        missing, names = await self._missing(system, began_ms, lost) if rest else (0, "")
        share = share_of(self._routes, system)
        cuts, skus = tally.cuts + missing, tally.skus + missing
        asked = tally.accepted(self._clock.now_ms())
        believed = False
        if asked and began_ms < tally.accepted_ms:
            pass  # a person wants the next one believed; this one had begun before
        elif share < 1 and not asked and too_many(cuts, skus, share):
            await self._doubt(system, tally.cuts, missing, names, skus)
        else:
            await self._believe(system, began_ms, places, lost)
            tally = replace(tally, accepted_ms=0)
            believed = True
        # Those that are still there were not believed.
        await self._applier.take_doubted(system, self._clock.now_ms() + 1)
        async with self._tallies.lock:
            judged = replace(
                await self._tallies.of(system),
                judged_ms=began_ms, skus=0, cuts=0, held=0, accepted_ms=tally.accepted_ms,
            )  # fmt: skip
            await self._applier.keep(self._tallies.put(system, judged))
        if believed:
            self._tell(system, Flow.INVENTORY, began_ms)

    def _tell(self, system: str, flow: Flow, began_ms: int) -> None:
        """Tell the source that a full read was believed. Untold, it only repeats more than it would have to."""
        tell = self._systems[system].believed
        if tell is not None:
            for stream in self._streams(system, flow):
                tell(stream, began_ms)

    async def _doubt(self, system: str, cuts: int, missing: int, names: str, skus: int) -> None:
        parts = []
        if cuts:
            parts.append(f"{cuts} would be emptied or lose more than half")
        if missing:
            parts.append(f"{missing} would because they are missing from it, among them {names}")
        detail = (
            f"Of {skus} SKUs with stock, a full read that has ended says: {'; '.join(parts)}. What it cuts or leaves "
            "out stays as it was; all other changes go on"
        )
        row = {
            "system": system, "operation": "snapshot", "key": STOCK, "reason": "snapshot_cut", "detail": detail,
            "payload": "", "now_ms": self._clock.now_ms(),
        }  # fmt: skip
        log.warning("a full read is doubted", action="full_read_doubted", system=system, detail=detail)
        async with self._tallies.lock:
            await self._applier.keep(Write("parked_put", [row]))

    async def _believe(self, system: str, began_ms: int, places: Mapping[str, Place], lost: set[str]) -> None:
        """Take what was doubted, name what is missing, and end the findings that are over."""
        await self._applier.take_doubted(system, began_ms)
        found = []
        for location in sorted(lost):
            if places[location].absent:
                count = plural(places[location].rows, "figure")
                detail = f"The last full read has none of the {count} of location {location}. {self._policy(system)}"
                found.append(("vanished_location", location, "location_vanished", detail))
        rest = sum(place.absent + place.known for location, place in places.items() if location not in lost)
        new = any(place.absent for location, place in places.items() if location not in lost)
        if new:
            keys = await self._some_absent(system, Kind.STOCK, began_ms, lost)
            detail = (
                f"The last full read lacks {plural(rest, 'figure')}, such as {keys}. {self._policy(system)}"
            )
            found.append(("vanished_rows", STOCK, "sku_vanished", detail))
        await self._name(system, found)
        if found:
            await self._mark(system, Kind.STOCK, began_ms)
        over = [("snapshot", STOCK)]
        if places:
            over += [
                (operation, key)
                for of, operation, key, _ in await self._store.read(
                    "parked_with_reason", reason="location_vanished", limit=PLACES_MAX
                )
                if of == system and (key not in places or places[key].told)
            ]
            if not rest:
                over.append(("vanished_rows", STOCK))
        await self._resolve(system, over)

    def _policy(self, system: str) -> str:
        if self._routes.holds_vanished(system):
            return "They count as nothing until they are told again"
        return "What they said last goes on counting, unconfirmed"

    async def _places(self, system: str, began_ms: int) -> dict[str, Place]:
        """Every location that a system has a figure for."""
        places: dict[str, Place] = {}
        after = ""
        while rows := await self._store.read(
            "read_places", system=system, began_ms=began_ms, after=after, limit=LOOK_ROWS
        ):
            for location, count, told, known, last in rows:
                place = places.setdefault(location, Place())
                place.rows += count
                place.told += told
                place.known += known
                after = last
            await self._clock.sleep(0)
        return places

    async def _missing(self, system: str, began_ms: int, lost: set[str]) -> tuple[int, str]:
        """How many SKUs lose more than half of their stock because rows of them were left out, and some of them.

        Rows of a location that is missing whole count neither way: that is another finding.
        """
        basis = self._systems[system].capabilities.stock_read_basis
        missing, after = 0, ""
        names: list[str] = []
        while rows := await self._absent(system, Kind.STOCK, began_ms, after):
            whole = rows
            if len(rows) == PAGE_ROWS:  # the last SKU may have more of them on the next page
                last = split_key(rows[-1][0])[0]
                whole = [row for row in rows if split_key(row[0])[0] != last] or rows
            after = whole[-1][0]
            absent = {key for key, _ in whole}
            skus = list(dict.fromkeys(split_key(key)[0] for key in absent))
            had: dict[str, int] = {}
            left: dict[str, int] = {}
            for key, body, _, _, vanished_ms, _ in await self._store.read(
                "stock_of_skus", system=system, skus=skus
            ):
                sku, location = split_key(key)
                if location not in lost and not vanished_ms:
                    units = max(0, offered(decode(Kind.STOCK, body), basis))
                    had[sku] = had.get(sku, 0) + units
                    left[sku] = left.get(sku, 0) + (0 if key in absent else units)
            cuts = [sku for sku in had if cut(had[sku], left[sku])]
            missing += len(cuts)
            names += cuts[: SOME_MAX - len(names)]
            await self._clock.sleep(0)
        return missing, some(names)

    async def believe_gone(self, system: str, operation: str, key: str) -> int:
        """A person says that nothing is there of what vanished with a finding; returns how many figures that are."""
        lost = {
            location
            for of, _, location, _ in await self._store.read(
                "parked_with_reason", reason="location_vanished", limit=PLACES_MAX
            )
            if of == system
        }
        count, after = 0, ""
        while rows := await self._store.read(
            "vanished", system=system, kind=Kind.STOCK.value, after=after, limit=PAGE_ROWS
        ):
            after = rows[-1][0]
            mine = [
                row[0]
                for row in rows
                if (
                    split_key(row[0])[1] == key
                    if operation == "vanished_location"
                    else split_key(row[0])[1] not in lost
                )
            ]
            count += len(mine)
            gone = [{"system": system, "kind": Kind.STOCK.value, "key": each} for each in mine]
            async with self._tallies.lock:
                await self._applier.keep(Write("record_gone", gone), *self._recomputed(mine))
        self._applier.wake()
        return count

    # --- items ------------------------------------------------------------------------------------

    async def _judge_items(self, system: str) -> None:
        began_ms = await self._ended(system, Flow.CATALOG)
        tally = await self._tallies.of(system)
        if began_ms <= tally.items_judged_ms:
            return
        await self._all_applied()
        if tally.items_judged_ms:
            if names := await self._some_absent(system, Kind.ITEM, began_ms, set()):
                detail = f"The last full read of items lacks some that were there before, such as {names}"
                await self._name(system, [("vanished_items", ITEMS, "sku_vanished", detail)])
                await self._mark(system, Kind.ITEM, began_ms)
            elif not await self._store.read(
                "vanished", system=system, kind=Kind.ITEM.value, after="", limit=1
            ):
                await self._resolve(system, [("vanished_items", ITEMS)])
            await self._catalog.look_for_vanished(system)
        async with self._tallies.lock:
            judged = replace(await self._tallies.of(system), items_judged_ms=began_ms)
            await self._applier.keep(self._tallies.put(system, judged))
        self._tell(system, Flow.CATALOG, began_ms)

    # --- both -------------------------------------------------------------------------------------

    async def _ended(self, system: str, flow: Flow) -> int:
        """When the last full read of a flow that has ended began: of several streams, the oldest."""
        covers = {row[1]: row[2] for row in await self._store.read("cursors") if row[0] == system}
        return min((covers.get(stream, 0) for stream in self._streams(system, flow)), default=0)

    def _streams(self, system: str, flow: Flow) -> list[str]:
        """The names of those that are read whole."""
        streams = self._systems[system].source.streams
        return [each.name for each in streams if each.snapshot and flow in each.flows]

    async def _all_applied(self) -> None:
        ((end,),) = await self._store.read("log_end")
        await self._applier.reached(end)

    async def _absent(self, system: str, kind: Kind, began_ms: int, after: str = "") -> list[Row]:
        return await self._store.read(
            "read_absent", system=system, kind=kind.value, began_ms=began_ms, after=after, limit=PAGE_ROWS
        )

    async def _some_absent(self, system: str, kind: Kind, began_ms: int, lost: set[str]) -> str:
        """Some of what is missing, by name."""
        after = ""
        named: list[str] = []
        while len(named) < SOME_MAX and (rows := await self._absent(system, kind, began_ms, after)):
            after = rows[-1][0]
            for key, _ in rows:
                sku, location = split_key(key)
                if location not in lost or not location:
                    named.append(f"{sku} at {location}" if location else sku)
        return some(named[:SOME_MAX])

    async def _name(self, system: str, found: list[tuple[str, str, str, str]]) -> None:
        """Tell a person, before anything is marked: done again after a crash, it finds less than it did."""
        if not found:
            return
        for _, _, reason, detail in found:
            log.warning("a full read lacks something", action=reason, system=system, detail=detail)
        rows = [
            {
                "system": system, "operation": operation, "key": key, "reason": reason, "detail": detail,
                "payload": "", "now_ms": self._clock.now_ms(),
            }
            for operation, key, reason, detail in found
        ]  # fmt: skip
        async with self._tallies.lock:
            tally = replace(await self._tallies.of(system), vanished=True)
            await self._applier.keep(Write("parked_put", rows), self._tallies.put(system, tally))

    async def _mark(self, system: str, kind: Kind, began_ms: int) -> None:
        while rows := await self._absent(system, kind, began_ms):
            keys = [row[0] for row in rows]
            marks = [{"system": system, "kind": kind.value, "key": key, "began_ms": began_ms} for key in keys]
            changes = kind is Kind.STOCK and self._routes.holds_vanished(system)
            async with self._tallies.lock:
                await self._applier.keep(
                    Write("record_vanish", marks), *(self._recomputed(keys) if changes else ())
                )
        self._applier.wake()

    def _recomputed(self, keys: list[str]) -> list[Write]:
        """What has to be computed again because these figures count otherwise."""
        skus = list(dict.fromkeys(split_key(key)[0] for key in keys))
        now_ms = self._clock.now_ms()
        return [
            mark(skus, now_ms),
            Write("shelf_stale", [{"sku": sku} for sku in skus]),
        ]

    async def _resolve(self, system: str, over: list[tuple[str, str]]) -> None:
        rows = [
            {
                "system": system, "operation": operation, "key": key, "resolution": "settled by a later full read",
                "by": BY, "now_ms": self._clock.now_ms(),
            }
            for operation, key in over
        ]  # fmt: skip
        async with self._tallies.lock:
            await self._applier.keep(Write("parked_resolve", rows))
