"""Whether an order's parts add up, said in a sentence that helps."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.unit.support import line, order

from syncline.engine.delivery.build import sum_fault

TOLERANCE = Decimal("0.02")
money = st.decimals("0", "99999.99", places=2)
lines = st.lists(
    st.builds(
        lambda number, quantity, price, discount, tax: line(
            number,
            "A",
            quantity,
            str(price),
            discount=discount,
            tax=tax,
        ),
        st.uuids().map(str),
        st.integers(0, 50),
        st.decimals("0", "9999", places=6),
        money,
        money,
    ),
    min_size=1,
    max_size=5,
)


@given(lines, money, money, st.booleans())
def test_parts_that_add_up_are_no_fault(found, shipping, tax, included):
    placed = order(*found, shipping=shipping, tax=tax, taxes_included=included)
    assert sum_fault(placed, Decimal(0)) == ""


@given(lines, money, money, st.booleans(), st.decimals("-5", "5", places=3))
def test_a_difference_is_a_fault_from_the_tolerance_on(found, shipping, tax, included, difference):
    placed = order(*found, shipping=shipping, tax=tax, taxes_included=included)
    fault = sum_fault(replace(placed, total=placed.total + difference), TOLERANCE)
    assert bool(fault) == (abs(difference) > TOLERANCE)


@given(lines, st.integers(-9, -1))
def test_what_is_negative_is_a_fault_even_if_it_adds_up(found, below):
    odd = replace(found[0], quantity=Decimal(below))
    placed = order(odd, *found[1:])
    assert "is negative" in sum_fault(placed, TOLERANCE)
    assume(found[0].quantity)
    placed = order(replace(found[0], unit_price=Decimal(below)), *found[1:])
    assert "unit price" in sum_fault(placed, TOLERANCE)


def test_the_sentence_names_every_part_and_the_mend():
    placed = order(line("l", "A", 2, "10.00"), shipping=Decimal("4.95"), tax=Decimal("1.05"))
    fault = sum_fault(replace(placed, total=Decimal("30.00")), TOLERANCE)
    assert fault.startswith(
        "order #7001: lines 20.00 + shipping 4.95 + tax 1.05 = 26.00, but the total says 30.00 GBP"
    )
    assert "rounding_tolerance" in fault


@pytest.mark.parametrize(("included", "fine"), [(True, False), (False, True)])
def test_tax_counts_once(included, fine):
    placed = order(line("l", "A", 1, "10.00"), tax=Decimal(2))
    assert (sum_fault(replace(placed, taxes_included=included), TOLERANCE) == "") is fine


def test_a_negative_line_is_named_before_any_sum():
    placed = order(line("l7", "SKU-9", -1, "10.00"))
    assert sum_fault(placed, TOLERANCE) == "order #7001, line l7 (SKU-9): quantity -1 is negative"
