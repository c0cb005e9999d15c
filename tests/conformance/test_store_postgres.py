from __future__ import annotations

import asyncio
import builtins
import json
import signal
import sys
from contextlib import asynccontextmanager

import pytest
from tests.conformance.postgres_server import NoServerError, PostgresServer

from syncline.model.errors import Fenced, Misconfigured, OutcomeUnknown, Rejected, Retryable
from syncline.ports import Write
from syncline.stores.statements import ROWS_MAX, load_queries
from syncline.testing.store import StoreConformance
from syncline.testing.store_tools import T0, event, put

asyncpg = pytest.importorskip("asyncpg", reason="the postgres extra is not installed")
from syncline.stores.postgres import PostgresStore  # noqa: E402 (only with its driver)
from syncline.stores.postgres import store as postgres_store  # noqa: E402

pytestmark = pytest.mark.postgres


class TestPostgres(StoreConformance):
    @pytest.fixture(autouse=True)
    def _server(self, postgres, emptied):
        self.server = postgres
        self.emptied = emptied

    @asynccontextmanager
    async def store(self):
        self.schema = await self.emptied.as_new()
        self.current = await self.open()
        try:
            yield self.current
        finally:
            await self.current.close()

    async def open(self):
        return await PostgresStore.open(self.server.dsn, now_ms=T0, schema=self.schema)

    async def reopen(self, store):
        await store.close()
        self.current = await self.open()
        return self.current


@pytest.fixture
async def store(postgres, schema):
    store = await PostgresStore.open(postgres.dsn, now_ms=T0, schema=schema)
    yield store
    await store.close()


@pytest.fixture
async def other(postgres, schema, store):
    """A second process's view of the same installation."""
    other = await PostgresStore.open(postgres.dsn, now_ms=T0, schema=schema)
    yield other
    await other.close()


def mark(sku, changed_at_ms=1):
    return Write("dirty_mark", [{"sku": sku, "changed_at_ms": changed_at_ms}])


async def skus(store):
    return [row[0] for row in await store.read("dirty", now_ms=0, limit=10_000)]


# --- statements ------------------------------------------------------------------------------------


def test_both_stores_know_the_same_statements():
    names = [load_queries(f"syncline.stores.{name}").keys() for name in ("sqlite", "postgres")]
    assert names[0] == names[1]


def test_a_statement_that_cannot_touch_a_row_twice_says_what_its_rows_are_unique_by():
    for name, text in load_queries("syncline.stores.postgres").items():
        statement = postgres_store.parse_statement(text)
        writes = statement.columns and not name.startswith("forget_")
        if writes and name not in ("lag_put", "audit_put"):  # these only insert, and in the order given
            assert statement.key, name
            assert set(statement.key) <= statement.columns, name
        assert bool(statement.parameters) + bool(statement.columns) < 2, name


async def test_rows_that_share_a_key_run_one_after_the_other(store):
    rows = [{"sku": "A", "changed_at_ms": n} for n in (5, 3, 4)] + [{"sku": "B", "changed_at_ms": 1}]
    assert sorted((await store.write(Write("dirty_mark", rows)))[0]) == [("A",)] * 3 + [("B",)]
    assert await store.read("dirty", now_ms=0, limit=9) == [("B", 1, 1), ("A", 3, 3)]


async def test_more_rows_than_fit_in_one_statement_are_one_transaction(store):
    count = 2 * ROWS_MAX + 7
    rows = [{"sku": f"{n}", "changed_at_ms": n} for n in range(count)]
    assert len((await store.write(Write("dirty_mark", rows)))[0]) == count
    assert len(await skus(store)) == count


async def test_a_row_that_lacks_a_column_is_an_error_and_not_a_null(store):
    with pytest.raises(KeyError, match="changed_at_ms"):
        await store.write(Write("dirty_mark", [{"sku": "A"}]))


@pytest.mark.parametrize(
    "row", [{"sku": "a\0b", "changed_at_ms": 1}, {"sku": "\ud800", "changed_at_ms": 1},
            {"sku": "A", "changed_at_ms": 2**63}, {"sku": "x" * 200_000, "changed_at_ms": 1}],
    ids=["nul", "surrogate", "too big", "too long for an index"],
)  # fmt: skip
async def test_content_that_postgresql_cannot_hold_is_rejected(store, row):
    row = (
        {**row, "sku": "".join(chr(33 + n * 7919 % 90000) for n in range(9000))}
        if len(row["sku"]) > 9
        else row
    )
    with pytest.raises(Rejected):
        await store.write(mark("before"), Write("dirty_mark", [row]))
    assert await skus(store) == []


