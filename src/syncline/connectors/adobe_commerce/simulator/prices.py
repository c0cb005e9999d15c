"""Mass price services: base prices and tier prices, row by row.

``[]`` says that all rows were taken; each entry of the answer is a row that was not, with placeholders (contract
section 6). Unsure, and so assumed: the wording of the entries, and that a row is deleted only if all of it fits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.adobe_commerce.simulator.state import ShopState

Row = dict[str, Any]
_WRONG = "Invalid attribute %fieldName = %fieldValue."
_WRONG_TIER = (
    "Invalid attribute %fieldName = %fieldValue. Row ID: SKU = %SKU, Website ID: %websiteId, Customer Group: "
    "%customerGroup, Quantity: %qty."
)


def save_base(state: ShopState, rows: list[Row]) -> list[Row]:
    """``POST /V1/products/base-prices``."""
    problems: list[Row] = []
    for row in rows:
        product = state.products.get(row.get("sku", ""))
        price = row.get("price")
        if product is None:
            problems.append(_problem(_WRONG, ["sku", row.get("sku", "")]))
        elif price is None or price < 0:
            problems.append(_problem(_WRONG, ["Price", price, product.sku]))
        else:
            product.price_minor = round(price * 100)
            state.price_log.append((product.sku, "", 1.0, price))
    return problems


def save_tiers(state: ShopState, rows: list[Row]) -> list[Row]:
    """``POST /V1/products/tier-prices``: adds rows, and changes those of the same group and quantity."""
    problems: list[Row] = []
    for row in rows:
        wrong = _tier_problem(state, row)
        if wrong is not None:
            problems.append(wrong)
            continue
        group = state.group_named(row["customer_group"])
        assert group is not None
        state.tier_prices[row["sku"], group, row["quantity"]] = row["price"]
        state.price_log.append((row["sku"], group, row["quantity"], row["price"]))
    return problems


def delete_tiers(state: ShopState, rows: list[Row]) -> list[Row]:
    """``POST /V1/products/tier-prices-delete``."""
    problems: list[Row] = []
    for row in rows:
        wrong = _tier_problem(state, row)
        at = (
            row.get("sku", ""),
            state.group_named(row.get("customer_group", "")) or "",
            row.get("quantity", 0.0),
        )
        if wrong is not None:
            problems.append(wrong)
        elif state.tier_prices.get(at) == row["price"]:
            del state.tier_prices[at]
    return problems


def tiers_of(state: ShopState, skus: list[str]) -> list[Row]:
    """``POST /V1/products/tier-prices-information``."""
    return [
        {
            "price": price,
            "price_type": "fixed",
            "website_id": 0,
            "sku": sku,
            "customer_group": group,
            "quantity": quantity,
        }
        for (sku, group, quantity), price in state.tier_prices.items()
        if sku in skus
    ]


def _tier_problem(state: ShopState, row: Row) -> Row | None:
    sku, group, quantity = row.get("sku", ""), row.get("customer_group", ""), row.get("quantity", 0.0)
    if sku not in state.products:
        field, value = "SKU", sku
    elif state.group_named(group) is None:
        field, value = "Customer Group", group
    elif row.get("price") is None or row["price"] < 0:
        field, value = "Price", row.get("price")
    elif quantity < 1:
        field, value = "Quantity", quantity
    elif row.get("price_type") not in ("fixed", "discount"):
        field, value = "Price Type", row.get("price_type")
    elif row.get("website_id") != 0:
        field, value = "Website ID", row.get("website_id")
    else:
        return None
    named = {
        "fieldName": field,
        "fieldValue": value,
        "SKU": sku,
        "websiteId": row.get("website_id"),
        "customerGroup": group,
        "qty": quantity,
    }
    return {"message": _WRONG_TIER, "parameters": named}


def _problem(message: str, parameters: list[Any]) -> Row:
    filled = message.replace("%fieldName", "%1").replace("%fieldValue", "%2")
    return {"message": filled, "parameters": parameters}
