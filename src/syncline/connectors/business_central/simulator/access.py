"""Who may call, and how often: Entra's token endpoint, tokens, and the limits of one service principal.

Contract sheet sections 2 and 4 (Microsoft, "Service-to-service authentication" and "Operational limits").
"""

from __future__ import annotations

import asyncio
import hmac
from collections import deque
from collections.abc import Callable
from random import Random
from urllib.parse import parse_qs

from syncline.connectors.business_central.simulator.errors import ApiError, too_many
from syncline.ports import Clock

SCOPE = "https://api.businesscentral.dynamics.com/.default"
TOKEN_LIFE_S = 3599
RUNNING_MAX = 5
QUEUED_MAX = 95
WINDOW_CALLS_MAX = 6000
WINDOW_S = 300.0
QUEUED_S_MAX = 480.0


class Refused(Exception):
    """The token endpoint says no: status, OAuth error, and Entra's own code with its words."""

    def __init__(self, status: int, error: str, code: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.error = error
        self.code = code
        self.words = words


class Tokens:
    """Client credentials in, bearer tokens out. There is no refresh token."""

    def __init__(self, rng: Random, client_id: str, client_secret: str) -> None:
        self._rng = rng
        self._client_id = client_id
        self.client_secret = client_secret
        self._alive: dict[str, int] = {}  # token -> the moment of its end

    def issue(self, body: bytes, now_ms: int) -> dict[str, object]:
        """Answer the form of a token request.

        Raises:
            Refused: with the status and code that Entra uses.
        """
        try:
            form = {k: v[0] for k, v in parse_qs(body.decode("ascii"), strict_parsing=True).items()}
        except (UnicodeDecodeError, ValueError) as error:
            raise Refused(
                400,
                "invalid_request",
                900144,
                "AADSTS900144: The request body must contain the following parameter: 'grant_type'.",
            ) from error
        for name in ("grant_type", "client_id"):
            if not form.get(name):
                raise Refused(
                    400,
                    "invalid_request",
                    900144,
                    f"AADSTS900144: The request body must contain the following parameter: '{name}'.",
                )
        if form["grant_type"] != "client_credentials":
            raise Refused(
                400,
                "unsupported_grant_type",
                70003,
                f"AADSTS70003: The app requested an unsupported grant type '{form['grant_type']}'.",
            )
        if form["client_id"] != self._client_id:
            raise Refused(
                400,
                "unauthorized_client",
                700016,
                f"AADSTS700016: Application with identifier '{form['client_id']}' was not found in the directory.",
            )
        if not hmac.compare_digest(form.get("client_secret", "").encode(), self.client_secret.encode()):
            raise Refused(
                401,
                "invalid_client",
                7000215,
                "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the "
                f"client secret value, not the client secret ID, for a secret added to app '{self._client_id}'.",
            )
        if form.get("scope") != SCOPE:
            raise Refused(
                400,
                "invalid_scope",
                1002012,
                f"AADSTS1002012: The provided value for scope {form.get('scope', '')} is not valid. Client credential "
                "flows must have a scope value with /.default suffixed to the resource identifier.",
            )
        token = f"eyJ0eXAi.{self._rng.getrandbits(320):080x}.{self._rng.getrandbits(128):032x}"
        self._alive = {t: end for t, end in self._alive.items() if end > now_ms}
        self._alive[token] = now_ms + TOKEN_LIFE_S * 1000
        return {
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFE_S,
            "ext_expires_in": TOKEN_LIFE_S,
            "access_token": token,
        }

    def holds(self, token: str, now_ms: int) -> bool:
        """Whether a token is alive."""
        return self._alive.get(token, 0) > now_ms

    def forget(self) -> None:
        """End every token now."""
        self._alive.clear()


class Limits:
    """What one service principal may do at once and in five minutes, beyond which there is a 429.

    Each operation of a batch counts as a call: the documents do not say so, and the stricter reading is taken.
    """

    def __init__(self, clock: Clock, breach: Callable[[str], None]) -> None:
        self._clock = clock
        self._breach = breach
        self._window: deque[float] = deque()
        self._queue: deque[asyncio.Future[None]] = deque()
        self.running = 0
        self.running_most = 0
        self.queued_most = 0
        self.window_calls_max = WINDOW_CALLS_MAX

    def count(self, calls: int = 1) -> None:
        """Count calls against the window.

        Raises:
            ApiError: there were too many; these are not counted.
        """
        now = self._clock.monotonic()
        while self._window and self._window[0] <= now - WINDOW_S:
            self._window.popleft()
        if len(self._window) + calls > self.window_calls_max:
            self._breach("rate")
            raise too_many(len(self._window) + calls, self.window_calls_max)
        self._window.extend([now] * calls)

    async def enter(self) -> None:
        """Begin to run, after waiting in the queue if five others do.

        Raises:
            ApiError: the queue is full, or it took longer than eight minutes.
        """
        if self.running < RUNNING_MAX:
            self._run()
            return
        if len(self._queue) >= QUEUED_MAX:
            self._breach("concurrency")
            raise too_many(RUNNING_MAX + QUEUED_MAX + 1, RUNNING_MAX + QUEUED_MAX)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self.queued_most = max(self.queued_most, len(self._queue))
        timer = self._clock.after(QUEUED_S_MAX, lambda: _end(turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._queue:
                self._queue.remove(turn)
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise ApiError(
                503, "Internal_ServerError", "The request waited too long.", headers={"retry-after": "30"}
            ) from None
        finally:
            timer.cancel()

    def leave(self) -> None:
        """A call has been answered; the next in line runs."""
        self.running -= 1
        while self._queue and self.running < RUNNING_MAX:
            turn = self._queue.popleft()
            if not turn.done():
                self._run()
                turn.set_result(None)

    def _run(self) -> None:
        self.running += 1
        self.running_most = max(self.running_most, self.running)


def _end(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.cancel()
