"""A channel's file of what it shows: what counts of it, what does not, and what is answered where it says nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace
from tests.unit.files_place import COLUMNS, STOCK, Desk
from tests.unit.test_files_sink import ITEMS, NUMBERS

from syncline.connectors.files import shown as files_shown
from syncline.connectors.files.declared import Column
from syncline.connectors.files.manifest import LOOK_UP_WINDOW_MS
from syncline.connectors.files.rereads import FileRereads
from syncline.connectors.files.shown import ReadBack, ShownFiles
from syncline.model.delivery import Item as Sent
from syncline.model.delivery import Outcome, Result
from syncline.model.errors import Misconfigured, OutcomeUnknown, Retryable
from syncline.model.payloads import ReadStock, SetStock
from syncline.model.readings import Shown
from syncline.model.records import Item

SHOWS = replace(
    STOCK,
    kind="shown",
    pattern="SHOWN_*.csv",
    stamp="name",
    stamp_format="%Y%m%d%H%M%S",
    lead_s=60,
    columns=(*COLUMNS, Column("ordered", name="ORDERED")),
)
HEADER = "SKU,AT,QTY,ORDERED"


class Channel:
    """A desk that writes numbers and reads what is shown."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.files = ShownFiles(desk.settings, desk.clock, desk.spool, desk.intake)
        self.sink = ReadBack(desk.sink, self.files, desk.clock, desk.spool)
        self.reads = FileRereads("shop", desk.settings, desk.clock, desk.spool, self.files).offered()

    def put(self, *numbers: tuple[str, str, int]) -> list[Outcome]:
        items = [Sent("1", SetStock(sku, sku, at, number, 0)) for sku, at, number in numbers]
        return self.desk.run(self.sink.deliver("set_stock", items, "key"))

    def held(self, sku: str, at: str = "MAIN") -> int | Result:
        item = Sent("1", ReadStock(sku, sku, at))
        (outcome,) = self.desk.run(self.sink.deliver("read_stock", [item], "key"))
        return outcome.facts["held"] if outcome.result is Result.DONE else outcome.result

    def leave(self, *lines: str) -> None:
        """The channel states what it shows at this moment."""
        now = datetime.fromtimestamp(self.desk.clock.now_ms() / 1000, UTC)
        self.desk.leave(f"SHOWN_{now:%Y%m%d%H%M%S}.csv", *lines, header=HEADER)

    def wait(self, seconds: float) -> None:
        self.desk.run(self.desk.clock.sleep(seconds))

    def walk(self, *locations: str) -> dict[str, dict[str, int | None]]:
        assert self.reads.shown is not None
        rows: list[Shown] = []
        after = ""
        while True:
            part = self.desk.run(self.reads.shown(locations or ("MAIN",), after))
            rows += part.rows
            after = part.after
            if not after:
                break
        assert len(rows) == len({row.sku for row in rows})
        assert all(row.external_id == "" and row.counted for row in rows)
        return {row.sku: dict(row.numbers) for row in rows}

    def some(self, *skus: str) -> dict[str, dict[str, int | None]]:
        assert self.reads.shown_of is not None
        part = self.desk.run(self.reads.shown_of([Item(sku, sku) for sku in skus], ("MAIN",)))
        return {row.sku: dict(row.numbers) for row in part.rows}


@pytest.fixture
def channel(desks):
    """A channel with such a file, declared as is given."""

    def make(**more) -> Channel:
        return Channel(desks(ITEMS, replace(SHOWS, **more), writes=(NUMBERS,)))

    return make


def test_where_no_such_file_is_declared_nothing_tells(desks):
    desk = desks(ITEMS, writes=(NUMBERS,))
    plain = FileRereads("shop", desk.settings, desk.clock, desk.spool).offered()
    assert plain.shown is None
    assert plain.shown_of is None


def test_before_the_first_file_a_proof_waits_and_what_was_written_is_read_back(channel):
    one = channel()
    with pytest.raises(Retryable, match=r"no file says what is shown: none like SHOWN_\*\.csv"):
        one.walk()
    one.put(("A", "MAIN", 5))
    assert one.held("A") == 5


