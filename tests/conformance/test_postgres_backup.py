"""PostgreSQL's own dump under our name: of one moment, put back into an empty database only, and marked."""

from __future__ import annotations

import shutil

import pytest
from tests.conformance.postgres_server import ROLE, NoServerError, PostgresServer

from syncline.engine.rewind import STREAM, SYSTEM
from syncline.model.change import Event, Via
from syncline.model.errors import Misconfigured
from syncline.ports import Write
from syncline.runtime.backup import back_up, mark_restored, put_back
from syncline.runtime.clock import SystemClock
from syncline.runtime.config import StoreConfig
from syncline.stores.postgres import PostgresStore, backup
from syncline.stores.postgres.health import look

NOW_MS = 1_790_000_000_000

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(shutil.which("pg_dump") is None, reason="pg_dump is not installed"),
]


class StillClock:
    def now_ms(self) -> int:
        return NOW_MS


@pytest.fixture(scope="module")
def server():
    try:
        made = PostgresServer()
    except NoServerError as error:
        pytest.skip(str(error))
    made.sql(f"CREATE DATABASE other OWNER {ROLE}")
    yield made
    made.close()


async def test_there_and_back(server, tmp_path):
    here = StoreConfig(url=server.dsn)
    there = StoreConfig(url=server.dsn.replace("/syncline?", "/other?"))
    store = await PostgresStore.open(here.url, now_ms=NOW_MS)
    await store.append([Event("shop", "t", "e1", Via.EVENT, NOW_MS, b"{}")], received_at_ms=NOW_MS)
    file, manifest = await back_up(here, tmp_path, StillClock(), None)
    assert (manifest.engine, manifest.log_offset) == ("postgresql", 1)
    assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(Misconfigured, match="never overwritten"):
        await put_back(here, tmp_path, StillClock(), file, into=None, unverified=False)
    with pytest.raises(Misconfigured, match="stop the service"):
        await mark_restored(here, tmp_path, StillClock())
    await store.close()
    done = await put_back(there, tmp_path, StillClock(), file, into=None, unverified=False)
    assert done.held.log_offset == 1
    restored = await PostgresStore.open(there.url, now_ms=NOW_MS)
    assert [e.event.event_id for e in await restored.events(0, 9)] == ["e1"]
    assert len(await restored.read("cursor_get", system=SYSTEM, stream=STREAM)) == 1
    await restored.close()
    await mark_restored(here, tmp_path, StillClock())
    store = await PostgresStore.open(here.url, now_ms=NOW_MS)
    assert len(await store.read("cursor_get", system=SYSTEM, stream=STREAM)) == 1
    await store.close()


async def test_without_the_program_the_command_is_said_without_the_password(server, tmp_path):
    url = server.dsn.replace(f"{ROLE}@", f"{ROLE}:hush@")
    await (await PostgresStore.open(url, now_ms=NOW_MS)).close()
    with pytest.raises(Misconfigured, match="pg_dump is not installed") as refused:
        await backup.backup(url, tmp_path / "d", environment={"PATH": ""}, seal=lambda *_: None)
    assert "--schema=syncline" in str(refused.value) and "hush" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


async def test_the_doctor_looks_at_a_server(server):
    store = await PostgresStore.open(server.dsn, now_ms=NOW_MS)
    await store.append([Event("shop", "t", "e9", Via.EVENT, NOW_MS, b"{}")], received_at_ms=NOW_MS)
    await store.write(
        Write("lease_take", [{"name": "apply", "owner": "one", "now_ms": NOW_MS, "ttl_ms": 1_000}])
    )
    await store.close()
    seen = await look(server.dsn, now_ms=NOW_MS)
    assert seen.engine.startswith("PostgreSQL") and not seen.faults and not seen.pending
    assert (seen.owner, seen.last_ms) == ("worker one", NOW_MS) and seen.size_bytes > 0
    assert abs(seen.clock_ms - SystemClock().now_ms()) < 60_000, (
        "the server of the tests runs on this machine"
    )
    assert (await look(server.dsn, now_ms=NOW_MS + 1_000)).owner == ""
    assert "no schema" in (await look(server.dsn.replace("/syncline?", "/postgres?"), now_ms=0)).faults[0][0]
    assert (await look(server.dsn.replace(str(server.port), "1"), now_ms=0)).faults
