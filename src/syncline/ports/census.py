"""What an adoption needs of a system beyond its Source: lists of everything, and orders by any reference."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from syncline.model.census import FoundOrder, Listed
from syncline.model.change import Cursor, Event

REFERENCE = "reference"  # the field of an ERP's order that carries our own reference


@dataclass(frozen=True, slots=True)
class CensusPage:
    """One page of a list, and the position that is true once it is stored."""

    rows: tuple[Listed, ...]
    position: str
    last: bool


class Census(Protocol):
    """Lists what a system has: blanks and duplicates too, which a Source leaves out."""

    def read(
        self, what: str, position: str, *, fields: Sequence[str] = (), places: Sequence[str] = ()
    ) -> AsyncIterator[CensusPage]:
        """List ``items``, ``places``, ``customers`` or ``orders`` from a position ("" for the beginning) to the end.

        Orders come in the order of their last change, and the position after the last page is where
        the next reading goes on: what changed since is told then. ``fields`` are further fields of
        items or customers, ``places`` the locations whose quantities count; none means all. Items are asked for first.

        Raises:
            Throttled, Retryable, OutcomeUnknown, AuthExpired: go on later from the last position.
        """
        ...

    async def begin(self) -> tuple[Cursor, ...]:
        """Cursors from which the system's streams tell everything that changes from now on."""
        ...


class OrderBook(Protocol):
    """Finds orders of an ERP by what others wrote on them."""

    @property
    def orders_max(self) -> int:
        """How many values of one field may be asked for at once."""
        ...

    def check_fields(self, fields: Sequence[str]) -> None:
        """Whether orders can be found by these fields.

        Raises:
            Misconfigured: names the one that cannot be.
        """
        ...

    async def find_orders(self, wanted: Mapping[str, Sequence[str]]) -> list[FoundOrder]:
        """The orders that hold one of the values in its field; exact but for case, and in no order.

        ``REFERENCE`` asks for those that we have written ourselves.
        """
        ...

    async def order_events(self, orders: Mapping[str, str]) -> list[Event]:
        """What the ERP holds of some orders now, by its ids, told under the references given for them.

        First the orders, then what was shipped of them.
        """
        ...
