"""Shopify's search syntax, as far as the simulated lists support it, and keyset pagination.

Syntax: terms joined by blanks or AND, OR between groups, ``-`` or NOT before a term or a parenthesis, comparisons
after the colon, lists of values (shopify.dev "usage/search-syntax"; 2026-07 schema). A field that a list does not know is ignored
with a warning by the vendor; here it is also a breach, because the client then reads too much.
"""

from __future__ import annotations

import base64
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator.operation import FieldRefused, Page

PAGE_MAX = 250

_TOKEN = re.compile(
    r"""(?P<paren>[()])|(?P<not>-(?=[^\s-])|NOT(?=[\s(]))|(?P<word>(?:AND|OR)(?=[\s()]|$))"""
    r"""|(?:(?P<field>\w+):(?P<op>>=|<=|>|<)?)?(?P<value>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|(?:[^\s()\\]|\\.)+)""",
)
_ESCAPED = re.compile(r"\\(.)")
# Fields that take several values at once, as ``status:active,draft`` (2026-07 schema, what it says of queries).
_LISTS = frozenset("channel product_ids product_status product_type status tag tag_not vendor".split())
ALTERNATIVES_MAX = 1_000
_SOME_DAY = re.compile(r"\d{4}(-\d{2}){0,2}")
_RANGES = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: ``field:op value``."""

    field: str
    op: str
    value: str
    negated: bool


Groups = list[list[Term]]


class _Reader:
    """Reads a query: OR between AND between terms, which may be negated or in parentheses."""

    def __init__(self, text: str) -> None:
        self._found = list(_TOKEN.finditer(text))
        self._next = 0

    def read(self) -> tuple[Groups, dict[str, Any]]:
        groups, told = self._either(negated=False)
        while self._next < len(self._found):  # a parenthesis that closes nothing
            self._next += 1
            more, also = self._either(negated=False)
            groups, told = _both(groups, more), {"and": [told, also]}
        return groups, told

    def _peek(self, name: str) -> str:
        return (self._found[self._next][name] or "") if self._next < len(self._found) else ""

    def _either(self, *, negated: bool) -> tuple[Groups, dict[str, Any]]:
        ways = [self._all(negated=negated)]
        while self._peek("word") == "OR":
            self._next += 1
            ways.append(self._all(negated=negated))
        return _folded(ways, _both if negated else _one_of, "or")

    def _all(self, *, negated: bool) -> tuple[Groups, dict[str, Any]]:
        parts: list[tuple[Groups, dict[str, Any]]] = []
        while self._next < len(self._found) and self._peek("paren") != ")" and self._peek("word") != "OR":
            if self._peek("word"):
                self._next += 1
                continue
            parts.append(self._one(negated=negated))
        return _folded(parts, _one_of if negated else _both, "and") if parts else ([[]], {})

    def _one(self, *, negated: bool) -> tuple[Groups, dict[str, Any]]:
        if self._peek("not"):
            self._next += 1
            if self._next == len(self._found):
                return [[]], {}
            groups, told = self._one(negated=not negated)
            return groups, {"not": told}
        found = self._found[self._next]
        self._next += 1
        if found["paren"]:
            groups, told = self._either(negated=negated)
            self._next += self._peek("paren") == ")"
            return groups, told
        if found["word"] or not found["value"]:
            return [[]], {}
        value = found["value"]
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        value = _ESCAPED.sub(r"\1", value)  # a backslash before a quote or a special character
        field, op = found["field"] or "", found["op"] or ""
        told = {"field": field or "default"}
        told |= {"range": {_RANGES[op]: value}} if op else {"match_all": value}
        values = [part.strip() for part in value.split(",")] if field in _LISTS and not op else [value]
        terms = [Term(field, op, one, negated) for one in values]
        together = negated is not (field == "tag_not")  # what is in none of a list is in each one of it not
        return [terms] if together else [[term] for term in terms], told


def _folded(
    parts: Sequence[tuple[Groups, dict[str, Any]]], join: Callable[[Groups, Groups], Groups], name: str
) -> tuple[Groups, dict[str, Any]]:
    groups = reduce(join, (groups for groups, _ in parts))
    return groups, parts[0][1] if len(parts) == 1 else {name: [told for _, told in parts]}


def _one_of(left: Groups, right: Groups) -> Groups:
    return [*left, *right]


def _both(left: Groups, right: Groups) -> Groups:
    if len(left) * len(right) > ALTERNATIVES_MAX:
        raise FieldRefused("The query has too many alternatives.", "BAD_REQUEST")  # a limit of this simulator
    return [[*one, *other] for one in left for other in right]


def parse_query(text: str) -> Groups:
    """Alternatives (OR) of conjunctions (AND), whatever the parentheses were; none: everything is asked for."""
    groups, _ = _Reader(text).read()
    return [] if any(not group for group in groups) else groups


def understood(shop: ShopifySimulator, query: str, known: Collection[str], named: Collection[str]) -> Groups:
    """A query without the fields that the list does not have: the vendor ignores them and warns.

    Args:
        shop: where they are noted.
        query: what was asked.
        known: the fields that are simulated; "" is a word without a field.
        named: all that the vendor's list has; one of them that is not simulated is refused.
    """
    groups = parse_query(query)
    for term in (term for group in groups for term in group):
        if term.field in known:
            continue
        if term.field in named:
            raise FieldRefused(f"the search field {term.field} is not simulated", "BAD_REQUEST")
        if (query, term.field) not in shop.warned:
            shop.ledger.breach("unknown_search_field")
            shop.warned.append((query, term.field))
    kept = [[term for term in group if term.field in known] for group in groups]
    return [] if any(not group for group in kept) else kept


def warnings(key: str, warned: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """``extensions.search`` of a root field: what was ignored (live answers of 2025-01; that of a range is assumed)."""
    return [
        {
            "path": [key],
            "query": query,
            "parsed": _Reader(query).read()[1],
            "warnings": [
                {"field": field, "message": "Invalid search field for this query.", "code": "invalid_field"}
                for at, field in warned
                if at == query
            ],
        }
        for query in dict.fromkeys(query for query, _ in warned)
    ]


def fits(groups: Groups, test: Callable[[Term], bool]) -> bool:
    """Whether some alternative holds; without any, everything is asked for."""
    return not groups or any(all(test(term) is not term.negated for term in group) for group in groups)


def instant_ms(text: str, now_ms: int = 0) -> int:
    """A timestamp of a query, UTC unless it says otherwise: ``now``, a moment, or the beginning of a day, month or year."""
    if text == "now":
        return now_ms
    if _SOME_DAY.fullmatch(text):
        text += "-01" * (2 - text.count("-"))
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise FieldRefused(f"Invalid timestamp '{text}'", "BAD_REQUEST") from None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return round(parsed.timestamp() * 1000)


def at_time(term: Term, at_ms: int, now_ms: int) -> bool:
    """A moment in whole seconds, as the index knows it; ``*`` asks for any, and a day, month or year for those in it (assumed)."""
    if term.value == "*":
        return True
    second = at_ms // 1000 * 1000
    if not term.op and _SOME_DAY.fullmatch(term.value):
        shown = datetime.fromtimestamp(second / 1000, UTC).strftime("%Y-%m-%d")
        return shown.startswith(term.value)
    return compare(term.op, second, instant_ms(term.value, now_ms))


def compare(op: str, left: Any, right: Any) -> bool:
    """``left op right``; no operator means equal."""
    if op == ">":
        return bool(left > right)
    if op == ">=":
        return bool(left >= right)
    if op == "<":
        return bool(left < right)
    if op == "<=":
        return bool(left <= right)
    return bool(left == right)


def matches(text: str, wanted: str) -> bool:
    """A text term: case does not matter, a trailing ``*`` is a prefix, and ``*`` alone asks for any text at all."""
    text, wanted = text.casefold(), wanted.casefold()
    if wanted == "*":
        return bool(text)
    return text.startswith(wanted[:-1]) if wanted.endswith("*") else text == wanted


# -- pages

WHOLE: ContextVar[bool] = ContextVar("WHOLE", default=False)  # whether every page is read at once, in bulk
Key = tuple[Any, int]


def encode_cursor(key: Key) -> str:
    """An opaque cursor, made like the vendor's: the last id and the last sort value."""
    return base64.b64encode(msgspec.json.encode({"last_id": key[1], "last_value": key[0]})).decode()


