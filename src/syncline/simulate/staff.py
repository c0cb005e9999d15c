"""What staff do in the shop's admin that takes units away without an order: drafts that reserve, and edits by hand.

The ERP hears of neither. While they last, the units are nobody else's: they count as promised in the truth about
both systems, and no channel may show them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from random import Random

from syncline.connectors.shopify.simulator import CartLine, ShopifySimulator
from syncline.ports import Clock
from syncline.simulate.sides import Place
from syncline.simulate.trade import Trade

UNITS_MAX = 2
LASTS_S = (5.0, 900.0)
STAYS = 0.2  # of what is set aside: it is not given back before the end
READ_AFTER_S = (
    600.0  # by then every number was read once; what is edited by hand before that, nobody can know
)
FAR_MS = 1 << 45


class Staff:
    """Sets units aside in the shop and gives them back, from the seed."""

    def __init__(self, *, clock: Clock, rng: Random, trade: Trade, shop: ShopifySimulator) -> None:
        self._clock = clock
        self._rng = rng
        self._trade = trade
        self._shop = shop
        self.read_after_s = READ_AFTER_S
        self.drafts = 0
        self.completed = 0
        self.edits = 0
        # By SKU and the shop's location: when staff changed its number, by the shop's clock, and by how much.
        self.changes: defaultdict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)

    async def work(self, times: int, minutes: float) -> None:
        """Set something aside so many times, over about so many minutes; ends when all is over that ends."""
        began = self._clock.monotonic()
        async with asyncio.TaskGroup() as group:
            for _ in range(times):
                await self._clock.sleep(self._rng.expovariate(times / (minutes * 60)))
                if self._rng.random() < 0.6 or self._clock.monotonic() - began < self.read_after_s:
                    group.create_task(self.draft())
                else:
                    group.create_task(self.edit())

    async def draft(self) -> None:
        """A draft reserves units at the first location; then it is deleted, completed, or its time is over."""
        shop = self._shop
        lasts_s = self._rng.uniform(*LASTS_S)
        ends = self._rng.choice(("deleted", "completed", "over"))
        stays = self._rng.random() < STAYS
        picked = self._pick(self._trade.locations[:1])
        if picked is None:
            return
        sku, at, units = picked
        until_ms = FAR_MS
        if ends == "over" and not stays:
            until_ms = shop.clock.now_ms() + round(lasts_s * 1000)
        draft_id = shop.reserve_draft([CartLine(sku, units)], until_ms)
        self._changed(sku, at, -units)
        self._trade.set_aside(sku, at, units)
        self.drafts += 1
        if stays:
            return
        await self._clock.sleep(lasts_s)
        self._trade.set_aside(sku, at, -units)
        if ends == "completed":
            self._trade.adopt(shop.complete_draft(draft_id))
            self.completed += 1
            return
        if ends == "deleted":
            shop.delete_draft(draft_id)
        self._changed(sku, at, units)

    async def edit(self) -> None:
        """Somebody takes units off a number by hand, and puts them back later."""
        lasts_s = self._rng.uniform(*LASTS_S)
        stays = self._rng.random() < STAYS
        picked = self._pick(self._trade.locations)
        if picked is None:
            return
        sku, at, units = picked
        self._change(sku, at, -units)
        self._trade.set_aside(sku, at, units)
        self.edits += 1
        if stays:
            return
        await self._clock.sleep(lasts_s)
        self._change(sku, at, units)
        self._trade.set_aside(sku, at, -units)

    def _change(self, sku: str, at: Place, by: int) -> None:
        shop, place = self._shop, self._trade.shop_location(at)
        shop.set_available(sku, place, shop.available(sku, place) + by)
        self._changed(sku, at, by)

    def _changed(self, sku: str, at: Place, by: int) -> None:
        self.changes[sku, self._trade.shop_location(at)].append((self._shop.clock.now_ms(), by))

    def _pick(self, locations: list[tuple[Place, Place]]) -> tuple[str, Place, int] | None:
        """A SKU, the ERP location and the units that the shop shows there; ``None`` if it shows nothing."""
        sku = self._rng.choice(self._trade.skus)
        erp_at, shop_at = self._rng.choice(locations)
        shown = self._shop.available(sku, shop_at)
        units = min(shown, self._rng.randint(1, UNITS_MAX))
        return (sku, erp_at, units) if units > 0 else None
