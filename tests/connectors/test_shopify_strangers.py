"""What clients that know nothing of us ask a Shopify shop, and how it answers."""

from __future__ import annotations

import json
from collections import deque
from decimal import Decimal
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    is_leaf_type,
)
from tests.connectors.test_shopify_simulator import World, run

from syncline.connectors.shopify.simulator import Buyer
from syncline.connectors.shopify.simulator.compiler import SCHEMA
from syncline.connectors.shopify.simulator.records import Tracking
from syncline.ports import Request

# What a field needs that has arguments without a default.
ARGUMENTS = {
    "inventoryItemId": '"gid://shopify/InventoryItem/1000004"',
    "locationId": '"gid://shopify/Location/1000001"',
    "names": '["available", "on_hand"]',
    "key": '"k"',
    "locale": '"fr"',
    "publicationId": '"gid://shopify/Publication/1"',
}
# Where types are read from, beside the lists of the root.
ROOTS = {
    "orders": "orders(first: 3) { nodes { %s } }",
    "products": "products(first: 3) { nodes { %s } }",
    "productVariants": "productVariants(first: 3) { nodes { %s } }",
    "inventoryItems": "inventoryItems(first: 3) { nodes { %s } }",
    "locations": "locations(first: 3) { nodes { %s } }",
    "customers": "customers(first: 3) { nodes { %s } }",
    "companies": "companies(first: 3) { nodes { %s } }",
    "bulkOperations": "bulkOperations(first: 3) { nodes { %s } }",
    "webhookSubscriptions": "webhookSubscriptions(first: 3) { nodes { %s } }",
    "shop": "shop { %s }",
    "currentAppInstallation": "currentAppInstallation { %s }",
    "ordersCount": "ordersCount { %s }",
    "productsCount": "productsCount { %s }",
    "priceList": 'priceList(id: "PRICES") { %s }',
}


def named(kind: Any) -> Any:
    while isinstance(kind, GraphQLNonNull | GraphQLList):
        kind = kind.of_type
    return kind


def asked(name: str, field: Any) -> str:
    """A field with the arguments that it cannot go without."""
    given = [f"{arg}: {ARGUMENTS[arg]}" for arg in field.args if arg in ARGUMENTS]
    given += ["first: 3"] if "first" in field.args else []
    given += ["originType: FIXED"] if "originType" in field.args else []
    return f"{name}({', '.join(given)})" if given else name


def leaves(kind: GraphQLObjectType) -> str:
    found = [asked(name, field) for name, field in kind.fields.items() if is_leaf_type(named(field.type))]
    return " ".join(["__typename", *found])


def wrong(kind: Any, value: Any, at: str) -> list[str]:
    """What an answer has that its type does not allow."""
    if isinstance(kind, GraphQLNonNull):
        return [f"{at} is null"] if value is None else wrong(kind.of_type, value, at)
    if value is None:
        return []
    if isinstance(kind, GraphQLList):
        if not isinstance(value, list):
            return [f"{at} is no list"]
        return [problem for one in value for problem in wrong(kind.of_type, one, f"{at}[]")]
    if isinstance(kind, GraphQLEnumType):
        return [] if value in kind.values else [f"{at} is {value!r}"]
    if is_leaf_type(kind):
        plain = {"Int": int, "Float": (int, float), "Boolean": bool}.get(kind.name, str)
        right = isinstance(value, plain) and (kind.name == "Boolean" or not isinstance(value, bool))
        return [] if right else [f"{at} is {value!r}, no {kind.name}"]
    concrete = SCHEMA.type_map[value["__typename"]] if "__typename" in value else kind
    problems = []
    for name, inside in value.items():
        if name != "__typename":
            problems += wrong(concrete.fields[name].type, inside, f"{at}.{name}")  # type: ignore[union-attr]
    return problems


