"""SQLite and PostgreSQL say the same: random transactions on both, compared row by row after each."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncline.model.change import Cursor, Event, Via
from syncline.model.errors import Fenced
from syncline.ports import Write
from syncline.stores.sqlite import SqliteStore
from syncline.stores.statements import load_queries
from syncline.testing.store_tools import DAY_MS, T0

asyncpg = pytest.importorskip("asyncpg", reason="the postgres extra is not installed")
from syncline.stores.postgres import PostgresStore  # noqa: E402 (only with its driver)
from syncline.stores.postgres.store import parse_statement  # noqa: E402

pytestmark = pytest.mark.postgres

STATEMENTS = {name: parse_statement(sql) for name, sql in load_queries("syncline.stores.postgres").items()}
WRITES = {name: statement for name, statement in STATEMENTS.items() if statement.columns}
READS = {name: statement for name, statement in STATEMENTS.items() if not statement.columns}
NUMBERED = {"parked_put", "parked_resolve", "lag_put", "audit_put"}  # return ids, which need not be the same
SERIAL = {"parked", "lag", "audit", "mode"}
OWN = {"parked_edit", "parked_get", "parked_erase", "audit_erase"}  # ask for an id

keys = st.sampled_from(["A\x1f1", "A\x1f2", "AB\x1f1", "A", "ä\x1f1", 'it\'s "1"', ""])
times = st.integers(T0 - 3, T0 + 3)
small = st.integers(-3, 4)
words = st.sampled_from(["", "a", "b'\"", "ü\x1f"])
states = st.sampled_from(
    ["available", "scheduled", "running", "retryable", "completed", "parked", "cancelled", "superseded"],
)
VALUES = {
    "system": st.sampled_from(["shop", "erp"]), "kind": st.sampled_from(["stock", "order", "credit"]), "key": keys,
    "operation": st.sampled_from(["set_stock", "put_order"]), "route": words, "state": states,
    "channel": st.sampled_from(["shop", "erp"]), "order_key": st.sampled_from(["1", "2"]), "line_id": words,
    "location": words, "sku": st.sampled_from(["A", "AB", "ä"]), "orders": st.lists(st.sampled_from(["1", "2", "3"])),
    "name": st.sampled_from(["lane", "apply"]), "owner": st.sampled_from(["a", "b"]), "fence": st.integers(1, 3),
    "ttl_ms": st.integers(0, 4), "wanted": st.sampled_from([0, 1, True, False]), "rev": st.integers(0, 3), "exact": st.booleans(),
    "generation": st.integers(1, 3), "uncounted": st.integers(0, 1), "kept": st.integers(0, 1),
    "id": st.sampled_from(["i1", "i2", "i3"]), "intent": st.sampled_from(["i1", "i2", "i3"]),
    "applied": st.integers(0, 9), "limit": st.sampled_from([0, 99]), "before": times, "bucket": st.integers(
        T0 // (16 * DAY_MS), T0 // (16 * DAY_MS) + 5,
    ), "body": st.sampled_from(['{"number":"#1"}', '{"number":"#2","x":"\\u0000"}']), "erp_stamp_ms": st.none() | times,
    "our_stamp_ms": st.none() | times, "keys": st.lists(keys), "skus": st.lists(st.sampled_from(["A", "AB", "ä", "?"]), unique=True),
    "numbers": st.lists(st.sampled_from(["#1", "#2"])), "ids": st.lists(words), "moments": st.lists(times, unique=True),
    "since": times, "after": keys, "from": keys, "to": keys, "consumer": st.sampled_from(["apply"]),
    "stream": st.sampled_from(["orders", "items"]), "reference": st.sampled_from(["r1", "r2", "r3"]),
    "pool": st.sampled_from(["p", "q"]), "line": st.integers(0, 1), "main": st.integers(0, 1), "binds": st.integers(0, 1), "firm": st.booleans(),
    "subject": st.sampled_from(["velocity", "r", "a"]), "velocity": st.sampled_from(["high", "low"]), "buffers": words,
    "slow_since_ms": st.none() | times, "number": st.none() | st.integers(-3, 4),
    "mode": st.sampled_from(["paused", "shadow"]), "sink": st.sampled_from(["", "velocity"]),
    "learned": st.binary(max_size=9).map(bytes.hex),
    "operations": st.lists(st.sampled_from(["set_stock", "put_order"])),
    "account": st.sampled_from(["A", "ä\x1f1"]), "accounts": st.lists(st.sampled_from(["A", "ä\x1f1"])),
    "accepted": st.integers(0, 1), "bounded": st.integers(0, 1), "binding": keys,
    "references": st.lists(st.sampled_from(["r1", "r2", "1"])), "systems": st.lists(st.sampled_from(["shop", "erp"])),
    "sent": st.lists(st.tuples(words, words, st.integers(0, 9)).map(list), max_size=3),
}  # fmt: skip
NUMBERS = {
    "version",
    "tiebreak",
    "offset",
    "quantity",
    "taken",
    "erp_quantity",
    "held",
    "by",
    "seq",
    "lag_ms",
    "free",
    "asked",
    "units",
    "rows",
    "dry_run",
    "aside",
    "restores",
    "amount",
    "room",
}


def value(statement, name):
    if statement in ("audits", "audit_tail", "parked_open", "parked_after") and name in ("after", "before"):
        return st.sampled_from([0, 10**9])  # an id
    if statement in ("audit_put", "audit_erase") and name in ("before", "after"):
        return words
    if statement in ("parked_resolve", "difference_decide") and name == "by":
        return words
    if statement == "mapping_put" and name == "by":
        return words
    if statement.startswith("mapping") and name == "number":
        return st.integers(1, 3)
    if statement.startswith("difference") and name == "state":
        return st.sampled_from(["", "named", "repairing", "waiting", "declined"])
    if statement.startswith(("credit_", "order_retire")) and name == "number":
        return VALUES["order_key"]
    if name in VALUES:
        return VALUES[name]
    if name in NUMBERS:
        return small
    return times if name.endswith("_ms") else words


# A line of a hold is of one SKU; of two, each store keeps the one that it comes to first.
APART = {"hold_put": lambda row: (row["reference"], row["line"], row["pool"])}


def rows_of(statement):
    fields = {name: value(statement, name) for name in sorted(WRITES[statement].columns)}
    return st.lists(
        st.fixed_dictionaries(fields),
        max_size=1 if statement.startswith("forget_") or statement == "credit_take" else 4,
        unique_by=APART.get(statement),
    )


write = st.sampled_from(sorted(WRITES.keys() - OWN)).flatmap(
    lambda name: st.builds(Write, st.just(name), rows_of(name), st.just(name == "lease_check")),
)
append = st.tuples(
    st.lists(
        st.builds(
            Event, VALUES["system"], words, words, st.sampled_from(list(Via)), times, st.binary(max_size=9)
        ),
        max_size=4,
    ),
    st.sampled_from([T0, T0 + 16 * DAY_MS, T0 + 33 * DAY_MS, T0 + 70 * DAY_MS]),
    st.none() | st.builds(Cursor, VALUES["system"], VALUES["stream"], words, times),
)
step = st.lists(write, min_size=1, max_size=4) | append


async def do(store, what):
    if isinstance(what, tuple):
        events, received_at_ms, cursor = what
        return await store.append(events, received_at_ms=received_at_ms, cursor=cursor)
    try:
        results = await store.write(*what)
    except Fenced:
        return "fenced"
    return [
        len(rows) if write.statement in NUMBERED else sorted(rows)
        for write, rows in zip(what, results, strict=True)
    ]


async def ask(store, statement, parameters):
    rows = await store.read(statement, **parameters)
    if (
        statement.startswith(("parked_", "audit"))
        and rows
        and isinstance(rows[0][0], int)
        and statement != "parked_count"
    ):
        rows = [row[1:] for row in rows]
    ordered = "ORDER BY" in STATEMENTS[statement].sql and statement not in (
        "attempts_like",
        "send_times",
    )
    return rows if ordered else sorted(rows, key=repr)


def dump_of(table):
    return f'SELECT * FROM "{table}"'


def comparable(table, rows):
    rows = [tuple(row)[1:] if table in SERIAL else tuple(row) for row in rows]
    return sorted(rows, key=repr)


@pytest.fixture
async def both(postgres, schema):
    store = await PostgresStore.open(postgres.dsn, now_ms=T0, schema=schema)
    connection = await asyncpg.connect(postgres.dsn, server_settings={"search_path": schema})
    yield store, connection
    await connection.close()
    await store.close()


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(steps=st.lists(step, min_size=1, max_size=14), data=st.data())
@pytest.mark.slow
async def test_both_stores_do_the_same(both, steps, data):
    postgres, connection = both
    sqlite = SqliteStore.open(":memory:", now_ms=T0)
    listed = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'migration'"
    tables = [name for (name,) in sqlite._connection.execute(listed)]
    await connection.execute(
        "; ".join(f'DELETE FROM "{table}"' for table in tables) + '; UPDATE event_head SET "offset" = 0',
    )
    for what in steps:
        expected, found = await do(sqlite, what), await do(postgres, what)
        assert found == expected, what
        for table in tables:
            ours = comparable(table, sqlite._connection.execute(dump_of(table)))
            theirs = comparable(table, await connection.fetch(dump_of(table)))
            assert theirs == ours, (table, what)
    for name in sorted(READS.keys() - OWN):
        fields = {field: value(name, field) for field in READS[name].parameters}
        parameters = data.draw(
            st.fixed_dictionaries({**fields, **({"limit": st.just(99)} if "limit" in fields else {})})
        )
        assert await ask(postgres, name, parameters) == await ask(sqlite, name, parameters), (
            name,
            parameters,
        )
    await sqlite.close()


class _ManyAtOnce(SqliteStore):
    many_least = 1


MANY = SqliteStore.open(":memory:", now_ms=T0)._keys


def test_both_stores_say_the_same_of_what_rows_are_unique_by():
    theirs = {name: WRITES[name].key for name in MANY if WRITES[name].key}
    assert theirs == {name: key for name, key in MANY.items() if name in theirs}


many_rows = st.sampled_from(sorted(MANY)).flatmap(
    lambda name: st.builds(
        Write,
        st.just(name),
        st.lists(
            st.fixed_dictionaries({each: value(name, each) for each in sorted(WRITES[name].columns)}),
            min_size=1,
            max_size=12,
        ),
        told=st.booleans(),
    )
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(many_rows | write, min_size=1, max_size=14))
@pytest.mark.slow
async def test_one_statement_for_many_rows_does_what_one_a_row_does(steps):
    one, many = SqliteStore.open(":memory:", now_ms=T0), _ManyAtOnce.open(":memory:", now_ms=T0)
    one.many_least = 10**9
    listed = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'migration'"
    tables = [name for (name,) in one._connection.execute(listed)]
    for what in steps:
        assert await do(many, [what]) == await do(one, [what]), what
        for table in tables:
            ours, theirs = (list(store._connection.execute(dump_of(table))) for store in (one, many))
            assert comparable(table, theirs) == comparable(table, ours), (table, what)
    for store in (one, many):
        await store.close()
