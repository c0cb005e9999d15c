"""Adobe I/O's journal, and the token service in front of it: an app of its own, since neither is the shop's.

developer.adobe.com/events/docs/guides/api/journaling-api, and contract section 9. Assumed: what an entry's ``event`` holds is
what a webhook would be posted, and that a token is good for a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import parse_qs

import msgspec

from syncline.ports import Clock

KEPT_MS = 7 * 24 * 3600 * 1000
RETRY_AFTER_S = 10
TOKEN_LIFE_MS = 24 * 3600 * 1000
BATCH_MAX = 500  # "no pre-defined upper limit" without one of the caller's
PATH = "/events/organizations/1/integrations/2/simulated"

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Entry:
    """An event, from when on it can be read."""

    number: int
    at_ms: int
    body: bytes

    @property
    def position(self) -> str:
        """Its place."""
        return f"simulated:{self.number:08d}"


class Journal:
    """One registration's journal. ``calls`` counts what was asked, ``breaches`` who asked too soon."""

    def __init__(
        self,
        clock: Clock,
        rng: Random,
        *,
        client_id: str,
        client_secret: str = "simulated-ims-secret",  # noqa: S107
        org_id: str = "simulated@AdobeOrg",
    ) -> None:
        self._clock = clock
        self._rng = rng
        self.client_id, self.client_secret, self.org_id = client_id, client_secret, org_id
        self._entries: list[Entry] = []
        self._number = 0
        self._tokens: dict[str, int] = {}
        self._rest_until_ms = 0
        self.down = False
        self.calls = 0
        self.breaches = 0

    def add(self, body: bytes, at_ms: int) -> None:
        """Write an event, which can be read from a moment on; the journal is in the order of that."""
        before = self._entries[-1].at_ms if self._entries else 0
        self._number += 1
        self._entries.append(Entry(self._number, max(at_ms, before), body))

    def revoke(self) -> None:
        """Every token ends now."""
        self._tokens.clear()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the journal and the token service."""
        body = (await receive()).get("body", b"")
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        status, more, answer = self._answer(scope, headers, body)
        told = [(name.encode(), value.encode()) for name, value in more]
        await send({"type": "http.response.start", "status": status, "headers": told})
        await send({"type": "http.response.body", "body": answer})

    def _answer(self, scope: Any, headers: dict[str, str], body: bytes) -> tuple[int, Headers, bytes]:
        if self.down:
            return 503, [], b""
        if scope["path"] == "/ims/token/v3":
            return self._token(body)
        if scope["path"] != PATH or scope["method"] != "GET":
            return 404, [], b""
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, 0) <= self._clock.now_ms():
            return 401, [], b'{"error_code":"401013","message":"Oauth token is not valid"}'
        if (headers.get("x-api-key"), headers.get("x-ims-org-id")) != (self.client_id, self.org_id):
            return 403, [], b'{"error_code":"403000","message":"Api Key is invalid"}'
        return self._read(parse_qs(scope["query_string"].decode()))

    def _token(self, body: bytes) -> tuple[int, Headers, bytes]:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        known = (form.get("client_id"), form.get("client_secret")) == (self.client_id, self.client_secret)
        if form.get("grant_type") != "client_credentials" or not known or not form.get("scope"):
            return 400, [], b'{"error":"invalid_client"}'
        token = f"ims-{self._rng.getrandbits(128):032x}"
        self._tokens[token] = self._clock.now_ms() + TOKEN_LIFE_MS
        answer = {"access_token": token, "token_type": "bearer", "expires_in": TOKEN_LIFE_MS // 1000}
        return 200, [("content-type", "application/json")], msgspec.json.encode(answer)

    def _read(self, query: dict[str, list[str]]) -> tuple[int, Headers, bytes]:
        now_ms = self._clock.now_ms()
        self.calls += 1
        self.breaches += now_ms < self._rest_until_ms
        visible = [one for one in self._entries if one.at_ms <= now_ms]
        kept = [one for one in visible if one.at_ms > now_ms - KEPT_MS]
        since = query.get("since", [""])[0]
        asked = query.get("limit", [str(BATCH_MAX)])[0]
        if not asked.isdecimal() or not int(asked):
            return 400, [], b"limit has to be a positive integer"  # the words are assumed, here and below
        if since and not since.removeprefix("simulated:").isdecimal():
            return 400, [], b"since is no position"
        limit = int(asked)
        if query.get("latest") == ["true"]:
            after = visible[-1].number if visible else 0
        elif since:
            after = int(since.partition(":")[2])
            if after and any(one.number >= after for one in visible) and after < _first(kept, visible):
                return 410, [], f"Events at position {since} have expired.".encode()
        else:
            after = 0
        batch = [one for one in kept if one.number > after][:limit]
        last = batch[-1].position if batch else f"simulated:{after:08d}"
        more = f"&limit={query['limit'][0]}" if "limit" in query else ""
        links = [("link", f'<{PATH}?since={last}{more}>; rel="next"')]
        if not batch:
            self._rest_until_ms = now_ms + RETRY_AFTER_S * 1000
            # The later header is why the values of repeated headers have to be kept.
            links.append(("link", f'<{PATH}/validate?since={last}>; rel="validate"'))
            return 204, [*links, ("retry-after", str(RETRY_AFTER_S))], b""
        told = {
            "events": [{"position": one.position, "event": msgspec.Raw(one.body)} for one in batch],
            "_page": {"last": last, "count": len(batch)},
        }
        return 200, [*links, ("content-type", "application/json")], msgspec.json.encode(told)


def _first(kept: list[Entry], visible: list[Entry]) -> int:
    """The oldest position that still can be read from: that of the last event that expired."""
    expired = len(visible) - len(kept)
    return visible[expired - 1].number if expired else 0
