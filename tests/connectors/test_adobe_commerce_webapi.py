"""The simulated shop's web API: credentials, addresses, bodies, searches and the bulk API, as Magento's framework has them."""

from __future__ import annotations

import json
from typing import Any

import oauthlib.oauth1
import pytest
from tests.connectors.adobe_world import ORIGIN, Answer, World, opened, run, signed

from syncline.connectors.adobe_commerce.simulator.owners import OWNERS
from syncline.connectors.adobe_commerce.simulator.routes import ROUTES
from syncline.ports import Request

SOURCE_ITEMS = "inventory/source-items"


def row(sku: str, quantity: int, source: str = "default", **more: Any) -> dict[str, Any]:
    return {"sku": sku, "source_code": source, "quantity": quantity, "status": 1} | more


# --- credentials -------------------------------------------------------------------------------------------


def test_oauth_takes_what_oauthlib_signs_once_and_nothing_else():
    async def story(world: World) -> None:
        url = f"{ORIGIN}/rest/all/V1/orders?searchCriteria%5BpageSize%5D=1"
        now = world.clock.now_ms()

        said: list[str] = []

        async def ask(header: str) -> int:
            request = Request("GET", url, {"Authorization": header} if header else {})
            answer = opened(await world.transport.send(request))
            said.append(answer.body.get("message", ""))
            return answer.status

        good = signed(world.shop, "GET", url, now, "once")
        assert await ask(good) == 200
        assert await ask(good) == 401, "a nonce was taken twice"
        assert said[-1] == "The nonce is already being used by the consumer with ID %1."
        assert await ask(signed(world.shop, "GET", url, now - 3600_000, "old")) == 200, (
            "old stamps are not refused"
        )
        assert await ask(signed(world.shop, "GET", url, now + 700_000, "early")) == 401
        sha1 = signed(
            world.shop, "GET", url, now, "sha1", signature_method=oauthlib.oauth1.SIGNATURE_HMAC_SHA1
        )
        assert await ask(sha1) == 400, "HMAC-SHA1 was removed"
        assert said[-1] == "Signature method %1 is not supported"
        other = signed(world.shop, "GET", url.replace("=1", "=2"), now, "query")
        assert await ask(other) == 401, "the query is signed too"
        assert said[-1] == "The signature is invalid. Verify and try again."
        assert await ask(signed(world.shop, "GET", url, now, "secret", client_secret="other")) == 401
        assert await ask("") == 401
        assert await ask(f"Bearer {world.shop.integration.access_token}") == 401, "bearer is off by default"
        assert world.shop.ledger.breaches["auth"] == 7
        assert "the signature method is not supported" in world.shop.refused

    run(story)


def test_a_refusal_names_no_resource_that_the_caller_might_have():
    async def story(world: World) -> None:
        answer = await world.http(
            "GET", "all/V1/orders", query={"searchCriteria": ""}, authorization="Bearer x"
        )
        assert answer.status == 401
        assert answer.body["message"] == "The consumer isn't authorized to access %resources."
        assert list(answer.body["parameters"]) == ["resources"]

    run(story)


def test_bearer_works_where_it_is_switched_on():
    async def story(world: World) -> None:
        token = f"Bearer {world.shop.integration.access_token}"
        answer = await world.http("GET", "all/V1/store/storeConfigs", authorization=token)
        assert answer.status == 200 and answer.body[0]["base_currency_code"] == "GBP"

    run(story, bearer=True)


def test_an_admin_token_lives_four_hours_and_wrong_passwords_lock():
    async def story(world: World) -> None:
        sign_in = {"username": "simulated", "password": "simulated-Password-1"}
        token = (await world.post("integration/admin/token", sign_in)).body
        assert isinstance(token, str)

        async def works() -> bool:
            answer = await world.http("GET", "all/V1/store/storeConfigs", authorization=f"Bearer {token}")
            return answer.status == 200

        assert await works()
        await world.clock.sleep(4 * 3600 - 60)
        assert await works()
        await world.clock.sleep(60)
        assert not await works()
        for _ in range(6):
            answer = await world.post("integration/admin/token", sign_in | {"password": "guess"})
            assert answer.status == 401 and "account sign-in was incorrect" in answer.body["message"]
        assert (await world.post("integration/admin/token", sign_in)).status == 401, "not locked"

    run(story)


