"""A full read that takes away too much waits for a person, and nothing else does."""

from __future__ import annotations

import pytest
from tests.web.full_reads import ask_about, erp_with, parked, read, reading, settled, stock, tell
from tests.web.support import MINUTE, make_engine

from syncline.engine.apply.tally import Tallies
from syncline.engine.operations import Operations
from syncline.model.copying import replace
from syncline.ports import Write

SKUS = [f"S{n:03}" for n in range(100)]
FULL = {(sku, "1"): 10 for sku in SKUS}
CUT = ("snapshot_cut", "stock")


def feed(cut: range, to: int | str = 0, other: int = 11) -> dict[tuple[str, str], int | str]:
    """A full read in which some SKUs are cut and the others have one more."""
    return {(sku, "1"): to if n in cut else other for n, sku in enumerate(SKUS)}


async def test_a_page_that_empties_too_many_skus_leaves_them_as_they_were():
    engine, erp = await erp_with(FULL, rows=25)
    await read(engine, erp, feed(range(60)))
    assert await stock(engine) == feed(range(60), to=10)
    (entry,) = await Operations(engine).parked()
    assert (entry.reason, entry.system, entry.title) == (*CUT[:1], "erp", "A full read takes away too much")
    assert entry.detail.startswith(
        "Of 100 SKUs with stock, a full read that has ended says: 60 would be emptied or lose more than half."
    )
    assert entry.can_release and not entry.can_edit
    await tell(engine, erp, {("S000", "1"): 3, ("S080", "1"): 0})  # ordinary changes go on
    now = await stock(engine)
    assert (now["S000", "1"], now["S080", "1"], now["S001", "1"]) == (3, 0, 10)
    await read(engine, erp, feed(range(60)))
    assert await parked(engine) == [CUT]  # once for the system, however often it is read


async def test_a_person_is_told_while_the_read_is_still_under_way():
    engine, erp = await erp_with(FULL, rows=25)
    erp.breaks_at = 1
    with pytest.raises(TimeoutError):
        await read(engine, erp, feed(range(100)))
    async with reading(engine, erp):
        await settled(engine)
    (entry,) = await Operations(engine).parked()
    assert entry.detail.startswith("25 of the 25 SKUs with stock that a full read has told so far")
    assert "among them S000, S001, S002" in entry.detail and "S010" not in entry.detail


async def test_what_empties_slowly_is_stopped_at_the_share_of_what_was_told_so_far():
    engine, erp = await erp_with(FULL)  # pages of 10, which say nothing by themselves
    slowly = {(sku, "1"): 0 if n % 10 < 4 else 11 for n, sku in enumerate(SKUS)}
    await read(engine, erp, slowly)
    now = await stock(engine)
    assert [sum(now[sku, "1"] == 0 for sku in SKUS[n : n + 10]) for n in range(0, 100, 10)] == [4] + [0] * 9
    assert [sum(now[sku, "1"] == 11 for sku in SKUS[n : n + 10]) for n in range(0, 100, 10)] == [6] * 10
    assert await parked(engine) == [CUT]


@pytest.mark.parametrize("cut", [range(10), range(50, 80)])
async def test_what_only_looked_like_too_much_is_taken_once_the_whole_is_known(cut):
    engine, erp = await erp_with(FULL, rows=25)
    await read(engine, erp, feed(cut))  # within the share, but half of a page and more
    assert await stock(engine) == feed(cut)
    assert await parked(engine) == []
    if len(cut) == 10:
        entry = await Operations(engine).show(1)
        assert (entry.reason, entry.resolution, entry.resolved_by) == (
            "snapshot_cut",
            "settled by a later full read",
            "syncline",
        )
    assert await engine.store.read("doubted_first", system="erp", limit=1) == []


async def test_a_doubted_figure_that_was_told_anew_meanwhile_stays_as_told():
    engine, erp = await erp_with(FULL, rows=25)
    erp.breaks_at = 2
    with pytest.raises(TimeoutError):
        await read(engine, erp, feed(range(10)))
    await tell(engine, erp, {("S003", "1"): 7})
    async with reading(engine, erp):
        await engine.pollers[1].read_once()
    assert await stock(engine) == {**feed(range(10)), ("S003", "1"): 7}


