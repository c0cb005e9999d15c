"""The simulated shop does what Adobe's pages and Magento's sources say."""

from __future__ import annotations

import asyncio
import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from tests.connectors.adobe_world import HOOK, ORIGIN, World, opened, run

from syncline.connectors.adobe_commerce.simulator import Buyer, CartLine, Hook, make_keys
from syncline.connectors.adobe_commerce.simulator.events import BYTES_MAX
from syncline.ports import Request

SOURCE_ITEMS = "inventory/source-items"


def row(sku: str, quantity: int, source: str = "default", **more: Any) -> dict[str, Any]:
    return {"sku": sku, "source_code": source, "quantity": quantity, "status": 1} | more


# --- stock -------------------------------------------------------------------------------------------------


def test_an_order_reserves_and_a_shipment_lowers_the_source_and_compensates():
    async def story(world: World) -> None:
        async def figures() -> tuple[int, int, int]:
            salable = await world.get("inventory/get-product-salable-quantity/A/1")
            rows = {one["source_code"]: one["quantity"] for one in await world.search(SOURCE_ITEMS, sku="A")}
            return rows["default"], rows["leeds"], salable

        assert await figures() == (5, 20, 25)
        order = world.buy(("A", 7))
        assert await figures() == (5, 20, 18), "an order leaves the source items alone"
        lines = (await world.get(f"orders/{order}"))["items"]
        parcel = {
            "items": [{"order_item_id": lines[0]["item_id"], "qty": 4}],
            "tracks": [{"track_number": "1Z", "title": "UPS", "carrier_code": "ups"}],
            "arguments": {"extension_attributes": {"source_code": "leeds"}},
        }
        answer = await world.post(f"order/{order}/ship", parcel)
        assert (answer.status, answer.body) == (200, "1")
        assert await figures() == (5, 16, 18), "what may be sold does not change when a parcel leaves"
        (shipment,) = await world.search("shipments", order_id=order)
        assert shipment["extension_attributes"] == {"source_code": "leeds"}
        assert [track["track_number"] for track in shipment["tracks"]] == ["1Z"]
        events = [(r.event, r.quantity) for r in world.shop.state.reservations]
        assert events == [("order_placed", -7), ("shipment_created", 4)]

    run(story)


def test_a_number_from_outside_replaces_what_is_there_and_keeps_reservations():
    async def story(world: World) -> None:
        world.buy(("A", 7))
        assert (await world.post(SOURCE_ITEMS, {"sourceItems": [row("A", 2)]})).body == []
        assert world.shop.quantity("A", "default") == 2
        assert world.shop.salable("A") == 2 + 20 - 7

    run(story)


def test_a_number_without_a_status_is_refused_and_status_0_is_not_sold():
    async def story(world: World) -> None:
        bare = row("A", 2)
        del bare["status"]
        assert (await world.post(SOURCE_ITEMS, {"sourceItems": [bare]})).status == 400
        assert (await world.post(SOURCE_ITEMS, {"sourceItems": [row("A", 2, status=0)]})).status == 200
        assert world.shop.salable("A") == 20

    run(story)


def test_a_parcel_without_a_source_is_taken_from_the_default_one():
    async def story(world: World) -> None:
        order = world.buy(("A", 7))
        answer = await world.post(f"order/{order}/ship", {})
        assert answer.status == 400, "the default source has five"
        assert answer.body["message"] == "Could not save a shipment, see error log for details"
        order = world.buy(("A", 2))
        assert (await world.post(f"order/{order}/ship", {})).status == 200
        assert (world.shop.quantity("A", "default"), world.shop.quantity("A", "leeds")) == (3, 20)

    run(story)


def test_nobody_buys_what_is_reserved():
    async def story(world: World) -> None:
        world.buy(("A", 25))
        assert world.shop.checkout([CartLine("A", 1)]).order_id is None
        assert world.shop.quantity("A", "default") == 5

    run(story)


# --- documents ---------------------------------------------------------------------------------------------


def test_shipping_twice_is_refused_in_words():
    async def story(world: World) -> None:
        order = world.buy(("B", 3))
        assert (await world.post(f"order/{order}/ship", {})).status == 200
        answer = await world.post(f"order/{order}/ship", {})
        assert answer.status == 400
        assert answer.body["message"] == (
            "Shipment Document Validation Error(s):\nThe order does not allow a shipment to be created.\n"
            "You can't create a shipment without products."
        )
        assert len(await world.search("shipments", order_id=order)) == 1

    run(story)


