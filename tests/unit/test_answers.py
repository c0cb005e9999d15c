"""What an ERP tells of an order that its channel has to hear: which deliveries it leads to, and what they carry."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest
from tests.unit.support import START_MS, change, line, order, play
from tests.unit.test_apply_batch import NOW, SYSTEMS, Desk, erp_holds, operations, placed, taken

from syncline.engine.adoption import Adopted, Adoption, State
from syncline.engine.apply.applier import Applier
from syncline.engine.apply.facts import Facts
from syncline.engine.catalog import Catalog
from syncline.engine.codec import encode
from syncline.engine.delivery.answers import Answers
from syncline.engine.delivery.build import Refuse, Send, Skip
from syncline.engine.derive.demand import DemandLearner
from syncline.engine.engine import Engine
from syncline.engine.leases import Lease
from syncline.engine.routes import SEP, Route, Routes, reference_of
from syncline.inventory.recipes import Recipes
from syncline.model.capabilities import Capabilities
from syncline.model.change import Event, Flow, Kind, Via
from syncline.model.copying import replace
from syncline.model.errors import Misconfigured
from syncline.model.payloads import CancelOrder, CreateRefund, RecordPayment
from syncline.model.records import ErpOrder, Payment, Receipt, Return, ShipmentLine
from syncline.ports import Write
from syncline.stores.sqlite import SqliteStore

REFERENCE = reference_of("shop", "7001")
PAYMENTS = Route(Flow.PAYMENTS, "erp", "shop", 600_000)
RETURNS = Route(Flow.RETURNS, "erp", "shop", 600_000, restock=True, money=False)
STATUS = Route(Flow.ORDER_STATUS, "erp", "shop", 600_000)
ORDERS = Route(Flow.ORDERS, "shop", "erp", 10_000)
AT = Route(Flow.INVENTORY, "erp", "shop", 5_000, locations={"1": "70"})
ALL = (PAYMENTS, RETURNS, STATUS, ORDERS, AT)
RECEIPT = Receipt(REFERENCE, Decimal("40.00"), "GBP", START_MS)
BACK = Return("900", REFERENCE, START_MS, (ShipmentLine("A", "1", Decimal(2)),))
OFF = ErpOrder(REFERENCE, "17", "C", True, (), START_MS, cancelled=True)


# --- which deliveries ---------------------------------------------------------------------------------


def facts(*routes: Route) -> Facts:
    return Facts(Routes(routes or ALL), list(SYSTEMS), NOW)


def test_what_was_received_is_one_delivery_for_each_order_however_often_it_grows():
    told = facts()
    told.erp("erp", change(Kind.RECEIPT, REFERENCE, RECEIPT))
    told.erp("erp", change(Kind.RECEIPT, REFERENCE, replace(RECEIPT, received=Decimal("50.00"))))
    assert operations(told.touched) == [("shop", "record_payment", "7001")]
    assert told.touched[0]["wanted"] == 1 and told.made == []


def test_a_return_and_a_cancellation_are_facts():
    told = facts()
    told.erp("erp", change(Kind.RETURN, "900", BACK))
    told.erp("erp", change(Kind.ERP_ORDER, REFERENCE, OFF))
    told.erp("erp", change(Kind.ERP_ORDER, REFERENCE, replace(OFF, cancelled=False)))
    assert operations(told.made) == [
        ("shop", "create_refund", f"7001{SEP}900"),
        ("shop", "cancel_order", "7001"),
    ]


def test_without_a_route_nothing_is_told_and_somebody_elses_order_is_nobodys():
    for told, key in ((facts(ORDERS, AT), REFERENCE), (facts(), "web-1")):
        told.erp("erp", change(Kind.RECEIPT, key, replace(RECEIPT, key=key)))
        told.erp("erp", change(Kind.RETURN, "900", replace(BACK, order_key=key)))
        told.erp("erp", change(Kind.ERP_ORDER, key, replace(OFF, key=key)))
        assert (told.made, told.touched) == ([], [])


def test_what_a_route_leaves_out_is_not_asked_for():
    told = facts(replace(STATUS, left_out=frozenset({"cancel_order"})))
    told.erp("erp", change(Kind.ERP_ORDER, REFERENCE, OFF))
    assert told.made == []
    sold = order(line("l", "A", 1), payments=(Payment("1", Decimal(10), "GBP", START_MS),))
    for left_out, seen in ((frozenset(), ["put_payment"]), (frozenset({"put_payment"}), [])):
        told = facts(replace(ORDERS, left_out=left_out))
        told.order("shop", sold, change(Kind.ORDER, "7001", sold), changed=False, previous=None)
        assert [row["operation"] for row in told.made] == seen


# --- an order that comes after the ERP told of it -----------------------------------------------------


def test_an_order_meets_what_the_erp_told_of_it_before():
    desk = Desk()
    desk.batch.erp_order_known("shop", "7001", taken(("A", "1", 5)))
    desk.apply(**placed(line("l", "A", 5, "10.00", ("70", 5))))
    assert [row["quantity"] for row in desk.store()["demand_known"]] == [5]
    assert erp_holds(desk) == {("l", "1"): 5}


def test_so_does_one_that_was_told_in_the_same_batch_or_was_not_read_whole():
    desk = Desk()
    desk.apply(Kind.ERP_ORDER, REFERENCE, taken(("A", "1", 5)))
    desk.apply(**placed(line("l", "A", 5, "10.00", ("70", 5))))
    desk.store()
    assert erp_holds(desk) == {("l", "1"): 5}
    # An edit of an order that is known whole is not the ERP's news: it may not contain it yet.
    desk.batch.erp_order_known("shop", "7001", taken(("A", "1", 5)))
    desk.apply(
        **placed(
            line("l", "A", 5, "10.00", ("70", 5)),
            line("m", "A", 2, "10.00", ("70", 2)),
            updated_at_ms=START_MS + 1,
        )
    )
    desk.store()
    assert erp_holds(desk) == {("l", "1"): 5, ("m", "1"): 0}


# --- what a delivery carries --------------------------------------------------------------------------


class Desk2:
    """The builder of one channel on a store with some records."""

    def __init__(self, store: SqliteStore, routes: Routes, adopted: Adopted | None = None) -> None:
        self.store = store
        adoption = Adoption(store, routes, {})

        async def known(_system: str, references: list[str]) -> dict[str, Adopted]:
            return dict.fromkeys(references, adopted) if adopted is not None else {}

        adoption.adopted = known  # type: ignore[method-assign,assignment]
        self.answers = Answers(store, routes, adoption, "shop")

    async def put(self, system: str, kind: Kind, key: str, value: object) -> None:
        row = {"system": system, "kind": kind.value, "key": key, "version": 1, "tiebreak": 0, "hash": ""}
        times = {"changed_at_ms": START_MS, "observed_at_ms": START_MS, "offset": 1}
        await self.store.write(Write("record_put", [{**row, **times, "body": encode(value)}]))

    async def told(self, amount: str) -> None:
        row = {"system": "shop", "kind": "payment", "key": "7001", "external_id": "1", "version": 0}
        await self.store.write(Write("binding_put", [{**row, "hash": amount, "now_ms": START_MS}]))


def built(records, operation, key, *, told="", adopted=None, route=None, recipes=None, sold=None):
    async def story(clock):
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        desk = Desk2(store, Routes(ALL, recipes), adopted)
        if sold is not None:
            await desk.put("shop", Kind.ORDER, "7001", sold)
        for kind, name, value in records:
            await desk.put("erp", kind, name, value)
        if told:
            await desk.told(told)
        answer = await getattr(desk.answers, operation)({key: route})
        await store.close()
        return answer[key]

    return play(story)


SOLD = order(line("l", "A", 4, "10.00", ("70", 4)))


def paid(receipt=RECEIPT, sold=SOLD, **more):
    records = [(Kind.RECEIPT, REFERENCE, receipt)] if receipt else []
    return built(records, "record_payment", "7001", route=PAYMENTS, sold=sold, **more)


def test_a_payment_carries_the_whole_figure():
    assert paid() == Send(RecordPayment("7001", RECEIPT))
    assert paid(sold=None) == Send(RecordPayment("7001", RECEIPT))
    assert paid(told="39.99") == Send(RecordPayment("7001", RECEIPT))
    assert paid(told="") == paid(told="unreadable")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"told": "40.00"}, "was told of this money"),
        ({"receipt": None}, "does not know this order"),
        ({"receipt": replace(RECEIPT, received=Decimal(0))}, "nothing was received"),
        ({"sold": replace(SOLD, cancelled_at_ms=START_MS)}, "cancelled at its channel"),
    ],
)
def test_a_payment_that_concerns_nobody_is_skipped(given, words):
    answer = paid(**given)
    assert isinstance(answer, Skip) and words in answer.reason


def test_money_in_another_currency_waits_for_a_person():
    answer = paid(replace(RECEIPT, currency="EUR"))
    assert isinstance(answer, Refuse) and answer.reason == "currency_differs"
    assert isinstance(paid(replace(RECEIPT, currency="")), Send)


def back(value=BACK, **more):
    records = [(Kind.RETURN, "900", value)] if value else []
    return built(records, "create_refund", f"7001{SEP}900", route=RETURNS, **more)


def test_a_return_carries_the_channels_places_and_what_the_route_says():
    answer = back(sold=SOLD)
    assert answer == Send(
        CreateRefund("7001", "erp return 900", BACK, (("A", "70", 2),), restock=True, money=False)
    )
    gone = back(None)
    assert isinstance(gone, Skip) and "does not know this return" in gone.reason


@pytest.mark.parametrize("restocked", [True, False])
@pytest.mark.parametrize("credited", [True, False])
def test_a_return_goes_no_further_than_the_erp_and_the_route_say(restocked, credited):
    value = replace(BACK, restocked=restocked, credited=credited)
    payload = back(value, sold=SOLD).payload
    assert (payload.restock, payload.money) == (restocked, False)


def test_goods_that_were_sold_in_packs_come_back_in_packs():
    recipes = Recipes({"CASE": {"A": 12}})
    value = replace(BACK, lines=(ShipmentLine("A", "1", Decimal(25)),))
    cases = order(line("l", "CASE", 3, "90.00", ("70", 3)))
    assert back(value, recipes=recipes, sold=cases).payload.lines == (("CASE", "70", 2),)
    loose = replace(BACK, lines=(ShipmentLine("A", "1", Decimal(5)),))
    assert isinstance(back(loose, recipes=recipes, sold=cases), Skip)


def test_a_return_from_before_an_adoption_waits_for_a_person():
    was = Adopted(State.OPEN, START_MS, START_MS)
    answer = back(adopted=was)
    assert isinstance(answer, Refuse) and answer.reason == "returned_before"
    assert isinstance(back(adopted=replace_ms(was)), Send)


def replace_ms(was: Adopted) -> Adopted:
    return Adopted(was.state, was.at_ms, START_MS - 1)


def test_of_an_order_that_was_taken_over_everything_counts_that_the_channel_holds():
    was = Adopted(State.OPEN, START_MS, START_MS)
    assert paid(adopted=was) == Send(RecordPayment("7001", replace(RECEIPT, of_channel=True)))
    settled = replace(SOLD, payments=(Payment("1", Decimal("40.00"), "GBP", START_MS),))
    assert isinstance(paid(adopted=was, sold=settled), Skip)
    assert isinstance(paid(sold=settled), Send)  # what an ERP of ours tells is its own


def test_an_order_that_was_left_alone_is_left_alone():
    was = Adopted(State.LEFT, START_MS, 0)
    for answer in (paid(adopted=was), back(adopted=was), off(adopted=was)):
        assert isinstance(answer, Skip) and "left alone" in answer.reason


def off(value=OFF, **more):
    return built([(Kind.ERP_ORDER, REFERENCE, value)], "cancel_order", "7001", route=STATUS, **more)


def test_an_order_is_called_off_unless_it_is_or_the_erp_thinks_better_of_it():
    assert off(sold=SOLD) == Send(CancelOrder("7001", restock=False, money=True))
    gone = off(sold=replace(SOLD, cancelled_at_ms=START_MS))
    assert isinstance(gone, Skip) and "cancelled at its channel already" in gone.reason
    nothing = tuple(replace(line, quantity=Decimal(0)) for line in SOLD.lines)
    empty = off(sold=replace(SOLD, lines=nothing, complete=True))
    assert isinstance(empty, Skip) and "wanted at its channel" in empty.reason
    assert isinstance(off(sold=replace(SOLD, lines=nothing, complete=False)), Send)  # not read whole yet
    again = off(replace(OFF, cancelled=False))
    assert isinstance(again, Skip) and "not call it off any more" in again.reason


@pytest.mark.parametrize("operation", ["record_payment", "create_refund", "cancel_order"])
def test_a_delivery_of_a_route_that_is_gone_is_skipped(operation):
    answer = built([], operation, "7001")
    assert isinstance(answer, Skip) and "not configured any more" in answer.reason


# --- what cannot be done ------------------------------------------------------------------------------


class Some:
    """A system that can do some things and tell some."""

    def __init__(self, name: str, operations: tuple[str, ...] = (), flows: tuple[Flow, ...] = ()) -> None:
        self.name, self.connector = name, "acme"
        self.sink = type("Sink", (), {"operations": dict.fromkeys(operations)})()
        streams = tuple(type("Stream", (), {"flows": (flow,), "snapshot": False})() for flow in flows)
        self.source = type("Source", (), {"streams": streams})()


@pytest.mark.parametrize(
    ("route", "can", "words"),
    [
        (ORDERS, ("put_order", "put_refund"), r"record a payment; write leave_out = \[\"payments\"\]"),
        (ORDERS, ("put_order", "put_payment"), r"record a refund; write leave_out = \[\"refunds\"\]"),
        (STATUS, ("create_shipment",), r"cancel an order; write leave_out = \[\"cancellations\"\]"),
        (STATUS, ("cancel_order",), "announce a shipment; take the route out"),
        (PAYMENTS, (), "show a payment; take the route out"),
        (RETURNS, (), "give goods and money back; take the route out"),
        (PAYMENTS, ("record_payment",), "acme tells nothing of payments"),
    ],
)
def test_what_would_wait_for_ever_is_refused_at_the_start(route, can, words):
    systems = [Some(route.sink, can), Some(route.source)]
    with pytest.raises(Misconfigured, match=words):
        Engine(store=None, clock=None, rng=None, systems=systems, routes=Routes([route]))


@pytest.mark.parametrize("name", [REFERENCE, REFERENCE.upper()])
def test_what_the_erp_told_of_an_order_before_is_read_when_the_order_comes(name):
    """The whole way: the ERP's word is stored, and nobody remembers it when the channel tells of the order."""

    async def story(clock):
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        told = {
            b"erp": change(Kind.ERP_ORDER, name, taken(("A", "1", 5))),
            b"shop": change(Kind.ORDER, "7001", order(line("l", "A", 5, "10.00", ("70", 5)))),
        }
        systems = {
            name: SimpleNamespace(
                source=SimpleNamespace(decode=lambda logged: [told[logged.event.body]]),
                capabilities=Capabilities(),
            )
            for name in ("erp", "shop")
        }
        for which in ("erp", "shop"):  # each by a process of its own
            lease = Lease(store, clock, "apply", which)
            await lease.take()

            async def step(guard):
                return 0, []

            applier = Applier(
                store=store,
                clock=clock,
                systems=systems,
                routes=Routes([ORDERS, AT]),
                catalog=Catalog(None),
                deriver=SimpleNamespace(step=step, deferred=lambda: None),
                learner=DemandLearner(store),
                lease=lease,
                offer=lambda rows: None,
            )
            await store.append(
                [Event(which, "t", which, Via.EVENT, START_MS, which.encode())], received_at_ms=START_MS
            )
            await applier.step()
            await lease.drop()
        rows = await store.read("demand_of_orders", channel="shop", orders=["7001"])
        await store.close()
        return [(location, quantity, held) for _, _, _, location, _, quantity, _, held, _ in rows]

    assert play(story) == [("1", 5, 5)]
