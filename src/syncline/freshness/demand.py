"""What is known of the demand for a SKU at one channel, in 36 bytes.

Demand is a compound Poisson process: buyers arrive, and each takes a quantity that is drawn from what
buyers took before (bulk lines matter). The rate follows the hour of the week, and that profile belongs
to a category of goods: one SKU sells far too seldom to tell its own. So time is counted in *trade
hours*: an average hour of the week is one, a busy one is more, a closed one next to nothing. In trade
hours the rate is constant, and everything else becomes simple.

A rate is estimated from counts that fade with a half-life. The count of a long one is shrunk towards
the category's rate (gamma prior, Poisson counts), the count of a short one towards the long one; the
larger of both is believed, so a rush counts at once and fades slowly.
"""

from __future__ import annotations

import math
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from operator import mul
from typing import NamedTuple

HOUR_MS = 3_600_000
WEEK_H = 168
WEEK_MS = WEEK_H * HOUR_MS
MONDAY_H = 72  # hours by which a week that begins on Monday is ahead of the epoch's, which was a Thursday

FAST_H = 24.0  # half-life of a rush, in trade hours: of a shop that is open for 50 hours a week, a day
SLOW_H = 672.0  # four weeks
# Sales of the same goods cluster: just after one the rate is higher by so many times, and the excess halves in so
# many trade hours. Chosen among five settings on the published history: bench/urgency.py.
CLUSTER = 2.0
CLUSTER_H = 1.0
SEASON_WEEKS = 8.0  # half-life of the profile of a category

CATEGORY_SHAPE = 1.0  # what the category's rate is worth as evidence, in order lines
RUSH_SHAPE = 4.0  # the same of the long rate, against a rush
CATEGORY_SIZES = 4.0  # and of the category's quantities
UNSEEN_HOUR = 0.25  # weeks of evidence that an hour is like any other, until it was seen otherwise

# The last unit of each bucket of line quantities: exact to 4, then in steps of a third to a half, with an
# edge at the usual pack sizes. What is above the last edge counts as the largest line ever seen.
EDGES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256)
BUCKETS = len(EDGES) + 1
BUCKET_MAX = 255
LARGEST_MAX = 2**32 - 1


def bucket_of(quantity: int) -> int:
    """The bucket of a line quantity (at least 1)."""
    return bisect_left(EDGES, quantity)