def test_an_order_goes_from_pending_to_complete_and_closed():
    async def story(world: World) -> None:
        order = world.buy(("A", 2), ("B", 3), shipping_minor=450)

        async def state() -> str:
            return (await world.get(f"orders/{order}"))["state"]

        assert await state() == "new"
        assert (await world.post(f"order/{order}/invoice", {"capture": True})).body == "1"
        assert await state() == "processing"
        whole = await world.get(f"orders/{order}")
        total = Decimal("20.00") + Decimal("9.99") + Decimal("6.00") + Decimal("4.50")
        assert Decimal(str(whole["base_grand_total"])) == Decimal(str(whole["base_total_paid"])) == total
        (invoice,) = await world.search("invoices", order_id=order)
        assert (invoice["state"], Decimal(str(invoice["base_grand_total"]))) == (2, total)
        assert (await world.post(f"order/{order}/ship", {})).status == 200
        assert await state() == "complete"
        back = {"extension_attributes": {"return_to_stock_items": [whole["items"][0]["item_id"]]}}
        assert (await world.post(f"order/{order}/refund", {"arguments": back})).status == 200
        assert await state() == "closed"
        assert world.shop.quantity("A", "default") == 5, "what goes back to stock lies there again"
        assert world.shop.quantity("B", "default") == 47, "what does not, does not"
        (memo,) = await world.search("creditmemos", order_id=order)
        assert Decimal(str(memo["base_grand_total"])) == total

    run(story)


def test_what_was_neither_invoiced_nor_shipped_of_an_order_is_cancelled():
    async def story(world: World) -> None:
        order = world.buy(("A", 25))
        assert world.shop.salable("A") == 0
        assert (await world.post(f"orders/{order}/cancel", {})).body is True
        assert world.shop.salable("A") == 25
        assert (await world.post(f"orders/{order}/cancel", {})).body is False
        paid = world.buy(("A", 1), paid=True)
        assert (await world.post(f"orders/{paid}/cancel", {})).body is False
        part = world.buy(("A", 3))
        (line,) = (await world.get(f"orders/{part}"))["items"]
        one = {"items": [{"order_item_id": line["item_id"], "qty": 1}]}
        assert (await world.post(f"order/{part}/invoice", one)).status == 200
        assert (await world.post(f"orders/{part}/cancel", {})).body is True
        told = await world.get(f"orders/{part}")
        assert (told["state"], told["items"][0]["qty_canceled"]) == ("processing", 2)
        sent = world.buy(("A", 1))
        assert (await world.post(f"order/{sent}/ship", {})).status == 200
        assert (await world.post(f"orders/{sent}/cancel", {})).body is True
        told = await world.get(f"orders/{sent}")
        assert (told["state"], told["items"][0]["qty_canceled"]) == ("canceled", 0)

    run(story)


def test_an_invoice_is_paid_and_takes_money_from_a_card_only_if_it_is_told_to():
    async def story(world: World) -> None:
        for payment, capture, charged in (
            ("checkmo", True, False),
            ("checkmo", False, False),
            ("braintree", False, False),
            ("braintree", True, True),
        ):
            order = world.buy(("B", 1), payment=payment)
            assert (await world.post(f"order/{order}/invoice", {"capture": capture})).status == 200
            (invoice,) = await world.search("invoices", order_id=order)
            assert invoice["state"] == 2
            there = world.shop.orders[order]
            assert there.charged_minor == (there.grand_minor if charged else 0)

    run(story)


def test_a_held_order_is_neither_shipped_nor_invoiced():
    async def story(world: World) -> None:
        order = world.buy(("A", 1))
        assert (await world.post(f"orders/{order}/hold", {})).body is True
        assert (await world.post(f"order/{order}/ship", {})).status == 400
        assert (await world.post(f"order/{order}/invoice", {})).status == 400
        assert (await world.post(f"orders/{order}/unhold", {})).body is True
        assert (await world.post(f"order/{order}/ship", {})).status == 200

    run(story)


