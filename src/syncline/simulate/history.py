"""Order histories: read from a file, or made from a seed; and the stock that goes with them.

The columns are those of the "Online Retail" data set (D. Chen, UCI Machine Learning Repository,
10.24432/C5BW33) as ``order_id, placed_at, sku, description, quantity, unit_price, customer,
country``, one row an order line. A reader names and counts what it skips.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from random import Random

from syncline.inventory.availability import largest_remainder
from syncline.model.errors import Misconfigured

COLUMNS = ("order_id", "placed_at", "sku", "description", "quantity", "unit_price", "customer", "country")
LOCATION_WEIGHTS = (60, 30, 10)
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One line that somebody once ordered."""

    sku: str
    title: str
    quantity: int
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class HistoryOrder:
    """One order that was once placed."""

    id: str
    placed_at_ms: int
    customer: str
    country: str
    lines: tuple[HistoryLine, ...]


@dataclass(slots=True)
class History:
    """Orders in the order they were placed, and what was left out and why."""

    orders: list[HistoryOrder]
    skipped: Counter[str] = field(default_factory=Counter)
    seconds_known: bool = False

    def lines(self) -> int:
        """How many lines the orders have."""
        return sum(len(order.lines) for order in self.orders)


def read_history(path: Path, *, orders_max: int = 0) -> History:
    """Read a CSV or CSV.gz file.

    Args:
        path: the file; a name that ends in ``.gz`` is decompressed.
        orders_max: stop after so many orders; 0 reads all.

    Raises:
        Misconfigured: the file is missing, lacks a column, or has no usable line.
    """
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8", newline="")
            if path.suffix == ".gz"
            else path.open(
                encoding="utf-8",
                newline="",
            ) as file
        ):
            history = _read(csv.DictReader(file), str(path), orders_max)
    except OSError as error:
        raise Misconfigured(f"--orders {path}: cannot be read: {error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise Misconfigured(f"--orders {path}: is no UTF-8 CSV: {error}") from error
    if not history.orders:
        raise Misconfigured(f"--orders {path}: no usable order line; skipped {dict(history.skipped)}")
    return history


def _read(rows: csv.DictReader[str], path: str, orders_max: int) -> History:
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise Misconfigured(
            f"--orders {path}: the columns {', '.join(missing)} are missing; needed are {', '.join(COLUMNS)}"
        )
    skipped: Counter[str] = Counter()
    gathered: dict[str, tuple[int, str, str, list[HistoryLine]]] = {}
    for row in rows:
        reason = _why_skip(row)
        if reason:
            skipped[reason] += 1
            continue
        try:
            quantity = int(row["quantity"])
            price = Decimal(row["unit_price"])
            placed = datetime.fromisoformat(row["placed_at"])
        except (ValueError, InvalidOperation):
            skipped["unreadable number or date"] += 1
            continue
        if not price.is_finite() or price >= 10**9 or quantity >= 10**9:
            skipped["absurd number"] += 1
            continue
        if placed.tzinfo is None:
            placed = placed.replace(tzinfo=UTC)
        order_id = row["order_id"]
        if order_id not in gathered:
            if orders_max and len(gathered) >= orders_max:
                break
            gathered[order_id] = (int(placed.timestamp() * 1000), row["customer"], row["country"], [])
        gathered[order_id][3].append(HistoryLine(row["sku"], row["description"], quantity, price))
    orders = [
        HistoryOrder(order_id, placed_ms, customer, country, tuple(lines))
        for order_id, (placed_ms, customer, country, lines) in gathered.items()
    ]
    orders.sort(key=lambda order: order.placed_at_ms)  # stable: ties stay as the file has them
    return History(orders, skipped)


def _why_skip(row: dict[str, str]) -> str:
    order_id, sku = row["order_id"] or "", row["sku"] or ""
    if order_id[:1] in ("C", "c"):
        return "cancellation (order id begins with C)"
    if order_id[:1] in ("A", "a"):
        return "bad debt (order id begins with A)"
    if not sku[:1].isdigit():
        return "not goods (SKU does not begin with a digit)"
    if (row["quantity"] or "").startswith("-") or row["quantity"] in ("0", "", None):
        return "quantity not above zero"
    price = row["unit_price"] or ""
    if price.startswith("-") or not price.strip("0."):
        return "price not above zero"
    return ""


def generate_history(seed: int, *, orders: int = 2_000, skus: int = 1_500) -> History:
    """Make a history of a mid-size wholesaler: few SKUs sell most, and bulk lines exhaust stock."""
    rng = Random(seed)
    catalog = [
        (
            f"{10_000 + n * 7}",
            f"{rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)} {n + 1}",
            Decimal(rng.randrange(39, 1995)) / 100,
        )
        for n in range(skus)
    ]
    weights = [1 / (rank + 15) for rank in range(skus)]  # the top 1 % of 1,500 SKUs get 15 % of the lines
    made: list[HistoryOrder] = []
    at_ms = int(datetime(2026, 3, 2, 8, 0, tzinfo=UTC).timestamp() * 1000)
    for number in range(orders):
        at_ms += int(rng.expovariate(1 / 240_000))
        if (at_ms // 3_600_000) % 24 >= 20:
            at_ms = (at_ms // DAY_MS + 1) * DAY_MS + 8 * 3_600_000
        count = min(60, 1 + int(rng.lognormvariate(2.0, 0.9)))
        lines = [
            HistoryLine(sku, title, 1 + min(400, int(rng.lognormvariate(1.2, 1.1))), price)
            for sku, title, price in rng.choices(catalog, weights, k=count)
        ]
        customer = "" if rng.random() < 0.25 else str(12_000 + rng.randrange(600))
        made.append(HistoryOrder(str(500_000 + number), at_ms, customer, "United Kingdom", tuple(lines)))
    return History(made, Counter())


_ADJECTIVES = ("Blue", "Brass", "Striped", "Vintage", "Small", "Large", "Glass", "Paper", "Wooden", "Painted")
_NOUNS = ("Lantern", "Mug", "Cushion", "Clock", "Tray", "Basket", "Candle", "Box", "Bowl", "Frame")


@dataclass(frozen=True, slots=True)
class StockCase:
    """Opening stock by SKU, split over three locations 60/30/10.

    Stock: S = max(1, ceil(7 x mean daily sales)), where the mean is units over distinct dates with a
    sale of that SKU.
    """

    target: dict[str, int]
    titles: dict[str, str]
    prices: dict[str, Decimal]

    def split(self, sku: str) -> list[int]:
        """The opening stock of a SKU at each location."""
        return largest_remainder(self.target[sku], LOCATION_WEIGHTS)


def stock_case(history: Iterable[HistoryOrder]) -> StockCase:
    """Compute the stock case of a history."""
    units: Counter[str] = Counter()
    dates: dict[str, set[int]] = {}
    titles: dict[str, str] = {}
    prices: dict[str, Decimal] = {}
    for order in history:
        day = order.placed_at_ms // DAY_MS
        for line in order.lines:
            units[line.sku] += line.quantity
            dates.setdefault(line.sku, set()).add(day)
            titles.setdefault(line.sku, line.title or line.sku)
            prices.setdefault(line.sku, line.unit_price)
    target = {sku: max(1, math.ceil(7 * units[sku] / len(dates[sku]))) for sku in units}
    return StockCase(target, titles, prices)


def weekly_moments(from_ms: int, to_ms: int, weekday: int, hour: int) -> Iterator[int]:
    """Every moment of a weekday (0 is Monday) and hour, UTC, in ``(from_ms, to_ms]``."""
    # 1970-01-01 was a Thursday, so day 4 of the epoch is the first Monday.
    first_monday = 4
    week_ms = 7 * DAY_MS
    anchor = (first_monday + weekday) * DAY_MS + hour * 3_600_000
    at = anchor + ((from_ms - anchor) // week_ms + 1) * week_ms
    while at <= to_ms:
        yield at
        at += week_ms
