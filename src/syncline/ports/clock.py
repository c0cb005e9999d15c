"""The only door through which time enters."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Late(Exception):
    """Nothing came in time."""


class Timer(Protocol):
    """A call to come."""

    def cancel(self) -> None:
        """Forget it; after the call this does nothing."""
        ...


class Clock(Protocol):
    """Wall time, monotonic time and waiting.

    Instants are whole milliseconds since the Unix epoch, UTC. Durations in code that waits are
    seconds as ``float``; stored durations are milliseconds with a ``_ms`` suffix.
    """

    def now_ms(self) -> int:
        """The wall clock, in milliseconds since 1970-01-01T00:00:00Z. May be stepped by NTP."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backward; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait at least ``seconds`` of this clock's time. Zero or less yields once."""
        ...

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call back when at least ``seconds`` of this clock's time have passed.

        To wait for an event or a moment, let the moment set the event: that needs no task.
        """
        ...


async def within(clock: Clock, seconds: float, work: Awaitable[T]) -> T:
    """What comes of work, if it comes in time. Else, and when the caller is cancelled, the work is cancelled.

    How it ends after that is nobody's business: an error that it makes of its cancellation is not raised, nor said in the log.

    Raises:
        Late: it did not end within ``seconds`` of this clock's time.
    """
    doing = asyncio.ensure_future(work)
    doing.add_done_callback(_heed)
    ended = asyncio.get_running_loop().create_future()

    def end(_: object = None) -> None:
        if not ended.done():
            ended.set_result(None)

    doing.add_done_callback(end)
    limit = clock.after(seconds, end)
    try:
        await ended
        if not doing.done():
            raise Late
        return doing.result()
    finally:
        doing.cancel()
        limit.cancel()


def _heed(task: asyncio.Future[Any]) -> None:
    """Take note of an error, so that asyncio does not say that nobody has."""
    if not task.cancelled():
        task.exception()
