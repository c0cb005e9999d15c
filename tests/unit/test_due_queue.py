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
        st.tuples(st.just("wake"), keys),
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
        self.asleep: set[str] = set()

    def awake(self) -> dict[str, tuple[int, int, bool]]:
        return {key: entry for key, entry in self.entries.items() if key not in self.asleep}

    def ready(self, now: int) -> list[tuple[int, str]]:
        return sorted((by, key) for key, (by, after, _) in self.awake().items() if after <= now)

    def riders(self) -> list[tuple[int, str]]:
        return sorted((by, key) for key, (by, _, ride) in self.awake().items() if ride)

    def pop(self, now: int, limit: int, busy: frozenset[str]) -> list[str]:
        taken: list[str] = []
        for asked in (lambda: self.ready(now), lambda: self.riders() if taken else []):
            for _, key in asked():
                if len(taken) == limit:
                    break
                if key in busy:
                    self.asleep.add(key)
                else:
                    taken.append(key)
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
            model.asleep.discard(arguments[0])
        elif act == "wake":
            queue.wake(*arguments)
            model.asleep.discard(arguments[0])
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
            later = [after for _, after, _ in model.awake().values() if after > now]
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


def test_a_key_whose_record_is_in_flight_stays_and_is_asked_for_once():
    queue, asked = DueQueue(), []
    queue.put("a", 1, 0, may_ride=True)
    queue.put("b", 2, 0, may_ride=True)
    assert queue.pop(10, 9, lambda key: asked.append(key) or key != "a") == ["b"]
    queue.put("a", 1, 5, may_ride=True)
    queue.put("c", 3, 0, may_ride=True)
    assert queue.pop(10, 9, lambda key: asked.append(key) or key != "a") == ["c"]
    assert asked == ["a", "b", "c"]
    assert (queue.due(10), queue.next_at(), len(queue), "a" in queue) == (None, None, 1, True)
    queue.wake("a")
    assert queue.pop(4, 9, free) == []
    assert queue.pop(5, 9, free) == ["a"]


def test_waking_a_key_that_sleeps_no_more_changes_nothing():
    queue = DueQueue()
    queue.put("a", 1, 0, may_ride=True)
    assert queue.pop(10, 9, lambda _key: False) == []
    queue.discard("a")
    queue.wake("a")
    assert (queue.due(10), len(queue)) == (None, 0)
    queue.put("a", 2, 0, may_ride=True)
    assert queue.due(10) == 2


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
