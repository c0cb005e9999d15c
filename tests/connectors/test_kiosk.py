"""The connector that newcomers read and `syncline connector new` writes: all suites, no waivers, and its own rules."""

from __future__ import annotations

import json

import pytest

from syncline.model.change import LoggedEvent
from syncline.model.copying import replace
from syncline.model.delivery import Result
from syncline.model.errors import Forged, Misconfigured, OutcomeUnknown, Rejected, Retryable
from syncline.ports import Request, Response, WebhookRequest
from syncline.simulate.clock import VirtualLoop
from syncline.testing.bench import START_MS, Surroundings
from syncline.testing.kiosk import connector
from syncline.testing.kiosk.bench import POOL, URL, KioskBench
from syncline.testing.kiosk.connector import PAUSE_S, KioskSettings
from syncline.testing.kiosk.simulator import TOKEN
from syncline.testing.kiosk.suites import TestKioskSimulator, TestKioskSink, TestKioskSource
from syncline.testing.simulator import good_write
from syncline.testing.sink_stock import deliver
from syncline.testing.source import pages_of, pull

__all__ = ["TestKioskSimulator", "TestKioskSink", "TestKioskSource"]


@pytest.fixture
def loop():
    made = VirtualLoop(START_MS)
    yield made
    made.close()


@pytest.fixture
def bench(loop):
    return KioskBench(Surroundings(loop))


def answering(bench, *answers: Response):
    """The shop gives these answers, and then its own."""
    left = list(answers)

    async def between(request, send):
        return left.pop(0) if left else await send(request)

    bench.around.wire.between = between


def ask(bench, loop, method: str, path: str, body: bytes = b"", **headers: str) -> Response:
    """Ask the simulator itself, with its credential."""
    request = Request(method, URL + path, {"Authorization": f"Bearer {TOKEN}", **headers}, body)
    return loop.run_until_complete(bench.around.apps.send(request))


# --- settings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["", "kiosk.example", "http://kiosk.example", "https://", "https://a.example?x=1"]
)
def test_an_address_that_would_lose_the_token_is_refused(url):
    with pytest.raises(Misconfigured, match="url"):
        KioskSettings(url=url, token=TOKEN)


@pytest.mark.parametrize("token", ["", "  ", "a\nb", "é"])
def test_a_token_that_no_header_can_carry_is_refused(token):
    with pytest.raises(Misconfigured, match="token"):
        KioskSettings(url=URL, token=token)


def test_settings_do_not_show_the_token():
    settings = KioskSettings(url="http://127.0.0.1:9101", token=TOKEN)
    assert TOKEN not in repr(settings) and TOKEN not in str(settings.__rich_repr__())


# --- reading -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row", ["a row", None, 7, [], {}, {"n": "one"}, {"sku": 1}, {"n": 1, "revision": 1}, {"sku": "\ud800"}]
)
@pytest.mark.parametrize("stream", ["sales", "items"])
def test_a_row_that_is_none_is_parked_and_said_once(bench, loop, stream, row):
    system = bench.open()
    bench.add(1)
    events = []
    for _ in range(2):
        answering(bench, Response(200, {}, json.dumps({"rows": [row, row], "more": None}).encode()))
        (page,) = loop.run_until_complete(pages_of(system, stream, None))
        events += page.events
    assert len(events) == 4 and len({event.event_id.encode() for event in events}) == 1
    with pytest.raises(Rejected, match="not a row"):
        system.source.decode(LoggedEvent(1, 0, events[0]))


@pytest.mark.parametrize(
    "wrong", [{"price": "NaN"}, {"price": "-1"}, {"quantity": -1}, {"quantity": 1.5}, {"sku": None}]
)
def test_a_sale_that_cannot_be_is_parked(bench, loop, wrong):
    bench.add(1)
    events, _ = loop.run_until_complete(pull(bench, bench.open()))
    spoiled = json.dumps(json.loads(events[0].body) | wrong).encode()
    with pytest.raises(Rejected, match="not a row"):
        bench.open().source.decode(LoggedEvent(1, 0, replace(events[0], body=spoiled)))


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b'{"rows": {}}', b'{"rows": [], "more": 7}', b'{"rows": null, "more": null}']
)
def test_a_list_that_is_none_is_read_again_later(bench, loop, body):
    answering(bench, Response(200, {}, body))
    with pytest.raises((Retryable, OutcomeUnknown)):
        loop.run_until_complete(pull(bench, bench.open()))


