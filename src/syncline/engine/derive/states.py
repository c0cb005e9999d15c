"""From stored records to what each channel should hold, for every flow of state records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from syncline.engine.catalog import Catalog
from syncline.engine.codec import decode, encode, fingerprint
from syncline.engine.delivery.build import Built, Due, Refuse, Send, Skip
from syncline.engine.routes import Route
from syncline.engine.states import StateFlow, States, Wanted
from syncline.freshness.bounds import start_at
from syncline.model.change import Kind
from syncline.model.copying import replace
from syncline.model.delivery import DeliveryState
from syncline.model.records import Item
from syncline.ports import Clock, Row, Store, Timer, Write

DERIVE_MAX = 500  # contents in one round: nothing else runs while they are computed
# A price that begins or ends at a moment was known before; it is shown within this time, whatever the route tolerates.
ON_TIME_MS = 60_000
RELEASED = "released"  # as a person's decision is recorded
PARKED_MAX = 50  # decisions about one content that are looked at


# What some contents of a route are computed from besides records, by content and name.
Beside = Callable[[Route, Sequence[str]], Awaitable[Mapping[str, dict[str, Any]]]]


@dataclass(frozen=True, slots=True)
class Held:
    """What a channel holds of a content as far as is known, since when. ``hash`` of "": nobody knows."""

    hash: str
    content: Any
    confirmed_at_ms: int = 0


class StateDeriver:
    """Computes contents; the same for scheduling and for building a call."""

    def __init__(self, store: Store, clock: Clock, catalog: Catalog, states: States) -> None:
        self._store = store
        self._clock = clock
        self._catalog = catalog
        self._states = states
        self._at_rest: Callable[[str, str, list[str]], set[str]] = lambda _system, _operation, _keys: set()
        self._wake: Callable[[], None] = lambda: None
        self._look = True  # a former process may have left some
        self._timer: Timer | None = None
        self._timer_ms = 0
        self._beside: dict[Kind, Beside] = {}
        self._decoders = {flow.kind: msgspec.json.Decoder(flow.content) for flow in states.flows}

    def watch(self, at_rest: Callable[[str, str, list[str]], set[str]], wake: Callable[[], None]) -> None:
        """Be told of which contents no delivery is open; ``wake`` is called when something is due."""
        self._at_rest = at_rest
        self._wake = wake

    def beside(self, kind: Kind, read: Beside) -> None:
        """Be told what contents of a kind are computed from besides their records."""
        self._beside[kind] = read

    def marked(self) -> None:
        """Be told that something was marked, or may have been."""
        self._look = True

    # --- scheduling -------------------------------------------------------------------------------

    async def step(self, guard: Write) -> tuple[int, list[Row]]:
        """Compute some of what is marked; returns how much, and the deliveries touched.

        It costs nothing while nothing is marked.
        """
        if not self._states or not self._look:
            return 0, []
        self._look = False
        now_ms = self._clock.now_ms()
        marks = await self._store.read("state_marks", now_ms=now_ms, limit=DERIVE_MAX)
        if not marks:
            await self._wake_later()
            return 0, []
        if len(marks) == DERIVE_MAX:
            self._look = True
        by_route: dict[str, list[Row]] = {}
        for row in marks:
            by_route.setdefault(row[0], []).append(row)
        touches: list[dict[str, Any]] = []
        done: list[dict[str, Any]] = []
        later: list[dict[str, Any]] = []
        for name, rows in by_route.items():
            flow, route = self._states.flow_of(name), self._states.routes.named(name)
            if flow is None or route is None:
                done += [{"route": name, "key": key, "seq": seq} for _, key, seq, _ in rows]
                continue
            keys = [key for _, key, _, _ in rows]
            # Asked before anything is read: a delivery that is not open now can only begin later, and is then built
            # from what we are about to read, or newer.
            open_keys = set(keys)
            for operation in flow.operations(route):
                mine = [key for key in keys if flow.operation(key) == operation]
                open_keys -= self._at_rest(route.sink, operation, mine)
            held = await self._held(route, flow, keys)
            open_keys |= await self._parked(route, flow, keys)
            wanted = await self._wanted(route, flow, keys, held, now_ms)
            for _, key, seq, changed_at_ms in rows:
                found = wanted.get(key)
                mark = {"route": name, "key": key, "seq": seq}
                if found is not None and found.next_ms:
                    later.append({**mark, "until_ms": found.next_ms})
                else:
                    done.append(mark)
                if found is not None and (key in open_keys or _differs(found, held.get(key))):
                    touches.append(_touch(route, flow, key, found, changed_at_ms, now_ms))
            await self._clock.sleep(0)
        results = await self._store.write(
            guard,
            Write("delivery_touch", touches),
            Write("state_done", done, told=False),
            Write("state_defer", later, told=False),
        )
        await self._wake_later()
        return len(marks), results[1]

    async def _wake_later(self) -> None:
        """Be woken at the next moment at which time changes something."""
        now_ms = self._clock.now_ms()
        ((next_ms,),) = await self._store.read("state_next", now_ms=now_ms)
        if next_ms is None or (self._timer is not None and self._timer_ms <= next_ms):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ms = next_ms
        self._timer = self._clock.after((next_ms - now_ms) / 1000, self._due)

    def _due(self) -> None:
        self._timer = None
        self._look = True
        self._wake()

    async def judge(
        self, route: Route, flow: StateFlow, keys: Sequence[str]
    ) -> tuple[dict[str, Held], dict[str, Wanted]]:
        """What a channel was told of some contents, and what they should be now."""
        held = await self._held(route, flow, keys)
        return held, await self._wanted(route, flow, keys, held, self._clock.now_ms())

    # --- what is stored ---------------------------------------------------------------------------

    async def _held(self, route: Route, flow: StateFlow, keys: Sequence[str]) -> dict[str, Held]:
        rows = await self._store.read(
            "contents_get", system=route.sink, kind=flow.kind.value, keys=list(keys)
        )
        decoder = self._decoders[flow.kind]
        return {key: Held(hash_, decoder.decode(body), at_ms) for key, hash_, body, at_ms in rows}

    async def _parked(self, route: Route, flow: StateFlow, keys: Sequence[str]) -> set[str]:
        """What waits for a person: it is looked at again, and settled if nothing is left to decide."""
        by_operation: dict[str, list[str]] = {}
        for key in keys:
            by_operation.setdefault(flow.operation(key), []).append(key)
        return {
            row[0]
            for operation, some in by_operation.items()
            for row in await self._store.read(
                "deliveries_get", system=route.sink, operation=operation, keys=some
            )
            if row[2] == DeliveryState.PARKED
        }

    async def _items(self, route: Route, flow: StateFlow, keys: Sequence[str]) -> dict[str, Item]:
        """What the channel calls that which contents are of; left out is what it does not sell."""
        if flow.bound is None:
            sold = {key: self._catalog.get(route.sink, flow.sku_of(key)) for key in keys}
            return {key: item for key, item in sold.items() if item is not None}
        found = await self.named(route, flow.bound, [flow.sku_of(key) for key in keys])
        return {key: found[flow.sku_of(key)] for key in keys}

    async def named(self, route: Route, bound: Kind, subjects: Sequence[str]) -> dict[str, Item]:
        """What a channel calls some records that it knows by bindings; without an id what it does not have yet.

        Who took the place of another customer takes its place at the channel as well, unless it has one there already.
        """
        rules = route.customers
        former: dict[str, list[str]] = {}
        for old in rules.merged:
            former.setdefault(rules.heir(old), []).append(old)
        names = [
            name for subject in subjects for name in (subject, rules.heir(subject), *former.get(subject, ()))
        ]
        rows = await self._store.read(
            "bindings_get", system=route.sink, kind=bound.value, keys=list(dict.fromkeys(names))
        )
        ids = {row[0]: row[1] for row in rows if row[1]}
        found: dict[str, Item] = {}
        for subject in subjects:
            ident = ids.get(subject, "")
            if (heir := rules.heir(subject)) != subject and ids.get(heir, ident) == ident:
                ident = ""  # it is the other's now, or will be
            if not ident:
                ident = next((ids[old] for old in former.get(subject, ()) if old in ids), "")
            found[subject] = Item(subject, ident)
        return found

    async def _wanted(
        self, route: Route, flow: StateFlow, keys: Sequence[str], held: Mapping[str, Held], now_ms: int
    ) -> dict[str, Wanted]:
        """What contents should be; those of what the channel does not sell are left out."""
        items = await self._items(route, flow, keys)
        needs = {key: flow.needs(route, key) for key in items}
        asked = list(dict.fromkeys(record for records in needs.values() for record in records))
        rows = await self._store.read("states_get", system=route.source, kind=flow.kind.value, keys=asked)
        records = {key: decode(flow.kind, body) for key, body, gone, *_ in rows if not gone}
        read = self._beside.get(flow.kind)
        beside = await read(route, list(items)) if read is not None else {}
        return {
            key: flow.wanted(
                route,
                key,
                {record: records[record] for record in needs[key] if record in records} | beside.get(key, {}),
                item,
                held[key].content if key in held else None,
                now_ms,
            )
            for key, item in items.items()
        }

    # --- building a call --------------------------------------------------------------------------

    async def build(self, operation: str, deliveries: Mapping[str, Due], now_ms: int) -> dict[str, Built]:
        """What is to be done with each delivery of a call, from what is true now."""
        built: dict[str, Built] = {}
        by_route: dict[str, list[str]] = {}
        for key, due in deliveries.items():
            if due.route is None or self._states.flow_of(due.route.name) is None:
                built[key] = Skip("its route is not configured any more")
            else:
                by_route.setdefault(due.route.name, []).append(key)
        for name, keys in by_route.items():
            flow, route = self._states.flow_of(name), self._states.routes.named(name)
            assert flow is not None
            assert route is not None
            held = await self._held(route, flow, keys)
            wanted = await self._wanted(route, flow, keys, held, now_ms)
            for key in keys:
                built[key] = await self._one(route, flow, operation, key, wanted.get(key), held.get(key))
        return built

    async def _one(
        self,
        route: Route,
        flow: StateFlow,
        operation: str,
        key: str,
        wanted: Wanted | None,
        held: Held | None,
    ) -> Built:
        item = (await self._items(route, flow, [key])).get(key)
        if wanted is None or item is None:
            return Skip("the SKU is not sold there any more")
        if wanted.content is not None and held is not None and held.hash == fingerprint(wanted.content):
            return Skip("the channel shows this already")
        if wanted.doubt is not None:
            reason, detail = wanted.doubt
            text = encode(wanted.content)
            if not await self._approved(route.sink, operation, key, text):
                return Refuse(reason, detail, text)
        if wanted.content is None:
            return Skip(wanted.why)
        surely = held.content if held is not None and held.hash else None
        payload = flow.payload(key, wanted.content, item, surely)
        return Send(replace(payload, **wanted.details) if wanted.details else payload)

    async def _approved(self, system: str, operation: str, key: str, text: str) -> bool:
        """Whether the last thing that a person decided of a content was to let exactly this be written."""
        rows = await self._store.read("parked_like", **{"from": key, "to": key + "\x01"}, limit=PARKED_MAX)
        for number, of, what, named, _, _, _, resolved_at_ms, resolution, _ in rows:
            if (of, what, named) == (system, operation, key):
                if resolved_at_ms is None or resolution != RELEASED:
                    return False
                entry = await self._store.read("parked_get", id=number)
                return bool(entry) and entry[0][6] == text
        return False


def _differs(wanted: Wanted, held: Held | None) -> bool:
    """Whether a content is to be delivered: what is not known differs, and what is left alone does not."""
    if wanted.content is None:
        return wanted.doubt is not None
    return held is None or held.hash != fingerprint(wanted.content)


def _touch(
    route: Route, flow: StateFlow, key: str, wanted: Wanted, changed_at_ms: int, now_ms: int
) -> dict[str, Any]:
    tolerance_ms = route.tolerance_ms
    if wanted.turned_ms >= changed_at_ms:  # it was known before that this moment would change it
        changed_at_ms = wanted.turned_ms
        tolerance_ms = min(tolerance_ms, ON_TIME_MS)
    elif wanted.soon:
        tolerance_ms = min(tolerance_ms, ON_TIME_MS)
    return {
        "system": route.sink,
        "operation": flow.operation(key),
        "key": key,
        "route": route.name,
        "changed_at_ms": changed_at_ms,
        "deliver_by_ms": changed_at_ms + tolerance_ms,
        "not_before_ms": start_at(changed_at_ms, tolerance_ms, now_ms),
        "now_ms": now_ms,
        "wanted": 1,
        "rev": 0,
    }
