"""What a company offers to a proof and to an adoption: levels and orders read again, open or posted, by any reference."""

from __future__ import annotations

from decimal import Decimal
from unittest import mock

import pytest
from tests.connectors.business_central_opened import World, done, line, order, placed_order, run

from syncline.connectors.business_central import census as listing
from syncline.connectors.business_central import orders, rereads
from syncline.connectors.business_central.rows import NO_GUID
from syncline.model.census import Listed, ListedItem
from syncline.model.change import Kind, LoggedEvent
from syncline.model.delivery import Result
from syncline.model.errors import Misconfigured, Retryable
from syncline.model.payloads import PutOrder
from syncline.model.readings import Booked
from syncline.model.records import Item
from syncline.ports import REFERENCE

BY = (("externalDocumentNumber", "#1001"),)
DAY_MS = 86_400_000


def put(world: World, *foreign: tuple[str, str]) -> PutOrder:
    return world.put(order(line("1", "A", 2, "10.00")), ("1", "A", "MAIN", 2), foreign=foreign)


def theirs(world: World, name: str = "#1001", units: int = 2) -> str:
    """The order as another connector wrote it."""
    return world.sim.sell([("A", "MAIN", units)], externalDocumentNumber=name)


async def walk(world: World, since_ms: int = 0) -> list[list[Booked]]:
    pages, after = [], ""
    booked = world.system.rereads.booked
    assert booked is not None
    while True:
        part = await booked("shop", since_ms, after)
        pages.append(list(part.rows))
        after = part.after
        if not after:
            return pages


async def listed(world: World, what: str, *fields: str, places: tuple[str, ...] = ()) -> list[Listed]:
    census = world.system.census
    assert census is not None
    pages = [page async for page in census.read(what, "", fields=fields, places=places)]
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    return [row for page in pages for row in page.rows]


# --- proofs --------------------------------------------------------------------------------------------------


def test_levels_of_some_items_at_some_locations_are_read_again():
    async def story(world: World) -> None:
        world.sim.receive("A", "NORTH", 3)
        variant = world.sim.add_variant("B", "RED", "red")
        world.sim.receive("B", "NORTH", 2, variant="RED")
        theirs(world)
        levels_of = world.system.rereads.levels_of
        assert levels_of is not None
        items = [Item("A", world.ids["A"]), Item("B-RED", f"{world.ids['B']}:{variant}")]
        part = await levels_of(items, ["MAIN"])
        (change,) = world.changes(list(part.rows))
        assert (change.value.sku, change.value.location) == ("A", "MAIN")
        assert (change.value.on_hand, change.value.available) == (Decimal(20), Decimal(18))
        assert change.value.erp_stamp_ms >= part.began_ms
        part = await levels_of(items, ["MAIN", "NORTH"])
        at = {(x.value.sku, x.value.location): x.value.on_hand for x in world.changes(list(part.rows))}
        assert at == {("A", "MAIN"): 20, ("A", "NORTH"): 3, ("B-RED", "NORTH"): 2}

    run(story, variant_separator="-")


@pytest.mark.parametrize("state", ["open", "in part", "shipped", "posted"])
def test_an_order_is_found_by_its_reference_whatever_was_posted_of_it(state):
    async def story(world: World) -> None:
        number, _ = await placed_order(world)
        total = world.sim.order(number).total
        if state == "in part":
            world.sim.ship(number, lines={1: 1, 10_000: 1})
            world.sim.invoice(number)
        elif state != "open":
            world.sim.ship(number)
        if state == "posted":
            world.sim.invoice(number)
            assert world.sim.order(number).gone
        booked_of = world.system.rereads.booked_of
        assert booked_of is not None
        (row,) = (await booked_of({"shop-1001": "#1001", "shop-1002": "#1002"})).rows
        assert (row.reference, row.external_id, row.carries) == ("shop-1001", number, True)
        assert row.called == world.sim.order(number).number
        assert row.total == total
        assert row.units == {"A": Decimal(4), "B": Decimal(2)}
        pages = await walk(world)
        assert {(x.reference, x.external_id) for page in pages for x in page} == {("shop-1001", number)}

    run(story)


