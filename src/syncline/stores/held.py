"""What a store holds, for whoever copies it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Held:
    """The migrations applied, and how far the log and its applier have come."""

    migrations: tuple[str, ...]
    log_offset: int
    applied_offset: int


@dataclass(frozen=True, slots=True)
class Health:
    """What can be seen of a store from outside, whether or not a service works with it.

    ``faults``: why it cannot be trusted, each with what to do; then the rest may be empty. ``first_ms`` and ``last_ms``:
    when the oldest and the newest event of the log was received; 0 where there is none. ``clock_ms``: what the clock of
    the store's server said at the end of the look; 0 where the store has no server.
    """

    engine: str
    faults: tuple[tuple[str, str], ...] = ()
    pending: tuple[str, ...] = ()
    owner: str = ""
    size_bytes: int = 0
    first_ms: int = 0
    last_ms: int = 0
    clock_ms: int = 0
