"""Units of measure: a shop sells pieces, and the ERP's item is sold by the case."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.connectors.netsuite_world import World, run

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
            with pytest.raises(Exception, match="Unknown identifier|was not found"):
                await w.system.sink._client.query(sql)

    run(story)
