"""``plan.toml``: systems, volumes and what each flow has to keep, for a plan that is made before anything is connected."""

from __future__ import annotations

import difflib
import itertools
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import msgspec

from syncline.freshness.velocity import ORDER, Velocity
from syncline.model.change import Flow
from syncline.model.copying import replace
from syncline.model.errors import Misconfigured
from syncline.planner.question import (
    LIMIT_SHARE,
    MINUTE_MS,
    PEAK_SHARE,
    REST,
    AskedRoute,
    AskedSegment,
    AskedSystem,
    Drivers,
    EffortRates,
    Harm,
    Question,
)
from syncline.planner.vendors import Limit, Vendor, as_declared, vendors
from syncline.runtime.config import NAME, duration_ms, share
from syncline.runtime.registry import connectors

FILE_BYTES_MAX = 1_000_000
SYSTEMS_MAX = 40
ROUTES_MAX = 120
SEGMENTS_MAX = 6
EVERY_MS_MIN = MINUTE_MS

FLOWS = (*(flow.value for flow in Flow), "reports")

TOLERANCES = {
    "customers": "1h",
    "prices": "1h",
    "inventory": "5m",
    "catalog": "1h",
    "orders": "10s",
    "credit": "5m",
    "order_status": "1h",
    "payments": "10s",
    "returns": "1h",
    "reports": "1d",
}
IF_EVENT_LOST = {"orders": "5m", "payments": "5m", "credit": "5m", "inventory": "1h"}
IF_EVENT_LOST_ELSE = "1d"

Count = Annotated[int, msgspec.Meta(ge=0)]


class PlanSystem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[systems.NAME]``: one account of a vendor, and what its licence allows."""

    vendor: str
    licence: str = ""
    limit_share: str = ""
    events: bool = True
    calls_at_once: Count = 0
    calls_per_minute: Count = 0
    calls_per_day: Count = 0
    points_per_s: Count = 0
    price_per_1000_calls: Decimal = Decimal(0)
    price_per_month: Decimal = Decimal(0)


class PlanVolumes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[volumes]``: how much there is, and how much of it changes on a usual day."""

    skus: Count = 0
    locations: Annotated[int, msgspec.Meta(ge=1)] = 1
    prices: Count = 0
    customers: Count = 0
    orders_per_day: Count = 0
    lines_per_order: Annotated[float, msgspec.Meta(ge=1)] = 2.5
    stock_moves_per_day: Count = 0
    peak_hour: str = f"{PEAK_SHARE:.0%}"


class PlanSegment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[flows.segments.NAME]``: a part of a flow's records with a tolerance of its own."""

    tolerance: str
    records: str
    changes: str
    hurt_share: str = ""
    cost_each: Decimal | None = None


class PlanFlow(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from", "sink": "to"}
):
    """``[[flows]]``: one kind of data from one system to others, what it has to keep, and whom lateness hurts."""

    flow: str
    source: str
    sink: str | list[str]
    tolerance: str = ""
    if_event_lost: str = ""
    records: Count = 0
    changes_per_day: Count = 0
    peak_hour: str = ""
    consequence: str = ""
    hurt_share: str = "0%"
    cost_each: Decimal = Decimal(0)
    cost_per_hour: Decimal = Decimal(0)
    segments: dict[str, PlanSegment] = {}
    via: str = ""
    mapping_fields: Count = 0
    custom_fields: Count = 0
    both_ways: bool = False
    gate: bool = False


