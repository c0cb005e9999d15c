"""News of orders that were over long ago, and of which only their identity was kept: nothing of it is applied.

Such an order is not new, whoever tells of it: a poll that reads the past again, an event years late, an ERP that
corrects an old parcel. What was known already changes nothing. What was not (a late refund, another parcel) waits for a
person, because what it would have to be compared with is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, json

from syncline.engine.apply.batch import Batch
from syncline.engine.codec import fingerprint
from syncline.engine.routes import SEP, Routes, parse_reference, reference_of
from syncline.engine.words import plural
from syncline.model.change import Change, Flow, Kind, LoggedEvent
from syncline.model.copying import replace
from syncline.model.records import ErpOrder, Notice, Order, Receipt, Return, Shipment
from syncline.ports import Row, Store, Write

NOTE = "finished_order"  # the operation under which news of such an order is parked
REASON = "after_retention"
CANCELLED = "cancelled"  # among the facts: some ERP called the order off
FACTS_MAX = 200  # remembered of one order
KINDS = frozenset({Kind.ORDER, Kind.ERP_ORDER, Kind.SHIPMENT, Kind.RECEIPT, Kind.RETURN})

Decoded = list[tuple[LoggedEvent, list[Change]]]


class Retired(Struct, frozen=True):
    """An order that is over: the version that was told last, and what of it and of its ERP's facts was known."""

    reference: str
    version: int
    tiebreak: int
    digest: str
    facts: tuple[str, ...]
    retired_at_ms: int

    @classmethod
    def of(cls, row: Row) -> Retired:
        """The row of ``retired_get``."""
        reference, version, tiebreak, digest, facts, at_ms = row
        return cls(reference, version, tiebreak, digest, json.decode(facts, type=tuple[str, ...]), at_ms)

    def row(self) -> dict[str, Any]:
        """The row of ``retired_put``."""
        return {
            "reference": self.reference,
            "version": self.version,
            "tiebreak": self.tiebreak,
            "digest": self.digest,
            "facts": json.encode(self.facts).decode(),
        }


def digest_of(order: Order) -> str:
    """What of a finished order concerns anybody: its units and its money, and nothing of who bought it."""
    return fingerprint(
        order.cancelled_at_ms is not None,
        order.currency,
        order.total,
        [(line.id, line.sku, line.quantity, line.taken) for line in order.lines],
        [(payment.id, payment.amount) for payment in order.payments],
        [(refund.id, refund.amount) for refund in order.refunds],
    )


def fact_of(system: str, value: Shipment | Return | Receipt) -> str:
    """An ERP's fact about an order, as it is remembered: the same again is no news."""
    if isinstance(value, Receipt):
        return f"{system}:receipt:{fingerprint(value.received, value.currency)}"
    kind = Kind.SHIPMENT if isinstance(value, Shipment) else Kind.RETURN
    return f"{system}:{kind.value}:{value.key}"


async def retired_among(store: Store, references: Sequence[str]) -> dict[str, Retired]:
    """Which of some orders are over and forgotten, by our reference."""
    if not references:
        return {}
    rows = await store.read("retired_get", references=list(references))
    return {row[0]: Retired.of(row) for row in rows}


