"""Kits on NetSuite: what the simulator makes of them, and what the connector tells of them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.connectors.netsuite_world import World, line, order, run
from tests.connectors.test_netsuite_simulator import RECORD, error_of
from tests.connectors.test_netsuite_simulator import World as Account

from syncline.connectors.netsuite import kits
from syncline.model.change import Event, Kind
from syncline.model.delivery import Result
from syncline.model.errors import Retryable
from syncline.model.payloads import OrderItem, PutOrder
from syncline.ports import Request, Response

LINES = (
    "SELECT tl.id AS id, i.itemid AS sku, i.itemtype AS type, tl.kitcomponent AS member, tl.kitmemberof AS kit, "
    "tl.quantity AS quantity, tl.quantitycommitted AS committed, tl.quantitybackordered AS backordered, "
    "tl.quantityshiprecv AS done, tl.isinventoryaffecting AS moves, tl.location AS location, tl.isclosed AS closed "
    "FROM transactionline tl JOIN item i ON i.id = tl.item WHERE tl.transaction = ? AND tl.mainline = 'F' ORDER BY tl.id"
)


class Kits(Account):
    """An account that sells a set of two of A, one of B and a card that is not stocked."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sim.add_item("CARD", "A card", "1.00", kind="NonInvtPart", fields={"isFulfillable": True})
        self.sim.add_kit("SET", "A set", "20.00", {"A": 2, "B": 1, "CARD": 1})
        self.ids = {i.sku: str(i.id) for i in self.sim.account.items.values()}
        self.stock(a=10, b=3)

    def stock(self, *, a: int, b: int) -> None:
        self.sim.opening_balance("A", self.shop, a)
        self.sim.opening_balance("B", self.shop, b)

    async def lines(self, document: int) -> list[tuple[Any, ...]]:
        """SKU, whether it is a member, quantity, committed, backordered, done and whether it moves stock."""
        names = ("sku", "member", "quantity", "committed", "backordered", "done", "moves")
        return [
            tuple(row.get(name) for name in names) for row in (await self.sql(LINES, [document]))["items"]
        ]

    def level(self, sku: str) -> tuple[int, int]:
        return self.sim.on_hand(sku, self.shop), self.sim.available(sku, self.shop)


def test_an_order_of_a_kit_promises_its_members_at_the_lines_location():
    world = Kits()

    async def story():
        order = await world.put("k-1", world.line("SET", 2), world.line("A", 1))
        rows = (await world.sql(LINES, [order]))["items"]
        assert {row["location"] for row in rows} == {str(world.shop)}
        assert [row.get("kit") for row in rows] == [None, "1", "1", "1", None]
        assert await world.lines(order) == [
            ("SET", "F", "-2", "2", "0", "0", "F"),
            ("A", "T", "-4", "4", "0", "0", "F"),
            ("B", "T", "-2", "2", "0", "0", "F"),
            ("CARD", "T", "-2", None, None, "0", "F"),
            ("A", "F", "-1", "1", "0", "0", "F"),
        ]
        assert (world.level("A"), world.level("B")) == ((10, 5), (3, 1))
        # The record shows the kit's line only, and nothing is kept of the kit.
        told = await world.get(f"/salesOrder/{order}?expandSubResources=true")
        assert [(x["line"], x["item"]["refName"], x["quantityCommitted"]) for x in told["item"]["items"]] == [
            (1, "SET", 2),
            (5, "A", 1),
        ]
        assert told["item"]["items"][0]["item"]["links"][0]["href"].endswith(f"/kitItem/{world.ids['SET']}")
        levels = "SELECT item FROM aggregateitemlocation WHERE item = ?"
        assert (await world.sql(levels, [int(world.ids["SET"])]))["items"] == []
        assert told["total"] == 9  # as the lines say; the members have no price

    world.run(story)
    world.sim.check_identities()


