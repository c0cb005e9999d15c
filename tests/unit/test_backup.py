"""Copies of a store that is in use, and putting them back: whole or not at all, private, refused where unsafe."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path

import apsw
import pytest
from tests.unit.support import START_MS
from typer.testing import CliRunner

from syncline.cli import app
from syncline.cli.backup import backup as cli_backup
from syncline.engine.rewind import STREAM, SYSTEM, Mark
from syncline.model.change import Cursor, Event, Via
from syncline.model.errors import Misconfigured
from syncline.ports import Write
from syncline.runtime.backup import back_up, manifest_of, mark_restored, put_back
from syncline.runtime.config import StoreConfig
from syncline.stores.rewind import rewind_statements
from syncline.stores.sqlite import LiveSqliteStore, SqliteStore, writer
from syncline.stores.sqlite import backup as sqlite

STORE = StoreConfig("syncline.sqlite")


class StillClock:
    def now_ms(self) -> int:
        return START_MS


def event(number: int) -> Event:
    return Event("shop", "t", f"e{number}", Via.EVENT, START_MS, b"{}" * 4_000)


async def fill(store, numbers) -> None:
    await store.append(
        [event(number) for number in numbers],
        received_at_ms=START_MS,
        cursor=Cursor("shop", "orders", f"at {numbers[-1]}", START_MS),
    )


@pytest.fixture
async def live(tmp_path):
    store = await LiveSqliteStore.open(str(tmp_path / STORE.path), now_ms=START_MS)
    await fill(store, range(1, 50))
    yield store
    await store.close()


async def taken(folder: Path, to: Path | None = None) -> Path:
    return (await back_up(STORE, folder, StillClock(), to))[0]


async def put(folder: Path, file: Path, **more):
    return await put_back(STORE, folder, StillClock(), file, **{"into": None, "unverified": False, **more})


async def test_a_backup_of_a_store_in_use_is_of_one_moment_and_private(tmp_path, live, monkeypatch):
    """The store is written between the steps of the copy; a copy of several moments would hold some of it."""
    other = apsw.Connection(str(tmp_path / STORE.path))
    other.set_busy_timeout(5_000)
    steps = []
    sync = sqlite._sync

    def meanwhile(path):
        sync(path)
        if path.suffix == ".partial":
            steps.append(path)
            other.execute("INSERT INTO progress VALUES (?, 1)", (f"step {len(steps)}",))

    monkeypatch.setattr(sqlite, "_sync", meanwhile)
    monkeypatch.setattr(sqlite, "STEP_PAGES", 4)
    file, manifest = await back_up(STORE, tmp_path, StillClock(), None)
    other.close()
    assert len(steps) > 3
    assert file.parent == tmp_path / "backups"
    assert (file.stat().st_mode | manifest_of(file).stat().st_mode) & 0o077 == 0
    assert (manifest.log_offset, manifest.applied_offset) == (49, 0)
    with contextlib.closing(apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)) as copy:
        assert copy.execute("SELECT count(*) FROM progress").fetchall() == [(0,)]
        assert copy.execute('SELECT max("offset") FROM event').fetchall() == [(49,)]
    assert sorted(path.name for path in file.parent.iterdir()) == [file.name, manifest_of(file).name]


async def test_nothing_is_overwritten_and_a_failed_backup_leaves_nothing(tmp_path, live, monkeypatch):
    file = await taken(tmp_path, tmp_path / "b.sqlite")
    with pytest.raises(Misconfigured, match="never overwritten"):
        await taken(tmp_path, file)
    with pytest.raises(Misconfigured, match="does not exist"):
        await back_up(StoreConfig("other.sqlite"), tmp_path, StillClock(), None)

    def damaged(connection):
        raise Misconfigured("damaged")

    monkeypatch.setattr(sqlite, "check", damaged)
    before = set(tmp_path.iterdir())
    with pytest.raises(Misconfigured, match="damaged"):
        await taken(tmp_path, tmp_path / "c.sqlite")
    assert set(tmp_path.iterdir()) == before


async def test_a_folder_that_is_not_there_yet_is_made_and_takes_one_backup_after_another(tmp_path, live):
    """As the timer asks for it on a new machine: a file of the folder's name would be in the way of every later backup."""
    (tmp_path / "syncline.toml").write_text('[store]\npath = "syncline.sqlite"\n')
    asked = ["backup", "--config", str(tmp_path / "syncline.toml"), "--to", f"{tmp_path}/elsewhere/"]
    for count in (1, 2):
        result = await asyncio.to_thread(CliRunner().invoke, app, asked)
        assert result.exit_code == 0, result.output
        assert len(list((tmp_path / "elsewhere").glob("syncline-*.sqlite"))) == count
        for file in (tmp_path / "elsewhere").glob("syncline-*"):  # the next one is of another second
            file.rename(file.with_name(f"syncline-{count}{''.join(file.suffixes)}"))


