"""Quotes for ten lines over 200 locations, asked over the API; and the search for the cheapest plan beside a MILP solver.

``python -m bench.routing WHERE`` is the server that is asked: it prints its port and a token. The floor is reading the rows
that a quote rests on and decoding them, in the same store, and nothing else. The solver is HiGHS, if ``highspy`` can be
imported; it is no dependency (see docs/explanation/how-routing-decides.md).
"""

from __future__ import annotations

import asyncio
import importlib.util
import random
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from random import Random
from typing import Any, cast

import msgspec
import uvloop

from bench.harness import Report, folder, hush, percentile, process
from bench.load import Connection, post
from syncline.engine.codec import encode
from syncline.engine.engine import Engine
from syncline.engine.operations import Operations
from syncline.engine.routes import Route, Routes, stock_key
from syncline.model.capabilities import AVAILABLE_OWN_ORDERS_SUBTRACTED, PLAIN, Capabilities
from syncline.model.change import Flow, Kind
from syncline.model.delivery import Operation
from syncline.model.records import Item, StockLevel
from syncline.ports import System, Write
from syncline.routing.places import Point
from syncline.routing.policy import Policy, Site
from syncline.routing.solver import STEPS_MAX, Problem, solve
from syncline.runtime.clock import SystemClock
from syncline.stores.sqlite import LiveSqliteStore
from syncline.web.access import Access, Role
from syncline.web.app import build_app
from syncline.web.serve import Listener

NAME = "routing"
LOCATIONS, LINES, SKUS = 200, 10, 400
PAGE = 5_000
SHELVES = {"most locations have most things": 0.6, "few have anything": 0.12}
SAME = 1e-6


class _Silent:
    """A side of a system that nobody asks anything."""

    streams = ()
    operations: Mapping[str, Operation] = {"set_stock": Operation("set_stock")}


def place(rng: Random) -> Point:
    """Somewhere in a large country."""
    return Point(round(rng.uniform(30, 48), 4), round(rng.uniform(-120, -75), 4))


def policy() -> Policy:
    """Two hundred locations, each with its place and its costs."""
    rng = Random(3)
    sites = {
        str(n): Site(
            place(rng),
            Decimal(rng.randint(100, 300)) / 100,
            Decimal(rng.randint(20, 60)) / 100,
            Decimal("0.004"),
            orders_per_day=1_000,
        )
        for n in range(LOCATIONS)
    }
    return Policy(sites=sites, currency="USD", cost_per_parcel=Decimal(4), parcels_max=3)


async def furnish(where: str) -> Engine:
    """An engine that does not run; each half of the SKUs lies about as ``SHELVES`` says."""
    clock, silent, rng = SystemClock(), cast("Any", _Silent()), Random(4)
    store = await LiveSqliteStore.open(f"{where}/routing.sqlite", now_ms=clock.now_ms())
    contracts = {"erp": PLAIN, "shop": AVAILABLE_OWN_ORDERS_SUBTRACTED}
    systems = [
        System(name, "", Capabilities(stock_contract=contract), silent, silent, silent)
        for name, contract in contracts.items()
    ]
    places = {str(n): f"L{n}" for n in range(LOCATIONS)}
    routes = Routes([Route(Flow.INVENTORY, "erp", "shop", 5_000, locations=places)])
    now_ms, rows = clock.now_ms(), []
    for number in range(SKUS):
        sku, share = sku_of(number), list(SHELVES.values())[number % 2]
        rows.append(row("shop", Kind.ITEM, sku, Item(sku, sku, sku), now_ms))
        for at in places:
            n = Decimal(rng.randint(1, 20) if rng.random() < share else 0)
            level = StockLevel(sku, at, n, n, Decimal(0), now_ms, now_ms)
            rows.append(row("erp", Kind.STOCK, stock_key(sku, at), level, now_ms))
    for first in range(0, len(rows), PAGE):
        await store.write(Write("record_put", rows[first : first + PAGE]))
    engine = Engine(store=store, clock=clock, rng=Random(1), systems=systems, routes=routes, routing=policy())
    await engine.catalog.load(engine.systems)
    return engine


def sku_of(number: int) -> str:
    """The name of a SKU."""
    return f"SKU-{number:05d}"


