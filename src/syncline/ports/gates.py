"""What the checkout of a channel asks before it goes on, and how it is answered in the channel's own words.

A vendor that asks waits: whatever is decided within the time that the connector allows is told at once, and what is not
decided is told as unknown, so that the vendor's own setting for that case holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from syncline.ports.requests import WebhookRequest


class CartLine(Struct, frozen=True):
    """Units of a SKU in a cart; ``place`` says where in the question it stood, for the answer."""

    sku: str
    quantity: Decimal
    place: str = ""


class Cart(Struct, frozen=True):
    """A cart that is about to become an order.

    ``reference`` is the same for the same cart, however often it is asked about; ``order`` is the number that the order will
    have, "" where that is not told. ``customer`` is the channel's own id of the buyer, "" for a guest. ``on_credit``: it is
    to be paid later, on account, as far as the channel tells. ``amount`` is ``None`` where it is not told.
    """

    reference: str
    order: str
    customer: str
    currency: str
    amount: Decimal | None
    lines: tuple[CartLine, ...]
    on_credit: bool = True


class Gate(Protocol):
    """Understands the questions of one system, and words the answers. Makes no call."""

    @property
    def deadline_ms(self) -> int:
        """How long an answer may take."""
        ...

    @property
    def passes_review(self) -> bool:
        """Whether an order goes on that a person has to review; else it is stopped."""
        ...

    def read(self, request: WebhookRequest) -> Cart:
        """Check the signature on the raw body, then understand it. Never parses before verifying.

        Raises:
            Forged: the signature is missing or wrong.
            Rejected: the content cannot be understood; nothing else is ever raised, whatever the bytes are.
        """
        ...

    def passed(self) -> bytes:
        """The answer by which the checkout goes on."""
        ...

    def stopped(self, message: str) -> bytes:
        """The answer by which the buyer is stopped, with words for the buyer."""
        ...

    def priced(self, prices: Sequence[tuple[CartLine, Decimal]]) -> bytes:
        """The answer that sets unit prices; of lines that are not named, nothing is changed."""
        ...
