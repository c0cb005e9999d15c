"""Prices over HTTP, and how a route of prices looks on the screen."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.web import support
from tests.web.support import NOW_MS, Client, FakeSink, FakeSource, make_site, record

from syncline.engine.derive.prices import price_key
from syncline.engine.routes import Route, Routes
from syncline.model.capabilities import Capabilities
from syncline.model.change import Flow, Kind
from syncline.model.pricing import Price, PriceEntry, PriceKind
from syncline.ports import PollStream, Write
from syncline.pricing.rules import OWN, ChannelList, PriceRules
from syncline.web.access import Role

RULES = PriceRules(
    (ChannelList(OWN, ("level:1",), "GBP"), ChannelList("7", ("level:2", "level:1"), "GBP")), decimals=2
)
QUESTION = {"channel": "shop", "lines": [{"sku": "CAP-BLK", "quantity": 12}], "customer": "107"}


def said(name: str, kind: PriceKind, amount: str, minimum: int = 1) -> dict:
    price = Price("CAP-BLK", name, kind, (PriceEntry(Decimal(amount), "GBP", Decimal(minimum)),))
    return record("erp", Kind.PRICE, price_key("CAP-BLK", name), price, NOW_MS - 60_000)


@pytest.fixture
async def site(monkeypatch):
    routes, systems = support.make_routes, support.make_systems

    def with_prices() -> Routes:
        return Routes([*routes().all, Route(Flow.PRICES, "erp", "shop", 3_600_000, prices=RULES)])

    def that_tell(clock):
        erp, shop = systems(clock)
        streams = (*erp.source.streams, PollStream("prices", (Flow.PRICES,), snapshot=True))
        sink = FakeSink((*shop.sink.operations, "set_price", "set_list_price"))
        able = replace(shop.capabilities, price_lists=True)
        assert isinstance(able, Capabilities)
        return [replace(erp, source=FakeSource("erp", streams)), replace(shop, sink=sink, capabilities=able)]

    monkeypatch.setattr(support, "make_routes", with_prices)
    monkeypatch.setattr(support, "make_systems", that_tell)
    made = await make_site()
    await made.store.write(
        Write(
            "record_put",
            [said("level:1", PriceKind.LIST, "10"), said("customer:107", PriceKind.CONTRACT, "8.125", 10)],
        )
    )
    return made


@pytest.fixture
async def till(site):
    return Client(site.app, await site.access.add("till", Role.CHECKOUT, by="test"))


async def test_a_cart_is_priced_with_its_rule_and_age(till):
    answer = await till.post("/v1/prices/query", QUESTION)
    assert answer.status == 200
    assert answer.json() == [
        {
            "sku": "CAP-BLK",
            "quantity": "12",
            "currency": "GBP",
            "price": "8.125",
            "kind": "contract",
            "price_list": "customer:107",
            "rule": "customer:107, from 10 on: contract counts first; beside level:1",
            "minimum": "10",
            "starts_ms": 0,
            "ends_ms": 0,
            "as_of_ms": NOW_MS - 60_000,
            "age_ms": 60_000,
            "bound_ms": 900_000,
            "live": False,
            "reason": "",
        }
    ]
    few = {**QUESTION, "lines": [{"sku": "CAP-BLK"}, {"sku": "NONE", "quantity": "2.5"}]}
    told = (await till.post("/v1/prices/query", few)).json()
    assert [(one["price"], one["quantity"], one["reason"]) for one in told] == [
        ("10", "1", ""),
        (None, "2.5", "unknown_sku"),
    ]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"channel": "till"}, 404, "unknown_channel"),
        ({"lines": []}, 400, "bad_request"),
        ({"lines": [{"sku": "A", "quantity": 0}]}, 422, "bad_quantity"),
        ({"lines": [{"sku": "A", "quantity": -1}]}, 422, "bad_quantity"),
        ({"lines": [{"sku": "A", "quantity": "NaN"}]}, 422, "bad_quantity"),
        ({"lines": [{"sku": "A", "quantity": 1_000_001}]}, 422, "bad_quantity"),
        ({"lines": [{"sku": "A"}] * 101}, 400, "bad_request"),
        ({"currency": "gbp"}, 400, "bad_request"),
        ({"at": "2026-11-27T08:00:00"}, 422, "no_offset"),
        ({"colour": "red"}, 400, "bad_request"),
        ({"lines": [{"sku": "A" * 100}] * 700}, 413, "too_large"),
    ],
)
async def test_what_makes_no_sense_is_refused(till, changes, status, code):
    answer = await till.post("/v1/prices/query", {**QUESTION, **changes})
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)


async def test_a_viewer_may_not_ask_and_a_moment_may_be_named(site, till):
    viewer = Client(site.app, site.tokens["vera" if "vera" in site.tokens else "viewer"])
    assert (await viewer.post("/v1/prices/query", QUESTION)).status == 403
    assert (
        await till.post("/v1/prices/query", {**QUESTION, "at": "2030-01-01T00:00:00+01:00"})
    ).status == 200


async def test_every_page_shows_a_route_of_prices(site):
    admin = Client(site.app, site.tokens["admin"])
    for path in ("/v1/status", "/v1/routes", "/v1/parked", "/metrics"):
        assert (await admin.get(path)).status == 200
    (route,) = [one for one in (await admin.get("/v1/routes")).json() if one["flow"] == "prices"]
    assert route["name"] == "prices:erp->shop"
    replayed = await admin.post("/v1/replay", {"route": route["name"]})
    assert replayed.status in (200, 409), replayed.json()
