"""The writing side: orders, payments and returns, each found again by its external document number.

The product knows no idempotency key and nothing makes such a number unique, so what makes a write safe here is to look
first, and to look for as long as a call may still take effect before anything is sent again.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from syncline.connectors.business_central import mapping
from syncline.connectors.business_central.census import BusinessCentralCensus
from syncline.connectors.business_central.client import NO_OPTIONS, Client, Missing, Row, quoted, words_of
from syncline.connectors.business_central.manifest import EXTENSION, OPERATIONS, BusinessCentralSettings
from syncline.connectors.business_central.orders import order_of
from syncline.connectors.business_central.owed import OwedLevels
from syncline.connectors.business_central.places import Places
from syncline.connectors.business_central.rows import payer_of, sku_of, text
from syncline.model.copying import replace
from syncline.model.delivery import Item, Operation, Outcome, Result
from syncline.model.errors import AuthExpired, Busy, Conflict, OutcomeUnknown, Rejected, Retryable, Throttled
from syncline.model.payloads import OrderItem, PutOrder, PutPayment, PutRefund
from syncline.sdk.outcomes import outcome_of

CACHE_MAX = 100_000
ROUNDS_MAX = 2  # of one revision: what is wanted, and what the product's own prices made of it
ENTITY_CHANGED = "Request_EntityChanged"
SAME_KEY = "Internal_EntityWithSameKeyExists"


class Buyer(NamedTuple):
    """Whose an order is and who is to pay for it, by id, and its currency."""

    customer: str
    payer: str
    currency: str


class BusinessCentralSink:
    """One company, written."""

    def __init__(
        self,
        settings: BusinessCentralSettings,
        client: Client,
        places: Places,
        owed: OwedLevels,
        census: BusinessCentralCensus,
    ) -> None:
        self._census = census
        self._settings = settings
        self._owed = owed
        self._client = client
        self._places = places
        self._customers: OrderedDict[str, None] = OrderedDict()  # numbers known to exist
        self._buyers: OrderedDict[str, Buyer] = OrderedDict()  # by the order's id
        self._journal = ""

    @property
    def operations(self) -> Mapping[str, Operation]:
        return OPERATIONS

    async def deliver(self, operation: str, items: Sequence[Item], key: str) -> list[Outcome]:
        return [await self._deliver(operation, item.payload) for item in items]

    async def _deliver(self, operation: str, payload: Any) -> Outcome:
        try:
            if operation == "put_order" and isinstance(payload, PutOrder):
                return self._noted(payload, await self._put_order(payload))
            if operation == "put_payment" and isinstance(payload, PutPayment):
                return await self._put_payment(payload)
            if operation == "put_refund" and isinstance(payload, PutRefund):
                return await self._put_refund(payload)
        except (Throttled, OutcomeUnknown, Retryable, Busy, Conflict, Rejected) as error:
            return outcome_of(error)
        raise ValueError(f"Business Central has no operation {operation!r} for a {type(payload).__name__}.")

    async def look_up(self, operation: str, item: Item) -> Outcome | None:
        payload = item.payload
        try:
            if isinstance(payload, PutOrder):
                found = await self._find_order(payload)
                return found and self._noted(payload, found)
            if isinstance(payload, PutPayment):
                return await self._find_payment(payload)
            if isinstance(payload, PutRefund):
                return await self._find_refund(payload)
        except Rejected as error:
            return Outcome(Result.REJECTED, str(error))
        except Conflict as error:
            raise Retryable(str(error)) from error
        raise ValueError(f"Business Central has no operation {operation!r} for a {type(payload).__name__}.")

    # -- orders -------------------------------------------------------------------------------

    def _noted(self, put: PutOrder, outcome: Outcome) -> Outcome:
        if outcome.result is Result.DONE:
            self._owed.wrote(put)
        return outcome

    async def _put_order(self, put: PutOrder) -> Outcome:
        if put.external_id:
            return await self._revise(put)
        # Nothing there refuses a second order of the same number, so we look before each.
        found = await self._held(put) or await self._adopted(put)
        if found is not None:
            return found
        lines = mapping.wanted_lines(put, *await self._places_of(put.items), self._settings)
        body = mapping.create_body(put, await self._customer(put), lines, self._settings)
        outcome = self._judge(put, await self._client.create("salesOrders", body, urgent=True))
        return await self._put_right(put, outcome, lines) if outcome.message else outcome

    async def _put_right(
        self, put: PutOrder, outcome: Outcome, wanted: Sequence[mapping.WantedLine]
    ) -> Outcome:
        """Give a new order our prices and discounts, where the product's own price lists took their place."""
        placed = replace(put, external_id=outcome.facts["external_id"])
        try:
            row = await self._order(placed)
            if row is None:
                return outcome
            parts = self._parts("salesOrders", row, _amends(mapping.steps(_lines(row), wanted)))
            if parts:
                await self._client.together(parts, urgent=True)
                row = await self._order(placed) or row
            return self._judge(placed, row)
        except (Throttled, OutcomeUnknown, Retryable, Busy, Conflict, Rejected, AuthExpired):
            return outcome  # the order is there, with a total that is said to differ

    async def _held(self, put: PutOrder) -> Outcome | None:
        """The order that carries our reference: open, or invoiced whole and so deleted.

        Raises:
            Rejected: there are several.
        """
        carrying = {
            "filter": f"externalDocumentNumber eq {quoted(mapping.reference_of(put))}",
        }
        found = await self._client.rows("salesOrders", carrying, urgent=True)
        if len(found) > 1:
            numbers = ", ".join(text(x, "number") for x in found)
            raise Rejected(
                f"Business Central holds order {put.order.number} more than once, as {numbers}: delete all but one "
                "there, then release this."
            )
        if found:
            return self._judge(put, found[0])
        invoices = await self._client.rows("salesInvoices", {**carrying, "orderby": "number"}, urgent=True)
        if not invoices:
            return None
        return Outcome(
            Result.DONE,
            f"It was invoiced already, as {text(invoices[0], 'number')}.",
            # One that was listed when its order was gone does not tell the order's id.
            facts={"external_id": order_of(invoices[0]) or text(invoices[0], "id")},
        )

    async def _adopted(self, put: PutOrder) -> Outcome | None:
        """The order as somebody else wrote it, if so; then it is left as it is.

        Raises:
            Rejected: it was written more than once, or nobody would tell what becomes of it.
        """
        wanted: dict[str, list[str]] = {}
        for field, value in put.foreign:
            wanted.setdefault(field, []).append(value)
        found = {order.id: order for order in await self._census.find_orders(wanted)} if wanted else {}
        if not found:
            return None
        alive = {number: order for number, order in found.items() if not order.gone}
        found = alive if len(alive) == 1 else found
        if len(found) > 1:
            numbers = ", ".join(order.called for order in found.values())
            raise Rejected(
                f"Business Central holds order {put.order.number} more than once, as {numbers}: delete all but "
                "one there, then release this."
            )
        (order,) = found.values()
        if not order.followed:
            raise Rejected(
                f"Business Central's {order.called} is order {put.order.number}, and nobody would be told what becomes of "
                "it: give the sales order an external document number, then release this; one that was written as an "
                "invoice stays a person's."
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

    async def _find_order(self, put: PutOrder) -> Outcome | None:
        if not put.external_id:
            return await self._held(put) or await self._adopted(put)
        # A revision: the order is there anyway, the question is whether it looks as asked.
        row = await self._order(put)
        if row is None:
            return await self._finished(put)
        wanted = await self._wanted(put)
        return None if self._steps(put, row, wanted) else self._judge(put, row, wanted)

    async def _order(self, put: PutOrder) -> dict[str, Any] | None:
        """The order with its lines; ``None`` if it is not there any more."""
        try:
            return await self._client.get(
                f"salesOrders({put.external_id})", {"expand": "salesOrderLines"}, urgent=True
            )
        except Missing:
            return None

    async def _finished(self, put: PutOrder) -> Outcome:
        """An order that was invoiced whole is deleted. Where less is wanted than left, nothing is to be changed.

        Raises:
            Rejected: more is wanted, or nobody knows what became of it.
        """
        options = {"filter": f"orderId eq {put.external_id}", "select": "orderNumber"}
        invoices = await self._client.rows("salesInvoices", options, urgent=True)
        left: Counter[tuple[str, str]] = Counter()
        if invoices:
            number = quoted(text(invoices[0], "orderNumber"))
            sent = {"filter": f"orderNumber eq {number}", "expand": "shipmentLines"}
            for shipment in await self._client.rows("shipments", sent, api=EXTENSION, urgent=True):
                for line in shipment.get("shipmentLines") or ():
                    sku = sku_of(
                        text(line, "itemNumber"), text(line, "variantCode"), self._settings.variant_separator
                    )
                    left[sku, text(line, "locationCode")] += int(line.get("quantityBase") or 0)
        wanted: Counter[tuple[str, str]] = Counter()
        for item in () if mapping.gone(put) else put.items:
            wanted[item.sku, item.location] += item.quantity
        if wanted <= left and (invoices or mapping.gone(put)):
            told = (
                "The order was invoiced whole before this; what comes back is a credit memo's."
                if invoices
                else "The order was deleted there, and nothing of it is wanted."
            )
            return Outcome(Result.DONE, told, facts={"external_id": put.external_id})
        raise Rejected(
            f"Business Central's order for {put.order.number} is not there any more: it was invoiced whole or deleted. "
            "Book what changed by hand, then discard this."
        )

    async def _wanted(self, put: PutOrder) -> list[mapping.WantedLine]:
        if mapping.gone(put):
            return []
        return mapping.wanted_lines(put, *await self._places_of(put.items), self._settings)

    @staticmethod
    def _steps(put: PutOrder, row: Row, wanted: Sequence[mapping.WantedLine]) -> list[mapping.Step]:
        held = _lines(row)
        if mapping.gone(put):
            return mapping.cancel_steps(held)
        return mapping.steps(held, wanted, mapping.returned_lines(put))

    async def _revise(self, put: PutOrder) -> Outcome:
        """Change the lines in one transaction, which rests on the version that was read.

        Once more where the product's own prices came in between: a new quantity has them looked up.
        """
        row = await self._order(put)
        if row is None:
            return await self._finished(put)
        wanted = await self._wanted(put)
        head = {k: v for k, v in mapping.header(put, self._settings).items() if row.get(k) != v}
        steps = self._steps(put, row, wanted)
        parts = self._parts("salesOrders", row, steps, {} if mapping.gone(put) else head)
        for _ in range(ROUNDS_MAX):
            if not parts:
                break
            answers = await self._client.together(parts, urgent=True)
            refused = next((x for x in answers if _status(x) >= 400), None)
            if refused is not None:
                return _refusal(refused)
            if len(answers) < len(parts):
                raise OutcomeUnknown("Business Central answered only some of the changes.")
            note = "it is not there any more"
            try:
                found = await self._order(put)
            except (Throttled, Retryable, Rejected, AuthExpired) as error:
                # Whatever happens to the reading, the order was written: AuthExpired would deny that.
                found, note = None, str(error)
            if found is None:
                facts = {"external_id": put.external_id}
                return Outcome(Result.DONE, f"The total was not checked: {note}", facts=facts)
            row = found
            parts = self._parts("salesOrders", row, _amends(self._steps(put, row, wanted)))
        return self._judge(put, row, wanted)

    def _parts(
        self, table: str, row: Row, steps: Sequence[mapping.Step], head: Row = NO_OPTIONS
    ) -> list[dict[str, Any]]:
        """What one transaction sends, if there is anything to change.

        The document comes first, by the version that was read, and stands for its lines: every change of one gives it a
        new version, and those of its other lines may move with it, since discounts are spread over them again.
        """
        if not steps and not head:
            return []
        path, lines = f"{table}({text(row, 'id')})", f"{table[:-1]}Lines"
        if not head and "externalDocumentNumber" not in row:
            raise Retryable(f"Business Central returned {path} without its external document number.")
        same = {"externalDocumentNumber": row.get("externalDocumentNumber")}
        parts = [self._client.inner("PATCH", path, head or same, text(row, "@odata.etag"))]
        for step in steps:
            to, etag = (f"{lines}({step.line})", "*") if step.line else (f"{path}/{lines}", "")
            parts.append(self._client.inner(step.method, to, step.body, etag))
        return parts

    def _judge(self, put: PutOrder, row: Row, wanted: Sequence[mapping.WantedLine] = ()) -> Outcome:
        """The order is there; its total is the ERP's own, so it is compared. ``wanted`` are a revision's lines."""
        number = text(row, "id")
        if not number:
            raise OutcomeUnknown("Business Central did not tell the order's id.")
        _keep(self._buyers, number, _buyer_of(row))
        facts: dict[str, Any] = {"external_id": number}
        if payer := payer_of(row):
            facts["account"] = payer
        if mapping.gone(put):
            return Outcome(Result.DONE, facts=facts)
        try:
            total = Decimal(str(row["totalAmountIncludingTax"]))
        except (KeyError, InvalidOperation):
            return Outcome(
                Result.DONE, "The total was not checked: Business Central did not tell it.", facts=facts
            )
        total -= mapping.kept(_lines(row), wanted, mapping.returned_lines(put)) if put.external_id else 0
        difference = total - put.order.total
        facts["total_difference"] = f"{difference:f}"
        notes = ""
        if abs(difference) > self._settings.rounding_tolerance:
            notes = (
                f"Business Central's total is {total}, the channel's {put.order.total}: check tax, discount and "
                f"shipping of order {put.order.number}."
            )
        return Outcome(Result.DONE, notes, facts=facts)

    async def _places_of(self, items: Sequence[OrderItem]) -> tuple[dict[str, str], Mapping[str, str]]:
        """Ids of locations by code, and base units by item."""
        codes = dict.fromkeys(item.location for item in items if item.location)
        places = {code: await self._places.id_of(code) for code in codes}
        ids = (item.item_id.partition(":")[0] for item in items)
        return places, await self._places.units(ids, urgent=True)

    # -- customers ----------------------------------------------------------------------------

    async def _customer(self, put: PutOrder) -> dict[str, str]:
        """The buyer, made if need be. Its number is ours, so it cannot be made twice."""
        if put.customer_external_id:
            return {"customerId": put.customer_external_id}
        customer = put.order.customer
        if customer is None or not customer.key or not self._settings.create_customers:
            if not self._settings.web_customer:
                raise Rejected(
                    f"Order {put.order.number} names no customer: set business_central.web_customer to the number of "
                    "the one that shall stand for guests."
                )
            return {"customerNumber": self._settings.web_customer.upper()}
        number = mapping.customer_number(customer.key, self._settings)
        if number not in self._customers and not await self._customer_there(number):
            try:
                await self._client.create(
                    "customers", mapping.customer_body(customer, put.order, number), urgent=True
                )
            except OutcomeUnknown as error:
                raise Retryable(
                    f"The customer may not be there yet, so the order was not sent: {error}"
                ) from error
            except Rejected as error:
                if SAME_KEY not in str(error):
                    raise
        _keep(self._customers, number, None)
        return {"customerNumber": number}

    async def _customer_there(self, number: str) -> bool:
        options = {"filter": f"number eq {quoted(number)}", "select": "id"}
        return bool(await self._client.rows("customers", options, urgent=True))

    async def _buyer(self, order: str) -> Buyer:
        """The buyer of an order, or of the invoice that has taken its place.

        Raises:
            Rejected: neither is there.
        """
        if order not in self._buyers:
            select = {"select": "customerId,billToCustomerId,currencyCode"}
            try:
                row: Row = await self._client.get(f"salesOrders({order})", select)
            except Missing:
                found = await self._client.rows("salesInvoices", {"filter": f"orderId eq {order}", **select})
                if not found:
                    raise Rejected(
                        f"Business Central has neither order {order} nor an invoice of it."
                    ) from None
                row = found[0]
            _keep(self._buyers, order, _buyer_of(row))
        return self._buyers[order]

    # -- payments -----------------------------------------------------------------------------

    async def _put_payment(self, put: PutPayment) -> Outcome:
        settings, payment = self._settings, put.payment
        if payment.amount <= 0:
            raise Rejected(f"Payment {payment.id} is of {payment.amount}: a payment needs more than zero.")
        if not settings.payment_journal:
            raise Rejected(
                f"Payment {payment.id} of {payment.amount} has nowhere to go: set business_central.payment_journal."
            )
        if settings.currency and payment.currency != settings.currency:
            raise Rejected(
                f"Payment {payment.id} is in {payment.currency}: the API of payment journals takes the company's own "
                f"currency, {settings.currency}, only. Enter it by hand, then discard this."
            )
        found = await self._find_payment(put)
        if found is not None:
            return found
        payer = (await self._buyer(put.order_external_id)).payer
        await self._check_card(put, payer)
        body = mapping.payment_body(put, payer)
        made = await self._client.create(f"{await self._payments()}/customerPayments", body)
        return _done(text(made, "id"))

    async def _check_card(self, put: PutPayment, customer: str) -> None:
        """A line of the journal is in the currency of the customer's card, and nothing in it can say another.

        Raises:
            Rejected: that is not the payment's.
        """
        card = await self._client.get(f"customers({customer})", {"select": "number,currencyCode"})
        held = text(card, "currencyCode")
        if held not in ("", put.payment.currency):
            raise Rejected(
                f"Payment {put.payment.id} is in {put.payment.currency}, and Business Central would enter it in {held}, the "
                f"currency of customer {text(card, 'number')}. Enter it by hand, then discard this."
            )

    async def _find_payment(self, put: PutPayment) -> Outcome | None:
        """In the journal while it waits there; once it is posted, by its description in the general ledger."""
        number = mapping.short_reference(put.reference)
        waiting = {"filter": f"externalDocumentNumber eq {quoted(number)}", "select": "id"}
        found = await self._client.rows(f"{await self._payments()}/customerPayments", waiting)
        if not found:
            posted = {
                "filter": f"description eq {quoted(mapping.description(put.reference))}",
                "select": "id",
            }
            found = await self._client.rows("generalLedgerEntries", posted)
        return _done(text(found[0], "id")) if found else None

    async def _payments(self) -> str:
        if not self._journal:
            code = self._settings.payment_journal.upper()
            options = {"filter": f"code eq {quoted(code)}", "select": "id"}
            found = await self._client.rows("customerPaymentJournals", options)
            if not found:
                raise Rejected(f"Business Central has no customer payment journal {code!r}.")
            self._journal = text(found[0], "id")
        return f"customerPaymentJournals({self._journal})"

    # -- refunds ------------------------------------------------------------------------------

    async def _put_refund(self, put: PutRefund) -> Outcome:
        """A credit memo of the refunded units; posted where the goods went back on the shelf and that is configured."""
        if not put.items:
            message = f"No goods come back; the refund of {put.refund.amount} is for the accounts to book."
            return Outcome(Result.DONE, message, facts={"external_id": ""})
        memo = await self._memo(put)
        wanted = mapping.memo_lines(put, *await self._places_of(put.items), self._settings)
        if memo is None:
            buyer = await self._buyer(put.order_external_id)
            body = mapping.memo_body(put, buyer.customer, buyer.payer, buyer.currency, wanted)
            memo = await self._client.create("salesCreditMemos", body)
        number = text(memo, "id")
        try:
            if self._differs(put, memo):
                memo = await self._put_memo_right(number, wanted)
            if words := self._differs(put, memo):
                return Outcome(Result.DONE, words, facts={"external_id": number})
            if self._unposted(put, memo):
                await self._client.act(f"salesCreditMemos({number})", "post")
        except (AuthExpired, Throttled, Retryable, Conflict) as error:
            # They would say that nothing was applied; the credit memo was.
            raise OutcomeUnknown(f"The credit memo is there, it is not finished: {error}") from error
        except Rejected:
            # An earlier call whose answer was lost may have posted it in between.
            memo = await self._memo(put)
            if memo is None or self._unposted(put, memo) or self._differs(put, memo):
                raise
        return _done(number)

    async def _put_memo_right(self, number: str, wanted: Sequence[mapping.WantedLine]) -> Row:
        """Give a draft our money, by the tax that its lines turned out to carry; returns it as it is then.

        Whether its prices include tax is the customer's card's to say, and price lists may have changed them.
        """
        path, lines = f"salesCreditMemos({number})", {"expand": "salesCreditMemoLines"}
        memo = await self._client.get(path, lines)
        parts = self._parts("salesCreditMemos", memo, mapping.memo_steps(memo, wanted))
        if not parts:
            return memo
        answers = await self._client.together(parts)
        refused = next((x for x in answers if _status(x) >= 400), None)
        if refused is not None:
            outcome = _refusal(refused)
            raise (Rejected if outcome.result is Result.REJECTED else Conflict)(outcome.message)
        return await self._client.get(path)

    def _differs(self, put: PutRefund, memo: Row) -> str:
        """What to tell a person of a draft whose total is not the refund's: it is not posted by us."""
        if text(memo, "status") != "Draft":
            return ""
        total = Decimal(text(memo, "totalAmountIncludingTax") or "0")
        if abs(total - put.refund.amount) <= self._settings.rounding_tolerance:
            return ""
        return (
            f"Credit memo {text(memo, 'number')} of Business Central is over {total}, the refund over {put.refund.amount}: it "
            "was left a draft. Correct it there, and post it."
        )

    def _unposted(self, put: PutRefund, memo: Row) -> bool:
        # Posting puts every unit of it into stock, so goods that did not go back on the shelf must not be among them.
        whole = put.restocked and all(line.restocked for line in put.refund.lines if line.shipped)
        return whole and self._settings.post_returns and text(memo, "status") == "Draft"

    async def _memo(self, put: PutRefund) -> Row | None:
        number = mapping.short_reference(put.reference)
        options = {
            "filter": f"externalDocumentNumber eq {quoted(number)}",
            "select": "id,number,status,totalAmountIncludingTax",
        }
        found = await self._client.rows("salesCreditMemos", options)
        return found[0] if found else None

    async def _find_refund(self, put: PutRefund) -> Outcome | None:
        memo = await self._memo(put) if put.items else None
        if memo is None:
            return None
        if self._unposted(put, memo) or self._differs(put, memo):
            return Outcome(
                Result.RETRY, "The credit memo is there and not finished: sending it again finishes it."
            )
        return _done(text(memo, "id"))


def _amends(steps: Sequence[mapping.Step]) -> list[mapping.Step]:
    """The changes of lines that are there; what the product put there, or left out, is not done over."""
    return [step for step in steps if step.method == "PATCH"]


def _buyer_of(row: Row) -> Buyer:
    return Buyer(text(row, "customerId"), payer_of(row), text(row, "currencyCode"))


def _lines(row: Row) -> list[Row]:
    held = row.get("salesOrderLines")
    if not isinstance(held, list):
        raise Retryable("Business Central returned the order without its lines.")
    return held


def _status(answer: Row) -> int:
    status = answer.get("status")
    return status if isinstance(status, int) else 500


def _refusal(answer: Row) -> Outcome:
    """One change of a transaction was refused, so none was made."""
    body = answer.get("body")
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else {}
    status, words = _status(answer), words_of(error)
    if status in (404, 409) or error.get("code") == ENTITY_CHANGED:
        return Outcome(Result.RETRY, f"Somebody changed the order meanwhile: {words}")
    if status == 429 or status >= 500 or status == 408:
        return Outcome(Result.RETRY, words)
    return Outcome(Result.REJECTED, words)


def _done(number: str) -> Outcome:
    return Outcome(Result.DONE, facts={"external_id": number})


def _keep(cache: OrderedDict[str, Any], key: str, value: Any) -> None:
    cache[key] = value
    while len(cache) > CACHE_MAX:
        cache.popitem(last=False)
