"""Which orders the connector before has exported: asked for in bulk, and judged one by one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import partial

import msgspec

from syncline.engine.adopt.reading import Reader, Shelf
from syncline.engine.adoption import AdoptRules, fill
from syncline.engine.routes import reference_of
from syncline.inventory.availability import units
from syncline.model.census import FoundOrder, ListedOrder
from syncline.model.change import Event, Kind, LoggedEvent
from syncline.model.delivery import Item, Result
from syncline.model.errors import Retryable, Throttled
from syncline.model.payloads import ReadOrder
from syncline.model.records import ErpOrder, Order, Shipment
from syncline.ports import REFERENCE, OrderBook, System

FOUND, WHOLE = "found", "whole"


class Fate(StrEnum):
    """What an adoption does with an order."""

    ADOPT = "adopt"  # the ERP holds it, and something is still to be sent
    CLOSE = "close"  # the ERP holds it, and nothing is to be sent
    EXPORT = "export"  # not in the ERP, placed from the start moment on: goes there when the service runs
    LEAVE = "leave"  # not in the ERP, placed before: known, not exported
    FORGET = "forget"  # the same, with nothing to be sent
    TWICE = "twice"  # the ERP holds it more than once, or one of its orders stands for several
    UNFOLLOWED = "unfollowed"  # the ERP holds it, but would not tell what becomes of it


class Kept(msgspec.Struct, frozen=True):
    """A whole order as it was read, and the stamp that the list showed for it then."""

    updated_at_ms: int
    event: Event


@dataclass(slots=True)
class Verdict:
    """One order of the channel, what is done with it, and what a person should know about it."""

    order: ListedOrder
    fate: Fate
    found: tuple[FoundOrder, ...] = ()
    whole: Order | None = None
    event: Event | None = None
    erp: ErpOrder | None = None
    erp_event: Event | None = None
    shipments: list[Event] = field(
        default_factory=list
    )  # of the ERP, told or not by whoever was there before
    read_ms: int = 0  # the ERP's clock when it was read
    differs: list[str] = field(default_factory=list)

    def why_parked(self) -> tuple[str, str] | None:
        """What a person has to look at before or after it went live: a reason, and a sentence."""
        order, ids = self.order, ", ".join(one.called for one in self.found)
        if self.fate is Fate.TWICE:
            return "adopted_twice", (
                f"order {order.number} and the ERP's orders {ids} do not stand for each other one by one: close all "
                "but one there, then run `syncline adopt --apply` again"
            )
        if self.fate is Fate.UNFOLLOWED:
            return "adopted_unfollowed", (
                f"order {order.number} is the ERP's order {ids}, which has no external id, so its shipments would not "
                "be told: set orders_without_external_id of the ERP, then run `syncline adopt --apply` again"
            )
        if self.whole is None and self.fate in (Fate.ADOPT, Fate.EXPORT, Fate.LEAVE):
            return (
                "adopted_unread",
                f"order {order.number} could not be read whole, so nothing of it was told",
            )
        if (
            self.differs and self.fate is Fate.ADOPT
        ):  # those that are over may be thousands: they are reported
            return (
                "adopted_differs",
                f"order {order.number}, the ERP's order {ids}: {'; '.join(self.differs)}",
            )
        return None


class OrderSearch:
    """Looks one channel's orders up in its ERP."""

    def __init__(
        self,
        shelf: Shelf,
        reader: Reader,
        channel: System,
        erp: System,
        book: OrderBook,
        rules: AdoptRules,
        now_ms: Callable[[], int],
        progress: Callable[[str, int], None],
    ) -> None:
        self._shelf = shelf
        self._reader = reader
        self._channel = channel
        self._erp = erp
        self._book = book
        self._rules = rules
        self._now_ms = now_ms
        self._progress = progress

    async def look_up(self, orders: Mapping[str, ListedOrder]) -> dict[str, list[FoundOrder]]:
        """Which orders of the ERP stand for each of these.

        What was found once, as it should be, is not asked for again; all else may have changed. Our own
        reference is asked for where no other was found: an earlier store of ours may have exported it.
        """
        known = await self._shelf.rows(self._channel.name, FOUND, list[FoundOrder])
        asked = [order for key, order in orders.items() if not _settled(known.get(key, ()))]
        fields = dict(self._rules.orders)
        if fields:
            await self._ask(asked, fields, known)
            asked = [order for order in asked if not known.get(order.key)]
        await self._ask(asked, {REFERENCE: ""}, known)
        return {key: known.get(key, []) for key in orders}

    async def _ask(
        self,
        orders: Sequence[ListedOrder],
        fields: Mapping[str, str],
        known: dict[str, list[FoundOrder]],
    ) -> None:
        size = self._book.orders_max
        for start in range(0, len(orders), size):
            chunk = orders[start : start + size]
            wanted: dict[str, dict[str, list[str]]] = {name: {} for name in fields}
            for order in chunk:
                for name, template in fields.items():
                    value = self._value(order, template)
                    if value:
                        wanted[name].setdefault(value, []).append(order.key)
            values_of = {name: list(values) for name, values in wanted.items()}
            answer = await self._reader.patiently(
                f"{self._erp.name}: orders", partial(self._book.find_orders, values_of)
            )
            found: defaultdict[str, dict[str, FoundOrder]] = defaultdict(dict)
            lowered = {
                name: {value.lower(): keys for value, keys in values.items()}
                for name, values in wanted.items()
            }
            for one in answer:
                for name, value in one.values.items():
                    for key in lowered.get(name, {}).get(value.lower(), ()):
                        found[key][one.id] = one
            rows = {order.key: list(found[order.key].values()) for order in chunk}
            await self._shelf.put(self._channel.name, FOUND, rows)
            known |= rows
            self._progress(f"{self._erp.name}: orders looked up", start + len(chunk))

    def _value(self, order: ListedOrder, template: str) -> str:
        if not template:
            return reference_of(self._channel.name, order.key)
        return fill(template, order.key, order.number)

    # --- judging ------------------------------------------------------------------------------------

    async def judge(
        self,
        orders: Mapping[str, ListedOrder],
        orders_from_ms: int | None,
        stocked_as: Callable[[str], tuple[str, int]],
        goods: Collection[str],
    ) -> tuple[list[Verdict], int]:
        """What is to be done with each order, and since when orders are ours. Reads whole what matters.

        Without a moment it is that of the newest order that the ERP holds: what the connector
        before had not exported when it was switched off is ours, so no order falls between the two.
        ``stocked_as`` leads from a SKU of the channel to the ERP's, and how many of that one unit is.
        ``goods`` are the ERP's SKUs that are sold there: others on its orders (freight, tax) are not compared.
        """
        found = await self.look_up(orders)
        if orders_from_ms is None:
            newest_ms = max((orders[key].placed_at_ms for key, some in found.items() if some), default=None)
            orders_from_ms = self._now_ms() if newest_ms is None else newest_ms
        claims: Counter[str] = Counter(one.id for some in found.values() for one in some)
        verdicts = []
        for key, order in orders.items():
            alive = tuple(one for one in found[key] if not one.gone)
            some = alive if len(alive) == 1 else tuple(found[key])  # one that was closed stands for nothing
            verdicts.append(Verdict(order, _fate(order, some, claims, orders_from_ms), some))
        wanted = [v for v in verdicts if v.fate in (Fate.ADOPT, Fate.EXPORT, Fate.LEAVE)]
        await self._read_whole(wanted)
        await self._read_erp([v for v in verdicts if v.fate is Fate.ADOPT and v.whole is not None])
        for verdict in verdicts:
            _compare(verdict, stocked_as, goods)
        return verdicts, orders_from_ms

    async def _read_whole(self, verdicts: Sequence[Verdict]) -> None:
        kept = await self._shelf.rows(self._channel.name, WHOLE, Kept)
        size = self._channel.sink.operations["read_order"].batch_items_max
        missing = []
        for verdict in verdicts:
            one = kept.get(verdict.order.key)
            if one is not None and one.updated_at_ms == verdict.order.updated_at_ms:
                self._take(verdict, one.event)
            else:
                missing.append(verdict)
        for start in range(0, len(missing), size):
            chunk = missing[start : start + size]
            events = await self._reader.patiently(
                f"{self._channel.name}: orders", partial(self._whole, chunk)
            )
            rows = {}
            for verdict in chunk:
                event = events.get(verdict.order.key)
                if event is not None:
                    rows[verdict.order.key] = Kept(verdict.order.updated_at_ms, event)
                    self._take(verdict, event)
            await self._shelf.put(self._channel.name, WHOLE, rows)
            self._progress(f"{self._channel.name}: open orders read", start + len(chunk))

    async def _whole(self, verdicts: Sequence[Verdict]) -> dict[str, Event]:
        items = [Item(v.order.key, ReadOrder(v.order.key)) for v in verdicts]
        outcomes = await self._channel.sink.deliver("read_order", items, "")
        events: dict[str, Event] = {}
        for item, outcome in zip(items, outcomes, strict=True):
            if outcome.result is Result.DONE:
                events[item.key] = outcome.facts["event"]
            elif outcome.result in (Result.THROTTLED, Result.WAIT):
                raise Throttled(outcome.message, outcome.retry_after_s)
            elif outcome.result is not Result.REJECTED:
                raise Retryable(outcome.message)
        return events

    def _take(self, verdict: Verdict, event: Event) -> None:
        for change in self._channel.source.decode(LoggedEvent(0, self._now_ms(), event)):
            if change.kind is Kind.ORDER and isinstance(change.value, Order):
                verdict.event, verdict.whole = event, change.value

    async def _read_erp(self, verdicts: Sequence[Verdict]) -> None:
        by_reference = {reference_of(self._channel.name, v.order.key): v for v in verdicts}
        ids = {v.found[0].id: reference for reference, v in by_reference.items()}

        async def ask() -> list[Event]:
            return await self._book.order_events(ids) if ids else []

        for event in await self._reader.patiently(f"{self._erp.name}: orders", ask):
            for change in self._erp.source.decode(LoggedEvent(0, self._now_ms(), event)):
                shipment = change.value if isinstance(change.value, Shipment) else None
                verdict = by_reference.get(change.key if shipment is None else shipment.order_key)
                if verdict is not None and isinstance(change.value, ErpOrder):
                    verdict.erp, verdict.erp_event = change.value, event
                    verdict.read_ms = max(verdict.read_ms, change.value.erp_stamp_ms)
                elif verdict is not None and shipment is not None:
                    verdict.shipments.append(event)
                    verdict.read_ms = max(verdict.read_ms, shipment.shipped_at_ms)


