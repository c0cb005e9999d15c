"""Two hundred seeds of the whole pipeline under faults and kills, and proof that the checkers see.

``make simulate SEED=7`` plays one seed and prints its report.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.simulation.mutants import MUTANTS

from syncline.simulate import simulation
from syncline.simulate.simulation import Plan, Report, Simulation

ROOT = Path(__file__).parents[2]
CHANGES_MIN = 1_000
FAULTS_MIN = 30
KINDS_MIN = 10
KILLS_MIN = 2
STORY = Plan()  # as small as the least of two hundred seeds allows
# Staff change no numbers here: beside another connector that writes them nobody can tell whose a change is.
SWITCHES = Plan(switches=True, asides=0)
REPLAYED = (3, 11, 42)

pytestmark = pytest.mark.simulation


def told(report: Report) -> str:
    return f"replay with: make simulate SEED={report.seed}\n{report.text()}"


def test_everything_agrees_after_faults_and_kills(seed, record_property):
    report = Simulation(seed, STORY).run()
    sys.stdout.write(f"{report.text()}\n")

    assert report.violations == [], told(report)
    assert report.changes >= CHANGES_MIN, told(report)
    assert report.faults.total() >= FAULTS_MIN, told(report)
    assert len(report.faults) >= KINDS_MIN, told(report)
    assert report.kills.total() >= KILLS_MIN, told(report)

    record_property("total:simulation:seeds", 1)
    record_property("total:simulation:changes", report.changes)
    record_property("total:simulation:calls", report.calls)
    record_property("total:simulation:events acknowledged", report.acknowledged)
    record_property("total:simulation:virtual seconds", round(report.virtual_s))
    record_property("total:simulation:orders", report.truth.orders_placed)
    record_property("total:simulation:faults", report.faults.total())
    record_property("total:simulation:requests hurt by the network", report.hits.total())
    record_property("total:simulation:kills", report.kills.total())
    record_property("total:simulation:parked for a person, with a reason", len(report.parked))
    for kind, count in report.faults.items():
        record_property(f"total:simulation:fault: {kind}", count)
    for where, count in report.kills.items():
        record_property(f"total:simulation:kill: {where}", count)


def test_a_seed_gives_the_same_report_in_any_process(environment):
    """Hashes differ from process to process, so that an order taken from a set would show."""
    program = (
        "import logging, structlog\n"
        "structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))\n"
        "from syncline.simulate.simulation import Simulation\n"
        f"for seed in {REPLAYED}: print(Simulation(seed).run().text())\n"
    )
    running = {
        hash_seed: subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**environment, "PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("1", "4711")
    }
    reports = [process.communicate(timeout=110)[0] for process in running.values()]
    assert reports[0] == reports[1]
    assert reports[0].count("violations: []") == len(REPLAYED)


@pytest.mark.parametrize("number", [1, 2])
def test_trade_without_faults_raises_no_alarm(number):
    report = Simulation(number, Plan(faults=False, kills=0, second_thoughts=False, asides=0)).run()
    assert report.violations == [], told(report)
    assert report.parked == [], told(report)
    assert report.alarms == [], told(report)
    assert not report.breaches, told(report)


@pytest.mark.parametrize("number", [1, 2])
def test_what_the_shop_echoes_makes_no_write_and_hardly_a_reading(number):
    """Our writes come back as events, and so do orders; nothing is written because of them."""

    def played(*, level_events: bool) -> tuple[int, int, Counter[str]]:
        """Calls that wrote stock, calls that read it, and what the shop told."""
        simulation = Simulation(number, Plan(faults=False, kills=0, second_thoughts=False, asides=0))
        simulation.world.level_events = level_events
        report = simulation.run()
        assert report.violations == [], told(report)
        assert simulation.engine is not None
        shop = simulation.world.shop.ledger
        reads = sum(n for name, n in shop.calls_by_operation.items() if name.startswith("inventoryItem"))
        verdicts = {verdict.value: n for (_, verdict), n in simulation.engine.applier.levels.items()}
        return shop.effects["inventorySetQuantities"], reads, Counter(verdicts)

    written, read, verdicts = played(level_events=True)
    without, read_without, none = played(level_events=False)
    assert verdicts["echo"] > 50
    assert not none
    assert written <= without + 2
    assert read <= read_without + verdicts.total() // 50


@pytest.mark.parametrize("number", [1, 2])
def test_what_staff_set_aside_in_the_shop_is_shown_nowhere(number):
    played = Simulation(number, Plan(faults=False, kills=0, asides=20))
    report = played.run()
    assert report.violations == [], told(report)
    assert report.truth.units_oversold == 0, told(report)
    staff = played.staff
    assert staff.drafts > 5
    assert staff.completed
    assert staff.edits


@pytest.mark.parametrize("number", [1])
def test_ten_restarts_with_nothing_to_do_have_no_effect(number):
    report = Simulation(number, Plan(orders=30, minutes=20, restarts=10)).run()
    assert report.violations == [], told(report)
    assert report.kills["idle"] == 10


@pytest.mark.parametrize("number", range(1, 7))
def test_nothing_is_written_while_stopped_and_everything_agrees_afterwards(number, record_property):
    """From shadow to live, paused and resumed at random, under faults and kills."""
    report = Simulation(number, SWITCHES).run()
    assert report.violations == [], f"Simulation({number}, {SWITCHES}).run()\n{report.text()}"
    assert report.stops >= 5 and report.differences >= 1
    record_property("total:simulation:stops", report.stops)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_checker_catches(mutant, monkeypatch):
    plan, seeds = MUTANTS[mutant]
    mutant(monkeypatch)
    monkeypatch.setattr(simulation, "CONVERGE_MS_MAX", 10 * 60_000)  # a mutant never agrees; no need to wait
    assert any(Simulation(number, plan).run().violations for number in seeds)
