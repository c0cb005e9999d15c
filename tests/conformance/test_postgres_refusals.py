"""What an address may lead to that is no PostgreSQL to work with: said in a sentence, before anything is accepted."""

from __future__ import annotations

import asyncio
import contextlib
import struct

import pytest

from syncline.model.errors import Misconfigured, Retryable
from syncline.testing.store_tools import T0

asyncpg = pytest.importorskip("asyncpg", reason="the postgres extra is not installed")
from syncline.stores.postgres import PostgresStore  # noqa: E402 (only with its driver)
from syncline.stores.postgres.health import look  # noqa: E402

pytestmark = pytest.mark.postgres


async def said(dsn, kind=Misconfigured):
    """What the start and the doctor say of an address; both have to refuse it."""
    with pytest.raises(kind) as caught:
        await (await PostgresStore.open(dsn, now_ms=T0)).close()
    health = await look(dsn, now_ms=T0)
    assert health.faults, "the doctor sees it, too"
    return str(caught.value)


@pytest.fixture
async def database(postgres, schema):
    """A database of its own with our schema in it, and how to run statements there as its owner's superior."""
    postgres.sql(f"CREATE DATABASE {schema} OWNER syncline")
    dsn = postgres.dsn.replace("/syncline?", f"/{schema}?")
    await (await PostgresStore.open(dsn, now_ms=T0)).close()
    yield dsn
    postgres.sql(f"DROP DATABASE {schema} WITH (FORCE)")


@contextlib.asynccontextmanager
async def pooler(port, *, strict):
    """What PgBouncer does with settings that a client sends: refuses them, or drops them if it was told to."""

    writers, busy = [], []

    async def connect(reader, writer):
        writers.append(writer)
        busy.append(asyncio.current_task())
        (size,) = struct.unpack("!i", await reader.readexactly(4))
        _, *texts = [(await reader.readexactly(4)), *(await reader.readexactly(size - 8)).split(b"\0")]
        settings = dict(zip(texts[::2], texts[1::2], strict=False))
        if strict:
            body = b"SFATAL\0C08P01\0Munsupported startup parameter: search_path\0\0"
            writer.write(b"E" + struct.pack("!i", len(body) + 4) + body)
            writer.close()
            return
        kept = b"".join(name + b"\0" + settings[name] + b"\0" for name in (b"user", b"database")) + b"\0"
        there, thither = await asyncio.open_connection("127.0.0.1", port)
        writers.append(thither)
        thither.write(struct.pack("!ii", len(kept) + 8, 196608) + kept)
        await asyncio.gather(copy(reader, thither), copy(there, writer))

    async def copy(reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.gather(*busy, *(writer.wait_closed() for writer in writers), return_exceptions=True)


@pytest.mark.parametrize(
    ("strict", "detail"), [(True, "unsupported startup parameter"), (False, "It dropped ")]
)
async def test_a_pooler_that_keeps_no_settings_is_refused(postgres, strict, detail):
    async with pooler(postgres.port, strict=strict) as port:
        words = await said(postgres.dsn_over_tcp(port))
        assert "pooler" in words
        assert detail in words


async def test_a_database_that_is_read_only_is_refused(postgres, schema, database):
    postgres.sql(f"ALTER DATABASE {schema} SET default_transaction_read_only = on")
    assert "read-only" in await said(database)


async def test_a_role_that_may_not_connect_is_refused(postgres, schema, database):
    postgres.sql(f"CREATE ROLE out_{schema} LOGIN", f"REVOKE CONNECT ON DATABASE {schema} FROM PUBLIC")
    words = await said(database.replace("syncline@", f"out_{schema}@"))
    assert words.startswith("[store] url: permission denied for database")


async def test_a_role_that_may_not_write_the_tables_of_another_is_refused(postgres, schema, database):
    """As where an administrator restored a copy as somebody else."""
    role = f"poor_{schema}"
    dsn = database.replace("syncline@", f"{role}@")
    postgres.sql(f"CREATE ROLE {role} LOGIN")
    assert "ALTER SCHEMA syncline OWNER TO role" in await said(dsn)
    postgres.sql(
        f"GRANT USAGE ON SCHEMA syncline TO {role}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA syncline TO {role}",
        f"REVOKE INSERT ON syncline.delivery FROM {role}",
        database=schema,
    )
    assert "the role may not write delivery of schema syncline" in await said(dsn)
    postgres.sql(f"GRANT INSERT ON syncline.delivery TO {role}", database=schema)
    await (await PostgresStore.open(dsn, now_ms=T0)).close()
    assert not (await look(dsn, now_ms=T0)).faults


async def test_a_server_without_a_connection_left_is_something_to_retry(postgres, schema, database):
    role = f"full_{schema}"
    postgres.sql(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0")
    words = await said(database.replace("syncline@", f"{role}@"), Retryable)
    assert "too many connections" in words


async def test_a_database_that_takes_nobody_is_something_to_retry(postgres, schema, database):
    postgres.sql(f"ALTER DATABASE {schema} ALLOW_CONNECTIONS false")
    assert "not currently accepting connections" in await said(database, Retryable)