def test_what_is_shown_is_compared_once_it_is_younger_than_what_was_written(channel, monkeypatch):
    monkeypatch.setattr(files_shown, "SKUS_PER_PART", 2)
    one = channel()
    one.put(("A", "MAIN", 5), ("B", "MAIN", 6), ("C", "MAIN", 7))
    one.wait(59)
    one.leave("A,MAIN,9,0", "B,MAIN,6,0", "D,MAIN,4,0")
    # The file may be from before the write: what was written stands for what is there.
    assert one.walk() == {"A": {"MAIN": 5}, "B": {"MAIN": 6}, "C": {"MAIN": 7}, "D": {"MAIN": 4}}
    one.wait(120)
    one.leave("A,MAIN,9,0", "B,MAIN,6,0", "D,MAIN,4,0")
    assert one.walk() == {"A": {"MAIN": 9}, "B": {"MAIN": 6}, "C": {"MAIN": None}, "D": {"MAIN": 4}}
    assert one.some("A", "C", "E") == {"A": {"MAIN": 9}, "C": {"MAIN": None}}
    assert (one.held("A"), one.held("B"), one.held("C"), one.held("D")) == (9, 6, 7, 4)
    one.put(("A", "MAIN", 3))
    assert one.held("A") == 3, "the file knows nothing of what was written since"
    assert one.walk()["A"] == {"MAIN": 3}


def test_what_the_channel_took_off_for_its_own_orders_is_in_what_is_compared(channel):
    one = channel()
    one.put(("A", "MAIN", 5))
    one.wait(120)
    one.leave("A,MAIN,3,2", "A,NORTH,1,")
    assert one.walk("MAIN", "NORTH") == {"A": {"MAIN": 5, "NORTH": 1}}
    assert one.held("A") == 5


def test_a_number_whose_answer_was_lost_may_appear_for_a_while(channel):
    one = channel()

    async def lost(path: str, name: str, body: bytes) -> None:
        raise OutcomeUnknown("no answer")

    one.desk.sink._folder.publish = lost
    (outcome,) = one.put(("A", "MAIN", 5))
    assert outcome.result is Result.UNKNOWN
    one.wait(LOOK_UP_WINDOW_MS / 1000)
    one.leave("A,MAIN,8,0")
    assert one.walk()["A"] == {"MAIN": 0}, "the file may be from before it appeared"
    one.wait(120)
    one.leave("A,MAIN,8,0")
    assert one.walk()["A"] == {"MAIN": 8}


def test_numbers_of_before_such_files_were_read_are_compared_from_the_next_on(channel):
    one = channel()
    one.put(("A", "MAIN", 5))
    with one.desk.spool._transaction() as connection:
        connection.execute("DELETE FROM written")  # as a spool of before has it
    one.wait(300)
    one.leave("A,MAIN,9,0")
    assert one.held("A") == 5
    assert one.walk() == {"A": {"MAIN": 5}}
    one.wait(120)
    one.leave("A,MAIN,9,0", "B,MAIN,1,0")
    assert one.walk() == {"A": {"MAIN": 9}, "B": {"MAIN": 1}}


def test_a_line_that_cannot_be_understood_says_nothing_of_its_sku(channel):
    one = channel()
    one.put(("A", "MAIN", 5), ("B", "MAIN", 5), ("C", "MAIN", 5))
    one.wait(120)
    one.leave("A,MAIN,many,0", "B,MAIN,2.5,0", "D,MAIN,1,0", "D,MAIN,2,0", "E,MAIN,1,0")
    assert one.walk() == {"C": {"MAIN": None}, "E": {"MAIN": 1}}
    assert (one.held("A"), one.held("B")) == (5, 5)
    one.wait(60)
    one.leave("A,MAIN,5,0", ",MAIN,5,0")
    assert one.walk() == {"A": {"MAIN": 5}}, "whose line it is cannot be told, so nobody is missing"


def test_a_file_that_is_refused_or_full_of_mistakes_stops_the_proof_and_says_why(channel):
    one = channel(bad_rows_max=1, rows_max=3)
    one.wait(60)
    one.leave("A,MAIN,x,0", "B,MAIN,y,0")
    with pytest.raises(Retryable, match="2 lines are wrong, more than 1"):
        one.walk()
    one.put(("A", "MAIN", 6))
    assert one.held("A") == 6, "numbers are written on"
    one.wait(60)
    one.wait(60)
    one.leave("A,MAIN,1,0")
    assert one.walk() == {"A": {"MAIN": 1}}
    one.wait(60)
    one.leave(*(f"{n},MAIN,1,0" for n in range(4)))
    with pytest.raises(Retryable, match=r"was refused: SHOWN_.*more than 3 rows"):
        one.walk()
    assert one.held("A") == 1


def test_such_files_tell_no_events(channel):
    one = channel()
    assert [stream.name for stream in one.desk.source.streams] == ["item_changes"]


@pytest.mark.parametrize(
    ("read", "writes", "words"),
    [
        (replace(SHOWS, scope="delta"), (NUMBERS,), 'shown is read as scope = "full" only'),
        (SHOWS, (), "declare writes of kind 'stock'"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(desks, read, writes, words):
    desk = desks(ITEMS, read, writes=writes)
    with pytest.raises(Misconfigured, match=words):
        desk.settings.validate()
