"""What is paused and what is in shadow, as the engine sees it."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.support import START_MS, play

from syncline.engine.modes import FOREIGN_MS, Modes, ModeWatch, Stop
from syncline.engine.routes import Route, Routes
from syncline.model.change import Flow
from syncline.model.errors import Retryable
from syncline.ports import Write
from syncline.stores.sqlite import SqliteStore

STOCK, ORDERS = "inventory:erp->shop", "orders:shop->erp"
SINKS = {STOCK: "shop", ORDERS: "erp", "order_status:erp->shop": "shop"}


def mode(subject, kind, since_ms=100, until_ms=None):
    return (subject, kind, since_ms, until_ms, "Ada", "")


def test_nothing_is_stopped_unless_somebody_says_so():
    assert [Modes(SINKS).stop_of(name) for name in SINKS] == [Stop.NONE] * 3
    assert Modes().stop_of(STOCK) is Stop.NONE


def test_a_route_is_stopped_by_itself_or_by_its_sink():
    modes = Modes(SINKS, [mode("shop", "paused"), mode(ORDERS, "shadow")])
    assert [modes.stop_of(name) for name in SINKS] == [Stop.PAUSED, Stop.SHADOW, Stop.PAUSED]
    assert modes.of_system("shop").by == "Ada" and modes.of_system("erp") is None
    assert [one.subject for one in modes.of_route(STOCK)] == ["shop"]


def test_a_pause_is_stronger_than_shadow_and_what_is_over_stops_nothing():
    modes = Modes(SINKS, [mode(STOCK, "paused"), mode(STOCK, "shadow")])
    assert modes.stop_of(STOCK) is Stop.PAUSED and modes.in_shadow() == [STOCK]
    assert modes.replace([mode(STOCK, "paused", 100, 200), mode(STOCK, "shadow")]) == {STOCK}
    assert modes.stop_of(STOCK) is Stop.SHADOW
    assert modes.replace([mode(STOCK, "shadow")]) == set()
    assert modes.replace([mode("shop", "paused", 100, 200)]) == {STOCK}


def test_what_others_wrote_is_told_from_what_is_ours_by_the_last_shadow():
    assert Modes(SINKS, [mode(STOCK, "paused")]).ours_since(STOCK) == 0
    over = [mode(STOCK, "shadow", 500, 900), mode(STOCK, "shadow", 100, 200)]
    assert Modes(SINKS, over).ours_since(STOCK) == 900
    assert Modes(SINKS, reversed(over)).ours_since(STOCK) == 900
    assert Modes(SINKS, [mode(STOCK, "shadow"), *over]).ours_since(STOCK) == FOREIGN_MS


def test_a_moment_lies_in_a_pause_of_the_route_or_its_sink():
    modes = Modes(SINKS, [mode("shop", "paused", 100, 200), mode("erp", "paused", 300)])
    assert [modes.stopped_within(STOCK, *span) for span in ((0, 100), (0, 101), (199, 999), (200, 999))] == [
        False, True, True, False,
    ]  # fmt: skip
    assert modes.stopped_within(ORDERS, 900, 950)
    assert (modes.stopped_until(STOCK), modes.stopped_until(ORDERS), Modes(SINKS).stopped_until(STOCK)) == (
        200, FOREIGN_MS, 0,
    )  # fmt: skip


@pytest.mark.parametrize("trouble", [False, True])
def test_what_another_process_declares_is_heard_of_within_seconds(trouble):
    async def story(clock):
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        told: list[tuple[set[str], Stop]] = []
        routes = Routes([Route(Flow.INVENTORY, "erp", "shop", 5_000, locations={"1": "70"})])
        watch = ModeWatch(
            store, clock, routes, lambda names: told.append((set(names), watch.modes.stop_of(STOCK)))
        )
        await watch.refresh()
        running = asyncio.get_running_loop().create_task(watch.run())
        await clock.sleep(10)
        assert told == []
        if trouble:
            read, broken = store.read, iter([True])

            async def breaks(statement, **parameters):
                if next(broken, False):
                    raise Retryable("the database restarts")
                return await read(statement, **parameters)

            store.read = breaks
        row = {"subject": "shop", "mode": "paused", "now_ms": clock.now_ms(), "actor": "Ada", "reason": ""}
        await store.write(Write("mode_begin", [row]))
        await clock.sleep(5)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return told

    assert play(story) == [({STOCK}, Stop.PAUSED)]
