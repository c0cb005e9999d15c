"""Goods that an ERP took back, as its files tell: each return once, whatever is left again, and what cannot be told is parked."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.unit.files_place import Desk

from syncline.connectors.files.declared import Column, Read, Write
from syncline.connectors.files.spool import DAY_MS
from syncline.model.delivery import Item, Result
from syncline.model.errors import Misconfigured, Rejected
from syncline.model.payloads import OrderItem, PutOrder
from syncline.model.records import Order, OrderLine, Return

FIELDS = "return reference sku quantity location returned_at restocked money refund line".split()
RETURNS = Read(
    kind="returns",
    path="in",
    pattern="RETURNS_*.csv",
    complete="rename",
    stamp="name",
    stamp_format="%Y%m%d%H%M",
    columns=tuple(Column(name, name=name) for name in FIELDS),
)
HEADER = ",".join(FIELDS)
ORDERS = Write(
    kind="orders",
    path="out",
    columns=tuple(Column(name, name=name) for name in ("reference", "action", "sku", "quantity", "line")),
)
GOODS = "R1,shop-1,A,2,MAIN,2026-01-01T08:00:00,1,1,,1"


class Told:
    """What reads of a desk tell, as an engine keeps it."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.files, self.cursor = desk, 0, None
        self.parked: list[str] = []

    def leave(self, *rows: str, header: str = HEADER, name: str = "") -> Told:
        self.files += 1
        self.desk.leave(name or f"RETURNS_2026010200{self.files:02d}.csv", *rows, header=header)
        return self

    def read(self, cursor: object = None) -> list[Return]:
        found = []
        pages = self.desk.pages(cursor or self.cursor, "returns")
        self.cursor = pages[-1].cursor
        for event in [event for page in pages for event in page.events]:
            try:
                (change,) = self.desk.changes(event)
            except Rejected as error:
                self.parked.append(str(error))
            else:
                assert change.key == change.value.key
                found.append(change.value)
        return found


@pytest.fixture
def told(desks):
    return Told(desks(RETURNS))


def test_the_rows_of_a_return_are_one_and_say_what_becomes_of_it(told):
    told.leave(
        GOODS,
        "R1,shop-1,B,0.5,,2026-01-01T08:00:00,1,1,,2",
        "R1,shop-1,A,1,MAIN,2026-01-01T08:00:00,1,1,,3",
        "R1,shop-1,C,0,MAIN,2026-01-01T08:00:00,1,1,,4",
        "R2,shop-2,A,1,,,no,,,1",
    )
    first, second = told.read()
    assert (first.key, first.order_key, first.restocked, first.credited) == ("R1", "shop-1", True, True)
    assert [(x.sku, x.location, x.quantity) for x in first.lines] == [
        ("A", "MAIN", Decimal(3)),
        ("B", "", Decimal("0.5")),
    ]
    assert first.returned_at_ms == 1_767_254_400_000
    assert second.returned_at_ms == 1_767_312_060_000, "where nothing says when, it is as old as its file"
    assert (second.restocked, second.credited) == (False, False), "empty is no"
    assert told.parked == []


def test_what_no_column_tells_is_for_the_route_to_say(desks):
    plain = replace(RETURNS, columns=RETURNS.columns[:4])
    told = Told(desks(plain)).leave("R1,shop-1,A,2", header="return,reference,sku,quantity")
    (back,) = told.read()
    assert (back.restocked, back.credited) == (True, True)


def test_a_return_counts_once_however_often_it_is_left(told):
    assert len(told.leave(GOODS).read()) == 1
    again = GOODS.replace("R1", "r1").replace("2026-01-01T08:00:00", "").replace(",2,", ",2.0,")
    assert told.leave(again, GOODS.replace("R1", "R3")).read()[0].key == "R3"
    assert told.parked == []
    for other in (
        GOODS.replace(",2,", ",1,"),
        GOODS.replace("shop-1", "shop-9"),
        GOODS.replace(",1,1,", ",1,0,"),
    ):
        assert told.leave(other).read() == []
    assert len(told.parked) == 3
    assert "came before in RETURNS_202601020001.csv with another content" in told.parked[0]
    assert told.parked[0].startswith("line 2 of RETURNS_202601020003.csv: return 'R1' of order 'shop-1': ")


