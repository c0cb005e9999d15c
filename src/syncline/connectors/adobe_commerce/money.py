"""Telling the shop what an ERP received, took back or called off; each is looked for before it is written.

An invoice is the shop's confirmation of a payment, a credit memo takes goods and money back. Neither call remembers a key,
so each document carries our words in a comment that only people see, by which it is found again. An invoice is of goods
and a credit memo pays them back, so a part of an amount, or goods without their money, cannot be told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, TypeVar

from syncline.connectors.adobe_commerce import marks, wire
from syncline.connectors.adobe_commerce.client import Client, Missing, Search
from syncline.connectors.adobe_commerce.manifest import PAGE_MAX
from syncline.connectors.adobe_commerce.mapping import PAID, redeemed_of, sellable
from syncline.connectors.adobe_commerce.wire import Found, units
from syncline.model.delivery import Outcome, Result
from syncline.model.errors import OutcomeUnknown, Rejected, Retryable
from syncline.model.payloads import CancelOrder, CreateRefund, RecordPayment
from syncline.model.records import ZERO, Receipt

# Of an invoice and of a credit memo; why is only in the shop's log (magento2: Sales/Model/InvoiceOrder, RefundOrder).
_NOT_SAVED = "Could not save a"
CANCELED, CLOSED = "canceled", "closed"
VOID = 3  # the state of an invoice that was cancelled
D = TypeVar("D", wire.Invoice, wire.Creditmemo)

Payload = RecordPayment | CreateRefund | CancelOrder


class MoneyWriter:
    """Writes one shop's invoices, credit memos and cancellations."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def write(self, payload: Payload) -> Outcome:
        """Make it so, unless it is.

        Raises:
            SynclineError: of the client.
        """
        if isinstance(payload, RecordPayment):
            return await self._record(payload)
        if isinstance(payload, CreateRefund):
            return await self._refund(payload)
        return await self._cancel(payload)

    async def look_up(self, payload: Payload) -> Outcome | None:
        """What is there of it by our words, or by the order's state; ``None`` where it is not."""
        order = await self._order(payload.order_key)
        if isinstance(payload, RecordPayment):
            every = await self._invoices(order)
            invoices = _ours(every)
            there = _held(order, invoices, payload.receipt) >= payload.receipt.received
            return _told(invoices) if there or _due(order) <= 0 or _all_paid(order, every) else None
        if isinstance(payload, CreateRefund):
            return await self._memo(payload.order_key, marks.refund_comment(payload.reference))
        return _done(payload.order_key) if order.state in (CANCELED, CLOSED) else None

    async def _order(self, key: str) -> wire.Order:
        if not key.isascii() or not key.isdigit() or len(key) > 18:
            raise Rejected(f"{key[:40]!r} is no order id of Adobe Commerce")
        try:
            return await self._client.get(f"orders/{key}", (), wire.Order)
        except Missing as error:
            raise Rejected(f"Adobe Commerce knows no order {key}: {error}") from None

    async def _documents(self, path: str, key: str, kind: type[Found[D]]) -> tuple[D, ...]:
        search = Search(size=PAGE_MAX).where(("order_id", "eq", key)).order("entity_id")
        found = await self._client.get(path, search.pairs(), kind)
        if found.total_count > len(found.items):
            raise Rejected(f"order {key} has more than {PAGE_MAX} {path}, too many to look through")
        return found.items

    # -- payments -----------------------------------------------------------------------------------

    async def _invoices(self, order: wire.Order) -> tuple[wire.Invoice, ...]:
        return await self._documents("invoices", str(order.entity_id), Found[wire.Invoice])

    async def _record(self, payload: RecordPayment) -> Outcome:
        receipt, order = payload.receipt, await self._order(payload.order_key)
        if receipt.currency and receipt.currency != order.base_currency_code:
            raise Rejected(
                f"{receipt.received} {receipt.currency} were received, but order {order.increment_id} is in "
                f"{order.base_currency_code}: invoice it by hand, then discard this"
            )
        every = await self._invoices(order)
        invoices = _ours(every)
        missing, due = receipt.received - _held(order, invoices, receipt), _due(order)
        if missing <= 0 or due <= 0 or order.state in (CANCELED, CLOSED) or _all_paid(order, every):
            return _told(invoices)
        if missing < due:
            note = f"{missing} of {due} were received; an invoice is of goods, so it is told when the rest has come."
            return Outcome(Result.DONE, note, facts=_told(invoices).facts)
        body = {
            "capture": False,  # the ERP has the money: nothing more is to be taken from the buyer's card
            "notify": False,
            "appendComment": False,
            "comment": {"comment": marks.PAYMENT, "is_visible_on_front": 0},
        }
        await self._post(f"order/{payload.order_key}/invoice", body)
        return _told(_ours(await self._invoices(order)))

    async def _post(self, path: str, body: dict[str, Any]) -> str:
        try:
            made: Any = await self._client.post(path, body, Any)
        except Rejected as error:
            if _NOT_SAVED in str(
                error
            ):  # the document may be there, and the order's own state not: it is looked for
                raise OutcomeUnknown(str(error)) from None
            raise
        if not isinstance(made, str | int) or isinstance(made, bool):
            raise OutcomeUnknown("the shop did not say what it made")
        return str(made)

    # -- returns ------------------------------------------------------------------------------------

    async def _memo(self, key: str, comment: str) -> Outcome | None:
        memos = await self._documents("creditmemos", key, Found[wire.Creditmemo])
        return next((_done(str(m.entity_id)) for m in memos if marks.carries(m.comments, comment)), None)

    async def _refund(self, payload: CreateRefund) -> Outcome:
        order = await self._order(payload.order_key)
        comment = marks.refund_comment(payload.reference)
        if (made := await self._memo(payload.order_key, comment)) is not None:
            return made
        if not payload.money:
            raise Rejected(
                f"order {order.increment_id}: Adobe Commerce takes goods back only by a credit memo, which pays them back, and the "
                "route or the ERP says not to: set money = true in the route, or see to it there by hand and discard this"
            )
        plan = _plan(payload, order)
        body = {
            "items": [{"order_item_id": number, "qty": quantity} for number, quantity in plan.items()],
            "notify": False,
            "appendComment": False,
            "comment": {"comment": comment, "is_visible_on_front": 0},
            "arguments": {
                "shipping_amount": 0,
                "extension_attributes": {"return_to_stock_items": list(plan) if payload.restock else []},
            },
        }
        return _done(await self._post(f"order/{payload.order_key}/refund", body))

    # -- cancellations ------------------------------------------------------------------------------

    async def _cancel(self, payload: CancelOrder) -> Outcome:
        key = payload.order_key
        order = await self._order(key)
        if order.state in (CANCELED, CLOSED):
            return _done(key)
        lines = sellable(order.items)
        if any(line.qty_shipped for line in lines):
            raise Rejected(
                f"order {order.increment_id} cannot be called off: the shop shows a parcel of it. Compare both sides, then "
                "discard this"
            )
        paid = bool(order.base_total_paid)
        if paid and not payload.money:
            raise Rejected(
                f"order {order.increment_id} is paid, so it can only be closed by paying it back: set money = true in the "
                "route, or do it there by hand and discard this"
            )
        # What was invoiced is paid back, and the rest is cancelled: of neither alone is all of an order called off.
        if not paid or any(map(_uninvoiced, lines)):
            cancelled: Any = await self._client.post(f"orders/{key}/cancel", {}, Any)
            if cancelled is not True:
                raise Rejected(
                    f"order {order.increment_id} cannot be cancelled in the shop: look at it there"
                )
        if not paid:
            return _done(key)
        if (made := await self._memo(key, marks.CANCELLATION)) is not None:
            return made
        body = {
            "notify": False,
            "appendComment": False,
            "comment": {"comment": marks.CANCELLATION, "is_visible_on_front": 0},
        }
        return _done(await self._post(f"order/{key}/refund", body))


