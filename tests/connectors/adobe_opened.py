"""Our connector on a simulated Adobe Commerce shop, for the tests beside this file."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.connectors.adobe_world import ORIGIN, World

from syncline.connectors.adobe_commerce import CONNECTOR, AdobeCommerceSettings
from syncline.model.change import Cursor, LoggedEvent
from syncline.model.delivery import Item, Result
from syncline.model.payloads import CreateShipment, ReadOrder, SetStock
from syncline.model.records import Order, Shipment, ShipmentLine
from syncline.ports import Opening, System
from syncline.testing.bench import Wire

OAUTH = {
    "consumer_key": "ck-simulated-0123456789abcdef0123",
    "consumer_secret": "cs-simulated-0123456789abcdef0123",
    "access_token": "at-simulated-0123456789abcdef0123",
    "access_token_secret": "as-simulated-0123456789abcdef0123",
}
ADMIN = {"auth": "admin", "admin_user": "simulated", "admin_password": "simulated-Password-1"}
SINCE = "2026-01-01T00:00:00Z"


def settings(**more: Any) -> AdobeCommerceSettings:
    given: dict[str, Any] = {"base_url": ORIGIN, "orders_since": SINCE} | OAUTH | more
    return AdobeCommerceSettings(**given)


def opened(world: World, **more: Any) -> tuple[System, Wire]:
    wire = Wire(world.transport)
    return CONNECTOR.open(Opening("shop", settings(**more), world.clock, world.shop.rng, wire)), wire


def put(sku: str, quantity: int, source: str = "default", expected: int = 0) -> Item:
    return Item(f"{sku} {source}", SetStock(sku, sku, source, quantity, expected))


async def order_of(world: World, system: System, key: int) -> Order:
    await world.clock.sleep(3)
    (outcome,) = await system.sink.deliver("read_order", [Item(str(key), ReadOrder(str(key)))], "k")
    assert outcome.result is Result.DONE, outcome
    (change,) = system.source.decode(LoggedEvent(1, 0, outcome.facts["event"]))
    assert isinstance(change.value, Order)
    return change.value


def adds_up(order: Order) -> bool:
    goods = sum(line.unit_price * line.quantity - line.discount for line in order.lines)
    return goods + order.shipping + order.charges + order.tax == order.total


def parcel(key: int, *lines: tuple[str, str, int], tracking: tuple[str, ...] = ("1Z",)) -> Item:
    shipment = Shipment(f"if-{key}", f"shop-{key}", 0, (ShipmentLine("A", "1", Decimal(1)),), tracking, "UPS")
    return Item(str(key), CreateShipment(str(key), shipment, lines))


async def read(system: System, cursor: Cursor | None = None) -> tuple[list[str], Cursor]:
    keys: list[str] = []
    async for page in system.source.poll("orders", cursor):
        keys += [event.event_id.partition("@")[0] for event in page.events]
        cursor = page.cursor
    assert cursor is not None
    return keys, cursor
