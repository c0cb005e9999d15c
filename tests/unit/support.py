"""Stories on virtual time, and small values that several unit tests need."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

from syncline.engine.apply.clocks import Clocks
from syncline.model.change import Change, Event, Kind, LoggedEvent, Via
from syncline.model.records import Allocation, Order, OrderLine
from syncline.simulate.clock import VirtualClock, VirtualLoop

START_MS = 1_790_000_000_000


def play(story: Callable[[VirtualClock], Coroutine[Any, Any, Any]]) -> Any:
    """Run a story on a virtual loop of its own."""
    loop = VirtualLoop(START_MS)
    try:
        return loop.run_until_complete(story(VirtualClock(loop)))
    finally:
        loop.close()


def line(
    id: str, sku: str, quantity: int, price: str = "10.00", *at: tuple[str, int], **more: Any
) -> OrderLine:
    """An order line with its allocations: (channel location, units)."""
    allocations = tuple(Allocation(place, Decimal(n)) for place, n in at)
    more = {"taken": Decimal(quantity), **more}
    return OrderLine(id, sku, sku, Decimal(quantity), Decimal(price), allocations=allocations, **more)


def order(*lines: OrderLine, key: str = "7001", **more: Any) -> Order:
    """An order whose parts add up."""
    goods = sum((x.unit_price * x.quantity - x.discount for x in lines), Decimal(0))
    tax = Decimal(0) if more.get("taxes_included") else more.get("tax", Decimal(0))
    total = goods + more.get("shipping", Decimal(0)) + tax
    base: dict[str, Any] = {
        "key": key,
        "number": f"#{key}",
        "placed_at_ms": START_MS,
        "updated_at_ms": START_MS,
        "currency": "GBP",
        "lines": lines,
        "shipping": Decimal(0),
        "tax": Decimal(0),
        "total": total,
        "complete": True,
    }
    return Order(**{**base, **more})


def logged(
    offset: int = 1, *, system: str = "shop", topic: str = "t", body: bytes = b"{}", via: Via = Via.EVENT
) -> LoggedEvent:
    """An event in the log."""
    return LoggedEvent(offset, START_MS + offset, Event(system, topic, f"e{offset}", via, START_MS, body))


def clocks_of(channel: str, ahead_ms: int) -> Clocks:
    """Clocks of which an order that was told at once shows by how much a channel's is ahead; negative: behind."""
    clocks = Clocks()
    stamp_ms = START_MS + ahead_ms
    clocks.learn(channel, order(placed_at_ms=stamp_ms, updated_at_ms=stamp_ms), START_MS, Via.EVENT)
    return clocks


def change(kind: Kind, key: str, value: Any, *, version: int = START_MS, tiebreak: int = 0) -> Change:
    """A change at a version."""
    return Change(kind, key, version, tiebreak, version, value)
