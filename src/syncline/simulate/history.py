"""Order histories: read from a file, or made from a seed; and the stock that goes with them.

The columns are those of the "Online Retail" data set (D. Chen, UCI Machine Learning Repository,
10.24432/C5BW33) as ``order_id, placed_at, sku, description, quantity, unit_price, customer,
country``, one row an order line. A reader names and counts what it skips.
"""

from __future__ import annotations

import csv
import gzip
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import NamedTuple, TextIO

from syncline.inventory.availability import largest_remainder
from syncline.model.errors import Misconfigured

COLUMNS = ("order_id", "placed_at", "sku", "description", "quantity", "unit_price", "customer", "country")
NEEDED = ("order_id", "placed_at", "sku", "quantity")  # without a price every unit counts the same
GOODS = ("auto", "digits", "all")
NOT_GOODS = "not goods (SKU does not begin with a digit)"
NO_SKU, NO_ID = "no SKU", "no order id"
OF_FORM = 0.75  # where so many order ids or SKUs begin with a digit, those that do not are odd
TEXT_MAX = 30  # characters of a cell that are repeated
EXAMPLES_MAX = 5  # lines that are named for each finding
GAP_DAYS = 4  # a long weekend is no gap
LINE_BYTES_MAX = 1_000_000
NUMBERS_MAX = 65_536  # pairs of a quantity and a price that are remembered
MOMENTS_MAX = 200_000  # texts of moments that are remembered: the lines of an order share one
LOCATION_WEIGHTS = (60, 30, 10)
DAY_MS = 86_400_000

_ZONE = re.compile(r"(?:Z|\s?[+-]\d\d:?\d\d)$")
_WHOLE = re.compile(r"\+?\d{1,9}(?:\.0{1,9})?")  # 3, and 3.00 as a spreadsheet has it
_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,15})?")
_SPACED_OFFSET = re.compile(r"\s+([+-]\d\d:?\d\d)$")


class HistoryLine(NamedTuple):
    """One line that somebody once ordered."""

    sku: str
    title: str
    quantity: int
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class HistoryOrder:
    """One order that was once placed."""

    id: str
    placed_at_ms: int
    customer: str
    country: str
    lines: tuple[HistoryLine, ...]


@dataclass(slots=True)
class History:
    """Orders in the order they were placed; what was left out and why; what was kept and should be known.

    ``where`` names the first lines of the file for each reason, of either kind.
    """

    orders: list[HistoryOrder]
    skipped: Counter[str] = field(default_factory=Counter)
    seconds_known: bool = False
    noticed: Counter[str] = field(default_factory=Counter)
    where: dict[str, list[str]] = field(default_factory=dict)

    def lines(self) -> int:
        """How many lines the orders have."""
        return sum(len(order.lines) for order in self.orders)

    def skip(self, reason: str, line: object) -> None:
        """Count a line that is left out."""
        self._count(self.skipped, reason, line)

    def notice(self, what: str, line: object) -> None:
        """Count something that is kept."""
        self._count(self.noticed, what, line)

    def _count(self, counts: Counter[str], what: str, line: object) -> None:
        counts[what] += 1
        if counts[what] <= EXAMPLES_MAX:
            self.where.setdefault(what, []).append(str(line))

    def findings(self) -> list[str]:
        """Everything that was found, in words, with the first lines: what was skipped, then what was kept."""
        found = []
        for title, counts in (("skipped", self.skipped), ("kept", self.noticed)):
            for what, count in counts.most_common():
                lines = self.where.get(what, [])
                more = ", …" if count > len(lines) else ""
                found.append(f"{title}: {count:,} × {what}: line {', '.join(lines)}{more}")
        return found


