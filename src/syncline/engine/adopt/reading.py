"""Reading both sides once, page by page into the store, so that a broken reading goes on where it was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Any, TypeVar

import msgspec
import structlog

from syncline.engine.codec import encode
from syncline.engine.failpoints import failpoint
from syncline.model.census import Listed, ListedCustomer, ListedItem, ListedOrder, ListedPlace
from syncline.model.errors import Misconfigured, OutcomeUnknown, Retryable, Throttled
from syncline.ports import Census, Clock, Store, System, Write

PAGE = 5_000
FORGET = 20_000
FRESH_MS = 3_600_000  # items and places that were read within are not read again
TRIES_MAX = 12
RETRY_FIRST_S = 0.5
RETRY_MAX_S = 30.0
PROGRESS = "progress"

log = structlog.get_logger(__name__)

T = TypeVar("T")
_TYPES: dict[str, type[Listed]] = {
    "items": ListedItem,
    "places": ListedPlace,
    "customers": ListedCustomer,
    "orders": ListedOrder,
}


class Stand(msgspec.Struct, frozen=True):
    """How far the reading of one list has come. ``asked`` are the fields and places it was read with."""

    position: str = ""
    done: bool = False
    began_ms: int = 0
    rows: int = 0
    asked: str = ""


class Shelf:
    """What an adoption keeps in the store, by system and kind. All writes carry the guard of the lease."""

    def __init__(self, store: Store, guard: Callable[[], Write]) -> None:
        self.store = store
        self._guard = guard

    async def put(self, system: str, kind: str, rows: Mapping[str, Any], *more: Write) -> None:
        """Keep some rows, and do something else in the same transaction."""
        kept = [
            {"system": system, "kind": kind, "key": key, "body": encode(row)} for key, row in rows.items()
        ]
        await self.store.write(self._guard(), Write("adoption_put", kept), *more)

    async def write(self, *writes: Write) -> None:
        """One transaction."""
        await self.store.write(self._guard(), *writes)

    async def rows(self, system: str, kind: str, type_: type[T]) -> dict[str, T]:
        """Everything of a kind, by key."""
        decoder = msgspec.json.Decoder(type_)
        found: dict[str, T] = {}
        after = ""
        while True:
            page = await self.store.read("adoption_after", system=system, kind=kind, after=after, limit=PAGE)
            found |= {key: decoder.decode(body) for key, body in page}
            if len(page) < PAGE:
                return found
            after = page[-1][0]

    async def forget(self, system: str, kind: str) -> None:
        """Drop everything of a kind."""
        while True:
            row = {"system": system, "kind": kind, "limit": FORGET}
            gone = (await self.store.write(self._guard(), Write("forget_adoption", [row])))[1]
            if len(gone) < FORGET:
                return


class Reader:
    """Reads the lists of systems. ``progress`` is told what is read, and how many rows there are by now."""

    def __init__(self, shelf: Shelf, clock: Clock, rng: Random, progress: Callable[[str, int], None]) -> None:
        self._shelf = shelf
        self._clock = clock
        self._rng = rng
        self._progress = progress

    async def patiently(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask a vendor, and again if it is slow or away for a moment.

        Raises:
            Retryable, OutcomeUnknown, Throttled: it stayed so.
            AuthExpired, Rejected: asking again would not help.
        """
        for attempt in range(TRIES_MAX):
            try:
                return await ask()
            except (Retryable, OutcomeUnknown, Throttled, TimeoutError) as error:
                if attempt == TRIES_MAX - 1:
                    raise
                await self._rest(what, error, attempt)
        raise AssertionError

    async def _rest(self, what: str, error: Exception, attempt: int) -> None:
        wait_s = min(RETRY_MAX_S, RETRY_FIRST_S * 2.0**attempt) * (0.5 + self._rng.random() / 2)
        if isinstance(error, Throttled) and error.retry_after_s is not None:
            wait_s = error.retry_after_s
        log.info("read failed", action="adopt_read_failed", what=what, error=str(error))
        await self._clock.sleep(wait_s)

    async def lists(
        self, system: System, what: str, *, fields: Sequence[str] = (), places: Sequence[str] = ()
    ) -> None:
        """Read a list to its end. Orders go on from their last change; others only if they are not fresh."""
        census = system.census
        if census is None:
            raise Misconfigured(f"{system.name}: the connector {system.connector} cannot list what it has")
        asked = encode([list(fields), list(places)])
        stand = (await self._shelf.rows(system.name, PROGRESS, Stand)).get(what, Stand())
        if stand.done and what != "orders":
            if self._clock.now_ms() - stand.began_ms < FRESH_MS and stand.asked == asked:
                self._progress(f"{system.name}: {what}", stand.rows)
                return
            stand = Stand()
        elif stand.asked != asked and stand.position and what != "orders":
            stand = Stand()
        if not stand.position and not stand.rows:
            stand = Stand(began_ms=self._clock.now_ms(), asked=asked)
            await self._shelf.put(system.name, PROGRESS, {what: stand})  # before the rows it counted are gone
            await self._shelf.forget(system.name, what)
        tries = 0
        while True:
            try:
                async for read in self._pages(system.name, census, what, stand, fields, places):
                    tries = 0
                    stand = read
                    self._progress(f"{system.name}: {what}", stand.rows)
                return
            except (Retryable, OutcomeUnknown, Throttled, TimeoutError) as error:
                tries += 1
                if tries == TRIES_MAX:
                    raise
                await self._rest(what, error, tries)

    async def _pages(
        self,
        system: str,
        census: Census,
        what: str,
        stand: Stand,
        fields: Sequence[str],
        places: Sequence[str],
    ) -> AsyncIterator[Stand]:
        rows = stand.rows
        async for page in census.read(what, stand.position, fields=fields, places=places):
            listed = {key_of(row): row for row in page.rows}
            rows += len(listed)
            stand = Stand(page.position, page.last, stand.began_ms, rows, stand.asked)
            moved = {"system": system, "kind": PROGRESS, "key": what, "body": encode(stand)}
            await self._shelf.put(system, what, listed, Write("adoption_put", [moved]))
            failpoint("adopt.after_page")
            yield stand

    async def listed(self, system: str, what: str) -> dict[str, Any]:
        """What was read of a list, by id."""
        return await self._shelf.rows(system, what, _TYPES[what])


def key_of(row: Listed) -> str:
    """By what a listed thing is kept."""
    return row.key if isinstance(row, ListedOrder) else row.id
