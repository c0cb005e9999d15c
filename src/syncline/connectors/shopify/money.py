"""Telling Shopify what an ERP received, took back or called off; each is looked for before it is written.

``orderCreateManualPayment`` and ``orderCancel`` know no idempotency key, and ``refundCreate`` demands one, which Shopify
keeps for a day (https://shopify.dev/docs/api/usage/implementing-idempotency). So all three are safe by what is there: the
payments of our name, the refund with our note, the order's own state.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from msgspec import Struct

from syncline.connectors.shopify import documents, marks, wire
from syncline.connectors.shopify.client import Client, UserError
from syncline.connectors.shopify.manifest import ShopifySettings
from syncline.connectors.shopify.source import search_stamp
from syncline.model.delivery import Outcome, Result
from syncline.model.errors import OutcomeUnknown, Rejected, Retryable
from syncline.model.payloads import CancelOrder, CreateRefund, RecordPayment
from syncline.model.records import ZERO, Receipt
from syncline.ports import Clock

PAGES_MAX = 100
PARTIAL_PLANS = ("plus", "enterprise")  # only there a manual payment may be of a part (page of the mutation)
_RECEIVED = frozenset({"SALE", "CAPTURE"})
# What is wrong with a payment however often the order is read.
_IN_VAIN = frozenset({"CURRENCY_MISMATCH", "GATEWAY_NOT_FOUND", "ORDER_NOT_FOUND"})

Payload = RecordPayment | CreateRefund | CancelOrder


class _Transaction(Struct, frozen=True, rename="camel"):
    id: wire.Gid
    kind: str
    status: str
    amount_set: wire.MoneyBag
    gateway: str | None = None
    formatted_gateway: str | None = None


class _Paid(Struct, frozen=True, rename="camel"):
    currency_code: wire.Currency
    presentment_currency_code: wire.Currency
    total_outstanding_set: wire.MoneyBag
    transactions: tuple[_Transaction, ...]
    cancelled_at: wire.Moment | None = None

    @property
    def ours(self) -> list[_Transaction]:
        return [
            t
            for t in self.transactions
            if t.kind in _RECEIVED
            and t.status == "SUCCESS"
            and marks.PAYMENT in (t.gateway, t.formatted_gateway)
        ]

    @property
    def told(self) -> Decimal:
        return sum((Decimal(t.amount_set.shop_money.amount) for t in self.ours), ZERO)

    def held(self, receipt: Receipt) -> Decimal:
        """How much of an ERP's figure the shop shows already."""
        if not receipt.of_channel:
            return self.told
        received = (t for t in self.transactions if t.kind in _RECEIVED and t.status == "SUCCESS")
        return sum((Decimal(t.amount_set.shop_money.amount) for t in received), ZERO)

    @property
    def outstanding(self) -> Decimal:
        return Decimal(self.total_outstanding_set.shop_money.amount)


class _PaidOrder(Struct, frozen=True):
    order: _Paid | None = None


class _PaymentMade(Struct, frozen=True, rename="camel"):
    user_errors: tuple[UserError, ...]
    order: _Paid | None = None


class _PaymentAnswer(Struct, frozen=True, rename="camel"):
    order_create_manual_payment: _PaymentMade | None = None


class _Refund(Struct, frozen=True):
    id: wire.Gid
    note: str | None = None


class _Line(Struct, frozen=True, rename="camel"):
    id: wire.Gid
    quantity: wire.Units
    current_quantity: wire.Units
    refundable_quantity: wire.Units
    unfulfilled_quantity: wire.Units
    sku: str | None = None


class _Refundable(Struct, frozen=True, rename="camel"):
    refunds: tuple[_Refund, ...]
    line_items: wire.Connection[_Line]
    cancelled_at: wire.Moment | None = None


class _RefundableOrder(Struct, frozen=True):
    order: _Refundable | None = None


class _PaidIn(Struct, frozen=True, rename="camel"):
    presentment_money: wire.Money


