"""What clients that know nothing of us ask a NetSuite account, and how it answers."""

from __future__ import annotations

import pytest
from tests.connectors.test_netsuite_simulator import SUITEQL, World, error_of

STAMP = "YYYY-MM-DD HH24:MI:SS"


async def ask(world: World, q: str, params: list | None = None) -> list[dict[str, str]]:
    """The rows of a query, without their empty links."""
    rows = (await world.sql(q, params))["items"]
    return [{name: value for name, value in row.items() if name != "links"} for row in rows]


@pytest.mark.parametrize(
    ("q", "params", "found"),
    [
        ("SELECT itemid FROM item WHERE ROWNUM <= 2 ORDER BY itemid", None, ["A", "B"]),
        ("SELECT itemid FROM item WHERE itemtype = 'InvtPart' AND rownum < 3", None, ["A", "B"]),
        ("SELECT itemid FROM item WHERE ROWNUM <= ? AND itemid > ? ORDER BY itemid", [1, "A"], ["B"]),
        ("SELECT itemid FROM item WHERE ROWNUM = 1 ORDER BY itemid", None, ["A"]),
        ("SELECT TOP 2 itemid FROM item ORDER BY itemid DESC", None, ["TAX", "DISC"]),
        (
            "SELECT itemid FROM (SELECT itemid FROM item ORDER BY itemid) WHERE ROWNUM <= 3",
            None,
            ["A", "B", "C"],
        ),
        (
            "SELECT itemid FROM (SELECT ROWNUM AS n, x.itemid FROM (SELECT itemid FROM item ORDER BY itemid) x) WHERE n > 1",
            None,
            ["B", "C", "DISC", "TAX"],
        ),
        ("SELECT itemid FROM item WHERE id IN (SELECT id FROM item WHERE ROWNUM <= 1)", None, ["A"]),
        (
            "SELECT itemid FROM item -- of all\n ORDER BY /* by name */ itemid FETCH FIRST 1 ROWS ONLY",
            None,
            ["A"],
        ),
    ],
)
def test_rows_are_counted_as_oracle_counts_them(q, params, found):
    world = World()

    async def story():
        assert [row["itemid"] for row in await ask(world, q, params)] == found

    world.run(story)


@pytest.mark.parametrize(
    "q",
    [
        "SELECT COUNT(*) FROM item GROUP BY itemtype HAVING ROWNUM <= 2",
        "SELECT itemtype FROM item WHERE ROWNUM <= 2 GROUP BY itemtype",
        "SELECT DISTINCT itemtype FROM item WHERE ROWNUM <= 2",
        "SELECT itemid FROM item WHERE ROWNUM > 2",
        "SELECT itemid FROM item WHERE ROWNUM = 2",
        "SELECT itemid FROM item WHERE ROWNUM <= 2 OR itemid = 'A'",
        "SELECT TOP itemid FROM item",
        "SELECT createddate - itemid FROM item",
        "SELECT ns_shift(createddate, 1) FROM item",
    ],
)
def test_what_it_cannot_count_truly_is_refused(q):
    world = World()

    async def story():
        response = await world.call("POST", SUITEQL, {"q": q}, {"Prefer": "transient"})
        assert error_of(response) == (400, "INVALID_PARAMETER")

    world.run(story)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        # The account's clock shows 2026-01-05 01:40 in Los Angeles.
        ("TO_CHAR(SYSDATE - 1, 'YYYY-MM-DD HH24:MI')", "2026-01-04 01:40"),
        ("TO_CHAR(SYSDATE - 30/1440, 'YYYY-MM-DD HH24:MI')", "2026-01-05 01:10"),
        ("TO_CHAR(TRUNC(SYSDATE) + 7, 'YYYY-MM-DD HH24:MI')", "2026-01-12 00:00"),
        ("TO_CHAR(TO_DATE('2026-01-31', 'YYYY-MM-DD') + 1, 'YYYY-MM-DD')", "2026-02-01"),
        ("TO_CHAR(ADD_MONTHS(TO_DATE('2026-01-31', 'YYYY-MM-DD'), 1), 'YYYY-MM-DD')", "2026-02-28"),
        ("TO_CHAR(LAST_DAY(TO_DATE('2028-02-03', 'YYYY-MM-DD')), 'YYYY-MM-DD')", "2028-02-29"),
        ("ROUND(SYSDATE - t.createddate)", "0"),
        ("TRUNC(5.5) - 2", "3"),
        ("DECODE(t.type, 'SalesOrd', 'order', 'other')", "order"),
        ("DECODE(t.memo, NULL, 'none')", "none"),
        ("NVL2(t.memo, 'said', 'silent')", "silent"),
        ("MOD(7, 4)", "3"),
        ("BUILTIN.CF(t.type)", "SalesOrd"),
        ("BUILTIN.DF(t.status)", "Sales Order : Pending Fulfillment"),
    ],
)
def test_expressions(expression, found):
    world = World()

    async def story():
        await world.put("w-1", world.line("A"))
        assert await ask(world, f"SELECT {expression} AS x FROM transaction t") == [{"x": found}]

    world.run(story)


def test_some_days_back_or_a_part_of_one_are_a_bound():
    world = World()

    async def story():
        await world.put("w-1", world.line("A"))
        await world.clock.sleep(45 * 60)
        await world.put("w-2", world.line("A"))
        q = "SELECT t.externalid FROM transaction t WHERE t.lastmodifieddate >= SYSDATE - 1/48"
        assert await ask(world, q) == [{"externalid": "w-2"}]
        assert len(await ask(world, q.replace("1/48", "?"), [1])) == 2

    world.run(story)


def test_what_was_given_no_name_is_called_after_its_place_among_such():
    world = World()

    async def story():
        assert await ask(
            world, "SELECT COUNT(*), MIN(i.itemid), i.itemtype FROM item i WHERE i.itemid = 'A'"
        ) == [{"expr1": "1", "expr2": "A", "itemtype": "InvtPart"}]

    world.run(story)
