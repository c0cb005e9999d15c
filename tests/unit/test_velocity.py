"""Classes of velocity: up at once, down only after a while, never back and forth."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.freshness.demand import HOUR_MS, Sale, Sales, Season, demand_of, pace_of
from syncline.freshness.velocity import Standing, Thresholds, Velocity, classify, entered, peak_units_min

HIGH, MEDIUM, LOW = Velocity.HIGH, Velocity.MEDIUM, Velocity.LOW
LIMITS = Thresholds(high=1.0, medium=0.1, leave_share=0.7, leave_after_ms=1_000)


def steps(*speeds, start=LOW, every_ms=400):
    standing, seen = Standing(start), []
    for n, speed in enumerate(speeds):
        standing = classify(standing, speed, n * every_ms, LIMITS)
        seen.append(standing.velocity)
    return seen


def test_a_class_is_entered_above_its_threshold_at_once():
    assert [entered(speed, LIMITS) for speed in (0, 0.1, 0.11, 1.0, 1.01)] == [LOW, LOW, MEDIUM, MEDIUM, HIGH]
    assert steps(0.05, 5.0, 0.2) == [LOW, HIGH, HIGH]
    assert steps(0.2) == [MEDIUM]


def test_between_leaving_and_entering_nothing_changes():
    assert steps(*[0.7, 0.99, 0.8] * 10, start=HIGH) == [HIGH] * 30
    assert steps(*[0.7, 0.99, 0.8] * 10, start=MEDIUM) == [MEDIUM] * 30


def test_a_class_is_left_after_the_declared_time():
    assert steps(0.69, 0.69, 0.69, 0.69, start=HIGH) == [HIGH, HIGH, HIGH, MEDIUM]


def test_a_moment_of_speed_starts_the_time_over():
    assert steps(0.6, 0.6, 0.7, 0.6, 0.6, 0.6, 0.6, start=HIGH) == [HIGH] * 6 + [MEDIUM]


def test_what_falls_from_the_top_stops_where_it_is_not_too_slow():
    assert steps(*[0.08] * 4, start=HIGH)[-1] is MEDIUM  # below the threshold of medium, not below 0.7 of it
    assert steps(*[0.06] * 4, start=HIGH)[-1] is LOW
    assert steps(0, 0, 0, 0, start=LOW) == [LOW] * 4


def test_the_configuration_wins():
    assert classify(Standing(LOW), 0.0, 0, LIMITS, override=HIGH) == Standing(HIGH)
    assert classify(Standing(HIGH), 9.0, 0, LIMITS, override=LOW) == Standing(LOW)


def test_the_speed_is_that_of_the_busiest_hour():
    sales = [Sale(1_767_571_200_000 + (24 * d + 10) * HOUR_MS, 1) for d in range(56)]
    season = Season().learn(sales, new_pairs=1)
    now_ms = sales[-1].at_ms
    sold = Sales(now_ms, 100.0, 9.0, 30.0, 5, (15, 0, 0, 0, 15, *[0] * 11))
    demand = demand_of(sold, season, now_ms, clustered=False)
    mean = sum(units * share for units, share in demand.lines)
    speed = peak_units_min(pace_of(sold, season, now_ms), sold, season)
    assert speed == pytest.approx(demand.rate * mean * max(season.weights) / 60)
    assert speed > 10 * demand.rate * mean / 60
    assert peak_units_min(pace_of(None, Season(), now_ms), None, Season()) == 0


@given(st.lists(st.floats(0, 3), max_size=60))
def test_two_changes_down_are_at_least_the_declared_time_apart(speeds):
    rank = [LOW, MEDIUM, HIGH].index
    classes = steps(*speeds)
    last = None
    for n, (before, after) in enumerate(pairwise(classes)):
        if rank(after) < rank(before):
            assert last is None or (n - last) * 400 >= LIMITS.leave_after_ms
            last = n
