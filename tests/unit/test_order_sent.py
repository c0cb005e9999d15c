"""What the ERP holds of an order that is being sent: a revision whose answer is lost, and a new one of which the ERP told first."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from tests.unit.support import START_MS, line, order

from syncline.engine.delivery.results import Results
from syncline.engine.routes import Route, Routes
from syncline.inventory.availability import Demand, QuantityRule, publish
from syncline.model.capabilities import Capabilities, StockBasis
from syncline.model.change import Flow
from syncline.model.copying import replace
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.payloads import OrderItem, PutOrder
from syncline.model.records import StockLevel
from syncline.ports import Write
from syncline.stores.sqlite import SqliteStore

ROUTES = Routes([Route(Flow.ORDERS, "shop", "erp", 10_000)])
LEVEL = StockLevel("A", "1", Decimal(90), Decimal(90), Decimal(0), erp_stamp_ms=START_MS + 60_000)
KEY = f"7001\x1f{START_MS}"


async def shown_after_the_edit_back(external_id: str) -> int:
    """100 in stock; an order of 10 was booked, cut to 6 by a call that nobody answered, and is 10 again."""
    store = SqliteStore.open(":memory:", now_ms=START_MS)
    at = {"channel": "shop", "order_key": "7001", "line_id": "l", "location": "1"}
    wants = {**at, "sku": "A", "taken": 10}
    known = {**at, "quantity": 10, "erp_stamp_ms": START_MS, "our_stamp_ms": None}
    await store.write(
        Write("demand_want", [{**wants, "quantity": 10}]),
        Write("demand_known", [known]),
        Write("demand_want", [{**wants, "quantity": 6}]),
    )
    payload = PutOrder(
        "shop-7001", order(line("l", "A", 6)), (OrderItem("l", "9", "A", "1", 6),), external_id
    )
    row = (KEY, ROUTES.all[0].name, "available", 1, START_MS, START_MS, START_MS, 0, "")
    results = Results("erp", "put_order", ROUTES, {KEY: row}, START_MS, Capabilities())
    await store.write(*results.begin("intent", {KEY: payload}))
    await store.write(Write("demand_want", [{**wants, "quantity": 10}]))
    lines = [Demand(*found) for found in await store.read("demand_open", skus=["A"])]
    await store.close()
    return publish({"1": LEVEL}, lines, {}, QuantityRule(), ["1"]).total


def test_units_that_a_lost_call_may_have_given_back_are_not_shown():
    assert asyncio.run(shown_after_the_edit_back("so-1")) == 86


def test_the_first_call_of_an_order_takes_nothing_away():
    assert asyncio.run(shown_after_the_edit_back("")) == 90


async def shown_of_a_backorder(told: str) -> tuple[int, int]:
    """Before and after stock is read anew. 2 in stock here and 10 there; a new order wants 5 from here, and 3 of them wait.

    ``told``: whether the ERP's own word of it is applied before or after the answer to our call, which takes its time since
    the order's total is read back.
    """
    store = SqliteStore.open(":memory:", now_ms=START_MS)
    at = {"channel": "shop", "order_key": "7001", "line_id": "l", "location": "1"}
    put = PutOrder("shop-7001", order(line("l", "A", 5)), (OrderItem("l", "9", "A", "1", 5),), "")
    row = ("put_order", ROUTES.all[0].name, "running", 1, START_MS, START_MS, 0, 0, 0)
    basis = Capabilities(stock_read_basis=StockBasis.AVAILABLE)
    results = Results("erp", "put_order", ROUTES, {KEY: row}, START_MS + 2_000, basis)
    await store.write(Write("demand_want", [{**at, "sku": "A", "taken": 5, "quantity": 5}]))
    facts = {"external_id": "so-1", "written_ms": START_MS + 500, "commits_stock": True}
    results._done(Item(KEY, put), Outcome(Result.DONE, facts=facts), "")
    answer = [write for write in results.writes("i") if write.statement == "demand_known"]
    word = [
        Write(
            "demand_known",
            [{**at, "quantity": 2, "erp_stamp_ms": START_MS + 600, "our_stamp_ms": None}],
        )
    ]
    await store.write(*(word + answer if told == "first" else answer + word))
    lines = [Demand(*found) for found in await store.read("demand_open", skus=["A"])]
    await store.close()
    old = {
        "1": StockLevel("A", "1", Decimal(2), Decimal(2), Decimal(0), START_MS, START_MS),
        "2": StockLevel("A", "2", Decimal(10), Decimal(10), Decimal(0), START_MS, START_MS),
    }
    new = {
        key: replace(level, erp_stamp_ms=START_MS + 5_000, read_began_ms=START_MS + 5_000)
        for key, level in old.items()
    }
    new["1"] = replace(new["1"], available=Decimal(0))
    before, after = (publish(levels, lines, {}, QuantityRule(), ["1", "2"]).total for levels in (old, new))
    return before, after


def test_units_that_wait_in_the_erp_are_not_shown_whoever_is_heard_first():
    assert asyncio.run(shown_of_a_backorder("last")) == (7, 7)
    assert asyncio.run(shown_of_a_backorder("first")) == (7, 7)
