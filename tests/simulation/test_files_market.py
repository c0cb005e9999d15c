"""Orders that come as files and go as files: a marketplace and a warehouse agree in the end, whatever goes wrong between."""

from __future__ import annotations

import pytest
from tests.simulation.files_market_play import MarketPlay

from syncline.connectors.files.judging import Judge

pytestmark = pytest.mark.simulation


def test_marketplace_and_warehouse_agree_in_the_end():
    """Other seeds, with other systems at the other end, are in ``test_pairs``."""
    play = MarketPlay(1)
    assert play.play() == []
    assert len(play.market.orders) > 15 and play.shipped > 5, "nothing to check"
    assert any(order.cancelled for order in play.market.orders.values())
    assert any(order.revision > 2 for order in play.market.orders.values())


# --- a connector with a mistake -----------------------------------------------------------------


def believes_the_last_file(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Judge, "_against", lambda self, known, group, rank, hash_: ("taken", ""))


def test_a_connector_with_a_mistake_is_caught(monkeypatch):
    believes_the_last_file(monkeypatch)
    assert MarketPlay(1).play()
