"""Forgetting: what is past its time goes, what is unresolved stays, and nothing is done in one long transaction."""

from __future__ import annotations

import asyncio

import pytest

from syncline.engine import retention
from syncline.engine.retention import DAY_MS, Janitor
from syncline.model.change import Event, Via
from syncline.ports import Write
from syncline.stores.sqlite import SqliteStore

NOW = 200 * 16 * DAY_MS
OLD, NEW = NOW - 31 * DAY_MS, NOW - 29 * DAY_MS


class Fixed:
    def now_ms(self) -> int:
        return NOW


def event(number: int) -> Event:
    return Event("shop", "t", f"e{number}", Via.EVENT, OLD, b"{}")


def played(story):
    async def whole():
        store = SqliteStore.open(":memory:", now_ms=OLD)
        try:
            return await story(store)
        finally:
            await store.close()

    return asyncio.run(whole())


def janitor(store, applied: int = 10**9) -> Janitor:
    return Janitor(store, Fixed(), lambda: applied)


async def put(store, statement: str, **row):
    return (await store.write(Write(statement, [row])))[0]


def test_applied_events_are_forgotten_after_thirty_days():
    async def story(store):
        await store.append([event(1), event(2)], received_at_ms=OLD)
        await store.append([event(3)], received_at_ms=NEW)
        await janitor(store).sweep()
        return [logged.event.event_id for logged in await store.events(0, 9)]

    assert played(story) == ["e3"]


def test_a_play_that_nobody_looks_into_keeps_them_for_as_long_as_it_says():
    async def story(store):
        await store.append([event(1)], received_at_ms=NOW - 3 * DAY_MS)
        await store.append([event(2)], received_at_ms=NOW - DAY_MS)
        await Janitor(store, Fixed(), lambda: 10**9, details_kept_ms=2 * DAY_MS).sweep()
        return [logged.event.event_id for logged in await store.events(0, 9)]

    assert played(story) == ["e2"]


@pytest.mark.parametrize(("applied", "left"), [(0, ["e1", "e2"]), (1, ["e2"]), (-1, ["e1", "e2"])])
def test_an_event_that_was_not_applied_yet_stays_however_old(applied, left):
    async def story(store):
        await store.append([event(1), event(2)], received_at_ms=OLD)
        await janitor(store, applied).sweep()
        return [logged.event.event_id for logged in await store.events(0, 9)]

    assert played(story) == left


def test_an_event_id_is_known_longer_than_its_event():
    async def story(store):
        await store.append([event(1)], received_at_ms=OLD)
        await janitor(store).sweep()
        return await store.append([event(1)], received_at_ms=NOW)

    assert played(story) == [None]


async def deliver(store, key: str, state: str, at: int) -> None:
    await put(
        store,
        "delivery_fact",
        system="erp",
        operation="put_order",
        key=key,
        route="",
        changed_at_ms=at,
        deliver_by_ms=at,
        not_before_ms=at,
        now_ms=at,
    )
    if state != "available":
        await put(
            store,
            "delivery_finish",
            system="erp",
            operation="put_order",
            key=key,
            state=state,
            generation=1,
            not_before_ms=at,
            reason="",
            uncounted=0,
            now_ms=at,
        )


def test_only_deliveries_that_ended_are_forgotten():
    async def story(store):
        for state in (
            "available",
            "scheduled",
            "running",
            "retryable",
            "parked",
            "completed",
            "superseded",
            "cancelled",
        ):
            await deliver(store, f"old {state}", state, OLD)
            await deliver(store, f"new {state}", state, NEW)
        await janitor(store).sweep()
        rows = await store.read("deliveries_like", **{"from": "", "to": "~", "limit": 99})
        return {row[2] for row in rows}

    kept = played(story)
    assert {key for key in kept if key.startswith("old")} == {
        "old available",
        "old scheduled",
        "old running",
        "old retryable",
        "old parked",
    }
    assert len([key for key in kept if key.startswith("new")]) == 8


