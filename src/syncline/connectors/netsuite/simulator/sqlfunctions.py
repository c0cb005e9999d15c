"""The date functions and names that SuiteQL knows and SQLite does not.

A date is text ``YYYY-MM-DD HH:MM:SS`` in the account's time zone, so it sorts as it should except
in the hour that daylight saving repeats, exactly as a local-time column does in the product. A
timestamp may add ``.mmm`` and one with a zone ``+HH:MM``.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import apsw

from syncline.connectors.netsuite.simulator.state import STATUS_NAMES, TRANSACTION_KINDS, Account

_ISO_SECONDS = "YYYY-MM-DD HH24:MI:SS"
_ISO = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]) ([01]\d|2[0-3]):[0-5]\d:[0-5]\d")
_ELEMENTS: dict[str, tuple[str, str]] = {
    "YYYY": ("year", r"\d{4}"),
    "MM": ("month", r"\d{1,2}"),
    "DD": ("day", r"\d{1,2}"),
    "HH24": ("hour", r"\d{1,2}"),
    "MI": ("minute", r"\d{1,2}"),
    "SS": ("second", r"\d{1,2}"),
    "FF3": ("milli", r"\d{1,3}"),
    "FF": ("milli", r"\d{1,9}"),
}
_FORMAT = re.compile(r'YYYY|HH24|FF3|FF|MM|DD|MI|SS|"[^"]*"|[^A-Za-z]|.')


class DateFormatError(ValueError):
    """A format or a literal that the database refuses."""


@lru_cache(maxsize=256)
def _parser(model: str) -> re.Pattern[str]:
    out = []
    for piece in _FORMAT.findall(model.upper()):
        if piece in _ELEMENTS:
            name, digits = _ELEMENTS[piece]
            out.append(f"(?P<{name}>{digits})")
        elif piece.startswith('"'):
            out.append(re.escape(piece[1:-1]))
        elif piece.isalpha():
            raise DateFormatError("date format not recognized")
        else:
            out.append(re.escape(piece))
    return re.compile("".join(out))


def to_timestamp(text: str | None, model: str = _ISO_SECONDS) -> str | None:
    """Read text by a format model."""
    if text is None:
        return None
    text = str(text)
    if model == _ISO_SECONDS and _ISO.fullmatch(text):
        return text
    found = _parser(model).fullmatch(text)
    if found is None:
        raise DateFormatError("literal does not match format string")
    parts = {k: v for k, v in found.groupdict().items() if v is not None}
    try:
        moment = datetime(  # noqa: DTZ001 - local by definition
            int(parts.get("year", 1900)),
            int(parts.get("month", 1)),
            int(parts.get("day", 1)),
            int(parts.get("hour", 0)),
            int(parts.get("minute", 0)),
            int(parts.get("second", 0)),
        )
    except ValueError as error:
        raise DateFormatError(str(error)) from error
    milli = parts.get("milli", "").ljust(3, "0")[:3]
    plain = moment.strftime("%Y-%m-%d %H:%M:%S")
    return plain if milli in ("", "000") else f"{plain}.{milli}"


def to_date(text: str | None, model: str = _ISO_SECONDS) -> str | None:
    """Read text by a format model; a DATE has no fraction of a second."""
    if "FF" in model.upper():
        raise DateFormatError("date format not recognized")
    return to_timestamp(text, model)


def to_char(value: object, model: str | None = None) -> str | None:
    """Render a date by a format model, or anything else as text."""
    if value is None:
        return None
    if model is None or not isinstance(value, str):
        return str(value)
    if model == _ISO_SECONDS:
        return value[:19]
    upper = model.upper()
    milli = value[20:23] if value[19:20] == "." else "000"
    table = {
        "YYYY": value[0:4],
        "MM": value[5:7],
        "DD": value[8:10],
        "HH24": value[11:13],
        "MI": value[14:16],
        "SS": value[17:19],
        "FF3": milli,
        "FF": milli,
    }
    out = []
    for piece in _FORMAT.findall(upper):
        if piece in table:
            out.append(table[piece])
        elif piece.startswith('"'):
            out.append(piece[1:-1])
        elif piece.isalpha():
            raise DateFormatError("date format not recognized")
        else:
            out.append(piece)
    return "".join(out)


def trunc(value: str | float | None) -> str | float | None:
    """Midnight of a date, or the whole part of a number."""
    if isinstance(value, str):
        return value[:10] + " 00:00:00"
    return value if value is None else int(value)


def _moment(value: str) -> datetime:
    return datetime.fromisoformat(value[:19])


def shift(value: str | float | None, days: float | None) -> str | float | None:
    """A date some days later, to the second; of a number, the sum."""
    if value is None or days is None:
        return None
    if not isinstance(value, str):
        return value + days
    return (_moment(value) + timedelta(seconds=round(days * 86_400))).strftime("%Y-%m-%d %H:%M:%S")


def days_between(later: str | None, earlier: str | None) -> float | None:
    """How many days lie between two dates, with their fraction."""
    if later is None or earlier is None:
        return None
    return (_moment(later) - _moment(earlier)) / timedelta(days=1)


def add_months(value: str | None, months: float | None) -> str | None:
    """The same day some months later; the last one of a month stays the last."""
    if value is None or months is None:
        return None
    at = _moment(value)
    year, month = divmod(at.year * 12 + at.month - 1 + int(months), 12)
    length = monthrange(year, month + 1)[1]
    last = at.day == monthrange(at.year, at.month)[1]
    return at.replace(year=year, month=month + 1, day=length if last else min(at.day, length)).strftime(
        "%Y-%m-%d %H:%M:%S"
    )


def last_day(value: str | None) -> str | None:
    """The last day of a date's month."""
    if value is None:
        return None
    at = _moment(value)
    return at.replace(day=monthrange(at.year, at.month)[1]).strftime("%Y-%m-%d %H:%M:%S")


