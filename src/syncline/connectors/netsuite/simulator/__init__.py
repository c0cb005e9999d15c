"""An Oracle NetSuite account as a local app: strict, seeded, with a truth ledger."""

from syncline.connectors.netsuite.simulator.app import NetSuiteSimulator, OAuth1Secrets
from syncline.connectors.netsuite.simulator.auth import make_certificate
from syncline.connectors.netsuite.simulator.truth import (
    DepositTruth,
    OrderLineTruth,
    OrderTruth,
    ReturnTruth,
    ShipmentTruth,
)

__all__ = [
    "DepositTruth",
    "NetSuiteSimulator",
    "OAuth1Secrets",
    "OrderLineTruth",
    "OrderTruth",
    "ReturnTruth",
    "ShipmentTruth",
    "make_certificate",
]
