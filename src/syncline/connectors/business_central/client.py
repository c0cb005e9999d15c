"""Calls to Business Central's APIs, and their answers sorted by what to do next.

Microsoft, "Operational limits": five calls at once and 6,000 in five minutes for each caller. A refusal (429) carries
no documented ``Retry-After``, so the wait is ours unless one is there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from decimal import Decimal
from random import Random
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from syncline.connectors.business_central.auth import token_of
from syncline.connectors.business_central.manifest import RUNTIME, STANDARD, BusinessCentralSettings
from syncline.model.errors import AuthExpired, Conflict, OutcomeUnknown, Rejected, Retryable, Throttled
from syncline.ports import Clock, Request, Response, Transport
from syncline.sdk.governor import RatedSlots

PAGE = 1000  # records asked for at once; the product allows 20,000
FEW_PAGES_MAX = 20
BATCH_MAX = 100  # operations; Microsoft, "Operational limits"
READ_TRIES_MAX = 4  # of a read that met a limit; each waits longer
BACKOFF_S_MIN = 0.5
BACKOFF_S_MAX = 60.0
RETRY_AFTER_S_MAX = 600.0
MESSAGE_CHARS_MAX = 1000
WRITE_S = 120.0  # an operation may take eight minutes; whoever waits no longer looks it up

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)

Row = Mapping[str, Any]
NO_OPTIONS: Mapping[str, str] = MappingProxyType({})


class Missing(Rejected):
    """There is no such record, or no such address (404)."""


def quoted(text: str) -> str:
    """A text as it stands in a filter."""
    return "'" + text.replace("'", "''") + "'"


class Client:
    """Talks to one company."""

    def __init__(
        self,
        settings: BusinessCentralSettings,
        clock: Clock,
        rng: Random,
        transport: Transport,
        governor: RatedSlots,
    ) -> None:
        self._settings = settings
        self._rng = rng
        self._transport = transport
        self._governor = governor
        self._tokens = token_of(settings, clock, transport)
        self._refusals = 0

    async def sign_in(self) -> None:
        """Get a token, for a check."""
        await self._tokens.token()

    # -- reading ------------------------------------------------------------------------------

    def url(self, path: str, options: Mapping[str, str], api: str = STANDARD) -> str:
        """An address within the company; ``options`` are written without their dollar sign."""
        query = urlencode({f"${k}": v for k, v in options.items() if v}, quote_via=quote)
        return f"{self._settings.company(api)}/{path}" + (f"?{query}" if query else "")

    async def page(self, url: str, *, urgent: bool = False) -> tuple[list[Row], str]:
        """One page of records, and the address of the next or "".

        Raises:
            Retryable: the answer is not one, or the next page is somebody else's.
        """
        answer = await self._read(url, {"Prefer": f"odata.maxpagesize={PAGE}"}, urgent=urgent)
        rows = answer.get("value")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Retryable("Business Central answered a query without records.")
        follow = str(answer.get("@odata.nextLink") or "")
        # It is followed as it is, but never with our token to another host.
        if follow and not follow.lower().startswith(self._settings.root("").lower()):
            raise Retryable(f"Business Central names a next page at another address: {follow[:100]}")
        return rows, follow

    async def rows(
        self, path: str, options: Mapping[str, str] = NO_OPTIONS, *, api: str = STANDARD, urgent: bool = False
    ) -> list[Row]:
        """The records of a query that has few: all its pages.

        Raises:
            Retryable: there are too many pages.
        """
        found: list[Row] = []
        follow = self.url(path, options, api)
        for _ in range(FEW_PAGES_MAX):
            page, follow = await self.page(follow, urgent=urgent)
            found += page
            if not follow:
                return found
        raise Retryable(f"Business Central has more than {FEW_PAGES_MAX} pages of {path}.")

    async def pages(
        self, path: str, options: Mapping[str, str], *, most: int, api: str = STANDARD, order: str = ""
    ) -> AsyncGenerator[tuple[list[Row], bool], None]:
        """The records of a query that has many, page by page as the server cuts them, and whether that was the last.

        Raises:
            Retryable: there are more than ``most`` pages, or records are not in the ``order`` of that field.
        """
        follow, before = self.url(path, options, api), ""
        for _ in range(most):
            found, follow = await self.page(follow)
            for row in found if order else ():
                if str(row.get(order) or "") < before:
                    raise Retryable(f"Business Central returned {path} out of order.")
                before = str(row.get(order) or "")
            yield found, not follow
            if not follow:
                return
        raise Retryable(f"Business Central has more than {most} pages of {path}.")

    async def get(
        self, path: str, options: Mapping[str, str] = NO_OPTIONS, *, urgent: bool = False
    ) -> dict[str, Any]:
        """One record.

        Raises:
            Missing: there is none.
        """
        return await self._read(self.url(path, options), {}, urgent=urgent)

    async def subscriptions(self, api: str) -> list[Row]:
        """The subscriptions of an API."""
        return (await self.page(f"{self._settings.root(api)}/subscriptions"))[0]

    async def runtime(self, entity: str) -> list[Row]:
        """The rows of what the platform itself tells, such as its business events."""
        return (await self.page(f"{self._settings.root(RUNTIME)}/{entity}"))[0]

    async def company(self) -> dict[str, Any]:
        """The company itself.

        Raises:
            Missing: there is none of this id.
        """
        return await self._read(self._settings.company(), {}, urgent=False)

    async def companies(self) -> list[Row]:
        """The companies of the environment: their ids and names, of which there may be a page at most."""
        return (await self.page(f"{self._settings.root()}/companies?$select=id,name"))[0]

    # -- writing ------------------------------------------------------------------------------

    async def create(self, path: str, body: Row, *, urgent: bool = False) -> dict[str, Any]:
        """Make a record, and return it as it is then.

        Raises:
            Rejected: refused, in the vendor's words.
            Throttled, Retryable: not applied.
            OutcomeUnknown: nobody knows.
            AuthExpired: the credential is refused; nothing was applied.
        """
        response = await self._write("POST", self.url(path, {}), body, {}, urgent=urgent)
        return _made(response)

    async def act(self, path: str, action: str) -> None:
        """Run an action of a record; raises as ``create`` does."""
        await self._write("POST", self.url(f"{path}/Microsoft.NAV.{action}", {}), None, {}, urgent=False)

    async def together(self, parts: Sequence[Row], *, urgent: bool = False) -> list[Row]:
        """Several changes as one transaction: one answer for each that was tried, in order.

        Microsoft, "Using OData transactional $batch requests". Raises as ``create`` does.
        """
        if len(parts) > BATCH_MAX:
            raise Rejected(f"{len(parts)} changes are needed where one transaction takes {BATCH_MAX}.")
        requests = [{"id": str(n), **part} for n, part in enumerate(parts)]
        url = f"{self._settings.root()}/$batch"
        headers = {"Isolation": "snapshot"}
        response = await self._write(
            "POST", url, {"requests": requests}, headers, urgent=urgent, cost=len(parts)
        )
        answers = _made(response).get("responses")
        if not isinstance(answers, list) or not answers:
            raise OutcomeUnknown("Business Central answered a batch without answers.")
        return answers

    def inner(self, method: str, path: str, body: Row | None, etag: str = "") -> dict[str, Any]:
        """One change of ``together``."""
        part: dict[str, Any] = {
            "method": method,
            "url": f"companies({self._settings.company_id})/{path}",
            "headers": {"Content-Type": "application/json", **({"If-Match": etag} if etag else {})},
        }
        return part if body is None else {**part, "body": body}

    async def subscribe(self, api: str, body: Row) -> dict[str, Any]:
        """Make a subscription; raises as ``create`` does."""
        return _made(
            await self._write("POST", f"{self._settings.root(api)}/subscriptions", body, {}, urgent=False)
        )

    async def subscribe_to_event(self, body: Row) -> None:
        """Subscribe to a business event, which is answered without a body; raises as ``create`` does."""
        url = f"{self._settings.root(RUNTIME)}/externaleventsubscriptions"
        await self._write("POST", url, body, {}, urgent=False)

    async def resubscribe(self, api: str, number: str, etag: str, body: Row | None) -> None:
        """Renew a subscription, or end it where there is no body; raises as ``create`` does."""
        url = f"{self._settings.root(api)}/subscriptions('{quote(number)}')"
        method = "DELETE" if body is None else "PATCH"
        await self._write(method, url, body, {"If-Match": etag}, urgent=False)

    # -- one call -----------------------------------------------------------------------------

    async def _read(self, url: str, headers: Mapping[str, str], *, urgent: bool) -> dict[str, Any]:
        for attempt in range(READ_TRIES_MAX):
            try:
                response = await self._send("GET", url, b"", headers, urgent=urgent, cost=1)
            except Throttled:
                # The governor is paused; the next try waits behind it.
                if attempt == READ_TRIES_MAX - 1:
                    raise
                continue
            try:
                return _DECODER.decode(response.body)
            except (msgspec.DecodeError, ValueError, ArithmeticError) as error:
                raise Retryable(f"Business Central's answer ({response.status}) is not JSON.") from error
        raise AssertionError

    async def _write(
        self,
        method: str,
        url: str,
        body: Row | None,
        headers: Mapping[str, str],
        *,
        urgent: bool,
        cost: int = 1,
    ) -> Response:
        content = b"" if body is None else _ENCODER.encode(body)
        return await self._send(method, url, content, headers, urgent=urgent, cost=max(1, cost))

    async def _send(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        urgent: bool,
        cost: int,
    ) -> Response:
        try:
            token = await self._tokens.token()
        except Throttled as error:
            raise Throttled(str(error), self._back_off(None)) from error
        response = await self._once(method, url, body, headers, token, urgent=urgent, cost=cost)
        if response.status == 401:
            # Refused before anything was done, so it may be sent again with a new token, once.
            token = await self._tokens.renew(token)
            response = await self._once(method, url, body, headers, token, urgent=urgent, cost=cost)
        if 200 <= response.status < 300:
            self._refusals = 0
            return response
        raise self._sort(response, reads=method == "GET")

    async def _once(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        token: str,
        *,
        urgent: bool,
        cost: int,
    ) -> Response:
        # English words, so that what we park can be looked up; codes are what we act upon.
        sent = {
            "Accept": "application/json",
            "Accept-Language": "en-US",
            **headers,
            "Authorization": f"Bearer {token}",
        }
        if body:
            sent["Content-Type"] = "application/json"
        reads = method == "GET"
        await self._governor.acquire(cost, urgent=urgent)
        try:
            return await self._transport.send(
                Request(method, url, sent, body, timeout_s=60.0 if reads else WRITE_S)
            )
        except OutcomeUnknown as error:
            if reads:
                raise Retryable(f"Business Central did not answer a read: {error}") from error
            raise
        finally:
            self._governor.release(urgent=urgent)

    def _sort(self, response: Response, *, reads: bool) -> Exception:
        status = response.status
        code, words = _error(response.body, status)
        if status == 429:
            return Throttled(words, self._back_off(response))
        if status == 401:
            return AuthExpired(
                "Business Central refused a fresh token: check that the application is set up there under Microsoft "
                "Entra Applications, enabled, with its permission sets, and has admin consent for API.ReadWrite.All."
            )
        if not code or status >= 500 or status < 400 or status == 408:
            # No trustworthy word about the record: a gateway's page, a redirect, a crash half way.
            if status == 503:
                self._back_off(response)
            text = f"Business Central answered {status}: {words}"
            return Retryable(text) if reads else OutcomeUnknown(text)
        if status == 404:
            return Missing(words)
        if status == 403:
            return AuthExpired(f"{words} Give the application the permission set that this names.")
        if status == 409 or code == "Request_EntityChanged":
            return Conflict(words)
        return Rejected(words)

    def _back_off(self, response: Response | None) -> float:
        named = _seconds(response.headers.get("retry-after", "")) if response is not None else None
        ceiling = min(BACKOFF_S_MAX, BACKOFF_S_MIN * 2.0 ** min(self._refusals, 10))
        self._refusals += 1
        delay = ceiling * self._rng.uniform(0.5, 1.0) if named is None else named
        self._governor.pause(delay)
        return delay


def _seconds(text: str) -> float | None:
    return min(float(text), RETRY_AFTER_S_MAX) if text.isdecimal() and text.isascii() else None


def _made(response: Response) -> dict[str, Any]:
    try:
        return _DECODER.decode(response.body)
    except (msgspec.DecodeError, ValueError, ArithmeticError) as error:
        # It may have taken effect: somebody between us and the product may answer 200 with a page of his own.
        raise OutcomeUnknown(
            f"Business Central answered a write with {response.status} and no JSON."
        ) from error


def _error(body: bytes, status: int) -> tuple[str, str]:
    """The code of an error body, or "" for anything that is not one, and the words with their code."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "", f"no reason given ({status})"
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict) or not error.get("code"):
        return "", f"no reason given ({status})"
    return str(error["code"]), words_of(error)


def words_of(error: Row) -> str:
    """The vendor's words with their code; the correlation id is kept, since support asks for it."""
    return f"{error.get('message', '')} ({error.get('code', '')})"[:MESSAGE_CHARS_MAX]
