"""Routing over HTTP: who may ask, what is answered, refusals, dry runs, and the decision in an order's life."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.web.support import NOW_MS, Client, make_site, record

from syncline.engine.delivery.build import Due
from syncline.engine.routes import SEP, stock_key
from syncline.engine.routing import Router
from syncline.model.change import Flow, Kind
from syncline.model.records import Address, Allocation, Item, Order, OrderLine, StockLevel
from syncline.ports import Write
from syncline.routing.places import Places, Point, place_key
from syncline.routing.policy import Policy, Site
from syncline.web.access import Role

SITE = {"cost_per_km": Decimal("0.01"), "cost_per_order": Decimal("1.00")}
POLICY = Policy(
    sites={"1": Site(Point(10, 0), **SITE), "2": Site(Point(50, 0), **SITE)},
    places=Places({place_key("GB", "NORTH"): Point(51, 0)}),
    channels=frozenset({"shop"}),
    currency="EUR",
)
QUOTE = {
    "channel": "shop",
    "lines": [{"sku": "ROUTE-1", "quantity": 2}],
    "to": {"country": "GB", "postcode": "NORTH"},
}


@pytest.fixture
async def site():
    """A shop with ten units of ROUTE-1 at each of the ERP's two locations, and an order of two of them."""
    site = await make_site()
    engine = site.engine
    engine.router = Router(
        engine.store, engine.clock, engine.catalog, engine.routes, engine.systems, engine.deriver, POLICY
    )
    for lane in engine.lanes.values():
        lane._builder._router = engine.router
    ten = Decimal(10)
    rows = [
        record(system, Kind.ITEM, "ROUTE-1", Item("ROUTE-1", "g9", "s9"), NOW_MS)
        for system in ("erp", "shop")
    ]
    rows += [
        record("erp", Kind.STOCK, stock_key("ROUTE-1", at), StockLevel("ROUTE-1", at, ten, ten, Decimal(0), NOW_MS), NOW_MS)
        for at in ("1", "2")
    ]  # fmt: skip
    rows.append(record("shop", Kind.ORDER, "900", order(), NOW_MS))
    await engine.store.write(Write("record_put", rows))
    await engine.catalog.load(engine.systems)
    return site


def order() -> Order:
    line = OrderLine(
        "9001", "ROUTE-1", "Routed", Decimal(2), Decimal(10),
        allocations=(Allocation("L1", Decimal(2), remaining=Decimal(2)),),
    )  # fmt: skip
    return Order(
        "900", "#9000", NOW_MS - 5_000, NOW_MS - 5_000, "EUR", (line,), Decimal(0), Decimal(0), Decimal(20),
        shipping_to=Address(postcode="NORTH", country="GB"), complete=True,
    )  # fmt: skip


async def written(site, key="900", version=1):
    """Build the ERP's order and let its decision last, as the lane does."""
    engine = site.engine
    (route,) = engine.routes.of(Flow.ORDERS)
    builder = engine.lanes["erp"]._builder
    (built,) = (
        await builder.build("put_order", {f"{key}{SEP}{version}": Due(route, NOW_MS)}, NOW_MS)
    ).values()
    await engine.store.write(*built.writes)
    return [(item.location, item.quantity) for item in built.payload.items]


@pytest.fixture
async def viewer(site):
    return Client(site.app, await site.access.add("looker", Role.VIEWER, by="test"))


@pytest.fixture
async def operator(site):
    return Client(site.app, await site.access.add("op", Role.OPERATOR, by="test"))


async def test_a_quote_says_from_where_at_what_cost_and_why(viewer):
    found = (await viewer.post("/v1/routing/quote", QUOTE)).json()
    assert found["sent"] == [{"line": "0", "sku": "ROUTE-1", "location": "2", "units": 2}]
    assert found["missing"] == []
    assert (found["cost"], found["currency"], found["exact"]) == ("2.1120", "EUR", True)
    assert found["parcels"][0]["km"] == 111.2
    assert found["reasons"][0] == "1 parcel for 2.11 EUR: no plan that sends as much costs less."
    degrees = {**QUOTE, "to": {"latitude": 11, "longitude": 0}}
    assert (await viewer.post("/v1/routing/quote", degrees)).json()["sent"][0]["location"] == "1"


