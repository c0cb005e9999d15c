"""What this connector needs to know, can do, and may do at once: data only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from msgspec import Struct, field, structs

from syncline.model.capabilities import Capabilities, LimitKind, StockBasis
from syncline.model.change import Flow
from syncline.model.delivery import Operation
from syncline.model.errors import Misconfigured
from syncline.ports import PollStream

Kind = Literal["stock", "items", "order_status", "shipments", "orders", "payments", "refunds"]
Format = Literal["csv", "fixed", "xml"]

# A file that we wrote may show so long after an answer that was lost. The places that we know are consistent at once
# and a call ends after a minute at most.
LOOK_UP_WINDOW_MS = 60_000
STOCK_ROWS_MAX = 5_000  # in one file of changes
QUANTITY_MAX = Decimal(10) ** 15
ORDER_ROWS_MAX = 200_000  # in one file of orders
ENCODINGS = (
    "utf-8 utf-8-sig ascii latin-1 iso-8859-1 iso-8859-2 iso-8859-15 cp1250 cp1251 cp1252 cp437 cp850 cp852"
)

MAPPED = "x_[a-z0-9_]{1,60}"  # fields of orders whose values a mapping says

CAPABILITIES = Capabilities(
    delta_poll=("inventory", "order_status", "orders"),
    deletes_seen=False,  # a row that a full file leaves out is missing, which is another thing than deleted
    external_reference=True,  # the name of an order's file
    batch_items_max=STOCK_ROWS_MAX,
    partial_batch=True,
    multi_location=True,
    stock_read_basis=StockBasis.AVAILABLE,
    limit=LimitKind.CONCURRENCY,
    order_fields=MAPPED,
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
}

STOCK = PollStream("stock", (Flow.INVENTORY,), snapshot=True, arrives=True)
STOCK_CHANGES = PollStream("stock_changes", (Flow.INVENTORY,), arrives=True)
ITEMS = PollStream("items", (Flow.CATALOG,), snapshot=True, arrives=True)
ITEM_CHANGES = PollStream("item_changes", (Flow.CATALOG,), arrives=True)
ORDER_STATUS = PollStream("order_status", (Flow.ORDER_STATUS,), arrives=True)
SHIPMENTS = PollStream("shipments", (Flow.ORDER_STATUS,), arrives=True)
ORDERS = PollStream("orders", (Flow.ORDERS,), arrives=True)
PAYMENTS = PollStream("payments", (Flow.ORDERS,), arrives=True)
REFUNDS = PollStream("refunds", (Flow.ORDERS,), arrives=True)
STREAMS = (STOCK, STOCK_CHANGES, ITEMS, ITEM_CHANGES, ORDER_STATUS, SHIPMENTS, ORDERS, PAYMENTS, REFUNDS)
_STREAM_OF = {
    ("stock", "full"): STOCK,
    ("stock", "delta"): STOCK_CHANGES,
    ("items", "full"): ITEMS,
    ("items", "delta"): ITEM_CHANGES,
    ("order_status", "delta"): ORDER_STATUS,
    ("shipments", "delta"): SHIPMENTS,
    ("orders", "delta"): ORDERS,
    ("payments", "delta"): PAYMENTS,
    ("refunds", "delta"): REFUNDS,
}
MONEY = {
    "payments": "payment",
    "refunds": "refund",
}  # what of an order may come in files of its own, and its key

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
    "order_status": (
        ("reference", "sku", "quantity"),
        ("location", "shipped", "id", "status", "changed", "stamp"),
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
}
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


_ELEMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class Column(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a field is: by ``name`` of a header or path in XML, by ``position`` from 1, or ``start`` from 1 and ``width``.

    ``value`` is what it always is, where no column has it.
    """

    field: str
    name: str = ""
    position: int = 0
    start: int = 0
    width: int = 0
    value: str = ""


class Trailer(Struct, frozen=True, forbid_unknown_fields=True):
    """A last line that proves that a file is whole: it begins with ``starts``; ``columns`` are ``rows`` and ``total``.

    ``total_of`` is the field whose sum the total is.
    """

    starts: str
    columns: tuple[Column, ...]
    total_of: str = ""


class Head(Struct, frozen=True, forbid_unknown_fields=True):
    """Where an order has a record of its own before its lines: it begins with ``starts``, a line with ``line_starts``.

    ``columns`` are the fields that concern all of the order. In CSV, what a record begins with is its first cell.
    """

    starts: str
    line_starts: str
    columns: tuple[Column, ...]


