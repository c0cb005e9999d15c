"""Prices on both sides: a price that staff changed in the shop is found and written again, and no other is named."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.unit.test_states import LIST_A, OWN_A, Stage, said, staged

from syncline.engine.codec import encode, fingerprint
from syncline.engine.derive.prices import tag_key
from syncline.engine.reconcile.differences import Cause
from syncline.model.change import Kind
from syncline.model.copying import replace
from syncline.model.delivery import Result
from syncline.model.errors import Misconfigured
from syncline.model.pricing import PriceBreak, PriceTag
from syncline.model.readings import Told
from syncline.model.records import Item
from syncline.ports import Part, System, Write
from syncline.ports.rereads import Rereads

OWN_B, LIST_B = tag_key("own", "B"), tag_key("7", "B")


def tag(*amounts: str) -> PriceTag:
    breaks = [PriceBreak(Decimal(10 * n or 1), Decimal(amount)) for n, amount in enumerate(amounts)]
    return PriceTag("GBP", tuple(breaks))


class Shown:
    """What the shop shows: every write that it took, and whatever staff did to it."""

    def __init__(self, stage: Stage) -> None:
        self.clock = stage.clock
        self.tags: dict[tuple[str, str], PriceTag] = {("own", "A"): tag("10"), ("own", "B"): tag("20")}
        self.reads = 0
        self._deliver = stage.shop.deliver
        self._system = stage.shop.system
        stage.shop.deliver = self.deliver
        stage.shop.system = self.system
        stage.shop.tells["B"] = Item("B", "v2", price=Decimal(20), currency="GBP", parent_id="p2")

    def system(self, name: str) -> System:
        return replace(self._system(name), rereads=Rereads(contents={Kind.PRICE: self.read}))

    async def deliver(self, operation, items, key):
        outcomes = await self._deliver(operation, items, key)
        for item, outcome in zip(items, outcomes, strict=True):
            if outcome.result is Result.DONE:
                at = item.payload.price_list or "own", item.payload.sku
                self.tags[at] = item.payload.content
                if not item.payload.content.breaks:
                    del self.tags[at]
        return outcomes

    async def read(self, groups, items):
        self.reads += 1
        found = [
            Told(group, item.external_id, self.tags[group, item.sku])
            for group in groups
            for item in items
            if (group, item.sku) in self.tags
        ]
        return Part(tuple(found), self.clock.now_ms(), "", 1.0)


def proving(story, **options):
    async def told(stage):
        shown = stage.shop.deliver.__self__
        await stage.read(a=said("A", "list", ("10", 1)), b=said("B", "list", ("20", 1)))
        assert shown.tags["7", "B"] == tag("20")
        return await story(stage, shown)

    return staged(told, Shown, **options)


async def proved(stage, *, dry_run: bool = True):
    """What a proof names, by key."""
    (proof,) = await stage.engine.reconciler.ask(flow="prices", route="", dry_run=dry_run, by="anna")
    await stage.clock.sleep(600)
    rows = await stage.store.read("differences_open", route=proof.route, state="", cause="", limit=99)
    return {row[1]: Cause(row[2]) for row in rows}


def test_where_both_sides_agree_nothing_is_named():
    async def story(stage, shown):
        return await proved(stage), shown.reads

    found, reads = proving(story)
    assert found == {}
    assert reads == 1  # the items of a page are read at once


def test_a_price_that_staff_changed_is_named_and_written_again():
    async def story(stage, shown):
        shown.tags["own", "A"] = tag("1.00")
        del shown.tags["7", "B"]
        named = await proved(stage)
        calls = len(stage.shop.calls)
        assert await proved(stage, dry_run=False) == named
        sent = stage.shop.calls[calls:]
        return named, sent, dict(shown.tags), await proved(stage)

    named, sent, tags, then = proving(story)
    assert named == {OWN_A: Cause.CHANGED_AT_CHANNEL, LIST_B: Cause.CHANGED_AT_CHANNEL}
    assert sorted(sent) == [[(LIST_B, ["20"])], [(OWN_A, ["10"])]]
    assert (tags["own", "A"], tags["7", "B"]) == (tag("10"), tag("20"))
    assert then == {}


def test_a_dry_run_writes_nothing():
    async def story(stage, shown):
        shown.tags["own", "A"] = tag("1.00")
        calls = len(stage.shop.calls)
        await proved(stage)
        await stage.read()
        return stage.shop.calls[calls:], shown.tags["own", "A"]

    assert proving(story) == ([], tag("1.00"))


def test_a_price_that_nobody_computed_again_is_computed_and_written():
    """As after a fault of ours: the prices are known, and no mark says that anything follows from them."""

    async def story(stage, shown):
        shown.tags["7", "A"] = tag("11")
        row = {
            "system": "shop",
            "kind": Kind.PRICE.value,
            "key": LIST_A,
            "hash": fingerprint(tag("11")),
            "body": encode(tag("11")),
            "now_ms": stage.clock.now_ms(),
        }
        await stage.store.write(Write("content_put", [row]))
        named = await proved(stage, dry_run=False)
        return named, shown.tags["7", "A"]

    named, shows = proving(story)
    assert named == {LIST_A: Cause.NOT_COMPUTED}
    assert shows == tag("10")


def test_a_price_that_the_shop_refused_is_named_as_refused():
    async def story(stage, shown):
        stage.shop.answers = [Result.REJECTED]
        await stage.read(b=said("B", "list", ("25", 1)))
        (key,) = [row[3] for row in await stage.store.read("parked_open", after=0, limit=99)]
        return key, await proved(stage, dry_run=False)

    key, named = proving(story)
    assert named == {key: Cause.REJECTED_WRITE}


def test_what_waits_for_its_call_is_not_named():
    """A price that the ERP was heard to change a moment ago is on its way."""

    async def story(stage, shown):
        stage.erp.tells["a"] = said("A", "list", ("12", 1))
        next(p for p in stage.engine.pollers if p.system.name == "erp").nudge()
        return await proved(stage)

    assert proving(story) == {}


def test_a_system_that_cannot_be_read_again_says_so():
    async def story(stage):
        with pytest.raises(Misconfigured, match="shop does not offer to read again what it shows"):
            await stage.engine.reconciler.ask(flow="prices", route="", dry_run=True, by="anna")

    staged(story)
