"""An object store and the partner who shares it with us: written from the documents, blind to our client."""

from syncline.connectors.files.simulator.partner import Partner
from syncline.connectors.files.simulator.store import ACCESS_KEY, ORIGIN, SECRET_KEY, ObjectStoreSimulator

__all__ = ["ACCESS_KEY", "ORIGIN", "SECRET_KEY", "ObjectStoreSimulator", "Partner"]
