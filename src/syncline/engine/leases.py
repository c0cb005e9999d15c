"""Owning something alone: a lane, or the log. A former owner's writes fail."""

from __future__ import annotations

import asyncio

import structlog

from syncline.model.errors import Busy, OutcomeUnknown, Retryable, StoreBroken
from syncline.ports import Clock, Store, Write

TTL_MS = 30_000
RENEWALS = 3  # in the life of a lease: two may fail before it is lost
RETRY_S = 1.0  # of a renewal that the store did not take

log = structlog.get_logger(__name__)


class Lease:
    """A named lease with a fence. Every transaction of its owner carries ``guard``."""

    def __init__(self, store: Store, clock: Clock, name: str, owner: str, *, ttl_ms: int = TTL_MS) -> None:
        self._store = store
        self._clock = clock
        self._name = name
        self._owner = owner
        self._ttl_ms = ttl_ms
        self._fence = 0
        self._ends_ms = 0  # by our clock, which may have stood still since it was looked at
        self._early = asyncio.Event()

    @property
    def guard(self) -> Write:
        """Makes a transaction fail with ``Fenced`` once somebody else has taken the lease."""
        return Write("lease_check", [self._row()], guard=True)

    def _row(self) -> dict[str, object]:
        return {"name": self._name, "owner": self._owner, "fence": self._fence}

    def _timed(self) -> dict[str, object]:
        return {**self._row(), "now_ms": self._clock.now_ms(), "ttl_ms": self._ttl_ms}

    async def take(self) -> None:
        """Become the owner.

        Raises:
            Busy: somebody else is, and has renewed in time.
        """
        asked_ms = self._clock.now_ms()
        rows = (await self._store.write(Write("lease_take", [self._timed()])))[0]
        if not rows:
            raise Busy(f"{self._name} is driven by another worker")
        self._fence = rows[0][0]
        self._ends_ms = asked_ms + self._ttl_ms

    async def keep(self) -> None:
        """Stay the owner until cancelled, however long the store takes nothing.

        A lease that ran out meanwhile is still ours where nobody took it, and nobody's write went unguarded.

        Raises:
            Fenced: the lease was lost.
            StoreBroken: nothing will be taken until the process is started again.
        """
        wait_s = self._ttl_ms / RENEWALS / 1000
        while True:
            timer = self._clock.after(wait_s, self._early.set)
            try:
                await self._early.wait()
            finally:
                timer.cancel()
            self._early.clear()
            wait_s = self._ttl_ms / RENEWALS / 1000
            try:
                await self.renew()
            except (Retryable, OutcomeUnknown) as error:  # a full disk, a database that restarts
                log.warning("the store does not take it", action="store_refused", error=str(error))
                wait_s = min(RETRY_S, wait_s)

    async def renew(self) -> None:
        """Stay the owner for another while.

        Raises:
            Fenced: the lease was lost.
        """
        asked_ms = self._clock.now_ms()
        await self._store.write(Write("lease_renew", [self._timed()], guard=True))
        self._ends_ms = asked_ms + self._ttl_ms

    def look(self) -> None:
        """Renew now: a write of ours was refused, as somebody else's would be."""
        self._early.set()

    async def sure(self) -> None:
        """Make sure that it is ours, before something that no write of ours can take back.

        It is until it ends. Only a process that stood still finds that it has ended: then it is renewed first.

        Raises:
            Fenced: the lease was lost.
            Retryable: the store cannot say.
        """
        if self._clock.now_ms() < self._ends_ms:
            return
        try:
            await self.renew()
        except OutcomeUnknown as error:  # to renew it twice is to renew it
            raise Retryable(str(error)) from error

    async def drop(self) -> None:
        """Let the next worker take over at once; where the store does not take that, once the lease has run out."""
        try:
            await self._store.write(Write("lease_drop", [self._row()]))
        except (Retryable, OutcomeUnknown, StoreBroken) as error:
            log.warning("the store does not take it", action="store_refused", error=str(error))
