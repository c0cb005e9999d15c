"""A shop is taken over onto PostgreSQL as onto SQLite: looked at dry, adopted, and adopted again to no effect."""

from __future__ import annotations

from contextlib import asynccontextmanager
from random import Random

import pytest
from tests.simulation.take_over import SMALL
from tests.web.support import StillClock

from syncline.engine.adopt.orders import Fate
from syncline.engine.adoption import ADOPTED, ALIAS, CUSTOMER, SKU, START, Adoption
from syncline.model.change import Kind
from syncline.model.errors import Misconfigured
from syncline.simulate.takeover import RULES, TakeOver
from syncline.simulate.transport import AsgiTransport
from syncline.simulate.world import ERP, SHOP, World
from syncline.stores.sqlite import SqliteStore

pytest.importorskip("asyncpg", reason="the postgres extra is not installed")
from syncline.stores.postgres import PostgresStore

pytestmark = pytest.mark.postgres

START_MS = 1_790_000_000_000
BOUND = (Kind.ORDER.value, Kind.STOCK.value, "payment", "shipment", ADOPTED, ALIAS, SKU, CUSTOMER)
ALL = 10_000


class Stage:
    """A shop and an ERP with a past, from a seed, and a store that knows nothing of them."""

    def __init__(self, store) -> None:
        self.store = store
        clock = StillClock(START_MS)
        apps = AsgiTransport({})
        world = World(clock=clock, rng=Random(1), transport=apps)
        apps.register(world.erp.origin, world.erp)
        apps.register(f"https://{world.shop.shop}", world.shop)
        self.world = world
        self.past = TakeOver(world, SMALL, Random(2))
        self.systems = self.past.systems(apps, Random(3))

    async def adopt(self, **asked):
        return await self.past.adopter(self.store, self.systems, Random(4)).run(**asked)

    async def start_ms(self) -> int:
        """Since when orders are ours, as an engine that starts is told."""
        adoption = Adoption(self.store, self.world.routes(), RULES)
        await adoption.load()
        return adoption.start_ms(SHOP)

    async def content(self) -> dict[str, list]:
        """What an adoption has left in the store; offsets and the moments of writing left out."""
        read = self.store.read
        bound = [
            (system, kind, *row[:6])
            for system in (SHOP, ERP)
            for kind in BOUND
            for row in await read("bindings_after", system=system, kind=kind, after="", limit=ALL)
        ]
        events = [logged.event for logged in await self.store.events(0, ALL)]
        found = {
            "bound": bound,
            "begins": await read("adoption_after", system=SHOP, kind=START, after="", limit=ALL),
            "events": [(one.system, one.topic, one.event_id, one.via, one.body) for one in events],
            "parked": [row[1:6] for row in await read("parked_open", after=0, limit=ALL)],
            "due": [row[:5] for row in await read("deliveries_like", **{"from": "", "to": "~"}, limit=ALL)],
        }
        return {name: sorted(rows, key=repr) for name, rows in found.items()}


@asynccontextmanager
async def on_postgres(postgres, schema):
    store = await PostgresStore.open(postgres.dsn, now_ms=START_MS, schema=schema)
    try:
        stage = Stage(store)
        await stage.past.live()
        yield stage
    finally:
        await store.close()


async def adopted_on_sqlite() -> tuple[list[str], dict[str, list]]:
    store = SqliteStore.open(":memory:", now_ms=START_MS)
    stage = Stage(store)
    await stage.past.live()
    dry = await stage.adopt()
    await stage.adopt(apply=True)
    content = await stage.content()
    await store.close()
    return dry.words(), content


async def test_a_shop_is_taken_over_as_on_sqlite(postgres, schema):
    words, whole = await adopted_on_sqlite()
    async with on_postgres(postgres, schema) as stage:
        before = await stage.content()
        dry = await stage.adopt()
        assert await stage.content() == before, "a dry run keeps only what it has read"
        assert dry.words() == words
        (report,) = dry.channels
        left = stage.past.left
        assert {verdict.order.key for verdict in report.of(Fate.TWICE)} == set(map(str, left.twice))
        assert {verdict.order.key for verdict in report.of(Fate.LEAVE)} == set(map(str, left.missing))
        assert await stage.start_ms() == 0
        await stage.adopt(apply=True)
        content = await stage.content()
        assert {name: len(rows) for name, rows in content.items()} == {
            name: len(rows) for name, rows in whole.items()
        }
        assert content == whole
        assert len(content["bound"]) > SMALL.open and content["events"] and content["parked"]
        assert await stage.start_ms() > START_MS
        await stage.adopt(apply=True)
        assert await stage.content() == content


async def test_a_broken_off_adoption_goes_on_where_it_was(postgres, schema, monkeypatch):
    _, whole = await adopted_on_sqlite()
    async with on_postgres(postgres, schema) as stage:
        write, begun = stage.store.write, False

        async def dies(*asked):
            """Once it has said that it writes, the machine goes down."""
            nonlocal begun
            if begun:
                raise ConnectionResetError("the machine went down")
            begun = any(row.get("kind") == START for one in asked for row in one.rows)
            return await write(*asked)

        with monkeypatch.context() as dying:
            dying.setattr(stage.store, "write", dies)
            with pytest.raises(ConnectionResetError):
                await stage.adopt(apply=True)
        stage.world.clock.at_ms += 600_000  # its lease runs out
        content = await stage.content()
        assert content != whole
        with pytest.raises(Misconfigured, match="broken off"):
            await stage.start_ms()
        await stage.adopt(apply=True)
        assert await stage.start_ms() > START_MS
        assert (await stage.content())["bound"] == whole["bound"]
