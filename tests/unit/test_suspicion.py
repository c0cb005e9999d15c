"""An event that ends the process is found and parked; everything else is applied."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from tests.unit.support import START_MS

from syncline.engine.apply.applier import Applier
from syncline.engine.catalog import Catalog
from syncline.engine.derive.demand import DemandLearner
from syncline.engine.leases import Lease
from syncline.engine.routes import Routes
from syncline.model.capabilities import Capabilities
from syncline.model.change import Event, Via
from syncline.stores.sqlite import SqliteStore

CLOCK = SimpleNamespace(now_ms=lambda: START_MS)


class Died(BaseException):
    """Stands for what no program survives."""


class Source:
    """Understands everything but one event."""

    def __init__(self, deadly: str) -> None:
        self.deadly = deadly
        self.decoded: list[str] = []

    def decode(self, logged):
        if logged.event.event_id == self.deadly:
            raise Died
        self.decoded.append(logged.event.event_id)
        return []


async def no_derivation(guard):
    return 0, []


async def a_life(store, source) -> None:
    """One process: apply until there is nothing left, or until it ends."""
    lease = Lease(store, CLOCK, "apply", "embedded")
    await lease.take()
    applier = Applier(
        store=store,
        clock=CLOCK,
        systems={"shop": SimpleNamespace(source=source, capabilities=Capabilities())},
        routes=Routes([]),
        catalog=Catalog(None),
        deriver=SimpleNamespace(step=no_derivation),
        learner=DemandLearner(store),
        lease=lease,
        offer=lambda rows: None,
    )
    for _ in range(1_000):
        if not await applier.step():
            return


async def lives(deadly: str, count: int) -> tuple[int, list[str], list[str]]:
    """Deaths, what was parked, and what was decoded in the end."""
    store = SqliteStore.open(":memory:", now_ms=START_MS)
    events = [Event("shop", "t", f"e{n}", Via.EVENT, START_MS, b"{}") for n in range(1, 301)]
    await store.append(events, received_at_ms=START_MS)
    deaths, decoded = 0, []
    for _ in range(count):
        source = Source(deadly)
        try:
            await a_life(store, source)
        except Died:
            deaths += 1
        decoded += source.decoded
    rows = await store.read("parked_open", after=0, limit=10)
    (applied,) = (await store.read("progress_get", consumer="apply"))[0]
    await store.close()
    assert applied == 300 or deaths == count
    return deaths, [row[4] for row in rows], decoded


@pytest.mark.parametrize(
    ("deadly", "times"), [("e1", 3), ("e2", 3), ("e150", 3), ("e200", 3), ("e201", 4), ("e300", 4)]
)
def test_an_event_that_ends_the_process_is_parked(deadly, times):
    deaths, reasons, decoded = asyncio.run(lives(deadly, 6))
    assert (deaths, reasons) == (times, ["ends_the_process"])
    assert set(decoded) == {f"e{n}" for n in range(1, 301)} - {deadly}


def test_lives_that_end_well_suspect_nobody():
    deaths, reasons, decoded = asyncio.run(lives("", 6))
    assert (deaths, reasons, len(decoded)) == (0, [], 300)
