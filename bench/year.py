"""One year of real orders through the whole pipeline, on one core and a virtual clock.

Every order of the history is placed at its historical moment in the simulated shop; webhooks, polls,
allocations, ERP orders, shipments, weekly receipts and stock numbers follow as they would in life.
The goal is a wall time: a year in less than ten minutes, so that a what-if is a coffee break.

``python -m bench.year --orders FILE --days 20 --profile`` says where the time goes.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import multiprocessing
import pstats
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import structlog

from bench.harness import Meter, Report, hush, orders_file, rss_mb
from syncline.engine.engine import Engine
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.history import (
    DAY_MS,
    History,
    generate_history,
    read_history,
    stock_case,
    weekly_moments,
)
from syncline.simulate.hooks import HooksApp
from syncline.simulate.transport import AsgiTransport
from syncline.simulate.world import Pace, World
from syncline.stores.sqlite import SqliteStore
from syncline.stores.sqlite.one_thread import for_one_thread

NAME = "year"
SAY_EVERY_S = 30.0
HOOKS = "https://syncline.simulated"
HOUR_MS = 3_600_000
LINES_OF_THE_HISTORY = 527_725
SECONDS_MAX = 600.0
SHIP_HOUR = 16  # the parcels of a day leave together
# Webhooks carry the day; polls and the weekly snapshot are what a lost one costs. Nobody adds goods in
# this play. A store in memory has one owner, which pauses nothing; ten million renewals, and as many looks
# for pauses, would be half of the time.
PACE = Pace(
    poll_ms=HOUR_MS, reconcile_ms=7 * DAY_MS, items_ms=7 * DAY_MS, lease_ttl_ms=3 * HOUR_MS, modes_ms=DAY_MS
)


log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Played:
    """What a run did."""

    lines: int = 0
    orders: int = 0
    days: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    counts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Year:
    """A world, a history and the weeks of the published stock case."""

    def __init__(self, history: History, *, seed: int = 1, days: float = 0.0) -> None:
        first_ms = history.orders[0].placed_at_ms
        self.start_ms = first_ms // DAY_MS * DAY_MS
        end_ms = self.start_ms + round(days * DAY_MS) if days else history.orders[-1].placed_at_ms + 1
        self.orders = [order for order in history.orders if order.placed_at_ms < end_ms]
        self.end_ms = self.orders[-1].placed_at_ms + 1
        self.case = stock_case(history.orders)
        rng = Random(seed)
        self.loop = VirtualLoop(self.start_ms)
        self.clock = VirtualClock(self.loop)
        self.apps = AsgiTransport({})
        # Nobody touches the shop's numbers here but its orders and Syncline, so their events would all be echoes:
        # half a million more for the simulator to render, sign and send.
        self.world = World(
            clock=self.clock,
            rng=Random(rng.getrandbits(64)),
            transport=self.apps,
            pace=PACE,
            level_events=False,
        )
        self.store = SqliteStore.open(":memory:", now_ms=self.start_ms)
        self.hooks = HooksApp()
        self._rng = rng
        self._expected: dict[int, list[tuple[str, int, int]]] = {}
        self.engine: Engine | None = None

    def play(self) -> Played:
        """Play all of it; returns what came of it."""
        try:
            return self.loop.run_until_complete(self._play())
        finally:
            self.loop.run_until_complete(self._end())
            self.loop.close()

    async def _end(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _play(self) -> Played:
        world = self.world
        world.trade.stock(self.case, sorted(self.case.target))
        self.apps.register(world.erp.origin, world.erp)
        self.apps.register(f"https://{world.shop.shop}", world.shop)
        self.apps.register(HOOKS, self.hooks)
        world.run_people()
        rng = Random(self._rng.getrandbits(64))
        self.engine = engine = world.open_engine(self.store, world.open_systems(self.apps, rng), rng)
        self.hooks.engine = engine
        self.loop.create_task(engine.run())
        await world.connect(engine, lambda system: f"{HOOKS}/hooks/{system}")
        await self.clock.sleep(1_800)  # first reads
        # The ledgers of a year are millions of objects that never become garbage; walking them again and
        # again would be a fifth of the time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(200_000, 50, 1_000)
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(self._buy(), self._work())
        await self._settle()
        played = Played(
            lines=sum(len(order.lines) for order in self.orders),
            orders=len(self.orders),
            days=(self.end_ms - self.start_ms) / DAY_MS,
            wall_s=time.perf_counter() - began,
            cpu_s=time.process_time() - cpu,
        )
        await self._count(played)
        return played

    async def _until(self, at_ms: int) -> None:
        await self.clock.sleep((at_ms - self.clock.now_ms()) / 1000)

    async def _buy(self) -> None:
        said = time.perf_counter()
        for number, order in enumerate(self.orders):
            await self._until(order.placed_at_ms)
            if time.perf_counter() - said > SAY_EVERY_S:
                said = time.perf_counter()
                log.info("playing", orders=number, of=len(self.orders), rss_mb=round(rss_mb()))
            self.world.trade.place(order)

    async def _work(self) -> None:
        """Staff: parcels leave daily, goods are ordered on Mondays and arrive on Wednesdays."""
        acts = [(at, self._order_goods) for at in weekly_moments(self.start_ms, self.end_ms, 0, 6)]
        acts += [(at, self._receive_goods) for at in weekly_moments(self.start_ms, self.end_ms, 2, 10)]
        acts += [(at, self._ship) for at in range(self.start_ms + SHIP_HOUR * HOUR_MS, self.end_ms, DAY_MS)]
        for at, act in sorted(acts, key=lambda pair: pair[0]):
            await self._until(at)
            act()

    def _ship(self) -> None:
        self.world.trade.ship(len(self.world.trade.placed))

    def _order_goods(self) -> None:
        erp, locations = self.world.erp, self.world.trade.locations
        for sku in self.world.trade.skus:
            for (at, _), target in zip(locations, self.case.split(sku), strict=True):
                short = target - erp.available(sku, at) + erp.backordered(sku, at)
                if short > 0:
                    self._expected.setdefault(at, []).append((sku, short, at))

    def _receive_goods(self) -> None:
        for at, goods in self._expected.items():
            for begin in range(0, len(goods), 200):
                self.world.erp.receive([(sku, short) for sku, short, _ in goods[begin : begin + 200]], at)
        self._expected.clear()

    async def _settle(self) -> None:
        """Let what is under way arrive."""
        for _ in range(48):
            await self.clock.sleep(600)
            self._ship()
            if self.world.quiet() and not self.world.trade.to_ship() and not self.world.trade.mismatches():
                return

    async def _count(self, played: Played) -> None:
        world = self.world
        truth = world.trade.truth()
        parked = await self.store.read("parked_open", after=0, limit=10_000)
        breaches = {k: v for k, v in (world.shop.ledger.breaches + world.erp.ledger.breaches).items() if v}
        played.counts = {
            **{name: getattr(truth, name) for name in truth.__slots__},
            "parked": len(parked),
            "breaches": breaches,
            "calls_shop": sum(world.shop.ledger.calls_by_operation.values()),
            "calls_erp": sum(world.erp.ledger.calls_by_operation.values()),
            "calls": dict(
                (world.shop.ledger.calls_by_operation + world.erp.ledger.calls_by_operation).most_common()
            ),
        }
        for name in ("orders_lost", "orders_duplicated", "fulfilments_doubled", "stock_mismatches"):
            if played.counts[name]:
                played.problems.append(f"{name} = {played.counts[name]}")
        played.problems += [f"{row[1]} {row[2]}: {row[3]} {row[4]}" for row in parked[:5]]


def load(path: Path | None) -> tuple[History, str]:
    """The history, and what it is."""
    if path is not None:
        return read_history(path), path.name
    history = generate_history(1, orders=19_960, skus=4_000)
    return (
        history,
        f"generated ({history.lines() / LINES_OF_THE_HISTORY:.2f} x the lines of the published one)",
    )


def run(*, quick: bool = False) -> Report:
    """The whole history; with ``quick`` its first 13 days, told as the year they amount to."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_run, quick).result()


