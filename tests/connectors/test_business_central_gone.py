"""What people delete in Business Central, of which its API shows nothing: orders, payments and credit memos that waited."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.connectors.business_central_opened import START_MS, World, line, order, run

from syncline.connectors.business_central import gone
from syncline.model.delivery import Result
from syncline.model.errors import Rejected, Retryable
from syncline.model.payloads import OrderItem, PutPayment, PutRefund
from syncline.model.records import Payment, Refund, RefundLine


class Told:
    """What lists of what waits tell, one after the other."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cursor = None

    async def read(self) -> list[tuple[str, bool, bool]]:
        """Orders that are told of: key, whether their units count, whether they are called off."""
        changes = self.world.changes(await self._events())
        return [(x.key, x.value.commits_stock, x.value.cancelled) for x in changes]

    async def said(self) -> list[str]:
        """What a person is told."""
        says = []
        for event in await self._events():
            with pytest.raises(Rejected) as refused:
                self.world.changes([event])
            says.append(str(refused.value))
        return says

    async def _events(self):
        await self.world.clock.sleep(60)
        events, self.cursor = await self.world.pull("deletions", self.cursor)
        return events


def sell(world: World, number: str, units: int = 1) -> str:
    return world.sim.sell([("A", "MAIN", units)], externalDocumentNumber=number)


def test_a_deleted_order_holds_nothing_at_once_and_is_called_off_once_it_stays_away():
    async def story(world: World) -> None:
        first, _ = sell(world, "shop-1"), sell(world, "shop-2")
        told = Told(world)
        assert await told.read() == []
        world.sim.delete_order(first)
        assert await told.read() == [("SHOP-1", False, False)]
        assert await told.read() == [("SHOP-1", False, True)]
        assert await told.read() == [], "it is told once"

    run(story)


def test_an_order_that_is_entered_again_under_its_number_is_not_called_off():
    async def story(world: World) -> None:
        first = sell(world, "shop-1")
        told = Told(world)
        await told.read()
        world.sim.delete_order(first)
        assert await told.read() == [("SHOP-1", False, False)]
        sell(world, "shop-1", 2)
        assert await told.read() == []
        (change,) = await world.read("orders")
        assert change.value.commits_stock and change.value.lines[0].quantity == 2

    run(story)


def test_an_order_that_was_invoiced_whole_is_not_deleted_for_anybody():
    async def story(world: World) -> None:
        made = sell(world, "shop-1")
        told = Told(world)
        await told.read()
        world.sim.ship(made)
        world.sim.invoice(made)
        assert await told.read() == []
        assert await told.read() == []

    run(story)


def test_one_of_two_orders_of_a_number_may_be_deleted():
    async def story(world: World) -> None:
        first, _ = sell(world, "shop-1"), sell(world, "shop-1")
        told = Told(world)
        await told.read()
        world.sim.delete_order(first)
        assert await told.read() == []

    run(story)


def test_a_list_that_lacks_most_orders_is_looked_at_three_times(monkeypatch):
    monkeypatch.setattr(gone, "DOUBTED_MIN", 2)

    async def story(world: World) -> None:
        made = [sell(world, f"shop-{n}") for n in range(4)]
        told = Told(world)
        await told.read()
        for each in made[:3]:
            world.sim.delete_order(each)
        assert await told.read() == []
        assert await told.read() == []
        assert len(await told.read()) == 3
        assert {x[2] for x in await told.read()} == {True}

    run(story)


def test_what_was_doubted_and_is_back_is_not_told(monkeypatch):
    monkeypatch.setattr(gone, "DOUBTED_MIN", 2)

    async def story(world: World) -> None:
        for n in range(4):
            sell(world, f"shop-{n}")
        told = Told(world)
        await told.read()
        orders = world.sim.company.tables["salesOrders"]
        hidden = dict(orders)
        orders.clear()
        assert await told.read() == []
        orders.update(hidden)
        assert [await told.read() for _ in range(3)] == [[], [], []]

    run(story)


def test_more_than_can_be_listed_is_said_and_nothing_is_concluded(monkeypatch):
    monkeypatch.setattr(gone, "LISTED_MAX", 2)

    async def story(world: World) -> None:
        for n in range(3):
            sell(world, f"shop-{n}")
        with pytest.raises(Retryable, match="more than 2 salesOrders"):
            await Told(world).read()

    run(story)


async def placed(world: World) -> str:
    outcome = await world.do("put_order", world.put(order(line("a", "A", 4, "10.00")), ("a", "A", "MAIN", 4)))
    return outcome.facts["external_id"]


def test_a_payment_that_was_deleted_before_it_was_posted_is_told_to_a_person():
    async def story(world: World) -> None:
        number = await placed(world)
        for n in (7, 8, 9):
            paid = Payment(str(n), Decimal("5.00"), "GBP", START_MS)
            outcome = await world.do("put_payment", PutPayment(f"shop-1001-pay-{n}", number, "", paid))
            assert outcome.result is Result.DONE
        told = Told(world)
        assert await told.said() == []
        world.sim.delete_payment("shop-1001-pay-8")
        (says,) = await told.said()
        assert says.startswith(
            "Payment shop-1001-pay-8 was deleted from the payment journal before it was posted"
        )
        world.sim.post_payments()
        assert await told.said() == []

    run(story)


def test_a_draft_of_a_credit_memo_that_was_deleted_is_told_to_a_person():
    async def story(world: World) -> None:
        number = await placed(world)
        world.sim.ship(number)
        memos = []
        for n in (1, 2):
            refund = Refund(str(n), Decimal(10), START_MS, (RefundLine("a", Decimal(1), restocked=False),))
            items = (OrderItem("a", world.ids["A"], "A", "MAIN", 1),)
            put = PutRefund(f"shop-1001-ref-{n}", number, refund, items, restocked=False)
            memos.append((await world.do("put_refund", put)).facts["external_id"])
        told = Told(world)
        assert await told.said() == []
        world.sim.post_memo(memos[0])
        world.sim.delete_memo(memos[1])
        (says,) = await told.said()
        assert says.startswith("The draft of credit memo shop-1001-ref-2 was deleted")

    run(story)


def test_an_order_that_was_deleted_and_is_not_wanted_any_more_is_no_question():
    async def story(world: World) -> None:
        number = await placed(world)
        world.sim.delete_order(number)
        nothing = order(line("a", "A", 4, "10.00"), cancelled_at_ms=START_MS)
        outcome = await world.do("put_order", world.put(nothing, ("a", "A", "MAIN", 4), external_id=number))
        assert (outcome.result, outcome.message[:29]) == (Result.DONE, "The order was deleted there, ")

    run(story)