def read_history(
    path: Path,
    *,
    orders_max: int = 0,
    goods: str = "digits",
    columns: Mapping[str, str] | None = None,
    repeats: bool = True,
) -> History:
    """Read a CSV or CSV.gz file, separated by commas, semicolons or tabs.

    Args:
        path: the file; a name that ends in ``.gz`` is decompressed.
        orders_max: stop after so many orders; 0 reads all.
        goods: what the data set's own dirt is. ``digits``: SKUs that begin with no digit are no goods, order ids that
            begin with C or A are cancellations and corrections. ``all``: nothing is. ``auto``: as ``digits`` where
            three quarters of the file are of that form, else ``all``.
        columns: what the file calls a column that we call otherwise.
        repeats: whether a line that is in its order already counts again.

    Raises:
        Misconfigured: the file is missing, lacks a column, or has no usable line.
    """
    if goods not in GOODS:
        raise Misconfigured(f"--goods {goods}: it is one of {', '.join(GOODS)}")
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig", newline="")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig", newline="") as file
        ):
            history = _Reader(file, str(path), goods, columns or {}, repeats=repeats).read(orders_max)
    except (OSError, EOFError, zlib.error) as error:
        raise Misconfigured(f"--orders {path}: cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(
            f"--orders {path}: is no UTF-8 CSV{_undecodable(path)}: save it as UTF-8, or convert it with iconv -f WINDOWS-1252 -t UTF-8"
        ) from error
    if not history.orders:
        found = "; ".join(history.findings()) or "there is none below the head"
        raise Misconfigured(f"--orders {path}: no usable order line: {found}")
    return history


