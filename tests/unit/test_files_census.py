"""What an adoption reads of an ERP's files: what they list, and the orders that its statuses name."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest
from msgspec.structs import replace
from tests.unit.files_place import STOCK, Desk
from tests.unit.test_files_sink import NUMBERS

from syncline.connectors.files import CONNECTOR
from syncline.connectors.files.census import Adopting, FileCensus
from syncline.connectors.files.declared import Column, Read, Write
from syncline.model.census import ListedItem
from syncline.model.change import Kind, LoggedEvent
from syncline.model.delivery import Item, Result
from syncline.model.errors import Misconfigured
from syncline.model.payloads import OrderItem, PutOrder
from syncline.model.records import Order, OrderLine
from syncline.ports import REFERENCE, Opening
from syncline.simulate.transport import AsgiTransport


def columns(**names: str) -> tuple[Column, ...]:
    return tuple(Column(field, name=name) for field, name in names.items())


ITEMS = replace(
    STOCK, kind="items", pattern="ITEMS_*.csv", columns=columns(sku="SKU", title="TEXT"), path="in"
)
STATUS = Read(
    kind="order_status",
    path="in",
    pattern="STATUS_*.csv",
    complete="rename",
    cancelled=("X",),
    columns=columns(reference="REF", id="ID", status="STATE", sku="SKU", quantity="QTY", shipped="SENT"),
)
PARCELS = Read(
    kind="shipments",
    path="in",
    pattern="PARCELS_*.csv",
    complete="rename",
    columns=columns(shipment="NO", reference="REF", sku="SKU", quantity="QTY", tracking="TRACK"),
)
ORDERS = Write(
    kind="orders", path="out", columns=columns(reference="REF", action="DO", sku="SKU", quantity="QTY")
)
HEAD = "REF,ID,STATE,SKU,QTY,SENT"


class Erp:
    """A desk whose partner lists and books."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.census = FileCensus("erp", desk.settings, desk.clock, desk.spool, desk.intake)
        self.sink = Adopting(desk.sink, self.census, desk.spool)

    def leave(self, name: str, *lines: str, header: str) -> None:
        self.desk.leave(name, *lines, header=header)

    def listed(self, what: str, **asked) -> list:
        async def read():
            return [page async for page in self.census.read(what, "", **asked)]

        pages = self.desk.run(read())
        assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
        return [row for page in pages for row in page.rows]

    def find(self, **wanted: list[str]):
        return self.desk.run(self.census.find_orders(wanted))

    def put(self, *foreign: tuple[str, str]):
        line = OrderLine("1", "A", "A", Decimal(2), Decimal(5))
        order = Order("1001", "#1001", 1, 1, "GBP", (line,), Decimal(0), Decimal(0), Decimal(10))
        put = PutOrder("shop-1001", order, (OrderItem("1", "A", "A", "MAIN", 2),), foreign=foreign)
        (outcome,) = self.desk.run(self.sink.deliver("put_order", [Item("k", put)], "key"))
        return outcome

    def written(self) -> list[str]:
        return [path.name for path in (self.desk.root / "out").glob("orders-*.csv")]


@pytest.fixture
def erp(desks):
    return Erp(desks(STOCK, ITEMS, STATUS, PARCELS, writes=(ORDERS,), untold=("payments", "refunds")))


def test_items_and_places_are_those_of_the_last_full_files(erp, monkeypatch):
    monkeypatch.setattr("syncline.connectors.files.census.PAGE_ITEMS", 2)
    with pytest.raises(Misconfigured, match=r"none like ITEMS_\*\.csv"):
        erp.listed("items")
    erp.leave("ITEMS_1.csv", "A,Lantern", "B,Mug", "C,Cup", ",Nameless", header="SKU,TEXT")
    erp.leave("STOCK_1.csv", "A,MAIN,7", "A,NORTH,5", "B,MAIN,many", header="SKU,AT,QTY")
    rows = erp.listed("items", places=("MAIN",))
    assert [(row.sku, row.title, int(row.quantity)) for row in rows if isinstance(row, ListedItem)] == [
        ("A", "Lantern", 7),
        ("B", "Mug", 0),
        ("C", "Cup", 0),
    ]
    assert [int(row.quantity) for row in erp.listed("items")] == [12, 0, 0]
    assert [row.id for row in erp.listed("places")] == ["MAIN", "NORTH"]
    erp.leave("STOCK_2.csv", "A,SOUTH,7", header="SKU,AT,QTY")
    assert [row.id for row in erp.listed("places")] == ["MAIN", "NORTH"], "to look at places takes nothing"
    with pytest.raises(Misconfigured, match="match items by sku"):
        erp.listed("items", fields=("barcode",))
    with pytest.raises(Misconfigured, match="no customers"):
        erp.listed("customers")


