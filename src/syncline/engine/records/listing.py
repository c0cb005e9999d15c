"""Lists of records: what needs a look first, and all of them a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from syncline.engine.apply.full_states import OPERATION as VANISHED
from syncline.engine.codec import decode
from syncline.engine.engine import Engine
from syncline.engine.reconcile.differences import MEANINGS, Cause
from syncline.engine.records.checkout import checkout
from syncline.engine.records.kinds import Records, contents_of, routes_of, titles, told
from syncline.engine.records.standing import (
    GRAVITY,
    REFUSED,
    Standing,
    Word,
    capital,
    in_brief,
    is_answered,
    parked_brief,
    parked_of,
    standings,
    tone,
    verdict,
)
from syncline.engine.routes import Route
from syncline.engine.states import StateFlow
from syncline.engine.status import clean
from syncline.engine.words import duration, sentence
from syncline.model.change import Kind
from syncline.model.customers import Company
from syncline.model.products import Product
from syncline.ports import Row

PAGE = 25
TROUBLES_MAX = 50  # of each sort that a list begins with
DIFFERENCES_MAX = 200  # that are looked through for those that need a look
LOOK_MAX = 20_000  # records that are looked through for a text in one go
LOOK_PAGE = 500
TEXT_MAX = 100


@dataclass(frozen=True, slots=True)
class Line:
    """One record in a list. ``system`` is its source; ``where`` the channels, or the channel, that it is about.

    ``brief`` is what stands in place of a ``sentence`` that may quote a person; ``None``: it quotes nobody.
    """

    system: str
    key: str
    title: str
    word: Word
    sentence: str
    where: str
    since_ms: int = 0
    link: str = ""  # where it is decided, if that is no page of a record
    brief: str | None = None

    @property
    def tone(self) -> str:
        """Its colour and shape."""
        return tone(self.word)


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of a list. ``after`` is where the next one begins, "" after the last.

    ``looked`` is how many records were looked through for the text that was asked for.
    """

    lines: tuple[Line, ...]
    after: str
    looked: int


async def troubles(engine: Engine, records: Records) -> list[Line]:
    """What is late, parked or differs, in this order, the oldest first; at most ``TROUBLES_MAX`` of each for a route.

    A record that needs a look for several reasons stands there once, for the gravest.
    """
    found: dict[tuple[str, str, str], Line] = {}
    entries: dict[int, Line] = {}
    now_ms = engine.clock.now_ms()
    for system in dict.fromkeys(route.source for _, route in routes_of(engine, records)):
        for (_, key), one in (await parked_of(engine, system, [VANISHED])).items():
            if key == records.kind.value:
                entries[one.id] = Line(
                    system, "", "A full read lacks too many records", Word.PARKED, sentence(one.detail), system,
                    one.parked_at_ms, f"/parked/{one.id}", brief=parked_brief(one),
                )  # fmt: skip
    for flow, route in routes_of(engine, records):
        mine: list[tuple[str, Word, str, int, str | None]] = []
        stopped = bool(engine.modes.stop_of(route.name))
        rows = await engine.store.read(
            "deliveries_late", system=route.sink, route=route.name, now_ms=now_ms, limit=TROUBLES_MAX
        )
        for _, key, _, due_at_ms, attempts, reason in rows:
            text = f"It should have been at {route.sink} {duration((now_ms - due_at_ms) // 1000 * 1000)} ago"
            tried = f"; tried {attempts} times: {clean(reason)}" if attempts > 1 and reason else ""
            mine.append(
                (
                    key,
                    Word.STOPPED if stopped else Word.LATE,
                    text + tried,
                    due_at_ms,
                    sentence(text) if tried else None,
                )
            )
        parked = await parked_of(engine, route.sink, flow.operations(route))
        for (_, key), one in list(parked.items())[:TROUBLES_MAX]:
            mine.append((key, Word.PARKED, one.detail, one.parked_at_ms, parked_brief(one)))
        mine += [
            (key, Word.DIFFERS, text, at_ms, brief)
            for key, text, at_ms, brief in await _differing(engine, flow, route)
        ]
        for content, word, text, since_ms, brief in mine:
            at = (route.source, flow.sku_of(content), route.sink)
            if at not in found or GRAVITY[word] < GRAVITY[found[at].word]:
                found[at] = Line(*at[:2], "", word, sentence(text), at[2], since_ms, brief=brief)
    lines = await _titled(engine, records, list(found.values()))
    return sorted(
        (*entries.values(), *lines), key=lambda one: (GRAVITY[one.word], one.since_ms, one.key, one.where)
    )


async def _differing(engine: Engine, flow: StateFlow, route: Route) -> list[tuple[str, str, int, str | None]]:
    """Contents of a route that were found to differ, and were not written since: key, detail, since when, and in brief."""
    rows = await engine.store.read(
        "differences_open", route=route.name, state="", cause="", limit=DIFFERENCES_MAX
    )
    rows = [row for row in rows if MEANINGS[Cause(row[2])].drift and row[6] != "declined"]
    held = {
        key: (hash_, confirmed_at_ms)
        for key, hash_, _, confirmed_at_ms in await engine.store.read(
            "contents_get", system=route.sink, kind=flow.kind.value, keys=[row[1] for row in rows]
        )
    }
    found = [row for row in rows if not is_answered(*held.get(row[1], ("", 0)), row[8])]
    return [
        (row[1], capital(clean(row[4])), row[7], REFUSED if row[2] == Cause.REJECTED_WRITE else None)
        for row in found[:TROUBLES_MAX]
    ]


