"""Both stores bring a schema up to date from every released state, wholly or not at all."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from dataclasses import replace

import apsw
import pytest

from syncline.model.errors import Misconfigured
from syncline.stores.sqlite import SqliteStore
from syncline.stores.sqlite import store as sqlite_store
from syncline.stores.statements import Migration, load_migrations, pending_migrations
from syncline.testing.store_tools import T0, event

SQLITE = load_migrations("syncline.stores.sqlite")
POSTGRES = load_migrations("syncline.stores.postgres")
SEE_US = f"import sys; sys.path[:0] = {sys.path!r}\n"


def ship(monkeypatch, module, migrations):
    """As if this version of Syncline came with these migrations."""
    monkeypatch.setattr(module, "load_migrations", lambda package: migrations)


def one_more(known, sql):
    return [*known, Migration(len(known) + 1, f"{len(known) + 1:04}_pre_more.sql", sql)]


# --- files -----------------------------------------------------------------------------------------


def test_both_stores_have_the_same_history():
    assert [m.name for m in SQLITE] == [m.name for m in POSTGRES]


def test_both_stores_have_the_same_tables_and_columns():
    def tables(migrations, own):
        text = re.sub(r"--.*", "", "\n".join(m.sql for m in migrations))
        found = {}
        for name, body in re.findall(r"CREATE TABLE (\w+) \((.*?)\n\)", text, re.DOTALL):
            columns = re.findall(r"^ +\"?(\w+)\"? +(?!KEY)\w+", body, re.MULTILINE)
            found[name] = [column for column in columns if column not in ("PRIMARY", "UNIQUE")]
        assert all(name in found for name in own)
        return {name: columns for name, columns in found.items() if name not in own}

    assert tables(SQLITE, ()) == tables(POSTGRES, ("event_head", "session"))


def test_a_gap_or_a_misnamed_file_is_noticed(tmp_path, monkeypatch):
    folder = tmp_path / "badly_migrated"
    (folder / "migrations").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    (folder / "migrations" / "0002_pre_x.sql").write_text("")
    with pytest.raises(ValueError, match="without a gap"):
        load_migrations("badly_migrated")
    (folder / "migrations" / "1_x.sql").write_text("")
    with pytest.raises(ValueError, match="name a migration"):
        load_migrations("badly_migrated")


def test_only_what_is_missing_is_pending():
    known = one_more(SQLITE, "SELECT 1")
    applied = {m.number: m.checksum for m in SQLITE}
    assert pending_migrations(known, {}) == known
    assert pending_migrations(known, applied) == known[-1:]


# --- SQLite ----------------------------------------------------------------------------------------


def sqlite_schema(path):
    connection = apsw.Connection(path)
    rows = list(connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"))
    connection.close()
    return rows


@pytest.mark.parametrize("released", range(len(SQLITE) + 1))
async def test_sqlite_comes_up_from_every_release_with_its_data(tmp_path, monkeypatch, released):
    path = str(tmp_path / "s.db")
    with monkeypatch.context() as patch:
        ship(patch, sqlite_store, SQLITE[:released])
        before = SqliteStore.open(path, now_ms=T0)
        if released:
            await before.append([event("kept")], received_at_ms=T0)
        await before.close()
    store = SqliteStore.open(path, now_ms=T0 + 1)
    assert await store.append([event("kept"), event("new")], received_at_ms=T0) == (
        [None, 2] if released else [1, 2]
    )
    history = list(store._connection.execute("SELECT number, name, checksum, applied_at_ms FROM migration"))
    assert history == [(m.number, m.name, m.checksum, T0 if m.number <= released else T0 + 1) for m in SQLITE]
    assert sqlite_store.migrate(store._connection, T0) == []
    await store.close()
    fresh = str(tmp_path / "fresh.db")
    await SqliteStore.open(fresh, now_ms=T0).close()
    assert sqlite_schema(path) == sqlite_schema(fresh)


async def test_sqlite_refuses_an_altered_history(tmp_path, monkeypatch):
    path = str(tmp_path / "s.db")
    await SqliteStore.open(path, now_ms=T0).close()
    ship(monkeypatch, sqlite_store, [replace(SQLITE[0], sql=SQLITE[0].sql + "-- harmless"), *SQLITE[1:]])
    with pytest.raises(Misconfigured, match=f"{SQLITE[0].name} was changed"):
        SqliteStore.open(path, now_ms=T0)


async def test_sqlite_refuses_a_newer_database(tmp_path, monkeypatch):
    path = str(tmp_path / "s.db")
    with monkeypatch.context() as patch:
        ship(patch, sqlite_store, one_more(SQLITE, "CREATE TABLE later (x INTEGER)"))
        await SqliteStore.open(path, now_ms=T0).close()
    with pytest.raises(Misconfigured, match="install the version that wrote it"):
        SqliteStore.open(path, now_ms=T0)


async def test_a_migration_that_fails_in_sqlite_leaves_nothing(tmp_path, monkeypatch):
    path = str(tmp_path / "s.db")
    await SqliteStore.open(path, now_ms=T0).close()
    before = sqlite_schema(path)
    with monkeypatch.context() as patch:
        ship(
            patch,
            sqlite_store,
            one_more(SQLITE, "CREATE TABLE half (x INTEGER); INSERT INTO nowhere VALUES (1)"),
        )
        with pytest.raises(apsw.SQLError):
            SqliteStore.open(path, now_ms=T0)
    assert sqlite_schema(path) == before
    await SqliteStore.open(path, now_ms=T0).close()


DIE_IN_SQLITE = """
import os, signal, sys
import apsw
from syncline.stores.sqlite import store

