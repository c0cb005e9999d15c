"""Which SKUs have to be computed again."""

from __future__ import annotations

from collections.abc import Iterable

from syncline.ports import Write


def mark(skus: Iterable[str], now_ms: int) -> Write:
    """Have the numbers of these SKUs computed again, once the transaction that this is part of is committed.

    Where transactions meet, each row is a lock; so they are taken in the order of the SKUs.
    """
    return Write(
        "dirty_mark", [{"sku": sku, "changed_at_ms": now_ms} for sku in sorted(set(skus))], told=False
    )
