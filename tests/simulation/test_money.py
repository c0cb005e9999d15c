"""Money and goods go both ways between a shop and an ERP, each once, while answers get lost and Syncline is killed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from tests.simulation.money_market import Market, MarketPlay
from tests.simulation.money_play import Adobe, Play, Shopify

from syncline.connectors.adobe_commerce import money as adobe_money
from syncline.connectors.files.answers import Received
from syncline.connectors.netsuite import money as netsuite_money
from syncline.connectors.shopify import mapping as shopify_mapping
from syncline.connectors.shopify import marks
from syncline.engine.routes import Routes
from syncline.model.change import Flow
from syncline.model.payloads import CancelOrder

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize(("number", "kind"), [(12, Shopify), (5, Adobe)])
def test_every_payment_and_every_refund_is_on_both_sides_once(number, kind):
    play = Play(number, kind, restock=number == 12)
    assert play.play() == []
    done = play.counts["transfers"], play.counts["refunds"], play.returned, play.called_off
    assert all(done), "nothing to check"


def test_a_channel_with_nothing_but_files_is_told_of_every_payment_and_every_return_once():
    play = MarketPlay(3, Market, kills=2)
    assert play.play() == []
    done = play.counts["transfers"], play.returned, play.called_off, play.shop.market.returns
    assert all(done), "nothing to check"


def test_a_file_that_tells_what_came_and_not_all_that_was_received_is_caught(monkeypatch):
    rows, before = Received.rows, {}

    def difference(self):
        (row,) = rows(self)
        known = before.setdefault(self.order, [])
        known += [row["received"]] if row["received"] not in known else []
        at = known.index(row["received"])
        return [{**row, "received": row["received"] - (known[at - 1] if at else 0)}]

    monkeypatch.setattr(Received, "rows", difference)
    problems = MarketPlay(3, Market, kills=2).play()
    assert any("the ERP received" in problem for problem in problems)


def test_the_play_fails_without_the_routes(monkeypatch):
    routes = Play.routes

    def without(play: Play) -> Routes:
        return Routes([one for one in routes(play).all if one.flow not in (Flow.PAYMENTS, Flow.RETURNS)])

    monkeypatch.setattr(Play, "routes", without)
    problems = Play(1, kills=0).play()
    assert any("the shop shows 0 of it" in problem for problem in problems)
    assert any("0 refunds" in problem for problem in problems)


# --- connectors with one mistake each -----------------------------------------------------------------


def takes_our_payments_for_the_shops(patch):
    patch.setattr(shopify_mapping, "marks", SimpleNamespace(PAYMENT="another name", ours=marks.ours))


def takes_our_refunds_for_the_shops(patch):
    patch.setattr(marks, "ours", lambda note: False)


def tells_our_own_returns(patch):
    patch.setattr(netsuite_money, "OUR_REFUND", "never")


def cancels_nothing(patch):
    async def done(self, payload: CancelOrder):
        return adobe_money._done(payload.order_key)

    patch.setattr(adobe_money.MoneyWriter, "_cancel", done)


@pytest.mark.parametrize(
    ("mutant", "kind"),
    [
        (takes_our_payments_for_the_shops, Shopify),
        (takes_our_refunds_for_the_shops, Shopify),
        (tells_our_own_returns, Shopify),
        (cancels_nothing, Adobe),
    ],
    ids=lambda one: one.__name__,
)
def test_the_books_catch(mutant, kind, monkeypatch):
    mutant(monkeypatch)
    assert any(Play(number, kind).play() for number in (1, 2, 3))
