"""Adobe Commerce joins the conformance suites; everything special to it is in the files beside this one."""

from __future__ import annotations

from tests.connectors.adobe_bench import AdobeCommerceBench, AdobeCommerceBulkBench

from syncline.testing.simulator import SimulatorConformance
from syncline.testing.sink import SinkConformance
from syncline.testing.source import SourceConformance


class TestAdobeCommerceSource(SourceConformance):
    bench = AdobeCommerceBench


class TestAdobeCommerceSink(SinkConformance):
    bench = AdobeCommerceBench


class TestAdobeCommerceBulkSink(SinkConformance):
    bench = AdobeCommerceBulkBench


class TestAdobeCommerceSimulator(SimulatorConformance):
    bench = AdobeCommerceBench
