"""An older store is put back while trade goes on: nothing lost, nothing doubled, nothing wrong, nothing sent again.

Seeds take the copy and the death at random moments. Stories set up what is rare, one by one, and each of them fails
on an engine, or a restore, with the one mistake that it is about.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal

import pytest

from syncline.engine.apply.batch import Batch
from syncline.engine.capture.poller import Poller
from syncline.engine.delivery.build import Found
from syncline.engine.delivery.looking import Looking
from syncline.engine.rewind import Rewind
from syncline.model.delivery import Item, Result
from syncline.simulate import simulation
from syncline.simulate.history import HistoryLine, HistoryOrder
from syncline.simulate.restoring import Copied, Restoring
from syncline.simulate.simulation import START_MS, Plan
from syncline.stores.sqlite import backup

SEEDS = range(1, 7)
CALM = Plan(faults=False, kills=0, asides=0)
LOST_MS_MIN = 30_000

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("number", SEEDS)
def test_everything_agrees_after_a_restore_among_faults_and_kills(number, record_property):
    played = Restoring(number, Plan())
    report = played.run()
    sys.stdout.write(f"{report.text()}\n")
    assert report.violations == [], report.text()
    assert report.truth.units_oversold == 0, report.text()
    assert report.kills["before a restore"] == 1
    assert played.lost_ms >= LOST_MS_MIN
    record_property("total:restore:seeds", 1)
    record_property("total:restore:events acknowledged and forgotten", played.forgotten_events)
    record_property("total:restore:seconds of trade forgotten", played.lost_ms // 1000)


class Story(Restoring):
    """A few orders and one restore, told step by step."""

    def __init__(self, tell: Callable[[Story], object]) -> None:
        super().__init__(7, CALM)
        self._tell = tell

    async def _people(self, orders):
        """Nobody but who the story tells of."""

    async def _live_and_die(self):
        await self.clock.sleep(120)
        await self._tell(self)

    async def order(self) -> int:
        """A buyer's order of two; it reaches the ERP while Syncline lives."""
        sku, _ = self.world.trade._safe[0]
        lines = (HistoryLine(sku, sku, 2, Decimal("10.00")),)
        placed = self.world.trade.place(HistoryOrder("story", START_MS, "story", "GB", lines))
        assert placed is not None
        await self.clock.sleep(60)
        return placed

    async def edit(self, placed: int, quantity: int) -> None:
        line = self.world.shop.orders[placed].lines[0]
        self.world.shop.edit_order(placed, line.id, quantity)
        await self.clock.sleep(60)

    async def die(self) -> None:
        await self._kill("story")

    async def live_again(self, copied: Copied) -> None:
        await self.clock.sleep(120)  # a person puts the store back meanwhile
        self.put_back(copied)
        self._start()
        self._prepare_soon()

    def erp_order(self, order_id: int):
        (order,) = self.world.erp.sales_orders_by_external_id()[f"shop-{order_id}"]
        return order

    def erp_goods(self, order_id: int) -> list[int]:
        return [
            line.quantity
            for line in self.erp_order(order_id).lines
            if line.role == "goods" and not line.closed
        ]

    async def parked(self) -> list[str]:
        rows = await self._store.read("parked_open", after=0, limit=10)
        return [f"{row[2]}: {row[4]}" for row in rows]


async def cancelled_while_down(story: Story) -> None:
    copied = story.take_copy()
    placed = await story.order()
    assert story.erp_goods(placed) == [2]
    await story.die()
    story.world.shop.cancel_order(placed, restock=True)
    await story.live_again(copied)
    await story.clock.sleep(300)
    assert not any(story.erp_goods(placed))
    assert story.sent_again() == []
    assert story.world.trade.mismatches() == []


async def edited_while_down(story: Story) -> None:
    copied = story.take_copy()
    placed = await story.order()
    await story.die()
    await story.edit(placed, 1)
    await story.live_again(copied)
    await story.clock.sleep(300)
    truth = story.world.trade.truth()
    assert truth.order_lines_wrong == truth.order_totals_wrong == 0
    assert story.sent_again() == []


async def edited_there_and_back(story: Story) -> None:
    """The ERP holds an edit that the copy does not know, and the shop is as the copy knows it again."""
    placed = await story.order()
    await story.edit(placed, 1)  # an order that was edited is written otherwise: 0.00 for 0
    await story.edit(placed, 2)
    copied = story.take_copy()
    await story.edit(placed, 1)
    assert story.erp_goods(placed) == [1]
    await story.die()
    await story.edit(placed, 2)
    await story.live_again(copied)
    await story.clock.sleep(300)
    assert story.world.trade.truth().order_lines_wrong == 0


