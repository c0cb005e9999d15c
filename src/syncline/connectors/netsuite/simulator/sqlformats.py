"""Format models of Oracle's language: dates from text and to text, numbers to text.

A date is text ``YYYY-MM-DD HH:MM:SS`` in the account's time zone, so it sorts as it should except in the hour that daylight saving
repeats, exactly as a local-time column does in the product. A timestamp may add ``.mmm`` and one with a zone ``+HH:MM``.
"""

from __future__ import annotations

import re
from calendar import day_abbr, day_name, month_abbr, month_name
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

ISO_SECONDS = "YYYY-MM-DD HH24:MI:SS"
ACCOUNT = "MM/DD/YYYY"  # the date format of the account's preferences
_ISO = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]) ([01]\d|2[0-3]):[0-5]\d:[0-5]\d")
_MONTHS = {name.upper(): n for n, name in enumerate(month_name) if name} | {
    name.upper(): n for n, name in enumerate(month_abbr) if name
}
# What can be read; the others can only be shown.
_READ: dict[str, tuple[str, str]] = {
    "YYYY": ("year", r"\d{4}"),
    "RRRR": ("year", r"\d{4}"),
    "YY": ("short", r"\d{2}"),
    "RR": ("near", r"\d{2}"),
    "MONTH": ("name", "|".join(sorted(_MONTHS, key=len, reverse=True))),
    "MON": ("name", "|".join(sorted(_MONTHS, key=len, reverse=True))),
    "MM": ("month", r"\d{1,2}"),
    "DD": ("day", r"\d{1,2}"),
    "HH24": ("hour", r"\d{1,2}"),
    "HH12": ("half", r"\d{1,2}"),
    "HH": ("half", r"\d{1,2}"),
    "MI": ("minute", r"\d{1,2}"),
    "SS": ("second", r"\d{1,2}"),
    "AM": ("noon", "AM|PM"),
    "PM": ("noon", "AM|PM"),
    "FF": ("milli", r"\d{1,9}"),
    **{f"FF{n}": ("milli", rf"\d{{1,{n}}}") for n in range(1, 10)},
}
_SHOWN = ("IYYY", "DDD", "DAY", "DY", "D", "Q", "WW", "W", "IW", "J", "SSSSS", "FM")
_FORMAT = re.compile(
    "|".join(sorted((*_READ, *_SHOWN), key=len, reverse=True)) + r'|"[^"]*"|[^A-Za-z]|.', re.IGNORECASE
)
_NUMBER = re.compile(r"(FM)?(S|MI)?(\$)?([90,G]*)(?:([.D])([90]*))?(MI|S)?", re.IGNORECASE)


class DateFormatError(ValueError):
    """A format or a literal that the database refuses."""


@lru_cache(maxsize=256)
def _parser(model: str) -> re.Pattern[str]:
    out = []
    for piece in _FORMAT.findall(model.upper()):
        if piece in _READ:
            name, digits = _READ[piece]
            out.append(f"(?P<{name}>{digits})")
        elif piece.startswith('"'):
            out.append(re.escape(piece[1:-1]))
        elif piece == "FM":
            continue
        elif piece.isalpha():
            raise DateFormatError("date format not recognized")
        else:
            out.append(re.escape(piece))
    try:
        return re.compile("".join(out), re.IGNORECASE)
    except re.error as error:
        raise DateFormatError("format code appears twice") from error


def to_timestamp(text: str | None, model: str = ISO_SECONDS) -> str | None:
    """Read text by a format model."""
    if text is None:
        return None
    text = str(text)
    if model == ISO_SECONDS and _ISO.fullmatch(text):
        return text
    found = _parser(model).fullmatch(text)
    if found is None:
        raise DateFormatError("literal does not match format string")
    parts = {name: value.upper() for name, value in found.groupdict().items() if value is not None}
    try:
        moment = datetime(  # noqa: DTZ001 - local by definition
            _year(parts),
            _MONTHS[parts["name"]] if "name" in parts else int(parts.get("month", 1)),
            int(parts.get("day", 1)),
            _hour(parts),
            int(parts.get("minute", 0)),
            int(parts.get("second", 0)),
        )
    except ValueError as error:
        raise DateFormatError(str(error)) from error
    milli = parts.get("milli", "").ljust(3, "0")[:3]
    plain = moment.strftime("%Y-%m-%d %H:%M:%S")
    return plain if milli in ("", "000") else f"{plain}.{milli}"


def _year(parts: dict[str, str]) -> int:
    if "near" in parts:  # of the century that is nearer
        return int(parts["near"]) + (2000 if int(parts["near"]) < 50 else 1900)
    return 2000 + int(parts["short"]) if "short" in parts else int(parts.get("year", 1900))


def _hour(parts: dict[str, str]) -> int:
    if "half" not in parts:
        return int(parts.get("hour", 0))
    half = int(parts["half"])
    if not 1 <= half <= 12:
        raise ValueError("hour must be between 1 and 12")
    return half % 12 + 12 * (parts.get("noon") == "PM")


