"""The PostgreSQL store: a pool of connections, one transaction a write, one JSON parameter a statement.

Concurrent transactions of one process run side by side, so rows are locked in the order of their keys and
a transaction that the server undid for a deadlock is run again. Appends go through one connection and
are committed together: they wait for each other anyway, because offsets have to become visible in order.

Nothing is lost or doubled when the connection breaks while a COMMIT is under way: every transaction
leaves its number in its connection's row of ``session``, and that row is looked at.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]
import msgspec

from syncline.model.change import Cursor, Event, LoggedEvent, Via
from syncline.model.errors import Fenced, OutcomeUnknown, Rejected, Retryable
from syncline.ports import Row, Store, Write
from syncline.stores.bodies import pack_all, unpack
from syncline.stores.postgres.server import (
    AGAIN,
    COMMAND_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    PACKAGE,
    Connection,
    Mark,
    Session,
    check_rights,
    check_schema_name,
    check_server,
    connect,
    describe,
    introduce,
    is_lost,
    migrate,
    session,
    sort_error,
)
from syncline.stores.seen import bucket_of, digest_of
from syncline.stores.statements import load_queries, waves

POOL_MAX = 8
GROUP_EVENTS_MAX = 1_000  # events in one commit of appends
GROUP_BYTES_MAX = 4 * 1024 * 1024
WAITING_MAX = 20_000  # transactions that may wait; beyond this, callers are refused before acceptance
TRIES_MAX = 10  # of a transaction that the server undid, or whose connection broke before COMMIT
CONNECT_TRIES_MAX = 12
RESOLVE_TRIES_MAX = 2_400  # ten minutes: a fail-over by hand, or a server that recovers from a crash
WAIT_S = 0.25
STALLED_S = 5.0  # a transaction that waits for its client for so long has none that is at work
INT64_MAX = 2**63 - 1

_END_STALLED = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE usename = current_user AND datname = current_database() AND application_name = 'syncline'
    AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND wait_event = 'ClientRead'
    AND state_change < clock_timestamp() - make_interval(secs => $1)
"""
_encode = msgspec.json.encode
_KEY = re.compile(r"^-- key: ([\w ]+)$", re.MULTILINE)
_COLUMNS = re.compile(r"AS r\(([^)]*)\)")
_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Statement:
    """A statement of ``queries.sql`` as PostgreSQL takes it."""

    sql: str
    parameters: tuple[str, ...]  # of a read, in the order of $1, $2, …
    columns: frozenset[str]  # that every row of a write must have
    key: tuple[str, ...]  # what rows of a write are unique by
    in_order: bool  # whether rows keep the order given, rather than that of their keys


@dataclass(frozen=True, slots=True)
class _Appending:
    """One caller's append, on its way into a commit."""

    events: Sequence[Event]
    digests: list[bytes]
    bodies: list[bytes]
    bucket: int
    received_at_ms: int
    cursor: Cursor | None
    future: asyncio.Future[list[int | None]]


class _BrokenError(Exception):
    """The connection broke, and nothing of the transaction happened."""


def parse_statement(text: str) -> _Statement:
    """Read a statement's annotations and turn ``:name`` into ``$1``."""
    names: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${names.setdefault(match[1], len(names) + 1)}"

    key = _KEY.search(text)
    columns = {
        column.split()[0].strip('"') for columns in _COLUMNS.findall(text) for column in columns.split(",")
    }
    sql = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return _Statement(
        sql=_PARAMETER.sub(number, sql),
        parameters=tuple(names),
        columns=frozenset(columns),
        key=tuple(key[1].split()) if key else (),
        in_order="-- in the order given" in text,
    )


async def _keep(connection: Connection) -> None:
    """Leave a connection as it is when it goes back to the pool: we change no settings."""


def _drop(connection: Connection) -> None:
    """Close a connection that is not to be used again; one that broke has left the pool by itself."""
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


