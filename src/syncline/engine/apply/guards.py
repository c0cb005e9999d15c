"""Quantities that cannot be true are not let in: a person sees them before a buyer does."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from syncline.engine.routes import Routes
from syncline.model.change import Flow
from syncline.model.records import Order, Record, StockLevel

UNITS_MAX = 1_000_000_000  # more of one SKU than anybody has; a barcode in the wrong column has 13 digits
LEAST, MOST = Decimal(-UNITS_MAX), Decimal(UNITS_MAX)
CUT_SKUS_MIN = 20  # fewer SKUs say nothing about the rest


def fault(record: Record) -> str:
    """Why a record's quantities cannot be true, and how to mend it; "" if they can.

    Below zero is possible for a stock figure: an ERP may have sold more than it has. For an order it is
    said when the order is sent, with everything else that does not add up.
    """
    if isinstance(record, StockLevel):
        if not record.incoming and all(map(_possible, (record.on_hand, record.available, record.committed))):
            return ""  # nearly always, so nothing is named for it
        where = f"{record.sku} at {record.location}"
        named = {"on hand": record.on_hand, "available": record.available, "committed": record.committed}
        named |= {f"incoming {n}": each.quantity for n, each in enumerate(record.incoming, 1)}
    elif isinstance(record, Order):
        where = f"order {record.number}"
        named = {f"line {line.id} ({line.sku})": line.quantity for line in record.lines}
        named |= {f"line {line.id} ({line.sku}), taken": line.taken for line in record.lines}
    else:
        return ""
    for name, quantity in named.items():
        if not _possible(quantity):
            return (
                f"{where}: {name} is {quantity}, which cannot be a number of units. What was known before stays; "
                "correct it at its source, or edit it here"
            )
    return ""


def _possible(quantity: Decimal) -> bool:
    try:
        return LEAST <= quantity <= MOST
    except InvalidOperation:  # not a number is compared with none
        return False


def cut(before: int, after: int) -> bool:
    """Whether a figure takes away what there was, or more than half of it."""
    return before > 0 and 2 * max(0, after) < before


def too_many(cuts: int, skus: int, share: Decimal) -> bool:
    """Whether so many of the SKUs that had stock are cut that the reading is to be doubted."""
    return skus >= CUT_SKUS_MIN and cuts > share * skus


def share_of(routes: Routes, system: str) -> Decimal:
    """How many of a system's SKUs a full read may cut: the least that one of its routes allows; 1 never asks."""
    return min((r.guard_cut_share for r in routes.of(Flow.INVENTORY, source=system)), default=Decimal(1))
