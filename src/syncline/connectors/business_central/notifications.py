"""Notifications: who may send them, what they announce, and the subscriptions that bring them.

Microsoft, "Working with webhooks": no signature, a shared secret in each entry (``clientState``), no data. So nothing
of a notification is believed but that something changed, and the stream is read.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from syncline.connectors.business_central.business_events import (
    EventSubscriptions,
    looks_like_one,
    stream_of,
)
from syncline.connectors.business_central.client import Client, Row
from syncline.connectors.business_central.manifest import ANNOUNCED, BusinessCentralSettings
from syncline.connectors.business_central.rows import instant, text
from syncline.model.change import Event, Via
from syncline.model.errors import Conflict, Forged, Misconfigured, Rejected
from syncline.ports import Clock, Verified, WebhookRequest

ENTRIES_MAX = 10_000
RENEW_BEFORE_MS = 36 * 3600 * 1000  # of three days: an outage of a day ends no subscription
_ENTITY = re.compile(
    r"/?api/(?P<api>.+)/companies\((?P<company>[^()]*)\)/(?P<entity>[A-Za-z]+)(?:[(?].*)?", re.DOTALL
)


class Entry(msgspec.Struct, frozen=True):
    """One entry of a notification; several subscriptions of one address may be mixed."""

    subscriptionId: str  # noqa: N815 (the vendor's name)
    resource: str
    changeType: str  # noqa: N815
    clientState: str = ""  # noqa: N815


class Body(msgspec.Struct, frozen=True):
    """The whole post."""

    value: list[Entry]


_DECODER = msgspec.json.Decoder(Body)


def verify(request: WebhookRequest, settings: BusinessCentralSettings, system: str) -> Verified:
    """Check that every entry carries our secret, and say which streams they announce.

    Raises:
        Rejected: whatever is wrong; nothing else, whatever the bytes are.
    """
    event_id = f"note:{hashlib.blake2b(request.body, digest_size=16).hexdigest()}"
    event = Event(system, "notification", event_id, Via.EVENT, request.received_at_ms, request.body)
    try:
        if looks_like_one(request.body):
            stream = stream_of(request.body, settings)
            return Verified(event, (stream,) if stream else ())
        body = _DECODER.decode(request.body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Rejected(f"The body is no notification of Business Central: {error}.") from error
    if not 0 < len(body.value) <= ENTRIES_MAX:
        raise Rejected(f"A notification has 1 to {ENTRIES_MAX} entries.")
    secrets = [secret.encode() for secret in settings.webhook_secrets if secret]
    reads: dict[str, None] = {}
    for entry in body.value:
        given = entry.clientState.encode("utf-8", "replace")
        matched = False
        for secret in secrets:
            matched |= hmac.compare_digest(secret, given)
        if not matched:
            raise Forged("The clientState is missing or not ours.")
        stream = _stream(entry.resource, settings)
        if stream:
            reads[stream] = None
    return Verified(event, tuple(reads))


def _stream(resource: str, settings: BusinessCentralSettings) -> str:
    match = _ENTITY.fullmatch(resource)
    if match is None or match["company"].lower() != settings.company_id.lower():
        return ""
    return ANNOUNCED.get((match["api"], match["entity"]), "")


class Subscriptions:
    """Keeps what we subscribe to in order: there, at our address, with our newest secret, and not about to end."""

    def __init__(self, settings: BusinessCentralSettings, clock: Clock, client: Client) -> None:
        self._settings = settings
        self._clock = clock
        self._client = client

    async def prepare(self, address: str) -> Sequence[str]:
        """Make or mend the subscriptions; returns a sentence for each that was missing or pointed elsewhere.

        Raises:
            Misconfigured: there is no secret by which notifications could be told from forgeries.
        """
        if not self._settings.webhook_secrets:
            raise Misconfigured(
                "business_central.webhook_secrets is empty: changes are found by polling only."
            )
        done: list[str] = []
        for api in dict.fromkeys(api for api, _ in ANNOUNCED):
            held = await self._client.subscriptions(api)
            for entity in [e for a, e in ANNOUNCED if a == api]:
                done += await self._one(api, entity, address, held)
        done += await EventSubscriptions(self._settings, self._client).prepare(address)
        return done

    async def _one(self, api: str, entity: str, address: str, held: Sequence[Row]) -> list[str]:
        resource = self._settings.resource(api, entity)
        secret = self._settings.webhook_secrets[0]
        body = {"notificationUrl": address, "resource": resource, "clientState": secret}
        same = [x for x in held if _same(x, resource, address)]
        if not same:
            await self._client.subscribe(api, body)
            return [f"subscribed to {entity}"]
        first, *others = same
        for extra in others:  # two of one resource would only be told twice
            await self._client.resubscribe(
                api, text(extra, "subscriptionId"), text(extra, "@odata.etag"), None
            )
        if text(first, "clientState") == secret and self._lasts(first):
            return []
        try:
            number, etag = text(first, "subscriptionId"), text(first, "@odata.etag")
            await self._client.resubscribe(api, number, etag, body)
        except Conflict:
            return []  # somebody else renewed it just now
        return []

    def _lasts(self, held: Row) -> bool:
        try:
            ends_ms = instant(held.get("expirationDateTime"))
        except Rejected:
            return False
        return ends_ms - self._clock.now_ms() > RENEW_BEFORE_MS


def _same(held: Row, resource: str, address: str) -> bool:
    named: Any = held.get("resource")
    return (
        str(named).lstrip("/").lower() == resource.lstrip("/").lower()
        and text(held, "notificationUrl") == address
    )
