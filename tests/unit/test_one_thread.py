"""SQLite is set up for one thread only in a process that has no connection yet, and works as before."""

from __future__ import annotations

import subprocess
import sys

import pytest

ALONE = """
from syncline.stores.sqlite.one_thread import for_one_thread
assert for_one_thread()
"""
AGAIN = """
import apsw
connection = apsw.Connection(":memory:")
assert not for_one_thread()
assert connection.execute("SELECT 1").get == 1
connection.close()
del connection
assert for_one_thread()
"""
COUNTED = """
import apsw
assert apsw.memory_used() == 0
"""
STORE = """
from syncline.ports import Write
from syncline.stores.sqlite import SqliteStore
import asyncio

async def story():
    store = SqliteStore.open(":memory:", now_ms=1)
    await store.write(Write("progress_put", [{"consumer": "apply", "offset": 7}]))
    return await store.read("progress_get", consumer="apply")

assert asyncio.run(story())[0][0] == 7
"""
SETTLED = """
import apsw
from syncline.stores.sqlite.store import connect
connection = connect(":memory:")
connection.execute("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
room, _ = connection.status(apsw.SQLITE_DBSTATUS_LOOKASIDE_USED)
full = connection.status(apsw.SQLITE_DBSTATUS_LOOKASIDE_MISS_FULL)[1]
assert room > 0 and full == 0, (room, full)
"""


@pytest.mark.parametrize("then", [AGAIN, STORE + COUNTED, SETTLED], ids=["again", "store", "room"])
def test_a_process_that_only_plays_has_sqlite_to_itself(then):
    done = subprocess.run(
        [sys.executable, "-c", ALONE + then], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