class _SuggestedTransaction(Struct, frozen=True, rename="camel"):
    amount_set: _PaidIn
    gateway: str | None = None
    parent_transaction: wire.Ref | None = None


class _Suggested(Struct, frozen=True, rename="camel"):
    suggested_transactions: tuple[_SuggestedTransaction, ...]


class _Suggesting(Struct, frozen=True, rename="camel"):
    presentment_currency_code: wire.Currency
    suggested_refund: _Suggested | None = None


class _SuggestingOrder(Struct, frozen=True):
    order: _Suggesting | None = None


class _RefundMade(Struct, frozen=True, rename="camel"):
    user_errors: tuple[UserError, ...]
    refund: wire.Ref | None = None


class _RefundAnswer(Struct, frozen=True, rename="camel"):
    refund_create: _RefundMade | None = None


class _State(Struct, frozen=True, rename="camel"):
    id: wire.Gid
    cancelled_at: wire.Moment | None = None


class _StateOrder(Struct, frozen=True):
    order: _State | None = None


class _Cancelled(Struct, frozen=True, rename="camel"):
    order_cancel_user_errors: tuple[UserError, ...]
    job: wire.Ref | None = None


class _CancelAnswer(Struct, frozen=True, rename="camel"):
    order_cancel: _Cancelled | None = None


