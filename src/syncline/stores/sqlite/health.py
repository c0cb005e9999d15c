"""Looking at a database from outside."""

from __future__ import annotations

import fcntl
from pathlib import Path

import apsw

from syncline.model.errors import Misconfigured
from syncline.stores.held import Health
from syncline.stores.sqlite.store import BUSY_TIMEOUT_MS, PACKAGE, check_engine, check_file_system
from syncline.stores.statements import load_migrations, pending_migrations

FAULTS_MAX = 5


def look(path: str) -> Health:
    """Examine the database at ``path``; changes nothing and keeps nobody waiting."""
    engine = f"SQLite {apsw.sqlite_lib_version()}"
    faults: list[tuple[str, str]] = []
    try:
        check_engine()
        check_file_system(path)
    except Misconfigured as error:
        faults.append((str(error), "see the sentence before"))
    if not Path(path).is_file():
        return Health(engine, (*faults, (f"{path} does not exist", "the first `syncline run` makes it")))
    try:
        return _look(path, engine, faults)
    except (apsw.Error, ValueError) as error:
        mend = "stop the service and restore the newest backup: `syncline restore FILE`"
        return Health(engine, (*faults, (f"{path} cannot be read: {error}", mend)), owner=owner_of(path))


def _look(path: str, engine: str, faults: list[tuple[str, str]]) -> Health:
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.pragma("query_only", 1)
        said = [text for (text,) in connection.execute(f"PRAGMA quick_check({FAULTS_MAX})")]
        if said != ["ok"]:
            mend = "stop the service and restore the newest backup: `syncline restore FILE`"
            faults.append((f"{path} is damaged: {'; '.join(said)}", mend))
        applied: dict[int, str] = dict(connection.execute("SELECT number, checksum FROM migration"))
        pending = tuple(m.name for m in pending_migrations(load_migrations(PACKAGE), applied))
        (span,) = connection.execute(
            'SELECT (SELECT received_at_ms FROM event ORDER BY "offset" LIMIT 1),'
            ' (SELECT received_at_ms FROM event ORDER BY "offset" DESC LIMIT 1)'
        )
    finally:
        connection.close()
    return Health(
        engine,
        tuple(faults),
        pending,
        owner_of(path),
        Path(path).stat().st_size,
        span[0] or 0,
        span[1] or 0,
    )


def owner_of(path: str) -> str:
    """The process that works with a database; "" if there is none."""
    try:
        handle = Path(f"{path}.lock").open(encoding="utf-8")  # noqa: SIM115 (closed below, whatever happens)
    except OSError:
        return ""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return f"process {handle.read().strip() or 'unknown'}"
    else:
        return ""
    finally:
        handle.close()
