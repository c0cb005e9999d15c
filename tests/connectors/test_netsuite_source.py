from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connectors.netsuite_world import World, line, order, run

from syncline.connectors.netsuite import client, delta, scans, zones
from syncline.model.change import Kind, Via
from syncline.model.errors import Misconfigured, Retryable
from syncline.model.payloads import OrderItem, PutOrder
from syncline.ports import Request, Response

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
        assert held.value.account == str(w.sim.order(number).customer_id)
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


@pytest.mark.parametrize("restarted", [False, True])
def test_an_order_is_told_with_what_is_promised_to_it_whenever_that_changes(restarted):
    """Units that wait are in no figure of what is available: nobody may take them for accounted for."""

    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 3)
        w.sim.opening_balance("21730", w.other, 9)
        placed = order(line("a", "21730", 5, "10.00"))
        items = (OrderItem("a", str(w.item), "21730", str(w.place), 5),)
        await w.do("put_order", PutOrder("shop-1001", placed, items))
        cursor = None
        told_before: set[str] = set()

        async def told() -> list[tuple[Decimal, int]]:
            nonlocal cursor
            await w.clock.sleep(300)
            if restarted:
                w.system = w.open()
            began_ms = w.clock.now_ms() - 300_000
            events, cursor = await w.pull("transactions", cursor)
            changes = [c for c in w.changes(events) if c.kind is Kind.ERP_ORDER]
            assert cursor is not None
            assert not all(
                event.event_id in told_before for event in events
            )  # the log drops what it has seen
            events = [event for event in events if event.event_id not in told_before]
            told_before.update(event.event_id for event in events)
            assert [c.changed_at_ms - began_ms for c in changes if c.changed_at_ms < began_ms - 10_000] == []
            return [(x.quantity, c.version) for c in changes for x in c.value.lines]

        ((first, read_ms),) = await told()
        assert first == 3
        w.sim.receive("21730", w.place, 1)
        ((more, later_ms),) = await told()
        assert more == 4 and later_ms > read_ms
        w.sim.receive("21730", w.place, 4)
        ((whole, _),) = await told()
        assert whole == 5
        w.sim.ship(w.sim.find_order("shop-1001"), tracking=None, lines={1: 2})
        assert [units for units, _ in await told()] == [5]
        w.sim.adjust("21730", w.place, -4)
        ((less, _),) = await told()
        assert less == 4  # two left the house, and two of the three that had been promised are there
        assert w.sim.backordered("21730", w.place) == 1
        w.sim.receive("21730", w.place, 1)
        assert [units for units, _ in await told()] == [5]  # as it was before, and told again

    assert not run(story).sim.ledger.breaches


@pytest.mark.parametrize("served", ["before the first read", "after it", "long after it"])
def test_an_order_that_waited_when_a_process_ended_is_told_once_its_stock_comes(served):
    """Nothing of the order itself changes then, and it waits no more when somebody looks."""

    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 3)
        await place(w, quantity=5)
        _, cursor = await w.pull("transactions")
        await w.clock.sleep(7_200)  # longer than polls overlap
        _, cursor = await w.pull("transactions", cursor)
        w.system = w.open()
        if served == "before the first read":
            w.sim.receive("21730", w.place, 2)
        for _ in range(2 if served == "long after it" else 1):
            w.sim.adjust("84406B", w.place, 1)
            await w.clock.sleep(60)
            events, cursor = await w.pull("transactions", cursor)
        if served != "before the first read":
            assert [c for c in w.changes(events) if c.kind is Kind.ERP_ORDER] == []
            w.sim.receive("21730", w.place, 2)
            await w.clock.sleep(60)
            events, cursor = await w.pull("transactions", cursor)
        (held,) = [c.value for c in w.changes(events) if c.kind is Kind.ERP_ORDER]
        assert [(x.quantity, x.ordered) for x in held.lines] == [(5, None)]

    run(story)


