"""The cascade of rules, and what a rule leaves of a pool."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncline.inventory.availability import DAY_MS, Demand, publish
from syncline.inventory.rules import (
    AUTO_BUFFER,
    LEVELS,
    NO_BUFFER,
    Buffer,
    Fence,
    Layer,
    Level,
    QuantityRule,
    Rules,
    Terms,
    allow,
    buffer_units,
    fence_left,
    fixed,
    percent,
    split_by_share,
)
from syncline.model.capabilities import StockBasis
from syncline.model.records import Incoming, StockLevel


def level(at: str, available: int, *arrivals: tuple[int, int], on_hand: int = 0, committed: int = 0):
    incoming = tuple(Incoming(Decimal(quantity), at_ms) for quantity, at_ms in arrivals)
    return StockLevel("A", at, Decimal(on_hand), Decimal(available), Decimal(committed), 100, None, incoming)


def asked(quantity: int, at: str = "1") -> Demand:
    return Demand("shop", "o1", "l1", at, "A", quantity)


# --- the cascade ---------------------------------------------------------------------------------------------


@given(st.permutations(LEVELS), st.sets(st.sampled_from(LEVELS), min_size=1))
def test_the_nearest_level_that_sets_a_field_wins_in_whatever_order_they_are_given(order, setting):
    names = {Level.CHANNEL: "shop", Level.LOCATION_GROUP: "west", Level.LOCATION: "1", Level.SKU: "A"}
    layers = [
        Layer(
            at,
            {"safety_stock": 10 + LEVELS.index(at)} if at in setting else {},
            names.get(at, ""),
            ("1",) if at is Level.LOCATION_GROUP else (),
        )
        for at in order
    ]
    resolved = Rules(layers).of("A")
    nearest = max(setting, key=LEVELS.index)
    assert resolved.rule.safety_at("1") == 10 + LEVELS.index(nearest)
    places = (Level.LOCATION_GROUP, Level.LOCATION)
    won = resolved.won["safety_stock at 1" if nearest in places else "safety_stock"]
    assert won == f"{nearest} {names.get(nearest, '')}".rstrip()


def test_each_field_cascades_by_itself():
    rules = Rules(
        [
            Layer(Level.SKU, {"cap": 3}, "A"),
            Layer(Level.NETWORK, {"buffer": fixed(1), "cap": 50, "floor": 2}),
            Layer(Level.CHANNEL, {"buffer": percent(10)}, "shop"),
        ]
    )
    a, b = rules.of("A"), rules.of("B")
    assert (a.rule.cap, a.rule.buffer, a.rule.floor) == (3, percent(10), 2)
    assert a.won == {"cap": "SKU A", "buffer": "channel shop", "floor": "network"}
    assert (b.rule.cap, b.won["cap"]) == (50, "network")
    assert rules.of("C") is b  # SKUs without rules of their own share one
    assert Rules().of("A").rule == QuantityRule()


def test_a_nearer_level_may_lift_a_cap():
    rules = Rules([Layer(Level.NETWORK, {"cap": 5}), Layer(Level.SKU, {"cap": None}, "A")])
    assert rules.of("A").rule.cap is None


def test_a_sku_may_differ_from_place_to_place():
    layer = Layer(Level.SKU, {"safety_stock": 4, "safety_by_location": {"2": 0}}, "A")
    rule = Rules([layer, Layer(Level.LOCATION, {"safety_stock": 9}, "1")]).of("A").rule
    assert [rule.safety_at(at) for at in ("1", "2", "3")] == [4, 0, 4]


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (Layer(Level.CHANNEL, {"bufer": 1}, "shop"), "channel shop: a rule has no field 'bufer'"),
        (Layer(Level.LOCATION, {"cap": 1}, "1"), "location 1: cap is about the whole pool"),
        (Layer(Level.SKU, {"backorder_unlimited": True}, "A"), "A: unlimited backorders need a cap"),
    ],
)
def test_what_makes_no_sense_is_refused(layer, says):
    with pytest.raises(ValueError, match=says):
        Rules([layer])


# --- buffers and shares --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("buffer", "pool", "units"),
    [
        (NO_BUFFER, 9, 0),
        (fixed(3), 9, 3),
        (percent(10), 9, 1),  # nine tenths of a unit are covered by a whole one
        (percent(10), 10, 1),
        (percent(10), 11, 2),
        (percent(Decimal("0.5")), 0, 0),
        (AUTO_BUFFER, 9, 7),
    ],
)
def test_a_buffer_in_units(buffer: Buffer, pool: int, units: int):
    assert buffer_units(buffer, pool, 7) == units


shares = st.lists(st.integers(0, 100).map(lambda n: Decimal(n) / 100), min_size=1, max_size=6)


@given(st.integers(0, 10_000), shares)
@example(5, [Decimal("0.5"), Decimal("0.5")])
@example(10, [Decimal("0.333"), Decimal("0.333"), Decimal("0.334")])
def test_shares_split_a_pool_whole(pool, parts):
    units = split_by_share(pool, parts)
    exact = [pool * Fraction(part) for part in parts]
    assert all(abs(got - wanted) < 1 for got, wanted in zip(units, exact, strict=True))
    if sum(parts) <= 1:
        assert sum(units) == int(sum(exact))  # nothing stays unshown that the shares do not leave over
    else:
        assert units == [int(part) for part in exact]


def test_ties_go_to_the_channel_with_priority():
    assert split_by_share(5, [Decimal("0.5"), Decimal("0.5")]) == [3, 2]
    assert split_by_share(1, [Decimal("0.25")] * 4) == [1, 0, 0, 0]


def test_a_channel_takes_its_place_among_the_shares():
    half = QuantityRule(share=Decimal("0.5"))
    split = (Decimal("0.5"), Decimal("0.5"))
    assert [allow(half, 5, Terms(shares=split, mine=n)).shown for n in (0, 1)] == [3, 2]
    assert allow(half, 5).shown == 2  # alone, with nobody to take the other half unit


# --- fences --------------------------------------------------------------------------------------------------


def test_what_is_fenced_for_others_is_not_shown():
    allowed = allow(QuantityRule(cap=20), 30, Terms(fenced=fence_left(Fence(12), sold=4)))
    assert (allowed.fenced, allowed.shared, allowed.shown) == (8, 22, 20)
    assert allow(QuantityRule(), 5, Terms(fenced=8)).shown == 0
    assert fence_left(Fence(12), sold=15) == 0
    assert fence_left(Fence(12), sold=-3) == 12


@given(st.integers(0, 50), st.integers(0, 30), st.lists(st.integers(1, 9), max_size=8))
def test_selling_from_a_fence_leaves_the_others_what_they_had(stock, fenced, sold):
    fence = Fence(fenced)
    before = allow(QuantityRule(), stock, Terms(fenced=fence_left(fence, 0))).shown
    done = 0
    for units in sold:
        if done + units > min(fenced, stock):
            break
        done += units
        after = allow(QuantityRule(), stock - done, Terms(fenced=fence_left(fence, done))).shown
        assert after == before


# --- supply --------------------------------------------------------------------------------------------------


def test_an_excluded_place_gives_nothing_and_its_orders_take_nothing_elsewhere():
    found = {"1": level("1", 5), "2": level("2", 9)}
    shown = publish(found, [asked(4, "2")], {"2": 3}, QuantityRule(excluded=("2",)), ("1", "2"))
    assert (shown.pool, shown.by_location) == (5, {"1": 5, "2": 0})


def test_arrivals_count_within_the_days_that_the_rule_looks_ahead():
    now = 100 * DAY_MS
    found = {
        "1": level("1", 1, (10, now + 3 * DAY_MS), (50, now + 8 * DAY_MS), (7, now - 2 * DAY_MS), (-5, now))
    }
    for days, total in ((0, 1), (2, 1), (3, 11), (8, 61)):
        assert publish(found, [], {}, QuantityRule(incoming_days=days), ("1",), now_ms=now).total == total
    near = QuantityRule(incoming_days=8, incoming_by_location={"1": 0})
    assert publish(found, [], {}, near, ("1",), now_ms=now).total == 1


def test_a_physical_figure_loses_what_the_erps_own_orders_will_take():
    found = {"1": level("1", 99, on_hand=10, committed=3)}
    assert publish(found, [asked(2)], {}, QuantityRule(), ("1",), basis=StockBasis.ON_HAND).total == 5
    assert publish(found, [asked(2)], {}, QuantityRule(), ("1",)).total == 97


# --- below zero ----------------------------------------------------------------------------------------------


@given(st.integers(-30, 30), st.integers(0, 20), st.lists(st.integers(1, 9), max_size=6), st.booleans())
def test_backorders_never_pass_their_limit(available, limit, orders, contained):
    """Whether the ERP's figure has lost the orders already or not, the same number may still be sold."""
    sold = sum(orders)
    figure = available - sold if contained else available
    lines = [] if contained else [asked(quantity) for quantity in orders]
    shown = publish({"1": level("1", figure)}, lines, {}, QuantityRule(backorder=limit), ("1",))
    assert shown.total <= max(0, available - sold + limit) if available >= 0 else shown.total <= limit
    assert available - sold - shown.total >= min(-limit, available - sold)


