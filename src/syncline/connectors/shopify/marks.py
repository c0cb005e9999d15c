"""What we write on what we make in a shop, so that it is found again and not taken for the shop's own."""

from __future__ import annotations

PAYMENT = "Paid to the ERP"  # the name of the payment method; staff see it beside the payment
_REFUND = "Syncline: "


def refund_note(reference: str) -> str:
    """The note of a refund that was made for an ERP's return."""
    return _REFUND + reference


def ours(note: str | None) -> bool:
    """Whether a refund was made by us."""
    return (note or "").startswith(_REFUND)
