"""What a batch of events amounts to, gathered in memory and written in one transaction."""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any
from zlib import crc32

from syncline.engine.apply.clocks import Clocks
from syncline.engine.apply.facts import Facts
from syncline.engine.apply.guards import fault
from syncline.engine.apply.heard import Levels
from syncline.engine.apply.known import Known, Name
from syncline.engine.apply.news import EVENT_LATE_MS, Heard
from syncline.engine.apply.revisions import differs, with_allocations
from syncline.engine.apply.states import StateMarks
from syncline.engine.apply.wants import wanted_of
from syncline.engine.catalog import Catalog
from syncline.engine.codec import encode, record_fingerprint
from syncline.engine.derive.demand import Sold
from syncline.engine.parts import moved, since
from syncline.engine.routes import SEP, Routes, parse_reference, stock_key
from syncline.engine.states import States
from syncline.freshness.demand import Sale
from syncline.inventory.availability import needed
from syncline.inventory.rules import BufferKind
from syncline.model.capabilities import Capabilities
from syncline.model.change import Change, Flow, Kind, LoggedEvent, Via
from syncline.model.records import (
    ChannelLevel,
    ErpOrder,
    Item,
    Notice,
    Order,
    Receipt,
    Return,
    Shipment,
    StockLevel,
)
from syncline.ports import Row, Write
from syncline.routing.decision import Decision, placed

# One act in a shop tells itself in several events: a parcel in three. Where what an event shows is known
# already, the order is read once for all of them.
READ_SOON_MS = 2_000  # an order of which an event told is read within
READ_LINGER_MS = 2_000
# An order that is first heard of later belongs to the time before us: what else was sold then is not known.
LEARN_WITHIN_MS = 86_400_000
# A full read has one in so many of the numbers that it leaves as they are computed again all the same, others
# every day. It is a prime, so that all have their turn however many days lie between two reads.
PROVEN_DAYS = 11
DAY_MS = 86_400_000


