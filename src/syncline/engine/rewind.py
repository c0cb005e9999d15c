"""After an older store was put back: read again what it does not know, and look before anything is sent.

A restored store has forgotten what was sent after its backup was taken, and believes what the channels held then.
So restoring it (``rewind.sql`` of each store) forgets every number that a channel was known to hold, closes the calls
that were under way, takes back what the cursors had confirmed, and leaves a mark among them. A start that finds the
mark sends no stock until every system was read from the restored cursors and what was found there was looked up; and
each fact (an order, a payment, a shipment …) from before the restore is looked up by its business reference before it
is sent, for as long as the store lives.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct, json

from syncline.engine.capture.poller import Poller
from syncline.engine.routes import Routes
from syncline.engine.states import STATE_OPERATIONS as STATES
from syncline.model.change import Flow
from syncline.model.delivery import DeliveryState
from syncline.model.errors import OutcomeUnknown, Retryable
from syncline.ports import Clock, Store, Write

if TYPE_CHECKING:
    from syncline.engine.apply.applier import Applier

SYSTEM, STREAM = "syncline", "rewind"  # where the mark is kept, as `rewind.sql` writes it
# Everything else is a fact, or leads to one.
STATE_OPERATIONS = frozenset({"set_stock", "read_stock", *STATES})
# Vendors stamp facts by clocks of their own: so much after the restore, one may still be from before it.
MARGIN_MS = 600_000
# What cannot be looked up for so long (a vendor that is down, an order that waits) holds the numbers back no longer.
FACTS_WAIT_S_MAX = 900.0
LOOK_S = 1.0
CATCHING_UP = "the store was restored, and what came after its backup is still being read and looked up"

log = structlog.get_logger(__name__)


class Mark(Struct, frozen=True, forbid_unknown_fields=True):
    """What restoring leaves in the store. ``taken_at_ms``: when the backup was; 0 where nobody knows."""

    restored_at_ms: int
    taken_at_ms: int = 0
    caught_up: bool = False


class Rewind:
    """What a start owes to the time that its store has forgotten. Does nothing where nothing was restored."""

    def __init__(self, store: Store, clock: Clock, routes: Routes) -> None:
        self._store = store
        self._clock = clock
        self._routes = routes
        self.mark: Mark | None = None

    async def load(self) -> None:
        """Find out whether this store was restored; before any lane runs."""
        rows = await self._store.read("cursor_get", system=SYSTEM, stream=STREAM)
        self.mark = json.decode(rows[0][0], type=Mark) if rows else None

    @property
    def catching_up(self) -> bool:
        """Whether the time after the backup is still being read again."""
        return self.mark is not None and not self.mark.caught_up

    def holds_back(self, operation: str) -> bool:
        """Whether nothing of an operation is sent at the moment: numbers, while nobody knows what they rest on.

        They are not read either: an order of before the reading must not be heard of after it.
        """
        return operation in STATE_OPERATIONS and self.catching_up

    def looks_up(self, since_ms: int) -> bool:
        """Whether a fact of this moment may have been sent by the store that was replaced."""
        return self.mark is not None and (
            not self.mark.caught_up or since_ms < self.mark.restored_at_ms + MARGIN_MS
        )

    async def run(
        self,
        applier: Applier,
        pollers: Sequence[Poller],
        wake: Callable[[], None],
    ) -> None:
        """Catch up, then let the numbers go; at once where there is nothing to catch up with."""
        if self.mark is None or self.mark.caught_up:
            return
        log.warning(
            "this store was restored: reading again what came after its backup",
            action="rewind_started",
            taken_at_ms=self.mark.taken_at_ms,
            restored_at_ms=self.mark.restored_at_ms,
        )
        needed = self._needed(pollers)
        while not all(poller.reads for poller in needed):
            await self._clock.sleep(LOOK_S)
        await applier.reached(await self._tried(self._log_end))
        waited_s = 0.0
        while (pending := await self._tried(self._pending_facts)) and waited_s < FACTS_WAIT_S_MAX:
            await self._clock.sleep(LOOK_S)
            waited_s += LOOK_S
        self.mark = Mark(self.mark.restored_at_ms, self.mark.taken_at_ms, caught_up=True)
        await self._tried(self._keep)
        log.warning("caught up after a restore", action="rewind_ended", still_pending=pending)
        wake()
        # What was found to be in the ERP may be in its figures: only one that is read now can show it.
        for poller in pollers:
            if poller.stream.snapshot and Flow.INVENTORY in poller.stream.flows:
                while not poller.reads:
                    await self._clock.sleep(LOOK_S)
                poller.nudge()

    def _needed(self, pollers: Sequence[Poller]) -> list[Poller]:
        """The reads that tell everything that came after the backup: deltas, or where there are none, full ones."""
        needed: dict[int, Poller] = {}
        for route in self._routes.all:
            reads = [p for p in pollers if p.system.name == route.source and p.stream.tells(route.flow)]
            for poller in [p for p in reads if not p.stream.snapshot] or reads:
                needed[id(poller)] = poller
        return list(needed.values())

    async def _log_end(self) -> int:
        end: int = (await self._store.read("log_end"))[0][0]
        return end

    async def _pending_facts(self) -> int:
        """Facts of before the restore that are neither known to be there nor waiting for a person."""
        rows = await self._store.read("delivery_summary", now_ms=self._clock.now_ms())
        return sum(
            row[4]
            for row in rows
            if row[1] not in STATE_OPERATIONS and row[3] != DeliveryState.PARKED and self._old(row[6])
        )

    def _old(self, first_changed_at_ms: int) -> bool:
        return self.mark is not None and first_changed_at_ms < self.mark.restored_at_ms + MARGIN_MS

    async def _keep(self) -> int:
        row = {
            "system": SYSTEM,
            "stream": STREAM,
            "position": json.encode(self.mark).decode(),
            "covers_ms": 0,
        }
        await self._store.write(Write("cursor_put", [row]))
        return 0

    async def _tried(self, work: Callable[[], Awaitable[int]]) -> int:
        """Ask the store as often as it takes."""
        while True:
            try:
                return await work()
            except (Retryable, OutcomeUnknown) as error:
                log.warning("the store does not take it", action="store_refused", error=str(error))
                await self._clock.sleep(LOOK_S)
