"""One take-over: read both sides, match, judge, report; and, if asked, write what makes it so.

Everything that is written can be written again with the same effect, and the mark ``applying`` stands
from the first write to the last: until then no engine starts on the store. So a kill at any moment
costs nothing but running it once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from syncline.engine.adopt.matching import OURS, Decision, Matches, match_customers, match_items, match_places
from syncline.engine.adopt.orders import Fate, OrderSearch, Verdict
from syncline.engine.adopt.reading import Reader, Shelf
from syncline.engine.adopt.report import Buyers, ChannelReport, Survey
from syncline.engine.adoption import (
    ADOPTED,
    CUSTOMER,
    SKU,
    START,
    Adopted,
    AdoptRules,
    Start,
    State,
    adopted_rows,
)
from syncline.engine.codec import encode, order_fingerprint
from syncline.engine.failpoints import failpoint
from syncline.engine.leases import Lease
from syncline.engine.routes import SEP, Route, Routes, customer_reference, reference_of
from syncline.model.census import ListedCustomer, ListedItem, ListedOrder
from syncline.model.change import Cursor, Event, Flow, Kind
from syncline.model.errors import Busy, Misconfigured
from syncline.model.records import Order
from syncline.ports import Clock, Store, System, Write

CHUNK = 100  # orders in one transaction
ROWS = 2_000
SUGGESTION, DECISION = "suggestion", "decision"
BUILT_IN = ("sku", "barcode")
ITEM = "item"


class Adopter:
    """Takes the configured channels over from whoever kept them before."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        rng: Random,
        systems: Sequence[System],
        routes: Routes,
        rules: Mapping[str, AdoptRules],
        owner: str,
        progress: Callable[[str, int], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._systems = {system.name: system for system in systems}
        self._routes = routes
        self._rules = rules
        self._progress = progress
        self._lease = Lease(store, clock, "apply", owner)
        self._shelf = Shelf(store, lambda: self._lease.guard)
        self._reader = Reader(self._shelf, clock, rng, progress)

    async def run(self, *, orders_from_ms: int | None = None, apply: bool = False) -> Survey:
        """Read and judge; with ``apply``, write what follows. Goes on where an earlier run was ended.

        Args:
            orders_from_ms: since when orders are ours; by default as before, else from the newest
                order on that the ERP holds.
            apply: whether to write more than what was read.

        Returns:
            What was found, channel by channel.

        Raises:
            Misconfigured: the service, or another adoption, works on this store; or nothing can be adopted.
            Retryable, OutcomeUnknown, Throttled, AuthExpired: a vendor cannot be read; run it again later.
        """
        try:
            await self._lease.take()
        except Busy:
            raise Misconfigured(
                "the service, or another adoption, works on this store: stop it first (if it was killed, wait half a "
                "minute)"
            ) from None
        renewing = asyncio.get_running_loop().create_task(self._lease.keep())
        try:
            return await self._run(orders_from_ms, apply=apply)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)  # if it was fenced, so is every write
            await self._lease.drop()

    async def _run(self, orders_from_ms: int | None, *, apply: bool) -> Survey:
        channels = self._channels()
        now_ms = self._clock.now_ms()
        cursors: list[Cursor] = []
        if apply:  # before anything is read: what changes from here on is told by the streams
            for name in dict.fromkeys([*channels, *channels.values()]):
                census = self._systems[name].census
                if census is not None:
                    cursors += await self._reader.patiently(name, census.begin)
        found: list[tuple[ChannelReport, Start]] = []
        for channel, erp in channels.items():
            before = await self._start(channel)
            start_ms = orders_from_ms
            if start_ms is None and before is not None:
                start_ms = before.orders_from_ms
            report = await self._survey(channel, erp, start_ms)
            start = Start(report.orders_from_ms)
            found.append((report, start))
            if apply:
                await self._apply(report, before, start)
        if apply:
            await self._begin(cursors, found)
        return Survey(now_ms, apply, [report for report, _ in found])

    # --- what is to be taken over -------------------------------------------------------------------

    def _channels(self) -> dict[str, str]:
        """Every channel with the ERP behind it."""
        found = {route.source: route.sink for route in self._routes.of(Flow.ORDERS)}
        for route in self._routes.of(Flow.INVENTORY):
            found.setdefault(route.sink, route.source)
        for name in self._rules:
            if name not in found:
                raise Misconfigured(f"adopt.{name}: no route of orders or inventory names this channel")
        if not found:
            raise Misconfigured("no route of orders or inventory is configured, so there is nothing to adopt")
        for channel, erp in found.items():
            book = self._systems[erp].order_book
            if book is not None:
                book.check_fields([field for field, _ in self._rules_of(channel).orders])
        return found

    def _rules_of(self, channel: str) -> AdoptRules:
        return self._rules.get(channel, AdoptRules())

    def _route(self, channel: str, erp: str) -> Route | None:
        return next(iter(self._routes.of(Flow.INVENTORY, source=erp, sink=channel)), None)

    async def _start(self, channel: str) -> Start | None:
        return (await self._shelf.rows(channel, START, Start)).get("orders")

    # --- reading and judging ------------------------------------------------------------------------

    async def _survey(self, channel: str, erp: str, start_ms: int | None) -> ChannelReport:
        here, there = self._systems[channel], self._systems[erp]
        fields = sorted(
            {key for name in self._rules for key in self._rules_of(name).items if key not in BUILT_IN}
        )
        places = sorted(
            {at for route in self._routes.of(Flow.INVENTORY, source=erp) for at in route.locations}
        )
        await self._reader.lists(here, "items")
        await self._reader.lists(there, "items", fields=fields, places=places)
        await self._reader.lists(here, "places")
        await self._reader.lists(there, "places")
        ours: dict[str, ListedItem] = await self._reader.listed(channel, "items")
        theirs: dict[str, ListedItem] = await self._reader.listed(erp, "items")
        decided = await self._shelf.rows(channel, DECISION, Decision)
        matches = match_items(
            channel,
            list(ours.values()),
            list(theirs.values()),
            self._rules_of(channel).items,
            _of_kind(decided, ITEM),
        )
        buyers = await self._buyers(here, there, _of_kind(decided, CUSTOMER))
        route = self._route(channel, erp)
        known, near, wrong = match_places(
            list((await self._reader.listed(channel, "places")).values()),
            list((await self._reader.listed(erp, "places")).values()),
            route.locations if route is not None else {},
        )
        aliases = _aliases(matches, ours, theirs)
        goods = {item.sku for item in theirs.values()}
        verdicts, from_ms = await self._verdicts(channel, erp, start_ms, aliases, goods)
        await self._suggest(channel, {ITEM: matches, CUSTOMER: buyers.matches})
        return ChannelReport(
            channel, erp, from_ms, buyers, ours, theirs, matches, aliases, (known, near, wrong), verdicts
        )

    async def _verdicts(
        self, channel: str, erp: str, start_ms: int | None, aliases: Mapping[str, str], goods: set[str]
    ) -> tuple[list[Verdict], int]:
        book = self._systems[erp].order_book
        if book is None or not self._routes.of(Flow.ORDERS, source=channel, sink=erp):
            return [], start_ms if start_ms is not None else self._clock.now_ms()
        await self._reader.lists(self._systems[channel], "orders")
        orders: dict[str, ListedOrder] = await self._reader.listed(channel, "orders")
        search = OrderSearch(
            self._shelf,
            self._reader,
            self._systems[channel],
            self._systems[erp],
            book,
            self._rules_of(channel),
            self._clock.now_ms,
            self._progress,
        )

        def stocked_as(sku: str) -> tuple[str, int]:
            if sku in aliases:
                return aliases[sku], 1
            return (self._routes.recipes.stocked_as(sku) if sku not in goods else None) or (sku, 1)

        return await search.judge(orders, start_ms, stocked_as, goods)

    async def _buyers(self, here: System, there: System, decided: Mapping[str, Decision]) -> Buyers:
        """Customers, where it is declared how the connector before wrote them."""
        templates = self._rules_of(here.name).customers
        if not templates:
            return Buyers({}, {}, Matches())
        # What one channel asks for is read for all, or they would read it again in turns.
        fields = sorted({name for rules in self._rules.values() for name, _ in rules.customers})
        await self._reader.lists(here, "customers")
        await self._reader.lists(there, "customers", fields=fields)
        ours: dict[str, ListedCustomer] = await self._reader.listed(here.name, "customers")
        theirs: dict[str, ListedCustomer] = await self._reader.listed(there.name, "customers")
        matches = match_customers(here.name, list(ours.values()), list(theirs.values()), templates, decided)
        return Buyers(ours, theirs, matches)

    async def _suggest(self, channel: str, found: Mapping[str, Matches]) -> None:
        """Keep what is suggested, so that a person can answer by its id."""
        await self._shelf.forget(channel, SUGGESTION)
        rows = {
            one.id: Decision(one.ours, one.theirs, one.by, confirmed=False, kind=kind)
            for kind, matches in found.items()
            for one in matches.suggested
        }
        for start in range(0, len(rows), ROWS):
            await self._shelf.put(channel, SUGGESTION, dict(list(rows.items())[start : start + ROWS]))

    async def decide(self, decisions: Mapping[str, bool]) -> list[str]:
        """Confirm or refuse suggestions by their ids; returns those that nobody suggested.

        Raises:
            Misconfigured: the service, or another adoption, works on this store.
        """
        left = dict(decisions)
        try:
            await self._lease.take()
        except Busy:
            raise Misconfigured(
                "the service, or another adoption, works on this store: stop it first"
            ) from None
        for channel in self._channels():
            known = await self._shelf.rows(channel, SUGGESTION, Decision)
            known |= await self._shelf.rows(channel, DECISION, Decision)
            rows = {
                id_: Decision(one.ours, one.theirs, one.by, confirmed=left.pop(id_), kind=one.kind)
                for id_, one in known.items()
                if id_ in left
            }
            await self._shelf.put(channel, DECISION, rows)
        await self._lease.drop()
        return list(left)

    # --- writing ------------------------------------------------------------------------------------

    async def _apply(self, report: ChannelReport, before: Start | None, start: Start) -> None:
        """Write one channel's aliases and orders. What is there already is left as it is."""
        names = await self._new_aliases(report) + await self._new_buyers(report)
        work = await self._work(report)
        if not names and not work and before == start:
            return
        marked = Start(start.orders_from_ms, applying=True)
        await self._shelf.put(report.channel, START, {"orders": marked})
        failpoint("adopt.began")
        for at in range(0, len(names), ROWS):
            await self._shelf.write(Write("binding_put", names[at : at + ROWS]))
        for at in range(0, len(work), CHUNK):
            chunk = work[at : at + CHUNK]
            # First what they are, then that they are ours: what is bound has been told to the log.
            events = [
                event
                for verdict in chunk
                for event in (verdict.event, verdict.erp_event, *verdict.shipments)
                if event
            ]
            await self._append(events)
            failpoint("adopt.told")
            await self._shelf.write(*self._rows(report, chunk))
            failpoint("adopt.bound")
            self._progress(f"{report.channel}: orders adopted", at + len(chunk))

    async def _append(self, events: Sequence[Event]) -> None:
        await self._lease.renew()  # appending carries no guard: only who owns the log may
        if events:
            await self._store.append(events, received_at_ms=self._clock.now_ms())

    async def _new_aliases(self, report: ChannelReport) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        skus = sorted(report.aliases)
        for at in range(0, len(skus), ROWS):
            some = skus[at : at + ROWS]
            known = await self._store.read("bindings_get", system=report.channel, kind=SKU, keys=some)
            same = {row[0]: row[1] for row in known}
            rows += [
                {
                    "system": report.channel,
                    "kind": SKU,
                    "key": sku,
                    "external_id": report.aliases[sku],
                    "version": 0,
                    "hash": "",
                    "now_ms": self._clock.now_ms(),
                }
                for sku in some
                if same.get(sku) != report.aliases[sku]
            ]
        return rows

    async def _new_buyers(self, report: ChannelReport) -> list[dict[str, Any]]:
        """Bindings of customers; who bears our own reference is found by it."""
        wanted = {
            customer_reference(report.channel, pair.ours): pair.theirs
            for pair in report.buyers.matches.exact
            if pair.by != OURS
        }
        rows: list[dict[str, Any]] = []
        keys = sorted(wanted)
        for at in range(0, len(keys), ROWS):
            some = keys[at : at + ROWS]
            known = await self._store.read("bindings_get", system=report.erp, kind=CUSTOMER, keys=some)
            same = {row[0]: row[1] for row in known}
            row = {
                "system": report.erp,
                "kind": CUSTOMER,
                "version": 0,
                "hash": "",
                "now_ms": self._clock.now_ms(),
            }
            rows += [
                {**row, "key": key, "external_id": wanted[key]}
                for key in some
                if same.get(key) != wanted[key]
            ]
        return rows

    async def _work(self, report: ChannelReport) -> list[Verdict]:
        """Orders of which something is still to be written."""
        work: list[Verdict] = []
        for at in range(0, len(report.verdicts), ROWS):
            some = {reference_of(report.channel, v.order.key): v for v in report.verdicts[at : at + ROWS]}
            keys = list(some)
            bound = await self._store.read(
                "bindings_get", system=report.erp, kind=Kind.ORDER.value, keys=keys
            )
            marks = await self._store.read("bindings_get", system=report.erp, kind=ADOPTED, keys=keys)
            ours = {row[0] for row in bound if row[1]}
            was = {row[0]: Adopted.of(row[2], row[3]).state for row in marks}
            work += [v for reference, v in some.items() if _is_new(v, reference in ours, was.get(reference))]
        return work

    def _rows(self, report: ChannelReport, verdicts: Sequence[Verdict]) -> list[Write]:
        now_ms = self._clock.now_ms()
        bindings: list[dict[str, Any]] = []
        parked: list[dict[str, Any]] = []
        again: list[dict[str, Any]] = []
        over: list[dict[str, Any]] = []
        for verdict in verdicts:
            order, fate = verdict.order, verdict.fate
            reference = reference_of(report.channel, order.key)
            why = verdict.why_parked()
            note = {"system": report.erp, "operation": "adopt", "key": order.key, "now_ms": now_ms}
            if why:
                parked.append({**note, "reason": why[0], "detail": why[1][:2000], "payload": ""})
            else:
                over.append({**note, "resolution": "adopted", "by": "syncline"})
            if fate in (Fate.ADOPT, Fate.CLOSE):
                one = verdict.found[0]
                whole = verdict.whole
                bindings.append(
                    {
                        "system": report.erp,
                        "kind": Kind.ORDER.value,
                        "key": reference,
                        "external_id": one.id,
                        "version": whole.updated_at_ms if whole is not None else order.updated_at_ms,
                        "hash": order_fingerprint(whole) if whole is not None else "",
                        "now_ms": now_ms,
                    }
                )
                state = State.OPEN if fate is Fate.ADOPT else State.CLOSED
                was = Adopted(state, bindings[-1]["version"], verdict.read_ms)
                bindings += adopted_rows(
                    report.erp, reference, external_id=one.id, name=one.name, was=was, now_ms=now_ms
                )
            elif fate in (Fate.LEAVE, Fate.FORGET, Fate.EXPORT):
                state = State.EXPORT if fate is Fate.EXPORT else State.LEFT
                was = Adopted(state, order.updated_at_ms)
                bindings += adopted_rows(
                    report.erp, reference, external_id="", name="", was=was, now_ms=now_ms
                )
                if fate is Fate.EXPORT and verdict.whole is not None:
                    released = [{**row, "now_ms": now_ms} for row in _deliveries(report.erp, verdict.whole)]
                    again += released
                    over += [
                        {**row, "resolution": "exported after all", "by": "syncline"} for row in released
                    ]
        return [
            Write("binding_put", bindings),
            Write("parked_put", parked),
            Write("parked_resolve", over),
            Write("delivery_release", again),
        ]

    async def _begin(self, cursors: Sequence[Cursor], found: Sequence[tuple[ChannelReport, Start]]) -> None:
        """The end: streams begin where the reading did, and orders are ours from the start moment on."""
        rows = [
            {
                "system": cursor.system,
                "stream": cursor.stream,
                "position": cursor.position,
                "covers_ms": cursor.covers_ms,
            }
            for cursor in cursors
            if not await self._store.read("cursor_get", system=cursor.system, stream=cursor.stream)
        ]
        starts = [
            {"system": report.channel, "kind": START, "key": "orders", "body": encode(start)}
            for report, start in found
            if await self._start(report.channel) != start
        ]
        if rows or starts:
            await self._shelf.write(Write("cursor_put", rows), Write("adoption_put", starts))
        failpoint("adopt.ended")


