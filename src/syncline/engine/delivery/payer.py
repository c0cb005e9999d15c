"""For which of an ERP's customers an order is booked.

An order that was approved on an account's credit is booked for that account: its invoice is in the balance that the next
question is judged by. One without an approval is booked for its buyer, as far as it is known who that is. Where both are known
and differ, the route of credit says what becomes of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from syncline.credit.rules import Conflict
from syncline.engine.adoption import Adoption
from syncline.engine.apply.credit import claims_of, marks, ordered_writes
from syncline.engine.routes import Routes
from syncline.model.change import Flow
from syncline.model.records import Customer, Order
from syncline.ports import Store, Write


@dataclass(frozen=True, slots=True)
class Payer:
    """The ERP's id of the customer who is to pay; "": the ERP's side finds or makes one by our reference of the buyer.

    ``conflict``: why nobody can say who it is, so that the order has to wait. ``writes`` go with the intent: they have the
    order count where it is booked.
    """

    account: str = ""
    conflict: str = ""
    writes: tuple[Write, ...] = ()


class Payers:
    """Decides for the orders that one ERP is sent."""

    def __init__(self, store: Store, routes: Routes, adoption: Adoption, system: str) -> None:
        self._store = store
        self._routes = routes
        self._adoption = adoption
        self._system = system
        self._credit = {route.sink: route for route in routes.of(Flow.CREDIT, source=system)}

    async def of(self, channel: str, order: Order, customer: Customer | None, now_ms: int) -> Payer:
        """Who pays for an order that the ERP does not have yet; ``customer`` is its buyer by our reference."""
        buyer = await self._adoption.customer(self._system, customer)
        route = self._credit.get(channel)
        if route is None:
            return Payer(buyer)
        claimed = (await claims_of(self._store, route, [order])).get(order.key)
        if claimed is None:
            return Payer(buyer)
        account = self._routes.heir(self._system, claimed.account)
        if buyer and buyer != account:
            if route.credit.conflict is Conflict.PARK:
                return Payer(
                    conflict=f"it was approved on the credit of {account}, but its buyer is {buyer}; correct who the buyer "
                    "is, or say in the route of credit, as conflict, whose such orders are"
                )
            if route.credit.conflict is Conflict.BUYER:
                account = buyer
        if claimed.own and claimed.account == account:
            return Payer(account)
        accounts = (claimed.account, account)
        return Payer(
            account,
            writes=(
                *ordered_writes(route, [(order, account)], now_ms),
                *marks(self._routes.of(Flow.CREDIT), self._system, accounts, now_ms),
            ),
        )