def test_an_intent_without_a_result_is_never_forgotten():
    async def story(store):
        for name, finished in (("open", None), ("old", OLD), ("new", NEW)):
            await put(
                store, "intent_put", id=name, system="erp", operation="put_order", items="{}", now_ms=OLD
            )
            await put(
                store,
                "attempt_put",
                intent=name,
                system="erp",
                operation="put_order",
                key=f"k-{name}",
                generation=1,
                result="",
                message="",
                now_ms=OLD,
            )
            if finished is not None:
                await put(store, "intent_finish", id=name, result="known", now_ms=finished)
        await janitor(store).sweep()
        intents = [name for name in ("open", "old", "new") if await store.read("intent_get", id=name)]
        attempts = await store.read("attempts_like", **{"from": "k-", "to": "k-~", "limit": 9})
        return intents, sorted(row[2] for row in attempts)

    assert played(story) == (["open", "new"], ["k-new", "k-open"])


def test_lags_and_traces_are_forgotten_after_thirty_days():
    async def story(store):
        for at in (OLD, NEW):
            await put(store, "lag_put", route="r", key="k", lag_ms=1, kept=1, now_ms=at)
            await put(
                store,
                "trace_put",
                kind="order",
                key="k",
                offset=at,
                system="s",
                via="event",
                verdict="v",
                now_ms=at,
            )
        deleted = await janitor(store).sweep()
        lags = await store.read("lags", route="r", since=0, limit=9)
        traces = await store.read("traces", kind="order", key="k", limit=9)
        return deleted, [row[1] for row in lags], [row[6] for row in traces]

    assert played(story) == (2, [NEW], [NEW])


def test_parked_work_stays_until_a_person_resolves_it():
    async def story(store):
        await put(
            store,
            "parked_put",
            system="erp",
            operation="put_order",
            key="k",
            reason="r",
            detail="",
            payload="",
            now_ms=0,
        )
        await janitor(store).sweep()
        return await store.read("parked_count")

    assert played(story) == [(1,)]


@pytest.mark.parametrize(("resolved_ms", "left"), [(OLD, ""), (NEW, "text"), (None, "text")])
def test_the_text_of_a_message_goes_thirty_days_after_it_was_decided_about(resolved_ms, left):
    async def story(store):
        at = {"system": "shop", "operation": "apply", "key": "t\x1fe1"}
        await put(store, "parked_put", **at, reason="not_understood", detail="", payload="text", now_ms=OLD)
        if resolved_ms is not None:
            await put(store, "parked_resolve", **at, resolution="discarded", by="Ada", now_ms=resolved_ms)
        await janitor(store).sweep()
        return [row[5] for row in await store.read("parked_after", after=0, limit=9)]

    assert played(story) == [left]


def test_a_large_backlog_goes_in_small_steps(monkeypatch):
    monkeypatch.setattr(retention, "STEP", 10)

    async def story(store):
        await store.append([event(number) for number in range(95)], received_at_ms=OLD)
        writes = []

        class Counting:
            async def write(self, *statements):
                rows = await store.write(*statements)
                writes.append((statements[0].statement, len(rows[0])))
                return rows

        deleted = await janitor(Counting()).sweep()
        return deleted, [count for statement, count in writes if statement == "forget_events"]

    assert played(story) == (95, [10] * 9 + [5])


def test_a_sweep_has_an_end_even_where_the_backlog_has_none(monkeypatch):
    monkeypatch.setattr(retention, "STEPS_MAX", 3)
    monkeypatch.setattr(retention, "STEP", 1)

    class Endless:
        calls = 0

        async def write(self, *statements):
            self.calls += 1
            return [[("row",)]]

    store = Endless()
    assert asyncio.run(janitor(store).sweep()) == 42
    assert store.calls == 42  # thirteen kinds of rows, three steps each
