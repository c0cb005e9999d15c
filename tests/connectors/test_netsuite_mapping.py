from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connectors.netsuite_world import START_MS, line, order

from syncline.connectors.netsuite import NetSuiteSettings, mapping, revisions, rows
from syncline.model.change import Event, Kind, LoggedEvent, Via
from syncline.model.errors import Rejected
from syncline.model.payloads import OrderItem, PutOrder, PutRefund
from syncline.model.records import Address, Customer, Refund

SETTINGS = NetSuiteSettings(
    "1", "c", "k", "p", tax_item="90", discount_item="91", timezone="America/Los_Angeles"
)
SPREAD = NetSuiteSettings("1", "c", "k", "p", tax_item="90", shipping_item="92")
CENT = Decimal("0.01")


def total(body) -> Decimal:
    """Adds an order up as an ERP does: each line to the cent."""
    amount = Decimal(body.get("shippingCost", 0))
    for row in body["item"]["items"]:
        amount += (row["rate"] * row.get("quantity", 1)).quantize(CENT, ROUND_HALF_UP)
    return amount


money = st.decimals("0", "5000", places=2)


@given(st.data(), st.booleans(), st.sampled_from([SETTINGS, SPREAD]))
def test_totals_add_up_to_the_cent(data, included, settings):
    lines, items = [], []
    for n in range(data.draw(st.integers(1, 5))):
        quantity, price = data.draw(st.integers(1, 60)), data.draw(money)
        goods = price * quantity
        discount = data.draw(st.decimals(0, goods, places=2))
        lines.append(
            line(
                f"l{n}",
                "s",
                quantity,
                str(price),
                discount=discount,
                tax=((goods - discount) * Decimal("0.17")).quantize(CENT),
            ),
        )
        items.append(OrderItem(f"l{n}", str(n), "s", "1", quantity))
    shipping = data.draw(money)
    tax = sum((x.tax for x in lines), Decimal(0)) + (shipping * Decimal("0.1")).quantize(CENT)
    placed = order(*lines, shipping=str(shipping), tax=str(tax), taxes_included=included)
    body = mapping.create_body(PutOrder("r", placed, tuple(items)), {"id": "1"}, settings)
    # Six decimals of a rate times 60 units stay below half a cent.
    assert abs(total(body) - placed.total) <= CENT * len(lines) * (settings is SPREAD or included)


@pytest.mark.parametrize("included", [False, True])
@pytest.mark.parametrize(
    ("settings", "carriers"),
    [
        ({"tax": "keep", "tax_item": "90"}, {"90": "9.40"}),
        ({"tax": "keep", "tax_item": "90", "charge_item": "93"}, {"90": "2.20", "93": "7.20"}),
        ({"tax": "erp", "charge_item": "93"}, {"93": "7.20"}),
    ],
)
def test_charges_are_a_line_of_their_own_or_kept_with_the_tax(settings, carriers, included):
    settings = NetSuiteSettings("1", "c", "k", "p", **settings)
    goods = line("a", "s", 3, "10", tax=Decimal("2.20"))
    placed = order(goods, tax="2.20", charges=Decimal("7.20"), taxes_included=included)
    put = PutOrder("r", placed, (OrderItem("a", "5", "s", "1", 3),))
    body = mapping.create_body(put, {"id": "1"}, settings)
    rows = {row["item"]["id"]: row["rate"] for row in body["item"]["items"]}
    assert {item: rate for item, rate in rows.items() if item != "5"} == {
        item: Decimal(rate) for item, rate in carriers.items()
    }
    missing = Decimal("2.20") if settings.tax == "erp" else 0
    assert total(body) == placed.total - missing, "what the account computes itself is not sent"
    assert settings.charge_item in {"", *settings.amount_items}


def test_charges_that_nothing_can_carry_are_parked():
    placed = order(line("a", "s", 1, "10"), charges=Decimal(1))
    put = PutOrder("r", placed, (OrderItem("a", "5", "s", "1", 1),))
    for settings, word in (({"tax": "erp"}, "charge_item"), ({"tax": "keep"}, "tax_item")):
        with pytest.raises(Rejected, match=word):
            mapping.create_body(put, {"id": "1"}, NetSuiteSettings("1", "c", "k", "p", **settings))


