"""What became of each item of a call, as the rows of one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from syncline.engine.adoption import Adopted, State, adopted_rows
from syncline.engine.apply.credit import accepted_row
from syncline.engine.codec import FOUND, UNSURE, encode, fingerprint
from syncline.engine.delivery.answers import TOLD
from syncline.engine.delivery.blind import FAR_MS
from syncline.engine.delivery.outcomes import PAUSE_S, Wait
from syncline.engine.reconcile.differences import Cause
from syncline.engine.routes import Routes, customer_reference, reference_of, split_key
from syncline.engine.routing import routing_row
from syncline.engine.states import STATE_OPERATIONS
from syncline.model.capabilities import Capabilities, StockBasis
from syncline.model.change import Flow, Kind
from syncline.model.copying import replace
from syncline.model.customers import CustomerCard
from syncline.model.delivery import DeliveryState, Item, Outcome, Result
from syncline.model.payloads import (
    CreateRefund,
    CreateShipment,
    MoveOrder,
    Payload,
    PutCustomer,
    PutOrder,
    PutPayment,
    PutRefund,
    RecordPayment,
    SetProduct,
    SetStock,
    StatePayload,
)
from syncline.ports import Row, Write
from syncline.routing.decision import Refusal

STALE_ROUNDS_MAX = 3
ATTEMPTS_MAX = 50
TOUCHING = ("delivery_touch", "delivery_finish", "delivery_hasten", "delivery_release")

# Statements that have to precede held_seen, in their order.
BEFORE_READING = {"held_aside": 0, "held_learned": 1, "held_first": 2}


class Results:
    """Collects the outcomes of one call; ``writes`` is the transaction that makes them last."""

    def __init__(
        self,
        system: str,
        operation: str,
        routes: Routes,
        known: dict[str, Row],
        now_ms: int,
        capabilities: Capabilities,
        *,
        asked_ms: int | None = None,
        ours_since: Callable[[str], int] = lambda _route: 0,
    ) -> None:
        self._ours_since = ours_since
        self._system = system
        self._operation = operation
        self._routes = routes
        self._known = known
        self._now_ms = now_ms
        self._asked_ms = now_ms if asked_ms is None else asked_ms
        self._basis = capabilities.stock_read_basis
        self._blind = not capabilities.compare_and_set
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self.stale = False
        self.marked = False

    def _add(self, statement: str, **row: Any) -> None:
        self._rows.setdefault(statement, []).append(row)

    def _at(self, key: str) -> dict[str, Any]:
        return {"system": self._system, "operation": self._operation, "key": key}

    def _finish(
        self,
        key: str,
        state: DeliveryState,
        *,
        delay_s: float = 0.0,
        reason: str = "",
        uncounted: int = 0,
    ) -> None:
        generation = self._known[key][3] if key in self._known else 0
        self._add(
            "delivery_finish",
            **self._at(key),
            state=state.value,
            generation=generation,
            not_before_ms=self._now_ms + round(delay_s * 1000),
            reason=reason[:500],
            uncounted=uncounted,
            now_ms=self._now_ms,
        )

    # --- before the call ----------------------------------------------------------------------------

    def skip(self, key: str, reason: str, holds: tuple[str, str, int, str] | None = None) -> None:
        """Nothing had to be sent. ``holds`` is what the ERP's order is taken to hold from now on."""
        if holds is not None:
            reference, external_id, version, hash_ = holds
            facts = Outcome(Result.DONE, facts={"external_id": external_id})
            self._bind(Kind.ORDER.value, reference, facts, version, hash_)
        is_state = self._operation == "set_stock" or self._operation in STATE_OPERATIONS
        state = DeliveryState.SUPERSEDED if is_state else DeliveryState.COMPLETED
        generation = self._known[key][3] if key in self._known else 0
        # Ended by comparison, so a change that came meanwhile makes it available again.
        self._add(
            "delivery_finish",
            **self._at(key),
            state=state.value,
            generation=generation,
            not_before_ms=self._now_ms,
            reason=reason[:500],
            uncounted=0,
            now_ms=self._now_ms,
        )
        self._resolve(key, "superseded")

    def wait(self, key: str, wait: Wait) -> None:
        """Not possible yet."""
        self._finish(
            key,
            DeliveryState.RETRYABLE,
            delay_s=PAUSE_S if wait.seconds is None else wait.seconds,
            reason=wait.reason,
        )
        if wait.read_stock:
            self._read_stock(key)
        for stock in wait.stock:
            inventory = self._routes.of(Flow.INVENTORY, sink=self._system)
            self._read("read_stock", stock, inventory[0].name if inventory else "")

    def park(self, key: str, reason: str, detail: str, payload: str) -> None:
        """A person has to decide."""
        self._finish(key, DeliveryState.PARKED, reason=f"{reason}: {detail}")
        self._add(
            "parked_put",
            **self._at(key),
            reason=reason,
            detail=detail[:2000],
            payload=payload,
            now_ms=self._now_ms,
        )

    def begin(self, intent: str, payloads: dict[str, Payload]) -> list[Write]:
        """The intent of a call, written before it is made."""
        blind = payloads if self._blind and self._operation == "set_stock" else ()
        return [
            Write(
                "intent_put",
                [
                    {
                        "id": intent,
                        "system": self._system,
                        "operation": self._operation,
                        "items": encode(payloads),
                        "now_ms": self._now_ms,
                    }
                ],
                told=False,
            ),
            Write(
                "delivery_run",
                [{**self._at(key), "now_ms": self._now_ms} for key in payloads],
                told=False,
            ),
            Write(
                "attempt_put",
                [
                    {
                        "intent": intent,
                        **self._at(key),
                        "generation": self._known[key][3] if key in self._known else 0,
                        "result": "",
                        "message": "",
                        "now_ms": self._now_ms,
                    }
                    for key in payloads
                ],
                told=False,
            ),
            Write(
                "demand_sent",
                [row for key in payloads for row in self._order_sent(key, payloads[key])],
                told=False,
            ),
            Write(
                "held_blind",
                [{"system": self._system, "key": key, "until_ms": FAR_MS, "by": 0} for key in blind],
                told=False,
            ),
            *self._unsure(payloads),
        ]

    def _unsure(self, payloads: dict[str, Payload]) -> list[Write]:
        """Until a call is answered nobody knows which content the other side holds, the one before or this."""
        kind = STATE_OPERATIONS.get(self._operation)
        if kind is not None:
            rows = [{"system": self._system, "kind": kind.value, "key": key} for key in payloads]
            return [Write("content_unsure", rows, told=False)]
        revised = [
            {"system": self._system, "kind": Kind.ORDER.value, "key": put.reference, "hash": UNSURE}
            for put in payloads.values()
            if isinstance(put, PutOrder) and put.external_id
        ]
        return [Write("binding_unsure", revised, told=False)]

    def _order_sent(self, key: str, payload: Payload) -> Iterator[dict[str, Any]]:
        """A revision that asks for less may take effect although its answer gets lost."""
        route = self._routes.named(self._known[key][1]) if key in self._known else None
        if isinstance(payload, PutOrder) and payload.external_id and route is not None:
            sent = [[item.line_id, item.location, item.quantity] for item in payload.items]
            yield {"channel": route.source, "order_key": payload.order.key, "sent": sent}

    # --- after the call -----------------------------------------------------------------------------

    def outcome(
        self,
        item: Item,
        outcome: Outcome,
        intent: str,
        *,
        delay_s: float,
        outage: bool,
        note: str,
        stale_rounds: int,
    ) -> None:
        """One item's outcome. ``stale_rounds`` counts how often in a row its expectation was refuted."""
        key = item.key
        attempts = self._known[key][7] + 1 if key in self._known else 1
        self._add(
            "attempt_put",
            intent=intent,
            **self._at(key),
            generation=self._known[key][3] if key in self._known else 0,
            result=outcome.result.value,
            message=outcome.message[:1000],
            now_ms=self._now_ms,
        )
        result = outcome.result
        if isinstance(item.payload, MoveOrder) and result in (Result.DONE, Result.RETRY, Result.REJECTED):
            self._read_order(key)  # some of it may have moved, and with it what the channel takes where
        if self._blind and self._operation == "set_stock":
            self._undone_until_now(key, outcome.facts.get("by", 0))
        if result is Result.DONE:
            self._done(item, outcome, note)
        elif result is Result.STALE:
            self.stale = True
            # Nothing is written again on this expectation: the number has to be read first.
            self._refute(key)
            if stale_rounds >= STALE_ROUNDS_MAX:
                self.park(
                    key,
                    "stale",
                    f"the channel's number changed under us {stale_rounds} times in a row; {outcome.message}",
                    encode(item.payload),
                )
            else:
                self._finish(key, DeliveryState.RETRYABLE, delay_s=60.0, reason="stale: the channel moved on")
        elif result is Result.REJECTED and self._refused(item, outcome):
            pass
        elif result is Result.REJECTED:
            if isinstance(item.payload, PutCustomer) and outcome.facts.get("external_id"):
                self._customer_held(item.payload, outcome)  # one of its people was refused, it is there
            self.park(key, "rejected", outcome.message, encode(item.payload))
        elif result in (Result.THROTTLED, Result.WAIT):
            self._finish(key, DeliveryState.RETRYABLE, delay_s=delay_s, reason=outcome.message, uncounted=1)
        elif attempts >= ATTEMPTS_MAX and not outage:
            self.park(
                key, "gave_up", f"{attempts} attempts; the last: {outcome.message}", encode(item.payload)
            )
        else:
            self._finish(
                key,
                DeliveryState.RETRYABLE,
                delay_s=delay_s,
                reason=outcome.message,
                uncounted=int(outage),
            )

    def _refused(self, item: Item, outcome: Outcome) -> bool:
        """Whether nobody has to look at a refusal.

        Where only locations were refused that were chosen here, the order is sent from elsewhere; how often that may be is
        judged when it is built again. A move may be tolerated not to be.
        """
        if isinstance(item.payload, MoveOrder) and item.payload.tolerated:
            self._finish(item.key, DeliveryState.COMPLETED, reason=f"tolerated: {outcome.message}")
            self._resolve(item.key, "tolerated")
            return True
        locations = outcome.facts.get("refused_locations", ())
        route = self._routes.named(self._known[item.key][1]) if item.key in self._known else None
        if (
            not locations
            or route is None
            or not isinstance(item.payload, PutOrder)
            or not item.payload.routed
        ):
            return False
        for location in locations:
            refusal = Refusal(location, why=outcome.message[:300], by=self._system)
            order_key, ident = item.payload.order.key, f"{self._now_ms}-{location}"
            self._add(
                "routing_put", **routing_row(route.source, order_key, ident, "refused", refusal, self._now_ms)
            )
        self._finish(item.key, DeliveryState.RETRYABLE, reason="refused there: to be sent from elsewhere")
        return True

    def adopt(self, item: Item, outcome: Outcome, note: str) -> None:
        """What was to be sent is there already, by somebody else's hand or from before."""
        self._finish(item.key, DeliveryState.COMPLETED, reason="it was there already")
        self._resolve(item.key, "found there")
        self._took_effect(item, outcome, note)

    def found(self, item: Item, outcome: Outcome) -> None:
        """An order is there under our reference; whether as it should be is not known yet."""
        order = item.payload
        self._bind(Kind.ORDER.value, order.reference, outcome, 0, FOUND)

    def _done(self, item: Item, outcome: Outcome, note: str) -> None:
        self._finish(item.key, DeliveryState.COMPLETED)
        self._resolve(item.key, "delivered")
        self._lag(item.key)
        self._took_effect(item, outcome, note)

    def _took_effect(self, item: Item, outcome: Outcome, note: str) -> None:
        """Remember what the other side holds now."""
        key, payload = item.key, item.payload
        if isinstance(payload, SetStock):
            self._add(
                "held_written",
                system=self._system,
                key=key,
                by=payload.quantity - payload.expected,
                now_ms=self._now_ms,
            )
            self._told(key, payload.quantity, outcome)
            if outcome.facts.get("doubtful"):
                self._refute(key)
                self.stale = True
        elif self._operation == "read_stock":
            # What was heard of a number while it was read may be in the reading or not. Where every write carries
            # its expectation, the next one finds out; else, and where some of it may have been in the reading before,
            # the number is read once more.
            since = {"rev": int(note) if note else None, "exact": self._blind}
            if outcome.facts.get("reserved", 0) > 0:
                before = outcome.facts["held"] + outcome.facts["reserved"]
                self._add("held_first", system=self._system, key=key, held=before, now_ms=self._now_ms)
            read = {"system": self._system, "key": key, "held": outcome.facts["held"], **since}
            # Where others write the number too, it need not be what we expect.
            ours_ms = self._ours_since(self._known[key][1]) if key in self._known else 0
            if "reserved" in outcome.facts:
                told = {"aside": max(0, outcome.facts["reserved"]), "ours_ms": ours_ms, **since}
                self._add("held_aside", system=self._system, key=key, **told)
            if ours_ms:
                self._add("held_learned", **read, ours_ms=ours_ms, now_ms=self._now_ms)
            self._add("held_seen", **read, now_ms=self._now_ms)
            self._add(
                "held_asked", system=self._system, key=key, asked_ms=self._asked_ms, now_ms=self._now_ms
            )
            self._told(key, outcome.facts["held"], outcome)
            if self._blind:
                self._undone_until_now(key, 0)
            self._add("dirty_mark", sku=split_key(key)[0], changed_at_ms=self._now_ms)
            for sku in self._routes.recipes.bases([split_key(key)[0]]):
                self._add("shelf_stale", sku=sku)
            self._add(
                "delivery_hasten",
                system=self._system,
                operation="set_stock",
                key=key,
                now_ms=self._now_ms,
            )
            self.marked = True
        elif isinstance(payload, PutOrder):
            self._order_held(key, payload, outcome, note)
        elif isinstance(payload, PutPayment | PutRefund):
            self._bind(
                "payment" if isinstance(payload, PutPayment) else "refund", payload.reference, outcome, 0, ""
            )
        elif isinstance(payload, CreateShipment):
            self._bind(Kind.SHIPMENT.value, payload.shipment.key, outcome, 0, "")
        elif isinstance(payload, RecordPayment):
            self._bind(TOLD, payload.order_key, outcome, 0, str(outcome.facts.get("told", "")))
        elif isinstance(payload, CreateRefund):
            self._bind("refund", payload.reference, outcome, 0, "")
        elif isinstance(payload, StatePayload):
            if isinstance(payload, SetProduct) and outcome.facts.get("external_id"):
                self._bind(Kind.PRODUCT.value, payload.key, outcome, 0, "")
            if isinstance(payload, PutCustomer):
                self._customer_held(payload, outcome)
            self._add(
                "content_put",
                system=self._system,
                kind=STATE_OPERATIONS[self._operation].value,
                key=key,
                hash=fingerprint(_kept(payload.content)),
                body=encode(_kept(payload.content)),
                now_ms=self._now_ms,
            )

    def _refute(self, key: str) -> None:
        """What the channel holds is not known any more, and is read."""
        self._add("held_refuted", system=self._system, key=key)
        self._read_stock(key)

    def _told(self, key: str, number: int, outcome: Outcome) -> None:
        """What the channel said with a stamp of its own: an event with an older one has nothing to say any more."""
        if outcome.facts.get("stamp_ms"):
            stamp_ms = outcome.facts["stamp_ms"]
            row = {"system": self._system, "key": key, "number": number, "stamp_ms": stamp_ms}
            self._add("heard_put", **row, check_ms=0)

    def _undone_until_now(self, key: str, by: int) -> None:
        """What moved there before now and is heard of later may have been undone, or read already."""
        self._add("held_blind", system=self._system, key=key, until_ms=self._now_ms, by=by)

    def _bind(self, kind: str, key: str, outcome: Outcome, version: int, hash_: str) -> None:
        self._add(
            "binding_put",
            system=self._system,
            kind=kind,
            key=key,
            external_id=str(outcome.facts.get("external_id", "")),
            version=version,
            hash=hash_,
            now_ms=self._now_ms,
        )

    def _customer_held(self, payload: PutCustomer, outcome: Outcome) -> None:
        """Under which id the channel has a customer, and as which customer of the ERP its people buy."""
        self._bind(Kind.CUSTOMER.value, payload.key, outcome, 0, "")
        route = self._routes.named(self._known[payload.key][1]) if payload.key in self._known else None
        if route is None:
            return
        for buyer in outcome.facts.get("buyers", ()):
            self._add(
                "binding_put",
                system=route.source,
                kind=Kind.CUSTOMER.value,
                key=customer_reference(self._system, buyer),
                external_id=payload.key,
                version=0,
                hash="",
                now_ms=self._now_ms,
            )
        if overwritten := outcome.facts.get("overwritten"):
            self._add(
                "difference_put",
                route=route.name,
                key=payload.key,
                cause=Cause.CHANGED_AT_CHANNEL.value,
                subject=payload.key,
                detail=f"both sides had changed it; the owner's value was written over {overwritten}",
                units=0,
                state="repairing",
                proof="",
                now_ms=self._now_ms,
            )

    def _order_held(self, key: str, payload: PutOrder, outcome: Outcome, note: str) -> None:
        order = payload.order
        self._bind(Kind.ORDER.value, payload.reference, outcome, order.updated_at_ms, note)
        route = self._routes.named(self._known[key][1]) if key in self._known else None
        if "adopted" in outcome.facts:
            rows = adopted_rows(
                self._system,
                payload.reference,
                external_id=str(outcome.facts["external_id"]),
                name=outcome.facts["adopted"],
                was=Adopted(State.OPEN, order.updated_at_ms),
                now_ms=self._now_ms,
            )
            for row in rows:
                self._add("binding_put", **row)
        if route is None:
            return
        assert payload.reference == reference_of(route.source, order.key)
        # What is physically there changes only with the shipment, of which the ERP's order tells.
        if self._basis is StockBasis.AVAILABLE and outcome.facts.get("commits_stock", True):
            # Figures whose reading began after the answer contain it, though we went on to look what became of the total.
            since_ms = min(self._now_ms, outcome.facts.get("written_ms", self._now_ms))
            held: dict[tuple[str, str], int] = {}
            for item in payload.items:
                at = item.line_id, item.location
                held[at] = held.get(at, 0) + item.quantity // item.in_pack
            for (line_id, location), quantity in held.items():
                self._add(
                    "demand_known",
                    channel=route.source,
                    order_key=order.key,
                    line_id=line_id,
                    location=location,
                    quantity=quantity,
                    erp_stamp_ms=None,
                    our_stamp_ms=since_ms,
                )
            for sku in self._routes.recipes.bases(sorted({line.sku for line in order.lines})):
                self._add("shelf_stale", sku=sku)
        credited = any(one.source == self._system for one in self._routes.of(Flow.CREDIT, sink=route.source))
        if credited and outcome.facts.get("commits_stock", True):
            # The one that we named, unless the ERP says another: it may be billed to a parent, or edited meanwhile.
            account = str(outcome.facts.get("account") or payload.customer_external_id)
            row = accepted_row(route.source, order.key, True, self._now_ms, account)  # noqa: FBT003
            self._add("credit_accept", **row)
        difference = Decimal(outcome.facts.get("total_difference", 0))
        if abs(difference) > route.rounding_tolerance:
            self._add(
                "parked_put",
                system=self._system,
                operation="compare_total",
                key=order.key,
                reason="total_differs",
                detail=f"order {order.number}: the ERP's total differs by {difference} {order.currency}",
                payload="",
                now_ms=self._now_ms,
            )

    def _read_stock(self, key: str) -> None:
        self._read("read_stock", key, self._known[key][1] if key in self._known else "")

    def _read_order(self, key: str) -> None:
        self._read("read_order", key, "")

    def _read(self, operation: str, key: str, route: str) -> None:
        self._add(
            "delivery_touch",
            system=self._system,
            operation=operation,
            key=key,
            route=route,
            changed_at_ms=self._now_ms,
            deliver_by_ms=self._now_ms + 1000,
            not_before_ms=self._now_ms,
            now_ms=self._now_ms,
            wanted=1,
            rev=0,
        )

    def _resolve(self, key: str, resolution: str) -> None:
        if key in self._known and self._known[key][8]:
            self._add(
                "parked_resolve", **self._at(key), resolution=resolution, by="syncline", now_ms=self._now_ms
            )

    def _lag(self, key: str) -> None:
        row = self._known.get(key)
        route = self._routes.named(row[1]) if row is not None else None
        if row is None or route is None or self._operation in ("read_stock", "read_order"):
            return
        lag_ms = max(0, self._now_ms - row[4])
        # Where fast SKUs are promised something else than slow ones, the deadline says what this one was.
        promised_ms = row[5] - row[4] if route.segments else route.tolerance_ms
        self._add(
            "lag_put",
            route=route.name,
            key=key,
            lag_ms=lag_ms,
            kept=int(lag_ms <= promised_ms),
            now_ms=self._now_ms,
        )

    # --- the transaction ----------------------------------------------------------------------------

    def writes(self, intent: str | None = None, *, close: bool = False) -> list[Write]:
        """The collected rows. With ``close`` the intent is finished as well."""
        # What is known of a number otherwise comes before its reading, whichever item of the call told it.
        in_order = sorted(self._rows.items(), key=lambda one: BEFORE_READING.get(one[0], len(BEFORE_READING)))
        writes = [
            Write(statement, rows, told=statement in TOUCHING)
            for statement, rows in in_order
            if intent is not None or statement != "attempt_put"
        ]
        if intent is not None and close:
            row = {"id": intent, "result": "known", "now_ms": self._now_ms}
            writes.append(Write("intent_finish", [row], told=False))
        self._rows = {}
        return writes

    @staticmethod
    def touched(results: Sequence[list[Row]], writes: Sequence[Write]) -> list[Row]:
        """The delivery rows that a transaction returned (its first result is the lease guard's)."""
        return [
            row
            for write, rows in zip(writes, results[1:], strict=True)
            if write.statement in TOUCHING
            for row in rows
        ]


def _kept(content: Any) -> Any:
    """What is remembered of a content: not what a customer began with."""
    return replace(content, first=None) if isinstance(content, CustomerCard) else content
