"""What ``syncline init`` writes for a partner who exchanges files as an ERP."""

from __future__ import annotations

from syncline.ports import Sample

SAMPLE = Sample(
    "erp",
    """\
folder = "/srv/exchange"            # or sftp://HOST/PATH, or s3://BUCKET/PREFIX: see "Exchange files"
spool = "/var/lib/syncline/erp"     # a folder of Syncline's own, on a local disk
untold = ["payments", "refunds"]    # no file tells of them

[[systems.erp.reads]]
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

[[systems.erp.reads]]
kind = "items"
path = "items"
pattern = "ITEMS_*.csv"
scope = "full"
complete = "rename"
delimiter = ";"
columns = [{ field = "sku", name = "ITEM" }, { field = "title", name = "TEXT" }]

[[systems.erp.reads]]
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

[[systems.erp.reads]]
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

[[systems.erp.writes]]
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
]
""",
    location="MAIN",
)