def furnish(w: World) -> str:
    """One of everything that can be read; returns the id of a price list."""
    shop = w.shop
    shop.add_product("S", "Shirt", Decimal(9), {w.first: 5})
    ann = Buyer(email="ann@example.com", first_name="Ann", last_name="Lee", company="Acme")
    order = w.order(
        ("A", 2),
        ("B", 1),
        customer=ann,
        shipping=Decimal(5),
        tax_rate=Decimal("0.2"),
        po_number="P1",
        source_reference="web-1",
    )
    w.order(("C", 1), paid=False)
    fulfillment_order = order.fulfillment_orders[0]
    part = fulfillment_order.lines[0]
    shop.send_parcel(
        order, [(fulfillment_order, part, 1)], (Tracking("UPS", "1Z", "https://ups.example/1Z"),)
    )
    shop.refund(order.id, {order.lines[1].id: 1}, restock=True, note="torn")
    prices = shop.add_price_list("Trade")
    number = shop.state.skus["A"].variant_id
    prices.fixed[number] = (900, 1000)
    prices.breaks[number] = {10: 800}
    return f"gid://shopify/PriceList/{prices.id}"


def test_every_field_of_every_type_that_can_be_reached_is_answered_as_the_schema_says():
    async def story(w: World) -> None:
        prices = furnish(w)
        order = f"gid://shopify/Order/{next(iter(w.shop.orders))}"
        held = w.shop.add_company("Acme", "E1")
        w.shop.add_contact(held, "c@example.com", "Ordering only")
        branch = """mutation { companyLocationCreate(companyId: "%s", input: {name: "HQ", billingSameAsShipping: true,
          shippingAddress: {address1: "1 High St", countryCode: GB}}) { userErrors { message } } }"""
        made = await w.ask(branch % f"gid://shopify/Company/{held.id}")
        assert made["data"]["companyLocationCreate"]["userErrors"] == []
        await w.subscribe("ORDERS_CREATE")
        tags = 'mutation { tagsAdd(id: "%s", tags: ["x"]) { node { id } userErrors { message } } }'
        await w.ask(tags % order)
        paths: deque[tuple[str, GraphQLObjectType]] = deque()
        root = SCHEMA.query_type
        assert root is not None
        for name, path in ROOTS.items():
            kind = named(root.fields[name].type)
            if "nodes" in path:
                kind = named(kind.fields["nodes"].type)
            paths.append((path.replace("PRICES", prices), kind))
        seen: set[tuple[str, str]] = set()
        problems: list[str] = []
        while paths:
            path, kind = paths.popleft()
            await w.clock.sleep(20)  # so that points come back
            answer = await w.ask("{ %s }" % (path % leaves(kind)))
            if "errors" in answer:
                problems.append(f"{path}: {answer['errors'][0]['message']}")
                continue
            problems += wrong(root, answer["data"], "")
            for name, field in kind.fields.items():
                inner = named(field.type)
                if is_leaf_type(inner) or (kind.name, name) in seen:
                    continue
                seen.add((kind.name, name))
                if isinstance(inner, GraphQLInterfaceType):
                    continue
                step = f"{asked(name, field)} {{ %s }}"
                if inner.name.endswith("Connection"):
                    inner, step = (
                        named(inner.fields["nodes"].type),
                        f"{asked(name, field)} {{ nodes {{ %s }} }}",
                    )
                if path.count("{") < 9:
                    paths.append((path % step, inner))
        assert problems == []
        assert len(seen) > 80

    run(story, plan="plus")


def test_every_record_is_found_by_its_id():
    async def story(w: World) -> None:
        furnish(w)
        asked_for = """{ shop { id } products(first: 1) { nodes { id variants(first: 1) { nodes { id inventoryItem { id
          inventoryLevels(first: 1) { nodes { id } } } } } } } locations(first: 1) { nodes { id } }
          orders(first: 1) { nodes { id customer { id } lineItems(first: 1) { nodes { id } } transactions { id } refunds { id }
            fulfillments { id fulfillmentLineItems(first: 1) { nodes { id } } }
            fulfillmentOrders(first: 1) { nodes { id lineItems(first: 1) { nodes { id } } } } } } }"""
        found: list[str] = []

        def gather(value: Any) -> None:
            if isinstance(value, dict):
                found.extend(one for name, one in value.items() if name == "id")
                value = list(value.values())
            for one in value if isinstance(value, list) else ():
                gather(one)

        gather((await w.ask(asked_for))["data"])
        assert len(found) == 16
        answer = await w.ask("query Q($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }", ids=found)
        assert [(one or {}).get("id") for one in answer["data"]["nodes"]] == found
        assert {one["__typename"] for one in answer["data"]["nodes"]} == {gid.split("/")[3] for gid in found}
        one = await w.ask("query Q($id: ID!) { node(id: $id) { ... on Product { title } } }", id=found[1])
        assert one["data"]["node"] == {"title": "Product A"}

    run(story)


