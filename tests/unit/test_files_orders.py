"""Orders that a channel leaves as files: once each, whatever is left again, and by row where something is wrong."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.files_place import START_MS, Desk

from syncline.connectors.files import source
from syncline.connectors.files.declared import Column, Head, Read, Trailer, Write
from syncline.connectors.files.orders import key_of
from syncline.connectors.files.xmlrows import records
from syncline.model.delivery import Item, Result
from syncline.model.errors import Misconfigured, Rejected
from syncline.model.payloads import CancelOrder, CreateRefund, CreateShipment, RecordPayment
from syncline.model.records import Order, Receipt, Return, Shipment


def columns(*fields: str) -> tuple[Column, ...]:
    return tuple(Column(name, name=name) for name in fields)


FIELDS = ("reference", "revision", "status", "currency", "line", "sku", "quantity", "unit_price")
PLACED = Read(
    kind="orders",
    path="in",
    pattern="ORDERS_*",
    complete="rename",
    cancelled=("X",),
    stamp="name",
    stamp_format="%Y%m%d%H%M.csv",
    columns=columns(*FIELDS),
)
UNNUMBERED = replace(PLACED, columns=tuple(x for x in PLACED.columns if x.field != "revision"))
HEADER = ",".join(FIELDS)
ANSWERS = Write(
    kind="acknowledgements",
    path="out",
    name="answers",
    columns=columns("reference", "revision", "result", "line", "reason", "file"),
)
PARCELS = Write(
    kind="shipments", path="out", columns=columns("reference", "shipment", "sku", "quantity", "tracking")
)
CALLED_OFF = Write(kind="cancellations", path="out", columns=columns("reference"))


class Told:
    """What reads of a desk tell: orders by key, in the order in which they were told, and refusals."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.cursor = None
        self.orders: list[Order] = []
        self.refused: list[str] = []

    def read(self) -> Told:
        self.orders, self.refused = [], []
        for page in self.desk.pages(self.cursor, "orders"):
            self.take(page)
        return self

    def take(self, page) -> None:
        for event in page.events:
            try:
                self.orders += [change.value for change in self.desk.changes(event)]
            except Rejected as error:
                self.refused.append(str(error))
        self.cursor = page.cursor

    @property
    def units(self) -> list[tuple[str, int]]:
        return [(order.key, int(sum(line.quantity for line in order.lines))) for order in self.orders]


def leave(desk: Desk, minute: int, *lines: str, header: str = HEADER) -> None:
    desk.leave(f"ORDERS_2026090100{minute:02d}.csv", *lines, header=header)


def one(order: str = "A-1", *, revision: str = "1", units: int = 2, line: str = "1", status: str = "") -> str:
    return f"{order},{revision},{status},GBP,{line},SKU-{line},{units},9.50"


# --- layouts ----------------------------------------------------------------------------------------------

FULL = (
    "reference number placed_at updated_at currency shipping tax total taxes_included po_number note customer_id customer_name "
    "customer_email ship_name ship_line1 ship_country payment paid gateway line sku title location quantity unit_price "
    "line_discount line_tax"
).split()


def test_every_field_of_an_order_in_a_row_for_each_line(desks):
    desk = desks(replace(PLACED, cancelled=(), columns=columns(*FULL)))
    head = (
        "PO 7/2026,7,2026-09-01T08:00:00,2026-09-01T09:30:00,EUR,5.00,0.80,27.30,0,PO-7,leave at gate,C 9,Firm,a@b.example,"
        "Yard,Road 1,DE,T1,27.30,card"
    )
    leave(
        desk,
        0,
        f"{head},1,SKU-1,Bolt,WEST,3,4.50,0.50,0.50",
        f"{head},2,SKU-2,Nut,EAST,1,8.50,0,0.30",
        header=",".join(FULL),
    )
    (order,) = Told(desk).read().orders
    assert order.key.startswith("po_7_2026-") and order.number == "7" and order.complete
    assert order.updated_at_ms - order.placed_at_ms == 90 * 60_000
    assert (order.total, order.tax, order.shipping) == (Decimal("27.30"), Decimal("0.80"), Decimal("5.00"))
    assert [(x.id, x.sku, x.title, x.quantity, x.discount) for x in order.lines] == [
        ("1", "SKU-1", "Bolt", 3, Decimal("0.50")),
        ("2", "SKU-2", "Nut", 1, 0),
    ]
    assert [x.allocations[0].location for x in order.lines] == ["WEST", "EAST"]
    assert (
        order.customer is not None and order.customer.name == "Firm" and order.customer.key == key_of("C 9")
    )
    assert order.shipping_to is not None and order.shipping_to.country == "DE" and order.billing is None
    assert [(x.id, x.amount, x.gateway) for x in order.payments] == [("t1", Decimal("27.30"), "card")]
    assert (order.po_number, order.note) == ("PO-7", "leave at gate")


