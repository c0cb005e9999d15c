"""HTTP without a network: calls ASGI apps in this process."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp

from syncline.model.errors import OutcomeUnknown, Retryable
from syncline.ports import Request, Response, Transport


@lru_cache(maxsize=256)
def _raw_name(name: str) -> bytes:
    """A header's name as it goes over the wire."""
    return name.lower().encode("latin-1")


@lru_cache(maxsize=256)
def _server(netloc: str) -> tuple[str, int]:
    """Host and port."""
    parts = urlsplit(f"//{netloc}")
    return parts.hostname or "", parts.port or 443


class AsgiTransport(Transport):
    """Routes a request to the app registered for its origin (``https://host[:port]``).

    An origin that is not registered answers as a refused connection does. An app that raises
    leaves the outcome unknown, as a reset connection would.
    """

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        self._apps = dict(apps)

    def register(self, origin: str, app: ASGIApp | None) -> None:
        """Serve ``origin`` by ``app`` from now on; ``None`` makes it refuse connections."""
        if app is None:
            self._apps.pop(origin, None)
        else:
            self._apps[origin] = app

    async def send(self, request: Request) -> Response:
        parts = urlsplit(request.url)
        app = self._apps.get(f"{parts.scheme}://{parts.netloc}")
        if app is None:
            raise Retryable(f"connection refused: {parts.netloc}")
        headers = [(b"host", parts.netloc.encode())]
        headers += [(_raw_name(k), v.encode("latin-1")) for k, v in request.headers.items()]
        headers.append((b"content-length", str(len(request.body)).encode()))
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": parts.scheme,
            "path": unquote(parts.path) or "/",
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 0),
            "server": _server(parts.netloc),
            "state": {},
        }
        sent = False
        status = 0
        answer_headers: dict[str, str] = {}
        chunks: list[bytes] = []

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if sent:
                return {"type": "http.disconnect"}
            sent = True
            return {"type": "http.request", "body": request.body, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                for raw_name, raw_value in message.get("headers", ()):
                    name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
                    held = answer_headers.get(name)
                    answer_headers[name] = value if held is None else f"{held}, {value}"
            elif message["type"] == "http.response.body":
                chunks.append(message.get("body", b""))

        await app(scope, receive, send)
        if not status:
            raise OutcomeUnknown(f"no answer from {parts.netloc}")
        return Response(status, answer_headers, b"".join(chunks))
