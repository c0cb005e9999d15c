"""What a batch of events amounts to: records, demand, deliveries and traces."""

from __future__ import annotations

from decimal import Decimal
from itertools import count, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.support import START_MS, change, clocks_of, line, logged, order

from syncline.engine.apply.batch import DAY_MS, PROVEN_DAYS, READ_LINGER_MS, Batch
from syncline.engine.apply.known import Known
from syncline.engine.apply.wants import UNMAPPED
from syncline.engine.catalog import Catalog
from syncline.engine.codec import record_fingerprint
from syncline.engine.routes import Route, Routes, reference_of, stock_key
from syncline.inventory.recipes import Recipes
from syncline.inventory.rules import AUTO_BUFFER, Layer, Level, Rules
from syncline.model.capabilities import Capabilities
from syncline.model.change import Flow, Kind, Via
from syncline.model.copying import replace
from syncline.model.records import (
    Allocation,
    ErpLine,
    ErpOrder,
    Incoming,
    Item,
    Notice,
    Payment,
    Refund,
    RefundLine,
    Shipment,
    ShipmentLine,
    StockLevel,
)

NOW = START_MS + 60_000
SYSTEMS = {"shop": Capabilities(), "erp": Capabilities()}
ROUTES = Routes(
    [
        Route(Flow.INVENTORY, "erp", "shop", 5_000, locations={"1": "70", "2": "71"}),
        Route(Flow.ORDERS, "shop", "erp", 10_000),
        Route(Flow.ORDER_STATUS, "erp", "shop", 3_600_000),
    ],
    Recipes({"CASE": {"A": 12}, "OLD": {"A": 1}}),
)


MARKET = Routes([*ROUTES.all, Route(Flow.INVENTORY, "erp", "market", 5_000, locations={"1": "m"})])


class Desk:
    """A store of one order's facts, over as many batches as a test likes."""

    def __init__(self, routes: Routes = ROUTES) -> None:
        self.routes = routes
        self.known: dict = {}
        self.demand: dict = {}
        self.offsets = count(1)
        self.batch = self._new()

    def _new(self) -> Batch:
        batch = Batch(self.routes, SYSTEMS, Catalog(None), NOW)
        for name, (version, tiebreak, hash_, value) in self.known.items():
            batch.known(name, Known(version, tiebreak, hash_, value if name[1] is Kind.ORDER else None))
        for row in self.demand.values():
            names = (
                "channel",
                "order_key",
                "line_id",
                "location",
                "sku",
                "quantity",
                "taken",
                "erp_quantity",
                "erp_stamp_ms",
            )
            batch.demand_known(tuple(row[name] for name in names))
        return batch

    def apply(self, kind: Kind, key: str, value, *, version: int = START_MS, tiebreak: int = 0) -> str:
        system = "shop" if kind is Kind.ORDER or isinstance(value, Notice) else "erp"
        event = logged(next(self.offsets), system=system)
        applied = self.batch.applied
        self.batch.apply(event, change(kind, key, value, version=version, tiebreak=tiebreak))
        verdicts = [row["verdict"] for at, row in self.batch._traces.items() if at[2] == event.offset]
        return verdicts[0] if verdicts else ("applied" if self.batch.applied > applied else "unchanged")

    def store(self) -> dict[str, list]:
        """Write the batch as a store would, and begin another one."""
        writes = {
            write.statement: list(write.rows) for write in self.batch.writes("apply", next(self.offsets))
        }
        for row in writes["record_put"]:
            at = (row["system"], Kind(row["kind"]), row["key"])
            value = self.batch._known[at].value
            self.known[at] = (row["version"], row["tiebreak"], row["hash"], value)
        for row in writes["demand_want"]:
            at = (row["channel"], row["order_key"], row["line_id"], row["location"])
            before = self.demand.get(at, {"erp_quantity": 0, "erp_stamp_ms": None})
            self.demand[at] = {**before, **row}
        for row in writes["demand_known"]:
            line = self.demand[row["channel"], row["order_key"], row["line_id"], row["location"]]
            line |= {"erp_quantity": row["quantity"], "erp_stamp_ms": row["erp_stamp_ms"]}
        self.batch = self._new()
        return writes

    def wants(self) -> dict[tuple[str, str], tuple[int, int]]:
        return {at[2:]: (row["quantity"], row["taken"]) for at, row in self.demand.items()}


def read(value, **more):
    """What a full read of an order applies."""
    return {"kind": Kind.ORDER, "key": value.key, "value": value, "tiebreak": 1, **more}


