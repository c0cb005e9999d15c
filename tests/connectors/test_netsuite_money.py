"""What NetSuite received for our orders and what came back to it, read from its documents; never what we wrote ourselves."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.connectors.netsuite_world import START_MS, World, line, order, run

from syncline.connectors.netsuite import money
from syncline.model.change import Event, Kind, Via
from syncline.model.errors import Rejected, Retryable
from syncline.model.payloads import OrderItem, PutOrder, PutPayment, PutRefund
from syncline.model.records import Payment, Receipt, Refund, Return, ShipmentLine

REFERENCE = "shop-1001"


async def shipped(w: World, quantity: int = 4) -> int:
    """An order of ours that has left the warehouse."""
    w.sim.opening_balance("21730", w.place, 40)
    placed = order(line("a", "21730", quantity, "10.00"))
    items = (OrderItem("a", str(w.item), "21730", str(w.place), quantity),)
    outcome = await w.do("put_order", PutOrder(REFERENCE, placed, items))
    number = int(outcome.facts["external_id"])
    w.sim.ship(number, tracking="T1")
    return number


async def told(w: World, stream: str, cursor=None):
    await w.clock.sleep(5)
    events, cursor = await w.pull(stream, cursor)
    return [change.value for change in w.changes(events)], cursor


def received(values) -> list[Decimal]:
    assert all(isinstance(value, Receipt) and value.key == REFERENCE for value in values)
    return [value.received for value in values]


def test_an_invoice_is_told_as_it_is_settled_and_never_twice():
    async def story(w: World) -> None:
        number = await shipped(w)
        invoice = w.sim.bill(number)
        values, cursor = await told(w, "payments")
        assert received(values) == [0]
        w.sim.settle(invoice, "15.00")
        values, cursor = await told(w, "payments", cursor)
        assert received(values) == [15]
        w.sim.settle(invoice)
        values, cursor = await told(w, "payments", cursor)
        assert received(values) == [40]
        await w.clock.sleep(30)
        assert (await told(w, "payments", cursor))[0] == []

    run(story)


def test_an_invoice_that_does_not_say_what_is_left_of_it_is_not_paid():
    async def story(w: World) -> None:
        number = await shipped(w)
        invoice = w.sim.bill(number)
        w.sim.account.later('UPDATE "transaction" SET foreignamountunpaid = NULL WHERE id = ?', invoice)
        values, cursor = await told(w, "payments")
        assert received(values) == [0]
        w.sim.settle(invoice)
        w.sim.account.later('UPDATE "transaction" SET foreignamountunpaid = NULL WHERE id = ?', invoice)
        assert received((await told(w, "payments", cursor))[0]) == [40]

    run(story)


def test_a_deposit_that_settles_an_invoice_counts_once():
    async def story(w: World) -> None:
        number = await shipped(w)
        w.sim.deposit(number, "10.00")
        values, cursor = await told(w, "payments")
        assert received(values) == [10]
        invoice = w.sim.bill(number)
        w.sim.settle(invoice, "10.00")  # the deposit is applied
        values, cursor = await told(w, "payments", cursor)
        assert received(values) == [10]
        w.sim.settle(invoice)
        assert received((await told(w, "payments", cursor))[0]) == [40]

    run(story)


def test_what_the_channel_told_of_is_no_news():
    async def story(w: World) -> None:
        number = await shipped(w)
        paid = Payment("9", Decimal("25.00"), "GBP", START_MS, "card")
        await w.do("put_payment", PutPayment(f"{REFERENCE}-pay-9", str(number), "", paid))
        values, cursor = await told(w, "payments")
        assert received(values) == [0]
        w.sim.settle(w.sim.bill(number))  # the deposit, and the rest by the bank
        assert received((await told(w, "payments", cursor))[0]) == [15]

    run(story)


def test_what_a_customer_was_let_off_is_no_money():
    async def story(w: World) -> None:
        number = await shipped(w)
        invoice = w.sim.bill(number)
        w.sim.settle(invoice, "15.00")
        w.sim.credit(invoice, "25.00")
        values, cursor = await told(w, "payments")
        assert received(values) == [15]  # though nothing of the invoice is open any more
        await w.clock.sleep(30)
        assert (await told(w, "payments", cursor))[0] == []

    run(story)


def test_an_invoice_that_was_let_off_whole_is_not_told_as_paid():
    async def story(w: World) -> None:
        number = await shipped(w)
        w.sim.credit(w.sim.bill(number), "40.00")
        assert received((await told(w, "payments"))[0]) == [0]

    run(story)


def test_of_an_order_with_a_return_a_credit_may_have_settled_the_invoice():
    async def story(w: World) -> None:
        number = await shipped(w)
        invoice = w.sim.bill(number)
        w.sim.take_back(number, {1: 1}, received=False)
        w.sim.settle(invoice)
        assert received((await told(w, "payments"))[0]) == [0]

    run(story)


def test_somebody_elses_invoice_is_nobodys():
    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 40)
        number = w.sim.enter_order([("21730", w.place, 2, Decimal(10))])
        w.sim.ship(number, tracking=None)
        w.sim.settle(w.sim.bill(number))
        w.sim.take_back(number)
        assert (await told(w, "payments"))[0] == []
        assert (await told(w, "returns"))[0] == []

    run(story)


def test_goods_that_came_back_are_told_by_their_receipt():
    async def story(w: World) -> None:
        number = await shipped(w)
        w.sim.receive("21730", w.place, 3)  # a purchase
        authorised = w.sim.take_back(number, {1: 3}, received=False)
        values, cursor = await told(w, "returns")
        assert values == []
        receipt = w.sim.accept_return(authorised)
        ((back,), cursor) = await told(w, "returns", cursor)
        assert isinstance(back, Return)
        assert (back.key, back.order_key) == (str(receipt), REFERENCE)
        assert back.lines == (ShipmentLine("21730", str(w.place), Decimal(3)),)
        await w.clock.sleep(30)
        assert (await told(w, "returns", cursor))[0] == []

    run(story)


def test_a_refund_of_the_channel_is_not_told_back():
    async def story(w: World) -> None:
        number = await shipped(w)
        items = (OrderItem("a", str(w.item), "21730", str(w.place), 2),)
        refund = Refund("7", Decimal(20), START_MS)
        await w.do("put_refund", PutRefund(f"{REFERENCE}-ref-7", str(number), refund, items, restocked=True))
        assert w.sim.returns()
        assert (await told(w, "returns"))[0] == []

    run(story)


def test_pages_end_and_a_read_goes_on_where_it_was_broken_off(monkeypatch):
    async def story(w: World) -> None:
        number = await shipped(w)
        for _ in range(5):
            w.sim.deposit(number, "1.00")
            await w.clock.sleep(2)
        monkeypatch.setattr(money, "PAGE_MAX", 2)
        inner = w.system.source._readers["payments"].__self__._client
        query = inner.query

        async def paged(sql, params=()):
            return (await query(sql, params))[:2]

        monkeypatch.setattr(inner, "query", paged)
        pages = [page async for page in w.system.source.poll("payments", None)]
        assert [page.last for page in pages] == [False, False, True]
        again = [page async for page in w.open().source.poll("payments", pages[0].cursor)]
        assert sum(len(page.events) for page in again) >= 1 and again[-1].last

    run(story)


@pytest.mark.parametrize("text", ["much", "NaN", "1e400"])
def test_an_amount_that_is_none_is_asked_for_again(text):
    with pytest.raises(Retryable, match="states an amount"):
        money._amount({"total": text}, "total")


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        (money.RECEIPT, b"{}"),
        (money.RECEIPT, b'{"key":"k","received":"x","currency":"","received_at_ms":1,"erp_ms":1}'),
        (money.RETURN, b"[]"),
    ],
)
def test_a_row_that_cannot_be_read_is_rejected(topic, body):
    async def story(w: World) -> None:
        with pytest.raises(Rejected, match="cannot be read"):
            w.changes([Event("erp", topic, "e", Via.POLL, 1, body)])

    run(story)


def test_a_cancelled_order_says_so():
    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 40)
        placed = order(line("a", "21730", 1, "10.00"))
        items = (OrderItem("a", str(w.item), "21730", str(w.place), 1),)
        outcome = await w.do("put_order", PutOrder(REFERENCE, placed, items))
        events, cursor = await w.pull("transactions")
        w.sim.cancel(int(outcome.facts["external_id"]))
        await w.clock.sleep(5)
        more, _ = await w.pull("transactions", cursor)
        found = [c.value.cancelled for c in w.changes([*events, *more]) if c.kind is Kind.ERP_ORDER]
        assert found == [False, True]

    run(story)
