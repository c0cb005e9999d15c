"""Company credit at Adobe Commerce: a limit such that what is left there is what we say."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.connectors.test_adobe_commerce_prices import run

from syncline.connectors.adobe_commerce.simulator.companycredits import buy
from syncline.model.credit import CreditTag
from syncline.model.delivery import Item, Result
from syncline.model.payloads import SetCredit

D = Decimal


def told(available: str | None, *, company: str = "7", currency: str = "GBP", **more) -> Item:
    left = None if available is None else D(available)
    return Item("107", SetCredit("107", company, CreditTag(currency, D(1000), left, **more)))


async def send(w, item: Item):
    (outcome,) = await w.system.sink.deliver("set_credit", [item], "key")
    return outcome


def test_what_is_left_is_what_we_say_whatever_was_bought_there():
    async def story(w) -> None:
        credit = w.shop.add_company_credit(7)
        for available, bought in (("700", "100.5"), ("599.5", "0"), ("650", "640"), ("0", "0")):
            assert (await send(w, told(available))).result is Result.DONE
            assert credit.available == D(available)
            assert buy(w.shop.state, 7, D(bought))
        assert not buy(w.shop.state, 7, D("0.01"))
        assert credit.balance == D("-740.5")

    run(story)


def test_setting_again_changes_nothing():
    async def story(w) -> None:
        credit = w.shop.add_company_credit(7)
        buy_first = w.shop.state.company_credits[credit.id]
        buy_first.balance = D(-20)
        for _ in range(2):
            await send(w, told("80"))
            assert (credit.limit, credit.available) == (D(100), D(80))
        assert sum(w.calls().values()) == 4

    run(story)


def test_who_is_blocked_buys_nothing_and_who_has_no_limit_anything():
    async def story(w) -> None:
        credit = w.shop.add_company_credit(7)
        credit.balance = D(-50)
        await send(w, told("700", blocked=True, reason="On hold."))
        assert (credit.available, credit.exceed) == (D(0), False)
        await send(w, told(None))
        assert credit.exceed
        assert buy(w.shop.state, 7, D(10_000))
        await send(w, told("5"))
        assert not credit.exceed
        await send(w, told(None, blocked=True))
        assert (credit.available, credit.exceed) == (D(0), False)

    run(story)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (told("1", company="8"), "has no credit in the shop"),
        (told("1", company="gid://x/8"), "is no company"),
        (told("1", currency="EUR"), "the shop keeps it in GBP"),
    ],
)
def test_what_the_shop_cannot_hold_waits_for_a_person(item, words):
    async def story(w) -> None:
        credit = w.shop.add_company_credit(7)
        outcome = await send(w, item)
        assert outcome.result is Result.REJECTED
        assert words in outcome.message
        assert credit.limit == 0

    run(story)
