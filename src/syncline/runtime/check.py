"""``syncline check``: what would not work, and how to mend it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from syncline.model.errors import SynclineError
from syncline.ports import Clock, Transport
from syncline.runtime.app import open_store, open_systems
from syncline.runtime.clock import SystemClock
from syncline.runtime.config import Config, load
from syncline.runtime.transport import AiohttpTransport


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    mend: str = ""


async def check_everything(path: Path) -> list[Finding]:
    """Look at configuration, store, credentials, scopes and subscriptions; later ones need earlier ones."""
    return [finding async for finding in _findings(path)]


async def _findings(path: Path) -> AsyncIterator[Finding]:
    try:
        config = load(path)
    except SynclineError as error:
        yield Finding(f"configuration {path}", ok=False, mend=str(error))
        return
    yield Finding(
        f"configuration {path}: {len(config.systems)} systems, {len(config.routes.all)} routes", ok=True
    )
    clock = SystemClock()
    try:
        store = await open_store(config, clock)
    except SynclineError as error:
        yield Finding("store", ok=False, mend=str(error))
    else:
        await store.close()
        yield Finding(f"store {'PostgreSQL' if config.store.url else config.store.path}", ok=True)
    if not config.server.public_url:
        yield Finding(
            "[server] public_url is empty: events cannot reach Syncline, so every flow is polled",
            ok=True,
        )
    transport = AiohttpTransport()
    try:
        async for finding in check_systems(config, clock, Random(), transport):
            yield finding
    finally:
        await transport.close()


async def check_systems(
    config: Config, clock: Clock, rng: Random, transport: Transport
) -> AsyncIterator[Finding]:
    """Ask each system whether its credentials, scopes and subscriptions are as they should be."""
    try:
        for system in open_systems(config, clock, rng, transport):
            if system.check is None:
                continue
            try:
                for what, ok, mend in await system.check():
                    yield Finding(f"{system.name}: {what}", ok, mend)
            except SynclineError as error:
                yield Finding(f"{system.name}: could not be checked", ok=False, mend=str(error))
    except SynclineError as error:
        yield Finding("systems", ok=False, mend=str(error))
