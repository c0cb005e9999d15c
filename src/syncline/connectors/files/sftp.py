"""A folder of an SFTP server, by asyncssh. The server's key is pinned: another one is refused, without any fallback.

It needs the extra ``sftp``.
"""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar, cast
from urllib.parse import urlsplit

import asyncssh

from syncline.connectors.files.manifest import FilesSettings
from syncline.model.errors import (
    AuthExpired,
    Conflict,
    Misconfigured,
    OutcomeUnknown,
    Rejected,
    Retryable,
    SynclineError,
)
from syncline.ports import Entry, Folder
from syncline.sdk.governor import ConcurrencySlots

PIECE_BYTES = 4 * 1024 * 1024
CONNECT_S = 15
ALIVE_S = 15
PORT = 22
T = TypeVar("T")

_REFUSED = (asyncssh.PermissionDenied, asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed)
_GONE = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)


class SftpFolder(Folder):
    """A root on a server. One connection, made when it is needed and again when it is lost."""

    def __init__(self, settings: FilesSettings, governor: ConcurrencySlots) -> None:
        parts = urlsplit(settings.folder)
        self._host, self._port = parts.hostname or "", parts.port or PORT
        self._root = parts.path.rstrip("/") or "/"
        self._user = settings.user or parts.username or ""
        self._settings = settings
        self._governor = governor
        self._opening = asyncio.Lock()
        self._client: asyncssh.SFTPClient | None = None
        self._connection: asyncssh.SSHClientConnection | None = None
        try:
            line = settings.host_key.strip()
            self._known = asyncssh.import_public_key(
                line if line.startswith(("ssh-", "ecdsa-")) else line.partition(" ")[2]
            )
            self._key = asyncssh.import_private_key(settings.private_key) if settings.private_key else None
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            raise Misconfigured(f"files.host_key or private_key cannot be read: {error}") from error

    async def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection, self._client = self._connection, None, None
        if connection is not None:
            connection.close()
            await connection.wait_closed()

    async def _open(self) -> asyncssh.SFTPClient:
        async with self._opening:
            if self._client is not None and self._connection is not None and not self._connection.is_closed():
                return self._client
            self._connection = await asyncssh.connect(
                self._host,
                self._port,
                username=self._user,
                password=self._settings.password or None,
                client_keys=[self._key] if self._key is not None else None,
                known_hosts=([self._known], [], []),
                config=None,
                agent_path=None,
                connect_timeout=CONNECT_S,
                login_timeout=CONNECT_S,
                keepalive_interval=ALIVE_S,
            )
            self._client = await self._connection.start_sftp_client(
                path_encoding="utf-8", path_errors="surrogateescape"
            )
            return self._client

    async def _do(
        self, what: str, work: Callable[[asyncssh.SFTPClient], Awaitable[T]], *, changes: bool = False
    ) -> T:
        await self._governor.acquire()
        try:
            try:
                client = await self._open()
            except _REFUSED as error:
                raise AuthExpired(
                    f"the server at {self._host} refuses, or is not the pinned one: {error}"
                ) from error
            except (asyncssh.Error, OSError, TimeoutError) as error:
                raise Retryable(f"{self._host} cannot be reached: {error}") from error
            try:
                return await work(client)
            except SynclineError:
                raise
            except asyncssh.SFTPPermissionDenied as error:
                raise Retryable(f"{what}: the server does not permit it: {error.reason}") from error
            except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as error:
                raise _lost(what, error, changes=changes) from error
            except asyncssh.SFTPError as error:
                raise Retryable(f"{what}: {error.reason}") from error
            except (asyncssh.Error, OSError, TimeoutError) as error:
                raise _lost(what, error, changes=changes) from error
        finally:
            self._governor.release()

    async def list(self, path: str) -> list[Entry]:
        async def work(client: asyncssh.SFTPClient) -> list[Entry]:
            found: list[Entry] = []
            seen = 0
            async for each in client.scandir(self._at(path)):
                seen += 1
                if seen > self._settings.entries_max * 10:
                    break  # folders and links without end
                name, about = str(each.filename), each.attrs
                mode = about.permissions or 0
                plain = about.type == asyncssh.FILEXFER_TYPE_REGULAR or stat.S_ISREG(mode)
                if name.startswith(".") or not plain:
                    continue
                found.append(Entry(name, about.size or 0, round((about.mtime or 0) * 1000)))
                if len(found) >= self._settings.entries_max:
                    break
            return sorted(found, key=lambda entry: entry.name)

        return await self._do(f"{path} cannot be listed", work)

    async def read(self, path: str, name: str) -> AsyncIterator[bytes]:
        at = self._at(path, name)
        offset = 0
        while True:

            async def work(client: asyncssh.SFTPClient, begin: int = offset) -> bytes:
                about = await client.lstat(at)
                if about.type == asyncssh.FILEXFER_TYPE_SYMLINK:
                    raise Conflict(f"{name!a} is a link")
                async with client.open(at, "rb") as file:
                    return cast("bytes", await file.read(PIECE_BYTES, begin))  # as it was opened

            try:
                piece = await self._do(f"{name!a} cannot be read", work)
            except Retryable as error:
                if isinstance(error.__cause__, _GONE):
                    raise Conflict(f"{name!a} is not there any more") from error
                raise
            if not piece:
                return
            offset += len(piece)
            yield piece

    async def find(self, path: str, name: str) -> Entry | None:
        async def work(client: asyncssh.SFTPClient) -> Entry | None:
            try:
                about = await client.lstat(self._at(path, name))
            except _GONE:
                return None
            return Entry(name, about.size or 0, round((about.mtime or 0) * 1000))

        return await self._do(f"{name!a} cannot be looked for", work)

    async def stage(self, path: str, name: str, body: bytes) -> None:
        async def work(client: asyncssh.SFTPClient) -> None:
            await client.makedirs(self._at(path), exist_ok=True)
            async with client.open(self._at(path, f".{name}.part"), "wb") as file:
                await file.write(body)
                await _sync(file)

        await self._do(f"{name!a} cannot be written", work)  # nobody looks at it, so a lost answer is none

    async def staged(self, path: str, name: str) -> bool | None:
        return await self.find(path, f".{name}.part") is not None

    async def publish(self, path: str, name: str, body: bytes) -> None:
        async def work(client: asyncssh.SFTPClient) -> None:
            if await client.lexists(self._at(path, name)):
                raise Conflict(f"{name!a} is there already")
            # Plain rename: unlike posix_rename it replaces nothing.
            await client.rename(self._at(path, f".{name}.part"), self._at(path, name))

        await self._do(f"{name!a} cannot be written", work, changes=True)

    async def move(self, path: str, name: str, to: str, new_name: str) -> None:
        async def work(client: asyncssh.SFTPClient) -> None:
            await client.makedirs(self._at(to), exist_ok=True)
            source, target = self._at(path, name), self._at(to, new_name)
            try:
                try:
                    await client.posix_rename(source, target)
                except asyncssh.SFTPOpUnsupported:  # an extension that not all servers have
                    if not await client.lexists(source):
                        return
                    if await client.lexists(target):
                        await client.remove(target)
                    await client.rename(source, target)
            except _GONE:
                return

        await self._do(f"{name!a} cannot be moved to {to}", work, changes=True)

    def _at(self, path: str, name: str = "") -> str:
        if name and ("/" in name or "\0" in name or name in (".", "..")):
            raise Rejected(f"{name!a} is no name of a file")
        return "/".join(part for part in (self._root.rstrip("/"), path.strip("/"), name) if part) or "/"


def _lost(what: str, error: Exception, *, changes: bool) -> SynclineError:
    text = f"{what}: the connection was lost: {error}"
    return OutcomeUnknown(text) if changes else Retryable(text)


async def _sync(file: asyncssh.SFTPClientFile) -> None:
    """Bring a file to the server's disk, where the server can."""
    try:
        await file.fsync()
    except asyncssh.SFTPOpUnsupported:
        return
