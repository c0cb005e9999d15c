"""How the connector before ours wrote to each ERP: what it left there, and what stands there for an order of the shop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from syncline.connectors.business_central.simulator import BusinessCentralSimulator
from syncline.connectors.netsuite.simulator import NetSuiteSimulator
from syncline.connectors.shopify.simulator import OrderRecord
from syncline.engine.adoption import AdoptRules
from syncline.engine.routes import reference_of
from syncline.model.copying import replace
from syncline.simulate.sides.ports import Place

Line = tuple[str, Place, int, Decimal]  # SKU, location, units, price of each


class Former(Protocol):
    """The books of one ERP, as somebody else keeps them. ``unnamed``: an order can be there without a reference."""

    rules: AdoptRules
    unnamed: bool

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


class FormerNetSuite:
    """An external id of its own, and the order's name."""

    rules = AdoptRules(("sku", "barcode"), (("externalid", "SHOPIFY-{id}"), ("otherrefnum", "{name}")))
    unnamed = True

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


class FormerCentral:
    """The order's name as its external document number: there is no other field that the API can be asked for."""

    rules = AdoptRules(("sku", "barcode"), (("externalDocumentNumber", "{name}"),))
    unnamed = False

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


def former_of(simulator: object) -> Former:
    """What stood before ours in front of this ERP."""
    if isinstance(simulator, BusinessCentralSimulator):
        return FormerCentral(simulator)
    assert isinstance(simulator, NetSuiteSimulator)
    return FormerNetSuite(simulator)
