"""Calls to the GraphQL Admin API, and their answers sorted into what happens next.

Shopify answers almost everything with HTTP 200 and says in the body what went wrong
(https://shopify.dev/docs/api/admin-graphql#status_and_error_codes), so a status proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

import msgspec
from msgspec import Struct

from syncline.connectors.shopify.auth import token_of
from syncline.connectors.shopify.documents import COST_MAX, Document, requested_cost
from syncline.connectors.shopify.manifest import ShopifySettings
from syncline.model.errors import AuthExpired, OutcomeUnknown, Rejected, Retryable, Throttled
from syncline.ports import Clock, Request, Response, Transport
from syncline.sdk.governor import CostBucket

TIMEOUT_S = 30.0
WORDS_MAX = 400
LEARNED_MAX = 512
PAUSE_S_MIN = 0.25
PAUSE_S_MAX = 120.0

T = TypeVar("T")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class ThrottleStatus(Struct, frozen=True, rename="camel"):
    maximum_available: float = 0
    currently_available: float = 0
    restore_rate: float = 0


class Cost(Struct, frozen=True, rename="camel"):
    requested_query_cost: float | None = None
    actual_query_cost: float | None = None
    throttle_status: ThrottleStatus | None = None


class Extensions(Struct, frozen=True):
    cost: Cost | None = None


class ErrorExtensions(Struct, frozen=True, rename="camel"):
    code: str | None = None
    required_access: str | None = None


class TopError(Struct, frozen=True):
    message: str = ""
    extensions: ErrorExtensions | None = None


class Envelope(Struct, frozen=True):
    data: msgspec.Raw = msgspec.Raw(b"null")
    errors: tuple[TopError, ...] | str | None = None
    extensions: Extensions | None = None


class UserError(Struct, frozen=True):
    message: str
    field: tuple[str, ...] | None = None
    code: str | None = None


class Client:
    """One shop's API under its budget. Safe for concurrent use by any number of tasks."""

    def __init__(
        self, settings: ShopifySettings, *, clock: Clock, transport: Transport, governor: CostBucket
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._transport = transport
        self._governor = governor
        self._headers = {
            "content-type": "application/json",
            "accept": "application/json",
        }
        self._tokens = token_of(settings, clock, transport)
        self._envelope = msgspec.json.Decoder(Envelope)
        self._learned: dict[str, float] = {}
        self.version_served = ""

    async def call(
        self, document: Document, variables: Mapping[str, Any], answer: type[T], *, urgent: bool = False
    ) -> T:
        """Send one document and return its ``data``, checked against ``answer``.

        Raises:
            Throttled: not applied; ``retry_after_s`` is computed from what the vendor said is left.
            Retryable: not applied, or a read that failed.
            OutcomeUnknown: a mutation whose answer was lost or unreadable.
            Rejected: refused as a whole, in the vendor's words.
            AuthExpired: token or scope refused.
        """
        token = await self._tokens.token() if self._tokens else self._settings.access_token
        body = msgspec.json.encode(
            {"query": document.text, "variables": variables, "operationName": document.name}
        )
        cost = min(
            self._learned.get(document.text) or requested_cost(document.text),
            COST_MAX,
            self._governor.usage()["limit"],
        )
        await self._governor.acquire(cost, urgent=urgent)
        spent: Cost | None = None
        try:
            response = await self._send(document, body, token)
            if response.status == 401 and self._tokens:
                # Refused before anything was looked at: somebody revoked it, or it ended early.
                response = await self._send(document, body, await self._tokens.renew(token))
            self.version_served = response.headers.get("x-shopify-api-version", self.version_served)
            envelope = self._open(document, response)
            spent = envelope.extensions.cost if envelope.extensions else None
            if envelope.errors:
                self._refuse(document, envelope.errors, spent)
            try:
                return msgspec.json.decode(envelope.data, type=answer)
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                _lost(document, f"the answer to {document.name} has another shape than the schema: {error}")
        finally:
            self._settle(document, cost, spent)

    async def _send(self, document: Document, body: bytes, token: str) -> Response:
        headers = {**self._headers, "x-shopify-access-token": token}
        request = Request("POST", self._settings.endpoint, headers, body, TIMEOUT_S)
        try:
            return await self._transport.send(request)
        except OutcomeUnknown as error:
            _lost(document, str(error))

    def _settle(self, document: Document, taken: float, spent: Cost | None) -> None:
        if spent is None:
            self._governor.settle(taken, None)
            return
        status = spent.throttle_status
        if status:
            self._governor.observe(capacity=status.maximum_available, restore_per_s=status.restore_rate)
        # A throttled query was not run and costs nothing: its actual cost is null.
        self._governor.settle(
            taken, spent.actual_query_cost or 0.0, status.currently_available if status else None
        )
        if spent.requested_query_cost and (
            document.text in self._learned or len(self._learned) < LEARNED_MAX
        ):
            self._learned[document.text] = spent.requested_query_cost

    def _open(self, document: Document, response: Response) -> Envelope:
        """Sort by HTTP status, then open the envelope."""
        status = response.status
        if status in {401, 403}:
            raise AuthExpired(
                f"Shopify refused the access token (HTTP {status}): {_words(response.body)}. "
                "Reinstall the app, or enter a new token or secret",
            )
        if status in {402, 423}:
            raise AuthExpired(
                f"the shop is frozen or locked (HTTP {status}); its owner must settle that with Shopify"
            )
        if status in {429, 430}:
            wait = _retry_after(response.headers.get("retry-after", ""))
            self._governor.pause(wait)
            raise Throttled(f"Shopify asked to slow down (HTTP {status})", wait)
        if status == 404:
            raise Retryable(
                f"Shopify does not know {self._settings.shop} or API version {self._settings.api_version} "
                "(HTTP 404); check both",
            )
        if status >= 500 or status == 408:
            _lost(document, f"Shopify answered HTTP {status}: {_words(response.body)}")
        if 300 <= status < 400:
            raise Retryable(
                f"Shopify redirected (HTTP {status}): check the shop name, it may have been renamed"
            )
        if status >= 400:
            raise Rejected(f"Shopify refused {document.name} (HTTP {status}): {_words(response.body)}")
        try:
            return self._envelope.decode(response.body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            _lost(
                document,
                f"the answer to {document.name} is no GraphQL answer ({error}): {_words(response.body)}",
            )

    def _refuse(self, document: Document, errors: tuple[TopError, ...] | str, spent: Cost | None) -> NoReturn:
        """Sort top-level errors."""
        if isinstance(errors, str):
            raise Rejected(f"Shopify refused {document.name}: {_words(errors.encode())}")
        codes = {error.extensions.code for error in errors if error.extensions}
        words = _words("; ".join(error.message for error in errors).encode())
        if "THROTTLED" in codes:
            wait = _until_affordable(spent)
            self._governor.pause(wait)
            raise Throttled(f"Shopify: {words}", wait)
        if "ACCESS_DENIED" in codes:
            raise AuthExpired(
                f"the app lacks a scope for {document.name}: {words}. Grant it and reinstall the app"
            )
        if "INTERNAL_SERVER_ERROR" in codes or "TIMEOUT" in codes:
            _lost(document, f"Shopify failed inside {document.name}: {words}")
        raise Rejected(f"Shopify refused {document.name}: {words}")


def _lost(document: Document, message: str) -> NoReturn:
    """A lost answer: of a mutation its outcome is unknown; a read has no effect and may be repeated."""
    if document.writes:
        raise OutcomeUnknown(message) from None
    raise Retryable(message) from None


def _until_affordable(spent: Cost | None) -> float:
    status = spent.throttle_status if spent else None
    if not spent or not status or status.restore_rate <= 0:
        return 1.0
    missing = (spent.requested_query_cost or 0.0) - status.currently_available
    return min(PAUSE_S_MAX, max(PAUSE_S_MIN, missing / status.restore_rate))


def _retry_after(text: str) -> float:
    """Seconds; Shopify sends a number such as ``2.0``."""
    try:
        return min(PAUSE_S_MAX, max(PAUSE_S_MIN, float(text)))
    except ValueError:
        return 2.0


def _words(body: bytes) -> str:
    """The vendor's words, fit for a message."""
    return _CONTROL.sub(" ", body[: WORDS_MAX * 4].decode(errors="replace"))[:WORDS_MAX].strip() or "no words"