known = store.load_migrations(store.PACKAGE)
kill = int(sys.argv[2])
store.load_migrations = lambda package: [
    *known,
    store_migration := __import__("syncline.stores.statements", fromlist=["x"]).Migration(
        len(known) + 1, "more", "CREATE TABLE half (x INTEGER); INSERT INTO half VALUES (1); SELECT die();"
        " CREATE TABLE rest (x INTEGER);",
    ),
]
real = store.connect

def connect(path, **more):
    connection = real(path, **more)
    connection.create_scalar_function("die", lambda: os.kill(os.getpid(), signal.SIGKILL) if kill else 1)
    return connection

store.connect = connect
store.SqliteStore.open(sys.argv[1], now_ms=1)
print("migrated")
"""


@pytest.mark.parametrize("from_empty", [False, True])
async def test_a_migration_that_is_killed_in_sqlite_is_done_by_the_next_start(tmp_path, from_empty):
    path = str(tmp_path / "s.db")
    if not from_empty:
        store = SqliteStore.open(path, now_ms=T0)
        await store.append([event("kept")], received_at_ms=T0)
        await store.close()

    def start(kill):
        return subprocess.run(
            [sys.executable, "-c", SEE_US + DIE_IN_SQLITE, path, str(int(kill))], capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert start(kill=True).returncode == -signal.SIGKILL
    names = [row[1] for row in sqlite_schema(path)]
    assert "half" not in names
    assert "event" in names, "the migrations before it had been completed"
    done = start(kill=False)
    assert done.stdout == "migrated\n", done.stderr
    assert {"half", "rest"} <= {row[1] for row in sqlite_schema(path)}


# --- PostgreSQL ------------------------------------------------------------------------------------

POSTGRES_SCHEMA = """
SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name
FROM information_schema.columns WHERE table_schema = $1
UNION ALL SELECT tablename, indexname, replace(indexdef, $1, ''), '', '', '' FROM pg_indexes WHERE schemaname = $1
ORDER BY 1, 2, 3
"""


@pytest.fixture
def store_class(postgres):
    from syncline.stores.postgres import PostgresStore

    return PostgresStore


@pytest.fixture
def server_module(postgres):
    from syncline.stores.postgres import server

    return server


async def postgres_schema(postgres, schema):
    import asyncpg

    connection = await asyncpg.connect(postgres.dsn)
    rows = [tuple(row) for row in await connection.fetch(POSTGRES_SCHEMA, schema)]
    await connection.close()
    return rows


@pytest.mark.postgres
@pytest.mark.parametrize("released", range(len(POSTGRES) + 1))
@pytest.mark.slow
async def test_postgres_comes_up_from_every_release_with_its_data(
    postgres, schema, store_class, server_module, monkeypatch, released,
):  # fmt: skip
    with monkeypatch.context() as patch:
        ship(patch, server_module, POSTGRES[:released])
        before = await store_class.open(postgres.dsn, now_ms=T0, schema=schema)
        if released:
            await before.append([event("kept")], received_at_ms=T0)
        await before.close()
    store = await store_class.open(postgres.dsn, now_ms=T0 + 1, schema=schema)
    assert await store.append([event("kept"), event("new")], received_at_ms=T0) == (
        [None, 2] if released else [1, 2]
    )
    history = await store._fetch(
        "SELECT number, name, checksum, applied_at_ms FROM migration ORDER BY number"
    )
    assert history == [
        (m.number, m.name, m.checksum, T0 if m.number <= released else T0 + 1) for m in POSTGRES
    ]
    await store.close()
    fresh = await store_class.open(postgres.dsn, now_ms=T0, schema=f"{schema}_fresh")
    await fresh.close()
    found, expected = (
        await postgres_schema(postgres, schema),
        await postgres_schema(postgres, f"{schema}_fresh"),
    )
    assert [tuple(str(x).replace("_fresh", "") for x in row) for row in expected] == [
        tuple(map(str, row)) for row in found
    ]


@pytest.mark.postgres
async def test_postgres_refuses_an_altered_history(postgres, schema, store_class, server_module, monkeypatch):
    await (await store_class.open(postgres.dsn, now_ms=T0, schema=schema)).close()
    ship(
        monkeypatch, server_module, [replace(POSTGRES[0], sql=POSTGRES[0].sql + "-- harmless"), *POSTGRES[1:]]
    )
    with pytest.raises(Misconfigured, match=f"{POSTGRES[0].name} was changed"):
        await store_class.open(postgres.dsn, now_ms=T0, schema=schema)


@pytest.mark.postgres
async def test_postgres_refuses_a_newer_database(postgres, schema, store_class, server_module, monkeypatch):
    with monkeypatch.context() as patch:
        ship(patch, server_module, one_more(POSTGRES, "CREATE TABLE later (x bigint)"))
        await (await store_class.open(postgres.dsn, now_ms=T0, schema=schema)).close()
    with pytest.raises(Misconfigured, match="install the version that wrote it"):
        await store_class.open(postgres.dsn, now_ms=T0, schema=schema)


@pytest.mark.postgres
async def test_a_migration_that_fails_in_postgres_leaves_nothing(
    postgres, schema, store_class, server_module, monkeypatch,
):  # fmt: skip
    import asyncpg

    await (await store_class.open(postgres.dsn, now_ms=T0, schema=schema)).close()
    before = await postgres_schema(postgres, schema)
    with monkeypatch.context() as patch:
        ship(
            patch,
            server_module,
            one_more(POSTGRES, "CREATE TABLE half (x bigint); INSERT INTO nowhere VALUES (1)"),
        )
        with pytest.raises(asyncpg.UndefinedTableError):
            await store_class.open(postgres.dsn, now_ms=T0, schema=schema)
    assert await postgres_schema(postgres, schema) == before
    await (await store_class.open(postgres.dsn, now_ms=T0, schema=schema)).close()


DIE_IN_POSTGRES = """
import asyncio, sys
from syncline.stores.postgres import PostgresStore, server
from syncline.stores.statements import Migration

