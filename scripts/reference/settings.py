"""The keys of a settings type, with their kinds, defaults and meanings."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from scripts.reference.text import table


def kind(type_: Any) -> str:
    """A type in a word."""
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if origin is typing.Annotated:
        return kind(arguments[0])
    if origin is typing.Literal:
        return ", ".join(f"`{word}`" for word in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(kind(part) for part in arguments if part not in (type(None), msgspec.UnsetType))
    if origin in (tuple, list):
        return f"list of {kind(arguments[0])}"
    if origin is dict:
        return f"table of {kind(arguments[1])}"
    words = {
        str: "text",
        int: "whole number",
        bool: "true or false",
        Decimal: "number",
        float: "number",
        datetime: "moment",
        date: "day",
    }
    return words.get(type_, "table" if inspect.isclass(type_) else str(type_))


def keys(type_: Any) -> list[tuple[str, str, str]]:
    """Key, kind and default of every field of a settings type; "needed" where there is no default."""
    hints = typing.get_type_hints(type_, include_extras=True)
    found = []
    if dataclasses.is_dataclass(type_):
        for part in dataclasses.fields(type_):
            if part.default is not dataclasses.MISSING:
                found.append((part.name, kind(hints[part.name]), default(part.default)))
            else:
                empty = part.default_factory is not dataclasses.MISSING
                found.append((part.name, kind(hints[part.name]), "–" if empty else "needed"))
        return found
    for entry in msgspec.structs.fields(type_):
        if entry.default is not msgspec.NODEFAULT:
            shown = default(entry.default)
        else:
            shown = "–" if entry.default_factory is not msgspec.NODEFAULT else "needed"
        found.append((entry.encode_name, kind(hints[entry.name]), shown))
    return found


def default(value: Any) -> str:
    """A default as it would be written."""
    if value is None or value is msgspec.UNSET or value in ("", (), {}) or isinstance(value, msgspec.Struct):
        return "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def settings(type_: Any, meaning: dict[str, str], where: str) -> str:
    """The table of a settings type, with the sentences that go with it."""
    found = keys(type_)
    names = [name for name, _, _ in found]
    if set(names) != set(meaning):
        lacking = sorted(set(names) ^ set(meaning))
        raise SystemExit(f"{where}: keys and sentences differ in {', '.join(lacking)}")
    rows = [[f"`{name}`", meaning[name], of_kind, shown] for name, of_kind, shown in found]
    return table(["key", "meaning", "kind", "default"], rows)