def test_an_order_that_was_typed_in_by_its_number_counts_where_nothing_else_stands_for_it():
    async def story(world: World) -> None:
        booked_of = world.system.rereads.booked_of
        assert booked_of is not None
        typed = theirs(world)
        (row,) = (await booked_of({"shop-1001": "#1001"})).rows
        assert (row.external_id, row.reference, row.carries) == (typed, "shop-1001", False)
        assert row.units == {"A": Decimal(2)}
        number = done(await world.do("put_order", put(world)))
        rows = (await booked_of({"shop-1001": "#1001"})).rows
        assert world.sim.order(typed).total == world.sim.order(number).total
        assert {row.external_id for row in rows} == {typed, number}
        world.sim.change_line(typed, 10_000, quantity=9)
        rows = (await booked_of({"shop-1001": "#1001"})).rows
        assert {row.external_id for row in rows} == {number}, "another total: another order"

    run(story)


def test_an_order_that_was_taken_off_takes_nothing():
    async def story(world: World) -> None:
        number = theirs(world, "SHOP-1001")
        world.sim.change_line(number, 10_000, quantity=0)
        booked_of = world.system.rereads.booked_of
        assert booked_of is not None
        (row,) = (await booked_of({"shop-1001": ""})).rows
        assert row.units == {"A": Decimal(0)}

    run(story)


def test_every_order_of_a_channel_is_walked_once_and_no_other():
    async def story(world: World) -> None:
        for n in range(7):
            theirs(world, f"SHOP-{n}")
        posted = []
        for n in range(7, 12):
            number = theirs(world, f"SHOP-{n}", 1)
            world.sim.ship(number)
            world.sim.invoice(number)
            posted.append(number)
        theirs(world, "SHOPPER-1")
        theirs(world, "")
        with mock.patch.object(rereads, "PAGE", 3):
            pages = await walk(world)
        found = [row for page in pages for row in page]
        assert sorted(row.reference for row in found) == sorted(f"shop-{n}" for n in range(12))
        assert {row.external_id for row in found} >= set(posted)
        assert all(len(page) <= 3 for page in pages)
        assert await walk(world, world.clock.now_ms() + 2 * DAY_MS) == [[], []]
        assert not world.sim.ledger.breaches

    run(story)


def test_what_refuses_to_be_read_can_be_mended_while_a_proof_waits():
    async def story(world: World) -> None:
        booked_of = world.system.rereads.booked_of
        assert booked_of is not None
        with (
            mock.patch.object(orders, "EXTENSION", "nobody/here/v1.0"),
            mock.patch.object(rereads, "EXTENSION", "nobody/here/v1.0"),
        ):
            levels_of = world.system.rereads.levels_of
            assert levels_of is not None
            with pytest.raises(Retryable, match="refuses to be read"):
                await levels_of([Item("A", world.ids["A"])], ["MAIN"])

    run(story)


def test_orders_of_others_are_read_by_their_ids_and_told_as_ours():
    async def story(world: World) -> None:
        first, second = theirs(world, "#1"), theirs(world, "#2", 3)
        world.sim.ship(second)
        world.sim.invoice(second)
        booked_as = world.system.rereads.booked_as
        assert booked_as is not None
        rows = (await booked_as({first: "shop-1", second: "shop-2", "": "shop-3"})).rows
        told = {row.reference: (row.external_id, row.units, row.carries) for row in rows}
        assert told == {
            "shop-1": (first, {"A": Decimal(2)}, True),
            "shop-2": (second, {"A": Decimal(3)}, True),
        }

    run(story)


