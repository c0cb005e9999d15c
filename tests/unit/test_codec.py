from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.support import line, order

from syncline.engine.codec import (
    decode,
    decode_payloads,
    encode,
    fingerprint,
    order_fingerprint,
    record_fingerprint,
)
from syncline.model.change import Kind
from syncline.model.copying import replace
from syncline.model.payloads import PAYLOADS
from syncline.model.records import (
    Allocation,
    Customer,
    ErpOrder,
    Item,
    Order,
    OrderLine,
    Payment,
    Refund,
    Shipment,
    StockLevel,
)

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
instants = st.integers(0, 2**45)
decimals = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=6
) | st.sampled_from(
    [Decimal("0.1"), Decimal("1E+3"), Decimal("0.00"), Decimal("1234567.890000")],
)
for type_, strategy in ((str, text), (int, instants), (Decimal, decimals)):
    st.register_type_strategy(type_, strategy)
KINDS = {
    Kind.STOCK: StockLevel,
    Kind.ITEM: Item,
    Kind.ORDER: Order,
    Kind.ERP_ORDER: ErpOrder,
    Kind.SHIPMENT: Shipment,
}


@settings(max_examples=25)
@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_a_record_comes_back_as_it_was(kind, data):
    record = data.draw(st.from_type(KINDS[kind]))
    back = decode(kind, encode(record))
    assert back == record
    assert encode(back) == encode(record)  # to the last digit: 1.10 is not 1.1


@settings(max_examples=15)
@pytest.mark.parametrize("operation", PAYLOADS)
@given(data=st.data())
def test_the_items_of_an_intent_come_back_as_they_were(operation, data):
    payloads = data.draw(st.dictionaries(text, st.from_type(PAYLOADS[operation]), max_size=2))
    assert decode_payloads(operation, encode(payloads)) == payloads


def test_decimals_are_written_as_text():
    assert '"0.1"' in encode(Payment("p", Decimal("0.1"), "GBP", 1))


ORDER = order(line("l", "A", 2, "9.99", ("70", 2)), customer=Customer("c"), number="#1")


@pytest.mark.parametrize(
    "changed",
    [
        replace(ORDER, cancelled_at_ms=5),
        replace(ORDER, total=Decimal(1)),
        replace(ORDER, po_number="PO"),
        replace(ORDER, note="ring twice"),
        replace(ORDER, customer=Customer("d")),
        replace(ORDER, lines=(replace(ORDER.lines[0], quantity=Decimal(3)),)),
        replace(ORDER, lines=(replace(ORDER.lines[0], unit_price=Decimal("9.98")),)),
        replace(ORDER, lines=(replace(ORDER.lines[0], allocations=(Allocation("71", Decimal(2)),)),)),
    ],
)
def test_what_concerns_the_erp_changes_the_fingerprint(changed):
    assert order_fingerprint(changed) != order_fingerprint(ORDER)


@pytest.mark.parametrize(
    "changed",
    [
        replace(ORDER, updated_at_ms=5),
        replace(ORDER, payments=(Payment("p", Decimal(1), "GBP", 1),)),
        replace(ORDER, refunds=(Refund("r", Decimal(1), 1),)),
        replace(ORDER, lines=(replace(ORDER.lines[0], title="renamed", taken=Decimal(0)),)),
        replace(
            ORDER,
            lines=(
                replace(ORDER.lines[0], allocations=(Allocation("70", Decimal(2), Decimal(1), "fo", "fl"),)),
            ),
        ),
        replace(ORDER, cancelled_at_ms=None),
    ],
)
def test_our_own_write_backs_do_not(changed):
    assert order_fingerprint(changed) == order_fingerprint(ORDER)


def test_when_an_order_was_cancelled_does_not_matter_only_whether():
    assert order_fingerprint(replace(ORDER, cancelled_at_ms=5)) == order_fingerprint(
        replace(ORDER, cancelled_at_ms=6)
    )


def test_only_what_is_available_is_part_of_a_stock_fingerprint():
    figure = StockLevel("A", "1", Decimal(5), Decimal(4), Decimal(1), 100, 90)
    newer = replace(figure, on_hand=Decimal(6), committed=Decimal(2), erp_stamp_ms=200, read_began_ms=None)
    assert record_fingerprint(Kind.STOCK, newer) == record_fingerprint(Kind.STOCK, figure)
    assert record_fingerprint(Kind.STOCK, replace(figure, available=Decimal(3))) != record_fingerprint(
        Kind.STOCK, figure
    )


def test_a_part_of_an_order_has_no_fingerprint():
    assert record_fingerprint(Kind.ORDER, replace(ORDER, complete=False)) == ""
    assert record_fingerprint(Kind.ORDER, ORDER) == order_fingerprint(ORDER)


def test_fingerprints_are_short_and_tell_values_apart():
    assert len(fingerprint(1)) == 16
    assert fingerprint("a", "b") != fingerprint("ab")
    assert fingerprint(Decimal("1.0")) != fingerprint(Decimal("1.00"))


def test_every_field_of_a_line_that_carries_money_is_in_the_fingerprint():
    for name in ("quantity", "unit_price", "discount", "tax"):
        assert name in OrderLine.__struct_fields__
        odd = replace(ORDER, lines=(replace(ORDER.lines[0], **{name: Decimal("0.77")}),))
        assert order_fingerprint(odd) != order_fingerprint(ORDER), name
