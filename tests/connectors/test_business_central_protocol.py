"""What any OData client expects of the Business Central simulator: metadata, counts, batches as Microsoft writes them."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from tests.connectors.business_central_world import EXTENSION, HOOK, STANDARD, World, refused

from syncline.connectors.business_central.simulator.schema import ENTITIES

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


async def metadata(world: World, api: str = STANDARD) -> ET.Element:
    answer = await world.send("GET", f"{world.sim.root(api)}/$metadata")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/xml")
    return ET.fromstring(answer.body)


@pytest.mark.parametrize("api", [STANDARD, EXTENSION])
def test_the_metadata_name_every_set_and_every_type_that_they_use(api):
    world = World()

    async def story() -> None:
        root = await metadata(world, api)
        types = {x.attrib["Name"]: x for x in root.iter(f"{EDM}EntityType")}
        known = {f"Microsoft.NAV.{x}" for x in types} | {
            f"Microsoft.NAV.{x.attrib['Name']}" for x in root.iter(f"{EDM}EnumType")
        }
        for element in root.iter():
            kind = element.attrib.get("Type", "Edm.").removeprefix("Collection(").rstrip(")")
            assert kind.startswith("Edm.") or kind in known, kind
        sets = {x.attrib["Name"]: x.attrib["EntityType"] for x in root.iter(f"{EDM}EntitySet")}
        assert set(sets) == {x.name for x in ENTITIES.values() if x.api == api} | {"companies"}
        leads = {x.attrib["Name"] for x in types["company"].iter(f"{EDM}NavigationProperty")}
        assert leads == set(sets) - {"companies"}
        listed = await world.get(world.sim.root(api))
        assert [x["url"] for x in listed["value"]] == list(sets)

    world.run(story)


def test_option_fields_are_of_the_enum_behind_them():
    world = World()

    async def story() -> None:
        root = await metadata(world)
        options = {
            x.attrib["Name"]: [y.attrib["Name"] for y in x.iter(f"{EDM}Member")]
            for x in root.iter(f"{EDM}EnumType")
        }
        assert options["invoiceLineAggLineType"][:3] == ["Comment", "Account", "Item"]
        assert options["salesOrderEntityBufferStatus"] == ["Draft", "In_x0020_Review", "Open"]
        assert options["customerBlocked"] == ["_x0020_", "Ship", "Invoice", "All"]
        kinds = {
            (x.attrib["Name"], y.attrib["Name"]): y.attrib["Type"].removeprefix("Microsoft.NAV.")
            for x in root.iter(f"{EDM}EntityType")
            for y in x.iter(f"{EDM}Property")
        }
        for line in ("salesOrderLine", "salesCreditMemoLine"):  # one enum, named once
            assert kinds[line, "lineType"] == "invoiceLineAggLineType"
        assert kinds["salesShipmentLine", "lineType"] == "salesLineType"
        assert kinds["customer", "blocked"] == "customerBlocked"
        assert kinds["salesOrder", "status"] == "salesOrderEntityBufferStatus"
        assert all(kind.startswith("Edm.") or kind in options for kind in kinds.values())

    world.run(story)


@pytest.mark.parametrize(("api", "name"), [(x.api, x.name) for x in ENTITIES.values()])
def test_rows_have_the_properties_of_the_metadata(api, name):
    world = World()

    async def story() -> None:
        root = await metadata(world, api)
        (kind,) = [x for x in root.iter(f"{EDM}EntityType") if x.attrib["Name"] == ENTITIES[name].singular]
        stated = {x.attrib["Name"]: x.attrib["Type"] for x in kind.iter(f"{EDM}Property")}
        if "rowVersion" in stated:
            assert stated["rowVersion"] == "Edm.Int64"
        if name in ("salesOrderLines", "salesCreditMemoLines", "customerPayments"):
            return  # read with their document only
        path = f"{world.sim.root(api)}/companies" if name == "companies" else name
        rows = (await world.get(path, api))["value"]
        assert all(set(row) == {"@odata.etag", *stated} for row in rows)
        assert all(row["@odata.etag"].startswith('W/"JzE5O') for row in rows)
        assert rows or name not in ("items", "customers", "locations", "stockLevels", "companies")

    world.run(story)


def test_every_answer_says_the_version_of_the_protocol():
    world = World()

    async def story() -> None:
        for answer in (
            await world.send("GET", "items"),
            await world.send("GET", "nothing"),
            await world.send("POST", "salesOrders", world.order()),
        ):
            assert answer.headers["odata-version"] == "4.0"

    world.run(story)


def test_rows_are_counted_without_being_read():
    world = World()

    async def story() -> None:
        answer = await world.send("GET", "items/$count")
        assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/plain", b"3")
        assert (await world.send("GET", "items/$count", filter="unitPrice gt 3")).body == b"2"
        made = await world.create()
        assert (await world.send("GET", f"salesOrders({made['id']})/salesOrderLines/$count")).body == b"1"
        refused(await world.send("GET", "salesOrderLines/$count"), 400, "Application_DialogException")
        refused(
            await world.send("GET", f"salesOrders({made['id']})/$count"), 404, "BadRequest_ResourceNotFound"
        )

    world.run(story)


def test_companies_are_found_by_name_and_only_by_their_own_key():
    world = World()

    async def story() -> None:
        root = f"{world.sim.root()}/companies"
        assert len((await world.get(root, filter="name eq 'Main'"))["value"]) == 1
        assert not (await world.get(root, filter="name eq 'Other'"))["value"]
        assert (await world.get(f"{root}({world.sim.company_id})"))["name"] == "Main"
        refused(await world.send("GET", f"{root}({world.customer})"), 404, "Internal_CompanyNotFound")
        refused(
            await world.send("POST", root, {}),
            405,
            "BadRequest_MethodNotAllowed",
            "'POST' requests for 'companies' of EdmType 'Entity' are not allowed",
        )

    world.run(story)


def test_an_option_may_have_its_type_before_it():
    world = World()

    async def story() -> None:
        typed = "blocked eq Microsoft.NAV.customerBlocked'_x0020_' and number eq '10000'"
        assert len(await world.rows("customers", filter=typed)) == 1
        refused(
            await world.send("GET", "customers", filter="number eq Microsoft.NAV.x'1'"), 400, "BadRequest"
        )

    world.run(story)


async def batch(world: World, requests: list[dict[str, Any]], **headers: str) -> list[dict[str, Any]]:
    answer = await world.send("POST", f"{world.sim.root()}/$batch", {"requests": requests}, headers)
    assert answer.status == 200, answer.body
    return list(json.loads(answer.body)["responses"])


def test_microsofts_own_example_of_a_batch_is_answered_as_it_says():
    """Microsoft, "Using OData transactional $batch requests": no ids, addresses without a company, a header that names it."""
    world = World()

    async def story() -> None:
        item = (await world.rows("items", filter="number eq 'A'"))[0]
        headers = {"Company": "Main", "Content-Type": "application/json", "If-Match": "*"}

        def change(**body: str) -> dict[str, Any]:
            return {"method": "PATCH", "url": f"items({item['id']})", "headers": headers, "body": body}

        answers = await batch(
            world, [change(displayName="Touring v2"), change(type="Invalid Type")], Isolation="snapshot"
        )
        assert [(x["id"], x["status"]) for x in answers] == [(None, 200), (None, 400)]
        for answer in answers:
            assert answer["headers"]["content-type"] == "application/json; odata.metadata=minimal"
            assert answer["headers"]["odata-version"] == "4.0"
        assert answers[0]["body"]["displayName"] == "Touring v2"
        error = answers[1]["body"]["error"]
        assert error["code"] == "Unknown"
        assert error["message"].startswith(
            "'Invalid Type' is not an option. The existing options are: Inventory,Service,Non-Inventory  CorrelationId:"
        )
        assert (await world.get(f"items({item['id']})"))["displayName"] == "Item A"  # all or nothing

    world.run(story)


def test_a_batch_takes_whole_addresses_and_those_of_the_host():
    world = World()

    async def story() -> None:
        whole = world.url("items")
        host = whole.removeprefix("https://api.businesscentral.dynamics.com")
        inside = f"companies({world.sim.company_id})/items"
        parts = [
            {"id": f"{n}", "method": "GET", "url": x}
            for n, x in enumerate((whole, host, inside, f"/{inside}"))
        ]
        answers = await batch(world, parts)
        assert [(x["id"], len(x["body"]["value"])) for x in answers] == [
            ("0", 3),
            ("1", 3),
            ("2", 3),
            ("3", 3),
        ]

    world.run(story)


def test_a_subscription_is_made_with_the_body_of_the_documents_example():
    world = World()

    async def story() -> None:
        body = {
            "subscriptionId": "c670ea73cacb459bb51dc1740da2f1db",
            "notificationUrl": HOOK,
            "resource": f"/api/v2.0/companies({world.sim.company_id})/customers",
            "userId": "00000000-0000-0000-0000-000000000001",
            "lastModifiedDateTime": "2018-10-12T12:32:35Z",
            "clientState": "optionalvalueof2048",
            "expirationDateTime": "2021-10-15T12:32:35Z",
            "systemCreatedAt": "2017-01-23T00:24:31.766Z",
        }
        answer = await world.send("POST", f"{world.sim.root()}/subscriptions", body)
        assert answer.status == 201, answer.body
        made = json.loads(answer.body)
        assert made["clientState"] == "optionalvalueof2048"
        assert made["expirationDateTime"].startswith("2026-01-08")  # three days, whatever was asked for
        refused(
            await world.send("POST", f"{world.sim.root()}/subscriptions", {**body, "colour": "red"}),
            400,
            "BadRequest",
        )

    world.run(story)


def test_what_the_company_has_none_of_cannot_be_named():
    world = World()

    async def story() -> None:
        for name, what in (("paymentTermsId", "Payment Terms"), ("shipmentMethodId", "Shipment Method")):
            answer = await world.send("POST", "salesOrders", world.order(**{name: world.customer}))
            refused(answer, 400, "Application_DialogException", f'The "{name}" does not match to a {what}.')
        assert not await world.rows("salesOrders")

    world.run(story)


@pytest.mark.parametrize(
    "parts",
    [
        [{"id": "1", "url": "companies"}],
        [{"id": "1", "method": "GET"}],
        [{"id": "1", "method": "GET", "url": "companies"}] * 2,
    ],
)
def test_requests_of_a_batch_are_whole_and_told_apart(parts):
    world = World()

    async def story() -> None:
        refused(
            await world.send("POST", f"{world.sim.root()}/$batch", {"requests": parts}), 400, "BadRequest"
        )

    world.run(story)


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_says_not_that_it_is_json_is_not_read(kind):
    world = World()

    async def story() -> None:
        answer = await world.send("POST", "salesOrders", world.order(), {"Content-Type": kind})
        refused(answer, 415, "BadRequest_UnsupportedMediaType")
        with_charset = {"Content-Type": "application/json; charset=utf-8"}
        assert (await world.send("POST", "salesOrders", world.order(), with_charset)).status == 201

    world.run(story)


def test_a_payment_is_of_one_customer_however_it_names_them():
    world = World()

    async def story() -> None:
        journal = (await world.rows("customerPaymentJournals", filter="code eq 'WEB'"))[0]
        path = f"customerPaymentJournals({journal['id']})/customerPayments"
        other = world.sim.add_customer("20000", "Another company")
        order = await world.create()
        world.sim.ship(order["id"])
        invoice = world.sim.company.find("salesInvoices", "number", world.sim.invoice(order["id"]))
        for body, words in (
            ({"customerId": world.customer, "customerNumber": "20000"}, "The customer values do not match"),
            ({"appliesToInvoiceId": other}, '"appliesToInvoiceId" should be the ID of an Open'),
            (
                {"appliesToInvoiceId": invoice.id, "appliesToInvoiceNumber": "I-1"},
                "The Applies To Invoice values do not match",
            ),
        ):
            refused(
                await world.send("POST", path, {"amount": -1, **body}),
                400,
                "Application_DialogException",
                words,
            )
        made = json.loads(
            (await world.send("POST", path, {"amount": -1, "appliesToInvoiceId": invoice.id})).body
        )
        assert (made["customerNumber"], made["appliesToInvoiceNumber"]) == ("10000", invoice.values["number"])
        line = f"customerPayments({made['id']})"
        changed = await world.send("PATCH", line, {"customerId": other}, {"If-Match": "*"})
        assert json.loads(changed.body)["customerNumber"] == "20000"
        moved = await world.send("PATCH", line, {"journalId": other}, {"If-Match": "*"})
        refused(moved, 400, "Application_DialogException", "The Journal Id cannot be changed.")
        world.sim.edit_customer("20000", blocked="All")
        blocked = await world.send("POST", path, {"amount": -1, "customerId": other})
        refused(blocked, 400, "Application_DialogException", "is blocked with type All")

    world.run(story)