def test_a_kit_leaves_whole_and_its_parcel_names_the_members():
    world = Kits()

    async def story():
        world.sim.adjust("B", world.shop, -2)
        order = await world.put("k-1", world.line("SET", 2))
        assert [row[3:5] for row in await world.lines(order)] == [
            ("1", "1"),
            ("4", "0"),
            ("1", "1"),
            (None, None),
        ]
        body = {"item": {"items": [{"orderLine": 1, "quantity": 2}]}, "shipStatus": {"id": "C"}}
        path = f"{RECORD}/salesOrder/{order}/!transform/itemFulfillment"
        assert error_of(await world.call("POST", path, body)) == (400, "USER_ERROR")
        body["item"]["items"][0]["quantity"] = 1
        made = await world.call("POST", path, body)
        parcel = int(made.headers["location"].rpartition("/")[2])
        assert await world.lines(parcel) == [
            ("SET", "F", "-1", None, None, "1", "F"),
            ("A", "T", "-2", None, None, "2", "T"),
            ("B", "T", "-1", None, None, "1", "T"),
            ("CARD", "T", "-1", None, None, "1", "F"),
        ]
        told = (await world.get(f"/itemFulfillment/{parcel}?expandSubResources=true"))["item"]["items"]
        assert [(x["orderLine"], x["itemType"], x.get("kitMemberOf")) for x in told] == [
            (1, "Kit", None),
            (2, "InvtPart", 1),
            (3, "InvtPart", 1),
            (4, "NonInvtPart", 1),
        ]
        assert (world.level("A"), world.level("B")) == ((8, 6), (0, 0))
        assert world.sim.order(order).status == "E" and [row[5] for row in await world.lines(order)] == [
            "1",
            "2",
            "1",
            "1",
        ]
        # What comes in serves the other; the parcel's deletion brings everything back.
        world.sim.receive("B", world.shop, 1)
        world.sim.check_identities()
        assert (await world.call("DELETE", f"{RECORD}/itemFulfillment/{parcel}")).status == 204
        assert (world.level("A"), world.level("B")) == ((10, 6), (2, 0))
        assert [row[3:6] for row in await world.lines(order)] == [
            ("2", "0", "0"),
            ("4", "0", "0"),
            ("2", "0", "0"),
            (None, None, "0"),
        ]

    world.run(story)
    world.sim.check_identities()


@pytest.mark.parametrize("how", ["cancel", "close", "remove", "edit"])
def test_what_a_kit_does_not_want_any_more_is_free(how):
    world = Kits()

    async def story():
        order = await world.put("k-1", world.line("SET", 3), world.line("C", 1))
        assert (world.level("A")[1], world.level("B")[1]) == (4, 0)
        if how == "cancel":
            world.sim.cancel(order)
        elif how == "close":
            world.sim.close_order(order)
        elif how == "remove":
            await world.put("k-1", world.line("C", 1, line=5))
            assert [row[0] for row in await world.lines(order)] == ["C"]
        else:
            await world.put("k-1", {"line": 1, "quantity": 1}, world.line("C", 1, line=5))
            assert [row[2] for row in await world.lines(order)] == ["-1", "-2", "-1", "-1", "-1"]
        assert (world.level("A")[1], world.level("B")[1]) == ((8, 2) if how == "edit" else (10, 3))
        closed = [row["closed"] for row in (await world.sql(LINES, [order]))["items"]]
        assert set(closed) == ({"T"} if how in ("cancel", "close") else {"F"})

    world.run(story)
    world.sim.check_identities()


def test_a_kit_comes_back_with_its_members():
    world = Kits()

    async def story():
        order = await world.put("k-1", world.line("SET", 2))
        world.sim.ship(order, tracking=None)
        world.sim.bill(order)
        world.sim.take_back(order, {1: 1})
        assert (world.level("A"), world.level("B")) == ((8, 8), (2, 2))
        (receipt,) = [t.id for t in world.sim.account.txns.values() if t.record == "itemReceipt"]
        assert [(row[0], row[2], row[6]) for row in await world.lines(receipt)] == [
            ("SET", "1", "F"),
            ("A", "2", "T"),
            ("B", "1", "T"),
            ("CARD", "1", "F"),
        ]

    world.run(story)
    world.sim.check_identities()


def test_a_kit_is_a_record_of_its_own_kind_and_has_no_stock():
    world = Kits()

    async def story():
        kit = await world.get(f"/kitItem/{world.ids['SET']}?expandSubResources=true")
        members = [(x["lineNumber"], x["item"]["refName"], x["quantity"]) for x in kit["member"]["items"]]
        assert members == [(1, "A", 2), (2, "B", 1), (3, "CARD", 1)] and kit["isFulfillable"] is True
        assert (await world.get("/kitItem"))["totalResults"] == 1
        for path in (f"inventoryItem/{world.ids['SET']}", f"kitItem/{world.ids['A']}"):
            assert (await world.call("GET", f"{RECORD}/{path}")).status == 404
        row = {"item": {"id": world.ids["SET"]}, "location": {"id": str(world.shop)}, "adjustQtyBy": 1}
        body = {"account": {"id": "1"}, "inventory": {"items": [row]}}
        refused = await world.call("POST", f"{RECORD}/inventoryAdjustment", body)
        assert (
            refused.status == 400 and "item" in json.loads(refused.body)["o:errorDetails"][0]["o:errorPath"]
        )

    world.run(story)
    with pytest.raises(ValueError, match="nothing is kept"):
        world.sim.opening_balance("SET", world.shop, 1)
    with pytest.raises(ValueError, match="no kits among them"):
        world.sim.add_kit("BOX", "A box", Decimal(1), {"SET": 1})


