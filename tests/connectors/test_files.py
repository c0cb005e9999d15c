"""Files join the conformance suites, over object storage; everything special to them is in the files beside this one."""

from __future__ import annotations

from tests.connectors.files_bench import FilesBench
from tests.connectors.files_market_bench import MarketBench
from tests.connectors.files_prices_bench import PricesBench
from tests.connectors.files_products_bench import ProductsBench
from tests.connectors.files_told_bench import ToldBench

from syncline.testing.simulator import SimulatorConformance
from syncline.testing.sink import SinkConformance
from syncline.testing.source import SourceConformance


class TestFilesSource(SourceConformance):
    bench = FilesBench


class TestFilesSink(SinkConformance):
    bench = FilesBench


class TestFilesSimulator(SimulatorConformance):
    bench = FilesBench


class TestProductsSource(SourceConformance):
    bench = ProductsBench


class TestMarketSource(SourceConformance):
    bench = MarketBench


class TestMarketSink(SinkConformance):
    bench = MarketBench


class TestPricesSource(SourceConformance):
    bench = PricesBench


class TestToldSink(SinkConformance):
    bench = ToldBench
