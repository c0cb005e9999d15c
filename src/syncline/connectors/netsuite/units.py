"""Units of measure: in what unit a record states a quantity, and how many base units that is.

An item with a type of units has a base unit, and units in which it is kept, bought and sold. SuiteQL states base units
throughout; a line of a record states its own unit, which is the item's sale unit unless the line names another. So
whoever writes pieces and names no unit orders cases. Syncline counts in base units: lines that it writes name that unit,
and what records state is converted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from syncline.connectors.netsuite import queries
from syncline.connectors.netsuite.client import Client, Row
from syncline.model.errors import Rejected, Retryable
from syncline.ports import Clock

ITEMS_MAX = 500  # in one statement; Oracle takes a thousand values in a list
REMEMBERED_MAX = 200_000
REMEMBERED_MS = 3_600_000  # an item may get units, and an account the feature; once in use neither they nor their rates change
ONE = Decimal(1)
MEND = "give the integration's role the permission Lists > Units (view)"
_COLUMNS = ("unitstype", "saleunit")


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of a type: how many base units it is."""

    name: str
    rate: Decimal


@dataclass(frozen=True, slots=True)
class ItemUnits:
    """The units of an item, by internal id; ``base`` is what stock is counted in, ``sale`` what a line is in that names none."""

    base: str
    sale: str
    units: Mapping[str, Unit]


class Units:
    """The units of the items of one account, remembered for an hour."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._since_ms = 0
        self._off = False  # the account has no units of measure
        self._items: dict[str, ItemUnits | None] = {}
        self._types: dict[str, ItemUnits] = {}

    async def of(
        self, items: Iterable[str], *, urgent: bool = False, sure: bool = False
    ) -> dict[str, ItemUnits]:
        """Those of the items that have units of measure. ``sure``: the account has the feature, a record shows it.

        Raises:
            Rejected: an item has units, and nobody tells how many base units they are; says what to do.
            Retryable: items cannot be read.
        """
        now_ms = self._clock.now_ms()
        if now_ms - self._since_ms > REMEMBERED_MS or len(self._items) > REMEMBERED_MAX:
            self._since_ms, self._off = now_ms, False
            self._items, self._types = {}, {}
        wanted = [item for item in dict.fromkeys(items) if item.isdigit()]
        if not self._off or sure:
            await self._learn([item for item in wanted if item not in self._items], urgent=urgent, sure=sure)
        return {item: units for item in wanted if (units := self._items.get(item)) is not None}

    async def _learn(self, items: list[str], *, urgent: bool, sure: bool) -> None:
        for start in range(0, len(items), ITEMS_MAX):
            chunk = items[start : start + ITEMS_MAX]
            try:
                rows = await self._client.query(
                    queries.units_of(len(chunk)), [int(item) for item in chunk], urgent=urgent
                )
            except Rejected as error:
                if not any(column in str(error).casefold() for column in _COLUMNS):
                    await self._items_told(urgent=urgent)
                if sure:
                    raise Rejected(
                        f"NetSuite has units of measure, and does not show those of items: {MEND}, then release this."
                    ) from error
                self._off = True  # such an account has none of the columns
                return
            found = {str(row["id"]): row for row in rows}
            for item in chunk:
                row = found.get(item)
                self._items[item] = None if row is None else await self._units(row, urgent=urgent)

    async def _items_told(self, *, urgent: bool) -> None:
        """Whether items are told at all; if so, what was refused is the columns."""
        try:
            await self._client.query(queries.ITEMS_COUNT, urgent=urgent)
        except Rejected as error:
            raise Retryable(f"NetSuite does not tell whether items have units of measure: {error}") from error

    async def _units(self, row: Row, *, urgent: bool) -> ItemUnits:
        of_type = str(row["unitstype"])
        if of_type not in self._types:
            try:
                told = await self._client.query(queries.UNITS, [int(of_type)], urgent=urgent)
            except Rejected:
                told = []  # a role that may not see them is told that there is no such table
            self._types[of_type] = _of_type(told, of_type)
        known = self._types[of_type]
        sale = str(row.get("saleunit") or known.base)
        if sale not in known.units:
            raise _untold(of_type)
        return ItemUnits(known.base, sale, known.units)


def _of_type(rows: Iterable[Row], of_type: str) -> ItemUnits:
    units, base = {}, ""
    for row in rows:
        ident = str(row["id"])
        try:
            rate = Decimal(str(row.get("rate")))
        except InvalidOperation:
            raise _untold(of_type) from None
        if not rate.is_finite() or rate <= 0:
            raise _untold(of_type)
        units[ident] = Unit(str(row.get("name") or ident), rate)
        if row.get("base") == "T":
            base = ident
    if not base:
        raise _untold(of_type)
    return ItemUnits(base, base, units)


def _untold(of_type: str) -> Rejected:
    return Rejected(
        f"NetSuite does not tell how many base units the units of type {of_type} are: {MEND}, then release this."
    )
