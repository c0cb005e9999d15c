"""The delivery queue against a sorted list."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.engine.delivery.queue import DueQueue

keys = st.sampled_from("abcd")
moments = st.integers(0, 6)  # few, so that keys and times meet often
acts = st.lists(
    st.one_of(
        st.tuples(st.just("put"), keys, moments, moments, st.booleans()),
        st.tuples(st.just("discard"), keys),
        st.tuples(st.just("pop"), st.integers(0, 5), st.frozensets(keys, max_size=2)),
        st.tuples(st.just("due")),
        st.tuples(st.just("next")),
        st.tuples(st.just("tick"), st.integers(0, 3)),
    ),
    max_size=60,
)


def free(_key: str) -> bool:
    return True


class Sorted:
    """What the queue promises, done slowly."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[int, int, bool]] = {}

    def ready(self, now: int) -> list[tuple[int, str]]:
        return sorted((by, key) for key, (by, after, _) in self.entries.items() if after <= now)

    def riders(self) -> list[tuple[int, str]]:
        return sorted((by, key) for key, (by, _, ride) in self.entries.items() if ride)

    def pop(self, now: int, limit: int, busy: frozenset[str]) -> list[str]:
        taken = [key for _, key in self.ready(now) if key not in busy][:limit]
        if taken:
            taken += [key for _, key in self.riders() if key not in busy and key not in taken][
                : limit - len(taken)
            ]
        for key in taken:
            del self.entries[key]
        return taken


@settings(max_examples=300)
@given(acts)
def test_the_queue_does_what_a_sorted_list_does(story):
    queue, model, now = DueQueue(), Sorted(), 0
    for act, *arguments in story:
        if act == "tick":
            now += arguments[0]
        elif act == "put":
            key, by, after, ride = arguments
            queue.put(key, by, after, may_ride=ride)
            model.entries[key] = (by, after, ride)
        elif act == "discard":
            queue.discard(*arguments)
            model.entries.pop(arguments[0], None)
        elif act == "pop":
            limit, busy = arguments
            assert queue.pop(now, limit, lambda key, busy=busy: key not in busy) == model.pop(
                now, limit, busy
            )
        elif act == "due":
            ready = model.ready(now)
            assert queue.due(now) == (ready[0][0] if ready else None)
        else:
            queue.due(now)  # a lane asks this first: what is due by now, it knows
            later = [after for _, after, _ in model.entries.values() if after > now]
            assert queue.next_at() == min(later, default=None)
        assert len(queue) == len(model.entries)
        assert all((key in queue) == (key in model.entries) for key in "abcd")


def test_due_keys_come_by_deadline_and_others_ride_along():
    queue = DueQueue()
    queue.put("daily", 5, 1000, may_ride=True)
    queue.put("urgent", 90, 0, may_ride=True)
    queue.put("weekly", 7, 1000, may_ride=True)
    assert queue.pop(10, 2, free) == ["urgent", "daily"]
    assert queue.pop(10, 9, free) == []  # nobody rides where no call is made
    assert queue.pop(1000, 9, free) == ["weekly"]


def test_a_retry_that_backs_off_does_not_ride():
    queue = DueQueue()
    queue.put("failed", 1, 500, may_ride=False)
    queue.put("due", 9, 0, may_ride=True)
    assert queue.pop(10, 9, free) == ["due"]
    assert queue.pop(499, 9, free) == []
    assert queue.pop(500, 9, free) == ["failed"]


def test_a_key_that_rode_before_it_failed_rides_no_more():
    queue = DueQueue()
    queue.put("failed", 1, 500, may_ride=True)
    queue.put("failed", 1, 600, may_ride=False)
    queue.put("due", 9, 0, may_ride=True)
    assert queue.pop(10, 9, free) == ["due"]


def test_a_key_whose_record_is_in_flight_stays():
    queue = DueQueue()
    queue.put("a", 1, 0, may_ride=True)
    queue.put("b", 2, 0, may_ride=True)
    assert queue.pop(10, 9, lambda key: key != "a") == ["b"]
    assert queue.pop(10, 9, lambda key: key != "a") == []
    assert queue.pop(10, 9, free) == ["a"]


def test_a_key_that_is_put_again_and_again_leaves_little_behind():
    queue = DueQueue()
    for turn in range(5_000):
        queue.put("a", turn, turn + 10_000, may_ride=True)
    assert sum(map(len, (queue._ready, queue._later, queue._riding))) < 400
    assert queue.pop(20_000, 9, free) == ["a"]


def test_calls_of_one_item_leave_nothing_behind():
    queue = DueQueue()
    for turn in range(5_000):
        queue.put(f"order {turn}", turn, turn, may_ride=True)
        assert queue.pop(turn, 1, free) == [f"order {turn}"]
    assert sum(map(len, (queue._ready, queue._later, queue._riding))) < 400


@pytest.mark.parametrize("ask", [lambda queue: queue.due(99), lambda queue: queue.pop(99, 5, free)])
def test_a_clock_stepped_back_strands_nothing(ask):
    queue = DueQueue()
    queue.put("a", 500, 100, may_ride=False)
    assert queue.due(100) == 500
    ask(queue)
    assert queue.pop(10_000, 5, free) == ["a"]
