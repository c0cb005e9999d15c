"""Races of eight buyers for last units over the API, and holds beside a bare conditional update of the same store.

``python -m bench.holds KIND WHERE COUNT`` is the server that the races load: it prints its port and a token.
"""

from __future__ import annotations

import asyncio
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from decimal import Decimal
from itertools import count as count_from
from random import Random
from typing import Any, cast

import msgspec
import uvloop

from bench.harness import ROOT, Meter, Report, folder, hush, percentile, process
from bench.load import Connection, post
from syncline.engine.codec import encode
from syncline.engine.engine import Engine
from syncline.engine.holds import Line
from syncline.engine.operations import Operations
from syncline.engine.routes import Route, Routes, stock_key
from syncline.model.capabilities import AVAILABLE_OWN_ORDERS_SUBTRACTED, PLAIN, Capabilities
from syncline.model.change import Flow, Kind
from syncline.model.delivery import Operation
from syncline.model.records import Item, StockLevel
from syncline.ports import Store, System, Write
from syncline.runtime.clock import SystemClock
from syncline.stores.sqlite import LiveSqliteStore
from syncline.web.access import Access, Role
from syncline.web.app import build_app
from syncline.web.serve import Listener

NAME = "holds"
BUYERS = 8
CONNECTIONS = 64
RATE_SKUS = 500
PAGE = 5_000
BARE = "UPDATE shelf SET free = free - :by WHERE sku = :sku AND pool = :pool AND free >= :by RETURNING sku"
BARE_POSTGRES = """-- key: sku pool
UPDATE shelf SET free = free - r.by FROM jsonb_to_recordset($1::jsonb) AS r(sku text, pool text, by bigint)
WHERE shelf.sku = r.sku AND shelf.pool = r.pool AND shelf.free >= r.by RETURNING shelf.sku"""


class _Silent:
    """A side of a system that nobody asks anything."""

    streams = ()
    operations: Mapping[str, Operation] = {"set_stock": Operation("set_stock")}


def sku_of(number: int) -> str:
    """The name of a SKU."""
    return f"LAST-{number:06d}"


async def open_store(kind: str, where: str) -> Store:
    """A file, or a server's address."""
    now_ms = SystemClock().now_ms()
    if kind == "sqlite":
        return await LiveSqliteStore.open(f"{where}/holds.sqlite", now_ms=now_ms)
    from syncline.stores.postgres import PostgresStore

    return await PostgresStore.open(where, now_ms=now_ms)


async def furnish(store: Store, count: int, units: int) -> Engine:
    """An engine that does not run, and so many SKUs with so many units each."""
    clock, silent = SystemClock(), cast("Any", _Silent())
    systems = [
        System(
            name,
            "",
            Capabilities(stock_contract=AVAILABLE_OWN_ORDERS_SUBTRACTED if name == "shop" else PLAIN),
            silent,
            silent,
            silent,
        )
        for name in ("erp", "shop")
    ]
    routes = Routes([Route(Flow.INVENTORY, "erp", "shop", 5_000, locations={"1": "L1"})])
    now_ms, n = clock.now_ms(), Decimal(units)
    for first in range(0, count, PAGE):
        rows = []
        for sku in map(sku_of, range(first, min(count, first + PAGE))):
            level = StockLevel(sku, "1", n, n, Decimal(0), now_ms, now_ms)
            for system, kind, key, value in (
                ("shop", Kind.ITEM, sku, Item(sku, sku, sku)),
                ("erp", Kind.STOCK, stock_key(sku, "1"), level),
            ):
                rows.append(
                    {
                        "system": system,
                        "kind": kind.value,
                        "key": key,
                        "version": 1,
                        "tiebreak": 0,
                        "changed_at_ms": now_ms,
                        "observed_at_ms": now_ms,
                        "offset": 0,
                        "hash": "",
                        "body": encode(value),
                    }
                )
        await store.write(Write("record_put", rows))
    engine = Engine(store=store, clock=clock, rng=Random(1), systems=systems, routes=routes)
    await engine.catalog.load(engine.systems)
    return engine


