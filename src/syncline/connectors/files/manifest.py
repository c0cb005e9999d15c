"""What this connector needs to know, can do, and may do at once."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct, field

from syncline.connectors.files.checks import check_names, check_read, check_write
from syncline.connectors.files.declared import Dialect, Head, Read, Write, customer_fields
from syncline.connectors.files.kinds import (
    ANSWERS,
    CONTENT_OF,
    CONTENTS_MAX,
    MAPPED,
    MONEY,
    OF_PRODUCTS,
    STOCK_ROWS_MAX,
    STREAM_OF,
)
from syncline.model.capabilities import Capabilities, LimitKind, StockBasis
from syncline.model.change import Flow
from syncline.model.customers import CustomerField
from syncline.model.delivery import Operation
from syncline.model.errors import Misconfigured

# A file that we wrote may show so long after an answer that was lost. The places that we know are consistent at once
# and a call ends after a minute at most.
LOOK_UP_WINDOW_MS = 60_000

CAPABILITIES = Capabilities(
    delta_poll=("inventory", "order_status", "orders", "returns", "catalog", "prices", "customers", "credit"),
    deletes_seen=False,  # a row that a full file leaves out is missing, which is another thing than deleted
    external_reference=True,  # the name of an order's file
    batch_items_max=STOCK_ROWS_MAX,
    partial_batch=True,
    multi_location=True,
    stock_read_basis=StockBasis.AVAILABLE,
    limit=LimitKind.CONCURRENCY,
    order_fields=MAPPED,
    price_lists=True,
    list_names=("base", "list:", "group:", "customer:", "promotion:"),
    customer_fields=tuple(CustomerField),
)

OPERATIONS = {
    "put_order": Operation("put_order", look_up=True, look_up_window_ms=LOOK_UP_WINDOW_MS, urgent=True),
    "put_payment": Operation("put_payment", look_up=True, look_up_window_ms=LOOK_UP_WINDOW_MS),
    "put_refund": Operation("put_refund", look_up=True, look_up_window_ms=LOOK_UP_WINDOW_MS),
    "create_shipment": Operation("create_shipment", look_up=True, look_up_window_ms=LOOK_UP_WINDOW_MS),
    "cancel_order": Operation("cancel_order", look_up=True, look_up_window_ms=LOOK_UP_WINDOW_MS),
    "record_payment": Operation("record_payment", look_up=True, look_up_window_ms=LOOK_UP_WINDOW_MS),
    "create_refund": Operation("create_refund", look_up=True, look_up_window_ms=LOOK_UP_WINDOW_MS),
    "set_stock": Operation("set_stock", batch_items_max=STOCK_ROWS_MAX),
    "read_stock": Operation("read_stock", batch_items_max=STOCK_ROWS_MAX, reads_only=True),
    **{name: Operation(name, batch_items_max=CONTENTS_MAX, sets=True) for name in CONTENT_OF},
}
STREAMS = tuple(STREAM_OF.values())


class FilesSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One partner with whom files are exchanged."""

    folder: str
    spool: str
    reads: tuple[Read, ...] = ()
    writes: tuple[Write, ...] = ()
    untold: tuple[Literal["payments", "refunds"], ...] = ()
    keep_days: int = 30
    order_days: int = 180
    slots: int = 4
    user: str = ""
    password: str = ""
    private_key: str = ""
    host_key: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: str = ""
    session_token: str = ""
    session_token_expires: Annotated[datetime, Meta(tz=True)] | None = None
    entries_max: int = field(default=10_000)

    def __repr__(self) -> str:
        """Without the secrets."""
        return f"FilesSettings(folder={self.folder!r}, spool={self.spool!r})"

    @property
    def place(self) -> str:
        """What kind of place it is: ``local``, ``sftp`` or ``s3``."""
        scheme = urlsplit(self.folder).scheme
        return scheme if scheme in ("sftp", "s3") else "local"

    def read(self, stream: str) -> Read | None:
        """What a stream reads."""
        return next((each for each in self.reads if each.stream.name == stream), None)

    def write(self, kind: str) -> Write | None:
        """Where records of a kind are written."""
        return next((each for each in self.writes if each.kind == kind), None)

    def validate(self) -> None:
        """Check what can be checked without a call.

        Raises:
            Misconfigured: names the field and the mend; never shows a secret.
        """
        self._check_place()
        if not PurePosixPath(self.spool).is_absolute():
            raise Misconfigured(
                f"files.spool: {self.spool!r} must be an absolute path on a disk of this machine."
            )
        if min(self.keep_days, self.order_days, self.entries_max) < 1 or not 1 <= self.slots <= 64:
            raise Misconfigured(
                "files.keep_days, order_days and entries_max must be at least 1, slots 1 to 64."
            )
        if not self.reads and not self.writes:
            raise Misconfigured("files: declare at least one of reads and writes.")
        seen: set[str] = set()
        for n, read in enumerate(self.reads):
            check_read(f"files.reads[{n}]", read, seen)
        kinds: set[str] = set()
        for n, write in enumerate(self.writes):
            check_write(f"files.writes[{n}]", write, kinds)
        check_names(self.reads, self.writes)
        for kind in ("payments", "refunds") if "orders" in kinds else ():
            if (kind in kinds) == (kind in self.untold):
                raise Misconfigured(
                    f"files: orders bring {kind} with them. Declare a write of kind {kind!r}, or name it in "
                    "files.untold if your partner learns of them in another way."
                )
        if "orders" in kinds and self._reads("stock") and not self._reads("order_status"):
            raise Misconfigured(
                "files: with stock read and orders written, reads of kind 'order_status' are needed: nothing else says "
                "which orders the stock figures have lost already, so units would be sold twice or hidden for ever."
            )
        if "orders" in kinds and self._reads("credit"):
            self._check_credit()
        physical = any(read.kind == "stock" and read.basis == "on_hand" for read in self.reads)
        status = self.read("order_status")
        if physical and status is not None and not _has(status, "shipped"):
            raise Misconfigured(
                "files: stock states what is physically there (on_hand), so order_status needs a column 'shipped'."
            )
        only_changes = self.read("stock_changes") and not self.read("stock") and "orders" in kinds
        if only_changes and status is not None and not _has(status, "changed"):
            raise Misconfigured(
                "files: where stock comes as changes only, order_status needs a column 'changed' (when the order "
                "was booked), or a figure that was told before the order's status is never known to contain it."
            )
        for kind in (*ANSWERS, "acknowledgements"):
            if kind in kinds and not self._reads("orders"):
                raise Misconfigured(
                    f"files: {kind} answer orders that the partner leaves: declare reads of kind 'orders'."
                )
        placed = self.read("orders")
        for kind in MONEY:
            if self._reads(kind) and placed is None:
                raise Misconfigured(
                    f"files: {kind} are of orders that the partner leaves: declare reads of kind 'orders'."
                )
        if self._reads("payments") and placed is not None and _has(placed.head or placed, "paid"):
            raise Misconfigured(
                "files: payments come with their orders ('paid') or in files of their own, not both: they would count twice."
            )
        if "orders" in kinds and self._reads("orders"):
            raise Misconfigured(
                "files: one partner either leaves orders or is left them; configure a system for each."
            )
        back = self.read("returns")
        if back is not None and self._reads("orders"):
            raise Misconfigured(
                "files: returns are goods that an ERP took back; what a channel gives back for the orders that it leaves is read "
                "as kind 'refunds'."
            )
        sent = self.write("orders")
        if back is not None and not _has(back, "sku") and (sent is None or not _has(sent, "line")):
            raise Misconfigured(
                "files: returns name goods by 'line' alone, but no column 'line' of the orders that are written tells the partner "
                "how we number them: declare it, or 'sku' of returns."
            )
        if back is not None and "refunds" in kinds and not _has(back, "refund"):
            raise Misconfigured(
                "files: returns need a column 'refund', in which the partner repeats the reference of the refund that a return was "
                "made for: without it what a channel gave back would return to it as news, and be paid back twice."
            )
        for kind in ("stock", *OF_PRODUCTS):
            if kind in kinds and not self._reads("items"):
                raise Misconfigured(
                    f"files: to write {kind}, declare reads of kind 'items': they say which SKUs the partner sells."
                )
        for kind in ("translations", "listings"):
            if kind in kinds and "products" not in kinds:
                raise Misconfigured(f"files: {kind} are of products: declare a write of kind 'products'.")
        if self._reads("shown") and "stock" not in kinds:
            raise Misconfigured(
                "files: what a partner shows is compared with the numbers that we write: declare writes of kind 'stock'."
            )

    def _check_credit(self) -> None:
        orders = self.write("orders")
        if not self._reads("order_status"):
            raise Misconfigured(
                "files: with credit read and orders written, reads of kind 'order_status' are needed: nothing else says "
                "which orders the figures contain, so each would count twice for ever."
            )
        if orders is not None and not _has(orders, "customer_id"):
            raise Misconfigured(
                "files: with credit read, orders need a column 'customer_id': it says on whose account they are booked."
            )

    def _reads(self, kind: str) -> bool:
        return any(read.kind == kind for read in self.reads)

    def _check_place(self) -> None:
        parts = urlsplit(self.folder)
        if self.place == "sftp":
            if not parts.hostname or not (self.user or parts.username):
                raise Misconfigured("files.folder: write sftp://HOST/PATH and give files.user.")
            if parts.password:
                raise Misconfigured(
                    "files.folder must not contain a password: give files.password as env:NAME."
                )
            if not self.host_key:
                raise Misconfigured(
                    "files.host_key is empty: pin the server's key, as `ssh-keyscan` prints it and your partner "
                    "confirms it. There is no fallback."
                )
            if not self.password and not self.private_key:
                raise Misconfigured("files: give private_key or password for SFTP.")
        elif self.place == "s3":
            if not parts.netloc:
                raise Misconfigured("files.folder: write s3://BUCKET/PREFIX.")
            if not self.access_key or not self.secret_key:
                raise Misconfigured("files: access_key and secret_key are needed for object storage.")
            if self.endpoint and urlsplit(self.endpoint).scheme != "https":
                local = urlsplit(self.endpoint).hostname in ("localhost", "127.0.0.1", "::1")
                if not local or urlsplit(self.endpoint).scheme != "http":
                    raise Misconfigured(
                        "files.endpoint must be https (http is accepted for this machine only)."
                    )
        elif not PurePosixPath(self.folder).is_absolute():
            raise Misconfigured(
                f"files.folder: {self.folder!r} is no absolute path, no sftp://HOST/PATH and no s3://BUCKET/PREFIX."
            )