def decode(value: Any, *cases: Any) -> Any:
    """The result of the first case that is the value, NULL included; else the odd one at the end."""
    for at in range(0, len(cases) - 1, 2):
        if cases[at] == value:
            return cases[at + 1]
    return cases[-1] if len(cases) % 2 else None


def sys_extract_utc(value: str | None) -> str | None:
    """The same instant in UTC; needs a timestamp with a zone."""
    if value is None:
        return None
    if len(value) < 25 or value[-6] not in "+-":
        raise DateFormatError("SYS_EXTRACT_UTC needs a timestamp with time zone")
    hours, minutes = value[-5:].split(":")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    sign = 1 if value[-6] == "+" else -1
    moment = datetime.fromisoformat(value[:-6]) - sign * offset
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def now(account: Account) -> tuple[str, str]:
    """``SYSDATE`` and ``SYSTIMESTAMP``, both in the account's zone (for SYSDATE: assumption)."""
    at_ms = account.clock.now_ms()
    moment = datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(account.zone)
    zone = moment.strftime("%z")
    return account.local(at_ms), f"{moment:%Y-%m-%d %H:%M:%S}.{at_ms % 1000:03d}{zone[:3]}:{zone[3:5]}"


def register(account: Account, db: apsw.Connection) -> None:
    """Teach the mirror's connection SuiteQL's functions."""

    def display(*given: Any) -> Any:
        column, value = given
        names: dict[str, Callable[[int], str | None]] = {
            "entity": lambda i: _entity(account, i),
            "customer": lambda i: _entity(account, i),
            "item": lambda i: account.items[i].sku if i in account.items else None,
            "location": lambda i: account.places[i].name if i in account.places else None,
            "createdfrom": lambda i: _document(account, i),
            "currency": lambda _: account.currency,
        }
        if value is None:
            return None
        if column == "type":
            return next((n for c, _, n in TRANSACTION_KINDS.values() if c == value), value)
        return names[column](int(str(value))) if column in names else value

    def status(*given: Any) -> str | None:
        kind, value = given
        if value is None:
            return None
        name = STATUS_NAMES.get(kind, {}).get(value)
        title = display("type", kind)
        return f"{title} : {name}" if name else None

    functions: tuple[tuple[str, Callable[..., Any], int], ...] = (
        ("to_date", to_date, -1),
        ("to_timestamp", to_timestamp, -1),
        ("to_char", to_char, -1),
        ("trunc", trunc, 1),
        ("sys_extract_utc", sys_extract_utc, 1),
        ("ns_shift", shift, 2),
        ("ns_days", days_between, 2),
        ("add_months", add_months, 2),
        ("last_day", last_day, 1),
        ("nvl2", lambda v, there, absent: absent if v is None else there, 3),
        ("decode", decode, -1),
        ("to_number", lambda v: None if v is None else float(v), 1),
    )
    for name, function, arity in functions:
        # Deterministic, so that a bound computed from constants can use an index.
        db.create_scalar_function(name, function, arity, deterministic=True)
    db.create_scalar_function("ns_display", display, 2)
    db.create_scalar_function("ns_status", status, 2)


def _entity(account: Account, party: int) -> str | None:
    customer = account.customers.get(party)
    return (
        None
        if customer is None
        else str(customer.fields.get("companyName") or customer.fields.get("entityId"))
    )


def _document(account: Account, number: int) -> str | None:
    txn = account.txns.get(number)
    return None if txn is None else f"{TRANSACTION_KINDS[txn.record][2]} #{txn.tranid}"