# --- addresses and bodies ----------------------------------------------------------------------------------


def test_addresses_have_a_store_or_none_and_unknown_ones_match_no_route():
    async def story(world: World) -> None:
        for path in ("V1", "all/V1", "default/V1"):
            assert (await world.http("GET", f"{path}/store/storeConfigs")).status == 200
        for path in ("mars/V1/store/storeConfigs", "all/V1/nothing", "all/V2/store/storeConfigs"):
            answer = await world.http("GET", path)
            assert (answer.status, answer.body["message"]) == (404, "Request does not match any route.")

    run(story)


def test_a_property_that_a_data_object_lacks_is_refused_and_a_name_that_is_no_parameter_ignored():
    async def story(world: World) -> None:
        answer = await world.post(SOURCE_ITEMS, {"sourceItems": [row("A", 9, qty=3)]})
        assert answer.status == 400
        assert answer.body["message"] == (
            'Property "Qty" does not have accessor method "getQty" in class '
            '"Magento\\InventoryApi\\Api\\Data\\SourceItemInterface".'
        )
        assert world.shop.quantity("A", "default") == 5
        assert world.shop.ledger.breaches["unknown_field"] == 1
        answer = await world.post(SOURCE_ITEMS, {"sourceItems": [row("A", 9)], "dryRun": True})
        assert (answer.status, answer.body) == (200, [])
        assert world.shop.quantity("A", "default") == 9
        assert world.shop.ledger.breaches["unknown_field"] == 2

    run(story)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "Decoding error"),
        ({}, '"%fieldName" is required. Enter and try again.'),
        ({"sourceItems": 3}, "value's type is invalid"),
        ({"sourceItems": []}, "Input data is empty"),
        ({"sourceItems": [row("A", 1, status=7)]}, "Validation Failed"),
        ({"sourceItems": [row("A", 1), row(" ", 1)]}, "Validation Failed"),
        ({"sourceItems": [row("A", 1, "mars")]}, "Could not save Source Item"),
    ],
)
def test_a_source_item_that_is_wrong_spoils_the_call(body, words):
    async def story(world: World) -> None:
        answer = await world.post(SOURCE_ITEMS, body)
        assert answer.status == 400 and words in answer.body["message"], answer
        assert world.shop.quantity("A", "default") == 5 and not world.shop.source_items_written

    run(story)


def test_validation_says_what_is_wrong_and_not_where():
    async def story(world: World) -> None:
        answer = await world.post(SOURCE_ITEMS, {"sourceItems": [row("A", 1), row("", 1)]})
        assert answer.body["errors"] == [
            {"message": '"%field" can not be empty.', "parameters": {"field": "sku"}}
        ]

    run(story)


def test_input_limits_are_off_until_they_are_switched_on():
    async def story(world: World) -> None:
        answer = await world.post(SOURCE_ITEMS, {"sourceItems": [row("A", 9)] * 21})
        limited = world.shop.input_limits
        assert answer.status == (400 if limited else 200)
        page = await world.http("GET", "all/V1/orders", query={"searchCriteria[pageSize]": 301})
        assert page.status == (400 if limited else 200)
        if limited:
            assert answer.body == {
                "message": 'Maximum items of type "%type" is %max',
                "parameters": {"type": "\\Magento\\InventoryApi\\Api\\Data\\SourceItemInterface", "max": 20},
            }
            assert len((await world.get("orders", searchCriteria=""))["items"]) == 20

    async def with_orders(world: World) -> None:
        for _ in range(25):
            world.buy(("B", 1))
        await story(world)

    run(with_orders)
    run(with_orders, input_limits=True)


# --- searches ----------------------------------------------------------------------------------------------


def test_past_the_last_page_the_last_page_comes_again():
    async def story(world: World) -> None:
        for _ in range(5):
            world.buy(("B", 1))

        async def page(number: int) -> Any:
            query = {"searchCriteria[pageSize]": 2, "searchCriteria[currentPage]": number}
            query |= {"searchCriteria[sortOrders][0][field]": "entity_id"}
            query |= {"searchCriteria[sortOrders][0][direction]": "ASC"}
            answer = await world.get("orders", **query)
            assert answer["total_count"] == 5
            return [order["entity_id"] for order in answer["items"]]

        assert [await page(n) for n in (1, 2, 3, 4, 99)] == [[1, 2], [3, 4], [5], [5], [5]]

    run(story)


