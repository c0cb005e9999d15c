"""What a store holds, for whoever copies it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Held:
    """The migrations applied, and how far the log and its applier have come."""

    migrations: tuple[str, ...]
    log_offset: int
    applied_offset: int
