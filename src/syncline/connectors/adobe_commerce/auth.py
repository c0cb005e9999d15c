"""What goes into ``Authorization``: an OAuth 1.0a signature for each call, a bearer token, or an administrator's token.

developer.adobe.com/commerce/webapi/get-started/authentication; HMAC-SHA256 is the only signature that current lines take.
"""

from __future__ import annotations

import asyncio
from random import Random

import msgspec

from syncline.connectors.adobe_commerce.manifest import AdobeCommerceSettings
from syncline.model.errors import AuthExpired, OutcomeUnknown, Retryable
from syncline.ports import Clock, Expiry, Request, Response, Transport
from syncline.sdk.ends import jwt_end_ms
from syncline.sdk.oauth1 import Keys, authorization

TOKEN_PATH = "/V1/integration/admin/token"  # noqa: S105 - a path
# Administrators' tokens live four hours unless the shop says otherwise, and it does not tell: a refused one is renewed.
TOKEN_LIFE_S = 4 * 3600 - 600
TIMEOUT_S = 30.0


class Credential:
    """Makes the header of each call."""

    def __init__(
        self, settings: AdobeCommerceSettings, *, clock: Clock, rng: Random, transport: Transport
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._transport = transport
        self._token = ""
        self._until_s = 0.0
        self._renewing = asyncio.Lock()

    @property
    def renewable(self) -> bool:
        """Whether a refused credential may be replaced by a fresh one."""
        return self._settings.auth == "admin"

    async def header(self, method: str, url: str, query: str) -> str:
        """The header for one call; a signature is good for this call only.

        Raises:
            AuthExpired: no token is given for the administrator's name and password.
            Retryable: the shop could not be asked for one.
        """
        if self._settings.auth == "oauth":
            held = self._settings
            keys = Keys(held.consumer_key, held.consumer_secret, held.access_token, held.access_token_secret)
            return authorization(
                keys,
                method,
                f"{url}?{query}" if query else url,
                timestamp_s=self._clock.now_ms() // 1000,
                nonce=f"{self._rng.getrandbits(128):032x}",
            )
        if self._settings.auth == "bearer":
            return f"Bearer {self._settings.access_token}"
        async with self._renewing:
            if not self._token or self._clock.monotonic() >= self._until_s:
                self._token = await self._fetch()
                self._until_s = self._clock.monotonic() + TOKEN_LIFE_S
            return f"Bearer {self._token}"

    def refused(self, header: str) -> None:
        """A call with this header was refused; a token that is newer is kept."""
        if header == f"Bearer {self._token}":
            self._token = ""

    async def _fetch(self) -> str:
        held = self._settings
        body = msgspec.json.encode({"username": held.admin_user, "password": held.admin_password})
        url = f"{held.origin}/rest/{held.store}{TOKEN_PATH}"
        headers = {"content-type": "application/json", "accept": "application/json"}
        try:
            answer = await self._transport.send(Request("POST", url, headers, body, TIMEOUT_S))
        except OutcomeUnknown as error:
            raise Retryable(f"the shop did not answer a request for a token: {error}") from None
        return _token_of(answer)


def _token_of(answer: Response) -> str:
    if answer.status in {401, 403}:
        raise AuthExpired(
            "the shop gives no token for admin_user and admin_password: check both, whether the account is locked, and "
            'whether two-factor authentication is asked for; an integration (auth = "oauth") needs none'
        )
    if answer.status != 200:
        raise Retryable(f"the shop answered HTTP {answer.status} to a request for a token")
    try:
        token = msgspec.json.decode(answer.body, type=str)
    except msgspec.MsgspecError:
        raise Retryable("the shop's answer to a request for a token is no token") from None
    if not token.isascii() or not token.isprintable():
        raise Retryable("the shop's answer to a request for a token is no token")
    return token


def expiries_of(settings: AdobeCommerceSettings) -> tuple[Expiry, ...]:
    """When a bearer token ends that says so itself, as an administrator's does.

    Tokens of an integration last until they are revoked, and those that are asked for here are renewed before they end.
    """
    end_ms = jwt_end_ms(settings.access_token) if settings.auth == "bearer" else None
    if end_ms is None:
        return ()
    mend = 'Use an integration (auth = "oauth"), whose tokens last.'
    return (Expiry("access token", end_ms, "the token", mend),)
