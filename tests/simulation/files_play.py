"""A Shopify shop and a partner who exchanges files through an object store, with Syncline between them: one seed."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random

import apsw
from msgspec.structs import replace
from tests.simulation.alone import ALONE

from syncline.connectors.files import CONNECTOR as FILES
from syncline.connectors.files import FilesSettings
from syncline.connectors.files.declared import Write
from syncline.connectors.files.simulator import ACCESS_KEY, ORIGIN, SECRET_KEY, ObjectStoreSimulator, Partner
from syncline.connectors.files.simulator.partner import ORDER_COLUMNS
from syncline.connectors.shopify import CONNECTOR as SHOPIFY
from syncline.connectors.shopify import ShopifySettings
from syncline.connectors.shopify.simulator import Buyer, CartLine, ShopifySimulator
from syncline.engine.engine import Engine
from syncline.engine.routes import Route, Routes
from syncline.engine.subscriptions import keep
from syncline.model.change import Flow
from syncline.ports import Opening
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.hooks import HooksApp
from syncline.simulate.network import FaultyTransport, NetworkFaults
from syncline.simulate.severable import Killed, SeverableStore, SeverableTransport, Switch
from syncline.simulate.sides.exchange import DIALECT, columns
from syncline.simulate.sides.files import FIELDS
from syncline.simulate.sides.files import READS as WAREHOUSE
from syncline.simulate.transport import AsgiTransport
from syncline.stores.sqlite import SqliteStore
from syncline.stores.sqlite.backup import copy, rewind

START_MS = 1_772_438_400_000  # 2026-03-02T08:00:00Z
HOOKS = "https://syncline.simulated"
SHOP = "simulated.myshopify.com"
TOKEN = "shpat_simulated"
SHOP_SECRET = "simulated-client-secret-0123456789"
STOCK = 80
TRADE_S = 1_800.0
STEP_S = 60.0
AGREE_S_MAX = 3 * 3_600.0
NIGHT_S = 300.0  # between two rounds of the partner
LEAD_S = 240  # so that a figure seldom contains an order when it first shows it
ALWAYS = NetworkFaults(0.02, 0.06, 0.02, 0.02)

READS = tuple(
    replace(read, lead_s=LEAD_S, **({"complete": "trailer", "stable_s": 0} if read.kind == "stock" else {}))
    for read in WAREHOUSE
)
ORDER_FIELDS = FIELDS


def routes_of(channel: str, locations: dict[str, str], orders_poll_ms: int) -> Routes:
    """What travels between a partner who exchanges files and a channel."""
    stock = Route(
        Flow.INVENTORY,
        "erp",
        channel,
        60_000,
        locations=locations,
        poll_interval_ms=60_000,
        guard_cut_share=Decimal("0.3"),
    )
    orders = Route(Flow.ORDERS, channel, "erp", 20_000, poll_interval_ms=orders_poll_ms)
    status = Route(Flow.ORDER_STATUS, "erp", channel, 60_000, poll_interval_ms=60_000)
    return Routes([stock, orders, status])


class Shelf:
    """A folder whose partner writes slowly: half of a file of stock, then the rest."""

    def __init__(self, root: Path, loop: VirtualLoop, clock: VirtualClock) -> None:
        self._root, self._loop, self._clock = root, loop, clock
        for name in ("stock", "items", "status", "parcels", "orders", "returns", "refunds"):
            (root / name).mkdir(parents=True)

    def put(self, key: str, body: bytes) -> None:
        path = self._root / key
        path.parent.mkdir(exist_ok=True)
        if key.startswith("stock/"):
            path.write_bytes(body[: len(body) // 2])
            self._loop.create_task(self._rest(path, body[len(body) // 2 :]))
        else:  # as partners should: under another name first
            aside = path.with_name("." + path.name)
            aside.write_bytes(body)
            aside.rename(path)

    async def _rest(self, path: Path, rest: bytes) -> None:
        await self._clock.sleep(70.0)
        with path.open("ab") as file:
            file.write(rest)

    def take(self, key: str) -> bytes:
        path = self._root / key
        body = path.read_bytes()
        path.unlink()
        return body

    def keys(self, prefix: str) -> list[str]:
        folder = self._root / prefix.rstrip("/")
        names = [each.name for each in folder.iterdir()] if folder.exists() else []
        return sorted(prefix + name for name in names if not name.startswith("."))


@dataclass
class Play:
    """The shop, the partner, what lies between them, and who buys."""

    seed: int
    faults: bool = True
    kills: int = 3
    restored: bool = False  # an older copy of the store is put back in the middle
    local: bool = False  # a folder of this machine, whose partner fetches and deletes, and writes slowly
    goods: int = 8
    shipped: int = 0
    cancelled: int = 0

    def __post_init__(self) -> None:
        self.store_after: SqliteStore | None = None
        self.skus = [f"SKU-{n}" for n in range(self.goods)]
        self.rng = Random(self.seed)
        self.loop = VirtualLoop(START_MS)
        self.clock = VirtualClock(self.loop)
        self.folder = tempfile.mkdtemp(prefix="files-play-")
        apps = AsgiTransport({})
        self.outbound = FaultyTransport(apps, self.clock, Random(self.rng.getrandbits(64)))
        self.inbound = FaultyTransport(apps, self.clock, Random(self.rng.getrandbits(64)))
        self.shop = ShopifySimulator(
            clock=self.clock,
            rng=Random(self.rng.getrandbits(64)),
            transport=self.inbound,
            shop=SHOP,
            plan="plus",
            access_token=TOKEN,
            client_secrets=(SHOP_SECRET,),
        )
        self.store_sim = ObjectStoreSimulator(clock=self.clock, rng=Random(self.rng.getrandbits(64)))
        self.place = (
            Shelf(Path(self.folder) / "exchange", self.loop, self.clock) if self.local else self.store_sim
        )
        self.partner = Partner(self.place, self.clock, self.store_sim.ledger.breach, keeps=not self.local)
        self.hooks = HooksApp()
        apps.register(f"https://{SHOP}", self.shop)
        apps.register(ORIGIN, self.store_sim)
        apps.register(HOOKS, self.hooks)
        self.places = [(x, self.shop.add_location(x)) for x in ("MAIN", "NORTH")]
        for sku in self.skus:
            for code, _ in self.places:
                self.partner.stock(sku, code, STOCK)
            self.shop.add_product(sku, sku, Decimal("10.00"), {at: 0 for _, at in self.places})
        self.settings = FilesSettings(
            folder=f"{self.folder}/exchange" if self.local else "s3://exchange",
            endpoint=ORIGIN,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            spool=f"{self.folder}/spool",
            reads=READS,
            writes=(
                Write(
                    kind="orders",
                    path="orders",
                    archive="" if self.local else "orders-done",
                    taken="delete" if self.local else "archive",
                    columns=columns(ORDER_FIELDS, ORDER_COLUMNS),
                    **DIALECT,
                ),
            ),
            untold=("payments", "refunds"),
        )

    # --- the engine -------------------------------------------------------------------------------

    def open(self) -> None:
        """Syncline, as a process that has just started on what the last one left."""
        self.switch = Switch()
        network = SeverableTransport(self.outbound, self.switch)
        rng = Random(self.rng.getrandbits(64))
        shopify = ShopifySettings(shop=SHOP, access_token=TOKEN, webhook_secrets=(SHOP_SECRET,), plan="plus")
        systems = [
            SHOPIFY.open(Opening("shop", shopify, self.clock, Random(rng.getrandbits(64)), network)),
            FILES.open(Opening("erp", self.settings, self.clock, Random(rng.getrandbits(64)), network)),
        ]
        self.engine = Engine(
            store=SeverableStore(self.store, self.switch),
            clock=self.clock,
            rng=rng,
            systems=systems,
            routes=self.routes(),
            owner="embedded",
            **ALONE,
        )
        self.hooks.engine = self.engine
        self.running = [self.loop.create_task(self.engine.run())]
        self.running.append(
            self.loop.create_task(keep(self.engine, "shop", f"{HOOKS}/hooks/shop", lambda _: None))
        )

    def routes(self) -> Routes:
        """What travels."""
        at = {code: str(location) for code, location in self.places}
        return routes_of("shop", at, 120_000)

    async def kill(self) -> None:
        """As ``kill -9``: from now on nothing that the process does counts; then another one starts."""
        self.switch.cut = True
        self.hooks.engine = None
        tasks = [*self.running, *(task for lane in self.engine.lanes.values() for task in lane._tasks)]
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            only_death(result)
        await self.clock.sleep(self.rng.uniform(0.5, 8.0))
        self.store, self.store_after = self.store_after or self.store, None
        self.open()

    async def die(self) -> None:
        if self.restored:
            await self._put_back()
            return
        for _ in range(self.kills):
            await self.clock.sleep(self.rng.uniform(0.1, 0.9) * TRADE_S / self.kills)
            await self.kill()

    async def _put_back(self) -> None:
        """The store is what it was minutes ago; the spool is not."""
        await self.clock.sleep(self.rng.uniform(0.1, 0.4) * TRADE_S)
        database = apsw.Connection(":memory:")
        copy(self.store._connection, database)
        taken_at_ms = self.clock.now_ms()
        await self.clock.sleep(self.rng.uniform(0.1, 0.4) * TRADE_S)
        rewind(database, now_ms=self.clock.now_ms(), taken_at_ms=taken_at_ms)
        self.store_after = SqliteStore(database)
        await self.kill()

    # --- people -----------------------------------------------------------------------------------

    def buy(self) -> None:
        rng = self.rng
        cart = [CartLine(sku, rng.randint(1, 4)) for sku in rng.sample(self.skus, rng.randint(1, 3))]
        buyer = Buyer(first_name="A", last_name="buyer", email=f"a{rng.randrange(6)}@shop.example")
        self.shop.checkout(cart, customer=rng.choice((buyer, None)), paid=rng.random() < 0.7)

    def second_thoughts(self) -> None:
        """Somebody cancels or changes what has not been booked for shipping yet."""
        rng = self.rng
        key = rng.choice(list(self.shop.orders) or [0])
        order = self.shop.orders.get(key)
        booked = self.booked().get(key)
        if order is None or order.cancelled or (booked is not None and booked.shipped):
            return
        line = order.lines[0]
        if rng.random() < 0.4:
            self.shop.cancel_order(key, restock=True)
            self.cancelled += 1
        elif line.current_quantity > 1:
            self.shop.edit_order(key, line.id, line.current_quantity - 1)

    def booked(self):
        """The partner's orders by the shop's."""
        return {int(reference.rpartition("-")[2]): x for reference, x in self.partner.orders.items()}

    def staff(self) -> None:
        rng, partner = self.rng, self.partner
        if rng.random() < 0.4:
            at = rng.choice(self.skus), rng.choice(self.places)[0]
            partner.stock(*at, partner.on_hand[at] + rng.randint(1, 9))
            return
        ready = [
            x
            for key, x in self.booked().items()
            if x.lines - x.shipped and not x.cancelled and units_of(x) == self.wanted_of(key)
        ]
        if ready:
            partner.ship(rng.choice(ready).reference)
            self.shipped += 1

    async def nights(self) -> None:
        """The partner's rounds: it books what is there and leaves what it knows, in no fixed order."""
        while True:
            jobs = [
                self.partner.book,
                self.partner.leave_stock,
                self.partner.leave_status,
                self.partner.leave_parcels,
                self.partner.leave_items,
            ]
            self.rng.shuffle(jobs)
            for job in jobs:
                await self.clock.sleep(self.rng.uniform(0.1, NIGHT_S / len(jobs)))
                job()
            if self.rng.random() < 0.3:  # the same file once more, under its name
                stock = [key for key in self.place.keys("archive/") if "STOCK_" in key]
                if stock:
                    key = self.rng.choice(stock)
                    body = self.place.take(key)
                    self.place.put(key, body)
                    self.place.put("stock/STOCK_" + key.rpartition("STOCK_")[2], body)

    async def trade(self) -> None:
        ends = self.clock.monotonic() + TRADE_S
        while self.clock.monotonic() < ends:
            await self.clock.sleep(self.rng.expovariate(1 / 25.0))
            draw = self.rng.random()
            if draw < 0.45:
                self.buy()
            elif draw < 0.55:
                self.second_thoughts()
            else:
                self.staff()

    async def trouble(self) -> None:
        while True:
            self.outbound.faults = ALWAYS
            await self.clock.sleep(self.rng.uniform(20, 120))
            faults, kind = self.store_sim.faults, self.rng.randrange(4)
            if kind == 0:
                self.outbound.faults = NetworkFaults(0.1, 0.3, 0.1, 0.1, 500)
            elif kind == 1:
                faults.error_after_rate = faults.error_before_rate = 0.2
            elif kind == 2:
                faults.throttle_rate = 0.3
            else:
                faults.down = True
            await self.clock.sleep(self.rng.uniform(20, 120))
            self.calm()

    def calm(self) -> None:
        self.outbound.faults = NetworkFaults()
        faults = self.store_sim.faults
        faults.error_after_rate = faults.error_before_rate = faults.throttle_rate = 0.0
        faults.down = False

    # --- the play ---------------------------------------------------------------------------------

    def play(self) -> list[str]:
        return self.tell(self._play())

    def tell(self, story):
        """Run a story to its end, then tidy up."""
        try:
            return self.loop.run_until_complete(story)
        finally:
            self.loop.run_until_complete(_tidy())
            self.loop.close()
            shutil.rmtree(self.folder)

    async def _play(self) -> list[str]:
        self.store = SqliteStore.open(":memory:", now_ms=START_MS)
        self.partner.leave_items()
        self.partner.leave_stock()
        self.open()
        spawn = self.loop.create_task
        spawn(self.shop.run())
        spawn(self.nights())
        await self.clock.sleep(120.0)
        troubles = [spawn(self.trouble()), spawn(self.die())] if self.faults else []
        await self.trade()
        for trouble in troubles[1:]:
            await trouble
        for trouble in troubles[:1]:
            trouble.cancel()
        self.calm()
        waited, problems = 0.0, ["it did not begin"]
        while problems and waited < AGREE_S_MAX and not self.running[0].done():
            await self.clock.sleep(STEP_S)
            waited += STEP_S
            problems = self.differences()
        await self.clock.sleep(3_600.0)  # what agrees has to stay so
        problems = [*self.differences(), *self.shop.check()]
        parked = await self.store.read("parked_open", after=0, limit=20)
        problems += [f"parked: {row}" for row in parked]
        if self.running[0].done():
            problems.append(f"the engine ended: {self.running[0].exception()!r}")
        breaches = {**self.shop.ledger.breaches, **self.store_sim.ledger.breaches}
        return problems + [f"breach: {kind}" for kind in breaches if kind != "auth"]

    def wanted_of(self, key: int) -> Counter[str]:
        """What a buyer wants, or has had and given back."""
        found: Counter[str] = Counter()
        for line in self.shop.orders[key].lines:
            found[line.sku] += line.current_quantity
        return +found

    def differences(self) -> list[str]:
        found = []
        booked = self.booked()
        for key in self.shop.orders:
            there, wanted = booked.get(key), self.wanted_of(key)
            has = units_of(there) if there is not None else Counter()
            if has != wanted:
                found.append(f"order {key} wants {dict(wanted)}, the partner has {dict(has)}")
        told = sum(len(parcel.lines) for parcel in self.shop.fulfillments)
        sent = sum(len(units) for _, units in self.partner.parcels.values())
        if sent != told:
            found.append(f"{sent} lines left the warehouse, {told} were told to the shop")
        for sku in self.skus:
            for code, at in self.places:
                left, offered = self.partner.available(sku, code), self.shop.available(sku, at)
                if offered != max(0, left):
                    found.append(f"{sku} at {code}: {left} are left, {offered} are offered")
        return found


def units_of(order) -> Counter[str]:
    """What the partner's order takes or took."""
    found: Counter[str] = Counter()
    for (sku, _), units in order.lines.items():
        found[sku] += units
    return +found


def only_death(result: object) -> None:
    """A killed task may only end by having been killed."""
    if isinstance(result, BaseExceptionGroup):
        for inner in result.exceptions:
            only_death(inner)
    elif isinstance(result, BaseException) and not isinstance(result, Killed | asyncio.CancelledError):
        raise result


async def _tidy() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
