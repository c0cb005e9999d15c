"""Rate governors: one for each kind of limit that vendors use.

A governor is shared by everything that calls one system, whatever the flow. It learns from the
vendor's answers (cost refunds, throttle status, ``Retry-After``) and keeps a share of the limit for
urgent calls, so that a bulk job never stands in the way of an order; nor do a thousand orders after an outage
stand in the way of a read for long.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

from syncline.ports import Clock

WAITERS_MAX = 10_000
URGENT_IN_A_ROW = 3  # while others wait; the next one is theirs
BURST_SHARE = 10  # of a window's calls, one in so many may come at once


class _Gate:
    """Waiting and counting, common to all governors.

    Waiters are woken in the order urgent first, then first come first served; but of four calls one is an ordinary
    one, if one waits.
    """

    def __init__(self, clock: Clock, reserve: float) -> None:
        if not 0 <= reserve < 1:
            raise ValueError("reserve must be at least 0 and below 1")
        self._clock = clock
        self._reserve = reserve
        self._paused_until = 0.0
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._ordinary: deque[asyncio.Future[None]] = deque()
        self._ordinary_waiting = 0
        self._in_a_row = 0  # urgent calls let through while ordinary ones waited
        self.calls = 0
        self.throttled = 0
        self._waited_s = 0.0  # by those that wait no longer
        self._waiting = 0
        self._began_s = 0.0  # the sum of when those began that wait now
        self.throttled_until_ms = 0

    @property
    def waited_s(self) -> float:
        """How long calls have waited, those that still do included: a limit that lets nothing through shows at once."""
        return self._waited_s + max(0.0, self._waiting * self._clock.monotonic() - self._began_s)

    def _delay(self, cost: float, urgent: bool) -> float | None:
        """Seconds until ``cost`` could be taken; 0 now; ``None`` when only a release can tell."""
        raise NotImplementedError

    def _pause_left(self) -> float:
        return max(0.0, self._paused_until - self._clock.monotonic())

    async def _wait(self, cost: float, urgent: bool) -> None:
        began = self._clock.monotonic()
        self._waiting += 1
        self._began_s += began
        try:
            await self._passed(cost, urgent)
        finally:
            self._waiting -= 1
            self._began_s = self._began_s - began if self._waiting else 0.0
            self._waited_s += self._clock.monotonic() - began

    @property
    def _ordinary_turn(self) -> bool:
        due = self._in_a_row >= URGENT_IN_A_ROW and self._ordinary_waiting > 0
        # Where ordinary calls hold all that they may, the turn is nobody's, and urgent calls use their share.
        return due and self._delay(1, urgent=False) is not None

    async def _passed(self, cost: float, urgent: bool) -> None:
        if not urgent:
            self._ordinary_waiting += 1
        try:
            await self._turn(cost, urgent)
            self._in_a_row = self._in_a_row + 1 if urgent and self._ordinary_waiting else 0
        finally:
            if not urgent:
                self._ordinary_waiting -= 1

    async def _turn(self, cost: float, urgent: bool) -> None:
        while True:
            queue, other = (self._urgent, self._ordinary) if urgent else (self._ordinary, self._urgent)
            first = urgent != self._ordinary_turn or not other
            delay = self._pause_left() or self._delay(cost, urgent)
            if delay == 0 and first:
                return
            if delay:
                await self._clock.sleep(delay)
                continue
            if delay == 0:
                self._wake()  # there is room: it is another's turn
            if len(queue) >= WAITERS_MAX:
                raise RuntimeError(f"more than {WAITERS_MAX} calls wait for one system")
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            queue.append(future)
            try:
                await future
            except asyncio.CancelledError:
                if future in queue:
                    queue.remove(future)
                elif future.done() and not future.cancelled():
                    self._wake()  # woken and cancelled at once: the wake-up belongs to the next in line
                raise

    def _wake(self) -> None:
        queues = (self._urgent, self._ordinary)
        for queue in reversed(queues) if self._ordinary_turn else queues:
            while queue:
                future = queue.popleft()
                if not future.done():
                    future.set_result(None)
                    return

    def pause(self, seconds: float) -> None:
        """Let nothing through for a while: the vendor said so (``Retry-After``, throttled)."""
        self.throttled += 1
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)
        self.throttled_until_ms = self._clock.now_ms() + round(seconds * 1000)


class ConcurrencySlots(_Gate):
    """At most ``slots`` calls at once, as NetSuite governs its accounts; ordinary calls leave a share free.

    Source: NetSuite help, "Web Services and RESTlet Concurrency Governance".
    """

    def __init__(self, clock: Clock, slots: int, *, reserve: float = 0.2) -> None:
        super().__init__(clock, reserve)
        if slots < 1:
            raise ValueError("slots must be at least 1")
        self._slots = slots
        self._held_back = min(slots - 1, max(1, round(slots * reserve))) if reserve else 0
        self._in_use = 0
        self._ordinary_in_use = 0

    def _delay(self, cost: float, urgent: bool) -> float | None:
        free = self._in_use < self._slots
        return 0.0 if free and (urgent or self._ordinary_in_use < self._slots - self._held_back) else None

    async def ready(self, *, urgent: bool = False) -> None:
        await self._wait(1, urgent)
        self._wake()  # nothing was taken: whoever is next may look too

    async def acquire(self, *, urgent: bool = False) -> None:
        """Take a slot. Give it back with ``release`` when the answer is there or lost."""
        await self._wait(1, urgent)
        self._in_use += 1
        self._ordinary_in_use += not urgent
        self.calls += 1

    def release(self, *, urgent: bool = False) -> None:
        """Give back a slot that was taken as ``urgent`` or not."""
        self._in_use -= 1
        self._ordinary_in_use -= not urgent
        self._wake()

    def usage(self) -> Mapping[str, float]:
        return {
            "limit": self._slots,
            "per_s": self._slots,
            "in_use": self._in_use,
            "calls": self.calls,
            "throttled": self.throttled,
            "waited_s": self.waited_s,
        }


class CostBucket(_Gate):
    """A bucket of points that refills at a fixed rate: GraphQL query cost, or one point a call.

    With every call costing one point this is the classic leaky bucket of REST APIs. The vendor's
    own figures, where it returns them, replace ours (``observe``).

    Source: Shopify, "API rate limits": requested cost is debited at once, the difference to the
    actual cost is refunded.

    ``answers_tell``: every answer says what is left. Then calls go one at a time until the first answer: a process
    that starts does not know what the one before it has spent.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        capacity: float,
        restore_per_s: float,
        reserve: float = 0.2,
        answers_tell: bool = False,
    ) -> None:
        super().__init__(clock, reserve)
        self._unknown = answers_tell
        if capacity <= 0 or restore_per_s <= 0:
            raise ValueError("capacity and restore_per_s must be above 0")
        self._capacity = capacity
        self._restore = restore_per_s
        self._level = capacity
        self._at = clock.monotonic()
        self._in_flight: float = 0.0
        self._typical = 1.0

    def _refill(self) -> None:
        now = self._clock.monotonic()
        self._level = min(self._capacity, self._level + (now - self._at) * self._restore)
        self._at = now

    def _delay(self, cost: float, urgent: bool) -> float | None:
        self._refill()
        if self._unknown and self._in_flight:
            return None
        floor = 0.0 if urgent else min(self._capacity * self._reserve, self._capacity - cost)
        missing = cost + floor - self._level
        return max(missing / self._restore, 0.001) if missing > 1e-9 else 0.0

    async def ready(self, *, urgent: bool = False) -> None:
        await self._wait(self._typical, urgent)

    async def acquire(self, cost: float, *, urgent: bool = False) -> None:
        """Take ``cost`` points, waiting for them if need be.

        Raises:
            ValueError: the cost is above the bucket's capacity and could never be paid.
        """
        if cost > self._capacity:
            raise ValueError(f"a call of {cost} points never fits a bucket of {self._capacity}")
        await self._wait(cost, urgent)
        self._level -= cost
        self._in_flight += cost
        self._typical += (cost - self._typical) * 0.2
        self.calls += 1

    def settle(self, cost: float, actual: float | None, available: float | None = None) -> None:
        """End a call that had taken ``cost``: refund what it did not use.

        ``available`` is the vendor's own statement of what is left; calls still in flight are
        taken off it, since the vendor may not have seen them when it answered.
        """
        self._refill()
        self._in_flight = max(0.0, self._in_flight - cost)
        if actual is not None:
            self._level = min(self._capacity, self._level + max(0.0, cost - actual))
        if available is not None:
            self._level = min(self._level, available - self._in_flight)
        if self._unknown:
            self._unknown = available is None
            for _ in range(len(self._urgent) + len(self._ordinary)):
                self._wake()

    def observe(self, *, capacity: float, restore_per_s: float) -> None:
        """Adopt the limit that the vendor states, so that a plan change needs no restart."""
        if capacity > 0 and restore_per_s > 0:
            self._capacity = capacity
            self._restore = restore_per_s

    def usage(self) -> Mapping[str, float]:
        self._refill()
        return {
            "limit": self._capacity,
            "per_s": self._restore,
            "in_use": self._capacity - self._level,
            "calls": self.calls,
            "throttled": self.throttled,
            "waited_s": self.waited_s,
        }


