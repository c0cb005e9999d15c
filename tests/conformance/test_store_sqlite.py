from __future__ import annotations

import asyncio
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest

from syncline.model.errors import Fenced, Misconfigured, Retryable, StoreBroken
from syncline.ports import Write
from syncline.stores.sqlite import LiveSqliteStore, SqliteStore
from syncline.stores.sqlite import store as sqlite_store
from syncline.stores.sqlite.many import for_many
from syncline.stores.sqlite.store import check_file_system, connect, file_system_of
from syncline.testing.store import StoreConformance
from syncline.testing.store_tools import T0, event, put


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """A database without a row: coming up through all migrations takes longer than most tests."""
    path = tmp_path_factory.mktemp("empty") / "empty.db"
    asyncio.run(SqliteStore.open(str(path), now_ms=T0).close())
    return path


class TestSqliteInMemory(StoreConformance):
    survives_close = False

    @asynccontextmanager
    async def store(self):
        store = SqliteStore.open(":memory:", now_ms=T0)
        try:
            yield store
        finally:
            await store.close()


class TestSqliteWithOneStatementForMany(TestSqliteInMemory):
    """What is written for many rows at once is what one row after the other would be."""

    @pytest.fixture(autouse=True)
    def _always(self, monkeypatch):
        monkeypatch.setattr(SqliteStore, "many_least", 1)


class TestSqliteInline(StoreConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path, empty_database):
        self.folder = tmp_path
        self.empty = empty_database
        self.count = 0
        self.opened = []

    @asynccontextmanager
    async def store(self):
        self.count += 1
        self.path = str(self.folder / f"{self.count}.db")
        shutil.copy(self.empty, self.path)
        self.opened = [SqliteStore.open(self.path, now_ms=T0)]
        try:
            yield self.opened[0]
        finally:
            await self.opened[-1].close()

    async def reopen(self, store):
        await store.close()
        self.opened.append(SqliteStore.open(self.path, now_ms=T0))
        return self.opened[-1]


class TestSqliteLive(StoreConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path, empty_database):
        self.folder = tmp_path
        self.empty = empty_database
        self.count = 0

    @asynccontextmanager
    async def store(self):
        self.count += 1
        self.path = str(self.folder / f"{self.count}.db")
        shutil.copy(self.empty, self.path)
        self.current = await LiveSqliteStore.open(self.path, now_ms=T0)
        try:
            yield self.current
        finally:
            await self.current.close()

    async def reopen(self, store):
        await store.close()
        self.current = await LiveSqliteStore.open(self.path, now_ms=T0)
        return self.current


# --- group commit ----------------------------------------------------------------------------------


async def test_transactions_that_wait_share_a_commit(tmp_path):
    store = await LiveSqliteStore.open(str(tmp_path / "s.db"), now_ms=T0)
    await asyncio.gather(*(store.append([event(str(n))], received_at_ms=T0) for n in range(300)))
    assert store.transactions == 300
    assert store.commits < 30
    await store.close()


async def test_who_writes_little_does_not_wait_for_all_who_write_much(tmp_path, monkeypatch):
    store = await LiveSqliteStore.open(str(tmp_path / "s.db"), now_ms=T0)
    begun, go, committed = threading.Event(), threading.Event(), []
    run = LiveSqliteStore._commit

    def commit(self, batch):
        begun.set()
        assert go.wait(10)
        committed.append([len(work[0].rows) for work, _ in batch])
        run(self, batch)

    monkeypatch.setattr(LiveSqliteStore, "_commit", commit)

    def mark(count):
        rows = [{"sku": f"{count}.{n}", "changed_at_ms": n} for n in range(count)]
        return asyncio.ensure_future(store.write(Write("dirty_mark", rows)))

    tasks = [mark(1)]
    assert await asyncio.to_thread(begun.wait, 10)  # it is being written; the others gather behind it
    tasks += [mark(count) for count in (300, 120, 2, 70, 40, 8, 9)]
    handed_over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.call_soon(loop.call_soon, handed_over.set)
    await handed_over.wait()
    go.set()
    await asyncio.gather(*tasks)
    assert committed[0] == [1]
    assert committed[1:] == [[2, 8], [300], [120, 70], [40, 9]]
    await store.close()


async def test_a_guard_that_fails_takes_nobody_of_its_group_with_it(tmp_path):
    store = await LiveSqliteStore.open(str(tmp_path / "s.db"), now_ms=T0)
    stale = Write("lease_check", [{"name": "l", "owner": "o", "fence": 1}], guard=True)

    def mark(n):
        return Write("dirty_mark", [{"sku": str(n), "changed_at_ms": n}])

    answers = await asyncio.gather(
        *(store.write(mark(n), stale) if n % 3 == 0 else store.write(mark(n)) for n in range(30)),
        return_exceptions=True,
    )
    assert [isinstance(answer, Fenced) for answer in answers] == [n % 3 == 0 for n in range(30)]
    assert {int(row[0]) for row in await store.read("dirty", now_ms=0, limit=99)} == {
        n for n in range(30) if n % 3
    }
    await store.close()


