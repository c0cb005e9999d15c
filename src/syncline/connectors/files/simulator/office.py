"""The office of a partner: what it asks for its goods, who buys from it, and what they owe. It tells all of that in files.

An export takes time: what a file says was so when its export began, and the file is stamped when it is written. A full file
has everything; news have every row of what changed since it was told last, and a row without a price where one was taken away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from random import Random

from syncline.connectors.files.simulator.partner import ORDER_COLUMNS, Order, Partner, Place
from syncline.ports import Clock

EXPORT_S = 90.0  # that an export takes at the most
CURRENCY = "GBP"
OPEN = "31.12.9999"
NOBODY: tuple[str, ...] = ("",) * 6
NOWHERE: tuple[str, ...] = ("",) * 7
HEADERS = {
    "prices": "ITEM;FOR;CODE;FROM_QTY;PRICE;CUR;VALID_FROM;VALID_TO",
    "customers": "CUSTOMER;NAME;STATE;VAT;TERMS;PERSON;FIRST;LAST;EMAIL;PHONE;ROLE;SITE;STREET;TOWN;POSTCODE;COUNTRY;TEL;INVOICES",
    "credit": "ACCOUNT;LIMIT;BALANCE;ORDERS;STATE;CUR",
}
EVERYBODY, CUSTOMER, GROUP, PROMOTION = "A", "C", "G", "P"  # for whom a price is


@dataclass(frozen=True, slots=True)
class PriceLine:
    """For whom and for how many a price is, and between which days; ``None``: that side is open."""

    item: str
    whom: str = EVERYBODY
    code: str = ""
    minimum: int = 1
    starts: date | None = None
    ends: date | None = None


@dataclass(slots=True)
class Firm:
    """A customer.

    ``people`` are by number: first and last name, e-mail, telephone, role. ``places`` as well: street, town, postcode, country,
    telephone, and whether invoices go there.
    """

    name: str
    vat: str = ""
    terms: str = ""
    closed: bool = False
    people: dict[str, tuple[str, str, str, str, str]] = field(default_factory=dict)
    places: dict[str, tuple[str, str, str, str, str, bool]] = field(default_factory=dict)


@dataclass(slots=True)
class Account:
    """What a customer may owe; ``None``: as much as it likes."""

    limit: Decimal | None
    held: bool = False


class Office(Partner):
    """A partner who knows for whom it books an order."""

    columns = (*ORDER_COLUMNS, "CUSTOMER")
    names_customers = True

    def __init__(
        self,
        place: Place,
        clock: Clock,
        breach: Callable[[str], None],
        rng: Random,
        *,
        keeps: bool = True,
        export_s: float = EXPORT_S,
        mistakes: float = 0.0,
    ) -> None:
        """``export_s``: how long an export takes at the most. ``mistakes``: how many of the files have a line that is broken."""
        super().__init__(place, clock, breach, keeps=keeps)
        self._rng = rng
        self._export_s = export_s
        self.mistakes = mistakes
        self.prices: dict[PriceLine, Decimal] = {}
        self.firms: dict[str, Firm] = {}
        self.accounts: dict[str, Account] = {}
        self.invoices: dict[str, Decimal] = {}  # by the order that they are of
        self.received: Counter[str] = Counter()  # in pence
        self.exports: Counter[str] = Counter()
        self._said: dict[str, dict[str, tuple[str, ...]]] = {kind: {} for kind in HEADERS}

    # --- its books --------------------------------------------------------------------------------------

    def enter(self, customer: str, lines: dict[tuple[str, str], int], price: Decimal) -> str:
        """Somebody orders by telephone; returns the order's number."""
        reference = f"T-{len(self.orders) + 1:05d}"
        now_ms = self._clock.now_ms()
        total = price * sum(lines.values())
        self.orders[reference] = Order(
            reference, 1, Counter(lines), booked_ms=now_ms, changed_ms=now_ms, total=total, customer=customer
        )
        return reference

    def call_off(self, reference: str) -> None:
        """Nothing of an order is wanted any more."""
        order = self.orders[reference]
        order.cancelled, order.changed_ms = True, self._clock.now_ms()

    def invoice(self, reference: str) -> None:
        """Bill an order, of which everything has left."""
        self.invoices[reference] = self.orders[reference].total

    def receive(self, reference: str, amount: Decimal) -> None:
        """Money comes for an invoice."""
        self.received[reference] += int(amount * 100)

    def balance(self, account: str) -> Decimal:
        """What is owed by invoices."""
        return sum(
            (
                total - Decimal(self.received[reference]) / 100
                for reference, total in self.invoices.items()
                if self.orders[reference].customer == account
            ),
            Decimal(0),
        )

    def open_orders(self, account: str) -> Decimal:
        """What orders come to that are not billed yet."""
        return sum(
            (
                order.total
                for order in self.orders.values()
                if order.customer == account and not order.cancelled and order.reference not in self.invoices
            ),
            Decimal(0),
        )

    # --- what it leaves ---------------------------------------------------------------------------------

    async def export(self, kind: str) -> None:
        """Leave a full file of prices, customers or credit."""
        rows = self._rows(kind)
        lines = [line for of in rows.values() for line in of]
        self._rng.shuffle(lines)  # nobody has asked for an order
        await self._leave_later(f"{kind}/{kind.upper()}_", kind, lines)

    async def news(self, kind: str) -> None:
        """Leave what changed since it was told last."""
        rows, said = self._rows(kind), self._said[kind]
        changed = [key for key in rows.keys() | said.keys() if rows.get(key) != said.get(key)]
        lines = [line for key in sorted(changed) for line in rows.get(key) or self._gone(kind, key)]
        self._said[kind] = rows
        if lines:
            await self._leave_later(f"{kind}-news/NEWS_", kind, lines)

    async def _leave_later(self, path: str, kind: str, lines: list[str]) -> None:
        await self._clock.sleep(self._rng.uniform(0.0, self._export_s))
        if self._rng.random() < self.mistakes:
            at = self._rng.randrange(len(lines) + 1)
            lines = [*lines[:at], ";".join(lines[at:][:1]).rpartition(";")[0] or "?", *lines[at + 1 :]]
            self.exports[f"{path} broken"] += 1
        self._leave(f"{path}{self._stamp()}.csv", [HEADERS[kind], *lines])
        self.exports[path] += 1

    def _rows(self, kind: str) -> dict[str, tuple[str, ...]]:
        """The lines of each record: of an item for somebody, of a customer, of an account."""
        if kind == "prices":
            found: dict[str, list[str]] = {}
            for line, price in self.prices.items():
                found.setdefault(f"{line.item};{line.whom};{line.code}", []).append(_priced(line, price))
            return {key: tuple(sorted(lines)) for key, lines in found.items()}
        if kind == "customers":
            return {key: tuple(_firm(key, firm)) for key, firm in self.firms.items()}
        return {key: (self._owed(key, account),) for key, account in self.accounts.items()}

    @staticmethod
    def _gone(kind: str, key: str) -> tuple[str, ...]:
        return (f"{key};1;;{CURRENCY};;",) if kind == "prices" else ()

    def _owed(self, key: str, account: Account) -> str:
        limit = "" if account.limit is None else _money(account.limit)
        state = "STOP" if account.held else ""
        return ";".join(
            (key, limit, _money(self.balance(key)), _money(self.open_orders(key)), state, CURRENCY)
        )


def _priced(line: PriceLine, price: Decimal) -> str:
    starts = f"{line.starts:%d.%m.%Y}" if line.starts else ""
    ends = f"{line.ends:%d.%m.%Y}" if line.ends else OPEN
    return ";".join(
        (line.item, line.whom, line.code, str(line.minimum), _money(price), CURRENCY, starts, ends)
    )


def _firm(key: str, firm: Firm) -> list[str]:
    """A line for the firm, one for each of its people, and one for each of its places."""
    head = (key, firm.name, "closed" if firm.closed else "open", firm.vat, firm.terms)
    lines: list[tuple[str, ...]] = [(*head, *NOBODY, *NOWHERE)]
    lines += [(key, "", "", "", "", number, *person, *NOWHERE) for number, person in firm.people.items()]
    lines += [
        (key, "", "", "", "", *NOBODY, number, *place, "yes" if invoices else "no")
        for number, (*place, invoices) in firm.places.items()
    ]
    return [";".join(line) for line in lines]


def _money(amount: Decimal) -> str:
    return f"{amount:.2f}".replace(".", ",")