def test_a_total_that_is_not_told_is_reckoned(desks):
    fields = (*FIELDS, "shipping", "line_tax")
    desk = desks(replace(PLACED, columns=columns(*fields)))
    leave(desk, 0, one() + ",3.00,1.90", header=",".join(fields))
    (order,) = Told(desk).read().orders
    assert (order.tax, order.total) == (Decimal("1.90"), Decimal("23.90"))


HEADED = Head(
    "H",
    "L",
    (
        Column("reference", start=2, width=6),
        Column("revision", start=8, width=2),
        Column("currency", start=10, width=3),
    ),
)
FIXED = replace(
    PLACED,
    cancelled=(),
    format="fixed",
    head=HEADED,
    columns=(
        Column("sku", start=2, width=6),
        Column("quantity", start=8, width=4),
        Column("unit_price", start=12, width=6),
    ),
    trailer=Trailer("T", (Column("rows", start=2, width=3),)),
)


def test_heads_and_lines_of_fixed_width(desks):
    desk = desks(FIXED)
    rows = [
        "HA-1    1GBP",
        "LSKU-1    2  9.50",
        "LSKU-2    1  1.00",
        "HA-2    1GBP",
        "LSKU-1    5  9.50",
        "T  5",
    ]
    leave(desk, 0, *rows[1:], header=rows[0])
    assert Told(desk).read().units == [("a-1", 3), ("a-2", 5)]


def test_heads_and_lines_of_csv(desks):
    head = Head(
        "ORD",
        "POS",
        tuple(Column(name, position=n) for n, name in ((2, "reference"), (3, "revision"), (4, "currency"))),
    )
    lines = tuple(Column(name, position=n) for n, name in ((2, "sku"), (3, "quantity"), (4, "unit_price")))
    desk = desks(replace(PLACED, cancelled=(), header=False, head=head, columns=lines))
    leave(
        desk,
        0,
        "POS,SKU-1,2,9.50",
        "POS,SKU-2,1,1.00",
        "ORD,A-2,1,GBP",
        "POS,SKU-1,5,9.50",
        header="ORD,A-1,1,GBP",
    )
    assert Told(desk).read().units == [("a-1", 3), ("a-2", 5)]


XML = """<orders currency="GBP"><order><lines><line><sku>SKU-1</sku><qty>2</qty><each>9.50</each></line>
<line><sku>SKU-2</sku><qty>1</qty><each>1.00</each></line></lines><ref>A-1</ref><total>20.00</total></order>
<order><lines><line><sku>SKU-1</sku><qty>5</qty><each>9.50</each></line></lines><ref>A-2</ref><total>47.50</total></order>
</orders>"""
NESTED = replace(
    UNNUMBERED,
    cancelled=(),
    format="xml",
    record="orders/order/lines/line",
    columns=(
        Column("reference", name="../../ref"),
        Column("total", name="../../total"),
        Column("currency", name="../../../@currency"),
        Column("sku", name="sku"),
        Column("quantity", name="qty"),
        Column("unit_price", name="each"),
    ),
)


def test_what_an_order_says_after_its_lines_in_xml_counts(desks):
    desk = desks(NESTED)
    first, *rest = XML.splitlines()
    leave(desk, 0, *rest, header=first)
    told = Told(desk).read()
    assert told.units == [("a-1", 3), ("a-2", 5)]
    assert [order.total for order in told.orders] == [Decimal("20.00"), Decimal("47.50")]


