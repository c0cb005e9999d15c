"""Files as a system: CSV, fixed-width and XML, to and from a folder, an SFTP server or object storage."""

from syncline.connectors.files.manifest import (
    CAPABILITIES,
    OPERATIONS,
    STREAMS,
    FilesSettings,
    capabilities_of,
)
from syncline.connectors.files.sample import CHANNEL, SAMPLE
from syncline.connectors.files.system import open_system
from syncline.model.change import Flow
from syncline.ports import Connector

CONNECTOR = Connector(
    "files",
    "Files (folder, SFTP, object storage)",
    FilesSettings,
    CAPABILITIES,
    open_system,
    SAMPLE,
    frozenset(OPERATIONS),
    tells=frozenset(flow for stream in STREAMS for flow in Flow if stream.tells(flow)),
    also=CHANNEL,
    offers=capabilities_of,
)

__all__ = ["CONNECTOR", "FilesSettings"]
