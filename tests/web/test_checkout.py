"""Holds over HTTP: what is asked and answered, who may, and races for the last unit."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import httpx
import pytest
from tests.conformance.postgres_server import NoServerError, PostgresServer
from tests.web.support import NOW_MS, Client, make_site, record

from syncline.engine.rewind import Mark
from syncline.engine.routes import stock_key
from syncline.model.change import Kind
from syncline.model.records import Item, StockLevel
from syncline.ports import Write
from syncline.stores.sqlite import LiveSqliteStore
from syncline.web.access import Role
from syncline.web.serve import Listener

CART = {"reference": "cart-1", "channel": "shop", "lines": [{"sku": "CAP-BLK", "quantity": 2}]}
BUYERS = 8
RACES = 300


@pytest.fixture
async def site():
    return await make_site()


@pytest.fixture
async def till(site):
    return Client(site.app, await site.access.add("till", Role.CHECKOUT, by="test"))


async def test_a_cart_is_held_confirmed_and_met_by_its_order(site, till):
    held = await till.post("/v1/holds", CART)
    assert held.status == 200
    told = held.json()
    assert told["state"] == "open"
    assert told["expires_at_ms"] == NOW_MS + 900_000
    assert told["lines"] == [{"sku": "CAP-BLK", "location": "", "asked": 2, "held": 2}]
    assert (await till.post("/v1/holds", CART)).json() == told
    assert (await till.get("/v1/holds/cart-1")).json() == told
    confirmed = (await till.post("/v1/holds/cart-1/confirm", {"order": "#2001"})).json()
    assert (confirmed["state"], confirmed["order"]) == ("confirmed", "#2001")
    released = [(await till.post("/v1/holds/cart-1/release")).json()["state"] for _ in range(2)]
    assert released == ["released", "released"]
    late = await till.post("/v1/holds/cart-1/confirm")
    assert (late.status, late.json()["error"]["code"]) == (409, "released")


async def test_nothing_is_promised_while_a_restored_store_is_catching_up(site, till):
    site.engine.rewind.mark = Mark(NOW_MS)
    answer = await till.post("/v1/holds", CART)
    assert (answer.status, answer.json()["error"]["code"]) == (503, "restored")
    site.engine.rewind.mark = Mark(NOW_MS, caught_up=True)
    assert (await till.post("/v1/holds", CART)).status == 200


async def test_availability_tells_quantity_places_age_and_bound(till):
    before = (await till.get("/v1/availability?sku=CAP-BLK&sku=MUG-01&sku=CAP-BLK&channel=shop")).json()
    assert [one["sku"] for one in before] == ["CAP-BLK", "MUG-01"]
    cap = before[0]
    assert cap["quantity"] == 276  # a buffer of two of 278
    assert cap["locations"] == [{"location": "L1", "quantity": 139}, {"location": "L2", "quantity": 139}]
    assert cap["as_of_ms"] == NOW_MS - 60_000
    assert cap["age_ms"] == 60_000
    assert cap["bound_ms"] is None or cap["bound_ms"] > 0
    await till.post("/v1/holds", {**CART, "lines": [{"sku": "CAP-BLK", "quantity": 100, "location": "L2"}]})
    (after,) = (await till.get("/v1/availability?sku=CAP-BLK&channel=shop")).json()
    assert after["quantity"] == 176
    assert [place["quantity"] for place in after["locations"]] == [139, 39]


@pytest.mark.parametrize(
    ("changes", "status", "code", "names"),
    [
        ({"lines": [{"sku": "CAP-BLK", "quantity": 279}]}, 409, "not_enough", "lines[0]"),
        ({"lines": [{"sku": "NONE", "quantity": 1}]}, 422, "unknown_sku", "lines[0].sku"),
        (
            {"lines": [{"sku": "CAP-BLK", "quantity": 1, "location": "X"}]},
            422,
            "unknown_location",
            "location",
        ),
        ({"channel": "erp"}, 422, "unknown_channel", "channel"),
        ({"lines": []}, 400, "bad_request", "lines"),
        ({"lines": [{"sku": "CAP-BLK", "quantity": 1}] * 101}, 400, "bad_request", "lines"),
        ({"lines": [{"sku": "CAP-BLK", "quantity": 0}]}, 400, "bad_request", "quantity"),
        ({"lines": [{"sku": "CAP-BLK", "quantity": 1_000_001}]}, 400, "bad_request", "quantity"),
        ({"lines": [{"sku": "CAP-BLK", "quantity": 1.5}]}, 400, "bad_request", "quantity"),
        ({"expires_in_s": 9}, 400, "bad_request", "expires_in_s"),
        ({"expires_in_s": 86_401}, 400, "bad_request", "expires_in_s"),
        ({"reference": "a/b"}, 400, "bad_request", "reference"),
        ({"reference": ""}, 400, "bad_request", "reference"),
        ({"order": "x" * 101}, 400, "bad_request", "order"),
        ({"shop": "x"}, 400, "bad_request", "shop"),
    ],
)
async def test_what_cannot_be_held_says_which_field_and_what_to_do(till, changes, status, code, names):
    answer = await till.post("/v1/holds", {**CART, **changes})
    assert answer.status == status
    error = answer.json()["error"]
    assert error["code"] == code
    assert names in error["message"]
    assert error["mend"]
    assert (await till.get("/v1/holds/cart-1")).status == 404


async def test_a_reference_is_not_used_for_another_cart(till):
    await till.post("/v1/holds", CART)
    answer = await till.post("/v1/holds", {**CART, "lines": [{"sku": "CAP-BLK", "quantity": 3}]})
    assert (answer.status, answer.json()["error"]["code"]) == (409, "reference_taken")


async def test_a_body_has_a_limit(till):
    answer = await till.post("/v1/holds", b" " * (64 * 1024 + 1))
    assert answer.status == 413


async def test_only_a_checkout_may_hold(site, till):
    await till.post("/v1/holds", CART)
    viewer, nobody = Client(site.app, site.tokens["viewer"]), Client(site.app)
    for path in ("/v1/holds", "/v1/holds/cart-1/confirm", "/v1/holds/cart-1/release"):
        assert (await viewer.post(path, CART)).status == 403
        assert (await nobody.post(path, CART)).status == 401
    assert (await viewer.get("/v1/holds/cart-1")).status == 200
    assert (await viewer.get("/v1/availability?sku=CAP-BLK&channel=shop")).status == 200
    assert (await till.post("/v1/replay", {"sku": "CAP-BLK"})).status == 403


async def test_unknown_things_are_said_to_be_unknown(till):
    for path, status in (
        ("/v1/availability?sku=NONE&channel=shop", 422),
        ("/v1/availability?sku=CAP-BLK&channel=none", 422),
        ("/v1/availability?channel=shop", 422),
        ("/v1/holds/none", 404),
    ):
        assert (await till.get(path)).status == status
    assert (await till.post("/v1/holds/none/release")).status == 404
    assert (await till.post("/v1/holds/none/confirm", {"order": "1"})).status == 404
    assert (await till.post("/v1/holds/none/confirm", {"ordre": "1"})).status == 400


async def test_a_note_of_a_late_confirmation_can_be_discarded_but_not_sent(site, till):
    await till.post("/v1/holds", {**CART, "lines": [{"sku": "MUG-01", "quantity": 2}]})
    site.clock.at_ms += 900_000
    await till.post("/v1/holds", {**CART, "reference": "cart-2", "lines": [{"sku": "MUG-01", "quantity": 1}]})
    late = await till.post("/v1/holds/cart-1/confirm", {"order": "2001"})
    assert (late.status, late.json()["error"]["code"]) == (409, "expired")
    operator = Client(site.app, site.tokens["operator"])
    (note,) = (await operator.get("/v1/parked")).json()
    assert note["reason"] == "late_capture"
    assert not note["can_release"]
    assert (await operator.post(f"/v1/parked/{note['id']}/release")).status == 422
    assert (await operator.post(f"/v1/parked/{note['id']}/discard")).status == 200


async def test_an_explanation_names_what_is_held(site, till):
    await till.post("/v1/holds", CART)
    viewer = Client(site.app, site.tokens["viewer"])
    (told,) = (await viewer.get("/v1/explain?sku=CAP-BLK&channel=shop")).json()
    steps = {step["label"]: step["value"] for step in told["steps"]}
    assert steps["Held in a checkout: cart-1"] == "− 2"


# --- races -------------------------------------------------------------------------------------------------


async def race(store) -> None:
    """Eight buyers at once for each of some last units, through real sockets."""
    site = await make_site(store=store, seeded=False)
    skus = [f"LAST-{n}" for n in range(RACES)]
    rows = [
        record(name, Kind.ITEM, sku, Item(sku, sku, sku), NOW_MS) for sku in skus for name in ("erp", "shop")
    ]
    for sku in skus:
        there = Decimal(4)  # one is kept back at the location, two are the channel's buffer
        level = StockLevel(sku, "1", there, there, Decimal(0), NOW_MS, NOW_MS)
        rows.append(record("erp", Kind.STOCK, stock_key(sku, "1"), level, NOW_MS))
    await store.write(Write("record_put", rows))
    await site.engine.catalog.load(site.engine.systems)
    token = await site.access.add("till", Role.CHECKOUT, by="test")
    listener = Listener(site.app, "127.0.0.1", 0)
    listener.start()
    try:
        async with httpx.AsyncClient(
            base_url=listener.url,
            headers={"authorization": f"Bearer {token}"},
            limits=httpx.Limits(max_connections=4 * BUYERS),
            timeout=120,
        ) as client:

            async def buy(sku: str, buyer: int) -> int:
                cart = {
                    "reference": f"{sku}.{buyer}",
                    "channel": "shop",
                    "lines": [{"sku": sku, "quantity": 1}],
                }
                return (await client.post("/v1/holds", json=cart)).status_code

            async def compete(sku: str) -> list[int]:
                return sorted(await asyncio.gather(*(buy(sku, buyer) for buyer in range(BUYERS))))

            for first in range(0, RACES, 4):
                answers = await asyncio.gather(*map(compete, skus[first : first + 4]))
                assert answers == [[200] + [409] * (BUYERS - 1)] * len(answers)
            left = await site.engine.holds.availability("shop", skus[:100])
            assert [one.quantity for one in left] == [0] * 100
    finally:
        site.app.stop()
        await listener.stop()


async def test_one_buyer_gets_the_last_unit_in_sqlite(tmp_path):
    store = await LiveSqliteStore.open(str(tmp_path / "race.sqlite"), now_ms=NOW_MS)
    try:
        await race(store)
    finally:
        await store.close()


@pytest.mark.postgres
async def test_one_buyer_gets_the_last_unit_in_postgresql():
    postgres = pytest.importorskip("syncline.stores.postgres", reason="the postgres extra is not installed")
    try:
        server = PostgresServer()
    except NoServerError as error:
        pytest.skip(str(error))
    try:
        store = await postgres.PostgresStore.open(server.dsn, now_ms=NOW_MS)
        try:
            await race(store)
        finally:
            await store.close()
    finally:
        server.close()