class LateNews:
    """Takes changes about forgotten orders out of what is to be applied."""

    def __init__(self, store: Store, routes: Routes, systems: Sequence[str]) -> None:
        self._store = store
        self._routes = routes
        self._systems = list(systems)
        self._any: bool | None = None  # whether any order is forgotten; None: not asked yet

    def forget(self) -> None:
        """Some order may have been forgotten: ask again whether there is any."""
        self._any = None

    async def taken(self, batch: Batch, decoded: Decoded) -> tuple[Decoded, list[Write]]:
        """What is left to be applied, and what is to be written with it."""
        if self._any is None:
            self._any = bool(await self._store.read("retired_any"))
        if not self._any:
            return decoded, []
        named: dict[str, None] = {}
        for logged, changes in decoded:
            for change in changes:
                if change.kind in KINDS and (reference := self._reference(logged, change)):
                    named[reference] = None
        past = await retired_among(self._store, list(named))
        if not past:
            return decoded, []
        before = dict(past)
        left: Decoded = []
        for logged, changes in decoded:
            others = []
            for change in changes:
                one = past.get(self._reference(logged, change)) if change.kind in KINDS else None
                if one is None:
                    others.append(change)
                else:
                    past[one.reference] = self._hear(batch, logged, change, one)
            left.append((logged, others))
        moved = [one.row() for name, one in past.items() if one != before[name]]
        return left, [Write("retired_put", moved, told=False)] if moved else []

    def _reference(self, logged: LoggedEvent, change: Change) -> str:
        """Our reference of the order that a change is about; "" for none of ours."""
        value = change.value
        if change.kind is Kind.ORDER:
            return reference_of(logged.event.system, change.key)
        name = value.order_key if isinstance(value, Shipment | Return) else change.key
        return name.lower() if parse_reference(name, self._systems) else ""

    def _hear(self, batch: Batch, logged: LoggedEvent, change: Change, past: Retired) -> Retired:
        value = change.value
        if change.kind is Kind.ORDER:
            return self._order(batch, logged, change, past)
        channel, order_key = parse_reference(past.reference, self._systems) or ("", "")
        system = logged.event.system
        fact, flow, what = "", Flow.ORDER_STATUS, ""
        if isinstance(value, ErpOrder) and value.cancelled:
            fact, what = CANCELLED, "has called the order off"
        elif isinstance(value, Shipment):
            fact, what = fact_of(system, value), f"tells of shipment {value.key}"
        elif isinstance(value, Return):
            fact, flow, what = fact_of(system, value), Flow.RETURNS, f"tells of return {value.key}"
        elif isinstance(value, Receipt):
            fact, flow = fact_of(system, value), Flow.PAYMENTS
            what = f"has received {value.received:f} {value.currency}".rstrip() + " in all"
        if not fact or fact in past.facts:
            batch.past(logged, change, order_key, "of a finished order: known")
            return past
        if self._routes.of(flow, source=system, sink=channel):
            detail = f"order {order_key} of {channel}: {system} {what}"
            self._park(batch, system, f"{order_key}{SEP}{fact}", detail)
        batch.past(logged, change, order_key, "of a finished order: set aside")
        return replace(past, facts=(*past.facts, fact)) if len(past.facts) < FACTS_MAX else past

    def _order(self, batch: Batch, logged: LoggedEvent, change: Change, past: Retired) -> Retired:
        value = change.value
        newer = (change.version, change.tiebreak) > (past.version, past.tiebreak)
        if not newer or (isinstance(value, Notice) and change.version <= past.version):
            batch.past(logged, change, change.key, "of a finished order: known")
            return past
        if not isinstance(value, Order) or not value.complete:
            batch.past(logged, change, change.key, "to be read", read=True)
            return past
        heard = replace(past, version=change.version, tiebreak=change.tiebreak, digest=digest_of(value))
        if heard.digest == past.digest:
            batch.past(logged, change, change.key, "of a finished order: known")
            return heard
        channel = logged.event.system
        if self._routes.of(Flow.ORDERS, source=channel):
            self._park(batch, channel, change.key, _changed(channel, value))
        batch.past(logged, change, change.key, "of a finished order: set aside")
        return heard

    def _park(self, batch: Batch, system: str, key: str, detail: str) -> None:
        text = (
            f"{detail}. The order was finished, and its details are forgotten, so nothing was done: look at both sides, enter "
            "what is missing by hand, then discard this"
        )
        batch.park_note(system, NOTE, key, REASON, text)


def _changed(channel: str, order: Order) -> str:
    """What a finished order is now, in words without a person."""
    if order.cancelled_at_ms is not None:
        return f"order {order.number}: {channel} has cancelled it, or changed it since"
    parts: Mapping[str, int] = {"payment": len(order.payments), "refund": len(order.refunds)}
    told = " and ".join(plural(count, noun) for noun, count in parts.items())
    return f"order {order.number}: {channel} has changed it; it is {order.total:f} {order.currency} now, with {told}"
