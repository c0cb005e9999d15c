"""Orders that a person decided not to have in the ERP, and what would have followed them there.

The decision is kept as a binding of its own kind, by our reference of the order, because deliveries are forgotten
after a while and a refund may come a year later. It counts only while the ERP does not have the order.
"""

from __future__ import annotations

from collections.abc import Sequence

from syncline.engine.routes import SEP
from syncline.model.delivery import DeliveryState
from syncline.ports import Row, Store, Write

DISCARDED = "discarded"
WHY = "a person discarded its order"
FOLLOWERS = ("put_order", "put_payment", "put_refund")
FOLLOWERS_MAX = 100  # of one order and operation
OPEN = frozenset(
    {
        DeliveryState.AVAILABLE,
        DeliveryState.SCHEDULED,
        DeliveryState.RETRYABLE,
        DeliveryState.RUNNING,
        DeliveryState.PARKED,
    }
)


async def discarded(store: Store, erp: str, references: Sequence[str]) -> set[str]:
    """Which of some orders a person has discarded, by our reference."""
    rows = await store.read("bindings_get", system=erp, kind=DISCARDED, keys=list(references))
    return {row[0] for row in rows if row[3]}


def discard(erp: str, reference: str, now_ms: int, *, stands: bool = True) -> Write:
    """Keep the decision about an order, or take it back."""
    row = {"system": erp, "kind": DISCARDED, "key": reference, "external_id": "", "version": 0}
    return Write("binding_put", [{**row, "hash": DISCARDED if stands else "", "now_ms": now_ms}])


async def following(store: Store, erp: str, order_key: str) -> list[Row]:
    """Every delivery of an order to the ERP: its revisions, payments and refunds, as ``deliveries_range`` tells them."""
    found: list[Row] = []
    for operation in FOLLOWERS:
        found += await store.read(
            "deliveries_range",
            system=erp,
            operation=operation,
            **{"from": order_key + SEP, "to": order_key + chr(ord(SEP) + 1)},
            limit=FOLLOWERS_MAX,
        )
    return found
