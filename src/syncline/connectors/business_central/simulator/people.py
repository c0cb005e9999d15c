"""What people inside the product do, at once and by documents; and the company as it is set up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from syncline.connectors.business_central.simulator.documents import BANK_ACCOUNT, SALES_ACCOUNT, Documents
from syncline.connectors.business_central.simulator.schema import EMPTY_GUID, ENTITIES
from syncline.connectors.business_central.simulator.state import ZERO, Company, Record
from syncline.connectors.business_central.simulator.writes import Writes

COUNTRIES = {
    "GB": "Great Britain",
    "IE": "Ireland",
    "FR": "France",
    "DE": "Germany",
    "US": "USA",
    "NL": "Netherlands",
}
TAX_ACCOUNT = "5610"
FREIGHT_ACCOUNT = "6710"
WALK_IN = "WALKIN"


class People:
    """Acts at once and synchronously; mixed into the simulator."""

    company: Company
    documents: Documents
    writes: Writes

    # -- setting up ---------------------------------------------------------------------------

    def set_up_company(self) -> None:
        """Currencies, countries, accounts and a payment journal."""
        company = self.company
        for code in ("EUR", "USD", "GBP"):
            if code != company.currency:
                company.insert("currencies", {"code": code, "displayName": code})
        for code, name in COUNTRIES.items():
            company.insert("countriesRegions", {"code": code, "displayName": name})
        accounts = {
            BANK_ACCOUNT: "Bank", SALES_ACCOUNT: "Sales", TAX_ACCOUNT: "Sales tax", FREIGHT_ACCOUNT: "Freight",
        }  # fmt: skip
        for number, name in accounts.items():
            company.insert("accounts", {"number": number, "displayName": name})
        for code, name in (("PCS", "Piece"), ("BOX", "Box")):
            company.insert("unitsOfMeasure", {"code": code, "displayName": name})
        company.insert("customerPaymentJournals", {"code": "WEB", "displayName": "Web payments"})

    def set_tax(self, code: str, percent: Decimal | str) -> None:
        """What a tax code charges from now on."""
        self.company.tax[code] = Decimal(percent)

    def add_location(self, code: str, name: str = "") -> str:
        """Add a location; returns its code."""
        self.company.insert("locations", {"code": code.upper(), "displayName": name or code})
        self.company.commit()
        return code.upper()

    def add_item(self, number: str, title: str, price: Decimal | str, *, kind: str = "Inventory") -> str:
        """Add an item; returns its id."""
        made = self.writes.create(
            ENTITIES["items"],
            {
                "number": number,
                "displayName": title,
                "unitPrice": Decimal(price),
                "type": kind,
                "baseUnitOfMeasureCode": "PCS",
            },
        )
        self.company.commit()
        return made.id

    def add_unit(self, number: str, code: str, base_units: int | Decimal, *, sales: bool = False) -> None:
        """Give an item another unit of measure; ``sales``: lines of sales documents are in it unless they say otherwise."""
        item = self._item(number)
        self.company.units[item.values["number"], code] = Decimal(base_units)
        if sales:
            item.values["_sales_unit"] = code

    def add_category(self, code: str, title: str) -> str:
        """Add an item category; returns its id."""
        made = self.writes.create(ENTITIES["itemCategories"], {"code": code, "displayName": title})
        self.company.commit()
        return made.id

    def add_variant(self, number: str, code: str, title: str = "") -> str:
        """Add a variant of an item; returns its id."""
        item = self._item(number)
        made = self.writes.create(
            ENTITIES["itemVariants"], {"itemId": item.id, "code": code, "description": title or code}
        )
        self.company.commit()
        return made.id

    def edit_item(self, number: str, **fields: Any) -> None:
        """Edit an item; this moves its stamp."""
        self.writes.change(ENTITIES["items"], self._item(number), fields)
        self.company.commit()

    def delete_item(self, number: str) -> None:
        """Delete an item, and the row that tells of its stock."""
        company = self.company
        item = self._item(number)
        for key, row in list(company.level_rows.items()):
            if key[0] == item.values["number"]:
                company.delete("stockLevels", company.tables["stockLevels"][row])
                del company.level_rows[key], company.levels[key]
        for entry in [
            e for e in company.tables["itemLedgerEntries"].values() if e.values["_key"][0] == number
        ]:
            del company.tables["itemLedgerEntries"][entry.id]
        company.delete("items", item)
        company.commit()

    def add_customer(self, number: str, name: str, **fields: Any) -> str:
        """Add a customer; returns its id."""
        made = self.writes.create(ENTITIES["customers"], {"number": number, "displayName": name, **fields})
        self.company.commit()
        return made.id

    def edit_customer(self, number: str, **fields: Any) -> None:
        """Edit a customer."""
        found = self.company.find("customers", "number", number)
        assert found is not None
        self.writes.change(ENTITIES["customers"], found, fields)
        self.company.commit()

    def add_price(self, price_list: str, number: str, price: Decimal | str, **fields: Any) -> str:
        """Add a line to a price list; returns its id."""
        lines = self.company.tables["priceListLines"]
        made = self.company.insert(
            "priceListLines",
            {
                "priceListCode": price_list,
                "lineNumber": (len(lines) + 1) * 10_000,
                "itemNumber": number,
                "unitPrice": Decimal(price),
                "sourceType": "All_x0020_Customers",
                "status": "Active",
                **fields,
            },
        )
        self.company.commit()
        return made.id

    def edit_price(self, line_id: str, **fields: Any) -> None:
        """Edit a line of a price list."""
        record = self.company.tables["priceListLines"][line_id]
        record.values.update(fields)
        self.company.touch("priceListLines", record)
        self.company.commit()

    def delete_price(self, line_id: str) -> None:
        """Delete a line of a price list."""
        self.company.delete("priceListLines", self.company.tables["priceListLines"][line_id])
        self.company.commit()

    # -- texts --------------------------------------------------------------------------------

    def add_translation(self, number: str, language: str, title: str, *, variant: str = "") -> str:
        """Add a name of an item in a language; returns its id."""
        return self._told(
            "itemTranslations",
            {"itemNumber": number, "variantCode": variant, "languageCode": language, "description": title},
        )

    def add_text(self, number: str, *lines: str, language: str = "", text: int = 1) -> None:
        """Add an extended text of an item; lines are 100 letters long at most."""
        for at, line in enumerate(lines, 1):
            assert len(line) <= 100, "a line of an extended text has 100 letters"
            where = {"itemNumber": number, "languageCode": language, "textNumber": text}
            self._told("itemTexts", {**where, "lineNumber": at * 10_000, "text": line})

    def add_attribute(self, number: str, name: str, value: str) -> str:
        """Give an item an attribute; returns the id of what connects them."""
        return self._told("itemAttributes", {"itemNumber": number, "attributeName": name, "value": value})

    def _told(self, entity: str, values: dict[str, Any]) -> str:
        made = self.company.insert(entity, values)
        self.company.commit()
        return made.id

    # -- stock --------------------------------------------------------------------------------

    def receive(self, number: str, location: str, quantity: int | Decimal, *, variant: str = "") -> None:
        """Goods come in."""
        self._post(number, variant, location, Decimal(quantity), "Positive_x0020_Adjmt_x002E_")

    def withdraw(self, number: str, location: str, quantity: int | Decimal, *, variant: str = "") -> None:
        """Goods are gone."""
        self._post(number, variant, location, -Decimal(quantity), "Negative_x0020_Adjmt_x002E_")

    def transfer(self, number: str, start: str, end: str, quantity: int | Decimal) -> None:
        """Goods change their place."""
        self._enter(number, "", start, -Decimal(quantity), "Transfer")
        self._post(number, "", end, Decimal(quantity), "Transfer")

    def _enter(self, number: str, variant: str, location: str, quantity: Decimal, kind: str) -> None:
        item = self._item(number)
        if location and self.company.find("locations", "code", location) is None:
            raise ValueError(f"There is no location {location}.")
        key = (item.values["number"], variant.upper(), location.upper())
        self.documents.enter(key, quantity, kind, self.company.number("journal", 1, "J"))

    def _post(self, number: str, variant: str, location: str, quantity: Decimal, kind: str) -> None:
        self._enter(number, variant, location, quantity, kind)
        self.company.commit()

    # -- orders -------------------------------------------------------------------------------

    def sell(
        self, lines: Sequence[tuple[str, str, int]], *, each: Sequence[Mapping[str, Any]] = (), **fields: Any
    ) -> str:
        """Type in a sales order of (item, location, units); returns its id. ``each``: further fields line by line."""
        if self.company.find("customers", "number", WALK_IN) is None:
            self.add_customer(WALK_IN, "Other channels")
        made = self.writes.create(
            ENTITIES["salesOrders"],
            {
                "customerNumber": WALK_IN,
                **fields,
                "salesOrderLines": [
                    {
                        "lineType": "Item",
                        "lineObjectNumber": number,
                        "quantity": quantity,
                        "locationId": self.location_id(location),
                        **(each[n] if each else {}),
                    }
                    for n, (number, location, quantity) in enumerate(lines)
                ],
            },
        )
        self.company.commit()
        return made.id

    def release(self, order_id: str, *, status: str = "Open") -> None:
        """Release an order (on the wire "Open"), reopen it ("Draft") or send it for approval."""
        order = self.order_record(order_id)
        order.values["status"] = status
        self.company.touch("salesOrders", order)
        self.company.commit()

    def change_line(self, order_id: str, sequence: int, **fields: Any) -> None:
        """Change a line of an order by its sequence."""
        line = self._line(order_id, sequence)
        self.writes.change(ENTITIES["salesOrderLines"], line, fields)
        self.company.commit()

    def delete_order(self, order_id: str) -> None:
        """Delete an order; whoever only reads never hears of it."""
        self.writes.delete(ENTITIES["salesOrders"], self.order_record(order_id))
        self.company.commit()

    def ship(
        self,
        order_id: str,
        *,
        lines: Mapping[int, int] | None = None,
        tracking: str = "",
        agent: str = "",
    ) -> list[str]:
        """Ship units by sequence, or all that is open, in one shipment for each location; returns their numbers."""
        order = self.order_record(order_id)
        by_place: dict[str, list[tuple[Record, Decimal]]] = {}
        for line, open_units in self.open_lines(order):
            wanted = open_units if lines is None else Decimal(lines.get(line.values["sequence"], 0))
            units = min(open_units, wanted)
            if units > 0:
                by_place.setdefault(line.values["locationId"], []).append((line, units))
        made = [
            self.documents.ship(order, picks, tracking=tracking, agent=agent).values["number"]
            for picks in by_place.values()
        ]
        self.company.commit()
        return made

    def invoice(self, order_id: str, due: str = "") -> str:
        """Invoice what was shipped; returns the invoice's number. A finished order is deleted by it.

        ``due`` is the day by which it has to be paid, if not at once.
        """
        made = self.documents.invoice(self.order_record(order_id))
        if due:
            made.values["dueDate"] = due
        self.company.commit()
        return str(made.values["number"])

    def set_tracking(self, number: str, tracking: str, agent: str = "") -> None:
        """Write a package number on a posted shipment."""
        shipment = self.company.find("salesShipments", "number", number)
        assert shipment is not None
        shipment.values.update(packageTrackingNumber=tracking, shippingAgentCode=agent)
        self.company.touch("salesShipments", shipment)
        self.company.commit()

    def post_payments(self, code: str = "WEB") -> int:
        """Post a payment journal; returns how many lines it had."""
        journal = self.company.find("customerPaymentJournals", "code", code)
        assert journal is not None
        posted = self.documents.post_payments(journal)
        self.company.commit()
        return posted

    def settle(self, number: str, amount: Decimal | str | None = None) -> None:
        """Money for an invoice is posted and applied; ``None``: all that remains. That it moves the stamp is an assumption."""
        invoice = self.company.find("salesInvoices", "number", number)
        assert invoice is not None
        held = invoice.values
        held["remainingAmount"] -= held["remainingAmount"] if amount is None else Decimal(amount)
        held["status"] = "Open" if held["remainingAmount"] else "Paid"
        self.company.touch("salesInvoices", invoice)
        self.company.commit()

    def delete_payment(self, description: str) -> None:
        """Take a line out of the payment journal before anybody posted it."""
        line = self.company.find("customerPayments", "description", description)
        assert line is not None
        self.writes.delete(ENTITIES["customerPayments"], line)
        self.company.commit()

    def delete_memo(self, memo_id: str) -> None:
        """Delete a draft of a credit memo."""
        self.writes.delete(ENTITIES["salesCreditMemos"], self.company.tables["salesCreditMemos"][memo_id])
        self.company.commit()

    def credit(self, number: str, lines: Mapping[str, int], location: str = "MAIN") -> str:
        """Make and post a credit memo of an invoice's goods, by item; returns its id."""
        invoice = self.company.find("salesInvoices", "number", number)
        assert invoice is not None
        memo = self.writes.create(
            ENTITIES["salesCreditMemos"],
            {"customerId": invoice.values["customerId"], "invoiceId": invoice.id},
        )
        for item, units in lines.items():
            given = {
                "documentId": memo.id,
                "lineType": "Item",
                "lineObjectNumber": item,
                "quantity": Decimal(units),
                "locationId": self.location_id(location),
            }
            self.writes.create(ENTITIES["salesCreditMemoLines"], given)
        self.post_memo(memo.id)
        return memo.id

    def allow_posting(self, start: str, end: str = "") -> None:
        """Close every period but the one between two days; what is posted in others is refused."""
        self.documents.posting_from, self.documents.posting_to = start, end

    def post_memo(self, memo_id: str) -> None:
        """Post a credit memo; its goods are back in stock."""
        self.documents.post_memo(self.company.tables["salesCreditMemos"][memo_id])
        self.company.commit()

    # -- helpers ------------------------------------------------------------------------------

    def open_lines(self, order: Record) -> list[tuple[Record, Decimal]]:
        """The lines of an order with goods that are still to be shipped, and how many."""
        return [
            (line, line.values["quantity"] - line.values["shippedQuantity"])
            for line in self.company.children("salesOrderLines", order.id)
            if line.values["lineType"] == "Item"
            and line.values["quantity"] - line.values["shippedQuantity"] > ZERO
        ]

    def order_record(self, order_id: str) -> Record:
        """An order's row."""
        return self.company.tables["salesOrders"][order_id]

    def _line(self, order_id: str, sequence: int) -> Record:
        for line in self.company.children("salesOrderLines", order_id):
            if line.values["sequence"] == sequence:
                return line
        raise ValueError(f"There is no line {sequence}.")

    def _item(self, number: str) -> Record:
        found = self.company.find("items", "number", number.upper())
        if found is None:
            raise ValueError(f"There is no item {number}.")
        return found

    def location_id(self, code: str) -> str:
        """The id of a location."""
        found = self.company.find("locations", "code", code.upper())
        return EMPTY_GUID if found is None else found.id
