"""Whether events still come: what reads had to find, at once or when no event followed."""

from __future__ import annotations

import pytest
from tests.unit.support import START_MS
from tests.web.support import MINUTE, StillClock, make_engine

from syncline.engine.apply.news import AWAITED_MAX, EVENT_LATE_MS, Heard, News
from syncline.engine.status import UNSEEN_GRACE_MS, status
from syncline.model.change import Kind
from syncline.ports import Write

ORDER = ("shop", Kind.ORDER, "7001")
LATE_MS = START_MS + EVENT_LATE_MS + 1


@pytest.fixture
def news() -> News:
    """A shop whose events tell of orders."""
    made = News()
    made.count({("shop", Kind.ORDER, Heard.TOLD): 1}, [("shop", Kind.ORDER, "7000")], [], START_MS)
    return made


def found(news: News, *names: tuple[str, Kind, str], at_ms: int = START_MS) -> None:
    news.count({(system, kind, Heard.READ): 1 for system, kind, _ in names}, [], names, at_ms)


def test_what_a_read_found_soon_is_missed_once_no_event_has_followed_for_a_minute(news):
    found(news, ORDER)
    assert news.missed("shop", START_MS + EVENT_LATE_MS) == 0
    assert news.missed("shop", LATE_MS) == 1
    assert news.missed("shop", LATE_MS + 1) == 1
    assert (news.all["shop"], news.told["shop"]) == (2, 1)


def test_an_event_that_comes_after_the_read_was_not_missed(news):
    found(news, ORDER)
    news.count({}, [ORDER], [], START_MS + 5_000)
    assert news.missed("shop", LATE_MS) == 0


def test_what_a_read_found_late_is_missed_at_once(news):
    news.count({("shop", Kind.ORDER, Heard.MISSED): 3}, [], [], START_MS)
    assert news.missed("shop", START_MS) == 3


def test_nothing_is_missed_of_what_no_event_has_ever_told(news):
    found(news, ("shop", Kind.ITEM, "A"), ("erp", Kind.ORDER, "7001"))
    news.count({("erp", Kind.ORDER, Heard.MISSED): 3}, [], [], START_MS)
    assert (news.missed("shop", LATE_MS), news.missed("erp", LATE_MS)) == (0, 0)


def test_no_more_than_so_many_are_awaited(news):
    found(news, *(("shop", Kind.ORDER, str(n)) for n in range(AWAITED_MAX + 5)))
    assert news.missed("shop", LATE_MS) == AWAITED_MAX


async def test_units_stay_fallen_since_they_fell_however_often_their_number_is_read():
    """A SKU that sells well is written and read all the time; its fall must not be new for ever."""
    engine = await make_engine(StillClock())
    at = {"system": "shop", "key": "MUG-01\x1fL1"}

    async def read(held: int) -> list[int]:
        now_ms = engine.clock.now_ms()
        await engine.store.write(
            Write("held_seen", [{**at, "held": held, "rev": None, "exact": True, "now_ms": now_ms}])
        )
        return [row.since_ms for row in (await status(engine, now_ms)).unseen]

    await read(20)
    fell_ms = engine.clock.now_ms()
    assert await read(15) == []
    for _ in range(5):
        engine.clock.at_ms += UNSEEN_GRACE_MS // 2
        since = await read(15)
    assert since == [fell_ms]
    await engine.store.write(Write("unseen_release", [at]))
    assert await read(15) == []
    engine.clock.at_ms += 10 * MINUTE
    await read(14)
    assert await read(14) == []
