"""The simulated shop does what Shopify's pages and live answers say."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from syncline.connectors.shopify.simulator import Buyer, CartLine, OrderRecord, ShopifySimulator
from syncline.connectors.shopify.simulator.limits import connection_cost
from syncline.connectors.shopify.simulator.webhooks import RETRY_WAITS_S
from syncline.ports import Request, Response
from syncline.runtime.clock import SystemClock
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.transport import AsgiTransport

START_MS = 1_782_896_400_000  # 2026-07-01T09:00:00Z
SHOP = "simulated.myshopify.com"
HOOK = "https://hooks.example.com"
SECRET = "shpss_old"

SET = """mutation Set($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id reason changes { name delta quantityAfterChange item { id } location { id } } }
    userErrors { code field message }
  }
}"""
FULFIL = """mutation($f: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $f) {
    fulfillment { id status trackingInfo { company number url } }
    userErrors { field message }
  }
}"""
SUBSCRIBE = """mutation($topic: WebhookSubscriptionTopic!, $uri: String!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: {uri: $uri, format: JSON}) {
    webhookSubscription { id topic uri apiVersion { handle } }
    userErrors { field message }
  }
}"""


class Receiver:
    """An endpoint that keeps what it gets; ``status`` is what it answers."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.status = 200
        self.slow_s = 0.0
        self.got: list[tuple[int, dict[str, str], bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        self.got.append((self.clock.now_ms(), headers, body))
        if self.slow_s:
            await self.clock.sleep(self.slow_s)
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def payloads(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.got]


class World:
    """A shop with two locations and three products, in virtual time."""

    def __init__(self, loop: VirtualLoop, seed: int = 1, **options: Any) -> None:
        self.clock = VirtualClock(loop)
        self.transport = AsgiTransport({})
        options.setdefault("plan", "standard")
        self.shop = ShopifySimulator(
            clock=self.clock,
            rng=Random(seed),
            transport=self.transport,
            client_secrets=(SECRET, "shpss_new"),
            **options,
        )
        self.transport.register(f"https://{SHOP}", self.shop.app)
        self.receiver = Receiver(self.clock)
        self.transport.register(HOOK, self.receiver)
        self.first = self.shop.add_location("London")
        self.second = self.shop.add_location("Leeds")
        for sku, price, here, there in (("A", "10.00", 5, 20), ("B", "3.33", 50, 0), ("C", "7.00", 4, 3)):
            quantities = {self.first: here, self.second: there} if there else {self.first: here}
            self.shop.add_product(sku, f"Product {sku}", Decimal(price), quantities)

    async def http(self, body: Any, *, version: str = "2026-07", path: str = "", **headers: str) -> Response:
        given = {"X-Shopify-Access-Token": "shpat_simulated", "Content-Type": "application/json"}
        given.update({name.replace("_", "-"): value for name, value in headers.items()})
        url = f"https://{SHOP}" + (path or f"/admin/api/{version}/graphql.json")
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.transport.send(Request("POST", url, given, raw))

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        response = await self.http({"query": query, "variables": variables})
        assert response.status == 200
        answer: dict[str, Any] = json.loads(response.body)
        return answer

    def line(
        self, sku: str, quantity: int, expected: int | None, location: int | None = None
    ) -> dict[str, Any]:
        item = self.shop.state.skus[sku].inventory_item_id
        return {
            "inventoryItemId": f"gid://shopify/InventoryItem/{item}",
            "locationId": f"gid://shopify/Location/{location or self.first}",
            "quantity": quantity,
            "changeFromQuantity": expected,
        }

    async def set(self, key: str, *lines: dict[str, Any], name: str = "available") -> dict[str, Any]:
        given = {"name": name, "reason": "correction", "quantities": list(lines)}
        answer = await self.ask(SET, input=given, key=key)
        result: dict[str, Any] = answer["data"]["inventorySetQuantities"]
        return result

    async def subscribe(self, topic: str, path: str = "/in") -> str:
        answer = await self.ask(SUBSCRIBE, topic=topic, uri=HOOK + path)
        found = answer["data"]["webhookSubscriptionCreate"]
        assert found["userErrors"] == []
        return str(found["webhookSubscription"]["id"])

    async def quiet(self) -> None:
        while self.shop.webhooks_in_flight():
            await self.clock.sleep(1)

    def order(self, *lines: tuple[str, int], **options: Any) -> OrderRecord:
        done = self.shop.checkout([CartLine(sku, quantity) for sku, quantity in lines], **options)
        assert done.order_id is not None
        return self.shop.orders[done.order_id]


def run(story: Callable[[World], Coroutine[Any, Any, None]], seed: int = 1, **options: Any) -> World:
    loop = VirtualLoop(START_MS)
    asyncio.set_event_loop(loop)
    try:
        world = World(loop, seed, **options)

        async def main() -> None:
            service = asyncio.ensure_future(world.shop.run())
            try:
                await story(world)
            finally:
                service.cancel()
                await asyncio.gather(service, return_exceptions=True)

        loop.run_until_complete(main())
        assert world.shop.check() == []
        return world
    finally:
        loop.close()
        asyncio.set_event_loop(None)


def codes(result: dict[str, Any]) -> list[str]:
    return [error["code"] for error in result["userErrors"]]


# -- the door


def test_auth_versions_and_shape_of_requests():
    async def story(w: World) -> None:
        bad = await w.http({"query": "{shop{name}}"}, X_Shopify_Access_Token="shpat_other")
        assert bad.status == 401
        message = "[API] Invalid API key or access token (unrecognized login or wrong password)"
        assert json.loads(bad.body) == {"errors": message}
        good = await w.http({"query": "{shop{name currencyCode}}"})
        assert json.loads(good.body)["data"] == {"shop": {"name": "simulated", "currencyCode": "GBP"}}
        assert good.headers["x-shopify-api-version"] == "2026-07"
        retired = await w.http({"query": "{shop{name}}"}, version="2025-01")
        assert retired.headers["x-shopify-api-version"] == "2026-04"
        assert (await w.http({"query": "{shop{name}}"}, path="/admin/api/x/graphql.json")).status == 404
        assert (await w.http(b"{")).status == 400
        assert (await w.http({"query": "{shop{name}}"}, Content_Type="text/plain")).status == 415
        w.shop.faults.reject_auth = True
        assert (await w.http({"query": "{shop{name}}"})).status == 401

    assert run(story).shop.ledger.breaches["auth"] == 2


def test_client_credentials_give_a_token_for_a_day():
    async def story(w: World) -> None:
        path = "/admin/oauth/access_token"
        given = {"client_id": w.shop.client_id, "client_secret": SECRET, "grant_type": "client_credentials"}
        answer = json.loads((await w.http(given, path=path)).body)
        assert answer["expires_in"] == 86_399
        form = f"client_id={w.shop.client_id}&client_secret=shpss_old&grant_type=client_credentials".encode()
        other = await w.http(form, path=path, Content_Type="application/x-www-form-urlencoded")
        assert json.loads(other.body)["access_token"] != answer["access_token"]
        token = answer["access_token"]
        assert (await w.http({"query": "{shop{name}}"}, X_Shopify_Access_Token=token)).status == 200
        await w.clock.sleep(86_400)
        assert (await w.http({"query": "{shop{name}}"}, X_Shopify_Access_Token=token)).status == 401
        refused = await w.http({**given, "client_secret": "no"}, path=path)
        assert refused.status == 401
        assert (await w.http({**given, "client_id": "another"}, path=path)).status == 401

    run(story)


def test_unknown_fields_and_variables_are_refused_in_the_vendors_words():
    async def story(w: World) -> None:
        answer = await w.ask("{ shop { name nope } }")
        assert "data" not in answer
        assert answer["errors"][0]["message"] == "Field 'nope' doesn't exist on type 'Shop'"
        assert answer["errors"][0]["extensions"]["code"] == "undefinedField"
        answer = await w.ask("query($id: ID!) { order(id: $id) { id } }", id="12")
        assert answer["errors"][0]["message"] == "Variable $id of type ID! was provided invalid value"
        problem = answer["errors"][0]["extensions"]["problems"][0]
        assert problem == {"path": [], "explanation": "Invalid global id '12'"}
        answer = await w.ask("{ locations { nodes { id } } }")
        assert answer["errors"][0]["message"] == "you must provide one of first or last"
        assert answer["data"] is None
        answer = await w.ask('{ order(id: "gid://shopify/Order/1") { id } }')
        assert answer["data"] == {"order": None}
        assert "errors" not in answer

    assert run(story).shop.ledger.breaches["unknown_field"] == 2


def test_scopes():
    async def story(w: World) -> None:
        w.shop.scopes.discard("write_inventory")
        answer = await w.ask("{ inventoryItems(first: 1) { nodes { id } } }")
        error = answer["errors"][0]
        text = "Access denied for inventoryItems field. Required access: `read_inventory` access scope."
        assert error["message"] == text
        assert error["extensions"]["code"] == "ACCESS_DENIED"
        assert error["extensions"]["requiredAccess"] == "`read_inventory` access scope."
        w.shop.scopes.add("read_inventory")
        assert "errors" not in await w.ask("{ inventoryItems(first: 1) { nodes { id } } }")

    run(story)


# -- cost


@pytest.mark.parametrize(
    ("query", "cost"),
    [  # requested costs of live answers of 2026-04
        ("{ orders(first: 10) { nodes { id } } }", 6),
        ("{ orders(first: 20) { nodes { id } } }", 7),
        ("{ locations(first: 50) { nodes { id } } }", 9),
        ("{ shop { plan { shopifyPlus } } currentAppInstallation { accessScopes { handle } } }", 4),
        ('{ order(id: "gid://shopify/Order/1") { customer { id } } }', 2),
        (
            (
                '{ order(id: "gid://shopify/Order/1") { fulfillmentOrders(first: 10) { nodes {'
                " lineItems(first: 10) { nodes { lineItem { id } } } } } } }"
            ),
            47,
        ),
        (
            (
                '{ order(id: "gid://shopify/Order/1") { fulfillmentOrders(first: 10) { nodes { assignedLocation'
                " { location { id } } lineItems(first: 10) { nodes { lineItem { id } } } } } } }"
            ),
            55,
        ),
        (
            (
                '{ order(id: "gid://shopify/Order/1") { lineItems(first: 50) { nodes { variant { id }'
                " originalUnitPriceSet { shopMoney { amount } } } } } }"
            ),
            17,
        ),
        (
            (
                '{ inventoryLevel(id: "gid://shopify/InventoryLevel/1?inventory_item_id=1")'
                ' { quantities(names: ["on_hand"]) { name } } }'
            ),
            2,
        ),
    ],
)
def test_requested_cost_is_the_measured_one(query: str, cost: int):
    async def story(w: World) -> None:
        answer = await w.ask(query)
        assert answer["extensions"]["cost"]["requestedQueryCost"] == cost
        assert answer["extensions"]["cost"]["actualQueryCost"] <= cost

    run(story)


def test_a_page_of_250_inside_pages_of_250_is_too_dear():
    assert connection_cost(250, 4) == 46

    async def story(w: World) -> None:
        inner = "lineItems(first: 250) { nodes { variant { inventoryItem { id } } } }"
        answer = await w.ask(f"{{ orders(first: 250) {{ nodes {{ {inner} b: {inner} c: {inner} }} }} }}")
        assert answer["errors"][0]["extensions"]["code"] == "MAX_COST_EXCEEDED"

    assert run(story).shop.ledger.breaches["max_cost"] == 1


def test_throttled_then_refilled():
    async def story(w: World) -> None:
        costly = "{ orders(first: 250) { nodes { lineItems(first: 250) { nodes { variant { id product { id } } } } } } }"
        answers = await asyncio.gather(*(w.ask(costly) for _ in range(6)))
        refused = [a for a in answers if "data" not in a]
        assert refused
        cost = refused[0]["extensions"]["cost"]
        assert refused[0]["errors"] == [
            {
                "message": "Throttled",
                "extensions": {
                    "code": "THROTTLED",
                    "documentation": "https://shopify.dev/api/usage/rate-limits",
                },
            },
        ]
        assert cost["actualQueryCost"] is None
        assert cost["throttleStatus"]["maximumAvailable"] == 2000
        assert cost["throttleStatus"]["restoreRate"] == 100
        assert cost["throttleStatus"]["currentlyAvailable"] < cost["requestedQueryCost"]
        assert w.shop.ledger.breaches["throttled"] == len(refused)
        await w.clock.sleep(5)
        assert "data" in await w.ask(costly)
        w.shop.faults.throttle_rate = 1.0
        assert "data" not in await w.ask("{ shop { name } }")
        assert w.shop.ledger.breaches["throttled"] == len(refused)  # an injected one is nobody's fault

    run(story)


# -- inventory


def test_three_wrong_shapes_have_three_exact_bodies():
    async def story(w: World) -> None:
        bare = "mutation($input: InventorySetQuantitiesInput!) { inventorySetQuantities(input: $input) { userErrors { code } } }"
        line = w.line("A", 5, 5)
        given = {"name": "available", "reason": "correction", "quantities": [line]}
        answer = await w.ask(bare, input=given)
        assert answer["data"] == {"inventorySetQuantities": None}
        error = answer["errors"][0]
        assert (
            error["message"]
            == "The @idempotent directive is required for this mutation but was not provided."
        )
        assert error["extensions"] == {"code": "BAD_REQUEST"}
        assert error["path"] == ["inventorySetQuantities"]
        assert answer["extensions"]["cost"]["requestedQueryCost"] == 10

        short = {k: v for k, v in line.items() if k != "changeFromQuantity"}
        for document in (SET, bare):  # the shape is checked before the directive
            keyed = {"key": "k"} if document is SET else {}
            answer = await w.ask(document, input={**given, "quantities": [short]}, **keyed)
            error = answer["errors"][0]
            text = "InventoryQuantityInput must include the following argument: changeFromQuantity."
            assert error["message"] == text
            assert error["extensions"] == {"code": "INVALID_FIELD_ARGUMENTS"}
            assert answer["data"] == {"inventorySetQuantities": None}

        old = {**given, "ignoreCompareQuantity": True}
        answer = await w.ask(SET, input=old, key="k")
        error = answer["errors"][0]
        assert "data" not in answer and "extensions" not in answer
        assert error["message"] == (
            "Variable $input of type InventorySetQuantitiesInput! was provided invalid value for "
            "ignoreCompareQuantity (Field is not defined on InventorySetQuantitiesInput)"
        )
        assert error["extensions"]["code"] == "INVALID_VARIABLE"
        assert error["extensions"]["value"] == old
        assert error["extensions"]["problems"] == [
            {
                "path": ["ignoreCompareQuantity"],
                "explanation": "Field is not defined on InventorySetQuantitiesInput",
            },
        ]

    assert run(story).shop.ledger.breaches["missing_idempotency"] == 1


def test_set_replay_mismatch_and_expiry():
    async def story(w: World) -> None:
        first = await w.set("k1", w.line("A", 9, 5))
        changes = first["inventoryAdjustmentGroup"]["changes"]
        assert [(c["name"], c["delta"], c["quantityAfterChange"]) for c in changes] == [
            ("available", 4, None),
            ("on_hand", 4, None),
        ]
        assert w.shop.available("A", w.first) == 9
        w.order(("A", 2))
        assert await w.set("k1", w.line("A", 9, 5)) == first  # no second effect
        assert w.shop.available("A", w.first) == 7
        assert codes(await w.set("k1", w.line("A", 8, 5))) == ["IDEMPOTENCY_KEY_PARAMETER_MISMATCH"]
        await w.clock.sleep(86_401)
        assert codes(await w.set("k1", w.line("A", 9, 5))) == ["CHANGE_FROM_QUANTITY_STALE"]
        assert codes(await w.set("k1", w.line("A", 9, 5))) == ["IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"]
        assert w.shop.effects == 1

    run(story)


def test_two_calls_with_one_key_at_once():
    async def story(w: World) -> None:
        one, two = await asyncio.gather(w.set("k", w.line("A", 9, 5)), w.set("k", w.line("A", 9, 5)))
        assert codes(one) == []
        assert codes(two) == ["IDEMPOTENCY_CONCURRENT_REQUEST"]
        assert codes(await w.set("k", w.line("A", 9, 5))) == []  # the same key again is the way on
        assert w.shop.ledger.effects["inventorySetQuantities"] == 1

    run(story)


def test_stale_applies_nothing_and_a_blind_repeat_is_a_breach():
    async def story(w: World) -> None:
        result = await w.set("k1", w.line("B", 40, 50), w.line("A", 9, 4))
        assert result["inventoryAdjustmentGroup"] is None
        assert result["userErrors"] == [
            {
                "code": "CHANGE_FROM_QUANTITY_STALE",
                "field": ["input", "quantities", "1", "changeFromQuantity"],
                "message": "The changeFromQuantity argument no longer matches the persisted quantity.",
            },
        ]
        assert w.shop.available("B") == 50
        assert w.shop.ledger.breaches["stale_write_repeated"] == 0
        await w.set("k2", w.line("A", 9, 4))
        assert w.shop.ledger.breaches["stale_write_repeated"] == 1
        assert codes(await w.set("k3", w.line("A", 9, 5))) == []

    run(story)


def test_content_errors_of_set_quantities():
    async def story(w: World) -> None:
        assert codes(await w.set("1", w.line("B", 1, None, w.second))) == ["ITEM_NOT_STOCKED_AT_LOCATION"]
        assert codes(
            await w.set("2", {**w.line("A", 1, None), "locationId": "gid://shopify/Location/9"})
        ) == ["INVALID_LOCATION"]
        item = "gid://shopify/InventoryItem/9"
        assert codes(await w.set("3", {**w.line("A", 1, None), "inventoryItemId": item})) == [
            "INVALID_INVENTORY_ITEM"
        ]
        twice = await w.set("4", w.line("A", 1, None), w.line("A", 1, None))
        assert codes(twice) == ["NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR"] * 2
        assert codes(await w.set("5", w.line("A", 1_000_000_001, None))) == ["INVALID_QUANTITY_TOO_HIGH"]
        assert codes(await w.set("6", w.line("A", -1, None), name="on_hand")) == ["INVALID_QUANTITY_NEGATIVE"]
        assert codes(await w.set("7", w.line("A", 1, None), name="damaged")) == ["INVALID_NAME"]
        assert codes(await w.set("8", w.line("A", -7, None))) == []  # available may be negative
        assert codes(await w.set("9", w.line("A", 6, None), name="on_hand")) == []
        assert w.shop.quantities("A", w.first)["on_hand"] == 6
        answer = await w.ask(
            SET,
            key="10",
            input={"name": "available", "reason": "mood", "quantities": [w.line("A", 1, None)]},
        )
        assert codes(answer["data"]["inventorySetQuantities"]) == ["INVALID_REASON"]

    run(story)


def test_more_than_250_lines_are_refused_as_a_whole():
    async def story(w: World) -> None:
        given = {"name": "available", "reason": "correction", "quantities": [w.line("A", 1, None)] * 251}
        answer = await w.ask(SET, key="k", input=given)
        assert "data" not in answer
        assert answer["errors"][0]["extensions"]["code"] == "MAX_INPUT_SIZE_EXCEEDED"
        text = "The input array size of 251 is greater than the maximum allowed of 250."
        assert answer["errors"][0]["message"] == text

    assert run(story).shop.ledger.breaches["over_array_limit"] == 1


def test_activate_then_set_and_adjust():
    async def story(w: World) -> None:
        document = """mutation($item: ID!, $at: ID!, $available: Int) {
          inventoryActivate(inventoryItemId: $item, locationId: $at, available: $available) @idempotent(key: "a%d") {
            inventoryLevel { quantities(names: ["available", "on_hand"]) { name quantity } }
            userErrors { field message } } }"""
        line = w.line("B", 0, None, w.second)
        given = {"item": line["inventoryItemId"], "at": line["locationId"], "available": 6}
        level = (await w.ask(document % 1, **given))["data"]["inventoryActivate"]["inventoryLevel"]
        assert [q["quantity"] for q in level["quantities"]] == [6, 6]
        errors = (await w.ask(document % 2, **given))["data"]["inventoryActivate"]["userErrors"]
        text = "Not allowed to set available quantity when the item is already active at the location."
        assert errors == [{"field": ["available"], "message": text}]
        adjust = """mutation($input: InventoryAdjustQuantitiesInput!) {
          inventoryAdjustQuantities(input: $input) @idempotent(key: "j%d") {
            inventoryAdjustmentGroup { changes { name delta } } userErrors { code } } }"""
        change = {k: v for k, v in line.items() if k != "quantity"} | {"delta": -2, "changeFromQuantity": 6}
        given = {"name": "available", "reason": "correction", "changes": [change]}
        done = (await w.ask(adjust % 1, input=given))["data"]["inventoryAdjustQuantities"]
        assert done["inventoryAdjustmentGroup"]["changes"] == [
            {"name": "available", "delta": -2},
            {"name": "on_hand", "delta": -2},
        ]
        done = (await w.ask(adjust % 2, input=given))["data"]["inventoryAdjustQuantities"]
        assert codes(done) == ["CHANGE_FROM_QUANTITY_STALE"]
        done = (await w.ask(adjust % 3, input={**given, "name": "committed"}))["data"]
        assert codes(done["inventoryAdjustQuantities"]) == ["INVALID_QUANTITY_NAME"]

    run(story)


# -- orders


def test_checkout_goes_to_one_location_or_is_split():
    async def story(w: World) -> None:
        done = w.shop.checkout([CartLine("A", 5), CartLine("A", 6), CartLine("C", 6), CartLine("C", 2)])
        assert [line.quantity for line in done.accepted] == [5, 6, 6]
        assert [line.quantity for line in done.refused] == [2]  # one is left
        assert done.order_id is not None
        order = w.shop.orders[done.order_id]
        assert order.name == "#1001"
        assert [(f.location.id, [p.total for p in f.lines]) for f in order.fulfillment_orders] == [
            (w.first, [5, 4]),
            (w.second, [6, 2]),
        ]
        assert w.shop.quantities("A", w.first)["committed"] == 5
        assert w.shop.available("C") == 1
        nothing = w.shop.checkout([CartLine("C", 2), CartLine("unknown", 1)])
        assert nothing.order_id is None and len(nothing.refused) == 2
        assert w.order(("B", 1)).name == "#1002"

    run(story)


def test_money_adds_up_line_by_line():
    async def story(w: World) -> None:
        lines = [CartLine("B", 3, discount=Decimal("0.50")), CartLine("A", 1, Decimal("9.95"))]
        done = w.shop.checkout(lines, shipping=Decimal("4.95"), tax_rate=Decimal("0.2"), paid=False)
        assert done.order_id is not None
        order = w.shop.orders[done.order_id]
        assert order.tax == Decimal("1.90") + Decimal("1.99")  # 9.49 and 9.95, each rounded by itself
        assert order.total == Decimal("9.49") + Decimal("9.95") + Decimal("3.89") + Decimal("4.95")
        assert order.financial_status() == "PENDING"
        query = """query($id: ID!) { order(id: $id) { totalPriceSet { shopMoney { amount currencyCode } }
          subtotalPriceSet { shopMoney { amount } } totalOutstandingSet { shopMoney { amount } }
          lineItems(first: 5) { nodes { sku originalUnitPriceSet { shopMoney { amount } }
            taxLines { priceSet { shopMoney { amount } } rate } } } } }"""
        found = (await w.ask(query, id=f"gid://shopify/Order/{order.id}"))["data"]["order"]
        assert found["totalPriceSet"] == {"shopMoney": {"amount": "28.28", "currencyCode": "GBP"}}
        assert found["totalOutstandingSet"]["shopMoney"]["amount"] == "28.28"
        assert found["lineItems"]["nodes"][1]["originalUnitPriceSet"]["shopMoney"]["amount"] == "9.95"
        assert found["lineItems"]["nodes"][0]["taxLines"][0]["priceSet"]["shopMoney"]["amount"] == "1.9"
        paid = "mutation($i: OrderMarkAsPaidInput!) { orderMarkAsPaid(input: $i) { order { displayFinancialStatus } userErrors { field message } } }"
        given = {"id": f"gid://shopify/Order/{order.id}"}
        assert (await w.ask(paid, i=given))["data"]["orderMarkAsPaid"]["order"] == {
            "displayFinancialStatus": "PAID"
        }
        again = (await w.ask(paid, i=given))["data"]["orderMarkAsPaid"]["userErrors"]
        assert again == [{"field": ["id"], "message": "Order cannot be marked as paid."}]
        none = (await w.ask(paid, i={"id": "gid://shopify/Order/1"}))["data"]["orderMarkAsPaid"]["userErrors"]
        assert none == [{"field": ["id"], "message": "Order does not exist"}]

    run(story)


def test_fulfilment_lowers_committed_and_refuses_the_second_one():
    async def story(w: World) -> None:
        order = w.order(("A", 4), ("B", 2))
        home = order.fulfillment_orders[0]
        part = {
            "id": f"gid://shopify/FulfillmentOrderLineItem/{home.lines[0].id}",
            "quantity": 3,
        }
        group = {"fulfillmentOrderId": f"gid://shopify/FulfillmentOrder/{home.id}"}
        given = {
            "lineItemsByFulfillmentOrder": [{**group, "fulfillmentOrderLineItems": [part]}],
            "trackingInfo": {"company": "UPS", "number": "1Z", "url": "https://ups.example/1Z"},
        }
        done = (await w.ask(FULFIL, f=given))["data"]["fulfillmentCreate"]
        assert done["fulfillment"]["status"] == "SUCCESS"
        assert done["fulfillment"]["trackingInfo"][0]["number"] == "1Z"
        assert order.fulfillment_status() == "PARTIALLY_FULFILLED" and home.status == "IN_PROGRESS"
        numbers = w.shop.quantities("A", w.first)
        assert (numbers["available"], numbers["committed"], numbers["on_hand"]) == (1, 1, 2)
        over = (await w.ask(FULFIL, f=given))["data"]["fulfillmentCreate"]["userErrors"]
        text = "Invalid fulfillment order line item quantity requested."
        assert over == [{"field": ["fulfillment"], "message": text}]
        rest = {"lineItemsByFulfillmentOrder": [group]}
        assert (await w.ask(FULFIL, f=rest))["data"]["fulfillmentCreate"]["userErrors"] == []
        assert order.fulfillment_status() == "FULFILLED"
        again = (await w.ask(FULFIL, f=rest))["data"]["fulfillmentCreate"]
        text = f"Fulfillment order {home.id} has an unfulfillable status= closed."
        assert again == {"fulfillment": None, "userErrors": [{"field": ["fulfillment"], "message": text}]}
        part["quantity"] = 0
        zero = (await w.ask(FULFIL, f=given))["data"]["fulfillmentCreate"]["userErrors"][0]
        assert zero["message"] == "Quantity must be greater than 0"
        assert zero["field"][-1] == "quantity" and zero["field"][2] == "0"
        assert w.shop.ledger.effects["fulfillmentCreate"] == 2

    run(story)


def test_one_fulfilment_cannot_span_locations():
    async def story(w: World) -> None:
        order = w.order(("C", 6))
        groups = [
            {"fulfillmentOrderId": f"gid://shopify/FulfillmentOrder/{f.id}"} for f in order.fulfillment_orders
        ]
        given = {"lineItemsByFulfillmentOrder": groups}
        error = (await w.ask(FULFIL, f=given))["data"]["fulfillmentCreate"]["userErrors"][0]
        places = f"[{w.first}, {w.second}]"
        assert error["message"] == (
            "All fulfillment orders must be assigned to a single location. "
            f"Multiple locations with ids {places} were found."
        )

    run(story)


def test_cancel_edit_and_refund_keep_stock_and_orders_in_step():
    async def story(w: World) -> None:
        order = w.order(("C", 6), ("A", 2), tax_rate=Decimal("0.2"))
        w.shop.cancel_order(order.id, restock=True)
        assert w.shop.available("C") == 7 and order.financial_status() == "REFUNDED"
        assert order.current_total == 0 and order.refunded == order.total
        assert {f.status for f in order.fulfillment_orders} == {"CLOSED"}

        gone = w.order(("B", 10), paid=False)
        w.shop.cancel_order(gone.id, restock=False)
        assert w.shop.quantities("B", w.first)["on_hand"] == 40
        assert gone.financial_status() == "VOIDED"

        edited = w.order(("A", 3), ("B", 2))
        w.shop.edit_order(edited.id, "A", 1)
        w.shop.edit_order(edited.id, "B", 5)
        assert [(x.quantity, x.current_quantity) for x in edited.lines] == [(3, 1), (5, 5)]
        assert w.shop.quantities("A", w.first)["committed"] == 1
        assert edited.current_total == Decimal("10.00") + 5 * Decimal("3.33")

        returned = w.order(("A", 4))
        home = returned.fulfillment_orders[0]
        w.shop.send_parcel(returned, [(home, home.lines[0], 3)], ())
        before = w.shop.available("A", home.location.id)
        w.shop.refund(returned.id, {returned.lines[0].id: 3}, restock=True)
        assert [(x.restock_type, x.quantity) for x in returned.refunds[0].lines] == [
            ("CANCEL", 1),
            ("RETURN", 2),
        ]
        assert w.shop.available("A", home.location.id) == before + 3
        assert returned.refunded == Decimal("30.00") and returned.financial_status() == "PARTIALLY_REFUNDED"
        with pytest.raises(ValueError, match="outstanding fulfillments"):
            w.shop.cancel_order(returned.id, restock=True)

    run(story)


# -- lists


def test_pages_by_cursor():
    async def story(w: World) -> None:
        names = [w.order(("B", 1)).name for _ in range(7)]
        query = """query($after: String, $reverse: Boolean) { orders(first: 3, after: $after, reverse: $reverse, sortKey: ID) {
          edges { cursor node { name } } pageInfo { hasNextPage hasPreviousPage endCursor startCursor } } }"""
        for reverse, expected in ((False, names), (True, names[::-1])):
            seen: list[str] = []
            after, more = None, True
            while more:
                page = (await w.ask(query, after=after, reverse=reverse))["data"]["orders"]
                seen += [edge["node"]["name"] for edge in page["edges"]]
                assert page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"]
                after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
            assert seen == expected
        lines = "{ orders(last: 2, sortKey: ID) { nodes { name lineItems(first: 1) { pageInfo { hasNextPage } } } } }"
        found = (await w.ask(lines))["data"]["orders"]["nodes"]
        assert [x["name"] for x in found] == names[-2:]
        bad = await w.ask('{ orders(first: 1, after: "x") { nodes { id } } }')
        assert bad["errors"][0]["extensions"]["code"] == "BAD_REQUEST"

    run(story)


def test_updated_at_search_lags_and_compares_whole_seconds():
    async def story(w: World) -> None:
        async def since(text: str, op: str = ">") -> list[str]:
            query = f"updated_at:{op}'{text}'"
            document = "query($q: String) { orders(first: 50, query: $q, sortKey: UPDATED_AT) { nodes { name updatedAt } } }"
            nodes = (await w.ask(document, q=query))["data"]["orders"]["nodes"]
            return [node["name"] for node in nodes]

        first, second = w.order(("B", 1)), w.order(("B", 1))
        await w.clock.sleep(100)
        w.shop.edit_order(first.id, "B", 2)
        assert await since("2026-07-01T08:00:00Z") == [second.name, first.name]
        assert await since("2026-07-01T09:00:00Z") == [first.name]
        assert await since("2026-07-01T09:00:00Z", ">=") == [second.name, first.name]
        assert await since("2026-07-01T10:00:00+01:00") == [first.name]
        w.shop.faults.read_lag_ms = 60_000
        third = w.order(("B", 1))
        assert third.name not in await since("2026-07-01T08:00:00Z")
        await w.clock.sleep(61)
        assert third.name in await since("2026-07-01T08:00:00Z")
        document = "query($q: String) { orders(first: 9, query: $q) { nodes { name } } }"
        for query, expected in (
            ("name:#1002", [second.name]),
            (f"id:{third.id}", [third.name]),
            (f"id:>={second.id} AND -name:#1002", [third.name]),
            ("name:1001 OR name:1003", [first.name, third.name]),
            ("status:cancelled", []),
        ):
            nodes = (await w.ask(document, q=query))["data"]["orders"]["nodes"]
            assert [node["name"] for node in nodes] == expected, query
        await w.ask(document, q="colour:red")
        assert w.shop.ledger.breaches["unknown_search_field"]

    run(story)


def test_variants_items_levels_and_nodes():
    async def story(w: World) -> None:
        query = """query($q: String, $at: ID!) {
          productVariants(first: 5, query: $q) { nodes { sku price inventoryItem { id sku tracked
            ...Levels inventoryLevel(locationId: $at) { id item { sku } } } } } }
          fragment Levels on InventoryItem { inventoryLevels(first: 5) { nodes { location { name }
            quantities(names: ["available", "committed", "on_hand"]) { name quantity } } } }"""
        w.order(("A", 2))
        found = (await w.ask(query, q="sku:'A'", at=f"gid://shopify/Location/{w.second}"))["data"]
        node = found["productVariants"]["nodes"][0]
        assert node["price"] == "10.00"
        levels = node["inventoryItem"]["inventoryLevels"]["nodes"]
        assert [q["quantity"] for q in levels[0]["quantities"]] == [3, 2, 5]
        ids = [
            node["inventoryItem"]["id"],
            node["inventoryItem"]["inventoryLevel"]["id"],
            "gid://shopify/Order/1",
        ]
        document = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on InventoryItem { sku } } }"
        nodes = (await w.ask(document, ids=ids))["data"]["nodes"]
        assert nodes[0] == {"__typename": "InventoryItem", "id": ids[0], "sku": "A"}
        assert nodes[1]["__typename"] == "InventoryLevel" and nodes[2] is None

    run(story)


