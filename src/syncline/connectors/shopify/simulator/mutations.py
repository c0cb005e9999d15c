"""Mutations of fulfilments and orders; messages are those of live answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator.bulk import BULK_MUTATIONS
from syncline.connectors.shopify.simulator.bulkqueries import run_query
from syncline.connectors.shopify.simulator.companies import COMPANY_MUTATIONS
from syncline.connectors.shopify.simulator.fields import number_of
from syncline.connectors.shopify.simulator.inventory import INVENTORY_MUTATIONS
from syncline.connectors.shopify.simulator.metafields import METAFIELD_MUTATIONS
from syncline.connectors.shopify.simulator.money import MONEY_MUTATIONS
from syncline.connectors.shopify.simulator.moves import MOVE_MUTATIONS
from syncline.connectors.shopify.simulator.operation import FieldRefused, Resolver
from syncline.connectors.shopify.simulator.prices import PRICE_MUTATIONS
from syncline.connectors.shopify.simulator.products import PRODUCT_MUTATIONS
from syncline.connectors.shopify.simulator.records import (
    FulfillmentOrder,
    FulfillmentOrderLine,
    Tracking,
)
from syncline.connectors.shopify.simulator.subscriptions import SUBSCRIPTION_MUTATIONS

Parts = list[tuple[FulfillmentOrder, FulfillmentOrderLine, int]]


def _refused(payload: str, message: str, *path: str) -> dict[str, Any]:
    return {payload: None, "userErrors": [{"field": list(path) or None, "message": message}]}


def _require_kind(text: str, kind: str) -> int:
    if not text.startswith(f"gid://shopify/{kind}/"):
        raise FieldRefused("invalid id", "RESOURCE_NOT_FOUND")
    return number_of(text, kind)


# -- fulfilments


def fulfillment_create(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`fulfillmentCreate`: not idempotent; a closed fulfilment order refuses the second one."""
    given = arguments["fulfillment"]
    groups = given["lineItemsByFulfillmentOrder"]
    for n, group in enumerate(groups):
        for m, line in enumerate(group.get("fulfillmentOrderLineItems") or ()):
            if line["quantity"] <= 0:
                at = ("lineItemsByFulfillmentOrder", str(n), "fulfillmentOrderLineItems", str(m), "quantity")
                return _refused("fulfillment", "Quantity must be greater than 0", "fulfillment", *at)
    orders: list[FulfillmentOrder] = []
    for group in groups:
        number = _require_kind(group["fulfillmentOrderId"], "FulfillmentOrder")
        found = shop.state.fulfillment_orders.get(number)
        if found is None:
            return _refused("fulfillment", "Fulfillment order does not exist.", "fulfillment")
        orders.append(found)
    problem = _fulfillment_problem(orders)
    if problem:
        return _refused("fulfillment", problem, "fulfillment")
    parts: Parts = []
    for fulfillment_order, group in zip(orders, groups, strict=True):
        problem = _choose_parts(fulfillment_order, group.get("fulfillmentOrderLineItems"), parts)
        if problem:
            return _refused("fulfillment", problem, "fulfillment")
    tracking = _tracking(given.get("trackingInfo") or {})
    shop.applied(1)
    return {"fulfillment": shop.send_parcel(orders[0].order, parts, tracking), "userErrors": []}


def _fulfillment_problem(orders: list[FulfillmentOrder]) -> str | None:
    if not orders:
        return "Fulfillment order does not exist."
    order_ids = sorted({fulfillment_order.order.id for fulfillment_order in orders})
    if len(order_ids) > 1:
        return (
            "All fulfillment orders must belong to the same order. "
            f"Multiple orders with ids {order_ids} were found."
        )
    places = sorted({fulfillment_order.location.id for fulfillment_order in orders})
    if len(places) > 1:
        return (
            "All fulfillment orders must be assigned to a single location. "
            f"Multiple locations with ids {places} were found."
        )
    for fulfillment_order in orders:
        if fulfillment_order.status not in {"OPEN", "IN_PROGRESS"}:
            status = fulfillment_order.status.lower()
            return f"Fulfillment order {fulfillment_order.id} has an unfulfillable status= {status}."
    return None


