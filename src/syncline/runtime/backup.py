"""``syncline backup`` and ``syncline restore``: a copy of the configured store with its manifest, and back.

Beside each copy lies a manifest with its checksum. The configuration, its secrets, ``syncline.secret`` and the tokens
are not in it: they do not change, and whoever finds a backup should not get the keys as well.
"""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from syncline import __version__
from syncline.model.errors import Misconfigured
from syncline.ports import Clock
from syncline.runtime.config import StoreConfig, whole_environment
from syncline.stores.held import Held
from syncline.stores.sqlite import backup as sqlite

FOLDER = "backups"
ENDINGS = {"sqlite": ".sqlite", "postgresql": ".pgdump"}
CHUNK_BYTES = 1024 * 1024


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup is: ``FILE.json`` beside it."""

    engine: str
    version: str
    taken_at_ms: int
    migrations: tuple[str, ...]
    log_offset: int
    applied_offset: int
    size_bytes: int
    sha256: str

    @property
    def taken(self) -> str:
        """When, for people."""
        return datetime.fromtimestamp(self.taken_at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


class Restored(msgspec.Struct, frozen=True):
    """What was put back. ``aside`` is where the database is kept that was there before."""

    held: Held
    manifest: Manifest | None
    aside: Path | None


def manifest_of(file: Path) -> Path:
    """Where the manifest of a backup lies."""
    return file.with_name(f"{file.name}.json")


async def back_up(
    store: StoreConfig, folder: Path, clock: Clock, to: str | Path | None
) -> tuple[Path, Manifest]:
    """Copy the store, whether or not the service runs.

    ``to`` is a file, a folder that is there or is written with a slash at its end, or ``None`` for the default. A folder
    is made if need be.

    Raises:
        Misconfigured: it cannot be read or written; an existing file is never overwritten.
    """
    engine = "postgresql" if store.url else "sqlite"
    now_ms = clock.now_ms()
    file = _named(f"{folder / FOLDER}/" if to is None else str(to), now_ms, ENDINGS[engine])
    try:
        if store.url:
            from syncline.stores.postgres import backup as postgres

            seal = partial(_seal, file, engine, now_ms)
            await postgres.backup(store.url, file, environment=whole_environment(), seal=seal)
        else:
            sqlite.backup(str(folder / store.path), file, seal=partial(_seal, file, engine, now_ms))
    except OSError as error:
        raise Misconfigured(f"{file} cannot be written: {error.strerror}") from error
    return file, read_manifest(file)


async def put_back(
    store: StoreConfig, folder: Path, clock: Clock, file: Path, *, into: Path | None, unverified: bool
) -> Restored:
    """Put a backup in the place of the store, prepared for the time that it does not know.

    Raises:
        Misconfigured: the store is in use, or the backup is not what its manifest says.
    """
    manifest = _trusted(file, unverified=unverified)
    engine = "postgresql" if store.url and into is None else "sqlite"
    if manifest is not None and manifest.engine != engine:
        raise Misconfigured(f"{file} is a backup of {manifest.engine}, and [store] is {engine}")
    now_ms, taken_at_ms = clock.now_ms(), manifest.taken_at_ms if manifest is not None else 0
    try:
        if engine == "postgresql":
            from syncline.stores.postgres import backup as postgres

            held = await postgres.restore(
                store.url, file, environment=whole_environment(), now_ms=now_ms, taken_at_ms=taken_at_ms
            )
            return Restored(held, manifest, None)
        target = into or folder / store.path
        held, aside = sqlite.restore(file, target, now_ms=now_ms, taken_at_ms=taken_at_ms)
    except OSError as error:
        raise Misconfigured(f"the store cannot be replaced: {error}") from error
    return Restored(held, manifest, aside)


def _trusted(file: Path, *, unverified: bool) -> Manifest | None:
    """The manifest of a backup that is as it says."""
    if not file.is_file():
        raise Misconfigured(f"{file} does not exist")
    if unverified:
        return None
    manifest = read_manifest(file)
    if (manifest.size_bytes, manifest.sha256) != (file.stat().st_size, _digest(file)):
        raise Misconfigured(f"{file} is not what its manifest says: it was altered, or copied in part")
    return manifest


async def mark_restored(store: StoreConfig, folder: Path, clock: Clock) -> Restored:
    """Prepare a store that was put back by other means.

    Raises:
        Misconfigured: it is in use, damaged, or not there.
    """
    if store.url:
        from syncline.stores.postgres import backup as postgres

        return Restored(await postgres.mark_restored(store.url, now_ms=clock.now_ms()), None, None)
    return Restored(sqlite.mark_restored(folder / store.path, now_ms=clock.now_ms()), None, None)


def read_manifest(file: Path) -> Manifest:
    """The manifest beside a backup.

    Raises:
        Misconfigured: there is none, or it cannot be understood.
    """
    path = manifest_of(file)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError as error:
        raise Misconfigured(
            f"{path} is missing, so nobody can say whether {file.name} is whole; "
            "give --unverified to restore it all the same",
        ) from error
    except (OSError, msgspec.MsgspecError) as error:
        raise Misconfigured(f"{path} cannot be understood: {error}") from error


def _named(to: str, now_ms: int, ending: str) -> Path:
    path = Path(to)  # which drops the slash that says that it is a folder
    if not to.endswith("/") and not path.is_dir():
        return path
    stamp = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    return path / f"syncline-{stamp}{ending}"


def _seal(file: Path, engine: str, taken_at_ms: int, part: Path, held: Held) -> None:
    """Write the manifest, before the backup appears under its name."""
    manifest = Manifest(
        engine,
        __version__,
        taken_at_ms,
        held.migrations,
        held.log_offset,
        held.applied_offset,
        part.stat().st_size,
        _digest(part),
    )
    path = manifest_of(file)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        out.flush()
        os.fsync(out.fileno())


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as data:
        while chunk := data.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
