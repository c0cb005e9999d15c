"""Reads: delta polls with durable cursors, and full snapshots that prove them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import structlog

from syncline.engine.failpoints import failpoint
from syncline.model.change import Cursor, Event, Kind, LoggedEvent
from syncline.model.errors import AuthExpired, SynclineError, Throttled
from syncline.ports import Clock, Page, PollStream, Store, System, Write

PAGES_MAX = 100_000
RETRY_FIRST_S = 0.5
RETRY_MAX_S = 5.0  # a vendor that is back is read again within seconds: events sent meanwhile may be lost
AUTH_RETRY_S = 30.0

log = structlog.get_logger(__name__)


class Poller:
    """Reads one stream of one system, again and again.

    A full read that is to be judged is so when it has ended, and before the next begins: ``judge`` does nothing
    where it was done.
    """

    def __init__(
        self,
        *,
        system: System,
        stream: PollStream,
        interval_ms: int,
        store: Store,
        clock: Clock,
        rng: Random,
        on_stored: Callable[[], None],
        applied: Callable[[int], Awaitable[None]],
        judge: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.system = system
        self.stream = stream
        self.interval_ms = interval_ms
        self._store = store
        self._clock = clock
        self._rng = rng
        self._on_stored = on_stored
        self._applied = applied
        self._judge = judge
        self._repeats = False
        self._nudged = asyncio.Event()
        self._announced = False
        self._forgotten = 0  # times
        self.covers_ms = 0
        self.reads = 0
        self.read_ms = 0
        self.failures = 0
        self.last_error = ""
        self.trouble = ""  # why it fails now: failing, refused (the credential) or throttled
        self.failing_since_ms = 0
        self.last_ok_ms = 0
        self.events_found = 0

    def nudge(self) -> None:
        """Read now rather than at the next interval."""
        self._nudged.set()

    async def forget(self) -> None:
        """Have the next read tell everything once more: its cursor has no position any more. A read under way ends there."""
        self._forgotten += 1
        row = {
            "system": self.system.name,
            "stream": self.stream.name,
            "position": "",
            "covers_ms": self.covers_ms,
        }
        if await self._store.read("cursor_get", system=self.system.name, stream=self.stream.name):
            await self._store.write(Write("cursor_put", [row]))

    def announce(self) -> None:
        """Something changed: read now, and once more if the read under way may have passed it already."""
        self._announced = True
        self._nudged.set()

    async def run(self) -> None:
        """Read until cancelled."""
        rows = await self._store.read("cursor_get", system=self.system.name, stream=self.stream.name)
        if rows:
            self.covers_ms = rows[0][1]
            if (
                self.stream.snapshot and not self.stream.arrives
            ):  # a restart does not make a snapshot due again
                await self._rest(self.covers_ms + self.interval_ms - self._clock.now_ms())
        while True:
            began_ms = self._clock.now_ms()
            self._announced = False
            if self._judge is not None:
                self._nudged.clear()  # who asks from here on wants a read of its own
            await self._read_until_done()
            await self._rest(began_ms + self.interval_ms - self._clock.now_ms())

    async def _rest(self, wait_ms: int) -> None:
        if self._judge is None and not self._announced:
            self._nudged.clear()
        if wait_ms <= 0:
            await self._clock.sleep(0)
            return
        timer = self._clock.after(wait_ms / 1000, self._nudged.set)
        try:
            await self._nudged.wait()
        finally:
            timer.cancel()

    async def _read_until_done(self) -> None:
        """One whole read; failures are tried again from the last stored page."""
        tries = 0
        while True:
            try:
                await self.read_once()
            except (SynclineError, TimeoutError) as error:
                self.failures += 1
                tries += 1
                self.last_error = str(error)
                self.trouble = _trouble(error)
                self.failing_since_ms = self.failing_since_ms or self._clock.now_ms()
                wait_s = min(RETRY_MAX_S, RETRY_FIRST_S * 2 ** min(tries, 10)) * (
                    0.5 + self._rng.random() / 2
                )
                if isinstance(error, Throttled) and error.retry_after_s is not None:
                    wait_s = error.retry_after_s
                elif isinstance(error, AuthExpired):
                    wait_s = AUTH_RETRY_S
                log.info(
                    "read failed",
                    action="poll_failed",
                    system=self.system.name,
                    stream=self.stream.name,
                    error=str(error),
                )
                await self._clock.sleep(min(wait_s, AUTH_RETRY_S))
            else:
                self.last_error = self.trouble = ""
                self.failing_since_ms = 0
                return

    async def read_once(self) -> int:
        """Read from the stored cursor to the end; returns how many new events were found."""
        if self._judge is not None:
            await self._judge()  # one that a former process could not
        began, forgotten = self._clock.monotonic(), self._forgotten
        rows = await self._store.read("cursor_get", system=self.system.name, stream=self.stream.name)
        cursor = Cursor(self.system.name, self.stream.name, rows[0][0], rows[0][1]) if rows else None
        found = 0
        pages = 0
        last_offset = 0
        async for page in self.system.source.poll(self.stream.name, cursor):
            pages += 1
            self.last_ok_ms = self._clock.now_ms()
            if pages > PAGES_MAX:
                raise RuntimeError(
                    f"{self.stream.name}: more than {PAGES_MAX} pages, the vendor's paging loops"
                )
            if (
                self.stream.snapshot and last_offset
            ):  # what others tell meanwhile waits for no more than a page of it
                await self._applied(last_offset)
            # Until the read is complete, its scope is only confirmed as of the read before.
            covers_ms = page.cursor.covers_ms if page.last else self.covers_ms
            stored = Cursor(self.system.name, self.stream.name, page.cursor.position, covers_ms)
            offsets = await self._append(page, stored)
            failpoint("poller.after_page")
            if self._forgotten != forgotten:  # the place that was just stored must not stand
                await self.forget()
                self._on_stored()
                return found
            new = sum(offset is not None for offset in offsets)
            found += new
            if new:
                last_offset = max(offset for offset in offsets if offset is not None)
                self._on_stored()
            if page.last:
                self.covers_ms = covers_ms
        if self._judge is not None:
            await self._judge()
        self.reads += 1
        self.events_found += found
        self.read_ms = round((self._clock.monotonic() - began) * 1000)
        return found

    async def _append(self, page: Page, cursor: Cursor) -> list[int | None]:
        """Store a page. What a full read contains although it tells nothing new of it is noted as being there.

        Where a source repeats events, the cursor moves after that note. The first page at which that shows has
        moved it already: a crash just there has its records missed by this read, and found by the next.
        """
        now_ms = self._clock.now_ms()
        if self._judge is None:
            return await self._store.append(page.events, received_at_ms=now_ms, cursor=cursor)
        later = self._repeats or bool(page.present)
        offsets = await self._store.append(
            page.events, received_at_ms=now_ms, cursor=None if later else cursor
        )
        there = {(kind, key) for kind, key in page.present}
        for event, offset in zip(page.events, offsets, strict=True):
            if offset is None:
                there |= self._told(event, now_ms)
        self._repeats = later or bool(there)
        seen = [
            {"system": self.system.name, "kind": kind.value, "key": key, "seen_ms": now_ms}
            for kind, key in sorted(there)
        ]
        if later:
            row = {
                "system": cursor.system, "stream": cursor.stream, "position": cursor.position,
                "covers_ms": cursor.covers_ms,
            }  # fmt: skip
            await self._store.write(Write("record_seen", seen), Write("cursor_put", [row]))
        elif seen:
            await self._store.write(Write("record_seen", seen))
        return offsets

    def _told(self, event: Event, now_ms: int) -> set[tuple[Kind, str]]:
        """The records that an event tells of; none if it cannot be understood."""
        try:
            changes = self.system.source.decode(LoggedEvent(0, now_ms, event))
        except Exception:  # noqa: BLE001 (whatever it is, it was parked when the event came first)
            return set()
        return {(change.kind, change.key) for change in changes}


def _trouble(error: Exception) -> str:
    """Whose fault it is, as far as the error says."""
    if isinstance(error, AuthExpired):
        return "refused"
    return "throttled" if isinstance(error, Throttled) else "failing"
