"""What buyers do is learned from orders as they are applied, and says by when a number must be corrected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from syncline.engine.routes import SEP
from syncline.freshness.demand import (
    Demand,
    Sale,
    Sales,
    Season,
    demand_of,
    pack_sales,
    pack_season,
    unpack_sales,
    unpack_season,
)
from syncline.freshness.risk import EPSILON, latest_safe_moment
from syncline.ports import Row, Store, Write

# No SKU contains the separator, so a category's row is never taken for one. Records name no category yet: all
# goods share one profile.
CATEGORY = SEP
URGENT_MS = (
    5_000  # what is promised from a change to a channel; a deadline that has passed already helps nobody
)


@dataclass(frozen=True, slots=True)
class Sold:
    """What one new order wanted of one SKU at its channel."""

    channel: str
    sku: str
    sale: Sale


@dataclass(frozen=True, slots=True)
class Wrong:
    """A number that a channel shows wrongly: of which SKU, and by when its route wants it corrected.

    ``units`` is what the pool truly has. A number that is too high is in danger; one that is not shows
    nothing of something.
    """

    sku: str
    units: int
    latest_ms: int
    too_high: bool


class Known:
    """What is stored of the demand for some SKUs, read at one moment. Bytes until somebody asks."""

    def __init__(self, season: Season, states: Mapping[str, bytes]) -> None:
        self.season = season
        self._states = states

    def state(self, sku: str) -> bytes:
        """All that is known of a SKU, to be compared only; empty where nothing is."""
        return self._states.get(sku, b"")

    def sales(self, sku: str) -> dict[str, Sales]:
        """What each channel sold of a SKU."""
        return unpack_sales(self.state(sku))


class DemandLearner:
    """Reads and writes what is known of demand. Holds nothing itself, so a crash or a second reader is harmless.

    ``epsilon`` is how likely it may be, at each decision, that more is sold than there is.
    """

    def __init__(self, store: Store, *, epsilon: float = EPSILON) -> None:
        self._store = store
        self.epsilon = epsilon

    async def learn(self, sold: Sequence[Sold]) -> Write:
        """What these sales make of what is known: to be written in the transaction that applies them."""
        if not sold:
            return Write("velocity_put", [])
        season, by_sku = await self._known({one.sku for one in sold})
        new_pairs = 0
        for one in sold:
            at = by_sku.setdefault(one.sku, {})
            before = at.get(one.channel)
            new_pairs += before is None
            at[one.channel] = (before or Sales(one.sale.at_ms)).learn(one.sale, season)
        season = season.learn([one.sale for one in sold], new_pairs=new_pairs)
        packed = {CATEGORY: pack_season(season)} | {sku: pack_sales(at) for sku, at in by_sku.items()}
        return Write("velocity_put", [{"key": key, "learned": state.hex()} for key, state in packed.items()])

    async def deadlines(
        self, wrong: Sequence[Wrong], channels: Mapping[str, Sequence[str]], now_ms: int
    ) -> list[int]:
        """By when each of these numbers must be corrected; never later than its route's tolerance.

        Args:
            wrong: the numbers.
            channels: by SKU, those that draw on its pool.
            now_ms: the moment from which demand counts.
        """
        if not wrong:
            return []
        season, by_sku = await self._known({one.sku for one in wrong if one.too_high})
        demands: dict[str, list[Demand]] = {}
        for sku in {one.sku for one in wrong}:
            at = by_sku.get(sku, {})
            found = (demand_of(at.get(channel), season, now_ms) for channel in channels.get(sku, ()))
            demands[sku] = [one for one in found if one is not None]
        return [
            min(
                one.latest_ms,
                max(
                    now_ms + URGENT_MS,
                    latest_safe_moment(
                        demands[one.sku],
                        season,
                        units=one.units,
                        shown=None if one.too_high else 0,
                        now_ms=now_ms,
                        latest_ms=one.latest_ms,
                        epsilon=self.epsilon,
                    ),
                ),
            )
            for one in wrong
        ]

    async def known(self, skus: Iterable[str]) -> Known:
        """What is stored about some SKUs."""
        rows: list[Row] = await self._store.read("velocity_get", keys=[CATEGORY, *sorted(skus)])
        states: dict[str, bytes] = dict(rows)
        packed = states.pop(CATEGORY, None)
        return Known(Season() if packed is None else unpack_season(packed), states)

    async def _known(self, skus: Iterable[str]) -> tuple[Season, dict[str, dict[str, Sales]]]:
        known = await self.known(skus := list(skus))
        return known.season, {sku: sales for sku in skus if (sales := known.sales(sku))}