def test_an_order_that_says_one_thing_twice_in_xml_is_refused(desks):
    desk = desks(NESTED)
    first, *rest = XML.replace("<total>20.00</total>", "<total>20.00</total><total>2.00</total>").splitlines()
    leave(desk, 0, *rest, header=first)
    told = Told(desk).read()
    assert "the record has it twice" in told.refused[0]
    assert told.units == []  # the line beside it may be of the order after it


def test_records_that_wait_for_their_order_are_limited(monkeypatch):
    monkeypatch.setattr("syncline.connectors.files.xmlrows.HELD_MAX", 3)
    body = "<a><b>" + "<c><x>1</x></c>" * 4 + "<y>2</y></b></a>"
    wanted = (Column("x", name="x"), Column("y", name="../y"))
    with pytest.raises(Rejected, match="more than 3 records"):
        list(records(io.BytesIO(body.encode()), "a/b/c", wanted, late=True))
    assert [row.values for row in records(io.BytesIO(body.encode()), "a/b/c", wanted)] == [["1", ""]] * 4


# --- once -------------------------------------------------------------------------------------------------


def test_the_same_file_and_the_same_order_again_change_nothing(desks):
    desk = desks(PLACED)
    told = Told(desk)
    leave(desk, 0, one("A-1"), one("A-2"))
    assert told.read().units == [("a-1", 2), ("a-2", 2)]
    leave(desk, 0, one("A-1"), one("A-2"))  # the very file
    leave(desk, 1, one("A-2"), one("A-3"))  # an order of it beside a new one
    assert told.read().units == [("a-3", 2)]
    assert told.refused == []


def test_a_higher_revision_replaces_and_a_lower_one_that_comes_late_does_not(desks):
    desk = desks(PLACED)
    told = Told(desk)
    leave(desk, 5, one(revision="2", units=3))
    first = told.read().orders[0]
    leave(desk, 6, one(revision="1", units=2))
    assert told.read().units == []
    leave(
        desk, 1, one(revision="3", units=4)
    )  # its file is older by its name, and its revision says otherwise
    (second,) = told.read().orders
    assert told.units == [("a-1", 4)]
    assert second.updated_at_ms > first.updated_at_ms, "a version is above the one before it"
    assert second.placed_at_ms == first.placed_at_ms
    leave(desk, 7, one(revision="4", status="X", units=4))
    (gone,) = told.read().orders
    assert gone.cancelled_at_ms and gone.total == 0 and told.units == [("a-1", 0)]
    assert told.refused == []


def test_of_two_revisions_in_one_file_the_higher_counts(desks):
    desk = desks(PLACED)
    leave(desk, 0, one(revision="2", units=5), one(revision="1", units=2))
    told = Told(desk).read()
    assert (told.units, told.refused) == ([("a-1", 5)], [])


def test_another_content_of_a_revision_that_came_is_refused_with_file_and_line(desks):
    desk = desks(PLACED)
    told = Told(desk)
    leave(desk, 0, one())
    told.read()
    leave(desk, 1, one("A-2"), one(units=7))
    assert told.read().units == [("a-2", 2)]
    (why,) = told.refused
    assert (
        why.startswith("line 3 of file ORDERS_202609010001.csv") or "line 3 of ORDERS_202609010001.csv" in why
    )
    assert "this revision came before in ORDERS_202609010000.csv with another content" in why


def test_without_revisions_another_content_is_refused_unless_its_moment_is_later(desks):
    desk = desks(UNNUMBERED)
    told = Told(desk)
    header = HEADER.replace("revision,", "")
    leave(desk, 0, "A-1,,GBP,1,SKU-1,2,9.50", header=header)
    told.read()
    leave(desk, 1, "A-1,,GBP,1,SKU-1,3,9.50", header=header)
    assert told.read().units == []
    assert "nothing says which is newer" in told.refused[0]


def test_a_later_moment_is_newer_where_there_are_no_revisions(desks):
    desk = desks(replace(UNNUMBERED, columns=(*UNNUMBERED.columns, Column("updated_at", name="at"))))
    told = Told(desk)
    header = HEADER.replace("revision,", "") + ",at"
    for minute, at, units in ((0, "08:00:00", 2), (1, "09:00:00", 3), (2, "08:30:00", 4)):
        leave(desk, minute, f"A-1,,GBP,1,SKU-1,{units},9.50,2026-09-01T{at}", header=header)
    assert told.read().units == [("a-1", 2), ("a-1", 3)]
    assert told.refused == []


