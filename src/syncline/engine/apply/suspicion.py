"""An event that ends the process: found by applying one at a time, and parked.

Nothing that runs can catch a crash of the interpreter or the end of memory. So every start is counted
together with how far the log was applied then. A start that finds it where the one before left it is
suspicious, and the events are taken singly, each named on disk before it is touched. An event that was
named in vain twice has ended three or four processes, and is parked unread. Once is no proof: somebody
may have pulled the plug.
"""

from __future__ import annotations

import msgspec

from syncline.engine.leases import Lease
from syncline.ports import Store, Write

SYSTEM, STREAM = "syncline", "apply"  # where it is kept among the cursors
STARTS_MAX = 1  # at the same place; the next goes carefully
TRIES_MAX = 2
CAREFUL_EVENTS = 200  # what one ordinary transaction holds, among which the event must be


class _Noted(msgspec.Struct, frozen=True):
    """``trying`` is the offset of the event that was being applied alone, for the ``tries``-th time; 0 for none."""

    at: int
    starts: int
    trying: int = 0
    tries: int = 0


class Suspicion:
    """Whether to go carefully, and which event not to touch."""

    def __init__(self, store: Store, lease: Lease) -> None:
        self._store = store
        self._lease = lease
        self._noted = _Noted(0, 0)
        self._until = 0
        self._begun = False
        self.suspect = 0

    @property
    def suspicious(self) -> bool:
        """Whether events are to be applied one at a time."""
        return self._until > 0

    async def begin(self, applied: int) -> None:
        """Count a start that finds the log applied up to this offset. Asked again, it is the same start."""
        if self._begun:
            return
        rows = await self._store.read("cursor_get", system=SYSTEM, stream=STREAM)
        before = msgspec.json.decode(rows[0][0], type=_Noted) if rows else _Noted(-1, 0)
        starts = before.starts + 1 if before.at == applied else 1
        named = before.trying > applied
        self.suspect = before.trying if named and before.tries >= TRIES_MAX else 0
        self._until = applied + CAREFUL_EVENTS if named or starts > STARTS_MAX else 0
        await self._note(msgspec.structs.replace(before, at=applied, starts=starts))
        self._begun = True

    async def trying(self, offset: int) -> None:
        """Name the event that is applied next."""
        tries = self._noted.tries + 1 if self._noted.trying == offset else 1
        await self._note(msgspec.structs.replace(self._noted, trying=offset, tries=tries))

    def applied(self, offset: int) -> None:
        """That went well; after as many as one transaction holds, nothing is suspected any more."""
        if offset >= self._until:
            self._until = 0

    async def _note(self, noted: _Noted) -> None:
        self._noted = noted
        position = msgspec.json.encode(noted).decode()
        row = {"system": SYSTEM, "stream": STREAM, "position": position, "covers_ms": 0}
        await self._store.write(self._lease.guard, Write("cursor_put", [row]))