# -- webhooks


def test_a_webhook_is_signed_with_the_oldest_secret():
    async def story(w: World) -> None:
        await w.subscribe("ORDERS_CREATE")
        await w.subscribe("INVENTORY_LEVELS_UPDATE")
        order = w.order(("A", 1), ("B", 2), customer=Buyer("Ann", "Lee", "ann@example.com"), po_number="PO-7")
        await w.quiet()
        assert len(w.receiver.got) == 3
        _, headers, body = next(x for x in w.receiver.got if x[1]["x-shopify-topic"] == "orders/create")
        digest = hmac.new(SECRET.encode(), body, hashlib.sha256).digest()
        assert headers["x-shopify-hmac-sha256"] == base64.b64encode(digest).decode()
        assert headers["x-shopify-shop-domain"] == SHOP
        assert headers["x-shopify-api-version"] == "2026-07"
        assert headers["x-shopify-triggered-at"].startswith("2026-07-01T09:00:0")
        events = {x[1]["x-shopify-event-id"] for x in w.receiver.got}
        hooks = {x[1]["x-shopify-webhook-id"] for x in w.receiver.got}
        assert len(events) == 1 and len(hooks) == 3
        payload = json.loads(body)
        assert payload["id"] == order.id and payload["po_number"] == "PO-7"
        assert payload["admin_graphql_api_id"] == f"gid://shopify/Order/{order.id}"
        assert payload["updated_at"] == "2026-07-01T10:00:00+01:00"  # the shop's own time zone
        assert payload["customer"]["email"] == "ann@example.com"
        assert [x["price"] for x in payload["line_items"]] == ["10.00", "3.33"]
        assert payload["total_price"] == "16.66"
        level = next(p for p in w.receiver.payloads() if "inventory_item_id" in p)
        assert set(level) == {
            "inventory_item_id",
            "location_id",
            "available",
            "updated_at",
            "admin_graphql_api_id",
        }

    run(story)


