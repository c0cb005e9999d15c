"""100,000 prices of customers' own that change at once, and questions to a book of 1,000,000 of them.

The change goes through a running engine on virtual time; what counts is how many calls the shop gets beside the fewest that
its batches allow. The questions go to the engine's answerer on a file, without HTTP around it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random

from bench.harness import Report, folder, hush, percentile, rss_mb
from syncline.engine.catalog import Catalog
from syncline.engine.codec import encode
from syncline.engine.derive.prices import price_key
from syncline.engine.engine import Engine
from syncline.engine.price_query import Asked, PriceQuery
from syncline.engine.routes import Route, Routes
from syncline.model.capabilities import Capabilities
from syncline.model.change import Change, Cursor, Event, Flow, Kind, LoggedEvent, Via
from syncline.model.delivery import Item as Delivered
from syncline.model.delivery import Operation, Outcome, Result
from syncline.model.payloads import SetPrice
from syncline.model.pricing import Price, PriceEntry, PriceKind, PriceTag
from syncline.model.records import Item
from syncline.ports import Page, PollStream, System, Verified, WebhookRequest
from syncline.pricing.rules import OWN, ChannelList, PriceRules
from syncline.runtime.clock import SystemClock
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.stores.sqlite import LiveSqliteStore, SqliteStore
from syncline.stores.sqlite.store import connect

NAME = "prices"
START_MS = 1_790_000_000_000
CUSTOMERS, QUICK_CUSTOMERS = 100, 20
SKUS, QUICK_SKUS = 1_000, 250
BATCH = 250
ANSWER_S = 0.3
BOOK, QUICK_BOOK = 1_000_000, 50_000
BOOK_SKUS = 20_000
LINES = 20
QUESTIONS, QUICK_QUESTIONS = 5_000, 500
BULK = 20_000
EVENTS = 500  # of one page of a read
PRICES = PollStream("prices", (Flow.PRICES,), snapshot=True)
ITEMS = PollStream("items", (Flow.CATALOG,), snapshot=True)
RECORD = """INSERT INTO record
(system, kind, key, version, tiebreak, changed_at_ms, observed_at_ms, "offset", hash, body)
VALUES ('erp', 'price', ?, 1, 0, ?, ?, 0, '', ?)"""


def agreed(number: int, customer: int, cents: int) -> Price:
    """What one customer pays for one SKU."""
    entries = (
        PriceEntry(Decimal(cents) / 100, "GBP"),
        PriceEntry(Decimal(cents - 50) / 100, "GBP", Decimal(10)),
    )
    return Price(f"SKU-{number}", f"customer:{customer}", PriceKind.CONTRACT, entries)


class Free:
    """A vendor without a limit."""

    async def ready(self, *, urgent: bool = False) -> None:
        """At once."""

    def usage(self) -> Mapping[str, float]:
        """Nothing to show."""
        return {}


class Side:
    """A system that tells what it has in one stream, and takes prices."""

    def __init__(self, name: str, clock: VirtualClock, stream: PollStream) -> None:
        self.streams = (stream,)
        self.operations = {
            "set_price": Operation("set_price", batch_items_max=50, sets=True),
            "set_list_price": Operation("set_list_price", batch_items_max=BATCH, sets=True),
        }
        self.has: dict[str, Price | Item] = {}
        self.calls = self.items = 0
        self.shows: dict[tuple[str, str], PriceTag] = {}
        self._name = name
        self._clock = clock
        self._values: dict[str, Price | Item] = {}

    async def poll(self, stream: str, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        now_ms = self._clock.now_ms()
        events = []
        for key, value in self.has.items():
            self._values[f"{key}@{now_ms}"] = value
            events.append(Event(self._name, stream, f"{key}@{now_ms}", Via.SNAPSHOT, now_ms, b""))
        for first in range(0, len(events), EVENTS):
            last = first + EVENTS >= len(events)
            yield Page(
                tuple(events[first : first + EVENTS]),
                Cursor(self._name, stream, "" if last else str(first), now_ms),
                last=last,
            )

    def verify(self, request: WebhookRequest) -> Verified:
        raise AssertionError

    def decode(self, logged: LoggedEvent) -> list[Change]:
        value, at_ms = self._values.pop(logged.event.event_id), logged.event.occurred_at_ms
        if isinstance(value, Item):
            return [Change(Kind.ITEM, value.sku, at_ms, 0, at_ms, value)]
        return [Change(Kind.PRICE, price_key(value.sku, value.price_list), at_ms, 0, at_ms, value)]

    async def deliver(self, operation: str, items: Sequence[Delivered], key: str) -> list[Outcome]:
        self.calls += 1
        self.items += len(items)
        await self._clock.sleep(ANSWER_S)
        for item in items:
            assert isinstance(item.payload, SetPrice)
            self.shows[item.payload.price_list, item.payload.sku] = item.payload.content
        return [Outcome(Result.DONE)] * len(items)

    async def look_up(self, operation: str, item: Delivered) -> Outcome | None:
        raise AssertionError


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change of all prices took."""

    calls: int
    items: int
    wrong: int
    took_s: float
    cpu_s: float


