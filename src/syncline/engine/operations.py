"""What a person may do: look at parked work, release, edit or discard it, and ask for a replay.

Every action names the person and is recorded in the audit log, in the transaction that carries it
out. Nothing here sends a stored payload: a delivery that is released or replayed is computed from
what is true when its call is built.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncline.engine.capture.ingress import BODY_BYTES_MAX
from syncline.engine.delivery.discarded import FOLLOWERS, OPEN, WHY, discard, discarded, following
from syncline.engine.derive.dirty import mark
from syncline.engine.engine import Engine
from syncline.engine.inquiry import deliveries_of, order_keys
from syncline.engine.privacy.persons import ERASED
from syncline.engine.routes import SEP, reference_of, split_key
from syncline.engine.states import STATE_OPERATIONS
from syncline.engine.words import NOTES, operation_title, plural
from syncline.model.change import Event, Flow, Kind, LoggedEvent
from syncline.model.delivery import DeliveryState
from syncline.model.errors import Fenced, SynclineError
from syncline.ports import Row, Write

LIST_MAX = 200
ID_MAX = 2**63 - 1  # of what a store can hold
SEE_PARKED = "See Parked on the dashboard, or syncline parked list, for those there are."
SEE_ROUTES = "Overview on the dashboard and syncline status have their names."
EVENTS_PAGE = 200
EVENTS_BACK_MAX = 10_000  # how far before its parking an event is looked for
ITEMS_PAGE = 5_000
APPROVAL_MS = 3_600_000  # how long a request for a second person stands

# What is compared with the present truth before a call is made, so that asking again never sends twice.
COMPARED = frozenset(
    {
        *("set_stock", "read_stock", "put_order", "read_order", "move_order"),
        *("record_payment", "create_refund", "cancel_order"),
        *STATE_OPERATIONS,
    }
)

MEANINGS: Mapping[str, str] = {
    "ends_the_process": "Syncline died each time that it applied this message, so it was put aside unread. "
    "Report it as a bug with its text; release it only after an update.",
    "not_understood": "The message has a form or a value that Syncline does not know. Correct it and release it, "
    "or discard it: the next full read brings the record again.",
    "absurd_quantity": "A quantity is no number, or larger than anybody's stock. What was known before stays. Correct it "
    "at its source and discard this, or correct this and release it.",
    "snapshot_cut": "A full read would empty, halve or leave out too many SKUs, as a truncated feed does. Look at the ERP. If "
    "it is right, release this: stock is read again and believed. If not, discard it and mend the feed.",
    "location_vanished": "A full read no longer contains anything of a location. Is it closed, or does the reader lack the "
    "right to see it? If nothing is there any more, release this: its figures count as nothing until the ERP tells of "
    "them again. If not, mend the feed, or discard this; what was known goes on counting as the route says.",
    "sku_vanished": "A full read no longer contains what was there before: deleted, made inactive, or renamed in the ERP. If "
    "nothing is there any more, release this where it can be: it counts as nothing until the ERP tells of it again. "
    "If it was renamed, name the new SKU under [aliases]. Else discard this.",
    "states_vanished": "A full read lacks more records than may vanish unasked, as a truncated feed does. Look at the "
    "source. If they were deleted there, release this: what the channels show follows. If not, mend the feed and discard this.",
    "price_zero": "The price would be nothing, or less. If that is meant, release this, and exactly this price is written. "
    "Else correct it at its source.",
    "price_jump": "The price differs from what is shown by more than the route lets pass. If that is meant, release this, "
    "and exactly this price is written. Else correct it at its source.",
    "price_currency": "The price is in another currency than the channel shows. What is shown stays. Correct the price or "
    "the route, then discard this.",
    "price_incomplete": "A price list has a price for larger quantities, and none for a single unit. What is shown stays. "
    "Complete the list, or name another list behind it in the route, then discard this.",
    "product_untitled": "The product has no title. Give it one at its source, and it goes on by itself; or release this.",
    "product_ambiguous": "Its variants cannot be told apart: give each a SKU and options of its own at the source, and it goes on "
    "by itself.",
    "customer_terms": "The route names no terms of the channel for those of this customer. Add them under "
    "`[routes.customers.terms]`, or release this, and the customer is written without terms.",
    "customer_group": "The route names no group of the channel for that of this customer. Add it under "
    "`[routes.customers.groups]`, or release this, and the customer is written as it is shown here.",
    "customer_contact_twice": "Two contacts of the customer share an e-mail. Give each one of its own at the source. If this is "
    "released, the first of them is written.",
    "customer_nameless": "The customer has no name. Give it one at its source, then discard this.",
    "decoder_failed": "Syncline failed on this message. It is kept whole; release it after an upgrade.",
    "unknown_system": "The system that sent this is not configured any more.",
    "unknown_sku": "The order names something that the ERP does not sell. Create the item there and release this.",
    "does_not_add_up": "The order's lines, tax and shipping do not make its total, so nothing was written.",
    "other_account": "The order was approved on the credit of one account, and its buyer is another. Correct who the buyer is, or "
    "set conflict in the route of credit, then release this.",
    "rejected": "The other side refused this and would refuse it again. Mend the cause there, then release.",
    "stale": "The number at the channel changed under our hands several times in a row. Look for something else "
    "that writes stock there, then release.",
    "gave_up": "This was tried many times without success.",
    "late_capture": "The buyer paid after the hold had ended and the units were sold. Find stock for the order or refund "
    "it, then discard this note.",
    "no_order": "The hold was confirmed, but its order did not arrive in time. Its units are for sale again. Look "
    "for the order in the shop, then discard this note.",
    "adopted_twice": "The connector before exported an order more than once. Close all but one in the ERP, stop the "
    "service and run `syncline adopt --apply` again.",
    "adopted_unfollowed": "The connector before exported an order without an external id, so nothing would be told of it. "
    "Mend the setting, stop the service and run `syncline adopt --apply` again.",
    "adopted_differs": "The ERP's order says something else than the shop's. It was adopted as it is: correct the one "
    "that is wrong, then discard this note.",
    "adopted_unread": "The order could not be read whole when it was taken over. Look at it in the shop and in the ERP, "
    "then discard this note.",
    "before_the_start": "The order is older than the moment from which orders were taken over, and was not seen then. "
    "See to it that it is in the ERP once, then discard this.",
    "shipped_before": "Goods left before their order was taken over, and nothing tells whether the shop knows. Look "
    "there, then discard this.",
    "returned_before": "Goods came back before their order was taken over, and nothing tells whether the shop knows. Look "
    "there, then discard this.",
    "currency_differs": "The ERP received money in another currency than the order has at the shop. Enter it there by hand, "
    "then discard this.",
    "no_location": "Locations refused this order, and nobody else has what they refused. Find stock for it, or let the "
    "locations send it again (`syncline routing allow`), then release this.",
    "mapping_failed": "A field of the mapping cannot be computed for this order. Correct the mapping (`syncline mapping try`, then "
    "`apply`) or take its last version back (`syncline mapping rollback`), then release this.",
    "data_requested": "A customer asks what is held of them. `syncline privacy export --request` answers, and ends this note.",
    "after_retention": "It came of an order that was finished long ago. Enter by hand what is missing, then discard this.",
    "total_differs": "The ERP computed another total than the shop. Check the order there, then discard this note.",
}

VANISHED = frozenset({"vanished_location", "vanished_rows", "vanished_states"})

TITLES = {
    "snapshot": "A full read takes away too much",
    "adopt": "An order that was taken over needs a look",
    "vanished_location": "A location is missing from the ERP's stock",
    "vanished_rows": "Stock figures are missing from the ERP",
    "vanished_items": "Items are missing from the ERP",
    "vanished_states": "A full read lacks too many records",
    "compare_total": "An order's total differs",
    "confirm_hold": "A checkout was confirmed too late",
    "await_order": "A confirmed hold never became an order",
    "tell_customer": "A customer wants to know what is held",
}


class NotPossible(SynclineError):
    """An action cannot be done now. ``code`` is for programs, ``mend`` for the person."""

    def __init__(self, code: str, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.mend = mend


@dataclass(frozen=True, slots=True)
class Parked:
    """Work that needs a person."""

    id: int
    system: str
    operation: str
    title: str
    key: str
    reason: str
    meaning: str
    detail: str
    payload: str
    parked_at_ms: int
    resolved_at_ms: int | None
    resolution: str
    resolved_by: str
    can_release: bool
    can_edit: bool


@dataclass(frozen=True, slots=True)
class Done:
    """What an action set in motion, in a sentence."""

    message: str
    count: int = 0


def _parked(row: Row) -> Parked:
    number, system, operation, key, reason, detail, payload, at_ms, resolved_at_ms, resolution, by = row
    return Parked(
        id=number,
        system=system,
        operation=operation,
        title=TITLES.get(operation, f"Could not {operation_title(operation)}"),
        key=key,
        reason=reason,
        meaning=MEANINGS.get(reason, "A person has to decide."),
        detail=detail,
        payload=payload,
        parked_at_ms=at_ms,
        resolved_at_ms=resolved_at_ms,
        resolution=resolution,
        resolved_by=by,
        can_release=resolved_at_ms is None and operation not in NOTES,
        can_edit=resolved_at_ms is None and operation == "apply" and payload != ERASED,
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError("an object has the same key twice")
    return dict(pairs)


def check_payload(text: str) -> str:
    """The text, if it is JSON that everybody reads the same way.

    Raises:
        NotPossible: it is not, with the place of the mistake.
    """
    if len(text.encode()) > BODY_BYTES_MAX:
        raise NotPossible("too_large", "The payload is larger than any message may be.")
    try:
        json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise NotPossible(
            "not_json",
            f"This is not valid JSON: {error}",
            "Correct the text; nothing was saved.",
        ) from error
    return text


class Operations:
    """The actions. One instance for each engine, so that audit entries follow one another."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.store
        self._clock = engine.clock
        self.audit = engine.audit
        self._asked: dict[str, tuple[str, int]] = {}

    # --- parked work --------------------------------------------------------------------------------

    async def parked(self, *, after: int = 0, limit: int = LIST_MAX) -> list[Parked]:
        """What is parked now, oldest first."""
        rows = await self._store.read("parked_open", after=after, limit=max(1, min(limit, LIST_MAX)))
        return [_parked((*row, None, "", "")) for row in rows]

    async def show(self, number: int) -> Parked:
        """One entry, resolved or not.

        Raises:
            NotPossible: there is none of that number.
        """
        rows = await self._store.read("parked_get", id=number) if number <= ID_MAX else []
        if not rows:
            raise NotPossible("not_found", f"There is no parked entry {number}.", SEE_PARKED)
        return _parked(rows[0])

    async def _open(self, number: int) -> Parked:
        entry = await self.show(number)
        if entry.resolved_at_ms is not None:
            raise NotPossible(
                "resolved",
                f"Entry {number} was {entry.resolution} already, by {entry.resolved_by}.",
                "Nothing is left to do.",
            )
        return entry

    async def release(self, number: int, *, by: str) -> Done:
        """Let the work go on: a delivery is computed and sent again, a message is taken in again.

        Raises:
            NotPossible: it is resolved, or being worked on, or its message cannot be found any more.
        """
        entry = await self._open(number)
        if not entry.can_release:
            raise NotPossible(
                "nothing_to_send",
                "This entry is a note: there is nothing to send again.",
                "Check the order, then discard the note.",
            )
        at = {"system": entry.system, "operation": entry.operation, "key": entry.key}
        now_ms = self._clock.now_ms()
        resolve = self._resolve(entry, "released", by)
        if entry.operation == "apply":
            event = await self._again(entry)
            await self._store.append([event], received_at_ms=now_ms)
            await self._audited(entry, "release", by, "as a new message", resolve)
            self._engine.applier.wake()
            return Done("Released: the message is being taken in again.", 1)
        if entry.operation == "snapshot":
            await self._audited(entry, "release", by, "stock is read again, and believed", resolve)
            await self._engine.read_again(entry.system)
            return Done("Released: stock is read again, and believed.", 1)
        if entry.operation in VANISHED:
            if entry.operation == "vanished_states":
                count = await self._engine.full_states.believe_gone(entry.system, entry.key)
                told = f"{plural(count, 'record')} count as deleted until they are told again"
            else:
                count = await self._engine.full_reads.believe_gone(entry.system, entry.operation, entry.key)
                told = f"{plural(count, 'figure')} count as nothing until the ERP tells of them again"
            await self._audited(entry, "release", by, told, resolve)
            return Done(f"Released: {told}.", 1)
        touched = await self._audited(
            entry,
            "release",
            by,
            "available",
            Write("delivery_release", [{**at, "now_ms": now_ms}], guard=True),
            resolve,
        )
        self._engine.offer(touched[0])
        return Done("Released: it is computed from what is true now, and sent.", 1)

    async def edit(self, number: int, payload: str, *, by: str) -> Done:
        """Correct the text of a message that could not be taken in. The original stays in the audit log.

        Raises:
            NotPossible: the entry is no message, or the text is not JSON.
        """
        entry = await self._open(number)
        if not entry.can_edit:
            raise NotPossible(
                "not_editable",
                "What is sent is computed when it is sent, so there is no text to edit here.",
                "Correct the record in the shop or in the ERP, then release this entry.",
            )
        check_payload(payload)
        await self._audited(
            entry,
            "edit",
            by,
            payload,
            Write("parked_edit", [{"id": number, "payload": payload}], guard=True),
        )
        return Done("Saved. Release the entry to take the corrected message in.", 1)

    async def discard(self, number: int, *, by: str) -> Done:
        """Decide that this work is not to be done. It stays in the history.

        An order that the ERP does not have is discarded whole: its other revisions, payments and refunds, those to
        come too, wait for it no longer. A replay of the order takes that back.

        Raises:
            NotPossible: it is resolved, or moved on meanwhile.
        """
        entry = await self._open(number)
        writes = [self._resolve(entry, "discarded", by)]
        told, settled = "Discarded. It stays in the history.", 0
        if entry.operation == "put_order":
            more, parts, settled = await self._order_given_up(entry, by)
            writes += more
            if parts:
                told += f" What waited for this order is settled with it: {parts}."
        if entry.operation not in {"apply", "snapshot", *VANISHED, *NOTES}:
            row = {
                "system": entry.system,
                "operation": entry.operation,
                "key": entry.key,
                "now_ms": self._clock.now_ms(),
            }
            writes.insert(0, Write("delivery_cancel", [row], guard=True))
        await self._audited(entry, "discard", by, "discarded" if not settled else told, *writes)
        if settled:
            self._engine.lanes[entry.system].wake()
        return Done(told, 1 + settled)

    async def _order_given_up(self, entry: Parked, by: str) -> tuple[list[Write], str, int]:
        """What discarding an order settles besides the entry: the writes, in words, and how many deliveries.

        Those that are parked end here; the others end by themselves when they are tried next, as do later ones.

        Raises:
            NotPossible: a call about the order is under way, so it may be in the ERP in a moment.
        """
        order_key = split_key(entry.key)[0]
        rows = await following(self._store, entry.system, order_key)
        route = next((self._engine.routes.named(row[3]) for row in rows if row[2] == entry.key), None)
        if route is None:
            return [], "", 0
        reference = reference_of(route.source, order_key)
        bound = await self._store.read(
            "bindings_get", system=entry.system, kind=Kind.ORDER.value, keys=[reference]
        )
        if bound and bound[0][1]:  # it is there: only this revision of it is not to be
            return [], "", 0
        if self._engine.lanes[entry.system].works_on(order_key) is not None:
            raise NotPossible(
                "under_way",
                "The order is being written at this very moment, in another revision.",
                "Look at it again in a minute.",
            )
        now_ms = self._clock.now_ms()
        waiting = [row for row in rows if row[4] in OPEN and (row[1], row[2]) != (entry.operation, entry.key)]
        parked = [
            {"system": entry.system, "operation": row[1], "key": row[2], "now_ms": now_ms}
            for row in waiting
            if row[4] == DeliveryState.PARKED
        ]
        writes = [
            discard(entry.system, reference, now_ms),
            Write("delivery_cancel", parked),
            Write(
                "parked_resolve",
                [{**at, "resolution": "discarded with its order", "by": by} for at in parked],
            ),
        ]
        nouns = {"put_order": "revision", "put_payment": "payment", "put_refund": "refund"}
        count = {name: sum(row[1] == name for row in waiting) for name in nouns}
        parts = ", ".join(plural(count[name], noun) for name, noun in nouns.items() if count[name])
        return writes, parts, len(waiting)

    def _resolve(self, entry: Parked, resolution: str, by: str) -> Write:
        row = {
            "system": entry.system,
            "operation": entry.operation,
            "key": entry.key,
            "resolution": resolution,
            "by": by,
            "now_ms": self._clock.now_ms(),
        }
        return Write("parked_resolve", [row], guard=True)

    async def _audited(
        self, entry: Parked, action: str, by: str, after: str, *writes: Write
    ) -> list[list[Row]]:
        try:
            return await self.audit.write(
                *writes,
                actor=by,
                action=action,
                subject=f"parked {entry.id}: {entry.title}, {entry.system}",
                before=entry.payload if entry.operation == "apply" else f"{entry.reason}: {entry.detail}",
                after=after,
            )
        except Fenced as error:
            raise NotPossible(
                "moved_on",
                "This entry moved on while you were looking at it.",
                "Look at it again, and decide.",
            ) from error

    async def _again(self, entry: Parked) -> Event:
        """The message of a parked entry as a new event, with the original's place in time."""
        if entry.payload == ERASED:
            raise NotPossible(
                "erased",
                "This message was erased with the personal data of its customer.",
                "Discard this entry; the next full read brings the record as it is now.",
            )
        original = await self._original(entry)
        body = entry.payload.encode()
        if entry.payload.startswith("base64:"):
            body = original.event.body
        # The same release twice has the same id, so a crash between the two commits repeats nothing.
        mark = hashlib.blake2b(body, digest_size=8).hexdigest()
        event = original.event
        return Event(
            event.system,
            event.topic,
            f"{event.event_id}~{entry.id}.{mark}",
            event.via,
            event.occurred_at_ms,
            body,
        )

    async def _original(self, entry: Parked) -> LoggedEvent:
        topic, event_id = split_key(entry.key)
        event_id, _, offset = event_id.partition(SEP)
        if offset.isdecimal():
            found = await self._store.events(int(offset) - 1, 1)
            if found and found[0].event.event_id == event_id:
                return found[0]
        after = await self._last_before(entry.parked_at_ms)
        for start in range(after, max(0, after - EVENTS_BACK_MAX) - EVENTS_PAGE, -EVENTS_PAGE):
            for logged in reversed(await self._store.events(max(0, start - EVENTS_PAGE), EVENTS_PAGE)):
                event = logged.event
                if (event.system, event.topic, event.event_id) == (entry.system, topic, event_id):
                    return logged
        raise NotPossible(
            "event_gone",
            "The original message is not in the log any more (it is kept for 30 days).",
            "Discard this entry; the next full read brings the record as it is now.",
        )

    async def _last_before(self, at_ms: int) -> int:
        """The last offset that was received at or before a moment, by bisection."""
        low, high = 0, (await self._store.read("log_end"))[0][0]
        while low < high:
            middle = (low + high) // 2
            found = await self._store.events(middle, 1)
            if found and found[0].received_at_ms <= at_ms:
                low = found[0].offset
            else:
                high = middle
        return low

    # --- replay -------------------------------------------------------------------------------------

    async def replay_sku(self, sku: str, *, by: str) -> Done:
        """Compute the shown numbers of one SKU again, on every channel.

        Raises:
            NotPossible: no system has that SKU.
        """
        if not any(self._engine.catalog.get(name, sku) for name in self._engine.systems):
            raise NotPossible("not_found", f"No system has the SKU {sku!r}.", "Check the spelling.")
        await self.audit.write(self._dirty([sku]), actor=by, action="replay", subject=f"SKU {sku}")
        self._engine.applier.wake()
        return Done("Its numbers are being computed again; only a difference is sent.", 1)

    def _dirty(self, skus: Sequence[str]) -> Write:
        return mark(skus, self._clock.now_ms())

    async def replay_order(self, query: str, *, by: str) -> Done:
        """Read one order again at its channel, and let whatever of it does not move go on, also what was discarded.

        What was delivered is only asked for again where the call compares with the other side first.

        Raises:
            NotPossible: no such order is known.
        """
        keys = await order_keys(self._engine, query)
        if not keys:
            raise NotPossible(
                "not_found", f"No order is known as {query!r}.", "Try its number or id in the shop."
            )
        now_ms = self._clock.now_ms()
        releases: list[dict[str, Any]] = []
        reads: list[dict[str, Any]] = []
        taken_back: list[Write] = []
        for channel, key in keys:
            if "read_order" in self._engine.systems[channel].sink.operations:
                reads.append(
                    {
                        "system": channel,
                        "operation": "read_order",
                        "key": key,
                        "route": "",
                        "wanted": 1,
                        "rev": 0,
                        "changed_at_ms": now_ms,
                        "deliver_by_ms": now_ms + 1000,
                        "not_before_ms": now_ms,
                        "now_ms": now_ms,
                    }
                )
            rows = await deliveries_of(self._engine, key)
            reference = reference_of(channel, key)
            given_up = {
                route.sink
                for route in self._engine.routes.of(Flow.ORDERS, source=channel)
                if await discarded(self._store, route.sink, [reference])
            }
            taken_back += [discard(system, reference, now_ms, stands=False) for system in given_up]
            releases += [
                {"system": system, "operation": operation, "key": of, "now_ms": now_ms}
                for system, operation, of, route, state, *_, reason, _ in rows
                if self._is_of(channel, system, route)
                and operation != "read_order"
                and (
                    state == DeliveryState.RETRYABLE
                    or (state == DeliveryState.COMPLETED and (operation in COMPARED or reason == WHY))
                    or (state == DeliveryState.CANCELLED and system in given_up and operation in FOLLOWERS)
                )
            ]
        results = await self.audit.write(
            *taken_back,
            Write("delivery_touch", reads),
            Write("delivery_release", releases),
            actor=by,
            action="replay",
            subject=f"order {query}",
            after=f"{plural(len(releases), 'delivery', 'deliveries')} asked again, {plural(len(reads), 'read')}",
        )
        for rows in results[len(taken_back) :]:
            self._engine.offer(rows)
        return Done(
            "The order is read again and compared; only a difference is sent.", len(reads) + len(releases)
        )

    def _is_of(self, channel: str, system: str, route_name: str) -> bool:
        route = self._engine.routes.named(route_name)
        return system == channel or (route is not None and channel in (route.source, route.sink))

    async def replay_route(self, name: str, *, by: str, people: int = 1) -> Done:
        """Compute everything of a route again. Where several people may do this, a second one confirms.

        Args:
            name: the route's name.
            by: the person who asks.
            people: how many persons could confirm, this one included.

        Raises:
            NotPossible: there is no such route, or a second person has to confirm.
        """
        route = self._engine.routes.named(name)
        if route is None:
            raise NotPossible("not_found", f"There is no route {name!r}.", SEE_ROUTES)
        now_ms = self._clock.now_ms()
        first, at_ms = self._asked.get(name, ("", 0))
        if people > 1 and (first in ("", by) or now_ms - at_ms > APPROVAL_MS):
            self._asked[name] = (by, now_ms)
            await self.audit.write(actor=by, action="ask for replay", subject=f"route {name}")
            raise NotPossible(
                "second_person",
                "This concerns everything on the route, so a second person has to ask for it too.",
                "Let a colleague with the right to do so ask for the same replay within an hour.",
            )
        self._asked.pop(name, None)
        count = 0
        await self.audit.write(
            actor=by,
            action="replay",
            subject=f"route {name}",
            before=f"asked by {first}" if first else "",
        )
        if route.flow is Flow.INVENTORY:
            after = ""
            while True:
                rows = await self._store.read(
                    "records_after",
                    system=route.sink,
                    kind=Kind.ITEM.value,
                    after=after,
                    limit=ITEMS_PAGE,
                )
                if rows:
                    await self._store.write(self._dirty([row[0] for row in rows]))
                    self._engine.applier.wake()
                    count += len(rows)
                    after = rows[-1][0]
                if len(rows) < ITEMS_PAGE:
                    break
        elif flow := self._engine.states.flow_of(name):
            count = await self._engine.states_anew.mark_all(flow, route)
        reads = [
            poller
            for poller in self._engine.pollers
            if poller.system.name == route.source and poller.stream.tells(route.flow)
        ]
        for poller in reads:
            poller.nudge()
        what = "SKU" if route.flow is Flow.INVENTORY else "value"
        told = f"{plural(count, what)} computed again, " if count else ""
        return Done(f"{told}{plural(len(reads), 'read')} started; only differences are sent.", count)

    async def release_unseen(self, system: str, sku: str, location: str, *, by: str) -> Done:
        """Say that units which fell at a channel without an order are free to be sold after all.

        Raises:
            NotPossible: nothing is kept back there (any more).
        """
        key = f"{sku}{SEP}{location}"
        rows = await self._store.read("bindings_get", system=system, kind=Kind.STOCK.value, keys=[key])
        units = rows[0][5] if rows else 0
        try:
            await self.audit.write(
                Write("unseen_release", [{"system": system, "key": key}], guard=True),
                self._dirty([sku]),
                Write("shelf_stale", [{"sku": part} for part in self._engine.routes.recipes.bases([sku])]),
                actor=by,
                action="release unseen stock",
                subject=f"{sku} at {system} {location}",
                before=plural(units, "unit") + " kept back",
                after="0 units kept back",
            )
        except Fenced as error:
            raise NotPossible(
                "nothing_kept",
                f"Nothing of {sku!r} is kept back there.",
                "Look at the SKU again: it was explained or released meanwhile.",
            ) from error
        self._engine.applier.wake()
        return Done(f"{plural(units, 'unit')} may be sold again; the numbers are being computed.", units)

    async def release_hold(self, reference: str, *, by: str) -> Done:
        """Give back what a checkout holds, in place of whoever asked for it. One that has ended stays as it is.

        Raises:
            NotPossible: there is no such hold.
        """
        rows = await self._store.read("holds_get", reference=reference)
        if not rows:
            raise NotPossible(
                "not_found",
                f"There is no hold {reference!r}.",
                "Holds that ended are forgotten after 30 days.",
            )
        state, channel = rows[0][7], rows[0][2]
        units = sum(row[6] for row in rows if row[8])
        try:
            if state not in ("open", "confirmed"):
                raise Fenced(f"the hold {reference!r} is {state}")
            await self.audit.write(
                self._dirty(sorted({row[3] for row in rows})),
                # The first of these ends every row of the hold, and the guard counts them: all or nothing.
                Write("hold_release", [{"reference": reference}] * len(rows), guard=True),
                actor=by,
                action="release hold",
                subject=f"{reference} at {channel}",
                before=f"{plural(units, 'unit')} {'held' if state == 'open' else 'paid for, order awaited'}",
                after="released",
            )
        except Fenced:
            return Done("This hold had ended already.", 0)
        self._engine.applier.wake()
        return Done(f"{plural(units, 'unit')} may be sold again; the numbers are being computed.", units)
