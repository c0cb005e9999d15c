"""What people inside the ERP do to prices: levels, quantity breaks, and customers' own prices.

None of it moves a stamp anywhere (contract sheet sections 4 and 5). Tables and columns: the same sheet; those of
``pricing`` are marked unsure there.
"""

from __future__ import annotations

from decimal import Decimal

from syncline.connectors.netsuite.simulator.state import Account

BASE_LEVEL = 1
CURRENCY = 1


class Prices:
    """Acts at once and synchronously; mixed into the simulator."""

    account: Account

    def set_base_price(self, sku: str, price: Decimal | str) -> None:
        """Change the price of the base level."""
        self.set_price(sku, price)

    def set_price(
        self,
        sku: str,
        price: Decimal | str | None,
        *,
        level: int = BASE_LEVEL,
        quantity: int = 0,
        currency: int = CURRENCY,
    ) -> None:
        """Set what a level says of an item from a quantity on; ``None`` takes the row away."""
        item = self.account.item_by_sku[sku]
        at = (item.id, level, quantity, currency)
        amount = None if price is None else Decimal(price)
        if (level, quantity, currency) == (BASE_LEVEL, 0, CURRENCY):
            item.base_price = amount
        if amount is None:
            self.account.prices.pop(at, None)
            self.account.later(
                "DELETE FROM pricing WHERE item=? AND pricelevel=? AND quantity=? AND currency=?", *at
            )
            return
        self.account.prices[at] = amount
        self.account.later(
            "INSERT OR REPLACE INTO pricing VALUES(?,?,?,?,?)", *at[:3], float(amount), currency
        )

    def add_price_level(self, name: str) -> int:
        """Add a price level; the first after the base level is 2."""
        level = self.account.next_price_level
        self.account.next_price_level += 1
        self.account.later("INSERT INTO pricelevel VALUES(?,?,'F')", level, name)
        return level

    def set_customer_price(
        self,
        customer_id: int,
        sku: str,
        price: Decimal | str | None = None,
        *,
        level: int | None = None,
        currency: int = CURRENCY,
    ) -> None:
        """Agree on a price with a customer, or on the level at which an item is bought; neither ends the agreement."""
        item = self.account.item_by_sku[sku]
        at = (customer_id, item.id, currency)
        if price is None and level is None:
            self.account.customer_prices.pop(at, None)
            self.account.later(
                "DELETE FROM customeritempricing WHERE customer=? AND item=? AND currency=?", *at
            )
            return
        amount = None if price is None else Decimal(price)
        self.account.customer_prices[at] = (level, amount)
        self.account.later(
            "INSERT OR REPLACE INTO customeritempricing VALUES(?,?,?,?,?)",
            customer_id,
            item.id,
            -1 if level is None else level,
            None if amount is None else float(amount),
            currency,
        )

    # -- truth --------------------------------------------------------------------------------

    def price(
        self, sku: str, *, level: int = BASE_LEVEL, quantity: int = 0, currency: int = CURRENCY
    ) -> Decimal | None:
        """What a level says of an item from exactly this quantity on; ``None``: there is no such row."""
        item = self.account.item_by_sku[sku]
        return self.account.prices.get((item.id, level, quantity, currency))

    def customer_price(self, customer_id: int, sku: str, *, currency: int = CURRENCY) -> Decimal | None:
        """What a customer has agreed on for an item; ``None``: nothing."""
        item = self.account.item_by_sku[sku]
        found = self.account.customer_prices.get((customer_id, item.id, currency))
        if found is None:
            return None
        level, amount = found
        return self.price(sku, level=level, currency=currency) if amount is None and level else amount
