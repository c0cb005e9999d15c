"""Draft orders that set stock aside.

A draft holds nothing unless it reserves until a moment (2026-07 schema, ``reserveInventoryUntil``; contract section
8). Then ``available`` falls and ``reserved`` rises at the first location, whatever is there, and both go back when
the draft is deleted or its time is over. A completed draft is an order: its units are committed instead, and
``available`` does not move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from syncline.connectors.shopify.simulator.commerce import Commerce
from syncline.connectors.shopify.simulator.records import CartLine, Level, OrderLine, to_minor


@dataclass(slots=True)
class Draft:
    """A draft that reserves, with the levels that it took from."""

    id: int
    lines: list[tuple[CartLine, Level]]
    until_ms: int


class Drafting(Commerce):
    """What staff do with drafts in the admin."""

    drafts: dict[int, Draft]

    def reserve_draft(self, lines: Sequence[CartLine], until_ms: int) -> int:
        """Save a draft that reserves its items until a moment; returns its id."""
        first = next(iter(self.state.locations))
        taken = [(line, self.state.skus[line.sku].levels[first]) for line in lines]
        draft = Draft(self.state.new_id(), taken, until_ms)
        self.drafts[draft.id] = draft
        self._set_aside(draft, 1)
        wait_s = max(0.0, (until_ms - self.clock.now_ms()) / 1000)
        self.clock.after(wait_s, partial(self._end_draft, draft.id))
        return draft.id

    def delete_draft(self, draft_id: int) -> None:
        """Give back what a draft reserves."""
        self._set_aside(self.drafts.pop(draft_id), -1)

    def _end_draft(self, draft_id: int) -> None:
        """Its time is over; nothing happens if it was deleted or completed before."""
        if draft_id in self.drafts:
            self.delete_draft(draft_id)

    def complete_draft(self, draft_id: int) -> int:
        """Make the draft an order; returns the order's id."""
        draft = self.drafts.pop(draft_id)
        order = self._open_order(None, Decimal(0), Decimal(0), None, f"draft {draft_id}", None, paid=True)
        for cart, level in draft.lines:
            price = level.variant.price_minor if cart.unit_price is None else to_minor(cart.unit_price)
            line = OrderLine(
                id=self.state.new_id(),
                order=order,
                variant=level.variant,
                quantity=cart.quantity,
                current_quantity=cart.quantity,
                open_quantity=0,
                fulfilled_quantity=0,
                unit_minor=price,
                discount_minor=to_minor(cart.discount),
            )
            order.lines.append(line)
            level.reserved -= cart.quantity
            level.available += cart.quantity
            self._commit(line, level, cart.quantity)
            level.updated_ms = self.clock.now_ms()
        order.original_total_minor = order.total_minor()
        self._transact(order, "SALE", order.original_total_minor)
        self._order_changed(order, self.hooks.new_event(), "ORDERS_CREATE", "ORDERS_PAID")
        return order.id

    def _set_aside(self, draft: Draft, sign: int) -> None:
        for line, level in draft.lines:
            level.available -= sign * line.quantity
            level.reserved += sign * line.quantity
        self.state.movements["reserved" if sign > 0 else "unreserved"] += 1
        self._levels_changed([level for _, level in draft.lines], self.hooks.new_event())
