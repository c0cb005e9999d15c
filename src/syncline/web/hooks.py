"""The hot route: ``POST /hooks/{system}/{token}``, plain ASGI in front of everything else.

Read within a limit of size and time, check the address, verify, append durably, answer. An unknown
system, a wrong address and a wrong signature cannot be told apart, neither by answer nor by effort.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import parse_qs

import msgspec
from starlette.types import Message, Receive, Scope, Send

from syncline.engine.capture.ingress import BODY_BYTES_MAX, Answer, Ingress
from syncline.ports import Clock
from syncline.web.limits import Deadlines, Overdue, RateLimit, forwarded_for, source_of

PREFIX = "/hooks/"
READERS_MAX = 512  # requests whose bodies are being read; each may hold BODY_BYTES_MAX
BUFFERED_BYTES_MAX = 256 * 1024 * 1024
BODY_SECONDS = 10.0
PER_S = 500.0
BURST = 1_000
FIELDS_MAX = 20
TOKEN_CHARS_MAX = 1_000
REFUSED = Answer(401, "signature refused")


class Hooks:
    """Takes webhooks in for the engine."""

    def __init__(
        self,
        ingress: Ingress,
        clock: Clock,
        tokens: Mapping[str, str],
        *,
        trusted_proxies: Collection[str] = (),
        body_bytes_max: int = BODY_BYTES_MAX,
        body_seconds: float = BODY_SECONDS,
        per_s: float = PER_S,
        burst: int = BURST,
    ) -> None:
        self._ingress = ingress
        self._tokens = {name: token.encode() for name, token in tokens.items()}
        self._trusted = frozenset(trusted_proxies)
        self._limit = RateLimit(clock, per_s=per_s, burst=burst)
        self._deadlines = Deadlines(clock, body_seconds)
        self._bytes_max = body_bytes_max
        self._buffered = 0
        self.limited = 0
        self.too_slow = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request below ``/hooks/``."""
        answer = await self._answer(scope, receive)
        if answer is not None:
            await _send(send, answer)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        peer = (scope.get("client") or ("", 0))[0]
        source = source_of(peer, forwarded_for(scope["headers"]), self._trusted)
        wait = self._limit.take(source)
        if wait:
            self.limited += 1
            return Answer(429, "too many requests", retry_after_s=max(1, round(wait)))
        if scope.get("query_string") and (shaken := self._handshake(scope)) is not None:
            return shaken
        if scope["method"] != "POST":
            return Answer(405, "send webhooks with POST")
        if len(self._deadlines) >= READERS_MAX or self._buffered > BUFFERED_BYTES_MAX:
            return Answer(503, "busy", retry_after_s=1)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self._bytes_max:
            return Answer(413, "the body is too large")
        held = 0
        try:
            with self._deadlines.start():
                chunks: list[bytes] = []
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    chunk = message.get("body", b"")
                    held += len(chunk)
                    self._buffered += len(chunk)
                    if held > self._bytes_max:
                        return Answer(413, "the body is too large")
                    chunks.append(chunk)
                    if not message.get("more_body", False):
                        break
            body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            return await self._accept(scope["path"], headers, body)
        except Overdue:
            self.too_slow += 1
            return Answer(408, "the body did not arrive in time")
        finally:
            self._buffered -= held

    def _handshake(self, scope: Scope) -> Answer | None:
        """Give a vendor the token back by which it makes sure that the address is meant, where its connector says so."""
        system, known = self._addressed(scope["path"])
        name = self._ingress.handshake(system) if known else ""
        if not name:
            return None
        try:
            given = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=FIELDS_MAX)
        except ValueError:
            return None
        token = given.get(name, [""])[0]
        if not token or len(token) > TOKEN_CHARS_MAX or not token.isprintable():
            return None
        return Answer(200, token, text=True)

    def _addressed(self, path: str) -> tuple[str, bool]:
        """The system that an address names, and whether it is the right address."""
        system, _, token = path[len(PREFIX) :].partition("/")
        known = self._tokens.get(system, b"")
        return system, hmac.compare_digest(known or b"-", token.encode())

    async def _accept(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        system, known = self._addressed(path)
        # Compared in any case, and a wrong address costs a signature over the body like a right one.
        if not known:
            hmac.digest(b"nobody", body, "sha256")
            return REFUSED
        return await self._ingress.accept(system, headers, body)


async def _send(send: Send, answer: Answer) -> None:
    for message in messages_of(answer):
        await send(message)


@lru_cache(maxsize=64)
def messages_of(answer: Answer) -> tuple[Message, Message]:
    """An answer as ASGI has it. Nearly all are "stored", which needs no words and so one write to the socket."""
    body = b"" if answer.status == HTTPStatus.OK else msgspec.json.encode({"message": answer.message})
    if answer.text:
        body = answer.message.encode()
    headers = [(b"content-length", str(len(body)).encode())]
    if body:
        headers += [
            (b"content-type", b"text/plain; charset=utf-8" if answer.text else b"application/json"),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
    if answer.retry_after_s:
        headers.append((b"retry-after", str(answer.retry_after_s).encode()))
    if answer.status in (408, 413):
        headers.append((b"connection", b"close"))
    return (
        {"type": "http.response.start", "status": answer.status, "headers": headers},
        {"type": "http.response.body", "body": body},
    )
