"""Files that a partner left are taken: found, waited for until they are whole, checked, and moved away.

A file is looked at whole before anything of it is told. Whatever is wrong with it as a whole refuses it: it goes to the
``rejected`` folder with its reason beside it, and a person sees the reason. What is wrong with one line concerns that
line alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import structlog

from syncline.connectors.files.declared import Read
from syncline.connectors.files.dialect import Reader, Values, moment, shown
from syncline.connectors.files.kinds import ONCE, RECORDS
from syncline.connectors.files.spool import Incoming, Spool, Taken
from syncline.connectors.files.xmlrows import records
from syncline.model.errors import Conflict, OutcomeUnknown, Rejected, Retryable
from syncline.ports import Clock, Entry, Folder

NAME_BYTES_MAX = 255
SAFE_CHARS_MAX = 80
SENTINEL_BYTES_MAX = 4_096
PAUSE_ROWS = 20_000  # between two looks at what else is to be done
FILES_PER_READ_MAX = 500
FAILED_MAX = 3
LATE = (*ONCE, *RECORDS)  # what of a record's outer elements stands behind it in XML counts as well
AHEAD_MS_MAX = 86_400_000  # further than any mistaken zone
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_PACKED = {
    b"PK\x03\x04": "zip",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"7z\xbc\xaf": "7z",
    b"(\xb5/\xfd": "zstd",
}

log = structlog.get_logger(__name__)


Numbered = tuple[int, bytes]  # a line that holds a record, after its number in the file


@dataclass(slots=True)
class Ends:
    """What is around the records of a file: its header, and its trailer if one is declared."""

    header: bytes | None = None
    trailer: bytes | None = None
    trailer_line: int = 0


def usable(name: str) -> bool:
    """Whether a name that somebody else chose is one plain component."""
    plain = name.isprintable() and "/" not in name and "\\" not in name and name not in ("", ".", "..")
    return plain and len(name.encode()) <= NAME_BYTES_MAX


def safe(name: str) -> str:
    """What of a name may be part of one that we give."""
    return _UNSAFE.sub("_", name).strip("._")[-SAFE_CHARS_MAX:] or "file"


def matches(pattern: str, name: str) -> str | None:
    """What a name has in the place of the pattern's star; ``None`` if it does not match."""
    before, _, after = pattern.partition("*")
    if len(name) < len(before) + len(after) or not (name.startswith(before) and name.endswith(after)):
        return None
    return name[len(before) : len(name) - len(after)]


def lines(read: Read, path: Path, ends: Ends) -> Iterator[Numbered]:
    """The lines of a content that hold records. ``ends`` is filled on the way.

    Raises:
        Rejected: a line is too long, there are too many, or two files are glued together.
    """
    if read.format == "xml":  # as it was kept: the line, a tab, and the fields as a JSON array
        with path.open("rb") as file:
            for kept_line in file:
                at, _, fields = kept_line.partition(b"\t")
                yield int(at), fields.rstrip(b"\n")
        return
    marks = read.trailer.starts.encode(read.encoding) if read.trailer else b""
    if read.format == "csv" and read.trailer:  # a whole cell: a SKU may begin like it
        marks += read.delimiter.encode(read.encoding)
    header = read.format == "csv" and read.header
    most, most_rows, rows, number = read.row_bytes_max, read.rows_allowed, 0, 0
    with path.open("rb") as file:
        while raw := file.readline(most + 2):
            number += 1
            if number == 1 and raw.startswith(b"\xef\xbb\xbf") and read.encoding.lower().startswith("utf-8"):
                raw = raw[3:]
            line = raw.rstrip(b"\r\n")
            if len(line) > most:
                raise Rejected(f"line {number} is longer than {most} bytes (row_bytes_max)")
            if not line or line.isspace():
                continue
            if ends.trailer is not None:
                raise Rejected(f"line {number} stands behind the trailer in line {ends.trailer_line}")
            if header and ends.header is None:
                ends.header = line
            elif header and line == ends.header:
                raise Rejected(f"line {number} is the header again: two files are glued together")
            elif marks and line.startswith(marks):
                ends.trailer, ends.trailer_line = line, number
            else:
                rows += 1
                if rows > most_rows:
                    raise Rejected(f"it has more than {most_rows} rows (rows_max)")
                yield number, line


def kept(read: Read, spool: Spool, taken: Taken) -> Path:
    """Where the lines of a file are that was taken."""
    return spool.content(kept_name(read, taken.sha256))


