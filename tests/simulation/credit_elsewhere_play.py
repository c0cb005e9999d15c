"""The credit play between Business Central and Adobe Commerce: accounts are kept by documents, and the shop has company credit.

Whoever orders without asking pays by the shop's own company credit, which stops them when it is used up. Nothing but what
may be bought is compared: the limit there is set such that it comes out right.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

from tests.simulation.credit_play import Company, CreditPlay, Debt
from tests.simulation.money_play import SKUS, STOCK, ZERO, Adobe

from syncline.connectors.adobe_commerce.simulator import CartLine
from syncline.connectors.adobe_commerce.simulator.companies import create_customer
from syncline.connectors.adobe_commerce.simulator.companycredits import buy
from syncline.engine.operations import Operations
from syncline.engine.routes import Routes
from syncline.model.change import Flow
from syncline.model.copying import replace
from syncline.ports import System
from syncline.simulate.sides.business_central import BusinessCentralSide
from syncline.simulate.transport import AsgiTransport

READY_MS = 10_000  # nobody works on an order in the very moment in which it is written
FREE = "_x0020_"


class CreditElsewhere(CreditPlay):
    """One seed. The ERP's own orders carry its tax, the shop's are without."""

    def __init__(self, seed: int, **more: Any) -> None:
        self.seen_ms: dict[str, int] = {}
        super().__init__(seed, kind=Adobe, **more)

    def make_erp(self, apps: AsgiTransport) -> None:
        self.side = BusinessCentralSide(
            clock=self.clock, rng=Random(self.rng.getrandbits(64)), transport=self.inbound, sockets=False
        )
        self.erp = self.side.simulator
        for origin in self.side.origins():
            apps.register(origin, self.erp)
        self.place = self.side.add_place("Reading")
        for sku in SKUS:
            self.side.add_item(sku, sku, Decimal("10.00"))
            self.side.open_with(sku, self.place, STOCK)

    def open_erp(self, opening: Any) -> System:
        return self.side.connector.open(
            opening(replace(self.side.settings(), webhook_secrets=()))
        )  # it is polled

    def routes(self) -> Routes:
        carried = (Flow.INVENTORY, Flow.ORDERS, Flow.ORDER_STATUS, Flow.CREDIT)
        return Routes([route for route in super().routes().all if route.flow in carried])

    def found(self, n: int, limit: Decimal) -> Company:
        account = self.erp.add_customer(f"C{n}", f"Company {n}", creditLimit=limit)
        email = f"buyer-{n}@b.example"
        made = create_customer(self.sim.state, {"email": email, "firstname": "Buyer", "lastname": str(n)})
        self.sim.add_company_credit(n + 1)
        bound = n >= self.strangers
        return Company(account, str(n + 1), made.buyer, str(made.id), [(0, limit)], bound=bound)

    # --- what is true -----------------------------------------------------------------------------

    def number(self, debt: Debt) -> Any:
        number = debt.erp or self.side.find(f"shop-{debt.order}") or 0
        self.seen_ms.setdefault(number, self.clock.now_ms())
        return number

    def booked_ms(self, number: str) -> int:
        """At the latest: nothing there says when an order was written."""
        return self.seen_ms[number]

    def status(self, number: str) -> str:
        """As the acts ask for it: B to be sent, F to be billed, G billed, "" for what nobody works on yet."""
        order = self.erp.company.tables["salesOrders"].get(number)
        if order is None:
            return "G"
        if order.modified_ms > self.clock.now_ms() - READY_MS:
            return ""
        return "F" if order.values["fullyShipped"] else "B"

    def payer(self, number: str) -> str:
        return next(order.values["customerId"] for order in self.side._records() if order.id == number)

    def shown(self, company: Company) -> tuple[Any, ...]:
        held = self.sim.state.company_credits.values()
        return (next(one.available for one in held if str(one.company_id) == company.owner),)

    def right(self, company: Company) -> tuple[Any, ...]:
        return (ZERO if company.held else self.left(company),)

    # --- people -----------------------------------------------------------------------------------

    def order(self, debt: Debt, lines: list[Any]) -> str:
        placed = self.sim.checkout(
            [CartLine(line.sku, line.quantity, 0, "") for line in lines],
            buyer=debt.company.buyer,
            registered=True,
            shipping_minor=0,
            tax_rate=ZERO,
            paid=False,
        )
        assert placed.order_id is not None
        debt.order = str(placed.order_id)
        self.counts["orders"] += 1
        return self.sim.orders[placed.order_id].increment_id

    def around(self, company: Company) -> None:
        lines, amount = self.cart()
        if not buy(self.sim.state, int(company.owner), amount):
            self.counts["stopped"] += 1
            return
        self.debts.append(debt := Debt(company, amount))
        self.order(debt, lines)

    def enter(self, company: Company) -> None:
        lines, _ = self.cart()
        if company.held:  # the product takes no order of a blocked customer
            self.counts["stopped"] += 1
            return
        number = f"C{self.companies.index(company)}"
        made = self.erp.sell([(x.sku, self.place, x.quantity) for x in lines], customerNumber=number)
        self.seen_ms[made] = self.clock.now_ms()
        self.debts.append(Debt(company, self.erp.order(made).total, erp=made))
        self.counts["entered"] += 1

    def send_off(self, debt: Debt, number: Any, status: str) -> bool:
        if status != "B" or debt.company.held:
            return False
        self.counts["parcels"] += 1
        return bool(self.side.ship(number, f"T{self.counts['parcels']}", "DPD"))

    def bill(self, debt: Debt, number: Any, status: str) -> bool:
        if status == "F":
            debt.invoice = self.erp.invoice(number)
            self.counts["invoices"] += 1
        return status == "F"

    def take_in(self, debt: Debt, number: Any, status: str) -> bool:
        rest = debt.amount - debt.paid
        if not debt.invoice or not rest:
            return False
        amount = min(rest, self.rng.choice((rest, Decimal("7.50"))))
        self.erp.settle(debt.invoice, amount)
        debt.paid += amount
        self.counts["payments"] += 1
        return True

    def deposit_for(self, debt: Debt, number: Any, status: str) -> bool:
        """Payments before the invoice are not played here."""
        return False

    def give_up(self, debt: Debt, number: Any, status: str) -> bool:
        if status != "B":
            return False
        if debt.order:
            debt.gone = self.sim.sales.cancel(self.sim.orders[int(debt.order)])
        else:
            self.erp.delete_order(number)
            debt.gone = True
        self.counts["cancelled"] += debt.gone
        return debt.gone

    def move(self, company: Company) -> None:
        limit = max(Decimal(50), company.limits[-1][1] + self.rng.choice((-100, -50, 50, 100)))
        company.limits.append((self.clock.now_ms(), limit))
        self.erp.edit_customer(f"C{self.companies.index(company)}", creditLimit=limit)
        self.counts["limits"] += 1

    def hold(self, company: Company) -> None:
        company.holds.append((self.clock.now_ms(), not company.held))
        state = "Ship" if company.held else FREE
        self.erp.edit_customer(f"C{self.companies.index(company)}", blocked=state)
        self.counts["holds"] += 1

    def finish(self) -> None:
        """Whoever's orders wait because of a block is free in the end; the others stay as they are."""
        for company in self.companies:
            if company.held and any(x.company is company and self.waits(x) for x in self.debts):
                self.hold(company)

    def waits(self, debt: Debt) -> bool:
        return bool(debt.order) and not debt.gone and not self.number(debt)

    async def problems(self) -> list[str]:
        operations = Operations(self.engine)
        for entry in await operations.parked():
            # The product takes no order of a blocked customer: a person lets it go on once they are free.
            if "is blocked with type Ship" in entry.detail:
                await operations.release(entry.id, by="Ada")
        return await super().problems()
