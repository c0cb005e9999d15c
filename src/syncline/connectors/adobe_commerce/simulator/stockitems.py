"""The stock item of a product, which is older than sources: it shows and sets what lies in the default source and no other.

Names from admin-schema-2.4.9.yaml (contract section 12); that a save reaches the default source: magento/inventory,
InventoryCatalog/Plugin/CatalogInventory. A product that is read by itself carries it, one of a list does not (assumed).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.adobe_commerce.simulator import AdobeCommerceSimulator
    from syncline.connectors.adobe_commerce.simulator.routes import Call, Services
    from syncline.connectors.adobe_commerce.simulator.state import Product, ShopState

from syncline.connectors.adobe_commerce.simulator.errors import ApiError
from syncline.connectors.adobe_commerce.simulator.state import SourceItem

Row = dict[str, Any]
SOURCE, STOCK = "default", 1
# What is configured for the whole shop and for no product.
_CONFIGURED = {
    "is_qty_decimal": False,
    "show_default_notification_message": False,
    "use_config_min_qty": True,
    "min_qty": 0,
    "use_config_min_sale_qty": 1,
    "min_sale_qty": 1,
    "use_config_max_sale_qty": True,
    "max_sale_qty": 10_000,
    "use_config_backorders": True,
    "backorders": 0,
    "use_config_notify_stock_qty": True,
    "notify_stock_qty": 1,
    "use_config_qty_increments": True,
    "qty_increments": 0,
    "use_config_enable_qty_inc": True,
    "enable_qty_increments": False,
    "use_config_manage_stock": True,
    "manage_stock": True,
    "low_stock_date": None,
    "is_decimal_divided": False,
    "stock_status_changed_auto": 0,
}


def stock_item(state: ShopState, product: Product) -> Row:
    """``catalog-inventory-data-stock-item-interface``."""
    held = state.item_at(product.sku, SOURCE)
    return {
        "item_id": product.entity_id,
        "product_id": product.entity_id,
        "stock_id": STOCK,
        "qty": held.quantity if held else 0,
        "is_in_stock": bool(held and held.status),
        **_CONFIGURED,
    }


def with_stock(state: ShopState, product: Product, told: Row) -> Row:
    """A product as it is told by itself."""
    extension = told["extension_attributes"] | {"stock_item": stock_item(state, product)}
    return told | {"extension_attributes": extension}


def save(shop: AdobeCommerceSimulator, product: Product, given: Mapping[str, Any]) -> None:
    """Set what lies in the default source; what is not given stays."""
    held = shop.state.item_at(product.sku, SOURCE)
    if held is None and "qty" not in given:
        return
    quantity = int(given.get("qty", held.quantity if held else 0))
    status = int(bool(given.get("is_in_stock", held.status if held else quantity > 0)))
    shop.write_source_item(SourceItem(product.sku, SOURCE, quantity, status))


def read(services: Services, call: Call) -> Row:
    """``GET /V1/stockItems/{productSku}``."""
    return stock_item(services.shop.state, _product(services, call))


def update(services: Services, call: Call) -> int:
    """``PUT /V1/products/{productSku}/stockItems/{itemId}``."""
    product = _product(services, call)
    save(services.shop, product, call.given["stockItem"])
    return product.entity_id


def _product(services: Services, call: Call) -> Product:
    sku = call.path["productSku"]
    found = services.shop.state.products.get(sku)
    if found is None:
        raise ApiError(
            404, 'The Product with the "%1" SKU doesn\'t exist. Verify the SKU and try again.', [sku]
        )
    return found
