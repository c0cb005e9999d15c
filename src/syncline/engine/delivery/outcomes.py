"""What is to be done with a delivery, as its builder finds it."""

from __future__ import annotations

from dataclasses import dataclass

from syncline.model.delivery import Outcome
from syncline.model.payloads import Payload
from syncline.ports import Write


@dataclass(frozen=True, slots=True)
class Send:
    """Send this payload. ``note`` is what has to be remembered about it when it succeeded.

    ``writes`` are to be made with its intent.
    """

    payload: Payload
    note: str = ""
    writes: tuple[Write, ...] = ()


@dataclass(frozen=True, slots=True)
class Skip:
    """Nothing to send: the other side holds it already, or it concerns nobody any more.

    ``holds`` is what the ERP's order is taken to hold from now on: reference, its id, version and
    fingerprint.
    """

    reason: str
    holds: tuple[str, str, int, str] | None = None


PAUSE_S = 0.5  # before the second look


@dataclass(frozen=True, slots=True)
class Wait:
    """Cannot be sent until something else is there.

    ``seconds``: until it is tried again; ``None``, shortly at first, and after twice as long each time.
    """

    reason: str
    seconds: float | None = None
    read_stock: bool = False  # what the channel holds has to be read first
    stock: tuple[str, ...] = ()  # the same, of other numbers than its own


@dataclass(frozen=True, slots=True)
class Refuse:
    """Cannot be sent at all; a person has to decide. ``payload`` is what about, if a decision is to hold for just that."""

    reason: str
    detail: str
    payload: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Nothing to send: it was looked up, and is there. ``payload`` is what it was found to be."""

    payload: Payload
    outcome: Outcome
    note: str


Built = Send | Skip | Wait | Refuse | Found
