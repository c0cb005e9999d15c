"""Sales orders as a company keeps them: open, or invoiced whole, when the product deletes them.

What an order leaves then are its posted invoices, which name it (``orderNumber``, and ``orderId`` where the order was there
when the invoice was listed) and carry its external document number, and its shipments. So whoever looks for an order has to
look among both.

Sources: filters are those of Microsoft, "Using filter expressions in OData URIs": ``eq``, ``ge``, ``gt``, ``and``,
``startswith``, and ``or`` on one field only. Fields: *APIV2 - Sales Orders*, *APIV2 - Sales Invoices*; ``UpdateOrderId`` of *Sales Invoice Entity Aggregate*.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from syncline.connectors.business_central.client import Client, Row, quoted
from syncline.connectors.business_central.manifest import EXTENSION, BusinessCentralSettings
from syncline.connectors.business_central.places import Places
from syncline.connectors.business_central.rows import NO_GUID, in_base_units, sku_of, text
from syncline.model.errors import Retryable
from syncline.model.records import ZERO

NAMES_PER_CALL = 20  # a filter that names them stays within 2,000 characters
EXTERNAL_CHARS_MAX = 35  # of an external document number; what is longer cannot be there
CENT = Decimal("0.01")
CANCELED: Final = ("Canceled", "Corrective")  # invoices that were taken back, and what takes them back
DRAFTS: Final = ("Draft", "In_x0020_Review")

# By what an order is found: its own field, and that of the invoices that it leaves.
ID = ("id", "orderId")
NUMBER = ("number", "orderNumber")
EXTERNAL = ("externalDocumentNumber", "externalDocumentNumber")

Place = tuple[str, str]  # SKU, code of the location


@dataclass(frozen=True, slots=True)
class Document:
    """One sales order. ``id`` is its own, also after it was deleted; that of its first invoice where nothing tells it.

    ``order`` has its lines, and is ``None`` where it is not there any more; ``invoices`` are posted ones, the newest last.
    """

    id: str
    order: Row | None
    invoices: tuple[Row, ...]

    @property
    def head(self) -> Row:
        """The row that says most of it."""
        return self.order if self.order is not None else self.invoices[-1]

    @property
    def reference(self) -> str:
        """Its external document number, as it is held."""
        return text(self.head, "externalDocumentNumber")

    @property
    def number(self) -> str:
        """The company's own number of the order; "" where there was none."""
        return text(self.order, "number") if self.order is not None else text(self.invoices[0], "orderNumber")

    @property
    def direct(self) -> bool:
        """Whether it was written as an invoice without an order."""
        return (
            self.order is None
            and order_of(self.invoices[0]) == ""
            and not text(self.invoices[0], "orderNumber")
        )

    @property
    def counting(self) -> tuple[Row, ...]:
        """The invoices that were not taken back."""
        return tuple(row for row in self.invoices if text(row, "status") not in CANCELED)

    @property
    def total(self) -> Decimal:
        """What it comes to, tax included."""
        if self.order is not None:
            return amount(self.order, "totalAmountIncludingTax").quantize(CENT)
        sums = (amount(row, "totalAmountIncludingTax") for row in self.counting)
        return sum(sums, ZERO).quantize(CENT)

    @property
    def gone(self) -> bool:
        """Whether nothing of it is wanted any more: every quantity was taken off, or every invoice taken back."""
        if self.order is None:
            return not self.counting
        lines = _goods(self.order)
        return bool(lines) and not any(amount(line, "quantity") > 0 for line in lines)

    @property
    def open(self) -> bool:
        """Whether goods of it are still to leave."""
        if self.order is None:
            return any(text(row, "status") in DRAFTS for row in self.invoices)
        lines = _goods(self.order)
        return any(amount(line, "quantity") > amount(line, "shippedQuantity") for line in lines)


