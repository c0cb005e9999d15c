"""Whether an order's parts add up, said in a sentence that helps."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.unit.support import START_MS, line, order, play

from syncline.engine.catalog import Catalog
from syncline.engine.codec import FOUND, encode, order_fingerprint
from syncline.engine.delivery.build import Builder, Due, Send, Skip, sum_fault
from syncline.engine.delivery.results import Results
from syncline.engine.rewind import Rewind
from syncline.engine.routes import SEP, Route, Routes, reference_of
from syncline.inventory.recipes import Recipes
from syncline.model.capabilities import Capabilities
from syncline.model.change import Flow
from syncline.model.copying import replace
from syncline.model.payloads import PutOrder
from syncline.model.records import Item
from syncline.ports import Write
from syncline.stores.sqlite import SqliteStore

TOLERANCE = Decimal("0.02")
money = st.decimals("0", "99999.99", places=2)
lines = st.lists(
    st.builds(
        lambda number, quantity, price, discount, tax: line(
            number,
            "A",
            quantity,
            str(price),
            discount=discount,
            tax=tax,
        ),
        st.uuids().map(str),
        st.integers(0, 50),
        st.decimals("0", "9999", places=6),
        money,
        money,
    ),
    min_size=1,
    max_size=5,
)


@given(lines, money, money, st.booleans())
def test_parts_that_add_up_are_no_fault(found, shipping, tax, included):
    placed = order(*found, shipping=shipping, tax=tax, taxes_included=included)
    assert sum_fault(placed, Decimal(0)) == ""


@given(lines, money, money, st.booleans(), st.decimals("-5", "5", places=3))
def test_a_difference_is_a_fault_from_the_tolerance_on(found, shipping, tax, included, difference):
    placed = order(*found, shipping=shipping, tax=tax, taxes_included=included)
    fault = sum_fault(replace(placed, total=placed.total + difference), TOLERANCE)
    assert bool(fault) == (abs(difference) > TOLERANCE)


@given(lines, st.integers(-9, -1))
def test_what_is_negative_is_a_fault_even_if_it_adds_up(found, below):
    odd = replace(found[0], quantity=Decimal(below))
    placed = order(odd, *found[1:])
    assert "is negative" in sum_fault(placed, TOLERANCE)
    assume(found[0].quantity)
    placed = order(replace(found[0], unit_price=Decimal(below)), *found[1:])
    assert "unit price" in sum_fault(placed, TOLERANCE)


def test_the_sentence_names_every_part_and_the_mend():
    placed = order(line("l", "A", 2, "10.00"), shipping=Decimal("4.95"), tax=Decimal("1.05"))
    fault = sum_fault(replace(placed, total=Decimal("30.00")), TOLERANCE)
    assert fault.startswith(
        "order #7001: lines 20.00 + shipping 4.95 + tax 1.05 = 26.00, but the total says 30.00 GBP"
    )
    assert "rounding_tolerance" in fault


@pytest.mark.parametrize("included", [False, True])
def test_charges_count_beside_the_tax(included):
    placed = replace(order(line("l", "A", 2, "10.00")), charges=Decimal("2.40"), taxes_included=included)
    assert sum_fault(replace(placed, total=Decimal("22.40")), TOLERANCE) == ""
    assert "shipping 0 + charges 2.40 + tax 0 = 22.40" in sum_fault(placed, TOLERANCE)


@pytest.mark.parametrize(("included", "fine"), [(True, False), (False, True)])
def test_tax_counts_once(included, fine):
    placed = order(line("l", "A", 1, "10.00"), tax=Decimal(2))
    assert (sum_fault(replace(placed, taxes_included=included), TOLERANCE) == "") is fine


def test_a_negative_line_is_named_before_any_sum():
    placed = order(line("l7", "SKU-9", -1, "10.00"))
    assert sum_fault(placed, TOLERANCE) == "order #7001, line l7 (SKU-9): quantity -1 is negative"


# --- an order that is there already --------------------------------------------------------------------------


async def there_already(clock, sent, meanwhile=()):
    """What is done about an order that the ERP holds, as far as we know in the revision ``sent``."""
    store = SqliteStore.open(":memory:", now_ms=START_MS)
    record = {
        "system": "shop", "kind": "order", "key": "7001", "version": 1, "tiebreak": 1, "changed_at_ms": START_MS,
        "observed_at_ms": START_MS, "offset": 1, "hash": "", "body": encode(PLACED),
    }  # fmt: skip
    bound = {
        "system": "erp", "kind": "order", "key": reference_of("shop", "7001"), "external_id": "77", "version": 0,
        "hash": sent, "now_ms": START_MS,
    }  # fmt: skip
    await store.write(Write("record_put", [record]), Write("binding_put", [bound]), *meanwhile)
    catalog = Catalog(None)
    catalog.put("erp", Item("A", "501"))
    routes = Routes([STOCK, ORDERS])
    builder = Builder(store, catalog, routes, None, "erp", Rewind(None, None, routes))
    due = {f"7001{SEP}1": Due(ORDERS, START_MS)}
    (built,) = (await builder.build("put_order", due, START_MS)).values()
    return built


@pytest.mark.parametrize(("sent", "sends"), [("", False), (FOUND, True), ("other", True)])
def test_what_was_only_found_is_compared_whole_and_what_was_adopted_is_left_as_it_is(sent, sends):
    built = play(lambda clock: there_already(clock, sent))
    assert isinstance(built, Send) is sends
    if sends:
        assert built.payload.external_id == "77"


@pytest.mark.parametrize(("between", "told"), [("77", Send), ("", Skip)])
def test_an_edit_that_was_taken_back_is_told_where_the_edit_may_have_been_written_in_part(between, told):
    """A call about the edit was begun; of one that would have made the order there is nothing to be unsure of."""
    edited = PutOrder(reference_of("shop", "7001"), replace(PLACED, note="fewer"), (), between)
    results = Results("erp", "put_order", Routes([ORDERS]), {}, START_MS, Capabilities())
    begun = results.begin("i", {f"7001{SEP}0": edited})
    assert isinstance(play(lambda clock: there_already(clock, order_fingerprint(PLACED))), Skip)
    assert isinstance(play(lambda clock: there_already(clock, order_fingerprint(PLACED), begun)), told)


# --- packs and other names -----------------------------------------------------------------------------------

RECIPES = Recipes({"CASE": {"A": 12}, "OLD": {"A": 1}, "SET": {"A": 1, "B": 1}})
STOCK = Route(Flow.INVENTORY, "erp", "shop", 5_000, locations={"1": "70", "2": "71"})
ORDERS = Route(Flow.ORDERS, "shop", "erp", 10_000)
PLACED = order(line("l1", "A", 2, "10.00", ("70", 2)))


@pytest.fixture
def builder() -> Builder:
    catalog = Catalog(None)
    catalog.put("erp", Item("A", "501"))
    catalog.put("erp", Item("B", "502"))
    routes = Routes([STOCK, ORDERS], RECIPES)
    return Builder(None, catalog, routes, None, "erp", Rewind(None, None, routes))


def test_the_erp_is_given_what_it_stocks(builder):
    placed = order(
        line("l1", "CASE", 3, "90.00", ("70", 2), ("71", 1)), line("l2", "OLD", 2), line("l3", "B", 1)
    )
    items, unknown = builder.order_items(ORDERS, placed)
    assert unknown == []
    assert [(i.line_id, i.item_id, i.sku, i.location, i.quantity, i.in_pack) for i in items] == [
        ("l1", "501", "A", "1", 24, 12),
        ("l1", "501", "A", "2", 12, 12),
        ("l2", "501", "A", "", 2, 1),
        ("l3", "502", "B", "", 1, 1),
    ]


def test_a_kit_needs_an_item_in_the_erp_and_a_pack_may_have_one(builder):
    assert builder.order_items(ORDERS, order(line("l1", "SET", 1)))[1] == ["'SET'"]
    builder._catalog.put("erp", Item("CASE", "900"))
    items, _ = builder.order_items(ORDERS, order(line("l1", "CASE", 3)))
    assert [(i.item_id, i.sku, i.quantity, i.in_pack) for i in items] == [("900", "CASE", 3, 1)]


@pytest.mark.parametrize(
    ("sold", "shipped", "told"),
    [
        ({"CASE": 2}, {"A": 24}, {"CASE": 2}),
        ({"CASE": 2}, {"A": 15}, {"CASE": 1}),  # a pack is shipped once it is whole
        ({"CASE": 1, "A": 3}, {"A": 15}, {"CASE": 1, "A": 3}),
        ({"OLD": 2, "B": 1}, {"A": 2, "B": 1}, {"OLD": 2, "B": 1}),
        ({"B": 1}, {"A": 2}, {"A": 2}),  # nothing that the order has: the shop is to say so
    ],
)
def test_a_shipment_is_told_in_what_was_sold(builder, sold, shipped, told):
    placed = order(*(line(sku, sku, quantity) for sku, quantity in sold.items()))
    lines = {(sku, "70"): quantity for sku, quantity in shipped.items()}
    assert builder._answers.as_sold(lines, placed) == {
        (sku, "70"): quantity for sku, quantity in told.items()
    }