def test_invoices_that_do_not_tell_their_orders_id_are_one_order_by_its_number():
    """An invoice that was listed when its order was gone has an empty one, as *UpdateOrderId* leaves it."""

    async def story(world: World) -> None:
        number, _ = await placed_order(world)
        total = world.sim.order(number).total
        world.sim.ship(number, lines={10_000: 1})
        world.sim.invoice(number)
        world.sim.ship(number)
        world.sim.invoice(number)
        invoices = list(world.sim.company.tables["salesInvoices"].values())
        assert len(invoices) == 2
        for row in invoices:
            row.values["orderId"] = NO_GUID
        reads = world.system.rereads
        assert reads.booked_of is not None
        assert reads.booked_as is not None
        (row,) = (await reads.booked_of({"shop-1001": ""})).rows
        assert row.external_id == invoices[0].id
        assert (row.total, row.units) == (total, {"A": Decimal(4), "B": Decimal(2)})
        (again,) = (await reads.booked_as({row.external_id: "shop-1001"})).rows
        assert again == row
        lines = order(line("1", "A", 4, "10.00"), line("2", "B", 2, "2.50"))
        wanted = world.put(lines, ("1", "A", "MAIN", 4), ("2", "B", "NORTH", 2))
        found = await world.find("put_order", wanted)
        assert found is not None
        assert found.facts["external_id"] == invoices[0].id, (
            "an empty id would be that of every invoice without an order"
        )

    run(story)


# --- adoption ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["#1001", "shopify-1001"])
def test_an_order_that_others_wrote_is_adopted_and_not_written(name):
    async def story(world: World) -> None:
        number = theirs(world, name)
        outcome = await world.do("put_order", put(world, ("externalDocumentNumber", name)))
        assert outcome.result is Result.DONE
        assert (outcome.facts["external_id"], outcome.facts["adopted"]) == (number, name.upper())
        assert outcome.facts["commits_stock"] is False
        assert len(list(world.sim.orders())) == 1
        event = outcome.facts["event"]
        (change,) = world.system.source.decode(LoggedEvent(1, world.clock.now_ms(), event))
        assert (change.kind, change.key) == (Kind.ERP_ORDER, "shop-1001")
        assert [(x.sku, x.location, x.quantity) for x in change.value.lines] == [("A", "MAIN", Decimal(2))]
        # A revision goes to that order, and its own reference is asked for no more.
        more = world.put(order(line("1", "A", 3, "10.00")), ("1", "A", "MAIN", 3), external_id=number)
        assert done(await world.do("put_order", more)) == number
        (held,) = world.sim.orders()
        assert [int(x.quantity) for x in held.lines] == [3]
        assert held.reference == name.upper()

    run(story)


def test_an_order_of_others_that_was_posted_whole_is_adopted_by_its_invoice():
    async def story(world: World) -> None:
        number = theirs(world)
        world.sim.ship(number)
        world.sim.invoice(number)
        outcome = await world.do("put_order", put(world, *BY))
        assert done(outcome) == number
        assert outcome.facts["adopted"] == "#1001"
        (change,) = world.changes([outcome.facts["event"]])
        assert [(x.sku, x.location, x.quantity) for x in change.value.lines] == [("A", "MAIN", Decimal(2))]
        assert len(list(world.sim.orders())) == 1

    run(story)


def test_our_own_order_is_found_before_anybody_elses_and_one_that_nobody_wrote_is_made():
    async def story(world: World) -> None:
        theirs(world, "#1002")
        assert await world.find("put_order", put(world, *BY)) is None
        number = done(await world.do("put_order", put(world, *BY)))
        theirs(world)
        found = await world.find("put_order", put(world, *BY))
        assert found is not None
        assert found.facts["external_id"] == number
        assert "adopted" not in found.facts

    run(story)


