"""One lane: everything that goes to one system, under one limit, driven by exactly one worker.

The way of a call: wait until the governor would let it through; take the keys with the earliest
deadlines of one operation and fill the call with the next ones; build the payloads from present
truth; write the intent; call; write the results. Nothing is ever sent without a durable intent, and
an intent without a result is resolved before its records are touched again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from functools import partial
from random import Random
from typing import Any

import structlog

from syncline.engine.codec import decode_payloads, sent_fingerprints
from syncline.engine.delivery.blind import BlindWrites, ReadBack
from syncline.engine.delivery.build import Builder, Due, Found, Refuse, Send, Skip, Wait
from syncline.engine.delivery.looking import Looking
from syncline.engine.delivery.patience import RETRY_S, kept
from syncline.engine.delivery.queue import DueQueue
from syncline.engine.delivery.rehearse import Rehearsal
from syncline.engine.delivery.results import Results
from syncline.engine.delivery.stops import Aside, Stops
from syncline.engine.failpoints import failpoint
from syncline.engine.ids import Ids
from syncline.engine.leases import Lease
from syncline.engine.modes import Modes, Stop
from syncline.engine.rewind import Rewind
from syncline.engine.routes import Routes, split_key
from syncline.engine.states import STATE_OPERATIONS
from syncline.model.delivery import OPEN_STATES, DeliveryState, Item, Operation, Outcome, Result
from syncline.model.errors import AuthExpired, Fenced, OutcomeUnknown, Retryable, SynclineError, Throttled
from syncline.model.payloads import Payload
from syncline.ports import Clock, Row, Store, System, Write

CALLS_MAX = 32  # calls of one lane in flight
BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 60.0
OUTAGE_PROBE_MAX_S = 5.0
AUTH_RETRY_S = 30.0
NEVER_MS = 1 << 62
UNDECIDED = (Result.UNKNOWN, Result.ACCEPTED)
BATCH_MIN = 4  # items that a call may always carry, however often such calls are refused

log = structlog.get_logger(__name__)


class Lane:
    """Drives one system's deliveries."""

    def __init__(
        self,
        *,
        system: System,
        store: Store,
        clock: Clock,
        rng: Random,
        ids: Ids,
        routes: Routes,
        builder: Builder,
        lease: Lease,
        on_stored: Callable[[], None],
        on_stale: Callable[[str], None],
        offer: Callable[[Sequence[Row]], None],
        rewind: Rewind,
        calls_max: int = CALLS_MAX,
        modes: Modes | None = None,
    ) -> None:
        self.system = system
        self._rewind = rewind
        self._looking = Looking(system, clock, rewind)
        self._store = store
        self._clock = clock
        self._rng = rng
        self._ids = ids
        self._routes = routes
        self._builder = builder
        self._lease = lease
        self._on_stored = on_stored
        self._on_stale = on_stale
        self._offer_all = offer
        self._queues: dict[str, DueQueue] = {name: DueQueue() for name in system.sink.operations}
        self._busy: dict[str, int] = {}  # records with a call in flight, and since when
        # What is due, by the record in flight that it waits for.
        self._waiting: dict[str, dict[tuple[str, str], None]] = {}
        self._loaded = False
        self._signals = {True: asyncio.Event(), False: asyncio.Event()}
        # Until when a loop sleeps because nothing is due; only what is due earlier wakes it.
        self._sleeps_until = {True: NEVER_MS, False: NEVER_MS}
        self._slots = asyncio.Semaphore(calls_max)
        self._tasks: set[asyncio.Task[None]] = set()
        self._paused_until = 0.0
        self._failing: dict[str, None] = {}
        self._probes = 0
        self._stale_rounds: dict[str, int] = {}
        self._batch_max: dict[str, int] = {}
        self.blind = BlindWrites(system.capabilities, clock, self._ask)
        self._read_back = ReadBack(system, store, clock, self.blind)
        self.stops = Stops(modes)
        self._rehearsal = Rehearsal(system, clock, self.stops)
        self.calls = 0
        self.items = 0
        self.last_error = ""
        self.auth_failed = False
        self.down_since_ms = 0
        self.failing_since_ms = 0  # nothing has worked since; 0: the last call did
        self.last_ok_ms = 0

    # --- what is to be done -------------------------------------------------------------------------

    def pending(self) -> int:
        """Deliveries that wait or are under way."""
        return sum(len(queue) for queue in self._queues.values()) + len(self._busy) + len(self.stops)

    def works_on(self, order_key: str) -> int | None:
        """Since when a call about an order is under way, or its outcome unknown; ``None`` if there is none."""
        return self._busy.get(f"order {order_key}")

    def reading(self) -> set[str]:
        """The orders that wait to be read, or that have any call in flight."""
        queue = self._queues.get("read_order")
        busy = {record.removeprefix("order ") for record in self._busy if record.startswith("order ")}
        return busy if queue is None else busy | queue.keys()

    def at_rest(self, keys: Iterable[str], operation: str = "set_stock") -> set[str]:
        """The states (stock numbers) of which no delivery waits, is under way, or may be in the store unread."""
        queue = self._queues.get(operation)
        if not self._loaded or queue is None:
            return set()
        found = set(keys) - queue.keys()
        if self._busy:
            found = {key for key in found if self._record_of(operation, key) not in self._busy}
        if len(self.stops):
            found = {key for key in found if (operation, key) not in self.stops}
        return found

    def offer(self, row: Row) -> None:
        """A delivery was touched: (system, operation, key, state, generation, deliver_by, not_before).

        Commits may be told of in another order than they were made in: the answer to one may have been lost at first.
        So what was touched later stands, and the end of a call that is under way tells what came meanwhile.
        """
        _, operation, key, state, generation, _, not_before_ms = row
        if (queue := self._queues.get(operation)) is None or state == DeliveryState.RUNNING:
            return
        if generation < queue.generation(key) or not self.stops.touched(operation, key, generation):
            return
        if state in OPEN_STATES:
            self._put(row)
            urgent = self._operation(operation).urgent
            if not_before_ms < self._sleeps_until[urgent]:
                self._signals[urgent].set()
        else:
            queue.discard(key)

    def _put(self, row: Row) -> None:
        _, operation, key, state, generation, *times = row
        ride = state != DeliveryState.RETRYABLE
        self._queues[operation].put(key, *times, may_ride=ride, generation=generation)

    async def look_in_store(self) -> None:
        """Queue what is open in the store: whoever touched it may have failed before this lane was told."""
        for row in await self._open_rows() if self._loaded else ():
            self.offer(row)

    async def _open_rows(self) -> list[Row]:
        return await self._store.read("deliveries_pending", system=self.system.name)

    def wake(self) -> None:
        """Look again at what is due."""
        for signal in self._signals.values():
            signal.set()

    def changed(self, routes: Collection[str]) -> None:
        """Some routes were paused, resumed, or put in shadow or live: look at what they held back again."""
        for operation, key, entry in self.stops.release(routes):
            self._queue_again(operation, key, entry)

    def look_again(self, limit: int) -> None:
        """Look again at what a route in shadow would not send yet: it may be able to by now."""
        for operation, key in self.stops.waiting(limit):
            entry = self.stops.take(operation, key)
            if entry is not None:
                self._queue_again(operation, key, entry)

    def _queue_again(self, operation: str, key: str, entry: Aside) -> None:
        if key not in self._queues[operation]:  # else it was touched meanwhile
            self._queues[operation].put(
                key,
                entry.deliver_by_ms,
                entry.not_before_ms,
                may_ride=entry.may_ride,
                generation=entry.generation,
            )
        self._signals[self._operation(operation).urgent].set()

    def _operation(self, name: str) -> Operation:
        return self.system.sink.operations[name]

    async def load(self) -> None:
        """Refill the queues from the store and resolve what a former process left open."""
        intents = await self._open_intents()
        open_keys: dict[tuple[str, str], None] = {}
        for intent, operation, items, started_at_ms in intents:
            payloads = decode_payloads(operation, items)
            for key in payloads:
                open_keys[operation, key] = None
                self._busy[self._record_of(operation, key)] = started_at_ms
            self._spawn(
                self._resolve_later(intent, operation, payloads, started_at_ms, sent_fingerprints(payloads))
            )
        for row in await self._open_rows():
            if row[1] in self._queues and row[1:3] not in open_keys:
                self._put(row)
        self._loaded = True

    # --- the loops ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Deliver until cancelled. Two loops, so that an urgent call never waits behind another."""
        await self._lease.take()
        await self.load()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._loop(urgent=True))
            group.create_task(self._loop(urgent=False))
            group.create_task(self._lease.keep())

    async def stop(self) -> None:
        """Let calls in flight finish; whatever is not answered is resolved at the next start."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=8.0)
        for task in list(self._tasks):
            task.cancel()
        await self._lease.drop()

    async def _loop(self, *, urgent: bool) -> None:
        signal = self._signals[urgent]
        names = [name for name, rules in self.system.sink.operations.items() if rules.urgent is urgent]
        while True:
            signal.clear()
            wait = max(0.0, self._paused_until - self._clock.monotonic())
            if wait:
                await self._clock.sleep(wait)
                continue
            now_ms = self._clock.now_ms()
            if not self._due(names, now_ms):
                await self._sleep(names, urgent=urgent)
                continue
            await self._slots.acquire()
            try:
                await self.system.governor.ready(urgent=urgent)
                now_ms = self._clock.now_ms()
                call = self._next_call(self._due(names, now_ms), now_ms)
            except BaseException:
                self._slots.release()
                raise
            if call is None:
                self._slots.release()
                continue
            self._spawn(self._deliver(*call))

    def _due(self, names: Sequence[str], now_ms: int) -> list[str]:
        """Operations with something due, the most urgent first."""
        due = [
            (at, name)
            for name in names
            if not self._rewind.holds_back(name) and (at := self._queues[name].due(now_ms)) is not None
        ]
        return [name for _, name in sorted(due)]

    def _next_call(self, names: Sequence[str], now_ms: int) -> tuple[str, list[str]] | None:
        """Take keys of the first operation that has any whose record is free."""
        for name in names:
            limit = min(self._operation(name).batch_items_max, self._batch_max.get(name, 1 << 30))
            if self.blind.concerns(
                name
            ):  # one reading, one write: every further call makes the window longer
                limit = min(limit, self._operation("read_stock").batch_items_max)
            keys = self._queues[name].pop(now_ms, limit, partial(self._take_free, name))
            if keys:
                return name, keys
        return None

    def _record_of(self, operation: str, key: str) -> str:
        if operation in ("set_stock", "read_stock"):
            return f"stock {key}"
        if operation in STATE_OPERATIONS:
            return f"{STATE_OPERATIONS[operation]} {key}"
        return f"order {split_key(key)[0]}"

    def _take_free(self, operation: str, key: str) -> bool:
        """Take a key unless its record has a call in flight: two facts of one record never fly together."""
        record = self._record_of(operation, key)
        if record in self._busy:
            self._waiting.setdefault(record, {})[operation, key] = None
            return False
        self._busy[record] = self._clock.now_ms()
        return True

    def _give_back(self, operation: str, keys: Collection[str]) -> None:
        for key in keys:
            record = self._record_of(operation, key)
            self._busy.pop(record, None)
            for name, waiting in self._waiting.pop(record, ()):
                self._queues[name].wake(waiting)
                self._signals[self._operation(name).urgent].set()

    async def _sleep(self, names: Sequence[str], *, urgent: bool) -> None:
        """Wait until more is due."""
        signal = self._signals[urgent]
        queues = [self._queues[name] for name in names if not self._rewind.holds_back(name)]
        moments = [at for at in (queue.next_at() for queue in queues) if at is not None]
        until_ms = min(moments, default=NEVER_MS)
        self._sleeps_until[urgent] = until_ms
        delay = max(0.001, (until_ms - self._clock.now_ms()) / 1000)
        timer = self._clock.after(delay, signal.set) if moments else None
        try:
            await signal.wait()
        finally:
            self._sleeps_until[urgent] = NEVER_MS
            if timer is not None:
                timer.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Fenced):
            self._lease.look()  # another worker has it: this one ends
        elif isinstance(error, Retryable | OutcomeUnknown):  # a full disk, a database that restarts
            log.warning("the store does not take it", action="store_refused", error=str(error))
        elif isinstance(error, Exception):
            log.error("call failed", action="call_failed", system=self.system.name, exc_info=error)

    # --- one call -----------------------------------------------------------------------------------

    async def _deliver(self, operation: str, keys: list[str]) -> None:
        free = list(keys)
        intent = ""
        sending: Counter[str] = Counter()
        try:
            rows = await self._store.read(
                "deliveries_get",
                system=self.system.name,
                operation=operation,
                keys=keys,
            )
            known = {row[0]: row for row in rows}
            reads_only = self._operation(operation).reads_only
            if not reads_only:
                self.stops.hold(operation, known, Stop.PAUSED)
            results = self._results(operation, known)
            due = {key: Due(self._routes.named(known[key][1]), known[key][4]) for key in keys if key in known}
            built = await self._builder.build(operation, due, self._clock.now_ms())
            if not reads_only:
                await self._rehearsal.compare(self._operation(operation), built, known, results)
            built = await self._looking.before(operation, built, known)
            sends: dict[str, Send] = {}
            for key, what in built.items():
                if isinstance(what, Send):
                    sends[key] = what
                elif isinstance(what, Skip):
                    results.skip(key, what.reason, what.holds)
                elif isinstance(what, Wait):
                    results.wait(key, what)
                elif isinstance(what, Refuse):
                    results.park(key, what.reason, what.detail, what.payload)
                elif isinstance(what, Found):
                    results.adopt(Item(key, what.payload), what.outcome, what.note)
            payloads = {key: send.payload for key, send in sends.items()}
            if not reads_only:
                self.stops.hold_back(operation, payloads, known)
                sending.update(known[key][1] for key in payloads if key in known)
                self.stops.sending.update(sending)
            intent = self._ids.new()
            begin = list(results.writes())
            if payloads and not reads_only:
                begin += results.begin(intent, payloads)
                begin += [write for key in payloads for write in sends[key].writes]
            if begin:
                self._offer_all(results.touched(await self._write(*begin), begin))
                failpoint("lane.after_intent")
                if any(sends[key].writes for key in payloads):
                    self._on_stored()
            if payloads:
                free = [key for key in keys if key not in payloads]
                self._give_back(operation, free)
                free = list(payloads)
                await self._call(intent, operation, payloads, known, {k: s.note for k, s in sends.items()})
                free = []
        except (Retryable, OutcomeUnknown):
            held, free = free, []
            self._spawn(self._go_on(intent, operation, held))
            raise
        except Exception:
            self._spawn(self._offer_again(operation, keys))
            raise
        finally:
            self._slots.release()
            self.stops.sending.subtract(sending)
            if free:
                self._give_back(operation, free)

    async def _go_on(self, intent: str, operation: str, held: Collection[str]) -> None:
        """Go on with records of a call in the midst of which the store failed, from what it has, as after a restart."""
        await self._clock.sleep(RETRY_S)
        for unfinished, _, items, started_at_ms in await kept(self._clock, self._open_intents):
            if unfinished == intent:
                payloads = {k: x for k, x in decode_payloads(operation, items).items() if k in held}
                self._spawn(
                    self._resolve_later(
                        intent, operation, payloads, started_at_ms, sent_fingerprints(payloads)
                    )
                )
                return
        self._give_back(operation, held)
        await self._offer_again(operation, held)

    async def _open_intents(self) -> list[Row]:
        return await self._store.read("intents_unfinished", system=self.system.name)

    async def _offer_again(self, operation: str, keys: Collection[str]) -> None:
        """Queue what could not be worked on; not what may have been sent."""
        await self._clock.sleep(RETRY_S)
        of = {"system": self.system.name, "operation": operation}
        for row in await kept(self._clock, lambda: self._store.read("deliveries_get", **of, keys=list(keys))):
            key, _, state, generation, _, deliver_by_ms, not_before_ms, *_ = row
            self.offer((*of.values(), key, state, generation, deliver_by_ms, not_before_ms))

    async def _write(self, *writes: Write) -> list[list[Row]]:
        """Write as this lane's owner, however long the store takes nothing."""
        return await kept(self._clock, lambda: self._store.write(self._lease.guard, *writes))

    def _results(self, operation: str, known: dict[str, Row], asked_ms: int | None = None) -> Results:
        return Results(
            self.system.name,
            operation,
            self._routes,
            known,
            self._clock.now_ms(),
            self.system.capabilities,
            asked_ms=asked_ms,
            ours_since=self.stops.modes.ours_since,
        )

    async def _call(
        self,
        intent: str,
        operation: str,
        payloads: dict[str, Payload],
        known: dict[str, Row],
        notes: dict[str, str],
    ) -> None:
        items = [Item(key, payload) for key, payload in payloads.items()]
        asked_ms = self._clock.now_ms()
        self.calls += 1
        self.items += len(items)
        if self.blind.concerns(operation):
            answered = await self.blind.write(items, intent)
        else:
            outcomes = await self._ask(operation, items, intent)
            answered = list(zip(items, outcomes, strict=True))
        failpoint("lane.after_call")
        answered = await self._looking.refused(operation, answered, known)
        left = {item.key: item.payload for item, outcome in answered if outcome.result in UNDECIDED}
        if left and not self._operation(operation).reads_only:
            settled = [(item, outcome) for item, outcome in answered if item.key not in left]
            if settled:  # cannot happen for all-or-nothing calls; kept apart so that nothing is guessed
                await self._finish(intent, operation, settled, known, notes, close=False)
            accepted = {item.key for item, outcome in answered if outcome.result is Result.ACCEPTED}
            started_at_ms = self._clock.now_ms()
            self._spawn(self._resolve_later(intent, operation, left, started_at_ms, notes, accepted))
            return
        await self._finish(intent, operation, answered, known, notes, close=True, asked_ms=asked_ms)

    async def _ask(self, operation: str, items: Sequence[Item], key: str) -> list[Outcome]:
        if not self._operation(operation).reads_only:
            await kept(self._clock, self._lease.sure)
        try:
            outcomes = await self.system.sink.deliver(operation, items, key)
        except AuthExpired as error:
            self.auth_failed = True
            self.failing_since_ms = self.failing_since_ms or self._clock.now_ms()
            self._pause(AUTH_RETRY_S, str(error))
            return [Outcome(Result.THROTTLED, str(error), AUTH_RETRY_S)] * len(items)
        except Throttled as error:
            return [Outcome(Result.THROTTLED, str(error), error.retry_after_s)] * len(items)
        except Retryable as error:
            outcomes = [Outcome(Result.NOT_SENT, str(error))] * len(items)
        except SynclineError as error:
            outcomes = [Outcome(Result.UNKNOWN, str(error))] * len(items)
        except Exception as error:
            log.exception("sink failed", action="sink_failed", system=self.system.name, operation=operation)
            outcomes = [Outcome(Result.UNKNOWN, f"{type(error).__name__}: {error}")] * len(items)
        self._observe(items, outcomes)
        return outcomes

    def _observe(self, items: Sequence[Item], outcomes: Sequence[Outcome]) -> None:
        """Tell an outage of the vendor from a record that it does not like."""
        bad = [
            (item, outcome)
            for item, outcome in zip(items, outcomes, strict=True)
            if outcome.result in (Result.RETRY, Result.NOT_SENT, Result.UNKNOWN)
        ]
        if len(bad) < len(items):
            self._failing.clear()
            self._probes = 0
            self.auth_failed = False
            self.down_since_ms = self.failing_since_ms = 0
            self.last_ok_ms = self._clock.now_ms()
            return
        self.failing_since_ms = self.failing_since_ms or self._clock.now_ms()
        for item, outcome in bad:
            self._failing[item.key] = None
            self.last_error = outcome.message
        if self.in_outage:
            self.down_since_ms = self.down_since_ms or self._clock.now_ms()
            self._probes += 1
            self._pause(min(OUTAGE_PROBE_MAX_S, 0.25 * 2 ** min(self._probes, 10)), self.last_error)

    @property
    def in_outage(self) -> bool:
        """Nothing but failures, on several records: the vendor is down, not the record bad."""
        return len(self._failing) >= 3

    def _pause(self, seconds: float, why: str) -> None:
        self.last_error = why
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    def backoff(self, attempts: int) -> float:
        """Seconds until the next attempt: exponential with full jitter."""
        ceiling = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** min(attempts, 12))
        return BACKOFF_FIRST_S / 2 + self._rng.random() * ceiling

    async def _finish(
        self,
        intent: str,
        operation: str,
        outcomes: Sequence[tuple[Item, Outcome]],
        known: dict[str, Row],
        notes: dict[str, str],
        *,
        close: bool,
        asked_ms: int | None = None,
        silent_s: float = 0.0,
    ) -> None:
        """Write what became of each item, then free the records; ``silent_s``: since when nothing has worked."""
        self._adapt(operation, outcomes)
        results = self._results(operation, known, asked_ms)
        reads_only = self._operation(operation).reads_only
        events = [outcome.facts["event"] for _, outcome in outcomes if "event" in outcome.facts]
        if events:
            received_at_ms = self._clock.now_ms()
            await kept(self._clock, lambda: self._store.append(events, received_at_ms=received_at_ms))
        for item, outcome in outcomes:
            attempts = known[item.key][7] if item.key in known else 0
            delay = outcome.retry_after_s
            if delay is None:
                delay = max(self.backoff(attempts), min(BACKOFF_MAX_S, silent_s / 4))
            results.outcome(
                item,
                outcome,
                intent,
                delay_s=delay,
                outage=self.in_outage or silent_s > 0,
                note=notes.get(item.key, ""),
                stale_rounds=self._rounds(item.key, outcome),
            )
        writes = results.writes(None if reads_only else intent, close=close)
        failpoint("lane.before_result")
        rows = await self._write(*writes)
        failpoint("lane.after_result")
        self._give_back(operation, [item.key for item, _ in outcomes])
        self._offer_all(results.touched(rows, writes))
        if results.stale:
            self._on_stale(self.system.name)
        if events or results.marked:
            self._on_stored()

    def _adapt(self, operation: str, outcomes: Sequence[tuple[Item, Outcome]]) -> None:
        """Size the batches of an all-or-nothing call by how often one stale line refuses it."""
        full = self._operation(operation).batch_items_max
        if full == 1 or self._operation(operation).reads_only:
            return
        size = self._batch_max.get(operation, full)
        if any(outcome.result is Result.STALE for _, outcome in outcomes):
            self._batch_max[operation] = max(BATCH_MIN, min(size, len(outcomes)) // 2)
        elif all(outcome.result is Result.DONE for _, outcome in outcomes):
            self._batch_max[operation] = min(full, size * 2)

    def _rounds(self, key: str, outcome: Outcome) -> int:
        """Count refuted expectations in a row; a success, or a restart, begins anew."""
        if outcome.result is Result.STALE and outcome.facts.get("refuted", True):
            self._stale_rounds[key] = self._stale_rounds.get(key, 0) + 1
        elif outcome.result is Result.DONE:
            self._stale_rounds.pop(key, None)
        return self._stale_rounds.get(key, 0)

    # --- unknown outcomes ---------------------------------------------------------------------------

    async def _resolve_later(
        self,
        intent: str,
        operation: str,
        payloads: dict[str, Payload],
        started_at_ms: int,
        notes: dict[str, str],
        accepted: Collection[str] = (),
    ) -> None:
        """Find out what became of a call, and only then let its records go on.

        A number that was written over nobody knows what is read back, once it took effect or never will; the
        same key again would write it once more. Else the same key again while the vendor remembers
        keys; else a look-up by our reference, repeated over the vendor's consistency window; else a person
        decides. What sets a record whole needs none of that, unless its call may still be at work.
        """
        rules = self._operation(operation)
        of = {"system": self.system.name, "operation": operation, "keys": list(payloads)}
        rows = await kept(self._clock, lambda: self._store.read("deliveries_get", **of))
        # What changed since the call was built is not in it: its end must not count for that.
        attempts = await kept(self._clock, lambda: self._store.read("attempts_of", intent=intent))
        sent: dict[str, int] = dict(attempts)
        known = {row[0]: (*row[:3], sent.get(row[0], row[3]), *row[4:]) for row in rows}
        items = [Item(key, payload) for key, payload in payloads.items()]
        tries, silent_s = 0, 0.0
        while items:
            blind = self.blind.concerns(operation)
            age_ms = self._clock.now_ms() - started_at_ms
            pause_s = self.blind.pause_s(age_ms, told=rules.look_up) if blind else 0.0
            await self._clock.sleep(pause_s or self.backoff(tries))
            tries += 1
            age_ms = self._clock.now_ms() - started_at_ms
            if blind:
                outcomes = await self._read_back.outcomes(items, intent, age_ms, accepted)
            elif rules.retry_same_key_ms > age_ms:
                if self.stops.any(known):
                    continue  # sending it once more is sending: it waits for its routes
                outcomes = await self._ask_again(operation, items, intent, known)
            elif rules.sets:  # whatever it did is overwritten by what holds by now
                if 0 < self.failing_since_ms < started_at_ms:  # nothing has worked since an earlier call
                    silent_s = (self._clock.now_ms() - self.failing_since_ms) / 1000
                outcomes = [Outcome(Result.RETRY, "its outcome is not known: set again")] * len(items)
            elif rules.look_up:
                outcomes = [await self._looking.later(operation, item, age_ms) for item in items]
            else:
                outcomes = [
                    Outcome(
                        Result.REJECTED,
                        "the answer to this call was lost and the vendor offers no way to find out; check there "
                        "whether it took effect, then discard this entry, or release it to send it again",
                    ),
                ] * len(items)
            settled = [
                (item, outcome)
                for item, outcome in zip(items, outcomes, strict=True)
                if outcome.result not in (Result.UNKNOWN, Result.THROTTLED, Result.NOT_SENT)
                and (rules.sets or outcome.result is not Result.WAIT)
            ]
            held = [item.key for item in items]
            items = [
                item for item, outcome in zip(items, outcomes, strict=True) if (item, outcome) not in settled
            ]
            if not settled:
                continue
            try:
                await self._finish(
                    intent, operation, settled, known, notes, close=not items, silent_s=silent_s
                )
            except OutcomeUnknown:
                self._spawn(self._go_on(intent, operation, held))
                raise

    async def _ask_again(
        self, operation: str, items: Sequence[Item], intent: str, known: dict[str, Row]
    ) -> list[Outcome]:
        """Send a call whose outcome is not known once more, under its key."""
        sending = Counter(row[1] for row in known.values())
        self.stops.sending.update(sending)
        try:
            return await self._ask(operation, items, intent)
        finally:
            self.stops.sending.subtract(sending)
