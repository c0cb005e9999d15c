"""What is learned of demand: counts that fade, hours of the week, and what fits into 36 bytes."""

from __future__ import annotations

import struct
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.freshness.demand import (
    BUCKET_MAX,
    BUCKETS,
    CATEGORY_SHAPE,
    CLUSTER,
    EDGES,
    FAST_H,
    HOUR_MS,
    SLOW_H,
    WEEK_H,
    WEEK_MS,
    Demand,
    Sale,
    Sales,
    Season,
    bucket_of,
    demand_of,
    exposure_h,
    hour_of_week,
    mean_line,
    pack_sales,
    pack_season,
    together,
    unpack_sales,
    unpack_season,
)

MONDAY = 1_767_571_200_000  # 2026-01-05 00:00 UTC


def open_hours(weeks=8, *, start_ms=MONDAY, hours=range(9, 17), a_day=2):
    """Sales on working days only."""
    return [
        Sale(start_ms + ((week * 7 + day) * 24 + hour) * HOUR_MS + n * 60_000, 1)
        for week in range(weeks)
        for day in range(5)
        for hour in hours
        for n in range(a_day)
    ]


def test_buckets_are_exact_up_to_four_and_cover_everything():
    assert [bucket_of(n) for n in (1, 2, 3, 4)] == [0, 1, 2, 3]
    assert [EDGES[bucket_of(n)] for n in (5, 6, 7, 24, 25, 256)] == [6, 6, 8, 24, 32, 256]
    assert bucket_of(257) == bucket_of(10**9) == BUCKETS - 1


def test_the_week_begins_on_monday():
    assert hour_of_week(MONDAY) == 0
    assert hour_of_week(MONDAY - 1) == WEEK_H - 1
    assert hour_of_week(0) == 72  # 1970-01-01 was a Thursday


def test_the_exposure_of_a_fading_count_ends_at_a_multiple_of_its_half_life():
    assert exposure_h(0, FAST_H) == 0
    assert exposure_h(0.01, SLOW_H) == pytest.approx(0.01, rel=1e-3)
    assert exposure_h(1e9, FAST_H) == pytest.approx(FAST_H * 1.4427, rel=1e-4)


def test_a_category_without_sales_has_hours_of_equal_weight_and_no_demand():
    assert set(Season().weights) == {1.0}
    assert Season().trade_h(MONDAY, MONDAY + WEEK_MS) == pytest.approx(WEEK_H)
    assert demand_of(None, Season(), MONDAY) is None


def test_hours_in_which_nothing_sells_count_for_little():
    season = Season().learn(open_hours(), new_pairs=1)
    weights = season.weights
    assert sum(weights) == pytest.approx(WEEK_H)
    assert weights[10] > 3
    assert weights[3] < 0.2
    assert season.trade_h(MONDAY, MONDAY + WEEK_MS) == pytest.approx(WEEK_H)
    assert season.trade_h(MONDAY + WEEK_MS, MONDAY) == 0


def test_an_hour_that_was_never_seen_is_like_any_other():
    season = Season().learn(open_hours(1)[:32], new_pairs=1)  # Monday and Tuesday until 17:00
    saturday = season.weights[24 * 5 + 12]
    assert season.weights[24 + 3] < saturday / 2
    assert saturday == pytest.approx(sum(season.weights[9:41]) / 32)


@given(
    from_ms=st.integers(MONDAY, MONDAY + 2 * WEEK_MS),
    for_ms=st.integers(0, 3 * WEEK_MS),
)
def test_trade_hours_can_be_turned_back_into_a_moment(from_ms, for_ms):
    season = Season().learn(open_hours(3), new_pairs=1)
    back = season.after(from_ms, season.trade_h(from_ms, from_ms + for_ms))
    assert abs(back - from_ms - for_ms) <= 2


def test_learning_in_one_go_or_in_steps_comes_to_the_same():
    sales = open_hours(2)
    once = Season().learn(sales, new_pairs=3)
    steps = Season().learn(sales[:50], new_pairs=3).learn(sales[50:])
    assert steps.began_ms == once.began_ms
    assert steps.at_ms == once.at_ms
    assert sum(steps.hours) == pytest.approx(sum(once.hours), rel=0.1)
    assert Season().learn([]) == Season()


