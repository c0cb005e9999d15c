"""Would a number that is too high have waited too long? Past orders decide; what a decision costs beside it.

Each decision is made with what was known at its moment, and judged by what was ordered afterwards. The
share of decisions after which more was wanted than there was may be at most twice what was asked for.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from random import Random

from bench.harness import Report, orders_file
from syncline.freshness.demand import (
    HOUR_MS,
    WEEK_H,
    Sale,
    Sales,
    Season,
    demand_of,
    hour_of_week,
    pack_sales,
    together,
)
from syncline.freshness.recovered import Tally
from syncline.freshness.risk import EPSILON, buffer_for, latest_safe_moment
from syncline.simulate.backtest import EPSILONS, UNITS, Backtest, Book, Placed, backtest, placed
from syncline.simulate.history import DAY_MS, StockCase, generate_history, read_history, stock_case
from syncline.stores.sqlite.store import connect

NAME = "urgency"
SEED = 1
CHANNELS = ("shop-eu", "shop-uk", "shop-us", "market", "wholesale")
EXPOSED_MS = 120_000 + 5_000  # an unseen checkout of two minutes, and five seconds until it shows here


def run(*, quick: bool = False) -> Report:
    """The backtest, the cost of a decision, the size of what is learned, and the stock given back."""
    report = Report(NAME)
    path = orders_file()
    if path is None:
        history, warm_up_days = generate_history(SEED, orders=6_000, skus=400), 7
        report.notes.append("generated history: the published one is not here")
    else:
        history, warm_up_days = read_history(path), 28
    orders = placed(history.orders)
    found = backtest(orders, Random(SEED), samples=300 if quick else 3_000, warm_up_days=warm_up_days)
    _shares(report, found)
    book = Book()
    for order in orders[: len(orders) // 2]:
        book.learn(order)
    _decisions(report, book, orders[len(orders) // 2])
    _buffers(report, book, orders[len(orders) // 2].at_ms, stock_case(history.orders))
    _sizes(report, 20_000 if quick else 200_000)
    return report


def _shares(report: Report, found: Backtest) -> None:
    for what, tally in (("after a sale", found.after_sale), ("at any time", found.any_time)):
        for epsilon in EPSILONS:
            name = f"{what}, asked {epsilon:.0%}"
            report.add(
                f"{name}: too late",
                tally.share(epsilon) * 100,
                "% of all",
                most=200 * epsilon,
                gated=True,
            )
            report.add(
                f"{name}: too late, sooner than the tolerance",
                tally.share_hurried(epsilon) * 100,
                "%",
                most=200 * epsilon,
                gated=True,
            )
            can_wait = 1 - tally.hurried[epsilon] / max(1, tally.decisions[epsilon])
            report.add(f"{name}: can wait for the tolerance (a day)", can_wait * 100, "%")
            worst = max(
                tally.by_units[epsilon, units, "breached"] / max(1, tally.by_units[epsilon, units, "all"])
                for units in UNITS
            )
            report.add(f"{name}: too late, worst of the quantities", worst * 100, "%", most=200 * epsilon)
        report.add(f"{what}: decisions", sum(tally.decisions.values()))


def _decisions(report: Report, book: Book, order: Placed) -> None:
    """The time of one decision, the demands of three channels included."""
    skus, channels = list(book.sales)[:200], ("A", "B", "C")
    for units in (0, 3, 24, 64, 500, 10_000):
        began = time.perf_counter()
        for sku in skus:
            latest_safe_moment(
                book.demands(sku, channels, order.at_ms),
                book.season,
                units=units,
                shown=units + 1,
                now_ms=order.at_ms,
                latest_ms=order.at_ms + DAY_MS,
            )
        report.add(f"a decision with {units:,} left", (time.perf_counter() - began) / len(skus) * 1e6, "us")


def _buffers(report: Report, book: Book, now_ms: int, case: StockCase) -> None:
    """Buffers of channel A against the others' unseen checkouts, in the busiest hour of the week."""
    now_ms = max(
        (now_ms + n * HOUR_MS for n in range(WEEK_H)), key=lambda at: book.season.weights[hour_of_week(at)]
    )
    hours = book.season.trade_h(now_ms, now_ms + EXPOSED_MS)
    tally, sizes = Tally(), []
    for sku in book.sales:
        others = together(
            [one for channel in ("B", "C") if (one := demand_of(book.at(sku, channel), book.season, now_ms))]
        )
        sizes.append(0 if others is None else buffer_for(others, hours))
        expected = 0.0 if others is None else others.rate * hours
        tally.add(sizes[-1], expected, case.target.get(sku, 0), case.prices.get(sku))
    recovered = tally.result(EPSILON)
    report.add("auto buffer: largest of all SKUs", max(sizes), "units")
    report.add("auto buffer: mean", sum(sizes) / len(sizes), "units")
    report.add("fixed buffer as safe", recovered.fixed, "units")
    report.add("given back against it", recovered.units, "units")
    report.add("of all stock", recovered.units / sum(case.target.values()) * 100, "%")
    report.add("its worth at the first price seen", float(recovered.money.get("", 0)))


def _sizes(report: Report, skus: int) -> None:
    """Bytes on disk of SKUs that sold at five channels each, put in no order."""
    rng = Random(SEED)
    sales = Sales(1_700_000_000_000)
    for _ in range(5):
        sales = sales.learn(Sale(sales.at_ms + 3_600_000, rng.randrange(1, 30)), Season())
    packed = pack_sales(dict.fromkeys(CHANNELS, sales))
    numbers = list(range(skus))
    rng.shuffle(numbers)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sizes.db"
        connection = connect(str(path))
        connection.execute(
            "CREATE TABLE velocity (key TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID, STRICT"
        )
        connection.execute(
            "CREATE TABLE standing (sku TEXT PRIMARY KEY, velocity TEXT NOT NULL, slow_since_ms INTEGER, "
            "buffers TEXT NOT NULL) WITHOUT ROWID, STRICT"
        )
        with connection:
            connection.executemany(
                "INSERT INTO standing VALUES (?, 'medium', 1700000000000, '12,3,,40,7')",
                ((f"SKU-{n:08}",) for n in numbers),
            )
            connection.executemany(
                "INSERT INTO velocity VALUES (?, ?)", ((f"SKU-{n:08}", packed) for n in numbers)
            )
        connection.pragma("wal_checkpoint", "TRUNCATE")
        size = path.stat().st_size
        connection.close()
    report.add("packed, a SKU at one channel, its name included", len(packed) / len(CHANNELS), "bytes")
    report.add(
        "on disk, a SKU at one channel, its part of class and buffers included",
        size / skus / len(CHANNELS),
        "bytes",
    )
    report.add(
        "1,000,000 SKUs at five channels, each with a class and buffers",
        size / skus,
        "MB",
        most=400,
        gated=True,
    )
