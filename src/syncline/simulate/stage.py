"""What a play of a what-if asks of its channels and its ERP, be they light or a vendor's own connector and simulator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from syncline.ports import System
from syncline.simulate.history import HistoryLine, HistoryOrder
from syncline.simulate.licence import USUAL_LICENCE, Licence

LIGHT, SIMULATORS = "light", "simulators"
AGAINST = (LIGHT, SIMULATORS)
USUAL_SHOP, USUAL_ERP = "shopify", "netsuite"


@dataclass(slots=True)
class Calls:
    """What one system was asked: calls and the values in them, by operation; and reads."""

    calls: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    hours: Counter[int] = field(default_factory=Counter)  # calls by hour since the epoch

    def count(self, operation: str, values: int, at_ms: int) -> None:
        """One more call."""
        self.calls[operation] += 1
        self.values[operation] += values
        self.hours[at_ms // 3_600_000] += 1


class Wired(Protocol):
    """The way to a system. ``traced`` is told each call: the operation, its values, the seconds it waited."""

    counted: Calls
    traced: Callable[[str, int, float], None] | None

    @property
    def throttled_s(self) -> float:
        """How long calls have waited for the limit, added up."""
        ...


class Placed(Protocol):
    """An order as it is placed. ``event_s`` and ``luck`` are the light systems': a vendor draws its own."""

    @property
    def at_ms(self) -> int:
        """When."""
        ...

    @property
    def order(self) -> HistoryOrder:
        """What the buyer wants."""
        ...

    @property
    def event_s(self) -> float:
        """How long its event takes."""
        ...

    @property
    def luck(self) -> float:
        """Even in 0..1; below the lost share, its event is lost."""
        ...


class Channel(Protocol):
    """Something that shows numbers and sells."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def wire(self) -> Wired:
        """The way to it."""
        ...

    @property
    def orders_lost(self) -> int:
        """Events of new orders that will never arrive, so far."""
        ...

    def system(self) -> System:
        """As Syncline sees it."""
        ...

    def shows(self, sku: str) -> int:
        """What a buyer can have."""
        ...

    def sell(self, one: Placed, lines: Sequence[HistoryLine], *, after_s: float, lost_share: float) -> str:
        """Sell lines that are shown, and tell of the order after so long; returns the channel's key of it."""
        ...


class Erp(Protocol):
    """Something that takes orders and gets goods."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def wire(self) -> Wired:
        """The way to it."""
        ...

    def system(self) -> System:
        """As Syncline sees it."""
        ...

    def holds(self, sku: str) -> int:
        """Units that nobody was promised, of all locations; below 0 where more was promised than there is."""
        ...

    def receive(self, goods: Mapping[str, int]) -> None:
        """Goods arrive."""
        ...


# --- whose systems are played ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Account:
    """A vendor's account: whose, by the name in ``SHOPS`` or ``ERPS``, and what it may be called."""

    vendor: str
    licence: Licence = USUAL_LICENCE

    @property
    def sheet(self) -> str:
        """The vendor's name in the planner's figures."""
        return self.vendor.replace("-", "_")


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts that are played: the ERP's, and each channel's by its name."""

    erp: Account
    channels: Mapping[str, Account]

    def json(self, erp: str) -> dict[str, dict[str, str]]:
        """The vendor and the licence of each system, as it stands in a report; ``erp`` is what the ERP is called."""
        return {
            name: {"vendor": one.sheet, "licence": one.licence.name}
            for name, one in {**self.channels, erp: self.erp}.items()
        }