def test_a_draft_that_reserves_takes_stock_until_it_is_deleted_completed_or_over():
    async def story(w: World) -> None:
        def states() -> tuple[int, ...]:
            found = w.shop.quantities("A", w.first)
            return tuple(found[name] for name in ("available", "reserved", "committed", "on_hand"))

        until = START_MS + 3_600_000
        lines = [CartLine("A", 2), CartLine("B", 1)]
        assert states() == (5, 0, 0, 5)
        first = w.shop.reserve_draft(lines, until)
        assert states() == (3, 2, 0, 5)
        w.shop.delete_draft(first)
        assert states() == (5, 0, 0, 5)
        second, third = w.shop.reserve_draft(lines, until), w.shop.reserve_draft(lines, until)
        assert states() == (1, 4, 0, 5)
        order = w.shop.orders[w.shop.complete_draft(second)]
        assert states() == (1, 2, 2, 5)
        assert [(line.sku, line.quantity) for line in order.lines] == [("A", 2), ("B", 1)]
        await w.clock.sleep(3_599)
        assert (list(w.shop.drafts), states()) == ([third], (1, 2, 2, 5))
        await w.clock.sleep(2)
        assert (w.shop.drafts, states()) == ({}, (3, 0, 2, 5))
        w.shop.reserve_draft([CartLine("A", 9)], until)  # the admin does not look at what is there
        assert states()[:2] == (-6, 9)

    run(story)


