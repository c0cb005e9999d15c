"""Sets and their parts, sold by a shop and by telephone, out of one stock in an ERP that has the set as a kit."""

from __future__ import annotations

from decimal import Decimal
from itertools import chain

import pytest
from tests.simulation.kits_play import KitsPlay
from tests.simulation.money_play import Play

from syncline.connectors.netsuite import kits as netsuite_kits
from syncline.connectors.netsuite import rows as netsuite_rows
from syncline.engine.apply import batch
from syncline.engine.apply.batch import Batch
from syncline.engine.derive import facts, stock
from syncline.inventory import recipes

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize(
    ("number", "pending", "kits_tell", "pushed"),
    [(2, False, True, True), (1, True, True, True), (3, False, False, False)],
)
def test_step_by_step_every_unit_is_missing_once_and_nothing_is_oversold(number, pending, kits_tell, pushed):
    play = KitsPlay(number, pending=pending, kits_tell=kits_tell, pushed=pushed, step_by_step=True)
    assert play.play() == []
    assert min(play.counts[name] for name in ("sets", "by telephone", "parts", "kills")) > 1, (
        "nothing to check"
    )


@pytest.mark.parametrize(("number", "kits_tell"), [(28, True), (27, False)])
def test_where_parts_are_missing_exactly_what_nobody_ordered_is_shown(number, kits_tell):
    play = KitsPlay(number, kits_tell=kits_tell, shrinks=True, step_by_step=True)
    assert play.play() == []
    assert play.counts["shrinks"] > 1 and play.counts["sets"] > 1, "nothing to check"


@pytest.mark.parametrize(("number", "pending", "kits_tell"), [(5, False, False), (9, True, True)])
def test_under_faults_and_kills_shop_and_erp_agree_on_sets_and_parts_in_the_end(number, pending, kits_tell):
    play = KitsPlay(number, kills=2, pending=pending, kits_tell=kits_tell)
    assert play.play() == []
    done = (
        play.counts["sets"],
        play.counts["by telephone"],
        play.counts["parts"],
        play.returned,
        play.called_off,
    )
    assert all(done), "nothing to check"


# --- one mistake each ---------------------------------------------------------------------------------


def takes_members_for_lines_of_their_own(patch):
    patch.setattr(netsuite_kits, "COLUMNS", ("",))


def accounts_for_no_kit(patch):
    patch.setattr(
        netsuite_rows,
        "_accounted",
        lambda line, status, of_kits: (Decimal(0), abs(Decimal(line["quantity"]))),
    )


def forgets_what_the_erp_holds(patch):
    patch.setattr(
        Batch, "_held_of", lambda self, held, sku: ({}, 1) if sku == "SET" else (held.get(sku, {}), 1)
    )


def takes_one_of_each_part(patch):
    once = recipes.demand_on
    patch.setattr(recipes, "demand_on", lambda part, count, line: once(part, 1, line))


def takes_no_part_at_all(patch):
    patch.setattr(stock, "by_base", lambda made, sold, parted=None: sold)


def takes_a_waiting_set_for_not_promised(patch):
    async def nothing(*_):
        return {}

    patch.setattr(facts, "read_parts", nothing)


def forgets_since_when_a_part_is_promised(patch):
    patch.setattr(batch, "since", lambda erp, before: erp)


def knows_no_sets(patch):
    patch.setattr(KitsPlay, "routes", Play.routes)


@pytest.mark.parametrize(
    "mutant",
    [
        takes_members_for_lines_of_their_own,
        accounts_for_no_kit,
        forgets_what_the_erp_holds,
        takes_one_of_each_part,
        takes_no_part_at_all,
        takes_a_waiting_set_for_not_promised,
        forgets_since_when_a_part_is_promised,
        knows_no_sets,
    ],
    ids=lambda one: one.__name__,
)
def test_the_steps_catch(mutant, monkeypatch):
    mutant(monkeypatch)
    # Made one by one: a play that is not played would leave its loop open.
    whole = (KitsPlay(n, pending=n == 2, pushed=n < 3, step_by_step=True) for n in (1, 2, 3))
    short = (KitsPlay(n, shrinks=True, pushed=n % 2 == 0, step_by_step=True) for n in range(20, 24))
    assert any(play.play() for play in chain(whole, short))
