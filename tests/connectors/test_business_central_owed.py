"""Levels that were read while an order was being written: they are told again, and no others are."""

from __future__ import annotations

from tests.connectors.business_central_opened import World, line, order, run

from syncline.model.change import Cursor
from syncline.ports import Request, Response
from syncline.testing.bench import Send


class Slow:
    """Between the order's being written and the answer, its goods leave and the levels are read."""

    def __init__(self, world: World, cursor: Cursor) -> None:
        self.world = world
        self.cursor = cursor

    async def __call__(self, request: Request, send: Send) -> Response:
        answer = await send(request)
        if request.method != "POST" or "/salesOrders" not in request.url:
            return answer
        world = self.world
        world.around.wire.between = None
        await world.clock.sleep(3)
        made = world.sim.company.find("salesOrders", "externalDocumentNumber", "SHOP-1001")
        world.sim.ship(made.id)
        events, self.cursor = await world.pull("levels", self.cursor)
        assert [x.value.on_hand for x in world.changes(events)] == [18]
        await world.clock.sleep(3)
        return answer


async def written_slowly(world: World) -> tuple[Cursor, int]:
    """Where the levels stand, and when the answer came."""
    await world.clock.sleep(3_600)  # what is there since long ago is in no doubt
    _, cursor = await world.pull("levels")
    slow = world.around.wire.between = Slow(world, cursor)
    await world.do("put_order", world.put(order(line("1", "A", 2, "9.50")), ("1", "A", "MAIN", 2)))
    return slow.cursor, world.clock.now_ms()


def test_a_level_that_was_read_before_the_answer_is_read_again_after_it():
    async def story(world: World) -> None:
        cursor, answered_ms = await written_slowly(world)
        await world.clock.sleep(30)
        events, cursor = await world.pull("levels", cursor)
        (change,) = world.changes(events)
        assert (change.value.sku, change.value.on_hand) == ("A", 18)
        assert change.value.read_began_ms >= answered_ms
        assert await world.read("levels", cursor) == [], "it is told once more, not for ever"

    run(story)


def test_another_process_reads_it_again_where_this_one_ends_before():
    async def story(world: World) -> None:
        cursor, answered_ms = await written_slowly(world)
        await world.clock.sleep(300)
        world.system = world.open()
        events, cursor = await world.pull("levels", cursor)
        (change,) = world.changes(events)
        assert (change.value.sku, change.value.on_hand) == ("A", 18)
        assert change.value.read_began_ms >= answered_ms
        assert await world.read("levels", cursor) == []

    run(story)


def test_an_order_that_is_read_in_the_usual_way_costs_no_call_more():
    async def story(world: World) -> None:
        _, cursor = await world.pull("levels")
        await world.do("put_order", world.put(order(line("1", "A", 2, "9.50")), ("1", "A", "MAIN", 2)))
        await world.clock.sleep(30)
        before = world.sent("GET", "/stockLevels")
        events, cursor = await world.pull("levels", cursor)
        assert [x.value.available for x in world.changes(events)] == [18]
        assert world.sent("GET", "/stockLevels") == before + 1
        await world.pull("levels", cursor)
        assert world.sent("GET", "/stockLevels") == before + 2

    run(story)
