"""What becomes of the lines of an order of which something has left already."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connectors.netsuite_world import START_MS, World, line, order, run

from syncline.connectors.netsuite import NetSuiteSettings, revisions
from syncline.connectors.netsuite.revisions import HeldLine
from syncline.model.copying import replace
from syncline.model.delivery import Result
from syncline.model.errors import Rejected
from syncline.model.payloads import OrderItem, PutOrder
from syncline.model.records import Allocation, Refund, RefundLine

SETTINGS = NetSuiteSettings("1", "c", "k", "p", tax_item="90")


def held(number: int, quantity: int, shipped: int, *, item: str = "5", place: str = "1") -> HeldLine:
    return HeldLine(number, item, place, Decimal(quantity), Decimal(shipped), closed=False, price=Decimal(10))


def revision(*wanted: tuple[str, int], price: str = "10", place: str = "1", **more: Any) -> PutOrder:
    """Lines of one item by their ids, and how many are wanted of each."""
    placed = order(*(line(name, "s", quantity, price) for name, quantity in wanted), **more)
    items = tuple(OrderItem(name, "5", "s", place, quantity) for name, quantity in wanted if quantity)
    return PutOrder("shop-1", placed, items, "9")


def planned(put: PutOrder, lines: Sequence[HeldLine]) -> tuple[dict[int, int], list[int], Decimal]:
    """Units by the number of the line that stays, units of new lines, and what is explained."""
    made = revisions.plan(put, lines, SETTINGS)
    body = revisions.revision_body(put, made, SETTINGS)["item"]["items"]
    stay = {row["line"]: row["quantity"] for row in body if "line" in row}
    return stay, [row["quantity"] for row in body if "line" not in row], made.explained


def test_the_line_that_left_is_the_one_that_stays():
    # Of two lines the first is taken off, and the second was sent.
    assert planned(revision(("b", 3)), [held(1, 5, 0), held(2, 3, 3)])[:2] == ({2: 3}, [])
    # Each becomes the line that it fits best, whichever stands first.
    put = revision(("a", 1), ("b", 5))
    assert planned(put, [held(1, 1, 0), held(2, 5, 4)])[:2] == ({1: 1, 2: 5}, [])


def test_units_that_left_are_not_asked_for_again_elsewhere():
    # Three left of a line of which one is wanted any more: they are three of the other five.
    assert planned(revision(("a", 1), ("b", 5)), [held(1, 3, 3), held(2, 5, 0)])[:2] == ({1: 5, 2: 1}, [])
    # Five left of it, so that nothing is left to send.
    assert planned(revision(("a", 1), ("b", 4)), [held(1, 5, 5), held(2, 4, 0)])[:2] == ({1: 5}, [])
    # They left from another place than the one from which all are wanted now.
    assert planned(revision(("a", 4), place="2"), [held(1, 4, 2)])[:2] == ({1: 2}, [2])
    # So many that nothing of the other is left to send.
    assert planned(revision(("a", 1), ("b", 2)), [held(1, 3, 3), held(2, 2, 0)])[:2] == ({1: 3}, [])
    # Never fewer than left, and other items are none of it.
    lines = [held(1, 9, 9), held(2, 4, 3), held(3, 2, 0, item="6", place="1")]
    stay, new, _ = planned(revision(("a", 1), ("b", 4)), lines)
    assert stay == {1: 9, 2: 3} and new == []


def back(*lines: tuple[str, int], shipped: bool = True) -> tuple[Refund, ...]:
    told = tuple(RefundLine(name, Decimal(n), restocked=True, shipped=shipped) for name, n in lines)
    return (Refund("r", Decimal(1), START_MS, told),)


def test_what_came_back_is_no_unit_too_many():
    # The buyer keeps one of three, and still waits for the five of the other line.
    put = revision(("a", 1), ("b", 5), refunds=back(("a", 2)))
    assert planned(put, [held(1, 3, 3), held(2, 5, 0)]) == ({1: 3, 2: 5}, [], Decimal(20))
    # The same of a line of which nothing is kept, and of the only one.
    put = revision(("a", 0), ("b", 5), refunds=back(("a", 3)))
    assert planned(put, [held(1, 3, 3), held(2, 5, 0)]) == ({1: 3, 2: 5}, [], Decimal(30))
    put = replace(revision(("a", 0), ("b", 5), refunds=back(("a", 3))))
    other = replace(put, items=(replace(put.items[0], item_id="6"),))
    other = replace(other, order=replace(put.order, lines=(put.order.lines[0], line("b", "t", 5, "10"))))
    assert planned(other, [held(1, 3, 3), held(2, 5, 0, item="6")]) == ({1: 3, 2: 5}, [], Decimal(30))
    # What never left explains nothing.
    put = revision(("a", 1), ("b", 5), refunds=back(("a", 2), shipped=False))
    assert planned(put, [held(1, 3, 3), held(2, 5, 0)]) == ({1: 5, 2: 1}, [], Decimal(0))


def waiting(quantity: int, sent: int, rest: int) -> PutOrder:
    """One line as a channel tells it that counts everything that was or will be sent from somewhere."""
    places = (Allocation("L", Decimal(sent)), Allocation("L", Decimal(rest), Decimal(rest)))
    put = revision(("a", quantity), refunds=back(("a", 2)))
    (only,) = put.order.lines
    return replace(put, order=replace(put.order, lines=(replace(only, allocations=places),)))


def test_a_buyer_who_sent_some_back_is_still_sent_the_rest():
    # Five ordered, three sent, two of these came back: the channel says three are wanted, and two are still to be sent.
    assert planned(waiting(3, sent=3, rest=2), [held(1, 5, 3)]) == ({1: 5}, [], Decimal(20))
    # Two were never sent and are refunded, though the channel cannot say that they had not left: nothing more is sent.
    assert planned(waiting(3, sent=3, rest=0), [held(1, 5, 3)]) == ({1: 3}, [], Decimal(0))


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=5), st.data())
def test_no_unit_too_many_and_none_that_left_is_taken_off(lines, data):
    there = [
        held(n, max(q, s), s, place=data.draw(st.sampled_from("12"))) for n, (q, s) in enumerate(lines, 1)
    ]
    wanted = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    put = revision(*((f"l{n}", quantity) for n, quantity in enumerate(wanted)))
    stay, new, _ = planned(put, there)
    left = sum(int(x.shipped) for x in there)
    assert sum(stay.values()) + sum(new) == max(sum(wanted), left)
    assert all(stay.get(x.number, 0) >= x.shipped for x in there)


def test_an_order_of_which_some_came_back_is_told_once_and_adds_up():
    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 40)
        items = (OrderItem("a", str(w.item), "s", str(w.place), 5),)
        first = await w.do("put_order", PutOrder("shop-1", order(line("a", "s", 5, "10")), items))
        number = first.facts["external_id"]
        w.sim.ship(int(number), tracking="T")
        less = order(line("a", "s", 3, "10"), refunds=back(("a", 2)))
        put = PutOrder("shop-1", less, (replace(items[0], quantity=3),), number)
        # All five stand there as they should, so there is nothing to send, and nobody has to look at the total.
        found = await w.find("put_order", put)
        assert found is not None and Decimal(found.facts["total_difference"]) == 0
        outcome = await w.do("put_order", put)
        assert outcome.message == "" and Decimal(outcome.facts["total_difference"]) == 0
        assert [(x.quantity, x.shipped) for x in w.sim.order(int(number)).lines] == [(5, 5)]

    assert not run(story).sim.ledger.breaches


def test_a_rate_that_is_no_amount_is_none():
    row = {"line": 1, "item": {"id": "5"}, "quantity": None}
    for rate, price in ((-2.5, Decimal("-2.5")), ("-10.0%", Decimal(0)), (None, Decimal(0))):
        (one,) = revisions.held_lines({"item": {"items": [{**row, "rate": rate}]}})
        assert (one.price, one.quantity) == (price, None)


@pytest.mark.parametrize("told", [{"hasMore": True}, {"totalResults": 1001}])
def test_lines_that_were_left_out_are_not_taken_off(told):
    row = {"line": 1, "item": {"id": "5"}, "quantity": 1}
    assert revisions.held_lines({"item": {"items": [row], "totalResults": 1, "hasMore": False}})
    with pytest.raises(Rejected, match="by hand"):
        revisions.held_lines({"item": {"items": [row], **told}})


def test_more_lines_than_a_transaction_takes_are_parked():
    async def story(w: World) -> None:
        async def put(count: int) -> Any:
            lines = [line(str(n), "s", 1, "1") for n in range(count)]
            items = tuple(OrderItem(x.id, str(w.item), "s", str(w.place), 1) for x in lines)
            return await w.do("put_order", PutOrder(f"shop-{count}", order(*lines), items))

        outcome = await put(5_001)
        assert outcome.result is Result.REJECTED and "5000" in outcome.message
        outcome = await put(1_200)
        assert outcome.message == "" and len(w.sim.order(w.sim.find_order("shop-1200")).lines) == 1_200

    run(story)


def test_the_account_takes_no_more_lines_than_that_either():
    async def story(w: World) -> None:
        rows = [{"item": {"id": str(w.item)}, "quantity": 1}] * 5_001
        body = {"entity": {"id": str(w.web)}, "item": {"items": rows}}
        with pytest.raises(Rejected, match="5000 lines"):
            await w.system.sink._client.write("POST", "salesOrder", "", body)

    run(story)
