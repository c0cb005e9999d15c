"""Disk for an event of 2 kB with its dedupe entry, on text that does not repeat itself."""

from __future__ import annotations

import asyncio

import zstandard

from bench import webhooks
from bench.harness import Report, folder
from syncline.model.change import Event, Via
from syncline.runtime.clock import SystemClock
from syncline.stores.sqlite import SqliteStore

NAME = "disk"


async def _append(path: str, made: list[webhooks.Hook]) -> None:
    now_ms = SystemClock().now_ms()
    store = SqliteStore.open(path, now_ms=now_ms)
    for begin in range(0, len(made), 50):
        events = [
            Event("shop", "orders/create", h.id, Via.EVENT, now_ms, h.body) for h in made[begin : begin + 50]
        ]
        await store.append(events, received_at_ms=now_ms)
    store._connection.wal_checkpoint(mode=3)  # noqa: SLF001 (TRUNCATE: count the file, not its log)
    await store.close()


def run(*, quick: bool = False) -> Report:
    """Append, checkpoint, count bytes; beside it what compression alone could do."""
    report = Report(NAME)
    made = webhooks.hooks(5, 4_000 if quick else 20_000, skus=4_000)
    body = sum(len(h.body) for h in made) / len(made)
    with folder() as path:
        file = path / "disk.sqlite"
        asyncio.run(_append(str(file), []))
        empty = file.stat().st_size
        asyncio.run(_append(str(file), made))
        each = (file.stat().st_size - empty) / len(made)
    plain = zstandard.ZstdCompressor(level=3)
    trained = zstandard.ZstdCompressor(
        level=3, dict_data=zstandard.train_dictionary(65_536, [h.body for h in made[:2_000]])
    )
    sample = made[2_000:4_000]
    report.add("body", body, "B")
    report.add("zstd-3 alone", sum(len(plain.compress(h.body)) for h in sample) / len(sample), "B")
    report.add(
        "zstd-3 with a trained dictionary",
        sum(len(trained.compress(h.body)) for h in sample) / len(sample),
        "B",
    )
    report.add("on disk, with its dedupe entry", each, "B")
    report.add("on disk : body", each / body, "x", most=0.35)
    return report
