"""The credit play with an ERP that exchanges files: orders go as files, its people book them when they look, and figures are exports."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from decimal import Decimal
from random import Random
from typing import Any

from msgspec.structs import replace
from tests.simulation.credit_play import PRICE, Company, CreditPlay, Debt
from tests.simulation.files_erp_play import reads
from tests.simulation.money_play import SKUS, STOCK

from syncline.connectors.files import CONNECTOR as FILES
from syncline.connectors.files import FilesSettings
from syncline.connectors.files.declared import Column, Write
from syncline.connectors.files.simulator import ACCESS_KEY, ORIGIN, SECRET_KEY, ObjectStoreSimulator, Office
from syncline.connectors.files.simulator.office import Account
from syncline.connectors.shopify.simulator import Buyer
from syncline.engine.routes import Routes
from syncline.model.change import Flow
from syncline.ports import System
from syncline.simulate.sides.exchange import DIALECT, columns
from syncline.simulate.sides.files import FIELDS, READS
from syncline.simulate.transport import AsgiTransport

EXPORT_S = 25.0
ROUND_S = 40.0
CREDIT = tuple(replace(read, lead_s=round(EXPORT_S) + 1) for read in reads("credit"))


def _with_account(read: Any) -> Any:
    if read.kind != "order_status":
        return read
    return replace(read, columns=(*read.columns, Column("account", name="CUSTOMER")))


class _Store(ObjectStoreSimulator):
    """The object store, and the people who look into it."""

    office: Office

    async def run(self) -> None:
        """Book, and leave what is known, in no fixed order; meanwhile one export after the other runs."""
        exports = asyncio.get_running_loop().create_task(self.export())
        try:
            while True:
                office = self.office
                jobs = [
                    office.book, office.leave_status, office.leave_parcels, office.leave_stock, office.leave_items,
                ]  # fmt: skip
                self.rng.shuffle(jobs)
                for job in jobs:
                    job()
                    await self.clock.sleep(self.rng.uniform(0.1, 2.0))
                await self.clock.sleep(self.rng.uniform(0.1, 0.5) * ROUND_S)
        finally:
            exports.cancel()

    async def export(self) -> None:
        """Leave figures, in full or what changed."""
        while True:
            await (self.office.news if self.rng.random() < 0.5 else self.office.export)("credit")
            await self.clock.sleep(self.rng.uniform(0.1, 0.5) * ROUND_S)


class CreditFiles(CreditPlay):
    """One seed. The ERP's number of an order is what it calls it: the shop's reference, or its own."""

    def make_erp(self, apps: AsgiTransport) -> None:
        self.erp: Any = _Store(clock=self.clock, rng=Random(self.rng.getrandbits(64)))
        apps.register(ORIGIN, self.erp)
        self.office = Office(
            self.erp, self.clock, self.erp.ledger.breach, Random(self.rng.getrandbits(64)), export_s=EXPORT_S
        )
        self.erp.office = self.office
        self.place: Any = "MAIN"
        for sku in SKUS:
            self.office.stock(sku, self.place, STOCK)
        self.office.leave_items()
        self.office.leave_stock()
        self.folder = tempfile.mkdtemp(prefix="files-credit-")

    def open_erp(self, opening: Any) -> System:
        fields = (*FIELDS, "customer_id")
        settings = FilesSettings(
            folder=f"s3://{self.erp.bucket}",
            endpoint=ORIGIN,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            spool=f"{self.folder}/spool",
            reads=(*(_with_account(read) for read in READS), *CREDIT),
            writes=(
                Write(
                    kind="orders",
                    path="orders",
                    archive="orders-done",
                    columns=columns(fields, self.office.columns),
                    **DIALECT,
                ),
            ),
            untold=("payments", "refunds"),
        )
        return FILES.open(opening(settings))

    def play(self) -> list[str]:
        try:
            return super().play()
        finally:
            shutil.rmtree(self.folder)

    def routes(self) -> Routes:
        carried = (Flow.INVENTORY, Flow.ORDERS, Flow.ORDER_STATUS, Flow.CREDIT)
        return Routes([route for route in super().routes().all if route.flow in carried])

    def found(self, n: int, limit: Decimal) -> Company:
        account = f"D{n}"
        self.office.accounts[account] = Account(limit)
        company = self.sim.add_company(f"Company {n}", account)
        buyer = Buyer(first_name=f"Buyer {n}", email=f"buyer-{n}@b.example")
        contact = self.sim.add_contact(company, f"buyer-{n}@b.example", firstName=buyer.first_name)
        owner = f"gid://shopify/Company/{company.id}"
        return Company(
            account, owner, buyer, str(contact.customer_id), [(0, limit)], bound=n >= self.strangers
        )

    # --- what is true -----------------------------------------------------------------------------

    def number(self, debt: Debt) -> Any:
        reference = debt.erp or f"shop-{debt.order}"
        return reference if reference in self.office.orders else 0

    def booked_ms(self, number: Any) -> int:
        return self.office.orders[number].booked_ms

    def status(self, number: Any) -> str:
        """As the acts ask for it: B to be sent, F to be billed, G billed."""
        order = self.office.orders[number]
        if number in self.office.invoices:
            return "G"
        return "B" if order.lines - order.shipped else "F"

    def payer(self, number: Any) -> str:
        return self.office.orders[number].customer

    # --- people -----------------------------------------------------------------------------------

    async def trade(self) -> None:
        """Longer than where the ERP answers at once."""
        for _ in range(3):
            await super().trade()

    def enter(self, company: Company) -> None:
        lines, amount = self.cart()
        at = {(line.sku, self.place): line.quantity for line in lines}
        self.debts.append(Debt(company, amount, erp=self.office.enter(company.account, at, PRICE)))
        self.counts["entered"] += 1

    def send_off(self, debt: Debt, number: Any, status: str) -> bool:
        if status != "B":
            return False
        self.office.ship(number)
        self.counts["parcels"] += 1
        return True

    def bill(self, debt: Debt, number: Any, status: str) -> bool:
        if status != "F":
            return False
        self.office.invoice(number)
        self.counts["invoices"] += 1
        return True

    def take_in(self, debt: Debt, number: Any, status: str) -> bool:
        rest = debt.amount - debt.paid
        if status != "G" or not rest:
            return False
        amount = min(rest, self.rng.choice((rest, Decimal("7.50"))))
        self.office.receive(number, amount)
        debt.paid += amount
        self.counts["payments"] += 1
        return True

    def deposit_for(self, debt: Debt, number: Any, status: str) -> bool:
        """Nobody pays before the invoice."""
        return False

    def give_up(self, debt: Debt, number: Any, status: str) -> bool:
        if status != "B":
            return False
        debt.gone = True
        if debt.order:
            self.sim.cancel_order(int(debt.order), restock=True)
        else:
            self.office.call_off(number)
        self.counts["cancelled"] += 1
        return True

    def move(self, company: Company) -> None:
        limit = max(Decimal(50), company.limits[-1][1] + self.rng.choice((-100, -50, 50, 100)))
        company.limits.append((self.clock.now_ms(), limit))
        self.office.accounts[company.account].limit = limit
        self.counts["limits"] += 1

    def hold(self, company: Company) -> None:
        company.holds.append((self.clock.now_ms(), not company.held))
        self.office.accounts[company.account].held = company.held
        self.counts["holds"] += 1
