"""From what a channel may show to the number that is written there.

Systems differ in what they do with that number. If one takes its own orders off it and we do so too,
units are subtracted twice and not sold; if neither does, they are sold twice. Pure functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncline.model.capabilities import OwnOrders, StockContract


def number_to_write(contract: StockContract, published: int, open_units: int) -> int:
    """The number that makes a system offer ``published`` units at one location.

    ``published`` has lost every open order already, also those of the very channel. ``open_units`` are
    what the channel's own orders still wait for there. A system that takes them off by itself, for as
    long as they are open, is given them back first; one that lowered the number when they were placed,
    or that never does, is given the published number as it is.
    """
    if contract.own_orders is OwnOrders.SUBTRACTED_WHILE_OPEN:
        return published + max(0, open_units)
    return published


def open_by_location(untaken: Mapping[str, int], locations: Sequence[str]) -> dict[str, int]:
    """Units of a channel's own open orders, at each of its locations in the order of priority.

    ``untaken`` is by location. What waits without a location is subtracted from the channel's total,
    so it is given back once: to the first location.
    """
    found = {at: untaken.get(at, 0) for at in locations}
    if locations:
        found[locations[0]] += untaken.get("", 0)
    return found
