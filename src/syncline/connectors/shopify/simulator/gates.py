"""What a webhook subscription lets through: its filter, its fields and its metafields.

Rules from shopify.dev "webhooks/delivery-filtering" and "customize/modify-payloads"; which filters are refused, and in which
words, from live answers of 2026-04. Assumed: AND binds stronger than OR, texts are compared regardless of case, and
a field that a payload lacks meets no condition.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from syncline.connectors.shopify.simulator.search import compare, matches

FILTER_BYTES_MAX = 65_535
INVALID = "The specified filter is invalid, please ensure you specify the field(s) you wish to filter on."
TOO_BIG = "The specified filter exceeds the maximum allowed size."

Passes = Callable[[Mapping[str, Any]], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<paren>[()])|(?P<word>AND|OR|NOT)(?=[\s(])|(?P<minus>-)?(?P<field>[A-Za-z_][\w.]*):(?P<op>>=|<=|>|<)?"""
    r"""(?P<value>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|(?:[^\s()\\]|\\.)+))"""
)


class Invalid(Exception):
    """A filter that cannot be understood; its text is the vendor's."""


def parse(text: str | None) -> Passes | None:
    """What a filter lets through; ``None``: everything.

    Raises:
        Invalid: it is too large, or not every term names a field.
    """
    if len((text or "").encode()) > FILTER_BYTES_MAX:
        raise Invalid(TOO_BIG)
    if not text or not text.strip():
        return None
    tokens: list[re.Match[str]] = []
    at = 0
    stripped = text.rstrip()
    while at < len(stripped):
        found = _TOKEN.match(stripped, at)
        if found is None:
            raise Invalid(INVALID)
        tokens.append(found)
        at = found.end()
    passes, rest = _either(tokens)
    if rest:
        raise Invalid(INVALID)
    return passes


def _either(tokens: Sequence[re.Match[str]]) -> tuple[Passes, Sequence[re.Match[str]]]:
    first, tokens = _all(tokens)
    ways = [first]
    while tokens and tokens[0]["word"] == "OR":
        more, tokens = _all(tokens[1:])
        ways.append(more)
    return (lambda payload: any(way(payload) for way in ways)), tokens


def _all(tokens: Sequence[re.Match[str]]) -> tuple[Passes, Sequence[re.Match[str]]]:
    first, tokens = _one(tokens)
    terms = [first]
    while tokens and tokens[0]["word"] != "OR" and tokens[0]["paren"] != ")":
        more, tokens = _one(tokens[1:] if tokens[0]["word"] == "AND" else tokens)
        terms.append(more)
    return (lambda payload: all(term(payload) for term in terms)), tokens


def _one(tokens: Sequence[re.Match[str]]) -> tuple[Passes, Sequence[re.Match[str]]]:
    if not tokens:
        raise Invalid(INVALID)
    token, rest = tokens[0], tokens[1:]
    if token["word"] == "NOT":
        inner, rest = _one(rest)
        return (lambda payload: not inner(payload)), rest
    if token["paren"] == "(":
        inner, rest = _either(rest)
        if not rest or rest[0]["paren"] != ")":
            raise Invalid(INVALID)
        return inner, rest[1:]
    if not token["field"]:
        raise Invalid(INVALID)
    term = _term(token["field"].split("."), token["op"] or "", _unquoted(token["value"]))
    return (lambda payload: not term(payload)) if token["minus"] else term, rest


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    return re.sub(r"\\(.)", r"\1", text)


def _term(path: Sequence[str], op: str, wanted: str) -> Passes:
    return lambda payload: any(_meets(value, op, wanted) for value in _values(payload, path))


def _values(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """What stands at a path: of every entry of a list on the way."""
    if isinstance(value, list):
        for entry in value:
            yield from _values(entry, path)
    elif not path:
        if value is not None:
            yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _values(value[path[0]], path[1:])


def _meets(value: Any, op: str, wanted: str) -> bool:
    if wanted == "*" and not op:
        return True
    text = str(value).lower() if isinstance(value, bool) else str(value)
    numbers = _number(text), _number(wanted)
    if None not in numbers:
        return compare(op, *numbers)
    moments = _moment(text), _moment(wanted)
    if op and None not in moments:
        return compare(op, *moments)
    return compare(op, text.casefold(), wanted.casefold()) if op else matches(text, wanted)


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _moment(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


# -- what of a payload is told


def chosen(payload: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """The fields of a payload that are asked for; a period leads into a field, and into every entry of a list."""
    wanted: dict[str, list[str]] = {}
    for name in fields:
        head, _, rest = name.partition(".")
        wanted.setdefault(head, []).append(rest)
    return {name: _within(value, wanted[name]) for name, value in payload.items() if name in wanted}


def _within(value: Any, fields: Sequence[str]) -> Any:
    if "" in fields:
        return value
    if isinstance(value, list):
        return [_within(entry, fields) for entry in value]
    return chosen(value, fields) if isinstance(value, Mapping) else value
