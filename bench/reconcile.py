"""A proof of 100,000 SKU x location rows with 1,000 planted differences of all kinds, 50 orders a minute flowing.

The shop and the ERP are those of ``syncline.simulate.planted``, on the virtual clock: what is changed there tells
nobody, so that only reading both sides again can find it. What was found is held against what was planted.
"""

from __future__ import annotations

import time
from decimal import Decimal

from bench.harness import Report
from syncline.engine.reconcile.differences import MEANINGS, Cause, Limits, Settings
from syncline.simulate.planted import PlantedWorld, Verdict

SKUS, PLANTED, SEED = 33_334, 1_000, 1  # at three locations each
QUICK_SKUS, QUICK_PLANTED = 1_000, 150
NAME = "reconcile"
MEND_S = 900.0
PER_MINUTE = 55.0  # by chance, so that no fewer than 50 flow


def run(*, quick: bool) -> Report:
    """Plant, prove without and with repair, and prove again."""
    report = Report(NAME)
    began = time.process_time()
    limits = Limits(records=100_000, units=10_000_000, share=Decimal(1))
    world = PlantedWorld(
        seed=SEED,
        skus=QUICK_SKUS if quick else SKUS,
        per_minute=PER_MINUTE,
        settings=Settings(0, limits=limits),
    )

    async def story(one: PlantedWorld) -> tuple[Verdict, Verdict]:
        await one.plant(QUICK_PLANTED if quick else PLANTED)
        first = await one.judged(dry_run=False)
        await one.clock.sleep(MEND_S)
        return first, await one.judged(dry_run=True)

    first, then = world.run(story)
    rows = sum(first.rows.values())
    report.add("rows compared", rows, "rows", least=300 if quick else 100_000, gated=True)
    report.add(
        "differences planted", first.planted, "", least=QUICK_PLANTED if quick else PLANTED, gated=True
    )
    report.add("of them not found, or not named", len(first.missed), "", most=0, gated=True)
    report.add("named without being there", len(first.wrong), "", most=0, gated=True)
    report.add("orders that flowed meanwhile", first.orders / first.took_s * 60, "a minute", least=50)
    report.add("in flight to the end", first.in_flight, "")
    report.add("the whole proof, virtual time", first.took_s, "s")
    mendable = sum(n for cause, n in then.counts.items() if MEANINGS[Cause(cause)].repaired)
    report.add("left of what is mended, after repair", mendable, "", most=0, gated=True)
    report.add("processor time of all of it", time.process_time() - began, "s")
    report.data = {"first": first.counts, "after repair": then.counts}
    report.notes.append("by cause: " + ", ".join(f"{n} {cause}" for cause, n in sorted(first.counts.items())))
    return report
