"""Variables and arguments against the schema, with the vendor's own words for what is wrong.

graphql-core would coerce as well, but Shopify answers `INVALID_VARIABLE` with a list of problems
(contract section 5), and 250 stock lines a call are worth a coercion that is compiled once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
)
from graphql.language import ValueNode
from graphql.pyutils import Undefined

Path = tuple[str, ...]
Problems = list[tuple[Path, str]]
Coercer = Callable[[Any, Path, Problems], Any]

_GID = re.compile(r"gid://[a-z0-9-]+/[A-Za-z]+/.+")
_INT_MAX = 2**31 - 1
ARRAY_MAX = 250  # shopify.dev "usage/limits" (contract section 3)
# Arrays that may be longer (2026-07 schema and live answers of 2026-04).
LONGER = {("ProductSetInput", "variants"): 2048}
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?)?")


class TooManyItems(Exception):
    """An input array is longer than the vendor allows."""

    def __init__(self, size: int, most: int, path: Path) -> None:
        super().__init__(f"The input array size of {size} is greater than the maximum allowed of {most}.")
        self.path = path


def _int(value: Any, path: Path, problems: Problems) -> Any:
    if type(value) is int and -_INT_MAX - 1 <= value <= _INT_MAX:
        return value
    problems.append((path, f"Could not coerce value {_json(value)} to Int"))
    return None


def _id(value: Any, path: Path, problems: Problems) -> Any:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and _GID.fullmatch(text):
        return text
    problems.append((path, f"Invalid global id '{text}'"))
    return None


def _string(value: Any, path: Path, problems: Problems) -> Any:
    if isinstance(value, str):
        return value
    problems.append((path, f"Could not coerce value {_json(value)} to String"))
    return None


def _boolean(value: Any, path: Path, problems: Problems) -> Any:
    if isinstance(value, bool):
        return value
    problems.append((path, f"Could not coerce value {_json(value)} to Boolean"))
    return None


def _decimal(value: Any, path: Path, problems: Problems) -> Any:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if amount.is_finite():
        return amount
    problems.append((path, f"Could not coerce value {_json(value)} to Decimal"))
    return None


def _moment(value: Any, path: Path, problems: Problems) -> Any:
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            return value
    problems.append((path, f"Could not coerce value {_json(value)} to DateTime"))
    return None


def _url(value: Any, path: Path, problems: Problems) -> Any:
    if isinstance(value, str) and urlsplit(value).scheme and " " not in value:
        return value
    problems.append((path, f"Invalid url '{value}', missing scheme"))
    return None


_SCALARS: dict[str, Coercer] = {
    "Int": _int,
    "ID": _id,
    "Boolean": _boolean,
    "Decimal": _decimal,
    "Money": _decimal,
    "DateTime": _moment,
    "URL": _url,
}


def _json(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


_cache: dict[str, Coercer] = {}


def coercer(kind: GraphQLInputType) -> Coercer:
    """The compiled coercion of an input type."""
    key = str(kind)
    if key not in _cache:
        _cache[key] = _compile(kind)
    return _cache[key]


def _compile(kind: GraphQLInputType) -> Coercer:
    if isinstance(kind, GraphQLNonNull):
        inner = coercer(kind.of_type)

        def required(value: Any, path: Path, problems: Problems) -> Any:
            if value is None:
                problems.append((path, "Expected value to not be null"))
                return None
            return inner(value, path, problems)

        return required
    if isinstance(kind, GraphQLList):
        return _list(coercer(kind.of_type))
    if isinstance(kind, GraphQLInputObjectType):
        return _object(kind)
    if isinstance(kind, GraphQLEnumType):
        return _enum(kind)
    assert isinstance(kind, GraphQLScalarType)
    return _nullable(_SCALARS.get(kind.name, _string))


def _nullable(inner: Coercer) -> Coercer:
    def coerce(value: Any, path: Path, problems: Problems) -> Any:
        return None if value is None else inner(value, path, problems)

    return coerce


def _list(inner: Coercer, most: int = ARRAY_MAX) -> Coercer:
    def coerce(value: Any, path: Path, problems: Problems) -> Any:
        if value is None:
            return None
        items = value if isinstance(value, list) else [value]
        if len(items) > most:
            raise TooManyItems(len(items), most, path)
        return [inner(item, (*path, str(n)), problems) for n, item in enumerate(items)]

    return coerce


def _enum(kind: GraphQLEnumType) -> Coercer:
    names = frozenset(kind.values)
    allowed = ", ".join(kind.values)

    def coerce(value: Any, path: Path, problems: Problems) -> Any:
        if value is None or (isinstance(value, str) and value in names):
            return value
        problems.append((path, f"Expected {_json(value)} to be one of: {allowed}"))
        return None

    return coerce


def _object(kind: GraphQLInputObjectType) -> Coercer:
    fields: list[tuple[str, GraphQLInputType, Any]] | None = None
    compiled: list[tuple[str, Coercer, bool, Any]] = []
    names: frozenset[str] = frozenset(kind.fields)
    marks = kind.ast_node.directives if kind.ast_node else ()
    one_of = any(mark.name.value == "oneOf" for mark in marks or ())

    def coerce(value: Any, path: Path, problems: Problems) -> Any:
        nonlocal fields
        if value is None:
            return None
        if fields is None:  # compiled on first use, as input types may refer to one another
            fields = [(n, f.type, f.default_value) for n, f in kind.fields.items()]
            compiled.extend(
                (n, _of_field(kind, n, t), isinstance(t, GraphQLNonNull), d) for n, t, d in fields
            )
        if not isinstance(value, Mapping):
            problems.append((path, f"Expected {_json(value)} to be a key-value object."))
            return None
        if one_of and (len(value) != 1 or None in value.values()):
            why = f"'{kind.name}' requires exactly one argument, but {len(value)} were provided."
            problems.append((path, why))
            return None
        result: dict[str, Any] = {}
        for name, inner, required, default in compiled:
            if name in value:
                result[name] = inner(value[name], (*path, name), problems)
            elif default is not Undefined:
                result[name] = default
            elif required:
                problems.append(((*path, name), "Expected value to not be null"))
        if not names.issuperset(value):
            problems.extend(
                ((*path, name), f"Field is not defined on {kind.name}") for name in value if name not in names
            )
        return result

    return coerce


def _of_field(kind: GraphQLInputObjectType, name: str, wanted: GraphQLInputType) -> Coercer:
    most = LONGER.get((kind.name, name))
    if most is None:
        return coercer(wanted)
    inner = wanted.of_type if isinstance(wanted, GraphQLNonNull) else wanted
    assert isinstance(inner, GraphQLList)
    return _list(coercer(inner.of_type), most)


def literal(node: ValueNode, variables: Mapping[str, Any]) -> Any:
    """A literal as a plain value; a variable that was not given is ``Undefined``."""
    kind = node.kind
    if kind == "variable":
        return variables.get(node.name.value, Undefined)  # type: ignore[attr-defined]
    if kind == "null_value":
        return None
    if kind == "int_value":
        return int(node.value)  # type: ignore[attr-defined]
    if kind == "float_value":
        return float(node.value)  # type: ignore[attr-defined]
    if kind == "list_value":
        values = [literal(item, variables) for item in node.values]  # type: ignore[attr-defined]
        return [None if value is Undefined else value for value in values]
    if kind == "object_value":
        pairs = ((f.name.value, literal(f.value, variables)) for f in node.fields)  # type: ignore[attr-defined]
        return {name: value for name, value in pairs if value is not Undefined}
    return node.value  # type: ignore[attr-defined]
