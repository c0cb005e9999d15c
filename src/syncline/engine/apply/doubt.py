"""Figures of a full read that take away too much are not believed before the whole of it is known.

A page in which more than the share of the SKUs are emptied or halved looks like a truncated feed, and so
does a read that has cut more than the share of all that it told so far. The SKUs concerned stay as they
were, a person is told at once, and everything else goes on. When the read has ended it is judged whole
(`syncline.engine.apply.full_read`): either the doubt was unfounded and the figures are taken, or they are
dropped and wait for a person, who can have all of it read again and believed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from syncline.engine.apply.batch import Batch
from syncline.engine.apply.guards import cut, fault, share_of, too_many
from syncline.engine.apply.known import Known
from syncline.engine.apply.tally import Tallies, Tally
from syncline.engine.codec import decode, encode
from syncline.engine.routes import Routes, split_key
from syncline.inventory.availability import offered
from syncline.model.change import Change, Event, Kind, LoggedEvent, Via
from syncline.model.copying import replace
from syncline.model.records import StockLevel
from syncline.ports import Clock, Row, Store, System, Write

Read = tuple[LoggedEvent, Change]
SOME_MAX = 10  # SKUs that a message names


@dataclass(slots=True)
class Weighed:
    """What is not to be applied, by offset and key; what is to be applied after all; and how both are stored."""

    held: set[tuple[int, str]] = field(default_factory=set)
    freed: list[tuple[str, Read]] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)


class Doubts:
    """Weighs the pages of full reads. Its owner holds the lock of the tallies meanwhile."""

    def __init__(
        self, store: Store, clock: Clock, systems: Mapping[str, System], routes: Routes, tallies: Tallies
    ) -> None:
        self._store = store
        self._clock = clock
        self._systems = systems
        self._routes = routes
        self._tallies = tallies

    async def weigh(
        self,
        batch: Batch,
        decoded: Sequence[tuple[LoggedEvent, list[Change]]],
        figures: Mapping[tuple[str, str], str],
    ) -> Weighed:
        """Which of these changes wait for the end of their read. ``figures`` are those before, as stored."""
        weighed = Weighed()
        for name in self._systems:
            share = share_of(self._routes, name)
            if share >= 1:
                continue
            read = [
                (logged, change)
                for logged, changes in decoded
                if logged.event.system == name and logged.event.via is Via.SNAPSHOT
                for change in changes
                if isinstance(change.value, StockLevel)
                and not fault(change.value)
                and batch.news(name, change)
            ]
            if read and not (tally := await self._tallies.of(name)).accepted(self._clock.now_ms()):
                await self._weigh(batch, weighed, name, share, tally, read, figures)
        return weighed

    async def _weigh(
        self,
        batch: Batch,
        weighed: Weighed,
        name: str,
        share: Decimal,
        tally: Tally,
        read: Sequence[Read],
        figures: Mapping[tuple[str, str], str],
    ) -> None:
        told: dict[str, dict[str, int]] = {}
        before: dict[str, dict[str, int]] = {}
        for _, change in read:
            sku = split_key(change.key)[0]
            told.setdefault(sku, {})[change.key] = self._units(name, change.value)  # type: ignore[arg-type]
            if (body := figures.get((name, change.key))) is not None:
                before.setdefault(sku, {})[change.key] = self._units(name, decode(Kind.STOCK, body))
        stocked = {sku for sku, at in before.items() if any(at.values())}
        waiting = await self._waiting(name, list(told)) if tally.held else {}
        # A SKU that keeps half of what this page tells of it keeps half of the whole.
        suspects = [
            sku
            for sku, at in told.items()
            if sku in waiting or cut(sum(before.get(sku, {}).values()), sum(at.values()))
        ]
        cuts = await self._cut(name, suspects, told, waiting) if suspects else set()
        new = cuts - waiting.keys()
        freed = waiting.keys() - cuts
        fresh = stocked - waiting.keys()
        seen = replace(tally, skus=tally.skus + len(fresh), cuts=tally.cuts + len(new) - len(freed))
        if not too_many(len(new), len(fresh), share) and not too_many(seen.cuts, seen.skus, share):
            new = set()
        held = {
            change.key: (logged, change)
            for logged, change in read
            if (sku := split_key(change.key)[0]) in cuts
            and (sku in new or sku in waiting)
            and told[sku][change.key] != before.get(sku, {}).get(change.key, 0)
        }
        weighed.held |= {
            (logged.offset, change.key) for logged, change in read if change.key in held
        }  # every telling of it
        seen = replace(seen, held=seen.held + len(new) - len(freed))
        back = [reading for sku in sorted(freed) for reading in waiting[sku].values()]
        if back:
            await self._know(batch, name, [change.key for _, change in back])
            weighed.freed += [(name, reading) for reading in back]
        if seen != tally:
            weighed.writes.append(self._tallies.put(name, seen))
        weighed.writes += [
            Write("doubted_put", [_row(name, *reading) for reading in held.values()]),
            Write("doubted_drop", [{"system": name, "key": change.key} for _, change in back]),
        ]
        if new:
            batch.park_cut(
                name,
                f"{seen.cuts} of the {seen.skus} SKUs with stock that a full read has told so far would be emptied or "
                f"lose more than half, among them {some(new)}. These stay as they were; all other changes go on",
            )

    def _units(self, name: str, level: StockLevel) -> int:
        return max(0, offered(level, self._systems[name].capabilities.stock_read_basis))

    async def _waiting(self, name: str, skus: Sequence[str]) -> dict[str, dict[str, Read]]:
        """What of these SKUs is doubted already, by SKU and key."""
        found: dict[str, dict[str, Read]] = {}
        for row in await self._store.read("doubted_of_skus", system=name, skus=skus):
            found.setdefault(split_key(row[0])[0], {})[row[0]] = reading(name, row)
        return found

    async def _cut(
        self,
        name: str,
        skus: Sequence[str],
        told: Mapping[str, Mapping[str, int]],
        waiting: Mapping[str, Mapping[str, Read]],
    ) -> set[str]:
        """Which SKUs lose more than half over all locations together: a transfer takes nothing away."""
        before: dict[str, dict[str, int]] = {}
        after: dict[str, dict[str, int]] = {}
        for key, body, observed_ms, *_ in await self._store.read("stock_of_skus", system=name, skus=skus):
            sku = split_key(key)[0]
            there = before.setdefault(sku, {})[key] = self._units(name, decode(Kind.STOCK, body))
            doubted = waiting.get(sku, {}).get(key)
            if doubted is not None and doubted[0].received_at_ms >= observed_ms:
                there = self._units(name, doubted[1].value)  # type: ignore[arg-type]
            after.setdefault(sku, {})[key] = there
        return {
            sku
            for sku in skus
            if cut(sum(before.get(sku, {}).values()), sum({**after.get(sku, {}), **told[sku]}.values()))
        }

    async def _know(self, batch: Batch, name: str, keys: Collection[str]) -> None:
        for key, version, tiebreak, hash_, *_ in await self._store.read(
            "records_get", system=name, kind=Kind.STOCK.value, keys=list(keys)
        ):
            batch.known((name, Kind.STOCK, key), Known(version, tiebreak, hash_, None))


def some(names: Collection[str]) -> str:
    """The first of many, for a message."""
    return ", ".join(sorted(names)[:SOME_MAX])


def reading(system: str, row: Row) -> Read:
    """A doubted figure as it was read."""
    key, version, tiebreak, changed_at_ms, observed_at_ms, offset, body = row
    event = Event(system, "doubted", key, Via.SNAPSHOT, changed_at_ms, b"")
    return (
        LoggedEvent(offset, observed_at_ms, event),
        Change(Kind.STOCK, key, version, tiebreak, changed_at_ms, decode(Kind.STOCK, body)),
    )


def _row(system: str, logged: LoggedEvent, change: Change) -> dict[str, Any]:
    return {
        "system": system,
        "key": change.key,
        "version": change.version,
        "tiebreak": change.tiebreak,
        "changed_at_ms": change.changed_at_ms,
        "observed_at_ms": logged.received_at_ms,
        "offset": logged.offset,
        "body": encode(change.value),
    }
