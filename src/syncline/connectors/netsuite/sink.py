"""The writing side: orders, deposits and returns, each found again by its external id.

The idempotency header works on asynchronous calls only (RB26.1 overview), so what makes a write
safe here is the external id: look it up, and send only what is not there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from syncline.connectors.netsuite import mapping, revisions
from syncline.connectors.netsuite.census import NetSuiteCensus
from syncline.connectors.netsuite.client import Client, Missing
from syncline.connectors.netsuite.manifest import OPERATIONS, NetSuiteSettings
from syncline.connectors.netsuite.revisions import HeldLine, Plan
from syncline.connectors.netsuite.units import Units
from syncline.model.copying import replace
from syncline.model.delivery import Item, Operation, Outcome, Result
from syncline.model.errors import AuthExpired, Busy, Conflict, OutcomeUnknown, Rejected, Retryable, Throttled
from syncline.model.payloads import PutOrder, PutPayment, PutRefund
from syncline.model.records import ZERO
from syncline.ports import Clock
from syncline.sdk.outcomes import outcome_of

CACHE_MAX = 100_000
ORDER_FIELDS = "id,externalId,entity,total,currency,status"
HOLDS_NOTHING = ("A", "C", "H")  # pending approval, cancelled, closed: no stock is promised to such an order


class NetSuiteSink:
    """One account, written."""

    def __init__(
        self, settings: NetSuiteSettings, client: Client, census: NetSuiteCensus, clock: Clock
    ) -> None:
        self._settings = settings
        self._client = client
        self._census = census
        self._units = Units(client, clock)
        self._clock = clock
        self._customers: OrderedDict[str, None] = OrderedDict()  # external ids known to exist
        self._entities: OrderedDict[str, str] = OrderedDict()  # order id -> customer id

    @property
    def operations(self) -> Mapping[str, Operation]:
        return OPERATIONS

    async def deliver(self, operation: str, items: Sequence[Item], key: str) -> list[Outcome]:
        return [await self._deliver(operation, item.payload) for item in items]

    async def _deliver(self, operation: str, payload: Any) -> Outcome:
        try:
            if operation == "put_order" and isinstance(payload, PutOrder):
                return await self._put_order(payload)
            if operation == "put_payment" and isinstance(payload, PutPayment):
                return await self._put_payment(payload)
            if operation == "put_refund" and isinstance(payload, PutRefund):
                return await self._put_refund(payload)
        except (Throttled, OutcomeUnknown, Retryable, Busy, Conflict) as error:
            return outcome_of(error)
        except Rejected as error:
            refused = mapping.refused_locations(payload, str(error)) if isinstance(payload, PutOrder) else []
            return Outcome(
                Result.REJECTED, str(error), facts={"refused_locations": refused} if refused else {}
            )
        raise ValueError(f"NetSuite has no operation {operation!r} for a {type(payload).__name__}.")

    async def look_up(self, operation: str, item: Item) -> Outcome | None:
        payload = item.payload
        urgent = OPERATIONS[operation].urgent
        try:
            if isinstance(payload, PutOrder):
                return await self._find_order(payload)
            if isinstance(payload, PutPayment):
                record = await self._by_reference("customerDeposit", payload.reference, urgent=urgent)
                return None if record is None else _done(str(record["id"]))
            if isinstance(payload, PutRefund):
                return await self._find_refund(payload)
        except Rejected as error:
            return Outcome(Result.REJECTED, str(error))
        raise ValueError(f"NetSuite has no operation {operation!r} for a {type(payload).__name__}.")

    # -- orders -------------------------------------------------------------------------------

    async def _put_order(self, put: PutOrder) -> Outcome:
        if put.external_id:
            return await self._revise(put)
        if mapping.external_id(put.reference) != put.reference:
            raise Rejected(f"The reference {put.reference!r} may contain letters, digits, '_' and '-' only.")
        if (adopted := await self._adopted(put)) is not None:
            return adopted
        units = await self._units.of([item.item_id for item in put.items], urgent=True)
        body = mapping.create_body(put, await self._customer(put), self._settings, units)
        try:
            # An upsert adds lines to an order that exists; ``replace`` makes a repetition harmless.
            # The engine looks up before it repeats, this is the second lock on the same door.
            number = await self._client.write(
                "PUT",
                "salesOrder",
                f"eid:{put.reference}",
                body,
                replace="item",
                urgent=True,
            )
        except Rejected as error:
            if "already exists" in str(error):
                # Two upserts of one new id: one of them is refused (contract sheet section 7).
                return Outcome(Result.UNKNOWN, str(error))
            if (
                put.order.customer is not None
            ):  # who may have been deleted or merged: the next try looks again
                self._customers.pop(mapping.external_id(put.order.customer.key), None)
            raise
        return await self._verified(put, number or f"eid:{put.reference}")

    async def _revise(self, put: PutOrder) -> Outcome:
        record = await self._client.get("salesOrder", put.external_id, expand=True, urgent=True)
        held, plan = await self._planned(put, record)
        status = str((record.get("status") or {}).get("id", ""))
        if mapping.gone(put):
            body = revisions.cancel_body(held, self._settings)
            if body["item"]["items"] and status not in ("C", "H"):
                await self._client.write("PATCH", "salesOrder", put.external_id, body, urgent=True)
            return _done(put.external_id)
        body = revisions.revision_body(put, plan, self._settings)
        await self._client.write("PATCH", "salesOrder", put.external_id, body, replace="item", urgent=True)
        return await self._verified(put, put.external_id, plan.explained)

    async def _planned(self, put: PutOrder, record: Mapping[str, Any]) -> tuple[list[HeldLine], Plan]:
        """The lines of an order that is there, and what becomes of them."""
        measured = revisions.items_in_units(record)
        gone = mapping.gone(put)
        items = [*(() if gone else (item.item_id for item in put.items)), *measured]
        units = await self._units.of(items, urgent=True, sure=bool(measured))
        held = revisions.held_lines(record, units)
        plan = Plan((), held, ZERO) if gone else revisions.plan(put, held, self._settings, units)
        return held, plan

    async def _verified(self, put: PutOrder, ident: str, explained: Decimal = ZERO) -> Outcome:
        """The order is there; read its total back, because the ERP prices and taxes by its own rules."""
        written_ms = self._clock.now_ms()
        try:
            record = await self._client.get("salesOrder", ident, fields=ORDER_FIELDS, urgent=True)
        except (Throttled, Retryable, Rejected, AuthExpired) as error:
            # Whatever happens to the reading, the order was written: AuthExpired would deny that.
            if ident.startswith("eid:"):
                raise OutcomeUnknown(f"NetSuite did not tell the new order's id: {error}") from error
            # A new order is what we asked for; what else is there, its event tells.
            commits = self._settings.approve_orders and not put.external_id
            facts = {"external_id": ident, "written_ms": written_ms, "commits_stock": commits}
            return Outcome(Result.DONE, f"The total was not checked: {error}", facts=facts)
        if ident.isdigit():
            record = {"id": ident, **record}
        elif "id" not in record:
            raise OutcomeUnknown("NetSuite did not tell the new order's id.")
        outcome = self._judge(put, record, explained)
        return replace(outcome, facts={**outcome.facts, "written_ms": written_ms})

    def _judge(self, put: PutOrder, record: Mapping[str, Any], explained: Decimal = ZERO) -> Outcome:
        """What became of the order; ``explained`` is by how much its total is higher for units that came back."""
        number = str(record["id"])
        self._note_entity(number, record)
        # What we asked for at first is not what it is: people and workflows approve orders, or take that back.
        status = str((record.get("status") or {}).get("id", ""))
        commits = status not in HOLDS_NOTHING if status else self._settings.approve_orders
        facts: dict[str, Any] = {"external_id": number, "commits_stock": commits, **_account(record)}
        order = put.order
        if mapping.gone(put):
            return Outcome(Result.DONE, facts=facts)
        try:
            difference = Decimal(str(record["total"])) - order.total - explained
        except (KeyError, InvalidOperation):
            return Outcome(Result.DONE, "The total was not checked: NetSuite did not tell it.", facts=facts)
        facts["total_difference"] = f"{difference:f}"
        notes = []
        if abs(difference) > self._settings.rounding_tolerance:
            notes.append(
                f"NetSuite's total is {record['total']}, the channel's {order.total}: check tax, discount and "
                f"shipping of order {order.number}.",
            )
        currency = str((record.get("currency") or {}).get("refName", ""))
        if len(currency) == 3 and currency.isupper() and currency != order.currency:
            notes.append(f"NetSuite holds the order in {currency}, the channel in {order.currency}.")
        return Outcome(Result.DONE, " ".join(notes), facts=facts)

    async def _customer(self, put: PutOrder) -> dict[str, str]:
        """The buyer, made if need be. One who is there stays as the account has them: people correct names and numbers there."""
        if put.customer_external_id:
            return {"id": put.customer_external_id}
        customer = put.order.customer
        if customer is None or not customer.key or not self._settings.create_customers:
            if not self._settings.web_customer:
                raise Rejected(
                    f"Order {put.order.number} names no customer: set netsuite.web_customer to the one that "
                    "shall stand for guests.",
                )
            return mapping.reference(self._settings.web_customer)
        key = mapping.external_id(customer.key)
        if key not in self._customers:
            body = {"externalId": key, **mapping.customer_body(customer, put.order, self._settings)}
            try:
                await self._client.write("POST", "customer", "", body, urgent=True)
            except Rejected as refused:
                # Most likely there is one: external ids are unique. Which words say so is not documented, so we look.
                try:
                    await self._client.get("customer", f"eid:{key}", urgent=True)
                except Missing:
                    raise refused from None
            except OutcomeUnknown as error:
                raise Retryable(
                    f"The customer may not be there yet, so the order was not sent: {error}"
                ) from error
            _keep(self._customers, key, None)
        return {"externalId": key}

    async def _find_order(self, put: PutOrder) -> Outcome | None:
        ident = put.external_id or f"eid:{put.reference}"
        try:
            record = await self._client.get("salesOrder", ident, expand=True, urgent=True)
        except Missing:
            return await self._adopted(put) if not put.external_id else None
        if not put.external_id:
            _check_reference(record, put.reference)
            return self._judge(put, record)
        # A revision: the order is there anyway, the question is whether it looks as asked.
        status = str((record.get("status") or {}).get("id", ""))
        held, plan = await self._planned(put, record)
        done = revisions.holds(put, plan, held, self._settings) or (
            mapping.gone(put) and status in ("C", "H")
        )
        if not done:
            return None
        outcome = self._judge(put, record, plan.explained)
        difference = abs(Decimal(outcome.facts.get("total_difference", "0")))
        # The right lines at the wrong prices may be the state before: sending it again is harmless.
        return outcome if difference <= self._settings.rounding_tolerance else None

    async def _adopted(self, put: PutOrder) -> Outcome | None:
        """The order as somebody else wrote it, if so; then it is left as it is.

        Raises:
            Rejected: it was written more than once.
        """
        wanted: dict[str, list[str]] = {}
        for field, value in put.foreign:
            wanted.setdefault(field, []).append(value)
        found = {order.id: order for order in await self._census.find_orders(wanted)}
        if not found:
            return None
        alive = {number: order for number, order in found.items() if not order.gone}
        found = alive if len(alive) == 1 else found
        if len(found) > 1:
            raise Rejected(
                f"NetSuite holds order {put.order.number} more than once, as {', '.join(found)}: close all but one "
                "there, then release this."
            )
        (order,) = found.values()
        if not order.followed:
            raise Rejected(
                f"NetSuite's order {order.id} is order {put.order.number} and has no external id: set "
                "netsuite.orders_without_external_id, then release this."
            )
        total = put.order.total if order.total is None else order.total
        facts: dict[str, Any] = {
            "external_id": order.id,
            "adopted": order.name,
            "commits_stock": False,  # what it really holds, line by line, its event tells
            "total_difference": f"{total - put.order.total:f}",
        }
        events = await self._census.order_events({order.id: put.reference})
        return Outcome(Result.DONE, facts=facts | ({"event": events[0]} if events else {}))

    # -- payments -----------------------------------------------------------------------------

    async def _put_payment(self, put: PutPayment) -> Outcome:
        if mapping.external_id(put.reference) != put.reference:
            raise Rejected(f"The reference {put.reference!r} may contain letters, digits, '_' and '-' only.")
        if put.payment.amount <= 0:
            raise Rejected(
                f"Payment {put.payment.id} is of {put.payment.amount}: a deposit needs more than zero."
            )
        customer = await self._entity(put.order_external_id)
        body = mapping.deposit_body(put, customer, self._settings)
        try:
            number = await self._client.write("PUT", "customerDeposit", f"eid:{put.reference}", body)
        except Rejected:  # perhaps the order is another customer's by now: the next try looks again
            self._entities.pop(put.order_external_id, None)
            raise
        return _done(number or await self._number("customerDeposit", put.reference))

    async def _entity(self, order: str) -> str:
        if order not in self._entities:
            record = await self._client.get("salesOrder", order, fields=ORDER_FIELDS)
            self._note_entity(order, record)
        if order not in self._entities:
            raise Rejected(f"NetSuite's order {order} names no customer.")
        return self._entities[order]

    def _note_entity(self, order: str, record: Mapping[str, Any]) -> None:
        if entity := _account(record).get("account"):
            _keep(self._entities, order, entity)

    # -- refunds ------------------------------------------------------------------------------

    async def _put_refund(self, put: PutRefund) -> Outcome:
        """A return of the refunded units and, where they went back on the shelf, its receipt.

        Both are looked up first, so a crash between them costs nothing.
        """
        if mapping.external_id(put.reference) != put.reference:
            raise Rejected(f"The reference {put.reference!r} may contain letters, digits, '_' and '-' only.")
        if not put.items:
            message = f"No goods come back; the refund of {put.refund.amount} is for the accounts to book."
            return Outcome(Result.DONE, message, facts={"external_id": ""})
        found = await self._by_reference("returnAuthorization", put.reference)
        if found is not None:
            number = str(found["id"])
        else:
            order = await self._client.get("salesOrder", put.order_external_id, expand=True)
            body = revisions.return_body(put, await self._held(order), self._settings)
            number = await self._transform("salesOrder", put.order_external_id, "returnAuthorization", body)
        try:
            held = await self._check_return(put, number)
            if put.restocked and await self._by_reference("itemReceipt", _receipt(put)) is None:
                body = {"externalId": _receipt(put), **revisions.received_lines(put, held)}
                await self._transform("returnAuthorization", number, "itemReceipt", body)
        except AuthExpired as error:
            # It would say that nothing was applied; the return was.
            raise OutcomeUnknown(f"The return is there, its receipt is not: {error}") from error
        return _done(number)

    async def _transform(self, record: str, ident: str, target: str, body: Mapping[str, Any]) -> str:
        try:
            number = await self._client.write("POST", record, f"{ident}/!transform/{target}", body)
        except Rejected as error:
            if "already exists" in str(error):
                raise OutcomeUnknown(str(error)) from error
            raise
        return number or await self._number(target, str(body["externalId"]))

    async def _held(self, record: Mapping[str, Any]) -> list[HeldLine]:
        measured = revisions.items_in_units(record)
        return revisions.held_lines(record, await self._units.of(measured, sure=True) if measured else {})

    async def _check_return(self, put: PutRefund, number: str) -> list[HeldLine]:
        """The lines of a return. Whether a transform that names some left the others out is not documented: look.

        Raises:
            Rejected: the return holds other units than were refunded; nothing may be received on it.
        """
        record = await self._client.get("returnAuthorization", number, expand=True)
        lines = await self._held(record)
        held = sum((x.quantity or Decimal(0) for x in lines), Decimal(0))
        asked = sum(item.quantity for item in put.items)
        if held != asked:
            raise Rejected(
                f"NetSuite's return {number} is for {held} units where {asked} were refunded: correct its lines "
                "there, then release this.",
            )
        return lines

    async def _find_refund(self, put: PutRefund) -> Outcome | None:
        if not put.items:
            return None
        found = await self._by_reference("returnAuthorization", put.reference)
        if found is None:
            return None
        if put.restocked and await self._by_reference("itemReceipt", _receipt(put)) is None:
            return None  # half done: sending it again completes it
        return _done(str(found["id"]))

    # -- finding ------------------------------------------------------------------------------

    async def _by_reference(
        self, record: str, reference: str, *, urgent: bool = False
    ) -> dict[str, Any] | None:
        try:
            found = await self._client.get(record, f"eid:{reference}", urgent=urgent)
        except Missing:
            return None
        _check_reference(found, reference)
        return found

    async def _number(self, record: str, reference: str) -> str:
        """The id of what was just made, where the answer did not carry it."""
        try:
            found = await self._by_reference(record, reference)
        except (Throttled, Retryable, AuthExpired) as error:
            raise OutcomeUnknown(f"NetSuite did not tell the new {record}'s id: {error}") from error
        if found is None:
            raise OutcomeUnknown(f"NetSuite did not tell the new {record}'s id.")
        return str(found["id"])


def _check_reference(record: Mapping[str, Any], reference: str) -> None:
    held = record.get("externalId")
    # NetSuite ignores case in external ids, so another record may answer to ours.
    if held is not None and str(held) != reference:
        raise Rejected(
            f"NetSuite's record {record.get('id')} has the external id {held!r}, not {reference!r}."
        )


def _receipt(put: PutRefund) -> str:
    return f"{put.reference}-receipt"


def _account(record: Mapping[str, Any]) -> dict[str, str]:
    """Whose order it is, as a fact; none where the record does not tell."""
    entity = str((record.get("entity") or {}).get("id", ""))
    return {"account": entity} if entity else {}


def _done(number: str) -> Outcome:
    return Outcome(Result.DONE, facts={"external_id": number})


def _keep(cache: OrderedDict[str, Any], key: str, value: Any) -> None:
    cache[key] = value
    while len(cache) > CACHE_MAX:
        cache.popitem(last=False)