async def serve(kind: str, where: str, count: int) -> None:
    """Serve last units until SIGTERM."""
    hush()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    store = await open_store(kind, where)
    engine = await furnish(store, count, 1)
    operations = Operations(engine)
    access = Access(
        store,
        engine.clock,
        operations.audit,
        secret=b"a secret of the benchmark's own server",
        token_bytes=Random(2).randbytes,
    )
    token = await access.add("till", Role.CHECKOUT, by="bench")
    app = build_app(engine, access, operations)
    listener = Listener(app, "127.0.0.1", 0)
    listener.start()
    while not listener._server.started:  # noqa: ASYNC110, SLF001 (a port that is bound does not listen yet)
        await asyncio.sleep(0.01)
    print(listener.port, token, flush=True)
    await stop.wait()
    app.stop()
    await listener.stop()
    await store.close()


def carts(token: str, count: int) -> Iterator[tuple[str, bytes]]:
    """Eight buyers for each SKU, one after the other; so they are at work at the same time."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for sku in map(sku_of, range(count)):
        for buyer in range(BUYERS):
            cart = {"reference": f"{sku}.{buyer}", "channel": "shop", "lines": [{"sku": sku, "quantity": 1}]}
            yield sku, post("/v1/holds", headers, msgspec.json.encode(cart))


async def compete(port: int, token: str, count: int) -> tuple[Counter[str], Counter[int], list[float], float]:
    """Who got what: units by SKU, answers by status, seconds of each, seconds in all."""
    sold: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    took: list[float] = []
    wanted = carts(token, count)
    asked: dict[Connection, str] = {}
    left, done = CONNECTIONS, asyncio.Event()

    def following(connection: Connection) -> None:
        nonlocal left
        cart = next(wanted, None)
        if cart is None:
            left -= 1
            if not left:
                done.set()
            return
        asked[connection] = cart[0]
        connection.send(cart[1], time.perf_counter())

    def answered(connection: Connection, status: int) -> None:
        took.append(time.perf_counter() - connection.sent_at)
        statuses[status] += 1
        sold[asked[connection]] += status == 200
        following(connection)

    loop = asyncio.get_running_loop()
    opened = [
        (await loop.create_connection(lambda: Connection(answered), "127.0.0.1", port))[1]
        for _ in range(CONNECTIONS)
    ]
    began = time.perf_counter()
    for connection in opened:
        following(connection)
    await done.wait()
    seconds = time.perf_counter() - began
    for connection in opened:
        connection.close()
    return sold, statuses, took, seconds


def races(report: Report, name: str, kind: str, where: str, count: int) -> None:
    """So many last units, eight buyers each."""
    with process("-m", "bench.holds", kind, where, str(count)) as server:
        assert server.stdout is not None
        port, token = server.stdout.readline().split()
        sold, statuses, took, seconds = uvloop.run(compete(int(port), token, count))
    report.add(f"{name}: races of {BUYERS} buyers", count)
    report.add(f"{name}: oversold", sum(units > 1 for units in sold.values()), "", most=0, gated=True)
    report.add(f"{name}: stranded", count - sum(units > 0 for units in sold.values()), "", most=0, gated=True)
    others = statuses.total() - statuses[200] - statuses[409]
    report.add(f"{name}: answers that were no decision", others, "", most=0, gated=True)
    report.add(f"{name}: answers", len(took) / seconds, "/s")
    report.add(f"{name}: p99", percentile(took, 0.99) * 1000, "ms")
    report.tell()


async def together(count: int, at_once: int, once: Callable[[int], Awaitable[None]]) -> float:
    """Do something so many times, some at once; returns how many a second."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await once(number)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return count / (time.perf_counter() - began)


