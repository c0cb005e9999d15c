"""Virtual time: an event loop whose clock jumps to the next timer instead of waiting."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush
from typing import Any, TypeVarTuple, Unpack

from syncline.ports import Clock, Timer

Ts = TypeVarTuple("Ts")

DAY_S = 86_400.0
SWEEP_MIN = 100  # timers; with fewer, those that were cancelled stay until their turn comes


class _Call(asyncio.TimerHandle):
    """A callback that waits for its turn; ``asyncio.Handle`` with nothing that is there for debugging."""

    __slots__ = ("args", "callback", "called_off", "context", "due_s", "loop")

    def __init__(
        self,
        loop: VirtualLoop,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
        due_s: float | None = None,
    ) -> None:
        self.loop = loop
        self.callback = callback
        self.args = args
        self.context = copy_context() if context is None else context
        self.called_off = False
        self.due_s = due_s  # of a timer that has not come to its turn

    # Timers are compared by their time alone, which stands before them in the heap.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __lt__(self, other: object) -> bool:
        return False

    def __repr__(self) -> str:
        return f"<call of {self.callback!r}>"

    def cancel(self) -> None:
        if not self.called_off:
            self.called_off = True
            self.callback, self.args = _nothing, ()  # what they hold may be large, and a timer far away
            if self.due_s is not None:
                self.loop.timers_called_off += 1

    def cancelled(self) -> bool:
        return self.called_off

    def when(self) -> float:
        return self.loop.time() if self.due_s is None else self.due_s


def _nothing() -> None:
    pass


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks in the order asyncio would, with ``time()`` jumping from timer to timer.

    No thread, socket or subprocess works on it, by design: everything that a simulation touches lives in this one
    process and is replayed by its seed. A year has millions of callbacks, so a turn of this loop does nothing that only
    sockets, threads or debugging need.
    """

    def __init__(self, start_ms: int) -> None:
        super().__init__()
        self._virtual_s = 0.0
        self._start_ms = start_ms
        # Timers fire up to this much early. After half a year the 1e-9 s of asyncio is less than the last digit of a
        # float, and a timer that is due exactly now would never fire.
        self._resolution_s = 1e-6
        self._calls: deque[_Call] = deque()
        self._timers: list[tuple[float, _Call]] = []  # a heap
        self.timers_called_off = 0

    # It never is: ``asyncio`` asks for each task and future, and nothing says no faster.
    get_debug = staticmethod(bool)

    def time(self) -> float:
        return self._virtual_s

    def now_ms(self) -> int:
        """Virtual wall time in milliseconds since the Unix epoch."""
        return self._start_ms + round(self._virtual_s * 1000)

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> _Call:
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        call = _Call(self, callback, args, context)
        self._calls.append(call)
        return call

    # There is one thread. It is how Python asks for what is left of an asynchronous generator that nobody ended.
    call_soon_threadsafe = call_soon

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> _Call:
        return self.call_at(self._virtual_s + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> _Call:
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        call = _Call(self, callback, args, context, when)
        heappush(self._timers, (when, call))
        return call

    def _run_once(self) -> None:
        """One turn: what is ready now; if nothing is, time jumps to the next timer first."""
        self._sweep()
        timers, calls = self._timers, self._calls
        if not calls:
            if not timers:
                raise RuntimeError(
                    "Nothing is scheduled, so virtual time would stand still for ever: "
                    "some task waits for an event that nobody will set.",
                )
            self._virtual_s += min(max(0.0, timers[0][0] - self._virtual_s), DAY_S)
        until_s = self._virtual_s + self._resolution_s
        while timers and timers[0][0] < until_s:
            call = heappop(timers)[1]
            call.due_s = None
            calls.append(call)
        for _ in range(len(calls)):
            call = calls.popleft()
            if call.called_off:
                continue
            try:
                call.context.run(call.callback, *call.args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 (as asyncio does: the loop goes on)
                message = f"Exception in callback {call.callback!r}"
                self.call_exception_handler({"message": message, "exception": error})

    def _sweep(self) -> None:
        """Take out timers that were cancelled: those that are next, and all of them where they are most."""
        timers = self._timers
        if len(timers) > SWEEP_MIN and self.timers_called_off > len(timers) / 2:
            self._timers = [timer for timer in timers if not timer[1].called_off]
            heapify(self._timers)
            self.timers_called_off = 0
        while self._timers and self._timers[0][1].called_off:
            self.timers_called_off -= 1
            heappop(self._timers)

    def close(self) -> None:
        self._calls.clear()
        self._timers.clear()
        super().close()


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
