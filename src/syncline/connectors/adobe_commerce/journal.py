"""Adobe I/O's journal as a way in: the events that a webhook would be told, kept for seven days and read from a position on.

developer.adobe.com/events/docs/guides/api/journaling-api: a batch of events and a link to what follows; 204 with
``Retry-After`` at the end; 410 for a position whose events have expired. The token comes from Adobe's IMS by client
credentials.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Annotated, Any
from urllib.parse import urlencode, urljoin, urlsplit

import msgspec
from msgspec import Meta, Struct

from syncline.connectors.adobe_commerce import wire
from syncline.connectors.adobe_commerce.manifest import AdobeCommerceSettings
from syncline.connectors.adobe_commerce.told import is_other, order_event
from syncline.model.change import Cursor, Event
from syncline.model.errors import AuthExpired, OutcomeUnknown, Rejected, Retryable, Throttled
from syncline.ports import Clock, Page, Request, Response, Transport
from syncline.sdk.tokens import KeptToken

STREAM = "journal"
LIMIT = 100  # events of a batch; each has 64 KB at most
BATCHES_MAX = 10_000  # of one read; what comes after them is the next read's
TIMEOUT_S = 60.0
REST_S_MIN, REST_S_MAX = 1.0, 300.0
_LINK = re.compile(r'<([^<>]*)>\s*;\s*rel="?next"?')


class Entry(Struct, frozen=True):
    """One event with its place."""

    position: Annotated[str, Meta(min_length=1, max_length=500)]
    event: msgspec.Raw


class Batch(Struct, frozen=True):
    """An answer."""

    events: tuple[Entry, ...] = ()


class Journal:
    """Reads one registration's journal."""

    def __init__(
        self, name: str, settings: AdobeCommerceSettings, *, clock: Clock, transport: Transport
    ) -> None:
        self._name = name
        self._url = settings.journal_url
        self._clock = clock
        self._transport = transport
        self._headers = {
            "accept": "application/json",
            "x-api-key": settings.event_client_id,
            "x-ims-org-id": settings.ims_org_id,
        }
        form = urlencode(
            {
                "grant_type": "client_credentials",
                "client_id": settings.event_client_id,
                "client_secret": settings.ims_client_secret,
                "scope": settings.ims_scopes,
            }
        ).encode()
        self._token = KeptToken(
            clock,
            transport,
            who="Adobe IMS",
            url=f"{settings.ims_url.rstrip('/')}/ims/token/v3",
            form=lambda: form,
            refused=_refused,
        )
        self._rest_until_s = float("-inf")

    async def poll(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """What was told since the position; the first time, from now on. What was before, the poll of orders reads.

        An empty journal confirms nothing: an event may have been lost before it came there.
        """
        covered_ms = cursor.covers_ms if cursor else 0
        at = cursor.position if cursor else ""
        at = at or f"{self._url}?{urlencode({'latest': 'true', 'limit': LIMIT})}"
        if self._clock.monotonic() >= self._rest_until_s:
            for _ in range(BATCHES_MAX):
                answer = await self._ask(at)
                if (
                    answer.status == 410
                ):  # it may be long since we asked: everything that is still there, then
                    at = f"{self._url}?{urlencode({'limit': LIMIT})}"
                    continue
                at = self._next(answer, at)
                if answer.status == 204:
                    self._rest_until_s = self._clock.monotonic() + _rest_s(answer)
                    break
                yield Page(self._events(answer), Cursor(self._name, STREAM, at, covered_ms), last=False)
        yield Page((), Cursor(self._name, STREAM, at, covered_ms), last=True)

    async def check(self) -> tuple[str, bool, str]:
        """Whether it can be read, for an installer."""
        try:
            await self._ask(f"{self._url}?{urlencode({'latest': 'true', 'limit': 1})}")
        except (AuthExpired, Retryable, Throttled) as error:
            return ("event journal", False, str(error))
        return ("event journal", True, "")

    async def _ask(self, url: str) -> Response:
        token = await self._token.token()
        answer = await self._once(url, token)
        if answer.status == 401:
            answer = await self._once(url, await self._token.renew(token))
        if answer.status in {401, 403}:
            raise AuthExpired(
                f"Adobe refuses to let its journal be read (HTTP {answer.status}): check ims_org_id, and that the "
                "project has the I/O Management API"
            )
        if answer.status == 429:
            raise Throttled("Adobe asked to read its journal more slowly", _rest_s(answer))
        if answer.status not in {200, 204, 410}:
            raise Retryable(f"Adobe's journal answered HTTP {answer.status}; check journal_url")
        return answer

    async def _once(self, url: str, token: str) -> Response:
        headers = {**self._headers, "authorization": f"Bearer {token}"}
        try:
            return await self._transport.send(Request("GET", url, headers, b"", TIMEOUT_S))
        except OutcomeUnknown as error:
            raise Retryable(f"Adobe's journal did not answer: {error}") from None

    def _next(self, answer: Response, at: str) -> str:
        """What follows. The token goes to nobody but who was configured, whatever a link says."""
        found = _LINK.search(answer.headers.get("link", ""))
        if found is None:
            if answer.status == 204:
                return at  # "the next link will be the same as the current request"
            raise Retryable("Adobe's journal does not say what follows")
        following: str = urljoin(self._url, found[1])
        if urlsplit(following)[:3] != urlsplit(self._url)[:3]:
            raise Retryable("Adobe's journal leads elsewhere; check journal_url")
        if answer.status == 200 and following == at:
            raise Retryable("Adobe's journal leads in circles")
        return following

    def _events(self, answer: Response) -> tuple[Event, ...]:
        try:
            batch = wire.decode(answer.body, Batch, "journal")
        except Rejected as error:
            raise Retryable(str(error)) from None
        now_ms = self._clock.now_ms()
        told = filter(None, map(_opened, batch.events))
        return tuple(order_event(self._name, event_id, value, now_ms) for event_id, value in told)


def _opened(entry: Entry) -> tuple[str, bytes] | None:
    """The id under which a webhook would tell it, and the order; whole where it is no event, to be parked.

    Events of something else, which a registration may have besides, are passed over.
    """
    raw, place = bytes(entry.event), f"{STREAM}:{entry.position}"
    try:
        event = wire.decode(raw, wire.IoEvent, STREAM)
        return None if is_other(event) else (event.name or place, event.value)
    except Rejected:
        return place, raw


def _rest_s(answer: Response) -> float:
    try:
        return min(REST_S_MAX, max(REST_S_MIN, float(answer.headers.get("retry-after", ""))))
    except ValueError:
        return REST_S_MIN


def _refused(status: int, answer: dict[str, Any]) -> str:
    return (
        f"Adobe IMS refuses the credential (HTTP {status}, {str(answer.get('error', ''))[:60]}): check event_client_id, "
        "ims_client_secret and ims_scopes"
    )
