"""What may be written over a number that was only read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.engine.delivery.blind import NEVER_APPLIED_MAX, BlindWrites, judged
from syncline.model.capabilities import AVAILABLE_OWN_ORDERS_SUBTRACTED, Capabilities
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.payloads import SetStock

numbers = st.integers(min_value=-20, max_value=200)
wishes = st.integers(min_value=0, max_value=200)


def wish(quantity: int, expected: int) -> SetStock:
    return SetStock("A", "s", "L", quantity, expected)


@given(wishes, numbers, numbers)
def test_a_number_is_raised_only_on_what_was_expected_and_lowered_by_what_fell(quantity, expected, found):
    may = judged(wish(quantity, expected), found)
    if found == expected:
        assert may == wish(quantity, expected)
    elif quantity > expected:
        assert may is None
    elif may is not None:
        assert may.expected == found
        assert may.quantity < found
        assert may.quantity == max(0, quantity - max(0, expected - found))


@pytest.mark.parametrize(
    ("quantity", "expected", "found", "written"),
    [
        (4, 10, 10, 4),
        (12, 10, 10, 12),
        (12, 10, 9, None),  # somebody bought: nothing is raised
        (12, 10, 11, None),
        (4, 10, 7, 1),  # three fell without an order: lowered at once, by them too
        (1, 10, 3, 0),
        (4, 10, 15, 4),  # raised by hand: lowered at once
        (0, 10, -2, None),  # oversold there: 0 would offer nothing more, and be a raise
    ],
)
def test_what_is_written_on_what_was_found(quantity, expected, found, written):
    may = judged(wish(quantity, expected), found)
    assert (may.quantity if may is not None else None) == written


class Clock:
    def __init__(self) -> None:
        self.at_s = 0.0

    def monotonic(self) -> float:
        return self.at_s


class Channel:
    """Answers what it was told to, each call taking a quarter of a second."""

    def __init__(self, clock: Clock, found: Outcome, wrote: Outcome) -> None:
        self.clock, self.found, self.wrote = clock, found, wrote
        self.calls: list[tuple[str, list[Item]]] = []

    async def ask(self, operation, items, key):
        self.calls.append((operation, list(items)))
        self.clock.at_s += 0.25
        return [self.found if operation == "read_stock" else self.wrote] * len(items)


async def written(payload: SetStock, found: Outcome):
    clock = Clock()
    channel = Channel(clock, found, Outcome(Result.DONE))
    capabilities = Capabilities(stock_contract=AVAILABLE_OWN_ORDERS_SUBTRACTED)
    blind = BlindWrites(capabilities, clock, channel.ask)
    ((item, outcome),) = await blind.write([Item("A", payload)], "key")
    return blind, channel, item, outcome


def showing(held: int) -> Outcome:
    return Outcome(Result.DONE, facts={"held": held})


async def test_the_window_and_the_units_in_it_are_counted_and_told():
    blind, channel, item, outcome = await written(wish(4, 10), showing(10))
    assert [operation for operation, _ in channel.calls] == ["read_stock", "set_stock"]
    assert (item.payload, outcome.result) == (wish(4, 10), Result.DONE)
    assert outcome.message == "written 500 ms after 10 was read there"
    exposure = blind.exposure
    assert (exposure.writes, exposure.seconds, exposure.longest_s, exposure.unit_seconds) == (
        1,
        0.5,
        0.5,
        5.0,
    )


async def test_what_was_lowered_on_another_number_is_read_again():
    _, _, item, outcome = await written(wish(4, 10), showing(7))
    assert item.payload == wish(1, 7)
    assert outcome.facts == {"doubtful": True}


async def test_a_raise_on_another_number_is_not_written():
    blind, channel, _, outcome = await written(wish(12, 10), showing(9))
    assert [operation for operation, _ in channel.calls] == ["read_stock"]
    assert outcome.result is Result.STALE
    assert blind.exposure.writes == 0


@pytest.mark.parametrize(
    ("reading", "becomes"),
    [
        (Result.REJECTED, Result.REJECTED),
        (Result.THROTTLED, Result.THROTTLED),
        (Result.UNKNOWN, Result.NOT_SENT),
        (Result.RETRY, Result.NOT_SENT),
    ],
)
async def test_what_cannot_be_read_is_not_written(reading, becomes):
    _, channel, _, outcome = await written(wish(4, 10), Outcome(reading, "words"))
    assert len(channel.calls) == 1
    assert outcome.result is becomes
    assert "words" in outcome.message


@pytest.mark.parametrize(
    ("shown", "in_vain", "becomes", "facts"),
    [
        (showing(4), 0, Result.DONE, {}),
        (showing(10), 0, Result.RETRY, {}),
        (showing(10), NEVER_APPLIED_MAX - 1, Result.REJECTED, {}),
        (showing(8), 0, Result.STALE, {"refuted": False, "by": -6}),
        (Outcome(Result.RETRY), 0, Result.UNKNOWN, {}),
        (Outcome(Result.REJECTED), 0, Result.REJECTED, {}),
    ],
)
def test_what_became_of_a_write_is_told_by_what_the_channel_shows(shown, in_vain, becomes, facts):
    blind = BlindWrites(Capabilities(), Clock(), lambda *_: None)
    outcome = blind.resolve(wish(4, 10), shown, 10, 20_000, in_vain)
    assert (outcome.result, outcome.facts) == (becomes, facts)


def test_a_write_is_left_alone_until_it_took_effect_or_never_will():
    quick = BlindWrites(Capabilities(), Clock(), lambda *_: None)
    slow = BlindWrites(Capabilities(applies_after_ms=900_000), Clock(), lambda *_: None)
    assert (quick.pause_s(0, told=False), quick.pause_s(4_000, told=False)) == (10.0, 6.0)
    assert (slow.pause_s(0, told=False), slow.pause_s(900_000, told=False)) == (900.0, 0.0)
    assert (slow.pause_s(0, told=True), slow.pause_s(800_000, told=True)) == (225.0, 100.0)


def test_only_numbers_that_are_not_compared_are_read_first():
    assert BlindWrites(Capabilities(), Clock(), lambda *_: None).concerns("set_stock")
    assert not BlindWrites(Capabilities(), Clock(), lambda *_: None).concerns("read_stock")
    assert not BlindWrites(Capabilities(compare_and_set=True), Clock(), lambda *_: None).concerns("set_stock")
