"""How a content of a channel stands: what it should be, what the channel was told, and what is between the two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from syncline.engine.codec import fingerprint
from syncline.engine.derive.credit import credit_text
from syncline.engine.derive.prices import tag_text
from syncline.engine.derive.states import Held
from syncline.engine.engine import Engine
from syncline.engine.modes import WORDS
from syncline.engine.operations import MEANINGS
from syncline.engine.reconcile.differences import MEANINGS as CAUSES
from syncline.engine.reconcile.differences import Cause
from syncline.engine.routes import Route
from syncline.engine.states import StateFlow, Wanted
from syncline.engine.status import clean
from syncline.engine.words import duration, plural, sentence
from syncline.model.credit import CreditTag
from syncline.model.customers import CustomerCard
from syncline.model.delivery import DeliveryState
from syncline.model.pricing import PriceTag
from syncline.model.products import Goods, Listing, Wording

PARKED_MAX = 200  # open entries of a route's operations that are looked through
OPEN = frozenset(
    {DeliveryState.AVAILABLE, DeliveryState.SCHEDULED, DeliveryState.RUNNING, DeliveryState.RETRYABLE}
)


class Word(StrEnum):
    """How something stands, in a word; the gravest first, and last what nothing is to be done about."""

    LATE = "late"
    PARKED = "waits for a person"
    DIFFERS = "disagrees"
    STOPPED = "held back"
    DENIED = "may not buy"
    REVIEWED = "held for review"
    COMING = "on its way"
    UNKNOWN = "not known"
    RIGHT = "in agreement"
    BUYS = "may buy"
    ALONE = "left as it is"
    ABSENT = "not there"


TONES = {
    Word.LATE: "late", Word.PARKED: "attention", Word.DIFFERS: "attention", Word.STOPPED: "attention",
    Word.DENIED: "late", Word.REVIEWED: "attention", Word.RIGHT: "ok", Word.BUYS: "ok",
}  # fmt: skip
GRAVITY = {word: place for place, word in enumerate(Word)}


def tone(word: Word) -> str:
    """The colour and shape of a word: late, attention, starting (nothing is wrong, nothing is proved) or ok."""
    return TONES.get(word, "starting")


@dataclass(frozen=True, slots=True)
class Doubted:
    """A parked entry: what holds something back until a person decides."""

    id: int
    reason: str
    detail: str
    meaning: str
    parked_at_ms: int


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference that the last proof found, or that a write came upon, in words.

    ``answered``: what is right was written since, so that it is only told of.
    """

    cause: str
    detail: str
    says: str
    mend: str
    state: str
    first_at_ms: int
    answered: bool

    @property
    def open(self) -> bool:
        """Whether it still needs a look: nobody has decided to leave it."""
        return not self.answered and self.state != "declined"


@dataclass(frozen=True, slots=True)
class Standing:
    """One content of one channel. ``right`` and ``shown`` are in words, "" where there is nothing to say.

    ``brief`` is what stands in place of a ``sentence`` that may quote a person; ``None``: it quotes nobody.

    ``held`` and ``wanted`` are the contents themselves, ``None`` where there is none.
    """

    route: Route
    key: str
    word: Word
    sentence: str
    right: str
    shown: str
    wanted: Any = None
    held: Any = None
    sure: bool = False
    written_at_ms: int = 0
    due_at_ms: int = 0
    attempts: int = 0
    trouble: str = ""
    next_ms: int = 0
    doubted: Doubted | None = None
    findings: tuple[Finding, ...] = ()
    brief: str | None = None

    @property
    def tone(self) -> str:
        """Its colour and shape."""
        return tone(self.word)


@dataclass(frozen=True, slots=True)
class _Work:
    """The delivery of a content."""

    state: str
    due_at_ms: int
    attempts: int
    trouble: str


def phrase(content: Any) -> str:
    """A content as what somebody shows, without anybody's name or address; "" for none."""
    match content:
        case PriceTag():
            return tag_text(content)
        case CreditTag():
            return credit_text(content)
        case CustomerCard():
            return _card(content)
        case Goods():
            status = f", {content.status.value}" if content.status is not None else ""
            return f"the product ({plural(len(content.variants), 'variant')}{status})"
        case Wording():
            return plural(len(content.texts), "text")
        case Listing():
            return "its listing" if content.shown else "no listing"
    return ""


