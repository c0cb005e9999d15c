"""Which price lists of a source each price list of a channel is made from, and what may not be written unasked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from syncline.model.pricing import USUAL_ORDER, PriceKind, PriceOrder

OWN = "own"  # instead of a price list's id: the price of the item itself


@dataclass(frozen=True, slots=True)
class ChannelList:
    """One price list of a channel: its id there or ``OWN``, and the source's lists that it is made from.

    ``compare_at`` is the source's list whose price is shown struck through beside a lower one; "" shows none.
    """

    name: str
    sources: tuple[str, ...]
    currency: str
    unit: str = ""
    compare_at: str = ""

    def needs(self) -> Iterator[str]:
        """Every list of the source that has a say."""
        yield from self.sources
        if self.compare_at and self.compare_at not in self.sources:
            yield self.compare_at


@dataclass(frozen=True, slots=True)
class PriceRules:
    """The prices of one route.

    ``kinds`` overrides what the source takes one of its lists for. ``decimals`` are kept of what is written. A price that
    differs from what is shown by more than ``jump_share`` of that waits for a person; so does one of nothing.

    Whoever asks for a price has the source itself asked for ``volatile`` lists, within ``live_deadline_ms``; without an
    answer the last known price is told, unless ``refuse_unless_live``. One that nobody confirmed for ``max_age_ms`` is not
    told; 0: however old it is.
    """

    lists: tuple[ChannelList, ...] = ()
    order: PriceOrder = USUAL_ORDER
    kinds: Mapping[str, PriceKind] = field(default_factory=dict)
    decimals: int = 6
    jump_share: Decimal = Decimal("0.5")
    volatile: tuple[str, ...] = ()
    live_deadline_ms: int = 1_000
    refuse_unless_live: bool = False
    max_age_ms: int = 0

    def named(self, name: str) -> ChannelList | None:
        """The channel's list of that name."""
        return next((one for one in self.lists if one.name == name), None)

    def made_from(self, source_list: str) -> Iterator[ChannelList]:
        """The channel's lists in which a list of the source has a say."""
        return (one for one in self.lists if source_list in one.needs())


NO_PRICES = PriceRules()
