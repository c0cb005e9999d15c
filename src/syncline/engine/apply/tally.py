"""How much the full read of stock that is under way takes away: a few numbers for each system, kept in the store.

A read of a million rows takes a quarter of an hour and many transactions, and a restart goes on where it
stopped. So what it has taken away so far is written in the transaction that takes it.
"""

from __future__ import annotations

import asyncio

import msgspec

from syncline.ports import Store, Write

SYSTEM = "syncline"  # beside the cursors, as others of our own notes
ACCEPTED_MS = 86_400_000  # how long a person's word waits for the full read that it was given for


class Tally(msgspec.Struct, frozen=True):
    """One system's.

    ``judged_ms`` and ``items_judged_ms`` are the beginnings, by our clock, of the last full reads of stock
    and of items that were judged. ``skus`` had stock and were told since, ``cuts`` of them lose more than
    half, ``held`` are doubted. ``vanished`` says whether any record is known to be in no full read any more.
    ``accepted_ms`` is the moment since which a person wants the next full read believed; 0: nobody does.
    """

    judged_ms: int = 0
    items_judged_ms: int = 0
    skus: int = 0
    cuts: int = 0
    held: int = 0
    vanished: bool = False
    accepted_ms: int = 0

    def accepted(self, now_ms: int) -> bool:
        """Whether a person wants figures believed that are read at this moment."""
        return self.accepted_ms > 0 and now_ms < self.accepted_ms + ACCEPTED_MS


class Tallies:
    """All systems' tallies, as stored. Whoever changes one holds the ``lock`` until it is written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Tally] = {}
        self.lock = asyncio.Lock()

    async def of(self, system: str) -> Tally:
        """A system's tally; nothing counted where there is none."""
        if system not in self._known:
            rows = await self._store.read("cursor_get", system=SYSTEM, stream=_stream(system))
            self._known[system] = msgspec.json.decode(rows[0][0], type=Tally) if rows else Tally()
        return self._known[system]

    def put(self, system: str, tally: Tally) -> Write:
        """The statement that stores a tally. If its transaction fails, ``forget`` has to be called."""
        self._known[system] = tally
        position = msgspec.json.encode(tally).decode()
        row = {"system": SYSTEM, "stream": _stream(system), "position": position, "covers_ms": 0}
        return Write("cursor_put", [row])

    def forget(self) -> None:
        """Read them from the store again: a transaction may have failed."""
        self._known.clear()


def _stream(system: str) -> str:
    return f"full read of {system}"