def _undecodable(path: Path) -> str:
    """The first line that is no UTF-8, for a message."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LINE_BYTES_MAX), b""), 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return f" (line {number})"
    return ""


@dataclass(slots=True)
class _Gathered:
    """An order while its lines come in."""

    at_ms: int
    customer: str
    country: str
    line_no: int
    lines: list[HistoryLine] = field(default_factory=list)
    doubtful: list[tuple[HistoryLine, str, int]] = field(
        default_factory=list
    )  # with the reason, and the line
    seen: set[HistoryLine] = field(default_factory=set)  # what is equal says the same


class _Reader:
    """One file on its way to a history."""

    def __init__(
        self, file: TextIO, path: str, goods: str, columns: Mapping[str, str], *, repeats: bool
    ) -> None:
        head = file.readline()
        names = next(csv.reader([head], delimiter=(delimiter := _delimiter(head))), [])
        self._rows = csv.reader(file, delimiter=delimiter)
        self._path = path
        self._goods = goods
        self._repeats = repeats
        self._width = len(names)
        self.history = History([])
        unknown = sorted(set(columns) - set(COLUMNS))
        if unknown:
            raise Misconfigured(f"--column {unknown[0]}=…: there are {', '.join(COLUMNS)}")
        at = {ours: names.index(theirs) for ours in COLUMNS if (theirs := columns.get(ours, ours)) in names}
        missing = [
            columns.get(name, name)
            for name in COLUMNS
            if name not in at and (name in NEEDED or name in columns)
        ]
        if missing:
            raise Misconfigured(
                f"--orders {path}: the columns {', '.join(missing)} are missing; needed are {', '.join(NEEDED)}; the file "
                f"has {', '.join(names) or 'no head'}; say --column sku=NAME for a column of another name"
            )
        if unread := [name for index, name in enumerate(names) if index not in at.values()]:
            # As one finding: an export may have eighty, and they would hide all others.
            self.history.notice(f"head with columns that are not read ({', '.join(unread)})", 1)
        self._cells = itemgetter(*(at.get(name, -1) for name in COLUMNS))
        self._priced = "unit_price" in at
        self._gathered: dict[str, _Gathered] = {}
        self._lettered = 0  # lines of a SKU that does not begin with a digit
        self._zone: str | None = None
        self._moments: dict[str, tuple[int | None, str]] = {}  # with the zone as it is written

    def read(self, orders_max: int) -> History:
        """All lines, or those of the first orders."""
        try:
            self._take_rows(orders_max)
        except csv.Error as error:
            raise Misconfigured(
                f"--orders {self._path}: line {self._rows.line_num + 1} is no CSV: {error}"
            ) from error
        self._settle_doubts()
        orders = sorted(
            ((order_id, one) for order_id, one in self._gathered.items() if one.lines),
            key=lambda pair: pair[1].at_ms,  # stable: ties stay as the file has them
        )
        for (_, before), (_, after) in pairwise(orders):
            if (pause_ms := after.at_ms - before.at_ms) > GAP_DAYS * DAY_MS:
                day = datetime.fromtimestamp(before.at_ms / 1000, UTC).date()
                what = f"gap of more than {GAP_DAYS} days without an order"
                self.history.notice(what, f"{after.line_no} ({pause_ms / DAY_MS:.1f} days after {day})")
        self.history.orders = [
            HistoryOrder(order_id, one.at_ms, one.customer, one.country, tuple(one.lines))
            for order_id, one in orders
        ]
        return self.history

    def _take_rows(self, orders_max: int) -> None:
        number, begins = 0, 2  # the head was read before
        for row in self._rows:
            # A cell may have several lines: its row's first is named.
            number, begins = begins, self._rows.line_num + 2
            if not row:
                continue
            missing = self._width - len(row)
            if missing < 0:
                self.history.skip("more cells than columns", number)
                continue
            row.extend([""] * missing)
            row.append("")  # what a column that is not there says
            if not self._take(list(map(str.strip, self._cells(row))), number, orders_max):
                break

    def _take(self, cells: list[str], number: int, orders_max: int) -> bool:
        """Take one line in; false once enough orders are known."""
        order_id, placed_at, sku, title, units, cost, customer, country = cells
        doubt = "" if order_id[:1].isdigit() and sku[:1].isdigit() else _doubt(order_id, sku)
        if doubt and (self._goods == "digits" or doubt in (NO_SKU, NO_ID)):
            self.history.skip(doubt, number)
            return True
        what, text, quantity, price = _numbers(units, cost if self._priced else "1")
        if what:
            self.history.skip(what, f"{number} ({text[:TEXT_MAX]!r})" if text else number)
            return True
        order = self._gathered.get(order_id)
        at_ms, zone = self._moments.get(placed_at) or self._moment(placed_at)
        if at_ms is None:
            if placed_at or order is None:
                self.history.skip(
                    "unreadable moment (wanted is ISO 8601, such as 2026-03-02T10:11:12+01:00)"
                    if placed_at
                    else "no moment",
                    f"{number} ({placed_at[:TEXT_MAX]!r})" if placed_at else number,
                )
                return True
            at_ms = order.at_ms
            self.history.notice("line without a moment (that of its order counts)", number)
        elif zone != self._zone:
            self._look_at_zone(zone, number)
        if order is None:
            if orders_max and len(self._gathered) >= orders_max:
                return False
            order = self._gathered[order_id] = _Gathered(at_ms, customer, country, number)
        elif order.at_ms != at_ms:
            self.history.notice("moment that differs from that of its order (the first counts)", number)
        line = HistoryLine(sku, title, quantity, price)
        if line in order.seen:
            if not self._repeats:
                self.history.skip("line that is in its order already", number)
                return True
            self.history.notice("line that is in its order already (--drop-repeats leaves them out)", number)
        order.seen.add(line)
        if doubt:
            self._lettered += not sku[:1].isdigit()
            if self._goods == "auto":
                order.doubtful.append((line, doubt, number))
        order.lines.append(line)
        return True

    def _settle_doubts(self) -> None:
        """Leave out what is of the data set's own dirt, if the file is of its form."""
        ids = sum(order_id[:1].isdigit() for order_id in self._gathered)
        lines = sum(len(one.lines) for one in self._gathered.values())
        skus = lines - self._lettered
        for one in self._gathered.values():
            for line, doubt, number in one.doubtful:
                is_of_form = (
                    skus >= OF_FORM * lines if doubt == NOT_GOODS else ids >= OF_FORM * len(self._gathered)
                )
                if is_of_form:
                    one.lines.remove(line)
                    self.history.skip(f"{doubt}; --goods all keeps them", number)

    def _moment(self, text: str) -> tuple[int | None, str]:
        """A moment as milliseconds, UTC, and its zone; ``None`` for what is none. Lines of one order repeat it."""
        try:
            placed = datetime.fromisoformat(_SPACED_OFFSET.sub(r"\1", text.strip()))
            if placed.tzinfo is None:
                placed = placed.replace(tzinfo=UTC)
            at_ms: int | None = int(placed.timestamp() * 1000)
        except (ValueError, OverflowError):
            at_ms = None
        if at_ms is not None and at_ms < 0:  # what a spreadsheet makes of an empty cell
            at_ms = None
        match = _ZONE.search(text)
        zone = match[0].strip().replace(":", "") if match else ""
        found = at_ms, "+0000" if zone == "Z" else zone  # one zone, however it is written
        if len(self._moments) < MOMENTS_MAX:
            self._moments[text] = found
        return found

    def _look_at_zone(self, zone: str, number: int) -> None:
        if self._zone is None:
            self._zone = zone
            return
        what = f"time zone {zone}" if zone else "no time zone, read as UTC"
        first = self._zone or "none"
        self.history.notice(f"{what}, where the first line has {first} (all are converted to UTC)", number)


