"""What the Business Central connector writes: orders and their revisions, payments, returns."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
from tests.connectors.business_central_opened import START_MS, World, done, line, order, placed_order, run

from syncline.connectors.business_central import mapping
from syncline.connectors.business_central.manifest import CAPABILITIES
from syncline.mapping.expressions import MappingError
from syncline.mapping.tables import read_tables
from syncline.model.copying import replace
from syncline.model.delivery import Result
from syncline.model.errors import OutcomeUnknown
from syncline.model.payloads import FieldValue, OrderItem, PutPayment
from syncline.model.records import Payment, Refund, RefundLine
from syncline.ports import Request, Response
from syncline.testing.bench import Send

# --- orders ---------------------------------------------------------------------------------------------


def test_an_order_arrives_whole_with_discount_shipping_and_address():
    async def story(world: World) -> None:
        placed = order(
            line("1", "A", 3, "9.99", discount=Decimal("2.00")), line("2", "B", 1, "2.50"), shipping="4.95"
        )
        put = world.put(placed, ("1", "A", "MAIN", 3), ("2", "B", "NORTH", 1))
        outcome = await world.do("put_order", put)
        found = world.sim.order(done(outcome))
        assert (found.reference, found.total, outcome.message) == ("SHOP-1001", placed.total, "")
        assert Decimal(outcome.facts["total_difference"]) == 0
        assert [(x.kind, x.number, x.location, x.quantity, x.discount) for x in found.lines] == [
            ("Item", "A", "MAIN", 3, 2),
            ("Item", "B", "NORTH", 1, 0),
            ("Account", "6710", "", 1, 0),
        ]
        held = world.sim.order_record(found.id).values
        assert (held["shipToName"], held["shipToCity"], held["orderDate"]) == (
            "A buyer",
            "Reading",
            "2026-01-05",
        )
        assert world.sim.available("A", "MAIN") == 17

    run(story)


def test_a_line_that_two_locations_share_has_its_discount_to_the_cent():
    async def story(world: World) -> None:
        placed = order(line("1", "A", 3, "10.00", discount=Decimal("1.00")))
        put = world.put(placed, ("1", "A", "MAIN", 1), ("1", "A", "NORTH", 2))
        found = world.sim.order(done(await world.do("put_order", put)))
        assert [x.discount for x in found.lines] == [Decimal("0.33"), Decimal("0.67")]
        assert found.total == 29

    run(story)


def test_a_pack_is_sold_as_its_units():
    async def story(world: World) -> None:
        placed = order(line("1", "A-SIX", 2, "51.00", discount=Decimal("2.00")))
        unit = OrderItem("1", world.ids["A"], "A", "MAIN", 12, in_pack=6)
        put = replace(world.put(placed), items=(unit,))
        found = world.sim.order(done(await world.do("put_order", put)))
        assert (found.lines[0].quantity, found.lines[0].unit_price, found.total) == (12, Decimal("8.5"), 100)

    run(story)


def test_prices_with_tax_inside_are_given_as_such():
    async def story(world: World) -> None:
        world.sim.set_tax("STANDARD", "20")
        placed = order(
            line("1", "A", 2, "12.00", tax=Decimal("4.00")), tax="4.50", shipping="3.00", taxes_included=True
        )
        outcome = await world.do("put_order", world.put(placed, ("1", "A", "MAIN", 2)))
        found = world.sim.order(done(outcome))
        assert (found.total, outcome.message) == (27, "")
        assert sum(x.tax for x in found.lines) == Decimal("4.50")

    run(story)


@pytest.mark.parametrize("included", [True, False])
def test_the_shops_tax_is_kept_to_the_cent_where_that_is_configured(included):
    async def story(world: World) -> None:
        world.sim.set_tax("STANDARD", "19")  # what the company would charge is another matter
        lines = (line("1", "A", 3, "9.99", tax=Decimal("5.01")),)
        placed = order(*lines, tax="5.51", shipping="3.00", taxes_included=included)
        outcome = await world.do("put_order", world.put(placed, ("1", "A", "MAIN", 3)))
        found = world.sim.order(done(outcome))
        assert (found.total, outcome.message) == (placed.total, "")
        assert [x.amount for x in found.lines if x.number == "5610"] == [Decimal("5.51")]

    run(story, tax="keep", tax_account="5610", zero_tax_code="zero")


@pytest.mark.parametrize(
    ("settings", "carriers"),
    [
        ({"tax": "keep", "tax_account": "5610", "zero_tax_code": "zero"}, {"5610": "9.40"}),
        (
            {"tax": "keep", "tax_account": "5610", "zero_tax_code": "zero", "charge_account": "6710"},
            {"5610": "2.20", "6710": "7.20"},
        ),
        ({"charge_account": "6710"}, {"6710": "7.20"}),
    ],
)
def test_charges_are_a_line_of_their_own_or_kept_with_the_tax(settings, carriers):
    async def story(world: World) -> None:
        tax = "2.20" if "tax" in settings else "0"
        placed = order(line("1", "A", 3, "10.00", tax=Decimal(tax)), tax=tax, charges=Decimal("7.20"))
        outcome = await world.do("put_order", world.put(placed, ("1", "A", "MAIN", 3)))
        found = world.sim.order(done(outcome))
        assert (found.total, outcome.message) == (placed.total, "")
        assert {x.number: x.amount for x in found.lines if x.number in ("5610", "6710")} == {
            number: Decimal(amount) for number, amount in carriers.items()
        }

    run(story, **settings)


def test_a_total_that_differs_is_said():
    async def story(world: World) -> None:
        world.sim.set_tax("STANDARD", "20")
        outcome = await world.do(
            "put_order", world.put(order(line("1", "A", 1, "10.00")), ("1", "A", "MAIN", 1))
        )
        assert "total is 12" in outcome.message
        assert outcome.facts["total_difference"] == "2.00"

    run(story)


@pytest.mark.parametrize(
    ("settings", "changed", "words"),
    [
        ({"shipping_account": ""}, {"shipping": Decimal(5), "total": Decimal(15)}, "shipping_account"),
        ({}, {"charges": Decimal(5), "total": Decimal(15)}, "charge_account"),
        ({"web_customer": ""}, {"customer": None}, "web_customer"),
        ({}, {"currency": "JPY"}, '"currencyCode" does not match'),
        ({}, {"lines": ()}, "not part of the order"),
    ],
)
def test_an_order_that_cannot_be_expressed_is_parked_with_the_reason(settings, changed, words):
    async def story(world: World) -> None:
        placed = replace(order(line("1", "A", 1, "10.00")), **changed)
        outcome = await world.do("put_order", world.put(placed, ("1", "A", "MAIN", 1)))
        assert outcome.result is Result.REJECTED
        assert words in outcome.message
        assert not list(world.sim.orders())

    run(story, **settings)


def test_a_location_or_reference_that_does_not_fit_is_said():
    async def story(world: World) -> None:
        put = world.put(order(line("1", "A", 1, "10.00")), ("1", "A", "SOUTH", 1))
        assert "no location 'SOUTH'" in (await world.do("put_order", put)).message
        long = replace(
            world.put(order(line("1", "A", 1, "10.00")), ("1", "A", "MAIN", 1)), reference="s" * 36
        )
        assert "shorter name" in (await world.do("put_order", long)).message

    run(story)


def test_an_order_that_is_there_is_never_made_again():
    async def story(world: World) -> None:
        put = world.put(order(line("1", "A", 1, "10.00")), ("1", "A", "MAIN", 1))
        assert await world.find("put_order", put) is None
        number = done(await world.do("put_order", put))
        assert done(await world.do("put_order", put)) == number
        found = await world.find("put_order", put)
        assert found is not None
        assert done(found) == number
        world.sim.ship(number)
        world.sim.invoice(number)  # the product deletes it
        assert done(await world.do("put_order", put)) == number
        assert len(list(world.sim.orders())) == 1

    run(story)


def test_two_orders_of_one_reference_are_for_a_person():
    async def story(world: World) -> None:
        for _ in range(2):
            world.sim.sell([("A", "MAIN", 1)], externalDocumentNumber="shop-1001")
        put = world.put(order(line("1", "A", 1, "10.00")), ("1", "A", "MAIN", 1))
        outcome = await world.find("put_order", put)
        assert outcome is not None
        assert outcome.result is Result.REJECTED
        assert "more than once" in outcome.message

    run(story)


# --- customers ------------------------------------------------------------------------------------------


def test_a_buyer_is_made_once_and_a_guest_is_the_web_customer():
    async def story(world: World) -> None:
        for n in range(2):
            put = world.put(order(line("1", "A", 1, "10.00")), ("1", "A", "MAIN", 1))
            done(await world.do("put_order", replace(put, reference=f"shop-{n}")))
            world.system = world.open()
        assert world.sent("POST", "/customers") == 1
        guest = world.put(order(line("1", "A", 1, "10.00"), customer=None), ("1", "A", "MAIN", 1))
        done(await world.do("put_order", guest))
        known = replace(guest, reference="shop-9", customer_external_id=world.sim.add_customer("K1", "Known"))
        outcome = await world.do("put_order", known)
        assert (done(outcome) != "", outcome.facts["account"]) == (True, known.customer_external_id)
        assert sorted(x.customer for x in world.sim.orders()) == ["GUEST", "K1", "WSHOP-C-77", "WSHOP-C-77"]

    run(story)


def test_where_numbers_are_not_ours_to_give_the_vendor_says_so():
    async def story(world: World) -> None:
        world.sim.writes.manual_numbers = False
        put = world.put(order(line("1", "A", 1, "10.00")), ("1", "A", "MAIN", 1))
        outcome = await world.do("put_order", put)
        assert outcome.result is Result.REJECTED
        assert "Manual Nos." in outcome.message

    run(story)


def test_numbers_that_do_not_fit_stay_apart():
    settings = run(_nothing).settings
    long = [mapping.customer_number(f"shop-c-gid://customer/{n:012d}", settings) for n in range(50)]
    assert len(set(long)) == 50
    assert all(len(x) <= 20 for x in long)
    references = [mapping.short_reference(f"shop-5555555555555-pay-{n:015d}") for n in range(50)]
    assert len(set(references)) == 50
    assert all(len(x) <= 35 for x in references)


async def _nothing(world: World) -> None:
    pass


# --- revisions ------------------------------------------------------------------------------------------


def test_a_revision_changes_what_differs_in_one_transaction():
    async def story(world: World) -> None:
        number, _ = await placed_order(world)
        now = order(line("1", "A", 5, "10.00"), line("3", "B", 1, "2.00"), shipping="3.00")
        put = world.put(now, ("1", "A", "MAIN", 5), ("3", "B", "MAIN", 1), external_id=number)
        assert await world.find("put_order", put) is None
        outcome = await world.do("put_order", put)
        assert done(outcome) == number
        found = world.sim.order(number)
        assert {(x.number, x.location, x.quantity) for x in found.lines} == {
            ("A", "MAIN", 5),
            ("B", "MAIN", 1),
            ("6710", "", 1),
        }
        assert found.total == now.total
        assert world.sent("POST", "$batch") == 1
        assert await world.find("put_order", put) is not None
        done(await world.do("put_order", put))
        assert world.sent("POST", "$batch") == 1  # there was nothing left to change

    run(story)


def test_fields_of_a_mapping_are_written_into_the_head_and_changed_with_it():
    async def story(world: World) -> None:
        pattern = CAPABILITIES.order_fields

        def fields(**said: str) -> tuple[FieldValue, ...]:
            table = "[erp.order]\n" + "\n".join(f'{name} = "{what}"' for name, what in said.items())
            return read_tables(table, {"erp": pattern}).fields("erp", placed, "shop")

        placed = order(line("1", "A", 4, "10.00"))
        put = world.put(placed, ("1", "A", "MAIN", 4))
        first = fields(
            salesperson="lower('ANN')",
            requestedDeliveryDate="date('2026-02-03')",
            partialShipping="order.total > 1",
        )
        number = done(await world.do("put_order", replace(put, fields=first)))
        held = world.sim.order_record(world.sim.order(number).id).values
        names = ("salesperson", "requestedDeliveryDate", "partialShipping")
        assert [held[name] for name in names] == ["ANN", "2026-02-03", True]
        again = replace(put, external_id=number, fields=fields(partialShipping="order.total > 999"))
        done(await world.do("put_order", again))
        assert [held[name] for name in names] == ["ANN", "2026-02-03", False], "none is not written"
        batches = world.sent("POST", "$batch")
        done(await world.do("put_order", again))
        assert world.sent("POST", "$batch") == batches, "there was nothing left to change"
        for wrong, words in (
            (
                {"requestedDeliveryDate": "'soon'"},
                "requestedDeliveryDate takes a date, and the mapping gives a string",
            ),
            (
                {"salesperson": "'A person with a long name'"},
                "salesperson takes a code of up to 20 characters",
            ),
        ):
            outcome = await world.do("put_order", replace(again, fields=fields(**wrong)))
            assert outcome.result is Result.REJECTED and words in outcome.message
        with pytest.raises(MappingError, match=r"erp\.order\.externalDocumentNumber"):
            fields(externalDocumentNumber="channel")

    run(story)


def test_what_was_shipped_stays_on_a_revision_and_on_a_cancellation():
    async def story(world: World) -> None:
        number, item = await placed_order(world)
        world.sim.ship(number, lines={10_000: 3})
        fewer = world.put(order(line("1", "A", 1, "10.00")), ("1", "A", "MAIN", 1), external_id=number)
        outcome = await world.do("put_order", fewer)
        done(outcome)
        assert [(x.number, x.quantity) for x in world.sim.order(number).lines] == [("A", 3)]
        # Two units more than are wanted, because they left: a credit memo takes them off, so nothing is wrong.
        assert (Decimal(outcome.facts["total_difference"]), outcome.message) == (0, "")
        gone = replace(fewer, order=replace(fewer.order, cancelled_at_ms=START_MS), items=(item,))
        done(await world.do("put_order", gone))
        assert [(x.number, x.quantity) for x in world.sim.order(number).lines] == [("A", 3)]

    run(story)


@pytest.mark.parametrize(
    ("sent", "back", "wanted", "expected"),
    [
        # Nothing is wanted any more of the line that waits: the one that left stands for what is.
        ({2: 3}, {}, {"2": 3}, [(3, 3)]),
        ({1: 3}, {}, {"1": 3}, [(3, 3)]),
        ({1: 3}, {}, {"1": 3, "2": 1}, [(3, 3), (1, 0)]),
        # What left came back: the other line's units are still to be sent.
        ({1: 3}, {"1": 3}, {"2": 3}, [(3, 3), (3, 0)]),
        ({1: 3}, {"1": 2}, {"1": 1, "2": 3}, [(3, 3), (3, 0)]),
        ({2: 3}, {"2": 2}, {"1": 3, "2": 1}, [(3, 0), (3, 3)]),
    ],
)
def test_of_two_lines_of_one_item_that_which_left_stands_for_what_left(sent, back, wanted, expected):
    async def story(world: World) -> None:
        both = order(line("1", "A", 3, "10.00"), line("2", "A", 3, "10.00"))
        put = world.put(both, ("1", "A", "MAIN", 3), ("2", "A", "MAIN", 3))
        number = done(await world.do("put_order", put))
        world.sim.ship(number, lines={10_000 * at: units for at, units in sent.items()})
        refunds = tuple(
            Refund(f"r{at}", Decimal(10 * units), START_MS, (RefundLine(at, Decimal(units), restocked=True),))
            for at, units in back.items()
        )
        lines = [line(at, "A", wanted.get(at, 0), "10.00") for at in ("1", "2")]
        now = order(*lines, refunds=refunds)
        items = [(at, "A", "MAIN", units) for at, units in wanted.items()]
        again = world.put(now, *items, external_id=number)
        outcome = await world.do("put_order", again)
        assert (done(outcome), outcome.message) == (number, "")
        held = world.sim.company.children("salesOrderLines", number)
        told = [
            (x.values["quantity"], x.values["shippedQuantity"])
            for x in held
            if x.values["lineType"] == "Item"
        ]
        assert told == expected
        assert await world.find("put_order", again) is not None, "there is nothing left to change"

    run(story)


def test_prices_of_the_shop_stand_where_the_company_has_a_price_list():
    async def story(world: World) -> None:
        world.sim.add_price("RETAIL", "A", "8.00", minimumQuantity=Decimal(2))
        number, _ = await placed_order(world)
        assert world.sim.order(number).lines[0].unit_price == 10
        # A new quantity has the price looked up again, and scales the discount.
        now = order(line("1", "A", 6, "10.00", discount=Decimal("1.37")), line("2", "B", 2, "2.50"))
        put = world.put(now, ("1", "A", "MAIN", 6), ("2", "B", "NORTH", 2), external_id=number)
        outcome = await world.do("put_order", put)
        assert (done(outcome), outcome.message) == (number, "")
        found = world.sim.order(number)
        assert (found.lines[0].unit_price, found.lines[0].discount) == (10, Decimal("1.37"))
        assert found.total == now.total
        assert world.sent("POST", "$batch") == 1
        more = order(line("1", "A", 7, "10.00", discount=Decimal("1.37")), line("2", "B", 2, "2.50"))
        put = world.put(more, ("1", "A", "MAIN", 7), ("2", "B", "NORTH", 2), external_id=number)
        assert (await world.do("put_order", put)).message == ""
        assert world.sim.order(number).total == more.total

    run(story)


@pytest.mark.parametrize("in_page_order", [False, True])
def test_a_price_list_that_wins_over_a_new_variants_price_is_put_right(in_page_order):
    async def story(world: World) -> None:
        world.sim.writes.in_page_order = in_page_order
        variant = world.sim.add_variant("A", "RED")
        world.sim.add_price("RETAIL", "A", "8.00", variantCode="RED")
        placed = order(line("1", "A-RED", 3, "9.99", discount=Decimal("2.00")))
        item = OrderItem("1", f"{world.ids['A']}:{variant}", "A-RED", "MAIN", 3)
        put = replace(world.put(placed), items=(item,))
        outcome = await world.do("put_order", put)
        found = world.sim.order(done(outcome))
        assert (outcome.message, found.total) == ("", placed.total)
        assert [(x.unit_price, x.discount) for x in found.lines] == [(Decimal("9.99"), 2)]
        assert world.sent("POST", "$batch") == in_page_order
        assert len(world.sim.orders_by_reference()["SHOP-1001"]) == 1

    run(story)


def test_where_prices_cannot_be_put_right_the_order_stands_and_the_difference_is_said():
    async def story(world: World) -> None:
        world.sim.writes.in_page_order = True
        variant = world.sim.add_variant("A", "RED")
        world.sim.add_price("RETAIL", "A", "8.00", variantCode="RED")

        async def refuse(request: Request, send: Send) -> Response:
            if "$batch" in request.url:
                return Response(403, {}, b'{"error":{"code":"Authorization_Denied","message":"no"}}')
            return await send(request)

        world.around.wire.between = refuse
        item = OrderItem("1", f"{world.ids['A']}:{variant}", "A-RED", "MAIN", 3)
        put = replace(world.put(order(line("1", "A-RED", 3, "9.99"))), items=(item,))
        outcome = await world.do("put_order", put)
        assert "total is 24" in outcome.message
        assert outcome.facts["total_difference"] == "-5.97"
        assert world.sim.order(done(outcome)).total == 24

    run(story)


def test_a_cancelled_order_holds_nothing_and_is_still_found():
    async def story(world: World) -> None:
        number, item = await placed_order(world)
        placed = order(line("1", "A", 4, "10.00"), line("2", "B", 2, "2.50"), cancelled_at_ms=START_MS)
        gone = replace(world.put(placed), items=(item,), external_id=number)
        assert await world.find("put_order", gone) is None
        done(await world.do("put_order", gone))
        assert world.sim.available("A", "MAIN") == 20
        assert await world.find("put_order", gone) is not None
        found = await world.find("put_order", replace(gone, external_id=""))
        assert found is not None
        assert done(found) == number

    run(story)


def test_an_order_cancelled_before_it_came_is_made_and_holds_nothing():
    async def story(world: World) -> None:
        placed = order(line("1", "A", 4, "10.00"), cancelled_at_ms=START_MS)
        done(await world.do("put_order", world.put(placed, ("1", "A", "MAIN", 4))))
        assert world.sim.available("A", "MAIN") == 20

    run(story)


def test_a_released_order_is_for_a_person_and_nothing_of_it_changes():
    async def story(world: World) -> None:
        number, _ = await placed_order(world)
        world.sim.release(number)
        put = world.put(
            order(line("1", "A", 5, "10.00"), line("2", "B", 3, "2.50")),
            ("1", "A", "MAIN", 5),
            ("2", "B", "NORTH", 3),
            external_id=number,
        )
        outcome = await world.do("put_order", put)
        assert outcome.result is Result.REJECTED
        assert "Current value is 'Released'" in outcome.message
        assert [x.quantity for x in world.sim.order(number).lines] == [4, 2]

    run(story)


def test_somebody_elses_change_in_between_is_read_and_the_revision_tried_again():
    async def story(world: World) -> None:
        number, _ = await placed_order(world)
        put = world.put(order(line("1", "A", 5, "10.00")), ("1", "A", "MAIN", 5), external_id=number)

        async def meddle(request: Request, send: Send) -> Response:
            if "$batch" in request.url:
                world.sim.change_line(number, 10_000, quantity=7)
            return await send(request)

        world.around.wire.between = meddle
        outcome = await world.do("put_order", put)
        assert outcome.result is Result.RETRY
        assert [x.quantity for x in world.sim.order(number).lines] == [7, 2]  # all or nothing
        world.around.wire.between = None
        done(await world.do("put_order", put))
        assert [x.quantity for x in world.sim.order(number).lines] == [5]

    run(story)


def test_a_revision_of_an_order_that_was_invoiced_whole_is_for_a_person():
    async def story(world: World) -> None:
        number, _ = await placed_order(world)
        world.sim.ship(number)
        world.sim.invoice(number)
        put = world.put(order(line("1", "A", 5, "10.00")), ("1", "A", "MAIN", 5), external_id=number)
        outcome = await world.do("put_order", put)
        assert outcome.result is Result.REJECTED
        assert "invoiced whole or deleted" in outcome.message
        fewer = world.put(order(line("1", "A", 1, "10.00")), ("1", "A", "MAIN", 1), external_id=number)
        done(await world.do("put_order", fewer))  # all that is wanted left, and the rest is a credit memo's
        assert await world.find("put_order", fewer) is not None

    run(story)


def test_a_revision_of_an_order_that_somebody_deleted_is_for_a_person():
    async def story(world: World) -> None:
        number, _ = await placed_order(world)
        world.sim.delete_order(number)
        put = world.put(order(line("1", "A", 1, "10.00")), ("1", "A", "MAIN", 1), external_id=number)
        assert (await world.do("put_order", put)).result is Result.REJECTED

    run(story)


def test_units_that_left_keep_their_discount():
    async def story(world: World) -> None:
        placed = order(line("1", "A", 4, "10.00", discount=Decimal("1.37")))
        number = done(await world.do("put_order", world.put(placed, ("1", "A", "MAIN", 4))))
        world.sim.ship(number, lines={10_000: 3})
        fewer = order(line("1", "A", 2, "10.00", discount=Decimal("0.68")))
        put = world.put(fewer, ("1", "A", "MAIN", 2), external_id=number)
        outcome = await world.do("put_order", put)
        assert (done(outcome), outcome.message) == (number, "")
        (held,) = world.sim.order(number).lines
        assert (held.quantity, held.discount) == (3, Decimal("1.02"))

    run(story)


# --- payments -------------------------------------------------------------------------------------------


def payment(amount: str = "45.00", currency: str = "GBP") -> Payment:
    return Payment("9", Decimal(amount), currency, START_MS, "card")


def test_a_payment_waits_in_the_journal_and_is_found_after_it_was_posted():
    async def story(world: World) -> None:
        number, _ = await placed_order(world)
        put = PutPayment("shop-1001-pay-9", number, "shop-c-77", payment())
        assert await world.find("put_payment", put) is None
        done(await world.do("put_payment", put))
        assert [(x.amount, x.posted) for x in world.sim.payments()] == [(45, False)]
        world.sim.post_payments()
        done(await world.do("put_payment", put))
        assert await world.find("put_payment", put) is not None
        assert [(x.amount, x.posted) for x in world.sim.payments()] == [(45, True)]

    run(story)


def test_a_payment_is_entered_for_who_is_to_pay_and_never_in_another_currency():
    async def story(world: World) -> None:
        number, _ = await placed_order(world)
        head = world.sim.add_customer("HEAD", "Head office")
        world.sim.order_record(number).values["billToCustomerId"] = head
        world.system = world.open()
        world.sim.edit_customer("HEAD", currencyCode="EUR")
        put = PutPayment("shop-1001-pay-9", number, "shop-c-77", payment())
        outcome = await world.do("put_payment", put)
        assert outcome.result is Result.REJECTED
        assert "would enter it in EUR, the currency of customer HEAD" in outcome.message
        assert not world.sim.payments()
        world.sim.edit_customer("HEAD", currencyCode="GBP")
        done(await world.do("put_payment", put))
        (entered,) = world.sim.payments()
        assert (entered.customer, entered.currency, entered.amount) == ("HEAD", "GBP", 45)

    run(story)


def test_a_payment_of_an_order_that_is_an_invoice_by_now_finds_its_customer():
    async def story(world: World) -> None:
        number, _ = await placed_order(world)
        world.sim.ship(number)
        world.sim.invoice(number)
        world.system = world.open()
        done(await world.do("put_payment", PutPayment("shop-1001-pay-9", number, "", payment())))
        nobody = PutPayment("shop-1001-pay-8", world.ids["A"], "", payment())
        assert "neither order" in (await world.do("put_payment", nobody)).message

    run(story)


@pytest.mark.parametrize(
    ("settings", "paid", "words"),
    [
        ({"payment_journal": ""}, payment(), "payment_journal"),
        ({"payment_journal": "none"}, payment(), "no customer payment journal 'NONE'"),
        ({}, payment(currency="EUR"), "own currency, GBP"),
        ({}, payment("0"), "more than zero"),
    ],
)
def test_a_payment_that_cannot_be_entered_is_parked_with_the_reason(settings, paid, words):
    async def story(world: World) -> None:
        number, _ = await placed_order(world)
        outcome = await world.do("put_payment", PutPayment("shop-1001-pay-9", number, "", paid))
        assert outcome.result is Result.REJECTED
        assert words in outcome.message
        assert not world.sim.payments()

    run(story, **settings)


# --- answers --------------------------------------------------------------------------------------------


def answering(part: str, *answers: Response) -> Callable[[Request, Send], Awaitable[Response]]:
    left = list(answers)

    async def between(request: Request, send: Send) -> Response:
        if part in request.url and request.method == "POST" and left:
            return left.pop(0)
        return await send(request)

    return between


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (
            Response(429, {"retry-after": "17"}, b'{"error":{"code":"Application_TooManyRequests"}}'),
            Result.THROTTLED,
        ),
        (Response(503, {"retry-after": "9"}, b'{"error":{"code":"Internal_ServerError"}}'), Result.UNKNOWN),
        (Response(504, {}, b"<html>"), Result.UNKNOWN),
        (Response(408, {}, b'{"error":{"code":"Internal_Timeout"}}'), Result.UNKNOWN),
        (Response(302, {"location": "https://login.example"}, b""), Result.UNKNOWN),
        (Response(400, {}, b"<html>bad</html>"), Result.UNKNOWN),
        (Response(200, {}, b"<html>sign in</html>"), Result.UNKNOWN),
        (Response(201, {}, b"{}"), Result.UNKNOWN),
        (Response(409, {}, b'{"error":{"code":"Request_EntityChanged","message":"x"}}'), Result.NOT_SENT),
        (Response(413, {}, b'{"error":{"code":"RequestEntityTooLarge","message":"x"}}'), Result.REJECTED),
    ],
)
def test_an_answer_is_sorted_by_what_to_do_next(answer, result):
    async def story(world: World) -> None:
        put = world.put(order(line("1", "A", 1, "10.00")), ("1", "A", "MAIN", 1))
        world.around.wire.between = answering("/salesOrders", answer)
        outcome = await world.do("put_order", put)
        assert outcome.result is result, outcome
        if result is Result.THROTTLED:
            assert outcome.retry_after_s == 17

    run(story)


def test_a_lost_answer_to_the_customer_leaves_the_order_unsent():
    async def story(world: World) -> None:
        async def lose(request: Request, send: Send) -> Response:
            answer = await send(request)
            if request.method == "POST" and request.url.endswith("/customers"):
                raise OutcomeUnknown("lost")
            return answer

        world.around.wire.between = lose
        put = world.put(order(line("1", "A", 1, "10.00")), ("1", "A", "MAIN", 1))
        assert (await world.do("put_order", put)).result is Result.NOT_SENT
        world.around.wire.between = None
        done(await world.do("put_order", put))
        assert world.sent("POST", "/customers") == 1

    run(story)


def test_a_token_that_ended_is_renewed_once_and_the_call_sent_again():
    async def story(world: World) -> None:
        put = world.put(order(line("1", "A", 1, "10.00")), ("1", "A", "MAIN", 1))
        await world.find("put_order", put)
        world.sim.tokens.forget()
        done(await world.do("put_order", put))
        assert world.sim.ledger.calls_by_operation["token"] == 2

    run(story)


def test_our_token_goes_nowhere_but_to_the_product():
    async def story(world: World) -> None:
        await world.find("put_order", world.put(order(line("1", "A", 1, "10.00")), ("1", "A", "MAIN", 1)))
        for request in world.around.wire.sent:
            assert ("Authorization" in request.headers) == request.url.startswith(world.sim.origins[1])
        (asked,) = [x for x in world.around.wire.sent if x.method == "POST"]
        assert asked.url == world.sim.token_url
        assert b"client_credentials" in asked.body

    run(story)


def test_a_batch_says_what_it_costs():
    async def story(world: World) -> None:
        number, _ = await placed_order(world)
        before = len(world.sim.limits._window)
        put = world.put(order(line("1", "A", 5, "10.00")), ("1", "A", "MAIN", 5), external_id=number)
        done(await world.do("put_order", put))
        (request,) = [x for x in world.around.wire.sent if "$batch" in x.url]
        parts = len(json.loads(request.body)["requests"])
        assert len(world.sim.limits._window) - before == parts + 2  # and the order, before and after
        assert parts == 3  # the order's version, and two lines

    run(story)
