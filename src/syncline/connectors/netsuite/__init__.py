"""Oracle NetSuite: SuiteTalk REST and SuiteQL, with a user-event script for push."""

from syncline.connectors.netsuite.manifest import CAPABILITIES, OPERATIONS, SAMPLE, STREAMS, NetSuiteSettings
from syncline.connectors.netsuite.system import open_system
from syncline.model.change import Flow
from syncline.ports import Connector

CONNECTOR = Connector(
    "netsuite",
    "Oracle NetSuite",
    NetSuiteSettings,
    CAPABILITIES,
    open_system,
    SAMPLE,
    frozenset(OPERATIONS),
    tells=frozenset(flow for stream in STREAMS for flow in Flow if stream.tells(flow)),
)

__all__ = ["CONNECTOR", "NetSuiteSettings"]
