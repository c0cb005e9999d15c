"""A marketplace with nothing but files in the play of money and goods: it pays, and is told what an ERP received and took back."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

from tests.simulation.money_play import SKUS, STOCK, Play, Seen

from syncline.ports import System
from syncline.simulate.sides.market import MarketSide
from syncline.simulate.transport import AsgiTransport


class Market:
    """The marketplace and its buyers. Its own people give nothing back: no file would tell of that."""

    def __init__(self, play: Play, apps: AsgiTransport) -> None:
        rng = Random(play.rng.getrandbits(64))
        self.side = MarketSide(clock=play.clock, rng=rng, transport=play.inbound, sockets=False)
        self.sim, self.market = self.side.simulator, self.side.market
        for origin in self.side.origins():
            apps.register(origin, self.sim)
        self.place = self.side.add_place("Reading")
        for sku in SKUS:
            self.side.add_product(sku, sku, Decimal("10.00"), {self.place: STOCK})

    def open(self, opening: Any) -> System:
        return self.side.connector.open(opening(self.side.settings()))

    async def connect(self, system: System) -> None:
        """Files tell nobody that they are there."""

    def buy(self, cart: dict[str, int], *, paid: bool) -> str:
        return self.market.buy({(sku, self.place): units for sku, units in cart.items()}, paid=paid)

    def cancelled(self, key: str) -> bool:
        return self.market.orders[key].cancelled or key in self.market.called_off

    def cancel(self, key: str) -> bool:
        return self.side.cancel(int(key), restock=True)

    def shipped(self, key: str) -> dict[int, int]:
        order = self.market.orders[key]
        whole = order.sent == order.wanted
        return {line: units for line, (_, _, units) in order.lines.items()} if whole else {}

    def payments(self) -> list[Seen]:
        orders = self.market.orders.values()
        own = [Seen(order.number, "1", order.paid, "") for order in orders if order.paid]
        return own + [Seen(x.number, "told", x.received, "by the ERP") for x in orders if x.received]

    def refunds(self) -> list[Seen]:
        return [
            Seen(order, number, money, f"erp return {number}", units)
            for number, (order, units, money) in self.market.returns.items()
        ]

    def offered(self, sku: str) -> int:
        return self.side.shown(sku, self.place)


class MarketPlay(Play):
    """A play at which nobody at the channel gives anything back."""

    def give_back(self, key: str) -> bool:
        return False


__all__ = ["Market", "MarketPlay"]
