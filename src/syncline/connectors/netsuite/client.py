"""Calls to NetSuite's REST services, and their answers sorted by what to do next.

Governance is concurrency, not rate (NetSuite help, bridgehead_1500275603): every call takes one slot
of the integration's allowance. A refusal (429) carries no ``Retry-After``, so the wait is ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from syncline.connectors.netsuite.auth import Credential
from syncline.connectors.netsuite.manifest import NetSuiteSettings
from syncline.model.errors import AuthExpired, Conflict, OutcomeUnknown, Rejected, Retryable, Throttled
from syncline.ports import Clock, Request, Response, Transport
from syncline.sdk.governor import ConcurrencySlots

RECORD = "/services/rest/record/v1/"
QUERY = "/services/rest/query/v1/suiteql"
GOVERNANCE = "/services/rest/system/v1/governanceLimits"
PAGE_MAX = 1000  # NetSuite help, section_156414087576
READ_TRIES_MAX = 4  # of a read that met the concurrency limit; each waits longer
BACKOFF_S_MIN = 0.5
BACKOFF_S_MAX = 30.0
MESSAGE_CHARS_MAX = 1000

# The default, "warning", drops a misspelt field in silence; we always want to be told (RB26.1).
_STRICT = {
    "X-NetSuite-PropertyNameValidation": "error",
    "X-NetSuite-PropertyValueValidation": "error",
}
_LIMIT_CODES = frozenset({"CONCURRENCY_LIMIT_EXCEEDED", "SSS_REQUEST_LIMIT_EXCEEDED"})
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
# Somebody saved the record between NetSuite's own reading and saving of it (section_N2877583); nothing was applied. The
# help has the words for people only, and no code.
_CHANGED = "record has been changed"
_ID = re.compile(r"/(\d{1,18})/?$")

Row = Mapping[str, Any]


class Missing(Rejected):
    """There is no such record (404)."""


class Client:
    """Talks to one account."""

    def __init__(
        self,
        settings: NetSuiteSettings,
        clock: Clock,
        rng: Random,
        transport: Transport,
        governor: ConcurrencySlots,
    ) -> None:
        self._root = settings.root
        self._rng = rng
        self._transport = transport
        self._governor = governor
        self._credential = Credential(settings, clock, rng, transport)
        self._refusals = 0

    async def sign_in(self) -> None:
        """Get a token, for a check."""
        await self._credential.try_out()

    async def query(self, sql: str, params: Sequence[str | int] = (), *, urgent: bool = False) -> list[Row]:
        """One page of at most 1000 rows of SuiteQL. Callers page by key, never by offset.

        Deep offsets end at 100,000 rows, and rows move between pages (section_156414087576).
        """
        body = _ENCODER.encode({"q": sql, "params": list(params)} if params else {"q": sql})
        url = f"{self._root}{QUERY}?limit={PAGE_MAX}&offset=0"
        answer = await self._read("POST", url, body, {"Prefer": "transient"}, urgent=urgent)
        items = answer.get("items")
        if not isinstance(items, list) or not all(isinstance(row, dict) for row in items):
            raise Retryable("NetSuite answered a query without rows.")
        if answer.get("hasMore") and len(items) < PAGE_MAX:
            # A short page that says there is more would end a keyset read early and lose rows.
            raise Retryable(f"NetSuite returned a page of {len(items)} rows although there are more.")
        return items

    async def get(
        self,
        record: str,
        ident: str,
        *,
        fields: str = "",
        expand: bool = False,
        urgent: bool = False,
    ) -> dict[str, Any]:
        """Read one record by internal id or ``eid:<external id>``.

        Raises:
            Missing: there is none.
        """
        options = {"fields": fields} if fields else {"expandSubResources": "true"} if expand else {}
        return await self._read("GET", self._url(record, ident, options), b"", {}, urgent=urgent)

    async def governance(self) -> dict[str, Any]:
        """The account's concurrency limits; administrators only."""
        return await self._read("GET", self._root + GOVERNANCE, b"", {}, urgent=False)

    async def write(
        self,
        method: str,
        record: str,
        ident: str,
        body: Mapping[str, Any],
        *,
        replace: str = "",
        urgent: bool = False,
    ) -> str:
        """Create one record (without ``ident``) or change one. Returns the id in ``Location``, or nothing where it has none.

        The answer is 204 without a body; a new id is in ``Location`` only (section_1545222128).

        Raises:
            Rejected: refused, in the vendor's words.
            Throttled, Retryable, Conflict: not applied.
            OutcomeUnknown: nobody knows.
            AuthExpired: the credential is refused; nothing was applied.
        """
        url = self._url(record, ident, {"replace": replace} if replace else {})
        response = await self._send(method, url, _ENCODER.encode(body), {}, urgent=urgent, reads=False)
        if response.status not in (200, 201, 204) or response.body.strip():
            # Somebody between us and NetSuite may answer 200 with a page of his own.
            raise OutcomeUnknown(f"NetSuite answered {response.status} with a body to a write.")
        found = _ID.search(response.headers.get("location", ""))
        return found[1] if found else ""

    # -- one call -----------------------------------------------------------------------------

    def _url(self, record: str, ident: str, options: Mapping[str, str]) -> str:
        path = quote(f"{record}/{ident}" if ident else record, safe="/:!")
        return f"{self._root}{RECORD}{path}" + (f"?{urlencode(options)}" if options else "")

    async def _read(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        urgent: bool,
    ) -> dict[str, Any]:
        for attempt in range(READ_TRIES_MAX):
            try:
                response = await self._send(method, url, body, headers, urgent=urgent, reads=True)
            except Throttled:
                # The governor is paused; the next try waits behind it.
                if attempt == READ_TRIES_MAX - 1:
                    raise
                continue
            try:
                return _DECODER.decode(response.body)
            except (msgspec.DecodeError, ValueError, ArithmeticError) as error:
                raise Retryable(f"NetSuite's answer ({response.status}) is not JSON.") from error
        raise AssertionError

    async def _send(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        urgent: bool,
        reads: bool,
    ) -> Response:
        try:
            header = await self._credential.header(method, url)
        except Throttled as error:
            raise Throttled(str(error), self._back_off()) from error
        response = await self._once(method, url, body, headers, header, urgent=urgent, reads=reads)
        if response.status == 401:
            # Refused before anything was done, so it may be sent again with a new token or signature, once.
            header = await self._credential.again(header, method, url)
            response = await self._once(method, url, body, headers, header, urgent=urgent, reads=reads)
        if 200 <= response.status < 300:
            self._refusals = 0
            return response
        raise self._sort(response, reads=reads)

    async def _once(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        authorization: str,
        *,
        urgent: bool,
        reads: bool,
    ) -> Response:
        sent = {**_STRICT, "Accept": "application/json", **headers, "Authorization": authorization}
        if body:
            sent["Content-Type"] = "application/json"
        await self._governor.acquire(urgent=urgent)
        try:
            return await self._transport.send(Request(method, url, sent, body))
        except OutcomeUnknown as error:
            if reads:
                raise Retryable(f"NetSuite did not answer a read: {error}") from error
            raise
        finally:
            self._governor.release(urgent=urgent)

    def _sort(self, response: Response, *, reads: bool) -> Exception:
        status = response.status
        details = _details(response.body)
        codes = {str(d.get("o:errorCode", "")) for d in details or ()}
        words = _words(details or (), status)
        if status == 429 or codes & _LIMIT_CODES:
            delay = self._back_off()
            return Throttled(words, delay)
        if status == 401:
            return AuthExpired(
                "NetSuite refused a fresh token or signature: check that the role still exists, may log in through web "
                "services, and that the integration is enabled.",
            )
        if details is None or status >= 500 or status < 400 or status == 408:
            # No trustworthy word about the record: a proxy's page, a redirect, a crash half way.
            text = f"NetSuite answered {status}: {words}"
            return Retryable(text) if reads else OutcomeUnknown(text)
        if status == 404:
            return Missing(words)
        if _CHANGED in words.casefold():
            return Retryable(words) if reads else Conflict(words)
        if status == 403 and reads:
            return AuthExpired(f"{words} Give the integration's role the permission that this names.")
        return Rejected(words)

    def _back_off(self) -> float:
        ceiling = min(BACKOFF_S_MAX, BACKOFF_S_MIN * 2.0 ** min(self._refusals, 10))
        self._refusals += 1
        delay = ceiling * self._rng.uniform(0.5, 1.0)
        self._governor.pause(delay)
        return delay


def _details(body: bytes) -> list[dict[str, Any]] | None:
    """``o:errorDetails`` of an error body, or ``None`` for anything that is not one."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    details = answer.get("o:errorDetails") if isinstance(answer, dict) else None
    if not isinstance(details, list) or not details:
        return None
    return [d for d in details if isinstance(d, dict)]


def _words(details: Sequence[Mapping[str, Any]], status: int) -> str:
    """The vendor's words, each with its code and the place that it names."""
    parts = []
    for detail in details:
        places = ("o:errorPath", "o:errorQueryParam", "o:errorHeader", "o:errorUrl")
        place = next((str(detail[p]) for p in places if detail.get(p)), "")
        code = str(detail.get("o:errorCode", ""))
        note = " at ".join(x for x in (code, place) if x)
        parts.append(f"{detail.get('detail', '')}" + (f" ({note})" if note else ""))
    return ("; ".join(parts) or f"no reason given ({status})")[:MESSAGE_CHARS_MAX]