def _card(card: CustomerCard) -> str:
    parts = []
    if card.active is not None:
        parts.append("active" if card.active else "inactive")
    if card.contacts is not None:
        parts.append(plural(len(card.contacts), "contact"))
    if card.sites is not None:
        parts.append(plural(len(card.sites), "address", "addresses"))
    return f"the company ({', '.join(parts)})" if parts else "the company"


async def standings(
    engine: Engine, route: Route, flow: StateFlow, keys: Sequence[str]
) -> dict[str, Standing]:
    """How some contents of a route stand now. A few indexed reads for all of them together."""
    if not keys:
        return {}
    held, wanted = await engine.contents.judge(route, flow, keys)
    work = await _work(engine, route, flow, keys)
    doubted = (
        await parked_of(engine, route.sink, flow.operations(route))
        if any(one.state == DeliveryState.PARKED for one in work.values())
        else {}
    )
    findings = await _findings(engine, route, held, keys)
    stop = engine.modes.stop_of(route.name)
    stopped = WORDS.get(stop, "")
    now_ms = engine.clock.now_ms()
    return {
        key: _standing(
            route,
            key,
            held.get(key),
            wanted.get(key),
            work.get(key),
            doubted.get((flow.operation(key), key)),
            findings.get(key, ()),
            stopped,
            now_ms,
        )
        for key in keys
    }


async def parked_of(engine: Engine, system: str, operations: Iterable[str]) -> dict[tuple[str, str], Doubted]:
    """What is parked of some operations at a system, by operation and key, oldest first; at most ``PARKED_MAX``."""
    rows = await engine.store.read(
        "parked_of", system=system, operations=sorted(operations), limit=PARKED_MAX
    )
    return {
        (operation, key): Doubted(number, reason, clean(detail), MEANINGS.get(reason, ""), at_ms)
        for number, operation, key, reason, detail, at_ms in rows
    }


async def _work(engine: Engine, route: Route, flow: StateFlow, keys: Sequence[str]) -> dict[str, _Work]:
    by_operation: dict[str, list[str]] = {}
    for key in keys:
        by_operation.setdefault(flow.operation(key), []).append(key)
    found: dict[str, _Work] = {}
    for operation, some in by_operation.items():
        rows = await engine.store.read("deliveries_get", system=route.sink, operation=operation, keys=some)
        for key, _, state, _, _, due_at_ms, _, attempts, reason in rows:
            found[key] = _Work(state, due_at_ms, attempts, clean(reason))
    return found


async def _findings(
    engine: Engine, route: Route, held: Mapping[str, Held], keys: Sequence[str]
) -> dict[str, tuple[Finding, ...]]:
    rows = await engine.store.read("differences_at", route=route.name, keys=list(keys))
    found: dict[str, tuple[Finding, ...]] = {}
    for key, cause, detail, state, first_at_ms, seen_at_ms in rows:
        meaning = CAUSES[Cause(cause)]
        if meaning.drift:
            answered = key in held and is_answered(held[key].hash, held[key].confirmed_at_ms, seen_at_ms)
            one = Finding(cause, clean(detail), meaning.says, meaning.mend, state, first_at_ms, answered)
            found[key] = (*found.get(key, ()), one)
    return found


def is_answered(hash_: str, confirmed_at_ms: int, seen_at_ms: int) -> bool:
    """Whether a content was surely written after a difference of it was seen."""
    return bool(hash_) and confirmed_at_ms >= seen_at_ms


def _standing(
    route: Route,
    key: str,
    held: Held | None,
    wanted: Wanted | None,
    work: _Work | None,
    doubted: Doubted | None,
    findings: tuple[Finding, ...],
    stopped: str,
    now_ms: int,
) -> Standing:
    content = wanted.content if wanted is not None else None
    right, shown = phrase(content), phrase(held.content) if held is not None else ""
    word, says = _judged(route, held, wanted, work, doubted, findings, stopped, now_ms)
    going = work if work is not None and work.state in OPEN else None
    return Standing(
        route,
        key,
        word,
        says,
        right,
        shown,
        content,
        held.content if held is not None else None,
        held is not None and bool(held.hash),
        held.confirmed_at_ms if held is not None else 0,
        going.due_at_ms if going is not None else 0,
        going.attempts if going is not None else 0,
        going.trouble if going is not None else "",
        wanted.next_ms if wanted is not None else 0,
        doubted,
        findings,
        _brief(word, doubted, findings),
    )


