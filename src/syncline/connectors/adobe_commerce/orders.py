"""Orders read whole: the order and the documents that were made for it, some orders at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from syncline.connectors.adobe_commerce import wire
from syncline.connectors.adobe_commerce.client import Client, Search
from syncline.connectors.adobe_commerce.wire import Found
from syncline.model.errors import Rejected, Retryable

PAGES_MAX = 100


class _Document(Protocol):
    @property
    def entity_id(self) -> int: ...

    @property
    def order_id(self) -> int: ...


D = TypeVar("D", bound=_Document)


class OrderReader:
    """Reads orders of one shop."""

    def __init__(self, client: Client, *, page_size: int) -> None:
        self._client = client
        self._page_size = page_size

    async def read(self, keys: Sequence[str]) -> dict[str, wire.WholeOrder | Rejected]:
        """Some orders by id; unknown ones are left out, and what cannot be understood spoils only itself."""
        search = Search(size=len(keys)).where(("entity_id", "in", ",".join(keys)))
        found = await self._client.get("orders", search.pairs(), Found[msgspec.Raw], urgent=True)
        orders: dict[str, wire.Order | Rejected] = {}
        for raw in found.items:
            key, order = _order(raw)
            orders[key] = order
        fit = [order for order in orders.values() if isinstance(order, wire.Order)]
        invoices = await self._documents(
            "invoices", Found[wire.Invoice], [o for o in fit if o.base_total_paid]
        )
        memos = await self._documents("creditmemos", Found[wire.Creditmemo], list(filter(_refunded, fit)))
        sent = [order for order in fit if any(item.qty_shipped for item in order.items)]
        shipments = await self._documents("shipments", Found[wire.Shipment], sent)
        return {
            key: order
            if isinstance(order, Rejected)
            else wire.WholeOrder(
                order,
                tuple(invoices[order.entity_id]),
                tuple(memos[order.entity_id]),
                tuple(shipments[order.entity_id]),
            )
            for key, order in orders.items()
        }

    async def _documents(
        self, path: str, kind: type[Found[D]], orders: Sequence[wire.Order]
    ) -> defaultdict[int, list[D]]:
        """The documents of some orders, in the order of their ids."""
        found: defaultdict[int, list[D]] = defaultdict(list)
        if not orders:
            return found
        ids = ",".join(str(order.entity_id) for order in orders)
        after = 0
        for _ in range(PAGES_MAX):
            search = Search(size=self._page_size).where(("order_id", "in", ids))
            search.where(("entity_id", "gt", str(after))).order("entity_id")
            page = await self._client.get(path, search.pairs(), kind, urgent=True)
            for row in page.items:
                found[row.order_id].append(row)
                after = max(after, row.entity_id)
            if page.total_count <= len(page.items):
                return found
        raise Retryable(f"reading {path} did not end after {PAGES_MAX} pages")


def _refunded(order: wire.Order) -> bool:
    """Whether it has credit memos; one may pay nothing back, where all of it went to a gift card."""
    paid = order.base_total_refunded or order.base_shipping_refunded
    return bool(paid or any(item.qty_refunded for item in order.items))


def _order(raw: msgspec.Raw) -> tuple[str, wire.Order | Rejected]:
    try:
        key = str(wire.decode(raw, wire.OrderStamp, "order").entity_id)
    except Rejected as error:
        raise Retryable(str(error)) from None
    try:
        return key, wire.decode(raw, wire.Order, f"order {key}")
    except Rejected as error:
        return key, error
