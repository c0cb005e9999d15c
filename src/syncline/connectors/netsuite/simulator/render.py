"""What a read returns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from syncline.connectors.netsuite.simulator import kits
from syncline.connectors.netsuite.simulator.errors import missing_record
from syncline.connectors.netsuite.simulator.paging import Paging
from syncline.connectors.netsuite.simulator.state import (
    STATUS_NAMES,
    TRANSACTION_KINDS,
    Account,
    Item,
    Line,
    Party,
    Place,
    Txn,
)

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_SUBLISTS = ("item", "package", "inventory", "addressBook", "price", "member")
_SUBRECORDS = ("shippingAddress", "billingAddress")


def instant(at_ms: int) -> str:
    """A date-time field: UTC, whole seconds."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Renderer:
    """Shapes records for one request."""

    def __init__(self, account: Account, origin: str) -> None:
        self._account = account
        self._base = f"{origin}/services/rest/record/v1"

    def collection(self, record: str, ids: list[int], query: Mapping[str, str]) -> bytes:
        """Ids and links, never fields (NS:section_1545222128)."""
        page = Paging.of(query)
        some = [
            {"links": self._self(record, i), "id": str(i)}
            for i in ids[page.offset : page.offset + page.limit]
        ]
        more = {"q": query["q"]} if query.get("q") else {}
        return _ENCODER.encode(page.envelope(f"{self._base}/{record}", some, len(ids), **more))

    def record(self, record: str, found: Any, query: Mapping[str, str]) -> bytes:
        """One record; sublists are links unless they are asked to be expanded."""
        expand = query.get("expandSubResources", "false").lower() == "true"
        simple = query.get("simpleEnumFormat", "false").lower() == "true"
        answer = self._shape(record, found)
        if wanted := [name for name in query.get("fields", "").split(",") if name]:
            answer = {k: v for k, v in answer.items() if k == "links" or k in wanted}
        for name in (*_SUBLISTS, *_SUBRECORDS):
            if answer.get(name) is not None:
                answer[name] = _part(f"{self._base}/{record}/{found.id}/{name}", answer[name], expand=expand)
        if simple:
            for name in ("orderStatus", "status", "shipStatus"):
                if isinstance(answer.get(name), dict):
                    answer[name] = answer[name]["id"]
        return _ENCODER.encode({k: v for k, v in answer.items() if v is not None})

    def part(
        self, record: str, found: Any, names: list[str], query: Mapping[str, str]
    ) -> bytes | tuple[str, str]:
        """A sublist, one of its lines, or a subrecord (NS:section_159894563219); of a reference, what it refers to.

        Raises:
            ApiError: there is no such part.
        """
        expand = query.get("expandSubResources", "false").lower() == "true"
        shape = {k.casefold(): (k, v) for k, v in self._shape(record, found).items()}
        name, value = shape.get(names[0].casefold(), (names[0], None))
        href = f"{self._base}/{record}/{found.id}/{name}"
        if isinstance(value, list) and len(names) <= 2:
            if len(names) == 1:
                return _ENCODER.encode(_part(href, value, expand=True, lines=expand))
            for row in _lines(href, value):
                if row["links"][0]["href"] == f"{href}/{names[1]}":
                    return _ENCODER.encode(row)
        elif isinstance(value, dict) and len(names) == 1:
            if name in _SUBRECORDS:
                return _ENCODER.encode(_part(href, value, expand=True))
            if "id" in value and value.get("links"):
                kind, _, number = value["links"][0]["href"].removeprefix(f"{self._base}/").partition("/")
                return kind, number
        raise missing_record()

    def _self(self, record: str, number: int) -> list[dict[str, str]]:
        return [{"rel": "self", "href": f"{self._base}/{record}/{number}"}]

    def _ref(self, record: str, number: int | None, name: str | None) -> dict[str, Any] | None:
        if number is None:
            return None
        return {"links": self._self(record, number), "id": str(number), "refName": name}

    def _shape(self, record: str, found: Any) -> dict[str, Any]:
        head: dict[str, Any] = {"links": self._self(record, found.id), "id": str(found.id)}
        if isinstance(found, Party):
            book = found.fields.get("addressBook")
            self._account.add_up()
            owed = self._account.balances.of(found.id)
            sums = {"balance": owed.balance, "unbilledOrders": owed.unbilled}
            return {
                **head,
                "externalId": found.external_id,
                **found.fields,
                **{name: Decimal(str(found.fields.get(name) or 0)) + since for name, since in sums.items()},
                "addressBook": None if book is None else [{"id": str(n), **a} for n, a in enumerate(book, 1)],
                "dateCreated": instant(found.created_ms),
                "lastModifiedDate": instant(found.modified_ms),
            }
        if isinstance(found, Item):
            price = {
                "currencyPage": {"id": "1"},
                "priceLevel": {"id": "1", "refName": "Base Price"},
                "quantity": {"value": "0"},
                "price": found.base_price,
            }
            return {
                **head,
                "externalId": found.external_id,
                "itemId": found.sku,
                "displayName": found.title,
                "isInactive": False,
                **self._units(found),
                **found.fields,
                **self._members(found),
                "price": [price],
                "createdDate": instant(found.created_ms),
                "lastModifiedDate": instant(found.modified_ms),
            }
        if isinstance(found, Place):
            return {**head, "name": found.name, "isInactive": False}
        return {**head, **self._transaction(found)}

    def _members(self, item: Item) -> dict[str, Any]:
        of = [(number, self._account.items[number], each) for number, each in item.members.items()]
        rows = [
            {"lineNumber": n, "item": self._ref(record_of(one), number, one.sku), "quantity": each}
            for n, (number, one, each) in enumerate(of, 1)
        ]
        return {"member": rows} if rows else {}

    def _units(self, item: Item) -> dict[str, Any]:
        account = self._account
        if item.units_type is None:
            return {}
        units = {
            "baseUnit": account.base_unit(item),
            "stockUnit": item.stock_unit,
            "purchaseUnit": item.purchase_unit,
            "saleUnit": item.sale_unit,
        }
        of = self._ref("unitsType", item.units_type, account.units_types[item.units_type])
        return {"unitsType": of, **{name: None if u is None else str(u) for name, u in units.items()}}

    def _transaction(self, t: Txn) -> dict[str, Any]:
        account = self._account
        customer = account.customers.get(t.entity or 0)
        name = (
            None
            if customer is None
            else customer.fields.get("companyName") or customer.fields.get("entityId")
        )
        answer: dict[str, Any] = {
            "externalId": t.external_id,
            "tranId": t.tranid,
            "tranDate": account.local(t.created_ms)[:10],
            **t.fields,
            **self._currency(t),
            "createdDate": instant(t.created_ms),
            "lastModifiedDate": instant(t.modified_ms),
        }
        if t.status is not None:
            label = STATUS_NAMES.get(t.kind, {}).get(t.status, t.status)
            key = "shipStatus" if t.record == "itemFulfillment" else "status"
            answer[key] = {"id": t.status, "refName": label}
            if t.record in ("salesOrder", "returnAuthorization") and t.status in ("A", "B"):
                answer["orderStatus"] = {"id": t.status, "refName": label}
        source = account.txns.get(t.created_from or 0)
        if t.record == "customerDeposit":
            answer["customer"] = self._ref("customer", t.entity, name)
            if source is not None:
                answer["salesOrder"] = self._ref("salesOrder", source.id, _document(source))
            answer["total"] = t.total
            return answer
        answer["entity"] = self._ref("customer", t.entity, name)
        if source is not None:
            answer["createdFrom"] = self._ref(source.record, source.id, _document(source))
        if t.record in ("salesOrder", "returnAuthorization", "invoice"):
            answer |= {"subtotal": t.subtotal, "discountTotal": t.discount, "total": t.total}
            if t.record != "returnAuthorization":
                answer |= {"shippingCost": t.shipping, "altShippingCost": t.shipping}
            if account.tax_rate is not None:
                answer["taxTotal"] = t.tax
        if t.record == "invoice":
            answer["amountRemaining"] = t.total - t.settled
        if t.record == "salesOrder":
            numbers = [
                number
                for child in account.children.get(t.id, [])
                for number, _ in account.txns[child].tracking
            ]
            answer["linkedTrackingNumbers"] = " ".join(numbers) or None
        if t.record == "itemFulfillment":
            answer["package"] = [{"packageTrackingNumber": number} for number, _ in t.tracking]
        if t.record == "inventoryTransfer":  # told once, with both places; it is kept as two lines
            left, came = (self._line(t, line) for line in t.lines)
            moved = {"line": 1, "item": came["item"], "adjustQtyBy": came["quantity"]}
            return answer | {
                "location": left["location"],
                "transferLocation": came["location"],
                "inventory": [moved],
            }
        name_of = "inventory" if t.record == "inventoryAdjustment" else "item"
        # Of a kit only a fulfillment and a receipt show the members (RB26.1: ``kitMemberOf``).
        lines = t.all_lines if t.record in ("itemFulfillment", "itemReceipt") else t.lines
        answer[name_of] = [self._line(t, line) for line in lines]
        return answer

    def _currency(self, t: Txn) -> dict[str, Any]:
        if t.record in ("inventoryAdjustment", "inventoryTransfer"):  # in the account's own
            return {}
        name = {"refName": self._account.currency} if t.currency == 1 else {}
        return {"currency": {"id": str(t.currency), **name}}

    def _line(self, t: Txn, line: Line) -> dict[str, Any]:
        account = self._account
        item = account.items[line.item]
        place = account.places.get(line.location or 0)
        shape: dict[str, Any] = {
            "line": line.number,
            "item": self._ref(record_of(item), item.id, item.sku),
            "location": None if place is None else self._ref("location", place.id, place.name),
        }
        rate = account.rate_of(line.unit)

        def count(quantity: int | None) -> Decimal | int | None:
            """Base units in those of the line; how many decimals the product shows is an assumption."""
            if quantity is None or rate == 1:
                return quantity
            shown = quantity / rate
            return int(shown) if shown == int(shown) else round(shown, 8)

        if line.unit is not None:
            shape["units"] = str(line.unit)
        if t.record == "inventoryAdjustment":
            shape["adjustQtyBy"] = count(line.quantity)
            return shape
        shape["quantity"] = count(line.quantity)
        if t.record in ("itemFulfillment", "itemReceipt"):
            shape |= {"orderLine": line.order_line, "itemType": item.kind, "kitMemberOf": line.member_of}
            shape["itemReceive"] = True
        else:
            shape |= {
                "rate": line.rate,
                "amount": line.amount,
                "price": {
                    "id": line.price_level,
                    "refName": "Custom" if line.price_level == "-1" else "Base Price",
                },
                "isClosed": line.closed,
                "description": line.memo,
                "quantityBilled": count(line.billed),
            }
        if t.record == "salesOrder" and (item.stocked or line.members):
            committed, backordered = kits.told(account, line)
            shape |= {"quantityCommitted": count(committed), "quantityBackOrdered": count(backordered)}
        if t.record == "salesOrder" and item.sent:
            shape["quantityFulfilled"] = count(line.done)
        if t.record == "returnAuthorization" and item.sent:
            shape["quantityReceived"] = count(line.done)
        return {k: v for k, v in shape.items() if v is not None}


def record_of(item: Item) -> str:
    """The type of an item's record."""
    if item.kind == "Kit":
        return "kitItem"
    return "inventoryItem" if item.stocked else "nonInventorySaleItem"


def _document(t: Txn) -> str:
    return f"{TRANSACTION_KINDS[t.record][2]} #{t.tranid}"


def _lines(href: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A sublist's lines, each with its own address."""
    return [
        {"links": [{"rel": "self", "href": f"{href}/{row.get('id') or row.get('line') or n}"}], **row}
        for n, row in enumerate(rows, 1)
    ]


def _part(href: str, value: Any, *, expand: bool, lines: bool = True) -> dict[str, Any]:
    """A sublist or a subrecord: whole, with its lines as links only, or as a link."""
    links = [{"rel": "self", "href": href}]
    if not expand:
        return {"links": links}
    if not isinstance(value, list):
        return {"links": links, **value}
    items = _lines(href, value)
    return {
        "links": links,
        "count": len(items),
        "hasMore": False,
        "items": items if lines else [{"links": row["links"]} for row in items],
        "offset": 0,
        "totalResults": len(items),
    }
