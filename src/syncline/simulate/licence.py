"""What a simulated account may be called, where it is not what its side has of its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Licence:
    """Limits of one account; empty and 0: what the side has.

    ``name`` is the vendor's for it, ``at_once`` the calls that may be under way in the whole account, ``ours`` those of them that
    Syncline may use.
    """

    name: str = ""
    at_once: int = 0
    ours: int = 0


USUAL_LICENCE = Licence()
