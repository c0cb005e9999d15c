"""Prices, customers, credit and products reach a marketplace that has nothing but files, whatever goes wrong between."""

from __future__ import annotations

import pytest
from tests.simulation.files_told_play import ToldPlay

from syncline.connectors.files.batches import Batches
from syncline.connectors.files.contents import Contents, Told

pytestmark = pytest.mark.simulation

EVERYTHING = ("prices/", "accounts/", "credit/", "goods/", "texts/", "shelves/")


@pytest.mark.parametrize(("number", "whole"), [(1, ("credit/",)), (2, EVERYTHING)])
def test_a_marketplace_of_files_and_the_erp_agree_after_faults_and_kills(number, whole):
    played = ToldPlay(number, whole=whole)
    assert played.run() == []
    assert played.acts > 80 and played.late.late > 10
    assert len(played.books.accounts) > 3 and any(key.startswith("NEW") for key in played.books.goods)


def test_without_faults_nothing_is_written_twice():
    played = ToldPlay(3, faults=False, kills=0, whole=())
    assert played.run() == []
    assert played.books.loaded < 5 * played.acts, "what changes together travels together"


# --- connectors with a mistake --------------------------------------------------------------------


def forgets_that_a_file_may_still_appear(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self):
        for name, *_ in self._book.pending():
            self._book.unpend(name)
        return {}

    patch.setattr(Batches, "_waiting", nothing)


def writes_whole_files_with_what_changed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Told, "told", lambda self: ())


def never_says_that_somebody_left(patch: pytest.MonkeyPatch) -> None:
    made = Contents._customer

    def with_those_before(self, payload):
        rows = list(made(self, payload))
        before = {one.email: one for one in (payload.before.contacts if payload.before else None) or ()}
        there = {row.get("contact_email") for row in rows}
        yield from rows
        for email in sorted(before.keys() - there):
            yield {"company": rows[0]["company"], "record": "contact", "name": rows[0]["name"]} | {
                "contact": email,
                "contact_email": email,
                "contact_role": before[email].role,
            }

    patch.setattr(Contents, "_customer", with_those_before)


def knows_one_price_of_each_list(patch: pytest.MonkeyPatch) -> None:
    made = Contents._prices
    patch.setattr(Contents, "_prices", lambda self, payload: list(made(self, payload))[:1])


@pytest.mark.parametrize(
    "mutant",
    [
        forgets_that_a_file_may_still_appear,
        writes_whole_files_with_what_changed,
        never_says_that_somebody_left,
        knows_one_price_of_each_list,
    ],
)
def test_a_connector_with_a_mistake_is_caught(mutant, monkeypatch):
    mutant(monkeypatch)
    monkeypatch.setattr(ToldPlay, "agree_s_max", 1_800.0)
    assert ToldPlay(1).run()
