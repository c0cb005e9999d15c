"""The SQLite store: WAL, ``synchronous=FULL``, one writing connection.

``SqliteStore`` commits inline, in the caller's task. That is what the simulation uses. ``open_live``
wraps the same code in a writer thread with group commit (``writer.py``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import apsw
import msgspec

from syncline.model.change import Cursor, Event, LoggedEvent, Via
from syncline.model.errors import Fenced, Misconfigured
from syncline.ports import Row, Store, Write
from syncline.stores.bodies import pack_all, unpack
from syncline.stores.seen import bucket_of, digest_of
from syncline.stores.sqlite.many import MANY_LEAST, for_many, keys_of
from syncline.stores.statements import load_migrations, load_queries, pending_migrations

ENGINE_VERSION_MIN = (3, 51, 3)  # older ones can corrupt a WAL: sqlite.org/wal.html#walresetbug
PAGE_SIZE = 4096
# In memory every page is in the cache, and a commit may walk all of its table (pcache1TruncateUnsafe, where a tree was
# balanced): with larger pages it has fewer.
MEMORY_PAGE_SIZE = 8192
BUSY_TIMEOUT_MS = 5_000
SYNCHRONOUS_FULL = 2
# Compiled statements. One that is used goes to the end of the row, so a rare one is kept for that many uses of others.
STATEMENTS_KEPT = 512  # the most that apsw takes
CHUNK_BYTES = 4_000_000  # bodies in one statement, which are a quarter of that when they are compressed

# File systems on which SQLite's locks or shared memory do not work: sqlite.org/wal.html, howtocorrupt.html.
NETWORK_FILE_SYSTEMS = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "ceph",
        "glusterfs",
        "fuse.sshfs",
        "fuse.s3fs",
        "lustre",
    },
)

PACKAGE = "syncline.stores.sqlite"
_RETURNING = re.compile(r"\s+RETURNING\s[^()]*\Z")
_COMMENT = re.compile(r"^\s*--.*\n?", re.MULTILINE)
_encode = msgspec.json.encode


def check_engine() -> None:
    """Refuse an SQLite that is known to corrupt databases.

    Raises:
        Misconfigured: the linked SQLite is older than 3.51.3.
    """
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < ENGINE_VERSION_MIN:
        raise Misconfigured(
            f"SQLite {apsw.sqlite_lib_version()} can corrupt a database in WAL mode; "
            "install apsw 3.51.3 or newer (pip install -U apsw).",
        )


def file_system_of(path: str, mounts: str | None = None) -> str:
    """The type of the file system that holds ``path``, as the kernel names it; "" if unknown."""
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
        except OSError:
            return ""
    target = str(Path(path).resolve())
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:  # device, mount point, type
            continue
        point = fields[1].replace("\\040", " ")
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def check_file_system(path: str, mounts: str | None = None) -> None:
    """Refuse a file system on which SQLite's locking is known to fail.

    Raises:
        Misconfigured: the path lies on a network file system.
    """
    kind = file_system_of(str(Path(path).absolute().parent), mounts)
    if kind in NETWORK_FILE_SYSTEMS:
        raise Misconfigured(
            f"{path} is on {kind}, where SQLite's locks do not hold and databases get corrupted; "
            "put [store] path on a local disk, or use PostgreSQL.",
        )


def connect(path: str, *, read_only: bool = False) -> apsw.Connection:
    """Open a connection with the settings that durability rests on.

    Raises:
        Misconfigured: SQLite did not take a setting, for example because the file system has no
            shared memory for a WAL.
    """
    flags = apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(path, flags=flags, statementcachesize=STATEMENTS_KEPT)
    # Without this, SQLite compiles a statement again for each value that might change its plan, such as a limit. Ours
    # do not hang on values (test_a_plan_does_not_hang_on_a_value).
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    in_memory = path == ":memory:"
    connection.pragma("page_size", MEMORY_PAGE_SIZE if in_memory else PAGE_SIZE)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "FULL")
    connection.pragma("foreign_keys", 1)
    connection.pragma("trusted_schema", 0)
    # What is deleted or overwritten is no more in the file, rather than in pages that are free.
    connection.pragma("secure_delete", int(not in_memory))
    connection.pragma("temp_store", "memory")
    connection.pragma("cache_size", -65536)
    connection.pragma("wal_autocheckpoint", 1000 if in_memory else 0)
    if read_only:
        connection.pragma("query_only", 1)
    mode, synchronous = connection.pragma("journal_mode"), connection.pragma("synchronous")
    if (mode, synchronous) != ("memory" if in_memory else "wal", SYNCHRONOUS_FULL):
        connection.close()
        raise Misconfigured(
            f"{path}: SQLite runs with journal_mode={mode}, synchronous={synchronous} and would not keep what it "
            "accepted; put [store] path on a local disk, or use PostgreSQL.",
        )
    return connection


def migrate(connection: apsw.Connection, now_ms: int) -> list[str]:
    """Bring the schema up to date, each migration in a transaction of its own.

    Returns the names of what was applied.

    Raises:
        Misconfigured: the database belongs to a newer version, or its history was altered.
    """
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL,"
        " checksum TEXT NOT NULL, applied_at_ms INTEGER NOT NULL) STRICT",
    )
    applied: dict[int, str] = dict(connection.execute("SELECT number, checksum FROM migration"))
    try:
        pending = pending_migrations(load_migrations(PACKAGE), applied)
    except ValueError as error:
        raise Misconfigured(str(error)) from error
    for migration in pending:
        with connection:
            for _ in connection.execute(migration.sql):
                pass  # a statement that returns rows holds up those after it until they are fetched
            connection.execute(
                "INSERT INTO migration VALUES (?, ?, ?, ?)",
                (migration.number, migration.name, migration.checksum, now_ms),
            )
    return [m.name for m in pending]


def _bound(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as SQLite takes them: a list is a JSON array."""
    return {
        name: _encode(value).decode() if isinstance(value, list | tuple) else value
        for name, value in parameters.items()
    }


