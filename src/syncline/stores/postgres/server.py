"""What is asked of the server, how its errors are sorted, and how the schema is brought up to date."""

from __future__ import annotations

import re
import secrets
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from syncline.model.errors import Misconfigured, Rejected, Retryable
from syncline.stores.statements import load_migrations, pending_migrations

PACKAGE = "syncline.stores.postgres"
VERSION_MIN = 130_000  # older ones are not maintained any more
CONNECT_TIMEOUT_S = 10.0
STATEMENT_TIMEOUT_MS = 30_000
LOCK_TIMEOUT_MS = 10_000
IDLE_IN_TRANSACTION_MS = 5_000  # whoever stands still holds up whoever takes over
COMMAND_TIMEOUT_S = 45.0  # ours, for a server that is silent; longer than the server's own
MIGRATION_LOCK_TIMEOUT_MS = 120_000

POOLED = (
    "[store] url leads to a pooler, such as PgBouncer, that does not keep a connection's settings: name the server itself; "
    "Syncline has a small pool of its own."
)

Connection = Any  # asyncpg has no types of its own
_SCHEMA = re.compile(r"^[a-z_][a-z0-9_]{0,62}$")

# The connection is gone, and with it whatever was not committed.
LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.InternalClientError,
)
# The server undid the transaction and asks for it again, as a whole.
AGAIN = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
# Undone, and perhaps better later.
_LATER = (
    asyncpg.InsufficientResourcesError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
)
# The content is what PostgreSQL cannot hold: a NUL, a number of more than 64 bits, a key of 3 kB.
_CONTENT = (
    asyncpg.DataError,  # what the server says
    asyncpg.exceptions._base.DataError,  # noqa: SLF001 (what the client says; exported under no other name)
    asyncpg.ProgramLimitExceededError,
    UnicodeEncodeError,
)