def test_a_configurable_line_has_a_child_with_the_same_sku_and_no_price():
    async def story(world: World) -> None:
        world.shop.add_product("SHIRT", "Shirt", Decimal(0), {}, kind="configurable")
        order = world.shop.checkout([CartLine("A", 2, configurable="SHIRT")]).order_id
        parent, child = (await world.get(f"orders/{order}"))["items"]
        assert (parent["sku"], child["sku"]) == ("A", "A")
        assert (parent["product_type"], child["parent_item_id"]) == ("configurable", parent["item_id"])
        assert (parent["base_price"], child["base_price"]) == (10.0, 0.0)
        assert world.shop.salable("A") == 23, "it is reserved once"

    run(story)


# --- prices ------------------------------------------------------------------------------------------------


def test_prices_are_judged_row_by_row_and_what_is_wrong_is_listed_without_names():
    async def story(world: World) -> None:
        world.shop.add_product("SHIRT", "Shirt", Decimal(0), {}, kind="configurable")
        rows = [
            {"sku": "A", "price": 12.5, "store_id": 0},
            {"sku": "SHIRT", "price": -1, "store_id": 0},
            {"sku": "B", "price": 1, "store_id": 77},
        ]
        answer = await world.post("products/base-prices", {"prices": rows})
        wrong = "Invalid attribute %fieldName = %fieldValue."
        where = "Requested store is not found. Row ID: SKU = %SKU, Store ID: %storeId."
        assert answer.status == 200
        assert answer.body == [
            {"message": wrong, "parameters": ["SKU", "SHIRT"]},
            {"message": wrong, "parameters": ["Price", "-1"]},
            {"message": where, "parameters": ["B", "77"]},
        ]
        answer = await world.post("products/base-prices-information", {"skus": ["A", "none", "SHIRT"]})
        assert answer.body == [{"sku": "A", "price": 12.5, "store_id": 0}]

    run(story)


def tier(sku: str, price: float, quantity: float = 1, group: str = "General", **more: Any) -> dict[str, Any]:
    given = {"sku": sku, "price": price, "price_type": "fixed", "website_id": 0}
    return given | {"customer_group": group, "quantity": quantity} | more


def test_tier_prices_are_added_replaced_and_told():
    async def story(world: World) -> None:
        async def told() -> list[tuple[Any, ...]]:
            answer = await world.post("products/tier-prices-information", {"skus": ["A", "B", "none"]})
            return [(x["sku"], x["customer_group"], x["quantity"], x["price"]) for x in answer.body]

        rows = [tier("A", 9), tier("A", 8, 10), tier("A", 7, group="ALL GROUPS"), tier("B", 2)]
        assert (await world.post("products/tier-prices", {"prices": rows})).body == []
        assert ("A", "all groups", 1, 7) in await told()
        answer = await world.http("PUT", "all/V1/products/tier-prices", {"prices": [tier("A", 6)]})
        assert (answer.status, answer.body) == (200, [])
        assert await told() == [("B", "General", 1, 2), ("A", "General", 1, 6)]
        twice = await world.post("products/tier-prices", {"prices": [tier("A", 5), tier("A", 4)]})
        assert [one["parameters"] for one in twice.body] == [["A", "0", "General", "1"]] * 2
        assert all(one["message"].startswith("We found a duplicate website") for one in twice.body)
        odd = await world.post("products/tier-prices", {"prices": [tier("A", 101, price_type="discount")]})
        (wrong,) = odd.body
        assert wrong["parameters"] == ["101", "A", "0", "General", "1"]
        assert wrong["message"].startswith("Invalid attribute Price = %price. Row ID: SKU = %SKU, Website ID")
        gone = await world.post("products/tier-prices-delete", {"prices": [tier("A", 6), tier("B", 3)]})
        assert gone.body == [] and await told() == [("B", "General", 1, 2)]

    run(story)


# --- what else is read and written -------------------------------------------------------------------------


def test_a_balance_is_changed_by_transactions_as_often_as_they_are_told():
    async def story(world: World) -> None:
        credit = world.shop.add_company_credit(7)
        path = f"companyCredits/{credit.id}"
        bought = {"value": 50.5, "currency": "GBP", "operationType": 3, "comment": "PO 1"}
        for _ in range(2):
            assert (await world.post(f"{path}/decreaseBalance", bought)).body is True
        paid = {"value": 1, "currency": "GBP", "operationType": 4}
        assert (await world.post(f"{path}/increaseBalance", paid)).body is True
        told = await world.get(path)
        assert (told["balance"], told["available_limit"]) == (-100.0, -100.0)
        rows = await world.search("companyCredits/history", company_credit_id=credit.id)
        assert [(one["type"], one["amount"]) for one in rows] == [(3, -50.5), (3, -50.5), (4, 1.0)]
        for wrong in ({"operationType": 1}, {"currency": "EUR"}, {"value": 0}):
            assert (await world.post(f"{path}/decreaseBalance", bought | wrong)).status == 400
        assert (await world.post("companyCredits/99/increaseBalance", paid)).status == 404

    run(story)


