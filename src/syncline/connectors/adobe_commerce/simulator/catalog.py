"""Saving products, and the products of shared catalogs.

Contract sections 6 and 11 and admin-schema-2.4.9.yaml. Unsure, and so assumed: that POST and PUT save alike, whether or not the
product is there (both are ``ProductRepositoryInterface::save``); that an attribute without a definition is ignored; messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.adobe_commerce.simulator import AdobeCommerceSimulator
    from syncline.connectors.adobe_commerce.simulator.state import ShopState

from syncline.connectors.adobe_commerce.simulator import merchandise, render, stockitems
from syncline.connectors.adobe_commerce.simulator.errors import ApiError, no_such_entity

Row = dict[str, Any]


def save(shop: AdobeCommerceSimulator, given: Row, sku: str, store: str) -> Row:
    """``POST /V1/products`` and ``PUT /V1/products/{sku}``: what is sent is set, the rest stays."""
    state = shop.state
    sku = sku or given.get("sku", "")
    product = state.products.get(sku)
    is_new = product is None
    attributes = {one["attribute_code"]: one.get("value") for one in given.get("custom_attributes") or ()}
    if product is None:
        priced = () if given.get("type_id") == merchandise.CONFIGURABLE else ("price",)
        for name in ("sku", "name", "attribute_set_id", *priced):
            if given.get(name) in (None, ""):
                raise ApiError(
                    400, 'The "%1" attribute value is empty. Set the attribute and try again.', [name]
                )
        product = shop.add_product(
            sku, given["name"], given.get("price", 0.0), {}, kind=given.get("type_id", "simple")
        )
        product.status, store = given.get("status", 1), "all"
    if store not in ("all", "default"):
        # A store view's values stand in place of the others (contract section 11).
        texts = product.texts.setdefault(store, {})
        texts |= {"name": given["name"]} if "name" in given else {}
        texts |= attributes
    else:
        if store == "default":
            shop.ledger.breach("store_scope")
        product.name = given.get("name", product.name)
        product.status = given.get("status", product.status)
        product.visibility = given.get("visibility", product.visibility)
        for code, value in attributes.items():
            if code in state.selects and value and not str(value).isdigit():
                shop.ledger.breach("option_value")  # it would be taken, and shown as nothing
            if code in shop.attributes or code in state.selects:
                product.attributes[code] = value
        try:
            merchandise.save_extension(shop, product, given.get("extension_attributes") or {})
        except ApiError:
            if is_new:
                del state.products[sku]
            raise
    if "price" in given:
        product.price_minor = round(given["price"] * 100)
    product.updated_ms = shop.clock.now_ms()
    state.product_log.append((sku, product.name, product.status, merchandise.priced(state, product)))
    return stockitems.with_stock(state, product, render.product(product))


def listed(state: ShopState, number: int) -> list[str]:
    """``GET /V1/sharedCatalog/{id}/products``."""
    if number not in state.shared_catalogs:
        raise no_such_entity("id", number)
    return sorted(state.shared_catalogs[number])


def assign(state: ShopState, number: int, rows: list[Row], *, into: bool) -> bool:
    """``POST /V1/sharedCatalog/{id}/assignProducts`` and ``unassignProducts``."""
    if number not in state.shared_catalogs:
        raise no_such_entity("id", number)
    skus = {row.get("sku", "") for row in rows}
    if unknown := sorted(skus - set(state.products)):
        raise ApiError(400, "Requested product doesn't exist: %sku.", {"sku": unknown[0]})
    held = state.shared_catalogs[number]
    state.shared_catalogs[number] = held | skus if into else held - skus
    return True
