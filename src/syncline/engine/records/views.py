"""One record as a person looks at it: what its source says, and for each channel how that stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from syncline.credit.exposure import Claim, of_parts
from syncline.credit.rules import CreditPolicy
from syncline.engine.credit import CreditAnswer
from syncline.engine.derive.products import ASSORTMENT, GOODS, LOCALE
from syncline.engine.engine import Engine
from syncline.engine.records.checkout import checkout
from syncline.engine.records.kinds import (
    KINDS,
    Records,
    Source,
    contents_of,
    routes_of,
    sku_title,
    title_of,
    told,
)
from syncline.engine.records.prices import PriceList, SourceList, other_lists, price_lists
from syncline.engine.records.standing import GRAVITY, Standing, Word, standings, tone, verdict
from syncline.engine.routes import Route, parse_reference, split_key
from syncline.engine.states import StateFlow
from syncline.mapping.customers import CustomerRules, differing
from syncline.model.change import Kind
from syncline.model.customers import CARD_FIELDS, Company, CustomerCard, CustomerField
from syncline.model.products import FIELDS, Goods, Product

BUYERS_MAX = 50  # of one company that are told

NAMES: Mapping[CustomerField, str] = {
    CustomerField.NAME: "Name",
    CustomerField.ACTIVE: "Active",
    CustomerField.TAX_ID: "Tax id",
    CustomerField.TERMS: "Terms",
    CustomerField.GROUP: "Group",
    CustomerField.PHONE: "Phone",
    CustomerField.CONTACTS: "Contacts",
    CustomerField.ADDRESSES: "Addresses",
}
PERSONAL = frozenset({CustomerField.PHONE})  # what of a company is a person's


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record at one channel. ``owner`` is the system whose word counts, "" where the channel cannot hold it.

    ``said`` is what the source says, ``shown`` what the channel was last told; ``right`` says whether that is what it
    should be, ``None`` where the field is not ours. ``personal``: for operators only.
    """

    name: str
    owner: str
    said: str
    shown: str
    right: bool | None
    personal: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A content beside the record itself: a language, or an assortment of the channel."""

    name: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class Channel:
    """A record at one channel, with what only its kind has.

    ``external_id`` is the channel's own id of it, "" where none is known. ``lists`` are of prices; ``fields``,
    ``languages`` and ``assortments`` of products and companies; ``buyers`` and ``heir`` of companies; ``answer``,
    ``claims`` and ``policy`` of credit.
    """

    route: Route
    word: Word
    sentence: str
    standings: tuple[Standing, ...]
    external_id: str = ""
    lists: tuple[PriceList, ...] = ()
    fields: tuple[Field, ...] = ()
    languages: tuple[Part, ...] = ()
    assortments: tuple[Part, ...] = ()
    buyers: tuple[str, ...] = ()
    heir: str = ""
    answer: CreditAnswer | None = None
    claims: tuple[tuple[Claim, Decimal], ...] = ()
    policy: CreditPolicy | None = None

    @property
    def tone(self) -> str:
        """Its colour and shape."""
        return tone(self.word)


@dataclass(frozen=True, slots=True)
class View:
    """One record. ``value`` is what its source says, ``None`` where that is nothing; of prices it is never told.

    ``former`` are the customers whose place a company took, ``others`` lists of the source that no list of a channel is
    made from.
    """

    records: Records
    system: str
    key: str
    title: str
    word: Word
    sentence: str
    value: Any
    changed_at_ms: int
    observed_at_ms: int
    channels: tuple[Channel, ...]
    former: tuple[str, ...] = ()
    others: tuple[SourceList, ...] = ()

    @property
    def tone(self) -> str:
        """Its colour and shape."""
        return tone(self.word)

    @property
    def private(self) -> bool:
        """Whether its very name is a person's."""
        return isinstance(self.value, Company) and self.value.person


