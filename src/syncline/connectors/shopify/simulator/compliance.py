"""The webhooks about the personal data of customers, which every app on the App Store has to take.

They are subscribed in the app's configuration and are no topics of the Admin API. From shopify.dev
"privacy-law-compliance", read 2026-11-22: the three bodies; that a request to redact comes ten days after it was made,
and not before six months have passed since the customer's last order; and that a shop's comes 48 hours after it
uninstalled the app. What the shop's own records say of a customer afterwards is not said there, and stays here as it is.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from syncline.connectors.shopify.simulator.commerce import Commerce
from syncline.connectors.shopify.simulator.records import COMPLIANCE_TOPICS, OrderRecord, Subscription

DAY_S = 86_400.0
REDACT_AFTER_S = 10 * DAY_S
REDACT_AFTER_ORDER_S = 183 * DAY_S  # six months
SHOP_AFTER_S = 2 * DAY_S
SHOP_ID = 954_889
API_VERSION = "2026-07"


class Complying(Commerce):
    """What a merchant asks for in the admin, and what leaving an app leads to."""

    def subscribe_compliance(self, uri: str) -> None:
        """Name an address for the three topics, in the app's configuration."""
        now_ms = self.clock.now_ms()
        for topic in COMPLIANCE_TOPICS:
            number = self.state.new_id()
            made = Subscription(number, topic, uri, now_ms, now_ms, API_VERSION)
            self.hooks.of_the_app[number] = made

    def request_customer_data(self, customer: int) -> None:
        """A customer wants to know what is held of them: apps are told at once."""
        number = self.state.new_id()
        body = {
            **self._about(customer, "orders_requested"),
            "data_request": {"id": number},
        }
        self._tell("customers/data_request", body)

    def redact_customer(self, customer: int, *, wait_s: float | None = None) -> None:
        """A customer wants to be forgotten: apps are told when the time for it has come, or after ``wait_s`` instead."""
        last_ms = max(
            (order.created_ms for order in self._orders_of(customer)),
            default=-int(REDACT_AFTER_ORDER_S * 1000),
        )
        since_s = (self.clock.now_ms() - last_ms) / 1000
        usual_s = max(REDACT_AFTER_S, REDACT_AFTER_ORDER_S - since_s)
        body = self._about(customer, "orders_to_redact")
        after_s = usual_s if wait_s is None else wait_s
        self.clock.after(after_s, partial(self._tell, "customers/redact", body))

    def uninstall(self, *, wait_s: float = SHOP_AFTER_S) -> None:
        """The shop leaves the app, which is told a while later."""
        self.clock.after(wait_s, partial(self._tell, "shop/redact", self._shop()))

    def _tell(self, topic: str, body: dict[str, Any]) -> None:
        self.hooks.emit(topic, self.hooks.new_event(), lambda: body)

    def _shop(self) -> dict[str, Any]:
        return {"shop_id": SHOP_ID, "shop_domain": self.shop}

    def _orders_of(self, customer: int) -> list[OrderRecord]:
        return [
            order
            for order in self.state.orders.values()
            if order.customer is not None and order.customer.id == customer
        ]

    def _about(self, customer: int, orders: str) -> dict[str, Any]:
        buyer = self.state.customers[customer].buyer
        return {
            **self._shop(),
            "customer": {"id": customer, "email": buyer.email, "phone": buyer.phone},
            orders: [order.id for order in self._orders_of(customer)],
        }
