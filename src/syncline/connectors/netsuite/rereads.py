"""What can be read again for comparison: levels of some items, and sales orders by the references they carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation

from syncline.connectors.netsuite import queries, rows, zones
from syncline.connectors.netsuite.client import PAGE_MAX, Client, Row
from syncline.connectors.netsuite.erpclock import ErpClock
from syncline.connectors.netsuite.kits import KIT, KitColumns, flattened
from syncline.connectors.netsuite.manifest import NetSuiteSettings
from syncline.connectors.netsuite.mapping import otherrefnum
from syncline.model.change import Event, Via
from syncline.model.copying import replace
from syncline.model.errors import Rejected, Retryable
from syncline.model.readings import Booked
from syncline.model.records import Item
from syncline.ports import Clock, Part, Rereads

ITEMS_MAX = 200  # in one statement; Oracle takes a thousand values in a list
REFERENCES_MAX = 200
PAGES_MAX = 1_000
KITS_DEEP_MAX = 8  # kits in kits
KEY_START = -(2**31)


class Rereader:
    """Reads one account again. Costs are seconds in which a call was open: the limit is calls at once."""

    def __init__(self, system: str, settings: NetSuiteSettings, clock: Clock, client: Client) -> None:
        self._system = system
        self._settings = settings
        self._clock = clock
        self._client = client
        self._erp = ErpClock(settings, clock, client)
        self._kits = KitColumns()

    def rereads(self) -> Rereads:
        """What this account offers."""
        return Rereads(
            levels_of=self.levels_of,
            booked=self.booked,
            booked_of=self.booked_of,
            booked_as=self.booked_as,
            kits_of=self.kits_of,
        )

    async def kits_of(self, skus: Sequence[str]) -> Mapping[str, Mapping[str, Decimal]]:
        """Of some SKUs the kits, each with the units of every stocked item that one takes."""
        members: dict[str, dict[str, Decimal]] = {}
        asked: set[str] = set()
        new = sorted(set(skus))
        for _ in range(KITS_DEEP_MAX):
            asked.update(new)
            deeper: set[str] = set()
            for start in range(0, len(new), ITEMS_MAX):
                for row in await self._members(new[start : start + ITEMS_MAX]):
                    kind, sku = str(row.get("itemtype")), str(row["sku"])
                    of = members.setdefault(str(row["name"]), {})
                    if kind not in (*rows.STOCKED, KIT):
                        continue
                    of[sku] = of.get(sku, Decimal(0)) + _decimal(row.get("quantity") or 0)
                    if kind == KIT:
                        deeper.add(sku)
            new = sorted(deeper - asked)
            if not new:
                return {sku: flattened(members, sku) for sku in dict.fromkeys(skus) if sku in members}
        raise Retryable(f"NetSuite has kits in kits, more than {KITS_DEEP_MAX} deep: {', '.join(new[:3])}.")

    async def _members(self, kits: Sequence[str]) -> list[Row]:
        found: list[Row] = []
        keyset: tuple[int, int] = (KEY_START, KEY_START)
        for _ in range(PAGES_MAX):
            page = await self._query(queries.members_of(len(kits)), [*kits, keyset[0], *keyset])
            found += page
            if len(page) < PAGE_MAX:
                return found
            keyset = (int(page[-1]["kit"]), int(page[-1]["line"]))
        raise Retryable(f"NetSuite has more than {PAGES_MAX} pages of members of {len(kits)} kits.")

    async def levels_of(self, items: Sequence[Item], locations: Sequence[str]) -> Part[Event]:
        """Levels of some items, those at other locations left out."""
        began_s, began_ms = self._clock.monotonic(), self._clock.now_ms()
        await self._erp.read()  # learns which expression for its clock the account accepts
        wanted = frozenset(locations)
        found: list[rows.StockRow] = []
        for start in range(0, len(items), ITEMS_MAX):
            ids = [int(item.external_id) for item in items[start : start + ITEMS_MAX]]
            sql = queries.levels_of(len(ids), self._erp.expression)
            keyset: tuple[int, int] = (KEY_START, KEY_START)
            for _ in range(PAGES_MAX):
                read_ms = self._clock.now_ms()
                page = await self._query(sql, [*ids, keyset[0], *keyset])
                found += [
                    rows.stock_row(row, erp_ms=self._erp.stamp(row), began_ms=read_ms, changed_ms=read_ms)
                    for row in page
                    if str(row.get("location")) in wanted
                ]
                if len(page) < PAGE_MAX:
                    break
                keyset = (int(page[-1]["item"]), int(page[-1]["location"]))
            else:
                raise Retryable(f"NetSuite has more than {PAGES_MAX} pages of levels of {len(ids)} items.")
        events = tuple(rows.stock_events(self._system, found, Via.READ))
        return Part(events, began_ms, "", self._clock.monotonic() - began_s)

    async def booked(self, channel: str, since_ms: int, after: str) -> Part[Booked]:
        """Sales orders made since a moment that carry a reference of the channel, cancelled ones left out; lines are not read."""
        began_s, began_ms = self._clock.monotonic(), self._clock.now_ms()
        reading = await self._erp.read()
        zone = self._erp.zone if reading.proven else None
        stamp = zones.lower_bound(since_ms, reading.utc_ms, zone, self._settings.poll_overlap_s)
        page = await self._query(queries.BOOKED, [f"{channel}-%", stamp, int(after or KEY_START)])
        found = [
            _booked(row, str(row["externalid"]).lower(), {})
            for row in page
            if queries.letter(row.get("status")) != "C"
        ]
        last = "" if len(page) < PAGE_MAX else str(page[-1]["id"])
        return Part(tuple(found), began_ms, last, self._clock.monotonic() - began_s)

    async def booked_of(self, numbers: Mapping[str, str]) -> Part[Booked]:
        """Sales orders that carry one of these references, or that were typed in for one of them.

        An order without any external id counts for a reference whose number it names, if none carries the reference or
        if the one that does has the same total: somebody entered by hand what is there, or took the reference off.
        """
        began_s, began_ms = self._clock.monotonic(), self._clock.now_ms()
        references = list(numbers)
        found: list[Booked] = []
        for start in range(0, len(references), REFERENCES_MAX):
            some = references[start : start + REFERENCES_MAX]
            carrying = [
                _booked(lines[0], str(lines[0]["externalid"]).lower(), self._units(lines))
                for lines in await self._orders(queries.booked_by_reference, some)
            ]
            found += carrying
            totals = {row.reference: row.total for row in carrying}
            typed = {otherrefnum(numbers[reference]): reference for reference in some if numbers[reference]}
            if typed:
                for lines in await self._orders(queries.booked_by_hand, list(typed)):
                    reference = typed.get(str(lines[0].get("number")), "")
                    row = _booked(lines[0], reference, self._units(lines))
                    if reference and totals.get(reference, row.total) == row.total:
                        found.append(replace(row, carries=False))
        return Part(tuple(found), began_ms, "", self._clock.monotonic() - began_s)

    async def booked_as(self, ids: Mapping[str, str]) -> Part[Booked]:
        """The sales orders with these ids, told under the references given for them."""
        began_s, began_ms = self._clock.monotonic(), self._clock.now_ms()
        wanted = [id_ for id_ in ids if id_.isdecimal()]
        found: list[Booked] = []
        for start in range(0, len(wanted), REFERENCES_MAX):
            some = wanted[start : start + REFERENCES_MAX]
            orders = await self._orders(queries.booked_by_id, [int(id_) for id_ in some])
            found += [_booked(lines[0], ids[str(lines[0]["id"])], self._units(lines)) for lines in orders]
        return Part(tuple(found), began_ms, "", self._clock.monotonic() - began_s)

    async def _orders(self, sql: Callable[[int, str], str], values: Sequence[str | int]) -> list[list[Row]]:
        """The lines of some orders, order by order."""
        try:
            return await self._kits.read(lambda kits: self._lines(sql(len(values), kits), values))
        except Rejected as error:
            raise _refused(error) from error

    async def _lines(self, sql: str, values: Sequence[str | int]) -> list[list[Row]]:
        found: dict[str, list[Row]] = {}
        keyset: tuple[int, int] = (KEY_START, KEY_START)
        for _ in range(PAGES_MAX):
            page = await self._client.query(sql, [*values, keyset[0], *keyset])
            for row in page:
                found.setdefault(str(row["id"]), []).append(row)
            if len(page) < PAGE_MAX:
                return list(found.values())
            keyset = (int(page[-1]["id"]), int(page[-1]["line"]))
        raise Retryable(f"NetSuite has more than {PAGES_MAX} pages of lines of {len(values)} orders.")

    def _units(self, lines: Sequence[Row]) -> dict[str, Decimal]:
        units: dict[str, Decimal] = {}
        for line in lines:
            if line.get("sku") is None or not queries.counts_for_stock(line, self._settings):
                continue
            gone = line.get("isclosed") == "T" or queries.letter(line.get("status")) == "C"
            # The quantity of a sales line is negative in SuiteQL. Closed: only what was shipped counts.
            quantity = abs(_decimal(line.get("done") or 0 if gone else line["quantity"]))
            sku = str(line["sku"])
            units[sku] = units.get(sku, Decimal(0)) + quantity
        return units

    async def _query(self, sql: str, values: Sequence[str | int]) -> list[Row]:
        try:
            return await self._client.query(sql, values)
        except Rejected as error:  # a role or a feature: it can be mended while we wait
            raise _refused(error) from error


def _refused(error: Rejected) -> Retryable:
    return Retryable(f"NetSuite refuses to be read: {error}")


def _booked(row: Row, reference: str, units: Mapping[str, Decimal]) -> Booked:
    return Booked(
        reference,
        str(row["id"]),
        queries.letter(row.get("status")),
        _decimal(row.get("total") or 0).quantize(Decimal("0.01")),
        units,
    )


def _decimal(value: object) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation as error:
        raise Retryable(f"NetSuite states {str(value)[:40]!r} where a number belongs.") from error
