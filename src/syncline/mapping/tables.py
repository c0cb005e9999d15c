"""Field tables: which of an account's own fields are written, and from what.

::

    [erp.order]
    custbody_channel = "channel"
    custbody_gift = "contains(lower(order.note), 'gift')"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from syncline.mapping.expressions import (
    LARGE,
    LIST_MAX,
    TEXT_MAX,
    MappingError,
    Node,
    Type,
    Value,
    evaluate,
    parse,
    shown,
)
from syncline.model.payloads import FieldValue
from syncline.model.records import Address, Order

TEXT_BYTES_MAX = 64 * 1024
FIELDS_MAX = 100  # of one record
KEY_PARTS_MAX = (
    8  # system.order.field has three; reading TOML costs the square of a key's parts, for each line below it
)
# Each text or comment finds its end at the first go or takes all the rest: nothing is gone over twice.
_QUOTED = re.compile(
    r'"""(?:[^"\\]|\\.|""?(?!"))*(?:"""|\\?\Z)'
    r"|'''(?:[^']|''?(?!'))*(?:'''|\Z)"
    r'|"(?:[^"\\\n]|\\[^\n])*"?'
    r"|'[^'\n]*'?|#[^\n]*",
    re.DOTALL,
)
_LONG_KEY = re.compile(rf"(?:\.[ \t]*[\w-]+[ \t]*){{{KEY_PARTS_MAX}}}")
_PARTS = ("name", "company", "line1", "line2", "city", "region", "postcode", "country", "phone")

ORDER: Mapping[str, Type] = {
    "channel": Type.STRING,
    **{f"order.{name}": Type.STRING for name in ("key", "number", "currency", "po_number", "note")},
    **{
        f"order.{name}": Type.DECIMAL
        for name in ("shipping", "charges", "tax", "total", "discount", "units", "line_count")
    },
    "order.placed": Type.DATE,
    "order.taxes_included": Type.BOOLEAN,
    "order.cancelled": Type.BOOLEAN,
    **{f"order.customer.{name}": Type.STRING for name in ("key", "name", "email", "phone")},
    **{f"order.shipping_to.{name}": Type.STRING for name in _PARTS},
    **{f"order.billing.{name}": Type.STRING for name in _PARTS},
    **{f"order.lines.{name}": Type.LIST for name in ("sku", "title")},
    "order.payments.gateway": Type.LIST,
}
SCHEMAS = {"order": ORDER}


@dataclass(frozen=True, slots=True)
class Tables:
    """Field tables as they were read, by system and record, then by field."""

    of: Mapping[tuple[str, str], Mapping[str, Node]] = field(default_factory=dict)

    def fields(self, system: str, order: Order, channel: str) -> tuple[FieldValue, ...]:
        """What is to be written into a system's order; what is ``none`` is left out.

        Raises:
            MappingError: a value cannot be computed; names the field.
        """
        table = self.of.get((system, "order"), {})
        record = order_values(order, channel) if table else {}
        found = []
        for name, node in table.items():
            try:
                value = evaluate(node, record)
            except MappingError as error:
                raise MappingError(f"{system}.order.{name}: {error}") from error
            if value is not None:
                found.append(FieldValue(name, str(node.type), shown(value)))
        return tuple(found)


def order_values(order: Order, channel: str) -> dict[str, Value]:
    """An order's values by the paths of ``ORDER``; what it does not have is left out. All are within the language's bounds."""
    values: dict[str, Value] = {
        "channel": channel,
        "order.placed": _day(order.placed_at_ms),
        "order.taxes_included": order.taxes_included,
        "order.cancelled": order.cancelled_at_ms is not None,
        "order.line_count": Decimal(len(order.lines)),
        "order.units": _bounded(sum((line.quantity for line in order.lines), Decimal(0))),
        "order.lines.sku": tuple(line.sku[:TEXT_MAX] for line in order.lines[:LIST_MAX]),
        "order.lines.title": tuple(line.title[:TEXT_MAX] for line in order.lines[:LIST_MAX]),
        "order.payments.gateway": tuple(one.gateway[:TEXT_MAX] for one in order.payments[:LIST_MAX]),
    }
    for name in ("key", "number", "currency", "po_number", "note"):
        values[f"order.{name}"] = _said(getattr(order, name))
    for name in ("shipping", "charges", "tax", "total", "discount"):
        values[f"order.{name}"] = _bounded(getattr(order, name))
    if order.customer is not None:
        for name in ("key", "name", "email", "phone"):
            values[f"order.customer.{name}"] = _said(getattr(order.customer, name))
    for path, address in (("shipping_to", order.shipping_to), ("billing", order.billing)):
        for name in _PARTS if isinstance(address, Address) else ():
            values[f"order.{path}.{name}"] = _said(getattr(address, name))
    return {path: value for path, value in values.items() if value is not None}


def _said(text: str) -> str | None:
    return text[:TEXT_MAX] or None


def _bounded(number: Decimal) -> Decimal | None:
    return number if number.is_finite() and abs(number) < LARGE else None


def _day(at_ms: int) -> Value:
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None


def read_tables(text: str, writable: Mapping[str, str]) -> Tables:
    """Read tables written in TOML.

    Args:
        text: the tables.
        writable: system to a pattern of the fields that can be written in its orders; "" for none.

    Raises:
        MappingError: a table or field cannot be, or an expression is wrong; names the field and the mend.
    """
    if len(text.encode()) > TEXT_BYTES_MAX:
        raise MappingError(f"the mapping is larger than {TEXT_BYTES_MAX} bytes")
    if _LONG_KEY.search(_QUOTED.sub("q", text)):
        raise MappingError(
            f"a key has more than {KEY_PARTS_MAX} parts; write [system.order] and below it the fields"
        )
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOML that is none, or a number that nobody reads
        raise MappingError(f"not valid TOML: {error}") from error
    found: dict[tuple[str, str], dict[str, Node]] = {}
    for system, records in raw.items():
        if system not in writable:
            raise MappingError(
                f"{system}: no such system is configured; there are {', '.join(sorted(writable))}"
            )
        if not isinstance(records, dict) or not records:
            raise MappingError(f"{system}: write [{system}.order] and below it the fields")
        for record, table in records.items():
            if record not in SCHEMAS:
                raise MappingError(f"{system}.{record}: fields can be written in {', '.join(SCHEMAS)}")
            if not writable[system]:
                raise MappingError(
                    f"{system}.{record}: this system's connector cannot write fields of its own there"
                )
            if not isinstance(table, dict) or len(table) > FIELDS_MAX:
                raise MappingError(f"{system}.{record}: a table of {FIELDS_MAX} fields at most is wanted")
            found[system, record] = {
                name: _field(f"{system}.{record}.{name}", name, said, writable[system], SCHEMAS[record])
                for name, said in table.items()
            }
    return Tables(found)


def _field(at: str, name: str, said: object, pattern: str, schema: Mapping[str, Type]) -> Node:
    if not re.fullmatch(pattern, name):
        raise MappingError(f"{at}: this field cannot be written; its name has to match {pattern}")
    if not isinstance(said, str):
        raise MappingError(f"{at}: an expression is a text in quotes, not {said!r}")
    try:
        node = parse(said, schema)
    except MappingError as error:
        raise MappingError(f"{at}: {error}") from error
    if node.type is Type.LIST:
        raise MappingError(f"{at}: a list cannot be written; join() makes it a text")
    return node