async def _titled(engine: Engine, records: Records, lines: Sequence[Line]) -> list[Line]:
    by_system: dict[str, list[str]] = {}
    for line in lines:
        by_system.setdefault(line.system, []).append(line.key)
    named: dict[tuple[str, str], str] = {}
    for system, keys in by_system.items():
        named |= {
            (system, key): title for key, title in (await titles(engine, records, system, keys)).items()
        }
    return [replace(one, title=named.get((one.system, one.key), "")) for one in lines]


async def page(engine: Engine, records: Records, system: str, text: str, after: str) -> Listed:
    """Records in the order of their keys, from behind one on, each with how it stands.

    Args:
        engine: whose records.
        records: of which kind.
        system: their source.
        text: what they are narrowed by: how a SKU begins, or a part of what a record is called by; "" is all.
        after: the key of the last one before.
    """
    text = text.strip()[:TEXT_MAX]
    if records.kind is Kind.PRICE:
        keys, after, looked = await _skus(engine, records, system, text, after)
    else:
        keys, after, looked = await _keys(engine, records, system, text, after)
    return Listed(tuple(await lines_of(engine, records, system, keys)), after, looked)


async def lines_of(engine: Engine, records: Records, system: str, keys: Sequence[str]) -> list[Line]:
    """Some records with how they stand at all of their channels."""
    at: dict[str, list[Standing]] = {key: [] for key in keys}
    for flow, route in routes_of(engine, records, system):
        contents = {content: key for key in keys for content in contents_of(records, flow, route, key)}
        for content, one in (await standings(engine, route, flow, list(contents))).items():
            if one.word is not Word.ABSENT or flow.bound is not None:
                at[contents[content]].append(one)
    named = await titles(engine, records, system, keys) if keys else {}
    found = []
    for key, mine in at.items():
        word, told_so = verdict(mine)
        if records.kind is Kind.CREDIT:
            word, told_so = await _bought(engine, records, system, key, word, told_so)
        where = ", ".join(dict.fromkeys(one.route.sink for one in mine))
        since_ms = max((one.written_at_ms for one in mine), default=0)
        found.append(
            Line(
                system, key, named.get(key, ""), word, told_so, where, since_ms, brief=in_brief(mine, told_so)
            )
        )
    return found


async def _bought(
    engine: Engine, records: Records, system: str, key: str, word: Word, told_so: str
) -> tuple[Word, str]:
    """What a checkout would be told of an account, at the channel where that is gravest."""
    found = [
        checkout(await engine.credit.look(route.sink, key), route.credit.of(key), word, told_so)
        for _, route in routes_of(engine, records, system)
    ]
    return min(found, key=lambda one: GRAVITY[one[0]])


async def _skus(
    engine: Engine, records: Records, system: str, text: str, after: str
) -> tuple[list[str], str, int]:
    """The SKUs of all channels that a source's prices go to, by how they begin, in capitals too."""
    for begins in dict.fromkeys((text, text.upper())):
        keys: set[str] = set()
        for sink in dict.fromkeys(route.sink for _, route in routes_of(engine, records, system)):
            at = {"system": sink, "kind": Kind.ITEM.value}
            if begins and not after:
                keys.update(row[0] for row in await engine.store.read("records_get", **at, keys=[begins]))
            rows = await engine.store.read("records_after", **at, after=max(after, begins), limit=PAGE + 1)
            keys.update(row[0] for row in rows if row[0].startswith(begins))
        if keys:
            found = sorted(keys)
            return found[:PAGE], found[PAGE - 1] if len(found) > PAGE else "", 0
    return [], "", 0


async def _keys(
    engine: Engine, records: Records, system: str, text: str, after: str
) -> tuple[list[str], str, int]:
    """Keys of a source's records, of those that are called by a text; and how many were looked through for it."""
    kept: list[str] = []
    looked, wanted = 0, text.casefold()
    while True:
        limit = LOOK_PAGE if wanted else PAGE + 1
        rows = await engine.store.read(
            "records_after", system=system, kind=records.kind.value, after=after, limit=limit
        )
        hits = await _called(engine, records, system, rows, wanted) if wanted else [row[0] for row in rows]
        kept += hits
        looked += len(rows)
        if len(kept) > PAGE:
            return kept[:PAGE], kept[PAGE - 1], looked
        if len(rows) < limit:
            return kept, "", looked
        after = rows[-1][0]
        if looked >= LOOK_MAX:
            return kept, after, looked
        await engine.clock.sleep(0)


async def _called(
    engine: Engine, records: Records, system: str, rows: Sequence[Row], wanted: str
) -> list[str]:
    """Those of some records that people call by a text."""
    values = {row[0]: decode(records.kind, row[4]) for row in rows}
    if records.kind is Kind.CREDIT:
        values = dict.fromkeys(values)
        named = await told(engine, system, Kind.CUSTOMER, list(values))
        values |= {key: one.value for key, one in named.items()}
    return [
        key for key, value in values.items() if any(wanted in one.casefold() for one in _names(key, value))
    ]


def _names(key: str, value: object) -> tuple[str, ...]:
    """What a record goes by. Nobody finds a private customer by the name."""
    if isinstance(value, Company):
        return (key, value.number) if value.person else (key, value.number, value.name, value.tax_id)
    if isinstance(value, Product):
        return (key, value.title, *(one.sku for one in value.variants))
    return (key,)
