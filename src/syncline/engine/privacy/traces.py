"""Where one order, or one customer of an ERP, has left who it was of: every place that is found by its key."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from syncline.engine.adopt.orders import WHOLE, Kept
from syncline.engine.codec import decode, decode_payloads, encode, order_fingerprint, record_fingerprint
from syncline.engine.delivery.discarded import OPEN
from syncline.engine.privacy.persons import (
    ERASED,
    Words,
    company_without,
    order_without,
    payload_without,
    words_of_company,
    words_of_order,
)
from syncline.engine.routes import Routes, reference_of, split_key
from syncline.model.census import ListedCustomer
from syncline.model.change import Flow, Kind
from syncline.model.copying import replace
from syncline.model.payloads import PAYLOADS, PutCustomer, PutOrder
from syncline.model.records import Order
from syncline.ports import Row, Store, Write
from syncline.routing.policy import Destination

ROWS_MAX = 1_000  # of one kind that belong to one record
Delivered = tuple[str, str, str]  # system, operation and key of a delivery
WITH_PERSONS = frozenset(name for name, type_ in PAYLOADS.items() if type_ in (PutOrder, PutCustomer))


@dataclass(slots=True)
class Found:
    """What is to be written about one record. ``counts`` says what it is, for people."""

    writes: list[Write] = field(default_factory=list)
    offsets: set[int] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, what: str, statement: str, rows: Sequence[dict[str, Any]]) -> None:
        """Some rows of one statement."""
        if rows:
            self.writes.append(Write(statement, list(rows), told=False))
            self.counts[what] = self.counts.get(what, 0) + len(rows)


def range_of(key: str) -> dict[str, str]:
    """Keys whose first part is this one: a blank is what follows the separator."""
    return {"from": key, "to": f"{key} "}


async def deliveries_of(
    store: Store, routes: Routes, system: str, key: str
) -> tuple[list[Row], set[Delivered]]:
    """The deliveries of one record of a system, and those of others that only have the same key: two shops may count alike."""
    mine, others = [], set()
    for row in await store.read("deliveries_like", limit=ROWS_MAX, **range_of(key)):
        route = routes.named(row[3])
        if route is None or system in (route.source, route.sink):
            mine.append(row)
        else:
            others.add((row[0], row[1], row[2]))
    return mine, others


async def under_way(store: Store, routes: Routes, system: str, noun: str, key: str) -> list[str]:
    """What of an order, or of a customer, is still to be delivered, in words."""
    rows, _ = await deliveries_of(store, routes, system, key)
    return [f"{noun} {key}: {row[1]} at {row[0]} is {row[4]}" for row in rows if row[4] in OPEN]


async def unanswered(store: Store, routes: Routes, system: str, noun: str, key: str) -> list[str]:
    """Calls that carry the person and have no answer yet, in words: without what they carry nobody could look them up."""
    _, others = await deliveries_of(store, routes, system, key)
    found = []
    for at, operation, named, _, finished_ms, _, _, _, items in await store.read(
        "attempts_like", limit=ROWS_MAX, **range_of(key)
    ):
        if operation in WITH_PERSONS and finished_ms is None and (at, operation, named) not in others:
            payloads = decode_payloads(operation, items)
            if named in payloads and payload_without(payloads[named]) != payloads[named]:
                found.append(f"{noun} {key}: a call of {operation} to {at} is not answered yet")
    return found


async def words_of_records(
    store: Store, system: str, orders: Sequence[str], customers: Sequence[tuple[str, str]]
) -> list[str]:
    """Every text of some orders of a system, and of some ERPs' customers, by which somebody would be known."""
    found: list[str] = []
    for start in range(0, len(orders), ROWS_MAX):
        some = list(orders[start : start + ROWS_MAX])
        for row in await store.read("records_get", system=system, kind=Kind.ORDER.value, keys=some):
            found += words_of_order(decode(Kind.ORDER, row[4]))
    for at, key in customers:
        for row in await store.read("records_get", system=at, kind=Kind.CUSTOMER.value, keys=[key]):
            found += words_of_company(decode(Kind.CUSTOMER, row[4]))
    return found


async def order_traces(store: Store, routes: Routes, system: str, key: str, dropped: int) -> Found:
    """Everything about an order except what only its words can find. ``dropped``: messages up to here are applied."""
    found = Found()
    rows = await store.read("records_get", system=system, kind=Kind.ORDER.value, keys=[key])
    if rows:
        order: Order = decode(Kind.ORDER, rows[0][4])
        await _record(store, routes, system, rows[0], order, found)
        await _routing(store, system, order, found)
    await _said(store, routes, system, key, found)
    for kind in (Kind.ORDER, Kind.ERP_ORDER):
        traces = await store.read("traces", kind=kind.value, key=key, limit=ROWS_MAX)
        found.offsets |= {row[2] for row in traces if row[2] <= dropped}
    return found


