"""Customers from NetSuite to Shopify beside all other trade, under faults and kills; and engines that must be caught."""

from __future__ import annotations

import pytest
import structlog

from syncline.connectors.shopify.company_writer import CompanyWriter
from syncline.connectors.shopify.simulator import CartLine
from syncline.engine.apply import full_states
from syncline.engine.delivery.lane import Lane
from syncline.engine.derive import customers
from syncline.engine.derive.customers import CustomerFlow
from syncline.engine.routes import Routes
from syncline.mapping import customers as mapping
from syncline.model.copying import replace
from syncline.model.delivery import Outcome, Result
from syncline.runtime.logs import configure
from syncline.simulate import simulation
from syncline.simulate.customering import CustomerPlay
from syncline.simulate.simulation import Plan, Report

STORY = Plan(orders=8, skus=8, minutes=45, kills=3, asides=0)
CALM = replace(STORY, faults=False, kills=0, second_thoughts=False)
SEEDS = range(1, 3)

pytestmark = pytest.mark.simulation


def told(report: Report) -> str:
    return f"CustomerPlay({report.seed}, {STORY}).run()\n{report.text()}"


@pytest.mark.parametrize("number", SEEDS)
def test_customers_agree_after_faults_and_kills(number, record_property):
    played = CustomerPlay(number, STORY)
    report = played.run()
    assert report.violations == [], told(report)
    assert played.customering.changes > 30
    assert played.customering.merged
    assert len(played.world.shop.state.book.companies) >= 6
    record_property("total:simulation:customers changed", played.customering.changes)


def test_what_the_shop_had_before_is_found_by_its_declared_keys_and_a_taken_e_mail_waits_for_a_person():
    played = CustomerPlay(1, replace(CALM, minutes=4))
    parked = []
    problems = played.customering.problems

    def listens(waiting):
        parked.extend(waiting)
        return problems(waiting)

    played.customering.problems = listens
    report = played.run()
    assert report.violations == [], told(report)
    first, second, third, *_ = sorted((*played.customering.customers, *played.customering.merged))
    book = played.world.shop.state.book.companies
    assert book[min(book)].external_id == str(first)
    assert sum(one.external_id == str(second) for one in book.values()) == 1
    assert played.world.shop.company_of(str(second)).id == sorted(book)[1]
    assert str(third) in parked
    assert not report.breaches, told(report)


def test_nobodys_name_or_address_is_in_a_log_or_a_reason(capsys):
    configure()
    try:
        played = CustomerPlay(2, STORY)
        report = played.run()
    finally:
        structlog.reset_defaults()
    said = capsys.readouterr()
    told = f"{said.out} {said.err} {report.text()}"
    assert "read failed" in told
    assert report.parked
    canaries = ("@example.com", "High Street", "Low Road", "Buyer Number", "Newly", "RG1 1AA")
    assert [canary for canary in canaries if canary.lower() in told.lower()] == []


class ChangedByHand(CustomerPlay):
    """In the end somebody changes three companies in the shop; both sides are proved, and one is changed in the ERP too."""

    async def _converge(self):
        problems, after_s = await super()._converge()
        shop, route = self.world.shop, self.world.more_routes[0].name
        there = [one for one in self.customering.customers if shop.company_of(str(one)) is not None]
        self.named = [str(one) for one in there[:3]]
        renamed, extended, both = (shop.company_of(name) for name in self.named)
        shop.rename_company(renamed, "By hand")
        shop.add_contact(extended, "by-hand@example.com", "Ordering only")
        shop.rename_company(both, "By hand too")
        self.world.erp.edit_customer(there[2], companyName="By its owner")
        await self.clock.sleep(self.world.pace.poll_ms / 1000 + 60)
        rows = await self._store.read("differences_open", route=route, state="", cause="", limit=50)
        self.told = [(row[1], row[4]) for row in rows]
        at = {"flow": "customers", "route": route, "dry_run": False, "by": "somebody"}
        (proof,) = await self.engine.reconciler.ask(**at)
        while not proof.over:
            await self.clock.sleep(5)
        await self.clock.sleep(700)  # the whole tolerance: what is repaired goes the ordinary way
        self.shown = renamed.name, sum(bool(one.assignments) for one in extended.contacts), both.name
        self.found = sorted(
            (row[1], row[2])
            for row in await self._store.read("differences_open", route=route, state="", cause="", limit=50)
        )
        self.counts = proof.counts
        return problems, after_s


def test_what_somebody_changed_at_the_channel_is_put_back():
    played = ChangedByHand(3, replace(CALM, minutes=6))
    report = played.run()
    assert report.violations == [], told(report)
    first, second, third = played.named
    assert played.customering.problems([]) == []
    assert played.shown[0] != "By hand"
    assert played.shown[2] == "By its owner"
    changed = "changed at the channel"
    assert played.found == sorted([(first, changed), (second, changed)])
    assert played.counts == {changed: 2}
    assert third not in dict(
        played.found
    )  # both had changed it: the owner won, and the proof found it settled


