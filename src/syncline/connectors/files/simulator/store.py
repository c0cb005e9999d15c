"""A bucket of an object store that speaks S3, as an ASGI app.

Source: Amazon S3 API Reference, "ListObjectsV2", "GetObject", "HeadObject", "PutObject" (conditional writes), "CopyObject",
"DeleteObject", "Error Responses". How many requests are served at once is an assumption; the documents name a rate for each
prefix, and 503 SlowDown for those above it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from random import Random
from urllib.parse import parse_qsl, quote, quote_plus, unquote
from xml.sax.saxutils import escape

from starlette.types import Receive, Scope, Send

from syncline.connectors.files.simulator.signature import BadSignature, check
from syncline.ports import Clock, Transport
from syncline.sdk.simulator import Simulator

ORIGIN = "https://store.simulated"
ACCESS_KEY = "AKIDSIMULATED"
SECRET_KEY = "simulated-secret-key-0123456789"  # noqa: S105 (of a simulator)
AT_ONCE_MAX = 64
RETRY_AFTER_S = 2
_PARAMETERS = frozenset(
    {"list-type", "prefix", "delimiter", "encoding-type", "max-keys", "continuation-token"}
)
_HEADERS = frozenset(
    {
        "x-amz-content-sha256",
        "x-amz-copy-source",
        "x-amz-date",
        "x-amz-security-token",
    }
)
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
SLOW_DOWN = "Please reduce your request rate."


@dataclass(frozen=True, slots=True)
class Stored:
    """One object."""

    body: bytes
    modified_ms: int

    @property
    def etag(self) -> str:
        """Its tag."""
        return '"' + hashlib.md5(self.body, usedforsecurity=False).hexdigest() + '"'


@dataclass(slots=True)
class Reply:
    """An answer, and whether it changed anything."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    applied: bool = False
    length: int | None = None  # of a HEAD, whose body is not sent