def test_a_store_from_a_backup_is_told_again_and_a_process_that_died_tells_the_same(told):
    told.leave(GOODS)
    before = told.desk.pages(None, "returns")
    again = told.desk.pages(None, "returns")
    assert [page.events for page in before] == [page.events for page in again]
    assert before[0].events
    told.desk.spool.close()
    told.desk.start()
    assert len(told.read()) == 1
    assert told.leave(GOODS.replace("R1", "R2"), GOODS).read()[0].key == "R2"


def test_what_a_channel_gave_back_is_not_told_to_it(told):
    told.leave(GOODS.replace(",,1", ",SHOP-1-ref-77,1"), "R2,shop-1,B,1,MAIN,,1,1,,1")
    assert [back.key for back in told.read()] == ["R2"]
    told.leave("R3,shop-1,B,1,MAIN,,1,1,CREDIT NOTE 8,1", GOODS)
    assert told.read() == []
    assert "'CREDIT NOTE 8' is no refund of its order that we wrote" in told.parked[0]
    assert "another content" in told.parked[1], "first it was a refund of the channel's, and now it is none"


@pytest.mark.parametrize(
    ("rows", "line", "why"),
    [
        ((GOODS, GOODS.replace("2026-01-01T08:00:00,1", "2026-01-01T08:00:00,0")), 3, "field restocked"),
        ((GOODS, GOODS.replace(",A,", ",B,")), 3, "field line: '1' is in line 2 as well"),
        ((GOODS[:-1], GOODS[:-1]), 3, "no field 'line' says whether it is one more"),
        ((GOODS, "R1,shop-2,A,2,MAIN,,1,1,,1"), 2, "its number stands in the file for another one as well"),
        ((GOODS, "r1,shop-1,A,2,MAIN,,1,1,,1"), 2, "its number stands in the file for another one as well"),
        ((GOODS.replace(",2,", ",-2,"),), 2, "field quantity: '-2' is below zero"),
        ((GOODS.replace(",2,", ",0,"),), 2, "nothing came back with it"),
        ((GOODS.replace(",2,", ",,"),), 2, "field quantity"),
        ((GOODS.replace(",A,", ",,"),), 2, "field line: '1' of its order is not known here"),
        ((GOODS.replace(",A,", ",,")[:-1],), 2, "field sku: '' is no key"),
        ((GOODS.replace(",1,1,", ",1,perhaps,"),), 2, "field money: 'perhaps' is neither yes nor no"),
        ((GOODS.replace("2026-01-01", "2026-01-09"),), 2, "lies after its file"),
    ],
)
def test_what_cannot_be_told_is_parked_and_nothing_of_it_told(told, rows, line, why):
    told.leave(*rows, "R9,shop-9,A,1,,,1,1,,1")
    assert [back.key for back in told.read()] == ["R9"]
    assert f"line {line} of" in told.parked[0] and why in told.parked[0]


def test_a_line_that_cannot_be_taken_apart_takes_the_returns_beside_it_along(told):
    told.leave(GOODS, '"R1,shop-1', "R2,shop-2,A,1,,,1,1,,1", "R3,shop-3,A,1,,,1,1,,1")
    assert [back.key for back in told.read()] == ["R3"]
    assert len(told.parked) == 3


def test_a_file_with_too_many_wrong_returns_is_refused_whole(desks):
    told = Told(desks(replace(RETURNS, bad_rows_max=1)))
    told.leave(GOODS, "R2,shop-2,A,x,,,1,1,,1", "R3,shop-3,A,x,,,1,1,,1")
    assert told.read() == []
    assert "2 lines or returns are wrong, more than 1 (bad_rows_max); the first, line 3" in told.parked[0]
    assert len(told.leave(GOODS).read()) == 1, "nothing of it was taken"


def test_a_line_that_comes_twice_with_its_number_counts_once(told):
    (back,) = told.leave(GOODS, GOODS).read()
    assert [x.quantity for x in back.lines] == [2]


