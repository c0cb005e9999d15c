"""What parts of the engine find out that no counter tells: differences left over, subscriptions missing.

Whoever compares both sides, or looks after subscriptions, says here what was found last; the status and
the alerts read it. In memory: whoever looks says it again after a restart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncline.ports import Clock


@dataclass(frozen=True, slots=True)
class Drift:
    """Differences of one flow at one system as the last comparison left them."""

    system: str
    flow: str
    found: int
    repaired: int
    left: int  # beyond the limits of repair, or nobody knows why: for a person
    at_ms: int


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """What the last look at a system's webhook subscriptions found."""

    system: str
    mended: int  # were missing or pointed elsewhere, and are in order again
    fault: str  # why they could not be put in order; "" if they could
    at_ms: int


class Notices:
    """The latest word of everybody who looks, one entry for each thing looked at."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.drifts: dict[tuple[str, str], Drift] = {}
        self.audits: dict[str, Subscriptions] = {}

    def drift(self, system: str, flow: str, *, found: int, repaired: int) -> None:
        """A comparison of one flow at one system ended."""
        now_ms = self._clock.now_ms()
        self.drifts[system, flow] = Drift(system, flow, found, repaired, found - repaired, now_ms)

    def subscriptions(self, system: str, *, mended: Sequence[str] = (), fault: str = "") -> None:
        """A system's webhook subscriptions were looked at."""
        self.audits[system] = Subscriptions(system, len(mended), fault, self._clock.now_ms())
