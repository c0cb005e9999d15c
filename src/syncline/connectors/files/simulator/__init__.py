"""An object store and the partners who share it with us: written from the documents, blind to our client."""

from syncline.connectors.files.simulator.books import Books
from syncline.connectors.files.simulator.market import Market
from syncline.connectors.files.simulator.office import Office
from syncline.connectors.files.simulator.partner import Partner
from syncline.connectors.files.simulator.store import ACCESS_KEY, ORIGIN, SECRET_KEY, ObjectStoreSimulator

__all__ = [
    "ACCESS_KEY",
    "ORIGIN",
    "SECRET_KEY",
    "Books",
    "Market",
    "ObjectStoreSimulator",
    "Office",
    "Partner",
]