def test_every_change_of_a_number_is_told_and_nothing_else():
    async def story(w: World) -> None:
        await w.subscribe("INVENTORY_LEVELS_UPDATE")
        item = w.shop.state.skus["A"].inventory_item_id

        async def told() -> list[int]:
            await w.quiet()
            await w.clock.sleep(2)
            got, w.receiver.got[:] = w.receiver.payloads(), []
            assert {payload["inventory_item_id"] for payload in got} <= {item}
            return [payload["available"] for payload in got]

        order = w.order(("A", 2))
        assert await told() == [3]
        await w.set("k1", w.line("A", 7, 3))
        assert await told() == [7], "our own write comes back"
        await w.set("k2", w.line("A", 9, 3))
        await w.set("k3", w.line("A", 7, 7))
        assert await told() == [], "refused, and as it was"
        w.shop.edit_order(order.id, "A", 3)
        assert await told() == [6]
        w.shop.set_available("A", w.first, 4)
        assert await told() == [4]
        draft = w.shop.reserve_draft([CartLine("A", 1)], START_MS + 3_600_000)
        assert await told() == [3]
        w.shop.complete_draft(draft)
        assert await told() == [], "reserved before, committed now"
        w.shop.cancel_order(order.id, restock=True)
        assert await told() == [6]

    run(story)


