"""The stock figures that numbers are computed from, as the store returns them."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from syncline.engine.codec import decode
from syncline.model.change import Kind
from syncline.model.copying import replace
from syncline.model.records import StockLevel
from syncline.ports import Row

NONE = Decimal(0)


@lru_cache(maxsize=8_192)  # a figure is read about five times before it changes
def _level(body: str) -> StockLevel:
    level: StockLevel = decode(Kind.STOCK, body)
    return level


def figure(row: Row, *, held_back: bool) -> StockLevel:
    """A figure of ``stock_of_skus``: what its source said last.

    It says nothing is there where a person has said so of a record that vanished from the source, or where
    such records are to be ``held_back``.
    """
    _, body, _, _, vanished_ms, gone = row
    level = _level(body)
    if gone or (held_back and vanished_ms):
        return replace(level, on_hand=NONE, available=NONE, committed=NONE, incoming=())
    return level
