from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.connectors.netsuite_world import SECRET, START_MS, World, line, order, run

from syncline.connectors.netsuite import NetSuiteSettings, client, delta, push, scans, zones
from syncline.model.change import Kind, LoggedEvent, Via
from syncline.model.errors import Misconfigured, Rejected, Retryable
from syncline.model.payloads import OrderItem, PutOrder
from syncline.ports import Request, Response, WebhookRequest

HOUR_MS = 3_600_000


def stock_of(changes) -> dict[str, Decimal]:
    return {c.key: c.value.available for c in changes if c.kind is Kind.STOCK}


async def place(w: World, reference: str = "shop-1001", quantity: int = 3) -> int:
    placed = order(line("a", "21730", quantity, "10.00"))
    items = (OrderItem("a", str(w.item), "21730", str(w.place), quantity),)
    outcome = await w.do("put_order", PutOrder(reference, placed, items))
    return int(outcome.facts["external_id"])


# -- polls ------------------------------------------------------------------------------------------


def test_the_delta_follows_documents_to_levels_orders_and_shipments():
    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 40)
        w.sim.opening_balance("84406B", w.place, 7)
        _, cursor = await w.pull("transactions")
        await w.clock.sleep(5)
        number = await place(w)
        await w.clock.sleep(5)
        events, cursor = await w.pull("transactions", cursor)
        key = f"21730\x1f{w.place}"
        changes = w.changes(events)
        assert stock_of(changes) == {key: Decimal(37)}  # only what was touched
        level = next(c for c in changes if c.kind is Kind.STOCK)
        assert level.value.committed == 3 and level.value.on_hand == 40
        assert level.value.read_began_ms <= level.value.erp_stamp_ms <= w.clock.now_ms()
        assert level.version == level.value.erp_stamp_ms
        assert 0 <= level.value.erp_stamp_ms - level.changed_at_ms < 60_000
        held = next(c for c in changes if c.kind is Kind.ERP_ORDER)
        assert held.key == "shop-1001" and held.value.external_id == str(number)
        assert held.value.commits_stock and held.value.status == "B"
        assert [(x.sku, x.location, x.quantity) for x in held.value.lines] == [("21730", str(w.place), 3)]

        await w.clock.sleep(60)
        assert (await w.pull("transactions", cursor))[0] == []  # the overlap brings nothing twice
        (shipment,) = w.sim.ship(number, tracking="1Z-9")
        await w.clock.sleep(5)
        events, cursor = await w.pull("transactions", cursor)
        changes = w.changes(events)
        (left,) = [c for c in changes if c.kind is Kind.SHIPMENT]
        assert left.key == str(shipment) and left.value.order_key == "shop-1001"
        assert left.value.tracking == ("1Z-9",)
        assert [(x.sku, x.location, x.quantity) for x in left.value.lines] == [("21730", str(w.place), 3)]
        assert [c.value.status for c in changes if c.kind is Kind.ERP_ORDER] == ["F"]
        level = next(c for c in changes if c.kind is Kind.STOCK).value
        assert (level.on_hand, level.available, level.committed) == (37, 37, 0)
        assert cursor.covers_ms <= w.clock.now_ms()

    assert not run(story).sim.ledger.breaches


def test_pending_closed_and_amount_lines():
    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 40)
        placed = order(line("a", "21730", 3, "10.00"), tax="6.00")
        items = (OrderItem("a", str(w.item), "21730", str(w.place), 3),)
        outcome = await w.do("put_order", PutOrder("shop-1", placed, items))
        (held,) = [c for c in w.changes((await w.pull("transactions"))[0]) if c.kind is Kind.ERP_ORDER]
        assert not held.value.commits_stock and [x.sku for x in held.value.lines] == ["21730"]
        number = int(outcome.facts["external_id"])
        w.sim.approve(number)
        w.sim.ship(number, tracking=None, lines={1: 2})
        w.sim.close_order(number)
        (held,) = [c for c in w.changes((await w.pull("transactions"))[0]) if c.kind is Kind.ERP_ORDER]
        assert [x.quantity for x in held.value.lines] == [2]

    run(story, approve_orders=False)


def test_a_line_taken_off_has_its_level_read_again():
    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 40)
        w.sim.opening_balance("84406B", w.place, 40)
        number = await place(w)
        _, cursor = await w.pull("transactions")
        await w.clock.sleep(60)
        placed = order(line("b", "84406B", 1, "10.00"))
        items = (OrderItem("b", str(w.item2), "84406B", str(w.place), 1),)
        await w.do("put_order", PutOrder("shop-1001", placed, items, str(number)))
        events, _ = await w.pull("transactions", cursor)
        assert stock_of(w.changes(events)) == {f"21730\x1f{w.place}": 40, f"84406B\x1f{w.place}": 39}

    run(story)