def test_retries_carry_the_first_payload_and_end_with_the_subscription():
    async def story(w: World) -> None:
        await w.subscribe("ORDERS_CREATE")
        w.receiver.status = 302  # a redirect is a failure
        order = w.order(("A", 1))
        w.shop.edit_order(order.id, "A", 3)
        await w.quiet()
        assert len(w.receiver.got) == 9
        assert len({body for _, _, body in w.receiver.got}) == 1
        times = [at for at, _, _ in w.receiver.got]
        waits = [(b - a) / 1000 for a, b in pairwise(times)]
        assert waits == pytest.approx(RETRY_WAITS_S, abs=0.01)
        assert sum(waits) == pytest.approx(4 * 3600, abs=0.1)
        assert w.shop.state.subscriptions == {}
        found = await w.ask("{ webhookSubscriptions(first: 5) { nodes { id } } }")
        assert found["data"]["webhookSubscriptions"]["nodes"] == []

    run(story)


def test_a_slow_receiver_is_tried_again_and_a_late_success_keeps_the_subscription():
    async def story(w: World) -> None:
        await w.subscribe("ORDERS_CREATE")
        w.receiver.slow_s = 6.0
        w.order(("A", 1))
        await w.clock.sleep(30)
        w.receiver.slow_s = 0.0
        await w.quiet()
        assert len(w.receiver.got) == 2
        assert len(w.shop.state.subscriptions) == 1

    run(story)