def operations(rows) -> list[tuple[str, str, str]]:
    return [(row["system"], row["operation"], row["key"]) for row in rows]


# --- versions ------------------------------------------------------------------------------------------------


def figure(available: int, stamp: int = START_MS) -> StockLevel:
    return StockLevel("A", "1", Decimal(available), Decimal(available), Decimal(0), stamp)


@given(st.permutations(range(5)), st.lists(st.integers(0, 4), max_size=5))
def test_in_any_order_and_however_often_the_newest_version_stays(arrivals, again):
    desk = Desk()
    for number in [*arrivals, *again]:
        desk.apply(Kind.STOCK, stock_key("A", "1"), figure(number), version=START_MS + number)
        if number % 2:
            desk.store()
    desk.store()
    version, _, _, value = desk.known["erp", Kind.STOCK, stock_key("A", "1")]
    assert (version, value.available) == (START_MS + 4, 4)


def test_an_older_change_and_a_duplicate_change_nothing():
    desk = Desk()
    placed = order(line("l", "A", 2, "10.00", ("70", 2)))
    assert desk.apply(**read(placed, version=5_000)) == "applied"
    desk.store()
    assert desk.apply(**read(placed, version=5_000)) == "duplicate"
    assert desk.apply(**read(placed, version=4_999)) == "older"
    assert desk.apply(Kind.ORDER, placed.key, placed, version=5_000, tiebreak=0) == "duplicate"
    assert (desk.batch.applied, desk.batch.unchanged) == (0, 3)
    written = desk.store()
    assert not written["record_put"] and not written["demand_want"] and not written["delivery_fact"]
    assert not written["delivery_touch"]


def test_one_version_with_another_content_is_read_again():
    desk = Desk()
    placed = order(line("l", "A", 2, "10.00", ("70", 2)))
    desk.apply(**read(placed))
    desk.store()
    edited = order(line("l", "A", 3, "10.00"), complete=False)
    assert desk.apply(Kind.ORDER, placed.key, edited) == "to be read"
    assert operations(desk.store()["delivery_touch"]) == [("shop", "read_order", placed.key)]


def test_what_knows_more_replaces_what_knows_less_at_the_same_version():
    desk = Desk()
    part = order(line("l", "A", 2), complete=False)
    assert desk.apply(Kind.ORDER, part.key, part) == "applied"
    first = desk.store()
    assert operations(first["delivery_touch"]) == [("shop", "read_order", part.key)]
    assert not first["delivery_fact"], "an order goes to the ERP only once it was read whole"
    assert desk.wants() == {("l", ""): (2, 0)}

    whole = order(
        line("l", "A", 2, "10.00", ("70", 2)), payments=(Payment("p1", Decimal(20), "GBP", START_MS),)
    )
    assert desk.apply(**read(whole)) == "applied"
    second = desk.store()
    assert operations(second["delivery_fact"]) == [
        ("erp", "put_order", f"7001\x1f{START_MS}"),
        ("erp", "put_payment", "7001\x1fp1"),
    ]
    assert desk.wants() == {("l", ""): (0, 0), ("l", "1"): (2, 2)}


def test_an_event_after_a_read_keeps_what_the_read_knew():
    desk = Desk()
    whole = order(
        line("l", "A", 2, "10.00", ("70", 2)), payments=(Payment("p1", Decimal(20), "GBP", START_MS),)
    )
    desk.apply(**read(whole))
    desk.store()
    event = order(line("l", "A", 2), complete=False, note="leave at the door")
    assert desk.apply(Kind.ORDER, event.key, event, version=START_MS + 1_000) == "applied"
    written = desk.store()
    (row,) = written["record_put"]
    kept = desk.known["shop", Kind.ORDER, "7001"][3]
    assert (row["hash"], kept.lines[0].allocations, kept.payments) == (
        record_fingerprint(Kind.ORDER, whole),
        whole.lines[0].allocations,
        whole.payments,
    )
    assert desk.wants() == {("l", "1"): (2, 2)}
    # Then the read of it says that only the note changed: that is a revision. The payment has the key that
    # it had before, so it is no second delivery.
    assert desk.apply(**read(replace(whole, note="leave at the door"), version=START_MS + 1_000)) == "applied"
    assert operations(desk.store()["delivery_fact"]) == [
        ("erp", "put_order", f"7001\x1f{START_MS + 1_000}"),
        ("erp", "put_payment", "7001\x1fp1"),
    ]