def test_an_order_that_others_wrote_twice_waits_for_a_person_until_one_is_deleted():
    async def story(world: World) -> None:
        first, second = theirs(world), theirs(world)
        outcome = await world.do("put_order", put(world, *BY))
        assert outcome.result is Result.REJECTED
        numbers = sorted(world.sim.order(id_).number for id_ in (first, second))
        assert "more than once" in outcome.message
        assert all(number in outcome.message for number in numbers), "what a person finds them by"
        assert len(list(world.sim.orders())) == 2
        world.sim.delete_order(second)
        assert done(await world.do("put_order", put(world, *BY))) == first

    run(story)


def test_an_order_of_others_is_in_the_figures_a_transaction_after_its_last_edit():
    """Levels that were read since contain it; and its stamp may be older than the end of its transaction."""

    async def story(world: World) -> None:
        theirs(world)
        edited_ms = world.clock.now_ms()
        early = await world.do("put_order", put(world, *BY))
        (change,) = world.changes([early.facts["event"]])
        assert edited_ms < change.value.erp_stamp_ms < edited_ms + 60_000
        await world.clock.sleep(7_200)
        late = await world.do("put_order", put(world, *BY))
        (change,) = world.changes([late.facts["event"]])
        assert change.value.erp_stamp_ms == edited_ms + 600_000

    run(story)


def test_what_was_shipped_of_orders_of_others_is_told_with_them():
    async def story(world: World) -> None:
        ids = [theirs(world, f"#{n}") for n in range(3)]
        world.sim.ship(ids[1], tracking="T1", lines={10_000: 1})
        world.sim.ship(ids[2], tracking="T2")
        world.sim.invoice(ids[2])
        book = world.system.order_book
        assert book is not None
        changes = world.changes(await book.order_events({id_: f"shop-{n}" for n, id_ in enumerate(ids)}))
        assert [x.kind for x in changes] == [Kind.ERP_ORDER] * 3 + [Kind.SHIPMENT] * 2
        parcels = {x.value.order_key: (x.value.tracking, x.value.lines[0].quantity) for x in changes[3:]}
        assert parcels == {"shop-1": (("T1",), Decimal(1)), "shop-2": (("T2",), Decimal(2))}

    run(story)


def test_many_orders_are_found_by_what_others_wrote_open_and_posted():
    async def story(world: World) -> None:
        world.sim.receive("A", "MAIN", 500)
        numbers = {n: theirs(world, f"#{n}") for n in range(1, 61)}
        for n in range(1, 31):
            world.sim.ship(numbers[n])
            world.sim.invoice(numbers[n])
        world.sim.ship(numbers[31])
        world.sim.change_line(numbers[32], 10_000, quantity=0)
        book = world.system.order_book
        assert book is not None
        wanted = [*(f"#{n}" for n in range(1, 70)), "x" * 36, "it's"]
        found = {one.id: one for one in await book.find_orders({"externalDocumentNumber": wanted})}
        assert set(found) == set(numbers.values())
        assert all(one.followed and not one.gone for id_, one in found.items() if id_ != numbers[32])
        assert found[numbers[32]].gone
        assert {id_ for id_, one in found.items() if one.open} == {numbers[n] for n in range(33, 61)}
        assert {one.values["externalDocumentNumber"] for one in found.values()} == {
            f"#{n}" for n in range(1, 61)
        }
        theirs(world, "SHOP-9")
        (own,) = await book.find_orders({REFERENCE: ["shop-9"]})
        assert own.values == {REFERENCE: "SHOP-9"}
        assert await book.find_orders({"number": []}) == []
        by_number = await book.find_orders({"number": [world.sim.order(numbers[40]).number]})
        assert [one.id for one in by_number] == [numbers[40]]
        assert not world.sim.ledger.breaches

    run(story)


def test_an_order_without_an_external_document_number_is_found_but_not_followed():
    async def story(world: World) -> None:
        number = theirs(world, "")
        theirs_ = world.sim.order(number).number
        book = world.system.order_book
        assert book is not None
        (one,) = await book.find_orders({"number": [theirs_]})
        assert (one.id, one.followed, one.name) == (number, False, theirs_)
        outcome = await world.do("put_order", put(world, ("number", theirs_)))
        assert outcome.result is Result.REJECTED
        assert "external document number" in outcome.message
        assert len(list(world.sim.orders())) == 1

    run(story)