def test_filters_in_a_group_are_alternatives_and_groups_hold_together():
    async def story(world: World) -> None:
        for _ in range(4):
            world.buy(("B", 1))
            await world.clock.sleep(60)
        stamp = (await world.get("orders/2"))["updated_at"]
        assert stamp == "2026-07-01 09:01:00"
        key = "searchCriteria[filter_groups]"
        query = {
            f"{key}[0][filters][0][field]": "updated_at",
            f"{key}[0][filters][0][value]": stamp,
            f"{key}[0][filters][0][condition_type]": "gteq",
            f"{key}[1][filters][0][field]": "updated_at",
            f"{key}[1][filters][0][value]": stamp,
            f"{key}[1][filters][0][condition_type]": "gt",
            f"{key}[1][filters][1][field]": "entity_id",
            f"{key}[1][filters][1][value]": 2,
            f"{key}[1][filters][1][condition_type]": "gt",
            "fields": "items[entity_id],total_count",
        }
        answer = await world.get("orders", **query)
        assert answer == {"items": [{"entity_id": 3}, {"entity_id": 4}], "total_count": 2}
        named = {f"{key}[0][filters][0][field]": "entity_id", f"{key}[0][filters][0][value]": "1,4,77"}
        named[f"{key}[0][filters][0][conditionType]"] = "in"
        assert [o["entity_id"] for o in (await world.get("orders", **named))["items"]] == [1, 4]

    run(story)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, '"%fieldName" is required'),
        ({"searchCriteria[pageSize]": "many"}, "value's type is invalid"),
        ({"searchCriteria[limit]": 3}, "does not have accessor method"),
        ({"searchCriteria[sortOrders][0][direction]": "up"}, "The sort order has to be specified as %1"),
    ],
)
def test_a_search_that_is_wrong_is_refused(query, words):
    async def story(world: World) -> None:
        world.buy(("B", 1))
        answer = await world.http("GET", "all/V1/orders", query=query or None)
        assert answer.status == 400 and words in answer.body["message"]

    run(story)


def test_a_column_that_is_not_there_is_a_crash_and_an_attribute_is_named():
    async def story(world: World) -> None:
        world.buy(("B", 1))
        query = {"searchCriteria[sortOrders][0][field]": "colour"}
        answer = await world.http("GET", "all/V1/orders", query=query)
        assert answer.status == 500 and answer.body["message"].startswith("Internal Error. Details are")
        answer = await world.http("GET", "all/V1/products", query=query)
        assert (answer.status, answer.body["parameters"]) == (400, ["colour"])

    run(story)


def test_a_search_repeats_what_it_was_asked_and_fields_that_nobody_understands_give_nothing():
    async def story(world: World) -> None:
        key = "searchCriteria[filter_groups][0][filters][0]"
        query = {f"{key}[field]": "sku", f"{key}[value]": "A", "searchCriteria[pageSize]": 5}
        query |= {
            "searchCriteria[sortOrders][0][field]": "sku",
            "searchCriteria[sortOrders][0][direction]": "asc",
        }
        assert (await world.get(SOURCE_ITEMS, **query))["search_criteria"] == {
            "filter_groups": [{"filters": [{"field": "sku", "value": "A", "condition_type": "eq"}]}],
            "sort_orders": [{"field": "sku", "direction": "ASC"}],
            "page_size": 5,
            "current_page": 1,
        }
        assert (await world.get("orders", searchCriteria="", fields="items[entity-id]")) == []
        assert (await world.get("orders", searchCriteria="", fields="items[entity_id")) == []
        assert (await world.get("inventory/sources"))["total_count"] == 2, "its criteria have a default"
        assert (await world.http("GET", f"all/V1/{SOURCE_ITEMS}")).status == 400

    run(story)


def test_names_are_taken_in_both_spellings():
    async def story(world: World) -> None:
        given = {"sku": "A", "sourceCode": "default", "quantity": 8, "status": 1}
        assert (await world.post(SOURCE_ITEMS, {"source_items": [given]})).status == 200
        assert world.shop.quantity("A", "default") == 8
        assert not world.shop.ledger.breaches
        answer = await world.post("integration/admin/token", {})
        assert (answer.status, answer.body["message"]) == (400, "One or more input exceptions have occurred.")
        assert [one["parameters"]["fieldName"] for one in answer.body["errors"]] == ["username", "password"]

    run(story)