def test_a_read_that_brings_nothing_new_for_the_erp_makes_no_revision():
    desk = Desk()
    whole = order(line("l", "A", 2, "10.00", ("70", 2)))
    desk.apply(**read(whole))
    desk.store()
    parcel = replace(
        whole, lines=(replace(whole.lines[0], allocations=(Allocation("70", Decimal(2), Decimal(0)),)),)
    )
    assert desk.apply(**read(parcel, version=START_MS + 1_000)) == "applied"
    assert not desk.store()["delivery_fact"]


def test_a_notice_is_read_unless_it_is_known():
    desk = Desk()
    assert desk.apply(Kind.ORDER, "7001", Notice("7001"), version=5) == "to be read"
    desk.apply(**read(order(line("l", "A", 1, "10.00", ("70", 1))), version=5))
    assert desk.apply(Kind.ORDER, "7001", Notice("7001"), version=5) == "known already"
    assert desk.apply(Kind.ORDER, "7001", Notice("7001"), version=6) == "to be read"


def test_an_event_that_cannot_be_understood_is_kept_whole():
    desk = Desk()
    desk.batch.park(logged(7, body=b'{"id": 1'), "not_understood", "no JSON" * 1_000)
    desk.batch.park(logged(8, body=b"\xff\x00"), "not_understood", "no text")
    text, raw = desk.store()["parked_put"]
    assert (text["payload"], text["reason"]) == ('{"id": 1', "not_understood")
    assert text["key"].split("\x1f")[:2] == ["t", "e7"]
    assert text["key"] != raw["key"]
    assert len(text["detail"]) == 2_000
    assert raw["payload"] == "base64:/wA="


# --- what an order takes from stock --------------------------------------------------------------------------


def placed(*lines, **more):
    """An order read whole."""
    return read(order(*lines, **more), version=more.get("updated_at_ms", START_MS))


def test_a_line_over_two_places():
    desk = Desk()
    desk.apply(**placed(line("l", "A", 5, "10.00", ("70", 3), ("71", 2))))
    written = desk.store()
    assert desk.wants() == {("l", "1"): (3, 3), ("l", "2"): (2, 2)}
    # The shop took them from its own numbers already.
    assert {(row["key"], row["by"]) for row in written["held_explain"]} == {
        (stock_key("A", "70"), 3),
        (stock_key("A", "71"), 2),
    }
    assert written["dirty_mark"] == [{"sku": "A", "changed_at_ms": START_MS}]


def test_what_an_order_takes_somewhere_concerns_other_channels_before_its_own():
    part = order(line("l", "A", 5), complete=False)
    for routes, at_once in ((ROUTES, False), (MARKET, True)):
        desk = Desk(routes)
        desk.apply(Kind.ORDER, "7001", part)
        assert desk.batch.deferred is not at_once
        written = desk.store()
        mark = {"sku": "A", "changed_at_ms": START_MS}
        assert written["dirty_mark"] == ([mark] if at_once else [])
        assert written["dirty_mark_later"] == ([] if at_once else [{**mark, "not_before_ms": NOW + 2_000}])
        assert written["shelf_stale"] == [{"sku": "A"}]
        assert written["delivery_touch"], "the order is read"
        desk.apply(**placed(line("l", "A", 5, "10.00", ("70", 5))))
        assert not desk.batch.deferred
        assert desk.store()["dirty_mark"] == [mark]
        # Read whole, and still nobody knows from where: there is nothing to wait for.
        desk.apply(**placed(line("l", "A", 5), updated_at_ms=START_MS + 1_000))
        assert [row["sku"] for row in desk.store()["dirty_mark"]] == ["A"]


def test_a_sku_that_is_marked_is_not_marked_for_later():
    desk = Desk()
    desk.apply(Kind.ORDER, "7001", order(line("l", "A", 5), line("m", "B", 1), complete=False))
    desk.apply(Kind.STOCK, stock_key("A", "1"), figure(5))
    assert desk.batch.deferred
    written = desk.store()
    assert [row["sku"] for row in written["dirty_mark"]] == ["A"]
    assert [row["sku"] for row in written["dirty_mark_later"]] == ["B"]


def test_a_move_to_another_place_moves_the_demand():
    desk = Desk()
    desk.apply(**placed(line("l", "A", 5, "10.00", ("70", 5))))
    desk.store()
    desk.apply(**placed(line("l", "A", 5, "10.00", ("71", 5)), updated_at_ms=START_MS + 1_000))
    written = desk.store()
    assert desk.wants() == {("l", "1"): (0, 0), ("l", "2"): (5, 5)}
    assert [(row["key"], row["by"]) for row in written["held_explain"]] == [(stock_key("A", "71"), 5)]
    assert [(row["key"], row["by"]) for row in written["held_shift"]] == [(stock_key("A", "70"), 5)]


