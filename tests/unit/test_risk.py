"""The latest safe moment and the automatic buffer, against brute force and against their own meaning."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.freshness.demand import HOUR_MS, WEEK_MS, Demand, Sale, Season
from syncline.freshness.risk import (
    EXACT_UNITS_MAX,
    WAVES_SHAPE,
    buffer_for,
    chances,
    exceeds,
    exposure_ms,
    latest_safe_moment,
    safe_hours,
)
from syncline.simulate.backtest import EPSILONS, backtest, placed
from syncline.simulate.history import generate_history

MONDAY = 1_767_571_200_000
LINES = ((1, 0.5), (2, 0.2), (6, 0.2), (24, 0.1))
STEADY = Demand(1.0, math.inf, LINES)


def poisson(rng, mean):
    """Knuth's product of uniforms."""
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def drawn(rng, mean, shape, lines):
    if not math.isinf(shape):
        mean *= rng.gammavariate(shape, 1 / shape)
    sizes, shares = zip(*lines, strict=True)
    return sum(rng.choices(sizes, shares, k=poisson(rng, mean)))


@pytest.mark.parametrize("shape", [math.inf, 2.0, 0.5])
@pytest.mark.parametrize("mean", [0.1, 2.0, 5.0])
def test_panjer_agrees_with_brute_force(mean, shape):
    rng, times = Random(7), 20_000
    sums = [drawn(rng, mean, shape, LINES) for _ in range(times)]
    covered = 0.0
    for units, chance in enumerate(chances(LINES, mean, shape, 30)):
        covered += chance
        counted = sum(one <= units for one in sums) / times
        assert covered == pytest.approx(counted, abs=0.012), units


def test_panjer_gives_the_known_distributions_of_single_units():
    for k, chance in enumerate(chances(((1, 1.0),), 3.0, math.inf, 10)):
        assert chance == pytest.approx(math.exp(-3) * 3**k / math.factorial(k))
    for k, chance in enumerate(chances(((1, 1.0),), 3.0, 1.0, 10)):  # geometric
        assert chance == pytest.approx(0.25 * 0.75**k)


@pytest.mark.parametrize("shape", [math.inf, 3.0])
@pytest.mark.parametrize("mean", [1.0, 8.0, 40.0])
@pytest.mark.parametrize("units", [65, 100, 300, 2000])
def test_the_bound_for_many_units_is_never_below_the_truth(mean, shape, units):
    demand = Demand(1.0, shape, LINES)
    joint = 1 / (1 / shape + 1 / WAVES_SHAPE)
    truth = 1 - sum(chances(LINES, mean, joint, units))
    bound = exceeds(demand, units, mean)
    assert truth - 1e-12 <= bound <= 1
    assert units <= EXACT_UNITS_MAX or bound <= max(1e-9, 100 * truth)  # and not uselessly above it


def test_one_line_that_is_too_large_is_enough():
    bulky = Demand(1.0, math.inf, ((1, 0.99), (80_995, 0.01)))
    assert exceeds(bulky, 1_000, 1.0) == pytest.approx(0.01, rel=0.01)
    assert exceeds(bulky, 1_000_000, 1.0) < 1e-6
    assert exceeds(Demand(1.0, math.inf, ((500, 1.0),)), 100, 3.0) == 1.0


DEMANDS = st.builds(
    Demand,
    rate=st.floats(1e-4, 1e3),
    shape=st.floats(0.2, 1e3),
    lines=st.sampled_from([((1, 1.0),), LINES, ((1, 0.9), (500, 0.1))]),
)


@settings(max_examples=60, deadline=None)
@given(DEMANDS, st.integers(0, 300), st.integers(0, 300), st.sampled_from([0.01, 0.05, 0.2]))
def test_more_left_is_never_more_urgent(demand, one, other, epsilon):
    fewer, more = sorted((one, other))
    if fewer <= EXACT_UNITS_MAX < more:  # a bound follows on an exact answer
        more = EXACT_UNITS_MAX
    # 1/32 is the precision of the answer.
    assert (
        safe_hours(demand, fewer, epsilon, 24) <= safe_hours(demand, max(fewer, more), epsilon, 24) * 33 / 32
    )


@settings(max_examples=60, deadline=None)
@given(DEMANDS, st.integers(0, 300), st.floats(0.001, 0.2), st.floats(0.001, 0.2))
def test_more_risk_is_never_more_urgent(demand, units, one, other):
    low, high = sorted((one, other))
    assert safe_hours(demand, units, low, 24) <= safe_hours(demand, units, high, 24) * 33 / 32


@settings(max_examples=60, deadline=None)
@given(DEMANDS, st.integers(0, 300), st.sampled_from([0.01, 0.05]))
def test_the_answer_is_safe_and_nearly_the_latest(demand, units, epsilon):
    hours = safe_hours(demand, units, epsilon, 24)
    assert exceeds(demand, units, hours) <= epsilon + 1e-12
    assert hours == 24 or exceeds(demand, units, min(24, hours * 17 / 16)) > epsilon


