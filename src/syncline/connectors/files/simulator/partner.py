"""A partner who exchanges CSV files: it books the orders that it finds, once each, and leaves what it knows.

It is as strict as people are who load files by night: a column that it does not know, an order that it has, a revision out
of turn is noted as a breach. What it writes has the dialect that its own documents would name: semicolons, decimal commas,
days first, a trailer that counts.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

from syncline.ports import Clock

ORDER_COLUMNS = tuple("ORDER_REF REV ACTION LINE ITEM WAREHOUSE QTY PRICE TOTAL EMAIL DISCOUNT".split())
PAYMENT_COLUMNS = ("PAYMENT", "ORDER_REF", "AMOUNT", "CURRENCY")
REFUND_COLUMNS = ("REFUND_REF", "ORDER_REF", "AMOUNT", "ITEM", "WAREHOUSE", "QTY", "SHELF")
ARTICLE_COLUMNS = tuple("ARTICLE ITEM COLOUR LANG TITLE TEXT GROUP STATE MATERIAL PICTURE NO SEEN_BY".split())
STOCK_PREFIX = "STOCK_"


class Place(Protocol):
    """Where files are left, by their keys: a folder, a slash, a name."""

    def put(self, key: str, body: bytes) -> None:
        """Leave a file, whole."""
        ...

    def take(self, key: str) -> bytes:
        """Fetch a file and delete it."""
        ...

    def keys(self, prefix: str) -> list[str]:
        """What is there, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """A line as it was left: ``discount`` is on all of it."""

    item: str
    warehouse: str
    units: int
    price: Decimal
    discount: Decimal


@dataclass(slots=True)
class Order:
    """An order as the partner has booked it; ``lines`` and ``rows`` are its last revision, ``lines`` what has left at least."""

    reference: str
    revision: int
    lines: Counter[tuple[str, str]]
    shipped: Counter[tuple[str, str]] = field(default_factory=Counter)
    cancelled: bool = False
    booked_ms: int = 0
    changed_ms: int = 0
    rows: tuple[Row, ...] = ()
    total: Decimal = Decimal(0)
    back: Counter[tuple[str, str]] = field(default_factory=Counter)
    customer: str = ""  # for whom it is booked, where that is told


@dataclass(slots=True)
class Article:
    """What it sells under one name: ``items`` by colour, "" where there is one; ``pictures`` in their order; ``words`` by language."""

    name: str
    title: str
    items: dict[str, str]
    text: str = ""
    group: str = ""
    material: str = ""
    pictures: list[str] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)
    seen_by: set[str] = field(default_factory=set)
    sold: bool = True
    changed_ms: int = 0


@dataclass(frozen=True, slots=True)
class Return:
    """Goods of one order that came back; ``refund`` is whose word it is, where a channel told of it."""

    order: str
    units: Counter[tuple[str, str]]
    returned_ms: int
    shelf: bool
    money: bool
    refund: str = ""


