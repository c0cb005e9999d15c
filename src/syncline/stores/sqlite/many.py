"""One statement for many rows, made from the statement that writes one.

``executemany`` looks a statement up in the statement cache again for every row: it hashes the text, and pushes what
was used least out of a cache of 512, so that a few hundred rows have every rarer statement compiled again. A statement
that says what its rows are unique by (``-- key:``) is therefore run once for all of them, from one JSON array.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any

import msgspec

from syncline.stores.statements import waves

MANY_LEAST = 8  # rows from which on one statement is cheaper than one a row

_KEY = re.compile(r"^-- key: ([\w ]+)$", re.MULTILINE)
_WORD = re.compile(r"'(?:[^']|'')*'|[()]|\b(?:FROM|VALUES|WHERE|ON CONFLICT|RETURNING)\b")
_PARAMETER = re.compile(r"'(?:[^']|'')*'|:([a-z_]+)")
_SAME = re.compile(r"(\w+) = :(\w+)")
_ROWS = "FROM (SELECT value AS v FROM json_each(?1)) AS r"
_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Many:
    """A statement for many rows: its one parameter is an array with the values of ``names`` of each row."""

    sql: str
    names: tuple[str, ...]
    key: tuple[str, ...]

    def parts(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str]]:
        """What to run it with, one after the other: no key occurs twice in one run."""
        values = itemgetter(*self.names, self.names[0])  # of one name alone it would give no tuple
        for part in waves(rows, self.key, in_order=True):
            yield (_encode(list(map(values, part))).decode(),)


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
        return f"(r.v ->> {names.index(match[1])})" if match[1] else match[0]

    return Many(_PARAMETER.sub(value, head) + tail, names, key)


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
