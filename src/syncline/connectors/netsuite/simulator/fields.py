"""The body and line fields that each record type knows, by name and kind.

Names: REST API Browser 2026.1 (contract sheet section 5). A real account has many more, and custom
ones; whatever is not listed is unknown here, which is stricter than the product.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

# kinds: str, num, int, bool, ref, date, obj (a subrecord kept as sent), ro (computed, ignored when
# sent), enum:A|B, list:<name of a line table>
_COMMON = {
    "id": "ro",
    "links": "ro",
    "refName": "ro",
    "externalId": "str",
    "customForm": "ref",
    "lastModifiedDate": "ro",
    "createdDate": "ro",
}
_DOCUMENT = {
    **_COMMON,
    "tranId": "str",
    "tranDate": "date",
    "memo": "str",
    "subsidiary": "ref",
    "location": "ref",
    "department": "ref",
    "class": "ref",
}
_TRANSACTION = {
    **_DOCUMENT,
    "currency": "ref",
    "exchangeRate": "num",
    "status": "ro",
    "integrationId": "str",
}
_POSTING = {"postingPeriod": "ref"}
_ADDRESS = "obj"

RECORDS: dict[str, dict[str, str]] = {
    "customer": {
        **_COMMON,
        "dateCreated": "ro",
        "entityId": "str",
        "companyName": "str",
        "isPerson": "bool",
        "firstName": "str",
        "lastName": "str",
        "email": "str",
        "phone": "str",
        "comments": "str",
        "subsidiary": "ref",
        "currency": "ref",
        "terms": "ref",
        "priceLevel": "ref",
        "category": "ref",
        "salesRep": "ref",
        "isInactive": "bool",
        "creditLimit": "num",
        "creditHoldOverride": "enum:AUTO|ON|OFF",
        "balance": "ro",
        "overdueBalance": "ro",
        "depositBalance": "ro",
        "unbilledOrders": "ro",
        "consolBalance": "ro",
        "consolOverdueBalance": "ro",
        "consolDepositBalance": "ro",
        "consolUnbilledOrders": "ro",
        "daysOverdue": "ro",
        "parent": "ref",
        "vatRegNumber": "str",
        "defaultAddress": "ro",
        "addressBook": "list:address",
    },
    "inventoryItem": {
        **_COMMON,
        "itemId": "str",
        "displayName": "str",
        "salesDescription": "str",
        "upcCode": "str",
        "isInactive": "bool",
        "parent": "ref",
        "price": "list:price",
        "weight": "num",
        "unitsType": "ref",
        "baseUnit": "ro",
        "stockUnit": "str",
        "purchaseUnit": "str",
        "saleUnit": "str",
    },
    "kitItem": {
        **_COMMON,
        "itemId": "str",
        "displayName": "str",
        "description": "str",
        "upcCode": "str",
        "isInactive": "bool",
        "isFulfillable": "bool",
        "printItems": "bool",
        "parent": "ref",
        "price": "list:price",
        "weight": "num",
        "member": "list:member",
    },
    "location": {**_COMMON, "name": "str", "isInactive": "bool"},
    "salesOrder": {
        **_TRANSACTION,
        "entity": "ref",
        "otherRefNum": "str",
        "email": "str",
        "orderStatus": "enum:A|B",
        "shipDate": "date",
        "shipMethod": "ref",
        "shippingCost": "num",
        "shippingTaxCode": "ref",
        "handlingCost": "num",
        "discountItem": "ref",
        "discountRate": "num",
        "discountTotal": "ro",
        "subtotal": "ro",
        "taxTotal": "ro",
        "total": "ro",
        "altShippingCost": "ro",
        "linkedTrackingNumbers": "ro",
        "shippingAddress": _ADDRESS,
        "billingAddress": _ADDRESS,
        "shipAddress": "str",
        "billAddress": "str",
        "shipComplete": "bool",
        "salesRep": "ref",
        "salesEffectiveDate": "date",
        "terms": "ref",
        "toBeEmailed": "bool",
        "isTaxable": "bool",
        "taxItem": "ref",
        "message": "str",
        "source": "ro",
        "webStore": "str",
        "item": "list:orderLine",
    },
    "itemFulfillment": {
        **_TRANSACTION,
        **_POSTING,
        "entity": "ro",
        "createdFrom": "ref",
        "shipStatus": "enum:A|B|C",
        "shippedDate": "date",
        "shipMethod": "ref",
        "shippingAddress": _ADDRESS,
        "item": "list:fulfilLine",
        "package": "list:package",
    },
    "itemReceipt": {
        **_TRANSACTION,
        **_POSTING,
        "entity": "ro",
        "createdFrom": "ref",
        "item": "list:fulfilLine",
    },
    "returnAuthorization": {
        **_TRANSACTION,
        "entity": "ref",
        "createdFrom": "ref",
        "otherRefNum": "str",
        "orderStatus": "enum:A|B",
        "subtotal": "ro",
        "taxTotal": "ro",
        "total": "ro",
        "discountItem": "ref",
        "discountRate": "num",
        "discountTotal": "ro",
        "item": "list:orderLine",
    },
    "customerDeposit": {
        **_TRANSACTION,
        **_POSTING,
        "customer": "ref",
        "salesOrder": "ref",
        "payment": "num",
        "checkNumber": "str",
        "paymentOption": "ref",
        "account": "ref",
        "undepFunds": "obj",
        "total": "ro",
    },
    "inventoryAdjustment": {
        **_DOCUMENT,
        **_POSTING,
        "account": "ref",
        "adjLocation": "ref",
        "inventory": "list:adjustLine",
    },
    "inventoryTransfer": {
        **_DOCUMENT,
        **_POSTING,
        "transferLocation": "ref",
        "inventory": "list:adjustLine",
    },
    "invoice": {
        **_TRANSACTION,
        **_POSTING,
        "shippingCost": "num",
        "altShippingCost": "ro",
        "discountTotal": "ro",
        "entity": "ref",
        "createdFrom": "ref",
        "dueDate": "date",
        "amountRemaining": "ro",
        "subtotal": "ro",
        "taxTotal": "ro",
        "total": "ro",
        "item": "list:orderLine",
    },
}

LINES: dict[str, dict[str, str]] = {
    "orderLine": {
        "line": "int",
        "links": "ro",
        "refName": "ro",
        "item": "ref",
        "quantity": "num",
        "rate": "num",
        "amount": "num",
        "price": "ref",
        "location": "ref",
        "inventoryLocation": "ref",
        "description": "str",
        "isClosed": "bool",
        "taxCode": "ref",
        "taxRate1": "num",
        "units": "str",
        "orderLine": "int",
        "quantityCommitted": "ro",
        "quantityBackOrdered": "ro",
        "quantityFulfilled": "ro",
        "quantityBilled": "ro",
        "quantityReceived": "ro",
        "commitInventory": "enum:1|2|3",
        "expectedShipDate": "date",
    },
    "fulfilLine": {
        "line": "int",
        "links": "ro",
        "refName": "ro",
        "orderLine": "int",
        "item": "ref",
        "quantity": "num",
        "location": "ref",
        "itemReceive": "bool",
        "restock": "bool",
        "units": "ro",
        "itemType": "ro",
        "kitMemberOf": "ro",
    },
    "package": {
        "links": "ro",
        "packageTrackingNumber": "str",
        "packageDescr": "str",
        "packageWeight": "num",
    },
    "adjustLine": {
        "line": "int",
        "links": "ro",
        "item": "ref",
        "location": "ref",
        "adjustQtyBy": "num",
        "units": "str",
        "unitCost": "num",
        "memo": "str",
    },
    "address": {
        "id": "ro",
        "links": "ro",
        "internalId": "ro",
        "addressId": "str",
        "label": "str",
        "defaultBilling": "bool",
        "defaultShipping": "bool",
        "isResidential": "bool",
        "addressBookAddress": "obj",
    },
    "member": {
        "links": "ro",
        "lineNumber": "ro",
        "item": "ref",
        "quantity": "num",
        "memberDescr": "str",
        "memberUnit": "str",
    },
    "price": {"links": "ro", "currencyPage": "obj", "priceLevel": "ref", "quantity": "obj", "price": "num"},
}

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def fits(kind: str, value: Any) -> bool:
    """Whether a value can be stored in a field of this kind. ``null`` clears any field."""
    if value is None or kind in ("ro", "obj"):
        return True
    if kind == "str":
        return isinstance(value, str)
    if kind == "bool":
        return isinstance(value, bool)
    if kind in ("num", "int"):
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            return False
        return kind == "num" or isinstance(value, int)
    if kind == "date":
        return isinstance(value, str) and _DATE.fullmatch(value) is not None
    if kind == "ref":
        return isinstance(value, dict) and isinstance(value.get("id", value.get("externalId")), str | int)
    if kind.startswith("enum:"):
        given = value.get("id") if isinstance(value, dict) else value
        return given in kind[5:].split("|")
    return kind.startswith("list:") and isinstance(value, dict) and isinstance(value.get("items"), list)
