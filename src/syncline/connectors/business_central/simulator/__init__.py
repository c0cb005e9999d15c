"""Dynamics 365 Business Central online as a local app: strict, seeded, with a truth ledger."""

from syncline.connectors.business_central.simulator.app import (
    CLIENT_ID,
    CLIENT_SECRET,
    BusinessCentralSimulator,
)
from syncline.connectors.business_central.simulator.truth import (
    MemoTruth,
    OrderLineTruth,
    OrderTruth,
    PaymentTruth,
    ShipmentTruth,
)

__all__ = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "BusinessCentralSimulator",
    "MemoTruth",
    "OrderLineTruth",
    "OrderTruth",
    "PaymentTruth",
    "ShipmentTruth",
]
