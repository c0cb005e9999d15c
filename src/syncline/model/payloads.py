"""What a Sink is asked to do: one payload type for each operation.

Operation names are shared by all connectors, so that the engine knows what an operation means
without knowing who performs it:

==================== ============== =========================================================
operation            payload        outcome facts when done
==================== ============== =========================================================
``set_stock``        SetStock       none; ``Result.STALE`` where the expectation failed,
                                    ``Result.ACCEPTED`` where it is applied later
``read_stock``       ReadStock      ``held``: int, what the channel holds now
                                    ``reserved``: int, what it has set aside without an
                                    order, if it tells
``read_order``       ReadOrder      ``event``: Event, the order as read, to be appended
``put_order``        PutOrder       ``external_id``: str; where an order of others was found,
                                    ``adopted``: its name, and ``event``: Event, what it holds;
                                    ``account``: str, the ERP's key of who pays, if it tells;
                                    ``written_ms``: int, when the ERP had answered that it holds
                                    it, by our clock, if that was before the outcome was known;
                                    when rejected for locations, ``refused_locations``: their ids
``put_payment``      PutPayment     ``external_id``: str
``put_refund``       PutRefund      ``external_id``: str
``create_shipment``  CreateShipment ``external_id``: str
``move_order``       MoveOrder      none
``record_payment``   RecordPayment  ``external_id``: str; ``told``: str, what the channel holds of it
``create_refund``    CreateRefund   ``external_id``: str
``cancel_order``     CancelOrder    ``external_id``: str
``set_price``        SetPrice       none; the price of the item itself
``set_list_price``   SetPrice       none; the item's price in one of the channel's price lists
``put_customer``     PutCustomer    ``external_id``: str, the channel's id; ``buyers``: the ids under
                                    which the channel's orders name its people; ``overwritten``: in
                                    words, what others had changed there and is no more
``set_credit``       SetCredit      none
==================== ============== =========================================================

``set_stock`` and ``read_stock`` also tell ``stamp_ms``, where the channel stamps its numbers: when the number became
what it is, by the channel's clock. It is compared with the versions of ``ChannelLevel`` changes.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from syncline.model.credit import CreditTag
from syncline.model.customers import CustomerCard
from syncline.model.pricing import PriceTag
from syncline.model.products import Goods, Listing, Wording
from syncline.model.records import Order, Payment, Receipt, Refund, Return, Shipment


class SetStock(Struct, frozen=True):
    """Make one SKU at one channel location show ``quantity``, provided that it shows ``expected``.

    A Sink without compare-and-set cannot ask for that and writes ``quantity``; it was just read.
    """

    sku: str
    stock_id: str
    location: str
    quantity: int
    expected: int


class ReadStock(Struct, frozen=True):
    """Read what one SKU at one channel location shows now."""

    sku: str
    stock_id: str
    location: str


class ReadOrder(Struct, frozen=True):
    """Read one order whole, as the channel holds it now."""

    key: str


class OrderItem(Struct, frozen=True):
    """One ERP order line: ``item_id`` and ``location`` are the ERP's ids.

    ``quantity`` is in units of the item. Where the channel sold packs, one unit of its line is
    ``in_pack`` of them.
    """

    line_id: str
    item_id: str
    sku: str
    location: str
    quantity: int
    in_pack: int = 1


class FieldValue(Struct, frozen=True):
    """The value of a field of the account's own, as a text of its type.

    ``type`` is ``string``, ``decimal``, ``date`` (ISO 8601) or ``boolean`` (``true``, ``false``).
    """

    name: str
    type: str
    text: str


class PutOrder(Struct, frozen=True):
    """Make the ERP hold this order as it is now.

    ``reference`` is the external id that makes it findable. ``external_id`` is the ERP's own id
    once known: then this is a revision, which replaces the lines of the order found there. ``foreign``
    are fields and values under which somebody else may have written it: an order found by one of them
    is adopted, and nothing is created. ``customer_external_id`` is the ERP's id of the customer for whom it
    is booked; without one the buyer is found, or made, by our own reference. ``routed`` marks what routing decided about
    the items' locations; empty: they are where the channel expects them. ``fields`` are written besides, as the mapping has
    it.
    """

    reference: str
    order: Order
    items: tuple[OrderItem, ...]
    external_id: str = ""
    foreign: tuple[tuple[str, str], ...] = ()
    customer_external_id: str = ""
    routed: str = ""
    fields: tuple[FieldValue, ...] = ()


class PutPayment(Struct, frozen=True):
    """Record a confirmed payment against an order of the ERP."""

    reference: str
    order_external_id: str
    customer_key: str
    payment: Payment


class PutRefund(Struct, frozen=True):
    """Record goods and money taken back for an order of the ERP.

    ``items`` are only the units that had been shipped; units removed before shipping follow as a
    revision of the order.
    """

    reference: str
    order_external_id: str
    refund: Refund
    items: tuple[OrderItem, ...]
    restocked: bool


class CreateShipment(Struct, frozen=True):
    """Tell the channel that goods left. ``lines`` name channel locations; keys are the channel's.

    ``anywhere``: the channel may expect them from other locations, and is then told there.
    """

    order_key: str
    shipment: Shipment
    lines: tuple[tuple[str, str, int], ...]  # (sku, channel location, units)
    anywhere: bool = False


class MoveOrder(Struct, frozen=True):
    """Make the channel expect an order's goods from where they are sent.

    ``lines`` say how many units of an order line leave a channel location in all, those included that have left. What they
    leave open stays where the channel expects it, and so does what has left. ``tolerated``: where the channel refuses, nobody
    has to look at it.
    """

    order_key: str
    lines: tuple[tuple[str, str, int], ...]  # (the channel's order line, channel location, units)
    tolerated: bool = False


class RecordPayment(Struct, frozen=True):
    """Make the channel's order hold as much of an ERP's money as ``receipt`` says, in all.

    What it holds of it is read just before, by the name that we give such payments, and only the rest is added, so doing
    it again changes nothing; and never more than is still to be paid.
    """

    order_key: str
    receipt: Receipt


class CreateRefund(Struct, frozen=True):
    """Take goods back at the channel that came back to the ERP. ``lines`` name channel locations; keys are the channel's.

    ``reference`` is written on it, so that it is found again and not taken for the channel's own. ``restock``: the channel
    puts the units back on its shelf. ``money``: what they cost goes back to the buyer, as far as it was paid.
    """

    order_key: str
    reference: str
    returned: Return
    lines: tuple[tuple[str, str, int], ...]  # (sku, channel location, units)
    restock: bool
    money: bool


class CancelOrder(Struct, frozen=True):
    """Cancel an order at its channel of which the ERP will send nothing; ``restock`` and ``money`` as of a refund."""

    order_key: str
    restock: bool
    money: bool


class SetPrice(Struct, frozen=True):
    """Make one price list of the channel say ``content`` of a SKU, and nothing else.

    ``price_list`` is the channel's own id of it; "" is the price of the item itself, which has no quantity breaks.
    ``had`` are the minimums that the list is known to have prices from; ``None``: nobody knows, so whatever else is
    there has to go.
    """

    sku: str
    item_id: str
    parent_id: str
    price_list: str
    content: PriceTag
    had: tuple[Decimal, ...] | None = None


class SetProduct(Struct, frozen=True):
    """Make the channel show a product so, and take nothing of it away that is not named here.

    ``ids`` are the channel's ids of its variants and of their product, by SKU, as far as they are known. A new variant is
    stocked at ``places``, with nothing. ``had`` is what the channel surely shows now; ``None``: nobody knows.
    """

    key: str
    content: Goods
    ids: dict[str, tuple[str, str]]
    places: tuple[str, ...] = ()
    had: Goods | None = None


class SetWording(Struct, frozen=True):
    """Make the channel show these texts of a product in one of its languages, and none of ``had`` that is not among them.

    ``product_id`` is empty while the channel is not known to have the product.
    """

    key: str
    locale: str
    content: Wording
    had: tuple[str, ...] = ()
    product_id: str = ""


class SetListing(Struct, frozen=True):
    """Put a product into one of the channel's assortments, or take it out. ``product_id`` as before."""

    key: str
    assortment: str
    content: Listing
    product_id: str = ""


