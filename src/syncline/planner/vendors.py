"""What is known of each vendor: licences with their limits, what is told by events, how much a call carries.

The figures stand in ``vendors.toml`` with their sources. Where a connector is installed, what it declares is taken
instead: its batch sizes, the delay of its events, of which states it tells changes, how long a write takes to show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

from syncline.model.capabilities import Capabilities
from syncline.model.copying import replace

CALL_MS = 1_000
FACTS = frozenset(
    {"orders", "order_status", "payments", "returns", "reports"}
)  # each is sent, none is overtaken
Way = Literal["", "read", "write"]


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One limit: so many calls at once, so many in a window, or points that come back at a rate.

    ``flows`` and ``way``: it counts only the calls of these; empty: all.
    """

    at_once: int = 0
    calls: int = 0
    window_s: int = 0
    points_per_s: float = 0.0
    burst: float = 0.0
    flows: tuple[str, ...] = ()
    way: Way = ""
    assumed: bool = False

    def concerns(self, flow: str, way: str) -> bool:
        """Whether a call of a flow counts."""
        return (not self.flows or flow in self.flows) and self.way in ("", way)

    def words(self) -> str:
        """As it stands in a report."""
        if self.at_once:
            text = f"{self.at_once} call{'s' if self.at_once != 1 else ''} at once"
        elif self.points_per_s:
            text = f"{self.points_per_s:,.0f} points a second"
        else:
            windows = {1: "a second", 60: "a minute", 3600: "an hour", 86_400: "a day", 2_592_000: "a month"}
            text = f"{self.calls:,} calls {windows.get(self.window_s) or f'in {self.window_s:,} s'}"
        if self.flows or self.way:
            text += f" ({self.way or 'any'}: {', '.join(self.flows) or 'all flows'})"
        return text + (", assumed" if self.assumed else "")


class Reads(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a flow is read. ``event_ms`` of 0: no event tells of it. ``points``: of one call.

    ``whole``: neither an event nor a read of changes tells all of a record, so each that changed is read by itself, so many in a
    call; 0: they do. ``calls``: of a read of changes that finds nothing, one after the other; ``more``: those for what it has found.
    """

    delta: bool = False
    event_ms: int = 0
    thin: bool = False
    items: int = 1
    points: float = 1.0
    whole: int = 0
    calls: int = 1
    more: int = 0


class Writes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a flow is written: ``calls`` for ``items`` records, and how long until it shows.

    ``calls`` is what is usual. ``chain`` calls at worst are made one after the other until a record is there; 0: all of them. What an
    order brings along, its payment, is among the calls and not in the chain.
    """

    items: int = 1
    calls: float = 1.0
    chain: int = 0
    points: float = 1.0
    applies_ms: int = 0

    def send_ms(self, call_ms: int) -> int:
        """From the first call until the record shows."""
        return (self.chain or math.ceil(self.calls)) * call_ms + self.applies_ms


class Vendor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of external product."""

    title: str
    part: Literal["erp", "channel", "wms", "pim", "crm", "warehouse", "file", "broker"]
    connector: str = ""
    call_ms: int = CALL_MS
    share: float = 0.0  # of its limits that may be used at most; 0: the planner's own
    needs: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reads: dict[str, Reads] = {}
    writes: dict[str, Writes] = {}
    licences: dict[str, tuple[Limit, ...]] = {}


@cache
def vendors() -> Mapping[str, Vendor]:
    """Every vendor that the planner knows, by the name that a plan uses."""
    text = resources.files("syncline.planner").joinpath("vendors.toml").read_text(encoding="utf-8")
    return msgspec.toml.decode(text, type=dict[str, Vendor])


def as_declared(vendor: Vendor, declared: Capabilities) -> Vendor:
    """A vendor with what its installed connector declares in place of the sheet's figures."""
    reads = {
        flow: replace(
            one,
            event_ms=declared.event_ms(flow) if one.event_ms else 0,
            delta=one.delta if flow in FACTS else flow in declared.delta_poll,
        )
        for flow, one in vendor.reads.items()
    }
    if declared.webhooks_announce:
        reads = {flow: replace(one, thin=bool(one.event_ms)) for flow, one in reads.items()}
    writes = {
        flow: replace(
            one,
            items=declared.batch_items_max if flow == "inventory" else one.items,
            applies_ms=declared.applies_after_ms or one.applies_ms,
        )
        for flow, one in vendor.writes.items()
    }
    return replace(vendor, reads=reads, writes=writes)