class MoneyWriter:
    """Writes one shop's money and returns."""

    def __init__(self, settings: ShopifySettings, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._partly = settings.plan in PARTIAL_PLANS

    async def write(self, payload: Payload, key: str) -> Outcome:
        """Make it so, unless it is.

        Raises:
            SynclineError: of the client; a mutation whose answer was lost is ``OutcomeUnknown``.
        """
        _check(payload.order_key)
        if isinstance(payload, RecordPayment):
            return await self._record(payload)
        if isinstance(payload, CreateRefund):
            return await self._refund(payload, key)
        return await self._cancel(payload)

    async def look_up(self, payload: Payload) -> Outcome | None:
        """What is there of it by our name, note or doing; ``None`` where it is not."""
        if isinstance(payload, RecordPayment):
            paid = await self._paid(payload.order_key)
            there = (
                paid.held(payload.receipt) >= payload.receipt.received
                or paid.outstanding <= 0
                or paid.cancelled_at
            )
            return _told(paid) if there else None
        if isinstance(payload, CreateRefund):
            order, _ = await self._refundable(payload.order_key)
            return _made(order, payload)
        return _done(payload.order_key) if await self._is_cancelled(payload.order_key) else None

    # -- payments -------------------------------------------------------------------------------

    async def _paid(self, key: str) -> _Paid:
        answer = await self._client.call(documents.ORDER_PAID, {"id": _gid(key)}, _PaidOrder)
        if answer.order is None:
            raise Rejected(f"Shopify knows no order {key}")
        if len(answer.order.transactions) >= documents.LIST_MAX:
            raise Rejected(
                f"order {key} has {documents.LIST_MAX} or more transactions, too many to look through"
            )
        return answer.order

    async def _record(self, payload: RecordPayment) -> Outcome:
        receipt, paid = payload.receipt, await self._paid(payload.order_key)
        if receipt.currency and receipt.currency != paid.currency_code:
            raise Rejected(
                f"{receipt.received} {receipt.currency} were received, but order {payload.order_key} is in "
                f"{paid.currency_code}: enter the payment by hand, then discard this"
            )
        missing = min(receipt.received - paid.held(receipt), paid.outstanding)
        if missing <= 0 or paid.cancelled_at is not None:
            return _told(paid)
        whole = missing == paid.outstanding
        foreign = paid.presentment_currency_code != paid.currency_code
        if not whole and (foreign or not self._partly):
            # The ERP's figure is in the shop's currency; Shopify takes a part in the buyer's only.
            where = "of orders in the shop's own currency" if foreign else "on Plus"
            note = f"Shopify takes a part of a payment {where} only; it is told when the rest has come."
            return Outcome(Result.DONE, note, facts=_told(paid).facts)
        variables = {
            "id": _gid(payload.order_key),
            "amount": None if whole else {"amount": f"{missing:f}", "currencyCode": paid.currency_code},
            "name": marks.PAYMENT,
            # An ERP may date a payment later than today, which Shopify refuses.
            "at": search_stamp(min(receipt.received_at_ms, self._clock.now_ms())),
        }
        answer = await self._client.call(documents.RECORD_PAYMENT, variables, _PaymentAnswer)
        made = answer.order_create_manual_payment
        if made is not None and any(error.code in _IN_VAIN for error in made.user_errors):
            raise Rejected(_words(made.user_errors))
        if made is not None and made.user_errors:
            # Paid, cancelled or edited between our reading and our writing: look again, and add what is left.
            raise Retryable(_words(made.user_errors))
        if made is None or made.order is None:
            raise OutcomeUnknown("Shopify did not say what became of the payment")
        return _told(made.order)

    # -- returns --------------------------------------------------------------------------------

    async def _refundable(self, key: str) -> tuple[_Refundable, list[_Line]]:
        lines: list[_Line] = []
        after: str | None = None
        for _ in range(PAGES_MAX):
            answer = await self._client.call(
                documents.ORDER_REFUNDS, {"id": _gid(key), "after": after}, _RefundableOrder
            )
            if answer.order is None:
                raise Rejected(f"Shopify knows no order {key}")
            lines += answer.order.line_items.nodes
            info = answer.order.line_items.page_info
            if not info.has_next_page:
                return answer.order, lines
            if not info.end_cursor or info.end_cursor == after:
                break
            after = info.end_cursor
        raise Retryable(f"reading the lines of order {key} did not end after {PAGES_MAX} pages")

    async def _refund(self, payload: CreateRefund, key: str) -> Outcome:
        order, lines = await self._refundable(payload.order_key)
        if (made := _made(order, payload)) is not None:
            return made
        if order.cancelled_at is not None:
            raise Rejected(
                f"order {payload.order_key} was cancelled in Shopify: compare both sides, then discard this"
            )
        wanted = _plan(payload, lines)
        back: dict[str, Any] = {"transactions": []}
        if payload.money:
            back = await self._money_back(payload.order_key, wanted)
        given = {
            "orderId": _gid(payload.order_key),
            "note": marks.refund_note(payload.reference),
            "notify": False,
            "refundLineItems": wanted,
        }
        variables = {"key": key, "input": given | back}
        answer = await self._client.call(documents.CREATE_REFUND, variables, _RefundAnswer)
        created = answer.refund_create
        if created is not None and created.user_errors:
            raise Rejected(_words(created.user_errors))
        if created is None or created.refund is None:
            raise OutcomeUnknown("Shopify did not say which refund it created")
        return _done(created.refund.id)

    async def _money_back(self, key: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
        """What Shopify itself reckons that these units cost, by the payments that it goes back to.

        All of a refund is in the currency in which the buyer paid, which need not be the shop's (2026-07 schema,
        ``RefundInput.currency``).
        """
        variables = {"id": _gid(key), "lines": lines}
        answer = await self._client.call(documents.SUGGESTED_REFUND, variables, _SuggestingOrder)
        order = answer.order
        if order is None or order.suggested_refund is None:
            raise Retryable(f"Shopify does not say what the goods of order {key} cost")
        currency = order.presentment_currency_code
        if any(
            entry.amount_set.presentment_money.currency_code != currency
            for entry in order.suggested_refund.suggested_transactions
        ):
            raise Rejected(f"order {key} was paid in more than one currency: give the money back by hand")
        transactions = [
            {
                "orderId": _gid(key),
                "kind": "REFUND",
                "gateway": entry.gateway,
                "parentId": entry.parent_transaction.id if entry.parent_transaction else None,
                "amount": entry.amount_set.presentment_money.amount,
            }
            for entry in order.suggested_refund.suggested_transactions
            if Decimal(entry.amount_set.presentment_money.amount) > 0
        ]
        return {"currency": currency, "transactions": transactions}

    # -- cancellations --------------------------------------------------------------------------

    async def _is_cancelled(self, key: str) -> bool:
        answer = await self._client.call(documents.ORDER_STATE, {"id": _gid(key)}, _StateOrder)
        if answer.order is None:
            raise Rejected(f"Shopify knows no order {key}")
        return answer.order.cancelled_at is not None

    async def _cancel(self, payload: CancelOrder) -> Outcome:
        if await self._is_cancelled(payload.order_key):
            return _done(payload.order_key)
        variables = {
            "id": _gid(payload.order_key),
            "restock": payload.restock,
            "refund": {"originalPaymentMethodsRefund": payload.money},
            "note": "The ERP called the order off.",
        }
        answer = await self._client.call(documents.CANCEL_ORDER, variables, _CancelAnswer)
        cancelled = answer.order_cancel
        if cancelled is not None and cancelled.order_cancel_user_errors:
            raise Rejected(_words(cancelled.order_cancel_user_errors))
        if cancelled is None or cancelled.job is None:
            raise OutcomeUnknown("Shopify did not say what became of the cancellation")
        if await self._is_cancelled(payload.order_key):
            return _done(payload.order_key)
        # A job does it; whether it could is seen in the order only.
        raise OutcomeUnknown("Shopify is cancelling the order")


def _plan(payload: CreateRefund, lines: list[_Line]) -> list[dict[str, Any]]:
    """The shipped units of which lines are given back.

    Raises:
        Retryable: a parcel was not told to Shopify yet.
        Rejected: they were given back there already, or never sold.
    """
    # Of a line with units that were not sent, those would be taken first.
    left = {line.id: 0 if line.unfulfilled_quantity else line.refundable_quantity for line in lines}
    unsent = Counter[str]()
    for line in lines:
        unsent[line.sku or ""] += line.refundable_quantity if line.unfulfilled_quantity else 0
    rows: list[dict[str, Any]] = []
    for sku, location, units in payload.lines:
        missing = units
        for line in lines:
            take = min(missing, left[line.id]) if line.sku == sku else 0
            if take:
                left[line.id] -= take
                missing -= take
                row: dict[str, Any] = {"lineItemId": line.id, "quantity": take, "restockType": "NO_RESTOCK"}
                if payload.restock and location:
                    row |= {"restockType": "RETURN", "locationId": f"gid://shopify/Location/{location}"}
                rows.append(row)
        if missing and unsent[sku] >= missing:
            raise Retryable(f"order {payload.order_key}: not all units of {sku} are shipped in Shopify yet")
        if missing:
            raise Rejected(
                f"order {payload.order_key}: {units - missing} of {units} units of {sku} are left to give back. The rest "
                "was refunded in Shopify: compare both sides, then discard this"
            )
    return rows


def _made(order: _Refundable, payload: CreateRefund) -> Outcome | None:
    if len(order.refunds) >= documents.LIST_MAX:
        raise Rejected(
            f"order {payload.order_key} has {documents.LIST_MAX} or more refunds, too many to look through"
        )
    note = marks.refund_note(payload.reference)
    return next((_done(refund.id) for refund in order.refunds if refund.note == note), None)


def _told(paid: _Paid) -> Outcome:
    ids = ",".join(transaction.id for transaction in paid.ours)
    return Outcome(Result.DONE, facts={"external_id": ids, "told": f"{paid.told:f}"})


def _done(ident: str) -> Outcome:
    return Outcome(Result.DONE, facts={"external_id": ident})


def _words(errors: tuple[UserError, ...]) -> str:
    return "Shopify: " + "; ".join(error.message for error in errors)


def _check(key: str) -> None:
    if not key.isascii() or not key.isdigit() or len(key) > 20:
        raise Rejected(f"{key[:40]!r} is no order id of Shopify")


def _gid(key: str) -> str:
    return f"gid://shopify/Order/{key}"
