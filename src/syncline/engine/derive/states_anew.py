"""Whoever changes what contents are made of finds it at the channel after the next start.

Each route's declaration has a fingerprint, kept among the cursors. A start that finds another one, or none, marks every
content of the route, a page at a time.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from syncline.engine.routes import Route
from syncline.engine.states import StateFlow, States
from syncline.model.change import Kind
from syncline.model.errors import OutcomeUnknown, Retryable
from syncline.ports import Clock, Store, Write

SYSTEM = "syncline"  # where the fingerprints are kept
PAGE = 500
MARKS_MAX = 5_000  # that wait, while no more are made
PAUSE_S = 0.2
STORE_RETRY_S = 1.0

log = structlog.get_logger(__name__)


def stream_of(route: str) -> str:
    """The cursor that holds a route's fingerprint."""
    return f"rules of {route}"


class StatesAnew:
    """Marks the contents of every route whose declaration is another one than at the last start."""

    def __init__(self, store: Store, clock: Clock, states: States, marked: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._states = states
        self._marked = marked

    async def run(self) -> None:
        """Mark what has to be, however often the store refuses; then there is nothing more to do."""
        for flow, route in self._states.all():
            while True:
                try:
                    await self.mark(flow, route)
                except (Retryable, OutcomeUnknown) as error:  # a full disk, a database that restarts
                    log.warning("the store does not take it", action="store_refused", error=str(error))
                    await self._clock.sleep(STORE_RETRY_S)
                else:
                    break

    async def mark(self, flow: StateFlow, route: Route) -> int:
        """Mark every content of a route if its declaration is another one; returns how many were marked."""
        now = flow.fingerprint(route)
        rows = await self._store.read("cursor_get", system=SYSTEM, stream=stream_of(route.name))
        if rows and rows[0][0] == now:
            return 0
        marked = await self.mark_all(flow, route)
        # Only now: a start that was cut short begins again.
        row = {"system": SYSTEM, "stream": stream_of(route.name), "position": now, "covers_ms": 0}
        await self._store.write(Write("cursor_put", [row]))
        if marked:
            log.info("the rules changed", action="rules_changed", route=route.name, contents=marked)
        return marked

    async def mark_all(self, flow: StateFlow, route: Route) -> int:
        """Mark every content of a route; returns how many."""
        marked, after = 0, ""
        # What is no item of the channel's catalog is known by the source's records alone.
        system, kind = (route.sink, Kind.ITEM) if flow.bound is None else (route.source, flow.kind)
        contents = flow.of_sku if flow.bound is None else flow.of_record
        while rows := await self._store.read(
            "records_after", system=system, kind=kind.value, after=after, limit=PAGE
        ):
            after = rows[-1][0]
            await self._room()
            now_ms = self._clock.now_ms()
            marks = [
                {"route": route.name, "key": key, "changed_at_ms": now_ms}
                for subject, *_ in rows
                for key in contents(route, subject)
            ]
            await self._store.write(Write("state_mark", marks))
            self._marked()
            marked += len(marks)
        return marked

    async def _room(self) -> None:
        """Wait until what was marked before is nearly computed."""
        while (
            len(await self._store.read("state_marks", now_ms=self._clock.now_ms(), limit=MARKS_MAX))
            == MARKS_MAX
        ):
            await self._clock.sleep(PAUSE_S)
