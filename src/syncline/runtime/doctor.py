"""``syncline doctor``: what is wrong with an installation, whether or not its service runs.

``syncline check`` asks whether a configuration can work. This asks whether an installation still does: its engine,
disk, clock, store, credentials and subscriptions.
"""

from __future__ import annotations

import platform
import shutil
import stat
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from random import Random
from typing import Any

from syncline.engine.leases import RENEWALS, TTL_MS
from syncline.model.errors import SynclineError
from syncline.ports import Clock, Request, Response, Transport
from syncline.runtime.check import check_systems
from syncline.runtime.config import Config, load
from syncline.stores.held import Health
from syncline.stores.sqlite.health import look

PYTHON_MIN = (3, 11)
FREE_BYTES_MIN = 512 * 1024 * 1024
DAYS_LEFT_MIN = 14.0
SPAN_MS_MIN = 3_600_000  # a shorter history says nothing about a rate
DAY_MS = 86_400_000
CLOCK_OFF_MS_MAX = 30_000
AHEAD_MS_MAX = 5_000  # a stamp of our own in our own future
# A lease has two thirds of its life left when it is renewed, and two machines may be off in opposite directions.
SERVER_OFF_MS_MAX = TTL_MS // RENEWALS


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was looked at; for what is wrong, also why that matters and how to mend it."""

    area: str
    what: str
    ok: bool
    why: str = ""
    mend: str = ""


class Dated(Transport):
    """Notes what time each host says it is while others ask it for something else."""

    def __init__(self, inner: Transport, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock
        self.ahead_ms: dict[str, int] = {}

    async def send(self, request: Request) -> Response:
        answer = await self._inner.send(request)
        try:
            said = parsedate_to_datetime(answer.headers.get("date", ""))
            ahead_ms = round(said.timestamp() * 1000) - self._clock.now_ms()
        except (ValueError, TypeError, OverflowError):
            return answer
        self.ahead_ms[request.url.split("/")[2]] = ahead_ms
        return answer


async def examine(path: Path, clock: Clock, rng: Random, transport: Transport) -> list[Diagnosis]:
    """Look at everything once; calls the vendors, changes nothing."""
    found = [_python(sys.version_info[:2])]
    try:
        config = load(path)
    except SynclineError as error:
        why = "without it nothing else can be looked at"
        return [*found, Diagnosis("configuration", str(path), ok=False, why=why, mend=str(error))]
    if config.store.url:
        from syncline.stores.postgres.health import look as look_at_server

        health = await look_at_server(config.store.url, now_ms=clock.now_ms())
    else:
        health = look(str(config.folder / config.store.path))
    found += store_findings(health, clock.now_ms())
    if not config.store.url:
        found.append(disk_finding(health, shutil.disk_usage(config.folder).free))
    found += secret_findings(path, config)
    dated = Dated(transport, clock)
    async for one in check_systems(config, clock, rng, dated):
        why = "" if one.ok else "what this system is for does not work, or only in part"
        found.append(Diagnosis("system", one.what, one.ok, why, one.mend))
    found += clock_findings(dated.ahead_ms)
    return found


def _python(version: tuple[int, ...]) -> Diagnosis:
    return Diagnosis(
        "engine",
        f"Python {platform.python_version()}",
        version >= PYTHON_MIN,
        "" if version >= PYTHON_MIN else "Syncline is not tested on it",
        "" if version >= PYTHON_MIN else "install Python 3.11 or newer",
    )


def store_findings(health: Health, now_ms: int) -> Iterator[Diagnosis]:
    """Engine, integrity, migrations, who works with it, and whether its newest stamp is in the future."""
    why = "what is accepted may be lost, or nothing can be accepted at all"
    if not health.faults:
        yield Diagnosis("store", f"{health.engine}, {health.size_bytes / 1e6:.1f} MB, undamaged", ok=True)
    for what, mend in health.faults:
        yield Diagnosis("store", what, ok=False, why=why, mend=mend)
    if health.pending:
        yield Diagnosis(
            "store",
            f"{len(health.pending)} migrations are pending, the first is {health.pending[0]}",
            ok=not health.owner,
            why="the running service is older than this program: the two do not fit together"
            if health.owner
            else "",
            mend="restart the service, so that it is of this version" if health.owner else "",
        )
    yield Diagnosis(
        "store", f"in use by {health.owner}" if health.owner else "no service runs on it", ok=True
    )
    if health.clock_ms:
        yield _clock_of_server(health.clock_ms - now_ms)
    if health.last_ms > now_ms + AHEAD_MS_MAX:
        yield Diagnosis(
            "clock",
            f"the newest event was received {(health.last_ms - now_ms) / 1000:.0f} s in the future: this machine's clock "
            "was set back",
            ok=False,
            why="deadlines, retries and the order of what happened are wrong until the clock is past that moment",
            mend="set the clock by NTP (timedatectl set-ntp true), and restart the service",
        )


def _clock_of_server(ahead_ms: int) -> Diagnosis:
    """How far the database's clock and this machine's are apart: processes that share a store time their leases by their own."""
    ok = abs(ahead_ms) <= SERVER_OFF_MS_MAX
    return Diagnosis(
        "clock",
        f"the database server is {abs(ahead_ms) / 1000:.0f} s {'ahead' if ahead_ms > 0 else 'behind'}",
        ok,
        ""
        if ok
        else "a process on another machine, with another clock, may take the work over from one that is well",
        "" if ok else "set the clocks of all machines that use this store by NTP (timedatectl set-ntp true)",
    )


def disk_finding(health: Health, free: int) -> Diagnosis:
    """How much is free beside the store, and how long that lasts at the rate of its history."""
    span_ms = health.last_ms - health.first_ms
    days = (
        free / (health.size_bytes / span_ms * DAY_MS)
        if span_ms >= SPAN_MS_MIN and health.size_bytes
        else None
    )
    lasts = f", enough for {days:,.0f} days at the present rate" if days is not None else ""
    ok = free >= FREE_BYTES_MIN and (days is None or days >= DAYS_LEFT_MIN)
    return Diagnosis(
        "disk",
        f"{free / 1e9:.1f} GB free{lasts}",
        ok,
        ""
        if ok
        else "a full disk makes Syncline refuse webhooks; it resumes by itself, but vendors give up after hours",
        "" if ok else "free space or enlarge the disk; old backups are the first to look at",
    )


def clock_findings(ahead_ms: dict[str, int]) -> Iterator[Diagnosis]:
    """How far this machine's clock and the vendors' are apart, by the Date of their answers."""
    for host, ahead in ahead_ms.items():
        ok = abs(ahead) <= CLOCK_OFF_MS_MAX
        yield Diagnosis(
            "clock",
            f"{host} is {abs(ahead) / 1000:.0f} s {'ahead' if ahead > 0 else 'behind'}",
            ok,
            "" if ok else "signed calls and webhooks are refused, and ages are shown wrong",
            "" if ok else "set this machine's clock by NTP (timedatectl set-ntp true)",
        )


def secret_findings(path: Path, config: Config) -> Iterator[Diagnosis]:
    """Files with secrets, and the store, which others on this machine may read."""
    token = config.folder / config.server.token_file
    files = [token, token.with_suffix(".secret")]
    if not config.store.url:
        files += [config.folder / f"{config.store.path}{end}" for end in ("", "-wal")]
    files += [config.folder / name for name in _named_files(tomllib.loads(path.read_text(encoding="utf-8")))]
    for file in dict.fromkeys(files):
        if not file.exists():
            continue
        mode = stat.S_IMODE(file.stat().st_mode)
        ok = not mode & 0o077
        yield Diagnosis(
            "secrets",
            f"{file} has mode {mode:04o}",
            ok,
            "" if ok else "every account of this machine can read it",
            "" if ok else f"chmod 600 {file}",
        )


def _named_files(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _named_files(one)
    elif isinstance(value, str) and value.startswith("file:"):
        yield value.removeprefix("file:")
