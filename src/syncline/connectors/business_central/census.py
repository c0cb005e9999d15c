"""What an adoption reads of a company: every item, location and customer, and orders by what others wrote on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from decimal import Decimal

import msgspec

from syncline.connectors.business_central import money, reads, rows
from syncline.connectors.business_central.client import PAGE, Client, Row, quoted
from syncline.connectors.business_central.manifest import (
    EXTENSION,
    ORDERS,
    PAYMENTS,
    RETURNS,
    SHIPMENTS,
    BusinessCentralSettings,
)
from syncline.connectors.business_central.orders import EXTERNAL, ID, NUMBER, Document, Orders, amount
from syncline.model.census import FoundOrder, Listed, ListedCustomer, ListedItem, ListedPlace
from syncline.model.change import Cursor, Event, Via
from syncline.model.errors import Conflict, Misconfigured, Rejected, Retryable
from syncline.ports import REFERENCE, CensusPage, Clock
from syncline.sdk.money import Units

PAGES_MAX = 10_000
ORDERS_MAX = 200  # values that are asked for before the answer is kept
FIELDS = {REFERENCE: EXTERNAL, "externalDocumentNumber": EXTERNAL, "number": NUMBER}
ITEM_FIELDS = ("displayName2", "gtin")
CUSTOMER_FIELDS = ("number", "phoneNumber", "taxRegistrationNumber", "website")


class BusinessCentralCensus:
    """One company, listed. Census and OrderBook; reading has no effect."""

    def __init__(
        self,
        name: str,
        settings: BusinessCentralSettings,
        clock: Clock,
        client: Client,
        readers: reads.Reads,
        orders: Orders,
    ) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._client = client
        self._readers = readers
        self._orders = orders
        self.orders_max = ORDERS_MAX

    # -- lists --------------------------------------------------------------------------------

    async def read(
        self, what: str, position: str, *, fields: Sequence[str] = (), places: Sequence[str] = ()
    ) -> AsyncGenerator[CensusPage, None]:
        if what == "places":
            found = await self._rows("locations", {"select": "code,displayName"})
            listed = tuple(ListedPlace(rows.text(x, "code"), rows.text(x, "displayName")) for x in found)
            yield CensusPage(listed, "", last=True)
            return
        if what == "items":
            _check(fields, ITEM_FIELDS, "an item")
            query = {"expand": "itemVariants"}
            only = "blocked eq false"
        elif what == "customers":
            _check(fields, CUSTOMER_FIELDS, "a customer")
            query, only = {}, "number ne ''"
        else:
            raise ValueError(f"Business Central lists no {what!r}.")
        for _ in range(PAGES_MAX):
            options = {
                **query,
                "filter": f"number gt {quoted(position)} and {only}",
                "orderby": "number",
                "top": str(PAGE),
            }
            found, follow = await self._page(what, options)
            last = not follow and len(found) < PAGE
            after = rows.text(found[-1], "number") if found else position
            told: list[Listed] = []
            if what == "items" and found:
                free = await self._free(position, after, frozenset(places))
                told += [one for row in found for one in self._items(row, fields, free)]
            elif what == "customers":
                told += [_customer(row, fields) for row in found]
            yield CensusPage(tuple(told), after, last)
            if last:
                return
            if after == position:
                raise Retryable(f"The pages of Business Central's {what} lead in circles.")
            position = after
        raise Retryable(f"Business Central has more than {PAGES_MAX} pages of {what}.")

    async def _free(self, after: str, until: str, places: frozenset[str]) -> dict[str, Decimal]:
        """What is available of each SKU of some items, by their numbers, over some locations or all."""
        found: defaultdict[str, Decimal] = defaultdict(Decimal)
        entry = 0
        for _ in range(PAGES_MAX):
            options = {
                "filter": f"entryNumber gt {entry} and itemNumber gt {quoted(after)} and itemNumber le {quoted(until)}",
                "orderby": "entryNumber",
                "top": str(PAGE),
            }
            levels, follow = await self._page("stockLevels", options, EXTENSION)
            for row in levels:
                if not places or rows.text(row, "locationCode") in places:
                    sku = rows.sku_of(
                        rows.text(row, "itemNumber"),
                        rows.text(row, "variantCode"),
                        self._settings.variant_separator,
                    )
                    found[sku] += amount(row, "inventory") - amount(row, "quantityOnSalesOrder")
            if not follow and len(levels) < PAGE:
                return found
            entry = int(amount(levels[-1], "entryNumber"))
        raise Retryable(f"Business Central has more than {PAGES_MAX} pages of stock levels.")

    def _items(self, row: Row, fields: Sequence[str], free: Mapping[str, Decimal]) -> list[ListedItem]:
        """An item, or each of its variants. The GTIN is the item's: of several variants it is none's."""
        id_, number, title = (rows.text(row, name) for name in ("id", "number", "displayName"))
        more = {name: rows.text(row, name) for name in fields}
        variants = row.get("itemVariants") or ()
        if not variants:
            return [
                ListedItem(id_, number, title, rows.text(row, "gtin"), free.get(number, Decimal(0)), more)
            ]
        listed = []
        for each in variants:
            sku = rows.sku_of(number, rows.text(each, "code"), self._settings.variant_separator)
            called = f"{title} {rows.text(each, 'description')}".strip()
            listed.append(
                ListedItem(f"{id_}:{rows.text(each, 'id')}", sku, called, quantity=free.get(sku, Decimal(0)))
            )
        return listed

    async def begin(self) -> tuple[Cursor, ...]:
        """Documents go on from the product's clock, and its row version, as they are now; levels are read whole."""
        began_ms = self._clock.now_ms()
        mark = await self._readers.mark()
        at = msgspec.json.encode(reads.Place(mark.clock_ms)).decode()
        version = msgspec.json.encode(reads.Place(mark.version - 1)).decode()
        paid = msgspec.json.encode(money.Place(mark.clock_ms)).decode()
        positions = {ORDERS: at, SHIPMENTS: version, PAYMENTS: paid, RETURNS: paid}
        return tuple(
            Cursor(self._name, stream.name, position, began_ms) for stream, position in positions.items()
        )

    # -- orders -------------------------------------------------------------------------------

    def check_fields(self, fields: Sequence[str]) -> None:
        for field in fields:
            if field not in FIELDS or field == REFERENCE:
                raise Misconfigured(
                    f"{field!r} is no field by which orders are found: use externalDocumentNumber, or number where the "
                    "company's own number of the order was made from the channel's"
                )

    async def find_orders(self, wanted: Mapping[str, Sequence[str]]) -> list[FoundOrder]:
        found: dict[str, FoundOrder] = {}
        for field, values in wanted.items():
            by = FIELDS[field]
            for one in await self._find(by, values):
                held = one.reference if by is EXTERNAL else rows.text(one.head, by[one.order is None])
                before = found.get(one.id)
                told = {**(before.values if before is not None else {}), field: held}
                found[one.id] = FoundOrder(
                    one.id,
                    one.reference or rows.text(one.head, by[one.order is None]) or one.id,
                    one.total,
                    rows.text(one.head, "status"),
                    # What carries no external document number is nobody's news, and no stream tells of an order's invoice
                    # that was written without the order.
                    followed=bool(one.reference) and not one.direct,
                    values=told,
                    gone=one.gone,
                    open=one.open,
                    number=one.number or rows.text(one.head, "number"),
                )
        return list(found.values())

    async def order_events(self, orders: Mapping[str, str]) -> list[Event]:
        references = {id_.lower(): reference for id_, reference in orders.items()}
        documents = await self._find(ID, references)
        try:
            units = await self._orders.units(documents, urgent=True)
            shipments = await self._orders.shipments(documents, urgent=True)
        except (Rejected, Conflict) as error:
            raise _refused(error) from error
        # Asked last, so that a level which is read from now on was true after it.
        erp_ms = (await self._readers.mark()).clock_ms
        separator = self._settings.variant_separator
        return [self._event(one, references[one.id], units[one.id], erp_ms) for one in documents] + [
            rows.shipment_event(self._name, {**row, "externalDocumentNumber": references[id_]}, separator)
            for id_, row in shipments
        ]

    def _event(
        self, one: Document, reference: str, units: Mapping[tuple[str, str], Decimal], erp_ms: int
    ) -> Event:
        """An order as it is now, told under another name.

        The figures contain it since its last edit, or at the latest since its reading. A stamp is set when a row is
        written and seen when the transaction ends, so the longest that one may take is added.
        """
        changed_ms = max(rows.instant(x.get("lastModifiedDateTime")) for x in (one.head, *one.invoices))
        body = rows.OrderRow(
            reference,
            one.id,
            rows.text(one.head, "status"),
            rows.text(one.head, "status"),
            tuple(Units(sku, at, f"{number:f}") for (sku, at), number in units.items()),
            changed_ms,
            min(erp_ms, changed_ms + self._settings.poll_overlap_s * 1000),
            account=rows.payer_of(one.head),
        )
        event_id = (
            f"order:{body.id}:{rows.digest(changed_ms, body.key, body.status, body.lines, body.account)}"
        )
        return Event(self._name, "erp_order.row", event_id, Via.POLL, changed_ms, msgspec.json.encode(body))

    # -- calls --------------------------------------------------------------------------------

    async def _find(self, by: tuple[str, str], values: Sequence[str] | Mapping[str, str]) -> list[Document]:
        try:
            return await self._orders.find(by, values, urgent=True)
        except (Rejected, Conflict) as error:
            raise _refused(error) from error

    async def _rows(self, entity: str, options: Mapping[str, str]) -> list[Row]:
        try:
            return await self._client.rows(entity, options)
        except (Rejected, Conflict) as error:
            raise _refused(error) from error

    async def _page(
        self, entity: str, options: Mapping[str, str], api: str = "v2.0"
    ) -> tuple[list[Row], str]:
        try:
            return await self._client.page(self._client.url(entity, options, api))
        except (Rejected, Conflict) as error:
            raise _refused(error) from error


def _refused(error: Exception) -> Retryable:
    """What refuses a read (a permission set, a page that is not there) can be mended while we wait."""
    return Retryable(f"Business Central refuses to be read: {error}")


def _customer(row: Row, fields: Sequence[str]) -> ListedCustomer:
    return ListedCustomer(
        rows.text(row, "id"),
        rows.text(row, "displayName"),
        rows.text(row, "email"),
        fields={name: rows.text(row, name) for name in fields},
    )


def _check(fields: Sequence[str], known: Sequence[str], what: str) -> None:
    for field in fields:
        if field not in known:
            raise Misconfigured(
                f"{field!r} is no field of {what} that can be asked for: use {', '.join(known)}"
            )
