"""A lane whose routes are paused or in shadow: what is sent, what is held back, what is compared."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from random import Random
from types import SimpleNamespace

import pytest
from tests.unit.support import START_MS, line, order, play

from syncline.engine.codec import FOUND
from syncline.engine.delivery.build import Refuse, Send, Skip, Wait
from syncline.engine.delivery.lane import Lane
from syncline.engine.delivery.stops import DIFFERENCES_MAX, Difference, Stops
from syncline.engine.ids import Ids
from syncline.engine.leases import Lease
from syncline.engine.modes import Modes
from syncline.engine.rewind import Rewind
from syncline.engine.routes import Route, Routes, stock_key
from syncline.model.capabilities import Capabilities
from syncline.model.change import Flow
from syncline.model.delivery import Operation, Outcome, Result
from syncline.model.errors import OutcomeUnknown, Retryable
from syncline.model.payloads import PutOrder, PutPayment, ReadStock, SetStock
from syncline.model.records import Payment
from syncline.ports import Write
from syncline.stores.sqlite import SqliteStore

ONE = Route(Flow.INVENTORY, "erp", "shop", 5_000, locations={"1": "70"})
TWO = Route(Flow.INVENTORY, "wms", "shop", 5_000, locations={"9": "90"})
IN = Route(Flow.ORDERS, "web", "shop", 5_000)
SINKS = {route.name: route.sink for route in (ONE, TWO, IN)}
A, B = stock_key("A", "70"), stock_key("B", "90")


def mode(subject, kind, until_ms=None):
    return (subject, kind, START_MS, until_ms, "Ada", "")


class Sink:
    """Notes what it is sent and what it is asked."""

    def __init__(self) -> None:
        self.operations = {
            "set_stock": Operation("set_stock", retry_same_key_ms=3_600_000),
            "read_stock": Operation("read_stock", reads_only=True),
            "put_order": Operation("put_order", look_up=True),
            "put_payment": Operation("put_payment"),
        }
        self.sent: list[tuple[str, object]] = []
        self.keys: list[str] = []
        self.looked_up: list[str] = []
        self.found: Callable[[object], Outcome | None] = lambda payload: None
        self.lost = 0
        self.held = 4

    async def deliver(self, operation, items, key):
        if operation == "read_stock":
            return [Outcome(Result.DONE, facts={"held": self.held}) for _ in items]
        self.sent += [(item.key, item.payload) for item in items]
        self.keys.append(key)
        if self.lost:
            self.lost -= 1
            raise OutcomeUnknown("the answer was lost")
        return [Outcome(Result.DONE, facts={"external_id": "77"}) for _ in items]

    async def look_up(self, operation, item):
        self.looked_up.append(item.key)
        return self.found(item.payload)


class World:
    """A lane on virtual time. ``builds`` says by key what is built; a number by default."""

    def __init__(self, clock, rows=(), store=None) -> None:
        self.clock = clock
        self.store = store or SqliteStore.open(":memory:", now_ms=START_MS)
        self.sink = Sink()
        self.modes = Modes(SINKS, rows)
        self.quantity = 5
        self.builds: dict[str, object] = {}
        self.building = None
        system = SimpleNamespace(
            name="shop",
            sink=self.sink,
            governor=SimpleNamespace(ready=self._ready),
            capabilities=Capabilities(compare_and_set=True),
        )
        self.lane = Lane(
            system=system,
            store=self.store,
            clock=clock,
            rng=Random(1),
            ids=Ids(clock, Random(2)),
            routes=Routes([ONE, TWO, IN]),
            builder=self,
            lease=Lease(self.store, clock, "lane:shop", "me"),
            on_stored=lambda: None,
            on_stale=lambda _: None,
            offer=lambda rows: [self.lane.offer(row) for row in rows],
            rewind=Rewind(self.store, clock, Routes([])),
            modes=self.modes,
        )
        self._running = None

    async def _ready(self, *, urgent):
        return None

    async def build(self, operation, deliveries, now_ms):
        if self.building is not None:
            await self.building()
        if operation == "read_stock":
            return {key: Send(ReadStock(key[0], "i", "70")) for key in deliveries}
        number = Send(SetStock("A", "i", "70", self.quantity, 9))
        built = {key: self.builds.get(key, number) for key in deliveries}
        return {key: what() if callable(what) else what for key, what in built.items()}

    async def touch(self, key, route, *, operation="set_stock", due_ms=5_000):
        now_ms = self.clock.now_ms()
        row = {
            "system": "shop", "operation": operation, "key": key, "route": route.name, "changed_at_ms": now_ms,
            "deliver_by_ms": now_ms + due_ms, "not_before_ms": now_ms, "now_ms": now_ms, "wanted": 1, "rev": 0,
        }  # fmt: skip
        self.lane.offer((await self.store.write(Write("delivery_touch", [row])))[0][0])

    def say(self, *rows):
        self.lane.changed(self.modes.replace(rows))

    async def state(self, key, operation="set_stock"):
        rows = await self.store.read("deliveries_get", system="shop", operation=operation, keys=[key])
        return rows[0][2]

    async def run(self, seconds=20):
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self.lane.run())
        await self.clock.sleep(seconds)

    async def die(self):
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        for task in list(self.lane._tasks):
            task.cancel()
        await self.lane.stop()

    def differences(self):
        return {key: entry.difference for _, key, entry in self.lane.stops.all()}


def told(story, rows=()):
    """Play a story with a lane."""

    async def whole(clock):
        world = World(clock, rows)
        try:
            return await story(world)
        finally:
            await world.die()

    return play(whole)


def numbers(world):
    return [(key, payload.quantity) for key, payload in world.sink.sent]


# --- pausing -------------------------------------------------------------------------------------------


def test_a_paused_route_stops_only_its_own_deliveries():
    async def story(world):
        await world.touch(A, ONE)
        await world.touch(B, TWO)
        await world.run()
        assert numbers(world) == [(B, 5)]
        assert await world.state(A) == "available"
        assert world.lane.pending() == 1 and world.lane.at_rest([A, B]) == {B}

    told(story, [mode(ONE.name, "paused")])


def test_a_paused_system_is_sent_nothing_and_read_on():
    async def story(world):
        await world.touch(A, ONE)
        await world.touch(A, ONE, operation="read_stock")
        await world.touch(B, TWO)
        await world.run()
        assert world.sink.sent == []
        assert await world.state(A, "read_stock") == "completed"
        rows = await world.store.read("bindings_get", system="shop", kind="stock", keys=[A])
        assert rows[0][4] == 4

    told(story, [mode("shop", "paused")])


def test_resuming_sends_the_latest_value_only_and_the_earliest_deadline_first():
    async def story(world):
        keys = [stock_key(sku, "70") for sku in "CDEF"]
        for key, due_ms in zip(keys, (4_000, 2_000, 1_000, 3_000), strict=True):
            await world.touch(key, ONE, due_ms=due_ms)
        await world.run()
        for world.quantity in (6, 7):
            await world.touch(keys[0], ONE)
            await world.clock.sleep(1)
        assert world.sink.sent == []
        world.say(mode(ONE.name, "paused", until_ms=world.clock.now_ms()))
        await world.run()
        assert numbers(world) == [(keys[n], 7) for n in (2, 1, 3, 0)]
        assert [await world.state(key) for key in keys] == ["completed"] * 4
        assert world.lane.pending() == 0

    told(story, [mode(ONE.name, "paused")])


def test_what_is_paused_while_its_call_is_built_is_not_sent():
    async def story(world):
        async def declare():
            world.say(mode(ONE.name, "paused"))

        world.building = declare
        await world.touch(A, ONE)
        await world.run()
        assert world.sink.sent == [] and await world.state(A) == "available"
        world.building = None
        world.say()
        await world.run()
        assert numbers(world) == [(A, 5)]

    told(story)


def test_a_call_under_way_ends_and_its_unknown_outcome_waits_for_the_route():
    async def story(world):
        world.sink.lost = 1
        await world.touch(A, ONE)
        await world.run(0.01)
        assert len(world.sink.sent) == 1
        world.say(mode("shop", "paused"))
        await world.run(600)
        assert len(world.sink.sent) == 1 and await world.state(A) == "running"
        world.say()
        await world.run(120)
        assert len(world.sink.sent) == 2 and len(set(world.sink.keys)) == 1
        assert await world.state(A) == "completed"
        assert not +world.lane.stops.sending

    told(story)


def test_calls_are_counted_by_route_as_long_as_they_are_under_way():
    async def story(world):
        seen = []
        deliver = world.sink.deliver

        async def look(operation, items, key):
            seen.append(dict(+world.lane.stops.sending))
            return await deliver(operation, items, key)

        world.sink.deliver = look
        await world.touch(A, ONE)
        await world.touch(A, ONE, operation="read_stock")
        await world.run()
        return seen, dict(+world.lane.stops.sending)

    seen, after = told(story)
    assert sorted(seen, key=len) == [{}, {ONE.name: 1}]  # reading is no sending
    assert after == {}


def test_a_restart_holds_back_what_was_held_back():
    async def story(clock):
        first = World(clock)
        first.sink.lost = 1
        await first.touch(A, ONE)
        await first.run(0.01)
        await first.die()
        await first.touch(B, TWO)
        second = World(clock, [mode(ONE.name, "paused"), mode(TWO.name, "shadow")], first.store)
        await second.run(300)
        assert second.sink.sent == [] and list(second.differences()) == [B]
        second.say()
        await second.run(120)
        await second.die()
        assert sorted(numbers(second)) == [(A, 5), (B, 5)]
        assert first.sink.keys[0] in second.sink.keys  # what may have taken effect has its key still

    play(story)


def test_what_is_touched_by_another_route_is_not_held_back_by_the_first():
    async def story(world):
        await world.touch(A, ONE)
        await world.run()
        await world.touch(A, TWO)
        await world.run()
        assert numbers(world) == [(A, 5)]
        assert len(world.lane.stops) == 0

    told(story, [mode(ONE.name, "paused")])


# --- shadow --------------------------------------------------------------------------------------------


def test_a_route_in_shadow_writes_nothing_and_says_what_it_would_have_written():
    async def story(world):
        await world.touch(A, ONE)
        await world.touch(B, TWO)
        await world.run()
        assert numbers(world) == [(B, 5)]
        found = world.differences()[A]
        assert (found.there, found.computed, found.size, found.waits) == ("9", "5", Decimal(4), False)
        world.quantity = 12
        await world.touch(A, ONE)
        await world.run()
        assert world.differences()[A].size == Decimal(3)
        world.say()
        await world.run()
        assert numbers(world) == [(B, 5), (A, 12)]
        assert world.differences() == {}

    told(story, [mode(ONE.name, "shadow")])


def test_what_is_right_at_the_channel_is_no_difference_and_is_not_written_on_going_live():
    async def story(world):
        await world.touch(A, ONE)
        await world.run()
        assert list(world.differences()) == [A]
        world.builds[A] = Skip("the channel shows this number already")
        await world.touch(A, ONE)
        await world.run()
        assert world.differences() == {} and await world.state(A) == "superseded"
        world.say()
        await world.run()
        assert world.sink.sent == []

    told(story, [mode(ONE.name, "shadow")])


def test_a_number_that_is_not_known_is_read_in_shadow_too():
    async def story(world):
        steps = iter([Wait("what the channel holds is not known yet", 60.0, read_stock=True)])
        world.builds[A] = lambda: next(steps, Send(SetStock("A", "i", "70", 5, 4)))
        await world.touch(A, ONE)
        await world.run()
        rows = await world.store.read("bindings_get", system="shop", kind="stock", keys=[A])
        assert rows[0][4] == 4 and world.sink.sent == []
        assert world.differences()[A].there == "4"

    told(story, [mode(ONE.name, "shadow")])


def test_what_somebody_else_wrote_is_not_taken_for_units_that_fell():
    async def story(world):
        async def read(held):
            world.sink.held = held
            await world.touch(A, ONE, operation="read_stock")
            await world.run()
            rows = await world.store.read("bindings_get", system="shop", kind="stock", keys=[A])
            return rows[0][4:6]

        assert await read(9) == (9, 0)
        assert await read(6) == (6, 0)  # the other connector, in shadow
        world.say(mode(ONE.name, "shadow", until_ms=world.clock.now_ms()))
        assert await read(5) == (5, 0)  # written before we went live, read after
        assert await read(3) == (3, 2)  # now the number is ours, and two units fell

    told(story, [mode(ONE.name, "shadow")])


def send_order(external_id=""):
    what = order(line("1", "A", 2), line("2", "B", 1))
    return Send(PutOrder("web-7001", what, (), external_id), note="fingerprint")


def test_an_order_in_shadow_is_looked_up_and_told_with_what_it_amounts_to():
    async def story(world):
        world.builds["7001\x1f1"] = send_order()
        await world.touch("7001\x1f1", IN, operation="put_order")
        await world.run()
        assert world.sink.sent == [] and world.sink.looked_up == ["7001\x1f1"]
        found = world.differences()["7001\x1f1"]
        assert (found.there, found.computed) == ("not there", "order #7001: 2 lines, 30.00 GBP")
        assert found.size == Decimal("30.00")
        world.say()
        await world.run()
        assert [key for key, _ in world.sink.sent] == ["7001\x1f1"]

    told(story, [mode(IN.name, "shadow")])


def test_an_order_that_is_there_is_bound_then_compared_whole_and_not_sent_again():
    async def story(world):
        as_asked = iter([False, True])
        world.sink.found = lambda payload: (
            Outcome(Result.DONE, facts={"external_id": "77"})
            if not payload.external_id or next(as_asked)
            else None
        )
        key = "7001\x1f1"

        async def bound():
            rows = await world.store.read("bindings_get", system="shop", kind="order", keys=["web-7001"])
            return rows[0][1:4] if rows else None

        steps = iter([send_order(), send_order("77"), send_order("77")])
        world.builds[key] = lambda: next(steps)
        await world.touch(key, IN, operation="put_order")
        await world.run()
        assert await bound() == ("77", 0, FOUND)  # it is there; what it says is not known to be right
        assert world.differences()[key].there == "77, otherwise"
        await world.touch(key, IN, operation="put_order")
        await world.run()
        assert await bound() == ("77", START_MS, "fingerprint")
        assert await world.state(key, "put_order") == "completed"
        world.say()
        await world.run()
        assert world.sink.sent == [] and world.differences() == {}
        assert await world.store.read("lags", route=IN.name, since=0, limit=9) == []  # nothing was delivered

    told(story, [mode(IN.name, "shadow")])


@pytest.mark.parametrize(
    ("built", "note"),
    [
        (Wait("the order is not in the ERP yet"), "it would wait: the order is not in the ERP yet"),
        (Refuse("does_not_add_up", "7 is not 8"), "it would be parked: 7 is not 8"),
    ],
)
def test_what_could_not_be_sent_is_told_not_parked_and_looked_at_again(built, note):
    async def story(world):
        world.builds["7001\x1f1"] = built
        await world.touch("7001\x1f1", IN, operation="put_order")
        await world.run(300)
        found = world.differences()["7001\x1f1"]
        assert (found.note, found.computed, found.waits) == (note, "", True)
        assert found.brief == note.partition(":")[0]  # the rest may quote a person
        assert await world.store.read("parked_count") == [(0,)]
        assert await world.state("7001\x1f1", "put_order") == "available"  # and nobody wrote that it waits
        world.builds["7001\x1f1"] = send_order()
        world.lane.look_again(0)
        await world.run()
        assert world.sink.looked_up == []
        world.lane.look_again(1)
        await world.run()
        assert world.differences()["7001\x1f1"].there == "not there"

    told(story, [mode(IN.name, "shadow")])


@pytest.mark.parametrize("error", [Retryable("503"), ValueError("a bug")])
def test_a_look_up_that_fails_is_tried_again(error):
    async def story(world):
        def fail(payload):
            raise error

        world.sink.found = fail
        world.builds["7001\x1f1"] = send_order()
        await world.touch("7001\x1f1", IN, operation="put_order")
        await world.run(10)
        assert world.differences() == {}
        world.sink.found = lambda payload: Outcome(Result.REJECTED, "another record answers to it")
        await world.run(120)
        assert world.sink.looked_up == ["7001\x1f1"] * 2 and world.sink.sent == []
        found = world.differences()["7001\x1f1"]
        assert (found.there, found.note, found.brief) == ("unclear", "another record answers to it", "")

    told(story, [mode(IN.name, "shadow")])


def test_a_route_that_goes_live_while_its_order_is_looked_up_sends_it():
    async def story(world):
        asked = world.sink.look_up

        async def look_up(operation, item):
            found = await asked(operation, item)
            world.say()
            return found

        world.sink.look_up = look_up
        world.builds["7001\x1f1"] = send_order()
        await world.touch("7001\x1f1", IN, operation="put_order")
        await world.run()
        assert world.differences() == {}
        assert len(world.sink.sent) == 1

    told(story, [mode(IN.name, "shadow")])


def test_where_nothing_can_be_looked_up_that_is_said():
    async def story(world):
        payment = Payment("5", Decimal("12.50"), "GBP", START_MS)
        world.builds["7001\x1f5"] = Send(PutPayment("web-7001-pay-5", "77", "", payment))
        await world.touch("7001\x1f5", IN, operation="put_payment")
        await world.run()
        found = world.differences()["7001\x1f5"]
        assert (found.there, found.computed) == ("unknown", "payment of 12.50 for order 77")
        assert found.note == "shop offers no way to look it up" and world.sink.looked_up == []

    told(story, [mode(IN.name, "shadow")])


def test_from_live_to_shadow_nothing_more_is_sent_and_from_shadow_to_pause_nothing_is_asked():
    async def story(world):
        await world.touch(A, ONE)
        await world.run()
        world.say(mode(ONE.name, "shadow"), mode(IN.name, "shadow"))
        await world.touch(A, ONE)
        world.builds["7001\x1f1"] = send_order()
        await world.touch("7001\x1f1", IN, operation="put_order")
        await world.run()
        assert len(world.sink.sent) == 1 and len(world.sink.looked_up) == 1
        world.say(mode(IN.name, "shadow"), mode("shop", "paused"), mode(ONE.name, "shadow"))
        await world.run()
        assert len(world.sink.sent) == 1 and len(world.sink.looked_up) == 1
        assert len(world.lane.stops) == 2

    told(story)


def test_only_so_many_differences_are_remembered_and_all_are_held_back():
    stops = Stops(Modes(SINKS))
    row = (A, ONE.name, "available", 1, 0, 0, 0, 0, "")
    difference = Difference("1", "2", Decimal(1))
    stops._told = DIFFERENCES_MAX - 1
    for key in ("a", "b", "a"):
        stops.put("set_stock", (key, *row[1:]), difference)
    found = {key: entry.difference for _, key, entry in stops.all()}
    assert len(stops) == 2 and list(found.values()).count(None) == 1
    stops.forget("set_stock", "a")
    stops.forget("set_stock", "b")
    assert stops._told == DIFFERENCES_MAX - 1
