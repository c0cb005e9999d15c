"""Products from Business Central to Adobe Commerce, under faults and kills, through the shop's queue and beside it.

What is right is said here from the simulators' books.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.simulation.elsewhere_play import CURRENCY, SKUS, Play

from syncline.connectors.adobe_commerce.products import ProductWriter
from syncline.engine.apply import full_states
from syncline.engine.delivery.lane import Lane
from syncline.engine.routes import Route
from syncline.engine.states import STATE_OPERATIONS
from syncline.model.change import Flow, Kind
from syncline.model.copying import replace
from syncline.model.delivery import Outcome, Result
from syncline.model.products import EVERYTHING, ProductRules
from syncline.pricing.rules import OWN, ChannelList, PriceRules

pytestmark = pytest.mark.simulation

FOREIGN = "SHOP-OWN"
MANY = [f"MANY-{n}" for n in range(60)]
OWNED = frozenset({"title", "status"})
FAMILY = "SHIRT"


class Shelves(Play):
    """One seed."""

    def __init__(self, seed: int, *, faults: bool = True, kills: int = 3) -> None:
        super().__init__(seed, faults=faults, kills=kills)
        self.catalog = self.shop.add_shared_catalog()
        place = next(iter(self.shop.state.sources))
        self.shop.add_product(FOREIGN, "Our own", Decimal(5), {place: 3})
        self.sold = list(SKUS)
        self.said: dict[str, list[str]] = {sku: [sku] for sku in SKUS}
        self.erp.add_item(FAMILY, FAMILY, "8.00")
        self.colours = ["red", "blue"]
        for colour in self.colours:
            self.erp.add_variant(FAMILY, colour.upper(), colour)
        self.shop.add_select("variant", "red", "blue", "green")

    def routes(self) -> list[Route]:
        prices = PriceRules((ChannelList(OWN, ("item",), CURRENCY),), decimals=2)
        products = ProductRules(fields=OWNED, assortments={str(self.catalog): (EVERYTHING,)})
        often = {"poll_interval_ms": 900_000, "guard_cut_share": Decimal(1)}
        return [
            Route(Flow.PRICES, "erp", "shop", 3_600_000, prices=prices, **often),
            Route(Flow.CATALOG, "erp", "shop", 3_600_000, products=products, **often),
        ]

    def act(self) -> None:
        """Products are renamed, come, end and come back; some of it in one go, so that it is queued."""
        for _ in range(self.rng.choice((1, 1, 4))):
            sku, draw = self.rng.choice(self.sold), self.rng.random()
            if draw < 0.25:
                if len(self.colours) < 3:  # a product gets another variant
                    self.colours.append("green")
                    self.erp.add_variant(FAMILY, "GREEN", "green")
                sku = f"NEW-{len(self.sold)}"
                self.erp.add_item(sku, sku, "7.50")
                self.sold.append(sku)
                self.said[sku] = [sku]
            elif draw < 0.4 and sku in self.shop.state.shared_catalogs[self.catalog]:
                # What ends before anybody was told of it is not known to have been there.
                blocked = self.erp.company.find("items", "number", sku).values["blocked"]
                self.erp.edit_item(sku, blocked=not blocked)
            else:
                self.said[sku].append(f"{sku} no. {len(self.said[sku])}")
                self.erp.edit_item(sku, displayName=self.said[sku][-1])

    def problems(self) -> list[str]:
        found = []
        for sku in self.sold:
            values, there = (
                self.erp.company.find("items", "number", sku).values,
                self.shop.state.products.get(sku),
            )
            if values["blocked"]:
                found += [f"{sku} is still sold"] if there is not None and there.status == 1 else []
            elif there is None or (there.name, there.status) != (values["displayName"], 1):
                found.append(f"{sku}: {there} instead of {values['displayName']}")
            elif sku not in self.shop.state.shared_catalogs[self.catalog]:
                found.append(f"{sku} is not in the catalog")
        return [*found, *self.family()]

    def family(self) -> list[str]:
        """A product with variants, of which one came later."""
        there = self.shop.state.products.get(FAMILY)
        if there is None or (there.type_id, there.status) != ("configurable", 1):
            return [f"{FAMILY}: {there}"]
        held = [one for one in self.shop.state.products.values() if one.entity_id in there.links]
        wanted = {(f"{FAMILY}/{colour.upper()}", f"{FAMILY}-{colour}", 1) for colour in self.colours}
        found = {(one.sku, one.name, one.status) for one in held}
        return [f"{FAMILY} holds {found} instead of {wanted}"] if found != wanted else []

    async def at_last(self) -> list[str]:
        """What may never have been, at any time."""
        log = self.shop.state.product_log
        free = sum(status == 1 and not priced for _, _, status, priced in log)
        backward = 0
        at: dict[str, int] = {}
        for sku, name, _, _ in log:
            if sku not in self.said:
                continue
            place = self.said[sku].index(name)
            backward += place < at.get(sku, 0)
            at[sku] = max(place, at.get(sku, 0))
        told = (
            (sum(sku == FOREIGN for sku, *_ in log), "times the shop's own product was touched"),
            (free, "products sold for nothing"),
            (backward, "names that went back"),
        )
        return [f"{count} {what}" for count, what in told if count]


@pytest.mark.parametrize("number", range(201, 203))
def test_products_agree_after_faults_and_kills(number):
    played = Shelves(number)
    assert played.run() == []
    calls = played.shop.ledger.calls_by_operation
    assert any(sku.startswith("NEW") for sku in played.sold)
    assert any(name.startswith("bulk") for name in calls)


def test_a_feed_that_would_end_most_of_the_catalog_waits_for_a_person():
    class Guarded(Shelves):
        def routes(self) -> list[Route]:
            return [replace(route, guard_cut_share=Decimal("0.3")) for route in super().routes()]

        def act(self) -> None:
            """Nothing but one mistake, in the middle of the day."""
            if self.clock.monotonic() > 2 * 3_600 and not self.wrong:
                for sku in MANY[:40]:
                    self.erp.edit_item(sku, blocked=True)
                self.wrong = True

        wrong = False

    played = Guarded(7, faults=False, kills=0)
    for sku in MANY:
        played.erp.add_item(sku, sku, "5.00")
        played.said[sku] = [sku]
    found = played.run()
    assert {one.status for one in played.shop.state.products.values()} == {1}
    assert any("states_vanished" in one and "40 records" in one for one in found), found


def takes_an_unknown_outcome_for_success(patch):
    ask = Lane._ask

    async def believes(self, operation, items, key):
        outcomes = await ask(self, operation, items, key)
        if STATE_OPERATIONS.get(operation) is not Kind.PRODUCT:
            return outcomes
        return [Outcome(Result.DONE) if one.result is Result.UNKNOWN else one for one in outcomes]

    patch.setattr(Lane, "_ask", believes)


def never_sees_that_a_product_ended(patch):
    async def nothing(self, system):
        return None

    patch.setattr(full_states.FullStateReads, "judge", nothing)


def sells_what_has_no_price(patch):
    then = ProductWriter._then

    async def done(self, payload, seen):
        found = await then(self, payload, seen)
        return replace(found, result=Result.DONE) if payload.key in seen else found

    patch.setattr(ProductWriter, "_then", done)


@pytest.mark.parametrize(
    "mutant",
    [takes_an_unknown_outcome_for_success, never_sees_that_a_product_ended, sells_what_has_no_price],
)
def test_a_checker_catches(mutant, monkeypatch):
    mutant(monkeypatch)
    monkeypatch.setattr(Shelves, "agree_s_max", 3_600.0)
    assert any(Shelves(number, kills=0).run() for number in (201, 202, 203))
