"""Inventory mutations of 2026-04 and later: compare-and-set, idempotent, all or nothing.

Messages, codes and order of checks are those of live answers (contract section 5): the shape of
the input first, then the directive, then the content.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator.fields import number_of
from syncline.connectors.shopify.simulator.idempotency import CONCURRENT, MISMATCH, PREVIOUS_FAILED
from syncline.connectors.shopify.simulator.operation import FieldRefused, Resolver
from syncline.connectors.shopify.simulator.records import ON_HAND_PARTS, AdjustmentGroup, Change, Level

QUANTITY_MAX = 1_000_000_000
REASONS = (
    "correction",
    "cycle_count_available",
    "damaged",
    "movement_canceled",
    "movement_created",
    "movement_received",
    "movement_updated",
    "other",
    "promotion",
    "quality_control",
    "received",
    "reservation_created",
    "reservation_deleted",
    "reservation_updated",
    "restock",
    "safety_stock",
    "shrinkage",
)
ADJUSTABLE = ("available", "damaged", "incoming", "quality_control", "reserved", "safety_stock")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")

NO_ITEM = ("INVALID_INVENTORY_ITEM", "The specified inventory item could not be found.")
NO_LOCATION = ("INVALID_LOCATION", "The specified location could not be found.")
NOT_STOCKED = (
    "ITEM_NOT_STOCKED_AT_LOCATION",
    "The specified inventory item is not stocked at the location.",
)
STALE = (
    "CHANGE_FROM_QUANTITY_STALE",
    "The changeFromQuantity argument no longer matches the persisted quantity.",
)
DUPLICATE = (
    "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR",
    "The combination of inventoryItemId and locationId must be unique.",
)

Errors = list[dict[str, Any]]


def _error(errors: Errors, saying: tuple[str | None, str], *path: str) -> None:
    code, message = saying
    errors.append({"field": list(path) or None, "message": message, "code": code})


def _require_shape(kind: str, lines: list[dict[str, Any]]) -> None:
    if any("changeFromQuantity" not in line for line in lines):
        raise FieldRefused(
            f"{kind} must include the following argument: changeFromQuantity.", "INVALID_FIELD_ARGUMENTS"
        )


def idempotently(
    shop: ShopifySimulator,
    operation: str,
    arguments: dict[str, Any],
    payload: str,
    act: Callable[[Errors], Any],
) -> dict[str, Any]:
    """Run ``act`` once a key; it returns the record of the payload, or adds to the errors."""
    key = arguments.get("@idempotent")
    if not key:
        shop.ledger.breach("missing_idempotency")
        raise FieldRefused(
            "The @idempotent directive is required for this mutation but was not provided.", "BAD_REQUEST"
        )
    errors: Errors = []
    if arguments.get("@concurrent"):
        _error(errors, CONCURRENT)
        return {payload: None, "userErrors": errors}
    now = shop.clock.now_ms()
    plain = {name: value for name, value in arguments.items() if not name.startswith("@")}
    parameters, known = shop.keys.recall(key, operation, plain, now)
    if known is not None:
        if known.parameters != parameters:
            _error(errors, MISMATCH)
        elif known.result is None:
            _error(errors, PREVIOUS_FAILED)
        return {payload: None if errors else known.result[0], "userErrors": errors}
    result = act(errors)
    shop.keys.remember(key, parameters, now, None if errors else (result,))
    return {payload: None if errors else result, "userErrors": errors}


def _check_head(shop: ShopifySimulator, given: dict[str, Any], errors: Errors) -> None:
    if given["reason"] not in REASONS:
        message = f"The specified reason is invalid. Valid values are: {', '.join(REASONS)}."
        _error(errors, ("INVALID_REASON", message), "input", "reason")
    reference = given.get("referenceDocumentUri")
    if reference is not None and not _URI.fullmatch(reference):
        message = "The specified reference document is invalid."
        _error(errors, ("INVALID_REFERENCE_DOCUMENT", message), "input", "referenceDocumentUri")


def _find_level(
    shop: ShopifySimulator, line: dict[str, Any], errors: Errors, path: tuple[str, ...]
) -> Level | None:
    variant = shop.state.items.get(number_of(line["inventoryItemId"], "InventoryItem"))
    location = shop.state.locations.get(number_of(line["locationId"], "Location"))
    if variant is None:
        _error(errors, NO_ITEM, *path, "inventoryItemId")
    if location is None:
        _error(errors, NO_LOCATION, *path, "locationId")
    if variant is None or location is None:
        return None
    level = variant.levels.get(location.id)
    if level is None:
        _error(errors, NOT_STOCKED, *path, "locationId")
    return level


def set_quantities(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`inventorySetQuantities`: absolute numbers of ``available`` or ``on_hand``."""
    given = arguments["input"]
    _require_shape("InventoryQuantityInput", given["quantities"])
    return idempotently(
        shop,
        "inventorySetQuantities",
        arguments,
        "inventoryAdjustmentGroup",
        lambda errors: _set(shop, given, arguments["@idempotent"], errors),
    )