async def test_what_was_handed_over_is_finished_when_the_store_closes_and_nothing_is_taken_after(tmp_path):
    store = await LiveSqliteStore.open(str(tmp_path / "s.db"), now_ms=T0)
    tasks = [asyncio.ensure_future(store.append([event(str(n))], received_at_ms=T0)) for n in range(50)]
    done = asyncio.Event()
    asyncio.get_running_loop().call_soon(done.set)
    await done.wait()  # every task has handed over its events
    await store.close()
    assert sorted(offset for [offset] in await asyncio.gather(*tasks)) == list(range(1, 51))
    with pytest.raises(Retryable, match="closed"):
        await store.append([event("late")], received_at_ms=T0)


async def test_a_caller_that_gives_up_does_not_undo_its_transaction(tmp_path):
    store = await LiveSqliteStore.open(str(tmp_path / "s.db"), now_ms=T0)
    task = asyncio.ensure_future(store.append([event("a")], received_at_ms=T0))
    started = asyncio.Event()
    asyncio.get_running_loop().call_soon(started.set)
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await store.append([event("a"), event("b")], received_at_ms=T0) == [None, 2]
    await store.close()


async def test_a_lock_of_another_program_is_waited_out_and_does_not_break_the_store(tmp_path, monkeypatch):
    """A backup holds the write lock for longer than we wait: refused this time, accepted the next."""
    monkeypatch.setattr(sqlite_store, "BUSY_TIMEOUT_MS", 20)
    path = str(tmp_path / "s.db")
    store = await LiveSqliteStore.open(path, now_ms=T0)
    other = apsw.Connection(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Retryable, match="locked by another program"):
        await store.append([event("a")], received_at_ms=T0)
    other.execute("ROLLBACK")
    other.close()
    assert await store.append([event("a")], received_at_ms=T0) == [1]
    await store.close()


async def test_a_full_disk_is_said_and_gone_once_there_is_room(tmp_path):
    store = await LiveSqliteStore.open(str(tmp_path / "s.db"), now_ms=T0)
    writing = store._inner._connection
    limit = writing.pragma("max_page_count", writing.pragma("page_count"))

    async def fill():
        for n in range(200):
            await store.append([event(f"{n}.{m}") for m in range(50)], received_at_ms=T0)

    with pytest.raises(Retryable, match="disk is full"):
        await fill()
    writing.pragma("max_page_count", limit * 1000)
    assert (await store.append([event("after")], received_at_ms=T0))[0] is not None
    offsets = [one.offset for one in await store.events(0, 100_000)]
    assert offsets == list(range(1, len(offsets) + 1))
    await store.close()


async def test_after_a_failed_commit_nothing_is_taken_until_the_database_is_opened_again(tmp_path):
    """The kernel may have dropped what it could not write, and a second fsync would not say so (fsyncgate)."""
    path = str(tmp_path / "s.db")
    store = await LiveSqliteStore.open(path, now_ms=T0)
    assert await store.append([event("kept")], received_at_ms=T0) == [1]
    commit, reached, go_on, commits = store._inner.commit, threading.Event(), threading.Event(), []

    def fails_once():
        commits.append(True)
        reached.set()
        assert go_on.wait(10)
        if len(commits) == 1:
            raise apsw.IOError("disk I/O error")
        commit()

    store._inner.commit = fails_once
    lost = asyncio.ensure_future(store.append([event("lost")], received_at_ms=T0))
    assert await asyncio.to_thread(reached.wait, 10)
    waited = asyncio.ensure_future(store.append([event("waited")], received_at_ms=T0))
    # It is handed over, and is not dealt with before the first has failed.
    await asyncio.wait([waited], timeout=0.01)
    go_on.set()
    for one in (lost, waited):
        with pytest.raises(StoreBroken, match="disk I/O error; Syncline ends"):
            await one
    with pytest.raises(StoreBroken):
        await store.write(Write("lease_take", [{"name": "a", "owner": "b", "now_ms": T0, "ttl_ms": 1}]))
    assert len(commits) == 1, "a commit that succeeds now proves nothing"
    assert [one.event.event_id for one in await store.events(0, 10)] == ["kept"]
    await store.close()
    again = await LiveSqliteStore.open(path, now_ms=T0)
    assert [one.event.event_id for one in await again.events(0, 10)] == ["kept"]
    assert await again.append([event("lost")], received_at_ms=T0) == [2]
    await again.close()