def decode_cursor(text: str) -> Key:
    """The key in a cursor.

    Raises:
        FieldRefused: it is not one of ours.
    """
    try:
        found = msgspec.json.decode(base64.b64decode(text, validate=True))
        return found["last_value"], int(found["last_id"])
    except (ValueError, KeyError, TypeError, msgspec.DecodeError):
        raise FieldRefused("Invalid cursor for current pagination sort.", "BAD_REQUEST") from None


def paginate(
    nodes: Sequence[Any],
    key_of: Callable[[Any], Key],
    arguments: dict[str, Any],
    *,
    reverse: bool | None = None,
) -> Page:
    """One page of ``nodes``, which are in ascending order of their key.

    Raises:
        FieldRefused: neither ``first`` nor ``last``, or more than the vendor gives.
    """
    first, last = arguments.get("first"), arguments.get("last")
    if WHOLE.get():
        first, last, arguments = len(nodes), None, {"reverse": arguments.get("reverse", False)}
    elif first is not None and last is not None:
        raise FieldRefused("providing both first and last is not supported", "BAD_REQUEST")
    size = first if first is not None else last
    if size is None:
        raise FieldRefused("you must provide one of first or last", "BAD_REQUEST")
    if not WHOLE.get() and not 0 <= size <= PAGE_MAX:
        raise FieldRefused(
            f"first or last must be between 0 and {PAGE_MAX}", "BAD_REQUEST"
        )  # wording assumed
    backwards = arguments.get("reverse", False) if reverse is None else reverse
    after, before = arguments.get("after"), arguments.get("before")
    low, high = 0, len(nodes)
    if backwards:
        after, before = before, after
    if after:
        low = bisect_right(nodes, decode_cursor(after), key=key_of)
    if before:
        high = max(low, bisect_left(nodes, decode_cursor(before), key=key_of))
    window_low, window_high = low, high
    from_start = (first is not None) != backwards
    if from_start:
        high = min(high, low + size)
    else:
        low = max(low, high - size)
    chosen = list(nodes[low:high])
    more_after, more_before = high < len(nodes), low > 0
    if from_start:
        more_after = high < window_high
    else:
        more_before = low > window_low
    if backwards:
        chosen.reverse()
        more_after, more_before = more_before, more_after
    return Page(chosen, more_after, more_before, lambda node: encode_cursor(key_of(node)))