FIND = """query Q($q: String, $by: OrderSortKeys, $back: Boolean) {
  orders(first: 10, query: $q, sortKey: $by, reverse: $back) { nodes { number } }
}"""


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("(name:1001 OR name:1003) AND financial_status:paid", [1001]),
        ("financial_status:paid AND (name:#1001 OR name:#1003)", [1001]),
        ("name:1001 OR name:1003 AND financial_status:paid", [1001]),
        ("NOT (name:1001 OR name:1002)", [1003]),
        ("-(name:1001 OR name:1002)", [1003]),
        ("NOT (financial_status:paid AND sku:B)", [1002, 1003]),
        ("-name:1001 -name:1002", [1003]),
        ("((name:1001) OR (name:1002 OR (name:1003)))", [1001, 1002, 1003]),
        ("sku:A", [1001, 1002]),
        ("email:ann@example.com", [1001]),
        ("po_number:*", [1001]),
        ("tag:vip,web", [1001, 1002]),
        ("tag_not:vip", [1002, 1003]),
        ("tag_not:vip,web", [1003]),
        ("NOT tag_not:vip,web", [1001, 1002]),
        ("fulfillment_status:unfulfilled", [1001, 1002, 1003]),
        ("fulfillment_status:fulfilled", []),
        ("current_total_price:>=20 current_total_price:<40", [1001, 1002]),
        ("created_at:<now", [1001, 1002]),  # the third is placed in this very second
        ("created_at:<=now", [1001, 1002, 1003]),
        ("created_at:<=2026", []),
        ("created_at:>2026-06", [1001, 1002, 1003]),
        ("created_at:2026-07-01", [1001, 1002, 1003]),
        ("created_at:2026-06", []),
        ("test:true", []),
        ("", [1001, 1002, 1003]),
    ],
)
def test_a_search_reads_parentheses_lists_and_dates(query: str, numbers: list[int]):
    async def story(w: World) -> None:
        ann = Buyer(email="ann@example.com")
        w.order(("A", 2), ("B", 1), customer=ann, po_number="P1").tags.append("vip")
        w.order(("A", 3), paid=False).tags.append("web")
        await w.clock.sleep(60)
        w.order(("C", 1), paid=False)
        found = (await w.ask(FIND, q=query, by="ID"))["data"]["orders"]["nodes"]
        assert [one["number"] for one in found] == numbers

    run(story, answer_ms=(0.0, 0.0))


def test_orders_are_sorted_by_what_they_come_to():
    async def story(w: World) -> None:
        for units in (2, 1, 3):
            w.order(("A", units))
        for back, numbers in ((False, [1002, 1001, 1003]), (True, [1003, 1001, 1002])):
            found = (await w.ask(FIND, by="TOTAL_PRICE", back=back))["data"]["orders"]["nodes"]
            assert [one["number"] for one in found] == numbers

    run(story)


def test_a_field_that_a_list_does_not_have_is_ignored_with_a_warning():
    async def story(w: World) -> None:
        for _ in range(2):
            w.order(("A", 1))
        answer = await w.ask(FIND.replace("orders(", "found: orders("), q="colour:red tag:vip")
        assert answer["data"]["found"]["nodes"] == []
        assert answer["extensions"]["search"] == [
            {
                "path": ["found"],
                "query": "colour:red tag:vip",
                "parsed": {
                    "and": [
                        {"field": "colour", "match_all": "red"},
                        {"field": "tag", "match_all": "vip"},
                    ]
                },
                "warnings": [
                    {
                        "field": "colour",
                        "message": "Invalid search field for this query.",
                        "code": "invalid_field",
                    }
                ],
            }
        ]
        assert w.shop.ledger.breaches["unknown_search_field"] == 1
        answer = await w.ask(FIND, q="colour:red")
        assert len(answer["data"]["orders"]["nodes"]) == 2
        assert "search" not in (await w.ask(FIND, q="name:1001"))["extensions"]
        refused = await w.ask(FIND, q="risk_level:high")  # the vendor has it
        assert refused["errors"][0]["message"] == "the search field risk_level is not simulated"

    run(story)


