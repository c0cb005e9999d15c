"""Fixed product taxes (WEEE) at Adobe Commerce: in an order's total, its documents and its events, and in what an ERP is told."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from tests.connectors.adobe_opened import adds_up, opened, order_of
from tests.connectors.adobe_world import HOOK, World, run

from syncline.connectors.adobe_commerce import mapping, wire
from syncline.connectors.adobe_commerce.manifest import EVENT_FIELDS
from syncline.connectors.adobe_commerce.simulator import CartLine, make_keys, public_pem
from syncline.engine.codec import order_fingerprint
from syncline.engine.delivery.build import sum_fault
from syncline.model.change import LoggedEvent
from syncline.model.copying import replace
from syncline.model.delivery import Item, Result
from syncline.model.errors import Rejected
from syncline.model.payloads import RecordPayment
from syncline.model.records import Notice, Order, OrderLine, Receipt
from syncline.ports import WebhookRequest


def taxed(world: World, *, with_tax: bool = False, in_subtotal: bool = False) -> None:
    world.shop.add_fixed_tax("A", Decimal("2.40"))
    world.shop.add_fixed_tax("C", Decimal("0.33"))
    world.shop.state.fixed_taxes_taxed = with_tax
    world.shop.state.fixed_taxes_in_subtotal = in_subtotal


@pytest.mark.parametrize("with_tax", [False, True])
@pytest.mark.parametrize("in_subtotal", [False, True])
def test_an_order_adds_up_whatever_became_of_it(with_tax, in_subtotal):
    async def story(world: World) -> None:
        taxed(world, with_tax=with_tax, in_subtotal=in_subtotal)
        system, _ = opened(world)
        cart = [CartLine("A", 3, discount_minor=101), CartLine("B", 7), CartLine("C", 2)]
        key = world.shop.checkout(cart, paid=True).order_id
        assert key is not None
        order = world.shop.orders[key]
        first = await order_of(world, system, key)
        assert first.charges == 3 * Decimal("2.40") + 2 * Decimal("0.33")
        assert adds_up(first) and not sum_fault(first, Decimal(0))
        assert first.total == Decimal(order.grand_minor) / 100 == first.payments[0].amount
        goods, fixed = Decimal("28.99") + Decimal("23.31") + 14, first.charges
        assert first.tax - sum(line.tax for line in first.lines) == (
            ((Decimal("7.20") * 20 / 100) + Decimal("0.13")) if with_tax else 0
        )
        assert first.total - first.tax - 5 == goods + fixed
        a, c = order.lines[0], order.lines[2]
        world.shop.sales.ship(order, {a.item_id: 3}, (), "default")
        world.shop.sales.refund(order, {a.item_id: 1, c.item_id: 2})
        second = await order_of(world, system, key)
        assert second.charges == 2 * Decimal("2.40") and adds_up(second)
        assert second.total == first.total - second.refunds[0].amount
        world.shop.sales.refund(order, {a.item_id: 2, order.lines[1].item_id: 7})
        third = await order_of(world, system, key)
        assert (third.charges, third.total, adds_up(third)) == (0, 5, True), "shipping is left"
        assert not world.shop.ledger.breaches

    run(story)


def test_a_cancelled_order_has_none():
    async def story(world: World) -> None:
        taxed(world, with_tax=True)
        system, _ = opened(world)
        key = world.buy(("A", 3))
        world.shop.sales.cancel(world.shop.orders[key])
        order = await order_of(world, system, key)
        assert (order.charges, order.tax, adds_up(order)) == (0, 0, True)

    run(story)


@pytest.mark.parametrize("with_tax", [False, True])
def test_those_of_a_variant_are_on_the_child_and_missing_in_the_invoice(with_tax):
    async def story(world: World) -> None:
        taxed(world, with_tax=with_tax)
        world.shop.add_product("SHIRT", "Shirt", Decimal(0), {}, kind="configurable")
        system, _ = opened(world)
        key = world.shop.checkout([CartLine("A", 2, configurable="SHIRT")]).order_id
        assert key is not None
        order = await order_of(world, system, key)
        assert (order.charges, adds_up(order)) == (Decimal("4.80"), True)
        assert order.total == Decimal(world.shop.orders[key].grand_minor) / 100
        # The ERP received all of it. The shop's invoice is short, so the order stays due there; nothing can be added to it.
        payload = RecordPayment(str(key), Receipt(f"shop-{key}", order.total, "GBP", 0))
        for _ in range(2):
            (done,) = await system.sink.deliver("record_payment", [Item("k", payload)], "key")
            assert done.result is Result.DONE
            assert Decimal(done.facts["told"]) == order.total - Decimal("4.80")
        assert await system.sink.look_up("record_payment", Item("k", payload)) == done
        assert len(world.shop.orders[key].invoices) == 1

    run(story)


def test_an_invoice_that_is_not_paid_still_waits_for_a_person():
    async def story(world: World) -> None:
        system, _ = opened(world)
        key = world.buy(("A", 2))
        order = world.shop.orders[key]
        world.shop.sales._book(order, [(line, line.ordered) for line in order.lines], paid=False)
        payload = RecordPayment(str(key), Receipt("r", Decimal(order.grand_minor) / 100, "GBP", 0))
        (refused,) = await system.sink.deliver("record_payment", [Item("k", payload)], "key")
        assert refused.result is Result.REJECTED and "without products" in refused.message

    run(story)


def events(fields: tuple[str, ...], *, with_tax: bool = True) -> list[Any]:
    found: list[Any] = []

    async def story(world: World) -> None:
        taxed(world, with_tax=with_tax)
        keys = tuple(public_pem(key) for key in make_keys())
        system, _ = opened(world, event_public_keys=keys, event_client_id="us")
        world.shop.register_events(f"{HOOK}/in", "us", fields)
        runner = asyncio.get_running_loop().create_task(world.shop.run())
        key = world.buy(("A", 2))
        await world.clock.sleep(5)
        runner.cancel()
        ((at_ms, headers, body),) = world.receiver.got
        event = system.source.verify(WebhookRequest(headers, body, at_ms)).event
        (change,) = system.source.decode(LoggedEvent(1, at_ms, event))
        found.extend((change.value, await order_of(world, system, key)))

    run(story)
    return found


def test_an_event_tells_them_as_a_read_does_or_has_the_order_read():
    told, read = events(EVENT_FIELDS)
    assert isinstance(told, Order) and adds_up(told)
    assert (told.charges, told.tax, told.total) == (read.charges, read.tax, read.total)
    few = tuple(name for name in EVENT_FIELDS if "weee" not in name)
    assert isinstance(events(few)[0], Notice), "the parts do not make the total"
    untold = tuple(name for name in EVENT_FIELDS if name != "items[].weee_tax_applied")
    assert isinstance(events(untold)[0], Notice), "how they are taxed is not told"


def test_an_order_without_any_is_to_an_erp_what_it_was_before_there_were_such():
    line = OrderLine("l", "A", "A", Decimal(2), Decimal("1.50"))
    none = Order("1", "#1", 0, 0, "GBP", (line,), Decimal(1), Decimal(0), Decimal(4))
    assert order_fingerprint(none) == "a822f2eecd96e9e9"
    assert order_fingerprint(replace(none, charges=Decimal(1))) != order_fingerprint(none)


@pytest.mark.parametrize(
    "applied",
    [
        "no list",
        '{"base_row_amount": 1}',
        '[{"base_row_amount_incl_tax": "NaN"}]',
        '[{"base_row_amount_incl_tax": 1e300}]',
        '[{"base_row_amount": -1e300}]',
    ],
)
def test_what_is_told_of_them_and_cannot_be_meant_is_parked(applied):
    item = {"item_id": 1, "sku": "A", "qty_ordered": 2, "base_price": 5, "base_row_total": 10}
    item |= {"product_type": "simple", "base_weee_tax_applied_row_amnt": 1, "weee_tax_applied": applied}
    head = {"entity_id": 7, "increment_id": "7", "state": "new", "base_grand_total": 11}
    head |= dict.fromkeys(("created_at", "updated_at"), "2026-07-01 09:00:00")
    body = json.dumps(head | {"base_currency_code": "GBP", "items": [item]}).encode()
    with pytest.raises(Rejected, match="weee_tax_applied"):
        mapping.order_from_event(wire.decode(body, wire.Order, "order"))


def test_floats_of_php_are_rounded():
    applied = '[{"base_row_amount": 0.1, "base_row_amount_incl_tax": 0.30000000000000004}]'
    item = wire.OrderItem(1, "A", Decimal(1), Decimal(1), Decimal(1), "simple", weee_tax_applied=applied)
    assert mapping._tax_on_fixed(item) == Decimal("0.20")
