"""NetSuite joins the conformance suites; everything special to it is in the files beside this one."""

from __future__ import annotations

import pytest
from tests.connectors.benches import NetSuiteBench
from tests.connectors.netsuite_world import World, line, order, run

from syncline.model.payloads import OrderItem, PutOrder
from syncline.testing.simulator import SimulatorConformance
from syncline.testing.sink import SinkConformance
from syncline.testing.source import SourceConformance


class TestNetSuiteSource(SourceConformance):
    bench = NetSuiteBench


class TestNetSuiteSink(SinkConformance):
    bench = NetSuiteBench


class TestNetSuiteSimulator(SimulatorConformance):
    bench = NetSuiteBench


def test_an_order_that_waits_for_approval_does_not_claim_to_hold_stock():
    async def story(world: World) -> None:
        pool = OrderItem("a", str(world.item), "21730", str(world.place), 3)
        placed = order(line("a", "21730", 3, "9.99"))
        outcome = await world.do("put_order", PutOrder("shop-1001", placed, (pool,)))
        assert world.sim.order(int(outcome.facts["external_id"])).status == "A"
        assert world.sim.committed("21730", world.place) == 0
        assert outcome.facts.get("commits_stock", True) is False

    run(story, approve_orders=False)


@pytest.mark.parametrize("approve", [True, False])
def test_an_order_of_which_no_total_is_read_back_claims_no_more_than_was_asked_for(approve):
    async def story(world: World) -> None:
        world.wire.lose = lambda request: request.method == "GET"
        pool = OrderItem("a", str(world.item), "21730", str(world.place), 3)
        placed = order(line("a", "21730", 3, "9.99"))
        outcome = await world.do("put_order", PutOrder("shop-1001", placed, (pool,)))
        assert "not checked" in outcome.message
        assert outcome.facts["commits_stock"] is approve
        # Whether an order that is there commits anything, its event tells.
        revised = PutOrder("shop-1001", placed, (pool,), external_id=outcome.facts["external_id"])
        world.wire.lose = lambda request: request.method == "GET" and "expand" not in request.url
        outcome = await world.do("put_order", revised)
        assert "not checked" in outcome.message and outcome.facts["commits_stock"] is False

    run(story, approve_orders=approve)
