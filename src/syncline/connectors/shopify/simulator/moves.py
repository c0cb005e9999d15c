"""`fulfillmentOrderMove`: another location is to send what has not been sent yet, and the stock that waits for it follows.

Rules from the page of the mutation (2026-07), messages and shapes from live answers of 2026-04. Assumed, for neither says
it: the words where a location does not stock an item, and that a fulfilment order cannot be moved to where it is. Whether the
order's own ``updatedAt`` changes nobody says either, so both can be played (``moves_touch_orders``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator.fields import USER_ERROR, number_of, payload_of
from syncline.connectors.shopify.simulator.operation import FieldRefused, Resolver
from syncline.connectors.shopify.simulator.records import (
    FulfillmentOrder,
    FulfillmentOrderLine,
    Level,
    Location,
)

MOVABLE = frozenset({"OPEN", "IN_PROGRESS", "ON_HOLD", "SCHEDULED", "INCOMPLETE"})
AT_A_SERVICE = frozenset({"SUBMITTED", "ACCEPTED", "CANCELLATION_REQUESTED", "CANCELLATION_REJECTED"})
REPORTED = (
    "Cannot move a fulfillment order that has had progress reported. To move a fulfillment order that has had progress "
    "reported, the fulfillment order must first be marked as open resolving the ongoing progress state."
)

Parts = list[tuple[FulfillmentOrderLine, int]]


def _answer(
    moved: FulfillmentOrder | None = None,
    original: FulfillmentOrder | None = None,
    remaining: FulfillmentOrder | None = None,
    errors: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    return {
        "movedFulfillmentOrder": moved,
        "originalFulfillmentOrder": original,
        "remainingFulfillmentOrder": remaining,
        "userErrors": errors or [],
    }


def _refused(message: str, field: list[str] | None = None, code: str | None = None) -> dict[str, Any]:
    return _answer(errors=[{"field": field, "message": message, "code": code}])


def move(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`fulfillmentOrderMove`: not idempotent where only a part is moved."""
    found = shop.state.fulfillment_orders.get(number_of(arguments["id"], "FulfillmentOrder"))
    if found is None:
        raise FieldRefused(f"Invalid id: {arguments['id']}", "RESOURCE_NOT_FOUND")
    location = shop.state.locations.get(number_of(arguments["newLocationId"], "Location"))
    if location is None:
        return _refused("Location not found.", ["id"])
    if found.progress_reported:
        return _refused(REPORTED, ["id"], "CANNOT_MOVE_FULFILLMENT_ORDER_WITH_REPORTED_PROGRESS")
    if found.request_status in AT_A_SERVICE:
        return _refused("Cannot move submitted fulfillment order that is at a 3PL fulfillment service.")
    if found.status not in MOVABLE or location is found.location:
        return _refused("Cannot change location.")
    parts, problem = _chosen(found, arguments.get("fulfillmentOrderLineItems"))
    if problem:
        return _refused(problem, ["fulfillmentOrderLineItems"])
    absent = [part.line.variant for part, _ in parts if location.id not in part.line.variant.levels]
    if absent:
        return _refused(f"{absent[0].title} can't be changed because it isn't stocked at this location.")
    shop.applied(1)
    moved, remaining = _move(shop, found, location, parts)
    if shop.moves_touch_orders:
        shop.order_updated(found.order)
    return _answer(moved, found, remaining)


def _chosen(found: FulfillmentOrder, wanted: list[dict[str, Any]] | None) -> tuple[Parts, str]:
    """Lines and units to be moved; all that is unsent where none are named."""
    if not wanted:
        parts = [(part, part.remaining) for part in found.lines if part.remaining]
        return parts, "" if parts else "Cannot change location."
    by_id = {part.id: part for part in found.lines}
    asked: dict[int, int] = {}
    for line in wanted:
        number = number_of(line["id"], "FulfillmentOrderLineItem")
        if number not in by_id:
            return [], "Fulfillment order line item does not exist."
        if line["quantity"] <= 0:
            return [], "Quantity must be greater than 0"
        asked[number] = asked.get(number, 0) + line["quantity"]
    if any(units > by_id[number].remaining for number, units in asked.items()):
        return [], "Invalid fulfillment order line item quantity requested."
    return [(by_id[number], units) for number, units in asked.items()], ""


def _move(
    shop: ShopifySimulator, found: FulfillmentOrder, location: Location, parts: Parts
) -> tuple[FulfillmentOrder, FulfillmentOrder | None]:
    """Move units that are unsent; gives the fulfilment order that has them now, and the one that keeps others."""
    now = shop.clock.now_ms()
    levels: dict[int, Level] = {}
    for part, units in parts:
        for at, by in ((found.location, units), (location, -units)):
            level = part.line.variant.levels[at.id]
            level.available += by
            level.committed -= by
            levels[id(level)] = level
        shop.state.movements["moved"] += units
    order = found.order
    found.updated_ms = now
    whole = {part.id: units for part, units in parts} == {part.id: part.total for part in found.lines}
    there = any(
        one.location is location and one.status in MOVABLE
        for one in order.fulfillment_orders
        if one is not found
    )
    if whole and not there:
        found.location = location
        shop.levels_changed(levels.values())
        return found, None
    made = FulfillmentOrder(
        shop.state.new_id(), order, location, "OPEN", "UNSUBMITTED", now, now, [], delivery=found.delivery
    )
    if found.status == "ON_HOLD":
        made.status = "ON_HOLD"
    for part, units in parts:
        part.total -= units
        part.remaining -= units
        made.lines.append(FulfillmentOrderLine(shop.state.new_id(), part.line, units, units))
    found.lines = [part for part in found.lines if part.total]
    order.fulfillment_orders.append(made)
    shop.state.fulfillment_orders[made.id] = made
    left = any(part.remaining for part in found.lines)
    if not left:
        found.status = "CLOSED"
    shop.levels_changed(levels.values())
    return made, found if left else None


MOVE_MUTATIONS: dict[str, Resolver] = {"fulfillmentOrderMove": move}
MOVE_TYPES: dict[str, dict[str, Resolver]] = {
    "FulfillmentOrderMovePayload": payload_of(
        "movedFulfillmentOrder", "originalFulfillmentOrder", "remainingFulfillmentOrder"
    ),
    "FulfillmentOrderMoveFulfillmentOrderMoveUserError": USER_ERROR,
}
