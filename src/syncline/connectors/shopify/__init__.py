"""Shopify: the connector and its simulator."""

from __future__ import annotations

from random import Random

from syncline.connectors.shopify.census import ShopifyCensus
from syncline.connectors.shopify.client import Client
from syncline.connectors.shopify.manifest import (
    CAPABILITIES,
    OPERATIONS,
    RESTORE_PER_S,
    SAMPLE,
    STREAMS,
    ShopifySettings,
)
from syncline.connectors.shopify.rereads import Rereader
from syncline.connectors.shopify.setup import Setup
from syncline.connectors.shopify.sink import ShopifySink
from syncline.connectors.shopify.source import ShopifySource
from syncline.model.change import Flow
from syncline.ports import Connector, Opening, System
from syncline.sdk.governor import CostBucket


def open_system(opening: Opening) -> System:
    """Open one configured shop. Makes no call."""
    settings: ShopifySettings = opening.settings
    assert isinstance(opening.rng, Random)
    restore = RESTORE_PER_S[settings.plan]
    # Observed on a standard shop: 2000 points at most, 100 a second. The answers correct both at once.
    governor = CostBucket(opening.clock, capacity=20.0 * restore, restore_per_s=restore, answers_tell=True)
    client = Client(settings, clock=opening.clock, transport=opening.transport, governor=governor)
    setup = Setup(settings, client)
    return System(
        name=opening.name,
        connector="shopify",
        capabilities=CAPABILITIES,
        source=ShopifySource(opening.name, settings, client=client, clock=opening.clock),
        sink=ShopifySink(
            opening.name, settings, client=client, clock=opening.clock, transport=opening.transport
        ),
        governor=governor,
        prepare=setup.prepare,
        check=setup.check,
        census=ShopifyCensus(opening.name, settings, client=client, clock=opening.clock),
        rereads=Rereader(settings, client=client, clock=opening.clock).rereads(),
    )


CONNECTOR = Connector(
    name="shopify",
    title="Shopify",
    settings=ShopifySettings,
    capabilities=CAPABILITIES,
    open=open_system,
    sample=SAMPLE,
    operations=frozenset(OPERATIONS),
    tells=frozenset(flow for stream in STREAMS for flow in Flow if stream.tells(flow)),
)

__all__ = ["CONNECTOR", "ShopifySettings", "open_system"]
