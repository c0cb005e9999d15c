"""Object storage that speaks S3: calls signed with Signature Version 4, and their answers sorted by what to do next.

A PUT shows an object whole or not at all, and ``If-None-Match: *`` never over another, so nothing is staged here.
Addresses are path-style, which S3 and the stores that speak like it understand.

Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)", "ListObjectsV2", "PutObject",
"CopyObject", "Error Responses".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
from types import MappingProxyType
from urllib.parse import quote, unquote_plus, urlsplit

from syncline.connectors.files.declared import Column
from syncline.connectors.files.manifest import FilesSettings
from syncline.connectors.files.xmlrows import records
from syncline.model.errors import AuthExpired, Conflict, OutcomeUnknown, Rejected, Retryable, Throttled
from syncline.ports import Clock, Entry, Folder, Request, Response, Transport
from syncline.sdk.governor import ConcurrencySlots

PIECE_BYTES = 16 * 1024 * 1024
PAGE_KEYS = 1_000
PAGES_MAX = 1_000
TIMEOUT_S = 50.0  # shorter than the window in which a missing file is looked for
THROTTLED_S = 2.0
THROTTLED_S_MAX = 600.0  # whatever an answer says: whoever stands between could end the exchange with one
MESSAGE_CHARS_MAX = 500
REFUSED = frozenset(
    "AccessDenied AccountProblem ExpiredToken InvalidAccessKeyId InvalidToken RequestTimeTooSkewed SignatureDoesNotMatch".split()
)
NOTHING: Mapping[str, str] = MappingProxyType({})
_CONTENTS = tuple(Column(name, name=name) for name in ("Key", "Size", "LastModified"))
_LISTING = tuple(Column(name, name=name) for name in ("IsTruncated", "NextContinuationToken", "EncodingType"))
_ERROR = tuple(Column(name, name=name) for name in ("Code", "Message"))


class Signer:
    """Signs requests with Signature Version 4."""

    def __init__(self, settings: FilesSettings, clock: Clock, service: str = "s3") -> None:
        self._settings = settings
        self._clock = clock
        self._service = service

    def headers(
        self, method: str, url: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> dict[str, str]:
        """The headers of a request with its signature; ``url`` is without the query."""
        now = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        parts = urlsplit(url)
        content = hashlib.sha256(body).hexdigest()
        signed = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
        signed |= {"host": parts.netloc, "x-amz-content-sha256": content, "x-amz-date": stamp}
        if self._settings.session_token:
            signed["x-amz-security-token"] = self._settings.session_token
        names = ";".join(sorted(signed))
        canonical = "\n".join(
            (
                method,
                parts.path or "/",
                query_of(query),
                *(f"{name}:{signed[name]}" for name in sorted(signed)),
                "",
                names,
                content,
            )
        )
        scope = f"{day}/{self._settings.region}/{self._service}/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        key = f"AWS4{self._settings.secret_key}".encode()
        for part in (day, self._settings.region, self._service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hex()
        credential = f"Credential={self._settings.access_key}/{scope}"
        signed["authorization"] = f"AWS4-HMAC-SHA256 {credential},SignedHeaders={names},Signature={signature}"
        return signed


def query_of(query: Mapping[str, str]) -> str:
    """A query as it is signed and sent."""
    return "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in sorted(query.items()))


class ObjectFolder(Folder):
    """A bucket, or what begins with a prefix in it."""

    def __init__(
        self, settings: FilesSettings, clock: Clock, transport: Transport, governor: ConcurrencySlots
    ) -> None:
        parts = urlsplit(settings.folder)
        endpoint = settings.endpoint or f"https://s3.{settings.region}.amazonaws.com"
        self._bucket = parts.netloc
        self._url = f"{endpoint.rstrip('/')}/{quote(self._bucket, safe='')}"
        self._prefix = parts.path.strip("/")
        self._entries_max = settings.entries_max
        self._signer = Signer(settings, clock)
        self._transport = transport
        self._governor = governor

    async def list(self, path: str) -> list[Entry]:
        prefix = f"{self._key(path)}/"
        found: list[Entry] = []
        after = ""
        for _ in range(PAGES_MAX):
            query = {"delimiter": "/", "max-keys": str(PAGE_KEYS)}
            entries, after = await self._listing(
                prefix, query | ({"continuation-token": after} if after else {})
            )
            found += [entry for entry in entries if entry.name]  # a folder may have an object of its own
            if not after or len(found) >= self._entries_max:
                return sorted(found, key=lambda entry: entry.name)
        raise Retryable(f"the listing of {path} has more than {PAGES_MAX} pages")

    async def _listing(self, prefix: str, query: Mapping[str, str]) -> tuple[Sequence[Entry], str]:
        query = {"list-type": "2", "encoding-type": "url", "prefix": prefix, **query}
        answer = await self._read("GET", "", query)
        try:
            return _listing(answer.body, prefix)
        except (Rejected, ValueError) as error:
            raise Retryable(f"the listing of {prefix} cannot be read: {error}") from error

    async def read(self, path: str, name: str) -> AsyncIterator[bytes]:
        at, whole, tag = 0, 1, ""
        while at < whole:
            headers = {"range": f"bytes={at}-{at + PIECE_BYTES - 1}"} | ({"if-match": tag} if tag else {})
            answer = await self._read("GET", self._key(path, name), NOTHING, headers, may_miss=True)
            if answer.status == 416:
                return  # it is empty
            if answer.status in (404, 412) and _words(answer)[0] in ("NoSuchKey", "PreconditionFailed"):
                raise Conflict(f"{name!a} is not there any more, or is another one now")
            if str(len(answer.body)) != answer.headers.get("content-length", str(len(answer.body))):
                raise Retryable(f"{name!a} came cut off")
            if answer.status not in (200, 206) or not answer.headers.get("etag"):
                raise Retryable(f"{name!a}: somebody else than the store answered")
            tag = answer.headers["etag"]
            whole = _whole(answer, at)
            at += len(answer.body)
            if not answer.body and at < whole:
                raise Retryable(f"{name!a} came cut off")
            yield answer.body

    async def find(self, path: str, name: str) -> Entry | None:
        # By a listing and not by HEAD: nothing in the answer to that tells the store from whoever stands between.
        prefix = f"{self._key(path)}/"
        found, _ = await self._listing(prefix + name, {"max-keys": "1"})
        return Entry(name, found[0].size, found[0].modified_ms) if found and not found[0].name else None

    async def stage(self, path: str, name: str, body: bytes) -> None:
        return  # a PUT is whole by itself

    async def staged(self, path: str, name: str) -> bool | None:
        return None

    async def publish(self, path: str, name: str, body: bytes) -> None:
        headers = {"if-none-match": "*", "content-type": "application/octet-stream"}
        answer = await self._write("PUT", self._key(path, name), headers, body)
        if answer.status == 412:
            raise Conflict(f"{name!a} is there already")
        if not answer.headers.get("etag"):
            raise OutcomeUnknown(f"writing {name!a}: somebody else than the store answered")

    async def move(self, path: str, name: str, to: str, new_name: str) -> None:
        source = f"/{self._bucket}/{self._key(path, name)}"
        answer = await self._write("PUT", self._key(to, new_name), {"x-amz-copy-source": quote(source)}, b"")
        if answer.status == 404:
            return
        if b"<CopyObjectResult" not in answer.body:  # a copy may fail after its 200 was sent
            raise OutcomeUnknown(f"copying {name!a} failed: {_words(answer)[1]}")
        gone = await self._write("DELETE", self._key(path, name), NOTHING, b"")
        if gone.status != 204:
            raise OutcomeUnknown(f"deleting {name!a}: somebody else than the store answered")

    # --- calls ------------------------------------------------------------------------------------------

    def _key(self, path: str, name: str = "") -> str:
        return "/".join(part for part in (self._prefix, path.strip("/"), name) if part)

    async def _read(
        self,
        method: str,
        key: str,
        query: Mapping[str, str],
        headers: Mapping[str, str] = NOTHING,
        *,
        may_miss: bool = False,
    ) -> Response:
        try:
            answer = await self._send(method, key, query, headers, b"")
        except OutcomeUnknown as error:
            raise Retryable(str(error)) from error  # reading has no effect
        if answer.status in (404, 412, 416) and may_miss:
            return answer
        if answer.status not in (200, 206):
            raise Retryable(f"{method} {key}: {answer.status} {_words(answer)[1]}")
        return answer

    async def _write(self, method: str, key: str, headers: Mapping[str, str], body: bytes) -> Response:
        answer = await self._send(method, key, NOTHING, headers, body)
        if answer.status in (200, 204):
            return answer
        code, words = _words(answer)
        if code in ("NoSuchKey", "PreconditionFailed"):
            return answer
        if answer.status >= 500:
            raise OutcomeUnknown(f"{method} {key}: {answer.status} {words}")
        if answer.status in (404, 408, 409):
            raise Retryable(f"{method} {key}: {answer.status} {words}")
        raise Rejected(f"{code or answer.status}: {words}")

    async def _send(
        self, method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Response:
        await self._governor.acquire()
        try:
            url = self._url + (f"/{quote(key)}" if key else "")
            signed = self._signer.headers(method, url, query, headers, body)
            signed.pop("host")  # whoever sends sets it
            full = url + (f"?{query_of(query)}" if query else "")
            answer = await self._transport.send(Request(method, full, signed, body, TIMEOUT_S))
        finally:
            self._governor.release()
        if answer.status in (429, 503):
            seconds = _seconds(answer)
            self._governor.pause(seconds)
            raise Throttled(f"the store asks for fewer calls: {_words(answer)[1]}", seconds)
        if answer.status in (401, 403):
            code, words = _words(answer)
            if code in REFUSED or not code:
                raise AuthExpired(f"the store refuses the credential: {code} {words}")
        return answer


def _listing(body: bytes, prefix: str) -> tuple[list[Entry], str]:
    """The entries of a page, and the token of the next or ""."""
    found: list[Entry] = []
    about = next(records(BytesIO(body), "ListBucketResult", _LISTING), None)
    if about is None:
        raise Rejected("it is no listing")
    more, token, encoding = about.values
    for row in records(BytesIO(body), "ListBucketResult/Contents", _CONTENTS):
        key, size, modified = row.values
        # Of the stores that speak like it not all encode; where they do, a space is a plus sign.
        name = (unquote_plus(key) if encoding == "url" else key).removeprefix(prefix)
        if not name.startswith("."):
            at = datetime.fromisoformat(modified)
            found.append(Entry(name, int(size), round(at.timestamp() * 1000)))
    return found, token if more == "true" else ""


def _words(answer: Response) -> tuple[str, str]:
    """Code and message of an error."""
    try:
        for row in records(BytesIO(answer.body), "Error", _ERROR):
            return row.values[0], row.values[1][:MESSAGE_CHARS_MAX]
    except Rejected:
        pass
    return "", answer.body[:100].decode("ascii", "replace")


def _seconds(answer: Response) -> float:
    try:
        return min(THROTTLED_S_MAX, max(0.0, float(answer.headers.get("retry-after", ""))))
    except ValueError:
        return THROTTLED_S


def _whole(answer: Response, at: int) -> int:
    """How long an object is, by an answer that may hold a part of it."""
    total = answer.headers.get("content-range", "").rpartition("/")[2]
    return int(total) if total.isascii() and total.isdigit() and len(total) < 20 else at + len(answer.body)
