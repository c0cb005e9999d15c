"""Shopify joins the conformance suites; everything special to it is in the files beside this one."""

from __future__ import annotations

from tests.connectors.benches import ShopifyBench

from syncline.testing.simulator import SimulatorConformance
from syncline.testing.sink import SinkConformance
from syncline.testing.source import SourceConformance


class TestShopifySource(SourceConformance):
    bench = ShopifyBench


class TestShopifySink(SinkConformance):
    bench = ShopifyBench


class TestShopifySimulator(SimulatorConformance):
    bench = ShopifyBench
