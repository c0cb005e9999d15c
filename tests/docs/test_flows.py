"""The table of flows and systems: each cell is proved by a test that exists, or says why it is not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from scripts.reference import flows as flow_table

from syncline.model.change import Flow
from syncline.runtime.registry import connectors

HERE = "tests/docs/test_flows.py::test_every_flow_has_a_row_and_every_system_a_column"


def test_every_flow_has_a_row_and_every_system_a_column():
    page = flow_table.flows(list(connectors().values()))
    rows = [line for line in page.splitlines() if line.startswith("| **")]
    flows = [each.value for each in Flow]
    assert [row.split("**")[1] for row in rows] == [*flows, "checkout"]
    assert all(row.count(" | ") == len(connectors()) for row in rows)


@pytest.mark.parametrize(
    ("entry", "offered", "words"),
    [
        (None, ["calls `put_order`"], "say which test proves it"),
        ({}, [], "one of does"),
        ({"does": "x", "part": "y", "test": HERE}, [], "one of does"),
        ({"does": "x", "tset": HERE}, [], "one of does"),
        ({"does": "x"}, [], "name the test"),
        ({"does": "x", "test": "tests/docs/test_flows.py::test_that_is_not_there"}, [], "there is no test"),
        ({"does": "x", "test": "tests/docs/test_nowhere.py::test_x"}, [], "there is no test"),
        ({"cannot": "x"}, [], "needs a source"),
        ({"cannot": "x", "source": "a page"}, ["calls `put_order`"], "declares nothing"),
    ],
)
def test_a_cell_that_is_not_proved_stops_the_generator(entry, offered, words):
    with pytest.raises(SystemExit, match=words):
        flow_table.cell(entry, offered, "orders.made_up")


@pytest.mark.parametrize(
    ("entry", "offered", "shown"),
    [
        (None, [], "not built"),
        ({"none": "no checkout"}, [], "no checkout"),
        ({"cannot": "nothing there", "source": "a page"}, [], "✗ nothing there (a page)"),
        (
            {"part": "some", "test": HERE},
            ["calls `x`"],
            "(✓) some. calls `x`. [every flow has a row and every system a column](../../tests/docs/test_flows.py)",
        ),
    ],
)
def test_what_a_cell_says(entry, offered, shown):
    assert flow_table.cell(entry, offered, "orders.made_up") == shown


def test_a_call_without_a_flow_stops_the_generator():
    manifest = SimpleNamespace(
        name="shopify", settings=next(c for c in connectors().values() if c.name == "shopify").settings
    )
    with pytest.raises(SystemExit, match=r"name the flow of \w+ \(shopify\)"):
        flow_table.declared(manifest, {})
