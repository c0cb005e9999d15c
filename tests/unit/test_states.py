"""State records: what a change marks, what is delivered of it, and what waits for a person or for its moment."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.support import START_MS, play

from syncline.engine.derive.prices import price_key, tag_key
from syncline.engine.engine import Engine
from syncline.engine.operations import Operations
from syncline.engine.routes import Route, Routes
from syncline.model.capabilities import Capabilities
from syncline.model.change import Change, Cursor, Event, Flow, Kind, Via
from syncline.model.delivery import Operation, Outcome, Result
from syncline.model.errors import Misconfigured, OutcomeUnknown
from syncline.model.pricing import Price, PriceEntry, PriceKind
from syncline.model.records import Item
from syncline.ports import Page, PollStream, System
from syncline.pricing.rules import OWN, ChannelList, PriceRules
from syncline.stores.sqlite import SqliteStore

HOUR_MS = 3_600_000
RULES = PriceRules(
    (ChannelList(OWN, ("promo", "list"), "GBP"), ChannelList("7", ("vip", "list"), "GBP")), decimals=2
)
PRICES = PollStream("prices", (Flow.PRICES,), snapshot=True)
ITEMS = PollStream("items", (Flow.CATALOG,), snapshot=True)


class Governor:
    async def ready(self, *, urgent=False):
        return None

    def usage(self):
        return {"limit": 1.0, "in_use": 0.0}


@dataclass
class Side:
    """A system of whose stream one read is told what is in ``tells``, and that remembers what it is written."""

    clock: Any
    stream: PollStream
    tells: dict[str, Any] = field(default_factory=dict)
    calls: list[list[tuple[str, list[str]]]] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    kinds: dict[str, PriceKind] = field(default_factory=dict)
    believed: list[tuple[str, int]] = field(default_factory=list)

    @property
    def streams(self):
        return (self.stream,)

    @property
    def operations(self):
        return {
            "set_price": Operation("set_price", batch_items_max=50, sets=True),
            "set_list_price": Operation("set_list_price", batch_items_max=250, sets=True),
        }

    def verify(self, request):
        raise AssertionError

    def decode(self, logged):
        value = self._values[logged.event.event_id]
        kind = Kind.ITEM if isinstance(value, Item) else Kind.PRICE
        key = value.sku if kind is Kind.ITEM else price_key(value.sku, value.price_list)
        at_ms = logged.event.occurred_at_ms
        return [Change(kind, key, at_ms, 0, at_ms, value)]

    async def poll(self, stream, cursor):
        self._values = getattr(self, "_values", {})
        now_ms = self.clock.now_ms()
        events = []
        for key, value in self.tells.items():
            event_id = f"{key}@{now_ms}"
            self._values[event_id] = value
            events.append(Event("", stream, event_id, Via.SNAPSHOT, now_ms, b""))
        name = "erp" if self.stream.name == PRICES.name else "shop"
        yield Page(
            tuple(Event(name, e.topic, e.event_id, e.via, e.occurred_at_ms, e.body) for e in events),
            Cursor(name, stream, "", now_ms),
            last=True,
        )

    async def deliver(self, operation, items, key):
        self.calls.append(
            [(item.key, [str(b.amount) for b in item.payload.content.breaks]) for item in items]
        )
        answer = self.answers.pop(0) if self.answers else Result.DONE
        if isinstance(answer, Exception):
            raise answer
        return [Outcome(answer, "because")] * len(items)

    async def look_up(self, operation, item):
        raise AssertionError

    def system(self, name):
        told = self.believed
        return System(
            name,
            name,
            Capabilities(price_lists=True),
            self,
            self,
            Governor(),
            believed=lambda *one: told.append(one),
        )


def said(
    sku: str, name: str, *entries: tuple[str, int] | PriceEntry, kind: PriceKind = PriceKind.LIST
) -> Price:
    made = [
        e if isinstance(e, PriceEntry) else PriceEntry(Decimal(e[0]), "GBP", Decimal(e[1])) for e in entries
    ]
    return Price(sku, name, kind, tuple(made))


class Stage:
    """An engine with one route of prices, on virtual time."""

    def __init__(self, clock, *, tolerance_ms=60_000, cut="0.3") -> None:
        self.clock = clock
        self.erp = Side(clock, PRICES)
        self.shop = Side(
            clock, ITEMS, {"A": Item("A", "v1", price=Decimal(10), currency="GBP", parent_id="p1")}
        )
        self.store = SqliteStore.open(":memory:", now_ms=START_MS)
        self.rules = RULES
        self.tolerance_ms = tolerance_ms
        self.cut = cut

    def start(self) -> None:
        route = Route(
            Flow.PRICES, "erp", "shop", self.tolerance_ms, poll_interval_ms=600_000, prices=self.rules,
            guard_cut_share=Decimal(self.cut),
        )  # fmt: skip
        self.engine = Engine(
            store=self.store,
            clock=self.clock,
            rng=Random(1),
            systems=[self.erp.system("erp"), self.shop.system("shop")],
            routes=Routes([route]),
            owner="me",
        )
        self.running = asyncio.get_running_loop().create_task(self.engine.run())

    async def stop(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.engine.stop()

    async def read(self, **prices) -> list[list[tuple[str, list[str]]]]:
        """Tell prices (``None`` takes one away), have them read, and return the calls that follow."""
        for name, value in prices.items():
            self.erp.tells.pop(name, None)
            if value is not None:
                self.erp.tells[name] = value
        return await self.passing(poll=True)

    async def passing(self, seconds: float = 100, *, poll: bool = False) -> list[Any]:
        before = len(self.shop.calls)
        if poll:
            next(p for p in self.engine.pollers if p.system.name == "erp").nudge()
        await self.clock.sleep(seconds)
        return self.shop.calls[before:]

    async def parked(self) -> list[tuple[str, str]]:
        rows = await self.store.read("parked_open", after=0, limit=99)
        return [(row[3], row[4]) for row in rows]


def staged(story, prepare=lambda _: None, **options):
    async def run(clock):
        stage = Stage(clock, **options)
        prepare(stage)
        stage.start()
        await clock.sleep(100)
        try:
            return await story(stage)
        finally:
            await stage.stop()

    return play(run)


OWN_A, LIST_A = tag_key(OWN, "A"), tag_key("7", "A")


def test_a_price_is_written_once_and_only_what_differs_is():
    async def story(stage):
        first = await stage.read(a=said("A", "list", ("10", 1)))
        again = await stage.read()
        vip = await stage.read(v=said("A", "vip", ("9", 1), ("8", 10)))
        return first, again, vip

    first, again, vip = staged(story)
    assert sorted(first) == [[(LIST_A, ["10"])], [(OWN_A, ["10"])]]
    assert again == []
    assert vip == [[(LIST_A, ["9", "8"])]]  # it stands before "list" in the route


def test_of_several_changes_before_the_call_only_the_last_is_sent():
    async def story(stage):
        await stage.read(a=said("A", "list", ("10", 1)))
        calls = []
        for amount in ("11", "12", "13"):
            calls += await stage.read(a=said("A", "list", (amount, 1)))
        return calls + await stage.passing(HOUR_MS / 1000)

    assert sorted(staged(story, tolerance_ms=HOUR_MS)) == [[(LIST_A, ["13"])], [(OWN_A, ["13"])]]


def test_a_price_that_goes_back_before_it_was_sent_is_not_sent_at_all():
    async def story(stage):
        await stage.read(a=said("A", "list", ("10", 1)))
        await stage.passing(HOUR_MS / 1000)
        calls = await stage.read(a=said("A", "list", ("11", 1)))
        calls += await stage.read(a=said("A", "list", ("10", 1)))
        return calls + await stage.passing(HOUR_MS / 1000)

    assert staged(story, tolerance_ms=HOUR_MS) == []


def test_a_price_begins_and_ends_by_the_clock_alone_and_in_time():
    starts_ms, ends_ms = START_MS + 20 * 60_000, START_MS + 40 * 60_000

    async def story(stage):
        promo = PriceEntry(Decimal(8), "GBP", starts_ms=starts_ms, ends_ms=ends_ms)
        await stage.read(
            a=said("A", "list", ("10", 1)), p=said("A", "promo", promo, kind=PriceKind.PROMOTIONAL)
        )
        for poller in stage.engine.pollers:
            poller.interval_ms = 1 << 40
        before = len(stage.shop.calls)
        await stage.clock.sleep((starts_ms - stage.clock.now_ms()) / 1000 - 1)
        early = stage.shop.calls[before:]
        await stage.clock.sleep(61)
        began = stage.shop.calls[before:]
        await stage.stop()
        stage.start()  # who starts anew knows the moment, too
        await stage.clock.sleep((ends_ms - stage.clock.now_ms()) / 1000 + 60)
        return early, began, stage.shop.calls[before + len(began) :]

    early, began, ended = staged(story, tolerance_ms=24 * HOUR_MS)
    assert early == []
    assert began == [[(OWN_A, ["8"])]]
    assert ended == [[(OWN_A, ["10"])]]


def test_an_unknown_outcome_is_set_again_to_what_holds_by_then():
    """Answers are lost until the price is back at what was there before: it must be written all the same."""

    async def story(stage):
        await stage.read(a=said("A", "list", ("10", 1)))
        stage.shop.answers = [OutcomeUnknown("lost")] * 10_000
        await stage.read(a=said("A", "list", ("12", 1)))
        lost = len(stage.shop.calls)
        await stage.read(a=said("A", "list", ("10", 1)))
        stage.shop.answers = []
        await stage.passing()
        return stage.shop.calls[:lost], stage.shop.calls[lost:]

    before, after = staged(story)
    for key in (OWN_A, LIST_A):
        sent = [amounts for call in before for named, amounts in call if named == key]
        assert sent[0] == ["10"]
        assert sent[1:] == [["12"]] * (len(sent) - 1) != []
        assert [amounts for call in after for named, amounts in call if named == key][-1] == ["10"]


def test_one_price_waits_out_an_hour_in_which_every_answer_is_lost():
    """One record alone proves no outage; but it is not given up, nor sent twice a second, while nothing works."""

    async def story(stage):
        stage.shop.answers = [OutcomeUnknown("503")] * 10_000
        calls = await stage.read(a=said("A", "list", ("12", 1)))
        calls += await stage.passing(3_600)
        stage.shop.answers = []
        return calls, await stage.passing(), await stage.parked()

    calls, after, parked = staged(story)
    assert len(calls) < 400
    assert {key for call in after for key, _ in call} == {OWN_A, LIST_A}
    assert parked == []


def test_a_price_whose_every_answer_is_lost_while_others_are_told_is_given_up():
    async def story(stage):
        deliver = stage.shop.deliver

        async def lossy(operation, items, key):
            outcomes = await deliver(operation, items, key)
            return [
                Outcome(Result.UNKNOWN, "lost") if item.key == LIST_A else outcome
                for item, outcome in zip(items, outcomes, strict=True)
            ]

        stage.shop.deliver = lossy
        calls = await stage.read(a=said("A", "list", ("12", 1)))
        for n in range(60):
            calls += await stage.read(v=said("A", "promo", (str(13 + n % 2), 1)))
        return calls, await stage.parked()

    calls, parked = staged(story)
    assert parked == [(LIST_A, "gave_up")]
    assert 50 <= sum(key == LIST_A for call in calls for key, _ in call) < 200


def test_what_was_under_way_when_the_process_died_is_set_again():
    async def story(stage):
        await stage.read(a=said("A", "list", ("10", 1)))
        intent = {"id": "0", "system": "shop", "operation": "set_price", "now_ms": START_MS}
        sink = stage.shop
        await stage.stop()
        route = stage.engine.routes.all[0]
        from syncline.engine.codec import encode
        from syncline.engine.derive.prices import PriceFlow
        from syncline.model.pricing import PriceBreak, PriceTag
        from syncline.ports import Write

        tag = PriceTag("GBP", (PriceBreak(Decimal(1), Decimal(12)),))
        payload = PriceFlow().payload(OWN_A, tag, sink.tells["A"], None)
        touch = {
            "system": "shop", "operation": "set_price", "key": OWN_A, "route": route.name, "changed_at_ms": START_MS,
            "deliver_by_ms": START_MS, "not_before_ms": START_MS, "now_ms": START_MS, "wanted": 1, "rev": 0,
        }  # fmt: skip
        await stage.store.write(
            Write("delivery_touch", [touch]),
            Write("intent_put", [{**intent, "items": encode({OWN_A: payload})}]),
            Write("delivery_run", [touch]),
            Write("content_unsure", [{"system": "shop", "kind": "price", "key": OWN_A}]),
        )
        before = len(sink.calls)
        stage.start()
        await stage.clock.sleep(60)
        return sink.calls[before:]

    assert staged(story) == [[(OWN_A, ["10"])]]


def test_a_price_of_nothing_or_a_hundredfold_waits_until_a_person_lets_exactly_it_pass():
    async def story(stage):
        await stage.read(a=said("A", "list", ("10", 1)))
        calls = [await stage.read(a=said("A", "list", (amount, 1))) for amount in ("0", "1000")]
        waiting = await stage.parked()
        operations = Operations(stage.engine)
        for entry in await operations.parked():
            if entry.key == OWN_A:
                await operations.release(entry.id, by="Ada")
        released = await stage.passing()
        left = await stage.parked()
        other = await stage.read(a=said("A", "list", ("3000", 1)))
        return calls, waiting, released, left, other, await stage.parked()

    calls, waiting, released, left, other, more = staged(story)
    assert calls == [[], []]
    assert sorted(waiting) == [(LIST_A, "price_jump"), (OWN_A, "price_jump")]
    assert released == [[(OWN_A, ["1000"])]]
    assert left == [(LIST_A, "price_jump")]
    assert other == []
    assert sorted(more) == [(LIST_A, "price_jump"), (OWN_A, "price_jump")]


def test_what_waited_for_a_person_is_settled_by_a_price_that_nobody_doubts():
    async def story(stage):
        await stage.read(a=said("A", "list", ("10", 1)))
        await stage.read(a=said("A", "list", ("0", 1)))
        waiting = await stage.parked()
        return waiting, await stage.read(a=said("A", "list", ("11", 1))), await stage.parked()

    waiting, calls, left = staged(story)
    assert len(waiting) == 2
    assert sorted(calls) == [[(LIST_A, ["11"])], [(OWN_A, ["11"])]]
    assert left == []


def test_what_waited_for_a_person_is_settled_when_the_price_is_back_at_what_is_shown():
    async def story(stage):
        await stage.read(a=said("A", "list", ("10", 1)))
        await stage.read(a=said("A", "list", ("0", 1)))
        waiting = await stage.parked()
        return waiting, await stage.read(a=said("A", "list", ("10", 1))), await stage.parked()

    waiting, calls, left = staged(story)
    assert len(waiting) == 2
    assert (calls, left) == ([], [])


def test_the_first_price_is_held_against_what_the_shop_shows():
    async def story(stage):
        return await stage.read(a=said("A", "list", ("1000", 1))), await stage.parked()

    calls, parked = staged(story)
    assert calls == []
    assert sorted(parked) == [(LIST_A, "price_jump"), (OWN_A, "price_jump")]


def test_a_price_in_another_currency_is_not_written():
    async def story(stage):
        await stage.read(a=said("A", "list", ("10", 1)))
        return await stage.read(a=said("A", "list", PriceEntry(Decimal(10), "USD"))), await stage.parked()

    calls, parked = staged(story)
    assert calls == []
    assert sorted(parked) == [(LIST_A, "price_currency"), (OWN_A, "price_currency")]


def test_a_refused_item_is_parked_with_the_vendors_words():
    async def story(stage):
        stage.shop.answers = [Result.REJECTED, Result.REJECTED]
        await stage.read(a=said("A", "list", ("10", 1)))
        return await stage.parked(), await stage.read(a=said("A", "list", ("11", 1))), await stage.parked()

    parked, calls, left = staged(story)
    assert sorted(parked) == [(LIST_A, "rejected"), (OWN_A, "rejected")]
    assert sorted(calls) == [[(LIST_A, ["11"])], [(OWN_A, ["11"])]]
    assert left == []


def test_a_list_that_vanishes_is_taken_off_and_comes_back():
    async def story(stage):
        await stage.read(a=said("A", "list", ("10", 1)), v=said("A", "vip", ("9", 1)))
        gone = await stage.read(v=None)
        back = await stage.read(v=said("A", "vip", ("9", 1)))
        both = await stage.read(v=None, a=None)
        return gone, back, both, await stage.parked()

    gone, back, both, parked = staged(story)
    assert gone == [[(LIST_A, ["10"])]]
    assert back == [[(LIST_A, ["9"])]]
    assert both == [[(LIST_A, [])]]  # an item's own price is never taken away
    assert parked == []


def test_a_source_is_told_which_of_its_whole_reads_were_believed():
    async def story(stage):
        await stage.read(a=said("A", "list", ("10", 1)))
        at_ms = stage.clock.now_ms()
        await stage.read(a=None)
        return at_ms, stage.erp.believed

    at_ms, believed = staged(story)
    assert [stream for stream, _ in believed] == ["prices"] * len(believed)
    assert len(believed) == 3 and believed[-1][1] == at_ms


@pytest.mark.parametrize("arrives", [False, True])
def test_nobody_can_say_when_somebody_leaves_the_next_price(arrives):
    async def story(stage):
        (route,) = stage.engine.routes.of(Flow.PRICES)
        return stage.engine._price_bound_ms(route)

    def prepare(stage):
        stage.erp.stream = replace(PRICES, arrives=arrives)

    assert staged(story, prepare) == (None if arrives else 600_000)


def test_a_read_that_lacks_too_much_takes_nothing_away_until_a_person_says_so():
    async def story(stage):
        many = {f"n{n}": said(f"S{n}", "vip", ("5", 1)) for n in range(20)}
        stage.shop.tells |= {
            f"S{n}": Item(f"S{n}", f"w{n}", price=Decimal(5), currency="GBP") for n in range(20)
        }
        for poller in stage.engine.pollers:
            poller.nudge()
        await stage.read(a=said("A", "list", ("10", 1)), **many)
        believed = len(stage.erp.believed)
        calls = await stage.read(**dict.fromkeys(list(many)[:10]))
        assert len(stage.erp.believed) == believed, "a source compares nothing with a read that is doubted"
        parked = await stage.parked()
        operations = Operations(stage.engine)
        for entry in await operations.parked():
            await operations.release(entry.id, by="Ada")
        return calls, parked, await stage.passing(), await stage.parked()

    calls, parked, released, left = staged(story)
    assert calls == []
    assert parked == [("price", "states_vanished")]
    assert sorted(key for call in released for key, _ in call) == sorted(
        tag_key("7", f"S{n}") for n in range(10)
    )
    assert left == []


def test_an_item_that_the_shop_gets_later_and_rules_that_change_are_followed():
    async def story(stage):
        await stage.read(a=said("A", "list", ("10", 1)), b=said("B", "list", ("5", 1)))
        stage.shop.tells["B"] = Item("B", "v2", price=Decimal(5), currency="GBP", parent_id="p2")
        before = len(stage.shop.calls)
        next(p for p in stage.engine.pollers if p.system.name == "shop").nudge()
        await stage.clock.sleep(100)
        later = stage.shop.calls[before:]
        await stage.stop()
        stage.rules = PriceRules(
            (ChannelList(OWN, ("list",), "GBP"), ChannelList("8", ("list",), "GBP")), decimals=2
        )
        before = len(stage.shop.calls)
        stage.start()
        await stage.clock.sleep(100)
        return later, stage.shop.calls[before:]

    later, changed = staged(story)
    assert sorted(later) == [[(tag_key("7", "B"), ["5"])], [(tag_key(OWN, "B"), ["5"])]]
    assert changed == [[(tag_key("8", "A"), ["10"]), (tag_key("8", "B"), ["5"])]]


def test_without_a_route_of_prices_nothing_is_asked_of_the_store():
    async def story(clock):
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        asked = []
        read = store.read

        async def counted(statement, **parameters):
            asked.append(statement)
            return await read(statement, **parameters)

        store.read = counted
        shop = Side(clock, ITEMS)
        shop.tells = {"A": Item("A", "v1")}
        engine = Engine(
            store=store,
            clock=clock,
            rng=Random(1),
            systems=[shop.system("shop")],
            routes=Routes([]),
            owner="me",
        )
        running = asyncio.get_running_loop().create_task(engine.run())
        await clock.sleep(7200)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await engine.stop()
        return set(asked)

    asked = play(story)
    assert "dirty" in asked
    assert not asked & {"state_marks", "state_next", "contents_get", "states_get"}


def test_a_route_that_cannot_work_is_refused_at_the_start():
    async def story(clock):
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        erp, shop = Side(clock, PRICES), Side(clock, ITEMS)
        route = Route(Flow.PRICES, "erp", "shop", 1, prices=RULES)
        told = []
        deaf = SimpleNamespace(operations={}, streams=())
        for source, sink in ((shop, shop), (erp, deaf)):
            systems = [
                System("erp", "acme", Capabilities(), source, source, Governor()),
                System("shop", "acme", Capabilities(), shop, sink, Governor()),
            ]
            with pytest.raises(Misconfigured) as error:
                Engine(store=store, clock=clock, rng=Random(1), systems=systems, routes=Routes([route]))
            told.append(str(error.value))
        return told

    assert play(story) == [
        "route prices:erp->shop: acme tells nothing of prices",
        "route prices:erp->shop: acme has no way to show a price in a price list",
    ]