def flat():
    """A season in which every hour is like any other."""
    return Season()


def moment(units, shown, *, rate=1.0, latest_ms=MONDAY + WEEK_MS, season=None, now_ms=MONDAY):
    return latest_safe_moment(
        [Demand(rate, math.inf, LINES)],
        season or flat(),
        units=units,
        shown=shown,
        now_ms=now_ms,
        latest_ms=latest_ms,
    )


def test_ten_thousand_can_wait_and_the_last_three_cannot():
    assert moment(10_000, 10_001) == MONDAY + WEEK_MS
    assert moment(3, 4) < MONDAY + 5 * 60_000
    assert moment(0, 1) < MONDAY + 60_000
    assert MONDAY < moment(0, None) < MONDAY + 60_000


def test_what_is_shown_too_low_gets_the_tolerance_except_out_of_nothing():
    assert moment(3, 3) == moment(3, 1) == moment(0, 0) == MONDAY + WEEK_MS
    assert moment(3, 0) == MONDAY


def test_never_later_than_the_tolerance():
    assert moment(3, 4, latest_ms=MONDAY + 1000) == MONDAY + 1000
    assert moment(3, 4, latest_ms=MONDAY - 1000) == MONDAY - 1000
    assert moment(3, 0, latest_ms=MONDAY - 1000) == MONDAY - 1000


def test_without_any_demand_known_the_tolerance_stays():
    assert latest_safe_moment([], flat(), units=0, shown=1, now_ms=0, latest_ms=9) == 9


def test_the_night_gives_time_that_the_day_does_not():
    day = [Sale(MONDAY + (24 * d + h) * HOUR_MS, 1) for d in range(56) for h in range(9, 17)]
    season = Season().learn(day, new_pairs=1)
    week = season.at_ms // WEEK_MS * WEEK_MS + WEEK_MS
    noon, night = week + 12 * HOUR_MS, week + 22 * HOUR_MS
    waits = [
        moment(3, 4, rate=0.1, season=season, now_ms=at_ms, latest_ms=at_ms + WEEK_MS) - at_ms
        for at_ms in (noon, night)
    ]
    assert waits[1] > 5 * waits[0]


def test_the_risk_belongs_to_the_pool():
    one, season = Demand(1.0, math.inf, LINES), flat()
    alone, three = (
        latest_safe_moment([one] * n, season, units=5, shown=6, now_ms=MONDAY, latest_ms=MONDAY + WEEK_MS)
        - MONDAY
        for n in (1, 3)
    )
    assert three == pytest.approx(alone / 3, rel=0.25)


# --- the buffer -------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(DEMANDS, st.floats(0, 5), st.sampled_from([0.01, 0.05]))
def test_the_buffer_is_enough_and_one_less_is_not(demand, hours, epsilon):
    buffer = buffer_for(demand, hours, epsilon)
    assert exceeds(demand, buffer, hours) <= epsilon + 1e-12
    if 0 < buffer <= EXACT_UNITS_MAX:
        assert exceeds(demand, buffer - 1, hours) > epsilon


def test_faster_and_better_seen_means_a_smaller_buffer():
    slow = exposure_ms(checkout_unseen_ms=120_000, detection_ms=60_000, bound_ms=900_000)
    fast = exposure_ms(checkout_unseen_ms=0, detection_ms=1_000, bound_ms=4_000)
    assert (slow, fast) == (1_080_000, 5_000)
    buffers = [buffer_for(STEADY, ms / HOUR_MS) for ms in (slow, 120_000, fast)]
    assert buffers == sorted(buffers, reverse=True)
    assert buffers[0] > buffers[-1] == 0
    assert buffer_for(STEADY, 0) == 0


# --- past orders ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_on_a_made_history_at_most_twice_the_risk_comes_true():
    orders = placed(generate_history(3, orders=4_000, skus=400).orders)
    found = backtest(orders, Random(1), samples=200, warm_up_days=7)
    for tally in (found.after_sale, found.any_time):
        for epsilon in EPSILONS:
            assert tally.hurried[epsilon] > 500
            assert tally.share(epsilon) <= 2 * epsilon
            assert tally.share_hurried(epsilon) <= 2 * epsilon
        assert tally.breached[0.05] > 0  # a test that nothing could fail proves nothing


def test_a_backtest_that_takes_no_risk_is_told_from_one_that_does():
    orders = placed(generate_history(3, orders=4_000, skus=400).orders)
    patient = backtest(orders, Random(1), samples=20, tolerance_ms=60_000, warm_up_days=7)
    assert patient.after_sale.hurried[0.05] < patient.after_sale.decisions[0.05]
