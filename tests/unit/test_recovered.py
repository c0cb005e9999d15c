"""What ``auto`` buffers give back, against the fixed buffer that would be as safe."""

from __future__ import annotations

from decimal import Decimal

from syncline.freshness.recovered import THERE_MAX, Recovered, Tally

POUND = Decimal("1.50")


def test_nothing_gives_nothing_back():
    assert Tally().result(0.01) == Recovered(0, 0, 0, 0, {}, 0)


def test_what_a_fixed_buffer_would_hide_more_is_given_back():
    tally = Tally()
    tally.add(5, 60.0, 9)
    tally.add(0, 10.0, 100, POUND, "GBP")
    tally.add(2, 30.0, 3)
    tally.add(1, 10.0, -4, POUND, "GBP")
    # All need 5: it would hide 5 + 5 + 3 + 0, auto hides 5 + 0 + 2 + 0.
    assert tally.result(0.01) == Recovered(4, 5, 7, 6, {"GBP": Decimal("7.50")}, 1)


def test_the_fixed_buffer_may_go_wrong_as_often_as_auto_and_one_odd_sku_does_not_set_it():
    tally = Tally()
    tally.add(900, 0.5, 1000)
    for _ in range(100):
        tally.add(3, 1.0, 10)
    assert tally.result(0.01).fixed == 3
    assert tally.result(0.004).fixed == 900
    # What the odd one keeps back beyond that is subtracted: nothing is given back on the whole.
    assert tally.result(0.01).units == 3 - 900


def test_skus_that_hardly_sell_do_not_make_the_fixed_buffer_small():
    tally = Tally()
    for _ in range(1000):
        tally.add(0, 0.0001, 10)
    for _ in range(10):
        tally.add(8, 5.0, 10)
    found = tally.result(0.01)
    assert (found.fixed, found.kept, found.units) == (8, 80, 8000)


def test_currencies_are_kept_apart_and_no_price_is_made_up():
    tally = Tally()
    tally.add(4, 9.0, 10)
    tally.add(1, 1.0, 10, Decimal(2), "GBP")
    tally.add(1, 1.0, 10, Decimal(3), "EUR")
    tally.add(1, 1.0, 10, Decimal(0), "EUR")
    found = tally.result(0.01)
    assert (found.fixed, found.units, found.units_without_price) == (4, 9, 0)
    assert found.money == {"GBP": Decimal(6), "EUR": Decimal(9)}


def test_a_sku_with_very_much_stock_counts_as_so_much():
    tally = Tally()
    tally.add(10**9, 1.0, 10**9)
    assert tally.result(0.01) == Recovered(1, THERE_MAX, THERE_MAX, 0, {}, THERE_MAX - THERE_MAX)
