"""What an order asks of stock, line by line and location by location."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncline.engine.routes import Routes
from syncline.inventory.availability import needed, units
from syncline.model.records import Order
from syncline.routing.decision import Place, Want

UNMAPPED = "~"  # before a channel location that no route maps: in nobody's pool


def wanted_of(
    order: Order, stored: Mapping[Place, Mapping[str, Any]], routes: Routes, channel: str, *, elsewhere: bool
) -> dict[Place, Want]:
    """What an order wants now, where its channel expects to take it, and what the channel has taken there.

    ``stored`` are the rows that there are of it; one that is not wanted any more is wanted 0 times. ``elsewhere``: the ERP
    will not tell what becomes of it, so only what is still to be sent counts.
    """
    wanted: dict[Place, Want] = {}
    for line in order.lines:
        if not line.sku:
            continue
        quantity = 0 if order.cancelled_at_ms is not None else max(0, needed(line.quantity))
        if elsewhere and order.complete:
            quantity = min(quantity, sum(units(at.remaining) for at in line.allocations))
        taken = units(line.taken)
        left = quantity
        if not line.allocations:
            # Nothing is to be sent any more, or not known yet from where. What the channel took
            # and did not put back is gone from where it had been.
            for (line_id, location), row in stored.items():
                if line_id == line.id and location:
                    gone = min(taken, row["taken"])
                    taken -= gone
                    wanted[line.id, location] = (line.sku, 0, gone, "")
            wanted[line.id, ""] = (line.sku, quantity, 0, "")
            continue
        for index, at in enumerate(line.allocations):
            last = index == len(line.allocations) - 1
            there = left if last else min(left, units(at.remaining if elsewhere else at.quantity))
            took = taken if last else min(taken, units(at.quantity))
            left -= there
            taken -= took
            location = routes.erp_location(channel, at.location) or UNMAPPED + at.location
            _, more, more_taken, _ = wanted.get((line.id, location), ("", 0, 0, ""))
            wanted[line.id, location] = (line.sku, there + more, took + more_taken, at.location)
    for (line_id, location), row in stored.items():
        if (line_id, location) not in wanted:
            wanted[line_id, location] = (row["sku"], 0, 0, "")
    return wanted
