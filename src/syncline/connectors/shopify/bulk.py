"""Bulk operations of mutations: upload the lines, start, wait, and read what became of each.

An operation carries its name in its own text, so it is found again after a crash, whatever was lost: contract section 11.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from syncline.connectors.shopify import productdocs as documents
from syncline.connectors.shopify import wire
from syncline.connectors.shopify.client import Client, UserError
from syncline.connectors.shopify.manifest import ShopifySettings
from syncline.connectors.shopify.source import search_stamp
from syncline.model.errors import OutcomeUnknown, Rejected, Retryable, SynclineError
from syncline.ports import Clock, Request, Transport

FILE_MAX = 100 * 1000 * 1000  # bytes of an upload
POLL_S = (2.0, 30.0)  # between two looks: first, and at most
WAIT_S_MAX = 1_800.0  # of one call; after that its outcome counts as unknown, and it is asked after again
FOUND_MAX = 20  # pages of fifty operations that are looked through
LOOK_BACK_MS = 2 * 86_400_000  # an operation runs 24 hours at most
FINAL = frozenset({"COMPLETED", "CANCELED", "FAILED", "EXPIRED"})
_UNSAFE = re.compile(r"[^A-Za-z0-9]")


class Operation(Struct, frozen=True, rename="camel"):
    """One bulk operation as Shopify tells it."""

    id: wire.Gid
    status: str
    query: str
    error_code: str | None = None
    url: str | None = None


class _Parameter(Struct, frozen=True):
    name: str
    value: str


class _Target(Struct, frozen=True):
    parameters: tuple[_Parameter, ...]
    url: str | None = None


class _Staged(Struct, frozen=True, rename="camel"):
    staged_targets: tuple[_Target, ...] | None
    user_errors: tuple[UserError, ...]


class _Stage(Struct, frozen=True, rename="camel"):
    staged_uploads_create: _Staged


class _Started(Struct, frozen=True, rename="camel"):
    bulk_operation: Operation | None
    user_errors: tuple[UserError, ...]


class _Start(Struct, frozen=True, rename="camel"):
    bulk_operation_run_mutation: _Started


class _One(Struct, frozen=True, rename="camel"):
    bulk_operation: Operation | None


class _Many(Struct, frozen=True, rename="camel"):
    bulk_operations: wire.Connection[Operation]


class _Answer(Struct, frozen=True, rename="camel"):
    user_errors: tuple[UserError, ...]
    product: wire.Ref | None = None


class _Line(Struct, frozen=True):
    number: int = msgspec.field(name="__lineNumber", default=-1)
    data: dict[str, _Answer | None] | None = None
    errors: Any = None


@dataclass(frozen=True, slots=True)
class LineResult:
    """What became of one line: why it was refused, "" if it was not, and the product that it made or changed."""

    refusal: str
    product_id: str


_LINES = msgspec.json.Decoder(_Line)


class BulkRunner:
    """Runs one shop's bulk operations."""

    def __init__(
        self, settings: ShopifySettings, *, client: Client, clock: Clock, transport: Transport
    ) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._transport = transport

    async def run(self, kind: str, key: str, lines: Sequence[dict[str, Any]]) -> list[LineResult | None]:
        """Make a mutation for each line; ``None`` for those of which the result says nothing.

        Raises:
            Retryable: it was not started, and may be tried again.
            Rejected: Shopify refuses it.
            OutcomeUnknown: it was started, perhaps, and did not end in time.
        """
        encoded = [msgspec.json.encode(line) for line in lines]
        body = b"\n".join(encoded)
        if len(body) > FILE_MAX:
            raise Rejected(
                f"{len(body)} bytes of products are more than Shopify takes in one file; lower bulk_from"
            )
        name = name_of(kind, key)
        path = await self._upload(name, body)
        answer = await self._client.call(
            documents.RUN_BULK,
            {"mutation": documents.bulk_mutation(kind, name), "path": path, "client": name},
            _Start,
        )
        started = answer.bulk_operation_run_mutation
        for error in started.user_errors:
            if error.code in {"OPERATION_IN_PROGRESS", "LIMIT_REACHED", "INTERNAL_FILE_SERVER_ERROR"}:
                raise Retryable(f"Shopify: {error.message}")
            raise Rejected(f"Shopify: {error.message}")
        if started.bulk_operation is None:
            raise OutcomeUnknown("Shopify did not say whether the bulk operation was started")
        ended = await self.ended(started.bulk_operation)
        found: list[LineResult | None] = [None] * len(lines)
        for n, result in await self.results(ended):
            if 0 <= n < len(found):
                found[n] = result
        return found

    async def find(self, key: str) -> list[Operation]:
        """The operations that were started under a key."""
        names = tuple(f"mutation {name_of(kind, key)}(" for kind in (documents.SET, documents.UPDATE))
        since = search_stamp(self._clock.now_ms() - LOOK_BACK_MS)
        found: list[Operation] = []
        after: str | None = None
        for _ in range(FOUND_MAX):
            variables = {"query": f"operation_type:mutation AND created_at:>='{since}'", "after": after}
            page = (await self._client.call(documents.BULKS, variables, _Many)).bulk_operations
            found += [one for one in page.nodes if one.query.startswith(names)]
            after = page.page_info.end_cursor
            if found or not page.page_info.has_next_page:
                break
        return found

    async def ended(self, operation: Operation) -> Operation:
        """Wait for the end of an operation.

        Raises:
            OutcomeUnknown: it has not ended in time.
        """
        pause_s, until = POLL_S[0], self._clock.monotonic() + WAIT_S_MAX
        while operation.status not in FINAL:
            if self._clock.monotonic() >= until:
                raise OutcomeUnknown(f"the bulk operation {operation.id} is still {operation.status.lower()}")
            await self._clock.sleep(pause_s)
            pause_s = min(POLL_S[1], pause_s * 1.5)
            try:
                now = (await self._client.call(documents.BULK, {"id": operation.id}, _One)).bulk_operation
            except SynclineError as error:
                raise OutcomeUnknown(str(error)) from error
            if now is None:
                raise OutcomeUnknown(f"Shopify does not know the bulk operation {operation.id} any more")
            operation = now
        return operation

    async def results(self, operation: Operation) -> list[tuple[int, LineResult]]:
        """The results of an operation, by line; what it does not tell is not in them.

        Raises:
            OutcomeUnknown: they cannot be had.
        """
        if not operation.url:
            return []
        parts = urlsplit(operation.url)
        if parts.scheme != "https" and not operation.url.startswith(f"{self._settings.origin}/"):
            raise OutcomeUnknown(
                "the results of a bulk operation are offered at an address that is not secure"
            )
        try:
            response = await self._transport.send(Request("GET", operation.url))
        except SynclineError as error:
            raise OutcomeUnknown(str(error)) from error
        if response.status != 200:
            raise OutcomeUnknown(f"the results of a bulk operation: HTTP {response.status}")
        found = []
        for text in response.body.splitlines():
            try:
                line = _LINES.decode(text)
            except (msgspec.MsgspecError, ValueError):
                continue  # as if it were missing: it is written again
            answers = [one for one in (line.data or {}).values() if one is not None]
            if line.errors or not answers:
                continue
            words = "; ".join(error.message for error in answers[0].user_errors)
            product = answers[0].product
            found.append((line.number, LineResult(words, product.id if product else "")))
        return found

    async def _upload(self, name: str, body: bytes) -> str:
        """Upload a file; returns the path by which an operation finds it."""
        wanted = {
            "resource": "BULK_MUTATION_VARIABLES",
            "filename": f"{name}.jsonl",
            "mimeType": "text/jsonl",
            "httpMethod": "POST",
        }
        try:
            answer = await self._client.call(documents.STAGE, {"input": [wanted]}, _Stage)
        except OutcomeUnknown as error:  # an upload that nobody uses does nothing
            raise Retryable(str(error)) from error
        staged = answer.staged_uploads_create
        target = staged.staged_targets[0] if staged.staged_targets else None
        if staged.user_errors or target is None or not target.url:
            words = "; ".join(error.message for error in staged.user_errors) or "no address"
            raise Rejected(f"Shopify takes no upload: {words}")
        parts = urlsplit(target.url)
        if parts.scheme != "https" and not target.url.startswith(f"{self._settings.origin}/"):
            raise Rejected("Shopify names an address for an upload that is not secure")
        boundary = f"syncline-{name}"
        form = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{one.name}"\r\n\r\n{one.value}\r\n'
            for one in target.parameters
        ]
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}.jsonl"\r\n'
            "Content-Type: text/jsonl\r\n\r\n"
        )
        content = "".join(form).encode() + head.encode() + body + f"\r\n--{boundary}--\r\n".encode()
        headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
        try:
            response = await self._transport.send(Request("POST", target.url, headers, content))
        except OutcomeUnknown as error:
            raise Retryable(str(error)) from error
        if response.status not in {200, 201, 204}:
            raise Retryable(f"Shopify's file server refused the upload (HTTP {response.status})")
        path = next((one.value for one in target.parameters if one.name == "key"), "")
        if not path:
            raise Rejected("Shopify names no key for an upload")
        return path


def name_of(kind: str, key: str) -> str:
    """The name of an operation, by which it is found again."""
    return f"Syncline_{kind}_{_UNSAFE.sub('_', key)}"