async def test_a_restore_brings_back_the_log_and_leaves_the_mark(tmp_path, live):
    await live.write(Write("binding_put", [{
        "system": "erp", "kind": "order", "key": "shop-1", "external_id": "5", "version": 1, "hash": "h",
        "now_ms": START_MS,
    }]))  # fmt: skip
    await live.write(
        Write(
            "held_seen",
            [{"system": "shop", "key": "A\x1f70", "held": 5, "rev": None, "exact": True, "now_ms": START_MS}],
        )
    )
    file = await taken(tmp_path)
    await fill(live, range(50, 60))
    await live.close()
    done = await put(tmp_path, file)
    assert done.held.log_offset == 49
    with contextlib.closing(apsw.Connection(str(done.aside))) as old:
        assert old.execute('SELECT max("offset") FROM event').fetchall() == [(59,)]
    store = SqliteStore.open(str(tmp_path / STORE.path), now_ms=START_MS)
    assert await store.read("log_end") == [(49,)]
    assert await store.read("cursor_get", system="shop", stream="orders") == [("at 49", 0)]
    ((position, _),) = await store.read("cursor_get", system=SYSTEM, stream=STREAM)
    assert json.loads(position) == {"restored_at_ms": START_MS, "taken_at_ms": START_MS, "caught_up": False}
    assert Mark(**json.loads(position)).taken_at_ms == START_MS
    assert (await store.read("bindings_get", system="erp", kind="order", keys=["shop-1"]))[0][1:4] == (
        "5",
        1,
        "rewound",
    )
    assert (await store.read("bindings_get", system="shop", kind="stock", keys=["A\x1f70"]))[0][4:6] == (
        None,
        0,
    )
    await store.close()
    assert (tmp_path / STORE.path).stat().st_mode & 0o077 == 0


async def test_a_restore_refuses_a_store_in_use_and_what_is_not_whole(tmp_path, live):
    file = await taken(tmp_path)
    with pytest.raises(Misconfigured, match="in use by process"):
        await put(tmp_path, file)
    await live.close()
    manifest = manifest_of(file).read_bytes()
    manifest_of(file).unlink()
    with pytest.raises(Misconfigured, match="--unverified"):
        await put(tmp_path, file)
    manifest_of(file).write_bytes(manifest)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(Misconfigured, match="altered"):
        await put(tmp_path, file)
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Misconfigured, match=r"damaged|no database"):
        await put(tmp_path, file, unverified=True)
    other = apsw.Connection(str(tmp_path / "other.sqlite"))
    other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(Misconfigured, match="no database of Syncline"):
        await put(tmp_path, tmp_path / "other.sqlite", unverified=True)
    store = SqliteStore.open(str(tmp_path / STORE.path), now_ms=START_MS)
    assert await store.read("log_end") == [(49,)], "a refused restore changes nothing"
    assert await store.read("cursor_get", system=SYSTEM, stream=STREAM) == []
    await store.close()


async def test_a_backup_of_a_newer_version_is_refused(tmp_path, live):
    file = await taken(tmp_path)
    await live.close()
    newer = apsw.Connection(str(file))
    newer.execute("INSERT INTO migration VALUES (9999, '9999_pre_later.sql', 'x', 0)")
    newer.close()
    with pytest.raises(Misconfigured, match="9999_pre_later"):
        await put(tmp_path, file, unverified=True)


