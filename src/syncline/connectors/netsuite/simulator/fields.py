"""The body and line fields that each record type knows, by name and kind.

Names: REST API Browser 2026.1 (contract sheet section 5). A real account has many more, and custom
ones; whatever is not listed is unknown here, which is stricter than the product.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from syncline.connectors.netsuite.simulator.errors import ApiError

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
_TRANSACTION = {
    **_COMMON,
    "tranId": "str",
    "tranDate": "date",
    "memo": "str",
    "currency": "ref",
    "exchangeRate": "num",
    "subsidiary": "ref",
    "location": "ref",
    "department": "ref",
    "class": "ref",
    "status": "ro",
    "postingPeriod": "ref",
    "integrationId": "str",
}
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
        "entity": "ro",
        "createdFrom": "ref",
        "shipStatus": "enum:A|B|C",
        "shippedDate": "date",
        "shipMethod": "ref",
        "shippingAddress": _ADDRESS,
        "item": "list:fulfilLine",
        "package": "list:package",
    },
    "itemReceipt": {**_TRANSACTION, "entity": "ro", "createdFrom": "ref", "item": "list:fulfilLine"},
    "returnAuthorization": {
        **_TRANSACTION,
        "entity": "ref",
        "createdFrom": "ref",
        "otherRefNum": "str",
        "orderStatus": "enum:A|B",
        "subtotal": "ro",
        "taxTotal": "ro",
        "total": "ro",
        "shippingCost": "num",
        "item": "list:orderLine",
    },
    "customerDeposit": {
        **_TRANSACTION,
        "customer": "ref",
        "salesOrder": "ref",
        "payment": "num",
        "checkNum": "str",
        "paymentMethod": "ref",
        "paymentOption": "ref",
        "account": "ref",
        "undepFunds": "obj",
        "total": "ro",
    },
    "inventoryAdjustment": {
        **_TRANSACTION,
        "account": "ref",
        "adjLocation": "ref",
        "inventory": "list:adjustLine",
    },
    "inventoryTransfer": {**_TRANSACTION},
    "invoice": {
        **_TRANSACTION,
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


def schema(record: str) -> dict[str, Any]:
    """The ``metadata-catalog`` JSON schema of one record type."""
    plain = {"str": "string", "num": "number", "int": "integer", "bool": "boolean", "date": "string"}

    def of(kind: str) -> dict[str, Any]:
        if kind in plain:
            shape: dict[str, Any] = {"type": plain[kind], "nullable": True}
            if kind == "date":
                shape["format"] = "date"
            return shape
        if kind.startswith("list:"):
            rows = {n: of(k) for n, k in LINES[kind[5:]].items()}
            return {
                "type": "object",
                "properties": {"items": {"type": "array", "items": {"type": "object", "properties": rows}}},
            }
        if kind.startswith("enum:"):
            return {"type": "object", "properties": {"id": {"type": "string", "enum": kind[5:].split("|")}}}
        return {"type": "object"}

    return {
        "type": "object",
        "properties": {
            name: of(kind) | ({} if kind == "obj" or kind.startswith("list:") else {"x-ns-filterable": True})
            for name, kind in RECORDS[record].items()
        },
    }


def catalog(
    parts: list[str],
    query: Mapping[str, str],
    headers: Mapping[str, str],
    origin: str,
) -> tuple[bytes, dict[str, str]]:
    """Answer ``metadata-catalog``: body and headers (RB26.1, NS:section_1540810174; minimal, true to this simulator)."""
    names = [parts[1]] if len(parts) > 1 else [x for x in query.get("select", "").split(",") if x]
    names = names or list(RECORDS)
    if unknown := [n for n in names if n not in RECORDS]:
        raise ApiError(404, "INVALID_REQUEST", f"Record type '{unknown[0]}' does not exist.")
    accept = headers.get("accept", "")
    if "schema+json" in accept and len(parts) > 1:
        answer: dict[str, Any] = {
            "$schema": "http://json-schema.org/draft-06/hyper-schema#",
            **schema(parts[1]),
        }
        kind = "application/schema+json"
    elif "swagger+json" in accept:
        paths: dict[str, Any] = {}
        for name in names:
            paths[f"/{name}"] = {m: {"tags": [name], "responses": {}} for m in ("get", "post")}
            paths[f"/{name}/{{id}}"] = {
                m: {"tags": [name], "responses": {}} for m in ("get", "patch", "put", "delete")
            }
        answer = {
            "openapi": "3.0.1",
            "info": {"title": "NetSuite REST Record API", "version": "v1"},
            "paths": paths,
            "components": {"schemas": {n: schema(n) for n in names}},
        }
        kind = "application/swagger+json"
    else:
        entries = [{"name": n, "links": _described(origin, n)} for n in names]
        answer = {"items": entries} if len(parts) == 1 else entries[0]
        kind = "application/json"
    return msgspec.json.encode(answer), {"content-type": kind}


def _described(origin: str, record: str) -> list[dict[str, str]]:
    """Where a record type is described, in which forms, and where its records are."""
    base = f"{origin}/services/rest/record/v1"
    forms = ("canonical", "json"), ("alternate", "swagger+json"), ("alternate", "schema+json")
    return [
        *(
            {"rel": rel, "href": f"{base}/metadata-catalog/{record}", "mediaType": f"application/{form}"}
            for rel, form in forms
        ),
        {"rel": "describes", "href": f"{base}/{record}"},
    ]
