"""Where it is kept, beside the store, whose data was erased: a backup of the store does not know what was asked later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Ledger(Protocol):
    """Lines that last. They outlive the store, so they hold ids and moments, and nothing that tells who somebody is."""

    def lines(self) -> Sequence[str]:
        """Every line, oldest first.

        Raises:
            Misconfigured: they cannot be read.
        """
        ...

    def add(self, line: str) -> None:
        """Keep one more line; it is on disk when this returns.

        Raises:
            Retryable: it could not be kept.
        """
        ...
