"""Benchmarks come to their end: a small round of each that measures the engine's own parts."""

from __future__ import annotations

import asyncio
import importlib
from decimal import Decimal

import pytest
from bench import apply, credit, disk, limits, pipeline, queue
from bench.__main__ import NAMES


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