def test_copies_loss_and_delay():
    async def story(w: World) -> None:
        await w.subscribe("ORDERS_CREATE")
        w.shop.lose_next_webhook("orders/create")
        w.order(("B", 1))
        await w.quiet()
        assert w.receiver.got == []
        w.shop.faults.webhook_copies_max = 5
        w.shop.faults.webhook_delay_ms_max = 60_000
        for _ in range(6):
            w.order(("B", 1))
        await w.quiet()
        hooks = [h["x-shopify-webhook-id"] for _, h, _ in w.receiver.got]
        assert len(set(hooks)) == 6 and len(hooks) > 6
        numbers = [p["order_number"] for p in w.receiver.payloads()]
        assert numbers != sorted(numbers)  # later events overtake
        w.shop.faults.webhook_lose_rate = 1.0
        count = len(hooks)
        w.order(("B", 1))
        await w.quiet()
        assert len(w.receiver.got) == count

    run(story)


def test_subscriptions_have_rules():
    async def story(w: World) -> None:
        async def create(uri: str, topic: str = "ORDERS_CREATE") -> list[dict[str, Any]]:
            answer = await w.ask(SUBSCRIBE, topic=topic, uri=uri)
            errors: list[dict[str, Any]] = answer["data"]["webhookSubscriptionCreate"]["userErrors"]
            return errors

        field = ["webhookSubscription", "callbackUrl"]
        http = [{"field": field, "message": "Address protocol http:// is not supported"}]
        assert await create("http://127.0.0.1:8000/x") == http
        w.shop.allow_http = True
        assert await create("http://127.0.0.1:8000/x") == []
        assert await create("http://example.com/x") == http
        assert await create(HOOK) == []
        taken = [{"field": field, "message": "Address for this topic has already been taken"}]
        assert await create(HOOK) == taken
        gid = await w.subscribe("ORDERS_UPDATED")
        change = 'mutation($id: ID!) { webhookSubscriptionUpdate(id: $id, webhookSubscription: {uri: "https://b.example"}) { webhookSubscription { uri } userErrors { message } } }'
        found = (await w.ask(change, id=gid))["data"]["webhookSubscriptionUpdate"]
        assert found["webhookSubscription"] == {"uri": "https://b.example"}
        delete = "mutation($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { field message } } }"
        assert (await w.ask(delete, id=gid))["data"]["webhookSubscriptionDelete"][
            "deletedWebhookSubscriptionId"
        ] == gid
        gone = (await w.ask(delete, id=gid))["data"]["webhookSubscriptionDelete"]["userErrors"]
        assert gone == [{"field": ["id"], "message": "Webhook subscription does not exist"}]

    run(story)


