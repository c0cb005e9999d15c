"""Applies the log: decode, check versions, store, and note what has to follow.

One applier owns the log at a time (lease ``apply``). Everything that a batch of events leads to is
one transaction together with the new place in the log, so a crash at any point costs nothing: the
batch is applied again, and whatever it had changed already is not newer any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from syncline.engine.apply.batch import Batch
from syncline.engine.catalog import Catalog
from syncline.engine.codec import decode
from syncline.engine.derive.demand import DemandLearner
from syncline.engine.derive.stock import StockDeriver
from syncline.engine.failpoints import failpoint
from syncline.engine.leases import Lease
from syncline.engine.routes import Routes, parse_reference
from syncline.model.change import Change, Kind, LoggedEvent
from syncline.model.errors import OutcomeUnknown, Rejected, Retryable
from syncline.ports import Clock, Row, Store, System, Write

APPLY_MAX = 200  # events in one transaction
CONSUMER = "apply"
RELEASE_MAX = 1_000
STORE_RETRY_S = 1.0

log = structlog.get_logger(__name__)


class Applier:
    """Turns the event log into records, demand, and deliveries to be made."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        systems: Mapping[str, System],
        routes: Routes,
        catalog: Catalog,
        deriver: StockDeriver,
        learner: DemandLearner,
        lease: Lease,
        offer: Callable[[Sequence[Row]], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._systems = systems
        self._routes = routes
        self._catalog = catalog
        self._deriver = deriver
        self._learner = learner
        self._lease = lease
        self._offer = offer
        self._signal = asyncio.Event()
        self._offset = -1
        self.applied = 0
        self.unchanged = 0
        self.parked = 0

    def wake(self) -> None:
        """Something was appended or marked."""
        self._signal.set()

    @property
    def offset(self) -> int:
        """How far the log has been applied."""
        return self._offset

    async def run(self) -> None:
        """Apply and derive until cancelled."""
        while True:
            self._signal.clear()
            try:
                worked = await self.step()
            except (Retryable, OutcomeUnknown) as error:  # a full disk, a database that restarts
                log.warning("the store does not take it", action="store_refused", error=str(error))
                self._offset = -1  # as after a restart: read again how far we are
                await self._clock.sleep(STORE_RETRY_S)
                continue
            if not worked:
                await self._signal.wait()

    async def step(self) -> bool:
        """One batch of events, then one round of derivation; ``False`` when there was neither."""
        if self._offset < 0:
            rows = await self._store.read("progress_get", consumer=CONSUMER)
            self._offset = rows[0][0] if rows else 0
        logged = await self._store.events(self._offset, APPLY_MAX)
        if logged:
            await self._apply(logged)
        derived, touched = await self._deriver.step(self._lease.guard)
        self._offer(touched)
        return bool(logged or derived)

    def _decode(self, batch: Batch, logged: LoggedEvent) -> list[Change]:
        event = logged.event
        system = self._systems.get(event.system)
        if system is None:
            batch.park(logged, "unknown_system", f"no system is called {event.system!r} any more")
            return []
        try:
            return system.source.decode(logged)
        except Rejected as error:
            batch.park(logged, "not_understood", str(error))
        except Exception as error:
            log.exception("decode failed", action="decode_failed", system=event.system, offset=logged.offset)
            batch.park(logged, "decoder_failed", f"{type(error).__name__}: {error}")
        return []

    async def _apply(self, events: Sequence[LoggedEvent]) -> None:
        batch = Batch(self._routes, self._systems, self._catalog, self._clock.now_ms())
        decoded = [(logged, self._decode(batch, logged)) for logged in events]
        await self._load(
            batch, [(logged.event.system, change) for logged, changes in decoded for change in changes]
        )
        for logged, changes in decoded:
            for change in changes:
                batch.apply(logged, change)
        learned = await self._learner.learn(batch.sold)
        self._offset = events[-1].offset
        failpoint("applier.before_write")
        results = await self._store.write(self._lease.guard, learned, *batch.writes(CONSUMER, self._offset))
        failpoint("applier.after_write")
        for item_system, item in batch.items:
            self._catalog.put(item_system, item)
        if batch.items:
            await self._release_unknown()
        self.applied += batch.applied
        self.unchanged += batch.unchanged
        self.parked += len(batch.parked)
        for rows in results[-2:]:
            self._offer(rows)

    async def _release_unknown(self) -> None:
        """New SKUs came: orders that were parked for want of one are tried again by themselves."""
        waiting = await self._store.read("parked_with_reason", reason="unknown_sku", limit=RELEASE_MAX)
        if not waiting:
            return
        now_ms = self._clock.now_ms()
        keys = [
            {"system": system, "operation": operation, "key": key, "now_ms": now_ms}
            for system, operation, key, _ in waiting
        ]
        results = await self._store.write(
            self._lease.guard,
            Write("delivery_release", keys),
            Write(
                "parked_resolve",
                [{**row, "resolution": "tried again: new SKUs", "by": "syncline"} for row in keys],
            ),
        )
        self._offer(results[1])

    async def _load(self, batch: Batch, changes: Sequence[tuple[str, Change]]) -> None:
        keys: dict[tuple[str, Kind], dict[str, None]] = {}
        orders: dict[str, dict[str, None]] = {}
        channels = list(self._systems)
        for system, change in changes:
            keys.setdefault((system, change.kind), {})[change.key] = None
            if change.kind is Kind.ORDER:
                orders.setdefault(system, {})[change.key] = None
            elif change.kind is Kind.ERP_ORDER:
                parsed = parse_reference(change.key, channels)
                if parsed is not None:
                    orders.setdefault(parsed[0], {})[parsed[1]] = None
        for (system, kind), wanted in keys.items():
            rows = await self._store.read("records_get", system=system, kind=kind.value, keys=list(wanted))
            for key, version, tiebreak, hash_, body, _, _ in rows:
                value = decode(kind, body) if kind is Kind.ORDER else None
                batch.known(system, kind, key, version, tiebreak, hash_, value)
        for channel, wanted in orders.items():
            for row in await self._store.read("demand_of_orders", channel=channel, orders=list(wanted)):
                batch.demand_known(row)
