"""A full file beside the last one that was believed: what of it is news, what is there as it was, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

from syncline.connectors.files import mapping
from syncline.connectors.files.dialect import Reader
from syncline.connectors.files.intake import Numbered
from syncline.connectors.files.mapping import Refusal, Rows
from syncline.connectors.files.records import Grouped, made, refusals
from syncline.connectors.files.stated import Stated, StatedRows
from syncline.model.errors import Rejected


class Told(NamedTuple):
    """What one record amounts to: news, something known that is there, or a refusal.

    ``odd``: it was not taken, so the next file has to tell of what is called so although it says the same.
    """

    number: int
    key: str
    row: mapping.StockRow | mapping.ItemRow | Stated[object] | None
    refused: Refusal | None
    odd: str = ""


class Comparison(Protocol):
    """A file that is compared. ``whole``: what it leaves out is not there; else nobody knows."""

    @property
    def whole(self) -> bool:
        """Whether every row of it is of a record that is known."""
        ...

    def told(self) -> Iterator[Told]:
        """Every record, in the order of the file, the same whenever it is asked."""
        ...


class ComparedLines:
    """A file of which each line is a record; of two of one record the first counts.

    ``before`` are the lines of the file before. What its SKU is among ``odd`` was not taken then, and what is among
    ``again`` has to be told of whether it is the same or not.
    """

    whole = True  # what it leaves out is said to be missing, and goes on counting

    def __init__(
        self,
        name: str,
        rows: Rows,
        reader: Reader,
        lines: Callable[[], Iterable[Numbered]],
        before: set[bytes],
        odd: set[str],
        again: set[str],
    ) -> None:
        self._name, self._rows, self._reader, self._lines = name, rows, reader, lines
        self._before, self._odd, self._again = before, odd, again

    def told(self) -> Iterator[Told]:
        """Every line."""
        seen: set[str] = set()
        for number, raw in self._lines():
            key = ""
            try:
                values = self._reader.values(raw)
                key = self._rows.key(values)
                if key in seen:
                    raise Rejected(f"{key.replace(mapping.SEP, ' at ')} stands in the file a second time")
                seen.add(key)
                same = raw in self._before and not (self._again and _sku(key) in self._again)
                yield Told(number, key, None if same else self._rows.row(values), None)
            except Rejected as error:
                # Where it can be told whose line it is, the record is there, whatever is said of it.
                old = raw in self._before and (not key or _sku(key) in self._odd)
                refused = None if old else Refusal(self._name, str(error), number, mapping.shown_line(raw))
                # The next file may have this very line and no other of its SKU, and would seem to say nothing new.
                yield Told(number, key, None, refused, _sku(key))


class ComparedRecords:
    """A file whose rows make records together. ``before`` are the digests of those of the file before."""

    def __init__(
        self, name: str, rows: StatedRows, groups: Grouped, before: dict[str, int], again: set[str]
    ) -> None:
        self._name, self._rows, self._groups = name, rows, groups
        self._before, self._again = before, again

    @property
    def whole(self) -> bool:
        """Whether no row of it may be the only one of a record."""
        return not self._groups.torn

    def told(self) -> Iterator[Told]:
        """Rows that are of no record, then every record."""
        for refused in refusals(self._name, self._groups, self._rows):
            yield Told(refused.line, "", None, refused)
        for key, group in self._groups.groups.items():
            if not group.wrong and key not in self._again and self._before.get(key) == group.digest:
                yield Told(group.line, key, None, None)
                continue
            record = made(self._name, self._groups, group, self._rows)
            if isinstance(record, Refusal):
                yield Told(record.line, key, None, record, key)
            else:
                yield Told(group.line, key, record, None)


def _sku(key: str) -> str:
    return key.partition(mapping.SEP)[0]
