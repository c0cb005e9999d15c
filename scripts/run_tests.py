#!/usr/bin/env python3
"""Runs the stages of ``make test`` and ``make check`` one after another and sums them up.

Every stage runs whatever the stages before it said. Output is shown as it comes and kept in
``out/<stage>.log``. A stage that ends badly without reporting a failed test counts as one failure,
and a stage that is not run at all says why, so nothing passes or is skipped in silence.

The last line is always ``N passed, N failed, N skipped``, the sum of all stages; the exit status is
zero only if nothing failed.

    scripts/run_tests.py all                  every stage
    scripts/run_tests.py everyday             the part for every day
    scripts/run_tests.py lint tests ...       the stages named
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "out"
BIN = ROOT / ".venv" / "bin"
TOTAL_LIMIT_S = 75 * 60  # a stuck run ends; two free cores need about 15
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2

# The tests that start servers and browsers. Most of their time they wait, so there are more workers than cores.
SERVERS = "acceptance or browser or crash"
FOLDERS = {
    "simulation": ("tests/simulation",),
    "acceptance": ("tests/acceptance", "tests/conformance/test_store_crash.py", "tests/crash", "tests/web"),
}


@dataclass
class Result:
    """What a stage did."""

    passed: int = 0
    failed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # how many, by reason
    failures: list[str] = field(default_factory=list)
    note: str = ""  # why a stage had nothing to do
    seconds: float = 0.0

    def fail(self, what: str) -> None:
        """Count one failure."""
        self.failed += 1
        self.failures.append(what)


class Runner:
    """Runs commands, keeping what they print and, unless ``quiet``, showing it, inside a time limit."""

    def __init__(self, stage: str, deadline: float, *, quiet: bool = False, nice: int = 0) -> None:
        self.log_path = OUT / f"{stage}.log"
        self.log_path.write_text("")
        self._deadline = deadline
        self._quiet = quiet
        self._nice = nice
        self._process: subprocess.Popen[str] | None = None
        self.timed_out = False

    def run(self, command: Sequence[str | Path], *, limit_s: float, cwd: Path = ROOT) -> int:
        """Run ``command``; return its exit status. One that overstays is killed with its children."""
        words = [str(word) for word in command]
        env = dict(os.environ, PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}", PYTHONUNBUFFERED="1")
        # Where it is set, every worker and every process a test starts compiles all of its source anew.
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        shown = " ".join(word.replace(f"{ROOT}/", "") for word in words)
        with self.log_path.open("a") as log:
            self._say(log, f"$ {shown}\n")
            # A group, not a session: Linux shares its cores between sessions whatever the niceness in them.
            self._process = process = subprocess.Popen(
                [*(["nice", "-n", str(self._nice)] if self._nice else []), *words],
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                process_group=0,
            )
            # A thread reads, because a grandchild that outlives a kill may hold the pipe open for ever.
            reader = threading.Thread(target=self._copy, args=(process, log), daemon=True)
            reader.start()
            allowed_s = max(1.0, min(limit_s, self._deadline - time.monotonic()))
            try:
                status = process.wait(allowed_s)
            except subprocess.TimeoutExpired:
                self.timed_out = True
                self.kill()
                status = process.wait()
            except BaseException:
                self.kill()
                raise
            reader.join(5)
            if self.timed_out:
                self._say(log, f"killed after {allowed_s:.0f} s\n")
        return status

    def kill(self) -> None:
        """End what runs, with its children."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _copy(self, process: subprocess.Popen[str], log: TextIO) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._say(log, line)

    def _say(self, log: TextIO, text: str) -> None:
        if not self._quiet:
            sys.stdout.write(text)
            sys.stdout.flush()
        if not log.closed:
            log.write(text)


def tool(*command: str | Path, limit_s: float = 180) -> Callable[[Runner], Result]:
    """A stage that is one check: it passes or fails as a whole."""

    def run(runner: Runner) -> Result:
        result = Result()
        if runner.run(command, limit_s=limit_s) == 0:
            result.passed = 1
        else:
            result.fail(f"{Path(command[0]).name} {' '.join(str(word) for word in command[1:])}".strip())
        return result

    return run


