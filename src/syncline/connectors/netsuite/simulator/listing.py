"""Collection listings: ``GET /{type}?q=…`` in the language of NS:section_1545222128.

Conditions are a field, an operator that fits the field's type, and as many values as the operator takes; AND binds closer
than OR, parentheses closest. Lines, subrecords and joins cannot be asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from syncline.connectors.netsuite.simulator import fields as tables
from syncline.connectors.netsuite.simulator.errors import ApiError
from syncline.connectors.netsuite.simulator.state import Account

CONDITIONS_MAX = 100
_TOKEN = re.compile(r"""\s*(?:(?P<text>"[^"]*")|(?P<mark>[()\[\],])|(?P<word>[^\s()\[\],"]+))""")
_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
# Stamps are kept in milliseconds here, and compared as days of the account.
_STAMPS = {"lastmodifieddate": "modified_ms", "createddate": "created_ms", "datecreated": "created_ms"}

Test = Callable[[Any, list[Any]], bool]
# Operators by the type of field that they fit, each with how many values it takes (0: any number, at least one).
_NUMBERS: dict[str, tuple[int, Test]] = {
    "ANY_OF": (0, lambda have, given: have in given),
    "BETWEEN": (2, lambda have, given: given[0] <= have <= given[1]),
    "WITHIN": (2, lambda have, given: given[0] <= have <= given[1]),
    "EQUAL": (1, lambda have, given: have == given[0]),
    "GREATER": (1, lambda have, given: have > given[0]),
    "GREATER_OR_EQUAL": (1, lambda have, given: have >= given[0]),
    "LESS": (1, lambda have, given: have < given[0]),
    "LESS_OR_EQUAL": (1, lambda have, given: have <= given[0]),
}
_TEXTS: dict[str, tuple[int, Test]] = {
    "CONTAIN": (1, lambda have, given: given[0] in have),
    "IS": (1, lambda have, given: have == given[0]),
    "START_WITH": (1, lambda have, given: have.startswith(given[0])),
    "END_WITH": (1, lambda have, given: have.endswith(given[0])),
}
_BOOLEANS: dict[str, tuple[int, Test]] = {"IS": (1, lambda have, given: have == given[0])}
_DATES: dict[str, tuple[int, Test]] = {
    "AFTER": (1, lambda have, given: have > given[0]),
    "BEFORE": (1, lambda have, given: have < given[0]),
    "ON": (1, lambda have, given: have == given[0]),
    "ON_OR_AFTER": (1, lambda have, given: have >= given[0]),
    "ON_OR_BEFORE": (1, lambda have, given: have <= given[0]),
}


def matching(account: Account, record: str, text: str | None) -> list[int]:
    """The ids of the records that a collection listing returns, oldest first.

    Raises:
        ApiError: the condition cannot be understood.
    """
    if record == "customer":
        rows: list[Any] = list(account.customers.values())
    elif record == "inventoryItem":
        rows = [i for i in account.items.values() if i.stocked]
    elif record == "kitItem":
        rows = [i for i in account.items.values() if i.kind == "Kit"]
    elif record == "location":
        rows = list(account.places.values())
    else:
        rows = [t for t in account.txns.values() if t.record == record]
    if not text:
        return [row.id for row in rows]
    holds = _Reader(account, record, text).read()
    return [row.id for row in rows if holds(row)]


class _Reader:
    """Reads one condition."""

    def __init__(self, account: Account, record: str, text: str) -> None:
        self._account = account
        self._kinds = {name.casefold(): (name, kind) for name, kind in tables.RECORDS[record].items()}
        self._kinds |= {
            name.casefold(): (name, kind) for name, kind in account.custom_fields.get(record, {}).items()
        }
        self._tokens: list[tuple[str, str]] = []
        self._next = 0
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None or len(self._tokens) > 10 * CONDITIONS_MAX:
                raise _refused()
            at = found.end()
            self._tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))

    def read(self) -> Callable[[Any], bool]:
        """The whole of it."""
        whole = self._either(0)
        if self._next < len(self._tokens):
            raise _refused()
        return whole

    def _peek(self) -> str:
        kind, text = self._tokens[self._next] if self._next < len(self._tokens) else ("", "")
        return text.upper() if kind != "text" else ""

    def _take(self) -> str:
        if self._next >= len(self._tokens):
            raise _refused()
        self._next += 1
        return self._tokens[self._next - 1][1]

    def _either(self, depth: int) -> Callable[[Any], bool]:
        ways = [self._all(depth)]
        while self._peek() == "OR":
            self._take()
            ways.append(self._all(depth))
        return ways[0] if len(ways) == 1 else lambda row: any(way(row) for way in ways)

    def _all(self, depth: int) -> Callable[[Any], bool]:
        parts = [self._one(depth)]
        while self._peek() == "AND":
            self._take()
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def _one(self, depth: int) -> Callable[[Any], bool]:
        if self._peek() == "(":
            if depth >= CONDITIONS_MAX:
                raise _refused()
            self._take()
            inner = self._either(depth + 1)
            if self._take() != ")":
                raise _refused()
            return inner
        name, kind = self._kinds.get(self._take().casefold(), ("", ""))
        stamp = _STAMPS.get(name.casefold(), "")
        if not name or kind.startswith("list:") or (kind == "obj" and not stamp):
            raise _refused()
        operator = self._take().upper()
        negated = operator.endswith("_NOT")
        operator = operator.removesuffix("_NOT")
        if operator == "EMPTY":
            return lambda row: (self._value(row, name, stamp) is None) is not negated
        operators, convert = self._typed(name, kind, stamp)
        if operator not in operators:
            raise _refused()
        count, test = operators[operator]
        given = [convert(value) for value in self._values(count)]

        def holds(row: Any) -> bool:
            have = self._value(row, name, stamp)
            return have is not None and test(have if stamp else convert(str(have)), given) is not negated

        return holds

    def _values(self, count: int) -> list[str]:
        if count == 1:
            return [self._take().strip('"')]
        if self._take() != "[":
            raise _refused()
        values = [self._take().strip('"')]
        while (mark := self._take()) == ",":
            values.append(self._take().strip('"'))
        if mark != "]" or (count and len(values) != count):
            raise _refused()
        return values

    @staticmethod
    def _typed(
        name: str, kind: str, stamp: str
    ) -> tuple[Mapping[str, tuple[int, Test]], Callable[[str], Any]]:
        """The operators that a field's type has, and how its values are read."""
        if stamp:
            return _DATES, _day
        if kind == "date":
            return _DATES, lambda text: text if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else _day(text)
        if kind == "bool":
            return _BOOLEANS, lambda text: text.casefold() in ("true", "t")
        if name == "id" or kind in ("num", "int", "ref"):
            return _NUMBERS, _number
        return _TEXTS, str.casefold

    def _value(self, row: Any, name: str, stamp: str) -> Any:
        if stamp:
            at_ms = getattr(row, stamp, None)
            return None if at_ms is None else self._account.local(at_ms)[:10]
        own = {"id": "id", "externalId": "external_id", "itemId": "sku", "tranId": "tranid", "name": "name"}
        if name in own and hasattr(row, own[name]):
            return getattr(row, own[name])
        if name == "entity" or (name == "customer" and hasattr(row, "entity")):
            return row.entity
        have = getattr(row, "fields", {}).get(name)
        return have.get("id") if isinstance(have, dict) else have


def _day(text: str) -> str:
    """A date in the user's format preference, without a time, as ISO 8601."""
    found = _DATE.fullmatch(text)
    if found is None:
        raise _refused()
    try:
        return date(int(found[3]), int(found[1]), int(found[2])).isoformat()
    except ValueError as error:
        raise _refused() from error


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise _refused() from error


def _refused() -> ApiError:
    return ApiError(400, "INVALID_PARAMETER", "Invalid search query.", param="q")
