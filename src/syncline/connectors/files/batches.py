"""What a partner is told as it is now, many to a file: stock numbers, prices, customers and whatever else has a state.

A file says how things are, so the last one that is loaded is right and loading one twice does no harm. What must not happen is
that an older file is loaded after a newer one. So while a file may still appear whose answer was lost, nothing is written of
what stands in it; and where every file is a whole one, nothing at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Generic, Protocol, TypeVar

from syncline.connectors.files.declared import Write
from syncline.connectors.files.dialect import Writer
from syncline.connectors.files.manifest import LOOK_UP_WINDOW_MS
from syncline.model.delivery import Outcome, Result
from syncline.model.errors import AuthExpired, Conflict, OutcomeUnknown, Rejected, Retryable, Throttled
from syncline.ports import Clock, Folder

PAUSE_ROWS = 5_000  # between two looks at what else is to be done
MAY_APPEAR = "the answer to writing a file of it was lost, and the file may still appear"
DONE = Outcome(Result.DONE)
Rows = Sequence[Mapping[str, Any]]
Key = tuple[str, ...]
Entry = TypeVar("Entry")


class Book(Protocol[Entry]):
    """What the spool knows of what was told of one kind."""

    def key(self, entry: Entry) -> Key:
        """What an entry is of: another one of the same takes its place."""
        ...

    def rows(self, entry: Entry, now_ms: int) -> Rows:
        """An entry as a file has it."""
        ...

    def gone(self, entry: Entry) -> bool:
        """Whether it only says that there is nothing any more, which a whole file says by leaving it out."""
        ...

    def told(self) -> Iterable[Entry]:
        """All that was told last, in the order of a whole file."""
        ...

    def pending(self) -> list[tuple[str, int, list[Entry]]]:
        """Files of which it is not known whether they were written: name, since when, entries; oldest first."""
        ...

    def pend(self, entries: Sequence[Entry], file: str, now_ms: int) -> None:
        """These are about to be told, in a file of this name."""
        ...

    def unpend(self, file: str) -> None:
        """A file was not written, and never will be."""
        ...

    def hold(self, entries: Sequence[Entry], file: str) -> None:
        """These were told, in a file of this name."""
        ...

    def next_number(self) -> int:
        """A number for the name of a file, never given before."""
        ...


class Batches(Generic[Entry]):
    """The files of one kind. ``Entry`` is what its book calls one of the things that it tells of."""

    def __init__(self, write: Write, folder: Folder, clock: Clock, book: Book[Entry]) -> None:
        self._write = write
        self._folder = folder
        self._clock = clock
        self._book = book
        self._writing: set[str] = set()  # files that are being written at this moment
        # Whole files appear in the order of their names: each contains what the one before has told.
        self._whole = write.scope == "full"
        self._alone: AbstractAsyncContextManager[object] = asyncio.Lock() if self._whole else nullcontext()

    async def put(self, entries: Sequence[Entry | Outcome]) -> list[Outcome]:
        """Write one file with these, or with all there is; what is an outcome already stays what it is."""
        async with self._alone:
            now_ms, writer = self._clock.now_ms(), Writer(self._write)
            waiting = await self._waiting()
            longest_s = max(waiting.values(), default=None) if self._whole else None
            outcomes: list[Outcome] = []
            told: list[Entry] = []
            for entry in entries:
                if isinstance(entry, Outcome):
                    outcomes.append(entry)
                    continue
                wait_s = waiting.get(self._book.key(entry), longest_s)
                if wait_s is not None:
                    outcomes.append(Outcome(Result.NOT_SENT, MAY_APPEAR, wait_s))
                    continue
                try:
                    for row in self._book.rows(entry, now_ms):
                        writer.line(row)
                except Rejected as error:
                    outcomes.append(Outcome(Result.REJECTED, str(error)))
                else:
                    outcomes.append(DONE)
                    told.append(entry)
            if told:
                await self._publish(told)
            return outcomes

    async def waiting(self) -> dict[Key, float]:
        """Of what a file may still appear whose answer was lost, with the seconds to wait for that."""
        async with self._alone:
            return await self._waiting()

    async def _waiting(self) -> dict[Key, float]:
        """The same; what was written is noted as such on the way."""
        waiting: dict[Key, float] = {}
        for name, at_ms, entries in self._book.pending():
            if name in self._writing:
                continue
            left_ms = at_ms + LOOK_UP_WINDOW_MS - self._clock.now_ms()
            there = await is_there(self._folder, self._write, name)
            staged = None if there else await self._folder.staged(self._write.path, name)
            gone = staged is False and not there  # only its appearing takes the staged one away
            if there or gone:
                if there and await self._folder.find(self._write.path, name) is not None:
                    await seal(self._folder, self._write, name)  # who waits for that has not taken it
                self._book.hold(entries, name)
            elif left_ms > 0:
                waiting |= {self._book.key(entry): left_ms / 1000 for entry in entries}
            elif staged is None and self._write.taken == "delete":
                # Nobody knows whether the partner had it: the same again, which then is there for certain.
                await self._publish(entries)
                self._book.unpend(name)
            else:
                self._book.unpend(name)
        return waiting

    async def _publish(self, entries: Sequence[Entry]) -> None:
        """Write a file with some entries, or with all that are known, these among them."""
        book, now_ms, writer = self._book, self._clock.now_ms(), Writer(self._write)
        told = list(entries)
        if self._whole:
            held = {book.key(entry): entry for entry in book.told()}
            now = held | {book.key(entry): entry for entry in entries}
            told = [entry for entry in now.values() if not book.gone(entry)]
        name = f"{self._write.prefix}-{now_ms}-{book.next_number():08d}{self._write.suffix}"
        lines: list[bytes] = []
        for count, entry in enumerate(told):
            try:
                lines += [writer.line(row) for row in book.rows(entry, now_ms)]
            except Rejected as error:  # of those that were told before: these could be written when they came
                what = " ".join(part for part in "\x1f".join(book.key(entry)).split("\x1f") if part)
                raise Rejected(f"{what}, which every whole file has: {error}") from error
            if count % PAUSE_ROWS == PAUSE_ROWS - 1:
                await self._clock.sleep(0)
        body = writer.whole(lines)
        self._writing.add(name)
        try:
            await self._folder.stage(self._write.path, name, body)
            book.pend(entries, name, now_ms)
            try:
                await self._folder.publish(self._write.path, name, body)
            except (Throttled, Retryable, AuthExpired):
                book.unpend(name)  # it certainly did not appear
                raise
            try:
                await seal(self._folder, self._write, name)
                book.hold(entries, name)
            except (Throttled, Retryable, AuthExpired) as error:
                raise OutcomeUnknown(f"{name} is there, and not yet noted: {error}") from error
        finally:
            self._writing.discard(name)


async def is_there(folder: Folder, write: Write, name: str) -> bool:
    """Whether a file appeared, and is where it was left or where the partner moves what it has taken."""
    if await folder.find(write.path, name) is not None:
        return True
    return bool(write.archive) and await folder.find(write.archive, name) is not None


async def seal(folder: Folder, write: Write, name: str) -> None:
    """Say that a file is complete, to a partner who waits for that."""
    if write.sentinel:
        await folder.stage(write.path, name + write.sentinel, b"")
        try:
            await folder.publish(write.path, name + write.sentinel, b"")
        except Conflict:
            return