@dataclass(frozen=True, slots=True)
class Append:
    """What ``Store.append`` is given."""

    events: Sequence[Event]
    received_at_ms: int
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True)
class _Arrived:
    """An event on its way into the log, and where its offset is awaited."""

    event: Event
    received_at_ms: int
    offsets: list[int | None]
    place: int


# Digests and bodies come end to end in one blob each, everything else in JSON.
_SEEN = """
SELECT e.key FROM json_each(?1) AS e WHERE EXISTS (
    SELECT 1 FROM event_seen WHERE bucket IN (e.value, e.value - 1, e.value - 2)
        AND digest = substr(?2, e.key * 16 + 1, 16))
"""
_SEE = """
INSERT INTO event_seen (bucket, digest) SELECT e.value, substr(?2, e.key * 16 + 1, 16) FROM json_each(?1) AS e
"""
_APPEND = """
INSERT INTO event ("offset", system, topic, event_id, via, occurred_at_ms, received_at_ms, body)
SELECT ?3 + e.key, e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3, e.value ->> 4, e.value ->> 5,
    substr(?2, e.value ->> 6, e.value ->> 7)
FROM json_each(?1) AS e
"""


@cache
def _statements() -> tuple[dict[str, str], dict[str, str], frozenset[str], dict[str, tuple[str, ...]]]:
    """The statements by name; the same without what they tell; the names of those that take lists; and by what rows are unique.

    Telling costs SQLite more than half of what a small write does. Comments go: a statement is found again by its text,
    which is read from end to end each time.
    """
    texts = load_queries(PACKAGE)
    queries = {
        name: _COMMENT.sub("", text).strip().removesuffix(";").rstrip() for name, text in texts.items()
    }
    silent = {name: _RETURNING.sub("", sql) for name, sql in queries.items()}
    lists = frozenset(name for name, sql in queries.items() if "json_each" in sql)
    return queries, silent, lists, keys_of(texts)


