"""Query options as the product takes them: ``$filter``, ``$orderby``, ``$select``, ``$expand``, ``$top`` and so on.

Two limits are the vendor's own (contract sheet section 3, Microsoft, "Known OData limitations"): ``or`` between
different fields is an error, and a filter with ``any`` or ``all`` is ignored in silence, so that everything comes
back. Messages are those of Microsoft's OData library.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from syncline.connectors.business_central.simulator.errors import ApiError, bad_request
from syncline.connectors.business_central.simulator.schema import ENTITIES, Entity

PAGE_ITEMS_MAX = 20_000
DEPTH_MAX = 20

Row = Mapping[str, Any]
Test = Callable[[Row], bool]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<option>Microsoft\.NAV\.\w+'[^']*')
      | (?P<text>'(?:[^']|'')*')
      | (?P<guid>[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12})
      | (?P<instant>\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))
      | (?P<date>\d{4}-\d\d-\d\d)
      | (?P<number>-?\d+(?:\.\d+)?)
      | (?P<word>[A-Za-z_][A-Za-z0-9_./]*)
      | (?P<sign>[(),:])
    )""",
    re.VERBOSE,
)
_LAMBDA = re.compile(r"/(any|all)\s*\(")
EDM = {
    "guid": "Edm.Guid",
    "code": "Edm.String",
    "text": "Edm.String",
    "enum": "Edm.String",
    "decimal": "Edm.Decimal",
    "int": "Edm.Int32",
    "bigint": "Edm.Int64",
    "bool": "Edm.Boolean",
    "date": "Edm.Date",
    "instant": "Edm.DateTimeOffset",
    "number": "Edm.Decimal",
}
_NAMES = {"eq": "Equal", "ne": "NotEqual", "gt": "GreaterThan", "ge": "GreaterThanOrEqual", "lt": "LessThan", "le": "LessThanOrEqual"}  # fmt: skip
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "gt": lambda a, b: bool(a > b),
    "ge": lambda a, b: bool(a >= b),
    "lt": lambda a, b: bool(a < b),
    "le": lambda a, b: bool(a <= b),
}
_FITS = {
    "guid": ("guid",),
    "code": ("text",),
    "text": ("text",),
    "enum": ("text", "option"),
    "decimal": ("number",),
    "int": ("number",),
    "bigint": ("number",),
    "bool": ("bool",),
    "date": ("date",),
    "instant": ("instant",),
}
_FUNCTIONS: dict[str, Callable[[str, str], bool]] = {
    "startswith": lambda value, part: value.startswith(part),
    "endswith": lambda value, part: value.endswith(part),
    "contains": lambda value, part: part in value,
}


