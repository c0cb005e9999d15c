"""Backing up a schema with PostgreSQL's own programs, and preparing one that was put back.

``pg_dump`` reads one moment of a database that is in use, and is maintained with the server; so nothing of our own
stands between the data and its copy. It has to be of the server's major version or newer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from syncline.model.errors import Misconfigured
from syncline.stores.held import Held
from syncline.stores.postgres.server import Connection, check_server, connect, migrate
from syncline.stores.rewind import rewind_statements

SCHEMA = "syncline"
TOLD_MAX = 500  # characters of what a program said


async def held_in(connection: Connection) -> Held:
    """Look into the schema of a connection.

    Raises:
        Misconfigured: it is no schema of Syncline.
    """
    if not await connection.fetchval("SELECT to_regclass('migration') IS NOT NULL"):
        raise Misconfigured(f"the database has no schema {SCHEMA} of Syncline")
    names = await connection.fetch("SELECT name FROM migration ORDER BY number")
    end = await connection.fetchval('SELECT coalesce(max("offset"), 0) FROM event')
    applied = await connection.fetchval('SELECT coalesce(max("offset"), 0) FROM progress')
    return Held(tuple(row[0] for row in names), end, applied)


def without_password(dsn: str) -> tuple[str, str]:
    """A URL that may be seen in a list of processes, and its password."""
    parts = urlsplit(dsn)
    if parts.password is None:
        return dsn, ""
    _, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{host}")), parts.password


async def backup(
    dsn: str, to: Path, *, environment: Mapping[str, str], seal: Callable[[Path, Held], None]
) -> Held:
    """Write a dump in PostgreSQL's custom format to ``to``, which must not exist; safe while the service runs.

    ``seal`` is called with the whole file before it appears under its name.

    Raises:
        Misconfigured: there is no ``pg_dump``, or it failed; says the command.
    """
    part = _partial(to)
    connection = await connect(dsn, SCHEMA)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            held = await held_in(connection)
            await connection.execute("SET idle_in_transaction_session_timeout = 0")
            await _run(
                ["pg_dump", "--format=custom", f"--schema={SCHEMA}", f"--snapshot={snapshot}"],
                [f"--file={part}"],
                dsn,
                environment,
            )
        seal(part, held)
        part.rename(to)
    finally:
        await connection.close()
        part.unlink(missing_ok=True)
    return held


def _partial(to: Path) -> Path:
    """A private file beside ``to``."""
    if to.exists():
        raise Misconfigured(f"{to} exists already; backups are never overwritten, give another name")
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = to.with_name(f".{to.name}.partial")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return part


async def restore(
    dsn: str, copy_of: Path, *, environment: Mapping[str, str], now_ms: int, taken_at_ms: int
) -> Held:
    """Put a dump into a database that has no schema of ours yet, and prepare it.

    A service that is started too early waits for the same lock as for a migration.

    Raises:
        Misconfigured: there is such a schema, there is no ``pg_restore``, or it failed.
    """
    connection = await connect(dsn, SCHEMA)
    try:
        await check_server(connection)
        async with _alone(connection):
            if await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", SCHEMA):
                raise Misconfigured(
                    f"the database has a schema {SCHEMA} already, which is never overwritten: create another database and "
                    f"name it in [store] url, or stop the service and keep the old one aside with  "
                    f"ALTER SCHEMA {SCHEMA} RENAME TO {SCHEMA}_before_restore",
                )
            arguments = [
                "pg_restore",
                "--single-transaction",
                "--exit-on-error",
                "--no-owner",
                "--no-privileges",
            ]
            await _run(arguments, [str(copy_of)], dsn, environment)
            held = await held_in(connection)
            await _rewind(connection, now_ms, taken_at_ms)
    finally:
        await connection.close()
    return held


async def mark_restored(dsn: str, *, now_ms: int) -> Held:
    """Prepare a schema that was put back by other means, such as the server's own point-in-time recovery.

    Raises:
        Misconfigured: somebody works with it, or there is none.
    """
    connection = await connect(dsn, SCHEMA)
    try:
        await check_server(connection)
        async with _alone(connection):
            held = await held_in(connection)
            await _rewind(connection, now_ms, 0)
    finally:
        await connection.close()
    return held


async def _rewind(connection: Connection, now_ms: int, taken_at_ms: int) -> None:
    owners = await connection.fetch(
        "SELECT application_name, client_addr FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'syncline' AND pid <> pg_backend_pid()"
        " AND wait_event_type IS DISTINCT FROM 'Lock'",
    )
    if owners:
        raise Misconfigured(
            f"{len(owners)} connections of Syncline are open on this database: stop the service first"
        )
    await migrate(connection, SCHEMA, now_ms)
    async with connection.transaction():
        for sql in rewind_statements(restored_at_ms=now_ms, taken_at_ms=taken_at_ms):
            await connection.execute(sql)


@contextlib.asynccontextmanager
async def _alone(connection: Connection) -> AsyncIterator[None]:
    """Hold the lock of migrations for this session, so that no service gets past its start."""
    lock = "hashtextextended('syncline.migrate.' || $1, 0)"
    await connection.execute("SET statement_timeout = 0")
    if not await connection.fetchval(f"SELECT pg_try_advisory_lock({lock})", SCHEMA):
        raise Misconfigured("a process of Syncline is starting on this database: stop it first")
    try:
        yield
    finally:
        await connection.execute(f"SELECT pg_advisory_unlock({lock})", SCHEMA)


async def _run(
    arguments: Sequence[str], files: Sequence[str], dsn: str, environment: Mapping[str, str]
) -> None:
    """Run one of PostgreSQL's programs; its password goes through the environment, which only its owner can see."""
    address, password = without_password(dsn)
    command = [*arguments, f"--dbname={address}", *files]
    program = shutil.which(arguments[0], path=environment.get("PATH"))
    if program is None:
        raise Misconfigured(
            f"{arguments[0]} is not installed (Debian: apt-get install postgresql-client); where it is, run:  "
            f"{' '.join(command)}",
        )
    process = await asyncio.create_subprocess_exec(
        program,
        *command[1:],
        env={**environment, **({"PGPASSWORD": password} if password else {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode:
        raise Misconfigured(f"{arguments[0]} failed: {said.decode(errors='replace').strip()[-TOLD_MAX:]}")
