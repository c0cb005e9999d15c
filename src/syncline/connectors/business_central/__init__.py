"""Dynamics 365 Business Central: API v2.0, and pages of our own extension for what it does not tell."""

from syncline.connectors.business_central.manifest import (
    CAPABILITIES,
    OPERATIONS,
    SAMPLE,
    STREAMS,
    BusinessCentralSettings,
)
from syncline.connectors.business_central.system import open_system
from syncline.model.change import Flow
from syncline.ports import Connector

CONNECTOR = Connector(
    "business_central",
    "Dynamics 365 Business Central",
    BusinessCentralSettings,
    CAPABILITIES,
    open_system,
    SAMPLE,
    frozenset(OPERATIONS),
    tells=frozenset(flow for stream in STREAMS for flow in Flow if stream.tells(flow)),
)

__all__ = ["CONNECTOR", "BusinessCentralSettings"]
