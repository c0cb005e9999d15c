"""The deliveries that news of orders lead to: what an ERP has to be told of them, and what their channel has to hear.

All are facts of their own but one: what an ERP received for an order is one figure, which only grows. There is one
delivery for it, built from the newest figure, so that two payments never race each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from syncline.engine.routes import SEP, Route, Routes, parse_reference
from syncline.freshness.bounds import start_at
from syncline.model.change import Change, Flow
from syncline.model.records import ErpOrder, Order, Receipt, Return, Shipment


class Facts:
    """The deliveries of one batch."""

    def __init__(self, routes: Routes, systems: Sequence[str], now_ms: int) -> None:
        self._routes = routes
        self._systems = systems
        self._now_ms = now_ms
        self._made: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._touched: dict[tuple[str, str], dict[str, Any]] = {}

    @property
    def made(self) -> list[dict[str, Any]]:
        """Rows of ``delivery_fact``."""
        return list(self._made.values())

    @property
    def touched(self) -> list[dict[str, Any]]:
        """Rows of ``delivery_touch``."""
        return list(self._touched.values())

    def order(
        self, channel: str, order: Order, change: Change, *, changed: bool, previous: Order | None
    ) -> None:
        """An order was read whole: a revision if it ``changed``, and payments and refunds that are new."""
        for route in self._routes.of(Flow.ORDERS, source=channel):
            if changed:
                self._fact(route, "put_order", f"{order.key}{SEP}{change.version}", change.changed_at_ms)
            seen_payments = (
                {p.id for p in previous.payments} if previous is not None and previous.complete else set()
            )
            for payment in order.payments:
                if payment.id not in seen_payments:
                    self._fact(
                        route,
                        "put_payment",
                        f"{order.key}{SEP}{payment.id}",
                        max(payment.received_at_ms, order.placed_at_ms),
                    )
            seen_refunds = (
                {r.id for r in previous.refunds} if previous is not None and previous.complete else set()
            )
            for refund in order.refunds:
                if refund.id not in seen_refunds and refund.lines:
                    self._fact(route, "put_refund", f"{order.key}{SEP}{refund.id}", refund.created_at_ms)

    def erp(self, system: str, change: Change) -> None:
        """A record of an ERP is another one now, or is new."""
        value, changed_at_ms = change.value, change.changed_at_ms
        if isinstance(value, Shipment):
            for route, order_key in self._of(Flow.ORDER_STATUS, system, value.order_key):
                self._fact(route, "create_shipment", f"{order_key}{SEP}{value.key}", changed_at_ms)
        elif isinstance(value, Return):
            for route, order_key in self._of(Flow.RETURNS, system, value.order_key):
                self._fact(route, "create_refund", f"{order_key}{SEP}{value.key}", changed_at_ms)
        elif isinstance(value, ErpOrder) and value.cancelled:
            for route, order_key in self._of(Flow.ORDER_STATUS, system, value.key):
                self._fact(route, "cancel_order", order_key, changed_at_ms)
        elif isinstance(value, Receipt):
            for route, order_key in self._of(Flow.PAYMENTS, system, value.key):
                row = self._row(route, "record_payment", order_key, changed_at_ms)
                self._touched[route.sink, order_key] = {**row, "wanted": 1, "rev": 0}

    def _of(self, flow: Flow, system: str, reference: str) -> list[tuple[Route, str]]:
        """The routes by which a channel hears of its order, and the order's key there."""
        parsed = parse_reference(reference, self._systems)
        if parsed is None:
            return []
        return [(route, parsed[1]) for route in self._routes.of(flow, source=system, sink=parsed[0])]

    def _fact(self, route: Route, operation: str, key: str, changed_at_ms: int) -> None:
        if operation not in route.left_out:
            self._made[route.sink, operation, key] = self._row(route, operation, key, changed_at_ms)

    def _row(self, route: Route, operation: str, key: str, changed_at_ms: int) -> dict[str, Any]:
        return {
            "system": route.sink,
            "operation": operation,
            "key": key,
            "route": route.name,
            "changed_at_ms": changed_at_ms,
            "deliver_by_ms": changed_at_ms + route.tolerance_ms,
            "not_before_ms": start_at(changed_at_ms, route.tolerance_ms, self._now_ms),
            "now_ms": self._now_ms,
        }
