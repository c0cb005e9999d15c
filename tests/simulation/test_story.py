"""The demo's story on a virtual clock, between any ERP and any channel: every promise is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from random import Random

import pytest

from syncline.cli.demo_run import DEMO_PACES, choose
from syncline.model.change import Flow
from syncline.simulate import story as tale
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.contract import Contract
from syncline.simulate.hooks import HooksApp
from syncline.simulate.network import FaultyTransport
from syncline.simulate.scenes import Scenes, storefront
from syncline.simulate.story import Outcome, Story, orders_per_s
from syncline.simulate.transport import AsgiTransport
from syncline.simulate.world import World
from syncline.stores.sqlite import SqliteStore
from syncline.web.access import Role
from syncline.web.serve import Service

START_MS = 1_772_438_400_000  # 2026-03-02T08:00:00Z
HOOKS = "https://syncline.simulated"
API = "https://api.syncline.simulated"
PAIRS = [
    (erp, channel) for erp in ("netsuite", "business-central") for channel in ("shopify", "adobe-commerce")
]

pytestmark = pytest.mark.simulation


def played(
    erp: str, channel: str, seconds: float, seed: int, without: Collection[Flow] = ()
) -> tuple[Outcome, list[str]]:
    """The story from its beginning to its count, and what it said."""
    loop = VirtualLoop(START_MS)
    clock = VirtualClock(loop)
    apps = AsgiTransport({})
    said: list[str] = []

    async def story() -> Outcome:
        rng = Random(seed)
        world = World(
            clock=clock, rng=rng, transport=apps, pace=DEMO_PACES[erp], sockets=True, erp=erp, channel=channel
        )
        orders, case = choose(
            None, seed, seconds, None, rate=orders_per_s(world), spelt=world.erp_side.spelt,
            skus_max=world.shop_side.products_max,
        )  # fmt: skip
        world.trade.stock(case, sorted({line.sku for order in orders for line in order.lines}))
        contract = Contract(world, rng)
        contract.open(case.prices)
        scenes = Scenes(world, rng)
        scenes.open()
        world.more_routes = [route for route in world.more_routes if route.flow not in without]
        for side in world.sides():
            for origin in side.origins():
                apps.register(origin, side.simulator)
        hooks = HooksApp()
        apps.register(HOOKS, hooks)
        line = FaultyTransport(apps, clock, rng)
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        engine = world.open_engine(store, world.open_systems(apps, rng, erp_transport=line), rng)
        hooks.engine = engine
        service = Service.build(engine, store, clock, secret=b"s" * 32, public_url=API)
        apps.register(API, service.app)
        till = await service.access.add("till", Role.CHECKOUT, by="test")
        people = [*world.run_people(), loop.create_task(engine.run())]
        await world.connect(engine, lambda system: f"{HOOKS}/hooks/{system}")
        told = Story(
            world=world,
            engine=engine,
            line=line,
            contract=contract,
            scenes=scenes,
            ask=storefront(apps, API, till),
            clock=clock,
            rng=rng,
            orders=orders,
            seconds=seconds,
            speed=None,
            say=said.append,
            on_progress=lambda share: None,
        )
        assert await told.until_ready()
        await told.play()
        await told.drain()
        outcome = await told.outcome(seed)
        for task in people:
            task.cancel()
        await asyncio.gather(*people, return_exceptions=True)
        await engine.stop()
        return outcome

    try:
        return loop.run_until_complete(story()), said
    finally:
        for task in (left := asyncio.all_tasks(loop)):
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.close()


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_every_promise_is_kept(pair):
    erp, channel = pair
    outcome, said = played(erp, channel, 50.0 if erp == "business-central" else 8.0, seed=1)
    assert outcome.broken() == []
    truth = outcome.truth
    assert truth.orders_placed >= 20 and truth.fulfilments_at_shop >= 15, "nothing to check"
    assert truth.payments_taken == truth.payments_in_erp > 10
    assert outcome.lag_ms["inventory"].changes > 10 and outcome.lag_ms["orders"].changes >= 20
    assert outcome.contract_prices_changed == 1 and outcome.lag_ms["prices"].changes > 1
    assert any("lost" in sentence for sentence in said)
    scened = outcome.scened
    assert (scened.companies, scened.products_made, scened.invoices_paid, scened.returns) == (2, 1, 1, 1)
    assert (scened.credit_approved, scened.credit_refused) == (1, 1)
    assert set(outcome.lag_ms) == {
        "inventory", "orders", "order_status", "prices", "catalog", "customers", "credit", "payments", "returns",
    }  # fmt: skip
    assert min(lag.changes for lag in outcome.lag_ms.values()) > 0
    for told in ("company is made", "product", "approve", "deny", "bank transfer", "come back"):
        assert any(told in sentence for sentence in said), told


def test_no_more_skus_are_played_than_the_shop_takes_at_first():
    every, case = choose(None, 1, 8.0, None)
    few, same = choose(None, 1, 8.0, None, skus_max=5)
    assert len({line.sku for order in every for line in order.lines}) > 5
    assert len({line.sku for order in few for line in order.lines}) == 5
    assert len(few) == len(every) and all(order.lines for order in few)
    assert same.prices == case.prices


def test_without_their_routes_the_promises_are_broken():
    lacking = (Flow.CUSTOMERS, Flow.PAYMENTS, Flow.RETURNS)
    outcome, _ = played("netsuite", "shopify", 8.0, seed=1, without=lacking)
    scened = outcome.scened
    assert (scened.companies_wrong, scened.invoices_wrong, scened.returns_wrong) == (2, 1, 1)
    assert scened.credit_wrong == 1, "nobody is there to be told of it"
    assert len(outcome.broken()) == 4


def test_what_is_lost_or_differs_is_named(monkeypatch):
    monkeypatch.setattr(tale, "DRAIN_S", 0.0)
    outcome, _ = played("netsuite", "shopify", 8.0, seed=1)
    truth = outcome.truth
    assert truth.orders_lost and truth.stock_mismatches, "nothing to check"
    orders = [sentence for sentence in outcome.unsettled if "is not in the ERP; Syncline: " in sentence]
    numbers = [sentence for sentence in outcome.unsettled if "the shop shows" in sentence]
    assert len(orders) == min(truth.orders_lost, tale.UNSETTLED_MAX)
    assert len(numbers) == min(truth.stock_mismatches, tale.UNSETTLED_MAX)
    assert len(orders) + len(numbers) == len(outcome.unsettled)
    assert any("put_order" in sentence for sentence in orders)


def test_a_warehouse_that_breaks_down_is_no_promise_kept(monkeypatch):
    async def broken(self):
        raise RuntimeError("nobody ships")

    monkeypatch.setattr(Story, "_staff", broken)
    with pytest.raises(ExceptionGroup) as group:
        played("netsuite", "shopify", 2.0, seed=1)
    assert [str(error) for error in group.value.exceptions] == ["nobody ships"]


def test_a_storefront_that_gets_no_decision_says_so():
    async def story():
        apps = AsgiTransport({})

        async def closed(scope, receive, send):
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b"catching up"})

        apps.register(API, closed)
        with pytest.raises(RuntimeError, match="no decision about credit: 503 b'catching up'"):
            await storefront(apps, API, "token")({})

    asyncio.run(story())


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_what_the_shop_does_not_show_is_counted(pair):
    erp, channel = pair
    loop = VirtualLoop(START_MS)
    try:
        clock = VirtualClock(loop)
        world = World(
            clock=clock, rng=Random(1), transport=AsgiTransport({}), sockets=True, erp=erp, channel=channel
        )
        scenes = Scenes(world, Random(1))
        Contract(world, Random(1)).open({})
        scenes.open()
        scenes.company_comes()
        scenes.product_comes()

        async def both_times(question):
            return {"decision": "approve", "message": ""}

        async def twice():
            await scenes.checkout(both_times)
            await scenes.checkout(both_times)

        loop.run_until_complete(twice())
        counted = scenes.counted()
        assert (counted.companies_wrong, counted.products_wrong) == (2, 1)
        assert counted.credit_approved == 1 and counted.credit_wrong == 2, "oversold, and not told"
        assert scenes.wrong() == 5
        assert not scenes.done()
    finally:
        loop.close()
