"""A simulated Business Central company in a played world."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from random import Random

from syncline.connectors.business_central import CONNECTOR, BusinessCentralSettings
from syncline.connectors.business_central.simulator import (
    CLIENT_ID,
    CLIENT_SECRET,
    BusinessCentralSimulator,
    OrderLineTruth,
    OrderTruth,
)
from syncline.connectors.business_central.simulator.state import Record
from syncline.ports import Clock, Transport
from syncline.simulate.licence import USUAL_LICENCE, Licence
from syncline.simulate.sides.ports import BookedLine, BookedOrder, ErpSide, Parcel, Place

STATE_SECRET = "simulated-client-state-0123456789"  # noqa: S105 (opens nothing but a simulator)
WEB_CUSTOMER = "WEB"
SLOTS = 5  # for each caller: Microsoft, operational limits
# Of one order: looked for among orders and invoices, its customer, its payment in two places, the card of who pays; and what
# is written.
READS_PER_ORDER, READ_S = 6, 0.5  # the middle of the assumed 0.1 to 0.9 s
WRITES_PER_ORDER, WRITE_S = 3, 1.45  # the middle of the assumed 0.4 to 2.5 s
USABLE = 0.75  # of the slots: the rest is for reads, revisions and bad luck
CONTRACT = "CONTRACT"  # number of the customer who has prices of his own, and of their list
TITLE_CHARS_MAX = 100
CENT = Decimal("0.01")
POSTS_PAYMENTS = 0.3  # of the times that somebody sits down to the paperwork
INVOICES = 0.4
INVOICED_AFTER_MS = 300_000  # nobody writes an invoice in the very minute


class BusinessCentralSide(ErpSide):
    """One company with our extension installed.

    Safety stock is no field that the API tells of a location, so it is kept here: people know it, and the route's rules
    say it.
    """

    connector = CONNECTOR
    licence = f"Business Central with {SLOTS} concurrent calls and 6,000 in five minutes"
    unit = "at once"
    calls_max = 16
    subscribes = True
    strict = True
    spared: frozenset[str] = frozenset()
    orders_per_s = USABLE * SLOTS / (READS_PER_ORDER * READ_S + WRITES_PER_ORDER * WRITE_S)
    calls_refused = True
    own_list = "item"

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
        self.simulator: BusinessCentralSimulator = BusinessCentralSimulator(
            clock=clock, rng=rng, transport=transport
        )
        self._rng = Random(rng.getrandbits(64))
        self._safety: dict[tuple[str, str], int] = {}
        self._ids: dict[str, str] = {}  # of orders, by reference as the product spells it
        self._agreed: dict[str, str] = {}  # line of the price list, by SKU
        self._invoices: dict[str, str] = {}  # numbers of those that were settled, by order
        self.invoiced = 0
        self.simulator.set_tax("STANDARD", "20")
        self.simulator.add_customer(WEB_CUSTOMER, "Web guests")

    def origins(self) -> list[str]:
        return list(self.simulator.origins)

    def serve_at(self, url: str) -> None:
        """It answers under whatever address it is asked."""

    def settings(self, url: str = "") -> BusinessCentralSettings:
        return BusinessCentralSettings(
            tenant=self.simulator.tenant,
            company_id=self.simulator.company_id,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            base_url=url,
            login_url=url,
            webhook_secrets=(STATE_SECRET,),
            slots=self._slots,
            currency="GBP",
            web_customer=WEB_CUSTOMER,
            tax="keep",
            tax_account="5610",
            zero_tax_code="ZERO",
            shipping_account="6710",
            payment_journal="WEB",
            post_returns=True,
        )

    def listen(self, url: str) -> None:
        """Syncline subscribes."""

    def quiet(self) -> bool:
        return self.simulator.webhooks.in_flight() == 0

    def revoke(self) -> None:
        self.simulator.tokens.forget()

    def digest(self) -> str:
        return self.simulator.state_digest()

    def check(self) -> list[str]:
        return self.simulator.check()

    # --- goods ------------------------------------------------------------------------------------

    def spelt(self, sku: str) -> str:
        """Numbers of items hold upper case."""
        return sku.upper()

    def add_place(self, name: str) -> str:
        return self.simulator.add_location(name.partition(" ")[0], name)

    def add_item(self, sku: str, title: str, price: Decimal) -> None:
        self.simulator.add_item(sku, title[:TITLE_CHARS_MAX], price)

    def open_with(self, sku: str, at: Place, quantity: int) -> None:
        self.simulator.receive(sku, at, quantity)

    def set_safety_stock(self, sku: str, at: Place, units: int) -> None:
        self._safety[sku, at] = units

    def safety_stock(self, sku: str, at: Place) -> int:
        return self._safety.get((sku, at), 0)

    def available(self, sku: str, at: Place) -> int:
        return max(0, self.simulator.available(sku, at))

    def backordered(self, sku: str, at: Place) -> int:
        return max(0, -self.simulator.available(sku, at))

    def add_company(self, name: str, limit: Decimal) -> str:
        count = len(self.simulator.company.tables["customers"])
        number = f"C{count:04d}"
        return self.simulator.add_customer(
            number, name, creditLimit=limit, email=f"purchasing-{number}@example.com", addressLine1="1 High Street",
            city="Reading", postalCode="RG1 1AA", country="GB", phoneNumber=f"+44 118 {count:07d}",
        )  # fmt: skip

    def owe(self, key: str, amount: Decimal) -> Decimal:
        """A balance is the sum of posted invoices, of which there is none yet."""
        return Decimal(0)

    def open_contract(self) -> str:
        self.simulator.add_customer(CONTRACT, "Contract customer")
        return f"customer:{CONTRACT}"

    def agree(self, sku: str, price: Decimal) -> None:
        if sku in self._agreed:
            self.simulator.edit_price(self._agreed[sku], unitPrice=price)
        else:
            who = {"sourceType": "Customer", "sourceNumber": CONTRACT}
            self._agreed[sku] = self.simulator.add_price(CONTRACT, sku, price, **who)

    def agreed(self, sku: str) -> Decimal:
        line = self.simulator.company.tables["priceListLines"][self._agreed[sku]]
        return Decimal(line.values["unitPrice"])

    def receive(self, goods: Sequence[tuple[str, int]], at: Place) -> None:
        for sku, quantity in goods:
            self.simulator.receive(sku, at, quantity)

    def withdraw(self, sku: str, at: Place, units: int, by: str) -> int:
        took = min(units, self.simulator.available(sku, at) - self.safety_stock(sku, at))
        if took <= 0:
            return 0
        self.simulator.withdraw(sku, at, took)
        return took

    def transfer(self, sku: str, source: Place, target: Place, units: int) -> None:
        self.simulator.transfer(sku, source, target, units)

    # --- orders -----------------------------------------------------------------------------------

    def _records(self) -> Iterator[Record]:
        company = self.simulator.company
        yield from company.tables["salesOrders"].values()
        for order, _ in company.archive.values():
            yield order

    def find(self, reference: str) -> str | None:
        key = reference.upper()
        if key not in self._ids:
            self._ids = {
                order.values["externalDocumentNumber"].upper(): order.id for order in self._records()
            }
        return self._ids.get(key)

    def order(self, order_id: str) -> BookedOrder:
        return _booked(self.simulator.order(order_id))

    def orders(self) -> Mapping[str, Sequence[BookedOrder]]:
        return {
            reference.lower(): [_booked(order) for order in orders]
            for reference, orders in self.simulator.orders_by_reference().items()
        }

    def ready(self, order_id: str) -> bool:
        """Staff may be quicker than the answer to the call that wrote an order."""
        return True

    def ship(self, order_id: str, tracking: str, carrier: str) -> int:
        """Nothing is shipped that is not there, though the product would let a location's stock go below 0."""
        simulator = self.simulator
        if order_id not in simulator.company.tables["salesOrders"]:
            return 0
        picks: dict[str, dict[int, int]] = {}
        left: dict[tuple[str, str], int] = {}
        for line, units in simulator.open_lines(simulator.order_record(order_id)):
            place = simulator.documents.place_of(line)
            if place is None:
                continue
            sku, _, at = place
            there = left.setdefault((sku, at), max(0, simulator.on_hand(sku, at)))
            take = min(int(units), there)
            if take:
                left[sku, at] -= take
                picks.setdefault(at, {})[line.values["sequence"]] = take
        for number, lines in enumerate(picks.values(), 1):
            named = tracking if number == 1 else f"{tracking}-{number}"
            simulator.ship(order_id, lines=lines, tracking=named, agent=carrier)
        return len(picks)

    def paperwork(self) -> None:
        """Payments are posted, and orders that have left are invoiced whole: the product deletes them."""
        before_ms = self.simulator.clock.now_ms() - INVOICED_AFTER_MS
        draw = self._rng.random()
        if draw < POSTS_PAYMENTS:
            self.simulator.post_payments()
        elif draw < POSTS_PAYMENTS + INVOICES:
            done = [
                order
                for order in self.simulator.company.tables["salesOrders"].values()
                if order.values["externalDocumentNumber"]
                and order.values["fullyShipped"]
                and order.modified_ms <= before_ms
            ]
            if done:
                self.simulator.invoice(self._rng.choice(done).id)
                self.invoiced += 1

    def settle(self, order_id: str) -> Decimal | None:
        order = self.simulator.company.tables["salesOrders"].get(order_id)
        if order is None or not order.values["fullyShipped"]:
            return None
        self.simulator.post_payments()
        number = self._invoices[order_id] = self.simulator.invoice(order_id)
        invoice = self.simulator.company.find("salesInvoices", "number", number)
        assert invoice is not None
        self.simulator.settle(number)
        self.invoiced += 1
        return Decimal(invoice.values["totalAmountIncludingTax"])

    def take_back(self, order_id: str) -> int:
        if order_id not in self._invoices:
            return 0
        line = next(one for one in self.order(order_id).lines if one.shipped)
        self.simulator.credit(self._invoices[order_id], {line.sku: 1}, line.at)
        return 1

    def shipments(self) -> list[Parcel]:
        return [
            Parcel(
                shipment.reference.lower(),
                shipment.tracking or None,
                sum(int(units) for _, _, units, _ in shipment.lines),
                len(shipment.lines),
            )
            for shipment in self.simulator.shipments()
        ]

    def payments(self) -> list[str]:
        return [payment.reference for payment in self.simulator.payments()]


def _price(line: OrderLineTruth) -> Decimal:
    each = line.discount / line.quantity if line.quantity else Decimal(0)
    return (line.unit_price - each).quantize(CENT)


def _booked(order: OrderTruth) -> BookedOrder:
    return BookedOrder(
        order.id,
        tuple(
            BookedLine(line.number, line.location, int(line.quantity), _price(line), int(line.shipped))
            for line in order.lines
            if line.kind == "Item"
        ),
        order.total,
    )


__all__ = ["STATE_SECRET", "BusinessCentralSide"]
