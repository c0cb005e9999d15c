"""Intended effects, and what became of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct, field


class DeliveryState(StrEnum):
    """Where a delivery stands. Names are River's, so that operators know them already."""

    AVAILABLE = "available"  # may be sent now
    SCHEDULED = "scheduled"  # waits for its moment, to ride along with others
    RUNNING = "running"  # an intent exists; a call is under way, or its outcome is unknown
    RETRYABLE = "retryable"  # failed, will be tried again
    COMPLETED = "completed"
    PARKED = "parked"  # needs a person
    CANCELLED = "cancelled"  # discarded by a named person
    SUPERSEDED = "superseded"  # the channel already holds what this was to bring


OPEN_STATES = (DeliveryState.AVAILABLE, DeliveryState.SCHEDULED, DeliveryState.RETRYABLE)


class Operation(Struct, frozen=True):
    """One kind of call that a Sink can make, as data.

    ``retry_same_key_ms`` is how long the vendor remembers an idempotency key (0: it has none), less
    a margin. ``look_up`` says whether an effect can be found again by our reference; for ``set_stock``
    without compare-and-set, whether the vendor tells what became of a write that it only accepted: from its
    own books, never by comparing numbers, since a sale may look like the write. ``urgent`` operations may use
    the reserved share of the lane. ``sets``: it makes a record what it says, whatever that was before, and nobody else's
    doing lies in the difference; so after an unknown outcome the record is simply set again, to what holds by then.
    """

    name: str
    batch_items_max: int = 1
    cost: float = 1.0
    reads_only: bool = False
    retry_same_key_ms: int = 0
    look_up: bool = False
    look_up_window_ms: int = 0
    urgent: bool = False
    sets: bool = False


class Item(Struct, frozen=True):
    """One delivery as handed to a Sink: its key and the payload computed when the call was built."""

    key: str
    payload: Any


class Result(StrEnum):
    """What became of one item of a call."""

    DONE = "done"
    STALE = "stale"  # compare-and-set failed: read what is there, compute again
    THROTTLED = "throttled"  # not applied, the vendor asked us to slow down
    RETRY = "retry"  # the vendor answered that it was not applied; a new call may succeed
    NOT_SENT = "not_sent"  # never reached the vendor this time; says nothing of an earlier try
    UNKNOWN = "unknown"  # perhaps applied
    ACCEPTED = "accepted"  # taken, and to be applied later: unknown until it is read back
    REJECTED = "rejected"  # not applied and will not be
    WAIT = "wait"  # cannot be sent until something else exists; does not count as an attempt


class Outcome(Struct, frozen=True):
    """What became of one item, in the vendor's words where it used any.

    ``facts`` carries what the call taught us: ``external_id``, ``held`` (the quantity that the
    channel holds now), or ``events`` (what a read returned).
    """

    result: Result
    message: str = ""
    retry_after_s: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)
