"""How long a number that is too high may stay, and how much must be kept back.

Both ask the same of compound demand D (``freshness.demand``): how likely is more than q within a
time? For the last few units Panjer's recursion answers exactly, for larger q Chernoff's bound answers
on the safe side. In full: docs/explanation/urgency-from-risk.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count, islice

from syncline.freshness.demand import Demand, Season, together

EPSILON = 0.01  # of all decisions, how many may end with more sold than there is; of a pool, not of a channel
EXACT_UNITS_MAX = 64  # up to here Panjer; beyond, Chernoff
GROW_MAX = 64  # doublings of a time or a quantity
HALVE_MAX = 5  # then it is known to 1/32
SLOPES_MAX = 24  # steps towards the best Chernoff bound; any step gives a valid one
BUFFER_MAX = 10**9

# Buyers come in waves that no hour of the week foretells: the rate of the next hours differs from the average
# by so much however long we have watched. It is the shape of a gamma variable, a margin for large quantities:
# for the last few units bench/urgency.py finds the same with and without.
WAVES_SHAPE = 2.0


def exceeds(demand: Demand, units: int, hours: float) -> float:
    """An upper bound on the probability that more than ``units`` are wanted within some trade hours.

    Exact up to ``EXACT_UNITS_MAX`` units, except that quantities are those of ``demand.lines``.
    """
    if units < 0:
        return 1.0
    mean = demand.rate * hours
    if mean <= 0:
        return 0.0
    shape = 1 / (1 / demand.shape + 1 / WAVES_SHAPE)
    if units <= EXACT_UNITS_MAX:
        return max(0.0, 1.0 - sum(chances(demand.lines, mean, shape, units)))
    return min(1.0, _chernoff(demand.lines, mean, shape, units))


def chances(lines: Sequence[tuple[int, float]], mean: float, shape: float, units: int) -> list[float]:
    """The probabilities of a demand of 0, 1, ... ``units``.

    Panjer's recursion (H. Panjer, ASTIN Bulletin 12, 1981) for a negative binomial number of sales:
    ``p(k) = sum over j of (a + b j / k) f(j) p(k - j)`` with ``a = mean / (mean + shape)`` and
    ``b = (shape - 1) a``. An infinite shape is a Poisson number: ``a = 0``, ``b = mean``.

    Args:
        lines: (quantity, share) of a sale, quantities of at least 1.
        mean: the expected number of sales.
        shape: of the gamma variable that the rate is.
        units: the largest demand asked for.
    """
    return list(islice(_chances(lines, mean, shape), units + 1))


def _chances(lines: Sequence[tuple[int, float]], mean: float, shape: float) -> Iterator[float]:
    """The same without an end, for whoever stops earlier."""
    if math.isinf(shape):
        a, b, none = 0.0, mean, math.exp(-mean)
    else:
        a = mean / (mean + shape)
        b, none = (shape - 1) * a, (1 + mean / shape) ** -shape
    found = [none]
    for k in count(1):
        yield found[-1]
        chance = 0.0
        for j, share in lines:
            if j > k:
                break
            chance += (a + b * j / k) * share * found[k - j]
        found.append(chance)


def _chernoff(lines: Sequence[tuple[int, float]], mean: float, shape: float, units: int) -> float:
    """A bound for large ``units``: a single line that is larger, or many that add up.

    The first has at most its expected number; the second at most ``E exp(s (D - units - 1))`` for any
    ``s > 0``. The logarithm of that is convex, so the ``s`` where its slope is zero is the best one.
    """
    small = [(size, share) for size, share in lines if size <= units]
    large = mean * sum(share for size, share in lines if size > units)
    kept = sum(share for _, share in small)
    if not small or large >= 1.0:
        return large
    wanted = units + 1
    low, high = 0.0, 35.0 / small[-1][0]
    best = 0.0  # the logarithm of the bound; at s = 0 it says 1
    for _ in range(SLOPES_MAX):
        s = (low + high) / 2
        powers = [(size, share * math.exp(s * size)) for size, share in small]
        more = mean * (sum(power for _, power in powers) - kept)
        slope = mean * sum(size * power for size, power in powers)
        if math.isinf(shape):
            log = more - s * wanted
        elif more >= shape:  # beyond this the expectation does not exist
            high = s
            continue
        else:
            log = -shape * math.log1p(-more / shape) - s * wanted
            slope /= 1 - more / shape
        best = min(best, log)
        if slope < wanted:
            low = s
        else:
            high = s
    return large + math.exp(best)


def safe_hours(demand: Demand, units: int, epsilon: float, hours_max: float) -> float:
    """The most trade hours within which more than ``units`` are wanted with at most ``epsilon``.

    At most ``hours_max``, and up to 1/32 less than the exact answer.
    """
    if units < 0:
        return 0.0
    if exceeds(demand, units, hours_max) <= epsilon:
        return hours_max
    # Markov's inequality gives a time that is certainly short enough.
    size = sum(min(quantity, units + 1) * share for quantity, share in demand.lines)
    low = min(hours_max, epsilon * (units + 1) / (demand.rate * size))
    for _ in range(GROW_MAX):
        if low <= 0 or exceeds(demand, units, low) <= epsilon:
            break
        low /= 2
    high = low
    for _ in range(GROW_MAX):
        high = min(hours_max, high * 2)
        if high >= hours_max or exceeds(demand, units, high) > epsilon:
            break
        low = high
    for _ in range(HALVE_MAX):
        middle = (low + high) / 2
        if exceeds(demand, units, middle) <= epsilon:
            low = middle
        else:
            high = middle
    return low


def latest_safe_moment(
    demands: Sequence[Demand],
    season: Season,
    *,
    units: int,
    shown: int | None,
    now_ms: int,
    latest_ms: int,
    epsilon: float = EPSILON,
) -> int:
    """By when a channel must show ``units`` instead of ``shown``.

    Args:
        demands: of every channel that draws on the pool.
        season: of the SKU's category.
        units: what the pool truly has.
        shown: what the channel shows; ``None`` if nobody knows.
        now_ms: the moment from which demand counts.
        latest_ms: when the route's tolerance ends; the answer is never later.
        epsilon: how likely it may be that more is wanted by then.

    Shown too high: the largest t with P(D(t) > units) <= epsilon. Shown too low costs sales and breaks
    no promise: the tolerance, except that nothing shown while there is something is urgent.
    """
    if shown is not None and shown <= units:
        urgent = shown == 0 and units > 0
        return min(now_ms, latest_ms) if urgent else latest_ms
    demand = together(demands)
    if demand is None or latest_ms <= now_ms:
        return latest_ms
    hours = season.trade_h(now_ms, latest_ms)
    safe = safe_hours(demand, max(0, units), epsilon, hours)
    return latest_ms if safe >= hours else min(latest_ms, season.after(now_ms, safe))


# --- what must be kept back ------------------------------------------------------------------------


def exposure_ms(*, checkout_unseen_ms: int, detection_ms: int, bound_ms: int) -> int:
    """How long another channel's sale is not shown here: its unseen checkout, until we know, until it is told."""
    return checkout_unseen_ms + detection_ms + bound_ms


def buffer_for(demand: Demand, hours: float, epsilon: float = EPSILON) -> int:
    """The smallest number of units that is exceeded within some trade hours with at most ``epsilon``."""
    mean = demand.rate * hours
    if mean <= 0:
        return 0
    shape = 1 / (1 / demand.shape + 1 / WAVES_SHAPE)
    covered = 0.0
    exact = islice(_chances(demand.lines, mean, shape), EXACT_UNITS_MAX + 1)
    for units, chance in enumerate(exact):
        covered += chance
        if 1.0 - covered <= epsilon:
            return units
    low = high = EXACT_UNITS_MAX
    for _ in range(GROW_MAX):
        if high >= BUFFER_MAX or exceeds(demand, high, hours) <= epsilon:
            break
        low, high = high, high * 2
    for _ in range(GROW_MAX):
        if high - low <= 1:
            break
        middle = (low + high) // 2
        if exceeds(demand, middle, hours) <= epsilon:
            high = middle
        else:
            low = middle
    return high
