"""The quantity rules: what a channel may show of a pool."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncline.inventory.availability import (
    Demand,
    contains,
    largest_remainder,
    outstanding,
    publish,
    settled,
    units,
)
from syncline.inventory.rules import QuantityRule, fixed
from syncline.model.records import StockLevel

PLACES = ("1", "2", "3")


def level(at: str, available: int | str, *, stamp: int = 100, began: int | None = None) -> StockLevel:
    number = Decimal(available)
    return StockLevel("A", at, number, number, Decimal(0), stamp, began)


def demand(at: str, quantity: int, **known: int) -> Demand:
    return Demand("shop", "o1", "l1", at, "A", quantity, **known)


quantities = st.integers(-20, 60)
levels = st.dictionaries(st.sampled_from(PLACES), quantities).map(
    lambda found: {at: level(at, n) for at, n in found.items()},
)
demands = st.lists(
    st.builds(
        Demand,
        channel=st.just("shop"),
        order_key=st.uuids().map(str),
        line_id=st.just("l"),
        location=st.sampled_from((*PLACES, "", "~unmapped", "9")),
        sku=st.just("A"),
        quantity=st.integers(0, 15),
        erp_before=st.integers(0, 5),
        erp_quantity=st.integers(0, 15),
        erp_stamp_ms=st.none() | st.integers(50, 150),
        our_stamp_ms=st.none() | st.integers(50, 150),
    ),
    max_size=6,
)
rules = st.builds(
    QuantityRule,
    safety_stock=st.integers(0, 10),
    safety_by_location=st.dictionaries(st.sampled_from(PLACES), st.integers(0, 10)),
    buffer=st.integers(0, 10).map(fixed),
    share=st.decimals(0, 1, places=2),
    cap=st.none() | st.integers(0, 80),
    floor=st.integers(0, 10),
)
unseens = st.dictionaries(st.sampled_from(PLACES), st.integers(0, 8))


@given(levels, demands, unseens, rules, st.permutations(PLACES), st.integers(0, 3))
def test_the_parts_add_up_and_none_exceeds_its_own_place(found, lines, unseen, rule, order, count):
    places = order[:count]
    shown = publish(found, lines, unseen, rule, places)
    assert list(shown.by_location) == places
    assert sum(shown.by_location.values()) == shown.total
    for at in places:
        room = shown.supply[at] - shown.demand[at] - shown.unseen[at]
        assert 0 <= shown.by_location[at] <= max(0, room)


@given(levels, demands, unseens, rules)
def test_never_more_than_the_supply_less_all_demand(found, lines, unseen, rule):
    shown = publish(found, lines, unseen, rule, PLACES)
    supply = sum(max(0, units(found[at].available) - rule.safety_at(at)) for at in PLACES if at in found)
    draws = [line for line in lines if line.location in (*PLACES, "")]
    left = supply - sum(outstanding(line, found, 0) for line in draws) - sum(unseen.values())
    assert shown.pool == max(0, left)
    assert shown.total <= shown.pool


@given(levels, demands, unseens, rules)
def test_share_cap_buffer_and_floor_as_the_rule_says(found, lines, unseen, rule):
    shown = publish(found, lines, unseen, rule, PLACES)
    share = Fraction(shown.pool) * Fraction(rule.share)
    wanted = share.numerator // share.denominator
    wanted = wanted if rule.cap is None else min(wanted, rule.cap)
    wanted = max(0, wanted - int(rule.buffer.amount))
    if wanted < rule.floor:
        wanted = 0
    rooms = sum(max(0, shown.supply[at] - shown.demand[at] - shown.unseen[at]) for at in PLACES)
    assert shown.total == min(wanted, rooms)


@given(levels, demands, unseens, rules, st.data())
def test_more_demand_never_shows_more(found, lines, unseen, rule, data):
    more = data.draw(demands)
    before = publish(found, lines, unseen, rule, PLACES)
    after = publish(found, [*lines, *more], unseen, rule, PLACES)
    assert after.total <= before.total


@given(levels, demands, unseens)
def test_with_no_rule_a_pool_in_good_order_is_shown_whole(found, lines, unseen):
    shown = publish(found, lines, unseen, QuantityRule(), PLACES)
    rooms = [shown.supply[at] - shown.demand[at] - shown.unseen[at] for at in PLACES]
    if all(room >= 0 for room in rooms) and "" not in shown.demand:
        assert shown.by_location == dict(zip(PLACES, rooms, strict=True))


def test_demand_beyond_its_own_place_is_not_swallowed_by_that_places_zero():
    shown = publish(
        {"1": level("1", 2), "2": level("2", 10)}, [demand("1", 5)], {}, QuantityRule(), ("1", "2")
    )
    assert (shown.pool, shown.by_location) == (7, {"1": 0, "2": 7})


def test_demand_without_a_place_counts_in_every_pool_it_could_draw_on():
    found = {"1": level("1", 6), "2": level("2", 6)}
    for places in (("1",), ("2",), ("1", "2")):
        shown = publish(found, [demand("", 4)], {}, QuantityRule(), places)
        assert shown.total == 6 * len(places) - 4
        assert shown.demand[""] == 4


def test_demand_at_a_place_of_another_channel_leaves_this_one_alone():
    shown = publish({"1": level("1", 6), "2": level("2", 6)}, [demand("2", 4)], {}, QuantityRule(), ("1",))
    assert shown.total == 6


def test_a_place_without_a_figure_is_empty_and_contains_nothing():
    shown = publish(
        {"1": level("1", 6)}, [demand("2", 4, erp_quantity=4, erp_stamp_ms=1)], {}, QuantityRule(), PLACES
    )
    assert shown.by_location == {"1": 2, "2": 0, "3": 0}


def test_half_a_unit_is_not_promised():
    assert units(Decimal("2.999")) == 2
    assert units(Decimal("-0.5")) == -1
    assert publish({"1": level("1", "2.5")}, [], {}, QuantityRule(), ("1",)).total == 2
    assert publish({"1": level("1", 3)}, [], {}, QuantityRule(share=Decimal("0.5")), ("1",)).total == 1


def test_a_safety_stock_of_a_place_replaces_the_general_one():
    rule = QuantityRule(safety_stock=3, safety_by_location={"2": 0})
    assert publish({"1": level("1", 5), "2": level("2", 5)}, [], {}, rule, ("1", "2")).by_location == {
        "1": 2,
        "2": 5,
    }


# --- which demand a figure contains --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stamp", "began", "erp", "ours", "lag", "held"),
    [
        (100, None, 100, None, 0, True),  # the ERP's clock against the ERP's
        (99, None, 100, None, 0, False),
        (10**9, None, None, 50, 0, False),  # a pushed figure has no stamp of ours: never mix clocks
        (0, 100, None, 100, 0, True),  # our clock against ours
        (0, 99, None, 100, 0, False),
        (0, 100, None, 100, 1, False),  # the read may be as old as the replica is behind
        (0, 101, None, 100, 1, True),
        (0, 10**9, 100, None, 0, False),  # and never our stamp for the ERP's
        (0, 100, 10**9, 100, 0, True),  # one proof is enough
        (100, None, 100, 10**9, 0, True),
        (100, 100, None, None, 0, False),  # nobody has seen it in the ERP
    ],
)
def test_stamps_are_compared_within_one_clock_only(stamp, began, erp, ours, lag, held):
    figure = level("1", 9, stamp=stamp, began=began)
    line = demand("1", 4, erp_quantity=4, erp_stamp_ms=erp, our_stamp_ms=ours)
    assert contains(figure, line, lag) is held
    assert outstanding(line, {"1": figure}, lag) == (0 if held else 4)


def test_a_line_without_a_place_must_be_contained_everywhere():
    line = demand("", 4, erp_quantity=4, erp_stamp_ms=100)
    both = {"1": level("1", 9, stamp=100), "2": level("2", 9, stamp=100)}
    assert outstanding(line, both, 0) == 0
    assert outstanding(line, both | {"2": level("2", 9, stamp=99)}, 0) == 4
    assert outstanding(line, {}, 0) == 4


def test_what_the_erp_held_before_counts_until_the_figure_is_newer():
    line = demand("1", 8, erp_before=5, erp_quantity=8, erp_stamp_ms=100)
    assert outstanding(line, {"1": level("1", 9, stamp=99)}, 0) == 3
    assert outstanding(line, {"1": level("1", 9, stamp=100)}, 0) == 0


@given(demands, levels)
def test_a_settled_line_never_needs_to_be_subtracted_again(lines, found):
    newer = {
        at: level(at, int(figure.available), stamp=figure.erp_stamp_ms + 500) for at, figure in found.items()
    }
    for line in lines:
        if settled(line, found, 0):
            assert outstanding(line, found, 0) == 0
            assert outstanding(line, newer, 0) == 0


def test_a_line_is_not_settled_while_the_erp_holds_too_little():
    found = {"1": level("1", 9)}
    assert not settled(demand("1", 4, erp_quantity=3, erp_stamp_ms=1), found, 0)
    assert settled(demand("1", 4, erp_quantity=4, erp_stamp_ms=1), found, 0)
    assert settled(demand("1", 0), {}, 0)
    assert not settled(demand("1", 0, erp_quantity=2), {}, 0)
    assert not settled(demand("", 4, erp_quantity=4, erp_stamp_ms=1), {}, 0)


# --- splitting -----------------------------------------------------------------------------------------------


@given(st.integers(0, 500), st.lists(st.integers(0, 100), max_size=8))
@example(3, [1, 1, 1, 1])
@example(1, [50, 50])
def test_largest_remainder_splits_whole_units_fairly(total, weights):
    parts = largest_remainder(total, weights)
    assert len(parts) == len(weights)
    if not sum(weights):
        assert parts == [0] * len(weights)
        return
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        exact = Fraction(total * weight, sum(weights))
        assert abs(part - exact) < 1
        if total <= sum(weights):
            assert part <= weight
    # Nobody with a smaller remainder got a unit that somebody with a larger one did not.
    rest = [Fraction(total * w, sum(weights)) % 1 for w in weights]
    lucky = [part > total * w // sum(weights) for part, w in zip(parts, weights, strict=True)]
    assert all(
        (rest[i], -i) > (rest[j], -j)
        for i, won in enumerate(lucky)
        if won
        for j, other in enumerate(lucky)
        if not other
    )


def test_ties_go_to_the_place_with_priority():
    assert largest_remainder(1, [5, 5]) == [1, 0]
    assert largest_remainder(2, [1, 1, 1]) == [1, 1, 0]
    assert largest_remainder(-3, [1, 1]) == [0, 0]