def kept_name(read: Read, sha256: str) -> str:
    """What the lines of a content are called. The records of an XML file are as these columns see them: others see others."""
    if read.format != "xml":
        return sha256
    seen = msgspec.json.encode((read.record, read.columns, read.kind in LATE))
    return f"{sha256}.{hashlib.sha256(seen).hexdigest()[:12]}.rows"


def header_of(read: Read, path: Path) -> bytes | None:
    """The header of a content, where its dialect has one."""
    ends = Ends()
    for _ in lines(read, path, ends):
        break
    return ends.header


class Waits(Exception):
    """Not whole yet, as far as it can be seen."""


@dataclass(frozen=True, slots=True)
class _Seen:
    size: int
    modified_ms: int
    since_ms: int


class Intake:
    """Takes the files of one system's partner."""

    def __init__(self, folder: Folder, spool: Spool, clock: Clock) -> None:
        self._folder = folder
        self._spool = spool
        self._clock = clock
        self._seen: dict[tuple[str, str], _Seen] = {}

    async def take(self, read: Read) -> Retryable | None:
        """Take every file of a stream that is whole; returns why one could not be, which holds no other up.

        Raises:
            Throttled, Retryable, OutcomeUnknown, AuthExpired: what was taken is kept; go on later.
        """
        listed_ms = self._clock.now_ms()
        listed = await self._folder.list(read.path)
        names = {entry.name for entry in listed}
        mine = [entry for entry in listed if self._matches(read, entry)]
        self._forget(read, {entry.name for entry in mine})
        if read.complete in ("stable", "trailer") and mine and self._settling(read, mine, listed_ms):
            await self._clock.sleep(min(read.stable_s, 60))
            listed_ms = self._clock.now_ms()
            listed = await self._folder.list(read.path)
            mine = [entry for entry in listed if self._matches(read, entry)]
            self._settling(read, mine, listed_ms)
        failed: list[Retryable] = []
        for entry in sorted(mine, key=lambda each: self._order(read, each))[:FILES_PER_READ_MAX]:
            try:
                await self._one(read, entry, names, listed_ms)
            except Waits as why:
                log.debug(
                    "a file is not whole yet", action="file_waits", stream=read.stream.name, why=str(why)
                )
            except Conflict:
                continue  # somebody took it away meanwhile
            except Retryable as error:
                failed.append(error)
                if len(failed) == FAILED_MAX:
                    raise  # it is not the file
        return failed[0] if failed else None

    async def ready(self, read: Read, taken: Taken) -> str:
        """Have the lines of a taken file at hand, although other columns were declared then; why they cannot be, or "".

        Raises:
            Retryable: the spool lacks the file, or does not take what is made of it.
        """
        content = self._spool.content(taken.sha256)
        if read.format == "xml" and not kept(read, self._spool, taken).exists():
            if not content.exists() and self._spool.parts(taken.sha256):
                return "somebody was erased from it when other columns were declared"
            try:
                await self._rows_of_xml(read, content, taken.sha256, Scan(taken.stamp_ms))
            except Rejected as error:
                return str(error)
            except OSError as error:
                raise Retryable(f"the spool lacks {taken.name}, or takes nothing: {error}") from error
        return ""

    def _matches(self, read: Read, entry: Entry) -> bool:
        return matches(read.pattern, entry.name) is not None

    def _forget(self, read: Read, there: set[str]) -> None:
        stream = read.stream.name
        for at in [at for at in self._seen if at[0] == stream and at[1] not in there]:
            del self._seen[at]

    def _settling(self, read: Read, listed: list[Entry], now_ms: int) -> bool:
        """Note sizes; whether one has not been the same for long enough but may be soon."""
        settling = False
        for entry in listed:
            at = read.stream.name, entry.name
            before = self._seen.get(at)
            if before is None or (before.size, before.modified_ms) != (entry.size, entry.modified_ms):
                self._seen[at] = _Seen(entry.size, entry.modified_ms, now_ms)
                settling = True
            elif now_ms - before.since_ms < read.stable_s * 1000:
                settling = True
        return settling and read.stable_s > 0

    def _same_for_ms(self, read: Read, entry: Entry) -> int:
        seen = self._seen.get((read.stream.name, entry.name))
        return self._clock.now_ms() - seen.since_ms if seen else 0

    def _order(self, read: Read, entry: Entry) -> tuple[int, str]:
        stamp_ms = entry.modified_ms
        if read.stamp == "name":
            with suppress(Rejected):
                stamp_ms = _stamp_of_name(read, entry.name)
        return stamp_ms, entry.name

    async def _one(self, read: Read, entry: Entry, names: set[str], listed_ms: int) -> None:
        if not usable(entry.name):
            with suppress(Retryable, OutcomeUnknown, Rejected):  # a name that cannot even be moved stays
                await self._refuse(read, entry, "", "its name cannot be used: give it a plain one", listed_ms)
            return
        if entry.size > read.file_bytes_max:
            why = f"it has {entry.size} bytes, more than {read.file_bytes_max} (file_bytes_max)"
            await self._refuse(read, entry, "", why, listed_ms)
            return
        stamp_ms = entry.modified_ms
        if (
            stamp_ms - listed_ms > AHEAD_MS_MAX
        ):  # a date that is kept or wrong, and nothing after it would count
            stamp_ms = listed_ms
        if read.scope == "full" and (last := self._spool.last(read.stream.name)) is not None:
            stamp_ms = max(stamp_ms, last.stamp_ms)  # what was left later counts as later, whatever its date
        if read.stamp == "name":
            try:
                stamp_ms = _stamp_of_name(read, entry.name)
            except Rejected as error:
                await self._refuse(read, entry, "", f"its name says no moment: {error}", listed_ms)
                return
        expected = await self._complete(read, entry, names)
        incoming = self._spool.receive()
        try:
            async for piece in self._folder.read(read.path, entry.name):
                incoming.write(piece)
                if incoming.size > read.file_bytes_max:
                    raise Waits("it grew beyond the limit while it was read")
            if incoming.size != entry.size:
                raise Waits(
                    f"it had {entry.size} bytes when it was listed and {incoming.size} when it was read"
                )
            if not await self._still(read, entry):
                raise Waits("it was written again while it was read")
            incoming.end()
            await self._judge(read, entry, incoming, expected, stamp_ms, listed_ms)
        except OSError as error:
            raise Retryable(f"the spool does not take it: {error}") from error
        finally:
            incoming.drop()

    async def _still(self, read: Read, entry: Entry) -> bool:
        """Whether what lies there under a name is what was listed, and not another that was left since."""
        return await self._folder.find(read.path, entry.name) == entry

    async def _complete(self, read: Read, entry: Entry, names: set[str]) -> str:
        """The checksum that the partner states, or "".

        Raises:
            Waits: the sign that it is whole is not there.
        """
        if read.complete == "stable" and self._same_for_ms(read, entry) < read.stable_s * 1000:
            raise Waits("its size changed a moment ago")
        if read.complete != "sentinel":
            return ""
        if entry.name + read.sentinel not in names:
            await self._finish(read, entry)
            raise Waits(f"there is no {read.sentinel} beside it")
        if not read.checksum:
            return ""
        text = b""
        async for piece in self._folder.read(read.path, entry.name + read.sentinel):
            text += piece
            if len(text) > SENTINEL_BYTES_MAX:
                break
        found = re.search(rb"\b[0-9a-fA-F]{32,64}\b", text[:SENTINEL_BYTES_MAX])
        if found is None:
            raise Waits("the sentinel has no checksum yet")
        return found[0].decode("ascii").lower()

    async def _judge(
        self, read: Read, entry: Entry, incoming: Incoming, expected: str, stamp_ms: int, listed_ms: int
    ) -> None:
        sha256, spool = incoming.digest(), self._spool
        before = spool.of_content(read.stream.name, sha256)
        scanned = Scan(stamp_ms)
        why = ""
        if expected and incoming.digest(read.checksum) != expected:
            why = f"its {read.checksum} is {incoming.digest(read.checksum)}, the sentinel says {expected}"
        elif not any(taken.state == "accepted" for taken in before):
            try:
                await self._scan(read, incoming, sha256, scanned)
            except Rejected as error:
                why = str(error)
            ahead_ms = scanned.stamp_ms - listed_ms
            if not why and read.stamp != "modified" and ahead_ms > AHEAD_MS_MAX:
                why = f"its moment lies {ahead_ms // 3_600_000} h ahead of us, so nothing after it would be believed"
            if scanned.whole is False and read.complete == "trailer":
                if self._same_for_ms(read, entry) < read.patience_s * 1000:
                    raise Waits("its trailer is not there")
                why = f"its trailer is missing, and nothing was added for {read.patience_s} s"
        if any(taken.state == "rejected" for taken in before) and why:
            await self._put_away(read, entry, sha256, why)  # told once already
            return
        if why:
            await self._refuse(read, entry, sha256, why, listed_ms)
            return
        repeated = self._repeated(read, entry, before, scanned.stamp_ms)
        if repeated is None:
            await self._put_away(read, entry, sha256, "")
            return
        if not spool.content(sha256).exists():
            spool.keep(incoming, sha256)
        state, reason = ("repeated", repeated) if repeated else ("accepted", "")
        self._note(read, entry, sha256, scanned, listed_ms, state, reason)
        await self._put_away(read, entry, sha256, "")

    def _repeated(self, read: Read, entry: Entry, before: list[Taken], stamp_ms: int) -> str | None:
        """Why a content that was taken before is not taken again; "" if it is, ``None`` if nobody need be told.

        What may be an old file left twice, or a new one that happens to say the same, is told to a person.
        """
        if any((x.name, x.modified_ms) == (shown_name(entry.name), entry.modified_ms) for x in before):
            return None  # the very file, which was not moved away before we ended
        if read.kind in ONCE:
            return ""  # each record is told apart by itself, and each file of a channel's is answered
        earlier = [taken for taken in before if taken.state == "accepted"]
        last = self._spool.last(read.stream.name)
        if not earlier or last is None:
            return ""
        if read.stamp == "name":
            return "" if all(taken.name != shown_name(entry.name) for taken in earlier) else None
        if read.stamp == "row":
            return None
        if last.sha256 == earlier[-1].sha256:  # a full one that says that nothing has changed confirms that
            return "" if read.scope == "full" else None
        return (
            f"it has the same content as {earlier[-1].name}, after which others were taken: taken for a file that was left "
            'twice, and not read. If it is meant, let files carry their moment in their name (stamp = "name")'
        )

    async def _scan(self, read: Read, incoming: Incoming, sha256: str, scan: Scan) -> None:
        """Look at all of a content.

        Raises:
            Rejected: it cannot be taken as a whole.
        """
        if read.format == "xml":
            await self._rows_of_xml(read, incoming.path, sha256, scan)
            return
        with incoming.path.open("rb") as file:
            head = file.read(8)
        packed = next((name for mark, name in _PACKED.items() if head.startswith(mark)), "")
        if packed:
            raise Rejected(f"it is packed ({packed}): have it left as it is")
        ends, values = Ends(), Values(read)
        total, reader = Decimal(0), None
        trailer = read.trailer
        try:
            for row in lines(read, incoming.path, ends):
                if reader is None:
                    reader = Reader(read, read.columns, ends.header)
                    self._first(read, reader, row, scan)
                scan.rows += 1
                if trailer is not None and trailer.total_of:
                    total += self._total(reader, values, trailer.total_of, row)
                if scan.rows % PAUSE_ROWS == 0:
                    await self._clock.sleep(0)
        except Rejected:
            if read.complete == "trailer" and ends.trailer is None:
                scan.whole = False  # a line that was cut off looks like a wrong one
                return
            raise
        if ends.header is None and read.format == "csv" and read.header:
            raise Rejected("it is empty: not even the header is there")
        if reader is None:
            Reader(read, read.columns, ends.header)
        if trailer is not None:
            scan.whole = ends.trailer is not None
            if not scan.whole:
                if read.complete == "trailer":
                    return
                raise Rejected(f"its trailer ({trailer.starts}) is missing")
            self._trailer(read, ends, values, scan.rows, total)

    def _first(self, read: Read, reader: Reader, row: Numbered, scan: Scan) -> None:
        if read.stamp != "row":
            return
        at = reader.fields.index("stamp")
        try:
            scan.stamp_ms = Values(read).moment(reader.values(row[1])[at])
        except Rejected as error:
            raise Rejected(f"line {row[0]}: field stamp: {error}") from error

    @staticmethod
    def _total(reader: Reader, values: Values, name: str, row: Numbered) -> Decimal:
        try:
            return values.number(reader.values(row[1])[reader.fields.index(name)])
        except Rejected as error:
            raise Rejected(f"line {row[0]}: the total cannot be reckoned: {error}") from error

    @staticmethod
    def _trailer(read: Read, ends: Ends, values: Values, rows: int, total: Decimal) -> None:
        assert read.trailer is not None
        assert ends.trailer is not None
        plain = Reader(msgspec.structs.replace(read, header=False), read.trailer.columns)
        try:
            said = dict(zip(plain.fields, plain.values(ends.trailer), strict=True))
            for name, is_ in (("rows", Decimal(rows)), ("total", total)):
                if name in said and values.number(said[name]) != is_:
                    raise Rejected(f"it says {name} {shown(said[name])}, but {is_} is there")
        except Rejected as error:
            raise Rejected(f"trailer in line {ends.trailer_line}: {error}") from error

    async def _rows_of_xml(self, read: Read, content: Path, sha256: str, scan: Scan) -> None:
        """Keep the records of an XML file as lines, so that they are compared like any other."""
        made = self._spool.receive()
        try:
            with content.open("rb") as file:
                if file.read(8).startswith(tuple(_PACKED)):
                    raise Rejected("it is packed: have it left as it is")
                file.seek(0)
                for row in records(file, read.record, read.columns, late=read.kind in LATE):
                    scan.rows += 1
                    if scan.rows > read.rows_allowed:
                        raise Rejected(f"it has more than {read.rows_allowed} records (rows_max)")
                    if row.refused:
                        line = msgspec.json.encode({"refused": row.refused})
                    else:
                        line = msgspec.json.encode(row.values)
                    if len(line) > read.row_bytes_max:
                        raise Rejected(f"line {row.line}: a record has more than {read.row_bytes_max} bytes")
                    if scan.rows == 1 and read.stamp == "row":
                        at = [column.field for column in read.columns].index("stamp")
                        scan.stamp_ms = Values(read).moment(row.values[at])
                    made.write(b"%d\t%s\n" % (row.line, line))
                    if scan.rows % PAUSE_ROWS == 0:
                        await self._clock.sleep(0)
            made.end()
            self._spool.keep(made, kept_name(read, sha256))
        finally:
            made.drop()

    # --- putting away -----------------------------------------------------------------------------------

    def _note(
        self, read: Read, entry: Entry, sha256: str, scan: Scan, listed_ms: int, state: str, reason: str
    ) -> None:
        self._spool.add(
            stream=read.stream.name,
            name=shown_name(entry.name),
            size=entry.size,
            modified_ms=entry.modified_ms,
            sha256=sha256,
            stamp_ms=scan.stamp_ms,
            listed_ms=listed_ms,
            rows=scan.rows,
            state=state,
            reason=reason,
            at_ms=self._clock.now_ms(),
        )
        # Why one is refused may quote a cell of it, so that is in the journal and in front of a person, and in no log.
        log.info("a file", action=f"file_{state}", stream=read.stream.name, file=shown_name(entry.name))

    async def _refuse(self, read: Read, entry: Entry, sha256: str, why: str, listed_ms: int) -> None:
        """Note why a file is not taken, then put it aside."""
        known = sha256 or unread(entry)
        if not any(
            x.state == "rejected" and x.reason == why for x in self._spool.of_content(read.stream.name, known)
        ):
            self._note(read, entry, known, Scan(entry.modified_ms), listed_ms, "rejected", why)
        await self._put_away(read, entry, sha256, why)

    async def _put_away(self, read: Read, entry: Entry, sha256: str, why: str) -> None:
        if "/" in entry.name or "\0" in entry.name or entry.name in (".", ".."):
            return  # it is no name, so it is not used as one
        name = f"{entry.modified_ms}-{sha256[:12] or unread(entry)[:19]}-{safe(entry.name)}"
        to = read.rejected if why else read.archive
        if why:
            reason = f"{shown_name(entry.name)}: {why}\n".encode()
            with suppress(Conflict):
                await self._folder.stage(to, f"{name}.reason.txt", reason)
                await self._folder.publish(to, f"{name}.reason.txt", reason)
        if not await self._still(read, entry):
            return  # another was left under this name: it is taken next
        if read.complete == "sentinel":
            # First, so that it never stands beside a file that it does not speak of, such as the next one's beginning.
            await self._folder.move(read.path, entry.name + read.sentinel, to, name + safe(read.sentinel))
        await self._folder.move(read.path, entry.name, to, name)

    async def _finish(self, read: Read, entry: Entry) -> None:
        """Put away a file whose sentinel was put away before we ended."""
        for taken in self._spool.of_name(read.stream.name, shown_name(entry.name), entry.modified_ms):
            if taken.size == entry.size:
                await self._put_away(
                    read, entry, taken.sha256, taken.reason if taken.state == "rejected" else ""
                )
                return


@dataclass(slots=True)
class Scan:
    """What looking at a whole content showed. ``whole`` is ``None`` where there is no sign of it inside."""

    stamp_ms: int
    rows: int = 0
    whole: bool | None = None


def unread(entry: Entry) -> str:
    """What stands for the content of a file that was refused unread: nothing of its name is in it."""
    told = f"{entry.name!a}:{entry.size}:{entry.modified_ms}"
    return "unread-" + hashlib.sha256(told.encode()).hexdigest()[:32]


def shown_name(name: str) -> str:
    """A partner's name of a file for messages."""
    return name if usable(name) and name.isascii() else shown(name)


def _stamp_of_name(read: Read, name: str) -> int:
    return moment(matches(read.pattern, name) or "", read.stamp_format, ZoneInfo(read.timezone))
