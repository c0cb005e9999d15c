"""An applier whose store commits, and whose answer gets lost."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from tests.unit.support import START_MS, play

from syncline.engine.apply.applier import Applier
from syncline.engine.catalog import Catalog
from syncline.engine.derive.demand import DemandLearner
from syncline.engine.leases import Lease
from syncline.engine.routes import Routes
from syncline.model.change import Event, Via
from syncline.model.errors import OutcomeUnknown
from syncline.stores.sqlite import SqliteStore


class LosesAnAnswer:
    """The store, but the answer to the write of a batch is lost once."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.lost = 0

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def write(self, *writes):
        found = await self._store.write(*writes)
        if not self.lost and any(write.statement == "progress_put" for write in writes):
            self.lost += 1
            raise OutcomeUnknown("the connection broke after the commit")
        return found


def test_what_a_lost_commit_marked_for_later_is_looked_for():
    async def story(clock):
        whole = SqliteStore.open(":memory:", now_ms=START_MS)
        store = LosesAnAnswer(whole)
        told: list[int] = []

        async def step(guard):
            return 0, []

        lease = Lease(store, clock, "apply", "me")
        await lease.take()
        applier = Applier(
            store=store,
            clock=clock,
            systems={"shop": SimpleNamespace(source=SimpleNamespace(decode=lambda logged: []))},
            routes=Routes([]),
            catalog=Catalog(None),
            deriver=SimpleNamespace(step=step, deferred=lambda: told.append(store.lost)),
            learner=DemandLearner(store),
            lease=lease,
            offer=lambda rows: None,
        )
        await store.append([Event("shop", "t", "e", Via.EVENT, START_MS, b"{}")], received_at_ms=START_MS)
        running = asyncio.get_running_loop().create_task(applier.run())
        await clock.sleep(10)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return told, applier.offset

    assert play(story) == ([1], 1)