class PostgresStore(Store):
    """The PostgreSQL store. Several processes may use one schema; leases keep them apart.

    The order of the rows that a write returns is not defined, except that rows of a later statement
    follow those of an earlier one.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._statements = {name: parse_statement(sql) for name, sql in load_queries(PACKAGE).items()}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._appends: list[_Appending] = []
        self._appender: asyncio.Task[None] | None = None
        self._again = asyncio.Lock()
        self._waiting = 0
        self._closing = False
        self.commits = 0
        self.retries = 0
        self.resolved = 0

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        now_ms: int,
        schema: str = "syncline",
        connections_max: int = POOL_MAX,
    ) -> PostgresStore:
        """Connect, and bring the schema up to date.

        Raises:
            Misconfigured: server, role or schema cannot be trusted or used.
            Retryable: the server does not answer.
        """
        check_schema_name(schema)
        connection = await connect(dsn, schema)
        try:
            await check_server(connection)
            await migrate(connection, schema, now_ms)
            await check_rights(connection, schema)
        finally:
            _drop(connection)
        pool = await asyncpg.create_pool(
            dsn,
            min_size=0,
            max_size=max(2, connections_max),
            init=introduce,
            reset=_keep,
            connection_class=Session,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            statement_cache_size=256,
            server_settings=session(schema),
        )
        return cls(pool)

    # --- the Store protocol ----------------------------------------------------------------------

    async def append(
        self,
        events: Sequence[Event],
        *,
        received_at_ms: int,
        cursor: Cursor | None = None,
    ) -> list[int | None]:
        self._admit()
        _check_text(*(text for e in events for text in (e.system, e.topic, e.event_id)))
        _check_numbers(received_at_ms, *(e.occurred_at_ms for e in events))
        if cursor is not None:
            _check_text(cursor.system, cursor.stream, cursor.position)
            _check_numbers(cursor.covers_ms)
        future: asyncio.Future[list[int | None]] = asyncio.get_running_loop().create_future()
        self._appends.append(
            _Appending(
                events=events,
                digests=[digest_of(event.system, event.event_id) for event in events],
                bodies=pack_all([event.body for event in events]),
                bucket=bucket_of(received_at_ms),
                received_at_ms=received_at_ms,
                cursor=cursor,
                future=future,
            ),
        )
        self._waiting += 1
        if self._appender is None:
            self._appender = asyncio.get_running_loop().create_task(self._append_while_any())
        # A caller that is cancelled must not lose what is being committed for it.
        return await asyncio.shield(future)

    async def write(self, *writes: Write) -> list[list[Row]]:
        self._admit()

        async def work(connection: Connection) -> list[list[Row]]:
            return [await self._run(connection, write) for write in writes]

        self._waiting += 1
        task = asyncio.get_running_loop().create_task(self._transact(work))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def events(self, after: int, limit: int) -> list[LoggedEvent]:
        rows = await self._fetch(
            'SELECT "offset", received_at_ms, system, topic, event_id, via, occurred_at_ms, body FROM event'
            ' WHERE "offset" > $1 ORDER BY "offset" LIMIT $2',
            after,
            limit,
        )
        return [
            LoggedEvent(offset, received, Event(system, topic, event_id, Via(via), occurred, unpack(body)))
            for offset, received, system, topic, event_id, via, occurred, body in rows
        ]

    async def read(self, statement: str, **parameters: Any) -> list[Row]:
        known = self._statements[statement]
        values = [parameters[name] for name in known.parameters]
        try:
            bound = [
                _encode(value).decode() if isinstance(value, list | tuple) else value for value in values
            ]
        except UnicodeEncodeError as error:
            raise sort_error(error) from error
        return await self._fetch(known.sql, *bound)

    async def wipe(self) -> None:
        """Nothing: old versions of rows go when the server vacuums their tables (``docs/howto/erase-a-person.md``)."""

    async def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        while self._tasks or self._appender is not None:
            tasks = [*self._tasks, *([self._appender] if self._appender is not None else [])]
            await asyncio.wait(tasks)
        await self._pool.close()

    # --- one statement ---------------------------------------------------------------------------

    async def _run(self, connection: Connection, write: Write) -> list[Row]:
        statement = self._statements[write.statement]
        returned: list[Row] = []
        for row in write.rows:
            if not statement.columns <= row.keys():
                raise KeyError(f"{write.statement}: a row lacks {sorted(statement.columns - row.keys())}")
        for part in waves(write.rows, statement.key, in_order=statement.in_order) if write.rows else ():
            rows = await connection.fetch(statement.sql, _encode([dict(row) for row in part]).decode())
            returned += map(tuple, rows)
        if write.guard and len(returned) != len(write.rows):
            raise Fenced(f"{write.statement}: {len(returned)} of {len(write.rows)} rows were ours to write")
        return returned

    async def _fetch(self, sql: str, *values: Any) -> list[Row]:
        for attempt in range(TRIES_MAX):
            connection = await self._acquire()
            try:
                return [tuple(row) for row in await connection.fetch(sql, *values)]
            except Exception as error:
                if not is_lost(error) or attempt == TRIES_MAX - 1:
                    raise sort_error(error) from error
                _drop(connection)
            finally:
                await self._pool.release(connection)
        raise AssertionError("the last try returns or raises")

    # --- one transaction -------------------------------------------------------------------------

    def _admit(self) -> None:
        if self._closing:
            raise Retryable("the store is closed (stopping)")
        if self._waiting >= WAITING_MAX:
            raise Retryable("PostgreSQL does not keep up: too many transactions wait to be committed")

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._waiting -= 1

    async def _acquire(self) -> Connection:
        """A connection that worked when it was last used, or a new one.

        Raises:
            Retryable: the server cannot be reached; nothing was sent.
        """
        for attempt in range(CONNECT_TRIES_MAX):
            try:
                return await self._pool.acquire(timeout=COMMAND_TIMEOUT_S)
            except (
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
                OSError,
            ) as error:
                if self._closing or attempt == CONNECT_TRIES_MAX - 1:
                    raise Retryable(
                        f"PostgreSQL cannot be reached: {describe(error)}",
                    ) from error
            await asyncio.sleep(WAIT_S)  # noqa: TID251 (a real server restarts; no simulation runs on it)
        raise AssertionError("the last try returns or raises")

    async def _transact(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run ``work`` in a transaction, and again if the server undid it; each try is a whole one."""
        try:
            return await self._attempt(work)
        except (*AGAIN, _BrokenError) as error:
            last: Exception = error
        # One after the other, so that those that were in each other's way are not again.
        async with self._again:
            for _ in range(TRIES_MAX):
                self.retries += 1
                try:
                    return await self._attempt(work)
                except (*AGAIN, _BrokenError) as error:
                    last = error
        raise Retryable(f"PostgreSQL undid the transaction {TRIES_MAX} times: {last}") from last

    async def _attempt(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        connection = await self._acquire()
        mark: Mark = connection.mark
        mark.step += 1
        step = mark.step
        doubt: BaseException | None = None
        try:
            try:
                await connection.execute("BEGIN")
                result = await work(connection)
                marked = await connection.execute(
                    "UPDATE session SET step = $2, used_at = now() WHERE id = $1",
                    mark.id,
                    step,
                )
                if marked != "UPDATE 1":
                    raise ConnectionResetError("the server has forgotten this session")
            except BaseException as error:
                if is_lost(error):
                    _drop(connection)
                    raise _BrokenError(describe(error)) from error
                await self._undo(connection)
                if isinstance(error, asyncpg.LockNotAvailableError) and await self._freed(connection):
                    raise _BrokenError("what held the lock stood still, and was ended") from error
                sorted_error = sort_error(error)
                if sorted_error is error:
                    raise
                raise sorted_error from error
            try:
                status = await connection.execute("COMMIT")
            except AGAIN:
                await self._undo(connection)
                raise
            except BaseException as error:  # noqa: BLE001 (whatever it was: what became of the COMMIT is not known)
                _drop(connection)
                doubt = error
            else:
                assert status == "COMMIT", status
        finally:
            await self._pool.release(connection)
        # Only now, with the connection given back: resolving takes another one from the same pool.
        if doubt is not None and not await self._committed(mark, step):
            raise _BrokenError(f"before it was committed: {describe(doubt)}") from doubt
        self.commits += 1
        return result

    async def _freed(self, connection: Connection) -> bool:
        """End sessions of ours that keep a transaction open while their process stands still; whether there were any.

        A machine that is frozen answers nothing, and would hold its locks for as long. The server's own limit does not
        count between the messages of one statement.
        """
        try:
            ended = await connection.fetch(_END_STALLED, STALLED_S)
        except Exception:  # noqa: BLE001 (then the lock is waited for as any other)
            return False
        return any(done for (done,) in ended)

    async def _undo(self, connection: Connection) -> None:
        try:
            await connection.execute("ROLLBACK")
        except Exception:  # noqa: BLE001 (the server undoes what a lost connection left open)
            _drop(connection)

    async def _committed(self, mark: Mark, step: int) -> bool:
        """Look up what became of a transaction whose COMMIT was not answered.

        Its row in ``session`` is locked until it has ended either way, also on a server that took over
        from the one that it was sent to: there it counts as far as it was received.

        Raises:
            OutcomeUnknown: the server does not come back, or has not when the store is closed.
        """
        said = "it does not answer"
        for _ in range(RESOLVE_TRIES_MAX):
            try:
                connection = await self._pool.acquire(timeout=CONNECT_TIMEOUT_S)
                try:
                    # Its backend may not have noticed yet that we are gone; without us it cannot go on.
                    await connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE pid = $1 AND backend_start = $2",
                        mark.pid,
                        mark.started_at,
                    )
                    reached = await connection.fetchval(
                        "SELECT step FROM session WHERE id = $1 FOR UPDATE", mark.id
                    )
                    self.resolved += 1
                    return bool(reached == step)
                except BaseException:
                    _drop(connection)
                    raise
                finally:
                    await self._pool.release(connection)
            except (
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
                OSError,
            ) as error:
                said = describe(error)
            if self._closing:
                break
            await asyncio.sleep(WAIT_S)  # noqa: TID251 (a real server restarts; no simulation runs on it)
        raise OutcomeUnknown(f"the connection to PostgreSQL broke during COMMIT, and then: {said}")

    # --- appending -------------------------------------------------------------------------------

    async def _append_while_any(self) -> None:
        while self._appends:
            await self._append_together(self._take_group())
        self._appender = None

    async def _append_together(self, group: list[_Appending]) -> None:
        async def work(connection: Connection) -> list[list[int | None]]:
            return await self._append_rows(connection, group)

        try:
            offsets = await self._transact(work)
        except Exception as error:  # noqa: BLE001 (handed to the callers whose events they were)
            if isinstance(error, Rejected) and len(group) > 1:
                for appending in group:  # whoever brought it is refused, and nobody else
                    await self._append_together([appending])
                return
            for appending in group:
                self._answer(appending, error)
        else:
            for appending, of_this in zip(group, offsets, strict=True):
                self._answer(appending, of_this)

    def _answer(self, appending: _Appending, answer: list[int | None] | Exception) -> None:
        self._waiting -= 1
        if appending.future.done():
            return
        if isinstance(answer, Exception):
            appending.future.set_exception(answer)
        else:
            appending.future.set_result(answer)

    def _take_group(self) -> list[_Appending]:
        events = size = taken = 0
        for appending in self._appends:
            events += len(appending.events)
            size += sum(map(len, appending.bodies))
            if taken and (events > GROUP_EVENTS_MAX or size > GROUP_BYTES_MAX):
                break
            taken += 1
        group, self._appends = self._appends[:taken], self._appends[taken:]
        return group

    async def _append_rows(
        self, connection: Connection, group: Sequence[_Appending]
    ) -> list[list[int | None]]:
        """The appends of several callers, one after the other, in one transaction."""
        buckets: set[int] = set()
        digests: set[bytes] = set()
        for appending in group:
            buckets.update((appending.bucket, appending.bucket - 1, appending.bucket - 2))
            digests.update(appending.digests)
        answers: list[list[int | None]] = []
        if digests:
            # First the lock, then the look: what another process appended before us is seen by the look.
            last: int = await connection.fetchval('SELECT "offset" FROM event_head FOR UPDATE')
            rows = await connection.fetch(
                "SELECT bucket, digest FROM event_seen"
                " WHERE bucket = ANY ($1::bigint[]) AND digest = ANY ($2::bytea[])",
                sorted(buckets),
                sorted(digests),
            )
            seen = {(bucket, digest) for bucket, digest in rows}
            new: list[tuple[Any, ...]] = []
            answers += [_offsets(appending, seen, last, new) for appending in group]
            if new:
                await connection.execute(_APPEND, *(list(column) for column in zip(*new, strict=True)))
        else:
            answers = [[] for _ in group]
        cursors = [
            {"system": c.system, "stream": c.stream, "position": c.position, "covers_ms": c.covers_ms}
            for c in (appending.cursor for appending in group)
            if c is not None
        ]
        await self._run(connection, Write("cursor_put", cursors))
        return answers


