"""What can be read again for comparison: levels of some items, and sales orders by the references they carry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import wraps
from typing import ParamSpec, TypeVar

from syncline.connectors.business_central import rows
from syncline.connectors.business_central.client import PAGE, Client, Row, quoted
from syncline.connectors.business_central.manifest import EXTENSION, BusinessCentralSettings
from syncline.connectors.business_central.mapping import day
from syncline.connectors.business_central.orders import (
    EXTERNAL,
    EXTERNAL_CHARS_MAX,
    ID,
    Document,
    Orders,
    together,
)
from syncline.connectors.business_central.places import IDS_PER_CALL
from syncline.model.change import Event, Via
from syncline.model.copying import replace
from syncline.model.errors import Conflict, Rejected, Retryable
from syncline.model.readings import Booked
from syncline.model.records import Item
from syncline.ports import Clock, Part, Rereads

# What a walk lists, one after the other: the entity, and the date that says how old a row is.
WALKED = (("salesOrders", "orderDate"), ("salesInvoices", "invoiceDate"))

P = ParamSpec("P")
T = TypeVar("T")


def _read(ask: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """What refuses a read (a permission set, a page that is not there) can be mended while we wait."""

    @wraps(ask)
    async def asked(*args: P.args, **more: P.kwargs) -> T:
        try:
            return await ask(*args, **more)
        except (Rejected, Conflict) as error:
            raise Retryable(f"Business Central refuses to be read: {error}") from error

    return asked


class Rereader:
    """Reads one company again. Costs are seconds in which a call was open: calls at once are what is scarce."""

    def __init__(
        self, system: str, settings: BusinessCentralSettings, clock: Clock, client: Client, orders: Orders
    ) -> None:
        self._system = system
        self._settings = settings
        self._clock = clock
        self._client = client
        self._orders = orders

    def rereads(self) -> Rereads:
        """What this company offers."""
        return Rereads(
            levels_of=self.levels_of, booked=self.booked, booked_of=self.booked_of, booked_as=self.booked_as
        )

    @_read
    async def levels_of(self, items: Sequence[Item], locations: Sequence[str]) -> Part[Event]:
        """Levels of some items, those at other locations left out."""
        began_s, began_ms = self._clock.monotonic(), self._clock.now_ms()
        wanted, skus = frozenset(locations), {item.sku for item in items}
        ids = list(dict.fromkeys(item.external_id.partition(":")[0] for item in items))
        found: list[rows.StockRow] = []
        for start in range(0, len(ids), IDS_PER_CALL):
            some = " or ".join(f"itemId eq {id_}" for id_ in ids[start : start + IDS_PER_CALL])
            read_ms = self._clock.now_ms()
            levels = await self._client.rows("stockLevels", {"filter": some}, api=EXTENSION)
            found += [
                row
                for level in levels
                if (row := rows.stock_row(level, self._settings.variant_separator, began_ms=read_ms)).sku
                in skus
                and row.location in wanted
            ]
        events = tuple(rows.stock_events(self._system, found, Via.READ))
        return Part(events, began_ms, "", self._clock.monotonic() - began_s)

    @_read
    async def booked(self, channel: str, since_ms: int, after: str) -> Part[Booked]:
        """Orders of a day since then that carry a reference of the channel, invoiced ones too; lines are not read.

        ``after`` is the number of the row before, with which of ``WALKED`` it is.
        """
        began_s, began_ms = self._clock.monotonic(), self._clock.now_ms()
        which, _, number = after.partition(":")
        walked = int(which or 0)
        entity, date = WALKED[walked]
        prefix = quoted(f"{channel}-".upper())
        query = {
            "filter": f"startswith(externalDocumentNumber,{prefix}) and {date} ge {day(since_ms)}"
            + (f" and number gt {quoted(number)}" if number else ""),
            "orderby": "number",
            "top": str(PAGE),
        }
        found, follow = await self._client.page(self._client.url(entity, query))
        documents = together(found, ()) if walked == 0 else together((), found)
        last = ""
        if follow or len(found) >= PAGE:
            last = f"{walked}:{rows.text(found[-1], 'number')}"
        elif walked + 1 < len(WALKED):
            last = f"{walked + 1}:"
        told = [
            _booked(one, one.reference.lower(), {})
            for one in documents
            if one.order is not None or not one.gone
        ]
        return Part(tuple(told), began_ms, last, self._clock.monotonic() - began_s)

    @_read
    async def booked_of(self, numbers: Mapping[str, str]) -> Part[Booked]:
        """Orders that carry one of these references, or that were typed in for one of them.

        Whoever enters an order by hand writes the buyer's number where we write the reference. Such an order counts for
        a reference if none carries it, or if the one that does has the same total.
        """
        began_s, began_ms = self._clock.monotonic(), self._clock.now_ms()
        carrying = await self._orders.find(EXTERNAL, [name.upper() for name in numbers])
        units = await self._units(carrying)
        found = [_booked(one, one.reference.lower(), units[one.id]) for one in carrying]
        totals = {row.reference: row.total for row in found}
        typed = {
            number.upper(): reference
            for reference, number in numbers.items()
            if number and len(number) <= EXTERNAL_CHARS_MAX
        }
        named = await self._orders.find(EXTERNAL, typed)
        of_typed = await self._units(named)
        for one in named:
            reference = typed.get(one.reference.upper(), "")
            row = _booked(one, reference, of_typed[one.id])
            if reference and totals.get(reference, row.total) == row.total:
                found.append(replace(row, carries=False))
        return Part(tuple(found), began_ms, "", self._clock.monotonic() - began_s)

    @_read
    async def booked_as(self, ids: Mapping[str, str]) -> Part[Booked]:
        """The orders with these ids, told under the references given for them."""
        began_s, began_ms = self._clock.monotonic(), self._clock.now_ms()
        references = {id_.lower(): reference for id_, reference in ids.items()}
        documents = await self._orders.find(ID, references)
        units = await self._units(documents)
        found = [_booked(one, references[one.id], units[one.id]) for one in documents]
        return Part(tuple(found), began_ms, "", self._clock.monotonic() - began_s)

    async def _units(self, documents: Iterable[Document]) -> dict[str, dict[str, Decimal]]:
        """By the order's id and SKU, whatever the location."""
        found: dict[str, dict[str, Decimal]] = {}
        for id_, places in (await self._orders.units(list(documents))).items():
            units = found.setdefault(id_, {})
            for (sku, _), number in places.items():
                units[sku] = units.get(sku, Decimal(0)) + number
        return found


def _booked(one: Document, reference: str, units: Mapping[str, Decimal]) -> Booked:
    head: Row = one.head
    number = one.number or rows.text(head, "number")
    return Booked(reference, one.id, rows.text(head, "status"), one.total, units, number=number)


__all__ = ["Rereader"]