def _ours(invoices: Iterable[wire.Invoice]) -> list[wire.Invoice]:
    return [invoice for invoice in invoices if marks.carries(invoice.comments, marks.PAYMENT)]


def _all_paid(order: wire.Order, invoices: Iterable[wire.Invoice]) -> bool:
    """Whether all that can be invoiced is, and paid; of an order that does not say, it is not.

    The invoices may be short of the order all the same: of fixed product taxes on variants (magento2, issue 41266).
    """
    lines = sellable(order.items)
    if any(line.qty_invoiced is None or _uninvoiced(line) for line in lines):
        return False
    return all(invoice.state in (PAID, VOID) for invoice in invoices)


def _uninvoiced(line: wire.OrderItem) -> bool:
    """Whether units of a line were neither invoiced nor cancelled; of one that does not say what was invoiced, none."""
    if line.qty_invoiced is None:
        return False
    return line.qty_ordered > line.qty_invoiced + (line.qty_canceled or ZERO)


def _due(order: wire.Order) -> Decimal:
    """What was not paid yet, of an order of which nothing was taken back; more of others, and the shop refuses that."""
    return order.base_grand_total - (order.base_total_paid or ZERO)


def _held(order: wire.Order, invoices: list[wire.Invoice], receipt: Receipt) -> Decimal:
    """How much of an ERP's figure the shop shows already; what was redeemed there is the shop's own, as its payments are."""
    return (order.base_total_paid or ZERO) + redeemed_of(order) if receipt.of_channel else _sum(invoices)


def _sum(invoices: list[wire.Invoice]) -> Decimal:
    return sum((invoice.base_grand_total for invoice in invoices), ZERO)


def _plan(payload: CreateRefund, order: wire.Order) -> Counter[int]:
    """The shipped units of which lines are given back.

    Raises:
        Retryable: a parcel was not told to the shop yet; of such a line units that were not sent would be refunded first.
        Rejected: they were given back there already, or never sold.
    """
    left: dict[int, int] = {}
    unsent: Counter[str] = Counter()
    lines = sellable(order.items)
    for line in lines:
        ordered, shipped = units(line.qty_ordered, "qty_ordered"), units(line.qty_shipped, "qty_shipped")
        kept = ordered - units(line.qty_canceled, "qty_canceled") - units(line.qty_refunded, "qty_refunded")
        left[line.item_id] = (
            max(0, kept) if shipped + units(line.qty_canceled, "qty_canceled") >= ordered else 0
        )
        unsent[line.sku] += max(0, kept) - left[line.item_id]
    plan: Counter[int] = Counter()
    for sku, _, quantity in payload.lines:
        missing = quantity
        for line in lines:
            take = min(missing, left[line.item_id]) if line.sku == sku else 0
            if take:
                plan[line.item_id] += take
                left[line.item_id] -= take
                missing -= take
        if missing and unsent[sku] >= missing:
            raise Retryable(f"order {order.increment_id}: not all units of {sku} are shipped in the shop yet")
        if missing:
            raise Rejected(
                f"order {order.increment_id}: {quantity - missing} of {quantity} units of {sku} are left to give back. The "
                "rest was refunded in the shop: compare both sides, then discard this"
            )
    return plan


def _told(invoices: list[wire.Invoice]) -> Outcome:
    ids = ",".join(str(invoice.entity_id) for invoice in invoices)
    return Outcome(Result.DONE, facts={"external_id": ids, "told": f"{_sum(invoices):f}"})


def _done(ident: str) -> Outcome:
    return Outcome(Result.DONE, facts={"external_id": ident})
