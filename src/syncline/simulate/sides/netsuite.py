"""A simulated NetSuite account in a played world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random

from syncline.connectors.netsuite import CONNECTOR, NetSuiteSettings
from syncline.connectors.netsuite.simulator import NetSuiteSimulator, OrderTruth, make_certificate
from syncline.ports import Clock, Transport
from syncline.simulate.licence import USUAL_LICENCE, Licence
from syncline.simulate.sides.ports import BookedLine, BookedOrder, ErpSide, Parcel, Place

PUSH_SECRET = "simulated-push-secret-0123456789"  # noqa: S105 (opens nothing but a simulator)
ZONE = "America/Los_Angeles"
TIER = "enterprise"
SUITECLOUD_PLUS = 4
SLOTS = 60  # enterprise 20 + four SuiteCloud Plus licences at 10: NetSuite help, concurrency governance
CALLS_PER_ORDER = 4  # customer, order, its total read back, deposit
ANSWER_S = 1.75  # the middle of the assumed 0.5 to 3 s
USABLE = 0.75  # of the slots: the rest is for reads, revisions and bad luck
CENT = Decimal("0.01")
PHONE = "+44 118 000 0000"
BILLABLE, BILLED = "F", "G"  # statuses of a sales order


class NetSuiteSide(ErpSide):
    """One account, with the script that pushes changes."""

    connector = CONNECTOR
    licence = f"NetSuite with {SLOTS} concurrent calls"
    unit = "at once"
    calls_max = SLOTS
    subscribes = False
    strict = False  # the checkers name what counts
    spared: frozenset[str] = frozenset()
    orders_per_s = USABLE * SLOTS / (CALLS_PER_ORDER * ANSWER_S)
    calls_refused = False
    own_list = "level:1"

    def __init__(
        self,
        *,
        clock: Clock,
        rng: Random,
        transport: Transport,
        sockets: bool,
        licence: Licence = USUAL_LICENCE,
    ) -> None:
        self._slots = licence.ours or SLOTS
        self.private_key, public_key, self._kid = make_certificate()
        self.simulator: NetSuiteSimulator = NetSuiteSimulator(
            clock=clock,
            rng=rng,
            transport=transport,
            tier=licence.name or TIER,
            suitecloud_plus=0 if licence.name else SUITECLOUD_PLUS,
            certificates={self._kid: public_key},
            timezone=ZONE,
        )
        self._tax_item = self.simulator.add_item(
            "SHOP-TAX", "Sales tax from the shop", None, kind="OthCharge", role="tax"
        )
        self._web_customer = self.simulator.add_customer("web-customer", companyname="Web customer")
        self.catalog_fields: dict[str, str] = {}

    def origins(self) -> list[str]:
        return [self.simulator.origin]

    def serve_at(self, url: str) -> None:
        """It answers under whatever address it is asked."""

    def settings(self, url: str = "") -> NetSuiteSettings:
        return NetSuiteSettings(
            account=self.simulator.account_id,
            client_id="syncline-demo-client",
            certificate_id=self._kid,
            private_key=self.private_key,
            base_url=url,
            push_secrets=(PUSH_SECRET,),
            timezone=ZONE,
            slots=self._slots,
            tax="keep",
            tax_item=str(self._tax_item),
            web_customer=str(self._web_customer),
            catalog_fields=self.catalog_fields,
        )

    def listen(self, url: str) -> None:
        self.simulator.configure_push(url, [PUSH_SECRET])

    def quiet(self) -> bool:
        return self.simulator.pushes_in_flight() == 0

    def revoke(self) -> None:
        self.simulator.revoke_tokens()

    def digest(self) -> str:
        return self.simulator.state_digest()

    def check(self) -> list[str]:
        try:
            self.simulator.check_identities()
        except AssertionError as error:
            return [str(error)]
        return []

    # --- goods ------------------------------------------------------------------------------------

    def spelt(self, sku: str) -> str:
        return sku

    def add_place(self, name: str) -> int:
        return self.simulator.add_location(name)

    def add_item(self, sku: str, title: str, price: Decimal) -> None:
        self.simulator.add_item(sku, title, price)

    def open_with(self, sku: str, at: Place, quantity: int) -> None:
        self.simulator.opening_balance(sku, at, quantity)

    def set_safety_stock(self, sku: str, at: Place, units: int) -> None:
        self.simulator.set_safety_stock(sku, at, units)

    def safety_stock(self, sku: str, at: Place) -> int:
        return self.simulator.safety_stock(sku, at)

    def available(self, sku: str, at: Place) -> int:
        return self.simulator.available(sku, at)

    def backordered(self, sku: str, at: Place) -> int:
        return self.simulator.backordered(sku, at)

    def add_company(self, name: str, limit: Decimal) -> str:
        simulator = self.simulator
        made = simulator.add_customer(None, companyName=name, phone=PHONE, creditLimit=limit)
        simulator.add_contact(
            made, role=None, firstname="Buyer", lastname=str(made), email=f"purchasing-{made}@example.com"
        )
        simulator.add_address(
            made, label="Office", addr1="1 High Street", city="Reading", zip="RG1 1AA", country="GB",
            defaultbilling=True, defaultshipping=True,
        )  # fmt: skip
        return str(made)

    def owe(self, key: str, amount: Decimal) -> Decimal:
        self.simulator.edit_customer(int(key), balance=amount)
        return amount

    def open_contract(self) -> str:
        self._contract = self.simulator.add_customer("contract-1", companyname="Contract customer")
        return f"customer:{self._contract}"

    def agree(self, sku: str, price: Decimal) -> None:
        self.simulator.set_customer_price(self._contract, sku, price)

    def agreed(self, sku: str) -> Decimal:
        price = self.simulator.customer_price(self._contract, sku)
        assert price is not None
        return price

    def receive(self, goods: Sequence[tuple[str, int]], at: Place) -> None:
        self.simulator.receive(goods, at)

    def withdraw(self, sku: str, at: Place, units: int, by: str) -> int:
        return self.simulator.withdraw(sku, at, units, by=by)

    def transfer(self, sku: str, source: Place, target: Place, units: int) -> None:
        self.simulator.transfer(sku, source, target, units)

    # --- orders -----------------------------------------------------------------------------------

    def find(self, reference: str) -> int | None:
        return self.simulator.find_order(reference)

    def order(self, order_id: int) -> BookedOrder:
        return _booked(self.simulator.order(order_id))

    def orders(self) -> Mapping[str, Sequence[BookedOrder]]:
        return {
            reference.lower(): [_booked(order) for order in orders]
            for reference, orders in self.simulator.sales_orders_by_external_id().items()
        }

    def ready(self, order_id: int) -> bool:
        return True

    def ship(self, order_id: int, tracking: str, carrier: str) -> int:
        return len(self.simulator.ship(order_id, tracking=tracking, carrier=carrier))

    def paperwork(self) -> None:
        """A shipped order needs nothing more here."""

    def settle(self, order_id: int) -> Decimal | None:
        if self.simulator.order(order_id).status != BILLABLE:
            return None
        invoice = self.simulator.bill(order_id)
        self.simulator.settle(invoice)
        return self.simulator.account.txns[invoice].total

    def take_back(self, order_id: int) -> int:
        order = self.simulator.order(order_id)
        if order.status != BILLED:
            return 0
        number = next(n for n, line in enumerate(order.lines, 1) if line.role == "goods" and line.shipped)
        self.simulator.take_back(order_id, {number: 1})
        return 1

    def shipments(self) -> list[Parcel]:
        return [
            Parcel(
                (shipment.order_external_id or "").lower(),
                shipment.tracking[0][0] if shipment.tracking else None,
                sum(quantity for _, quantity, _, _ in shipment.lines),
                len(shipment.lines),
            )
            for shipment in self.simulator.shipments()
        ]

    def payments(self) -> list[str]:
        return [str(deposit.external_id) for deposit in self.simulator.deposits()]


def _booked(order: OrderTruth) -> BookedOrder:
    return BookedOrder(
        order.id,
        tuple(
            BookedLine(
                line.sku,
                line.location or 0,
                0 if line.closed or line.rate is None else line.quantity or 0,
                (line.rate or Decimal(0)).quantize(CENT),
                line.shipped,
            )
            for line in order.lines
            if line.role == "goods"
        ),
        order.total,
    )


__all__ = ["PUSH_SECRET", "SLOTS", "NetSuiteSide"]
