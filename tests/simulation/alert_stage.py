"""A shop, an ERP and Syncline on the virtual clock, with people at the other end of the alerts.

What reached them is counted where it arrives: at an address that takes webhooks and checks their signatures, and
at a postbox.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from decimal import Decimal
from email.message import EmailMessage
from random import Random

from tests.simulation.alone import HOUR_MS

from syncline.engine.alerts.watch import Settings, Watch
from syncline.engine.alerts.ways import WebhookWay
from syncline.engine.routes import Routes
from syncline.engine.subscriptions import keep
from syncline.model.copying import replace
from syncline.model.errors import Retryable
from syncline.ports import Clock
from syncline.runtime.mail import MailWay
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.history import generate_history, stock_case
from syncline.simulate.hooks import HooksApp
from syncline.simulate.network import FaultyTransport
from syncline.simulate.severable import SeverableStore, Switch
from syncline.simulate.transport import AsgiTransport
from syncline.simulate.world import ERP, SHOP, SHOP_DOMAIN, Pace, World
from syncline.stores.sqlite import SqliteStore

START_MS = 1_772_438_400_000  # 2026-03-02T08:00:00Z
HOOKS = "https://syncline.simulated"
PAGER = "https://pager.simulated"
KEY = b"a key of the people who are told"
WARM_UP_S = 720.0
ORDER_EVERY_S = 45.0


class SteppedClock(VirtualClock):
    """Syncline's wall clock, which can be stepped; its steady clock cannot."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__(loop)
        self.step_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.step_ms


class Pager:
    """Takes signed webhooks as a receiver would, and refuses what is not signed with its key."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.down = False
        self.taken: list[tuple[float, dict]] = []
        self.ids: set[str] = set()

    async def __call__(self, scope, receive, send):
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = (await receive())["body"]
        status = 503
        if not self.down:
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
            assert headers["webhook-signature"] == f"v1,{expected}"
            if headers["webhook-id"] not in self.ids:
                self.ids.add(headers["webhook-id"])
                self.taken.append((self.clock.monotonic(), json.loads(body)))
            status = 204
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Postbox:
    """Where e-mails arrive."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.down = False
        self.taken: list[tuple[float, EmailMessage]] = []

    async def __call__(self, mail: EmailMessage) -> str:
        if self.down:
            raise Retryable("451 try again later")
        self.taken.append((self.clock.monotonic(), mail))
        return "taken"


class Stage:
    """The whole world of one scenario."""

    def __init__(
        self,
        seed: int = 1,
        *,
        order_every_s: float = ORDER_EVERY_S,
        orders: int = 400,
        settings: Settings | None = None,
    ) -> None:
        self.rng = Random(seed)
        self.loop = VirtualLoop(START_MS)
        self.clock = SteppedClock(self.loop)
        self.apps = AsgiTransport({})
        self.out = FaultyTransport(self.apps, self.clock, Random(seed + 1))
        self.into = FaultyTransport(self.apps, self.clock, Random(seed + 2))
        self.world = World(
            clock=VirtualClock(self.loop),
            rng=Random(seed + 3),
            transport=self.into,
            pace=Pace(modes_ms=HOUR_MS, lease_ttl_ms=HOUR_MS),
        )
        self.world.clock = self.clock  # Syncline's; the vendors' is right whatever happens to it
        routes = self.world.routes
        self.world.routes = lambda: Routes(
            [replace(route, guard_cut_share=Decimal("0.3")) for route in routes().all]
        )
        self.hooks = HooksApp()
        self.store = SqliteStore.open(":memory:", now_ms=START_MS)
        self.pager = Pager(self.clock)
        self.postbox = Postbox(self.clock)
        self.disk = (80 * 10**9, 100 * 10**9)
        self.settings = settings or Settings()
        self.order_every_s = order_every_s
        self.history = generate_history(seed, orders=orders, skus=40)
        self.trading = asyncio.Event()

    def play(self, scenario):
        """Run one scenario to its end."""
        try:
            return self.loop.run_until_complete(self._play(scenario))
        finally:
            self.loop.run_until_complete(self._tidy())
            self.loop.close()

    async def _tidy(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _play(self, scenario):
        world = self.world
        case = stock_case(self.history.orders)
        world.trade.stock(case, sorted(case.target))
        self.apps.register(world.erp.origin, world.erp)
        self.apps.register(f"https://{SHOP_DOMAIN}", world.shop)
        self.apps.register(HOOKS, self.hooks)
        self.apps.register(PAGER, self.pager)
        world.run_people()
        self.start()
        self.loop.create_task(self.people())
        await self.clock.sleep(WARM_UP_S)
        assert self.pager.taken == [], "an alert before anything was wrong"
        return await scenario(self)

    # --- Syncline's life --------------------------------------------------------------------------

    def start(self) -> None:
        """A process begins on the store as it is."""
        self.switch = Switch()
        rng = Random(self.rng.getrandbits(64))
        systems = self.world.open_systems(self.out, rng)
        self.engine = self.world.open_engine(SeverableStore(self.store, self.switch), systems, rng)
        webhook = WebhookWay(self.apps, self.clock, url=f"{PAGER}/alerts", key=KEY)
        mail = MailWay(self.postbox, sender="syncline@example.com", recipients=["ops@example.com"])
        self.watch = Watch(self.engine, [webhook, mail], self.settings, disk=lambda: self.disk)
        self.hooks.engine = self.engine
        self.world.erp.configure_push(f"{HOOKS}/hooks/{ERP}", ["simulated-push-secret-0123456789"])
        self.tasks = [
            self.loop.create_task(self.engine.run()),
            self.loop.create_task(self.watch.run()),
            self.loop.create_task(keep(self.engine, SHOP, f"{HOOKS}/hooks/{SHOP}", lambda sentence: None)),
            self.loop.create_task(self._end()),
        ]

    async def _end(self) -> None:
        """As the service does it: an engine that ends by an error says so last of all."""
        await asyncio.wait([self.tasks[0]])
        if not self.tasks[0].cancelled() and self.tasks[0].exception() is not None:
            self.tasks[1].cancel()
            await self.watch.farewell("another worker owns it now")

    async def stop(self) -> None:
        """The process is stopped as by a signal."""
        for task in reversed(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.engine.stop()
        self.hooks.engine = None

    async def people(self) -> None:
        """Buyers and staff, again and again."""
        trade, number = self.world.trade, 0
        while True:
            await self.clock.sleep(self.rng.expovariate(1 / self.order_every_s))
            if self.trading.is_set():
                continue
            trade.place(self.history.orders[number % len(self.history.orders)])
            number += 1
            if self.rng.random() > 0.35:
                trade.withdraw()
            if self.rng.random() < 0.3:
                trade.receive(5)
            trade.ship(3)

    # --- what was heard ---------------------------------------------------------------------------

    def heard(self, *events: str) -> list[tuple[float, str]]:
        """When what was told by webhook, as (moment, key)."""
        return [(at, said["key"]) for at, said in self.pager.taken if not events or said["event"] in events]

    async def until(self, holds, most_s: float) -> float:
        """Wait until something holds; returns how long that took."""
        began = self.clock.monotonic()
        while not holds():
            assert self.clock.monotonic() - began < most_s, "it did not happen in time"
            await self.clock.sleep(1.0)
        return self.clock.monotonic() - began
