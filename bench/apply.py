"""Version-checked apply in batches of 1,000, beside the bare statement on the same table and settings."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import msgspec

from bench.harness import ROOT, Meter, Report, folder
from syncline.ports import Store, Write
from syncline.stores.sqlite import SqliteStore
from syncline.stores.sqlite.store import connect

NAME = "apply"
KEYS = 100_000
BATCH = 1_000
BODY = (
    '{"sku":"%s","location":"1","on_hand":"%d","available":"%d","committed":"0","erp_stamp_ms":1772438400000}'
)
Round = Callable[[list[dict[str, Any]]], Awaitable[None]]

RAW = """INSERT INTO record (system, kind, key, version, tiebreak, changed_at_ms, observed_at_ms, "offset", hash, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (system, kind, key) DO UPDATE SET version = excluded.version, tiebreak = excluded.tiebreak,
changed_at_ms = excluded.changed_at_ms, observed_at_ms = excluded.observed_at_ms, "offset" = excluded."offset",
hash = excluded.hash, body = excluded.body WHERE excluded.version > record.version"""

RAW_POSTGRES = """INSERT INTO "{schema}".bare (system, kind, key, version, tiebreak, changed_at_ms, observed_at_ms,
"offset", hash, body) SELECT x.system, x.kind, x.key, x.version, x.tiebreak, x.changed_at_ms, x.observed_at_ms,
x."offset", x.hash, x.body FROM jsonb_to_recordset($1::jsonb) AS x(system text, kind text, key text, version bigint,
tiebreak bigint, changed_at_ms bigint, observed_at_ms bigint, "offset" bigint, hash text, body text)
ON CONFLICT (system, kind, key) DO UPDATE SET version = excluded.version, tiebreak = excluded.tiebreak,
changed_at_ms = excluded.changed_at_ms, observed_at_ms = excluded.observed_at_ms, "offset" = excluded."offset",
hash = excluded.hash, body = excluded.body WHERE excluded.version > bare.version RETURNING key"""


def batch(rng: Random, number: int) -> list[dict[str, Any]]:
    """A thousand different keys at random, half of them stale."""
    rows = []
    for key in rng.sample(range(KEYS), BATCH):
        sku = f"SKU-{key * 7919 % KEYS:06d}"
        version = number + 1 if rng.random() < 0.5 else 0
        rows.append({
            "system": "erp", "kind": "stock", "key": f"{sku}\x1f1", "version": version, "tiebreak": 0, "changed_at_ms": 1,
            "observed_at_ms": 1, "offset": number, "hash": "0123456789abcdef", "body": BODY % (sku, number, number),
        })  # fmt: skip
    return rows


def product(store: Store) -> Round:
    """What the applier does."""

    async def once(rows: list[dict[str, Any]]) -> None:
        await store.write(Write("record_put", rows))

    return once


async def compare(raw: Round, ours: Round, rounds: int) -> tuple[float, float, float]:
    """Rows a second of both, and the median ratio of neighbouring rounds."""
    rng = Random(1)
    took: dict[str, list[float]] = {"raw": [], "ours": []}
    for number in range(-KEYS // BATCH, rounds):
        rows = batch(rng, number + KEYS)
        for kind, once in (("raw", raw), ("ours", ours)):
            began = time.perf_counter()
            await once(rows)
            if number >= 0:
                took[kind].append(time.perf_counter() - began)
    ratio = statistics.median(a / b for a, b in zip(took["raw"], took["ours"], strict=True))
    return BATCH / statistics.median(took["raw"]), BATCH / statistics.median(took["ours"]), ratio


async def sqlite(rounds: int) -> tuple[float, float, float]:
    """Two files on one disk."""
    with folder() as path:
        store = SqliteStore.open(str(path / "ours.sqlite"), now_ms=0)
        SqliteStore.open(str(path / "raw.sqlite"), now_ms=0)._connection.close()  # noqa: SLF001
        connection = connect(str(path / "raw.sqlite"))
        connection.pragma("wal_autocheckpoint", 4_000)
        store._connection.pragma("wal_autocheckpoint", 4_000)  # noqa: SLF001 (no thread does it here)

        async def raw(rows: list[dict[str, Any]]) -> None:
            with connection:
                connection.executemany(RAW, [tuple(row.values()) for row in rows])

        try:
            return await compare(raw, product(store), rounds)
        finally:
            connection.close()
            await store.close()


async def postgres(rounds: int) -> tuple[float, float, float]:
    """Two tables of one database, in a server of our own."""
    sys.path.insert(0, str(ROOT))
    import asyncpg  # type: ignore[import-untyped]
    from tests.conformance.postgres_server import PostgresServer

    from syncline.stores.postgres import PostgresStore

    server = PostgresServer()
    with contextlib.ExitStack() as stack:
        stack.callback(getattr(server, "stop", None) or server.close)
        store = await PostgresStore.open(server.dsn, now_ms=0)
        connection = await asyncpg.connect(server.dsn)
        schema = await connection.fetchval("SELECT schemaname FROM pg_tables WHERE tablename = 'record'")
        await connection.execute(f'CREATE TABLE "{schema}".bare (LIKE "{schema}".record INCLUDING ALL)')
        statement = RAW_POSTGRES.format(schema=schema)

        async def raw(rows: list[dict[str, Any]]) -> None:
            await connection.fetch(statement, msgspec.json.encode(rows).decode())

        try:
            return await compare(raw, product(store), rounds)
        finally:
            await connection.close()
            await store.close()


def run(*, quick: bool = False) -> Report:
    """SQLite always, PostgreSQL where a server can be started."""
    report = Report(NAME)
    rounds = 40 if quick else 150
    meter = Meter()
    for name, measure, least in (("SQLite", sqlite, 0.7), ("PostgreSQL", postgres, 0.6)):
        try:
            raw, ours, ratio = asyncio.run(measure(rounds))
        except Exception as error:
            if name == "SQLite":
                raise
            report.notes.append(f"{name} was not measured: {type(error).__name__}: {error}")
            continue
        report.add(f"{name}: bare statement", raw, "rows/s")
        report.add(f"{name}: product", ours, "rows/s")
        report.add(f"{name}: product : bare", ratio, "x", least=least)
    report.add("other processes kept busy", meter.others(), "cores")
    return report