async def test_a_cursor_that_postgresql_cannot_hold_is_refused_alone(store):
    from syncline.model.change import Cursor

    stream = "".join(
        chr(33 + n * 7919 % 50000) for n in range(9000)
    )  # too long for an index, found by the server
    answers = await asyncio.gather(
        store.append([event("a")], received_at_ms=T0),
        store.append([event("b")], received_at_ms=T0, cursor=Cursor("shop", stream, "", 1)),
        store.append([event("c")], received_at_ms=T0),
        return_exceptions=True,
    )
    assert isinstance(answers[1], Rejected)
    assert [answers[0], answers[2]] == [[1], [2]]


# --- several processes -----------------------------------------------------------------------------


async def test_a_reader_misses_nothing_while_two_processes_append(store, other):
    seen = []
    done = asyncio.Event()

    async def append(writer, n):
        for turn in range(20):
            await writer.append(
                [event(f"{id(writer)}.{n}.{turn}.{m}") for m in range(n % 3 + 1)], received_at_ms=T0
            )

    async def follow():
        while True:
            last_round = done.is_set()
            logged = await other.events(seen[-1] if seen else 0, 50)
            seen.extend(one.offset for one in logged)
            if last_round and not logged:
                return

    follower = asyncio.ensure_future(follow())
    await asyncio.gather(*(append(writer, n) for writer in (store, other) for n in range(6)))
    done.set()
    await follower
    assert seen == list(range(1, 2 * 20 * 12 + 1))


async def test_one_event_sent_to_two_processes_is_one_event(store, other):
    answers = await asyncio.gather(
        *(each.append([event(str(n))], received_at_ms=T0) for n in range(40) for each in (store, other)),
    )
    assert sorted(offset for [offset] in answers if offset is not None) == list(range(1, 41))


async def test_appends_that_wait_share_a_commit(store):
    await asyncio.gather(*(store.append([event(str(n))], received_at_ms=T0) for n in range(500)))
    assert store.commits < 10


async def test_nobody_takes_a_lease_between_a_check_and_its_commit(store, other):
    """A transaction that has passed its guard commits before the next owner gets its fence."""
    await put(store, "lease_take", name="lane", owner="a", now_ms=T0, ttl_ms=10)
    guard = Write("lease_check", [{"name": "lane", "owner": "a", "fence": 1}], guard=True)
    taken = []

    async def write(n):
        try:
            await store.write(guard, mark(f"{n}"))
        except Fenced:
            return False
        return not taken  # a write that succeeds after the take-over was known would be a zombie's

    async def take():
        rows = await put(other, "lease_take", name="lane", owner="b", now_ms=T0 + 10, ttl_ms=10)
        seen = set(await skus(other))
        taken.append(seen)
        return rows

    answers = await asyncio.gather(*(write(n) for n in range(30)), take(), *(write(n) for n in range(30, 60)))
    assert answers[30] == [(2,)]
    assert set(await skus(store)) == taken[0], "nothing was written after the take-over"


async def test_transactions_that_block_each_other_are_run_again(store, other):
    """Two transactions lock two rows in opposite orders; the server undoes one, and it is run again."""
    await store.write(mark("A"), mark("B"))
    await asyncio.gather(
        *(each.write(mark(first), mark(second)) for _ in range(10)
          for each, first, second in ((store, "A", "B"), (other, "B", "A"))),
    )  # fmt: skip
    rows = await store.read("dirty", now_ms=0, limit=9)
    assert sorted(rows) == [("A", 21, 1), ("B", 21, 1)]


async def test_processes_that_start_together_set_up_one_schema(postgres, schema):
    stores = await asyncio.gather(
        *(PostgresStore.open(postgres.dsn, now_ms=T0, schema=schema) for _ in range(5))
    )
    await stores[0].write(mark("A"))
    assert [await skus(store) for store in stores] == [["A"]] * 5
    await asyncio.gather(*(store.close() for store in stores))


