"""What has to survive here: files as they were taken, the order in which they were, and what we have written.

A file counts as taken once its content and its place in the journal are on disk; only then is it moved away at the
partner's. Reads go over the journal, so a store that was put back from a backup is told again what it has forgotten.
Contents are named by their SHA-256; no name of a partner's is ever part of a path here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import apsw
import msgspec

from syncline.connectors.files.sold import SoldSpool
from syncline.connectors.files.told import TOLD_SCHEMA, ToldSpool
from syncline.connectors.files.written import WRITTEN_SCHEMA, WrittenSpool
from syncline.model.errors import Misconfigured, Retryable

BUSY_TIMEOUT_MS = 5_000
SYNC_BYTES = 4 * 1024 * 1024
JOURNAL_ROWS_MAX = 1_000  # looked at in one read
DAY_MS = 86_400_000
REPLACED = "replaced "  # before the digest of a content that is still to be deleted
Number = tuple[str, str, str, int]  # SKU, location, stock id, number
_NUMBERS = msgspec.json.Decoder(list[Number])

SCHEMA = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS taken (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL,
    modified_ms INTEGER NOT NULL, sha256 TEXT NOT NULL, stamp_ms INTEGER NOT NULL, listed_ms INTEGER NOT NULL, rows INTEGER NOT NULL,
    state TEXT NOT NULL, reason TEXT NOT NULL, at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS taken_content ON taken (stream, sha256, seq);
CREATE INDEX IF NOT EXISTS taken_order ON taken (stream, seq);
CREATE TABLE IF NOT EXISTS sent (
    operation TEXT NOT NULL, reference TEXT NOT NULL, revision INTEGER NOT NULL, hash TEXT NOT NULL,
    state TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (operation, reference)
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS held (
    sku TEXT NOT NULL, location TEXT NOT NULL, stock_id TEXT NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (sku, location)
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS pending (name TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, numbers BLOB NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS status (
    reference TEXT PRIMARY KEY, body BLOB NOT NULL, again INTEGER NOT NULL, at_ms INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS doubted (
    stream TEXT NOT NULL, seq INTEGER NOT NULL, sku TEXT NOT NULL, PRIMARY KEY (stream, seq, sku)
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS stirred (
    stream TEXT NOT NULL, key TEXT NOT NULL, stamp_ms INTEGER NOT NULL, PRIMARY KEY (stream, key)
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS ordered (
    key TEXT PRIMARY KEY, name TEXT NOT NULL, rank INTEGER, hash TEXT NOT NULL, dialect TEXT NOT NULL, version_ms INTEGER NOT NULL,
    placed_ms INTEGER NOT NULL, seq INTEGER NOT NULL, file TEXT NOT NULL, number TEXT NOT NULL, total TEXT NOT NULL,
    cancelled INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX IF NOT EXISTS ordered_since ON ordered (version_ms, key);
CREATE TABLE IF NOT EXISTS placed (key TEXT PRIMARY KEY, body BLOB NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS money (
    key TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, hash TEXT NOT NULL, body BLOB NOT NULL, state TEXT NOT NULL,
    seq INTEGER NOT NULL, file TEXT NOT NULL, line INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (key, kind, id)
) WITHOUT ROWID, STRICT;
CREATE INDEX IF NOT EXISTS money_waits ON money (kind, at_ms) WHERE state = 'waits';
CREATE TABLE IF NOT EXISTS returned (
    key TEXT PRIMARY KEY, hash TEXT NOT NULL, seq INTEGER NOT NULL, file TEXT NOT NULL, line INTEGER NOT NULL, at_ms INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS numbered (
    reference TEXT NOT NULL, line TEXT NOT NULL, sku TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (reference, line, sku)
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS figures (
    sku TEXT NOT NULL, location TEXT NOT NULL, line BLOB NOT NULL, PRIMARY KEY (sku, location)
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS answers (
    seq INTEGER NOT NULL, at INTEGER NOT NULL, reference TEXT NOT NULL, revision TEXT NOT NULL, line INTEGER NOT NULL, result TEXT NOT NULL,
    reason TEXT NOT NULL, PRIMARY KEY (seq, at)
) WITHOUT ROWID, STRICT;
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """A file in the journal. ``state`` is ``accepted``, ``rejected`` or ``repeated``.

    ``stamp_ms`` is the partner's clock, ``listed_ms`` ours when the list was asked for that showed it complete.
    """

    seq: int
    stream: str
    name: str
    size: int
    modified_ms: int
    sha256: str
    stamp_ms: int
    listed_ms: int
    rows: int
    state: str
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What we have written of one fact: ``staged`` and perhaps published, ``published``, or certainly ``unsent``."""

    revision: int
    hash: str
    state: str


