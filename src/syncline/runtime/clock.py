"""The clock of the machine. The only module that may ask the operating system for the time."""

from __future__ import annotations

import asyncio
import time

from syncline.ports import Clock


class SystemClock(Clock):
    """Real time. It cannot be changed: tests take a ``VirtualClock`` instead."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))
