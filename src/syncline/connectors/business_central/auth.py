"""Access tokens by OAuth 2.0 client credentials at Microsoft Entra.

Microsoft, "Using service-to-service authentication": scope ``…/.default``, an hour's life, no refresh token.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

import msgspec

from syncline.connectors.business_central.manifest import API, BusinessCentralSettings
from syncline.model.errors import AuthExpired, OutcomeUnknown, Retryable, Throttled
from syncline.ports import Clock, Request, Transport

SCOPE = f"{API}/.default"
LIFE_S = 3600
LIFE_S_MIN = 60
RENEW_BEFORE_S = 300  # of the token's hour: a call under way must not outlive it


class Tokens:
    """Keeps one access token alive. Safe for any number of tasks: only one asks at a time."""

    def __init__(self, settings: BusinessCentralSettings, clock: Clock, transport: Transport) -> None:
        self._settings = settings
        self._clock = clock
        self._transport = transport
        self._token = ""
        self._renew_at = 0.0
        self._asking = asyncio.Lock()

    async def token(self) -> str:
        """A token with some life left.

        Raises:
            AuthExpired: the credential is refused.
            Retryable, Throttled: no token could be had now; nothing was sent to any record.
        """
        if self._fresh():
            return self._token
        async with self._asking:
            if not self._fresh():
                await self._ask()
            return self._token

    async def renew(self, refused: str) -> str:
        """A token other than ``refused``; whoever comes second gets the one that the first fetched."""
        async with self._asking:
            if self._token == refused or not self._fresh():
                await self._ask()
            return self._token

    def _fresh(self) -> bool:
        return bool(self._token) and self._clock.monotonic() < self._renew_at

    async def _ask(self) -> None:
        settings = self._settings
        form = urlencode(
            {
                "grant_type": "client_credentials",
                "client_id": settings.client_id,
                "client_secret": settings.client_secret,
                "scope": SCOPE,
            }
        )
        request = Request(
            "POST",
            settings.token_url,
            {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            form.encode(),
            timeout_s=30.0,
        )
        began = self._clock.monotonic()
        try:
            response = await self._transport.send(request)
        except OutcomeUnknown as error:
            raise Retryable("Microsoft Entra did not answer.") from error
        answer = _object(response.body)
        if response.status == 429:
            raise Throttled("Microsoft Entra asked us to slow down.")
        if response.status in (400, 401, 403):
            # Only the error's name and number: the description may quote what was sent.
            codes = answer.get("error_codes") or ()
            named = ", ".join(f"AADSTS{code}" for code in codes if isinstance(code, int))
            raise AuthExpired(
                f"Microsoft Entra refused the client credentials ({response.status} {str(answer.get('error', ''))[:60]} "
                f"{named}): check tenant, client_id and client_secret, and whether the secret has expired."
            )
        token = answer.get("access_token")
        if response.status != 200 or not isinstance(token, str) or not token:
            raise Retryable(f"Microsoft Entra answered {response.status} without a token.")
        self._token = token
        life = max(LIFE_S_MIN, _seconds(answer.get("expires_in")))
        self._renew_at = began + max(life - RENEW_BEFORE_S, life / 2)


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _seconds(value: Any) -> int:
    try:
        return min(int(value), LIFE_S)
    except (TypeError, ValueError, OverflowError):
        return LIFE_S
