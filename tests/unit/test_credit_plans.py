"""What a question about credit costs does not grow with the claims and orders that there were: SQLite seeks, and scans nothing."""

from __future__ import annotations

import re

import pytest

from syncline.stores.sqlite.store import connect, migrate
from syncline.stores.statements import load_queries

PACKAGE = "syncline.stores.sqlite"
ASKED = ("credit_account", "credit_lapse", "credit_take", "credit_replace", "credit_met", "credit_claim")
FREE = ("SCAN CONSTANT ROW", "SCAN one")  # of no table


def plan(statement: str) -> list[str]:
    """What SQLite does for a statement, step by step."""
    connection = connect(":memory:")
    migrate(connection, 0)
    sql = load_queries(PACKAGE)[statement]
    given = dict.fromkeys(re.findall(r":(\w+)", sql), 1)
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", given)]


@pytest.mark.parametrize("statement", ASKED)
def test_a_question_reads_by_an_index(statement):
    steps = plan(statement)
    assert steps
    assert [step for step in steps if step.startswith("SCAN") and step not in FREE] == []
