"""The mapping in force, its versions, and what another one would change.

A version is a row that is never altered. Taking the last one back adds a version that says what the one before it said, so
the history tells everything that was ever in force, since when, and by whom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from syncline.engine.audit import Audit
from syncline.engine.codec import decode
from syncline.engine.routes import Routes
from syncline.mapping.expressions import MappingError
from syncline.mapping.tables import Tables, read_tables
from syncline.model.change import Flow, Kind
from syncline.model.errors import Fenced
from syncline.model.payloads import FieldValue
from syncline.model.records import Order
from syncline.ports import Clock, Store, System, Write

VERSIONS_MAX = 100
ORDERS_MAX = 500
CHANGES_MAX = 200
NOTE_MAX = 300


class Version(Struct, frozen=True):
    """One version. ``restores`` is the number of the one whose text it brought back; 0: it was applied as new."""

    number: int
    at_ms: int
    by: str
    note: str
    restores: int
    text: str


class FieldChange(Struct, frozen=True):
    """A field of an order that would be written otherwise. ``None``: it would not be written."""

    order: str
    field: str
    before: str | None
    after: str | None


class MappingTrial(Struct, frozen=True):
    """What another mapping would make of the newest orders. ``failed`` are orders whose values could not be computed."""

    orders: int
    changed: int
    failed: int
    changes: tuple[FieldChange, ...]
    errors: tuple[str, ...]


NONE = Version(0, 0, "", "", 0, "")


class Mappings:
    """Reads and writes versions, and computes fields from the one in force."""

    def __init__(self, store: Store, clock: Clock, routes: Routes, systems: Mapping[str, System]) -> None:
        self._store = store
        self._clock = clock
        self._routes = routes
        self._writable = {name: system.capabilities.order_fields for name, system in systems.items()}
        self._read: tuple[int, Tables] = (0, Tables())

    async def fields(self, system: str, order: Order, channel: str) -> tuple[FieldValue, ...]:
        """What the mapping in force writes into an order of a system. It is read each time: another worker may have applied one.

        Raises:
            MappingError: a value cannot be computed, or the mapping does not fit the configuration any more.
        """
        if not self._writable.get(system):
            return ()
        newest = await self.newest()
        if newest.number != self._read[0]:
            self._read = newest.number, self.tables(newest.text)
        return self._read[1].fields(system, order, channel)

    def tables(self, text: str) -> Tables:
        """Read a mapping.

        Raises:
            MappingError: it is none.
        """
        return read_tables(text, self._writable)

    async def newest(self) -> Version:
        """The version in force; number 0 where nothing was ever applied."""
        rows = await self._store.read("mappings", limit=1)
        return Version(*rows[0]) if rows else NONE

    async def history(self) -> list[Version]:
        """The newest versions, the one in force first."""
        return [Version(*row) for row in await self._store.read("mappings", limit=VERSIONS_MAX)]

    async def apply(self, text: str, *, note: str, by: str, audit: Audit) -> Version:
        """Put a mapping in force for every order that is written from now on.

        Raises:
            MappingError: it is wrong, or somebody was faster.
        """
        self.tables(text)
        return await self._put(await self.newest(), text, note, 0, by, audit)

    async def rollback(self, *, by: str, audit: Audit) -> Version:
        """Bring back what was in force before the version that is.

        Raises:
            MappingError: nothing is in force, or somebody was faster.
        """
        newest = await self.newest()
        number = newest.restores or newest.number
        if not newest.number or number < 1:
            raise MappingError("nothing was applied that could be taken back")
        rows = [Version(*row) for row in await self._store.read("mapping_get", number=number - 1)]
        before = rows[0] if rows else NONE
        while before.restores:  # what it brought back itself
            rows = [Version(*row) for row in await self._store.read("mapping_get", number=before.restores)]
            before = rows[0] if rows else NONE
        self.tables(before.text)
        return await self._put(
            newest, before.text, f"back to version {before.number}", before.number, by, audit
        )

    async def _put(
        self, newest: Version, text: str, note: str, restores: int, by: str, audit: Audit
    ) -> Version:
        made = Version(newest.number + 1, self._clock.now_ms(), by, note[:NOTE_MAX], restores, text)
        row = {
            "number": made.number, "now_ms": made.at_ms, "by": by, "note": made.note, "restores": restores, "text": text,
        }  # fmt: skip
        try:
            await audit.write(
                Write("mapping_put", [row], guard=True),
                actor=by,
                action="roll back mapping" if restores or not text else "apply mapping",
                subject=f"mapping version {made.number}",
                before=newest.text,
                after=text,
            )
        except Fenced as error:
            raise MappingError(
                "somebody else applied a mapping meanwhile; look at the history and decide again"
            ) from error
        return made

    # --- trying -----------------------------------------------------------------------------------

    async def trial(self, text: str, *, limit: int = ORDERS_MAX) -> MappingTrial:
        """What another mapping would write into the newest orders, beside the one in force. Nothing is written.

        Raises:
            MappingError: it is wrong.
        """
        before, after = self.tables((await self.newest()).text), self.tables(text)
        changes: list[FieldChange] = []
        errors: list[str] = []
        changed = failed = orders = 0
        for route in self._routes.of(Flow.ORDERS):
            rows = await self._store.read(
                "orders_recent", system=route.source, since_ms=0, limit=min(limit, ORDERS_MAX)
            )
            for key, body in rows:
                order: Order = decode(Kind.ORDER, body)
                orders += 1
                await self._clock.sleep(0)  # a hundred long expressions take their time, for each order
                name = f"{route.source} {order.number or key}"
                try:
                    new = after.fields(route.sink, order, route.source)
                except MappingError as error:
                    failed += 1
                    errors.append(f"{name}: {error}")
                    continue
                differs = _changes(name, _computed(before, route.sink, order, route.source), new)
                changed += bool(differs)
                changes += differs
        return MappingTrial(
            orders, changed, failed, tuple(changes[:CHANGES_MAX]), tuple(errors[:CHANGES_MAX])
        )


def _computed(tables: Tables, system: str, order: Order, channel: str) -> tuple[FieldValue, ...]:
    """What the mapping in force writes; nothing where it fails, since then the order is parked."""
    try:
        return tables.fields(system, order, channel)
    except MappingError:
        return ()


def _changes(order: str, before: Sequence[FieldValue], after: Sequence[FieldValue]) -> list[FieldChange]:
    old, new = ({one.name: one.text for one in of} for of in (before, after))
    return [
        FieldChange(order, name, old.get(name), new.get(name))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]
