"""Creating, changing and deleting records, with the checks of the pages and of the tables behind them.

Texts stand in the pages' source (``APIV2 - …``) unless marked as an assumption.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from syncline.connectors.business_central.simulator.documents import Documents, empty
from syncline.connectors.business_central.simulator.errors import (
    ApiError,
    bad_request,
    dialog,
    no_option,
    no_property,
    not_in_table,
    read_only,
    same_key,
    too_long,
)
from syncline.connectors.business_central.simulator.lines import HEADERS, Lines
from syncline.connectors.business_central.simulator.odata import instant_ms
from syncline.connectors.business_central.simulator.schema import (
    EMPTY_GUID,
    ENTITIES,
    Entity,
    Field,
)
from syncline.connectors.business_central.simulator.state import LINE_STEP, Company, Record

_GUID = re.compile(r"[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_EDM = {"guid": "Guid", "decimal": "Decimal", "int": "Int32", "bool": "Boolean", "date": "Date", "instant": "DateTimeOffset"}  # fmt: skip
# Of these the company has none, so whatever names one names none of them.
NOT_HERE = {
    "paymentTermsId": "Payment Terms",
    "shipmentMethodId": "Shipment Method",
    "customerReturnReasonId": "Reason Code",
}
ADDRESS = {
    "AddressLine1": "addressLine1", "AddressLine2": "addressLine2", "City": "city", "Country": "country", "State": "state",
    "PostCode": "postalCode",
}  # fmt: skip
# What a document has from its customer's card.
FROM_CARD = {
    "shipToName": "displayName",
    **{f"{to}{name}": of for to in ("sellTo", "shipTo") for name, of in ADDRESS.items()},
    **{
        name: name
        for name in (
            "currencyId",
            "currencyCode",
            "paymentTermsId",
            "shipmentMethodId",
            "phoneNumber",
            "email",
        )
    },
    "salesperson": "salespersonCode",
}
FROM_PAYER = {
    **{name: name for name in ("currencyId", "currencyCode", "paymentTermsId")},
    "salesperson": "salespersonCode",
}
KEYS = {"items": "number", "customers": "number", "locations": "code"}


class Writes:
    """The writing side of one company."""

    def __init__(self, company: Company, documents: Documents, breach: Callable[[str], None]) -> None:
        self._company = company
        self._documents = documents
        self._breach = breach
        self.lines = Lines(company, documents)
        self.manual_numbers = True  # whether the number series lets people give numbers
        self.prices_include_tax = False  # whether customers' cards say so; credit memos have it from there
        # Whether values are taken in the order of the page's fields, or of the body. Nothing says which: a client has to
        # end well in both.
        self.in_page_order = False
        self._makers: dict[str, Callable[[dict[str, Any]], Record]] = {
            "customers": self._make_customers,
            "itemVariants": self._make_item_variants,
            "salesOrders": self._make_sales_orders,
            "salesOrderLines": partial(self.lines.make, "salesOrderLines"),
            "salesCreditMemos": self._make_sales_credit_memos,
            "salesCreditMemoLines": partial(self.lines.make, "salesCreditMemoLines"),
            "customerPayments": self._make_customer_payments,
        }
        self._changers: dict[str, Callable[[Record, dict[str, Any]], None]] = {
            "salesOrders": partial(self._change_header, "salesOrders"),
            "salesOrderLines": partial(self.lines.change, "salesOrderLines"),
            "salesCreditMemos": self._change_sales_credit_memos,
            "salesCreditMemoLines": partial(self.lines.change, "salesCreditMemoLines"),
            "customerPayments": self._change_customer_payments,
        }

    # -- the three verbs --------------------------------------------------------------------------

    def create(
        self, entity: Entity, body: Mapping[str, Any], parent: tuple[str, str] | None = None
    ) -> Record:
        """Make a record, and what is nested in it.

        Raises:
            ApiError: in the vendor's words; the caller takes back what was written before.
        """
        given, nested = self._checked(entity, body, "c")
        self._named(given)
        if parent is not None:
            given.setdefault(*parent)
        maker = self._makers.get(entity.name)
        record = self._plain(entity, given) if maker is None else maker(given)
        before = len(self._company.changes)
        try:
            for name, rows in nested.items():
                for row in rows:
                    self.create(ENTITIES[name], row, (entity.many[name], record.id))
        except ApiError:
            self._take_back(entity, record, before)
            raise
        return record

    def _take_back(self, entity: Entity, record: Record, before: int) -> None:
        """A nested record was refused: the whole is one transaction (an assumption), so nothing stays."""
        company = self._company
        for name in entity.many:
            if name in HEADERS:
                self._documents.remove(HEADERS[name], record)
                break
            for child in [x for x in company.tables[name].values() if record.id in x.values.values()]:
                company.delete(name, child)
        else:
            company.delete(entity.name, record)
        # The record itself and what was nested in it; rows of stock that were touched show what they showed.
        del company.changes[max(0, before - 1) :]

    def change(self, entity: Entity, record: Record, body: Mapping[str, Any]) -> None:
        """Change a record.

        Raises:
            ApiError: in the vendor's words.
        """
        given, nested = self._checked(entity, body, "u")
        self._named(given)
        if nested:
            # Documented as unsupported; the words are an assumption.
            raise bad_request(f"Deep update of '{next(iter(nested))}' is not supported.")
        changer = self._changers.get(entity.name)
        if changer is not None:
            changer(record, given)
            return
        if entity.name == "customers" and given.get("displayName") == "":
            raise dialog('The blank "displayName" is not allowed.')
        self._unique(entity, given, record)
        self._references(entity.title, given)
        record.values.update(given)
        self._company.touch(entity.name, record)

    def delete(self, entity: Entity, record: Record) -> None:
        """Delete a record.

        Raises:
            ApiError: something depends on it.
        """
        company = self._company
        if entity.name in ("salesOrders", "salesCreditMemos"):
            lines = list(company.children(f"{entity.name[:-1]}Lines", record.id))
            for line in lines:
                self.lines.check_unshipped(line)
            self._documents.remove(entity.name, record)
        elif entity.name in HEADERS:
            self.lines.delete(entity.name, record)
        else:
            if entity.name == "customers" and company.find("salesOrders", "customerId", record.id):
                # The words are an assumption.
                raise dialog(
                    f"You cannot delete Customer {record.values['number']} because there are documents for it."
                )
            company.delete(entity.name, record)

    # -- reading a body ---------------------------------------------------------------------------

    def _checked(
        self, entity: Entity, body: Mapping[str, Any], verb: str
    ) -> tuple[dict[str, Any], dict[str, list[Mapping[str, Any]]]]:
        given: dict[str, Any] = {}
        nested: dict[str, list[Mapping[str, Any]]] = {}
        for name, value in body.items():
            if "@" in name:
                continue  # annotations carry no data
            if name in entity.many and isinstance(value, list) and all(isinstance(x, dict) for x in value):
                nested[name] = value
                continue
            field = entity.fields.get(name)
            if field is None:
                self._breach("unknown_field")
                raise no_property(name, entity.singular)
            if verb not in field.write:
                self._breach("read_only_field")
                raise read_only(name)
            given[name] = self._value(name, field, value)
        if self.in_page_order:
            given = {name: given[name] for name in entity.fields if name in given}
        return given, nested

    def _value(self, name: str, field: Field, value: Any) -> Any:
        kind = field.kind
        if value is None:
            return field.empty
        if kind in ("code", "text"):
            if not isinstance(value, str):
                raise _not_a(name, value, "String")
            text = value.strip().upper() if kind == "code" else value
            if field.size and len(text) > field.size:
                raise too_long(text, field.size)
            return text
        if kind == "decimal" and isinstance(value, int | Decimal) and not isinstance(value, bool):
            return Decimal(value)
        if kind == "int" and isinstance(value, int) and not isinstance(value, bool):
            return value
        if kind == "bool" and isinstance(value, bool):
            return value
        if kind == "guid" and isinstance(value, str) and _GUID.fullmatch(value):
            return value.lower()
        if kind == "date" and isinstance(value, str) and _DATE.fullmatch(value):
            return value
        if kind == "instant" and isinstance(value, str):
            instant_ms(value)
            return value
        if kind == "enum" and isinstance(value, str):
            if value not in field.values:
                raise no_option(value, field.values)
            return value
        raise _not_a(name, value, _EDM.get(kind, "String"))

    # -- plain records ----------------------------------------------------------------------------

    def _plain(self, entity: Entity, given: dict[str, Any]) -> Record:
        self._unique(entity, given, None)
        self._references(entity.title, given)
        return self._company.insert(entity.name, given)

    def _unique(self, entity: Entity, given: Mapping[str, Any], record: Record | None) -> None:
        key = KEYS.get(entity.name)
        if key is None or not given.get(key):
            return
        found = self._company.find(entity.name, key, given[key])
        if found is not None and found is not record:
            raise same_key(entity.title, given[key])

    def _references(self, table: str, given: Mapping[str, Any]) -> None:
        company = self._company
        for name in ("country", "sellToCountry", "shipToCountry"):
            if given.get(name) and company.find("countriesRegions", "code", given[name]) is None:
                raise not_in_table("Country/Region Code", table, given[name], "Country/Region")
        for name, what in NOT_HERE.items() if table == "Sales Header" else ():
            if not empty(given.get(name, "")):
                raise dialog(f'The "{name}" does not match to a {what}.')
        self._currency(given)

    def _named(self, given: dict[str, Any]) -> None:
        """A currency that is named by its id alone."""
        found = self._company.tables["currencies"].get(given.get("currencyId", EMPTY_GUID))
        if found is not None:
            given.setdefault("currencyCode", found.values["code"])

    def _currency(self, given: Mapping[str, Any]) -> None:
        """The currency by id or by code, both only if they agree; the company's own has no id."""
        company = self._company
        code = given.get("currencyCode", "").upper()
        if code not in ("", company.currency) and company.find("currencies", "code", code) is None:
            raise dialog('The "currencyCode" does not match to a Currency.')
        if empty(number := given.get("currencyId", EMPTY_GUID)):
            return
        found = company.tables["currencies"].get(number)
        if found is None:
            raise dialog('The "currencyId" does not match to a Currency.')
        if code not in ("", found.values["code"]):
            raise dialog("The currency values do not match to a specific Currency.")

    # -- customers --------------------------------------------------------------------------------

    def _make_customers(self, given: dict[str, Any]) -> Record:
        if not given.get("displayName"):
            raise dialog('A "displayName" must be provided.')
        if given.get("number"):
            if not self.manual_numbers:
                raise dialog(
                    "You may not enter numbers manually. If you want to enter numbers manually, please activate "
                    "Manual Nos. in No. Series CUST."
                )
        else:
            given["number"] = self._company.number("customer", 10_001, "C")
        given.setdefault("currencyCode", self._company.currency)
        return self._plain(ENTITIES["customers"], given)

    def _make_item_variants(self, given: dict[str, Any]) -> Record:
        item = self._company.tables["items"].get(given.get("itemId", EMPTY_GUID))
        if item is None:
            raise dialog('The "itemId" does not match to an Item.')
        given["itemNumber"] = item.values["number"]
        return self._company.insert("itemVariants", given)

    # -- documents --------------------------------------------------------------------------------

    def _customer(self, given: Mapping[str, Any]) -> Record | None:
        company = self._company
        by_id = given.get("customerId", EMPTY_GUID)
        found = None
        if not empty(by_id):
            found = company.tables["customers"].get(by_id)
            if found is None:
                raise dialog("The sell-to customer cannot be found.")
        if number := given.get("customerNumber"):
            if found is not None and found.values["number"] != number:
                raise dialog("The sell-to customer values do not match to a specific Customer.")
            found = found or company.find("customers", "number", number)
            if found is None:
                raise dialog("The sell-to customer cannot be found.")
        return found

    def _payer(self, given: Mapping[str, Any], customer: Record) -> Record:
        """Who is to pay: the customer, unless another is named."""
        company, found = self._company, None
        if not empty(by_id := given.get("billToCustomerId", EMPTY_GUID)):
            found = company.tables["customers"].get(by_id)
            if found is None:
                raise dialog("The bill-to customer cannot be found.")
        if number := given.get("billToCustomerNumber"):
            if found is not None and found.values["number"] != number:
                raise dialog("The bill-to customer values do not match to a specific Customer.")
            found = found or company.find("customers", "number", number)
            if found is None:
                raise dialog("The bill-to customer cannot be found.")
        return found or customer

    def _header(self, table: str, given: dict[str, Any], number: str) -> Record:
        """A document, field by field: its customer's card takes the place of what was given before.

        Source: *Sales Header*, ``OnValidate`` of ``Sell-to Customer No.``.
        """
        company = self._company
        customer = self._customer(given)
        if customer is None:
            raise dialog('A "customerNumber" or a "customerId" must be provided.')
        payer = self._payer(given, customer)
        self._references("Sales Header", given)
        held = customer.values
        if held["blocked"] in ("All", *(("Invoice", "Ship") if table == "salesOrders" else ())):
            raise dialog(
                f"You cannot create this type of document when Customer {held['number']} is blocked with type "
                f"{held['blocked']}"
            )
        card = {name: held[of] for name, of in FROM_CARD.items()} | {"shipToContact": ""}
        if table == "salesOrders":
            card["pricesIncludeTax"] = self.prices_include_tax
        values: dict[str, Any] = {"postingDate": company.today()}
        for name, value in given.items():
            if name in ("customerId", "customerNumber"):
                values |= card
            elif name in ("billToCustomerId", "billToCustomerNumber"):
                values |= {name: payer.values[of] for name, of in FROM_PAYER.items()}
            elif value or name not in ("shipToName", "shipToContact"):  # empty they are no news to the page
                values[name] = value
        values |= {
            "number": number,
            "customerId": customer.id,
            "customerNumber": held["number"],
            "customerName": held["displayName"],
            "billToName": payer.values["displayName"],
            "billToCustomerId": payer.id,
            "billToCustomerNumber": payer.values["number"],
            **{f"billTo{name}": held[of] for name, of in ADDRESS.items()},
        }
        record = company.insert(table, {x: y for x, y in values.items() if x in ENTITIES[table].fields})
        self._documents.settle(table, record)
        return record

    def _make_sales_orders(self, given: dict[str, Any]) -> Record:
        given.setdefault("orderDate", self._company.today())
        return self._header("salesOrders", given, self._company.number("order", 101_001))

    def _make_sales_credit_memos(self, given: dict[str, Any]) -> Record:
        given.setdefault("creditMemoDate", self._company.today())
        given["pricesIncludeTax"] = self.prices_include_tax
        self._applies_to(given)
        return self._header("salesCreditMemos", given, self._company.number("memo", 1001))

    def _applies_to(self, given: dict[str, Any]) -> None:
        """The invoice that a credit memo applies to, by id or by number, both only if they agree."""
        company, found = self._company, None
        if "invoiceId" in given:
            found = company.tables["salesInvoices"].get(given["invoiceId"])
            if found is None and not empty(given["invoiceId"]):
                raise dialog('The "invoiceId" does not match to an Invoice.')
            if given.get("invoiceNumber", "") not in ("", found and found.values["number"]):
                raise dialog('The "invoiceId" and "invoiceNumber" do not match to a specific Invoice.')
            given["invoiceNumber"] = "" if found is None else found.values["number"]
        elif "invoiceNumber" in given:
            found = company.find("salesInvoices", "number", given["invoiceNumber"])
            given["invoiceId"] = EMPTY_GUID if found is None else found.id

    def _change_sales_credit_memos(self, record: Record, given: dict[str, Any]) -> None:
        if record.values["status"] != "Draft":
            raise dialog("The credit memo has been posted already.")
        self._applies_to(given)
        self._change_header("salesCreditMemos", record, given)

    def _change_header(self, table: str, record: Record, given: dict[str, Any]) -> None:
        customer = self._customer(given)
        if customer is not None and customer.id != record.values["customerId"]:
            # The words are an assumption.
            raise dialog("The customer of a document with lines cannot be changed here.")
        self._references("Sales Header", given)
        values = {k: v for k, v in given.items() if k not in ("customerId", "customerNumber")}
        if "billToCustomerId" in given or "billToCustomerNumber" in given:
            payer = self._payer(given, self._company.tables["customers"][record.values["customerId"]])
            values |= {
                "billToCustomerId": payer.id,
                "billToCustomerNumber": payer.values["number"],
                "billToName": payer.values["displayName"],
            }
        record.values.update(values)
        self._documents.settle(table, record)
        self._company.touch(table, record)

    # -- payments ---------------------------------------------------------------------------------

    def _payment(self, given: dict[str, Any]) -> Record | None:
        """The customer of a payment, by id, by number, both only if they agree, or by the invoice that it applies to."""
        company, customer, invoice = self._company, None, None
        if not empty(given.get("customerId", EMPTY_GUID)):
            customer = company.tables["customers"].get(given["customerId"])
            if customer is None:
                raise dialog('The "customerId" does not match to a Customer.')
        if number := given.get("customerNumber"):
            if customer is not None and customer.values["number"] != number:
                raise dialog("The customer values do not match to a specific Customer.")
            customer = customer or company.find("customers", "number", number)
            if customer is None:
                raise dialog('The "customerNumber" does not match to a Customer.')
        if not empty(given.get("appliesToInvoiceId", EMPTY_GUID)):
            invoice = company.tables["salesInvoices"].get(given["appliesToInvoiceId"])
            if invoice is None:
                raise dialog(
                    'The "appliesToInvoiceId" should be the ID of an Open, Paid, Corrective, or Canceled Invoice.'
                )
        if number := given.get("appliesToInvoiceNumber"):
            if invoice is not None and invoice.values["number"] != number:
                raise dialog("The Applies To Invoice values do not match to the same Invoice.")
            invoice = invoice or company.find("salesInvoices", "number", number)
        if invoice is not None:
            given.update(appliesToInvoiceId=invoice.id, appliesToInvoiceNumber=invoice.values["number"])
            customer = customer or company.tables["customers"][invoice.values["billToCustomerId"]]
        if customer is not None:
            held = customer.values
            if held["blocked"] == "All":
                raise dialog(
                    f"You cannot create this type of document when Customer {held['number']} is blocked with type All"
                )
            given.update(customerId=customer.id, customerNumber=held["number"])
            # Source: *Gen. Journal Line*, GetCustomerAccount: a line is in the currency of the customer's card, and no
            # field of the page says so.
            given["_currency"] = held["currencyCode"] or company.currency
        return customer

    def _change_customer_payments(self, record: Record, given: dict[str, Any]) -> None:
        if given.get("journalId", record.values["journalId"]) != record.values["journalId"]:
            raise dialog("The Journal Id cannot be changed.")
        self._payment(given)
        record.values.update(given)
        self._company.touch("customerPayments", record)

    def _make_customer_payments(self, given: dict[str, Any]) -> Record:
        company = self._company
        journal = company.tables["customerPaymentJournals"].get(given.get("journalId", EMPTY_GUID))
        if journal is None:
            raise dialog("You must specify a journal batch ID or a journal ID to get a journal line.")
        customer = self._payment(given)
        held = [
            x.values["lineNumber"]
            for x in company.tables["customerPayments"].values()
            if x.values["journalId"] == journal.id
        ]
        given.setdefault("lineNumber", (max(held) if held else 0) + LINE_STEP)
        given.setdefault("documentNumber", company.number(f"payment {journal.id}", 1, "P"))
        given.setdefault("postingDate", company.today())
        given["journalDisplayName"] = journal.values["code"]
        given.setdefault("_currency", company.currency)
        if customer is not None:
            given.setdefault("description", customer.values["displayName"])
        return company.insert("customerPayments", given)


def _not_a(name: str, value: Any, kind: str) -> Exception:
    return bad_request(
        f"Cannot convert the literal '{str(value)[:50]}' of '{name}' to the expected type 'Edm.{kind}'."
    )
