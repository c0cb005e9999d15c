"""What was acknowledged is there, exactly once, whatever happens to process or power."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import apsw
import pytest
from tests.conformance.power_cut import NAME, Recorder, after_cut, moments

from syncline.ports import Write
from syncline.stores.sqlite import LiveSqliteStore, SqliteStore
from syncline.stores.sqlite.store import connect, migrate
from syncline.testing.store_tools import T0, event

KILLS = int(os.getenv("SYNCLINE_KILLS", "20"))  # noqa: TID251 (how long to go on, said by whoever runs it)
CUTS = int(os.getenv("SYNCLINE_CUTS", "300"))  # noqa: TID251 (the same)

CHILD = """
import asyncio, sys

sys.path[:0] = {path!r}
from syncline.ports import Write
from syncline.testing.store_tools import T0, event

{open}

async def work(store, life, writer):
    turn = 0
    while True:
        turn += 1
        name = f"{{life}}.{{writer}}.{{turn}}"
        if {early}:
            print(name, flush=True)
        if writer % 2:
            await store.append([event(name), event("twin of " + name)], received_at_ms=T0)
        else:
            await store.write(
                Write("dirty_mark", [{{"sku": name, "changed_at_ms": 1}}]),
                Write("dirty_mark", [{{"sku": "twin of " + name, "changed_at_ms": 1}}]),
            )
        print(name, flush=True)

async def main():
    store = await open_store()
    await asyncio.gather(*(work(store, sys.argv[1], writer) for writer in range(8)))

asyncio.run(main())
"""
OPEN_SQLITE = """
from syncline.stores.sqlite import LiveSqliteStore

async def open_store():
    return await LiveSqliteStore.open({path!r}, now_ms=1)
"""
OPEN_POSTGRES = """
from syncline.stores.postgres import PostgresStore

async def open_store():
    return await PostgresStore.open({dsn!r}, now_ms=1, schema={schema!r})