async def stock_fell_and_the_erp_is_down(story: Story) -> None:
    """What the copy knows of stock is too much, and nobody can be asked."""
    copied = story.take_copy()
    sku, at = story.world.trade._safe[0]
    shop_at = dict(story.world.trade.locations)[at]
    before = story.world.shop.available(sku, shop_at)
    taken = story.world.erp.withdraw(sku, at, before - 1, by="warehouse")
    await story.clock.sleep(60)
    low = story.world.shop.available(sku, shop_at)
    assert low == before - taken
    await story.die()
    story.world.erp.faults.down = True
    await story.live_again(copied)
    for _ in range(30):
        await story.clock.sleep(10)
        assert story.world.shop.available(sku, shop_at) == low
    story.world.erp.faults.down = False
    await story.clock.sleep(300)
    assert story.world.trade.mismatches() == []


async def quiet_afterwards(story: Story) -> None:
    """Nothing moves any more that would have the ERP's figures read again."""
    copied = story.take_copy()
    await story.order()
    await story.die()
    # The ERP tells of its order before the shop does, so that nobody knows yet whose it is.
    story.world.shop.faults.down = True
    await story.live_again(copied)
    await story.clock.sleep(120)
    story.world.shop.faults.down = False
    await story.clock.sleep(900)
    assert story.world.trade.mismatches() == []
    assert await story._store.read("demand_open", skus=story.world.trade.skus) == []


async def copied_within_a_call(story: Story) -> None:
    """The copy has a call under way for an order that was edited since."""
    story.world.erp.record_ms = (5_000, 5_000)
    before = story.world.erp.ledger.calls_by_operation["salesOrder.put"]
    placing = story.loop.create_task(story.order())
    while not await story._store.read("intents_unfinished", system="erp"):
        await story.clock.sleep(0.2)
    copied = story.take_copy()
    placed = await placing
    assert story.world.erp.ledger.calls_by_operation["salesOrder.put"] == before + 1
    await story.edit(placed, 1)
    await story.die()
    await story.live_again(copied)
    await story.clock.sleep(300)
    assert await story.parked() == []
    truth = story.world.trade.truth()
    assert truth.order_lines_wrong == truth.order_totals_wrong == 0
    assert story.sent_again() == []


def looks_nothing_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rewind, "looks_up", lambda self, since_ms: False)


def believes_the_first_look(patch: pytest.MonkeyPatch) -> None:
    async def look(self, operation, key, send, *, released):
        found = await self._find(operation, Item(key, send.payload))
        there = found is not None and found.result is Result.DONE
        return Found(send.payload, found, send.note) if there else self._absent(send, 0)

    patch.setattr(Looking, "_look", look)


def sends_numbers_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rewind, "holds_back", lambda self, operation: False)


def reads_no_figures_again(patch: pytest.MonkeyPatch) -> None:
    """Nor believes what the ERP told of an order before the shop did."""
    patch.setattr(Poller, "nudge", lambda self: None)
    patch.setattr(Batch, "erp_order_known", lambda self, channel, order_key, erp: None)
    forgets("UPDATE cursor")(patch)


def forgets(*words: str) -> Callable[[pytest.MonkeyPatch], None]:
    """A restore that leaves out the statements with these words."""
    every = backup.rewind_statements

    def mutant(patch: pytest.MonkeyPatch) -> None:
        def some(**moments):
            return [sql for sql in every(**moments) if not any(word in sql for word in words)]

        assert len(some(restored_at_ms=1, taken_at_ms=1)) < len(every(restored_at_ms=1, taken_at_ms=1))
        patch.setattr(backup, "rewind_statements", some)

    mutant.__name__ = f"keeps {words[0]}"
    return mutant


STORIES = {
    cancelled_while_down: looks_nothing_up,
    edited_while_down: believes_the_first_look,
    edited_there_and_back: forgets("SET hash"),
    stock_fell_and_the_erp_is_down: sends_numbers_at_once,
    quiet_afterwards: reads_no_figures_again,
    copied_within_a_call: forgets("UPDATE intent", "'available'"),
}


@pytest.mark.parametrize("tell", STORIES, ids=lambda tell: tell.__name__)
def test_a_story_ends_well(tell):
    Story(tell).run()


@pytest.mark.parametrize("tell", STORIES, ids=lambda tell: tell.__name__)
def test_a_story_fails_where_a_mistake_is_made(tell, monkeypatch):
    STORIES[tell](monkeypatch)
    with pytest.raises(AssertionError):
        Story(tell).run()


@pytest.mark.parametrize(
    "mutant", [looks_nothing_up, forgets("SET held")], ids=lambda mutant: mutant.__name__
)
def test_a_seed_catches(mutant, monkeypatch):
    mutant(monkeypatch)
    monkeypatch.setattr(simulation, "CONVERGE_MS_MAX", 10 * 60_000)  # a mutant never agrees; no need to wait
    assert any(Restoring(number, CALM).run().violations for number in range(1, 4))
