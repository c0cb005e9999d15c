"""What Syncline costs while nothing happens, and how soon the command answers."""

from __future__ import annotations

import statistics
import time

from bench import restart
from bench.harness import Meter, Report, cpu_s, folder, process, rss_mb

NAME = "idle"


def _command(*arguments: str) -> float:
    began = time.perf_counter()
    with process(*arguments) as child:
        assert child.stdout is not None
        child.stdout.read()
        child.wait()
    return time.perf_counter() - began


def run(*, quick: bool = False) -> Report:
    """The service with two configured systems that cannot be reached; then ``--help``."""
    report = Report(NAME)
    seconds = 5.0 if quick else 20.0
    meter = Meter()
    with folder() as path:
        port = restart.free_port()
        restart.configure(path, port)
        restart.fill(path, 0)
        with process(
            "-m", "syncline.cli", "run", "--config", str(path / "syncline.toml"), cwd=path, quiet=True
        ) as server:
            time.sleep(5.0)
            before = cpu_s(server.pid)
            time.sleep(seconds)
            report.add("RSS", rss_mb(server.pid), "MB", most=100)
            report.add("CPU", (cpu_s(server.pid) - before) / seconds * 100, "%", most=1.0)
    bare, ours = [], []
    for _ in range(3 if quick else 7):
        bare.append(_command("-c", "pass"))
        ours.append(_command("-m", "syncline.cli", "--help"))
    report.add("python -c pass", statistics.median(bare) * 1000, "ms")
    report.add("syncline --help", statistics.median(ours) * 1000, "ms", most=300)
    report.add("other processes kept busy", meter.others(), "cores")
    return report