def change(customers: int, skus: int) -> Changed:
    """Have everything shown, then change every price in the ERP at once."""
    loop = VirtualLoop(START_MS)
    try:
        return loop.run_until_complete(_change(VirtualClock(loop), customers, skus))
    finally:
        loop.close()


async def _change(clock: VirtualClock, customers: int, skus: int) -> Changed:
    erp, shop = Side("erp", clock, PRICES), Side("shop", clock, ITEMS)
    shop.has = {f"SKU-{n}": Item(f"SKU-{n}", str(n), price=Decimal(10), currency="GBP") for n in range(skus)}

    def priced(more: int) -> None:
        prices = [agreed(n, c, 900 + (n + c) % 90 + more) for c in range(customers) for n in range(skus)]
        erp.has = {price_key(one.sku, one.price_list): one for one in prices}

    async def until_shown(more: int) -> int:
        wrong = customers * skus
        for _ in range(1_000):
            await clock.sleep(10.0)
            wrong = customers * skus - sum(
                tag.breaks[0].amount * 100 == 900 + (int(sku[4:]) + int(at)) % 90 + more
                for (at, sku), tag in shop.shows.items()
            )
            if not wrong:
                break
        return wrong

    lists = tuple(ChannelList(str(c), (f"customer:{c}",), "GBP") for c in range(customers))
    route = Route(
        Flow.PRICES,
        "erp",
        "shop",
        600_000,
        poll_interval_ms=86_400_000,
        prices=PriceRules(lists, decimals=2),
        guard_cut_share=Decimal(1),
    )
    priced(0)
    systems = [
        System("erp", "erp", Capabilities(), erp, erp, Free()),
        System("shop", "shop", Capabilities(price_lists=True), shop, shop, Free()),
    ]
    engine = Engine(
        store=SqliteStore.open(":memory:", now_ms=clock.now_ms()),
        clock=clock,
        rng=Random(1),
        systems=systems,
        routes=Routes([route]),
        owner="bench",
    )
    running = asyncio.get_running_loop().create_task(engine.run())
    await until_shown(0)
    await clock.sleep(3_600.0)
    calls, items, began, began_cpu = shop.calls, shop.items, clock.monotonic(), time.process_time()
    priced(7)
    for poller in engine.pollers:
        poller.nudge()
    wrong = await until_shown(7)
    took_s, cpu_s = clock.monotonic() - began, time.process_time() - began_cpu
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await engine.stop()
    return Changed(shop.calls - calls, shop.items - items, wrong, took_s, cpu_s)