def test_a_place_that_no_route_maps_is_in_nobodys_pool():
    desk = Desk()
    desk.apply(**placed(line("l", "A", 5, "10.00", ("99", 5))))
    written = desk.store()
    assert desk.wants() == {("l", f"{UNMAPPED}99"): (5, 5)}
    assert [(row["key"], row["by"]) for row in written["held_explain"]] == [(stock_key("A", "99"), 5)]


def test_a_cancellation_with_restock_gives_the_channels_units_back():
    desk = Desk()
    desk.apply(**placed(line("l", "A", 5, "10.00", ("70", 5))))
    desk.store()
    desk.apply(
        **placed(line("l", "A", 0, "10.00"), cancelled_at_ms=START_MS + 9, updated_at_ms=START_MS + 1_000)
    )
    written = desk.store()
    assert desk.wants()["l", "1"] == (0, 0)
    assert [(row["key"], row["by"]) for row in written["held_shift"]] == [(stock_key("A", "70"), 5)]
    assert operations(written["delivery_fact"]) == [("erp", "put_order", f"7001\x1f{START_MS + 1_000}")]


def test_a_cancellation_without_restock_leaves_them_gone_there():
    desk = Desk()
    desk.apply(**placed(line("l", "A", 5, "10.00", ("70", 5))))
    desk.store()
    gone = line("l", "A", 0, "10.00", taken=Decimal(5))
    desk.apply(**placed(gone, cancelled_at_ms=START_MS + 9, updated_at_ms=START_MS + 1_000))
    written = desk.store()
    assert desk.wants()["l", "1"] == (0, 5)  # nobody wants them, and the shop has not put them back
    assert not written["held_shift"] and not written["held_explain"]


def test_a_line_taken_off_the_order_wants_nothing_any_more():
    desk = Desk()
    desk.apply(**placed(line("l", "A", 5, "10.00", ("70", 5)), line("m", "B", 1, "10.00", ("70", 1))))
    desk.store()
    desk.apply(**placed(line("l", "A", 5, "10.00", ("70", 5)), updated_at_ms=START_MS + 1_000))
    written = desk.store()
    assert desk.wants() == {("l", "1"): (5, 5), ("m", "1"): (0, 0)}
    assert [row["sku"] for row in written["dirty_mark"]] == ["B"]


def test_a_line_without_a_sku_takes_nothing():
    desk = Desk()
    desk.apply(**placed(line("l", "", 5, "10.00", ("70", 5))))
    assert not desk.store()["demand_want"]


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.booleans(), st.booleans()),
        min_size=1,
        max_size=6,
    ),
)
def test_what_the_channel_took_is_what_was_told_it_took(history):
    """However an order is edited, moved and cancelled: the sum of explanations and returns is the order's taken."""
    desk = Desk()
    told = 0
    for number, (here, there, lost, cancelled, whole) in enumerate(history):
        quantity = here + there
        taken = Decimal(min(9, quantity + lost))
        at = (("70", here), ("71", there)) if whole else ()
        places = tuple(place for place in at if place[1])
        value = order(
            line("l", "A", quantity, "10.00", *places, taken=taken),
            updated_at_ms=START_MS + number,
            cancelled_at_ms=START_MS if cancelled else None,
        )
        desk.apply(**read(value, version=START_MS + number))
        written = desk.store()
        told += sum(row["by"] for row in written["held_explain"]) - sum(
            row["by"] for row in written["held_shift"]
        )
        assert told == sum(row["taken"] for row in desk.demand.values())
        wanted = 0 if cancelled else quantity
        assert sum(row["quantity"] for row in desk.demand.values()) == wanted
        if places:
            assert told == taken


def test_payments_and_refunds_are_facts_of_their_own_once():
    desk = Desk()
    one = order(
        line("l", "A", 5, "10.00", ("70", 5)), payments=(Payment("p1", Decimal(50), "GBP", START_MS + 5),)
    )
    desk.apply(**read(one))
    desk.store()
    goods = Refund("r1", Decimal(10), START_MS + 7, (RefundLine("l", Decimal(1), restocked=True),))
    money = Refund("r2", Decimal(1), START_MS + 8)
    two = replace(
        one, payments=(*one.payments, Payment("p2", Decimal(1), "GBP", START_MS)), refunds=(goods, money)
    )
    desk.apply(**read(two, version=START_MS + 1_000))
    written = desk.store()
    assert operations(written["delivery_fact"]) == [
        ("erp", "put_payment", "7001\x1fp2"),
        ("erp", "put_refund", "7001\x1fr1"),
    ]
    by = {row["key"]: (row["changed_at_ms"], row["deliver_by_ms"]) for row in written["delivery_fact"]}
    assert by["7001\x1fr1"] == (START_MS + 7, START_MS + 10_007)


