"""A COMMIT in doubt while the server stays away for long."""

from __future__ import annotations

import asyncio

import pytest
from tests.conformance.test_store_postgres import Cable, mark

from syncline.model.errors import OutcomeUnknown
from syncline.testing.store_tools import T0

pytest.importorskip("asyncpg", reason="the postgres extra is not installed")
from syncline.stores.postgres import PostgresStore
from syncline.stores.postgres import store as postgres_store

pytestmark = pytest.mark.postgres
MINUTE_TRIES = round(60 / postgres_store.WAIT_S)


class Looking:
    """The store's pool, which calls ``then`` once it was asked for a connection ``most`` times from now on."""

    def __init__(self, store, monkeypatch, most, then):
        monkeypatch.setattr(postgres_store, "WAIT_S", 0)
        self.pool, self.most, self.then, self.looks = store._pool, most, then, 0
        store._pool = self

    def __getattr__(self, name):
        return getattr(self.pool, name)

    async def acquire(self, **how):
        self.looks += 1
        if self.looks == self.most:
            await self.then()
        return await self.pool.acquire(**how)


async def test_a_commit_in_doubt_is_looked_up_when_the_server_was_away_for_a_minute(
    postgres, schema, monkeypatch
):
    async with Cable(postgres.port) as cable:
        store = await PostgresStore.open(postgres.dsn_over_tcp(cable.port), now_ms=T0, schema=schema)
        await store.write(mark("A"))

        async def back():
            cable.server = await asyncio.start_server(cable.connect, "127.0.0.1", cable.port)

        looking = Looking(store, monkeypatch, MINUTE_TRIES, back)
        cable.cut = "for good"
        assert await store.write(mark("B")) == [[("B",)]]
        assert looking.looks > MINUTE_TRIES
        assert sorted(await store.read("dirty", now_ms=0, limit=9)) == [("A", 1, 1), ("B", 1, 1)]
        await store.close()


async def test_a_store_that_is_closed_does_not_wait_for_the_server(postgres, schema, monkeypatch):
    async with Cable(postgres.port) as cable:
        store = await PostgresStore.open(postgres.dsn_over_tcp(cable.port), now_ms=T0, schema=schema)
        await store.write(mark("A"))
        closing = []

        async def close():
            closing.append(asyncio.ensure_future(store.close()))

        looking = Looking(store, monkeypatch, 5, close)
        cable.cut = "for good"
        with pytest.raises(OutcomeUnknown, match="broke during COMMIT"):
            await store.write(mark("B"))
        assert looking.looks < 10
        await asyncio.gather(*closing)
