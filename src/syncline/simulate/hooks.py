"""The webhook address of a Syncline that can be killed: ``/hooks/<system>``."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from syncline.engine.capture.ingress import Answer
from syncline.engine.engine import Engine


class HooksApp:
    """An ASGI app that hands webhooks to the engine which is alive at the moment."""

    def __init__(self) -> None:
        self.engine: Engine | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        engine = self.engine
        if engine is None:
            raise ConnectionResetError("the process is gone")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        system = scope["path"].rsplit("/", 1)[-1]
        token = parse_qs(scope["query_string"].decode("latin-1")).get(engine.ingress.handshake(system) or "-")
        answer = (
            Answer(200, token[0], text=True) if token else await engine.ingress.accept(system, headers, body)
        )
        await send({"type": "http.response.start", "status": answer.status, "headers": []})
        await send({"type": "http.response.body", "body": answer.message.encode()})
