"""Credit on its way to a channel: what a channel is told, and when it is told anew."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from random import Random
from types import SimpleNamespace

import pytest
from tests.unit.support import START_MS, play

from syncline.credit.exposure import Claim, up
from syncline.credit.rules import CreditPolicy, CreditRules, Decision
from syncline.engine.derive.credit import BOUND_LATER_MS, OURS, CreditFlow, Ours, credit_text
from syncline.engine.engine import Engine
from syncline.engine.routes import Route, Routes
from syncline.model.capabilities import Capabilities
from syncline.model.change import Change, Cursor, Event, Flow, Kind, Via
from syncline.model.credit import Credit, CreditTag
from syncline.model.delivery import Operation, Outcome, Result
from syncline.model.errors import Misconfigured
from syncline.model.records import Item
from syncline.ports import Page, PollStream, System, Write
from syncline.stores.sqlite import SqliteStore

D = Decimal
FLOW = CreditFlow()
KNOWN = Credit("107", "GBP", D(1000), D(300), read_began_ms=START_MS)
BOUND = Item("107", "gid://shopify/Company/7")
MINUTE = 60_000


def route(**rules) -> Route:
    return Route(Flow.CREDIT, "erp", "shop", 300_000, credit=CreditRules(**rules))


def wanted(credit=KNOWN, claims=(), item=BOUND, lag_ms=0, **rules):
    records = {OURS: Ours(tuple(claims), lag_ms)} | ({"107": credit} if credit else {})
    return FLOW.wanted(route(**rules), "107", records, item, None, START_MS)


def claim(amount: str, state: str = "open", **more) -> Claim:
    return Claim("c", state, up(D(amount)), "GBP", **{"expires_at_ms": START_MS + MINUTE, **more})


def test_a_channel_is_told_what_is_left_until_an_approval_ends():
    found = wanted(claims=[claim("100"), claim("50", "ordered", expires_at_ms=0)])
    assert found.content == CreditTag("GBP", D(1000), D(550))
    assert found.next_ms == START_MS + MINUTE
    assert wanted().next_ms == 0
    contained = claim("50", "ordered", our_stamp_ms=START_MS)
    assert wanted(claims=[contained]).content.available == D(700)
    assert wanted(claims=[contained], lag_ms=1).content.available == D(650)


def test_nothing_is_told_of_what_is_not_known():
    unbound = wanted(item=Item("107", ""))
    assert (unbound.content, unbound.next_ms) == (None, START_MS + BOUND_LATER_MS)
    assert wanted(credit=None).content is None
    assert wanted(credit=Credit("107", "", D(10), D(0)), currency="EUR").content.currency == "EUR"


def test_rules_that_change_what_is_told_change_the_fingerprint():
    told = {
        FLOW.fingerprint(route(**rules))
        for rules in (
            {}, {"mirror": False}, {"currency": "GBP"}, {"policy": CreditPolicy(on_hold=Decision.HOLD)},
            {"accounts": {"107": CreditPolicy()}}, {"accounts": {"108": CreditPolicy()}},
        )
    }  # fmt: skip
    assert len(told) == 6
    assert FLOW.fingerprint(route()) == FLOW.fingerprint(route(expires_ms=1))


def test_a_content_says_what_is_left_in_words():
    assert credit_text(CreditTag("GBP", D(1000), D(550))) == "550 of 1000 GBP left"
    assert credit_text(CreditTag("GBP", None, None, blocked=True)) == "no limit, blocked"


class Governor:
    async def ready(self, *, urgent=False):
        return None

    def usage(self):
        return {"limit": 1.0, "in_use": 0.0}


class Side:
    """A system of which each read tells what is in ``tells``, and that remembers what it is written."""

    def __init__(self, clock, stream: PollStream | None, operations=("set_credit",)) -> None:
        self.clock = clock
        self.streams = (stream,) if stream else ()
        self.operations = {name: Operation(name, batch_items_max=25, sets=True) for name in operations}
        self.tells: list[Credit] = []
        self.values: dict[str, Credit] = {}
        self.written: list[tuple[str, str, Decimal | None]] = []

    def decode(self, logged):
        one = self.values[logged.event.event_id]
        return [Change(Kind.CREDIT, one.account, one.read_began_ms, 0, one.read_began_ms, one)]

    async def poll(self, stream, cursor):
        now_ms = self.clock.now_ms()
        events = []
        for one in self.tells:
            name = f"{one.account}@{now_ms}"
            self.values[name] = Credit(
                one.account, one.currency, one.limit, one.balance, read_began_ms=now_ms
            )
            events.append(Event("erp", stream, name, Via.SNAPSHOT, now_ms, b""))
        yield Page(tuple(events), Cursor("erp", stream, "", now_ms), last=True)

    async def deliver(self, operation, items, key):
        self.written += [
            (x.payload.account, x.payload.external_id, x.payload.content.available) for x in items
        ]
        return [Outcome(Result.DONE)] * len(items)

    def system(self, name):
        return System(name, name, Capabilities(), self, self, Governor())


def staged(story, operations=("set_credit",), **rules):
    async def run(clock):
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        erp = Side(clock, PollStream("credit", (Flow.CREDIT,), snapshot=True))
        shop = Side(clock, None, operations)
        erp.tells = [KNOWN]
        row = {
            "system": "shop", "kind": "customer", "key": "107", "external_id": "gid://shopify/Company/7", "version": 0,
            "hash": "", "now_ms": START_MS,
        }  # fmt: skip
        await store.write(Write("binding_put", [row]))
        engine = Engine(
            store=store, clock=clock, rng=Random(1), systems=[erp.system("erp"), shop.system("shop")],
            routes=Routes([route(**rules)]),
        )  # fmt: skip
        running = asyncio.ensure_future(engine.run())
        try:
            return await story(SimpleNamespace(clock=clock, erp=erp, shop=shop, engine=engine))
        finally:
            running.cancel()
            await asyncio.wait([running])

    return play(run)


def test_what_is_left_follows_the_figures_and_the_approvals():
    async def story(stage):
        await stage.clock.sleep(300)
        left = [stage.shop.written[-1]]
        approved = await stage.engine.credit.check("cart", "shop", D(400), "GBP", account="107")
        assert approved.decision == "approve"
        await stage.clock.sleep(160)
        left.append(stage.shop.written[-1])
        await stage.clock.sleep(1200)  # it expired
        left.append(stage.shop.written[-1])
        stage.erp.tells = [Credit("107", "GBP", D(1000), D(950))]
        await stage.clock.sleep(600)
        left.append(stage.shop.written[-1])
        return left, len(stage.shop.written)

    left, calls = staged(story)
    company = "gid://shopify/Company/7"
    assert left == [("107", company, D(n)) for n in (700, 300, 700, 50)]
    assert calls == 4, "what did not change is not written again"


def test_a_channel_that_is_not_told_needs_no_way_to_be():
    async def story(stage):
        await stage.clock.sleep(300)
        return (await stage.engine.credit.look("shop", "107")).available, stage.shop.written

    assert staged(story, operations=(), mirror=False) == (D(700), [])
    with pytest.raises(Misconfigured, match="show what is left of a credit"):
        staged(story, operations=())
