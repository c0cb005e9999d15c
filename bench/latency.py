"""What Syncline adds between an ERP's event and the call to the shop, at light load.

A process of its own runs the engine on a file with full fsync, between the two simulators; the shop
answers in a fixed time. Stock pushes arrive over a real socket, 50 a second. The clock starts when
the push is written and stops when the call that carries its number leaves.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import uvloop

from bench.harness import Meter, Report, fdatasync_ms, folder, hush, percentile, process
from bench.load import open_loop, post
from bench.servers import TOKEN
from syncline.connectors.netsuite.simulator.push import sign
from syncline.model.change import Kind
from syncline.ports import Request, Response, Transport
from syncline.runtime.clock import SystemClock
from syncline.simulate.history import StockCase
from syncline.simulate.transport import AsgiTransport
from syncline.simulate.world import ERP, PUSH_SECRET, SHOP, World
from syncline.stores.sqlite import LiveSqliteStore
from syncline.web.hooks import Hooks
from syncline.web.serve import Listener

NAME = "latency"
SKUS = 300
PER_S = 50.0
ANSWER_MS = 20.0
FIRST = 1_000  # above the opening stock, so that every pushed number is told once


class _World(World):
    def _shop_options(self) -> dict[str, Any]:
        return {"answer_ms": (ANSWER_MS, ANSWER_MS)}


class _Watch(Transport):
    """Notes when a stock call leaves."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.left: list[tuple[float, bytes]] = []

    async def send(self, request: Request) -> Response:
        if b"inventorySetQuantities" in request.body:
            self.left.append((time.perf_counter(), request.body))
        return await self._inner.send(request)


async def serve(path: str) -> None:
    """The child: tell where and what, run until SIGTERM, tell what left when."""
    hush()
    clock = SystemClock()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    apps = AsgiTransport({})
    world = _World(clock=clock, rng=Random(1), transport=apps)
    skus = [f"{10_000 + n}" for n in range(SKUS)]
    case = StockCase(dict.fromkeys(skus, 10), {s: s for s in skus}, dict.fromkeys(skus, Decimal(9)))
    world.trade.stock(case, skus)
    apps.register(world.erp.origin, world.erp)
    apps.register(f"https://{world.shop.shop}", world.shop)
    store = await LiveSqliteStore.open(f"{path}/latency.sqlite", now_ms=clock.now_ms())
    watch = _Watch(apps)
    engine = world.open_engine(store, world.open_systems(watch, Random(2)), Random(3))
    running = asyncio.get_running_loop().create_task(engine.run())
    hooks = Hooks(engine.ingress, clock, {ERP: TOKEN})
    listener = Listener(hooks, "127.0.0.1", 0)
    listener.start()
    known = 0
    while known < SKUS or not engine.quiet():  # the first reads, of both sides
        await asyncio.sleep(0.5)
        rows = await store.read("bindings_after", system=SHOP, kind="stock", after="", limit=10 * SKUS)
        known = len(rows)
    items = {
        sku: (await store.read("records_get", system=SHOP, kind=Kind.ITEM.value, keys=[sku]))[0][4]
        for sku in skus
    }
    print(json.dumps({
        "port": listener.port, "account": world.erp.account_id, "location": str(world.trade.locations[0][0]),
        "items": {json.loads(body)["stock_id"]: sku for sku, body in items.items()},
    }), flush=True)  # fmt: skip
    watch.left.clear()
    await stop.wait()
    Path(path, "left.json").write_text(  # noqa: ASYNC240 (nothing is measured any more)
        json.dumps([(at, json.loads(body)["variables"]) for at, body in watch.left]),
        encoding="utf-8",
    )
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await listener.stop()
    await store.close()


def _pushes(told: dict[str, Any], sent: dict[tuple[str, int], float]) -> Iterator[bytes]:
    skus = sorted(told["items"].values())
    number = 0
    while True:
        number += 1
        sku, quantity = skus[number % len(skus)], FIRST + number
        now_ms = time.time_ns() // 1_000_000
        event_id = f"{told['account']}-{1_000_000 + number}"
        level = {
            "item": "1", "sku": sku, "location": told["location"], "on_hand": str(quantity), "available": str(quantity),
            "committed": "0", "backordered": "0",
        }  # fmt: skip
        body = msgspec.json.encode({
            "event_id": event_id, "seq": 1_000_000 + number, "account": told["account"], "as_of_ms": now_ms,
            "record": {"type": "inventoryadjustment", "id": str(number), "event": "create", "last_modified_ms": now_ms},
            "levels": [level],
        })  # fmt: skip
        stamp = str(now_ms // 1000)
        headers = {
            "Content-Type": "application/json", "X-Syncline-Event-Id": event_id, "X-Syncline-Timestamp": stamp,
            "X-Syncline-Signature": sign([PUSH_SECRET.encode()], event_id, stamp, body),
        }  # fmt: skip
        request = post(f"/hooks/{ERP}/{TOKEN}", headers, body)
        sent[sku, quantity] = time.perf_counter()
        yield request


def _quantities(variables: Any) -> Iterator[tuple[str, int]]:
    """Every (inventory item, quantity) in a call's variables, wherever they are."""
    if isinstance(variables, dict):
        if "inventoryItemId" in variables and "quantity" in variables:
            yield variables["inventoryItemId"], variables["quantity"]
        for value in variables.values():
            yield from _quantities(value)
    elif isinstance(variables, list):
        for value in variables:
            yield from _quantities(value)


def run(*, quick: bool = False) -> Report:
    """Push, wait, and compare the two clocks' notes."""
    report = Report(NAME)
    seconds = 6.0 if quick else 20.0
    with folder() as path:
        report.add("fdatasync of 8 kB, median", fdatasync_ms(path), "ms")
        with process("-m", "bench.latency", str(path)) as server:
            assert server.stdout is not None
            told = json.loads(server.stdout.readline())
            sent: dict[tuple[str, int], float] = {}
            pushes = _pushes(told, sent)
            uvloop.run(open_loop(told["port"], pushes, per_s=PER_S, seconds=2.0, connections=4))
            meter = Meter(server.pid)
            warm = len(sent)
            acked = uvloop.run(open_loop(told["port"], pushes, per_s=PER_S, seconds=seconds, connections=4))
            own, others = meter.own_s() / meter.wall_s(), meter.others()
            time.sleep(1.5)
        left = json.loads((path / "left.json").read_text(encoding="utf-8"))
    names = {key.rpartition("/")[2]: sku for key, sku in told["items"].items()}
    took: list[float] = []
    for at, variables in left:
        for item, quantity in _quantities(variables):
            begun = sent.get((names.get(item.rpartition("/")[2], ""), quantity))
            if begun is not None and quantity > FIRST + warm:
                took.append((at - begun) * 1000)
    events = len(sent) - warm
    report.add("events that reached the shop by themselves", len(took) / max(1, events), "share", least=0.95)
    report.add("webhook answered: p50", percentile(acked.latencies_s, 0.5) * 1000, "ms")
    report.add("webhook answered: p99", percentile(acked.latencies_s, 0.99) * 1000, "ms")
    report.add("event received -> call leaves: p50", percentile(took, 0.5), "ms", most=6, gated=True)
    report.add("event received -> call leaves: p99", percentile(took, 0.99), "ms", most=20, gated=True)
    report.add("own CPU, engine, both simulators and load", own, "cores")
    report.add("other processes kept busy", others, "cores")
    return report


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
