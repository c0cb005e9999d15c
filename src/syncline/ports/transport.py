"""The only door through which HTTP leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. ``url`` is absolute; ``body`` is sent as it is."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout_s: float = 60.0  # for the whole exchange, not for each read


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer. Header names are lower-case; the values of a repeated header are joined by commas (RFC 9110, 5.3)."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Transport(Protocol):
    """Sends requests. Safe for concurrent use by any number of tasks."""

    async def send(self, request: Request) -> Response:
        """Send and wait for the whole answer.

        Raises:
            Retryable: the request certainly did not reach the other side (refused, no route).
            OutcomeUnknown: it may have (time-out, reset or truncated answer after sending).
            Rejected: a part of the path is ``.`` or ``..``, so it would reach something else; nothing was sent.
        """
        ...
