"""The demo's story on a virtual clock, between any ERP and any channel: every promise is kept."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from syncline.cli.demo_run import DEMO_PACES, choose
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.contract import Contract
from syncline.simulate.hooks import HooksApp
from syncline.simulate.network import FaultyTransport
from syncline.simulate.story import Outcome, Story, orders_per_s
from syncline.simulate.transport import AsgiTransport
from syncline.simulate.world import World
from syncline.stores.sqlite import SqliteStore

START_MS = 1_772_438_400_000  # 2026-03-02T08:00:00Z
HOOKS = "https://syncline.simulated"
PAIRS = [
    (erp, channel) for erp in ("netsuite", "business-central") for channel in ("shopify", "adobe-commerce")
]

pytestmark = pytest.mark.simulation


def played(erp: str, channel: str, seconds: float, seed: int) -> tuple[Outcome, list[str]]:
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
        orders, case = choose(None, seed, seconds, None, rate=orders_per_s(world), spelt=world.erp_side.spelt)
        world.trade.stock(case, sorted({line.sku for order in orders for line in order.lines}))
        contract = Contract(world, rng)
        contract.open(case.prices)
        for side in world.sides():
            for origin in side.origins():
                apps.register(origin, side.simulator)
        hooks = HooksApp()
        apps.register(HOOKS, hooks)
        line = FaultyTransport(apps, clock, rng)
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        engine = world.open_engine(store, world.open_systems(apps, rng, erp_transport=line), rng)
        hooks.engine = engine
        people = [*world.run_people(), loop.create_task(engine.run())]
        await world.connect(engine, lambda system: f"{HOOKS}/hooks/{system}")
        told = Story(
            world=world,
            engine=engine,
            line=line,
            contract=contract,
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
        loop.close()


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_every_promise_is_kept(pair):
    erp, channel = pair
    outcome, said = played(erp, channel, 60.0 if erp == "business-central" else 20.0, seed=1)
    assert outcome.broken() == []
    truth = outcome.truth
    assert truth.orders_placed >= 20 and truth.fulfilments_at_shop >= 15, "nothing to check"
    assert truth.payments_taken == truth.payments_in_erp > 10
    assert outcome.lag_ms["inventory"].changes > 20 and outcome.lag_ms["orders"].changes >= 20
    assert outcome.contract_prices_changed == 1 and outcome.lag_ms["prices"].changes > 1
    assert any("lost" in sentence for sentence in said)
