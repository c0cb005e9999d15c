"""Units of measure: a shop sells pieces, and the ERP's item is sold by the case."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.connectors.netsuite_world import SECRET, START_MS, World, line, order, run

from syncline.connectors.netsuite import NetSuiteSettings
from syncline.model.change import Event, Kind, Via
from syncline.model.copying import replace
from syncline.model.delivery import Result
from syncline.model.errors import Misconfigured, Rejected
from syncline.model.payloads import OrderItem, PutOrder, PutRefund
from syncline.model.records import Item, Refund, RefundLine
from syncline.ports import Request, Response

ON = {"units_of_measure": True}


def measure(w: World, *, sale: str = "Case") -> dict[str, int]:
    """The lantern is kept in pieces and sold by the case of twelve."""
    units = w.sim.add_units_type("Count", "Each", {"Case": 12, "Pallet": 480})
    w.sim.measure("21730", stock=units["Each"], purchase=units["Pallet"], sale=units[sale])
    w.sim.opening_balance("21730", w.place, 120)
    return units


async def call(w: World, method: str, path: str, body: Any = None) -> Response:
    """A call of somebody who is not our client."""
    client = w.system.sink._client
    url = f"{w.sim.origin}/services/rest/record/v1/{path}"
    headers = {
        "Authorization": await client._credential.header(method, url),
        "X-NetSuite-PropertyNameValidation": "error",
    }
    sent = b"" if body is None else json.dumps(body).encode()
    return await w.transport.send(Request(method, url, headers, sent))


async def lines_of(w: World, path: str) -> list[dict[str, Any]]:
    answer = await call(w, "GET", f"{path}?expandSubResources=true")
    return json.loads(answer.body)["item"]["items"]


def made(answer: Response) -> str:
    assert answer.status == 204, answer.body
    return answer.headers["location"].rpartition("/")[2]


def test_a_line_is_in_the_sale_unit_unless_it_names_another():
    async def story(w: World) -> None:
        units = measure(w)
        case, each = str(units["Case"]), str(units["Each"])
        item = {"item": {"id": str(w.item)}, "location": {"id": str(w.place)}, "price": {"id": "-1"}}
        lines = [
            {**item, "quantity": 2, "rate": 90},
            {**item, "quantity": 3, "rate": 7.5, "units": each},
            {**item, "quantity": 0.5, "rate": 90},
        ]
        body = {"entity": {"id": str(w.web)}, "orderStatus": {"id": "B"}, "item": {"items": lines}}
        number = made(await call(w, "POST", "salesOrder", body))
        held = await lines_of(w, f"salesOrder/{number}")
        assert [(x["quantity"], x["units"], x["quantityCommitted"]) for x in held] == [
            (2, case, 2),
            (3, each, 3),
            (0.5, case, 0.5),
        ]
        assert [x["amount"] for x in held] == [180, 22.5, 45]
        # SuiteQL states base units throughout.
        rows = await w.system.sink._client.query(
            "SELECT tl.quantity AS quantity, tl.quantitycommitted AS committed, tl.units AS units, tl.rate AS rate, "
            "u.conversionrate AS conversionrate FROM transactionline tl "
            f"JOIN unitstypeuom u ON u.internalid = tl.units WHERE tl.transaction = {number} ORDER BY tl.id"
        )
        assert [
            (x["quantity"], x["committed"], x["units"], x["rate"], x["conversionrate"]) for x in rows
        ] == [
            ("-24", "24", case, "7.5", "12"),
            ("-3", "3", each, "7.5", "1"),
            ("-6", "6", case, "7.5", "12"),
        ]
        (level,) = await w.system.sink._client.query(
            "SELECT l.quantityavailable AS available FROM aggregateitemlocation l WHERE l.quantityonhand = 120"
        )
        assert level["available"] == "87"
        # A price of the item is that of a sale unit, whatever unit the line is in.
        plain = [{"item": item["item"], "quantity": 6, "units": each}]
        number = made(await call(w, "POST", "salesOrder", {**body, "item": {"items": plain}}))
        (line,) = await lines_of(w, f"salesOrder/{number}")
        assert line["amount"] == 5.0  # of a case at 10.00

    assert not run(story, sim=ON).sim.ledger.breaches


def test_what_is_made_of_a_line_counts_in_its_unit():
    async def story(w: World) -> None:
        units = measure(w)
        item = {"item": {"id": str(w.item)}, "location": {"id": str(w.place)}, "quantity": 2, "rate": 90}
        body = {"entity": {"id": str(w.web)}, "orderStatus": {"id": "B"}, "item": {"items": [item]}}
        number = made(await call(w, "POST", "salesOrder", body))
        one = {"item": {"items": [{"orderLine": 1, "quantity": 1.5}]}}
        parcel = made(await call(w, "POST", f"salesOrder/{number}/!transform/itemFulfillment", one))
        (line,) = await lines_of(w, f"itemFulfillment/{parcel}")
        assert (line["quantity"], line["units"]) == (1.5, str(units["Case"]))
        assert w.sim.on_hand("21730", w.place) == 102
        back = {"orderStatus": {"id": "B"}, "item": {"items": [{"orderLine": 1, "quantity": 1}]}}
        back_id = made(await call(w, "POST", f"salesOrder/{number}/!transform/returnAuthorization", back))
        (line,) = await lines_of(w, f"returnAuthorization/{back_id}")
        assert (line["quantity"], line["units"]) == (1, str(units["Case"]))
        receipt = made(await call(w, "POST", f"returnAuthorization/{back_id}/!transform/itemReceipt", {}))
        (line,) = await lines_of(w, f"itemReceipt/{receipt}")
        assert (line["quantity"], line["units"]) == (1, str(units["Case"]))
        assert w.sim.on_hand("21730", w.place) == 114
        answer = json.loads((await call(w, "GET", f"inventoryItem/{w.item}")).body)
        told = [answer[name] for name in ("baseUnit", "stockUnit", "saleUnit", "purchaseUnit")]
        assert told == [str(units[name]) for name in ("Each", "Each", "Case", "Pallet")]

    assert not run(story, sim=ON).sim.ledger.breaches


@pytest.mark.parametrize("on", [True, False])
def test_a_unit_that_the_item_has_not_is_refused(on):
    async def story(w: World) -> None:
        if on:
            measure(w)
        other = w.item2 if on else w.item
        line = {"item": {"id": str(other)}, "quantity": 1, "units": "1"}
        body = {"entity": {"id": str(w.web)}, "item": {"items": [line]}}
        answer = await call(w, "POST", "salesOrder", body)
        assert answer.status == 400 and b"Invalid Field Value 1 for the following field: units" in answer.body
        parts = {
            "entity": {"id": str(w.web)},
            "item": {"items": [{"item": {"id": str(w.item)}, "quantity": 0.1}]},
        }
        assert b"whole number" in (await call(w, "POST", "salesOrder", parts)).body

    run(story, sim={"units_of_measure": on})


def test_an_account_without_the_feature_knows_no_units():
    async def story(w: World) -> None:
        for sql in (
            "SELECT i.saleunit AS unit FROM item i",
            "SELECT u.internalid AS id FROM unitstypeuom u",
            "SELECT tl.units AS unit FROM transactionline tl",
        ):
            with pytest.raises(Rejected, match=r"was not found|Invalid search type"):
                await w.system.sink._client.query(sql)

    run(story)


# -- our client -------------------------------------------------------------------------------------


def pieces(w: World, quantity: int, *, external_id: str = "", price: str = "7.50", **more: Any) -> PutOrder:
    placed = order(line("a", "21730", quantity, price), **more)
    return PutOrder(
        "shop-1001", placed, (OrderItem("a", str(w.item), "21730", str(w.place), quantity),), external_id
    )


def test_a_shop_sells_pieces_of_what_the_account_sells_by_the_case():
    async def story(w: World) -> None:
        measure(w)
        outcome = await w.do("put_order", pieces(w, 3))
        assert outcome.result is Result.DONE and outcome.message == ""
        assert Decimal(outcome.facts["total_difference"]) == 0
        number = outcome.facts["external_id"]
        (held,) = w.sim.order(int(number)).lines
        assert (held.quantity, held.unit, held.rate) == (3, "Each", Decimal("7.5"))
        assert w.sim.available("21730", w.place) == 117
        # What is read of it, of the stock and of what leaves counts pieces as well.
        w.sim.ship(int(number), tracking="T1", lines={1: 2})
        events, _ = await w.pull("transactions")
        told = {change.kind: change.value for change in w.changes(events)}
        assert told[Kind.STOCK].available == 117 and told[Kind.STOCK].on_hand == 118
        assert [x.quantity for x in told[Kind.ERP_ORDER].lines] == [3]
        assert [x.quantity for x in told[Kind.SHIPMENT].lines] == [2]
        booked = await w.system.rereads.booked_of({"shop-1001": "#1001"})
        assert [one.units for one in booked.rows] == [{"21730": Decimal(3)}]
        # And what becomes of it: a revision, then units that come back.
        outcome = await w.do("put_order", pieces(w, 5, external_id=number))
        assert outcome.message == "" and [x.quantity for x in w.sim.order(int(number)).lines] == [5]
        assert (await w.find("put_order", pieces(w, 5, external_id=number))).result is Result.DONE
        refund = Refund("r1", Decimal("7.50"), START_MS, (RefundLine("a", Decimal(1), restocked=True),))
        back = (OrderItem("a", str(w.item), "21730", str(w.place), 1),)
        outcome = await w.do(
            "put_refund", PutRefund("shop-1001-ref-r1", number, refund, back, restocked=True)
        )
        assert outcome.result is Result.DONE
        assert w.sim.returns()[0].lines == (("21730", 1, 1),) and w.sim.on_hand("21730", w.place) == 119

    assert not run(story, sim=ON).sim.ledger.breaches


def test_the_units_of_an_item_are_asked_for_once():
    async def story(w: World) -> None:
        measure(w)
        for n in range(3):
            assert (await w.do("put_order", replace(pieces(w, 1), reference=f"r{n}"))).result is Result.DONE
        # Both statements once; the second item has no units, which is remembered too.
        assert w.wire.count("POST", "suiteql") == 2
        other = replace(pieces(w, 1), items=(OrderItem("a", str(w.item2), "84406B", "", 1),))
        for n in range(2):
            await w.do("put_order", replace(other, reference=f"s{n}"))
        assert w.wire.count("POST", "suiteql") == 3
        assert w.sim.order(w.sim.find_order("s1")).lines[0].unit == ""

    run(story, sim=ON)


def test_an_account_without_units_is_asked_once_an_hour():
    async def story(w: World) -> None:
        for n in range(3):
            assert (await w.do("put_order", replace(pieces(w, 1), reference=f"r{n}"))).result is Result.DONE
        assert w.wire.count("POST", "suiteql") == 1
        await w.clock.sleep(3_700)
        await w.do("put_order", replace(pieces(w, 1), reference="later"))
        assert w.wire.count("POST", "suiteql") == 2

    run(story)


@pytest.mark.parametrize("whole", [False, True])
def test_in_whatever_words_the_columns_are_refused(whole):
    async def story(w: World) -> None:
        def refused(request: Request) -> Response | None:
            if b"unitstype" not in request.body and not (whole and b"FROM item" in request.body):
                return None
            return Response(400, {}, b'{"status":400,"o:errorDetails":[{"detail":"Invalid search."}]}')

        w.wire.replace = refused
        outcome = await w.do("put_order", pieces(w, 3))
        # Where items are not told at all nobody knows whether they have units.
        assert outcome.result is (Result.NOT_SENT if whole else Result.DONE)

    run(story)


def test_what_nobody_tells_is_not_guessed():
    async def story(w: World) -> None:
        measure(w)

        def hidden(request: Request) -> Response | None:  # the role may not see units
            if b"unitstypeuom" not in request.body:
                return None
            body = {"status": 400, "o:errorDetails": [{"detail": "Record 'unitstypeuom' was not found."}]}
            return Response(400, {}, json.dumps(body).encode())

        w.wire.replace = hidden
        outcome = await w.do("put_order", pieces(w, 3))
        assert outcome.result is Result.REJECTED and "Lists > Units" in outcome.message
        assert w.sim.find_order("shop-1001") is None
        finding = {name: (good, mend) for name, good, mend in await w.system.check()}["units of measure"]
        assert not finding[0] and "Lists > Units" in finding[1]
        w.wire.replace = lambda _: None
        assert (await w.do("put_order", pieces(w, 3))).result is Result.DONE

    run(story, sim=ON)


def test_an_order_that_somebody_typed_in_by_the_case():
    async def story(w: World) -> None:
        units = measure(w)
        number = w.sim.enter_order([("21730", w.place, 24, Decimal(90))], external_id="shop-1001")
        w.sim.account.txns[number].lines[0].unit = units["Case"]
        events, _ = await w.pull("transactions")
        (told,) = [change.value for change in w.changes(events) if change.kind is Kind.ERP_ORDER]
        assert [x.quantity for x in told.lines] == [24]
        # A revision finds 24 pieces; of a line of which nothing left the unit becomes the base unit.
        assert await w.find("put_order", pieces(w, 30, external_id=str(number))) is None
        assert (await w.do("put_order", pieces(w, 30, external_id=str(number)))).message == ""
        (held,) = w.sim.order(number).lines
        assert (held.quantity, held.unit, held.amount) == (30, "Each", Decimal(225))

    run(story, sim=ON)


def test_a_line_keeps_its_unit_once_something_left():
    async def story(w: World) -> None:
        units = measure(w)
        number = w.sim.enter_order([("21730", w.place, 24, Decimal(90))], external_id="shop-1001")
        w.sim.account.txns[number].lines[0].unit = units["Case"]
        w.sim.ship(number, tracking="T", lines={1: 12})
        outcome = await w.do("put_order", pieces(w, 18, external_id=str(number)))
        assert outcome.message == "", outcome
        (held,) = w.sim.order(number).lines
        assert (held.quantity, held.unit, held.amount) == (18, "Case", Decimal(135))
        # One and a half cases can be said, seven thirds of one cannot.
        outcome = await w.do("put_order", pieces(w, 28, external_id=str(number)))
        assert outcome.result is Result.REJECTED and "Case of 12" in outcome.message
        refund = Refund("r", Decimal(5), START_MS)
        back = (OrderItem("a", str(w.item), "21730", str(w.place), 1),)
        outcome = await w.do("put_refund", PutRefund("x", str(number), refund, back, restocked=False))
        assert outcome.result is Result.REJECTED and "Case of 12" in outcome.message
        back = (replace(back[0], quantity=6),)
        outcome = await w.do("put_refund", PutRefund("x", str(number), refund, back, restocked=True))
        assert outcome.result is Result.DONE and w.sim.returns()[0].lines == (("21730", 6, 6),)
        # Cancelled: it ends at what left.
        gone = pieces(w, 18, external_id=str(number), cancelled_at_ms=START_MS)
        assert (await w.do("put_order", gone)).result is Result.DONE
        assert [x.quantity for x in w.sim.order(number).lines] == [12]

    run(story, sim=ON)


def test_the_check_names_what_is_sold_in_another_unit():
    async def story(w: World) -> None:
        units = measure(w)

        async def told() -> str:
            found = {name: good for name, good, _ in await w.system.check() if name.startswith("units of")}
            ((name, good),) = found.items()
            assert good
            return name

        name = await told()
        assert "21730 (Case of 12)" in name and "[units.SKU]" in name
        w.sim.account.item_by_sku["21730"].sale_unit = units["Each"]
        w.sim.account.touch_item(w.sim.account.item_by_sku["21730"])
        assert await told() == "units of measure"

    run(story, sim=ON)


def test_what_is_sold_by_less_than_the_unit_of_its_stock_is_parked():
    async def story(w: World) -> None:
        units = w.sim.add_units_type("Boards", "Thousand", {"Board": Decimal("0.001")})
        w.sim.measure("21730", stock=units["Board"], purchase=units["Thousand"], sale=units["Board"])
        outcome = await w.do("put_order", pieces(w, 3))
        assert outcome.result is Result.REJECTED and "1000 make the base unit" in outcome.message
        assert w.sim.find_order("shop-1001") is None
        findings = {name: (good, mend) for name, good, mend in await w.system.check()}
        assert not findings["units of measure"][0] and "21730 (Board)" in findings["units of measure"][1]

    run(story, sim=ON)


def test_the_check_of_an_account_without_units_has_nothing_to_say():
    async def story(w: World) -> None:
        assert ("units of measure", True, "") in await w.system.check()

    run(story)


@pytest.mark.parametrize(
    ("priced_by", "told"),
    [
        ("sale_unit", [(Decimal("7.5"), 1), (Decimal("6.666667"), 120)]),
        ("base_unit", [(Decimal(90), 1), (Decimal(80), 10)]),
        ("", None),
    ],
)
def test_a_price_is_that_of_a_piece_or_not_told(priced_by, told):
    async def story(w: World) -> None:
        measure(w)
        w.sim.set_price("21730", "90")
        w.sim.set_price("21730", "80", quantity=10)
        events, _ = await w.pull("prices")
        lantern = Item("21730", str(w.item))
        asked = await w.system.live_prices([lantern, Item("84406B", str(w.item2))], ["level:1"])
        assert {price.sku for price in asked} == ({"21730", "84406B"} if told else {"84406B"})
        seen, refused = {}, []
        for event in events:
            try:
                seen |= {change.value.sku: change.value.entries for change in w.changes([event])}
            except Rejected as error:
                refused.append(str(error))
        assert [entry.amount for entry in seen["84406B"]] == [Decimal("2.50")]
        if told is None:
            assert "21730" not in seen and len(refused) == 1
            assert "Case of 12" in refused[0] and "netsuite.priced_by" in refused[0]
        else:
            assert [(entry.amount, entry.minimum) for entry in seen["21730"]] == told and not refused

    run(story, sim=ON, priced_by=priced_by)


def test_a_setting_that_names_no_unit_is_refused():
    with pytest.raises(Misconfigured, match="priced_by"):
        NetSuiteSettings("1", "c", "k", "p", priced_by="pallet").validate()


def test_a_post_of_the_script_counts_in_base_units():
    async def story(w: World) -> None:
        units = measure(w)
        w.sim.configure_push("https://hook", [SECRET])
        number = w.sim.enter_order([("21730", w.place, 130, Decimal(90))], external_id="shop-1001")
        w.sim.account.txns[number].lines[0].unit = units["Case"]
        (entry,) = w.sim.push.undone.values()
        event = Event("erp", "push", entry.event_id, Via.EVENT, START_MS, entry.body)
        told = {change.kind: change.value for change in w.changes([event])}
        assert told[Kind.STOCK].available == 0
        assert [(x.quantity) for x in told[Kind.ERP_ORDER].lines] == [120]  # ten wait for stock

    run(story, sim=ON)


@pytest.mark.parametrize("kind", ["salesorder", "itemfulfillment"])
def test_a_post_without_lines_is_left_to_the_poll(kind):
    async def story(w: World) -> None:
        stated = {
            "type": kind,
            "id": "7",
            "event": "edit",
            "external_id": "shop-1001",
            "status": "B",
            "lines": [],
        }
        stated |= {"ship_status": "C", "created_from": {"id": "5", "external_id": "shop-1001"}}
        body = {
            "event_id": "e",
            "seq": 1,
            "account": w.sim.account_id,
            "as_of_ms": START_MS,
            "record": stated,
        }
        event = Event("erp", "push", "e", Via.EVENT, START_MS, json.dumps(body).encode())
        assert w.changes([event]) == []

    run(story)