def hour_of_week(at_ms: int) -> int:
    """0 is Monday 00:00 to 01:00 UTC."""
    return (at_ms // HOUR_MS + MONDAY_H) % WEEK_H


def exposure_h(age_h: float, half_life_h: float) -> float:
    """Trade hours that a fading count looks back on: the integral of ``2 ** (-h / half_life)``."""
    return half_life_h / math.log(2) * (1.0 - math.pow(0.5, age_h / half_life_h))


class Sale(NamedTuple):
    """What one order wanted of one SKU: the lines of the same SKU together."""

    at_ms: int
    quantity: int


@dataclass(frozen=True)
class Season:
    """When the goods of a category sell, how much at a time, and how often one of them does.

    ``hours`` are fading counts of sales by hour of the week, ``sizes`` by bucket of quantity; ``slow``
    is the fading count for the rate. ``pairs`` is how many (SKU, channel) have ever sold. ``age_h`` is
    in trade hours since ``began_ms``; ``at_ms`` is the moment up to which everything is counted.
    """

    began_ms: int = 0
    at_ms: int = 0
    pairs: int = 0
    age_h: float = 0.0
    slow: float = 0.0
    largest: int = 0
    hours: tuple[float, ...] = field(default=(0.0,) * WEEK_H)
    sizes: tuple[float, ...] = field(default=(0.0,) * BUCKETS)

    @cached_property
    def weights(self) -> tuple[float, ...]:
        """How busy each hour of the week is; 1 on average.

        ``w = (count + k x mean) / (times seen + k)``: an hour that was not seen yet is like any other,
        or the first days of a new shop would say that it never sells at the weekend.
        """
        total = sum(self.hours)
        if total <= 0:
            return (1.0,) * WEEK_H
        fade = 0.5 ** (1 / SEASON_WEEKS)
        first = self.began_ms // HOUR_MS
        behind = self.at_ms // HOUR_MS - first
        times = []
        for hour in range(WEEK_H):
            weeks = (behind - (hour - first - MONDAY_H) % WEEK_H) // WEEK_H + 1
            times.append((1 - fade**weeks) / (1 - fade) if weeks > 0 else 0.0)
        mean = total / sum(times)
        raw = [
            (count + UNSEEN_HOUR * mean) / (seen + UNSEEN_HOUR)
            for count, seen in zip(self.hours, times, strict=True)
        ]
        whole = sum(raw)
        return tuple(one * WEEK_H / whole for one in raw)

    @cached_property
    def busiest(self) -> float:
        """How busy the busiest hour of the week is."""
        return max(self.weights)

    @cached_property
    def line_shares(self) -> tuple[float, float]:
        """Mean units of a line up to the last edge, counted over all lines; and the share of the lines above it."""
        whole = sum(self.sizes)
        return (sum(map(mul, EDGES, self.sizes)) / whole, self.sizes[-1] / whole) if whole else (0.0, 0.0)

    @cached_property
    def _sums(self) -> tuple[float, ...]:
        return tuple(accumulate(self.weights, initial=0.0))

    def _trade_h(self, at_ms: int) -> float:
        """Trade hours since the Monday before the epoch."""
        hours, rest_ms = divmod(at_ms + MONDAY_H * HOUR_MS, HOUR_MS)
        weeks, hour = divmod(hours, WEEK_H)
        return weeks * WEEK_H + self._sums[hour] + self.weights[hour] * rest_ms / HOUR_MS

    def trade_h(self, from_ms: int, to_ms: int) -> float:
        """How much trade lies between two moments, in average hours; 0 if they are the wrong way round."""
        return self._trade_h(to_ms) - self._trade_h(from_ms) if to_ms > from_ms else 0.0

    def after(self, from_ms: int, trade_h: float) -> int:
        """The moment by which so much trade has passed, rounded down to a millisecond."""
        weeks, rest_h = divmod(self._trade_h(from_ms) + trade_h, WEEK_H)
        hour = min(bisect_right(self._sums, rest_h) - 1, WEEK_H - 1)
        part = min(1.0, (rest_h - self._sums[hour]) / self.weights[hour])
        hours = int(weeks) * WEEK_H + hour - MONDAY_H
        return max(from_ms, hours * HOUR_MS + int(part * HOUR_MS))

    @cached_property
    def rate(self) -> float:
        """Sales of one (SKU, channel) in a trade hour, over all that ever sold; 0 if nothing is known."""
        seen_h = self.pairs * exposure_h(self.age_h, SLOW_H)
        # In its first hour a category has hardly any past: then it has a rate as if that hour were over.
        return self.slow / max(seen_h, float(self.pairs)) if self.pairs else 0.0

    def learn(self, sales: Sequence[Sale], *, new_pairs: int = 0) -> Season:
        """The season after more sales, of which some were the first of a (SKU, channel)."""
        if not sales:
            return self
        began_ms = self.began_ms or min(sale.at_ms for sale in sales)
        before_ms = self.at_ms or began_ms
        at_ms = max(before_ms, *(sale.at_ms for sale in sales))
        passed_h = self.trade_h(before_ms, at_ms)
        fade = 0.5 ** ((at_ms - before_ms) / WEEK_MS / SEASON_WEEKS)
        hours = [count * fade for count in self.hours]
        sizes = [count * fade for count in self.sizes]
        for sale in sales:
            hours[hour_of_week(sale.at_ms)] += 1.0
            sizes[bucket_of(sale.quantity)] += 1.0
        return Season(
            began_ms=began_ms,
            at_ms=at_ms,
            pairs=self.pairs + new_pairs,
            age_h=self.age_h + passed_h,
            slow=self.slow * 0.5 ** (passed_h / SLOW_H) + len(sales),
            largest=min(LARGEST_MAX, max(self.largest, *(sale.quantity for sale in sales))),
            hours=tuple(hours),
            sizes=tuple(sizes),
        )


class Sales(NamedTuple):
    """What one channel sold of one SKU.

    ``fast`` and ``slow`` are fading counts of sales, ``age_h`` the trade hours since the first one,
    ``sizes`` counts of sales by bucket of quantity. Of what has never sold there, ``at_ms`` is when it was first
    seen there and all else is 0.
    """

    at_ms: int
    age_h: float = 0.0
    fast: float = 0.0
    slow: float = 0.0
    largest: int = 0
    sizes: tuple[int, ...] = (0,) * BUCKETS

    @property
    def sold(self) -> bool:
        """Whether it ever sold."""
        return self.slow > 0

    def learn(self, sale: Sale, season: Season) -> Sales:
        """What is known after one more sale. One that is heard of late counts as if made by now."""
        passed_h = season.trade_h(self.at_ms, sale.at_ms)
        sizes = list(self.sizes)
        bucket = bucket_of(sale.quantity)
        if sizes[bucket] >= BUCKET_MAX:  # what happened once is not forgotten: 1 stays 1
            sizes = [(count + 1) // 2 for count in sizes]
        sizes[bucket] += 1
        return Sales(
            at_ms=max(self.at_ms, sale.at_ms),
            age_h=self.age_h + passed_h,
            fast=self.fast * 0.5 ** (passed_h / FAST_H) + 1,
            slow=self.slow * 0.5 ** (passed_h / SLOW_H) + 1,
            largest=min(LARGEST_MAX, max(self.largest, sale.quantity)),
            sizes=tuple(sizes),
        )


@dataclass(frozen=True, slots=True)
class Demand:
    """Compound demand: ``rate`` sales in a trade hour, each of a quantity drawn from ``lines``.

    ``lines`` are (units, share) in rising units; the shares add up to 1. The rate itself is uncertain:
    a gamma variable of this mean with ``shape``, so that the number of sales is negative binomial. The
    larger the shape, the surer.
    """

    rate: float
    shape: float
    lines: tuple[tuple[int, float], ...]


class Pace(NamedTuple):
    """The rate and the shape of a demand, without its lines.

    ``steady`` is the rate without what a sale just now adds to it, as it describes days.
    """

    rate: float
    shape: float
    steady: float


def pace_of(sales: Sales | None, season: Season, now_ms: int) -> Pace:
    """The pace of ``demand_of``, which is less work where quantities do not matter.

    The rate is 0 when nothing at all is known. What has not sold for so long is believed to sell the less:
    ``a / (a / typical + time)``, with ``a`` what the category's rate is worth and time that fades.
    """
    typical = season.rate
    shape = CATEGORY_SHAPE
    if typical <= 0 or sales is None:
        return Pace(typical, shape, typical)
    passed_h = season.trade_h(sales.at_ms, now_ms)
    age_h = sales.age_h + passed_h
    shape += sales.slow * 0.5 ** (passed_h / SLOW_H)
    rate = shape / (CATEGORY_SHAPE / typical + exposure_h(age_h, SLOW_H))
    rush = RUSH_SHAPE + sales.fast * 0.5 ** (passed_h / FAST_H)
    rush_rate = rush / (RUSH_SHAPE / rate + exposure_h(age_h, FAST_H))
    if rush_rate > rate:
        rate, shape = rush_rate, min(shape, rush)
    if not sales.sold:
        return Pace(rate, shape, rate)
    return Pace(rate * (1 + CLUSTER * 0.5 ** (passed_h / CLUSTER_H)), shape, rate)


def demand_of(sales: Sales | None, season: Season, now_ms: int, *, clustered: bool = True) -> Demand | None:
    """The demand of one channel for one SKU, seen from now; ``None`` when nothing at all is known.

    A SKU that never sold at the channel has the demand of its category, and less the longer it is known to have
    been there; without ``sales`` that is not known. ``clustered`` counts that a
    sale is likelier just after another one; leave it out for what describes days, such as a class.
    """
    clustered_rate, shape, steady = pace_of(sales, season, now_ms)
    rate = clustered_rate if clustered else steady
    if rate <= 0:
        return None
    counts: Sequence[float] = (0.0,) * BUCKETS if sales is None else sales.sizes
    largest = season.largest
    whole = sum(season.sizes)
    total = sum(counts) + CATEGORY_SIZES
    lines = []
    for bucket, (own, of_all) in enumerate(zip(counts, season.sizes, strict=True)):
        share = (own + CATEGORY_SIZES * of_all / whole) / total
        if share > 0:
            if bucket < len(EDGES):
                units = EDGES[bucket]
            else:
                units = sales.largest if sales is not None and own else largest
            lines.append((units, share))
    return Demand(rate, shape, tuple(lines))


def mean_line(sales: Sales | None, season: Season) -> float:
    """Mean units of a sale, as ``demand_of`` draws it, in a tenth of the time: for what looks at every SKU."""
    usual, above = season.line_shares
    counts: Sequence[int] = (0,) * BUCKETS if sales is None else sales.sizes
    own_above = counts[-1]
    largest = sales.largest if sales is not None and own_above else season.largest
    usual_units = CATEGORY_SIZES * usual + largest * (own_above + CATEGORY_SIZES * above)
    units: float = sum(map(mul, EDGES, counts)) + usual_units
    return units / (sum(counts) + CATEGORY_SIZES)


def together(demands: Sequence[Demand]) -> Demand | None:
    """The demand of all channels that draw on one pool; ``None`` if there is none.

    Compound Poisson processes add up to one: rates add, quantities mix by rate. The shape is that of a
    gamma variable with the mean and variance of the sum.
    """
    rate = sum(one.rate for one in demands)
    if rate <= 0:
        return None
    mixed: dict[int, float] = {}
    for one in demands:
        for units, share in one.lines:
            mixed[units] = mixed.get(units, 0.0) + share * one.rate / rate
    variance = sum(one.rate**2 / one.shape for one in demands)
    shape = rate**2 / variance if variance else math.inf
    return Demand(rate, shape, tuple(sorted(mixed.items())))


# --- as bytes ------------------------------------------------------------------------------------

# Little-endian. One channel of a SKU is 36 bytes: moment (uint32, seconds), age in trade hours, fast and slow
# count (float32 each), largest line (uint32), 16 buckets (uint8 each).
_SALES = struct.Struct("<IfffI16B")
# A category: began and moment (int64, ms), pairs (uint32), largest line (uint32), age in trade hours and slow
# count (float64 each), 168 hours and 16 buckets (float32 each): 776 bytes.
_SEASON = struct.Struct("<qqIIdd168f16f")
# Before each channel of a SKU: the length of its name (uint8), and the name in UTF-8.
_NAME_MAX = 255


def pack_season(season: Season) -> bytes:
    """A category as bytes."""
    return _SEASON.pack(
        season.began_ms,
        season.at_ms,
        season.pairs,
        season.largest,
        season.age_h,
        season.slow,
        *season.hours,
        *season.sizes,
    )


def unpack_season(packed: bytes) -> Season:
    """The category that was packed.

    Raises:
        ValueError: these are not the bytes of a category.
    """
    try:
        began_ms, at_ms, pairs, largest, age_h, slow, *counts = _SEASON.unpack(packed)
    except struct.error as error:
        raise ValueError(f"not a category's demand: {error}") from error
    return Season(
        began_ms, at_ms, pairs, age_h, slow, largest, tuple(counts[:WEEK_H]), tuple(counts[WEEK_H:])
    )


def pack_sales(by_channel: Mapping[str, Sales]) -> bytes:
    """What every channel sold of one SKU, as bytes; a moment is rounded down to a second."""
    parts = []
    for channel, sales in sorted(by_channel.items()):
        name = channel.encode()
        if len(name) > _NAME_MAX:
            raise ValueError(f"a channel's name has more than {_NAME_MAX} bytes: {channel!r}")
        parts += [bytes((len(name),)), name]
        parts.append(
            _SALES.pack(sales.at_ms // 1000, sales.age_h, sales.fast, sales.slow, sales.largest, *sales.sizes)
        )
    return b"".join(parts)


def unpack_sales(packed: bytes) -> Mapping[str, Sales]:
    """What was packed, by channel.

    Raises:
        ValueError: these are not the bytes of a SKU.
    """
    found: dict[str, Sales] = {}
    place = 0
    while place < len(packed):
        end = place + 1 + packed[place]
        try:
            at_s, age_h, fast, slow, largest, *sizes = _SALES.unpack_from(packed, end)
        except struct.error as error:
            raise ValueError(f"not a SKU's demand: {error}") from error
        channel = packed[place + 1 : end].decode()
        found[channel] = Sales(at_s * 1000, age_h, fast, slow, largest, tuple(sizes))
        place = end + _SALES.size
    return found
