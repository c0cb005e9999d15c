"""What checkouts hold, for people: the page, the list, who releases another's hold; and stock given back."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from tests.web.support import MINUTE, NOW_MS, SKUS, Client, hold_some, make_site, recover_some

from syncline.engine.held import HeldAt
from syncline.engine.operations import NotPossible
from syncline.model.change import Flow
from syncline.web.access import Role


@pytest.fixture
async def site():
    made = await make_site()
    await hold_some(made.engine)
    return made


def client(site, role):
    return Client(site.app, site.tokens[role])


async def acts(site):
    entries = await site.operations.audit.newest(limit=20)
    return [(e.actor, e.action, e.subject, e.before) for e in entries if e.action == "release hold"]


# --- holds ---------------------------------------------------------------------------------------------


async def test_open_holds_are_listed_with_who_what_and_until_when(site):
    rows = (await client(site, "viewer").get("/v1/holds")).json()
    assert [(r["reference"], r["sku"], r["units"], r["location"]) for r in rows] == [
        ("cart-81f3", "CAP-BLK", 2, ""),
        ("cart-81f3", "TEE-RED-M", 1, "L1"),
        ("till-0042", "SOCK-42", 12, "L2"),
        ("cart-2c07", "CAP-BLK", 3, ""),
    ]
    first, paid = rows[0], rows[-1]
    assert (first["made_by"], first["created_at_ms"]) == ("checkout-app", NOW_MS)
    assert (first["confirmed"], first["expires_at_ms"]) == (False, NOW_MS + 15 * MINUTE)
    assert (paid["confirmed"], paid["order"]) == (True, "#1043")
    by_sku = (await client(site, "viewer").get("/v1/holds?sku=SOCK-42&channel=shop")).json()
    assert [row["reference"] for row in by_sku] == ["till-0042"]
    assert (await client(site, "viewer").get("/v1/holds?channel=market")).json() == []


async def test_the_status_sums_up_what_is_held_and_what_was_refused(site):
    held = (await client(site, "viewer").get("/v1/status")).json()["holds"]
    assert held == [
        {
            "channel": "shop",
            "open": 2,
            "confirmed": 1,
            "units": 18,
            "oldest_ms": NOW_MS,
            "refused": {"not_enough": 3},
        }
    ]


async def test_a_refused_request_is_counted_for_its_channel_and_no_made_up_one(site):
    till = Client(site.app, await site.access.add("till", Role.CHECKOUT, by="test"))
    cart = {"reference": "c", "channel": "shop", "lines": [{"sku": SKUS[0], "quantity": 900}]}
    assert (await till.post("/v1/holds", cart)).status == 409
    assert (await till.post("/v1/holds", {**cart, "channel": "x" * 40})).status == 422
    assert dict(site.engine.holds.refused) == {("shop", "not_enough"): 4}
    text = (await client(site, "viewer").get("/metrics")).text
    assert 'syncline_holds_refused_total{channel="shop",reason="not_enough"} 4.0' in text
    assert 'syncline_holds{channel="shop",state="confirmed"} 1.0' in text
    assert 'syncline_held_units{channel="shop"} 18.0' in text


async def test_the_page_shows_each_hold_and_only_an_operator_may_release(site):
    for role, buttons in (("viewer", 0), ("operator", 3)):
        text = (await client(site, role).get("/holds")).text
        assert text.count("Yes, release it") == buttons
        assert "cart-81f3" in text and "by checkout-app" in text and "paid, waits for order #1043" in text
        assert "3 not enough" in text
    text = (await client(site, "viewer").get("/holds?sku=SOCK-42")).text
    assert "till-0042" in text and "cart-81f3" not in text
    assert "Nothing of this is held" in (await client(site, "viewer").get("/holds?channel=nowhere")).text
    empty = await make_site()
    assert "Nothing is held." in (await client(empty, "viewer").get("/holds")).text


async def test_who_releases_a_hold_is_recorded_and_its_units_are_free(site):
    operator = client(site, "operator")
    before = (await operator.get("/v1/availability?sku=CAP-BLK&channel=shop")).json()[0]["quantity"]
    answer = await operator.ask(
        "POST",
        "/holds/release",
        body=urlencode({"reference": "cart-81f3"}).encode(),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert (answer.status, answer.headers["location"]) == (303, "/holds?done=hold")
    assert await acts(site) == [("Otto", "release hold", "cart-81f3 at shop", "3 units held")]
    after = (await operator.get("/v1/availability?sku=CAP-BLK&channel=shop")).json()[0]["quantity"]
    assert after - before == 2
    rows = (await operator.get("/v1/holds")).json()
    assert {row["reference"] for row in rows} == {"till-0042", "cart-2c07"}
    dirty = {row[0] for row in await site.store.read("dirty", now_ms=NOW_MS, limit=9)}
    assert {"CAP-BLK", "TEE-RED-M"} <= dirty


async def test_a_hold_that_ended_is_not_released_twice_nor_recorded(site):
    assert (await site.operations.release_hold("cart-2c07", by="Otto")).count == 3
    assert (await site.operations.release_hold("cart-2c07", by="Ada")).count == 0
    assert await acts(site) == [
        ("Otto", "release hold", "cart-2c07 at shop", "3 units paid for, order awaited")
    ]
    with pytest.raises(NotPossible, match="no hold 'nothing'"):
        await site.operations.release_hold("nothing", by="Otto")


async def test_two_people_at_once_release_it_once(site, monkeypatch):
    read = site.store.read

    async def late(statement, **parameters):
        rows = await read(statement, **parameters)
        if statement == "holds_get" and not await acts(site):
            monkeypatch.setattr(site.store, "read", read)
            await site.operations.release_hold("cart-81f3", by="Ada")
        return rows

    monkeypatch.setattr(site.store, "read", late)
    assert (await site.operations.release_hold("cart-81f3", by="Otto")).count == 0
    assert [actor for actor, *_ in await acts(site)] == ["Ada"]


async def test_a_till_gives_back_its_own_and_an_operator_is_named_over_the_api_too(site):
    till = Client(site.app, await site.access.add("till", Role.CHECKOUT, by="test"))
    assert (await till.post("/v1/holds/till-0042/release")).json()["state"] == "released"
    assert await acts(site) == []
    for _ in range(2):
        told = await client(site, "operator").post("/v1/holds/cart-2c07/release")
        assert (told.status, told.json()["state"]) == (200, "released")
    assert [act[0] for act in await acts(site)] == ["Otto"]
    assert (await client(site, "operator").post("/v1/holds/none/release")).status == 404


async def test_a_channel_that_only_refused_is_told_as_well(site):
    site.engine.holds.refused["erp", "unknown_channel"] += 1
    status = (await client(site, "viewer").get("/v1/status")).json()
    assert status["holds"][0] == {
        "channel": "erp", "open": 0, "confirmed": 0, "units": 0, "oldest_ms": None, "refused": {"unknown_channel": 1},
    }  # fmt: skip
    assert HeldAt(**status["holds"][0]).refused


# --- stock given back ----------------------------------------------------------------------------------


async def test_stock_given_back_is_on_the_overview_in_the_api_and_a_metric():
    site = await make_site()
    viewer = client(site, "viewer")
    assert "Stock given back</h2>" not in (await viewer.get("/")).text
    await recover_some(site.engine)
    site.app.site.snapshots.forget()
    text = (await viewer.get("/")).text
    assert "Stock given back</h2>" in text
    assert "180<span> units, 2,410 EUR</span>" in text
    assert "12 of these units have no known price" in text
    assert text.count('class="course"') == 1
    route = site.engine.routes.of(Flow.INVENTORY)[0].name
    query = urlencode({"route": route})
    history = (await viewer.get(f"/v1/recovered?{query}")).json()
    assert len(history) == 168
    assert history[-1]["units"] == 180 and history[-1]["money"] == {"EUR": "2410.50"}
    late = (await viewer.get(f"/v1/recovered?{query}&since_ms={history[-2]['at_ms']}")).json()
    assert late == history[-2:]
    assert (await viewer.get("/v1/recovered?route=none")).json() == []
    metrics = (await viewer.get("/metrics")).text
    assert f'syncline_recovered_units{{route="{route}"}} 180.0' in metrics
    assert f'syncline_recovered_money{{currency="EUR",route="{route}"}} 2410.5' in metrics
    assert f'syncline_auto_buffer_units{{route="{route}"}} 14.0' in metrics
    assert 'syncline_skus{velocity="low"} 3.0' in metrics
