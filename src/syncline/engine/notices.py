"""What parts of the engine find out that no counter tells: differences left over, subscriptions missing, falls.

Whoever compares both sides, or looks after subscriptions, says here what was found last; the status and
the alerts read it. In memory: whoever looks says it again after a restart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncline.ports import Clock, Row


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
        self._fallen: dict[tuple[str, str], int] = {}

    def drift(self, system: str, flow: str, *, found: int, repaired: int) -> None:
        """A comparison of one flow at one system ended."""
        now_ms = self._clock.now_ms()
        self.drifts[system, flow] = Drift(system, flow, found, repaired, found - repaired, now_ms)

    def subscriptions(self, system: str, *, mended: Sequence[str] = (), fault: str = "") -> None:
        """A system's webhook subscriptions were looked at."""
        self.audits[system] = Subscriptions(system, len(mended), fault, self._clock.now_ms())

    def fallen(self, rows: Sequence[Row]) -> dict[tuple[str, str], int]:
        """Units are missing at a channel without an order; returns since when, by system and key.

        A row says when its number was last confirmed, which every write and reading of it renews. So on a SKU that
        sells well a fall would be new for ever; what counts is how long every look has found units missing.

        Args:
            rows: as the store's ``unseen`` tells them, all that there are now.
        """
        self._fallen = {
            (system, key): min(at_ms, self._fallen.get((system, key), at_ms))
            for system, key, _, at_ms in rows
        }
        return self._fallen
