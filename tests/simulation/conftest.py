"""Which seeds and systems run: all of them, or those that ``make simulate SEED=… ERP=… CHANNEL=…`` names."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Mapping

import pytest
import structlog

SEEDS = range(1, 201)
PAIR_SEEDS = range(1, 3)
PAIRS = (
    ("netsuite", "adobe-commerce"),
    ("business-central", "shopify"),
    ("business-central", "adobe-commerce"),
)
ONCE = (("files", "shopify"), ("netsuite", "files"))  # files have plays of their own besides


def pair_of(environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The ERP and the channel that are asked for, if any is."""
    erp, channel = environment.get("ERP", ""), environment.get("CHANNEL", "")
    return (erp or "netsuite", channel or "shopify") if erp or channel else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen, pair = os.environ.get("SEED", ""), pair_of(os.environ)
    if "erp" in metafunc.fixturenames:
        plays = [(*each, seed) for each in ([pair] if pair else PAIRS) for seed in PAIR_SEEDS]
        plays += [(*each, PAIR_SEEDS[0]) for each in (() if pair else ONCE)]
        if chosen:
            plays = list(dict.fromkeys((erp, channel, int(chosen)) for erp, channel, _ in plays))
        metafunc.parametrize(("erp", "channel", "seed"), plays)
    elif "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", [int(chosen)] if chosen else SEEDS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One seed, or one pair of systems, means that and nothing else."""
    seed, pair = os.environ.get("SEED", ""), pair_of(os.environ)
    wanted = {*(("seed",) if seed else ()), *(("erp",) if pair else ())}
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        if item.get_closest_marker("simulation") and (
            not wanted <= names or (seed and not pair and "erp" in names)
        ):
            item.add_marker(pytest.mark.skip(reason="SEED, ERP or CHANNEL name others"))


@pytest.fixture(scope="session", autouse=True)
def _fast():
    """No log lines by the thousand, and a collector that does not walk the libraries again and again."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    gc.collect()
    gc.freeze()
    thresholds = gc.get_threshold()
    gc.set_threshold(20_000, 20, 20)
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    structlog.configure(**before)


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": "src"}
