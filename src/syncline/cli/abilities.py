"""What a connector can do, in the words of somebody who plans an integration; ``--json`` has the fields as they are."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from syncline.engine.words import duration, flow_title, operation_title
from syncline.model.capabilities import Capabilities, LimitKind, StockBasis
from syncline.model.change import Flow
from syncline.ports import Connector

WIDTH = 110
LABEL = 20
AS_ERP = frozenset({"put_order", "put_payment", "put_refund"})
BASES = {StockBasis.AVAILABLE: "available", StockBasis.ON_HAND: "on hand"}
LIMITS = {
    LimitKind.LEAKY_BUCKET: "so many calls a second, with room for a burst",
    LimitKind.QUERY_COST: "a price for each call, and so many points a second",
    LimitKind.CONCURRENCY: "so many calls at once",
    LimitKind.NONE: "none",
}


def told(connector: Connector) -> Iterator[str]:
    """Everything that a connector declares, a line or a paragraph for each question."""
    yield f'{connector.title}: connector = "{connector.name}"'
    for label, sentences in _answers(connector):
        yield from textwrap.wrap(
            "; ".join(sentences),
            WIDTH,
            initial_indent=f"  {label:{LABEL}}",
            subsequent_indent=" " * (LABEL + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )


def _answers(connector: Connector) -> Iterator[tuple[str, Iterable[str]]]:
    can, calls = connector.capabilities, set(connector.operations)
    erp, channel = not calls or bool(calls & AS_ERP), not calls or bool(calls - AS_ERP)
    tells = _list(flow_title(flow).lower() for flow in Flow if flow in connector.tells)
    yield "tells of", [tells or "what its settings declare"]
    yield "can be asked to", [_list(sorted(map(operation_title, calls))) or "do what its settings declare"]
    yield "events", _events(can)
    yield "reads", _reads(can)
    yield "orders", _orders(can)
    yield "stock", _stock(can, channel=channel)
    yield "prices", _prices(can, erp=erp, channel=channel)
    if channel:
        holds = _list(field.value for field in can.customer_fields)
        yield "customers", [f"it can hold of them: {holds}" if holds else "it can hold nothing of them"]
    yield "calls", _calls(can)
    yield "limit", [LIMITS[can.limit]]


def _events(can: Capabilities) -> Iterator[str]:
    if not can.webhooks:
        yield "none: changes are found by reading"
    else:
        yield f"posted {_about(can.event_delay_ms)} a change" if can.event_delay_ms else "posted at once"
    if can.webhook_signature:
        unsigned = can.webhook_signature.startswith("none: ")
        proof = can.webhook_signature.removeprefix("none: ")
        yield f"not signed, but with {proof}" if unsigned else f"signed: {proof}"
    if can.webhook_handshake:
        yield f"sent once the address has given back {can.webhook_handshake}"
    if can.webhooks_announce:
        yield "they say only that something changed, which is then read"
    if can.without_events:
        yield f"none of {_list(flow_title(flow).lower() for flow in can.without_events)}"


def _about(ms: int) -> str:
    return f"about {duration(ms)} after"


def _reads(can: Capabilities) -> Iterator[str]:
    changes = _list(flow_title(flow).lower() for flow in can.delta_poll)
    yield f"only what changed of {changes}, everything of the rest" if changes else "everything each time"
    yield "what is deleted is told" if can.deletes_seen else "what is deleted shows when everything is read"
    if can.replica_lag_ms:
        yield f"what it says may be {duration(can.replica_lag_ms)} old"


def _orders(can: Capabilities) -> Iterator[str]:
    yield (
        "found again by our reference" if can.external_reference else "not found again by a reference of ours"
    )
    if can.order_fields:
        yield f"fields of your own that can be written: {can.order_fields}"
    if can.order_stamp_ms:
        yield f"read again {duration(can.order_stamp_ms)} later, since two changes may have one stamp"
    if can.checkout_ms:
        yield f"a checkout takes {duration(can.checkout_ms)} to become one, where nothing else is known"
    if can.before_order:
        yield f"units that are gone before it is there show as {' / '.join(can.before_order)}"
    if can.exposes_reserved:
        yield "units in unfinished checkouts are told"
    if can.open_units_at:
        yield f"open ones are taken to leave from one location, {can.open_units_at} unless configured"
    if can.ships_where_allocated:
        yield "a shipment is taken only for the location that it expects"
    if can.moves_orders:
        yield "it can be told to expect the goods from another location"


def _stock(can: Capabilities, *, channel: bool) -> Iterator[str]:
    where = "at each location" if can.multi_location else "at all locations together"
    yield f"it states what is {BASES[can.stock_read_basis]} {where}"
    if not channel:
        return
    contract = can.stock_contract
    yield f"the number that is written is what is {BASES[contract.basis]}, its own orders {contract.own_orders}"
    if can.compare_and_set:
        yield "it is replaced only if it is still what was read"
    else:
        yield "it is read just before it is written, and what is sold between the two is overwritten"


def _prices(can: Capabilities, *, erp: bool, channel: bool) -> Iterator[str]:
    if erp:
        order = can.price_order
        which = "the lowest" if order.lowest else f"the first of {_list(order.kinds)}"
        yield f"of several that hold at once {which} counts"
        if order.last:
            yield f"that of {_list(order.last)} only where no list has one"
        if can.list_names:
            yield f"its lists are called {can.list_names_told}"
        if can.lists_by_number:
            yield "what was agreed with a customer is listed under the customer's number"
    if channel:
        yield "lists beside the item's own" if can.price_lists else "the item's own, and no lists"
        yield f"{can.price_decimals} decimals"
        yield "a higher one can be struck through" if can.compares_prices else "no higher one beside it"


def _calls(can: Capabilities) -> Iterator[str]:
    most = can.batch_items_max
    yield "one item each" if most == 1 else f"up to {most:,} items each, fewer where a call takes fewer"
    yield "items succeed or fail one by one" if can.partial_batch else "a call succeeds or fails as a whole"
    if can.idempotency_keys:
        yield "one without an answer is repeated under its key, with one effect"
    if can.applies_after_ms:
        yield f"what it accepts may take {duration(can.applies_after_ms)} to show, and counts once it was read back"


def _list(names: Iterable[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)
