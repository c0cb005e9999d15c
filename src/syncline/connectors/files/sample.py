"""What ``syncline init`` writes for a partner who exchanges files: as an ERP, and as a channel."""

from __future__ import annotations

from syncline.ports import Sample

SAMPLE = Sample(
    "erp",
    """\
folder = "/srv/{name}"              # or sftp://HOST/PATH, or s3://BUCKET/PREFIX: see "Exchange files"
spool = "/var/lib/syncline/{name}"  # a folder of Syncline's own, on a local disk
untold = ["payments", "refunds"]    # of orders: no file tells of them
""",
    location="MAIN",
    prices="base",
    more={
        "inventory": """\
[[systems.{name}.reads]]
kind = "stock"                      # all of it in each file
path = "stock"
pattern = "STOCK_*.csv"             # the star is the moment at which it was true
scope = "full"
complete = "rename"                 # written under another name first; or sentinel, trailer, stable
stamp = "name"
stamp_format = "%Y%m%d%H%M%S"
timezone = "UTC"
lead_s = 300                        # how long the export runs
delimiter = ";"
decimal = ","
columns = [{ field = "sku", name = "ITEM" }, { field = "location", name = "WAREHOUSE" }, { field = "quantity", name = "QTY" }]
""",
        "inventory orders prices": """\
[[systems.{name}.reads]]
kind = "items"
path = "items"
pattern = "ITEMS_*.csv"
scope = "full"
complete = "rename"
delimiter = ";"
columns = [{ field = "sku", name = "ITEM" }, { field = "title", name = "TEXT" }]
""",
        "orders order_status": """\
[[systems.{name}.reads]]
kind = "order_status"               # which orders are booked: their stock is gone from the figures
path = "status"
pattern = "STATUS_*.csv"
complete = "rename"
delimiter = ";"
uncommitted = ["cancelled"]
columns = [
  { field = "reference", name = "REF" },
  { field = "status", name = "STATE" },
  { field = "sku", name = "ITEM" },
  { field = "location", name = "WAREHOUSE" },
  { field = "quantity", name = "QTY" },
  { field = "changed", name = "BOOKED" },
]
""",
        "order_status": """\
[[systems.{name}.reads]]
kind = "shipments"
path = "parcels"
pattern = "PARCELS_*.csv"
complete = "rename"
delimiter = ";"
columns = [
  { field = "shipment", name = "PARCEL" },
  { field = "reference", name = "REF" },
  { field = "sku", name = "ITEM" },
  { field = "location", name = "WAREHOUSE" },
  { field = "quantity", name = "QTY" },
  { field = "tracking", name = "TRACKING" },
]
""",
        "orders": """\
[[systems.{name}.writes]]
kind = "orders"                     # a file for each revision of each order
path = "orders"
archive = "orders-done"             # where the partner moves what it has booked
delimiter = ";"
decimal = ","
columns = [
  { field = "reference", name = "ORDER_REF" },
  { field = "revision", name = "REV" },
  { field = "action", name = "ACTION" },
  { field = "sku", name = "ITEM" },
  { field = "location", name = "WAREHOUSE" },
  { field = "quantity", name = "QTY" },
  { field = "unit_price", name = "PRICE" },
  { field = "customer_id", name = "CUSTOMER" },
]
""",
        "catalog": """\
[[systems.{name}.reads]]
kind = "products"                   # a row for each variant; what a full file leaves out has ended
path = "products"
pattern = "PRODUCTS_*.csv"
scope = "full"
complete = "rename"
stamp = "name"
stamp_format = "%Y%m%d%H%M%S"
delimiter = ";"
ended = ["ended"]                   # words of STATE: archived; any other is sold
columns = [
  { field = "product", name = "STYLE" },          # what the variants of one product have in common
  { field = "sku", name = "ITEM" },
  { field = "barcode", name = "EAN" },
  { field = "title", name = "NAME" },
  { field = "description", name = "HTML" },
  { field = "category", name = "PATH" },
  { field = "status", name = "STATE" },
  { field = "option.Colour", name = "COLOUR" },   # in what they differ
  { field = "attribute.Material", name = "MATERIAL" },
  { field = "image.1", name = "PICTURE" },        # an https address
]
""",
        "returns": """\
[[systems.{name}.reads]]
kind = "returns"                    # goods that came back, each return once by the ERP's number
path = "returns"
pattern = "RETURNS_*.csv"
complete = "rename"
delimiter = ";"
decimal = ","
columns = [
  { field = "return", name = "RECEIPT" },
  { field = "reference", name = "REF" },
  { field = "sku", name = "ITEM" },
  { field = "location", name = "WAREHOUSE" },
  { field = "quantity", name = "QTY" },
  { field = "returned_at", name = "RECEIVED" },
  { field = "restocked", name = "SHELF" },        # 1: for sale again
  { field = "money", name = "REPAY" },            # 1: its buyer gets the money back
]
""",
        "prices": """\
[[systems.{name}.reads]]
kind = "prices"                     # a row for each price; what a full file leaves out is no price any more
path = "prices"
pattern = "PRICES_*.csv"
scope = "full"
complete = "rename"
stamp = "name"
stamp_format = "%Y%m%d%H%M%S"
timezone = "UTC"                    # of whole days, too
delimiter = ";"
decimal = ","
day_format = "%Y-%m-%d"
whom = { ALL = "base", GROUP = "group", CUSTOMER = "customer", PROMO = "promotion" }   # words of FOR
columns = [
  { field = "sku", name = "ITEM" },
  { field = "for", name = "FOR" },
  { field = "code", name = "CODE" },
  { field = "minimum", name = "FROM_QTY" },
  { field = "price", name = "PRICE" },
  { field = "currency", name = "CURRENCY" },
  { field = "starts", name = "VALID_FROM" },
  { field = "ends", name = "VALID_TO" },     # the last day on which it holds
]
""",
        "customers": """\
[[systems.{name}.reads]]
kind = "customers"                  # all rows of a company are one: itself, its people, its addresses
path = "customers"
pattern = "CUSTOMERS_*.csv"
scope = "full"
complete = "rename"
stamp = "name"
stamp_format = "%Y%m%d%H%M%S"
delimiter = ";"
inactive = ["closed"]               # words of STATE: nobody may buy for it any more
columns = [
  { field = "company", name = "CUSTOMER" },
  { field = "name", name = "NAME" },
  { field = "status", name = "STATE" },
  { field = "tax_id", name = "VAT" },
  { field = "terms", name = "TERMS" },
  { field = "contact", name = "PERSON" },
  { field = "contact_first_name", name = "FIRST_NAME" },
  { field = "contact_last_name", name = "LAST_NAME" },
  { field = "contact_email", name = "EMAIL" },
  { field = "contact_role", name = "ROLE" },
  { field = "site", name = "ADDRESS" },
  { field = "site_line1", name = "STREET" },
  { field = "site_city", name = "TOWN" },
  { field = "site_postcode", name = "POSTCODE" },
  { field = "site_country", name = "COUNTRY" },   # ISO 3166-1, two letters
  { field = "site_phone", name = "PHONE" },
  { field = "site_billing", name = "INVOICES" },
  { field = "site_shipping", name = "GOODS" },
]
""",
        "credit": """\
[[systems.{name}.reads]]
kind = "credit"                     # a row for each account
path = "credit"
pattern = "CREDIT_*.csv"
scope = "full"
complete = "rename"
stamp = "name"
stamp_format = "%Y%m%d%H%M%S"
timezone = "UTC"
lead_s = 300                        # how long the export runs: what was booked meanwhile may not be in it
delimiter = ";"
decimal = ","
held = ["STOP"]                     # words of STATE: nothing may be sold on credit
columns = [
  { field = "account", name = "CUSTOMER" },
  { field = "limit", name = "LIMIT" },
  { field = "balance", name = "BALANCE" },
  { field = "open_orders", name = "ORDERS" },     # not invoiced yet; { field = "open_orders", value = "0" } where BALANCE has them
  { field = "status", name = "STATE" },
  { field = "days_past_due", name = "DAYS_OVERDUE" },
  { field = "currency", name = "CURRENCY" },
]
""",
    },
)

