"""Numbers that a channel refuses, and orders that are read one by one: the formulas beside a play of arrivals."""

from __future__ import annotations

import math
from random import Random

import pytest

from syncline.planner.calls import whole_calls
from syncline.planner.candidates import candidate, groups_of
from syncline.planner.stale import AGAIN, Known, refusals
from syncline.planner.vendors import Reads, vendors
from syncline.runtime.plan import question_of

MINUTE_MS = 60_000


def refused_in_a_play(
    sold: float, calls: float, items: int, records: int, orders: Known, hours: float
) -> float:
    """Refused calls an hour: each writes some records, and is refused if one was sold since its orders were heard of."""
    rng, at, read_at, next_read = Random(5), 0.0, 0.0, orders.every_h or math.inf
    sold_at = [-math.inf] * records
    refused = 0
    while True:
        at += rng.expovariate(sold * records + calls)
        if at > hours:
            return refused / hours
        while next_read <= at:
            read_at, next_read = next_read, next_read + orders.every_h
        if rng.random() < sold * records / (sold * records + calls):
            sold_at[rng.randrange(records)] = at
            continue
        known_at = read_at if orders.every_h else at - orders.after_h
        if any(sold_at[one] > known_at for one in rng.sample(range(records), items)):
            refused += 1
            read_at, next_read = at, at + orders.every_h if orders.every_h else math.inf


@pytest.mark.parametrize(
    ("sold", "calls", "items", "records", "orders"),
    [
        (0.5, 60.0, 1, 50, Known(0.0, 0.25)),
        (0.5, 20.0, 10, 300, Known(0.0, 0.25)),
        (
            4.0,
            100.0,
            1,
            50,
            Known(0.0, 2.0),
        ),  # each refusal has the orders read, so there is no second at once
        (4.0, 60.0, 1, 50, Known(1 / 60, 0.0)),
    ],
)
def test_as_many_are_refused_as_a_play_of_arrivals_counts(sold, calls, items, records, orders):
    played = refused_in_a_play(sold, calls, items, records, orders, 700)
    assert refusals([(calls * items, sold)], calls, orders) == pytest.approx(played, rel=0.08)


def test_nothing_is_refused_where_nothing_is_sold_or_written():
    assert refusals([(10.0, 0.0)], 10.0, Known(0.0, 4.0)) == pytest.approx(0, abs=1e-6)
    assert refusals([], 0.0, Known(0.0, 4.0)) == 0
    # What is known for ever is nothing: every call is refused.
    assert refusals([(10.0, 1e6)], 10.0, Known(0.0, 4.0)) == pytest.approx(10, rel=0.05)


PLAN = """
[systems.ns]
vendor = "netsuite"
licence = "premium"
[systems.shop]
vendor = "shopify"
licence = "plus"
[volumes]
skus = 200
orders_per_day = 2_000
lines_per_order = 4
[[flows]]
flow = "inventory"
from = "ns"
to = "shop"
tolerance = "20s"
[[flows]]
flow = "orders"
from = "shop"
to = "ns"
tolerance = "2h"
"""


def test_the_rarer_orders_are_read_the_more_numbers_are_written_again():
    question = question_of(PLAN)
    orders = next(one for one in groups_of(question) if one.flow == "orders")

    def again(minutes: int, *, events: bool = False, at_once: bool = False) -> float:
        one = candidate(orders, question, events=events, poll_ms=minutes * MINUTE_MS, at_once=at_once)
        found = [work.calls_per_day for work in one.work if (work.flow, work.way) == ("inventory", "write")]
        return sum(found)

    heard, often, seldom = again(4, events=True), again(4), again(110)
    assert 0 < heard < often < seldom
    # At most every call is refused, and costs so many more.
    assert seldom < AGAIN * 24 * question.routes[0].peak_per_hour
    assert again(110, at_once=True) == 0  # what sets numbers at once expects nothing


def test_no_channel_is_asked_again_whose_numbers_nobody_writes():
    question = question_of(PLAN.replace('flow = "inventory"', 'flow = "prices"').replace('"20s"', '"1h"'))
    orders = next(one for one in groups_of(question) if one.flow == "orders")
    one = candidate(orders, question, events=False, poll_ms=14 * MINUTE_MS)
    assert {work.flow for work in one.work} == {"orders"}


@pytest.mark.parametrize(("rate", "polls", "items"), [(2.0, 10.0, 3), (40.0, 4.0, 3), (40.0, 4.0, 10)])
def test_orders_that_are_read_whole_share_a_call_with_those_of_the_same_read(rate, polls, items):
    rng, hours, calls = Random(3), 2_000, 0
    for _ in range(int(hours * polls)):
        found, at = 0, rng.expovariate(rate)
        while at < 1 / polls:
            found, at = found + 1, at + rng.expovariate(rate)
        calls += math.ceil(found / items)
    assert whole_calls(rate, polls, items) == pytest.approx(calls / hours, rel=0.08)
    assert whole_calls(rate, 0.0, items) == rate  # an event comes alone


def test_reading_whole_is_counted_and_waited_for():
    question = question_of(PLAN)
    orders = next(one for one in groups_of(question) if one.flow == "orders")
    one = candidate(orders, question, events=True, poll_ms=55 * MINUTE_MS)
    read = next(work for work in one.work if (work.system, work.way) == ("shop", "read"))
    changes = question.routes[1].changes_per_day
    assert read.calls_per_day == pytest.approx(changes + 24 * 60 / 55, rel=0.01)
    sheet = vendors()["shopify"]
    assert sheet.reads["orders"].whole == 3 and Reads().whole == 0
    (detection,) = one.detections.values()
    assert detection.event_delay_ms == sheet.reads["orders"].event_ms  # until the order is known
    assert detection.read_ms == 3 * sheet.call_ms  # two pages of changes, and an order of them
