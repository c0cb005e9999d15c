"""What every reader of a company works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from syncline.connectors.business_central.client import Client
from syncline.connectors.business_central.manifest import BusinessCentralSettings
from syncline.ports import Clock


class Reading(NamedTuple):
    """One configured company; ``now`` asks for the product's clock, in milliseconds."""

    system: str
    settings: BusinessCentralSettings
    clock: Clock
    client: Client
    now: Callable[[], Awaitable[int]]
