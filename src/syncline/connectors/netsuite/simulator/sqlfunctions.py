"""The functions and names that SuiteQL knows and SQLite does not, or has otherwise (section_158513731864).

How a date looks inside is said in ``sqlformats``.
"""

from __future__ import annotations

import math
import re
from calendar import day_name, monthrange
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from statistics import median
from typing import Any

import apsw

from syncline.connectors.netsuite.simulator.sqlformats import (
    DateFormatError,
    plain,
    to_char,
    to_date,
    to_number,
    to_timestamp,
)
from syncline.connectors.netsuite.simulator.state import STATUS_NAMES, TRANSACTION_KINDS, Account

_UNITS = (
    "SS",
    "MI",
    "HH",
    "HH12",
    "HH24",
    "DD",
    "DDD",
    "J",
    "DAY",
    "DY",
    "D",
    "IW",
    "WW",
    "MM",
    "MON",
    "MONTH",
    "Q",
    "YYYY",
    "YY",
    "YEAR",
    "Y",
)


def trunc(value: str | float | None, to: Any = None) -> str | float | None:
    """A date at the beginning of its day, or of another unit; a number without what is behind some of its decimals."""
    if isinstance(value, str):
        return _begin(_moment(value), str(to or "DD").upper())
    if value is None or to is None:
        return value if value is None else int(value)
    return float(Decimal(plain(value)).quantize(Decimal(1).scaleb(-int(to)), ROUND_DOWN))


