"""Records that several rows of a file make together: told whole or not at all, wherever their rows stand."""

from __future__ import annotations

from decimal import Decimal

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.files_place import STOCK, Desk

from syncline.connectors.files import source
from syncline.connectors.files.declared import Column, Read
from syncline.model.change import Change, Cursor, Kind
from syncline.model.errors import Rejected

FIELDS = "sku list minimum price".split()
HEADER = "sku,list,minimum,price"
PRICES = replace(
    STOCK,
    kind="prices",
    pattern="PRICES_*.csv",
    stamp="name",
    stamp_format="%Y%m%d%H%M",
    lead_s=60,
    columns=tuple(Column(name, name=name) for name in FIELDS),
)
CHANGES = replace(PRICES, scope="delta", pattern="DELTA_*.csv")
DAY_MS = 86_400_000
Breaks = dict[str, dict[int, int]]


def told(desk: Desk, cursor: Cursor | None = None, stream: str = "prices"):
    """What a read tells: breaks by record, refusals, what is said to be there, and the cursor at its end."""
    pages = desk.pages(cursor, stream)
    news, refused = changes(desk, [event for page in pages for event in page.events])
    found = {change.key: {int(x.minimum): int(x.amount) for x in change.value.entries} for change in news}
    there = [key for page in pages for _, key in page.present]
    return found, refused, there, pages[-1].cursor


def changes(desk: Desk, events) -> tuple[list[Change], list[str]]:
    found, refused = [], []
    for event in events:
        try:
            found += desk.changes(event)
        except Rejected as error:
            refused.append(str(error))
    return found, refused


def key(sku: str, name: str = "list:R") -> str:
    return f"{sku}\x1f{name}"


def leave(desk: Desk, day: int, *rows: str, name: str = "PRICES", header: str = HEADER) -> None:
    desk.leave(f"{name}_202601{day:02}0000.csv", *rows, header=header)


def test_all_rows_of_a_list_and_sku_are_one_record_wherever_they_stand(desks):
    desk = desks(PRICES)
    leave(desk, 1, "A,R,1,10", "B,R,1,20", "A,R,5,9", "A,,1,12", "A,R,10,8")
    found, refused, there, _ = told(desk)
    assert found == {key("A"): {1: 10, 5: 9, 10: 8}, key("B"): {1: 20}, key("A", "base"): {1: 12}}
    assert (refused, there) == ([], [])


def test_a_record_is_news_if_any_of_its_rows_is_and_not_if_they_only_stand_elsewhere(desks):
    desk = desks(PRICES)
    leave(desk, 1, "A,R,1,10", "A,R,5,9", "B,R,1,20", "C,R,1,30", "C,R,5,29")
    *_, cursor = told(desk)
    desk.source.believed("prices", cursor.covers_ms)
    leave(desk, 2, "C,R,1,30", "A,R,5,9", "B,R,1,21", "A,R,1,10")
    found, _, there, _ = told(desk, cursor)
    assert found == {key("B"): {1: 21}, key("C"): {1: 30}}, "a break that is gone makes another record"
    assert there == [key("A")]


@given(
    before=st.dictionaries(
        st.sampled_from("ABCDE"), st.lists(st.integers(1, 3), min_size=1, max_size=3, unique=True), min_size=1
    ),
    after=st.dictionaries(
        st.sampled_from("ABCDE"), st.lists(st.integers(1, 3), min_size=1, max_size=3, unique=True), min_size=1
    ),
    order=st.randoms(use_true_random=False),
    killed=st.integers(0, 5),
    rows=st.integers(1, 3),
)
@settings(max_examples=40, deadline=None)
def test_news_and_what_is_there_make_up_the_file_wherever_a_read_ends(
    tmp_path_factory, before, after, order, killed, rows
):
    desk = Desk(tmp_path_factory.mktemp("desk"), PRICES)
    page_rows, source.PAGE_ROWS = source.PAGE_ROWS, rows

    def lines(of: dict[str, list[int]]) -> list[str]:
        found = [f"{sku},R,{n},{10 - n}" for sku, minimums in of.items() for n in minimums]
        order.shuffle(found)
        return found

    try:
        leave(desk, 1, *lines(before))
        known, _, _, cursor = told(desk)
        desk.source.believed("prices", cursor.covers_ms)
        leave(desk, 2, *lines(after))
        pages = desk.pages(cursor, "prices")[:killed]  # stored before the process died
        desk.spool.close()
        desk.start()
        pages += desk.pages(pages[-1].cursor if pages else cursor, "prices")
        news, refused = changes(desk, [event for page in pages for event in page.events])
        found = {x.key: {int(y.minimum): int(y.amount) for y in x.value.entries} for x in news}
        there = {name for page in pages for kind, name in page.present if kind is Kind.PRICE}
        right = {key(sku): {n: 10 - n for n in minimums} for sku, minimums in after.items()}
        assert refused == []
        assert {name: (known | found)[name] for name in there | set(found)} == right
        assert set(found) == {key(sku) for sku in after if set(before.get(sku, ())) != set(after[sku])}
    finally:
        source.PAGE_ROWS = page_rows
        desk.spool.close()
        desk.loop.close()


