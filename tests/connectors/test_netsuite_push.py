from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.connectors.netsuite_world import SECRET, START_MS, World, line, order, run

from syncline.connectors.netsuite import NetSuiteSettings, push
from syncline.model.change import Kind, LoggedEvent
from syncline.model.copying import replace
from syncline.model.errors import Rejected
from syncline.model.payloads import OrderItem, PutOrder
from syncline.ports import WebhookRequest

HOUR_MS = 3_600_000

LEVEL = {
    "item": "12",
    "sku": "21730",
    "location": "1",
    "on_hand": "40",
    "available": "34",
    "committed": "6",
    "backordered": "0",
}
LINE = {
    "line": 1,
    "item": "12",
    "sku": "21730",
    "location": "1",
    "quantity": "6",
    "committed": "6",
    "backordered": "0",
    "closed": False,
}
RECORD = {
    "type": "salesorder",
    "id": "5021",
    "external_id": "shop-1001",
    "event": "create",
    "status": "B",
    "created_from": None,
    "lines": [LINE],
    "tracking": [],
    "ship_status": None,
    "last_modified_ms": START_MS - 1000,
}
BODY = {
    "event_id": "1234567_SB1-71",
    "seq": 71,
    "account": "1234567_SB1",
    "as_of_ms": START_MS,
    "record": RECORD,
    "levels": [LEVEL],
}
SETTINGS = NetSuiteSettings("1234567_SB1", "c", "k", "p", push_secrets=(SECRET,))


def sign(body: bytes, event_id: str, stamp: str, secret: str = SECRET) -> str:
    signed = f"{event_id}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def request(body, *, at_ms: int = START_MS, secret: str = SECRET, **headers: str) -> WebhookRequest:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    event_id = headers.pop("event_id", "1234567_SB1-71")
    stamp = headers.pop("stamp", str(START_MS // 1000))
    given = {
        "x-syncline-event-id": event_id,
        "x-syncline-timestamp": stamp,
        "x-syncline-signature": headers.pop("signature", sign(raw, event_id, stamp, secret)),
    }
    return WebhookRequest(given, raw, at_ms)


def check(body, **more):
    return push.verify(request(body, **more), SETTINGS, "erp")


def changes_of(body):
    return push.decode(LoggedEvent(1, START_MS, check(body).event), SETTINGS)


def test_a_push_becomes_levels_and_an_order():
    stock, held = changes_of(BODY)
    assert (stock.kind, stock.key, stock.version, stock.tiebreak) == (Kind.STOCK, "21730\x1f1", START_MS, 71)
    assert stock.changed_at_ms == START_MS - 1000
    assert stock.value.erp_stamp_ms == START_MS and stock.value.read_began_ms is None
    assert held.key == "shop-1001" and held.value.commits_stock
    assert held.value.account == "", "what an earlier script did not tell is not known"
    told = changes_of({**BODY, "record": {**RECORD, "entity": "107"}})[1]
    assert told.value.account == "107"
    with pytest.raises(Rejected, match=r"record\.entity"):
        check({**BODY, "record": {**RECORD, "entity": " "}})
    assert [(x.sku, x.location, x.quantity) for x in held.value.lines] == [("21730", "1", 6)]
    waits = {**LINE, "committed": "4", "backordered": "2"}
    held = changes_of({**BODY, "record": {**RECORD, "lines": [waits]}})[1]
    assert held.value.lines[0].quantity == 4  # the others are in no figure of what is available


def test_a_push_of_other_documents():
    record = {**RECORD, "type": "itemfulfillment", "id": "6", "external_id": None, "status": None}
    record |= {
        "ship_status": "C",
        "created_from": {"id": "5021", "external_id": "shop-1001"},
        "tracking": [{"number": "1Z", "carrier": "UPS"}, {"number": "1Z", "carrier": None}],
    }
    _, left = changes_of({**BODY, "record": record})
    assert left.kind is Kind.SHIPMENT and left.key == "6"
    assert (left.value.order_key, left.value.tracking, left.value.carrier) == ("shop-1001", ("1Z",), "UPS")
    for more in (
        {"ship_status": "B"},
        {"event": "delete"},
        {"created_from": {"id": "1", "external_id": None}},
    ):
        assert len(changes_of({**BODY, "record": {**record, **more}})) == 1
    pending = changes_of({**BODY, "record": {**RECORD, "status": "A"}})[1]
    assert not pending.value.commits_stock
    closed = changes_of({**BODY, "record": {**RECORD, "lines": [{**LINE, "closed": True}]}})[1]
    assert closed.value.lines[0].quantity == 0
    deleted = changes_of({**BODY, "record": {**RECORD, "event": "delete"}})[1]
    assert deleted.value.lines == () and not deleted.value.commits_stock
    part = [{**LINE, "line": n} for n in range(1, 2_001)]
    assert len(changes_of({**BODY, "record": {**RECORD, "lines": part}})) == 1
    short = {
        **BODY,
        "record": {**RECORD, "type": "inventoryadjustment", "lines": [{**LINE, "quantity": "-3"}]},
    }
    short["levels"] = [{**LEVEL, "on_hand": "-2", "available": "-8"}]
    assert changes_of(short)[0].value.available == -8


@pytest.mark.parametrize(("seconds", "fine"), [(-299, True), (299, True), (-301, False), (301, False)])
def test_the_window(seconds, fine):
    stamp = str(START_MS // 1000 + seconds)
    if fine:
        assert check(BODY, stamp=stamp).event.topic == "push"
    else:
        with pytest.raises(Rejected, match="five minutes"):
            check(BODY, stamp=stamp)


def test_signatures():
    good = sign(msgspec.json.encode(BODY), "1234567_SB1-71", str(START_MS // 1000))
    assert check(BODY, signature=f"v1,bm8= {good}").event.event_id == "1234567_SB1-71"
    old = replace(SETTINGS, push_secrets=("the-new-secret-of-24-bytes!", SECRET))
    assert push.verify(request(BODY), old, "erp")
    for bad in (
        {"secret": "another-secret-of-24-bytes.."},
        {"signature": ""},
        {"signature": good.replace("v1,", "v2,")},
        {"signature": "v1,é"},
        {"event_id": "1234567_SB1-72"},
        {"event_id": ""},
        {"stamp": "NaN"},
        {"stamp": "1e9"},
        {"stamp": "-1"},
        {"stamp": "9" * 40},
    ):
        with pytest.raises(Rejected):
            check(BODY, **bad)
    with pytest.raises(Rejected):
        push.verify(request(BODY), replace(SETTINGS, push_secrets=()), "erp")
    with pytest.raises(Rejected, match="another NetSuite account"):
        check({**BODY, "account": "7654321"})
    assert check({**BODY, "account": "1234567-sb1"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("available", "-3"),
        ("committed", "-1"),
        ("on_hand", "NaN"),
        ("on_hand", "1e400"),
        ("on_hand", "Infinity"),
        ("on_hand", ""),
        ("on_hand", "٣"),
        ("on_hand", 40),
        ("on_hand", None),
        ("sku", ""),
        ("sku", "a\x1fb"),
        ("location", None),
    ],
)
def test_bad_content_is_refused_before_it_is_acknowledged(field, value):
    with pytest.raises(Rejected, match=field):
        check({**BODY, "levels": [{**LEVEL, field: value}]})


def test_other_bad_content():
    raw = msgspec.json.encode(BODY)
    lines = {**BODY, "record": {**RECORD, "lines": [{**LINE, "quantity": "-6"}]}}
    for body in (
        raw[:-7],
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        raw.replace(b"71,", b"1e400,"),
        lines,
        {**BODY, "as_of_ms": 0},
        {**BODY, "as_of_ms": START_MS * 1000},
        {**BODY, "as_of_ms": START_MS + 25 * HOUR_MS},
        {**BODY, "event_id": "other"},
    ):
        with pytest.raises(Rejected):
            check(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=200) | json_values.map(lambda v: repr(v).encode("utf-8", "surrogatepass")),
    st.booleans(),
)
def test_no_bytes_raise_anything_but_rejected(body, signed):
    more = {} if signed else {"signature": "v1,x"}
    with contextlib.suppress(Rejected):
        check(body, **more)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_mutation_raises_anything_but_rejected(data):
    body = msgspec.json.decode(msgspec.json.encode(BODY))
    target = data.draw(st.sampled_from([body, body["record"], body["levels"][0], body["record"]["lines"][0]]))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(json_values)
    raw = msgspec.json.encode(body)
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, len(raw)))]
    try:
        event = check(raw).event
    except Rejected:
        return
    push.decode(LoggedEvent(1, START_MS, event), SETTINGS)  # what was acknowledged can be read


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["x-syncline-event-id", "x-syncline-timestamp", "x-syncline-signature"]), st.text()
    )
)
def test_no_headers_raise_anything_but_rejected(headers):
    with pytest.raises(Rejected):
        push.verify(WebhookRequest(headers, b"{}", START_MS), SETTINGS, "erp")


