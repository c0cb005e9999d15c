"""What people do to customers in the ERP, and what the shop has to hold of them.

Companies come, move, change their people, are put on hold and taken back, and now and then two are merged, which leaves one.
Some were in the shop before anybody connected the two: under their account number, under their tax registration, and one
person as a private customer. What is right is told here from the simulators' books, by a rule of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from random import Random

from syncline.connectors.netsuite.simulator import NetSuiteSimulator
from syncline.connectors.netsuite.simulator.state import Party
from syncline.connectors.shopify.simulator import Company, ShopifySimulator
from syncline.engine.routes import Route
from syncline.engine.states import STATE_OPERATIONS
from syncline.mapping.customers import ANY, CustomerRules
from syncline.model.change import Flow
from syncline.model.customers import CustomerField, MatchKey
from syncline.ports import Clock
from syncline.simulate.simulation import Plan, Report, Simulation
from syncline.simulate.world import ERP, SHOP, World

CHANGE_S = 40.0  # between two changes, on the average
COMPANIES = 6  # at the beginning
PRIMARY = -10
ADMIN, BUYER = "Location admin", "Ordering only"
TERMS = (1, 2)  # the ERP's ids
TOLERANCE_MS = 600_000
SEED = 0xC057
TOWNS = (("Reading", "RG1 1AA"), ("Leeds", "LS1 4DY"), ("Bristol", "BS1 5TR"))
OURS = (
    CustomerField.NAME,
    CustomerField.TAX_ID,
    CustomerField.TERMS,
    CustomerField.CONTACTS,
    CustomerField.ADDRESSES,
)


class Customering:
    """People with the right to change customers, from the seed."""

    def __init__(self, *, clock: Clock, rng: Random, shop: ShopifySimulator, erp: NetSuiteSimulator) -> None:
        self._clock = clock
        self._rng = rng
        self._shop = shop
        self._erp = erp
        self.customers: list[int] = []  # in the order in which they came, those merged away left out
        self.merged: list[int] = []
        self.changes = 0
        self._people = 0

    def open(self) -> CustomerRules:
        """Customers on both sides, some of whom the shop had before; returns how they travel."""
        terms = {str(one): str(self._shop.add_terms(f"Net {30 * one}")) for one in TERMS}
        for n in range(COMPANIES):
            self._found(inactive=n == COMPANIES - 1)
        first, second, third, *_ = (self._party(one) for one in self.customers)
        self._shop.add_company("Known by its number", str(first.fields["entityId"]))
        known = self._shop.add_company("Known by its tax registration")
        known.locations[0].tax_registration_id = str(second.fields["vatRegNumber"])
        self._shop.add_contact(known, "left@example.com", ADMIN)
        taken = self._contacts(third.id)[0]
        self._shop.add_shop_customer(taken.fields["email"])
        # Who sorts that out does it in the ERP, which is all that this story is about.
        self._clock.after(
            900.0, lambda: self._erp.edit_contact(taken.id, email=f"other-{taken.id}@example.com")
        )
        return CustomerRules(
            ours=OURS,
            roles={str(PRIMARY): ADMIN, ANY: BUYER},
            terms=terms,
            match=(MatchKey.EXTERNAL_ID, MatchKey.NUMBER, MatchKey.TAX_ID),
        )

    # --- what people do ---------------------------------------------------------------------------

    async def work(self, minutes: float) -> None:
        """Change something now and then."""
        acts: tuple[Callable[[int], None], ...] = (
            self._rename, self._hire, self._hire, self._leave, self._edit_person, self._edit_person, self._move,
            self._open_site, self._close_site, self._hold, self._terms, self._merge,
        )  # fmt: skip
        until = self._clock.monotonic() + minutes * 60
        while self._clock.monotonic() < until:
            await self._clock.sleep(self._rng.expovariate(1 / CHANGE_S))
            self.changes += 1
            if self._rng.random() < 0.1:
                self._found()
            else:
                self._rng.choice(acts)(self._rng.choice(self.customers))

    def _found(self, *, inactive: bool = False) -> None:
        n = len(self.customers) + len(self.merged) + 1
        customer = self._erp.add_customer(
            None,
            companyName=f"Company {n}",
            vatRegNumber=f"GB{100_000 + n}",
            terms={"id": str(self._rng.choice(TERMS))},
            isInactive=inactive,
        )
        self.customers.append(customer)
        self._hire(customer)
        for _ in range(self._rng.randrange(3)):
            self._open_site(customer)

    def _rename(self, customer: int) -> None:
        name = f"{self._party(customer).fields['companyName']}'"
        self._erp.edit_customer(customer, companyName=name[:80])

    def _terms(self, customer: int) -> None:
        self._erp.edit_customer(customer, terms={"id": str(self._rng.choice(TERMS))})

    def _hold(self, customer: int) -> None:
        inactive = not self._party(customer).fields.get("isInactive")
        self._erp.edit_customer(customer, isInactive=inactive)

    def _hire(self, customer: int) -> None:
        self._people += 1
        self._erp.add_contact(
            customer,
            role=self._rng.choice((PRIMARY, None)),
            firstname="Buyer",
            lastname=f"Number {self._people}",
            email=f"Buyer-{self._people}@Example.com",
            phone=self._rng.choice(("", f"+44 20 7946 {self._people:04d}", "extension 12")),
        )

    def _leave(self, customer: int) -> None:
        people = self._contacts(customer)
        if people:
            self._erp.edit_contact(self._rng.choice(people).id, inactive=True)

    def _edit_person(self, customer: int) -> None:
        people = self._contacts(customer)
        if not people:
            return
        person = self._rng.choice(people)
        self._people += 1
        if self._rng.random() < 0.5:
            self._erp.edit_contact(person.id, email=f"new-{self._people}@example.com")
        else:
            self._erp.edit_contact(person.id, lastname=f"Newly {self._people}", title="Head of buying")

    def _open_site(self, customer: int) -> None:
        town, postcode = self._rng.choice(TOWNS)
        number = self._rng.randrange(1, 99)
        first = not self._sites(customer)
        self._erp.add_address(
            customer,
            label=self._rng.choice((None, f"Branch {number}")),
            addressee="Goods in",
            addr1=f"{number} High Street",
            city=town,
            zip=postcode,
            country="GB",
            defaultbilling=first,
            defaultshipping=first,
        )

    def _move(self, customer: int) -> None:
        sites = self._sites(customer)
        if sites:
            self._erp.edit_address(
                self._rng.choice(sites).id, addr1=f"{self._rng.randrange(100, 999)} Low Road"
            )

    def _close_site(self, customer: int) -> None:
        sites = self._sites(customer)
        if sites:
            self._erp.drop_address(self._rng.choice(sites).id)

    def _merge(self, customer: int) -> None:
        others = [one for one in self.customers if one != customer]
        if len(others) < COMPANIES - 1:
            return
        self.customers.remove(customer)
        self.merged.append(customer)
        self._erp.merge_customers(customer, self._rng.choice(others))

    # --- what is right ----------------------------------------------------------------------------

    def _party(self, customer: int) -> Party:
        return self._erp.account.customers[customer]

    def _contacts(self, customer: int) -> list:  # type: ignore[type-arg]
        book = self._erp.account.contacts.values()
        return [one for one in book if one.customer == customer and not one.inactive]

    def _sites(self, customer: int) -> list:  # type: ignore[type-arg]
        return [one for one in self._erp.account.addresses.values() if one.customer == customer]

    def problems(self, parked: Collection[str]) -> list[str]:
        """What does not agree yet; what waits for a person is no problem as long as there is something to decide."""
        found: list[str] = []
        for customer in self.customers:
            party = self._party(customer)
            company = self._shop.company_of(str(customer))
            if company is None:
                if self._contacts(customer) and not party.fields.get("isInactive"):
                    found.append(f"{customer} is not in the shop")
            elif (wrong := self._wrong(party, company)) and str(customer) not in parked:
                found.append(f"{customer}: {wrong}")
            if company is not None and (twins := self._twins(party, company)):
                found.append(f"{customer} is there {twins} times more, under another key")
        for customer in self.merged:
            gone = self._shop.company_of(str(customer))
            if gone is not None and (able := _able(gone, self._shop)):
                found.append(f"{customer} was merged, and {sorted(able)} may still buy for it")
        return [f"{len(found)} customers differ: {found[:3]}"] if found else []

    def _twins(self, party: Party, company: Company) -> int:
        """How many companies stand for a customer besides the one that bears its key."""
        tax_id, number = party.fields["vatRegNumber"], party.fields["entityId"]
        return sum(
            one is not company
            and (one.external_id == number or any(at.tax_registration_id == tax_id for at in one.locations))
            for one in self._shop.state.book.companies.values()
        )

    def _wrong(self, party: Party, company: Company) -> str:
        """How a company differs from its customer; "" if it does not."""
        active = not party.fields.get("isInactive")
        people = self._contacts(party.id) if active else []
        roles = {
            person.fields["email"].lower(): (
                ADMIN if person.role == PRIMARY else BUYER, f"{person.fields['firstname']} {person.fields['lastname']}"
            )
            for person in people
        }  # fmt: skip
        able = _able(company, self._shop)
        sites = {f"{party.id}-{one.id}": one.fields["addr1"] for one in self._sites(party.id)}
        places = {
            one.external_id: (one.shipping.address1 if one.shipping else None)
            for one in company.locations
            if one.external_id and one.external_id.startswith(f"{party.id}-")
        }
        if company.name != party.fields["companyName"]:
            return f"called {company.name!r} instead of {party.fields['companyName']!r}"
        if able != roles:
            return f"{able} may buy instead of {roles}"
        if places != sites:
            return f"at {places} instead of {sites}"
        ours = [one for one in company.locations if one.external_id in (*sites, str(party.id))]
        taxes = {one.tax_registration_id for one in ours}
        if taxes != {party.fields["vatRegNumber"]}:
            return f"taxed as {taxes} instead of {party.fields['vatRegNumber']!r}"
        return ""

    def never(self) -> list[str]:
        """What must not have happened at any time."""
        book = self._shop.state.book
        names = [one.external_id for one in book.companies.values() if one.external_id]
        doubled = len(names) - len(set(names))
        known = {str(one) for one in (*self.customers, *self.merged)}
        strangers = [name for name in names if name not in known and not name.startswith("CUST")]
        emails = [
            self._shop.state.customers[one.customer_id].buyer.email or "" for one in book.contacts.values()
        ]
        twice = len(emails) - len(set(emails))
        return [
            f"{count} {what}"
            for count, what in (
                (doubled, "companies doubled"),
                (twice, "contacts doubled"),
                (len(strangers), f"companies of nobody, such as {strangers[:2]}"),
            )
            if count
        ]


def _able(company: Company, shop: ShopifySimulator) -> dict[str, tuple[str, str]]:
    """Who may buy at every location of a customer's, by e-mail; "" stands for different roles."""
    at = company.external_id or ""
    ours = [
        one for one in company.locations
        if one.external_id and (one.external_id == at or one.external_id.startswith(f"{at}-"))
    ]  # fmt: skip
    found: dict[str, tuple[str, str]] = {}
    for contact in company.contacts:
        held = {one.location.id: one.role.name for one in contact.assignments}
        if not held:
            continue
        buyer = shop.state.customers[contact.customer_id].buyer
        role = set(held.values()) if all(one.id in held for one in ours) else set()
        name = f"{buyer.first_name} {buyer.last_name}".strip()
        found[buyer.email or ""] = (role.pop() if len(role) == 1 else "", name)
    return found


