"""Subscriptions and notifications: what changed, never what it is now.

Contract sheet section 7 (Microsoft, "Working with webhooks", and the source of the webhook codeunits). How long one
post may take is an assumption; so are the words where a handshake fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote

import msgspec

from syncline.connectors.business_central.simulator.errors import bad_request
from syncline.connectors.business_central.simulator.schema import ENTITIES
from syncline.connectors.business_central.simulator.state import Company, Event
from syncline.connectors.business_central.simulator.views import TABLES
from syncline.model.errors import SynclineError
from syncline.ports import Clock, Request, Response, Transport
from syncline.sdk.simulator import Faults

LIFE_MS = 3 * 24 * 3600 * 1000
SUBSCRIPTIONS_MAX = 200
STATE_CHARS_MAX = 2048
DELAY_MS = 30_000
COLLECTION_OVER = 1000
ROUNDING_MS = 50  # Microsoft takes this off in its own filters: stamps are rounded by the database
RETRY_MS = (60_000, 60_000, 600_000, 6_000_000, 60_000_000)
POST_S = 30.0
# Properties of a subscription that the product fills in; the documents' own example sends them, and they count for nothing.
TOLD = ("subscriptionId", "userId", "expirationDateTime", "lastModifiedDateTime", "systemCreatedAt", "systemCreatedBy", "systemModifiedAt", "systemModifiedBy")  # fmt: skip
CHANGES_KEPT_MAX = 1_500  # more than this and only their number matters: they are told as one collection

_TYPES: dict[tuple[Event, Event], Event] = {
    ("created", "updated"): "created",
    ("created", "created"): "created",
    ("updated", "updated"): "updated",
    ("updated", "created"): "updated",
}


@dataclass(slots=True)
class Subscription:
    """One subscription; ``entity`` is what its resource names."""

    id: str
    url: str
    resource: str
    client_state: str
    entity: str
    expires_ms: int
    modified_ms: int
    version: int

    @property
    def etag(self) -> str:
        """Its version."""
        return f'W/"sub{self.version}"'


@dataclass(slots=True)
class _Pending:
    """What waits to be told of one subscription."""

    due_ms: int
    first_ms: int
    changes: dict[str, tuple[Event, int]] = field(default_factory=dict)
    more: bool = False  # too many to remember
    deleted: bool = False


@dataclass(slots=True)
class _Post:
    """One post under way, of one or several subscriptions with one address."""

    url: str
    body: bytes
    due_ms: int
    subscriptions: tuple[str, ...]
    tries: int = 0


class Webhooks:
    """Subscriptions of one environment."""

    def __init__(
        self,
        company: Company,
        company_id: Callable[[], str],
        clock: Clock,
        rng: Random,
        transport: Callable[[], Transport | None],
        faults: Callable[[], Faults],
    ) -> None:
        self._company = company
        self._company_id = company_id
        self._clock = clock
        self._rng = rng
        self._transport = transport
        self._faults = faults
        self.subscriptions: dict[str, Subscription] = {}
        self._pending: dict[str, _Pending] = {}
        self._posts: list[_Post] = []
        self._woken = asyncio.Event()
        self._version = 0
        self.sent = 0
        self.lost = 0
        self.removed: list[str] = []  # subscriptions that the vendor gave up

    # -- subscriptions ----------------------------------------------------------------------------

    def alive(self) -> dict[str, Subscription]:
        """Those that have not expired."""
        now = self._clock.now_ms()
        for number in [n for n, x in self.subscriptions.items() if x.expires_ms <= now]:
            self._drop(number)
        return self.subscriptions

    def _drop(self, number: str) -> None:
        self.subscriptions.pop(number, None)
        self._pending.pop(number, None)

    async def create(self, body: Mapping[str, Any], api: str) -> Subscription:
        """Subscribe, after the handshake.

        Raises:
            ApiError: the resource cannot be subscribed to, or the handshake failed.
        """
        if len(self.alive()) >= SUBSCRIPTIONS_MAX:
            raise bad_request(f"The limit of {SUBSCRIPTIONS_MAX} subscriptions is reached.")
        url, state, resource = self._checked(body)
        entity = self._entity(resource, api)
        await self._shake_hands(url)
        now = self._clock.now_ms()
        self._version += 1
        number = self._company.new_id().replace("-", "")
        made = Subscription(number, url, resource, state, entity, now + LIFE_MS, now, self._version)
        self.subscriptions[number] = made
        return made

    async def renew(self, subscription: Subscription, body: Mapping[str, Any]) -> None:
        """Change a subscription; it lives for three more days. The handshake is made again.

        Raises:
            ApiError: the handshake failed, or the resource would change.
        """
        kept = {
            "notificationUrl": subscription.url,
            "clientState": subscription.client_state,
            "resource": subscription.resource,
        }
        url, state, resource = self._checked({**kept, **body})
        if resource != subscription.resource:
            raise bad_request("The resource of a subscription cannot be changed.")
        await self._shake_hands(url)
        self._version += 1
        now = self._clock.now_ms()
        subscription.url, subscription.client_state = url, state
        subscription.expires_ms, subscription.modified_ms = now + LIFE_MS, now
        subscription.version = self._version

    def delete(self, subscription: Subscription) -> None:
        """End a subscription."""
        self._drop(subscription.id)

    @staticmethod
    def _checked(body: Mapping[str, Any]) -> tuple[str, str, str]:
        known = ("notificationUrl", "resource", "clientState")
        for name in body:
            if name not in (*known, *TOLD) and "@" not in name:
                raise bad_request(
                    f"The property '{name}' does not exist on type 'Microsoft.NAV.subscriptions'. Make sure to only "
                    "use property names that are defined by the type."
                )
        url, resource, state = (str(body.get(name) or "") for name in known)
        if not url.startswith(("https://", "http://")):
            raise bad_request("The notificationUrl must be an absolute address.")
        if len(state) > STATE_CHARS_MAX:
            raise bad_request(f"The clientState may have {STATE_CHARS_MAX} characters.")
        return url, state, resource

    def _entity(self, resource: str, api: str) -> str:
        prefix = f"api/{api}/companies({self._company_id()})/"
        path = resource.lstrip("/")
        entity = ENTITIES.get(path.removeprefix(prefix)) if path.startswith(prefix) else None
        if entity is None or entity.api != api or not entity.webhooks:
            raise bad_request(f"The resource '{resource}' does not support subscriptions.")
        return entity.name

    async def _shake_hands(self, url: str) -> None:
        """The address has to give the token back, at once, with 200."""
        token = f"{self._rng.getrandbits(128):032x}"
        sign = "&" if "?" in url else "?"
        transport = self._transport()
        answer: Response | None = None
        if transport is not None:
            request = Request("POST", f"{url}{sign}validationToken={quote(token)}", {}, b"", POST_S)
            try:
                answer = await transport.send(request)
            except (SynclineError, OSError):
                answer = None
        if answer is None or answer.status != 200 or answer.body.decode("utf-8", "replace").strip() != token:
            raise bad_request("The notification URL did not answer the validation request with its token.")

    def body(self, subscription: Subscription) -> dict[str, Any]:
        """A subscription as the API shows it."""
        return {
            "@odata.etag": subscription.etag,
            "subscriptionId": subscription.id,
            "notificationUrl": subscription.url,
            "resource": subscription.resource,
            "userId": "00000000-0000-0000-0000-000000000001",
            "clientState": subscription.client_state,
            "expirationDateTime": self._seconds(subscription.expires_ms),
            "lastModifiedDateTime": self._company.iso(subscription.modified_ms),
        }

    def _seconds(self, at_ms: int) -> str:
        return self._company.iso(at_ms)[:19] + "Z"

    # -- what changed -----------------------------------------------------------------------------

    def tell(self, changes: list[tuple[str, str, Event, int]]) -> None:
        """Note what a transaction changed, for every subscription to it."""
        if not self.subscriptions:
            return
        faults = self._faults()
        for subscription in list(self.alive().values()):
            table = TABLES.get(subscription.entity, subscription.entity)
            noted = lost = 0
            for changed, row, event, at_ms in changes:
                if changed != table:
                    continue
                if faults.webhook_lose_rate > 0 and self._rng.random() < faults.webhook_lose_rate:
                    lost += 1
                    continue
                noted += 1
                self._note(subscription.id, row, event, at_ms)
            self.lost += lost
            if lost and not noted:  # of several rows one is enough to have the table read
                faults.webhook_lost(table, ())
        self._woken.set()

    def _note(self, number: str, row: str, event: Event, at_ms: int) -> None:
        late = self._faults().webhook_delay_ms_max
        pending = self._pending.get(number)
        if pending is None:
            wait = DELAY_MS + (self._rng.randint(0, late) if late > 0 else 0)
            pending = self._pending[number] = _Pending(self._clock.now_ms() + wait, at_ms)
        pending.first_ms = min(pending.first_ms, at_ms)
        pending.deleted |= event == "deleted"
        if len(pending.changes) >= CHANGES_KEPT_MAX and row not in pending.changes:
            pending.more = True
            return
        before = pending.changes.get(row)
        kind = event if before is None else _TYPES.get((before[0], event), event)
        pending.changes[row] = (kind, at_ms)

    def _entries(self, subscription: Subscription, pending: _Pending) -> list[dict[str, Any]]:
        entity = ENTITIES[subscription.entity]
        base = f"api/{entity.api}/companies({self._company_id()})/{entity.name}"
        common = {
            "subscriptionId": subscription.id,
            "clientState": subscription.client_state,
            "expirationDateTime": self._seconds(subscription.expires_ms),
        }
        if len(pending.changes) > COLLECTION_OVER:
            # With a deletion among them, or without a stamp on the page, there is no filter: read all.
            since = self._company.iso(pending.first_ms - ROUNDING_MS)
            plain = pending.deleted or "lastModifiedDateTime" not in entity.fields
            resource = base if plain else f"{base}?$filter=lastModifiedDateTime%20gt%20{since}"
            at_ms = max(at for _, at in pending.changes.values())
            entry = {"resource": resource, "changeType": "collection"}
            return [{**common, **entry, "lastModifiedDateTime": self._company.iso(at_ms)}]
        return [
            {
                **common,
                "resource": f"{base}({row})",
                "changeType": kind,
                "lastModifiedDateTime": self._company.iso(at_ms),
            }
            for row, (kind, at_ms) in pending.changes.items()
        ]

    # -- posts ------------------------------------------------------------------------------------

    def in_flight(self) -> int:
        """Posts that have not been accepted, and subscriptions with something to tell."""
        return len(self._posts) + len(self._pending)

    async def run(self) -> None:
        """Post what is due until cancelled."""
        self._woken = asyncio.Event()
        while True:
            self._collect()
            now = self._clock.now_ms()
            due = [post for post in self._posts if post.due_ms <= now]
            if due and not self._faults().down:
                for post in due:
                    await self._send(post)
                continue
            await self._rest(now, stopped=bool(due))

    async def _rest(self, now_ms: int, *, stopped: bool) -> None:
        moments = [x.due_ms for x in self._pending.values()] + [x.due_ms for x in self._posts]
        self._woken.clear()
        wait_ms = DELAY_MS if stopped else max(1, min(moments) - now_ms) if moments else 0
        timer = self._clock.after(wait_ms / 1000, self._woken.set) if wait_ms else None
        try:
            await self._woken.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _collect(self) -> None:
        """Put what is due into posts: one for each address, mixing its subscriptions."""
        now = self._clock.now_ms()
        alive = self.alive()
        by_url: dict[str, list[str]] = {}
        for number, pending in self._pending.items():
            if pending.due_ms <= now and number in alive:
                by_url.setdefault(alive[number].url, []).append(number)
        copies_max = self._faults().webhook_copies_max
        for url, numbers in by_url.items():
            entries = [e for n in numbers for e in self._entries(alive[n], self._pending.pop(n))]
            body = msgspec.json.encode({"value": entries})
            copies = self._rng.randint(1, copies_max) if copies_max > 1 else 1
            self._posts += [_Post(url, body, now, tuple(numbers)) for _ in range(copies)]

    async def _send(self, post: _Post) -> None:
        self._posts.remove(post)
        alive = self.alive()
        if not any(n in alive for n in post.subscriptions):
            return
        transport = self._transport()
        status = 0
        if transport is not None:
            headers = {
                "Content-Type": "application/json",
                "clientRequestId": self._company.new_id(),
                "x-ms-correlation-id": self._company.new_id(),
            }
            try:
                status = (await transport.send(Request("POST", post.url, headers, post.body, POST_S))).status
            except (SynclineError, OSError):
                status = 0
        if 200 <= status < 300:
            self.sent += 1
        elif status in (0, 408, 429) or status >= 500:
            self._again(post)
        else:
            self._give_up(post)  # any other answer ends the subscription at once

    def _again(self, post: _Post) -> None:
        if post.tries >= len(RETRY_MS):
            self._give_up(post)
            return
        post.due_ms = self._clock.now_ms() + RETRY_MS[post.tries]
        post.tries += 1
        self._posts.append(post)

    def _give_up(self, post: _Post) -> None:
        self.lost += 1
        for number in post.subscriptions:
            if number in self.subscriptions:
                self._drop(number)
                self.removed.append(number)
