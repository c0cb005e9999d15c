"""Which seeds run: all of them, or the one that ``make simulate SEED=…`` names."""

from __future__ import annotations

import gc
import logging
import os

import pytest
import structlog

SEEDS = range(1, 201)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        chosen = os.environ.get("SEED", "")
        metafunc.parametrize("seed", [int(chosen)] if chosen else SEEDS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One seed means that seed and nothing else."""
    if os.environ.get("SEED", ""):
        for item in items:
            if item.get_closest_marker("simulation") and "seed" not in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(reason="SEED names one seed"))


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
