"""Looking at a schema from outside."""

from __future__ import annotations

from syncline.model.errors import Misconfigured, SynclineError
from syncline.stores.held import Health
from syncline.stores.postgres.backup import SCHEMA, held_in
from syncline.stores.postgres.server import PACKAGE, Connection, check_rights, check_server, connect
from syncline.stores.statements import load_migrations, pending_migrations


async def look(dsn: str, *, now_ms: int) -> Health:
    """Examine the schema; changes nothing."""
    try:
        connection = await connect(dsn, SCHEMA)
    except SynclineError as error:
        return Health("PostgreSQL", ((str(error), "start the server, or correct [store] url"),))
    try:
        engine = f"PostgreSQL {await connection.fetchval('SHOW server_version')}"
        try:
            await check_server(connection)
            await check_rights(connection, SCHEMA)
            await held_in(connection)
            return await _look(connection, engine, now_ms)
        except (Misconfigured, ValueError) as error:
            return Health(engine, ((str(error), "see the sentence before"),))
    finally:
        await connection.close()


async def _look(connection: Connection, engine: str, now_ms: int) -> Health:
    applied = {row[0]: row[1] for row in await connection.fetch("SELECT number, checksum FROM migration")}
    pending = tuple(m.name for m in pending_migrations(load_migrations(PACKAGE), applied))
    span = await connection.fetchrow(
        'SELECT (SELECT received_at_ms FROM event ORDER BY "offset" LIMIT 1),'
        ' (SELECT received_at_ms FROM event ORDER BY "offset" DESC LIMIT 1)'
    )
    owner = await connection.fetchval(
        "SELECT owner FROM lease WHERE name = 'apply' AND expires_at_ms > $1", now_ms
    )
    size = await connection.fetchval("SELECT pg_database_size(current_database())")
    clock_ms = await connection.fetchval("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
    worker = f"worker {owner}" if owner else ""
    return Health(engine, (), pending, worker, size, span[0] or 0, span[1] or 0, clock_ms)
