"""What the connectors give to an adoption: lists of everything, orders by any reference, nothing created twice."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest
from tests.connectors.netsuite_world import World, run

from syncline.connectors.shopify import CONNECTOR as SHOPIFY
from syncline.connectors.shopify import ShopifySettings
from syncline.connectors.shopify.simulator import Buyer, CartLine, ShopifySimulator
from syncline.model.census import ListedItem, ListedOrder
from syncline.model.change import Kind, LoggedEvent
from syncline.model.copying import replace
from syncline.model.delivery import Result
from syncline.model.errors import Misconfigured
from syncline.model.payloads import OrderItem, PutOrder
from syncline.model.records import Order, OrderLine
from syncline.ports import REFERENCE, Opening
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.transport import AsgiTransport


def order(world: World, quantity: int = 2) -> Order:
    now = world.clock.now_ms()
    line = OrderLine("1", "21730", "Lantern", Decimal(quantity), Decimal(10))
    return Order(
        "1001",
        "#1001",
        now,
        now,
        "GBP",
        (line,),
        Decimal(0),
        Decimal(0),
        Decimal(10 * quantity),
        complete=True,
    )


def put(world: World, *foreign: tuple[str, str]) -> PutOrder:
    wanted = order(world)
    items = (OrderItem("1", str(world.item), "21730", str(world.place), 2),)
    return PutOrder("shop-1001", wanted, items, foreign=foreign)


def theirs(world: World, external_id: str | None = "SHOPIFY-1001", name: str = "#1001") -> int:
    """The order as another connector wrote it."""
    line = ("21730", world.place, 2, Decimal(10))
    return world.sim.enter_order([line], external_id=external_id, otherRefNum=name)


BY = (("externalid", "SHOPIFY-1001"), ("otherrefnum", "#1001"))


# --- NetSuite ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("external_id", ["SHOPIFY-1001", "shopify-1001", None])
def test_an_order_that_others_wrote_is_adopted_and_not_written(external_id):
    async def story(world: World) -> None:
        number = theirs(world, external_id)
        before = len(world.sim.account.txns)
        outcome = await world.do("put_order", put(world, *BY))
        assert outcome.result is Result.DONE
        assert outcome.facts["external_id"] == str(number)
        assert outcome.facts["adopted"] == (external_id or f"#{number}")
        assert outcome.facts["commits_stock"] is False
        assert len(world.sim.account.txns) == before
        event = outcome.facts["event"]
        (change,) = world.system.source.decode(LoggedEvent(1, world.clock.now_ms(), event))
        assert (change.kind, change.key) == (Kind.ERP_ORDER, "shop-1001")
        # There is nothing on hand, so nothing is committed to it yet.
        assert [(x.sku, x.location, x.quantity, x.ordered) for x in change.value.lines] == [
            ("21730", str(world.place), Decimal(0), Decimal(2))
        ]
        # A revision goes to that order, and its own reference is asked for no more.
        again = await world.do(
            "put_order", PutOrder("shop-1001", order(world, 3), put(world).items, str(number))
        )
        assert again.result is Result.DONE

    run(story, orders_without_external_id=True)


def test_what_was_shipped_of_orders_of_others_is_told_with_them():
    async def story(world: World) -> None:
        world.sim.receive("21730", world.place, 10)
        first, second = theirs(world), theirs(world, "SHOPIFY-1002", "#1002")
        world.sim.ship(second, tracking="T2")
        book = world.system.order_book
        assert book is not None
        events = await book.order_events({str(first): "shop-1001", str(second): "shop-1002"})
        changes = world.changes(events)
        assert [(x.kind, x.key) for x in changes[:2]] == [
            (Kind.ERP_ORDER, "shop-1001"),
            (Kind.ERP_ORDER, "shop-1002"),
        ]
        (parcel,) = changes[2:]
        assert (parcel.kind, parcel.value.order_key) == (Kind.SHIPMENT, "shop-1002")
        assert parcel.value.tracking == ("T2",)
        assert [(x.sku, x.quantity) for x in parcel.value.lines] == [("21730", Decimal(2))]

    run(story)


def test_an_order_of_others_is_in_the_figures_since_its_last_edit():
    """Levels that were read since contain it, and nothing would have them read again."""

    async def story(world: World) -> None:
        number = theirs(world)
        edited_ms = world.clock.now_ms()
        await world.clock.sleep(600)
        outcome = await world.do("put_order", put(world, *BY))
        (change,) = world.system.source.decode(LoggedEvent(1, world.clock.now_ms(), outcome.facts["event"]))
        assert change.value.external_id == str(number)
        assert edited_ms <= change.value.erp_stamp_ms <= edited_ms + 1_000

    run(story)


@pytest.mark.parametrize("zone", ["", "Europe/London"])
def test_an_order_of_others_is_dated_by_its_reading_where_the_zone_is_not_proven(zone):
    async def story(world: World) -> None:
        theirs(world)
        await world.clock.sleep(600)
        began_ms = world.clock.now_ms()
        outcome = await world.do("put_order", put(world, *BY))
        (change,) = world.system.source.decode(LoggedEvent(1, world.clock.now_ms(), outcome.facts["event"]))
        assert change.value.erp_stamp_ms >= began_ms

    run(story, timezone=zone)


def test_an_order_that_nobody_wrote_is_created():
    async def story(world: World) -> None:
        theirs(world, "SHOPIFY-1002", "#1002")
        outcome = await world.do("put_order", put(world, *BY))
        assert "adopted" not in outcome.facts
        assert world.sim.find_order("shop-1001") == int(outcome.facts["external_id"])
        assert await world.find("put_order", put(world, *BY)) is not None

    run(story)


def test_an_answer_that_was_lost_finds_our_own_order_before_anybody_elses():
    async def story(world: World) -> None:
        assert await world.find("put_order", put(world, *BY)) is None
        number = theirs(world)
        found = await world.find("put_order", put(world, *BY))
        assert found is not None
        assert found.facts["adopted"] == "SHOPIFY-1001"
        assert found.facts["external_id"] == str(number)
        done = await world.do("put_order", put(world))
        found = await world.find("put_order", put(world, *BY))
        assert found is not None
        assert "adopted" not in found.facts
        assert found.facts["external_id"] == done.facts["external_id"]

    run(story)


def test_an_order_that_was_written_twice_waits_for_a_person_until_one_is_closed():
    async def story(world: World) -> None:
        first, second = theirs(world), theirs(world, None)
        outcome = await world.do("put_order", put(world, *BY))
        assert outcome.result is Result.REJECTED
        assert f"{first}, {second}" in outcome.message
        world.sim.close_order(second)
        outcome = await world.do("put_order", put(world, *BY))
        assert outcome.facts["external_id"] == str(first)

    run(story, orders_without_external_id=True)


def test_an_order_without_an_external_id_is_adopted_only_if_its_changes_are_told():
    async def story(world: World) -> None:
        theirs(world, None)
        outcome = await world.do("put_order", put(world, *BY))
        assert outcome.result is Result.REJECTED
        assert "orders_without_external_id" in outcome.message
        assert world.sim.find_order("shop-1001") is None

    run(story)


@pytest.mark.parametrize("told", [True, False])
def test_orders_without_an_external_id_are_told_if_the_settings_say_so(told):
    async def story(world: World) -> None:
        world.sim.receive("21730", world.place, 10)
        number = theirs(world, None)
        world.sim.ship(number, tracking="T1")
        events, _ = await world.pull("transactions")
        changes = world.changes(events)
        orders = [change.key for change in changes if change.kind is Kind.ERP_ORDER]
        shipments = [change.value.order_key for change in changes if change.kind is Kind.SHIPMENT]
        assert (orders, shipments) == (([f"#{number}"], [f"#{number}"]) if told else ([], []))

    run(story, orders_without_external_id=told)


def test_many_orders_are_found_in_few_calls_and_each_by_its_own_field():
    async def story(world: World) -> None:
        numbers = {n: theirs(world, f"SHOPIFY-{n}", f"#{n}") for n in range(1, 1_201)}
        book = world.system.order_book
        assert book is not None
        world.wire.sent.clear()
        asked = [f"SHOPIFY-{n}" for n in range(1, book.orders_max + 1)]
        found = await book.find_orders({"externalid": asked})
        assert {one.id for one in found} == {str(numbers[n]) for n in range(1, book.orders_max + 1)}
        assert world.wire.count("POST", "suiteql") == 1
        found = await book.find_orders({"externalid": ["SHOPIFY-7"], "otherrefnum": ["#7", "#8", "#none"]})
        assert {one.id: one.values for one in found} == {
            str(numbers[7]): {"externalid": "SHOPIFY-7", "otherrefnum": "#7"},
            str(numbers[8]): {"externalid": "SHOPIFY-8", "otherrefnum": "#8"},
        }
        assert await book.find_orders({"externalid": []}) == []
        (own,) = await book.find_orders({REFERENCE: ["shopify-9"]})
        assert own.values == {REFERENCE: "SHOPIFY-9"}
        assert world.sim.ledger.breaches == {}

    run(story)


def test_a_field_by_which_orders_are_not_found_is_refused():
    async def story(world: World) -> None:
        book = world.system.order_book
        assert book is not None
        book.check_fields(["externalid", "custbody_shop_order"])
        for field in ("status", "id = id OR 1", "custbody-x", ""):
            with pytest.raises(Misconfigured, match="no field"):
                book.check_fields([field])

    run(story)


def test_every_item_is_listed_with_what_is_available_where_it_is_asked_for():
    async def story(world: World) -> None:
        world.sim.add_item("00012", "Mug", "1.00", fields={"upcCode": "5012"})
        world.sim.opening_balance("00012", world.place, 7)
        world.sim.opening_balance("00012", world.other, 5)
        census = world.system.census
        assert census is not None

        async def listed(*places: str) -> dict[str, ListedItem]:
            pages = [page async for page in census.read("items", "", places=places)]
            assert [page.last for page in pages] == [True]
            return {row.sku: row for page in pages for row in page.rows if isinstance(row, ListedItem)}

        found = await listed(str(world.place))
        assert (found["00012"].barcode, found["00012"].quantity) == ("5012", Decimal(7))
        assert found["21730"].quantity == 0
        assert (await listed())["00012"].quantity == 12
        (page,) = [page async for page in census.read("places", "")]
        assert [row.name for row in page.rows] == ["Reading", "Leeds"]
        with pytest.raises(Misconfigured, match="no field of an item"):
            await anext(census.read("items", "", fields=["1 = 1"]))

    run(story)


def test_every_customer_is_listed_and_one_who_is_known_buys():
    async def story(world: World) -> None:
        number = world.sim.add_customer("SHOPIFY-7", companyName="Known", email="k@example.com")
        census = world.system.census
        assert census is not None
        (page,) = [page async for page in census.read("customers", "", fields=["entityid"])]
        (one,) = [row for row in page.rows if row.id == str(number)]
        assert (one.name, one.email, one.reference) == ("Known", "k@example.com", "SHOPIFY-7")
        assert one.fields == {"entityid": f"CUST{number}"}
        with pytest.raises(Misconfigured, match="no field of a customer"):
            await anext(census.read("customers", "", fields=["creditlimit"]))
        made = len(world.sim.account.customers)
        outcome = await world.do("put_order", replace(put(world), customer_external_id=str(number)))
        assert world.sim.account.txns[int(outcome.facts["external_id"])].entity == number
        assert outcome.facts["account"] == str(number)
        assert len(world.sim.account.customers) == made

    run(story)


# --- Shopify -----------------------------------------------------------------------------------------------


def shop_story(story):
    loop = VirtualLoop(1_790_000_000_000)
    clock = VirtualClock(loop)
    apps = AsgiTransport({})
    shop = ShopifySimulator(clock=clock, rng=Random(1), transport=apps)
    apps.register(f"https://{shop.shop}", shop)
    settings = ShopifySettings(shop=shop.shop, access_token=shop.access_token, plan="plus")
    system = SHOPIFY.open(Opening("shop", settings, clock, Random(2), apps))
    try:
        loop.run_until_complete(story(shop, system, clock))
    finally:
        loop.close()
    assert shop.ledger.breaches == {}


def test_variants_without_a_sku_and_with_the_same_one_are_listed_too():
    async def story(shop, system, clock):
        at = shop.add_location("Main")
        for n in range(600):
            shop.add_product(f"S{n}", f"Thing {n}", Decimal(1), {at: n}, barcode=f"50{n}")
        shop.add_product("", "Nameless", Decimal(1), {at: 3}, careless=True)
        shop.add_product("S1", "Again", Decimal(1), {at: 4}, careless=True)
        pages = [page async for page in system.census.read("items", "")]
        rows = [row for page in pages for row in page.rows]
        assert len(rows) == 602
        assert (rows[7].sku, rows[7].barcode, rows[7].quantity) == ("S7", "507", Decimal(7))
        assert [row.sku for row in rows[-2:]] == ["", "S1"]
        # A new process goes on after the last page that was kept.
        rest = [row async for page in system.census.read("items", pages[0].position) for row in page.rows]
        assert {row.id for row in pages[0].rows} | {row.id for row in rest} == {row.id for row in rows}
        assert len(rest) <= 602 - 250 + 1

    shop_story(story)


def test_every_customer_of_the_shop_is_listed():
    async def story(shop, system, clock):
        at = shop.add_location("Main")
        shop.add_product("A", "Thing", Decimal(10), {at: 5_000})
        for n in range(300):
            shop.checkout([CartLine("A", 1, None)], customer=Buyer("Ada", f"{n}", f"{n}@example.com"))
        pages = [page async for page in system.census.read("customers", "")]
        rows = [row for page in pages for row in page.rows]
        assert [len(page.rows) for page in pages] == [250, 50]
        assert (rows[7].name, rows[7].email) == ("Ada 7", "7@example.com")
        rest = [row async for page in system.census.read("customers", pages[0].position) for row in page.rows]
        assert rest == rows[250:]

    shop_story(story)


def test_orders_are_listed_by_their_last_change_and_the_next_reading_goes_on_from_there():
    async def story(shop, system, clock):
        at = shop.add_location("Main")
        shop.add_product("A", "Thing", Decimal(10), {at: 5_000})
        ids = []
        for _ in range(300):
            await clock.sleep(60)
            ids.append(shop.checkout([CartLine("A", 2, None)]).order_id)
        shop.cancel_order(ids[3], True)
        await clock.sleep(600)
        pages = [page async for page in system.census.read("orders", "")]
        listed = {row.key: row for page in pages for row in page.rows if isinstance(row, ListedOrder)}
        assert len(listed) == 300
        one = listed[str(ids[0])]
        assert (one.number, one.total, one.currency, one.open, one.cancelled) == (
            "#1001",
            Decimal(20),
            "GBP",
            True,
            False,
        )
        assert (listed[str(ids[3])].open, listed[str(ids[3])].cancelled) == (False, True)
        await clock.sleep(600)
        shop.cancel_order(ids[5], True)
        await clock.sleep(600)
        calls = shop.ledger.calls_by_operation["orders"]
        again = [row async for page in system.census.read("orders", pages[-1].position) for row in page.rows]
        assert str(ids[5]) in {row.key for row in again}
        assert len(again) < 10
        assert shop.ledger.calls_by_operation["orders"] == calls + 1

    shop_story(story)


def test_the_stream_of_orders_goes_on_from_before_the_adoption_began():
    """What the search index did not show yet when everything was listed is told by the stream."""

    async def story(shop, system, clock):
        at = shop.add_location("Main")
        shop.add_product("A", "Thing", Decimal(10), {at: 5_000})
        early = shop.checkout([CartLine("A", 1, None)]).order_id
        await clock.sleep(3_600)
        late = shop.checkout([CartLine("A", 1, None)]).order_id
        await clock.sleep(30)
        (cursor,) = await system.census.begin()
        await clock.sleep(600)
        after = shop.checkout([CartLine("A", 1, None)]).order_id
        await clock.sleep(600)
        told = [
            change.key
            async for page in system.source.poll("orders", cursor)
            for event in page.events
            for change in system.source.decode(LoggedEvent(1, clock.now_ms(), event))
        ]
        assert set(told) == {str(late), str(after)}
        assert str(early) not in told

    shop_story(story)


def test_a_shop_says_that_it_has_no_further_fields():
    async def story(shop, system, clock):
        with pytest.raises(Misconfigured, match="lists no field"):
            await anext(system.census.read("items", "", fields=["custitem_x"]))

    shop_story(story)