def to_date(text: str | None, model: str = ACCOUNT) -> str | None:
    """Read text by a format model; a DATE has no fraction of a second."""
    if "FF" in model.upper():
        raise DateFormatError("date format not recognized")
    return to_timestamp(text, model)


def to_char(value: Any, model: str | None = None) -> str | None:
    """Render a date or a number by a format model, or anything else as text."""
    if value is None:
        return None
    if not isinstance(value, str):
        return plain(value) if model is None else _number(value, model)
    if model is None:
        return _date(value, "FMMM/DD/YYYY") if _ISO.fullmatch(value[:19]) else value
    if model == ISO_SECONDS:
        return value[:19]
    return _date(value, model)


def plain(value: Any) -> str:
    """A value as text: a whole number has no fraction, and none has more digits than are sure."""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{Decimal(f'{value:.15g}'):f}"
    return str(value)


def _date(value: str, model: str) -> str:
    at = datetime.fromisoformat(value[:19].ljust(19, "0") if len(value) > 10 else f"{value[:10]} 00:00:00")
    milli = value[20:23] if value[19:20] == "." else "000"
    week, half = at.isocalendar(), at.hour % 12 or 12
    table: dict[str, Any] = {
        "YYYY": f"{at.year:04}", "RRRR": f"{at.year:04}", "IYYY": f"{week.year:04}", "YY": f"{at.year % 100:02}",
        "RR": f"{at.year % 100:02}", "Q": str((at.month + 2) // 3), "MM": f"{at.month:02}", "MON": month_abbr[at.month],
        "MONTH": f"{month_name[at.month]:<9}", "WW": f"{(at.timetuple().tm_yday + 6) // 7:02}", "IW": f"{week.week:02}",
        "W": str((at.day + 6) // 7), "DDD": f"{at.timetuple().tm_yday:03}", "DD": f"{at.day:02}",
        "D": str(at.isoweekday() % 7 + 1), "DY": day_abbr[at.weekday()], "DAY": f"{day_name[at.weekday()]:<9}",
        "HH24": f"{at.hour:02}", "HH12": f"{half:02}", "HH": f"{half:02}", "MI": f"{at.minute:02}", "SS": f"{at.second:02}",
        "SSSSS": f"{at.hour * 3600 + at.minute * 60 + at.second:05}", "AM": "PM" if at.hour >= 12 else "AM",
        "J": str(at.toordinal() + 1_721_425), "FF": milli, **{f"FF{n}": milli.ljust(9, "0")[:n] for n in range(1, 10)},
    }  # fmt: skip
    table["PM"] = table["AM"]
    out, filled = [], True
    for piece in _FORMAT.findall(model):
        code = piece.upper()
        if code == "FM":
            filled = not filled
        elif code in table:
            shown = _cased(table[code], piece)
            out.append(shown if filled else (shown.strip().lstrip("0") or "0"))
        elif piece.startswith('"'):
            out.append(piece[1:-1])
        elif piece.isalpha():
            raise DateFormatError("date format not recognized")
        else:
            out.append(piece)
    return "".join(out)


def _cased(shown: str, piece: str) -> str:
    """A name is written as its element is: ``MON``, ``Mon`` or ``mon``."""
    if piece.islower():
        return shown.lower()
    return shown if piece[1:2].islower() else shown.upper()


def _number(value: float, model: str) -> str:
    found = _NUMBER.fullmatch(model)
    if found is None:
        raise DateFormatError("invalid number format model")
    bare, before, money, whole, _, fraction, after = found.groups()
    places = len(fraction or "")
    amount = Decimal(plain(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    digits, _, rest = f"{abs(amount):f}".partition(".")
    slots = re.sub("[,gG]", "", whole)
    if len(digits.lstrip("0")) > len(slots):
        return "#" * (len(model) + 1)
    least = len(slots) - slots.index("0") if "0" in slots else 0
    digits = (digits.lstrip("0") or ("0" if not places or least else "")).rjust(least, "0").rjust(len(slots))
    out, at = [], len(digits) - 1
    for mark in reversed(whole):
        if mark in ",gG":
            out.append("," if at >= 0 and digits[at] != " " else " ")
        else:
            out.append(digits[at])
            at -= 1
    text = "".join(reversed(out)) + (f".{rest}" if places else "")
    sign = "-" if amount < 0 else ""
    lead = f"{sign or ('+' if (before or '').upper() == 'S' else ' ')}"
    inner = text.lstrip()
    shown = f"{'$' if money else ''}{inner}{sign or ' '}" if after else f"{lead}{'$' if money else ''}{inner}"
    return shown.strip() if bare else " " * (len(text) - len(inner)) + shown


def to_number(value: Any, model: str | None = None) -> float | None:
    """A number from text; with a model, marks of money and thousands are left out."""
    if value is None:
        return None
    text = re.sub(r"[$,\s]", "", str(value)) if model is not None else str(value)
    try:
        return float(Decimal(text))
    except InvalidOperation:
        raise DateFormatError("invalid number") from None
