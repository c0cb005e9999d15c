"""What a configuration says of files: where they lie, how they are written down, which column holds what."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from syncline.connectors.files.kinds import (
    CONTACT,
    ONCE,
    ORDER_ROWS_MAX,
    RECORD_ROWS_MAX,
    RECORDS,
    SITE,
    STREAM_OF,
    Audience,
    Kind,
)
from syncline.model.customers import CustomerField
from syncline.ports import PollStream

Format = Literal["csv", "fixed", "xml"]
# Which columns ask for what of a customer.
CARD_COLUMNS: dict[CustomerField, tuple[str, ...]] = {
    **{one: (one.value,) for one in CustomerField},
    CustomerField.CONTACTS: CONTACT,
    CustomerField.ADDRESSES: SITE,
}


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
    day_format: str = "%Y-%m-%d"
    whom: dict[str, Audience] = field(default_factory=dict)
    inactive: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    unlimited: tuple[str, ...] = ()
    own_language: str = ""
    ended: tuple[str, ...] = ()
    drafts: tuple[str, ...] = ()
    file_bytes_max: int = 512 * 1024 * 1024
    rows_max: int = 2_000_000
    row_bytes_max: int = 64 * 1024
    bad_rows_max: int = 100

    @property
    def rows_allowed(self) -> int:
        """How many rows a file may have; fewer where all of a file is looked at together."""
        most = RECORD_ROWS_MAX if self.kind in RECORDS else self.rows_max
        return min(self.rows_max, ORDER_ROWS_MAX if self.kind in ONCE else most)

    @property
    def stream(self) -> PollStream:
        """The stream that reads it."""
        return STREAM_OF[self.kind, self.scope]


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
        "prices",
        "customers",
        "credit",
        "products",
        "translations",
        "listings",
    ]
    path: str
    name: str = ""
    archive: str = ""
    taken: Literal["archive", "delete"] = "archive"
    scope: Literal["full", "delta"] = "delta"
    sentinel: str = ""
    formulas: Literal["escape", "keep"] = "escape"
    decimals: int = 2
    known_by: Literal["key", "number"] = "key"
    root: str = "records"

    def has(self, *fields: str) -> bool:
        """Whether any of these fields has a column."""
        return any(column.field in fields for column in self.columns)

    @property
    def prefix(self) -> str:
        """How the names of its files begin."""
        return self.name or self.kind

    @property
    def suffix(self) -> str:
        """How they end."""
        return {"csv": ".csv", "fixed": ".txt", "xml": ".xml"}[self.format]


def customer_fields(write: Write | None) -> tuple[CustomerField, ...]:
    """What of a customer the columns of a file hold."""
    return tuple(one for one, fields in CARD_COLUMNS.items() if write is not None and write.has(*fields))
