"""A million pending deliveries: memory, speed beside a bare heap, and a restart."""

from __future__ import annotations

import gc
import heapq
import statistics
import time
from pathlib import Path

from bench import restart
from bench.harness import Report
from syncline.engine.delivery.queue import DueQueue

NAME = "queue"
BYTES_MOST = 300


def _resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * 4096


def _product(keys: list[str]) -> tuple[float, float, float]:
    before = _resident()
    queue, began = DueQueue(), time.process_time()
    for number, key in enumerate(keys):
        queue.put(key, 1_000_000 + number * 7919 % 60_000, 1_000_000, may_ride=True)
    put = time.process_time() - began
    size = (_resident() - before) / len(keys)
    began, taken = time.process_time(), 0
    while taken < len(keys):
        taken += len(queue.pop(2_000_000, 100, lambda _: True))
    return size, put, time.process_time() - began


def _heap(keys: list[str]) -> tuple[float, float, float]:
    before = _resident()
    entries: dict[str, int] = {}
    heap: list[tuple[int, str]] = []
    began = time.process_time()
    for number, key in enumerate(keys):
        due = 1_000_000 + number * 7919 % 60_000
        entries[key] = due
        heapq.heappush(heap, (due, key))
    put = time.process_time() - began
    size = (_resident() - before) / len(keys)
    began = time.process_time()
    while heap:
        due, key = heapq.heappop(heap)
        if entries.get(key) == due:
            del entries[key]
    return size, put, time.process_time() - began


def run(*, quick: bool = False) -> Report:
    """In turns with the bare heap, then the restart."""
    report = Report(NAME)
    count = 200_000 if quick else 1_000_000
    keys = [f"SKU-{n:07d}\x1f70123456789" for n in range(count)]
    runs = {"product": [_product(keys)], "heap": [_heap(keys)]}
    for _ in range(0 if quick else 1):
        runs["product"].append(_product(keys))
        runs["heap"].append(_heap(keys))
    sizes = {kind: of[0][0] for kind, of in runs.items()}  # later rounds reuse freed memory
    rates = {kind: statistics.median(count / (put + pop) for _, put, pop in of) for kind, of in runs.items()}
    report.add("product: bytes each, beside the key", sizes["product"], "B", most=BYTES_MOST)
    report.add("dict and heap: bytes each, beside the key", sizes["heap"], "B")
    report.add("product: put + pop", rates["product"], "/CPU-s", least=300_000)
    report.add("put + pop, product : dict and heap", rates["product"] / rates["heap"], "x", least=0.5)
    del keys
    gc.collect()
    restart.measure(report, count, rounds=1 if quick else 3, most=2.5, gated=False)
    return report
