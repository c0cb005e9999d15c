"""What a declaration of files must hold, found out before the first file is touched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from msgspec import structs

from syncline.connectors.files.declared import Column, Dialect, Read, Write
from syncline.connectors.files.kinds import (
    CONTACT,
    CONTENTS,
    ORDER_HEAD,
    ORDER_LINE,
    READ_FIELDS,
    READ_NAMED,
    SITE,
    STREAM_OF,
    WRITE_FIELDS,
    WRITE_NAMED,
)
from syncline.model.errors import Misconfigured

ENCODINGS = (
    "utf-8 utf-8-sig ascii latin-1 iso-8859-1 iso-8859-2 iso-8859-15 cp1250 cp1251 cp1252 cp437 cp850 cp852"
)
PRICE_DECIMALS_MAX = 6
_SOME_DAY = datetime(2026, 11, 22)  # noqa: DTZ001 (a day, of whatever zone)
_LATE = datetime(2026, 11, 22, 13, 5, 7)  # noqa: DTZ001
_PEOPLE = {name for name in READ_FIELDS["customers"][1] if name.startswith("contact_")}
_ELEMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def _check_dialect(where: str, dialect: Read | Write, known: tuple[Sequence[str], Sequence[str]]) -> None:
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
    named = (READ_NAMED if isinstance(dialect, Read) else WRITE_NAMED).get(dialect.kind, "")
    for one in fields:
        if one not in needed and one not in more and not (named and re.fullmatch(named, one)):
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


def check_read(where: str, read: Read, seen: set[str]) -> None:
    if (read.kind, read.scope) not in STREAM_OF:
        only = "full" if read.kind == "shown" else "delta"
        raise Misconfigured(f'{where}.scope: {read.kind} is read as scope = "{only}" only.')
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
    if read.kind == "returns" and not fields & {"line", "sku"}:
        raise Misconfigured(f"{where}.columns: goods that came back need 'sku', or 'line' of the order.")
    _check_records(where, read, fields)
    for name in ("uncommitted", "cancelled"):
        if read.kind == "order_status" and getattr(read, name) and "status" not in fields:
            raise Misconfigured(f"{where}.{name} needs a column of the field status.")


# What is said of one kind of records only, and of which field it tells.
_OF_KIND = {
    "whom": ("prices", "for"),
    "inactive": ("customers", "status"),
    "held": ("credit", "status"),
    "unlimited": ("credit", "limit"),
    "own_language": ("products", "language"),
    "ended": ("products", "status"),
    "drafts": ("products", "status"),
}


def _check_records(where: str, read: Read, fields: set[str]) -> None:
    for name, (kind, told) in _OF_KIND.items():
        if getattr(read, name) and (read.kind != kind or told not in fields):
            raise Misconfigured(f"{where}.{name} is for {kind}, and needs a column of the field {told}.")
    if read.kind == "prices":
        if "unit" in fields and "own_unit" not in fields:
            raise Misconfigured(
                f"{where}.columns: 'unit' needs 'own_unit', which says of which unit a SKU is one; it may be a constant (value)."
            )
        if ("for" in fields) != bool(read.whom) or ("for" in fields) != ("code" in fields):
            raise Misconfigured(
                f"{where}: the fields 'for' and 'code' need each other, and 'whom', which says what the words of 'for' mean."
            )
        try:
            known = datetime.strptime(_LATE.strftime(read.day_format), read.day_format)  # noqa: DTZ007
        except ValueError:
            known = None
        if known != _SOME_DAY:
            raise Misconfigured(
                f"{where}.day_format: {read.day_format!r} does not say which day it is, and no more."
            )
    if read.kind == "products":
        _check_products(where, fields)
    if read.kind == "customers" and not fields & {"contact", "contact_email"} and fields & _PEOPLE:
        raise Misconfigured(f"{where}.columns: people need 'contact', their key, or 'contact_email'.")


def _check_products(where: str, fields: set[str]) -> None:
    def some(prefix: str) -> set[str]:
        return {name for name in fields if name.startswith(prefix)}

    needs = [("attribute", "attribute_value"), ("attribute_value", "attribute"), ("image", "image_position")]
    needs += [("image_position", "image")]
    needs += [(name, name.replace("name", "value")) for name in some("option_name.")]
    needs += [(name, name.replace("value", "name")) for name in some("option_value.")]
    for one, other in needs:
        if one in fields and other not in fields:
            raise Misconfigured(f"{where}.columns: {one!r} needs {other!r}.")
    ways = (
        ("images", [{"images"} & fields, {"image"} & fields, some("image.")]),
        ("assortments", [{"assortments"} & fields, {"assortment"} & fields]),
        ("options", [some("option."), some("option_name.")]),
        ("attributes", [{"attribute"} & fields, some("attribute.")]),
        ("translations", [{"language"} & fields, some("translation.")]),
    )
    for what, told in ways:
        if sum(map(bool, told)) > 1:
            raise Misconfigured(
                f"{where}.columns: {what} are told in one way, and not as {' and as '.join(min(x) for x in told if x)}."
            )


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


def check_names(reads: Sequence[Read], writes: Sequence[Write]) -> None:
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


def check_write(where: str, write: Write, kinds: set[str]) -> None:
    if write.kind in kinds:
        raise Misconfigured(f"{where}: {write.kind} is declared twice.")
    kinds.add(write.kind)
    _check_path(f"{where}.path", write.path)
    if write.archive:
        _check_path(f"{where}.archive", write.archive)
    if not write.prefix.replace("-", "").replace("_", "").isalnum() or len(write.prefix) > 60:
        raise Misconfigured(f"{where}.name: {write.name!r} may have letters, digits, '-' and '_' only.")
    if write.scope == "full" and write.kind not in ("stock", *CONTENTS):
        raise Misconfigured(f'{where}.scope = "full" is for what has a state: stock, {", ".join(CONTENTS)}.')
    if write.trailer is not None:
        raise Misconfigured(f"{where}.trailer: what we write is renamed when it is whole; it has no trailer.")
    if write.thousands:
        raise Misconfigured(f"{where}.thousands: numbers are written without them.")
    _check_dialect(where, write, WRITE_FIELDS[write.kind])
    _check_contents(where, write)
    if write.format == "csv" and write.header and not all(column.name for column in write.columns):
        raise Misconfigured(f"{where}.columns: each needs a name for the header.")
    if write.format == "xml":
        names = [column.name for column in write.columns] + f"{write.root}/{write.record}".split("/")
        wrong = [name for name in names if not _ELEMENT.fullmatch(name)]
        if wrong:
            raise Misconfigured(
                f"{where}: {wrong[0]!r} is no name of an element; attributes are not written."
            )


def _check_contents(where: str, write: Write) -> None:
    """What prices and customers need besides."""
    if write.kind == "prices":
        if not 0 <= write.decimals <= PRICE_DECIMALS_MAX:
            raise Misconfigured(f"{where}.decimals must be 0 to {PRICE_DECIMALS_MAX}.")
        if write.has("list") and not write.has("currency"):
            raise Misconfigured(
                f"{where}.columns: lists have currencies of their own, so 'list' needs a column 'currency'."
            )
    if write.kind == "customers":
        if write.has(*CONTACT, *SITE) and not write.has("record"):
            raise Misconfigured(
                f"{where}.columns: contacts and addresses are rows of their own: 'record' has to say which a row is."
            )
        if write.known_by == "number" and not write.has("number"):
            raise Misconfigured(f'{where}.known_by = "number" needs a column of the field number.')
    elif write.known_by != "key":
        raise Misconfigured(f"{where}.known_by is for customers only.")