def _of_kind(decided: Mapping[str, Decision], kind: str) -> dict[str, Decision]:
    return {id_: one for id_, one in decided.items() if one.kind == kind}


def _aliases(
    matches: Matches, ours: Mapping[str, ListedItem], theirs: Mapping[str, ListedItem]
) -> dict[str, str]:
    """SKUs of the channel that the ERP writes otherwise."""
    there = {item.sku for item in theirs.values()}
    return {
        ours[pair.ours].sku: theirs[pair.theirs].sku
        for pair in matches.exact
        if ours[pair.ours].sku not in there and ours[pair.ours].sku and theirs[pair.theirs].sku
    }


def _is_new(verdict: Verdict, bound: bool, was: State | None) -> bool:
    """Whether what is decided of an order is not written yet. What is bound is never touched again."""
    if bound:
        return False
    if verdict.fate is Fate.EXPORT:
        return was is not State.EXPORT
    if verdict.fate in (Fate.LEAVE, Fate.FORGET):
        return was is None
    return True


def _deliveries(erp: str, order: Order) -> list[dict[str, Any]]:
    """Every delivery that may have been skipped while an order was left alone."""
    keys = [("put_order", f"{order.key}{SEP}{order.updated_at_ms}")]
    keys += [("put_payment", f"{order.key}{SEP}{payment.id}") for payment in order.payments]
    keys += [("put_refund", f"{order.key}{SEP}{refund.id}") for refund in order.refunds]
    return [{"system": erp, "operation": operation, "key": key} for operation, key in keys]