def _delimiter(head: str) -> str:
    return max((",", ";", "\t"), key=head.count)


@lru_cache(NUMBERS_MAX)
def _numbers(units: str, cost: str) -> tuple[str, str, int, Decimal]:
    """What is wrong with a quantity and a price, as ``_wrong`` says it, and both; a shop has few that differ."""
    what, text = _wrong(units, cost)
    return (what, text, 0, Decimal(0)) if what else ("", "", int(Decimal(units)), Decimal(cost))


def _wrong(units: str, cost: str) -> tuple[str, str]:
    """Why a quantity or a price is of no use, and the text if it is one that nobody expects; nothing where both are."""
    if not units:
        return "no quantity", ""
    if not _WHOLE.fullmatch(units):
        if not _NUMBER.fullmatch(units):
            return "unreadable quantity (wanted is a whole number, such as 3)", units
        if Decimal(units) > 0:
            return ("absurd number" if Decimal(units) >= 10**9 else "quantity that is no whole number"), units
    if Decimal(units) <= 0:
        return "quantity not above zero (a return, or nothing)", ""
    if not cost:
        return "no price", ""
    try:
        price = Decimal(cost) if "_" not in cost else None
    except InvalidOperation:
        price = None
    if price is None:
        return "unreadable price (wanted is a number, such as 19.99)", cost
    if not price.is_finite() or price >= 10**9:
        return "absurd number", cost
    return ("price not above zero", "") if price <= 0 else ("", "")


def _doubt(order_id: str, sku: str) -> str:
    """Why a line is none of an order of goods, by the form of the "Online Retail" data set; "" where it is."""
    if not sku:
        return NO_SKU
    if not order_id:
        return NO_ID
    if order_id[:1] in ("C", "c"):
        return "cancellation (order id begins with C)"
    if order_id[:1] in ("A", "a"):
        return "bad debt (order id begins with A)"
    return "" if sku[:1].isdigit() else NOT_GOODS


ORDERS_PER_HOUR = 15.0  # of a made-up history, in its open hours,
OPENS, CLOSES = 8, 20  # which are these, UTC
OPEN_HOURS = CLOSES - OPENS


