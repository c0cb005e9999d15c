"""Webhook subscriptions: what they may be; messages and their order are those of live answers of 2026-04."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator import gates
from syncline.connectors.shopify.simulator.fields import number_of
from syncline.connectors.shopify.simulator.operation import Resolver
from syncline.connectors.shopify.simulator.records import Subscription

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PUBSUB = re.compile(r"pubsub://[^:/\s]+:[^:/\s]+")
_ARN = re.compile(r"arn:aws:events:[a-z0-9-]+::event-source/aws\.partner/shopify\.com(\.test)?/\d+/.+")
_NAME = re.compile(r"[A-Za-z0-9_-]+")

APP_ID = 1  # of the one app that is installed; `$app` in a namespace stands for it

Errors = list[dict[str, Any]]


def _error(message: str, *path: str) -> dict[str, Any]:
    return {"field": list(path), "message": message}


def _refused(*errors: dict[str, Any], payload: str = "webhookSubscription") -> dict[str, Any]:
    return {payload: None, "userErrors": list(errors)}


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


def _name_problems(shop: ShopifySimulator, name: str | None, own: int = 0) -> Errors:
    if name is None:
        return []
    at = ("webhookSubscription", "name")
    found = [] if name else [_error("Name is too short (minimum is 1 character)", *at)]
    if not _NAME.fullmatch(name):
        words = "Name name field can only contain alphanumeric characters, underscores, and hyphens"
        return [*found, _error(words, *at)]
    others = (one for one in shop.state.subscriptions.values() if one.id != own)
    if any((one.name or "").casefold() == name.casefold() for one in others):
        return [_error("Name already exists, no duplicate allowed", *at)]
    return []


def _problems(shop: ShopifySimulator, given: dict[str, Any], *, new: bool, own: int = 0) -> Errors:
    """What is wrong with an input; of an update only what it names."""
    if new or "uri" in given:
        problem = _address_problem(shop, (given.get("uri") or "").strip())
        if problem:
            return [_error(problem, *_ADDRESS)]
    if problems := _name_problems(shop, given.get("name"), own):
        return problems
    try:
        gates.parse(given.get("filter"))
    except gates.Invalid as error:
        return [_error(str(error), "webhookSubscription")]
    return []


def _namespaces(given: dict[str, Any]) -> tuple[str, ...]:
    own = f"app--{APP_ID}"
    named = given.get("metafieldNamespaces") or ()
    return tuple(
        own + one[4:].replace(":", "--", 1) if one.partition(":")[0] == "$app" else one for one in named
    )


def webhook_create(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`webhookSubscriptionCreate`."""
    topic, given = arguments["topic"], arguments["webhookSubscription"]
    if problems := _problems(shop, given, new=True):
        return _refused(*problems)
    uri, form = given["uri"].strip(), given.get("format") or "JSON"
    for other in shop.state.subscriptions.values():
        same = (other.topic, other.uri, other.format, other.filter or "")
        if same == (topic, uri, form, given.get("filter") or ""):
            return _refused(_error("Address for this topic has already been taken", *_ADDRESS))
    now = shop.clock.now_ms()
    subscription = Subscription(
        id=shop.state.new_id(),
        topic=topic,
        uri=uri,
        created_ms=now,
        updated_ms=now,
        api_version=arguments["@version"],
        include_fields=tuple(given.get("includeFields") or ()),
        metafield_namespaces=_namespaces(given),
        filter=given.get("filter"),
        name=given.get("name"),
        format=form,
    )
    shop.state.subscriptions[subscription.id] = subscription
    shop.applied(1)
    return {"webhookSubscription": subscription, "userErrors": []}


def webhook_update(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`webhookSubscriptionUpdate`; what is already queued keeps its address."""
    subscription = shop.state.subscriptions.get(number_of(arguments["id"], "WebhookSubscription"))
    if subscription is None:
        return _refused(_error("Webhook subscription does not exist", "id"))
    given = arguments["webhookSubscription"]
    if problems := _problems(shop, given, new=False, own=subscription.id):
        return _refused(*problems)
    if "uri" in given:
        subscription.uri = given["uri"].strip()
    if "includeFields" in given:
        subscription.include_fields = tuple(given["includeFields"] or ())
    if "metafieldNamespaces" in given:
        subscription.metafield_namespaces = _namespaces(given)
    if "filter" in given:
        subscription.filter = given["filter"]
    if given.get("name") is not None:
        subscription.name = given["name"]
    if given.get("format") is not None:
        subscription.format = given["format"]
    subscription.api_version = arguments["@version"]
    subscription.updated_ms = shop.clock.now_ms()
    shop.applied(1)
    return {"webhookSubscription": subscription, "userErrors": []}


def webhook_delete(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`webhookSubscriptionDelete`."""
    number = number_of(arguments["id"], "WebhookSubscription")
    if shop.state.subscriptions.pop(number, None) is None:
        missing = _error("Webhook subscription does not exist", "id")
        return _refused(missing, payload="deletedWebhookSubscriptionId")
    shop.applied(1)
    return {"deletedWebhookSubscriptionId": arguments["id"], "userErrors": []}


SUBSCRIPTION_MUTATIONS: dict[str, Resolver] = {
    "webhookSubscriptionCreate": webhook_create,
    "webhookSubscriptionDelete": webhook_delete,
    "webhookSubscriptionUpdate": webhook_update,
}
