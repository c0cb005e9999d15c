"""A folder of this machine. What else writes there is not trusted: no link is followed and nothing but files is read."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from syncline.model.errors import Conflict, OutcomeUnknown, Rejected, Retryable
from syncline.ports import Clock, Entry, Folder
from syncline.sdk.governor import ConcurrencySlots

PIECE_BYTES = 1024 * 1024
T = TypeVar("T")


class LocalFolder(Folder):
    """A root on a local disk. Writes are durable when they return."""

    def __init__(self, root: str, clock: Clock, governor: ConcurrencySlots, entries_max: int) -> None:
        self._root = Path(root)
        self._clock = clock
        self._governor = governor
        self._entries_max = entries_max

    def _folder(self, path: str, *, make: bool = False) -> Path:
        folder = self._root / path
        if make:
            folder.mkdir(parents=True, exist_ok=True)
        if not folder.resolve().is_relative_to(self._root.resolve()):
            raise Retryable(f"{folder} leads out of {self._root}: a link stands in its place")
        return folder

    async def _do(self, what: str, work: Callable[[], T]) -> T:
        await self._governor.acquire()
        try:
            return work()
        except FileNotFoundError as error:
            raise Retryable(f"{what}: {error.filename} is not there") from error
        except OSError as error:
            raise Retryable(f"{what}: {error.strerror or error}") from error
        finally:
            self._governor.release()

    async def list(self, path: str) -> list[Entry]:
        def work() -> list[Entry]:
            found: list[Entry] = []
            with os.scandir(self._folder(path)) as listing:
                for each in listing:
                    if each.name.startswith(".") or not each.is_file(follow_symlinks=False):
                        continue
                    if len(found) >= self._entries_max:
                        break  # the rest is found when these are done
                    with suppress(FileNotFoundError):
                        about = each.stat(follow_symlinks=False)
                        found.append(Entry(each.name, about.st_size, about.st_mtime_ns // 1_000_000))
            return sorted(found, key=lambda entry: entry.name)

        return await self._do(f"{path} cannot be listed", work)

    async def read(self, path: str, name: str) -> AsyncIterator[bytes]:
        def begin() -> int | None:
            try:
                handle = os.open(
                    self._at(path, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                )
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ELOOP):
                    return None
                raise
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                os.close(handle)
                return None
            return handle

        handle = await self._do(f"{name!a} cannot be read", begin)
        if handle is None:
            raise Conflict(f"{name!a} is not there any more")
        try:
            while piece := os.read(handle, PIECE_BYTES):
                yield piece
                await self._clock.sleep(0)
        except OSError as error:
            raise Retryable(f"{name!a} cannot be read: {error.strerror}") from error
        finally:
            os.close(handle)

    async def find(self, path: str, name: str) -> Entry | None:
        def work() -> Entry | None:
            try:
                about = self._at(path, name).lstat()
            except FileNotFoundError:
                return None
            return Entry(name, about.st_size, about.st_mtime_ns // 1_000_000)

        return await self._do(f"{name!a} cannot be looked for", work)

    async def stage(self, path: str, name: str, body: bytes) -> None:
        def work() -> None:
            folder = self._folder(path, make=True)
            at = folder / _staged(name)
            handle = os.open(at, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
            with os.fdopen(handle, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            _sync(folder)

        await self._do(f"{name!a} cannot be written", work)

    async def staged(self, path: str, name: str) -> bool | None:
        return await self._do(
            f"{name!a} cannot be looked for", lambda: self._at(path, _staged(name)).exists()
        )

    async def publish(self, path: str, name: str, body: bytes) -> None:
        def work() -> bool:
            folder = self._folder(path)
            if os.path.lexists(folder / name):
                return False
            (folder / _staged(name)).rename(folder / name)
            try:
                _sync(folder)
            except OSError as error:  # it is there, and may be gone after a power cut
                raise OutcomeUnknown(f"{name!a} is there, and not yet on disk: {error.strerror}") from error
            return True

        if not await self._do(f"{name!a} cannot be written", work):
            raise Conflict(f"{name!a} is there already")

    async def move(self, path: str, name: str, to: str, new_name: str) -> None:
        def work() -> None:
            target = self._folder(to, make=True)
            with suppress(FileNotFoundError):
                self._at(path, name).rename(target / new_name)
            _sync(target)

        await self._do(f"{name!a} cannot be moved to {to}", work)

    def _at(self, path: str, name: str) -> Path:
        return self._folder(path) / _plain(name)


def _staged(name: str) -> str:
    return f".{_plain(name)}.part"


def _plain(name: str) -> str:
    """The name, if it is one component.

    Raises:
        Rejected: it is a path.
    """
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise Rejected(f"{name!a} is no name of a file")
    return name


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
