"""The copies of a partner's files in the spool, searched for a person.

The lines of an order keep what counts and lose everybody whom it names, and every cell that no column declares: nobody knows
what a partner puts there. The file is then another one, with a digest of its own, and stands in the journal in the place of
the one before; so it can be told again after a restore. A file of customers is the ERP's word, which comes again: it is
named, not emptied. Files of stock, items, prices and credit name nobody by what they are, and are not searched.

What was written of customers is kept as well, by its columns. A contact who is the person goes, so no whole file names them again; a
customer that tells of them otherwise is named, since its source says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
from syncline.connectors.files.told import Content
from syncline.model.copying import replace
from syncline.model.errors import Rejected, Retryable
from syncline.ports import Clock, Searched, Whose

KINDS = ("order_status", "shipments", "customers", *ONCE)
CUSTOMERS = "customers"  # the kind of files that we write of them
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
        written, staying = await self._written(tells, erase=erase)
        return Searched(max(orders, kept_), (*files, *written), (*left, *named, *staying))

    async def _written(self, tells: Callable[[str], bool], *, erase: bool) -> tuple[list[str], list[str]]:
        """What was written of customers, or is being written, and tells of the person; and what of it stays."""
        found: list[str] = []
        left: list[str] = []

        def without(content: Content, file: str) -> Content:
            telling = [row for row in content.rows if _row_tells(row, tells)]
            people = [row for row in telling if row.get("record") == "contact"]
            name = f"customer {content.key}, as written in {file}"
            if telling:
                found.append(name)
            if len(people) < len(telling):
                left.append(name)
            rest = [row for row in content.rows if row not in people]
            return replace(content, rows=rest) if people else content

        after = ""
        while page := self._spool.contents(CUSTOMERS, after, KEYS_MAX):
            for content, file in page:
                if (rest := without(content, file)) is not content and erase:
                    self._spool.replace_content(CUSTOMERS, rest)
            after = page[-1][0].key
            await self._clock.sleep(0)
        for file, at_ms, contents in self._spool.pending_contents(CUSTOMERS):
            rests = [without(content, file) for content in contents]
            if erase and rests != contents:
                self._spool.pend_contents(CUSTOMERS, rests, file, at_ms)
        return found, left

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


def _row_tells(row: Mapping[str, object], tells: Callable[[str], bool]) -> bool:
    texts = [str(value) for value in row.values() if value is not None]
    # A name stands in two cells, and is looked for as people write it.
    full = f"{row.get('contact_first_name') or ''} {row.get('contact_last_name') or ''}"
    return tells("\n".join((*texts, full)))


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
