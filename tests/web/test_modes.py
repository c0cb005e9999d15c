"""Pausing, resuming, shadow and live: who may, what is recorded, what the status and the pages say."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import urlencode

import pytest
from tests.web.support import MINUTE, NOW_MS, SERVER_SECRET, Client, make_site

from syncline.engine import shadow as shadow_module
from syncline.engine.delivery.stops import Difference
from syncline.engine.inquiry import explain
from syncline.engine.modes import Stop
from syncline.engine.operations import NotPossible
from syncline.engine.status import status
from syncline.model.change import Event, Via
from syncline.model.delivery import Operation
from syncline.model.errors import Misconfigured
from syncline.ports import Write
from syncline.web.serve import Service, _into_shadow

STOCK, ORDERS, SHIPMENTS = "inventory:erp->shop", "orders:shop->erp", "order_status:erp->shop"


@pytest.fixture
async def site():
    return await make_site()


def client(site, role="operator"):
    return Client(site.app, site.tokens[role])


async def act(site, action, body, role="operator"):
    return await client(site, role).post(f"/v1/{action}", body)


async def wait_for(
    site, *keys, due_ms=10_000, ago_ms=150_000, route=ORDERS, system="erp", operation="put_order"
):
    """Deliveries that wait since a while."""
    at_ms = site.clock.now_ms() - ago_ms
    rows = [
        {
            "system": system, "operation": operation, "key": key, "route": route, "changed_at_ms": at_ms,
            "deliver_by_ms": at_ms + due_ms, "not_before_ms": at_ms, "now_ms": at_ms,
        }
        for key in keys
    ]  # fmt: skip
    await site.store.write(Write("delivery_fact", rows))


def route_of(seen, name):
    return next(route for route in seen.routes if route.name == name)


# --- the switches --------------------------------------------------------------------------------------


async def test_a_pause_lasts_is_audited_and_ends(site):
    await wait_for(site, "1\x1f1", "2\x1f1")
    done = (await act(site, "pause", {"subject": ORDERS, "reason": "stocktaking"})).json()
    assert done == {"message": f"{ORDERS} is paused.", "count": 2}
    assert site.engine.modes.stop_of(ORDERS) is Stop.PAUSED
    assert (await client(site, "viewer").get("/v1/modes")).json() == [
        {
            "subject": ORDERS, "mode": "paused", "since_ms": NOW_MS, "until_ms": None, "by": "Otto",
            "reason": "stocktaking",
        }
    ]  # fmt: skip
    again = await act(site, "pause", {"subject": ORDERS})
    assert again.status == 409 and "paused already" in again.json()["error"]["message"]
    site.clock.at_ms += 5_000
    assert (await act(site, "resume", {"subject": ORDERS})).json()["count"] == 2
    assert site.engine.modes.stop_of(ORDERS) is Stop.NONE
    not_so = await act(site, "resume", {"subject": ORDERS})
    assert not_so.status == 409 and "is not paused" in not_so.json()["error"]["message"]
    entries = [e for e in await site.operations.audit.newest(limit=9) if e.subject == ORDERS]
    assert [(e.actor, e.action, e.before, e.after) for e in entries] == [
        ("Otto", "resume", "paused by Otto for 5 s", ""),
        ("Otto", "pause", "sends", "paused: stocktaking"),
    ]


async def test_only_an_operator_may_and_a_refusal_is_recorded(site):
    for action, body in (
        ("pause", {"subject": STOCK}),
        ("resume", {"subject": STOCK}),
        ("shadow", {"route": STOCK}),
        ("live", {"route": STOCK}),
    ):
        assert (await act(site, action, body, "viewer")).status == 403
    assert site.engine.modes.all == ()
    assert (await site.operations.audit.newest(limit=1))[0].action == "refused"


async def test_a_flow_that_one_route_has_names_it_and_what_nothing_is_called_is_refused(site):
    assert (await act(site, "shadow", {"route": "orders"})).status == 200
    assert site.engine.modes.in_shadow() == [ORDERS]
    wrong = await act(site, "pause", {"subject": "ordres"})
    assert wrong.status == 404 and ORDERS in wrong.json()["error"]["mend"]
    system = await act(site, "shadow", {"route": "shop"})
    assert system.status == 404 and "no route 'shop'" in system.json()["error"]["message"]


async def test_a_resumed_route_says_what_still_stops_it(site):
    await site.switches.pause("shop", by="Ada")
    await site.switches.pause(STOCK, by="Ada")
    await site.switches.shadow([SHIPMENTS], by="Ada")
    await site.switches.pause(SHIPMENTS, by="Ada")
    assert "while the system is paused" in (await site.switches.resume(STOCK, by="Ada")).message
    assert "as soon as its pause ends" in (await site.switches.live(SHIPMENTS, by="Ada")).message
    await site.switches.resume("shop", by="Ada")
    await site.switches.shadow([SHIPMENTS], by="Ada")
    assert "stays in shadow" in (await site.switches.resume(SHIPMENTS, by="Ada")).message


async def test_all_routes_go_into_shadow_and_those_that_are_stay(site):
    assert (await site.switches.shadow([ORDERS], by="Ada")).count == 1
    done = await site.switches.shadow([], by="run --shadow")
    assert done.count == 2 and ORDERS not in done.message
    assert (await site.switches.shadow([], by="run --shadow")).message.startswith("Nothing more is in shadow")
    with pytest.raises(NotPossible):
        await site.switches.shadow([ORDERS], by="Ada")
    site.engine.lanes["shop"].stops.sending[STOCK] = 1
    await site.switches.live(STOCK, by="Ada")
    assert "1 write under way still ends." in (await site.switches.shadow([STOCK], by="Ada")).message


async def test_a_pause_is_there_after_a_restart(site):
    await site.switches.pause("shop", by="Ada")
    again = await make_site(store=site.store, seeded=False, accounts=False)
    assert again.engine.modes.all == ()
    await again.engine.mode_watch.refresh()
    assert again.engine.modes.stop_of(STOCK) is Stop.PAUSED


# --- what the status says ------------------------------------------------------------------------------


async def test_the_verdict_says_what_is_paused_by_whom_since_when_and_how_much_waits(site):
    await wait_for(site, "1\x1f1", "2\x1f1", "3\x1f1")
    assert (await status(site.engine, NOW_MS)).verdict == "late"
    await site.switches.pause(ORDERS, reason="stocktaking", by="Ada")
    site.clock.at_ms += 5_000
    seen = await status(site.engine, site.clock.now_ms())
    assert (seen.verdict, seen.reason) == (
        "attention",
        "Orders from shop to erp: paused by Ada 5 s ago (stocktaking).",
    )
    assert "3 changes wait, 3 past the deadline" in seen.mend
    route = route_of(seen, ORDERS)
    assert (route.state, route.late, route.late_apart, route.pending) == ("paused", 0, 3, 3)
    assert [problem.where for problem in seen.problems if problem.declared] == [ORDERS]


async def test_a_paused_system_stops_every_route_to_it(site):
    await wait_for(site, "1\x1fL1", route=STOCK, system="shop", operation="set_stock", due_ms=MINUTE)
    await site.switches.pause("shop", by="Ada")
    seen = await status(site.engine, NOW_MS)
    assert [route.name for route in seen.routes if route.state == "paused"] == [STOCK, SHIPMENTS]
    lane = next(lane for lane in seen.lanes if lane.system == "shop")
    assert (lane.state, lane.paused.by) == ("paused", "Ada")
    assert seen.reason == "shop was paused by Ada 0 ms ago: nothing is sent to it."
    assert "1 change for it waits" in seen.mend


async def test_what_a_pause_made_late_is_told_apart_until_it_is_out(site):
    await site.switches.pause(ORDERS, by="Ada")
    site.clock.at_ms += 60_000
    await wait_for(site, "1\x1f1", ago_ms=30_000)
    await site.switches.resume(ORDERS, by="Ada")
    site.clock.at_ms += 20_000
    await wait_for(site, "2\x1f1", ago_ms=15_000)  # changed after the pause, and late by itself
    route = route_of(await status(site.engine, site.clock.now_ms()), ORDERS)
    assert (route.late, route.late_apart, route.state) == (1, 1, "late")


async def test_lags_of_a_pause_are_no_broken_promise(site):
    before = route_of(await status(site.engine, NOW_MS), ORDERS).lags
    await site.switches.pause(ORDERS, by="Ada")
    site.clock.at_ms += 10 * MINUTE
    await site.switches.resume(ORDERS, by="Ada")
    site.clock.at_ms += 2_000
    now = site.clock.now_ms()
    rows = [{"route": ORDERS, "key": f"{n}", "lag_ms": 300_000, "kept": 0, "now_ms": now} for n in range(30)]
    await site.store.write(Write("lag_put", rows))
    seen = await status(site.engine, now)
    lags = route_of(seen, ORDERS).lags
    assert lags.apart == 30 and lags.max_ms < 300_000 and lags.p99_ms < 300_000
    assert lags.delivered > 30 and lags.kept_share == lags.kept / (lags.delivered - 30)
    assert lags.kept_share > 0.9 and before.kept_share is not None
    text = (await client(site, "viewer").get("/metrics")).text
    assert 'syncline_late_by_mode_last_hour{route="orders:shop->erp"} 30.0' in text


async def test_metrics_say_what_is_stopped(site):
    await site.switches.pause(ORDERS, by="Ada")
    await site.switches.shadow([STOCK], by="Ada")
    site.app.site.snapshots.forget()
    text = (await client(site, "viewer").get("/metrics")).text
    assert 'syncline_route_stopped{mode="paused",route="orders:shop->erp"} 1.0' in text
    assert 'syncline_route_stopped{mode="shadow",route="inventory:erp->shop"} 1.0' in text
    assert 'syncline_route_stopped{mode="shadow",route="orders:shop->erp"} 0.0' in text


# --- shadow --------------------------------------------------------------------------------------------


def hold_back(site, key, size, *, since_ms=0, route=STOCK, system="shop", operation="set_stock"):
    """A difference, as a lane found it."""
    since_ms = NOW_MS - since_ms
    row = (key, route, "available", 1, since_ms, since_ms + 1_000, since_ms, 0, "")
    difference = Difference("9", "5", Decimal(size), "", NOW_MS)
    site.engine.lanes[system].stops.put(operation, row, difference)


async def shadow(site, query=""):
    return (await client(site, "viewer").get(f"/v1/shadow{query}")).json()


async def test_differences_are_listed_newest_or_largest_first_by_route(site):
    await site.switches.shadow([], by="Ada")
    hold_back(site, "MUG-01\x1fL1", 3, since_ms=1_000)
    hold_back(site, "TEE-RED-M\x1fL1", 8, since_ms=9_000)
    hold_back(site, "551042\x1f1", 40, since_ms=5_000, route=ORDERS, system="erp", operation="put_order")
    told = await shadow(site)
    assert told["total"] == 3 and {route["name"]: route["waiting"] for route in told["routes"]} == {
        STOCK: 2, ORDERS: 1, SHIPMENTS: 0,
    }  # fmt: skip
    assert [one["key"].partition("\x1f")[0] for one in told["differences"]] == [
        "MUG-01",
        "551042",
        "TEE-RED-M",
    ]
    largest = await shadow(site, "?order=largest")
    assert [one["size"] for one in largest["differences"]] == ["40", "8", "3"]
    of_stock = await shadow(site, f"?{urlencode({'route': STOCK})}")
    assert of_stock["total"] == 2 and len(of_stock["routes"]) == 1
    first = of_stock["differences"][0]
    assert (first["there"], first["computed"], first["title"]) == ("9", "5", "show a stock number")
    assert (await client(site, "viewer").get("/v1/shadow?order=oldest")).status == 400


async def test_each_difference_says_what_caused_it(site):
    await site.switches.shadow([], by="Ada")
    logged = [
        Event("erp", "stock", "a", Via.POLL, NOW_MS, b"{}"),
        Event("shop", "orders", "b", Via.EVENT, NOW_MS, b"{}"),
    ]
    offsets = await site.store.append(logged, received_at_ms=NOW_MS)
    records = [
        ("erp", "stock", "MUG-01\x1f1", offsets[0], NOW_MS - 500),
        ("erp", "stock", "CAP-BLK\x1f1", offsets[0], NOW_MS - 9_000),
        ("shop", "order", "551042", offsets[1], NOW_MS - 400),
    ]
    for system, kind, key, offset, changed_ms in records:
        (row,) = await site.store.read("records_get", system=system, kind=kind, keys=[key])
        await site.store.write(
            Write(
                "record_put",
                [{
                    "system": system, "kind": kind, "key": key, "version": 2, "tiebreak": 0, "hash": "",
                    "changed_at_ms": changed_ms, "observed_at_ms": NOW_MS, "offset": offset, "body": row[4],
                }],
            )
        )  # fmt: skip
    hold_back(site, "MUG-01\x1fL1", 3, since_ms=500)
    hold_back(site, "CAP-BLK\x1fL1", 3, since_ms=1_000)  # its figure changed before that
    hold_back(site, "TEE-RED-M\x1fL1", 8, since_ms=450)  # ordered in the meantime
    hold_back(site, "SOCK-42\x1fL1", 1, since_ms=-60_000)
    hold_back(site, "551042\x1f1", 40, route=ORDERS, system="erp", operation="put_order")
    hold_back(site, "551042\x1fs9", 1, route=SHIPMENTS, operation="create_shipment")
    found = {one["key"]: one["cause"] for one in (await shadow(site))["differences"]}
    assert found == {
        "MUG-01\x1fL1": "erp's figure at 1, found by a read for changes",
        "CAP-BLK\x1fL1": "first write: this number was never written by Syncline",
        "TEE-RED-M\x1fL1": "order 551042 at shop, told by an event",
        "SOCK-42\x1fL1": "first write: this number was never written by Syncline",
        "551042\x1f1": "the order was told by an event",
        "551042\x1fs9": "the shipment was taken in",
    }
    site.clock.at_ms += 5 * MINUTE
    hold_back(site, "TEE-RED-M\x1fL1", 8, since_ms=-60_000)  # written before, and nothing changed since
    found = {one["key"]: one["cause"] for one in (await shadow(site))["differences"]}
    assert found["TEE-RED-M\x1fL1"] == "a rule, a hold, or the number at shop changed"


async def test_what_a_channel_holds_is_read_on_in_turns(site):
    reader = site.engine.shadow_reader
    assert await reader.step() == 0
    await site.switches.shadow([STOCK], by="Ada")
    hold_back(site, "SOCK-42\x1fL1", 3)
    assert await reader.step() == 5  # what differs, and all that was ever read
    rows = await site.store.read(
        "deliveries_get", system="shop", operation="read_stock",
        keys=["SOCK-42\x1fL1", "MUG-01\x1fL1", "TEE-RED-M\x1fL2"],
    )  # fmt: skip
    assert [row[1] for row in rows] == [STOCK] * 3
    await site.switches.pause("shop", by="Ada")
    assert await reader.step() == 0  # then not even a look is taken


async def test_the_reads_of_a_large_channel_go_round(site):
    await site.switches.shadow([STOCK], by="Ada")
    operations = site.engine.lanes["shop"].system.sink.operations
    operations["read_stock"] = Operation("read_stock", 1, reads_only=True)
    seen = [
        {"system": "shop", "key": f"K{n:02}\x1fL1", "held": 1, "rev": None, "exact": True, "now_ms": NOW_MS}
        for n in range(20)
    ]
    await site.store.write(Write("held_seen", seen))
    asked = [await site.engine.shadow_reader.step() for _ in range(4)]
    assert asked == [10, 10, 4, 10]


async def test_what_was_read_before_going_live_is_read_once_more(site):
    reader = site.engine.shadow_reader
    await site.switches.shadow([STOCK], by="Ada")
    site.clock.at_ms += MINUTE
    await site.switches.live(STOCK, by="Ada")
    since = site.clock.now_ms()
    keys = [f"{sku}\x1f{at}" for sku in ("MUG-01", "TEE-RED-M") for at in ("L1", "L2")]
    seen = {"system": "shop", "held": 1, "rev": None, "exact": True}
    await site.store.write(
        Write(
            "held_seen",
            [{**seen, "key": keys[0], "now_ms": since}, {**seen, "key": "X\x1felsewhere", "now_ms": 1}],
        )
    )
    await site.switches.pause(STOCK, by="Ada")
    assert await reader.step() == 0
    await site.switches.resume(STOCK, by="Ada")
    assert await reader.step() == 3  # not the one that was read since, nor what is not mapped
    await site.store.write(Write("held_seen", [{**seen, "key": key, "now_ms": since} for key in keys[:3]]))
    assert await reader.step() == 1  # what failed to be read
    assert [await reader.step() for _ in range(3)] == [1, 0, 0]  # and then it is not sold there any more
    await site.switches.shadow([STOCK], by="Ada")
    assert await reader.step() == 4
    site.clock.at_ms += MINUTE
    await site.switches.live(STOCK, by="Ada")
    assert await reader.step() == 4  # another time, another reading


async def test_a_large_channel_is_read_once_more_in_steps(site, monkeypatch):
    monkeypatch.setattr(shadow_module, "PAGE", 6)
    operations = site.engine.lanes["shop"].system.sink.operations
    operations["read_stock"] = Operation("read_stock", 1, reads_only=True)
    await site.switches.shadow([STOCK], by="Ada")
    seen = [
        {
            "system": "shop",
            "key": f"K{n:02}\x1fL1",
            "held": 1,
            "rev": None,
            "exact": True,
            "now_ms": NOW_MS - 1,
        }
        for n in range(20)
    ]
    await site.store.write(Write("held_seen", seen))
    site.clock.at_ms += MINUTE
    await site.switches.live(STOCK, by="Ada")
    asked = [await site.engine.shadow_reader.step() for _ in range(5)]
    assert asked == [6, 6, 6, 6, 0]


# --- pages ---------------------------------------------------------------------------------------------


async def test_the_pages_show_what_is_stopped_and_the_buttons_only_to_whom_they_serve(site):
    await site.switches.pause("shop", reason="<b>stocktaking</b>", by="Ada")
    await site.switches.shadow([STOCK], by="Ada")
    hold_back(site, "MUG-01\x1fL1", 3)
    for role, buttons in (("viewer", False), ("operator", True)):
        text = (await client(site, role).get("/")).text
        assert "paused by Ada" in text and "&lt;b&gt;stocktaking" in text and "<b>stocktaking" not in text
        assert ('action="/switch/resume"' in text) is buttons
        assert ('action="/switch/live"' in text) is buttons
        listed = (await client(site, role).get("/shadow")).text
        assert "MUG-01" in listed and "first write" in listed and "paused too" in listed
        assert ("Go live…" in listed) is buttons
    await site.switches.live(STOCK, by="Ada")
    assert "No route is in shadow" in (await client(site).get("/shadow")).text


async def test_a_switch_on_a_page_acts_under_the_persons_name_and_comes_back(site):
    person = await site.access.by_token(site.tokens["operator"])
    cookie = await site.access.log_in(person, site.tokens["operator"])
    browser = Client(site.app, cookie=cookie)
    csrf = site.access.csrf(await site.access.by_session(cookie))
    headers = {"content-type": "application/x-www-form-urlencoded"}

    async def press(action, **fields):
        body = urlencode({"csrf": csrf, **fields}).encode()
        return await browser.post(f"/switch/{action}", body, headers=headers)

    answer = await press("pause", subject=STOCK, reason="stocktaking", page="overview")
    assert (answer.status, answer.headers["location"]) == (303, "/?done=pause")
    assert "Paused. Reading goes on" in (await browser.get("/?done=pause")).text
    assert (await press("shadow", subject=STOCK, page="shadow")).headers["location"] == "/shadow?done=shadow"
    assert {(m.mode, m.by) for m in site.engine.modes.of_route(STOCK)} == {
        ("paused", "Otto"),
        ("shadow", "Otto"),
    }
    await press("resume", subject=STOCK)
    await press("live", subject=STOCK)
    assert site.engine.modes.of_route(STOCK) == ()
    assert (await press("explode", subject=STOCK)).status == 404
    assert (await press("live", subject=STOCK)).status == 409
    body = urlencode({"subject": STOCK}).encode()
    assert (await browser.post("/switch/pause", body, headers=headers)).status == 403
    assert person.name == "Otto"


async def test_a_start_in_shadow_declares_it_once_and_refuses_what_is_no_route(site):
    service = Service.build(site.engine, site.store, site.clock, secret=SERVER_SECRET, public_url="")
    assert "are in shadow: nothing is written" in await _into_shadow(service, [])
    assert site.engine.modes.in_shadow() == [route.name for route in site.engine.routes.all]
    assert {mode.by for mode in site.engine.modes.all} == {"syncline run --shadow"}
    assert "in shadow already" in await _into_shadow(service, [STOCK])
    with pytest.raises(Misconfigured, match=r"There is no route 'ordres'.*orders:shop->erp"):
        await _into_shadow(service, ["ordres"])


async def test_an_explanation_says_that_nothing_is_written(site):
    await site.switches.shadow([STOCK], by="Ada")
    (told,) = await explain(site.engine, "TEE-RED-M", "shop")
    assert told.sentence.endswith("Nothing is written there: the route is in shadow.")
    await site.switches.pause("shop", by="Ada")
    (told,) = await explain(site.engine, "TEE-RED-M", "shop")
    assert told.sentence.endswith("the route is paused.")
