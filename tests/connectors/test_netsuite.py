"""NetSuite joins the conformance suites; everything special to it is in the files beside this one."""

from __future__ import annotations

from typing import ClassVar

from tests.connectors.benches import NetSuiteBench

from syncline.testing.bench import Waiver
from syncline.testing.simulator import SimulatorConformance
from syncline.testing.sink import SinkConformance
from syncline.testing.source import SourceConformance


class TestNetSuiteSource(SourceConformance):
    bench = NetSuiteBench
    waivers: ClassVar = {
        "test_a_webhook_without_a_signature_is_called_a_forgery": Waiver(
            "verify raises Rejected where it should raise Forged, so the ingress answers 422 instead of 401",
            expires="2027-01-31",
        ),
    }


class TestNetSuiteSink(SinkConformance):
    bench = NetSuiteBench


class TestNetSuiteSimulator(SimulatorConformance):
    bench = NetSuiteBench
    waivers: ClassVar = {
        "test_a_field_that_was_refused_is_noted": Waiver(
            "the ledger counts unknown fields only where the vendor drops them in silence",
            expires="2027-01-31",
        ),
    }
