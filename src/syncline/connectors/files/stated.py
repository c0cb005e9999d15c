"""Records that a row of a file states, or several rows together: what they are in events, and how one is made.

Who adds a kind of record writes a ``StatedRows`` of it, and names it in ``builders.py``.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from syncline.connectors.files.dialect import shown
from syncline.connectors.files.mapping import Rows
from syncline.model.errors import Rejected

Value = TypeVar("Value")
CURRENCY = re.compile(r"(?:[A-Z]{3})?")
YES = frozenset("1 true yes y t x".split())
NO = frozenset(("", *"0 false no n f".split()))


class Stated(msgspec.Struct, Generic[Value], frozen=True):
    """One record as a file states it: its key and value, its version, and since when it may be so."""

    key: str
    value: Value
    version_ms: int
    seq: int
    changed_ms: int


class Line(NamedTuple):
    """A row of a file, taken apart: its number there, and its cells."""

    number: int
    values: Sequence[str]


class AtLine(Rejected):
    """A record cannot be taken because of one of its lines, the ``line``-th of the file."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


class StatedRows(Rows, ABC):
    """Makes records of one kind of the rows of one file. ``personal``: they tell of people, so a refusal quotes nothing of a row."""

    personal = False

    @abstractmethod
    def key_of(self, values: Sequence[str]) -> str:
        """Which record a row is of.

        Raises:
            Rejected: it names none.
        """

    def check(self, values: Sequence[str]) -> None:
        """Look at a row by itself, in the order of the file, before any record is made.

        Raises:
            Rejected: it spoils its record.
        """

    @abstractmethod
    def record(self, lines: Sequence[Line]) -> Stated[object]:
        """The record that all of its rows make, in the order of the file.

        Raises:
            Rejected: they cannot be understood, or contradict each other; names the field. ``AtLine`` names the line, too.
        """

    def stated(self, key: str, value: Value, lines: Sequence[Line]) -> Stated[Value]:
        """A record of some rows, as old as the newest of them.

        What a full file says was read before its stamp: changes that were told meanwhile are newer. A row's own stamp is that of
        what it says, whenever it was read.
        """
        stamp_ms = max(self.stamp(line.values) for line in lines)
        exported = self._read.scope == "full" and self._read.stamp != "row"
        version_ms = stamp_ms - self._read.lead_s * 1000 if exported else stamp_ms
        return Stated(key, value, version_ms, self._taken.seq, min(self._changed_ms, stamp_ms))

    def alike(self, field: str, lines: Sequence[Line]) -> str:
        """What the rows of a record say alike; a row may leave it out.

        Raises:
            AtLine: they differ, and nothing tells which of them is meant.
        """
        said, at = "", 0
        for number, values in lines:
            text = self._get(field, values)
            if text and said and text != said:
                why = (
                    f"another here than in line {at}"
                    if self.personal
                    else f"{shown(text)} here, and {shown(said)} in line {at}"
                )
                raise AtLine(number, f"field {field}: {why}")
            if text and not said:
                said, at = text, number
        return said

    def yes(self, field: str, values: Sequence[str]) -> bool:
        """Whether a cell says yes; raises as ``means_yes`` does."""
        return self.means_yes(field, self._get(field, values))

    @staticmethod
    def means_yes(field: str, text: str) -> bool:
        """Whether a text says yes; an empty one says no.

        Raises:
            Rejected: it says neither.
        """
        if text.lower() not in YES | NO:
            raise Rejected(f"field {field}: {shown(text)} is neither yes nor no (1, 0, true, false)")
        return text.lower() in YES

    def currency(self, values: Sequence[str]) -> str:
        """The currency of a row; "" where none is said. Raises as ``iso`` does."""
        return self.iso(self._get("currency", values))

    @staticmethod
    def iso(text: str) -> str:
        """A currency.

        Raises:
            Rejected: it is none.
        """
        if not CURRENCY.fullmatch(text):
            raise Rejected(f"field currency: {shown(text)} is no currency (ISO 4217)")
        return text
