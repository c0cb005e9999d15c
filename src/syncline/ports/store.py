"""Where everything lasts: the event log, the records, and what is still to be delivered.

A transaction is data. Callers name statements and give rows; the store runs all of them in one
durable transaction and returns what each statement returned. So the logic is written once, the SQL
is written once per engine (``queries.sql`` beside each store), and one writer can commit the
transactions of many callers with a single fsync.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from syncline.model.change import Cursor, Event, LoggedEvent

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """One statement and its rows, part of a transaction.

    Rows must be unique by the statement's key. With ``guard``, every row has to be touched;
    otherwise the whole transaction is undone and ``Fenced`` is raised. Without ``told`` nobody asks what
    the statement returns, and the store may save itself the telling.
    """

    statement: str
    rows: Sequence[Mapping[str, Any]]
    guard: bool = False
    told: bool = True


class Store(Protocol):
    """Durable storage. Safe for concurrent use by any number of tasks of one process.

    When ``append`` or ``write`` returns, the change survives a crash and a power cut. When it
    raises, nothing of it happened. Statement names and their parameters are those of
    ``queries.sql``; both stores pass ``syncline.testing.StoreConformance``.
    """

    async def append(
        self,
        events: Sequence[Event],
        *,
        received_at_ms: int,
        cursor: Cursor | None = None,
    ) -> list[int | None]:
        """Append to the event log, and move a cursor in the same transaction.

        Returns one entry per event: its offset, or ``None`` for an ``event_id`` already seen in the
        last 32 days. Offsets are gap-free in the order of commits, so a reader that has read up to
        an offset has seen everything before it.
        """
        ...

    async def events(self, after: int, limit: int) -> list[LoggedEvent]:
        """The log after an offset, oldest first, at most ``limit``."""
        ...

    async def write(self, *writes: Write) -> list[list[Row]]:
        """Run statements in one transaction; returns the rows that each returned.

        Raises:
            Fenced: a guarded statement did not touch every row; nothing was written.
        """
        ...

    async def read(self, statement: str, **parameters: Any) -> list[Row]:
        """Run a named query. Sees every commit that this process has been told of."""
        ...

    async def wipe(self) -> None:
        """Begin to remove what was overwritten or deleted from the store's own files, as far as the engine lets us.

        Returns without waiting for it: a reader of an older moment, such as a backup, has to end before.
        """
        ...

    async def close(self) -> None:
        """Finish what was accepted, then release the files or connections."""
        ...