@pytest.mark.parametrize(("cut", "to"), [(range(30), 0), (range(100), 5)])
async def test_what_is_not_asked_about(cut, to):
    engine, erp = await erp_with(FULL, rows=100)
    await read(engine, erp, feed(cut, to))
    assert await stock(engine) == feed(cut, to)
    assert await parked(engine) == []


async def test_what_an_erp_tells_by_itself_is_never_asked_about():
    engine, erp = await erp_with(FULL)
    await tell(engine, erp, feed(range(100)))
    assert set((await stock(engine)).values()) == {0}
    assert await parked(engine) == []


async def test_a_few_skus_say_nothing_about_the_rest():
    engine, erp = await erp_with(dict.fromkeys(list(FULL)[:19], 10))
    await read(engine, erp, dict.fromkeys(list(FULL)[:19], 0))
    assert list((await stock(engine)).values()) == [0] * 19


async def test_nor_do_skus_without_stock_or_of_which_nothing_was_known_or_that_cannot_be_true():
    empty = {(f"E{n}", "1"): 0 for n in range(60)}
    engine, erp = await erp_with({**FULL, **empty}, rows=200)
    new = {(f"N{n}", "1"): 0 for n in range(60)}
    await read(engine, erp, {**feed(range(31)), **empty, **new, ("S099", "1"): "NaN"})
    now = await stock(engine)
    assert [now[sku, "1"] for sku in SKUS[:31]] == [10] * 31  # 31 of 99, whatever else there is
    assert {reason for reason, _ in await parked(engine)} == {"absurd_quantity", "snapshot_cut"}


@pytest.mark.parametrize("part", [0, 1])
async def test_a_transfer_takes_nothing_away(part):
    there = {(sku, at): 10 if at == "1" else 0 for sku in SKUS for at in ("1", "2")}
    engine, erp = await erp_with(there)
    told = sorted(there, key=lambda key: (key[part], key))  # by SKU, or by location
    moved = {(sku, at): 0 if at == "1" else 10 for sku, at in told}
    await read(engine, erp, moved)
    assert await stock(engine) == moved
    assert await parked(engine) == []


@pytest.mark.parametrize(("gained", "taken"), [(2, False), (8, True)])
async def test_a_sku_is_taken_or_left_at_all_its_locations(gained, taken):
    there = {(sku, at): 10 if at == "1" else 0 for at in ("1", "2") for sku in SKUS}
    told = {(sku, at): 0 if at == "1" else gained for at in ("1", "2") for sku in SKUS}
    engine, erp = await erp_with(there, rows=100)  # one location first, then the other
    await read(engine, erp, told)
    assert await stock(engine) == (told if taken else there)  # never what it had there and gained here
    assert await parked(engine) == ([] if taken else [CUT])


async def test_one_location_of_many_may_hold_nearly_all_the_stock():
    there = {(sku, at): 10 if at == "1" else 0 for sku in SKUS for at in map(str, range(1, 11))}
    engine, erp = await erp_with(there, rows=1_000)
    await read(engine, erp, dict.fromkeys(there, 0))  # a tenth of the figures, and all of the stock
    assert {units for (_, at), units in (await stock(engine)).items() if at == "1"} == {10}
    assert await parked(engine) == [CUT]


async def test_a_read_that_leaves_out_half_of_the_skus_is_doubted_whole():
    engine, erp = await erp_with(FULL)
    half = dict.fromkeys(list(FULL)[::2], 11)
    await read(engine, erp, half)
    assert await stock(engine) == {**FULL, **half}
    (entry,) = await Operations(engine).parked()
    assert entry.detail.startswith(
        "Of 100 SKUs with stock, a full read that has ended says: 50 would because they are missing from it, among "
        "them S001, S003, S005"
    )
    assert await engine.store.read("vanished", system="erp", kind="stock", after="", limit=9) == []
    await read(engine, erp, FULL)
    assert await parked(engine) == []  # the feed was mended
    await read(engine, erp, {})
    assert await parked(engine) == [CUT]
    assert await stock(engine) == FULL