def test_what_an_order_says():
    placed = order(
        line("a", "s", 1, "1"),
        billing=Address("Ada", "Engines Ltd", "1 St", "Unit 2", "Reading", "Berks", "RG1", "GB", "+44"),
        po_number="PO-7",
        note="ring twice",
        placed_at_ms=START_MS - 4 * 3_600_000,
    )
    put = PutOrder("shop-1", placed, (OrderItem("a", "5", "s", "", 1),))
    body = mapping.create_body(put, {"externalId": "c-1"}, SETTINGS)
    assert (body["otherRefNum"], body["memo"]) == ("PO-7", "#1001: ring twice")
    assert body["tranDate"] == "2026-01-04"  # the day in the account's zone
    assert body["orderStatus"] == {"id": "B"} and body["entity"] == {"externalId": "c-1"}
    (row,) = body["item"]["items"]
    assert row == {"item": {"id": "5"}, "rate": Decimal(1), "price": {"id": "-1"}, "quantity": 1}
    assert (
        body["billingAddress"]["addressee"] == "Engines Ltd" and body["billingAddress"]["attention"] == "Ada"
    )
    assert body["shippingAddress"]["country"] == {"id": "GB"}


def test_customers():
    placed = order(line("a", "s", 1, "1"), billing=Address(company="Engines Ltd"))
    person, company = order(line("a", "s", 1, "1")), placed
    body = mapping.customer_body(Customer("c", "Ada King Lovelace"), person, SETTINGS)
    assert body == {"isPerson": True, "firstName": "Ada King", "lastName": "Lovelace"}
    assert mapping.customer_body(Customer("c", ""), company, SETTINGS)["companyName"] == "Engines Ltd"
    assert mapping.customer_body(Customer("c", "", "a@b.c"), person, SETTINGS)["lastName"] == "a@b.c"
    assert mapping.external_id("a/b") != mapping.external_id("a:b")


def test_what_cannot_be_expressed_is_refused_with_the_mend():
    put = PutOrder("r", order(line("a", "s", 1, "1"), tax="1"), (OrderItem("a", "5", "s", "1", 1),))
    with pytest.raises(Rejected, match="tax_item"):
        mapping.create_body(put, {"id": "1"}, NetSuiteSettings("1", "c", "k", "p"))
    with pytest.raises(Rejected, match="currencies"):
        mapping.create_body(
            put, {"id": "1"}, NetSuiteSettings("1", "c", "k", "p", tax="erp", currencies={"EUR": "2"})
        )
    with pytest.raises(Rejected, match="not part"):
        mapping.create_body(
            PutOrder("r", put.order, (OrderItem("zz", "5", "s", "1", 1),)), {"id": "1"}, SETTINGS
        )


def test_a_return_takes_shipped_lines_only():
    held = [
        revisions.HeldLine(1, "5", "1", Decimal(4), Decimal(1), closed=False),
        revisions.HeldLine(2, "5", "2", Decimal(4), Decimal(3), closed=False),
        revisions.HeldLine(3, "6", "2", Decimal(4), Decimal(4), closed=False),
    ]
    refund = Refund("r", Decimal(5), START_MS)
    put = PutRefund("x", "9", refund, (OrderItem("a", "5", "s", "2", 4),), restocked=False)
    body = revisions.return_body(put, held, SETTINGS)
    assert [(x["orderLine"], x["quantity"]) for x in body["item"]["items"]] == [(2, 3), (1, 1)]
    with pytest.raises(Rejected, match="has not"):
        revisions.return_body(
            PutRefund("x", "9", refund, (OrderItem("a", "5", "s", "2", 5),), restocked=False), held, SETTINGS
        )


def logged(topic: str, body: object) -> LoggedEvent:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return LoggedEvent(1, START_MS, Event("erp", topic, "e", Via.POLL, START_MS, raw))


STOCK = {
    "sku": "A",
    "location": "1",
    "on_hand": "-2",
    "available": "-3.5",
    "committed": "0",
    "erp_ms": 5,
    "read_began_ms": 4,
    "changed_ms": 3,
}


def test_rows_of_a_poll():
    (change,) = rows.decode(logged("stock.rows", [STOCK]))
    assert change.kind is Kind.STOCK and change.value.available == Decimal("-3.5")
    assert (change.version, change.value.read_began_ms, change.changed_at_ms) == (5, 4, 3)
    for bad in (
        {"available": "NaN"},
        {"available": "1e400"},
        {"sku": ""},
        {"sku": "a\x1fb"},
        {"erp_ms": "x"},
    ):
        with pytest.raises(Rejected):
            rows.decode(logged("stock.rows", [STOCK, {**STOCK, **bad}]))
    with pytest.raises(Rejected):
        rows.decode(logged("stock.rows", b"{"))
    with pytest.raises(Rejected, match="topic"):
        rows.decode(logged("other", {}))


