"""Fulfilment orders that are moved: what the simulated shop does, as live answers have it, and what we make of it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.connectors.test_shopify_mapping import World as Shop
from tests.connectors.test_shopify_mapping import parcel, stocked
from tests.connectors.test_shopify_mapping import run as shop_run
from tests.connectors.test_shopify_simulator import World, run

from syncline.connectors.shopify.simulator import CartLine
from syncline.model.change import Change
from syncline.model.copying import replace
from syncline.model.delivery import Item, Result
from syncline.model.payloads import MoveOrder, ReadOrder

MOVE = """mutation($id: ID!, $at: ID!, $lines: [FulfillmentOrderLineItemInput!]) {
  fulfillmentOrderMove(id: $id, newLocationId: $at, fulfillmentOrderLineItems: $lines) {
    movedFulfillmentOrder { ...parts } originalFulfillmentOrder { ...parts } remainingFulfillmentOrder { ...parts }
    userErrors { field message code }
  }
}
fragment parts on FulfillmentOrder {
  id status requestStatus supportedActions { action } assignedLocation { location { id } }
  lineItems(first: 5) { nodes { id totalQuantity remainingQuantity } }
}"""


async def move(w: World, found: Any, at: int, *lines: tuple[int, int]) -> dict[str, Any]:
    answer = await w.ask(
        MOVE,
        id=f"gid://shopify/FulfillmentOrder/{found.id}",
        at=f"gid://shopify/Location/{at}",
        lines=[{"id": f"gid://shopify/FulfillmentOrderLineItem/{n}", "quantity": q} for n, q in lines]
        or None,
    )
    told: dict[str, Any] = answer["data"]["fulfillmentOrderMove"]
    return told


def at(told: dict[str, Any]) -> int:
    return int(told["assignedLocation"]["location"]["id"].rpartition("/")[2])


def units(told: dict[str, Any]) -> list[tuple[int, int]]:
    return [(line["totalQuantity"], line["remainingQuantity"]) for line in told["lineItems"]["nodes"]]


def numbers(w: World, sku: str) -> list[tuple[int, int, int]]:
    """Available, committed and on hand at both locations."""
    told = [w.shop.quantities(sku, place) for place in (w.first, w.second)]
    return [(one["available"], one["committed"], one["on_hand"]) for one in told]


def test_all_of_it_moves_under_its_own_id_and_the_stock_that_waits_for_it_follows():
    async def story(w: World) -> None:
        order = w.order(("A", 4))
        (home,) = order.fulfillment_orders
        assert numbers(w, "A") == [(1, 4, 5), (20, 0, 20)]
        stamp = order.updated_ms
        await w.clock.sleep(5)
        told = await move(w, home, w.second)
        assert told["userErrors"] == [] and told["remainingFulfillmentOrder"] is None
        assert told["movedFulfillmentOrder"] == told["originalFulfillmentOrder"]
        assert (at(told["movedFulfillmentOrder"]), units(told["movedFulfillmentOrder"])) == (
            w.second,
            [(4, 4)],
        )
        assert numbers(w, "A") == [(5, 0, 5), (16, 4, 20)]
        assert order.updated_ms == stamp and home.updated_ms >= stamp + 5000
        w.shop.moves_touch_orders = True
        await w.subscribe("ORDERS_UPDATED")
        await move(w, home, w.first)
        await w.quiet()
        assert order.updated_ms > stamp and [body["id"] for body in w.receiver.payloads()] == [order.id]

    run(story)


def test_a_part_moves_into_an_order_of_its_own():
    async def story(w: World) -> None:
        (home,) = w.order(("A", 2), ("C", 3)).fulfillment_orders
        a, c = home.lines
        told = await move(w, home, w.second, (a.id, 2), (c.id, 1))
        moved, original = told["movedFulfillmentOrder"], told["originalFulfillmentOrder"]
        assert (at(moved), units(moved), moved["status"]) == (w.second, [(2, 2), (1, 1)], "OPEN")
        assert (at(original), units(original), original["status"]) == (w.first, [(2, 2)], "OPEN")
        assert told["remainingFulfillmentOrder"] == original
        assert {moved["id"]} != {original["id"]}
        assert [line["id"] for line in original["lineItems"]["nodes"]] == [
            f"gid://shopify/FulfillmentOrderLineItem/{c.id}"
        ]
        assert numbers(w, "C") == [(2, 2, 4), (2, 1, 3)]

    run(story)


def test_where_another_one_is_there_already_a_new_one_is_made_and_the_old_one_closed():
    async def story(w: World) -> None:
        first, second = w.order(("C", 6)).fulfillment_orders
        told = await move(w, first, w.second)
        assert told["originalFulfillmentOrder"]["status"] == "CLOSED"
        assert units(told["originalFulfillmentOrder"]) == []
        assert units(told["movedFulfillmentOrder"]) == [(4, 4)] and second.lines[0].remaining == 2
        assert numbers(w, "C") == [(4, 0, 4), (-3, 6, 3)]

    run(story)


def test_what_was_sent_stays_where_it_was_sent_from():
    async def story(w: World) -> None:
        order = w.order(("A", 4))
        (home,) = order.fulfillment_orders
        w.shop.send_parcel(order, [(home, home.lines[0], 1)], ())
        told = await move(w, home, w.second)
        assert (told["originalFulfillmentOrder"]["status"], at(told["originalFulfillmentOrder"])) == (
            "CLOSED",
            w.first,
        )
        assert units(told["originalFulfillmentOrder"]) == [(1, 0)]
        assert units(told["movedFulfillmentOrder"]) == [(3, 3)]
        assert numbers(w, "A") == [(4, 0, 4), (17, 3, 20)]

    run(story)


def test_both_numbers_are_told():
    async def story(w: World) -> None:
        (home,) = w.order(("A", 4)).fulfillment_orders
        await w.subscribe("INVENTORY_LEVELS_UPDATE")
        await w.subscribe("ORDERS_UPDATED")
        await move(w, home, w.second)
        await w.quiet()
        told = {body["location_id"]: body["available"] for body in w.receiver.payloads()}
        assert told == {w.first: 5, w.second: 16}

    run(story)


SERVICE = "Cannot move submitted fulfillment order that is at a 3PL fulfillment service."


@pytest.mark.parametrize(
    ("spoil", "place", "message", "code"),
    [
        ({"status": "CLOSED"}, "second", "Cannot change location.", None),
        ({"status": "CANCELLED"}, "second", "Cannot change location.", None),
        ({}, "first", "Cannot change location.", None),
        ({}, "nowhere", "Location not found.", None),
        ({"request_status": "SUBMITTED"}, "second", SERVICE, None),
        ({"request_status": "ACCEPTED"}, "second", SERVICE, None),
        (
            {"status": "IN_PROGRESS", "progress_reported": True},
            "second",
            "Cannot move a fulfillment order that has had progress reported.",
            "CANNOT_MOVE_FULFILLMENT_ORDER_WITH_REPORTED_PROGRESS",
        ),
    ],
)
def test_what_cannot_be_moved_is_refused_in_the_vendors_words(spoil, place, message, code):
    async def story(w: World) -> None:
        (home,) = w.order(("A", 4)).fulfillment_orders
        for name, value in spoil.items():
            setattr(home, name, value)
        before = numbers(w, "A")
        told = await move(w, home, getattr(w, place, 999_999_999))
        (error,) = told["userErrors"]
        assert error["message"].startswith(message) and error["code"] == code
        assert told["movedFulfillmentOrder"] is told["originalFulfillmentOrder"] is None
        assert numbers(w, "A") == before
        home.status = "OPEN"

    run(story)


def test_an_item_that_is_not_stocked_there_does_not_move():
    async def story(w: World) -> None:
        (home,) = w.order(("A", 1), ("B", 2)).fulfillment_orders
        told = await move(w, home, w.second)
        assert "isn't stocked at this location" in told["userErrors"][0]["message"]
        assert home.location.id == w.first
        told = await move(w, home, w.second, (home.lines[0].id, 1))
        assert told["userErrors"] == []

    run(story)


@pytest.mark.parametrize(("number", "quantity"), [(0, 1), (None, 5), (None, 0), (None, -1)])
def test_only_units_that_are_there_are_moved(number, quantity):
    async def story(w: World) -> None:
        (home,) = w.order(("A", 4)).fulfillment_orders
        told = await move(w, home, w.second, (home.lines[0].id if number is None else number, quantity))
        assert told["userErrors"] and home.lines[0].remaining == 4
        assert w.shop.ledger.effects["fulfillmentOrderMove"] == 0

    run(story)


def test_it_needs_the_scope_and_an_id_that_exists():
    async def story(w: World) -> None:
        (home,) = w.order(("A", 4)).fulfillment_orders
        answer = await w.ask(
            MOVE, id="gid://shopify/FulfillmentOrder/0", at=f"gid://shopify/Location/{w.second}"
        )
        (error,) = answer["errors"]
        assert error["message"] == "Invalid id: gid://shopify/FulfillmentOrder/0"
        assert (error["extensions"]["code"], answer["data"]) == (
            "RESOURCE_NOT_FOUND",
            {"fulfillmentOrderMove": None},
        )
        w.shop.scopes.discard("write_merchant_managed_fulfillment_orders")
        answer = await w.ask(
            MOVE, id=f"gid://shopify/FulfillmentOrder/{home.id}", at=f"gid://shopify/Location/{w.second}"
        )
        assert answer["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"

    run(story)


# --- our side ------------------------------------------------------------------------------------------------


def expected(w: Shop, order_id: int) -> dict[tuple[str, int], int]:
    """Units that are still to be sent, by SKU and location."""
    found: dict[tuple[str, int], int] = {}
    for one in w.shop.orders[order_id].fulfillment_orders:
        for line in one.lines:
            if line.remaining:
                place = line.line.sku, one.location.id
                found[place] = found.get(place, 0) + line.remaining
    return found


def wanted(w: Shop, order_id: int, *lines: tuple[str, int, int], tolerated: bool = False) -> MoveOrder:
    """SKU, location and units that leave it in all."""
    ids = {line.sku: str(line.id) for line in w.shop.orders[order_id].lines}
    return MoveOrder(str(order_id), tuple((ids[sku], str(at), n) for sku, at, n in lines), tolerated)


def test_an_order_moves_to_where_it_is_sent_from_and_a_second_time_changes_nothing():
    async def story(w: Shop) -> None:
        first, second = stocked(w)
        order = w.shop.checkout([CartLine("A", 3), CartLine("B", 1)]).order_id
        put = wanted(w, order, ("A", second, 3), ("B", first, 1))
        for _ in range(2):
            (done,) = await w.deliver("move_order", put)
            assert done.result is Result.DONE, done
        assert expected(w, order) == {("A", second): 3, ("B", first): 1}
        assert w.shop.ledger.effects["fulfillmentOrderMove"] == 1
        assert w.sent.count("Move") == 1

    shop_run(story)


def test_a_line_is_shared_out_between_locations_and_back():
    async def story(w: Shop) -> None:
        first, second = stocked(w)
        order = w.shop.checkout([CartLine("A", 5)]).order_id
        for here, there in ((2, 3), (4, 1), (0, 5), (5, 0)):
            lines = [("A", at, n) for at, n in ((first, here), (second, there)) if n]
            (done,) = await w.deliver("move_order", wanted(w, order, *lines))
            assert done.result is Result.DONE, done
            told = {("A", at): n for _, at, n in lines}
            assert expected(w, order) == told

    shop_run(story)


def test_what_has_left_counts_and_what_nobody_decided_stays():
    async def story(w: Shop) -> None:
        first, second = stocked(w)
        order = w.shop.checkout([CartLine("A", 5)]).order_id
        (home,) = w.shop.orders[order].fulfillment_orders
        w.shop.send_parcel(w.shop.orders[order], [(home, home.lines[0], 2)], ())
        await w.deliver("move_order", wanted(w, order, ("A", first, 2), ("A", second, 2)))
        assert expected(w, order) == {("A", first): 1, ("A", second): 2}
        await w.deliver("move_order", wanted(w, order, ("A", second, 5)))
        assert expected(w, order) == {("A", second): 3}

    shop_run(story)


def test_a_move_is_read_as_news_although_the_order_bears_the_same_stamp():
    async def story(w: Shop) -> None:
        _, second = stocked(w)
        order = w.shop.checkout([CartLine("A", 3)]).order_id
        await w.clock.sleep(2)

        async def change() -> Change:
            await w.clock.sleep(2)
            (outcome,) = await w.deliver("read_order", ReadOrder(str(order)))
            (told,) = w.changes(outcome.facts["event"])
            return told

        before = await change()
        await w.deliver("move_order", wanted(w, order, ("A", second, 3)))
        (fresh,) = await w.deliver("read_order", ReadOrder(str(order)))
        assert fresh.result is Result.WAIT and 0 < fresh.retry_after_s <= 1.2
        after = await change()
        assert (after.version, after.tiebreak) > (before.version, before.tiebreak)
        assert after.version == before.version
        assert [at.location for at in after.value.lines[0].allocations] == [str(second)]

    shop_run(story)


def test_what_is_on_hold_waits_and_what_is_refused_says_why():
    async def story(w: Shop) -> None:
        first, second = stocked(w)
        third = w.shop.add_location("Hull")
        order = w.shop.checkout([CartLine("A", 3)]).order_id
        (home,) = w.shop.orders[order].fulfillment_orders
        home.status = "ON_HOLD"
        (held,) = await w.deliver("move_order", wanted(w, order, ("A", second, 3)))
        assert held.result is Result.WAIT and held.retry_after_s == 3600
        assert expected(w, order) == {("A", first): 3}
        home.status = "OPEN"
        (refused,) = await w.deliver("move_order", wanted(w, order, ("A", third, 3)))
        assert refused.result is Result.REJECTED and "isn't stocked at this location" in refused.message
        (unknown,) = await w.deliver("move_order", MoveOrder("1", (("2", str(second), 1),)))
        assert unknown.result is Result.REJECTED and "knows no order 1" in unknown.message

    shop_run(story)


@pytest.mark.parametrize("place", ["first", "second"])
def test_a_parcel_of_a_routed_order_is_told_where_the_shop_expects_it(place):
    async def story(w: Shop) -> None:
        places = dict(zip(("first", "second"), stocked(w), strict=True))
        order = w.shop.checkout([CartLine("A", 3)]).order_id
        await w.deliver("move_order", wanted(w, order, ("A", places["second"], 2), ("A", places["first"], 1)))
        put = replace(parcel(order, places[place], ("A", 3)), anywhere=True)
        (done,) = await w.deliver("create_shipment", put)
        assert done.result is Result.DONE, done
        assert len(done.facts["external_id"].split(",")) == 2 and not expected(w, order)
        # Read again with another location, it is the same parcel.
        other = replace(parcel(order, 1, ("A", 3)), anywhere=True)
        (again,) = await w.deliver("create_shipment", other)
        assert again == done
        assert await w.system.sink.look_up("create_shipment", Item("k", other)) == done
        more = replace(parcel(order, places[place], ("A", 1), tracking=("2Z",)), anywhere=True)
        (refused,) = await w.deliver("create_shipment", more)
        assert refused.result is Result.REJECTED
        assert "0 of 1 units of A are left to ship at any location. The rest was fulfilled" in refused.message

    shop_run(story)


def test_a_parcel_that_is_larger_than_what_is_left_is_not_said_to_be_elsewhere():
    async def story(w: Shop) -> None:
        first, _ = stocked(w)
        order = w.shop.checkout([CartLine("A", 3)]).order_id
        too_many = replace(parcel(order, first, ("A", 4)), anywhere=True)
        (refused,) = await w.deliver("create_shipment", too_many)
        assert "3 of 4 units of A are left to ship at any location. The rest was" in refused.message
        w.shop.orders[order].fulfillment_orders[0].status = "ON_HOLD"
        (held,) = await w.deliver("create_shipment", too_many)
        assert f"3 at {first} (on hold)" in held.message
        w.shop.orders[order].fulfillment_orders[0].status = "OPEN"

    shop_run(story)


def test_a_parcel_that_may_leave_from_anywhere_is_told_first_where_it_left():
    async def story(w: Shop) -> None:
        first, second = stocked(w)
        order = w.shop.checkout([CartLine("A", 4)]).order_id
        await w.deliver("move_order", wanted(w, order, ("A", first, 2), ("A", second, 2)))
        await w.deliver("create_shipment", replace(parcel(order, second, ("A", 2)), anywhere=True))
        assert expected(w, order) == {("A", first): 2}

    shop_run(story)


@pytest.mark.parametrize(
    ("told", "fixed"),
    [
        ({"delivery": "SHIPPING"}, False),
        ({"delivery": "PICKUP_POINT"}, False),
        ({"delivery": "NONE"}, False),
        ({"delivery": "PICK_UP"}, True),
        ({"delivery": "LOCAL"}, True),
        ({"delivery": "RETAIL"}, True),
        ({"request_status": "SUBMITTED"}, True),
        ({"request_status": "ACCEPTED"}, True),
        ({"request_status": "REJECTED"}, False),
        ({"request_status": "CANCELLATION_ACCEPTED"}, False),
        ({"status": "IN_PROGRESS", "progress_reported": True}, True),
        ({"status": "ON_HOLD"}, False),
    ],
)
def test_what_a_buyer_fetches_a_service_sends_or_somebody_packs_is_fixed_there(told, fixed):
    async def story(w: Shop) -> None:
        stocked(w)
        order = w.shop.checkout([CartLine("A", 3), CartLine("B", 1)]).order_id
        (home,) = w.shop.orders[order].fulfillment_orders
        for name, value in told.items():
            setattr(home, name, value)
        lines = (await w.read(order)).lines
        assert [at.fixed for line in lines for at in line.allocations] == [fixed, fixed]

    shop_run(story)


def test_what_is_left_of_an_order_in_parts_is_not_fixed():
    async def story(w: Shop) -> None:
        stocked(w)
        order = w.shop.checkout([CartLine("A", 3), CartLine("B", 1)]).order_id
        (home,) = w.shop.orders[order].fulfillment_orders
        w.shop.send_parcel(w.shop.orders[order], [(home, home.lines[0], 1)], ())
        lines = (await w.read(order)).lines
        assert home.status == "IN_PROGRESS"
        assert [at.fixed for line in lines for at in line.allocations] == [False, False]

    shop_run(story)
