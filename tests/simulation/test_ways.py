"""Orders that reach us by a broker, or by a journal, and by nothing else: every one is in the ERP once, whatever goes wrong.

The shop's own list of orders shows none here, so what these ways lose is lost. The broker is down, connections break,
what is published comes twice, Syncline is killed between storing and acknowledging.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from decimal import Decimal
from functools import partial
from random import Random

import pytest
from tests.simulation.files_play import _tidy, only_death

from syncline.connectors.adobe_commerce import CONNECTOR as ADOBE
from syncline.connectors.adobe_commerce import AdobeCommerceSettings
from syncline.connectors.adobe_commerce.manifest import EVENT_FIELDS
from syncline.connectors.adobe_commerce.messages import Messages
from syncline.connectors.adobe_commerce.simulator import AdobeCommerceSimulator, CartLine
from syncline.connectors.adobe_commerce.simulator.journal import PATH
from syncline.connectors.netsuite import CONNECTOR as NETSUITE
from syncline.connectors.netsuite import NetSuiteSettings
from syncline.connectors.netsuite.simulator import NetSuiteSimulator, make_certificate
from syncline.engine.engine import Engine
from syncline.engine.routes import Route, Routes
from syncline.model.change import Cursor, Flow
from syncline.ports import Feed, Inlet, Opening, Page
from syncline.simulate.broker import InProcessBroker
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.network import FaultyTransport, NetworkFaults
from syncline.simulate.severable import SeverableStore, SeverableTransport, Switch
from syncline.simulate.transport import AsgiTransport
from syncline.stores.sqlite import SqliteStore

pytestmark = pytest.mark.simulation

START_MS = 1_772_438_400_000  # 2026-03-02T08:00:00Z
ORIGIN = "https://simulated-commerce.example"
EVENTS = "https://simulated-events.example"
TOPIC = "sales.order.saved"
SKUS = [f"SKU-{n}" for n in range(4)]
TRADE_S = 900.0
FSYNC_S = 0.02
POLL_MS = {
    "broker": 24 * 3_600_000,
    "journal": 60_000,
}  # what a broker tells is announced, not found by looking
NEVER = "2099-01-01T00:00:00Z"  # so the shop's list shows no order


class SlowStore(SeverableStore):
    """A disk on which a page takes a moment to be safe."""

    def __init__(self, inner: SqliteStore, switch: Switch, clock: VirtualClock) -> None:
        super().__init__(inner, switch)
        self._clock = clock

    async def append(self, events, *, received_at_ms, cursor=None):
        await self._clock.sleep(FSYNC_S)
        return await super().append(events, received_at_ms=received_at_ms, cursor=cursor)


class Play:
    """One seed: a shop that publishes, an ERP, and the engine between them."""

    def __init__(self, seed: int, way: str) -> None:
        self.rng = Random(seed)
        self.way = way
        self.loop = VirtualLoop(START_MS)
        self.clock = VirtualClock(self.loop)
        self.apps = AsgiTransport({})
        self.network = FaultyTransport(self.apps, self.clock, Random(self.rng.getrandbits(64)))
        self.broker = InProcessBroker("magento")
        self.switch = Switch()
        self.kills = 0
        private, public, kid = make_certificate()
        self.shop = AdobeCommerceSimulator(
            clock=self.clock, rng=Random(self.rng.getrandbits(64)), transport=self.apps, origin=ORIGIN
        )
        self.erp = NetSuiteSimulator(
            clock=self.clock,
            rng=Random(self.rng.getrandbits(64)),
            transport=self.apps,
            certificates={kid: public},
        )
        self.apps.register(ORIGIN, self.shop)
        self.apps.register(self.erp.origin, self.erp)
        self.place = self.erp.add_location("Reading")
        self.shop.add_source("reading")
        for sku in SKUS:
            self.erp.add_item(sku, sku, "10.00")
            self.erp.opening_balance(sku, self.place, 1_000)
            self.shop.add_product(sku, sku, Decimal("10.00"), {"reading": 1_000})
        tax = self.erp.add_item("SHOP-TAX", "Tax from the shop", None, kind="OthCharge", role="tax")
        web = self.erp.add_customer("web-customer", companyname="Web customer")
        more = self._by_broker() if way == "broker" else self._by_journal()
        held = self.shop.integration
        self.adobe = AdobeCommerceSettings(
            base_url=ORIGIN,
            consumer_key=held.consumer_key,
            consumer_secret=held.consumer_secret,
            access_token=held.access_token,
            access_token_secret=held.access_token_secret,
            order_source="reading",
            orders_since=NEVER,
            **more,
        )
        self.netsuite = NetSuiteSettings(
            account=self.erp.account_id,
            client_id="syncline-demo-client",
            certificate_id=kid,
            private_key=private,
            timezone="America/Los_Angeles",
            tax="keep",
            tax_item=str(tax),
            web_customer=str(web),
        )

    def _by_broker(self):
        publish = partial(self.broker.publish, "magento")
        self.publisher = self.shop.publish_orders(publish, TOPIC)
        return {
            "amqp_url": "amqps://mq.example",
            "amqp_user": "syncline",
            "amqp_password": "secret",
            "amqp_topics": ("sales.order.*",),
            "amqp_prefetch": 5,
        }

    def _by_journal(self):
        self.journal = self.shop.keep_journal("client", EVENT_FIELDS)
        self.apps.register(EVENTS, self.journal)
        return {
            "event_client_id": "client",
            "journal_url": EVENTS + PATH,
            "ims_url": EVENTS,
            "ims_org_id": self.journal.org_id,
            "ims_client_secret": self.journal.client_secret,
        }

    # --- the engine -------------------------------------------------------------------------------

    def open(self) -> None:
        self.switch = Switch()
        network = SeverableTransport(self.network, self.switch)
        opened = partial(Opening, clock=self.clock, transport=network)
        systems = [
            ADOBE.open(opened("shop", self.adobe, rng=Random(self.rng.getrandbits(64)), brokers=self._inlet)),
            NETSUITE.open(opened("erp", self.netsuite, rng=Random(self.rng.getrandbits(64)))),
        ]
        self.engine = Engine(
            store=SlowStore(self.store, self.switch, self.clock),
            clock=self.clock,
            rng=Random(self.rng.getrandbits(64)),
            systems=systems,
            routes=Routes(
                [
                    Route(Flow.INVENTORY, "erp", "shop", 3_600_000, locations={str(self.place): "reading"}),
                    Route(Flow.ORDERS, "shop", "erp", 20_000, poll_interval_ms=POLL_MS[self.way]),
                ]
            ),
            owner="embedded",
        )
        self.running = self.loop.create_task(self.engine.run())

    def _inlet(self, feed: Feed) -> Inlet:
        return self.broker.inlet(feed)

    async def kill(self) -> None:
        """As ``kill -9``: nothing that the process does counts from now on, and its connections break."""
        self.switch.cut = True
        self.broker.drop()
        self.kills += 1
        tasks = [self.running, *(task for lane in self.engine.lanes.values() for task in lane._tasks)]
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            only_death(result)
        await self.clock.sleep(self.rng.uniform(0.5, 8.0))
        self.open()

    # --- what happens -----------------------------------------------------------------------------

    async def trade(self) -> None:
        ends = self.clock.monotonic() + TRADE_S
        while self.clock.monotonic() < ends:
            await self.clock.sleep(self.rng.expovariate(1 / 10.0))
            cart = [CartLine(sku, self.rng.randint(1, 4)) for sku in self.rng.sample(SKUS, 2)]
            self.shop.checkout(cart)
            if self.rng.random() < 0.06:
                # The worst moment for one who acknowledges too early: what has come is being stored.
                await self.clock.sleep(FSYNC_S / 2)
                await self.kill()
            if self.rng.random() < 0.2:
                order = self.rng.choice(list(self.shop.orders.values()))
                self.shop.sales.cancel(order)

    async def trouble(self) -> None:
        while True:
            await self.clock.sleep(self.rng.uniform(5, 60))
            kind = self.rng.randrange(5)
            if kind == 0:
                self.broker.down = True
                self.broker.drop()
                if self.way == "journal":
                    self.journal.down = True
            elif kind == 1:
                self.broker.drop()
            elif kind == 2:
                self.shop.faults.webhook_copies_max = 3
            elif kind == 3:
                self.network.faults = NetworkFaults(0.05, 0.2, 0.05, 0.05, 500)
            elif self.way == "journal":
                self.journal.revoke()
            await self.clock.sleep(self.rng.uniform(5, 60))
            self.calm()

    def calm(self) -> None:
        self.broker.down = False
        self.network.faults = NetworkFaults()
        self.shop.faults.webhook_copies_max = 1
        if self.way == "journal":
            self.journal.down = False

    def play(self) -> list[str]:
        try:
            return self.loop.run_until_complete(self._play())
        finally:
            self.loop.run_until_complete(_tidy())
            self.loop.close()

    async def _play(self) -> list[str]:
        self.store = SqliteStore.open(":memory:", now_ms=START_MS)
        self.open()
        self.loop.create_task(self.shop.run())
        self.loop.create_task(self.erp.run())
        await self.clock.sleep(120.0)
        trouble = self.loop.create_task(self.trouble())
        await self.trade()
        trouble.cancel()
        self.calm()
        await self.clock.sleep(3_600.0)
        problems = self.differences()
        rows = await self.store.read("parked_open", after=0, limit=20)
        problems += [f"parked: {row}" for row in rows]
        if self.running.done():
            problems.append(f"the engine ended: {self.running.exception()!r}")
        if self.broker.waiting("syncline"):
            problems.append("the broker still waits for acknowledgements")
        return problems + [f"breach: {kind}" for kind in self.shop.ledger.breaches]

    def differences(self) -> list[str]:
        found = []
        booked = {
            int(reference.rpartition("-")[2]): orders
            for reference, orders in self.erp.sales_orders_by_external_id().items()
        }
        for key, order in self.shop.orders.items():
            there = booked.get(key, [])
            wanted: Counter[str] = Counter()
            for line in order.lines:
                wanted[line.sku] += line.ordered - line.canceled - line.refunded
            if not there and not +wanted:
                continue  # gone before the ERP had to know
            if len(there) != 1:
                found.append(f"order {order.increment_id} is {len(there)} times in the ERP")
                continue
            has: Counter[str] = Counter()
            for line in there[0].lines:
                if line.sku in SKUS:
                    has[line.sku] += 0 if line.closed else line.quantity
            if +has != +wanted:
                found.append(f"order {order.increment_id} wants {+wanted}, the ERP has {+has}")
        return found


@pytest.mark.parametrize(("number", "way"), [(1, "broker"), (2, "broker"), (3, "journal")])
def test_every_order_reaches_the_erp_once_by_this_way_alone(number, way):
    play = Play(number, way)
    assert play.play() == []
    assert len(play.shop.orders) > 40 and play.kills > 1, "nothing to check"


def test_one_who_acknowledges_before_storing_loses_orders(monkeypatch):
    async def hasty(self: Messages, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        await self._inlet.open(self._arrived)
        place = Cursor(self._name, "messages", "", 0)
        while messages := self._inlet.take(100):
            await self._inlet.accept(messages)
            yield Page(tuple(map(self._event, messages)), place, last=False)
        yield Page((), place, last=True)

    monkeypatch.setattr(Messages, "poll", hasty)
    problems = Play(1, "broker").play()
    assert any("is 0 times in the ERP" in problem for problem in problems), problems