def row(system: str, kind: Kind, key: str, value: Any, now_ms: int) -> dict[str, Any]:
    """A record as it is stored."""
    stamps = {"version": 1, "tiebreak": 0, "changed_at_ms": now_ms, "observed_at_ms": now_ms, "offset": 0}
    return {"system": system, "kind": kind.value, "key": key, **stamps, "hash": "", "body": encode(value)}


async def serve(where: str) -> None:
    """Serve quotes until SIGTERM."""
    hush()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    engine = await furnish(where)
    operations = Operations(engine)
    secret = b"a secret of the benchmark's own server"
    access = Access(
        engine.store, engine.clock, operations.audit, secret=secret, token_bytes=Random(2).randbytes
    )
    token = await access.add("looker", Role.VIEWER, by="bench")
    app = build_app(engine, access, operations)
    listener = Listener(app, "127.0.0.1", 0)
    listener.start()
    while not listener._server.started:  # noqa: ASYNC110, SLF001 (a port that is bound does not listen yet)
        await asyncio.sleep(0.01)
    print(listener.port, token, flush=True)
    await stop.wait()
    app.stop()
    await listener.stop()
    await engine.store.close()


def carts(half: int, count: int) -> list[list[dict[str, Any]]]:
    """Orders of ten lines out of one half of the SKUs."""
    rng = Random(half)
    return [
        [
            {"sku": sku_of(number), "quantity": rng.randint(1, 6)}
            for number in rng.sample(range(half, SKUS, 2), LINES)
        ]
        for _ in range(count)
    ]