async def test_a_quote_counts_the_hold_of_its_own_checkout(site, viewer):
    till = Client(site.app, await site.access.add("till", Role.CHECKOUT, by="test"))
    lines = [{"sku": "ROUTE-1", "quantity": 7, "location": "L2"}]
    held = await till.post("/v1/holds", {"reference": "cart", "channel": "shop", "lines": lines})
    assert held.status == 200
    wanted = {**QUOTE, "lines": [{"sku": "ROUTE-1", "quantity": 7}]}
    others = (await viewer.post("/v1/routing/quote", wanted)).json()
    own = (await viewer.post("/v1/routing/quote", {**wanted, "hold": "cart"})).json()
    assert [parcel["location"] for parcel in others["parcels"]] == ["1"]
    assert [parcel["location"] for parcel in own["parcels"]] == ["2"]


@pytest.mark.parametrize(
    ("changes", "status", "code", "names"),
    [
        ({"channel": "erp"}, 422, "unknown_channel", "channel"),
        ({"lines": [{"sku": "NONE", "quantity": 1}]}, 422, "unknown_sku", "lines[0].sku"),
        ({"lines": []}, 400, "bad_request", "lines"),
        ({"lines": [{"sku": "ROUTE-1", "quantity": 0}]}, 400, "bad_request", "quantity"),
        ({"to": {"latitude": 1}}, 422, "bad_place", "latitude"),
        ({"to": {"latitude": 91, "longitude": 0}}, 422, "bad_place", "latitude"),
        ({"to": {"planet": "Mars"}}, 400, "bad_request", "planet"),
    ],
)
async def test_what_cannot_be_answered_says_why(viewer, changes, status, code, names):
    answer = await viewer.post("/v1/routing/quote", {**QUOTE, **changes})
    assert answer.status == status
    assert answer.json()["error"]["code"] == code
    assert names in answer.json()["error"]["message"]


async def test_a_body_that_is_too_large_is_refused(viewer):
    answer = await viewer.post("/v1/routing/quote", {**QUOTE, "hold": "x" * 70_000})
    assert (answer.status, answer.json()["error"]["code"]) == (413, "too_large")


async def test_without_routing_nobody_is_told_anything(site, operator):
    site.engine.router = None
    for path, body in (
        ("quote", QUOTE),
        ("refuse", {"order": "#9000", "location": "2"}),
        ("allow", {"order": "#9000"}),
        ("dry-run", {"channel": "shop"}),
    ):
        answer = await operator.post(f"/v1/routing/{path}", body)
        assert (answer.status, answer.json()["error"]["code"]) == (409, "not_configured")


@pytest.mark.parametrize("path", ["refuse", "allow", "dry-run"])
async def test_whoever_may_only_look_changes_nothing(viewer, path):
    assert (await viewer.post(f"/v1/routing/{path}", {"order": "#9000"})).status == 403


async def test_a_refusal_is_said_once_sent_from_elsewhere_and_told_in_the_orders_life(site, operator):
    assert await written(site) == [("2", 2)]
    row = {"system": "erp", "operation": "put_order", "key": f"900{SEP}1", "route": "orders:shop->erp"}
    times = dict.fromkeys(("changed_at_ms", "deliver_by_ms", "not_before_ms", "now_ms"), NOW_MS)
    await site.engine.store.write(Write("delivery_fact", [{**row, **times}]))
    finish = {"state": "completed", "generation": 1, "reason": "", "uncounted": 0}
    await site.engine.store.write(Write("delivery_finish", [{**row, **times, **finish}]))
    body = {"order": "#9000", "location": "2", "reason": "water damage"}
    told = await operator.post("/v1/routing/refuse", body)
    assert (
        told.json()["message"]
        == "Said. The order is sent from elsewhere if anybody has it; else it is parked."
    )
    (delivery,) = await site.engine.store.read(
        "deliveries_get", system="erp", operation="put_order", keys=[row["key"]]
    )
    assert delivery[2] == "available"  # it is built again
    site.engine.clock.at_ms += 1
    assert await written(site) == [("1", 2)]
    audit = await site.operations.audit.newest(before=2**62, limit=5)
    assert any(entry.actor == "op" and entry.action == "refuse location" for entry in audit)
    (life,) = (await operator.get("/v1/search?q=%239000")).json()
    told = [(moment["what"], moment["detail"]) for moment in life["moments"]]
    assert ("Decided where it is sent from", "1 location: 2") in told
    assert ("2 will not send anything of it", "water damage (says op)") in told
    assert ("Decided again where it is sent from", "1 location: 1") in told
    again = next(m for m in life["moments"] if m["what"].startswith("Decided again"))
    assert "Left out: 2: refused by op (water damage)." in again["reasons"]
    page = await operator.get("/search?q=%239000")
    assert "From 1: it has all 1 line" in page.text
    late = await operator.post("/v1/routing/refuse", body)
    assert (late.status, late.json()["error"]["code"]) == (409, "not_sent_there")


