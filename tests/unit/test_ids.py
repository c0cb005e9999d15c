from __future__ import annotations

import uuid
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from syncline.engine.ids import Ids


class Stepped:
    """A clock that is set, also back."""

    now = 0

    def now_ms(self) -> int:
        return self.now


@given(st.lists(st.integers(0, 2**47), min_size=1, max_size=50), st.integers(1, 60))
def test_ids_grow_and_never_repeat_whatever_the_clock_does(moments, each):
    clock = Stepped()
    ids = Ids(clock, Random(1))
    made = []
    for moment in moments:
        clock.now = moment
        made += [ids.new() for _ in range(each)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_more_ids_in_one_millisecond_than_its_sequence_holds():
    clock = Stepped()
    clock.now = 1_790_000_000_000
    ids = Ids(clock, Random(1))
    made = [ids.new() for _ in range(10_000)]
    assert made == sorted(set(made))


def test_an_id_is_a_uuid_of_version_7_that_begins_with_the_time():
    clock = Stepped()
    clock.now = 1_790_000_000_123
    found = uuid.UUID(Ids(clock, Random(1)).new())
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert found.int >> 80 == clock.now


def test_one_seed_gives_one_series():
    def series(seed: int) -> list[str]:
        clock = Stepped()
        clock.now = 5
        ids = Ids(clock, Random(seed))
        return [ids.new() for _ in range(5)]

    assert series(3) == series(3) != series(4)
