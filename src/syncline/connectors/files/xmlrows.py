"""Records of an XML file, read as a stream. A DOCTYPE is refused, so there are no entities to expand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.parsers import expat

from syncline.connectors.files.declared import Column
from syncline.connectors.files.dialect import CONTROL, shown
from syncline.model.errors import Rejected

CHUNK_BYTES = 256 * 1024
DEPTH_MAX = 16
TEXT_CHARS_MAX = 64 * 1024
NAMES_MAX = 1_000  # different names within one element
HELD_MAX = 10_000  # records that wait for what their outer elements say after them


@dataclass(slots=True)
class _Open:
    """An element that has not ended yet. ``values`` are texts by path, ``twice`` the paths that came again."""

    name: str
    line: int
    record: bool
    text: list[str] = field(default_factory=list)
    chars: int = 0
    values: dict[str, str] = field(default_factory=dict)
    twice: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class XmlRow:
    """One record: its line in the file, its fields in their order, and why it cannot be taken, if so."""

    line: int
    values: list[str]
    refused: str = ""


@dataclass(frozen=True, slots=True)
class _Held:
    """A record whose outer elements, down to the depth ``until``, have not ended."""

    element: _Open
    above: tuple[_Open, ...]
    until: int


class _Records:
    """Collects records while the parser goes on."""

    def __init__(self, path: Sequence[str], columns: Sequence[Column], *, late: bool) -> None:
        self._path = list(path)
        self._columns = columns
        # What all records of a file have in common stands before them, however late the rest may.
        reach = max((column.name.count("../") for column in columns), default=0) if late else 0
        self._until = max(1, len(self._path) - 1 - reach) if reach else 0
        self._held: list[_Held] = []
        self._open: list[_Open] = []
        self.found: list[XmlRow] = []
        # Python's own reader of XML (xml.sax, xml.dom) may be told to fetch things; this one cannot be.
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self._doctype

    def _doctype(self, *_: object) -> None:
        raise Rejected(
            f"line {self.parser.CurrentLineNumber}: it has a DOCTYPE or an entity, which is not read"
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= DEPTH_MAX:
            raise Rejected(
                f"line {self.parser.CurrentLineNumber}: elements are nested deeper than {DEPTH_MAX}"
            )
        local = name.rpartition(":")[2]
        record = [one.name for one in self._open] + [local] == self._path
        element = _Open(local, self.parser.CurrentLineNumber, record)
        if len(attributes) > NAMES_MAX:
            raise Rejected(f"line {element.line}: an element has more than {NAMES_MAX} attributes")
        for key, value in attributes.items():
            self._put(element, f"@{key.rpartition(':')[2]}", value)
        self._open.append(element)

    def _text(self, text: str) -> None:
        if self._open:
            element = self._open[-1]
            element.chars += len(text)
            if element.chars > TEXT_CHARS_MAX:
                raise Rejected(
                    f"line {element.line}: <{shown(element.name)}> has more than {TEXT_CHARS_MAX} characters"
                )
            element.text.append(text)

    def _end(self, _: str) -> None:
        element = self._open.pop()
        if element.record:
            held = _Held(element, tuple(self._open), self._until)
            if not self._until or len(self._open) <= self._until:
                self.found.append(self._row(held))
            elif len(self._held) >= HELD_MAX:
                raise Rejected(f"line {element.line}: more than {HELD_MAX} records stand in one element")
            else:
                self._held.append(held)
        elif self._open:
            above = self._open[-1]
            self._put(above, element.name, "".join(element.text).strip())
            for path, value in element.values.items():
                self._put(above, f"{element.name}/{path}", value)
            above.twice |= {f"{element.name}/{path}" for path in element.twice}
        if self._held and len(self._open) <= self._until:
            self.found.extend(self._row(held) for held in self._held)
            self._held.clear()

    def _put(self, element: _Open, path: str, value: str) -> None:
        if path in element.values:
            element.twice.add(path)
        elif len(element.values) >= NAMES_MAX:
            raise Rejected(
                f"line {element.line}: <{shown(element.name)}> has more than {NAMES_MAX} different parts"
            )
        element.values[path] = value

    def _row(self, held: _Held) -> XmlRow:
        element, outer = held.element, held.above
        values: list[str] = []
        refused = ""
        for column in self._columns:
            if column.value:
                values.append(column.value)
                continue
            place, path = element, column.name
            above = len(outer) - 1
            while path.startswith("../"):
                place, path = outer[max(above, 0)], path[3:]
                above -= 1
            if path in place.twice and (place is element or held.until):
                refused = refused or f"field {column.field}: the record has it twice"
            value = place.values.get(path, "")
            if CONTROL.search(value):
                refused = refused or f"field {column.field}: {shown(value)} has a control character"
            values.append(value)
        return XmlRow(element.line, values, refused)


def records(file: BinaryIO, path: str, columns: Sequence[Column], *, late: bool = False) -> Iterator[XmlRow]:
    """Every record of a file, in order.

    ``late``: what a record's outer elements say counts wherever it stands in them, before the record or after it; only
    of the outermost it has to stand before.

    Raises:
        Rejected: the file is not well-formed, not whole, or a bomb; says on which line.
    """
    found = _Records([part for part in path.split("/") if part], columns, late=late)
    try:
        while chunk := file.read(CHUNK_BYTES):
            found.parser.Parse(chunk, False)  # noqa: FBT003 (expat takes it by position only)
            yield from found.found
            found.found.clear()
        found.parser.Parse(b"", True)  # noqa: FBT003
    except expat.ExpatError as error:
        raise Rejected(f"line {error.lineno}: {expat.ErrorString(error.code)}") from error
    except (LookupError, ValueError) as error:  # an encoding that nobody knows
        raise Rejected(f"line {found.parser.CurrentLineNumber}: {shown(str(error))}") from error
    yield from found.found
