"""What the planner foretells, beside an engine that runs as planned between a NetSuite and a Shopify, both simulated."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from syncline.engine.alerts.planned import Planned, PlannedRoute, Rates, compare
from syncline.engine.routes import Routes
from syncline.engine.status import status
from syncline.planner.choice import planned
from syncline.planner.plan import Pattern, Plan, fed
from syncline.runtime.plan import question_of
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.history import HistoryLine, HistoryOrder, StockCase
from syncline.simulate.hooks import HooksApp
from syncline.simulate.transport import AsgiTransport
from syncline.simulate.world import World
from syncline.stores.sqlite import SqliteStore

pytestmark = pytest.mark.simulation

START_MS = 1_772_438_400_000
HOOKS = "https://syncline.example"
SKUS = 40
ROUNDS = 18
QUESTION = """\
[systems.erp]
vendor = "netsuite"
licence = "standard"
events = {events}
[systems.shop]
vendor = "shopify"
events = {events}
[volumes]
skus = 40
locations = 2
orders_per_day = 1200
stock_moves_per_day = 2400
[[flows]]
flow = "inventory"
from = "erp"
to = "shop"
tolerance = "{stock}"
if_event_lost = "6m"
[[flows]]
flow = "orders"
from = "shop"
to = "erp"
tolerance = "{orders}"
[[flows]]
flow = "order_status"
from = "erp"
to = "shop"
tolerance = "10m"
if_event_lost = "20m"
"""


class PlannedWorld(World):
    """The usual two systems, their routes fed as a plan has it."""

    plan: Plan

    def routes(self) -> Routes:
        captures = self.plan.captures()
        return Routes([fed(route, captures[route.name]) for route in super().routes().all])


def play(plan: Plan, *, events: bool):
    """Trade for as many minutes as there are rounds; returns the lags by route, and the last status."""
    loop = VirtualLoop(START_MS)
    clock = VirtualClock(loop)
    rng = Random(3)
    apps = AsgiTransport({})
    world = PlannedWorld(clock=clock, rng=Random(3), transport=apps)
    world.plan = plan
    stock = {f"SKU-{n}": 60 for n in range(SKUS)}
    case = StockCase(stock, dict.fromkeys(stock, "Mug"), dict.fromkeys(stock, Decimal("6.50")))
    world.trade.stock(case, stock)
    apps.register(world.erp.origin, world.erp)
    apps.register(f"https://{world.shop.shop}", world.shop)
    store = SqliteStore.open(":memory:", now_ms=START_MS)

    async def story():
        world.run_people()
        engine = world.open_engine(store, world.open_systems(apps, rng), rng)
        hooks = HooksApp()
        hooks.engine = engine if events else None
        apps.register(HOOKS, hooks if events else None)
        running = loop.create_task(engine.run())
        await world.connect(engine, lambda system: f"{HOOKS}/hooks/{system}")
        await clock.sleep(600)
        began_ms = clock.now_ms()
        for number in range(ROUNDS):
            line = HistoryLine(f"SKU-{rng.randrange(SKUS)}", "Mug", 1, Decimal("6.50"))
            world.trade.place(HistoryOrder(str(number), clock.now_ms(), "1", "United Kingdom", (line,)))
            world.trade.receive(2)
            world.trade.ship(1)
            await clock.sleep(20 + 80 * rng.random())
        await clock.sleep(1_800)
        seen = await status(engine, clock.now_ms())
        lags = {
            route.name: [
                row[2] for row in await store.read("lags", route=route.name, since=began_ms, limit=10_000)
            ]
            for route in engine.routes.all
        }
        running.cancel()
        return lags, seen

    found = loop.run_until_complete(story())
    loop.set_exception_handler(lambda *_: None)
    return found


@pytest.mark.parametrize("events", [True, False], ids=["events", "reads"])
def test_every_lag_is_within_its_worst_case_and_no_bound_exaggerates(events):
    text = QUESTION.format(
        events=str(events).lower(), stock="20s" if events else "5m", orders="20s" if events else "5m"
    )
    plan = planned(question_of(text))
    assert plan.kept
    assert {one.capture.pattern for one in plan.routes} <= ({Pattern.EVENT, Pattern.POLL})
    lags, seen = play(plan, events=events)
    for one in plan.routes:
        foretold = one.segments[0]
        measured = lags[one.name]
        assert len(measured) >= ROUNDS * 3 // 4, one.name
        assert max(measured) <= foretold.normal_ms, one.name
        assert foretold.normal_ms <= 3 * max(measured), one.name
    figures = Planned(
        {
            one.name: PlannedRoute(one.segments[0].normal_ms, one.segments[0].lost_ms, 10**6)
            for one in plan.routes
        }
    )
    assert [one for one in compare(figures, seen, Rates()) if one.drift] == []


def test_every_lag_is_within_its_other_worst_case_if_all_events_are_lost():
    plan = planned(question_of(QUESTION.format(events="true", stock="20s", orders="20s")))
    assert {one.capture.pattern for one in plan.routes} >= {Pattern.EVENT}
    lags, _ = play(plan, events=False)
    for one in plan.routes:
        assert max(lags[one.name]) <= one.segments[0].lost_ms, one.name
