"""The kinds of records that files hold: what reads and writes them, and which fields a column can be. Data only."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from syncline.model.change import Flow
from syncline.ports import PollStream

Kind = Literal[
    "stock",
    "items",
    "products",
    "prices",
    "customers",
    "credit",
    "order_status",
    "shipments",
    "orders",
    "payments",
    "refunds",
    "returns",
    "shown",
]
Audience = Literal["base", "list", "group", "customer", "promotion"]
MAPPED = "x_[a-z0-9_]{1,60}"  # fields of orders whose values a mapping says

QUANTITY_MAX = Decimal(10) ** 15
STOCK_ROWS_MAX = 5_000  # in one file of changes
ORDER_ROWS_MAX = 200_000  # in one file of orders
RECORD_ROWS_MAX = 1_000_000  # in one file of records that several rows make together
CONTENTS_MAX = 500  # prices, customers, accounts or products in one file of changes

STOCK = PollStream("stock", (Flow.INVENTORY,), snapshot=True, arrives=True)
STOCK_CHANGES = PollStream("stock_changes", (Flow.INVENTORY,), arrives=True)
ITEMS = PollStream("items", (Flow.CATALOG,), snapshot=True, arrives=True)
ITEM_CHANGES = PollStream("item_changes", (Flow.CATALOG,), arrives=True)
# Which SKUs there are is everybody's; products are read where a route of the catalog carries them.
PRODUCTS = PollStream("products", (), snapshot=True, arrives=True, records=(Flow.CATALOG,))
PRODUCT_CHANGES = PollStream("product_changes", (), arrives=True, records=(Flow.CATALOG,))
PRICES = PollStream("prices", (Flow.PRICES,), snapshot=True, arrives=True)
PRICE_CHANGES = PollStream("price_changes", (Flow.PRICES,), arrives=True)
CUSTOMERS = PollStream("customers", (Flow.CUSTOMERS,), snapshot=True, arrives=True)
CUSTOMER_CHANGES = PollStream("customer_changes", (Flow.CUSTOMERS,), arrives=True)
CREDIT = PollStream("credit", (Flow.CREDIT,), snapshot=True, arrives=True)
CREDIT_CHANGES = PollStream("credit_changes", (Flow.CREDIT,), arrives=True)
ORDER_STATUS = PollStream("order_status", (Flow.ORDER_STATUS,), arrives=True)
SHIPMENTS = PollStream("shipments", (Flow.ORDER_STATUS,), arrives=True)
ORDERS = PollStream("orders", (Flow.ORDERS,), arrives=True)
PAYMENTS = PollStream("payments", (Flow.ORDERS,), arrives=True)
REFUNDS = PollStream("refunds", (Flow.ORDERS,), arrives=True)
RETURNS = PollStream("returns", (Flow.RETURNS,), arrives=True)
SHOWN = PollStream("shown", (), snapshot=True, arrives=True)  # looked at by proofs; no event comes of it

STREAM_OF = {
    ("stock", "full"): STOCK,
    ("stock", "delta"): STOCK_CHANGES,
    ("items", "full"): ITEMS,
    ("items", "delta"): ITEM_CHANGES,
    ("products", "full"): PRODUCTS,
    ("products", "delta"): PRODUCT_CHANGES,
    ("prices", "full"): PRICES,
    ("prices", "delta"): PRICE_CHANGES,
    ("customers", "full"): CUSTOMERS,
    ("customers", "delta"): CUSTOMER_CHANGES,
    ("credit", "full"): CREDIT,
    ("credit", "delta"): CREDIT_CHANGES,
    ("order_status", "delta"): ORDER_STATUS,
    ("shipments", "delta"): SHIPMENTS,
    ("orders", "delta"): ORDERS,
    ("payments", "delta"): PAYMENTS,
    ("refunds", "delta"): REFUNDS,
    ("returns", "delta"): RETURNS,
    ("shown", "full"): SHOWN,
}

# What states records that several rows may make together.
RECORDS = ("products", "prices", "customers", "credit")

# What of an order may come in files of its own, and its key.
MONEY = {"payments": "payment", "refunds": "refund"}

# Records that are judged one by one against what came before of them, and what each comes once by, beside its order.
ONCE = {"orders": "revision", **MONEY, "returns": "return"}

# For whom a price is; one that names nobody is everybody's.
BASE = "base"
AUDIENCES = ("list", "group", "customer", "promotion")
PLACE_PARTS = tuple("name line1 line2 city region postcode country phone".split())

_SHIP_AND_BILL = tuple(
    f"{to}_{part}"
    for to in ("ship", "bill")
    for part in "name company line1 line2 city region postcode country phone".split()
)
_BUYER = ("customer_id", "customer_name", "customer_email", "customer_phone")

# Of an order that a channel leaves, what concerns all of it and what concerns one line.
ORDER_HEAD = (
    *"reference revision status number placed_at updated_at currency shipping tax total taxes_included po_number".split(),
    *"note payment paid paid_at gateway".split(),
    *_BUYER,
    *_SHIP_AND_BILL,
)
ORDER_LINE = ("sku", "quantity", "unit_price", "line", "title", "location", "line_discount", "line_tax")

# What a column can hold, by kind of record; those without which a row says nothing come first.
READ_FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "stock": (("sku", "quantity"), ("location", "committed", "stamp")),
    "items": (("sku",), ("id", "title", "category", "price", "currency", "stamp")),
    # Of all rows of one product: of itself, of its variants, its images, its texts in other languages.
    "products": (
        ("sku",),
        (
            *"product barcode title description category status language images image image_position".split(),
            *"attribute attribute_value assortments assortment stamp".split(),
        ),
    ),
    # Of all rows that one list has of one SKU.
    "prices": (
        ("sku", "price"),
        (*AUDIENCES, *"for code currency own_currency minimum per unit own_unit starts ends stamp".split()),
    ),
    # Of all rows of one company: of itself, of its people, of its addresses.
    "customers": (
        ("company", "name"),
        (
            *"number status external_id tax_id terms group currency email phone person stamp".split(),
            *"contact contact_first_name contact_last_name contact_email contact_phone contact_title".split(),
            *"contact_role site site_label site_billing site_shipping".split(),
            *(f"{to}_{part}" for to in ("site", "bill", "ship") for part in PLACE_PARTS),
        ),
    ),
    # Orders that are not invoiced have to be said: they would count nowhere once the ERP has booked them.
    "credit": (
        ("account", "balance", "open_orders"),
        tuple("limit currency status days_past_due overdue open_invoices terms stamp".split()),
    ),
    "order_status": (
        ("reference", "sku", "quantity"),
        ("location", "shipped", "id", "status", "changed", "account", "stamp"),
    ),
    "shipments": (
        ("shipment", "reference", "sku", "quantity"),
        ("location", "shipped_at", "tracking", "carrier", "changed", "stamp"),
    ),
    "orders": (
        ("reference", "currency", "sku", "quantity", "unit_price"),
        tuple(
            name for name in ORDER_HEAD + ORDER_LINE if name not in ("reference", "currency", *ORDER_LINE[:3])
        ),
    ),
    # Of an order that a channel left: each once, by its own id.
    "payments": (("reference", "payment", "amount"), ("currency", "received_at", "gateway")),
    "refunds": (
        ("reference", "refund", "amount"),
        ("currency", "created_at", "line", "sku", "quantity", "location", "restocked"),
    ),
    # What a channel shows of what we wrote, and what it has taken off that for its own orders.
    "shown": (("sku", "quantity"), ("location", "ordered", "stamp")),
    # Goods that an ERP took back: each return once, by the ERP's own number.
    "returns": (
        ("return", "reference", "quantity"),
        ("sku", "line", "location", "returned_at", "restocked", "money", "refund"),
    ),
}

# Fields with a name of the partner's own in them, by kind of record.
READ_NAMED = {
    "products": r"(option|attribute)\..{1,60}|option_(name|value)\.[1-9]|image\.[1-9][0-9]?"
    r"|translation\.[A-Za-z0-9_-]{1,20}\.(title|description)"
}

# Of a company that a channel is told of: what is of each who may act for it, and of each address.
CONTACT = tuple(
    f"contact{part}" for part in ("", *"_first_name _last_name _email _phone _title _role".split())
)
SITE = tuple(
    f"site{part}"
    for part in (
        "",
        *"_label _billing _shipping _name _line1 _line2 _city _region _postcode _country _phone".split(),
    )
)

WRITE_FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "orders": (
        ("reference", "action", "sku", "quantity"),
        tuple(
            "revision number placed_at updated_at currency shipping tax discount total taxes_included po_number note".split()
        )
        + _BUYER
        + _SHIP_AND_BILL
        + ("line", "item_id", "title", "location", "unit_price", "line_discount", "line_tax", "charges"),
    ),
    "payments": (
        ("reference", "order", "amount"),
        ("payment", "currency", "received_at", "gateway", "customer_id"),
    ),
    "refunds": (
        ("reference", "order", "amount"),
        ("refund", "created_at", "restocked", "line", "sku", "item_id", "location", "quantity"),
    ),
    "stock": (("sku", "quantity"), ("location", "stock_id", "stamp")),
    "shipments": (
        ("reference", "shipment", "sku", "quantity"),
        ("location", "shipped_at", "tracking", "carrier"),
    ),
    "cancellations": (("reference",), ("restock", "money")),
    # Whether the channel's own payments are in the figure has to be said: it would add what it has already.
    "receipts": (("reference", "received", "of_channel"), ("revision", "currency", "received_at")),
    "returns": (
        ("reference", "return", "sku", "quantity"),
        ("location", "returned_at", "restock", "money"),
    ),
    "acknowledgements": (
        ("reference", "result"),
        ("revision", "reason", "file", "line", "stamp"),
    ),
    # A row for each price of a SKU in a list; together they are all that the list says of it.
    "prices": (("sku", "price"), ("list", "currency", "minimum", "compare_at", "item_id", "stamp")),
    # A row for the company, and one for each contact and address; together they are all of it.
    "customers": (
        ("company", "name"),
        (*"record number active tax_id terms group phone".split(), *CONTACT, *SITE, "stamp"),
    ),
    "credit": (("account", "available", "currency"), ("limit", "blocked", "reason", "stamp")),
    # A row for each SKU of a product; together they are all of it.
    "products": (
        ("product", "sku"),
        ("title", "description", "category", "status", "barcode", "images", "item_id", "stamp"),
    ),
    "translations": (("product", "language"), ("title", "description", "stamp")),
    "listings": (("product", "assortment", "shown"), ("stamp",)),
}

# Fields with a name of the partner's own, or a number, in them, by kind of what is written.
WRITE_NAMED = {
    "orders": MAPPED,
    "products": r"attribute\..{1,60}|option_(name|value)\.[1-9]|image\.[1-9][0-9]?",
}

DATES = frozenset(
    "stamp changed shipped_at placed_at updated_at received_at created_at paid_at returned_at".split()
)

OPERATION_OF = {
    "orders": "put_order",
    "payments": "put_payment",
    "refunds": "put_refund",
    "shipments": "create_shipment",
    "cancellations": "cancel_order",
    "receipts": "record_payment",
    "returns": "create_refund",
}
ANSWERS = ("shipments", "cancellations", "receipts", "returns")  # what a channel is told of its orders

# What a channel is told as it is now, many to a file: by operation, the kind of file.
CONTENT_OF = {
    "set_price": "prices",
    "set_list_price": "prices",
    "put_customer": "customers",
    "set_credit": "credit",
    "set_product": "products",
    "set_wording": "translations",
    "set_listing": "listings",
}
CONTENTS = tuple(dict.fromkeys(CONTENT_OF.values()))
OF_PRODUCTS = ("prices", "products", "translations", "listings")
