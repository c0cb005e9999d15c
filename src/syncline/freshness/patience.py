"""How long something is left alone that is not ready yet: shortly at first, and twice as long after each look in vain."""

from __future__ import annotations

KEPT_MAX = 10_000


class Patience:
    """Pauses by key, in seconds: ``first_s``, then twice as long each time, ``longest_s`` at most.

    It is kept in memory: after a restart each key begins anew. Beyond 10,000 keys the newest are left alone for ``longest_s``.
    """

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._next_s: dict[str, float] = {}

    def pause_s(self, key: str) -> float:
        """How long until the next look, now that one was in vain."""
        if key not in self._next_s and len(self._next_s) >= KEPT_MAX:
            return self._longest_s
        pause_s = self._next_s.get(key, min(self._first_s, self._longest_s))
        self._next_s[key] = min(2 * pause_s, self._longest_s)
        return pause_s

    def over(self, key: str) -> None:
        """What was waited for is there."""
        self._next_s.pop(key, None)


__all__ = ["Patience"]