def suite(
    name: str, marker: str, *, by: str = "test", limit_s: float, folders: Sequence[str] = ("tests",)
) -> Callable[[Runner], Result]:
    """A stage of pytest, counted from the report that pytest writes. ``by``: what workers share out, test or file."""

    def run(runner: Runner) -> Result:
        result = Result()
        existing = [
            folder
            for folder in folders
            if (ROOT / folder).is_file() or any((ROOT / folder).rglob("test_*.py"))
        ]
        if not existing:
            result.note = f"no tests in {', '.join(folders)}"
            return result
        report = OUT / f"{name}.xml"
        report.unlink(missing_ok=True)
        workers = ["-n", str(CORES + (by == "file")), "--dist", {"test": "worksteal", "file": "loadfile"}[by]]
        command: list[str | Path] = [
            BIN / "pytest",
            *existing,
            "-m",
            marker,
            *workers,
            f"--junitxml={report}",
        ]
        status = runner.run(command, limit_s=limit_s)
        if report.exists():
            read_junit(report, result)
        nothing_collected = 5
        if status == nothing_collected and not result.failed:
            result.note = "no test carries the marker"
        elif status and not result.failed:
            result.fail(
                "pytest was stopped before it could report"
                if runner.timed_out
                else f"pytest exited with {status}"
            )
        return result

    return run


def read_junit(report: Path, result: Result) -> None:
    """Add the counts of a JUnit report that this machine has just written."""
    for case in ET.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            result.fail(name)
        elif skipped is not None:
            kind = "expected to fail: " if skipped.get("type") == "pytest.xfail" else ""
            reason = " ".join((skipped.get("message") or "no reason given").split())
            result.skipped[kind + reason[:160]] += 1
        else:
            result.passed += 1


def suitescript(runner: Runner) -> Result:
    """The tests of the scripts that run inside NetSuite."""
    result = Result()
    files = sorted(
        path
        for path in (ROOT / "tests" / "suitescript").rglob("*")
        if re.search(r"[._-]test\.(c|m)?js$|^test-.*\.(c|m)?js$", path.name)
        and "node_modules" not in path.parts
    )
    if not files:
        result.note = "no tests in tests/suitescript"
        return result
    node = shutil.which("node")
    if node is None:
        result.skipped["node is not installed (apt-get install nodejs)"] = len(files)
        return result
    status = runner.run([node, "--test", "--test-reporter=tap", *files], limit_s=120)
    text = (OUT / "suitescript.log").read_text()
    counts = {
        word: int(n)
        for word, n in re.findall(r"^# (pass|fail|cancelled|skipped|todo) (\d+)$", text, re.MULTILINE)
    }
    result.passed = counts.get("pass", 0)
    for _ in range(counts.get("fail", 0) + counts.get("cancelled", 0)):
        result.fail("node: see out/suitescript.log")
    if skips := counts.get("skipped", 0) + counts.get("todo", 0):
        result.skipped["skipped by the test itself"] = skips
    if status and not result.failed:
        result.fail(f"node exited with {status}")
    if not status and not result.passed and not result.skipped:
        result.fail("node reported no test at all")
    return result


def examples(runner: Runner) -> Result:
    """Every example runs to its end: ``NN_*.py``, ``NN_*.sh``, or a folder ``NN_*`` with run.py or run.sh."""
    result = Result()
    entries = sorted((ROOT / "examples").glob("[0-9]*"))
    if not entries:
        result.note = "no examples"
        return result
    for entry in entries:
        script = entry
        if entry.is_dir():
            script = next((entry / name for name in ("run.py", "run.sh") if (entry / name).exists()), entry)
        name = entry.relative_to(ROOT)
        if script.suffix == ".py":
            command: list[str | Path] = [BIN / "python", script]
        elif script.suffix == ".sh":
            command = ["bash", script]
        else:
            if entry.is_dir():
                result.fail(f"{name}: no run.py or run.sh")
            continue
        if runner.run(command, limit_s=90) == 0:
            result.passed += 1
        else:
            result.fail(str(name))
    return result