class PutCustomer(Struct, frozen=True):
    """Make the channel hold a customer as ``content`` says, whatever it is of ours there.

    ``external_id`` is the channel's id once it is known; without one it is looked for by the keys of the content, and made
    if there is none. ``before`` is what was surely written last: what differs from it there was changed by somebody else, and the
    content says whether that is overwritten. ``None``: nobody knows, so everything is written.
    """

    key: str
    external_id: str
    content: CustomerCard
    before: CustomerCard | None = None


class SetCredit(Struct, frozen=True):
    """Make the channel know what is left of an account's credit; ``external_id`` is its own id of the customer."""

    account: str
    external_id: str
    content: CreditTag


StatePayload = SetPrice | SetProduct | SetWording | SetListing | PutCustomer | SetCredit
Payload = (
    SetStock
    | ReadStock
    | ReadOrder
    | PutOrder
    | PutPayment
    | PutRefund
    | CreateShipment
    | MoveOrder
    | RecordPayment
    | CreateRefund
    | CancelOrder
    | StatePayload
)

PAYLOADS: dict[str, type[Payload]] = {
    "set_stock": SetStock,
    "read_stock": ReadStock,
    "read_order": ReadOrder,
    "put_order": PutOrder,
    "put_payment": PutPayment,
    "put_refund": PutRefund,
    "create_shipment": CreateShipment,
    "move_order": MoveOrder,
    "record_payment": RecordPayment,
    "create_refund": CreateRefund,
    "cancel_order": CancelOrder,
    "set_price": SetPrice,
    "set_list_price": SetPrice,
    "set_product": SetProduct,
    "set_wording": SetWording,
    "set_listing": SetListing,
    "put_customer": PutCustomer,
    "set_credit": SetCredit,
}