# --- the ERP's side ------------------------------------------------------------------------------------------


def taken(*lines: tuple[str, str, int], status: str = "B", key: str = "7001") -> ErpOrder:
    made = tuple(ErpLine(sku, at, Decimal(n)) for sku, at, n in lines)
    return ErpOrder(reference_of("shop", key), "500", status, status != "A", made, START_MS + 9)


def erp_holds(desk: Desk) -> dict[tuple[str, str], int]:
    return {at[2:]: row["erp_quantity"] for at, row in desk.demand.items()}


@pytest.mark.parametrize("one_batch", [True, False])
def test_the_erps_order_after_ours_releases_its_demand(one_batch):
    desk = Desk()
    desk.apply(**placed(line("l", "A", 5, "10.00", ("70", 3), ("71", 2))))
    if not one_batch:
        desk.store()
    desk.apply(Kind.ERP_ORDER, reference_of("shop", "7001"), taken(("A", "1", 3), ("A", "2", 2)))
    written = desk.store()
    assert erp_holds(desk) == {("l", "1"): 3, ("l", "2"): 2}
    assert {row["erp_stamp_ms"] for row in written["demand_known"]} == {START_MS + 9}
    assert {row["our_stamp_ms"] for row in written["demand_known"]} == {None}
    assert [row["sku"] for row in written["dirty_mark"]] == ["A"]


def test_what_the_erp_tells_again_about_an_order_costs_nothing():
    desk = Desk()
    desk.apply(**placed(line("l", "A", 3, "10.00", ("70", 3))))
    erp_order = {"kind": Kind.ERP_ORDER, "key": reference_of("shop", "7001")}
    desk.apply(**erp_order, value=taken(("A", "1", 3)))
    desk.store()
    desk.apply(**erp_order, value=taken(("A", "1", 3)), version=START_MS + 30_000)
    written = desk.store()
    assert not written["demand_known"] and not written["dirty_mark"]
    desk.apply(**erp_order, value=taken(("A", "1", 1)), version=START_MS + 40_000)
    written = desk.store()
    assert [row["quantity"] for row in written["demand_known"]] == [1] and written["dirty_mark"]


def test_what_an_event_shows_already_is_read_a_little_later_and_what_is_new_at_once():
    whole = order(line("l", "A", 2, "10.00", ("70", 2)))

    def due_ms(*events) -> int:
        desk = Desk()
        desk.apply(**read(whole))
        desk.store()
        for number, value in enumerate(events, 1):
            desk.apply(Kind.ORDER, whole.key, value, version=START_MS + number * 1_000)
        (row,) = desk.store()["delivery_touch"]
        return row["not_before_ms"]

    same = order(line("l", "A", 2), complete=False)
    fewer = order(line("l", "A", 1), complete=False)
    assert due_ms(same) == due_ms(same, same) == NOW + READ_LINGER_MS
    assert due_ms(fewer) == due_ms(same, fewer) == due_ms(fewer, fewer) == NOW


@pytest.mark.parametrize(
    ("age_ms", "ahead_ms", "wait_ms"),
    [(0, 0, 1_200), (300, 0, 900), (1_200, 0, 0), (60_000, 0, 0), (-5_000, 5_000, 1_200), (-5_000, 0, 1_200)],
)
def test_an_order_is_read_when_its_stamp_cannot_be_given_again(age_ms, ahead_ms, wait_ms):
    shop = Capabilities(order_stamp_ms=1_200)
    batch = Batch(ROUTES, {**SYSTEMS, "shop": shop}, Catalog(None), NOW, clocks_of("shop", ahead_ms))
    whole = order(line("l", "A", 2), complete=False)
    batch.apply(logged(1), change(Kind.ORDER, whole.key, whole, version=NOW - age_ms))
    (row,) = next(write.rows for write in batch.writes("apply", 1) if write.statement == "delivery_touch")
    assert row["not_before_ms"] == NOW + wait_ms


