"""Prices of an ERP that exchanges files, at Adobe Commerce, under faults and kills: groups, customers, promotions, breaks, dates.

The first kind that has a price counts, as the route's order says. What is right is reckoned here from the office's books.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from tests.simulation.elsewhere_play import CURRENCY, SKUS
from tests.simulation.files_erp_play import FilesPlay

from syncline.connectors.files import CONNECTOR as FILES
from syncline.connectors.files import comparing
from syncline.connectors.files.pricing import PriceRows
from syncline.connectors.files.simulator.office import CUSTOMER, EVERYBODY, GROUP, PROMOTION, PriceLine
from syncline.connectors.files.stated import StatedRows
from syncline.engine.reconcile.differences import Cause
from syncline.engine.routes import Route
from syncline.model.change import Flow
from syncline.pricing.rules import OWN, ChannelList, PriceRules

pytestmark = pytest.mark.simulation

TRADE = "Wholesale"
RULES = PriceRules(
    (
        ChannelList(OWN, ("promotion:WEEK", "base"), CURRENCY),
        ChannelList(TRADE, ("customer:10000", "promotion:WEEK", "group:TRADE", "base"), CURRENCY),
    ),
    order=FILES.capabilities.price_order,
    decimals=2,
)
OWN_LISTS = ((PROMOTION, "WEEK"), (EVERYBODY, ""))
TRADE_LISTS = ((CUSTOMER, "10000"), (PROMOTION, "WEEK"), (GROUP, "TRADE"), (EVERYBODY, ""))


class PricePlay(FilesPlay):
    """One seed, in which people change prices."""

    kind = "prices"
    hours = 26  # so that a midnight lies in it
    agree_s_max = 4 * 3_600.0

    def __init__(self, seed: int, **more) -> None:
        super().__init__(seed, **more)
        self.taken = 0
        for sku in SKUS:
            self.office.prices[PriceLine(sku)] = Decimal("10.00")

    def stuck(self) -> list[str]:
        """What nobody needs to decide: a broken line waits for whoever mends the export."""
        return [f"parked: {row[3:6]}" for row in self.parked if row[4] != "not_understood"]

    def routes(self) -> list[Route]:
        often = {"poll_interval_ms": 300_000, "guard_cut_share": Decimal(1)}
        return [Route(Flow.PRICES, "erp", "shop", 3_600_000, prices=RULES, **often)]

    def act(self) -> None:
        """Somebody changes a price, takes one away, or makes one: for whom, from when and for how many."""
        rng, prices = self.rng, self.office.prices
        sku = rng.choice(SKUS)
        cents = Decimal(rng.randrange(700, 1_000)) / 100
        lines = [x for x in prices if x.item == sku and x != PriceLine(sku)]
        draw = rng.random()
        if draw < 0.15:
            prices[PriceLine(sku)] = cents
        elif draw < 0.4 and lines:
            del prices[rng.choice(lines)]
            self.taken += 1
        elif draw < 0.6 and lines:
            prices[rng.choice(lines)] = cents
        else:
            whom = rng.choice(TRADE_LISTS)
            minimum = rng.choice((5, 10, 20)) if rng.random() < 0.4 else 1
            today = self.today()
            starts = today + timedelta(days=rng.randrange(3)) if rng.random() < 0.5 else None
            ends = (starts or today) + timedelta(days=rng.randrange(3)) if rng.random() < 0.5 else None
            prices[PriceLine(sku, *whom, minimum, starts, ends)] = cents

    def today(self) -> date:
        return datetime.fromtimestamp(self.clock.now_ms() / 1000, UTC).date()

    # --- what is right ----------------------------------------------------------------------------

    def price(self, sku: str, whom: tuple[str, str], quantity: int) -> Decimal | None:
        """What one list has for so many: of the highest minimum, and of several such what began last."""
        today = self.today()
        found = [
            ((x.minimum, x.starts or date.min, -price), price)
            for x, price in self.office.prices.items()
            if (x.item, x.whom, x.code) == (sku, *whom)
            and x.minimum <= quantity
            and (x.starts or today) <= today <= (x.ends or today)
        ]
        return max(found)[1] if found else None

    def right(self, sku: str, lists: tuple[tuple[str, str], ...]) -> dict[int, Decimal]:
        """The first price there is, for each quantity at which it changes."""
        found: dict[int, Decimal] = {}
        for minimum in sorted({1, *(x.minimum for x in self.office.prices if x.item == sku)}):
            amounts = (self.price(sku, whom, minimum) for whom in lists)
            amount = next(x for x in amounts if x is not None)
            if not found or list(found.values())[-1] != amount:
                found[minimum] = amount
        return found

    def problems(self) -> list[str]:
        found = []
        for sku in SKUS:
            own = self.right(sku, OWN_LISTS)[1]
            shown = Decimal(self.shop.state.products[sku].price_minor) / 100
            if shown != own:
                found.append(f"{sku}: {shown} instead of {own}")
            tiers = {
                int(n): Decimal(str(price))
                for (one, group, n), price in self.shop.state.tier_prices.items()
                if (one, group) == (sku, TRADE)
            }
            if tiers != (right := self.right(sku, TRADE_LISTS)):
                found.append(f"{sku} for {TRADE}: {tiers} instead of {right}")
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


@pytest.mark.parametrize("number", [1, 2])
def test_prices_agree_after_faults_and_kills_and_over_midnights(number):
    played = PricePlay(number)
    played.office.mistakes = 0.15
    assert played.run() == []
    assert len(played.shop.state.price_log) > 40
    exports = played.office.exports
    broken = [count for name, count in exports.items() if "broken" in name]
    assert played.taken > 5 and min(exports.values()) > 1 and len(broken) == 2 and len(played.parked) > 2


def test_without_faults_nothing_is_written_twice_and_nothing_is_told_twice(monkeypatch):
    told = []
    stated = StatedRows.stated
    monkeypatch.setattr(
        StatedRows, "stated", lambda self, *given: told.append(stated(self, *given)) or told[-1]
    )
    played = PricePlay(7, faults=False, kills=0)
    assert played.run() == []
    last: dict[tuple[str, str, float], float] = {}
    again = 0
    for sku, group, minimum, price in played.shop.state.price_log:
        again += not group and last.get((sku, group, minimum)) == price
        last[sku, group, minimum] = price
    assert again == 0
    # Each record of a full file is made twice: to count what is wrong, and to be told.
    everything = played.office.exports["prices/PRICES_"] * len(played.office._rows("prices"))
    assert len(told) < everything / 2, "what stayed the same is told with every file"


def test_a_proof_finds_and_mends_what_somebody_changed_in_the_shop(monkeypatch):
    monkeypatch.setattr(PricePlay, "hours", 2)
    played = PricePlay(5, faults=False, kills=0)
    told: list[object] = []

    async def at_last() -> list[str]:
        played.shop.state.products[SKUS[0]].price_minor += 50
        told.append(len(played.problems()))
        asked = {"flow": "prices", "route": "", "dry_run": False, "by": "somebody"}
        (proof,) = await played.engine.reconciler.ask(**asked)
        while not proof.over:
            await played.clock.sleep(5)
        rows = await played.store.read("differences_open", route=proof.route, state="", cause="", limit=50)
        told.append([row[2] for row in rows])
        await played.clock.sleep(3_900)  # within the route's tolerance
        return played.problems()

    played.at_last = at_last  # type: ignore[method-assign]
    assert played.run() == []
    assert told == [1, [Cause.CHANGED_AT_CHANNEL.value]]


# --- connectors with one mistake each -------------------------------------------------------------------


def ends_a_day_early(patch):
    day = PriceRows._day
    patch.setattr(PriceRows, "_day", lambda self, field, values, days: day(self, field, values, 0))


def looks_at_lines_alone(patch):
    """A break that is gone leaves nothing behind that differs."""
    compared = comparing.ComparedRecords.told

    def told(self):
        known = self._before
        self._before = {
            key: group.digest if key in known and group.rows else known.get(key)
            for key, group in self._groups.groups.items()
        }
        yield from compared(self)
        self._before = known

    patch.setattr(comparing.ComparedRecords, "told", told)


@pytest.mark.parametrize("mutant", [ends_a_day_early, looks_at_lines_alone])
def test_a_checker_catches(mutant, monkeypatch):
    mutant(monkeypatch)
    monkeypatch.setattr(PricePlay, "agree_s_max", 3 * 3_600.0)
    monkeypatch.setattr(PricePlay, "news", False)
    assert PricePlay(1, kills=0, faults=False).run()
