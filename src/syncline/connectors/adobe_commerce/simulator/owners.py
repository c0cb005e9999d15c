"""Which class and method of the vendor's a service that may be queued is, and which resource a caller needs for one.

Topics and results of queued calls name the first, refusals the second. webapi.xml of magento/magento2 and magento/inventory; a topic is ``async.``, class, method and HTTP verb, in small letters
(magento2: WebapiAsync/Model/Config). Of B2B, whose source is not public: assumed by the names of the OpenAPI document.
"""

from __future__ import annotations

_CATALOG = "Magento\\Catalog\\Api\\"
_CONFIGURABLE = "Magento\\ConfigurableProduct\\Api\\"
_SHARED = "Magento\\SharedCatalog\\Api\\"
_SALES = "Magento\\Sales\\Api\\"

OWNERS: dict[tuple[str, str], str] = {
    ("POST", "orders"): _SALES + "OrderRepositoryInterface::save",
    ("POST", "orders/{id}/cancel"): _SALES + "OrderManagementInterface::cancel",
    ("POST", "orders/{id}/hold"): _SALES + "OrderManagementInterface::hold",
    ("POST", "orders/{id}/unhold"): _SALES + "OrderManagementInterface::unHold",
    ("POST", "orders/{id}/comments"): _SALES + "OrderManagementInterface::addComment",
    ("POST", "order/{orderId}/invoice"): _SALES + "InvoiceOrderInterface::execute",
    ("POST", "order/{orderId}/ship"): _SALES + "ShipOrderInterface::execute",
    ("POST", "order/{orderId}/refund"): _SALES + "RefundOrderInterface::execute",
    ("POST", "shipment/track"): _SALES + "ShipmentTrackRepositoryInterface::save",
    ("POST", "products/base-prices"): _CATALOG + "BasePriceStorageInterface::update",
    ("POST", "products/tier-prices"): _CATALOG + "TierPriceStorageInterface::update",
    ("PUT", "products/tier-prices"): _CATALOG + "TierPriceStorageInterface::replace",
    ("POST", "products/special-price"): _CATALOG + "SpecialPriceStorageInterface::update",
    ("POST", "products/special-price-information"): _CATALOG + "SpecialPriceStorageInterface::get",
    ("POST", "products/special-price-delete"): _CATALOG + "SpecialPriceStorageInterface::delete",
    ("POST", "products/base-prices-information"): _CATALOG + "BasePriceStorageInterface::get",
    ("POST", "products/tier-prices-information"): _CATALOG + "TierPriceStorageInterface::get",
    ("POST", "products/tier-prices-delete"): _CATALOG + "TierPriceStorageInterface::delete",
    ("POST", "products/attributes/{attributeCode}/options"): _CATALOG
    + "ProductAttributeOptionManagementInterface::add",
    ("POST", "products/{sku}/media"): _CATALOG + "ProductAttributeMediaGalleryManagementInterface::create",
    ("POST", "configurable-products/{sku}/options"): _CONFIGURABLE + "OptionRepositoryInterface::save",
    ("POST", "configurable-products/{sku}/child"): _CONFIGURABLE + "LinkManagementInterface::addChild",
    ("POST", "categories"): _CATALOG + "CategoryRepositoryInterface::save",
    ("POST", "categories/{categoryId}/products"): _CATALOG + "CategoryLinkRepositoryInterface::save",
    ("DELETE", "categories/{categoryId}/products/{sku}"): _CATALOG
    + "CategoryLinkRepositoryInterface::deleteByIds",
    ("POST", "products"): _CATALOG + "ProductRepositoryInterface::save",
    ("PUT", "products/{sku}"): _CATALOG + "ProductRepositoryInterface::save",
    ("POST", "sharedCatalog"): _SHARED + "SharedCatalogRepositoryInterface::save",
    ("PUT", "sharedCatalog/{id}"): _SHARED + "SharedCatalogRepositoryInterface::save",
    ("DELETE", "sharedCatalog/{sharedCatalogId}"): _SHARED + "SharedCatalogRepositoryInterface::deleteById",
    **{
        (
            "POST",
            f"sharedCatalog/{{sharedCatalogId}}/{name}TierPrices",
        ): f"{_SHARED}PriceManagementInterface::{name}TierPrices"
        for name in ("assign", "reset")
    },
    **{
        (
            "POST",
            f"sharedCatalog/{{{key}}}/{name}{what}",
        ): f"{_SHARED}{manager}ManagementInterface::{name}{what}"
        for key, what, manager in (
            ("sharedCatalogId", "Companies", "Company"),
            ("id", "Categories", "Category"),
        )
        for name in ("assign", "unassign")
    },
    (
        "PUT",
        "products/{productSku}/stockItems/{itemId}",
    ): "Magento\\CatalogInventory\\Api\\StockRegistryInterface::updateStockItemBySku",
    ("DELETE", "products/{sku}"): _CATALOG + "ProductRepositoryInterface::deleteById",
    (
        "POST",
        "sharedCatalog/{id}/assignProducts",
    ): "Magento\\SharedCatalog\\Api\\ProductManagementInterface::assignProducts",
    (
        "POST",
        "sharedCatalog/{id}/unassignProducts",
    ): "Magento\\SharedCatalog\\Api\\ProductManagementInterface::unassignProducts",
    ("POST", "customers"): "Magento\\Customer\\Api\\AccountManagementInterface::createAccount",
    ("PUT", "customers/{customerId}"): "Magento\\Customer\\Api\\CustomerRepositoryInterface::save",
    ("POST", "company"): "Magento\\Company\\Api\\CompanyRepositoryInterface::save",
    ("PUT", "company/{companyId}"): "Magento\\Company\\Api\\CompanyRepositoryInterface::save",
    ("PUT", "companyCredits/{id}"): "Magento\\CompanyCredit\\Api\\CreditLimitRepositoryInterface::save",
    (
        "POST",
        "companyCredits/{creditId}/increaseBalance",
    ): "Magento\\CompanyCredit\\Api\\CreditBalanceManagementInterface::increase",
    (
        "POST",
        "companyCredits/{creditId}/decreaseBalance",
    ): "Magento\\CompanyCredit\\Api\\CreditBalanceManagementInterface::decrease",
    (
        "POST",
        "inventory/source-items-delete",
    ): "Magento\\InventoryApi\\Api\\SourceItemsDeleteInterface::execute",
    (
        "POST",
        "inventory/source-items",
    ): "Magento\\InventoryApi\\Api\\SourceItemsSaveInterface::execute",
}