def test_a_field_by_which_orders_are_not_found_is_refused():
    async def story(world: World) -> None:
        book = world.system.order_book
        assert book is not None
        book.check_fields(["externalDocumentNumber", "number"])
        for field in ("externalid", REFERENCE, "id eq id or number", ""):
            with pytest.raises(Misconfigured, match="no field by which orders are found"):
                book.check_fields([field])

    run(story)


@pytest.mark.parametrize("page", [1_000, 2])
def test_every_item_is_listed_with_what_is_available_where_it_is_asked_for(page):
    async def story(world: World) -> None:
        world.sim.add_item("C", "Cup", "3.00")
        for code in ("BLUE", "RED"):
            world.sim.add_variant("C", code, code.lower())
        world.sim.receive("C", "MAIN", 4, variant="RED")
        world.sim.receive("A", "NORTH", 5)
        world.sim.edit_item("A", gtin="5012345678900", displayName2="A-OLD")
        world.sim.add_item("D", "Gone", "1.00")
        world.sim.edit_item("D", blocked=True)
        theirs(world)
        with mock.patch.object(listing, "PAGE", page):
            rows = await listed(world, "items", "displayName2", places=("MAIN",))
            everywhere = await listed(world, "items")
        items = {row.sku: row for row in rows if isinstance(row, ListedItem)}
        assert {sku: int(row.quantity) for sku, row in items.items()} == {
            "A": 18,
            "B": 0,
            "C-BLUE": 0,
            "C-RED": 4,
        }
        assert (items["A"].barcode, items["A"].fields) == ("5012345678900", {"displayName2": "A-OLD"})
        assert items["A"].id == world.ids["A"]
        assert {row.sku: int(row.quantity) for row in everywhere} == {
            "A": 23,
            "B": 7,
            "C-BLUE": 0,
            "C-RED": 4,
        }
        census = world.system.census
        assert census is not None
        with pytest.raises(Misconfigured, match="no field of an item"):
            await anext(census.read("items", "", fields=["1 eq 1"]))

    run(story, variant_separator="-")


def test_places_and_customers_are_listed():
    async def story(world: World) -> None:
        number = world.sim.add_customer("SHOPIFY-7", "Known", email="k@example.com")
        assert {row.id: row.name for row in await listed(world, "places")} == {
            "MAIN": "Main",
            "NORTH": "North",
        }
        (one,) = [row for row in await listed(world, "customers", "number") if row.id == number]
        assert (one.name, one.email, one.fields) == ("Known", "k@example.com", {"number": "SHOPIFY-7"})

    run(story)


def test_streams_go_on_from_where_the_adoption_began():
    """What was posted before was told by others; what changes from then on is told, however late the first read is."""

    async def story(world: World) -> None:
        old = theirs(world, "#1")
        world.sim.ship(old, tracking="OLD")
        await world.clock.sleep(2 * 3_600)
        census = world.system.census
        assert census is not None
        cursors = {cursor.stream: cursor for cursor in await census.begin()}
        assert set(cursors) == {"orders", "shipments", "payments", "returns"}
        new = theirs(world, "#2")
        world.sim.ship(new, tracking="NEW")
        number = world.sim.invoice(new)
        world.sim.settle(number)
        world.sim.change_line(theirs(world, "#3"), 10_000, quantity=1)
        await world.clock.sleep(5 * 86_400)
        shipments = await world.read("shipments", cursors["shipments"])
        assert [x.value.tracking for x in shipments] == [("NEW",)]
        assert [x.key for x in await world.read("orders", cursors["orders"])] == ["#3"]
        assert [x.key for x in await world.read("payments", cursors["payments"])] == ["#2"]
        assert await world.read("returns", cursors["returns"]) == []

    run(story)
