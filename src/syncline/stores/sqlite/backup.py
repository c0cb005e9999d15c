"""Copying a database that is in use, and putting a copy back.

The copy is taken within one read transaction, so it is the database of one moment, whatever is written meanwhile: in
WAL mode a reader keeps no writer waiting. It is written in steps, each forced to disk, so that the writer's own
``fsync`` never waits behind a gigabyte of ours.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw

from syncline.model.errors import Misconfigured
from syncline.stores.held import Held
from syncline.stores.rewind import rewind_statements
from syncline.stores.sqlite.store import PACKAGE, check_engine, check_file_system, connect, migrate
from syncline.stores.sqlite.writer import lock_database, make_private
from syncline.stores.statements import load_migrations

STEP_PAGES = 512  # 4 MB
SPARE_BYTES = 64 * 1024 * 1024  # of disk that a copy leaves free
FAULTS_MAX = 5  # of an integrity check that are told


def held_in(connection: apsw.Connection) -> Held:
    """Look into a database.

    Raises:
        Misconfigured: it is no database of Syncline.
    """
    try:
        names = tuple(name for (name,) in connection.execute("SELECT name FROM migration ORDER BY number"))
        (end,) = next(connection.execute('SELECT coalesce(max("offset"), 0) FROM event'))
        (applied,) = next(connection.execute('SELECT coalesce(max("offset"), 0) FROM progress'))
    except (apsw.SQLError, apsw.NotADBError) as error:
        raise Misconfigured(f"{connection.filename}: this is no database of Syncline ({error})") from error
    return Held(names, end, applied)


def copy(
    source: apsw.Connection, target: apsw.Connection, *, between: Callable[[], None] = lambda: None
) -> None:
    """Copy one moment of ``source`` into ``target``; ``between`` is called after each step."""
    source.execute("BEGIN")
    try:
        source.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # from here on the moment is fixed
        with target.backup("main", source, "main") as backup:
            while not backup.done:
                backup.step(STEP_PAGES)
                between()
    finally:
        source.execute("ROLLBACK")


def check(connection: apsw.Connection) -> None:
    """Refuse a database that is damaged.

    Raises:
        Misconfigured: it is; the message says where.
    """
    try:
        faults = [text for (text,) in connection.execute(f"PRAGMA integrity_check({FAULTS_MAX})")]
    except (apsw.CorruptError, apsw.NotADBError) as error:
        faults = [str(error)]
    if faults != ["ok"]:
        raise Misconfigured(f"{connection.filename} is damaged: {'; '.join(faults)}")


def backup(path: str, to: Path, *, seal: Callable[[Path, Held], None]) -> Held:
    """Write a checked copy of the database at ``path`` to ``to``, which must not exist; safe while it is in use.

    The copy appears under its name when it is whole, checked and on disk, readable by its owner alone; ``seal`` is
    called with it just before.

    Raises:
        Misconfigured: there is no database, no room, ``to`` exists, or the copy is damaged.
    """
    check_engine()
    if not Path(path).is_file():
        raise Misconfigured(f"{path} does not exist: there is nothing to back up")
    if to.exists():
        raise Misconfigured(f"{to} exists already; backups are never overwritten, give another name")
    size = sum(Path(path + end).stat().st_size for end in ("", "-wal") if Path(path + end).exists())
    _room(to.parent, size)
    with _partial(to) as part:
        source, target = connect(path, read_only=True), apsw.Connection(str(part))
        try:
            target.pragma("synchronous", "OFF")  # each step is forced to disk as a whole
            copy(source, target, between=lambda: _sync(part))
            target.pragma("journal_mode", "DELETE")  # one file, with nothing beside it
            check(target)
            held = held_in(target)
        finally:
            target.close()
            source.close()
        _sync(part)
        seal(part, held)
        part.rename(to)
    _sync(to.parent)
    return held


def restore(copy_of: Path, into: Path, *, now_ms: int, taken_at_ms: int) -> tuple[Held, Path | None]:
    """Put a copy in the place of the database at ``into``, prepared for the time that it does not know.

    The copy itself stays as it is. What was there before is kept beside it, under the returned name.

    Raises:
        Misconfigured: the database is in use, the copy is damaged or of a newer version, or there is no room.
    """
    check_engine()
    check_file_system(str(into))
    if not copy_of.is_file():
        raise Misconfigured(f"{copy_of} does not exist")
    into.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = lock_database(str(into))
    try:
        _room(into.parent, copy_of.stat().st_size)
        with _partial(into) as part:
            shutil.copyfile(copy_of, part)
            held = _prepare(str(part), now_ms=now_ms, taken_at_ms=taken_at_ms)
            _sync(part)
            aside = _put_aside(into, now_ms)
            part.replace(into)
        make_private(str(into))
        _sync(into.parent)
    finally:
        lock.close()
    return held, aside


def mark_restored(path: Path, *, now_ms: int) -> Held:
    """Prepare a database that was put back by other means, such as a snapshot of its disk.

    Raises:
        Misconfigured: it is in use, damaged, of a newer version, or not there.
    """
    check_engine()
    if not path.is_file():
        raise Misconfigured(f"{path} does not exist: there is nothing to prepare")
    lock = lock_database(str(path))
    try:
        return _prepare(str(path), now_ms=now_ms, taken_at_ms=0)
    finally:
        lock.close()


def _prepare(path: str, *, now_ms: int, taken_at_ms: int) -> Held:
    """Check a database, bring its schema up to date and have it forget what it cannot know; leaves one file."""
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        check(connection)
        held = held_in(connection)
    finally:
        connection.close()
    _refuse_newer(held)
    connection = connect(path)
    try:
        migrate(connection, now_ms)
        rewind(connection, now_ms=now_ms, taken_at_ms=taken_at_ms)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    finally:
        connection.close()
    return held


def rewind(connection: apsw.Connection, *, now_ms: int, taken_at_ms: int) -> None:
    """Have a database forget what it cannot know, in one transaction."""
    with connection:
        for sql in rewind_statements(restored_at_ms=now_ms, taken_at_ms=taken_at_ms):
            connection.execute(sql)


def _refuse_newer(held: Held) -> None:
    known = {migration.name for migration in load_migrations(PACKAGE)}
    newer = [name for name in held.migrations if name not in known]
    if newer:
        raise Misconfigured(
            f"the backup has migration {newer[-1]}, which this version of Syncline does not know: "
            "install the version that wrote it, or a newer one",
        )


def _put_aside(into: Path, now_ms: int) -> Path | None:
    """Give the database that is replaced a second name; it stays in its place until the new one takes it."""
    wal = Path(f"{into}-wal")
    if not into.exists():
        wal.unlink(missing_ok=True)
        return None
    aside = into.with_name(f"{into.name}.before-restore-{now_ms}")
    try:
        old = connect(str(into))
        try:
            old.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            old.close()
    except (
        apsw.Error,
        Misconfigured,
    ):  # it may be what is to be replaced because it cannot be opened any more
        if wal.exists():
            wal.rename(f"{aside}-wal")
    # A log that stayed would be taken for the new database's.
    for end in ("-wal", "-shm"):
        Path(f"{into}{end}").unlink(missing_ok=True)
    os.link(into, aside)
    return aside


@contextlib.contextmanager
def _partial(to: Path) -> Iterator[Path]:
    """A private file beside ``to``, gone afterwards unless it was renamed."""
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = to.with_name(f".{to.name}.partial")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield part
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            Path(f"{part}{end}").unlink(missing_ok=True)


def _room(folder: Path, size: int) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < size + SPARE_BYTES:
        raise Misconfigured(
            f"{folder} has {free // 1_000_000} MB free, and {(size + SPARE_BYTES) // 1_000_000} MB are needed"
        )


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