def test_the_erps_order_before_ours_is_kept_and_harms_nothing():
    """A message may overtake the webhook. Then our own call, which finds the order there, releases it."""
    desk = Desk()
    assert desk.apply(Kind.ERP_ORDER, reference_of("shop", "7001"), taken(("A", "1", 3))) == "applied"
    assert not desk.store()["demand_known"]
    desk.apply(**placed(line("l", "A", 3, "10.00", ("70", 3))))
    desk.store()
    assert erp_holds(desk) == {("l", "1"): 0}


def test_goods_that_the_erp_holds_elsewhere_count_for_the_line():
    desk = Desk()
    desk.apply(**placed(line("l", "A", 5, "10.00", ("70", 5))))
    desk.store()
    desk.apply(Kind.ERP_ORDER, reference_of("shop", "7001"), taken(("A", "2", 4), ("B", "1", 9)))
    desk.store()
    assert erp_holds(desk) == {("l", "1"): 4}


@given(
    st.lists(
        st.tuples(st.sampled_from("AB"), st.sampled_from(["70", "71"]), st.integers(1, 9)),
        min_size=1,
        max_size=4,
    ),
    st.lists(
        st.tuples(st.sampled_from("AB"), st.sampled_from(["1", "2", "9"]), st.integers(1, 9)), max_size=4
    ),
)
def test_the_erps_units_are_shared_out_once(lines, held):
    desk = Desk()
    desk.apply(**placed(*(line(f"l{n}", sku, q, "10.00", (at, q)) for n, (sku, at, q) in enumerate(lines))))
    desk.store()
    desk.apply(Kind.ERP_ORDER, reference_of("shop", "7001"), taken(*held))
    desk.store()
    for sku in "AB":
        rows = [row for row in desk.demand.values() if row["sku"] == sku]
        wanted = sum(row["quantity"] for row in rows)
        there = sum(n for of, _, n in held if of == sku)
        assert sum(row["erp_quantity"] for row in rows) == min(wanted, there)
        assert all(row["erp_quantity"] <= row["quantity"] for row in rows)


def test_an_order_that_waits_for_approval_has_committed_nothing():
    desk = Desk()
    desk.apply(**placed(line("l", "A", 5, "10.00", ("70", 5))))
    desk.store()
    desk.apply(Kind.ERP_ORDER, reference_of("shop", "7001"), taken(("A", "1", 5), status="A"))
    desk.store()
    assert erp_holds(desk) == {("l", "1"): 0}


@pytest.mark.parametrize("status", ["A", "deleted"])
def test_an_order_that_stops_committing_gives_its_demand_back(status):
    desk = Desk()
    desk.apply(**placed(line("l", "A", 5, "10.00", ("70", 5))))
    desk.apply(Kind.ERP_ORDER, reference_of("shop", "7001"), taken(("A", "1", 5)))
    desk.store()
    gone = replace(taken(status=status), commits_stock=False)
    desk.apply(Kind.ERP_ORDER, reference_of("shop", "7001"), gone, version=START_MS + 1_000)
    desk.store()
    assert erp_holds(desk) == {("l", "1"): 0}


def test_somebody_elses_order_in_the_erp_is_nobodys():
    desk = Desk()
    desk.apply(**placed(line("l", "A", 5, "10.00", ("70", 5))))
    desk.apply(Kind.ERP_ORDER, "web-7001", replace(taken(("A", "1", 5)), key="web-7001"))
    assert not desk.store()["demand_known"]


def test_a_shipment_becomes_a_fact_for_its_channel():
    desk = Desk()
    parcel = Shipment(
        "900", reference_of("shop", "7001").upper(), START_MS, (ShipmentLine("A", "1", Decimal(2)),)
    )
    desk.apply(Kind.SHIPMENT, "900", parcel)
    other = replace(parcel, key="901", order_key="web-1")
    desk.apply(Kind.SHIPMENT, "901", other)
    written = desk.store()
    assert operations(written["delivery_fact"]) == [("shop", "create_shipment", "7001\x1f900")]
    # An hour's tolerance: it may wait for half of it, to ride along with others.
    assert written["delivery_fact"][0]["not_before_ms"] == START_MS + 1_800_000


def test_an_item_is_remembered_and_its_number_is_due():
    desk = Desk()
    desk.apply(Kind.ITEM, "A", Item("A", "17"))
    assert desk.batch.items == [("erp", Item("A", "17"))]
    assert desk.store()["dirty_mark"] == [{"sku": "A", "changed_at_ms": START_MS}]


