"""The webhook address of a Syncline that can be killed: ``/hooks/<system>``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import parse_qs

from syncline.engine.capture.ingress import Answer


class Hears(Protocol):
    """What takes webhooks: the engine's ingress, or that of what it is compared with."""

    async def accept(self, system: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Take one."""
        ...

    def handshake(self, system: str) -> str:
        """The query parameter by which a system makes sure of an address; "" if it does not."""
        ...


class Hearing(Protocol):
    """What has an ingress."""

    @property
    def ingress(self) -> Hears:
        """Where webhooks arrive."""
        ...


class HooksApp:
    """An ASGI app that hands webhooks to the engine which is alive at the moment."""

    def __init__(self) -> None:
        self.engine: Hearing | None = None

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