class Dialect(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How records are written down; both sides of a system use it."""

    format: Format = "csv"
    columns: tuple[Column, ...] = ()
    encoding: str = "utf-8"
    header: bool = True
    delimiter: str = ","
    quote: str = '"'
    decimal: str = "."
    thousands: str = ""
    date_format: str = "%Y-%m-%dT%H:%M:%S"
    timezone: str = "UTC"
    record: str = ""  # of XML: the path of the elements that are records
    trailer: Trailer | None = None


class Read(Dialect, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[[systems.NAME.reads]]``: files that a partner leaves for us."""

    kind: Kind
    path: str
    pattern: str
    scope: Literal["full", "delta"] = "delta"
    complete: Literal["rename", "sentinel", "stable", "trailer"] = "stable"
    stable_s: int = 30
    sentinel: str = ".done"
    checksum: Literal["", "md5", "sha256"] = ""
    patience_s: int = 3600
    stamp: Literal["modified", "name", "row"] = "modified"
    stamp_format: str = "%Y%m%d%H%M%S"
    lead_s: int = 300
    archive: str = "archive"
    rejected: str = "rejected"
    basis: Literal["available", "on_hand"] = "available"
    uncommitted: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()
    head: Head | None = None
    file_bytes_max: int = 512 * 1024 * 1024
    rows_max: int = 2_000_000
    row_bytes_max: int = 64 * 1024
    bad_rows_max: int = 100

    @property
    def rows_allowed(self) -> int:
        """How many rows a file may have; of orders and their money fewer, since all of a file is looked at together."""
        return min(self.rows_max, ORDER_ROWS_MAX) if self.kind in ("orders", *MONEY) else self.rows_max

    @property
    def stream(self) -> PollStream:
        """The stream that reads it."""
        return _STREAM_OF[self.kind, self.scope]


class Write(Dialect, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[[systems.NAME.writes]]``: files that we leave for a partner."""

    kind: Literal[
        "orders",
        "payments",
        "refunds",
        "stock",
        "shipments",
        "cancellations",
        "receipts",
        "returns",
        "acknowledgements",
    ]
    path: str
    name: str = ""
    archive: str = ""
    taken: Literal["archive", "delete"] = "archive"
    scope: Literal["full", "delta"] = "delta"
    sentinel: str = ""
    formulas: Literal["escape", "keep"] = "escape"
    root: str = "records"

    @property
    def prefix(self) -> str:
        """How the names of its files begin."""
        return self.name or self.kind

    @property
    def suffix(self) -> str:
        """How they end."""
        return {"csv": ".csv", "fixed": ".txt", "xml": ".xml"}[self.format]


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
            _check_read(f"files.reads[{n}]", read, seen)
        kinds: set[str] = set()
        for n, write in enumerate(self.writes):
            _check_write(f"files.writes[{n}]", write, kinds)
        _check_names(self.reads, self.writes)
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
        if "stock" in kinds and not self._reads("items"):
            raise Misconfigured(
                "files: to write stock, declare reads of kind 'items': they say which SKUs the partner sells."
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
    told = {flow for read in settings.reads for flow in read.stream.flows}
    orders = settings.write("orders")
    fields = [re.escape(column.field) for column in (orders.columns if orders else ())]
    return Capabilities(
        **{name: getattr(CAPABILITIES, name) for name in CAPABILITIES.__dataclass_fields__}
        | {
            "stock_read_basis": StockBasis(basis),
            "delta_poll": tuple(flow for flow in CAPABILITIES.delta_poll if flow in told),
            "order_fields": "|".join(field for field in fields if re.fullmatch(MAPPED, field)),
        }
    )


def _has(dialect: Dialect | Head, name: str) -> bool:
    return any(column.field == name for column in dialect.columns)


# --- checks ----------------------------------------------------------------------------------------


def _check_dialect(where: str, dialect: Dialect, known: tuple[Sequence[str], Sequence[str]]) -> None:
    if dialect.encoding.lower() not in ENCODINGS.split():
        raise Misconfigured(
            f"{where}.encoding: {dialect.encoding!r} is not read; there are {', '.join(ENCODINGS.split())}."
        )
    if dialect.format == "csv" and (
        len(dialect.delimiter) != 1
        or len(dialect.quote) > 1
        or dialect.delimiter in ("\n", "\r", dialect.quote)
    ):
        raise Misconfigured(f"{where}: delimiter and quote must be one character each, and not the same.")
    if dialect.decimal not in (".", ",") or dialect.thousands not in ("", ".", ",", " ", "'", "\u00a0"):
        raise Misconfigured(f'{where}: decimal is "." or ","; thousands "", ".", ",", "\'", or a space.')
    if dialect.decimal == dialect.thousands:
        raise Misconfigured(f"{where}: decimal and thousands are the same character.")
    try:
        ZoneInfo(dialect.timezone)
    except (KeyError, ValueError, OSError):
        raise Misconfigured(f"{where}.timezone: {dialect.timezone!r} is no zone.") from None
    if dialect.format == "xml" and not dialect.record:
        raise Misconfigured(f"{where}.record: name the elements that are records, such as 'stock/row'.")
    needed, more = known
    head = dialect.head if isinstance(dialect, Read) else None
    heads = head.columns if head is not None else ()
    fields = [column.field for column in (*heads, *dialect.columns)]
    mapped = isinstance(dialect, Write) and dialect.kind == "orders"
    for one in fields:
        if one not in needed and one not in more and not (mapped and re.fullmatch(MAPPED, one)):
            raise Misconfigured(f"{where}.columns: {one!r} is none of {', '.join((*needed, *more))}.")
    if len(set(fields)) != len(fields):
        raise Misconfigured(f"{where}.columns: a field is named twice.")
    for one in needed:
        if one not in fields:
            raise Misconfigured(f"{where}.columns: {one!r} is missing.")
    for column in (*heads, *dialect.columns):
        _check_column(where, dialect, column)


def _check_column(where: str, dialect: Dialect, column: Column) -> None:
    if column.value:
        return
    at = f"{where}.columns.{column.field}"
    if dialect.format == "fixed" and (column.start < 1 or column.width < 1):
        raise Misconfigured(f"{at}: give start (from 1) and width.")
    if dialect.format == "xml" and not column.name:
        raise Misconfigured(f"{at}: give name, the path within a record, such as 'sku', '@id' or '../order'.")
    if dialect.format == "csv" and not (column.name if dialect.header else column.position > 0):
        wanted = "name, as the header has it" if dialect.header else "position, counted from 1"
        raise Misconfigured(f"{at}: give {wanted}.")


def _check_path(where: str, path: str) -> None:
    parts = PurePosixPath(path).parts
    if not path or PurePosixPath(path).is_absolute() or ".." in parts or "\0" in path:
        raise Misconfigured(f"{where}: {path!r} must be a path below files.folder.")


def _check_read(where: str, read: Read, seen: set[str]) -> None:
    if (read.kind, read.scope) not in _STREAM_OF:
        raise Misconfigured(f'{where}.scope: {read.kind} is read as scope = "delta" only.')
    if read.stream.name in seen:
        raise Misconfigured(f"{where}: {read.kind} with scope {read.scope} is declared twice.")
    seen.add(read.stream.name)
    for name in ("path", "archive", "rejected"):
        _check_path(f"{where}.{name}", getattr(read, name))
    if read.path in (read.archive, read.rejected):
        raise Misconfigured(f"{where}: archive and rejected must be other folders than path.")
    if read.pattern.count("*") != 1 or "/" in read.pattern or read.pattern.startswith("."):
        raise Misconfigured(
            f"{where}.pattern: {read.pattern!r} must be a name with exactly one '*', such as 'STOCK*.csv'."
        )
    if read.complete == "trailer" and (read.trailer is None or read.format == "xml"):
        raise Misconfigured(f'{where}.complete = "trailer" needs a trailer, which XML has not.')
    if read.complete == "sentinel" and not read.sentinel:
        raise Misconfigured(
            f"{where}.sentinel: name the ending of the file that says that another one is complete."
        )
    if read.checksum and read.complete != "sentinel":
        raise Misconfigured(f'{where}.checksum is read from the sentinel: it needs complete = "sentinel".')
    for name in ("stable_s", "patience_s", "lead_s", "bad_rows_max"):
        if getattr(read, name) < 0:
            raise Misconfigured(f"{where}.{name} must not be negative.")
    for name in ("file_bytes_max", "rows_max", "row_bytes_max"):
        if getattr(read, name) < 1:
            raise Misconfigured(f"{where}.{name} must be at least 1.")
    if read.trailer is not None:
        _check_trailer(where, read)
    _check_orders(where, read)
    _check_dialect(where, read, READ_FIELDS[read.kind])
    fields = {column.field for column in read.columns}
    if read.stamp == "row" and "stamp" not in fields:
        raise Misconfigured(f'{where}.stamp = "row" needs a column of the field stamp.')
    if read.kind == "refunds" and ("quantity" in fields) != bool(fields & {"line", "sku"}):
        raise Misconfigured(f"{where}.columns: goods that come back need 'quantity', and 'line' or 'sku'.")
    for name in ("uncommitted", "cancelled"):
        if read.kind == "order_status" and getattr(read, name) and "status" not in fields:
            raise Misconfigured(f"{where}.{name} needs a column of the field status.")


def _check_orders(where: str, read: Read) -> None:
    if read.kind != "orders":
        if read.head is not None or (read.cancelled and read.kind != "order_status"):
            raise Misconfigured(f"{where}: head is for orders only, cancelled for orders and order_status.")
        return
    if read.basis != "available" or read.uncommitted:
        raise Misconfigured(f"{where}: basis and uncommitted are for stock and order_status.")
    lines = {column.field for column in read.columns}
    heads = {column.field for column in read.head.columns} if read.head is not None else lines
    if read.cancelled and "status" not in heads:
        raise Misconfigured(f"{where}.cancelled needs a column of the field status.")
    if ("paid" in heads) != ("payment" in heads):
        raise Misconfigured(f"{where}.columns: 'paid' and 'payment' (which one it is) need each other.")
    if read.head is None:
        return
    if read.format == "xml" or (read.format == "csv" and read.header):
        raise Misconfigured(
            f"{where}.head is for fixed lines, and for CSV with header = false; in XML name '../field' instead."
        )
    if read.trailer is not None and read.trailer.total_of:
        raise Misconfigured(f"{where}.trailer.total_of does not go with head.")
    first, line = read.head.starts, read.head.line_starts
    if not first or not line or first.startswith(line) or line.startswith(first):
        raise Misconfigured(f"{where}.head: starts and line_starts must be there, and not begin alike.")
    strange = sorted(heads - set(ORDER_HEAD)) + sorted(lines - set(ORDER_LINE))
    if strange:
        raise Misconfigured(
            f"{where}: {strange[0]!r} stands in the wrong record; of lines are {', '.join(ORDER_LINE)}."
        )


def _check_names(reads: Sequence[Read], writes: Sequence[Write]) -> None:
    """That no name can be of two kinds of files: whoever looks first would take the other's, and ours too."""
    put_away = {PurePosixPath(to) for read in reads for to in (read.archive, read.rejected)}
    begins: list[tuple[str, PurePosixPath, str, str]] = []
    for n, read in enumerate(reads):
        where, path = f"files.reads[{n}]", PurePosixPath(read.path)
        if path in put_away:
            raise Misconfigured(f"{where}.path: {read.path!r} is where other files are put away.")
        start, _, end = read.pattern.partition("*")
        begins.append((where, path, start, end))
    for n, write in enumerate(writes):
        begins += [
            (f"files.writes[{n}]", PurePosixPath(path), f"{write.prefix}-", write.suffix)
            for path in (write.path, write.archive)
            if path
        ]
    for n, (where, path, start, end) in enumerate(begins):
        for other, at, begin, close in begins[n + 1 :]:
            alike = start.startswith(begin) or begin.startswith(start)
            if path == at and other != where and alike and (end.endswith(close) or close.endswith(end)):
                raise Misconfigured(
                    f"{where}: a name in {path} may be of {other} too: give one of them another folder, or names that "
                    "begin otherwise."
                )


def _check_trailer(where: str, read: Read) -> None:
    assert read.trailer is not None
    names = [column.field for column in read.trailer.columns]
    if not read.trailer.starts or not names or set(names) - {"rows", "total"}:
        raise Misconfigured(f"{where}.trailer: give starts, and columns of the fields 'rows' and 'total'.")
    if ("total" in names) != bool(read.trailer.total_of):
        raise Misconfigured(f"{where}.trailer: a total needs total_of, and the other way round.")
    if read.trailer.total_of and read.trailer.total_of not in {column.field for column in read.columns}:
        raise Misconfigured(f"{where}.trailer.total_of: {read.trailer.total_of!r} is no field of columns.")
    plain = structs.replace(read, header=False)
    for column in read.trailer.columns:
        _check_column(f"{where}.trailer", plain, column)


def _check_write(where: str, write: Write, kinds: set[str]) -> None:
    if write.kind in kinds:
        raise Misconfigured(f"{where}: {write.kind} is declared twice.")
    kinds.add(write.kind)
    _check_path(f"{where}.path", write.path)
    if write.archive:
        _check_path(f"{where}.archive", write.archive)
    if not write.prefix.replace("-", "").replace("_", "").isalnum() or len(write.prefix) > 60:
        raise Misconfigured(f"{where}.name: {write.name!r} may have letters, digits, '-' and '_' only.")
    if write.scope == "full" and write.kind != "stock":
        raise Misconfigured(f'{where}.scope = "full" is for stock only.')
    if write.trailer is not None:
        raise Misconfigured(f"{where}.trailer: what we write is renamed when it is whole; it has no trailer.")
    if write.thousands:
        raise Misconfigured(f"{where}.thousands: numbers are written without them.")
    _check_dialect(where, write, WRITE_FIELDS[write.kind])
    if write.format == "csv" and write.header and not all(column.name for column in write.columns):
        raise Misconfigured(f"{where}.columns: each needs a name for the header.")
    if write.format == "xml":
        names = [column.name for column in write.columns] + f"{write.root}/{write.record}".split("/")
        wrong = [name for name in names if not _ELEMENT.fullmatch(name)]
        if wrong:
            raise Misconfigured(
                f"{where}: {wrong[0]!r} is no name of an element; attributes are not written."
            )