def test_references_that_differ_by_case_only_are_not_two_orders(desks):
    desk = desks(PLACED)
    leave(desk, 0, one("A-1"), one("a-1", units=9))
    told = Told(desk).read()
    assert told.units == [("a-1", 2)]
    assert "by nothing but case" in told.refused[0]


def test_a_repeated_line_is_one_line_and_an_unnumbered_one_is_a_question(desks):
    desk = desks(PLACED)
    leave(
        desk,
        0,
        one("A-1"),
        one("A-1"),
        one("A-2", line="1"),
        one("A-2", line="2"),
        one("A-3"),
        one("A-3", units=3),
    )
    told = Told(desk).read()
    assert told.units == [("a-1", 2), ("a-2", 4)]
    assert "field line: '1' is in line 6 as well" in told.refused[0]
    unnumbered = replace(PLACED, columns=tuple(x for x in PLACED.columns if x.field != "line"))
    other = desks(unnumbered, at=desk.root)
    leave(other, 0, "A-1,1,,GBP,SKU-1,2,9.50", "A-1,1,,GBP,SKU-1,2,9.50", header=HEADER.replace("line,", ""))
    assert "says whether it is one more" in Told(other).read().refused[0]


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (one(units=-1), "field quantity: '-1' is no whole number"),
        ("A-1,1,,GBP,1,SKU-1,1.5,9.50", "field quantity: '1.5' is no whole number"),
        ("A-1,1,,GBP,1,SKU-1,2,", "field unit_price: '' is no number"),
        ("A-1,1,,GBP,1,SKU-1,2,-1", "field unit_price: '-1' is below zero"),
        ("A-1,1,,pounds,1,SKU-1,2,1", "field currency: 'pounds'"),
        ("A-1,1.5,,GBP,1,SKU-1,2,1", "field revision: '1.5'"),
        ("A-1,1,,GBP,1,,2,1", "field sku: '' is no key"),
        (",1,,GBP,1,SKU-1,2,1", "field reference: '' is no key"),
        ("A-1,1,,GBP,1,SKU-1,2", "the line has 7 cells"),
        ("A-0,1,,GBP,1,SKU-1,2,1", "the order stands in the file in two places"),
    ],
)
def test_an_order_that_cannot_be_understood_is_parked_alone_with_its_line(desks, row, says):
    desk = desks(PLACED)
    leave(desk, 0, one("A-0"), one("A-8"), row, one("A-9"), one("A-10"))
    told = Told(desk).read()
    assert any("line 4 of ORDERS_202609010000.csv" in why and says in why for why in told.refused), (
        told.refused
    )
    assert ("a-10", 2) in told.units and ("a-1", 2) not in told.units


def test_a_torn_line_takes_the_orders_beside_it_and_no_other(desks):
    desk = desks(PLACED)
    leave(desk, 0, one("A-1"), one("A-2"), "torn", one("A-3"), one("A-4"))
    told = Told(desk).read()
    assert told.units == [("a-1", 2), ("a-4", 2)]
    assert len(told.refused) == 3


def test_heads_that_disagree_are_refused(desks):
    desk = desks(PLACED)
    leave(desk, 0, one(line="1"), one(line="2").replace("GBP", "EUR"))
    assert "field currency: 'EUR' here, and 'GBP' in line 2" in Told(desk).read().refused[0]


def test_a_torn_head_takes_its_lines_with_it(desks):
    desk = desks(FIXED)
    rows = [
        "HA-1    1GBP",
        "LSKU-1    2  9.50",
        "H",
        "LSKU-2    1  1.00",
        "HA-3    1GBP",
        "LSKU-1    5  9.50",
        "T  6",
    ]
    leave(desk, 0, *rows[1:], header=rows[0])
    told = Told(desk).read()
    assert told.units == [("a-3", 5)], "a line after a torn head is of an order that nobody knows"
    assert any("no order stands before this line" in why for why in told.refused)


