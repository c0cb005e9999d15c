"""Customers of an ERP that exchanges files, at Adobe Commerce, under faults and kills, judged by the books of both."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.simulation.files_erp_play import FilesPlay

from syncline.connectors.files import records
from syncline.connectors.files.companies import CompanyRows
from syncline.connectors.files.simulator.office import Firm
from syncline.engine.routes import Route
from syncline.mapping.customers import CustomerRules
from syncline.model.change import Flow
from syncline.model.customers import CustomerField, MatchKey

pytestmark = pytest.mark.simulation

BUYER, NONE = "buyer", "none"
RULES = CustomerRules(
    ours=(CustomerField.NAME, CustomerField.ACTIVE, CustomerField.TAX_ID, CustomerField.CONTACTS),
    roles={BUYER: "Default User"},
    match=(MatchKey.EXTERNAL_ID, MatchKey.NUMBER),
)


class CustomerPlay(FilesPlay):
    """One seed, in which people change customers and who acts for them."""

    kind = "customers"
    hours = 4
    agree_s_max = 3 * 3_600.0
    act_every_s = 300.0

    def __init__(self, seed: int, **more) -> None:
        super().__init__(seed, **more)
        self.changes = self.deleted = 0
        self.gone: dict[str, Firm] = {}

    def routes(self) -> list[Route]:
        often = {"poll_interval_ms": 300_000, "guard_cut_share": Decimal("0.3")}
        return [Route(Flow.CUSTOMERS, "erp", "shop", 1_800_000, customers=RULES, **often)]

    def stuck(self) -> list[str]:
        """Nothing: what waits is judged beside the problems."""
        return []

    def act(self) -> None:
        """A new firm or person, another name, e-mail, role or address; closed and opened again; one person less."""
        rng, firms = self.rng, self.office.firms
        known = [key for key in firms if key.startswith("C")]
        self.changes += 1
        n = self.changes
        if len(known) < 4 or rng.random() < 0.1:
            firms[f"C{n:04d}"] = Firm(
                f"Company {n}",
                f"GB{n}",
                people={"1": ("Ada", f"Number {n}", f"ada-{n}@example.com", "+44 1", BUYER)},
                places={"1": (f"{n} High Street", "Reading", "RG1", "GB", "+44 118 000 0000", True)},
            )
            return
        firm = firms[rng.choice(known)]
        who = rng.choice(list(firm.people)[-2:])
        draw = rng.random()
        if draw < 0.2:
            firm.name, firm.vat = f"Other {n}", f"GB{n}"
        elif draw < 0.4:
            firm.people[str(n)] = (
                "Bob",
                f"Number {n}",
                f"bob-{n}@example.com",
                "",
                rng.choice((BUYER, NONE)),
            )
        elif draw < 0.55 and len(firm.people) > 1:  # somebody has to be there
            del firm.people[list(firm.people)[-1]]
            self.deleted += 1
        elif draw < 0.75:
            first, last, _, phone, role = firm.people[who]
            firm.people[who] = (first, last, f"other-{n}@example.com", phone, role)
        elif draw < 0.85:
            firm.places[str(n)] = (f"{n} Low Road", "Bath", "BA1", "GB", "", False)
        else:
            firm.closed = not firm.closed

    def problems(self) -> list[str]:
        found = []
        books = self.shop.state
        for key, firm in self.office.firms.items():
            if key.startswith("F"):
                continue  # nobody there may do anything
            there = [one for one in books.companies.values() if one.properties["reseller_id"] == key]
            if firm.closed and not there:
                continue  # it was closed before it was ever told
            if len(there) != 1:
                found.append(f"{key} is there {len(there)} times")
                continue
            told = there[0].properties
            shown = (told["company_name"], told["vat_tax_id"], told["status"])
            right = (firm.name, firm.vat, 3 if firm.closed else 1)
            if shown != right:
                found.append(f"{key}: {shown} instead of {right}")
            people = [one for one in books.customers.values() if one.company_id == there[0].id]
            able = {one.buyer.email for one in people if one.company_status == 1}
            allowed = {person[2] for person in firm.people.values() if person[4] == BUYER}
            if not firm.closed and able != allowed:
                found.append(f"{key}: {sorted(able)} may buy instead of {sorted(allowed)}")
        return found


@pytest.mark.parametrize("number", [1, 2])
def test_customers_agree_after_faults_and_kills(number):
    played = CustomerPlay(number)
    problems = played.run()
    # A user whose making got no answer before a restart waits for a person, and says so.
    waiting = {row[3] for row in played.parked}
    assert all("its e-mail belongs to somebody" in row[5] for row in played.parked)
    assert [one for one in problems if one.split(":")[0].split(" ")[0] not in waiting] == []
    assert len(waiting) <= 2
    assert played.changes > 30 and played.deleted > 1
    assert len(played.shop.state.companies) > 3


def test_without_faults_nobody_waits_for_anything():
    played = CustomerPlay(7, faults=False, kills=0)
    assert played.run() == []
    assert not played.parked


def test_a_truncated_file_locks_nobody_out_before_a_person_has_looked():
    """A full file without most of the customers says more of the export than of them."""
    played = CustomerPlay(3, faults=False, kills=0)
    for n in range(30):
        played.office.firms[f"F{n}"] = Firm(
            f"Firm {n}", people={"1": ("Eve", "X", f"eve-{n}@example.com", "", NONE)}
        )
    told: list[object] = []

    async def at_last() -> list[str]:
        firms = played.office.firms
        kept = dict(firms)
        for key in list(firms)[1:]:
            del firms[key]
        assert len(kept) > 30
        await played.office.export("customers")
        await played.clock.sleep(900.0)
        told.append([row[4] for row in await played.store.read("parked_open", after=0, limit=9)])
        firms |= kept
        told.append(played.problems())
        await played.office.export("customers")
        await played.clock.sleep(900.0)
        told.append(await played.store.read("parked_open", after=0, limit=9))
        return played.problems()

    played.at_last = at_last  # type: ignore[method-assign]
    assert played.run() == []
    assert told == [["states_vanished"], [], []]


# --- connectors with one mistake each -------------------------------------------------------------------


def takes_each_row_for_a_company(patch):
    record = CompanyRows.record
    patch.setattr(CompanyRows, "record", lambda self, lines: record(self, lines[:1]))


def overlooks_who_is_closed(patch):
    alike = CompanyRows.alike
    patch.setattr(
        CompanyRows,
        "alike",
        lambda self, field, lines: "" if field == "status" else alike(self, field, lines),
    )


def adds_and_never_takes_away(patch):
    """What was said of a person once is said again."""
    kept: dict[str, dict] = {}
    add = records.Grouped.add

    def added(self, row):
        add(self, row)
        group = self._open
        if group is not None:
            known = kept.setdefault(group.key, {})
            place = bytes(b";".join(row[1].split(b";")[5:6]))
            known[place] = row
            group.rows = list(known.values())

    patch.setattr(records.Grouped, "add", added)


@pytest.mark.parametrize(
    "mutant", [takes_each_row_for_a_company, overlooks_who_is_closed, adds_and_never_takes_away]
)
def test_a_checker_catches(mutant, monkeypatch):
    mutant(monkeypatch)
    monkeypatch.setattr(CustomerPlay, "agree_s_max", 3_600.0)
    assert CustomerPlay(7, faults=False, kills=0).run()
