"""An order as an event shows it, beside the order as it was read."""

from __future__ import annotations

from typing import Any

from syncline.model.copying import replace
from syncline.model.records import Allocation, Order


def differs(order: Order, known: Order) -> bool:
    """Whether an event of equal version shows something else than what we hold."""

    def visible(of: Order) -> tuple[Any, ...]:
        lines = tuple((line.id, line.quantity) for line in of.lines)
        return of.cancelled_at_ms is None, of.total, lines, len(of.refunds)

    return visible(order) != visible(known)


def with_allocations(order: Order, previous: Order) -> Order:
    """An event's order with the allocations and money facts that a full read had told before."""
    before = {line.id: line for line in previous.lines}
    lines = []
    for line in order.lines:
        old = before.get(line.id)
        allocations: tuple[Allocation, ...] = old.allocations if old is not None else ()
        lines.append(replace(line, allocations=allocations))
    return replace(
        order,
        lines=tuple(lines),
        payments=order.payments or previous.payments,
        refunds=order.refunds or previous.refunds,
    )
