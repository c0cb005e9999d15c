"""``replace`` for records of either make; Python 3.13 has it as ``copy.replace``."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def replace(record: T, /, **changes: Any) -> T:
    """A copy with some fields changed.

    Raises:
        TypeError: it has no such field, or is neither a dataclass nor a ``msgspec.Struct``.
    """
    if isinstance(record, msgspec.Struct):
        return msgspec.structs.replace(record, **changes)
    copy: T = dataclasses.replace(record, **changes)  # type: ignore[type-var]
    return copy
