"""The conformance suites of the shop's three parts. Tests of your own go below them."""

from syncline.testing.kiosk.bench import KioskBench
from syncline.testing.simulator import SimulatorConformance
from syncline.testing.sink import SinkConformance
from syncline.testing.source import SourceConformance


class TestKioskSource(SourceConformance):
    bench = KioskBench


class TestKioskSink(SinkConformance):
    bench = KioskBench


class TestKioskSimulator(SimulatorConformance):
    bench = KioskBench