class Batch:
    """Applies changes one after the other against what is known, and collects the writes."""

    def __init__(
        self,
        routes: Routes,
        systems: Mapping[str, Capabilities],
        catalog: Catalog,
        now_ms: int,
        clocks: Clocks | None = None,
        ours_since: Callable[[str], int] = lambda _route: 0,
        states: States | None = None,
    ) -> None:
        self.states = StateMarks(states)
        self._routes = routes
        self._clocks = clocks if clocks is not None else Clocks()
        self._systems = list(systems)
        self._stamp_ms = {name: able.order_stamp_ms for name, able in systems.items()}
        self._auto = {route.source for route in routes.of(Flow.INVENTORY) if route.rules.auto}
        self._catalog = catalog
        self._now_ms = now_ms
        self._known: dict[Name, Known] = {}
        self._records: dict[Name, dict[str, Any]] = {}
        # By channel and order, then by line and location.
        self._demand: defaultdict[tuple[str, str], dict[tuple[str, str], dict[str, Any]]] = defaultdict(dict)
        self._wants: dict[tuple[str, str, str, str], dict[str, Any]] = {}
        self._erp: dict[tuple[str, str, str, str], dict[str, Any]] = {}
        self._erp_known: dict[tuple[str, str], ErpOrder] = {}
        self._dirty: dict[str, int] = {}
        self._later: dict[str, int] = {}
        self._restamped: set[str] = set()
        self._taken: dict[tuple[str, str], int] = {}
        self._moved_at: dict[tuple[str, str], int] = {}  # by the channel's clock
        self._moved_until: dict[tuple[str, str], int] = {}
        self._further: set[str] = (
            set()
        )  # channels whose clock turned out to be much further ahead than was known
        self._facts = Facts(routes, self._systems, now_ms)
        self._reads: dict[tuple[str, str], dict[str, Any]] = {}
        self._held: dict[tuple[str, str], set[str]] = {}
        self._elsewhere: set[tuple[str, str]] = set()
        self._routed: dict[tuple[str, str], Decision] = {}
        self._replaced: dict[tuple[str, str], dict[str, Any]] = {}
        self._traces: dict[tuple[str, str, int], dict[str, Any]] = {}
        self._back: set[tuple[str, Kind, str]] = set()
        self._seen: dict[tuple[str, Kind, str], dict[str, Any]] = {}
        self._unseen: dict[tuple[str, str], int] = {}
        self.levels = Levels(routes, catalog, now_ms, self._stamp_ms, ours_since)
        self.items: list[tuple[str, Item]] = []
        self.sold: list[Sold] = []
        self.parked: list[dict[str, Any]] = []
        self.heard: Counter[tuple[str, Kind, Heard]] = Counter()
        self.told: set[tuple[str, Kind, str]] = set()  # records that an event told of, news or not
        self.found: dict[tuple[str, Kind, str], None] = {}  # by a read, before an event could be late
        self.applied = 0
        self.unchanged = 0

    # --- what is known before ---------------------------------------------------------------------

    def known(self, name: Name, record: Known) -> None:
        """The store's newest version of a record."""
        self._known[name] = record

    def news(self, system: str, change: Change) -> bool:
        """Whether a change is newer than what the store has; only such a one touches demand."""
        return _newer(change, self._known.get((system, change.kind, change.key)))

    def known_whole(self, channel: str, order_key: str) -> bool:
        """Whether an order is known with everything that only reading it tells."""
        before = self._known.get((channel, Kind.ORDER, order_key))
        return before is not None and before.value is not None and before.value.complete

    def demand_known(self, row: Row) -> None:
        """A demand line as stored."""
        channel, order_key, line_id, location, sku, quantity, taken, erp_quantity, erp_stamp_ms = row
        self._demand[channel, order_key][line_id, location] = {
            "channel": channel,
            "order_key": order_key,
            "line_id": line_id,
            "location": location,
            "sku": sku,
            "quantity": quantity,
            "taken": taken,
            "erp_quantity": erp_quantity,
            "erp_stamp_ms": erp_stamp_ms,
        }

    def hold_known(self, channel: str, order_key: str, sku: str) -> None:
        """A SKU that a checkout holds for an order, named by its key or its number."""
        self._held.setdefault((channel, order_key), set()).add(sku)

    def shipped_elsewhere(self, channel: str, order_key: str) -> None:
        """An order of which the ERP will not tell what becomes of it: only what is still to be sent counts."""
        self._elsewhere.add((channel, order_key))

    def routed(self, channel: str, order_key: str, decision: Decision) -> None:
        """From where an order is sent was decided here, whatever its channel expects."""
        self._routed[channel, order_key] = decision

    def erp_order_known(self, channel: str, order_key: str, erp: ErpOrder) -> None:
        """What an ERP told of an order before its channel did, or before we knew from where it is to be sent."""
        self._erp_known[channel, order_key] = erp

    def unseen_known(self, channel: str, sku: str, units: int) -> None:
        """Units that a channel lost to something that nobody has told us of."""
        self._unseen[channel, sku] = self._unseen.get((channel, sku), 0) + units

    # --- applying ---------------------------------------------------------------------------------

    def park(self, logged: LoggedEvent, reason: str, detail: str) -> None:
        """Keep an event that cannot be applied, with its reason, for a person."""
        try:
            payload = logged.event.body.decode()
        except UnicodeDecodeError:
            payload = "base64:" + base64.b64encode(logged.event.body).decode()
        self.parked.append(
            {
                "system": logged.event.system,
                "operation": "apply",
                "key": f"{logged.event.topic}{SEP}{logged.event.event_id}{SEP}{logged.offset}",
                "reason": reason,
                "detail": detail[:2000],
                "payload": payload,
                "now_ms": self._now_ms,
            }
        )

    def park_cut(self, system: str, detail: str) -> None:
        """Keep word of a full read that takes away too much; its figures are left as they were."""
        self.park_note(system, "snapshot", "stock", "snapshot_cut", detail)

    def park_note(self, system: str, operation: str, key: str, reason: str, detail: str) -> None:
        """Keep something that has no text of its own, with its reason, for a person."""
        self.parked.append(
            {
                "system": system,
                "operation": operation,
                "key": key,
                "reason": reason,
                "detail": detail[:2000],
                "payload": "",
                "now_ms": self._now_ms,
            }
        )

    def back(self, system: str, kind: Kind, key: str) -> None:
        """A record is told of that the last full read did not contain: its number may follow it again."""
        self._back.add((system, kind, key))

    def leave(self, logged: LoggedEvent, change: Change) -> None:
        """Leave a record as it was, of which a full read tells: it is there, whatever it says."""
        self.unchanged += 1
        self._there(logged, change)

    def _there(self, logged: LoggedEvent, change: Change) -> None:
        system = logged.event.system
        name = system, change.kind, change.key
        if logged.event.via is not Via.SNAPSHOT or name not in self._known:
            return
        self._seen[name] = {
            "system": system,
            "kind": change.kind.value,
            "key": change.key,
            "seen_ms": logged.received_at_ms,
        }
        if isinstance(change.value, StockLevel) and name in self._back:
            self._mark(change.value.sku, self._now_ms)

    def apply(self, logged: LoggedEvent, change: Change) -> None:
        """Apply one change, or find that it changes nothing."""
        system = logged.event.system
        value = change.value
        if isinstance(value, ChannelLevel):
            self.levels.tell(system, change, value)
            self.unchanged += 1  # whatever it turns out to be: no record is
            return
        name = system, change.kind, change.key
        before = self._known.get(name)
        absurd = fault(value)
        if absurd:
            self.park(logged, "absurd_quantity", absurd)
            self._there(logged, change)
            verdict = "set aside"
        elif isinstance(value, Notice):
            verdict = self._notice(system, change, before)
        elif before is not None and not _newer(change, before):
            same = change.version == before.version
            verdict = "duplicate" if same else "older"
            self._there(logged, change)
            if same and isinstance(value, Order) and differs(value, before.value):
                # Shopify's updated_at has whole seconds: two edits in one second look alike.
                self._read_order(system, change.key, change.changed_at_ms, linger_ms=0)
                verdict = "to be read"
        else:
            verdict = self._store(logged, change, name, before)
        if verdict == "applied":
            self.applied += 1
        else:
            self.unchanged += 1
        self._count(logged, change, verdict, name, before)
        if change.kind in (Kind.ORDER, Kind.SHIPMENT, Kind.ERP_ORDER):
            key = change.key
            if change.kind is Kind.ERP_ORDER:
                parsed = parse_reference(key, self._systems)
                key = parsed[1] if parsed else key
            self._trace(logged, change.kind, key, verdict)

    def past(
        self, logged: LoggedEvent, change: Change, order_key: str, verdict: str, *, read: bool = False
    ) -> None:
        """A change about an order that is over and forgotten: nothing of it is applied. ``read``: look at it whole."""
        self.unchanged += 1
        if read:
            self._read_order(logged.event.system, order_key, change.changed_at_ms, linger_ms=0)
        if change.kind in (Kind.ORDER, Kind.SHIPMENT, Kind.ERP_ORDER):
            key = change.key if change.kind is Kind.SHIPMENT else order_key
            self._trace(logged, change.kind, key, verdict)

    def _trace(self, logged: LoggedEvent, kind: Kind, key: str, verdict: str) -> None:
        self._traces[kind.value, key, logged.offset] = {
            "kind": kind.value,
            "key": key,
            "offset": logged.offset,
            "system": logged.event.system,
            "via": logged.event.via.value,
            "verdict": verdict,
            "now_ms": logged.received_at_ms,
        }

    def _count(
        self, logged: LoggedEvent, change: Change, verdict: str, name: Name, before: Known | None
    ) -> None:
        """Count news by how it came."""
        system, via = logged.event.system, logged.event.via
        if via is Via.EVENT:
            self.told.add(name)
        if via is Via.EVENT and verdict in ("applied", "to be read"):
            self.heard[system, change.kind, Heard.TOLD] += 1
        elif verdict == "to be read" or (
            verdict == "applied" and (before is None or before.hash != self._known[name].hash)
        ):
            # What a read says of a record that is known differs in details from what an event says of it.
            new = before is None or change.kind is Kind.STOCK
            unasked = new and via in (Via.POLL, Via.SNAPSHOT)
            late = unasked and self._now_ms - change.changed_at_ms > EVENT_LATE_MS
            self.heard[system, change.kind, Heard.MISSED if late else Heard.READ] += 1
            if unasked and not late:
                self.found[name] = None

    def _notice(self, system: str, change: Change, before: Known | None) -> str:
        if (
            before is not None
            and before.value is not None
            and before.value.complete
            and before.version >= change.version
        ):
            return "known already"
        linger_ms = READ_LINGER_MS if before is not None else 0
        self._read_order(system, change.key, change.changed_at_ms, linger_ms=linger_ms)
        return "to be read"

    def _store(self, logged: LoggedEvent, change: Change, name: Name, before: Known | None) -> str:
        system, value = logged.event.system, change.value
        hash_, last_ms = record_fingerprint(change.kind, value), change.changed_at_ms
        if isinstance(value, Order):
            if self._clocks.learn(system, value, logged.received_at_ms, logged.event.via):
                self._further.add(system)
            value, hash_ = self._order(logged, change, value, hash_, before)
        elif isinstance(value, StockLevel):
            same = before is not None and before.hash == hash_
            told_ms = 0 if before is None else before.changed_at_ms
            last_ms = max(told_ms, change.changed_at_ms, *change.moments)
            if not same:  # it differs since the first of its changes that we were not told of
                moments = change.moments or (change.changed_at_ms,)
                self._mark(value.sku, next((at_ms for at_ms in moments if at_ms > told_ms), last_ms))
            elif name in self._back or (logged.event.via is Via.SNAPSHOT and self._proves(system, value)):
                self._mark(value.sku, self._now_ms)
            else:
                # Its newer stamp may contain demand that it could not before: that is all it can change,
                # so it matters only while some demand waits to be contained. No lag begins here.
                self._restamped.add(value.sku)
        elif isinstance(value, ErpOrder):
            value = since(value, before.value if before is not None else None)
            self._erp_order(value, change.changed_at_ms)
            self._facts.erp(system, change)
        elif isinstance(value, Shipment | Receipt | Return):
            self._facts.erp(system, change)
        elif isinstance(value, Item):
            self.items.append((system, value))
            self._mark(value.sku, change.changed_at_ms)
        if before is None or before.hash != hash_ or name in self._back:
            self.states.changed(system, change)
        passing = logged.event.via is Via.SNAPSHOT
        self._known[name] = Known(change.version, change.tiebreak, hash_, value, last_ms, passing=passing)
        self._records[name] = {
            "system": system,
            "kind": change.kind.value,
            "key": change.key,
            "version": change.version,
            "tiebreak": change.tiebreak,
            "changed_at_ms": change.changed_at_ms,
            "observed_at_ms": logged.received_at_ms,
            "offset": logged.offset,
            "hash": hash_,
            "body": encode(value),
        }
        return "applied"

    def _proves(self, system: str, level: StockLevel) -> bool:
        """Whether a number is computed again although its figure is the same.

        That must be where time alone changes it: what is expected comes into sight, an ``auto`` buffer
        follows the demand. Of all others it is one in ``PROVEN_DAYS``, because nobody is free of mistakes.
        """
        if level.incoming or crc32(level.sku.encode()) % PROVEN_DAYS == self._now_ms // DAY_MS % PROVEN_DAYS:
            return True
        return system in self._auto and any(
            route.rule_for(sku).buffer.kind is BufferKind.AUTO
            for route in self._routes.of(Flow.INVENTORY, source=system)
            for sku in self._routes.recipes.related(level.sku)
        )

    def _mark(self, sku: str, changed_at_ms: int) -> None:
        self._dirty[sku] = min(changed_at_ms, self._dirty.get(sku, changed_at_ms))

    def _mark_later(self, sku: str, changed_at_ms: int) -> None:
        self._later[sku] = min(changed_at_ms, self._later.get(sku, changed_at_ms))

    @property
    def deferred(self) -> bool:
        """Whether something was marked that is not due at once."""
        return bool(self._later.keys() - self._dirty.keys())

    # --- orders -----------------------------------------------------------------------------------

    def _order(
        self,
        logged: LoggedEvent,
        change: Change,
        order: Order,
        hash_: str,
        before: Known | None,
    ) -> tuple[Order, str]:
        channel = logged.event.system
        previous: Order | None = before.value if before is not None else None
        if not order.complete:
            if previous is not None:
                order = with_allocations(order, previous)
                hash_ = before.hash if before is not None else ""
            quiet = previous is not None and not differs(order, previous)
            linger_ms = READ_LINGER_MS if quiet else 0
            self._read_order(channel, order.key, change.changed_at_ms, linger_ms=linger_ms)
        self._wants_of(channel, order, change.changed_at_ms, logged.received_at_ms)
        erp = self._erp_known.get((channel, order.key))
        if erp is not None and (previous is None or not previous.complete):
            self._erp_order(erp, change.changed_at_ms)
        self._replaces_hold(channel, order, change.changed_at_ms)
        self._sold_of(channel, order, previous)
        if order.complete:
            changed = before is None or before.hash != hash_
            self._facts.order(channel, order, change, changed=changed, previous=previous)
        return order, hash_

    def _read_order(self, channel: str, key: str, changed_at_ms: int, *, linger_ms: int) -> None:
        tolerance = min((r.tolerance_ms for r in self._routes.of(Flow.ORDERS, source=channel)), default=0)
        # Read while its stamp may still be given again, it would have to be read once more.
        stamp_ms = self._stamp_ms[channel]
        settled_ms = changed_at_ms - self._clocks.ahead_ms(channel) + stamp_ms
        linger_ms = max(linger_ms, min(settled_ms - self._now_ms, stamp_ms))
        before = self._reads.get((channel, key))
        if before is not None:  # as delivery_touch does it: what is asked for earlier stays
            changed_at_ms = min(changed_at_ms, before["changed_at_ms"])
            linger_ms = min(linger_ms, before["not_before_ms"] - self._now_ms)
        self._reads[channel, key] = {
            "system": channel,
            "operation": "read_order",
            "key": key,
            "route": "",
            "wanted": 1,
            "rev": 0,
            "changed_at_ms": changed_at_ms,
            "deliver_by_ms": changed_at_ms + tolerance // 2,
            "not_before_ms": self._now_ms + linger_ms,
            "now_ms": self._now_ms,
        }

    def _wants_of(self, channel: str, order: Order, changed_at_ms: int, received_at_ms: int) -> None:
        """What the order asks of stock now, line by line and location by location."""
        placed_ms = self._clocks.earliest_ms(order.placed_at_ms, received_at_ms)
        updated_ms = self._clocks.earliest_ms(order.updated_at_ms, received_at_ms)
        stored = dict(self._demand[channel, order.key])
        elsewhere = (channel, order.key) in self._elsewhere
        wanted = wanted_of(order, stored, self._routes, channel, elsewhere=elsewhere)
        decision = self._routed.get((channel, order.key))
        if decision is not None:
            wanted = placed(wanted, decision.sent)
        for (line_id, location), (sku, quantity, taken, at_channel) in wanted.items():
            old = stored.get((line_id, location))
            if old is not None and (old["quantity"], old["taken"]) == (quantity, taken):
                continue
            if old is None and not quantity and not taken:
                # It went and came back before we heard of it; whoever wrote the number meanwhile undid one half.
                if at_channel:
                    self._moved(channel, stock_key(sku, at_channel), 0, placed_ms, order.updated_at_ms)
                    self._mark(sku, changed_at_ms)
                continue
            by = taken - (old["taken"] if old else 0)
            if by and location:
                shop = at_channel or self._routes.channel_location(channel, location)
                if shop:
                    moved_ms = placed_ms if by > 0 else updated_ms
                    self._moved(channel, stock_key(sku, shop), by, moved_ms, order.updated_at_ms)
            row = {
                "channel": channel,
                "order_key": order.key,
                "line_id": line_id,
                "location": location,
                "sku": sku,
                "quantity": quantity,
                "taken": taken,
            }
            self._demand[channel, order.key][line_id, location] = {
                **row,
                "erp_quantity": old["erp_quantity"] if old else 0,
                "erp_stamp_ms": old["erp_stamp_ms"] if old else None,
            }
            self._wants[channel, order.key, line_id, location] = row
            if location or order.complete or not self._told_already(channel, sku, quantity):
                self._mark(sku, changed_at_ms)
            else:  # concerns this channel's own number only, which the read of the order will tell
                self._mark_later(sku, changed_at_ms)

    def _alone(self, channel: str) -> bool:
        """Whether no other channel is told of stock."""
        return all(route.sink == channel for route in self._routes.of(Flow.INVENTORY))

    def _told_already(self, channel: str, sku: str, quantity: int) -> bool:
        """Whether no other channel has to be told: there is none, or the units that are gone were seen before."""
        return self._unseen.get((channel, sku), 0) >= quantity or self._alone(channel)

    def _mark_fallen(self, channel: str, sku: str, changed_at_ms: int) -> None:
        """Units are gone; where nobody else has to be told, there is time to hear of the order that explains it."""
        (self._mark_later if self._alone(channel) else self._mark)(sku, changed_at_ms)

    def _moved(self, channel: str, key: str, by: int, stamp_ms: int, last_ms: int) -> None:
        """An order took units off a channel's own number, or gave some back, between two moments of its clock."""
        at = channel, key
        until_ms = max(stamp_ms, last_ms)
        self._taken[at] = self._taken.get(at, 0) + by
        self._moved_at[at] = min(self._moved_at.get(at, stamp_ms), stamp_ms)
        self._moved_until[at] = max(self._moved_until.get(at, until_ms), until_ms)

    def _began_ms(self, at: tuple[str, str]) -> int:
        """The earliest moment of our clock at which a number may have moved.

        An order by which we learn how far ahead its channel's clock is may itself be heard of late: then the clock is
        further ahead still, and the order is older than it seems.
        """
        return self._moved_at[at] - self._clocks.most_ahead_ms(at[0], further=at[0] in self._further)

    def _ended_ms(self, at: tuple[str, str]) -> int:
        """The latest moment. A stamp of whole seconds says only in which of them it was."""
        return self._moved_until[at] + self._stamp_ms[at[0]] + self._clocks.most_behind_ms(at[0])

    def _replaces_hold(self, channel: str, order: Order, changed_at_ms: int) -> None:
        """From here on the order is the demand: what its checkout held is held no more."""
        for name in {order.key, order.number} - {""}:
            self._replaced[channel, name] = {"channel": channel, "order_key": name}
            for sku in self._held.get((channel, name), ()):
                self._mark(sku, changed_at_ms)

    def _sold_of(self, channel: str, order: Order, previous: Order | None) -> None:
        """Lines that nobody had ordered before: an edit of a known line is no new buyer."""
        sold_at_ms = min(order.placed_at_ms, self._now_ms)  # a channel's clock may be ahead
        if order.cancelled_at_ms is not None or sold_at_ms < self._now_ms - LEARN_WITHIN_MS:
            return
        known = {line.id for line in previous.lines} if previous is not None else set()
        wanted: dict[str, int] = {}
        for line in order.lines:
            if line.sku and line.id not in known:
                wanted[line.sku] = wanted.get(line.sku, 0) + needed(line.quantity)
        for sku, quantity in wanted.items():
            if quantity > 0:
                self.sold.append(Sold(channel, sku, Sale(sold_at_ms, quantity)))

    # --- the ERP's side ---------------------------------------------------------------------------

    def _erp_order(self, erp: ErpOrder, changed_at_ms: int) -> None:
        parsed = parse_reference(erp.key, self._systems)
        if parsed is None:
            return
        channel, order_key = parsed
        self._erp_known[parsed] = erp
        held: dict[str, dict[str, int]] = {}
        # An order that commits nothing (any more) is not in the ERP's figures: its demand is ours again.
        for line in erp.lines if erp.commits_stock else ():
            at = held.setdefault(line.sku, {})
            at[line.location] = at.get(line.location, 0) + needed(line.quantity)
        parted = moved(erp)
        rows = list(self._demand[channel, order_key].values())
        before = {id(row): row["erp_quantity"] for row in rows}
        for row in rows:  # lines at the very location first, then what is left of the SKU anywhere
            at, in_pack = self._held_of(held, row["sku"])
            row["erp_quantity"] = min(row["quantity"], at.get(row["location"], 0) // in_pack)
            if row["erp_quantity"]:
                at[row["location"]] -= row["erp_quantity"] * in_pack
        for row in rows:
            at, in_pack = self._held_of(held, row["sku"])
            for location, rest in at.items():
                more = min(rest // in_pack, row["quantity"] - row["erp_quantity"])
                if more > 0:
                    at[location] = rest - more * in_pack
                    row["erp_quantity"] += more
            same = before[id(row)] == row["erp_quantity"]
            if row["sku"] in parted:
                self._mark(row["sku"], changed_at_ms)
            if same and (row["erp_stamp_ms"] is not None or not (row["quantity"] or row["erp_quantity"])):
                # The ERP changed something else about the order, or tells again what we know, or holds
                # nothing of a line of which nothing is wanted.
                continue
            row["erp_stamp_ms"] = erp.erp_stamp_ms
            self._erp_holds(row, row["erp_quantity"], erp.erp_stamp_ms)
            self._mark(row["sku"], self._now_ms if same else changed_at_ms)

    def _held_of(self, held: dict[str, dict[str, int]], sku: str) -> tuple[dict[str, int], int]:
        """What the ERP holds of a sold SKU by location, and how many of that one unit is."""
        stocked = self._routes.recipes.stocked_as(sku) if sku not in held else None
        if stocked is None:
            return held.get(sku, {}), 1
        return held.get(stocked[0], {}), stocked[1]

    def _erp_holds(self, row: dict[str, Any], quantity: int, erp_stamp_ms: int) -> None:
        self._erp[row["channel"], row["order_key"], row["line_id"], row["location"]] = {
            "channel": row["channel"],
            "order_key": row["order_key"],
            "line_id": row["line_id"],
            "location": row["location"],
            "quantity": quantity,
            "erp_stamp_ms": erp_stamp_ms,
            "our_stamp_ms": None,
        }

    def _tell_unplaced(self) -> None:
        """What this batch's orders want from nobody knows where explains numbers that it tells."""
        for (channel, _, _, location), row in self._wants.items():
            if not location:
                self.levels.unplaced(channel, row["sku"], row["quantity"])

    # --- one transaction --------------------------------------------------------------------------

    def records(self) -> list[tuple[Name, Known]]:
        """The records that its transaction stores."""
        return [(name, self._known[name]) for name in self._records]

    def writes(self, consumer: str, offset: int) -> list[Write]:
        """Everything that the batch amounts to. Only the last two writes tell: the deliveries that they touched."""
        explained = [
            {
                "system": at[0],
                "key": at[1],
                "by": by,
                "moved_at_ms": self._began_ms(at),
                "until_ms": self._ended_ms(at),
            }
            for at, by in self._taken.items()
            if by >= 0
        ]
        returned = [
            {"system": at[0], "key": at[1], "by": -by, "moved_at_ms": self._began_ms(at)}
            for at, by in self._taken.items()
            if by < 0
        ]
        self._tell_unplaced()
        told = self.levels.writes(self._taken, self._mark_fallen)
        touched = sorted(self._restamped | self._dirty.keys() | self._later.keys())
        return [
            _silently("progress_put", [{"consumer": consumer, "offset": offset}]),
            _silently("record_put", list(self._records.values())),
            _silently("record_seen", list(self._seen.values())),
            _silently("demand_want", list(self._wants.values())),
            _silently("demand_known", list(self._erp.values())),
            _silently("held_explain", explained),
            _silently("held_shift", returned),
            *told,
            _silently("dirty_mark", [{"sku": sku, "changed_at_ms": at} for sku, at in self._dirty.items()]),
            _silently(
                "dirty_mark_waiting",
                [
                    {"sku": sku, "changed_at_ms": self._now_ms}
                    for sku in self._routes.recipes.users(sorted(self._restamped - self._dirty.keys()))
                ],
            ),
            _silently(
                "dirty_mark_later",
                [
                    {"sku": sku, "changed_at_ms": at, "not_before_ms": self._now_ms + READ_SOON_MS}
                    for sku, at in self._later.items()
                    if sku not in self._dirty
                ],
            ),
            _silently("shelf_stale", [{"sku": sku} for sku in self._routes.recipes.bases(touched)]),
            _silently("hold_replace", list(self._replaced.values())),
            _silently("trace_put", list(self._traces.values())),
            _silently("parked_put", self.parked),
            *self.states.writes(),
            Write("delivery_touch", [*self._reads.values(), *self._facts.touched]),
            Write("delivery_fact", self._facts.made),
        ]


def _newer(change: Change, before: Known | None) -> bool:
    return before is None or (change.version, change.tiebreak) > (before.version, before.tiebreak)


def _silently(statement: str, rows: list[dict[str, Any]]) -> Write:
    return Write(statement, rows, told=False)
