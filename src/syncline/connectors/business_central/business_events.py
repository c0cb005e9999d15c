"""Business events: what happened in the company, told at once by a subscription of its own kind.

Microsoft, "Business events on Business Central (preview)". They are told when the transaction is over, where notifications are
gathered for half a minute. What they state is of their author's choosing, so nothing of it is believed but that
something happened, and the stream that the owner named is read.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence

import msgspec

from syncline.connectors.business_central.client import Client
from syncline.connectors.business_central.manifest import BusinessCentralSettings, event_key
from syncline.connectors.business_central.rows import text
from syncline.model.errors import Forged, Retryable

DEFINITIONS = "externalbusinesseventdefinitions"
SUBSCRIPTIONS = "externaleventsubscriptions"
_SHAPE = re.compile(rb'"eventName"\s*:')


class BusinessEvent(msgspec.Struct, frozen=True):
    """What is posted, as far as it is looked at."""

    eventName: str  # noqa: N815 (the vendor's name)
    companyId: str  # noqa: N815
    clientState: str = ""  # noqa: N815


_DECODER = msgspec.json.Decoder(BusinessEvent)


def looks_like_one(body: bytes) -> bool:
    """Whether a body may be one; a notification has no such field."""
    return _SHAPE.search(body) is not None


def stream_of(body: bytes, settings: BusinessCentralSettings) -> str:
    """Check that it carries our secret, and say which stream it has read; "" where that is none.

    Raises:
        Forged: the secret is missing or not ours.
        msgspec.MsgspecError: it is no business event.
    """
    event = _DECODER.decode(body)
    given = event.clientState.encode("utf-8", "replace")
    held = False
    for secret in settings.webhook_secrets:
        held |= bool(secret) and hmac.compare_digest(secret.encode(), given)
    if not held:
        raise Forged("The clientState is missing or not ours.")
    if event.companyId.lower() != settings.company_id.lower():
        return ""
    named = {event_key(name): stream for name, stream in settings.business_events.items()}
    return named.get(event_key(event.eventName), "")


class EventSubscriptions:
    """Makes the subscriptions that are missing. They do not end, so nothing is renewed."""

    def __init__(self, settings: BusinessCentralSettings, client: Client) -> None:
        self._settings = settings
        self._client = client

    async def prepare(self, address: str) -> Sequence[str]:
        """Returns a sentence for each that was missing.

        Raises:
            Retryable: the company has no event of a configured name; it may get it with an extension.
        """
        if not self._settings.business_events:
            return ()
        known = {event_key(text(row, "name")): row for row in await self._client.runtime(DEFINITIONS)}
        absent = [name for name in self._settings.business_events if event_key(name) not in known]
        if absent:
            raise Retryable(
                f"business_central.business_events: the company has no event {', '.join(sorted(absent))}; it has "
                f"{', '.join(sorted(known)) or 'none'}. Give the application the permission set Ext. Events - Subscr."
            )
        company = await self._client.company()
        secret = self._settings.webhook_secrets[0]
        held = {
            (text(row, "eventName"), text(row, "appId").lower(), text(row, "clientState"))
            for row in await self._client.runtime(SUBSCRIPTIONS)
            if text(row, "notificationUrl") == address
            and text(row, "companyId").lower() == self._settings.company_id.lower()
        }
        done: list[str] = []
        for name in sorted(self._settings.business_events, key=event_key):
            event = known[event_key(name)]
            if (text(event, "name"), text(event, "appId").lower(), secret) in held:
                continue
            await self._client.subscribe_to_event(
                {
                    "companyName": text(company, "name"),
                    "companyId": self._settings.company_id,
                    "eventName": text(event, "name"),
                    "appId": text(event, "appId"),
                    "notificationUrl": address,
                    "clientState": secret,
                }
            )
            done.append(f"subscribed to the business event {text(event, 'name')}")
        return done
