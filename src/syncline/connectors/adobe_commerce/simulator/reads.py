"""Smaller services that read one thing, or a list of small things, and the end of a product.

Names and shapes from admin-schema-2.4.9.yaml (contract section 12). Assumed: messages where the sources do not have them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.adobe_commerce.simulator.catalogstate import Category
    from syncline.connectors.adobe_commerce.simulator.routes import Call, Services
    from syncline.connectors.adobe_commerce.simulator.state import ShopState

from syncline.connectors.adobe_commerce.simulator import render
from syncline.connectors.adobe_commerce.simulator.catalogstate import DEFAULT
from syncline.connectors.adobe_commerce.simulator.errors import ApiError, no_such_entity
from syncline.connectors.adobe_commerce.simulator.merchandise import attribute_rows, category_row, product_of

Row = dict[str, Any]
# Every kind of product that the shop knows, with its name in the Admin.
KINDS = {
    "simple": "Simple Product",
    "virtual": "Virtual Product",
    "bundle": "Bundle Product",
    "downloadable": "Downloadable Product",
    "configurable": "Configurable Product",
    "grouped": "Grouped Product",
}


# --- sales -------------------------------------------------------------------------------------------------


def order_items(services: Services, call: Call) -> Row:
    """``GET /V1/orders/items``."""
    return services.search(call, _order_items(services.shop.state), empty=render.ITEM_COLUMNS)


def _order_items(state: ShopState) -> Iterator[Row]:
    return (render.order_item(item, order) for order in state.orders.values() for item in order.items)


def order_item(services: Services, call: Call) -> Row:
    """``GET /V1/orders/items/{id}``."""
    number = call.number("id")
    for row in _order_items(services.shop.state):
        if row["item_id"] == number:
            return row
    raise ApiError(404, "The entity that was requested doesn't exist. Verify the entity and try again.")


def order_comments(services: Services, call: Call) -> Row:
    """``GET /V1/orders/{id}/comments``: all of them, as a search tells them."""
    return _all(render.histories(services.order_of(call, "id")))


def comments(services: Services, call: Call) -> Row:
    """``GET /V1/invoices/{id}/comments``, and of shipments and credit memos."""
    return _all(render.comments(services.document_of(call)))


def _all(rows: list[Row]) -> Row:
    return {"items": rows, "search_criteria": {"filter_groups": []}, "total_count": len(rows)}


# --- the catalog -------------------------------------------------------------------------------------------


def product_types(_services: Services, _call: Call) -> list[Row]:
    """``GET /V1/products/types``."""
    return [{"name": name, "label": label} for name, label in KINDS.items()]


def delete_product(services: Services, call: Call) -> bool:
    """``DELETE /V1/products/{sku}``: its source items go with it (Inventory/Plugin/Catalog/DeleteSourceItemsPlugin)."""
    state = services.shop.state
    product = product_of(state, call.path["sku"])
    del state.products[product.sku]
    for at in [at for at in state.source_items if at[0] == product.sku]:
        del state.source_items[at]
    for skus in state.shared_catalogs.values():
        skus.discard(product.sku)
    for other in state.products.values():
        other.links = [number for number in other.links if number != product.entity_id]
    return True


def media(services: Services, call: Call) -> list[Row]:
    """``GET /V1/products/{sku}/media``."""
    return [dict(entry) for entry in product_of(services.shop.state, call.path["sku"]).media]


def attribute(services: Services, call: Call) -> Row:
    """``GET /V1/products/attributes/{attributeCode}``."""
    code = call.path["attributeCode"]
    for row in attribute_rows(services.shop):
        if row["attribute_code"] == code:
            return row
    raise ApiError(
        404,
        'The attribute with a "%1" attributeCode doesn\'t exist. Verify the attribute and try again.',
        [code],
    )


def attribute_options(services: Services, call: Call) -> list[Row]:
    """``GET /V1/products/attributes/{attributeCode}/options``."""
    options: list[Row] = attribute(services, call)["options"]
    return options


def categories(services: Services, call: Call) -> Row:
    """``GET /V1/categories/list``."""
    state = services.shop.state
    rows = (category_row(state, one) for one in state.categories.values())
    return services.search(call, rows, also=lambda row: {"entity_id": row["id"]})


def category(services: Services, call: Call) -> Row:
    """``GET /V1/categories/{categoryId}``."""
    return category_row(services.shop.state, _found(services, call))


def category_products(services: Services, call: Call) -> list[Row]:
    """``GET /V1/categories/{categoryId}/products``."""
    number = _found(services, call).id
    return [
        {"sku": one.sku, "position": one.categories[number], "category_id": str(number)}
        for one in services.shop.state.products.values()
        if number in one.categories
    ]


def _found(services: Services, call: Call) -> Category:
    number = call.number("categoryId")
    if number not in services.shop.state.categories:
        raise no_such_entity("id", number)
    return services.shop.state.categories[number]


# --- the shop ----------------------------------------------------------------------------------------------


def store_groups(_services: Services, _call: Call) -> list[Row]:
    """``GET /V1/store/storeGroups``."""
    own = {"id": 1, "website_id": 1, "root_category_id": DEFAULT, "default_store_id": 1}
    admin = {"id": 0, "website_id": 0, "root_category_id": 0, "default_store_id": 0}
    return [
        {**admin, "name": "Default", "code": "default"},
        {**own, "name": "Main Website Store", "code": "main_website_store"},
    ]


def source(services: Services, call: Call) -> Row:
    """``GET /V1/inventory/sources/{sourceCode}``."""
    code = call.path["sourceCode"]
    found = services.shop.state.sources.get(code)
    if found is None:
        raise ApiError(404, 'Source with code "%value" does not exist.', {"value": code})
    return render.source(found)


def stock(services: Services, call: Call) -> Row:
    """``GET /V1/inventory/stocks/{stockId}``."""
    number = call.number("stockId")
    found = services.shop.state.stocks.get(number)
    if found is None:
        raise ApiError(404, 'Stock with id "%value" does not exist.', {"value": str(number)})
    return render.stock(found)
