"""The faulty network: each fault is what it says, counted, and drawn from its seed."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from tests.unit.support import play

from syncline.model.errors import OutcomeUnknown, Retryable, SynclineError
from syncline.ports import Request, Response
from syncline.simulate.network import FaultyTransport, NetworkFaults

REQUEST = Request("POST", "https://vendor.example/x", timeout_s=30.0)


class Vendor:
    def __init__(self) -> None:
        self.effects = 0

    async def send(self, request: Request) -> Response:
        self.effects += 1
        return Response(200, {"content-type": "application/json"}, b'{"number": 12345}')


def meet(count: int = 1, seed: int = 1, **faults):
    vendor = Vendor()

    async def story(clock):
        network = FaultyTransport(vendor, clock, Random(seed), NetworkFaults(**faults))
        found = []
        for _ in range(count):
            try:
                found.append(await network.send(REQUEST))
            except SynclineError as error:
                found.append(error)
        return found, network.met, clock.monotonic()

    return (*play(story), vendor)


def test_without_faults_nothing_is_touched_and_nothing_drawn():
    found, met, took, vendor = meet(5)
    assert [answer.body for answer in found] == [b'{"number": 12345}'] * 5
    assert (met, took, vendor.effects) == (Counter(), 0, 5)


def test_a_refused_request_never_arrives():
    (error,), met, _, vendor = meet(refuse_rate=1.0)
    assert isinstance(error, Retryable)
    assert (met, vendor.effects) == ({"request refused": 1}, 0)


def test_a_lost_answer_took_effect_and_says_that_nobody_knows():
    (error,), met, took, vendor = meet(lose_answer_rate=1.0)
    assert isinstance(error, OutcomeUnknown)
    assert (met, vendor.effects) == ({"answer lost": 1}, 1)
    assert 0 < took <= REQUEST.timeout_s


def test_a_cut_answer_is_half_of_it():
    (answer,), met, _, vendor = meet(cut_answer_rate=1.0)
    assert answer.body == b'{"number": 12345}'[:8]
    assert (met, vendor.effects) == ({"answer cut": 1}, 1)


def test_a_login_page_says_200_and_is_no_json():
    (answer,), met, _, vendor = meet(login_page_rate=1.0)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html")
    assert (met, vendor.effects) == ({"login page": 1}, 1)


def test_a_delay_is_within_its_limit():
    _, _, took, _ = meet(100, delay_ms_max=200)
    assert 5 < took < 20


def test_faults_come_at_their_rate():
    _, met, _, vendor = meet(2_000, refuse_rate=0.1, lose_answer_rate=0.2)
    assert met["request refused"] == pytest.approx(200, rel=0.3)
    assert met["answer lost"] == pytest.approx(360, rel=0.3)
    assert vendor.effects == 2_000 - met["request refused"]


def test_one_seed_meets_the_same_faults():
    rates = {"refuse_rate": 0.2, "lose_answer_rate": 0.2, "cut_answer_rate": 0.2, "delay_ms_max": 50}

    def fate(seed: int):
        found, met, took, _ = meet(50, seed=seed, **rates)
        return [type(one).__name__ for one in found], met, took

    assert fate(1) == fate(1)
    assert fate(1) != fate(2)