# -- faults and replays


def test_outage_and_errors_before_and_after_the_effect():
    async def story(w: World) -> None:
        given = {"name": "available", "reason": "correction", "quantities": [w.line("A", 9, 5)]}
        body = {"query": SET, "variables": {"key": "k", "input": given}}
        w.shop.faults.down = True
        assert (await w.http(body)).status == 503
        w.shop.faults.down, w.shop.faults.error_before_rate = False, 1.0
        assert (await w.http(body)).status == 500
        assert w.shop.available("A", w.first) == 5
        w.shop.faults.error_before_rate, w.shop.faults.error_after_rate = 0.0, 1.0
        assert (await w.http(body)).status == 500
        assert w.shop.available("A", w.first) == 9
        w.shop.faults.error_after_rate = 0.0
        answer = json.loads((await w.http(body)).body)
        assert answer["data"]["inventorySetQuantities"]["userErrors"] == []
        assert w.shop.ledger.effects["inventorySetQuantities"] == 1

    run(story)


async def busy_day(w: World) -> None:
    for topic in ("ORDERS_CREATE", "ORDERS_UPDATED", "INVENTORY_LEVELS_UPDATE", "REFUNDS_CREATE"):
        await w.subscribe(topic)
    w.shop.faults.webhook_copies_max = 3
    w.shop.faults.webhook_lose_rate = 0.1
    w.shop.faults.error_after_rate = 0.1
    chance = Random(7)
    for n in range(40):
        w.shop.checkout([CartLine(sku, chance.randint(1, 2)) for sku in "ABC"], tax_rate=Decimal("0.2"))
        await w.http(
            {
                "query": SET,
                "variables": {
                    "key": f"k{n}",
                    "input": {
                        "name": "available",
                        "reason": "correction",
                        "quantities": [w.line("A", 20, None)],
                    },
                },
            }
        )
        if n % 5 == 0:
            w.shop.cancel_order(list(w.shop.orders)[-1], restock=n % 2 == 0)
        await w.clock.sleep(chance.uniform(1, 600))
    await w.quiet()


