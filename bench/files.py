"""A full file of stock with 1,000,000 rows against the last one, 1 % changed: taken, checked, compared and told.

It runs in a process of its own, so that its memory can be told: ``python -m bench.files ROWS``.
"""

from __future__ import annotations

import asyncio
import csv
import json
import sys
import time
from pathlib import Path
from random import Random

from bench.harness import Report, folder, hush, process, rss_mb
from syncline.connectors.files import CONNECTOR, FilesSettings
from syncline.connectors.files.declared import Column, Read, Trailer
from syncline.model.change import Cursor
from syncline.ports import Opening, System
from syncline.runtime.clock import SystemClock

NAME = "files"
ROWS, QUICK_ROWS = 1_000_000, 100_000
CHANGED = 100  # one row in so many
SITES = ("MAIN", "NORTH", "SOUTH", "EAST")
CPU_S_MAX = 20.0
MB_MAX = 1_000.0


def write(path: Path, rows: int, *, changed: bool) -> None:
    """A file as a warehouse would leave it, in no order of its own; it is renamed when it is whole."""
    order = list(range(rows))
    Random(1).shuffle(order)
    aside = path.with_name("." + path.name)
    with aside.open("w", encoding="utf-8", newline="") as file:
        file.write("SKU,SITE,QTY,TEXT\r\n")
        for n in order:
            more = 1 if changed and n % CHANGED == 0 else 0
            file.write(f"ART-{n // 4:08d},{SITES[n % 4]},{n % 97 + more},An article of the catalogue\r\n")
        file.write(f"TRAILER,{rows},,\r\n")
    aside.rename(path)


async def read(system: System, cursor: Cursor | None) -> tuple[Cursor, int, int]:
    """One read as an engine makes it: its end, how many events it told, and how many rows it said are there."""
    events = present = 0
    async for page in system.source.poll("stock", cursor):
        events += len(page.events)
        present += len(page.present)
        cursor = page.cursor
    assert cursor is not None
    return cursor, events, present


async def measure(at: Path, rows: int) -> dict[str, float]:
    """Both files, one after the other."""
    exchange = at / "exchange"
    (exchange / "in").mkdir(parents=True)
    stock = Read(
        kind="stock",
        path="in",
        pattern="STOCK_*.csv",
        scope="full",
        complete="rename",
        trailer=Trailer("TRAILER", (Column("rows", position=2),)),
        columns=(Column("sku", name="SKU"), Column("location", name="SITE"), Column("quantity", name="QTY")),
    )
    settings = FilesSettings(folder=str(exchange), spool=str(at / "spool"), reads=(stock,))
    system = CONNECTOR.open(Opening("erp", settings, SystemClock(), Random(1), None))  # type: ignore[arg-type]
    write(exchange / "in" / "STOCK_1.csv", rows, changed=False)
    began = time.process_time()
    cursor, _, _ = await read(system, None)
    first_s = time.process_time() - began
    assert system.believed is not None
    system.believed(cursor.stream, cursor.covers_ms)
    path = exchange / "in" / "STOCK_2.csv"
    write(path, rows, changed=True)
    began = time.process_time()
    with path.open(encoding="utf-8", newline="") as file:
        assert sum(1 for _ in csv.reader(file)) == rows + 2
    bare_s = time.process_time() - began
    began, wall = time.process_time(), time.perf_counter()
    _, events, present = await read(system, cursor)
    return {
        "first_s": first_s,
        "bare_s": bare_s,
        "cpu_s": time.process_time() - began,
        "wall_s": time.perf_counter() - wall,
        "events": events,
        "present": present,
        "peak_mb": rss_mb(),
    }


def run(*, quick: bool = False) -> Report:
    """Compare, beside reading the file with the csv module and doing nothing with it."""
    report = Report(NAME)
    rows = QUICK_ROWS if quick else ROWS
    with process("-m", "bench.files", str(rows)) as child:
        assert child.stdout is not None
        found = json.loads(child.stdout.readline())
    report.data = found
    report.add("rows", rows)
    report.add("a bare read by csv", found["bare_s"], "s of CPU")
    report.add("taken, checked, compared and told", found["cpu_s"], "s of CPU", most=CPU_S_MAX, gated=True)
    report.add("as a multiple of the bare read", found["cpu_s"] / found["bare_s"], "x")
    report.add("rows a second of CPU", rows / found["cpu_s"])
    report.add("until it was told", found["wall_s"], "s")
    report.add("the first file, told whole", found["first_s"], "s of CPU")
    report.add("memory at most", found["peak_mb"], "MB", most=MB_MAX, gated=True)
    wrong = abs(found["present"] - rows * (CHANGED - 1) / CHANGED)
    report.add("rows told that had not changed, or the other way round", wrong, most=0, gated=True)
    return report


def main() -> None:
    """Measure, and print the figures as a line of JSON."""
    hush()
    with folder() as at:
        print(json.dumps(asyncio.run(measure(at, int(sys.argv[1])))), flush=True)


if __name__ == "__main__":
    main()