async def test_installations_in_two_schemas_do_not_see_each_other(postgres, schema, store):
    second = await PostgresStore.open(postgres.dsn, now_ms=T0, schema=schema + "b")
    await store.write(mark("A"))
    assert await skus(second) == []
    await second.close()


# --- connections that break ------------------------------------------------------------------------


class Cable:
    """A proxy between store and server that can be cut around a COMMIT."""

    def __init__(self, port):
        self.target = port
        self.cut = ""  # "before" or "after" the server got the COMMIT; "hang": before, and its session stays
        self.cuts = 0
        self.open = []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.connect, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc):
        self.server.close()
        for writer in self.open:
            writer.close()

    async def connect(self, reader, writer):
        there, thither = await asyncio.open_connection("127.0.0.1", self.target)
        self.open += [writer, thither]
        back = asyncio.ensure_future(self.copy(there, writer))
        try:
            while data := await reader.read(65536):
                if b"COMMIT" in data and self.cut:
                    how, self.cut = self.cut, ""
                    self.cuts += 1
                    back.cancel()
                    await asyncio.wait([back])
                    if how == "after":
                        thither.write(data)
                        await there.read(1)  # the server has answered, so it is committed
                    writer.close()
                    if how == "hang":
                        return
                    if how == "for good":
                        self.server.close()
                    break
                thither.write(data)
        except ConnectionError:
            pass
        thither.close()

    async def copy(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except ConnectionError:
            pass
        writer.close()


@pytest.mark.parametrize("cut", ["before", "after", "hang"])
async def test_a_commit_whose_answer_is_lost_is_looked_up(postgres, schema, cut):
    async with Cable(postgres.port) as cable:
        store = await PostgresStore.open(postgres.dsn_over_tcp(cable.port), now_ms=T0, schema=schema)
        cable.cut = cut
        assert await store.append([event("a"), event("b")], received_at_ms=T0) == [1, 2]
        assert cable.cuts == 1
        cable.cut = cut
        assert await store.write(mark("A")) == [[("A",)]]
        assert cable.cuts == 2
        assert await store.read("dirty", now_ms=0, limit=9) == [("A", 1, 1)], "marked once, not twice"
        assert [one.offset for one in await store.events(0, 9)] == [1, 2]
        assert store.resolved == 2
        assert store.retries == (0 if cut == "after" else 2)
        await store.close()


async def test_a_commit_in_doubt_is_not_guessed_when_the_server_stays_away(postgres, schema, monkeypatch):
    monkeypatch.setattr(postgres_store, "RESOLVE_TRIES_MAX", 2)
    async with Cable(postgres.port) as cable:
        store = await PostgresStore.open(postgres.dsn_over_tcp(cable.port), now_ms=T0, schema=schema)
        await store.write(mark("A"))
        cable.cut = "for good"
        with pytest.raises(OutcomeUnknown, match="broke during COMMIT"):
            await store.write(mark("B"))
        await store.close()


async def test_a_session_that_the_server_forgot_is_replaced(postgres, schema, store):
    """As after a fail-over to a standby that was behind: the row by which a doubt is resolved is missing."""
    await store.write(mark("A"))
    connection = await asyncpg.connect(postgres.dsn, server_settings={"search_path": schema})
    await connection.execute("DELETE FROM session")
    await connection.close()
    await store.write(mark("A"))
    assert await store.read("dirty", now_ms=0, limit=9) == [("A", 2, 1)]


async def test_connections_that_died_while_idle_are_replaced(postgres, schema, store):
    await asyncio.gather(*(store.write(mark(str(n))) for n in range(20)))
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND usename = current_user AND query NOT LIKE 'autovacuum%'",
    )
    await connection.close()
    await asyncio.gather(*(store.write(mark(str(n))) for n in range(20)), store.events(0, 9), skus(store))
    assert sorted(await store.read("dirty", now_ms=0, limit=99)) == sorted((str(n), 2, 1) for n in range(20))


