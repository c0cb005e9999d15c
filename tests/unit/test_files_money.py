"""Payments and refunds that a channel leaves in files of their own: once each, with their order whichever comes first."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.files_place import Desk
from tests.unit.test_files_copies import search
from tests.unit.test_files_orders import ANSWERS, PLACED, columns

from syncline.connectors.files.declared import Column, Read
from syncline.connectors.files.spool import DAY_MS
from syncline.engine.privacy.persons import Words
from syncline.model.errors import Misconfigured, Rejected, Retryable
from syncline.model.records import Order

ORDERS = replace(
    PLACED,
    cancelled=(),
    columns=columns(
        "reference",
        "revision",
        "currency",
        "customer_id",
        "customer_name",
        "line",
        "sku",
        "quantity",
        "unit_price",
    ),
)
PAYMENTS = Read(
    kind="payments",
    path="in",
    pattern="PAID_*",
    complete="rename",
    columns=columns("reference", "payment", "amount", "currency", "received_at"),
)
REFUNDS = Read(
    kind="refunds",
    path="in",
    pattern="BACK_*",
    complete="rename",
    columns=columns("reference", "refund", "amount", "line", "sku", "quantity", "restocked"),
)
STREAMS = {"orders": ORDERS, "payments": PAYMENTS, "refunds": REFUNDS}
HEADERS = {kind: ",".join(column.name for column in read.columns) for kind, read in STREAMS.items()}
BEGINS = {"orders": "ORDERS_2026010100", "payments": "PAID_", "refunds": "BACK_"}
FIRST = ("A-1,1,GBP,b7,Annette Quellwasser,1,SKU-1,2,10", "A-1,1,GBP,b7,Annette Quellwasser,2,SKU-2,1,5")


class Shop:
    """What reads of a desk tell, as an engine keeps it: each order at its highest version, and what is parked."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.files = desk, 0
        self.cursors: dict[str, object] = {}
        self.orders: dict[str, Order] = {}
        self.parked: dict[str, str] = {}
        self.versions: list[int] = []

    def leave(self, kind: str, *rows: str, name: str = "") -> None:
        self.files += 1
        self.desk.leave(name or f"{BEGINS[kind]}{self.files:02d}.csv", *rows, header=HEADERS[kind])

    def read(self, *kinds: str) -> Shop:
        for kind in kinds or STREAMS:
            for page in self.desk.pages(self.cursors.get(kind), kind):
                self.take(page)
                self.cursors[kind] = page.cursor
        return self

    def take(self, page) -> None:
        for event in page.events:
            try:
                (change,) = self.desk.changes(event)
            except Rejected as error:
                self.parked[event.event_id] = str(error)
                continue
            self.versions.append(change.version)
            before = self.orders.get(change.key)
            if before is None or before.updated_at_ms <= change.version:
                self.orders[change.key] = change.value

    @property
    def money(self) -> dict[str, tuple[list[tuple[str, Decimal]], list[tuple[str, Decimal, int]]]]:
        return {
            key: (
                [(x.id, x.amount) for x in order.payments],
                [(x.id, x.amount, int(sum(y.quantity for y in x.lines))) for x in order.refunds],
            )
            for key, order in self.orders.items()
        }


@pytest.fixture
def shop(desks):
    return Shop(desks(*STREAMS.values()))


WHOLE = {"a-1": ([("p1", Decimal(15))], [("r1", Decimal(10), 1)])}


@pytest.mark.parametrize("first", list(STREAMS))
def test_money_is_told_with_its_order_whichever_comes_first(shop, first):
    rows = {
        "orders": FIRST,
        "payments": ("A-1,P1,15,GBP,2026-01-01T09:00:00",),
        "refunds": ("A-1,R1,10,1,SKU-1,1,yes",),
    }
    for kind in (first, *(x for x in STREAMS if x != first)):
        shop.leave(kind, *rows[kind])
        shop.read()
    assert shop.money == WHOLE
    order = shop.orders["a-1"]
    assert (order.payments[0].received_at_ms, order.payments[0].currency) == (1_767_258_000_000, "GBP")
    (line,) = order.refunds[0].lines
    assert (line.line_id, line.quantity, line.restocked, line.shipped) == ("1", 1, True, True)
    assert not shop.parked
    before = list(shop.versions)
    shop.desk.run(shop.desk.clock.sleep(7_200))
    assert shop.read().versions == before, "nothing new, so nothing is told"
    assert not shop.parked


