"""Somebody at the switches of a simulated Syncline: shadow first, then live, then pauses at random moments.

What must never happen is seen from outside: while a route is stopped, and once the calls that were under way have
ended, no write of that route reaches the vendor, whatever is lost, killed or started again meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from syncline.engine.audit import Audit
from syncline.engine.engine import Engine
from syncline.engine.modes import Stop
from syncline.engine.operations import NotPossible
from syncline.engine.routes import Routes
from syncline.engine.shadow import shadow_report
from syncline.engine.switches import Switches
from syncline.model.change import Flow
from syncline.model.errors import SynclineError
from syncline.ports import Clock, Store, Write
from syncline.simulate.severable import Killed
from syncline.simulate.world import World

LOOK_S = 0.25
TRY_AGAIN_S = 1.0
READS = ("get", "list", "suiteql", "token")  # what an ERP's call is named by that changes nothing
WRITES_AT_SHOP = {Flow.INVENTORY: "inventorySetQuantities", Flow.ORDER_STATUS: "fulfillmentCreate"}


class Switching:
    """Plays with the switches of whichever engine lives, and counts what reached the vendors meanwhile."""

    def __init__(
        self,
        world: World,
        clock: Clock,
        rng: Random,
        engine: Callable[[], Engine | None],
        abroad: Callable[[], bool],
    ) -> None:
        """``engine`` is the one that lives; ``abroad``: whether requests of a dead one may still take effect."""
        self._world = world
        self._clock = clock
        self._rng = rng
        self._engine = engine
        self._abroad = abroad
        self._stopped: dict[
            str, int
        ] = {}  # writes that had reached the vendor when a route's calls had ended
        self.violations: list[str] = []
        self.differences = 0  # the most that were listed at once
        self.stops = 0

    async def begin(self, store: Store, routes: Routes) -> None:
        """Everything is in shadow before the first start, as ``syncline run --shadow`` has it."""
        now_ms = self._clock.now_ms()
        rows = [
            {"subject": route.name, "mode": Stop.SHADOW.value, "now_ms": now_ms, "actor": "Ada", "reason": ""}
            for route in routes.all
        ]
        await store.write(Write("mode_begin", rows))
        self._stopped = dict.fromkeys((route.name for route in routes.all), 0)

    def writes(self, route: str) -> int:
        """How many writes of a route have reached its sink."""
        flow = Flow(route.partition(":")[0])
        if flow in WRITES_AT_SHOP:
            return self._world.shop.ledger.calls_by_operation[WRITES_AT_SHOP[flow]]
        calls = self._world.erp.ledger.calls_by_operation
        return sum(count for name, count in calls.items() if name.rsplit(".", 1)[-1] not in READS)

    async def _write_beside(self) -> None:
        """What ran before us goes on writing numbers at the shop, never more than there are, until we are live."""
        world, rng = self._world, self._rng
        while True:
            await self._clock.sleep(rng.uniform(1, 15))
            erp_at, shop_at = rng.choice(world.trade.locations)
            sku = rng.choice(world.trade.skus)
            world.shop.set_available(
                sku, shop_at, rng.randint(0, max(0, world.trade.should_show(sku, erp_at)))
            )

    async def play(self, routes: Routes, until_s: float) -> None:
        """Go live, route by route; then pause, resume and rehearse at random until a moment; in the end all is live."""
        names = [route.name for route in routes.all]
        self._rng.shuffle(names)
        beside = asyncio.get_running_loop().create_task(self._write_beside())
        for name in names:
            await self._clock.sleep(self._rng.uniform(20, 240))
            await self._look()
            if name.startswith(Flow.INVENTORY):
                beside.cancel()
            await self._go_on(name, "live", [name])
        while self._clock.monotonic() < until_s:
            await self._clock.sleep(self._rng.uniform(5, 120))
            action = self._rng.choice(("pause", "pause", "shadow"))
            route = self._rng.choice(routes.all)
            subject = route.sink if action == "pause" and self._rng.random() < 0.5 else route.name
            concerned = [one.name for one in routes.all if subject in (one.name, one.sink)]
            await self._stop(subject, action, concerned)
            await self._clock.sleep(self._rng.uniform(1, 200))
            if action == "shadow":
                await self._look()
            await self._go_on(subject, "live" if action == "shadow" else "resume", concerned)

    async def _look(self) -> None:
        engine = self._engine()
        if engine is not None:
            self.differences = max(self.differences, (await shadow_report(engine)).total)

    async def _stop(self, subject: str, action: str, concerned: list[str]) -> None:
        async def stop(switches: Switches) -> object:
            if action == "pause":
                return await switches.pause(subject, by="Ada")
            return await switches.shadow([subject], by="Ada")

        await self._insist(stop)
        self.stops += 1
        while self._under_way(concerned):
            await self._clock.sleep(LOOK_S)
        for name in concerned:
            self._stopped[name] = self.writes(name)

    def _under_way(self, concerned: list[str]) -> bool:
        engine = self._engine()
        if engine is None:
            return self._abroad()
        return self._abroad() or any(
            lane.stops.sending[name] for lane in engine.lanes.values() for name in concerned
        )

    async def _go_on(self, subject: str, action: str, concerned: list[str]) -> None:
        looked = False

        async def go_on(switches: Switches) -> object:
            nonlocal looked
            if (
                not looked
            ):  # as late as can be: from here on a call may begin, even if nobody hears that it may
                self._check(concerned)
                looked = True
            return await (switches.live if action == "live" else switches.resume)(subject, by="Ada")

        await self._insist(go_on)

    def _check(self, concerned: list[str]) -> None:
        for name in concerned:
            if more := self.writes(name) - self._stopped[name]:
                self.violations.append(f"{more} writes of {name} while it was stopped")
                self._stopped[name] += more

    async def _insist(self, act: Callable[[Switches], Awaitable[object]]) -> None:
        """Ask until it is so: the process may be dead, or die over it after it was written down."""
        while True:
            engine = self._engine()
            try:
                if engine is not None:
                    await act(Switches(engine, Audit(engine.store, engine.clock)))
                    return
            except NotPossible:
                return
            except (Killed, SynclineError):
                pass
            await self._clock.sleep(TRY_AGAIN_S)
