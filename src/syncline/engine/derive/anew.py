"""Whoever changes a rule finds it in every number after the next start, not after the next full read.

What numbers are computed by (routes, locations, rules, recipes) has a fingerprint, kept among the cursors. A start
that finds another one has every SKU computed again, a page at a time: what happens meanwhile waits for no more than
that.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from syncline.engine.codec import fingerprint
from syncline.engine.derive.dirty import mark
from syncline.engine.routes import Routes
from syncline.model.change import Flow, Kind
from syncline.model.errors import OutcomeUnknown, Retryable
from syncline.ports import Clock, Store, Write

SYSTEM, STREAM = "syncline", "rules"  # where the fingerprint is kept
PAGE = 500
PAUSE_S = 0.2
STORE_RETRY_S = 1.0

log = structlog.get_logger(__name__)


def rules_fingerprint(routes: Routes) -> str:
    """What changes when any shown number may have to change although nothing was sold or received."""
    made_by = [
        (route.source, route.sink, list(route.locations.items()), route.rules.layers)
        for route in routes.of(Flow.INVENTORY)
    ]
    return fingerprint(made_by, routes.recipes.all)


class Anew:
    """Marks all numbers once, if they are computed by other rules than at the last start."""

    def __init__(self, store: Store, clock: Clock, routes: Routes, wake: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._routes = routes
        self._wake = wake

    async def run(self) -> None:
        """Mark what has to be, however often the store refuses; then there is nothing more to do."""
        while True:
            try:
                await self.mark()
            except (Retryable, OutcomeUnknown) as error:  # a full disk, a database that restarts
                log.warning("the store does not take it", action="store_refused", error=str(error))
                await self._clock.sleep(STORE_RETRY_S)
            else:
                return

    async def mark(self) -> int:
        """Mark every SKU of every channel if the rules are others; returns how many were marked."""
        now = rules_fingerprint(self._routes)
        rows = await self._store.read("cursor_get", system=SYSTEM, stream=STREAM)
        if rows and rows[0][0] == now:
            return 0
        marked = 0
        for sink in sorted({route.sink for route in self._routes.of(Flow.INVENTORY)}):
            after = ""
            while True:
                items = await self._store.read(
                    "records_after", system=sink, kind=Kind.ITEM.value, after=after, limit=PAGE
                )
                if not items:
                    break
                await self._room()
                await self._store.write(mark((row[0] for row in items), self._clock.now_ms()))
                self._wake()
                marked += len(items)
                after = items[-1][0]
        # Only now: a start that was cut short begins again.
        row = {"system": SYSTEM, "stream": STREAM, "position": now, "covers_ms": 0}
        await self._store.write(Write("cursor_put", [row]))
        if marked:
            log.info("the rules changed", action="rules_changed", skus=marked)
        return marked

    async def _room(self) -> None:
        """Wait until what was marked before is nearly computed."""
        while len(await self._store.read("dirty", limit=PAGE, now_ms=self._clock.now_ms())) == PAGE:
            await self._clock.sleep(PAUSE_S)