async def rates(
    kind: str, where: str, at_once: int, *, rounds: int, count: int
) -> tuple[float, float, float]:
    """Holds and bare updates a second, in turns, and the median ratio of neighbours."""
    store = cast("Any", await open_store(kind, where))
    try:
        engine = await furnish(store, RATE_SKUS, 1_000_000)
        for first in range(0, RATE_SKUS, 100):  # numbers are there, as on any day but the first
            await engine.holds.availability("shop", [sku_of(n) for n in range(first, first + 100)])
        if kind == "sqlite":
            store._inner._queries["bare"] = BARE  # noqa: SLF001
        else:
            from syncline.stores.postgres.store import parse_statement

            store._statements["bare"] = parse_statement(BARE_POSTGRES)  # noqa: SLF001
        rng, names = Random(3), count_from(1)

        async def hold(_: int) -> None:
            sku = sku_of(rng.randrange(RATE_SKUS))
            await engine.holds.reserve(f"{at_once}.{next(names)}", "shop", [Line(sku, 1)])

        async def bare(_: int) -> None:
            row = {"sku": sku_of(rng.randrange(RATE_SKUS)), "pool": f"bare {at_once}", "by": 1}
            assert (await store.write(Write("bare", [row])))[0]

        now_ms = engine.clock.now_ms()
        pools = [{"sku": sku_of(n), "pool": f"bare {at_once}"} for n in range(RATE_SKUS)]
        puts = [{**row, "free": 10**9, "as_of_ms": now_ms, "rev": 1} for row in pools]
        await store.write(Write("shelf_open", pools), Write("shelf_put", puts))
        took: dict[str, list[float]] = {"hold": [], "bare": []}
        for number in range(-1, rounds):
            for name, once in (("hold", hold), ("bare", bare)):
                rate = await together(count, at_once, once)
                if number >= 0:
                    took[name].append(rate)
        ratio = statistics.median(h / b for h, b in zip(took["hold"], took["bare"], strict=True))
        return statistics.median(took["hold"]), statistics.median(took["bare"]), ratio
    finally:
        await store.close()


def measure(report: Report, name: str, kind: str, where: str, *, quick: bool) -> None:
    """Rate first, then races, on one store."""
    rounds, most = (5, 1_000) if quick else (9, 5_000)
    for at_once in (1, BUYERS, CONNECTIONS):
        count = min(most, 500 * at_once)  # where each waits for the disk, few say as much
        held, bare, ratio = uvloop.run(rates(kind, where, at_once, rounds=rounds, count=count))
        report.add(f"{name}: holds, {at_once} at once", held, "/s")
        report.add(f"{name}: bare conditional updates, {at_once} at once", bare, "/s")
        # With one at a time both wait for the disk. The more share a commit, the more the statements count.
        report.add(f"{name}: holds : bare, {at_once} at once", ratio, "x", least=0.5, gated=at_once == 1)
        report.tell()


def run(*, quick: bool = False) -> Report:
    """SQLite always, PostgreSQL where a server can be started."""
    report = Report(NAME)
    count = 2_000 if quick else 100_000
    meter = Meter()
    with folder() as rate_path, folder() as race_path:
        measure(report, "SQLite", "sqlite", str(rate_path), quick=quick)
        races(report, "SQLite", "sqlite", str(race_path), count)
    with ExitStack() as stack:
        sys.path.insert(0, str(ROOT))
        try:
            from tests.conformance.postgres_server import PostgresServer

            servers = [PostgresServer(), PostgresServer()]
        except Exception as error:  # noqa: BLE001 (not installed, or not startable: said, not measured)
            report.notes.append(f"PostgreSQL was not measured: {type(error).__name__}: {error}")
        else:
            for server in servers:
                stack.callback(server.close)
            measure(report, "PostgreSQL", "postgres", servers[0].dsn, quick=quick)
            races(report, "PostgreSQL", "postgres", servers[1].dsn, count)
    report.add("other processes kept busy", meter.others(), "cores")
    return report


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], sys.argv[2], int(sys.argv[3])))