def _settled(found: Sequence[FoundOrder]) -> bool:
    return len(found) == 1 and found[0].followed and not found[0].gone


def _fate(
    order: ListedOrder, found: Sequence[FoundOrder], claims: Mapping[str, int], orders_from_ms: int
) -> Fate:
    if len(found) > 1 or any(claims[one.id] > 1 for one in found):
        return Fate.TWICE
    if found:
        if not found[0].followed and order.open:
            return Fate.UNFOLLOWED
        return Fate.ADOPT if order.open else Fate.CLOSE
    if order.placed_at_ms >= orders_from_ms and not order.cancelled:
        return Fate.EXPORT
    return Fate.LEAVE if order.open else Fate.FORGET


def _compare(verdict: Verdict, stocked_as: Callable[[str], tuple[str, int]], goods: Collection[str]) -> None:
    """What the ERP's order says otherwise than the channel's; of one that is over, only whether it is over there."""
    order, whole, erp = verdict.order, verdict.whole, verdict.erp
    if verdict.fate is Fate.CLOSE and verdict.found[0].open:
        over = "cancelled" if order.cancelled else "sent"
        verdict.differs.append(f"{over} at the channel, and still to be sent in the ERP")
    if verdict.fate is not Fate.ADOPT or whole is None:
        return
    total = verdict.found[0].total
    if total is not None and total != order.total:
        verdict.differs.append(f"total {order.total} {order.currency}, in the ERP {total}")
    if erp is None:
        verdict.differs.append("the ERP did not tell its lines")
        return
    wanted: Counter[str] = Counter()
    for line in whole.lines:
        if line.sku:
            sku, count = stocked_as(line.sku)
            wanted[sku] += units(line.quantity) * count
    held: Counter[str] = Counter()
    for held_line in erp.lines:
        held[held_line.sku] += units(held_line.quantity if held_line.ordered is None else held_line.ordered)
    for sku in sorted(+wanted | +held):
        if wanted[sku] != held[sku] and (wanted[sku] or sku in goods):
            verdict.differs.append(f"{wanted[sku]} of {sku}, in the ERP {held[sku]}")


def money(verdicts: Iterable[Verdict]) -> dict[str, Decimal]:
    """How much some orders come to, by currency."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for verdict in verdicts:
        sums[verdict.order.currency] += verdict.order.total
    return dict(sums)
