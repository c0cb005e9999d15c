"""Runs benchmarks: ``python -m bench [name…] [--json FILE] [--quick]``.

Every benchmark measures its own limit in the same minute and reports the ratio. Only the gated
figures decide the exit status.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path

import structlog

from bench.harness import withheld_s

NAMES = (
    "accept",
    "latency",
    "restart",
    "apply",
    "queue",
    "disk",
    "limits",
    "pipeline",
    "holds",
    "recompute",
    "idle",
    "year",
    "urgency",
    "whatif",
    "adopt",
    "reconcile",
    "routing",
    "prices",
    "credit",
    "files",
)


def main() -> int:
    """Run what was named, or everything."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(NAMES)}; default: all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--quick", action="store_true", help="shorter runs: a look, not a measurement")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version}")
    results, failed = [], []
    for name in arguments.names or NAMES:
        began, withheld = time.perf_counter(), withheld_s()
        print(f"\n{name}", flush=True)
        try:
            report = importlib.import_module(f"bench.{name}").run(quick=arguments.quick)
        except Exception:  # noqa: BLE001 (one that breaks must not hide the others' figures)
            traceback.print_exc()
            failed.append(f"{name}: did not run")
            continue
        seconds = time.perf_counter() - began
        # Where this is not near 0, the times are the host's rather than ours.
        report.add("withheld by the host of this machine", (withheld_s() - withheld) / seconds, "cores")
        report.show()
        print(f"  ({seconds:.0f} s)")
        results.append({name: value for name, value in asdict(report).items() if not name.startswith("_")})
        failed += [f"{name}: {line.what} = {line.value:.3g}, goal {line.goal}" for line in report.failed()]
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    for sentence in failed:
        print(f"FAILED  {sentence}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