def test_records_are_read_one_by_one():
    async def story(world: World) -> None:
        order = world.buy(("A", 1), paid=True)
        shipment = (await world.post(f"order/{order}/ship", {})).body
        memo = (await world.post(f"order/{order}/refund", {})).body
        (invoice,) = await world.search("invoices", order_id=order)
        for path in (f"invoices/{invoice['entity_id']}", f"shipment/{shipment}", f"creditmemo/{memo}"):
            assert (await world.get(path))["order_id"] == order
            answer = await world.http("GET", f"all/V1/{path}9")
            assert answer.status == 404 and "entity that was requested" in answer.body["message"]
        assert await world.get(f"orders/{order}/statuses") == "closed"
        groups = await world.get("customerGroups/search", searchCriteria="")
        assert [(one["id"], one["code"]) for one in groups["items"]][:2] == [
            (0, "NOT LOGGED IN"),
            (1, "General"),
        ]
        assert (await world.get("customerGroups/2"))["code"] == "Wholesale"
        assert [one["code"] for one in await world.get("store/storeViews")] == ["admin", "default"]
        assert [one["code"] for one in await world.get("store/websites")] == ["admin", "base"]

    run(story)


def test_a_source_item_that_is_deleted_is_forgotten_with_its_number():
    async def story(world: World) -> None:
        world.buy(("A", 2))
        gone = {"sourceItems": [{"sku": "A", "source_code": "leeds"}]}
        assert (await world.post("inventory/source-items-delete", gone)).body == []
        assert [one["source_code"] for one in await world.search(SOURCE_ITEMS, sku="A")] == ["default"]
        assert await world.get("inventory/get-product-salable-quantity/A/1") == 3
        assert await world.get("inventory/is-product-salable/A/1") is True

    run(story)


# --- limits and faults -------------------------------------------------------------------------------------


def test_more_calls_at_once_than_workers_are_refused_and_noted():
    async def story(world: World) -> None:
        calls = [world.http("GET", "all/V1/store/storeConfigs") for _ in range(7)]
        statuses = [answer.status for answer in await asyncio.gather(*calls)]
        assert sorted(statuses) == [200] * 3 + [429] * 4
        assert world.shop.ledger.breaches["workers"] == 4

    run(story, workers=3)


def test_an_address_that_is_too_long_is_refused_and_noted():
    async def story(world: World) -> None:
        query = {"searchCriteria[filter_groups][0][filters][0][value]": "x" * 8_000}
        assert (await world.http("GET", "all/V1/orders", query=query)).status == 414
        assert world.shop.ledger.breaches == {"uri": 1}

    run(story)


def test_an_error_after_the_effect_leaves_the_effect():
    async def story(world: World) -> None:
        world.shop.faults.error_after_rate = 1.0
        answer = await world.post(SOURCE_ITEMS, {"sourceItems": [row("A", 1)]})
        assert answer.status == 500 and "Report ID" in answer.body["message"]
        assert world.shop.quantity("A", "default") == 1
        world.shop.faults.error_after_rate = 0.0
        world.shop.faults.error_before_rate = 1.0
        assert (await world.post(SOURCE_ITEMS, {"sourceItems": [row("A", 3)]})).status == 500
        assert world.shop.quantity("A", "default") == 1
        assert world.shop.ledger.effects == {"POST inventory/source-items": 1}

    run(story)


# --- events and hooks --------------------------------------------------------------------------------------


