"""A full ERP snapshot of 1,000,000 (SKU, location) rows, 1 % changed, through a running engine.

``python -m bench.recompute FOLDER ROWS`` is the process that is measured. What was known and published before is
put into its tables in bulk; everything after that goes the way of any read: poller, log, applier, version check,
marks, derivation, lanes. The ERP's pages and the shop's answers come from memory at once, in the form and with the
decoder of the NetSuite connector. Orders arrive meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any

import msgspec
import uvloop

from bench.apply import RAW
from bench.harness import Meter, Report, folder, hush, percentile, process, rss_mb
from syncline.connectors.netsuite import rows as netsuite
from syncline.engine.codec import decode, encode, stock_fingerprint
from syncline.engine.derive import anew
from syncline.engine.engine import Engine
from syncline.engine.routes import Route, Routes, stock_key
from syncline.model.capabilities import AVAILABLE_OWN_ORDERS_SUBTRACTED, PLAIN, Capabilities
from syncline.model.change import Change, Cursor, Event, Flow, Kind, LoggedEvent, Via
from syncline.model.delivery import Item as Asked
from syncline.model.delivery import Operation, Outcome, Result
from syncline.model.payloads import SetStock
from syncline.model.records import Allocation, Item, Order, OrderLine, StockLevel
from syncline.ports import Page, PollStream, System, Verified, WebhookRequest
from syncline.runtime.clock import SystemClock
from syncline.stores.sqlite import LiveSqliteStore, SqliteStore
from syncline.stores.sqlite.store import connect

NAME = "recompute"
ROWS = 1_000_000
LOCATIONS = ("1", "2", "3", "4")
CHANGED_EVERY = 100  # 1 %
PAGE = 1_000  # rows, as SuiteQL answers them
HOT = 100  # SKUs that are ordered meanwhile, and not changed
ORDER_EVERY_S = 0.2
BEAT_S = 0.005
BULK = 5_000
MORE = 7  # units that a changed figure shows more than before
FLOOR_ROWS = 100_000
FLOOR_ROUNDS = 3
TOLERANCE_MS = 5_000
DAY_MS = 86_400_000

RECORD = """INSERT INTO record (system, kind, key, version, tiebreak, changed_at_ms, observed_at_ms, "offset", hash, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
BINDING = """INSERT INTO binding (system, kind, key, held, rev, confirmed_at_ms, first_read_ms)
VALUES ('shop', 'stock', ?, ?, 1, ?, ?)"""


def sku_of(number: int) -> str:
    """The name of a SKU; names are as scattered as a catalog's, and read in the order of the ERP's ids."""
    return f"{number * 7919 % 1_000_003:07d}-{number}"


def units_of(row: int) -> int:
    """What the ERP has of a row before the snapshot; enough that the orders of a slow run empty none."""
    return 100 + row * 31 % 500


def changed(row: int, rows: int) -> bool:
    """Whether the snapshot shows another figure."""
    return row % CHANGED_EVERY == 0 and row < rows - HOT * len(LOCATIONS)


def figures(
    rows: int, first: int, *, now_ms: int, after: bool, sold: Mapping[int, int] = MappingProxyType({})
) -> list[netsuite.StockRow]:
    """A page of the ERP's answer, read at ``now_ms``; it has lost what was ``sold``, by row."""
    found = []
    for row in range(first, min(rows, first + PAGE)):
        units = str(units_of(row) + MORE * (after and changed(row, rows)) - sold.get(row, 0))
        sku, at = sku_of(row // len(LOCATIONS)), LOCATIONS[row % len(LOCATIONS)]
        found.append(netsuite.StockRow(sku, at, units, units, "0", now_ms, now_ms, now_ms))
    return found


def record_of(level: StockLevel, now_ms: int) -> tuple[Any, ...]:
    """A stored figure."""
    key, hash_ = stock_key(level.sku, level.location), stock_fingerprint(level)
    return "erp", "stock", key, level.erp_stamp_ms, 0, now_ms, now_ms, 0, hash_, encode(level)


def configured() -> Routes:
    """Stock to the shop, orders to the ERP."""
    return Routes(
        [
            Route(Flow.INVENTORY, "erp", "shop", TOLERANCE_MS, locations={at: f"S{at}" for at in LOCATIONS}),
            Route(
                Flow.ORDERS, "shop", "erp", TOLERANCE_MS, left_out=frozenset({"put_payment", "put_refund"})
            ),
        ]
    )


def prepare(path: str, rows: int, now_ms: int) -> None:
    """All rows known since yesterday, and each shown by the shop as it should be, by the rules of today."""
    SqliteStore.open(path, now_ms=now_ms)._connection.close()  # noqa: SLF001 (for its tables)
    connection, then_ms = connect(path), now_ms - DAY_MS
    connection.pragma("wal_autocheckpoint", 4_000)
    for first in range(0, rows, BULK):
        levels = [
            level
            for page in range(first, min(rows, first + BULK), PAGE)
            for level in _levels(figures(rows, page, now_ms=then_ms, after=False))
        ]
        skus = dict.fromkeys(level.sku for level in levels)
        hot = [sku for sku in skus if int(sku.rpartition("-")[2]) >= rows // len(LOCATIONS) - HOT]
        items = [("shop", sku) for sku in skus] + [("erp", sku) for sku in hot]
        with connection:
            connection.executemany(RECORD, [record_of(level, then_ms) for level in levels])
            connection.executemany(
                BINDING,
                [(stock_key(x.sku, f"S{x.location}"), int(x.available), then_ms, then_ms) for x in levels],
            )
            connection.executemany(
                RECORD,
                [
                    (system, "item", sku, 1, 0, then_ms, then_ms, 0, "", encode(Item(sku, sku, sku)))
                    for system, sku in items
                ],
            )
    rules = (anew.SYSTEM, anew.STREAM, anew.rules_fingerprint(configured()))
    connection.execute("INSERT INTO cursor (system, stream, position, covers_ms) VALUES (?, ?, ?, 0)", rules)
    connection.execute("ANALYZE")
    connection.wal_checkpoint()
    connection.close()


def _levels(found: Iterable[netsuite.StockRow]) -> list[StockLevel]:
    return [
        StockLevel(
            x.sku, x.location, Decimal(x.on_hand), Decimal(x.available), Decimal(0), x.erp_ms, x.read_began_ms
        )
        for x in found
    ]


class Erp:
    """An ERP that answers at once: every row once, then orders."""

    streams = (PollStream("stock", (Flow.INVENTORY,), snapshot=True),)
    operations: Mapping[str, Operation] = {
        "put_order": Operation("put_order", batch_items_max=1, urgent=True)
    }

    def __init__(self, rows: int, clock: SystemClock) -> None:
        self._rows = rows
        self._clock = clock
        self.go = asyncio.Event()
        self.orders: dict[str, float] = {}
        self._sold: dict[int, int] = {}

    async def poll(self, stream: str, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """The snapshot."""
        await self.go.wait()
        began_ms = self._clock.now_ms()
        for first in range(0, self._rows, PAGE):
            now_ms = self._clock.now_ms()
            page = figures(self._rows, first, now_ms=now_ms, after=True, sold=self._sold)
            last = first + PAGE >= self._rows
            moved = Cursor("erp", stream, "" if last else str(first), began_ms if last else 0)
            yield Page(tuple(netsuite.stock_events("erp", page, Via.SNAPSHOT)), moved, last=last)

    def verify(self, request: WebhookRequest) -> Verified:
        raise NotImplementedError(request)

    def decode(self, logged: LoggedEvent) -> list[Change]:
        """As NetSuite's rows are."""
        return netsuite.decode(logged)

    async def deliver(self, operation: str, items: Sequence[Asked], key: str) -> list[Outcome]:
        """Take an order."""
        del operation, key
        for item in items:
            self.orders[item.payload.order.key] = time.perf_counter()
            for line in item.payload.items:
                row = int(line.sku.rpartition("-")[2]) * len(LOCATIONS) + LOCATIONS.index(line.location)
                self._sold[row] = self._sold.get(row, 0) + line.quantity
        return [Outcome(Result.DONE, facts={"external_id": item.key}) for item in items]

    async def look_up(self, operation: str, item: Asked) -> Outcome | None:
        raise NotImplementedError(operation, item)


class Shop:
    """A shop that takes every number at once, and tells of orders."""

    streams: tuple[PollStream, ...] = ()
    operations: Mapping[str, Operation] = {
        "set_stock": Operation("set_stock", batch_items_max=250, urgent=True)
    }

    def __init__(self) -> None:
        self.written: list[SetStock] = []

    def verify(self, request: WebhookRequest) -> Verified:
        """Believe everything."""
        order = decode(Kind.ORDER, request.body.decode())
        return Verified(Event("shop", "order", order.key, Via.EVENT, order.updated_at_ms, request.body))

    def decode(self, logged: LoggedEvent) -> list[Change]:
        """The order that ``verify`` named."""
        order = decode(Kind.ORDER, logged.event.body.decode())
        return [Change(Kind.ORDER, order.key, order.updated_at_ms, 0, order.updated_at_ms, order)]

    async def deliver(self, operation: str, items: Sequence[Asked], key: str) -> list[Outcome]:
        """Show numbers."""
        del operation, key
        self.written += [item.payload for item in items]
        return [Outcome(Result.DONE)] * len(items)

    async def look_up(self, operation: str, item: Asked) -> Outcome | None:
        raise NotImplementedError(operation, item)

    async def poll(self, stream: str, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Nothing is polled."""
        nothing: tuple[Page, ...] = ()
        for page in nothing:
            yield page


class Free:
    """No limit."""

    async def ready(self, *, urgent: bool = False) -> None:
        """At once."""

    def usage(self) -> Mapping[str, float]:
        """Nothing to tell."""
        return {}


class Beat:
    """How long the event loop is held: what a beat comes late, and what its thread worked since the last one."""

    def __init__(self) -> None:
        self.late_s: list[float] = []
        self.worked_s: list[float] = []

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            due, worked = time.perf_counter() + BEAT_S, time.thread_time()
            await asyncio.sleep(BEAT_S)
            self.late_s.append(max(0.0, time.perf_counter() - due))
            self.worked_s.append(time.thread_time() - worked)


def order_of(number: int, rows: int, now_ms: int) -> Order:
    """An order for one unit of a SKU that the snapshot leaves as it is."""
    sku, one, price = sku_of(rows // len(LOCATIONS) - 1 - number % HOT), Decimal(1), Decimal("9.00")
    at = Allocation("S1", one, one)
    line = OrderLine("1", sku, sku, one, price, taken=one, allocations=(at,))
    return Order(
        f"o{number}",
        f"#{number}",
        now_ms,
        now_ms,
        "EUR",
        (line,),
        Decimal(0),
        Decimal(0),
        price,
        complete=True,
    )


class Orders:
    """Buyers: an order every so often, its answer awaited, its way followed into the ERP."""

    def __init__(self, engine: Engine, rows: int) -> None:
        self._engine = engine
        self._rows = rows
        self.accepted_s: list[float] = []
        self.sent_at: dict[str, float] = {}

    async def run(self) -> None:
        """Order until cancelled."""
        number = 0
        while True:
            number += 1
            order = order_of(number, self._rows, self._engine.clock.now_ms())
            body = encode(order).encode()
            began = self.sent_at[order.key] = time.perf_counter()
            answer = await self._engine.ingress.accept("shop", {}, body)
            assert answer.status == 200, answer
            self.accepted_s.append(time.perf_counter() - began)
            await asyncio.sleep(ORDER_EVERY_S)


async def _finished(store: LiveSqliteStore, engine: Engine, shop: Shop, wanted: int) -> None:
    """Until the snapshot is read and applied, nothing is left to be computed, and the shop was told."""
    while True:
        await asyncio.sleep(0.1)
        if not engine.pollers[0].reads:
            continue
        ((end,),) = await store.read("log_end")
        if engine.applier.offset < end - 5 or await store.read(
            "dirty", limit=1, now_ms=engine.clock.now_ms()
        ):
            continue
        if len(shop.written) >= wanted and engine.lanes["shop"].pending() == 0:
            return


async def _wal_mb(path: str, most: list[float]) -> None:
    """Follow the size of the write-ahead log."""
    while True:
        most[0] = max(most[0], Path(f"{path}-wal").stat().st_size / 1e6)  # noqa: ASYNC240 (not a disk access)
        await asyncio.sleep(0.1)


async def measure(path: str, rows: int) -> dict[str, float]:
    """Take the snapshot in with a running engine."""
    hush()
    clock = SystemClock()
    store = await LiveSqliteStore.open(path, now_ms=clock.now_ms())
    erp, shop, free = Erp(rows, clock), Shop(), Free()
    systems = [
        System("erp", "", Capabilities(stock_contract=PLAIN), erp, erp, free),
        System(
            "shop",
            "",
            Capabilities(stock_contract=AVAILABLE_OWN_ORDERS_SUBTRACTED, compare_and_set=True),
            shop,
            shop,
            free,
        ),
    ]
    routes = configured()
    engine = Engine(store=store, clock=clock, rng=Random(1), systems=systems, routes=routes)
    running = [asyncio.create_task(engine.run())]
    orders, beat, wal = Orders(engine, rows), Beat(), [0.0]
    running.append(asyncio.create_task(orders.run()))
    # Orders come as on any day, and what every start does is done: the catalog is loaded and surveyed.
    await asyncio.sleep(3.0)
    while not engine.survey.latest.at_ms:  # noqa: ASYNC110 (a survey ends without telling)
        await asyncio.sleep(0.1)
    quiet = len(orders.accepted_s)
    running += [asyncio.create_task(beat.run()), asyncio.create_task(_wal_mb(path, wal))]
    opened_mb = rss_mb(os.getpid())
    meter = Meter()
    erp.go.set()
    wanted = {
        stock_key(sku_of(row // len(LOCATIONS)), f"S{LOCATIONS[row % len(LOCATIONS)]}"): units_of(row) + MORE
        for row in range(rows)
        if changed(row, rows)
    }
    await _finished(store, engine, shop, len(wanted))
    wall_s, own_s, others = meter.wall_s(), meter.own_s(), meter.others()
    took = len(orders.accepted_s)
    running[1].cancel()
    await asyncio.sleep(2.0)  # the last orders arrive
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    touched = await store.read("delivery_counts")
    await store.write()  # after whatever a cancelled task had handed over
    changes = store._inner._connection.total_changes()  # noqa: SLF001 (nobody writes any more)
    await store.close()
    arrived = [
        erp.orders[key] - at for key, at in list(orders.sent_at.items())[quiet:took] if key in erp.orders
    ]
    told = {stock_key(payload.sku, payload.location): payload.quantity for payload in shop.written}
    return {
        "wall_s": wall_s,
        "own_s": own_s,
        "others": others,
        "rss_mb": rss_mb(),
        "opened_mb": opened_mb,
        "wal_mb": wal[0],
        "changes": changes,
        "wanted": len(wanted),
        "written": len(shop.written),
        "wrong": sum(told.get(key) != units for key, units in wanted.items())
        + len(told.keys() - wanted.keys()),
        "left": sum(row[4] for row in touched),
        "orders": took - quiet,
        "lost": took - quiet - len(arrived),
        "accept_p50_ms": percentile(orders.accepted_s[quiet:took], 0.5) * 1000,
        "accept_p99_ms": percentile(orders.accepted_s[quiet:took], 0.99) * 1000,
        "through_p50_ms": percentile(arrived, 0.5) * 1000,
        "through_p99_ms": percentile(arrived, 0.99) * 1000,
        "held_p99_ms": percentile(beat.worked_s, 0.99) * 1000,
        "held_max_ms": max(beat.worked_s) * 1000,
        "late_p99_ms": percentile(beat.late_s, 0.99) * 1000,
        "late_max_ms": max(beat.late_s) * 1000,
    }


class Floor:
    """The least that the same job can cost: decode a page, write every row if newer, tell what is different.

    Nothing is computed from it, logged or kept for a crash; one transaction a page, in a file of its own.
    """

    def __init__(self, path: str, rows: int, now_ms: int) -> None:
        self._rows = rows
        prepare(path, rows, now_ms)
        self._connection = connect(path)
        self._connection.pragma("wal_autocheckpoint", 4_000)
        self._stamp_ms = now_ms

    def once(self) -> float:
        """Rows a second."""
        self._stamp_ms += 1
        pages = [
            msgspec.json.encode(figures(self._rows, first, now_ms=self._stamp_ms, after=True))
            for first in range(0, self._rows, PAGE)
        ]
        decoder = msgspec.json.Decoder(list[netsuite.StockRow])
        began = time.perf_counter()
        for page in pages:
            records = [record_of(level, self._stamp_ms) for level in _levels(decoder.decode(page))]
            with self._connection:
                self._connection.executemany(RAW, records)
        return self._rows / (time.perf_counter() - began)

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()


def run(*, quick: bool = False) -> Report:
    """The floor, the snapshot, and the floor again."""
    report = Report(NAME)
    rows = ROWS // 10 if quick else ROWS
    now_ms = SystemClock().now_ms()
    with folder() as path:
        floor = Floor(str(path / "floor.sqlite"), FLOOR_ROWS, now_ms)
        prepare(str(path / "engine.sqlite"), rows, now_ms)
        rates = [floor.once() for _ in range(FLOOR_ROUNDS)]
        with process("-m", "bench.recompute", str(path / "engine.sqlite"), str(rows)) as child:
            assert child.stdout is not None
            found = json.loads(child.stdout.readline())
        rates += [floor.once() for _ in range(FLOOR_ROUNDS)]
        floor.close()
    bare = statistics.median(rates)
    report.add("rows read, of which 1 % show another figure", rows)
    report.add("processor time", found["own_s"], "s", most=60 * rows / ROWS, gated=not quick)
    report.add("wall time until the shop was told", found["wall_s"], "s", most=60 * rows / ROWS)
    report.add("most memory", found["rss_mb"], "MB", most=1_000, gated=True)
    report.add("memory before the read", found["opened_mb"], "MB")
    report.add("numbers written", found["written"], "", most=found["wanted"], gated=True)
    report.add("numbers wrong or missing", found["wrong"], "", most=0, gated=True)
    report.add("deliveries left open", found["left"], "", most=0, gated=True)
    report.add("rows of tables written", found["changes"])
    report.add("largest write-ahead log", found["wal_mb"], "MB")
    report.add("bare decode and conditional write", bare, "rows/s")
    report.add("engine", rows / found["wall_s"], "rows/s")
    report.add("engine : bare", rows / found["wall_s"] / bare, "x")
    report.add("orders meanwhile", found["orders"])
    report.add("orders that did not reach the ERP", found["lost"], "", most=0, gated=True)
    report.add("order accepted: p50", found["accept_p50_ms"], "ms")
    report.add("order accepted: p99", found["accept_p99_ms"], "ms", most=250)
    report.add("order received -> ERP called: p50", found["through_p50_ms"], "ms")
    report.add("order received -> ERP called: p99", found["through_p99_ms"], "ms", most=1_000)
    report.add("event loop worked at a stretch: p99", found["held_p99_ms"], "ms")
    report.add("event loop worked at a stretch: most", found["held_max_ms"], "ms", most=50)
    report.add("event loop late: p99", found["late_p99_ms"], "ms")
    report.add("event loop late: most", found["late_max_ms"], "ms")
    report.add("other processes kept busy", found["others"], "cores")
    return report


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measure(sys.argv[1], int(sys.argv[2])))), flush=True)
