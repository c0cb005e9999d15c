"""Identifiers from an injected clock and random source."""

from __future__ import annotations

from random import Random

from syncline.ports import Clock


class Ids:
    """Makes UUIDs of version 7 (RFC 9562): they begin with the time, so indexes grow at one end."""

    def __init__(self, clock: Clock, rng: Random) -> None:
        self._clock = clock
        self._rng = rng
        self._last_ms = 0
        self._sequence = 0

    def new(self) -> str:
        """A new identifier, greater than every earlier one of this source."""
        now = max(self._clock.now_ms(), self._last_ms)
        if now == self._last_ms:
            self._sequence += 1
            if self._sequence > 0xFFF:
                now += 1
                self._sequence = 0
        else:
            self._sequence = 0
        self._last_ms = now
        value = (now & (1 << 48) - 1) << 80 | 0x7 << 76 | self._sequence << 64
        value |= 0b10 << 62 | self._rng.getrandbits(62)
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
