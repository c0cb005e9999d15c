"""Mass price services: base prices and tier prices, row by row.

``[]`` says that all rows were taken; each entry of the answer is a row that was not: the message with its placeholders, and their
values as a list of texts, without names (contract section 6; magento2: Catalog/Model/Product/Price, Validation/TierPriceValidator).
A row that is wrong in two ways has two entries. Assumed: prices are global, which is the default, so websites have none of their own.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.adobe_commerce.simulator.state import ShopState

Row = dict[str, Any]
ALL_GROUPS = "all groups"  # as it is told; any case is taken
PRICED = frozenset(
    {"simple", "virtual", "downloadable"}
)  # what the services take; a configurable product has no price
_WRONG = "Invalid attribute %fieldName = %fieldValue."
_NO_STORE = "Requested store is not found. Row ID: SKU = %SKU, Store ID: %storeId."
_ROW = "Row ID: SKU = %SKU, Website ID: %websiteId, Customer Group: %customerGroup, Quantity: %qty."
_DOUBLED = (
    "We found a duplicate website, tier price, customer group and quantity: Customer Group = %customerGroup, "
    "Website ID = %websiteId, Quantity = %qty. "
)


def save_base(state: ShopState, rows: list[Row]) -> list[Row]:
    """``POST /V1/products/base-prices``."""
    problems: list[Row] = []
    for row in rows:
        sku, price = row.get("sku", ""), row.get("price")
        wrong = []
        if not _priced(state, sku):
            wrong.append(_problem(_WRONG, "SKU", sku))
        if price is None or price < 0:
            wrong.append(_problem(_WRONG, "Price", price))
        if row.get("store_id") not in (0, 1):
            wrong.append(_problem(_NO_STORE, sku, row.get("store_id")))
        problems += wrong
        if not wrong:
            assert price is not None
            product = state.products[sku]
            product.price_minor = round(price * 100)
            state.price_log.append((product.sku, "", 1.0, price))
    return problems


def base_of(state: ShopState, skus: list[str]) -> list[Row]:
    """``POST /V1/products/base-prices-information``; what the services do not take is left out."""
    return [
        {"sku": sku, "price": state.products[sku].price_minor / 100, "store_id": 0}
        for sku in skus
        if _priced(state, sku)
    ]


def save_tiers(state: ShopState, rows: list[Row]) -> list[Row]:
    """``POST /V1/products/tier-prices``: adds rows, and changes those of the same group and quantity."""
    fit, problems = _sorted_out(state, rows)
    _insert(state, fit)
    return problems


def replace_tiers(state: ShopState, rows: list[Row]) -> list[Row]:
    """``PUT /V1/products/tier-prices``: of every product that is named, all rows go but those that are given."""
    fit, problems = _sorted_out(state, rows)
    skus = {row["sku"] for row in fit}
    for at in [at for at in state.tier_prices if at[0] in skus]:
        del state.tier_prices[at]
        state.tier_discounts.discard(at)
    _insert(state, fit)
    return problems


def delete_tiers(state: ShopState, rows: list[Row]) -> list[Row]:
    """``POST /V1/products/tier-prices-delete``: a row goes if all of it fits, and its price is not 0."""
    fit, problems = _sorted_out(state, rows)
    for row in fit:
        at = _at(state, row)
        if row["price"] and state.tier_prices.get(at) == row["price"]:
            del state.tier_prices[at]
            state.tier_discounts.discard(at)
    return problems


def tiers_of(state: ShopState, skus: list[str]) -> list[Row]:
    """``POST /V1/products/tier-prices-information``."""
    return [
        {
            "price": price,
            "price_type": "discount" if (sku, group, quantity) in state.tier_discounts else "fixed",
            "website_id": 0,
            "sku": sku,
            "customer_group": ALL_GROUPS if group.casefold() == ALL_GROUPS else group,
            "quantity": quantity,
        }
        for (sku, group, quantity), price in state.tier_prices.items()
        if sku in skus
    ]


def _priced(state: ShopState, sku: str) -> bool:
    return sku in state.products and state.products[sku].type_id in PRICED


def _at(state: ShopState, row: Row) -> tuple[str, str, float]:
    group = state.group_named(row["customer_group"])
    assert group is not None
    return row["sku"], group, row["quantity"]


def _insert(state: ShopState, rows: list[Row]) -> None:
    for row in rows:
        at = _at(state, row)
        state.tier_prices[at] = row["price"]
        (state.tier_discounts.add if row["price_type"] == "discount" else state.tier_discounts.discard)(at)
        state.price_log.append((*at, row["price"]))


def _sorted_out(state: ShopState, rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """The rows that can be taken, and what is wrong with the others."""
    fit: list[Row] = []
    problems: list[Row] = []
    often = Counter(map(_place, rows))
    for row in rows:
        wrong = _tier_problems(state, row, doubled=often[_place(row)] > 1)
        problems += wrong
        if not wrong:
            fit.append(row)
    return fit, problems


def _place(row: Row) -> tuple[Any, ...]:
    return (
        row.get("sku"),
        str(row.get("customer_group", "")).lower(),
        row.get("quantity"),
        row.get("website_id"),
    )


def _tier_problems(state: ShopState, row: Row, *, doubled: bool) -> list[Row]:
    sku, price, quantity = row.get("sku", ""), row.get("price"), row.get("quantity", 0.0)
    kind, website = row.get("price_type"), row.get("website_id")
    named = sku, website, row.get("customer_group"), quantity
    found: list[Row] = []
    if not _priced(state, sku):
        found.append(_problem(f"Invalid attribute SKU = %SKU. {_ROW}", *named))
    if price is None or price < 0 or (kind == "discount" and price > 100):
        found.append(_problem(f"Invalid attribute Price = %price. {_ROW}", price, *named))
    if kind not in ("fixed", "discount"):
        found.append(_problem(f"Invalid attribute Price Type = %priceType. {_ROW}", kind, *named))
    if sku in state.products and quantity < 1:
        found.append(_problem(f"Invalid attribute Quantity = %qty. {_ROW}", *named))
    if website != 0:
        found.append(_problem(f"Invalid attribute Website ID = %websiteId. {_ROW}", *named))
    if doubled:
        found.append(_problem(_DOUBLED + _ROW, *named))
    if state.group_named(row.get("customer_group", "")) is None:
        found.append(_problem(f"No such entity with Customer Group = %customerGroup. {_ROW}", *named))
    return found


def _problem(message: str, *values: Any) -> Row:
    """One entry: its values are texts in the order of the vendor's own list of them, and have lost their names."""
    texts = [
        None if value is None else f"{value:g}" if isinstance(value, float) else str(value)
        for value in values
    ]
    return {"message": message, "parameters": texts}
