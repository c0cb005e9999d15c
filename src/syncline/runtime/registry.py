"""Which connectors are installed: ours and third parties', found the same way."""

from __future__ import annotations

from importlib.metadata import entry_points

from syncline.model.errors import Misconfigured
from syncline.ports import Connector

GROUP = "syncline.connectors"


def names() -> frozenset[str]:
    """The names that are taken, without loading anything: a connector that does not load has one, too."""
    return frozenset(entry.name for entry in entry_points(group=GROUP))


def connectors() -> dict[str, Connector]:
    """Every installed connector, by name.

    Raises:
        Misconfigured: an entry point names something that is no connector, or a name is taken twice.
    """
    found: dict[str, Connector] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name):
        connector = entry.load()
        if not isinstance(connector, Connector):
            raise Misconfigured(f"entry point {GROUP}:{entry.name} is no Connector: {entry.value}")
        if connector.name in found:
            raise Misconfigured(f"two installed packages provide a connector called {connector.name!r}")
        found[connector.name] = connector
    return found