class PlanCompare(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[compare]``: what the plan is compared with, and what runs it."""

    batch: str = "1h"
    reconcile: str = "1d"
    host_per_month: Decimal = Decimal(0)


class PlanEffort(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[effort]``: days of work for each driver. All are assumptions; put your own in their place."""

    per_flow: Decimal = EffortRates().per_flow
    per_field: Decimal = EffortRates().per_field
    per_custom_field: Decimal = EffortRates().per_custom_field
    second_way: Decimal = EffortRates().second_way
    gate: Decimal = EffortRates().gate
    tests_share: Decimal = EffortRates().tests_share
    per_system: Decimal = EffortRates().per_system
    missing_connector: Decimal = EffortRates().missing_connector

    def rates(self) -> EffortRates:
        """The same for the planner."""
        return EffortRates(**{name: getattr(self, name) for name in self.__struct_fields__})


class PlanFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    systems: dict[str, PlanSystem]
    flows: list[PlanFlow]
    title: str = "Integration plan"
    currency: str = "EUR"
    volumes: PlanVolumes = PlanVolumes()
    compare: PlanCompare = PlanCompare()
    effort: PlanEffort = PlanEffort()


SECTIONS = (PlanFile, PlanSystem, PlanVolumes, PlanFlow, PlanSegment, PlanCompare, PlanEffort)


def load_plan(path: Path) -> Question:
    """Read a plan file.

    Raises:
        Misconfigured: it is missing, unreadable or wrong; names the field and how to mend it.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise Misconfigured(f"{path} does not exist; `syncline plan --ask` writes one") from error
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > FILE_BYTES_MAX:
        raise Misconfigured(f"{path} is larger than {FILE_BYTES_MAX:,} bytes")
    try:
        return question_of(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path} is not UTF-8 text") from error


def question_of(text: str) -> Question:
    """The question that a plan file asks.

    Raises:
        Misconfigured: names the field and how to mend it.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"not valid TOML: {error}") from error
    try:
        file = msgspec.convert(raw, PlanFile, strict=False)
    except msgspec.ValidationError as error:
        raise Misconfigured(_explained(str(error))) from error
    _check_amounts("", file)
    if not 0 < len(file.systems) <= SYSTEMS_MAX:
        raise Misconfigured(f"[systems]: name at least one and at most {SYSTEMS_MAX}")
    systems = {name: _system(name, one) for name, one in file.systems.items()}
    routes = [
        route for n, one in enumerate(file.flows) for route in _routes(f"flows[{n}]", one, file, systems)
    ]
    if not 0 < len(routes) <= ROUTES_MAX:
        raise Misconfigured(f"[[flows]]: name at least one; a plan has at most {ROUTES_MAX} routes")
    names = [route.name for route in routes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise Misconfigured(f"flows: {twice} is asked for twice")
    return Question(
        title=file.title,
        currency=file.currency,
        systems=systems,
        routes=tuple(routes),
        batch_ms=_every(file.compare.batch, "compare.batch"),
        reconcile_ms=_every(file.compare.reconcile, "compare.reconcile"),
        lines_per_order=file.volumes.lines_per_order,
        host_per_month=file.compare.host_per_month,
        effort=file.effort.rates(),
    )


def _check_amounts(field: str, section: msgspec.Struct) -> None:
    """Money and days: finite, and not below nothing."""
    for name in section.__struct_fields__:
        value = getattr(section, name)
        at = f"{field}.{name}" if field else name
        if isinstance(value, Decimal) and not (value.is_finite() and value >= 0):
            raise Misconfigured(f"{at}: {value} must not be negative")
        if isinstance(value, msgspec.Struct):
            _check_amounts(at, value)
        elif isinstance(value, dict):
            for key, one in value.items():
                _check_amounts(f"{at}.{key}", one)
        elif isinstance(value, list):
            for n, one in enumerate(value):
                if isinstance(one, msgspec.Struct):
                    _check_amounts(f"{at}[{n}]", one)


def _explained(text: str) -> str:
    """A conversion error with, for a misspelt key, what was probably meant."""
    match = re.search(r"unknown field `([^`]+)`", text)
    if match is None:
        return text
    known = sorted({name for one in SECTIONS for name in one.__struct_encode_fields__})
    near = difflib.get_close_matches(match[1], [name for name in known if name != match[1]], n=1)
    return text + (f"; did you mean `{near[0]}`?" if near else f"; known are {', '.join(known)}")


def _near(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"


def _every(text: str, field: str) -> int:
    ms = duration_ms(text, field)
    if ms < EVERY_MS_MIN:
        raise Misconfigured(f"{field}: {text!r} is too short; a minute is the least")
    return ms


# --- systems -----------------------------------------------------------------------------------------------


def _system(name: str, asked: PlanSystem) -> AskedSystem:
    field = f"systems.{name}"
    if not NAME.fullmatch(name):
        raise Misconfigured(f"{field}: a system's name is a lower-case letter and up to 15 letters or digits")
    known = vendors()
    sheet = known.get(asked.vendor)
    if sheet is None:
        raise Misconfigured(
            f"{field}.vendor: {asked.vendor!r} is not known; {_near(asked.vendor, list(known))}"
        )
    vendor = _declared(sheet)
    part = (
        share(asked.limit_share, f"{field}.limit_share") if asked.limit_share else Decimal(str(LIMIT_SHARE))
    )
    if not part:
        raise Misconfigured(f"{field}.limit_share: nothing can be called at 0 %")
    most = vendor.share or 1.0
    return AskedSystem(
        name=name,
        vendor=vendor,
        licence=asked.licence or next(iter(vendor.licences), ""),
        limits=_limits(field, asked, vendor),
        share=min(float(part), most),
        events=asked.events,
        price_per_1000_calls=asked.price_per_1000_calls,
        price_per_month=asked.price_per_month,
    )


def _declared(sheet: Vendor) -> Vendor:
    """A vendor as its connector declares it, where one is installed; else as one that has none yet."""
    if not sheet.connector:
        return sheet
    installed = connectors().get(sheet.connector)
    return as_declared(sheet, installed.capabilities) if installed else replace(sheet, connector="")


def _limits(field: str, asked: PlanSystem, vendor: Vendor) -> tuple[Limit, ...]:
    """The licence's limits; what the plan says of its own account stands in their place."""
    own = [
        Limit(at_once=asked.calls_at_once) if asked.calls_at_once else None,
        Limit(calls=asked.calls_per_minute, window_s=60) if asked.calls_per_minute else None,
        Limit(calls=asked.calls_per_day, window_s=86_400) if asked.calls_per_day else None,
        Limit(points_per_s=asked.points_per_s, burst=20.0 * asked.points_per_s)
        if asked.points_per_s
        else None,
    ]
    for need in vendor.needs:
        if not getattr(asked, need):
            raise Misconfigured(
                f"{field}.{need}: only the licence of {vendor.title} says it; give its figure here"
            )
    if asked.licence and asked.licence not in vendor.licences:
        hint = (
            _near(asked.licence, list(vendor.licences))
            if vendor.licences
            else "leave it out, and give the limits themselves"
        )
        raise Misconfigured(f"{field}.licence: {vendor.title} has no {asked.licence!r} here; {hint}")
    licence = vendor.licences.get(asked.licence or next(iter(vendor.licences), ""), ())
    given = [one for one in own if one is not None]
    return (*given, *(one for one in licence if not any(_same_kind(one, other) for other in given)))


def _same_kind(one: Limit, other: Limit) -> bool:
    return (
        bool(one.at_once) == bool(other.at_once)
        and bool(one.points_per_s) == bool(other.points_per_s)
        and (one.window_s <= 3600) == (other.window_s <= 3600)
    )


# --- flows -------------------------------------------------------------------------------------------------


def _routes(
    field: str, asked: PlanFlow, file: PlanFile, systems: Mapping[str, AskedSystem]
) -> list[AskedRoute]:
    if asked.flow not in FLOWS:
        raise Misconfigured(f"{field}.flow: {asked.flow!r} is no flow; {_near(asked.flow, list(FLOWS))}")
    sinks = [asked.sink] if isinstance(asked.sink, str) else asked.sink
    if not sinks:
        raise Misconfigured(f"{field}.to: name at least one system")
    for what, name in (("from", asked.source), *(("to", sink) for sink in sinks)):
        _check_end(f"{field}.{what}", name, systems)
        if what == "to" and name == asked.source:
            raise Misconfigured(f"{field}: {name} cannot be kept in agreement with itself")
    if asked.via:
        if asked.via not in systems:
            raise Misconfigured(f"{field}.via: no [systems.{asked.via}] is named")
        if systems[asked.via].vendor.part != "broker":
            raise Misconfigured(f"{field}.via: {asked.via} is no broker")
    tolerance_ms = duration_ms(asked.tolerance or TOLERANCES[asked.flow], f"{field}.tolerance")
    if tolerance_ms <= 0:
        raise Misconfigured(f'{field}.tolerance: nothing arrives in no time; write for example "5s"')
    segments = _segments(field, asked, file.volumes, tolerance_ms)
    lost_ms = _lost_ms(field, asked, tolerance_ms)
    return [
        AskedRoute(
            flow=asked.flow,
            source=asked.source,
            sink=sink,
            segments=segments,
            lost_ms=lost_ms,
            via=asked.via,
            drivers=Drivers(asked.mapping_fields, asked.custom_fields, asked.both_ways, asked.gate),
        )
        for sink in sinks
    ]


def _check_end(field: str, name: str, systems: Mapping[str, AskedSystem]) -> None:
    if name not in systems:
        raise Misconfigured(f"{field}: no [systems.{name}] is named; {_near(name, list(systems))}")
    if systems[name].vendor.part == "broker":
        raise Misconfigured(
            f'{field}: {name} is a broker; a flow goes from a system to a system, via = "{name}"'
        )


def _lost_ms(field: str, asked: PlanFlow, tolerance_ms: int) -> int:
    text = asked.if_event_lost or IF_EVENT_LOST.get(asked.flow, IF_EVENT_LOST_ELSE)
    lost_ms = duration_ms(text, f"{field}.if_event_lost")
    if asked.if_event_lost and lost_ms < tolerance_ms:
        raise Misconfigured(
            f"{field}.if_event_lost: {asked.if_event_lost} contradicts the tolerance: a change whose event was lost would "
            f"have to come sooner than any other. Give at least {asked.tolerance or TOLERANCES[asked.flow]}"
        )
    return max(lost_ms, tolerance_ms)


def _segments(
    field: str, asked: PlanFlow, volumes: PlanVolumes, tolerance_ms: int
) -> tuple[AskedSegment, ...]:
    records = asked.records or _records(asked.flow, volumes)
    changes = asked.changes_per_day or _changes(asked.flow, volumes)
    if records <= 0 or changes <= 0:
        raise Misconfigured(
            f"{field}: nothing says how many records change; give records and changes_per_day, or [volumes]"
        )
    peak = share(asked.peak_hour or volumes.peak_hour, f"{field}.peak_hour")
    if peak * 24 < 1:
        raise Misconfigured(
            f"{field}.peak_hour: the busiest hour has at least a twenty-fourth of the day, 4.2 %"
        )
    harm = Harm(
        asked.consequence,
        float(share(asked.hurt_share, f"{field}.hurt_share")),
        asked.cost_each,
        asked.cost_per_hour,
    )
    whole = AskedSegment("all", tolerance_ms, records, float(changes), float(changes * peak), harm)
    if not asked.segments:
        return (whole,)
    if len(asked.segments) > SEGMENTS_MAX:
        raise Misconfigured(f"{field}.segments: {SEGMENTS_MAX} are the most")
    found = [_segment(f"{field}.segments.{name}", name, one, whole) for name, one in asked.segments.items()]
    _check_order(field, asked, found, tolerance_ms)
    named = sum((share(one.records, field) for one in asked.segments.values()), Decimal(0))
    changed = sum((share(one.changes, field) for one in asked.segments.values()), Decimal(0))
    if named > 1 or changed > 1:
        raise Misconfigured(f"{field}.segments: together they have more than the whole flow")
    if named == 1 and changed < 1:
        raise Misconfigured(
            f"{field}.segments: all records are named and {changed:.0%} of the changes; nothing is left that could have the others"
        )
    left = replace(
        whole,
        name=_rest_name(asked),
        records=max(1, records - sum(one.records for one in found)),  # each was rounded
        changes_per_day=whole.changes_per_day * float(1 - changed),
        peak_per_hour=whole.peak_per_hour * float(1 - changed),
    )
    if named < 1:
        found.append(left)
    else:  # what the whole flow costs while it stands is counted once
        found[-1] = replace(found[-1], harm=replace(found[-1].harm, cost_per_hour=asked.cost_per_hour))
    return tuple(found)


def _rest_name(asked: PlanFlow) -> str:
    """What no segment names; of stock it is the class of velocity that is left, medium first."""
    names = [one.value for one in (Velocity.MEDIUM, Velocity.LOW, Velocity.HIGH)]
    if asked.flow == "inventory" and any(name in asked.segments for name in names):
        return next((name for name in names if name not in asked.segments), REST)
    return REST


def _segment(field: str, name: str, asked: PlanSegment, whole: AskedSegment) -> AskedSegment:
    records = share(asked.records, f"{field}.records")
    changes = share(asked.changes, f"{field}.changes")
    if not records or not changes:
        raise Misconfigured(f"{field}: a segment has records and changes; leave out an empty one")
    tolerance_ms = duration_ms(asked.tolerance, f"{field}.tolerance")
    if tolerance_ms <= 0:
        raise Misconfigured(f'{field}.tolerance: nothing arrives in no time; write for example "5s"')
    return AskedSegment(
        name,
        tolerance_ms,
        max(1, round(whole.records * records)),
        whole.changes_per_day * float(changes),
        whole.peak_per_hour * float(changes),
        Harm(
            whole.harm.words,
            float(share(asked.hurt_share, f"{field}.hurt_share"))
            if asked.hurt_share
            else whole.harm.hurt_share,
            whole.harm.cost_each if asked.cost_each is None else asked.cost_each,
        ),
    )


def _check_order(field: str, asked: PlanFlow, found: list[AskedSegment], tolerance_ms: int) -> None:
    """Classes of velocity: the quicker a SKU sells, the sooner it has to be right."""
    if asked.flow != "inventory":
        return
    by_name = {one.name: one.tolerance_ms for one in found}
    by_name.setdefault(_rest_name(asked), tolerance_ms)
    known = [one.value for one in ORDER if one.value in by_name]
    for slow, quick in itertools.pairwise(known):
        if by_name[quick] > by_name[slow]:
            raise Misconfigured(
                f"{field}.segments: {quick} may be older than {slow}, which contradicts what they are; "
                f"give {quick} at most the tolerance of {slow}"
            )


# What a flow consists of where only [volumes] are given: assumptions, which the plan lists.
REVISIONS = 1.3  # of an order, edits and cancellations included
PARCELS = 1.2  # of an order
RETURNED = 0.08  # of the orders
CHANGED = {"customers": 0.01, "prices": 0.02, "catalog": 0.01}  # of the records, on a usual day
DAYS_OPEN = 30  # for so long an order may still change

VOLUME_ASSUMPTIONS = (
    (
        f"Where no changes a day are given: {CHANGED['customers']:.0%} of the customers, {CHANGED['prices']:.0%} of the prices and "
        f"{CHANGED['catalog']:.0%} of the items change on a usual day; an order has {REVISIONS} revisions, {PARCELS} parcels and one "
        f"payment, and {RETURNED:.0%} of the orders come back; credit changes with each order and each payment."
    ),
    f"An order may change for {DAYS_OPEN} days.",
)


def _records(flow: str, volumes: PlanVolumes) -> int:
    return {
        "customers": volumes.customers,
        "credit": volumes.customers,
        "prices": volumes.prices or volumes.skus,
        "inventory": volumes.skus * volumes.locations,
        "catalog": volumes.skus,
    }.get(flow, volumes.orders_per_day * DAYS_OPEN)


def _changes(flow: str, volumes: PlanVolumes) -> int:
    orders = volumes.orders_per_day
    of_orders = {
        "inventory": orders * volumes.lines_per_order + volumes.stock_moves_per_day,
        "orders": orders * REVISIONS,
        "order_status": orders * PARCELS,
        "payments": orders,
        "returns": orders * RETURNED,
        "credit": orders * 2,
        "reports": orders,
    }
    found = of_orders[flow] if flow in of_orders else CHANGED[flow] * _records(flow, volumes)
    return -int(-found // 1)
