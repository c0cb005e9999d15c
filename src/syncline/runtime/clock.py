"""The clock of the machine. The only module that may ask the operating system for the time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from syncline.ports import Clock, Timer


class SystemClock(Clock):
    """Real time. It cannot be changed: tests take a ``VirtualClock`` instead."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(max(0.0, seconds), call)
