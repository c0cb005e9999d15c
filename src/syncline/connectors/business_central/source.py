"""The reading side: notifications, and polls."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from syncline.connectors.business_central import (
    credit,
    customers,
    gone,
    money,
    notifications,
    prices,
    products,
    rows,
)
from syncline.connectors.business_central.manifest import STREAMS, BusinessCentralSettings
from syncline.connectors.business_central.reads import Reads
from syncline.model.change import Change, Cursor, LoggedEvent
from syncline.model.errors import Conflict, Rejected, Retryable
from syncline.ports import Page, PollStream, Verified, WebhookRequest


class BusinessCentralSource:
    """One company, read."""

    def __init__(self, name: str, settings: BusinessCentralSettings, reads: Reads) -> None:
        self._name = name
        self._settings = settings
        self._readers = reads.readers()

    @property
    def streams(self) -> tuple[PollStream, ...]:
        return STREAMS

    def verify(self, request: WebhookRequest) -> Verified:
        return notifications.verify(request, self._settings, self._name)

    def decode(self, logged: LoggedEvent) -> list[Change]:
        if logged.event.topic == products.TOPIC:
            return products.decode(logged)
        if logged.event.topic == customers.TOPIC:
            return customers.decode(logged)
        if logged.event.topic in money.TOPICS:
            return money.decode(logged)
        if logged.event.topic == credit.TOPIC:
            return credit.decode(logged)
        if logged.event.topic in gone.TOPICS:
            return gone.decode(logged)
        return prices.decode(logged) if logged.event.topic == prices.TOPIC else rows.decode(logged)

    async def poll(self, stream: str, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        reader = self._readers.get(stream)
        if reader is None:
            raise ValueError(f"Business Central has no stream {stream!r}.")
        async with aclosing(reader(cursor)) as pages:
            try:
                async for page in pages:
                    yield page
            except (Rejected, Conflict) as error:
                # A refused read changed nothing, and what refuses it (a permission set, a page that is not there)
                # can be mended while we wait.
                raise Retryable(f"Business Central refuses to be read: {error}") from error