def _begin(at: datetime, unit: str) -> str:
    if unit not in _UNITS:
        raise DateFormatError("bad date specifier")
    day = at.replace(hour=0, minute=0, second=0)
    if unit == "MI":
        day = at.replace(second=0)
    elif unit.startswith("HH"):
        day = at.replace(minute=0, second=0)
    elif unit in ("DAY", "DY", "D"):
        day -= timedelta(days=at.isoweekday() % 7)
    elif unit == "IW":
        day -= timedelta(days=at.weekday())
    elif unit == "WW":
        day -= timedelta(days=(at.timetuple().tm_yday - 1) % 7)
    elif unit in ("MM", "MON", "MONTH"):
        day = day.replace(day=1)
    elif unit == "Q":
        day = day.replace(day=1, month=(at.month - 1) // 3 * 3 + 1)
    elif unit.startswith("Y"):
        day = day.replace(day=1, month=1)
    return (at if unit == "SS" else day).strftime("%Y-%m-%d %H:%M:%S")


def months_between(first: str | None, second: str | None) -> float | None:
    """Months from the second date to the first; whole where both are the same day of a month, or both its last one."""
    if first is None or second is None:
        return None
    one, two = _moment(first), _moment(second)
    months = (one.year - two.year) * 12 + one.month - two.month
    ends = all(at.day == monthrange(at.year, at.month)[1] for at in (one, two))
    if one.day == two.day or ends:
        return float(months)
    seconds = (one.hour - two.hour) * 3600 + (one.minute - two.minute) * 60 + one.second - two.second
    return months + (one.day - two.day + seconds / 86_400) / 31


def next_day(value: str | None, name: str) -> str | None:
    """The first day of that name after a date."""
    if value is None:
        return None
    names = [day[:3].upper() for day in day_name]
    if name[:3].upper() not in names:
        raise DateFormatError("not a valid day of the week")
    at = _moment(value)
    ahead = (names.index(name[:3].upper()) - at.weekday() - 1) % 7 + 1
    return (at + timedelta(days=ahead)).strftime("%Y-%m-%d %H:%M:%S")


# -- text -----------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    return "" if value is None else plain(value)


def _some(text: str) -> str | None:
    """An empty text is no value."""
    return text or None


def instr(text: Any, part: Any, start: int = 1, occurrence: int = 1) -> int | None:
    """Where the n-th of a part begins, from a place on; from the end, where that is negative."""
    if text is None or part is None:
        return None
    whole, wanted = _text(text), _text(part)
    places = [at for at in range(len(whole) - len(wanted) + 1) if whole.startswith(wanted, at)]
    if start < 0:
        places = [at for at in reversed(places) if at <= len(whole) + start]
    else:
        places = [at for at in places if at >= start - 1]
    return places[occurrence - 1] + 1 if len(places) >= occurrence else 0


def pad(*, left: bool) -> Callable[..., str | None]:
    def padded(text: Any, size: float, fill: Any = " ") -> str | None:
        if text is None or fill is None:
            return None
        whole, missing = _text(text), max(0, int(size) - len(_text(text)))
        more = (_text(fill) * missing)[:missing]
        return _some((more + whole if left else whole + more)[: int(size)])

    return padded


def replace(text: Any, part: Any, by: Any = None) -> str | None:
    """A part by another, or by nothing."""
    if text is None or part is None:
        return None if text is None else _text(text)
    return _some(_text(text).replace(_text(part), _text(by)))


def translate(text: Any, these: Any, those: Any) -> str | None:
    """Letters by others; those without a counterpart are left out."""
    if text is None or these is None or those is None:
        return None
    table = {letter: _text(those)[at : at + 1] for at, letter in reversed(list(enumerate(_text(these))))}
    return _some("".join(table.get(letter, letter) for letter in _text(text)))


def _flags(match: Any) -> int:
    return re.IGNORECASE if "i" in str(match or "") else 0


def regexp_replace(text: Any, pattern: str, by: Any = None, start: int = 1, occurrence: int = 0, match: Any = None) -> str | None:  # fmt: skip
    """What a pattern finds by another text: every one, or the n-th."""
    if text is None:
        return None
    whole, count = _text(text), 0

    def one(found: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return found.expand(_text(by)) if occurrence in (0, count) else found[0]

    return _some(whole[: start - 1] + re.sub(pattern, one, whole[start - 1 :], flags=_flags(match)))


def regexp_substr(text: Any, pattern: str, start: int = 1, occurrence: int = 1, match: Any = None, group: int = 0) -> str | None:  # fmt: skip
    """What a pattern finds the n-th time."""
    found = list(re.finditer(pattern, _text(text)[start - 1 :], _flags(match)))
    return _some(found[occurrence - 1][group] or "") if len(found) >= occurrence else None


def regexp_instr(text: Any, pattern: str, start: int = 1, occurrence: int = 1, after: int = 0) -> int | None:
    """Where a pattern is found the n-th time; 0: nowhere."""
    if text is None:
        return None
    found = list(re.finditer(pattern, _text(text)[start - 1 :]))
    if len(found) < occurrence:
        return 0
    return found[occurrence - 1].span()[1 if after else 0] + start


class Median:
    """The middle of the values, or between both middle ones."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def step(self, *values: Any) -> None:
        """One more."""
        self.values += [value for value in values if value is not None]

    def final(self) -> float | None:
        """The outcome; none of no values."""
        return median(self.values) if self.values else None


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


def _numeric(function: Callable[..., float]) -> Callable[..., float | None]:
    def called(*values: Any) -> float | None:
        return None if any(value is None for value in values) else function(*map(float, values))

    return called


Functions = tuple[tuple[str, Callable[..., Any], int], ...]
_TEXTS: Functions = (
    ("ns_text", _text, 1),
    ("ascii", lambda v: ord(_text(v)[0]) if _text(v) else None, 1),
    ("chr", lambda v: None if v is None else chr(int(v)), 1),
    ("concat", lambda a, b: _some(_text(a) + _text(b)), 2),
    (
        "initcap",
        lambda v: None if v is None else re.sub(r"[^\W_]+", lambda m: m[0].capitalize(), _text(v)),
        1,
    ),
    ("instr", instr, -1),
    ("lpad", pad(left=True), -1),
    ("rpad", pad(left=False), -1),
    ("regexp_instr", regexp_instr, -1),
    ("regexp_replace", regexp_replace, -1),
    ("regexp_substr", regexp_substr, -1),
    ("replace", replace, -1),
    ("translate", translate, 3),
)
_NUMBERS: Functions = tuple(
    (name, _numeric(function), count)
    for name, function, count in (
        *(
            (name, getattr(math, name), 1)
            for name in "acos asin atan cos cosh exp sin sinh sqrt tan tanh".split()
        ),
        ("atan2", math.atan2, 2),
        ("bitand", lambda a, b: int(a) & int(b), 2),
        ("ln", math.log, 1),
        ("log", lambda base, value: math.log(value, base), 2),
        ("remainder", lambda a, b: a - b * round(a / b), 2),
    )
)


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
        *_TEXTS,
        *_NUMBERS,
        ("to_date", to_date, -1),
        ("to_timestamp", to_timestamp, -1),
        ("to_char", to_char, -1),
        ("trunc", trunc, -1),
        ("months_between", months_between, 2),
        ("next_day", next_day, 2),
        ("sys_extract_utc", sys_extract_utc, 1),
        ("ns_shift", shift, 2),
        ("ns_days", days_between, 2),
        ("add_months", add_months, 2),
        ("last_day", last_day, 1),
        ("nvl2", lambda v, there, absent: absent if v is None else there, 3),
        ("decode", decode, -1),
        ("to_number", to_number, -1),
    )
    for name, function, arity in functions:
        # Deterministic, so that a bound computed from constants can use an index.
        db.create_scalar_function(name, function, arity, deterministic=True)
    db.create_aggregate_function("median", Median)
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
