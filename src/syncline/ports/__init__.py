"""What Syncline needs from outside, as Protocols: time, transport, storage, sources and sinks."""

from syncline.ports.broker import Brokers, Feed, Inlet, Message
from syncline.ports.census import REFERENCE, Census, CensusPage, OrderBook
from syncline.ports.clock import Clock, Late, Timer, within
from syncline.ports.connector import (
    Connector,
    Governor,
    Opening,
    Page,
    PollStream,
    Sample,
    Sink,
    Source,
    System,
    Verified,
    WebhookRequest,
)
from syncline.ports.copies import Copies, Searched, Whose
from syncline.ports.expiry import Expiry
from syncline.ports.folder import Entry, Folder
from syncline.ports.gates import Cart, CartLine, Gate
from syncline.ports.ledger import Ledger
from syncline.ports.rereads import Part, Rereads
from syncline.ports.store import Row, Store, Write
from syncline.ports.transport import Request, Response, Transport

__all__ = [
    "REFERENCE",
    "Brokers",
    "Cart",
    "CartLine",
    "Census",
    "CensusPage",
    "Clock",
    "Connector",
    "Copies",
    "Entry",
    "Expiry",
    "Feed",
    "Folder",
    "Gate",
    "Governor",
    "Inlet",
    "Late",
    "Ledger",
    "Message",
    "Opening",
    "OrderBook",
    "Page",
    "Part",
    "PollStream",
    "Request",
    "Rereads",
    "Response",
    "Row",
    "Sample",
    "Searched",
    "Sink",
    "Source",
    "Store",
    "System",
    "Timer",
    "Transport",
    "Verified",
    "WebhookRequest",
    "Whose",
    "Write",
    "within",
]