async def test_an_error_of_the_disk_is_one_even_where_undoing_it_meets_a_lock(tmp_path):
    store = await LiveSqliteStore.open(str(tmp_path / "s.db"), now_ms=T0)

    def fails(error):
        def fail():
            raise error

        return fail

    store._inner.commit = fails(apsw.IOError("disk I/O error"))
    store._inner.rollback = fails(apsw.BusyError("locked"))
    with pytest.raises(StoreBroken, match="disk I/O error"):
        await store.append([event("a")], received_at_ms=T0)
    del store._inner.rollback
    store._inner.rollback()
    await store.close()


# --- gates -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["3.51.2", "3.7.0", "3.50.4"])
def test_an_sqlite_that_can_corrupt_is_refused(monkeypatch, version):
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
    with pytest.raises(Misconfigured, match=f"{version}.*install apsw"):
        SqliteStore.open(":memory:", now_ms=T0)


@pytest.mark.parametrize("version", ["3.51.3", "3.52.0", "4.0.0"])
def test_a_later_sqlite_is_taken(monkeypatch, version):
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
    sqlite_store.check_engine()


MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/export /mnt/nfs nfs4 rw 0 0
//server/share /mnt/with\\040space cifs rw 0 0
/dev/sdb1 /mnt/nfs/local xfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/s.db", "ext4"),
        ("/mnt/nfs/s.db", "nfs4"),
        ("/mnt/nfs/deep/er/s.db", "nfs4"),
        ("/mnt/nfsx/s.db", "ext4"),
        ("/mnt/nfs/local/s.db", "xfs"),
        ("/mnt/with space/s.db", "cifs"),
    ],
)
def test_a_network_file_system_is_refused(path, kind):
    assert file_system_of(path, MOUNTS) == kind
    if kind in ("nfs4", "cifs"):
        with pytest.raises(Misconfigured, match=rf"{kind}.*local disk"):
            check_file_system(path, MOUNTS)
    else:
        check_file_system(path, MOUNTS)


def test_the_machines_own_mounts_are_read(tmp_path):
    if not Path("/proc/self/mounts").exists():
        pytest.skip("no /proc on this system")
    assert file_system_of(str(tmp_path))


async def test_every_connection_is_in_wal_mode_and_syncs_fully(tmp_path):
    store = await LiveSqliteStore.open(str(tmp_path / "s.db"), now_ms=T0)
    connections = [store._inner._connection, store._reader._connection, store._checkpointer]
    for connection in connections:
        assert connection.pragma("journal_mode") == "wal"
        assert connection.pragma("synchronous") == 2
        assert connection.pragma("foreign_keys") == 1
    assert [connection.pragma("wal_autocheckpoint") for connection in connections] == [0, 0, 0]
    with pytest.raises(apsw.ReadOnlyError):
        store._reader._connection.execute("DELETE FROM dirty")
    await store.close()


def test_a_setting_that_sqlite_does_not_take_is_noticed(tmp_path, monkeypatch):
    real = apsw.Connection

    class Stubborn(real):
        def pragma(self, name, value=None, **more):
            if name == "journal_mode" and value == "wal":
                return "delete"
            return super().pragma(name, value, **more) if value is not None else super().pragma(name, **more)

    monkeypatch.setattr(apsw, "Connection", Stubborn)
    with pytest.raises(Misconfigured, match="journal_mode=delete"):
        connect(str(tmp_path / "s.db"))


async def test_nobody_but_the_owner_can_read_the_files(tmp_path):
    before = os.umask(0o022)
    try:
        store = await LiveSqliteStore.open(str(tmp_path / "new" / "s.db"), now_ms=T0)
    finally:
        os.umask(before)
    await store.append([event("a")], received_at_ms=T0)
    files = [path for path in (tmp_path / "new").iterdir() if not path.name.endswith(".lock")]
    assert {path.name for path in files} == {"s.db", "s.db-wal", "s.db-shm"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    await store.close()


OPEN_IT = """
import asyncio, sys
from syncline.model.errors import Misconfigured
from syncline.stores.sqlite import LiveSqliteStore

async def main():
    try:
        store = await LiveSqliteStore.open(sys.argv[1], now_ms=1)
    except Misconfigured as error:
        print("refused:", error)
        return
    print("opened", flush=True)
    sys.stdin.readline()
    await store.close()

asyncio.run(main())
"""


def open_elsewhere(path):
    return subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{OPEN_IT}", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


async def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path):
    path = str(tmp_path / "s.db")
    store = await LiveSqliteStore.open(path, now_ms=T0)
    with open_elsewhere(path) as second:
        said, _ = second.communicate()
    assert "refused:" in said
    assert str(os.getpid()) in said
    await store.close()
    with open_elsewhere(path) as third:
        assert third.stdout.readline() == "opened\n"
        with pytest.raises(Misconfigured, match=f"in use by process {third.pid}"):
            await LiveSqliteStore.open(path, now_ms=T0)
        third.kill()  # the lock is the kernel's: it ends with the process, however it ends
        third.wait()
    store = await LiveSqliteStore.open(path, now_ms=T0)
    await put(store, "dirty_mark", sku="A", changed_at_ms=1)
    await store.close()


