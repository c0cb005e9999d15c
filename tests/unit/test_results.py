"""What a finished call means for the demand that the ERP holds."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.support import START_MS, line, order

from syncline.engine.delivery.outcomes import Wait
from syncline.engine.delivery.results import Results
from syncline.engine.routes import Route, Routes
from syncline.engine.routing import past_of
from syncline.freshness.velocity import Velocity
from syncline.model.capabilities import Capabilities, StockBasis
from syncline.model.change import Flow
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.payloads import MoveOrder, OrderItem, PutOrder, ReadStock
from syncline.routing.decision import Refusal

ROUTE = Route(Flow.ORDERS, "shop", "erp", 10_000)
KEY = "7001\x1f1"


def known(basis: StockBasis, **facts) -> list[dict[str, Any]]:
    """What is written of the units of which the stock figures are said to account from now on."""
    row = ("put_order", ROUTE.name, "running", 1, START_MS, START_MS, 0, 0, 0)
    results = Results(
        "erp", "put_order", Routes([ROUTE]), {KEY: row}, START_MS, Capabilities(stock_read_basis=basis)
    )
    placed = order(line("l1", "CASE", 3), line("l2", "A", 4))
    items = (
        OrderItem("l1", "501", "A", "1", 24, 12),
        OrderItem("l1", "501", "A", "2", 12, 12),
        OrderItem("l2", "501", "A", "1", 4),
    )
    outcome = Outcome(Result.DONE, facts={"external_id": "9", **facts})
    results._done(Item(KEY, PutOrder("shop-7001", placed, items, "")), outcome, "")
    return [row for write in results.writes("i") if write.statement == "demand_known" for row in write.rows]


def held(basis: StockBasis, **facts) -> list[tuple[str, str, int]]:
    """Their lines, locations and numbers."""
    return [(row["line_id"], row["location"], row["quantity"]) for row in known(basis, **facts)]


def stamps(**facts) -> set[int]:
    """Since when, by our clock."""
    return {row["our_stamp_ms"] for row in known(StockBasis.AVAILABLE, **facts)}


def test_what_the_erp_took_is_known_in_the_units_of_the_order():
    assert held(StockBasis.AVAILABLE) == [("l1", "1", 2), ("l1", "2", 1), ("l2", "1", 4)]


@pytest.mark.parametrize(
    ("facts", "since_ms"),
    [({}, 0), ({"written_ms": START_MS - 900}, -900), ({"written_ms": START_MS + 5}, 0)],
)
def test_figures_read_since_the_erp_answered_contain_the_order(facts, since_ms):
    assert stamps(**facts) == {START_MS + since_ms}


@pytest.mark.parametrize(
    ("basis", "facts"), [(StockBasis.ON_HAND, {}), (StockBasis.AVAILABLE, {"commits_stock": False})]
)
def test_figures_that_an_order_does_not_move_account_for_nothing_of_it(basis, facts):
    assert held(basis, **facts) == []


@pytest.mark.parametrize(("segments", "kept"), [({}, 1), ({Velocity.HIGH: 1_000}, 0)])
def test_with_segments_a_change_is_kept_by_its_own_deadline(segments, kept):
    stock = Route(Flow.INVENTORY, "erp", "shop", 5_000, segments=segments)
    row = ("A", stock.name, "running", 1, START_MS, START_MS + 1_000, 0, 0, 0)
    results = Results("shop", "set_stock", Routes([stock]), {"A": row}, START_MS + 2_000, Capabilities())
    results._lag("A")
    (write,) = results.writes()
    assert [(row["lag_ms"], row["kept"]) for row in write.rows] == [(2_000, kept)]


def test_what_was_set_aside_before_the_first_reading_is_written_before_any_reading_of_the_call():
    results = Results("shop", "read_stock", Routes([]), {}, START_MS, Capabilities(compare_and_set=True))
    for sku, reserved in (("A", 0), ("B", 2)):
        outcome = Outcome(Result.DONE, facts={"held": 5, "reserved": reserved})
        results._done(Item(f"{sku}\x1f70", ReadStock(sku, "1", "70")), outcome, "")
    order = [write.statement for write in results.writes()]
    assert order.index("held_aside") < order.index("held_first") < order.index("held_seen")


@pytest.mark.parametrize("compares", [True, False])
def test_a_reading_says_what_was_known_when_it_was_asked_for_and_whether_it_counts_all_the_same(compares):
    results = Results("shop", "read_stock", Routes([]), {}, START_MS, Capabilities(compare_and_set=compares))
    outcome = Outcome(Result.DONE, facts={"held": 5, "reserved": 1})
    results._done(Item("A\x1f70", ReadStock("A", "1", "70")), outcome, "7")
    rows = {write.statement: write.rows for write in results.writes()}
    for statement in ("held_seen", "held_aside"):
        assert [(row["rev"], row["exact"]) for row in rows[statement]] == [(7, not compares)]


@pytest.mark.parametrize(("mark", "locations"), [("m", ["2"]), ("", ["2"]), ("m", [])])
def test_a_location_that_was_chosen_here_and_refused_is_left_out_next(mark, locations):
    row = ("put_order", ROUTE.name, "running", 1, START_MS, START_MS, 0, 0, 0)
    results = Results("erp", "put_order", Routes([ROUTE]), {KEY: row}, START_MS, Capabilities())
    put = PutOrder(
        "shop-7001", order(line("l1", "A", 1)), (OrderItem("l1", "501", "A", "2", 1),), routed=mark
    )
    outcome = Outcome(Result.REJECTED, "no such location", facts={"refused_locations": locations})
    results.outcome(Item(KEY, put), outcome, "i", delay_s=9, outage=False, note="", stale_rounds=0)
    rows = {write.statement: write.rows for write in results.writes("i")}
    (finished,) = rows["delivery_finish"]
    again = bool(mark and locations)
    assert finished["state"] == ("retryable" if again else "parked")
    assert ("parked_put" in rows) is not again
    said = [(one["channel"], one["order_key"], one["said"]) for one in rows.get("routing_put", ())]
    assert said == ([("shop", "7001", "refused")] if again else [])
    if again:
        assert finished["not_before_ms"] == START_MS
        refusal = past_of([("7001", START_MS, "refused", rows["routing_put"][0]["body"])]).refusals
        assert refusal == (Refusal("2", why="no such location", by="erp"),)


@pytest.mark.parametrize(
    ("result", "tolerated", "state", "reads"),
    [
        (Result.DONE, False, "completed", True),
        (Result.REJECTED, False, "parked", True),
        (Result.REJECTED, True, "completed", True),
        (Result.RETRY, False, "retryable", True),
        (Result.WAIT, False, "retryable", False),
        (Result.NOT_SENT, True, "retryable", False),
    ],
)
def test_an_order_that_may_have_moved_is_read_and_a_refusal_is_parked_unless_it_is_tolerated(
    result, tolerated, state, reads
):
    row = ("7001", "order_status:erp->shop", "running", 1, START_MS, START_MS, 0, 0, "")
    status = Route(Flow.ORDER_STATUS, "erp", "shop", 10_000)
    results = Results("shop", "move_order", Routes([status]), {"7001": row}, START_MS, Capabilities())
    item = Item("7001", MoveOrder("7001", (("l1", "L2", 2),), tolerated))
    outcome = Outcome(result, "Shopify: Cannot change location.")
    results.outcome(item, outcome, "i", delay_s=1.0, outage=False, note="", stale_rounds=0)
    rows = {write.statement: list(write.rows) for write in results.writes("i")}
    assert [one["state"] for one in rows["delivery_finish"]] == [state]
    assert [one["key"] for one in rows.get("parked_put", [])] == (["7001"] if state == "parked" else [])
    asked = [(one["operation"], one["key"]) for one in rows.get("delivery_touch", [])]
    assert asked == ([("read_order", "7001")] if reads else [])
    if result is Result.REJECTED:
        assert "Cannot change location" in rows["delivery_finish"][0]["reason"]


def test_numbers_that_a_move_waits_for_are_read_by_the_route_that_writes_them():
    row = ("7001", "order_status:erp->shop", "available", 1, START_MS, START_MS, 0, 0, "")
    stock, status = (
        Route(Flow.INVENTORY, "erp", "shop", 5_000),
        Route(Flow.ORDER_STATUS, "erp", "shop", 10_000),
    )
    results = Results("shop", "move_order", Routes([stock, status]), {"7001": row}, START_MS, Capabilities())
    results.wait("7001", Wait("read first", 1.0, stock=("A\x1fL1", "A\x1fL2")))
    rows = {write.statement: list(write.rows) for write in results.writes()}
    asked = [(one["operation"], one["key"], one["route"]) for one in rows["delivery_touch"]]
    assert asked == [("read_stock", f"A\x1f{place}", stock.name) for place in ("L1", "L2")]