def _choose_parts(
    fulfillment_order: FulfillmentOrder, wanted: list[dict[str, Any]] | None, into: Parts
) -> str | None:
    """Everything that is left where no lines are named."""
    if not wanted:
        into.extend(
            (fulfillment_order, part, part.remaining) for part in fulfillment_order.lines if part.remaining
        )
        return None
    by_id = {part.id: part for part in fulfillment_order.lines}
    asked: dict[int, int] = {}
    for line in wanted:
        part = by_id.get(number_of(line["id"], "FulfillmentOrderLineItem"))
        if part is None:
            return "Fulfillment order line item does not exist."
        asked[part.id] = asked.get(part.id, 0) + line["quantity"]
    for part_id, quantity in asked.items():
        if quantity > by_id[part_id].remaining:
            return "Invalid fulfillment order line item quantity requested."
        into.append((fulfillment_order, by_id[part_id], quantity))
    return None


def _tracking(given: dict[str, Any]) -> tuple[Tracking, ...]:
    numbers = given.get("numbers") or ([given["number"]] if given.get("number") else [])
    urls = given.get("urls") or ([given["url"]] if given.get("url") else [])
    company = given.get("company")
    count = max(len(numbers), len(urls), 1 if company else 0)
    return tuple(
        Tracking(company, numbers[n] if n < len(numbers) else None, urls[n] if n < len(urls) else None)
        for n in range(count)
    )


def tracking_update(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`fulfillmentTrackingInfoUpdate`."""
    number = _require_kind(arguments["fulfillmentId"], "Fulfillment")
    fulfillment = shop.state.fulfillments.get(number)
    if fulfillment is None:
        return _refused("fulfillment", "Fulfillment does not exist.", "fulfillmentId")
    shop.applied(1)
    shop.track(fulfillment, _tracking(arguments["trackingInfoInput"]))
    return {"fulfillment": fulfillment, "userErrors": []}


# -- orders


def mark_as_paid(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`orderMarkAsPaid`: the whole outstanding amount; a second time is refused."""
    order = shop.state.orders.get(_require_kind(arguments["input"]["id"], "Order"))
    if order is None:
        return _refused("order", "Order does not exist", "id")
    try:
        shop.mark_paid(order.id)
    except ValueError as error:
        return {"order": order, "userErrors": [{"field": ["id"], "message": str(error)}]}
    shop.applied(1)
    return {"order": order, "userErrors": []}


def tags_add(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`tagsAdd`, for orders only."""
    order = shop.state.orders.get(number_of(arguments["id"], "Order"))
    if order is None:
        return _refused("node", "Order does not exist", "id")
    known = {tag.casefold() for tag in order.tags}
    new = [tag.strip() for tag in arguments["tags"] if tag.strip().casefold() not in known]
    if new:
        order.tags = sorted([*order.tags, *new], key=str.casefold)
        shop.applied(1)
        shop.order_updated(order)
    return {"node": order, "userErrors": []}


MUTATIONS: dict[str, Resolver] = {
    **COMPANY_MUTATIONS,
    **INVENTORY_MUTATIONS,
    **MONEY_MUTATIONS,
    **MOVE_MUTATIONS,
    **METAFIELD_MUTATIONS,
    **PRICE_MUTATIONS,
    **PRODUCT_MUTATIONS,
    **BULK_MUTATIONS,
    "bulkOperationRunQuery": run_query,
    "fulfillmentCreate": fulfillment_create,
    "fulfillmentTrackingInfoUpdate": tracking_update,
    "orderMarkAsPaid": mark_as_paid,
    "tagsAdd": tags_add,
    **SUBSCRIPTION_MUTATIONS,
}
