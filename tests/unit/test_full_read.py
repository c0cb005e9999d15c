"""A full read is taken in piece by piece, so that others' changes wait for no more than a piece of it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from random import Random
from types import SimpleNamespace

from tests.unit.support import START_MS, change

from syncline.engine.apply.applier import CHANGES_MAX, Applier
from syncline.engine.capture.poller import Poller
from syncline.engine.catalog import Catalog
from syncline.engine.derive.demand import DemandLearner
from syncline.engine.leases import Lease
from syncline.engine.routes import Routes, stock_key
from syncline.model.capabilities import Capabilities
from syncline.model.change import Cursor, Event, Flow, Kind, Via
from syncline.model.records import StockLevel
from syncline.ports import Page, PollStream
from syncline.stores.sqlite import SqliteStore

IN_EVENT = 30
EVENTS = 150


async def at_once(seconds: float) -> None:
    assert seconds == 0


CLOCK = SimpleNamespace(now_ms=lambda: START_MS, monotonic=lambda: 0.0, sleep=at_once)


class Source:
    """Events of so many figures each."""

    def __init__(self) -> None:
        self.decoded: list[int] = []

    def decode(self, logged):
        self.decoded.append(logged.offset)
        keys = [stock_key(f"{logged.event.event_id}.{n}", "1") for n in range(IN_EVENT)]
        level = StockLevel("A", "1", Decimal(1), Decimal(1), Decimal(0), START_MS)
        return [change(Kind.STOCK, key, level) for key in keys]


class Watched(SqliteStore):
    """Notes how many records each transaction writes."""

    async def write(self, *writes):
        counts = [len(write.rows) for write in writes if write.statement == "record_put"]
        if counts:
            self.records.append(sum(counts))
        return await super().write(*writes)


async def nothing(guard):
    return 0, []


async def opened() -> tuple[Watched, Source, Applier]:
    store = Watched.open(":memory:", now_ms=START_MS)
    store.records = []
    source = Source()
    lease = Lease(store, CLOCK, "apply", "test")
    await lease.take()
    applier = Applier(
        store=store,
        clock=CLOCK,
        systems={"erp": SimpleNamespace(source=source, capabilities=Capabilities())},
        routes=Routes([]),
        catalog=Catalog(None),
        deriver=SimpleNamespace(step=nothing),
        learner=DemandLearner(store),
        lease=lease,
        offer=lambda rows: None,
    )
    return store, source, applier


def events_of(first: int, count: int) -> tuple[Event, ...]:
    return tuple(
        Event("erp", "stock", f"e{n}", Via.SNAPSHOT, START_MS, b"[]") for n in range(first, first + count)
    )


def test_no_transaction_takes_much_more_than_its_share_and_every_event_is_decoded_once():
    async def story():
        store, source, applier = await opened()
        await store.append(events_of(1, EVENTS), received_at_ms=START_MS)
        while await applier.step():
            pass
        assert source.decoded == list(range(1, EVENTS + 1))
        assert applier.applied == sum(store.records) == EVENTS * IN_EVENT
        assert len(store.records) > 1
        assert all(CHANGES_MAX <= count < CHANGES_MAX + IN_EVENT for count in store.records[:-1])

    asyncio.run(story())


def test_a_page_of_a_full_read_waits_until_the_one_before_is_applied():
    async def pages(stream: PollStream) -> list[tuple[int, int]]:
        """At each page that is appended: its number, and how far the log was applied."""
        store, _, applier = await opened()
        seen = []

        async def poll(name, cursor):
            for n in range(3):
                last = n == 2
                yield Page(events_of(1 + 40 * n, 40), Cursor("erp", name, str(n), START_MS), last=last)

        class Noting(SimpleNamespace):
            async def append(self, events, **more):
                seen.append((len(seen), applier.offset))
                return await store.append(events, **more)

        poller = Poller(
            system=SimpleNamespace(name="erp", source=SimpleNamespace(poll=poll)),
            stream=stream,
            interval_ms=1_000,
            store=Noting(read=store.read),
            clock=CLOCK,
            rng=Random(1),
            on_stored=applier.wake,
            applied=applier.reached,
        )
        applying = asyncio.create_task(applier.run())
        assert await poller.read_once() == 120
        await applier.reached(120)
        applying.cancel()
        return seen

    flows = (Flow.INVENTORY,)
    in_turns = asyncio.run(pages(PollStream("stock", flows, snapshot=True)))
    assert [offset for _, offset in in_turns[1:]] == [40, 80]
    ahead = asyncio.run(pages(PollStream("delta", flows)))
    assert max(offset for _, offset in ahead) <= 0
