"""What an ERP received, took back or called off, told to a simulated Adobe Commerce shop: each once."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.connectors.adobe_opened import adds_up, opened, order_of
from tests.connectors.adobe_world import World, run

from syncline.model.delivery import Item, Outcome, Result
from syncline.model.payloads import CancelOrder, CreateRefund, RecordPayment
from syncline.model.records import Receipt, Return
from syncline.ports import System


async def do(system: System, operation: str, payload) -> Outcome:
    (outcome,) = await system.sink.deliver(operation, [Item("k", payload)], "key")
    return outcome


def payment(key: int, amount: str, *, of_channel: bool = False, currency: str = "") -> RecordPayment:
    return RecordPayment(str(key), Receipt(f"shop-{key}", Decimal(amount), currency, 0, of_channel))


def back(key: int, *lines: tuple[str, int], restock: bool = False, money: bool = True) -> CreateRefund:
    told = tuple((sku, "leeds", units) for sku, units in lines)
    return CreateRefund(str(key), "erp return 5", Return("5", f"shop-{key}", 0, ()), told, restock, money)


def shipped(world: World, units: int = 3, *, paid: bool = True) -> int:
    key = world.buy(("A", units), paid=paid)
    world.shop.sales.ship(world.shop.orders[key], None, (), "leeds")
    return key


def test_an_order_is_invoiced_once_all_of_it_was_received():
    async def story(world: World) -> None:
        system, _ = opened(world)
        key = world.buy(("A", 3), paid=False)
        total = Decimal(world.shop.orders[key].grand_minor) / 100
        part = await do(system, "record_payment", payment(key, "10"))
        assert part.result is Result.DONE and "told when the rest has come" in part.message
        assert part.facts["told"] == "0"
        for _ in range(2):
            whole = await do(system, "record_payment", payment(key, str(total + 5)))
            assert Decimal(whole.facts["told"]) == total
        assert len(world.shop.orders[key].invoices) == 1
        assert (await order_of(world, system, key)).payments == ()  # what we told is not told back

    run(story)


def test_an_erp_that_cannot_tell_whose_money_it_is_counts_the_shops_own():
    async def story(world: World) -> None:
        system, _ = opened(world)
        key = world.buy(("A", 3), paid=True)
        total = world.shop.orders[key].grand_minor / 100
        outcome = await do(system, "record_payment", payment(key, str(total), of_channel=True))
        assert outcome.facts["told"] == "0" and len(world.shop.orders[key].invoices) == 1
        assert len((await order_of(world, system, key)).payments) == 1

    run(story)


def test_a_payment_in_another_currency_or_of_no_order_is_refused():
    async def story(world: World) -> None:
        system, _ = opened(world)
        key = world.buy(("A", 1), paid=False)
        for payload, words in (
            (payment(key, "9", currency="EUR"), "invoice it by hand"),
            (payment(999, "9"), "knows no order 999"),
            (RecordPayment("1/ship", payment(1, "1").receipt), "is no order id"),
        ):
            outcome = await do(system, "record_payment", payload)
            assert outcome.result is Result.REJECTED and words in outcome.message

    run(story)


@pytest.mark.parametrize("restock", [False, True])
def test_goods_are_given_back_once(restock):
    async def story(world: World) -> None:
        system, _ = opened(world, refunds_restock=restock)
        key = shipped(world)
        before = world.shop.quantity("A", "leeds")
        for _ in range(2):
            done = await do(system, "create_refund", back(key, ("A", 2), restock=restock))
            assert done.result is Result.DONE, done
        assert await system.sink.look_up("create_refund", Item("k", back(key, ("A", 2)))) == done
        (memo,) = world.shop.orders[key].creditmemos
        assert memo.total_minor == 2_400 and memo.shipping_minor == 0
        assert world.shop.quantity("A", "leeds") - before == (2 if restock else 0)
        order = await order_of(world, system, key)
        assert order.refunds == () and order.lines[0].quantity == 1  # what we told is not told back

    run(story)


def test_goods_that_cannot_be_given_back():
    async def story(world: World) -> None:
        system, _ = opened(world)
        key = world.buy(("A", 2), paid=True)
        waits = await do(system, "create_refund", back(key, ("A", 1)))
        assert waits.result is Result.NOT_SENT and "not all units of A are shipped" in waits.message
        sent = shipped(world)
        refused = await do(system, "create_refund", back(sent, ("A", 1), money=False))
        assert refused.result is Result.REJECTED and "set money = true" in refused.message
        order = world.shop.orders[sent]
        world.shop.sales.refund(order, {order.lines[0].item_id: 2}, shipping_minor=0)
        gone = await do(system, "create_refund", back(sent, ("A", 2)))
        assert gone.result is Result.REJECTED and "1 of 2 units of A are left" in gone.message
        unpaid = shipped(world, 1, paid=False)
        on_terms = await do(system, "create_refund", back(unpaid, ("A", 1)))
        assert on_terms.result is Result.REJECTED and "money available" in on_terms.message

    run(story)


def test_an_order_is_cancelled_or_closed_by_paying_it_back():
    async def story(world: World) -> None:
        system, _ = opened(world)
        unpaid, paid = world.buy(("B", 3), paid=False), world.buy(("B", 2), paid=True)
        kept = await do(system, "cancel_order", CancelOrder(str(paid), False, False))
        assert kept.result is Result.REJECTED and "is paid" in kept.message
        for key, state in ((unpaid, "canceled"), (paid, "closed")):
            payload = CancelOrder(str(key), restock=False, money=True)
            assert await system.sink.look_up("cancel_order", Item("k", payload)) is None
            for _ in range(2):
                done = await do(system, "cancel_order", payload)
                assert done.result is Result.DONE, done
            order = world.shop.orders[key]
            assert order.state == state
            assert order.refunded_minor == order.paid_minor
        assert (await order_of(world, system, paid)).refunds == ()
        for sent in (shipped(world, 1, paid=False), shipped(world, 1)):
            refused = await do(system, "cancel_order", CancelOrder(str(sent), False, True))
            assert refused.result is Result.REJECTED and "a parcel of it" in refused.message
            assert not world.shop.orders[sent].refunded_minor

    run(story)


def test_an_order_that_was_invoiced_in_part_is_called_off_as_a_whole():
    async def story(world: World) -> None:
        system, _ = opened(world)
        key = world.buy(("B", 3), paid=False)
        order = world.shop.orders[key]
        world.shop.sales.invoice(order, {order.lines[0].item_id: 1}, capture=False)
        for _ in range(2):
            done = await do(system, "cancel_order", CancelOrder(str(key), restock=False, money=True))
            assert done.result is Result.DONE, done
        assert (order.state, order.refunded_minor) == ("closed", order.paid_minor)
        assert (order.lines[0].canceled, order.lines[0].refunded) == (2, 1)
        assert world.shop.salable("B") == 50

    run(story)


def test_a_document_that_could_not_be_saved_is_looked_for_before_it_is_made_again():
    async def story(world: World) -> None:
        system, _ = opened(world)
        key = world.buy(("A", 3), paid=False)
        order = world.shop.orders[key]
        payload = payment(key, str(Decimal(order.grand_minor) / 100))
        world.shop.lock_waits = 1
        unsure = await do(system, "record_payment", payload)
        assert unsure.result is Result.UNKNOWN and "Could not save an invoice" in unsure.message
        assert await system.sink.look_up("record_payment", Item("k", payload)) is None
        assert (await do(system, "record_payment", payload)).result is Result.DONE
        world.shop.lock_waits = 1
        called_off = CancelOrder(str(key), restock=False, money=True)
        assert (await do(system, "cancel_order", called_off)).result is Result.UNKNOWN
        assert (await do(system, "cancel_order", called_off)).result is Result.DONE
        assert (len(order.invoices), len(order.creditmemos), order.state) == (1, 1, "closed")

    run(story)


def test_what_the_erp_has_is_not_taken_from_a_card_as_well():
    async def story(world: World) -> None:
        system, _ = opened(world)
        key = world.buy(("A", 3), payment="braintree")
        order = world.shop.orders[key]
        done = await do(system, "record_payment", payment(key, str(Decimal(order.grand_minor) / 100)))
        assert done.result is Result.DONE
        assert (order.paid_minor, order.charged_minor) == (order.grand_minor, 0)

    run(story)


@pytest.mark.parametrize(
    ("adjustment", "refunded"),
    [({"adjustment_positive": 3}, "15"), ({"adjustment_negative": 2.5}, "9.50"), ({}, "12")],
)
def test_what_is_paid_besides_or_kept_of_a_refund_is_in_its_money_and_not_in_the_order(adjustment, refunded):
    async def story(world: World) -> None:
        system, _ = opened(world)
        key = shipped(world)
        first = await order_of(world, system, key)
        line = world.shop.orders[key].lines[0].item_id
        body = {
            "items": [{"order_item_id": line, "qty": 1}],
            "arguments": {"shipping_amount": 0, **adjustment},
        }
        assert (await world.post(f"order/{key}/refund", body)).status == 200
        order = await order_of(world, system, key)
        assert [refund.amount for refund in order.refunds] == [Decimal(refunded)]
        assert (first.total - order.total, adds_up(order)) == (12, True)

    run(story)


def test_a_refund_of_nothing_or_of_more_than_came_in_is_refused():
    async def story(world: World) -> None:
        key = shipped(world)
        line = world.shop.orders[key].lines[0].item_id
        for arguments, words in (
            ({"adjustment_negative": 12}, "positive"),
            ({"adjustment_positive": 99}, "most money"),
        ):
            body = {
                "items": [{"order_item_id": line, "qty": 1}],
                "arguments": {"shipping_amount": 0, **arguments},
            }
            answer = await world.post(f"order/{key}/refund", body)
            assert answer.status == 400 and words in answer.body["message"]

    run(story)