def test_a_saved_order_is_told_with_its_registered_fields_and_two_signatures():
    async def story(world: World) -> None:
        world.shop.register_events(f"{HOOK}/in", "client-1", ("entity_id", "items[].sku", "payment.method"))
        runner = asyncio.get_running_loop().create_task(world.shop.run())
        order = world.buy(("A", 1), ("B", 2))
        await world.clock.sleep(5)
        (_, headers, body), *more = world.receiver.got
        assert not more
        told = json.loads(body)
        assert told["recipientclientid"] == "client-1"
        assert told["data"]["value"] == {
            "entity_id": order,
            "items": [{"sku": "A"}, {"sku": "B"}],
            "payment": {"method": "checkmo"},
        }
        assert headers["x-adobe-event-id"] == told["eventid"]
        assert headers["x-adobe-event-code"].endswith("sales_order_save_commit_after")
        for number, key in enumerate(make_keys(), 1):
            signature = base64.b64decode(headers[f"x-adobe-digital-signature-{number}"])
            key.public_key().verify(signature, body, padding.PKCS1v15(), hashes.SHA256())
            with pytest.raises(InvalidSignature):
                key.public_key().verify(signature, body + b" ", padding.PKCS1v15(), hashes.SHA256())
        runner.cancel()

    run(story)


def test_an_event_that_is_refused_comes_again_and_one_above_64_kb_is_never_made():
    async def story(world: World) -> None:
        world.shop.register_events(f"{HOOK}/in", "client-1")
        runner = asyncio.get_running_loop().create_task(world.shop.run())
        world.receiver.status = 503
        world.buy(("A", 1))
        await world.clock.sleep(5)
        world.receiver.status = 200
        await world.clock.sleep(600)
        first, second = world.receiver.got
        assert first[2] == second[2] and world.shop.events.in_flight() == 0
        world.shop.checkout([CartLine("B", 1)], buyer=Buyer("b@shop.example", company="x" * BYTES_MAX))
        await world.clock.sleep(600)
        assert len(world.receiver.got) == 2 and world.shop.events.too_large == 1
        runner.cancel()

    run(story)


@pytest.mark.parametrize(
    ("says", "status", "required", "refusal"),
    [
        ({"op": "success"}, 200, True, ""),
        ([{"op": "success"}, {"op": "exception", "message": "On hold"}], 200, True, "On hold"),
        ({"op": "exception", "message": "On hold"}, 200, False, "On hold"),
        ({"op": "success"}, 500, True, "Sorry"),
        ({"op": "success"}, 500, False, ""),
        ({"approved": True}, 200, True, "Sorry"),
    ],
)
def test_a_checkout_asks_its_hook_and_does_as_it_is_told(says, status, required, refusal):
    async def story(world: World) -> None:
        key = make_keys()[0]
        world.receiver.says, world.receiver.status = says, status
        world.shop.hook = Hook(f"{HOOK}/check", required=required, fallback="Sorry", signing_key=key)
        done = await world.shop.place([CartLine("A", 2)])
        assert done.refusal == refusal and (done.order_id is None) == bool(refusal)
        ((_, headers, body),) = world.receiver.got
        item = {"sku": "A", "qty_ordered": 2, "product_type": "simple"}
        assert json.loads(body)["order"]["items"] == [item]
        signature = base64.b64decode(headers["x-adobe-commerce-webhook-signature"])
        key.public_key().verify(signature, base64.b64encode(body), padding.PKCS1v15(), hashes.SHA256())

    run(story)


@pytest.mark.parametrize(("required", "refusal"), [(True, "Sorry"), (False, "")])
def test_a_hook_that_is_too_slow_stops_the_buyer_only_if_it_is_required(required, refusal):
    async def story(world: World) -> None:
        world.receiver.says, world.receiver.slow_s = {"op": "success"}, 2.0
        world.shop.hook = Hook(f"{HOOK}/check", required=required, timeout_ms=500, fallback="Sorry")
        assert (await world.shop.place([CartLine("A", 2)])).refusal == refusal

    run(story)


def test_the_same_seed_gives_the_same_bytes():
    async def story(world: World) -> None:
        for number in range(6):
            world.buy(("A", 1 + number % 2), paid=bool(number % 2))
            body = [{"sourceItems": [row("B", 40 + number)]}]
            await world.http("POST", "all/async/bulk/V1/inventory/source-items", body)
            await world.clock.sleep(7)
        request = Request("GET", f"{ORIGIN}/rest/all/V1/orders", {})
        assert opened(await world.transport.send(request)).status == 401

    digests = [run(story, seed).shop.state_digest() for seed in (3, 3, 4)]
    assert digests[0] == digests[1] != digests[2]
