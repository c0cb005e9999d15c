"""The whole way in one process, beside a hand-written floor: order webhooks in, stock deliveries out.

50 senders hand over signed order webhooks of three lines as fast as they are acknowledged; four channels
take bulk calls of 100 numbers and need 20 ms for each. No HTTP on either side of either pipeline.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import uvloop

from bench import webhooks
from bench.floor import FloorPipeline, Writer
from bench.harness import Report, folder, hush, percentile
from syncline.engine.codec import encode
from syncline.engine.engine import Engine
from syncline.engine.routes import Route, Routes, stock_key
from syncline.model.capabilities import Capabilities
from syncline.model.change import Change, Cursor, Event, Flow, Kind, LoggedEvent, Via
from syncline.model.delivery import Item as Delivered
from syncline.model.delivery import Operation, Outcome, Result
from syncline.model.errors import Forged
from syncline.model.records import ZERO, Allocation, Item, Order, OrderLine, StockLevel
from syncline.ports import Page, PollStream, System, Verified, WebhookRequest, Write
from syncline.runtime.clock import SystemClock
from syncline.stores.sqlite import LiveSqliteStore

NAME = "pipeline"
SKUS = 2_000
CHANNELS = 4
SENDERS = 50
BULK = 100
CALL_S = 0.02
STOCK = 1_000_000


class _Line(msgspec.Struct):
    id: int
    sku: str
    quantity: int
    price: str


class _Order(msgspec.Struct):
    id: int
    name: str
    line_items: list[_Line]
    total_price: str


_decode = msgspec.json.Decoder(_Order).decode


class Vendor:
    """Every channel's end: takes a bulk call, keeps the clock of the first change that it carries."""

    def __init__(self) -> None:
        self.calls = self.numbers = 0

    async def call(self, channel: int, values: Sequence[Any]) -> None:
        """One bulk call."""
        await asyncio.sleep(CALL_S)
        self.calls += 1
        self.numbers += len(values)


class Source:
    """Orders in a body of our own, whole at once: allocations included."""

    streams: tuple[PollStream, ...] = ()

    def __init__(self, name: str) -> None:
        self._name = name

    def verify(self, request: WebhookRequest) -> Verified:
        """Check the signature."""
        if webhooks.sign(request.body) != request.headers["x-shopify-hmac-sha256"]:
            raise Forged("signature refused")
        event_id = request.headers["x-shopify-webhook-id"]
        return Verified(Event(self._name, "order", event_id, Via.EVENT, request.received_at_ms, request.body))

    def decode(self, logged: LoggedEvent) -> list[Change]:
        """The order."""
        body, at = _decode(logged.event.body), logged.received_at_ms
        lines = tuple(
            OrderLine(str(x.id), x.sku, "", Decimal(x.quantity), Decimal(x.price),
                      allocations=(Allocation("L", Decimal(x.quantity)),))
            for x in body.line_items
        )  # fmt: skip
        # Under each webhook's own id: repeats of a body in a long run are new orders.
        key = logged.event.event_id
        order = Order(
            key, body.name, at, at, "GBP", lines, ZERO, ZERO, Decimal(body.total_price), complete=True
        )
        return [Change(Kind.ORDER, key, at, 1, at, order)]

    async def poll(self, stream: str, cursor: Cursor | None) -> AsyncIterator[Page]:
        """Nothing is polled."""
        nothing: tuple[Page, ...] = ()
        for page in nothing:
            yield page


class Sink:
    """A channel with one bulk call."""

    def __init__(self, channel: int, vendor: Vendor) -> None:
        self.operations = {
            "set_stock": Operation("set_stock", batch_items_max=BULK), "read_stock": Operation("read_stock", reads_only=True),
        }  # fmt: skip
        self._channel, self._vendor = channel, vendor

    async def deliver(self, operation: str, items: Sequence[Delivered], key: str) -> list[Outcome]:
        """One call."""
        await self._vendor.call(self._channel, items)
        return [Outcome(Result.DONE)] * len(items)

    async def look_up(self, operation: str, item: Delivered) -> Outcome | None:
        """Never needed."""
        return None


class Free:
    """A vendor without a limit."""

    async def ready(self, *, urgent: bool = False) -> None:
        """At once."""

    def usage(self) -> Mapping[str, float]:
        """Nothing to tell."""
        return {}


def _system(name: str, sink: Sink) -> System:
    return System(name, "bench", Capabilities(compare_and_set=True), Source(name), sink, Free())


async def _drive(
    accept: Callable[[webhooks.Hook, str], Awaitable[bool]], seconds: float, seed: int
) -> tuple[int, list[float]]:
    made, rng = webhooks.hooks(9, 1_000, skus=SKUS), Random(seed)
    stream = itertools.cycle(made)
    acks: list[float] = []
    end = time.perf_counter() + seconds

    async def sender() -> None:
        while (began := time.perf_counter()) < end:
            assert await accept(next(stream), f"{rng.getrandbits(128):032x}")
            acks.append(time.perf_counter() - began)

    await asyncio.gather(*(sender() for _ in range(SENDERS)))
    return len(acks), acks


def _figures(
    count: int, acks: list[float], vendor: Vendor, wall: float, cpu: float, whole: float
) -> dict[str, float]:
    return {
        "orders": count / wall, "numbers": vendor.numbers / whole, "calls": vendor.calls / whole,
        "full": vendor.numbers / max(1, vendor.calls) / BULK, "ack_ms": percentile(acks, 0.99) * 1000,
        "cpu_us": cpu / max(1, count) * 1e6, "done": count / whole,
    }  # fmt: skip


