"""Which seeds and systems run: all of them, or those that ``make simulate SEED=… ERP=… CHANNEL=…`` names."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import pytest
import structlog

from syncline.engine.engine import Engine

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


# What code raises that is wrong; what it plans to raise are errors of its own.
MISTAKES = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, TypeError, ValueError)
_broken: list[str] = []


def _mistakes_of(error: BaseException | None) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _mistakes_of(part)
    elif isinstance(error, MISTAKES):
        yield error


def _note(error: BaseException | None) -> None:
    for mistake in _mistakes_of(error):
        at = mistake.__traceback__
        while at is not None and at.tb_next is not None:
            at = at.tb_next
        where = f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at is not None else "somewhere"
        _broken.append(f"{where}: {type(mistake).__name__}: {mistake}")


def _note_logged(logger: Any, method: str, event: dict[str, Any]) -> NoReturn:
    told = event.get("exc_info")
    _note(told if isinstance(told, BaseException) else sys.exc_info()[1] if told else None)
    raise structlog.DropEvent


@pytest.fixture(autouse=True)
def _nothing_breaks(monkeypatch):
    """No part of Syncline raises what nobody planned, least of all one that was given a mistake.

    Of an engine that dies of a ``TypeError`` every checker says that nothing agrees: then a mutant that no longer
    fits what it changes is caught, and proves nothing.
    """
    run = Engine.run

    async def noted(self: Engine) -> None:
        try:
            await run(self)
        except Exception as error:
            _note(error)
            raise

    monkeypatch.setattr(Engine, "run", noted)
    _broken.clear()
    yield
    assert not _broken, "\n".join(dict.fromkeys(_broken))


@pytest.fixture(scope="session", autouse=True)
def _fast():
    """No log lines by the thousand, and a collector that does not walk the libraries again and again."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR), processors=[_note_logged]
    )
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
