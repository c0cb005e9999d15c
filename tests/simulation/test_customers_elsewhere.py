"""Customers from Business Central to Adobe Commerce, under faults and kills, judged by the simulators' books."""

from __future__ import annotations

import pytest
from tests.simulation.elsewhere_play import Play

from syncline.connectors.adobe_commerce.companies import CompanyWriter
from syncline.engine.routes import Route
from syncline.mapping.customers import ANY, CustomerRules
from syncline.model.change import Flow
from syncline.model.customers import CustomerField, MatchKey

pytestmark = pytest.mark.simulation

RULES = CustomerRules(
    ours=(CustomerField.NAME, CustomerField.ACTIVE, CustomerField.TAX_ID, CustomerField.CONTACTS),
    roles={ANY: "Default User"},
    match=(MatchKey.EXTERNAL_ID, MatchKey.NUMBER),
)


class CustomerPlay(Play):
    """One seed, in which people change customer cards."""

    hours = 4
    agree_s_max = 3 * 3_600.0
    act_every_s = 400.0

    def __init__(self, seed: int, **more) -> None:
        super().__init__(seed, **more)
        self.numbers: list[str] = []
        self.changes = 0

    def routes(self) -> list[Route]:
        return [Route(Flow.CUSTOMERS, "erp", "shop", 1_800_000, poll_interval_ms=600_000, customers=RULES)]

    def stuck(self) -> list[str]:
        """Nothing: what waits is judged beside the problems."""
        return []

    def act(self) -> None:
        """A new card, another name, another e-mail, another registration; blocked and taken back."""
        rng, self.changes = self.rng, self.changes + 1
        n = self.changes
        if len(self.numbers) < 4 or rng.random() < 0.1:
            number = f"C{n:04d}"
            self.erp.add_customer(
                number, f"Company {n}", addressLine1=f"{n} High Street", city="Reading", postalCode="RG1", country="GB",
                email=f"Buying-{n}@Example.com", phoneNumber="+44 118 000 0000", taxRegistrationNumber=f"GB{n}",
            )  # fmt: skip
            self.numbers.append(number)
            return
        fields = rng.choice(
            (
                {"displayName": f"Other {n}"},
                {"email": f"other-{n}@example.com"},
                {"taxRegistrationNumber": f"GB{n}"},
                {"blocked": rng.choice(("All", "_x0020_", "Ship"))},
            )
        )
        self.erp.edit_customer(rng.choice(self.numbers), **fields)

    def problems(self) -> list[str]:
        found = []
        books = self.shop.state
        for number in self.numbers:
            card = self.erp.company.find("customers", "number", number)
            there = [one for one in books.companies.values() if one.properties["reseller_id"] == card.id]
            right = (
                card.values["displayName"],
                card.values["taxRegistrationNumber"],
                1 if card.values["blocked"] != "All" else 3,
            )
            if len(there) != 1:
                found.append(f"{number} is there {len(there)} times")
                continue
            told = there[0].properties
            shown = (told["company_name"], told["vat_tax_id"], told["status"])
            if shown != right:
                found.append(f"{number}: {shown} instead of {right}")
            people = [one for one in books.customers.values() if one.company_id == there[0].id]
            able = {one.buyer.email for one in people if one.company_status == 1}
            if told["status"] == 1 and able != {card.values["email"].lower()}:
                found.append(f"{number}: {able} may buy instead of {card.values['email']}")
        return found


@pytest.mark.parametrize("number", [1])
def test_customers_agree_after_faults_and_kills(number):
    played = CustomerPlay(number)
    problems = played.run()
    # A user whose making got no answer before a restart waits for a person, and says so.
    waiting = {row[3] for row in played.parked}
    assert all("its e-mail belongs to somebody" in row[5] for row in played.parked)
    cards = {n: played.erp.company.find("customers", "number", n).id for n in played.numbers}
    assert [one for one in problems if cards.get(one.split(":")[0].split(" ")[0]) not in waiting] == []
    assert len(waiting) <= 2
    assert played.changes > 25
    assert len(played.shop.state.companies) > 3


def test_without_faults_nobody_waits_for_anything():
    played = CustomerPlay(7, faults=False, kills=0)
    assert played.run() == []
    assert not played.parked


def leaves_people(patch):
    async def nobody(self, company, people, card, problems):
        return []

    patch.setattr(CompanyWriter, "_people", nobody)


def leaves_the_company(patch):
    async def nothing(self, payload, company, card):
        return None

    patch.setattr(CompanyWriter, "_head", nothing)


@pytest.mark.parametrize("mutant", [leaves_people, leaves_the_company])
def test_a_checker_catches(mutant, monkeypatch):
    mutant(monkeypatch)
    monkeypatch.setattr(CustomerPlay, "agree_s_max", 3_600.0)
    assert CustomerPlay(7, faults=False, kills=0).run()
