"""A minute of trade that anyone understands: what happens, when, and what it came to."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from syncline.engine.engine import Engine
from syncline.engine.privacy.traces import range_of
from syncline.freshness.bounds import percentile
from syncline.model.delivery import DeliveryState
from syncline.ports import Clock
from syncline.simulate.contract import Contract
from syncline.simulate.history import HistoryOrder
from syncline.simulate.network import FaultyTransport
from syncline.simulate.scenes import Ask, Scened, Scenes
from syncline.simulate.trade import Truth
from syncline.simulate.world import World

ORDERS_PER_S = 5.0
DRAIN_S = 30.0
READY_S = 120.0
WITHDRAWALS_PER_S = 0.5
HIDDEN_SHARE_MAX = 0.01
OUTAGE_S = 10.0
CALM_ROUNDS = 3
SAMPLES_MAX = 1_000_000
UNSETTLED_MAX = 5  # lost orders, deliveries of each, and numbers that differ, that are named


@dataclass(frozen=True, slots=True)
class Lag:
    """How old changes of one flow were when they landed; milliseconds.

    What both sides brought into agreement before the shop opened is left out.
    ``max_outside_outages`` leaves out the time in which the ERP was declared down: bounds hold
    outside declared outages, which are shown apart.
    """

    p50: int
    p99: int
    max: int
    tolerance: int
    changes: int
    max_outside_outages: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. All counts are from the simulators' ledgers, lags from our own measurements."""

    truth: Truth
    calls: dict[str, int]
    limit_breaches: int
    lag_ms: dict[str, Lag]
    seed: int
    orders_seconds: float
    contract_prices: int
    contract_prices_changed: int
    contract_prices_wrong: int
    scened: Scened
    unsettled: list[str]

    def broken(self) -> list[str]:
        """The promises that were not kept, in words; empty if every one was."""
        truth = self.truth
        found = [
            f"{count} {what}"
            for count, what in (
                (truth.orders_lost, "orders lost"),
                (truth.orders_duplicated, "orders duplicated"),
                (truth.order_lines_wrong, "orders with wrong lines"),
                (truth.order_totals_wrong, "orders with wrong totals"),
                (truth.units_oversold, "units oversold"),
                (truth.stock_mismatches, "numbers that differ"),
                (truth.fulfilments_shipped - truth.fulfilments_at_shop, "shipments unknown to the shop"),
                (truth.fulfilments_doubled, "shipments doubled at the shop"),
                (self.contract_prices_wrong, "contract prices that differ"),
                (self.limit_breaches, "limits breached"),
                *self.scened.broken(),
            )
            if count > 0
        ]
        if truth.units_hidden > HIDDEN_SHARE_MAX * max(1, truth.units_asked):
            found.append(f"{truth.units_hidden} units refused that the ERP could give (more than 1 %)")
        found += [
            f"{flow}: a change was {lag.max_outside_outages / 1000:.1f} s old, not counting the outage; "
            f"the tolerance is {lag.tolerance / 1000:.0f} s"
            for flow, lag in self.lag_ms.items()
            if lag.max_outside_outages > lag.tolerance
        ]
        return found

    def as_json(self) -> dict[str, Any]:
        """The flat form that ``--json`` writes."""
        return {
            **asdict(self.truth),
            "calls": self.calls,
            "limit_breaches": self.limit_breaches,
            "lag_ms": {flow: asdict(lag) for flow, lag in self.lag_ms.items()},
            "contract_prices": self.contract_prices,
            "contract_prices_changed": self.contract_prices_changed,
            "contract_prices_wrong": self.contract_prices_wrong,
            **asdict(self.scened),
            "seed": self.seed,
            "promises_broken": self.broken(),
            "unsettled": self.unsettled,
        }


def orders_per_s(world: World) -> float:
    """How many orders a second are placed where the history's own pace does not matter."""
    return min(ORDERS_PER_S, world.erp_side.orders_per_s)