CHANNEL = Sample(
    "channel",
    """\
folder = "/srv/{name}"              # or sftp://HOST/PATH, or s3://BUCKET/PREFIX: see "Exchange files"
spool = "/var/lib/syncline/{name}"  # a folder of Syncline's own, on a local disk
""",
    location="1",
    role="buyer",
    more={
        "orders order_status payments returns": """\
[[systems.{name}.reads]]
kind = "orders"                     # a row for each line, with what concerns the whole order in every one
path = "orders"
pattern = "ORDERS_*.csv"
complete = "rename"                 # written under another name first; or sentinel, trailer, stable
stamp = "name"                      # the star is the moment at which it was true
stamp_format = "%Y%m%d%H%M%S"
timezone = "UTC"
delimiter = ";"
decimal = ","
cancelled = ["cancelled"]           # words of STATE: the buyer wants nothing any more
columns = [
  { field = "reference", name = "ORDER" },
  { field = "revision", name = "REVISION" },   # which of two contents is newer; or updated_at
  { field = "status", name = "STATE" },
  { field = "currency", name = "CURRENCY" },
  { field = "total", name = "TOTAL" },
  { field = "customer_id", name = "BUYER" },
  { field = "payment", name = "PAYMENT" },
  { field = "paid", name = "PAID" },
  { field = "line", name = "LINE" },
  { field = "sku", name = "ITEM" },
  { field = "location", name = "SITE" },
  { field = "quantity", name = "QTY" },
  { field = "unit_price", name = "PRICE" },
]
""",
        "inventory prices catalog": """\
[[systems.{name}.reads]]
kind = "items"                      # which SKUs are sold there
path = "listed"
pattern = "LISTED_*.csv"
scope = "full"
complete = "rename"
delimiter = ";"
columns = [{ field = "sku", name = "ITEM" }]
""",
        "inventory": """\
[[systems.{name}.writes]]
kind = "stock"                      # absolute numbers, so the last file counts
path = "stock"
archive = "done"                    # where the partner moves what it has taken
delimiter = ";"
columns = [{ field = "sku", name = "ITEM" }, { field = "location", name = "SITE" }, { field = "quantity", name = "QTY" }]
""",
        "orders": """\
[[systems.{name}.writes]]
kind = "acknowledgements"           # what became of each order of each file
path = "answers"
archive = "done"
delimiter = ";"
columns = [
  { field = "reference", name = "ORDER" },
  { field = "revision", name = "REVISION" },
  { field = "result", name = "RESULT" },       # taken, unchanged, older, refused
  { field = "reason", name = "REASON" },
  { field = "file", name = "FILE" },
  { field = "line", name = "LINE" },
]
""",
        "order_status": """\
[[systems.{name}.writes]]
kind = "shipments"
path = "parcels"
archive = "done"
delimiter = ";"
columns = [
  { field = "reference", name = "ORDER" },
  { field = "shipment", name = "PARCEL" },
  { field = "sku", name = "ITEM" },
  { field = "location", name = "SITE" },
  { field = "quantity", name = "QTY" },
  { field = "tracking", name = "TRACKING" },
]

[[systems.{name}.writes]]
kind = "cancellations"              # of these the ERP will send nothing
path = "called-off"
archive = "done"
delimiter = ";"
columns = [{ field = "reference", name = "ORDER" }, { field = "money", name = "REPAY" }]
""",
        "payments": """\
[[systems.{name}.writes]]
kind = "receipts"                   # what the ERP has received for an order in all; a route of payments needs it
path = "receipts"
archive = "done"
delimiter = ";"
decimal = ","
columns = [
  { field = "reference", name = "ORDER" },
  { field = "revision", name = "REVISION" },
  { field = "received", name = "RECEIVED" },
  { field = "of_channel", name = "WITH_YOURS" },   # 1: what you took is in it
  { field = "currency", name = "CURRENCY" },
]
""",
        "returns": """\
[[systems.{name}.writes]]
kind = "returns"                    # goods that came back to the ERP; a route of returns needs it
path = "returns"
archive = "done"
delimiter = ";"
columns = [
  { field = "reference", name = "ORDER" },
  { field = "return", name = "RETURN" },
  { field = "sku", name = "ITEM" },
  { field = "quantity", name = "QTY" },
  { field = "money", name = "REPAY" },
]
""",
        "prices": """\
[[systems.{name}.writes]]
kind = "prices"                     # all prices of an article in each list that stands in a file; a route of prices needs it
path = "prices"
archive = "done"
delimiter = ";"
decimal = ","
columns = [
  { field = "sku", name = "ITEM" },
  { field = "list", name = "LIST" },           # empty: the item's own price
  { field = "currency", name = "CURRENCY" },
  { field = "minimum", name = "FROM" },
  { field = "price", name = "PRICE" },         # empty: the list says nothing of it any more
]
""",
        "catalog": """\
[[systems.{name}.writes]]
kind = "products"                   # a row for each SKU of a product; a route of the catalog needs it
path = "products"
archive = "done"
delimiter = ";"
columns = [
  { field = "product", name = "PRODUCT" },
  { field = "sku", name = "ITEM" },
  { field = "title", name = "TITLE" },
  { field = "status", name = "STATUS" },       # active, draft, archived; also: description, category, images ...
  { field = "option_name.1", name = "OPTION" },
  { field = "option_value.1", name = "VALUE" },
  { field = "barcode", name = "EAN" },
]
""",
        "customers": """\
[[systems.{name}.writes]]
kind = "customers"                  # a row for a customer and each of its contacts; a route of customers needs it
path = "customers"
archive = "done"
delimiter = ";"
columns = [
  { field = "company", name = "CUSTOMER" },    # as BUYER of its orders
  { field = "record", name = "RECORD" },       # company, contact
  { field = "name", name = "NAME" },
  { field = "number", name = "NUMBER" },
  { field = "active", name = "ACTIVE" },
  { field = "tax_id", name = "TAX_ID" },
  { field = "contact", name = "CONTACT" },
  { field = "contact_first_name", name = "FIRST_NAME" },
  { field = "contact_last_name", name = "LAST_NAME" },
  { field = "contact_email", name = "EMAIL" },
  { field = "contact_role", name = "ROLE" },
]
""",
        "credit": """\
[[systems.{name}.writes]]
kind = "credit"                     # what a customer may buy on account; a route of credit needs it
path = "credit"
archive = "done"
delimiter = ";"
decimal = ","
columns = [
  { field = "account", name = "CUSTOMER" },
  { field = "currency", name = "CURRENCY" },
  { field = "available", name = "AVAILABLE" }, # empty: anything
  { field = "blocked", name = "BLOCKED" },
]
""",
    },
)
