"""The only door through which time enters."""

from __future__ import annotations

from typing import Protocol


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