def test_a_row_that_cannot_be_taken_apart_spoils_what_it_may_be_of_and_takes_nothing_away(desks):
    desk = desks(PRICES)
    leave(desk, 1, "A,R,1,10", "B,R,1,20", "C,R,1,30", "D,R,1,40")
    *_, cursor = told(desk)
    desk.source.believed("prices", cursor.covers_ms)
    leave(desk, 2, "A,R,1,11", "A,R,5,9", "torn", "C,R,5,29", "D,R,1,41")
    found, refused, there, after = told(desk, cursor)
    assert found == {key("D"): {1: 41}}, "A and C may lack a break"
    assert [text.partition(": ")[0] for text in refused] == [
        f"line {n} of PRICES_202601020000.csv" for n in (4, 2, 5)
    ]
    assert there == [key("A"), key("C")], "they are there, whatever is said of them"
    assert after.covers_ms == cursor.covers_ms, "nobody is to miss B because of it"
    leave(desk, 3, "A,R,1,11", "A,R,5,9", "C,R,5,29", "D,R,1,41")
    found, refused, _, last = told(desk, after)
    assert found == {key("A"): {1: 11, 5: 9}, key("C"): {5: 29}}
    assert refused == [] and last.covers_ms == cursor.covers_ms + 2 * DAY_MS


def test_a_record_that_was_refused_is_told_by_the_next_file_although_it_says_the_same(desks):
    desk = desks(PRICES)
    leave(desk, 1, "A,R,1,10", "A,R,1,11", "B,R,1,20")
    found, refused, there, cursor = told(desk)
    desk.source.believed("prices", cursor.covers_ms)
    assert (found, there) == ({key("B"): {1: 20}}, [key("A")])
    assert refused == ["line 3 of PRICES_202601010000.csv: 11 here, and 10 in line 2 for the same"]
    leave(desk, 2, "A,R,1,10", "B,R,1,20")
    assert told(desk, cursor)[0] == {key("A"): {1: 10}}


def test_a_full_file_tells_again_what_changes_told_meanwhile(desks):
    desk = desks(PRICES, CHANGES)
    leave(desk, 1, "A,R,1,10", "B,R,1,20")
    *_, cursor = told(desk)
    desk.source.believed("prices", cursor.covers_ms)
    leave(desk, 2, "A,R,1,99", name="DELTA")
    assert told(desk, stream="price_changes")[0] == {key("A"): {1: 99}}
    leave(desk, 3, "A,R,1,10", "B,R,1,20")
    found, _, there, cursor = told(desk, cursor)
    assert (found, there) == ({key("A"): {1: 10}}, [key("B")]), "it went back, and the line is as it was"
    desk.source.believed("prices", cursor.covers_ms)
    leave(desk, 4, "A,R,1,10", "B,R,1,20")
    assert told(desk, cursor)[0] == {}


def test_a_file_with_a_torn_row_has_not_told_again_what_it_lacks(desks):
    desk = desks(PRICES, CHANGES)
    leave(desk, 1, "A,R,1,10", "B,R,1,20")
    *_, cursor = told(desk)
    desk.source.believed("prices", cursor.covers_ms)
    leave(desk, 2, "A,R,1,10", "B,R,1,21")
    *_, cursor = told(desk, cursor)  # not believed: the first is still what others are compared with
    leave(desk, 3, "A,R,1,99", name="DELTA")
    told(desk, stream="price_changes")
    leave(desk, 4, "torn", "B,R,1,21")
    *_, cursor = told(desk, cursor)
    leave(desk, 5, "A,R,1,10", "B,R,1,21")
    assert told(desk, cursor)[0][key("A")] == {1: 10}


def test_items_that_changes_told_of_are_told_again_as_well(desks):
    columns = (Column("sku", name="sku"), Column("title", name="title"))
    items = replace(PRICES, kind="items", pattern="ITEMS_*.csv", columns=columns)
    desk = desks(items, replace(items, scope="delta", pattern="DELTA_*.csv"))

    def titles(cursor: Cursor | None, stream: str) -> tuple[dict[str, str], Cursor]:
        pages = desk.pages(cursor, stream)
        news, _ = changes(desk, [event for page in pages for event in page.events])
        return {x.key: x.value.title for x in news}, pages[-1].cursor

    leave(desk, 1, "A,old", name="ITEMS", header="sku,title")
    _, cursor = titles(None, "items")
    desk.source.believed("items", cursor.covers_ms)
    leave(desk, 2, "A,new", name="DELTA", header="sku,title")
    assert titles(None, "item_changes")[0] == {"A": "new"}
    leave(desk, 3, "A,old", name="ITEMS", header="sku,title")
    assert titles(cursor, "items")[0] == {"A": "old"}


def test_changes_beat_a_full_file_whose_export_may_have_begun_before_them(desks):
    desk = desks(PRICES, CHANGES)
    desk.leave("DELTA_202601010000.csv", "A,R,1,99", header=HEADER)
    desk.leave("PRICES_202601010000.csv", "A,R,1,10", header=HEADER)
    versions = [
        change.version
        for stream in ("price_changes", "prices")
        for page in desk.pages(stream=stream)
        for event in page.events
        for change in desk.changes(event)
    ]
    assert versions[0] - versions[1] == 60_000


