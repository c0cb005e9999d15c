"""Sales orders and return authorisations as the REST API writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from syncline.connectors.netsuite.simulator.documents import Documents
from syncline.connectors.netsuite.simulator.errors import invalid_content, invalid_reference, user_error
from syncline.connectors.netsuite.simulator.state import Account, Line, Txn

LINES_MAX = (
    5_000  # NS:section_N550610, of SOAP and CSV; that REST is as they are, and the words, are assumptions
)
_NOT_KEPT = ("externalId", "item", "entity", "orderStatus", "createdFrom")


@dataclass(slots=True)
class _Row:
    """One line of a request, checked and resolved."""

    path: str
    number: int | None
    item: int | None
    location: int | None
    quantity: int | None
    rate: Decimal | None
    amount: Decimal | None
    custom: bool
    closed: bool | None
    memo: str | None
    given: frozenset[str]
    unit: int | None


class SalesLines:
    """Creates and edits orders; a request is resolved whole before anything changes."""

    def __init__(self, account: Account, documents: Documents, breach: Any) -> None:
        self._account = account
        self._documents = documents
        self._breach = breach

    # -- values -------------------------------------------------------------------------------

    def ref(self, value: Any, record: str, path: str) -> int:
        """Resolve ``{"id": …}`` or ``{"externalId": …}``."""
        if not isinstance(value, dict):
            raise user_error(f"Please enter value(s) for: {path.rpartition('.')[2]}", path)
        account = self._account
        number: int | None = None
        if "id" in value:
            number = int(value["id"]) if str(value["id"]).isdigit() else None
        elif "externalId" in value:
            number = account.find_external(record, str(value["externalId"]))
        known = {
            "customer": number in account.customers,
            "item": number in account.items,
            "location": number in account.places,
        }.get(record)
        if known is None:
            known = number in account.txns and account.txns[number].record == record
        if number is None or not known:
            given = value.get("id", value.get("externalId"))
            raise invalid_reference(given, path)
        return number

    def base_units(self, value: Any, unit: int | None, path: str) -> int:
        """What is stated in a unit, in base units. The product takes fractions of those; this account's items do not."""
        if value is None or (base := Decimal(value) * self._account.rate_of(unit)) != int(base):
            raise invalid_content("The quantity must be a whole number of units.", path)
        return int(base)

    def unit(self, given: Any, item: int, usual: int | None, path: str) -> int | None:
        """The unit that a line names, or else its usual one."""
        if given is None:
            return usual
        unit = self._account.units.get(int(given)) if str(given).isdigit() else None
        if unit is None or unit.type != self._account.items[item].units_type:
            raise invalid_reference(given, path)
        return unit.id

    def _unit(self, row: Mapping[str, Any], item: int | None, held: Line | None, path: str) -> int | None:
        """The unit of an order's line: one that is there keeps its own, a new one is in the item's sale unit (NS help)."""
        if item is None:
            return None
        usual = held.unit if held and held.item == item else self._account.items[item].sale_unit
        unit = self.unit(row.get("units"), item, usual, f"{path}.units")
        if held and held.done and unit != held.unit:
            raise user_error(
                "You can not change the units of a line that has been fulfilled.", f"{path}.units"
            )
        return unit

    def _rows(self, content: dict[str, Any], order: Txn | None = None) -> list[_Row]:
        header = content.get("location")
        default = None if header is None else self.ref(header, "location", "location")
        rows = []
        if len(content.get("item") or []) > LINES_MAX:
            raise user_error(f"A transaction can have {LINES_MAX} lines at the most.", "item")
        for n, row in enumerate(content.get("item") or []):
            path = f"item.items[{n}]"
            price = row.get("price")
            item = None if row.get("item") is None else self.ref(row["item"], "item", f"{path}.item")
            held = order.line(row.get("line") or 0) if order else None
            unit = self._unit(row, held.item if item is None and held else item, held, path)
            quantity = row.get("quantity")
            if quantity is None and held and held.quantity is not None and unit != held.unit:
                # The number stays, and counts other units.
                quantity = held.quantity / self._account.rate_of(held.unit)
            rows.append(
                _Row(
                    path=path,
                    number=row.get("line"),
                    item=item,
                    unit=unit,
                    location=default
                    if row.get("location") is None
                    else self.ref(row["location"], "location", f"{path}.location"),
                    quantity=None
                    if quantity is None
                    else self.base_units(quantity, unit, f"{path}.quantity"),
                    rate=None if row.get("rate") is None else Decimal(row["rate"]),
                    amount=None if row.get("amount") is None else Decimal(row["amount"]),
                    custom=price is not None and str(price.get("id")) == "-1",
                    closed=row.get("isClosed"),
                    memo=row.get("description"),
                    given=frozenset(row),
                ),
            )
        for row in rows:
            if row.number is None and row.item is None:
                raise user_error("Please enter value(s) for: Item", f"{row.path}.item")
            if row.quantity is not None and row.quantity < 0:
                raise invalid_content("The quantity must not be negative.", f"{row.path}.quantity")
            if row.item is None:
                continue
            kind = self._account.items[row.item].kind
            if row.quantity is None and row.number is None and kind != "Discount":
                raise user_error("Please enter value(s) for: Quantity", f"{row.path}.quantity")
        return rows

    # -- orders -------------------------------------------------------------------------------

    def create(self, content: dict[str, Any], external_id: str | None) -> Txn:
        """Create a sales order."""
        entity = self.ref(content.get("entity"), "customer", "entity")
        rows = self._rows(content)
        if not rows:
            raise user_error("You must enter at least one line item for this transaction.", "item")
        self._check_discount(content)
        # Without a status the account's default applies: pending approval (the product's default).
        status = (content.get("orderStatus") or {"id": "A"})["id"]
        order = self._account.new_txn(
            "salesOrder",
            external_id=external_id,
            entity=entity,
            status=status,
            by="rest",
            currency=self._account.currency_of(entity, content),
        )
        self._body(order, content)
        for row in rows:
            self._add(order, row)
        self._documents.settle_order(order, "create")
        return order

    def update(self, order: Txn, content: dict[str, Any], replace: tuple[str, ...]) -> None:
        """Edit a sales order: lines merge, or are replaced where the request says so."""
        rows = self._rows(content, order)
        self._check_discount({**order.fields, **content})
        for row in rows:
            line = None if row.number is None else order.line(row.number)
            if row.number is not None and line is None:
                raise invalid_content("Invalid line.", f"{row.path}.line")
            if line is not None and row.quantity is not None and row.quantity < line.done:
                raise user_error("The quantity is less than what has been fulfilled.", f"{row.path}.quantity")
        if order.status in ("C", "H") and rows:
            raise user_error("A closed or cancelled order cannot be edited.")
        wanted = (content.get("orderStatus") or {}).get("id")
        if wanted == "A" and any(line.done for line in order.lines):
            raise user_error("A fulfilled order cannot go back to pending approval.", "orderStatus")
        if "item" in content and "item" in replace:
            named = {row.number for row in rows if row.number is not None}
            gone = [line for line in order.lines if line.number not in named]
            if any(line.done for line in gone):
                raise user_error("You can not delete this line: it has been fulfilled.", "item")
            for line in gone:
                self._documents.remove_line(order, line)
        elif any(row.number is None for row in rows):
            # Without ``replace=item`` a line that names no existing line is added: an upsert sent
            # twice doubles the order (contract sheet section 3, *replace*).
            present = {line.item for line in order.lines}
            if any(row.item in present for row in rows if row.number is None):
                self._breach("doubled_lines")
        event = "edit"
        if "entity" in content:
            order.entity = self.ref(content["entity"], "customer", "entity")
        if wanted == "B" and order.status == "A":
            order.status, event = "B", "approve"
        elif wanted == "A" and order.status == "B":
            order.status = "A"
        self._body(order, content)
        for row in rows:
            if row.number is None:
                self._add(order, row)
            else:
                self._change(order, row)
        self._documents.settle_order(order, event)

    def _check_discount(self, content: dict[str, Any]) -> None:
        if content.get("discountRate") is not None:
            if content.get("discountItem") is None:
                raise user_error("Please enter value(s) for: Discount Item", "discountItem")
            self.ref(content["discountItem"], "item", "discountItem")

    def _body(self, order: Txn, content: dict[str, Any]) -> None:
        cent = self._account.cent
        for name, value in content.items():
            if name not in _NOT_KEPT:
                order.fields[name] = value
        if content.get("shippingCost") is not None:
            order.shipping = Decimal(content["shippingCost"]).quantize(cent)
        if content.get("discountRate") is not None:
            order.discount = Decimal(content["discountRate"]).quantize(cent)

    def _add(self, order: Txn, row: _Row) -> None:
        assert row.item is not None
        line = self._account.new_line(
            order, row.item, row.location, row.quantity, memo=row.memo, unit=row.unit
        )
        line.closed = bool(row.closed)
        self._documents.price(line, row.rate, row.amount, custom=row.custom)

    def _change(self, order: Txn, row: _Row) -> None:
        line = order.line(row.number or 0)
        assert line is not None
        moved = "location" in row.given and row.location != line.location
        if (row.item is not None and row.item != line.item) or moved:
            if line.done:
                raise user_error("A fulfilled line cannot change its item or location.", row.path)
            self._documents.release(line)
            line.item = row.item or line.item
            line.location = row.location if moved else line.location
        if row.quantity is not None and row.quantity != line.quantity:
            self._documents.release(line)
            line.quantity = row.quantity
        line.unit = row.unit
        if row.closed is not None:
            line.closed = row.closed
        if row.memo is not None:
            line.memo = row.memo
        custom = row.custom or (line.price_level == "-1" and "price" not in row.given)
        rate = row.rate if row.rate is not None else line.rate
        self._documents.price(line, rate, row.amount, custom=custom)

    # -- returns ------------------------------------------------------------------------------

    def create_return(self, content: dict[str, Any], external_id: str | None) -> Txn:
        """Create a return authorisation that stands alone."""
        entity = self.ref(content.get("entity"), "customer", "entity")
        source = content.get("createdFrom")
        origin = None if source is None else self.ref(source, "salesOrder", "createdFrom")
        rows = self._rows(content)
        if not rows:
            raise user_error("You must enter at least one line item for this transaction.", "item")
        made = self._new_return(content, external_id, entity, origin)
        for row in rows:
            self._add(made, row)
        return self._save_return(made)

    def return_from(self, order: Txn, content: dict[str, Any], external_id: str | None) -> Txn:
        """Transform a sales order: what was shipped may come back."""
        named = [row for row in content.get("item") or [] if "orderLine" in row]
        wanted = {row["orderLine"]: row for row in named}
        if len(wanted) < len(named):  # what the product makes of it is not documented
            raise invalid_content("A line of the sales order is named twice.", "item.items.orderLine")
        picks: list[tuple[Line, int]] = []
        for line in order.lines:
            row = wanted.get(line.number)
            if content.get("item") is not None and row is None:
                continue
            quantity = line.done
            if row is not None and row.get("quantity") is not None:
                quantity = self.base_units(row["quantity"], line.unit, "item.items.quantity")
            if quantity > line.done:
                raise user_error("The quantity exceeds what was fulfilled.", "item.items.quantity")
            if quantity > 0:
                picks.append((line, quantity))
        if not picks:
            raise user_error("You must enter at least one line item for this transaction.", "item")
        made = self._new_return(content, external_id, order.entity, order.id)
        for line, quantity in picks:
            copy = self._account.new_line(
                made, line.item, line.location, quantity, order_line=line.number, unit=line.unit
            )
            copy.rate, copy.price_level = line.rate, line.price_level
            copy.amount = self._documents.worth(line, quantity)
        return self._save_return(made)

    def _new_return(
        self,
        content: dict[str, Any],
        external_id: str | None,
        entity: int | None,
        origin: int | None,
    ) -> Txn:
        currency = (
            self._account.txns[origin].currency if origin else self._account.currency_of(entity, content)
        )
        made = self._account.new_txn(
            "returnAuthorization",
            external_id=external_id,
            entity=entity,
            status=(content.get("orderStatus") or {"id": "A"})["id"],
            created_from=origin,
            currency=currency,
            by="rest",
            sign=1,
        )
        self._body(made, content)
        return made

    def _save_return(self, made: Txn) -> Txn:
        self._documents.totals(made)
        self._documents.save(made, "create")
        return made
