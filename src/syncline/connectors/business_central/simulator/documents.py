"""What documents do to each other, to stock and to the ledgers when they are saved and posted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from syncline.connectors.business_central.simulator.errors import dialog, wrong_value
from syncline.connectors.business_central.simulator.schema import EMPTY_GUID
from syncline.connectors.business_central.simulator.state import CENT, ZERO, Company, Key, Record

HUNDRED = Decimal(100)
SALES_ACCOUNT = "6110"
BANK_ACCOUNT = "2920"
SHIPPED_AS = {"Comment": "_x0020_", "Account": "G_x002F_L_x0020_Account", "Item": "Item"}


class Documents:
    """Saving and posting."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self.posting_from = self.posting_to = ""  # the general ledger setup's *Allow Posting From* and *To*

    def _check_date(self, document: Record, kind: str) -> None:
        """A period that is closed takes nothing any more. Source: *Sales-Post*, by *Gen. Jnl.-Check Line*."""
        held = document.values
        if held["postingDate"] < self.posting_from or held["postingDate"] > (self.posting_to or "9999"):
            raise wrong_value(
                f"Posting Date is not within your range of allowed posting dates in Sales Header Document Type='{kind}',"
                f"No.='{held['number']}'."
            )

    # -- amounts ----------------------------------------------------------------------------------

    def settle(self, table: str, document: Record) -> None:
        """Work out a document's amounts again, and what its lines hold of the stock."""
        company = self._company
        lines = list(company.children(f"{table[:-1]}Lines", document.id))
        gross = document.values["pricesIncludeTax"]
        for line in lines:
            self._amounts(line, including=gross)
        self._spread(lines, min(document.values["discountAmount"], sum((x.values["amountExcludingTax"] for x in lines), ZERO)))  # fmt: skip
        held = document.values
        held["totalAmountExcludingTax"] = sum((x.values["netAmount"] for x in lines), ZERO)
        held["totalTaxAmount"] = sum((x.values["netTaxAmount"] for x in lines), ZERO)
        held["totalAmountIncludingTax"] = held["totalAmountExcludingTax"] + held["totalTaxAmount"]
        if table != "salesOrders":
            return
        goods = [x for x in lines if x.values["quantity"] and x.values["lineType"] == "Item"]
        held["fullyShipped"] = bool(goods) and all(
            x.values["shippedQuantity"] >= x.values["quantity"] for x in goods
        )
        for line in lines:
            self._hold(line)

    def _amounts(self, line: Record, *, including: bool) -> None:
        held = line.values
        amount = (held["quantity"] * held["unitPrice"]).quantize(CENT) - held["discountAmount"]
        rate = held["taxPercent"] / HUNDRED
        net = (amount / (1 + rate)).quantize(CENT) if including else amount
        tax = amount - net if including else (net * rate).quantize(CENT)
        held.update(
            amountExcludingTax=net,
            totalTaxAmount=tax,
            amountIncludingTax=net + tax,
            invoiceDiscountAllocation=ZERO,
            netAmount=net,
            netTaxAmount=tax,
            netAmountIncludingTax=net + tax,
        )

    @staticmethod
    def _spread(lines: Sequence[Record], discount: Decimal) -> None:
        """Spread the discount of the whole document over its lines, by their amounts."""
        whole = sum((x.values["amountExcludingTax"] for x in lines), ZERO)
        left = discount
        for n, line in enumerate(lines):
            if not discount or not whole:
                return
            held = line.values
            share = (
                left
                if n == len(lines) - 1
                else (discount * held["amountExcludingTax"] / whole).quantize(CENT)
            )
            left -= share
            net = held["amountExcludingTax"] - share
            tax = (net * held["taxPercent"] / HUNDRED).quantize(CENT)
            held.update(
                invoiceDiscountAllocation=share,
                netAmount=net,
                netTaxAmount=tax,
                netAmountIncludingTax=net + tax,
            )

    # -- stock ------------------------------------------------------------------------------------

    def place_of(self, line: Record) -> Key | None:
        """Where a line's goods come from; ``None`` for what is no stock."""
        held = line.values
        if held["lineType"] != "Item":
            return None
        item = self._company.tables["items"].get(held["itemId"])
        if item is None or item.values["type"] != "Inventory":
            return None
        variant = self._company.tables["itemVariants"].get(held["itemVariantId"])
        location = self._company.tables["locations"].get(held["locationId"])
        return (
            item.values["number"],
            "" if variant is None else variant.values["code"],
            "" if location is None else location.values["code"],
        )

    def _hold(self, line: Record) -> None:
        company = self._company
        key = self.place_of(line)
        held = line.values
        left = (held["quantity"] - held["shippedQuantity"]) * held["_per"]
        now = None if key is None else (key, max(ZERO, left))  # our extension leaves out what comes back
        before = company.waiting.get(line.id)
        if now == before:
            return
        if before is not None:
            company.move(before[0], on_orders=-before[1])
            del company.waiting[line.id]
        if now is not None:
            company.move(now[0], on_orders=now[1])
            company.waiting[line.id] = now

    def forget(self, line: Record) -> None:
        """A line is taken off its order: it holds nothing any more."""
        before = self._company.waiting.pop(line.id, None)
        if before is not None:
            self._company.move(before[0], on_orders=-before[1])

    def enter(self, key: Key, quantity: Decimal, kind: str, document: str) -> None:
        """Post an item ledger entry: the only way in which stock changes."""
        company = self._company
        company.insert(
            "itemLedgerEntries",
            {
                "entryNumber": len(company.tables["itemLedgerEntries"]) + 1,
                "itemNumber": key[0],
                "postingDate": company.today(),
                "entryType": kind,
                "documentNumber": document,
                "quantity": quantity,
                "_key": key,
            },
        )
        company.move(key, inventory=quantity)

    # -- orders -----------------------------------------------------------------------------------

    def ship(
        self,
        order: Record,
        picks: Iterable[tuple[Record, Decimal]],
        *,
        tracking: str = "",
        agent: str = "",
    ) -> Record:
        """Post a shipment of some units of an order's lines."""
        company = self._company
        self._check_date(order, "Order")
        held = order.values
        number = company.number("shipment", 102_001, "S-")
        copied = (
            "externalDocumentNumber", "customerId", "customerNumber", "customerName", "currencyCode", "shipToName",
            "shipToContact", "shipToAddressLine1", "shipToAddressLine2", "shipToCity", "shipToCountry",
            "shipToState", "shipToPostCode",
        )  # fmt: skip
        shipment = company.insert(
            "salesShipments",
            {
                **{name: held[name] for name in copied},
                "number": number,
                "orderNumber": held["number"],
                "postingDate": company.today(),
                "packageTrackingNumber": tracking,
                "shippingAgentCode": agent,
                "createdAt": company.now(),
                "_order": order.id,
            },
        )
        for line, quantity in picks:
            key = self.place_of(line)
            row = line.values
            row["shippedQuantity"] += quantity
            row["shipQuantity"] = row["quantity"] - row["shippedQuantity"]
            row["invoiceQuantity"] = row["quantity"] - row["invoicedQuantity"]
            company.touch("salesOrderLines", line)
            if key is not None:
                self.enter(key, -quantity * row["_per"], "Sale", number)
            posted = company.insert(
                "salesShipmentLines",
                {
                    "documentId": shipment.id,
                    "documentNo": number,
                    **{
                        name: row[name]
                        for name in (
                            "sequence",
                            "lineObjectNumber",
                            "description",
                            "unitOfMeasureCode",
                            "unitPrice",
                            "discountPercent",
                            "taxPercent",
                        )
                    },
                    "lineType": SHIPPED_AS[row["lineType"]],
                    "quantity": quantity,
                    "shipmentDate": company.today(),
                    "documentNumber": number,
                    "lineNumber": row["sequence"],
                    "orderLineNumber": row["sequence"],
                    "itemNumber": "" if key is None else key[0],
                    "variantCode": "" if key is None else key[1],
                    "locationCode": "" if key is None else key[2],
                    "quantityBase": quantity * row["_per"],
                    "_line": line.id,
                },
            )
            company.adopt("salesShipmentLines", shipment.id, posted)
        self.settle("salesOrders", order)
        company.touch("salesOrders", order)
        return shipment

    def invoice(self, order: Record) -> Record:
        """Invoice what was shipped; an order that is shipped and invoiced whole is deleted.

        Raises:
            ApiError: nothing was shipped since the last invoice.
        """
        company = self._company
        self._check_date(order, "Order")
        lines = list(company.children("salesOrderLines", order.id))
        due = [(x, x.values["shippedQuantity"] - x.values["invoicedQuantity"]) for x in lines]
        charges = [
            (x, x.values["quantity"] - x.values["invoicedQuantity"])
            for x in lines
            if x.values["lineType"] == "Account"
        ]
        due = [(x, n) for x, n in [*due, *charges] if n > 0]
        if not due:
            raise dialog("There is nothing to post.")
        total = ZERO
        for line, quantity in due:
            held = line.values
            total += (held["netAmountIncludingTax"] * quantity / held["quantity"]).quantize(CENT)
            held["invoicedQuantity"] += quantity
            held["shippedQuantity"] = max(held["shippedQuantity"], held["invoicedQuantity"])
        held = order.values
        copied = (
            "externalDocumentNumber",
            "customerId",
            "customerNumber",
            "customerName",
            "billToCustomerId",
            "billToCustomerNumber",
            "billToName",
            "currencyCode",
            "pricesIncludeTax",
        )
        invoice = company.insert(
            "salesInvoices",
            {
                **{name: held[name] for name in copied},
                "number": company.number("invoice", 103_001, "I-"),
                "postingDate": company.today(),
                "invoiceDate": company.today(),
                "dueDate": company.today(),
                "status": "Open",
                "orderId": order.id,
                "orderNumber": held["number"],
                "totalAmountIncludingTax": total,
                "remainingAmount": total,
            },
        )
        if all(x.values["invoicedQuantity"] >= x.values["quantity"] for x in lines):
            company.archive[order.id] = (order, lines)
            self.remove("salesOrders", order)
        else:
            self.settle("salesOrders", order)
            company.touch("salesOrders", order)
        return invoice

    def remove(self, table: str, document: Record) -> None:
        """Take a document and its lines away."""
        company = self._company
        child = f"{table[:-1]}Lines"
        for line in list(company.children(child, document.id)):
            self.forget(line)
            del company.tables[child][line.id]
        company.lines.pop((child, document.id), None)
        company.delete(table, document)

    # -- returns and payments ---------------------------------------------------------------------

    def post_memo(self, memo: Record) -> None:
        """Post a credit memo: its goods are back in stock.

        Raises:
            ApiError: it has no lines, was posted before, or its period is closed.
        """
        company = self._company
        if memo.values["status"] != "Draft":
            raise dialog("The action can be applied to a draft credit memo only.")
        lines = [x for x in company.children("salesCreditMemoLines", memo.id) if x.values["quantity"]]
        if not lines:
            raise dialog("Please add at least one line item to the credit memo.")
        self._check_date(memo, "Credit Memo")
        number = company.number("posted memo", 104_001, "C-")
        for line in lines:
            key = self.place_of(line)
            if key is not None:
                self.enter(key, line.values["quantity"] * line.values["_per"], "Sale", number)
        memo.values.update(number=number, status="Open")
        company.touch("salesCreditMemos", memo)
        self._apply(memo)

    def _apply(self, memo: Record) -> None:
        """What a credit memo is over settles the invoice that it applies to, as money would."""
        company = self._company
        invoice = company.tables["salesInvoices"].get(memo.values["invoiceId"])
        if invoice is None:
            return
        held = invoice.values
        held["remainingAmount"] -= min(held["remainingAmount"], memo.values["totalAmountIncludingTax"])
        held["status"] = "Open" if held["remainingAmount"] else "Paid"
        company.touch("salesInvoices", invoice)

    def post_payments(self, journal: Record) -> int:
        """Post a payment journal: its lines go, general ledger entries come. Returns how many lines."""
        company = self._company
        lines = [
            x for x in company.tables["customerPayments"].values() if x.values["journalId"] == journal.id
        ]
        for line in lines:
            for account, debit in ((BANK_ACCOUNT, True), (SALES_ACCOUNT, False)):
                amount = abs(line.values["amount"])
                company.insert(
                    "generalLedgerEntries",
                    {
                        "entryNumber": len(company.tables["generalLedgerEntries"]) + 1,
                        "postingDate": company.today(),
                        "documentNumber": line.values["documentNumber"],
                        "documentType": "Payment",
                        "accountNumber": account,
                        "description": line.values["description"],
                        "debitAmount" if debit else "creditAmount": amount,
                        "_payment": line.values["externalDocumentNumber"],
                        "_customer": line.values["customerNumber"],
                        "_currency": line.values["_currency"],
                    },
                )
            company.delete("customerPayments", line)
        return len(lines)


def empty(guid: str) -> bool:
    """Whether a reference names nothing."""
    return guid in ("", EMPTY_GUID)