def test_a_file_with_too_many_mistakes_is_refused_whole_and_takes_nothing(desks):
    desk = desks(replace(PLACED, bad_rows_max=1), writes=(ANSWERS,))
    told = Told(desk)
    leave(desk, 0, one("A-1"), one("A-2", units=-1), one("A-3", units=-1))
    assert told.read().units == []
    assert len(told.refused) == 1 and "2 lines or orders are wrong" in told.refused[0]
    leave(desk, 1, one("A-1"), one("A-2"), one("A-3"))
    assert len(told.read().units) == 3


@pytest.mark.parametrize("read", [PLACED, NESTED], ids=["csv", "xml"])
def test_a_file_with_more_orders_than_can_be_looked_at_is_refused(desks, monkeypatch, read):
    monkeypatch.setattr("syncline.connectors.files.declared.ORDER_ROWS_MAX", 2)
    desk = desks(read)
    first, *rest = XML.splitlines() if read is NESTED else (HEADER, one("A-1"), one("A-2"), one("A-3"))
    leave(desk, 0, *rest, header=first)
    told = Told(desk).read()
    assert told.units == [] and "it has more than 2 r" in told.refused[0]
    assert len(desk.names("rejected")) == 2, "the file, and its reason beside it"


# --- wherever the process ends ----------------------------------------------------------------------------


