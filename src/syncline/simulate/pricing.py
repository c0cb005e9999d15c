"""What people do to prices in the ERP, and what the shop has to show of it.

Prices change, customers agree on their own and end that, quantity breaks come and go, and now and then somebody slips:
a price of nothing, or a hundred times too much, which the shop must never show. What is right is reckoned here from the
simulators' books, by a rule of its own.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import ROUND_HALF_UP, Decimal
from random import Random

from syncline.connectors.netsuite.simulator import NetSuiteSimulator
from syncline.connectors.shopify.simulator import ShopifySimulator
from syncline.ports import Clock
from syncline.pricing.rules import OWN, ChannelList, PriceRules
from syncline.simulate.trade import Trade

CENT = Decimal("0.01")
CHANGE_S = 25.0  # between two changes, on the average
SLIP_S = (300.0, 900.0)  # until somebody notices one
TIER = 10  # the quantity from which a break holds
CUSTOMER_AT = 0.15  # a share of all changes each
TIER_AT = 0.3
SLIP_AT = 0.36

Shown = tuple[int, dict[int, int]]  # in minor units: the price, and breaks by minimum


class Pricing:
    """People with the right to change prices, from the seed."""

    def __init__(
        self, *, clock: Clock, rng: Random, shop: ShopifySimulator, erp: NetSuiteSimulator, trade: Trade
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._shop = shop
        self._erp = erp
        self._trade = trade
        self.changes = 0
        self.slips = 0
        self._said: dict[str, list[int]] = {}  # every base price that a SKU ever had, in minor units
        self._meant: dict[str, Decimal] = {}  # what it is when no slip is in it

    def open(self) -> None:
        """A customer with agreements, a price level, and a price list in the shop for both."""
        self.customer = self._erp.add_customer("contract-1", companyName="Contract customer")
        self.level = self._erp.add_price_level("Trade")
        self.list = self._shop.add_price_list("Trade")
        for sku in self._trade.skus:
            price = self._erp.price(sku)
            assert price is not None
            self._meant[sku] = price
            self._said[sku] = [minor(price)]

    def rules(self) -> PriceRules:
        """The shop's own prices from the base level; its list from all that there is."""
        sources = (f"customer:{self.customer}", f"level:{self.level}", "level:1")
        currency = self._shop.currency
        lists = (
            ChannelList(OWN, ("level:1",), currency),
            ChannelList(str(self.list.id), sources, currency),
        )
        return PriceRules(lists, decimals=2)

    # --- what people do ---------------------------------------------------------------------------

    async def work(self, minutes: float) -> None:
        """Change something now and then; all slips are mended in the end."""
        until = self._clock.monotonic() + minutes * 60
        while self._clock.monotonic() < until:
            await self._clock.sleep(self._rng.expovariate(1 / CHANGE_S))
            sku = self._rng.choice(self._trade.skus)
            draw = self._rng.random()
            self.changes += 1
            if draw < CUSTOMER_AT:
                self._agree(sku)
            elif draw < TIER_AT:
                self._grade(sku)
            elif draw < SLIP_AT:
                self._slip(sku)
            else:
                self._set(sku, self._fresh(sku))
        for sku in self._trade.skus:
            self._set(sku, self._meant[sku])

    def _fresh(self, sku: str) -> Decimal:
        """A price that the SKU never had, not far from what it costs."""
        while True:
            price = (self._meant[sku] * Decimal(self._rng.uniform(0.8, 1.25))).quantize(CENT, ROUND_HALF_UP)
            price += CENT * self._rng.randrange(1, 5)
            if minor(price) not in self._said[sku]:
                self._meant[sku] = price
                return price

    def _set(self, sku: str, price: Decimal) -> None:
        if self._said[sku][-1] != minor(price):
            self._said[sku].append(minor(price))
        self._erp.set_base_price(sku, price)

    def _slip(self, sku: str) -> None:
        self.slips += 1
        self._set(sku, self._rng.choice((Decimal(0), self._meant[sku] * 100)))
        self._clock.after(self._rng.uniform(*SLIP_S), lambda: self._set(sku, self._meant[sku]))

    def _agree(self, sku: str) -> None:
        there = self._erp.customer_price(self.customer, sku) is not None
        price = (self._meant[sku] * Decimal("0.85")).quantize(CENT, ROUND_HALF_UP)
        self._erp.set_customer_price(self.customer, sku, None if there else max(CENT, price))

    def _grade(self, sku: str) -> None:
        there = self._erp.price(sku, level=self.level) is not None
        base = max(CENT, (self._meant[sku] * Decimal("0.95")).quantize(CENT, ROUND_HALF_UP))
        tier = max(CENT, (self._meant[sku] * Decimal("0.9")).quantize(CENT, ROUND_HALF_UP))
        self._erp.set_price(sku, None if there else base, level=self.level)
        self._erp.set_price(sku, None if there else tier, level=self.level, quantity=TIER)

    # --- what is right ----------------------------------------------------------------------------

    def _listed(self, sku: str) -> Shown:
        """What the shop's list has to say of a SKU."""
        base = self._erp.price(sku)
        assert base is not None
        agreed = self._erp.customer_price(self.customer, sku)
        if agreed is not None:
            return minor(agreed), {}
        graded = self._erp.price(sku, level=self.level)
        if graded is None:
            return minor(base), {}
        tier = self._erp.price(sku, level=self.level, quantity=TIER)
        assert tier is not None
        return minor(graded), {TIER: minor(tier)} if minor(tier) != minor(graded) else {}

    def problems(self, parked: Collection[str]) -> list[str]:
        """What does not agree yet; what waits for a person (by the keys of ``parked``) is no problem."""
        found: list[str] = []
        idle: list[str] = []
        for sku in self._trade.skus:
            variant = self._shop.state.skus[sku]
            base = self._erp.price(sku)
            assert base is not None
            own_key, list_key = f"{OWN}\x1f{sku}", f"{self.list.id}\x1f{sku}"
            if variant.price_minor != minor(base) and own_key not in parked:
                found.append(f"{sku}: {variant.price_minor} instead of {minor(base)}")
            fixed = self.list.fixed.get(variant.variant_id)
            shown = (fixed[0], self.list.breaks.get(variant.variant_id, {})) if fixed is not None else None
            if shown != self._listed(sku) and list_key not in parked:
                found.append(f"{sku} in the list: {shown} instead of {self._listed(sku)}")
            decided = ((own_key, variant.price_minor == minor(base)), (list_key, shown == self._listed(sku)))
            idle += [key for key, right in decided if right and key in parked]
        problems = [f"{len(found)} prices differ: {found[:3]}"] if found else []
        return problems + ([f"nothing is left to decide of {idle[:3]}"] if idle else [])

    def never(self) -> list[str]:
        """What must not have happened at any time."""
        log = self._shop.state.price_log
        nothing = sum(amount <= 0 for _, _, _, amount in log)
        backward = 0
        at: dict[int, int] = {}
        for _, price_list, variant_id, amount in log:
            said = self._said[self._shop.state.variants[variant_id].sku]
            if price_list == 0 and amount in said:
                place = max(n for n, one in enumerate(said) if one == amount)
                backward += place < at.get(variant_id, 0)
                at[variant_id] = max(at.get(variant_id, 0), said.index(amount))
        return [
            f"{count} {what}"
            for count, what in ((nothing, "prices of nothing written"), (backward, "prices that went back"))
            if count
        ]


def minor(amount: Decimal) -> int:
    """Hundredths, halves away from nothing."""
    return int((amount * 100).quantize(Decimal(1), ROUND_HALF_UP))