def test_an_unchanged_figure_counts_only_for_demand_that_waits_and_starts_no_lag():
    desk = Desk()
    desk.apply(Kind.STOCK, stock_key("A", "1"), figure(5))
    assert desk.store()["dirty_mark"] == [{"sku": "A", "changed_at_ms": START_MS}]
    desk.apply(Kind.STOCK, stock_key("A", "1"), figure(5, START_MS + 9), version=START_MS + 9)
    written = desk.store()
    assert not written["dirty_mark"]
    # Also of what is made of it, an order may wait.
    assert [row["sku"] for row in written["dirty_mark_waiting"]] == ["A", "CASE", "OLD"]
    assert {row["changed_at_ms"] for row in written["dirty_mark_waiting"]} == {NOW}
    desk.apply(Kind.STOCK, stock_key("A", "1"), figure(5, START_MS + 18), version=START_MS + 18)
    desk.apply(Kind.STOCK, stock_key("A", "1"), figure(4, START_MS + 19), version=START_MS + 19)
    written = desk.store()
    assert written["dirty_mark"] == [{"sku": "A", "changed_at_ms": START_MS + 19}]
    assert not written["dirty_mark_waiting"]


@pytest.mark.parametrize(
    ("told", "moments", "since"),
    [
        (0, (10, 20, 30), 10),
        (10, (10, 20, 30), 20),
        (25, (10, 20, 30), 30),
        (40, (10, 20, 30), 40),
        (15, (), 15),
    ],
)
def test_a_figure_differs_since_the_first_change_that_nobody_told_of(told, moments, since):
    batch = Batch(ROUTES, SYSTEMS, Catalog(None), NOW)
    key = stock_key("A", "1")
    batch.known(
        ("erp", Kind.STOCK, key), Known(START_MS, 0, "another figure", None, told and START_MS + told)
    )
    found = change(Kind.STOCK, key, figure(5), version=START_MS + 50)
    found = replace(found, changed_at_ms=START_MS + 10, moments=tuple(START_MS + at_ms for at_ms in moments))
    batch.apply(logged(99, system="erp", via=Via.POLL), found)
    (marks,) = (write.rows for write in batch.writes("apply", 99) if write.statement == "dirty_mark")
    assert list(marks) == [{"sku": "A", "changed_at_ms": START_MS + since}]


def proved(now_ms: int = NOW, routes: Routes = ROUTES, level: StockLevel | None = None) -> bool:
    """Whether a full read that tells what is known has the number computed again."""
    level = level or figure(5)
    batch = Batch(routes, SYSTEMS, Catalog(None), now_ms)
    known = Known(START_MS, 0, record_fingerprint(Kind.STOCK, level), None)
    batch.known(("erp", Kind.STOCK, stock_key("A", "1")), known)
    event = logged(99, system="erp", via=Via.SNAPSHOT)
    batch.apply(event, change(Kind.STOCK, stock_key("A", "1"), level, version=START_MS + 9))
    written = {write.statement: list(write.rows) for write in batch.writes("apply", 99)}
    (stored,) = written["record_put"]
    assert stored["version"] == START_MS + 9  # the figure is confirmed in any case
    marked, waiting = written["dirty_mark"], [row["sku"] for row in written["dirty_mark_waiting"]]
    assert marked in ([], [{"sku": "A", "changed_at_ms": now_ms}])
    assert ("A" in waiting) is not bool(marked)
    return bool(marked)


@pytest.mark.parametrize("every_days", [1, 2, 7, 30])
def test_of_what_a_full_read_leaves_as_it_is_every_number_has_its_turn(every_days):
    days = [proved(NOW + n * every_days * DAY_MS) for n in range(2 * PROVEN_DAYS)]
    assert days.count(True) == 2
    assert days[:PROVEN_DAYS] == days[PROVEN_DAYS:]


def test_a_full_read_has_computed_again_what_time_alone_may_change():
    quiet = next(NOW + n * DAY_MS for n in range(2) if not proved(NOW + n * DAY_MS))
    expected = replace(figure(5), incoming=(Incoming(Decimal(3), NOW + 9 * DAY_MS),))
    assert proved(quiet, level=expected)
    for sku, follows in (("A", True), ("CASE", True), ("B", False)):
        rules = Rules([Layer(Level.SKU, {"buffer": AUTO_BUFFER}, sku)])
        route = Route(Flow.INVENTORY, "erp", "shop", 5_000, locations={"1": "70"}, rules=rules)
        assert proved(quiet, Routes([route], ROUTES.recipes)) is follows


