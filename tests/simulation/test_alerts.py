"""Every scripted fault alarms once, in time, and is closed when it ends; a day without faults alarms nobody.

Each fault happens alone in a world that trades. What counts is what reached the people: messages with a valid
signature at their address, and e-mails in their postbox.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.simulation.alert_stage import START_MS, WARM_UP_S, Stage

from syncline.connectors.shopify.simulator.commerce import CartLine
from syncline.engine.alerts.watch import Settings
from syncline.engine.audit import Audit
from syncline.engine.operations import Operations
from syncline.engine.status import status
from syncline.engine.switches import Switches
from syncline.freshness.feeds import REMEMBERED_H
from syncline.model.copying import replace
from syncline.model.delivery import Outcome, Result
from syncline.model.errors import Retryable
from syncline.ports import Expiry, Page, Write
from syncline.simulate.world import ERP, SHOP

pytestmark = pytest.mark.simulation

MINUTE_S = 60.0
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WARNED_MS = START_MS + round(WARM_UP_S + 60) * 1000  # a minute into each fault
POLL_S = 240.0
TOLERANCE_S = 20.0  # of an order, on this stage
NEXT_ORDER_S = 180.0  # with one every 45 seconds, none comes for so long once in fifty times
AUDIT_S = 300.0
CALM_S = 2400.0  # what comes back has to be quiet for up to half an hour


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, its one alert, and how soon its tolerance can be missed at the latest.

    ``missed_s`` counts from the beginning of the fault. ``late``: the tolerance is that of deliveries, and what
    counts is the first one seen past its deadline; without one, ``missed_s``. ``seeds``: more than one where it
    is chance what there is to be seen of it.
    """

    name: str
    key: str
    begin: Callable[[Stage], Any]
    end: Callable[[Stage], Any]
    missed_s: float
    late: bool = False
    lasts_s: float = 900.0
    stage: dict[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = (1,)
    before: Callable[[Stage], Any] = lambda stage: None

    def __str__(self) -> str:
        return self.name


def setting(target: str, name: str, value: Any) -> dict[str, Callable[[Stage], Any]]:
    """A fault of a simulator that is switched on and off."""

    def at(stage: Stage) -> Any:
        return getattr(stage.world, target).faults

    calm = {"down": False, "reject_auth": False}.get(name, 0.0)
    return {
        "begin": lambda stage: setattr(at(stage), name, value),
        "end": lambda stage: setattr(at(stage), name, calm),
    }


class Wrapped:
    """Replaces a method of one object, and puts it back."""

    def __init__(self, find: Callable[[Stage], Any], name: str, make: Callable[[Any], Any]) -> None:
        self.find, self.name, self.make = find, name, make

    def begin(self, stage: Stage) -> None:
        target = self.find(stage)
        setattr(target, self.name, self.make(getattr(target, self.name)))

    def end(self, stage: Stage) -> None:
        delattr(self.find(stage), self.name)


def wrapped(find: Callable[[Stage], Any], name: str, make: Callable[[Any], Any]) -> dict[str, Any]:
    both = Wrapped(find, name, make)
    return {"begin": both.begin, "end": both.end}


def source(system: str) -> Callable[[Stage], Any]:
    return lambda stage: stage.engine.systems[system].source


def sink(system: str) -> Callable[[Stage], Any]:
    return lambda stage: stage.engine.systems[system].sink


def ends(stage: Stage, *expiries: Expiry, of: str = ERP) -> None:
    """What a system says of the end of its credentials, from now on."""
    stage.engine.systems[of] = replace(stage.engine.systems[of], expiries=lambda: expiries)


# --- faults that need more than a switch --------------------------------------------------------------------


def failing_read(stream: str) -> Callable[[Any], Any]:
    def make(poll: Any) -> Any:
        async def bad(name: str, cursor: Any) -> Any:
            if name == stream:
                raise Retryable("HTTP 500 on this one")
            async for page in poll(name, cursor):
                yield page

        return bad

    return make


def hanging_read(stream: str) -> Callable[[Any], Any]:
    def make(poll: Any) -> Any:
        async def bad(name: str, cursor: Any) -> Any:
            if name == stream:
                await asyncio.sleep(1200.0)  # noqa: TID251 (virtual: the loop jumps)
            async for page in poll(name, cursor):
                yield page

        return bad

    return make


def emptied(poll: Any) -> Any:
    """A feed that was cut off: every figure of a full read is zero."""

    async def bad(name: str, cursor: Any) -> Any:
        async for page in poll(name, cursor):
            if name != "stock":
                yield page
                continue
            events = []
            for event in page.events:
                rows = msgspec.json.decode(event.body)
                for row in rows:
                    row["on_hand"] = row["available"] = "0"
                body = msgspec.json.encode(rows)
                events.append(msgspec.structs.replace(event, event_id=f"{event.event_id}:cut", body=body))
            yield Page(tuple(events), page.cursor, page.last)

    return bad


def cut_feed(stage: Stage) -> None:
    wrapped(source(ERP), "poll", emptied)["begin"](stage)
    for poller in stage.engine.pollers:
        if poller.stream.name == "stock":
            poller.nudge()


async def settle_all(stage: Stage) -> None:
    """A person goes through Parked and decides against everything there."""
    operations = Operations(stage.engine)
    for entry in await operations.parked():
        await operations.discard(entry.id, by="Otto")


async def mend_feed(stage: Stage) -> None:
    del stage.engine.systems[ERP].source.poll
    await settle_all(stage)


def slow(deliver: Any) -> Any:
    async def bad(*arguments: Any) -> Any:
        await asyncio.sleep(25.0)  # noqa: TID251 (virtual: the loop jumps)
        return await deliver(*arguments)

    return bad


def rejecting(deliver: Any) -> Any:
    async def bad(operation: str, items: Any, key: str) -> Any:
        if operation == "put_order":
            return [Outcome(Result.REJECTED, "a period that is closed") for _ in items]
        return await deliver(operation, items, key)

    return bad


async def accept_again(stage: Stage) -> None:
    del stage.engine.systems[ERP].sink.deliver
    operations = Operations(stage.engine)
    for entry in await operations.parked():
        await operations.release(entry.id, by="Otto")


def sell_unknown(stage: Stage) -> None:
    """The shop sells something that the ERP does not know."""
    world = stage.world
    if "GHOST" not in world.trade.skus:
        at = world.trade.locations[0][1]
        world.shop.add_product("GHOST", "A lantern nobody listed", Decimal(10), {at: 50})
    line = CartLine("GHOST", 1, Decimal(10))
    world.shop.checkout([line], shipping=Decimal(0), tax_rate=Decimal(0), source_reference="ghost")


async def list_it(stage: Stage) -> None:
    """Somebody creates the item in the ERP; the order then goes on by itself."""
    stage.world.erp.add_item("GHOST", "A lantern nobody listed", Decimal(10))
    for poller in stage.engine.pollers:
        if poller.stream.name == "items":
            poller.nudge()


def steal_stock(stage: Stage) -> None:
    """Somebody sets a lower number at the channel, and nobody bought anything."""
    world = stage.world
    sku, erp_at = next((sku, at) for sku, at in world.trade._safe if world.trade.should_show(sku, at) > 20)
    at = dict(world.trade.locations)[erp_at]
    world.shop.set_available(sku, at, world.shop.available(sku, at) - 5)
    world.erp.withdraw(sku, erp_at, 1, by="warehouse")  # the next write meets it


async def give_back(stage: Stage) -> None:
    for row in await stage.store.read("unseen", limit=99):
        sku, _, location = row[1].partition("\x1f")
        await Operations(stage.engine).release_unseen(SHOP, sku, location, by="Otto")


def hang_log(stage: Stage) -> None:
    applier = stage.engine.applier
    step = applier.step
    stage.gate = asyncio.Event()

    async def stuck() -> bool:
        await stage.gate.wait()
        return await step()

    applier.step = stuck


def free_log(stage: Stage) -> None:
    stage.gate.set()
    del stage.engine.applier.step


async def take_lease(stage: Stage) -> None:
    """Another worker takes the log over, and drives it until it ends."""
    row = {"name": "apply", "owner": "other", "fence": 0, "now_ms": stage.clock.now_ms() + 10**9, "ttl_ms": 1}
    assert (await stage.store.write(Write("lease_take", [row])))[0]


async def come_back(stage: Stage) -> None:
    rows = [{"name": "apply", "owner": "other", "fence": fence} for fence in range(1, 9)]
    await stage.store.write(Write("lease_drop", rows))
    await stage.stop()
    stage.start()


def rotate(stage: Stage) -> None:
    stage.world.shop.client_secrets[:] = ["shpss_rotated_without_telling_us"]


def rotate_back(stage: Stage) -> None:
    stage.world.shop.client_secrets[:] = ["simulated-client-secret-0123456789"]


def learned_steady(stage: Stage) -> None:
    """Three weeks in which something came in forty of sixty minutes, day and night."""
    now_h = START_MS // HOUR_MS
    busy = {str(now_h - back): 40 for back in range(1, REMEMBERED_H)}
    stage.watch._trends.recall({SHOP: busy})


def silence(stage: Stage) -> None:
    stage.trading.set()


def jump_back(stage: Stage) -> None:
    stage.clock.step_ms -= 120_000


def nothing(stage: Stage) -> None:
    """The fault was a moment, or ends by itself."""


def fill_disk(stage: Stage) -> None:
    stage.disk = (3 * 10**9, 100 * 10**9)


def clear_disk(stage: Stage) -> None:
    stage.disk = (80 * 10**9, 100 * 10**9)


FAULTS = [
    Fault("erp_down", "system_down/erp", **setting("erp", "down", True), missed_s=NEXT_ORDER_S, late=True),
    Fault("shop_down", "system_down/shop", **setting("shop", "down", True), missed_s=POLL_S, late=True),
    Fault(
        "erp_refuses_the_token",
        "credential_refused/erp",
        **setting("erp", "reject_auth", True),
        missed_s=NEXT_ORDER_S,
        late=True,
    ),
    Fault(
        "shop_refuses_the_token",
        "credential_refused/shop",
        **setting("shop", "reject_auth", True),
        missed_s=NEXT_ORDER_S,
        late=True,
    ),
    Fault(
        "credential_expires_soon",
        "credential_expiring/erp",
        begin=nothing,
        before=lambda stage: ends(stage, Expiry("certificate", WARNED_MS + 30 * DAY_MS, "the certificate")),
        end=lambda stage: ends(stage, Expiry("certificate", WARNED_MS + 365 * DAY_MS, "the certificate")),
        missed_s=60.0,
    ),
    Fault(
        "credential_expires_within_a_week",
        "credential_expiring/shop",
        begin=nothing,
        before=lambda stage: ends(
            stage,
            Expiry("access token", WARNED_MS + 7 * DAY_MS, "the token"),
            Expiry("client secret", WARNED_MS + 8 * DAY_MS, "the configuration"),
            of=SHOP,
        ),
        end=lambda stage: ends(stage, of=SHOP),
        missed_s=60.0,
        stage={"settings": Settings(expires_within_ms=7 * DAY_MS)},
    ),
    Fault(
        "subscription_deleted",
        "subscription/shop",
        begin=lambda stage: stage.world.shop.state.subscriptions.clear(),
        end=nothing,
        missed_s=AUDIT_S,
    ),
    Fault(
        "shop_events_lost",
        "events_lost/shop",
        **setting("shop", "webhook_lose_rate", 1.0),
        missed_s=2 * POLL_S + MINUTE_S,
        lasts_s=1800.0,
        seeds=(1, 2),
    ),
    Fault(
        "erp_pushes_lost",
        "events_lost/erp",
        **setting("erp", "webhook_lose_rate", 1.0),
        missed_s=2 * POLL_S + MINUTE_S,
        lasts_s=1800.0,
        seeds=(1, 2),
    ),
    Fault(
        "a_read_fails",
        "read_failing/erp.transactions",
        **wrapped(source(ERP), "poll", failing_read("transactions")),
        missed_s=POLL_S + 10,
    ),
    Fault(
        "a_read_hangs",
        "read_overdue/shop.orders",
        **wrapped(source(SHOP), "poll", hanging_read("orders")),
        missed_s=1.5 * POLL_S + 120 + POLL_S,
        lasts_s=1500.0,
    ),
    Fault(
        "feed_silent",
        "feed_silent/shop",
        begin=silence,
        before=learned_steady,
        end=lambda stage: stage.trading.clear(),
        missed_s=16.2 / 40 * 3600 + MINUTE_S,
        lasts_s=2400.0,
    ),
    Fault(
        "shop_throttled_to_a_crawl",
        "budget/shop",
        **setting("shop", "throttle_rate", 1.0),
        missed_s=NEXT_ORDER_S,
        late=True,
    ),
    Fault(
        "erp_throttled_to_a_crawl",
        "budget/erp",
        **setting("erp", "throttle_rate", 1.0),
        missed_s=NEXT_ORDER_S,
        late=True,
    ),
    Fault(
        "lane_too_slow_for_its_deadlines",
        "behind/shop",
        **wrapped(sink(SHOP), "deliver", slow),
        missed_s=NEXT_ORDER_S,
        late=True,
    ),
    Fault(
        "order_that_cannot_be_mapped",
        "parked/erp.unknown_sku",
        begin=sell_unknown,
        end=list_it,
        missed_s=TOLERANCE_S,
    ),
    Fault(
        "sink_rejects_values",
        "parked/erp.rejected",
        begin=wrapped(sink(ERP), "deliver", rejecting)["begin"],
        end=accept_again,
        missed_s=NEXT_ORDER_S + TOLERANCE_S,
        lasts_s=300.0,
    ),
    Fault("snapshot_guard_waits", "guard/erp", begin=cut_feed, end=mend_feed, missed_s=30.0),
    Fault("disk_fills", "disk/store", begin=fill_disk, end=clear_disk, missed_s=0.0),
    Fault("clock_jumps_back", "clock/machine", begin=jump_back, end=nothing, missed_s=0.0, lasts_s=60.0),
    Fault(
        "number_falls_at_the_channel",
        "unseen/shop",
        begin=steal_stock,
        end=give_back,
        missed_s=POLL_S * 2 + 60,
        seeds=(1, 2),
    ),
    Fault(
        "comparison_leaves_differences",
        "drift/shop.inventory",
        begin=lambda stage: stage.engine.notices.drift(SHOP, "inventory", found=40, repaired=37),
        end=lambda stage: stage.engine.notices.drift(SHOP, "inventory", found=0, repaired=0),
        missed_s=0.0,
    ),
    Fault("log_stuck", "log_stuck/store", begin=hang_log, end=free_log, missed_s=NEXT_ORDER_S, lasts_s=240.0),
    Fault(
        "worker_lost_its_lease",
        "stopped/syncline",
        begin=take_lease,
        end=come_back,
        missed_s=30.0,
        lasts_s=60.0,
    ),
    Fault("webhook_secret_rotated", "forged/shop", begin=rotate, end=rotate_back, missed_s=2 * NEXT_ORDER_S),
]


async def one_alert(stage: Stage, fault: Fault) -> tuple[float, float]:
    """Play one fault; returns when it was told, and how long after its tolerance was missed."""
    fault.before(stage)
    began_s = stage.clock.monotonic()
    late_s: list[float] = []

    async def see_late() -> None:
        while not late_s:
            await stage.clock.sleep(1.0)
            if any(route.late for route in (await status(stage.engine, stage.clock.now_ms())).routes):
                late_s.append(stage.clock.monotonic())

    watching = asyncio.ensure_future(see_late()) if fault.late else None
    await run(fault.begin, stage)
    await stage.until(lambda: stage.heard("opened"), fault.missed_s + MINUTE_S)
    told_s = stage.heard("opened")[0][0]
    await stage.clock.sleep(fault.lasts_s)
    if watching is not None:
        watching.cancel()
    await run(fault.end, stage)
    await stage.until(lambda: stage.heard("closed"), CALM_S + 120)
    await stage.clock.sleep(1200.0)
    return told_s - began_s, told_s - (late_s[0] if late_s else began_s + fault.missed_s)


async def run(act: Callable[[Stage], Any], stage: Stage) -> None:
    done = act(stage)
    if done is not None and hasattr(done, "__await__"):
        await done


@pytest.mark.parametrize(
    ("fault", "of_seed"),
    [pytest.param(fault, seed, id=f"{fault}-{seed}") for fault in FAULTS for seed in fault.seeds],
)
def test_a_fault_alarms_once_in_time_and_is_closed(fault, of_seed):
    stage = Stage(of_seed, **fault.stage)
    told_s, after_s = stage.play(lambda stage: one_alert(stage, fault))
    said = [(message["event"], message["key"]) for _, message in stage.pager.taken]
    opened = [key for event, key in said if event in ("opened", "again")]
    assert len(opened) == 1, said
    assert {key for _, key in said} >= {fault.key}, said
    assert said[-1] == ("closed", fault.key), said
    assert len(stage.postbox.taken) == len(said)
    assert after_s <= MINUTE_S, (
        f"told {told_s:.0f} s after it began, {after_s:.0f} s after the tolerance was missed"
    )


def test_there_are_faults_enough():
    assert len({fault.name for fault in FAULTS}) >= 20


def test_a_day_without_faults_alarms_nobody():
    async def a_day(stage: Stage) -> None:
        await stage.clock.sleep(86_400.0)

    stage = Stage(order_every_s=300.0)
    stage.play(a_day)
    assert len(stage.world.trade.placed) > 200
    assert stage.watch.looks > 8_000
    assert stage.pager.taken == []
    assert stage.postbox.taken == []
    assert stage.watch.book.entries == []


async def erp_down_for(stage: Stage, seconds: float) -> None:
    stage.world.erp.faults.down = True
    await stage.clock.sleep(seconds)
    stage.world.erp.faults.down = False


def test_an_outage_that_nobody_can_notice_in_time_alarms_nobody():
    async def blip(stage: Stage) -> None:
        for _ in range(5):
            await erp_down_for(stage, 15.0)
            await stage.clock.sleep(300.0)

    stage = Stage()
    stage.play(blip)
    assert stage.pager.taken == []


def test_what_comes_and_goes_is_one_alert():
    async def flapping(stage: Stage) -> None:
        for _ in range(12):
            await erp_down_for(stage, 120.0)
            await stage.clock.sleep(100.0)
        await stage.clock.sleep(2400.0)

    stage = Stage()
    stage.play(flapping)
    said = [message["event"] for _, message in stage.pager.taken]
    assert said[0] == "opened"
    assert said[-1] == "closed"
    assert said.count("opened") == 1
    assert len(said) <= 10, said
    assert {message["thread"] for _, message in stage.pager.taken} == {stage.pager.taken[0][1]["thread"]}


def test_a_restart_neither_forgets_an_alert_nor_tells_it_again():
    async def restarted(stage: Stage) -> None:
        stage.world.erp.faults.down = True
        await stage.until(lambda: stage.heard("opened"), 240.0)
        for _ in range(3):
            await stage.stop()
            stage.start()
            await stage.clock.sleep(400.0)
        assert [event["event"] for _, event in stage.pager.taken] == ["opened"]
        stage.world.erp.faults.down = False
        await stage.until(lambda: stage.heard("closed"), 1200.0)
        await stage.stop()
        stage.start()
        await stage.clock.sleep(1200.0)

    stage = Stage()
    stage.play(restarted)
    assert [message["event"] for _, message in stage.pager.taken] == ["opened", "closed"]
    assert len(stage.postbox.taken) == 2


def test_an_alert_is_repeated_in_growing_intervals_until_somebody_looks_after_it():
    async def long(stage: Stage) -> list[float]:
        stage.engine.notices.drift(SHOP, "inventory", found=3, repaired=0)
        await stage.clock.sleep(8 * 3600.0)
        moments = [at for at, _ in stage.heard("opened", "repeated")]
        audit = Operations(stage.engine).audit
        await stage.watch.acknowledge("drift/shop.inventory", by="Otto", audit=audit)
        await stage.stop()
        stage.start()
        stage.engine.notices.drift(SHOP, "inventory", found=3, repaired=0)
        await stage.clock.sleep(86_400.0)
        assert len(stage.heard("opened", "repeated")) == len(moments)
        assert (await audit.newest(limit=1))[0].actor == "Otto"
        return moments

    stage = Stage(order_every_s=1800.0)
    moments = stage.play(long)
    gaps = [round((b - a) / 3600) for a, b in itertools.pairwise(moments)]
    assert gaps == [1, 2, 4]


def test_parked_work_that_waits_long_is_said_to_be_worse_in_time():
    async def forgotten(stage: Stage) -> float:
        sell_unknown(stage)
        await stage.until(lambda: stage.heard("opened"), 80.0)
        return stage.heard("opened")[0][0] + await stage.until(lambda: stage.heard("worse"), 3600.0)

    stage = Stage(settings=Settings(parked_after_ms=1_800_000))
    stage.play(forgotten)
    (opened_s, key), (worse_s, _) = stage.heard()
    assert key == "parked/erp.unknown_sku"
    assert 1_740 < worse_s - opened_s < 1_800 + MINUTE_S
    assert [message["severity"] for _, message in stage.pager.taken] == ["warning", "critical"]


def test_a_way_out_that_fails_is_told_by_the_other_and_catches_up():
    async def deaf(stage: Stage) -> None:
        stage.pager.down = True
        fill_disk(stage)
        await stage.until(lambda: len(stage.postbox.taken) == 2, 240.0)
        placed = len(stage.world.trade.placed)
        await stage.clock.sleep(600.0)
        assert len(stage.world.trade.placed) > placed
        assert all(route.late == 0 for route in (await status(stage.engine, stage.clock.now_ms())).routes)
        clear_disk(stage)
        await stage.clock.sleep(600.0)
        stage.pager.down = False
        await stage.clock.sleep(1200.0)

    stage = Stage()
    stage.play(deaf)
    subjects = [mail["Subject"] for _, mail in stage.postbox.taken]
    assert subjects == [
        "[Syncline] The disk of the store has 3.0 GB left",
        "[Syncline] Alerts do not get out by webhook",
        "[Syncline] ended: The disk of the store has 3.0 GB left",
        "[Syncline] ended: Alerts do not get out by webhook",
    ]
    caught_up = [(message["event"], message["kind"]) for _, message in stage.pager.taken]
    assert caught_up == [("opened", "way_failing"), ("closed", "disk"), ("closed", "way_failing")]


@pytest.mark.parametrize("route", [False, True])
def test_what_a_person_has_paused_alarms_nobody(route):
    async def paused(stage: Stage) -> None:
        (stock,) = [
            one.name for one in stage.engine.routes.all if one.sink == SHOP and one.flow == "inventory"
        ]
        subject = stock if route else SHOP
        switches = Switches(stage.engine, Audit(stage.engine.store, stage.clock))
        await switches.pause(subject, by="ana")
        await stage.clock.sleep(3600.0)
        assert any(one.late_apart for one in (await status(stage.engine, stage.clock.now_ms())).routes)
        assert stage.pager.taken == []
        await switches.resume(subject, by="ana")
        await stage.clock.sleep(1200.0)

    stage = Stage()
    stage.play(paused)
    assert stage.pager.taken == []