async def ask(port: int, token: str, half: int, count: int) -> tuple[list[float], Counter[int]]:
    """Quotes, one after the other: seconds of each, and answers by status."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    rng, took, statuses = Random(9), list[float](), Counter[int]()
    waiting: asyncio.Future[None] | None = None

    def answered(connection: Connection, status: int) -> None:
        took.append(time.perf_counter() - connection.sent_at)
        statuses[status] += 1
        if waiting is not None:
            waiting.set_result(None)

    loop = asyncio.get_running_loop()
    connection = (await loop.create_connection(lambda: Connection(answered), "127.0.0.1", port))[1]
    for lines in carts(half, count):
        at = place(rng)
        body = {"channel": "shop", "lines": lines, "to": {"latitude": at.latitude, "longitude": at.longitude}}
        waiting = loop.create_future()
        connection.send(post("/v1/routing/quote", headers, msgspec.json.encode(body)), time.perf_counter())
        await waiting
    connection.close()
    return took, statuses


async def floor(where: str, half: int, count: int) -> list[float]:
    """Seconds of reading and decoding what a quote rests on."""
    engine = await reopened(where)
    took = []
    for lines in carts(half, count):
        began = time.perf_counter()
        await engine.deriver.facts("erp", [line["sku"] for line in lines])
        took.append(time.perf_counter() - began)
    await engine.store.close()
    return took


async def reopened(where: str) -> Engine:
    """The same store, when the server has ended."""
    clock, silent = SystemClock(), cast("Any", _Silent())
    store = await LiveSqliteStore.open(f"{where}/routing.sqlite", now_ms=clock.now_ms())
    systems = [System(name, "", Capabilities(), silent, silent, silent) for name in ("erp", "shop")]
    places = {str(n): f"L{n}" for n in range(LOCATIONS)}
    routes = Routes([Route(Flow.INVENTORY, "erp", "shop", 5_000, locations=places)])
    return Engine(store=store, clock=clock, rng=random.Random(1), systems=systems, routes=routes)


# --- the search beside a solver --------------------------------------------------------------------------------


def problem(rng: Random, share: float, *, lines: int = LINES) -> Problem:
    """An order as the API would see it, in ten-thousandths of a dollar."""
    wanted = [rng.randint(1, 6) for _ in range(lines)]
    available = [
        [min(units, rng.randint(1, 20)) if rng.random() < share else 0 for _ in range(LOCATIONS)]
        for units in wanted
    ]
    parcel = [rng.randint(10_000, 30_000) + rng.randint(1_000, 180_000) for _ in range(LOCATIONS)]
    return Problem(
        wanted, available, parcel, [rng.randint(2_000, 6_000) for _ in range(LOCATIONS)], 40_000, 3
    )


def milp(given: Problem) -> tuple[int, float]:
    """HiGHS on the same order: the cost with what is missing, and the seconds of solving alone, without building."""
    highs = importlib.import_module("highspy")
    model = highs.Highs()
    model.silent()
    places, lines = range(len(given.parcel_cost)), range(len(given.wanted))
    missing = missing_cost(given)
    used = {at: model.addBinary(obj=given.parcel_cost[at] + given.split_cost) for at in places}
    sends, units = {}, {}
    for line in lines:
        short = model.addVariable(0, given.wanted[line], obj=missing)
        total = short
        for at in places:
            if given.available[line][at]:
                sends[line, at] = model.addBinary(obj=given.line_cost[at])
                units[line, at] = model.addIntegral(0, given.available[line][at])
                model.addConstr(units[line, at] <= given.available[line][at] * sends[line, at])
                model.addConstr(sends[line, at] <= used[at])
                total = total + units[line, at]
        model.addConstr(total == given.wanted[line])
    model.addConstr(sum(used.values()) <= given.parcels_max)
    model.setOptionValue("threads", 1)
    model.setOptionValue("mip_rel_gap", 0.0)
    began = time.perf_counter()
    model.minimize()
    seconds = time.perf_counter() - began
    return round(model.getObjectiveValue()), seconds


def missing_cost(given: Problem) -> int:
    """More than any plan costs."""
    return given.parcels_max * (
        max(given.parcel_cost) + given.split_cost + len(given.wanted) * max(given.line_cost)
    )


def searched(given: Problem) -> tuple[int, float, bool]:
    """Our own search on the same order, told in the same way."""
    began = time.perf_counter()
    found = solve(given)
    seconds = time.perf_counter() - began
    split = given.split_cost if found.locations else 0
    return found.cost + split + sum(found.missing) * missing_cost(given), seconds, found.exact


def compare(report: Report, name: str, share: float, count: int) -> None:
    """The search alone, and HiGHS where it can be had."""
    rng = Random(6)
    orders = [problem(rng, share) for _ in range(count)]
    ours = [searched(one) for one in orders]
    report.add(f"{name}: search p50", statistics.median(s for _, s, _ in ours) * 1000, "ms")
    report.add(f"{name}: search p99", percentile([s for _, s, _ in ours], 0.99) * 1000, "ms")
    report.add(f"{name}: proved", sum(exact for *_, exact in ours) / count * 100, "%")
    if importlib.util.find_spec("highspy") is None:
        return
    theirs = [milp(one) for one in orders]
    report.add(f"{name}: HiGHS p50", statistics.median(s for _, s in theirs) * 1000, "ms")
    report.add(f"{name}: HiGHS p99", percentile([s for _, s in theirs], 0.99) * 1000, "ms")
    dearer = [cost / best - 1 for (cost, _, _), (best, _) in zip(ours, theirs, strict=True)]
    report.add(f"{name}: ours dearer than HiGHS's, mean", sum(dearer) / count * 100, "%")
    wrong = sum(exact and gap > SAME for (*_, exact), gap in zip(ours, dearer, strict=True))
    report.add(f"{name}: proved, and dearer than HiGHS's", wrong, "", most=0, gated=True)


def run(*, quick: bool = False) -> Report:
    """Quotes over the API, what they rest on, and the search beside a solver."""
    report, count = Report(NAME), 200 if quick else 1_000
    with folder() as at:
        with process("-m", "bench.routing", str(at)) as server:
            assert server.stdout is not None
            port, token = server.stdout.readline().split()
            asked = {
                name: uvloop.run(ask(int(port), token, half, count)) for half, name in enumerate(SHELVES)
            }
        for half, (name, (took, statuses)) in enumerate(asked.items()):
            least = uvloop.run(floor(str(at), half, count))
            report.add(f"{name}: quotes", count)
            report.add(f"{name}: answers that were none", count - statuses[200], "", most=0, gated=True)
            report.add(f"{name}: p50", statistics.median(took) * 1000, "ms")
            report.add(f"{name}: p99", percentile(took, 0.99) * 1000, "ms", most=100, gated=True)
            report.add(f"{name}: floor p50", statistics.median(least) * 1000, "ms")
            report.add(f"{name}: floor p99", percentile(least, 0.99) * 1000, "ms")
    for name, share in SHELVES.items():
        compare(report, name, share, 20 if quick else 60)
    if importlib.util.find_spec("highspy") is None:
        report.notes.append("HiGHS was not measured: highspy cannot be imported here")
    report.data = {"steps_max": STEPS_MAX, "locations": LOCATIONS, "lines": LINES}
    return report


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
