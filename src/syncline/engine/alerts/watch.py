"""Looking all the time, and telling: one loop that looks, and one for each way out.

No way out holds up the engine or another way. A way that fails is tried again with growing pauses, and what it
has not told yet is told in its newest form: so what waits for it is bounded by the book.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from syncline.engine.alerts.book import Book, Entry, Kept
from syncline.engine.alerts.conditions import (
    EXPIRY_WARN_MS,
    PARKED_AFTER_MS,
    Condition,
    conditions,
    stopped,
    store_silent,
    way_failing,
)
from syncline.engine.alerts.messages import Message, message_of
from syncline.engine.alerts.planned import Planned, Rates, drifts
from syncline.engine.alerts.trends import Trends
from syncline.engine.alerts.ways import Way
from syncline.engine.audit import Audit
from syncline.engine.engine import Engine
from syncline.engine.operations import NotPossible
from syncline.engine.status import clean, status
from syncline.engine.words import DAY_MS, HOUR_MS
from syncline.model.errors import OutcomeUnknown, Rejected, Retryable, SynclineError
from syncline.ports import Late, Write, within

SYSTEM, BOOK, STOPPED = "syncline", "alerts", "stopped"  # where both are kept among the cursors
LOOK_S = 10.0
COST_SHARE = 0.05  # of one core, spent on looking
SEND_S_MAX = 30.0
RETRY_FIRST_S = 5.0
RETRY_MAX_S = 300.0
REFUSED_MAX = 3  # a message that is refused so often is given up; others go on
FAREWELL_S = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """How alerts are kept; see ``[alerts]``."""

    repeat_ms: int = HOUR_MS
    repeat_max_ms: int = DAY_MS
    parked_after_ms: int = PARKED_AFTER_MS
    expires_within_ms: int = EXPIRY_WARN_MS
    public_url: str = ""
    planned: Planned | None = None


@dataclass(frozen=True, slots=True)
class WayStatus:
    """How a way out is doing."""

    name: str
    sent: int
    waiting: int
    failing_since_ms: int
    last_error: str


@dataclass(slots=True)
class _Road:
    """A way out with what happened on it."""

    way: Way
    signal: asyncio.Event
    sent: int = 0
    failing_since_ms: int = 0
    last_error: str = ""


class Watch:
    """Alerts of one running engine."""

    def __init__(
        self,
        engine: Engine,
        ways: Sequence[Way] = (),
        settings: Settings | None = None,
        *,
        disk: Callable[[], tuple[int, int] | None] = lambda: None,
    ) -> None:
        """``disk`` tells free and all bytes of the store's disk, where they can be known."""
        self._engine = engine
        self._clock = engine.clock
        self._settings = settings or Settings()
        self._disk = disk
        self._trends = Trends()
        self.rates = Rates()
        self._roads = [_Road(way, asyncio.Event()) for way in ways]
        self._learned: dict[str, dict[str, int]] = {}
        self.book = Book(
            engine.ids.new, repeat_ms=self._settings.repeat_ms, repeat_max_ms=self._settings.repeat_max_ms
        )
        self.looks = 0

    # --- for screens, API and metrics -------------------------------------------------------------------

    def ways(self) -> list[WayStatus]:
        """How each way out is doing."""
        return [
            WayStatus(
                road.way.name,
                road.sent,
                len(self.book.untold(road.way.name)),
                road.failing_since_ms,
                clean(road.last_error),
            )
            for road in self._roads
        ]

    @property
    def planned(self) -> Planned | None:
        """What the configuration says was foretold; ``None`` where it has no plan."""
        return self._settings.planned

    @property
    def expires_within_ms(self) -> int:
        """How long before its end a credential is told of."""
        return self._settings.expires_within_ms

    @property
    def disk(self) -> tuple[int, int] | None:
        """Free and all bytes of the store's disk at the latest look."""
        seen = self._trends.disk
        return (seen.free, seen.total) if seen is not None else None

    async def acknowledge(self, key: str, *, by: str, audit: Audit) -> Entry:
        """Note that a person looks after an alert: it is not repeated until it gets worse or comes back.

        Raises:
            NotPossible: no such alert is open.
        """
        entry = self.book.acknowledge(key, by, self._clock.now_ms())
        if entry is None:
            raise NotPossible(
                "not_found",
                f"No alert {key!r} is open.",
                "See Alerts on the dashboard, or syncline alert list, for those that are.",
            )
        await audit.write(self._kept(), actor=by, action="alert_acknowledged", subject=key, after=entry.title)
        return entry

    # --- looking ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look and tell until cancelled."""
        await self._clock.sleep(LOOK_S)  # by then the engine owns the store, or has ended
        while not await self._load():
            await self._clock.sleep(LOOK_S)
        async with asyncio.TaskGroup() as group:
            for road in self._roads:
                group.create_task(self._tell(road), name=f"alerts by {road.way.name}")
            while True:
                began_s = self._clock.monotonic()
                try:
                    await self.look()
                except Exception:  # whatever it is, what is known goes on being told
                    log.exception("looking failed", action="alerts_failed")
                cost_s = self._clock.monotonic() - began_s
                await self._clock.sleep(max(LOOK_S, cost_s / COST_SHARE))

    async def look(self) -> None:
        """One look: find what is wrong, write the book where it changed, wake the ways."""
        now_ms, at_s = self._clock.now_ms(), self._clock.monotonic()
        self.book.look(await self._conditions(now_ms, at_s), now_ms, at_s)
        self.looks += 1
        learned = self._trends.learned()
        if learned != self._learned:
            self._learned, self.book.changed = learned, True
        await self._save()
        for road in self._roads:
            road.signal.set()

    async def _conditions(self, now_ms: int, at_s: float) -> list[Condition]:
        found: list[Condition] = []
        try:
            seen = await status(self._engine, now_ms)
        except SynclineError as error:
            found.append(store_silent(str(error)))
        else:
            self._trends.look(seen, at_s, self._disk())
            found += conditions(
                seen,
                self._trends,
                parked_after_ms=self._settings.parked_after_ms,
                expires_within_ms=self._settings.expires_within_ms,
            )
            self.rates.look(seen.lanes, at_s)
            if self.planned is not None:
                found += drifts(self.planned, seen, self.rates)
        found += [
            way_failing(road.way.name, road.failing_since_ms, clean(road.last_error))
            for road in self._roads
            if road.failing_since_ms
        ]
        return found

    # --- lasting ----------------------------------------------------------------------------------------

    async def _load(self) -> bool:
        """Take up the book where it was left, and the end of the run before; whether the store told them."""
        read = self._engine.store.read
        try:
            rows = await read("cursor_get", system=SYSTEM, stream=BOOK)
            noted = await read("cursor_get", system=SYSTEM, stream=STOPPED)
        except SynclineError as error:
            log.warning("the book of alerts cannot be read", action="alerts_unread", error=str(error))
            return False
        try:
            kept = msgspec.json.decode(rows[0][0], type=Kept) if rows else Kept()
            end = msgspec.json.decode(noted[0][0], type=Entry) if noted else None
        except msgspec.MsgspecError as error:  # of another version; what is wrong is found again
            log.warning("the book of alerts cannot be understood", action="alerts_unread", error=str(error))
            kept, end = Kept(), None
        self.book.entries = kept.entries
        self._learned = kept.learned
        self._trends.recall(kept.learned)
        if end is not None and all(entry.id != end.id for entry in self.book.entries):
            self.book.entries.append(end)
            self.book.changed = True
        self.book.keep_ways(road.way.name for road in self._roads)
        return True

    def _kept(self) -> Write:
        kept = Kept(self.book.entries, self._learned)
        return Write("cursor_put", [_row(BOOK, msgspec.json.encode(kept).decode())])

    async def _save(self) -> None:
        if not self.book.changed:
            return
        self.book.changed = False
        try:
            await self._engine.store.write(self._engine.guard, self._kept())
        except (
            SynclineError
        ) as error:  # a full disk, or another worker has the book now; what is known is told
            self.book.changed = True
            log.warning("the book of alerts cannot be written", action="alerts_unwritten", error=str(error))

    # --- telling ----------------------------------------------------------------------------------------

    async def _tell(self, road: _Road) -> None:
        tries = 0
        refused: dict[str, int] = {}
        while True:
            road.signal.clear()
            for entry in self.book.untold(road.way.name):
                n = entry.n
                message = message_of(entry, self._settings.public_url)
                error = await self._hand_over(road, message, SEND_S_MAX)
                if error is not None:
                    tries += 1
                    if isinstance(error, Rejected):
                        refused = {message.id: refused.get(message.id, 0) + 1}
                        if refused[message.id] >= REFUSED_MAX:
                            self.book.taken(entry, road.way.name, n)
                    break
                self.book.taken(entry, road.way.name, n)
                tries = 0
                await self._save()
            else:
                await road.signal.wait()
                continue
            await self._clock.sleep(min(RETRY_MAX_S, RETRY_FIRST_S * 2.0 ** min(tries - 1, 10)))

    async def _hand_over(self, road: _Road, message: Message, most_s: float) -> SynclineError | None:
        """Give one message to a way and wait for its receipt, not for ever; what went wrong, or ``None``."""
        error: SynclineError | None = None
        try:
            await within(self._clock, most_s, road.way.send(message))
        except Late:
            error = OutcomeUnknown(f"no answer within {most_s:.0f} s")
        except SynclineError as failed:
            error = failed
        except Exception as failed:
            log.exception("a way out failed", action="alert_way_failed", way=road.way.name)
            error = Retryable(f"{type(failed).__name__}: {failed}")
        if error is None:
            road.sent += 1
            road.failing_since_ms, road.last_error = 0, ""
        else:
            road.failing_since_ms = road.failing_since_ms or self._clock.now_ms()
            road.last_error = str(error)
            log.warning(
                "an alert did not get out", action="alert_unsent", way=road.way.name, error=str(error)
            )
        return error

    async def farewell(self, why: str) -> None:
        """The engine ended by an error: tell it, and note it for the next start, which closes it.

        The note is kept apart from the book, because the book may be another worker's by now.
        """
        now_ms = self._clock.now_ms()
        self.book.look([stopped(clean(why), now_ms)], now_ms, self._clock.monotonic())
        entry = self.book.find("stopped/syncline")
        if entry is None:
            return
        message = message_of(entry, self._settings.public_url)
        await self._note(entry)
        for road in self._roads:
            if await self._hand_over(road, message, FAREWELL_S) is None:
                self.book.taken(entry, road.way.name, entry.n)
        await self._note(entry)

    async def _note(self, end: Entry) -> None:
        try:
            note = _row(STOPPED, msgspec.json.encode(end).decode())
            await self._engine.store.write(Write("cursor_put", [note]))
        except SynclineError as error:
            log.warning("the end cannot be noted", action="alerts_unwritten", error=str(error))


def _row(stream: str, position: str) -> dict[str, object]:
    return {"system": SYSTEM, "stream": stream, "position": position, "covers_ms": 0}
