"""Differences planted behind everybody's back: all are found and named, none falsely, while orders flow."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import pairwise

import pytest

from syncline.engine.audit import Audit
from syncline.engine.operations import NotPossible, Operations
from syncline.engine.reconcile import reconciler as module
from syncline.engine.reconcile import settle
from syncline.engine.reconcile.decisions import decide
from syncline.engine.reconcile.differences import MEANINGS, Cause, Limits, Settings
from syncline.engine.reconcile.history import differences, proof, route_proofs, trend
from syncline.engine.reconcile.reconciler import BY_ITSELF, Reconciler
from syncline.engine.rewind import CATCHING_UP, Mark
from syncline.engine.routes import stock_key
from syncline.model.errors import Misconfigured, Retryable
from syncline.ports import Write
from syncline.simulate.lean import LOCATIONS
from syncline.simulate.planted import PlantedWorld

ALL = Limits(100_000, 10_000_000, Decimal(1))
HOUR_MS = 3_600_000


def world(skus=600, seed=1, per_minute=50.0, **settings):
    settings = {"every_ms": 0, "limits": ALL, **settings}
    return PlantedWorld(seed=seed, skus=skus, per_minute=per_minute, settings=Settings(**settings))


async def opened(one, route):
    rows = await one.store.read("differences_open", route=route.name, state="", cause="", limit=10_000)
    return {(row[1], row[2]): row[6] for row in rows}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.slow
def test_every_planted_difference_is_named_and_none_that_is_not_there(seed):
    async def story(one):
        await one.plant(100)
        found = await one.judged(dry_run=True)
        assert (found.missed, found.wrong) == ([], [])
        assert found.planted >= 100
        of_states = {Cause.LEFT_AT_CHANNEL}  # stock and orders have no owner at the channel
        assert {*found.counts} == set(Cause) - {Cause.IN_FLIGHT, Cause.NOT_COMPUTED} - of_states
        assert found.orders > 30
        assert await one.engine.store.read("unseen", limit=9) == []  # a dry run changes nothing

    world(seed=seed).run(story)


def test_what_can_be_mended_is_mended_the_ordinary_way_and_nothing_else_is_touched():
    async def story(one):
        await one.plant(100)
        before = {key for _, key, cause in one.expected if MEANINGS[cause].repaired}
        sent = one.channel.wire.counted.values["set_stock"]
        (await one.judged(dry_run=False))
        await one.clock.sleep(900)
        assert (
            one.channel.wire.counted.values["set_stock"] - sent < 3 * len(before) + 400
        )  # and those of orders
        then = await one.judged(dry_run=True)
        assert then.wrong == []
        assert not [cause for cause in then.counts if MEANINGS[Cause(cause)].repaired]
        references = Counter(
            row.reference for row in one.erp.booked if not row.external_id.startswith("twice")
        )
        assert max(references.values()) == 1  # a missing order was created once

    world().run(story)


@pytest.mark.slow
def test_without_waiting_for_what_is_under_way_traffic_looks_like_differences(monkeypatch):
    """What the second look is worth: with the first alone, sales that were not heard of yet are named."""

    async def at_once(self, route, what, pool, costs):
        return list(pool.values())

    async def story(one):
        found = await one.judged(dry_run=True)
        return {cause for _, _, cause in found.wrong} - {Cause.UNMAPPED}

    assert world(skus=800, per_minute=1_500.0).run(story) == set()
    monkeypatch.setattr(Reconciler, "_judge", at_once)
    assert world(skus=800, per_minute=1_500.0).run(story)


def test_what_stays_unreadable_is_in_flight_and_never_named(monkeypatch):
    monkeypatch.setattr(settle, "POLLS_MAX_S", 20.0)

    async def story(one):
        one.channel.numbers[one.quiet[0]][0] += 3

        async def broken(*_):
            raise Retryable("down")
            yield

        one.channel.source.poll = broken
        proofs = await one.engine.reconciler.ask(flow="inventory", route="", dry_run=True, by="anna")
        while not proofs[0].over:
            await one.clock.sleep(5)
        assert await opened(one, one.stock) == {(sku, "unmapped"): "named" for sku in one.unmapped}
        assert proofs[0].counts[Cause.IN_FLIGHT] == 1

    world(skus=100, per_minute=0.001).run(story)


@pytest.mark.parametrize(
    ("limits", "repaired"),
    [
        (Limits(4, 10_000, Decimal(1)), 4),
        (Limits(100, 10, Decimal(1)), 3),  # of three units each
        (Limits(100, 10_000, Decimal("0.01")), 5),  # of 500 rows, which count at least
        (Limits(100, 10_000, Decimal(1)), 12),
    ],
)
def test_beyond_the_limits_a_person_decides(limits, repaired):
    async def story(one):
        for sku in one.quiet[:12]:
            one.channel.numbers[sku][0] += 3
        await one.prove(dry_run=False)
        states = Counter((await opened(one, one.stock)).values())
        assert (states["repairing"], states["waiting"]) == (repaired, 12 - repaired)
        await one.clock.sleep(600)
        assert sum(one.channel.numbers[sku][0] == 203 for sku in one.quiet[:12]) == 12 - repaired

        (stock, _) = await route_proofs(one.engine)
        assert stock.waiting == 12 - repaired
        if not stock.waiting:
            return
        operations = Operations(one.engine)
        asked = {"route": one.stock.name, "cause": "", "by": "anna"}
        some = next(key for (key, _), state in (await opened(one, one.stock)).items() if state == "waiting")
        await decide(one.engine, operations, key=some, approve=False, **asked)
        done = await decide(one.engine, operations, key="", approve=True, **asked)
        assert done.count == 11 - repaired
        await one.clock.sleep(600)
        assert sum(one.channel.numbers[sku][0] == 203 for sku in one.quiet[:12]) == 1
        await one.prove(dry_run=False)  # what was declined stands, and is not repaired by any later proof
        left = {
            key: state
            for (key, cause), state in (await opened(one, one.stock)).items()
            if cause != "unmapped"
        }
        assert left == {some: "declined"}
        told = [(entry.actor, entry.action) for entry in await Audit(one.store, one.clock).newest()]
        assert told == [("anna", "approve repair"), ("anna", "decline repair")]
        with pytest.raises(NotPossible, match="Nothing of that kind"):
            await decide(one.engine, operations, key="", approve=True, **asked)

    world(skus=100, per_minute=0.001, limits=limits).run(story)


def test_a_proof_by_itself_keeps_to_its_share_and_comes_again_in_time():
    async def story(one):
        await one.clock.sleep(3 * HOUR_MS / 1000)
        done = [each for each in await trend(one.engine, one.stock.name) if each.ended_at_ms]
        assert len(done) >= 3
        assert {each.asked_by for each in done} == {BY_ITSELF}
        gaps = [a.started_at_ms - b.started_at_ms for a, b in pairwise(done)]
        assert set(gaps) == {HOUR_MS}

    world(skus=60, every_ms=HOUR_MS).run(story)


def test_the_rest_after_a_call_leaves_all_but_the_declared_share():
    async def story(one):
        usage = {"per_s": 100.0}
        for system in one.engine.systems.values():
            system.governor.usage = lambda: usage
        return await one.judged(dry_run=True), one

    found, one = world(skus=100).run(story)
    assert found.missed == []
    reconciler = one.engine.reconciler
    mine = reconciler.latest[one.stock.name]
    for asked_by, rest_s in (("anna", 0), (BY_ITSELF, 900 / 5 - 2)):
        mine.asked_by, mine.not_before_ms = asked_by, 0
        reconciler._pace(mine, {"shop": 900.0, "erp": 1.0}, 2.0)
        assert max(0, mine.not_before_ms - one.clock.now_ms()) == pytest.approx(rest_s * 1000, abs=1)


def test_when_time_and_share_cannot_both_be_kept_it_is_said():
    async def story(one):
        await one.clock.sleep(HOUR_MS / 1000)
        latest = one.engine.reconciler.latest[one.stock.name]
        latest.started_at_ms = latest.ended_at_ms - 4 * HOUR_MS
        (stock, orders) = await route_proofs(one.engine)
        assert "reconcile.budget to 20%, or reconcile.every to 4 h" in stock.cannot
        assert orders.cannot == ""

    world(skus=60, every_ms=HOUR_MS).run(story)


def test_a_restart_goes_on_where_everything_was_judged(monkeypatch):
    monkeypatch.setattr(module, "POOL_MS", 0)

    async def story(one):
        await one.plant(60)
        reconciler = one.engine.reconciler
        (mine, _) = await reconciler.ask(flow="", route="", dry_run=True, by="anna")
        while not mine.rows:
            await one.clock.sleep(0.2)
        mine.not_before_ms = 1 << 62
        # Another process takes the store up: what it reads is what was durable, with nothing that waits to be judged.
        fresh = type(reconciler)(
            one.store,
            one.clock,
            one.engine.ids,
            one.engine.routes,
            one.engine.systems,
            reconciler._settling,
            list(reconciler._declared.values()),
            settings=reconciler.settings,
            guard=reconciler._guard,
            expected=lambda _: 0,
            unready=lambda _: "",
            ended=lambda *_: None,
        )
        await fresh.load()
        (again,) = [each for each in fresh.running if each.route == one.stock.name]
        assert (again.id, again.rows, again.pool) == (mine.id, mine.rows, {})
        assert again.ahead == (mine.walk, mine.after, mine.rows)
        assert again.rows > 0
        while again in fresh.running:
            await fresh._advance(again)
        found = {(key, cause) for key, cause in await opened(one, one.stock)}
        assert found == {(key, cause) for route, key, cause in one.expected if route == one.stock.name}

    world(skus=1_000, per_minute=0.001).run(story)


def test_a_missed_order_is_in_the_erp_within_five_minutes():
    """Neither event nor proof: the next poll of orders finds it."""

    async def story(one):
        worst = 0.0
        for _ in range(20):
            await one.clock.sleep(61.0)
            began_s = one.clock.monotonic()
            line = one.buy(one.sold)
            one.engine.ingress.accept = _deaf
            while f"shop-{line.key}" not in one.erp.held:
                await one.clock.sleep(1.0)
            worst = max(worst, one.clock.monotonic() - began_s)
        assert worst <= 300

    world(skus=60).run(story)


async def _deaf(*_):
    """No event arrives any more."""


def test_nothing_is_proved_that_nobody_can_read():
    async def story(one):
        reconciler = one.engine.reconciler
        with pytest.raises(Misconfigured, match="those that can are inventory:erp->shop, orders:shop->erp"):
            await reconciler.ask(flow="prices", route="", dry_run=True, by="anna")
        first = await reconciler.ask(flow="orders", route="", dry_run=True, by="anna")
        assert await reconciler.ask(flow="orders", route="", dry_run=True, by="bob") == first
        assert await proof(one.engine, first[0].id) is not None
        assert await proof(one.engine, "none") is None
        assert await differences(one.engine, route=one.sales.name) == []

    world(skus=20).run(story)


def test_a_number_that_nobody_computed_again_is_computed_and_written():
    async def story(one):
        sku = one.quiet[0]
        key = stock_key(sku, LOCATIONS[0])
        one.channel.numbers[sku][0] -= 3  # and Syncline believes that it was its own doing
        row = {"system": "shop", "key": key, "by": -3, "now_ms": one.clock.now_ms()}
        await one.store.write(Write("held_written", [row]))
        await one.prove(dry_run=False)
        assert (await opened(one, one.stock))[key, Cause.NOT_COMPUTED] == "repairing"
        await one.clock.sleep(60)
        assert one.channel.numbers[sku][0] == 200

    world(skus=40, per_minute=0.001).run(story)


def test_nothing_differs_while_a_restored_store_is_still_catching_up():
    """What was ordered, sold and sent after the backup is not known yet: it looks like a hundred differences."""

    async def story(one):
        await one.plant(100)
        sent = one.channel.wire.counted.values["set_stock"]
        orders = len(one.erp.booked)
        one.engine.rewind.mark = Mark(one.clock.now_ms())
        proofs = await one.engine.reconciler.ask(flow="", route="", dry_run=False, by="anna")
        await one.clock.sleep(3_600)
        assert [(proof.rows, proof.counts, proof.repaired, proof.over) for proof in proofs] == [
            (0, {}, 0, False),
            (0, {}, 0, False),
        ]
        assert {proof.error for proof in proofs} == {CATCHING_UP}
        assert await opened(one, one.stock) == await opened(one, one.sales) == {}
        assert one.channel.wire.counted.values["set_stock"] == sent and len(one.erp.booked) == orders
        one.engine.rewind.mark = Mark(one.clock.now_ms(), caught_up=True)
        while not all(proof.over for proof in proofs):
            await one.clock.sleep(5)
        assert all(proof.found for proof in proofs)

    world(skus=300, per_minute=0.001).run(story)


def test_nobody_approves_a_repair_while_a_restored_store_is_still_catching_up():
    async def story(one):
        for sku in one.quiet[:12]:
            one.channel.numbers[sku][0] += 3
        proofs = await one.engine.reconciler.ask(flow="inventory", route="", dry_run=False, by="anna")
        while not proofs[0].over:
            await one.clock.sleep(5)
        operations = Operations(one.engine)
        waits = await opened(one, one.stock)
        one.engine.rewind.mark = Mark(one.clock.now_ms())
        asked = {"route": one.stock.name, "key": "", "cause": "", "approve": True, "by": "anna"}
        with pytest.raises(NotPossible) as told:
            await decide(one.engine, operations, **asked)
        assert told.value.code == "catching_up"
        assert await opened(one, one.stock) == waits and "waiting" in waits.values()
        one.engine.rewind.mark = None
        assert (await decide(one.engine, operations, **asked)).count == 12

    world(skus=100, per_minute=0.001, limits=Limits(0, 0, Decimal(1))).run(story)


def test_every_cause_says_what_it_means_and_what_to_do():
    assert {*MEANINGS} == {*Cause}
    assert all(one.says.endswith(".") and one.mend.endswith(".") for one in MEANINGS.values())