@given(
    files=st.lists(
        st.dictionaries(st.integers(0, 5), st.tuples(st.integers(1, 4), st.booleans()), min_size=1),
        max_size=4,
    ),
    killed=st.integers(0, 8),
    rewound=st.integers(0, 8),
)
@settings(max_examples=20, deadline=None)
def test_every_order_is_told_at_its_highest_revision_wherever_a_read_ends_or_a_store_goes_back(
    tmp_path_factory, files, killed, rewound
):
    desk = Desk(tmp_path_factory.mktemp("desk"), PLACED)
    orders_per_page, source.ORDERS_PER_PAGE = source.ORDERS_PER_PAGE, 1
    try:
        wanted: dict[str, int] = {}
        told = Told(desk)
        held: dict[str, Order] = {}
        cursors = [None]

        def take(pages) -> None:
            for page in pages:
                told.orders = []
                told.take(page)
                cursors.append(page.cursor)
                for order in told.orders:
                    before = held.get(order.key)
                    if before is None or order.updated_at_ms > before.updated_at_ms:
                        held[order.key] = order
                    elif order.updated_at_ms == before.updated_at_ms:
                        assert order == before, "a version has one content"

        for minute, orders in enumerate(files):
            rows = [
                one(f"A-{n}", revision=str(revision), units=-1 if bad else revision * 10 + n)
                for n, (revision, bad) in orders.items()
            ]
            leave(desk, minute, *rows)
            for n, (revision, bad) in orders.items():
                if not bad:
                    wanted[f"a-{n}"] = max(wanted.get(f"a-{n}", 0), revision)
            take(desk.pages(cursors[-1], "orders")[:killed])
            desk.spool.close()
            desk.start()
        take(desk.pages(cursors[-1], "orders"))
        assert {key: int(x.lines[0].quantity) // 10 for key, x in held.items()} == wanted
        held.clear()  # a store that was put back knows what it knew at that place, and is told the rest again
        cursors = cursors[: 1 + min(rewound, len(cursors) - 1)]
        known = Told(desk)
        for page in desk.pages(None, "orders"):
            known.take(page)
        take(desk.pages(cursors[-1], "orders"))
        for key, order in held.items():
            assert int(order.lines[0].quantity) // 10 == wanted[key]
        assert {x.key for x in known.orders} == set(wanted), "from the beginning all of them are told"
    finally:
        source.ORDERS_PER_PAGE = orders_per_page
        desk.spool.close()
        desk.loop.close()


def test_a_place_within_a_file_means_the_same_after_a_later_file_changed_an_order_before_it(
    desks, monkeypatch
):
    monkeypatch.setattr(source, "ORDERS_PER_PAGE", 2)
    desk = desks(PLACED)
    leave(desk, 0, *(one(f"A-{n}") for n in range(6)))
    pages = desk.pages(None, "orders")
    told = Told(desk)
    told.take(pages[0])  # are stored; then the store is put back to this moment
    leave(desk, 1, one("A-0", revision="2", units=9))
    rest = Told(desk)
    rest.cursor = pages[-1].cursor
    rest.read()
    assert told.read().units == [("a-2", 2), ("a-3", 2), ("a-4", 2), ("a-5", 2), ("a-0", 9)]


# --- what is answered -------------------------------------------------------------------------------------


def answers(desk: Desk) -> list[list[str]]:
    return [
        row.split(",")[:4]
        for name in desk.names("out")
        if name.startswith("answers-")
        for row in (desk.root / "out" / name).read_text().splitlines()[1:]
    ]


def test_every_file_is_answered_with_what_became_of_each_order(desks):
    desk = desks(PLACED, writes=(ANSWERS,))
    told = Told(desk)
    leave(desk, 0, one("A-1"), one("A-2", units=-1))
    told.read()
    leave(desk, 1, one("A-1"), one("A-1", revision="2", units=5))
    desk.leave("ORDERS_not-a-moment.csv", one("A-5"), header=HEADER)
    told.read()
    assert sorted(answers(desk)) == [
        ["", "", "refused", "0"],
        ["A-1", "1", "older", "2"],
        ["A-1", "1", "taken", "2"],
        ["A-1", "2", "taken", "3"],
        ["A-2", "1", "refused", "3"],
    ]
    files = desk.names("out")
    told.read()
    assert desk.names("out") == files, "nothing new, nothing to answer"


def test_answers_are_given_however_often_the_process_ends_before(desks):
    desk = desks(PLACED, writes=(ANSWERS,))
    leave(desk, 0, one("A-1"), one("A-2"))
    pages = desk.pages(None, "orders")  # nothing of it was stored
    desk.spool.close()
    desk.start()
    told = Told(desk)
    told.read()
    assert told.units == [("a-1", 2), ("a-2", 2)] and len(pages) == 2
    assert answers(desk) == [["A-1", "1", "taken", "2"], ["A-2", "1", "taken", "3"]]


def test_files_from_before_answers_were_wanted_are_not_answered(desks, tmp_path):
    desk = desks(PLACED)
    told = Told(desk)
    leave(desk, 0, one("A-1"))
    told.read()
    desk.settings = replace(desk.settings, writes=(ANSWERS,))
    desk.spool.close()
    desk.start()
    leave(desk, 1, one("A-2"))
    told.read()
    assert answers(desk) == [["A-2", "1", "taken", "2"]]


def test_words_that_the_partners_columns_cannot_hold_are_left_out_of_an_answer(desks):
    narrow = replace(
        ANSWERS,
        format="fixed",
        columns=(
            Column("reference", start=1, width=8),
            Column("result", start=9, width=10),
            Column("reason", start=19, width=5),
        ),
    )
    desk = desks(PLACED, writes=(narrow,))
    leave(desk, 0, one("A-1", units=-1))
    Told(desk).read()
    (name,) = desk.names("out")
    assert (desk.root / "out" / name).read_text().split() == ["A-1", "refused"]


# --- parcels and orders that are called off -----------------------------------------------------------------


def test_a_parcel_and_a_cancellation_name_the_order_as_its_channel_does(desks):
    desk = desks(PLACED, writes=(PARCELS, CALLED_OFF))
    leave(desk, 0, one("PO 1/26"))
    (order,) = Told(desk).read().orders
    parcel = CreateShipment(
        order.key, Shipment("P-1", order.key, START_MS, (), ("T1", "T2")), (("SKU-1", "", 2),)
    )
    off = CancelOrder(order.key, restock=False, money=False)
    assert set(desk.sink.operations) == {"create_shipment", "cancel_order"}
    for operation, payload in (("create_shipment", parcel), ("cancel_order", off)) * 2:
        (outcome,) = desk.run(desk.sink.deliver(operation, [Item("1", payload)], "key"))
        assert outcome.result is Result.DONE
        found = desk.run(desk.sink.look_up(operation, Item("1", payload)))
        assert found is not None and found.result is Result.DONE
    called_off, shipped = desk.names("out")
    assert (desk.root / "out" / called_off).read_text().splitlines()[1:] == ["PO 1/26"]
    assert (desk.root / "out" / shipped).read_text().splitlines()[1:] == ["PO 1/26,P-1,SKU-1,2,T1 T2"]


def test_money_and_goods_are_told_in_the_channels_own_words_once_each(desks):
    columns_of = {
        "receipts": ("reference", "revision", "received", "of_channel", "currency"),
        "returns": ("reference", "return", "sku", "quantity", "restock", "money"),
    }
    writes = tuple(
        Write(kind=kind, path=kind, decimal=",", delimiter=";", columns=columns(*fields))
        for kind, fields in columns_of.items()
    )
    desk = desks(PLACED, writes=writes)
    leave(desk, 0, one("PO 1/26"))
    (order,) = Told(desk).read().orders
    assert set(desk.sink.operations) == {"record_payment", "create_refund"}

    def tell(operation: str, payload: object) -> dict[str, object]:
        (outcome,) = desk.run(desk.sink.deliver(operation, [Item("1", payload)], "key"))
        found = desk.run(desk.sink.look_up(operation, Item("1", payload)))
        assert outcome.result is Result.DONE and found is not None and found.result is Result.DONE
        return dict(outcome.facts)

    def received(amount: str, *, of_channel: bool = False) -> RecordPayment:
        receipt = Receipt("market-x", Decimal(amount), "GBP", START_MS, of_channel)
        return RecordPayment(order.key, receipt)

    assert [tell("record_payment", received(x))["told"] for x in ("4.50", "4.50", "9.00")] == [
        "4.50",
        "4.50",
        "9.00",
    ]
    # What is the channel's own in it nobody here knows, so nothing is said of what it was told.
    assert "told" not in tell("record_payment", received("19.00", of_channel=True))
    back = Return("R/7", "market-x", START_MS, ())
    goods = (("SKU-1", "", 1), ("SKU-2", "", 2))
    for _ in range(2):
        tell(
            "create_refund", CreateRefund(order.key, "erp return R/7", back, goods, restock=False, money=True)
        )
    lines = {
        kind: [(desk.root / kind / name).read_text().splitlines()[1:] for name in desk.names(kind)]
        for kind in columns_of
    }
    assert lines == {
        "receipts": [["PO 1/26;1;4,50;0;GBP"], ["PO 1/26;2;9,00;0;GBP"], ["PO 1/26;3;19,00;1;GBP"]],
        "returns": [["PO 1/26;R/7;SKU-1;1;0;1", "PO 1/26;R/7;SKU-2;2;0;1"]],
    }


# --- what is declared -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "says"),
    [
        (replace(PLACED, scope="full"), "is read as scope"),
        (replace(PLACED, cancelled=(), columns=columns("reference", "sku")), "'currency' is missing"),
        (replace(PLACED, columns=columns(*FIELDS, "stamp")), "'stamp' is none of"),
        (replace(PLACED, columns=columns(*FIELDS, "paid")), "need each other"),
        (replace(PLACED, cancelled=(), head=HEADED), "for CSV with header = false"),
        (replace(FIXED, cancelled=("X",)), "cancelled needs a column"),
        (replace(FIXED, head=replace(HEADED, line_starts="HL")), "not begin alike"),
        (
            replace(
                FIXED,
                head=replace(HEADED, columns=(*HEADED.columns, Column("sku", start=20, width=3))),
                columns=FIXED.columns[1:],
            ),
            "stands in the wrong record",
        ),
        (
            replace(PLACED, kind="shipments", columns=columns("shipment", "reference", "sku", "quantity")),
            "cancelled for orders",
        ),
        (replace(PLACED, uncommitted=("X",)), "are for stock and order_status"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_read(desks, read, says):
    desk = desks(read)
    with pytest.raises(Misconfigured, match=says):
        desk.settings.validate()


def test_answers_need_orders_and_nobody_both_leaves_and_is_left_them(desks, tmp_path):
    items = Read(kind="items", path="in", pattern="I*", columns=columns("sku"))
    with pytest.raises(Misconfigured, match="answer orders that the partner leaves"):
        desks(items, writes=(ANSWERS,)).settings.validate()
    orders = Write(kind="orders", path="o", columns=columns("reference", "action", "sku", "quantity"))
    desk = desks(PLACED, at=tmp_path / "both", writes=(orders,), untold=("payments", "refunds"))
    with pytest.raises(Misconfigured, match="a system for each"):
        desk.settings.validate()
