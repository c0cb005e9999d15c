"""What the pages publish: entities, their fields, and what may be done with them. Data only.

Field names, lengths and the flags are those of the API pages' source (``APIV2 - …``, Microsoft, BCApps and
ALAppExtensions), contract sheet section 5; of accounts, currencies and countries only what names them, and the
company's information is for reading only. The entities of the group ``connect`` are our own extension's, ``../extension``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from syncline.connectors.business_central.simulator.options import (
    BLOCKED,
    DOCUMENT_STATUS,
    ENTRY_DOCUMENTS,
    ENTRY_TYPES,
    INVOICE_STATUS,
    LEDGER_DOCUMENTS,
    LINE_TYPES,
    SHIPPED_TYPES,
)

EMPTY_GUID = "00000000-0000-0000-0000-000000000000"
EMPTY_DATE = "0001-01-01"
EMPTY_INSTANT = "0001-01-01T00:00:00Z"
STANDARD = "v2.0"
EXTENSION = "syncline/connect/v1.0"

_DEFAULTS: dict[str, Any] = {
    "guid": EMPTY_GUID,
    "code": "",
    "text": "",
    "decimal": Decimal(0),
    "int": 0,
    "bigint": 0,
    "bool": False,
    "date": EMPTY_DATE,
    "instant": EMPTY_INSTANT,
    "enum": "_x0020_",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field: ``kind``, longest text, and who may write it (``""`` nobody, ``c`` create, ``cu`` always).

    The metadata call the type of an option by the name of the enum behind the field, without its spaces and signs
    (seen in published metadata: ``invoiceLineAggLineType``, ``customerBlocked``, ``salesOrderEntityBufferStatus``).
    """

    kind: str
    size: int = 0
    write: str = ""
    values: tuple[str, ...] = ()  # of an enum, as they stand on the wire
    default: Any = None
    enum: str = ""  # what the metadata call its type

    @property
    def empty(self) -> Any:
        """The value of a field that nobody has set."""
        return _DEFAULTS[self.kind] if self.default is None else self.default


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity set. ``verbs`` are the letters of create, update, delete; reading is always there."""

    name: str
    singular: str
    title: str  # as messages call it
    fields: dict[str, Field]
    verbs: str = ""
    api: str = STANDARD
    many: dict[str, str] = field(default_factory=dict)  # navigation -> the child's field of its parent
    one: dict[str, tuple[str, str]] = field(default_factory=dict)  # navigation -> (entity set, our field)
    actions: tuple[str, ...] = ()
    webhooks: bool = False


def _id() -> dict[str, Field]:
    return {"id": Field("guid")}


def _each(kind: str, size: int, write: str, *names: str) -> dict[str, Field]:
    return {name: Field(kind, size, write) for name in names}


def _stamp() -> dict[str, Field]:
    return {"lastModifiedDateTime": Field("instant")}


def _address(prefix: str, write: str) -> dict[str, Field]:
    def name(rest: str) -> str:
        return f"{prefix}{rest}" if prefix else rest[0].lower() + rest[1:]

    return {
        name("AddressLine1"): Field("text", 100, write),
        name("AddressLine2"): Field("text", 50, write),
        name("City"): Field("text", 30, write),
        name("Country"): Field("code", 10, write),
        name("State"): Field("text", 30, write),
        name("PostCode" if prefix else "PostalCode"): Field("code", 20, write),
    }


def _named(name: str, singular: str, title: str, key: dict[str, Field], size: int) -> Entity:
    fields = {**_id(), **key, "displayName": Field("text", size), **_stamp()}
    return Entity(name, singular, title, fields, webhooks=True)


def _document(status: tuple[str, ...], enum: str) -> dict[str, Field]:
    return {
        **_id(),
        "number": Field("code", 20),
        "externalDocumentNumber": Field("code", 35, "cu"),
        "postingDate": Field("date", 0, "cu"),
        "customerId": Field("guid", 0, "cu"),
        "customerNumber": Field("code", 20, "cu"),
        "customerName": Field("text", 100),
        "billToName": Field("text", 100),
        "billToCustomerId": Field("guid", 0, "cu"),
        "billToCustomerNumber": Field("code", 20, "cu"),
        **_address("sellTo", "cu"),
        **_address("billTo", ""),
        **_each("code", 20, "cu", "shortcutDimension1Code", "shortcutDimension2Code"),
        "currencyId": Field("guid", 0, "cu"),
        "currencyCode": Field("text", 10, "cu"),
        **_each("guid", 0, "cu", "paymentTermsId", "shipmentMethodId"),
        "pricesIncludeTax": Field("bool", 0, "cu"),
        "salesperson": Field("code", 20, "cu"),
        "discountAmount": Field("decimal", 0, "cu"),
        "discountAppliedBeforeTax": Field("bool"),
        "totalAmountExcludingTax": Field("decimal"),
        "totalTaxAmount": Field("decimal"),
        "totalAmountIncludingTax": Field("decimal"),
        "status": Field("enum", values=status, default="Draft", enum=enum),
        **_stamp(),
        "phoneNumber": Field("text", 30, "cu"),
        "email": Field("text", 80, "cu"),
    }


def _ship_to() -> dict[str, Field]:
    return {
        "shipToName": Field("text", 100, "cu"),
        "shipToContact": Field("text", 100, "cu"),
        **_address("shipTo", "cu"),
    }


def _line(*amounts: str) -> dict[str, Field]:
    return {
        **_id(),
        "documentId": Field("guid", 0, "cu"),
        "sequence": Field("int", 0, "cu"),
        "itemId": Field("guid", 0, "cu"),
        "accountId": Field("guid", 0, "cu"),
        "lineType": Field("enum", 0, "cu", LINE_TYPES, "Comment", "invoiceLineAggLineType"),
        "lineObjectNumber": Field("code", 20, "cu"),
        "description": Field("text", 100, "cu"),
        "description2": Field("text", 50, "cu"),
        "unitOfMeasureId": Field("guid", 0, "cu"),
        "unitOfMeasureCode": Field("code", 10, "cu"),
        **_each("decimal", 0, "cu", *amounts, "discountAmount", "discountPercent"),
        "discountAppliedBeforeTax": Field("bool"),
        "amountExcludingTax": Field("decimal"),
        "taxCode": Field("code", 50, "cu"),
        "taxPercent": Field("decimal"),
        "totalTaxAmount": Field("decimal"),
        "amountIncludingTax": Field("decimal"),
        "invoiceDiscountAllocation": Field("decimal"),
        "netAmount": Field("decimal"),
        "netTaxAmount": Field("decimal"),
        "netAmountIncludingTax": Field("decimal"),
        "shipmentDate": Field("date", 0, "cu"),
        "itemVariantId": Field("guid", 0, "cu"),
        "locationId": Field("guid", 0, "cu"),
    }


_LOCATION_OF_LINE = {"location": ("locations", "locationId")}

ENTITIES = {
    entity.name: entity
    for entity in (
        Entity(
            "companies",
            "company",
            "Company",
            {
                **_id(),
                "systemVersion": Field("text"),
                "timestamp": Field("int"),
                "name": Field("text", 30),
                "displayName": Field("text", 250),
                "businessProfileId": Field("text"),
            },
        ),
        Entity(
            "items",
            "item",
            "Item",
            {
                **_id(),
                "number": Field("code", 20, "cu"),
                "displayName": Field("text", 100, "cu"),
                "displayName2": Field("text", 50, "cu"),
                "type": Field(
                    "enum", 0, "cu", ("Inventory", "Service", "Non_x002D_Inventory"), "Inventory", "itemType"
                ),
                "itemCategoryId": Field("guid", 0, "cu"),
                "itemCategoryCode": Field("code", 20, "cu"),
                "blocked": Field("bool", 0, "cu"),
                "gtin": Field("code", 14, "cu"),
                "inventory": Field("decimal"),
                "unitPrice": Field("decimal", 0, "cu"),
                "priceIncludesTax": Field("bool", 0, "cu"),
                "unitCost": Field("decimal", 0, "cu"),
                "taxGroupId": Field("guid", 0, "cu"),
                "taxGroupCode": Field("code", 20, "cu"),
                "baseUnitOfMeasureId": Field("guid", 0, "cu"),
                "baseUnitOfMeasureCode": Field("code", 10, "cu"),
                **_each("guid", 0, "cu", "generalProductPostingGroupId", "inventoryPostingGroupId"),
                **_each("code", 20, "cu", "generalProductPostingGroupCode", "inventoryPostingGroupCode"),
                **_stamp(),
            },
            "cud",
            many={"itemVariants": "itemId"},
            webhooks=True,
        ),
        Entity(
            "itemCategories",
            "itemCategory",
            "Item Category",
            {**_id(), "code": Field("code", 20, "cu"), "displayName": Field("text", 100, "cu"), **_stamp()},
            "cud",
            webhooks=True,
        ),
        Entity(
            "itemVariants",
            "itemVariant",
            "Item Variant",
            {
                **_id(),
                "itemId": Field("guid", 0, "cu"),
                "itemNumber": Field("code", 20, "cu"),
                "code": Field("code", 10, "cu"),
                "description": Field("text", 100, "cu"),
                **_stamp(),
            },
            "cud",
        ),
        Entity(
            "locations",
            "location",
            "Location",
            {
                **_id(),
                "code": Field("code", 10, "cu"),
                "displayName": Field("text", 100, "cu"),
                "contact": Field("text", 100, "cu"),
                **_address("", "cu"),
                "phoneNumber": Field("text", 30, "cu"),
                "email": Field("text", 80, "cu"),
                "website": Field("text", 80, "cu"),
                **_stamp(),
            },
            "cud",
        ),
        Entity(
            "customers",
            "customer",
            "Customer",
            {
                **_id(),
                "number": Field("code", 20, "cu"),
                "displayName": Field("text", 100, "cu"),
                "type": Field("enum", 0, "cu", ("Company", "Person"), "Company", "contactType"),
                **_address("", "cu"),
                "phoneNumber": Field("text", 30, "cu"),
                "email": Field("text", 80, "cu"),
                "website": Field("text", 80, "cu"),
                "salespersonCode": Field("code", 20, "cu"),
                "balanceDue": Field("decimal"),
                "creditLimit": Field("decimal", 0, "cu"),
                "taxLiable": Field("bool", 0, "cu"),
                "taxAreaId": Field("guid", 0, "cu"),
                "taxAreaDisplayName": Field("text", 100),
                "taxRegistrationNumber": Field("text", 20, "cu"),
                "currencyId": Field("guid", 0, "cu"),
                "currencyCode": Field("text", 10, "cu"),
                **_each("guid", 0, "cu", "paymentTermsId", "shipmentMethodId", "paymentMethodId"),
                "blocked": Field("enum", 0, "cu", BLOCKED, "_x0020_", "customerBlocked"),
                **_stamp(),
            },
            "cud",
            webhooks=True,
        ),
        Entity(
            "customerFinancialDetails",
            "customerFinancialDetail",
            "Customer",
            {
                **_id(),
                "number": Field("code", 20),
                "balance": Field("decimal"),
                "totalSalesExcludingTax": Field("decimal"),
                "overdueAmount": Field("decimal"),
                **_stamp(),
            },
        ),
        Entity(
            "salesOrders",
            "salesOrder",
            "Sales Order",
            {
                **_document(DOCUMENT_STATUS, "salesOrderEntityBufferStatus"),
                **_ship_to(),
                "orderDate": Field("date", 0, "cu"),
                "partialShipping": Field("bool", 0, "cu"),
                "requestedDeliveryDate": Field("date", 0, "cu"),
                "fullyShipped": Field("bool"),
            },
            "cud",
            many={"salesOrderLines": "documentId"},
            actions=("Microsoft.NAV.shipAndInvoice",),
            webhooks=True,
        ),
        Entity(
            "salesOrderLines",
            "salesOrderLine",
            "Sales Line",
            {
                **_line("quantity", "unitPrice"),
                "shippedQuantity": Field("decimal"),
                "invoicedQuantity": Field("decimal"),
                "invoiceQuantity": Field("decimal", 0, "cu"),
                "shipQuantity": Field("decimal", 0, "cu"),
            },
            "cud",
            one=_LOCATION_OF_LINE,
        ),
        Entity(
            "salesInvoices",
            "salesInvoice",
            "Sales Invoice",
            {
                **_document(INVOICE_STATUS, "invoiceEntityAggregateStatus"),
                **_ship_to(),
                **_each("date", 0, "", "invoiceDate", "dueDate", "promisedPayDate"),
                "customerPurchaseOrderReference": Field("text", 35),
                "disputeStatusId": Field("guid"),
                "disputeStatus": Field("code", 10),
                "orderId": Field("guid"),
                "orderNumber": Field("code", 20),
                "remainingAmount": Field("decimal"),
            },
            webhooks=True,
        ),
        Entity(
            "salesShipments",
            "salesShipment",
            "Sales Shipment",
            {
                **_id(),
                "number": Field("code", 20),
                "externalDocumentNumber": Field("code", 35),
                "postingDate": Field("date"),
                "customerId": Field("guid"),
                "customerNumber": Field("code", 20),
                "customerName": Field("text", 100),
                **{name: Field(x.kind, x.size) for name, x in _ship_to().items()},
                "currencyCode": Field("text", 10),
                "orderNumber": Field("code", 20),
                **_each("date", 0, "", "invoiceDate", "dueDate"),
                "customerPurchaseOrderReference": Field("text", 35),
                "billToCustomerId": Field("guid"),
                "billToName": Field("text", 100),
                "billToCustomerNumber": Field("code", 20),
                **_address("sellTo", ""),
                **_address("billTo", ""),
                **_each("code", 10, "", "paymentTermsCode", "shipmentMethodCode"),
                "salesperson": Field("code", 20),
                "pricesIncludeTax": Field("bool"),
                "phoneNumber": Field("text", 30),
                "email": Field("text", 80),
                **_stamp(),
            },
            many={"salesShipmentLines": "documentId"},
        ),
        Entity(
            "salesShipmentLines",
            "salesShipmentLine",
            "Sales Shipment Line",
            {
                **_id(),
                "documentId": Field("guid"),
                "documentNo": Field("code", 20),
                "sequence": Field("int"),
                "lineType": Field("enum", values=SHIPPED_TYPES, enum="salesLineType"),
                "lineObjectNumber": Field("code", 20),
                "description": Field("text", 100),
                "description2": Field("text", 50),
                "unitOfMeasureCode": Field("code", 10),
                "unitPrice": Field("decimal"),
                "quantity": Field("decimal"),
                "discountPercent": Field("decimal"),
                "taxPercent": Field("decimal"),
                "shipmentDate": Field("date"),
            },
        ),
        Entity(
            "salesCreditMemos",
            "salesCreditMemo",
            "Sales Credit Memo",
            {
                **_document(INVOICE_STATUS, "salesCrMemoEntityBufferStatus"),
                "pricesIncludeTax": Field("bool"),  # the customer's card decides
                **_each("date", 0, "cu", "creditMemoDate", "dueDate"),
                "customerReturnReasonId": Field("guid", 0, "cu"),
                "invoiceId": Field("guid", 0, "cu"),
                "invoiceNumber": Field("code", 20, "cu"),
            },
            "cud",
            many={"salesCreditMemoLines": "documentId"},
            actions=("Microsoft.NAV.post",),
            webhooks=True,
        ),
        Entity(
            "salesCreditMemoLines",
            "salesCreditMemoLine",
            "Sales Line",
            _line("unitPrice", "quantity"),  # the page has them in this order
            "cud",
            one=_LOCATION_OF_LINE,
        ),
        Entity(
            "customerPaymentJournals",
            "customerPaymentJournal",
            "Gen. Journal Batch",
            {
                **_id(),
                "code": Field("code", 10, "cu"),
                "displayName": Field("text", 100, "cu"),
                "balancingAccountId": Field("guid", 0, "cu"),
                "balancingAccountNumber": Field("code", 20),
                **_stamp(),
            },
            "cud",
            many={"customerPayments": "journalId"},
            webhooks=True,
        ),
        Entity(
            "customerPayments",
            "customerPayment",
            "Gen. Journal Line",
            {
                **_id(),
                "journalId": Field("guid", 0, "cu"),
                "journalDisplayName": Field("code", 10),
                "lineNumber": Field("int", 0, "cu"),
                "customerId": Field("guid", 0, "cu"),
                "customerNumber": Field("code", 20, "cu"),
                "postingDate": Field("date", 0, "cu"),
                "documentNumber": Field("code", 20, "cu"),
                "externalDocumentNumber": Field("code", 35, "cu"),
                "amount": Field("decimal", 0, "cu"),
                "appliesToInvoiceId": Field("guid", 0, "cu"),
                "appliesToInvoiceNumber": Field("code", 20, "cu"),
                "description": Field("text", 100, "cu"),
                "comment": Field("text", 250, "cu"),
                **_stamp(),
            },
            "cud",
        ),
        Entity(
            "generalLedgerEntries",
            "generalLedgerEntry",
            "G/L Entry",
            {
                **_id(),
                "entryNumber": Field("int"),
                "postingDate": Field("date"),
                "documentNumber": Field("code", 20),
                "documentType": Field("enum", values=LEDGER_DOCUMENTS, enum="genJournalDocumentType"),
                "accountId": Field("guid"),
                "accountNumber": Field("code", 20),
                "description": Field("text", 100),
                "debitAmount": Field("decimal"),
                "creditAmount": Field("decimal"),
                **_each("decimal", 0, "", "additionalCurrencyDebitAmount", "additionalCurrencyCreditAmount"),
                **_stamp(),
            },
            webhooks=True,
        ),
        Entity(
            "itemLedgerEntries",
            "itemLedgerEntry",
            "Item Ledger Entry",
            {
                **_id(),
                "entryNumber": Field("int"),
                "itemNumber": Field("code", 20),
                "postingDate": Field("date"),
                "entryType": Field("enum", values=ENTRY_TYPES, enum="itemLedgerEntryType"),
                "sourceNumber": Field("code", 20),
                "sourceType": Field(
                    "enum", values=("_x0020_", "Customer", "Vendor", "Item"), enum="analysisSourceType"
                ),
                "documentNumber": Field("code", 20),
                "documentType": Field("enum", values=ENTRY_DOCUMENTS, enum="itemLedgerDocumentType"),
                "description": Field("text", 100),
                **_each("decimal", 0, "", "quantity", "salesAmountActual", "costAmountActual"),
                **_stamp(),
            },
        ),
        Entity(
            "unitsOfMeasure",
            "unitOfMeasure",
            "Unit of Measure",
            {
                **_id(),
                "code": Field("code", 10, "cu"),
                "displayName": Field("text", 50, "cu"),
                "internationalStandardCode": Field("code", 10, "cu"),
                "symbol": Field("text", 10, "cu"),
                **_stamp(),
            },
            "cud",
            webhooks=True,
        ),
        _named("accounts", "account", "G/L Account", {"number": Field("code", 20)}, 100),
        _named("currencies", "currency", "Currency", {"code": Field("code", 10)}, 30),
        _named("countriesRegions", "countryRegion", "Country/Region", {"code": Field("code", 10)}, 50),
        Entity(
            "companyInformation",
            "companyInformation",
            "Company Information",
            {
                **_id(),
                "displayName": Field("text", 100),
                **_address("", ""),
                **_each("text", 30, "", "phoneNumber", "faxNumber", "industry"),
                "email": Field("text", 80),
                "website": Field("text", 255),
                "taxRegistrationNumber": Field("text", 50),
                "currencyCode": Field("code", 10),
                "currentFiscalYearStartDate": Field("date"),
                "experience": Field("text"),
                **_stamp(),
            },
            webhooks=True,
        ),
        # -- our extension ----------------------------------------------------------------------------
        Entity(
            "stockLevels",
            "stockLevel",
            "Syncline Stock Level",
            {
                **_id(),
                "entryNumber": Field("int"),
                "itemId": Field("guid"),
                "itemNumber": Field("code", 20),
                "variantCode": Field("code", 10),
                "locationCode": Field("code", 10),
                "inventory": Field("decimal"),
                "quantityOnSalesOrder": Field("decimal"),
                "rowVersion": Field("bigint"),
                "asOf": Field("instant"),
                **_stamp(),
            },
            api=EXTENSION,
            webhooks=True,
        ),
        Entity(
            "shipments",
            "shipment",
            "Sales Shipment Header",
            {
                **_id(),
                "number": Field("code", 20),
                "orderNumber": Field("code", 20),
                "externalDocumentNumber": Field("code", 35),
                "postingDate": Field("date"),
                "packageTrackingNumber": Field("text", 50),
                "shippingAgentCode": Field("code", 10),
                "createdAt": Field("instant"),
                "rowVersion": Field("bigint"),
                "asOf": Field("instant"),
                **_stamp(),
            },
            api=EXTENSION,
            many={"shipmentLines": "documentNumber"},
            webhooks=True,
        ),
        Entity(
            "shipmentLines",
            "shipmentLine",
            "Sales Shipment Line",
            {
                **_id(),
                "documentNumber": Field("code", 20),
                "lineNumber": Field("int"),
                "orderLineNumber": Field("int"),
                "itemNumber": Field("code", 20),
                "variantCode": Field("code", 10),
                "locationCode": Field("code", 10),
                "quantityBase": Field("decimal"),
            },
            api=EXTENSION,
        ),
        Entity(
            "priceListLines",
            "priceListLine",
            "Price List Line",
            {
                **_id(),
                "priceListCode": Field("code", 20),
                "lineNumber": Field("int"),
                "sourceType": Field(
                    "enum",
                    values=("All_x0020_Customers", "Customer", "Customer_x0020_Price_x0020_Group"),
                    enum="priceSourceType",
                ),
                "sourceNumber": Field("code", 20),
                "itemNumber": Field("code", 20),
                "variantCode": Field("code", 10),
                "unitOfMeasureCode": Field("code", 10),
                "minimumQuantity": Field("decimal"),
                "unitPrice": Field("decimal"),
                "currencyCode": Field("code", 10),
                "startingDate": Field("date"),
                "endingDate": Field("date"),
                "status": Field(
                    "enum", values=("Draft", "Active", "Inactive"), default="Draft", enum="priceStatus"
                ),
                "rowVersion": Field("bigint"),
                **_stamp(),
            },
            api=EXTENSION,
            webhooks=True,
        ),
        Entity(
            "itemTranslations",
            "itemTranslation",
            "Item Translation",
            {
                **_id(),
                "itemNumber": Field("code", 20),
                "variantCode": Field("code", 10),
                "languageCode": Field("code", 10),
                "description": Field("text", 100),
                **_stamp(),
            },
            api=EXTENSION,
        ),
        Entity(
            "itemTexts",
            "itemText",
            "Extended Text Line",
            {
                **_id(),
                "itemNumber": Field("code", 20),
                "languageCode": Field("code", 10),
                "textNumber": Field("int"),
                "lineNumber": Field("int"),
                "text": Field("text", 100),
                **_stamp(),
            },
            api=EXTENSION,
        ),
        Entity(
            "itemAttributes",
            "itemAttribute",
            "Item Attribute Value Mapping",
            {
                **_id(),
                "itemNumber": Field("code", 20),
                "attributeName": Field("text", 250),
                "value": Field("text", 250),
            },
            api=EXTENSION,
        ),
        Entity(
            "changeMarks",
            "changeMark",
            "Change Mark",
            {**_id(), "minimumActiveRowVersion": Field("bigint"), "asOf": Field("instant")},
            api=EXTENSION,
        ),
    )
}

# The child's field holds the parent's number, not its id.
BY_NUMBER = {"shipmentLines"}
# A temporary buffer behind the page: it cannot be read without its document.
BUFFERED = {"salesOrderLines", "salesCreditMemoLines"}
