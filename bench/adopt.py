"""Taking over 50,000 SKUs and 20,000 orders: how many calls, beside the fewest that read both sides once.

The floor is counted from what the simulators hold, in the largest pages that the vendors give: 250
variants, 250 orders, three whole orders that are still to be sent, 1,000 items, 1,000 sales orders.
Time is virtual, as long as the vendors' limits and answer times make it.
"""

from __future__ import annotations

import math
import time
from random import Random

from bench.harness import Report, hush
from syncline.engine.adopt.orders import Fate
from syncline.engine.adopt.report import ChannelReport
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.takeover import Past, TakeOver
from syncline.simulate.transport import AsgiTransport
from syncline.simulate.world import World
from syncline.stores.sqlite import SqliteStore

NAME = "adopt"
START_MS = 1_790_000_000_000
MORE_CALLS_MAX = 1.05
SHOP_PAGE, ERP_PAGE, WHOLE_ORDERS = 250, 1_000, 3


def past_of(skus: int, orders: int) -> Past:
    """A past of some size, a fiftieth of its orders still to be sent, and of every oddity some."""
    odd = max(3, skus // 500)
    return Past(
        skus=skus,
        orders=orders,
        open=orders // 50,
        respelled=odd,
        by_barcode=odd,
        blank=odd,
        doubled=odd,
        unnamed=20,
        missing=10,
        twice=5,
        different=5,
    )


def fewest_calls(past: TakeOver, report: ChannelReport) -> int:
    """Every page of both sides, once, and full."""
    shop, erp = past.world.shop, past.world.erp
    sales_orders = sum(txn.record == "salesOrder" for txn in erp.account.txns.values())
    whole = sum(len(report.of(fate)) for fate in (Fate.ADOPT, Fate.LEAVE, Fate.EXPORT))
    lines = sum(len(verdict.whole.lines) for verdict in report.of(Fate.ADOPT) if verdict.whole)
    return sum(
        (
            math.ceil(len(shop.state.variants) / SHOP_PAGE),
            math.ceil(len(shop.orders) / SHOP_PAGE),
            math.ceil(whole / WHOLE_ORDERS),
            math.ceil(len(erp.account.items) / ERP_PAGE),
            math.ceil(sales_orders / ERP_PAGE),
            math.ceil(lines / ERP_PAGE),
            2,  # the locations of each
        )
    )


def run(*, quick: bool = False) -> Report:
    """One take-over. A quick one says nothing of the share: a dozen calls come with any size."""
    report = Report(NAME)
    hush()
    past = past_of(5_000, 4_000) if quick else past_of(50_000, 20_000)
    loop = VirtualLoop(START_MS)
    try:
        loop.run_until_complete(_play(loop, past, report, gated=not quick))
    finally:
        loop.close()
    return report


async def _play(loop: VirtualLoop, size: Past, report: Report, *, gated: bool) -> None:
    clock = VirtualClock(loop)
    apps = AsgiTransport({})
    world = World(clock=clock, rng=Random(1), transport=apps)
    apps.register(world.erp.origin, world.erp)
    apps.register(f"https://{world.shop.shop}", world.shop)
    past = TakeOver(world, size, Random(2))
    await past.live()
    ledgers = (world.shop.ledger, world.erp.ledger)

    def calls() -> int:
        return sum(sum(ledger.calls_by_operation.values()) for ledger in ledgers)

    store = SqliteStore.open(":memory:", now_ms=clock.now_ms())
    systems = past.systems(apps, Random(3))
    wall, virtual, cpu = time.perf_counter(), clock.monotonic(), time.process_time()
    survey = await past.adopter(store, systems, Random(4)).run(apply=True)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    (channel,) = survey.channels
    made, fewest = calls(), fewest_calls(past, channel)
    report.add("SKUs at the shop", len(world.shop.state.variants))
    report.add("orders at the shop", len(world.shop.orders))
    report.add("of them adopted, still to be sent", len(channel.of(Fate.ADOPT)))
    report.add("calls", made)
    report.add("the fewest that read both sides once", fewest)
    report.add("calls / the fewest", made / fewest, "x", most=MORE_CALLS_MAX, gated=gated)
    breaches = sum(sum(ledger.breaches.values()) for ledger in ledgers)
    report.add("limits breached", breaches, most=0, gated=True)
    wrong = size.orders - sum(len(channel.of(fate)) for fate in (Fate.ADOPT, Fate.CLOSE))
    report.add("orders not found once in the ERP", wrong, most=size.missing + size.twice, gated=True)
    report.add("time at the vendors' limits and answer times", clock.monotonic() - virtual, "s")
    report.add("wall", wall, "s")
    report.add("CPU", cpu, "s")
    before = calls()
    await past.adopter(store, systems, Random(5)).run(apply=True)
    report.add("calls of a second run, with everything known", calls() - before)
    await store.close()
