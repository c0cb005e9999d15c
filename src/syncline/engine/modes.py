"""What people have paused or put in shadow, as every part of the engine sees it.

A route or a system that is paused sends nothing; a route in shadow computes what it would send and sends nothing.
Reading goes on in both. The store's table ``mode`` is the truth: it outlasts the process, and another one that writes
to it is heard of within ``INTERVAL_MS``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import structlog

from syncline.engine.routes import Routes
from syncline.model.errors import OutcomeUnknown, Retryable
from syncline.ports import Clock, Row, Store

INTERVAL_MS = 2_000
MODES_MAX = 1_000  # read at once: what holds now, then the newest of what is over
FOREIGN_MS = 1 << 53  # later than any moment: as long as somebody else writes a channel's numbers

log = structlog.get_logger(__name__)


class Stop(StrEnum):
    """Why a route sends nothing."""

    NONE = ""
    PAUSED = "paused"
    SHADOW = "shadow"


WORDS = {Stop.PAUSED: "paused", Stop.SHADOW: "in shadow"}


@dataclass(frozen=True, slots=True)
class Mode:
    """One thing that a person switched off. ``subject`` is a route's name, or a system's where it is paused."""

    subject: str
    mode: str  # paused or shadow
    since_ms: int
    until_ms: int | None
    by: str
    reason: str


class Modes:
    """What holds now, and what held. Without rows nothing is stopped."""

    def __init__(self, sinks: Mapping[str, str] | None = None, rows: Iterable[Row] = ()) -> None:
        self._sinks = dict(sinks or {})
        self.all: tuple[Mode, ...] = ()
        self._rows: tuple[Row, ...] = ()
        self._open: dict[tuple[str, str], Mode] = {}
        self._live_since: dict[str, int] = {}
        self.replace(rows)

    def replace(self, rows: Iterable[Row]) -> set[str]:
        """Believe these rows from now on; returns the routes that are stopped otherwise than before."""
        rows = tuple(rows)
        if rows == self._rows:  # every time but once in a while
            return set()
        self._rows = rows
        before = {name: self.stop_of(name) for name in self._sinks}
        self.all = tuple(Mode(*row) for row in rows)
        self._open = {(mode.subject, mode.mode): mode for mode in self.all if mode.until_ms is None}
        self._live_since = {}
        for mode in self.all:
            if mode.mode == Stop.SHADOW and mode.until_ms is not None:
                ended = self._live_since.get(mode.subject, 0)
                self._live_since[mode.subject] = max(ended, mode.until_ms)
        return {name for name, stop in before.items() if self.stop_of(name) is not stop}

    def stop_of(self, route: str) -> Stop:
        """What keeps a route from sending. A pause is the stronger: then not even a look is taken."""
        sink = self._sinks.get(route, "")
        if (route, Stop.PAUSED) in self._open or (sink, Stop.PAUSED) in self._open:
            return Stop.PAUSED
        return Stop.SHADOW if (route, Stop.SHADOW) in self._open else Stop.NONE

    def of_route(self, route: str) -> tuple[Mode, ...]:
        """What holds for a route now: its own, and its sink's."""
        names = (route, self._sinks.get(route, ""))
        return tuple(mode for (subject, _), mode in self._open.items() if subject in names)

    def of_system(self, system: str) -> Mode | None:
        """The pause of a system."""
        return self._open.get((system, Stop.PAUSED))

    def in_shadow(self) -> list[str]:
        """The routes in shadow, paused or not."""
        return [name for name in self._sinks if (name, Stop.SHADOW) in self._open]

    def stopped_until(self, route: str) -> int:
        """When a route was last not able to send, in milliseconds; ``FOREIGN_MS``: it is not now, 0: never."""
        return max((mode.until_ms or FOREIGN_MS for mode in self._concerning(route)), default=0)

    def stopped_within(self, route: str, since_ms: int, until_ms: int) -> bool:
        """Whether a route could not send at some time between two moments."""
        return any(
            mode.since_ms < until_ms and (mode.until_ms is None or mode.until_ms > since_ms)
            for mode in self._concerning(route)
        )

    def _concerning(self, route: str) -> Iterator[Mode]:
        names = (route, self._sinks.get(route, ""))
        return (mode for mode in self.all if mode.subject in names)

    def ours_since(self, route: str) -> int:
        """Since when we alone write a route's numbers; what was read before says nothing of what we should find.

        ``FOREIGN_MS`` as long as the route is in shadow, 0 if it never was.
        """
        if (route, Stop.SHADOW) in self._open:
            return FOREIGN_MS
        return self._live_since.get(route, 0)


class ModeWatch:
    """Keeps ``Modes`` what the store says, and tells whoever has to act on a change."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        routes: Routes,
        changed: Callable[[Collection[str]], None],
        interval_ms: int = INTERVAL_MS,
    ) -> None:
        self._store = store
        self._interval_ms = interval_ms
        self._clock = clock
        self._changed = changed
        self._alone = asyncio.Lock()
        self.modes = Modes({route.name: route.sink for route in routes.all})

    async def refresh(self) -> None:
        """Read what holds now. To be called before anything may be sent, and after a change."""
        async with self._alone:  # an older answer must not come after a newer one
            changed = self.modes.replace(await self._store.read("modes", limit=MODES_MAX))
        if changed:
            log.info("modes changed", action="modes_changed", routes=sorted(changed))
            self._changed(changed)

    async def run(self) -> None:
        """Stay informed of what other processes declare, until cancelled."""
        while True:
            await self._clock.sleep(self._interval_ms / 1000)
            try:
                await self.refresh()
            except (Retryable, OutcomeUnknown) as error:  # a database that restarts: what was known holds on
                log.warning("modes not read", action="modes_unread", error=str(error))
