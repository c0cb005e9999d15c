"""A machine that stands still while another takes its work over, and then goes on as if nothing had been."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.conformance.postgres_server import NoServerError, PostgresServer
from tests.crash.stage import Stage

from syncline.runtime.config import StoreConfig

SEED = 20_261_124
GAP_S = 0.2
TTL_S = 3.0
TAKES_OVER_S_MAX = 40.0
ENDS_S_MAX = 20.0
MOMENTS = ("before the effect", "after the effect", "")

pytestmark = pytest.mark.crash


class Pair(Stage):
    """The same stage, with its books in a database that two machines reach."""

    tables = "SELECT tablename FROM pg_tables"
    lease_ttl_ms = int(TTL_S * 1000)
    server: PostgresServer

    @contextlib.contextmanager
    def looking(self) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
        yield lambda question: self.server.sql(question, database="syncline")

    def owners(self) -> set[str]:
        """Who has the leases."""
        with self.looking() as ask:
            return {owner for (owner,) in ask("SELECT owner FROM lease")}

    async def freeze(self, moment: str) -> int:
        """Have the process stand still, at such a moment of a call if one is named."""
        frozen = asyncio.Event()

        def strike(at: str) -> None:
            if at == moment and not frozen.is_set():
                self.strike(signal.SIGSTOP)
                frozen.set()

        if not moment:
            strike(moment)
        with self.aiming(strike):
            await asyncio.wait_for(frozen.wait(), 20)
        return self.pid

    async def take_over(self) -> None:
        """Start the other until the leases are free, as whoever supervises it would."""
        self.settle()
        before = self.owners()
        began = self.clock.monotonic()
        while self.clock.monotonic() - began < TAKES_OVER_S_MAX:
            await self.start()
            while not await self.gone():
                if len(owners := self.owners()) == 1 and owners != before:
                    return
                await asyncio.sleep(0.2)
        raise AssertionError(f"not taken over in {TAKES_OVER_S_MAX} s:\n{self.tail()}")


@pytest.fixture
def shared_server():
    pytest.importorskip("asyncpg", reason="the postgres extra is not installed")
    try:
        server = PostgresServer()
    except NoServerError as error:
        pytest.skip(str(error))
    try:
        server.sql("ALTER ROLE postgres SET search_path = syncline")
        yield server
    finally:
        server.close()


@pytest.mark.timeout(240)
async def test_who_was_frozen_while_another_took_over_ends_and_nothing_is_written_twice(
    shared_server, tmp_path
):
    Pair.server, Pair.store = shared_server, StoreConfig(url=shared_server.dsn)
    async with Pair.open(tmp_path, SEED) as stage:
        await stage.introduce()
        async with stage.trading(GAP_S):
            for moment in MOMENTS:
                await asyncio.sleep(stage.rng.uniform(0.5, 1.5))
                frozen = await stage.freeze(moment)
                await stage.take_over()
                await asyncio.sleep(stage.rng.uniform(0.5, 1.5))

                active, stage.pid = stage.pid, frozen
                stage.strike(signal.SIGCONT)
                assert await stage.ended(ENDS_S_MAX) == 2, stage.tail()
                stage.pid = active
        await stage.agree(60)
        stage.strike(signal.SIGTERM)
        assert await stage.ended(10.0) == 0, stage.tail()
        assert stage.remains().unfinished == 0
