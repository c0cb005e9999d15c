"""Shopify's search syntax, as far as the simulated lists support it, and keyset pagination.

Syntax: terms joined by blanks or AND, OR between groups, ``-`` or NOT before a term, comparisons
after the colon (shopify.dev "usage/search-syntax"). A field that a list does not know is ignored
with a warning by the vendor; here it is also a breach, because the client then reads too much.
"""

from __future__ import annotations

import base64
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from syncline.connectors.shopify.simulator.operation import FieldRefused, Page

PAGE_MAX = 250

_TERM = re.compile(
    r"""(?P<paren>[()])|(?P<not>-|NOT\s+)?(?:(?P<field>\w+):(?P<op>>=|<=|>|<)?)?"""
    r"""(?P<value>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|(?:[^\s()\\]|\\.)+)""",
)
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: ``field:op value``."""

    field: str
    op: str
    value: str
    negated: bool


def parse_query(text: str) -> list[list[Term]]:
    """Alternatives (OR) of conjunctions (AND)."""
    groups: list[list[Term]] = [[]]
    for found in _TERM.finditer(text):
        if found["paren"]:
            continue
        value = found["value"]
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        value = _ESCAPED.sub(r"\1", value)  # a backslash before a quote or a special character
        if not found["field"] and value in {"AND", "OR"}:
            if value == "OR":
                groups.append([])
            continue
        groups[-1].append(Term(found["field"] or "", found["op"] or "", value, bool(found["not"])))
    return [group for group in groups if group]


def instant_ms(text: str) -> int:
    """A timestamp of a query, UTC unless it says otherwise; a date alone is its midnight."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise FieldRefused(f"Invalid timestamp '{text}'", "BAD_REQUEST") from None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return round(parsed.timestamp() * 1000)


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
    """A text term: case does not matter and a trailing ``*`` is a prefix."""
    text, wanted = text.casefold(), wanted.casefold()
    return text.startswith(wanted[:-1]) if wanted.endswith("*") else text == wanted


# -- pages

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
    if first is not None and last is not None:
        raise FieldRefused("providing both first and last is not supported", "BAD_REQUEST")
    size = first if first is not None else last
    if size is None:
        raise FieldRefused("you must provide one of first or last", "BAD_REQUEST")
    if not 0 <= size <= PAGE_MAX:
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
