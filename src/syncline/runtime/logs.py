"""Logging: one JSON object a line, UTC, no local variables, no secrets.

A traceback says where, never what was in hand: payloads hold names and addresses. Values whose key
looks like a credential are masked, wherever they come from.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import msgspec
import structlog

MASKED = frozenset(
    {"token", "secret", "password", "authorization", "private_key", "access_token", "signature"}
)


def _mask(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in event:
        if key.lower() in MASKED:
            event[key] = "***"
    return event


def _render(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    try:
        return msgspec.json.encode(event, enc_hook=str).decode()
    except (UnicodeEncodeError, ValueError):  # half a sign, as in a file's name that is no UTF-8
        return json.dumps(event, default=str)


class Steady:
    """Where log lines go. One that cannot be written (a full disk, a reader that went away) is lost, and nothing else."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write, or do not."""
        with contextlib.suppress(OSError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or do not."""
        with contextlib.suppress(OSError):
            self._file.flush()


def configure(*, level: int = logging.INFO, plain: bool = False) -> None:
    """Set up logging for this process, to standard error.

    Args:
        level: below this, nothing is written.
        plain: sentences for a person rather than JSON for a machine.
    """
    last = (
        structlog.dev.ConsoleRenderer(
            colors=False,
            exception_formatter=structlog.dev.plain_traceback,
        )
        if plain
        else _render
    )
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _mask,
            *(() if plain else (structlog.processors.format_exc_info,)),
            last,
        ],
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", Steady(sys.stderr))),
        cache_logger_on_first_use=False,
    )
