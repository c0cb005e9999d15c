"""Applies the log: decode, check versions, store, and note what has to follow.

One applier owns the log at a time (lease ``apply``). Everything that a batch of events leads to is
one transaction together with the new place in the log, so a crash at any point costs nothing: the
batch is applied again, and whatever it had changed already is not newer any more.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import structlog

from syncline.engine.adoption import Adoption
from syncline.engine.apply.batch import Batch
from syncline.engine.apply.clocks import Clocks
from syncline.engine.apply.credit import CreditNews
from syncline.engine.apply.doubt import Doubts, Read, reading
from syncline.engine.apply.heard import Checks, Verdict
from syncline.engine.apply.known import Known, Memory
from syncline.engine.apply.news import News
from syncline.engine.apply.retired import LateNews
from syncline.engine.apply.suspicion import Suspicion
from syncline.engine.apply.tally import Tallies
from syncline.engine.catalog import Catalog
from syncline.engine.codec import decode
from syncline.engine.derive.demand import DemandLearner
from syncline.engine.derive.states import DERIVE_MAX as CONTENTS_MAX
from syncline.engine.derive.states import StateDeriver
from syncline.engine.derive.stock import DERIVE_MAX, StockDeriver
from syncline.engine.failpoints import failpoint
from syncline.engine.leases import Lease
from syncline.engine.privacy.intake import Intake
from syncline.engine.routes import Routes, parse_reference, reference_of, split_key
from syncline.engine.routing import decisions
from syncline.engine.states import States
from syncline.model.change import Change, Flow, Kind, LoggedEvent, Via
from syncline.model.copying import replace
from syncline.model.errors import OutcomeUnknown, Rejected, Retryable
from syncline.model.records import ErpOrder, Order
from syncline.ports import Clock, Row, Store, System, Write

APPLY_MAX = 200  # events in one transaction
CHANGES_MAX = 1_000  # changes after which a transaction takes no further event: nothing else runs meanwhile
CONSUMER = "apply"
HEARD_MAX = 200  # events kept between the log and their turn
CLOCKS_LEARNT_MS = (
    120_000  # after a start: by then orders told at once have shown how far channels' clocks are ahead
)
HEARD_BYTES_MAX = 65_536  # of one of them
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
        offer_open: Callable[[], Awaitable[None]] | None = None,
        adoption: Adoption | None = None,
        ours_since: Callable[[str], int] = lambda _route: 0,
        states: States | None = None,
        contents: StateDeriver | None = None,
        routed: Collection[str] = (),
        credit: CreditNews | None = None,
        intake: Intake | None = None,
    ) -> None:
        self._intake = intake or Intake(store)
        self._credit = credit or None
        self._routed = routed  # channels of which it is decided here from where orders are sent
        self._states = states
        self._contents = contents
        self._judged = {Kind.STOCK, Kind.ITEM, *(flow.kind for flow in (states.flows if states else ()))}
        self._store = store
        self._clock = clock
        self._adoption = adoption or Adoption(store, routes, {})
        self._systems = systems
        self._capabilities = {name: system.capabilities for name, system in systems.items()}
        self._routes = routes
        self._sells = {route.sink for route in routes.of(Flow.INVENTORY)}
        self._catalog = catalog
        self._deriver = deriver
        self._learner = learner
        self._lease = lease
        self._offer = offer
        self._offer_open = offer_open
        self._untold = False  # a step failed: deliveries may be open that no lane was told of
        self._signal = asyncio.Event()
        self._offset = -1
        self._ahead: list[LoggedEvent] = []  # read from the log, and not applied yet
        self._heard: dict[int, LoggedEvent] = {}  # as they were appended, by offset
        self._look = True  # something may be in the log that was not heard
        self._full = False
        self._progress = asyncio.Event()
        self._ours_since = ours_since
        self._memory = Memory()
        self._late = LateNews(store, routes, list(systems))
        self._suspicion = Suspicion(store, lease)
        self.tallies = Tallies(store)
        self._doubts = Doubts(store, clock, systems, routes, self.tallies)
        self._checks = Checks(store, clock, routes, self.wake)
        self._clocks = Clocks()
        self._clocks_known_ms = 0
        self.applied = 0
        self.unchanged = 0
        self.parked = 0
        self.news = News()
        self.levels: Counter[tuple[str, Verdict]] = (
            Counter()
        )  # numbers that channels told, and what of it came

    def wake(self) -> None:
        """Something was appended or marked."""
        self._look = True
        self._signal.set()

    def hear(self, logged: LoggedEvent) -> None:
        """This was appended. It need not be read again when its turn comes, if nothing else comes before it."""
        if len(self._heard) < HEARD_MAX and len(logged.event.body) <= HEARD_BYTES_MAX:
            self._heard[logged.offset] = logged
        else:
            self._look = True
        self._signal.set()

    @property
    def offset(self) -> int:
        """How far the log has been applied."""
        return self._offset

    async def reached(self, offset: int) -> None:
        """Wait until the log has been applied up to an offset."""
        while self._offset < offset:
            self._progress.clear()
            await self._progress.wait()

    async def run(self) -> None:
        """Apply and derive until cancelled."""
        while True:
            try:
                more = await self.step()
            except (Retryable, OutcomeUnknown) as error:  # a full disk, a database that restarts
                log.warning("the store does not take it", action="store_refused", error=str(error))
                self._offset = -1  # as after a restart: read again how far we are
                self._untold = True
                self._deriver.deferred()  # if only its answer was lost, it may have marked something for later
                if self._contents is not None:
                    self._contents.marked()
                await self._clock.sleep(STORE_RETRY_S)
                continue
            if not more:
                await self._signal.wait()

    async def step(self) -> bool:
        """One batch of events, then one round of derivation; whether either was full, so that there may be more.

        Whatever is appended or marked after this looked wakes the applier.
        """
        if self._untold and self._offer_open is not None:
            await self._offer_open()
            self._untold = False
        if self._offset < 0:
            self._memory.forget()
            self._late.forget()
            rows = await self._store.read("progress_get", consumer=CONSUMER)
            self._offset = rows[0][0] if rows else 0
            if self._offset and not self._clocks.known:  # a former process had heard it
                self._clocks_known_ms = self._clock.now_ms() + CLOCKS_LEARNT_MS
            self._ahead = []
            self.tallies.forget()
            self._look = True
            await self._suspicion.begin(self._offset)
            self._checks.begin()
        if not self._ahead:
            self._ahead = await self._next()
        if self._ahead:
            if self._suspicion.suspicious:
                await self._suspicion.trying(self._ahead[0].offset)
            async with self.tallies.lock:
                taken = await self._apply(self._ahead)
            del self._ahead[:taken]
            self._suspicion.applied(self._offset)
        self._progress.set()
        derived, touched = await self._deriver.step(self._lease.guard)
        self._offer(touched)
        self._offer(await self._checks.step(self._lease.guard))
        return await self._compute_contents() or bool(self._ahead) or self._full or derived == DERIVE_MAX

    async def _compute_contents(self) -> bool:
        """A round of the state records' contents; whether there are more."""
        if self._contents is None:
            return False
        computed, touched = await self._contents.step(self._lease.guard)
        self._offer(touched)
        return computed == CONTENTS_MAX

    async def _next(self) -> list[LoggedEvent]:
        """The events after our place: those that were heard as they came, else what the log has."""
        self._signal.clear()  # here, and not before each step: one that works off what was read before looks at nothing
        at = self._offset
        if not self._look and not self._suspicion.suspicious:
            heard: list[LoggedEvent] = []
            while len(heard) < APPLY_MAX and (logged := self._heard.pop(at + 1, None)) is not None:
                heard.append(logged)
                at += 1
            if heard:
                self._full = bool(self._heard)
                return heard
        self._look = False
        at_once = 1 if self._suspicion.suspicious else APPLY_MAX
        events = await self._store.events(self._offset, at_once)
        self._full = len(events) == at_once
        self._look = self._look or self._full
        reached = events[-1].offset if events else self._offset
        self._heard = {offset: logged for offset, logged in self._heard.items() if offset > reached}
        return events

    def _decode(self, batch: Batch, logged: LoggedEvent) -> list[Change]:
        event = logged.event
        if logged.offset == self._suspicion.suspect:
            detail = "the process ended each time that it was applied; report it with the payload"
            batch.park(logged, "ends_the_process", detail)
            return []
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

    def _batch(self) -> Batch:
        now_ms = self._clock.now_ms()
        self._clocks.unsure = now_ms < self._clocks_known_ms
        return Batch(
            self._routes,
            self._capabilities,
            self._catalog,
            now_ms,
            self._clocks,
            self._ours_since,
            self._states,
        )

    async def _apply(self, events: Sequence[LoggedEvent]) -> int:
        """Apply as many of these events as make up one transaction; returns how many."""
        batch = self._batch()
        read: list[tuple[LoggedEvent, list[Change]]] = []
        count = 0
        for logged in events:
            read.append((logged, self._decode(batch, logged)))
            count += len(read[-1][1])
            if count >= CHANGES_MAX:
                break
        if count >= CHANGES_MAX:
            await self._clock.sleep(0)  # decoding took a while, and applying will
        decoded, private = await self._intake.taken(await self._adoption.renamed(read))
        decoded, late = await self._late.taken(batch, decoded)
        figures = await self._load(batch, decoded)
        credited = await self._credited(batch, decoded)
        weighed = await self._doubts.weigh(batch, decoded, figures)
        for _, freed in weighed.freed:
            batch.apply(*freed)
        for logged, changes in decoded:
            for change in changes:
                if (logged.offset, change.key) in weighed.held:
                    batch.leave(logged, change)
                else:
                    batch.apply(logged, change)
        listed = [
            (name, item.sku)
            for name, item in batch.items
            if name in self._sells and self._catalog.get(name, item.sku) is None
        ]
        learned = await self._learner.learn(batch.sold, listed, self._clock.now_ms())
        self._offset = decoded[-1][0].offset
        failpoint("applier.before_write")
        results = await self._store.write(
            self._lease.guard,
            learned,
            *weighed.writes,
            *credited,
            *private,
            *late,
            *batch.writes(CONSUMER, self._offset),
        )
        failpoint("applier.after_write")
        if private:
            self._intake.stored()
        self._memory.stored(batch.records())
        if batch.deferred:
            self._deriver.deferred()
        if (batch.states or credited) and self._contents is not None:
            self._contents.marked()
        if batch.levels.to_check:
            self._checks.expect()
        self.levels.update(batch.levels.verdicts)
        for item_system, item in batch.items:
            self._catalog.put(item_system, item)
        if batch.items:
            await self._release_unknown()
        self.applied += batch.applied
        self.unchanged += batch.unchanged
        self.parked += len(batch.parked)
        self.news.count(batch.heard, batch.told, batch.found, self._clock.now_ms())
        for rows in results[-2:]:
            self._offer(rows)
        return len(decoded)

    async def _credited(
        self, batch: Batch, decoded: Sequence[tuple[LoggedEvent, list[Change]]]
    ) -> list[Write]:
        """What the news among these changes says of credit."""
        if self._credit is None:
            return []
        news = [
            (logged.event.system, change)
            for logged, changes in decoded
            for change in changes
            if batch.news(logged.event.system, change)
        ]
        return await self._credit.writes(news, self._clock.now_ms())

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

    async def accept_cuts(self, system: str) -> None:
        """A person has looked: the next full read of a system's stock is believed."""
        async with self.tallies.lock:
            tally = replace(await self.tallies.of(system), accepted_ms=self._clock.now_ms())
            await self.keep(self.tallies.put(system, tally))

    async def keep(self, *writes: Write) -> list[list[Row]]:
        """Write something about full reads; its caller has the lock of the tallies."""
        try:
            return await self._store.write(self._lease.guard, *writes)
        except BaseException:
            self.tallies.forget()
            self._memory.forget()
            raise

    async def erase(self, *writes: Write) -> list[list[Row]]:
        """Write something about records between two batches; nothing is remembered of them afterwards.

        Raises:
            Fenced: a guarded statement did not find its row, or another worker applies the log; nothing was written.
        """
        async with self.tallies.lock:
            results = await self._store.write(self._lease.guard, *writes)
            self._memory.forget()
        return results[1:]

    async def between(self, work: Callable[[], Awaitable[Sequence[Write]]]) -> list[list[Row]]:
        """Let ``work`` look at records between two batches, and write what it returns; nothing if that is nothing.

        Raises:
            Fenced: another worker applies the log; nothing was written.
        """
        async with self.tallies.lock:
            writes = await work()
            if not writes:
                return []
            try:
                results = await self._store.write(self._lease.guard, *writes)
            finally:
                self._late.forget()  # it may be written although its answer was lost
                self._memory.forget()
        return results[1:]

    async def take_doubted(self, system: str, since_ms: int) -> None:
        """Take the doubted figures that were read since a moment, and drop older ones."""
        while rows := await self._store.read("doubted_first", system=system, limit=CHANGES_MAX):
            async with self.tallies.lock:
                batch = self._batch()
                readings: list[Read] = [reading(system, row) for row in rows if row[4] >= since_ms]
                await self._load(batch, [(logged, [change]) for logged, change in readings])
                for one in readings:
                    batch.apply(*one)
                drop = Write("doubted_drop", [{"system": system, "key": row[0]} for row in rows])
                await self.keep(drop, *batch.writes(CONSUMER, self._offset))
                self._memory.stored(batch.records())
            self.wake()

    async def _load(
        self, batch: Batch, decoded: Sequence[tuple[LoggedEvent, list[Change]]]
    ) -> dict[tuple[str, str], str]:
        """Tell the batch what is known; returns the stock figures that a full read is held against, as stored."""
        figures: dict[tuple[str, str], str] = {}
        keys: dict[tuple[str, Kind], dict[str, None]] = {}
        for logged, changes in decoded:
            system = logged.event.system
            for change in changes:
                if change.kind is Kind.LEVEL:
                    continue
                name = (system, change.kind, change.key)
                # What it holds of parts is compared with what it held, and memory has no contents of such.
                whole = isinstance(change.value, ErpOrder) and any(x.parts for x in change.value.lines)
                record = None if whole or logged.event.via is Via.SNAPSHOT else self._memory.get(name)
                if record is not None:
                    batch.known(name, record)
                else:
                    keys.setdefault((system, change.kind), {})[change.key] = None
        for (system, kind), wanted in keys.items():
            rows = await self._store.read("records_get", system=system, kind=kind.value, keys=list(wanted))
            for key, version, tiebreak, hash_, body, _, _ in rows:
                value = decode(kind, body) if kind in (Kind.ORDER, Kind.ERP_ORDER) else None
                if kind is Kind.STOCK:
                    figures[system, key] = body
                batch.known((system, kind, key), Known(version, tiebreak, hash_, value))
        await self._load_vanished(batch, decoded)
        await self._load_demand(batch, decoded)
        await self._load_unseen(batch, decoded)
        await batch.levels.load(
            self._store, [(logged.event.system, change) for logged, changes in decoded for change in changes]
        )
        return figures

    async def _load_vanished(self, batch: Batch, decoded: Sequence[tuple[LoggedEvent, list[Change]]]) -> None:
        """Tell the batch what is told of again although the last full read lacked it."""
        keys: dict[tuple[str, Kind], dict[str, None]] = {}
        for logged, changes in decoded:
            for change in changes:
                if change.kind in self._judged:
                    keys.setdefault((logged.event.system, change.kind), {})[change.key] = None
        for (system, kind), told in keys.items():
            if kind not in (Kind.STOCK, Kind.ITEM) or (await self.tallies.of(system)).vanished:
                for (key,) in await self._store.read(
                    "vanished_among", system=system, kind=kind.value, keys=list(told)
                ):
                    batch.back(system, kind, key)

    async def _load_demand(self, batch: Batch, decoded: Sequence[tuple[LoggedEvent, list[Change]]]) -> None:
        """Tell the batch what is asked of stock by the orders that it tells news of, and what is held for them."""
        orders: dict[str, dict[str, None]] = {}
        fresh: dict[str, dict[str, str]] = {}  # not known whole: references and keys
        numbers: dict[str, set[str]] = {}
        channels = list(self._systems)
        for logged, changes in decoded:
            system = logged.event.system
            for change in changes:
                if change.kind not in (Kind.ORDER, Kind.ERP_ORDER) or not batch.news(system, change):
                    continue
                if isinstance(change.value, Order):
                    orders.setdefault(system, {})[change.key] = None
                    if not batch.known_whole(system, change.key):
                        fresh.setdefault(system, {})[reference_of(system, change.key)] = change.key
                    numbers.setdefault(system, set()).update((change.key, change.value.number))
                elif isinstance(change.value, ErpOrder):
                    parsed = parse_reference(change.key, channels)
                    if parsed is not None:
                        orders.setdefault(parsed[0], {})[parsed[1]] = None
        await self._load_erp_orders(batch, fresh)
        for channel, wanted in orders.items():
            for order_key in await self._adoption.shipped_elsewhere(channel, list(wanted)):
                batch.shipped_elsewhere(channel, order_key)
            for row in await self._store.read("demand_of_orders", channel=channel, orders=list(wanted)):
                batch.demand_known(row)
            if channel in self._routed:
                for order_key, past in (await decisions(self._store, channel, list(wanted))).items():
                    if past.decision is not None:
                        batch.routed(channel, order_key, past.decision)
        for channel, names in numbers.items():
            rows = await self._store.read("holds_of_orders", channel=channel, orders=sorted(names))
            for order_key, _, sku in rows:
                batch.hold_known(channel, order_key, sku)

    async def _load_erp_orders(self, batch: Batch, fresh: Mapping[str, Mapping[str, str]]) -> None:
        """Tell the batch what ERPs told of orders before their channels did."""
        for channel, references in fresh.items():
            names = [*references, *(reference.upper() for reference in references)]  # as some ERPs hold them
            for route in self._routes.of(Flow.ORDERS, source=channel):
                rows = await self._store.read(
                    "records_get", system=route.sink, kind=Kind.ERP_ORDER.value, keys=names
                )
                for row in rows:
                    batch.erp_order_known(channel, references[row[0].lower()], decode(Kind.ERP_ORDER, row[4]))

    async def _load_unseen(self, batch: Batch, decoded: Sequence[tuple[LoggedEvent, list[Change]]]) -> None:
        """Tell the batch what is gone already of goods in orders that are still to be read.

        It matters only where another channel sells the same.
        """
        if len(self._routes.of(Flow.INVENTORY)) < 2:
            return
        wanted: dict[str, set[str]] = {}
        for logged, changes in decoded:
            for change in changes:
                if isinstance(change.value, Order) and not change.value.complete:
                    skus = wanted.setdefault(logged.event.system, set())
                    skus.update(line.sku for line in change.value.lines)
        for system, skus in wanted.items():
            for key, _, unseen, *_ in await self._store.read(
                "bindings_of_skus", system=system, skus=sorted(skus)
            ):
                batch.unseen_known(system, split_key(key)[0], max(0, unseen))
