"""Adobe Commerce and Magento Open Source: the connector and its simulator."""

from __future__ import annotations

from random import Random

from syncline.connectors.adobe_commerce.census import AdobeCommerceCensus
from syncline.connectors.adobe_commerce.client import Client
from syncline.connectors.adobe_commerce.gates import AdobeCommerceGate
from syncline.connectors.adobe_commerce.manifest import (
    CAPABILITIES,
    SAMPLE,
    AdobeCommerceSettings,
    capabilities_of,
)
from syncline.connectors.adobe_commerce.rereads import Rereader
from syncline.connectors.adobe_commerce.setup import Setup
from syncline.connectors.adobe_commerce.sink import AdobeCommerceSink
from syncline.connectors.adobe_commerce.source import AdobeCommerceSource
from syncline.ports import Connector, Opening, System
from syncline.sdk.governor import ConcurrencySlots


def open_system(opening: Opening) -> System:
    """Open one configured shop. Makes no call."""
    settings: AdobeCommerceSettings = opening.settings
    assert isinstance(opening.rng, Random)
    governor = ConcurrencySlots(opening.clock, settings.concurrency)
    client = Client(
        settings, clock=opening.clock, rng=opening.rng, transport=opening.transport, governor=governor
    )
    return System(
        name=opening.name,
        connector="adobe_commerce",
        capabilities=capabilities_of(settings),
        source=AdobeCommerceSource(opening.name, settings, client=client, clock=opening.clock),
        sink=AdobeCommerceSink(opening.name, settings, client=client, clock=opening.clock),
        governor=governor,
        check=Setup(settings, client).check,
        census=AdobeCommerceCensus(opening.name, settings, client=client, clock=opening.clock),
        rereads=Rereader(settings, client=client, clock=opening.clock).rereads(),
        gate=AdobeCommerceGate(opening.name, settings) if settings.webhook_public_keys else None,
    )


CONNECTOR = Connector(
    name="adobe_commerce",
    title="Adobe Commerce / Magento Open Source",
    settings=AdobeCommerceSettings,
    capabilities=CAPABILITIES,
    open=open_system,
    sample=SAMPLE,
)

__all__ = ["CONNECTOR", "AdobeCommerceSettings", "open_system"]
