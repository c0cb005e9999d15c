"""The only door through which time enters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


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
