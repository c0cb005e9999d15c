"""What light systems take from a vendor, whose simulators a what-if plays, and what is said of those that there are not."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest
from tests.unit.asked import ASK
from tests.unit.support import START_MS, play

from syncline.cli.whatif_run import accounts_of, settings_of, shapes_of
from syncline.model.change import LoggedEvent, Via
from syncline.model.copying import replace
from syncline.model.delivery import Item, Result
from syncline.model.errors import Misconfigured
from syncline.model.payloads import OrderItem, PutOrder, ReadOrder, SetStock
from syncline.planner.choice import planned
from syncline.planner.vendors import vendors
from syncline.runtime.plan import question_of
from syncline.simulate.against import NOT_PLAYED
from syncline.simulate.case import Setting
from syncline.simulate.history import HistoryLine
from syncline.simulate.lean import LeanChannel, LeanErp, Wire, arrivals, order_of
from syncline.simulate.licence import Licence
from syncline.simulate.planned import Staged, staged
from syncline.simulate.predicted import LIGHT_PACE, light_pace
from syncline.simulate.shape import NOBODYS, Shape, shape_of
from syncline.simulate.sides import SHOPS
from syncline.simulate.stage import Account, Accounts

PLAN = """
systems.ns = { vendor = "netsuite", licence = "premium", limit_share = "60%" }
systems.shop = { vendor = "shopify", licence = "advanced" }
volumes = { skus = 500, orders_per_day = 3 }
flows = [
    { flow = "inventory", from = "ns", to = "shop" },
    { flow = "orders", from = "shop", to = "ns" },
]
"""


def stage(text: str = PLAN) -> Staged:
    return staged(planned(question_of(text)))


def line(units: int) -> HistoryLine:
    return HistoryLine("A", "A", units, Decimal(1))


# --- figures -----------------------------------------------------------------------------------------------


def test_figures_are_those_of_the_vendors_sheet():
    shop, erp = shape_of(vendors()["shopify"]), shape_of(vendors()["netsuite"])
    assert (shop.values_per_call, shop.orders_whole, shop.write_calls) == (250, 3, 1)
    told = vendors()["netsuite"].reads["inventory"]
    assert (erp.order_calls, erp.read_calls, erp.news_calls) == (3, told.calls, told.more)
    adobe = shape_of(vendors()["adobe_commerce"])
    assert (adobe.values_per_call, adobe.write_calls, adobe.orders_whole) == (20, 2, 10)
    assert shape_of(replace(vendors()["shopify"], reads={}, writes={})) == NOBODYS


def test_one_location_is_played_where_a_channel_knows_of_one_only():
    plenty, few = shape_of(vendors()["shopify"]), shape_of(vendors()["adobe_commerce"])
    assert Setting("hybrid", shapes={"a": plenty}).places == Setting("hybrid").places == 3
    assert Setting("hybrid", shapes={"a": plenty, "b": few}).places == 1
    accounts = accounts_of(replace(ASK, against="simulators", shop="adobe-commerce"), None)
    assert Setting("hybrid", accounts=accounts).places == 1
    usual = accounts_of(replace(ASK, against="simulators"), None)
    assert Setting("hybrid", accounts=usual).places == 3
    # As the simulated shops themselves have it.
    played = {name: side.locations for name, side in SHOPS.items() if name not in NOT_PLAYED}
    assert played == {"shopify": 3, "adobe-commerce": 1}


def test_bounds_reckon_with_the_figures():
    assert light_pace(NOBODYS, NOBODYS) == LIGHT_PACE
    pace = light_pace(
        Shape(values_per_call=20, write_calls=2, orders_whole=3),
        Shape(order_calls=3, read_calls=2, news_calls=3),
    )
    assert (pace.call_ms, pace.values_per_call, pace.whole_ms) == (1_200, 20, 600)
    assert (pace.order_ms, pace.erp_read_ms) == (9_000, 15_000)


# --- light systems -----------------------------------------------------------------------------------------


def test_an_order_that_no_event_tells_all_of_is_read_whole():
    async def story(clock):
        shop = LeanChannel(
            "a", Wire(clock, Random(1)), {"A": [5, 0, 0]}, tell=lambda *_: None, tells=True,
            shape=Shape(orders_whole=3),
        )  # fmt: skip
        shop.report(order_of("7", START_MS, [(line(2), shop.take("A", 2))]), after_s=0, event_s=0, lost=False)
        (told,) = shop.source.visible
        (heard,) = shop.source.decode(LoggedEvent(1, START_MS, told))
        assert not heard.value.complete
        (outcome,) = await shop.deliver("read_order", [Item("7", ReadOrder("7"))], "k")
        event = outcome.facts["event"]
        (read,) = shop.source.decode(LoggedEvent(2, START_MS, event))
        assert read.value.complete and event.via is Via.READ
        assert (read.version, read.tiebreak) > (heard.version, heard.tiebreak)
        assert shop.system().sink.operations["read_order"].batch_items_max == 3
        assert shop.wire.counted.calls == {"read_order": 1}
        plain = LeanChannel("b", Wire(clock, Random(1)), {}, tell=lambda *_: None, tells=True)
        assert "read_order" not in plain.operations

    play(story)


def test_an_order_takes_as_many_calls_as_the_vendor_needs_and_counts_once():
    async def story(clock):
        erp = LeanErp(
            "erp", Wire(clock, Random(1)), {"A": [5, 0, 0]}, rng=Random(2), tell=lambda *_: None, tells=True,
            shape=Shape(order_calls=3, read_calls=2, news_calls=2),
        )  # fmt: skip
        order = PutOrder("a-1", order_of("1", START_MS, []), (OrderItem("1", "A", "A", "main", 2),))
        (outcome,) = await erp.deliver("put_order", [Item("1", order)], "k")
        assert outcome.result is Result.DONE and erp.holds("A") == 3
        counted = erp.wire.counted
        assert (counted.calls["put_order"], counted.values["put_order"]) == (3, 1)
        found = [page async for page in erp.source.poll("movements", None)]
        assert len(found[0].events) == 1 and counted.calls["read movements"] == 4
        # Where nothing is new, two say so.
        again = [page async for page in erp.source.poll("movements", found[-1].cursor)]
        assert not again[0].events and counted.calls["read movements"] == 6

    play(story)


def test_a_channel_that_compares_nothing_is_read_before_it_is_written():
    async def story(clock):
        shop = LeanChannel(
            "a", Wire(clock, Random(1)), {"A": [5, 0, 0]}, tell=lambda *_: None, tells=True,
            shape=Shape(values_per_call=20, write_calls=2),
        )  # fmt: skip
        await shop.deliver("set_stock", [Item("1", SetStock("A", "A", "main", 7, 5))], "k")
        assert shop.wire.counted.calls == {"read_stock": 1, "set_stock": 1}
        assert shop.system().capabilities.batch_items_max == 20

    play(story)


@pytest.mark.parametrize(
    ("units", "there", "parts"),
    [
        (3, [-2, -4, 0], [2, 1, 0]),  # first where units are owed
        (10, [-2, 1, 0], [7, 2, 1]),  # then where most is missing: 6, 2 and 1 to the targets
        (10, [6, 3, 1], [6, 3, 1]),  # nothing is missing: as the stock is split
        (4, [0], [4]),
    ],
)
def test_goods_go_to_where_they_are_missing(units, there, parts):
    assert arrivals(units, there, [6, 3, 1][: len(there)]) == parts


# --- whose systems are played ------------------------------------------------------------------------------


def test_a_plan_says_whose_systems_and_which_licences_are_played():
    accounts = accounts_of(replace(ASK, against="simulators"), stage())
    assert accounts == Accounts(
        Account("netsuite", Licence("premium", 15, 9)), {"shop": Account("shopify", Licence("advanced"))}
    )
    assert accounts.json("ns") == {
        "shop": {"vendor": "shopify", "licence": "advanced"},
        "ns": {"vendor": "netsuite", "licence": "premium"},
    }
    (setting,) = settings_of(replace(ASK, against="simulators"), stage(), accounts)
    assert (setting.accounts, setting.shapes, setting.calls_per_s) == (accounts, {}, 0.0)
    (light,) = settings_of(ASK, stage())
    assert light.accounts is None and light.shapes["ns"] == shape_of(vendors()["netsuite"])


def test_without_a_plan_vendors_are_named_or_the_usual_ones():
    usual = accounts_of(replace(ASK, against="simulators", channels=2), None)
    assert (usual.erp.vendor, [one.vendor for one in usual.channels.values()]) == (
        "netsuite",
        ["shopify"] * 2,
    )
    named = accounts_of(
        replace(ASK, against="simulators", shop="adobe-commerce", erp="business-central"), None
    )
    assert (named.erp.sheet, named.channels["a"].sheet) == ("business_central", "adobe_commerce")
    assert accounts_of(ASK, None) is None
    assert shapes_of(ASK, None) == {}
    named = shapes_of(replace(ASK, channels=1, shop="bigcommerce"), None)
    assert named == {"a": shape_of(vendors()["bigcommerce"])}


@pytest.mark.parametrize(
    ("asked", "plan", "words"),
    [
        ({"against": "everything"}, "", "it is light or simulators"),
        ({"against": "simulators", "erp": "acumatica"}, "", "no simulator of acumatica to be erp, the ERP; there are netsuite"),
        ({"against": "simulators", "shop": "x"}, "", "no simulator of x to be channel a"),
        ({"against": "simulators", "shop": "files"}, "", "no simulator of files to be channel a; there are shopify, adobe"),
        ({"against": "simulators", "shop": "shopify"}, PLAN, "the plan names the vendor"),
        (
            {"against": "simulators"},
            PLAN.replace('"netsuite", licence = "premium"', '"sap_s4hana"'),
            "no simulator of SAP S/4HANA",
        ),
    ],
)  # fmt: skip
def test_whose_simulators_there_are_not_is_said(asked, plan, words):
    with pytest.raises(Misconfigured, match=words):
        accounts_of(replace(ASK, **asked), stage(plan) if plan else None)


def test_figures_of_vendors_that_nobody_knows_are_refused():
    with pytest.raises(Misconfigured, match="x: there is no such vendor; there are netsuite"):
        shapes_of(replace(ASK, erp="x"), None)
    with pytest.raises(Misconfigured, match="the plan names the vendor"):
        shapes_of(replace(ASK, erp="netsuite"), stage())


def test_a_simulator_knows_every_order_when_it_is_placed():
    accounts = accounts_of(replace(ASK, against="simulators"), None)
    with pytest.raises(Misconfigured, match="play unseen checkouts against the light systems"):
        Setting("hybrid", "unseen", accounts=accounts)
