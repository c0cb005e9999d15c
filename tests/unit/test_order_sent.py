"""A revision whose answer is lost: what the ERP may hold less of is ours to subtract again."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from tests.unit.support import START_MS, line, order

from syncline.engine.delivery.results import Results
from syncline.engine.routes import Route, Routes
from syncline.inventory.availability import Demand, QuantityRule, publish
from syncline.model.capabilities import Capabilities
from syncline.model.change import Flow
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
