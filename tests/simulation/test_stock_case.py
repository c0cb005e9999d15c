"""The published stock case in short: the plays of ``make whatif`` on a day and a half of made-up orders."""

from __future__ import annotations

import functools
import json
from dataclasses import replace

import pytest

from syncline.inventory.rules import AUTO_BUFFER, fixed
from syncline.simulate.case import CHANNELS, HOUR_MS, Case, Setting, cut, perfect
from syncline.simulate.history import generate_history, stock_case
from syncline.simulate.lean import Outage
from syncline.simulate.play import Play

SCARCE = 12  # so much less stock than the case gives, or nothing would run out within two days
pytestmark = [pytest.mark.simulation, pytest.mark.slow]


@functools.cache
def case() -> Case:
    history = generate_history(3, orders=250, skus=60)
    stock = stock_case(history.orders)
    stock = replace(stock, target={sku: max(1, units // SCARCE) for sku, units in stock.target.items()})
    return cut(history.orders, stock, from_ms=0, to_ms=1 << 60)


@functools.cache
def played(setting: Setting) -> dict:
    return Play(case(), setting).play().json()


def to_channels(one: dict, what: str) -> int:
    return sum(one[what][name] for name in CHANNELS)


def calls_that_write(one: dict) -> int:
    return to_channels(one, "calls") - to_channels(one, "reads")


def test_with_checkouts_seen_what_a_batch_oversells_is_not_oversold():
    batch, hybrid = played(Setting("batch:15m")), played(Setting("hybrid"))
    assert batch["units_oversold"] > 20
    assert hybrid["units_oversold"] <= 0.01 * batch["units_oversold"]
    assert hybrid["units_sold"] >= 0.995 * perfect(case()).sold


@pytest.mark.parametrize("checkouts", ["seen", "unseen"])
def test_it_costs_less_than_setting_every_number_at_once(checkouts):
    hybrid, realtime = played(Setting("hybrid", checkouts)), played(Setting("realtime", checkouts))
    assert hybrid["units_oversold"] <= realtime["units_oversold"]
    assert calls_that_write(hybrid) < calls_that_write(realtime)
    assert to_channels(hybrid, "writes") < to_channels(realtime, "writes")


def test_unseen_checkouts_are_sold_twice_unless_a_buffer_covers_them():
    none, auto = played(Setting("hybrid", "unseen")), played(Setting("hybrid", "unseen", buffer=AUTO_BUFFER))
    assert 0 == none["units_hidden"] < auto["units_hidden"]
    assert auto["units_oversold"] < none["units_oversold"]
    two = played(Setting("hybrid", "unseen", buffer=fixed(2)))
    assert auto["units_oversold"] < two["units_oversold"] <= none["units_oversold"]


@pytest.mark.parametrize("trouble", [{"lost": 0.1}, {"outage": Outage(12 * HOUR_MS, 10)}])
def test_every_design_agrees_with_the_truth_once_the_trouble_is_over(trouble):
    for design in ("batch:15m", "realtime", "hybrid"):
        one = played(Setting(design, **trouble))
        assert (design, one["parked"], one["numbers_differ"]) == (design, 0, 0)


def test_lost_events_are_found_by_reading():
    whole, lossy = played(Setting("hybrid")), played(Setting("hybrid", lost=0.1))
    assert (
        lossy["calls"]["erp"] >= 0.95 * whole["calls"]["erp"]
    )  # every order got there, one way or the other
    assert lossy != whole


def test_the_same_seed_gives_the_same_bytes():
    setting = Setting("hybrid", "unseen", lost=0.1, seed=5)
    first, second = (json.dumps(Play(case(), setting).play().json()) for _ in range(2))
    assert first == second
