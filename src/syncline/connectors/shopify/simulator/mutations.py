"""Mutations of fulfilments, orders and webhook subscriptions; messages are those of live answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator.bulk import BULK_MUTATIONS
from syncline.connectors.shopify.simulator.bulkqueries import run_query
from syncline.connectors.shopify.simulator.companies import COMPANY_MUTATIONS
from syncline.connectors.shopify.simulator.fields import number_of
from syncline.connectors.shopify.simulator.inventory import INVENTORY_MUTATIONS
from syncline.connectors.shopify.simulator.metafields import METAFIELD_MUTATIONS
from syncline.connectors.shopify.simulator.money import MONEY_MUTATIONS
from syncline.connectors.shopify.simulator.operation import FieldRefused, Resolver
from syncline.connectors.shopify.simulator.prices import PRICE_MUTATIONS
from syncline.connectors.shopify.simulator.products import PRODUCT_MUTATIONS
from syncline.connectors.shopify.simulator.records import (
    FulfillmentOrder,
    FulfillmentOrderLine,
    Subscription,
    Tracking,
)

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PUBSUB = re.compile(r"pubsub://[^:/\s]+:[^:/\s]+")
_ARN = re.compile(r"arn:aws:events:[a-z0-9-]+::event-source/aws\.partner/shopify\.com(\.test)?/\d+/.+")
_NAME = re.compile(r"[A-Za-z0-9_-]+")

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


# -- webhook subscriptions

_ADDRESS = ("webhookSubscription", "callbackUrl")  # live answers name this field even for `uri`


def _address_problem(shop: ShopifySimulator, uri: str) -> str | None:
    if not uri.strip():
        return "Address can't be blank"
    if len(uri.encode()) > 64 * 1024:
        return "Address is too big (maximum is 64 KB)"
    if uri.startswith("pubsub://"):
        known = _PUBSUB.fullmatch(uri)
        return (
            None
            if known
            else "Address is not a valid GCP pub/sub format. Format should be pubsub://project:topic"
        )
    if uri.startswith("arn:"):
        return None if _ARN.fullmatch(uri) else "Address is not a valid AWS ARN"
    parts = urlsplit(uri)
    host = parts.hostname or ""
    if parts.scheme == "http" and shop.allow_http and host in LOOPBACK:
        return None
    if parts.scheme != "https":
        return (
            f"Address protocol {parts.scheme}:// is not supported" if parts.scheme else "Address is invalid"
        )
    if not host:
        return "Address is invalid"
    if host in LOOPBACK or host.endswith((".myshopify.com", ".shopify.com", ".internal", ".local")):
        return (
            None
            if shop.allow_http and host in LOOPBACK
            else "Address cannot be a Shopify or an internal domain"
        )
    return None


def webhook_create(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`webhookSubscriptionCreate`."""
    topic, given = arguments["topic"], arguments["webhookSubscription"]
    uri = (given.get("uri") or "").strip()
    problem = _address_problem(shop, uri)
    if problem:
        return _refused("webhookSubscription", problem, *_ADDRESS)
    name = given.get("name")
    if name is not None and not _NAME.fullmatch(name):
        message = "Name name field can only contain alphanumeric characters, underscores, and hyphens"
        return _refused("webhookSubscription", message, "webhookSubscription", "name")
    for other in shop.state.subscriptions.values():
        if other.topic == topic and other.uri == uri and other.filter == given.get("filter"):
            message = "Address for this topic has already been taken"
            return _refused("webhookSubscription", message, *_ADDRESS)
    now = shop.clock.now_ms()
    subscription = Subscription(
        id=shop.state.new_id(),
        topic=topic,
        uri=uri,
        created_ms=now,
        updated_ms=now,
        api_version=arguments["@version"],
        include_fields=tuple(given.get("includeFields") or ()),
        metafield_namespaces=tuple(given.get("metafieldNamespaces") or ()),
        filter=given.get("filter"),
        name=name,
        format=given.get("format") or "JSON",
    )
    shop.state.subscriptions[subscription.id] = subscription
    shop.applied(1)
    return {"webhookSubscription": subscription, "userErrors": []}


def webhook_update(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`webhookSubscriptionUpdate`; what is already queued keeps its address."""
    subscription = shop.state.subscriptions.get(number_of(arguments["id"], "WebhookSubscription"))
    if subscription is None:
        return _refused("webhookSubscription", "Webhook subscription does not exist", "id")
    given = arguments["webhookSubscription"]
    if "uri" in given:
        uri = (given["uri"] or "").strip()
        problem = _address_problem(shop, uri)
        if problem:
            return _refused("webhookSubscription", problem, *_ADDRESS)
        subscription.uri = uri
    if "includeFields" in given:
        subscription.include_fields = tuple(given["includeFields"] or ())
    if "filter" in given:
        subscription.filter = given["filter"]
    subscription.api_version = arguments["@version"]
    subscription.updated_ms = shop.clock.now_ms()
    shop.applied(1)
    return {"webhookSubscription": subscription, "userErrors": []}


def webhook_delete(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`webhookSubscriptionDelete`."""
    number = number_of(arguments["id"], "WebhookSubscription")
    if shop.state.subscriptions.pop(number, None) is None:
        return _refused("deletedWebhookSubscriptionId", "Webhook subscription does not exist", "id")
    shop.applied(1)
    return {"deletedWebhookSubscriptionId": arguments["id"], "userErrors": []}


MUTATIONS: dict[str, Resolver] = {
    **COMPANY_MUTATIONS,
    **INVENTORY_MUTATIONS,
    **MONEY_MUTATIONS,
    **METAFIELD_MUTATIONS,
    **PRICE_MUTATIONS,
    **PRODUCT_MUTATIONS,
    **BULK_MUTATIONS,
    "bulkOperationRunQuery": run_query,
    "fulfillmentCreate": fulfillment_create,
    "fulfillmentTrackingInfoUpdate": tracking_update,
    "orderMarkAsPaid": mark_as_paid,
    "tagsAdd": tags_add,
    "webhookSubscriptionCreate": webhook_create,
    "webhookSubscriptionDelete": webhook_delete,
    "webhookSubscriptionUpdate": webhook_update,
}
