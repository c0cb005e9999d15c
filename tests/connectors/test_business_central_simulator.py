"""The Business Central simulator keeps the vendor's rules, even those that hurt."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from tests.connectors.business_central_world import ANY, EXTENSION, World, refused

# --- the way in -----------------------------------------------------------------------------------------


def test_a_token_lives_for_an_hour_and_nothing_renews_it():
    world = World()

    async def story() -> None:
        answer = json.loads((await world.login()).body)
        assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3599)
        assert "refresh_token" not in answer
        assert await world.rows("items")
        await world.clock.sleep(3600)
        refused(await world.send("GET", "items"), 401, "Authentication_InvalidCredentials")

    world.run(story)
    assert world.sim.ledger.breaches["auth"] == 1


@pytest.mark.parametrize(
    ("changed", "status", "error", "code"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_id": "nobody"}, 400, "unauthorized_client", 700016),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"scope": "https://graph.microsoft.com/.default"}, 400, "invalid_scope", 1002012),
    ],
)
def test_the_token_endpoint_says_what_is_wrong(changed, status, error, code):
    world = World()

    async def story() -> None:
        answer = await world.login(**changed)
        body = json.loads(answer.body)
        assert (answer.status, body["error"], body["error_codes"]) == (status, error, [code])
        assert f"AADSTS{code}" in body["error_description"]

    world.run(story)


def test_an_application_that_is_not_set_up_inside_the_product_gets_nothing():
    world = World()

    async def story() -> None:
        world.sim.registered = False
        refused(await world.send("GET", "items"), 401, "Authentication_InvalidCredentials")

    world.run(story)


def test_addresses_name_tenant_environment_and_company_and_guids_have_no_quotes():
    world = World()

    async def story() -> None:
        listed = await world.get(f"{world.sim.root()}/companies")
        assert [x["id"] for x in listed["value"]] == [world.sim.company_id]
        wrong = f"{world.sim.root()}/companies({world.customer})/items"
        refused(await world.send("GET", wrong), 404, "Internal_CompanyNotFound")
        other = world.url("items").replace("/production/", "/sandbox/")
        refused(await world.send("GET", other), 404, "BadRequest_ResourceNotFound")
        refused(await world.send("GET", f"customers('{world.customer}')"), 400, "BadRequest")
        refused(await world.send("GET", "salesorders"), 404, "BadRequest_ResourceNotFound", "salesorders")

    world.run(story)


# --- reading --------------------------------------------------------------------------------------------


def test_the_company_tells_its_own_currency_and_one_row_of_itself():
    world = World()

    async def story() -> None:
        ((row),) = await world.rows("companyInformation")
        assert (row["displayName"], row["currencyCode"]) == ("Main", "GBP")
        (chosen,) = (await world.get(world.url("companyInformation") + "?$select=currencyCode"))["value"]
        assert set(chosen) == {"@odata.etag", "currencyCode"}
        same = await world.get(world.url(f"companyInformation({row['id']})"))
        assert same["currencyCode"] == "GBP"
        assert (await world.send("POST", "companyInformation", {"displayName": "X"})).status == 405

    world.run(story)


def test_filters_select_and_order():
    world = World()

    async def story() -> None:
        found = await world.rows("items", filter="unitPrice gt 3", orderby="unitPrice desc", select="number")
        assert [x["number"] for x in found] == ["A", "C"]
        assert set(found[0]) == {"@odata.etag", "number"}
        # A field of type Code holds upper case, and is compared so.
        assert len(await world.rows("items", filter="number eq 'a'")) == 1
        assert not await world.rows("items", filter="displayName eq 'item a'")
        both = "number eq 'A' or number eq 'B'"
        assert len(await world.rows("items", filter=both)) == 2
        assert (
            len(await world.rows("items", filter="startswith(displayName,'Item') and not (number eq 'A')"))
            == 2
        )
        counted = await world.get("items", count="true", top="1")
        assert (counted["@odata.count"], len(counted["value"])) == (3, 1)
        assert "@odata.nextLink" not in counted

    world.run(story)


def test_or_between_fields_is_an_error_and_a_lambda_is_ignored():
    world = World()

    async def story() -> None:
        answer = await world.send("GET", "items", filter="number eq 'A' or displayName eq 'x'")
        assert answer.status == 400
        await world.create()
        everything = await world.rows("salesOrders", filter="salesOrderLines/any(x: x/quantity gt 100)")
        assert len(everything) == 1  # no line has that; nobody said that the filter was left out

    world.run(story)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour eq 'red'", "Could not find a property named 'colour' on type 'Microsoft.NAV.item'."),
        ("lastModifiedDateTime gt '2026-01-01T00:00:00Z'", "incompatible types"),
        ("number eq 7", "'Edm.String' and 'Edm.Decimal' for operator kind 'Equal'"),
        ("number eq 'A", "Syntax error"),
        ("number like 'A'", "Syntax error"),
    ],
)
def test_a_filter_that_is_not_understood_is_refused(text, words):
    world = World()

    async def story() -> None:
        answer = await world.send("GET", "items", filter=text)
        assert answer.status == 400
        assert words in json.loads(answer.body)["error"]["message"]

    world.run(story)


def test_the_server_pages_and_its_link_is_followed_as_it_is():
    world = World()
    for n in range(7):
        world.sim.add_item(f"N{n}", f"N{n}", "1")

    async def story() -> None:
        seen: list[str] = []
        prefer = {"Prefer": "odata.maxpagesize=4"}
        url = world.url("items") + "?$orderby=unitPrice&$select=number"
        while url:
            page = json.loads((await world.send("GET", url, headers=prefer)).body)
            assert len(page["value"]) <= 4
            seen += [x["number"] for x in page["value"]]
            url = page.get("@odata.nextLink", "")
            # One that comes in between is neither shown twice nor hides another.
            world.sim.edit_item("N0", displayName=f"x{len(seen)}")
        assert sorted(seen) == sorted(["A", "B", "C", *(f"N{n}" for n in range(7))])
        too_large = {"Prefer": "odata.maxpagesize=20001"}
        assert (await world.send("GET", "items", headers=too_large)).status == 413

    world.run(story)


def test_stock_moves_no_stamp_of_the_item_and_one_of_the_extension():
    world = World()

    async def story() -> None:
        stamp = f"lastModifiedDateTime gt {world.sim.company.now()}"
        mark = (await world.rows("changeMarks", EXTENSION))[0]["minimumActiveRowVersion"]
        await world.clock.sleep(5)
        world.sim.receive("A", "MAIN", 5)
        (item,) = await world.rows("items", filter="number eq 'A'")
        assert item["inventory"] == 25
        assert not await world.rows("items", filter=stamp)
        (level,) = await world.rows("stockLevels", EXTENSION, filter=f"rowVersion ge {mark}")
        assert (level["itemNumber"], level["locationCode"], level["inventory"]) == ("A", "MAIN", 25)
        assert (
            level["rowVersion"] < (await world.rows("changeMarks", EXTENSION))[0]["minimumActiveRowVersion"]
        )
        world.sim.edit_item("A", displayName="Lamp")
        assert [x["number"] for x in await world.rows("items", filter=stamp)] == ["A"]

    world.run(story)


def test_without_the_extension_its_addresses_do_not_exist():
    world = World(extension=False)

    async def story() -> None:
        refused(await world.send("GET", "stockLevels", api=EXTENSION), 404, "BadRequest_ResourceNotFound")

    world.run(story)


def test_lines_are_read_with_their_document_only():
    world = World()

    async def story() -> None:
        made = await world.create()
        words = "You must specify an Id or a Document Id to get the lines."
        refused(await world.send("GET", "salesOrderLines"), 400, "Application_DialogException", words)
        by_filter = await world.rows("salesOrderLines", filter=f"documentId eq {made['id']}")
        assert by_filter == await world.rows(f"salesOrders({made['id']})/salesOrderLines")
        (order,) = await world.rows(
            "salesOrders", expand="salesOrderLines($select=quantity;$expand=location)"
        )
        assert order["salesOrderLines"][0]["location"]["code"] == "MAIN"
        assert order["salesOrderLines"][0]["quantity"] == 2

    world.run(story)


# --- orders ---------------------------------------------------------------------------------------------


def test_an_order_is_made_with_its_lines_and_holds_its_stock():
    world = World()
    world.sim.set_tax("STANDARD", "20")

    async def story() -> None:
        made = await world.create(discountAmount=1)
        assert made["status"] == "Draft"
        assert made["externalDocumentNumber"] == "WEB-1001"  # of type Code: upper case
        assert (made["totalAmountExcludingTax"], made["totalTaxAmount"]) == (18, Decimal("3.6"))
        assert world.sim.available("A", "MAIN") == 18
        assert world.sim.on_hand("A", "MAIN") == 20
        (level,) = await world.rows("stockLevels", EXTENSION)
        assert level["quantityOnSalesOrder"] == 2

    world.run(story)


def test_nothing_makes_an_order_unique():
    world = World()

    async def story() -> None:
        await world.create()
        await world.create()
        assert len(await world.rows("salesOrders", filter="externalDocumentNumber eq 'web-1001'")) == 2

    world.run(story)
    assert len(world.sim.orders_by_reference()["WEB-1001"]) == 2


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        (
            {"customerNumber": ""},
            "Application_DialogException",
            'A "customerNumber" or a "customerId" must be',
        ),
        ({"customerNumber": "X"}, "Application_DialogException", "The sell-to customer cannot be found."),
        ({"documentLines": []}, "BadRequest", "The property 'documentLines' does not exist on type"),
        ({"number": "1"}, "BadRequest_InvalidOperation", "Control 'number' is read-only."),
        (
            {"externalDocumentNumber": "x" * 36},
            "Application_StringExceededLength",
            "less than or equal to 35",
        ),
        ({"shipToCountry": "ZZ"}, "Internal_InvalidTableRelation", "Country/Region"),
        ({"currencyCode": "JPY"}, "Application_DialogException", '"currencyCode" does not match'),
        ({"discountAmount": "1"}, "BadRequest", "Edm.Decimal"),
        (
            {"salesOrderLines": [{"lineType": "Item", "lineObjectNumber": "NONE"}]},
            "Application_DialogException",
            "Item does not exist.",
        ),
        (
            {"salesOrderLines": [{"lineType": "Fixed Asset"}]},
            "Unknown",
            "'Fixed Asset' is not an option. The existing options are: Comment,Account,Item,Resource,Fixed Asset,",
        ),
    ],
)
def test_an_order_that_breaks_a_rule_is_refused_whole(fields, code, words):
    world = World()

    async def story() -> None:
        good = world.order()["salesOrderLines"]
        if "salesOrderLines" in fields:
            fields["salesOrderLines"] = [*good, *fields["salesOrderLines"]]
        refused(await world.send("POST", "salesOrders", world.order(**fields)), 400, code, words)

    world.run(story)
    assert not list(world.sim.orders())
    assert world.sim.available("A", "MAIN") == 20


def test_a_field_that_does_not_exist_is_a_breach():
    world = World()

    async def story() -> None:
        await world.send("POST", "salesOrders", world.order(documentLines=[]))

    world.run(story)
    assert world.sim.ledger.breaches["unknown_field"] == 1
    assert not world.sim.ledger.effects


def test_a_change_needs_the_current_version():
    world = World()

    async def story() -> None:
        made = await world.create()
        path = f"salesOrders({made['id']})"
        change = {"shipToCity": "Reading"}
        words = "Could not validate the client concurrency token"
        refused(await world.send("PATCH", path, change), 400, "BadRequest_InvalidToken", words)
        old = {"If-Match": made["@odata.etag"]}
        answer = await world.send("PATCH", path, change, old)
        assert answer.status == 200  # with the entity, as it is now
        assert json.loads(answer.body)["shipToCity"] == "Reading"
        words = "Another user has already changed the record."
        refused(await world.send("PATCH", path, change, old), 409, "Request_EntityChanged", words)
        assert not world.sim.ledger.breaches["stale_again"]
        await world.send("PATCH", path, change, old)
        assert world.sim.ledger.breaches["stale_again"] == 1
        deep = {"salesOrderLines": []}
        refused(await world.send("PATCH", path, deep, ANY), 400, "BadRequest")
        line = (await world.rows(f"{path}/salesOrderLines"))[0]
        changed = await world.send("PATCH", f"salesOrderLines({line['id']})", {"quantity": 3}, ANY)
        assert json.loads(changed.body)["quantity"] == 3
        assert (await world.get(path))["@odata.etag"] != json.loads(answer.body)["@odata.etag"]
        assert (await world.send("DELETE", path, headers=ANY)).status == 204
        refused(await world.send("GET", path), 404, "Internal_RecordNotFound")

    world.run(story)
    assert world.sim.available("A", "MAIN") == 20


def test_a_released_order_keeps_its_lines():
    world = World()

    async def story() -> None:
        made = await world.create()
        world.sim.release(made["id"])
        assert (await world.get(f"salesOrders({made['id']})"))["status"] == "Open"
        line = (await world.rows(f"salesOrders({made['id']})/salesOrderLines"))[0]
        answer = await world.send("PATCH", f"salesOrderLines({line['id']})", {"quantity": 1}, ANY)
        refused(answer, 400, "Application_FieldValidationException", "Current value is 'Released'.")

    world.run(story)


def test_what_was_shipped_stays_and_a_finished_order_is_deleted():
    world = World()

    async def story() -> None:
        made = await world.create()
        path = f"salesOrders({made['id']})"
        (number,) = world.sim.ship(made["id"], lines={10_000: 1}, tracking="T-1", agent="DHL")
        line = (await world.rows(f"{path}/salesOrderLines"))[0]
        assert (line["shippedQuantity"], line["shipQuantity"]) == (1, 1)
        less = await world.send("PATCH", f"salesOrderLines({line['id']})", {"quantity": 0}, ANY)
        words = "Quantity must not be less than Quantity Shipped in Sales Line Document Type=Order"
        refused(less, 400, "Application_FieldValidationException", words)
        (shipment,) = await world.rows("salesShipments", filter="externalDocumentNumber eq 'WEB-1001'")
        assert shipment["number"] == number
        assert not {"packageTrackingNumber", "trackingNumber"} & set(shipment)
        (ours,) = await world.rows("shipments", EXTENSION, expand="shipmentLines")
        assert (ours["packageTrackingNumber"], ours["shippingAgentCode"]) == ("T-1", "DHL")
        assert ours["shipmentLines"][0]["locationCode"] == "MAIN"
        assert ours["shipmentLines"][0]["orderLineNumber"] == 10_000
        answer = await world.send("POST", f"{path}/Microsoft.NAV.shipAndInvoice")
        assert answer.status == 204
        assert (await world.send("GET", path)).status == 404
        assert not await world.rows("salesOrders", filter="externalDocumentNumber eq 'WEB-1001'")
        (invoice,) = await world.rows("salesInvoices", filter="externalDocumentNumber eq 'WEB-1001'")
        assert (invoice["orderId"], invoice["orderNumber"]) == (made["id"], made["number"])

    world.run(story)
    (order,) = world.sim.orders()
    assert order.gone
    assert world.sim.on_hand("A", "MAIN") == 18


def test_a_blocked_customer_and_a_blocked_item_are_refused():
    world = World()
    world.sim.edit_item("B", blocked=True)

    async def story() -> None:
        line = {"lineType": "Item", "lineObjectNumber": "B", "quantity": 1}
        refused(
            await world.send("POST", "salesOrders", world.order(salesOrderLines=[line])),
            400,
            "Application_FieldValidationException",
            "Blocked must be equal to 'No'  in Item: No.=B.",
        )
        world.sim.edit_customer("10000", blocked="All")
        refused(
            await world.send("POST", "salesOrders", world.order()),
            400,
            "Application_DialogException",
            "is blocked",
        )

    world.run(story)


# --- customers, payments, returns -----------------------------------------------------------------------


def test_a_customers_number_is_given_once():
    world = World()

    async def story() -> None:
        body = {"number": "web7", "displayName": "Ada", "type": "Person"}
        made = await world.send("POST", "customers", body)
        assert json.loads(made.body)["number"] == "WEB7"
        assert json.loads(made.body)["blocked"] == "_x0020_"
        again = await world.send("POST", "customers", body)
        refused(again, 400, "Internal_EntityWithSameKeyExists", "No.='WEB7'")
        nameless = await world.send("POST", "customers", {"number": "W8"})
        refused(nameless, 400, "Application_DialogException", 'A "displayName" must be provided.')
        blank = await world.send("PATCH", f"customers({world.customer})", {"displayName": ""}, ANY)
        refused(blank, 400, "Application_DialogException", 'The blank "displayName" is not allowed.')

    world.run(story)


def test_numbers_are_refused_where_the_series_gives_them():
    world = World()
    world.sim.writes.manual_numbers = False

    async def story() -> None:
        answer = await world.send("POST", "customers", {"number": "W1", "displayName": "Ada"})
        refused(answer, 400, "Application_DialogException", "You may not enter numbers manually.")

    world.run(story)


def test_a_payment_waits_in_its_journal_until_somebody_posts_it():
    world = World()

    async def story() -> None:
        journal = (await world.rows("customerPaymentJournals", filter="code eq 'WEB'"))[0]
        body = {
            "customerId": world.customer,
            "amount": -19.5,
            "externalDocumentNumber": "web-1001-pay-1",
            "description": "web-1001-pay-1",
        }
        path = f"customerPaymentJournals({journal['id']})/customerPayments"
        assert (await world.send("POST", path, body)).status == 201
        assert len(await world.rows(path, filter="externalDocumentNumber eq 'web-1001-pay-1'")) == 1
        refused(
            await world.send("GET", "customerPayments"),
            400,
            "Application_DialogException",
            "journal batch ID",
        )
        world.sim.post_payments()
        assert not await world.rows(path)
        entries = await world.rows("generalLedgerEntries", filter="description eq 'web-1001-pay-1'")
        assert {x["debitAmount"] for x in entries} == {0, Decimal("19.5")}

    world.run(story)
    assert [(x.amount, x.posted) for x in world.sim.payments()] == [(Decimal("19.5"), True)]


def test_a_credit_memo_brings_goods_back_when_it_is_posted():
    world = World()

    async def story() -> None:
        made = await world.create()
        world.sim.ship(made["id"])
        memo = {
            "customerNumber": "10000",
            "externalDocumentNumber": "web-1001-r-1",
            "salesCreditMemoLines": [
                {
                    "lineType": "Item",
                    "lineObjectNumber": "A",
                    "quantity": 1,
                    "locationId": world.sim.location_id("MAIN"),
                }
            ],
        }
        answer = json.loads((await world.send("POST", "salesCreditMemos", memo)).body)
        assert (answer["status"], world.sim.on_hand("A", "MAIN")) == ("Draft", 18)
        post = f"salesCreditMemos({answer['id']})/Microsoft.NAV.post"
        assert (await world.send("POST", post)).status == 204
        assert world.sim.on_hand("A", "MAIN") == 19
        words = "can be applied to a draft credit memo only."
        refused(await world.send("POST", post), 400, "Application_DialogException", words)

    world.run(story)


# --- batches --------------------------------------------------------------------------------------------


async def batch(world: World, parts: list[dict[str, Any]], **headers: str) -> list[dict[str, Any]]:
    requests = [{"id": str(n), "headers": ANY, **part} for n, part in enumerate(parts)]
    answer = await world.send("POST", f"{world.sim.root()}/$batch", {"requests": requests}, headers)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)["responses"]


def test_a_batch_is_answered_part_by_part_and_stops_at_the_first_refusal():
    world = World()

    async def story() -> None:
        items = {x["number"]: x["id"] for x in await world.rows("items")}

        def rename(number: str, name: str) -> dict[str, Any]:
            url = f"companies({world.sim.company_id})/items({items[number]})"
            return {"method": "PATCH", "url": url, "body": {"displayName": name}}

        parts = [rename("A", "a"), rename("B", "b" * 101), rename("C", "c")]
        assert [x["status"] for x in await batch(world, parts)] == [200, 400]
        names = [x["displayName"] for x in await world.rows("items", orderby="number")]
        assert names == ["a", "Item B", "Item C"]
        going_on = await batch(world, parts, Prefer="odata.continue-on-error")
        assert [x["status"] for x in going_on] == [200, 400, 200]
        assert [
            x["status"] for x in await batch(world, [rename("A", "z"), parts[1]], Isolation="snapshot")
        ] == [200, 400]
        assert (await world.rows("items", orderby="number"))[0]["displayName"] == "a"  # taken back
        whole = await batch(world, [rename("A", "x"), rename("B", "y")], Isolation="snapshot")
        assert [x["status"] for x in whole] == [200, 200]
        many = await world.send("POST", f"{world.sim.root()}/$batch", {"requests": [rename("A", "x")] * 101})
        refused(many, 400, "BadRequest")

    world.run(story)


# --- limits ---------------------------------------------------------------------------------------------


def test_five_calls_run_and_ninety_five_wait_and_the_next_is_refused():
    world = World()

    async def story() -> None:
        answers = await asyncio.gather(*(world.send("GET", "items") for _ in range(103)))
        assert sorted(x.status for x in answers) == [200] * 100 + [429] * 3
        late = [x for x in answers if x.status == 429]
        refused(late[0], 429, "Application_TooManyRequests", "Actual (101). Maximum (100).")
        assert "retry-after" not in late[0].headers  # none is documented for it

    world.run(story)
    assert world.sim.limits.running_most == 5
    assert world.sim.ledger.breaches["concurrency"] == 3


def test_six_thousand_calls_in_five_minutes_are_the_most():
    world = World()
    world.sim.limits.window_calls_max = 10

    async def story() -> None:
        for _ in range(10):
            assert (await world.send("GET", "items")).status == 200
        refused(await world.send("GET", "items"), 429, "Application_TooManyRequests", "Maximum (10)")
        await world.clock.sleep(301)
        assert (await world.send("GET", "items")).status == 200

    world.run(story)
    assert world.sim.ledger.breaches["rate"] == 1


def test_who_waits_for_more_than_eight_minutes_is_sent_away():
    world = World(read_ms=(500_000, 500_000))

    async def story() -> None:
        answers = await asyncio.gather(*(world.send("GET", "items") for _ in range(6)))
        assert sorted(x.status for x in answers) == [200] * 5 + [503]
        assert next(x for x in answers if x.status == 503).headers["retry-after"]

    world.run(story)


# --- faults ---------------------------------------------------------------------------------------------


def test_faults_come_before_or_after_the_effect():
    world = World()

    async def story() -> None:
        world.sim.faults.error_before_rate = 1.0
        assert (await world.send("POST", "salesOrders", world.order())).status == 500
        assert not list(world.sim.orders())
        world.sim.faults.error_before_rate = 0.0
        world.sim.faults.error_after_rate = 1.0
        assert (await world.send("POST", "salesOrders", world.order())).status == 500
        assert len(list(world.sim.orders())) == 1
        world.sim.faults.error_after_rate = 0.0
        world.sim.faults.down = True
        answer = await world.send("GET", "items")
        assert (answer.status, bool(answer.headers["retry-after"])) == (503, True)

    world.run(story)
    assert world.sim.ledger.effects["POST salesOrders"] == 1


# --- the seed -------------------------------------------------------------------------------------------


def test_the_seed_decides_everything():
    def life(seed: int) -> str:
        world = World(seed)

        async def story() -> None:
            for n in range(5):
                made = await world.create(externalDocumentNumber=f"web-{n}")
                world.sim.ship(made["id"])

        world.run(story)
        return world.sim.state_digest()

    assert life(1) == life(1) != life(2)
