"""The kiosk beside an ERP under faults: once they stop, its numbers are right and each sale is in the ERP once."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from random import Random

import pytest

from syncline.connectors.netsuite import CONNECTOR as NETSUITE
from syncline.engine.engine import Engine
from syncline.engine.routes import Route, Routes
from syncline.inventory.rules import Layer, Level, Rules, fixed
from syncline.model.change import Flow
from syncline.model.errors import Misconfigured
from syncline.ports import Opening
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.history import StockCase
from syncline.simulate.network import FaultyTransport
from syncline.simulate.transport import AsgiTransport
from syncline.simulate.world import World
from syncline.stores.sqlite import SqliteStore
from syncline.testing.bench import START_MS
from syncline.testing.kiosk import CONNECTOR
from syncline.testing.kiosk.bench import URL
from syncline.testing.kiosk.connector import COUNTER, KioskSettings
from syncline.testing.kiosk.simulator import TOKEN, KioskSimulator

SKUS = {f"SKU-{n}": 40 + n for n in range(5)}
BUFFER = 1
ACTS = 80
QUIET_S = 3 * 3600


class Shop:
    """A kiosk, a simulated ERP, an engine between them, and the people at both."""

    def __init__(self, loop: VirtualLoop, rng: Random) -> None:
        self.clock, self.rng = VirtualClock(loop), rng
        apps = AsgiTransport({})
        self.network = FaultyTransport(apps, self.clock, Random(rng.random()))
        self.world = world = World(clock=self.clock, rng=Random(rng.random()), transport=apps)
        self.erp, self.place = world.erp, world.trade.locations[0][0]
        goods = StockCase(SKUS, dict.fromkeys(SKUS, "Mug"), dict.fromkeys(SKUS, Decimal("2.50")))
        world.trade.stock(goods, SKUS)
        self.kiosk = KioskSimulator(clock=self.clock, rng=Random(rng.random()), stock=dict.fromkeys(SKUS, 0))
        apps.register(self.erp.origin, self.erp)
        apps.register(URL, self.kiosk)
        self.sold: list[str] = []
        self.engine = self.engine_with(world)

    def engine_with(self, world: World, *more: Route) -> Engine:
        rules = Rules([Layer(Level.CHANNEL, {"buffer": fixed(BUFFER)})])
        stock = Route(
            Flow.INVENTORY,
            "erp",
            "kiosk",
            60_000,
            locations={str(self.place): COUNTER},
            rules=rules,
            poll_interval_ms=30_000,
            reconcile_interval_ms=3_600_000,
        )
        sales = Route(Flow.ORDERS, "kiosk", "erp", 60_000, poll_interval_ms=30_000)
        routes = Routes([stock, sales, *more])
        settings = KioskSettings(url=URL, token=TOKEN)
        systems = [
            CONNECTOR.open(Opening("kiosk", settings, self.clock, Random(2), self.network)),
            NETSUITE.open(Opening("erp", world.settings()[1], self.clock, Random(3), self.network)),
        ]
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        return Engine(
            store=store, clock=self.clock, rng=Random(4), systems=systems, routes=routes, owner="embedded"
        )

    def act(self) -> None:
        """Somebody does something somewhere."""
        sku, what = self.rng.choice(list(SKUS)), self.rng.random()
        if what < 0.4:
            if self.kiosk.stock[sku] > 2:
                self.sold.append(self.kiosk.sell(sku, self.rng.randint(1, 2), "2.50"))
        elif what < 0.55:
            self._come_back()
        elif what < 0.8:
            self.erp.receive(sku, self.place, self.rng.randint(1, 3))
        elif self.erp.available(sku, self.place) > 12:
            self.erp.withdraw(sku, self.place, 1, by="warehouse")

    def _come_back(self) -> None:
        if not self.sold:
            return
        number = self.rng.choice(self.sold)
        sale = self.kiosk.sales[int(number)]
        more = self.rng.choice((1, -1))
        if sale["quantity"] + more > 0 and self.kiosk.stock[sale["sku"]] >= more:
            self.kiosk.change(number, sale["quantity"] + more)

    def trouble(self) -> None:
        """Change what goes wrong at the kiosk and on the way."""
        faults = self.kiosk.faults
        faults.error_before_rate, faults.error_after_rate, faults.throttle_rate = (
            self.rng.choice((0.0, 0.0, 0.3)) for _ in range(3)
        )
        faults.down = self.rng.random() < 0.1
        self.network.faults.lose_answer_rate = self.rng.choice((0.0, 0.3))

    def peace(self) -> None:
        """Nothing goes wrong any more."""
        faults = self.kiosk.faults
        faults.error_before_rate = faults.error_after_rate = faults.throttle_rate = 0.0
        faults.down = False
        self.network.faults.lose_answer_rate = 0.0


def test_a_route_that_the_kiosk_cannot_take_is_refused_at_the_start():
    loop = VirtualLoop(START_MS)
    try:
        shop = Shop(loop, Random(1))
        parcels = Route(Flow.ORDER_STATUS, "erp", "kiosk", 3_600_000)
        with pytest.raises(Misconfigured, match=r"kiosk has no way to .*; take the route out"):
            shop.engine_with(shop.world, parcels)
    finally:
        loop.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.slow
def test_the_kiosk_converges_once_faults_stop(seed):
    loop = VirtualLoop(START_MS)
    shop = Shop(loop, Random(seed))

    async def story() -> None:
        running = loop.create_task(shop.engine.run())
        await shop.clock.sleep(120)
        for _ in range(ACTS):
            shop.trouble()
            shop.act()
            await shop.clock.sleep(shop.rng.uniform(1, 90))
        shop.peace()
        await shop.clock.sleep(QUIET_S)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    try:
        loop.run_until_complete(story())
        wanted = {sku: max(0, shop.erp.available(sku, shop.place) - BUFFER) for sku in SKUS}
        assert shop.kiosk.stock == wanted
        orders = shop.erp.sales_orders_by_external_id()
        found = {
            number: [line.quantity for order in orders[f"kiosk-{number}"] for line in order.lines]
            for number in shop.sold
        }
        assert found == {number: [shop.kiosk.sales[int(number)]["quantity"]] for number in shop.sold}
        assert len(orders) == len(shop.sold) > 10
        assert any(sale["revision"] > 1 for sale in shop.kiosk.sales.values())
        assert not shop.kiosk.ledger.breaches and not shop.kiosk.laws()
        assert shop.network.met["answer lost"]
    finally:
        loop.close()