async def _record(store: Store, routes: Routes, system: str, row: Row, order: Order, found: Found) -> None:
    """The record, and the fingerprints by which the ERPs' orders are compared with it: nothing is to be sent for this."""
    without = order_without(order)
    if without == order:
        return
    key, version, tiebreak = row[:3]
    hash_ = record_fingerprint(Kind.ORDER, without) if row[3] else ""
    at = {"system": system, "kind": Kind.ORDER.value, "key": key}
    at |= {"version": version, "tiebreak": tiebreak, "hash": hash_, "body": encode(without)}
    found.writes.append(Write("record_erase", [at], guard=True))
    found.counts["orders"] = found.counts.get("orders", 0) + 1
    was, now = order_fingerprint(order), order_fingerprint(without)
    reference = reference_of(system, key)
    for route in routes.of(Flow.ORDERS, source=system):
        bound = await store.read("bindings_get", system=route.sink, kind=Kind.ORDER.value, keys=[reference])
        for _, _, _, sent, *_ in bound:
            base, mark, routed = sent.partition(":")
            if base == was:
                of = {"system": route.sink, "kind": Kind.ORDER.value, "key": reference}
                row_ = {**of, "was": sent, "hash": f"{now}{mark}{routed}"}
                found.writes.append(Write("binding_erase", [row_], told=False))


async def _routing(store: Store, system: str, order: Order, found: Found) -> None:
    """The reasons for from where an order is sent name where it goes."""
    to = order.shipping_to
    where = "" if to is None else str(Destination(to.country, to.region, to.postcode))
    for _, _, _, body in await store.read("routings", channel=system, orders=[order.key]):
        if where and where in body:
            at = {"channel": system, "order_key": order.key, "was": body}
            found.add("reasons", "routing_erase", [{**at, "body": body.replace(where, "the destination")}])


async def _said(store: Store, routes: Routes, system: str, key: str, found: Found) -> None:
    """What others said of a record: in answers to calls, as the reason of a delivery, as what a proof found."""
    rows, others = await deliveries_of(store, routes, system, key)
    await _calls(store, key, others, found)
    reasons = [
        {"system": row[0], "operation": row[1], "key": row[2], "reason": ERASED}
        for row in rows
        if row[10] not in ("", ERASED)
    ]
    found.add("reasons", "delivery_erase", reasons)
    named = [route.name for route in routes.all if system in (route.source, route.sink)]
    found.writes.append(
        Write("difference_erase", [{"route": name, "key": key, "detail": ERASED} for name in named])
    )


async def _calls(store: Store, key: str, others: Collection[Delivered], found: Found) -> None:
    """What calls about a record carried, and what the vendors answered."""
    intents: dict[str, tuple[str, str]] = {}
    answers = []
    for at, operation, named, _, finished_ms, _, message, intent, items in await store.read(
        "attempts_like", limit=ROWS_MAX, **range_of(key)
    ):
        if (at, operation, named) in others:
            continue
        if message not in ("", ERASED):
            answers.append({"intent": intent, "key": named, "message": ERASED})
        if operation in WITH_PERSONS and finished_ms is not None:
            intents[intent] = operation, items
    found.add("answers", "attempt_erase", answers)
    carried = []
    for intent, (operation, items) in intents.items():
        payloads = decode_payloads(operation, items)
        without = {
            name: payload_without(payload) if split_key(name)[0] == key else payload
            for name, payload in payloads.items()
        }
        if without != payloads:
            carried.append({"id": intent, "items": encode(without)})
    found.add("calls", "intent_erase", carried)


async def customer_traces(store: Store, routes: Routes, system: str, key: str) -> Found:
    """Everything about a customer that an ERP keeps. What a channel holds of it stays there, and we forget what it is."""
    found = Found()
    rows = await store.read("records_get", system=system, kind=Kind.CUSTOMER.value, keys=[key])
    if rows:
        company = decode(Kind.CUSTOMER, rows[0][4])
        without = company_without(company)
        if without != company:
            at = {"system": system, "kind": Kind.CUSTOMER.value, "key": key}
            at |= {"version": rows[0][1], "tiebreak": rows[0][2]}
            at |= {"hash": record_fingerprint(Kind.CUSTOMER, without), "body": encode(without)}
            found.writes.append(Write("record_erase", [at], guard=True))
            found.counts["customers"] = 1
    sinks = [route.sink for route in routes.of(Flow.CUSTOMERS, source=system)]
    told = [{"system": sink, "kind": Kind.CUSTOMER.value, "key": key} for sink in sinks]
    found.writes.append(Write("content_drop", told))
    await _said(store, routes, system, key, found)
    return found


def adopted_without(kind: str, text: str, words: Words, *, mine: bool) -> str | None:
    """How what an adoption has read is left, a customer or a whole order; ``None``: as it is.

    ``mine``: its key is the person's. An order that is left without its text is read once more.
    """
    if kind == WHOLE:
        kept = msgspec.json.decode(text, type=Kept)
        if not kept.event.body or not (mine or words.in_body(kept.event.body)):
            return None
        return encode(Kept(0, replace(kept.event, body=b"")))
    listed = msgspec.json.decode(text, type=ListedCustomer)
    without = ListedCustomer(listed.id, reference=listed.reference)
    return encode(without) if listed != without and (mine or words.in_text(text)) else None


def parked_without(
    row: Row, keys: set[str], words: Words, *, everything: bool, others: Collection[Delivered] = ()
) -> dict[str, Any] | None:
    """How a row of ``parked_after`` is left; ``None``: as it is.

    ``everything``: whatever is parked there is meant. ``others``: deliveries that only have the same key.
    """
    number, system, operation, key, detail, payload = row
    keyed = operation != "apply" and split_key(key)[0] in keys and (system, operation, key) not in others
    mine = everything or keyed
    if not mine and not words.in_text(payload) and not words.in_text(detail):
        return None
    left = {"id": number, "detail": ERASED if detail else "", "payload": ERASED if payload else ""}
    return None if (left["detail"], left["payload"]) == (detail, payload) else left
