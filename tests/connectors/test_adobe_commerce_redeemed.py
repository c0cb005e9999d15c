"""Gift cards and store credit at Adobe Commerce: parked, or payments of an order whose parts add up."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from tests.connectors.adobe_opened import adds_up, opened, order_of
from tests.connectors.adobe_world import HOOK, World, run

from syncline.connectors.adobe_commerce.manifest import EVENT_FIELDS
from syncline.connectors.adobe_commerce.simulator import CartLine, make_keys, public_pem
from syncline.model.change import LoggedEvent
from syncline.model.delivery import Item, Result
from syncline.model.payloads import RecordPayment
from syncline.model.records import Notice, Order, Receipt
from syncline.ports import WebhookRequest

WHOLE = Decimal("53.00")  # 4 of A with tax, and shipping


def bought(world: World, redeemed: tuple[int, int], **more: Any) -> int:
    key = world.shop.checkout([CartLine("A", 4)], redeemed=redeemed, **more).order_id
    assert key is not None
    return key


def test_an_order_that_was_paid_with_them_is_parked_unless_that_is_configured():
    async def story(world: World) -> None:
        system, _ = opened(world)
        order = await order_of(world, system, bought(world, (1_000, 250)))
        assert not adds_up(order) and order.payments == ()

    run(story)


def test_they_are_payments_and_what_comes_back_is_counted_with_them():
    async def story(world: World) -> None:
        system, _ = opened(world, redeemed="payment")
        key = bought(world, (1_000, 250), paid=True)
        order = world.shop.orders[key]
        first = await order_of(world, system, key)
        assert (first.total, adds_up(first)) == (WHOLE, True)
        assert [(one.id, one.amount, one.gateway) for one in first.payments] == [
            (f"{key}-giftcardaccount", 10, "giftcardaccount"),
            (f"{key}-customerbalance", Decimal("2.5"), "customerbalance"),
            ("1", Decimal("40.5"), "checkmo"),
        ]
        assert sum(one.amount for one in first.payments) == first.total
        line = order.lines[0].item_id
        world.shop.sales.refund(order, {line: 1})
        second = await order_of(world, system, key)
        assert (second.refunds[0].amount, second.total) == (12, WHOLE - 12) and adds_up(second)
        assert order.creditmemos[0].total_minor == 0, "it went back to the card and the account"
        world.shop.sales.refund(order, {line: 3})
        third = await order_of(world, system, key)
        assert sum(one.amount for one in third.refunds) == 48 == WHOLE - third.total
        (placed,) = (await system.rereads.placed_of([str(key)])).rows
        assert placed.total == third.total
        assert not world.shop.ledger.breaches

    run(story)


def test_an_order_that_costs_nothing_any_more_has_no_payment_of_nothing():
    async def story(world: World) -> None:
        system, _ = opened(world, redeemed="payment")
        order = await order_of(world, system, bought(world, (5_300, 0), paid=True, payment="free"))
        assert [(one.id, one.amount) for one in order.payments] == [("1-giftcardaccount", WHOLE)]

    run(story)


@pytest.mark.parametrize("of_channel", [False, True])
def test_what_an_erp_received_is_told_once_all_of_it_came(of_channel):
    async def story(world: World) -> None:
        system, _ = opened(world, redeemed="payment")
        key = bought(world, (1_000, 0))
        received = WHOLE if of_channel else WHOLE - 10
        for amount, invoices in ((received - 1, 0), (received, 1), (received, 1)):
            payload = RecordPayment(str(key), Receipt("r", amount, "GBP", 0, of_channel))
            (done,) = await system.sink.deliver("record_payment", [Item("k", payload)], "key")
            assert done.result is Result.DONE and len(world.shop.orders[key].invoices) == invoices
        assert Decimal(done.facts["told"]) == WHOLE - 10

    run(story)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        (EVENT_FIELDS, Order),
        (tuple(name for name in EVENT_FIELDS if name != "base_gift_cards_amount"), Notice),
    ],
)
def test_an_event_tells_the_order_whole_or_has_it_read(fields, kind):
    async def story(world: World) -> None:
        keys = tuple(public_pem(key) for key in make_keys())
        system, _ = opened(world, redeemed="payment", event_public_keys=keys, event_client_id="us")
        world.shop.register_events(f"{HOOK}/in", "us", fields)
        runner = asyncio.get_running_loop().create_task(world.shop.run())
        bought(world, (1_000, 0))
        await world.clock.sleep(5)
        runner.cancel()
        ((at_ms, headers, body),) = world.receiver.got
        event = system.source.verify(WebhookRequest(headers, body, at_ms)).event
        (change,) = system.source.decode(LoggedEvent(1, at_ms, event))
        assert isinstance(change.value, kind)
        if isinstance(change.value, Order):
            assert (change.value.total, change.value.payments) == (WHOLE, ()) and adds_up(change.value)

    run(story)