def test_a_body_has_a_type_and_a_call_without_one_needs_none():
    async def story(world: World) -> None:
        async def post(path: str, body: bytes, kind: str = "") -> Answer:
            url = f"{ORIGIN}/rest/all/V1/{path}"
            now, nonce = world.clock.now_ms(), f"typed {path} {kind}"
            headers = {"Authorization": signed(world.shop, "POST", url, now, nonce)}
            headers |= {"Content-Type": kind} if kind else {}
            return opened(await world.transport.send(Request("POST", url, headers, body)))

        order = world.buy(("B", 1))
        assert (await post(f"orders/{order}/hold", b"")).body is True
        body = json.dumps({"sourceItems": [row("A", 1)]}).encode()
        for kind, words in (
            ("", "Content-Type header is empty."),
            ("application/json; charset=latin-1", "UTF-8 is the only supported charset."),
            ("text/plain", "Server cannot understand Content-Type HTTP header media type %1"),
        ):
            answer = await post(SOURCE_ITEMS, body, kind)
            assert (answer.status, answer.body["message"]) == (400, words)
        assert (await post(SOURCE_ITEMS, body, "application/json; charset=utf-8")).status == 200

    run(story)


# --- bulk --------------------------------------------------------------------------------------------------


def test_what_is_accepted_is_applied_later_one_by_one():
    async def story(world: World) -> None:
        bodies = [{"sourceItems": [row("A", 1)]}, {"sourceItems": [row("A", 1, "mars")]}]
        answer = await world.http("POST", "all/async/bulk/V1/inventory/source-items", bodies)
        assert answer.status == 202 and answer.body["errors"] is False
        told = [(item["id"], item["status"]) for item in answer.body["request_items"]]
        assert told == [(0, "accepted"), (1, "accepted")]
        uuid = answer.body["bulk_uuid"]
        assert world.shop.quantity("A", "default") == 5
        assert (await world.get(f"bulk/{uuid}/operation-status/4")) == 2
        await world.clock.sleep(60)
        assert world.shop.quantity("A", "default") == 1
        status = await world.get(f"bulk/{uuid}/status")
        rows = [(one["id"], one["status"], one["result_message"]) for one in status["operations_list"]]
        owner = "Magento\\InventoryApi\\Api\\SourceItemsSaveInterface::execute"
        assert rows == [(0, 1, f"Service execution success {owner}"), (1, 3, "Could not save Source Item")]
        assert (await world.get(f"bulk/{uuid}/operation-status/3")) == 1
        detailed = await world.get(f"bulk/{uuid}/detailed-status")
        told = json.loads(detailed["operations_list"][0]["serialized_data"])
        assert json.loads(told.pop("meta_information")) == bodies[0]
        assert told == {"entity_id": None, "entity_link": ""}
        answer = await world.http("GET", "all/V1/bulk/nothing/status")
        assert (answer.status, answer.body["message"]) == (404, "Bulk uuid %bulkUuid not exist")

    run(story)


def test_an_entry_that_is_no_call_has_the_request_refused_before_anything_is_queued():
    async def story(world: World) -> None:
        bodies = [{"sourceItems": [row("A", 1)]}, {"sourceItems": [row("B", 1, colour="red")]}]
        answer = await world.http("POST", "all/async/bulk/V1/inventory/source-items", bodies)
        assert answer.status == 400
        assert answer.body["message"].startswith('Property "Colour" does not have accessor method')
        answer = await world.http("POST", "all/async/bulk/V1/inventory/source-items", [bodies[0], {}])
        assert answer.status == 400
        assert answer.body["parameters"] == {"fieldName": "sourceItems"}
        await world.clock.sleep(60)
        assert world.shop.quantity("A", "default") == 5

    run(story)


def test_an_entry_that_cannot_be_queued_is_told_with_202_and_the_rest_is_scheduled():
    async def story(world: World) -> None:
        world.shop.bulk.reject_rate = 0.5
        bodies = [{"sourceItems": [row("B", n)]} for n in range(10)]
        answer = await world.http("POST", "all/async/bulk/V1/inventory/source-items", bodies)
        assert answer.status == 202 and answer.body["errors"] is True
        taken = [one["id"] for one in answer.body["request_items"] if one["status"] == "accepted"]
        assert 0 < len(taken) < 10
        assert {one["status"] for one in answer.body["request_items"]} == {"accepted", "rejected"}
        await world.clock.sleep(60)
        assert world.shop.source_items_written == len(taken)
        assert world.shop.quantity("B", "default") == taken[-1]

    run(story)


