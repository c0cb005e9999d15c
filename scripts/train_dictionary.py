"""Train a dictionary for the bodies in the log: ``python scripts/train_dictionary.py FILE``.

Plays the simulated systems, two seeds for each pair, and trains on what they sent. The dictionary in use never
changes, because what was packed with it can only be read with it; a better one gets a name of its own and is added to
``DICTIONARIES`` in ``syncline/stores/bodies.py``.
"""

from __future__ import annotations

import logging
import sys
from collections import defaultdict
from pathlib import Path
from typing import cast

import structlog
import zstandard

from syncline.simulate.simulation import Plan, Simulation
from syncline.stores.bodies import LEVEL
from syncline.stores.sqlite import SqliteStore

SIZE = 16_384
EACH_MAX = 150  # bodies of one topic, so that the most frequent do not fill the dictionary
EVENTS_MAX = 100_000
SEEDS = (1, 2)
PAIRS = [
    (erp, channel) for erp in ("netsuite", "business-central") for channel in ("shopify", "adobe-commerce")
]


def bodies() -> list[bytes | bytearray | memoryview]:
    """What the systems sent, some of each topic."""
    by_topic: defaultdict[tuple[str, str], list[bytes]] = defaultdict(list)
    for erp, channel in PAIRS:
        first = (erp, channel) == PAIRS[0]
        for seed in SEEDS:
            plan = Plan(
                orders=40,
                minutes=25,
                skus=60,
                kills=0,
                prices=first and seed == 1,
                products=first and seed == 2,
            )
            simulation = Simulation(seed, plan, channel=channel, erp=erp)
            simulation.run()
            store = cast("SqliteStore", simulation._store)  # noqa: SLF001 (it has no other reader)
            for logged in store.event_rows(0, EVENTS_MAX):
                event = logged.event
                by_topic[erp if event.system == "erp" else channel, event.topic].append(event.body)
    return [body for found in by_topic.values() for body in found[:EACH_MAX]]


def main() -> None:
    """Write the file, which must be new."""
    path = Path(sys.argv[1])
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    trained = zstandard.train_dictionary(SIZE, bodies(), level=LEVEL)
    with path.open("xb") as file:
        file.write(trained.as_bytes())
    print(f"{path}: {len(trained)} bytes, id {trained.dict_id()}")


if __name__ == "__main__":
    main()
