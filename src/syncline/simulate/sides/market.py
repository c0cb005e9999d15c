"""A marketplace with nothing but files, in a played world: numbers and parcels come as files, orders go as files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from random import Random

from syncline.connectors.files.declared import Read, Write
from syncline.connectors.files.simulator import Market, ObjectStoreSimulator, books
from syncline.connectors.files.simulator.market import (
    ANSWER_COLUMNS,
    ORDER_COLUMNS,
    PARCEL_COLUMNS,
    RECEIPT_COLUMNS,
    RETURN_COLUMNS,
    Bought,
)
from syncline.ports import Clock, Transport
from syncline.simulate.history import HistoryLine, HistoryOrder
from syncline.simulate.licence import USUAL_LICENCE, Licence
from syncline.simulate.sides.exchange import DIALECT, ROUND_S, STAMPED, Exchange, columns
from syncline.simulate.sides.ports import Place, Sale, ShopSide, Wanted

ORIGIN = "https://market.simulated"
CONTRACT = "contract"  # the price list of one customer
FIRST = 1_000  # orders are numbered from the next on
FIELDS = (
    "reference revision status placed_at updated_at currency total customer_id payment paid line sku location quantity unit_price"
).split()
SENT = ("reference", "shipment", "sku", "quantity", "tracking")
RECEIVED = ("reference", "received", "of_channel", "currency")
BACK = ("reference", "return", "sku", "quantity", "money")
ANSWERED = ("reference", "revision", "result", "reason", "file", "line")
READS = (
    Read(
        kind="orders",
        path="placed",
        pattern="ORDERS_*.csv",
        cancelled=("X",),
        columns=columns(FIELDS, ORDER_COLUMNS),
        **STAMPED,
    ),
    Read(
        kind="items",
        path="articles",
        pattern="ARTICLES_*.csv",
        scope="full",
        columns=columns(("sku",), ("ARTICLE",)),
        **STAMPED,
    ),
)
WRITES = (
    Write(
        kind="stock",
        path="numbers",
        archive="done",
        columns=columns(("sku", "location", "quantity"), ("ARTICLE", "SITE", "QTY")),
        **DIALECT,
    ),
    Write(kind="shipments", path="parcels", archive="done", columns=columns(SENT, PARCEL_COLUMNS), **DIALECT),
    Write(
        kind="cancellations",
        path="called-off",
        archive="done",
        columns=columns(("reference",), ("NO",)),
        **DIALECT,
    ),
    Write(
        kind="receipts",
        path="receipts",
        archive="done",
        columns=columns(RECEIVED, RECEIPT_COLUMNS),
        **DIALECT,
    ),
    Write(kind="returns", path="returns", archive="done", columns=columns(BACK, RETURN_COLUMNS), **DIALECT),
    Write(
        kind="acknowledgements",
        path="answers",
        archive="done",
        columns=columns(ANSWERED, ANSWER_COLUMNS),
        **DIALECT,
    ),
)
ACCOUNTS = (
    "company record name active tax_id contact contact_first_name contact_last_name contact_email contact_phone contact_role site "
    "site_line1 site_city site_postcode site_country"
).split()
TOLD = (
    Write(
        kind="prices",
        path="prices",
        archive="done",
        columns=columns(("sku", "list", "currency", "minimum", "price", "compare_at"), books.PRICE_COLUMNS),
        **DIALECT,
    ),
    Write(
        kind="customers",
        path="accounts",
        archive="done",
        columns=columns(ACCOUNTS, books.ACCOUNT_COLUMNS),
        **DIALECT,
    ),
    Write(
        kind="credit",
        path="credit",
        archive="done",
        columns=columns(
            ("account", "currency", "available", "limit", "blocked", "reason"), books.CREDIT_COLUMNS
        ),
        **DIALECT,
    ),
    Write(
        kind="products",
        path="goods",
        archive="done",
        columns=columns(
            ("product", "sku", "title", "status", "option_name.1", "option_value.1", "barcode"),
            books.GOODS_COLUMNS,
        ),
        **DIALECT,
    ),
    Write(
        kind="translations",
        path="texts",
        archive="done",
        columns=columns(("product", "language", "title"), books.TEXT_COLUMNS),
        **DIALECT,
    ),
    Write(
        kind="listings",
        path="shelves",
        archive="done",
        columns=columns(("product", "assortment", "shown"), books.SHELF_COLUMNS),
        **DIALECT,
    ),
)


class _Marketplace(ObjectStoreSimulator):
    """The object store, and the people who look into it every minute. What they take they leave in another folder."""

    def __init__(self, *, clock: Clock, rng: Random, transport: Transport) -> None:
        super().__init__(clock=clock, rng=rng, transport=transport)
        self.market = Market(self, clock, self.ledger.breach, number=lambda n: str(FIRST + n))

    def take(self, key: str) -> bytes:
        """Fetch a file, and keep it aside."""
        body = super().take(key)
        self.put(f"done/{key.rpartition('/')[2]}", body)
        return body

    async def run(self) -> None:
        """Look what was left and leave what is new, until cancelled."""
        while True:
            told = self.market.books.goods.values()
            self.market.leave_articles(
                sorted({*self.market.prices, *(sku for each in told for sku in each.articles)})
            )
            for job in (self.market.load, self.market.leave_orders):
                job()
                await self.clock.sleep(self.rng.uniform(0.05, 1.0))
            await self.clock.sleep(self.rng.uniform(0.5, 1.0) * ROUND_S)


class MarketSide(Exchange, ShopSide):
    """One marketplace that shares an object store with us, and knows of companies, prices and credit what it is left."""

    origin = ORIGIN
    reads = READS
    writes = (*WRITES, *TOLD)
    # Nothing is pushed, and what was written is listed at once.
    spared = frozenset(
        {"webhooks lost", "webhooks doubled", "webhooks overtake", "search lags", "subscriptions removed"}
    )
    names_place = True
    locations = 3
    products_max = 500
    role = "buyer"

    def __init__(
        self,
        *,
        clock: Clock,
        rng: Random,
        transport: Transport,
        sockets: bool,
        licence: Licence = USUAL_LICENCE,
    ) -> None:
        self.simulator: _Marketplace = _Marketplace(clock=clock, rng=rng, transport=transport)
        self.market = self.simulator.market
        self._titles: dict[str, str] = {}
        self._places: list[str] = []
        self.share(self.simulator)

    def digest(self) -> str:
        market = self.market
        state = [
            sorted((*at, number) for at, number in market.numbers.items()),
            sorted(
                (x.number, x.revision, x.cancelled, sorted(x.sent.items())) for x in market.orders.values()
            ),
            sorted(market.parcels.items()),
        ]
        return hashlib.sha256(json.dumps(state).encode()).hexdigest()

    def check(self) -> list[str]:
        return [f"refused: {why}" for why in self.market.refused]

    def add_place(self, name: str) -> str:
        self._places.append(str(len(self._places) + 1))
        return self._places[-1]

    def add_product(self, sku: str, title: str, price: Decimal, shown: Mapping[Place, int]) -> None:
        """It shows nothing of it until it was left a number: nobody can tell us what it showed before."""
        self.market.prices[sku] = price
        self._titles[sku] = title

    # --- buyers -----------------------------------------------------------------------------------

    def sell(self, order: HistoryOrder) -> Sale:
        """What is there of a line is sold, from one site if that has it all, else from several."""
        goods: dict[tuple[str, str], int] = {}
        accepted: list[HistoryLine] = []
        refused: list[HistoryLine] = []
        for line in order.lines:
            there = {
                at: self.market.salable(line.sku, at) - goods.get((line.sku, at), 0) for at in self._places
            }
            if sum(max(0, units) for units in there.values()) < line.quantity:
                refused.append(line)
                continue
            accepted.append(line)
            left = line.quantity
            for at in sorted(there, key=lambda place: (there[place] < line.quantity, place)):
                units = min(left, max(0, there[at]))
                if units:
                    goods[line.sku, at] = goods.get((line.sku, at), 0) + units
                    left -= units
        if not goods:
            return Sale(None, accepted, refused)
        return Sale(int(self.market.buy(goods, order.customer or "guest")), accepted, refused)

    def sell_on_terms(self, sku: str) -> int | None:
        site = next((at for at in self._places if self.market.salable(sku, at) > 0), None)
        return None if site is None else int(self.market.buy({(sku, site): 1}, "on terms", paid=False))

    def cancel(self, order_id: int, *, restock: bool) -> bool:
        if self.sent(order_id):
            return False
        self.market.cancel(str(order_id))
        return True

    def cut(self, order_id: int) -> bool:
        line, (_, _, units) = next(iter(self._order(order_id).lines.items()))
        if units <= 1 or self.sent(order_id):
            return False
        self.market.change(str(order_id), line, units - 1)
        return True

    # --- truth ------------------------------------------------------------------------------------

    def _order(self, order_id: int) -> Bought:
        return self.market.orders[str(order_id)]

    def wanted(self, order_id: int) -> list[Wanted]:
        return [
            Wanted(sku, at, units, self.market.price(sku))
            for sku, at, units in self._order(order_id).lines.values()
        ]

    def cancelled(self, order_id: int) -> bool:
        return self._order(order_id).cancelled

    def sent(self, order_id: int) -> bool:
        return bool(self._order(order_id).sent)

    def total(self, order_id: int) -> Decimal:
        return self.market.total(self._order(order_id))

    def payments(self, order_id: int) -> int:
        return int(self._order(order_id).paid > 0)

    def told_paid(self, order_id: int) -> Decimal:
        return self._order(order_id).received

    def told_back(self, order_id: int) -> list[tuple[int, Decimal]]:
        back = self.market.returns.values()
        return [(units, money) for order, units, money in back if order == str(order_id)]

    def facts(self, order_id: int) -> int:
        return len(self._order(order_id).lines) + self.payments(order_id)

    def parcels(self) -> list[tuple[str, int]]:
        return list(self.market.parcels.values())

    def shown(self, sku: str, at: Place) -> int:
        return self.market.numbers.get((sku, at), 0)

    def price(self, sku: str) -> Decimal | None:
        return self.market.books.prices.get((sku, ""), {}).get(1, self.market.prices.get(sku))

    def title(self, sku: str) -> str:
        told = (each.title for each in self.market.books.goods.values() if sku in each.articles)
        return next(told, self._titles.get(sku, ""))

    # --- what it was told ---------------------------------------------------------------------------

    def company(self, key: str) -> str:
        account = self.market.books.accounts.get(key)
        return account.name if account is not None and account.active and account.people else ""

    def credit(self, key: str) -> Decimal | None:
        return self.market.books.credit.get(key)

    def open_contract(self) -> str:
        return CONTRACT

    def listed(self, sku: str) -> Decimal | None:
        return self.market.books.prices.get((sku, CONTRACT), {}).get(1)

    def lose_next(self) -> None:
        """No event tells of an order."""

    def forget_subscriptions(self) -> None:
        """Nothing is subscribed to."""


__all__ = ["MarketSide"]