class Orders:
    """Finds orders of one company, wherever they are by now. Reading has no effect."""

    def __init__(self, settings: BusinessCentralSettings, client: Client, places: Places) -> None:
        self._settings = settings
        self._client = client
        self._places = places

    async def find(
        self, by: tuple[str, str], values: Iterable[str], *, urgent: bool = False
    ) -> list[Document]:
        """The orders with one of these values in a field: ``ID``, ``NUMBER`` or ``EXTERNAL``; case does not matter.

        Raises:
            Rejected: the product refuses to be read; else what ``Client.rows`` raises.
        """
        most = EXTERNAL_CHARS_MAX if by is EXTERNAL else 20 if by is NUMBER else 36
        wanted = [value for value in dict.fromkeys(values) if 0 < len(value) <= most]
        found: list[Document] = []
        for start in range(0, len(wanted), NAMES_PER_CALL):
            some = wanted[start : start + NAMES_PER_CALL]
            # Orders first: one that is invoiced whole in between is found by its invoice.
            orders = await self._client.rows(
                "salesOrders", {"filter": _any(by[0], some), "expand": "salesOrderLines"}, urgent=urgent
            )
            invoices = await self._client.rows(
                "salesInvoices", {"filter": _any(by[1], some), "orderby": "number"}, urgent=urgent
            )
            if by is ID:
                there = {text(row, "id").lower() for row in orders} | {order_of(row) for row in invoices}
                left = [value for value in some if value.lower() not in there]
                invoices += await self._by_invoice(left, urgent=urgent)
            found += together(orders, invoices)
        return found

    async def _by_invoice(self, ids: Sequence[str], *, urgent: bool) -> list[Row]:
        """All invoices of the orders that have no other id than that of their first one."""
        if not ids:
            return []
        first = await self._client.rows("salesInvoices", {"filter": _any("id", ids)}, urgent=urgent)
        numbers = [number for row in first if (number := text(row, "orderNumber"))]
        found = [row for row in first if not text(row, "orderNumber")]
        if numbers:
            options = {"filter": _any("orderNumber", numbers), "orderby": "number"}
            found += await self._client.rows("salesInvoices", options, urgent=urgent)
        return found

    async def units(
        self, documents: Sequence[Document], *, urgent: bool = False
    ) -> dict[str, dict[Place, Decimal]]:
        """Base units of each order by its id, by SKU and location: what it still takes or took.

        All units of a line count, those that were shipped too. A line in another unit than the item's base unit counts for
        nothing: the API does not tell how many of them it has. Of an order that is deleted its shipments tell; one that was
        taken back took nothing.
        """
        found: dict[str, dict[Place, Decimal]] = {}
        for document in documents:
            units: defaultdict[Place, Decimal] = defaultdict(Decimal)
            if document.order is not None:
                await self._of_lines(document.order, units, urgent=urgent)
            found[document.id] = units
        gone = {document.id for document in documents if document.gone}
        deleted = [document for document in documents if document.order is None]
        for id_, row in await self.shipments(deleted, urgent=urgent):
            for line in row.get("shipmentLines") or ():
                if line.get("itemNumber"):
                    sku = sku_of(
                        text(line, "itemNumber"), text(line, "variantCode"), self._settings.variant_separator
                    )
                    # An undone shipment has a line below zero for each line that it takes back.
                    found[id_][sku, text(line, "locationCode")] += amount(line, "quantityBase")
        return {
            id_: dict.fromkeys(units, ZERO) if id_ in gone else dict(units) for id_, units in found.items()
        }

    async def shipments(
        self, documents: Sequence[Document], *, urgent: bool = False
    ) -> list[tuple[str, Row]]:
        """What was shipped of some orders, as our extension tells it, with the order's id."""
        numbers = {number: one.id for one in documents if (number := one.number)}
        found: list[tuple[str, Row]] = []
        names = list(numbers)
        for start in range(0, len(names), NAMES_PER_CALL):
            options = {
                "filter": _any("orderNumber", names[start : start + NAMES_PER_CALL]),
                "expand": "shipmentLines",
            }
            rows = await self._client.rows("shipments", options, api=EXTENSION, urgent=urgent)
            found += [(numbers[text(row, "orderNumber")], row) for row in rows]
        return found

    async def _of_lines(self, order: Row, units: defaultdict[Place, Decimal], *, urgent: bool) -> None:
        lines = _goods(order)
        codes, variants = await self._places.known(lines, urgent=urgent)
        base = await self._places.units([text(line, "itemId") for line in lines], urgent=urgent)
        for line in lines:
            if not in_base_units(line, base):
                continue
            variant = variants.get(text(line, "itemVariantId"), "")
            sku = sku_of(text(line, "lineObjectNumber"), variant, self._settings.variant_separator)
            units[sku, codes.get(text(line, "locationId"), "")] += max(ZERO, amount(line, "quantity"))


def together(orders: Iterable[Row], invoices: Iterable[Row]) -> list[Document]:
    """The orders that some rows stand for: an invoice belongs to the order that it names, by its id or else its number."""
    open_ = {text(row, "id").lower(): row for row in orders}
    named = {text(row, "number"): id_ for id_, row in open_.items()}
    posted: defaultdict[str, list[Row]] = defaultdict(list)
    for row in invoices:
        number = text(row, "orderNumber")
        id_ = order_of(row) or named.get(number, "") or text(row, "id").lower()
        if number:
            id_ = named.setdefault(number, id_)
        posted[id_].append(row)
    return [
        Document(id_, open_.get(id_), tuple(posted.get(id_, ()))) for id_ in dict.fromkeys([*open_, *posted])
    ]


def order_of(invoice: Row) -> str:
    """The id of the order that an invoice names; "" if it names none."""
    return text(invoice, "orderId").replace(NO_GUID, "").lower()


def amount(row: Row, name: str) -> Decimal:
    """A number of a row.

    Raises:
        Retryable: it is none.
    """
    value = row.get(name)
    try:
        number = Decimal(str(value or 0))
    except InvalidOperation as error:
        raise Retryable(f"Business Central states {name} {str(value)[:40]!r}.") from error
    if not number.is_finite():
        raise Retryable(f"Business Central states {name} {str(value)[:40]!r}.")
    return number


def _goods(order: Row) -> list[Row]:
    return [line for line in order.get("salesOrderLines") or () if line.get("lineType") == "Item"]


def _any(field: str, values: Sequence[str]) -> str:
    shown = values if field in ID else [quoted(value) for value in values]
    return " or ".join(f"{field} eq {value}" for value in shown)


__all__ = ["EXTERNAL", "ID", "NUMBER", "Document", "Orders", "amount", "order_of", "together"]
