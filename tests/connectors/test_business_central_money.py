"""What Business Central says was settled of our orders' invoices, and what its people credited."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.connectors.business_central_opened import START_MS, World, done, line, order, run

from syncline.connectors.business_central import money
from syncline.connectors.business_central.simulator.schema import ENTITIES
from syncline.model.change import Event, Via
from syncline.model.copying import replace
from syncline.model.errors import Rejected, Retryable
from syncline.model.payloads import OrderItem, PutRefund
from syncline.model.records import Receipt, Refund, RefundLine, Return, ShipmentLine


async def invoiced(w: World, quantity: int = 4) -> tuple[str, str]:
    """An order of ours that was shipped and invoiced whole: its id and the invoice's number."""
    placed = order(line("a", "A", quantity, "10.00"))
    outcome = await w.do("put_order", w.put(placed, ("a", "A", "MAIN", quantity)))
    number = outcome.facts["external_id"]
    w.sim.ship(number)
    return number, w.sim.invoice(number)


async def told(w: World, stream: str, cursor=None):
    await w.clock.sleep(5)
    events, cursor = await w.pull(stream, cursor)
    return [change.value for change in w.changes(events)], cursor


def test_an_invoice_counts_once_all_of_it_is_settled():
    async def story(w: World) -> None:
        _, invoice = await invoiced(w)
        ((receipt,), cursor) = await told(w, "payments")
        assert isinstance(receipt, Receipt) and receipt.of_channel
        assert (receipt.key, receipt.received, receipt.currency) == ("shop-1001", 0, "GBP")
        w.sim.settle(invoice, "15.00")
        ((receipt,), cursor) = await told(w, "payments", cursor)
        assert receipt.received == 0
        w.sim.settle(invoice)
        ((receipt,), cursor) = await told(w, "payments", cursor)
        assert receipt.received == 40
        assert (await told(w, "payments", cursor))[0] == []

    run(story)


def test_goods_that_people_credited_are_a_return_and_those_of_the_channel_are_not():
    async def story(w: World) -> None:
        order_id, invoice = await invoiced(w)
        _, cursor = await told(w, "returns")
        refund = Refund("7", Decimal(10), START_MS, (RefundLine("a", Decimal(1), restocked=True),))
        items = (OrderItem("a", w.ids["A"], "A", "MAIN", 1),)
        await w.do("put_refund", PutRefund("shop-1001-ref-7", order_id, refund, items, restocked=True))
        made = w.sim.credit(invoice, {"A": 2})
        ((back,), cursor) = await told(w, "returns", cursor)
        assert isinstance(back, Return)
        assert (back.key, back.order_key) == (made, "shop-1001")
        assert back.lines == (ShipmentLine("A", "MAIN", Decimal(2)),)
        assert (await told(w, "returns", cursor))[0] == []

    run(story)


def test_an_invoice_that_a_credit_memo_settles_is_no_money():
    async def story(w: World) -> None:
        _, invoice = await invoiced(w)
        _, cursor = await told(w, "payments")
        w.sim.credit(invoice, {"A": 3})
        ((receipt,), cursor) = await told(w, "payments", cursor)
        assert receipt.received == 0
        w.sim.settle(invoice)  # ten of forty are left, and come
        ((receipt,), cursor) = await told(w, "payments", cursor)
        assert receipt.received == 10

    run(story)


@pytest.mark.parametrize(
    "reference", ["shop-1001", "shop-5555555555555", "a-shop-of-a-name-55555555555555555"]
)
def test_a_credit_memo_of_ours_that_somebody_applied_to_the_invoice_is_not_told_back(reference):
    """The channel has given the money back already: told as a return, it would give it back once more."""

    async def story(w: World) -> None:
        placed = replace(w.put(order(line("a", "A", 4, "10.00")), ("a", "A", "MAIN", 4)), reference=reference)
        number = (await w.do("put_order", placed)).facts["external_id"]
        w.sim.ship(number)
        invoice = w.sim.company.find("salesInvoices", "number", w.sim.invoice(number))
        refund = Refund("7", Decimal(10), START_MS, (RefundLine("a", Decimal(1), restocked=True),))
        items = (OrderItem("a", w.ids["A"], "A", "MAIN", 1),)
        put = PutRefund(f"{reference}-ref-5555555555557", number, refund, items, restocked=True)
        done(await w.do("put_refund", put))
        (memo,) = w.sim.memos()
        w.sim.writes.change(
            ENTITIES["salesCreditMemos"],
            w.sim.company.tables["salesCreditMemos"][memo.id],
            {"invoiceId": invoice.id},
        )
        w.sim.post_memo(memo.id)
        theirs = w.sim.credit(invoice.values["number"], {"A": 2})
        (values, _) = await told(w, "returns")
        assert [(x.key, x.order_key) for x in values] == [(theirs, reference)]

    run(story)


def test_an_invoice_that_no_channel_placed_is_nobodys():
    async def story(w: World) -> None:
        number = w.sim.sell([("A", "MAIN", 3)])
        w.sim.ship(number)
        invoice = w.sim.invoice(number)
        w.sim.settle(invoice)
        w.sim.credit(invoice, {"A": 1})
        assert (await told(w, "payments"))[0] == [] and (await told(w, "returns"))[0] == []

    run(story)


def test_an_amount_that_is_none_is_asked_for_again():
    with pytest.raises(Retryable, match="states an amount"):
        money._amount({"total": "much"}, "total")
    with pytest.raises(Retryable, match="states an amount"):
        money._amount({"total": "NaN"}, "total")


@pytest.mark.parametrize("topic", money.TOPICS)
def test_a_row_that_cannot_be_read_is_rejected(topic):
    async def story(w: World) -> None:
        with pytest.raises(Rejected, match="cannot be read"):
            w.changes([Event("erp", topic, "e", Via.POLL, 1, b"{}")])

    run(story)