class CustomerPlay(Simulation):
    """A simulation in which customers travel as well."""

    put_back = True

    def __init__(self, seed: int, plan: Plan | None = None) -> None:
        super().__init__(seed, plan)
        world: World = self.world
        self.customering = Customering(
            clock=self.clock, rng=Random(seed ^ SEED), shop=world.shop, erp=world.erp
        )

    def _open_pricing(self) -> asyncio.Task[None]:
        prices = super()._open_pricing()
        rules = self.customering.open()
        self.world.more_routes.append(
            Route(
                Flow.CUSTOMERS,
                ERP,
                SHOP,
                TOLERANCE_MS,
                poll_interval_ms=self.world.pace.poll_ms,
                customers=rules,
                put_back=self.put_back,
            )
        )
        return self.loop.create_task(self._both(prices))

    async def _both(self, prices: asyncio.Task[None]) -> None:
        await self.customering.work(self.plan.minutes)
        await prices

    async def problems(self) -> list[str]:
        """Customers too."""
        parked = await self._store.read("parked_open", after=0, limit=1000)
        waiting = {row[3] for row in parked if row[2] in STATE_OPERATIONS}
        return await super().problems() + self.customering.problems(waiting)

    def _never(self, report: Report) -> list[str]:
        return super()._never(report) + self.customering.never()