def test_what_somebody_changed_at_the_channel_is_only_reported_where_the_route_says_so():
    played = ChangedByHand(3, replace(CALM, minutes=6))
    played.put_back = False
    report = played.run()
    assert report.violations == [], told(report)
    first, second, third = played.named
    assert [key for key, _ in played.told] == [third]
    left = "left as changed at the channel"
    assert played.shown[0] == "By hand"
    assert played.shown[2] == "By its owner"
    assert played.found == sorted([(first, left), (second, left)])


class Deleted(CustomerPlay):
    """In the end somebody deletes a company in the shop, and both sides are proved."""

    async def _converge(self):
        problems, after_s = await super()._converge()
        shop, book = self.world.shop, self.world.shop.state.book
        self.named = next(
            str(one) for one in self.customering.customers if shop.company_of(str(one)) is not None
        )
        gone = shop.company_of(self.named)
        del book.companies[gone.id]
        for contact in gone.contacts:  # with its people, whom the shop would keep as customers of nobody's
            del book.contacts[contact.id]
            email = shop.state.customers.pop(contact.customer_id).buyer.email
            shop.state.customer_ids.pop(email.casefold(), None)
        at = {"flow": "customers", "route": "", "dry_run": False, "by": "somebody"}
        (proof,) = await self.engine.reconciler.ask(**at)
        while not proof.over:
            await self.clock.sleep(5)
        await self.clock.sleep(700)
        self.counts, self.again = proof.counts, shop.company_of(self.named)
        return problems, after_s


def test_a_company_that_was_deleted_at_the_channel_is_made_again():
    played = Deleted(3, replace(CALM, minutes=6))
    report = played.run()
    assert report.violations == [], told(report)
    assert played.counts == {"changed at the channel": 1}
    assert played.again is not None
    assert played.customering.problems([]) == []


class Buys(CustomerPlay):
    """In the end somebody of a company buys in the shop; and once more, after the company was merged into another."""

    async def _converge(self):
        problems, after_s = await super()._converge()
        shop, erp = self.world.shop, self.world.erp
        there = [one for one in self.customering.customers if shop.company_of(str(one)) is not None]
        self.company, self.heir, *_ = (one for one in there if shop.company_of(str(one)).contacts)
        buyer = shop.company_of(str(self.company)).contacts[0]
        told = []
        for merged in ({}, {str(self.company): str(self.heir)}):
            route = self.world.more_routes[0]
            self.engine.adoption._routes = Routes(
                [replace(route, customers=replace(route.customers, merged=merged))]
            )
            cart = [CartLine(self.world.trade.skus[0], 1)]
            done = shop.checkout(cart, customer=shop.state.customers[buyer.customer_id].buyer)
            self.world.trade.placed.append(done.order_id)
            await self.clock.sleep(900)
            (order,) = erp.sales_orders_by_external_id()[f"shop-{done.order_id}"]
            told.append(order.customer_id)
        self.told = told
        return problems, after_s


def test_orders_of_a_companys_people_are_booked_on_its_account_and_after_a_merge_on_its_heirs():
    played = Buys(3, replace(CALM, minutes=4))
    played.run()
    assert played.told == [played.company, played.heir]


# --- engines with one mistake each -----------------------------------------------------------------------


def takes_an_unknown_outcome_for_success(patch):
    ask = Lane._ask

    async def believes(self, operation, items, key):
        outcomes = await ask(self, operation, items, key)
        if operation != "put_customer":
            return outcomes
        return [Outcome(Result.DONE) if one.result is Result.UNKNOWN else one for one in outcomes]

    patch.setattr(Lane, "_ask", believes)


def never_sees_that_a_customer_is_gone(patch):
    async def nothing(self, system):
        return None

    patch.setattr(full_states.FullStateReads, "judge", nothing)


def lets_the_inactive_buy(patch):
    carded = customers.carded
    patch.setattr(customers, "carded", lambda company, rules: carded(replace(company, active=True), rules))


def forgets_who_left(patch):
    async def keeps(self, row, where, problems):
        return None

    patch.setattr(CompanyWriter, "_take_roles", keeps)


def looks_for_no_keys(patch):
    patch.setattr(mapping, "_keys", lambda company, rules: ())


def compares_names_only(patch):
    wanted = CustomerFlow.wanted

    def narrow(self, *args):
        found = wanted(self, *args)
        card = found.content
        return found if card is None else replace(found, content=replace(card, contacts=None, sites=None))

    patch.setattr(CustomerFlow, "wanted", narrow)


MUTANTS = {
    takes_an_unknown_outcome_for_success: replace(
        STORY, kills=0, troubles=("login pages", "answers cut", "shop fails before")
    ),
    never_sees_that_a_customer_is_gone: CALM,
    lets_the_inactive_buy: CALM,
    forgets_who_left: CALM,
    looks_for_no_keys: CALM,
    compares_names_only: CALM,
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_checker_catches(mutant, monkeypatch):
    mutant(monkeypatch)
    monkeypatch.setattr(simulation, "CONVERGE_MS_MAX", 40 * 60_000)  # a mutant never agrees; no need to wait
    assert any(CustomerPlay(number, MUTANTS[mutant]).run().violations for number in (4, 5))
