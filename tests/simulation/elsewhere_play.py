"""Business Central and Adobe Commerce, played with faults and kills; what people do and what is right is the tests' own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal
from random import Random
from types import MappingProxyType
from typing import Any

from tests.simulation.alone import ALONE

from syncline.connectors.adobe_commerce import CONNECTOR as ADOBE
from syncline.connectors.adobe_commerce import AdobeCommerceSettings
from syncline.connectors.adobe_commerce.simulator import AdobeCommerceSimulator
from syncline.connectors.business_central import CONNECTOR as CENTRAL
from syncline.connectors.business_central import BusinessCentralSettings
from syncline.connectors.business_central.simulator import (
    CLIENT_ID,
    CLIENT_SECRET,
    BusinessCentralSimulator,
)
from syncline.engine.engine import Engine
from syncline.engine.routes import Route, Routes
from syncline.model.copying import replace
from syncline.ports import Opening, System, Transport
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.network import FaultyTransport, NetworkFaults
from syncline.simulate.severable import SeverableStore, SeverableTransport, Switch
from syncline.simulate.transport import AsgiTransport
from syncline.stores.sqlite import SqliteStore

START_MS = 1_772_438_400_000  # 2026-03-02T08:00:00Z
ORIGIN = "https://simulated-commerce.example"
SKUS = [f"SKU-{n}" for n in range(12)]
CURRENCY = "GBP"
STEP_S = 600.0
ALWAYS = NetworkFaults(0.03, 0.1, 0.03, 0.03)


class Play:
    """One seed. A play names its routes, what people do, and what is wrong in the books of both sides."""

    hours = 6
    agree_s_max = 5 * 3_600.0  # once faults stop
    act_every_s = 500.0
    bulk_from = 2  # products that one call takes before they go through the shop's queue
    shop_more: Mapping[str, Any] = MappingProxyType({})  # settings besides
    erp_more: Mapping[str, Any] = MappingProxyType({})
    outside: Transport | None = None  # where addresses of records lead

    def __init__(self, seed: int, *, faults: bool = True, kills: int = 4) -> None:
        self.rng = Random(seed)
        self.faults, self.kills = faults, kills
        self.loop = VirtualLoop(START_MS)
        self.clock = VirtualClock(self.loop)
        self.apps = AsgiTransport({})
        self.wire = FaultyTransport(self.apps, self.clock, Random(self.rng.getrandbits(64)))
        self.shop = AdobeCommerceSimulator(
            clock=self.clock,
            rng=Random(self.rng.getrandbits(64)),
            transport=self.apps,
            origin=ORIGIN,
            input_limits=True,
        )
        self.make_erp()
        self.apps.register(ORIGIN, self.shop)
        place = self.shop.add_source("here")
        for sku in SKUS:
            self.shop.add_product(sku, sku, Decimal("10.00"), {place: 1})
        self.store = SqliteStore.open(":memory:", now_ms=START_MS)

    def run(self) -> list[str]:
        """What was wrong."""
        try:
            return self.loop.run_until_complete(self.play())
        finally:
            self.loop.close()

    def make_erp(self) -> None:
        self.erp: Any = BusinessCentralSimulator(
            clock=self.clock, rng=Random(self.rng.getrandbits(64)), transport=self.apps
        )
        for origin in self.erp.origins:
            self.apps.register(origin, self.erp)
        for sku in SKUS:
            self.erp.add_item(sku, sku, "10.00")

    def open_erp(self, opening: Callable[[Any], Opening]) -> System:
        settings = BusinessCentralSettings(
            tenant=self.erp.tenant,
            company_id=self.erp.company_id,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            web_customer="10000",
            currency=CURRENCY,
            **self.erp_more,
        )
        return CENTRAL.open(opening(settings))

    # --- of a play's own --------------------------------------------------------------------------

    def routes(self) -> list[Route]:
        raise NotImplementedError

    def act(self) -> None:
        """People change something in the ERP."""
        raise NotImplementedError

    def problems(self) -> list[str]:
        """In what the two sides do not agree."""
        raise NotImplementedError

    async def at_last(self) -> list[str]:
        """What is wrong after they agreed, while Syncline still runs."""
        return []

    def stuck(self) -> list[str]:
        """What waits for a person although nobody needs to decide."""
        return [f"parked: {row[3:6]}" for row in self.parked]

    # --- Syncline ---------------------------------------------------------------------------------

    def start(self) -> None:
        self.switch = Switch()
        transport = SeverableTransport(self.wire, self.switch)
        held = self.shop.integration
        shop = AdobeCommerceSettings(
            base_url=ORIGIN,
            consumer_key=held.consumer_key,
            consumer_secret=held.consumer_secret,
            access_token=held.access_token,
            access_token_secret=held.access_token_secret,
            bulk_from=self.bulk_from,
            **self.shop_more,
        )
        rng = Random(self.rng.getrandbits(64))
        self.engine = Engine(
            store=SeverableStore(self.store, self.switch),
            clock=self.clock,
            rng=rng,
            systems=[
                ADOBE.open(Opening("shop", shop, self.clock, rng, transport, outside=self.outside)),
                self.open_erp(lambda settings: Opening("erp", settings, self.clock, rng, transport)),
            ],
            routes=Routes(self.routes()),
            owner="embedded",
            **ALONE,
        )
        self.running = self.loop.create_task(self.engine.run())

    async def kill(self) -> None:
        self.switch.cut = True
        tasks = [self.running, *(task for lane in self.engine.lanes.values() for task in lane._tasks)]
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert not isinstance(result, AssertionError), result
        await self.clock.sleep(self.rng.uniform(0.5, 8.0))

    async def break_things(self) -> None:
        names = ("down", "error_before_rate", "error_after_rate", "throttle_rate", "reject_auth")
        while True:
            await self.clock.sleep(self.rng.expovariate(1 / 1_200))
            target, name = self.rng.choice((self.shop, self.erp)), self.rng.choice(names)
            calm = getattr(target.faults, name)
            setattr(target.faults, name, True if isinstance(calm, bool) else 0.5)
            await self.clock.sleep(self.rng.uniform(20, 400))
            setattr(target.faults, name, calm)

    async def play(self) -> list[str]:
        if self.faults:
            self.wire.faults = replace(ALWAYS)
        self.start()
        breaking = self.loop.create_task(self.break_things()) if self.faults else None
        killed = sorted(self.rng.uniform(0, self.hours * 3_600) for _ in range(self.kills))
        began_s = self.clock.monotonic()
        while self.clock.monotonic() < began_s + self.hours * 3_600:
            await self.clock.sleep(self.rng.expovariate(1 / self.act_every_s))
            self.act()
            if killed and self.clock.monotonic() - began_s > killed[0]:
                killed.pop(0)
                await self.kill()
                self.start()
        if breaking is not None:
            breaking.cancel()
            self.wire.faults = NetworkFaults()
            for simulator in (self.shop, self.erp):
                simulator.faults = type(simulator.faults)()
        found = [*await self.agree(), *await self.at_last()]
        self.parked = await self.store.read("parked_open", after=0, limit=9)
        await self.kill()
        breaches = {name: n for name, n in self.shop.ledger.breaches.items() if n and name != "auth"}
        return [*found, *self.stuck(), *(f"breach {name}" for name in breaches)]

    async def agree(self) -> list[str]:
        until_s = self.clock.monotonic() + self.agree_s_max
        while (found := self.problems()) and self.clock.monotonic() < until_s:
            await self.clock.sleep(STEP_S)
        return found