class Session(asyncpg.Connection):  # type: ignore[misc]
    """A connection that leaves the number of its last transaction in the table ``session``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.mark = Mark()


class Mark:
    """Which session and which of its transactions this is."""

    __slots__ = ("id", "pid", "started_at", "step")

    def __init__(self) -> None:
        self.id = ""
        self.step = 0
        self.pid = 0
        self.started_at: Any = None


async def introduce(connection: Connection) -> None:
    """Give a new connection its row in ``session``, and clear away what long-gone ones left."""
    mark: Mark = connection.mark
    mark.id = secrets.token_hex(16)
    mark.pid = connection.get_server_pid()
    mark.started_at = await connection.fetchval(
        "WITH new AS (INSERT INTO session (id, step) VALUES ($1, 0))"
        " SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()",
        mark.id,
    )
    await connection.execute("DELETE FROM session WHERE used_at < now() - interval '1 day'")


def is_lost(error: BaseException) -> bool:
    """Whether an error means that the connection cannot be used any more."""
    if isinstance(error, _CONTENT):
        return False
    return isinstance(error, (*LOST, asyncpg.InterfaceError))


def describe(error: BaseException) -> str:
    """What an error says, or at least what it is."""
    return str(error) or type(error).__name__


def sort_error(error: BaseException) -> BaseException:
    """An error of a transaction that was undone, as the engine wants to hear of it."""
    if isinstance(error, _CONTENT):
        return Rejected(f"PostgreSQL cannot hold this: {error}")
    if is_lost(error):
        return Retryable(f"the connection to PostgreSQL was lost: {describe(error)}")
    if isinstance(error, _LATER):
        return Retryable(f"PostgreSQL could not do this now: {error}")
    return error


def check_schema_name(schema: str) -> None:
    """Refuse a schema name that would have to be quoted.

    Raises:
        Misconfigured: it is not a plain lower-case identifier.
    """
    if not _SCHEMA.match(schema):
        raise Misconfigured(
            f"[store] schema = {schema!r}: use lower-case letters, digits and underscores, at most 63.",
        )


def session(schema: str) -> dict[str, str]:
    """The settings of every connection that durability, an unblocked server and quick answers rest on."""
    return {
        "application_name": "syncline",
        "search_path": schema,
        "synchronous_commit": "on",  # a server may be configured otherwise; an answer of ours means "on disk"
        "default_transaction_isolation": "read committed",
        "statement_timeout": str(STATEMENT_TIMEOUT_MS),
        "lock_timeout": str(LOCK_TIMEOUT_MS),
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
        "timezone": "UTC",
        "jit": "off",  # compiling a statement takes longer than any of ours runs
        # Ours look up a few rows by their keys, and PostgreSQL takes any list for one of 100: up to some ten thousand rows it
        # would rather read the whole table for that. Where all rows are wanted, an index has them in order.
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        "random_page_cost": "1.1",
    }


async def connect(dsn: str, schema: str) -> Connection:
    """One connection, for migrations.

    Raises:
        Misconfigured: address, name or password is wrong, or a pooler keeps our settings from the server.
        Retryable: the server does not answer, or has no connection left.
    """
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, server_settings=session(schema))
    except asyncpg.ProtocolViolationError as error:
        raise Misconfigured(f"{POOLED} It said: {error}") from error
    except (
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
        asyncpg.InsufficientPrivilegeError,
        asyncpg.exceptions.ClientConfigurationError,
        ValueError,
    ) as error:
        raise Misconfigured(
            f"[store] url: {error}. Correct it, or create the role and the database."
        ) from error
    except (*LOST, asyncpg.TooManyConnectionsError, asyncpg.ObjectNotInPrerequisiteStateError) as error:
        raise Retryable(f"PostgreSQL cannot be reached: {describe(error)}") from error
    try:
        await _check_settings(connection, schema)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _check_settings(connection: Connection, schema: str) -> None:
    """Refuse a connection on which our settings are not in force: a pooler that drops them also mixes sessions.

    Raises:
        Misconfigured: names the first of them.
    """
    wanted = session(schema)
    try:
        rows = await connection.fetch(
            "SELECT lower(name), setting FROM pg_settings WHERE lower(name) = ANY ($1)", sorted(wanted)
        )
    except asyncpg.InvalidSQLStatementNameError as error:
        raise Misconfigured(POOLED) from error
    except LOST as error:
        raise Retryable(f"the connection to PostgreSQL was lost: {describe(error)}") from error
    for name, value in sorted(rows):
        if value != wanted[name]:
            raise Misconfigured(f"{POOLED} It dropped {name}.")


async def check_server(connection: Connection) -> None:
    """Refuse a server on which an acknowledged change can be lost.

    Raises:
        Misconfigured: too old, a standby or read-only, not UTF-8, or told not to write to disk.
    """
    row = await connection.fetchrow(
        "SELECT current_setting('server_version_num')::int, current_setting('server_version'),"
        " current_setting('server_encoding'), current_setting('fsync'),"
        " current_setting('full_page_writes'), pg_is_in_recovery(), current_setting('transaction_read_only')",
    )
    number, version, encoding, fsync, full_pages, standby, read_only = row
    if number < VERSION_MIN:
        raise Misconfigured(f"PostgreSQL {version} is too old: 13 or newer is needed.")
    if encoding != "UTF8":
        raise Misconfigured(
            f"the database is encoded in {encoding}: create one with  createdb -E UTF8 -T template0 NAME",
        )
    if standby:
        raise Misconfigured("[store] url leads to a standby, which cannot be written: name the primary.")
    if read_only == "on":
        raise Misconfigured(
            "the database or the role is read-only: ALTER DATABASE name RESET default_transaction_read_only;  "
            "or the same with ROLE",
        )
    if fsync != "on" or full_pages != "on":
        raise Misconfigured(
            "the server runs with fsync or full_page_writes off, so a power cut loses what was accepted: "
            "switch both on in postgresql.conf.",
        )


async def check_rights(connection: Connection, schema: str) -> None:
    """Refuse a role that may not read and write every table, as where another one restored or made them.

    Raises:
        Misconfigured: says the statements to run.
    """
    rows = await connection.fetch(
        "SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = to_regnamespace($1) AND c.relkind = 'r'"
        " AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')"
        " AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')) ORDER BY 1",
        schema,
    )
    if rows:
        raise Misconfigured(
            f"the role may not write {rows[0][0]}{f' and {len(rows) - 1} more tables' if rows[1:] else ''} of schema {schema}. "
            f"As their owner: GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO role;  a new version also has to own them",
        )


async def migrate(connection: Connection, schema: str, now_ms: int) -> list[str]:
    """Bring a schema up to date, each migration in a transaction of its own.

    Processes that start together take turns: a lock that ends with the transaction, so that it holds
    through a pooler too, covers both reading the history and adding to it.

    Returns the names of what was applied.

    Raises:
        Misconfigured: the database belongs to a newer version, its history was altered, or the role
            may not create the schema.
    """
    done: list[str] = []
    await connection.execute(f"SET lock_timeout = {MIGRATION_LOCK_TIMEOUT_MS}")
    await connection.execute("SET statement_timeout = 0")
    known = load_migrations(PACKAGE)
    try:
        while True:
            async with connection.transaction():
                await connection.execute(
                    "SELECT pg_advisory_xact_lock(hashtextextended('syncline.migrate.' || $1, 0))",
                    schema,
                )
                if not await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", schema):
                    await connection.execute(f"CREATE SCHEMA {schema}")
                await connection.execute(
                    "CREATE TABLE IF NOT EXISTS migration (number bigint PRIMARY KEY, name text NOT NULL,"
                    " checksum text NOT NULL, applied_at_ms bigint NOT NULL)"
                    if not await connection.fetchval("SELECT to_regclass('migration') IS NOT NULL")
                    else "SELECT 1",
                )
                applied = {
                    row[0]: row[1] for row in await connection.fetch("SELECT number, checksum FROM migration")
                }
                try:
                    pending = pending_migrations(known, applied)
                except ValueError as error:
                    raise Misconfigured(str(error)) from error
                if not pending:
                    return done
                migration = pending[0]
                await connection.execute(migration.sql)
                await connection.execute(
                    "INSERT INTO migration VALUES ($1, $2, $3, $4)",
                    migration.number,
                    migration.name,
                    migration.checksum,
                    now_ms,
                )
            done.append(migration.name)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidSchemaNameError) as error:
        raise Misconfigured(
            f"the role may not set up schema {schema} ({error}). As the database's owner: "
            f"GRANT CREATE ON DATABASE name TO role;  or  CREATE SCHEMA {schema} AUTHORIZATION role;  "
            f"or, if it exists,  ALTER SCHEMA {schema} OWNER TO role;",
        ) from error
    except LOST as error:
        raise Retryable(f"the connection to PostgreSQL was lost: {describe(error)}") from error
