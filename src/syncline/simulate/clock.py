"""Virtual time: an event loop whose clock jumps to the next timer instead of waiting."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

from syncline.ports import Clock, Timer


class _NoIO(selectors.BaseSelector):
    """A selector that never waits: it tells the loop's owner how long it would have waited."""

    def __init__(self) -> None:
        self._inner = selectors.SelectSelector()
        self.loop: VirtualLoop | None = None

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def get_map(self) -> Any:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError(
                "Nothing is scheduled, so virtual time would stand still for ever: "
                "some task waits for an event that nobody will set.",
            )
        if timeout > 0 and self.loop is not None:
            self.loop.advance(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs tasks in the order asyncio would, with ``time()`` jumping from timer to timer.

    No thread, socket or subprocess works on it, by design: everything that a simulation touches
    lives in this one process and is replayed by its seed.
    """

    def __init__(self, start_ms: int) -> None:
        selector = _NoIO()
        super().__init__(selector)
        selector.loop = self
        self._virtual_s = 0.0
        self._start_ms = start_ms
        # asyncio fires timers up to this much early. After half a year its own 1e-9 s is less than the
        # last digit of a float, and a timer that is due exactly now would never fire.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._virtual_s

    def advance(self, seconds: float) -> None:
        """Jump forward; called by the selector when every task is waiting."""
        self._virtual_s += seconds

    def now_ms(self) -> int:
        """Virtual wall time in milliseconds since the Unix epoch."""
        return self._start_ms + round(self._virtual_s * 1000)


class VirtualClock(Clock):
    """The ``Clock`` of a ``VirtualLoop``."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        return self._loop.now_ms()

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        return self._loop.call_later(max(0.0, seconds), call)


class SkewedClock(Clock):
    """The vendors' clocks: ours and theirs never agree."""

    def __init__(self, inner: Clock, ahead_ms: int) -> None:
        self._inner = inner
        self._ahead_ms = ahead_ms

    def now_ms(self) -> int:
        return self._inner.now_ms() + self._ahead_ms

    def monotonic(self) -> float:
        return self._inner.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        return self._inner.after(seconds, call)
