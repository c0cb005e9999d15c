"""One company's records, in memory, with the platform's stamps and row versions."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any, Literal

from syncline.connectors.business_central.simulator.schema import ENTITIES
from syncline.ports import Clock

ZERO = Decimal(0)
CENT = Decimal("0.01")
LINE_STEP = 10_000  # line numbers leave room for lines in between

Event = Literal["created", "updated", "deleted"]
Key = tuple[str, str, str]  # item number, variant code, location code


@dataclass(slots=True)
class Record:
    """One row. ``values`` are the stored fields by their name in the API; the computed ones are in ``views``."""

    id: str
    values: dict[str, Any]
    modified_ms: int
    version: int  # the database's row version: grows with every write anywhere

    @property
    def etag(self) -> str:
        """The version as ``@odata.etag`` shows it."""
        text = f"'19;{self.version:019d}1;00;'"  # as in answers that were published, which begin with JzE5O
        return f'W/"{base64.b64encode(text.encode()).decode()}"'


@dataclass(slots=True)
class Level:
    """Stock of one item (and variant) in one location."""

    inventory: Decimal = ZERO
    on_orders: Decimal = ZERO  # what sales order lines still have to ship


class Company:
    """All records of one company."""

    def __init__(self, clock: Clock, rng: Random, name: str, currency: str) -> None:
        self.clock = clock
        self._rng = rng
        self.name = name
        self.currency = currency
        self.tables: dict[str, dict[str, Record]] = {entity: {} for entity in ENTITIES}
        self.lines: dict[
            tuple[str, str], dict[str, None]
        ] = {}  # (table, parent) -> ids, in order of sequence
        self.levels: dict[Key, Level] = {}
        self.level_rows: dict[Key, str] = {}  # the row by which our extension tells of each
        self.waiting: dict[
            str, tuple[Key, Decimal]
        ] = {}  # order line -> what it still has to ship, and from where
        self.archive: dict[
            str, tuple[Record, list[Record]]
        ] = {}  # orders that were invoiced whole, and deleted
        self.tax: dict[str, Decimal] = {"STANDARD": ZERO, "ZERO": ZERO}  # per cent, by tax code
        self.units: dict[
            tuple[str, str], Decimal
        ] = {}  # item number, unit -> base units in one, of other units
        self.version = 1000
        self._numbers: dict[str, int] = {}
        self.changes: list[tuple[str, str, Event, int]] = []  # not yet told to the subscribers
        self.on_commit: Callable[[list[tuple[str, str, Event, int]]], None] | None = None

    # -- time and identity ------------------------------------------------------------------------

    @staticmethod
    def iso(at_ms: int) -> str:
        """An instant as the API writes it: UTC with milliseconds."""
        moment = datetime.fromtimestamp(at_ms // 1000, UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"

    def now(self) -> str:
        """This moment as the API writes it."""
        return self.iso(self.clock.now_ms())

    def today(self) -> str:
        """The work date; online services keep UTC."""
        return self.now()[:10]

    def new_id(self) -> str:
        """A GUID."""
        text = f"{self._rng.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def number(self, series: str, first: int, prefix: str = "") -> str:
        """The next number of a series."""
        self._numbers[series] = value = self._numbers.get(series, first - 1) + 1
        return f"{prefix}{value}"

    # -- rows -------------------------------------------------------------------------------------

    def insert(self, table: str, values: dict[str, Any]) -> Record:
        """Add a row with its defaults, and stamp it."""
        entity = ENTITIES[table]
        filled = {name: field.empty for name, field in entity.fields.items() if name != "id"}
        filled.update(values)
        record = Record(self.new_id(), filled, 0, 0)
        self.tables[table][record.id] = record
        self.touch(table, record, "created")
        return record

    def touch(self, table: str, record: Record, event: Event = "updated") -> None:
        """Stamp a row that was written. Sums that only change with other rows do not come here."""
        self.version += 1
        record.version = self.version
        record.modified_ms = self.clock.now_ms()
        self.changes.append((table, record.id, event, record.modified_ms))

    def delete(self, table: str, record: Record) -> None:
        """Remove a row; only a webhook tells of it."""
        self.version += 1
        del self.tables[table][record.id]
        self.changes.append((table, record.id, "deleted", self.clock.now_ms()))

    def find(self, table: str, field: str, value: str) -> Record | None:
        """The first row that holds a value."""
        for record in self.tables[table].values():
            if record.values[field] == value:
                return record
        return None

    def per_unit(self, number: str, code: str) -> Decimal | None:
        """How many base units of an item one of a unit is; ``None``: the item does not have this unit."""
        item = self.find("items", "number", number)
        if item is None or code in ("", item.values["baseUnitOfMeasureCode"]):
            return Decimal(1)
        return self.units.get((number, code))

    def children(self, table: str, parent: str) -> Iterator[Record]:
        """The lines of a document, by their sequence."""
        rows = self.tables[table]
        for number in self.lines.get((table, parent), ()):
            yield rows[number]

    def adopt(self, table: str, parent: str, line: Record) -> None:
        """Put a line under its document, in the order of its sequence."""
        under = self.lines.setdefault((table, parent), {})
        under[line.id] = None
        rows = self.tables[table]
        ordered = sorted(under, key=lambda x: rows[x].values["sequence"])
        self.lines[table, parent] = dict.fromkeys(ordered)

    # -- stock ------------------------------------------------------------------------------------

    def level(self, key: Key) -> Level:
        """The stock of one place; made when first asked for."""
        return self.levels.setdefault(key, Level())

    def move(self, key: Key, inventory: Decimal = ZERO, on_orders: Decimal = ZERO) -> None:
        """Change stock, and stamp the row by which our extension tells of it.

        Nothing else is stamped: ``items.inventory`` is a sum, and sums move no stamp.
        """
        level = self.level(key)
        level.inventory += inventory
        level.on_orders += on_orders
        if key in self.level_rows:
            self.touch("stockLevels", self.tables["stockLevels"][self.level_rows[key]])
            return
        item, variant, location = key
        found = self.find("items", "number", item)
        row = self.insert(
            "stockLevels",
            {
                "entryNumber": len(self.tables["stockLevels"]) + 1,
                "itemId": found.id if found is not None else "",
                "itemNumber": item,
                "variantCode": variant,
                "locationCode": location,
            },
        )
        self.level_rows[key] = row.id

    # -- transactions -----------------------------------------------------------------------------

    def commit(self) -> None:
        """What was written stands, and the subscribers may hear of it."""
        changes, self.changes = self.changes, []
        if self.on_commit is not None and changes:
            self.on_commit(changes)

    def savepoint(self) -> Callable[[], None]:
        """Remember everything; the returned call takes all later writes back, except the numbers given."""
        tables = {
            name: {
                key: Record(row.id, dict(row.values), row.modified_ms, row.version)
                for key, row in rows.items()
            }
            for name, rows in self.tables.items()
        }
        lines = {key: dict(under) for key, under in self.lines.items()}
        levels = {key: Level(level.inventory, level.on_orders) for key, level in self.levels.items()}
        level_rows, waiting, archive = dict(self.level_rows), dict(self.waiting), dict(self.archive)
        noted = list(self.changes)

        def rollback() -> None:
            self.tables, self.lines, self.levels = tables, lines, levels
            self.level_rows, self.waiting, self.archive = level_rows, waiting, archive
            self.changes = noted

        return rollback
