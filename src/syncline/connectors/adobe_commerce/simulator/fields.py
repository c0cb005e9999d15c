"""What the services take: their parameters and the properties of their data objects, checked strictly.

From admin-schema-2.4.9.yaml (contract section 12). A property that a data object does not have is refused; a top-level
name that is no parameter is ignored, as the vendor does, but noted: a client that sends one is mistaken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from syncline.connectors.adobe_commerce.simulator import productfields
from syncline.connectors.adobe_commerce.simulator.errors import ApiError, required
from syncline.connectors.adobe_commerce.simulator.search import no_accessor

Note = Callable[[str], None]
_SALES = "Magento\\Sales\\Api\\Data\\"

# A type is a scalar's name, "[X]" for an array of X, or the name of a class below.
CLASSES: dict[str, tuple[str, Mapping[str, str]]] = {
    "SourceItem": (
        "Magento\\InventoryApi\\Api\\Data\\SourceItemInterface",
        {
            "sku": "string",
            "source_code": "string",
            "quantity": "float",
            "status": "int",
            "extension_attributes": "any",
        },
    ),
    "BasePrice": (
        "Magento\\Catalog\\Api\\Data\\BasePriceInterface",
        {"price": "float", "store_id": "int", "sku": "string", "extension_attributes": "any"},
    ),
    "SpecialPrice": (
        "Magento\\Catalog\\Api\\Data\\SpecialPriceInterface",
        {
            "price": "float",
            "store_id": "int",
            "sku": "string",
            "price_from": "string",
            "price_to": "string",
            "extension_attributes": "any",
        },
    ),
    "SharedCatalog": (
        "Magento\\SharedCatalog\\Api\\Data\\SharedCatalogInterface",
        {
            "id": "int",
            "name": "string",
            "description": "string",
            "customer_group_id": "int",
            "type": "int",
            "created_at": "string",
            "created_by": "int",
            "store_id": "int",
            "tax_class_id": "int",
        },
    ),
    "Product": (
        "Magento\\Catalog\\Api\\Data\\ProductInterface",
        {
            "id": "int",
            "sku": "string",
            "name": "string",
            "attribute_set_id": "int",
            "price": "float",
            "status": "int",
            "visibility": "int",
            "type_id": "string",
            "weight": "float",
            "custom_attributes": "[CustomAttribute]",
            "extension_attributes": "ProductExtension",
        },
    ),
    **productfields.CLASSES,
    "CustomAttribute": (
        "Magento\\Framework\\Api\\AttributeInterface",
        {"attribute_code": "string", "value": "any"},
    ),
    "CatalogProduct": ("Magento\\Catalog\\Api\\Data\\ProductInterface", {"sku": "string"}),
    "TierPrice": (
        "Magento\\Catalog\\Api\\Data\\TierPriceInterface",
        {
            "price": "float",
            "price_type": "string",
            "website_id": "int",
            "sku": "string",
            "customer_group": "string",
            "quantity": "float",
            "extension_attributes": "any",
        },
    ),
    "Track": (
        _SALES + "ShipmentTrackCreationInterface",
        {
            "track_number": "string",
            "title": "string",
            "carrier_code": "string",
            "extension_attributes": "any",
        },
    ),
    "ShipmentItem": (
        _SALES + "ShipmentItemCreationInterface",
        {"order_item_id": "int", "qty": "float", "extension_attributes": "any"},
    ),
    "ShipmentComment": (
        _SALES + "ShipmentCommentCreationInterface",
        {"comment": "string", "is_visible_on_front": "int", "extension_attributes": "any"},
    ),
    "ShipmentArguments": (
        _SALES + "ShipmentCreationArgumentsInterface",
        {"extension_attributes": "ShipmentArgumentsExtension"},
    ),
    "ShipmentArgumentsExtension": (
        _SALES + "ShipmentCreationArgumentsExtensionInterface",
        {"source_code": "string"},
    ),
    "InvoiceItem": (
        _SALES + "InvoiceItemCreationInterface",
        {"order_item_id": "int", "qty": "float", "extension_attributes": "any"},
    ),
    "CreditmemoItem": (
        _SALES + "CreditmemoItemCreationInterface",
        {"order_item_id": "int", "qty": "float", "extension_attributes": "any"},
    ),
    "CreditmemoArguments": (
        _SALES + "CreditmemoCreationArgumentsInterface",
        {
            "shipping_amount": "float",
            "adjustment_positive": "float",
            "adjustment_negative": "float",
            "extension_attributes": "CreditmemoArgumentsExtension",
        },
    ),
    "CreditmemoArgumentsExtension": (
        _SALES + "CreditmemoCreationArgumentsExtensionInterface",
        {"return_to_stock_items": "[int]"},
    ),
    "ShipmentTrack": (
        _SALES + "ShipmentTrackInterface",
        {
            "order_id": "int",
            "parent_id": "int",
            "track_number": "string",
            "title": "string",
            "carrier_code": "string",
            "weight": "float",
            "qty": "float",
            "description": "string",
            "extension_attributes": "any",
        },
    ),
    "StatusHistory": (
        _SALES + "OrderStatusHistoryInterface",
        {
            "comment": "string",
            "is_customer_notified": "int",
            "is_visible_on_front": "int",
            "parent_id": "int",
            "status": "string",
            "entity_name": "string",
            "created_at": "string",
            "extension_attributes": "any",
        },
    ),
    "CreditLimit": (
        "Magento\\CompanyCredit\\Api\\Data\\CreditLimitInterface",
        {
            "id": "int",
            "company_id": "int",
            "credit_limit": "float",
            "balance": "float",
            "currency_code": "string",
            "exceed_limit": "bool",
            "available_limit": "float",
            "credit_comment": "string",
            "extension_attributes": "any",
        },
    ),
    "CreditBalanceOptions": (
        "Magento\\CompanyCredit\\Api\\Data\\CreditBalanceOptionsInterface",
        {
            "purchase_order": "string",
            "order_increment": "string",
            "currency_display": "string",
            "currency_base": "string",
            "extension_attributes": "any",
        },
    ),
    "Company": (
        "Magento\\Company\\Api\\Data\\CompanyInterface",
        {
            "id": "int",
            "status": "int",
            "company_name": "string",
            "legal_name": "string",
            "company_email": "string",
            "vat_tax_id": "string",
            "reseller_id": "string",
            "comment": "string",
            "street": "[string]",
            "city": "string",
            "country_id": "string",
            "region": "string",
            "region_id": "string",
            "postcode": "string",
            "telephone": "string",
            "customer_group_id": "int",
            "sales_representative_id": "int",
            "reject_reason": "string",
            "rejected_at": "string",
            "super_user_id": "int",
            "extension_attributes": "any",
        },
    ),
    "Customer": (
        "Magento\\Customer\\Api\\Data\\CustomerInterface",
        {
            "id": "int",
            "group_id": "int",
            "default_billing": "string",
            "default_shipping": "string",
            "confirmation": "string",
            "created_at": "string",
            "updated_at": "string",
            "created_in": "string",
            "dob": "string",
            "email": "string",
            "firstname": "string",
            "lastname": "string",
            "middlename": "string",
            "prefix": "string",
            "suffix": "string",
            "gender": "int",
            "store_id": "int",
            "taxvat": "string",
            "website_id": "int",
            "addresses": "[any]",
            "disable_auto_group_change": "int",
            "extension_attributes": "CustomerExtension",
            "custom_attributes": "[any]",
        },
    ),
    "CustomerExtension": (
        "Magento\\Customer\\Api\\Data\\CustomerExtensionInterface",
        {"company_attributes": "CompanyCustomer", "is_subscribed": "bool"},
    ),
    "CompanyCustomer": (
        "Magento\\Company\\Api\\Data\\CompanyCustomerInterface",
        {
            "customer_id": "int",
            "company_id": "int",
            "job_title": "string",
            "status": "int",
            "telephone": "string",
            "extension_attributes": "any",
        },
    ),
    "OrderEntity": (
        _SALES + "OrderInterface",
        {"entity_id": "int", "ext_order_id": "string", "increment_id": "string", "status": "string"},
    ),
}

# Service -> parameter -> (type, whether it has to be there).
SERVICES: dict[str, Mapping[str, tuple[str, bool]]] = {
    "admin_token": {"username": ("string", True), "password": ("string", True)},
    "base_prices": {"prices": ("[BasePrice]", True)},
    "special_prices": {"prices": ("[SpecialPrice]", True)},
    "save_shared_catalog": {"sharedCatalog": ("SharedCatalog", True)},
    "companies": {"companies": ("[Company]", True)},
    "categories": {"categories": ("[Category]", True)},
    "tier_prices": {"prices": ("[TierPrice]", True)},
    "price_information": {"skus": ("[string]", True)},
    "save_product": {"product": ("Product", True), "saveOptions": ("bool", False)},
    **productfields.SERVICES,
    "assign_products": {"products": ("[CatalogProduct]", True)},
    "save_source_items": {"sourceItems": ("[SourceItem]", True)},
    "ship": {
        "items": ("[ShipmentItem]", False),
        "notify": ("bool", False),
        "appendComment": ("bool", False),
        "comment": ("ShipmentComment", False),
        "tracks": ("[Track]", False),
        "packages": ("[any]", False),
        "arguments": ("ShipmentArguments", False),
    },
    "add_track": {"entity": ("ShipmentTrack", True)},
    "invoice": {
        "capture": ("bool", False),
        "items": ("[InvoiceItem]", False),
        "notify": ("bool", False),
        "appendComment": ("bool", False),
        "comment": ("any", False),
        "arguments": ("any", False),
    },
    "refund": {
        "items": ("[CreditmemoItem]", False),
        "notify": ("bool", False),
        "appendComment": ("bool", False),
        "comment": ("any", False),
        "arguments": ("CreditmemoArguments", False),
    },
    "comment": {"statusHistory": ("StatusHistory", True)},
    "save_company_credit": {"creditLimit": ("CreditLimit", True)},
    "change_balance": {
        "value": ("float", True),
        "currency": ("string", True),
        "operationType": ("int", True),
        "comment": ("string", False),
        "options": ("CreditBalanceOptions", False),
    },
    "save_order": {"entity": ("OrderEntity", True)},
    "save_company": {"company": ("Company", True)},
    "save_customer": {
        "customer": ("Customer", True),
        "password": ("string", False),
        "passwordHash": ("string", False),
        "redirectUrl": ("string", False),
    },
    "none": {},
}


def taken(service: str, given: Any, note: Note, *, items_max: int | None = None) -> dict[str, Any]:
    """The parameters of a service, checked. ``items_max``: how many entries an array may have, where that is limited.

    Raises:
        ApiError: in the vendor's words.
    """
    if not isinstance(given, dict):
        raise ApiError(400, "Decoding error.")
    found: dict[str, Any] = {}
    missing: list[str] = []
    for name, (kind, needed) in SERVICES[service].items():
        value = given[name] if given.get(name) is not None else given.get(_snake(name))
        if value is not None:
            found[name] = _checked(kind, value, note, items_max)
        elif needed:
            missing.append(name)
    if len(missing) > 1:
        errors = [required(name).body for name in missing]
        raise ApiError(400, "One or more input exceptions have occurred.", errors=errors)
    if missing:
        raise required(missing[0])
    if {_snake(name) for name in given} - {_snake(name) for name in SERVICES[service]}:
        note("unknown_field")
    return found


def _snake(name: str) -> str:
    """``sourceItems`` and ``source_items`` are one name (Framework/Webapi/ServiceInputProcessor)."""
    return re.sub(r"(?<=\w)(?=[A-Z])", "_", name).lower()


def _checked(kind: str, value: Any, note: Note, items_max: int | None) -> Any:
    if kind == "any":
        return value
    if kind.startswith("["):
        inner = kind[1:-1]
        if not isinstance(value, list):
            raise _wrong_type(value, f"{_named(inner)}[]")
        if items_max is not None and len(value) > items_max:
            raise ApiError(
                400, 'Maximum items of type "%type" is %max', {"type": f"\\{_named(inner)}", "max": items_max}
            )
        return [_checked(inner, one, note, items_max) for one in value]
    if kind in CLASSES:
        owner, properties = CLASSES[kind]
        if not isinstance(value, dict):
            raise _wrong_type(value, owner)
        for name in value:
            if _snake(name) not in properties:
                note("unknown_field")
                raise no_accessor(name, owner)
        return {
            _snake(name): _checked(properties[_snake(name)], one, note, items_max)
            for name, one in value.items()
            if one is not None
        }
    return _scalar(kind, value)


def _scalar(kind: str, value: Any) -> Any:
    """Scalars are cast as PHP casts them where that loses nothing."""
    if kind == "bool":
        if isinstance(value, bool) or value in (0, 1):
            return bool(value)
    elif kind == "string":
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return str(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if kind == "float":
            return float(value)
        if value == int(value):
            return int(value)
    elif isinstance(value, str):
        try:
            return float(value) if kind == "float" else int(value)
        except ValueError:
            pass
    raise _wrong_type(value, kind)


def _wrong_type(value: Any, kind: str) -> ApiError:
    shown = value if isinstance(value, str | int | float) else "array"
    return ApiError(
        400,
        'The "%value" value\'s type is invalid. The "%type" type was expected. Verify and try again.',
        {"value": str(shown), "type": kind},
    )


def _named(kind: str) -> str:
    return CLASSES[kind][0] if kind in CLASSES else kind
