"""Streams that are read whole, and of which only what is not as it was is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import msgspec
import pytest

from syncline.model.change import Cursor, Event, Kind
from syncline.model.errors import Rejected, Retryable
from syncline.ports import Page
from syncline.sdk import scan

TOPIC = "price.rows"


class Row(msgspec.Struct, frozen=True):
    key: str
    said: str
    changed_ms: int = 5


class Place(scan.Place, frozen=True):
    after: int = 0


def tell(rows: Sequence[Row]) -> list[Event]:
    return [scan.event("erp", TOPIC, [row], row.changed_ms) for row in rows]


def told(pages: Sequence[Page]) -> list[str]:
    return [
        row.key
        for page in pages
        for event in page.events
        for row in msgspec.json.decode(event.body, type=list[Row])
    ]


def present(pages: Sequence[Page]) -> list[str]:
    return [key for page in pages for kind, key in page.present if kind is Kind.PRICE]


class Shop:
    """Rows by number, two on a page; ``read`` returns the first ``most`` pages, as they are stored."""

    def __init__(self, remembered_max: int = 100, pages_max: int = 10) -> None:
        self.rows = {n: Row(f"r{n}", "as ever") for n in range(1, 6)}
        self.scan = scan.Scan[Row]("erp", "prices", Kind.PRICE, tell, remembered_max=remembered_max)
        self.pages_max = pages_max
        self.since_ms: set[int] = set()
        self.now_ms = 1_000

    async def page(self, place: Place, since_ms: int) -> tuple[list[Row], Place | None]:
        self.since_ms.add(since_ms)
        behind = sorted(n for n in self.rows if n > place.after)
        after = Place(place.began, behind[1]) if len(behind) > 2 else None
        return [self.rows[n] for n in behind[:2]], after

    def read(self, cursor: Cursor | None = None, *, most: int = 99) -> list[Page]:
        async def reading() -> list[Page]:
            found = []
            pages = self.scan.pages_from(cursor, Place(self.now_ms), self.page, self.pages_max)
            async for page in pages:
                found.append(page)
                if len(found) == most:
                    await pages.aclose()
            return found

        return asyncio.run(reading())


def test_everything_is_told_once_and_then_what_is_not_as_it_was():
    shop = Shop()
    first = shop.read()
    assert (told(first), present(first)) == (["r1", "r2", "r3", "r4", "r5"], [])
    assert [page.last for page in first] == [False, False, True]
    assert [page.cursor.covers_ms for page in first] == [0, 0, 1_000]
    shop.rows[4] = Row("r4", "another", changed_ms=9)
    shop.now_ms = 2_000
    second = shop.read(first[-1].cursor)
    assert (told(second), present(second)) == (["r4"], ["r1", "r2", "r3", "r5"])
    assert [page.cursor.covers_ms for page in second] == [1_000, 1_000, 2_000]
    assert shop.since_ms == {1_000}, "without a stamp it changed since the read before began"
    shop.rows[4] = Row("r4", "another", changed_ms=99)
    assert told(shop.read()) == [], "stamps are not compared"


def test_what_went_is_told_again_when_it_is_back():
    shop = Shop()
    shop.read()
    gone = shop.rows.pop(3)
    assert told(shop.read()) == []
    shop.rows[3] = gone
    assert told(shop.read()) == ["r3"]


def test_a_page_that_was_not_stored_is_told_again():
    shop = Shop()
    assert told(shop.read(most=1)) == ["r1", "r2"]
    assert told(shop.read()) == ["r1", "r2", "r3", "r4", "r5"]


def test_a_read_that_was_cut_short_goes_on_where_it_was_and_forgets_nothing():
    shop = Shop()
    shop.read()
    shop.now_ms = 2_000
    cut = shop.read(most=2)[0].cursor
    shop.now_ms = 3_000
    rest = shop.read(cut)
    assert present(rest) == ["r3", "r4", "r5"]
    assert rest[-1].cursor.covers_ms == 2_000, "it covers what was before it began"
    assert present(shop.read(rest[-1].cursor)) == ["r1", "r2", "r3", "r4", "r5"]


def test_a_position_between_reads_begins_a_new_one():
    fresh = Place(7)
    for position in ("", '{"began":0,"after":4}'):
        assert scan.resume(Cursor("erp", "prices", position, 1), fresh) is fresh
    assert scan.resume(None, fresh) is fresh
    assert scan.resume(Cursor("erp", "prices", '{"began":3,"after":4}', 1), fresh) == Place(3, 4)


def test_no_more_is_remembered_than_may_be():
    shop = Shop(remembered_max=3)
    shop.read()
    assert len(shop.scan._told) <= 3
    assert told(shop.read()) != []


def test_a_read_has_an_end():
    with pytest.raises(Retryable, match="more than 2 pages of prices"):
        Shop(pages_max=2).read()


def test_pages_of_any_kind_are_told_and_closed():
    closed = []

    async def found() -> AsyncGenerator[tuple[list[Row], str | None], None]:
        try:
            yield [Row("a", "x")], ""
            yield [Row("b", "x")], None
        finally:
            closed.append("found")

    async def reading(most: int) -> list[Page]:
        pages = scan.Scan[Row]("erp", "prices", Kind.PRICE, tell).pages(found(), None, 4)
        read = []
        async for page in pages:
            read.append(page)
            if len(read) == most:
                await pages.aclose()
        return read

    pages = asyncio.run(reading(9))
    assert [(page.cursor.position, page.cursor.covers_ms, page.last) for page in pages] == [
        ("", 0, False),
        ("", 4, True),
    ]
    asyncio.run(reading(1))
    assert closed == ["found", "found"]


def test_what_cannot_be_understood_is_alone_in_its_event():
    def check(row: Row) -> None:
        if row.said == "odd":
            raise Rejected("odd")

    rows = [Row(f"r{n}", "odd" if n == 3 else "good", 100 - n) for n in range(60)]
    made = list(scan.events("erp", TOPIC, rows, check))
    found = [msgspec.json.decode(event.body, type=list[Row]) for event in made]
    assert [len(some) for some in found] == [1, 25, 25, 9]
    assert [row.said for row in found[0]] == ["odd"]
    assert sorted(row.key for some in found for row in some) == sorted(row.key for row in rows)
    assert [event.occurred_at_ms for event in made] == [min(row.changed_ms for row in some) for some in found]
    assert len({event.event_id for event in made}) == 4
    assert all(event.event_id.startswith("price:") for event in made)
    assert [
        event.event_id.partition(":")[0] for event in scan.events("erp", TOPIC, rows[:1], name="card")
    ] == ["card"]