def _set(shop: ShopifySimulator, given: dict[str, Any], key: str, errors: Errors) -> AdjustmentGroup | None:
    name = given["name"]
    if name not in {"available", "on_hand"}:
        message = "The quantity name must be either 'available' or 'on_hand'."
        _error(errors, ("INVALID_NAME", message), "input", "name")
        return None
    _check_head(shop, given, errors)
    lines = given["quantities"]
    seen: dict[tuple[str, str], int] = {}
    for line in lines:
        pair = line["inventoryItemId"], line["locationId"]
        seen[pair] = seen.get(pair, 0) + 1
    found: list[tuple[Level, int]] = []
    for n, line in enumerate(lines):
        path = ("input", "quantities", str(n))
        quantity = line["quantity"]
        if seen[line["inventoryItemId"], line["locationId"]] > 1:
            _error(errors, DUPLICATE, *path, "locationId")
        if quantity > QUANTITY_MAX:
            message = "The quantity can't be higher than 1,000,000,000."
            _error(errors, ("INVALID_QUANTITY_TOO_HIGH", message), *path, "quantity")
        elif name == "on_hand" and quantity < 0:
            message = "The quantity can't be negative."
            _error(errors, ("INVALID_QUANTITY_NEGATIVE", message), *path, "quantity")
        elif quantity < -QUANTITY_MAX:
            message = "The quantity can't be lower than -1,000,000,000."
            _error(errors, ("INVALID_QUANTITY_TOO_LOW", message), *path, "quantity")
        level = _find_level(shop, line, errors, path)
        if level is None:
            continue
        persisted = level.available if name == "available" else level.on_hand
        expected = line["changeFromQuantity"]
        if expected is not None and expected != persisted:
            _error(errors, STALE, *path, "changeFromQuantity")
            shop.note_stale(level, quantity, expected, key)
        found.append((level, quantity - persisted))
    if errors:
        return None
    return _apply(shop, given, "available", found)


