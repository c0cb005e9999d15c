"""What an ERP received, took back or called off, told to a simulated shop: each once, never more than it is about."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.connectors.test_shopify_mapping import START_MS, World, parcel, run, stocked

from syncline.connectors.shopify import marks
from syncline.connectors.shopify.simulator import CartLine
from syncline.connectors.shopify.simulator import app as simulated
from syncline.model.delivery import Item, Result
from syncline.model.payloads import CancelOrder, CreateRefund, RecordPayment
from syncline.model.records import Receipt, Return


def payment(order_id: int, amount: str, *, of_channel: bool = False, currency: str = "GBP") -> RecordPayment:
    receipt = Receipt(f"north-{order_id}", Decimal(amount), currency, START_MS, of_channel)
    return RecordPayment(str(order_id), receipt)


def back(order_id: int, place: int, *lines: tuple[str, int], restock: bool = False, money: bool = True):
    told = tuple((sku, str(place), units) for sku, units in lines)
    value = Return("5", f"north-{order_id}", START_MS, ())
    return CreateRefund(str(order_id), "erp return 5", value, told, restock, money)


async def told(world: World, payload) -> str:
    (outcome,) = await world.deliver("record_payment", payload)
    assert outcome.result is Result.DONE, outcome
    return outcome.facts["told"]


async def shipped(world: World, units: int = 3, *, paid: bool = True) -> tuple[int, int]:
    """An order for A and B of which A has left."""
    first, _ = stocked(world)
    placed = world.shop.checkout([CartLine("A", units), CartLine("B", 1)], tax_rate=Decimal("0.2"), paid=paid)
    assert placed.order_id is not None
    (outcome,) = await world.deliver("create_shipment", parcel(placed.order_id, first, ("A", units)))
    assert outcome.result is Result.DONE, outcome
    return placed.order_id, first


def test_a_payment_is_told_part_by_part_and_never_beyond_what_is_left():
    async def test(world: World) -> None:
        stocked(world)
        order_id = world.shop.checkout([CartLine("A", 4)], paid=False).order_id
        assert await told(world, payment(order_id, "20")) == "20.0"
        assert await told(world, payment(order_id, "20")) == "20.0"
        assert await told(world, payment(order_id, "30")) == "30.0"
        assert await told(world, payment(order_id, "90")) == "50.0"
        order = world.shop.orders[order_id]
        assert [t.amount for t in order.transactions] == [20, 10, 20]
        assert {t.gateway for t in order.transactions} == {marks.PAYMENT}
        assert (await world.read(order_id)).payments == ()  # what we told is not told back

    run(test)


@pytest.mark.slow
def test_an_erp_that_cannot_tell_whose_money_it_is_counts_the_shops_own():
    async def test(world: World) -> None:
        stocked(world)
        order_id = world.shop.checkout([CartLine("A", 4)], paid=False).order_id
        world.shop.pay(order_id, 3_000, "card")
        assert await told(world, payment(order_id, "30", of_channel=True)) == "0"
        assert await told(world, payment(order_id, "50", of_channel=True)) == "20.0"
        assert [p.amount for p in (await world.read(order_id)).payments] == [30]

    run(test)


def test_without_plus_a_part_is_told_when_the_rest_has_come():
    async def test(world: World) -> None:
        stocked(world)
        order_id = world.shop.checkout([CartLine("A", 4)], paid=False).order_id
        (outcome,) = await world.deliver("record_payment", payment(order_id, "20"))
        assert outcome.result is Result.DONE and "on Plus only" in outcome.message
        assert outcome.facts["told"] == "0"
        assert await told(world, payment(order_id, "50")) == "50.0"

    run(test, plan="standard")


def test_a_payment_in_another_currency_or_of_no_order_is_refused():
    async def test(world: World) -> None:
        stocked(world)
        order_id = world.shop.checkout([CartLine("A", 1)], paid=False).order_id
        for payload, words in (
            (payment(order_id, "1", currency="EUR"), "is in GBP"),
            (payment(99, "1"), "knows no order 99"),
        ):
            (outcome,) = await world.deliver("record_payment", payload)
            assert outcome.result is Result.REJECTED and words in outcome.message
        odd = RecordPayment("1 or 2", payment(1, "1").receipt)
        (outcome,) = await world.deliver("record_payment", odd)
        assert outcome.result is Result.REJECTED and "no order id" in outcome.message

    run(test)


def test_a_payment_for_an_order_that_was_cancelled_changes_nothing():
    async def test(world: World) -> None:
        stocked(world)
        order_id = world.shop.checkout([CartLine("A", 1)], paid=False).order_id
        world.shop.cancel_order(order_id, restock=True)
        assert await told(world, payment(order_id, "12.50")) == "0"
        found = await world.system.sink.look_up("record_payment", Item("k", payment(order_id, "12.50")))
        assert found is not None and found.result is Result.DONE

    run(test)


@pytest.mark.parametrize(("restock", "money"), [(False, True), (True, True), (False, False)])
def test_goods_are_given_back_once_with_their_price_and_tax(restock, money):
    async def test(world: World) -> None:
        order_id, first = await shipped(world)
        level = world.shop.state.skus["A"].levels[first]
        before = level.available
        payload = back(order_id, first, ("A", 2), restock=restock, money=money)
        assert await world.system.sink.look_up("create_refund", Item("k", payload)) is None
        (done,) = await world.deliver("create_refund", payload)
        assert done.result is Result.DONE, done
        (again,) = await world.deliver("create_refund", payload)
        assert again == done == await world.system.sink.look_up("create_refund", Item("k", payload))
        (refund,) = world.shop.orders[order_id].refunds
        assert sum(t.amount for t in refund.transactions) == (Decimal("30.00") if money else 0)
        assert level.available - before == (2 if restock else 0)
        order = await world.read(order_id)
        assert order.refunds == () and order.lines[0].quantity == 1  # what we told is not told back

    run(test)


def test_goods_that_have_not_left_wait_and_those_that_were_given_back_are_for_a_person():
    async def test(world: World) -> None:
        order_id, first = await shipped(world)
        (waits,) = await world.deliver("create_refund", back(order_id, first, ("B", 1)))
        assert waits.result is Result.NOT_SENT and "not all units of B are shipped" in waits.message
        line = world.shop.orders[order_id].lines[0]
        world.shop.refund(order_id, {line.id: 2}, restock=False)
        (refused,) = await world.deliver("create_refund", back(order_id, first, ("A", 2)))
        assert refused.result is Result.REJECTED
        assert "1 of 2 units of A are left to give back" in refused.message

    run(test)


def test_an_order_on_terms_is_given_back_without_money():
    async def test(world: World) -> None:
        order_id, first = await shipped(world, paid=False)
        (done,) = await world.deliver("create_refund", back(order_id, first, ("A", 2)))
        assert done.result is Result.DONE
        assert world.shop.orders[order_id].refunds[0].transactions == []

    run(test)


@pytest.mark.parametrize("money", [True, False])
def test_an_order_is_cancelled_once(money):
    async def test(world: World) -> None:
        stocked(world)
        order_id = world.shop.checkout([CartLine("A", 1)]).order_id
        payload = CancelOrder(str(order_id), restock=True, money=money)
        assert await world.system.sink.look_up("cancel_order", Item("k", payload)) is None
        for _ in range(2):
            (done,) = await world.deliver("cancel_order", payload)
            assert done.result is Result.DONE
        order = world.shop.orders[order_id]
        assert order.cancelled and bool(order.refunded) is money
        assert world.sent.count("CancelOrder") == 1

    run(test)


def test_an_order_of_which_something_left_is_not_cancelled():
    async def test(world: World) -> None:
        order_id, _ = await shipped(world)
        (refused,) = await world.deliver("cancel_order", CancelOrder(str(order_id), False, True))
        assert refused.result is Result.REJECTED and "outstanding fulfillments" in refused.message
        (refused,) = await world.deliver("cancel_order", CancelOrder("99", False, True))
        assert refused.result is Result.REJECTED and "knows no order 99" in refused.message
        world.shop.state.orders[order_id].cancelled_ms = START_MS
        (refused,) = await world.deliver("create_refund", back(order_id, 1, ("A", 1)))
        assert refused.result is Result.REJECTED and "was cancelled in Shopify" in refused.message

    run(test)


def test_money_goes_back_in_the_currency_in_which_the_buyer_paid():
    async def test(world: World) -> None:
        world.shop.sell_in("EUR", Decimal("1.25"))
        order_id, first = await shipped(world)
        (done,) = await world.deliver("create_refund", back(order_id, first, ("A", 2)))
        assert done.result is Result.DONE, done
        (refund,) = world.shop.orders[order_id].refunds
        assert [t.amount for t in refund.transactions] == [Decimal("30.00")]  # told as 37.50 EUR
        order = await world.read(order_id)
        assert (order.currency, order.total) == ("GBP", Decimal("30.0"))

    run(test)


def test_of_an_order_in_another_currency_a_part_is_told_when_the_rest_has_come():
    async def test(world: World) -> None:
        world.shop.sell_in("EUR", Decimal("1.25"))
        stocked(world)
        order_id = world.shop.checkout([CartLine("A", 4)], paid=False).order_id
        (outcome,) = await world.deliver("record_payment", payment(order_id, "20"))
        assert outcome.result is Result.DONE and "in the shop's own currency only" in outcome.message
        assert outcome.facts["told"] == "0"
        assert await told(world, payment(order_id, "50")) == "50.0"

    run(test)


def test_a_payment_dated_tomorrow_is_told_as_of_now():
    async def test(world: World) -> None:
        stocked(world)
        order_id = world.shop.checkout([CartLine("A", 1)], paid=False).order_id
        late = Receipt(f"north-{order_id}", Decimal("12.50"), "GBP", START_MS + 86_400_000, False)
        assert await told(world, RecordPayment(str(order_id), late)) == "12.5"

    run(test)


@pytest.mark.parametrize(
    ("code", "result"),
    [("GATEWAY_NOT_FOUND", Result.REJECTED), ("ORDER_IS_TEMPORARILY_UNAVAILABLE", Result.NOT_SENT)],
)
def test_a_payment_is_tried_again_only_where_that_may_help(monkeypatch, code, result):
    def refuse(*_: object) -> dict[str, object]:
        return {"order": None, "userErrors": [{"field": ["id"], "message": "no", "code": code}]}

    mutations = {**simulated.MUTATIONS, "orderCreateManualPayment": refuse}
    resolvers = {**simulated.TYPES, "QueryRoot": simulated.QUERIES, "Mutation": mutations}
    engine = simulated.Engine(resolvers, simulated.type_of, simulated.SCOPES)
    monkeypatch.setattr(simulated, "_ENGINE", engine)

    async def test(world: World) -> None:
        stocked(world)
        order_id = world.shop.checkout([CartLine("A", 1)], paid=False).order_id
        (outcome,) = await world.deliver("record_payment", payment(order_id, "12.50"))
        assert outcome.result is result, outcome

    run(test)


@pytest.mark.parametrize("tendered", ["50", "62.50"])
def test_the_change_that_a_till_gives_is_no_payment(tendered):
    async def test(world: World) -> None:
        stocked(world)
        order_id = world.shop.checkout([CartLine("A", 4)], paid=False).order_id
        world.shop.pay_cash(order_id, Decimal(tendered))
        order = await world.read(order_id)
        assert [p.amount for p in order.payments] == [order.total] == [50]

    run(test)
