"""What the services of products take; the same kind of tables as in ``fields``, from admin-schema-2.4.9.yaml (contract section 12)."""

from __future__ import annotations

from collections.abc import Mapping

_CATALOG = "Magento\\Catalog\\Api\\Data\\"
_CONFIGURABLE = "Magento\\ConfigurableProduct\\Api\\Data\\"

CLASSES: dict[str, tuple[str, Mapping[str, str]]] = {
    "ProductExtension": (
        _CATALOG + "ProductExtensionInterface",
        {
            "website_ids": "[int]",
            "category_links": "[CategoryLink]",
            "stock_item": "StockItem",
            "configurable_product_options": "[ConfigurableOption]",
            "configurable_product_links": "[int]",
        },
    ),
    "StockItem": (
        "Magento\\CatalogInventory\\Api\\Data\\StockItemInterface",
        {
            "item_id": "int",
            "product_id": "int",
            "stock_id": "int",
            "qty": "float",
            "is_in_stock": "bool",
            "is_qty_decimal": "bool",
            "show_default_notification_message": "bool",
            "use_config_min_qty": "bool",
            "min_qty": "float",
            "use_config_min_sale_qty": "int",
            "min_sale_qty": "float",
            "use_config_max_sale_qty": "bool",
            "max_sale_qty": "float",
            "use_config_backorders": "bool",
            "backorders": "int",
            "use_config_notify_stock_qty": "bool",
            "notify_stock_qty": "float",
            "use_config_qty_increments": "bool",
            "qty_increments": "float",
            "use_config_enable_qty_inc": "bool",
            "enable_qty_increments": "bool",
            "use_config_manage_stock": "bool",
            "manage_stock": "bool",
            "low_stock_date": "string",
            "is_decimal_divided": "bool",
            "stock_status_changed_auto": "int",
            "extension_attributes": "any",
        },
    ),
    "CategoryLink": (
        _CATALOG + "CategoryLinkInterface",
        {"position": "int", "category_id": "string", "extension_attributes": "any"},
    ),
    "ConfigurableOption": (
        _CONFIGURABLE + "OptionInterface",
        {
            "id": "int",
            "attribute_id": "string",
            "label": "string",
            "position": "int",
            "is_use_default": "bool",
            "values": "[ConfigurableValue]",
            "extension_attributes": "any",
            "product_id": "int",
        },
    ),
    "ConfigurableValue": (
        _CONFIGURABLE + "OptionValueInterface",
        {"value_index": "int", "extension_attributes": "any"},
    ),
    "AttributeOption": (
        "Magento\\Eav\\Api\\Data\\AttributeOptionInterface",
        {
            "label": "string",
            "value": "string",
            "sort_order": "int",
            "is_default": "bool",
            "store_labels": "[any]",
        },
    ),
    "MediaEntry": (
        _CATALOG + "ProductAttributeMediaGalleryEntryInterface",
        {
            "id": "int",
            "media_type": "string",
            "label": "string",
            "position": "int",
            "disabled": "bool",
            "types": "[string]",
            "file": "string",
            "content": "ImageContent",
            "extension_attributes": "any",
        },
    ),
    "ImageContent": (
        "Magento\\Framework\\Api\\Data\\ImageContentInterface",
        {"base64_encoded_data": "string", "type": "string", "name": "string"},
    ),
    "Category": (
        _CATALOG + "CategoryInterface",
        {
            "id": "int",
            "parent_id": "int",
            "name": "string",
            "is_active": "bool",
            "position": "int",
            "include_in_menu": "bool",
            "extension_attributes": "any",
            "custom_attributes": "[CustomAttribute]",
        },
    ),
    "ProductLink": (
        _CATALOG + "CategoryProductLinkInterface",
        {"sku": "string", "position": "int", "category_id": "string", "extension_attributes": "any"},
    ),
}

SERVICES: dict[str, Mapping[str, tuple[str, bool]]] = {
    "save_option": {"option": ("AttributeOption", True)},
    "save_configurable_option": {"option": ("ConfigurableOption", True)},
    "add_child": {"childSku": ("string", True)},
    "save_media": {"entry": ("MediaEntry", True)},
    "save_stock_item": {"stockItem": ("StockItem", True)},
    "save_category": {"category": ("Category", True)},
    "link_product": {"productLink": ("ProductLink", True)},
}
