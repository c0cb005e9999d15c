"""An engine between a simulated Adobe Commerce shop and an ERP: orders that the ERP is not told of yet, and what an order comes to there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from syncline.connectors.adobe_commerce.simulator import AdobeCommerceSimulator, CartLine
from syncline.engine.engine import Engine
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.history import StockCase
from syncline.simulate.transport import AsgiTransport
from syncline.simulate.world import Pace
from syncline.simulate.world import World as Simulated
from syncline.stores.sqlite import SqliteStore
from syncline.testing.bench import START_MS

SKUS = ("A", "B", "C")
FIXED_TAX_OF = "B"  # the side of the simulation gives every third product one; a family comes first


class World:
    """A shop, an ERP, and an engine between them that polls every minute."""

    def __init__(self, loop: VirtualLoop, erp: str) -> None:
        self.clock = VirtualClock(loop)
        transport = AsgiTransport({})
        pace = Pace(poll_ms=60_000)
        self.world = world = Simulated(
            clock=self.clock, rng=Random(1), transport=transport, pace=pace, channel="adobe-commerce", erp=erp
        )
        goods = StockCase(
            dict.fromkeys(SKUS, 50), dict.fromkeys(SKUS, "Mug"), dict.fromkeys(SKUS, Decimal("2.50"))
        )
        world.trade.stock(goods, SKUS)
        for side in world.sides():
            for origin in side.origins():
                transport.register(origin, side.simulator)
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        self.engine: Engine = world.open_engine(store, world.open_systems(transport, Random(2)), Random(3))

    @property
    def shop(self) -> AdobeCommerceSimulator:
        return self.world.shop_side.simulator  # type: ignore[attr-defined, no-any-return]

    def buy(self, sku: str = "A", **more: Any) -> int:
        done = self.shop.checkout([CartLine(sku, 2)], **more)
        assert done.order_id is not None, done.refusal
        return done.order_id

    def in_erp(self, key: int) -> list[Any]:
        """The ERP's orders for one of the shop's."""
        return list(self.world.erp_side.orders().get(f"shop-{key}", ()))

    async def proved(self) -> dict[str, int]:
        """What a proof of orders finds, by cause."""
        (proof,) = await self.engine.reconciler.ask(flow="orders", route="", dry_run=True, by="somebody")
        await self.clock.sleep(1_800)
        assert proof.over and proof.rows
        return proof.counts

    async def pay(self, key: int) -> None:
        order = self.shop.orders[key]
        self.shop.sales.invoice(order, None, capture=True)
        await self.clock.sleep(600)


def play(story: Callable[[World], Awaitable[None]], erp: str = "netsuite") -> None:
    loop = VirtualLoop(START_MS)
    world = World(loop, erp)

    async def run() -> None:
        running = loop.create_task(world.engine.run())
        try:
            await world.clock.sleep(300)
            await story(world)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    try:
        loop.run_until_complete(run())
        assert world.shop.check() == []
    finally:
        loop.close()


WAIT_S = 1_200


@pytest.mark.parametrize("state", ["pending_payment", "payment_review"])
def test_the_erp_hears_of_an_order_when_its_payment_came(state):
    async def story(w: World) -> None:
        key = w.buy(begins=state)
        usual = w.buy()
        await w.clock.sleep(600)
        assert await w.proved() == {}, "nothing is missing in the ERP"
        assert w.in_erp(key) == [] and len(w.in_erp(usual)) == 1
        order = w.shop.orders[key]
        order.state, order.status = "new", "pending"  # the provider has no doubts any more
        await w.pay(key)
        assert [booked.total for booked in w.in_erp(key)] == [w.world.shop_side.total(key)]

    play(story)


def test_an_order_that_was_never_paid_never_comes_to_the_erp():
    async def story(w: World) -> None:
        key = w.buy(begins="pending_payment")
        await w.clock.sleep(600)
        assert w.shop.sales.cancel(w.shop.orders[key])
        await w.clock.sleep(WAIT_S)
        assert w.in_erp(key) == []

    play(story)


def test_an_order_that_is_stopped_waits_and_one_that_the_erp_knows_stays():
    async def story(w: World) -> None:
        stopped = w.buy()
        w.shop.sales.hold(w.shop.orders[stopped])
        known = w.buy()
        await w.clock.sleep(WAIT_S)
        assert w.in_erp(stopped) == [] and len(w.in_erp(known)) == 1
        w.shop.sales.hold(w.shop.orders[known])
        w.shop.sales.unhold(w.shop.orders[stopped])
        await w.clock.sleep(WAIT_S)
        assert len(w.in_erp(stopped)) == len(w.in_erp(known)) == 1

    play(story)


@pytest.mark.parametrize("erp", ["netsuite", "business-central"])
def test_an_order_with_a_fixed_product_tax_comes_to_the_same_there(erp):
    async def story(w: World) -> None:
        assert list(w.shop.state.fixed_taxes) == [FIXED_TAX_OF]
        key = w.buy(FIXED_TAX_OF)
        await w.clock.sleep(1_200)
        (booked,) = w.in_erp(key)
        assert booked.total == w.world.shop_side.total(key)
        order = w.shop.orders[key]
        assert booked.total > Decimal(order.lines[0].net_minor + order.lines[0].tax_minor + 500) / 100

    play(story, erp)
