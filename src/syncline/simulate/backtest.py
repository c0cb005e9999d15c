"""Would the latest safe moments have been safe? Past orders decide, and each decision knows only its past."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random

from syncline.freshness.demand import Demand, Sale, Sales, Season, demand_of
from syncline.freshness.risk import latest_safe_moment
from syncline.simulate.history import DAY_MS, HistoryOrder

UNITS = (0, 1, 2, 3, 5, 8, 12, 24, 48, 100, 500)
EPSILONS = (0.01, 0.05)
WARM_UP_DAYS = 28
SHOWN = 10**9  # what the channel shows: always too much


@dataclass(frozen=True, slots=True)
class Placed:
    """An order as the backtest sees it: when, where, and the units of each SKU."""

    at_ms: int
    channel: str
    units: dict[str, int]


def placed(orders: Iterable[HistoryOrder], *, seconds_known: bool = False) -> list[Placed]:
    """Orders with the channel and, where the history has only minutes, the second of the published case."""
    found = []
    for order in orders:
        digest = hashlib.sha256(order.id.encode()).digest()
        part = int.from_bytes(digest[:4], "big") / 2**32
        channel = "A" if part < 0.60 else "B" if part < 0.85 else "C"
        second = 0 if seconds_known else int.from_bytes(digest[4:8], "big") % 60
        units: dict[str, int] = {}
        for line in order.lines:
            units[line.sku] = units.get(line.sku, 0) + line.quantity
        found.append(Placed(order.placed_at_ms + second * 1000, channel, units))
    found.sort(key=lambda one: one.at_ms)
    return found


class Book:
    """What was learned from the orders so far, all goods in one category.

    A SKU counts as listed at every channel since it first sold at one of them: a history of orders tells no more.
    """

    def __init__(self) -> None:
        self.season = Season()
        self.sales: dict[str, dict[str, Sales]] = {}
        self.listed_ms: dict[str, int] = {}

    def learn(self, order: Placed) -> None:
        """One more order."""
        new = 0
        sales = [Sale(order.at_ms, quantity) for quantity in order.units.values()]
        for sku, sale in zip(order.units, sales, strict=True):
            self.listed_ms.setdefault(sku, order.at_ms)
            at = self.sales.setdefault(sku, {})
            before = at.get(order.channel)
            new += before is None
            at[order.channel] = (before or Sales(order.at_ms)).learn(sale, self.season)
        self.season = self.season.learn(sales, new_pairs=new)

    def at(self, sku: str, channel: str) -> Sales:
        """What one channel sold of a SKU, be it nothing since it is there."""
        return self.sales[sku].get(channel) or Sales(self.listed_ms[sku])

    def demands(self, sku: str, channels: Sequence[str], now_ms: int) -> list[Demand]:
        """The demand of every channel for a SKU."""
        found = [demand_of(self.at(sku, channel), self.season, now_ms) for channel in channels]
        return [one for one in found if one is not None]


@dataclass(slots=True)
class Tally:
    """Decisions by epsilon: all of them, those sooner than the tolerance, and those that came too late."""

    decisions: Counter[float] = field(default_factory=Counter)
    hurried: Counter[float] = field(default_factory=Counter)
    breached: Counter[float] = field(default_factory=Counter)
    by_units: Counter[tuple[float, int, str]] = field(default_factory=Counter)

    def share(self, epsilon: float) -> float:
        """How many of all decisions ended with more wanted than there was."""
        return self.breached[epsilon] / max(1, self.decisions[epsilon])

    def share_hurried(self, epsilon: float) -> float:
        """The same of those that the risk had made sooner than the tolerance."""
        hurried = sum(n for (of, _, what), n in self.by_units.items() if of == epsilon and what == "hurried")
        late = sum(n for (of, _, what), n in self.by_units.items() if of == epsilon and what == "late")
        return late / max(1, hurried)


@dataclass(slots=True)
class Backtest:
    """Decisions just after a sale of the SKU, and at moments that have nothing to do with it."""

    after_sale: Tally = field(default_factory=Tally)
    any_time: Tally = field(default_factory=Tally)


def backtest(
    orders: Sequence[Placed],
    rng: Random,
    *,
    samples: int,
    tolerance_ms: int = DAY_MS,
    warm_up_days: int = WARM_UP_DAYS,
) -> Backtest:
    """Decide about so many SKUs of either kind, each for every quantity of ``UNITS`` and every epsilon.

    The tolerance of the last decisions must end before the history does, or breaches would go unseen.
    """
    times, totals = _futures(orders)
    channels = sorted({order.channel for order in orders})
    begin_ms, end_ms = orders[0].at_ms + warm_up_days * DAY_MS, orders[-1].at_ms - tolerance_ms
    judged = [n for n, order in enumerate(orders) if begin_ms <= order.at_ms <= end_ms]
    pairs = sum(len(orders[n].units) for n in judged)
    moments = sorted(rng.randrange(begin_ms, end_ms) for _ in range(samples)) if judged else []
    book, found, due = Book(), Backtest(), 0
    for order in orders:
        while due < len(moments) and moments[due] < order.at_ms:
            if book.sales:
                sku = rng.choice(list(book.sales))
                demands = book.demands(sku, channels, moments[due])
                _judge(
                    found.any_time, demands, book.season, moments[due], tolerance_ms, times[sku], totals[sku]
                )
            due += 1
        book.learn(order)
        if not begin_ms <= order.at_ms <= end_ms:
            continue
        for sku in order.units:
            if rng.random() * pairs < samples:
                demands = book.demands(sku, channels, order.at_ms)
                _judge(
                    found.after_sale, demands, book.season, order.at_ms, tolerance_ms, times[sku], totals[sku]
                )
    return found


def _futures(orders: Sequence[Placed]) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Of each SKU the moments of its sales, and the units sold before each of them and in all."""
    times: dict[str, list[int]] = {}
    sold: dict[str, list[int]] = {}
    for order in orders:
        for sku, quantity in order.units.items():
            times.setdefault(sku, []).append(order.at_ms)
            sold.setdefault(sku, []).append(quantity)
    return times, {sku: list(accumulate(units, initial=0)) for sku, units in sold.items()}


def _judge(
    tally: Tally,
    demands: Sequence[Demand],
    season: Season,
    now_ms: int,
    tolerance_ms: int,
    times: Sequence[int],
    totals: Sequence[int],
) -> None:
    before = totals[bisect_right(times, now_ms)]
    for epsilon in EPSILONS:
        for units in UNITS:
            latest_ms = now_ms + tolerance_ms
            safe_ms = latest_safe_moment(
                demands, season, units=units, shown=SHOWN, now_ms=now_ms, latest_ms=latest_ms, epsilon=epsilon
            )
            late = totals[bisect_right(times, safe_ms)] - before > units
            hurried = safe_ms < latest_ms
            tally.decisions[epsilon] += 1
            tally.hurried[epsilon] += hurried
            tally.breached[epsilon] += late
            tally.by_units[epsilon, units, "all"] += 1
            tally.by_units[epsilon, units, "hurried"] += hurried
            tally.by_units[epsilon, units, "breached"] += late
            tally.by_units[epsilon, units, "late"] += late and hurried
