"""Forgetting, on purpose and in small steps: raw events after 30 days, details after a while, orders that are over.

Nothing unresolved is ever forgotten: only events that were applied, deliveries that ended, intents
with a result, the texts of parked messages that somebody decided about, and orders that nothing refers to any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from syncline.model.errors import OutcomeUnknown, Retryable
from syncline.ports import Clock, Store, Write

DAY_MS = 86_400_000
DETAILS_KEPT_MS = 30 * DAY_MS
SURVEYS_KEPT_MS = 92 * DAY_MS
PROOFS_KEPT_MS = 400 * DAY_MS  # a trend is told over a year
SEEN_BUCKET_MS = 16 * DAY_MS
EVERY_S = 6 * 3600.0  # a sweep walks over the deliveries that ended; what is kept a month can wait for it
STEP = 2_000
STEPS_MAX = 500

log = structlog.get_logger(__name__)


async def _keep_orders() -> int:
    return 0


class Janitor:
    """Deletes what is past its time, a few thousand rows in a transaction."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        applied: Callable[[], int],
        retire: Callable[[], Awaitable[int]] = _keep_orders,
        *,
        details_kept_ms: int = DETAILS_KEPT_MS,
    ) -> None:
        """``applied``: how far the log has been applied. ``retire`` forgets orders that are over.

        ``details_kept_ms``: how long events are kept, and what became of each.
        """
        self._retire = retire
        self._details_kept_ms = details_kept_ms
        self._store = store
        self._clock = clock
        self._applied = applied

    async def run(self) -> None:
        """Sweep every few hours until cancelled."""
        while True:
            await self._clock.sleep(EVERY_S)
            try:
                await self.sweep()
            except (Retryable, OutcomeUnknown) as error:  # what is past its time can wait for the next sweep
                log.warning("the store does not take it", action="store_refused", error=str(error))

    async def sweep(self) -> int:
        """One sweep; returns how many rows were deleted."""
        now_ms = self._clock.now_ms()
        before = now_ms - self._details_kept_ms
        jobs = [
            ("forget_events", {"before": before, "applied": self._applied(), "limit": STEP}),
            ("forget_seen", {"bucket": now_ms // SEEN_BUCKET_MS - 2, "limit": STEP}),
            ("forget_payloads", {"before": before, "limit": STEP}),
            ("forget_lags", {"before": before, "limit": STEP}),
            ("forget_traces", {"before": before, "limit": STEP}),
            ("forget_attempts", {"before": before, "limit": STEP}),
            ("forget_intents", {"before": before, "limit": STEP}),
            ("forget_deliveries", {"before": before, "limit": STEP}),
            ("forget_holds", {"before": before, "limit": STEP}),
            ("forget_claims", {"before": before, "limit": STEP}),
            ("forget_given", {"before": now_ms - 2 * DAY_MS, "limit": STEP}),
            ("forget_surveys", {"before": now_ms - SURVEYS_KEPT_MS, "limit": STEP}),
            ("forget_proofs", {"before": now_ms - PROOFS_KEPT_MS, "limit": STEP}),
            ("forget_differences", {"before": now_ms - PROOFS_KEPT_MS, "limit": STEP}),
        ]
        deleted = 0
        for statement, row in jobs:
            for _ in range(STEPS_MAX):
                rows = (await self._store.write(Write(statement, [row])))[0]
                deleted += len(rows)
                if len(rows) < STEP:
                    break
        return deleted + await self._retire()
