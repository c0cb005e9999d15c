"""One statement for many rows, made from the statement that writes one.

``executemany`` looks a statement up in the statement cache again for every row: it hashes the text, and pushes what
was used least out of a cache of 512, so that a few hundred rows have every rarer statement compiled again. A statement
that says what its rows are unique by (``-- key:``) is therefore run for a few dozen of them at once, as ``VALUES``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any

from syncline.stores.statements import waves

MANY_LEAST = 8  # rows from which on one statement is cheaper than one a row
SIZES = (
    32,
    8,
    1,
)  # rows of a statement: few sizes, so that few are compiled and kept; with more, a row costs the same

_KEY = re.compile(r"^-- key: ([\w ]+)$", re.MULTILINE)
_WORD = re.compile(r"'(?:[^']|'')*'|[()]|\b(?:FROM|VALUES|WHERE|ON CONFLICT|RETURNING)\b")
_PARAMETER = re.compile(r"'(?:[^']|'')*'|:([a-z_]+)")
_SAME = re.compile(r"(\w+) = :(\w+)")
_ROWS = "FROM (VALUES ?) AS r"


@dataclass(frozen=True, slots=True)
class Many:
    """A statement for many rows, by how many: its parameters are the values of ``names`` of each, one row after the other."""

    sql: Mapping[int, str]
    names: tuple[str, ...]
    key: tuple[str, ...]

    def parts(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[Any]]]:
        """What to run with which values, one after the other: no key occurs twice in one run."""
        values = itemgetter(*self.names, self.names[0])  # of one name alone it would give no tuple
        for part in waves(rows, self.key, in_order=True):
            begin = 0
            for size in SIZES:
                while len(part) - begin >= size:
                    some = part[begin : begin + size]
                    yield self.sql[size], [value for row in some for value in values(row)]
                    begin += size


def keys_of(texts: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """What the rows of statements are unique by, where they say so."""
    found = {name: _KEY.search(text) for name, text in texts.items()}
    return {name: tuple(key[1].split()) for name, key in found.items() if key is not None}


@cache
def for_many(sql: str, key: tuple[str, ...]) -> Many:
    """The statement for many rows that does what ``sql`` does for each.

    Raises:
        ValueError: it has another shape than ``INSERT … VALUES``, ``INSERT … SELECT`` without a table, ``UPDATE … WHERE``
            or ``DELETE … WHERE`` that compares columns with parameters.
    """
    names = tuple(dict.fromkeys(_parameters(sql)))
    ends = dict(_outer(sql))
    end = min(ends.get("ON CONFLICT", len(sql)), ends.get("RETURNING", len(sql)))
    head, tail = sql[:end], sql[end:]
    where = ends.get("WHERE", end) if ends.get("WHERE", end) < end else -1
    if _parameters(tail) or ("FROM" in ends and ends["FROM"] < end and not sql.startswith("DELETE")):
        raise ValueError(f"cannot be run for many rows: {sql[:60]}")
    if sql.startswith("INSERT") and "VALUES" in ends:
        values = head[ends["VALUES"] + len("VALUES") :].strip().removeprefix("(").removesuffix(")")
        head = f"{head[: ends['VALUES']]}SELECT {values} {_ROWS} WHERE true\n"
    elif sql.startswith(("INSERT", "UPDATE")) and where >= 0:
        head = f"{head[:where]}{_ROWS} {head[where:]}"
    elif sql.startswith("DELETE") and where >= 0:
        same = _SAME.findall(head[where:])
        if " AND ".join(f"{column} = :{name}" for column, name in same) != " ".join(head[where:].split()[1:]):
            raise ValueError(f"cannot be run for many rows: {sql[:60]}")
        columns, asked = (", ".join(part) for part in zip(*((c, f":{n}") for c, n in same), strict=True))
        head = f"{head[:where]}WHERE ({columns}) IN (SELECT {asked} {_ROWS}) "
    else:
        raise ValueError(f"cannot be run for many rows: {sql[:60]}")

    def value(match: re.Match[str]) -> str:
        return f"r.column{names.index(match[1]) + 1}" if match[1] else match[0]

    one = f"({', '.join('?' * (len(names) + 1))})"
    begin, end_ = (_PARAMETER.sub(value, part) for part in head.split(_ROWS))
    return Many(
        {size: f"{begin}{_ROWS.replace('?', ', '.join([one] * size))}{end_}{tail}" for size in SIZES},
        names,
        key,
    )


def _parameters(sql: str) -> list[str]:
    return [match[1] for match in _PARAMETER.finditer(sql) if match[1]]


def _outer(sql: str) -> Iterator[tuple[str, int]]:
    """The first of each word that divides a statement, outside parentheses and quotes, from the last to the first."""
    depth, found = 0, []
    for match in _WORD.finditer(sql):
        if match[0] in "()":
            depth += 1 if match[0] == "(" else -1
        elif depth == 0 and not match[0].startswith("'"):
            found.append((match[0], match.start()))
    return iter(reversed(found))
