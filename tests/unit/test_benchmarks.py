"""Benchmarks come to their end: a small round of each that measures the engine's own parts."""

from __future__ import annotations

import asyncio
import importlib
from decimal import Decimal
from random import Random

import pytest
from bench import apply, credit, disk, holds, limits, pipeline, queue, routing, savings, sensitivity
from bench.__main__ import NAMES

from syncline.engine.routing import Asked
from syncline.routing.policy import Destination
from syncline.runtime.plan import load_plan
from syncline.simulate.history import generate_history


@pytest.mark.parametrize("name", NAMES)
def test_each_benchmark_bears_its_name(name):
    module = importlib.import_module(f"bench.{name}")
    assert name == module.NAME
    assert callable(module.run)


def test_apply_writes_beside_the_bare_statement(monkeypatch):
    monkeypatch.setattr(apply, "KEYS", 2 * apply.BATCH)
    assert all(figure > 0 for figure in asyncio.run(apply.sqlite(2)))


def test_the_queue_gives_back_every_key():
    keys = [f"SKU-{n}" for n in range(500)]
    assert len(queue._product(keys)) == len(queue._heap(keys)) == 3


def test_the_pipeline_delivers_what_it_acknowledged(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "SKUS", 50)
    figures = asyncio.run(pipeline.product(str(tmp_path / "product.sqlite"), 0.2, 1))
    assert figures["done"] > 0
    assert figures["numbers"] > 0


def test_holds_are_taken_beside_bare_updates(tmp_path, monkeypatch):
    monkeypatch.setattr(holds, "RATE_SKUS", 100)
    assert all(
        figure > 0 for figure in asyncio.run(holds.rates("sqlite", str(tmp_path), 4, rounds=1, count=20))
    )


def test_quotes_are_answered_from_what_was_furnished(tmp_path, monkeypatch):
    monkeypatch.setattr(routing, "SKUS", 40)
    (cart,) = routing.carts(0, 1)

    async def quote():
        engine = await routing.furnish(str(tmp_path))
        try:
            asked = [Asked(line["sku"], line["quantity"]) for line in cart]
            return await engine.router.quote("shop", asked, Destination(point=routing.place(Random(1))))
        finally:
            await engine.store.close()

    assert asyncio.run(quote()).parcels


def test_no_checkout_gets_more_than_the_limit_while_there_is_trade(monkeypatch):
    monkeypatch.setattr(credit, "LIMIT", Decimal(500))
    report = credit.run(accounts=20, seconds=0.5)
    figures = {line.what: line.value for line in report.lines}
    assert figures["questions"] == 150
    assert figures["accounts with more approved than their limit"] == 0
    assert 0 < figures["approved"] < 100


@pytest.mark.parametrize("bench", [disk, limits], ids=["disk", "limits"])
def test_those_that_need_no_disk_say_every_figure(bench):
    report = bench.run(quick=True)
    assert report.lines
    assert not report.failed()


def test_savings_ask_with_one_figure_changed():
    question = load_plan(savings.PLAN)
    mine, quick = savings.calls(question, ())
    rows = {name: savings.calls(question, changes) for name, changes in savings.ROWS}
    assert rows["as it is"] == (mine, quick)
    # What waits may share a call; what is sent at once comes alone.
    together = rows["a call carried ten shipments, to either channel"]
    assert together[0] < mine and together[1] == quick
    fewer = rows["an order took two calls instead of three"]
    orders = sum(one.changes_per_day for one in question.routes if one.flow == "orders")
    assert (mine - fewer[0], quick - fewer[1]) == pytest.approx((orders, orders), rel=0.02)
    assert rows["NetSuite told which prices have changed"][0] < mine


def test_sensitivity_changes_one_thing_at_a_time_and_keeps_the_stock():
    orders = generate_history(1, orders=8, skus=4).orders
    assert [len(sensitivity.demanded(orders, factor)) for factor in (0.5, 1, 2)] == [4, 8, 16]
    usual = sensitivity.Row("")
    for row in sensitivity.rows():
        changed = [
            name
            for name in ("demand", "channels", "lost", "checkout_minutes")
            if getattr(row, name) != getattr(usual, name)
        ]
        assert len(changed) <= 1, row
    said: list[str] = []
    asked = [sensitivity.Row("half", demand=0.5), sensitivity.Row("twice", demand=2.0, channels=1)]
    half, twice = sensitivity.play(orders, asked, lines=1_000, say=said.append)
    assert [line.split()[0] for line in said] == ["half", "twice"]
    assert list(half["designs"]) == list(sensitivity.DESIGNS)
    for name in sensitivity.DESIGNS:
        assert set(twice["designs"][name]["calls"]) == {"a", "erp"}
        assert half["designs"][name]["units_sold"] < twice["designs"][name]["units_sellable"]
