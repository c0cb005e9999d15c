"""``metafieldsSet``, and reading what was set: at most 25, all or none, refused as live answers of 2026-04 refuse.

What is wrong with a value or a type is told in assumed words.

Whether the owner exists is not checked.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator.operation import Resolver

METAFIELDS_MAX = 25
OWNERS = re.compile(
    r"gid://shopify/(Company|CompanyLocation|Customer|Product|ProductVariant|Order)/[1-9][0-9]*"
)
NAME = re.compile(r"[A-Za-z0-9_-]+")
VALUE_CHARS_MAX = 65_536


def metafields_set(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Set whole values, whatever was there."""
    given = arguments["metafields"]
    if len(given) > METAFIELDS_MAX:
        message = "Exceeded the maximum metafields input limit of 25."
        return {
            "userErrors": [{"field": ["metafields"], "code": "LESS_THAN_OR_EQUAL_TO", "message": message}]
        }
    errors: list[dict[str, Any]] = []
    for place, one in enumerate(given):
        problem = _problem(one)
        if problem:
            field, code, message = problem
            errors.append({"field": ["metafields", str(place), field], "code": code, "message": message})
    if errors:
        return {"userErrors": errors}
    for one in given:
        shop.state.metafields[one["ownerId"], one["namespace"], one["key"]] = one["type"], one["value"]
    shop.applied(len(given))
    return {"userErrors": []}


def metafield_of(shop: ShopifySimulator, owner: Any, arguments: dict[str, Any]) -> tuple[str, ...] | None:
    """One of an owner's; ``None``: there is none of that name."""
    gid = f"gid://shopify/{owner.gid_type}/{owner.id}"
    namespace, key = arguments.get("namespace") or "", arguments["key"]
    found = shop.state.metafields.get((gid, namespace, key))
    return None if found is None else (f"{owner.id}", namespace, key, *found)


def _problem(one: dict[str, Any]) -> tuple[str, str, str] | None:
    if not OWNERS.fullmatch(one["ownerId"]):
        return "ownerId", "INVALID_VALUE", "Owner does not exist."
    for field, least, most in (("namespace", 3, 255), ("key", 2, 64)):
        length = len(one.get(field) or "")
        if length < least:
            return field, "TOO_SHORT", f"{field.capitalize()} is too short (minimum is {least} characters)"
        if length > most:
            return field, "TOO_LONG", f"{field.capitalize()} is too long (maximum is {most} characters)"
        if not NAME.fullmatch(one.get(field) or ""):
            return field, "INVALID_VALUE", f"{field.capitalize()} contains one or more invalid characters."
    if not one.get("type"):
        return "type", "BLANK", "Type can't be blank"
    if one["type"] != "json":
        return "type", "INVALID_TYPE", "Type is not one that this simulator knows."
    if len(one["value"]) > VALUE_CHARS_MAX:
        return "value", "TOO_LONG", "Value is too long."
    try:
        json.loads(one["value"])
    except ValueError:
        return "value", "INVALID_VALUE", "Value is invalid JSON."
    return None


METAFIELD_MUTATIONS: dict[str, Resolver] = {"metafieldsSet": metafields_set}
