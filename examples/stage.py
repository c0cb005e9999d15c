"""A shop, an ERP and Syncline in one process, on a clock that jumps. Shared by the examples.

Nothing here is special to examples: the simulation and the demo put the same parts together.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from decimal import Decimal
from random import Random

import structlog

from syncline.engine.engine import Engine
from syncline.ports import Transport
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.history import StockCase
from syncline.simulate.hooks import HooksApp
from syncline.simulate.transport import AsgiTransport
from syncline.simulate.world import World
from syncline.stores.sqlite import SqliteStore

START_MS = 1_772_438_400_000  # 2026-03-02T08:00:00Z
HOOKS = "https://syncline.example"

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


class Stage:
    """Both simulators with some goods in them, and an engine between them."""

    def __init__(self, stock: dict[str, int], *, seed: int = 1) -> None:
        self.loop = VirtualLoop(START_MS)
        self.clock = VirtualClock(self.loop)
        self.rng = Random(seed)
        self.apps = AsgiTransport({})
        self.world = World(clock=self.clock, rng=Random(seed), transport=self.apps)
        self.shop, self.erp, self.trade = self.world.shop, self.world.erp, self.world.trade
        self.trade.stock(
            StockCase(stock, dict.fromkeys(stock, "Blue mug"), dict.fromkeys(stock, Decimal("6.50"))), stock
        )
        self.apps.register(self.erp.origin, self.erp)
        self.apps.register(f"https://{self.shop.shop}", self.shop)
        self.store = SqliteStore.open(":memory:", now_ms=START_MS)
        self.opened_at = 0.0

    async def open(self, transport: Transport | None = None) -> Engine:
        """Start the vendors and Syncline, subscribe the webhooks, and let the first reads end."""
        self.world.run_people()
        systems = self.world.open_systems(transport or self.apps, self.rng)
        engine = self.world.open_engine(self.store, systems, self.rng)
        hooks = HooksApp()
        hooks.engine = engine
        self.apps.register(HOOKS, hooks)
        self.running = self.loop.create_task(engine.run())
        await self.world.connect(engine, lambda system: f"{HOOKS}/hooks/{system}")
        await self.clock.sleep(120)
        self.opened_at = self.clock.monotonic()
        return engine

    def say(self, sentence: str) -> None:
        """Print a sentence beside the virtual time."""
        print(f"{self.clock.monotonic() - self.opened_at:5.1f} s  {sentence}")

    async def until(self, true: Callable[[], bool], *, at_most_s: float = 600) -> None:
        """Let virtual time pass until something is so; fail if it never is."""
        end = self.clock.monotonic() + at_most_s
        while not true():
            assert self.clock.monotonic() < end, "this should have happened by now"
            await self.clock.sleep(0.1)

    def play(self, story: Callable[[Stage], Awaitable[None]]) -> None:
        """Run a story to its end."""
        self.loop.run_until_complete(story(self))
        # The process ends here, so there is nobody left to be told that tasks still wait.
        self.loop.set_exception_handler(lambda *_: None)
