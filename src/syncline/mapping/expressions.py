"""A small language for the value of a field: typed, total and bounded.

::

    if(order.po_number = none, order.number, order.po_number)
    'Shop ' & channel & ', ' & join(order.lines.sku, ' ')
    round(order.total * 0.97, 2)

It is read once to a tree whose every node has a type, so a wrong name or type is found when a mapping is applied, not when
an order comes. There are no loops, no recursion and no way to anything but the record. Whatever is computed is bounded: so many characters, so
many nodes, so deep, so long a text, so large a number. What goes wrong all the same, such as a division by nothing, raises
``MappingError``, and nothing else is ever raised.

``none`` is what a record does not have. Most functions of ``none`` are ``none``; a field that is ``none`` is not written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Context, Decimal, DecimalException
from enum import StrEnum
from itertools import pairwise
from typing import Any, NoReturn

from syncline.model.errors import SynclineError

CHARS_MAX = 2_000
NODES_MAX = 300
DEPTH_MAX = 24
TEXT_MAX = 4_000
LIST_MAX = 1_000
LARGE = Decimal(10) ** 18
DIGITS_MAX = 10  # after the decimal point
_CONTEXT = Context(prec=34)


class MappingError(SynclineError):
    """An expression is wrong, or its value cannot be computed. The message names the place and the mend."""


class Type(StrEnum):
    """What a value can be. A list is of texts."""

    STRING = "string"
    DECIMAL = "decimal"
    DATE = "date"
    BOOLEAN = "boolean"
    LIST = "list"
    NONE = "none"


Value = str | Decimal | date | bool | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the tree: a literal, a field of the record by its path, or a function of other nodes."""

    type: Type
    name: str = ""  # of a function or field
    value: Value = None
    parts: tuple[Node, ...] = ()
    field: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """A function: the types that it takes, ``many`` of the last one; what it gives; whether it is ``none`` of ``none``."""

    takes: tuple[Type, ...]
    gives: Type
    compute: Callable[..., Value]
    least: int = -1  # of arguments; -1: as many as it takes
    strict: bool = True


S, D, T, B, L = Type.STRING, Type.DECIMAL, Type.DATE, Type.BOOLEAN, Type.LIST

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d{1,18}(?:\.\d{1,10})?)(?![\w.])|(?P<string>'(?:[^'\n]|'')*')|"
    r"(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|(?P<sign><=|>=|!=|[-+*/&=<>(),]))"
)


# --- what functions compute ------------------------------------------------------------------------------------


def _text(value: str) -> str:
    if len(value) > TEXT_MAX:
        raise MappingError(f"the text becomes longer than {TEXT_MAX} characters; cut it with left()")
    return value


def _number(value: Decimal) -> Decimal:
    if not value.is_finite() or abs(value) >= LARGE:
        raise MappingError(f"the number becomes larger than {LARGE:.0e}")
    return value


def _arithmetic(
    compute: Callable[[Context, Decimal, Decimal], Decimal],
) -> Callable[[Decimal, Decimal], Decimal]:
    def computed(one: Decimal, other: Decimal) -> Decimal:
        try:
            return _number(compute(_CONTEXT, one, other))
        except DecimalException:
            raise MappingError("a number is divided by nothing, or cannot be computed") from None

    return computed


def _round(value: Decimal, digits: Decimal) -> Decimal:
    places = min(DIGITS_MAX, max(0, int(digits)))
    try:
        return _number(value.quantize(Decimal(1).scaleb(-places), context=_CONTEXT))
    except DecimalException:
        raise MappingError("the number is too large to be rounded") from None


def _replace(text: str, old: str, new: str) -> str:
    if not old:
        return text
    if len(text) + text.count(old) * (len(new) - len(old)) > TEXT_MAX:
        raise MappingError(f"the text becomes longer than {TEXT_MAX} characters; cut it with left()")
    return text.replace(old, new)