@pytest.mark.parametrize("kill_on", [0, 1, 2, 3])
def test_a_read_killed_on_any_page_resumes_without_a_gap(monkeypatch, kill_on):
    # Small pages, all stamps equal: every page edge is a tie.
    for module in (client, delta, scans):
        monkeypatch.setattr(module, "PAGE_MAX", 4)

    async def story(w: World) -> None:
        for n in range(14):
            w.sim.add_item(f"S{n:02}", "", "1")
        w.sim.opening_balance("21730", w.place, 100)
        wanted = {f"S{n:02}\x1f{w.place}" for n in range(14)}
        for stream in ("transactions", "stock"):
            if stream == "transactions":
                for n in range(14):
                    w.sim.receive(f"S{n:02}", w.place, 5)
            seen, cursor = [], None
            pages = w.open().source.poll(stream, None)
            for _ in range(kill_on):
                page = await anext(pages)
                seen += page.events
                cursor = page.cursor
                assert not page.last and cursor.covers_ms == 0
            await pages.aclose()
            before = w.clock.now_ms()
            events, cursor = await w.pull(stream, cursor, system=w.open())
            assert set(stock_of(w.changes(seen + events))) >= wanted
            assert (cursor.covers_ms < before) == (kill_on > 0)
            ids = [e.event_id for e in seen + events]
            assert len(ids) == len(set(ids))

    run(story)


def test_a_dropped_page_is_read_again_by_the_same_process():
    async def story(w: World) -> None:
        w.sim.receive("21730", w.place, 5)
        await w.clock.sleep(30)
        pages = w.system.source.poll("transactions", None)
        assert (await anext(pages)).events
        await pages.aclose()  # the engine could not store it
        assert (await w.pull("transactions"))[0]

    run(story)


def test_a_second_edit_within_the_stamps_second_is_seen():
    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 40)
        _, cursor = await w.pull("transactions")
        number = await place(w)
        events, cursor = await w.pull("transactions", cursor)
        assert stock_of(w.changes(events))
        txn = w.sim.account.txns[number]
        stamp = txn.modified_ms
        w.sim.close_order(number)
        txn.modified_ms = stamp  # as if all of it had happened within one second
        events, cursor = await w.pull("transactions", cursor)
        assert stock_of(w.changes(events)) == {f"21730\x1f{w.place}": 40}
        await w.clock.sleep(10)
        await w.pull("transactions", cursor)
        await w.clock.sleep(10)
        assert (await w.pull("transactions", cursor))[0] == []

    run(story, sim={"suiteql_ms": (1.0, 2.0), "record_ms": (1.0, 2.0)})


def test_a_snapshot_states_every_level_with_new_stamps():
    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 40)
        w.sim.opening_balance("21730", w.other, 2)
        first, cursor = await w.pull("stock")
        assert {e.via for e in first} == {Via.SNAPSHOT}
        began = cursor.covers_ms
        second, cursor = await w.pull("stock", cursor)
        assert stock_of(w.changes(first)) == stock_of(w.changes(second))
        assert not {e.event_id for e in first} & {e.event_id for e in second}
        # Levels have no stamp: they may have changed at any time since the previous read began.
        assert {c.changed_at_ms for c in w.changes(second)} == {began}

    run(story)


def test_items_come_when_they_change():
    async def story(w: World) -> None:
        first, cursor = await w.pull("items")
        changes = w.changes(first)
        assert {c.key: c.value.external_id for c in changes}["21730"] == str(w.item)
        again, cursor = await w.pull("items", cursor)
        assert again == []
        restarted, _ = await w.pull("items", cursor, system=w.open())
        assert {e.event_id for e in restarted} == {e.event_id for e in first}  # the log knows them
        w.sim.edit_item("21730", title="Storm lantern")
        await w.clock.sleep(2)
        (event,), _ = await w.pull("items", cursor)
        assert w.changes([event])[0].value.title == "Storm lantern"

    run(story)


# -- clocks -----------------------------------------------------------------------------------------


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_the_lower_bound_goes_back_over_the_hour_that_repeats():
    london = ZoneInfo("Europe/London")  # 2026-10-25: 01:59:59 BST is followed by 01:00:00 GMT at 01:00Z
    bound = zones.lower_bound
    assert bound(ms("2026-10-25T00:50:00"), ms("2026-10-25T00:55:00"), london, 60) == "2026-10-25 01:49:00"
    assert bound(ms("2026-10-25T00:50:00"), ms("2026-10-25T01:20:00"), london, 60) == "2026-10-25 01:00:00"
    assert bound(ms("2026-10-25T01:05:00"), ms("2026-10-25T01:20:00"), london, 900) == "2026-10-25 01:00:00"
    assert bound(ms("2026-10-25T00:50:00"), ms("2026-12-25T01:20:00"), london, 60) == "2026-10-25 01:00:00"
    assert bound(ms("2026-07-01T12:00:00"), ms("2026-07-01T12:05:00"), london, 0) == "2026-07-01 13:00:00"
    assert bound(ms("2026-07-02T12:00:00"), ms("2026-07-02T12:05:00"), None, 900) == "2026-07-01 12:00:00"


