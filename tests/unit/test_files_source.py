"""Telling what was taken: only what differs, from any place in the journal, and again where it was not believed."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.files_place import STOCK, Desk

from syncline.connectors.files import source
from syncline.connectors.files.declared import Column, Write
from syncline.model.change import Cursor
from syncline.model.records import ErpOrder, Shipment, StockLevel

NAMED = replace(STOCK, stamp="name", stamp_format="%Y%m%d%H%M", lead_s=60)
CHANGES = replace(NAMED, scope="delta", pattern="DELTA_*.csv")
STATUS = replace(
    NAMED,
    kind="order_status",
    scope="delta",
    pattern="STATUS_*.csv",
    uncommitted=("gone",),
    columns=tuple(
        Column(x, name=x) for x in ("reference", "sku", "location", "quantity", "status", "changed")
    ),
)
PARCELS = replace(
    NAMED,
    kind="shipments",
    scope="delta",
    pattern="PARCELS_*.csv",
    columns=tuple(Column(x, name=x) for x in ("shipment", "reference", "sku", "quantity", "tracking")),
)
STATUS_HEADER = "reference,sku,location,quantity,status,changed"


def believe(desk: Desk, cursor: Cursor) -> None:
    desk.source.believed("stock", cursor.covers_ms)


def test_only_what_differs_from_the_last_believed_file_is_told(desks):
    desk = desks(NAMED)
    desk.leave("STOCK_202601010000.csv", "A,MAIN,1", "B,MAIN,2", "C,MAIN,3")
    _, _, cursor = desk.told()
    believe(desk, cursor)
    desk.leave("STOCK_202601020000.csv", "C,MAIN,3", "B,MAIN,9", "D,MAIN,4")
    pages = desk.pages(cursor)
    figures, _ = desk.decoded([event for page in pages for event in page.events])
    assert figures == {"B@MAIN": 9, "D@MAIN": 4}
    assert [key for page in pages for _, key in page.present] == ["C\x1fMAIN"]


def test_a_file_that_was_not_believed_is_no_base(desks):
    desk = desks(NAMED)
    desk.leave("STOCK_202601010000.csv", "A,MAIN,100", "B,MAIN,2")
    _, _, cursor = desk.told()
    believe(desk, cursor)
    for day in (2, 3, 4):
        desk.leave(f"STOCK_2026010{day}0000.csv", "A,MAIN,0", f"B,MAIN,{day}")
        figures, _, cursor = desk.told(cursor)
        assert figures.get("A@MAIN") == 0, "a doubted figure is told until it is believed"
    believe(desk, cursor)
    desk.leave("STOCK_202601050000.csv", "A,MAIN,0", "B,MAIN,4")
    assert desk.told(cursor)[0] == {}


def test_a_person_can_have_the_last_file_told_whole_once_more(desks):
    desk = desks(NAMED)
    desk.leave("STOCK_202601010000.csv", "A,MAIN,1", "B,MAIN,2")
    _, _, cursor = desk.told()
    believe(desk, cursor)
    again = Cursor("erp", "stock", "", cursor.covers_ms)
    figures, _, after = desk.told(again)
    assert figures == {"A@MAIN": 1, "B@MAIN": 2}
    assert after.covers_ms == desk.clock.now_ms()


@given(
    before=st.dictionaries(st.sampled_from("ABCDEFGH"), st.integers(0, 9)),
    after=st.dictionaries(st.sampled_from("ABCDEFGH"), st.integers(0, 9)),
    killed=st.integers(0, 6),
    rows=st.integers(1, 4),
)
@settings(max_examples=40, deadline=None)
def test_news_and_what_is_there_make_up_the_file_wherever_a_read_ends(
    tmp_path_factory, before, after, killed, rows
):
    desk = Desk(tmp_path_factory.mktemp("desk"), NAMED)
    page_rows, source.PAGE_ROWS = source.PAGE_ROWS, rows
    try:
        desk.leave("STOCK_202601010000.csv", *(f"{sku},MAIN,{n}" for sku, n in before.items()))
        known, _, cursor = desk.told()
        believe(desk, cursor)
        desk.leave("STOCK_202601020000.csv", *(f"{sku},MAIN,{n}" for sku, n in after.items()))
        pages = desk.pages(cursor)[:killed]  # stored before the process died
        desk.spool.close()
        desk.start()
        pages += desk.pages(pages[-1].cursor if pages else cursor)
        figures, _ = desk.decoded([event for page in pages for event in page.events])
        there = {key.replace("\x1f", "@") for page in pages for _, key in page.present} | set(figures)
        assert there == {f"{sku}@MAIN" for sku in after}
        assert {key: n for key, n in (known | figures).items() if key in there} == {
            f"{k}@MAIN": n for k, n in after.items()
        }
        assert set(figures) == {f"{sku}@MAIN" for sku, n in after.items() if before.get(sku) != n}
    finally:
        source.PAGE_ROWS = page_rows
        desk.spool.close()
        desk.loop.close()


def test_of_several_full_files_only_the_newest_counts(desks):
    desk = desks(NAMED)
    for day in (1, 3, 2):
        desk.leave(f"STOCK_2026010{day}0000.csv", f"A,MAIN,{day}")
    figures, refused, cursor = desk.told()
    assert (figures, refused) == ({"A@MAIN": 3}, [])
    desk.leave("STOCK_202601021200.csv", "A,MAIN,9")
    figures, refused, _ = desk.told(cursor)
    assert (figures, refused) == ({}, []), "it came late, and says nothing any more"


def test_a_file_of_changes_that_comes_late_does_not_undo_newer_ones(desks):
    desk = desks(replace(CHANGES, stamp="modified"))
    stream, cursor, versions = "stock_changes", None, []
    for name, moment in (("1", 1_789_000_000), ("3", 1_789_000_200), ("2", 1_789_000_100)):
        path = desk.leave(f"DELTA_{name}.csv", f"A,MAIN,{name}")
        os.utime(path, (moment, moment))
        pages = desk.pages(cursor, stream)
        cursor = pages[-1].cursor
        versions += [c.version for page in pages for event in page.events for c in desk.changes(event)]
    assert versions == [1_789_000_000_000, 1_789_000_200_000, 1_789_000_100_000]


def test_a_store_from_a_backup_is_told_again_and_a_new_spool_begins_anew(desks, tmp_path):
    desk = desks(CHANGES)
    stream = "stock_changes"
    cursors = [None]
    for day in (1, 2, 3):
        desk.leave(f"DELTA_2026010{day}0000.csv", f"A{day},MAIN,{day}")
        cursors.append(desk.told(cursors[-1], stream)[2])
    assert desk.told(cursors[1], stream)[0] == {"A2@MAIN": 2, "A3@MAIN": 3}
    desk.spool.close()
    desk.settings = type(desk.settings)(
        folder=desk.settings.folder, spool=str(tmp_path / "new"), reads=(CHANGES,)
    )
    desk.start()
    desk.leave("DELTA_202601040000.csv", "A4,MAIN,4")
    assert desk.told(cursors[3], stream)[0] == {"A4@MAIN": 4}


def test_other_columns_make_the_same_lines_mean_something_else(desks):
    desk = desks(NAMED)
    desk.leave("STOCK_202601010000.csv", "A,MAIN,1")
    _, _, cursor = desk.told()
    believe(desk, cursor)
    desk.settings = replace(desk.settings, reads=(replace(NAMED, decimal=","),))
    desk.spool.close()
    desk.start()
    desk.leave("STOCK_202601020000.csv", "A,MAIN,1")
    assert desk.told(cursor)[0] == {"A@MAIN": 1}


def test_another_order_of_columns_is_no_base(desks):
    desk = desks(NAMED)
    desk.leave("STOCK_202601010000.csv", "1,MAIN,2")
    _, _, cursor = desk.told()
    believe(desk, cursor)
    desk.leave("STOCK_202601020000.csv", "1,MAIN,2", header="QTY,AT,SKU")
    assert desk.told(cursor)[0] == {"2@MAIN": 1}


def test_a_figure_is_as_old_as_its_stamp_less_the_lead(desks):
    desk = desks(NAMED)
    desk.leave("STOCK_202601010000.csv", "A,MAIN,1")
    pages = desk.pages()
    (change,) = [c for page in pages for event in page.events for c in desk.changes(event)]
    assert isinstance(change.value, StockLevel)
    assert change.version - change.value.erp_stamp_ms == 60_000
    assert change.value.read_began_ms is None, "our clock says nothing of what stands in a file"
    assert pages[-1].cursor.covers_ms == change.version


def test_nothing_new_confirms_nothing(desks):
    desk = desks(NAMED)
    desk.leave("STOCK_202601010000.csv", "A,MAIN,1")
    _, _, cursor = desk.told()
    desk.run(desk.clock.sleep(3600.0))
    assert desk.told(cursor)[2].covers_ms == cursor.covers_ms


# --- what several lines say together ---------------------------------------------------------------


def test_lines_of_an_order_are_one_record_and_a_wrong_one_parks_it_alone(desks):
    desk = desks(STATUS)
    desk.leave(
        "STATUS_202601010000.csv",
        "shop-1,A,MAIN,2,open,2026-01-01T08:00:00",
        "shop-2,A,MAIN,2,open,2026-01-01T08:00:00",
        "shop-1,B,MAIN,1,open,2026-01-01T08:00:00",
        "shop-2,B,MAIN,some,open,2026-01-01T08:00:00",
        "shop-3,A,MAIN,5,gone,2026-01-01T08:00:00",
        header=STATUS_HEADER,
    )
    pages = desk.pages(stream="order_status")
    events = [event for page in pages for event in page.events if event.topic != "refused"]
    orders = [change.value for event in events for change in desk.changes(event)]
    assert all(isinstance(order, ErpOrder) for order in orders)
    assert [(x.key, [(y.sku, int(y.quantity)) for y in x.lines], x.commits_stock) for x in orders] == [
        ("shop-1", [("A", 2), ("B", 1)], True),
        ("shop-3", [("A", 5)], False),
    ]
    refused = [event for page in pages for event in page.events if event.topic == "refused"]
    assert desk.decoded(refused)[1] == [
        "line 5 of STATUS_202601010000.csv: field quantity: 'some' is no number here"
    ]


def test_an_order_has_the_next_full_file_tell_of_its_skus_though_they_stayed_the_same(desks):
    writes = (
        Write(kind="stock", path="out", columns=(Column("sku", name="s"), Column("quantity", name="q"))),
    )
    items = replace(NAMED, kind="items", pattern="ITEMS_*", columns=(Column("sku", name="SKU"),))
    desk = desks(NAMED, STATUS, items, writes=writes)
    desk.leave("STOCK_202601010000.csv", "A,MAIN,1", "B,MAIN,2")
    _, _, cursor = desk.told()
    believe(desk, cursor)
    desk.leave("STATUS_202601010100.csv", "shop-1,A,MAIN,1,open,2026-01-01T00:30:00", header=STATUS_HEADER)
    desk.pages(stream="order_status")
    desk.leave("STOCK_202601010030.csv", "A,MAIN,1", "B,MAIN,2")  # less its lead it is older than the order
    figures, _, cursor = desk.told(cursor)
    believe(desk, cursor)
    assert figures == {"A@MAIN": 1}
    desk.leave("STOCK_202601010200.csv", "A,MAIN,1", "B,MAIN,2")
    figures, _, cursor = desk.told(cursor)
    believe(desk, cursor)
    assert figures == {"A@MAIN": 1}, "only now is it known to contain the order"
    desk.leave("STOCK_202601010300.csv", "A,MAIN,1", "B,MAIN,2")
    assert desk.told(cursor)[0] == {}


def test_what_was_said_of_an_order_is_told_again_once_it_is_found(desks):
    desk = desks(STATUS)
    line = "shop-1,A,MAIN,2,open,2026-01-01T08:00:00"
    desk.leave("STATUS_202601010000.csv", line, header=STATUS_HEADER)

    def told(cursor: Cursor | None) -> tuple[list[tuple[str, int, int]], Cursor]:
        pages = desk.pages(cursor, "order_status")
        changes = [c for page in pages for event in page.events for c in desk.changes(event)]
        return [(c.key, c.version, c.tiebreak) for c in changes], pages[-1].cursor

    (first,), cursor = told(None)
    desk.spool.say_again("shop-1")
    desk.spool.say_again("shop-2")  # nothing was said of it
    (again,), cursor = told(cursor)
    assert again[:2] == first[:2] and again[2] > first[2]
    assert told(cursor)[0] == [], "once"
    desk.spool.say_again("shop-1")
    (third,), cursor = told(cursor)
    assert third[2] > again[2]
    desk.leave("STATUS_202601010100.csv", line.replace(",2,", ",1,"), header=STATUS_HEADER)
    (fourth,), _ = told(cursor)
    assert fourth[2] > third[2], "what is said later counts"


def test_a_parcel_is_told_with_all_of_its_lines(desks):
    desk = desks(PARCELS)
    desk.leave(
        "PARCELS_202601010000.csv",
        "P1,shop-1,A,2,T1",
        "P1,shop-1,B,1,T2",
        header="shipment,reference,sku,quantity,tracking",
    )
    (event,) = [event for page in desk.pages(stream="shipments") for event in page.events]
    (change,) = desk.changes(event)
    assert isinstance(change.value, Shipment)
    assert (change.key, change.value.order_key, change.value.tracking) == ("P1", "shop-1", ("T1", "T2"))
    assert [(x.sku, int(x.quantity)) for x in change.value.lines] == [("A", 2), ("B", 1)]


def test_contents_that_were_told_long_ago_are_deleted_but_for_the_base(desks):
    desk = desks(NAMED, keep_days=1)
    cursor = None
    for day in range(1, 5):
        desk.leave(f"STOCK_2026010{day}0000.csv", f"A,MAIN,{day}")
        _, _, cursor = desk.told(cursor)
        if day == 2:
            believe(desk, cursor)
        desk.run(desk.clock.sleep(2 * 86_400.0))
    desk.told(cursor)
    assert len(list((desk.root.parent / "spool" / "content").iterdir())) == 2  # the base, and the last one


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_wrong_line_of_every_nights_file_is_parked_once(desks, number):
    desk = desks(NAMED)
    ids = set()
    cursor = None
    for day in range(1, number + 1):
        desk.leave(f"STOCK_2026010{day}0000.csv", "A,MAIN,x", f"B,MAIN,{day}")
        pages = desk.pages(cursor)
        cursor = pages[-1].cursor
        ids |= {event.event_id for page in pages for event in page.events if event.topic == "refused"}
        there = {key for page in pages for _, key in page.present}
        assert there == {"A\x1fMAIN"}, "whose line it is can be told, so it is not missing"
    assert len(ids) == 1


@pytest.mark.parametrize("kind", ["stock", "items"])
def test_a_line_beside_another_of_its_sku_is_told_once_it_is_alone(desks, kind):
    """The second line of a SKU is parked, or is one that an earlier file had already: neither was taken."""
    read = NAMED
    if kind == "items":
        read = replace(read, kind="items", columns=(Column("sku", name="SKU"), Column("title", name="QTY")))
    desk = desks(read)
    cursor, told, parked = None, [], 0
    for day, lines in enumerate(
        (("A,MAIN,1",), ("A,MAIN,2", "A,MAIN,1"), ("A,MAIN,1",), ("A,MAIN,3", "A,MAIN,4"), ("A,MAIN,4",)), 1
    ):
        desk.leave(f"STOCK_2026010{day}0000.csv", *lines, "B,MAIN,7")
        pages = desk.pages(cursor, kind)
        cursor = pages[-1].cursor
        desk.source.believed(kind, cursor.covers_ms)
        values = [
            change.value
            for page in pages
            for event in page.events
            if event.topic != "refused"
            for change in desk.changes(event)
            if change.value.sku == "A"
        ]
        parked += sum(event.topic == "refused" for page in pages for event in page.events)
        told += [str(x.title if kind == "items" else x.available) for x in values]
    assert (told, parked) == (["1", "2", "1", "3", "4"], 2)


def test_an_order_that_the_erp_calls_off_takes_nothing_and_says_so(desks):
    desk = desks(replace(STATUS, cancelled=("off",)))
    rows = [f"shop-{n},A,MAIN,1,{word},2026-01-01T00:30:00" for n, word in enumerate(("open", "gone", "off"))]
    desk.leave("STATUS_202601010100.csv", *rows, header=STATUS_HEADER)
    events = [event for page in desk.pages(stream="order_status") for event in page.events]
    told = [change.value for event in events for change in desk.changes(event)]
    assert [(x.commits_stock, x.cancelled) for x in told] == [(True, False), (False, False), (False, True)]