async def test_a_transaction_that_is_killed_under_way_is_run_again(postgres, schema, store):
    blocker = await asyncpg.connect(postgres.dsn, server_settings={"search_path": schema})
    await store.write(mark("A"))
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("SELECT * FROM dirty FOR UPDATE")
    waiting = asyncio.ensure_future(store.write(mark("before"), mark("A")))
    for _ in range(1000):
        killed = await blocker.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND pg_backend_pid() = ANY (pg_blocking_pids(pid))",
        )
        if killed:
            break
    assert killed == 1
    await transaction.rollback()
    await waiting
    assert sorted(await store.read("dirty", now_ms=0, limit=9)) == [("A", 2, 1), ("before", 1, 1)]
    await blocker.close()


async def test_a_statement_that_takes_too_long_is_given_up_as_not_done(postgres, schema, monkeypatch):
    real = postgres_store.session
    monkeypatch.setattr(postgres_store, "session", lambda schema: {**real(schema), "lock_timeout": "50"})
    store = await PostgresStore.open(postgres.dsn, now_ms=T0, schema=schema)
    await store.write(mark("A"))
    blocker = await asyncpg.connect(postgres.dsn, server_settings={"search_path": schema})
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("SELECT * FROM dirty FOR UPDATE")
    with pytest.raises(Retryable, match="lock timeout"):
        await store.write(mark("B"), mark("A"))
    await transaction.rollback()
    assert await store.read("dirty", now_ms=0, limit=9) == [("A", 1, 1)]
    await blocker.close()
    await store.close()


@pytest.mark.parametrize("midst", [False, True], ids=["between statements", "in the midst of one"])
@pytest.mark.parametrize("ours", [True, False])
async def test_locks_of_a_process_that_stands_still_are_taken_from_it(
    postgres, schema, monkeypatch, ours, midst
):
    """A frozen machine answers nothing, and never lets go; in the midst of a statement not even the server's limit counts."""
    real = postgres_store.session
    monkeypatch.setattr(postgres_store, "session", lambda name: {**real(name), "lock_timeout": "300"})
    monkeypatch.setattr(postgres_store, "STALLED_S", 0.1)
    settings = {"search_path": schema, **({"application_name": "syncline"} if ours else {})}
    store = await PostgresStore.open(postgres.dsn, now_ms=T0, schema=schema)
    frozen = await asyncpg.connect(postgres.dsn, server_settings=settings)
    try:
        await store.append([event("first")], received_at_ms=T0)
        await frozen.execute("BEGIN")
        await frozen.execute('UPDATE event_head SET "offset" = 7')
        if midst:
            await frozen.prepare("SELECT 1")  # asked for, and not yet run: the server waits for the rest
        appending = store.append([event("next")], received_at_ms=T0)
        if ours:
            assert await appending == [2]
            assert store.retries == 1
        else:
            with pytest.raises(Retryable, match="lock timeout"):
                await appending
            await frozen.execute("ROLLBACK")
    finally:
        frozen.terminate()
        await store.close()


async def test_a_caller_that_gives_up_does_not_undo_its_transaction(store):
    for work in (store.append([event("a")], received_at_ms=T0), store.write(mark("A"))):
        task = asyncio.ensure_future(work)
        started = asyncio.Event()
        asyncio.get_running_loop().call_soon(started.set)
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await store.close()  # waits for both
    assert not store._tasks


async def test_a_closed_store_takes_nothing(postgres, schema):
    store = await PostgresStore.open(postgres.dsn, now_ms=T0, schema=schema)
    await store.close()
    with pytest.raises(Retryable, match="closed"):
        await store.write(mark("A"))
    with pytest.raises(Retryable, match="closed"):
        await store.append([event("a")], received_at_ms=T0)


