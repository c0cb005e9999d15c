"""One connection to the server: what surrounds a body has to be small, and every part of a request to arrive in time.

The parser keeps heads and trailers of any length and waits for them for ever, before anybody is asked who they are. So both are
bounded here, and so are connections: each holds a file handle, of which the store and the calls to vendors need some as well.
"""

from __future__ import annotations

import asyncio
import math
import resource
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEAD_BYTES_MAX = 64 * 1024  # of request line, headers and trailers
FRAMING_PER_BYTE = 8  # what frames a body may take: a piece of one byte takes six
HEAD_SECONDS = 10.0  # from the connection, or the first byte, to the end of the headers
BODY_SECONDS = 40.0  # from there to the end of the body; who reads one gives it less
CONNECTIONS_MAX = 3_000
HANDLES_SHARE = 0.5  # of what the process may open


class Connection(HttpToolsProtocol):
    """uvicorn's connection within limits."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._framing = 0  # bytes of this request that are no body
        self._body = 0
        self._begun = False  # a request was whole enough to be answered
        self._due_at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take it, unless there are too many."""
        super().connection_made(transport)
        self._expect(HEAD_SECONDS)
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if len(self.connections) > min(CONNECTIONS_MAX, int(soft * HANDLES_SHARE)):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless it is too much."""
        self._framing += len(data)
        super().data_received(data)
        if self._framing > HEAD_BYTES_MAX + FRAMING_PER_BYTE * self._body:
            self._refuse(431)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._body = 0
        self._expect(HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._expect(BODY_SECONDS)
        super().on_headers_complete()
        self._begun = True

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._framing -= len(body)
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole; what follows in the same packet is not counted."""
        self._framing = self._body = 0
        self._arrived()
        super().on_message_complete()

    def _expect(self, seconds: float) -> None:
        """The next part has to be there by then. One timer for all parts: most are there before it looks."""
        self._due_at = self.loop.time() + seconds
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._look)

    def _arrived(self) -> None:
        self._due_at = math.inf

    def _look(self) -> None:
        left = self._due_at - self.loop.time()
        if left <= 0:
            self._refuse(408)
        self._timer = None
        if 0 < left < math.inf:
            self._timer = self.loop.call_later(min(left, HEAD_SECONDS), self._look)

    def _refuse(self, status: int) -> None:
        """Close it, with an answer where none was begun."""
        if self.transport.is_closing():
            return
        if self._framing and not (self._begun and not self.cycle.response_complete):
            self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()