class ObjectStoreSimulator(Simulator):
    """One bucket with one user; ``objects`` is what is in it."""

    def __init__(
        self,
        *,
        clock: Clock,
        rng: Random,
        transport: Transport | None = None,
        bucket: str = "exchange",
        region: str = "us-east-1",
        answer_ms: tuple[float, float] = (5.0, 60.0),
    ) -> None:
        super().__init__(clock=clock, rng=rng, transport=transport)
        self.bucket = bucket
        self.region = region
        self.objects: dict[str, Stored] = {}
        self._answer_ms = answer_ms
        self._open = 0
        self.encodes = True  # as S3 does when it is asked to; not all that speak like it do
        self.app = self._serve

    # --- people -----------------------------------------------------------------------------------------

    def put(self, key: str, body: bytes) -> None:
        """Somebody else leaves an object."""
        self.objects[key] = Stored(body, self.clock.now_ms())

    def take(self, key: str) -> bytes:
        """Somebody else fetches an object and deletes it."""
        return self.objects.pop(key).body

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin so, in order."""
        return sorted(key for key in self.objects if key.startswith(prefix))

    # --- requests ---------------------------------------------------------------------------------------

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        method, query = scope["method"], scope.get("query_string", b"").decode("ascii")
        raw_path = scope.get("raw_path", scope["path"].encode()).decode("ascii")
        self._open += 1
        try:
            reply = await self._answer(method, raw_path, query, headers, body)
        finally:
            self._open -= 1
        operation = "list" if method == "GET" and "list-type" in query else method.lower()
        self.ledger.call(self.clock.now_ms(), operation, reply.status, applied=reply.applied, detail=raw_path)
        length = len(reply.body) if reply.length is None else reply.length
        told = {
            "content-length": str(length),
            "x-amz-request-id": f"{self.rng.getrandbits(64):016X}",
            **reply.headers,
        }
        pairs = [(name.encode(), value.encode()) for name, value in told.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else reply.body})

    async def _answer(
        self, method: str, raw_path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        if self.faults.down:
            return _error(500, "InternalError", "We encountered an internal error. Please try again.")
        if self._open > AT_ONCE_MAX:
            self.ledger.breach("rate")
            return _error(429, "TooManyRequests", SLOW_DOWN, {"retry-after": str(RETRY_AFTER_S)})
        await self.answer_time(*self._answer_ms)
        if self.chance(self.faults.throttle_rate):
            return _error(503, "SlowDown", SLOW_DOWN)
        try:
            if self.faults.reject_auth:
                raise BadSignature(
                    "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
                )
            check(
                method,
                raw_path,
                query,
                headers,
                body,
                access_key=ACCESS_KEY,
                secret_key=SECRET_KEY,
                region=self.region,
                now_ms=self.clock.now_ms(),
            )
        except BadSignature as refused:
            if not self.faults.reject_auth:
                self.ledger.breach("auth")
            return _error(403, refused.code, refused.words)
        if self.chance(self.faults.error_before_rate):
            return _error(500, "InternalError", "We encountered an internal error. Please try again.")
        reply = self._do(method, raw_path, query, headers, body)
        if reply.applied and self.chance(self.faults.error_after_rate):
            return Reply(
                500,
                _xml("InternalError", "We encountered an internal error. Please try again."),
                applied=True,
            )
        return reply

    def _do(self, method: str, raw_path: str, query: str, headers: Mapping[str, str], body: bytes) -> Reply:
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        unknown = sorted(set(parameters) - _PARAMETERS) + sorted(
            name for name in headers if name.startswith("x-amz-") and name not in _HEADERS
        )
        if unknown:
            self.ledger.breach("unknown field")
            return _error(400, "InvalidArgument", f"Unknown: {unknown[0]}")
        bucket, _, key = unquote(raw_path).lstrip("/").partition("/")
        if bucket != self.bucket:
            return _error(404, "NoSuchBucket", "The specified bucket does not exist")
        if not key:
            return (
                self._list(parameters) if method == "GET" else _error(405, "MethodNotAllowed", "Not allowed")
            )
        do: dict[str, Callable[[str, Mapping[str, str], bytes], Reply]] = {
            "GET": self._get,
            "HEAD": self._get,
            "PUT": self._copy if "x-amz-copy-source" in headers else self._put,
            "DELETE": self._delete,
        }
        if method not in do:
            return _error(
                405, "MethodNotAllowed", "The specified method is not allowed against this resource."
            )
        return do[method](key, headers, body)

    def _list(self, parameters: Mapping[str, str]) -> Reply:
        if parameters.get("list-type") != "2":
            self.ledger.breach("old listing")
        prefix, delimiter = parameters.get("prefix", ""), parameters.get("delimiter", "")
        most = min(1000, int(parameters.get("max-keys", "1000")))
        after = unquote(parameters.get("continuation-token", ""))
        keys = [
            key
            for key in self.keys(prefix)
            if key > after and not (delimiter and delimiter in key[len(prefix) :])
        ]
        shown, more = keys[:most], len(keys) > most
        encoded = self.encodes and parameters.get("encoding-type") == "url"
        parts = [
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
            f"<Name>{self.bucket}</Name><KeyCount>{len(shown)}</KeyCount><MaxKeys>{most}</MaxKeys>",
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>",
            "<EncodingType>url</EncodingType>" if encoded else "",
            f"<NextContinuationToken>{escape(quote(shown[-1]))}</NextContinuationToken>" if more else "",
        ]
        for key in shown:
            name = quote_plus(key, safe="/") if encoded else escape(key)
            stored = self.objects[key]
            at = datetime.fromtimestamp(stored.modified_ms / 1000, UTC)
            stamp = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
            parts.append(
                f"<Contents><Key>{name}</Key><LastModified>{stamp}</LastModified><ETag>{escape(stored.etag)}</ETag>"
                f"<Size>{len(stored.body)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            )
        return Reply(
            200, ("".join(parts) + "</ListBucketResult>").encode(), {"content-type": "application/xml"}
        )

    def _get(self, key: str, headers: Mapping[str, str], _: bytes) -> Reply:
        stored = self.objects.get(key)
        if stored is None:
            return _error(404, "NoSuchKey", "The specified key does not exist.")
        if headers.get("if-match", stored.etag) != stored.etag:
            return _error(
                412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"
            )
        told = {"etag": stored.etag, "last-modified": formatdate(stored.modified_ms / 1000, usegmt=True)}
        match = _RANGE.fullmatch(headers.get("range", ""))
        if match is None:
            return Reply(200, stored.body, told)
        start, end = int(match[1]), min(int(match[2]) + 1, len(stored.body))
        if start >= len(stored.body):
            return _error(416, "InvalidRange", "The requested range is not satisfiable")
        told["content-range"] = f"bytes {start}-{end - 1}/{len(stored.body)}"
        return Reply(206, stored.body[start:end], told)

    def _put(self, key: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if headers.get("if-none-match") == "*" and key in self.objects:
            return _error(
                412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"
            )
        self.objects[key] = Stored(body, self.clock.now_ms())
        return Reply(200, b"", {"etag": self.objects[key].etag}, applied=True)

    def _copy(self, key: str, headers: Mapping[str, str], _: bytes) -> Reply:
        bucket, _slash, source = unquote(headers["x-amz-copy-source"]).lstrip("/").partition("/")
        stored = self.objects.get(source) if bucket == self.bucket else None
        if stored is None:
            return _error(404, "NoSuchKey", "The specified key does not exist.")
        self.objects[key] = Stored(stored.body, self.clock.now_ms())
        body = f"<CopyObjectResult><ETag>{escape(stored.etag)}</ETag></CopyObjectResult>"
        return Reply(200, body.encode(), applied=True)

    def _delete(self, key: str, _: Mapping[str, str], __: bytes) -> Reply:
        return Reply(204, applied=self.objects.pop(key, None) is not None)


def _xml(code: str, words: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{escape(words)}</Message></Error>'.encode()


def _error(status: int, code: str, words: str, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, _xml(code, words), {"content-type": "application/xml", **(headers or {})})