"""


def live_and_die(opening, life, rng, *, early=False):
    """One life of a process that appends and writes; returns what it was told is safe before it was killed."""
    code = CHILD.format(path=sys.path, open=opening, early=early)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(life)], stdout=subprocess.PIPE, text=True
    ) as process:
        told = [process.stdout.readline() for _ in range(rng.randrange(1, 400))]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL, "it ended by itself"
    return [line.rstrip("\n") for line in told if line.endswith("\n")]


async def everything(store):
    logged = []
    while page := await store.events(len(logged), 1000):
        assert [one.offset for one in page] == list(range(len(logged) + 1, len(logged) + len(page) + 1))
        logged += [one.event.event_id for one in page]
    marks = await store.read("dirty", now_ms=0, limit=10_000_000)
    assert all(seq == 1 for _, seq, _ in marks), "something was written twice"
    assert len(set(logged)) == len(logged), "something was appended twice"
    return set(logged) | {sku for sku, _, _ in marks}


def check(found, told):
    assert told - found == set(), "acknowledged and lost"
    halves = {name for name in found if not name.startswith("twin") and f"twin of {name}" not in found}
    assert halves == set(), "a transaction was kept in part"
    assert {name for name in found if name.startswith("twin") and name[8:] not in found} == set()


@pytest.mark.crash
async def test_sqlite_keeps_what_it_acknowledged_through_kill_9(tmp_path):
    path = str(tmp_path / "s.db")
    rng = Random(1)
    told = set()
    for life in range(KILLS):
        told |= set(live_and_die(OPEN_SQLITE.format(path=path), life, rng))
        store = await LiveSqliteStore.open(path, now_ms=T0)
        check(await everything(store), told)
        assert list(store._inner._connection.execute("PRAGMA integrity_check")) == [("ok",)]
        await store.close()
    assert len(told) > KILLS * 20


@pytest.mark.crash
async def test_an_answer_before_the_commit_would_be_found_out(tmp_path):
    """The mutant of the test above: it acknowledges before it has committed."""
    path = str(tmp_path / "s.db")
    rng = Random(1)
    told = set()
    for life in range(10):
        told |= set(live_and_die(OPEN_SQLITE.format(path=path), life, rng, early=True))
    store = await LiveSqliteStore.open(path, now_ms=T0)
    with pytest.raises(AssertionError, match="acknowledged and lost"):
        check(await everything(store), told)
    await store.close()


@pytest.mark.crash
@pytest.mark.postgres
async def test_postgres_keeps_what_it_acknowledged_through_kill_9_of_its_client(postgres, schema):
    from syncline.stores.postgres import PostgresStore

    rng = Random(2)
    told = set()
    for life in range(KILLS):
        told |= set(live_and_die(OPEN_POSTGRES.format(dsn=postgres.dsn, schema=schema), life, rng))
        store = await PostgresStore.open(postgres.dsn, now_ms=T0, schema=schema)
        check(await everything(store), told)
        await store.close()
    assert len(told) > KILLS * 20


# --- power cuts ------------------------------------------------------------------------------------


async def cut_the_power(folder, rng, *, synchronous="FULL", cuts=CUTS):
    """Work on a recorded file system, then look at what each cut would have left; returns the failures."""
    path = folder / "s.db"
    failures = []
    with Recorder() as recorder:
        # Without shared memory, which Python cannot offer to SQLite, a WAL works for one connection alone.
        hook = lambda connection: connection.pragma("locking_mode", "exclusive")
        apsw.connection_hooks.append(hook)
        try:
            connection = connect(f"file:{path}?vfs={NAME}")
        finally:
            apsw.connection_hooks.remove(hook)
        migrate(connection, T0)
        store = SqliteStore(connection)
        await store.append([event("first")], received_at_ms=T0)
        connection.pragma("synchronous", synchronous)
        recorder.start(path, Path(f"{path}-wal"))
        recorder.acknowledge("first")
        for n in range(120):
            if n % 3:
                await store.append([event(f"e{n}"), event(f"twin of e{n}")], received_at_ms=T0)
            else:
                names = (f"e{n}", f"twin of e{n}")
                await store.write(
                    *(Write("dirty_mark", [{"sku": name, "changed_at_ms": 1}]) for name in names)
                )
            recorder.acknowledge(f"e{n}")
            if n % 17 == 16:
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            if n % 40 == 39:
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        log, base = list(recorder.log), dict(recorder.base)
        await store.close()
    for n, moment in enumerate(moments(log, cuts, rng)):
        files, told = after_cut(base, log, moment, rng)
        place = folder / f"cut{n}"
        place.mkdir()
        for name, content in files.items():
            (place / name).write_bytes(content)
        try:
            left = SqliteStore.open(str(place / "s.db"), now_ms=T0)
            assert list(left._connection.execute("PRAGMA integrity_check")) == [("ok",)]
            found = await everything(left)
            check(found - {"first"}, set(told) - {"first"})
            await left.append([event("goes on")], received_at_ms=T0)
            await left.close()
        except (AssertionError, apsw.Error) as error:
            failures.append((moment, f"{type(error).__name__}: {error}"))
        shutil.rmtree(place)
    return failures


@pytest.mark.crash
async def test_sqlite_keeps_what_it_acknowledged_through_power_cuts(tmp_path):
    assert await cut_the_power(tmp_path, Random(3)) == []


@pytest.mark.crash
async def test_a_store_that_does_not_sync_each_commit_would_be_found_out(tmp_path):
    """The mutant of the test above: ``synchronous=NORMAL`` is consistent, and loses what was acknowledged."""
    failures = await cut_the_power(tmp_path, Random(3), synchronous="NORMAL", cuts=60)
    assert any("acknowledged and lost" in message for _, message in failures)
    assert all("acknowledged and lost" in message for _, message in failures), "NORMAL corrupts nothing"
