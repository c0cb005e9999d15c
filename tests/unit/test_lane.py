"""What a lane makes of a call whose outcome it does not know."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import ClassVar

import pytest
import structlog
from tests.unit.support import START_MS, line, order, play

from syncline.engine.codec import encode, order_fingerprint
from syncline.engine.delivery.build import Send
from syncline.engine.delivery.lane import Lane
from syncline.engine.ids import Ids
from syncline.engine.leases import Lease
from syncline.engine.rewind import Mark, Rewind
from syncline.engine.routes import SEP, Route, Routes, stock_key
from syncline.model.capabilities import Capabilities
from syncline.model.change import Event, Flow, Via
from syncline.model.delivery import Operation, Outcome, Result
from syncline.model.errors import OutcomeUnknown, Retryable
from syncline.model.payloads import PutOrder, ReadOrder, SetStock
from syncline.ports import Write
from syncline.stores.sqlite import SqliteStore

KEY = stock_key("A", "70")
ROUTE = Route(Flow.INVENTORY, "erp", "shop", 5_000, locations={"1": "70"})
ORDERS = Route(Flow.ORDERS, "shop", "erp", 20_000)


class Sink:
    """Takes numbers; the answer to the first one is lost."""

    operations: ClassVar = {
        "set_stock": Operation("set_stock", retry_same_key_ms=60_000),
        "read_stock": Operation("read_stock", reads_only=True),
    }

    def __init__(self, before_it_is_lost) -> None:
        self._before_it_is_lost = before_it_is_lost
        self.calls: list[tuple[str, int]] = []

    async def deliver(self, operation, items, key):
        self.calls.append((key, items[0].payload.quantity))
        if len(self.calls) == 1:
            await self._before_it_is_lost()
            raise OutcomeUnknown("the answer was lost")
        return [Outcome(Result.DONE)]


class Builder:
    """Builds what is wanted at the moment."""

    def __init__(self) -> None:
        self.quantity = 5

    async def build(self, operation, deliveries, now_ms):
        return {key: Send(SetStock("A", "i", "70", self.quantity, 9)) for key in deliveries}


class Governor:
    async def ready(self, *, urgent):
        return None


@asynccontextmanager
async def at_work(clock, store, sink, builder, *, route=ROUTE, name="shop", rewind=None, **capabilities):
    """A lane with nothing around it; it is ended behind the block."""
    routes = Routes([route])
    system = SimpleNamespace(
        name=name, sink=sink, governor=Governor(), capabilities=Capabilities(**capabilities)
    )
    lane = Lane(
        system=system,
        store=store,
        clock=clock,
        rng=Random(1),
        ids=Ids(clock, Random(2)),
        routes=routes,
        builder=builder,
        lease=Lease(store, clock, f"lane:{name}", "me"),
        on_stored=lambda: None,
        on_stale=lambda _: None,
        offer=lambda rows: [lane.offer(row) for row in rows],
        rewind=rewind or Rewind(store, clock, routes),
    )
    running = asyncio.get_running_loop().create_task(lane.run())
    yield lane
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await lane.stop()


def touch(quantity_changed_ms: int) -> Write:
    return Write("delivery_touch", [{
        "system": "shop", "operation": "set_stock", "key": KEY, "route": ROUTE.name,
        "changed_at_ms": quantity_changed_ms, "deliver_by_ms": quantity_changed_ms + 5_000,
        "not_before_ms": quantity_changed_ms, "now_ms": quantity_changed_ms, "wanted": 1, "rev": 0,
    }])  # fmt: skip


@pytest.mark.parametrize(("meanwhile", "sent"), [(False, [5, 5]), (True, [5, 5, 7])])
def test_a_call_ends_what_it_carried_and_not_what_changed_before_its_outcome_was_known(meanwhile, sent):
    async def story(clock):
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        builder = Builder()

        async def change() -> None:
            if meanwhile:
                builder.quantity = 7
                lane.offer((await store.write(touch(clock.now_ms())))[0][0])

        sink = Sink(change)
        await store.write(touch(START_MS))
        async with at_work(clock, store, sink, builder, compare_and_set=True) as lane:
            await clock.sleep(30)
        assert lane.pending() == 0
        return sink.calls

    calls = play(story)
    assert [quantity for _, quantity in calls] == sent
    assert calls[0] == calls[1], "the same key asks for the same effect"
    assert len({key for key, _ in calls}) == len(set(sent))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Retryable("the disk is full"), ("warning", "store_refused")),
        (ValueError("a mistake"), ("error", "call_failed")),
    ],
)
def test_a_store_that_is_away_is_no_mistake_and_what_waited_goes_on(monkeypatch, error, said):
    heard = structlog.testing.LogCapture()
    wrapped = structlog.wrap_logger(None, [heard], structlog.make_filtering_bound_logger(logging.NOTSET))
    monkeypatch.setattr("syncline.engine.delivery.lane.log", wrapped)

    async def story(clock):
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        read, errors = store.read, [error]

        async def away(statement, **of):
            if statement == "deliveries_get" and errors:
                raise errors.pop()
            return await read(statement, **of)

        monkeypatch.setattr(store, "read", away)
        sink = Sink(partial(clock.sleep, 0))
        await store.write(touch(START_MS))
        async with at_work(clock, store, sink, Builder(), compare_and_set=True) as lane:
            await clock.sleep(30)
        assert lane.pending() == 0
        return [quantity for _, quantity in sink.calls]

    assert play(story) == [5, 5]
    assert [(entry["log_level"], entry["action"]) for entry in heard.entries] == [said]
    assert ("exc_info" in heard.entries[0]) is (said[0] == "error")


class Finds:
    """An ERP that holds the order already: a former process was killed before it heard so."""

    operations: ClassVar = {"put_order": Operation("put_order", look_up=True, look_up_window_ms=60_000)}

    async def look_up(self, operation, item):
        return Outcome(Result.DONE, facts={"external_id": "5001"})


def test_an_order_that_a_former_process_sent_is_bound_with_its_revision():
    """Bound without, it would count as written by somebody else, and its next revision would be taken for sent."""

    async def story(clock):
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        sent = PutOrder("shop-7001", order(line("l1", "A", 2)), ())
        key = f"7001{SEP}{START_MS}"
        row = {"system": "erp", "operation": "put_order", "now_ms": START_MS}
        await store.write(Write("intent_put", [{**row, "id": "i1", "items": encode({key: sent})}]))
        async with at_work(
            clock, store, Finds(), Builder(), route=ORDERS, name="erp", external_reference=True
        ):
            await clock.sleep(30)
        ((_, external_id, _, fingerprint, *_),) = await store.read(
            "bindings_get", system="erp", kind="order", keys=["shop-7001"]
        )
        assert (external_id, fingerprint) == ("5001", order_fingerprint(sent.order))

    play(story)


class Refuses:
    """A store that does not take one thing at first: its disk is full, or its server restarts."""

    def __init__(self, store, name, times=3) -> None:
        self._store = store
        self._name = name
        self._times = times

    def __getattr__(self, name):
        return getattr(self._store, name)

    def _refuse(self, name) -> None:
        if name == self._name and self._times:
            self._times -= 1
            raise Retryable("not at the moment")

    async def append(self, events, *, received_at_ms, cursor=None):
        self._refuse("append")
        return await self._store.append(events, received_at_ms=received_at_ms, cursor=cursor)

    async def read(self, statement, **parameters):
        self._refuse(statement)
        return await self._store.read(statement, **parameters)


class Reads:
    """A shop of which orders are read."""

    operations: ClassVar = {"read_order": Operation("read_order", reads_only=True)}

    async def deliver(self, operation, items, key):
        return [
            Outcome(
                Result.DONE,
                facts={"event": Event("shop", "order.read", item.key, Via.READ, START_MS, b"{}")},
            )
            for item in items
        ]


class Asks:
    async def build(self, operation, deliveries, now_ms):
        return {key: Send(ReadOrder(key)) for key in deliveries}


@pytest.mark.parametrize("name", ["append", "deliveries_get"])
def test_an_order_is_read_and_kept_once_the_store_takes_it(name):
    """Left out, it would wait for its next event or for a restart."""

    async def story(clock):
        store = Refuses(SqliteStore.open(":memory:", now_ms=START_MS), name)
        asked = touch(START_MS).rows[0] | {"operation": "read_order", "key": "7001", "route": ""}
        await store.write(Write("delivery_touch", [asked]))
        async with at_work(clock, store, Reads(), Asks(), route=ORDERS) as lane:
            await clock.sleep(30)
        return [e.event.event_id for e in await store.events(0, 9)], lane.pending()

    assert play(story) == (["7001"], 0)


def test_a_lane_sleeps_while_a_restored_store_catches_up():
    """Numbers are held back then, and what is due but held back is no reason to look again."""

    async def nothing() -> None:
        pass

    async def story(clock):
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        rewind = Rewind(store, clock, Routes([ROUTE]))
        rewind.mark = Mark(restored_at_ms=START_MS)
        sink = Sink(nothing)
        looks = 0
        await store.write(touch(START_MS))
        async with at_work(clock, store, sink, Builder(), rewind=rewind, compare_and_set=True) as lane:

            def due(names, now_ms, look=lane._due):
                nonlocal looks
                looks += 1
                return look(names, now_ms)

            lane._due = due
            await clock.sleep(30)
            held_back = looks, list(sink.calls)
            rewind.mark = Mark(restored_at_ms=START_MS, caught_up=True)
            lane.wake()
            await clock.sleep(30)
        return held_back, len(sink.calls)

    (looks, calls), sent = play(story)
    assert looks < 10 and not calls
    assert sent == 2
