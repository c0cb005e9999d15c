"""Webhooks accepted durably, over real sockets, beside a bare endpoint that does nothing else."""

from __future__ import annotations

import statistics
from contextlib import ExitStack

import uvloop

from bench import webhooks
from bench.harness import Meter, Report, cpu_s, fdatasync_ms, folder, percentile, process
from bench.load import Measured, closed_loop, open_loop
from bench.servers import TOKEN

NAME = "accept"
CONNECTIONS = 50
PER_S = 300.0
PATH = f"/hooks/shop/{TOKEN}"


def run(*, quick: bool = False) -> Report:
    """Closed loop in turns, then an open loop at the promised rate."""
    report = Report(NAME)
    rounds, seconds, held_s = (3, 2.0, 5.0) if quick else (5, 4.0, 20.0)
    made = webhooks.hooks(1, 2_000)
    with folder() as path, ExitStack() as stack:
        report.add("fdatasync of 8 kB, median", fdatasync_ms(path), "ms")
        servers = {
            k: stack.enter_context(process("-m", "bench.servers", k, str(path))) for k in ("bare", "product")
        }
        ports = {}
        for kind, server in servers.items():
            assert server.stdout is not None
            ports[kind] = int(server.stdout.readline())
        runs: dict[str, list[Measured]] = {kind: [] for kind in servers}
        cpu: dict[str, list[float]] = {kind: [] for kind in servers}
        meter = Meter(*(server.pid for server in servers.values()))
        for number in range(-1, rounds):
            for kind, server in servers.items():
                before = cpu_s(server.pid)
                stream = webhooks.requests(PATH, made, 1000 * number + hash(kind) % 997)
                load = closed_loop(
                    ports[kind], stream, connections=CONNECTIONS, seconds=seconds if number >= 0 else 0.5
                )
                measured = uvloop.run(load)
                if number >= 0:  # the first is for warming up
                    runs[kind].append(measured)
                    cpu[kind].append((cpu_s(server.pid) - before) / max(1, measured.statuses[200]) * 1e6)
        bad = sum(m.statuses.total() - m.statuses[200] for of in runs.values() for m in of)
        rate = {kind: statistics.median(m.rate() for m in of) for kind, of in runs.items()}
        p99 = {
            kind: statistics.median(percentile(m.latencies_s, 0.99) for m in of) * 1000
            for kind, of in runs.items()
        }
        # Each pair ran in the same seconds, so the ratio is taken pair by pair.
        ratios = [p.rate() / b.rate() for p, b in zip(runs["product"], runs["bare"], strict=True)]
        slower = [
            percentile(p.latencies_s, 0.99) / percentile(b.latencies_s, 0.99)
            for p, b in zip(runs["product"], runs["bare"], strict=True)
        ]
        for kind in servers:
            report.add(f"{kind}: accepted, {CONNECTIONS} connections", rate[kind], "/s")
            report.add(f"{kind}: p99", p99[kind], "ms")
            report.add(f"{kind}: server CPU each", statistics.median(cpu[kind]), "us")
        report.add("rate, product : bare", statistics.median(ratios), "x", least=0.8, gated=True)
        report.add("p99, product : bare", statistics.median(slower), "x", most=1.3, gated=True)
        report.add("answers other than 200", bad, "", most=0, gated=True)
        held = uvloop.run(
            open_loop(ports["product"], webhooks.requests(PATH, made, 77), per_s=PER_S, seconds=held_s),
        )
        report.add(f"open loop at {PER_S:.0f}/s: p50", percentile(held.latencies_s, 0.5) * 1000, "ms")
        report.add(
            f"open loop at {PER_S:.0f}/s: p99",
            percentile(held.latencies_s, 0.99) * 1000,
            "ms",
            most=250,
            gated=True,
        )
        report.add("open loop: refused", held.statuses.total() - held.statuses[200], "", most=0, gated=True)
        report.add("other processes kept busy", meter.others(), "cores")
    return report
