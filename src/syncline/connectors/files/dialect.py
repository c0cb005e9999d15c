"""How records are written down: lines of text to fields and back, strictly.

What a file says is not guessed at: a quote that does not close, a cell too many, a number in another dialect is refused
with the field that it stands in. A record is one line; a quoted cell over several lines is refused, since a line that
was cut off looks just like it. CSV as RFC 4180 has it but for that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from xml.sax.saxutils import escape, quoteattr
from zoneinfo import ZoneInfo

import msgspec

from syncline.connectors.files.declared import Column, Dialect, Write
from syncline.connectors.files.kinds import DATES, QUANTITY_MAX
from syncline.model.errors import Rejected
from syncline.sdk.spreadsheet import FORMULA

NUMBER_CHARS_MAX = 40
TEXT_CHARS_MAX = 4_000
LONG_CHARS_MAX = 32_000  # of a description
YEARS = range(2000, 2100)
SHOWN_CHARS = 60
# What the declaration of an XML file calls an encoding: the names that readers have to know (IANA, Character Sets).
XML_NAMES = {"ascii": "US-ASCII", "utf-8-sig": "UTF-8", "latin-1": "ISO-8859-1", "cp437": "IBM437"} | {
    "cp850": "IBM850",
    "cp852": "IBM852",
    **{f"cp{n}": f"windows-{n}" for n in (1250, 1251, 1252)},
}
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
_BREAKS = re.compile(r"[\r\n\u2028\u2029\t]+")
_ROW = msgspec.json.Decoder(list[str] | dict[str, str])  # a record, or why it is none


def shown(text: str) -> str:
    """A text for a message: short, and harmless on a terminal."""
    return ascii(text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…")


def cells(line: str, delimiter: str, quote: str) -> list[str]:
    """The cells of a line of CSV.

    Raises:
        Rejected: a quote where none may be, or one that does not close.
    """
    if not quote or quote not in line:
        return line.split(delimiter)
    found: list[str] = []
    at, end = 0, len(line)
    while True:
        if at < end and line[at] == quote:
            parts: list[str] = []
            at += 1
            while True:
                close = line.find(quote, at)
                if close < 0:
                    raise Rejected(f"cell {len(found) + 1} opens a quote that does not close on its line")
                parts.append(line[at:close])
                at = close + 1
                if at < end and line[at] == quote:  # doubled: one that is meant
                    parts.append(quote)
                    at += 1
                    continue
                break
            if at < end and line[at] != delimiter:
                raise Rejected(f"cell {len(found) + 1} goes on after its closing quote")
            found.append("".join(parts))
        else:
            stop = line.find(delimiter, at)
            cell = line[at:] if stop < 0 else line[at:stop]
            if quote in cell:
                raise Rejected(f"cell {len(found) + 1} has a quote in its middle")
            found.append(cell)
            at = end if stop < 0 else stop
        if at >= end:
            return found
        at += 1  # the delimiter; one at the very end is followed by an empty cell
        if at == end:
            found.append("")
            return found


class Values:
    """Texts as numbers and moments, by a dialect."""

    def __init__(self, dialect: Dialect) -> None:
        point, thousands = re.escape(dialect.decimal), re.escape(dialect.thousands)
        whole = rf"\d{{1,3}}(?:{thousands}\d{{3}})+|\d+" if thousands else r"\d+"
        self._number = re.compile(rf"([+-]?)((?:{whole})(?:{point}\d+)?)(-?)", re.ASCII)
        self._thousands, self._decimal = dialect.thousands, dialect.decimal
        self._format = dialect.date_format
        self._zone = ZoneInfo(dialect.timezone)
        self.number = lru_cache(maxsize=20_000)(self._read_number)
        self.moment = lru_cache(maxsize=20_000)(self._read_moment)

    def _read_number(self, text: str) -> Decimal:
        """A number, exactly.

        Raises:
            Rejected: it is none in this dialect.
        """
        match = self._number.fullmatch(text.strip()) if len(text) <= NUMBER_CHARS_MAX else None
        if match is None or (match[1] and match[3]):
            raise Rejected(f"{shown(text)} is no number here")
        digits = match[2].replace(self._thousands, "") if self._thousands else match[2]
        number = Decimal(digits.replace(self._decimal, "."))
        if number > QUANTITY_MAX:
            raise Rejected(f"{shown(text)} is more than anybody has")
        return -number if "-" in (match[1], match[3]) else number

    def _read_moment(self, text: str) -> int:
        """A moment, in milliseconds.

        Raises:
            Rejected: it is none in this dialect, or none that can be meant.
        """
        return moment(text, self._format, self._zone)

    def write_number(self, number: Decimal) -> str:
        """A number as this dialect has it."""
        return f"{number:f}".replace(".", self._decimal)

    def write_moment(self, at_ms: int) -> str:
        """A moment as this dialect has it."""
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self._zone).strftime(self._format)


def moment(text: str, pattern: str, zone: ZoneInfo) -> int:
    """A moment by a pattern of ``strptime``, in milliseconds; without an offset of its own it is of ``zone``.

    Raises:
        Rejected: it is none, or the clock that it was read from never showed it.
    """
    try:
        found = datetime.strptime(text.strip(), pattern)  # noqa: DTZ007 (its zone is the dialect's)
    except ValueError as error:
        raise Rejected(f"{shown(text)} is no moment written as {pattern}") from error
    if found.year not in YEARS:
        raise Rejected(f"{shown(text)} is no moment that can be meant")
    if found.tzinfo is None:
        found = found.replace(tzinfo=zone)  # of an hour that comes twice, the first
        back = found.astimezone(UTC).astimezone(zone)
        if back.replace(tzinfo=None) != found.replace(tzinfo=None):
            raise Rejected(f"{shown(text)} is no moment in {zone.key}: that hour was left out")
    return round(found.timestamp() * 1000)


class Reader:
    """The declared fields of lines. ``header`` is the first line, where the dialect has one."""

    def __init__(self, dialect: Dialect, columns: Sequence[Column], header: bytes | None = None) -> None:
        self._dialect = dialect
        self._columns = tuple(columns)
        self.fields = tuple(column.field for column in self._columns)
        self._count = 0  # of cells in every row; 0: not known before the first
        self._delimiter, self._quote, self._encoding = dialect.delimiter, dialect.quote, dialect.encoding
        self._at: list[int] = []
        if dialect.format == "csv":
            self._at = (
                self._by_header(header) if header is not None else [c.position - 1 for c in self._columns]
            )
        # Where no column is a constant, which is nearly always, one call picks all cells.
        plain = len(self._at) > 1 and not any(column.value for column in self._columns)
        self._pick = itemgetter(*self._at) if plain else None

    def _by_header(self, header: bytes) -> list[int]:
        names = cells(self.text(header), self._dialect.delimiter, self._dialect.quote)
        self._count = len(names)
        places: list[int] = []
        for column in self._columns:
            if column.value:
                places.append(-1)
                continue
            if names.count(column.name) != 1:
                there = "twice" if column.name in names else "not"
                raise Rejected(
                    f"column {shown(column.name)} is {there} in the header {shown(', '.join(names))}"
                )
            places.append(names.index(column.name))
        return places

    def text(self, raw: bytes) -> str:
        """A line as text.

        Raises:
            Rejected: it is none in this encoding, or has signs that no field may have.
        """
        try:
            text = raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            raise Rejected(f"byte {error.start + 1} of the line is no {self._encoding}") from error
        if CONTROL.search(text):
            raise Rejected("the line has a control character")
        return text

    def values(self, raw: bytes) -> list[str]:
        """What a line states, in the order of ``fields``.

        Raises:
            Rejected: it cannot be taken apart.
        """
        if self._pick is None and self._dialect.format == "xml":
            row: list[str] | dict[str, str] = _ROW.decode(raw)
            if isinstance(row, dict):
                raise Rejected(row["refused"])
            return row
        line = self.text(raw)
        if self._pick is None and self._dialect.format == "fixed":
            return [column.value or self._slice(line, column) for column in self._columns]
        found = cells(line, self._delimiter, self._quote)
        if not self._count:
            self._count = len(found)
        if len(found) != self._count:
            raise Rejected(f"the line has {len(found)} cells, the others have {self._count}")
        try:
            if self._pick is not None:
                return [text.strip() for text in self._pick(found)]
            return [
                column.value or found[at].strip() for column, at in zip(self._columns, self._at, strict=True)
            ]
        except IndexError:
            raise Rejected(f"the line has {len(found)} cells and lacks a declared one") from None

    def only(self, raw: bytes, keeps: Callable[[str, str], bool], *, begins: bytes = b"") -> bytes:
        """A line with nothing but some of its declared fields, in their places. ``begins`` is kept whatever it is.

        Args:
            raw: a line that ``values`` can take apart.
            keeps: whether a field stays, by its name and its text.
            begins: what the line begins with where its kind is told by that.
        """
        kept = [
            keeps(field, text) and not column.value
            for field, text, column in zip(self.fields, self.values(raw), self._columns, strict=True)
        ]
        if self._dialect.format == "xml":
            texts = zip(self.values(raw), kept, strict=True)
            return msgspec.json.encode([text if stays else "" for text, stays in texts])
        line = self.text(raw)
        if self._dialect.format == "fixed":
            mark = self.text(begins)
            left = [*mark, *" " * (len(line) - len(mark))]
            for column, stays in zip(self._columns, kept, strict=True):
                if stays:
                    place = slice(column.start - 1, min(column.start - 1 + column.width, len(line)))
                    left[place] = line[place]
            return "".join(left).encode(self._encoding)
        places = {at for at, stays in zip(self._at, kept, strict=True) if stays} | ({0} if begins else set())
        found = cells(line, self._delimiter, self._quote)
        texts_ = [text if at in places else "" for at, text in enumerate(found)]
        return self._delimiter.join(self._cell(text) for text in texts_).encode(self._encoding)

    def _cell(self, text: str) -> str:
        quote = self._quote
        if quote and (self._delimiter in text or quote in text):
            return f"{quote}{text.replace(quote, quote * 2)}{quote}"
        return text

    @staticmethod
    def _slice(line: str, column: Column) -> str:
        end = column.start - 1 + column.width
        if len(line) < column.start:
            raise Rejected(f"field {column.field}: the line ends before it, after {len(line)} characters")
        return line[column.start - 1 : end].strip()


class Writer:
    """Records as the bytes of a file."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._values = Values(write)
        self._encoding = "utf-8" if write.encoding == "utf-8-sig" else write.encoding  # its mark comes once

    def file(self, rows: Sequence[Mapping[str, object]]) -> bytes:
        """A whole file; raises as ``line`` does."""
        return self.whole([self.line(row) for row in rows])

    def whole(self, lines: Sequence[bytes]) -> bytes:
        """A file of lines that are made."""
        write = self._write
        if write.format == "xml":
            root = write.record.rpartition("/")[0]
            opened = [name for name in (root or write.root).split("/") if name]
            known = XML_NAMES.get(self._encoding.lower(), self._encoding.upper())
            head = f'<?xml version="1.0" encoding={quoteattr(known)}?>\n'
            start = "".join(f"<{name}>\n" for name in opened)
            end = "".join(f"</{name}>\n" for name in reversed(opened))
            return b"".join((head.encode("ascii"), start.encode("ascii"), *lines, end.encode("ascii")))
        mark = b"\xef\xbb\xbf" if write.encoding == "utf-8-sig" else b""
        if write.format == "csv" and write.header:
            names = [self._quoted(column.name) for column in write.columns]
            return b"".join((mark, self._bytes("header", write.delimiter.join(names)), b"\r\n", *lines))
        return b"".join((mark, *lines))

    def line(self, row: Mapping[str, object]) -> bytes:
        """One record.

        Raises:
            Rejected: a value does not fit; names the field.
        """
        write = self._write
        texts = [(column, self._text(column, row.get(column.field))) for column in write.columns]
        if write.format == "csv":
            return self._join([(column, self._quoted(text)) for column, text in texts], write.delimiter)
        if write.format == "fixed":
            return self._fixed(texts)
        record = write.record.rpartition("/")[2]
        parts = [(column, f"<{column.name}>{escape(text)}</{column.name}>") for column, text in texts]
        return f"<{record}>".encode("ascii") + self._join(parts, "", end=f"</{record}>\n")

    def _join(self, parts: Sequence[tuple[Column, str]], between: str, *, end: str = "\r\n") -> bytes:
        return between.encode("ascii").join(self._bytes(c.field, text) for c, text in parts) + end.encode(
            "ascii"
        )

    def _fixed(self, texts: Sequence[tuple[Column, str]]) -> bytes:
        line = [" "] * max(column.start - 1 + column.width for column, _ in texts)
        for column, text in texts:
            if len(text) > column.width:
                raise Rejected(
                    f"{column.field}: {shown(text)} has {len(text)} characters, its column {column.width}"
                )
            line[column.start - 1 : column.start - 1 + column.width] = text.ljust(column.width)
        return self._bytes("line", "".join(line)) + b"\r\n"

    def _text(self, column: Column, value: object) -> str:
        if column.value:
            return column.value
        if value is None:
            return ""
        if isinstance(value, bool):
            return "1" if value else "0"
        if column.field in DATES and isinstance(value, int):
            return self._values.write_moment(value)
        if isinstance(value, int | Decimal):
            return self._values.write_number(Decimal(value))
        text = _BREAKS.sub(" ", str(value)).strip()
        most = LONG_CHARS_MAX if column.field == "description" else TEXT_CHARS_MAX
        if len(text) > most or CONTROL.search(text):
            raise Rejected(f"{column.field}: {shown(text)} has a control character, or is too long")
        if self._write.formulas == "escape" and self._write.format == "csv" and text.startswith(FORMULA):
            return "'" + text
        return text

    def _quoted(self, text: str) -> str:
        quote, delimiter = self._write.quote, self._write.delimiter
        if (not quote or quote not in text) and delimiter not in text and text == text.strip():
            return text
        if not quote:
            raise Rejected(f"{shown(text)} contains the delimiter, and no quote is declared")
        return quote + text.replace(quote, quote + quote) + quote

    def _bytes(self, field: str, text: str) -> bytes:
        try:
            return text.encode(self._encoding)
        except UnicodeEncodeError as error:
            raise Rejected(
                f"{field}: {shown(text[error.start])} cannot be written as {self._encoding}"
            ) from error