async def test_what_was_refused_may_be_allowed_again(site, operator):
    await written(site)
    none = await operator.post("/v1/routing/allow", {"order": "#9000"})
    assert (none.status, none.json()["error"]["code"]) == (409, "not_refused")
    await operator.post("/v1/routing/refuse", {"order": "#9000", "location": "2", "sku": "ROUTE-1"})
    site.engine.clock.at_ms += 1
    assert (await operator.post("/v1/routing/allow", {"order": "900"})).status == 200
    past = await site.engine.router.past("shop", "900")
    assert past.refusals == ()


@pytest.mark.parametrize(
    ("query", "status", "code"), [("#1", 404, "not_found"), ("#9000", 409, "not_routed")]
)
async def test_only_what_was_routed_can_be_refused(operator, query, status, code):
    answer = await operator.post("/v1/routing/refuse", {"order": query, "location": "2"})
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)


# --- dry runs -------------------------------------------------------------------------------------------------


async def test_past_orders_are_played_beside_what_was_done(operator):
    found = (await operator.post("/v1/routing/dry-run", {"channel": "shop", "days": 90})).json()
    mine = next(one for one in found["biggest"] if one["order"] == "#9000")
    assert mine["was"] == "1 parcel from 1 for 46.59"
    assert mine["would_be"] == "1 parcel from 2 for 2.11"
    assert mine["saved"] == "44.4780"
    assert found["compared"] >= 1
    assert found["compared"] + found["incomplete"] + sum(found["skipped"].values()) == found["orders"]


async def test_what_was_decided_here_counts_as_done(site, operator):
    await written(site)
    found = (await operator.post("/v1/routing/dry-run", {"channel": "shop", "limit": 1})).json()
    assert (found["orders"], found["compared"], found["same"], found["biggest"]) == (1, 1, 1, [])
    assert found["was"] == found["would_be"]


async def test_other_rules_are_tried_without_being_in_force(site, operator):
    lines = [{"sku": "ROUTE-1", "quantity": 1, "location": "2"}, {"sku": "GONE", "quantity": 1}]
    orders = [
        {"order": "a", "lines": lines[:1], "to": QUOTE["to"]},
        {"order": "b", "lines": lines, "to": QUOTE["to"]},
        {"order": "c", "lines": [{"sku": "ROUTE-1", "quantity": 50}]},
        {"order": "d", "lines": [{"sku": "ROUTE-1", "quantity": 5}]},
    ]
    body = {"channel": "shop", "orders": orders, "rules": {"currency": "USD", "rules": [{"exclude": ["2"]}]}}
    found = (await operator.post("/v1/routing/dry-run", body)).json()
    assert (found["orders"], found["compared"], found["same"], found["incomplete"]) == (4, 1, 0, 1)
    assert found["skipped"] == {"unknown_sku": 1, "not known from where it was sent": 1}
    assert found["currency"] == "USD"
    assert found["biggest"][0]["would_be"].startswith("1 parcel from 1")
    plenty = (await operator.post("/v1/routing/dry-run", {**body, "stock": "plenty"})).json()
    assert plenty["incomplete"] == 0
    assert site.engine.router.policy is POLICY


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        ({"parcels": 3}, "parcels"),
        ({"parcels_max": 9}, "parcels_max"),
        ({"rules": [{"name": "x"}]}, "exclude or prefer"),
        ({"places": "/etc/passwd", "locations": {"1": {"postcode": "ELSEWHERE"}}}, "postcode"),
    ],
)
async def test_rules_that_make_no_sense_are_refused(operator, rules, names):
    answer = await operator.post("/v1/routing/dry-run", {"channel": "shop", "rules": rules})
    assert (answer.status, answer.json()["error"]["code"]) == (422, "bad_rules")
    assert names in answer.json()["error"]["message"]


async def test_a_dry_run_leaves_everything_as_it_is(site, operator):
    tables = ("routing", "routing_given", "demand", "delivery", "dirty")
    connection = site.engine.store._connection

    def count():
        return [connection.execute(f"SELECT count(*) FROM {table}").fetchall() for table in tables]

    before = count()
    assert (await operator.post("/v1/routing/dry-run", {"channel": "shop", "days": 90})).status == 200
    assert count() == before
