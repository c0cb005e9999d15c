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
from syncline.engine.leases import RENEWALS, TTL_MS, Lease
from syncline.engine.modes import Stop
from syncline.engine.rewind import Mark, Rewind
from syncline.engine.routes import SEP, Route, Routes, stock_key
from syncline.model.capabilities import Capabilities
from syncline.model.change import Event, Flow, Via
from syncline.model.delivery import Operation, Outcome, Result
from syncline.model.errors import Fenced, OutcomeUnknown, Retryable
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


def lane_of(clock, store, sink, builder, *, route=ROUTE, name="shop", rewind=None, **capabilities):
    """A lane with nothing around it."""
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
    return lane


@asynccontextmanager
async def at_work(clock, store, sink, builder, **more):
    """The same at work; it is ended behind the block."""
    lane = lane_of(clock, store, sink, builder, **more)
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


@pytest.mark.parametrize("late", ["completed", "retryable", "running"])
def test_what_was_touched_stands_although_an_older_commit_is_told_of_later(late):
    """The answer to a commit was lost at first; when it is known, a later one has been told of."""

    async def story(clock):
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        sink = Sink(partial(clock.sleep, 0))
        async with at_work(clock, store, sink, Builder(), compare_and_set=True) as lane:
            await clock.sleep(1)
            ((*at, _, generation, by, _),) = (await store.write(touch(START_MS)))[0]
            (newer,) = (await store.write(touch(START_MS)))[0]
            lane.offer(newer)
            lane.offer((*at, late, newer[4] if late == "running" else generation, by, START_MS + 3_600_000))
            await clock.sleep(30)
            assert lane.pending() == 0
        ((_, _, state, *_),) = await store.read(
            "deliveries_get", system="shop", operation="set_stock", keys=[KEY]
        )
        return state, [quantity for _, quantity in sink.calls]

    assert play(story) == ("completed", [5, 5])


@pytest.mark.parametrize("stopped", [False, True])
def test_what_a_stopped_route_holds_is_not_forgotten_for_an_older_commit(stopped):
    async def story(clock):
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        sink = Sink(partial(clock.sleep, 0))
        async with at_work(clock, store, sink, Builder(), compare_and_set=True) as lane:
            if stopped:
                lane.stops.modes.stop_of = lambda route: Stop.PAUSED
            await store.write(touch(START_MS))
            (newer,) = (await store.write(touch(START_MS)))[0]
            await clock.sleep(1)
            lane.offer(newer)
            await clock.sleep(1)
            assert len(lane.stops) == stopped
            lane.offer((*newer[:3], "completed", 1, *newer[5:]))
            assert len(lane.stops) == stopped

    play(story)


def test_what_no_lane_was_told_of_is_found_in_the_store():
    async def story(clock):
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        sink = Sink(partial(clock.sleep, 0))
        async with at_work(clock, store, sink, Builder(), compare_and_set=True) as lane:
            await clock.sleep(1)
            await store.write(touch(START_MS))
            await clock.sleep(30)
            assert not sink.calls
            await lane.look_in_store()
            await clock.sleep(30)
            assert lane.pending() == 0
        return len(sink.calls)

    assert play(story) == 2


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


@pytest.mark.parametrize("statement", ["deliveries_get", "attempts_of", "bindings_get"])
@pytest.mark.parametrize("compares", [True, False])
def test_a_call_whose_outcome_is_not_known_is_resolved_once_the_store_answers(statement, compares):
    """Left alone, its record would be in flight until a restart."""

    async def story(clock):
        store = Refuses(SqliteStore.open(":memory:", now_ms=START_MS), statement, times=0)

        async def away() -> None:
            store._times = 3

        sink = Shown(away)
        await store.write(touch(START_MS))
        async with at_work(clock, store, sink, Builder(), compare_and_set=compares) as lane:
            await clock.sleep(120)
            assert lane.pending() == 0
        assert not await store.read("intents_unfinished", system="shop")
        return store._times

    # Only what writes over nobody knows what asks what the channel held.
    assert play(story) == (3 if statement == "bindings_get" and compares else 0)


@pytest.mark.parametrize("what", ["intent_put", "intent_finish"])
@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("heard", [True, False])
def test_a_call_in_the_midst_of_which_the_store_failed_goes_on(what, written, heard):
    """Nobody knows whether it took what was written: it is asked, as after a restart."""

    async def story(clock):
        store = Fails(SqliteStore.open(":memory:", now_ms=START_MS), what, written=written)
        sink = Sink(partial(clock.sleep, 0))
        sink.calls += [("", 0)] * heard  # no answer is lost any more
        await store.write(touch(START_MS))
        async with at_work(clock, store, sink, Builder(), compare_and_set=True) as lane:
            await clock.sleep(60)
            assert lane.pending() == 0
            assert not await store.read("intents_unfinished", system="shop")
            ((_, _, state, *_),) = await store.read(
                "deliveries_get", system="shop", operation="set_stock", keys=[KEY]
            )
            assert state == "completed"
        return {key for key, _ in sink.calls if key}

    # The call that was made is the one that is asked for again, under its key.
    assert len(play(story)) == 1


@pytest.mark.parametrize("lost", ["intent_put", "intent_finish"])
def test_a_lane_that_another_worker_took_over_sends_nothing_more_and_ends(lost):
    """It stood still after it had written what it was about to do, or while it waited for the answer."""

    async def story(clock):
        store = SqliteStore.open(":memory:", now_ms=START_MS)

        async def take_over() -> None:
            await lane._lease.drop()
            await Lease(store, clock, "lane:shop", "another").take()
            lane._lease._ends_ms = clock.now_ms()  # as its clock says when it goes on

        class Frozen(Refuses):
            async def write(self, *writes):
                rows = await self._store.write(*writes)
                if lost in [write.statement for write in writes]:
                    await take_over()
                return rows

        async def meanwhile() -> None:
            if lost == "intent_finish":
                await take_over()

        sink = Sink(meanwhile)
        sink.calls += [("", 0)] if lost == "intent_put" else []  # no answer is lost
        await store.write(touch(START_MS))
        lane = lane_of(clock, Frozen(store, "", times=0), sink, Builder(), compare_and_set=True)
        running = asyncio.get_running_loop().create_task(lane.run())
        await clock.sleep(TTL_MS / RENEWALS / 2000)  # before it would renew
        (error,) = running.exception().exceptions
        assert isinstance(error, Fenced)
        await lane.stop()
        return [key for key, _ in sink.calls if key]

    assert len(play(story)) == (1 if lost == "intent_finish" else 0)


class Fails:
    """A store that does not come back for long in the midst of one write: what became of it is not known."""

    def __init__(self, store, what, *, written) -> None:
        self._store = store
        self._what = what
        self._written = written

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def write(self, *writes):
        if self._what not in [write.statement for write in writes]:
            return await self._store.write(*writes)
        self._what = ""
        if self._written:
            await self._store.write(*writes)
        raise OutcomeUnknown("the connection broke during COMMIT")


class Shown(Sink):
    """The same, whose numbers can be read."""

    async def deliver(self, operation, items, key):
        if operation == "read_stock":
            return [Outcome(Result.DONE, facts={"held": self.calls[-1][1] if self.calls else 9})]
        return await super().deliver(operation, items, key)


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