known = server.load_migrations(server.PACKAGE)
server.load_migrations = lambda package: [
    *known, Migration(len(known) + 1, "more", "CREATE TABLE half (x bigint); SELECT pg_sleep(300);"),
]
print("starting", flush=True)
asyncio.run(PostgresStore.open(sys.argv[1], now_ms=1, schema=sys.argv[2]))
"""


@pytest.mark.postgres
async def test_a_migration_that_is_killed_in_postgres_is_done_by_the_next_start(
    postgres, schema, store_class, server_module, monkeypatch,
):  # fmt: skip
    import asyncpg

    watcher = await asyncpg.connect(postgres.dsn, server_settings={"search_path": schema})
    with subprocess.Popen(  # noqa: ASYNC220 (a moment)
        [sys.executable, "-c", SEE_US + DIE_IN_POSTGRES, postgres.dsn, schema], stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        asleep = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%half%'"
        while not (backend := await watcher.fetchval(asleep)):
            assert process.poll() is None
        process.kill()
    names = {row[0] for row in await postgres_schema(postgres, schema)}
    assert "event" in names
    assert "half" not in names
    # The server notices that nobody is there when it next writes to the client; we do not wait for that.
    await watcher.execute("SELECT pg_terminate_backend($1)", backend)
    await watcher.close()
    with monkeypatch.context() as patch:
        ship(
            patch,
            server_module,
            one_more(POSTGRES, "CREATE TABLE half (x bigint); CREATE TABLE rest (x bigint)"),
        )
        await (await store_class.open(postgres.dsn, now_ms=T0, schema=schema)).close()
    assert {"half", "rest"} <= {row[0] for row in await postgres_schema(postgres, schema)}


@pytest.mark.postgres
async def test_a_migration_waits_for_the_one_that_another_process_is_doing(
    postgres, schema, store_class, server_module, monkeypatch,
):  # fmt: skip
    ship(monkeypatch, server_module, one_more(POSTGRES, "CREATE TABLE once (x bigint); SELECT pg_sleep(0.3)"))
    stores = await asyncio.gather(
        *(store_class.open(postgres.dsn, now_ms=T0, schema=schema) for _ in range(3))
    )
    assert await stores[0]._fetch("SELECT count(*) FROM migration") == [(len(POSTGRES) + 1,)]
    await asyncio.gather(*(store.close() for store in stores))
