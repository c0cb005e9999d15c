"""Reading whole orders: a few at once, with everything that did not fit fetched page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from msgspec import Struct, structs

from syncline.connectors.shopify import documents, wire
from syncline.connectors.shopify.client import Client
from syncline.connectors.shopify.documents import Document
from syncline.model.errors import Retryable

PAGES_MAX = 200  # 1,112 lines are 15 pages; the rest is for orders split over many locations

T = TypeVar("T")


class _LinesOrder(Struct, frozen=True, rename="camel"):
    updated_at: wire.Moment
    line_items: wire.Connection[wire.Line]


class _Lines(Struct, frozen=True):
    order: _LinesOrder | None = None


class _FulfillmentsOrder(Struct, frozen=True, rename="camel"):
    updated_at: wire.Moment
    fulfillment_orders: wire.Connection[wire.FulfillmentOrder]


class _FulfillmentOrders(Struct, frozen=True):
    order: _FulfillmentsOrder | None = None


class _FulfillmentLinesNode(Struct, frozen=True, rename="camel"):
    line_items: wire.Connection[wire.FulfillmentOrderLine]


class _FulfillmentLines(Struct, frozen=True):
    node: _FulfillmentLinesNode | None = None


class _MoneyOrder(Struct, frozen=True, rename="camel"):
    updated_at: wire.Moment
    transactions: tuple[wire.Transaction, ...]
    refunds: tuple[wire.Ref, ...]


class _Money(Struct, frozen=True):
    order: _MoneyOrder | None = None


class _RefundNode(Struct, frozen=True):
    node: wire.GqlRefund | None = None


class _RefundLinesNode(Struct, frozen=True, rename="camel"):
    refund_line_items: wire.Connection[wire.RefundedLine]


class _RefundLines(Struct, frozen=True):
    node: _RefundLinesNode | None = None


class OrderReader:
    """Reads orders of one shop. Reading has no effect and may be repeated at will."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, keys: Sequence[str], *, urgent: bool) -> list[wire.GqlOrder | None]:
        """Read the first part of several orders in one call; ``None`` for one that does not exist."""
        answer = await self._client.call(
            documents.read_orders(len(keys)),
            {f"o{i}": f"gid://shopify/Order/{key}" for i, key in enumerate(keys)},
            dict[str, wire.GqlOrder | None],
            urgent=urgent,
        )
        return [answer.get(f"o{i}") for i in range(len(keys))]

    async def complete(self, order: wire.GqlOrder, *, urgent: bool) -> wire.GqlOrder:
        """Fetch what did not fit into the first part.

        Raises:
            Retryable: the order changed while it was being read, so its parts do not belong together.
        """
        lines = order.line_items
        if lines.page_info.has_next_page:
            lines = await self._more_lines(order, urgent=urgent)
        fulfillment_orders = order.fulfillment_orders
        if fulfillment_orders.page_info.has_next_page or any(
            entry.line_items.page_info.has_next_page for entry in fulfillment_orders.nodes
        ):
            fulfillment_orders = wire.Connection(
                tuple(await self._all_fulfillment_orders(order, urgent=urgent)),
            )
        transactions, refunds = order.transactions, order.refunds
        if len(transactions) >= documents.TRANSACTIONS_FIRST or len(refunds) >= documents.REFUNDS_FIRST:
            money = await self._get(documents.ORDER_MONEY, order, _Money, urgent=urgent)
            transactions = money.transactions
            known = {refund.id: refund for refund in refunds}
            refunds = tuple(
                [known.get(ref.id) or await self._refund(ref.id, urgent=urgent) for ref in money.refunds]
            )
            if max(len(transactions), len(refunds)) >= documents.LIST_MAX:
                raise Retryable(
                    f"order {order.name} has {documents.LIST_MAX} or more transactions or refunds, "
                    "more than can be read; nothing of it was taken over",
                )
        refunds = tuple([await self._whole_refund(refund, urgent=urgent) for refund in refunds])
        return structs.replace(
            order,
            line_items=lines,
            fulfillment_orders=fulfillment_orders,
            transactions=transactions,
            refunds=refunds,
        )

    async def fulfillment_orders(
        self, key: str, page: wire.Connection[wire.FulfillmentOrder], *, urgent: bool
    ) -> list[wire.FulfillmentOrder]:
        """All fulfilment orders of an order with all their lines, from their first page on."""
        found: list[wire.FulfillmentOrder] = []
        after: str | None = None
        for _ in range(PAGES_MAX):
            found.extend([await self._all_lines(entry, urgent=urgent) for entry in page.nodes])
            if not page.page_info.has_next_page:
                return found
            after = _next(page.page_info, after)
            answer = await self._client.call(
                documents.ORDER_FULFILLMENT_ORDERS,
                {"id": f"gid://shopify/Order/{key}", "after": after},
                _FulfillmentOrders,
                urgent=urgent,
            )
            if answer.order is None:
                raise Retryable(f"order {key} went away while it was being read")
            page = answer.order.fulfillment_orders
        raise Retryable(f"reading the fulfilment orders of order {key} did not end after {PAGES_MAX} pages")

    async def _get(
        self, document: Document, order: wire.GqlOrder, answer: type[Any], *, urgent: bool, **more: Any
    ) -> Any:
        """Read another part of the order, as long as it is still the same revision."""
        part = (await self._client.call(document, {"id": order.id, **more}, answer, urgent=urgent)).order
        if part is None or part.updated_at != order.updated_at:
            raise Retryable(f"order {order.name} changed while it was being read")
        return part

    async def _more_lines(self, order: wire.GqlOrder, *, urgent: bool) -> wire.Connection[wire.Line]:
        nodes = list(order.line_items.nodes)
        info = order.line_items.page_info
        after: str | None = None
        for _ in range(PAGES_MAX):
            if not info.has_next_page:
                return wire.Connection(tuple(nodes))
            after = _next(info, after)
            page = (
                await self._get(documents.ORDER_LINES, order, _Lines, urgent=urgent, after=after)
            ).line_items
            nodes.extend(page.nodes)
            info = page.page_info
        raise Retryable(f"reading the lines of order {order.name} did not end after {PAGES_MAX} pages")

    async def _all_fulfillment_orders(
        self, order: wire.GqlOrder, *, urgent: bool
    ) -> list[wire.FulfillmentOrder]:
        first = order.fulfillment_orders
        found = [await self._all_lines(entry, urgent=urgent) for entry in first.nodes]
        info = first.page_info
        after: str | None = None
        for _ in range(PAGES_MAX):
            if not info.has_next_page:
                return found
            after = _next(info, after)
            part = await self._get(
                documents.ORDER_FULFILLMENT_ORDERS, order, _FulfillmentOrders, urgent=urgent, after=after
            )
            page = part.fulfillment_orders
            found.extend([await self._all_lines(entry, urgent=urgent) for entry in page.nodes])
            info = page.page_info
        raise Retryable(f"reading the fulfilment orders of {order.name} did not end after {PAGES_MAX} pages")

    async def _all_lines(self, entry: wire.FulfillmentOrder, *, urgent: bool) -> wire.FulfillmentOrder:
        nodes = list(entry.line_items.nodes)
        info = entry.line_items.page_info
        after: str | None = None
        for _ in range(PAGES_MAX):
            if not info.has_next_page:
                return structs.replace(entry, line_items=wire.Connection(tuple(nodes)))
            after = _next(info, after)
            answer = await self._client.call(
                documents.FULFILLMENT_ORDER_LINES,
                {"id": entry.id, "after": after},
                _FulfillmentLines,
                urgent=urgent,
            )
            if answer.node is None:
                raise Retryable(f"fulfilment order {entry.id} went away while it was being read")
            nodes.extend(answer.node.line_items.nodes)
            info = answer.node.line_items.page_info
        raise Retryable(f"reading the lines of {entry.id} did not end after {PAGES_MAX} pages")

    async def _refund(self, refund_id: str, *, urgent: bool) -> wire.GqlRefund:
        answer = await self._client.call(documents.REFUND, {"id": refund_id}, _RefundNode, urgent=urgent)
        if answer.node is None:
            raise Retryable(f"refund {refund_id} went away while its order was being read")
        return answer.node

    async def _whole_refund(self, refund: wire.GqlRefund, *, urgent: bool) -> wire.GqlRefund:
        nodes = list(refund.refund_line_items.nodes)
        info = refund.refund_line_items.page_info
        after: str | None = None
        for _ in range(PAGES_MAX):
            if not info.has_next_page:
                return structs.replace(refund, refund_line_items=wire.Connection(tuple(nodes)))
            after = _next(info, after)
            answer = await self._client.call(
                documents.REFUND_LINES, {"id": refund.id, "after": after}, _RefundLines, urgent=urgent
            )
            if answer.node is None:
                raise Retryable(f"refund {refund.id} went away while its order was being read")
            nodes.extend(answer.node.refund_line_items.nodes)
            info = answer.node.refund_line_items.page_info
        raise Retryable(f"reading the lines of {refund.id} did not end after {PAGES_MAX} pages")


def _next(info: wire.PageInfo, before: str | None) -> str:
    """The next page's cursor; a vendor that leads in circles is stopped at once."""
    if not info.end_cursor or info.end_cursor == before:
        raise Retryable("Shopify's paging leads in circles (the end cursor is empty or repeated)")
    return info.end_cursor
