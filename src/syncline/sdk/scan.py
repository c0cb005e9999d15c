"""A stream that is read whole each time, of which only that is told which is not as it was.

This is for records that carry no stamp of their changes, or leave nothing behind when they are deleted. What was told is
remembered in memory as one digest a record: after a restart everything is told once more, which changes nothing. What a
whole read did not contain is forgotten, so that it is told again when it is back.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Generic, Protocol, TypeVar

import msgspec

from syncline.model.change import Cursor, Event, Kind, Via
from syncline.model.errors import Rejected, Retryable
from syncline.ports import Page

PER_EVENT = 25  # records; an event costs as much as ten of them
REMEMBERED_MAX = 1_000_000


class Dated(Protocol):
    """What an event is made of."""

    @property
    def changed_ms(self) -> int:
        """When it changed, as far as is known; where nothing tells, when the read before began."""
        ...


class Row(Dated, Protocol):
    """A record as it was read."""

    @property
    def key(self) -> str:
        """Of the record, as its changes have it."""
        ...

    @property
    def said(self) -> object:
        """What is compared with what was told last: all that it says, and no stamp. JSON is made of it."""
        ...


class Place(msgspec.Struct, frozen=True):
    """Where an unfinished read stands. A connector's own adds behind which record, with defaults for the beginning.

    ``began`` is when it began, by our clock, and 0 between reads.
    """

    began: int = 0


AnyRow = TypeVar("AnyRow", bound=Row)
AnyDated = TypeVar("AnyDated", bound=Dated)
AnyPlace = TypeVar("AnyPlace", bound=Place)


class Scan(Generic[AnyRow]):
    """Tells of one stream what is not as this process told it last. One read at a time.

    ``events`` makes events of records. More than ``remembered_max`` digests are forgotten together.
    """

    def __init__(
        self,
        system: str,
        stream: str,
        kind: Kind,
        events: Callable[[Sequence[AnyRow]], Iterable[Event]],
        *,
        remembered_max: int = REMEMBERED_MAX,
    ) -> None:
        self._system = system
        self._stream = stream
        self._kind = kind
        self._events = events
        self._remembered_max = remembered_max
        self._told: dict[str, bytes] = {}  # digests of what was told, by record

    async def pages(
        self,
        found: AsyncGenerator[tuple[Sequence[AnyRow], str | None], None],
        cursor: Cursor | None,
        began_ms: int,
        *,
        whole: bool = True,
    ) -> AsyncGenerator[Page, None]:
        """The pages of one read.

        Args:
            found: some records, and the position with which a read that is cut short behind them goes on: "" if it has
                to begin again, ``None`` behind the last ones.
            cursor: that of the read before.
            began_ms: when this one began, by our clock.
            whole: whether it began with the first record. The rest of a read that was cut short forgets nothing.
        """
        covers_ms = cursor.covers_ms if cursor else 0
        missing = set(self._told)
        async with aclosing(found):
            async for rows, position in found:
                digests = {row.key: _digest(row.said) for row in rows}
                fresh = [row for row in rows if self._told.get(row.key) != digests[row.key]]
                told = {row.key for row in fresh}
                last = position is None
                yield Page(
                    tuple(self._events(fresh)),
                    Cursor(self._system, self._stream, position or "", began_ms if last else covers_ms),
                    last,
                    tuple((self._kind, row.key) for row in rows if row.key not in told),
                )
                # Only now is the page stored; a page that was dropped must be told again.
                missing.difference_update(digests)
                self._told.update(digests)
                if len(self._told) > self._remembered_max:
                    self._told.clear()
        if whole:
            for key in missing:
                self._told.pop(key, None)

    async def pages_from(
        self,
        cursor: Cursor | None,
        first: AnyPlace,
        page: Callable[[AnyPlace, int], Awaitable[tuple[Sequence[AnyRow], AnyPlace | None]]],
        pages_max: int,
    ) -> AsyncGenerator[Page, None]:
        """The pages of one read that goes on where the one before it was cut short.

        Args:
            cursor: that of the read before.
            first: the place of a read that begins now.
            page: reads what is behind a place; its records changed since the second argument if nothing tells when. It
                answers with whole records, and the place behind them, ``None`` if they are the last.
            pages_max: how many a read may have.

        Raises:
            Retryable: it has more.
        """
        place = resume(cursor, first)
        since_ms = (cursor.covers_ms if cursor else 0) or place.began

        async def found() -> AsyncGenerator[tuple[Sequence[AnyRow], str | None], None]:
            at = place
            for _ in range(pages_max):
                rows, after = await page(at, since_ms)
                yield rows, None if after is None else msgspec.json.encode(after).decode()
                if after is None:
                    return
                at = after
            raise Retryable(f"{self._system} has more than {pages_max} pages of {self._stream}.")

        whole = place == msgspec.structs.replace(first, began=place.began)
        async with aclosing(self.pages(found(), cursor, place.began, whole=whole)) as pages:
            async for told in pages:
                yield told


def resume(cursor: Cursor | None, first: AnyPlace) -> AnyPlace:
    """Where the read before was cut short, or else ``first``."""
    if cursor and cursor.position:
        place = msgspec.json.decode(cursor.position, type=type(first))
        if place.began:
            return place
    return first


def events(
    system: str,
    topic: str,
    rows: Sequence[AnyDated],
    check: Callable[[AnyDated], object] | None = None,
    *,
    via: Via = Via.SNAPSHOT,
    name: str = "",
) -> Iterator[Event]:
    """Rows, a few dozen in an event; one that ``check`` refuses is alone in its own, and parked alone.

    Ids begin with ``name``, or with what the topic has before its dot.
    """
    sound: list[AnyDated] = []
    for row in rows:
        try:
            if check is not None:
                check(row)
        except Rejected:
            yield event(system, topic, [row], row.changed_ms, via=via, name=name)
        else:
            sound.append(row)
    for start in range(0, len(sound), PER_EVENT):
        some = sound[start : start + PER_EVENT]
        yield event(system, topic, some, min(row.changed_ms for row in some), via=via, name=name)


def event(
    system: str, topic: str, content: object, changed_ms: int, *, via: Via = Via.SNAPSHOT, name: str = ""
) -> Event:
    """One event, with an id that names its content.

    Where a record may go back to what it was, its content must have a stamp, or it would be a duplicate of the older event.
    """
    body = msgspec.json.encode(content)
    called = name or topic.partition(".")[0]
    event_id = f"{called}:{hashlib.blake2b(body, digest_size=16).hexdigest()}"
    return Event(system, topic, event_id, via, changed_ms, body)


def _digest(said: object) -> bytes:
    return hashlib.blake2b(msgspec.json.encode(said), digest_size=12).digest()


__all__ = ["Dated", "Place", "Row", "Scan", "event", "events", "resume"]