@given(st.integers(0, 30), st.integers(0, 30), st.lists(st.integers(1, 9), max_size=9), st.integers(0, 9))
def test_shared_deficits_show_the_same_before_and_after_the_erp_books_an_order(here, there, orders, limit):
    sold = sum(orders)
    rule = QuantityRule(share_deficits=True, backorder=limit)
    before = {"1": level("1", here), "2": level("2", there)}
    after = {"1": level("1", here - sold), "2": level("2", there)}
    lines = [asked(quantity) for quantity in orders]
    shown = [publish(before, lines, {}, rule, ("1", "2")), publish(after, [], {}, rule, ("1", "2"))]
    assert [each.total for each in shown] == [max(0, here + there - sold + limit)] * 2


def test_a_deficit_stays_where_it_is_unless_locations_answer_for_one_another():
    found = {"1": level("1", -40), "2": level("2", 50)}
    shown = {
        kept: publish(found, [], {}, QuantityRule(share_deficits=kept), ("1", "2")) for kept in (False, True)
    }
    assert (shown[False].total, shown[False].owed) == (50, 0)
    assert (shown[True].total, shown[True].owed) == (10, 40)
    assert shown[True].by_location == {"1": 0, "2": 10}
    kept_back = QuantityRule(share_deficits=True, safety_stock=5)
    assert publish({"1": level("1", 0), "2": level("2", 50)}, [], {}, kept_back, ("1", "2")).total == 45


