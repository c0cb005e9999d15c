"""The HTTP side: addresses, auth, versions, limits, and the order in which they are checked."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator.answers import Answer
from syncline.connectors.shopify.simulator.bulk import FILE_MAX, RESULTS, UPLOADS
from syncline.connectors.shopify.simulator.company_fields import COMPANY_TYPES
from syncline.connectors.shopify.simulator.fields import TYPES, type_of
from syncline.connectors.shopify.simulator.goods import GOODS_TYPES
from syncline.connectors.shopify.simulator.graphql import Engine
from syncline.connectors.shopify.simulator.limits import QUERY_COST_MAX
from syncline.connectors.shopify.simulator.moves import MOVE_TYPES
from syncline.connectors.shopify.simulator.mutations import MUTATIONS
from syncline.connectors.shopify.simulator.operation import FieldRefused, Operation, Refused, RootField, Run
from syncline.connectors.shopify.simulator.queries import QUERIES, SCOPES
from syncline.connectors.shopify.simulator.search import warnings

VERSIONS = ("2026-04", "2026-07")
BODY_MAX = 2 * 1024 * 1024  # assumption; the vendor documents no number
UPLOAD_MAX = FILE_MAX + 64 * 1024  # with its form
TOKEN_LIFE_S = 86_399  # client credentials grant: about 24 hours (contract section 1)
DOCS = "https://shopify.dev/api/usage"
_PATH = re.compile(r"/admin/api/([^/]+)/graphql\.json")
_VERSION = re.compile(r"\d{4}-(01|04|07|10)")

_encode = msgspec.json.Encoder().encode
_ENGINE = Engine(
    {**TYPES, **GOODS_TYPES, **COMPANY_TYPES, **MOVE_TYPES, "QueryRoot": QUERIES, "Mutation": MUTATIONS},
    type_of,
    SCOPES,
)


def _json(status: int, value: Any, version: str | None = None) -> Answer:
    return Answer(status, _encode(value), version)


class HttpApp:
    """An ASGI app over a simulated shop."""

    def __init__(self, shop: ShopifySimulator, answer_ms: tuple[float, float]) -> None:
        self._shop = shop
        self._answer_ms = answer_ms
        self._tokens: dict[str, int] = {}
        self._issued = 0
        self._requests = 0
        self.engine = _ENGINE

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request; lifespan events are acknowledged."""
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["type"] != "http":
            return
        body, more = b"", True
        limit = UPLOAD_MAX if scope["path"] == UPLOADS else BODY_MAX
        while more and len(body) <= limit:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        answer = await self._answer(scope["method"], scope["path"], headers, body)
        self._requests += 1
        given = [
            (b"content-type", answer.content_type.encode()),
            (b"x-request-id", f"simulated-{self._requests}".encode()),
        ]
        if answer.version:
            given.append((b"x-shopify-api-version", answer.version.encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": given})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        shop = self._shop
        if shop.faults.down:
            return self._fail(path, 503)
        if shop.chance(shop.faults.error_before_rate):
            return self._fail(path, 500)
        if len(body) > (UPLOAD_MAX if path == UPLOADS else BODY_MAX):
            return self._note(path, _json(413, {"errors": "Request Entity Too Large"}))
        if path == "/admin/oauth/access_token":
            return self._note(path, self._issue_token(method, headers, body))
        if path == UPLOADS:
            return self._note(path, self._shop.bulk.upload(method, headers, body))
        if path.startswith(RESULTS):
            return self._note(path, self._shop.bulk.download(method, path.removeprefix(RESULTS)))
        found = _PATH.fullmatch(path)
        if found is None or not _VERSION.fullmatch(found[1]) or found[1] > VERSIONS[-1]:
            return self._note(path, _json(404, {"errors": "Not Found"}))
        # A retired version falls forward to the oldest one that is served (contract section 1).
        version = found[1] if found[1] in VERSIONS else VERSIONS[0]
        if method != "POST":
            return self._note(path, _json(405, {"errors": "Method Not Allowed"}, version))
        if shop.faults.reject_auth or not self._token_holds(headers.get("x-shopify-access-token", "")):
            shop.ledger.breach("auth")
            message = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            return self._note(path, _json(401, {"errors": message}, version))
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            if kind == "application/graphql":  # the document alone, without variables
                return await self._graphql(body.decode(), {}, None, version)
            if kind != "application/json":
                return self._note(path, _json(415, {"errors": "Unsupported Media Type"}, version))
            request = msgspec.json.decode(body)
            text, variables = request["query"], request.get("variables") or {}
            name = request.get("operationName") or None
            if not isinstance(text, str) or not isinstance(variables, dict):
                raise TypeError
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
            told = {"query": "Required parameter missing or invalid"}
            return self._note(path, _json(400, {"errors": told}, version))
        return await self._graphql(text, variables, name, version)

    def _fail(self, path: str, status: int) -> Answer:
        answer = Answer(status, b"<html><body>We're sorry, but something went wrong.</body></html>")
        answer.content_type = "text/html; charset=utf-8"  # an error page, as a gateway sends it
        return self._note(path, answer)

    def _note(self, operation: str, answer: Answer, *, applied: bool = False, detail: str = "") -> Answer:
        now = self._shop.clock.now_ms()
        self._shop.ledger.call(now, operation, answer.status, applied=applied, detail=detail)
        return answer

    # -- tokens

    def _token_holds(self, token: str) -> bool:
        if token == self._shop.access_token:
            return True
        return self._tokens.get(token, 0) > self._shop.clock.now_ms()

    def _issue_token(self, method: str, headers: dict[str, str], body: bytes) -> Answer:
        if method != "POST":
            return _json(405, {"errors": "Method Not Allowed"})
        try:
            if headers.get("content-type", "").startswith("application/json"):
                given = msgspec.json.decode(body, type=dict[str, Any])
            else:
                given = {k: v[0] for k, v in parse_qs(body.decode()).items()}
        except (msgspec.DecodeError, UnicodeDecodeError):
            given = {}
        if given.get("grant_type") != "client_credentials":
            return _json(400, {"error": "unsupported_grant_type"})
        known = given.get("client_id") == self._shop.client_id
        if not known or given.get("client_secret") not in self._shop.hooks.secrets:
            return _json(401, {"error": "invalid_client"})
        self._issued += 1
        secret = self._shop.hooks.secrets[0].encode()
        token = "shpat_" + hmac.digest(secret, f"token {self._issued}".encode(), "sha256").hex()[:32]
        self._tokens[token] = self._shop.clock.now_ms() + TOKEN_LIFE_S * 1000
        scope = ",".join(sorted(self._shop.scopes))
        return _json(200, {"access_token": token, "scope": scope, "expires_in": TOKEN_LIFE_S})

    # -- GraphQL

    async def _graphql(self, text: str, given: dict[str, Any], name: str | None, version: str) -> Answer:
        shop = self._shop
        try:
            operation = _ENGINE.operation(text, name)
            variables = operation.coerce(given)
        except Refused as error:
            shop.ledger.breach(error.kind)
            return self._note("invalid", _json(200, {"errors": error.errors}, version), detail=str(error))
        requested = operation.cost(variables)
        if requested > QUERY_COST_MAX:
            return self._note(operation.label, self._too_dear(requested, version), detail="max cost")
        injected = shop.chance(shop.faults.throttle_rate)
        if injected or not shop.bucket.take(requested):
            if not injected:
                shop.ledger.breach("throttled")
            told = {"code": "THROTTLED", "documentation": f"{DOCS}/rate-limits"}
            body = {
                "errors": [{"message": "Throttled", "extensions": told}],
                "extensions": {"cost": shop.bucket.cost(requested, None)},
            }
            return self._note(operation.label, _json(200, body, version), detail="throttled")
        return await self._execute(operation, variables, requested, version)

    def _too_dear(self, requested: int, version: str) -> Answer:
        self._shop.ledger.breach("max_cost")
        message = (
            f"Query cost is {requested}, which exceeds the single query max cost limit ({QUERY_COST_MAX})."
        )
        told = {
            "code": "MAX_COST_EXCEEDED",
            "cost": requested,
            "maxCost": QUERY_COST_MAX,
            "documentation": f"{DOCS}/rate-limits",
        }
        return _json(200, {"errors": [{"message": message, "extensions": told}]}, version)

    async def _execute(
        self, operation: Operation, variables: dict[str, Any], requested: int, version: str
    ) -> Answer:
        shop = self._shop
        low, high = self._answer_ms
        keys = [_idempotency_key(root, variables) for root in operation.roots]
        held = [key for key in keys if key is not None and shop.keys.begin(key)]
        # Most of the answer time passes before the effect; the rest while the key is still held.
        await shop.answer_time(low * 0.7, high * 0.7)
        try:
            if shop.faults.down:
                return self._fail(operation.label, 503)
            body, actual, applied, detail = self._run(operation, variables, keys, held, version)
            await shop.answer_time(low * 0.3, high * 0.3)
        finally:
            for key in held:
                shop.keys.end(key)
        shop.bucket.give_back(max(0, requested - actual))
        body["extensions"] = {"cost": shop.bucket.cost(requested, actual), **body.get("extensions", {})}
        if shop.chance(shop.faults.error_after_rate):
            answer = self._fail_after(operation.label, applied=applied)
        else:
            answer = self._note(operation.label, _json(200, body, version), applied=applied, detail=detail)
        return answer

    def line(self, mutation: Operation, variables: dict[str, Any]) -> dict[str, Any]:
        """One line of a bulk operation: the answer to its mutation."""
        body, _, _, _ = self._run(mutation, variables, [None] * len(mutation.roots), [], VERSIONS[-1])
        return body

    def _fail_after(self, label: str, *, applied: bool) -> Answer:
        told = {
            "message": "Internal error. Looks like something went wrong on our end.",
            "extensions": {"code": "INTERNAL_SERVER_ERROR"},
        }
        return self._note(label, _json(500, {"errors": [told]}), applied=applied, detail="error after")

    def _run(
        self,
        operation: Operation,
        variables: dict[str, Any],
        keys: list[str | None],
        held: list[str],
        version: str,
    ) -> tuple[dict[str, Any], int, bool, str]:
        shop = self._shop
        run = Run(shop, variables)
        data: dict[str, Any] | None = {}
        errors: list[dict[str, Any]] = []
        details: list[str] = []
        ignored: list[dict[str, Any]] = []
        before = shop.effects
        for root, key in zip(operation.roots, keys, strict=True):
            if not root.included(variables):
                continue
            arguments = root.arguments(variables)
            if operation.is_mutation:
                run.cost += 10
                concurrent = key is not None and key not in held
                arguments = {**arguments, "@idempotent": key, "@concurrent": concurrent, "@version": version}
            shop.warned.clear()
            try:
                self._require_scopes(root)
                found = root.resolve(shop, None, arguments)
                if isinstance(found, dict) and found.get("userErrors"):
                    first = found["userErrors"][0]
                    details.append(first.get("code") or first["message"])
                value = root.complete(run, found)
            except FieldRefused as error:
                details.append(error.message)
                errors.append(_field_error(root, error))
                value = None
                if not root.nullable:
                    data = None
            ignored += warnings(root.key, shop.warned)
            if data is not None:
                data[root.key] = value
        body: dict[str, Any] = {"errors": errors} if errors else {}
        body["data"] = data
        if ignored:
            body["extensions"] = {"search": ignored}
        return body, run.cost, shop.effects > before, "; ".join(details)

    def _require_scopes(self, root: RootField) -> None:
        granted = self._shop.scopes
        for scope in sorted(root.scopes):
            if scope in granted or (scope.startswith("read_") and f"write_{scope[5:]}" in granted):
                continue
            needed = f"`{scope}` access scope."
            raise FieldRefused(
                f"Access denied for {root.name} field. Required access: {needed}",
                "ACCESS_DENIED",
                documentation=f"{DOCS}/access-scopes",
                requiredAccess=needed,
            )


def _field_error(root: RootField, error: FieldRefused) -> dict[str, Any]:
    at = root.node.loc.start_token if root.node.loc else None
    places = [{"line": at.line, "column": at.column}] if at else []
    return {
        "message": error.message,
        "locations": places,
        "extensions": error.extensions,
        "path": [root.key],
    }


def _idempotency_key(root: RootField, variables: dict[str, Any]) -> str | None:
    for name, arguments in root.directives:
        if name == "idempotent":
            node = arguments["key"]
            value = variables.get(node.name.value) if node.kind == "variable" else node.value
            return str(value) if value else None
    return None
