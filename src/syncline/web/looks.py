"""What pages of records show, computed once for everybody who looks at the same one, and less often when it is dear."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar

from syncline.ports import Clock

REFRESH_S = 2.0
COST_SHARE = 0.1  # of one core, spent on looking at one thing
KEPT_MAX = 200  # things that are remembered

T = TypeVar("T")


class Looks:
    """Remembers what was computed for a while."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._alone = asyncio.Lock()
        self._kept: dict[Hashable, tuple[float, object]] = {}

    async def at(self, what: Hashable, compute: Callable[[], Awaitable[T]]) -> T:
        """Something as it was at most a few seconds ago. ``what`` stands for all that it depends on."""
        async with self._alone:
            until, kept = self._kept.get(what, (0.0, None))
            if self._clock.monotonic() < until:
                return kept  # type: ignore[return-value]  # what was kept under a name is of its type
            began = self._clock.monotonic()
            value = await compute()
            cost = self._clock.monotonic() - began
            self._kept.pop(what, None)
            while len(self._kept) >= KEPT_MAX:
                del self._kept[next(iter(self._kept))]
            self._kept[what] = (self._clock.monotonic() + max(REFRESH_S * 0.9, cost / COST_SHARE), value)
            return value

    def forget(self) -> None:
        """Somebody did something: look again."""
        self._kept.clear()