@given(
    st.integers(0, 3 * HOUR_MS),
    st.integers(0, 2 * HOUR_MS),
    st.sampled_from(["America/Los_Angeles", "Europe/London", "Australia/Lord_Howe"]),
)
def test_nothing_modified_since_is_below_the_bound(offset, span, name):
    zone = ZoneInfo(name)
    edge = {
        "America/Los_Angeles": ms("2026-11-01T09:00:00"),
        "Europe/London": ms("2026-10-25T01:00:00"),
        "Australia/Lord_Howe": ms("2026-04-04T15:00:00"),
    }[name]
    since = edge - 2 * HOUR_MS + offset
    bound = zones.lower_bound(since, since + span, zone, 900)
    for at in range(since - 900_000, since + span + 1, 61_000):
        assert zones.local_text(at, zone) >= bound


def test_stock_moved_in_the_hour_that_repeats_is_found():
    async def story(w: World) -> None:
        w.sim.receive("21730", w.place, 1)
        _, cursor = await w.pull("transactions")
        for n in range(9):  # from 01:45 PDT to 01:45 PST and on
            await w.clock.sleep(10 * 60)
            w.sim.receive("21730", w.place, 1)
            await w.clock.sleep(5 * 60)
            events, cursor = await w.pull("transactions", cursor)
            assert stock_of(w.changes(events)) == {f"21730\x1f{w.place}": n + 2}
            assert all(0 < c.value.erp_stamp_ms - c.changed_at_ms < HOUR_MS for c in w.changes(events))

    run(story, start_ms=ms("2026-11-01T08:45:00"))


@pytest.mark.parametrize("zone", ["", "Pacific/Auckland"])
def test_an_unknown_or_wrong_zone_costs_overlap_not_changes(zone):
    async def story(w: World) -> None:
        _, cursor = await w.pull("transactions")
        await w.clock.sleep(3600)
        w.sim.receive("21730", w.place, 5)
        events, cursor = await w.pull("transactions", cursor)
        assert stock_of(w.changes(events)) == {f"21730\x1f{w.place}": 5}
        for _ in range(2):
            await w.clock.sleep(60)
            events, cursor = await w.pull("transactions", cursor)
        assert events == []
        assert not {what: ok for what, ok, _ in await w.system.check()}["time zone"]

    run(story, timezone=zone)


def refuse_utc(request: Request) -> Response | None:
    if b"SYS_EXTRACT_UTC" not in request.body:
        return None
    body = {"o:errorDetails": [{"detail": "Unknown function", "o:errorCode": "INVALID_PARAMETER"}]}
    return Response(400, {}, msgspec.json.encode(body))


def test_an_account_that_does_not_tell_utc():
    async def story(w: World) -> None:
        w.wire.replace = refuse_utc
        w.sim.receive("21730", w.place, 5)
        await w.clock.sleep(30)
        for stream in ("transactions", "stock", "items"):
            changes = w.changes((await w.pull(stream))[0])
            assert changes and all(abs(c.version - w.clock.now_ms()) < 10_000 for c in changes)

    run(story)

    async def blind(w: World) -> None:
        w.wire.replace = refuse_utc
        with pytest.raises(Misconfigured, match="timezone"):
            await w.pull("stock")

    run(blind, timezone="")


def test_a_refused_read_is_tried_again_later():
    async def story(w: World) -> None:
        await w.pull("stock")
        w.wire.replace = lambda r: Response(400, {}, b'{"o:errorDetails":[{"detail":"Record \'x\'"}]}')
        with pytest.raises(Retryable, match="Record"):
            await w.pull("stock")
        w.wire.replace = lambda r: Response(200, {}, b"<html>")
        with pytest.raises(Retryable, match="JSON"):
            await w.pull("stock")

    run(story)


def test_tracking_is_read_from_the_record_where_the_table_is_refused():
    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 40)
        w.sim.ship(await place(w), tracking="1Z-9")
        refused = Response(400, {}, b'{"o:errorDetails":[{"detail":"no such record"}]}')
        w.wire.replace = lambda r: refused if b"trackingnumbermap" in r.body else None
        changes = w.changes((await w.pull("transactions"))[0])
        assert [c.value.tracking for c in changes if c.kind is Kind.SHIPMENT] == [("1Z-9",)]

    run(story)


# -- pushes -----------------------------------------------------------------------------------------

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
    assert [(x.sku, x.location, x.quantity) for x in held.value.lines] == [("21730", "1", 6)]


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
    part = [{**LINE, "line": n} for n in range(1, 201)]
    assert len(changes_of({**BODY, "record": {**RECORD, "lines": part}})) == 1
    short = {
        **BODY,
        "record": {**RECORD, "type": "inventoryadjustment", "lines": [{**LINE, "quantity": "-3"}]},
    }
    short["levels"] = [{**LEVEL, "on_hand": "-2", "available": "-8"}]
    assert changes_of(short)[0].value.available == -8


@pytest.mark.parametrize("seconds, fine", [(-299, True), (299, True), (-301, False), (301, False)])
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
    "field, value",
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
    try:
        check(body, **more)
    except Rejected:
        pass


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
