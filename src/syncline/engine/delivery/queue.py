"""What waits to be delivered by one operation, in order of deadline.

The queue lives in memory; the ``delivery`` table is the truth that it is rebuilt from. Polling an
``ORDER BY deliver_by`` table would be slower and would bloat PostgreSQL.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, KeysView

Entry = tuple[int, int, bool]  # deliver by, not before, may ride


class DueQueue:
    """Keys with a deadline and the earliest moment they may be sent.

    A key occurs once. Heaps keep stale entries, which are skipped when they surface, and are
    rebuilt when more than half of their entries are stale. A key that was refused when it was to be taken is
    in none of them until it is woken.
    """

    __slots__ = ("_asleep", "_entries", "_generations", "_later", "_ready", "_riding")

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._generations: dict[str, int] = {}
        self._ready: list[tuple[int, str]] = []
        self._later: list[tuple[int, str]] = []
        self._riding: list[tuple[int, str]] = []
        self._asleep: set[str] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def keys(self) -> KeysView[str]:
        """All that wait, as they change."""
        return self._entries.keys()

    def generation(self, key: str) -> int:
        """How often what waits under a key had been touched when it was put here; 0 where nothing waits."""
        return self._generations.get(key, 0)

    def put(
        self, key: str, deliver_by_ms: int, not_before_ms: int, *, may_ride: bool, generation: int = 0
    ) -> None:
        """Add a key or replace its times.

        With ``may_ride`` the key may be taken along before ``not_before_ms`` when a call is made
        anyway; a retry that backs off may not.
        """
        self._generations[key] = generation
        entry = (deliver_by_ms, not_before_ms, may_ride)
        if self._entries.get(key) == entry:
            return
        self._entries[key] = entry
        if key not in self._asleep:
            self._push(key, entry)

    def _push(self, key: str, entry: Entry) -> None:
        deliver_by_ms, not_before_ms, may_ride = entry
        heapq.heappush(self._later, (not_before_ms, key))
        if may_ride:
            heapq.heappush(self._riding, (deliver_by_ms, key))
        if len(self._later) + len(self._ready) + len(self._riding) > 64 + 6 * len(self._entries):
            self._rebuild()

    def discard(self, key: str) -> None:
        """Forget a key."""
        self._entries.pop(key, None)
        self._generations.pop(key, None)
        self._asleep.discard(key)

    def wake(self, key: str) -> None:
        """What a key was refused for is over: it has its turn again."""
        if key in self._asleep:
            self._asleep.discard(key)
            self._push(key, self._entries[key])

    def next_at(self) -> int | None:
        """When something may be sent that was not due when last asked; ``None`` when there is nothing more."""
        while self._later:
            not_before_ms, key = self._later[0]
            entry = self._awake(key)
            if entry is not None and entry[1] == not_before_ms:
                return not_before_ms
            heapq.heappop(self._later)
        return None

    def due(self, now_ms: int) -> int | None:
        """The earliest deadline among keys that may be sent now; ``None`` when there is none."""
        self._promote(now_ms)
        while self._ready:
            deliver_by_ms, key = self._ready[0]
            entry = self._awake(key)
            if entry is not None and entry[0] == deliver_by_ms and entry[1] <= now_ms:
                return deliver_by_ms
            heapq.heappop(self._ready)
            self._wait_again(key, deliver_by_ms)
        return None

    def _awake(self, key: str) -> Entry | None:
        return None if key in self._asleep else self._entries.get(key)

    def _wait_again(self, key: str, deliver_by_ms: int) -> None:
        """A key that was due is not any more: the wall clock was stepped back."""
        entry = self._awake(key)
        if entry is not None and entry[0] == deliver_by_ms:
            heapq.heappush(self._later, (entry[1], key))

    def pop(self, now_ms: int, limit: int, take: Callable[[str], bool]) -> list[str]:
        """Take up to ``limit`` keys: due ones by deadline, then others that may ride along.

        ``take`` is asked for each. One that it refuses, because its record has a call in flight, stays and is not
        asked for again before it is woken.
        """
        self._promote(now_ms)
        taken: list[str] = []
        for heap, riding in ((self._ready, False), (self._riding, True)):
            if riding and not taken:
                break
            while heap and len(taken) < limit:
                deliver_by_ms, key = heapq.heappop(heap)
                entry = self._awake(key)
                if entry is None or entry[0] != deliver_by_ms or (riding and not entry[2]):
                    continue
                if not riding and entry[1] > now_ms:
                    self._wait_again(key, deliver_by_ms)
                    continue
                if not take(key):
                    self._asleep.add(key)
                    continue
                del self._entries[key], self._generations[key]
                taken.append(key)
        return taken

    def _promote(self, now_ms: int) -> None:
        while self._later and self._later[0][0] <= now_ms:
            not_before_ms, key = heapq.heappop(self._later)
            entry = self._awake(key)
            if entry is not None and entry[1] == not_before_ms:
                heapq.heappush(self._ready, (entry[0], key))

    def _rebuild(self) -> None:
        awake = [(key, entry) for key, entry in self._entries.items() if key not in self._asleep]
        self._ready.clear()
        self._later = [(entry[1], key) for key, entry in awake]
        self._riding = [(entry[0], key) for key, entry in awake if entry[2]]
        heapq.heapify(self._later)
        heapq.heapify(self._riding)
