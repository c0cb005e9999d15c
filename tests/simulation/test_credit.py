"""Credit between NetSuite and a shop under faults and kills: nobody is approved above a limit, and both sides agree."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

import pytest
from tests.simulation.credit_elsewhere_play import CreditElsewhere
from tests.simulation.credit_play import LIMITS, CreditPlay

from syncline.connectors.netsuite.credit import CreditScan
from syncline.connectors.shopify.credit import KEY, NAMESPACE
from syncline.engine import credit as gate
from syncline.engine.apply import credit as news
from syncline.engine.delivery.payer import Payer, Payers
from syncline.engine.reconcile.differences import Cause
from syncline.model.copying import replace

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("number", [3, 7])
def test_no_approval_is_above_the_limit_and_the_shop_shows_what_the_books_leave(number):
    play = CreditPlay(number, kills=2)
    assert play.play() == []
    acts = ("approve", "deny", "entered", "invoices", "payments", "deposits", "cancelled", "limits", "holds")
    assert [name for name in acts if not play.counts[name]] == [], "nothing to check"


class Strangers(CreditPlay):
    """Nobody knows who the buyers are, so only an approval says for whom an order is to be booked."""

    strangers = len(LIMITS)

    async def problems(self):
        found = await super().problems()
        # An order whose confirmation waited for a dead engine may have been booked before it.
        orders = [one for one in self.debts if one.prompt and self.number(one)]
        self.counts["booked"] = len(orders)
        return found + [
            f"order {one.order} is booked for {payer}, approved for {one.company.account}"
            for one in orders
            if (payer := self.payer(self.number(one))) != one.company.account
        ]


@pytest.mark.parametrize("number", [2, 5])
def test_orders_of_strangers_are_booked_for_the_account_that_was_approved(number):
    play = Strangers(number, kills=1)
    assert play.play() == []
    assert play.counts["booked"], "nothing to check"


@pytest.mark.parametrize(("number", "strangers"), [(1, 0), (3, 1)])
def test_business_central_and_adobe_commerce_agree_on_credit(number, strangers):
    play = CreditElsewhere(number, kills=1)
    play.companies[0].bound = not strangers
    assert play.play() == []
    acts = ("approve", "deny", "entered", "invoices", "payments", "cancelled", "limits", "holds", "stopped")
    assert [name for name in acts if not play.counts[name]] == [], "nothing to check"


def test_the_ledger_catches_orders_that_are_booked_for_others(monkeypatch):
    async def of_its_buyer(self, channel, order, customer, now_ms):
        return Payer(await self._adoption.customer(self._system, customer))

    monkeypatch.setattr(Payers, "of", of_its_buyer)
    found = Strangers(5, kills=1).play()
    assert any("is booked for" in problem for problem in found)
    assert any("owes" in problem for problem in found)


class ChangedByHand(CreditPlay):
    """In the end somebody changes what the shop shows of one company, and deletes it of another; then a third one asks."""

    async def _play(self):
        problems = await super()._play()
        await self.clock.sleep(300)  # what the last questions took is given back
        first, second, third = self.companies
        (held, at) = self.sim.state.metafields, (NAMESPACE, KEY)
        kind, text = held[first.owner, *at]
        held[first.owner, *at] = kind, json.dumps({**json.loads(text), "available": "9999.00"})
        del held[second.owner, *at]
        asked = {"flow": "credit", "route": "", "dry_run": False, "by": "somebody"}
        (proof,) = await self.engine.reconciler.ask(**asked)
        approved = await self.engine.credit.check("third", "shop", Decimal(10), "GBP", account=third.account)
        while not proof.over:
            await self.clock.sleep(5)
        self.named = {
            (row[1], row[2], row[4])
            for row in await self.store.read(
                "differences_open", route=proof.route, state="", cause="", limit=50
            )
        }
        await self.clock.sleep(300)
        assert approved.decision == "approve"
        return problems + await self.problems()


def test_a_proof_names_and_mends_what_somebody_changed_in_the_shop():
    play = ChangedByHand(1, kills=0)
    assert play.play() == []
    first, second, _ = (company.account for company in play.companies)
    by_hand = Cause.CHANGED_AT_CHANNEL.value
    assert {(key, cause) for key, cause, _ in play.named} == {(first, by_hand), (second, by_hand)}
    said = {key: detail for key, _, detail in play.named}
    assert "shows 9999.00 of" in said[first]
    assert "shows nothing that was told" in said[second]


# --- engines and connectors with one mistake each -----------------------------------------------------


def _judges(patch: pytest.MonkeyPatch, counted: Callable[[str], bool]) -> None:
    """Only some claims are looked at, and no room is kept for the others."""
    judge = gate.judge

    def judged(credit, claims, *rest, **more):
        found = judge(credit, [one for one in claims if counted(one.state)], *rest, **more)
        return replace(found, room=None)

    patch.setattr(gate, "judge", judged)


def forgets_approvals(patch):
    _judges(patch, lambda state: state == "ordered")


def forgets_orders_on_their_way(patch):
    _judges(patch, lambda state: state != "ordered")


def takes_what_was_confirmed_for_contained(patch):
    patch.setattr(gate.CreditGate, "_contains_ms", lambda self, route, figures: figures.as_of_ms + 3_600_000)


def counts_an_order_beside_its_approval(patch):
    ordered = news.ordered_writes

    def beside(*given):
        return [one for one in ordered(*given) if one.statement != "credit_replace"]

    patch.setattr(news, "ordered_writes", beside)
    patch.setattr(gate, "ordered_writes", beside)


def overlooks_orders_not_billed(patch):
    row = CreditScan._row
    patch.setattr(CreditScan, "_row", lambda *given: replace(row(*given), unbilled="0"))


def overlooks_holds(patch):
    row = CreditScan._row
    patch.setattr(CreditScan, "_row", lambda *given: replace(row(*given), held="AUTO"))


@pytest.mark.parametrize(
    ("mistake", "number", "said"),
    [
        (forgets_approvals, 1, "owes"),
        (forgets_orders_on_their_way, 2, "owes"),
        (takes_what_was_confirmed_for_contained, 2, "owes"),
        (counts_an_order_beside_its_approval, 1, "by the books"),
        (overlooks_orders_not_billed, 3, "owes"),
        (overlooks_holds, 3, "is on hold"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_the_ledger_catches(mistake, number, said, monkeypatch):
    mistake(monkeypatch)
    assert any(said in problem for problem in CreditPlay(number, kills=2).play())
