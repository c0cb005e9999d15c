"""The calculated query cost and its leaky bucket.

Restore rates come from shopify.dev "rate-limits" (contract section 3); the bucket is twenty times
the rate, which is confirmed for the standard plan (2000/100) and assumed for the others.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from syncline.ports import Clock

RESTORE_RATE = {"standard": 100, "advanced": 200, "plus": 1000, "enterprise": 2000}
BUCKET_SECONDS = 20
QUERY_COST_MAX = 1000
MUTATION_COST = 10


@lru_cache(maxsize=1024)
def page_factor(size: int) -> int:
    """How many times a connection's child counts: measured, not linear in ``first``.

    Live answers of 2026-04 give 1, 1, 3, 4, 5, 7 and 11 for pages of 1, 2, 5, 10, 20, 50 and 250,
    which is ``floor(2 ln n)`` and at least one.
    """
    return max(1, math.floor(2 * math.log(size))) if size > 0 else 0


def connection_cost(size: int, child: int) -> int:
    """A connection costs two plus its children's (measured on 2026-04: 10 orders cost 6)."""
    return 2 + page_factor(size) * child


class Bucket:
    """Points that refill with the clock."""

    def __init__(self, clock: Clock, restore_rate: int) -> None:
        self._clock = clock
        self.restore_rate = restore_rate
        self.maximum = restore_rate * BUCKET_SECONDS
        self._points = float(self.maximum)
        self._at_ms = clock.now_ms()

    def _refill(self) -> None:
        now = self._clock.now_ms()
        if now > self._at_ms:
            self._points = min(self.maximum, self._points + (now - self._at_ms) * self.restore_rate / 1000)
        self._at_ms = max(self._at_ms, now)

    def available(self) -> int:
        """Whole points at hand now."""
        self._refill()
        return int(self._points)

    def take(self, points: int) -> bool:
        """Debit ``points`` if they are all there."""
        self._refill()
        if self._points < points:
            return False
        self._points -= points
        return True

    def give_back(self, points: int) -> None:
        """Refund what was requested but not used."""
        self._refill()
        self._points = min(self.maximum, self._points + points)

    def cost(self, requested: int, actual: int | None) -> dict[str, Any]:
        """The ``extensions.cost`` block of an answer."""
        return {
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": {
                "maximumAvailable": self.maximum,
                "currentlyAvailable": self.available(),
                "restoreRate": self.restore_rate,
            },
        }