class RatedSlots(CostBucket):
    """At most ``slots`` calls at once, and at most ``calls`` in any ``window_s``.

    A tenth of the window's calls may come at once; the rest is spread evenly, so that the window is kept wherever it
    begins and nobody waits for minutes after a burst.

    Source: Microsoft, "Operational limits for Business Central online": 6,000 requests in a sliding five minutes and
    five running at once, for each caller.
    """

    def __init__(
        self, clock: Clock, *, slots: int, calls: int, window_s: float, reserve: float = 0.2
    ) -> None:
        if slots < 1 or calls < BURST_SHARE or window_s <= 0:
            raise ValueError(f"slots must be at least 1, calls at least {BURST_SHARE}, window_s above 0")
        burst = calls // BURST_SHARE
        super().__init__(clock, capacity=burst, restore_per_s=(calls - burst) / window_s, reserve=reserve)
        self._slots = slots
        self._held_back = min(slots - 1, max(1, round(slots * reserve))) if reserve else 0
        self._open = 0
        self._ordinary_open = 0

    def _delay(self, cost: float, urgent: bool) -> float | None:
        if self._open >= self._slots:
            return None  # only a release can tell
        if not urgent and self._ordinary_open >= self._slots - self._held_back:
            return None
        return super()._delay(cost, urgent)

    async def ready(self, *, urgent: bool = False) -> None:
        await self._wait(1, urgent)
        self._wake()  # nothing was taken: whoever is next may look too

    async def acquire(self, cost: float = 1.0, *, urgent: bool = False) -> None:
        """Take a slot and ``cost`` calls. Give the slot back with ``release`` when the answer is there or lost.

        Raises:
            ValueError: the cost is above what may come at once and could never be paid.
        """
        if cost > self._capacity:
            raise ValueError(f"a call of {cost} never fits into {self._capacity} at once")
        await self._wait(cost, urgent)
        self._level -= cost
        self._open += 1
        self._ordinary_open += not urgent
        self.calls += 1

    def release(self, *, urgent: bool = False) -> None:
        """Give back a slot that was taken as ``urgent`` or not."""
        self._open -= 1
        self._ordinary_open -= not urgent
        self._wake()

    def usage(self) -> Mapping[str, float]:
        return {**super().usage(), "limit": self._slots, "per_s": self._slots, "in_use": self._open}