async def product(path: str, seconds: float, seed: int) -> dict[str, float]:
    """Syncline, from ingress to sink."""
    clock, vendor = SystemClock(), Vendor()
    store = await LiveSqliteStore.open(path, now_ms=clock.now_ms())
    channels = [f"c{n}" for n in range(CHANNELS)]
    systems = [
        _system("erp", Sink(-1, vendor)),
        *(_system(name, Sink(n, vendor)) for n, name in enumerate(channels)),
    ]
    routes = Routes([Route(Flow.INVENTORY, "erp", name, 1_000, locations={"1": "L"}) for name in channels])
    skus = [f"{10_000 + n * 7}" for n in range(SKUS)]
    row = {"version": 1, "tiebreak": 0, "changed_at_ms": 1, "observed_at_ms": 1, "offset": 0, "hash": ""}
    amount = Decimal(STOCK)
    for begin in range(0, SKUS, 500):
        part = skus[begin : begin + 500]
        records = [
            {**row, "system": "erp", "kind": "stock", "key": stock_key(sku, "1"),
             "body": encode(StockLevel(sku, "1", amount, amount, ZERO, 1))}
            for sku in part
        ]  # fmt: skip
        records += [
            {**row, "system": name, "kind": "item", "key": sku, "body": encode(Item(sku, sku, sku))}
            for sku in part for name in channels
        ]  # fmt: skip
        held = [
            {
                "system": name,
                "key": stock_key(sku, "L"),
                "held": STOCK,
                "rev": None,
                "exact": True,
                "now_ms": 1,
            }
            for sku in part
            for name in channels
        ]
        await store.write(Write("record_put", records), Write("held_seen", held))
    engine = Engine(store=store, clock=clock, rng=Random(1), systems=systems, routes=routes, owner="embedded")
    running = asyncio.get_running_loop().create_task(engine.run())
    await asyncio.sleep(0.2)

    async def accept(hook: webhooks.Hook, event_id: str) -> bool:
        headers = {
            "x-shopify-hmac-sha256": hook.headers["X-Shopify-Hmac-Sha256"],
            "x-shopify-webhook-id": event_id,
        }
        return (await engine.ingress.accept("c0", headers, hook.body)).status == 200

    began, cpu = time.perf_counter(), time.process_time()
    count, acks = await _drive(accept, seconds, seed)
    wall = time.perf_counter() - began
    await engine.applier.reached(count)
    # What was applied may still be unknown to the lanes.
    while not engine.quiet() or await store.read("dirty", now_ms=clock.now_ms(), limit=1):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    whole, cpu = time.perf_counter() - began, time.process_time() - cpu
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await engine.stop()
    await store.close()
    return _figures(count, acks, vendor, wall, cpu, whole)


async def floor(path: str, seconds: float, seed: int) -> dict[str, float]:
    """The same by hand."""
    clock, vendor = SystemClock(), Vendor()
    writer = Writer(path, clock.now_ms())
    stock = {f"{10_000 + n * 7}": STOCK for n in range(SKUS)}
    pipeline = FloorPipeline(writer, webhooks.SECRET, stock, CHANNELS, vendor.call, batch=BULK)

    async def accept(hook: webhooks.Hook, event_id: str) -> bool:
        signature = hook.headers["X-Shopify-Hmac-Sha256"].encode()
        return await pipeline.accept(event_id, signature, hook.body, clock.now_ms())

    began, cpu = time.perf_counter(), time.process_time()
    count, acks = await _drive(accept, seconds, seed)
    wall = time.perf_counter() - began
    while pipeline.pending():  # noqa: ASYNC110 (nor has the floor)
        await asyncio.sleep(0.05)
    await asyncio.sleep(2 * CALL_S)
    whole, cpu = time.perf_counter() - began, time.process_time() - cpu
    await pipeline.stop()
    writer.close()
    return _figures(count, acks, vendor, wall, cpu, whole)


def run(*, quick: bool = False) -> Report:
    """In turns; the ratio counts orders until their last number has arrived."""
    report = Report(NAME)
    hush()
    rounds, seconds = (1, 3.0) if quick else (3, 6.0)
    runs: dict[str, list[dict[str, float]]] = {"floor": [], "product": []}
    with folder() as path:
        for number in range(rounds):
            for kind, play in (("floor", floor), ("product", product)):
                runs[kind].append(uvloop.run(play(str(path / f"{kind}{number}.sqlite"), seconds, number)))
    for kind, of in runs.items():
        middle = {name: statistics.median(one[name] for one in of) for name in of[0]}
        report.add(f"{kind}: orders acknowledged", middle["orders"], "/s")
        report.add(f"{kind}: orders acknowledged and delivered", middle["done"], "/s")
        report.add(f"{kind}: ack p99", middle["ack_ms"], "ms")
        report.add(f"{kind}: numbers delivered", middle["numbers"], "/s")
        report.add(f"{kind}: bulk calls full", middle["full"], "share")
        report.add(f"{kind}: CPU for each order", middle["cpu_us"], "us")
    ratio = statistics.median(
        p["done"] / f["done"] for p, f in zip(runs["product"], runs["floor"], strict=True)
    )
    report.add("orders delivered, product : floor", ratio, "x", least=0.7)
    return report