def prepare(path: str, book: int, now_ms: int) -> None:
    """Fill a store with prices that were agreed on, spread over the SKUs."""
    SqliteStore.open(path, now_ms=now_ms)._connection.close()  # noqa: SLF001 (for its tables)
    connection = connect(path)
    for first in range(0, book, BULK):
        prices = [
            agreed(row % BOOK_SKUS, row // BOOK_SKUS, 900 + row % 90)
            for row in range(first, min(book, first + BULK))
        ]
        with connection:
            connection.executemany(
                RECORD, [(price_key(x.sku, x.price_list), now_ms, now_ms, encode(x)) for x in prices]
            )
    connection.wal_checkpoint()
    connection.close()


async def ask(path: str, book: int, questions: int) -> tuple[list[float], int]:
    """How long each answer took, in ms, and how many prices were wrong."""
    clock = SystemClock()
    store = await LiveSqliteStore.open(path, now_ms=clock.now_ms())
    catalog = Catalog(store)
    for number in range(BOOK_SKUS):
        catalog.put("erp", Item(f"SKU-{number}", str(number)))
    rules = PriceRules((ChannelList(OWN, ("list",), "GBP"),), decimals=2)
    covers_ms = clock.now_ms()
    query = PriceQuery(
        store,
        clock,
        catalog,
        Routes([Route(Flow.PRICES, "erp", "shop", 600_000, prices=rules)]),
        {name: System(name, name, Capabilities(), None, None, Free()) for name in ("erp", "shop")},  # type: ignore[arg-type]
        lambda _: covers_ms,
        lambda _: 600_000,
    )
    rng, took_ms, wrong = Random(1), [], 0
    customers = book // BOOK_SKUS
    for _ in range(questions):
        customer, asked = rng.randrange(customers), rng.sample(range(BOOK_SKUS), LINES)
        lines = [Asked(f"SKU-{number}", Decimal(1)) for number in asked]
        began = time.perf_counter()
        answers = await query.ask("shop", lines, customer=str(customer))
        took_ms.append((time.perf_counter() - began) * 1000)
        wrong += sum(
            one.price != Decimal(900 + (customer * BOOK_SKUS + number) % 90) / 100
            for number, one in zip(asked, answers, strict=True)
        )
    await store.close()
    return took_ms, wrong


def run(*, quick: bool = False) -> Report:
    """Ask the book, then change everything."""
    hush()
    report = Report(NAME)
    book = QUICK_BOOK if quick else BOOK
    with folder() as at:
        path = str(Path(at) / "prices.sqlite")
        prepare(path, book, SystemClock().now_ms())
        took_ms, wrong = asyncio.run(ask(path, book, QUICK_QUESTIONS if quick else QUESTIONS))
    report.add("prices in the book", book, "", least=QUICK_BOOK if quick else BOOK, gated=True)
    report.add(f"an answer for {LINES} lines, p50", percentile(took_ms, 0.5), "ms")
    report.add("p99", percentile(took_ms, 0.99), "ms", most=10, gated=True)
    report.add("wrong prices", wrong, "", most=0, gated=True)
    report.add("memory of the process then", rss_mb(), "MB", most=1_500, gated=True)
    customers, skus = (QUICK_CUSTOMERS, QUICK_SKUS) if quick else (CUSTOMERS, SKUS)
    found = change(customers, skus)
    least = -(-customers * skus // BATCH)
    report.add("prices changed at once", customers * skus, "")
    report.add("calls, beside the fewest that batches allow", found.calls / least, "x", most=1.0, gated=True)
    report.add(
        "prices sent, beside those that changed", found.items / (customers * skus), "x", most=1.0, gated=True
    )
    report.add("prices wrong at the end", found.wrong, "", most=0, gated=True)
    report.add("until all were shown, virtual time", found.took_s, "s")
    report.add("processor time of it", found.cpu_s, "s")
    report.notes.append(f"{found.calls} calls of at most {BATCH} prices, {ANSWER_S} s each")
    return report
