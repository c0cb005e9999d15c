"""What a system is reached with and ends by itself, so that a person hears of it before that day."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Expiry:
    """A credential and the moment at which it ends (``at_ms``, UTC) unless a person replaces it.

    What is renewed without anybody is none. ``what`` names it as in "the certificate ends", once for a system;
    ``known_by`` says who told the moment, ``mend`` how it is replaced. Nothing of the credential itself is in it.
    """

    what: str
    at_ms: int
    known_by: str
    mend: str = ""
