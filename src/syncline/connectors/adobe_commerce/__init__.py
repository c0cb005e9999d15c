"""Adobe Commerce and Magento Open Source: the connector and its simulator."""

from __future__ import annotations

from random import Random

from syncline.connectors.adobe_commerce.auth import expiries_of
from syncline.connectors.adobe_commerce.census import AdobeCommerceCensus
from syncline.connectors.adobe_commerce.client import Client
from syncline.connectors.adobe_commerce.gates import AdobeCommerceGate
from syncline.connectors.adobe_commerce.journal import Journal
from syncline.connectors.adobe_commerce.manifest import (
    CAPABILITIES,
    OPERATIONS,
    SAMPLE,
    STREAMS,
    AdobeCommerceSettings,
    capabilities_of,
)
from syncline.connectors.adobe_commerce.messages import Messages
from syncline.connectors.adobe_commerce.rereads import Rereader
from syncline.connectors.adobe_commerce.setup import Setup
from syncline.connectors.adobe_commerce.sink import AdobeCommerceSink
from syncline.connectors.adobe_commerce.source import AdobeCommerceSource
from syncline.model.change import Flow
from syncline.model.errors import Misconfigured
from syncline.ports import Connector, Feed, Opening, System
from syncline.sdk.governor import ConcurrencySlots


def open_system(opening: Opening) -> System:
    """Open one configured shop. Makes no call."""
    settings: AdobeCommerceSettings = opening.settings
    assert isinstance(opening.rng, Random)
    governor = ConcurrencySlots(opening.clock, settings.concurrency)
    client = Client(
        settings, clock=opening.clock, rng=opening.rng, transport=opening.transport, governor=governor
    )
    messages = _messages(opening)
    journal = None
    if settings.journal_url:
        journal = Journal(opening.name, settings, clock=opening.clock, transport=opening.transport)
    return System(
        name=opening.name,
        connector="adobe_commerce",
        capabilities=capabilities_of(settings),
        source=AdobeCommerceSource(
            opening.name, settings, client=client, clock=opening.clock, messages=messages, journal=journal
        ),
        sink=AdobeCommerceSink(
            opening.name, settings, client=client, clock=opening.clock, outside=opening.outside
        ),
        governor=governor,
        check=Setup(settings, client, opening.clock, messages, journal).check,
        census=AdobeCommerceCensus(opening.name, settings, client=client, clock=opening.clock),
        rereads=Rereader(settings, client=client, clock=opening.clock, outside=opening.outside).rereads(),
        listen=None if messages is None else messages.listen,
        gate=AdobeCommerceGate(opening.name, settings) if settings.webhook_public_keys else None,
        expiries=lambda: expiries_of(settings),
    )


def _messages(opening: Opening) -> Messages | None:
    """What hears the shop's RabbitMQ, where it is configured.

    Raises:
        Misconfigured: nobody here knows how to.
    """
    settings: AdobeCommerceSettings = opening.settings
    if not settings.amqp_url:
        return None
    if opening.brokers is None:
        raise Misconfigured("amqp_url: a broker cannot be heard here; take it out")
    feed = Feed(
        settings.broker_url,
        settings.amqp_exchange,
        settings.amqp_queue,
        settings.amqp_topics,
        settings.amqp_prefetch,
    )
    return Messages(opening.name, opening.brokers(feed), opening.clock)


CONNECTOR = Connector(
    name="adobe_commerce",
    title="Adobe Commerce / Magento Open Source",
    settings=AdobeCommerceSettings,
    capabilities=CAPABILITIES,
    open=open_system,
    sample=SAMPLE,
    operations=frozenset(OPERATIONS),
    tells=frozenset(flow for stream in STREAMS for flow in Flow if stream.tells(flow)),
    offers=capabilities_of,
)

__all__ = ["CONNECTOR", "AdobeCommerceSettings", "open_system"]
