"""Which things of two systems are the same: exact by declared keys, then suggestions for a person.

Pure functions. No step compares everything with everything: candidates share a normalised key, a key
with one sign left out, or a rare word of their titles, and a block that is too large is not looked into.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec

from syncline.engine.routes import customer_reference
from syncline.model.census import ListedCustomer, ListedItem, ListedPlace

BLOCK_MAX = 20  # candidates of one block: more say nothing
NEAR_CHARS_MIN = 5  # shorter keys differ in one sign without meaning the same
NEAR_CHARS_MAX = 40
TITLE_RATIO_MIN = 0.9
OURS = "our own reference"
WORDS_LOOKED_UP = 2  # the rarest words of a title
SIGNS = re.compile(r"[\W_]+")
ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")


@dataclass(frozen=True, slots=True)
class Pair:
    """A thing of the channel and one of the ERP; ``by`` is the key that they share, or why they look alike."""

    ours: str  # the id at the channel
    theirs: str  # the id in the ERP
    by: str


@dataclass(frozen=True, slots=True)
class Suggestion(Pair):
    """A pair that a person has to decide on. ``id`` is the same in every run."""

    id: str


class Decision(msgspec.Struct, frozen=True):
    """What a person said of a suggestion."""

    ours: str
    theirs: str
    by: str
    confirmed: bool
    kind: str = "item"


@dataclass(slots=True)
class Matches:
    """What came of it: every thing of the channel is in one of these, by its id there."""

    exact: list[Pair] = field(default_factory=list)
    suggested: list[Suggestion] = field(default_factory=list)
    blank: list[str] = field(default_factory=list)  # nothing to tell it by
    doubled: dict[str, list[str]] = field(default_factory=dict)  # key and value, to those that share it
    doubled_there: dict[str, list[str]] = field(default_factory=dict)  # the same in the ERP
    unmatched: list[str] = field(default_factory=list)
    unmatched_there: list[str] = field(default_factory=list)  # in the ERP only


def suggestion_id(channel: str, ours: str, theirs: str) -> str:
    """A short name for a suggestion, to be typed."""
    return hashlib.blake2b(f"{channel}\x1f{ours}\x1f{theirs}".encode(), digest_size=4).hexdigest()


def plain(text: str) -> str:
    """A key without case, spaces, punctuation and leading zeros."""
    folded = SIGNS.sub(" ", unicodedata.normalize("NFKC", text).casefold())
    return ZEROS.sub("", folded).replace(" ", "")


def _shortened(key: str) -> set[str]:
    """A key with each one of its signs left out, and whole: two that differ in one sign share one of these."""
    if not NEAR_CHARS_MIN <= len(key) <= NEAR_CHARS_MAX:
        return set()
    return {key} | {key[:n] + key[n + 1 :] for n in range(len(key))}


def _values(key: str, *, there: bool) -> Callable[[ListedItem], str]:
    if key == "barcode":
        return lambda item: item.barcode.strip()
    if key == "sku" or not there:
        return lambda item: item.sku.strip()
    return lambda item: item.fields.get(key, "").strip()


def match_items(
    channel: str,
    ours: Sequence[ListedItem],
    theirs: Sequence[ListedItem],
    keys: Sequence[str],
    decided: Mapping[str, Decision],
) -> Matches:
    """Match variants to items. ``decided`` holds what a person said of suggestions, by their ids."""
    found = Matches()
    free = {item.id: item for item in ours}
    free_there = {item.id: item for item in theirs}
    for item in ours:
        if not item.sku.strip():
            found.blank.append(item.id)
            del free[item.id]
    shared = _groups(free.values(), _values("sku", there=False))
    for sku, ids in shared.items():
        if len(ids) > 1:
            found.doubled[f"sku {sku}"] = ids
            for later in ids[1:]:  # the engine sells the first of them; the others are listed
                del free[later]
    for key in keys:
        _exact(key, free, free_there, found)
    _decided(free, free_there, decided.values(), found)
    _suggest(channel, free, free_there, decided, found)
    found.unmatched = list(free)
    found.unmatched_there = list(free_there)
    return found


def _groups(items: Iterable[ListedItem], value: Callable[[ListedItem], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for item in items:
        if value(item):
            groups.setdefault(value(item), []).append(item.id)
    return groups


def _exact(key: str, free: dict[str, ListedItem], free_there: dict[str, ListedItem], found: Matches) -> None:
    value_of = _values(key, there=False)
    here = _groups(free.values(), value_of)
    there = _groups(free_there.values(), _values(key, there=True))
    for value, ids in here.items():
        candidates = there.get(value, [])
        if not candidates:
            continue
        if len(ids) > 1:
            found.doubled[f"{key} {value}"] = ids
        if len(candidates) > 1:
            found.doubled_there[f"{key} {value}"] = candidates
        if len(ids) == len(candidates) == 1:
            found.exact.append(Pair(ids[0], candidates[0], key))
            del free[ids[0]], free_there[candidates[0]]


def _decided(
    free: dict[str, ListedItem],
    free_there: dict[str, ListedItem],
    decided: Iterable[Decision],
    found: Matches,
) -> None:
    """What was confirmed is matched, however little it looks alike by now."""
    for one in decided:
        if one.confirmed and one.ours in free and one.theirs in free_there:
            found.exact.append(Pair(one.ours, one.theirs, f"confirmed: {one.by}"))
            del free[one.ours], free_there[one.theirs]


def _suggest(
    channel: str,
    free: Mapping[str, ListedItem],
    free_there: Mapping[str, ListedItem],
    decided: Mapping[str, Decision],
    found: Matches,
) -> None:
    seen: set[str] = set()
    for ours, theirs, by in _candidates(free, free_there):
        id_ = suggestion_id(channel, ours, theirs)
        if id_ not in seen and id_ not in decided:
            seen.add(id_)
            found.suggested.append(Suggestion(ours, theirs, by, id_))


def _candidates(
    free: Mapping[str, ListedItem], free_there: Mapping[str, ListedItem]
) -> Iterable[tuple[str, str, str]]:
    """Pairs that look alike, the likeliest first."""
    ways: tuple[tuple[str, Callable[[ListedItem], Collection[str]]], ...] = (
        ("the same but for case, spaces, punctuation or zeros", lambda item: {plain(item.sku)} - {""}),
        ("one sign apart", lambda item: _shortened(plain(item.sku))),
    )
    told: set[str] = set()
    for by, blocks_of in ways:
        blocks: defaultdict[str, list[str]] = defaultdict(list)
        for item in free_there.values():
            for block in blocks_of(item):
                blocks[block].append(item.id)
        for item in free.values():
            near = {id_: None for block in sorted(blocks_of(item)) for id_ in blocks.get(block, ())}
            if item.id in told or not 0 < len(near) <= BLOCK_MAX:
                continue
            told.add(item.id)
            for id_ in near:
                yield item.id, id_, by
    yield from _by_title({id_: item for id_, item in free.items() if id_ not in told}, free_there)


def _words(item: ListedItem) -> list[str]:
    return list(dict.fromkeys(SIGNS.sub(" ", item.title.casefold()).split()))


def _by_title(
    free: Mapping[str, ListedItem], free_there: Mapping[str, ListedItem]
) -> Iterable[tuple[str, str, str]]:
    often: Counter[str] = Counter(word for item in free_there.values() for word in _words(item))
    blocks: defaultdict[str, list[str]] = defaultdict(list)
    for item in free_there.values():
        for word in _words(item):
            if often[word] <= BLOCK_MAX:
                blocks[word].append(item.id)
    for item in free.values():
        rare = sorted((word for word in _words(item) if word in blocks), key=lambda word: (often[word], word))
        near = {id_: None for word in rare[:WORDS_LOOKED_UP] for id_ in blocks[word]}
        for id_ in near:
            ratio = difflib.SequenceMatcher(
                None, item.title.casefold(), free_there[id_].title.casefold()
            ).ratio()
            if ratio >= TITLE_RATIO_MIN:
                yield item.id, id_, f"titles alike by {ratio:.0%}"


def match_customers(
    channel: str,
    ours: Sequence[ListedCustomer],
    theirs: Sequence[ListedCustomer],
    templates: Sequence[tuple[str, str]],
    decided: Mapping[str, Decision],
) -> Matches:
    """Match buyers: by the external id that we would give, by what others wrote, and then by e-mail.

    The same e-mail is a suggestion only: people share one, and change it.
    """
    found = Matches()
    free, free_there = {one.id: one for one in ours}, {one.id: one for one in theirs}
    ways: list[tuple[str, Callable[[ListedCustomer], str], Callable[[ListedCustomer], str]]] = [
        (
            OURS,
            lambda one: customer_reference(channel, one.id),
            lambda one: one.reference.lower(),
        )
    ]
    ways += [(name, partial(_filled, template), partial(_field, name)) for name, template in templates]
    for by, value, value_there in ways:
        there = _grouped(free_there.values(), value_there)
        for key, ids in _grouped(free.values(), value).items():
            if len(there.get(key, ())) == 1 and len(ids) == 1:
                found.exact.append(Pair(ids[0], there[key][0], by))
                del free[ids[0]], free_there[there[key][0]]
            elif len(there.get(key, ())) > 1:
                found.doubled_there[f"{by} {key}"] = there[key]
    for one in decided.values():
        if one.confirmed and one.ours in free and one.theirs in free_there:
            found.exact.append(Pair(one.ours, one.theirs, f"confirmed: {one.by}"))
            del free[one.ours], free_there[one.theirs]
    there = _grouped(free_there.values(), lambda one: one.email.strip().lower())
    for email, ids in _grouped(free.values(), lambda one: one.email.strip().lower()).items():
        if len(there.get(email, ())) > 1:
            found.doubled_there[f"e-mail {email}"] = there[email]
        elif email in there and len(ids) == 1:
            id_ = suggestion_id(f"{channel} customer", ids[0], there[email][0])
            if id_ not in decided:
                found.suggested.append(Suggestion(ids[0], there[email][0], "the same e-mail", id_))
    found.unmatched, found.unmatched_there = list(free), list(free_there)
    return found


def _filled(template: str, one: ListedCustomer) -> str:
    return template.replace("{id}", one.id).lower()


def _field(name: str, one: ListedCustomer) -> str:
    return one.fields.get(name, "").lower()


def _grouped(
    customers: Iterable[ListedCustomer], value: Callable[[ListedCustomer], str]
) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for one in customers:
        if value(one):
            groups.setdefault(value(one), []).append(one.id)
    return groups


def match_places(
    ours: Sequence[ListedPlace], theirs: Sequence[ListedPlace], mapped: Mapping[str, str]
) -> tuple[list[Pair], list[Pair], list[str]]:
    """Locations: those of the map, those of one name that it lacks, and what is wrong with the map, in words.

    ``mapped`` leads from the ERP's id to the channel's, as the route says.
    """
    here, there = {place.id: place for place in ours}, {place.id: place for place in theirs}
    wrong = [f"location {at} of the ERP does not exist" for at in mapped if at not in there]
    wrong += [f"location {at} of the channel does not exist" for at in mapped.values() if at not in here]
    known = [Pair(at, erp, "the map") for erp, at in mapped.items() if erp in there and at in here]
    names: defaultdict[str, list[str]] = defaultdict(list)
    for place in theirs:
        if place.id not in mapped:
            names[plain(place.name)].append(place.id)
    taken = set(mapped.values())
    near = [
        Pair(place.id, names[plain(place.name)][0], "the name")
        for place in ours
        if place.id not in taken and len(names.get(plain(place.name), ())) == 1
    ]
    return known, near, wrong
