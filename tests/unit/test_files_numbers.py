"""Files of numbers whose answer was lost: none is overtaken by an older one, and what is there is known."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.files_place import Desk
from tests.unit.test_files_sink import ITEMS, NUMBERS, Dying

from syncline.connectors.files.manifest import LOOK_UP_WINDOW_MS
from syncline.model.copying import replace
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import OutcomeUnknown, Retryable
from syncline.model.payloads import ReadStock, SetStock
from syncline.ports import Folder


class Slow(Dying):
    """A place without staging, such as an object store, where a file whose answer is lost may appear later, or never."""

    def __init__(self, inner: Folder) -> None:
        super().__init__(inner, -1, after=False)
        self.lose = (
            ""  # the next answer: "before" it appears, or "after"; "refused": the call does not get there
        )
        self.under_way: list[tuple[str, str, bytes]] = []

    async def staged(self, path, name):
        return None

    async def publish(self, path, name, body):
        lost, self.lose = self.lose, ""
        if lost == "refused":
            raise Retryable("it did not get there")
        if lost == "before":
            self.under_way.append((path, name, body))
            raise OutcomeUnknown("no answer")
        await super().publish(path, name, body)
        if lost == "after":
            raise OutcomeUnknown("no answer")

    async def arrive(self) -> None:
        for path, name, body in self.under_way:
            await self._inner.stage(path, name, body)
            await self._inner.publish(path, name, body)
        self.under_way.clear()


@pytest.fixture
def slow(desks):
    """A desk, and the slow place that it writes to."""

    def make(**more) -> tuple[Desk, Slow]:
        desk = desks(ITEMS, writes=(replace(NUMBERS, **more),))
        places: list[Slow] = []

        def around(folder: Folder) -> Folder:
            places[:] = [Slow(folder)]
            return places[0]

        desk.around = around
        desk.start()
        return desk, places[0]

    return make


def put(desk: Desk, quantity: int, sku: str = "A") -> Outcome:
    item = Item("1", SetStock(sku, sku, "MAIN", quantity, 0))
    return desk.run(desk.sink.deliver("set_stock", [item], "key"))[0]


def held(desk: Desk, sku: str = "A") -> int | Result:
    """What is read of a number, or why nothing is."""
    (outcome,) = desk.run(desk.sink.deliver("read_stock", [Item("1", ReadStock(sku, sku, "MAIN"))], "key"))
    return outcome.facts["held"] if outcome.result is Result.DONE else outcome.result


def wait(desk: Desk, ms: int = LOOK_UP_WINDOW_MS) -> None:
    desk.run(desk.clock.sleep(ms / 1000))


def last_file(desk: Desk) -> dict[str, int]:
    name = desk.names("out")[-1]
    rows = (desk.root / "out" / name).read_text().splitlines()[1:]
    return {row.split(",")[0]: int(row.split(",")[2]) for row in rows}


def test_a_number_that_appeared_without_an_answer_is_read_as_it_is(slow):
    desk, place = slow()
    place.lose = "after"
    assert put(desk, 7).result is Result.UNKNOWN
    assert held(desk) == 7


def test_a_partner_who_waits_for_it_is_told_that_a_file_without_an_answer_is_complete(slow):
    desk, place = slow(sentinel=".done")
    place.lose = "after"
    assert put(desk, 7).result is Result.UNKNOWN
    (name,) = desk.names("out")
    assert held(desk) == 7
    assert desk.names("out") == [name, f"{name}.done"]


def test_nothing_is_written_or_said_while_an_older_file_may_still_appear(slow):
    desk, place = slow()
    put(desk, 3)
    place.lose = "before"
    assert put(desk, 7).result is Result.UNKNOWN
    assert held(desk) is Result.NOT_SENT
    outcome = put(desk, 9)
    assert outcome.result is Result.NOT_SENT and outcome.retry_after_s == LOOK_UP_WINDOW_MS / 1000
    assert put(desk, 1, "B").result is Result.DONE, "what is of nobody's doubt goes on"
    wait(desk, 20_000)
    desk.run(place.arrive())
    assert held(desk) == 7
    assert put(desk, 9).result is Result.DONE
    assert (held(desk), last_file(desk)) == (9, {"A": 9})


def test_one_that_never_appeared_is_nothing_after_its_time(slow):
    desk, place = slow()
    put(desk, 3)
    place.lose = "before"
    put(desk, 7)
    wait(desk)
    assert held(desk) == 3
    assert [name for name in desk.names("out") if not name.startswith(".")] == desk.names("out")[-1:]
    assert put(desk, 9).result is Result.DONE


def test_one_that_the_partner_may_have_deleted_is_written_again(slow):
    desk, place = slow(taken="delete")
    place.lose = "before"
    put(desk, 7)
    desk.run(place.arrive())
    (name,) = desk.names("out")
    (desk.root / "out" / name).unlink()  # fetched, and nobody can say so
    assert held(desk) is Result.NOT_SENT
    wait(desk)
    assert held(desk) == 7
    assert last_file(desk) == {"A": 7}


def test_a_call_that_did_not_get_there_is_in_no_doubt(slow):
    desk, place = slow()
    place.lose = "refused"
    assert put(desk, 7).result is Result.NOT_SENT
    assert held(desk) == 0
    assert put(desk, 7).result is Result.DONE


def test_another_process_knows_of_the_doubt(slow):
    desk, place = slow()
    place.lose = "before"
    put(desk, 7)
    desk.spool.close()
    desk.start()
    assert held(desk) is Result.NOT_SENT
    wait(desk)
    assert held(desk) == 0


def test_a_staged_file_that_is_gone_has_appeared(desks):
    desk = desks(ITEMS, writes=(replace(NUMBERS, taken="delete"),))
    desk.run(desk.sink._folder.stage("out", "numbers-1.csv", b""))
    desk.spool.pend([("A", "MAIN", "A", 7)], "numbers-1.csv", desk.clock.now_ms())
    assert held(desk) is Result.NOT_SENT
    (desk.root / "out" / ".numbers-1.csv.part").unlink()  # renamed, fetched and deleted
    assert held(desk) == 7


def test_no_whole_file_is_written_while_an_older_one_may_still_appear(slow):
    """It would be loaded after this one, and take back whatever this one said."""
    desk, place = slow(scope="full")
    put(desk, 3, "A")
    place.lose = "before"
    put(desk, 7, "A")
    outcome = put(desk, 1, "B")
    assert outcome.result is Result.NOT_SENT and outcome.retry_after_s == LOOK_UP_WINDOW_MS / 1000
    desk.run(place.arrive())
    assert put(desk, 1, "B").result is Result.DONE
    assert last_file(desk) == {"A": 7, "B": 1}


def test_whole_files_appear_in_the_order_of_their_names_and_each_has_what_the_one_before_said(slow):
    desk, place = slow(scope="full")
    publish, seen = place.publish, []

    async def held_up(path, name, body):
        seen.append(name)
        await desk.clock.sleep(30.0 if len(seen) == 1 else 0.0)
        await publish(path, name, body)
        seen.append(name)

    place.publish = held_up

    async def both():
        calls = (
            desk.sink.deliver("set_stock", [Item("1", SetStock(sku, sku, "MAIN", 5, 0))], "key")
            for sku in "AB"
        )
        return await asyncio.gather(*calls)

    assert [one.result for (one,) in desk.run(both())] == [Result.DONE] * 2
    assert seen == sorted(seen) and len(set(seen)) == 2
    assert last_file(desk) == {"A": 5, "B": 5}
