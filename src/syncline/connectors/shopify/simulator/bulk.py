"""Bulk operations of mutations: a staged upload, an operation over its lines, and a file of results.

Contract section 11. Unsure, and so assumed: how long an operation takes; that it is listed at once; that what it does to a line
shows when the whole is complete.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator.answers import Answer
from syncline.connectors.shopify.simulator.graphql import Engine
from syncline.connectors.shopify.simulator.operation import Refused, Resolver
from syncline.connectors.shopify.simulator.records import BulkOperation

UPLOADS = "/staged-uploads"
RESULTS = "/bulk-results/"
FILE_MAX = 100 * 1000 * 1000
RUNNING_MAX = 5  # of one kind in a shop
RESULT_KEPT_MS = 7 * 86_400_000
FIRST_S = 4.0  # an assumption, as the next
LINE_S = 0.05
_NAME = re.compile(rb'name="([^"]+)"')


class Bulk:
    """A shop's uploads and operations. ``hangs``: none ends; ``loses``: so many lines are missing in each result."""

    def __init__(self, shop: ShopifySimulator) -> None:
        self._shop = shop
        self._uploads: dict[str, bytes | None] = {}
        self._engine: Engine | None = None
        self.hangs = False
        self.loses = 0

    # -- files

    def stage(self, filename: str) -> dict[str, Any]:
        """Where a file may be uploaded."""
        path = f"tmp/{self._shop.state.new_id()}/{filename}"
        self._uploads[path] = None
        url = f"{self._shop.origin}{UPLOADS}"
        parameters = [{"name": "key", "value": path}, {"name": "Content-Type", "value": "text/jsonl"}]
        return {"url": url, "resourceUrl": url, "parameters": parameters}

    def upload(self, method: str, headers: dict[str, str], body: bytes) -> Answer:
        """A form with every parameter, and the file last."""
        kind, _, boundary = headers.get("content-type", "").partition("boundary=")
        if method != "POST" or not kind.startswith("multipart/form-data") or not boundary:
            return Answer(400, b"<Error><Code>InvalidArgument</Code></Error>", content_type="application/xml")
        parts: dict[str, bytes] = {}
        for part in body.split(b"--" + boundary.encode())[1:-1]:
            head, _, content = part.partition(b"\r\n\r\n")
            name = _NAME.search(head)
            if name is not None:
                if "file" in parts:
                    self._shop.ledger.breach("form_after_file")
                parts[name[1].decode()] = content.removesuffix(b"\r\n")
        path = parts.get("key", b"").decode()
        if path not in self._uploads or "file" not in parts or "Content-Type" not in parts:
            return Answer(403, b"<Error><Code>AccessDenied</Code></Error>", content_type="application/xml")
        self._uploads[path] = parts["file"]
        return Answer(201, b"<PostResponse/>", content_type="application/xml")

    def download(self, method: str, name: str) -> Answer:
        """The results of an operation, for seven days."""
        number = name.removesuffix(".jsonl")
        operation = self._shop.state.bulk.get(int(number)) if number.isdigit() else None
        old = operation is not None and (
            (operation.completed_ms or 0) + RESULT_KEPT_MS < self._shop.clock.now_ms()
        )
        if method != "GET" or operation is None or operation.result is None or old:
            return Answer(403, b"<Error><Code>ExpiredToken</Code></Error>", content_type="application/xml")
        return Answer(200, operation.result, content_type="application/jsonl")

    # -- operations

    def start(self, engine: Engine, mutation: str, path: str) -> BulkOperation | tuple[str, str]:
        """An operation over an uploaded file, or why not: a code and a message."""
        try:
            parsed = engine.operation(mutation, None)
        except Refused as error:
            return "INVALID_MUTATION", str(error)
        if not parsed.is_mutation or len(parsed.roots) != 1:
            return "INVALID_MUTATION", "You must provide exactly one mutation."
        content = self._uploads.get(path)
        if content is None:
            return "NO_SUCH_FILE", "The JSONL file could not be found. Try uploading the file again."
        if len(content) > FILE_MAX:
            return (
                "INVALID_STAGED_UPLOAD_FILE",
                "The input file size exceeds the maximum allowed size of 100 MB.",
            )
        if busy := in_progress(self._shop, "mutation"):
            return "OPERATION_IN_PROGRESS", busy
        now = self._shop.clock.now_ms()
        operation = BulkOperation(self._shop.state.new_id(), mutation, now, content.splitlines())
        self._shop.state.bulk[operation.id] = operation
        self._engine = engine
        seconds = FIRST_S + LINE_S * len(operation.lines)
        self._shop.clock.after(FIRST_S / 2, lambda: self._begin(operation))
        self._shop.clock.after(seconds, lambda: self._complete(operation))
        self._shop.applied(1)
        return operation

    @staticmethod
    def _begin(operation: BulkOperation) -> None:
        operation.status = "RUNNING"

    def _complete(self, operation: BulkOperation) -> None:
        if self.hangs:
            self._shop.clock.after(FIRST_S, lambda: self._complete(operation))
            return
        assert self._engine is not None
        mutation = self._engine.operation(operation.query, None)
        told = []
        for n, line in enumerate(operation.lines):
            try:
                variables = mutation.coerce(msgspec.json.decode(line, type=dict[str, Any]))
            except (Refused, msgspec.DecodeError) as error:
                self._shop.ledger.breach("unknown_field")
                told.append({"errors": [{"message": str(error)}], "__lineNumber": n})
                continue
            told.append({**self._shop.http.line(mutation, variables), "__lineNumber": n})
        operation.objects, operation.lines = len(operation.lines), []
        operation.result = b"\n".join(msgspec.json.encode(one) for one in told[self.loses :])
        operation.status = "COMPLETED"
        operation.completed_ms = self._shop.clock.now_ms()


def in_progress(shop: ShopifySimulator, kind: str) -> str:
    """Why no more operations of a kind are taken now; nothing where one is."""
    running = [
        one for one in shop.state.bulk.values() if one.completed_ms is None and one.kind == kind.upper()
    ]
    if len(running) < RUNNING_MAX:
        return ""
    names = ", ".join(f"gid://shopify/BulkOperation/{one.id}" for one in running)
    return f"A bulk {kind} operation for this app and shop is already in progress: {names}."


def staged_uploads_create(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`stagedUploadsCreate`, of variables of bulk mutations by POST."""
    for n, one in enumerate(arguments["input"]):
        if one.get("httpMethod") != "POST" or one["mimeType"] != "text/jsonl":
            error = {"field": ["input", str(n)], "message": "only POST of text/jsonl is simulated"}
            return {"stagedTargets": None, "userErrors": [error]}
    return {
        "stagedTargets": [shop.bulk.stage(one["filename"]) for one in arguments["input"]],
        "userErrors": [],
    }


def run_mutation(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`bulkOperationRunMutation`."""
    found = shop.bulk.start(shop.http.engine, arguments["mutation"], arguments["stagedUploadPath"])
    if isinstance(found, BulkOperation):
        return {"bulkOperation": found, "userErrors": []}
    code, message = found
    return {"bulkOperation": None, "userErrors": [{"field": None, "message": message, "code": code}]}


BULK_MUTATIONS: dict[str, Resolver] = {
    "bulkOperationRunMutation": run_mutation,
    "stagedUploadsCreate": staged_uploads_create,
}
