"""When the credentials end with which systems are reached, as far as systems and configuration know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from syncline.engine.words import duration
from syncline.ports import System

ENDINGS_MAX = 20  # of one system


@dataclass(frozen=True, slots=True)
class Ending:
    """A credential, when it ends (UTC), and how long that is from now; below 0 where it has ended.

    ``when`` says that in words, ``known_by`` who told the moment.
    """

    system: str
    what: str
    at_ms: int
    left_ms: int
    when: str
    known_by: str
    mend: str


def endings_of(systems: Iterable[System], now_ms: int) -> tuple[Ending, ...]:
    """What is known of the ends of credentials, soonest first. Makes no call."""
    found = []
    for system in systems:
        for expiry in list(system.expiries())[:ENDINGS_MAX]:
            left_ms = expiry.at_ms - now_ms
            when = f"ends in {duration(left_ms)}" if left_ms > 0 else "has ended"
            found.append(
                Ending(system.name, expiry.what, expiry.at_ms, left_ms, when, expiry.known_by, expiry.mend)
            )
    return tuple(sorted(found, key=lambda each: (each.at_ms, each.system, each.what)))
