"""A full read of state records is judged when it has ended: what it no longer contains is gone at its source.

A record that a source lists no more was deleted there, and what hangs on it is computed without it. A read that lacks
more than a set share of what there was is not believed: it says more of the feed than of the records, so nothing is
taken away before a person has looked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import structlog

from syncline.engine.apply.applier import Applier
from syncline.engine.apply.doubt import SOME_MAX, some
from syncline.engine.apply.guards import too_many
from syncline.engine.routes import SEP
from syncline.engine.states import StateFlow, States
from syncline.engine.words import flow_title, plural
from syncline.model.change import Flow
from syncline.ports import Clock, PollStream, Store, System, Write

PAGE_ROWS = 1_000  # records that one transaction takes away
SYSTEM = "syncline"  # where is kept what was judged
OPERATION = "vanished_states"
BY = "syncline"

log = structlog.get_logger(__name__)


def stream_of(system: str, kind: str) -> str:
    """The cursor that says when the last judged read of a kind began."""
    return f"full read of {kind} of {system}"


class FullStateReads:
    """Judges the full reads of the systems that state records come from."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        systems: Mapping[str, System],
        states: States,
        applier: Applier,
        marked: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._systems = systems
        self._states = states
        self._applier = applier
        self._marked = marked

    def concerns(self, system: str, stream: PollStream) -> bool:
        """Whether full reads of a stream are judged here."""
        return any(stream.tells(flow.flow) and route.source == system for flow, route in self._states.all())

    async def judge(self, system: str) -> None:
        """Judge the last full reads of a system that have ended; nothing if they are judged."""
        flows = {flow.kind: flow for flow, route in self._states.all() if route.source == system}
        for flow in flows.values():
            await self._judge(system, flow)

    async def _judge(self, system: str, flow: StateFlow) -> None:
        began_ms = await self._ended(system, flow.flow)
        judged_ms = await self._judged_ms(system, flow)
        if began_ms <= judged_ms:
            return
        ((end,),) = await self._store.read("log_end")
        await self._applier.reached(end)
        if judged_ms:
            missing, names = await self._missing(system, flow, began_ms)
            share = min(
                route.guard_cut_share for one, route in self._states.all()
                if one is flow and route.source == system
            )  # fmt: skip
            if missing and too_many(missing, await self._count(system, flow), share):
                await self._doubt(system, flow, missing, names, share)
            else:
                await self._take_away(system, flow, began_ms, judged_ms)
                await self._keep(Write("parked_resolve", [self._settled(system, flow)]))
                self._tell(system, flow.flow, began_ms)
        else:
            self._tell(system, flow.flow, began_ms)
        row = {
            "system": SYSTEM, "stream": stream_of(system, flow.kind.value), "position": str(began_ms), "covers_ms": 0,
        }  # fmt: skip
        await self._keep(Write("cursor_put", [row]))

    async def believe_gone(self, system: str, kind: str) -> int:
        """A person says that what the last full read lacks is deleted; returns how many records that are."""
        flow = next(
            flow for flow, route in self._states.all() if route.source == system and flow.kind.value == kind
        )
        judged_ms = await self._judged_ms(system, flow)
        return await self._take_away(system, flow, judged_ms, self._clock.now_ms())

    async def _take_away(self, system: str, flow: StateFlow, began_ms: int, changed_at_ms: int) -> int:
        """Count what a read lacks as deleted, since ``changed_at_ms``; done again after a crash, it finds the rest."""
        taken = 0
        while rows := await self._absent(system, flow, began_ms):
            at = {"system": system, "kind": flow.kind.value}
            marks = {
                content: {"route": content[0], "key": content[1], "changed_at_ms": changed_at_ms}
                for key in rows
                for content in self._states.of_record(system, flow.kind, key)
            }
            await self._keep(
                Write("record_vanish", [{**at, "key": key, "began_ms": began_ms} for key in rows]),
                Write("record_gone", [{**at, "key": key} for key in rows]),
                Write("state_mark", list(marks.values())),
            )
            taken += len(rows)
            self._marked()
            self._applier.wake()
        return taken

    async def _doubt(self, system: str, flow: StateFlow, missing: int, names: str, share: Decimal) -> None:
        detail = (
            f"The last full read lacks {plural(missing, 'record')} that there were before, such as {names}: more than "
            f"{(100 * share).normalize():f} %. {flow_title(flow.flow.value)} stay as they were; what it tells otherwise goes on"
        )
        log.warning("a full read is doubted", action="full_read_doubted", system=system, detail=detail)
        row = {
            "system": system, "operation": OPERATION, "key": flow.kind.value, "reason": "states_vanished",
            "detail": detail, "payload": "", "now_ms": self._clock.now_ms(),
        }  # fmt: skip
        await self._keep(Write("parked_put", [row]))

    def _settled(self, system: str, flow: StateFlow) -> dict[str, object]:
        return {
            "system": system, "operation": OPERATION, "key": flow.kind.value,
            "resolution": "settled by a later full read", "by": BY, "now_ms": self._clock.now_ms(),
        }  # fmt: skip

    async def _ended(self, system: str, flow: Flow) -> int:
        covers = {row[1]: row[2] for row in await self._store.read("cursors") if row[0] == system}
        return min((covers.get(stream, 0) for stream in self._streams(system, flow)), default=0)

    def _streams(self, system: str, flow: Flow) -> list[str]:
        """The names of those that are read whole."""
        streams = self._systems[system].source.streams
        return [each.name for each in streams if each.snapshot and each.tells(flow)]

    def _tell(self, system: str, flow: Flow, began_ms: int) -> None:
        """Tell the source that a full read was believed. Untold, it only repeats more than it would have to."""
        tell = self._systems[system].believed
        if tell is not None:
            for stream in self._streams(system, flow):
                tell(stream, began_ms)

    async def _judged_ms(self, system: str, flow: StateFlow) -> int:
        rows = await self._store.read("cursor_get", system=SYSTEM, stream=stream_of(system, flow.kind.value))
        return int(rows[0][0]) if rows else 0

    async def _count(self, system: str, flow: StateFlow) -> int:
        rows = await self._store.read("record_count")
        return next((row[2] for row in rows if row[:2] == (system, flow.kind.value)), 0)

    async def _absent(self, system: str, flow: StateFlow, began_ms: int, after: str = "") -> list[str]:
        rows = await self._store.read(
            "read_absent",
            system=system,
            kind=flow.kind.value,
            began_ms=began_ms,
            after=after,
            limit=PAGE_ROWS,
        )
        return [row[0] for row in rows]

    async def _missing(self, system: str, flow: StateFlow, began_ms: int) -> tuple[int, str]:
        """How many records a read lacks, and some of them by name."""
        missing, after = 0, ""
        named: list[str] = []
        while rows := await self._absent(system, flow, began_ms, after):
            after = rows[-1]
            missing += len(rows)
            named += [key.replace(SEP, " in ") for key in rows[: SOME_MAX - len(named)]]
            await self._clock.sleep(0)
        return missing, some(named)

    async def _keep(self, write: Write, *more: Write) -> None:
        async with self._applier.tallies.lock:
            await self._applier.keep(write, *more)
