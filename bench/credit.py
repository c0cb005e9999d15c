"""Checkouts that ask for credit, 300 a second, while 1,000 changes of stock a second go through the same engine.

One process on a file with full fsync, without HTTP. A question's time begins when it was to be asked, not when there was room.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, cast

import uvloop

from bench.harness import Meter, Report, folder, hush, percentile
from bench.pipeline import Free
from syncline.credit.rules import CreditPolicy, CreditRules
from syncline.engine.codec import encode
from syncline.engine.engine import Engine
from syncline.engine.routes import Route, Routes, stock_key
from syncline.model.capabilities import PLAIN, Capabilities
from syncline.model.change import Change, Cursor, Event, Flow, Kind, LoggedEvent, Via
from syncline.model.credit import Credit
from syncline.model.delivery import Item as Delivered
from syncline.model.delivery import Operation, Outcome, Result
from syncline.model.payloads import SetStock
from syncline.model.records import Item, StockLevel
from syncline.ports import Page, PollStream, System, Write
from syncline.runtime.clock import SystemClock
from syncline.runtime.memory import settle
from syncline.stores.sqlite import LiveSqliteStore

NAME = "credit"
ACCOUNTS, HOT, SKUS = 20_000, 10, 2_000
LIMIT = Decimal(5_000)
QUESTIONS_PER_S, CHANGES_PER_S, TICK_S = 300, 1_000, 0.02
SECONDS, QUICK_SECONDS = 30.0, 5.0
HOT_SHARE = 0.2  # of the questions are about a few accounts
PAGE = 5_000
HOUR_MS = 3_600_000
SETTLE_MAX = 500


class _Erp:
    """Tells stock; its credit is in the store already."""

    streams = (PollStream("credit", (Flow.CREDIT,), snapshot=True),)
    operations: dict[str, Any] = {}  # noqa: RUF012 (never changed)

    def decode(self, logged: LoggedEvent) -> list[Change]:
        """One figure."""
        sku, _, units = logged.event.body.decode().partition(" ")
        at, n = logged.received_at_ms, Decimal(units)
        level = StockLevel(sku, "1", n, n, Decimal(0), at, at)
        return [Change(Kind.STOCK, stock_key(sku, "1"), logged.offset, 0, at, level)]

    async def poll(self, stream: str, cursor: Cursor | None) -> AsyncIterator[Page]:
        """Nothing new."""
        nothing: tuple[Page, ...] = ()
        for page in nothing:
            yield page


class _Shop:
    """Takes every number at once, and tells it when it is read."""

    streams: tuple[PollStream, ...] = ()
    operations = {  # noqa: RUF012 (never changed)
        "set_stock": Operation("set_stock", batch_items_max=250),
        "read_stock": Operation("read_stock", batch_items_max=250, reads_only=True),
    }

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}

    async def deliver(self, operation: str, items: Sequence[Delivered], key: str) -> list[Outcome]:
        """One call."""
        del key
        if operation == "read_stock":
            return [Outcome(Result.DONE, facts={"held": self._shown.get(item.key, 0)}) for item in items]
        self._shown |= {
            item.key: item.payload.quantity for item in items if isinstance(item.payload, SetStock)
        }
        return [Outcome(Result.DONE)] * len(items)


async def furnish(path: Path, accounts: int) -> Engine:
    """An engine on a file, with so many accounts of the same limit, and stock."""
    clock = SystemClock()
    store = await LiveSqliteStore.open(str(path / "credit.sqlite"), now_ms=clock.now_ms())
    now_ms = clock.now_ms()
    for first in range(0, accounts, PAGE):
        rows = []
        for number in range(first, min(accounts, first + PAGE)):
            one = Credit(str(number), "GBP", LIMIT, Decimal(0), read_began_ms=now_ms)
            rows.append(_record("erp", Kind.CREDIT, one.account, one, now_ms))
        await store.write(Write("record_put", rows))
    items = [Item(f"S{n}", str(n), str(n)) for n in range(SKUS)]
    await store.write(Write("record_put", [_record("shop", Kind.ITEM, x.sku, x, now_ms) for x in items]))
    erp, shop, free = (cast("Any", one) for one in (_Erp(), _Shop(), Free()))
    policy = CreditPolicy(max_age_ms=HOUR_MS)
    return Engine(
        store=store, clock=clock, rng=Random(1),
        systems=[
            System("erp", "", Capabilities(), erp, erp, free),
            System("shop", "", Capabilities(stock_contract=PLAIN), shop, shop, free),
        ],
        routes=Routes(
            [
                Route(Flow.INVENTORY, "erp", "shop", 60_000, locations={"1": "L1"}),
                Route(Flow.CREDIT, "erp", "shop", 300_000, credit=CreditRules(policy, mirror=False)),
            ]
        ),
    )  # fmt: skip


def _record(system: str, kind: Kind, key: str, value: Any, now_ms: int) -> dict[str, Any]:
    return {
        "system": system, "kind": kind.value, "key": key, "version": now_ms, "tiebreak": 0, "changed_at_ms": now_ms,
        "observed_at_ms": now_ms, "offset": 0, "hash": "", "body": encode(value),
    }  # fmt: skip


async def trade(engine: Engine, seconds: float) -> int:
    """Change stock all the time; returns how often."""
    rng, number, began = Random(2), 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        now_ms = engine.clock.now_ms()
        events = []
        while number < passed * CHANGES_PER_S:
            number += 1
            body = f"S{rng.randrange(SKUS)} {rng.randrange(1, 500)}".encode()
            events.append(Event("erp", "stock", f"e{number}", Via.EVENT, now_ms, body))
        if events:
            await engine.store.append(events, received_at_ms=now_ms)
            engine.applier.wake()
        await asyncio.sleep(TICK_S)
    return number


async def ask(
    engine: Engine, accounts: int, seconds: float
) -> tuple[list[float], Counter[str], Counter[str]]:
    """Ask at a steady rate; returns the seconds of each, the decisions, and what was approved by account."""
    rng, took = Random(3), list[float]()
    decisions: Counter[str] = Counter()
    approved: Counter[str] = Counter()

    async def one(number: int, due: float) -> None:
        hot = rng.random() < HOT_SHARE
        account = str(rng.randrange(HOT if hot else accounts))
        amount = rng.randrange(10, 400)
        found = await engine.credit.check(f"r{number}", "shop", Decimal(amount), "GBP", account=account)
        took.append(time.perf_counter() - due)
        decisions[found.decision] += 1
        if found.decision == "approve":
            approved[account] += amount

    began = time.perf_counter()
    asking = []
    for number in range(round(QUESTIONS_PER_S * seconds)):
        due = began + number / QUESTIONS_PER_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        asking.append(asyncio.ensure_future(one(number, due)))
    await asyncio.gather(*asking)
    return took, decisions, approved


async def play(
    path: Path, accounts: int, seconds: float
) -> tuple[list[float], Counter[str], Counter[str], float]:
    """Both at once; returns what ``ask`` does, and how many changes a second were applied."""
    hush()
    engine = await furnish(path, accounts)
    running = asyncio.ensure_future(engine.run())
    try:
        await settle(engine)  # as the service does
        before = engine.applier.applied
        trading = asyncio.ensure_future(trade(engine, seconds))
        took, decisions, approved = await ask(engine, accounts, seconds)
        changed = await trading
        ((end,),) = await engine.store.read("log_end")
        await engine.applier.reached(end)
        for _ in range(SETTLE_MAX):  # a batch is counted once it is written
            if engine.applier.applied - before == changed:
                break
            await asyncio.sleep(TICK_S)
        assert engine.applier.applied - before == changed
        return took, decisions, approved, changed / seconds
    finally:
        running.cancel()
        await asyncio.wait([running])
        await engine.stop()
        await engine.store.close()


def run(*, quick: bool = False, accounts: int = ACCOUNTS, seconds: float = 0.0) -> Report:
    """Ask while there is trade."""
    report = Report(NAME)
    meter = Meter()
    with folder() as path:
        took, decisions, approved, rate = uvloop.run(
            play(path, accounts, seconds or (QUICK_SECONDS if quick else SECONDS))
        )
    over = sum(amount > LIMIT for amount in approved.values())
    report.add("questions", len(took))
    report.add("approved", decisions["approve"] / len(took) * 100, "%")
    report.add("accounts with more approved than their limit", over, "", most=0, gated=True)
    report.add("p50", percentile(took, 0.5) * 1000, "ms")
    report.add("p99", percentile(took, 0.99) * 1000, "ms", most=20, gated=True)
    report.add("changes applied meanwhile", rate, "/s", least=0.9 * CHANGES_PER_S)
    report.add("other processes kept busy", meter.others(), "cores")
    return report
