"""``metafieldsSet``: at most 25, all or none; the messages are assumptions, the codes the vendor lists.

Whether the owner exists is not checked.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator.operation import FieldRefused, Resolver

METAFIELDS_MAX = 25
OWNERS = re.compile(
    r"gid://shopify/(Company|CompanyLocation|Customer|Product|ProductVariant|Order)/[1-9][0-9]*"
)
NAME = re.compile(r"[A-Za-z0-9_-]{2,64}")
VALUE_CHARS_MAX = 65_536


def metafields_set(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Set whole values, whatever was there."""
    given = arguments["metafields"]
    if len(given) > METAFIELDS_MAX:
        raise FieldRefused(
            f"The input array size of {len(given)} is greater than the maximum allowed of 25",
            "MAX_INPUT_SIZE_EXCEEDED",
        )
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


def _problem(one: dict[str, Any]) -> tuple[str, str, str] | None:
    if not OWNERS.fullmatch(one["ownerId"]):
        return "ownerId", "INVALID_VALUE", "Owner does not exist."
    for field in ("namespace", "key"):
        if not NAME.fullmatch(one.get(field) or ""):
            return field, "INVALID_VALUE", f"{field.capitalize()} contains one or more invalid characters."
    if one.get("type") != "json":
        return "type", "INVALID_TYPE", "Type is not one that this simulator knows."
    if len(one["value"]) > VALUE_CHARS_MAX:
        return "value", "TOO_LONG", "Value is too long."
    try:
        json.loads(one["value"])
    except ValueError:
        return "value", "INVALID_VALUE", "Value is invalid JSON."
    return None


METAFIELD_MUTATIONS: dict[str, Resolver] = {"metafieldsSet": metafields_set}
