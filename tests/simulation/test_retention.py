"""Orders are forgotten seconds after they are over, while trade goes on: nothing lost, nothing doubled, nothing risen again.

What shops keep for months is kept for a quarter of a minute here, so that most of what either side tells of an order
comes after it was retired: doubled and late webhooks, polls that read the past again, restarts in the middle.
"""

from __future__ import annotations

import sys
from decimal import Decimal

import pytest
from tests.simulation.money_play import Adobe, Play, Shopify

from syncline.engine import retention
from syncline.engine.apply.retired import REASON, LateNews
from syncline.engine.operations import Operations
from syncline.engine.retiring import Retirement
from syncline.engine.routes import reference_of
from syncline.model.change import Flow
from syncline.simulate import simulation
from syncline.simulate.disagree import prove
from syncline.simulate.history import HistoryLine, HistoryOrder
from syncline.simulate.simulation import START_MS, Plan, Simulation

SEEDS = range(1, 5)
STORY = Plan()
CALM = Plan(faults=False, kills=0, asides=0)
KEPT_MS = 15_000
MONEY_KEPT_MS = 1_200_000
RETIRED_MIN = 40

pytestmark = pytest.mark.simulation


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(retention, "EVERY_S", 60.0)


class Forgetful(Simulation):
    """A play in which orders are forgotten as soon as nothing refers to them."""

    def __init__(self, number: int, plan: Plan = STORY, **systems: str) -> None:
        super().__init__(number, plan, **systems)
        self.world.orders_kept_ms = KEPT_MS

    def count(self, text: str) -> int:
        ((count,),) = self._store._connection.execute(text)
        return count

    @property
    def retired(self) -> int:
        return self.count("SELECT count(*) FROM retired")


@pytest.mark.parametrize("number", SEEDS)
def test_everything_agrees_while_orders_are_forgotten_among_faults_and_kills(number, record_property):
    played = Forgetful(number)
    report = played.run()
    sys.stdout.write(f"{report.text()}\n")
    assert report.violations == [], report.text()
    assert [entry for entry in report.parked if REASON in entry] == [], report.text()
    assert played.retired >= RETIRED_MIN
    late = played.count("SELECT count(*) FROM trace WHERE verdict LIKE 'of a finished order%'")
    assert late >= RETIRED_MIN
    # What is left of an order that was retired is its row and its binding.
    for table, key in (("demand", "order_key"), ("record", "key"), ("routing", "order_key")):
        joined = f"SELECT count(*) FROM {table} JOIN retired ON reference = 'shop-' || {key}"
        assert played.count(joined) == 0, table
    bound = "SELECT count(*) FROM binding JOIN retired ON reference = key WHERE kind = 'order' AND external_id <> ''"
    assert played.count(bound) == report.truth.orders_placed - played.count(
        "SELECT count(*) FROM record WHERE kind = 'order'"
    ) - played.count(
        "SELECT count(*) FROM retired WHERE reference NOT IN (SELECT key FROM binding WHERE kind = 'order')"
    )
    record_property("total:retention:seeds", 1)
    record_property("total:retention:orders forgotten", played.retired)
    record_property("total:retention:told of them afterwards", late)


@pytest.mark.parametrize(
    ("books", "shop"), [("business-central", "shopify"), ("business-central", "adobe-commerce")]
)
def test_other_systems_agree_while_orders_are_forgotten(books, shop):
    played = Forgetful(1, erp=books, channel=shop)
    report = played.run()
    assert report.violations == [], report.text()
    assert played.retired >= RETIRED_MIN


@pytest.mark.parametrize(("number", "kind"), [(12, Shopify), (5, Adobe)])
def test_money_and_goods_go_both_ways_while_orders_are_forgotten(number, kind, monkeypatch):
    """What comes within the time is told once; a transfer or a return takes up to some minutes here."""
    init = Retirement.__init__
    monkeypatch.setattr(
        Retirement, "__init__", lambda self, *of, kept_ms: init(self, *of, kept_ms=MONEY_KEPT_MS)
    )
    play = Play(number, kind, restock=number == 12)
    assert play.play() == []
    ((retired,),) = play.store._connection.execute("SELECT count(*) FROM retired")
    assert retired > 10


# --- engines with one mistake each --------------------------------------------------------------------


def takes_them_for_new(patch):
    async def taken(self, batch, decoded):
        return decoded, []

    patch.setattr(LateNews, "taken", taken)


