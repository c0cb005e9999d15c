"""The whole pipeline over seeds where NetSuite keeps pieces and sells every other item by the case of twelve."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from functools import partial

import pytest

from syncline.connectors.netsuite.simulator import NetSuiteSimulator
from syncline.simulate.sides import netsuite
from syncline.simulate.sides.netsuite import NetSuiteSide
from syncline.simulate.simulation import Plan, Simulation

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("number", [1, 2])
def test_pieces_are_ordered_and_counted_whatever_unit_the_account_sells_by(number, monkeypatch):
    sides: list[NetSuiteSide] = []
    plain = NetSuiteSide.add_item

    def add_item(self: NetSuiteSide, sku: str, title: str, price: Decimal) -> None:
        plain(self, sku, title, price)
        if self not in sides:
            sides.append(self)
            self.pieces = self.simulator.add_units_type("Count", "Each", {"Case": 12})
        if len(self.simulator.skus) % 2:
            each, case = self.pieces.values()
            self.simulator.measure(sku, stock=each, purchase=case, sale=case)

    monkeypatch.setattr(netsuite, "NetSuiteSimulator", partial(NetSuiteSimulator, units_of_measure=True))
    monkeypatch.setattr(NetSuiteSide, "add_item", add_item)
    report = Simulation(number, Plan()).run()
    assert report.violations == []
    (side,) = sides
    orders = [order for same in side.simulator.sales_orders_by_external_id().values() for order in same]
    ours = Counter(
        line.unit for order in orders if order.by == "rest" for line in order.lines if line.role == "goods"
    )
    assert set(ours) == {"", "Each"} and ours["Each"] > 10
