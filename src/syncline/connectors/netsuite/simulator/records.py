"""The record service: create, read, update, upsert, delete, transform, list.

Rules: contract sheet sections 3 and 5. A request is checked whole before anything changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from syncline.connectors.netsuite.simulator import fields as tables
from syncline.connectors.netsuite.simulator.catalogue import TRANSFORMS, catalog
from syncline.connectors.netsuite.simulator.documents import Documents
from syncline.connectors.netsuite.simulator.errors import (
    ApiError,
    invalid_content,
    invalid_reference,
    missing_record,
    user_error,
)
from syncline.connectors.netsuite.simulator.listing import matching
from syncline.connectors.netsuite.simulator.render import Renderer, record_of
from syncline.connectors.netsuite.simulator.saleslines import SalesLines
from syncline.connectors.netsuite.simulator.state import Account, Item, Line, Party, Txn
from syncline.connectors.netsuite.simulator.validation import Validation

EXTERNAL_ID = re.compile(r"[A-Za-z0-9_-]+")
COLLECTION = {"content-type": "application/vnd.oracle.resource+json; type=collection"}
_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


@dataclass(slots=True)
class Reply:
    """An answer before it is sent."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    applied: bool = False
    detail: str = ""


class Records:
    """Serves ``/services/rest/record/v1``."""

    def __init__(self, account: Account, documents: Documents, breach: Any) -> None:
        self._account = account
        self._documents = documents
        self._breach = breach
        self._sales = SalesLines(account, documents, breach)

    # -- entry points -------------------------------------------------------------------------

    def handle(
        self,
        method: str,
        parts: list[str],
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        origin: str,
    ) -> Reply:
        """Answer one request below ``/record/v1``."""
        if parts[0] == "metadata-catalog":
            return Reply(200, *catalog(parts, query, headers, origin))
        record = parts[0]
        if record not in tables.RECORDS:
            raise ApiError(404, "INVALID_REQUEST", f"Record type '{record}' does not exist.")
        render = Renderer(self._account, origin)
        if method == "GET":
            if len(parts) == 1:
                found = matching(self._account, record, query.get("q"))
                return Reply(200, render.collection(record, found, query), COLLECTION)
            found = self._find(record, parts[1])
            if len(parts) == 2:
                return Reply(200, render.record(record, found, query))
            part = render.part(record, found, parts[2:], query)
            if isinstance(part, bytes):
                return Reply(200, part)
            record, number = part
            if record not in tables.RECORDS:
                raise missing_record()
            return Reply(200, render.record(record, self._find(record, number), query))
        validation = Validation.of(headers)
        if validation.names != "error":
            self._breach("unknown_field")
        try:
            reply = self._write(method, record, parts, query, body, validation, origin)
        finally:
            if validation.dropped:
                self._breach("unknown_field")
        if validation.dropped and validation.names == "warning":
            # The header's name is in public client definitions; its wording is an assumption.
            dropped = ", ".join(validation.dropped)
            reply.headers["x-netsuite-warning"] = f"Unknown or invalid fields were ignored: {dropped}"
        return reply

    def _write(
        self,
        method: str,
        record: str,
        parts: list[str],
        query: Mapping[str, str],
        body: bytes,
        validation: Validation,
        origin: str,
    ) -> Reply:
        if method == "DELETE" and len(parts) == 2:
            self._delete(record, parts[1])
            return Reply(204, applied=True)
        if method == "POST" and len(parts) == 4 and parts[2] == "!transform":
            made = self._transform(record, parts[1], parts[3], self._body(body, parts[3], validation))
            return self._created(origin, parts[3], made)
        content = self._body(body, record, validation)
        replace = tuple(query.get("replace", "").split(",")) if query.get("replace") else ()
        if method == "POST" and len(parts) == 1:
            external_id = content.get("externalId")
            if external_id is not None:
                self._check_external(external_id)
                if self._account.find_external(record, external_id) is not None:
                    kind = "entity" if record == "customer" else "record"
                    raise user_error(f"This {kind} already exists.")
            return self._created(origin, record, self._create(record, content, external_id))
        if method == "PATCH" and len(parts) == 2:
            found = self._find(record, parts[1])
            self._update(record, found, content, replace)
            return self._created(origin, record, found.id)
        if method == "PUT" and len(parts) == 2:
            if not parts[1].startswith("eid:"):
                raise ApiError(400, "INVALID_REQUEST", "PUT needs an external id: eid:<externalId>.")
            external_id = parts[1][4:]
            self._check_external(external_id)
            known = self._account.find_external(record, external_id)
            if known is None:
                return self._created(origin, record, self._create(record, content, external_id))
            self._update(record, self._find(record, str(known)), content, replace)
            return self._created(origin, record, known)
        raise ApiError(405, "INVALID_REQUEST", f"The method {method} is not allowed here.")

    @staticmethod
    def _created(origin: str, record: str, number: int) -> Reply:
        # 204, no body: the id exists in the Location header only.
        url = f"{origin}/services/rest/record/v1/{record}/{number}"
        return Reply(204, headers={"location": url}, applied=True, detail=f"{record}/{number}")

    def _body(self, body: bytes, record: str, validation: Validation) -> dict[str, Any]:
        if record not in tables.RECORDS:
            raise ApiError(404, "INVALID_REQUEST", f"Record type '{record}' does not exist.")
        if not body.strip():
            return {}
        try:
            content = _DECODER.decode(body)
        except msgspec.DecodeError as error:
            raise invalid_content("Invalid content in the request body.") from error
        own = self._account.custom_fields.get(record, {})
        return validation.clean({**tables.RECORDS[record], **own}, content)

    @staticmethod
    def _check_external(external_id: str) -> None:
        # Letters, digits, _ and - only; anything else breaks the URL form (contract sheet section 3).
        if not EXTERNAL_ID.fullmatch(external_id):
            raise invalid_content(
                "The external id may contain letters, digits, '_' and '-' only.", "externalId"
            )

    # -- finding ------------------------------------------------------------------------------

    def _find(self, record: str, ident: str) -> Any:
        if ident.startswith("eid:"):
            number = self._account.find_external(record, ident[4:])
        else:
            number = int(ident) if ident.isdigit() else None
        if number is None:
            raise missing_record()
        if record in ("customer", "inventoryItem", "kitItem", "location"):
            stores: dict[str, Mapping[int, Any]] = {
                "customer": self._account.customers,
                "inventoryItem": self._account.items,
                "kitItem": self._account.items,
                "location": self._account.places,
            }
            found = stores[record].get(number)
            # Item types are different record types: another type's id does not exist here.
            if found is None or (isinstance(found, Item) and record_of(found) != record):
                raise missing_record()
            return found
        txn = self._account.txns.get(number)
        if txn is None or txn.record != record:
            raise missing_record()
        return txn

    # -- writing ------------------------------------------------------------------------------

    def _create(self, record: str, content: dict[str, Any], external_id: str | None) -> int:
        if record == "customer":
            return self._save_customer(None, content, external_id).id
        if record == "salesOrder":
            return self._sales.create(content, external_id).id
        if record == "customerDeposit":
            return self._create_deposit(content, external_id).id
        if record == "returnAuthorization":
            return self._sales.create_return(content, external_id).id
        if record == "inventoryAdjustment":
            return self._create_adjustment(content, external_id).id
        raise user_error(f"A {record} cannot be created this way.")

    def _update(self, record: str, found: Any, content: dict[str, Any], replace: tuple[str, ...]) -> None:
        content = {k: v for k, v in content.items() if k != "externalId"}
        if record == "customer":
            self._save_customer(found, content, found.external_id)
        elif record == "salesOrder":
            self._sales.update(found, content, replace)
        elif record == "itemFulfillment":
            self._update_shipment(found, content)
        elif isinstance(found, Txn):
            if any(isinstance(v, list) for v in content.values()):
                raise user_error("The lines of this record cannot be edited.")
            found.fields.update(content)
            self._documents.save(found, "edit")
        else:
            raise user_error(f"A {record} cannot be edited this way.")

    def _update_shipment(self, shipment: Txn, content: dict[str, Any]) -> None:
        if "item" in content:
            raise user_error("The lines of this record cannot be edited.", "item")
        status = str((content.pop("shipStatus", None) or {}).get("id", shipment.status))
        packages = content.pop("package", None) or []
        shipment.fields.update(content)
        self._documents.track(shipment, self._tracking(packages))
        self._documents.set_ship_status(shipment, status, "edit")

    @staticmethod
    def _tracking(packages: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
        return [(p["packageTrackingNumber"], None) for p in packages if p.get("packageTrackingNumber")]

    def _save_customer(self, found: Party | None, content: dict[str, Any], external_id: str | None) -> Party:
        merged = {
            **(found.fields if found else {}),
            **{k: v for k, v in content.items() if k != "externalId"},
        }
        if merged.get("isPerson"):
            if not merged.get("lastName"):
                raise user_error("Please enter value(s) for: Last Name", "lastName")
        elif not merged.get("companyName"):
            raise user_error("Please enter value(s) for: Company Name", "companyName")
        name = merged.get("entityId")
        if name and any(
            c.fields.get("entityId") == name for c in self._account.customers.values() if c is not found
        ):
            raise user_error("A customer record with this ID already exists.", "entityId")
        now = self._account.clock.now_ms()
        if found is None:
            found = Party(self._account.take("customer"), external_id, now, now)
            merged.setdefault("entityId", f"CUST{found.id}")
            self._account.customers[found.id] = found
            if external_id is not None:
                self._account.external["customer", external_id.casefold()] = found.id
        found.fields = merged
        found.modified_ms = now
        self._account.touch_customer(found)
        return found

    def _create_deposit(self, content: dict[str, Any], external_id: str | None) -> Txn:
        customer = self._sales.ref(content.get("customer"), "customer", "customer")
        order = content.get("salesOrder")
        order_id = None if order is None else self._sales.ref(order, "salesOrder", "salesOrder")
        amount = content.get("payment")
        if amount is None or Decimal(amount) <= 0:
            raise user_error("Please enter value(s) for: Payment Amount", "payment")
        if order_id is not None and self._account.txns[order_id].entity != customer:
            raise user_error("The sales order belongs to another customer.", "salesOrder")
        # A deposit that names no currency is in the customer's, and is applied to orders of its own only.
        currency = self._account.currency_of(customer, content)
        if order_id is not None and currency != self._account.txns[order_id].currency:
            raise invalid_reference(order_id, "salesOrder")
        deposit = self._account.new_txn(
            "customerDeposit",
            external_id=external_id,
            entity=customer,
            status="A",
            created_from=order_id,
            by="rest",
            currency=currency,
        )
        deposit.fields = {
            k: v for k, v in content.items() if k not in ("externalId", "salesOrder", "customer")
        }
        deposit.total = Decimal(amount).quantize(self._account.cent)
        self._documents.save(deposit, "create")
        return deposit

    def _create_adjustment(self, content: dict[str, Any], external_id: str | None) -> Txn:
        if content.get("account") is None:
            raise user_error("Please enter value(s) for: Adjustment Account", "account")
        rows = []
        for n, row in enumerate(content.get("inventory") or []):
            path = f"inventory.items[{n}]"
            item = self._sales.ref(row.get("item"), "item", f"{path}.item")
            if self._account.items[item].members:  # it has no stock that could be adjusted
                raise invalid_reference(item, f"{path}.item")
            place = row.get("location") or content.get("adjLocation")
            where = self._sales.ref(place, "location", f"{path}.location")
            usual = self._account.items[item].stock_unit
            unit = self._sales.unit(row.get("units"), item, usual, f"{path}.units")
            delta = self._sales.base_units(row.get("adjustQtyBy"), unit, f"{path}.adjustQtyBy")
            rows.append((item, where, delta))
        if not rows:
            raise user_error("You must enter at least one line item for this transaction.", "inventory")
        return self._documents.adjust(rows, external_id, by="rest")

    def _delete(self, record: str, ident: str) -> None:
        found = self._find(record, ident)
        if isinstance(found, Txn):
            self._documents.delete(found)
            return
        if record != "customer":
            raise user_error("This record cannot be deleted.")
        if any(t.entity == found.id for t in self._account.txns.values()):
            raise user_error("This record cannot be deleted because it has dependent records.")
        account = self._account
        del account.customers[found.id]
        if found.external_id is not None:
            account.external.pop(("customer", found.external_id.casefold()), None)
        account.later("DELETE FROM customer WHERE id = ?", found.id)
        account.later(
            "INSERT INTO deletedrecord VALUES(?,'customer',?,?,NULL,'RESTWEBSERVICES','F')",
            account.local(account.clock.now_ms()),
            found.id,
            found.fields.get("entityId"),
        )

    def _transform(self, record: str, ident: str, target: str, content: dict[str, Any]) -> int:
        if target not in TRANSFORMS.get(record, ()):
            raise ApiError(400, "INVALID_REQUEST", f"{record} cannot be transformed into {target}.")
        source: Txn = self._find(record, ident)
        external_id = content.get("externalId")
        if external_id is not None:
            self._check_external(external_id)
            if self._account.find_external(target, external_id) is not None:
                raise user_error("This record already exists.")
        if target == "invoice":
            return self._documents.bill(source, external_id).id
        if target == "returnAuthorization":
            return self._sales.return_from(source, content, external_id).id
        picks = self._picks(source, content.get("item"), receiving=target == "itemReceipt")
        if target == "itemReceipt":
            return self._documents.receive_return(source, picks, external_id).id
        made = self._documents.fulfil(
            source,
            picks,
            ship_status=(content.get("shipStatus") or {}).get("id", "C"),
            external_id=external_id,
            by="rest",
            tracking=self._tracking(content.get("package") or []),
        )
        return made.id

    def _picks(
        self, source: Txn, rows: list[dict[str, Any]] | None, *, receiving: bool
    ) -> list[tuple[Line, int]]:
        """Which lines a transform takes: all that it can, or the ones that the body names."""

        def default(line: Line) -> int:
            return line.open if receiving else self._documents.ready(line)

        if rows is None:
            return [(line, default(line)) for line in source.lines]
        picks: dict[int, tuple[Line, int]] = {}
        for n, row in enumerate(rows):
            path = f"item.items[{n}]"
            line = source.line(row.get("orderLine", -1))
            if line is None:
                raise invalid_content("Invalid orderLine.", f"{path}.orderLine")
            if row.get("itemReceive") is False:
                picks[line.number] = (line, 0)
                continue
            quantity = default(line)
            if row.get("quantity") is not None:
                quantity = self._sales.base_units(row["quantity"], line.unit, f"{path}.quantity")
            picks[line.number] = (line, quantity)
        # Lines that the body does not name keep the transform's default, as in the product's form.
        for line in source.lines:
            picks.setdefault(line.number, (line, default(line)))
        return [picks[line.number] for line in source.lines]
