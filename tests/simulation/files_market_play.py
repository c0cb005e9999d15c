"""A marketplace and a warehouse, both with nothing but files, and Syncline between them: one seed."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from random import Random

from tests.simulation.alone import ALONE
from tests.simulation.files_play import (
    ALWAYS,
    ORDER_FIELDS,
    READS,
    START_MS,
    _tidy,
    only_death,
    routes_of,
    units_of,
)

from syncline.connectors.files import CONNECTOR, FilesSettings
from syncline.connectors.files.declared import Write
from syncline.connectors.files.simulator import (
    ACCESS_KEY,
    ORIGIN,
    SECRET_KEY,
    Market,
    ObjectStoreSimulator,
    Partner,
)
from syncline.connectors.files.simulator.partner import ORDER_COLUMNS
from syncline.engine.engine import Engine
from syncline.ports import Opening
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.network import FaultyTransport, NetworkFaults
from syncline.simulate.severable import SeverableStore, SeverableTransport, Switch
from syncline.simulate.sides.exchange import DIALECT, columns
from syncline.simulate.sides.market import READS as MARKET_READS
from syncline.simulate.sides.market import WRITES as MARKET_WRITES
from syncline.simulate.transport import AsgiTransport
from syncline.stores.sqlite import SqliteStore

STOCK = 200
TRADE_S = 1_000.0
ROUND_S = 120.0
STEP_S = 60.0
AGREE_S_MAX = 2 * 3_600.0
TOLD = tuple(write for write in MARKET_WRITES if write.kind not in ("receipts", "returns"))


class Corner:
    """The part of the object store that one partner sees."""

    def __init__(self, store: ObjectStoreSimulator, name: str) -> None:
        self._store, self._name = store, name

    def put(self, key: str, body: bytes) -> None:
        self._store.put(f"{self._name}/{key}", body)

    def take(self, key: str) -> bytes:
        return self._store.take(f"{self._name}/{key}")

    def keys(self, prefix: str) -> list[str]:
        found = self._store.keys(f"{self._name}/{prefix}")
        return [key.removeprefix(f"{self._name}/") for key in found]


class Archived(Corner):
    """What this partner takes it leaves in ``done``."""

    def take(self, key: str) -> bytes:
        body = super().take(key)
        self.put(f"done/{key.rpartition('/')[2]}", body)
        return body


@dataclass
class MarketPlay:
    """Both partners, what lies between them, and who buys."""

    seed: int
    kills: int = 3
    goods: int = 6
    shipped: int = 0

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.loop = VirtualLoop(START_MS)
        self.clock = VirtualClock(self.loop)
        self.folder = tempfile.mkdtemp(prefix="files-market-play-")
        apps = AsgiTransport({})
        self.outbound = FaultyTransport(apps, self.clock, Random(self.rng.getrandbits(64)))
        self.place = ObjectStoreSimulator(clock=self.clock, rng=Random(self.rng.getrandbits(64)))
        apps.register(ORIGIN, self.place)
        breach = self.place.ledger.breach
        self.partner = Partner(Corner(self.place, "erp"), self.clock, breach)
        self.corner = Archived(self.place, "market")
        self.market = Market(self.corner, self.clock, breach)
        self.skus = [f"SKU-{n}" for n in range(self.goods)]
        for sku in self.skus:
            for at in ("MAIN", "NORTH"):
                self.partner.stock(sku, at, STOCK)

    def settings(self, name: str, **more: object) -> FilesSettings:
        return FilesSettings(
            folder=f"s3://exchange/{name}",
            endpoint=ORIGIN,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            spool=f"{self.folder}/{name}",
            **more,
        )

    def open(self) -> None:
        """Syncline, as a process that has just started on what the last one left."""
        self.switch = Switch()
        network = SeverableTransport(self.outbound, self.switch)
        rng = Random(self.rng.getrandbits(64))
        orders = Write(
            kind="orders",
            path="orders",
            archive="orders-done",
            columns=columns(ORDER_FIELDS, ORDER_COLUMNS),
            **DIALECT,
        )
        systems = [
            CONNECTOR.open(Opening(name, each, self.clock, Random(rng.getrandbits(64)), network))
            for name, each in {
                "erp": self.settings("erp", reads=READS, writes=(orders,), untold=("payments", "refunds")),
                "market": self.settings("market", reads=MARKET_READS, writes=TOLD),
            }.items()
        ]
        self.engine = Engine(
            store=SeverableStore(self.store, self.switch),
            clock=self.clock,
            rng=rng,
            systems=systems,
            routes=routes_of("market", {"MAIN": "1", "NORTH": "2"}, 60_000),
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
            only_death(result)
        await self.clock.sleep(self.rng.uniform(0.5, 8.0))
        self.open()

    # --- people -------------------------------------------------------------------------------------------

    async def trade(self) -> None:
        rng, market = self.rng, self.market
        ends = self.clock.monotonic() + TRADE_S
        while self.clock.monotonic() < ends:
            await self.clock.sleep(rng.expovariate(1 / 14.0))
            draw = rng.random()
            changeable = [x for x in market.orders.values() if not x.cancelled and not self.sent(x.number)]
            if draw < 0.45 or not changeable:
                goods = rng.sample(self.skus, rng.randint(1, 3))
                market.buy({(sku, rng.choice("12")): rng.randint(1, 4) for sku in goods})
            elif draw < 0.65:
                order = rng.choice(changeable)
                market.change(order.number, rng.choice(list(order.lines)), rng.randint(1, 5))
            elif draw < 0.75:
                market.cancel(rng.choice(changeable).number)
            else:
                self.ship()

    def sent(self, number: str) -> bool:
        booked = self.booked().get(number)
        return booked is not None and bool(booked.shipped)

    def booked(self):
        """The warehouse's orders by the marketplace's numbers."""
        known = {number.lower().replace("/", "_"): number for number in self.market.orders}
        found = {}
        for reference, order in self.partner.orders.items():
            found[known[reference.removeprefix("market-")[: len("m_00000")]]] = order
        return found

    def ship(self) -> None:
        ready = [
            order
            for number, order in self.booked().items()
            if order.lines - order.shipped
            and not order.cancelled
            and units_of(order) == self.market.orders[number].wanted
        ]
        if ready:
            self.partner.ship(self.rng.choice(ready).reference)
            self.shipped += 1

    async def rounds(self) -> None:
        """What both do every few minutes, in no fixed order; now and then a file of orders is left once more."""
        partner, market = self.partner, self.market
        while True:
            jobs = [
                partner.book,
                partner.leave_stock,
                partner.leave_status,
                partner.leave_parcels,
                market.leave_orders,
                market.load,
            ]
            self.rng.shuffle(jobs)
            for job in jobs:
                await self.clock.sleep(self.rng.uniform(0.1, ROUND_S / len(jobs)))
                job()
            draw = self.rng.random()
            old = [key for key in self.corner.keys("archive/") if "ORDERS_" in key]
            if draw < 0.5 and old:
                key = self.rng.choice(old)
                body = self.place.objects[f"market/{key}"].body
                name = key.rpartition("ORDERS_")[2]
                self.corner.put(f"placed/ORDERS_{name}", body)  # the same file, under its name
            elif draw < 0.65:
                market.leave_orders(every=True)

    async def trouble(self) -> None:
        while True:
            self.outbound.faults = ALWAYS
            await self.clock.sleep(self.rng.uniform(20, 120))
            faults, kind = self.place.faults, self.rng.randrange(3)
            if kind == 0:
                self.outbound.faults = NetworkFaults(0.1, 0.3, 0.1, 0.1, 500)
            elif kind == 1:
                faults.error_after_rate = faults.error_before_rate = 0.2
            else:
                faults.down = True
            await self.clock.sleep(self.rng.uniform(20, 120))
            self.calm()

    def calm(self) -> None:
        self.outbound.faults = NetworkFaults()
        faults = self.place.faults
        faults.error_after_rate = faults.error_before_rate = 0.0
        faults.down = False

    # --- the play -----------------------------------------------------------------------------------------

    def play(self) -> list[str]:
        try:
            return self.loop.run_until_complete(self._play())
        finally:
            self.loop.run_until_complete(_tidy())
            self.loop.close()
            shutil.rmtree(self.folder)

    async def _play(self) -> list[str]:
        self.store = SqliteStore.open(":memory:", now_ms=START_MS)
        self.partner.leave_items()
        self.partner.leave_stock()
        self.market.leave_articles(self.skus)
        self.open()
        spawn = self.loop.create_task
        spawn(self.rounds())
        await self.clock.sleep(120.0)
        trouble = spawn(self.trouble())
        trading = spawn(self.trade())
        for _ in range(self.kills):
            await self.clock.sleep(self.rng.uniform(0.3, 0.9) * TRADE_S / self.kills)
            await self.kill()
        await trading
        trouble.cancel()
        self.calm()
        waited, problems = 0.0, ["it did not begin"]
        while problems and waited < AGREE_S_MAX and not self.running.done():
            await self.clock.sleep(STEP_S)
            waited += STEP_S
            problems = self.differences()
        await self.clock.sleep(900.0)  # what agrees has to stay so
        problems = self.differences()
        problems += [f"parked: {row}" for row in await self.store.read("parked_open", after=0, limit=20)]
        if self.running.done():
            problems.append(f"the engine ended: {self.running.exception()!r}")
        return problems + [f"breach: {kind}" for kind in self.place.ledger.breaches if kind != "auth"]

    def differences(self) -> list[str]:
        found = [f"refused: {why}" for why in self.market.refused]
        booked = self.booked()
        if len(booked) < len(self.partner.orders):
            found.append("the warehouse has an order twice")
        for number, order in self.market.orders.items():
            there = booked.get(number)
            has = units_of(there) if there is not None and not there.cancelled else Counter()
            if has != order.wanted:
                found.append(f"{number} wants {dict(order.wanted)}, the warehouse has {dict(has)}")
            if order.revision not in order.answers:
                found.append(f"{number}: revision {order.revision} was not answered")
            left = Counter()
            for (sku, _), units in there.shipped.items() if there is not None else ():
                left[sku] += units
            if +left != order.sent:
                found.append(f"{number}: {dict(+left)} left, {dict(order.sent)} was told")
        for sku in self.skus:
            for at, site in (("MAIN", "1"), ("NORTH", "2")):
                left, shown = self.partner.available(sku, at), self.market.numbers.get((sku, site))
                if shown != left:
                    found.append(f"{sku} at {at}: {left} are left, {shown} are shown")
        return found
