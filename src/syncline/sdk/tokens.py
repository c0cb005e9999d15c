"""Access tokens that are asked for when the last one is about to end (OAuth 2.0 client credentials, RFC 6749 section 4.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from syncline.model.errors import AuthExpired, OutcomeUnknown, Retryable, Throttled
from syncline.ports import Clock, Request, Transport

LIFE_S_MIN = 60
LIFE_S_MAX = 3600  # as most vendors' tokens of this kind live; also where none is stated
RENEW_BEFORE_S = 300  # of the token's hour: a call under way must not outlive it
TIMEOUT_S = 30.0
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class KeptToken:
    """Keeps one access token alive. Safe for any number of tasks: only one asks at a time.

    There is no refresh token in this grant: the credential is shown each time.
    """

    def __init__(
        self,
        clock: Clock,
        transport: Transport,
        *,
        who: str,
        url: str,
        form: Callable[[], bytes],
        refused: Callable[[int, dict[str, Any]], str],
        life_s_max: int = LIFE_S_MAX,
    ) -> None:
        """``who`` answers at ``url``; ``refused`` says what to do about an answer that refuses the credential.

        A token is believed for ``life_s_max`` at most, and for so long where its life is not stated.
        """
        self._clock = clock
        self._transport = transport
        self._who = who
        self._url = url
        self._form = form
        self._refused = refused
        self._life_s_max = life_s_max
        self._token = ""
        self._renew_at_s = 0.0
        self._asking = asyncio.Lock()

    async def token(self) -> str:
        """A token with some life left.

        Raises:
            AuthExpired: the credential is refused.
            Retryable, Throttled: no token could be had now; nothing was sent to any record.
        """
        return await self._one(self._fresh)

    async def renew(self, refused: str) -> str:
        """A token other than ``refused``; whoever comes second gets the one that the first fetched."""
        return await self._one(lambda: self._token != refused and self._fresh())

    async def _one(self, good: Callable[[], bool]) -> str:
        if good():
            return self._token
        async with self._asking:
            if not good():
                await self._ask()
            return self._token

    def _fresh(self) -> bool:
        return bool(self._token) and self._clock.monotonic() < self._renew_at_s

    async def _ask(self) -> None:
        began_s = self._clock.monotonic()
        try:
            response = await self._transport.send(Request("POST", self._url, FORM, self._form(), TIMEOUT_S))
        except OutcomeUnknown as error:
            raise Retryable(f"{self._who} did not answer.") from error
        answer = _object(response.body)
        if response.status == 429:
            raise Throttled(f"{self._who} asked us to slow down.")
        if response.status in (400, 401, 403):
            raise AuthExpired(self._refused(response.status, answer))
        token = answer.get("access_token")
        if response.status != 200 or not isinstance(token, str) or not token:
            raise Retryable(f"{self._who} answered {response.status} without a token.")
        self._token = token
        life_s = max(LIFE_S_MIN, _seconds(answer.get("expires_in"), self._life_s_max))
        self._renew_at_s = began_s + max(life_s - RENEW_BEFORE_S, life_s / 2)


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _seconds(value: Any, most: int) -> int:
    # A number or a string: vendors disagree, so both are read.
    try:
        return min(int(value), most)
    except (TypeError, ValueError, OverflowError):
        return most