def test_goods_may_be_named_by_the_line_of_their_order_as_we_number_it(desks):
    told = Told(desks(RETURNS, writes=(ORDERS,), untold=("payments", "refunds")))
    told.desk.settings.validate()

    def wants(*skus: str) -> None:
        lines = tuple(OrderLine(sku, sku, sku, Decimal(2), Decimal(9)) for sku in skus)
        order = Order("1", "#1", 1, 1, "GBP", lines, Decimal(0), Decimal(0), Decimal(18))
        items = tuple(OrderItem(sku, sku, sku, "MAIN", 2) for sku in skus)
        put = PutOrder("shop-1", order, items, "shop-1" if told.cursor else "")
        (outcome,) = told.desk.run(told.desk.sink.deliver("put_order", [Item("1", put)], "k"))
        assert outcome.result is Result.DONE

    wants("A", "B", "C")
    told.leave("R1,SHOP-1,,1,MAIN,,1,1,,2", "R1,SHOP-1,A,1,MAIN,,1,1,,1")
    (back,) = told.read()
    assert [(x.sku, x.quantity) for x in back.lines] == [("B", 1), ("A", 1)]
    wants("A", "C")  # now the second line is another
    told.leave(
        "R2,shop-1,,1,MAIN,,1,1,,2",
        "R3,shop-1,,1,MAIN,,1,1,,9",
        "R4,shop-1,B,1,MAIN,,1,1,,1",
        "R5,shop-1,C,1,MAIN,,1,1,,2",
        "R6,shop-1,,1,MAIN,,1,1,,3",
    )
    assert [(back.key, back.lines[0].sku) for back in told.read()] == [("R5", "C"), ("R6", "C")]
    assert [text.partition(": field line: ")[2] for text in told.parked] == [
        "'2' of its order was another in another revision: name the SKU",
        "'9' of its order is not known here: name the SKU",
        "'1' of its order is 'A', not 'B'",
    ]


def test_what_came_long_ago_is_forgotten(told):
    told.leave(GOODS).read()
    assert told.desk.spool.returned(["r1"])
    told.desk.spool.forget_returns(told.desk.clock.now_ms() - told.desk.settings.order_days * DAY_MS)
    assert told.desk.spool.returned(["r1"])
    told.desk.run(told.desk.clock.sleep(181 * 86_400.0))
    told.desk.spool.number("shop-1", [("1", "A")], 0)
    told.read()
    assert not told.desk.spool.returned(["r1"]) and not told.desk.spool.numbered("shop-1", "1")


def test_returns_in_xml_have_their_head_around_them(desks):
    names = {"return": "../@number", "reference": "../order", "sku": "item", "quantity": "qty"}
    read = replace(
        RETURNS,
        format="xml",
        record="returns/return/line",
        columns=tuple(Column(field, name=name) for field, name in names.items()),
    )
    told = Told(desks(read))
    path = told.desk.root / "in" / "RETURNS_202601020001.csv"
    lines = "".join(f"<line><item>A</item><qty>{n}</qty></line>" for n in (1, 2))
    path.write_text(f'<returns><return number="R1">{lines}<order>shop-1</order></return></returns>')
    (back,) = told.read()
    assert (back.key, back.order_key, [x.quantity for x in back.lines]) == ("R1", "shop-1", [3])


def test_a_declaration_that_would_pay_twice_is_refused(desks):
    refunds = Write(
        kind="refunds", path="out", columns=tuple(Column(x, name=x) for x in ("reference", "order", "amount"))
    )
    desk = desks(RETURNS, writes=(refunds,))
    desk.settings.validate()
    without = replace(RETURNS, columns=tuple(x for x in RETURNS.columns if x.field != "refund"))
    with pytest.raises(Misconfigured, match="need a column 'refund'"):
        replace(desk.settings, reads=(without,)).validate()
    replace(desk.settings, reads=(without,), writes=()).validate()
    alone = replace(RETURNS, columns=tuple(x for x in RETURNS.columns if x.field != "sku"))
    with pytest.raises(Misconfigured, match="returns name goods by 'line' alone"):
        replace(desk.settings, reads=(alone,), writes=()).validate()
    neither = replace(alone, columns=tuple(x for x in alone.columns if x.field != "line"))
    with pytest.raises(Misconfigured, match="goods that came back need 'sku', or 'line' of the order"):
        replace(desk.settings, reads=(neither,), writes=()).validate()
    orders = Read(
        kind="orders",
        path="in",
        pattern="ORDERS_*",
        columns=tuple(Column(x, name=x) for x in ("reference", "currency", "sku", "quantity", "unit_price")),
    )
    with pytest.raises(Misconfigured, match="returns are goods that an ERP took back"):
        replace(desk.settings, reads=(RETURNS, orders), writes=()).validate()
