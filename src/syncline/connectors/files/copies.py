"""The copies of a partner's files in the spool, searched for a person.

The lines of an order keep what counts and lose everybody whom it names, and every cell that no column declares: nobody knows
what a partner puts there. The file is then another one, with a digest of its own, and stands in the journal in the place of
the one before; so it can be told again after a restore. A file of customers is the ERP's word, which comes again: it is
named, not emptied. Files of stock, items, prices and credit name nobody by what they are, and are not searched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog

from syncline.connectors.files.declared import Read
from syncline.connectors.files.intake import Ends, Intake, header_of, kept, kept_name, lines
from syncline.connectors.files.kinds import ONCE
from syncline.connectors.files.manifest import FilesSettings
from syncline.connectors.files.orders import Orders, key_of, without_person
from syncline.connectors.files.spool import JOURNAL_ROWS_MAX, Spool, Taken
from syncline.model.errors import Rejected, Retryable
from syncline.ports import Clock, Searched, Whose

KINDS = ("order_status", "shipments", "customers", *ONCE)
LOOK_ROWS = 10_000  # between two looks at what else is to be done
KEYS_MAX = 500  # of orders, asked for at once
PIECE_BYTES = 1024 * 1024
OVERLAP_BYTES = 4096
MARK = b"\xef\xbb\xbf"

log = structlog.get_logger(__name__)


class FileCopies:
    """The spool of one system."""

    def __init__(self, settings: FilesSettings, clock: Clock, spool: Spool, intake: Intake) -> None:
        self._intake = intake
        self._settings = settings
        self._clock = clock
        self._spool = spool

    async def search(self, whose: Whose, tells: Callable[[str], bool], *, erase: bool) -> Searched:
        """Look through every file that is kept, each content once."""
        self._spool.drop_replaced()
        orders, files, left = 0, [], []
        for read in self._settings.reads:
            if read.kind not in KINDS:
                continue
            seen: set[str] = set()
            for entry in self._entries(read):
                if erase and entry.reason and tells(entry.reason):
                    self._spool.forget_reason(entry.seq)
                if entry.sha256 in seen:
                    continue
                seen.add(entry.sha256)
                if not self._spool.parts(entry.sha256):
                    continue  # refused whole, and never kept
                try:
                    mine, others = await self._one(read, entry, whose, tells, erase=erase)
                except OSError as error:
                    raise Retryable(f"the spool cannot be searched: {error.strerror}") from error
                orders += mine
                at = datetime.fromtimestamp(entry.at_ms / 1000, UTC)
                name = f"{entry.name}, taken {at:%Y-%m-%d %H:%M} UTC"
                files += [name] if mine or others else []
                left += [name] if others else []
        kept_, named = await self._placed_orders(whose, tells, erase=erase)
        return Searched(max(orders, kept_), tuple(files), (*left, *named))

    async def _placed_orders(
        self, whose: Whose, tells: Callable[[str], bool], *, erase: bool
    ) -> tuple[int, list[str]]:
        """How many orders that are kept for their money are the person's, and which others tell of them."""
        mine, others, after = 0, [], ""
        while keys := self._spool.placed_after(after, KEYS_MAX):
            theirs = set(await whose(keys))
            for key, body in self._spool.placed(keys).items():
                if key not in theirs:
                    others += [f"order {key}, kept for its payments"] if tells(body.decode()) else []
                    continue
                mine += 1
                if erase and (rest := without_person(body)) != body:
                    self._spool.replace_placed(key, rest)
            after = keys[-1]
            await self._clock.sleep(0)
        return mine, others

    def _entries(self, read: Read) -> Iterator[Taken]:
        """The files of a stream, in order."""
        after = 0
        while True:
            page = self._spool.after(read.stream.name, after)
            yield from page
            if len(page) < JOURNAL_ROWS_MAX:
                return
            after = page[-1].seq

    async def _one(
        self, read: Read, entry: Taken, whose: Whose, tells: Callable[[str], bool], *, erase: bool
    ) -> tuple[int, bool]:
        """How many orders of a content are the person's, and whether anything else of it tells of them."""
        if await self._intake.ready(
            read, entry
        ):  # taken with other columns, and these do not fit: not to be told apart
            return 0, any(_anywhere(part, tells) for part in self._spool.parts(entry.sha256))
        path = kept(read, self._spool, entry)
        found = await self._apart(read, path)
        theirs: dict[int, None] = {}  # places of lines
        count = 0
        groups = found.groups if found is not None else []
        for start in range(0, len(groups), KEYS_MAX):
            some = groups[start : start + KEYS_MAX]
            keys = set(await whose([key_of(group.reference) for group in some]))
            for group in some:
                if key_of(group.reference) in keys:
                    count += 1
                    theirs |= {place: None for place, _ in group.rows}
        others = False
        for number, (place, raw) in enumerate(_placed(read, path)):
            if place not in theirs and tells(raw.decode(read.encoding, errors="replace")):
                others = True
            if number % LOOK_ROWS == LOOK_ROWS - 1:
                await self._clock.sleep(0)
        if erase and theirs and found is not None:
            await self._rewrite(read, entry, path, found, theirs)
        return count, others

    async def _apart(self, read: Read, path: Path) -> Orders | None:
        """The orders of a content, by the places of their lines; ``None``: it has none, or its columns are others now."""
        if read.kind != "orders":
            return None
        try:
            found = Orders(read, header_of(read, path))
        except Rejected:  # why may quote a cell
            log.warning("a file is searched by words only", action="file_not_apart", stream=read.stream.name)
            return None
        for number, line in enumerate(_placed(read, path)):
            found.add(line)
            if number % LOOK_ROWS == LOOK_ROWS - 1:
                await self._clock.sleep(0)
        return found

    async def _rewrite(
        self, read: Read, entry: Taken, path: Path, found: Orders, theirs: dict[int, None]
    ) -> None:
        """Put a content without the person in the place of the one that names them."""
        # Of XML the file itself lies beside its records, with whatever no column declares.
        made = self._spool.receive()
        changed = read.format == "xml" and self._spool.content(entry.sha256).exists()
        try:
            with path.open("rb") as file:
                for place, raw in enumerate(iter(lambda: file.readline(read.row_bytes_max + 2), b""), 1):
                    line = _without(read, raw, found, first=place == 1) if place in theirs else raw
                    changed = changed or line != raw
                    made.write(line)
                    if place % LOOK_ROWS == 0:
                        await self._clock.sleep(0)
            if changed:
                made.end()
                self._spool.replace(made, entry, partial(kept_name, read))
        finally:
            made.drop()


def _anywhere(path: Path, tells: Callable[[str], bool]) -> bool:
    """Whether any piece of a file tells of them; pieces overlap, so that no name is cut in two."""
    before = b""
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            if tells((before + piece).decode(errors="replace")):
                return True
            before = piece[-OVERLAP_BYTES:]
    return False


def _placed(read: Read, path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that hold records, with their places in what is kept: of XML that is not where they stood at the partner's."""
    for number, (at, raw) in enumerate(lines(read, path, Ends()), 1):
        yield (number if read.format == "xml" else at), raw


def _without(read: Read, raw: bytes, found: Orders, *, first: bool) -> bytes:
    """A line as it is kept, without the person."""
    if read.format == "xml":
        at, _, fields = raw.partition(b"\t")
        return b"%s\t%s\n" % (at, found.impersonal(fields.rstrip(b"\n")))
    mark = MARK if first and raw.startswith(MARK) and read.encoding.lower().startswith("utf-8") else b""
    line = raw.rstrip(b"\r\n")
    return mark + found.impersonal(line[len(mark) :]) + raw[len(line) :]