@pytest.mark.parametrize("closed_cancels", [True, False])
def test_an_order_that_was_closed_before_anything_was_sent_is_called_off_where_the_account_means_that(
    closed_cancels,
):
    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 40)
        numbers = [await place(w, f"shop-{n}") for n in range(3)]
        _, cursor = await w.pull("transactions")
        await w.clock.sleep(60)
        w.sim.close_order(numbers[0])
        w.sim.ship(numbers[1], tracking="T", lines={1: 1})
        w.sim.close_order(numbers[1])
        w.sim.account.txns[numbers[1]].status = "H"  # as the product shows it once every line is closed
        w.sim.cancel(numbers[2])
        await w.clock.sleep(60)
        changes = w.changes((await w.pull("transactions", cursor))[0])
        told = {c.key: (c.value.status, c.value.cancelled) for c in changes if c.kind is Kind.ERP_ORDER}
        assert told == {"shop-0": ("H", closed_cancels), "shop-1": ("H", False), "shop-2": ("C", True)}

    run(story, closed_cancels=closed_cancels)


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


def test_what_changes_between_the_list_and_the_levels_is_dated_by_itself():
    """It is in the level already, whose document of half a minute ago would else make it look that old."""

    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 40)
        _, cursor = await w.pull("transactions")
        await w.clock.sleep(60)
        w.sim.receive("21730", w.place, 5)
        await w.clock.sleep(30)
        reading = asyncio.ensure_future(w.pull("transactions", cursor))
        await w.clock.sleep(2.5)  # the clock and the list are read, the lines are being read
        w.sim.receive("21730", w.place, 7)
        events, cursor = await reading
        (level,) = w.changes(events)
        assert level.value.available == 52
        first_ms, second_ms = level.moments
        assert first_ms == level.changed_at_ms
        assert 30_000 <= second_ms - first_ms <= 36_000
        (again,) = w.changes((await w.pull("transactions", cursor))[0])
        assert (again.changed_at_ms, again.moments) == (second_ms, ())

    run(story, sim={"suiteql_ms": (1_000.0, 1_000.0)})


def reads_levels(request: Request) -> bool:
    return b"aggregateitemlocation" in request.body and b"l.item IN" in request.body


def test_an_order_that_is_put_while_levels_are_read_is_told_with_levels_that_contain_it():
    """Else nobody could say whether they do, and its units would be missing twice until the next read."""

    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 40)
        _, cursor = await w.pull("transactions")
        await w.clock.sleep(60)
        w.sim.receive("21730", w.place, 5)
        await w.clock.sleep(30)

        def put_once(request: Request) -> None:
            if reads_levels(request) and w.sim.find_order("shop-1") is None:
                w.sim.enter_order([("21730", w.place, 3, Decimal(10))], external_id="shop-1")

        w.wire.replace = put_once
        events, cursor = await w.pull("transactions", cursor)
        changes = w.changes(events)
        (held,) = [c.value for c in changes if c.kind is Kind.ERP_ORDER]
        level = [c.value for c in changes if c.kind is Kind.STOCK][-1]
        assert held.key == "shop-1" and level.available == 42
        assert level.erp_stamp_ms >= held.erp_stamp_ms
        # What happened meanwhile was listed once, and its lines were read once; nothing more is to be told.
        assert w.wire.count("POST", "suiteql") < 20
        await w.clock.sleep(30)
        before = len(w.wire.sent)
        events, _ = await w.pull("transactions", cursor)
        assert len(w.wire.sent) - before <= 7 and not w.sim.ledger.breaches

    run(story, sim={"suiteql_ms": (1_000.0, 1_000.0)})


