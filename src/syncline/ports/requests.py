"""A request of a vendor, as it arrived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A webhook as it arrived. Header names are lower-case."""

    headers: Mapping[str, str]
    body: bytes
    received_at_ms: int
