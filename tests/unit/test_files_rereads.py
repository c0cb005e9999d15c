"""What is read again of a partner who exchanges files: its last full file that was believed, and the orders that it left."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace
from tests.unit.files_place import STOCK, Desk
from tests.unit.test_files_orders import PLACED, Told, leave, one

from syncline.connectors.files import rereads
from syncline.connectors.files.rereads import FileRereads
from syncline.model.change import Cursor
from syncline.model.records import Item

NAMED = replace(STOCK, stamp="name", stamp_format="%Y%m%d%H%M", lead_s=60)
ITEMS = [Item(sku, sku) for sku in "ABC"]


def read_again(desk: Desk) -> FileRereads:
    return FileRereads("erp", desk.settings, desk.clock, desk.spool)


def levels(desk: Desk, *locations: str) -> dict[str, int]:
    levels_of = read_again(desk).offered().levels_of
    assert levels_of is not None
    part = desk.run(levels_of(ITEMS, locations))
    return desk.decoded(list(part.rows))[0]


def believe(desk: Desk, cursor: Cursor) -> Cursor:
    desk.source.believed("stock", cursor.covers_ms)
    return desk.told(cursor)[2]  # the next read finds that it was


def test_figures_are_those_of_the_last_full_file_that_was_believed(desks, monkeypatch):
    monkeypatch.setattr(rereads, "LAID_OUT_ROWS", 2)
    desk = desks(NAMED)
    assert levels(desk, "MAIN") == {}
    desk.leave("STOCK_202601010000.csv", "A,MAIN,1", "B,MAIN,2", "B,NORTH,3", "D,MAIN,9", "C,MAIN,many")
    _, _, cursor = desk.told()
    assert levels(desk, "MAIN") == {}, "nobody has believed it yet"
    cursor = believe(desk, cursor)
    assert levels(desk, "MAIN") == {"A@MAIN": 1, "B@MAIN": 2}
    assert levels(desk, "MAIN", "NORTH") == {"A@MAIN": 1, "B@MAIN": 2, "B@NORTH": 3}
    desk.leave("STOCK_202601020000.csv", "A,MAIN,0")
    _, _, cursor = desk.told(cursor)
    assert levels(desk, "MAIN") == {"A@MAIN": 1, "B@MAIN": 2}, "a file that is doubted is not the truth"
    believe(desk, cursor)
    assert levels(desk, "MAIN") == {"A@MAIN": 0}


def test_orders_are_those_that_were_told(desks, monkeypatch):
    monkeypatch.setattr(rereads, "PLACED_ROWS", 2)
    desk = desks(PLACED)
    told = Told(desk)
    leave(desk, 0, one("A-1"), one("A-2"), one("A-3"))
    told.read()
    leave(desk, 1, one("A-2", revision="2", units=5), one("A-3", revision="2", status="X"))
    before = told.cursor
    told.read()
    offered = read_again(desk).offered()
    assert offered.levels_of is None and offered.placed is not None and offered.placed_of is not None
    found, after = [], ""
    while True:
        part = desk.run(offered.placed(0, told.cursor, after))
        found += part.rows
        after = part.after
        if not after:
            break
    assert {x.key: (x.number, x.total, x.cancelled) for x in found} == {
        "a-1": ("A-1", Decimal("19.00"), False),
        "a-2": ("A-2", Decimal("47.50"), False),
        "a-3": ("A-3", Decimal(0), True),
    }
    assert len(found) == 3
    assert [x.key for x in desk.run(offered.placed(0, before, "")).rows] == ["a-1"], (
        "what is not told is not known"
    )
    late = max(x.updated_at_ms for x in found)
    assert {x.key for x in desk.run(offered.placed(late, told.cursor, "")).rows} <= {"a-2", "a-3"}
    assert {x.key for x in desk.run(offered.placed_of(["a-1", "nobody"])).rows} == {"a-1"}