@pytest.mark.parametrize(("name", "rounds"), [("shop-{}", delta.ROUNDS_MAX), (None, 1)])
def test_a_read_ends_though_orders_are_put_all_the_time(name, rounds):
    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 400)
        _, cursor = await w.pull("transactions")
        await w.clock.sleep(60)
        w.sim.receive("21730", w.place, 5)
        made: list[int] = []

        def put(request: Request) -> None:
            if reads_levels(request):
                key = name and name.format(len(made))
                made.append(w.sim.enter_order([("21730", w.place, 1, Decimal(10))], external_id=key))

        w.wire.replace = put
        pages = [page async for page in w.system.source.poll("transactions", cursor)]
        # Orders that are nobody's of ours are subtracted nowhere, so nothing is read again for them.
        assert len(made) == len(pages) == rounds
        assert [page.last for page in pages] == [False] * (rounds - 1) + [True]
        # Each tells up to when all is known, so that a read that goes on does not make what it told seem old.
        covered = [cursor.covers_ms, *(page.cursor.covers_ms for page in pages)]
        assert covered == sorted(set(covered))
        # One who is killed on any of them goes on from there.
        w.wire.replace = lambda _: None
        for page in pages:
            told = w.changes((await w.pull("transactions", page.cursor, w.open()))[0])
            known = {c.key for c in told if c.kind is Kind.ERP_ORDER}
            assert name is None or f"shop-{rounds - 1}" in known

    run(story, sim={"suiteql_ms": (1_000.0, 1_000.0)})


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


def test_a_shipment_of_more_parcels_than_a_page_keeps_them_all(monkeypatch):
    monkeypatch.setattr(client, "PAGE_MAX", 3)
    monkeypatch.setattr(delta, "PAGE_MAX", 3)
    parcels = tuple(f"1Z-{n}" for n in range(7))

    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 40)
        (shipment,) = w.sim.ship(await place(w), tracking=parcels[0])
        w.sim.documents.track(w.sim.account.txns[shipment], [(number, None) for number in parcels])
        changes = w.changes((await w.pull("transactions"))[0])
        assert [c.value.tracking for c in changes if c.kind is Kind.SHIPMENT] == [parcels]

    run(story)


@pytest.mark.parametrize("refused", [False, True])
def test_a_parcel_tells_what_is_not_stocked_too(refused):
    async def story(w: World) -> None:
        w.sim.opening_balance("21730", w.place, 40)
        card = w.sim.add_item("CARD", "Card", "1", kind="NonInvtPart", fields={"isFulfillable": True})

        def no_such_column(request: Request) -> Response | None:
            if not refused or b"kitcomponent" not in request.body:
                return None
            body = b'{"status":400,"o:errorDetails":[{"detail":"Invalid or unsupported search."}]}'
            return Response(400, {}, body)

        w.wire.replace = no_such_column
        _, cursor = await w.pull("transactions")
        placed = order(line("a", "21730", 3, "10.00"), line("b", "CARD", 2, "1.00"))
        items = (
            OrderItem("a", str(w.item), "21730", str(w.place), 3),
            OrderItem("b", str(card), "CARD", str(w.place), 2),
        )
        outcome = await w.do("put_order", PutOrder("shop-1001", placed, items))
        number = int(outcome.facts["external_id"])
        assert w.sim.ship(number, tracking="T1") and w.sim.order(number).status == "F"
        await w.clock.sleep(60)
        events, cursor = await w.pull("transactions", cursor)
        (parcel,) = [c.value for c in w.changes(events) if c.kind is Kind.SHIPMENT]
        assert [(x.sku, x.quantity) for x in parcel.lines] == [("21730", 3), ("CARD", 2)]
        # A column that is refused is not asked for again.
        before = sum(b"kitcomponent" in request.body for request in w.wire.sent)
        await w.clock.sleep(60)
        w.sim.receive("21730", w.place, 1)
        await w.pull("transactions", cursor)
        assert (sum(b"kitcomponent" in request.body for request in w.wire.sent) == before) is refused
        assert not w.sim.ledger.breaches

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


def test_a_full_read_of_items_names_those_that_it_leaves_out():
    async def story(w: World) -> None:
        first = [page async for page in w.system.source.poll("items", None)]
        told = {change.key for change in w.changes([e for page in first for e in page.events])}
        assert told and not any(page.present for page in first)
        again = [page async for page in w.system.source.poll("items", None)]
        assert not any(page.events for page in again)
        assert {(Kind.ITEM, key) for key in told} == {name for page in again for name in page.present}

    run(story)
