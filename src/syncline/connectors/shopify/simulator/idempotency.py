"""The `@idempotent` directive: keys live 24 hours (shopify.dev "implementing-idempotency").

A repeated key with the same parameters gives the first result again, rebuilt from the state of now;
with other parameters it is refused; while the first call is under way it is refused as concurrent.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from typing import Any

import msgspec

KEY_LIFE_MS = 24 * 3_600_000

CONCURRENT = (
    "IDEMPOTENCY_CONCURRENT_REQUEST",
    "This request is currently inprogress, please try again.",
)
MISMATCH = (
    "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
    "The same idempotency key cannot be used with different operation parameters.",
)
PREVIOUS_FAILED = (
    "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED",
    "The previous attempt with this idempotency key failed. Use a new key.",  # wording assumed
)


@dataclass(slots=True)
class Remembered:
    """What became of a key."""

    parameters: bytes
    result: Any  # the record to build the answer from; None after a failure


class Keys:
    """The keys of the last 24 hours, oldest first."""

    def __init__(self) -> None:
        self._known: dict[str, Remembered] = {}
        self._ages: deque[tuple[int, str]] = deque()
        self._running: dict[str, int] = {}

    def begin(self, key: str) -> bool:
        """Note that a call with ``key`` arrived; False if another one is still under way."""
        if key in self._running:
            return False
        self._running[key] = 1
        return True

    def end(self, key: str) -> None:
        """Note that the call was answered."""
        self._running.pop(key, None)

    def recall(
        self, key: str, operation: str, arguments: Any, now_ms: int
    ) -> tuple[bytes, Remembered | None]:
        """The parameters' fingerprint, and what is known of the key."""
        while self._ages and now_ms - self._ages[0][0] >= KEY_LIFE_MS:
            del self._known[self._ages.popleft()[1]]
        text = msgspec.json.encode([operation, arguments])
        return hashlib.sha256(text).digest(), self._known.get(key)

    def remember(self, key: str, parameters: bytes, now_ms: int, result: Any) -> None:
        """Keep the outcome of a first call."""
        self._known[key] = Remembered(parameters, result)
        self._ages.append((now_ms, key))
