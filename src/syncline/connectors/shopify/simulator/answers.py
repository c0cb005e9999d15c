"""What goes back over HTTP."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes
    version: str | None = None
    content_type: str = "application/json; charset=utf-8"