def test_a_payment_counts_once_and_another_content_of_it_is_refused_by_its_line(shop):
    shop.leave("orders", *FIRST)
    shop.leave("payments", "A-1,P1,15,,", "A-1,P2,5,,", "A-1,P1,15,,")
    shop.read()
    assert shop.money["a-1"][0] == [("p1", 15), ("p2", 5)]
    told = len(shop.versions)
    shop.leave("payments", "A-1,P2,5,,", "a-1,P1,16,,")
    shop.read()
    assert (shop.money["a-1"][0], len(shop.versions)) == ([("p1", 15), ("p2", 5)], told)
    (why,) = shop.parked.values()
    assert why.startswith("line 3 of PAID_03.csv: payment 'P1' of order 'a-1': it came before in PAID_02.csv")


@pytest.mark.parametrize(
    ("kind", "row", "says"),
    [
        ("payments", "A-1,P1,0,,", "field amount: '0' is no payment"),
        ("payments", "A-1,P1,-3,,", "field amount: '-3' is below zero"),
        ("payments", "A-1,P1,x,,", "field amount"),
        ("payments", "A-1,P1,3,EUR,", "it is in 'EUR', its order in GBP"),
        (
            "payments",
            "A-1,P1,3,,2030-01-01T00:00:00",
            "field received_at: '2030-01-01T00:00:00' lies after its file",
        ),
        ("payments", ",P1,3,,", "field reference: '' is no key"),
        ("payments", "A-1,,3,,", "field payment: '' is no key"),
        ("refunds", "A-1,R1,10,9,,1,yes", "its order has no line '9'"),
        ("refunds", "A-1,R1,10,2,SKU-1,1,yes", "its order has no line '2' of 'SKU-1'"),
        ("refunds", "A-1,R1,10,,SKU-9,1,yes", "its order has no 'SKU-9'"),
        ("refunds", "A-1,R1,10,,,1,yes", "neither line nor sku says which"),
        ("refunds", "A-1,R1,10,1,,0.5,yes", "is no whole number of units"),
        ("refunds", "A-1,R1,10,1,,1,perhaps", "is neither yes nor no"),
    ],
)
def test_what_cannot_be_understood_is_parked_alone_with_its_line(shop, kind, row, says):
    shop.leave("orders", *FIRST, "B-1,1,GBP,b8,Bobinsky Quellwasser,1,SKU-1,1,4")
    good = {"payments": "B-1,P1,4,,", "refunds": "B-1,R1,4,1,,1,no"}[kind]
    shop.leave(kind, good, "", row)
    shop.read()
    if kind == "refunds" or row.startswith("A-1,P"):
        assert shop.money["b-1"] == (([("p1", 4)], []) if kind == "payments" else ([], [("r1", 4, 1)]))
    (why,) = shop.parked.values()
    assert says in why and why.startswith(f"line 4 of {BEGINS[kind]}02.csv")
    assert shop.money["a-1"] == ([], [])


def test_goods_of_a_refund_stand_in_several_rows_that_agree(shop):
    shop.leave("orders", *FIRST)
    shop.leave(
        "refunds",
        "A-1,R1,15,1,,1,yes",
        "A-1,R1,15,,SKU-2,1,no",
        "A-1,R2,3,,,,",
        "A-1,R3,4,1,,1,yes",
        "A-1,R3,5,2,,1,yes",
    )
    shop.read()
    refunds = shop.orders["a-1"].refunds
    assert [(x.id, x.amount, [(y.line_id, y.restocked) for y in x.lines]) for x in refunds] == [
        ("r1", 15, [("1", True), ("2", False)]),
        ("r2", 3, []),  # money alone
    ]
    (why,) = shop.parked.values()
    assert why.startswith(
        "line 6 of BACK_02.csv: refund 'R3' of order 'A-1': field amount: '5' here, and '4' in line 5"
    )


