"""What a route in shadow would have sent: compared with what is there, by looking only.

A number is compared with what was read of the channel; an order, a payment or a parcel is looked up by its reference.
What is there already counts as delivered, so that going live does not send it again.
"""

from __future__ import annotations

from decimal import Decimal

import structlog

from syncline.engine.delivery.build import Built, Found, Refuse, Send, Skip, Wait
from syncline.engine.delivery.results import Results
from syncline.engine.delivery.stops import Difference, Stops
from syncline.engine.derive.credit import credit_text
from syncline.engine.derive.prices import tag_text
from syncline.engine.modes import Stop
from syncline.engine.words import plural
from syncline.mapping.customers import described as card_text
from syncline.model.delivery import Item, Operation, Result
from syncline.model.errors import SynclineError
from syncline.model.payloads import (
    CancelOrder,
    CreateRefund,
    CreateShipment,
    MoveOrder,
    Payload,
    PutCustomer,
    PutOrder,
    PutPayment,
    PutRefund,
    RecordPayment,
    SetCredit,
    SetPrice,
    SetStock,
)
from syncline.ports import Clock, Row, System

LOOK_AGAIN_S = 60.0  # after a look-up that failed
NOTHING = Decimal(0)

log = structlog.get_logger(__name__)


def described(payload: Payload) -> tuple[str, Decimal]:
    """A payload in words, and its size: units or an amount."""
    if isinstance(payload, SetStock):
        return str(payload.quantity), Decimal(abs(payload.quantity - payload.expected))
    if isinstance(payload, PutOrder):
        order = payload.order
        state = "cancelled" if order.cancelled_at_ms is not None else plural(len(order.lines), "line")
        return f"order {order.number}: {state}, {order.total} {order.currency}", abs(order.total)
    if isinstance(payload, PutPayment):
        return f"payment of {payload.payment.amount} for order {payload.order_external_id}", abs(
            payload.payment.amount
        )
    if isinstance(payload, PutRefund):
        return f"refund of {payload.refund.amount} for order {payload.order_external_id}", abs(
            payload.refund.amount
        )
    if isinstance(payload, SetCredit):
        return credit_text(payload.content), NOTHING
    if isinstance(payload, SetPrice):
        return tag_text(payload.content), NOTHING
    if isinstance(payload, PutCustomer):
        return card_text(payload.content), NOTHING
    if isinstance(payload, RecordPayment):
        receipt = payload.receipt
        return f"{receipt.received} received for order {payload.order_key}", receipt.received
    if isinstance(payload, CreateRefund):
        back = sum(quantity for _, _, quantity in payload.lines)
        return f"{payload.reference}: {plural(back, 'unit')} back", Decimal(back)
    if isinstance(payload, CancelOrder):
        return f"order {payload.order_key}: cancelled", NOTHING
    if isinstance(payload, MoveOrder):
        units = sum(quantity for _, _, quantity in payload.lines)
        places = ", ".join(dict.fromkeys(place for _, place, _ in payload.lines))
        return f"order {payload.order_key}: sent from {places}", Decimal(units)
    assert isinstance(payload, CreateShipment), "what only reads is never held back"
    units = sum(quantity for _, _, quantity in payload.lines)
    return f"shipment {payload.shipment.key}: {plural(units, 'unit')}", Decimal(units)


class Rehearsal:
    """Compares what one system would be sent with what it holds."""

    def __init__(self, system: System, clock: Clock, stops: Stops) -> None:
        self._system = system
        self._clock = clock
        self._stops = stops

    async def compare(
        self, operation: Operation, built: dict[str, Built], known: dict[str, Row], results: Results
    ) -> None:
        """Take out of ``built`` what a route in shadow would have sent, and remember how it differs."""
        for key, what in list(built.items()):
            if key not in known or self._stops.stop_of(known[key]) is not Stop.SHADOW:
                continue
            if isinstance(what, Skip | Found) or (isinstance(what, Wait) and operation.name == "set_stock"):
                continue  # ended by comparison, or what is there has to be read first
            del built[key]
            if isinstance(what, Send):
                again = await self._compare(operation, key, what, known[key], results)
                if again is not None:
                    built[key] = again
            elif isinstance(what, Refuse):
                self._differs(
                    operation,
                    known[key],
                    note=f"it would be parked: {what.detail}",
                    waits=True,
                    brief="it would be parked",
                )
            else:
                self._differs(
                    operation,
                    known[key],
                    note=f"it would wait: {what.reason}",
                    waits=True,
                    brief="it would wait",
                )

    async def _compare(
        self, operation: Operation, key: str, send: Send, row: Row, results: Results
    ) -> Wait | None:
        item = Item(key, send.payload)
        computed, size = described(send.payload)
        if isinstance(send.payload, SetStock):
            self._differs(operation, row, str(send.payload.expected), computed, size)
            return None
        if not operation.look_up:
            note = f"{self._system.name} offers no way to look it up"
            self._differs(operation, row, "unknown", computed, size, note=note)
            return None
        try:
            found = await self._system.sink.look_up(operation.name, item)
        except SynclineError as error:
            return Wait(f"not looked up: {error}", LOOK_AGAIN_S)
        except Exception as error:
            log.exception("look-up failed", action="sink_failed", system=self._system.name)
            return Wait(f"not looked up: {type(error).__name__}", LOOK_AGAIN_S)
        if self._stops.stop_of(row) is not Stop.SHADOW:
            # Put aside now, nobody would take it out again: whoever went live has been through what was aside.
            return Wait("its route left shadow while it was looked up", 0.0)
        if found is None:
            ident = send.payload.external_id if isinstance(send.payload, PutOrder) else ""
            self._differs(operation, row, f"{ident}, otherwise" if ident else "not there", computed, size)
        elif found.result is not Result.DONE:
            self._differs(operation, row, "unclear", computed, size, note=found.message, brief="")
        elif isinstance(send.payload, PutOrder) and not send.payload.external_id:
            # Found by its reference, which says nothing of its lines: as a revision it is compared whole.
            results.found(item, found)
            return Wait("it is there already; compared next", 0.0)
        else:
            results.adopt(item, found, send.note)
        return None

    def _differs(
        self,
        operation: Operation,
        row: Row,
        there: str = "",
        computed: str = "",
        size: Decimal = NOTHING,
        *,
        note: str = "",
        waits: bool = False,
        brief: str | None = None,
    ) -> None:
        now_ms = self._clock.now_ms()
        self._stops.put(operation.name, row, Difference(there, computed, size, note, now_ms, waits, brief))
