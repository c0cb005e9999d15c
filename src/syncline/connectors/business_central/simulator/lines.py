"""Lines of orders and credit memos: what the page makes of a body, and what the table makes of one value after another.

Sources: ``APIV2 - Sales Order Lines`` and ``- Sales Credit Mem Lines`` (checks of the page, and which fields it hands on);
``Graph Mgt - Sales Order Buffer`` and ``TransferFieldsWithValidate`` of *Type Helper* (a new line is empty, the fields are
taken in the order in which they were given, with the values that they have in the end, and one that is as it was is left
out); ``OnValidate`` of *Sales Line* (what each of them does to those before it).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from syncline.connectors.business_central.simulator.documents import HUNDRED, Documents, empty
from syncline.connectors.business_central.simulator.errors import (
    bad_request,
    dialog,
    not_in_table,
    same_key,
    wrong_value,
)
from syncline.connectors.business_central.simulator.schema import EMPTY_DATE, EMPTY_GUID
from syncline.connectors.business_central.simulator.state import CENT, LINE_STEP, ZERO, Company, Record

UNIT_PRICE = Decimal("0.00001")  # the general ledger setup's default precision of unit amounts
HEADERS = {"salesOrderLines": "salesOrders", "salesCreditMemoLines": "salesCreditMemos"}
DEFAULT_TAX = "STANDARD"  # of every item and account here
BLANK: dict[str, Any] = {
    "lineType": "Comment", "lineObjectNumber": "", "itemId": EMPTY_GUID, "accountId": EMPTY_GUID, "description": "",
    "description2": "", "unitOfMeasureCode": "", "unitOfMeasureId": EMPTY_GUID, "quantity": ZERO, "unitPrice": ZERO,
    "discountAmount": ZERO, "discountPercent": ZERO, "taxCode": "", "taxPercent": ZERO, "itemVariantId": EMPTY_GUID,
    "locationId": EMPTY_GUID, "shipmentDate": EMPTY_DATE, "_per": Decimal(1),
}  # fmt: skip

Line = dict[str, Any]


class Lines:
    """Writes the lines of one company's documents."""

    def __init__(self, company: Company, documents: Documents) -> None:
        self._company = company
        self._documents = documents
        self._takers: dict[str, Callable[[Line, Any, Record], None]] = {
            "lineType": self._take_type,
            "lineObjectNumber": self._take_number,
            "unitOfMeasureCode": self._take_unit,
            "quantity": self._take_quantity,
            "unitPrice": self._take_price,
            "discountAmount": self._take_discount,
            "discountPercent": self._take_percent,
            "taxCode": self._take_tax,
            "itemVariantId": self._take_variant,
            "locationId": self._take_location,
            "invoiceQuantity": self._take_plain("invoiceQuantity"),
            "shipQuantity": self._take_plain("shipQuantity"),
            "description": self._take_plain("description"),
            "description2": self._take_plain("description2"),
            "shipmentDate": self._take_plain("shipmentDate"),
        }

    def make(self, table: str, given: Mapping[str, Any]) -> Record:
        """A new line."""
        company = self._company
        header = company.tables[HEADERS[table]].get(given.get("documentId", EMPTY_GUID))
        if header is None:
            raise dialog("You must specify an Id or a Document Id to get the lines.")
        self._check_open(table, header)
        held = [x.values["sequence"] for x in company.children(table, header.id)]
        sequence = given.get("sequence", 0) or (max(held) if held else 0) + LINE_STEP
        if sequence in held:
            raise same_key("Sales Line", str(sequence))
        line = {**BLANK, "sequence": sequence, "documentId": header.id, **self._nothing_left(table)}
        self._take(table, line, given, header)
        record = company.insert(table, line)
        company.adopt(table, header.id, record)
        self.settled(table, header)
        return record

    def change(self, table: str, record: Record, given: Mapping[str, Any]) -> None:
        """Change a line."""
        header = self._company.tables[HEADERS[table]][record.values["documentId"]]
        self._check_open(table, header)
        line = dict(record.values)
        self._take(table, line, given, header)
        record.values.update(line)
        self.settled(table, header)

    def delete(self, table: str, record: Record) -> None:
        """Take a line off its document."""
        company = self._company
        self.check_unshipped(record)
        header = company.tables[HEADERS[table]][record.values["documentId"]]
        self._check_open(table, header)
        self._documents.forget(record)
        company.lines[table, header.id].pop(record.id, None)
        company.delete(table, record)
        self.settled(table, header)

    def settled(self, table: str, header: Record) -> None:
        """A line was written: amounts are worked out, and discounts spread over all lines again.

        Source: ``Graph Mgt - Sales Order Buffer`` and ``Sales - Calc Discount By Type``, which write every line of the
        document then. That each has another version after it is an assumption; it is the harder one.
        """
        company = self._company
        self._documents.settle(HEADERS[table], header)
        for line in company.children(table, header.id):
            company.touch(table, line)
        company.touch(HEADERS[table], header)

    @staticmethod
    def _nothing_left(table: str) -> Line:
        if table != "salesOrderLines":
            return {}
        return dict.fromkeys(("shippedQuantity", "invoicedQuantity", "shipQuantity", "invoiceQuantity"), ZERO)

    # -- the page -----------------------------------------------------------------------------

    def _take(self, table: str, line: Line, given: Mapping[str, Any], header: Record) -> None:
        """Have the table take a body's fields one after another."""
        wanted, order = self._page(table, line, given)
        for name in order:
            if line[name] != wanted[name]:
                self._takers[name](line, wanted[name], header)

    def _page(self, table: str, line: Line, given: Mapping[str, Any]) -> tuple[Line, list[str]]:
        """The values that a body ends up with, and in which order the page hands their fields on."""
        wanted, order = dict(line), ["lineType"]  # the page hands the type on before anything was given
        item: Record | None = None
        for name, value in given.items():
            if name in ("documentId", "sequence", "lineObjectNumber"):
                _unmoved(name, line[name], value)
            if name == "itemId":
                item = self._company.tables["items"].get(value)
                if item is None:
                    raise dialog("Item does not exist.")
                wanted.update(lineType="Item", lineObjectNumber=item.values["number"])
                order += ["lineType", "lineObjectNumber"]
            elif name == "accountId":
                if item is not None and not empty(value):
                    raise dialog('Both "itemId" and "accountId" are specified. Specify only one of them.')
                account = self._company.tables["accounts"].get(value)
                if account is None:
                    raise dialog("Account does not exist.")
                wanted.update(lineType="Account", lineObjectNumber=account.values["number"])
                order += ["lineType", "lineObjectNumber"]
            elif name == "lineObjectNumber":
                kinds = {"Item": "items", "Account": "accounts"}
                if kind := kinds.get(wanted["lineType"]):
                    found = self._company.find(kind, "number", value)
                    if found is None:
                        raise dialog(f"{wanted['lineType']} does not exist.")
                    item = found if kind == "items" else item
                wanted[name] = value
                order.append(name)
            elif name in ("unitOfMeasureId", "unitOfMeasureCode"):
                if table == "salesOrderLines" and wanted["lineType"] != "Item":
                    raise dialog("Unit of Measure can be set only for lines with type Item.")
                wanted["unitOfMeasureCode"] = self._unit(value) if name.endswith("Id") else value
                order.append("unitOfMeasureCode")
            elif name in self._takers:
                wanted[name] = value
                order.append(name)
        return wanted, order

    def _unit(self, number: str) -> str:
        if empty(number):
            return ""
        found = self._company.tables["unitsOfMeasure"].get(number)
        if found is None:
            # The words are an assumption.
            raise dialog(
                f"The Unit of Measure does not exist. Identification fields and values: SystemId='{number}'"
            )
        return str(found.values["code"])

    # -- the table ----------------------------------------------------------------------------

    @staticmethod
    def _take_plain(name: str) -> Callable[[Line, Any, Record], None]:
        def take(line: Line, value: Any, header: Record) -> None:
            left = line["quantity"] - line.get("shippedQuantity", ZERO)
            if name == "shipQuantity" and not ZERO <= value <= left:
                raise dialog(f"You cannot ship more than {left.normalize():f} units.")
            line[name] = value

        return take

    def _empty(self, line: Line, header: Record) -> None:
        """Everything that was given before is lost: the table begins the line again."""
        _test_zero(line, header, "shippedQuantity", "Quantity Shipped")
        line.update({name: value for name, value in BLANK.items() if name != "lineType"})

    def _take_type(self, line: Line, kind: str, header: Record) -> None:
        if kind not in ("Item", "Account", "Comment"):
            raise bad_request(f"Lines of type '{kind}' are not simulated.")
        self._empty(line, header)
        line["lineType"] = kind

    def _take_number(self, line: Line, number: str, header: Record) -> None:
        """The item or account: of what was given before only the quantity is kept."""
        company, quantity = self._company, line["quantity"]
        self._empty(line, header)
        if not number:
            return
        line["lineObjectNumber"] = number
        if line["lineType"] == "Comment":
            # The company has no standard texts; the code is an assumption.
            raise dialog(
                f"The Standard Text does not exist. Identification fields and values: Code='{number}'"
            )
        table = "items" if line["lineType"] == "Item" else "accounts"
        found = company.find(table, "number", number)
        if found is None:
            raise not_in_table("No.", "Sales Line", number, "Item" if table == "items" else "G/L Account")
        line.update(quantity=quantity, description=found.values["displayName"], taxCode=DEFAULT_TAX)
        line["taxPercent"] = company.tax[DEFAULT_TAX]
        if table == "accounts":
            line["accountId"] = found.id
        else:
            held = found.values
            if held["blocked"]:
                raise wrong_value(
                    f"Blocked must be equal to 'No'  in Item: No.={held['number']}. Current value is 'Yes'."
                )
            line["itemId"] = found.id
            unit = held.get("_sales_unit") or held["baseUnitOfMeasureCode"]
            line.update(unitOfMeasureCode=unit, _per=company.per_unit(number, unit) or Decimal(1))
            self._look_up(line, header, otherwise=held["unitPrice"] * line["_per"])
        self._left(line)

    def _take_unit(self, line: Line, code: str, header: Record) -> None:
        _test_zero(line, header, "shippedQuantity", "Quantity Shipped")
        if line["lineType"] == "Item":
            per = self._company.per_unit(line["lineObjectNumber"], code)
            if per is None:
                raise not_in_table("Unit of Measure Code", "Sales Line", code, "Item Unit of Measure")
            line.update(unitOfMeasureCode=code, _per=per)
            card = self._company.tables["items"][line["itemId"]].values
            self._look_up(line, header, otherwise=card["unitPrice"] * per)

    def _take_quantity(self, line: Line, quantity: Decimal, header: Record) -> None:
        shipped = line.get("shippedQuantity", ZERO)
        if abs(quantity) < abs(shipped) or quantity * shipped < 0:
            raise wrong_value(
                f"Quantity must not be less than Quantity Shipped in Sales Line {_named(line, header)}."
            )
        line["quantity"] = quantity
        self._left(line)
        self._look_up(line, header, otherwise=line["unitPrice"])

    def _take_price(self, line: Line, price: Decimal, header: Record) -> None:
        line["unitPrice"] = price.quantize(UNIT_PRICE)
        _discount(line)

    def _take_discount(self, line: Line, amount: Decimal, header: Record) -> None:
        if not line["quantity"]:
            raise wrong_value(
                f"Quantity must have a value in Sales Line: {_named(line, header)}. It cannot be zero or empty."
            )
        whole = _whole(line)
        percent = (amount / whole * HUNDRED).quantize(UNIT_PRICE) if whole else ZERO
        if not 0 <= percent <= HUNDRED:
            raise dialog("The value in the Line Discount % field must be between 0 and 100.")
        line.update(discountAmount=amount.quantize(CENT), discountPercent=percent)

    def _take_percent(self, line: Line, percent: Decimal, header: Record) -> None:
        if not 0 <= percent <= HUNDRED:
            raise dialog("The value in the Line Discount % field must be between 0 and 100.")
        line["discountPercent"] = percent
        _discount(line)

    def _take_tax(self, line: Line, code: str, header: Record) -> None:
        rate = self._company.tax.get(code)
        if rate is None:
            raise not_in_table("VAT Prod. Posting Group", "Sales Line", code, "VAT Product Posting Group")
        before, line["taxCode"], line["taxPercent"] = line["taxPercent"], code, rate
        if header.values["pricesIncludeTax"] and line["lineType"] == "Item":
            # What it costs without tax stays.
            price = line["unitPrice"] * (HUNDRED + rate) / (HUNDRED + before)
            self._take_price(line, price, header)

    def _take_variant(self, line: Line, variant: str, header: Record) -> None:
        if not empty(variant):
            found = self._company.tables["itemVariants"].get(variant)
            if found is None or found.values["itemId"] != line["itemId"]:
                # The words are an assumption.
                raise dialog('The "itemVariantId" does not match to a variant of the item.')
        self._test_invoiced(line, header)
        line["itemVariantId"] = variant
        if line["lineType"] == "Item":
            self._look_up(line, header, otherwise=line["unitPrice"])

    def _take_location(self, line: Line, location: str, header: Record) -> None:
        if not empty(location) and location not in self._company.tables["locations"]:
            # The words are an assumption.
            raise dialog('The "locationId" does not match to a Location.')
        self._test_invoiced(line, header)
        line["locationId"] = location

    @staticmethod
    def _test_invoiced(line: Line, header: Record) -> None:
        waiting = line.get("shippedQuantity", ZERO) - line.get("invoicedQuantity", ZERO)
        _test_zero({"waiting": waiting, **line}, header, "waiting", "Qty. Shipped Not Invoiced")

    @staticmethod
    def _left(line: Line) -> None:
        """What is still to be shipped and invoiced of a new quantity."""
        if "shippedQuantity" in line:
            line["shipQuantity"] = line["quantity"] - line["shippedQuantity"]
            line["invoiceQuantity"] = line["quantity"] - line["invoicedQuantity"]

    # -- prices -------------------------------------------------------------------------------

    def _look_up(self, line: Line, header: Record, otherwise: Decimal) -> None:
        """The lowest price that the price lists have takes the place of what is there; ``otherwise`` where they have none.

        The percentage of the discount stays, not its amount.
        """
        if line["lineType"] == "Item" and line["lineObjectNumber"]:
            line["unitPrice"] = min(self._prices(line, header.values), default=otherwise).quantize(UNIT_PRICE)
        _discount(line)

    def _prices(self, line: Line, header: Mapping[str, Any]) -> list[Decimal]:
        company = self._company
        found = company.tables["itemVariants"].get(line["itemVariantId"])
        codes = ("", "" if found is None else found.values["code"])
        today, per = company.today(), line["_per"]
        return [
            # A price without a unit is of the base unit.
            row["unitPrice"] * (1 if row["unitOfMeasureCode"] else per)
            for row in (x.values for x in company.tables["priceListLines"].values())
            if row["status"] == "Active"
            and row["itemNumber"] == line["lineObjectNumber"]
            and row["variantCode"] in codes
            and row["unitOfMeasureCode"] in ("", line["unitOfMeasureCode"])
            and row["unitPrice"]
            and row["minimumQuantity"] <= line["quantity"] * (1 if row["unitOfMeasureCode"] else per)
            and (row["currencyCode"] or company.currency) == (header["currencyCode"] or company.currency)
            and row["startingDate"] <= today
            and (row["endingDate"] == EMPTY_DATE or today <= row["endingDate"])
            and (
                row["sourceType"] == "All_x0020_Customers"
                or (row["sourceType"], row["sourceNumber"]) == ("Customer", header["billToCustomerNumber"])
            )
        ]

    # -- what stands in the way ---------------------------------------------------------------

    @staticmethod
    def _check_open(table: str, header: Record) -> None:
        """Lines of a released order stand; on the wire its status is Open, in the product Released."""
        status, number = header.values["status"], header.values["number"]
        if table == "salesOrderLines" and status != "Draft":
            current = "Released" if status == "Open" else "Pending Approval"
            raise wrong_value(
                "Status must be equal to 'Open'  in Sales Header: Document Type=Order, "
                f"No.={number}. Current value is '{current}'."
            )
        if table == "salesCreditMemoLines" and status != "Draft":
            raise dialog("The credit memo has been posted already.")

    @staticmethod
    def check_unshipped(line: Record) -> None:
        """Whether a line may be deleted."""
        if line.values.get("shippedQuantity", ZERO) != line.values.get("invoicedQuantity", ZERO):
            # The words are an assumption.
            raise dialog(
                "You cannot delete the sales line because it has been shipped and not invoiced: "
                f"Line No.={line.values['sequence']}."
            )


def _unmoved(name: str, held: Any, value: Any) -> None:
    """What cannot be changed any more once it is there; the same again is no change."""
    if held and not empty(str(held)) and value != held:
        more = " Delete and insert the line again." if name == "sequence" else ""
        shown = name if name == "sequence" else f'"{name}"'
        raise dialog(f"The value for {shown} cannot be modified.{more}")


def _test_zero(line: Line, header: Record, name: str, caption: str) -> None:
    if value := line.get(name, ZERO):
        raise wrong_value(
            f"{caption} must be equal to '0'  in Sales Line: {_named(line, header)}. Current value is '{value.normalize():f}'."
        )


def _named(line: Line, header: Record) -> str:
    kind = "Order" if "shippedQuantity" in line else "Credit Memo"
    return f"Document Type={kind}, Document No.={header.values['number']}, Line No.={line['sequence']}"


def _whole(line: Line) -> Decimal:
    return Decimal(line["quantity"] * line["unitPrice"]).quantize(CENT)


def _discount(line: Line) -> None:
    line["discountAmount"] = (_whole(line) * line["discountPercent"] / HUNDRED).quantize(CENT)