def test_what_waits_too_long_is_parked_once_and_told_with_its_order_all_the_same(shop):
    shop.leave("payments", "A-1,P1,15,EUR,", "B-1,P2,1,GBP,")
    shop.read()
    shop.leave("orders", *FIRST)
    shop.read()
    assert not shop.parked and shop.money == {"a-1": ([], [])}
    shop.desk.run(shop.desk.clock.sleep(PAYMENTS.patience_s + 1))
    for _ in range(2):
        shop.read()
        says = sorted(shop.parked.values())
        assert len(says) == 2
        assert (
            says[0] == "line 2 of PAID_01.csv: payment 'p1' of order 'a-1': it is in 'EUR', its order in GBP"
        )
        assert "order 'b-1': its order has not come for 3600 s (patience_s)" in says[1]
    shop.leave("orders", "B-1,1,GBP,b8,Bobinsky Quellwasser,1,SKU-1,1,4")
    assert shop.read().money["b-1"] == ([("p2", 1)], [])


def test_a_revision_keeps_its_money_and_is_told_above_it(shop):
    shop.leave("orders", *FIRST)
    shop.leave("payments", "A-1,P1,15,,")
    shop.read()
    shop.leave("orders", "A-1,2,GBP,b7,Annette Quellwasser,1,SKU-1,1,10")
    shop.read()
    assert shop.money["a-1"] == ([("p1", 15)], [])
    assert int(shop.orders["a-1"].lines[0].quantity) == 1
    assert shop.versions == sorted(set(shop.versions))


def test_each_file_is_answered(desks):
    shop = Shop(desks(*STREAMS.values(), writes=(ANSWERS,)))
    shop.leave("payments", "A-1,P1,15,,", "A-1,P2,x,,")
    shop.read()
    (name,) = shop.desk.names("out")
    text = (shop.desk.root / "out" / name).read_text().splitlines()
    assert text[1] == "A-1,P1,taken,2,its order has not come yet,PAID_01.csv"
    assert text[2].startswith("A-1,P2,refused,3,") and "field amount" in text[2]


def test_orders_from_before_are_told_once_more_when_their_file_is_left_again(desks):
    desk = desks(ORDERS)
    shop = Shop(desk)
    shop.leave("orders", *FIRST)
    shop.read("orders")
    desk.settings = replace(desk.settings, reads=tuple(STREAMS.values()))
    desk.start()
    shop.leave("payments", "A-1,P1,15,,")
    shop.read()
    (why,) = shop.parked.values()
    assert "have its file left again" in why
    shop.leave("orders", *FIRST)
    shop.leave("payments", "A-1,P1,15,,", name="PAID_again.csv")
    assert shop.read().money["a-1"] == ([("p1", 15)], [])


def test_what_is_kept_of_an_order_goes_in_its_time_and_tells_of_nobody_who_is_forgotten(shop):
    shop.leave("orders", *FIRST, "B-1,1,GBP,b8,Bobinsky Quellwasser,1,SKU-1,1,4")
    shop.read()
    words = Words()
    words.add(("Annette Quellwasser",))
    assert search(shop.desk, "a-1", told=words, erase=False).orders == 1
    assert b"Annette" in shop.desk.spool.placed(["a-1"])["a-1"]
    assert search(shop.desk, "a-1", told=words).left == ()
    kept = shop.desk.spool.placed(["a-1", "b-1"])
    assert b"Annette" not in kept["a-1"] and b"Bobinsky" in kept["b-1"]
    shop.leave("payments", "A-1,P1,15,,")
    order = shop.read().orders["a-1"]
    assert (order.customer.key, order.customer.name, order.payments[0].amount) == ("b7", "b7", 15)
    words = Words()
    words.add(("Bobinsky", "Quellwasser"))
    assert search(shop.desk, "a-1", told=words).left[-1] == "order b-1, kept for its payments"
    shop.desk.run(shop.desk.clock.sleep(181 * DAY_MS / 1000))
    shop.read()
    assert not shop.desk.spool.placed(["a-1", "b-1"])
    shop.leave("payments", "A-1,P2,15,,")
    assert "order_days" in next(iter(shop.read().parked.values()))


