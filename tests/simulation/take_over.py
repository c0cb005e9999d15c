"""A shop with a past on a virtual clock, for stories of taking it over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from syncline.engine.adopt.report import Survey
from syncline.engine.engine import Engine
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.takeover import Left, Past, TakeOver
from syncline.simulate.transport import AsgiTransport
from syncline.simulate.world import USUAL_ERP, World
from syncline.stores.sqlite import SqliteStore

START_MS = 1_790_000_000_000
SMALL = Past(skus=40, orders=40, open=12)
TABLES = ("binding", "adoption", "event", "cursor", "parked", "delivery", "record", "demand")


class Stage:
    """One shop and one ERP with a past, a store, and whoever works on it."""

    def __init__(self, loop: VirtualLoop, past: Past, seed: int, erp: str) -> None:
        self.loop = loop
        self.clock = VirtualClock(loop)
        self.apps = AsgiTransport({})
        self.world = World(clock=self.clock, rng=Random(seed), transport=self.apps, erp=erp)
        for origin in self.world.erp_side.origins():
            self.apps.register(origin, self.world.erp_side.simulator)
        self.apps.register(f"https://{self.world.shop.shop}", self.world.shop)
        self.past = TakeOver(self.world, past, Random(seed + 1))
        self.store = SqliteStore.open(":memory:", now_ms=START_MS)
        self.systems = self.past.systems(self.apps, Random(seed + 2))
        self.engine: Engine | None = None
        self._running: list[asyncio.Task[None]] = []

    @property
    def left(self) -> Left:
        return self.past.left

    async def adopt(self, **asked: Any) -> Survey:
        self.past.former.leave()
        return await self.past.adopter(self.store, self.systems, Random(3)).run(**asked)

    def go_live(self) -> None:
        self.engine = self.past.engine(self.store, self.systems, Random(4))
        self._running = [self.loop.create_task(self.engine.run()), *self.world.run_people()]

    async def wait(self, seconds: float) -> None:
        """Let time pass; an engine that ended by an error ends the story too."""
        await self.clock.sleep(seconds)
        if self._running and self._running[0].done():
            self._running[0].result()

    async def halt(self) -> None:
        """Stop the service cleanly, and the vendors with it."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running = []
        if self.engine is not None:
            await self.engine.stop()
        self.engine = None

    async def stop(self) -> None:
        await self.halt()
        await self.store.close()

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return list(self.store._connection.execute(sql, values))

    def parked(self) -> dict[tuple[str, str], str]:
        """What waits for a person: reason by operation and key."""
        found = self.rows("SELECT operation, key, reason FROM parked WHERE resolved_at_ms IS NULL")
        return {(operation, key): reason for operation, key, reason in found}

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that an adoption may write."""
        return {table: self.rows(f'SELECT * FROM "{table}" ORDER BY 1, 2, 3') for table in TABLES}

    def unexpected(self) -> list[tuple[str, int]]:
        """Orders that the ERP holds another number of times than once; what was odd before stays so."""
        odd = {**dict.fromkeys(self.left.missing, 0), **dict.fromkeys(self.left.twice, 2)}
        return [
            (order.name, held)
            for order in self.world.shop.orders.values()
            if (held := len(self.past.in_erp(order))) != odd.get(order.id, 1)
        ]

    def breaches(self) -> int:
        return sum(sum(side.simulator.ledger.breaches.values()) for side in self.world.sides())


def play(
    story: Callable[[Stage], Coroutine[Any, Any, None]],
    past: Past = SMALL,
    seed: int = 1,
    erp: str = USUAL_ERP,
) -> None:
    """Let the past happen, then the story."""
    loop = VirtualLoop(START_MS)

    async def whole() -> None:
        stage = Stage(loop, past, seed, erp)
        await stage.past.live()
        try:
            await story(stage)
        finally:
            await stage.stop()

    try:
        loop.run_until_complete(whole())
    finally:
        loop.close()
