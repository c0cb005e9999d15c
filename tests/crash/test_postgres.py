"""What happens to PostgreSQL while a service trades on it: its disk fills, it dies, it cuts its connections, it is a standby."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.postgres_server import ROLE, NoServerError, PostgresServer
from tests.crash.disk import full_for_a_while, mounted
from tests.crash.stage import Stage

from syncline.runtime.config import StoreConfig

SEED = 20_261_123
GAP_S = 0.3
DISK_MB = 200
AWAY_S = 3.0
CUTS = 5
CUT = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{ROLE}'"
READ_ONLY = "ALTER DATABASE syncline {} default_transaction_read_only"

pytestmark = pytest.mark.crash


class OnPostgres(Stage):
    """The same stage, with its books in a database that is asked while it runs."""

    tables = "SELECT tablename FROM pg_tables"
    server: PostgresServer

    @contextlib.contextmanager
    def looking(self) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
        yield lambda question: self.server.sql(question, database="syncline")


@pytest.fixture
def small_server():
    pytest.importorskip("asyncpg", reason="the postgres extra is not installed")
    # Not pytest's folder, which nobody but its owner may enter: the server is somebody else.
    with (
        tempfile.TemporaryDirectory(prefix="syncline-disk-") as folder,
        mounted(Path(folder) / "disk", DISK_MB) as disk,
    ):
        Path(folder).chmod(0o755)
        try:
            server = PostgresServer(disk)
        except NoServerError as error:
            pytest.skip(str(error))
        try:
            server.sql(
                "ALTER ROLE postgres SET search_path = syncline",
                "ALTER SYSTEM SET max_wal_size = '48MB'",
                "ALTER SYSTEM SET min_wal_size = '32MB'",
                "SELECT pg_reload_conf()",
            )
            yield server, disk
        finally:
            server.close()


@pytest.mark.timeout(240)
async def test_whatever_happens_to_postgresql_nothing_is_lost_and_nobody_has_to_help(small_server, tmp_path):
    server, disk = small_server
    OnPostgres.server, OnPostgres.store = server, StoreConfig(url=server.dsn)
    async with OnPostgres.open(tmp_path, SEED) as stage:
        await stage.introduce()
        first = stage.pid
        async with stage.trading(GAP_S):
            await asyncio.sleep(1.0)
            await full_for_a_while(stage, disk)
            await asyncio.sleep(1.0)

            await asyncio.to_thread(server.stop, signal.SIGQUIT)
            await asyncio.sleep(AWAY_S)
            await asyncio.to_thread(server.start)
            await asyncio.sleep(1.0)

            for _ in range(CUTS):
                await asyncio.to_thread(server.sql, CUT)
                await asyncio.sleep(0.3)

            # As after a failover to a standby that nobody has promoted yet.
            await asyncio.to_thread(server.sql, READ_ONLY.format("SET") + " = on", CUT)
            await asyncio.sleep(AWAY_S)
            await asyncio.to_thread(server.sql, READ_ONLY.format("RESET"), CUT)
            await asyncio.sleep(1.0)
        await stage.agree(90)
        assert stage.pid == first
        stage.strike(signal.SIGTERM)
        assert await stage.ended(10.0) == 0, stage.tail()
        assert stage.remains().unfinished == 0