def _size(count: Decimal) -> int:
    return min(TEXT_MAX, max(0, int(count)))


def _to_number(text: str) -> Decimal | None:
    found = re.fullmatch(r"\s*(-?\d{1,18}(?:\.\d{1,10})?)\s*", text, re.ASCII)
    return Decimal(found[1]) if found else None


def _to_date(text: str) -> date | None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _add_days(day: date, count: Decimal) -> date:
    try:
        return day + timedelta(days=int(count))
    except OverflowError:
        raise MappingError("the date lies outside of the calendar") from None


def _format_date(day: date, form: str) -> str:
    text = _replace(form, "YYYY", f"{day.year:04d}")
    return _replace(_replace(text, "MM", f"{day.month:02d}"), "DD", f"{day.day:02d}")


def _joined(items: Sequence[str], between: str) -> str:
    if sum(map(len, items)) + len(between) * max(0, len(items) - 1) > TEXT_MAX:
        raise MappingError(f"the text becomes longer than {TEXT_MAX} characters; join fewer")
    return between.join(items)


def shown(value: Value) -> str:
    """A value as a text; "" for ``none``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


FUNCTIONS: Mapping[str, Function] = {
    "upper": Function((S,), S, lambda text: _text(text.upper())),
    "lower": Function((S,), S, lambda text: _text(text.lower())),
    "trim": Function((S,), S, str.strip),
    "left": Function((S, D), S, lambda text, count: text[: _size(count)]),
    "right": Function((S, D), S, lambda text, count: text[-_size(count) :] if _size(count) else ""),
    "length": Function((S,), D, lambda text: Decimal(len(text))),
    "replace": Function((S, S, S), S, _replace),
    "contains": Function((S, S), B, lambda text, part: part in text),
    "starts_with": Function((S, S), B, str.startswith),
    "ends_with": Function((S, S), B, str.endswith),
    "number": Function((S,), D, _to_number),
    "round": Function((D, D), D, _round),
    "abs": Function((D,), D, abs),
    "min": Function((D, D), D, min),
    "max": Function((D, D), D, max),
    "date": Function((S,), T, _to_date),
    "add_days": Function((T, D), T, _add_days),
    "format_date": Function((T, S), S, _format_date),
    "join": Function((L, S), S, _joined),
    "count": Function((L,), D, lambda items: Decimal(len(items))),
    "first": Function((L,), S, lambda items: items[0] if items else None),
    "has": Function((L, S), B, lambda items, text: text in items),
    "and": Function((B, B), B, lambda one, other: bool(one) and bool(other), strict=False),
    "or": Function((B, B), B, lambda one, other: bool(one) or bool(other), strict=False),
    "not": Function((B,), B, lambda one: not one, strict=False),
    "&": Function((S, S), S, lambda one, other: _text((one or "") + (other or "")), strict=False),
    "+": Function((D, D), D, _arithmetic(Context.add)),
    "-": Function((D, D), D, _arithmetic(Context.subtract)),
    "*": Function((D, D), D, _arithmetic(Context.multiply)),
    "/": Function((D, D), D, _arithmetic(Context.divide)),
}
ANY = {"if", "coalesce", "text"}  # functions whose types hang on what they are given
NAMED = tuple(
    sorted(name for name in {*FUNCTIONS, *ANY} if name.isidentifier() and name not in ("and", "or", "not"))
)


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: one is not None and other is not None and one < other,
    "<=": lambda one, other: one is not None and other is not None and one <= other,
    ">": lambda one, other: one is not None and other is not None and one > other,
    ">=": lambda one, other: one is not None and other is not None and one >= other,
}


# --- reading -----------------------------------------------------------------------------------------------------


def parse(text: str, schema: Mapping[str, Type]) -> Node:
    """Read an expression about records of a schema: the paths that there are, and their types.

    Raises:
        MappingError: it is none; says where and what would do.
    """
    if len(text) > CHARS_MAX:
        raise MappingError(f"the expression is longer than {CHARS_MAX} characters; divide it over two fields")
    return _Parser(_tokens(text), schema).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            if not text[at:].strip():
                break
            rest = text[at:].lstrip()
            place = len(text) - len(rest)
            raise MappingError(f"at character {place + 1}: {rest[:10]!r} is no number, text, name or sign")
        kind = str(match.lastgroup)
        found.append(_Token(kind, match[kind], match.start(kind)))
        at = match.end()
    return [*found, _Token("end", "", len(text))]


class _Parser:
    """Recursive descent; its depth and the number of nodes are bounded."""

    def __init__(self, tokens: Sequence[_Token], schema: Mapping[str, Type]) -> None:
        self._tokens = tokens
        self._schema = schema
        self._at = 0
        self._depth = 0
        self._nodes = 0

    def whole(self) -> Node:
        node = self._either()
        if self._next.kind != "end":
            self._wrong(f"{self._next.text!r} is too much; is an operator missing before it?")
        return node

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _wrong(self, message: str) -> NoReturn:
        raise MappingError(f"at character {self._next.at + 1}: {message}")

    def _take(self, *texts: str) -> str:
        """The next token if it is one of these signs or words; else ""."""
        token = self._next
        if token.kind in ("sign", "name") and token.text in texts:
            self._at += 1
            return token.text
        return ""

    def _node(
        self,
        type_: Type,
        name: str = "",
        parts: tuple[Node, ...] = (),
        value: Value = None,
        *,
        field: bool = False,
    ) -> Node:
        self._nodes += 1
        if self._nodes > NODES_MAX:
            self._wrong(f"the expression has more than {NODES_MAX} parts; divide it over two fields")
        return Node(type_, name, value, parts, field)

    def _either(self) -> Node:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            self._wrong(f"the expression is more than {DEPTH_MAX} deep; divide it over two fields")
        node = self._both()
        while self._take("or"):
            node = self._function("or", (node, self._both()))
        self._depth -= 1
        return node

    def _both(self) -> Node:
        node = self._negated()
        while self._take("and"):
            node = self._function("and", (node, self._negated()))
        return node

    def _negated(self) -> Node:
        times = 0
        while self._take("not"):
            times += 1
        node = self._compared()
        return self._function("not", (node,)) if times % 2 else node

    def _compared(self) -> Node:
        node = self._sum()
        sign = self._take(*_COMPARE)
        if not sign:
            return node
        other = self._sum()
        types = {node.type, other.type} - {Type.NONE}
        if len(types) > 1:
            self._wrong(
                f"{sign} compares a {node.type} with a {other.type}; make one the other with text() or number()"
            )
        if sign not in ("=", "!=") and types & {Type.BOOLEAN, Type.LIST}:
            self._wrong(f"{sign} cannot order values of type {types.pop()}")
        return self._node(Type.BOOLEAN, sign, (node, other))

    def _sum(self) -> Node:
        node = self._product()
        while sign := self._take("+", "-", "&"):
            node = self._function(sign, (node, self._product()))
        return node

    def _product(self) -> Node:
        node = self._signed()
        while sign := self._take("*", "/"):
            node = self._function(sign, (node, self._signed()))
        return node

    def _signed(self) -> Node:
        times = 0
        while self._take("-"):
            times += 1
        node = self._primary()
        if not times:
            return node
        zero = self._node(Type.DECIMAL, value=Decimal(0))
        node = self._function("-", (zero, node))
        return node if times % 2 else self._function("-", (zero, node))

    def _primary(self) -> Node:
        token = self._next
        if self._take("("):
            node = self._either()
            if not self._take(")"):
                self._wrong("a ) is missing")
            return node
        if token.kind not in ("number", "string", "name"):
            self._wrong("a value is missing" if token.kind == "end" else f"{token.text!r} is no value")
        self._at += 1
        if token.kind == "number":
            return self._node(Type.DECIMAL, value=Decimal(token.text))
        if token.kind == "string":
            return self._node(Type.STRING, value=token.text[1:-1].replace("''", "'"))
        if token.text in ("true", "false"):
            return self._node(Type.BOOLEAN, value=token.text == "true")
        if token.text == "none":
            return self._node(Type.NONE)
        if self._take("("):
            return self._call(token)
        type_ = self._schema.get(token.text)
        if type_ is None:
            self._at -= 1
            self._wrong(f"there is no {token.text!r}; {_near(token.text, [*self._schema, *NAMED])}")
        return self._node(type_, token.text, field=True)

    def _call(self, token: _Token) -> Node:
        if token.text not in NAMED:
            self._at -= 2
            self._wrong(f"there is no function {token.text!r}; {_near(token.text, NAMED)}")
        parts: list[Node] = []
        while not self._take(")"):
            if parts and not self._take(","):
                self._wrong("a , or ) is missing")
            parts.append(self._either())
        return self._function(token.text, tuple(parts))

    def _function(self, name: str, parts: tuple[Node, ...]) -> Node:
        if name in ANY:
            return self._any(name, parts)
        function = FUNCTIONS[name]
        if len(parts) != len(function.takes):
            self._wrong(f"{name} takes {len(function.takes)} values, not {len(parts)}")
        for number, (part, wanted) in enumerate(zip(parts, function.takes, strict=True), 1):
            if part.type not in (wanted, Type.NONE):
                mend = (
                    "; make it one with text()"
                    if wanted is S
                    else "; make it one with number()"
                    if wanted is D
                    else ""
                )
                self._wrong(f"{name} takes a {wanted} as value {number}, not a {part.type}{mend}")
        return self._node(function.gives, name, parts)

    def _any(self, name: str, parts: tuple[Node, ...]) -> Node:
        if name == "text":
            if len(parts) != 1 or parts[0].type is Type.LIST:
                self._wrong("text takes one number, date, boolean or text; a list is joined with join()")
            return self._node(Type.STRING, name, parts)
        if name == "if" and (len(parts) != 3 or parts[0].type not in (Type.BOOLEAN, Type.NONE)):
            self._wrong("if takes a condition, a value and another value")
        if name == "coalesce" and not parts:
            self._wrong("coalesce takes one value or more")
        chosen = parts[1:] if name == "if" else parts
        types = {part.type for part in chosen} - {Type.NONE}
        if len(types) > 1:
            self._wrong(f"{name} gives values of one type, not {' and '.join(sorted(types))}")
        return self._node(types.pop() if types else Type.NONE, name, parts)


def _near(name: str, known: Sequence[str]) -> str:
    """What was probably meant: the known name with the most pairs of letters in common."""

    def pairs(text: str) -> set[tuple[str, str]]:
        return set(pairwise(f" {text} "))

    best = max(
        known,
        key=lambda one: (len(pairs(one) & pairs(name)) / len(pairs(one) | pairs(name)), one),
        default="",
    )
    return f"did you mean {best!r}?"


# --- computing ---------------------------------------------------------------------------------------------------


def evaluate(node: Node, record: Mapping[str, Value]) -> Value:
    """The value of an expression for a record, whose paths have values of the schema's types.

    Raises:
        MappingError: it cannot be computed, as with a division by nothing.
    """
    if node.field:
        return record.get(node.name)
    if not node.name:
        return node.value
    if node.name == "if":
        condition, one, other = node.parts
        return evaluate(one if evaluate(condition, record) else other, record)
    if node.name == "coalesce":
        for part in node.parts:
            value = evaluate(part, record)
            if value is not None:
                return value
        return None
    values = [evaluate(part, record) for part in node.parts]
    if node.name in _COMPARE:
        return _COMPARE[node.name](*values)
    if node.name == "text":
        return None if values[0] is None else _text(shown(values[0]))
    function = FUNCTIONS[node.name]
    if function.strict and None in values:
        return None
    return function.compute(*values)
