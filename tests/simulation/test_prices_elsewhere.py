"""Prices from Business Central to Adobe Commerce, under faults and kills: price groups, customers, breaks, and dates.

Business Central takes the lowest price that holds on a day, and Adobe Commerce shows a group's prices as tier prices. What
is right is reckoned here from the simulators' books.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from tests.simulation.elsewhere_play import CURRENCY, SKUS, Play

from syncline.connectors.adobe_commerce.prices import PriceWriter
from syncline.connectors.business_central import CONNECTOR as CENTRAL
from syncline.connectors.business_central.prices import PriceScan
from syncline.engine.derive.states import StateDeriver
from syncline.engine.routes import Route
from syncline.model.change import Flow
from syncline.model.copying import replace
from syncline.pricing.rules import OWN, ChannelList, PriceRules

pytestmark = pytest.mark.simulation

GROUP = "Wholesale"
CUSTOMER = {"sourceType": "Customer", "sourceNumber": "10000"}
TRADE = {"sourceType": "Customer_x0020_Price_x0020_Group", "sourceNumber": "TRADE"}
RULES = PriceRules(
    (
        ChannelList(OWN, ("all", "item"), CURRENCY),
        ChannelList(GROUP, ("customer:10000", "group:TRADE", "all", "item"), CURRENCY),
    ),
    order=CENTRAL.capabilities.price_order,
    decimals=2,
)


class PricePlay(Play):
    """One seed, in which people change prices."""

    hours = 26  # so that a midnight lies in it
    agree_s_max = 6 * 3_600.0

    def __init__(self, seed: int, **more) -> None:
        super().__init__(seed, **more)
        self.lines: dict[str, list[str]] = {sku: [] for sku in SKUS}

    def routes(self) -> list[Route]:
        often = {"poll_interval_ms": 900_000, "guard_cut_share": Decimal(1)}
        return [Route(Flow.PRICES, "erp", "shop", 3_600_000, prices=RULES, **often)]

    def act(self) -> None:
        """Somebody changes a price: a card, a line for whomever, from when and for how many."""
        rng = self.rng
        sku = rng.choice(SKUS)
        cents = Decimal(rng.randrange(700, 1_000)) / 100
        draw = rng.random()
        if draw < 0.2:
            self.erp.edit_item(sku, unitPrice=cents)
        elif draw < 0.4 and self.lines[sku]:
            self.erp.delete_price(self.lines[sku].pop(rng.randrange(len(self.lines[sku]))))
        elif draw < 0.6 and self.lines[sku]:
            self.erp.edit_price(rng.choice(self.lines[sku]), unitPrice=cents)
        else:
            fields = dict(rng.choice(({}, CUSTOMER, TRADE)))
            if rng.random() < 0.4:
                fields["minimumQuantity"] = rng.choice((5, 10, 20))
            today = datetime.fromtimestamp(self.clock.now_ms() / 1000, UTC).date()
            if rng.random() < 0.5:
                fields["startingDate"] = (today + timedelta(days=rng.randrange(3))).isoformat()
            if rng.random() < 0.5:
                fields["endingDate"] = (today + timedelta(days=rng.randrange(3))).isoformat()
            self.lines[sku].append(self.erp.add_price("S", sku, cents, **fields))

    # --- what is right ----------------------------------------------------------------------------

    def right(self, sku: str, sources: tuple[tuple[str, str], ...]) -> dict[int, Decimal]:
        """The lowest price for each quantity at which it changes; the card's where no line holds."""
        today = datetime.fromtimestamp(self.clock.now_ms() / 1000, UTC).date().isoformat()
        company = self.erp.company
        lines: list[tuple[int, Decimal]] = []
        for line_id in self.lines[sku]:
            line = company.tables["priceListLines"][line_id].values
            if (line["sourceType"], line["sourceNumber"]) not in sources:
                continue
            starts, ends = str(line["startingDate"] or ""), str(line["endingDate"] or "")
            if (starts in ("", "0001-01-01") or starts <= today) and (
                ends in ("", "0001-01-01") or today <= ends
            ):
                lines.append((max(1, int(line["minimumQuantity"])), Decimal(line["unitPrice"])))
        card = Decimal(company.find("items", "number", sku).values["unitPrice"])
        found: dict[int, Decimal] = {}
        for minimum in sorted({1, *(least for least, _ in lines)}):
            amount = min((price for least, price in lines if least <= minimum), default=card)
            if not found or list(found.values())[-1] != amount:
                found[minimum] = amount
        return found

    def problems(self) -> list[str]:
        everybody = ("All_x0020_Customers", "")
        members = (everybody, ("Customer", "10000"), (TRADE["sourceType"], "TRADE"))
        found = []
        for sku in SKUS:
            own = self.right(sku, (everybody,))[1]
            shown = Decimal(self.shop.state.products[sku].price_minor) / 100
            if shown != own:
                found.append(f"{sku}: {shown} instead of {own}")
            tiers = {
                int(n): Decimal(str(price))
                for (one, group, n), price in self.shop.state.tier_prices.items()
                if (one, group) == (sku, GROUP)
            }
            if tiers != self.right(sku, members):
                found.append(f"{sku} for {GROUP}: {tiers} instead of {self.right(sku, members)}")
        return found

    async def at_last(self) -> list[str]:
        """It goes on to agree over the midnights that are still to come, by the clock alone."""
        for poller in self.engine.pollers:
            poller.interval_ms = 1 << 40
        found = []
        for _ in range(3):
            now_s = self.clock.now_ms() / 1000
            await self.clock.sleep(86_400 - now_s % 86_400 + 120)
            found += [f"after midnight: {one}" for one in self.problems()]
        return found


@pytest.mark.parametrize("number", range(101, 103))
def test_prices_agree_after_faults_and_kills_and_over_midnights(number):
    played = PricePlay(number)
    assert played.run() == []
    assert len(played.shop.state.price_log) > 40


def test_without_faults_nothing_is_written_twice():
    played = PricePlay(7, faults=False, kills=0)
    assert played.run() == []
    last: dict[tuple[str, str, float], float] = {}
    again = 0
    for sku, group, minimum, price in played.shop.state.price_log:
        again += not group and last.get((sku, group, minimum)) == price
        last[sku, group, minimum] = price
    assert again == 0


def forgets_moments(patch):
    wanted = StateDeriver._wanted

    async def timeless(self, *args):
        found = await wanted(self, *args)
        return {key: replace(one, next_ms=0) for key, one in found.items()}

    patch.setattr(StateDeriver, "_wanted", timeless)


def leaves_old_breaks(patch):
    async def nothing(self, payloads):
        return {}

    patch.setattr(PriceWriter, "_clear", nothing)


def ends_a_day_early(patch):
    midnight = PriceScan._midnight
    patch.setattr(PriceScan, "_midnight", lambda self, value, days: midnight(self, value, 0))


def takes_the_first_price(patch):
    patch.setattr(
        "tests.simulation.test_prices_elsewhere.RULES",
        replace(RULES, order=replace(RULES.order, lowest=False)),
    )


@pytest.mark.parametrize(
    "mutant", [forgets_moments, leaves_old_breaks, ends_a_day_early, takes_the_first_price]
)
def test_a_checker_catches(mutant, monkeypatch):
    mutant(monkeypatch)
    monkeypatch.setattr(PricePlay, "agree_s_max", 3_600.0)
    assert PricePlay(101, kills=0).run()
