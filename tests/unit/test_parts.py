"""What an ERP holds of single parts of kits that wait for others: counted once, and only while it is certain."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.unit.support import START_MS
from tests.unit.test_stock_deriver import Kits, kits

from syncline.engine.codec import encode
from syncline.engine.parts import since
from syncline.engine.routes import SEP, stock_key
from syncline.inventory.availability import Demand, outstanding
from syncline.inventory.recipes import Promised, demand_of_part
from syncline.model.change import Kind
from syncline.model.records import ErpLine, ErpOrder, ErpPart, StockLevel


def told(sets: int, a: int, b: int, *, stamp_ms: int = 50, commits_stock: bool = True) -> ErpOrder:
    """Two sets of two of A and one of B are ordered; so many are accounted for, and so many of each part."""
    parts = (ErpPart("A", Decimal(a)), ErpPart("B", Decimal(b)))
    line = ErpLine("SET", "1", Decimal(sets), Decimal(2), parts)
    return ErpOrder("market-1", "77", "B", commits_stock, (line,), stamp_ms)


async def waiting(b: Kits, erp: ErpOrder, *, our_stamp_ms: int | None = None) -> None:
    """The ERP has promised 4 of its 25 A and 1 of its one B to an order of two sets."""
    await b.order("market", "1", "SET", 2)
    await b.put(
        "demand_known", channel="market", order_key="1", line_id="l", location="1", quantity=1, erp_stamp_ms=50,
        our_stamp_ms=our_stamp_ms,
    )  # fmt: skip
    await b.figure("A", 21)
    await b.figure("B", 0)
    await b.record("erp", Kind.ERP_ORDER, "market-1", encode(erp))


async def test_what_is_promised_of_a_part_is_not_subtracted_again_while_another_is_missing():
    async with kits() as b:
        await waiting(b, told(1, 4, 1))
        assert await b.numbers() == {"A": 21, "B": 0, "SET": 0, "CASE": 1, "OLD": 21}
        # Three more than are promised, one of which the order waits for.
        come = StockLevel("B", "1", Decimal(4), Decimal(3), Decimal(1), 100, None)
        await b.record("erp", Kind.STOCK, stock_key("B", "1"), encode(come), version=2)
        assert await b.numbers() == {"A": 21, "B": 2, "SET": 2, "CASE": 1, "OLD": 21}


@pytest.mark.parametrize(
    "erp",
    [
        told(1, 2, 1),  # no more than for the set that is whole
        told(1, 4, 1, commits_stock=False),
        told(1, 4, 1, stamp_ms=40),  # told before what is known of whole sets
        told(1, 4, 1, stamp_ms=200),  # and no figure is as new
    ],
)
async def test_nothing_is_counted_that_is_not_promised_for_certain(erp):
    async with kits() as b:
        await waiting(b, erp)
        assert (await b.numbers())["A"] == 19


async def test_our_own_answer_is_newer_than_what_the_erp_told():
    async with kits() as b:
        await waiting(b, told(1, 4, 1), our_stamp_ms=START_MS)
        assert (await b.numbers())["A"] == 19


@pytest.mark.parametrize(("state", "shown"), [("available", 19), ("completed", 21)])
async def test_a_revision_that_is_under_way_may_have_taken_it_back(state, shown):
    async with kits() as b:
        await waiting(b, told(1, 4, 1))
        at = {"system": "erp", "operation": "put_order", "key": f"1{SEP}7"}
        await b.put(
            "delivery_touch", **at, route="orders", changed_at_ms=START_MS, deliver_by_ms=START_MS,
            not_before_ms=START_MS, now_ms=START_MS, wanted=1, rev=0,
        )  # fmt: skip
        if state == "completed":
            await b.put(
                "delivery_finish", **at, state=state, generation=1, uncounted=0, now_ms=START_MS, not_before_ms=START_MS,
                reason="",
            )  # fmt: skip
        assert (await b.numbers())["A"] == shown


def test_a_part_that_is_held_as_before_keeps_its_moment():
    first = since(told(2, 4, 2, stamp_ms=50), None)
    later = since(told(1, 4, 1, stamp_ms=90), first)
    assert [part.since_ms for part in first.lines[0].parts] == [50, 50]
    assert [part.since_ms for part in later.lines[0].parts] == [50, 90]


@pytest.mark.parametrize(
    ("stamp_ms", "left"),
    # Nothing is contained; one set, and with it two of A; all four of A.
    [(49, 4), (50, 2), (79, 2), (80, 0)],
)
def test_a_figure_contains_first_the_sets_that_are_whole_and_then_the_part(stamp_ms, left):
    line = Demand("market", "1", "l", "1", "SET", 2, 0, 1, 50, None)
    lines = demand_of_part("A", 2, line, Promised(4, 80))
    level = StockLevel("A", "1", Decimal(9), Decimal(9), Decimal(0), stamp_ms, None)
    assert sum(outstanding(each, {"1": level}, 0) for each in lines) == left
    assert sum(each.quantity for each in lines) == 4
