"""Business Central joins the conformance suites; everything special to it is in the files beside this one."""

from __future__ import annotations

from tests.connectors.business_central_bench import BusinessCentralBench

from syncline.testing.simulator import SimulatorConformance
from syncline.testing.sink import SinkConformance
from syncline.testing.source import SourceConformance


class TestBusinessCentralSource(SourceConformance):
    bench = BusinessCentralBench


class TestBusinessCentralSink(SinkConformance):
    bench = BusinessCentralBench


class TestBusinessCentralSimulator(SimulatorConformance):
    bench = BusinessCentralBench
