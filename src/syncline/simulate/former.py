"""How the connector before ours wrote to each ERP: what it left there, and what stands there for an order of the shop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from syncline.connectors.business_central.simulator import BusinessCentralSimulator
from syncline.connectors.files.simulator import Partner
from syncline.connectors.files.simulator.partner import Order as Booked
from syncline.connectors.netsuite.simulator import NetSuiteSimulator
from syncline.connectors.shopify.simulator import OrderRecord
from syncline.engine.adoption import AdoptRules
from syncline.engine.routes import reference_of
from syncline.model.copying import replace
from syncline.ports import Clock
from syncline.simulate.sides.files import FilesSide
from syncline.simulate.sides.ports import ErpSide, Place

Line = tuple[str, Place, int, Decimal]  # SKU, location, units, price of each


class Former(Protocol):
    """The books of one ERP, as somebody else keeps them. ``never``: of what odd there is none, by the names of ``Past``."""

    rules: AdoptRules
    never: tuple[str, ...]

    def settings(self, settings: Any) -> Any:
        """What is set for a take-over, besides the usual."""

    def add_item(self, sku: str, title: str, price: Decimal, barcode: str) -> None:
        """An item with its barcode."""

    def export(self, order: OrderRecord, lines: Sequence[Line], *, named: bool) -> Any:
        """Write an order of the shop; returns the ERP's id of it."""

    def held(self, order: OrderRecord, channel: str) -> list[Any]:
        """Every order that stands for one of the shop, whoever wrote it."""

    def ship(self, order_id: Any, tracking: str | None) -> None:
        """The warehouse ships it whole."""

    def payments(self) -> int:
        """How many were entered."""

    def leave(self) -> None:
        """What it leaves for whoever fetches it, where nobody can ask."""


class FormerNetSuite:
    """An external id of its own, and the order's name."""

    rules = AdoptRules(("sku", "barcode"), (("externalid", "SHOPIFY-{id}"), ("otherrefnum", "{name}")))
    never: tuple[str, ...] = ()

    def __init__(self, simulator: NetSuiteSimulator) -> None:
        self._erp = simulator

    def settings(self, settings: Any) -> Any:
        return replace(settings, orders_without_external_id=True)

    def add_item(self, sku: str, title: str, price: Decimal, barcode: str) -> None:
        self._erp.add_item(sku, title, price, fields={"upcCode": barcode})

    def export(self, order: OrderRecord, lines: Sequence[Line], *, named: bool) -> int:
        external_id = f"SHOPIFY-{order.id}" if named else None
        return self._erp.enter_order(lines, external_id=external_id, otherRefNum=order.name)

    def held(self, order: OrderRecord, channel: str) -> list[int]:
        names = {f"shopify-{order.id}", reference_of(channel, str(order.id))}
        return [
            txn.id
            for txn in self._erp.account.txns.values()
            if txn.record == "salesOrder"
            and (
                (txn.external_id or "").lower() in names
                or (txn.external_id is None and txn.fields.get("otherRefNum") == order.name)
            )
        ]

    def ship(self, order_id: int, tracking: str | None) -> None:
        self._erp.ship(order_id, tracking=tracking)

    def payments(self) -> int:
        return len(self._erp.deposits())

    def leave(self) -> None:
        """It is asked."""


class FormerCentral:
    """The order's name as its external document number: there is no other field that the API can be asked for."""

    rules = AdoptRules(("sku", "barcode"), (("externalDocumentNumber", "{name}"),))
    never: tuple[str, ...] = ("unnamed",)

    def __init__(self, simulator: BusinessCentralSimulator) -> None:
        self._erp = simulator

    def settings(self, settings: Any) -> Any:
        return settings

    def add_item(self, sku: str, title: str, price: Decimal, barcode: str) -> None:
        self._erp.add_item(sku, title, price)
        self._erp.edit_item(sku, gtin=barcode)

    def export(self, order: OrderRecord, lines: Sequence[Line], *, named: bool) -> str:
        del named
        told: Mapping[str, Any] = {"externalDocumentNumber": order.name}
        return self._erp.sell(
            [(sku, at, units) for sku, at, units, _ in lines],
            each=[{"unitPrice": price, "taxCode": "ZERO"} for *_, price in lines],
            **told,
        )

    def held(self, order: OrderRecord, channel: str) -> list[str]:
        found = self._erp.orders_by_reference()
        names = (order.name.upper(), reference_of(channel, str(order.id)).upper())
        return [one.id for name in names for one in found.get(name, ())]

    def ship(self, order_id: str, tracking: str | None) -> None:
        if order_id in self._erp.company.tables["salesOrders"]:
            self._erp.ship(order_id, tracking=tracking or "")

    def payments(self) -> int:
        return len(self._erp.payments())

    def leave(self) -> None:
        """It is asked."""


class FormerFiles:
    """The order's name as the reference under which the partner booked it, once: it has no other field, and no barcodes."""

    rules = AdoptRules(("sku",), (("reference", "{name}"),))
    never: tuple[str, ...] = ("unnamed", "twice", "by_barcode")

    def __init__(self, partner: Partner, clock: Clock) -> None:
        self._partner = partner
        self._clock = clock

    def settings(self, settings: Any) -> Any:
        return settings

    def add_item(self, sku: str, title: str, price: Decimal, barcode: str) -> None:
        """An item is what has a shelf."""

    def export(self, order: OrderRecord, lines: Sequence[Line], *, named: bool) -> str:
        now_ms = self._clock.now_ms()
        held: Counter[tuple[str, str]] = Counter()
        for sku, at, units, _ in lines:
            held[sku, at] += units
        booked = Booked(order.name, 1, held, booked_ms=now_ms, changed_ms=now_ms)
        booked.total = sum((price * units for _, _, units, price in lines), Decimal(0))
        self._partner.orders[order.name] = booked
        return order.name

    def held(self, order: OrderRecord, channel: str) -> list[str]:
        names = (order.name, reference_of(channel, str(order.id)))
        return [name for name in names if name in self._partner.orders]

    def ship(self, order_id: str, tracking: str | None) -> None:
        if tracking:
            self._partner.send(order_id, tracking)
        else:
            self._partner.ship(order_id)

    def payments(self) -> int:
        return len(self._partner.payments)

    def leave(self) -> None:
        partner = self._partner
        for job in (partner.leave_items, partner.leave_stock, partner.leave_status, partner.leave_parcels):
            job()


def former_of(side: ErpSide) -> Former:
    """What stood before ours in front of this ERP."""
    simulator = side.simulator
    if isinstance(side, FilesSide):
        return FormerFiles(side.partner, side.simulator.clock)
    if isinstance(simulator, BusinessCentralSimulator):
        return FormerCentral(simulator)
    assert isinstance(simulator, NetSuiteSimulator)
    return FormerNetSuite(simulator)