def plans(store: SqliteStore, value: object) -> dict[str, list[str]]:
    """What SQLite would do for each statement whose parameters are all this one value."""
    return {
        name: [
            step[3]
            for step in store._connection.execute(
                f"EXPLAIN QUERY PLAN {sql}", dict.fromkeys(re.findall(r":([a-z_0-9]+)", sql), value)
            )
        ]
        for name, sql in store._queries.items()
    }


# What reads a table from end to end: it is small; or only what it asks for is in the index; or it stops at the first rows.
WALKS = {
    "small": {"accounts", "cursors", "mappings", "modes", "forget_surveys", "forget_proofs", "difference_counts", "forget_sessions"},
    "an index of what is open": {
        "delivery_counts", "delivery_summary", "dirty", "hold_next", "parked_count", "parked_groups", "state_marks",
        "unseen",
    },
    "the oldest or newest come first": {"audit_last", "retired_any", "forget_events", "forget_given", "forget_lags"},
    "retention, an hour apart": {"forget_deliveries", "forget_payloads"},
    "a person's request, or once for a full read": {"deliveries_like", "record_count"},
}  # fmt: skip


def test_a_statement_for_many_rows_looks_each_of_them_up() -> None:
    store = SqliteStore.open(":memory:", now_ms=0)
    for name, key in store._keys.items():
        for sql in (store._queries[name], store._silent[name]):
            many = for_many(sql, key)
            for size, text in many.sql.items():
                nothing = [None] * size * (len(many.names) + 1)
                explained = store._connection.execute(f"EXPLAIN QUERY PLAN {text}", nothing)
                scanned = {step.removeprefix("SCAN ") for *_, step in explained if step.startswith("SCAN ")}
                assert scanned <= {"r", "CONSTANT ROW", f"{size}-ROW VALUES CLAUSE"}, name


@pytest.mark.parametrize(
    "sql",
    ["INSERT INTO t (a) VALUES (:a) ON CONFLICT (a) DO UPDATE SET a = :a", "UPDATE t SET a = 1",
     "INSERT INTO t (a) SELECT b FROM u WHERE b = :a", "DELETE FROM t WHERE a > :a", "SELECT a FROM t WHERE a = :a"],
)  # fmt: skip
def test_a_statement_that_cannot_be_run_for_many_rows_is_refused(sql) -> None:
    with pytest.raises(ValueError, match="cannot be run for many rows"):
        for_many(sql, ("a",))


async def test_many_rows_are_written_with_whatever_is_in_them() -> None:
    store = SqliteStore.open(":memory:", now_ms=0)
    names = ["", "1", "null", "it's", '"', "\\", "ä\x1f", "a\0b", "[1]", "r.v ->> 0"]
    await store.write(
        Write("dirty_mark", [{"sku": name, "changed_at_ms": n} for n, name in enumerate(names)])
    )
    found = await store.read("dirty", now_ms=0, limit=99)
    assert [(sku, changed) for sku, _, changed in found] == [(name, n) for n, name in enumerate(names)]
    with pytest.raises(KeyError, match="changed_at_ms"):
        await store.write(Write("dirty_mark", [{"sku": name} for name in names]))


def test_no_statement_walks_a_whole_table_unless_it_says_why() -> None:
    store = SqliteStore.open(":memory:", now_ms=0)
    tables = {
        row[0] for row in store._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    walking = {
        name
        for name, steps in plans(store, None).items()
        for step in steps
        if step.startswith("SCAN ") and step.split()[1] in tables
    }
    assert walking == set().union(*WALKS.values())


def test_rows_that_are_named_are_looked_up_and_not_looked_for() -> None:
    """Without statistics SQLite may walk a table first, to have it in order, and ask each row whether it was named."""
    store = SqliteStore.open(":memory:", now_ms=0)
    for name, steps in plans(store, None).items():
        source = store._queries[name].partition("FROM")[2].lstrip()
        if store._queries[name].startswith("SELECT") and source.startswith("json_each") and "JOIN" in source:
            assert "VIRTUAL TABLE" in steps[0], (name, steps)


def test_a_plan_does_not_hang_on_a_value() -> None:
    store = SqliteStore.open(":memory:", now_ms=0)
    connection = store._connection
    ours = plans(store, None)
    for value in (1, "1", "[]"):
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 0)
        assert plans(store, value) == ours
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    assert plans(store, 1) == ours
