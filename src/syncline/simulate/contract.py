"""One customer's contract prices: agreed in the ERP, shown in one list of the shop, and now and then another one."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from random import Random

from syncline.pricing.rules import ChannelList, PriceRules
from syncline.simulate.world import World

SKUS = 12
CURRENCY = "GBP"
CENT = Decimal("0.01")
FIRST = Decimal("0.95")  # of the list price
LATER = Decimal("0.8")  # near enough that nobody has to be asked


class Contract:
    """What was agreed on, and whether the shop shows it; both from the simulators' books."""

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng
        self._listed: dict[str, Decimal] = {}
        self.changes = 0

    def open(self, prices: dict[str, Decimal]) -> None:
        """Agree on prices below the list's for a few SKUs; from now on prices travel."""
        erp, shop = self._world.erp_side, self._world.shop_side
        source, target = erp.open_contract(), shop.open_contract()
        for sku in self._world.trade.skus[:SKUS]:
            self._listed[sku] = prices[sku]
            erp.agree(sku, _share(prices[sku], FIRST))
        self._world.price_rules = PriceRules(
            (ChannelList(target, (source,), CURRENCY),),
            order=erp.connector.capabilities.price_order,
            decimals=2,
        )

    def change(self) -> tuple[str, Decimal, Decimal]:
        """Agree on another price; returns the SKU, what it was and what it is."""
        sku = self._rng.choice(sorted(self._listed))
        erp = self._world.erp_side
        before, after = erp.agreed(sku), _share(self._listed[sku], LATER)
        erp.agree(sku, after)
        self.changes += 1
        return sku, before, after

    def wrong(self) -> int:
        """Contract prices that the shop shows otherwise, or not."""
        erp, shop = self._world.erp_side, self._world.shop_side
        return sum(shop.listed(sku) != erp.agreed(sku) for sku in self._listed)

    def agreed(self) -> int:
        """How many SKUs have one."""
        return len(self._listed)


def _share(price: Decimal, share: Decimal) -> Decimal:
    return max(CENT, (price * share).quantize(CENT, ROUND_HALF_UP))


__all__ = ["Contract"]