def _brief(word: Word, doubted: Doubted | None, findings: tuple[Finding, ...]) -> str | None:
    if word is Word.PARKED:
        return parked_brief(doubted)
    refused = word is Word.DIFFERS and any(one.open and one.cause == Cause.REJECTED_WRITE for one in findings)
    return REFUSED if refused else None


def _judged(
    route: Route,
    held: Held | None,
    wanted: Wanted | None,
    work: _Work | None,
    doubted: Doubted | None,
    findings: tuple[Finding, ...],
    stopped: str,
    now_ms: int,
) -> tuple[Word, str]:
    """The word, and a sentence that says what it means here."""
    sink = route.sink
    shown = phrase(held.content) if held is not None else ""
    still = f"{sink} shows {shown}" if shown else f"{sink} shows nothing of ours yet"
    content = wanted.content if wanted is not None else None
    coming = phrase(content) or "A change"
    if work is not None and work.state == DeliveryState.PARKED:
        return Word.PARKED, sentence(doubted.detail if doubted is not None else work.trouble or still)
    if work is not None and work.state in OPEN:
        if stopped:
            return Word.STOPPED, sentence(f"The route is {stopped}, so {coming} waits; {still}")
        if work.due_at_ms < now_ms:
            ago = duration((now_ms - work.due_at_ms) // 1000 * 1000)
            return Word.LATE, sentence(capital(f"{coming} should have been there {ago} ago; {still}"))
    if differing := next((one for one in findings if one.open), None):
        return Word.DIFFERS, sentence(capital(differing.detail))
    if work is not None and work.state in OPEN:
        left = duration((work.due_at_ms - now_ms) // 1000 * 1000)
        return Word.COMING, sentence(capital(f"{coming} is on its way, due in {left}; {still}"))
    if wanted is None:
        return Word.ABSENT, sentence(f"{sink} does not have it")
    if held is not None and not held.hash:
        return Word.UNKNOWN, sentence(
            f"A call is under way, or nobody knows how it ended; last known: {shown}"
        )
    if content is None:
        return Word.ALONE, sentence(capital(wanted.why or still))
    if held is None or held.hash != fingerprint(content):
        if work is not None and work.state == DeliveryState.CANCELLED:
            return Word.ALONE, sentence(f"A person decided not to write {coming}; {still}")
        return Word.COMING, sentence(capital(f"{coming} is being prepared; {still}"))
    return Word.RIGHT, sentence(f"{sink} shows {coming}, as {route.source} says")


REFUSED = "The channel refuses it."


def parked_brief(doubted: Doubted | None) -> str:
    """What everybody may read of a parked entry: the sort of its reason."""
    return "A person has to decide." if doubted is None else f"Parked: {doubted.reason.replace('_', ' ')}."


def capital(text: str) -> str:
    """A text with a capital."""
    return text[:1].upper() + text[1:]


def gravest(found: Iterable[Standing]) -> Standing | None:
    """The one that needs a look first; ``None`` of none."""
    return min(found, key=lambda one: GRAVITY[one.word], default=None)


def in_brief(found: Sequence[Standing], told: str) -> str | None:
    """The sentence of a verdict without what it quotes; ``None`` where it quotes nobody."""
    first = gravest(found)
    return None if first is None or first.brief is None else told.replace(first.sentence, first.brief)


def verdict(found: Sequence[Standing]) -> tuple[Word, str]:
    """How a record stands on the whole: the gravest word, and its sentence."""
    first = gravest(found)
    if first is None:
        return Word.ABSENT, "No channel is told of it."
    others = sum(one.word in TONES and one.word is not Word.RIGHT for one in found if one is not first)
    if first.word is Word.RIGHT:
        right = [one for one in found if one.word is Word.RIGHT]
        sinks = list(dict.fromkeys(one.route.sink for one in right))
        agree, alone = len(right) - 1, len(found) - len(right)
        told = (
            [first.sentence]
            if len(sinks) == 1
            else [f"{' and '.join(sinks)} show what {first.route.source} says."]
        )
        if agree and len(sinks) == 1:
            told.append(f"{plural(agree, 'other value')} {'agrees' if agree == 1 else 'agree'}, too.")
        if alone:
            told.append(
                f"{plural(alone, 'value')} {'is left as it is' if alone == 1 else 'are left as they are'}."
            )
        return first.word, " ".join(told)
    more = (
        f" {plural(others, 'other value')} of it {'needs' if others == 1 else 'need'} a look, too."
        if others
        else ""
    )
    return first.word, first.sentence + more