async def test_a_server_that_is_restarted_or_crashes_under_load_loses_nothing(schema):
    """Its own server, because it is stopped three times while twelve writers go on."""
    try:
        server = PostgresServer()
    except NoServerError as error:
        pytest.skip(str(error))
    try:
        store = await PostgresStore.open(server.dsn, now_ms=T0, schema=schema)
        acknowledged = []
        written = []
        stop = asyncio.Event()

        async def append(writer):
            turn = 0
            while not stop.is_set():
                turn += 1
                name = f"{writer}.{turn}"
                for _ in range(40):
                    try:
                        await store.append([event(name)], received_at_ms=T0)
                        await store.write(mark(name))
                    except Retryable:
                        continue
                    break
                acknowledged.append(name)
                written.append(name)

        writers = [asyncio.ensure_future(append(n)) for n in range(12)]
        for how in (signal.SIGQUIT, signal.SIGINT, signal.SIGQUIT):
            goal = len(acknowledged) + 150
            while len(acknowledged) < goal:
                await store.events(len(acknowledged), 1)
            await asyncio.to_thread(server.stop, how)
            await asyncio.to_thread(server.start)
        stop.set()
        await asyncio.gather(*writers)
        logged = [one.event.event_id for one in await store.events(0, 100_000)]
        assert len(logged) == len(set(logged)), "nothing twice"
        assert set(acknowledged) == set(logged), "nothing lost"
        assert set(written) == set(await skus(store))
        assert [one.offset for one in await store.events(0, 100_000)] == list(range(1, len(logged) + 1))
        await store.close()
    finally:
        server.close()


# --- gates -----------------------------------------------------------------------------------------