def adjust_quantities(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`inventoryAdjustQuantities`: deltas of one state."""
    given = arguments["input"]
    _require_shape("InventoryChangeInput", given["changes"])
    return idempotently(
        shop,
        "inventoryAdjustQuantities",
        arguments,
        "inventoryAdjustmentGroup",
        lambda errors: _adjust(shop, given, errors),
    )


def _adjust(shop: ShopifySimulator, given: dict[str, Any], errors: Errors) -> AdjustmentGroup | None:
    name = given["name"]
    if name not in ADJUSTABLE:
        message = f"The specified quantity name is invalid. Valid values are: {', '.join(ADJUSTABLE)}."
        _error(errors, ("INVALID_QUANTITY_NAME", message), "input", "name")
        return None
    _check_head(shop, given, errors)
    documents: list[str | None] = []
    found: list[tuple[Level, int]] = []
    for n, line in enumerate(given["changes"]):
        path = ("input", "changes", str(n))
        document = line.get("ledgerDocumentUri")
        if document not in documents:
            documents.append(document)
        if name == "available" and document is not None:
            message = "A ledger document URI is not allowed when adjusting available."
            _error(errors, ("INVALID_AVAILABLE_DOCUMENT", message), *path, "ledgerDocumentUri")
        elif name != "available" and document is None:
            message = "A ledger document URI is required except when adjusting available."
            _error(errors, ("INVALID_QUANTITY_DOCUMENT", message), *path, "ledgerDocumentUri")
        elif document is not None and document.startswith("gid://shopify/"):
            message = "Internal (gid://shopify/) ledger documents are not allowed to be adjusted via API."
            _error(errors, ("INTERNAL_LEDGER_DOCUMENT", message), *path, "ledgerDocumentUri")
        level = _find_level(shop, line, errors, path)
        if level is None:
            continue
        persisted = getattr(level, name)
        if line["changeFromQuantity"] is not None and line["changeFromQuantity"] != persisted:
            _error(errors, STALE, *path, "changeFromQuantity")
        if abs(persisted + line["delta"]) > QUANTITY_MAX:
            high = line["delta"] > 0
            code = "INVALID_QUANTITY_TOO_HIGH" if high else "INVALID_QUANTITY_TOO_LOW"
            bound = "higher than 1,000,000,000" if high else "lower than -1,000,000,000"
            _error(errors, (code, f"The quantity can't be {bound}."), *path, "delta")
        found.append((level, line["delta"]))
    if len(documents) > 1 and not errors:
        message = (
            "All changes must have the same ledger document URI or, in the case of adjusting available, "
            "no ledger document URI."
        )
        _error(errors, ("MAX_ONE_LEDGER_DOCUMENT", message), "input", "changes")
    return None if errors else _apply(shop, given, name, found, documents[0])


def _apply(
    shop: ShopifySimulator,
    given: dict[str, Any],
    name: str,
    deltas: list[tuple[Level, int]],
    document: str | None = None,
) -> AdjustmentGroup | None:
    """Change a state of many levels; nothing at all for zero deltas (live answer of 2026-04)."""
    changes: list[Change] = []
    levels: list[Level] = []
    now = shop.clock.now_ms()
    for level, delta in deltas:
        shop.forget_stale(level)
        if not delta:
            continue
        setattr(level, name, getattr(level, name) + delta)
        level.updated_ms = now
        levels.append(level)
        changes.append(Change(name, delta, level.variant, level.location, document))
        if name in ON_HAND_PARTS:
            changes.append(Change("on_hand", delta, level.variant, level.location))
    if not changes:
        return None
    shop.applied(len(levels))
    shop.state.movements[f"api_{name}"] += len(levels)
    if name == "available":
        shop.levels_changed(levels)
    return AdjustmentGroup(
        shop.state.new_id(), given["reason"], given.get("referenceDocumentUri"), now, changes
    )


def activate(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`inventoryActivate`: stock an item at a location."""
    return idempotently(
        shop,
        "inventoryActivate",
        arguments,
        "inventoryLevel",
        lambda errors: _activate(shop, arguments, errors),
    )


def _activate(shop: ShopifySimulator, given: dict[str, Any], errors: Errors) -> Level | None:
    variant = shop.state.items.get(number_of(given["inventoryItemId"], "InventoryItem"))
    location = shop.state.locations.get(number_of(given["locationId"], "Location"))
    if variant is None or location is None:
        what = "product" if variant is None else "location"
        message = f"The product couldn't be stocked because the {what} was deleted."  # wording assumed
        _error(errors, (None, message))
        return None
    available, on_hand = given.get("available"), given.get("onHand")
    couldnt = f"The product couldn't be stocked at {location.name} because"
    if available is not None and on_hand is not None:
        message = f"{couldnt} not allowed to set available and on_hand quantities at the same time."
        _error(errors, (None, message), "available")
        _error(errors, (None, message), "onHand")
        return None
    level = variant.levels.get(location.id)
    number = available if available is not None else on_hand
    name = "available" if available is not None else "onHand"
    if level is not None:
        if number is not None:
            said = "available" if available is not None else "an on_hand"
            message = f"Not allowed to set {said} quantity when the item is already active at the location."
            _error(errors, (None, message), name)
            return None
        return level
    if number is not None and abs(number) > QUANTITY_MAX:
        message = f"{couldnt} the quantity needs to be between -1 billion and 1 billion."
        _error(errors, (None, message), name)
        return None
    level = shop.state.activate(variant, location)
    level.available = number or 0
    shop.applied(1)
    shop.levels_connected(level)
    return level


INVENTORY_MUTATIONS: dict[str, Resolver] = {
    "inventorySetQuantities": set_quantities,
    "inventoryAdjustQuantities": adjust_quantities,
    "inventoryActivate": activate,
}