def test_products_are_listed_both_ways_and_counted():
    async def story(w: World) -> None:
        ask = """query Q($q: String, $first: Int, $last: Int, $after: String, $before: String, $by: ProductSortKeys) {
          products(query: $q, first: $first, last: $last, after: $after, before: $before, sortKey: $by) {
            edges { cursor node { title variants(first: 5) { nodes { sku } } } }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
          }
          productsCount(query: $q) { count precision }
        }"""

        async def titles(**given: Any) -> tuple[list[str], dict[str, Any], int]:
            data = (await w.ask(ask, **given))["data"]
            page = data["products"]
            assert [edge["cursor"] for edge in page["edges"]][:1] == [page["pageInfo"]["startCursor"]][
                : len(page["edges"])
            ]
            titles = [edge["node"]["title"][-1] for edge in page["edges"]]
            return titles, page["pageInfo"], data["productsCount"]["count"]

        first, info, count = await titles(first=2, by="TITLE")
        assert (first, info["hasNextPage"], info["hasPreviousPage"], count) == (["A", "B"], True, False, 3)
        second, rest, _ = await titles(first=2, after=info["endCursor"], by="TITLE")
        assert (second, rest["hasNextPage"], rest["hasPreviousPage"]) == (["C"], False, True)
        back, before, _ = await titles(last=2, before=rest["startCursor"], by="TITLE")
        assert (back, before["hasNextPage"], before["hasPreviousPage"]) == (["A", "B"], True, False)
        for query, found in (
            ("sku:B", ["B"]),
            ("status:active,draft", ["A", "B", "C"]),
            ("status:draft", []),
            ("inventory_total:>20", ["A", "B"]),
            ("title:'Product C' OR sku:A", ["A", "C"]),
            ("price:3.33", ["B"]),
        ):
            assert ((await titles(first=5, q=query))[0]) == found, query
        one = (
            await w.ask("{ productsCount(limit: 2) { count precision } ordersCount { count precision } }")
        )["data"]
        assert one == {
            "productsCount": {"count": 2, "precision": "AT_LEAST"},
            "ordersCount": {"count": 0, "precision": "EXACT"},
        }  # fmt: skip

    run(story)


def test_a_document_may_be_sent_as_it_is():
    async def story(w: World) -> None:
        answer = await w.http(b"{ shop { name } }", Content_Type="application/graphql")
        assert json.loads(answer.body)["data"] == {"shop": {"name": "simulated"}}
        assert (await w.http(b"\xff", Content_Type="application/graphql")).status == 400
        assert (await w.http(b"{}", Content_Type="text/plain")).status == 415

    run(story)


RUN = """mutation R($text: String!) { bulkOperationRunQuery(query: $text) {
  bulkOperation { id status type query objectCount rootObjectCount url } userErrors { field message code } } }"""
OPERATION = """query O($id: ID!) { node(id: $id) { ... on BulkOperation {
  status type errorCode completedAt objectCount rootObjectCount fileSize url } } }"""


def test_a_bulk_query_leaves_a_line_for_each_object():
    async def story(w: World) -> None:
        w.shop.add_product("M", "Many", Decimal(1), {w.first: 500})
        for _ in range(260):  # more than a page
            w.order(("M", 1))
        w.order(("A", 2), ("B", 1))

        async def result(text: str) -> tuple[dict[str, Any], list[Any]]:
            started = (await w.ask(RUN, text=text))["data"]["bulkOperationRunQuery"]
            assert started["userErrors"] == []
            operation = started["bulkOperation"]
            assert (operation["status"], operation["type"], operation["query"]) == ("CREATED", "QUERY", text)
            assert (operation["url"], operation["objectCount"]) == (None, "0")
            await w.clock.sleep(60)
            done = (await w.ask(OPERATION, id=operation["id"]))["data"]["node"]
            if done["url"] is None:
                return done, []
            body = (await w.transport.send(Request("GET", done["url"], {}))).body
            assert done["fileSize"] == str(len(body))
            return done, [json.loads(line) for line in body.splitlines()]

        done, lines = await result(
            '{ orders(query: "status:any") { edges { node { id lineItems { edges { node { sku quantity } } } } } } }'
        )
        assert (done["status"], done["errorCode"]) == ("COMPLETED", None)
        assert (done["objectCount"], done["rootObjectCount"]) == ("523", "261")
        assert len(lines) == 523
        last = lines[-3]["id"]
        assert lines[-3:] == [
            {"id": last},
            {"sku": "A", "quantity": 2, "__parentId": last},
            {"sku": "B", "quantity": 1, "__parentId": last},
        ]
        done, lines = await result('{ products(query: "sku:none") { edges { node { title } } } }')
        assert (done["status"], done["url"], done["objectCount"], lines) == ("COMPLETED", None, "0", [])
        done, lines = await result('{ orders(query: "risk_level:high") { edges { node { id } } } }')
        assert (done["status"], done["errorCode"], lines) == ("FAILED", "INTERNAL_SERVER_ERROR", [])

    run(story)