def test_an_order_that_another_read_noted_meanwhile_is_looked_at_again(shop, monkeypatch):
    shop.leave("orders", *FIRST)
    shop.read()
    shop.leave("payments", "A-1,P1,15,,")
    spool = shop.desk.spool
    ordered = spool.ordered

    def stale(keys):
        found = ordered(keys)
        return {key: dataclasses.replace(x, version_ms=x.version_ms - 1) for key, x in found.items()}

    monkeypatch.setattr(spool, "ordered", stale)
    with pytest.raises(Retryable, match="another read"):
        shop.read("payments")
    monkeypatch.undo()
    assert shop.read().money["a-1"] == ([("p1", 15)], [])


def test_an_order_and_its_money_that_missed_each_other_are_found(shop, monkeypatch):
    """Two reads at one time: each looked before the other had noted anything."""
    shop.leave("payments", "A-1,P1,15,,")
    shop.read("payments")
    shop.leave("orders", *FIRST)
    monkeypatch.setattr(shop.desk.spool, "money", lambda keys: {})
    shop.read("orders")
    monkeypatch.undo()
    assert shop.money["a-1"] == ([], [])
    assert shop.read("payments").money["a-1"] == ([("p1", 15)], [])
    told = len(shop.versions)
    assert len(shop.read().versions) == told


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_all_money_is_told_once_wherever_reads_end_and_whatever_is_told_again(data, tmp_path_factory):
    """Reads end after any page, begin again from any earlier place, and files come in any order."""
    desk = Desk(tmp_path_factory.mktemp("money"), *STREAMS.values())
    try:
        shop = Shop(desk)
        numbers = range(1, 4)
        files = [("orders", (f"A-{n},1,GBP,b7,Annette Quellwasser,1,SKU-1,{n},10",)) for n in numbers]
        files += [("payments", tuple(f"A-{n},P{k},{n + k},," for n in numbers)) for k in (1, 2)]
        files += [("refunds", tuple(f"A-{n},R1,{n},1,,1,yes" for n in numbers))]
        cursors = [dict(shop.cursors)]
        for kind, rows in data.draw(st.permutations(files)):
            shop.leave(kind, *rows)
            for stream in data.draw(st.permutations(list(STREAMS))):
                pages = desk.pages(shop.cursors.get(stream), stream)
                for page in pages[: data.draw(st.integers(0, len(pages)))]:
                    shop.take(page)
                    shop.cursors[stream] = page.cursor
            if data.draw(st.booleans()):
                cursors.append(dict(shop.cursors))
                desk.start()
        if data.draw(st.booleans()):
            shop.cursors = data.draw(st.sampled_from(cursors))
            shop.orders = {}
            shop.cursors = {}
        shop.read().read()
        assert not shop.parked
        assert {key: (sorted(paid), back) for key, (paid, back) in shop.money.items()} == {
            f"a-{n}": ([("p1", n + 1), ("p2", n + 2)], [("r1", n, 1)]) for n in numbers
        }
    finally:
        desk.spool.close()
        desk.loop.close()


@pytest.mark.parametrize(
    ("reads", "says"),
    [
        ((PAYMENTS,), "declare reads of kind 'orders'"),
        ((REFUNDS,), "declare reads of kind 'orders'"),
        ((replace(ORDERS, columns=(*ORDERS.columns, *columns("paid", "payment"))), PAYMENTS), "not both"),
        (
            (ORDERS, replace(REFUNDS, columns=columns("reference", "refund", "amount", "quantity"))),
            "'line' or 'sku'",
        ),
        ((ORDERS, replace(PAYMENTS, scope="full")), 'scope = "delta" only'),
        ((ORDERS, replace(PAYMENTS, columns=(Column("reference", name="R"),))), "'payment' is missing"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_read(desks, reads, says):
    with pytest.raises(Misconfigured, match=says):
        desks(*reads).settings.validate()