def test_orders_are_found_by_what_the_last_status_says(erp):
    erp.leave("ITEMS_1.csv", "A,Lantern", header="SKU,TEXT")
    erp.leave("STATUS_1.csv", "#1,E1,B,A,2,0", "#2,E2,B,A,1,1", "#3,E3,B,A,1,0", "#4,E4,B,A,x,0", header=HEAD)
    erp.leave("STATUS_2.csv", "#3,E3,X,A,1,0", header=HEAD)
    erp.listed("items")
    found = {one.name: one for one in erp.find(reference=["#1", "#2", "#3", "#4", "#5"])}
    assert {name: (one.open, one.gone, one.total, one.followed) for name, one in found.items()} == {
        "#1": (True, False, None, True),
        "#2": (False, False, None, True),
        "#3": (False, True, None, True),
    }
    (one,) = erp.find(id=["e2"])
    assert (one.name, one.values, one.called) == ("#2", {"id": "E2"}, "E2")
    assert erp.find(**{REFERENCE: ["#9"]}) == []
    erp.census.check_fields(["reference", "id"])
    with pytest.raises(Misconfigured, match="reference or id"):
        erp.census.check_fields(["externalid"])


def test_an_order_and_its_parcels_are_told_as_ours_and_nothing_of_the_streams_moves(erp):
    erp.leave("ITEMS_1.csv", "A,Lantern", header="SKU,TEXT")
    erp.leave("STATUS_1.csv", "#1,E1,B,A,2,1", "#2,E2,B,A,1,0", header=HEAD)
    erp.leave("PARCELS_1.csv", "P1,#1,A,1,T1", "P2,#2,A,1,T2", header="NO,REF,SKU,QTY,TRACK")
    erp.listed("items")
    events = erp.desk.run(erp.census.order_events({"#1": "shop-1", "#7": "shop-7"}))
    changes = [x for event in events for x in erp.desk.source.decode(LoggedEvent(0, 0, event))]
    order, parcel = changes
    assert (order.kind, order.key) == (Kind.ERP_ORDER, "shop-1")
    assert (parcel.kind, parcel.value.order_key, parcel.value.tracking) == (
        Kind.SHIPMENT,
        "shop-1",
        ("T1",),
    )
    told = [x.key for page in erp.desk.pages(stream="order_status") for e in page.events for x in erp.desk.source.decode(LoggedEvent(0, 0, e))]  # fmt: skip
    assert told == ["#1", "#2"], "they are told as they would have been"


def test_an_order_that_the_partner_has_booked_for_somebody_else_is_not_written(erp):
    erp.leave("ITEMS_1.csv", "A,Lantern", header="SKU,TEXT")
    erp.leave("STATUS_1.csv", "#1001,E1,B,A,2,0", header=HEAD)
    erp.listed("items")
    outcome = erp.put(("reference", "#1001"))
    assert outcome.result is Result.DONE
    assert (outcome.facts["external_id"], outcome.facts["adopted"]) == ("#1001", "#1001")
    assert erp.written() == []
    assert erp.put(("reference", "#1002")).facts["external_id"] == "shop-1001"
    assert erp.written() == ["orders-shop-1001-r1.csv"]
    # What we have written ourselves is ours, whatever else is named.
    assert "adopted" not in erp.put(("reference", "#1001")).facts


def test_an_order_that_is_named_twice_waits_for_a_person(erp):
    erp.leave("ITEMS_1.csv", "A,Lantern", header="SKU,TEXT")
    erp.leave("STATUS_1.csv", "#1001,E1,B,A,2,0", "WEB-1001,E2,B,A,2,0", header=HEAD)
    erp.listed("items")
    asked = (("reference", "#1001"), ("reference", "WEB-1001"))
    outcome = erp.put(*asked)
    assert outcome.result is Result.REJECTED
    assert "more than once, as #1001, WEB-1001" in outcome.message
    erp.leave("STATUS_2.csv", "WEB-1001,E2,X,A,2,0", header=HEAD)
    erp.listed("items")
    assert erp.put(*asked).facts["adopted"] == "#1001"
    assert erp.written() == []


def test_a_channel_is_not_listed(desks):
    desk = desks(replace(STOCK, kind="items", columns=columns(sku="SKU")), writes=(NUMBERS,))
    system = CONNECTOR.open(Opening("shop", desk.settings, desk.clock, Random(1), AsgiTransport({})))
    assert system.census is None
    assert system.order_book is None
