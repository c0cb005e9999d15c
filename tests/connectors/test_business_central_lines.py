"""Values that are taken one after another: what the product makes of their order, and in which our connector gives them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.connectors.business_central_opened import START_MS, done, line, order, placed_order
from tests.connectors.business_central_opened import World as Opened
from tests.connectors.business_central_opened import run as opened
from tests.connectors.business_central_world import ANY, EXTENSION, World, refused

from syncline.model.copying import replace
from syncline.model.delivery import Result
from syncline.model.errors import Rejected
from syncline.model.payloads import OrderItem, PutRefund
from syncline.model.records import ErpLine, ErpOrder, Refund, Return

# --- the product ----------------------------------------------------------------------------------------


async def one_line(world: World, *fields: tuple[str, Any], **head: Any) -> dict[str, Any]:
    made = await world.create(salesOrderLines=[dict(fields)], **head)
    return (await world.rows(f"salesOrders({made['id']})/salesOrderLines"))[0]


WHAT = (("lineType", "Item"), ("lineObjectNumber", "A"))


@pytest.mark.parametrize(
    ("fields", "price", "discount"),
    [
        ((*WHAT, ("quantity", 2), ("unitPrice", 7), ("discountAmount", 1)), 7, 1),
        ((("unitPrice", 7), *WHAT, ("quantity", 2)), 8, 0),  # the item begins the line anew
        ((("quantity", 2), *WHAT, ("unitPrice", 7)), 7, 0),  # all but the quantity is lost
        ((*WHAT, ("unitPrice", 7), ("quantity", 2)), 8, 0),  # the price list wins with a new quantity
        ((*WHAT, ("unitPrice", 7), ("quantity", 1)), 7, 0),  # it has a price from two on
        ((*WHAT, ("quantity", 1), ("unitPrice", 7), ("unitOfMeasureCode", "BOX")), 96, 0),
        ((*WHAT, ("quantity", 1), ("discountAmount", 1), ("unitPrice", 20)), 20, 2),  # a share, not an amount
    ],
)
def test_each_value_may_take_the_place_of_those_before_it(fields, price, discount):
    world = World()
    world.sim.add_unit("A", "BOX", 12)
    world.sim.add_price("RETAIL", "A", "8.00", minimumQuantity=Decimal(2))

    async def story() -> None:
        held = await one_line(world, *fields)
        assert (held["unitPrice"], held["discountAmount"]) == (price, discount)

    world.run(story)


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ((("lineObjectNumber", "A"),), "Application_DialogException", "The Standard Text does not exist."),
        (
            (("unitOfMeasureCode", "PCS"), *WHAT),
            "Application_DialogException",
            "only for lines with type Item.",
        ),
        (
            (*WHAT, ("unitOfMeasureCode", "KG")),
            "Internal_InvalidTableRelation",
            "(KG) that cannot be found in the related table (Item Unit of Measure)",
        ),
        (
            (*WHAT, ("discountAmount", 1), ("quantity", 2)),
            "Application_FieldValidationException",
            "Quantity must have a value in Sales Line: Document Type=Order",
        ),
        (
            (*WHAT, ("quantity", 2), ("discountAmount", 21)),
            "Application_DialogException",
            "must be between 0 and 100.",
        ),
    ],
)
def test_values_that_come_too_early_or_go_too_far_are_refused(fields, code, words):
    world = World()

    async def story() -> None:
        answer = await world.send("POST", "salesOrders", world.order(salesOrderLines=[dict(fields)]))
        refused(answer, 400, code, words)

    world.run(story)


def test_the_fields_of_a_page_may_be_taken_in_its_own_order():
    world = World()
    world.sim.writes.in_page_order = True
    world.sim.add_price("RETAIL", "A", "8.00", minimumQuantity=Decimal(2))

    async def story() -> None:
        held = await one_line(world, ("unitPrice", 7), ("quantity", 2), *WHAT)
        assert held["unitPrice"] == 7

    world.run(story)


def test_a_tax_code_reckons_a_price_with_tax_inside_again():
    world = World()
    world.sim.set_tax("STANDARD", "25")

    async def story() -> None:
        values = (("quantity", 2), ("unitPrice", 10))
        assert (await one_line(world, *WHAT, *values, ("taxCode", "zero")))["unitPrice"] == 10
        inside = {"pricesIncludeTax": True}
        assert (await one_line(world, *WHAT, *values, ("taxCode", "zero"), **inside))["unitPrice"] == 8
        assert (await one_line(world, *WHAT, ("taxCode", "zero"), *values, **inside))["unitPrice"] == 10

    world.run(story)


def test_a_line_without_a_unit_is_in_the_items_sales_unit_and_takes_so_many_from_stock():
    world = World()
    world.sim.add_unit("A", "BOX", 6, sales=True)

    async def story() -> None:
        made = await world.create(
            salesOrderLines=[dict((*WHAT, ("quantity", 2), ("locationId", world.sim.location_id("MAIN"))))]
        )
        held = (await world.rows(f"salesOrders({made['id']})/salesOrderLines"))[0]
        assert (held["unitOfMeasureCode"], held["unitPrice"]) == ("BOX", 60)
        assert world.sim.available("A", "MAIN") == 8
        world.sim.ship(made["id"])
        assert world.sim.on_hand("A", "MAIN") == 8
        (ours,) = await world.rows("shipments", EXTENSION, expand="shipmentLines")
        assert ours["shipmentLines"][0]["quantityBase"] == 12
        (theirs,) = await world.rows("salesShipments", expand="salesShipmentLines")
        (shown,) = theirs["salesShipmentLines"]
        assert (shown["quantity"], shown["unitOfMeasureCode"], shown["lineType"]) == (2, "BOX", "Item")
        answer = await world.send(
            "PATCH", f"salesOrderLines({held['id']})", {"unitOfMeasureCode": "PCS"}, ANY
        )
        refused(answer, 400, "Application_FieldValidationException", "Quantity Shipped must be equal to '0'")

    world.run(story)


def test_what_a_line_is_about_may_be_said_again_and_not_changed_by_its_number():
    world = World()

    async def story() -> None:
        held = await one_line(world, *WHAT, ("quantity", 2))
        path = f"salesOrderLines({held['id']})"
        same = {name: held[name] for name in ("documentId", "sequence", "lineType", "lineObjectNumber")}
        assert (await world.send("PATCH", path, {**same, "quantity": 3}, ANY)).status == 200
        for name, value, words in (
            ("lineObjectNumber", "B", 'The value for "lineObjectNumber" cannot be modified.'),
            ("sequence", 5, "The value for sequence cannot be modified. Delete and insert the line again."),
            ("documentId", world.customer, 'The value for "documentId" cannot be modified.'),
        ):
            refused(
                await world.send("PATCH", path, {name: value}, ANY), 400, "Application_DialogException", words
            )

    world.run(story)


def test_a_customers_card_takes_the_place_of_what_a_document_said_before():
    world = World()
    world.sim.writes.prices_include_tax = True
    card = {
        "addressLine1": "1 Card St",
        "addressLine2": "Floor 3",
        "currencyCode": "EUR",
        "email": "card@shop.example",
    }
    world.sim.add_customer("CARD", "Card Ltd", **card)

    async def story() -> None:
        given = {
            "currencyCode": "USD",
            "pricesIncludeTax": False,
            "shipToAddressLine1": "2 Ship St",
            "email": "x@y.example",
        }
        for body, shown in (
            ({"customerNumber": "CARD"}, ("EUR", True, "1 Card St", "Floor 3", "card@shop.example")),
            ({**given, "customerNumber": "CARD"}, ("EUR", True, "1 Card St", "Floor 3", "card@shop.example")),
            ({"customerNumber": "CARD", **given}, ("USD", False, "2 Ship St", "Floor 3", "x@y.example")),
        ):
            made = json.loads((await world.send("POST", "salesOrders", body)).body)
            names = ("currencyCode", "pricesIncludeTax", "shipToAddressLine1", "shipToAddressLine2", "email")
            assert tuple(made[name] for name in names) == shown
        payer = {"customerNumber": "CARD", "billToCustomerNumber": "10000"}
        made = json.loads((await world.send("POST", "salesOrders", payer)).body)
        assert (made["billToCustomerId"], made["billToName"]) == (world.customer, "A company")
        nobody = await world.send(
            "POST", "salesOrders", {"customerNumber": "CARD", "billToCustomerNumber": "X"}
        )
        refused(nobody, 400, "Application_DialogException", "The bill-to customer cannot be found.")
        world.sim.edit_customer("CARD", blocked="Ship")
        refused(
            await world.send("POST", "salesOrders", {"customerNumber": "CARD"}),
            400,
            "Application_DialogException",
            "blocked with type Ship",
        )

    world.run(story)


def test_ids_and_codes_name_the_same():
    world = World()

    async def story() -> None:
        held = await one_line(world, *WHAT, ("quantity", 1))
        (unit,) = await world.rows("unitsOfMeasure", filter="code eq 'PCS'")
        assert held["unitOfMeasureId"] == unit["id"]
        assert {row["baseUnitOfMeasureId"] for row in await world.rows("items")} == {unit["id"]}
        world.sim.add_unit("A", "BOX", 3)
        (box,) = await world.rows("unitsOfMeasure", filter="code eq 'BOX'")
        boxes = await one_line(world, *WHAT, ("unitOfMeasureId", box["id"]), ("quantity", 1))
        assert (boxes["unitOfMeasureCode"], boxes["unitPrice"]) == ("BOX", 30)
        euro = (await world.rows("currencies", filter="code eq 'EUR'"))[0]["id"]
        made = await world.create(currencyId=euro)
        assert (made["currencyCode"], made["currencyId"]) == ("EUR", euro)
        for body, words in (
            ({"currencyId": euro, "currencyCode": "USD"}, "The currency values do not match"),
            ({"currencyId": unit["id"]}, 'The "currencyId" does not match to a Currency.'),
        ):
            answer = await world.send("POST", "salesOrders", world.order(**body))
            refused(answer, 400, "Application_DialogException", words)

    world.run(story)


# --- our connector --------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_page_order", [False, True])
@pytest.mark.parametrize("keep", [False, True])
def test_an_order_and_its_refund_come_to_the_money_in_whatever_order_values_are_taken(in_page_order, keep):
    async def story(world: Opened) -> None:
        sim = world.sim
        sim.writes.in_page_order = in_page_order
        sim.writes.prices_include_tax = True
        sim.set_tax("STANDARD", "25")
        sim.add_unit("A", "BOX", 6, sales=True)
        sim.add_price("RETAIL", "A", "3.00", minimumQuantity=Decimal(2))
        placed = order(
            line("1", "A", 4, "10.00", discount=Decimal("1.37"), tax=Decimal("7.73")),
            tax="7.73",
            taxes_included=True,
        )
        outcome = await world.do("put_order", world.put(placed, ("1", "A", "MAIN", 4)))
        found = sim.order(done(outcome))
        assert (outcome.message, found.total) == ("", placed.total)
        assert (found.lines[0].quantity, sim.available("A", "MAIN")) == (4, 16)
        sim.ship(found.id)
        back = (OrderItem("1", world.ids["A"], "A", "MAIN", 2),)
        put = PutRefund(
            "shop-1001-refund-5", found.id, Refund("5", Decimal("19.31"), START_MS), back, restocked=True
        )
        outcome = await world.do("put_refund", put)
        assert (outcome.result, outcome.message) == (Result.DONE, "")
        (memo,) = sim.memos()
        assert memo.posted
        assert sim.company.tables["salesCreditMemos"][memo.id].values["totalAmountIncludingTax"] == Decimal(
            "19.31"
        )
        assert sim.on_hand("A", "MAIN") == 18

    tax = {"tax": "keep", "tax_account": "5610", "zero_tax_code": "zero"} if keep else {}
    opened(story, post_returns=True, **tax)


def test_a_line_that_somebody_put_into_boxes_is_put_back_into_pieces():
    async def story(world: Opened) -> None:
        world.sim.add_unit("A", "BOX", 6)
        number, _ = await placed_order(world)
        world.sim.change_line(number, 10_000, unitOfMeasureCode="BOX")
        assert world.sim.available("A", "MAIN") == -4
        (told,) = [c.value for c in await world.read("orders")]
        assert isinstance(told, ErpOrder)
        # How many pieces a line of boxes holds the API does not tell: it proves nothing.
        assert told.lines == (ErpLine("B", "NORTH", Decimal(2)),)
        now = order(line("1", "A", 4, "10.00"), line("2", "B", 2, "2.50"))
        put = world.put(now, ("1", "A", "MAIN", 4), ("2", "B", "NORTH", 2), external_id=number)
        outcome = await world.do("put_order", put)
        assert (done(outcome), outcome.message) == (number, "")
        assert world.sim.available("A", "MAIN") == 16
        assert world.sim.order(number).total == 45

    opened(story)


def test_returned_boxes_are_for_a_person():
    async def story(world: Opened) -> None:
        world.sim.add_unit("A", "BOX", 2)
        number, _ = await placed_order(world)
        world.sim.ship(number)
        invoice = world.sim.invoice(number)
        world.sim.credit(invoice, {"A": 1})
        world.sim.add_unit("A", "BOX", 2, sales=True)
        world.sim.credit(invoice, {"A": 1})
        events, _ = await world.pull("returns")
        (back,) = [c.value for e in events if not e.event_id.startswith("odd") for c in world.changes([e])]
        assert isinstance(back, Return) and back.lines[0].quantity == 1
        (odd,) = [e for e in events if e.event_id.startswith("odd")]
        with pytest.raises(Rejected, match="brings back 1 BOX of A, whose base unit is PCS"):
            world.changes([odd])

    opened(story)


def test_an_address_is_not_mixed_with_that_of_the_customers_card():
    async def story(world: Opened) -> None:
        card = {
            "addressLine1": "1 Card St",
            "addressLine2": "Floor 3",
            "state": "Kent",
            "city": "Dover",
            "postalCode": "CT16",
        }
        known = world.sim.add_customer("K1", "Known", **card)
        put = world.put(order(line("1", "A", 1, "10.00")), ("1", "A", "MAIN", 1))
        number = done(await world.do("put_order", replace(put, customer_external_id=known)))
        held = world.sim.order_record(number).values
        names = ("AddressLine1", "AddressLine2", "City", "State", "PostCode", "Country")
        assert [held[f"shipTo{name}"] for name in names] == ["1 High St", "", "Reading", "", "RG1 1AA", "GB"]
        batches = world.sent("POST", "$batch")
        done(await world.do("put_order", replace(put, external_id=number)))
        assert world.sent("POST", "$batch") == batches, "there was nothing left to change"

    opened(story)
