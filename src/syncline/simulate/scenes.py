"""What happens in the demo beside orders, stock and a contract: people, goods, credit and money, each flow once.

A company and a product come in the ERP and have to appear in the shop. A company with little credit left buys twice; the
storefront asks before. An order on terms is paid for in the ERP, and goods of another come back there. What is right is
counted from both simulators' books, never from Syncline's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

import msgspec

from syncline.credit.rules import CreditRules
from syncline.engine.routes import Route, reference_of
from syncline.mapping.customers import ANY, CustomerRules
from syncline.model.change import Flow
from syncline.model.copying import replace
from syncline.model.products import ProductRules
from syncline.ports import Request, Transport
from syncline.pricing.rules import OWN, ChannelList
from syncline.simulate.contract import CENT, CURRENCY
from syncline.simulate.world import ERP, SHOP, World

TOLERANCE_MS = 60_000
LIMIT, OWED = Decimal(1000), Decimal(900)  # of the company that buys on account
CART = Decimal("0.6")  # of what is left: it fits once, and not twice
ACCOUNT, NEWCOMER = "Account customer", "New customer"
PRODUCT, TITLE, PRICE, UNITS = "NEW-1", "New product", Decimal("24.50"), 25

Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


def storefront(transport: Transport, url: str, token: str) -> Ask:
    """Ask for credit over HTTP, as a storefront with a token of its own does.

    Raises:
        RuntimeError: Syncline gave no decision.
    """
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    async def ask(question: dict[str, Any]) -> dict[str, Any]:
        body = msgspec.json.encode(question)
        answer = await transport.send(Request("POST", f"{url}/v1/credit/check", headers, body))
        if answer.status != 200:
            raise RuntimeError(f"no decision about credit: {answer.status} {answer.body[:300]!r}")
        decoded: dict[str, Any] = msgspec.json.decode(answer.body)
        return decoded

    return ask


@dataclass(frozen=True, slots=True)
class Scened:
    """What came of it; each ``wrong`` is what the other side does not have, has otherwise, or has twice."""

    companies: int
    companies_wrong: int
    products_made: int
    products_wrong: int
    credit_approved: int
    credit_refused: int
    credit_wrong: int
    invoices_paid: int
    invoices_wrong: int
    returns: int
    returns_wrong: int

    def broken(self) -> list[tuple[int, str]]:
        """How many of what are wrong."""
        return [
            (self.companies_wrong, "companies that differ"),
            (self.products_wrong, "new products that differ"),
            (self.credit_wrong, "answers or figures of credit that are wrong"),
            (self.invoices_wrong, "payments in the ERP that the shop shows otherwise"),
            (self.returns_wrong, "returns in the ERP that were not refunded once"),
        ]


class Scenes:
    """The acts and their truth."""

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng
        self._companies: dict[str, str] = {}
        self._product = ""
        self._approved = Decimal(0)
        self._decided = {"approve": 0, "deny": 0}
        self._misjudged = 0
        self._on_terms: int | None = None
        self._received: dict[int, Decimal] = {}
        self._returned: dict[int, int] = {}

    def open(self) -> None:
        """A company that owes nearly all that it may; from now on all flows travel. Prices have to be open already."""
        world = self._world
        erp, shop = world.erp_side, world.shop_side
        self._account = erp.add_company(ACCOUNT, LIMIT)
        self._left = LIMIT - erp.owe(self._account, OWED)
        self._companies[self._account] = ACCOUNT
        assert world.price_rules is not None
        own = ChannelList(OWN, (erp.own_list,), CURRENCY)
        world.price_rules = replace(world.price_rules, lists=(own, *world.price_rules.lists))
        world.product_rules = ProductRules(fields=frozenset({"title", "status"}))
        held = shop.connector.capabilities.customer_fields
        customers = CustomerRules(ours=tuple(held), roles={ANY: shop.role})
        poll_ms = world.pace.poll_ms
        world.more_routes += [
            Route(Flow.CUSTOMERS, ERP, SHOP, TOLERANCE_MS, poll_interval_ms=poll_ms, customers=customers),
            Route(
                Flow.CREDIT,
                ERP,
                SHOP,
                TOLERANCE_MS,
                poll_interval_ms=poll_ms,
                credit=CreditRules(currency=CURRENCY),
            ),
            Route(Flow.PAYMENTS, ERP, SHOP, TOLERANCE_MS, poll_interval_ms=poll_ms),
            Route(Flow.RETURNS, ERP, SHOP, TOLERANCE_MS, poll_interval_ms=poll_ms),
        ]

    # --- acts -------------------------------------------------------------------------------------

    def company_comes(self) -> str:
        """A company is made in the ERP; returns its name."""
        self._companies[self._world.erp_side.add_company(NEWCOMER, LIMIT)] = NEWCOMER
        return NEWCOMER

    def product_comes(self) -> str:
        """A product is made in the ERP, and goods of it arrive; returns its SKU."""
        erp = self._world.erp_side
        erp.add_item(PRODUCT, TITLE, PRICE)
        erp.receive([(PRODUCT, UNITS)], self._world.trade.locations[0][0])
        self._product = PRODUCT
        return PRODUCT

    async def checkout(self, ask: Ask) -> tuple[Decimal, str, str]:
        """The storefront asks for a cart of the company's.

        Returns:
            The amount, what was decided, and why.
        """
        cart = (self._left * CART).quantize(CENT)
        number = sum(self._decided.values()) + self._misjudged + 1
        answer = await ask(
            {
                "reference": f"storefront-{number}",
                "channel": SHOP,
                "account": self._account,
                "amount": str(cart),
                "currency": CURRENCY,
            }
        )
        decision = str(answer["decision"])
        fits = self._approved + cart <= self._left
        if decision == ("approve" if fits else "deny"):
            self._decided[decision] += 1
        else:
            self._misjudged += 1
        self._approved += cart if decision == "approve" else 0
        return cart, decision, str(answer["message"])

    def order_on_terms(self) -> None:
        """A buyer orders a unit and pays later."""
        trade = self._world.trade
        for sku in self._rng.sample(trade.skus, len(trade.skus)):
            self._on_terms = self._world.shop_side.sell_on_terms(sku)
            if self._on_terms is not None:
                trade.adopt(self._on_terms)
                return

    def pay(self) -> Decimal | None:
        """The order on terms is invoiced, and the money comes; ``None``: it has not left yet, or is paid."""
        if self._on_terms is None or self._on_terms in self._received:
            return None
        booked = self._booked(self._on_terms)
        amount = None if booked is None else self._world.erp_side.settle(booked)
        if amount is not None:
            self._received[self._on_terms] = amount
        return amount

    def send_back(self) -> int:
        """A unit of an order that was paid for and sent comes back to the warehouse; returns the units."""
        if self._returned:
            return 0
        erp, shop, trade = self._world.erp_side, self._world.shop_side, self._world.trade
        deposits = {mark.lower().rpartition("-pay-")[0] for mark in erp.payments()}
        for order_id in trade.placed:
            if reference_of(SHOP, str(order_id)) not in deposits or not shop.sent(order_id):
                continue
            booked = self._booked(order_id)
            if booked is None or erp.settle(booked) is None:
                continue
            units = erp.take_back(booked)
            if units:
                self._returned[order_id] = units
                trade.given_back.add(order_id)
                return units
        return 0

    def _booked(self, order_id: int) -> Any | None:
        return self._world.erp_side.find(reference_of(SHOP, str(order_id)))

    # --- truth ------------------------------------------------------------------------------------

    def done(self) -> bool:
        """Whether everything has happened."""
        return bool(self._received) and bool(self._returned)

    def counted(self) -> Scened:
        """Count it all from both books."""
        shop = self._world.shop_side
        left = self._left - self._approved
        return Scened(
            companies=len(self._companies),
            companies_wrong=sum(shop.company(key) != name for key, name in self._companies.items()),
            products_made=int(bool(self._product)),
            products_wrong=int(self._product_wrong()),
            credit_approved=self._decided["approve"],
            credit_refused=self._decided["deny"],
            credit_wrong=self._misjudged + (shop.credit(self._account) != left),
            invoices_paid=len(self._received),
            invoices_wrong=sum(shop.told_paid(order) != amount for order, amount in self._received.items()),
            returns=len(self._returned),
            returns_wrong=sum(self._return_wrong(order, units) for order, units in self._returned.items()),
        )

    def _product_wrong(self) -> bool:
        """Whether the new product is not shown with its title, its price and all its units."""
        world = self._world
        shop, sku = world.shop_side, self._product
        if not sku:
            return False
        if shop.title(sku) != TITLE or shop.price(sku) != PRICE:
            return True
        erp_at, shop_at = world.trade.locations[0]
        return shop.shown(sku, shop_at) != world.erp_side.available(sku, erp_at)

    def _return_wrong(self, order_id: int, units: int) -> bool:
        refunds = self._world.shop_side.told_back(order_id)
        return [count for count, _ in refunds] != [units] or any(money <= 0 for _, money in refunds)

    def wrong(self) -> int:
        """How much does not agree."""
        return sum(count for count, _ in self.counted().broken())


__all__ = ["Ask", "Scened", "Scenes", "storefront"]
