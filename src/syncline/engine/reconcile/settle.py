"""Waiting until everything that was in flight at a moment is known: only then a difference can be believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from syncline.engine.apply.applier import CONSUMER
from syncline.engine.capture.poller import Poller
from syncline.engine.delivery.lane import Lane
from syncline.model.change import Flow
from syncline.ports import Clock, Store, System

INDEX_S = 15.0  # a vendor's search index and its slowest events are this far behind on a usual day
STEP_S = 1.0
POLLS_MAX_S = 600.0  # a source that cannot be read for so long tells nothing: then nothing is judged
READS_MAX_S = 120.0


class Settling:
    """Nudges the delta reads of some systems and waits for what they bring to be applied."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        systems: Mapping[str, System],
        pollers: Sequence[Poller],
        lanes: Mapping[str, Lane],
    ) -> None:
        self._store = store
        self._clock = clock
        self._systems = systems
        self._pollers = pollers
        self._lanes = lanes

    async def known(self, names: Sequence[str]) -> bool:
        """Wait until what happened in these systems before now is known; ``False`` if it took too long."""
        delay_s = max(
            max(capabilities.event_delay_ms, capabilities.replica_lag_ms) / 1000
            for capabilities in (self._systems[name].capabilities for name in names)
        )
        await self._clock.sleep(max(INDEX_S, delay_s))
        began_ms = self._clock.now_ms()
        deltas = [
            poller
            for poller in self._pollers
            if poller.system.name in names
            and not poller.stream.snapshot
            and {Flow.INVENTORY, Flow.ORDERS} & set(poller.stream.flows)
        ]

        def read() -> bool:
            waiting = [poller for poller in deltas if poller.covers_ms < began_ms]
            for poller in waiting:
                poller.nudge()
            return not waiting

        if not await self._until(read, POLLS_MAX_S) or not await self._applied():
            return False
        # Notices only say which orders changed: what they are now is read, and that is to be applied as well.
        asked = {name: self._lanes[name].reading() for name in names}

        def told() -> bool:
            return not any(keys & self._lanes[name].reading() for name, keys in asked.items())

        return await self._until(told, READS_MAX_S) and await self._applied()

    async def _applied(self) -> bool:
        """Wait until what is in the log now was applied, and whoever has to act on it was told."""
        end = (await self._store.read("log_end"))[0][0]
        until_s = self._clock.monotonic() + READS_MAX_S
        while True:
            rows = await self._store.read("progress_get", consumer=CONSUMER)
            await self._clock.sleep(STEP_S)
            if (rows[0][0] if rows else 0) >= end:
                return True
            if self._clock.monotonic() >= until_s:
                return False

    async def _until(self, true: Callable[[], bool], most_s: float) -> bool:
        until_s = self._clock.monotonic() + most_s
        while not true():
            if self._clock.monotonic() >= until_s:
                return False
            await self._clock.sleep(STEP_S)
        return True
