"""Why a value of the configuration cannot be understood, and what would be."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import inspect

_STEP = re.compile(r"\.(\w+)|\[[^\]]*\]")


def explain(error: msgspec.ValidationError, known: Sequence[str], type_: Any) -> str:
    """A conversion error with the field's place; for a misspelt key with what was probably meant, for a word with those that there are.

    ``known`` are the keys that there are, ``type_`` is what could not be made.
    """
    text = str(error)
    if match := re.search(r"unknown field `([^`]+)`", text):
        others = [name for name in known if name != match[1]]  # it may be a key of another section
        near = difflib.get_close_matches(match[1], others, n=1)
        return text + (f"; did you mean `{near[0]}`?" if near else f"; known are {', '.join(sorted(known))}")
    match = re.search(r"Invalid enum value .* - at `(\$.*)`", text)
    return text + _choices(match[1], type_) if match else text


def _choices(place: str, type_: Any) -> str:
    """The values that may stand at a place, as a sentence's end; "" if they cannot be listed."""
    at = [inspect.type_info(type_)]
    for step in _STEP.finditer(place):
        at = [inner for one in at for outer in _plain(one) for inner in _inside(outer, step[1])]
    known = [str(value) for one in at for plain in _plain(one) for value in _values(plain)]
    return f"; there are {', '.join(known)}" if known else ""


def _plain(one: inspect.Type) -> list[inspect.Type]:
    """Without what is written around a type."""
    if isinstance(one, inspect.Metadata):
        return _plain(one.type)
    if isinstance(one, inspect.UnionType):
        return [plain for inner in one.types for plain in _plain(inner)]
    return [one]


def _inside(one: inspect.Type, name: str | None) -> list[inspect.Type]:
    """What lies one step further: a field of that name, or an entry of a list or a table."""
    if isinstance(one, inspect.StructType | inspect.DataclassType):
        return [field.type for field in one.fields if field.encode_name == name]
    if isinstance(one, inspect.ListType | inspect.VarTupleType):
        return [one.item_type]
    return [one.value_type] if isinstance(one, inspect.DictType) else []


def _values(one: inspect.Type) -> list[object]:
    if isinstance(one, inspect.LiteralType):
        return list(one.values)
    return [each.value for each in one.cls] if isinstance(one, inspect.EnumType) else []