async def test_a_store_that_cannot_be_opened_is_replaced_and_its_log_kept_aside(tmp_path, live):
    file = await taken(tmp_path)
    await live.close()
    target = tmp_path / STORE.path
    target.write_bytes(b"not a database any more" * 100)
    wal = target.with_name(f"{target.name}-wal")
    wal.write_bytes(b"a log of something else")
    done = await put(tmp_path, file)
    assert done.aside.read_bytes().startswith(b"not a database")
    kept = done.aside.with_name(f"{done.aside.name}-wal")
    assert kept.read_bytes() == b"a log of something else"
    assert not wal.exists(), "it would be taken for the new database's"
    store = SqliteStore.open(str(target), now_ms=START_MS)
    assert await store.read("log_end") == [(49,)]
    await store.close()


async def test_another_file_and_a_store_put_back_by_other_means(tmp_path, live):
    file = await taken(tmp_path)
    into = tmp_path / "elsewhere" / "s.sqlite"
    assert (await put(tmp_path, file, into=into)).aside is None
    with pytest.raises(Misconfigured, match="in use by process"):
        await mark_restored(STORE, tmp_path, StillClock())
    await live.close()
    await mark_restored(STORE, tmp_path, StillClock())
    for path in (into, tmp_path / STORE.path):
        store = SqliteStore.open(str(path), now_ms=START_MS)
        assert len(await store.read("cursor_get", system=SYSTEM, stream=STREAM)) == 1
        await store.close()


def test_every_table_that_tells_of_others_is_thought_of():
    """A new table with what others hold, or what was sent, has to be forgotten too: decide, then add it here."""
    store = SqliteStore.open(":memory:", now_ms=START_MS)
    tables = {
        name
        for (name,) in store._connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
    }
    text = "".join(f"{sql} " for sql in rewind_statements(restored_at_ms=1, taken_at_ms=1))
    forgotten = {name for name in tables if f" {name} " in text}
    assert forgotten == {
        "binding",
        "heard",
        "content",
        "shelf",
        "intent",
        "delivery",
        "record",
        "cursor",
        "lease",
    }
    assert tables - forgotten == {
        "account", "adoption", "credit_account", "credit_claim", "doubted", "attempt", "audit", "difference", "mode", "proof", "demand", "dirty", "event", "event_seen", "hold", "lag", "mapping", "migration", "parked",
        "erased", "privacy", "progress", "retired", "routing", "routing_given", "session_ended", "standing", "state_mark", "survey", "trace", "velocity",
    }  # fmt: skip


@pytest.mark.timeout(30)
async def test_a_long_backup_keeps_no_writer_waiting(tmp_path, monkeypatch):
    """The log is to be begun anew all the time, and cannot be: each try would keep writers out for five seconds."""
    monkeypatch.setattr(writer, "CHECKPOINT_EVERY_PAGES", 0)
    store = await LiveSqliteStore.open(str(tmp_path / STORE.path), now_ms=START_MS)
    await fill(store, range(1, 3))
    reader = apsw.Connection(str(tmp_path / STORE.path))
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM event").fetchall()
    for number in range(3, 60):
        await fill(store, range(number, number + 1))
    assert reader.execute("SELECT count(*) FROM event").fetchall() == [(2,)]
    reader.close()
    await store.close()


def test_the_command_needs_no_vendors_secret(tmp_path, capsys):
    SqliteStore.open(str(tmp_path / STORE.path), now_ms=START_MS)._connection.close()
    config = tmp_path / "syncline.toml"
    config.write_text('[store]\npath = "syncline.sqlite"\n[systems.shop]\naccess_token = "env:NOT_SET"\n')
    cli_backup(to=None, config=config, json=True)
    told = json.loads(capsys.readouterr().out)
    assert Path(told["file"]).is_file() and told["manifest"]["engine"] == "sqlite"
