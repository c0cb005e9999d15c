"""``syncline check``: what would not work, and how to mend it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from random import Random

from syncline.engine.alerts.kinds import KINDS
from syncline.engine.endings import endings_of
from syncline.engine.routes import Routes
from syncline.engine.words import utc
from syncline.model.census import ListedPlace
from syncline.model.change import Flow
from syncline.model.errors import AuthExpired, SynclineError
from syncline.ports import Clock, System, Transport
from syncline.runtime.app import open_store, open_systems
from syncline.runtime.clock import SystemClock
from syncline.runtime.config import Config, load
from syncline.runtime.transport import AiohttpTransport
from syncline.stores.sqlite.health import owner_of

RENEW = KINDS["credential_expiring"].mend
PLACES = "locations of the routes of inventory"
KITS = "kits, made there of what they are made of here"
KITS_AT_ONCE = 500
KITS_TOLD = 10  # kits that differ, as many as a person can look at
PLACES_MAX = 20  # locations that are told as those that there are
_REQUEST = re.compile(r"\b[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")

Told = tuple[str, bool, str]  # what was looked at, whether it is well, how to mend it


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
    yield await _store(config, clock)
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


async def _store(config: Config, clock: Clock) -> Finding:
    what = f"store {'PostgreSQL' if config.store.url else config.store.path}"
    owner = "" if config.store.url else owner_of(str(config.folder / config.store.path))
    if owner:  # which is no fault: the service runs
        return Finding(f"{what}: in use by {owner}", ok=True)
    try:
        await (await open_store(config, clock)).close()
    except SynclineError as error:
        return Finding("store", ok=False, mend=str(error))
    return Finding(what, ok=True)


async def check_systems(
    config: Config, clock: Clock, rng: Random, transport: Transport
) -> AsyncIterator[Finding]:
    """Ask each system whether its credentials, scopes and subscriptions are as they should be."""
    try:
        for system in open_systems(config, clock, rng, transport):
            for end in endings_of([system], clock.now_ms()):
                soon = end.left_ms < config.watch.expires_within_ms
                what = f"{system.name}: the {end.what} {end.when} ({utc(end.at_ms)}, says {end.known_by})"
                yield Finding(what, not soon, end.mend or RENEW if soon else "")
            try:
                for what, ok, mend in await _asked(system, config.routes):
                    yield Finding(f"{system.name}: {what}", ok, mend)
            except SynclineError as error:
                yield Finding(f"{system.name}: could not be checked", ok=False, mend=str(error))
    except SynclineError as error:
        yield Finding("systems", ok=False, mend=str(error))


async def _asked(system: System, routes: Routes) -> list[Told]:
    """What a system says of itself, and whether what the routes name is there."""
    told = list(await system.check()) if system.check is not None else []
    for what, look in ((PLACES, _places), (KITS, _kits)):
        try:
            told += await look(system, routes)
        except SynclineError as error:
            if not isinstance(error, AuthExpired) or all(ok for _, ok, _ in told):  # else it is said already
                told.append((what, False, str(error)))
    return each_fault_once(told)


async def _kits(system: System, routes: Routes) -> list[Told]:
    """Whether the ERP makes its kits of the same as the configuration does, so that both take the same off stock."""
    recipes = routes.recipes
    kits = [sku for sku, parts in recipes.all.items() if len(parts) > 1 or set(parts.values()) != {1}]
    reads = system.rereads.kits_of
    if reads is None or not kits or not routes.of(Flow.INVENTORY, source=system.name):
        return []
    there: dict[str, Mapping[str, Decimal]] = {}
    for start in range(0, len(kits), KITS_AT_ONCE):
        there |= await reads(kits[start : start + KITS_AT_ONCE])
    wrong = []
    for sku in kits:
        ours = recipes.parts(sku)
        if sku not in there:
            # A pack without an item of its own is ordered in units of what it is a pack of.
            if len(ours) > 1 and routes.of(Flow.ORDERS, sink=system.name):
                wrong.append(
                    f"{sku} is no kit there: make it one, of {_made_of(ours)}, or take it out of [kits]"
                )
            continue
        theirs: dict[str, Decimal] = {}
        for part, units in there[sku].items():
            for base, count in recipes.parts(part).items():
                theirs[base] = theirs.get(base, Decimal(0)) + units * count
        if theirs != ours:
            wrong.append(
                f"{sku} is made of {_made_of(theirs)} there and of {_made_of(ours)} here: make [kits] say the same"
            )
    if not wrong:
        return [(KITS, True, "")]
    rest = f"; and {len(wrong) - KITS_TOLD} more" if len(wrong) > KITS_TOLD else ""
    return [(KITS, False, "; ".join(wrong[:KITS_TOLD]) + rest)]


def _made_of(parts: Mapping[str, Decimal | int]) -> str:
    """What one kit takes, in words."""
    said = [f"{Decimal(count).normalize():f} × {sku}" for sku, count in sorted(parts.items())]
    return " and ".join(said) or "nothing that is stocked"


def each_fault_once(told: Sequence[Told]) -> list[Told]:
    """A fault that several checks met is told by the first, which names the others; ids of requests do not count."""
    faults: dict[str, tuple[list[str], bool, str]] = {}
    for number, (what, ok, mend) in enumerate(told):
        words = _REQUEST.sub("", mend)
        at = f"{number} {what}"  # what is well, or has no words, stays by itself
        if words and not ok:
            at = next((known for known, (_, well, _) in faults.items() if not well and words in known), words)
        faults.setdefault(at, ([], ok, mend))[0].append(what)
    return [(", ".join(names), ok, mend) for names, ok, mend in faults.values()]


async def _places(system: System, routes: Routes) -> list[Told]:
    """Whether the locations that routes of stock map are there; only what lists everything tells of its locations."""
    mapped = [at for route in routes.of(Flow.INVENTORY, source=system.name) for at in route.locations]
    mapped += [at for route in routes.of(Flow.INVENTORY, sink=system.name) for at in route.locations.values()]
    if system.census is None or not mapped:
        return []
    there = {
        place.id: place.name
        async for page in system.census.read("places", "")
        for place in page.rows
        if isinstance(place, ListedPlace)
    }
    if not there:  # such as an ERP of which no file has been taken yet
        return []
    lacking = [at for at in dict.fromkeys(mapped) if at not in there]
    known = [f"{at} ({name})" if name != at else at for at, name in islice(there.items(), PLACES_MAX)]
    mend = f"{', '.join(lacking)}: no such location; there are {', '.join(known) or 'none'}"
    return [(PLACES, not lacking, mend if lacking else "")]
