"""What every benchmark needs: a report, the CPU it cost, and somewhere to put files."""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Line:
    """One figure; ``ok`` of ``None`` has no goal."""

    what: str
    value: float
    unit: str
    goal: str = ""
    ok: bool | None = None
    gated: bool = False


@dataclass(slots=True)
class Report:
    """What one benchmark found. ``data`` goes into the JSON only."""

    name: str
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    _told: int = 0

    def add(
        self,
        what: str,
        value: float,
        unit: str = "",
        *,
        least: float | None = None,
        most: float | None = None,
        gated: bool = False,
    ) -> None:
        """Add a figure, with the goal that it should reach."""
        goal, ok = "", None
        if least is not None:
            goal, ok = f">= {least:g}", value >= least
        elif most is not None:
            goal, ok = f"<= {most:g}", value <= most
        self.lines.append(Line(what, value, unit, goal, ok, gated))

    def failed(self) -> list[Line]:
        """The gated figures that missed their goal."""
        return [line for line in self.lines if line.gated and not line.ok]

    def tell(self) -> None:
        """Print the figures that were not printed yet: of a run that takes an hour, somebody wants to see the first."""
        for line in self.lines[self._told :]:
            mark = {None: "", True: "ok", False: "FAIL" if line.gated else "short"}[line.ok]
            number = f"{line.value:,.0f}" if abs(line.value) >= 1000 else f"{line.value:.3g}"
            print(f"  {line.what:<58} {number:>10} {line.unit:<10} {line.goal:<9} {mark}")
        self._told = len(self.lines)
        sys.stdout.flush()

    def show(self) -> None:
        """Print it."""
        self.tell()
        for note in self.notes:
            print(f"  {note}")
        sys.stdout.flush()


def orders_file() -> Path | None:
    """The published order history: ``SYNCLINE_ORDERS``, or where it lies beside the repository; else nothing."""
    path = Path(os.environ.get("SYNCLINE_ORDERS") or ROOT.parent / "shared/data/orders_online_retail.csv.gz")
    return path if path.exists() else None


def rss_mb(pid: int | None = None) -> float:
    """Resident memory of a process now, or the most that this one has ever had."""
    if pid is None:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_s(pid: int) -> float:
    """Processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _machine_ticks() -> list[int]:
    return [int(x) for x in Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:]]


def machine_busy_s() -> float:
    """Processor seconds that everything on this machine has used."""
    fields = _machine_ticks()
    return (sum(fields[:3]) + sum(fields[5:7])) / TICKS


def withheld_s() -> float:
    """Processor seconds for which a virtual machine had work and was not let run by its host ("steal", proc(5))."""
    return _machine_ticks()[7] / TICKS


class Meter:
    """Wall, own CPU (with given children) and what others used meanwhile."""

    def __init__(self, *pids: int) -> None:
        self._pids = pids
        self._began = time.perf_counter()
        self._own = self._own_s()
        self._all = machine_busy_s()

    def _own_s(self) -> float:
        return time.process_time() + sum(cpu_s(pid) for pid in self._pids)

    def wall_s(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._began

    def own_s(self) -> float:
        """Processor seconds of this process and the given ones."""
        return self._own_s() - self._own

    def others(self) -> float:
        """Cores that everything else on the machine kept busy."""
        return max(0.0, machine_busy_s() - self._all - self.own_s()) / max(1e-9, self.wall_s())


@contextmanager
def folder() -> Iterator[Path]:
    """A new folder on a real disk (never tmpfs: an fsync has to cost what it costs)."""
    base = os.environ.get("SYNCLINE_BENCH_DIR") or ("/var/tmp" if os.access("/var/tmp", os.W_OK) else None)
    path = Path(tempfile.mkdtemp(prefix="syncline-bench-", dir=base))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def fdatasync_ms(at: Path, *, times: int = 60) -> float:
    """The median time of an 8 kB write with fdatasync: what every commit rests on."""
    handle = os.open(at / "fsync", os.O_CREAT | os.O_WRONLY)
    block, took = b"x" * 8192, []
    for _ in range(times):
        began = time.perf_counter()
        os.pwrite(handle, block, 0)
        os.fdatasync(handle)
        took.append(time.perf_counter() - began)
    os.close(handle)
    return statistics.median(took) * 1000


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank; 0 for nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def hush() -> None:
    """Keep the log out of what a child tells its parent on standard output."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))


def environment() -> dict[str, str]:
    """The environment for a process of ours."""
    paths = [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


@contextmanager
def process(*arguments: str, cwd: Path | None = None, quiet: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Run Python with arguments; it is ended with SIGTERM, then SIGKILL."""
    child = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=cwd,
        stderr=subprocess.DEVNULL if quiet else None,
    )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(12)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stdout is not None:
            child.stdout.close()
