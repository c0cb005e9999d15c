"""Keeps events coming: vendors remove subscriptions in silence, so they are looked at every few minutes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from syncline.engine.capture.poller import Poller
from syncline.model.errors import SynclineError
from syncline.ports import Clock, System

CHECK_S = (
    240.0  # one cheap call; a subscription that was removed is back within ten minutes, failures included
)
RETRY_S = 30.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Subscribed:
    """What is known of one system's subscriptions: when they were last seen whole, and how often some were renewed."""

    checked_at_ms: int = 0
    renewed: int = 0
    renewed_at_ms: int = 0
    error: str = ""


class Subscriptions:
    """Subscribes at the start, and again whenever something is missing. ``seen`` tells of each system that can be."""

    def __init__(self, clock: Clock, systems: Mapping[str, System], pollers: Sequence[Poller]) -> None:
        self._clock = clock
        self._systems = {name: system for name, system in systems.items() if system.prepare is not None}
        self._pollers = pollers
        self.seen = {name: Subscribed() for name in self._systems}

    async def keep(self, address: Callable[[str], str], say: Callable[[str], object]) -> None:
        """Keep every system subscribed to ``address(name)``, until cancelled. ``say`` hears what was done."""
        due_s = dict.fromkeys(self._systems, 0.0)
        while due_s:
            for name in due_s:
                if due_s[name] <= self._clock.monotonic():
                    whole = await self.check(name, address(name), say)
                    due_s[name] = self._clock.monotonic() + (CHECK_S if whole else RETRY_S)
            await self._clock.sleep(max(0.001, min(due_s.values()) - self._clock.monotonic()))

    async def check(self, name: str, address: str, say: Callable[[str], object]) -> bool:
        """Look at one system's subscriptions and renew what is missing; whether they are whole now."""
        seen, prepare = self.seen[name], self._systems[name].prepare
        assert prepare is not None
        first = not seen.checked_at_ms
        try:
            done = list(await prepare(address) or ())
        except (SynclineError, TimeoutError) as error:
            seen.error = str(error)
            log.warning("subscribing failed", action="prepare_failed", system=name, error=str(error))
            return False
        seen.error = ""
        seen.checked_at_ms = self._clock.now_ms()
        for sentence in done:
            say(f"{name}: {sentence}")
        if done and not first:
            seen.renewed += len(done)
            seen.renewed_at_ms = seen.checked_at_ms
            log.warning("subscriptions were missing", action="resubscribed", system=name, renewed=done)
        if done:
            # What happened while nobody told us is read from where the last read ended.
            for poller in self._pollers:
                if poller.system.name == name and not poller.stream.snapshot:
                    poller.nudge()
        return True
