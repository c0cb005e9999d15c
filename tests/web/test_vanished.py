"""What a full read of the ERP no longer contains is named once, goes on counting, and is never forgotten."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace

import pytest
from tests.web.full_reads import Erp, ask_about, erp_with, parked, read, reading, stock, tell
from tests.web.support import MINUTE, StillClock, make_engine

from syncline.engine.catalog import Catalog
from syncline.engine.engine import Engine
from syncline.engine.inquiry import explain
from syncline.engine.operations import NotPossible, Operations
from syncline.model.change import Change, Cursor, Event, Flow, Kind, Via
from syncline.model.records import Item
from syncline.ports import Page, PollStream

SKUS = [f"S{n:02}" for n in range(40)]
BOTH = {(sku, at): 10 for sku in SKUS for at in ("1", "2")}
FIRST = {key: 10 for key in BOTH if key[1] == "1"}
LOST = ("location_vanished", "2")
ROWS = ("sku_vanished", "stock")


def without(*skus: str) -> dict[tuple[str, str], int]:
    return {key: 10 for key in BOTH if key[0] not in skus}


def hold_vanished(engine) -> None:
    object.__setattr__(engine.routes.of(Flow.INVENTORY)[0], "hold_vanished", True)


async def vanished(engine, kind: Kind = Kind.STOCK) -> list[str]:
    rows = await engine.store.read("vanished", system="erp", kind=kind.value, after="", limit=999)
    return [row[0].replace("\x1f", "@") for row in rows]


async def test_a_location_that_is_missing_whole_is_one_finding_and_goes_on_counting():
    engine, erp = await erp_with(BOTH)
    await read(engine, erp, FIRST)
    assert await stock(engine) == BOTH
    (entry,) = await Operations(engine).parked()
    assert (entry.reason, entry.key, entry.title) == (*LOST, "A location is missing from the ERP's stock")
    assert entry.detail == (
        "The last full read has none of the 40 figures of location 2. What they said last goes on counting, "
        "unconfirmed"
    )
    await read(engine, erp, FIRST)
    assert await parked(engine) == [LOST]
    assert await vanished(engine) == [f"{sku}@2" for sku in SKUS]


async def test_its_age_grows_and_every_number_says_so():
    engine, erp = await erp_with(BOTH)
    await read(engine, erp, FIRST)
    await read(engine, erp, FIRST)
    (answer,) = await explain(engine, "S00", "shop")
    here, there = (step for step in answer.steps if step.label.startswith("erp says"))
    assert there.note.endswith("; in no full read for 1 h: unconfirmed") and there.value == "10"
    assert "full read" not in here.note
    assert engine.clock.now_ms() - there.at_ms > 2 * 60 * MINUTE > engine.clock.now_ms() - here.at_ms


async def test_a_location_that_comes_back_ends_its_finding():
    engine, erp = await erp_with(BOTH)
    await read(engine, erp, FIRST)
    await read(engine, erp, {**FIRST, ("S00", "2"): 10})
    assert await vanished(engine) == [f"{sku}@2" for sku in SKUS[1:]]
    assert await parked(engine) == []
    await read(engine, erp, BOTH)
    assert await vanished(engine) == []
    await read(engine, erp, FIRST)
    assert await parked(engine) == [LOST]


async def test_a_person_who_has_seen_it_is_not_told_again_of_the_same():
    engine, erp = await erp_with(BOTH)
    await read(engine, erp, FIRST)
    await Operations(engine).discard((await Operations(engine).parked())[0].id, by="Otto")
    await read(engine, erp, FIRST)
    assert await parked(engine) == []
    assert await stock(engine) == BOTH


async def test_single_skus_that_vanish_are_one_finding_until_they_are_back():
    engine, erp = await erp_with(BOTH)
    await read(engine, erp, without("S07", "S31"))
    (entry,) = await Operations(engine).parked()
    assert (entry.reason, entry.key) == ROWS
    assert entry.detail.startswith(
        "The last full read lacks 4 figures, such as S07 at 1, S07 at 2, S31 at 1, S31 at 2."
    )
    assert await stock(engine) == BOTH
    await read(engine, erp, without("S07", "S31", "S08"))
    assert "lacks 6 figures, such as S08 at 1, S08 at 2." in (await Operations(engine).parked())[0].detail
    await tell(engine, erp, {("S31", "1"): 4})
    assert await vanished(engine) == ["S07@1", "S07@2", "S08@1", "S08@2", "S31@2"]
    await read(engine, erp, without("S31"))
    assert await parked(engine) == [ROWS]
    await read(engine, erp, BOTH)
    assert await parked(engine) == []


async def test_where_the_route_says_hold_it_counts_as_nothing_until_it_is_told_again():
    engine, erp = await erp_with(BOTH)
    hold_vanished(engine)
    await read(engine, erp, FIRST)
    assert await stock(engine) == {key: 10 * (key[1] == "1") for key in BOTH}
    assert (await Operations(engine).parked())[0].detail.endswith(
        "They count as nothing until they are told again"
    )
    assert await engine.store.read("delivery_counts")  # the channel is told
    await read(engine, erp, BOTH)  # the very same figures
    assert await stock(engine) == BOTH


async def test_a_number_is_computed_again_when_a_held_figure_is_told_unchanged():
    engine, erp = await erp_with(BOTH)
    hold_vanished(engine)
    await read(engine, erp, without("S07"))
    marked = []
    write = engine.store.write

    async def watch(*writes):
        marked.extend(row["sku"] for each in writes if each.statement == "dirty_mark" for row in each.rows)
        return await write(*writes)

    engine.store.write = watch
    await tell(engine, erp, {("S07", "1"): 10, ("S08", "1"): 10})
    assert marked == ["S07"]


async def test_a_person_may_say_that_nothing_is_there_any_more():
    engine, erp = await erp_with(BOTH)
    await read(engine, erp, {key: 10 for key in FIRST if key[0] != "S07"})
    operations = Operations(engine)
    by_key = {entry.key: entry for entry in await operations.parked()}
    assert by_key.keys() == {"2", "stock"}
    done = await operations.release(by_key["2"].id, by="Otto")
    assert done.message == "Released: 40 figures count as nothing until the ERP tells of them again."
    now = await stock(engine)
    assert (now["S00", "1"], now["S00", "2"], now["S07", "1"], now["S07", "2"]) == (10, 0, 10, 0)
    await read(engine, erp, FIRST)
    assert (await stock(engine))["S00", "2"] == 0
    (answer,) = await explain(engine, "S00", "shop")
    assert any("a person said that nothing is there" in step.note for step in answer.steps)
    await tell(engine, erp, {("S00", "2"): 3})
    assert (await stock(engine))["S00", "2"] == 3


async def test_single_figures_that_are_gone_leave_a_location_that_is_missing_alone():
    engine, erp = await erp_with(BOTH)
    await read(engine, erp, {key: 10 for key in FIRST if key[0] != "S07"})
    operations = Operations(engine)
    (entry,) = (each for each in await operations.parked() if each.key == "stock")
    assert (await operations.release(entry.id, by="Otto")).count == 1
    now = await stock(engine)
    assert (now["S07", "1"], now["S07", "2"], now["S00", "2"]) == (0, 10, 10)


async def test_the_first_full_read_lacks_nothing():
    engine = await make_engine(StillClock())
    ask_about(engine, SKUS)
    erp = Erp(engine)
    await tell(engine, erp, BOTH)
    await read(engine, erp, FIRST)
    assert (await parked(engine), await vanished(engine)) == ([], [])
    await read(engine, erp, FIRST)
    assert await parked(engine) == [LOST]


async def test_what_was_told_since_the_read_began_is_there():
    engine, erp = await erp_with(BOTH)
    erp.breaks_at = 3
    with pytest.raises(TimeoutError):
        await read(engine, erp, FIRST)
    await tell(engine, erp, {("S07", "2"): 10})
    async with reading(engine, erp):
        await engine.pollers[1].read_once()
    assert "S07@2" not in await vanished(engine)
    assert len(await vanished(engine)) == 39


async def test_a_row_that_cannot_be_true_or_that_waits_is_there():
    engine, erp = await erp_with(BOTH, rows=80)
    told = {key: 0 if key[0] < "S20" else 10 for key in BOTH}
    await read(engine, erp, {**told, ("S30", "1"): "NaN"})
    assert {reason for reason, _ in await parked(engine)} == {"snapshot_cut", "absurd_quantity"}
    assert (await Operations(engine).parked())[0].detail.count("missing") == 0
    assert await vanished(engine) == []


async def test_a_source_that_names_events_by_their_content_tells_of_all_it_repeats():
    engine, erp = await erp_with(BOTH)
    erp.by_content = True
    for _ in range(3):
        await read(engine, erp, BOTH)
    assert await parked(engine) == []
    await read(engine, erp, FIRST)
    assert await parked(engine) == [LOST]


async def test_what_was_named_is_marked_by_the_next_process():
    engine, erp = await erp_with(BOTH)
    mark = engine.full_reads._mark

    async def dies(*_):
        raise TimeoutError

    engine.full_reads._mark = dies
    with pytest.raises(TimeoutError):
        await read(engine, erp, FIRST)
    assert (await parked(engine), await vanished(engine)) == ([LOST], [])
    engine.full_reads._mark = mark
    async with reading(engine, erp):
        await engine.full_reads.judge("erp")
    assert (await parked(engine), len(await vanished(engine))) == ([LOST], 40)


async def test_items_that_vanish_from_the_erps_list_are_one_finding():
    made = await make_engine(StillClock())
    source = made.systems["erp"].source
    source.streams += (PollStream("items", (Flow.CATALOG,), snapshot=True),)
    engine = Engine(
        store=made.store,
        clock=made.clock,
        rng=Random(1),
        systems=list(made.systems.values()),
        routes=made.routes,
    )
    (poller,) = (each for each in engine.pollers if each.stream.name == "items")
    listed: list[str] = []
    skipped: list[str] = []

    def decode(logged):
        sku = logged.event.body.decode()
        return [Change(Kind.ITEM, sku, logged.offset, 0, 0, Item(sku, sku))]

    async def poll(stream, cursor):
        began_ms = engine.clock.now_ms()
        events = tuple(Event("erp", "item", f"item {sku}", Via.SNAPSHOT, 0, sku.encode()) for sku in listed)
        present = tuple((Kind.ITEM, sku) for sku in skipped)
        yield Page(events, Cursor("erp", stream, "", began_ms), last=True, present=present)

    async def list_items() -> None:
        engine.clock.at_ms += 60 * MINUTE
        async with reading(engine, SimpleNamespace(poll=poll)):
            await poller.read_once()
            await engine.applier.reached((await engine.store.read("log_end"))[0][0])

    source.decode = decode
    listed[:] = SKUS
    await list_items()
    listed[:], skipped[:] = SKUS[:20], SKUS[20:]
    await list_items()
    assert await parked(engine) == []
    listed.remove("S07")
    skipped.remove("S31")
    await list_items()
    assert await vanished(engine, Kind.ITEM) == ["S07", "S31"]
    restarted = Catalog(engine.store)
    await restarted.load(["erp"])
    for catalog in (engine.catalog, restarted):
        assert [sku for sku in SKUS if not catalog.listed("erp", sku)] == ["S07", "S31"]
    (entry,) = await Operations(engine).parked()
    assert (entry.reason, entry.key, entry.title) == (
        "sku_vanished",
        "items",
        "Items are missing from the ERP",
    )
    assert entry.detail.endswith("such as S07, S31")
    with pytest.raises(NotPossible):
        await Operations(engine).release(entry.id, by="Otto")
    listed[:] = SKUS
    await list_items()
    assert (await parked(engine), await vanished(engine, Kind.ITEM)) == ([], [])
    assert all(engine.catalog.listed("erp", sku) for sku in SKUS)
