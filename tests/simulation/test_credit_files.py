"""Credit that an ERP tells in files, under faults and kills: nobody is approved above a limit, and both sides agree in the end."""

from __future__ import annotations

import pytest
from tests.simulation.credit_files_play import CreditFiles
from tests.simulation.money_play import ZERO

from syncline.connectors.files import source
from syncline.connectors.files.accounts import CreditRows
from syncline.connectors.files.stated import Stated
from syncline.model.copying import replace

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("number", [1, 2])
def test_no_approval_is_above_the_limit_and_the_shop_shows_what_the_books_leave(number):
    play = CreditFiles(number, kills=1)
    assert play.play() == []
    acts = ("approve", "deny", "entered", "invoices", "payments", "cancelled", "limits", "holds")
    assert [name for name in acts if not play.counts[name]] == [], "nothing to check"


# --- connectors with one mistake each -------------------------------------------------------------------


def takes_the_stamp_for_the_beginning_of_the_export(patch):
    """What was booked while the export ran counts as contained in it."""
    record = CreditRows.record

    def newer(self, lines):
        found = record(self, lines)
        now_ms = found.version_ms + self._read.lead_s * 1000
        return Stated(
            found.key, replace(found.value, read_began_ms=now_ms), now_ms, found.seq, found.changed_ms
        )

    patch.setattr(CreditRows, "record", newer)
    patch.setattr(source, "_as_of", lambda read, entry: min(entry.listed_ms, entry.stamp_ms))


def _altered(patch, **fields):
    record = CreditRows._credit
    patch.setattr(CreditRows, "_credit", lambda *given: replace(record(*given), **fields))


def overlooks_orders_not_billed(patch):
    _altered(patch, unbilled=ZERO)


def overlooks_holds(patch):
    _altered(patch, on_hold=False)


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (takes_the_stamp_for_the_beginning_of_the_export, "D"),  # whatever is wrong with an account
        (overlooks_orders_not_billed, "owes"),
        (overlooks_holds, "is on hold"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_the_ledger_catches(mistake, said, monkeypatch):
    mistake(monkeypatch)
    assert any(said in problem for number in (4, 1, 2, 6) for problem in CreditFiles(number, kills=1).play())