def digest_of_a_busy_day(seed: int = 3) -> str:
    return run(busy_day, seed).shop.state_digest()


def test_same_seed_same_state_under_any_hash_seed():
    here = digest_of_a_busy_day()
    assert digest_of_a_busy_day() == here
    assert digest_of_a_busy_day(seed=4) != here
    source = (
        "import importlib.util as u, sys; s = u.spec_from_file_location('t', sys.argv[1]);"
        "m = u.module_from_spec(s); sys.modules['t'] = m; s.loader.exec_module(m); print(m.digest_of_a_busy_day())"
    )
    for hash_seed in ("1", "2"):
        out = subprocess.run(
            [sys.executable, "-c", source, __file__],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path("src").resolve())},
            capture_output=True,
            text=True,
            check=True,
        )
        assert out.stdout.strip() == here


# -- the vendor's own client


@pytest.mark.peer
def test_the_vendors_python_client_understands_it():
    shopify = pytest.importorskip("shopify")
    uvicorn = pytest.importorskip("uvicorn")
    shop = ShopifySimulator(clock=SystemClock(), rng=Random(1), answer_ms=(0.0, 1.0))
    shop.add_location("London")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(shop.app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                threading.Event().wait(0.01)
            shopify.ShopifyResource.set_site(f"http://127.0.0.1:{port}/admin/api/2026-07")
            shopify.ShopifyResource.headers = {"X-Shopify-Access-Token": "shpat_simulated"}
            answer = json.loads(shopify.GraphQL().execute("{ locations(first: 5) { nodes { name } } }"))
            assert answer["data"]["locations"]["nodes"] == [{"name": "London"}]
        finally:
            server.should_exit = True
            thread.join(10)