def _run(quick: bool) -> Report:
    """In a process of its own, so that what it sets up is nobody else's."""
    report = Report(NAME)
    hush()
    for_one_thread()
    history, name = load(orders_file())
    meter = Meter()
    played = Year(history, days=13.0 if quick else 0.0).play()
    whole = history.lines() / played.lines
    report.notes.append(
        f"{name}; {played.days:.0f} days, {played.orders} orders, {played.lines} lines, retention on"
    )
    report.add("lines played", played.lines / played.wall_s, "/s")
    # On one core of its own, CPU time is the wall time: neighbours on the core do not count against it.
    report.add("a year takes, CPU", played.cpu_s * whole, "s", most=SECONDS_MAX, gated=not quick)
    report.add("a year takes, wall", played.wall_s * whole, "s")
    report.add("most memory", rss_mb(), "MB")
    for what in ("orders_placed", "orders_lost", "orders_duplicated", "units_asked", "units_hidden", "units_oversold",
                 "stock_mismatches", "fulfilments_doubled", "parked"):  # fmt: skip
        must = what in ("orders_lost", "orders_duplicated", "fulfilments_doubled", "stock_mismatches")
        report.add(what, played.counts[what], "", most=0 if must else None, gated=must)
    report.notes += played.problems
    report.add("other processes kept busy", meter.others(), "cores")
    return report


def main() -> None:
    """A single run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=Path, default=orders_file())
    parser.add_argument("--days", type=float, default=0.0)
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    began = time.perf_counter()
    history, name = load(args.orders)
    print(
        f"{name}: {history.lines()} lines in {len(history.orders)} orders, read in {time.perf_counter() - began:.1f} s"
    )
    for_one_thread()
    began = time.perf_counter()
    year = Year(history, days=args.days)
    profile = cProfile.Profile()
    if args.profile:
        profile.enable()
    played = year.play()
    if args.profile:
        profile.disable()
        stats = pstats.Stats(profile)
        stats.sort_stats("tottime").print_stats(45)
        stats.sort_stats("cumtime").print_stats(90)
    print(
        f"{played.days:.1f} days, {played.orders} orders, {played.lines} lines: wall {played.wall_s:.1f} s, "
        f"CPU {played.cpu_s:.1f} s, {played.lines / played.wall_s:.0f} lines/s, RSS {rss_mb():.0f} MB; "
        f"whole {time.perf_counter() - began:.1f} s",
    )
    for name_, value in played.counts.items():
        print(f"  {name_}: {value}")
    for problem in played.problems:
        print("  !", problem)


if __name__ == "__main__":
    main()