def test_backorders_without_limit_show_the_cap_whatever_there_is():
    rule = QuantityRule(backorder_unlimited=True, cap=25)
    for available in (-9, 0, 7, 400):
        shown = publish({"2": level("2", available)}, [asked(5)], {}, rule, ("1", "2"))
        assert shown.total == 25


def test_a_number_of_zero_stays_zero_unless_backorders_are_allowed():
    assert publish({"1": level("1", -4)}, [], {}, QuantityRule(), ("1",)).total == 0
    assert publish({"1": level("1", -4)}, [], {}, QuantityRule(backorder=6), ("1",)).total == 2


# --- one of a kind -------------------------------------------------------------------------------------------


def test_one_of_a_kind_is_shown_once_at_one_place():
    rule = QuantityRule(unique=True)
    found = {"1": level("1", 0), "2": level("2", 3), "3": level("3", 1)}
    assert publish(found, [], {}, rule, ("1", "2", "3")).by_location == {"1": 0, "2": 1, "3": 0}


@pytest.mark.parametrize(
    ("lines", "unseen"), [([asked(1, "9")], {}), ([asked(1)], {}), ([asked(1, "")], {}), ([], {"2": 1})]
)
def test_one_of_a_kind_goes_with_the_first_that_asks_for_it(lines, unseen):
    found = {"1": level("1", 3), "2": level("2", 3)}
    shown = publish(found, lines, unseen, QuantityRule(unique=True), ("1", "2"))
    assert shown.total == (1 if lines and lines[0].location == "9" else 0)