async def place(w: World, reference: str = "shop-1001", quantity: int = 3) -> int:
    placed = order(line("a", "21730", quantity, "10.00"))
    items = (OrderItem("a", str(w.item), "21730", str(w.place), quantity),)
    outcome = await w.do("put_order", PutOrder(reference, placed, items))
    return int(outcome.facts["external_id"])


def test_pushes_of_the_simulator_agree_with_the_poll():
    async def story(w: World) -> None:
        got: list[WebhookRequest] = []

        class Hook:
            async def __call__(self, scope, receive, send) -> None:
                body = (await receive())["body"]
                headers = {k.decode(): v.decode() for k, v in scope["headers"]}
                got.append(WebhookRequest(headers, body, w.clock.now_ms()))
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b""})

        w.transport.register("https://sync.example", Hook())
        w.sim.configure_push("https://sync.example/hooks/erp", [SECRET])
        task = asyncio.get_running_loop().create_task(w.sim.run())
        w.sim.opening_balance("21730", w.place, 40)
        number = await place(w)
        await w.clock.sleep(5)
        w.sim.ship(number, tracking="1Z")
        w.sim.receive("84406B", w.place, 9)
        await w.clock.sleep(5)
        pushed = {}
        source = w.system.source
        for hook in got:
            event = source.verify(hook).event
            for change in source.decode(LoggedEvent(1, w.clock.now_ms(), event)):
                if change.version >= pushed.get((change.kind, change.key), change).version:
                    pushed[change.kind, change.key] = change
        polled = {(c.kind, c.key): c for c in w.changes((await w.pull("transactions"))[0])}
        assert set(pushed) == set(polled)
        for key, change in polled.items():
            if change.kind is Kind.SHIPMENT:
                assert pushed[key].changed_at_ms == change.changed_at_ms
            if change.kind is Kind.STOCK:
                assert pushed[key].value.available == change.value.available
            else:
                assert [(x.sku, x.quantity) for x in pushed[key].value.lines] == [
                    (x.sku, x.quantity) for x in change.value.lines
                ]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(story)
