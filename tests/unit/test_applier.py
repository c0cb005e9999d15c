"""The applier between the log and the store: what it remembers, and what a lost answer makes it forget."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container
from functools import partial
from types import SimpleNamespace

import pytest
from tests.unit.support import START_MS, change, line, order, play

from syncline.engine.apply import applier as applying
from syncline.engine.apply.applier import HEARD_BYTES_MAX, HEARD_MAX, Applier
from syncline.engine.apply.known import Known, Memory
from syncline.engine.catalog import Catalog
from syncline.engine.derive.demand import DemandLearner
from syncline.engine.leases import Lease
from syncline.engine.routes import Routes
from syncline.model.capabilities import Capabilities
from syncline.model.change import Event, Kind, LoggedEvent, Via
from syncline.model.errors import OutcomeUnknown
from syncline.stores.sqlite import SqliteStore


class Watched:
    """The store, which tells what was read; the answer to one write of a batch may be lost."""

    def __init__(self, store: SqliteStore, lose: int | None = None) -> None:
        self._store = store
        self._lose = lose
        self.lost = 0
        self.batches = 0
        self.asked: list[str] = []
        self.looks = 0
        self.offered_open = 0  # times that the lanes were told of all that is open
        self.meanwhile: Callable[[], Awaitable[None]] | None = None  # happens once, while a batch is written

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def read(self, statement, **parameters):
        if statement == "records_get":
            self.asked += parameters["keys"]
        return await self._store.read(statement, **parameters)

    async def offer_open(self):
        self.offered_open += 1

    async def events(self, after, limit):
        self.looks += 1
        return await self._store.events(after, limit)

    async def write(self, *writes):
        found = await self._store.write(*writes)
        if any(write.statement == "progress_put" for write in writes):
            self.batches += 1
            if self.meanwhile is not None:
                happens, self.meanwhile = self.meanwhile, None
                await happens()
            if self.batches == self._lose:
                self.lost += 1
                raise OutcomeUnknown("the connection broke after the commit")
        return found


def told(
    store: Watched,
    *events: tuple[Via, str],
    heard_too: Container[int] = (),
    after_s: float = 10,
    amid: bool = False,
) -> tuple[list[int], int]:
    """Events about orders, one after the other; when the deriver heard of something deferred, and the place reached.

    Of those ``heard_too`` the applier is told as they are appended, of the others that there is something. ``amid``:
    the last comes while the first batch is written, and all others were there before.
    """

    def decode(logged):
        key = logged.event.body.decode()
        value = order(line("l", "A", logged.offset), key=key)
        return [change(Kind.ORDER, key, value, version=START_MS + logged.offset)]

    async def story(clock):
        heard: list[int] = []

        async def step(guard):
            return 0, []

        lease = Lease(store, clock, "apply", "me")
        await lease.take()
        shop = SimpleNamespace(source=SimpleNamespace(decode=decode), capabilities=Capabilities())
        applier = Applier(
            store=store,
            clock=clock,
            systems={"shop": shop},
            routes=Routes([]),
            catalog=Catalog(None),
            deriver=SimpleNamespace(step=step, deferred=lambda: heard.append(store.lost)),
            learner=DemandLearner(store),
            lease=lease,
            offer=lambda rows: None,
            offer_open=store.offer_open,
        )

        async def comes(number):
            via, key = events[number]
            event = Event("shop", "t", f"e{number}", via, START_MS, key.encode())
            (offset,) = await store.append([event], received_at_ms=START_MS)
            if number in heard_too:
                applier.hear(LoggedEvent(offset, START_MS, event))
            else:
                applier.wake()

        begin = partial(asyncio.get_running_loop().create_task, applier.run())
        if amid:
            for number in range(len(events) - 1):
                await comes(number)
            store.meanwhile = partial(comes, len(events) - 1)
            running = begin()
        else:
            running = begin()
            for number in range(len(events)):
                await comes(number)
                await clock.sleep(after_s)
        await clock.sleep(10)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert applier.applied >= len(events) - store.lost and not applier.parked
        return heard, applier.offset

    return play(story)


def store(lose: int | None = None) -> Watched:
    return Watched(SqliteStore.open(":memory:", now_ms=START_MS), lose)


def test_what_a_lost_commit_marked_for_later_is_looked_for():
    heard, offset = told(store(lose=1), (Via.EVENT, "1"))
    assert heard and heard[0] == 1  # as soon as the answer was lost
    assert offset == 1


@pytest.mark.parametrize("lose", [None, 1])
def test_after_a_lost_answer_lanes_are_told_once_of_all_that_is_open(lose):
    """What a step had touched before it failed was offered to nobody."""
    watched = store(lose)
    told(watched, (Via.EVENT, "1"), (Via.EVENT, "2"))
    assert watched.offered_open == watched.lost == (lose or 0)


def test_what_was_written_a_moment_ago_is_not_read_again():
    watched = store()
    told(watched, (Via.EVENT, "1"), (Via.EVENT, "2"), (Via.EVENT, "1"), (Via.POLL, "2"))
    assert watched.asked == ["1", "2"]


def test_after_a_lost_answer_nothing_is_taken_for_known():
    watched = store(lose=2)
    told(watched, (Via.EVENT, "1"), (Via.EVENT, "1"), (Via.EVENT, "1"))
    assert watched.asked == ["1", "1"]


def test_a_full_read_is_held_against_the_store_itself():
    watched = store()
    told(watched, (Via.EVENT, "1"), (Via.SNAPSHOT, "1"))
    assert watched.asked == ["1", "1"]


FEW = [(Via.EVENT, str(n)) for n in range(6)]


@pytest.mark.parametrize("after_s", [0, 10])
@pytest.mark.parametrize("unheard", [(), (0,), (2,), (5,), (1, 3)])
def test_what_was_heard_is_applied_in_its_turn_whatever_came_between(unheard, after_s):
    watched = store()
    heard_too = set(range(6)) - set(unheard)
    _, offset = told(watched, *FEW, heard_too=heard_too, after_s=after_s)
    assert offset == 6 and watched.asked == [str(n) for n in range(6)]  # each once, and in order


@pytest.mark.parametrize("heard_too", [(), (2,)], ids=["woken", "told"])
def test_what_comes_while_a_large_read_is_worked_off_waits_for_nothing_else(monkeypatch, heard_too):
    monkeypatch.setattr(applying, "CHANGES_MAX", 1)  # what is read at once takes two transactions
    watched = store()
    _, offset = told(watched, *FEW[:3], heard_too=heard_too, amid=True)
    assert offset == watched.batches == 3


def test_what_was_heard_is_not_read_from_the_log():
    watched = store()
    told(watched, *FEW, heard_too=range(6))
    assert watched.looks == 1  # at the start


def test_after_a_lost_answer_the_log_itself_is_read():
    watched = store(lose=3)
    _, offset = told(watched, *FEW, heard_too=range(6))
    assert offset == 6 and watched.looks == 2


def test_more_than_can_be_kept_in_mind_is_read_from_the_log():
    many = [(Via.EVENT, str(n)) for n in range(2 * HEARD_MAX)]
    watched = store()
    _, offset = told(watched, *many, heard_too=range(len(many)), after_s=0)
    assert offset == len(many) and watched.asked == [key for _, key in many]
    large = [(Via.EVENT, "1"), (Via.EVENT, "1" * (HEARD_BYTES_MAX + 1))]
    watched = store()
    assert told(watched, *large, heard_too=range(2))[1] == 2 and watched.looks == 2


@pytest.mark.parametrize("kind", [Kind.ORDER, Kind.STOCK])
def test_the_memory_keeps_the_newest_few(kind):
    memory = Memory(versions_max=2, orders_max=2)
    names = [("shop", kind, str(n)) for n in range(3)]
    memory.stored((name, Known(1, 0, "h", "whole")) for name in names[:2])
    assert memory.get(names[0]).value == ("whole" if kind is Kind.ORDER else None)
    memory.stored([(names[2], Known(1, 0, "h", None))])
    assert [memory.get(name) is not None for name in names] == [True, False, True]
    memory.forget()
    assert not any(map(memory.get, names))


def test_a_full_read_pushes_nothing_out_of_the_memory_and_leaves_nothing_old_in_it():
    memory = Memory(versions_max=2)
    names = [("erp", Kind.STOCK, str(n)) for n in range(4)]
    memory.stored((name, Known(1, 0, "h", None)) for name in names[:2])
    memory.stored((name, Known(2, 0, "h", None, passing=True)) for name in reversed(names))
    assert [getattr(memory.get(name), "version", None) for name in names] == [2, 2, None, None]