def test_one_order_told_in_any_order_ends_the_same():
    """A part by event, the whole by read, an edit, and the ERP's message: whatever overtakes what."""
    part = (Kind.ORDER, "7001", order(line("l", "A", 5), complete=False), START_MS, 0)
    whole = (Kind.ORDER, "7001", order(line("l", "A", 5, "10.00", ("70", 5))), START_MS, 1)
    edited = (
        Kind.ORDER,
        "7001",
        order(line("l", "A", 3, "10.00", ("70", 3)), updated_at_ms=START_MS + 1_000),
        START_MS + 1_000,
        1,
    )
    ends = set()
    for told in permutations([part, whole, edited]):
        desk = Desk()
        for kind, key, value, version, tiebreak in told:
            desk.apply(kind, key, value, version=version, tiebreak=tiebreak)
            desk.store()
        ends.add(str(sorted((at, row) for at, row in desk.wants().items() if row != (0, 0))))
    assert ends == {"[(('l', '1'), (3, 3))]"}


def test_the_erp_holds_packs_and_old_names_as_units_of_what_it_stocks():
    desk = Desk()
    sold = order(
        line("l1", "CASE", 2, "90.00", ("70", 2)),
        line("l2", "A", 3, "10.00", ("70", 3)),
        line("l3", "OLD", 1, "10.00", ("71", 1)),
    )
    desk.apply(**read(sold))
    desk.store()
    reference = reference_of("shop", "7001")
    desk.apply(Kind.ERP_ORDER, reference, taken(("A", "1", 26), ("A", "2", 1)))
    desk.store()
    held = {at[2]: row["erp_quantity"] for at, row in desk.demand.items()}
    assert held == {"l1": 2, "l2": 2, "l3": 1}  # as far as it goes: one unit of l2 is not held yet
    desk.apply(Kind.ERP_ORDER, reference, taken(("A", "1", 27), ("A", "2", 1)), version=START_MS + 1)
    desk.store()
    assert {at[2]: row["erp_quantity"] for at, row in desk.demand.items()} == {"l1": 2, "l2": 3, "l3": 1}


# --- quantities that cannot be true --------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["available", "on_hand", "committed"])
@pytest.mark.parametrize("absurd", ["NaN", "Infinity", "-Infinity", "4006381333931", "-1E+40"])
def test_a_stock_figure_that_cannot_be_true_is_parked_and_the_last_one_stays(field, absurd):
    desk = Desk()
    good = StockLevel("A", "1", Decimal(9), Decimal(5), Decimal(4), 100)
    key = stock_key("A", "1")
    desk.apply(Kind.STOCK, key, good)
    desk.store()
    assert (
        desk.apply(Kind.STOCK, key, replace(good, **{field: Decimal(absurd)}), version=START_MS + 1)
        == "unchanged"
    )
    written = desk.store()
    assert (written["record_put"], written["dirty_mark"]) == ([], [])
    (parked,) = written["parked_put"]
    assert parked["reason"] == "absurd_quantity"
    assert f"A at 1: {field.replace('_', ' ')} is " in parked["detail"]
    desk.apply(Kind.STOCK, key, replace(good, available=Decimal(3)), version=START_MS + 2)
    assert [row["sku"] for row in desk.store()["dirty_mark"]] == ["A"]


def test_less_than_nothing_is_possible_for_a_figure_and_half_a_unit_too():
    desk = Desk()
    level = StockLevel("A", "1", Decimal("-2.5"), Decimal(-3), Decimal("0.5"), 100)
    desk.apply(Kind.STOCK, stock_key("A", "1"), level)
    written = desk.store()
    assert (len(written["record_put"]), written["parked_put"]) == (1, [])


def test_an_order_that_cannot_be_true_is_parked_and_asks_for_nothing():
    desk = Desk()
    bought = order(line("l", "A", 5, "10.00", ("70", 5)))
    broken = replace(bought, lines=(replace(bought.lines[0], quantity=Decimal("NaN")),))
    assert desk.apply(**read(broken)) == "set aside"
    written = desk.store()
    assert (written["demand_want"], written["delivery_fact"]) == ([], [])
    assert "order #7001: line l (A) is NaN" in written["parked_put"][0]["detail"]


def test_a_line_of_less_than_nothing_asks_for_nothing():
    desk = Desk()
    bought = order(line("l", "A", 5, "10.00", ("70", 5)))
    desk.apply(**read(replace(bought, lines=(replace(bought.lines[0], quantity=Decimal(-5)),))))
    desk.store()
    assert all(quantity >= 0 for quantity, _ in desk.wants().values())