async def view(engine: Engine, name: str, system: str, key: str) -> View | None:
    """One record; ``None`` where neither its source nor a channel knows of such a one."""
    records = KINDS[name]
    source = await _source(engine, records, system, key)
    found: list[Channel] = []
    for flow, route in routes_of(engine, records, system):
        contents = contents_of(records, flow, route, key)
        mine = list((await standings(engine, route, flow, contents)).values())
        if source is None and all(one.held is None and one.word is not Word.PARKED for one in mine):
            continue
        found.append(await _channel(engine, records, flow, route, key, source, mine))
    if source is None and not found:
        return None
    word, sentence = verdict([one for each in found for one in each.standings])
    if records.kind is Kind.CREDIT and found:
        worst = min(found, key=lambda each: GRAVITY[each.word])
        word, sentence = worst.word, worst.sentence
    value = source.value if source is not None else None
    return View(
        records,
        system,
        key,
        await _title(engine, records, system, key, value),
        word,
        sentence,
        value,
        source.changed_at_ms if source is not None else 0,
        source.observed_at_ms if source is not None else 0,
        tuple(found),
        _former(engine, records, system, key),
        await _others(engine, records, system, key),
    )


def _former(engine: Engine, records: Records, system: str, key: str) -> tuple[str, ...]:
    """The customers whose place a company took, as the routes have it."""
    if records.kind is not Kind.CUSTOMER:
        return ()
    rules = [route.customers for _, route in routes_of(engine, records, system)]
    return tuple(dict.fromkeys(old for one in rules for old in sorted(one.merged) if one.heir(old) == key))


async def _others(engine: Engine, records: Records, system: str, key: str) -> tuple[SourceList, ...]:
    if records.kind is not Kind.PRICE:
        return ()
    routes = routes_of(engine, records, system)
    named = {name for _, route in routes for at in route.prices.lists for name in at.needs()}
    return await other_lists(engine, system, key, named)


async def _source(engine: Engine, records: Records, system: str, key: str) -> Source | None:
    """What the source says. Of prices it is told list by list; here only whether anybody knows the SKU."""
    if records.kind is not Kind.PRICE:
        return (await told(engine, system, records.kind, [key])).get(key)
    sinks = [route.sink for _, route in routes_of(engine, records)]
    known = any(engine.catalog.get(name, key) is not None for name in (*sinks, system))
    return Source(None, 0, 0) if known else None


async def _title(engine: Engine, records: Records, system: str, key: str, value: Any) -> str:
    if records.kind is Kind.PRICE:
        return sku_title(engine, key)
    if records.kind is Kind.CREDIT:
        value = next(
            (one.value for one in (await told(engine, system, Kind.CUSTOMER, [key])).values() if one.value),
            None,
        )
    return title_of(value)


async def _channel(
    engine: Engine,
    records: Records,
    flow: StateFlow,
    route: Route,
    key: str,
    source: Source | None,
    mine: Sequence[Standing],
) -> Channel:
    word, sentence = verdict(mine)
    value = source.value if source is not None else None
    external_id = ""
    if flow.bound is not None:
        external_id = (await engine.contents.named(route, flow.bound, [key]))[key].external_id
    elif (item := engine.catalog.get(route.sink, key)) is not None:
        external_id = item.external_id
    whole = Channel(route, word, sentence, tuple(mine), external_id)
    match records.kind:
        case Kind.PRICE:
            return replace(whole, lists=await price_lists(engine, route, key, mine))
        case Kind.PRODUCT:
            return _product(route, whole, value)
        case Kind.CUSTOMER:
            return await _company(engine, route, whole, key, value)
    return await _credit(engine, route, whole, key)


# --- products ------------------------------------------------------------------------------------------


