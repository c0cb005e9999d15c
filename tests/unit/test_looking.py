"""What is done with a fact that a restored store may have sent already: looked up, adopted, revised, sent or parked."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from tests.unit.support import START_MS, line, order, play

from syncline.engine.delivery.build import Found, Refuse, Send, Skip, Wait
from syncline.engine.delivery.looking import Looking
from syncline.engine.rewind import MARGIN_MS, Mark, Rewind
from syncline.model.copying import replace
from syncline.model.delivery import Item, Operation, Outcome, Result
from syncline.model.errors import Throttled
from syncline.model.payloads import MoveOrder, PutOrder, SetStock

WINDOW_MS = 60_000
DONE = Outcome(Result.DONE, facts={"external_id": "5001"})
NEW = PutOrder("shop-7001", order(line("l1", "A", 2)), ())
KNOWN = replace(NEW, external_id="5001")
GONE = replace(NEW, order=replace(NEW.order, cancelled_at_ms=START_MS))
OPERATIONS = {
    "put_order": Operation("put_order", look_up=True, look_up_window_ms=WINDOW_MS),
    "post": Operation("post"),
    "set_stock": Operation("set_stock"),
    "move_order": Operation("move_order", sets=True),
}


class Sink:
    """Answers look-ups in turn, and remembers what was asked."""

    operations = OPERATIONS

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def look_up(self, operation, item):
        self.asked.append(item.payload)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def row(*, changed_ms: int = START_MS, generation: int = 1):
    return ("7001", "orders:shop->erp", "available", generation, changed_ms, 0, 0, 0, "")


def looked(
    sink, payload=NEW, *, operation="put_order", known=None, since_restore_ms=WINDOW_MS, caught_up=True
):
    async def story(clock):
        rewind = Rewind(None, clock, None)
        if since_restore_ms is not None:
            rewind.mark = Mark(clock.now_ms() - since_restore_ms, caught_up=caught_up)
        looking = Looking(SimpleNamespace(name="erp", sink=sink), clock, rewind)
        built = await looking.before(operation, {"k": Send(payload, "note")}, {"k": known or row()})
        return built["k"]

    return play(story)


def test_a_store_that_was_never_restored_asks_nobody():
    sink = Sink()
    assert looked(sink, since_restore_ms=None) == Send(NEW, "note")
    assert sink.asked == []


def test_what_looks_at_its_record_anyway_is_sent():
    sink = Sink()
    move = MoveOrder("7001", (("l1", "L2", 2),))
    assert looked(sink, move, operation="move_order") == Send(move, "note")
    assert sink.asked == []


def test_numbers_are_not_looked_up():
    payload = SetStock("A", "1", "70", 1, 2)
    assert looked(Sink(), payload, operation="set_stock") == Send(payload, "note")


@pytest.mark.parametrize(("caught_up", "asked"), [(True, 0), (False, 1)])
def test_a_fact_of_after_the_restore_is_looked_up_only_while_the_time_before_is_read(caught_up, asked):
    later = START_MS + MARGIN_MS
    payload = replace(NEW, order=replace(NEW.order, placed_at_ms=later))
    sink = Sink(*[None] * asked)
    known = row(changed_ms=later)
    assert looked(sink, payload, known=known, caught_up=caught_up, since_restore_ms=WINDOW_MS) == Send(
        payload, "note"
    )
    assert len(sink.asked) == asked


def test_an_old_order_that_changed_later_is_looked_up():
    sink = Sink(None)
    looked(sink, known=row(changed_ms=START_MS + MARGIN_MS))
    assert sink.asked == [NEW]


def test_an_order_that_is_there_as_it_is_now_is_adopted():
    sink = Sink(DONE, DONE)
    assert looked(sink) == Found(KNOWN, DONE, "note")
    assert sink.asked == [NEW, KNOWN]


def test_an_order_that_another_connector_made_is_adopted_as_it_is():
    theirs = Outcome(Result.DONE, facts={"external_id": "5001", "adopted": "#7001"})
    assert looked(Sink(theirs)) == Found(NEW, theirs, "note")


def test_an_order_that_is_there_as_it_was_is_revised():
    assert looked(Sink(DONE, None)) == Send(KNOWN, "note")


def test_an_order_that_is_not_there_is_sent_once_it_would_have_to_show():
    assert looked(Sink(None)) == Send(NEW, "note")
    assert isinstance(looked(Sink(None), since_restore_ms=WINDOW_MS - 1), Wait)


def test_a_cancelled_order_is_cancelled_there_or_never_made():
    assert looked(Sink(None), GONE) == Skip("cancelled before the ERP heard of it")
    there = replace(GONE, external_id="5001")
    assert looked(Sink(DONE, None), GONE) == Send(there, "note")
    assert looked(Sink(None), there) == Send(there, "note")


@pytest.mark.parametrize("answers", [(Throttled("slower"),), (DONE, Throttled("slower"))])
def test_what_cannot_be_looked_up_now_waits(answers):
    assert isinstance(looked(Sink(*answers)), Wait)


@pytest.mark.parametrize(
    ("operation", "answers"), [("put_order", [Outcome(Result.REJECTED, "two of them")]), ("post", [])]
)
def test_what_cannot_be_told_is_for_a_person_and_sent_when_one_released_it(operation, answers):
    refused = looked(Sink(*answers), operation=operation)
    assert isinstance(refused, Refuse) and refused.reason == "restored"
    released = looked(Sink(*answers), operation=operation, known=row(generation=2))
    assert released == Send(NEW, "note")


REFUSED = Outcome(Result.REJECTED, "You can not delete this line: it has been fulfilled.")


@pytest.mark.parametrize(
    ("operation", "payload", "attempts", "answers", "result"),
    [
        ("put_order", NEW, 1, [DONE], Result.DONE),
        ("put_order", NEW, 1, [None], Result.REJECTED),
        ("put_order", NEW, 1, [Throttled("slowly")], Result.UNKNOWN),  # it is looked up until the vendor says
        ("put_order", NEW, 0, [], Result.REJECTED),  # nothing was sent before
        ("put_order", KNOWN, 1, [], Result.REJECTED),  # a revision of what is there
        ("post", NEW, 1, [], Result.REJECTED),  # there is no way to ask
    ],
)
def test_what_is_refused_because_an_earlier_attempt_was_late_is_done(
    operation, payload, attempts, answers, result
):
    async def story(clock):
        sink = Sink(*answers)
        looking = Looking(SimpleNamespace(name="erp", sink=sink), clock, Rewind(None, clock, None))
        known = {"k": (*row()[:7], attempts, "")}
        ((_, outcome),) = await looking.refused(operation, [(Item("k", payload), REFUSED)], known)
        assert len(sink.asked) == len(answers)
        return outcome

    outcome = play(story)
    assert outcome.result is result
    assert (outcome is REFUSED) is (result is Result.REJECTED)
    assert result is not Result.DONE or outcome.facts == DONE.facts
