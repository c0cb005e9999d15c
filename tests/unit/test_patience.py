"""How long something is left alone that is not ready yet."""

from __future__ import annotations

from syncline.freshness import patience
from syncline.freshness.patience import Patience


def test_each_look_in_vain_doubles_the_pause_of_its_key_up_to_the_longest():
    some = Patience(4.0, 30.0)
    assert [some.pause_s("a") for _ in range(5)] == [4.0, 8.0, 16.0, 30.0, 30.0]
    assert some.pause_s("b") == 4.0
    some.over("a")
    assert some.pause_s("a") == 4.0


def test_no_more_keys_are_kept_than_the_limit(monkeypatch):
    monkeypatch.setattr(patience, "KEPT_MAX", 2)
    some = Patience(4.0, 30.0)
    assert [some.pause_s(key) for key in ("a", "b", "c", "c", "a")] == [4.0, 4.0, 30.0, 30.0, 8.0]
