"""Kits, packs and other names: what they are made of, and how many there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.inventory.availability import Demand, Drawn, show
from syncline.inventory.recipes import Recipes, assemble, demand_on
from syncline.inventory.rules import QuantityRule

KITS = Recipes({"SET": {"A": 2, "B": 1}, "BOX": {"SET": 3, "A": 1}, "CASE": {"A": 12}, "OLD": {"A": 1}})


def test_what_is_made_of_others_comes_down_to_what_is_stocked():
    assert KITS.parts("BOX") == {"A": 7, "B": 3}
    assert KITS.parts("A") == {"A": 1}
    assert ("SET" in KITS, "A" in KITS, bool(KITS), bool(Recipes())) == (True, False, True, False)


def test_who_takes_from_a_stock_and_what_hangs_on_it():
    assert KITS.users(["B"]) == ["B", "SET", "BOX"]
    assert set(KITS.related("B")) == {"B", "SET", "BOX"}
    assert set(KITS.related("SET")) == {"SET", "A", "B", "BOX", "CASE", "OLD"}
    assert KITS.related("Z") == ["Z"]
    assert KITS.bases(["BOX", "CASE", "Z"]) == ["A", "B", "Z"]


def test_packs_and_names_are_one_item_and_kits_are_not():
    assert [KITS.stocked_as(sku) for sku in ("CASE", "OLD", "A", "SET")] == [
        ("A", 12),
        ("A", 1),
        ("A", 1),
        None,
    ]


@pytest.mark.parametrize(
    ("made_of", "says"),
    [
        ({"A": {"B": 1}, "B": {"C": 1}, "C": {"A": 2}}, "A is made of itself: A of B of C of A"),
        ({"A": {"A": 1}}, "A is made of itself: A of A"),
        ({"A": {}}, "A is made of nothing"),
        ({"A": {"B": 0}}, "A takes 0 of B: it must be one unit at least"),
        ({f"{n}": {f"{n + 1}": 1} for n in range(9)}, "0 is made of kits in kits, 9 deep: the most is 8"),
        ({f"{n}": {f"{n + 1}": 1} for n in range(5_000)}, "0 is made of kits in kits, more than 8 deep"),
        ({"A": {"B": 1_001}, "B": {"C": 1_000}}, "A takes 1001000 of C: the most is 1000000"),
    ],
)
def test_what_cannot_be_made_is_refused(made_of, says):
    with pytest.raises(ValueError, match=says):
        Recipes(made_of)


def test_kits_in_kits_are_looked_into_once_each():
    made_of = {f"{n}{one}": {f"{n + 1}{other}": 1 for other in "abcd"} for n in range(8) for one in "abcd"}
    assert Recipes(made_of).parts("2a") == {f"8{other}": 4**5 for other in "abcd"}


def test_an_order_of_packs_is_demand_in_units_of_the_stock():
    line = Demand("shop", "o", "l", "1", "CASE", 3, 1, 2, 50, 60)
    on = demand_on("A", 12, line)
    assert (on.sku, on.quantity, on.erp_before, on.erp_quantity) == ("A", 36, 12, 24)
    assert (on.erp_stamp_ms, on.our_stamp_ms, on.order_key) == (50, 60, "o")
    plain = Demand("shop", "o", "l", "1", "A", 3)
    assert demand_on("A", 1, plain) is plain


# --- how many there are --------------------------------------------------------------------------------------

numbers = st.integers(-5, 60)
drawns = st.builds(
    lambda supply, demand, unseen, anywhere: Drawn(
        dict(zip("123", supply, strict=True)),
        dict(zip("123", demand, strict=True)),
        dict(zip("123", unseen, strict=True)),
        anywhere,
    ),
    st.lists(numbers, min_size=3, max_size=3),
    st.lists(st.integers(0, 9), min_size=3, max_size=3),
    st.lists(st.integers(0, 3), min_size=3, max_size=3),
    st.integers(0, 6),
)


@given(st.lists(st.tuples(st.integers(1, 12), drawns, st.integers(0, 9)), min_size=1, max_size=4))
def test_a_kit_never_takes_more_of_any_part_than_there_is(parts):
    shown = show(assemble(parts), QuantityRule())
    for count, drawn, kept in parts:
        assert shown.total * count <= max(0, drawn.pool - kept)
        for n, at in enumerate("123"):
            assert shown.by_location[at] * count <= drawn.room[n]


@given(st.lists(st.tuples(st.integers(1, 12), drawns, st.just(0)), min_size=1, max_size=4))
def test_and_no_kit_stays_unshown(parts):
    shown = show(assemble(parts), QuantityRule()).total
    by_place = sum(min(d.room[n] // count for count, d, _ in parts) for n in range(3))
    assert shown == min(by_place, *(d.pool // count for count, d, _ in parts))


def test_parts_at_different_places_make_no_kit():
    here = Drawn({"1": 5, "2": 0}, {"1": 0, "2": 0}, {"1": 0, "2": 0})
    there = Drawn({"1": 0, "2": 5}, {"1": 0, "2": 0}, {"1": 0, "2": 0})
    assert show(assemble([(1, here, 0), (1, there, 0)]), QuantityRule()).total == 0