def test_without_its_driver_the_store_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("syncline.stores.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == "asyncpg":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Misconfigured, match=r"pip install 'syncline\[postgres\]'"):
        __import__("syncline.stores.postgres")


@pytest.mark.parametrize("name", ["Upper", "with space", 'quo"te', "", "1st", "a" * 64, "x;drop"])
async def test_a_schema_name_that_would_have_to_be_quoted_is_refused(name):
    with pytest.raises(Misconfigured, match="schema"):
        await PostgresStore.open("postgresql://nowhere", now_ms=T0, schema=name)


async def test_a_server_that_does_not_answer_is_something_to_retry(unused_tcp_port_factory):
    with pytest.raises(Retryable, match="cannot be reached"):
        await PostgresStore.open(f"postgresql://u@127.0.0.1:{unused_tcp_port_factory()}/x", now_ms=T0)


async def test_a_wrong_database_or_role_is_a_configuration_error(postgres):
    for dsn in (
        postgres.dsn.replace("/syncline?", "/nothing?"),
        postgres.dsn.replace("syncline@", "stranger@"),
    ):
        with pytest.raises(Misconfigured, match=r"^\[store\] url: .* does not exist"):
            await PostgresStore.open(dsn, now_ms=T0)


async def test_a_role_that_may_not_create_the_schema_gets_the_statement_to_run(postgres, schema):
    role = f"poor_{schema}"
    postgres.sql(f"CREATE ROLE {role} LOGIN")
    with pytest.raises(Misconfigured, match=f"CREATE SCHEMA {schema} AUTHORIZATION"):
        await PostgresStore.open(postgres.dsn.replace("syncline@", f"{role}@"), now_ms=T0, schema=schema)
    postgres.sql(f"CREATE SCHEMA {schema} AUTHORIZATION {role}", database="syncline")
    store = await PostgresStore.open(postgres.dsn.replace("syncline@", f"{role}@"), now_ms=T0, schema=schema)
    await store.write(mark("A"))
    await store.close()


async def test_a_database_that_is_not_utf8_is_refused(postgres, schema):
    postgres.sql(f"CREATE DATABASE {schema} OWNER syncline ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(Misconfigured, match="encoded in LATIN1"):
        await PostgresStore.open(postgres.dsn.replace("/syncline?", f"/{schema}?"), now_ms=T0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((120_015, "12.15", "UTF8", "on", "on", False, "off"), "too old"),
        ((150_000, "15", "UTF8", "off", "on", False, "off"), "fsync"),
        ((150_000, "15", "UTF8", "on", "off", False, "off"), "full_page_writes"),
        ((150_000, "15", "UTF8", "on", "on", True, "off"), r"\[store\] url leads to a standby"),
        ((150_000, "15", "UTF8", "on", "on", False, "on"), "read-only"),
    ],
)
async def test_a_server_that_may_lose_what_was_accepted_is_refused(answer, words):
    from syncline.stores.postgres.server import check_server

    class Connection:
        async def fetchrow(self, sql):
            return answer

    with pytest.raises(Misconfigured, match=words):
        await check_server(Connection())


async def test_every_connection_waits_for_the_disk_and_for_nothing_else(postgres, schema, store):
    postgres.sql("ALTER DATABASE syncline SET synchronous_commit = off")
    try:
        second = await PostgresStore.open(postgres.dsn, now_ms=T0, schema=schema)
        rows = await second._fetch(
            "SELECT current_setting('synchronous_commit'), current_setting('statement_timeout'),"
            " current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout')",
        )
        assert rows == [("on", "30s", "10s", "5s")]
        await second.close()
    finally:
        postgres.sql("ALTER DATABASE syncline RESET synchronous_commit")


FILLED = {
    "record": "INSERT INTO record SELECT 'erp', 'stock', 'S' || n || chr(31) || '1', 1, 0, 1, 1, 0, '', '{}' FROM ",
    "binding": (
        "INSERT INTO binding (system, kind, key, external_id) "
        "SELECT 'shop', 'stock', 'S' || n || chr(31) || 'L', 'E' || n FROM "
    ),
    "shelf": "INSERT INTO shelf SELECT 'S' || n, 'P', 1, 1, 0, 1 FROM ",
    "demand": (
        "INSERT INTO demand (channel, order_key, line_id, location, sku, quantity, taken) "
        "SELECT 'shop', 'O' || n, '1', '', 'S' || n, 1, 1 FROM "
    ),
}
SOME = {"jsonb": '["S1", "S2"]', "text": "a", "bool": False}


def scanned(plan):
    """The tables that a plan reads from end to end."""
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from scanned(part)


async def test_rows_that_are_named_are_looked_up_however_many_there_are(store):
    async with store._pool.acquire() as connection:
        for table, insert in FILLED.items():
            await connection.execute(f"{insert} generate_series(1, 5000) AS n")
            await connection.execute(f"ANALYZE {table}")
        asked, walking = 0, {}
        for name, statement in store._statements.items():
            if statement.sql.startswith("SELECT") and "jsonb_array_elements_text(" in statement.sql:
                prepared = await connection.prepare(statement.sql)
                values = [SOME.get(one.name, 1) for one in prepared.get_parameters()]
                ((plan,),) = [await prepared.explain(*values)]
                if whole := FILLED.keys() & set(scanned(plan["Plan"])):
                    walking[name] = whole
                asked += 1
    assert asked > 20
    assert walking == {}


NEW = {  # 5,000 rows each of a system "late", of which the server has no statistics; 20,000 claims on credit
    "record": (
        "INSERT INTO record SELECT 'late', 'stock', 'S' || n || chr(31) || 'L', 1, 0, 1, 1, 0, '', '{}' FROM ",
        (
            "INSERT INTO record SELECT 'late', 'order', 'O' || n, 1, 0, 1, 1, 0, '', json_build_object('number', '#' || n,"
            " 'placed_at_ms', 1, 'order_key', 'O' || n) FROM "
        ),
    ),
    "binding": (
        (
            "INSERT INTO binding (system, kind, key, external_id, held) "
            "SELECT 'late', 'stock', 'S' || n || chr(31) || 'L', 'E' || n, 1 FROM "
        ),
    ),
    "delivery": (
        "INSERT INTO delivery SELECT 'late', 'stock', 'S' || n || chr(31) || 'L', '', 'available', 1, 1, 0, 1, 9, 0, '', 1 FROM ",
    ),
    "content": ("INSERT INTO content SELECT 'late', 'stock', 'S' || n || chr(31) || 'L', '', '', 1 FROM ",),
    "demand": (
        (
            "INSERT INTO demand (channel, order_key, line_id, location, sku, quantity, taken, settled) "
            "SELECT 'late', 'O' || n, '1', '', 'S' || n, 2, 1, 1 FROM "
        ),
    ),
    "doubted": ("INSERT INTO doubted SELECT 'late', 'S' || n || chr(31) || 'L', 1, 0, 1, 1, 1, '' FROM ",),
    "hold": (
        "INSERT INTO hold SELECT 'R' || n, 1, 'P', 'late', 'S' || n, '', 1, 1, 'open', 1, 1, '', '', 1, 1, 0 FROM ",
    ),
    "credit_claim": (
        (
            "INSERT INTO credit_claim SELECT 'C' || m || '.' || n, 'late', 'A' || n, 'late', 'O' || m || '.' || n, 1, 'EUR',"
            " 'contained', 1, '', 1, 1, 1, 1 FROM generate_series(1, 8) AS m, "
        ),
    ),
    "routing": ("INSERT INTO routing SELECT 'late', 'O' || n, '1', 1, '', '' FROM ",),
    "difference": ("INSERT INTO difference SELECT 'late', 'S' || n, '', '', '', 1, '', '', 1, 1, 1 FROM ",),
    "state_mark": ("INSERT INTO state_mark SELECT 'late', 'S' || n, 1, n, n FROM ",),
    "erased": ("INSERT INTO erased SELECT 'late', 'stock', 'S' || n, 1 FROM ",),
}
ASKED = {
    **dict.fromkeys(("system", "channel", "route"), "'late'"), "kind": "'stock'", "operation": "'stock'",
    "keys": """'["S1\\u001fL", "S2", "O3"]'""", "skus": """'["S1", "S2"]'""", "orders": """'["O1", "O2"]'""",
    "numbers": """'["#3"]'""", "accounts": """'["A1"]'""", "references": """'["O1"]'""", "ids": """'["E1", "E2"]'""", "moments": "'[]'",
    "operations": "'[]'", "from": "''", "to": "''", "now_ms": "4999", "since_ms": "0", "limit": "100",
}  # fmt: skip
SET = {"system": "late", "operation": "stock", "key": "S1\x1fL", "now_ms": 1}
WRITTEN = {
    "delivery_run": [SET],
    "delivery_hasten": [SET],
    "delivery_touch": [
        {
            **SET,
            "route": "",
            "changed_at_ms": 1,
            "deliver_by_ms": 1,
            "not_before_ms": 1,
            "wanted": False,
            "rev": 0,
        }
    ],
    "credit_release": [{"reference": "C1.1"}],
    "credit_replace": [{"channel": "late", "order_key": "O1", "number": "#1", "reference": "new"}],
    "hold_meet": [{"reference": "R1", "order_key": "O1"}],
}
NOT_BY_NAME = {"parked_of", "holds_of_skus"}  # what is parked or held is little


def touched(plan):
    """How many rows of the tables above a plan looked at, those that it threw away included."""
    rows = sum(plan.get(f"Rows Removed by {how}", 0) for how in ("Filter", "Join Filter", "Index Recheck"))
    if plan.get("Relation Name") in NEW:
        rows += plan["Actual Rows"]
    return rows * plan["Actual Loops"] + sum(map(touched, plan.get("Plans", ())))


@pytest.mark.parametrize("before", [False, True], ids=["never analyzed", "analyzed before they came"])
@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
async def test_what_the_server_believes_of_a_table_does_not_make_it_read_all_of_it(store, before, plans):
    asked = {
        name: [ASKED[one] for one in statement.parameters]
        for name, statement in store._statements.items()
        if "jsonb_array_elements_text(" in statement.sql and statement.parameters and name not in NOT_BY_NAME
    }
    asked |= {"state_next": ["4999"], "unseen": ["200"]}
    asked |= {name: [f"'{json.dumps(rows)}'"] for name, rows in WRITTEN.items()}
    assert len(asked) > 25
    walking = {}
    async with store._pool.acquire() as connection:
        await connection.execute(f"SET plan_cache_mode = {plans}")
        for table, inserts in NEW.items():
            await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
            for insert in inserts:
                if before:
                    older = (
                        insert.replace("'late'", "'early'")
                        .replace("'available'", "'completed'")
                        .replace("'R'", "'Q'")
                        .replace("'C'", "'B'")
                        .replace("'open'", "'released'")
                    )
                    await connection.execute(f"{older} generate_series(1, 5000) AS n")
            await connection.execute(f"ANALYZE {table}" if before else "SELECT 1")
            for insert in inserts:
                await connection.execute(f"{insert} generate_series(1, 5000) AS n")
        for name, values in asked.items():
            await connection.execute("BEGIN")
            await connection.execute(f"PREPARE it AS {store._statements[name].sql}")
            explained = await connection.fetchval(
                f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE it ({', '.join(values)})"
            )
            await connection.execute("ROLLBACK")
            await connection.execute("DEALLOCATE it")
            if (rows := touched(json.loads(explained)[0]["Plan"])) > 50:
                walking[name] = rows
        await connection.execute("RESET plan_cache_mode")
    assert walking == {}
