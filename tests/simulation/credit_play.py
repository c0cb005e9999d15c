"""Companies that buy on account from a Shopify shop, with NetSuite keeping the books, played under faults and kills.

Buyers ask the gate first or go around it; some walk away, some give an approval back, some ask again because the answer got
lost. The ERP's people enter orders of their own, ship, bill, take money in, call orders off, move limits, set and lift holds.
Two things are checked, against a ledger of what these people did and never against a simulator's sums:

- At every approval: what the account owes by all that could be known, this amount included, is within its limit.
- In the end: each company's metafield shows what the ledger leaves, and the gate approves exactly that much.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
from tests.simulation.money_play import SKUS, START_MS, ZERO, Play

from syncline.connectors.shopify.credit import KEY, NAMESPACE
from syncline.connectors.shopify.simulator import Buyer, CartLine
from syncline.credit.rules import CreditRules
from syncline.engine.adoption import START, Start
from syncline.engine.credit import CreditAnswer, CreditRefused
from syncline.engine.routes import Route, Routes, customer_reference
from syncline.model.change import Flow, Kind
from syncline.model.errors import Retryable
from syncline.ports import Write
from syncline.simulate.severable import Killed

PRICE = Decimal("10.00")
LIMITS = (150, 300, 500)
EXPIRES_MS = 60_000
ORDERS_S = 40.0  # within which whoever was approved orders
AGAIN_S = 3.0
TRIES_MAX = 20
CENT = Decimal("0.01")


@dataclass
class Company:
    """An account on both sides. ``limits`` and ``holds`` have the moment of each change."""

    account: str
    owner: str  # the shop's id of the company
    buyer: Buyer
    customer: str  # the shop's id of the buyer
    limits: list[tuple[int, Decimal]]
    holds: list[tuple[int, bool]] = field(default_factory=lambda: [(0, False)])
    bound: bool = True  # whether anybody has told the ERP's id of its buyer

    @property
    def held(self) -> bool:
        """Whether it is on hold now."""
        return self.holds[-1][1]


@dataclass(eq=False)
class Debt:
    """What a company was allowed to owe, or owes: an approval, an order at the shop, an order in the ERP."""

    company: Company
    amount: Decimal
    until_ms: int = 0  # when its approval ends, if no order is named
    firm: bool = False  # its approval was confirmed, so it lasts until the order comes
    prompt: bool = False  # and that in the moment in which the order was placed
    order: str = ""  # the shop's key
    erp: Any = 0  # the ERP's own number, if it was entered there
    invoice: str = ""
    paid: Decimal = ZERO
    deposited: Decimal = ZERO  # and not applied yet
    gone: bool = False


def since(history: Iterable[tuple[int, Any]], moment_ms: int) -> list[Any]:
    """What held at a moment, and everything after."""
    past = [value for at_ms, value in history if at_ms <= moment_ms]
    return past[-1:] + [value for at_ms, value in history if at_ms > moment_ms]


class CreditPlay(Play):
    """One seed. Of ``strangers`` companies nobody has told who their buyers are: they name their account when they ask."""

    strangers = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sim = self.shop.sim
        self.debts: list[Debt] = []
        self.over: list[str] = []
        self.companies = [self.found(n, Decimal(limit)) for n, limit in enumerate(LIMITS)]

    def found(self, n: int, limit: Decimal) -> Company:
        account = self.erp.add_customer(None, companyName=f"Company {n}", creditLimit=limit)
        company = self.sim.add_company(f"Company {n}", str(account))
        buyer = Buyer(first_name=f"Buyer {n}", email=f"buyer-{n}@b.example")
        contact = self.sim.add_contact(company, f"buyer-{n}@b.example", firstName=buyer.first_name)
        owner = f"gid://shopify/Company/{company.id}"
        bound = n >= self.strangers
        return Company(str(account), owner, buyer, str(contact.customer_id), [(0, limit)], bound=bound)

    async def before(self) -> None:
        """Who the shop's companies and buyers are in the ERP was settled by an adoption."""
        bound = [
            (system, key, other)
            for one in self.companies
            for system, key, other in (
                ("shop", one.account, one.owner),
                ("erp", customer_reference("shop", one.customer), one.account),
            )
            if one.bound or system == "shop"
        ]
        more = {"kind": Kind.CUSTOMER.value, "version": 0, "hash": "", "now_ms": START_MS}
        start = msgspec.json.encode(Start(1)).decode()
        await self.store.write(
            Write("binding_put", [{"system": s, "key": k, "external_id": x, **more} for s, k, x in bound]),
            Write("adoption_put", [{"system": "shop", "kind": START, "key": "orders", "body": start}]),
        )

    def routes(self) -> Routes:
        rules = CreditRules(expires_ms=EXPIRES_MS, currency="GBP")
        credit = Route(Flow.CREDIT, "erp", "shop", 120_000, credit=rules, poll_interval_ms=60_000)
        return Routes([*super().routes().all, credit])

    # --- what is true -----------------------------------------------------------------------------

    def number(self, debt: Debt) -> int:
        """The ERP's order; 0: it has none."""
        return debt.erp or self.erp.find_order(f"shop-{debt.order}") or 0

    def known(self, debt: Debt, as_of_ms: int) -> bool:
        """Whether the gate must know of it that has read figures at a moment."""
        if debt.firm or self.clock.now_ms() < debt.until_ms:
            return True
        number = self.number(debt)
        return bool(number) and self.booked_ms(number) < as_of_ms

    def booked_ms(self, number: Any) -> int:
        return self.erp.account.txns[number].created_ms

    def status(self, number: Any) -> str:
        return self.erp.order(number).status

    def payer(self, number: Any) -> str:
        """For whom the ERP has booked an order."""
        return str(self.erp.account.txns[number].entity)

    def shown(self, company: Company) -> tuple[Any, ...]:
        """What the shop was told: limit, what is left, and whether nothing may be bought."""
        _, text = self.sim.state.metafields.get((company.owner, NAMESPACE, KEY), ("", "{}"))
        told = json.loads(text)
        return (*(Decimal(told.get(name) or -1) for name in ("limit", "available")), told.get("blocked"))

    def right(self, company: Company) -> tuple[Any, ...]:
        """What the shop should have been told."""
        return company.limits[-1][1], self.left(company), company.held

    def judge(self, company: Company, answer: CreditAnswer) -> None:
        """An approval that was just given, and is in the ledger already."""
        assert answer.as_of_ms is not None
        mine = [one for one in self.debts if one.company is company and not one.gone]
        owed = sum(
            (one.amount - one.paid - one.deposited for one in mine if self.known(one, answer.as_of_ms)), ZERO
        )
        most = max(since(company.limits, answer.as_of_ms))
        if owed > most:
            self.over.append(f"{answer.reference}: {company.account} owes {owed} of {most}")
        if all(since(company.holds, answer.as_of_ms)):
            self.over.append(f"{answer.reference}: {company.account} is on hold")

    def left(self, company: Company) -> Decimal:
        """What the books leave once every order is in them."""
        mine = [one for one in self.debts if one.company is company and (one.order or one.erp)]
        owed = sum((one.amount - one.paid for one in mine if not one.gone), ZERO)
        return max(ZERO, company.limits[-1][1] - owed)

    # --- buyers -----------------------------------------------------------------------------------

    async def asked(self, call: Callable[[], Awaitable[CreditAnswer]]) -> tuple[CreditAnswer | None, int]:
        """An answer, however often it takes, and how often it took; ``None``: it was refused."""
        for again in range(TRIES_MAX):
            try:
                return await call(), again
            except CreditRefused:
                break
            except (Killed, Retryable):  # nobody is there
                await self.clock.sleep(AGAIN_S)
        return None, again

    def cart(self) -> tuple[list[CartLine], Decimal]:
        units = {sku: self.rng.randint(1, 3) for sku in self.rng.sample(SKUS, self.rng.randint(1, 2))}
        return [CartLine(sku, n) for sku, n in units.items()], PRICE * sum(units.values())

    def order(self, debt: Debt, lines: list[CartLine]) -> str:
        """Place it; returns its number."""
        placed = self.sim.checkout(lines, customer=debt.company.buyer, paid=False)
        assert placed.order_id is not None
        debt.order = str(placed.order_id)
        self.counts["orders"] += 1
        return self.sim.orders[placed.order_id].name

    async def ask(self, company: Company, reference: str) -> None:
        """Ask, and then order, walk away, or give it back."""
        lines, amount = self.cart()
        named = self.rng.random() < 0.5 or not company.bound
        who = {"account": company.account} if named else {"customer": company.customer}
        draw, delay = self.rng.random(), self.rng.uniform(0, ORDERS_S)
        answer, again = await self.asked(
            lambda: self.engine.credit.check(reference, "shop", amount, "GBP", **who)
        )
        self.counts["answers" if answer is None else answer.decision] += 1
        if answer is None or answer.decision != "approve":
            return
        debt = Debt(company, amount, answer.expires_at_ms or 0)
        self.debts.append(debt)
        if not again:  # else it may have been approved before
            self.judge(company, answer)
        await self.clock.sleep(delay)
        if draw < 0.1:
            return
        if draw < 0.2:
            await self.asked(lambda: self.engine.credit.release(reference))
            debt.gone = True
            return
        name = self.order(debt, lines)
        if draw < 0.9 or not company.bound:
            confirmed, again = await self.asked(lambda: self.engine.credit.confirm(reference, order=name))
            debt.firm = confirmed is not None
            debt.prompt = debt.firm and not again
            debt.gone = not (company.bound or debt.firm)  # then nobody has told whose order it is

    # --- the ERP's people -------------------------------------------------------------------------

    def enter(self, company: Company) -> None:
        lines, amount = self.cart()
        debt = Debt(company, amount)
        debt.erp = self.erp.enter_order(
            [(line.sku, self.place, line.quantity, PRICE) for line in lines],
            customer_id=int(company.account),
        )
        self.debts.append(debt)
        self.counts["entered"] += 1

    def send_off(self, debt: Debt, number: int, status: str) -> bool:
        if status in ("B", "D", "E"):
            self.counts["parcels"] += 1
            self.erp.ship(number, tracking=f"T{number}-{self.counts['parcels']}")
        return status in ("B", "D", "E")

    def bill(self, debt: Debt, number: int, status: str) -> bool:
        if status == "F":
            invoice = self.erp.bill(number)
            self.counts["invoices"] += 1
            if debt.deposited:  # it is applied
                self.pay(debt, invoice, debt.deposited)
                debt.deposited = ZERO
        return status == "F"

    def take_in(self, debt: Debt, number: int, status: str) -> bool:
        """Money comes for an invoice, or for a part of it."""
        rest = debt.amount - debt.paid
        if status != "G" or not rest:
            return False
        txns = self.erp.account.txns
        invoice = next(one for one in self.erp.account.children[number] if txns[one].record == "invoice")
        self.pay(debt, invoice, min(rest, self.rng.choice((rest, Decimal("7.50")))))
        return True

    def give_up(self, debt: Debt, number: int, status: str) -> bool:
        """The ERP calls an order off, or its buyer does."""
        if status != "B" or debt.deposited:
            return False
        debt.gone = True
        if debt.order and self.rng.random() < 0.5:
            self.sim.cancel_order(int(debt.order), restock=True)
        else:
            self.erp.cancel(number)
        self.counts["cancelled"] += 1
        return True

    def deposit_for(self, debt: Debt, number: int, status: str) -> bool:
        # What a stranger's order owes is taken from the shop until the ERP has it for the right account.
        if status != "B" or debt.deposited or not debt.company.bound:
            return False
        debt.deposited = Decimal("1.00")
        self.erp.deposit(number, debt.deposited)
        self.counts["deposits"] += 1
        return True

    def pay(self, debt: Debt, invoice: int, amount: Decimal) -> None:
        self.erp.settle(invoice, amount)
        debt.paid += amount
        self.counts["payments"] += 1

    def move(self, company: Company) -> None:
        limit = max(Decimal(50), company.limits[-1][1] + self.rng.choice((-100, -50, 50, 100)))
        company.limits.append((self.clock.now_ms(), limit))
        self.erp.edit_customer(int(company.account), stamped=False, creditLimit=limit)
        self.counts["limits"] += 1

    def hold(self, company: Company) -> None:
        company.holds.append((self.clock.now_ms(), not company.held))
        state = {"id": "ON" if company.held else "AUTO"}
        self.erp.edit_customer(int(company.account), stamped=False, creditHoldOverride=state)
        self.counts["holds"] += 1

    # --- the play ---------------------------------------------------------------------------------

    def act(self) -> None:
        draw, company = self.rng.random(), self.rng.choice(self.companies)
        if draw < 0.35:
            for _ in range(self.rng.choice((1, 1, 2))):  # two at once
                self.counts["carts"] += 1
                self.loop.create_task(self.ask(company, f"cart-{self.counts['carts']}"))
        elif draw < 0.42 and company.bound:
            self.around(company)
        elif draw < 0.47:
            self.enter(company)
        elif draw < 0.93:
            acts = (self.send_off, self.bill, self.take_in, self.deposit_for, self.give_up)
            (act,) = self.rng.choices(acts, (5, 4, 6, 1, 1))
            # Whoever does something looks for an order that it can be done to.
            for debt in self.rng.sample(self.debts, len(self.debts)):
                number = 0 if debt.gone else self.number(debt)
                if number and act(debt, number, self.status(number)):
                    return
        elif draw < 0.97:
            self.move(company)
        else:
            self.hold(company)

    def around(self, company: Company) -> None:
        """Somebody orders without asking."""
        lines, amount = self.cart()
        self.debts.append(debt := Debt(company, amount))
        self.order(debt, lines)

    def finish(self) -> None:
        """Nobody works any more: some orders stay open, some invoices unpaid."""

    async def problems(self) -> list[str]:
        rows = await self.store.read("parked_open", after=0, limit=50)
        found = [f"parked: {row}" for row in rows] + self.over
        found += [
            f"order {one.order} is not in the ERP"
            for one in self.debts
            if one.order and not self.number(one) and not one.gone
        ]
        for company in self.companies:
            if (told := self.shown(company)) != (true := self.right(company)):
                found.append(f"{company.account}: {true} by the books, the shop shows {told}")
        return found

    async def _play(self) -> list[str]:
        found = await super()._play()
        for company in self.companies:
            left = self.left(company)
            for amount, right in ((left, "approve"), (left + CENT, "deny")):
                if not amount:
                    continue
                name = f"last-{company.account}-{amount}"
                answer = await self.engine.credit.check(name, "shop", amount, "GBP", account=company.account)
                if answer.decision != ("deny" if company.held else right):
                    found.append(f"{company.account}: {amount} of {left}: {answer.decision}, {answer.reason}")
                if answer.decision == "approve":
                    await self.engine.credit.release(name)
        return found