def test_a_list_without_end_is_left(bench, loop, monkeypatch):
    monkeypatch.setattr(connector, "PAGES_MAX", 3)
    page = Response(200, {}, b'{"rows": [], "more": "1-1"}')
    answering(bench, *[page] * 10)
    with pytest.raises(Retryable, match="more than 3 pages"):
        loop.run_until_complete(pull(bench, bench.open()))


def test_items_are_read_whole(bench, loop):
    for number in range(9):
        bench.simulator.count(f"a&b/{number} é", 1)
    system = bench.open()
    pages = loop.run_until_complete(pages_of(system, "items", None))
    found = [
        change.key
        for page in pages
        for event in page.events
        for change in system.source.decode(LoggedEvent(1, 0, event))
    ]
    assert len(pages) > 1 and found == sorted(bench.simulator.stock)


def test_a_webhook_is_a_forgery(bench):
    with pytest.raises(Forged):
        bench.open().source.verify(WebhookRequest({}, b"{}", START_MS))


# --- writing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "named", ["", "soon", "nan", "-3", "0", "inf", "99999999", "Sat, 21 Nov 2026 08:00:00 GMT"]
)
def test_a_delay_that_is_none_becomes_our_own(bench, loop, named):
    system = bench.open()
    (item,) = loop.run_until_complete(bench.items("set_stock", 1, system))
    answering(bench, Response(429, {"retry-after": named}, b"{}"))
    (outcome,) = loop.run_until_complete(deliver(system, "set_stock", [item], "key"))
    assert (outcome.result, outcome.retry_after_s) == (Result.THROTTLED, PAUSE_S)


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (Response(200, {}, b"<html>"), Result.UNKNOWN),
        (Response(404, {}, b"<html>"), Result.UNKNOWN),
        (Response(200, {}, b"[]"), Result.UNKNOWN),
        (Response(200, {}, b'{"stock": "7"}'), Result.UNKNOWN),
        (Response(500, {}, b'{"error": "broke"}'), Result.UNKNOWN),
        (Response(503, {}, b'{"error": "closed"}'), Result.NOT_SENT),
        (Response(422, {}, b'{"error": "no"}'), Result.REJECTED),
        (Response(418, {}, b"{}"), Result.REJECTED),
    ],
)
@pytest.mark.parametrize("operation", ["set_stock", "read_stock"])
def test_an_answer_is_sorted_by_what_it_proves(bench, loop, operation, answer, result):
    system = bench.open()
    (item,) = loop.run_until_complete(bench.items(operation, 1, system))
    answering(bench, answer)
    (outcome,) = loop.run_until_complete(deliver(system, operation, [item], "key"))
    assert outcome.result is result and outcome.message


# --- the simulator -----------------------------------------------------------------------------------------


def test_a_key_is_for_one_call_only(bench, loop):
    write = loop.run_until_complete(good_write(bench))
    effects, simulator = bench.simulator.ledger.effects.copy(), bench.simulator
    again = loop.run_until_complete(bench.around.apps.send(write))
    assert (again.status, json.loads(again.body)["stock"]) == (200, 7)
    other = loop.run_until_complete(
        bench.around.apps.send(replace(write, body=b'{"stock": 5, "expected": 7}'))
    )
    assert other.status == 422 and simulator.ledger.breaches["key"] == 1
    assert simulator.ledger.effects == effects


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/sales?since=1", b"", 422),
        ("GET", "/sales?from=now", b"", 422),
        ("GET", "/sales?from=1&after=1-1", b"", 422),
        ("GET", "/sales?after=1", b"", 422),
        ("GET", "/sales?after=1-2-3", b"", 422),
        ("GET", "/items?from=1", b"", 422),
        ("GET", "/items/GONE", b"", 404),
        ("GET", "/", b"", 404),
        ("DELETE", f"/items/{POOL}", b"", 405),
        ("PUT", f"/items/{POOL}", b'{"stock": -1, "expected": 100000}', 422),
        ("PUT", f"/items/{POOL}", b'{"stock": true, "expected": 100000}', 422),
        ("PUT", f"/items/{POOL}", b'{"stock": 1}', 422),
        ("PUT", f"/items/{POOL}", b"[]", 422),
        ("PUT", f"/items/{POOL}", b"\xff", 400),
    ],
)
def test_what_the_shop_does_not_document_is_refused(bench, loop, method, path, body, status):
    answer = ask(bench, loop, method, path, body, **{"Idempotency-Key": "k"})
    assert answer.status == status and json.loads(answer.body)["error"]
    assert bench.simulator.stock == {POOL: 100_000}
    assert bool(bench.simulator.ledger.breaches) == (status == 422)