def forgets_that_the_erp_has_them(patch):
    takes_them_for_new(patch)
    bound = Retirement._bound

    def more(self, channel, case):
        sinks = self._routes.of(Flow.ORDERS, source=channel)
        return [*bound(self, channel, case), *((route.sink, "order", case.reference) for route in sinks)]

    patch.setattr(Retirement, "_bound", more)


def forgets_what_is_still_to_be_sent(patch):
    patch.setattr(Retirement, "_sent", lambda self, case: True)


@pytest.mark.parametrize(
    "mutant",
    [takes_them_for_new, forgets_that_the_erp_has_them, forgets_what_is_still_to_be_sent],
    ids=lambda one: one.__name__,
)
def test_a_checker_catches(mutant, monkeypatch):
    mutant(monkeypatch)
    monkeypatch.setattr(simulation, "CONVERGE_MS_MAX", 10 * 60_000)
    assert any(Forgetful(number).run().violations for number in (1, 2))


# --- stories --------------------------------------------------------------------------------------------


class Story(Forgetful):
    """One order that is sent and forgotten, and what is told of it then."""

    def __init__(self, tell) -> None:
        super().__init__(7, CALM)
        self._tell = tell

    async def _people(self, orders):
        """Nobody but who the story tells of."""

    async def _live_and_die(self):
        await self.clock.sleep(120)
        sku, _ = self.world.trade._safe[0]
        lines = (HistoryLine(sku, sku, 2, Decimal("10.00")),)
        self.placed = self.world.trade.place(HistoryOrder("story", START_MS, "story", "GB", lines))
        await self.clock.sleep(60)
        for _ in range(5):
            await self.clock.sleep(60)
            self.world.trade.ship(5)
        await self.clock.sleep(300)
        assert self.retired == 1
        self.before = dict(self._effects())
        await self._tell(self)
        await self.clock.sleep(300)
        assert self.retired == 1
        assert self.count("SELECT count(*) FROM record WHERE kind IN ('order', 'erp_order', 'shipment')") == 0
        assert self.count("SELECT count(*) FROM demand") == 0

    def touch(self) -> None:
        """Somebody edits what concerns nobody: a tag, say."""
        shop = self.world.shop
        shop._order_changed(shop.orders[self.placed], shop.hooks.new_event(), "ORDERS_UPDATED")

    async def parked(self) -> list[str]:
        return [f"{row[2]}: {row[4]}" for row in await self._store.read("parked_open", after=0, limit=10)]

    def done(self) -> dict[str, int]:
        """What was done at either side since the order was forgotten; what only proves or reads left out."""
        return dict(self._effects() - type(self._effects())(self.before))


async def nothing_but_a_touch(story: Story) -> None:
    story.touch()
    await story.clock.sleep(300)
    assert await story.parked() == []
    assert story.done() == {}


async def a_late_refund(story: Story) -> None:
    line = story.world.shop.orders[story.placed].lines[0]
    story.world.shop.refund(story.placed, {line.id: 1}, restock=True)
    await story.clock.sleep(300)
    assert await story.parked() == [f"finished_order: {REASON}"]
    assert not any(name.startswith("erp") for name in story.done())
    story.touch()  # the same again is not told twice
    ((number, *_),) = await story._store.read("parked_open", after=0, limit=1)
    await Operations(story.engine).discard(number, by="Ann")
    await story.clock.sleep(300)
    assert await story.parked() == []


async def the_past_is_read_again(story: Story) -> None:
    await story._kill("story")
    story._store._connection.execute("DELETE FROM cursor WHERE system IN ('shop', 'erp')")
    story._start()
    story._prepare_soon()
    await story.clock.sleep(600)
    assert await story.parked() == []
    assert not any("Order" in name or "order" in name.lower() for name in story.done()), story.done()
    assert reference_of("shop", str(story.placed)) in story.world.erp.sales_orders_by_external_id()


async def both_sides_are_proved(story: Story) -> None:
    found, problem = await prove(story.engine.reconciler, story._store, story.clock, dry_run=False)
    assert (found, problem) == (set(), "")
    assert story.done() == {}


@pytest.mark.parametrize(
    "tell", [nothing_but_a_touch, a_late_refund, the_past_is_read_again, both_sides_are_proved]
)
def test_what_comes_of_an_order_that_was_forgotten(tell):
    Story(tell).run()