def _product(route: Route, channel: Channel, product: Product | None) -> Channel:
    goods = next((one for one in channel.standings if split_key(one.key)[0] == GOODS), None)
    parts: dict[str, list[Part]] = {LOCALE: [], ASSORTMENT: []}
    for one in channel.standings:
        group, _ = split_key(one.key)
        for prefix, found in parts.items():
            if group.startswith(prefix):
                found.append(Part(group.removeprefix(prefix), one))
    return replace(
        channel,
        fields=tuple(_product_fields(route, goods, product)) if goods is not None else (),
        languages=tuple(parts[LOCALE]),
        assortments=tuple(parts[ASSORTMENT]),
    )


def _product_fields(route: Route, goods: Standing, product: Product | None) -> list[Field]:
    held = goods.held if isinstance(goods.held, Goods) else None
    wanted = goods.wanted if isinstance(goods.wanted, Goods) else None
    found = []
    for name in (*FIELDS, "variants"):
        ours = name == "variants" or name in route.products.fields
        said = _text(getattr(product, name)) if product is not None else ""
        shown = _text(getattr(held, name)) if held is not None and ours else ""
        right = None
        if ours and wanted is not None and held is not None:
            right = goods.sure and getattr(held, name) == getattr(wanted, name)
        found.append(Field(name.capitalize(), route.source if ours else route.sink, said, shown, right))
    return found


def _text(value: Any) -> str:
    """A field's value on one line."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {text}" for name, text in sorted(value.items()))
    if isinstance(value, tuple):
        return ", ".join(getattr(one, "sku", None) or str(one) for one in value)
    return str(value)


# --- companies -----------------------------------------------------------------------------------------


async def _company(
    engine: Engine, route: Route, channel: Channel, key: str, company: Company | None
) -> Channel:
    rules = route.customers
    one = channel.standings[0]
    rows = await engine.store.read("bindings_external", ids=[key], limit=BUYERS_MAX)
    buyers = [
        parsed[1].removeprefix("c-")
        for system, kind, reference in rows
        if (system, kind) == (route.source, Kind.CUSTOMER.value)
        and (parsed := parse_reference(reference, [route.sink])) is not None
    ]
    heir = rules.heir(key)
    return replace(
        channel,
        fields=tuple(_company_fields(route, rules, one, company)),
        buyers=tuple(buyers),
        heir=heir if heir != key else "",
    )


def _company_fields(
    route: Route, rules: CustomerRules, one: Standing, company: Company | None
) -> list[Field]:
    held = one.held if isinstance(one.held, CustomerCard) else None
    wanted = one.wanted if isinstance(one.wanted, CustomerCard) else None
    off = set(differing(held, wanted)) if held is not None and wanted is not None else set()
    found = []
    for which, name in CARD_FIELDS.items():
        owner = route.source if which in rules.ours else route.sink if which in rules.theirs else ""
        attribute = "sites" if which is CustomerField.ADDRESSES else name
        said = _plain(getattr(company, attribute)) if company is not None else ""
        shown = _plain(getattr(held, name)) if held is not None else ""
        right = None
        if wanted is not None and held is not None and getattr(wanted, name) is not None:
            right = one.sure and which not in off
        personal = which in PERSONAL or (company is not None and company.person)
        found.append(Field(NAMES[which], owner, said, shown, right, personal))
    return found


def _plain(value: Any) -> str:
    """A field of a company on one line: people and places are only counted."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(len(value)) if isinstance(value, tuple) else str(value)


# --- credit --------------------------------------------------------------------------------------------


async def _credit(engine: Engine, route: Route, channel: Channel, key: str) -> Channel:
    answer = await engine.credit.look(route.sink, key)
    rows = await engine.store.read("credit_claims", system=route.source, accounts=[key])
    claims = tuple((Claim(*row[1:7]), of_parts(row[3])) for row in rows)
    policy = route.credit.of(key)
    word, told_so = checkout(answer, policy, channel.word, channel.sentence)
    return replace(channel, word=word, sentence=told_so, answer=answer, claims=claims, policy=policy)
