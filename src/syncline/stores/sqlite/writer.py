"""Group commit: one thread owns the writing connection and commits for everybody.

Callers hand over a transaction and wait. The thread takes what has gathered while it was
committing, runs it in one transaction, commits once, and only then answers. So one fsync
carries many acknowledgements. Where one of them fails, everything is run again, each in a savepoint
of its own: a failing transaction takes nobody with it.

Small transactions go first and together; large ones follow some hundred rows at a time, so that a
checkout waits for one such commit and not for a thousand changes. Nothing may rely on the order of
transactions that are under way at once.

A second thread checkpoints the WAL, because a checkpoint in the commit path is what makes slow
answers slow. It never writes anything else. Reads use a third, read-only connection in the
caller's thread.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import apsw

from syncline.model.change import Cursor, Event, LoggedEvent
from syncline.model.errors import Misconfigured, Retryable, StoreBroken
from syncline.ports import Row, Store, Write
from syncline.stores.sqlite.store import Append, SqliteStore, connect

BATCH_MAX = 512  # transactions in one commit
# A transaction of so few rows goes before larger ones: somebody waits at a checkout for it, or a shop for its answer.
SMALL_ROWS = 8
LARGE_ROWS = 200  # rows of large transactions in one commit, after which small ones have their turn again
WAITING_MAX = 20_000  # transactions that may wait; beyond this, callers are refused before acceptance
CHECKPOINT_EVERY_PAGES = 8_000
# Nobody writes while the log is begun anew, so that does not wait for a reader that takes its time, such as a backup.
CHECKPOINT_WAIT_MS = 50
# How long a busy event loop keeps the writer from going on. Python's 5 ms are longer than a commit takes.
SWITCH_S = 0.001

_Work = tuple[Append | Sequence[Write], asyncio.Future[Any]]
_Answer = tuple[asyncio.Future[Any], Any, BaseException | None]


def _rows(work: _Work) -> int:
    task, _ = work
    return len(task.events) if isinstance(task, Append) else sum(len(write.rows) for write in task)


def _as_told(error: BaseException) -> StoreBroken:
    return StoreBroken(
        f"the database cannot be written any more: {error}; Syncline ends, and is safe to start again once the disk "
        "is sound"
    )


def lock_database(path: str) -> IO[str]:
    """Make sure that no other process runs on this database.

    The lock is the kernel's, so it ends with the process, however it ends.

    Raises:
        Misconfigured: another process holds it.
    """
    handle = Path(f"{path}.lock").open("a+", encoding="utf-8")  # noqa: SIM115 (held while the store is open)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.seek(0)
        owner = handle.read().strip() or "unknown"
        handle.close()
        raise Misconfigured(
            f"{path} is in use by process {owner}. Stop it first: two writers on one database lose data.",
        ) from error
    handle.seek(0)
    handle.truncate()
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def make_private(path: str) -> None:
    """Create folder and file for the owner alone, before SQLite does: its WAL copies the file's mode."""
    file = Path(path).absolute()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.chmod(0o600)