class SqliteStore(Store):
    """Every method commits before it returns, in the calling thread."""

    many_least = MANY_LEAST

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        queries, silent, self._with_lists, self._keys = _statements()
        self._queries, self._silent = dict(queries), dict(silent)

    @classmethod
    def open(cls, path: str, *, now_ms: int) -> SqliteStore:
        """Open or create a database and bring its schema up to date.

        Raises:
            Misconfigured: engine, file system or schema cannot be trusted.
        """
        check_engine()
        if path != ":memory:":
            check_file_system(path)
        connection = connect(path)
        try:
            migrate(connection, now_ms)
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    # --- the same work inline or inside the writer thread's transaction -------------------------

    def begin(self) -> None:
        """Start a transaction that will write."""
        self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make the transaction durable."""
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction, if one is open."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def savepoint(self) -> None:
        """Start a part that can be undone alone."""
        self._connection.execute("SAVEPOINT part")

    def keep(self) -> None:
        """Keep the part."""
        self._connection.execute("RELEASE part")

    def undo(self) -> None:
        """Undo the part."""
        self._connection.execute("ROLLBACK TO part")
        self._connection.execute("RELEASE part")

    def append_rows(self, appends: Sequence[Append]) -> list[list[int | None]]:
        """Several ``append`` without their transaction: one statement carries the events of all.

        Python lets another thread run at each statement, and may get its turn back late. So what counts
        under load is not how much a statement does but how many there are.
        """
        offsets: list[list[int | None]] = [[None] * len(append.events) for append in appends]
        chunk: dict[bytes, _Arrived] = {}
        size = 0
        for append, places in zip(appends, offsets, strict=True):
            for place, event in enumerate(append.events):
                digest = digest_of(event.system, event.event_id)
                if digest in chunk:
                    continue
                chunk[digest] = _Arrived(event, append.received_at_ms, places, place)
                size += len(event.body)
                if size > CHUNK_BYTES:
                    self._append_chunk(chunk)
                    chunk, size = {}, 0
        self._append_chunk(chunk)
        cursors = [append.cursor for append in appends if append.cursor is not None]
        if cursors:
            rows = [
                {"system": c.system, "stream": c.stream, "position": c.position, "covers_ms": c.covers_ms}
                for c in cursors
            ]
            self.write_rows([Write("cursor_put", rows)])
        return offsets

    def _append_chunk(self, chunk: dict[bytes, _Arrived]) -> None:
        if not chunk:
            return
        execute = self._connection.execute
        buckets = [bucket_of(arrived.received_at_ms) for arrived in chunk.values()]
        seen = list(execute(_SEEN, (_encode(buckets).decode(), b"".join(chunk))))
        if seen:
            known = {place for (place,) in seen}
            chunk = {digest: new for n, (digest, new) in enumerate(chunk.items()) if n not in known}
            buckets = [bucket for n, bucket in enumerate(buckets) if n not in known]
            if not chunk:
                return
        execute(_SEE, (_encode(buckets).decode(), b"".join(chunk)))
        (first,) = next(execute("SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'event'"))
        bodies = pack_all([new.event.body for new in chunk.values()])
        rows, start = [], 1
        for n, (new, body) in enumerate(zip(chunk.values(), bodies, strict=True)):
            new.offsets[new.place] = first + n
            event = new.event
            rows.append(
                (
                    event.system,
                    event.topic,
                    event.event_id,
                    event.via,
                    event.occurred_at_ms,
                    new.received_at_ms,
                    start,
                    len(body),
                )
            )
            start += len(body)
        execute(_APPEND, (_encode(rows).decode(), b"".join(bodies), first))

    def write_rows(self, writes: Sequence[Write]) -> list[list[Row]]:
        """``write`` without its transaction."""
        results: list[list[Row]] = []
        for write in writes:
            if not write.rows:
                results.append([])
                continue
            sql = (self._queries if write.told or write.guard else self._silent)[write.statement]
            given = write.rows
            if write.statement in self._with_lists:
                given = list(map(_bound, given))
            if len(given) >= self.many_least and write.statement in self._keys:
                many = for_many(sql, self._keys[write.statement])
                execute = self._connection.execute
                rows = [row for text, values in many.parts(given) for row in execute(text, values)]
            else:
                rows = list(self._connection.executemany(sql, given))
            if write.guard and len(rows) != len(write.rows):
                raise Fenced(f"{write.statement}: {len(rows)} of {len(write.rows)} rows were ours to write")
            results.append(rows)
        return results

    def read_rows(self, statement: str, parameters: Mapping[str, Any]) -> list[Row]:
        """``read`` in the calling thread."""
        return list(self._connection.execute(self._queries[statement], _bound(parameters)))

    def event_rows(self, after: int, limit: int) -> list[LoggedEvent]:
        """``events`` in the calling thread."""
        return [
            LoggedEvent(offset, received, Event(system, topic, event_id, Via(via), occurred, unpack(body)))
            for offset, received, system, topic, event_id, via, occurred, body in self._connection.execute(
                'SELECT "offset", received_at_ms, system, topic, event_id, via, occurred_at_ms, body FROM event'
                ' WHERE "offset" > ? ORDER BY "offset" LIMIT ?',
                (after, limit),
            )
        ]

    # --- the Store protocol ----------------------------------------------------------------------

    async def append(
        self,
        events: Sequence[Event],
        *,
        received_at_ms: int,
        cursor: Cursor | None = None,
    ) -> list[int | None]:
        self.begin()
        try:
            (offsets,) = self.append_rows([Append(events, received_at_ms, cursor)])
            self.commit()
        except BaseException:
            self.rollback()
            raise
        return offsets

    async def write(self, *writes: Write) -> list[list[Row]]:
        self.begin()
        try:
            results = self.write_rows(writes)
            self.commit()
        except BaseException:
            self.rollback()
            raise
        return results

    async def events(self, after: int, limit: int) -> list[LoggedEvent]:
        return self.event_rows(after, limit)

    async def read(self, statement: str, **parameters: Any) -> list[Row]:
        return self.read_rows(statement, parameters)

    async def wipe(self) -> None:
        self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    async def close(self) -> None:
        self._connection.close()
