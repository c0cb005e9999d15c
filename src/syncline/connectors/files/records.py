"""The records of a file, each of one row or of several, wherever in it these stand.

A row that cannot be taken apart may be of the record before it or of the one after. Neither is told then: a price without
one of its breaks and a company without one of its people are other records. What else of a full file that row may be of
nobody knows, so such a file takes nothing away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from syncline.connectors.files.dialect import Reader
from syncline.connectors.files.intake import Numbered
from syncline.connectors.files.mapping import Refusal, Rows, shown_line
from syncline.connectors.files.stated import AtLine, Line, Stated, StatedRows
from syncline.model.errors import Rejected
from syncline.ports import Clock

LOOK_ROWS = 5_000  # between two looks at what else is to be done
LINES_MAX = 10_000  # of one record
DIGEST_BYTES = 16


@dataclass(slots=True)
class Group:
    """The rows of one record, as they stand in the file; ``wrong``: why it cannot be taken, because of line ``wrong_line``, 0 for all."""

    key: str
    line: int
    rows: list[Numbered] = field(default_factory=list)
    wrong: str = ""
    wrong_line: int = 0

    def spoil(self, line: int, why: str) -> None:
        """A record of which a row is missing is another record."""
        if not self.wrong:
            self.wrong, self.wrong_line = why, line

    @property
    def digest(self) -> int:
        """A short name for all of its rows, in whatever order they stand."""
        found = 0
        for _, raw in self.rows:
            found = added(found, raw)
        return found


class Grouped:
    """Groups the rows of a file by the record that they are of. ``check`` looks at a row by itself."""

    def __init__(
        self,
        reader: Reader,
        key_of: Callable[[Sequence[str]], str],
        check: Callable[[Sequence[str]], None] | None = None,
    ) -> None:
        self._reader = reader
        self._key_of = key_of
        self._check = check
        self.groups: dict[str, Group] = {}
        self.torn: list[tuple[int, str, bytes]] = []  # rows that are of no record: number, why, the row
        self._open: Group | None = None
        self._why = ""  # why the row before this one may be of its record

    def add(self, row: Numbered) -> None:
        """The next row."""
        number, raw = row
        try:
            values = self._reader.values(raw)
            key = self._key_of(values)
        except Rejected as error:
            self.torn.append((number, str(error), raw))
            self._why = f"line {number} beside it cannot be understood, and may be of this record"
            if self._open is not None:
                self._open.spoil(0, self._why)
            self._open = None
            return
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = Group(key, number)
        if self._why:
            group.spoil(0, self._why)
            self._why = ""
        if len(group.rows) >= LINES_MAX:
            group.spoil(number, f"it has more than {LINES_MAX} lines")
        else:
            group.rows.append(row)
        self._open = group
        if self._check is not None:
            try:
                self._check(values)
            except Rejected as error:
                group.spoil(number, str(error))

    def lines(self, group: Group) -> list[Line]:
        """The rows of a record, taken apart."""
        return [Line(number, self._reader.values(raw)) for number, raw in group.rows]


async def grouped(found: Iterable[Numbered], clock: Clock, groups: Grouped) -> Grouped:
    """Group all rows of a file."""
    for count, row in enumerate(found, 1):
        groups.add(row)
        if count % LOOK_ROWS == 0:
            await clock.sleep(0)
    return groups


async def digests(
    found: Iterable[Numbered], clock: Clock, reader: Reader, rows: StatedRows
) -> dict[str, int]:
    """The digests of a file's records, by their keys."""
    said: dict[str, int] = {}
    for count, (_, raw) in enumerate(found, 1):
        try:
            key = rows.key_of(reader.values(raw))
        except Rejected:
            continue  # it was refused when the file was told
        said[key] = added(said.get(key, 0), raw)
        if count % LOOK_ROWS == 0:
            await clock.sleep(0)
    return said


def added(digest: int, raw: bytes) -> int:
    """A digest with one more row."""
    return (digest + int.from_bytes(blake2b(raw, digest_size=DIGEST_BYTES).digest())) % (
        1 << 8 * DIGEST_BYTES
    )


def refusals(file: str, groups: Grouped, rows: Rows) -> Iterator[Refusal]:
    """The rows that are of no record."""
    for number, why, raw in groups.torn:
        yield Refusal(file, why, number, "" if _personal(rows) else shown_line(raw))


def made(file: str, groups: Grouped, group: Group, rows: StatedRows) -> Stated[object] | Refusal:
    """The record of a group, or why it cannot be taken."""
    try:
        if group.wrong:
            raise AtLine(group.wrong_line, group.wrong)
        return rows.record(groups.lines(group))
    except AtLine as error:
        return refusal_of(file, group, rows, str(error), error.line)
    except Rejected as error:
        return refusal_of(file, group, rows, str(error))


def refusal_of(file: str, group: Group, rows: Rows, why: str, line: int = 0) -> Refusal:
    """A record that is parked: by the line that is named, or by its first."""
    at = line or group.line
    raw = next((raw for number, raw in group.rows if number == at), b"")
    return Refusal(file, why, at, group.key if _personal(rows) else shown_line(raw))


def _personal(rows: Rows) -> bool:
    return isinstance(rows, StatedRows) and rows.personal