def test_what_a_full_file_leaves_out_is_gone_only_if_nobody_told_of_it_while_it_was_made(desks):
    desk = desks(PRICES)
    leave(desk, 1, "A,R,1,10")
    pages = desk.pages(stream="prices")
    (change,) = [c for page in pages for event in page.events for c in desk.changes(event)]
    assert pages[-1].cursor.covers_ms == change.version, "the moment at which its export began"


def test_too_many_wrong_records_refuse_the_file(desks):
    desk = desks(replace(PRICES, bad_rows_max=1))
    leave(desk, 1, "A,R,1,ten", "B,R,1,x", "C,R,1,30")
    found, refused, there, cursor = told(desk)
    assert (found, there, cursor.covers_ms) == ({}, [], 0)
    (why,) = refused
    assert "2 lines are wrong, more than 1 (bad_rows_max); the first, line 2: field price" in why


def test_a_full_file_without_a_row_takes_nothing_away(desks):
    desk = desks(PRICES)
    leave(desk, 1)
    *_, refused, _, cursor = told(desk)
    assert refused == [], "there was nothing to take"
    leave(desk, 1, "A,R,1,10")
    *_, cursor = told(desk, cursor)
    leave(desk, 2)
    found, refused, there, after = told(desk, cursor)
    assert (found, there, after.covers_ms) == ({}, [], cursor.covers_ms)
    assert refused == [
        "file PRICES_202601020000.csv: it has no rows: a full file without any is taken for an export that failed"
    ]


def test_a_row_with_a_stamp_of_its_own_is_as_new_as_that_in_whichever_file_it_stands(desks):
    full = replace(PRICES, stamp="row", columns=(*PRICES.columns, Column("stamp", name="stamp")))
    desk = desks(full, replace(full, scope="delta", pattern="DELTA_*.csv"))
    header = f"{HEADER},stamp"
    leave(desk, 1, "A,R,1,10,2026-01-01T08:00:00", name="DELTA", header=header)
    leave(desk, 1, "A,R,1,11,2026-01-01T08:00:30", header=header)
    versions = [
        change.version
        for stream in ("price_changes", "prices")
        for page in desk.pages(stream=stream)
        for event in page.events
        for change in desk.changes(event)
    ]
    assert versions[1] - versions[0] == 30_000, "what is newer is not lost because it came within lead_s"


@pytest.mark.parametrize("stream", ["prices", "price_changes"])
def test_a_record_has_so_many_rows_at_most(desks, stream, monkeypatch):
    monkeypatch.setattr("syncline.connectors.files.records.LINES_MAX", 2)
    desk = desks(PRICES, replace(PRICES, scope="delta", pattern="DELTA_*.csv"))
    name = "PRICES" if stream == "prices" else "DELTA"
    leave(desk, 1, "A,R,1,10", "A,R,5,9", "A,R,10,8", "B,R,1,20", name=name)
    found, refused, *_ = told(desk, stream=stream)
    assert found == {key("B"): {1: 20}}
    assert refused == [f"line 4 of {name}_202601010000.csv: it has more than 2 lines"]


def test_a_torn_line_beside_a_parcel_parks_the_parcel_whole(desks):
    columns = tuple(Column(x, name=x) for x in "shipment reference sku quantity".split())
    parcels = replace(CHANGES, kind="shipments", columns=columns)
    desk = desks(parcels)
    desk.leave(
        "DELTA_202601010000.csv", "P1,o-1,A,1", "P1,o-1,B", "P2,o-2,A,1", "P3,o-3,A,1",
        header="shipment,reference,sku,quantity",
    )  # fmt: skip
    pages = desk.pages(stream="shipments")
    news, refused = changes(desk, [event for page in pages for event in page.events])
    assert [x.key for x in news] == ["P3"], "half a parcel is none"
    assert len(refused) == 3


def test_a_spool_of_before_keeps_what_was_touched(desks):
    desk = desks(PRICES)
    old = apsw.Connection(str(desk.root.parent / "spool" / "journal.sqlite")) if desk.spool.id else None
    desk.spool.close()
    assert old is not None
    old.execute("DROP TABLE stirred; CREATE TABLE touched (sku TEXT PRIMARY KEY, stamp_ms INTEGER NOT NULL)")
    old.execute("INSERT INTO touched VALUES ('A', 5)")
    old.close()
    assert desk.spool.touched("stock") == {"A"}
    desk.spool.close()
    assert desk.spool.touched("stock") == {"A"}


def test_amounts_are_exact(desks):
    desk = desks(
        Read(**{name: getattr(PRICES, name) for name in PRICES.__struct_fields__} | {"decimal": ","})
    )
    leave(desk, 1, '"A","R","1","0,123456"')
    pages = desk.pages(stream="prices")
    (change,) = [c for page in pages for event in page.events for c in desk.changes(event)]
    assert change.value.entries[0].amount == Decimal("0.123456")