def test_a_kit_that_cannot_be_fulfilled_is_on_no_parcel():
    world = Kits()
    world.sim.add_kit("PLAN", "A plan", "5.00", {"A": 1}, fields={"isFulfillable": False})
    world.ids = {i.sku: str(i.id) for i in world.sim.account.items.values()}

    async def story():
        order = await world.put("k-1", world.line("PLAN", 1), world.line("A", 1))
        (parcel,) = world.sim.ship(order, tracking=None)
        assert [row[0] for row in await world.lines(parcel)] == ["A"]

    world.run(story)


# -- the connector ----------------------------------------------------------------------------------


def sells_sets(w: World) -> int:
    """A set of two lanterns and a hanger, of which there are enough for five."""
    w.sim.opening_balance("21730", w.place, 10)
    w.sim.opening_balance("84406B", w.place, 5)
    return w.sim.add_kit("SET", "A set", "20.00", {"21730": 2, "84406B": 1})


async def put(w: World, kit: int, quantity: int, reference: str = "shop-1001", lanterns: int = 0) -> int:
    lines = [line("a", "SET", quantity, "20.00")]
    items = [OrderItem("a", str(kit), "SET", str(w.place), quantity)]
    if lanterns:
        lines.append(line("b", "21730", lanterns, "10.00"))
        items.append(OrderItem("b", str(w.item), "21730", str(w.place), lanterns))
    outcome = await w.do("put_order", PutOrder(reference, order(*lines), tuple(items)))
    assert outcome.result is Result.DONE, outcome
    return int(outcome.facts["external_id"])


def refusing(*names: bytes):
    """An account without these columns."""
    body = b'{"status":400,"o:errorDetails":[{"detail":"Invalid or unsupported search."}]}'

    def replace(request: Request) -> Response | None:
        return Response(400, {}, body) if any(name in request.body for name in names) else None

    return replace


def told_of(w: World, events: list[Event], kind: Kind) -> list[Any]:
    return [c.value for c in w.changes(events) if c.kind is kind]


@pytest.mark.parametrize("kits_tell", [True, False])
@pytest.mark.parametrize("missing", [(), (b"kitmemberof",)])
def test_of_a_kit_is_accounted_for_what_all_its_parts_are_promised_for(kits_tell, missing):
    async def story(w: World) -> None:
        kit = sells_sets(w)
        w.wire.replace = refusing(*missing)
        _, cursor = await w.pull("transactions")
        number = await put(w, kit, 4, lanterns=1)
        w.sim.adjust("84406B", w.place, -3)  # two hangers are left
        await w.clock.sleep(30)
        events, cursor = await w.pull("transactions", cursor)
        (held,) = told_of(w, events, Kind.ERP_ORDER)
        known = kits_tell or not missing
        # Without the column nobody knows whose members wait: then a kit's line that says nothing accounts for nothing.
        assert [(x.sku, x.quantity, x.ordered) for x in held.lines] == [
            ("SET", 2 if known else 0, 4),
            ("21730", 1, None),
        ]
        levels = {x.sku: (x.on_hand, x.available) for x in told_of(w, events, Kind.STOCK)}
        assert levels == {"21730": (10, 1), "84406B": (2, 0)}

        # What left of it stays accounted for, and what comes in for a part has the order told again.
        w.sim.ship(number, tracking="T1")
        w.sim.receive("84406B", w.place, 1)
        await w.clock.sleep(30)
        events, cursor = await w.pull("transactions", cursor)
        held = told_of(w, events, Kind.ERP_ORDER)[-1]
        assert [(x.sku, x.quantity) for x in held.lines] == [("SET", 3 if known else 2), ("21730", 1)]
        (parcel,) = told_of(w, events, Kind.SHIPMENT)
        assert [(x.sku, x.quantity) for x in parcel.lines] == [("SET", 2), ("21730", 1)]
        w.sim.receive("84406B", w.place, 9)
        await w.clock.sleep(30)
        (held,) = told_of(w, (await w.pull("transactions", cursor))[0], Kind.ERP_ORDER)
        assert [(x.sku, x.quantity, x.ordered) for x in held.lines] == [("SET", 4, None), ("21730", 1, None)]

    run(story, sim={"kits_tell": kits_tell})


def test_a_proof_counts_a_kit_and_not_its_parts():
    async def story(w: World) -> None:
        kit = sells_sets(w)
        number = await put(w, kit, 2, lanterns=1)
        booked = w.system.rereads
        for part in (
            await booked.booked_of({"shop-1001": ""}),
            await booked.booked_as({str(number): "shop-1001"}),
        ):
            assert [x.units for x in part.rows] == [{"SET": 2, "21730": 1}]

    run(story)