def played(rate, weeks, seed=1, quantity=lambda rng: 1):
    """Sales at a constant rate (per hour), and what is known of them after that."""
    rng = Random(seed)
    season, sales, at_ms = Season(), Sales(MONDAY), MONDAY
    while at_ms < MONDAY + weeks * WEEK_MS:
        at_ms += int(rng.expovariate(rate) * HOUR_MS)
        sale = Sale(at_ms, quantity(rng))
        sales = sales.learn(sale, season)
        season = season.learn([sale], new_pairs=season.pairs == 0)
    return sales, season, at_ms


@pytest.mark.parametrize("rate", [0.2, 2.0])
def test_a_steady_rate_is_found(rate):
    sales, season, at_ms = played(rate, 10)
    assert demand_of(sales, season, at_ms, clustered=False).rate == pytest.approx(rate, rel=0.35)


def test_a_rush_counts_at_once_and_fades():
    sales, season, at_ms = played(0.2, 10)
    calm = demand_of(sales, season, at_ms).rate
    for n in range(20):
        sales = sales.learn(Sale(at_ms + n * 60_000, 1), season)
    assert demand_of(sales, season, at_ms + HOUR_MS).rate > 2 * calm
    assert demand_of(sales, season, at_ms + 10 * WEEK_MS).rate < calm


def test_just_after_a_sale_the_next_is_likelier():
    sales, season, at_ms = played(0.2, 10)

    def excess(later_ms):
        calm = demand_of(sales, season, at_ms + later_ms, clustered=False).rate
        return demand_of(sales, season, at_ms + later_ms).rate / calm - 1

    assert excess(0) == pytest.approx(CLUSTER)
    assert CLUSTER / 5 < excess(HOUR_MS) < CLUSTER
    assert excess(WEEK_MS) < 0.001


def test_a_sku_that_never_sold_has_the_demand_of_its_category():
    _, season, at_ms = played(0.5, 4, quantity=lambda rng: rng.choice((1, 12)))
    demand = demand_of(None, season, at_ms)
    assert demand.rate == season.rate
    assert [units for units, _ in demand.lines] == [1, 12]
    assert sum(share for _, share in demand.lines) == pytest.approx(1)


@pytest.mark.parametrize("weeks", [0, 1, 4, 52])
def test_a_sku_sells_the_less_the_longer_it_has_been_there_without_a_sale(weeks):
    _, season, at_ms = played(0.5, 4)
    listed = Sales(at_ms - weeks * WEEK_MS)
    assert not listed.sold
    demand = demand_of(listed, season, at_ms)
    hours = exposure_h(season.trade_h(listed.at_ms, at_ms), SLOW_H)
    assert demand.rate == pytest.approx(CATEGORY_SHAPE / (CATEGORY_SHAPE / season.rate + hours))
    assert (demand.rate == season.rate) == (
        weeks == 0
    )  # and no sale is near that another one would cluster with
    assert demand.lines == demand_of(None, season, at_ms).lines


def test_what_is_listed_from_a_moment_to_come_is_new():
    _, season, at_ms = played(0.5, 4)
    assert demand_of(Sales(at_ms + WEEK_MS), season, at_ms).rate == season.rate


def test_the_first_sale_of_a_sku_says_little_and_a_hundred_say_all():
    _, season, at_ms = played(0.5, 4)
    one = Sales(at_ms).learn(Sale(at_ms, 1), season)
    assert season.rate < demand_of(one, season, at_ms, clustered=False).rate < 3 * season.rate
    many = one
    for _ in range(100):
        many = many.learn(Sale(many.at_ms + 20 * HOUR_MS, 1), season)
    assert demand_of(many, season, many.at_ms, clustered=False).rate < season.rate / 5


