"""``syncline adopt``: the configured systems and store, one take-over, and the files that go with it."""

from __future__ import annotations

import csv
import io
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from syncline.engine.adopt.adopter import Adopter
from syncline.engine.adopt.report import Survey
from syncline.engine.failpoints import arm_from
from syncline.model.errors import Misconfigured
from syncline.runtime.app import OWNER_EMBEDDED, open_store, open_systems
from syncline.runtime.clock import SystemClock
from syncline.runtime.config import Config, environment
from syncline.runtime.transport import AiohttpTransport
from syncline.sdk.spreadsheet import cell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

COLUMNS = ("decision", "id", "channel", "kind", "sku", "title", "erp_sku", "erp_title", "why")
VERDICTS = {"confirm": True, "yes": True, "refuse": False, "no": False}


def moment_ms(text: str) -> int:
    """An instant as a person writes it, or ``now``, in milliseconds since the epoch.

    Raises:
        Misconfigured: it is none, or says no offset.
    """
    if text == "now":
        return SystemClock().now_ms()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Misconfigured(
            f"--orders-from {text}: write now, or a moment such as 2026-01-31T00:00:00Z"
        ) from error
    if moment.tzinfo is None:
        raise Misconfigured(f"--orders-from {text}: say the offset too, such as 2026-01-31T00:00:00Z")
    return round(moment.timestamp() * 1000)


@asynccontextmanager
async def _opened(config: Config, progress: Callable[[str, int], None]) -> AsyncIterator[Adopter]:
    arm_from(environment("SYNCLINE_FAILPOINT"))
    clock = SystemClock()
    rng = Random(secrets.randbits(128))
    store = await open_store(config, clock)
    transport = AiohttpTransport()
    try:
        yield Adopter(
            store=store,
            clock=clock,
            rng=rng,
            systems=open_systems(config, clock, rng, transport),
            routes=config.routes,
            rules=config.adopt,
            # The file lock keeps others away, so it need not wait for its own leases after a kill.
            owner=secrets.token_hex(8) if config.store.url else OWNER_EMBEDDED,
            progress=progress,
        )
    finally:
        await transport.close()
        await store.close()


async def adopt(
    config: Config,
    *,
    decisions: Mapping[str, bool],
    orders_from_ms: int | None,
    apply: bool,
    progress: Callable[[str, int], None],
) -> Survey:
    """Decide what was decided, then survey, and write if asked to.

    Raises:
        Misconfigured: a decision is about nothing that was suggested, or as ``Adopter.run``.
    """
    async with _opened(config, progress) as adopter:
        if decisions:
            await _decide(adopter, decisions)
        return await adopter.run(orders_from_ms=orders_from_ms, apply=apply)


async def decide(config: Config, decisions: Mapping[str, bool]) -> None:
    """Only confirm or refuse; no vendor is asked anything.

    Raises:
        Misconfigured: a decision is about nothing that was suggested.
    """
    async with _opened(config, lambda _what, _count: None) as adopter:
        await _decide(adopter, decisions)


async def _decide(adopter: Adopter, decisions: Mapping[str, bool]) -> None:
    unknown = await adopter.decide(decisions)
    if unknown:
        raise Misconfigured(
            f"nobody suggested {', '.join(unknown[:10])}: `syncline adopt` lists the suggestions with their ids"
        )


def suggestions_csv(survey: Survey) -> str:
    """Every suggestion, with an empty column for the decision."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    for channel in survey.channels:
        found = channel.as_json()
        for kind in ("items", "customers"):
            for row in found[kind]["suggested"]:
                cells = {"decision": "", "channel": channel.channel, "kind": kind[:-1], **row}
                table.writerow({name: cell(text) for name, text in cells.items()})
    return text.getvalue()


def write_private(path: Path, content: str) -> None:
    """Write a file that only its owner can read: what is found names people.

    Raises:
        Misconfigured: it cannot be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(handle, 0o600)
            file.write(content)
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written: {error.strerror}") from error


def decisions_of(path: Path) -> dict[str, bool]:
    """What a person wrote into the column ``decision``; empty ones stay open.

    Raises:
        Misconfigured: the file cannot be read, or holds a word that is no decision.
    """
    try:
        table = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))
        rows = list(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Misconfigured(f"{path} cannot be read: {error}") from error
    found: dict[str, bool] = {}
    for number, row in enumerate(rows, 2):
        word = (row.get("decision") or "").strip().lower()
        if not word:
            continue
        if word not in VERDICTS or not row.get("id"):
            raise Misconfigured(f"{path}, line {number}: {word!r} is no decision; write confirm or refuse")
        found[row["id"].strip()] = VERDICTS[word]
    return found
