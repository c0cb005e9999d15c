"""By how much channels' clocks differ from ours, as far as the stamps of their orders tell.

An order from the future tells how far its channel's clock is ahead, at least. One that an event told the moment it was
placed, and that seems older, tells how far it is behind, at most: events take seconds, so the one that seems youngest
tells it best. Where all of them are older than any clock may be behind, it is the events that are late; and a stamp that
is ahead of us by more than any clock, as of a till that has the year wrong, is no clock's time at all. Neither is the
truth, and needs not be: where a movement may have been before a reading or after it, the number is read again.
"""

from __future__ import annotations

from syncline.model.change import Via
from syncline.model.records import Order

CLOCKS_MS = 120_000  # by so much a channel's clock may be ahead of ours, or behind it
FURTHER_MS = 5_000  # by so much more may an order that is heard of at once be ahead of what its channel was known to be
PROMPT_MS = 10_000  # an event may take so long without any clock being behind
SOON_MS = 1_000  # and the one that took the least time so long: a clock that is ahead is so by so much more than it told


class Clocks:
    """What is known of channels' clocks. ``unsure``: this process began lately, and may not have heard of them yet."""

    def __init__(self) -> None:
        self.unsure = False
        self._ahead_ms: dict[str, int] = {}
        self._age_ms: dict[str, int] = {}  # of the youngest order of which an event told

    @property
    def known(self) -> bool:
        """Whether any order was heard of."""
        return bool(self._ahead_ms)

    def learn(self, channel: str, order: Order, received_at_ms: int, via: Via) -> bool:
        """An order was heard of; whether its channel is much further ahead than was known."""
        ahead_ms = max(order.placed_at_ms, order.updated_at_ms) - received_at_ms
        known_ms = self.ahead_ms(channel)
        if ahead_ms > CLOCKS_MS:  # believed, it would make every later order of the channel an old one
            self._ahead_ms[channel] = known_ms
            return False
        self._ahead_ms[channel] = max(ahead_ms, known_ms)
        if via is Via.EVENT:
            self._age_ms[channel] = min(-ahead_ms, self._age_ms.get(channel, -ahead_ms))
        return ahead_ms > known_ms + FURTHER_MS

    @staticmethod
    def earliest_ms(stamp_ms: int, received_at_ms: int) -> int:
        """The earliest moment that a stamp may mean, by its channel's clock."""
        return stamp_ms if stamp_ms - received_at_ms <= CLOCKS_MS else received_at_ms - CLOCKS_MS

    def ahead_ms(self, channel: str) -> int:
        """By how much a channel's clock is ahead, at least."""
        return self._ahead_ms.get(channel, 0)

    def most_ahead_ms(self, channel: str, *, further: bool) -> int:
        """By how much it may be ahead; ``further``: it has just turned out to be more than was known."""
        ahead_ms = self.ahead_ms(channel)
        most_ms = ahead_ms + SOON_MS if ahead_ms else 0
        return max(most_ms, CLOCKS_MS) if self.unsure or further else most_ms

    def most_behind_ms(self, channel: str) -> int:
        """By how much it may be behind; negative where it is ahead."""
        age_ms = self._age_ms.get(channel, CLOCKS_MS if self.unsure else 0)
        return age_ms if PROMPT_MS < age_ms <= CLOCKS_MS else -self.ahead_ms(channel)
