"""How much of a vendor's limit a backlog uses, and how often it is overstepped; on a virtual clock.

The vendors here are strict: they keep their own books, a call over the limit is a 429, and nothing is
forgiven. Answers take 50 to 400 ms.
"""

from __future__ import annotations

import asyncio
from random import Random

from bench.harness import Report
from syncline.sdk.governor import ConcurrencySlots, CostBucket
from syncline.simulate.clock import VirtualClock, VirtualLoop

NAME = "limits"
COST = 10.0
ANSWER_S = (0.05, 0.4)


class _Bucket:
    """A vendor with a bucket of points."""

    def __init__(self, clock: VirtualClock, capacity: float, restore_per_s: float) -> None:
        self._clock, self._capacity, self._restore = clock, capacity, restore_per_s
        self._level, self._at = capacity, clock.monotonic()
        self.taken = self.refused = 0

    def take(self, cost: float) -> float | None:
        """What is left after a call of this cost; ``None``: 429."""
        now = self._clock.monotonic()
        self._level = min(self._capacity, self._level + (now - self._at) * self._restore)
        self._at = now
        if self._level + 1e-6 < cost:
            self.refused += 1
            return None
        self._level -= cost
        self.taken += 1
        return self._level


async def _bucket(clock: VirtualClock, seconds: float) -> tuple[float, float]:
    capacity, restore, rng = 2_000.0, 100.0, Random(1)
    vendor = _Bucket(clock, capacity, restore)
    governor = CostBucket(clock, capacity=capacity, restore_per_s=restore)
    end = clock.monotonic() + seconds

    async def worker() -> None:
        while clock.monotonic() < end:
            await governor.acquire(COST)
            left = vendor.take(COST)
            await clock.sleep(rng.uniform(*ANSWER_S))
            governor.settle(COST, COST if left is not None else 0.0, left)
            if left is None:
                governor.pause(1.0)

    await asyncio.gather(*(worker() for _ in range(16)))
    allowed = (capacity * 0.8 + restore * seconds) / COST  # a fifth is kept for urgent calls
    return vendor.taken / allowed, vendor.refused / max(1, vendor.taken + vendor.refused)


async def _slots(clock: VirtualClock, seconds: float) -> tuple[float, float]:
    slots, rng = 15, Random(2)
    governor = ConcurrencySlots(clock, slots, reserve=0.0)
    used = busy = refused = calls = 0.0
    end = clock.monotonic() + seconds

    async def worker() -> None:
        nonlocal used, busy, refused, calls
        while clock.monotonic() < end:
            await governor.acquire()
            calls += 1
            if busy >= slots:
                refused += 1
            busy += 1
            took = rng.uniform(*ANSWER_S)
            await clock.sleep(took)
            used += took
            busy -= 1
            governor.release()

    await asyncio.gather(*(worker() for _ in range(64)))
    return used / (slots * seconds), refused / calls


def run(*, quick: bool = False) -> Report:
    """An hour of backlog at each kind of vendor."""
    report = Report(NAME)
    seconds = 600.0 if quick else 3_600.0
    for name, play in (("query cost, 100 points/s", _bucket), ("15 calls at once", _slots)):
        loop = VirtualLoop(0)
        try:
            used, refused = loop.run_until_complete(play(VirtualClock(loop), seconds))
        finally:
            loop.close()
        report.add(f"{name}: allowed calls used", used, "share", least=0.97)
        report.add(f"{name}: calls refused (429)", refused, "share", most=0.001)
    report.notes.append("how full bulk calls are: see pipeline")
    return report
