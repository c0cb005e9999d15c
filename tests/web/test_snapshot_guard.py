"""A full read that takes away too much waits for a person, and nothing else does."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from tests.web.support import MINUTE, NOW_MS, StillClock, make_engine

from syncline.engine.operations import Operations
from syncline.model.change import Event, Flow, Via
from syncline.model.records import Item

SKUS = [f"S{n:02}" for n in range(30)]


@pytest.fixture
async def engine():
    made = await make_engine(StillClock())
    (route,) = made.routes.of(Flow.INVENTORY)
    object.__setattr__(route, "guard_cut_share", Decimal("0.3"))
    for sku in SKUS:
        made.catalog.put("shop", Item(sku, sku))
    await made.applier._lease.take()
    await told(made, dict.fromkeys(SKUS, 10), via=Via.EVENT)
    return made


async def told(engine, figures: dict[str, int | str], *, via: Via = Via.SNAPSHOT) -> None:
    """The ERP says so, and it is applied."""
    begun = engine.applier.offset
    events = [
        Event(
            "erp", "stock", f"{begun}-{sku}", via, NOW_MS,
            json.dumps({"sku": sku, "location": "1", "available": str(available)}).encode(),
        )
        for sku, available in figures.items()
    ]  # fmt: skip
    await engine.store.append(events, received_at_ms=NOW_MS)
    while await engine.applier.step():
        pass


async def stock(engine) -> dict[str, int]:
    (route,) = engine.routes.of(Flow.INVENTORY)
    levels = (await engine.deriver.compute(route, SKUS)).levels
    return {sku: int(at["1"].available) for sku, at in levels.items()}


def feed(cut: int, to: int = 0) -> dict[str, int | str]:
    """A full read in which the first SKUs are cut and the others have one more."""
    return {sku: to if n < cut else 11 for n, sku in enumerate(SKUS)}


async def test_a_read_that_empties_too_many_shelves_leaves_them_as_they_were(engine):
    await told(engine, feed(cut=12))
    assert await stock(engine) == {sku: 10 if n < 12 else 11 for n, sku in enumerate(SKUS)}
    (entry,) = await Operations(engine).parked()
    assert (entry.reason, entry.system, entry.title) == (
        "snapshot_cut",
        "erp",
        "A full read takes away too much",
    )
    assert entry.detail.startswith(
        "12 of 30 figures that were read together lose more than half, among them S00, S01"
    )
    assert entry.can_release and not entry.can_edit
    await told(engine, {"S00": 3, "S20": 0}, via=Via.EVENT)  # ordinary changes go on
    now = await stock(engine)
    assert (now["S00"], now["S20"], now["S01"]) == (3, 0, 10)
    await told(engine, feed(cut=12))
    assert len(await Operations(engine).parked()) == 1  # once for the system, however often it is read


@pytest.mark.parametrize(
    ("cut", "to", "via"),
    [
        (9, 0, Via.SNAPSHOT),  # not more than the share
        (30, 5, Via.SNAPSHOT),  # half of it is left
        (30, 0, Via.EVENT),
        (30, 0, Via.POLL),
    ],
)
async def test_what_is_not_asked_about(engine, cut, to, via):
    await told(engine, feed(cut, to), via=via)
    assert await stock(engine) == feed(cut, to)
    assert await Operations(engine).parked() == []


async def test_a_few_figures_say_nothing_about_the_rest(engine):
    await told(engine, dict.fromkeys(SKUS[:19], 0))
    assert list((await stock(engine)).values()) == [0] * 19 + [10] * 11


async def test_nor_do_figures_of_which_nothing_was_known_or_that_cannot_be_true(engine):
    engine.catalog.put("shop", Item("NEW", "NEW"))
    await told(engine, {**dict.fromkeys((f"N{n}" for n in range(40)), 0), "S00": "NaN", "S01": 0})
    assert [entry.reason for entry in await Operations(engine).parked()] == ["absurd_quantity"]
    assert (await stock(engine))["S01"] == 0


async def test_a_route_may_never_ask(engine):
    (route,) = engine.routes.of(Flow.INVENTORY)
    object.__setattr__(route, "guard_cut_share", Decimal(1))
    await told(engine, feed(cut=30))
    assert set((await stock(engine)).values()) == {0}


async def test_once_a_person_released_it_the_next_read_is_believed(engine):
    await told(engine, feed(cut=30))
    operations = Operations(engine)
    (entry,) = await operations.parked()
    done = await operations.release(entry.id, by="Otto")
    assert (done.message, (await operations.show(entry.id)).resolved_by) == (
        "Released: stock is read again, and believed.",
        "Otto",
    )
    await told(engine, feed(cut=30))
    assert set((await stock(engine)).values()) == {0}
    engine.clock.at_ms += 61 * MINUTE
    await told(engine, dict.fromkeys(SKUS, 10), via=Via.EVENT)
    await told(engine, feed(cut=30))
    assert set((await stock(engine)).values()) == {10}  # and is asked about again later


async def test_a_person_may_leave_it_at_that(engine):
    await told(engine, feed(cut=30))
    operations = Operations(engine)
    (entry,) = await operations.parked()
    await operations.discard(entry.id, by="Otto")
    assert await operations.parked() == []
    assert set((await stock(engine)).values()) == {10}
