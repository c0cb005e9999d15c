"""What each part of a spool needs of it: its database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

import apsw


class Kept(ABC):
    """A part of a spool."""

    @abstractmethod
    def _open(self) -> apsw.Connection:
        """The spool's database, opened when it is first used."""

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[apsw.Connection]:
        """All of it or nothing is durable at its end.

        Raises:
            Retryable: the disk does not take it.
        """
