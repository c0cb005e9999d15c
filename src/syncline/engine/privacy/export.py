"""What is held of a customer, for whoever has to tell them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from syncline.engine.codec import decode
from syncline.engine.privacy.persons import Words, words_of_company, words_of_order
from syncline.engine.privacy.traces import ROWS_MAX, deliveries_of, range_of
from syncline.engine.routes import Routes, customer_reference, reference_of
from syncline.model.change import Flow, Kind
from syncline.ports import Store

MESSAGES_MAX = 1_000
PAGE = 200


class Message(Struct, frozen=True):
    """A message as it came, kept for 30 days; its text may tell of others as well, so it is shown by ``syncline privacy`` alone."""

    offset: int
    system: str
    topic: str
    received_at_ms: int
    body: str


class Called(Struct, frozen=True):
    """A call to another system that carried something of the customer."""

    system: str
    operation: str
    key: str
    at_ms: int
    result: str


class Held(Struct, frozen=True):
    """Everything that is held of one customer: records as they are stored, ids elsewhere, messages and calls.

    ``more`` says that there are more messages or calls than are told. ``files`` are copies of files that tell of the customer,
    by system and name, and of others as well.
    """

    system: str
    orders: tuple[Any, ...]
    customers: tuple[Any, ...]
    ids: tuple[tuple[str, str, str], ...]  # system, our reference, its id there
    messages: tuple[Message, ...]
    calls: tuple[Called, ...]
    more: bool = False
    files: tuple[tuple[str, str], ...] = ()


async def held_of(
    store: Store,
    routes: Routes,
    system: str,
    *,
    orders: Sequence[str],
    customers: Sequence[tuple[str, str]],
    email: str,
) -> Held:
    """What the store holds of these orders and customers, and what its log says of them."""
    words = Words()
    words.add([email])
    told: list[Any] = []
    people: list[Any] = []
    ids: list[tuple[str, str, str]] = []
    calls: list[Called] = []
    for _, _, _, _, body, *_ in await store.read(
        "records_get", system=system, kind=Kind.ORDER.value, keys=list(orders)
    ):
        order = decode(Kind.ORDER, body)
        words.add(words_of_order(order))
        told.append(msgspec.json.decode(body))
        references = [(Kind.ORDER, reference_of(system, order.key))]
        if order.customer is not None and order.customer.key:
            references.append((Kind.CUSTOMER, customer_reference(system, order.customer.key)))
        for route in routes.of(Flow.ORDERS, source=system):
            for kind, reference in references:
                rows = await store.read("bindings_get", system=route.sink, kind=kind.value, keys=[reference])
                ids += [(route.sink, row[0], row[1]) for row in rows]
    for at, key in customers:
        for _, _, _, _, body, *_ in await store.read(
            "records_get", system=at, kind=Kind.CUSTOMER.value, keys=[key]
        ):
            words.add(words_of_company(decode(Kind.CUSTOMER, body)))
            people.append(msgspec.json.decode(body))
    for of, key in (*((system, key) for key in orders), *customers):
        _, others = await deliveries_of(store, routes, of, key)
        for at, operation, named, at_ms, _, result, *_ in await store.read(
            "attempts_like", limit=ROWS_MAX, **range_of(key)
        ):
            if (at, operation, named) in others:
                continue
            calls.append(Called(at, operation, named, at_ms, result))
    messages, more = await _messages(store, words)
    return Held(
        system,
        tuple(told),
        tuple(people),
        tuple(dict.fromkeys(ids)),
        tuple(messages),
        tuple(sorted(calls, key=lambda one: one.at_ms)),
        more,
    )


async def _messages(store: Store, words: Words) -> tuple[list[Message], bool]:
    found: list[Message] = []
    after = 0
    while True:
        page = await store.events(after, PAGE)
        for logged in page:
            if words.in_text(logged.event.body.decode(errors="replace")):
                if len(found) == MESSAGES_MAX:
                    return found, True
                body = logged.event.body.decode(errors="replace")
                event = logged.event
                found.append(Message(logged.offset, event.system, event.topic, logged.received_at_ms, body))
        if len(page) < PAGE:
            return found, False
        after = page[-1].offset