STAGES: dict[str, Callable[[Runner], Result]] = {
    "lint": tool(BIN / "ruff", "check", "."),
    "format": tool(BIN / "ruff", "format", "--check", "."),
    "types": tool(BIN / "mypy"),
    "imports": tool(BIN / "lint-imports"),
    "everyday": suite(
        "everyday",
        f"not slow and not postgres and not simulation and not ({SERVERS})",
        limit_s=170,
        folders=("tests/tidy", "tests/unit", "tests/conformance", "tests/connectors"),
    ),
    # The three below divide all of tests/ between them, so a test without any marker still runs once. Those with one
    # stay in the folders named here (tests/tidy holds them to it): to look through all of them takes a worker seconds.
    "tests": suite("tests", f"not simulation and not ({SERVERS})", limit_s=1500),
    "simulation": suite(
        "simulation", f"simulation and not ({SERVERS})", limit_s=2700, folders=FOLDERS["simulation"]
    ),
    "acceptance": suite("acceptance", SERVERS, by="file", limit_s=1500, folders=FOLDERS["acceptance"]),
    "suitescript": suitescript,
    "examples": examples,
}
# What waits for half of its time, as servers and browsers do, runs beside what only computes and gives way.
BESIDE = {"simulation": "acceptance", "types": "examples"}
SETS = {
    "all": [name for name in STAGES if name != "everyday"],
    "everyday": ["lint", "format", "types", "imports", "everyday"],
}


def main(words: Sequence[str]) -> int:
    """Run the stages named and print the summary."""
    names = [name for word in words or ["all"] for name in SETS.get(word, [word])]
    unknown = [name for name in names if name not in STAGES]
    if unknown:
        print(f"no stage {', '.join(unknown)}; there are: {', '.join([*SETS, *STAGES])}", file=sys.stderr)
        return 2
    os.chdir(ROOT)
    OUT.mkdir(exist_ok=True)
    started = time.monotonic()
    deadline = started + TOTAL_LIMIT_S
    results: dict[str, Result] = {}
    for name in names:
        if name in results:
            continue
        beside = BESIDE.get(name)
        if beside in names and beside not in results:
            results |= run_both(name, beside, deadline)
        else:
            print(f"\n=== {name} ===", flush=True)
            results[name] = run_stage(name, Runner(name, deadline))
    return summarise(results, time.monotonic() - started)


def run_stage(name: str, runner: Runner) -> Result:
    """Run one stage and say how long it took."""
    started = time.monotonic()
    result = STAGES[name](runner)
    result.seconds = time.monotonic() - started
    return result


def run_both(name: str, beside: str, deadline: float) -> dict[str, Result]:
    """Run ``name``, shown and giving way, and ``beside``, shown when both have ended."""
    results: dict[str, Result] = {}
    other = Runner(beside, deadline, quiet=True)

    def run_other() -> None:
        try:
            results[beside] = run_stage(beside, other)
        except BaseException as error:  # noqa: BLE001 - a thread's is nobody's; this one's is a failure
            results[beside] = Result()
            results[beside].fail(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=run_other, daemon=True)
    print(f"\n=== {name}, and beside it {beside}: out/{beside}.log ===", flush=True)
    thread.start()
    try:
        results[name] = run_stage(name, Runner(name, deadline, nice=10))
        thread.join()
    except BaseException:
        other.kill()
        raise
    print(f"\n=== {beside} ===\n{other.log_path.read_text()}", end="", flush=True)
    return {name: results[name], beside: results[beside]}


def summarise(results: dict[str, Result], seconds: float) -> int:
    """Print what ran, what failed and what was skipped and why; return the exit status."""
    print("\n=== summary ===\n")
    print(f"{'stage':<14}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for name, result in results.items():
        print(
            f"{name:<14}{result.passed:>8}{result.failed:>8}{result.skipped.total():>9}{result.seconds:>9.1f}"
            + (f"   {result.note}" if result.note else ""),
        )
    passed = sum(result.passed for result in results.values())
    failed = sum(result.failed for result in results.values())
    skipped = sum((result.skipped for result in results.values()), Counter[str]())
    print(f"{'all':<14}{passed:>8}{failed:>8}{skipped.total():>9}{seconds:>9.1f}")
    if skipped:
        print("\nskipped, by reason:")
        for reason, count in skipped.most_common():
            print(f"{count:>6}  {reason}")
    if failed:
        print("\nfailed:")
        for name, result in results.items():
            for what in result.failures:
                print(f"  {name}: {what}")
    print(f"\n{passed} passed, {failed} failed, {skipped.total()} skipped", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
