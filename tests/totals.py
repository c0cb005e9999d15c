"""Totals that the tests of a suite reach together, shown and judged at the end.

A test records a part with ``record_property("total:<suite>:<what>", number)``. With xdist the parts
come from several processes; only the one that the user started sees them all, so the sums are made
and compared there. ``tests/conftest.py`` imports the hooks.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict

import pytest

PREFIX = "total:"
MINIMA: dict[str, dict[str, int]] = {
    "simulation": {"seeds": 200, "changes": 200_000, "faults": 6_000, "kills": 400},
    "crash": {"kills": 300, "kills between intent and result": 100},
}

_PARTS = pytest.StashKey[list[tuple[str, int]]]()
_LACKING = pytest.StashKey[list[str]]()


def _sums(config: pytest.Config) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for name, value in config.stash.get(_PARTS, []):
        suite, _, what = name.removeprefix(PREFIX).partition(":")
        found[suite][what] += value
    return found


def _whole(config: pytest.Config) -> bool:
    """Whether whole suites ran: one test, one seed or another pair of systems reaches no minimum of two hundred."""
    # What `make simulate SEED=… ERP=… CHANNEL=…` says.
    few = any(os.environ.get(name) for name in ("SEED", "ERP", "CHANNEL"))  # noqa: TID251
    return not (config.option.keyword or few or any("::" in arg for arg in config.args))


class _Totals:
    """Gathers the parts from every process."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            parts = self._config.stash.setdefault(_PARTS, [])
            parts += [(name, value) for name, value in report.user_properties if str(name).startswith(PREFIX)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        lacking: list[str] = []
        for suite, counts in _sums(self._config).items() if _whole(self._config) else ():
            lacking += [
                f"{suite}: {counts[what]:,} {what} are fewer than {least:,}"
                for what, least in MINIMA.get(suite, {}).items()
                if counts[what] < least
            ]
        self._config.stash[_LACKING] = lacking
        if lacking and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Totals(config), "syncline-totals")


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    for suite, counts in sorted(_sums(config).items()):
        terminalreporter.section(f"{suite}: totals", sep="-")
        for what, count in sorted(counts.items()):
            terminalreporter.write_line(f"{count:>12,}  {what}")
    for sentence in config.stash.get(_LACKING, []):
        terminalreporter.write_line(sentence, red=True)