class LiveSqliteStore(Store):
    """The SQLite store for live use. Create it inside the running event loop."""

    def __init__(self, path: str, inner: SqliteStore, lock: IO[str]) -> None:
        self._loop = asyncio.get_running_loop()
        self._inner = inner
        self._lock = lock
        self._reader = SqliteStore(connect(path, read_only=True))
        self._checkpointer = connect(path)
        self._checkpointer.set_busy_timeout(CHECKPOINT_WAIT_MS)
        self._queue: queue.SimpleQueue[list[_Work] | None] = queue.SimpleQueue()
        self._gathered: list[_Work] = []
        self._waiting = 0
        self._broken: BaseException | None = None
        self._dirty = threading.Event()
        self._wiping = threading.Event()
        self._stopping = threading.Event()
        self.commits = 0
        self.transactions = 0
        self._threads = [
            threading.Thread(target=self._write_for_ever, name="syncline-writer", daemon=True),
            threading.Thread(target=self._checkpoint_for_ever, name="syncline-checkpoint", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @classmethod
    async def open(cls, path: str, *, now_ms: int) -> LiveSqliteStore:
        """Open or create a database for this process alone.

        Raises:
            Misconfigured: another process uses it, or engine, file system or schema cannot be trusted.
        """
        make_private(path)
        lock = lock_database(path)
        sys.setswitchinterval(SWITCH_S)
        try:
            inner = SqliteStore.open(path, now_ms=now_ms)
        except BaseException:
            lock.close()
            raise
        return cls(path, inner, lock)

    @property
    def _closing(self) -> bool:
        return self._stopping.is_set()

    def _submit(self, work: Append | Sequence[Write]) -> asyncio.Future[Any]:
        if self._broken is not None:
            raise _as_told(self._broken)
        if self._closing:
            raise Retryable("the store is closed (stopping)")
        if self._waiting >= WAITING_MAX:
            raise Retryable("the disk does not keep up: too many transactions wait to be committed")
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting += 1
        # What one turn of the loop asks for is handed over together: a thread that is woken for the first would
        # contend with the loop for the interpreter, and commit it alone.
        if not self._gathered:
            self._loop.call_soon(self._hand_over)
        self._gathered.append((work, future))
        # A caller that is cancelled stops waiting; what it handed over is committed all the same.
        return future

    def _hand_over(self) -> None:
        if self._gathered:
            self._queue.put(self._gathered)
            self._gathered = []

    async def append(
        self,
        events: Sequence[Event],
        *,
        received_at_ms: int,
        cursor: Cursor | None = None,
    ) -> list[int | None]:
        offsets: list[int | None] = await self._submit(Append(events, received_at_ms, cursor))
        return offsets

    async def write(self, *writes: Write) -> list[list[Row]]:
        results: list[list[Row]] = await self._submit(writes)
        return results

    async def events(self, after: int, limit: int) -> list[LoggedEvent]:
        return self._reader.event_rows(after, limit)

    async def read(self, statement: str, **parameters: Any) -> list[Row]:
        return self._reader.read_rows(statement, parameters)

    async def wipe(self) -> None:
        # What was overwritten is in no page of the database any more, but may still be in the log of changes to them.
        self._wiping.set()
        self._dirty.set()

    async def close(self) -> None:
        if self._closing:
            return
        self._stopping.set()
        self._hand_over()
        self._queue.put(None)
        self._dirty.set()
        for thread in self._threads:
            while thread.is_alive():
                await asyncio.to_thread(thread.join, 1.0)
        await self._reader.close()
        await self._inner.close()
        self._checkpointer.close()
        self._lock.close()

    # --- the writer thread ------------------------------------------------------------------------

    def _write_for_ever(self) -> None:
        small, large = deque[_Work](), deque[_Work]()
        stop = False
        while small or large or not stop:
            stop = self._take(small, large, wait=not (small or large or stop)) or stop
            if small:
                self._commit([small.popleft() for _ in range(min(len(small), BATCH_MAX))])
            if large:
                batch = [large.popleft()]
                rows = _rows(batch[0])
                while large and (rows := rows + _rows(large[0])) <= LARGE_ROWS:
                    batch.append(large.popleft())
                self._commit(batch)

    def _take(self, small: deque[_Work], large: deque[_Work], *, wait: bool) -> bool:
        """Sort what was handed over by size; true if it was the last."""
        try:
            while True:
                more = self._queue.get(block=wait)
                if more is None:
                    return True
                for work in more:
                    (small if _rows(work) <= SMALL_ROWS else large).append(work)
                wait = False
        except queue.Empty:
            return False

    def _commit(self, batch: list[_Work]) -> None:
        try:
            if self._broken is not None:  # what waited meanwhile: an fsync that succeeds now proves nothing
                raise self._broken
            answers = self._run_together(batch) or self._run_apart(batch)
            self._inner.commit()
            self.commits += 1
            self.transactions += len(batch)
        except BaseException as error:  # noqa: BLE001 (nothing of this batch is durable: say so to everyone)
            answers = [(future, None, self._failed(error)) for _, future in batch]
        self._dirty.set()
        self._loop.call_soon_threadsafe(self._answer, answers)

    def _run_together(self, batch: list[_Work]) -> list[_Answer]:
        """All of it in one go, which a failure is rare enough for; ``[]`` if one failed, and nothing happened."""
        self._inner.begin()
        try:
            offsets = iter(self._inner.append_rows([work for work, _ in batch if isinstance(work, Append)]))
            return [
                (future, next(offsets) if isinstance(work, Append) else self._inner.write_rows(work), None)
                for work, future in batch
            ]
        except (apsw.IOError, apsw.FullError, apsw.CorruptError):
            raise
        except Exception:  # noqa: BLE001 (the second run finds out whose it is)
            self._inner.rollback()
            return []

    def _run_apart(self, batch: list[_Work]) -> list[_Answer]:
        """Each in a savepoint of its own, so that one that fails takes nobody with it."""
        answers: list[_Answer] = []
        self._inner.begin()
        for work, future in batch:
            self._inner.savepoint()
            try:
                result = self._do(work)
            except apsw.Error as error:
                if isinstance(error, apsw.IOError | apsw.FullError | apsw.CorruptError):
                    raise
                self._inner.undo()
                answers.append((future, None, error))
            except Exception as error:  # noqa: BLE001 (handed to the caller whose work it was)
                self._inner.undo()
                answers.append((future, None, error))
            else:
                self._inner.keep()
                answers.append((future, result, None))
        return answers

    def _do(self, work: Append | Sequence[Write]) -> Any:
        return (
            self._inner.append_rows([work])[0] if isinstance(work, Append) else self._inner.write_rows(work)
        )

    def _failed(self, error: BaseException) -> BaseException:
        try:
            self._inner.rollback()
        except apsw.Error as again:
            error = again if isinstance(error, apsw.FullError | apsw.BusyError) else error
        if isinstance(error, apsw.FullError):
            return Retryable("the disk is full: nothing was accepted; free space and it resumes by itself")
        if isinstance(error, apsw.BusyError):
            return Retryable(
                "the database is locked by another program, such as a backup: nothing was accepted"
            )
        # After a failed fsync the kernel may have dropped the pages: never ask again and believe it.
        self._broken = error
        return _as_told(error)

    def _answer(self, answers: list[_Answer]) -> None:
        for future, result, error in answers:
            self._waiting -= 1
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    # --- the checkpoint thread --------------------------------------------------------------------

    def _checkpoint_for_ever(self) -> None:
        while True:
            self._dirty.wait(timeout=5.0)
            self._dirty.clear()
            if self._closing:
                return
            try:
                pages = self._checkpointer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)[0]
                if self._wiping.is_set():
                    self._checkpointer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
                    self._wiping.clear()
                elif pages > 8 * CHECKPOINT_EVERY_PAGES:
                    self._checkpointer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
            except (apsw.BusyError, apsw.FullError):
                pass  # the WAL grows until it is possible again
            except apsw.Error as error:
                self._broken = error
                return
            self._stopping.wait(0.25)  # checkpoint at most four times a second