def instant_ms(text: str) -> int:
    """Milliseconds of an instant as the API writes it."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@dataclass(slots=True)
class Query:
    """The options of one read, checked."""

    where: Test | None = None
    order: tuple[tuple[str, bool], ...] = ()  # field, descending
    select: tuple[str, ...] = ()
    expand: dict[str, Query] = field(default_factory=dict)
    top: int | None = None
    skip: int = 0
    after: list[Any] | None = None  # where the page begins: the sort key of the last row before it
    count: bool = False
    names: frozenset[str] = frozenset()  # fields that the filter names


def syntax(message: str) -> ApiError:
    """The address is not understood."""
    return ApiError(400, "BadRequest_InvalidRequestUrl", message)


def parse(options: Mapping[str, str], entity: Entity) -> Query:
    """Read the options of an address.

    Raises:
        ApiError: in the words of the vendor's library.
    """
    query = Query()
    for name, value in options.items():
        if name == "$filter":
            query.where, query.names = parse_filter(value, entity)
        elif name == "$orderby":
            query.order = _orderby(value, entity)
        elif name == "$select":
            query.select = tuple(x.strip() for x in value.split(","))
            for each in query.select:
                if each not in entity.fields:
                    raise _no_property(each, entity)
        elif name == "$expand":
            query.expand = _expand(value, entity)
        elif name in ("$top", "$skip"):
            if not value.isdigit():
                raise syntax(f"Invalid value '{value}' for {name} query option found.")
            if name == "$top":
                query.top = int(value)
            else:
                query.skip = int(value)
        elif name == "$count":
            if value not in ("true", "false"):
                raise syntax(f"Invalid value '{value}' for $count query option found.")
            query.count = value == "true"
        elif name == "$skiptoken":
            query.after = _read_token(value)
        elif name.startswith("$"):
            raise syntax(f"The query option '{name}' is not supported.")
        # Anything without a dollar sign is a custom option, which the product leaves alone.
    return query


def _no_property(name: str, entity: Entity) -> ApiError:
    return ApiError(
        400,
        "BadRequest_NotFound",
        f"Could not find a property named '{name}' on type 'Microsoft.NAV.{entity.singular}'.",
    )


# -- $filter ------------------------------------------------------------------------------------------


class _Tokens:
    def __init__(self, text: str) -> None:
        self.text = text
        self.items: list[tuple[str, str]] = []
        at = 0
        text = text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise syntax(f"Syntax error at position {at} in '{self.text}'.")
            assert match.lastgroup is not None
            self.items.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self.at = 0

    def peek(self) -> tuple[str, str]:
        return self.items[self.at] if self.at < len(self.items) else ("end", "")

    def take(self, kind: str = "", value: str = "") -> str:
        found = self.peek()
        if (kind and found[0] != kind) or (value and found[1] != value):
            raise syntax(f"Syntax error at position {self.at} in '{self.text}'.")
        self.at += 1
        return found[1]


def parse_filter(text: str, entity: Entity) -> tuple[Test | None, frozenset[str]]:
    """A test of rows, and the fields it names."""
    if _LAMBDA.search(text):
        return None, frozenset()  # ignored in silence: everything comes back
    tokens = _Tokens(text)
    test, names = _either(tokens, entity, 0)
    if tokens.peek()[0] != "end":
        raise syntax(f"Syntax error at position {tokens.at} in '{text}'.")
    return test, frozenset(names)


def _either(tokens: _Tokens, entity: Entity, depth: int) -> tuple[Test, set[str]]:
    if depth > DEPTH_MAX:
        raise syntax("The filter is too deep.")
    test, names = _both(tokens, entity, depth)
    while tokens.peek() == ("word", "or"):
        tokens.take()
        other, more = _both(tokens, entity, depth)
        if names | more != names or len(names) > 1:
            # Microsoft, "Known limitations with Business Central OData"; the code is an assumption.
            raise ApiError(
                400,
                "BadRequest_MethodNotImplemented",
                "The 'OR' operator is not supported on distinct fields on an OData filter.",
            )
        test = _or(test, other)
    return test, names


def _or(left: Test, right: Test) -> Test:
    return lambda row: left(row) or right(row)


def _and(left: Test, right: Test) -> Test:
    return lambda row: left(row) and right(row)


def _not(inner: Test) -> Test:
    return lambda row: not inner(row)


def _both(tokens: _Tokens, entity: Entity, depth: int) -> tuple[Test, set[str]]:
    test, names = _one(tokens, entity, depth)
    while tokens.peek() == ("word", "and"):
        tokens.take()
        other, more = _one(tokens, entity, depth)
        test, names = _and(test, other), names | more
    return test, names


def _one(tokens: _Tokens, entity: Entity, depth: int) -> tuple[Test, set[str]]:
    kind, value = tokens.peek()
    if (kind, value) == ("sign", "("):
        tokens.take()
        test, names = _either(tokens, entity, depth + 1)
        tokens.take("sign", ")")
        return test, names
    if (kind, value) == ("word", "not"):
        tokens.take()
        test, names = _one(tokens, entity, depth + 1)
        return _not(test), names
    word = tokens.take("word")
    if word in _FUNCTIONS and tokens.peek() == ("sign", "("):
        return _function(tokens, entity, word)
    return _comparison(tokens, entity, word)


def _field_kind(name: str, entity: Entity) -> str:
    if name not in entity.fields:
        raise _no_property(name, entity)
    return entity.fields[name].kind


def _function(tokens: _Tokens, entity: Entity, function: str) -> tuple[Test, set[str]]:
    tokens.take("sign", "(")
    name = tokens.take("word")
    kind = _field_kind(name, entity)
    tokens.take("sign", ",")
    part = _unquoted(tokens.take("text"), kind)
    tokens.take("sign", ")")
    if kind not in ("code", "text"):
        raise syntax(
            f"No function signature for the function with name '{function}' matches the specified arguments."
        )
    check = _FUNCTIONS[function]
    return lambda row: check(row[name], part), {name}


def _unquoted(text: str, kind: str) -> str:
    inner = text[1:-1].replace("''", "'")
    # Fields of type Code hold upper case, and what is compared with them is made so too.
    return inner.upper() if kind == "code" else inner


def _comparison(tokens: _Tokens, entity: Entity, name: str) -> tuple[Test, set[str]]:
    kind = _field_kind(name, entity)
    operator = tokens.take("word")
    if operator not in _COMPARE:
        raise syntax(f"Syntax error at position {tokens.at} in '{tokens.text}'.")
    given, text = tokens.peek()
    tokens.take()
    if given == "word" and text in ("true", "false"):
        given = "bool"
    if given not in _FITS[kind]:
        shown = {"text": "Edm.String"}.get(given, EDM.get(given, "Edm.String"))
        raise bad_request(
            "A binary operator with incompatible types was detected. Found operand types "
            f"'{EDM[kind]}' and '{shown}' for operator kind '{_NAMES[operator]}'."
        )
    wanted = _literal(kind, text)
    compare = _COMPARE[operator]
    if kind == "instant":
        return lambda row: compare(instant_ms(row[name]), wanted), {name}
    return lambda row: compare(row[name], wanted), {name}


def _literal(kind: str, text: str) -> Any:
    if kind in ("code", "text", "enum"):
        return _unquoted(text[text.index("'") :], kind)  # an option may have its type before it
    if kind == "guid":
        return text.lower()
    if kind == "bool":
        return text == "true"
    if kind == "instant":
        return instant_ms(text)
    if kind == "date":
        return text
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise syntax(f"'{text}' is no number.") from error


# -- $orderby, $expand --------------------------------------------------------------------------------


def _orderby(text: str, entity: Entity) -> tuple[tuple[str, bool], ...]:
    order = []
    for part in text.split(","):
        name, _, direction = part.strip().partition(" ")
        if direction.strip() not in ("", "asc", "desc"):
            raise syntax(f"Syntax error in '{text}'.")
        _field_kind(name, entity)
        order.append((name, direction.strip() == "desc"))
    return tuple(order)


def _split(text: str, by: str) -> list[str]:
    """Split at a sign that stands outside of parentheses and quotes."""
    parts, depth, start, quoted = [], 0, 0, False
    for at, sign in enumerate(text):
        if sign == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif sign == "(":
            depth += 1
        elif sign == ")":
            depth -= 1
        elif sign == by and not depth:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


def _expand(text: str, entity: Entity, depth: int = 0) -> dict[str, Query]:
    if depth > 3:
        raise syntax("The $expand is too deep.")
    found: dict[str, Query] = {}
    for part in _split(text, ","):
        name, _, rest = part.strip().partition("(")
        if name in entity.many:
            child = ENTITIES[name]
        elif name in entity.one:
            child = ENTITIES[entity.one[name][0]]
        else:
            raise _no_property(name, entity)
        if rest and not rest.endswith(")"):
            raise syntax(f"Syntax error in '{text}'.")
        options = {
            key.strip(): value
            for key, _, value in (x.partition("=") for x in _split(rest[:-1], ";") if x.strip())
        }
        inner = options.pop("$expand", None)
        found[name] = parse(options, child)
        if inner is not None:
            found[name].expand = _expand(inner, child, depth + 1)
    return found


# -- pages --------------------------------------------------------------------------------------------


def _sort_key(row: Row, order: Sequence[tuple[str, bool]], entity: Entity) -> list[Any]:
    key: list[Any] = []
    for name, _ in order:
        value = row[name]
        if entity.fields[name].kind == "instant":
            value = instant_ms(value)
        key.append(value)
    return [*key, row["id"]]


@dataclass(slots=True)
class _Place:
    """A sort key of which some parts run downwards."""

    key: list[Any]
    down: tuple[bool, ...]

    def __lt__(self, other: _Place) -> bool:
        for mine, theirs, down in zip(self.key, other.key, self.down, strict=True):
            if mine != theirs:
                return bool(mine > theirs) if down else bool(mine < theirs)
        return False


def cut(rows: Sequence[Row], query: Query, entity: Entity, page: int) -> tuple[list[Row], str, int]:
    """One page of the rows that fit: the rows, the token of the next page (or ""), and how many fit in all."""
    fitting = [row for row in rows if query.where is None or query.where(row)]
    down = (*(d for _, d in query.order), False)
    places = [_Place(_sort_key(row, query.order, entity), down) for row in fitting]
    order = sorted(range(len(fitting)), key=lambda n: places[n])
    total = len(order)
    if query.after is not None:
        if len(query.after) != len(down):
            raise syntax("The $skiptoken does not fit the $orderby.")
        last = _Place(query.after, down)
        order = [n for n in order if last < places[n]]
    order = order[query.skip :]
    left = len(order) if query.top is None else min(query.top, len(order))
    shown = order[: min(left, page)]
    token = "" if len(shown) == left or not shown else _token(places[shown[-1]].key)
    return [fitting[n] for n in shown], token, total


def _token(key: list[Any]) -> str:
    plain = [f"#{x}" if isinstance(x, Decimal) else x for x in key]
    return base64.urlsafe_b64encode(msgspec.json.encode(plain)).decode().rstrip("=")


def _read_token(token: str) -> list[Any]:
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        assert isinstance(found, list)
        return [Decimal(x[1:]) if isinstance(x, str) and x.startswith("#") else x for x in found]
    except (ValueError, msgspec.DecodeError, AssertionError, InvalidOperation) as error:
        raise syntax("The $skiptoken is not one of this service.") from error
