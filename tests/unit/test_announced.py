"""A webhook that only announces a change: the stream that it names is read at once, and once more if need be."""

from __future__ import annotations

import asyncio
from random import Random
from types import SimpleNamespace
from typing import Any

from tests.unit.support import START_MS, play

from syncline.engine.capture.ingress import Ingress
from syncline.engine.capture.poller import Poller
from syncline.model.capabilities import Capabilities
from syncline.model.change import Cursor, Event, Flow, Via
from syncline.ports import Page, PollStream, Verified

HOUR_MS = 3_600_000


class Store:
    """Keeps a cursor, and takes what is appended."""

    def __init__(self) -> None:
        self.cursor: list[Any] = []
        self.appended: list[Event] = []

    async def read(self, name: str, **_: Any) -> list[Any]:
        return self.cursor

    async def write(self, *writes: Any) -> None:
        for row in (row for write in writes for row in write.rows):
            self.cursor = [(row["position"], row["covers_ms"])]

    async def append(self, events: Any, *, cursor: Cursor | None = None, **_: Any) -> list[int]:
        known = {event.event_id for event in self.appended}
        fresh = [event for event in events if event.event_id not in known]
        self.appended += fresh
        if cursor is not None:
            self.cursor = [(cursor.position, cursor.covers_ms)]
        return [len(self.appended) if event in fresh else None for event in events]  # type: ignore[misc]


def poller(clock: Any, read_s: float, began: list[float]) -> Poller:
    async def poll(name: str, cursor: Cursor | None) -> Any:
        began.append(clock.monotonic())
        await clock.sleep(read_s)
        yield Page((), Cursor("erp", name, "x", START_MS), last=True)

    system: Any = SimpleNamespace(name="erp", source=SimpleNamespace(poll=poll))

    async def applied(_: int) -> None:
        raise AssertionError("nothing was found")

    return Poller(
        system=system,
        stream=PollStream("levels", (Flow.INVENTORY,)),
        interval_ms=HOUR_MS,
        store=Store(),  # type: ignore[arg-type]
        clock=clock,
        rng=Random(1),
        on_stored=lambda: None,
        applied=applied,
    )


def test_an_announcement_is_read_at_once():
    async def story(clock: Any) -> None:
        began: list[float] = []
        reads = poller(clock, 1.0, began)
        task = asyncio.create_task(reads.run())
        await clock.sleep(10)
        reads.announce()
        await clock.sleep(100)
        task.cancel()
        assert [round(x - began[0]) for x in began] == [0, 10]

    play(story)


def test_an_announcement_during_a_read_has_another_read_follow():
    async def story(clock: Any) -> None:
        began: list[float] = []
        reads = poller(clock, 10.0, began)
        task = asyncio.create_task(reads.run())
        await clock.sleep(5)  # the read may have passed by already
        reads.announce()
        reads.announce()
        await clock.sleep(100)
        task.cancel()
        assert [round(x - began[0]) for x in began] == [0, 10]

    play(story)


def test_what_is_to_be_told_once_more_is_not_forgotten_by_a_read_under_way():
    """A person released what a full read had cut, and the read that ran just then put its own place over it."""

    async def story(clock: Any) -> None:
        began: list[float] = []
        reads = poller(clock, 10.0, began)
        store: Any = reads._store
        store.cursor = [("before", START_MS)]
        task = asyncio.create_task(reads.run())
        await clock.sleep(5)
        await reads.forget()
        await clock.sleep(10)
        assert store.cursor == [("", START_MS)]
        reads.nudge()
        await clock.sleep(100)
        task.cancel()
        assert [round(x - began[0]) for x in began] == [0, 15]
        assert store.cursor == [("x", START_MS)], "told once more, and no more than once"

    play(story)


def test_the_ingress_stores_first_and_then_has_the_streams_read():
    async def story(clock: Any) -> None:
        store = Store()
        told: list[tuple[str, tuple[str, ...], int]] = []

        def verify(request: Any) -> Verified:
            event = Event("erp", "notification", "n1", Via.EVENT, START_MS, request.body)
            return Verified(event, ("levels",) if request.body else ())

        system: Any = SimpleNamespace(
            source=SimpleNamespace(verify=verify),
            capabilities=Capabilities(webhook_handshake="validationToken"),
        )
        ingress = Ingress(
            store,  # type: ignore[arg-type]
            clock,
            {"erp": system},
            lambda _: None,
            lambda name, streams: told.append((name, tuple(streams), len(store.appended))),
        )
        assert (await ingress.accept("erp", {}, b"x")).status == 200
        assert (await ingress.accept("erp", {}, b"x")).status == 200  # again: it may be a new change
        assert told == [("erp", ("levels",), 1)] * 2
        await ingress.accept("erp", {}, b"")
        assert len(told) == 2
        assert (ingress.handshake("erp"), ingress.handshake("nobody")) == ("validationToken", "")

    play(story)