NODES = (
    "All connection fields in a bulk query must select their contents using 'edges' > 'node', e.g: 'products { edges { node {'. "
    "Selecting via 'nodes' is not supported. Invalid connection fields: 'products'."
)
NO_ID = (
    "The parent 'node' field for a nested connection must select the 'id' field without an alias and must be of 'ID' return "
    "type. Connection fields without 'id': products."
)
DEEP = "Bulk queries cannot contain connections with a nesting depth greater than 2."
MANY = "Bulk queries cannot contain more than 5 connections."
NONE = "Bulk queries must contain at least one connection."


def within(*names: str) -> str:
    """Connections, each in the one before."""
    return f"{names[0]} {{ edges {{ node {{ id {within(*names[1:]) if names[1:] else ''} }} }} }}"


INNER = "variants { edges { node { id product { variants { edges { node { id } } } } } } }"


@pytest.mark.parametrize(
    ("query", "messages"),
    [
        ("{ products { nodes { id } } }", [NODES]),
        ("{ shop { name } }", [NONE]),
        (
            '{ node(id: "gid://shopify/Product/1") { id } }',
            ["Bulk queries cannot contain a top level `node` field.", NONE],
        ),
        ("{ products { edges { node { title variants { edges { node { id } } } } } } }", [NO_ID]),
        ("{ products { edges { node { a: id variants { edges { node { id } } } } } } }", [NO_ID]),
        (f"{{ {within('orders', 'fulfillmentOrders', 'lineItems')} }}", []),
        (
            f"{{ {within('products', 'variants').replace('id  }', 'id product { %s } }') % INNER} }}",
            [DEEP],
        ),
        (
            "{ orders { edges { node { id fulfillments { fulfillmentLineItems { edges { node { id } } } } } } } }",
            ["Queries that contain a connection field within a list field are not currently supported."],
        ),
        (f"{{ {' '.join(f'a{n}: products {{ edges {{ node {{ id }} }} }}' for n in range(6))} }}", [MANY]),
        (
            'mutation { orderMarkAsPaid(input: {id: "gid://shopify/Order/1"}) { order { id } } }',
            ["Invalid operation type. Only `query` operations are supported."],
        ),
        ("", ["Invalid bulk query: syntax error, unexpected end of file"]),
    ],
)
def test_a_bulk_query_that_cannot_run_is_refused(query: str, messages: list[str]):
    async def story(w: World) -> None:
        answer = (await w.ask(RUN, text=query))["data"]["bulkOperationRunQuery"]
        assert [one["message"] for one in answer["userErrors"]] == messages
        assert all(one["field"] == ["query"] and one["code"] == "INVALID" for one in answer["userErrors"])
        assert (answer["bulkOperation"] is None) == bool(messages)

    run(story)


def test_five_bulk_queries_run_at_once():
    async def story(w: World) -> None:
        w.shop.bulk.hangs = True
        text = "{ products { edges { node { id } } } }"
        answers = [(await w.ask(RUN, text=text))["data"]["bulkOperationRunQuery"] for _ in range(6)]
        ids = [one["bulkOperation"]["id"] for one in answers[:5]]
        message = f"A bulk query operation for this app and shop is already in progress: {', '.join(ids)}."
        assert answers[5] == {
            "bulkOperation": None,
            "userErrors": [{"field": None, "message": message, "code": "OPERATION_IN_PROGRESS"}],
        }

    run(story)
