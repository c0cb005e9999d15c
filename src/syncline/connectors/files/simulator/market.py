"""A marketplace that exchanges CSV files: it shows the numbers that it is left, sells, and leaves its orders.

A row for each line, with what concerns the whole order in every row. An order that changed is left again with a higher
revision. What it is told of prices, accounts, credit and goods is in its books. It reads what it is answered as strictly as the one who books orders by night: a parcel that it was told of before, or
of an order that it has not, is noted as a breach.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from syncline.connectors.files.simulator.books import Books
from syncline.connectors.files.simulator.partner import Place
from syncline.ports import Clock

ORDER_COLUMNS = tuple(
    "NO REV STATE DATE CHANGED CUR TOTAL BUYER PAYMENT PAID LINE ARTICLE SITE QTY EACH".split()
)
PARCEL_COLUMNS = ("NO", "PARCEL", "ARTICLE", "QTY", "TRACKING")
ANSWER_COLUMNS = ("NO", "REV", "RESULT", "REASON", "FILE", "LINE")
RECEIPT_COLUMNS = ("NO", "RECEIVED", "INCLUDING", "CUR")
RETURN_COLUMNS = ("NO", "RETURN", "ARTICLE", "QTY", "MONEY")
PRICE = Decimal("12.50")


@dataclass(slots=True)
class Bought:
    """An order as the marketplace has it: units by line, article and site."""

    number: str
    placed_ms: int
    lines: dict[int, tuple[str, str, int]]
    revision: int = 1
    changed_ms: int = 0
    cancelled: bool = False
    buyer: str = "Müller & Söhne"
    paid: Decimal = Decimal(0)
    sent: Counter[str] = field(default_factory=Counter)
    answers: dict[int, str] = field(default_factory=dict)  # by revision
    received: Decimal = Decimal(0)  # by the seller, other than what was paid here
    back: Counter[str] = field(default_factory=Counter)

    @property
    def wanted(self) -> Counter[str]:
        """What its buyer wants now."""
        units: Counter[str] = Counter()
        for article, _, quantity in () if self.cancelled else self.lines.values():
            units[article] += quantity
        return +units


class Market:
    """One marketplace with one account of ours."""

    def __init__(
        self,
        place: Place,
        clock: Clock,
        breach: Callable[[str], None],
        *,
        number: Callable[[int], str] = lambda n: f"M/{n:05d}",
        whole: Iterable[str] = (),
    ) -> None:
        """``number`` is what it calls its n-th order; as it is by default, no ERP would take it. ``whole``: see ``Books``."""
        self._number = number
        self.books = Books(place, breach, whole=whole)
        self._place = place
        self._clock = clock
        self._breach = breach
        self.numbers: dict[tuple[str, str], int] = {}
        self.orders: dict[str, Bought] = {}
        self.prices: dict[str, Decimal] = {}  # of articles that cost something else than the usual
        self.called_off: set[str] = set()
        self.refused: list[str] = []
        self.parcels: dict[str, tuple[str, int]] = {}  # tracking number and units
        self.returns: dict[
            str, tuple[str, int, Decimal]
        ] = {}  # order, units and what its buyer was given back
        self._sold: Counter[tuple[str, str]] = Counter()  # since a number was left
        self._left: dict[str, int] = {}

    # --- its buyers ---------------------------------------------------------------------------------------

    def salable(self, article: str, site: str) -> int:
        """What it would still sell: the number that it was left, less what it has sold since."""
        return self.numbers.get((article, site), 0) - self._sold[article, site]

    def buy(
        self, goods: Mapping[tuple[str, str], int], buyer: str = "Müller & Söhne", *, paid: bool = True
    ) -> str:
        """Somebody buys, and pays at once or on terms; returns the order's number."""
        now_ms = self._clock.now_ms()
        number = self._number(len(self.orders) + 1)
        lines = {n: (*at, units) for n, (at, units) in enumerate(sorted(goods.items()), 1)}
        self._sold.update(goods)
        order = self.orders[number] = Bought(number, now_ms, lines, changed_ms=now_ms, buyer=buyer)
        order.paid = self.total(order) if paid else Decimal(0)
        return number

    def total(self, order: Bought) -> Decimal:
        """What an order costs now, whether it is cancelled or not."""
        return sum((self.price(article) * units for article, _, units in order.lines.values()), Decimal(0))

    def price(self, article: str) -> Decimal:
        """What one of an article costs."""
        return self.prices.get(article, PRICE)

    def change(self, number: str, line: int, units: int) -> None:
        """A buyer wants another quantity; none takes the line off."""
        order = self.orders[number]
        article, site, _ = order.lines[line]
        order.lines[line] = article, site, units
        self._revise(order)

    def cancel(self, number: str) -> None:
        """A buyer wants nothing any more."""
        self.orders[number].cancelled = True
        self._revise(self.orders[number])

    def _revise(self, order: Bought) -> None:
        order.revision += 1
        order.changed_ms = self._clock.now_ms()

    # --- what it leaves -----------------------------------------------------------------------------------

    def leave_orders(self, *, every: bool = False) -> str:
        """A file of the orders that changed since it last left them, or of all; returns its key, "" where there are none."""
        told = [x for x in self.orders.values() if every or self._left.get(x.number) != x.revision]
        if not told:
            return ""
        rows = [";".join(ORDER_COLUMNS), *(row for order in told for row in self._rows(order))]
        key = f"placed/ORDERS_{self._stamp()}.csv"
        self._place.put(key, ("\r\n".join(rows) + "\r\n").encode("cp1252"))
        self._left |= {order.number: order.revision for order in told}
        return key

    def _rows(self, order: Bought) -> Iterator[str]:
        head = (
            order.number,
            str(order.revision),
            "X" if order.cancelled else "N",
            _day(order.placed_ms),
            _day(order.changed_ms),
            "GBP",
            _comma(self.total(order)),
            order.buyer,
            "1",
            _comma(order.paid),
        )
        for number, (article, site, units) in order.lines.items():
            yield ";".join((*head, str(number), article, site, str(units), _comma(self.price(article))))

    def leave_articles(self, articles: list[str]) -> None:
        """A full list of what it sells."""
        self.books.listed.update(articles)
        lines = ["ARTICLE", *sorted(articles)]
        self._place.put(f"articles/ARTICLES_{self._stamp()}.csv", "\r\n".join([*lines, ""]).encode("cp1252"))

    # --- what it is left ----------------------------------------------------------------------------------

    def load(self) -> None:
        """Take everything that was left for it."""
        for row in self._fetch("numbers/", ("ARTICLE", "SITE", "QTY")):
            self.numbers[row["ARTICLE"], row["SITE"]] = int(row["QTY"])
            self._sold.pop((row["ARTICLE"], row["SITE"]), None)
        parcels: dict[str, list[dict[str, str]]] = {}
        for row in self._fetch("parcels/", PARCEL_COLUMNS):
            parcels.setdefault(row["PARCEL"], []).append(row)
        for parcel, rows in parcels.items():
            if parcel in self.parcels or any(row["NO"] not in self.orders for row in rows):
                self._breach("a parcel twice, or of no order")
                continue
            self.parcels[parcel] = rows[0]["TRACKING"], sum(int(row["QTY"]) for row in rows)
            for row in rows:
                self.orders[row["NO"]].sent[row["ARTICLE"]] += int(row["QTY"])
        for row in self._fetch("called-off/", ("NO",)):
            if row["NO"] not in self.orders:
                self._breach("no order of ours is called off")
                continue
            self.called_off.add(row["NO"])
            if not self.orders[row["NO"]].cancelled:
                self.cancel(row["NO"])  # its buyer gets nothing, and it says so in its next file
        self._money()
        self.books.load()
        for row in self._fetch("answers/", ANSWER_COLUMNS):
            if row["RESULT"] == "refused":
                self.refused.append(f"{row['FILE']} {row['LINE']}: {row['NO']}: {row['REASON']}")
            elif row["RESULT"] == "taken" and row["NO"]:
                self.orders[row["NO"]].answers[int(row["REV"])] = row["FILE"]

    def _money(self) -> None:
        """What the seller received, of which the last figure counts, and goods that it took back, each return once."""
        for row in self._fetch("receipts/", RECEIPT_COLUMNS):
            order, received = self.orders.get(row["NO"]), _amount(row["RECEIVED"])
            if order is None or row["CUR"] not in ("GBP", ""):
                self._breach("money for no order of ours, or in another currency")
                continue
            if row["INCLUDING"] == "1":
                received -= order.paid
            if received < order.received:
                self._breach("less was received than before")
            order.received = received
        returns: dict[str, list[dict[str, str]]] = {}
        for row in self._fetch("returns/", RETURN_COLUMNS):
            returns.setdefault(row["RETURN"], []).append(row)
        for number, rows in returns.items():
            order = self.orders.get(rows[0]["NO"])
            if order is None or number in self.returns or any(row["NO"] != order.number for row in rows):
                self._breach("a return twice, or of no order")
                continue
            units = Counter({row["ARTICLE"]: 0 for row in rows})
            for row in rows:
                units[row["ARTICLE"]] += int(row["QTY"])
            if order.back + units - order.sent:
                self._breach("more came back than was sent")
            order.back += units
            cost = sum((self.price(article) * count for article, count in units.items()), Decimal(0))
            money = cost if rows[0]["MONEY"] == "1" else Decimal(0)
            self.returns[number] = order.number, units.total(), money

    def _fetch(self, prefix: str, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
        for key in self._place.keys(prefix):
            text = self._place.take(key).decode("cp1252")
            rows = list(csv.DictReader(io.StringIO(text), delimiter=";", strict=True))
            if not rows or tuple(rows[0]) != columns:
                self._breach(f"a file in {prefix} has other columns")
                continue
            yield from rows

    def _stamp(self) -> str:
        at = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        return f"{at:%Y%m%d%H%M%S}{at.microsecond:06d}"


def _day(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{at:%d.%m.%Y %H:%M:%S}.{at.microsecond:06d}"


def _amount(text: str) -> Decimal:
    return Decimal(text.replace(",", "."))


def _comma(amount: Decimal) -> str:
    return f"{amount:.2f}".replace(".", ",")


__all__ = [
    "ANSWER_COLUMNS",
    "ORDER_COLUMNS",
    "PARCEL_COLUMNS",
    "RECEIPT_COLUMNS",
    "RETURN_COLUMNS",
    "Bought",
    "Market",
]