def test_a_take_over_tells_a_kit_and_not_its_parts():
    async def story(w: World) -> None:
        kit = sells_sets(w)
        number = await put(w, kit, 2, lanterns=1)
        w.sim.ship(number, tracking=None)
        events = await w.system.census.order_events({str(number): "shop-1001"})
        (held,) = told_of(w, events, Kind.ERP_ORDER)
        assert [(x.sku, x.quantity) for x in held.lines] == [("SET", 2), ("21730", 1)]
        (parcel,) = told_of(w, events, Kind.SHIPMENT)
        assert [(x.sku, x.quantity) for x in parcel.lines] == [("SET", 2), ("21730", 1)]

    run(story)


@pytest.mark.parametrize("missing", [(), (b"kitmemberof",)])
def test_a_kit_comes_back_to_the_shop_as_a_kit(missing):
    async def story(w: World) -> None:
        kit = sells_sets(w)
        number = await put(w, kit, 2, lanterns=1)
        w.sim.ship(number, tracking=None)
        w.sim.bill(number)
        w.wire.replace = refusing(*missing)
        _, cursor = await w.pull("returns")
        await w.clock.sleep(30)
        w.sim.take_back(number, {1: 1})
        await w.clock.sleep(30)
        (back,) = told_of(w, (await w.pull("returns", cursor))[0], Kind.RETURN)
        assert [(x.sku, x.quantity) for x in back.lines] == [("SET", 1)]

    run(story)


# -- the script -------------------------------------------------------------------------------------


def test_the_script_tells_the_parts_of_an_ordered_kit_while_it_has_them():
    world = Kits()
    world.sim.configure_push("https://hook.test", ["push-secret-0123456789ab"])

    async def story():
        async def told() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
            await world.clock.sleep(2)
            body = json.loads(world.pushes[-1].body)
            lines = [(x["sku"], x["backordered"]) for x in body["record"]["lines"]]
            return lines, [(x["sku"], x["available"]) for x in body["levels"]]

        await world.put("k-1", world.line("SET", 5), world.line("C", 1))
        assert await told() == ([("SET", "2"), ("C", "1")], [("A", "0"), ("B", "0"), ("C", "0")])
        await world.put("k-1", world.line("C", 1, line=5))
        assert await told() == ([("C", "1")], [("C", "0")]), "nobody names what was taken off"
        order = await world.put("k-2", world.line("SET", 1))
        assert await told() == ([("SET", "0")], [("A", "8"), ("B", "2")])
        await world.call("DELETE", f"{RECORD}/salesOrder/{order}")
        assert await told() == ([("SET", "0")], [])

    world.run(story)


# -- what kits are made of --------------------------------------------------------------------------


def test_the_account_tells_what_its_kits_are_made_of():
    async def story(w: World) -> None:
        sells_sets(w)
        w.sim.add_item("CARD", "A card", "1.00", kind="NonInvtPart")
        w.sim.add_kit("SIX", "Six", "9.00", {"CARD": 1, "21730": 6})
        w.sim.add_kit("OTHER", "Not asked for", "9.00", {"21730": 1})
        assert await w.system.rereads.kits_of(["SET", "SIX", "21730", "NONE"]) == {
            "SET": {"21730": Decimal(2), "84406B": Decimal(1)},
            "SIX": {"21730": Decimal(6)},
        }
        w.wire.replace = refusing(b"kititemmember")
        with pytest.raises(Retryable, match="refuses to be read"):
            await w.system.rereads.kits_of(["SET"])

    run(story)


def test_kits_in_kits_are_looked_into_and_a_circle_is_refused():
    made = {"BOX": {"SET": Decimal(2), "A": Decimal(1)}, "SET": {"A": Decimal(2), "B": Decimal(1)}}
    assert kits.flattened(made, "BOX") == {"A": Decimal(5), "B": Decimal(2)}
    with pytest.raises(Retryable, match="member of itself: BOX of SET of BOX"):
        kits.flattened({"BOX": {"SET": Decimal(1)}, "SET": {"BOX": Decimal(1)}}, "BOX")


@pytest.mark.parametrize("of_inner", ["2", "1"])
def test_parts_of_a_kit_in_a_kit_are_the_sold_kits_whichever_line_they_name(of_inner):
    lines = [
        {"line": "1", "itemtype": "Kit", "sku": "BOX", "quantity": "-2"},
        {"line": "2", "itemtype": "Kit", "sku": "SET", "member": "T", "kit": "1", "quantity": "-4"},
        {
            "line": "3", "itemtype": "InvtPart", "sku": "A", "member": "T", "kit": of_inner, "quantity": "-8", "committed": "5",
            "backordered": "3",
        },
        {"line": "4", "itemtype": "NonInvtPart", "sku": "CARD", "member": "T", "kit": "1", "quantity": "-2"},
    ]  # fmt: skip

    def number(text: object) -> Decimal:
        return Decimal(str(text))

    assert kits.accounted(lines, number) == {"1": 1}
    assert kits.of_parts(lines, number) == {"1": {"A": 5}}