def test_the_largest_line_stands_for_what_is_above_the_last_edge():
    _, season, at_ms = played(0.5, 4)
    sales = Sales(at_ms).learn(Sale(at_ms, 700), season)
    assert demand_of(sales, season, at_ms).lines[-1][0] == 700


@given(
    st.none() | st.lists(st.integers(1, 1000), max_size=40),
    st.lists(st.integers(1, 2000), min_size=1, max_size=40),
)
def test_the_mean_line_is_the_mean_of_the_lines(own, of_all):
    season = Season().learn([Sale(MONDAY, quantity) for quantity in of_all], new_pairs=1)
    sales = None if own is None else Sales(MONDAY)
    for quantity in own or ():
        sales = sales.learn(Sale(MONDAY, quantity), season)
    lines = demand_of(sales, season, MONDAY).lines
    assert mean_line(sales, season) == pytest.approx(sum(units * share for units, share in lines))


def test_a_full_bucket_halves_all_and_forgets_none():
    season, sales = Season(), Sales(MONDAY).learn(Sale(MONDAY, 500), Season())
    for _ in range(BUCKET_MAX + 1):
        sales = sales.learn(Sale(MONDAY, 1), season)
    assert sales.sizes[0] == BUCKET_MAX // 2 + 2
    assert sales.sizes[-1] == 1


def test_a_sale_that_is_heard_of_late_counts():
    season = Season()
    sales = Sales(MONDAY).learn(Sale(MONDAY + HOUR_MS, 1), season).learn(Sale(MONDAY, 2), season)
    assert (sales.at_ms, sales.slow, sum(sales.sizes)) == (MONDAY + HOUR_MS, 2, 2)


def test_the_demands_of_all_channels_add_up():
    one = Demand(1.0, 4.0, ((1, 1.0),))
    two = Demand(3.0, 4.0, ((1, 0.5), (6, 0.5)))
    both = together([one, two])
    assert both.rate == 4
    assert both.lines == ((1, 0.625), (6, 0.375))
    assert both.shape == pytest.approx(16 / 2.5)
    assert together([]) is None
    assert together([one]) == one


# --- bytes ------------------------------------------------------------------------------------------

FLOATS = st.floats(0, 1e9, width=32)
SALES = st.builds(
    Sales,
    at_ms=st.integers(0, 2**32 - 1).map(lambda s: s * 1000),
    age_h=FLOATS,
    fast=FLOATS,
    slow=FLOATS,
    largest=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(0, 255), min_size=BUCKETS, max_size=BUCKETS).map(tuple),
)


@given(st.dictionaries(st.text(max_size=60), SALES, max_size=6))
def test_what_is_packed_is_unpacked(by_channel):
    packed = pack_sales(by_channel)
    assert unpack_sales(packed) == by_channel
    assert len(packed) == sum(37 + len(channel.encode()) for channel in by_channel)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 8 * WEEK_H), st.integers(1, 10**6)), max_size=50))
def test_a_category_is_packed_to_the_precision_of_its_counts(sales):
    season = Season().learn([Sale(MONDAY + h * HOUR_MS, quantity) for h, quantity in sales], new_pairs=2)
    again = unpack_season(pack_season(season))
    assert len(pack_season(season)) == 776
    assert again.hours == pytest.approx(season.hours)
    assert (again.began_ms, again.at_ms, again.pairs) == (season.began_ms, season.at_ms, season.pairs)
    assert (again.slow, again.age_h, again.largest) == (season.slow, season.age_h, season.largest)
    assert unpack_season(pack_season(again)) == again


def test_bytes_that_were_cut_are_refused():
    packed = pack_sales({"shop": Sales(MONDAY)})
    for cut in range(1, len(packed)):
        with pytest.raises(ValueError, match="SKU"):
            unpack_sales(packed[:cut])
    with pytest.raises(ValueError, match="category"):
        unpack_season(pack_season(Season())[1:])
    with pytest.raises(ValueError, match="more than 255 bytes"):
        pack_sales({"x" * 256: Sales(MONDAY)})
    with pytest.raises(struct.error):  # a moment before 1970 is a mistake elsewhere
        pack_sales({"shop": Sales(-1000)})
