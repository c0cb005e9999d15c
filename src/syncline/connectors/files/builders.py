"""Which kinds of files state records, what these are told as, and how they are made; and back from events to changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from syncline.connectors.files import mapping
from syncline.connectors.files.accounts import CreditRows
from syncline.connectors.files.companies import CompanyRows
from syncline.connectors.files.declared import Read
from syncline.connectors.files.pricing import PriceRows
from syncline.connectors.files.products import ProductRows
from syncline.connectors.files.stated import Stated, StatedRows
from syncline.model.change import Change, Event, Kind, LoggedEvent
from syncline.model.credit import Credit
from syncline.model.customers import Company
from syncline.model.errors import Rejected
from syncline.model.pricing import Price
from syncline.model.products import Product

EVENT_BYTES_MAX = 64 * 1024  # beyond which records are not put beside others in one event


class Builder(NamedTuple):
    """What a kind of file states: which records, under which topic, and how they are made of rows."""

    kind: Kind
    topic: str
    rows: type[StatedRows]
    value: Any  # of the records


BUILDERS = {
    "products": Builder(Kind.PRODUCT, "product.rows", ProductRows, Product),
    "prices": Builder(Kind.PRICE, "price.rows", PriceRows, Price),
    "customers": Builder(Kind.CUSTOMER, "customer.rows", CompanyRows, Company),
    "credit": Builder(Kind.CREDIT, "credit.rows", CreditRows, Credit),
}
_KINDS = {
    each.topic: (each.kind, msgspec.json.Decoder(list[Stated[each.value]]))  # type: ignore[name-defined]
    for each in BUILDERS.values()
}
TOPICS = frozenset(_KINDS)


def events_of(system: str, read: Read, records: Iterable[Stated[object]], at_ms: int) -> Iterator[Event]:
    """Records, some in an event. They carry their file's number, so no other telling is a duplicate of this one."""
    topic = BUILDERS[read.kind].topic
    some: list[bytes] = []
    for record in records:
        body = msgspec.json.encode(record)
        if some and (
            len(some) == mapping.ROWS_PER_EVENT or sum(map(len, some)) + len(body) > EVENT_BYTES_MAX
        ):
            yield mapping.stated_event(system, read, topic, some, at_ms)
            some = []
        some.append(body)
    if some:
        yield mapping.stated_event(system, read, topic, some, at_ms)


def decode(logged: LoggedEvent) -> list[Change]:
    """The changes that an event of ``TOPICS`` states.

    Raises:
        Rejected: it cannot be read.
    """
    kind, decoder = _KINDS[logged.event.topic]
    try:
        rows = decoder.decode(logged.event.body)
    except msgspec.MsgspecError as error:
        raise Rejected(f"what was kept of a file cannot be read: {error}") from error
    return [Change(kind, row.key, row.version_ms, row.seq, row.changed_ms, row.value) for row in rows]
