"""What buyers do is learned from orders as they are applied, and says by when a number must be corrected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from syncline.engine.routes import SEP
from syncline.freshness.demand import (
    Demand,
    Pace,
    Sale,
    Sales,
    Season,
    demand_of,
    pace_of,
    pack_sales,
    pack_season,
    unpack_sales,
    unpack_season,
)
from syncline.freshness.risk import EPSILON, latest_safe_moment
from syncline.ports import Row, Store, Write

# No SKU contains the separator, so a category's row is never taken for one. The row without a name is of all goods.
CATEGORY = SEP
# Since when it is known what no channel has sold, as a moment in milliseconds; no category has such a name either.
SINCE = SEP + SEP + "since"
FIRST_READ_MS = 86_400_000  # what a new store hears of within a day was there before
CATEGORY_SALES_MIN = 100.0  # fading over weeks: with fewer, all goods tell more about a SKU than its category
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

    def __init__(
        self,
        seasons: Mapping[str, Season],
        states: Mapping[str, bytes],
        category_of: Callable[[str], str],
        since_ms: int = 0,
    ) -> None:
        """``since_ms``: from when on every SKU that no row tells of was there and did not sell; 0: nobody knows."""
        self.since_ms = since_ms
        self._unsold = Sales(since_ms) if since_ms else None
        self.seasons = seasons
        self._states = states
        self._category_of = category_of
        self._sales: dict[str, Mapping[str, Sales]] = {}
        self._season_of: dict[str, Season] = {}
        self._paces: dict[tuple[str, str, int, int], Pace] = {}

    def season(self, sku: str) -> Season:
        """The profile of a SKU's category, or of all goods while too little of the category was sold."""
        found = self._season_of.get(sku)
        if found is None:
            own = self.seasons.get(self._category_of(sku))
            found = own if own is not None and own.slow >= CATEGORY_SALES_MIN else self.seasons[""]
            self._season_of[sku] = found
        return found

    def state(self, sku: str) -> bytes:
        """All that is known of a SKU, to be compared only; empty where nothing is."""
        return self._states.get(sku, b"")

    def sales(self, sku: str) -> Mapping[str, Sales]:
        """What each channel sold of a SKU."""
        found = self._sales.get(sku)
        if found is None:
            found = self._sales[sku] = unpack_sales(self.state(sku))
        return found

    def at(self, sku: str, channel: str) -> Sales | None:
        """What one channel sold of a SKU, be it nothing since it is there; ``None`` where nobody knows since when."""
        return self.sales(sku).get(channel, self._unsold)

    def pace(self, sku: str, channel: str, season: Season, at_ms: int) -> Pace:
        """How fast one channel sells a SKU at a moment, by one of the ``seasons``: computed once for all that ask."""
        key = (sku, channel, at_ms, id(season))
        found = self._paces.get(key)
        if found is None:
            found = self._paces[key] = pace_of(self.at(sku, channel), season, at_ms)
        return found


class DemandLearner:
    """Reads and writes what is known of demand. Holds nothing that changes, so a crash or a second reader is harmless.

    A SKU that a channel begins to sell after the first day of the store has a row from then on, with no sales. All
    others without one were there since that day, so a catalog of a million needs a million rows only once it has sold.

    ``epsilon`` is how likely it may be, at each decision, that more is sold than there is. ``category_of``
    names the category of a SKU that has a profile of its own; "" for all others.
    """

    def __init__(
        self,
        store: Store,
        *,
        epsilon: float = EPSILON,
        category_of: Callable[[str], str] = lambda _sku: "",
    ) -> None:
        self._store = store
        self._category_of = category_of
        self._since_ms = 0
        self.epsilon = epsilon

    async def learn(
        self, sold: Sequence[Sold], listed: Sequence[tuple[str, str]] = (), now_ms: int = 0
    ) -> Write:
        """What these sales make of what is known: to be written in the transaction that applies them.

        Args:
            sold: what was bought.
            listed: channels and SKUs that were not heard of before.
            now_ms: the moment; without it, nothing is said about what has not sold.
        """
        if self._since_ms > now_ms:
            listed = ()
        if not sold and not listed:
            return Write("velocity_put", [])
        known = await self.known({*(one.sku for one in sold), *(sku for _, sku in listed)})
        by_sku = {sku: dict(known.sales(sku)) for sku in dict.fromkeys(one.sku for one in sold)}
        taught: dict[str, list[Sale]] = {}
        new_pairs: dict[str, int] = {}
        for one in sold:
            at = by_sku[one.sku]
            before = at.get(one.channel)
            if before is not None and not before.sold:
                before = None
            for category in {"", self._category_of(one.sku)}:
                taught.setdefault(category, []).append(one.sale)
                new_pairs[category] = new_pairs.get(category, 0) + (before is None)
            at[one.channel] = (before or Sales(one.sale.at_ms)).learn(one.sale, known.season(one.sku))
        packed = {
            CATEGORY + category: pack_season(
                known.seasons.get(category, Season()).learn(sales, new_pairs=new_pairs[category])
            )
            for category, sales in sorted(taught.items())
        }
        if now_ms and not known.since_ms:
            packed[SINCE] = (now_ms + FIRST_READ_MS).to_bytes(8, "big")
        elif now_ms and now_ms >= known.since_ms:
            for channel, sku in listed:
                at = by_sku.setdefault(sku, dict(known.sales(sku)))
                at.setdefault(channel, Sales(now_ms))
        packed |= {sku: pack_sales(at) for sku, at in by_sku.items()}
        rows = [{"key": key, "learned": state.hex()} for key, state in packed.items()]
        return Write("velocity_put", rows, told=False)

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
        known = await self.known({one.sku for one in wrong if one.too_high})
        demands: dict[str, list[Demand]] = {}
        for sku in {one.sku for one in wrong}:
            season = known.season(sku)
            found = (demand_of(known.at(sku, channel), season, now_ms) for channel in channels.get(sku, ()))
            demands[sku] = [one for one in found if one is not None]
        return [
            min(
                one.latest_ms,
                max(
                    now_ms + URGENT_MS,
                    latest_safe_moment(
                        demands[one.sku],
                        known.season(one.sku),
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
        asked = sorted(skus)
        categories = sorted({"", *map(self._category_of, asked)})
        rows: list[Row] = await self._store.read(
            "velocity_get", keys=[SINCE, *(CATEGORY + name for name in categories), *asked]
        )
        states: dict[str, bytes] = dict(rows)
        seasons = {
            name: unpack_season(packed)
            for name in categories
            if (packed := states.pop(CATEGORY + name, None)) is not None
        }
        self._since_ms = int.from_bytes(states.pop(SINCE, b""), "big")
        return Known({"": Season(), **seasons}, states, self._category_of, self._since_ms)
