"""A kiosk, the simulated ERP, and Syncline between them: the connector of ``syncline.testing.kiosk`` at work.

``syncline connector new NAME`` writes a package of its own from that connector, with its simulator and its tests.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from stage import Stage

from syncline.connectors.netsuite import CONNECTOR as NETSUITE
from syncline.engine.engine import Engine
from syncline.engine.inquiry import explain
from syncline.engine.routes import Route, Routes
from syncline.inventory.rules import Layer, Level, Rules, fixed
from syncline.model.change import Flow
from syncline.ports import Opening
from syncline.simulate.network import FaultyTransport
from syncline.testing.kiosk.connector import CONNECTOR, COUNTER, KioskSettings
from syncline.testing.kiosk.simulator import TOKEN, KioskSimulator

SKU, URL = "MUG-BLUE", "https://kiosk.example"


async def story(stage: Stage) -> None:
    erp, clock = stage.erp, stage.clock
    kiosk = KioskSimulator(clock=clock, rng=Random(1), stock={SKU: 0})
    stage.apps.register(URL, kiosk)
    network = FaultyTransport(stage.apps, clock, Random(1))
    warehouse = str(stage.trade.locations[0][0])
    routes = Routes(
        [
            Route(
                Flow.INVENTORY,
                "erp",
                "kiosk",
                60_000,
                locations={warehouse: COUNTER},
                rules=Rules([Layer(Level.CHANNEL, {"buffer": fixed(1)})]),
                poll_interval_ms=30_000,
                reconcile_interval_ms=3_600_000,
            ),
            Route(Flow.ORDERS, "kiosk", "erp", 60_000, poll_interval_ms=30_000),
        ]
    )
    systems = [
        CONNECTOR.open(Opening("kiosk", KioskSettings(url=URL, token=TOKEN), clock, Random(2), network)),
        NETSUITE.open(Opening("erp", stage.world.settings()[1], clock, Random(3), network)),
    ]
    engine = Engine(
        store=stage.store, clock=clock, rng=Random(4), systems=systems, routes=routes, owner="embedded"
    )
    running = stage.loop.create_task(engine.run())

    in_warehouse = erp.available(SKU, int(warehouse))
    await stage.until(lambda: kiosk.stock[SKU] == in_warehouse - 1)
    stage.say(
        f"the ERP has {in_warehouse} in its main warehouse; the kiosk shows {kiosk.stock[SKU]} (buffer 1)"
    )

    number = kiosk.sell(SKU, 2, "6.50")
    stage.say("the kiosk sells 2")
    await stage.until(lambda: erp.find_order(f"kiosk-{number}") is not None)
    stage.say(f"the ERP holds the sale as kiosk-{number}")

    network.faults.lose_answer_rate = 0.25
    erp.withdraw(SKU, int(warehouse), 3, by="warehouse")
    stage.say("the warehouse takes 3, and every fourth answer gets lost")
    await stage.until(lambda: kiosk.stock[SKU] == erp.available(SKU, int(warehouse)) - 1, at_most_s=3_600)
    network.faults.lose_answer_rate = 0.0
    stage.say(f"the kiosk shows {kiosk.stock[SKU]}; answers lost meanwhile: {network.met['answer lost']}")

    for step in (await explain(engine, SKU, "kiosk"))[0].steps:
        print(f"    {step.label}: {step.value}  {step.note}".rstrip())
    print(
        f"the kiosk's ledger: {dict(kiosk.ledger.calls_by_operation)}, breaches {dict(kiosk.ledger.breaches)}"
    )
    assert not kiosk.ledger.breaches
    assert len(erp.sales_orders_by_external_id()) == 1
    running.cancel()


Stage({SKU: 20}).play(story)