def generate_history(
    seed: int, *, orders: int = 2_000, skus: int = 1_500, orders_per_hour: float = ORDERS_PER_HOUR
) -> History:
    """Make a history of a mid-size wholesaler: few SKUs sell most, and bulk lines exhaust stock.

    It sells from 8 to 20 o'clock UTC, at ``orders_per_hour`` in the mean.
    """
    rng = Random(seed)
    catalog = [
        (
            f"{10_000 + n * 7}",
            f"{rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)} {n + 1}",
            Decimal(rng.randrange(39, 1995)) / 100,
        )
        for n in range(skus)
    ]
    weights = [1 / (rank + 15) for rank in range(skus)]  # the top 1 % of 1,500 SKUs get 15 % of the lines
    made: list[HistoryOrder] = []
    at_ms = int(datetime(2026, 3, 2, OPENS, 0, tzinfo=UTC).timestamp() * 1000)
    for number in range(orders):
        at_ms += int(rng.expovariate(orders_per_hour / 3_600_000))
        if (at_ms // 3_600_000) % 24 >= CLOSES:
            at_ms = (at_ms // DAY_MS + 1) * DAY_MS + OPENS * 3_600_000
        count = min(60, 1 + int(rng.lognormvariate(2.0, 0.9)))
        lines = [
            HistoryLine(sku, title, 1 + min(400, int(rng.lognormvariate(1.2, 1.1))), price)
            for sku, title, price in rng.choices(catalog, weights, k=count)
        ]
        customer = "" if rng.random() < 0.25 else str(12_000 + rng.randrange(600))
        made.append(HistoryOrder(str(500_000 + number), at_ms, customer, "United Kingdom", tuple(lines)))
    return History(made, Counter())


_ADJECTIVES = ("Blue", "Brass", "Striped", "Vintage", "Small", "Large", "Glass", "Paper", "Wooden", "Painted")
_NOUNS = ("Lantern", "Mug", "Cushion", "Clock", "Tray", "Basket", "Candle", "Box", "Bowl", "Frame")


@dataclass(frozen=True, slots=True)
class StockCase:
    """Opening stock by SKU, split over three locations 60/30/10.

    Stock: S = max(1, ceil(7 x mean daily sales)), where the mean is units over distinct dates with a
    sale of that SKU.
    """

    target: dict[str, int]
    titles: dict[str, str]
    prices: dict[str, Decimal]

    def split(self, sku: str) -> list[int]:
        """The opening stock of a SKU at each location."""
        return largest_remainder(self.target[sku], LOCATION_WEIGHTS)

    def at(self, sku: str, places: int) -> list[int]:
        """The same where so many locations are played: what the others would hold lies at the last of them."""
        parts = self.split(sku)
        return [*parts[: places - 1], sum(parts[places - 1 :])]


def stock_case(history: Iterable[HistoryOrder]) -> StockCase:
    """Compute the stock case of a history."""
    units: Counter[str] = Counter()
    dates: dict[str, set[int]] = {}
    titles: dict[str, str] = {}
    prices: dict[str, Decimal] = {}
    for order in history:
        day = order.placed_at_ms // DAY_MS
        for line in order.lines:
            units[line.sku] += line.quantity
            dates.setdefault(line.sku, set()).add(day)
            titles.setdefault(line.sku, line.title or line.sku)
            prices.setdefault(line.sku, line.unit_price)
    target = {sku: max(1, math.ceil(7 * units[sku] / len(dates[sku]))) for sku in units}
    return StockCase(target, titles, prices)


def weekly_moments(from_ms: int, to_ms: int, weekday: int, hour: int) -> Iterator[int]:
    """Every moment of a weekday (0 is Monday) and hour, UTC, in ``(from_ms, to_ms]``."""
    # 1970-01-01 was a Thursday, so day 4 of the epoch is the first Monday.
    first_monday = 4
    week_ms = 7 * DAY_MS
    anchor = (first_monday + weekday) * DAY_MS + hour * 3_600_000
    at = anchor + ((from_ms - anchor) // week_ms + 1) * week_ms
    while at <= to_ms:
        yield at
        at += week_ms