def test_operations_are_searched_for_by_topic_status_and_start():
    async def story(world: World) -> None:
        world.shop.bulk.consumer = False
        body = {"sourceItems": [row("A", 1)]}
        await world.http("POST", "all/async/V1/inventory/source-items", body)
        named = {"sku": "A", "product": {"sku": "A", "name": "Anew"}}
        answer = await world.http("PUT", "all/async/bulk/V1/products/bySku", [named])
        topic = "async.magento.catalog.api.productrepositoryinterface.save.put"
        (one,) = await world.search("bulk", topic_name=topic, status=4)
        assert (one["bulk_uuid"], one["status"]) == (answer.body["bulk_uuid"], 4)
        assert one["extension_attributes"] == {"start_time": "2026-07-01 09:00:00"}
        assert len(await world.search("bulk", start_time="2026-07-01 09:00:00")) == 2
        world.shop.bulk.consumer = True
        await world.clock.sleep(60)
        assert await world.search("bulk", topic_name=topic, status=4) == []
        (one,) = await world.search("bulk", topic_name=topic)
        assert one["result_message"].endswith("Magento\\Catalog\\Api\\ProductRepositoryInterface::save")

    run(story)


def test_nothing_is_deduplicated_and_nobody_works_without_a_consumer():
    async def story(world: World) -> None:
        world.shop.bulk.consumer = False
        for _ in range(2):
            bodies = [{"sourceItems": [row("A", 1)]}]
            await world.http("POST", "all/async/bulk/V1/inventory/source-items", bodies)
        await world.clock.sleep(86_400)
        assert world.shop.bulk.undone() == 2 and world.shop.quantity("A", "default") == 5
        world.shop.bulk.consumer = True
        await world.clock.sleep(60)
        assert world.shop.source_items_written == 2

    run(story)


def test_what_waits_during_an_outage_is_worked_off_after_it_in_its_order():
    async def story(world: World) -> None:
        def call(quantity: int) -> list:
            row = {"sku": "A", "source_code": "default", "quantity": quantity, "status": 1}
            return [{"sourceItems": [row]}]

        path = "all/async/bulk/V1/inventory/source-items"
        for quantity in (1, 2):
            await world.http("POST", path, call(quantity))
        world.shop.faults.down = True
        await world.clock.sleep(200)
        assert world.shop.bulk.undone() == 2
        world.shop.faults.down = False
        await world.http("POST", path, call(3))
        await world.clock.sleep(200)
        assert world.shop.bulk.undone() == 0
        assert world.shop.quantity("A", "default") == 3

    run(story)


def test_path_parameters_of_a_bulk_call_stand_in_the_body():
    async def story(world: World) -> None:
        order = world.buy(("A", 1))
        path = "all/async/bulk/V1/order/byOrderId/ship"
        assert (await world.http("POST", path, [{"orderId": order}])).status == 202
        assert (await world.http("POST", path, [{}])).status == 400
        assert (await world.http("POST", f"all/async/bulk/V1/order/{order}/ship", [{}])).status == 404
        await world.clock.sleep(60)
        assert len(await world.search("shipments", order_id=order)) == 1

    run(story)


def test_a_deadlock_may_be_tried_again():
    async def story(world: World) -> None:
        world.shop.bulk.deadlock_rate = 1.0
        body = {"sourceItems": [row("A", 1)]}
        answer = await world.http("POST", "all/async/V1/inventory/source-items", body)
        assert answer.status == 202
        await world.clock.sleep(60)
        (one,) = (await world.get(f"bulk/{answer.body['bulk_uuid']}/status"))["operations_list"]
        assert one["status"] == 2 and "Deadlock" in one["result_message"]
        assert world.shop.quantity("A", "default") == 5

    run(story)


def test_every_service_that_writes_can_be_queued_but_the_one_for_tokens():
    writes = {(route.method, route.template) for route in ROUTES if route.method != "GET"}
    assert writes - OWNERS.keys() == {("POST", "integration/admin/token")}
    assert OWNERS.keys() <= writes
