"""What somebody tells of an order, by whatever way: kept as it came, understood when the log is applied."""

from __future__ import annotations

import re

import msgspec

from syncline.connectors.adobe_commerce import wire
from syncline.model.change import Event, Via
from syncline.model.errors import Rejected

ORDER_EVENT = "order.event"
REFUSED = "told.refused"  # its body says why; a person decides
# What an event is called that Commerce makes of something else than an order. Conditional events have names of the shop's own.
_OTHERS = re.compile(r"\.(observer|plugin)\.(?!.*order)")


def order_event(system: str, event_id: str, body: bytes, received_ms: int) -> Event:
    """An order as it was told. What cannot be understood is kept too, and parked when it is decoded."""
    try:
        stamp = wire.decode(body, wire.OrderStamp, ORDER_EVENT)
        changed_ms = wire.to_ms(stamp.updated_at, "updated_at")
    except Rejected:
        changed_ms = received_ms
    return Event(system, ORDER_EVENT, event_id, Via.EVENT, min(changed_ms, received_ms), body)


def is_other(event: wire.IoEvent) -> bool:
    """Whether an event says that it is of no order, such as of a product in the same registration."""
    return _OTHERS.search(event.type) is not None


def refused_event(system: str, event_id: str, why: str, received_ms: int) -> Event:
    """Something that cannot be kept; that it came, and why it was refused, is."""
    return Event(system, REFUSED, event_id, Via.EVENT, received_ms, msgspec.json.encode(why))


def why_refused(body: bytes) -> Rejected:
    """What ``refused_event`` says, as the reason for which it is parked."""
    return Rejected(wire.decode(body, str, REFUSED))
