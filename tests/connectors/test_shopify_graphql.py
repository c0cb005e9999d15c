"""The simulated shop's GraphQL beside the vendor's: refusals in its words, what a schema tells of itself, strict values."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from graphql import GraphQLObjectType, build_client_schema, get_introspection_query
from tests.connectors.test_shopify_simulator import World, run

from syncline.connectors.shopify.simulator.app import _ENGINE
from syncline.connectors.shopify.simulator.compiler import SCHEMA

# As live answers of 2026-04 tell them.
REFUSALS: list[tuple[str, dict[str, Any]]] = [
    (
        'mutation M { tagsAdd(id: "gid://shopify/Order/1", tags: []) { userErrors { code } } }',
        {
            "message": "Field 'code' doesn't exist on type 'UserError'",
            "path": ["mutation M", "tagsAdd", "userErrors", "code"],
            "extensions": {"code": "undefinedField", "typeName": "UserError", "fieldName": "code"},
        },
    ),
    (
        "mutation M { m: orderMarkAsPaid { userErrors { message } } }",
        {
            "message": "Field 'orderMarkAsPaid' is missing required arguments: input",
            "path": ["mutation M", "m"],
            "extensions": {
                "code": "missingRequiredArguments",
                "className": "Field",
                "name": "orderMarkAsPaid",
                "arguments": "input",
            },
        },
    ),
    (
        "mutation M { orderMarkAsPaid(input: {}) { userErrors { message } } }",
        {
            "message": "Argument 'id' on InputObject 'OrderMarkAsPaidInput' is required. Expected type ID!",
            "path": ["mutation M", "orderMarkAsPaid", "input", "id"],
            "extensions": {
                "code": "missingRequiredInputObjectAttribute",
                "argumentName": "id",
                "argumentType": "ID!",
                "inputObjectType": "OrderMarkAsPaidInput",
            },
        },
    ),
    (
        "query Q { order(id: null) { id } }",
        {
            "message": "Argument 'id' on Field 'order' has an invalid value (null). Expected type 'ID!'.",
            "path": ["query Q", "order", "id"],
            "extensions": {
                "code": "argumentLiteralsIncompatible",
                "typeName": "Field",
                "argumentName": "id",
            },
        },
    ),
    (
        "query Q { nodes(ids: [], sku: 1) { ... on InventoryItem { inventoryLevels(first: 1) { nodes { nope } } } } }",
        {
            "message": "Field 'nodes' doesn't accept argument 'sku'",
            "path": ["query Q", "nodes", "sku"],
            "extensions": {
                "code": "argumentNotAccepted",
                "name": "nodes",
                "typeName": "Field",
                "argumentName": "sku",
            },
        },
    ),
    (
        'query Q { node(id: "gid://shopify/Order/1") { ... on Order { lineItems(first: 1) { nope } } } }',
        {
            "message": "Field 'nope' doesn't exist on type 'LineItemConnection'",
            "path": ["query Q", "node", "... on Order", "lineItems", "nope"],
            "extensions": {
                "code": "undefinedField",
                "typeName": "LineItemConnection",
                "fieldName": "nope",
            },
        },
    ),
    (
        "query Q($x: Int) { shop { name } }",
        {
            "message": "Variable $x is declared by Q but not used",
            "path": ["query Q"],
            "extensions": {"code": "variableNotUsed", "variableName": "x"},
        },
    ),
    (
        'mutation M { orderMarkAsPaid(input: {id: "gid://shopify/Order/1", at: 1}) { userErrors { message } } }',
        {
            "message": "InputObject 'OrderMarkAsPaidInput' doesn't accept argument 'at'",
            "path": ["mutation M", "orderMarkAsPaid", "input", "at"],
            "extensions": {
                "code": "argumentNotAccepted",
                "name": "OrderMarkAsPaidInput",
                "typeName": "InputObject",
                "argumentName": "at",
            },
        },
    ),
    (
        "query Q { shop @other { name } }",
        {
            "message": "Directive @other is not defined",
            "path": ["query Q", "shop"],
            "extensions": {"code": "undefinedDirective", "directiveName": "other"},
        },
    ),
    (
        "query Q {\n  shop\n}",
        {
            "message": "Field must have selections (field 'shop' returns Shop but has no selections. "
            "Did you mean 'shop { ... }'?)",
            "locations": [{"line": 2, "column": 3}],
            "path": ["query Q", "shop"],
            "extensions": {"code": "selectionMismatch", "nodeName": "field 'shop'", "typeName": "Shop"},
        },
    ),
    (
        'query Q { node(id: "gid://shopify/Order/1") { ... on Package { id } } }',
        {
            "message": "No such type Package, so it can't be a fragment condition",
            "path": ["query Q", "node", "... on Package"],
            "extensions": {"code": "undefinedType", "typeName": "Package"},
        },
    ),
    (
        "query Q {\n  shop {\n    ",
        {
            "message": "syntax error, unexpected end of file at [3, 5]",
            "locations": [{"line": 3, "column": 5}],
            "extensions": {"code": "PARSE_ERROR"},
        },
    ),
]


@pytest.mark.parametrize(("document", "told"), REFUSALS)
def test_a_document_is_refused_as_the_vendor_refuses_it(document: str, told: dict[str, Any]):
    async def story(w: World) -> None:
        answer = await w.ask(document)
        assert answer.keys() == {"errors"}
        error = answer["errors"][0]
        assert {name: error.get(name) for name in told} == told
        assert error["locations"]

    run(story)


ONE_OF = """mutation M($by: ProductSetIdentifiers, $input: ProductSetInput!) {
  productSet(identifier: $by, input: $input) { userErrors { message } }
}"""
PAY = """mutation M($id: ID!, $amount: MoneyInput, $at: DateTime) {
  orderCreateManualPayment(id: $id, amount: $amount, processedAt: $at) { userErrors { code field message } }
}"""
ORDER = "gid://shopify/Order/1"


@pytest.mark.parametrize(
    ("document", "variables", "problem"),
    [
        (ONE_OF, {"by": {}, "input": {}}, "'ProductSetIdentifiers' requires exactly one argument, but 0 were provided."),
        (
            ONE_OF,
            {"by": {"handle": "a", "id": "gid://shopify/Product/1"}, "input": {}},
            "'ProductSetIdentifiers' requires exactly one argument, but 2 were provided.",
        ),
        (PAY, {"id": ORDER, "at": "yesterday"}, 'Could not coerce value "yesterday" to DateTime'),
        (PAY, {"id": ORDER, "at": "2026-02-30T00:00:00Z"}, 'Could not coerce value "2026-02-30T00:00:00Z" to DateTime'),
        (PAY, {"id": ORDER, "amount": {"amount": "NaN", "currencyCode": "GBP"}}, 'Could not coerce value "NaN" to Decimal'),
        (PAY, {"id": ORDER, "amount": {"amount": "1", "currencyCode": "gbp"}}, 'Expected "gbp" to be one of: AED'),
        ("query Q($n: Int!) { orders(first: $n) { nodes { id } } }", {"n": 5.0}, "Could not coerce value 5.0 to Int"),
    ],
)  # fmt: skip
def test_a_variable_that_is_not_what_it_should_be_is_refused(document, variables, problem):
    async def story(w: World) -> None:
        error = (await w.ask(document, **variables))["errors"][0]
        assert error["extensions"]["code"] == "INVALID_VARIABLE"
        assert error["extensions"]["problems"][0]["explanation"].startswith(problem)

    run(story)


def test_a_literal_with_two_keys_of_which_one_is_meant_is_refused():
    async def story(w: World) -> None:
        by = '{handle: "a", id: "gid://shopify/Product/1"}'
        answer = await w.ask(f"query Q {{ productByIdentifier(identifier: {by}) {{ id }} }}")
        assert answer["errors"][0]["path"] == ["query Q", "productByIdentifier", "identifier"]

    run(story)


def test_an_array_may_be_as_long_as_the_vendor_takes_it():
    async def story(w: World) -> None:
        one = {"optionValues": [{"optionName": "Title", "name": "x"}]}
        options = [{"name": "Title", "values": [{"name": "x"}]}]
        many = {"title": "T", "productOptions": options, "variants": [one] * 2048}
        answer = await w.ask(ONE_OF, by={"handle": "t"}, input=many)
        assert answer["data"]["productSet"]["userErrors"]  # of its content, and not of its length
        answer = await w.ask(ONE_OF, by={"handle": "t"}, input={**many, "variants": [one] * 2049})
        assert answer["errors"] == [
            {
                "message": "The input array size of 2049 is greater than the maximum allowed of 2048.",
                "locations": [{"line": 2, "column": 3}],
                "path": ["productSet", "input", "variants"],
                "extensions": {"code": "MAX_INPUT_SIZE_EXCEEDED"},
            }
        ]

    run(story)


def test_the_schema_tells_of_itself_and_every_field_of_it_is_served():
    async def story(w: World) -> None:
        told = build_client_schema((await w.ask(get_introspection_query()))["data"])  # type: ignore[arg-type]
        assert told.type_map.keys() >= {"Order", "InventorySetQuantitiesInput", "CountryCode"}
        answer = await w.ask('{ __typename a: __type(name: "Order") { name } shop { name } }')
        assert answer["data"] == {
            "__typename": "QueryRoot",
            "a": {"name": "Order"},
            "shop": {"name": "simulated"},
        }

    run(story)
    unserved = [
        f"{name}.{field}"
        for name, kind in SCHEMA.type_map.items()
        if isinstance(kind, GraphQLObjectType)
        and not name.startswith("__")
        and not name.endswith(("Connection", "Edge"))
        for field in kind.fields
        if field not in _ENGINE._resolvers.get(name, {})
    ]
    assert unserved == []


@pytest.mark.parametrize(("wanted", "name"), [(True, {"name": "simulated"}), (False, {})])
def test_conditions_on_fragments_hold(wanted, name):
    async def story(w: World) -> None:
        inline = "query Q($x: Boolean!) { shop { ... @include(if: $x) { name } } }"
        spread = "query Q($x: Boolean!) { shop { ...F @include(if: $x) } } fragment F on Shop { name }"
        both = "query Q($x: Boolean!) { shop { name @skip(if: $x) ...F @include(if: $x) } } fragment F on Shop { name }"
        for document in (inline, spread):
            assert (await w.ask(document, x=wanted))["data"]["shop"] == name
        assert (await w.ask(both, x=wanted))["data"]["shop"] == {"name": "simulated"}

    run(story)


def test_a_version_that_was_never_released_is_not_found():
    async def story(w: World) -> None:
        for version in ("2026-10", "2031-01", "2026-02", "unstable"):
            assert (await w.http({"query": "{ shop { name } }"}, version=version)).status == 404
        retired = await w.http({"query": "{ shop { name } }"}, version="2025-04")
        assert (retired.status, retired.headers["x-shopify-api-version"]) == (200, "2026-04")

    run(story)


@pytest.mark.parametrize("sku", ["5' rope", 'bolt 3"', "a\\b", "x:(1)"])
def test_a_search_finds_what_was_escaped(sku):
    async def story(w: World) -> None:
        w.shop.add_product(sku, "P", Decimal(1), {w.first: 1})
        w.shop.add_product("rope", "P", Decimal(1), {w.first: 1})
        quoted = sku.replace("\\", "\\\\").replace("'", "\\'")
        query = "query Q($q: String!) { productVariants(first: 5, query: $q) { nodes { sku } } }"
        found = (await w.ask(query, q=f"sku:'{quoted}'"))["data"]["productVariants"]["nodes"]
        assert found == [{"sku": sku}]

    run(story)


def test_a_page_has_one_end():
    async def story(w: World) -> None:
        error = (await w.ask("{ orders(first: 1, last: 1) { nodes { id } } }"))["errors"][0]
        assert error["message"] == "providing both first and last is not supported"
        assert error["extensions"] == {"code": "BAD_REQUEST"}

    run(story)


REFUND = """mutation M($input: RefundInput!, $key: String!) {
  refundCreate(input: $input) @idempotent(key: $key) { order { id } refund { id } userErrors { field message } }
}"""


def test_refunds_are_refused_as_live_answers_refuse_them():
    async def story(w: World) -> None:
        order = w.order(("A", 2))
        gid, (sale,) = f"gid://shopify/Order/{order.id}", order.transactions
        money = {
            "orderId": gid,
            "kind": "REFUND",
            "gateway": "manual",
            "amount": "999.00",
            "parentId": f"gid://shopify/OrderTransaction/{sale.id}",
        }
        line = {"lineItemId": f"gid://shopify/LineItem/{order.lines[0].id}", "quantity": 3}
        cases: list[tuple[dict[str, Any], list[str] | None, str]] = [
            ({"orderId": "gid://shopify/Order/9"}, ["orderId"], "Order does not exist"),
            (
                {"orderId": gid, "refundLineItems": [line]},
                ["refundLineItems", "0", "quantity"],
                "Quantity cannot refund more items than were purchased",
            ),
            (
                {"orderId": gid, "transactions": [money]},
                None,
                "Refund amount £999.00 is greater than net payment received £20.00",
            ),
            (
                {"orderId": gid, "transactions": [{**money, "kind": "VOID"}]},
                None,
                "Kind void is not a valid transaction",
            ),
            (
                {"orderId": gid, "transactions": [{**money, "parentId": "gid://shopify/OrderTransaction/9"}]},
                ["transactions"],
                "Transactions require a parent_id associated with the order",
            ),
        ]
        for n, (given, field, message) in enumerate(cases):
            made = (await w.ask(REFUND, input=given, key=f"k{n}"))["data"]["refundCreate"]
            assert made["refund"] is None
            assert made["userErrors"] == [{"field": field, "message": message}]
            assert made["order"] == (None if field == ["orderId"] else {"id": gid})

    run(story)


def test_manual_payments_and_cancellations_are_refused_with_the_codes_of_the_schema():
    async def story(w: World) -> None:
        order = w.order(("A", 1), paid=False)
        gid = f"gid://shopify/Order/{order.id}"
        part = {"amount": "1.00", "currencyCode": "GBP"}
        denied = (await w.ask(PAY, id=gid, amount=part))["errors"][0]
        assert denied["extensions"]["code"] == "ACCESS_DENIED"
        assert "installed on a Shopify Plus store to use the amount field" in denied["message"]
        w.shop.plan = "plus"
        for given, code in (
            ({"amount": {**part, "currencyCode": "EUR"}}, "CURRENCY_MISMATCH"),
            ({"amount": {**part, "amount": "0"}}, "AMOUNT_NOT_POSITIVE"),
            ({"amount": {**part, "amount": "10.01"}}, "AMOUNT_EXCEEDS_BALANCE"),
            ({"at": "2099-01-01T00:00:00Z"}, "PROCESSED_AT_INVALID"),
            ({"id": "gid://shopify/Order/9"}, "ORDER_NOT_FOUND"),
        ):
            answer = await w.ask(PAY, **{"id": gid, **given})
            assert [e["code"] for e in answer["data"]["orderCreateManualPayment"]["userErrors"]] == [code]
        cancel = """mutation M($id: ID!, $note: String) {
          orderCancel(orderId: $id, reason: OTHER, restock: true, staffNote: $note) {
            orderCancelUserErrors { code field message } userErrors { field message }
          }
        }"""
        told = (await w.ask(cancel, id=gid, note="x" * 256))["data"]["orderCancel"]
        message = "Staff note is too long. Maximum length is 255 characters."
        assert told["userErrors"] == [{"field": ["staffNote"], "message": message}]
        assert told["orderCancelUserErrors"] == [
            {"field": ["staffNote"], "message": message, "code": "INVALID"}
        ]

    run(story)


FIXED = """mutation M($list: ID!, $add: [PriceListPriceInput!]!) {
  priceListFixedPricesUpdate(priceListId: $list, pricesToAdd: $add, variantIdsToDelete: []) {
    userErrors { code field message }
  }
}"""
BROKEN = """mutation M($list: ID!, $input: QuantityPricingByVariantUpdateInput!) {
  quantityPricingByVariantUpdate(priceListId: $list, input: $input) { userErrors { code field } }
}"""


def test_prices_of_lists_are_refused_as_live_answers_refuse_them():
    async def story(w: World) -> None:
        prices = f"gid://shopify/PriceList/{w.shop.add_price_list('Trade').id}"
        one = f"gid://shopify/ProductVariant/{w.shop.state.skus['A'].variant_id}"
        pounds, euros = ({"amount": "5", "currencyCode": currency} for currency in ("GBP", "EUR"))
        add = [
            {"variantId": one, "price": pounds, "compareAtPrice": euros},
            {"variantId": "gid://shopify/ProductVariant/1", "price": pounds},
        ]
        told = (await w.ask(FIXED, list=prices, add=add))["data"]["priceListFixedPricesUpdate"]["userErrors"]
        assert told == [
            {
                "code": "PRICE_LIST_CURRENCY_MISMATCH",
                "field": ["pricesToAdd", "0", "compareAtPrice", "currencyCode"],
                "message": "The specified currency does not match the price list's currency.",
            },
            {
                "code": "VARIANT_NOT_FOUND",
                "field": ["pricesToAdd", "1", "variantId"],
                "message": "Product variant ID does not exist.",
            },
        ]
        gone = "gid://shopify/ProductVariant/1"
        given = {
            "pricesToAdd": [{"variantId": one, "price": pounds}] * 2,
            "pricesToDeleteByVariantId": [gone],
            "quantityPriceBreaksToAdd": [],
            "quantityPriceBreaksToDelete": [],
            "quantityPriceBreaksToDeleteByVariantId": [gone],
            "quantityRulesToAdd": [],
            "quantityRulesToDeleteByVariantId": [],
        }
        answer = await w.ask(BROKEN, list=prices, input=given)
        told = answer["data"]["quantityPricingByVariantUpdate"]["userErrors"]
        assert [(error["code"], error["field"][1:]) for error in told] == [
            ("PRICE_ADD_DUPLICATE_INPUT_FOR_VARIANT", ["pricesToAdd", "0"]),
            ("PRICE_ADD_DUPLICATE_INPUT_FOR_VARIANT", ["pricesToAdd", "1"]),
            ("PRICE_DELETE_VARIANT_NOT_FOUND", ["pricesToDeleteByVariantId", "0"]),
            (
                "QUANTITY_PRICE_BREAK_DELETE_BY_VARIANT_ID_VARIANT_NOT_FOUND",
                ["quantityPriceBreaksToDeleteByVariantId", "0"],
            ),
        ]

    run(story)


def test_metafields_are_refused_as_live_answers_refuse_them():
    async def story(w: World) -> None:
        set_them = """mutation M($m: [MetafieldsSetInput!]!) {
          metafieldsSet(metafields: $m) { userErrors { code field message } }
        }"""
        one = {
            "ownerId": "gid://shopify/Company/1",
            "namespace": "abc",
            "key": "ab",
            "type": "json",
            "value": "1",
        }
        for given, code, field in (
            ([one] * 26, "LESS_THAN_OR_EQUAL_TO", ["metafields"]),
            ([{**one, "namespace": "ab"}], "TOO_SHORT", ["metafields", "0", "namespace"]),
            ([one, {**one, "key": "k" * 65}], "TOO_LONG", ["metafields", "1", "key"]),
            ([{**one, "type": None}], "BLANK", ["metafields", "0", "type"]),
            ([one], None, None),
        ):
            told = (await w.ask(set_them, m=given))["data"]["metafieldsSet"]["userErrors"]
            assert [(error["code"], error["field"]) for error in told] == ([(code, field)] if code else [])

    run(story)