# Where the address names what the service's own object says: the name, and its parameter and property. Such a name is no parameter of
# the service, so a queued call does not need it (magento2: WebapiAsync/Controller/Rest/Asynchronous/InputParamsResolver).
SAID_TWICE: dict[tuple[str, str], tuple[str, str, str]] = {
    ("PUT", "products/{sku}"): ("sku", "product", "sku"),
    ("PUT", "products/{productSku}/stockItems/{itemId}"): ("itemId", "stockItem", "item_id"),
    ("POST", "categories/{categoryId}/products"): ("categoryId", "productLink", "category_id"),
    ("PUT", "customers/{customerId}"): ("customerId", "customer", "id"),
    ("PUT", "company/{companyId}"): ("companyId", "company", "id"),
    ("PUT", "companyCredits/{id}"): ("id", "creditLimit", "id"),
}


def topic_of(method: str, owner: str) -> str:
    """The queue's topic of a service."""
    return f"async.{owner.replace('::', '.').replace(chr(92), '.')}.{method}".lower()


# By method ("": any) and how an address begins; the first that fits.
_RESOURCES = (
    ("GET", "orders", "Magento_Sales::actions_view"),
    ("GET", "inventory/source-items", "Magento_InventoryApi::source"),
    ("", "inventory/source-items", "Magento_InventoryApi::stock_source_item_assign"),
    ("", "inventory/sources", "Magento_InventoryApi::source"),
    ("", "inventory/stocks", "Magento_InventoryApi::stock"),
    ("", "inventory/stock-source-links", "Magento_InventoryApi::stock_source_link"),
    ("", "inventory/", "Magento_InventorySalesApi::stock"),
    ("", "products/attributes", "Magento_Catalog::attributes_attributes"),
    ("", "products/{sku}/media", "Magento_Catalog::catalog"),
    ("", "products/base-prices", "Magento_Catalog::catalog"),
    ("", "products/{productSku}/stockItems", "Magento_CatalogInventory::cataloginventory"),
    ("", "stockItems", "Magento_CatalogInventory::cataloginventory"),
    ("", "products/tier-prices", "Magento_Catalog::catalog"),
    ("", "products/special-price", "Magento_Catalog::catalog"),
    ("", "products", "Magento_Catalog::products"),
    ("", "configurable-products", "Magento_Catalog::products"),
    ("", "categories", "Magento_Catalog::categories"),
    ("", "customerGroups", "Magento_Customer::group"),
    ("GET", "customers", "Magento_Customer::customer"),
    ("", "customers", "Magento_Customer::manage"),
    ("", "company", "Magento_Company::index"),
    ("", "sharedCatalog", "Magento_SharedCatalog::list"),
    ("", "store/", "Magento_Backend::store"),
    ("", "bulk", "Magento_AsynchronousOperations::system_magento_logging_bulk_operations"),
    ("", "", "Magento_Sales::sales"),
)


def resource_of(method: str, template: str) -> str:
    """What a caller has to be allowed for a service. Of B2B, and of documents of an order: assumed."""
    return next(
        resource
        for verb, beginning, resource in _RESOURCES
        if verb in ("", method) and template.startswith(beginning)
    )