_APPEND = """
WITH head AS (UPDATE event_head SET "offset" = "offset" + cardinality($1::bigint[])),
seen AS (INSERT INTO event_seen (bucket, digest) SELECT * FROM unnest($2::bigint[], $3::bytea[]))
INSERT INTO event ("offset", system, topic, event_id, via, occurred_at_ms, received_at_ms, body)
SELECT * FROM unnest($1::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[],
    $10::bytea[])
"""


def _offsets(
    appending: _Appending,
    seen: set[tuple[int, bytes]],
    last: int,
    new: list[tuple[Any, ...]],
) -> list[int | None]:
    """Give out offsets to the events that are new, and add their rows to ``new``."""
    bucket = appending.bucket
    offsets: list[int | None] = []
    for event, digest, body in zip(appending.events, appending.digests, appending.bodies, strict=True):
        if not seen.isdisjoint(((bucket, digest), (bucket - 1, digest), (bucket - 2, digest))):
            offsets.append(None)
            continue
        seen.add((bucket, digest))
        offset = last + len(new) + 1
        new.append(
            (
                offset,
                bucket,
                digest,
                event.system,
                event.topic,
                event.event_id,
                event.via.value,
                event.occurred_at_ms,
                appending.received_at_ms,
                body,
            ),
        )
        offsets.append(offset)
    return offsets


def _check_text(*texts: str) -> None:
    """Refuse what would spoil the commit of others.

    Raises:
        Rejected: PostgreSQL cannot hold this text.
    """
    for text in texts:
        if "\0" in text:
            raise Rejected(f"PostgreSQL cannot hold text with a NUL character: {text!r}")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Rejected(f"PostgreSQL cannot hold text that is not Unicode: {error}") from error


def _check_numbers(*numbers: int) -> None:
    """Refuse what would spoil the commit of others.

    Raises:
        Rejected: a number needs more than 64 bits.
    """
    for number in numbers:
        if not -INT64_MAX - 1 <= number <= INT64_MAX:
            raise Rejected(f"{number} needs more than 64 bits")