def _taken(row: tuple[Any, ...]) -> Taken:
    return Taken(*row)


def _carry(connection: apsw.Connection) -> None:
    """Take over what an older spool kept of stock alone."""
    if connection.table_exists(None, "touched"):
        connection.execute("INSERT OR IGNORE INTO stirred SELECT 'stock', sku, stamp_ms FROM touched")
        connection.execute("DROP TABLE touched")


class Incoming:
    """A content that is being received; nobody sees it before it is whole."""

    def __init__(self, folder: Path, number: int) -> None:
        self.path = folder / f"incoming-{os.getpid()}-{number}.part"
        self._file = self.path.open("wb")
        self._hash, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self.size = self._unsynced = 0

    def write(self, piece: bytes) -> None:
        """The next piece."""
        self._file.write(piece)
        self._hash.update(piece)
        self._md5.update(piece)
        self.size += len(piece)
        self._unsynced += len(piece)
        if self._unsynced > SYNC_BYTES:  # bit by bit, so that the end of a large file holds nobody up
            self._unsynced = 0
            self._file.flush()
            os.fdatasync(self._file.fileno())

    def end(self) -> None:
        """It is whole: bring it to the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def digest(self, algorithm: str = "sha256") -> str:
        """Its checksum."""
        return (self._md5 if algorithm == "md5" else self._hash).hexdigest()

    def drop(self) -> None:
        """It is not wanted, or has been kept under its own name."""
        with suppress(OSError):  # a full disk was told of by whoever wrote
            self._file.close()
        self.path.unlink(missing_ok=True)


class Spool(SoldSpool, ToldSpool, WrittenSpool):
    """The folder of one system. It is opened when it is first used; several may use it at once."""

    def __init__(self, folder: str, rng: Random, owner: str) -> None:
        self._folder = Path(folder)
        self._owner = owner
        self._rng = rng
        self._connection: apsw.Connection | None = None
        self._incoming = 0
        self._id = ""

    def _open(self) -> apsw.Connection:
        if self._connection is None:
            try:
                # For the owner alone, whatever the umask: it names people. Of a path, mkdir gives its mode to the last part only.
                for name in ("", "content", "incoming"):
                    (self._folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
                self._sweep()
                journal = self._folder / "journal.sqlite"
                journal.touch(mode=0o600)  # before SQLite does; what it puts beside has the same mode
                journal.chmod(0o600)
                connection = apsw.Connection(str(journal))
                connection.set_busy_timeout(BUSY_TIMEOUT_MS)
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("PRAGMA secure_delete=ON")  # what is deleted is not left in free pages
                with connection:
                    connection.execute(SCHEMA + TOLD_SCHEMA + WRITTEN_SCHEMA)
                    _carry(connection)
                    fresh = f"{self._rng.getrandbits(64):016x}"
                    connection.execute("INSERT OR IGNORE INTO about VALUES ('id', ?)", (fresh,))
                    connection.execute("INSERT OR IGNORE INTO about VALUES ('owner', ?)", (self._owner,))
                owner = connection.execute("SELECT value FROM about WHERE name = 'owner'").get
                if owner != self._owner:
                    connection.close()
                    raise Misconfigured(
                        f"files.spool: {self._folder} belongs to system {owner!r}; give each its own"
                    )
                self._id = connection.execute("SELECT value FROM about WHERE name = 'id'").get
            except (OSError, apsw.CantOpenError, apsw.ReadOnlyError, apsw.NotADBError) as error:
                raise Misconfigured(f"files.spool: {self._folder} cannot be used: {error}") from error
            self._connection = connection
        return self._connection

    def _sweep(self) -> None:
        """Delete what processes that are gone had begun to receive."""
        for path in (self._folder / "incoming").glob("incoming-*.part"):
            process = path.name.split("-")[1]
            if process != str(os.getpid()) and not Path(f"/proc/{process}").exists():
                path.unlink(missing_ok=True)

    @contextmanager
    def _transaction(self) -> Iterator[apsw.Connection]:
        connection = self._open()
        try:
            with connection:
                yield connection
        except (apsw.FullError, apsw.IOError, apsw.BusyError) as error:
            raise Retryable(f"the spool does not take it: {error}") from error

    @property
    def id(self) -> str:
        """Tells this spool from one that was lost: a place in that one's journal means nothing here."""
        self._open()
        return self._id

    def close(self) -> None:
        """Let go of it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # --- contents -------------------------------------------------------------------------------------

    def receive(self) -> Incoming:
        """Begin to receive a content.

        Raises:
            Retryable: the disk does not take it.
        """
        self._open()
        self._incoming += 1
        try:
            return Incoming(self._folder / "incoming", self._incoming)
        except OSError as error:
            raise Retryable(f"the spool does not take it: {error}") from error

    def keep(self, incoming: Incoming, name: str) -> None:
        """Give a content that is whole its name. Durable when this returns."""
        folder = self._folder / "content"
        incoming.path.replace(folder / name)
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def content(self, name: str) -> Path:
        """Where a content is, or would be."""
        return self._folder / "content" / name

    def parts(self, *digests: str) -> list[Path]:
        """All that is kept of some contents: the files themselves, and their records as columns saw them."""
        wanted = set(digests)
        return [path for path in self.content("").iterdir() if path.name.partition(".")[0] in wanted]

    def replace(self, incoming: Incoming, taken: Taken, name: Callable[[str], str]) -> None:
        """Put a content that is whole in the place of a file's, and delete the one before. ``name``: that of a digest's lines."""
        sha256 = incoming.digest()
        self.keep(incoming, name(sha256))
        with self._transaction() as connection:
            connection.execute(
                "UPDATE taken SET sha256 = ?, size = ? WHERE stream = ? AND sha256 = ?",
                (sha256, incoming.size, taken.stream, taken.sha256),
            )
            connection.execute("INSERT OR IGNORE INTO about VALUES (?, '')", (f"{REPLACED}{taken.sha256}",))
        self.drop_replaced()

    def drop_replaced(self) -> None:
        """Delete contents that others have taken the place of."""
        found = self._open().execute("SELECT name FROM about WHERE name LIKE ?", (f"{REPLACED}%",)).fetchall()
        for (name,) in found:
            self._delete(str(name).removeprefix(REPLACED))
            with self._transaction() as connection:
                connection.execute("DELETE FROM about WHERE name = ?", (name,))

    def forget_reason(self, seq: int) -> None:
        """Forget why a file was refused, which may quote it."""
        with self._transaction() as connection:
            connection.execute("UPDATE taken SET reason = '' WHERE seq = ?", (seq,))

    def _delete(self, sha256: str) -> None:
        """Delete a content that no file has any more."""
        if not self._open().execute("SELECT 1 FROM taken WHERE sha256 = ?", (sha256,)).fetchall():
            for path in self.parts(sha256):
                path.unlink(missing_ok=True)

    def collect(self, stream: str, needed: Iterable[int], told: int, now_ms: int, keep_days: int) -> None:
        """Delete contents of a stream that were told long ago and that nothing is compared with any more."""
        kept = set(needed)
        rows = self._open().execute(
            "SELECT seq, sha256 FROM taken WHERE stream = ? AND seq <= ? AND at_ms < ? ORDER BY seq LIMIT ?",
            (stream, told, now_ms - keep_days * DAY_MS, JOURNAL_ROWS_MAX),
        )
        old = [(seq, sha256) for seq, sha256 in rows if seq not in kept]
        if not old:
            return
        going, unnamed = {seq for seq, _ in old}, []
        for sha256 in dict.fromkeys(sha256 for _, sha256 in old):
            named = self._open().execute("SELECT seq FROM taken WHERE sha256 = ?", (sha256,))
            if going.issuperset(seq for (seq,) in named):
                unnamed.append(sha256)
        for path in self.parts(
            *unnamed
        ):  # before its rows: what no row names any more nobody would ever delete
            path.unlink(missing_ok=True)
        with self._transaction() as connection:
            connection.executemany("DELETE FROM taken WHERE seq = ?", [(seq,) for seq in going])

    # --- the journal ----------------------------------------------------------------------------------

    def add(self, **row: Any) -> int:
        """Note a file as taken, in the order of this call; returns its number."""
        names = ", ".join(row)
        marks = ", ".join(f":{name}" for name in row)
        with self._transaction() as connection:
            found = connection.execute(f"INSERT INTO taken ({names}) VALUES ({marks}) RETURNING seq", row)  # noqa: S608
            return int(found.get)

    def after(self, stream: str, seq: int) -> list[Taken]:
        """Files of a stream after a place, in order."""
        rows = self._open().execute(
            "SELECT * FROM taken WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?",
            (stream, seq, JOURNAL_ROWS_MAX),
        )
        return [_taken(row) for row in rows]

    def at(self, seq: int) -> Taken | None:
        """One file by its number."""
        rows = self._open().execute("SELECT * FROM taken WHERE seq = ?", (seq,)).fetchall()
        return _taken(rows[0]) if rows else None

    def of_content(self, stream: str, sha256: str) -> list[Taken]:
        """Files of a stream that had a content, in order."""
        rows = self._open().execute(
            "SELECT * FROM taken WHERE stream = ? AND sha256 = ? ORDER BY seq", (stream, sha256)
        )
        return [_taken(row) for row in rows]

    def of_name(self, stream: str, name: str, modified_ms: int) -> list[Taken]:
        """Files of a stream that had a name and a date, the last first."""
        rows = self._open().execute(
            "SELECT * FROM taken WHERE stream = ? AND name = ? AND modified_ms = ? ORDER BY seq DESC",
            (stream, name, modified_ms),
        )
        return [_taken(row) for row in rows]

    def last(self, stream: str) -> Taken | None:
        """The last file of a stream that was accepted."""
        rows = self._open().execute(
            "SELECT * FROM taken WHERE stream = ? AND state = 'accepted' ORDER BY seq DESC LIMIT 1", (stream,)
        )
        found = rows.fetchall()
        return _taken(found[0]) if found else None

    def believe(self, stream: str, covers_ms: int) -> None:
        """Note that a full read of a stream was believed."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO about VALUES (?, ?)", (f"believed {stream}", str(covers_ms))
            )

    def believed(self, stream: str) -> int:
        """Which full read of a stream was believed last, by the moment that it covers; 0: none."""
        found = self._open().execute("SELECT value FROM about WHERE name = ?", (f"believed {stream}",)).get
        return int(found or 0)

    def base(self, stream: str) -> int:
        """The number of the last full file that was believed, as far as a read has found so; 0: none."""
        return int(
            self._open().execute("SELECT value FROM about WHERE name = ?", (f"base {stream}",)).get or 0
        )

    def found_base(self, stream: str, seq: int) -> None:
        """A read found that a full file was believed."""
        if self.base(stream) != seq:
            with self._transaction() as connection:
                connection.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (f"base {stream}", str(seq)))

    # --- the lines of a full file by what they are of, for proofs ----------------------------------------

    def figures_of(self) -> int:
        """The number of the file whose lines are laid out; 0: none."""
        return int(self._open().execute("SELECT value FROM about WHERE name = 'figures'").get or 0)

    def lay_out(self, rows: Iterable[tuple[str, str, bytes]], seq: int | None) -> None:
        """Lay out some lines of a file by SKU and location; ``seq``: these were the last. ``None``: more will come."""
        with self._transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO figures VALUES (?, ?, ?)", list(rows))
            if seq is not None:
                connection.execute("INSERT OR REPLACE INTO about VALUES ('figures', ?)", (str(seq),))

    def clear_figures(self) -> None:
        """What was laid out is of an older file."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM about WHERE name = 'figures'")
            connection.execute("DELETE FROM figures")

    def figures(self, sku: str) -> list[tuple[str, bytes]]:
        """The lines of a SKU, with their locations."""
        return list(self._open().execute("SELECT location, line FROM figures WHERE sku = ?", (sku,)))

    # --- what the next full file has to tell of, although its rows stay the same: SKUs of stock and items, other records --

    def touch(self, stream: str, keys: Mapping[str, int]) -> None:
        """Something else was told of what a full stream tells, at moments of the partner's clock."""
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO stirred VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET stamp_ms = max(stamp_ms, excluded.stamp_ms)",
                [(stream, key, stamp_ms) for key, stamp_ms in keys.items()],
            )

    def touched(self, stream: str) -> set[str]:
        """What was touched and not told of since."""
        return {key for (key,) in self._open().execute("SELECT key FROM stirred WHERE stream = ?", (stream,))}

    def untouch(self, stream: str, stamp_ms: int) -> None:
        """A full file of this moment was told."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM stirred WHERE stream = ? AND stamp_ms <= ?", (stream, stamp_ms))

    def doubt(self, stream: str, seq: int, skus: Iterable[str], base: int) -> None:
        """These SKUs have lines in a full file that were not taken; what is known of others than that and ``base`` goes."""
        with self._transaction() as connection:
            connection.execute(
                "DELETE FROM doubted WHERE stream = ? AND seq NOT IN (?, ?)", (stream, seq, base)
            )
            connection.executemany(
                "INSERT OR IGNORE INTO doubted VALUES (?, ?, ?)", [(stream, seq, sku) for sku in skus]
            )

    def doubted(self, stream: str, seq: int) -> set[str]:
        """The SKUs of which a full file has lines that were not taken."""
        rows = self._open().execute("SELECT sku FROM doubted WHERE stream = ? AND seq = ?", (stream, seq))
        return {sku for (sku,) in rows}

    # --- what was said of orders last, to be told again where an order is found only now --------------------

    def said(self, rows: Iterable[tuple[str, bytes]], now_ms: int, keep_days: int) -> None:
        """What the partner says of orders, by reference."""
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO status VALUES (?, ?, 0, ?) ON CONFLICT DO UPDATE SET body = excluded.body,"
                " at_ms = excluded.at_ms",
                [(reference, body, now_ms) for reference, body in rows],
            )
            connection.execute("DELETE FROM status WHERE at_ms < ?", (now_ms - keep_days * DAY_MS,))

    def say_again(self, reference: str) -> None:
        """An order was found to be written already: what was said of it may have come before we knew it."""
        with self._transaction() as connection:
            connection.execute("UPDATE status SET again = abs(again) + 1 WHERE reference = ?", (reference,))

    def to_say_again(self) -> list[tuple[str, bytes, int]]:
        """What is to be told again: reference, what was said, and how often it was asked for."""
        rows = self._open().execute(
            "SELECT reference, body, again FROM status WHERE again > 0 LIMIT ?", (JOURNAL_ROWS_MAX,)
        )
        return [(str(reference), bytes(body), int(again)) for reference, body, again in rows]

    def said_again(self, told: Iterable[tuple[str, int]]) -> None:
        """These were told again, as they were asked for."""
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE status SET again = -again WHERE reference = ? AND again = ?", list(told)
            )

    def last_number(self) -> int:
        """The number of the last file that was taken."""
        return int(self._open().execute("SELECT max(seq) FROM taken").get or 0)

    # --- what we have written -----------------------------------------------------------------------------

    def sent(self, operation: str, reference: str) -> Sent | None:
        """What was written of a fact last; ``None``: nothing that is known of."""
        rows = self._open().execute(
            "SELECT revision, hash, state FROM sent WHERE operation = ? AND reference = ?",
            (operation, reference),
        )
        found = rows.fetchall()
        return Sent(int(str(found[0][0])), str(found[0][1]), str(found[0][2])) if found else None

    def note(self, operation: str, reference: str, sent: Sent, now_ms: int) -> None:
        """Note what is being written, or has been."""
        row = (operation, reference, sent.revision, sent.hash, sent.state, now_ms)
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?, ?, ?)", row)

    def held(self, sku: str, location: str) -> int:
        """The number that we wrote last for a SKU at a location; 0 where none was written."""
        row = (sku, location)
        return int(
            self._open().execute("SELECT number FROM held WHERE sku = ? AND location = ?", row).get or 0
        )

    def every_number(self) -> list[Number]:
        """Every number that we wrote: SKU, location, stock id, number; in order."""
        return list(
            self._open().execute("SELECT sku, location, stock_id, number FROM held ORDER BY sku, location")
        )

    def pend(self, numbers: Iterable[Number], file: str, now_ms: int) -> None:
        """These numbers are about to be written, in a file of this name."""
        with self._transaction() as connection:
            row = (file, now_ms, msgspec.json.encode(list(numbers)))
            connection.execute("INSERT OR REPLACE INTO pending VALUES (?, ?, ?)", row)

    def pending(self) -> list[tuple[str, int, list[Number]]]:
        """Files of numbers of which it is not known whether they were written: name, since when, numbers; oldest first."""
        rows = self._open().execute("SELECT name, at_ms, numbers FROM pending ORDER BY at_ms, name")
        return [(str(name), int(at_ms), _NUMBERS.decode(bytes(body))) for name, at_ms, body in rows]

    def unpend(self, file: str) -> None:
        """A file of numbers was not written, and never will be."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM pending WHERE name = ?", (file,))

    def hold(self, numbers: Iterable[Number], file: str) -> None:
        """These numbers were written, in a file of this name."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM pending WHERE name = ?", (file,))
            connection.executemany("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?)", list(numbers))
            connection.execute("INSERT OR REPLACE INTO about VALUES ('last stock file', ?)", (file,))

    def last_stock_file(self) -> str:
        """The name of the last file of stock that was written; "" before the first."""
        return str(self._open().execute("SELECT value FROM about WHERE name = 'last stock file'").get or "")

    def next_number(self) -> int:
        """A number for the name of a file, never given before."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO about VALUES ('files', '1') ON CONFLICT DO UPDATE SET value = CAST(value AS INTEGER) + 1"
            )
            return int(connection.execute("SELECT value FROM about WHERE name = 'files'").get)
