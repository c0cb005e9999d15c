"""What may differ between two sides, why, and what a flow has to declare to be reconciled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from syncline.engine.routes import Route
from syncline.model.change import Flow

DAY_MS = 86_400_000


class Cause(StrEnum):
    """Why two sides do not agree, as it stands on screens."""

    MISSED_EVENT = "missed event"
    REJECTED_WRITE = "rejected write"
    CHANGED_AT_CHANNEL = "changed at the channel"
    LEFT_AT_CHANNEL = "left as changed at the channel"
    NOT_COMPUTED = "not computed"
    MISSING_IN_ERP = "missing in the ERP"
    UNKNOWN_TO_SHOP = "unknown to the shop"
    WRONG_LINES = "wrong lines"
    WRONG_TOTAL = "wrong total"
    DUPLICATE = "duplicate"
    UNMAPPED = "unmapped"
    ROUNDING = "rounding"
    IN_FLIGHT = "in flight"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a cause says, and what is done about it: by Syncline (``repaired``), or by a person."""

    says: str
    mend: str
    repaired: bool = False
    drift: bool = True


MEANINGS: Mapping[Cause, Meaning] = {
    Cause.MISSED_EVENT: Meaning(
        "The source holds something newer than Syncline was told, by event or by poll.",
        "It is captured again, and goes the ordinary way. Where it comes back, look for what changes "
        "records without a trace.",
        repaired=True,
    ),
    Cause.REJECTED_WRITE: Meaning(
        "The write is parked: the other side refused it, or it could not be made.",
        "Open Parked, mend the cause that stands there, and release it.",
    ),
    Cause.CHANGED_AT_CHANNEL: Meaning(
        "The channel shows another number or price than it was last known to hold, and no order explains it.",
        "It is read and written again. A fall of stock stays kept back on every channel until it is released under Parked.",
        repaired=True,
    ),
    Cause.LEFT_AT_CHANNEL: Meaning(
        "Somebody changed at the channel what the source owns, and the route says that this is only reported.",
        "Change it at its owner too, or undo it at the channel. It is written over when the owner changes it next.",
    ),
    Cause.NOT_COMPUTED: Meaning(
        "The rules now ask for another number or price than the channel holds, and no write of it waits.",
        "It is computed and written again. Where the difference comes back, report it.",
        repaired=True,
    ),
    Cause.MISSING_IN_ERP: Meaning(
        "The channel has the order, the ERP has none with its reference.",
        "It is captured again and looked up before it is created. One that was in the ERP and is gone waits "
        "for a person.",
        repaired=True,
    ),
    Cause.UNKNOWN_TO_SHOP: Meaning(
        "The ERP has an order with the channel's reference that the channel does not show.",
        "Look whether it was deleted in the shop, or typed into the ERP with a wrong reference, and correct it there.",
    ),
    Cause.WRONG_LINES: Meaning(
        "The ERP's order has other units than the channel's order wants.",
        "Compare the two orders. Correct the ERP's, or edit the order in the shop: an edit is sent as a revision.",
    ),
    Cause.WRONG_TOTAL: Meaning(
        "The units agree, the totals do not.",
        "Compare prices, tax, discount and shipping of the two orders, and correct the ERP's.",
    ),
    Cause.DUPLICATE: Meaning(
        "Two records stand for one: two ERP orders for one of the channel, or two variants with one SKU.",
        "Decide which of them is right, and delete or rename the other one.",
    ),
    Cause.UNMAPPED: Meaning(
        "What the channel sells cannot be found on the other side, so nothing is ever written to it.",
        "Give it the SKU of an item, stock it at the mapped locations, or stop counting it in the shop.",
    ),
    Cause.ROUNDING: Meaning(
        "The two sides differ by what was rounded, within what is tolerated.",
        "Nothing has to be done.",
        drift=False,
    ),
    Cause.IN_FLIGHT: Meaning(
        "Something was still under way each time that it was looked at.",
        "Nothing has to be done: the next proof looks again.",
        drift=False,
    ),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One record that is not the same on both sides.

    ``subject`` is what is read again to judge it (a SKU, an order). ``witness`` stands for what Syncline knew of the
    record when it was judged: if it is the same after everything that was in flight is known, nobody told us of
    the difference. ``certain`` needs no second look. ``units`` is by how much the sides differ, where they count
    units. ``asks``: a person decides about its repair, whatever the limits are.
    """

    key: str
    subject: str
    cause: Cause
    detail: str
    units: int = 0
    witness: str = ""
    certain: bool = False
    asks: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some records of one side with the same records of the other, as read.

    ``rows`` of them count as proved; ``after`` is where the walk goes on, "" ends it; ``costs`` is what the reading
    took, by system, in the unit of its limit.
    """

    content: Any
    rows: int
    after: str = ""
    costs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Everything that a flow declares to be reconciled.

    ``walks`` read both sides chunk by chunk, each from ``after`` on, until all of it was read. ``again`` reads some
    subjects on both sides. ``compare`` names what differs in what was read. ``repair`` marks differences so that the
    ordinary way of the flow carries them; it writes nothing to either side itself. ``possible`` says why a
    route cannot be reconciled, "" if it can.
    """

    flow: Flow
    walks: Sequence[Callable[[Route, str], Awaitable[Chunk]]]
    again: Callable[[Route, Sequence[str]], Awaitable[Chunk]]
    compare: Callable[[Route, Any], Awaitable[list[Difference]]]
    repair: Callable[[Route, Sequence[Difference]], Awaitable[None]]
    possible: Callable[[Route], str]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one proof may repair by itself; beyond that a person decides.

    ``share`` is of the rows read so far, of which at least ``SHARE_ROWS_MIN`` count.
    """

    records: int = 500
    units: int = 5_000
    share: Decimal = Decimal("0.02")


SHARE_ROWS_MIN = 500


@dataclass(frozen=True, slots=True)
class Settings:
    """How often both sides are proved (0: only when asked), at which share of the limits, and what is repaired."""

    every_ms: int = DAY_MS
    budget: Decimal = Decimal("0.05")
    orders_ms: int = 30 * DAY_MS  # orders that changed within so long are compared
    repair: bool = True
    limits: Limits = Limits()