async def test_cuts_and_what_is_missing_add_up():
    engine, erp = await erp_with(FULL, rows=100)
    await read(engine, erp, {key: value for key, value in feed(range(20)).items() if key[0] < "S080"})
    assert await parked(engine) == [CUT]  # 20 emptied, 20 missing, and 30 of 100 may be
    assert (await stock(engine))["S000", "1"] == 0  # those emptied were fewer than that when they were told


async def test_a_crash_in_the_middle_forgets_nothing():
    engine, erp = await erp_with(FULL)
    slowly = {(sku, "1"): 0 if n % 10 < 4 else 11 for n, sku in enumerate(SKUS)}
    erp.breaks_at = 3
    with pytest.raises(TimeoutError):
        await read(engine, erp, slowly)
    assert (await Tallies(engine.store).of("erp")).skus == 30
    again = await make_engine(engine.clock, store=engine.store)
    ask_about(again, SKUS)
    erp.engine = again
    async with reading(again, erp):
        await again.pollers[1].read_once()
    assert sum(units == 0 for units in (await stock(again)).values()) == 4
    assert (await Operations(again).parked())[0].detail.startswith("Of 100 SKUs with stock")


async def test_a_read_that_ended_is_judged_by_the_next_process():
    engine, erp = await erp_with(FULL, rows=25)
    judge, engine.pollers[1]._judge = engine.pollers[1]._judge, None  # killed just before
    await read(engine, erp, feed(range(10)))
    assert await parked(engine) == [CUT]
    async with reading(engine, erp):
        await judge()
    assert await parked(engine) == []
    assert await stock(engine) == feed(range(10))


async def test_a_route_may_never_ask():
    engine, erp = await erp_with(FULL, share="1")
    await read(engine, erp, feed(range(100)))
    assert set((await stock(engine)).values()) == {0}
    assert await parked(engine) == []


async def test_once_a_person_released_it_the_next_read_is_believed():
    engine, erp = await erp_with(FULL, rows=25)
    await read(engine, erp, feed(range(100)))
    operations = Operations(engine)
    (entry,) = await operations.parked()
    done = await operations.release(entry.id, by="Otto")
    assert (done.message, (await operations.show(entry.id)).resolved_by) == (
        "Released: stock is read again, and believed.",
        "Otto",
    )
    assert engine.pollers[1]._nudged.is_set()
    engine.applier.tallies.forget()  # a restart does not end it
    await read(engine, erp, feed(range(100)))
    assert set((await stock(engine)).values()) == {0}
    await read(engine, erp, FULL)
    await read(engine, erp, feed(range(100)))
    assert set((await stock(engine)).values()) == {10}  # and the one after that is asked about again
    assert await parked(engine) == [CUT]


async def test_a_word_of_a_person_is_for_a_read_that_begins_after_it():
    engine, erp = await erp_with(FULL, rows=25)
    erp.breaks_at = 2
    with pytest.raises(TimeoutError):
        await read(engine, erp, feed(range(100)))
    await engine.read_again("erp")
    async with reading(engine, erp):
        await engine.pollers[1].read_once()
    assert list((await stock(engine)).values()) == [10] * 50 + [0] * 50
    await read(engine, erp, feed(range(100)))
    assert set((await stock(engine)).values()) == {0}


async def test_a_word_of_a_person_is_not_for_ever():
    engine, erp = await erp_with(FULL, rows=25)
    await engine.read_again("erp")
    engine.clock.at_ms += 24 * 60 * MINUTE
    await read(engine, erp, feed(range(100)))
    assert await parked(engine) == [CUT]


async def test_a_person_may_leave_it_at_that():
    engine, erp = await erp_with(FULL, rows=25)
    await read(engine, erp, feed(range(100)))
    operations = Operations(engine)
    (entry,) = await operations.parked()
    await operations.discard(entry.id, by="Otto")
    assert await operations.parked() == []
    assert set((await stock(engine)).values()) == {10}


async def test_a_tally_is_read_again_after_a_transaction_failed():
    engine, _ = await erp_with(FULL)
    tallies = engine.applier.tallies
    before = await tallies.of("erp")
    tallies.put("erp", replace(before, skus=99))
    with pytest.raises(KeyError):
        await engine.applier.keep(Write("no such statement", [{}]))
    assert await tallies.of("erp") == before
