"""What a census lists: everything that two systems have of one kind, before anything was agreed.

A canonical record needs a key that both sides know; here are the things that may have none yet, or
the same one twice.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from syncline.model.records import ZERO


class ListedItem(Struct, frozen=True):
    """One variant or item. ``quantity`` is what the system offers of it, in units, over the places asked for.

    ``fields`` holds the further fields that were asked for by name.
    """

    id: str
    sku: str = ""
    title: str = ""
    barcode: str = ""
    quantity: Decimal = ZERO
    fields: dict[str, str] = {}


class ListedPlace(Struct, frozen=True):
    """One location."""

    id: str
    name: str


class ListedCustomer(Struct, frozen=True):
    """One buyer. ``reference`` is the external id, where the system keeps one for us."""

    id: str
    name: str = ""
    email: str = ""
    reference: str = ""
    fields: dict[str, str] = {}


class ListedOrder(Struct, frozen=True):
    """An order of a channel, without its lines. ``open``: something of it is still to be sent."""

    key: str
    number: str
    placed_at_ms: int
    updated_at_ms: int
    total: Decimal
    currency: str
    open: bool
    cancelled: bool = False


class FoundOrder(Struct, frozen=True):
    """An order that the ERP holds under somebody's reference. ``total`` is ``None`` where nothing tells it.

    ``name`` is how the ERP's changes call it: its external id, or what the connector makes of its own
    id. ``followed``: whether changes of it are told at all, as the system is configured. ``values``
    are the fields by which it was asked for. ``gone``: it was cancelled or closed;
    ``open``: goods of it are still to leave. ``number`` is what a person finds it by, where that is not its id.
    """

    id: str
    name: str
    total: Decimal | None
    status: str
    followed: bool
    values: dict[str, str]
    gone: bool = False
    open: bool = False
    number: str = ""

    @property
    def called(self) -> str:
        """By what a person finds it."""
        return self.number or self.id


Listed = ListedItem | ListedPlace | ListedCustomer | ListedOrder