def capabilities_of(settings: FilesSettings) -> Capabilities:
    """What a configured system offers: what its partner leaves, and its figures state what the partner says they do."""
    basis = next((read.basis for read in settings.reads if read.kind == "stock"), "available")
    streams = [STREAM_OF.get((read.kind, read.scope)) for read in settings.reads]
    told = {flow for stream in streams if stream is not None for flow in Flow if stream.tells(flow)}
    orders = settings.write("orders")
    fields = [re.escape(column.field) for column in (orders.columns if orders else ())]
    prices = settings.write("prices")
    return Capabilities(
        **{name: getattr(CAPABILITIES, name) for name in CAPABILITIES.__dataclass_fields__}
        | {
            "stock_read_basis": StockBasis(basis),
            "delta_poll": tuple(flow for flow in CAPABILITIES.delta_poll if flow in told),
            "order_fields": "|".join(field for field in fields if re.fullmatch(MAPPED, field)),
            "price_lists": prices is not None and prices.has("list"),
            "compares_prices": prices is not None and prices.has("compare_at"),
            "price_decimals": CAPABILITIES.price_decimals if prices is None else prices.decimals,
            "customer_fields": customer_fields(settings.write("customers")),
        }
    )


def _has(dialect: Dialect | Head, name: str) -> bool:
    return any(column.field == name for column in dialect.columns)