class Story:
    """Plays orders and mishaps in a world, at a pace, and then waits until everything is quiet.

    ``line`` carries the calls to the ERP; ``contract`` are the prices of which one changes; ``scenes`` are the other flows,
    and ``ask`` is how a storefront asks for credit.
    """

    def __init__(
        self,
        *,
        world: World,
        engine: Engine,
        line: FaultyTransport,
        contract: Contract,
        scenes: Scenes,
        ask: Ask,
        clock: Clock,
        rng: Random,
        orders: Sequence[HistoryOrder],
        seconds: float,
        speed: float | None,
        say: Callable[[str], None],
        on_progress: Callable[[float], None],
    ) -> None:
        self._world = world
        self._engine = engine
        self._line = line
        self._contract = contract
        self._scenes = scenes
        self._ask = ask
        self._clock = clock
        self._rng = rng
        self._orders = orders
        self._seconds = seconds
        self._speed = speed
        self._say = say
        self._on_progress = on_progress
        self._outages: list[tuple[int, int]] = []
        self._down = False
        self._returning = False
        self._opened_ms = 0

    async def until_ready(self) -> bool:
        """Wait until both sides were read once and agree; ``False`` if that took too long."""
        for _ in range(int(READY_S * 10)):
            await self._clock.sleep(0.1)
            if all(poller.reads for poller in self._engine.pollers) and self._engine.quiet():
                return True
        return False

    async def play(self) -> None:
        """Orders for the given seconds, with everything that goes wrong meanwhile."""
        began = self._clock.monotonic()
        self._opened_ms = self._clock.now_ms()
        async with asyncio.TaskGroup() as group:
            mishaps = group.create_task(self._mishaps())
            staff = group.create_task(self._staff())
            rate = orders_per_s(self._world)
            first_ms = self._orders[0].placed_at_ms if self._orders else 0
            due = 0.0
            for order in self._orders:
                if self._speed is None:
                    due += self._rng.uniform(0.5, 1.5) / rate
                else:
                    due = (order.placed_at_ms - first_ms) / 1000 / self._speed
                if due >= self._seconds:
                    break
                await self._clock.sleep(began + due - self._clock.monotonic())
                self._world.trade.place(order)
                self._on_progress(min(1.0, (self._clock.monotonic() - began) / self._seconds))
            await self._clock.sleep(max(0.0, began + self._seconds - self._clock.monotonic()))
            self._on_progress(1.0)
            await mishaps
            staff.cancel()

    async def _staff(self) -> None:
        """The warehouse ships what the ERP holds; others take goods that the shop knows nothing of."""
        trade = self._world.trade
        while True:
            await self._clock.sleep(1.0)
            trade.ship(math.ceil(ORDERS_PER_S * 1.5))
            if not self._down and self._rng.random() < WITHDRAWALS_PER_S:
                trade.withdraw()
            self._account()

    def _account(self) -> None:
        """The ERP's people take in money, and goods that come back."""
        if (amount := self._scenes.pay()) is not None:
            self._say(f"The bank transfer for an order on terms comes in: {amount}. The shop is told.")
        if self._returning and (units := self._scenes.send_back()):
            self._say(f"Goods come back to the warehouse: {units} unit. The shop gives the money back, once.")

    async def _mishaps(self) -> None:
        world, span = self._world, self._seconds
        began = self._clock.monotonic()

        async def at(share: float) -> None:
            await self._clock.sleep(max(0.0, began + share * span - self._clock.monotonic()))

        self._say("The shop is open: buyers order, the warehouse ships, the ERP keeps the books.")
        self._scenes.order_on_terms()
        await at(0.06)
        self._say(f"A company is made in the ERP: {self._scenes.company_comes()}. It is to buy in the shop.")
        self._say(f"So is a product, {self._scenes.product_comes()}, and goods of it arrive.")
        await at(0.12)
        self._say(f"The ERP receives goods: {world.trade.receive(5)} units on five SKUs.")
        await at(0.27)
        took = 0
        for _ in range(20):
            took = took or world.trade.withdraw()
        self._say(
            f"Another warehouse ships {took} unit{'' if took == 1 else 's'} that the shop does not know of."
        )
        await at(0.34)
        for _ in range(2):
            await self._checkout()
        await at(0.40)
        world.shop_side.lose_next()
        self._say("A webhook gets lost: the shop will never tell us of its next order. The next poll will.")
        await at(0.55)
        self._returning = True
        outage_s = min(OUTAGE_S, span / 6)
        self._out(down=True)
        down_at = self._clock.now_ms()
        self._say(
            f"The ERP is {self._how()} for {outage_s:.0f} seconds. Orders keep coming in; nothing is lost."
        )
        await self._clock.sleep(outage_s)
        self._out(down=False)
        self._outages.append((down_at, self._clock.now_ms()))
        self._say("The ERP is back. What waited goes out by deadline, the most urgent first.")
        await at(0.75)
        sku, before, after = self._contract.change()
        self._say(
            f"A contract price changes in the ERP: {sku} costs the customer {after} instead of {before}."
        )
        await at(0.85)
        shop_faults = world.shop_side.simulator.faults
        shop_faults.webhook_copies_max = 5
        self._say("The same webhooks now arrive up to five times each. Each counts once.")
        await at(0.93)
        shop_faults.webhook_copies_max = 1

    async def _checkout(self) -> None:
        amount, decision, message = await self._scenes.checkout(self._ask)
        self._say(
            f"A storefront asks whether a company may buy for {amount} on account: {decision}. {message}"
        )

    def _out(self, *, down: bool) -> None:
        self._down = down
        if self._world.erp_side.calls_refused:
            self._line.faults.refuse_rate = float(down)
        else:
            self._world.erp_side.simulator.faults.down = down

    def _how(self) -> str:
        return "out of reach" if self._world.erp_side.calls_refused else "down"

    async def drain(self) -> None:
        """At most 30 seconds until all ledgers are quiet and agree."""
        world = self._world
        began = self._clock.monotonic()
        calm = 0
        while self._clock.monotonic() - began < DRAIN_S and calm < CALM_ROUNDS:
            world.trade.ship(1000)
            await self._clock.sleep(0.5)
            # Counting everything takes a while, so it waits until nothing seems to move any more.
            self._account()
            still = (
                world.quiet() and self._scenes.done() and self._engine.quiet() and not world.trade.to_ship()
            )
            agrees = (
                still and world.trade.agrees() and not self._contract.wrong() and not self._scenes.wrong()
            )
            calm = calm + 1 if agrees else 0

    def _in_outage(self, from_ms: int, to_ms: int) -> int:
        """How much of a span the ERP was down."""
        return sum(max(0, min(to_ms, up) - max(from_ms, down)) for down, up in self._outages)

    async def outcome(self, seed: int) -> Outcome:
        """Count it all."""
        world = self._world
        lags: dict[str, Lag] = {}
        for route in self._engine.routes.all:
            landed = await self._engine.store.read("lags", route=route.name, since=0, limit=SAMPLES_MAX)
            rows = [row for row in landed if row[1] >= self._opened_ms]
            ages = sorted(row[2] for row in rows)
            outside = max((row[2] - self._in_outage(row[1] - row[2], row[1]) for row in rows), default=0)
            lags[route.flow.value] = Lag(
                percentile(ages, 0.5),
                percentile(ages, 0.99),
                ages[-1] if ages else 0,
                route.tolerance_ms,
                len(ages),
                outside,
            )
        shop, erp = (side.simulator.ledger for side in world.sides())
        breaches = shop.breaches + erp.breaches
        return Outcome(
            truth=world.trade.truth(),
            calls={
                "shop": shop.calls_by_operation.total(),
                "erp": erp.calls_by_operation.total(),
            },
            limit_breaches=sum(breaches.values()),
            lag_ms=lags,
            seed=seed,
            orders_seconds=self._seconds,
            contract_prices=self._contract.agreed(),
            contract_prices_changed=self._contract.changes,
            contract_prices_wrong=self._contract.wrong(),
            scened=self._scenes.counted(),
            unsettled=await self._unsettled(),
        )

    async def _unsettled(self) -> list[str]:
        """The first orders that are lost, with what Syncline knows of them, and the first numbers that differ."""
        found = []
        for order_id in self._world.trade.lost()[:UNSETTLED_MAX]:
            key = str(order_id)
            rows = await self._engine.store.read("deliveries_like", limit=UNSETTLED_MAX, **range_of(key))
            known = [
                f"{row[1]} {DeliveryState(row[4]).value} after {row[9]} attempts {row[10]}".rstrip()
                for row in rows
            ]
            found.append(
                f"order {key} is not in the ERP; Syncline: {'; '.join(known) or 'has nothing to deliver'}"
            )
        return found + [
            f"{sku} at {place}: the shop shows {shown}, {right} is right"
            for sku, place, shown, right in self._world.trade.mismatches()[:UNSETTLED_MAX]
        ]