def test_a_level_that_cannot_be_understood_spoils_no_other():
    read = [{"sku": f"S{n}", "location": "1", "available": str(n)} for n in range(60)]
    read[7] = {"sku": "a\x1fb", "location": "1", "available": "1"}
    levels = [rows.stock_row(row, erp_ms=5, began_ms=4, changed_ms=9 - n) for n, row in enumerate(read)]
    spoiled, *sound = rows.stock_events("erp", levels, Via.POLL)
    with pytest.raises(Rejected):
        rows.decode(LoggedEvent(1, START_MS, spoiled))
    changes = [change for event in sound for change in rows.decode(LoggedEvent(2, START_MS, event))]
    assert [change.value.sku for change in changes] == [f"S{n}" for n in range(60) if n != 7]
    assert [change.changed_at_ms for change in changes] == [9 - n for n in range(60) if n != 7]
    assert len({event.event_id for event in sound}) == len(sound) == 3


def test_accounting_lines_of_a_shipment_do_not_count_twice():
    base = {"txn": "7", "sku": "A", "location": "1", "lm": "2026-01-05 08:00:00"}
    lines = [{**base, "quantity": "-2", "moves": "T"}, {**base, "quantity": "2", "moves": "F"}]
    event = rows.shipment_event("erp", lines, "shop-1", ("T1", "T1"), erp_ms=5, changed_ms=4)
    (change,) = rows.decode(LoggedEvent(1, START_MS, event))
    assert [x.quantity for x in change.value.lines] == [2] and change.value.tracking == ("T1",)


def test_what_is_not_stocked_is_sent_and_comes_back_as_well():
    base = {"txn": "7", "location": "1", "lm": "2026-01-05 08:00:00"}
    lines = [
        {**base, "sku": "LAMP", "itemtype": "InvtPart", "quantity": "-2", "moves": "T"},
        {**base, "sku": "LAMP", "itemtype": "InvtPart", "quantity": "2", "moves": "F"},
        {**base, "sku": "CARD", "itemtype": "NonInvtPart", "quantity": "-1", "moves": "F"},
        {**base, "sku": "CARD", "itemtype": "NonInvtPart", "quantity": "1", "moves": "F"},
        # A kit, and what it is made of: the parts moved, the kit was sold.
        {**base, "sku": "SET", "itemtype": "Kit", "quantity": "-3", "moves": "F", "member": "F"},
        {**base, "sku": "MUG", "itemtype": "InvtPart", "quantity": "-6", "moves": "T", "member": "T"},
        {**base, "sku": "MUG", "itemtype": "InvtPart", "quantity": "6", "moves": "F", "member": "T"},
        {**base, "sku": "NOTE", "itemtype": "NonInvtPart", "moves": "F"},
    ]
    event = rows.shipment_event("erp", lines, "shop-1", (), erp_ms=5, changed_ms=4)
    (change,) = rows.decode(LoggedEvent(1, START_MS, event))
    assert [(x.sku, x.quantity) for x in change.value.lines] == [("LAMP", 2), ("CARD", 1), ("SET", 3)]
    came = [{**row, "quantity": str(-int(row["quantity"]))} for row in lines if "quantity" in row]
    assert [row["sku"] for row in came if rows.moved(row, leaves=False)] == ["LAMP", "CARD", "SET"]
    ordered = [{**row, "externalid": "shop-1", "status": "B", "item": "5"} for row in lines[4:6]]
    event = rows.order_event("erp", ordered, SETTINGS, erp_ms=5, changed_ms=4)
    (change,) = rows.decode(LoggedEvent(1, START_MS, event))
    assert [(x.sku, x.quantity) for x in change.value.lines] == [("SET", 3)]


def test_an_order_read_again_unchanged_is_the_same_event():
    row = {
        "txn": "7",
        "externalid": "shop-1",
        "status": "SalesOrd:B",
        "sku": "A",
        "location": "1",
        "item": "5",
    }
    row |= {"quantity": "-2", "lm": "2026-01-05 08:00:00"}
    first = rows.order_event("erp", [row], SETTINGS, erp_ms=5, changed_ms=4)
    assert first.event_id == rows.order_event("erp", [row], SETTINGS, erp_ms=9, changed_ms=4).event_id
    other = rows.order_event("erp", [{**row, "isclosed": "T"}], SETTINGS, erp_ms=9, changed_ms=4)
    assert other.event_id != first.event_id
    (change,) = rows.decode(LoggedEvent(1, START_MS, first))
    assert change.value.status == "B" and change.value.commits_stock


def test_a_pack_is_sold_at_its_price_by_the_unit():
    put = PutOrder("r", order(line("a", "CASE", 2, "90")), (OrderItem("a", "5", "A", "1", 24, 12),))
    wanted = mapping.wanted_rows(put, SETTINGS)
    assert [(row.item, row.quantity, row.fields["rate"]) for row in wanted] == [("5", 24, Decimal("7.5"))]