class Partner:
    """One warehouse with its own books. ``columns`` are those of the orders that it takes."""

    columns: tuple[str, ...] = ORDER_COLUMNS
    names_customers = False

    def __init__(
        self, place: Place, clock: Clock, breach: Callable[[str], None], *, keeps: bool = True
    ) -> None:
        self._place = place
        self._clock = clock
        self._breach = breach
        self._keeps = keeps  # what it has fetched stays in the archive; otherwise it is deleted
        self.on_hand: dict[tuple[str, str], int] = {}
        self.orders: dict[str, Order] = {}
        self.parcels: dict[str, tuple[str, Counter[tuple[str, str]]]] = {}
        self.tracking: dict[str, str] = {}  # by parcel, where it is not the parcel's own number
        self.payments: dict[str, tuple[str, Decimal]] = {}
        self.returns: dict[str, Return] = {}
        self.articles: dict[str, Article] = {}
        self._told: dict[str, int] = {}
        self._parcels_told: set[str] = set()
        self._returns_told = 0
        self._articles_told_ms = 0

    # --- its books --------------------------------------------------------------------------------------

    def stock(self, sku: str, warehouse: str, quantity: int) -> None:
        """Count a shelf."""
        self.on_hand[sku, warehouse] = quantity

    def available(self, sku: str, warehouse: str) -> int:
        """What is there and not promised to anybody."""
        open_units = sum(
            order.lines[sku, warehouse] - order.shipped[sku, warehouse]
            for order in self.orders.values()
            if not order.cancelled
        )
        return self.on_hand.get((sku, warehouse), 0) - open_units

    def book(self) -> int:
        """Fetch the orders that were left, and book them; returns how many files that were."""
        keys = self._place.keys("orders/")
        for key in keys:
            body = self._place.take(key)
            if self._keeps:
                self._place.put("orders-done/" + key.rpartition("/")[2], body)
            self._book(body)
        return len(keys)

    def _book(self, body: bytes) -> None:
        rows = list(csv.DictReader(io.StringIO(body.decode("cp1252")), delimiter=";", strict=True))
        if not rows or tuple(rows[0]) != self.columns:
            self._breach("order file")
            return
        first = rows[0]
        reference, revision = first["ORDER_REF"], int(first["REV"])
        known = self.orders.get(reference)
        if revision != (known.revision + 1 if known is not None else 1):
            self._breach("order booked twice or out of turn")
            return
        lines: Counter[tuple[str, str]] = Counter()
        for row in rows:
            if row["ACTION"] != "cancel":
                lines[row["ITEM"], row["WAREHOUSE"]] += int(row["QTY"])
        kept = rows if first["ACTION"] != "cancel" else []
        now_ms = self._clock.now_ms()
        order = known or Order(reference, 0, Counter(), booked_ms=now_ms)
        order.revision, order.changed_ms = revision, now_ms
        order.cancelled = first["ACTION"] == "cancel"
        # What has left stays on the order, whoever wants it no more.
        order.lines = Counter(
            {at: max(lines[at], order.shipped[at]) for at in lines.keys() | order.shipped.keys()}
        )
        order.rows = tuple(
            Row(x["ITEM"], x["WAREHOUSE"], int(x["QTY"]), _amount(x["PRICE"]), _amount(x["DISCOUNT"]))
            for x in kept
        )
        order.total = _amount(first["TOTAL"])
        order.customer = first.get("CUSTOMER", "")
        self.orders[reference] = order

    def bank(self) -> None:
        """Fetch the payments that were left, and note them."""
        for key in self._place.keys("payments/"):
            body = self._place.take(key)
            if self._keeps:
                self._place.put("payments-done/" + key.rpartition("/")[2], body)
            for row in csv.DictReader(io.StringIO(body.decode("cp1252")), delimiter=";", strict=True):
                if tuple(row) != PAYMENT_COLUMNS or row["PAYMENT"] in self.payments:
                    self._breach("payment file")
                    continue
                self.payments[row["PAYMENT"]] = row["ORDER_REF"], _amount(row["AMOUNT"])

    def send(self, reference: str, tracking: str) -> int:
        """Send what is there of an order, each warehouse's goods as a parcel of its own; returns the parcels."""
        order = self.orders[reference]
        picks: dict[str, Counter[tuple[str, str]]] = {}
        for at, units in sorted((order.lines - order.shipped).items()) if not order.cancelled else ():
            take = min(units, max(0, self.on_hand.get(at, 0)))
            if take:
                picks.setdefault(at[1], Counter())[at] = take
        for count, units_of in enumerate(picks.values(), 1):
            number = self._leaves(order, units_of)
            self.tracking[number] = tracking if count == 1 else f"{tracking}-{count}"
        return len(picks)

    def ship(self, reference: str) -> str:
        """Send everything of an order that has not left; returns the parcel's number."""
        order = self.orders[reference]
        return self._leaves(order, order.lines - order.shipped)

    def _leaves(self, order: Order, units: Counter[tuple[str, str]]) -> str:
        for at, count in units.items():
            self.on_hand[at] -= count
        order.shipped += units
        order.changed_ms = self._clock.now_ms()
        number = f"P{len(self.parcels) + 1:05d}"
        self.parcels[number] = order.reference, units
        return number

    def take_back(
        self,
        reference: str,
        units: Counter[tuple[str, str]],
        *,
        shelf: bool = True,
        money: bool = True,
        refund: str = "",
    ) -> str:
        """Goods come back, and lie on the shelf again or not; returns the number under which they were received."""
        order = self.orders[reference]
        if (order.back + units) - order.shipped:
            self._breach("more came back than was sent")
        order.back += units
        for at, count in units.items() if shelf else ():
            self.on_hand[at] = self.on_hand.get(at, 0) + count
        number = f"R{len(self.returns) + 1:05d}"
        self.returns[number] = Return(reference, units, self._clock.now_ms(), shelf, money, refund)
        return number

    def receive_refunds(self) -> None:
        """Fetch word of goods that a channel has paid back, and receive them, each refund once."""
        for key in self._place.keys("refunds/"):
            body = self._place.take(key)
            if self._keeps:
                self._place.put("refunds-done/" + key.rpartition("/")[2], body)
            rows = list(csv.DictReader(io.StringIO(body.decode("cp1252")), delimiter=";", strict=True))
            refund = rows[0]["REFUND_REF"] if rows and tuple(rows[0]) == REFUND_COLUMNS else ""
            if not refund or any(back.refund == refund for back in self.returns.values()):
                self._breach("refund file")
                continue
            units: Counter[tuple[str, str]] = Counter()
            for row in rows:
                units[row["ITEM"], row["WAREHOUSE"]] += int(row["QTY"])
            self.take_back(rows[0]["ORDER_REF"], +units, shelf=rows[0]["SHELF"] == "1", refund=refund)

    # --- what it leaves ---------------------------------------------------------------------------------

    def leave_stock(self) -> str:
        """A full file of what is available, with a trailer; returns its key."""
        stamp = self._stamp()
        rows = [f"{sku};{at};{self.available(sku, at)},000" for sku, at in sorted(self.on_hand)]
        key = f"stock/{STOCK_PREFIX}{stamp}.csv"
        self._leave(key, ["ITEM;WAREHOUSE;QTY", *rows, f"TRAILER;{len(rows)};"])
        return key

    def leave_items(self) -> None:
        """A full list of what it sells."""
        items = sorted({sku for sku, _ in self.on_hand})
        self._leave(
            f"items/ITEMS_{self._stamp()}.csv", ["ITEM;TEXT", *(f"{sku};Article {sku}" for sku in items)]
        )

    def write_up(self, article: Article) -> None:
        """Somebody enters or changes an article."""
        article.changed_ms = self._clock.now_ms()
        self.articles[article.name] = article

    def leave_articles(self, *, every: bool = True) -> None:
        """Every article that it lists, or those that changed since it last told of any."""
        told = [x for x in self.articles.values() if every or x.changed_ms > self._articles_told_ms]
        rows = [row for article in sorted(told, key=lambda x: x.name) for row in _article_rows(article)]
        self._articles_told_ms = self._clock.now_ms()
        if rows or every:
            kind = "ARTICLES" if every else "CHANGED"
            self._leave(f"articles/{kind}_{self._stamp()}.csv", [";".join(ARTICLE_COLUMNS), *rows])

    def leave_status(self) -> None:
        """What it has booked, of orders that changed since it last said so."""
        news = [x for x in self.orders.values() if x.changed_ms > self._told.get(x.reference, 0)]
        rows = [
            f"{x.reference};{'cancelled' if x.cancelled else 'booked'};{sku};{at};{units};{x.shipped[sku, at]};{self._day(x.changed_ms)}"
            + (f";{x.customer}" if self.names_customers else "")
            for x in news
            for (sku, at), units in sorted(x.lines.items() or {("-", "-"): 0}.items())
        ]
        if rows:
            header = "REF;STATE;ITEM;WAREHOUSE;QTY;SENT;CHANGED" + (
                ";CUSTOMER" if self.names_customers else ""
            )
            self._leave(f"status/STATUS_{self._stamp()}.csv", [header, *rows])
            self._told |= {x.reference: x.changed_ms for x in news}

    def leave_parcels(self) -> None:
        """What has left, of parcels that it has not told of."""
        news = [number for number in sorted(self.parcels) if number not in self._parcels_told]
        rows = []
        for number in news:
            reference, units = self.parcels[number]
            rows += [
                f"{number};{reference};{sku};{at};{n};{self.tracking.get(number, 'TRACK-' + number)}"
                for (sku, at), n in sorted(units.items())
            ]
        if rows:
            self._leave(
                f"parcels/PARCELS_{self._stamp()}.csv", ["PARCEL;REF;ITEM;WAREHOUSE;QTY;TRACKING", *rows]
            )
            self._parcels_told |= set(news)

    def leave_returns(self, *, every: bool = False) -> None:
        """What came back, of returns that it has not told of, or of all."""
        numbers = sorted(self.returns)[0 if every else self._returns_told :]
        rows = [
            f"{number};{back.order};{sku};{at};{n};{self._day(back.returned_ms)};{int(back.shelf)};{int(back.money)};{back.refund}"
            for number in numbers
            for back in (self.returns[number],)
            for (sku, at), n in sorted(back.units.items())
        ]
        if rows:
            self._leave(
                f"returns/RETURNS_{self._stamp()}.csv",
                ["RETURN;REF;ITEM;WAREHOUSE;QTY;BACK;SHELF;MONEY;REFUND_REF", *rows],
            )
            self._returns_told = len(self.returns)

    def _leave(self, key: str, lines: list[str]) -> None:
        self._place.put(key, ("\r\n".join(lines) + "\r\n").encode("cp1252"))

    def _stamp(self) -> str:
        at = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        return f"{at:%Y%m%d%H%M%S}{at.microsecond:06d}"

    @staticmethod
    def _day(at_ms: int) -> str:
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
        return f"{at:%d.%m.%Y %H:%M:%S}.{at.microsecond:06d}"


def _article_rows(article: Article) -> list[str]:
    """A row for each item, and for what there is more of: the last row says most, and pictures come in no order."""
    told: list[dict[str, str]] = [
        {"PICTURE": address, "NO": str(n)} for n, address in reversed(list(enumerate(article.pictures, 1)))
    ]
    told += [{"SEEN_BY": name} for name in sorted(article.seen_by)]
    told += [{"LANG": language, "TITLE": title} for language, title in sorted(article.words.items())]
    told += [{"ITEM": item, "COLOUR": colour} for colour, item in article.items.items()]
    told[-1] |= {
        "TITLE": article.title,
        "TEXT": article.text,
        "GROUP": article.group,
        "STATE": "sold" if article.sold else "ended",
        "MATERIAL": article.material,
    }
    return [
        ";".join({"ARTICLE": article.name, **row}.get(name, "") for name in ARTICLE_COLUMNS) for row in told
    ]


def _amount(text: str) -> Decimal:
    return Decimal(text.replace(",", ".") or "0")
